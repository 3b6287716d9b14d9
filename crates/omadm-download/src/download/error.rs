use std::time::Duration;

use omadm_core::JournalError;

use crate::{DescriptorError, FetchError, FetchErrorKind, SinkError};

/// Why a [`Download`](crate::Download) ended without its file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// It was stopped from outside.
    #[error("the download was cancelled")]
    Cancelled,
    /// The source refuses, or failed too often.
    #[error("the bytes could not be fetched")]
    Fetch(#[source] FetchError),
    /// The file has another media type than it must have.
    #[error("the file is {found:?}, not {expected:?}")]
    MediaType {
        /// What it must be.
        expected: String,
        /// What the source says; empty if it says nothing.
        found: String,
    },
    /// The file is longer than allowed.
    #[error("the file is longer than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The source delivers another number of bytes than it said.
    #[error("{received} bytes came instead of {expected}")]
    Length {
        /// What it said.
        expected: u64,
        /// What it sent.
        received: u64,
    },
    /// The source never said how long the file is, and its end is no proof.
    #[error("nothing proves that the file is complete")]
    Unproven,
    /// The source answers a request for a part with another part.
    #[error("the source sends another part of the file than was asked for")]
    Range,
    /// The source delivers less in a while than [`Policy::slowest`](crate::Policy::slowest).
    #[error("the source is too slow")]
    TooSlow,
    /// The descriptor of the file cannot be used.
    #[error("the descriptor cannot be used")]
    Descriptor(#[source] DescriptorError),
    /// The file does not have the digest it must have.
    #[error("the file has another digest")]
    Digest,
    /// The file is here, but who has to hear of it does not: it is given up. [DLOTA 1.0]
    #[error("the download could not be reported")]
    Report(#[source] FetchError),
    /// The sink failed.
    #[error("the bytes could not be kept")]
    Sink(#[source] SinkError),
    /// The journal failed.
    #[error("the record could not be kept")]
    Journal(#[source] JournalError),
    /// The record in the journal cannot be read.
    #[error("the record of the download cannot be read")]
    Record,
}

impl DownloadError {
    /// How long the source wants to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Fetch(error) | Self::Report(error) => match error.kind() {
                FetchErrorKind::Busy { retry_after, .. } => retry_after,
                _ => None,
            },
            _ => None,
        }
    }
}

impl From<FetchError> for DownloadError {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}

impl From<SinkError> for DownloadError {
    fn from(error: SinkError) -> Self {
        Self::Sink(error)
    }
}

impl From<JournalError> for DownloadError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}
