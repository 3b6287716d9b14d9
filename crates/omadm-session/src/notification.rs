//! Package 0: the notification by which a server asks a device for a session. [DM-Notification]
//!
//! The classic format of DM 1.0 to 1.2.1, `application/vnd.syncml.notification`. All fields are
//! big-endian and follow each other without padding:
//!
//! | bits | field |
//! |---|---|
//! | 128 | digest |
//! | 10 | version, 11 for "1.1" |
//! | 2 | ui-mode |
//! | 1 | initiator |
//! | 27 | future use, 0 |
//! | 16 | sessionid |
//! | 8 | octets of the server identifier |
//! | … | server identifier |
//! | … | vendor's part |
//!
//! A server signs one and sends it, by HTTP, in a WAP push ([`push`]) or however else; the device
//! reads it, finds the password of the server it claims to come from, and verifies it:
//!
//! ```
//! use omadm_core::Secret;
//! use omadm_session::notification::{Notification, Resync, UiMode, Unverified};
//!
//! let mut notification = Notification::new(0xAB, "dm.example".parse()?)?;
//! notification.ui_mode = UiMode::Background;
//! let password = Secret::from("srvpwd");
//! let octets = notification.sign(&password, b"nonce-01")?;
//!
//! let received = Unverified::parse(&octets)?;
//! assert_eq!(received.claimed().server_id.as_str(), "dm.example");
//! let verified = received.verify(&password, b"nonce-01", Resync::Refused);
//! assert_eq!(verified.map(|it| it.notification), Some(notification));
//! assert_eq!(received.verify(&password, b"nonce-02", Resync::Refused), None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{fmt, num::NonZeroU16};

use md5::{Digest, Md5};
use omadm_core::{Secret, ServerId, base64};

pub mod push;

/// The media type of a notification.
pub const MEDIA_TYPE: &str = "application/vnd.syncml.notification";

/// The most octets a notification has; longer ones are neither read nor written.
pub const MAX_SIZE: usize = 4096;

/// The version that is written, in tenths: the format's own, which DM 1.2 did not change.
pub const VERSION: u16 = 11;

/// The nonce of resynchronisation as ten characters.
pub const RESYNC_TEXT: &[u8] = b"0x00000000";

/// The nonce of resynchronisation as four octets.
pub const RESYNC_OCTETS: &[u8] = &[0; 4];

const DIGEST: usize = 16;
const SESSION_ID: usize = 21;
const SERVER_ID_LENGTH: usize = 23;
const SERVER_ID: usize = 24;

/// What a server tells a device. [DM-Notification]
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Notification {
    /// The version of the format in tenths, 10 to 1023; [`VERSION`] unless the sender differs.
    pub version: u16,
    /// Whether the user is to know.
    pub ui_mode: UiMode,
    /// Who caused it.
    pub initiator: Initiator,
    /// The SessionID of the session it asks for.
    pub session_id: NonZeroU16,
    /// The server; its octets are at most 255.
    pub server_id: ServerId,
    /// What the format leaves to vendors; empty for nothing.
    pub vendor: Vec<u8>,
}

/// Whether the user is to know of a session; a recommendation. [DM-Notification]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum UiMode {
    /// The device decides.
    #[default]
    NotSpecified,
    /// The user need not know.
    Background,
    /// The user is told.
    Informative,
    /// The user is asked first.
    UserInteraction,
}

/// Who caused a notification. [DM-Notification]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Initiator {
    /// The client, or its user.
    Client,
    /// The server.
    #[default]
    Server,
}

/// Whether a notification may prove itself by the nonce of resynchronisation.
///
/// It is for a server that lost the nonce, and it is the same for everybody and for ever: a
/// notification signed with it can be played back at any time. Which of [`RESYNC_TEXT`] and
/// [`RESYNC_OCTETS`] a server takes it for differs; both are tried.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Resync {
    /// The stored nonce alone counts.
    #[default]
    Refused,
    /// It is tried after the stored nonce.
    Allowed,
}

/// By which nonce a notification proved itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ProvenBy {
    /// The one that device and server agreed on.
    StoredNonce,
    /// [`RESYNC_TEXT`]
    ResyncText,
    /// [`RESYNC_OCTETS`]
    ResyncOctets,
}

/// A notification that may come from anybody: well-formed, no more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unverified<'a> {
    claimed: Notification,
    digest: &'a [u8],
    /// Everything after the digest, as it came: bits for future use are part of the proof.
    trigger: &'a [u8],
}

/// A notification that comes from who it says: [`Unverified::verify`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Verified {
    /// The notification.
    pub notification: Notification,
    /// How it proved itself.
    pub proven_by: ProvenBy,
}

/// Why octets are no notification, or a notification cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct NotificationError {
    /// What is wrong.
    pub kind: NotificationErrorKind,
    /// The octet at which it is wrong; the end if something is missing.
    pub offset: usize,
}

/// What is wrong with a notification.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotificationErrorKind {
    /// It ends within a field.
    #[error("unexpected end")]
    UnexpectedEnd,
    /// It is longer than [`MAX_SIZE`].
    #[error("longer than {MAX_SIZE} octets")]
    TooLong,
    /// The version is below 10 or has more than ten bits.
    #[error("version {0} tenths is not supported")]
    Version(u16),
    /// The session identifier is 0.
    #[error("session identifier is 0")]
    SessionId,
    /// The server identifier is not made of the characters of a [`ServerId`].
    #[error("bad server identifier")]
    ServerId,
    /// The server identifier has more than 255 octets.
    #[error("server identifier longer than 255 octets")]
    ServerIdTooLong,
}

impl NotificationErrorKind {
    const fn at(self, offset: usize) -> NotificationError {
        NotificationError { kind: self, offset }
    }
}

impl UiMode {
    /// Every mode, in the order of the bits.
    pub const ALL: [Self; 4] = [
        Self::NotSpecified,
        Self::Background,
        Self::Informative,
        Self::UserInteraction,
    ];

    const fn bits(self) -> u8 {
        match self {
            Self::NotSpecified => 0,
            Self::Background => 1,
            Self::Informative => 2,
            Self::UserInteraction => 3,
        }
    }

    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::NotSpecified,
            1 => Self::Background,
            2 => Self::Informative,
            _ => Self::UserInteraction,
        }
    }
}

impl Notification {
    /// A notification by the server itself, with no word about the user.
    ///
    /// # Errors
    /// [`NotificationErrorKind::SessionId`] if `session_id` is 0,
    /// [`NotificationErrorKind::ServerIdTooLong`].
    pub fn new(session_id: u16, server_id: ServerId) -> Result<Self, NotificationError> {
        let session_id =
            NonZeroU16::new(session_id).ok_or(NotificationErrorKind::SessionId.at(SESSION_ID))?;
        length_of(&server_id)?;
        Ok(Self {
            version: VERSION,
            ui_mode: UiMode::default(),
            initiator: Initiator::default(),
            session_id,
            server_id,
            vendor: Vec::new(),
        })
    }

    /// Writes the notification, with the digest that proves it to a device that knows this password
    /// of the server and expects this nonce.
    ///
    /// # Errors
    /// [`NotificationErrorKind::Version`], [`NotificationErrorKind::ServerIdTooLong`],
    /// [`NotificationErrorKind::TooLong`]
    pub fn sign(&self, password: &Secret, nonce: &[u8]) -> Result<Vec<u8>, NotificationError> {
        let trigger = self.trigger()?;
        let mut octets = digest(&self.server_id, password, nonce, &trigger).to_vec();
        octets.extend(trigger);
        Ok(octets)
    }

    /// Everything after the digest.
    fn trigger(&self) -> Result<Vec<u8>, NotificationError> {
        if !(10..1024).contains(&self.version) {
            return Err(NotificationErrorKind::Version(self.version).at(DIGEST));
        }
        let length = length_of(&self.server_id)?;
        let server_id = self.server_id.as_str();
        if SERVER_ID + server_id.len() + self.vendor.len() > MAX_SIZE {
            return Err(NotificationErrorKind::TooLong.at(MAX_SIZE));
        }
        let initiator = match self.initiator {
            Initiator::Client => 0,
            Initiator::Server => 1,
        };
        let [high, low] = (self.version << 6).to_be_bytes();
        let low = low | self.ui_mode.bits() << 4 | initiator << 3;
        let mut trigger = vec![high, low, 0, 0, 0];
        trigger.extend(self.session_id.get().to_be_bytes());
        trigger.push(length);
        trigger.extend(server_id.as_bytes());
        trigger.extend(&self.vendor);
        Ok(trigger)
    }
}

impl<'a> Unverified<'a> {
    /// Reads a notification. Bits for future use may be anything, as may the vendor's part.
    ///
    /// # Errors
    /// A [`NotificationError`] of any kind but [`NotificationErrorKind::ServerIdTooLong`].
    pub fn parse(octets: &'a [u8]) -> Result<Self, NotificationError> {
        if octets.len() > MAX_SIZE {
            return Err(NotificationErrorKind::TooLong.at(MAX_SIZE));
        }
        let end = NotificationErrorKind::UnexpectedEnd.at(octets.len());
        let (digest, trigger) = octets.split_at_checked(DIGEST).ok_or(end)?;
        let (&[high, low, _, _, _, s0, s1, length], rest) =
            trigger.split_first_chunk::<8>().ok_or(end)?;
        let version = u16::from_be_bytes([high, low]) >> 6;
        if version < 10 {
            return Err(NotificationErrorKind::Version(version).at(DIGEST));
        }
        let session_id = NonZeroU16::new(u16::from_be_bytes([s0, s1]))
            .ok_or(NotificationErrorKind::SessionId.at(SESSION_ID))?;
        let (server_id, vendor) = rest.split_at_checked(length.into()).ok_or(end)?;
        let server_id = str::from_utf8(server_id)
            .map_err(|error| error.valid_up_to())
            .and_then(|text| {
                text.parse()
                    .map_err(|error: omadm_core::InvalidServerId| error.offset.unwrap_or(0))
            })
            .map_err(|offset| NotificationErrorKind::ServerId.at(SERVER_ID + offset))?;
        Ok(Self {
            claimed: Notification {
                version,
                ui_mode: UiMode::from_bits(low >> 4),
                initiator: match low & 0b1000 {
                    0 => Initiator::Client,
                    _ => Initiator::Server,
                },
                session_id,
                server_id,
                vendor: vendor.to_vec(),
            },
            digest,
            trigger,
        })
    }

    /// What it says, unproven: good for finding the account of the server, and for nothing else.
    #[must_use]
    pub const fn claimed(&self) -> &Notification {
        &self.claimed
    }

    /// Whether it was written by who knows this password of the server and this nonce; `None` if
    /// not. Takes the same time wherever a digest differs.
    #[must_use]
    pub fn verify(&self, password: &Secret, nonce: &[u8], resync: Resync) -> Option<Verified> {
        let nonces = [
            (nonce, ProvenBy::StoredNonce),
            (RESYNC_TEXT, ProvenBy::ResyncText),
            (RESYNC_OCTETS, ProvenBy::ResyncOctets),
        ];
        let count = match resync {
            Resync::Refused => 1,
            Resync::Allowed => nonces.len(),
        };
        let presented = Secret::from(self.digest.to_vec());
        let (_, proven_by) = nonces.into_iter().take(count).find(|(nonce, _)| {
            let digest = digest(&self.claimed.server_id, password, nonce, self.trigger);
            Secret::from(digest.to_vec()) == presented
        })?;
        Some(Verified {
            notification: self.claimed.clone(),
            proven_by,
        })
    }
}

impl fmt::Display for UiMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSpecified => "not specified",
            Self::Background => "background",
            Self::Informative => "informative",
            Self::UserInteraction => "user interaction",
        })
    }
}

fn length_of(server_id: &ServerId) -> Result<u8, NotificationError> {
    u8::try_from(server_id.as_str().len())
        .map_err(|_| NotificationErrorKind::ServerIdTooLong.at(SERVER_ID_LENGTH))
}

/// `H(B64(H(server ":" password)) ":" nonce ":" B64(H(trigger)))` [DM-Notification]
fn digest(server_id: &ServerId, password: &Secret, nonce: &[u8], trigger: &[u8]) -> [u8; DIGEST] {
    let account = Md5::new()
        .chain_update(server_id.as_str())
        .chain_update(b":")
        .chain_update(password.expose())
        .finalize();
    Md5::new()
        .chain_update(base64::encode(account))
        .chain_update(b":")
        .chain_update(nonce)
        .chain_update(b":")
        .chain_update(base64::encode(Md5::digest(trigger)))
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const PASSWORD: &str = "srvpwd";
    const SERVER: &str = "com.mgmtsrv.manage";

    fn notification(version: u16, initiator: Initiator, session_id: u16) -> Notification {
        let mut notification = Notification::new(session_id, SERVER.parse().unwrap()).unwrap();
        notification.version = version;
        notification.ui_mode = UiMode::Background;
        notification.initiator = initiator;
        notification
    }

    fn hex(octets: &[u8]) -> String {
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    fn verified(octets: &[u8], nonce: &[u8], resync: Resync) -> Option<ProvenBy> {
        let read = Unverified::parse(octets).ok()?;
        let verified = read.verify(&PASSWORD.into(), nonce, resync)?;
        Some(verified.proven_by)
    }

    #[test]
    fn the_vectors_of_the_digest() {
        let server = "12636f6d2e6d676d747372762e6d616e616765";
        for (version, initiator, session_id, nonce, trigger, digest) in [
            (
                11,
                Initiator::Client,
                0x1234,
                b"nonce-01".as_slice(),
                "02d00000001234",
                "cf2f6ad23493acc1bf14f184ffece014",
            ),
            (
                12,
                Initiator::Client,
                0x1234,
                b"nonce-01",
                "03100000001234",
                "abc5b40cf19ddd526ac5a5dfca50a547",
            ),
            (
                11,
                Initiator::Server,
                1,
                RESYNC_TEXT,
                "02d80000000001",
                "ff1353b0172b2d4dfa7cf4d720c62780",
            ),
            (
                11,
                Initiator::Server,
                1,
                RESYNC_OCTETS,
                "02d80000000001",
                "50f44d5c4bc958f069f560f1938a380e",
            ),
        ] {
            let sent = notification(version, initiator, session_id);
            let octets = sent.sign(&PASSWORD.into(), nonce).unwrap();
            assert_eq!(hex(&octets), format!("{digest}{trigger}{server}"));
            let read = Unverified::parse(&octets).unwrap();
            assert_eq!(*read.claimed(), sent);
            assert_eq!(
                verified(&octets, nonce, Resync::Refused),
                Some(ProvenBy::StoredNonce)
            );
        }
    }

    #[test]
    fn the_nonce_of_resynchronisation_counts_in_both_readings_when_allowed() {
        let sent = notification(11, Initiator::Server, 1);
        for (nonce, proven_by) in [
            (RESYNC_TEXT, ProvenBy::ResyncText),
            (RESYNC_OCTETS, ProvenBy::ResyncOctets),
        ] {
            let octets = sent.sign(&PASSWORD.into(), nonce).unwrap();
            assert_eq!(verified(&octets, b"stored", Resync::Refused), None);
            assert_eq!(
                verified(&octets, b"stored", Resync::Allowed),
                Some(proven_by)
            );
        }
    }

    #[test]
    fn a_notification_cut_anywhere_is_refused_where_it_ends() {
        let sent = notification(11, Initiator::Server, 7);
        let octets = sent.sign(&PASSWORD.into(), b"n").unwrap();
        for end in 0..octets.len() {
            let error = Unverified::parse(&octets[..end]).unwrap_err();
            assert_eq!(error, NotificationErrorKind::UnexpectedEnd.at(end));
        }
        let error = Unverified::parse(&[]).unwrap_err();
        assert_eq!(error.to_string(), "unexpected end at byte 0");
    }

    /// Every bit is part of the proof, those for future use too.
    #[test]
    fn one_wrong_bit_anywhere_is_no_proof() {
        let mut sent = notification(11, Initiator::Server, 0x8001);
        sent.vendor = vec![0, 0xFF, 7];
        let octets = sent.sign(&PASSWORD.into(), b"nonce-01").unwrap();
        assert!(verified(&octets, b"nonce-01", Resync::Allowed).is_some());
        for bit in 0..octets.len() * 8 {
            let mut bad = octets.clone();
            bad[bit / 8] ^= 0x80 >> (bit % 8);
            let found = verified(&bad, b"nonce-01", Resync::Allowed);
            assert_eq!(found, None, "bit {bit}");
        }
    }

    #[test]
    fn errors_say_what_and_where() {
        let octets = notification(11, Initiator::Server, 7)
            .sign(&PASSWORD.into(), b"n")
            .unwrap();
        let with = |place: usize, value: &[u8]| {
            let mut bad = octets.clone();
            bad[place..place + value.len()].copy_from_slice(value);
            Unverified::parse(&bad).unwrap_err().to_string()
        };
        let version = "version 9 tenths is not supported at byte 16";
        assert_eq!(with(16, &[0x02, 0x40]), version);
        assert_eq!(with(21, &[0, 0]), "session identifier is 0 at byte 21");
        assert_eq!(with(23, &[0]), "bad server identifier at byte 24");
        assert_eq!(with(27, b"+"), "bad server identifier at byte 27");
        assert_eq!(with(29, &[0xFF]), "bad server identifier at byte 29");
        assert_eq!(with(23, &[0xFF]), "unexpected end at byte 42");
        let long = [octets.as_slice(), &[0; MAX_SIZE]].concat();
        let error = Unverified::parse(&long).unwrap_err();
        assert_eq!(error.to_string(), "longer than 4096 octets at byte 4096");
        // Bits for future use may be anything.
        let mut future = octets.clone();
        future[17] |= 7;
        future[18..21].fill(0xFF);
        assert!(Unverified::parse(&future).is_ok());
    }

    #[test]
    fn what_cannot_be_written_is_not() {
        let server: ServerId = "x".repeat(255).parse().unwrap();
        assert!(Notification::new(1, server).is_ok());
        let server: ServerId = "x".repeat(256).parse().unwrap();
        let error = Notification::new(1, server.clone()).unwrap_err();
        assert_eq!(error, NotificationErrorKind::ServerIdTooLong.at(23));
        let error = Notification::new(0, SERVER.parse().unwrap()).unwrap_err();
        assert_eq!(error, NotificationErrorKind::SessionId.at(21));

        let sign = |it: &Notification| it.sign(&PASSWORD.into(), b"n").map_err(|it| it.kind);
        let mut sent = notification(11, Initiator::Server, 7);
        sent.vendor = vec![0; MAX_SIZE - SERVER_ID - SERVER.len()];
        assert_eq!(sign(&sent).unwrap().len(), MAX_SIZE);
        sent.vendor.push(0);
        assert_eq!(sign(&sent), Err(NotificationErrorKind::TooLong));
        for version in [0, 9, 1024] {
            let sent = notification(version, Initiator::Server, 7);
            assert_eq!(sign(&sent), Err(NotificationErrorKind::Version(version)));
        }
        for version in [10, 1023] {
            let octets = sign(&notification(version, Initiator::Server, 7)).unwrap();
            let read = Unverified::parse(&octets).unwrap();
            assert_eq!(read.claimed().version, version);
        }
        let mut sent = notification(11, Initiator::Server, 7);
        sent.server_id = server;
        assert_eq!(sign(&sent), Err(NotificationErrorKind::ServerIdTooLong));
    }

    prop_compose! {
        fn any_notification()(
            version in 10..1024u16,
            ui in 0..4usize,
            by_server: bool,
            session_id in 1..=u16::MAX,
            server in "[a-z.ö:/]{1,60}",
            vendor in vec(any::<u8>(), 0..40),
        ) -> Notification {
            let mut it = Notification::new(session_id, server.parse().unwrap()).unwrap();
            it.version = version;
            it.ui_mode = UiMode::ALL[ui];
            it.initiator = if by_server { Initiator::Server } else { Initiator::Client };
            it.vendor = vendor;
            it
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            sent in any_notification(),
            password in vec(any::<u8>(), 0..20),
            nonce in vec(any::<u8>(), 0..20),
        ) {
            let password = Secret::from(password);
            let octets = sent.sign(&password, &nonce).unwrap();
            let read = Unverified::parse(&octets).unwrap();
            let verified = read.verify(&password, &nonce, Resync::Refused);
            prop_assert_eq!(verified.map(|it| it.notification), Some(sent));
            let other = [nonce.as_slice(), b"x"].concat();
            prop_assert_eq!(read.verify(&password, &other, Resync::Refused), None);
        }

        #[test]
        fn any_octets_are_read_or_refused_within_them(octets in vec(any::<u8>(), 0..80)) {
            match Unverified::parse(&octets) {
                Ok(read) => {
                    let again = read.claimed().trigger().unwrap();
                    let mut fixed = octets[16..].to_vec();
                    fixed[1] &= 0xF8;
                    fixed[2..5].fill(0);
                    prop_assert_eq!(again, fixed);
                }
                Err(error) => prop_assert!(error.offset <= octets.len()),
            }
        }
    }
}
