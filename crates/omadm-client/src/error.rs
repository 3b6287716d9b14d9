use omadm_core::{JournalError, StatusCode};
use omadm_mo::JobId;

use crate::QuestionId;

/// The caller broke the driving contract of [`Client`](crate::Client); nothing happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiMisuse {
    /// Outputs were left over when an input was fed.
    #[error("an input was fed before all outputs were taken")]
    UndrainedOutput,
    /// A session is open already.
    #[error("a session was started while one is open")]
    SessionOpen,
    /// An answer, or its loss, was fed while none was awaited.
    #[error("an answer was fed while none is awaited")]
    NotAwaited,
    /// The job was not handed out, or its end was fed already.
    #[error("the end of job {0} was fed, which is not open")]
    UnknownJob(JobId),
    /// The answer is none that fits the question.
    #[error("the answer to question {0} does not fit it")]
    UnfitAnswer(QuestionId),
    /// An Item of a notice has no type, or a Source that is no address of a node. [DM-Protocol §8.6,
    /// §8.7]
    #[error("a notice was queued without a type, or with a source that is no address of a node")]
    UnfitNotice,
}

/// Why a [`Client`](crate::Client) cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The journal failed.
    #[error("the journal failed")]
    Journal(#[from] JournalError),
    /// A record of the alert queue is damaged, or of a later version.
    #[error("a record of the alert queue cannot be read")]
    AlertRecord,
    /// The record of the notifications that were taken is damaged, or of a later version.
    #[error("the record of notifications cannot be read")]
    NotificationRecord,
    /// A management object refused to start.
    #[error("a management object refused to start with status {0}")]
    Refused(StatusCode),
    /// A mandatory leaf of `./DevInfo` has no value.
    #[error("the tree has no value at {0}")]
    NoDevInfo(&'static str),
}
