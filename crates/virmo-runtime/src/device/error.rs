use std::io;

use omadm_client::{ApiMisuse, SessionEnd, StartError};
use omadm_core::{JournalError, UpgradeError};
use omadm_download::SinkError;
use omadm_mo::MountError;
use omadm_store::OpenError;
use omadm_tree::{LoadError, UriError};
use virmo_client::Profile;

/// Why a device could not be put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The state folder cannot be used.
    #[error("the state folder cannot be used")]
    Folder(#[source] io::Error),
    /// The journal cannot be opened.
    #[error("the journal cannot be opened")]
    Open(#[from] OpenError),
    /// The journal failed, or a later version has written it.
    #[error("the journal cannot be brought to this version")]
    Upgrade(#[from] UpgradeError),
    /// The journal failed or is damaged.
    #[error("the journal cannot be read")]
    Journal(#[from] JournalError),
    /// The place for images cannot be used.
    #[error("the place for images cannot be used")]
    Sink(#[from] SinkError),
    /// The tree in the journal cannot be read.
    #[error("the tree cannot be read")]
    Tree(#[from] LoadError),
    /// The server's identity makes no node name.
    #[error("the server's identity makes no name for its account")]
    AccountName(#[from] UriError),
    /// The machines in the journal are those of another profile.
    #[error("the machines in the state are of the {0} profile")]
    Profile(Profile),
    /// Two objects are in each other's way.
    #[error("a management object cannot be mounted")]
    Mount(#[from] MountError),
    /// The engine or an object did not start.
    #[error("the device cannot start")]
    Start(#[from] StartError),
    /// A thread cannot be had.
    #[error("a thread cannot be started")]
    Thread(#[source] io::Error),
}

/// Why [`Device::run`](crate::Device::run) ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A session did not end normally.
    #[error("the session failed: {0}")]
    Session(SessionEnd),
    /// The server refuses alerts. They stay in the queue, each with a pause before its next try.
    #[error("the server refuses alerts, which wait for another try")]
    AlertsRefused,
    /// The engine was driven wrongly: a defect of this crate.
    #[error("the engine was driven wrongly")]
    Misuse(#[source] ApiMisuse),
}
