use std::time::Duration;

use virmo_state::VmId;

use crate::{HypervisorError, Outcome};

/// Messages to what runs inside a guest, and its answers. [VirMO §11.2]
pub trait GuestChannel: Send + Sync {
    /// Hands one message to the guest and waits for one in return. Framing is the back end's.
    ///
    /// `over` says whether the answer is of no use any more. It is asked at least four times a
    /// second while this waits, and ends it; an answer that comes later is nobody's.
    ///
    /// # Errors
    ///
    /// `InvalidState` if the guest does not run, `Timeout` if it does not answer within the time or
    /// until it is `over`, `Backend` if the answer has more than `max_reply` octets or the channel
    /// broke.
    fn exchange(
        &self,
        id: &VmId,
        message: &[u8],
        within: Duration,
        max_reply: usize,
        over: &dyn Fn() -> bool,
    ) -> Result<Vec<u8>, HypervisorError>;
}

/// The peripherals of a machine, switched from outside where a guest cannot be trusted to do it.
/// Settings outlive power cycles of machine and device. [VirMO §5.1 HLF-06]
pub trait Peripherals: Send + Sync {
    /// The peripherals the machine could have.
    ///
    /// # Errors
    ///
    /// `NotFound`, or a fault of the back end.
    fn list(&self, id: &VmId) -> Result<Vec<Peripheral>, HypervisorError>;

    /// Gives a peripheral to the machine, or takes it away.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NotSupported` for a name it does not have, or a fault of the back end.
    fn set_enabled(
        &self,
        id: &VmId,
        peripheral: &str,
        enabled: bool,
    ) -> Result<Outcome, HypervisorError>;
}

/// A peripheral of a machine.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Peripheral {
    /// Its name: `usb`, `camera`.
    pub name: String,
    /// Whether the machine has it now.
    pub enabled: bool,
}

impl Peripheral {
    /// A peripheral by its name.
    #[must_use]
    pub fn new(name: impl Into<String>, enabled: bool) -> Self {
        Self {
            name: name.into(),
            enabled,
        }
    }
}

/// Whether machines may share data with each other: files, a clipboard, messages. Settings outlive
/// power cycles of machine and device; a new machine may not. [VirMO draft §5.1 HLF-07]
pub trait DataSharing: Send + Sync {
    /// Lets the machine share data with others that may, or keeps it from that.
    ///
    /// # Errors
    ///
    /// `NotFound`, or a fault of the back end.
    fn set_allowed(&self, id: &VmId, allowed: bool) -> Result<Outcome, HypervisorError>;

    /// Whether the machine may share data with others.
    ///
    /// # Errors
    ///
    /// `NotFound`, or a fault of the back end.
    fn is_allowed(&self, id: &VmId) -> Result<bool, HypervisorError>;
}

/// Keeps the user's input out of a machine, without its help. The lock outlives power cycles of
/// machine and device. [VirMO §5.1 HLF-12, HLF-13]
pub trait InputLock: Send + Sync {
    /// Locks the machine's input, or lets it in again.
    ///
    /// # Errors
    ///
    /// `NotFound`, or a fault of the back end.
    fn set_locked(&self, id: &VmId, locked: bool) -> Result<Outcome, HypervisorError>;

    /// Whether the machine's input is locked.
    ///
    /// # Errors
    ///
    /// `NotFound`, or a fault of the back end.
    fn is_locked(&self, id: &VmId) -> Result<bool, HypervisorError>;
}
