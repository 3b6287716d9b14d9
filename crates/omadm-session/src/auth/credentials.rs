use std::sync::Arc;

use md5::{Digest, Md5};
use omadm_core::{Format, Secret, base64};
use omadm_syncml::{Data, Meta};

use super::{Nonce, Scheme};

/// A name and the password that proves it.
///
/// Names and passwords SHOULD have no colon with the scheme basic; a name that goes with a MAC is
/// visible ASCII, as it stands in a transport header. Passwords SHOULD have 128 bits of randomness
/// at least, and a server's differ from device to device. [DM-Security]
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Credentials {
    /// The name.
    pub name: String,
    /// The password.
    pub secret: Secret,
}

impl Credentials {
    /// A name and its password.
    pub fn new(name: impl Into<String>, secret: impl Into<Secret>) -> Self {
        Self {
            name: name.into(),
            secret: secret.into(),
        }
    }

    /// What the scheme basic encodes: `name:password`. [DM-Security]
    #[must_use]
    pub fn basic(&self) -> Secret {
        let name = self.name.as_bytes();
        Secret::from([name, b":", self.secret.expose()].concat())
    }

    /// The 16 octets of the scheme md5: `H(B64(H(name:password)):nonce)`. [DM-Security]
    ///
    /// ```
    /// use omadm_session::{Credentials, Nonce};
    ///
    /// let bruce = Credentials::new("Bruce2", "OhBehave");
    /// let digest = bruce.md5(&Nonce::new(b"Nonce")?);
    /// assert_eq!(digest.expose()[..4], [0x67, 0x3e, 0x84, 0x8a]);
    /// # Ok::<(), omadm_session::NonceTooLong>(())
    /// ```
    #[must_use]
    pub fn md5(&self, nonce: &Nonce) -> Secret {
        hash(&[self.hashed().expose(), b":", nonce.expose()])
    }

    /// The 16 octets of the scheme MAC: `H(B64(H(name:password)):nonce:B64(H(message)))`.
    /// [DM-Security]
    ///
    /// The digest of a notification is the same, over the trigger instead of the message.
    #[must_use]
    pub fn mac(&self, nonce: &Nonce, message: &[u8]) -> Secret {
        let message = b64(&hash(&[message]));
        let (hashed, nonce) = (self.hashed(), nonce.expose());
        hash(&[hashed.expose(), b":", nonce, b":", message.expose()])
    }

    /// `B64(H(name:password))`
    fn hashed(&self) -> Secret {
        b64(&hash(&[self.name.as_bytes(), b":", self.secret.expose()]))
    }
}

/// Credentials, and the scheme they are proven by. Clones share them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proof(Arc<(Scheme, Credentials)>);

impl Proof {
    /// A name and its password, proven by a scheme.
    pub fn new(scheme: Scheme, name: impl Into<String>, secret: impl Into<Secret>) -> Self {
        Self(Arc::new((scheme, Credentials::new(name, secret))))
    }

    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.0.0
    }

    /// What is proven.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.0.1
    }
}

/// Whom a transport has authenticated, as it knows it: for TLS the certificate in DER. Compared
/// octet by octet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransportIdentity(Box<[u8]>);

impl TransportIdentity {
    /// An identity in the words of the transport.
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(octets.into().into())
    }
}

pub(super) fn hash(parts: &[&[u8]]) -> Secret {
    let mut hasher = Md5::new();
    for part in parts {
        hasher.update(part);
    }
    Secret::from(hasher.finalize().to_vec())
}

pub(super) fn b64(octets: &Secret) -> Secret {
    Secret::from(base64::encode(octets.expose()))
}

/// The octets behind the data of credentials or a challenge, by its format.
pub(super) fn octets(meta: &Meta<'_>, data: &Data<'_>) -> Option<Secret> {
    match data {
        // In WBXML the octets may stand as they are, when the format says so.
        Data::Opaque(octets) if meta.format() == Ok(Format::Bin) => {
            Some(Secret::from(octets.to_vec()))
        }
        data => base64::decode(data.as_text()?.trim()).map(Secret::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"<SyncML xmlns="SYNCML:SYNCML1.2"></SyncML>"#;

    /// The five vectors of the security specification.
    #[test]
    fn digests_are_those_of_the_specification() {
        let bruce = Credentials::new("Bruce2", "OhBehave");
        let nonce = Nonce::new(b"Nonce").unwrap();
        let text = |secret: Secret| String::from_utf8(secret.expose().to_vec()).unwrap();
        assert_eq!(text(b64(&bruce.basic())), "QnJ1Y2UyOk9oQmVoYXZl");
        assert_eq!(text(bruce.hashed()), "PtEdr8lBQ45IbT1bZIkrOQ==");
        assert_eq!(text(b64(&bruce.md5(&nonce))), "Zz6EivR3yeaaENcRN6lpAQ==");
        assert_eq!(text(b64(&hash(&[BODY]))), "V2pUFyVNkvBtkcuf1/uj0A==");
        let mac = bruce.mac(&nonce, BODY);
        assert_eq!(text(b64(&mac)), "aSBvnDHzBa7JhdjeEEUR2g==");
    }

    #[test]
    fn octets_stand_as_base64_or_as_they_are() {
        let b64 = Scheme::Md5.meta();
        let bin = b64.clone().with_format(Format::Bin);
        let read =
            |meta, data: Data<'static>| octets(meta, &data).map(|octets| octets.expose().to_vec());
        let text = Data::Text(" AQID\n".into());
        let raw = Data::Opaque(vec![1, 2, 3].into());
        assert_eq!(read(&b64, text), Some(vec![1, 2, 3]));
        assert_eq!(read(&b64, raw.clone()), None);
        assert_eq!(read(&bin, raw), Some(vec![1, 2, 3]));
        assert_eq!(read(&b64, Data::Text("AQI".into())), None);
    }
}
