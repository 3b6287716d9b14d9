//! A device that is judged, and what is tried on it.

use std::time::Duration;

use virmo::dm::syncml::Encoding;
use virmo::{VmId, VmState, nodes::Profile, params::ResourceConfig};

use crate::{Failed, Packet, Proofs};

mod draft;
mod images;
mod interaction;
pub(crate) mod life;
mod listen;
mod management;
mod nodes;
mod ours;
mod resources;
mod states;
mod values;
mod wire;

pub(crate) use draft::{
    A_DRAFT_VM_HAS_RESOURCES, A_DRAFT_VM_IS_LOCKED, DATA_IS_SHARED_IF_ALLOWED, NODES_OF_THE_DRAFT,
};
pub(crate) use images::{
    A_DESCRIPTOR_IS_FOLLOWED, A_DOWNLOAD_FAILS, AN_IMAGE_IS_DELETED, AN_IMAGE_IS_DELIVERED,
};
pub(crate) use interaction::{A_USER_IS_ASKED, NODES_OF_INTERACTION};
pub(crate) use life::A_VM_LIVES;
pub(crate) use management::{
    A_GUEST_FOLLOWS, A_VM_IS_LOCKED, FIRMWARE_OF_A_VM_IS_UPDATED, NODES_OF_A_MANAGED_VM,
    PERIPHERALS_ARE_MANAGED,
};
pub(crate) use nodes::NODES_ARE_AS_PRINTED;
pub(crate) use ours::{DEVICE_ID, Road, builder};
pub(crate) use wire::Wire;
pub use {listen::ForeignDevice, ours::OurDevice};
pub(crate) use {
    resources::{
        CONFIGURATIONS_ARE_READ, INCONSISTENT_RESOURCES_ARE_REFUSED, RESOURCES_ARE_APPLIED,
        THE_DEVICE_SAYS_WHAT_IT_HAS,
    },
    states::{
        A_DELETED_VM_IS_GONE, A_SUSPENDED_VM_KEEPS_ITS_EXECUTION, A_VM_POWERED_OFF_BOOTS_ANEW,
        FAILURES_ARE_UNDONE, MACHINES_FOLLOW, ONLY_PRIMITIVES_CHANGE_THE_STATE,
    },
    values::{CREATE_PARAMS_ARE_READ, IDS_ARE_THE_DEVICES},
};

/// A VirMO device that is judged: the other end of sessions, seen message by message.
///
/// `virmo-conformance` plays the DM server. It asks for the device's next message, answers it, and
/// so on, for as many sessions as a scenario takes.
pub trait Device {
    /// The encodings it is judged in, each in a run of its own; empty if the device chooses.
    fn encodings(&self) -> Vec<Encoding>;

    /// Whether it can follow a text: the approved one or the draft.
    fn follows(&self, profile: Profile) -> bool;

    /// A scenario begins: gives a new device if that is possible, and says so. A device that goes
    /// on keeps its session.
    ///
    /// # Errors
    /// If there is no device.
    fn begin(&mut self, encoding: Option<Encoding>, profile: Profile) -> Result<Begun, Failed>;

    /// The next message of the device, in its session or in a new one.
    ///
    /// # Errors
    /// If none comes.
    fn receive(&mut self) -> Result<(Packet, Encoding), Failed>;

    /// The answer to that message.
    ///
    /// # Errors
    /// If the device does not wait for it any more.
    fn answer(&mut self, packet: Packet) -> Result<(), Failed>;

    /// Where the device finds this image.
    fn image(&self, image: Image) -> String;

    /// What the device and its judge prove themselves by; nothing by default.
    fn proofs(&self) -> Proofs {
        Proofs::default()
    }

    /// How long something that takes time is waited for: a state that changes, an alert that comes.
    /// None, the default, is a few hundred questions, for a device in this process.
    fn patience(&self) -> Option<Duration> {
        None
    }

    /// The media type of [`Image::Whole`]; `application/octet-stream` by default.
    fn media_type(&self) -> &str {
        "application/octet-stream"
    }

    /// Whether the device has stopped to come, so that nothing more can be seen of it; never by
    /// default.
    fn is_silent(&self) -> bool {
        false
    }

    /// What can be seen inside the device, and done to it; nothing by default.
    fn inside(&mut self) -> Option<&mut dyn Inside> {
        None
    }
}

/// What becomes of the device of the scenario before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begun {
    /// It is gone: this is a new one.
    Anew,
    /// It is still this one, with what the scenario before left.
    GoesOn,
}

/// An image a device is made to download.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Image {
    /// There, as [`Device::media_type`] says.
    Whole,
    /// Not there.
    Missing,
    /// Described by a download descriptor; it has the same media type.
    Described,
}

impl Image {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Missing => "missing",
            Self::Described => "described",
        }
    }
}

/// What a device looks like from inside.
pub trait Inside {
    /// The machine of a VM.
    ///
    /// # Errors
    /// If the hypervisor does not say.
    fn machine(&mut self, vm: &VmId) -> Result<Machine, Failed>;

    /// How many machines there are.
    ///
    /// # Errors
    /// If the hypervisor does not say.
    fn machines(&mut self) -> Result<usize, Failed>;

    /// Whether a file the device named is there.
    fn has_file(&mut self, path: &str) -> bool;

    /// The value of a node in the tree of what runs in a VM; none if it is not there.
    ///
    /// # Errors
    /// If nothing runs there.
    fn in_guest(&mut self, vm: &VmId, node: &str) -> Result<Option<String>, Failed>;

    /// What users were asked so far: of which VM, or none for that of the device, and the text.
    fn asked(&mut self) -> Vec<(Option<VmId>, String)>;

    /// The user of the device unlocks the VM at the node `<x>`; whether that was done.
    fn unlock(&mut self, node: &str) -> bool;

    /// Turns the device off and on again, and lets this go wrong once: `create:fail`, for one.
    ///
    /// # Errors
    /// If it does not start.
    fn restart(&mut self, fault: Option<&str>) -> Result<(), Failed>;
}

/// A machine, as the hypervisor has it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Machine {
    /// Its state; none while it is between two.
    pub state: Option<VmState>,
    /// What it is entitled to.
    pub resources: Option<ResourceConfig>,
    /// How often its guest went on since it was booted; none while there is no guest.
    pub resumed: Option<u64>,
    /// Whether it keeps its user out; none if the hypervisor cannot.
    pub locked: Option<bool>,
    /// The peripherals that are switched off for it.
    pub disabled: Vec<String>,
}

impl Machine {
    /// A machine in a state.
    #[must_use]
    pub const fn new(state: Option<VmState>) -> Self {
        Self {
            state,
            resources: None,
            resumed: None,
            locked: None,
            disabled: Vec::new(),
        }
    }
}
