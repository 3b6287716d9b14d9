use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use omadm_core::{Batch, Journal, JournalError, JournalErrorKind, Space};
use serde::{Deserialize, Serialize};

use uve::{
    Begun, DataCentre, Digest, Hasher, ImageInfo, UpdateId, Upload, UserId, Uve5Error, Version,
};

use crate::{Blobs, record};

pub(crate) const IMAGES: Space = Space::new("uve-images");
pub(crate) const UPLOADS: Space = Space::new("uve-uploads");
const NEXT: &str = "uve-data-centre";
const PREFIX: &str = "uif-";
/// The octets read at once, in bytes.
const BUFFER: usize = 64 * 1024;

#[derive(Serialize, Deserialize)]
struct Stored {
    info: ImageInfo,
    blob: String,
}

#[derive(Serialize, Deserialize)]
struct Staged {
    upload: Upload,
    blob: String,
}

/// A [`DataCentre`] of a journal and [`Blobs`].
///
/// An upload becomes the image in force by one batch of the journal, after its octets are durable
/// and were read back; the octets of the version before go after that.
pub struct EmbeddedDataCentre {
    journal: Arc<dyn Journal>,
    blobs: Arc<dyn Blobs>,
    max_image: u64,
    /// The number of the next blob.
    next: Mutex<u64>,
}

impl std::fmt::Debug for EmbeddedDataCentre {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedDataCentre").finish_non_exhaustive()
    }
}

impl EmbeddedDataCentre {
    /// The default of the largest image, in bytes: 16 GiB.
    pub const MAX_IMAGE: u64 = 16 << 30;

    /// Opens what is there, and removes octets that belong to nothing.
    ///
    /// # Errors
    /// The storage failed or is damaged.
    pub fn open(
        journal: Arc<dyn Journal>,
        blobs: Arc<dyn Blobs>,
        max_image: u64,
    ) -> Result<Self, Uve5Error> {
        let next = record::read(&*journal, Space::IDS, NEXT)
            .map_err(storage)?
            .unwrap_or(0);
        let images: Vec<Stored> = record::all(&*journal, IMAGES).map_err(storage)?;
        let uploads: Vec<Staged> = record::all(&*journal, UPLOADS).map_err(storage)?;
        let mut known: BTreeSet<_> = images.into_iter().map(|stored| stored.blob).collect();
        known.extend(uploads.into_iter().map(|staged| staged.blob));
        for name in blobs.names().map_err(medium)? {
            if name.starts_with(PREFIX) && !known.contains(&name) {
                blobs.remove(&name).map_err(medium)?;
            }
        }
        Ok(Self {
            journal,
            blobs,
            max_image,
            next: Mutex::new(next),
        })
    }

    fn stored(&self, user: &UserId) -> Result<Option<Stored>, Uve5Error> {
        record::read(&*self.journal, IMAGES, user.as_str()).map_err(storage)
    }

    fn staged(&self, user: &UserId) -> Result<Option<Staged>, Uve5Error> {
        record::read(&*self.journal, UPLOADS, user.as_str()).map_err(storage)
    }

    fn staged_as(&self, user: &UserId, update: &UpdateId) -> Result<Staged, Uve5Error> {
        match self.staged(user)? {
            Some(staged) if staged.upload.update == *update => Ok(staged),
            _ => Err(Uve5Error::UnknownUpdate),
        }
    }

    fn len(&self, blob: &str) -> Result<u64, Uve5Error> {
        Ok(self.blobs.len(blob).map_err(medium)?.unwrap_or(0))
    }

    fn commit_batch(&self, batch: &Batch) -> Result<(), Uve5Error> {
        self.journal.commit(batch).map_err(storage)
    }
}

impl DataCentre for EmbeddedDataCentre {
    fn info(&self, user: &UserId) -> Result<Option<ImageInfo>, Uve5Error> {
        Ok(self.stored(user)?.map(|stored| stored.info))
    }

    fn read(
        &self,
        user: &UserId,
        version: Version,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, Uve5Error> {
        match self.stored(user)? {
            Some(stored) if stored.info.version == version && offset >= stored.info.size => Ok(0),
            Some(stored) if stored.info.version == version => self
                .blobs
                .read_at(&stored.blob, offset, buffer)
                .map_err(medium),
            _ => Err(Uve5Error::UnknownVersion),
        }
    }

    fn begin(&self, user: &UserId, upload: &Upload) -> Result<Begun, Uve5Error> {
        let current = self.info(user)?;
        let version = match &current {
            Some(info) if upload.is(info) => return Ok(Begun::Done(info.version)),
            Some(info) => info.version,
            None => Version::NONE,
        };
        if upload.base != version {
            return Err(Uve5Error::Conflict { current: version });
        }
        if upload.size > self.max_image {
            return Err(Uve5Error::TooLarge {
                limit: self.max_image,
            });
        }
        let before = self.staged(user)?;
        if let Some(staged) = &before
            && staged.upload == *upload
        {
            return Ok(Begun::Send(self.len(&staged.blob)?));
        }
        {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let staged = Staged {
                upload: upload.clone(),
                blob: format!("{PREFIX}{}", *next),
            };
            let mut batch = Batch::new();
            record::put(&mut batch, Space::IDS, NEXT, &(*next + 1));
            record::put(&mut batch, UPLOADS, user.as_str(), &staged);
            self.commit_batch(&batch)?;
            *next += 1;
        }
        if let Some(staged) = before {
            self.blobs.remove(&staged.blob).map_err(medium)?;
        }
        Ok(Begun::Send(0))
    }

    fn append(
        &self,
        user: &UserId,
        update: &UpdateId,
        offset: u64,
        octets: &[u8],
    ) -> Result<u64, Uve5Error> {
        let staged = self.staged_as(user, update)?;
        let expected = self.len(&staged.blob)?;
        let end = offset.saturating_add(octets.len() as u64);
        if offset != expected || end > staged.upload.size {
            return Err(Uve5Error::WrongOffset { expected });
        }
        self.blobs
            .write_at(&staged.blob, offset, octets)
            .map_err(medium)?;
        Ok(end)
    }

    fn commit(&self, user: &UserId, update: &UpdateId) -> Result<ImageInfo, Uve5Error> {
        let before = self.stored(user)?;
        let Staged { upload, blob } = match (self.staged_as(user, update), &before) {
            // Put in force before: what was staged went with it.
            (Err(Uve5Error::UnknownUpdate), Some(stored)) if stored.info.update == *update => {
                return Ok(stored.info.clone());
            }
            (staged, _) => staged?,
        };
        let current = before
            .as_ref()
            .map_or(Version::NONE, |stored| stored.info.version);
        if current != upload.base {
            return Err(Uve5Error::Conflict { current });
        }
        let offset = self.len(&blob)?;
        if offset < upload.size {
            return Err(Uve5Error::Incomplete { offset });
        }
        if upload.size == 0 {
            // Nothing was ever written.
            self.blobs.set_len(&blob, 0).map_err(medium)?;
        }
        self.blobs.sync(&blob).map_err(medium)?;
        if digest(&*self.blobs, &blob).map_err(medium)? != upload.digest {
            self.blobs.set_len(&blob, 0).map_err(medium)?;
            return Err(Uve5Error::DigestMismatch);
        }
        let stored = Stored {
            info: ImageInfo {
                version: upload.base.next(),
                size: upload.size,
                digest: upload.digest,
                update: upload.update,
                by: upload.by,
            },
            blob,
        };
        let mut batch = Batch::new();
        record::put(&mut batch, IMAGES, user.as_str(), &stored);
        batch.remove(UPLOADS, user.as_str());
        self.commit_batch(&batch)?;
        if let Some(before) = before {
            // What cannot be removed now is removed when the data centre is opened again.
            self.blobs.remove(&before.blob).ok();
        }
        Ok(stored.info)
    }
}

/// The digest of a blob.
pub(crate) fn digest(blobs: &dyn Blobs, name: &str) -> io::Result<Digest> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; BUFFER];
    let mut offset = 0;
    loop {
        let read = blobs.read_at(name, offset, &mut buffer)?;
        let Some(octets @ [_, ..]) = buffer.get(..read) else {
            return Ok(hasher.finish());
        };
        hasher.update(octets);
        offset += read as u64;
    }
}

pub(crate) fn medium(error: io::Error) -> Uve5Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Uve5Error::Full,
        _ => Uve5Error::Failed {
            reason: format!("the storage: {error}"),
        },
    }
}

pub(crate) fn storage(error: JournalError) -> Uve5Error {
    match error.kind() {
        JournalErrorKind::Full => Uve5Error::Full,
        _ => Uve5Error::Failed {
            reason: error.to_string(),
        },
    }
}
