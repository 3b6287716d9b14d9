use std::{
    fmt, io,
    sync::{Arc, PoisonError, RwLock},
};

use redb::StorageBackend;

/// The bytes that a [`RedbJournal`](crate::RedbJournal) is kept in: those of a file for
/// [`open`](crate::RedbJournal::open), flash without a file system or a disk that fails on request
/// for [`open_on`](crate::RedbJournal::open_on).
///
/// What was written or resized is to survive a loss of power once [`sync`](Self::sync) has
/// returned. Of anything later each byte may be there or not.
#[expect(
    clippy::len_without_is_empty,
    reason = "an empty medium is one of length 0 and nothing more"
)]
pub trait Medium: fmt::Debug + Send + Sync {
    /// How many bytes there are.
    ///
    /// # Errors
    /// An [`io::Error`] if the medium fails.
    fn len(&self) -> io::Result<u64>;

    /// Reads exactly as many bytes as fit.
    ///
    /// # Errors
    /// An [`io::Error`] if the medium fails or has fewer.
    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// Writes all bytes; they end within the length.
    ///
    /// # Errors
    /// An [`io::Error`] if the medium fails; some bytes may be written.
    /// [`StorageFull`](io::ErrorKind::StorageFull) and
    /// [`ReadOnlyFilesystem`](io::ErrorKind::ReadOnlyFilesystem) make the journal say so.
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the medium to a length, or fills it up to that with zeros.
    ///
    /// # Errors
    /// An [`io::Error`] as for [`write`](Self::write).
    fn set_len(&self, length: u64) -> io::Result<()>;

    /// Makes everything so far durable.
    ///
    /// # Errors
    /// An [`io::Error`] if the medium fails; what is durable is not known then.
    fn sync(&self) -> io::Result<()>;
}

/// The bytes of a file in memory.
pub(super) struct Copy(RwLock<Vec<u8>>);

impl Copy {
    pub(super) const fn new(bytes: Vec<u8>) -> Self {
        Self(RwLock::new(bytes))
    }
}

impl fmt::Debug for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copy").finish_non_exhaustive()
    }
}

impl Medium for Copy {
    fn len(&self) -> io::Result<u64> {
        let bytes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Ok(bytes.len() as u64)
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let from = usize::try_from(offset).ok();
        let rest = from.and_then(|from| kept.get(from..));
        let part = rest.and_then(|rest| rest.get(..bytes.len()));
        bytes.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let from = usize::try_from(offset).ok();
        let rest = from.and_then(|from| kept.get_mut(from..));
        let part = rest.and_then(|rest| rest.get_mut(..bytes.len()));
        part.ok_or(io::ErrorKind::InvalidInput)?
            .copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let more = length.saturating_sub(kept.len());
        kept.try_reserve(more)
            .map_err(|_| io::ErrorKind::OutOfMemory)?;
        kept.resize(length, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A medium as redb wants it, for one database: others may follow on the same medium.
#[derive(Debug)]
pub(super) struct Backend(pub(super) Arc<dyn Medium>);

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
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_there_is_memory_for_is_an_error() {
        let copy = Copy::new(b"kept".to_vec());
        for length in [u64::MAX, i64::MAX as u64] {
            let error = copy.set_len(length).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        }
        assert_eq!(copy.len().unwrap(), 4);
        copy.set_len(6).unwrap();
        copy.set_len(5).unwrap();
        let mut bytes = [1; 5];
        copy.read(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"kept\0");
    }
}
