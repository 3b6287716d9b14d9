use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::Path,
};

use redb::{StorageBackend, backends::FileBackend};

use super::{engine::Failure, medium::Medium};

/// The locked file of a journal. The lock lasts as long as this value.
#[derive(Debug)]
pub(super) struct JournalFile(FileBackend);

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

    fn of(file: File) -> Result<Self, Failure> {
        Ok(Self(FileBackend::new(file)?))
    }
}

fn lock(file: File) -> Result<File, Failure> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::Locked),
        Err(TryLockError::Error(error)) => Err(Failure::Io(error)),
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
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, bytes)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write(offset, bytes)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
