use std::{borrow::Cow, fmt, io, net::SocketAddr};

use omadm_core::Secret;
use omadm_syncml::{Encoding, encoding_of, media_type};

use super::names::names;

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Whether there is anything at this path; requests for others are answered with 404. By
    /// default: at every path.
    fn serves(&self, path: &str) -> bool {
        let _ = path;
        true
    }

    /// Whether requests with this Content-Type are taken; others are answered with 415 before
    /// their body is read. By default: DM messages in XML and in WBXML.
    fn accepts(&self, content_type: &str) -> bool {
        encoding_of(content_type).is_some()
    }

    /// Whether [`handle`](Self::handle) answers this request soon and waits for nothing: no disk,
    /// no peer, no lock that is held for long. It is called on the thread that serves everybody
    /// then, which spares a hand-over there and back that takes as long as a short answer; while it
    /// runs nobody else is served, and no time-out passes. By default not, and it runs on the pool.
    fn is_quick(&self, request: &Incoming) -> bool {
        let _ = request;
        false
    }

    /// Answers one request. May block unless it [is quick](Self::is_quick); many calls run at a
    /// time.
    ///
    /// A DM server answers every message it can decode with a message and 200, whatever happened
    /// inside, and a body it cannot decode with [`Outgoing::status`]`(400)`.
    fn handle(&self, request: &Incoming) -> Outgoing;

    /// Hears of a request that was answered with a status of 400 or greater, whether `handle` or
    /// the server itself did so. What is no HTTP at all is not heard of.
    fn refused(&self, request: &Refused<'_>) {
        let _ = request;
    }

    /// Hears of a connection over `https` that ended before a request, for there was no TLS: a
    /// certificate that either end does not accept, another protocol, a peer that went away. One
    /// that dawdles until its time is over is not heard of. Anybody can cause as many as they like.
    fn handshake_failed(&self, remote: SocketAddr, error: &io::Error) {
        let _ = (remote, error);
    }
}

/// A request that came to nothing: [`Handler::refused`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Refused<'a> {
    /// Who sent it.
    pub remote: SocketAddr,
    /// Its method.
    pub method: &'a str,
    /// Path and query as they were sent.
    pub target: &'a str,
    /// The status it was answered with.
    pub status: u16,
}

/// A request.
///
/// `Debug` shows the size of the body alone: it may hold credentials.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Incoming {
    /// Who sends it.
    pub remote: SocketAddr,
    /// Path and query as they were sent.
    pub target: String,
    /// Its Content-Type.
    pub content_type: String,
    /// The value of `x-syncml-hmac`, if there is one.
    pub hmac: Option<String>,
    /// The credentials of HTTP itself: the value of `Authorization`, if there is one.
    pub authorization: Option<Secret>,
    /// The certificate in DER that the sender has proven over `https`: one of the authorities the
    /// server asks for.
    pub certificate: Option<Vec<u8>>,
    /// The body.
    pub body: Vec<u8>,
}

impl Incoming {
    /// The names of the [certificate](Self::certificate): each common name of its subject, and each
    /// DNS name and URI of its subjectAltName. None without one.
    #[must_use]
    pub fn certificate_names(&self) -> Vec<String> {
        self.certificate.as_deref().map_or_else(Vec::new, names)
    }

    /// The encoding of the message, if its Content-Type is that of a DM message.
    #[must_use]
    pub fn encoding(&self) -> Option<Encoding> {
        encoding_of(&self.content_type)
    }
}

/// An answer.
///
/// `Debug` shows the size of the body alone: it may hold credentials.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outgoing {
    /// The HTTP status.
    pub status: u16,
    /// The Content-Type; absent without a body.
    pub content_type: Option<Cow<'static, str>>,
    /// The value of `x-syncml-hmac`, if the message carries a MAC.
    pub hmac: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { remote, target, .. } = self;
        let (length, kind) = (self.body.len(), &self.content_type);
        write!(
            f,
            "Incoming({length} bytes of {kind:?} for {target:?} from {remote})"
        )
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (length, kind) = (self.body.len(), &self.content_type);
        write!(f, "Outgoing({}, {length} bytes of {kind:?})", self.status)
    }
}

impl Outgoing {
    /// A DM message.
    #[must_use]
    pub fn message(encoding: Encoding, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            content_type: Some(media_type(encoding).into()),
            hmac: None,
            body: body.into(),
        }
    }

    /// A refusal with a line of text that says why, for people.
    #[must_use]
    pub fn refusal(status: u16, why: &str) -> Self {
        Self {
            content_type: Some("text/plain".into()),
            body: format!("{why}\n").into_bytes(),
            ..Self::status(status)
        }
    }

    /// Nothing but a status; one of 400 or greater is sent with its name as text.
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self {
            status,
            content_type: None,
            hmac: None,
            body: Vec::new(),
        }
    }
}
