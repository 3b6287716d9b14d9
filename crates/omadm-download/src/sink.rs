use std::error::Error;

use crate::DownloadKey;

/// Where the bytes of a download go: under each key at most one partial file and one finished
/// file.
///
/// * Bytes are safe once [`sync`](Sink::sync) has returned; after a crash the partial file has at
///   least the synced bytes, and anything may follow them.
/// * [`finish`](Sink::finish) is atomic: at any moment the finished file is the old one, the new
///   one, or absent, never a mixture.
/// * Calls under different keys do not wait for each other longer than a single call takes; the
///   caller sees to it that one key is used by one download at a time.
pub trait Sink: Send + Sync {
    /// Makes sure there is an open partial file, empty if it is new, with room for `total` bytes
    /// in all if that is known.
    ///
    /// # Errors
    /// [`SinkErrorKind::NoSpace`] if there is no room, or another [`SinkError`].
    fn reserve(&self, key: &DownloadKey, total: Option<u64>) -> Result<(), SinkError>;

    /// The length of the partial file in bytes; `None` if there is none.
    ///
    /// # Errors
    /// A [`SinkError`] if the medium fails.
    fn len(&self, key: &DownloadKey) -> Result<Option<u64>, SinkError>;

    /// Writes bytes at an offset of the partial file.
    ///
    /// # Errors
    /// A [`SinkError`]; [`SinkErrorKind::Missing`] if there is no partial file.
    fn write_at(&self, key: &DownloadKey, offset: u64, bytes: &[u8]) -> Result<(), SinkError>;

    /// Reads bytes at an offset of the partial file: how many, none at its end.
    ///
    /// # Errors
    /// A [`SinkError`]; [`SinkErrorKind::Missing`] if there is no partial file.
    fn read_at(
        &self,
        key: &DownloadKey,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, SinkError>;

    /// Cuts the partial file to at most this length.
    ///
    /// # Errors
    /// A [`SinkError`]; [`SinkErrorKind::Missing`] if there is no partial file.
    fn truncate(&self, key: &DownloadKey, length: u64) -> Result<(), SinkError>;

    /// Makes everything written to the partial file durable.
    ///
    /// # Errors
    /// A [`SinkError`]; [`SinkErrorKind::Missing`] if there is no partial file.
    fn sync(&self, key: &DownloadKey) -> Result<(), SinkError>;

    /// Makes the partial file the finished one, durably, in place of an earlier one; returns
    /// where it is. Without a partial file: where the finished one is.
    ///
    /// # Errors
    /// A [`SinkError`]; [`SinkErrorKind::Missing`] if there is neither.
    fn finish(&self, key: &DownloadKey) -> Result<String, SinkError>;

    /// Where the finished file is, as a text others can open it by (an absolute path for files);
    /// `None` if there is none.
    ///
    /// # Errors
    /// A [`SinkError`] if the medium fails.
    fn location(&self, key: &DownloadKey) -> Result<Option<String>, SinkError>;

    /// Removes the partial and the finished file, as far as there are any.
    ///
    /// # Errors
    /// A [`SinkError`] if the medium fails.
    fn discard(&self, key: &DownloadKey) -> Result<(), SinkError>;

    /// Every key with a partial or finished file, in ascending order.
    ///
    /// # Errors
    /// A [`SinkError`] if the medium fails.
    fn keys(&self) -> Result<Vec<DownloadKey>, SinkError>;
}

/// Why a [`Sink`] could not do its work.
#[derive(thiserror::Error)]
#[error("{kind}")]
pub struct SinkError {
    kind: SinkErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

omadm_core::debug_as_causes!(SinkError);

/// The kind of a [`SinkError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkErrorKind {
    /// There is no space left.
    #[error("there is no space left for the file")]
    NoSpace,
    /// The medium cannot be written.
    #[error("files cannot be written here")]
    ReadOnly,
    /// There is no such file.
    #[error("the file is not there")]
    Missing,
    /// The medium failed in another way.
    #[error("the medium of the files failed")]
    Io,
}

impl SinkError {
    /// An error with its cause.
    pub fn new(
        kind: SinkErrorKind,
        source: impl Into<Option<Box<dyn Error + Send + Sync>>>,
    ) -> Self {
        Self {
            kind,
            source: source.into(),
        }
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> SinkErrorKind {
        self.kind
    }
}

impl From<SinkErrorKind> for SinkError {
    fn from(kind: SinkErrorKind) -> Self {
        Self { kind, source: None }
    }
}
