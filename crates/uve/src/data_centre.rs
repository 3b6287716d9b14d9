use serde::{Deserialize, Serialize};

use crate::{Begun, Digest, ImageInfo, UpdateId, UserId, Uve5Error, Version, VmId};

/// The Data Centre component: where the VMM keeps user images.
///
/// The VMM makes the calls for one user one at a time; those for several users come
/// together. One upload a user is open at a time.
///
/// An object store carries it as it is: [`begin`](DataCentre::begin) starts a multipart upload and
/// notes its identifier, [`append`](DataCentre::append) uploads a part, [`commit`](DataCentre::commit)
/// completes the upload under a key of its own and then writes the user's small head object (the
/// [`ImageInfo`] and that key) on the condition that it is still the one read before
/// (`If-Match`): the condition that fails is the [`Uve5Error::Conflict`].
pub trait DataCentre: Send + Sync {
    /// The image in force.
    ///
    /// # Errors
    /// The storage failed.
    fn info(&self, user: &UserId) -> Result<Option<ImageInfo>, Uve5Error>;

    /// Reads octets of the image in force from `offset` on; fewer than asked for only at the end.
    ///
    /// # Errors
    /// [`Uve5Error::UnknownVersion`] if another version is in force; or the storage failed.
    fn read(
        &self,
        user: &UserId,
        version: Version,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, Uve5Error>;

    /// Opens an upload, in place of another one of the user; or finds it again.
    ///
    /// # Errors
    /// [`Uve5Error::Conflict`], [`Uve5Error::TooLarge`], or the storage failed.
    fn begin(&self, user: &UserId, upload: &Upload) -> Result<Begun, Uve5Error>;

    /// Adds octets to an upload; the answer is how many are there.
    ///
    /// # Errors
    /// [`Uve5Error::UnknownUpdate`], [`Uve5Error::WrongOffset`], [`Uve5Error::Full`], or the storage
    /// failed.
    fn append(
        &self,
        user: &UserId,
        update: &UpdateId,
        offset: u64,
        octets: &[u8],
    ) -> Result<u64, Uve5Error>;

    /// Puts an upload in force, durably; done before, it says so again.
    ///
    /// # Errors
    /// [`Uve5Error::UnknownUpdate`], [`Uve5Error::Incomplete`], [`Uve5Error::DigestMismatch`] and
    /// then the upload is empty again, [`Uve5Error::Conflict`], or the storage failed. The image in
    /// force stays.
    fn commit(&self, user: &UserId, update: &UpdateId) -> Result<ImageInfo, Uve5Error>;
}

/// What an upload will be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Upload {
    /// The attempt.
    pub update: UpdateId,
    /// The VM that makes it.
    pub by: VmId,
    /// The version it was made from; 0 if there was none.
    pub base: Version,
    /// Its length in bytes.
    pub size: u64,
    /// The digest of its octets.
    pub digest: Digest,
}

impl Upload {
    /// Whether an image in force is what it was to be.
    #[must_use]
    pub fn is(&self, info: &ImageInfo) -> bool {
        info.update == self.update
            && info.by == self.by
            && info.version == self.base.next()
            && info.digest == self.digest
    }
}
