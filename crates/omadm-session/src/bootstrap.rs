//! How a bootstrap document proves where it comes from: SEC and MAC. [DM-Bootstrap §5.7]
//!
//! A document that brings accounts arrives before device and server share anything. Where its
//! transport protects nothing, a MAC over its octets does, with a key of what both ends know: what
//! the network knows of the device, a PIN that somebody told the user, or both. What the document
//! says is no matter of this crate.
//!
//! ```
//! use omadm_session::bootstrap::{Method, Profile, Protection, Secrets};
//!
//! let secrets = Secrets::new().with_pin("1234");
//! let document = b"\x02\x00\x00\x6A\x00";
//! let protection = Protection::new(Profile::Dm, Method::UserPin, &secrets, document)?;
//! let content_type = protection.content_type(Profile::Dm, "application/vnd.syncml.dm+wbxml");
//! assert!(content_type.ends_with("; SEC=USERPIN; MAC=9625A25DF1F9A521D7F5ED25B1299A40A8D63D1C"));
//! assert_eq!(protection.verify(Profile::Dm, &secrets, document), Ok(true));
//!
//! let other = Secrets::new().with_pin("1235");
//! assert_eq!(protection.verify(Profile::Dm, &other, document), Ok(false));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{fmt, str::FromStr};

use hmac::{Hmac, KeyInit, Mac as _};
use omadm_core::Secret;
use sha1::Sha1;

mod content_type;

pub use content_type::{ContentTypeError, ContentTypeErrorKind};

/// In which form a document comes; each has its own names and keys. [DM-Bootstrap]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Profile {
    /// OMA Client Provisioning: a WAP provisioning document.
    Cp,
    /// OMA DM: a DM message with an Add.
    Dm,
}

/// What the key is made of. [DM-Bootstrap §5.7.2.3]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Method {
    /// What the network and the device know: `NETWORKID`, in Client Provisioning `NETWPIN`.
    NetworkId,
    /// A PIN the user was told: `USERPIN`.
    UserPin,
    /// Both: `USERPIN_NETWORKID`, in Client Provisioning `USERNETWPIN`.
    UserPinNetworkId,
}

/// What a device, or who bootstraps it, knows to make keys of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Secrets {
    /// What network and device share: in Client Provisioning the IMSI as [`imsi_octets`].
    pub network: Option<Secret>,
    /// The digits of the PIN.
    pub pin: Option<Secret>,
}

/// A secret that the method needs is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MissingSecret {
    /// What network and device share.
    #[error("the secret shared with the network is not known")]
    Network,
    /// The PIN.
    #[error("the PIN is not known")]
    Pin,
}

/// HMAC-SHA-1 of a document: as text, 40 hexadecimal digits. [RFC 2104]
///
/// Equality takes the same time whatever the first difference is.
#[derive(Clone, Copy, Eq, Debug)]
pub struct Mac([u8; 20]);

/// A text that is not 40 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not 40 hexadecimal digits")]
pub struct InvalidMac;

/// How a document is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Protection {
    /// What the key is made of.
    pub method: Method,
    /// The MAC.
    pub mac: Mac,
}

/// A text that is no IMSI.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an IMSI is 6 to 15 digits")]
pub struct InvalidImsi;

impl Method {
    /// Every method.
    pub const ALL: [Self; 3] = [Self::NetworkId, Self::UserPin, Self::UserPinNetworkId];

    /// The value of `SEC`. [DM-Bootstrap §5.7.2.3]
    #[must_use]
    pub const fn as_str(self, profile: Profile) -> &'static str {
        match (profile, self) {
            (Profile::Cp, Self::NetworkId) => "NETWPIN",
            (Profile::Cp, Self::UserPinNetworkId) => "USERNETWPIN",
            (_, Self::UserPin) => "USERPIN",
            (Profile::Dm, Self::NetworkId) => "NETWORKID",
            (Profile::Dm, Self::UserPinNetworkId) => "USERPIN_NETWORKID",
        }
    }

    /// The number that WSP has for the value, for both profiles (for DM unverified).
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::NetworkId => 0,
            Self::UserPin => 1,
            Self::UserPinNetworkId => 2,
        }
    }

    /// The method that a value of `SEC` names, as a word or as a number.
    ///
    /// `USERPINMAC`, 3, is none: nothing travels with the document, and how the user's digits come
    /// from the MAC is not in the specification (unverified).
    #[must_use]
    pub fn of(profile: Profile, sec: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| {
            sec.eq_ignore_ascii_case(method.as_str(profile)) || sec == method.number().to_string()
        })
    }
}

impl Secrets {
    /// Nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what network and device share.
    #[must_use]
    pub fn with_network(mut self, secret: impl Into<Secret>) -> Self {
        self.network = Some(secret.into());
        self
    }

    /// Adds the PIN.
    #[must_use]
    pub fn with_pin(mut self, pin: impl Into<Secret>) -> Self {
        self.pin = Some(pin.into());
        self
    }

    /// The key. In Client Provisioning the octets of the network come first and the PIN follows; in
    /// DM the PIN comes first, then a colon.
    fn key(&self, profile: Profile, method: Method) -> Result<Secret, MissingSecret> {
        let network = || self.network.as_ref().ok_or(MissingSecret::Network);
        let pin = || self.pin.as_ref().ok_or(MissingSecret::Pin);
        Ok(match (method, profile) {
            (Method::NetworkId, _) => network()?.clone(),
            (Method::UserPin, _) => pin()?.clone(),
            (Method::UserPinNetworkId, Profile::Cp) => {
                [network()?.expose(), pin()?.expose()].concat().into()
            }
            (Method::UserPinNetworkId, Profile::Dm) => {
                [pin()?.expose(), b":", network()?.expose()].concat().into()
            }
        })
    }
}

impl Mac {
    /// The octets.
    #[must_use]
    pub const fn octets(&self) -> [u8; 20] {
        self.0
    }

    fn of(key: &Secret, document: &[u8]) -> Self {
        // A key of any length is taken.
        let hmac = Hmac::<Sha1>::new_from_slice(key.expose());
        let mac = hmac.map(|hmac| hmac.chain_update(document).finalize().into_bytes().into());
        Self(mac.unwrap_or_default())
    }
}

impl Protection {
    /// Protects the octets of a document.
    ///
    /// # Errors
    /// [`MissingSecret`]
    pub fn new(
        profile: Profile,
        method: Method,
        secrets: &Secrets,
        document: &[u8],
    ) -> Result<Self, MissingSecret> {
        let key = secrets.key(profile, method)?;
        Ok(Self {
            method,
            mac: Mac::of(&key, document),
        })
    }

    /// Whether the octets of a document are those that somebody who knows the secrets protected.
    ///
    /// A PIN has few digits: the caller counts failures and stops after three or so.
    ///
    /// # Errors
    /// [`MissingSecret`]: it cannot be said.
    pub fn verify(
        &self,
        profile: Profile,
        secrets: &Secrets,
        document: &[u8],
    ) -> Result<bool, MissingSecret> {
        let expected = Self::new(profile, self.method, secrets, document)?;
        Ok(expected.mac == self.mac)
    }
}

/// An IMSI as the octets that Client Provisioning makes keys of: with its parity in front, two
/// digits an octet, the first in the low half. [GSM 11.11]
///
/// ```
/// use omadm_session::bootstrap::imsi_octets;
///
/// let octets = imsi_octets("262021234567890")?;
/// assert_eq!(octets, [0x29, 0x26, 0x20, 0x21, 0x43, 0x65, 0x87, 0x09]);
/// # Ok::<(), omadm_session::bootstrap::InvalidImsi>(())
/// ```
///
/// # Errors
/// [`InvalidImsi`]
pub fn imsi_octets(imsi: &str) -> Result<Vec<u8>, InvalidImsi> {
    if !(6..=15).contains(&imsi.len()) || !imsi.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(InvalidImsi);
    }
    let odd = imsi.len() % 2 == 1;
    let digits = imsi.bytes().map(|digit| digit - b'0');
    let mut halves = vec![if odd { 9 } else { 1 }];
    halves.extend(digits);
    if !odd {
        halves.push(0xF);
    }
    let (pairs, _) = halves.as_chunks();
    Ok(pairs.iter().map(|[low, high]| high << 4 | low).collect())
}

impl PartialEq for Mac {
    fn eq(&self, other: &Self) -> bool {
        Secret::from(self.0.to_vec()) == Secret::from(other.0.to_vec())
    }
}

impl From<[u8; 20]> for Mac {
    fn from(octets: [u8; 20]) -> Self {
        Self(octets)
    }
}

impl FromStr for Mac {
    type Err = InvalidMac;

    /// In upper or lower case.
    fn from_str(text: &str) -> Result<Self, InvalidMac> {
        let mut mac = [0; 20];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != mac.len() || !rest.is_empty() {
            return Err(InvalidMac);
        }
        let half = |digit: u8| char::from(digit).to_digit(16).ok_or(InvalidMac);
        for (octet, [high, low]) in mac.iter_mut().zip(pairs) {
            *octet = u8::try_from(half(*high)? << 4 | half(*low)?).map_err(|_| InvalidMac)?;
        }
        Ok(Self(mac))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02X}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const DOCUMENT: &[u8] = b"\x02\x00\x00\x6A\x00";
    const IMSI: &str = "262021234567890";

    fn mac(profile: Profile, method: Method, secrets: &Secrets) -> String {
        let protection = Protection::new(profile, method, secrets, DOCUMENT).unwrap();
        assert_eq!(protection.verify(profile, secrets, DOCUMENT), Ok(true));
        let octets = protection.mac.octets();
        let digits = octets.iter().map(|octet| format!("{octet:02X}"));
        assert_eq!(digits.collect::<String>(), protection.mac.to_string());
        protection.mac.to_string()
    }

    /// Computed with Python's `hmac` and `hashlib`.
    #[test]
    fn keys_and_macs_are_those_another_program_computes() {
        let cp = Secrets::new()
            .with_network(imsi_octets(IMSI).unwrap())
            .with_pin("1234");
        let dm = Secrets::new().with_network(IMSI).with_pin("1234");
        let pin = "9625A25DF1F9A521D7F5ED25B1299A40A8D63D1C";
        for (profile, method, secrets, expected) in [
            (Profile::Cp, Method::UserPin, &cp, pin),
            (Profile::Dm, Method::UserPin, &dm, pin),
            (
                Profile::Cp,
                Method::NetworkId,
                &cp,
                "BBFB80B8EFA613573B8AD34E9C4E95AC1256F1B9",
            ),
            (
                Profile::Cp,
                Method::UserPinNetworkId,
                &cp,
                "FD49A50821A0915C0ACDD75D886074EFE73B8B34",
            ),
            (
                Profile::Dm,
                Method::UserPinNetworkId,
                &dm,
                "9F484FCCFE4256A859DDED24A9083EEAA0EE4563",
            ),
            (
                Profile::Dm,
                Method::NetworkId,
                &dm,
                "B49B8AC457ECBFAD386BA72EE1BE2A1E5C3C7FCB",
            ),
        ] {
            assert_eq!(
                mac(profile, method, secrets),
                expected,
                "{profile:?} {method:?}"
            );
        }
    }

    #[test]
    fn an_imsi_is_packed_by_its_parity() {
        let even = imsi_octets("26202123456789").unwrap();
        assert_eq!(even, [0x21, 0x26, 0x20, 0x21, 0x43, 0x65, 0x87, 0xF9]);
        for bad in [
            "",
            "12345",
            "1234567890123456",
            "26202123456789x",
            "２６２０",
        ] {
            assert_eq!(imsi_octets(bad), Err(InvalidImsi), "{bad}");
        }
    }

    #[test]
    fn one_wrong_bit_or_a_secret_too_few_is_no_proof() {
        let secrets = Secrets::new().with_pin("1234");
        let sealed = Protection::new(Profile::Dm, Method::UserPin, &secrets, DOCUMENT).unwrap();
        for bit in 0..DOCUMENT.len() * 8 {
            let mut bad = DOCUMENT.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(sealed.verify(Profile::Dm, &secrets, &bad), Ok(false));
        }
        for bit in 0..160 {
            let mut bad = sealed;
            bad.mac.0[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(bad.verify(Profile::Dm, &secrets, DOCUMENT), Ok(false));
        }
        let none = Secrets::new();
        for (method, missing) in [
            (Method::NetworkId, MissingSecret::Network),
            (Method::UserPin, MissingSecret::Pin),
            (Method::UserPinNetworkId, MissingSecret::Pin),
        ] {
            let protection = Protection { method, ..sealed };
            let verdict = protection.verify(Profile::Dm, &none, DOCUMENT);
            assert_eq!(verdict, Err(missing));
        }
        let network = Protection {
            method: Method::UserPinNetworkId,
            ..sealed
        };
        let verdict = network.verify(Profile::Dm, &secrets, DOCUMENT);
        assert_eq!(verdict, Err(MissingSecret::Network));
    }

    #[test]
    fn macs_are_read_in_either_case() {
        let text = "9625A25DF1F9A521D7F5ED25B1299A40A8D63D1C";
        let mac: Mac = text.parse().unwrap();
        assert_eq!(text.to_lowercase().parse(), Ok(mac));
        assert_eq!(mac.to_string(), text);
        for bad in [
            "",
            "96",
            text.trim_start_matches('9'),
            &format!("{text}0"),
            &text.replace('9', "g"),
        ] {
            assert_eq!(bad.parse::<Mac>(), Err(InvalidMac), "{bad}");
        }
    }

    #[test]
    fn secrets_do_not_print() {
        let shown = format!("{:?}", Secrets::new().with_network("4711").with_pin("1234"));
        assert!(!shown.contains("4711") && !shown.contains("1234"));
    }

    proptest! {
        #[test]
        fn only_the_key_opens(
            document in vec(any::<u8>(), 0..60),
            pin in "[0-9]{4,8}",
            other in "[0-9]{4,8}",
        ) {
            let secrets = Secrets::new().with_pin(pin.as_str());
            let sealed = Protection::new(Profile::Cp, Method::UserPin, &secrets, &document);
            let others = Secrets::new().with_pin(other.as_str());
            let verdict = sealed.unwrap().verify(Profile::Cp, &others, &document);
            prop_assert_eq!(verdict, Ok(pin == other));
        }
    }
}
