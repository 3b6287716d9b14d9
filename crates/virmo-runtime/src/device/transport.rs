use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{self, Sender},
    },
    thread,
};

use omadm_client::{Request, TransportFailure};
use omadm_download::Cancel;
use omadm_http::{HttpTransport, Post};
use omadm_markup::Encoding;
use omadm_session::TransportIdentity;

use crate::chain::chain;

/// How a message reaches the server and its answer comes back; blocking, one try.
///
/// The HTTP transport of `omadm-http` is the default; a device with a link of its own (OBEX, a
/// message bus) brings another.
pub trait Transport: Send + Sync {
    /// Sends a message, its MAC beside it if it has one, and waits for the answer for as long as
    /// [`Request::timeout`] says. Once `cancel` is cancelled nobody waits for it
    /// any more.
    ///
    /// # Errors
    /// Whether no answer came, or one that is no message.
    fn exchange(&self, request: &Request, cancel: &Cancel) -> Result<Reply, ExchangeError>;
}

/// Why an exchange came to nothing.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct ExchangeError {
    failure: TransportFailure,
    reason: String,
}

impl ExchangeError {
    /// A failure, and for people what went wrong.
    pub fn new(failure: TransportFailure, reason: impl Into<String>) -> Self {
        Self {
            failure,
            reason: reason.into(),
        }
    }

    /// What it means for the session.
    #[must_use]
    pub const fn failure(&self) -> TransportFailure {
        self.failure
    }
}

impl From<TransportFailure> for ExchangeError {
    fn from(failure: TransportFailure) -> Self {
        let reason = match failure {
            TransportFailure::Lost => "there is no answer",
            TransportFailure::Refused => "there is no transport for the message",
        };
        Self::new(failure, reason)
    }
}

impl Transport for HttpTransport {
    fn exchange(&self, request: &Request, cancel: &Cancel) -> Result<Reply, ExchangeError> {
        let mut post = Post::new(&request.url, request.encoding, &request.body);
        post.hmac = request.hmac.as_deref();
        post.timeout = Some(request.timeout);
        match self.post(&post, cancel) {
            Ok(reply) => Ok(Reply {
                encoding: reply.encoding,
                body: reply.body,
                hmac: reply.hmac,
                identity: None,
            }),
            Err(error) => {
                let failure = if error.kind().is_transient() {
                    TransportFailure::Lost
                } else {
                    TransportFailure::Refused
                };
                let reason = format!("{}: {}", request.url, chain(&error));
                Err(ExchangeError::new(failure, reason))
            }
        }
    }
}

/// The server's answer to one message.
///
/// `Debug` shows the size of the body alone: it may hold credentials.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// The encoding its content type names.
    pub encoding: Encoding,
    /// The message.
    pub body: Vec<u8>,
    /// The value of the transport header `x-syncml-hmac`, if there is one.
    pub hmac: Option<String>,
    /// Whom the transport has authenticated as the server, if it has; the one over HTTP does not
    /// say.
    pub identity: Option<TransportIdentity>,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({} bytes of {})", self.body.len(), self.encoding)
    }
}

impl Reply {
    /// A message in an encoding.
    #[must_use]
    pub const fn new(encoding: Encoding, body: Vec<u8>) -> Self {
        Self {
            encoding,
            body,
            hmac: None,
            identity: None,
        }
    }
}

/// Exchanges messages on a thread of its own, so that jobs can end meanwhile. Dropped, it breaks
/// off the exchange that is under way.
pub(crate) struct Exchanger {
    requests: Sender<Request>,
    cancel: Cancel,
}

impl Drop for Exchanger {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Exchanger {
    /// `report` is called on the thread with each answer. The thread ends with the exchanger.
    pub(crate) fn start(
        transport: Arc<dyn Transport>,
        report: impl Fn(Result<Reply, ExchangeError>) + Send + 'static,
    ) -> io::Result<Self> {
        let cancel = Cancel::new();
        let cancelled = cancel.clone();
        let (requests, incoming) = mpsc::channel::<Request>();
        thread::Builder::new()
            .name("dm exchange".to_owned())
            .spawn(move || {
                for request in incoming {
                    let exchange = || transport.exchange(&request, &cancelled);
                    let answer = catch_unwind(AssertUnwindSafe(exchange));
                    // A transport that panics must not leave the session without an end.
                    report(answer.unwrap_or(Err(TransportFailure::Refused.into())));
                }
            })?;
        Ok(Self { requests, cancel })
    }

    /// Sends a message; its answer is reported.
    pub(crate) fn send(&self, request: Request) {
        // The thread lives as long as `self`, so somebody receives.
        drop(self.requests.send(request));
    }
}
