//! UVE-5: exposed by the VMM, used by the VM. [UVE §6.3.2.5]
//!
//! Notification of an unexpected disconnect; retrieving and updating the user image file (UIF). The
//! text names the session, the user and the UA of a disconnect; all other fields are ours.
//!
//! An image is retrieved as its [`ImageInfo`], then read in pieces. An update is announced with its
//! digest, written in pieces, and committed. Each step can be repeated: after a lost answer or a
//! restart of either side the same calls go on where they were.

use serde::{Deserialize, Serialize};

use crate::{
    Digest, EventId, ImageInfo, InvalidId, UaId, UaSessionId, UpdateId, UserId, Version, VmId,
};

/// What a VM asks of the VMM. `vm` is the VM that asks; who carries the calls proves it.
pub trait Uve5: Send + Sync {
    /// Tells that a session ended unexpectedly. A repetition is acknowledged and told no second time.
    ///
    /// # Errors
    /// [`Uve5Error::UnknownSession`] if this VM never had that session with that user and UA.
    fn notify_session_disconnect(
        &self,
        vm: &VmId,
        disconnect: &SessionDisconnect,
    ) -> Result<(), Uve5Error>;

    /// Asks for the image of the user this VM was selected to serve, and with it for the right to
    /// update it. Nobody else has that right until this VM commits an update, or does not
    /// renew the right in time.
    ///
    /// # Errors
    /// [`Uve5Error::NotServing`] if another VM serves the user; [`Uve5Error::Leased`] as long as
    /// the VM before has not updated.
    fn retrieve_uif(&self, vm: &VmId, user: &UserId) -> Result<Retrieved, Uve5Error>;

    /// Reads a piece of the image; empty at its end, and possibly shorter than asked for.
    ///
    /// # Errors
    /// [`Uve5Error::NotServing`]; [`Uve5Error::UnknownVersion`] if that is not the version in force.
    fn read_uif(&self, vm: &VmId, piece: &ReadUif) -> Result<Vec<u8>, Uve5Error>;

    /// Announces an update, or learns how far an interrupted one came. A VM that uses the name of its
    /// update before for another one gets [`Uve5Error::BadRequest`].
    ///
    /// # Errors
    /// [`Uve5Error::NotServing`]; [`Uve5Error::Conflict`] if the base is not the version in force;
    /// [`Uve5Error::TooLarge`].
    fn begin_update(&self, vm: &VmId, update: &BeginUpdate) -> Result<Begun, Uve5Error>;

    /// Writes the next piece; the answer is how many bytes are there now.
    ///
    /// # Errors
    /// [`Uve5Error::WrongOffset`] if the piece does not follow the ones before.
    fn write_update(&self, vm: &VmId, piece: &WriteUpdate, octets: &[u8])
    -> Result<u64, Uve5Error>;

    /// Makes the announced octets the image in force, as a whole, durably, and gives the right to
    /// update back: another VM may serve the user. A repetition is answered with the same version.
    ///
    /// # Errors
    /// [`Uve5Error::Incomplete`]; [`Uve5Error::DigestMismatch`], and all pieces must be sent again;
    /// [`Uve5Error::Conflict`]. The version in force stays.
    fn commit_update(&self, vm: &VmId, commit: &CommitUpdate) -> Result<Version, Uve5Error>;

    /// Renews the right to update; the answer is for how many seconds.
    ///
    /// # Errors
    /// [`Uve5Error::NotServing`] if it was lost.
    fn renew_lease(&self, vm: &VmId, user: &UserId) -> Result<u64, Uve5Error>;

    /// Gives the right to update back without an update: the user left before the image was here.
    ///
    /// # Errors
    /// [`Uve5Error::NotServing`] if it was lost.
    fn release_lease(&self, vm: &VmId, user: &UserId) -> Result<(), Uve5Error>;
}

/// A UA session that broke. The text asks for the session, the user and the UA.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionDisconnect {
    /// The session.
    pub session: UaSessionId,
    /// Its user.
    pub user: UserId,
    /// Its UA.
    pub ua: UaId,
    /// The number of the report, to know a repetition.
    pub event: EventId,
}

/// The answer to a retrieval.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Retrieved {
    /// The image in force; absent for a user who has none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageInfo>,
    /// For how many seconds the right to update holds unless renewed.
    pub lease_seconds: u64,
}

/// Which piece of which image.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadUif {
    /// Whose image.
    pub user: UserId,
    /// The version that was retrieved.
    pub version: Version,
    /// Where the piece begins, in bytes.
    pub offset: u64,
    /// How long it may be, in bytes.
    pub length: u32,
}

/// What an update will be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginUpdate {
    /// Whose image.
    pub user: UserId,
    /// The attempt.
    pub update: UpdateId,
    /// The version it was made from; 0 if there was none.
    pub base: Version,
    /// Its length in bytes.
    pub size: u64,
    /// The digest of its octets.
    pub digest: Digest,
}

/// How far an announced update is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Begun {
    /// This many bytes are there; send what follows them.
    Send(u64),
    /// It was committed before, as this version.
    Done(Version),
}

/// Where a piece belongs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteUpdate {
    /// Whose image.
    pub user: UserId,
    /// The attempt.
    pub update: UpdateId,
    /// Where the piece begins, in bytes.
    pub offset: u64,
}

/// The end of an update.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitUpdate {
    /// Whose image.
    pub user: UserId,
    /// The attempt.
    pub update: UpdateId,
}

/// Why the VMM refuses. Codes are ours; the text has none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "error", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Uve5Error {
    /// The VM is not the one that serves this user.
    #[error("this VM does not serve that user")]
    NotServing,
    /// Another VM has yet to update the image, or to fall silent for long enough.
    #[error("another VM holds the image, for {seconds} s at most")]
    Leased {
        /// How long at most, in seconds, unless it renews.
        seconds: u64,
    },
    /// There is no such session.
    #[error("no such session")]
    UnknownSession,
    /// The image in force is not the one the update was made from.
    #[error("the image in force is version {current}, not the base of the update")]
    Conflict {
        /// The version in force.
        current: Version,
    },
    /// That version is not in force.
    #[error("that version is not in force")]
    UnknownVersion,
    /// No such update was announced.
    #[error("no such update was announced")]
    UnknownUpdate,
    /// The image is larger than the VMM takes.
    #[error("the image has more than {limit} bytes")]
    TooLarge {
        /// The most it takes, in bytes.
        limit: u64,
    },
    /// The piece does not follow the ones before, or reaches over the end.
    #[error("the next piece begins at byte {expected}")]
    WrongOffset {
        /// Where it has to begin.
        expected: u64,
    },
    /// Not all pieces are there.
    #[error("the update is complete up to byte {offset} only")]
    Incomplete {
        /// How many bytes are there.
        offset: u64,
    },
    /// The octets are not what was announced.
    #[error("the octets do not have the digest announced")]
    DigestMismatch,
    /// There is no room.
    #[error("the storage is full")]
    Full,
    /// The request does not say what it must.
    #[error("the request cannot be read: {reason}")]
    BadRequest {
        /// What is wrong.
        reason: String,
    },
    /// The caller is not the VM it says.
    #[error("the caller did not prove which VM it is")]
    Unauthorized,
    /// The VMM failed, or cannot be reached; try again later.
    #[error("the VMM failed: {reason}")]
    Failed {
        /// What went wrong.
        reason: String,
    },
}

impl From<InvalidId> for Uve5Error {
    fn from(error: InvalidId) -> Self {
        Self::BadRequest {
            reason: error.to_string(),
        }
    }
}

impl Uve5Error {
    /// Whether the same call can succeed later.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Leased { .. } | Self::Full | Self::Failed { .. })
    }
}
