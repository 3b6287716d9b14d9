use std::{fmt, net::SocketAddr, time::Duration};

use omadm_session::notification::{MAX_SIZE, MEDIA_TYPE};

use super::{Handler, Incoming, Outgoing, Refused, ServerConfig};

/// Where a device takes notifications.
const PATH: &str = "/notify";

/// Takes notifications, package 0, by POST at `/notify`: the listener of a device.
/// [DM-Notification]
///
/// Every notification is answered with 202, whatever becomes of it: its sender learns nothing, and
/// who hands it on verifies it. That a push by HTTP looks so is usage (unverified).
///
/// ```
/// use std::{net::TcpListener, sync::Arc};
///
/// use omadm_http::{Notifications, Server, ServerConfig};
///
/// let notifications = Notifications::new(|octets| println!("{} octets", octets.len()));
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let config = ServerConfig::for_notifications();
/// let server = Server::start(listener, Arc::new(notifications), config)?;
/// println!("listening at {}", Notifications::url(server.address()));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Notifications {
    take: Box<dyn Fn(Vec<u8>) + Send + Sync>,
    refused: Box<dyn Fn(&Refused<'_>) + Send + Sync>,
}

impl Notifications {
    /// Hands every notification to `take`, on a thread of the server.
    pub fn new(take: impl Fn(Vec<u8>) + Send + Sync + 'static) -> Self {
        Self {
            take: Box::new(take),
            refused: Box::new(|_| {}),
        }
    }

    /// Lets somebody hear of requests that are no notification.
    #[must_use]
    pub fn refusals(mut self, observer: impl Fn(&Refused<'_>) + Send + Sync + 'static) -> Self {
        self.refused = Box::new(observer);
        self
    }

    /// The address to post notifications to, on a server at `address`.
    #[must_use]
    pub fn url(address: SocketAddr) -> String {
        format!("http://{address}{PATH}")
    }
}

impl ServerConfig {
    /// What is enough for notifications: a few small requests, quickly sent.
    ///
    /// 4,096 bytes, 5 s for the head, for the body and for the answer, 16 connections, 2 workers.
    #[must_use]
    pub fn for_notifications() -> Self {
        Self {
            max_body_bytes: MAX_SIZE,
            head_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(5),
            max_connections: 16,
            workers: 2,
            ..Self::default()
        }
    }
}

impl Handler for Notifications {
    fn serves(&self, path: &str) -> bool {
        path == PATH
    }

    fn accepts(&self, content_type: &str) -> bool {
        let media_type = content_type.split(';').next().unwrap_or_default();
        media_type.trim().eq_ignore_ascii_case(MEDIA_TYPE)
    }

    fn handle(&self, request: &Incoming) -> Outgoing {
        (self.take)(request.body.clone());
        Outgoing::status(202)
    }

    fn refused(&self, request: &Refused<'_>) {
        (self.refused)(request);
    }
}

impl fmt::Debug for Notifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifications").finish_non_exhaustive()
    }
}
