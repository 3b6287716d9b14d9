use std::fmt;

use omadm_core::{Correlator, GenericAlert, StatusCode, UserAnswer, UserInteraction};
use omadm_tree::{NewNode, Uri, Value};

use crate::Limits;

/// What a host says to a guest in one exchange.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Request {
    /// Names a run of the host; a guest that hears another one knows that the host began anew.
    pub session: String,
    /// Counts the requests of a session from 1.
    pub number: u32,
    /// Octets of the longest reply the host takes.
    pub max_reply: usize,
    /// What the guest told and the host keeps from now on.
    pub received: Vec<Receipt>,
    /// What the guest is to do, in this order; none to hear its news only.
    pub commands: Vec<Command>,
}

/// One thing a guest is to do. Addresses are the guest's own: its root is `./`. [VirMO §11.2.1]
///
/// Its `Debug` has the length of an argument: there may be a secret in it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Make a node.
    Add {
        /// Where.
        uri: Uri,
        /// What.
        node: NewNode,
    },
    /// Overwrite a leaf.
    Replace {
        /// Which.
        uri: Uri,
        /// With what.
        value: Value,
    },
    /// Remove a node and what is below it.
    Delete {
        /// Which.
        uri: Uri,
    },
    /// Copy a leaf.
    Copy {
        /// Which.
        from: Uri,
        /// Where to.
        to: Uri,
    },
    /// Say what a leaf holds, or what the children of an interior node are called.
    Get {
        /// Which.
        uri: Uri,
    },
    /// Execute a node.
    Exec {
        /// Which.
        uri: Uri,
        /// The argument.
        argument: Option<Vec<u8>>,
        /// What an alert that answers it later repeats.
        correlator: Option<Correlator>,
    },
    /// Ask the user of the guest. [VirMO §11.2.2]
    Ask(UserInteraction),
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add { uri, node } => write!(f, "Add({uri:?}, {node:?})"),
            Self::Replace { uri, value } => write!(f, "Replace({uri:?}, {value:?})"),
            Self::Delete { uri } => write!(f, "Delete({uri:?})"),
            Self::Copy { from, to } => write!(f, "Copy({from:?}, {to:?})"),
            Self::Get { uri } => write!(f, "Get({uri:?})"),
            Self::Exec {
                uri,
                argument,
                correlator,
            } => {
                let length = argument.as_ref().map_or(0, Vec::len);
                write!(f, "Exec({uri:?}, {length} bytes, {correlator:?})")
            }
            Self::Ask(interaction) => write!(f, "Ask({interaction:?})"),
        }
    }
}

/// What a guest says to its host in one exchange.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Reply {
    /// That of the request.
    pub session: String,
    /// That of the request.
    pub number: u32,
    /// One for each command, in order.
    pub answers: Vec<Answer>,
    /// What the guest has to tell by itself, oldest first: all that no receipt came for, or the
    /// first part of it.
    pub news: Vec<News>,
}

/// What came of one command.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The status; 202 to an Exec if an alert with its Correlator will bring the outcome.
    pub status: StatusCode,
    /// What was asked for or came with it.
    pub outcome: Outcome,
}

/// What an [`Answer`] carries beside its status.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing.
    #[default]
    None,
    /// What a leaf holds: of a Get.
    Value(Value),
    /// The names of the children of an interior node: of a Get.
    Children(Vec<String>),
    /// The Data of each Item of the result: of an Exec.
    Items(Vec<String>),
    /// What the user said: of an Ask; the status goes with it.
    User(UserAnswer),
}

/// Something a guest tells by itself, at least once: until it gets a [`Receipt`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct News {
    /// Names it; never 0, and another for each that is told at the same time.
    pub number: u32,
    /// What happened.
    pub what: Happening,
}

/// What happened in a guest by itself. Addresses are the guest's own.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Happening {
    /// Something a server is to hear.
    Alert(GenericAlert),
    /// A leaf holds another value now, or is new.
    Changed {
        /// Which.
        uri: Uri,
        /// What it holds.
        value: Value,
    },
    /// There is a new interior node.
    Appeared {
        /// Which.
        uri: Uri,
        /// The identifier of its management object, if it is the root of one.
        node_type: Option<String>,
    },
    /// A node is gone, and what was below it.
    Vanished {
        /// Which.
        uri: Uri,
    },
}

/// The host keeps what the guest told: the guest need not tell it again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Receipt {
    /// [`Reply::number`] of a reply it came with.
    pub reply: u32,
    /// [`News::number`]
    pub news: u32,
}

impl Request {
    /// A request without receipts, for a reply of up to [`Limits::MAX_BYTES`] octets.
    #[must_use]
    pub fn new(session: impl Into<String>, number: u32, commands: Vec<Command>) -> Self {
        Self {
            session: session.into(),
            number,
            max_reply: Limits::MAX_BYTES,
            received: Vec::new(),
            commands,
        }
    }
}

impl Reply {
    /// The reply to a request, without anything in it.
    #[must_use]
    pub fn to(request: &Request) -> Self {
        Self {
            session: request.session.clone(),
            number: request.number,
            answers: Vec::new(),
            news: Vec::new(),
        }
    }
}

impl News {
    /// Something that happened.
    #[must_use]
    pub const fn new(number: u32, what: Happening) -> Self {
        Self { number, what }
    }
}

impl Answer {
    /// An answer with something in it.
    #[must_use]
    pub const fn new(status: StatusCode, outcome: Outcome) -> Self {
        Self { status, outcome }
    }
}

impl From<StatusCode> for Answer {
    fn from(status: StatusCode) -> Self {
        Self::new(status, Outcome::None)
    }
}

impl From<UserAnswer> for Answer {
    /// With the status that says so. [DM-Protocol §12.2]
    fn from(answer: UserAnswer) -> Self {
        let status = match &answer {
            UserAnswer::Accepted | UserAnswer::Text(_) | UserAnswer::Choices(_) => StatusCode::OK,
            UserAnswer::Rejected => StatusCode::NOT_MODIFIED,
            UserAnswer::Cancelled => StatusCode::OPERATION_CANCELLED,
            UserAnswer::TimedOut => StatusCode::REQUEST_TIMEOUT,
            UserAnswer::CannotDisplay => StatusCode::REQUESTED_SIZE_TOO_BIG,
            UserAnswer::Unsupported => StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED,
        };
        Self::new(status, Outcome::User(answer))
    }
}

impl Command {
    /// The name of the command in SyncML.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Add { .. } => "Add",
            Self::Replace { .. } => "Replace",
            Self::Delete { .. } => "Delete",
            Self::Copy { .. } => "Copy",
            Self::Get { .. } => "Get",
            Self::Exec { .. } => "Exec",
            Self::Ask(_) => "Alert",
        }
    }
}
