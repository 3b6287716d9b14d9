use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::Path,
};

use redb::{DatabaseError, StorageBackend, backends::FileBackend};

use super::engine::{Failure, Medium};

/// The locked file of a journal. The lock lasts as long as this value or a backend made from it.
pub(super) struct JournalFile(File);

impl JournalFile {
    /// Opens and locks the file; `None` if there is none.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, Failure> {
        match options().open(path) {
            Ok(file) => Self::lock(file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::Io(error)),
        }
    }

    /// Makes the file, or takes over what a killed process left of one, and locks and empties it.
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let file = options().create(true).open(path).map_err(Failure::Io)?;
        let locked = Self::lock(file)?;
        locked.0.set_len(0).map_err(Failure::Io)?;
        Ok(locked)
    }

    fn lock(file: File) -> Result<Self, Failure> {
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(Failure::Locked),
            Err(TryLockError::Error(error)) => Err(Failure::Io(error)),
        }
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

impl Medium for JournalFile {
    type Backend = Backend;

    fn backend(&self) -> Result<Backend, Failure> {
        let file = self.0.try_clone().map_err(Failure::Io)?;
        let backend = FileBackend::new(file).map_err(|error: DatabaseError| error.into());
        Ok(Backend(backend.map_err(Failure::Redb)?))
    }
}

/// redb's file without its locks: the file is locked already, also between two databases on it.
#[derive(Debug)]
pub(super) struct Backend(FileBackend);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}
