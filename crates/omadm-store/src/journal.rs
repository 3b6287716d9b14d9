use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use omadm_core::{Batch, Journal, JournalError, Space};

use crate::disk;

mod engine;
mod error;
mod file;
mod medium;

use engine::{Engine, Failure};
pub use error::{OpenError, OpenErrorKind};
use file::JournalFile;
pub use medium::Medium;

/// A [`Journal`] in one redb file.
///
/// * A batch is durable when `commit` returns: the file is synced. After a kill or a power cut the
///   file opens with every batch that was reported, whole, and with no part of another.
/// * One process at a time: the file is locked while it is open.
/// * After a failed commit (a full disk, say) the journal goes on with what it held before, as
///   soon as the medium works again. The one hole is a medium that fails while it says whether it
///   took a batch, and goes on failing until the process ends: then the batch that was reported as
///   failed may be there at the next start. What its owner took back meanwhile then stands in it.
/// * Opening checks every checksum in the file, so damage is found before anything is built on it.
///
/// The file starts at about 1 MiB, grows with its content and does not shrink. On Unix only its
/// owner can read it.
pub struct RedbJournal {
    engine: Engine,
}

impl RedbJournal {
    /// Opens the journal in this file; makes one if there is no file.
    ///
    /// # Errors
    /// An [`OpenError`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let opened = Self::open_file(path, false);
        let opened = opened.map(|(journal, _)| journal);
        opened.map_err(|failure| OpenError::new(Some(path), failure))
    }

    /// [`open`](Self::open), for who can go on without what was kept: a
    /// [damaged](OpenErrorKind::Corrupt) file is renamed, and a new journal is made in its place.
    ///
    /// Returns what the damaged file is called now: its name with `.damaged-1` behind it, or the
    /// next number that is free. It is never deleted. A file that a later version has written, that
    /// somebody has open or that cannot be read is no damaged one.
    ///
    /// # Errors
    /// An [`OpenError`].
    pub fn open_or_set_aside(path: impl AsRef<Path>) -> Result<(Self, Option<PathBuf>), OpenError> {
        let path = path.as_ref();
        Self::open_file(path, true).map_err(|failure| OpenError::new(Some(path), failure))
    }

    /// A copy, in memory, of the journal in this file: what is committed to it ends with it. The file
    /// is read, and stays as it is, also one that a killed process left; it need not be writable.
    ///
    /// # Errors
    /// An [`OpenError`], also if there is no file; [`Locked`](OpenErrorKind::Locked) while somebody has
    /// it open.
    pub fn open_copy(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let engine = JournalFile::read(path)
            .and_then(|bytes| Engine::open(Arc::new(medium::Copy::new(bytes))));
        let engine = engine.map_err(|failure| OpenError::new(Some(path), failure))?;
        Ok(Self { engine })
    }

    /// Opens the journal on a medium; makes one if the medium is empty.
    ///
    /// A medium is open once at a time, which its owner sees to. Power that goes while the journal
    /// is made leaves a medium that is [damaged](OpenErrorKind::Corrupt): it is for the owner to
    /// empty it, as nothing was reported from it.
    ///
    /// # Errors
    /// An [`OpenError`] without a path.
    pub fn open_on(medium: Arc<dyn Medium>) -> Result<Self, OpenError> {
        let length = medium.len().map_err(Failure::Io);
        let engine = length.and_then(|length| match length {
            0 => Engine::create(medium),
            _ => Engine::open(medium),
        });
        let engine = engine.map_err(|failure| OpenError::new(None, failure))?;
        Ok(Self { engine })
    }

    /// The journal, and where a damaged file went that was in its place.
    fn open_file(path: &Path, sets_aside: bool) -> Result<(Self, Option<PathBuf>), Failure> {
        let mut aside = None;
        loop {
            if let Some(file) = JournalFile::open(path)? {
                let file = Arc::new(file);
                match Engine::open(Arc::clone(&file) as Arc<dyn Medium>) {
                    Ok(engine) => {
                        // Whoever made it may have been killed before it synced.
                        sync_parent(path).map_err(Failure::Io)?;
                        return Ok((Self { engine }, aside));
                    }
                    Err(failure) if sets_aside && aside.is_none() && error::is_damage(&failure) => {
                        // Another process may have done so meanwhile: this one has the lock of
                        // what it opened only.
                        if file.is_at(path).map_err(Failure::Io)? {
                            aside = Some(set_aside(path).map_err(Failure::Io)?);
                        }
                        continue;
                    }
                    Err(failure) => return Err(failure),
                }
            }
            // The file is made under another name, so that a kill leaves a whole journal or none.
            let mut new = path.as_os_str().to_owned();
            new.push(".new");
            let file = JournalFile::create(Path::new(&new))?;
            if fs::exists(path).map_err(Failure::Io)? {
                continue;
            }
            let engine = Engine::create(Arc::new(file))?;
            fs::rename(&new, path).map_err(Failure::Io)?;
            sync_parent(path).map_err(Failure::Io)?;
            return Ok((Self { engine }, aside));
        }
    }
}

/// Renames a file; what it is called now.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    for number in 1..=u16::MAX {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".damaged-{number}"));
        let name = PathBuf::from(name);
        if !fs::exists(&name)? {
            fs::rename(path, &name)?;
            sync_parent(path)?;
            return Ok(name);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent != Path::new("") => disk::sync_directory(parent),
        _ => disk::sync_directory(Path::new(".")),
    }
}

impl Journal for RedbJournal {
    fn commit(&self, batch: &Batch) -> Result<(), JournalError> {
        Ok(self.engine.commit(batch)?)
    }

    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        Ok(self.engine.read(space, key)?)
    }

    fn scan(&self, space: Space, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), JournalError> {
        // `visit` may use the journal, so no lock is held meanwhile.
        for (key, value) in self.engine.records(space)? {
            visit(&key, &value);
        }
        Ok(())
    }
}

impl fmt::Debug for RedbJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbJournal").finish_non_exhaustive()
    }
}
