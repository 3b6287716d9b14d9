use omadm_core::{JournalErrorKind, StatusCode};
use omadm_mo::{
    Refusal,
    tnds::{CreationError, TndsError},
};
use omadm_tree::{TargetError, TreeError};

/// Why a command, or one Item of it, was not executed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command has no CmdID, or one that another command of the message has.
    #[error("the command has no id of its own")]
    NoId,
    /// Something the command cannot go without is absent.
    #[error("the command lacks its {0}")]
    Incomplete(&'static str),
    /// The LocURI is none, or names a feature that is not supported.
    #[error("the address is not valid")]
    Target(#[from] TargetError),
    /// The Format, the Type or the octets of a value are of no use.
    #[error("the value is not valid")]
    Value,
    /// The document is no serialized subtree.
    #[error("the document is not valid")]
    Tnds(#[from] TndsError),
    /// The document asks for nodes that do not go together.
    #[error("the document asks for no tree")]
    Creation(#[from] CreationError),
    /// The value to send is larger than the server takes.
    #[error("the value is too large for the server")]
    TooLarge,
    /// The value to send is nothing the encoding can carry.
    #[error("the value cannot be written")]
    Unencodable,
    /// An optional feature that is not supported.
    #[error("the feature is not supported")]
    Unsupported,
    /// An element that is no command at all.
    #[error("the command is unknown")]
    Unknown,
    /// A command that a server must not send, or not here.
    #[error("the command does not belong here")]
    Misplaced,
    /// As many jobs are open as may be.
    #[error("too many jobs are open")]
    Busy,
    /// An Atomic asks more questions than may be asked.
    #[error("the Atomic asks too many questions")]
    TooManyQuestions,
    /// The command was skipped.
    #[error("the command was not executed")]
    Skipped,
    /// The tree refuses.
    #[error("the tree refuses")]
    Tree(#[from] TreeError),
    /// A management object puts the command off where it cannot wait.
    #[error("the command would have to wait")]
    PutOff,
    /// The job a command waited for took too long.
    #[error("the command waited too long")]
    TimedOut,
    /// A command had to wait for more jobs than one may.
    #[error("the command has to wait too often")]
    TooManyJobs,
    /// A management object refuses.
    #[error("a management object refuses")]
    Object(#[from] Refusal),
    /// The journal failed: nothing happened.
    #[error("the journal failed")]
    Journal(JournalErrorKind),
}

impl Failure {
    /// The status the command gets. [DM-RepPro]
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoId => StatusCode::BAD_REQUEST,
            Self::Incomplete(_) => StatusCode::INCOMPLETE_COMMAND,
            Self::Target(error) => error.status(),
            Self::Value => StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT,
            Self::Tnds(error) => error.status(),
            Self::Creation(error) => error.status(),
            Self::TooLarge | Self::TooManyQuestions => StatusCode::REQUEST_ENTITY_TOO_LARGE,
            Self::Unencodable => StatusCode::COMMAND_FAILED,
            Self::PutOff | Self::Unsupported => StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED,
            Self::Unknown => StatusCode::COMMAND_NOT_IMPLEMENTED,
            Self::Misplaced => StatusCode::COMMAND_NOT_ALLOWED,
            Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::TooManyJobs => StatusCode::COMMAND_FAILED,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Skipped => StatusCode::NOT_EXECUTED,
            Self::Tree(error) => error.status(),
            Self::Object(Refusal(status)) => *status,
            Self::Journal(kind) => match kind {
                JournalErrorKind::Full => StatusCode::DEVICE_FULL,
                JournalErrorKind::Corrupt | JournalErrorKind::Io => StatusCode::DATA_STORE_FAILURE,
                // ReadOnly, and what a later journal may know besides.
                _ => StatusCode::COMMAND_FAILED,
            },
        }
    }
}
