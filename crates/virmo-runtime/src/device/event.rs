use std::{path::PathBuf, time::Duration};

use omadm_client::{SessionEnd, TransportFailure};

/// What happens on a [`Device`](crate::Device).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DeviceEvent {
    /// The journal in the state folder is damaged, was renamed, and the device begins anew: with an
    /// empty tree, with no alerts and with nothing under way. The hypervisor still has its
    /// machines, and `images/` its files.
    JournalSetAside {
        /// What the damaged file is called now.
        file: PathBuf,
    },
    /// A session begins; after a start it may wait for recovery first.
    SessionStarted {
        /// Its SessionID.
        id: u16,
    },
    /// A session is over.
    SessionEnded {
        /// Its SessionID.
        id: u16,
        /// How it ended.
        end: SessionEnd,
    },
    /// A message came to nothing; it is sent again, or the session ends.
    ExchangeFailed {
        /// What it means for the session.
        failure: TransportFailure,
        /// What went wrong, for people.
        reason: String,
    },
    /// A session failed, and the device goes on: the next begins after a pause at the latest.
    SessionPutOff {
        /// The pause.
        pause: Duration,
    },
    /// Something in the client engine.
    Client(omadm_client::Event),
    /// Something with a VM or an image.
    Virmo(virmo_client::Event),
}
