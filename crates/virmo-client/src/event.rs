use std::sync::Arc;

use omadm_core::StatusCode;
use virmo_params::{ImageId, ResourceConfig};
use virmo_state::{AccessOperation, ImageState, Primitive, VmId, VmState};

/// Hears of every [`Event`], once what it tells is durable.
///
/// Called from the engine's thread, [`Event::Download`] from the download's: it must not block.
pub type Observer = Arc<dyn Fn(Event) + Send + Sync>;

/// What happened to a VM or an image, for logs, screens and the firmware around the client.
///
/// `node` is the name `<x>` below `VirMO` or `VMImgMO`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A VM went from one state to another. `Deleted` is the last event of a VM.
    Vm {
        /// The node.
        node: String,
        /// The VM.
        vm: VmId,
        /// The state until now.
        from: VmState,
        /// The state from now on.
        to: VmState,
    },
    /// An image went from one state to another; `None` is an image that is gone.
    Image {
        /// The node.
        node: String,
        /// The image.
        image: ImageId,
        /// The state until now.
        from: ImageState,
        /// The state from now on.
        to: Option<ImageState>,
    },
    /// A download moved on. Not durable.
    Download {
        /// The node.
        node: String,
        /// The image.
        image: ImageId,
        /// Bytes received.
        bytes: u64,
        /// Bytes in all, if known.
        total: Option<u64>,
    },
    /// A primitive failed, or failed to be undone.
    PrimitiveFailed {
        /// The node.
        node: String,
        /// The VM.
        vm: VmId,
        /// What was asked for.
        primitive: Primitive,
        /// Why, for people.
        reason: String,
    },
    /// A VM was locked or unlocked. Draft only.
    Locked {
        /// The node.
        node: String,
        /// The VM.
        vm: VmId,
        /// Whether it is locked now.
        locked: bool,
    },
    /// A VM may share data with others, or no longer. Draft only.
    Sharing {
        /// The node.
        node: String,
        /// The VM.
        vm: VmId,
        /// Whether it may.
        allowed: bool,
    },
    /// Locking, unlocking or a change of data sharing failed. Draft only.
    AccessFailed {
        /// The node.
        node: String,
        /// The VM.
        vm: VmId,
        /// What was asked for.
        operation: AccessOperation,
        /// Why, for people.
        reason: String,
    },
    /// Work on an image failed.
    ImageFailed {
        /// The node.
        node: String,
        /// The image.
        image: ImageId,
        /// Why, for people.
        reason: String,
    },
    /// A VM is entitled to other resources than before: by ApplyChanges, or as it is found.
    Resources {
        /// The node.
        node: String,
        /// The VM.
        vm: VmId,
        /// What it is entitled to.
        config: ResourceConfig,
    },
    /// ApplyChanges failed, or failed to be taken back.
    ChangesFailed {
        /// Why, for people.
        reason: String,
    },
    /// An ApplyChanges that the last run left open was brought to an end.
    ChangesRecovered {
        /// How it ended.
        outcome: Recovery,
    },
    /// A primitive that the last run left open was brought to an end.
    Recovered {
        /// The node.
        node: String,
        /// The VM.
        vm: VmId,
        /// What was under way.
        primitive: Primitive,
        /// How it ended.
        outcome: Recovery,
    },
    /// A question to the user of a VM is over. [VirMO §11.2.2]
    Interaction {
        /// The node.
        node: String,
        /// The VM.
        vm: VmId,
        /// What UI/Result says.
        status: StatusCode,
    },
    /// The machine of a VM cannot be told or used at the moment; its State is kept. Told once in
    /// each run until [`Reachable`](Self::Reachable).
    Unreachable {
        /// The node.
        node: String,
        /// The VM.
        vm: VmId,
        /// Why, for people.
        reason: String,
    },
    /// The machine of a VM that was [`Unreachable`](Self::Unreachable) can be told again.
    Reachable {
        /// The node.
        node: String,
        /// The VM.
        vm: VmId,
    },
    /// The hypervisor has a machine with our mark that no node stands for. It is left alone. Told at the
    /// start, and of one that comes later while machines are [watched](crate::Policy::watch).
    UnknownMachine {
        /// The machine.
        vm: VmId,
    },
    /// A machine with our mark that no node stood for has one now, by
    /// [`UnknownMachines::Adopt`](crate::UnknownMachines::Adopt): at the start, or as it came later.
    Adopted {
        /// The node.
        node: String,
        /// The machine.
        vm: VmId,
    },
    /// There is a file of an image that no node stands for. It is left alone. Told at the start alone.
    UnknownImage {
        /// The image.
        image: ImageId,
    },
    /// An image whose file no node stood for has one now, by
    /// [`UnknownMachines::Adopt`](crate::UnknownMachines::Adopt).
    AdoptedImage {
        /// The node.
        node: String,
        /// The image.
        image: ImageId,
    },
    /// The hypervisor has a machine of somebody else. It is left alone. Told at the start alone: what
    /// others do meanwhile is not ours to tell.
    ForeignMachine {
        /// The name the hypervisor knows it by.
        name: String,
    },
    /// The hypervisor did not say at the start, or not in time, which machines there are, so those that
    /// no node stands for are not known until it is asked again or its answer comes late; told once. It
    /// is asked again while machines are [watched](crate::Policy::watch), for the machines of others at
    /// the next start alone.
    NotListed {
        /// Why, for people.
        reason: String,
    },
    /// The guest of a VM does not answer, though it runs; told once. [VirMO §11.2]
    GuestSilent {
        /// The node.
        node: String,
        /// The VM.
        vm: VmId,
        /// Why, for people.
        reason: String,
    },
    /// The guest of a VM answers again.
    GuestHeard {
        /// The node.
        node: String,
        /// The VM.
        vm: VmId,
    },
    /// Something the guest of a VM told does not fit the tree, or is more than it
    /// [may tell](crate::Policy::guest_nodes), and is dropped.
    GuestNewsDropped {
        /// The node.
        node: String,
        /// The VM.
        vm: VmId,
        /// Why, for people.
        reason: String,
    },
    /// A durable record could not be read and is left alone.
    DamagedRecord {
        /// Its key.
        key: String,
    },
}

/// How recovery ended a primitive or an ApplyChanges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recovery {
    /// The VM is in the state the primitive promises; every VM has its new resources.
    Finished,
    /// The VM is in another state: the one before it, or what was left of it; every VM has the
    /// resources it had.
    Undone,
    /// Neither worked; it is tried again after a pause, before the next attempt, and at the next
    /// start.
    Open,
}

impl Recovery {
    /// One word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Undone => "undone",
            Self::Open => "open",
        }
    }
}
