use std::{fmt, io, sync::Arc};

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
