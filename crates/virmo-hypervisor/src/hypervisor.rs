use std::{sync::Arc, time::Duration};

use virmo_params::ResourceConfig;
use virmo_state::VmId;

use crate::{
    Capabilities, DataSharing, GuestChannel, HypervisorError, InputLock, Listed, Observed,
    Peripherals, Resource, VmSpec,
};

/// A hypervisor, as a VirMO Client needs it: the device-internal interface of [VirMO §6.3.1.1].
///
/// # Rules for every back end
///
/// - **Blocking.** A call returns when it is done, and bounds its own waiting. Callers give each
///   machine a worker; calls on different machines run side by side. A second call on a machine
///   whose first has not ended waits or answers `Busy`. [`observe`](Self::observe) and
///   [`list`](Self::list) wait for neither.
/// - **Idempotent.** Asking for the state already held is [`Outcome::AlreadyDone`], so a caller
///   that does not know whether a call happened asks again.
/// - **Durable.** What `Done` says is true after a power cut. Machines outlive the handle and the
///   process: another handle on the same place finds them.
/// - **Nothing half done to be lost.** A call that is cut at any moment leaves each machine as it
///   was, as it was to be, or [`Unsettled`](crate::MachineState::Unsettled). A machine that was
///   being made is absent or complete.
/// - **Never cached.** What is observed was asked for now.
/// - **Owned only.** Machines without our mark are listed and never touched.
///
/// # Calls and states
///
/// What a call answers in each state; "state" is `InvalidState`:
///
/// | call | absent | off | running | suspended |
/// |---|---|---|---|---|
/// | `create` | `Done`: off | `AlreadyDone` | state | state |
/// | `power_on` | `NotFound` | `Done`: running | `AlreadyDone` | state |
/// | `power_off` | `NotFound` | `AlreadyDone` | `Done`: off | state |
/// | `suspend` | `NotFound` | state | `Done`: suspended | `AlreadyDone` |
/// | `resume` | `NotFound` | state | `AlreadyDone` | `Done`: running |
/// | `delete` | `AlreadyDone` | `Done`: absent | `Done`: absent | `Done`: absent |
/// | `prepare` | `NotFound` | recorded | live, or refused | CPU and network recorded; RAM and storage: state |
///
/// # Resources
///
/// A change of resources goes in two steps, so that a caller can make one change over many
/// machines whole: [`prepare`](Self::prepare) everywhere, then [`commit`](Self::commit)
/// everywhere, and [`undo`](Self::undo) everywhere if either fails. A machine counts against the
/// device with what is prepared for it, or else with what it has. Where one machine gives what
/// another takes, prepare twice: first everywhere the smaller of old and new, then the new; a
/// later preparation replaces the earlier.
///
/// All three say what is to hold, not what is to change, and can be repeated in any order after a
/// restart.
pub trait Hypervisor: Send + Sync {
    /// What the back end can do, and what the device has.
    fn capabilities(&self) -> Capabilities;

    /// Every machine the hypervisor knows, in no particular order.
    ///
    /// # Errors
    ///
    /// A fault of the back end.
    fn list(&self) -> Result<Vec<Listed>, HypervisorError>;

    /// What an owned machine is at this moment.
    ///
    /// # Errors
    ///
    /// A fault of the back end; a machine that is not there is no error.
    fn observe(&self, id: &VmId) -> Result<Observed, HypervisorError>;

    /// Makes the machine's files and configuration, and leaves it off.
    ///
    /// # Errors
    ///
    /// `InvalidState` if the machine is there and not off, `Image`, `NoSpace`, or a fault of the
    /// back end. After an error the machine is absent, and [`delete`](Self::delete) clears away
    /// what may be left of it.
    fn create(&self, spec: &VmSpec) -> Result<Outcome, HypervisorError>;

    /// Boots the machine.
    ///
    /// # Errors
    ///
    /// `NotFound`, `InvalidState`, `NoSpace`, or a fault of the back end.
    fn power_on(&self, id: &VmId) -> Result<Outcome, HypervisorError>;

    /// Ends the machine's execution.
    ///
    /// # Errors
    ///
    /// `NotFound`, `InvalidState`, `NotSupported` where a guest cannot be asked, `Timeout` if the
    /// guest was asked and did not end in time (it is not forced then), or a fault of the back end.
    fn power_off(&self, id: &VmId, how: PowerOff) -> Result<Outcome, HypervisorError>;

    /// Saves the machine's execution durably and releases its RAM and CPU.
    ///
    /// # Errors
    ///
    /// `NotFound`, `InvalidState`, `NotSupported`, `NoSpace`, or a fault of the back end.
    fn suspend(&self, id: &VmId) -> Result<Outcome, HypervisorError>;

    /// Goes on from the saved execution, which is used at most once.
    ///
    /// # Errors
    ///
    /// `NotFound`, `InvalidState`, `NotSupported`, `NoSpace`, or a fault of the back end.
    fn resume(&self, id: &VmId) -> Result<Outcome, HypervisorError>;

    /// Removes the machine and everything of it, whatever its state, running machines included.
    ///
    /// # Errors
    ///
    /// A fault of the back end. A machine that is not there is [`Outcome::AlreadyDone`].
    fn delete(&self, id: &VmId, erase: Erase) -> Result<Outcome, HypervisorError>;

    /// Finds out whether the machine can have these resources, and reserves them; nothing of the
    /// machine changes. What can fail for a reason of the device or the machine fails here.
    ///
    /// Repeated with the same resources it answers the same; other ones replace the earlier
    /// preparation, which also stays if they are refused. Vendor pairs the back end does not know
    /// are recorded.
    ///
    /// # Errors
    ///
    /// `NotFound`, `NoSpace`, `CannotChangeLive`, `NotSupported`, `InvalidState`, or a fault of
    /// the back end.
    fn prepare(&self, id: &VmId, want: &ResourceConfig) -> Result<Prepared, HypervisorError>;

    /// Makes these resources effective and ends their preparation. Without one, or with one of
    /// other resources, it prepares first.
    ///
    /// # Errors
    ///
    /// A fault of the back end, after which a part may be effective; what `prepare` answers if it
    /// has to prepare.
    fn commit(&self, id: &VmId, want: &ResourceConfig) -> Result<Outcome, HypervisorError>;

    /// Drops what is prepared and makes `before` effective again, whether a commit happened or
    /// not. Never refused for want of room. Storage that a guest has seen may stay allocated.
    ///
    /// # Errors
    ///
    /// `NotFound`, or a fault of the back end.
    fn undo(&self, id: &VmId, before: &ResourceConfig) -> Result<Outcome, HypervisorError>;

    /// Lets `hint` be called whenever a machine may have changed without being asked to: its guest
    /// ended, it died, somebody else had a hand in it. Several hints are all called.
    ///
    /// A hint spares the caller nothing but waiting: it may come too often, late or never, and what
    /// is true is asked for by [`observe`](Self::observe). It must not be called with a lock held,
    /// and does not block. Default: none ever comes.
    fn on_change(&self, hint: ChangeHint) {
        drop(hint);
    }

    /// Messages to guests, where there is a channel to them.
    fn guest_channel(&self) -> Option<&dyn GuestChannel> {
        None
    }

    /// Peripherals, where they can be switched from outside.
    fn peripherals(&self) -> Option<&dyn Peripherals> {
        None
    }

    /// The lock of the user's input, where it can be enforced from outside.
    fn input_lock(&self) -> Option<&dyn InputLock> {
        None
    }

    /// The wall between machines, where it can be opened.
    fn data_sharing(&self) -> Option<&dyn DataSharing> {
        None
    }
}

/// What [`Hypervisor::on_change`] calls.
pub type ChangeHint = Arc<dyn Fn() + Send + Sync>;

/// What a call that did not fail found to do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was so before.
    AlreadyDone,
}

/// How a machine is powered off.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PowerOff {
    /// The guest is asked to end itself.
    Graceful {
        /// How long it may take.
        timeout: Duration,
    },
    /// The guest is not asked.
    Force,
}

/// What becomes of the data of a deleted machine. No other machine can read it either way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Erase {
    /// The storage is given back to the device.
    #[default]
    Discard,
    /// The data is overwritten first.
    Overwrite,
}

/// What a change of resources will do, resource by resource.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Prepared {
    /// Memory.
    pub ram: Effect,
    /// Storage.
    pub storage: Effect,
    /// CPU share.
    pub cpu: Effect,
    /// Network share.
    pub network: Effect,
}

/// When a change of one resource takes effect.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Effect {
    /// There is no change.
    Unchanged,
    /// With the commit.
    Live,
    /// It is recorded with the commit and takes effect when the machine next runs.
    Recorded,
}

impl Prepared {
    /// Every resource in turn.
    #[must_use]
    pub fn new(mut effect: impl FnMut(Resource) -> Effect) -> Self {
        Self {
            ram: effect(Resource::Ram),
            storage: effect(Resource::Storage),
            cpu: effect(Resource::Cpu),
            network: effect(Resource::Network),
        }
    }

    /// When the change of one resource takes effect.
    #[must_use]
    pub fn effect(&self, resource: Resource) -> Effect {
        match resource {
            Resource::Ram => self.ram,
            Resource::Storage => self.storage,
            Resource::Cpu => self.cpu,
            Resource::Network => self.network,
        }
    }
}
