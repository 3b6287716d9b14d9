use std::{error::Error, ops::ControlFlow, time::Duration};

use crate::{Cancel, DownloadUri};

/// Where the bytes of a download come from: one blocking request.
///
/// An implementation follows redirects up to a limit of its own and never from `https` to `http`,
/// asks for the bytes as they are (no content coding), and gives up on a peer that stays silent.
pub trait Fetch: Send + Sync {
    /// Asks for the file and hands the answer to `receiver`: its head once, then its bytes in
    /// order.
    ///
    /// Returns early with [`Ending::Stopped`] when the receiver breaks or the request's
    /// [`Cancel`] is thrown, the latter also while it waits for the peer.
    ///
    /// # Errors
    /// A [`FetchError`]; the receiver keeps what it was given before.
    fn fetch(
        &self,
        request: &FetchRequest<'_>,
        receiver: &mut dyn Receiver,
    ) -> Result<Ending, FetchError>;

    /// Posts a report of one line as `text/plain`, once; any status of success will do. [DLOTA 1.0]
    ///
    /// # Errors
    /// A [`FetchError`]; the default is that of a source that takes no reports.
    fn report(&self, uri: &DownloadUri, line: &str, cancel: &Cancel) -> Result<(), FetchError> {
        let _ = (uri, line, cancel);
        Err(FetchErrorKind::NoReports.into())
    }
}

/// What to ask a [`Fetch`] for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FetchRequest<'a> {
    /// Where the file is.
    pub uri: &'a DownloadUri,
    /// The media types to ask for, separated by commas.
    pub accept: &'a str,
    /// Ask for the rest only, if the file is still the same; absent: for all of it.
    pub resume: Option<Resume<'a>>,
    /// Stops the request.
    pub cancel: &'a Cancel,
}

impl<'a> FetchRequest<'a> {
    /// A request for a whole file.
    #[must_use]
    pub const fn new(uri: &'a DownloadUri, accept: &'a str, cancel: &'a Cancel) -> Self {
        Self {
            uri,
            accept,
            resume: None,
            cancel,
        }
    }
}

/// The part of a file to ask for. [RFC 9110 §14.2, §13.1.5]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resume<'a> {
    /// The first byte wanted.
    pub from: u64,
    /// Valid for the bytes before it.
    pub validator: &'a Validator,
}

/// Tells one version of a file from another: a strong entity tag, or a modification date that is
/// safe to use as one. The text is what `If-Range` wants. [RFC 9110 §8.8]
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Validator(String);

impl Validator {
    /// Takes the text of a strong entity tag with its quotes, or an HTTP date.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is an entity tag, not a date.
    pub(crate) fn is_entity_tag(&self) -> bool {
        self.0.starts_with('"')
    }
}

/// Takes the answer to one request. Breaking ends the request.
pub trait Receiver {
    /// The head of the answer; comes once, before any byte.
    fn head(&mut self, head: &ResponseHead) -> ControlFlow<()>;

    /// The next bytes.
    fn chunk(&mut self, bytes: &[u8]) -> ControlFlow<()>;
}

/// What is known before the first byte.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ResponseHead {
    /// Which bytes follow.
    pub content: Content,
    /// The Content-Type as it came, with its parameters.
    pub media_type: Option<String>,
    /// What a later request for the rest has to carry. Absent if the peer gave nothing strong
    /// enough or said that it does not serve parts.
    pub validator: Option<Validator>,
}

impl ResponseHead {
    /// A head that says nothing more.
    #[must_use]
    pub const fn new(content: Content) -> Self {
        Self {
            content,
            media_type: None,
            validator: None,
        }
    }
}

/// Which bytes of the file an answer carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// All of them (HTTP 200).
    Whole {
        /// How many, if the peer said so.
        length: Option<u64>,
    },
    /// Some of them, to the end of the file (HTTP 206).
    Part {
        /// The offset of the first.
        first: u64,
        /// The length of the whole file, if the peer said so.
        total: Option<u64>,
    },
    /// None: the part asked for is not there (HTTP 416).
    Unsatisfiable {
        /// The length of the whole file, if the peer said so.
        total: Option<u64>,
    },
}

/// How a request ended that did not fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The framing proved that everything the peer meant to send has come.
    Complete,
    /// The peer closed the connection, having said nothing about the length.
    Closed,
    /// The receiver broke, or the request was cancelled.
    Stopped,
}

/// Why a [`Fetch`] failed.
#[derive(thiserror::Error)]
#[error("{kind}")]
pub struct FetchError {
    kind: FetchErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

omadm_core::debug_as_causes!(FetchError);

/// The kind of a [`FetchError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchErrorKind {
    /// The host name has no address, or nobody listens there.
    #[error("the host cannot be reached")]
    Unreachable,
    /// The peer stayed silent for too long.
    #[error("the peer did not answer in time")]
    TimedOut,
    /// The connection broke.
    #[error("the connection broke")]
    Interrupted,
    /// The peer asks to come back later (408, 429, 5xx).
    #[error("the peer cannot serve the file now, status {status}")]
    Busy {
        /// The HTTP status.
        status: u16,
        /// How long the peer wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// The peer refuses, and will again (any other status).
    #[error("the peer refuses the file, status {0}")]
    Status(u16),
    /// More redirects than allowed.
    #[error("the peer redirects too often")]
    Redirects,
    /// A redirect that is refused: from `https` to `http`, to another scheme, or to no URI at all.
    #[error("the peer redirects to where it must not")]
    Redirect,
    /// The certificate of the peer is not accepted, or there is no TLS in this build.
    #[error("there is no trusted TLS connection")]
    Tls,
    /// The host is none that files may come from.
    #[error("no file may come from this host")]
    Host,
    /// The source takes no reports.
    #[error("the source takes no reports")]
    NoReports,
    /// The answer breaks the protocol.
    #[error("the answer breaks the protocol")]
    Protocol,
    /// The fault is not the peer's: this process has as many files open as it may have.
    #[error("this machine cannot open another connection")]
    Local,
}

impl FetchErrorKind {
    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        match self {
            Self::Unreachable
            | Self::TimedOut
            | Self::Interrupted
            | Self::Busy { .. }
            | Self::Local => true,
            Self::Status(_)
            | Self::Redirects
            | Self::Redirect
            | Self::Tls
            | Self::Host
            | Self::NoReports
            | Self::Protocol => false,
        }
    }
}

impl FetchError {
    /// An error with its cause.
    pub fn new(
        kind: FetchErrorKind,
        source: impl Into<Option<Box<dyn Error + Send + Sync>>>,
    ) -> Self {
        Self {
            kind,
            source: source.into(),
        }
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> FetchErrorKind {
        self.kind
    }
}

impl From<FetchErrorKind> for FetchError {
    fn from(kind: FetchErrorKind) -> Self {
        Self { kind, source: None }
    }
}
