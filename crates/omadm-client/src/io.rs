use std::{fmt, time::Duration};

use omadm_core::{UserAnswer, UserInteraction};
use omadm_mo::{Job, JobEnd, JobId};
use omadm_session::TransportIdentity;
use omadm_syncml::Encoding;

use crate::{Event, Notice, SessionEnd};

/// What happens to a [`Client`](crate::Client).
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// Open a session. Allowed when none is open or about to be.
    Start(Start),
    /// The server's answer to the last [`Output::Send`]. Allowed while one is awaited.
    Received(Received<'a>),
    /// The last [`Output::Send`] got no answer. Allowed while one is awaited.
    TransportFailed(TransportFailure),
    /// A job handed out by [`Output::Run`] ended. Allowed at any time, once for each job.
    Completed {
        /// Which.
        job: JobId,
        /// How.
        end: JobEnd,
    },
    /// What came of an [`Output::Ask`]. Allowed at any time, once for each question; without effect
    /// when the question is over already.
    Answered {
        /// Which.
        question: QuestionId,
        /// What the person said; it has to be [one that fits](UserInteraction::accepts).
        answer: UserAnswer,
    },
    /// A notification, package 0, out of a push ([`unwrap`](omadm_session::notification::push::unwrap)),
    /// a POST or whatever else brought it: it may come from anybody. Allowed at any time.
    /// [DM-Notification]
    ///
    /// One that the server signed, and that was not taken before, becomes an
    /// [`Event::Notified`](crate::Event::Notified) when no session is open; one that wants the user
    /// to be told or asked an [`Output::Ask`] before. Any other becomes an
    /// [`Event::NotificationDropped`](crate::Event::NotificationDropped), and its sender hears
    /// nothing.
    Notification(&'a [u8]),
    /// News for the server: kept until it has them, and sent with the next message or session.
    /// Allowed at any time. Each Item has a type, and its Source, if there is one, is the address of a
    /// node: else it is [`ApiMisuse::UnfitNotice`](crate::ApiMisuse::UnfitNotice). What the objects
    /// have to say is queued by themselves. What the journal does not keep, or the queue has no room
    /// for, is dropped, and [`Event::AlertDropped`](crate::Event::AlertDropped) among the outputs says
    /// why.
    Queue(Notice),
    /// The moment of [`Client::deadline`](crate::Client::deadline) has come. Harmless when it has
    /// not.
    Deadline,
    /// End the session: with Alert 1223 as soon as it is the client's turn. Allowed at any time,
    /// without effect when no session is open. [DM-Protocol]
    Abort,
}

/// How a session is opened: [`Input::Start`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Start {
    /// Who wants the session.
    pub trigger: Trigger,
    /// The SessionID, sent as upper-case hexadecimal text: the one in the notification, else any
    /// that differs from those of recent sessions.
    pub session_id: u16,
    /// The nonce of resynchronisation, where the notification was signed with it: both ends begin
    /// the session with it. [DM-Notification]
    pub resync: Option<&'static [u8]>,
}

impl Start {
    /// A session opened by the device itself: Alert 1201.
    #[must_use]
    pub const fn by_client(session_id: u16) -> Self {
        Self {
            trigger: Trigger::Client,
            session_id,
            resync: None,
        }
    }

    /// A session a notification asked for: Alert 1200 and the SessionID it names.
    #[must_use]
    pub const fn by_server(session_id: u16) -> Self {
        Self {
            trigger: Trigger::Server,
            session_id,
            resync: None,
        }
    }
}

/// Who wanted a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trigger {
    /// The device: Alert 1201.
    Client,
    /// The server, by a notification: Alert 1200.
    Server,
}

/// One message from the server: [`Input::Received`].
///
/// `Debug` shows the size of the body alone: it may hold credentials.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Received<'a> {
    /// The body, as the transport delivered it.
    pub body: &'a [u8],
    /// The encoding the transport's content type names.
    pub encoding: Encoding,
    /// The transport header `x-syncml-hmac`, if there is one. [DM-Security]
    pub hmac: Option<&'a str>,
    /// Whom the transport has authenticated as the server, if it has and says so.
    pub identity: Option<&'a TransportIdentity>,
}

impl<'a> Received<'a> {
    /// A body in an encoding.
    #[must_use]
    pub const fn new(body: &'a [u8], encoding: Encoding) -> Self {
        Self {
            body,
            encoding,
            hmac: None,
            identity: None,
        }
    }

    /// With the transport header `x-syncml-hmac`, if there is one.
    #[must_use]
    pub const fn with_hmac(mut self, hmac: Option<&'a str>) -> Self {
        self.hmac = hmac;
        self
    }

    /// With the identity of the server, if the transport has authenticated it.
    #[must_use]
    pub const fn with_identity(mut self, identity: Option<&'a TransportIdentity>) -> Self {
        self.identity = identity;
        self
    }
}

/// Why a message got no answer: [`Input::TransportFailed`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransportFailure {
    /// No answer came. The identical message is sent again, as
    /// [`Config::transport_retry`](crate::Config::transport_retry) says.
    Lost,
    /// The transport answered, but not with a message: an HTTP status other than 200, a content
    /// type that is none of ours. Ends the session.
    Refused,
}

/// What a [`Client`](crate::Client) wants done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// Send this and feed the answer, or that none came.
    Send(Request),
    /// Run this job, on a thread where blocking is no harm, and feed its end. Everything that must
    /// be durable before it starts is durable.
    Run(Job),
    /// Ask the person at the device, and feed the answer. The session waits for it; one question is
    /// open at a time. [DM-Protocol §12]
    Ask(Question),
    /// The question is over without an answer: take it off the screen. Its time has run out, or the
    /// session ends.
    Withdraw(QuestionId),
    /// The session is over.
    Ended(SessionEnd),
    /// Something worth telling happened.
    Event(Event),
}

/// What the server asks the person at the device: [`Output::Ask`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Question {
    /// What its answer refers to.
    pub id: QuestionId,
    /// What is asked, and how.
    pub asked: UserInteraction,
}

/// Names a [`Question`]; each is given once by a [`Client`](crate::Client).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct QuestionId(pub(crate) u64);

impl fmt::Display for QuestionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One message to the server: [`Output::Send`].
///
/// `Debug` shows the size of the body alone: it may hold credentials.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// Where it goes: the server's address, or the last RespURI.
    pub url: String,
    /// The encoding of the body.
    pub encoding: Encoding,
    /// The message.
    pub body: Vec<u8>,
    /// The value of the transport header `x-syncml-hmac`, if it is to have one. [DM-Security]
    pub hmac: Option<String>,
    /// How long to wait for the answer; then it is [lost](TransportFailure::Lost).
    pub timeout: Duration,
}

impl fmt::Debug for Received<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Received({} bytes of {})",
            self.body.len(),
            self.encoding
        )
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            url,
            encoding,
            body,
            ..
        } = self;
        write!(f, "Request({} bytes of {encoding} to {url})", body.len())
    }
}
