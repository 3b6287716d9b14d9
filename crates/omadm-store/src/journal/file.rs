use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io::{self, Read as _},
    path::Path,
};

use redb::{StorageBackend, backends::FileBackend};

use super::{engine::Failure, medium::Medium};

/// The locked file of a journal. The lock lasts as long as this value.
#[derive(Debug)]
pub(super) struct JournalFile {
    backend: FileBackend,
    /// The same open file, to unlock it.
    locked: File,
    identity: Option<Identity>,
}

/// Which file it is, where the system can tell.
type Identity = (u64, u64);

impl JournalFile {
    /// Opens and locks the file; `None` if there is none.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, Failure> {
        match options().open(path) {
            Ok(file) => Self::of(lock(file)?).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::Io(error)),
        }
    }

    /// Makes the file, or takes over what a killed process left of one, and locks and empties it.
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let file = options().create(true).open(path).map_err(Failure::Io)?;
        let file = lock(file)?;
        file.set_len(0).map_err(Failure::Io)?;
        Self::of(file)
    }

    /// What is in a file that nobody has open to write to it.
    pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
        let mut file = File::open(path).map_err(Failure::Io)?;
        locked(file.try_lock_shared())?;
        let mut bytes = Vec::new();
        let read = file.read_to_end(&mut bytes);
        unlock(&file);
        read.map_err(Failure::Io)?;
        Ok(bytes)
    }

    fn of(file: File) -> Result<Self, Failure> {
        let identity = identity(&file.metadata().map_err(Failure::Io)?);
        let locked = file.try_clone().map_err(Failure::Io)?;
        let backend = FileBackend::new(file)?;
        Ok(Self {
            backend,
            locked,
            identity,
        })
    }

    /// Whether it is the file of this name.
    pub(super) fn is_at(&self, path: &Path) -> io::Result<bool> {
        match fs::metadata(path) {
            Ok(found) => Ok(identity(&found) == self.identity),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Drop for JournalFile {
    fn drop(&mut self) {
        unlock(&self.locked);
    }
}

/// Closing does not do: a process that this one has just forked has the file open until it executes
/// another program.
fn unlock(file: &File) {
    // The lock goes with the last who has the file open at the latest.
    let _ = file.unlock();
}

fn lock(file: File) -> Result<File, Failure> {
    locked(file.try_lock())?;
    Ok(file)
}

fn locked(tried: Result<(), TryLockError>) -> Result<(), Failure> {
    tried.map_err(|error| match error {
        TryLockError::WouldBlock => Failure::Locked,
        TryLockError::Error(error) => Failure::Io(error),
    })
}

#[cfg(unix)]
fn identity(file: &Metadata) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    Some((file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<Identity> {
    None
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

impl Medium for JournalFile {
    fn len(&self) -> io::Result<u64> {
        self.backend.len()
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.backend.read(offset, bytes)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.backend.write(offset, bytes)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.backend.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.backend.sync_data()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    /// The file stays open elsewhere, as it does in a process that was just forked.
    #[test]
    fn what_is_closed_is_unlocked() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("j");
        let file = JournalFile::create(&path).unwrap();
        let _elsewhere = file.locked.try_clone().unwrap();
        assert!(matches!(JournalFile::open(&path), Err(Failure::Locked)));
        assert!(matches!(JournalFile::read(&path), Err(Failure::Locked)));
        drop(file);
        assert_eq!(JournalFile::read(&path).unwrap(), []);
        drop(JournalFile::open(&path).unwrap());
    }
}
