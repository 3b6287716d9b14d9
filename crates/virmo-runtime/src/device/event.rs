use omadm_client::SessionEnd;

/// What happens on a [`Device`](crate::Device).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DeviceEvent {
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
    /// Something in the client engine.
    Client(omadm_client::Event),
    /// Something with a VM or an image.
    Virmo(virmo_client::Event),
}
