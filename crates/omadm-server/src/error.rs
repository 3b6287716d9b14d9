use omadm_core::{JournalError, JournalErrorKind};
use omadm_syncml::{DecodeError, EncodeError};

/// Why a message was not taken in; nothing happened. [DM-HTTP]
///
/// Over HTTP this is the status 400, 403 for [`ReceiveError::OtherName`], and 500 for
/// [`ReceiveError::JournalFailed`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// It is no SyncML message, or beyond the limits.
    #[error("the message cannot be decoded")]
    Undecodable(#[from] DecodeError),
    /// Its header does not say who sent it.
    #[error("the message does not name its source")]
    Nameless,
    /// Its header names its source or its session by more than
    /// [`Config::max_name`](crate::Config::max_name).
    #[error("the name of the source or of the session is too long")]
    NameTooLong,
    /// The transport knows the sender by names of which its header has none:
    /// [`Request::with_names`](crate::Request::with_names).
    #[error("the message is from another device than the transport says")]
    OtherName,
    /// The device takes no message, by its MaxMsgSize, that any answer fits into.
    #[error("no answer fits into {limit} bytes")]
    NoRoom {
        /// Its MaxMsgSize.
        limit: usize,
    },
    /// No answer can be written, because something it must repeat does not go into the encoding.
    #[error("the message cannot be answered")]
    Unanswerable(#[from] EncodeError),
    /// What happened before cannot be made durable.
    #[error("the journal failed: {0}")]
    JournalFailed(JournalErrorKind),
}

impl From<JournalError> for ReceiveError {
    fn from(error: JournalError) -> Self {
        Self::JournalFailed(error.kind())
    }
}

/// Why there is no answer to a message.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RespondError {
    /// Something the header must repeat does not go into the encoding; the session is gone.
    #[error("the answer cannot be encoded")]
    Unencodable(#[from] EncodeError),
    /// What the message must hold is more than the device takes by its MaxMsgSize; the session is
    /// gone.
    #[error("the answer does not fit into {limit} bytes")]
    NoRoom {
        /// Its MaxMsgSize.
        limit: usize,
    },
    /// The nonces of the next message, or what is kept of the device, cannot be made durable; the
    /// session is gone.
    #[error("the session cannot be kept: {0}")]
    JournalFailed(JournalErrorKind),
    /// The session of the receipt is gone: it was aborted or forgotten in between.
    #[error("the session is gone")]
    SessionGone,
}

impl From<JournalError> for RespondError {
    fn from(error: JournalError) -> Self {
        Self::JournalFailed(error.kind())
    }
}

/// Why a procedure was not enqueued.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnqueueError {
    /// [`Config::max_procedures`](crate::Config::max_procedures) wait for the device.
    #[error("too many procedures wait for the device")]
    QueueFull,
    /// [`Config::max_devices`](crate::Config::max_devices) are known.
    #[error("too many devices are known")]
    TooManyDevices,
}
