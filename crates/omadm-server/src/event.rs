use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc, time::Duration};

use omadm_core::{ClientEvent, GenericAlert, Space, StatusCode};
use omadm_session::{Procedure, Report};
use omadm_syncml::CmdRef;

/// Names a procedure in the queue of a device: [`Server::enqueue`](crate::Server::enqueue).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProcedureId(pub(crate) u64);

impl ProcedureId {
    /// The number; each is given once by an engine.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// What happened on a device or in a session with one.
#[derive(Debug)]
#[non_exhaustive]
pub struct Event {
    /// The identifier of the device: the LocURI of its Source.
    pub device: Arc<str>,
    /// The SessionID it happened in; empty for what happened in none.
    pub session: Arc<str>,
    /// What happened.
    pub kind: EventKind,
}

/// The kind of an [`Event`].
#[derive(Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// A session began: the device proved who it is, if it has to. Procedures that are enqueued now
    /// start with the answer.
    SessionStarted {
        /// Who wanted it.
        trigger: Trigger,
        /// What the device says about itself.
        dev_info: DevInfo,
    },
    /// The session that just started is the one a notification asked for:
    /// [`Server::notify`](crate::Server::notify).
    NotificationAnswered {
        /// Its SessionID.
        session_id: u16,
    },
    /// A session ended. After [`SessionEnd::Completed`] a device that still has something to say
    /// may go on; the session then ends once more.
    SessionEnded(SessionEnd),
    /// A message was not processed; its header and its commands got this status.
    ///
    /// 401 and 407 are those of the challenge, 505 and 513 of the versions. The specification
    /// leaves others open (unverified): 404 for a message of no session, 400 for a MsgID out of
    /// order, 412 for a first message without DevInfo, 503 where a limit is reached.
    Refused(StatusCode),
    /// A command of a procedure got a Status.
    Command {
        /// Whose command.
        procedure: ProcedureId,
        /// The name of the command.
        name: Cow<'static, str>,
        /// The LocURI it addressed; empty if it addressed none.
        uri: String,
        /// The outcome.
        status: StatusCode,
    },
    /// A Generic Alert; each is reported once, however often the device repeats it.
    Alert {
        /// The alert.
        alert: GenericAlert,
        /// The procedure that was waiting for it, if one was.
        procedure: Option<ProcedureId>,
    },
    /// One Item of a client event, alert 1224; reported once like an alert.
    ClientEvent(ClientEvent),
    /// The procedure under way got on. One that ends without a command is told by its end alone.
    Progress {
        /// Which.
        procedure: ProcedureId,
        /// Its place among the [steps](crate::Server::enqueue_step) of the device, from 0 and
        /// counted over restarts; none if it is not one of them.
        step: Option<usize>,
        /// What happened to it.
        progress: ProcedureProgress,
    },
    /// A procedure ended; the next one of the device starts.
    ProcedureFinished {
        /// Which.
        id: ProcedureId,
        /// How.
        report: Report,
        /// The procedure itself, which as `Box<dyn Any>` can be downcast.
        procedure: Box<dyn Procedure>,
    },
    /// The device broke the protocol; what is not said here went on.
    Violation(Violation),
    /// What was [kept](crate::Server::keeping_devices) of a device was damaged, and is now in
    /// [`Space::DAMAGED`]; the device goes on without.
    RecordDamaged {
        /// Where it was: [`Space::DEVICES`] or, for the report of a step, [`Space::REPORTS`].
        space: Space,
    },
}

/// How a procedure got on: [`EventKind::Progress`].
///
/// ```text
/// Begun ───┐
///          ├──> Sent, Accepted, Retried, in any number ──> ProcedureFinished
/// Resumed ─┘                     └──> TimedOut ──────────────┘
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ProcedureProgress {
    /// Its first commands follow.
    Begun,
    /// The same, of a step that an earlier engine [began](crate::Place::begun).
    Resumed,
    /// It has the next commands to send.
    #[non_exhaustive]
    Sent {
        /// How many; a group is one.
        commands: usize,
    },
    /// The same, where one of them was sent before: the answer was lost with its session, or an Exec
    /// was accepted and had no effect since.
    #[non_exhaustive]
    Retried {
        /// How many; a group is one.
        commands: usize,
    },
    /// An Exec was answered with 202, and its alert is waited for.
    #[non_exhaustive]
    Accepted {
        /// The executed node.
        uri: String,
    },
    /// Its time is over, and so is it: the end with 408 follows.
    #[non_exhaustive]
    TimedOut {
        /// How long it might take.
        limit: Duration,
    },
}

/// Who wanted a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Trigger {
    /// The server, by a notification: Alert 1200.
    Server,
    /// The device: Alert 1201.
    Client,
}

/// How a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum SessionEnd {
    /// The server had nothing more to say.
    Completed,
    /// The device aborted it: Alert 1223.
    AbortedByDevice,
    /// The server aborted it: Alert 1223.
    AbortedByServer,
    /// The device does not believe who the server is.
    ServerNotAuthenticated,
    /// The device was silent for [`Config::idle_timeout`](crate::Config::idle_timeout).
    TimedOut,
    /// The device began another one.
    Superseded,
}

impl fmt::Display for SessionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Completed => "completed",
            Self::AbortedByDevice => "aborted by the device",
            Self::AbortedByServer => "aborted by the server",
            Self::ServerNotAuthenticated => "the device does not believe who the server is",
            Self::TimedOut => "timed out",
            Self::Superseded => "the device began another one",
        })
    }
}

/// How a device broke the protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Violation {
    /// A MsgID out of order; the message was not processed.
    MessageOutOfOrder {
        /// The MsgID expected.
        expected: u32,
        /// The MsgID of the message.
        found: u32,
    },
    /// A Status for nothing that was sent.
    StrayStatus {
        /// Its MsgRef.
        msg_ref: u32,
        /// Its CmdRef.
        cmd_ref: CmdRef,
    },
    /// Results for nothing that was sent.
    StrayResults {
        /// Their MsgRef.
        msg_ref: Option<u32>,
        /// Their CmdRef.
        cmd_ref: CmdRef,
    },
    /// Results before the Status of their command; dropped.
    ResultsWithoutStatus,
    /// The device completed its package and left commands without Status.
    MissingStatus {
        /// How many.
        commands: usize,
    },
    /// The device said nothing about the header of the message it answers.
    MissingHeaderStatus,
    /// The device refused a message as a whole.
    HeaderRefused(StatusCode),
    /// A command that a client must not send, or not now; it got this status.
    Command {
        /// The name of the element.
        name: String,
        /// What it got.
        status: StatusCode,
    },
    /// A large object was broken off before its last chunk; nothing of it counts.
    BrokenObject,
    /// The session has too many messages and is aborted.
    TooManyMessages,
    /// The session brought too many alerts; this one was refused.
    TooManyAlerts,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MessageOutOfOrder { expected, found } => {
                write!(f, "a message with id {found} instead of {expected}")
            }
            Self::StrayStatus { msg_ref, .. } => {
                write!(f, "a status for nothing that was sent in message {msg_ref}")
            }
            Self::StrayResults { .. } => f.write_str("results for nothing that was sent"),
            Self::ResultsWithoutStatus => f.write_str("results before the status of their command"),
            Self::MissingStatus { commands: 1 } => f.write_str("no status for a command"),
            Self::MissingStatus { commands } => write!(f, "no status for {commands} commands"),
            Self::MissingHeaderStatus => f.write_str("no status for the header of a message"),
            Self::HeaderRefused(code) => write!(f, "a message was refused as a whole: {code:?}"),
            Self::Command { name, status } => write!(f, "{name} was refused: {status:?}"),
            Self::BrokenObject => f.write_str("a large object was broken off"),
            Self::TooManyMessages => f.write_str("the session has too many messages"),
            Self::TooManyAlerts => f.write_str("the session brought too many alerts"),
        }
    }
}

/// What a device says about itself: the leaves of DevInfo it sent. [DM-StdObj]
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DevInfo {
    leaves: BTreeMap<String, String>,
}

impl DevInfo {
    /// The leaves that no device leaves out.
    pub const MANDATORY: [&'static str; 5] = ["DevId", "Man", "Mod", "DmV", "Lang"];

    pub(crate) fn insert(&mut self, path: &str, value: &str) {
        self.leaves.insert(path.to_owned(), value.to_owned());
    }

    pub(crate) fn is_complete(&self) -> bool {
        Self::MANDATORY.iter().all(|leaf| self.get(leaf).is_some())
    }

    /// The value of a leaf, by its path below DevInfo: `Man`, `Ext/Vendor/Serial`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&str> {
        self.leaves.get(path).map(String::as_str)
    }

    /// All leaves, by path below DevInfo.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.leaves
            .iter()
            .map(|(path, value)| (path.as_str(), value.as_str()))
    }
}
