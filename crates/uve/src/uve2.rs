//! UVE-2: exposed by the VM, used by the VMM. [UVE §6.3.2.2]
//!
//! Three functions: notification of monitoring, managing the UAs of the VM, suspending a monitored
//! session. There is none on user images: the change request moves them to
//! [UVE-5](crate::uve5). The fields of the requests are ours but for those the text names: the user
//! who wants to monitor.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Digest, UaId, UaSessionId, UserId};

/// What a VMM asks of a VM.
pub trait Uve2: Send + Sync {
    /// Tells that a user wants to monitor an existing UA session, so that the VM takes that user
    /// for authorized to begin. The authorization ends with the session, or when its time is over;
    /// who watches by then goes on.
    ///
    /// # Errors
    /// [`Uve2Error::UnknownSession`].
    fn notify_monitoring(&self, notification: &MonitoringNotification) -> Result<(), Uve2Error>;

    /// Deploys a UA. A UA that is there in the same version with the same package is fine; in
    /// another version it is [`Uve2Error::AlreadyDeployed`]. Whole or not at all.
    ///
    /// # Errors
    /// See [`Uve2Error`].
    fn deploy_ua(&self, ua: &UaPackage, package: &[u8]) -> Result<(), Uve2Error>;

    /// Replaces a UA that is deployed; on a failure the old version stays.
    ///
    /// # Errors
    /// [`Uve2Error::UnknownUa`], [`Uve2Error::InUse`] and others.
    fn update_ua(&self, ua: &UaPackage, package: &[u8]) -> Result<(), Uve2Error>;

    /// Deletes a UA.
    ///
    /// # Errors
    /// [`Uve2Error::UnknownUa`]; [`Uve2Error::InUse`] while a session uses it.
    fn delete_ua(&self, ua: &UaId) -> Result<(), Uve2Error>;

    /// Suspends a session that is being monitored.
    ///
    /// # Errors
    /// [`Uve2Error::UnknownSession`], [`Uve2Error::NotMonitored`].
    fn suspend_session(&self, session: &UaSessionId) -> Result<(), Uve2Error>;
}

/// Who wants to monitor which session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitoringNotification {
    /// The user who wishes to monitor.
    pub monitor: UserId,
    /// The existing session.
    pub session: UaSessionId,
    /// How long the authorization holds, in seconds; to the end of the session if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
}

impl MonitoringNotification {
    /// How long the authorization holds.
    #[must_use]
    pub fn validity(&self) -> Option<Duration> {
        self.seconds
            .map(|seconds| Duration::from_secs(seconds.into()))
    }
}

/// A UA and what its package must be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UaPackage {
    /// The UA.
    pub ua: UaId,
    /// The version, opaque.
    pub version: String,
    /// The digest of the package.
    pub digest: Digest,
}

/// Why a VM refuses. Codes are ours; the text has none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "error", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Uve2Error {
    /// There is no such session on this VM.
    #[error("no such session on this VM")]
    UnknownSession,
    /// There is no such UA on this VM.
    #[error("no such UA on this VM")]
    UnknownUa,
    /// The UA is there in another version.
    #[error("the UA is deployed in another version")]
    AlreadyDeployed,
    /// A session uses the UA.
    #[error("a session uses the UA")]
    InUse,
    /// Nobody monitors the session.
    #[error("the session is not monitored")]
    NotMonitored,
    /// The package is larger than the VM takes.
    #[error("the package has more than {limit} bytes")]
    TooLarge {
        /// The most it takes, in bytes.
        limit: u64,
    },
    /// The package is not what its digest says.
    #[error("the package does not have the digest announced")]
    DigestMismatch,
    /// There are more UAs or authorizations than the VM keeps.
    #[error("the VM takes no more of these")]
    TooMany,
    /// UVE-2 has no such function; user images are a matter of UVE-5.
    #[error("UVE-2 has no such function")]
    NotSupported,
    /// The request does not say what it must.
    #[error("the request cannot be read: {reason}")]
    BadRequest {
        /// What is wrong.
        reason: String,
    },
    /// The caller is not the VMM.
    #[error("the caller did not prove to be the VMM")]
    Unauthorized,
    /// The VM failed, or cannot be reached; nothing changed, or it is not known.
    #[error("the VM failed: {reason}")]
    Failed {
        /// What went wrong.
        reason: String,
    },
}
