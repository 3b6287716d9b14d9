use std::{
    error::Error,
    fmt,
    io::{self, Read},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use omadm_download::{Cancel, DownloadUri};
use omadm_session::notification;
use omadm_syncml::{Encoding, Limits, media_type};
use ureq::{Agent, Body, RequestBuilder, http::Response, typestate::WithBody};

use crate::{
    agent::{self, Settings, Trouble},
    hmac,
};

/// Sends DM messages to a server: one POST each, one message back. [DM-HTTP]
///
/// Connections are kept open between the messages of a session. No proxy is taken from the
/// environment, no cookie is kept, no redirect is followed.
#[derive(Debug)]
pub struct HttpTransport {
    config: ClientConfig,
    agent: Mutex<Agent>,
}

/// Settings of an [`HttpTransport`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The product that calls itself so in `User-Agent`; default `omadm-http/` and its version.
    pub user_agent: String,
    /// For the host name and for the connection, each; default 10 s.
    pub connect_timeout: Duration,
    /// For one whole attempt, from the host name to the last byte; default 60 s.
    pub timeout: Duration,
    /// The greatest body of an answer in bytes; default 1 MiB.
    pub max_reply_bytes: usize,
    /// Whether an answer may have a media type of Data Synchronization, one without `.dm`; default
    /// no.
    pub allow_short_media_types: bool,
    /// Whom to trust over `https`.
    #[cfg(feature = "tls")]
    pub tls: crate::Tls,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            user_agent: concat!("omadm-http/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(60),
            max_reply_bytes: 1 << 20,
            allow_short_media_types: false,
            #[cfg(feature = "tls")]
            tls: crate::Tls::default(),
        }
    }
}

/// One message to send.
///
/// `Debug` shows the size of the body alone: it may hold credentials.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Post<'a> {
    /// The server's URI, or the last RespURI.
    pub uri: &'a str,
    /// The encoding of the message, and the one wanted back.
    pub encoding: Encoding,
    /// The message.
    pub body: &'a [u8],
    /// The value of `x-syncml-hmac`, if the message carries a MAC.
    pub hmac: Option<&'a str>,
    /// For the whole attempt, where that is less than [`ClientConfig::timeout`]; for the host name
    /// and for the connection nine tenths of it at most, each.
    pub timeout: Option<Duration>,
}

impl<'a> Post<'a> {
    /// A message without a MAC.
    #[must_use]
    pub const fn new(uri: &'a str, encoding: Encoding, body: &'a [u8]) -> Self {
        Self {
            uri,
            encoding,
            body,
            hmac: None,
            timeout: None,
        }
    }
}

impl fmt::Debug for Post<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Post({} bytes of {})", self.body.len(), self.encoding)
    }
}

/// The message that came back.
///
/// `Debug` shows the size of the body alone: it may hold credentials.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// Its encoding, as its Content-Type says.
    pub encoding: Encoding,
    /// The message.
    pub body: Vec<u8>,
    /// The value of `x-syncml-hmac`, if there is one.
    pub hmac: Option<String>,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({} bytes of {})", self.body.len(), self.encoding)
    }
}

/// Why no message came back.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct TransportError {
    kind: TransportErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kind of a [`TransportError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The URI is no `http` or `https` URI, or a header value cannot be sent.
    #[error("the request cannot be sent")]
    Request,
    /// The host name has no address, or none was told in time.
    #[error("no address was found for the host")]
    UnknownHost,
    /// Nobody listens there.
    #[error("the connection was refused")]
    Refused,
    /// There is no way to the host.
    #[error("the host cannot be reached")]
    Unreachable,
    /// The host neither took the connection in time nor refused it.
    #[error("no connection came about in time")]
    NoConnection,
    /// The server stayed silent, or took longer than allowed.
    #[error("the server did not answer in time")]
    TimedOut,
    /// The connection broke.
    #[error("the connection broke")]
    Interrupted,
    /// The server answered with a status other than 200.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// The answer is no DM message.
    #[error("the answer has no media type of a DM message")]
    ContentType,
    /// The answer is longer than allowed.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
    /// The certificate of the server is not accepted, or there is no TLS in this build.
    #[error("there is no trusted TLS connection")]
    Tls,
    /// The answer breaks HTTP.
    #[error("the answer breaks HTTP")]
    Protocol,
    /// It was stopped from outside.
    #[error("the exchange was cancelled")]
    Cancelled,
    /// The fault is not the server's: this process has as many files open as it may have.
    #[error("this machine cannot open another connection")]
    Local,
}

impl TransportErrorKind {
    /// Whether the transport failed, so that the identical message may go through later. An answer
    /// that came, of whatever status, is an answer.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(
            self,
            Self::UnknownHost
                | Self::Refused
                | Self::Unreachable
                | Self::NoConnection
                | Self::TimedOut
                | Self::Interrupted
                | Self::Local
        )
    }

    /// Whether there was no connection to send it by, as far as can be told: a server of TLS 1.3 may
    /// refuse the certificate of a client once the message has come, and a network go away under it.
    #[must_use]
    pub const fn is_unsent(self) -> bool {
        matches!(
            self,
            Self::Request
                | Self::UnknownHost
                | Self::Refused
                | Self::Unreachable
                | Self::NoConnection
                | Self::Tls
                | Self::Local
        )
    }
}

impl TransportError {
    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> TransportErrorKind {
        self.kind
    }
}

impl From<TransportErrorKind> for TransportError {
    fn from(kind: TransportErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl From<ureq::Error> for TransportError {
    fn from(error: ureq::Error) -> Self {
        let kind = match agent::trouble(&error) {
            Trouble::Request => TransportErrorKind::Request,
            Trouble::UnknownHost => TransportErrorKind::UnknownHost,
            Trouble::Refused => TransportErrorKind::Refused,
            Trouble::Unreachable => TransportErrorKind::Unreachable,
            Trouble::NoConnection => TransportErrorKind::NoConnection,
            Trouble::TimedOut => TransportErrorKind::TimedOut,
            Trouble::Interrupted => TransportErrorKind::Interrupted,
            Trouble::Tls => TransportErrorKind::Tls,
            Trouble::Protocol => TransportErrorKind::Protocol,
            Trouble::Local => TransportErrorKind::Local,
        };
        Self {
            kind,
            source: Some(Box::new(error)),
        }
    }
}

impl HttpTransport {
    /// A transport without a connection yet.
    #[must_use]
    pub fn new(config: ClientConfig) -> Self {
        Self {
            agent: Mutex::new(new_agent(&config)),
            config,
        }
    }

    /// Sends a message and waits for the answer, once: whoever numbers the messages decides about
    /// a retry, which has to be the identical message. [DM-Protocol §7.1]
    ///
    /// # Errors
    /// A [`TransportError`].
    pub fn post(&self, post: &Post<'_>, cancel: &Cancel) -> Result<Reply, TransportError> {
        self.exchange(cancel, |agent| self.send(agent, post))
    }

    /// Posts a notification, package 0, to a device that takes them by HTTP: once. That any success
    /// of HTTP will do says that it arrived, and no more. [DM-Notification]
    ///
    /// # Errors
    /// A [`TransportError`], [`TransportErrorKind::Status`] for any other status.
    pub fn notify(
        &self,
        uri: &str,
        notification: &[u8],
        cancel: &Cancel,
    ) -> Result<(), TransportError> {
        self.exchange(cancel, |agent| {
            let request = self.request(agent, uri, notification::MEDIA_TYPE)?;
            let status = request.send(notification)?.status();
            match status.is_success() {
                true => Ok(()),
                false => Err(TransportErrorKind::Status(status.as_u16()).into()),
            }
        })
    }

    fn exchange<T>(
        &self,
        cancel: &Cancel,
        send: impl FnOnce(&Agent) -> Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        if cancel.is_cancelled() {
            return Err(TransportErrorKind::Cancelled.into());
        }
        let agent = self.agent();
        let connections = agent.clone();
        let watch = cancel.watch(move || connections.shutdown());
        let outcome = send(&agent);
        drop(watch);
        if cancel.is_cancelled() {
            // The agent is of no use any more.
            *self.agent.lock().unwrap_or_else(PoisonError::into_inner) = new_agent(&self.config);
            return Err(TransportErrorKind::Cancelled.into());
        }
        outcome
    }

    fn agent(&self) -> Agent {
        let agent = self.agent.lock().unwrap_or_else(PoisonError::into_inner);
        agent.clone()
    }

    fn send(&self, agent: &Agent, post: &Post<'_>) -> Result<Reply, TransportError> {
        let content_type = media_type(post.encoding);
        let mut request = self
            .request(agent, post.uri, content_type)?
            .header("accept", content_type)
            .header("accept-charset", "UTF-8")
            .header("accept-encoding", "identity");
        if let Some(hmac) = post.hmac {
            request = request.header(hmac::NAME, hmac);
        }
        if let Some(timeout) = post.timeout {
            let timeout = timeout.min(self.config.timeout);
            // A little less, so that a host that is silent is told from one that does not answer.
            let connect = self.config.connect_timeout.min(timeout / 10 * 9);
            request = request
                .config()
                .timeout_global(Some(timeout))
                .timeout_resolve(Some(connect))
                .timeout_connect(Some(connect))
                .build();
        }
        self.receive(request.send(post.body)?)
    }

    fn request(
        &self,
        agent: &Agent,
        uri: &str,
        content_type: &str,
    ) -> Result<RequestBuilder<WithBody>, TransportError> {
        let uri: DownloadUri = uri.parse().map_err(|error| TransportError {
            kind: TransportErrorKind::Request,
            source: Some(Box::new(error)),
        })?;
        Ok(agent
            .post(uri.as_str())
            .header("content-type", content_type)
            .header("user-agent", &self.config.user_agent)
            .header("cache-control", "no-store, private"))
    }

    fn receive(&self, response: Response<Body>) -> Result<Reply, TransportError> {
        let status = response.status().as_u16();
        if status != 200 {
            return Err(TransportErrorKind::Status(status).into());
        }
        let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok());
        let mut limits = Limits::default();
        limits.allow_short_media_types = self.config.allow_short_media_types;
        let encoding = header("content-type").and_then(|it| limits.encoding_of(it));
        let encoding = encoding.ok_or(TransportErrorKind::ContentType)?;
        if header("content-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case("identity"))
        {
            return Err(TransportErrorKind::Protocol.into());
        }
        let hmacs = response.headers().get_all(hmac::NAME);
        let hmac = hmac::joined(hmacs.iter().map(|line| line.to_str().ok()));
        let limit = self.config.max_reply_bytes;
        let mut body = Vec::new();
        response
            .into_body()
            .into_reader()
            .take(limit as u64 + 1)
            .read_to_end(&mut body)
            .map_err(|error: io::Error| ureq::Error::from(error))?;
        if body.len() > limit {
            return Err(TransportErrorKind::TooLarge(limit).into());
        }
        Ok(Reply {
            encoding,
            body,
            hmac,
        })
    }
}

fn new_agent(config: &ClientConfig) -> Agent {
    agent::agent(Settings {
        connect_timeout: config.connect_timeout,
        total_timeout: Some(config.timeout),
        silence_timeout: config.timeout,
        // The messages of a session follow each other.
        idle_connections: 1,
        #[cfg(feature = "tls")]
        tls: config.tls.clone(),
    })
}
