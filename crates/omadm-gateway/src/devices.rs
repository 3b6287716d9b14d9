use omadm_core::StatusCode;
use omadm_server::Account;

use crate::ProxySession;

/// What lies behind a gateway: how octets get to the DM clients there.
///
/// [`notify`](Self::notify) and [`session`](Self::session) are called from jobs and may block; each
/// end device is worked on by one job at a time, and is busy until its job ends: they have to give
/// up by themselves.
pub trait EndDevices: Send + Sync {
    /// Hands a notification to the client of an end device, as it is. [DM-Notification]
    ///
    /// # Errors
    ///
    /// [`DeliveryError`]: one that does not run is told so, never dropped in silence.
    fn notify(&self, device: &str, notification: &[u8]) -> Result<(), DeliveryError>;

    /// Has the client of an end device hold a session with `server`: wakes it, carries each of its
    /// messages to [`ProxySession::answer`] and the answer back, until
    /// [`ProxySession::is_over`].
    ///
    /// # Errors
    ///
    /// [`DeliveryError`]; what was answered until then counts.
    fn session(&self, device: &str, server: &mut ProxySession) -> Result<(), DeliveryError>;

    /// How an end device and the gateway prove who they are to each other in their session. Must not
    /// block. Default: nothing is proven in messages, the line is who the device is. [DM-Security]
    fn account(&self, device: &str) -> Account {
        let _ = device;
        Account::default()
    }
}

/// Why an end device was not reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// There is none of this identifier.
    #[error("no such end device")]
    Unknown,
    /// It does not run.
    #[error("the end device does not run")]
    NotRunning,
    /// It did not answer in time.
    #[error("no answer of the end device in time")]
    NoAnswer,
    /// It cannot be reached, or has no DM client.
    #[error("the end device cannot be reached")]
    Unreachable,
}

impl DeliveryError {
    /// The status a server gets.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::NotRunning => StatusCode::COMMAND_NOT_ALLOWED,
            Self::NoAnswer => StatusCode::REQUEST_TIMEOUT,
            Self::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}
