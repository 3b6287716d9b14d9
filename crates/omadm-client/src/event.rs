use std::{borrow::Cow, fmt};

use omadm_core::{ClientEvent, GenericAlert, JournalErrorKind, StatusCode};
use omadm_mo::{AccountError, JobId};
use omadm_session::NoRandom;
use omadm_syncml::{DecodeError, EncodeError};

use crate::{NotificationDrop, Notified, TransportFailure};

/// Something worth telling people or a log; nothing depends on it being heard.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// An alert is due and no session is open: open one by [`Start::by_client`](crate::Start::by_client).
    SessionWanted,
    /// The server asks for a session by a notification: feed [`Input::Start`](crate::Input::Start)
    /// with its start. No session is open; the next notification waits until this one has been.
    Notified(Notified),
    /// A notification was dropped.
    NotificationDropped(NotificationDrop),
    /// One Item of a command by the server got its status.
    Command {
        /// The name of the command.
        name: Cow<'static, str>,
        /// The LocURI it addressed; empty for a command that addresses none.
        uri: String,
        /// The status the server gets.
        status: StatusCode,
    },
    /// An alert is in the queue, durable.
    AlertQueued(GenericAlert),
    /// The server acknowledged an alert.
    AlertDelivered(GenericAlert),
    /// The server refused an alert; it will be sent again.
    AlertRefused {
        /// The alert.
        alert: GenericAlert,
        /// How the server answered; absent if it did not.
        status: Option<StatusCode>,
        /// How often it was refused so far.
        tries: u32,
    },
    /// An alert left the queue without being delivered.
    AlertDropped {
        /// The alert.
        alert: GenericAlert,
        /// Why.
        reason: DropReason,
    },
    /// Something became of a client event.
    ClientEvent {
        /// The event.
        event: ClientEvent,
        /// What.
        delivery: Delivery,
    },
    /// A job did not end within its time limit and was given up.
    JobTimedOut(JobId),
    /// The journal failed; what was to become durable did not happen.
    JournalFailed(JournalErrorKind),
    /// What the journal could not keep of an object is not taken up, as another object refused what
    /// came of it; all others went on. It stays until the next Exec of the object or the next start.
    NotResumed {
        /// The root of the object.
        object: String,
        /// Why it was refused.
        status: StatusCode,
    },
}

/// What becomes of news for the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Delivery {
    /// It is in the queue, durable.
    Queued,
    /// The server acknowledged it.
    Delivered,
    /// The server refused it; it will be sent again.
    Refused {
        /// How the server answered; absent if it did not.
        status: Option<StatusCode>,
        /// How often it was refused so far.
        tries: u32,
    },
    /// It left the queue without being delivered.
    Dropped(DropReason),
}

/// Why an alert was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DropReason {
    /// The server refused it as often as [`Config::alert_retry`](crate::Config::alert_retry) allows.
    Refused,
    /// The server refused it with a status that it would get again: 404, 405, 406, 412, 413, 414,
    /// 415 or 501.
    Unacceptable(StatusCode),
    /// The queue held [`Config::max_queued_alerts`](crate::Config::max_queued_alerts) already.
    QueueFull,
    /// Who told it to the device had [its share](crate::Config::max_told_alerts) of the queue
    /// already.
    ShareFull,
    /// It goes into no message: larger than the server takes, or nothing the encoding can carry.
    TooLarge,
    /// The journal failed when it was to be queued.
    NotKept,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unacceptable(status) => {
                return write!(f, "the server does not take it: {status:?}");
            }
            Self::Refused => "the server refused it too often",
            Self::QueueFull => "the queue is full",
            Self::ShareFull => "who told it has its share of the queue already",
            Self::TooLarge => "it fits no message",
            Self::NotKept => "the journal failed",
        })
    }
}

/// How a session ended: [`Output::Ended`](crate::Output::Ended).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SessionEnd {
    /// The server had nothing more to say. [DM-Protocol]
    Completed,
    /// By [`Input::Abort`](crate::Input::Abort).
    Aborted,
    /// By the client with Alert 1223, for the session had
    /// [`max_messages`](crate::Config::max_messages): a server that never ends its package, or
    /// one after the other.
    TooManyMessages,
    /// By the client with Alert 1223, for the session lasted longer than
    /// [`session_limit`](crate::Config::session_limit).
    TooLong,
    /// By the server, with Alert 1223.
    AbortedByServer,
    /// A message got no answer, however often it was sent.
    TransportFailed(TransportFailure),
    /// The answer of the server could not be read; nothing of it was executed.
    Undecodable(DecodeError),
    /// A message to the server could not be written.
    Unencodable(EncodeError),
    /// The answer belongs to another session.
    OtherSession,
    /// The answer is meant for another device.
    OtherDevice,
    /// The MsgID of the answer is not the next one.
    OutOfOrder {
        /// The MsgID that was expected.
        expected: u32,
        /// The MsgID of the answer.
        received: u32,
    },
    /// The answer has no Status of the header it answers; nothing of it was executed.
    NoHeaderStatus,
    /// The server speaks another version; it was told so with 505 or 513.
    VersionNotSupported,
    /// The server does not accept the client's credentials.
    Unauthorized,
    /// The server could not prove who it is.
    ServerUnauthorized,
    /// The server took the MAC of a message and broke its rules: it sent no nonce for the next
    /// one.
    MacViolated,
    /// There is no account to take the credentials from.
    Account(AccountError),
    /// The account wants the server to prove itself by something that is not supported.
    AuthNotSupported,
    /// No nonce can be made for the server to prove itself with:
    /// [`Client::with_random`](crate::Client::with_random).
    NoRandom,
    /// The nonces of the next message cannot be made durable; nothing was executed.
    JournalFailed(JournalErrorKind),
    /// The server refused a message as a whole.
    Refused(StatusCode),
}

impl SessionEnd {
    /// Whether the session went to its end as it should.
    #[must_use]
    pub const fn is_normal(&self) -> bool {
        matches!(self, Self::Completed)
    }
}

impl fmt::Display for SessionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.write_str("completed"),
            Self::Aborted => f.write_str("aborted"),
            Self::TooManyMessages => f.write_str("too many messages, aborted"),
            Self::TooLong => f.write_str("took too long, aborted"),
            Self::AbortedByServer => f.write_str("aborted by the server"),
            Self::TransportFailed(TransportFailure::Lost) => {
                f.write_str("the server did not answer")
            }
            Self::TransportFailed(TransportFailure::Refused) => {
                f.write_str("the transport refused the message")
            }
            Self::Undecodable(error) => write!(f, "the answer cannot be read: {error}"),
            Self::Unencodable(error) => write!(f, "the message cannot be written: {error}"),
            Self::OtherSession => f.write_str("the answer belongs to another session"),
            Self::OtherDevice => f.write_str("the answer is meant for another device"),
            Self::OutOfOrder { expected, received } => {
                write!(
                    f,
                    "the answer has message id {received} instead of {expected}"
                )
            }
            Self::NoHeaderStatus => {
                f.write_str("the answer has no status of the message it answers")
            }
            Self::VersionNotSupported => f.write_str("the server speaks another version"),
            Self::Unauthorized => f.write_str("the server does not accept the credentials"),
            Self::ServerUnauthorized => f.write_str("the server could not prove who it is"),
            Self::MacViolated => f.write_str("the server sent no nonce for the next message"),
            Self::Account(error) => write!(f, "there is no account: {error}"),
            Self::AuthNotSupported => {
                f.write_str("the account wants a proof of the server that is not supported")
            }
            Self::NoRandom => NoRandom.fmt(f),
            Self::JournalFailed(kind) => kind.fmt(f),
            Self::Refused(code) => write!(f, "the server refused the message: {code:?}"),
        }
    }
}
