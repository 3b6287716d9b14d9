use std::{
    ffi::{CString, c_char},
    ptr,
};

use omadm_client::{Delivery, Event as Told};
use omadm_core::GenericAlert;
use virmo_client::{Event, Recovery};

use crate::{
    text::c_text,
    vendor::{Vendor, call},
};

/// What an event tells. A later library may tell more: let go what is not known.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum virmo_event_kind {
    /// A VM went to another State: `node`, `id`, `from`, `to`.
    Vm = 0,
    /// An image went to another State: `node`, `id`, `from`, `to`; `to` is -1 for one that is gone.
    Image = 1,
    /// A download moved on: `node`, `id`, `bytes`, `total`.
    Download = 2,
    /// A primitive failed: `node`, `id`, `name` of the primitive, `text`.
    PrimitiveFailed = 3,
    /// Work on an image failed: `node`, `id`, `text`.
    ImageFailed = 4,
    /// A VM has other resources: `node`, `id`, `text`.
    Resources = 5,
    /// ApplyChanges failed: `text`.
    ChangesFailed = 6,
    /// What the last run left open was brought to an end: `node`, `id`, `name` of the primitive (null
    /// for ApplyChanges), `text` finished, undone or open.
    Recovered = 7,
    /// The machine of a VM cannot be told or used at the moment: `node`, `id`, `text`.
    Unreachable = 8,
    /// It can be told again: `node`, `id`.
    Reachable = 9,
    /// The hypervisor has a machine no node stands for: `id`.
    UnknownMachine = 10,
    /// The hypervisor has a machine of somebody else: `text` is its name.
    ForeignMachine = 11,
    /// A record in the journal could not be read and is left alone: `text` is its key.
    DamagedRecord = 12,
    /// Anything else about a VM or an image, of which a later library tells more.
    Other = 13,
    /// A command of the server got its status: `name`, `uri`, `status`.
    Command = 14,
    /// An alert is in the queue, durable: `name` is its type, `uri` its source, `text` its data.
    AlertQueued = 15,
    /// The server has an alert: as before.
    AlertDelivered = 16,
    /// The server refused an alert and will get it again: as before, `status` and `tries`.
    AlertRefused = 17,
    /// An alert was dropped: as before, and `reason`.
    AlertDropped = 18,
    /// A notification was dropped: `text` says why.
    NotificationDropped = 19,
    /// A job took too long and was given up; its end is still to be told: `job`.
    JobTimedOut = 20,
    /// The journal failed; what was to become durable did not happen: `text`.
    JournalFailed = 21,
    /// An object could not take up what the journal could not keep: `uri` is its root, `status` says
    /// why.
    NotResumed = 22,
    /// There is a file of an image no node stands for: `id`.
    UnknownImage = 23,
    /// A machine no node stood for has one now, by VIRMO_NUMBER_ADOPT: `node`, `id`.
    Adopted = 24,
    /// So has an image whose file no node stood for: `node`, `id`.
    AdoptedImage = 25,
    /// A VM of the draft was locked (`to` is 1) or unlocked (0): `node`, `id`, `to`.
    Locked = 26,
    /// A VM of the draft may share data with others (`to` is 1) or no longer (0): `node`, `id`, `to`.
    Sharing = 27,
    /// Such an operation failed: `node`, `id`, `name` of the operation, `text`.
    AccessFailed = 28,
    /// A question to the user of a VM is over: `node`, `id`, `status`.
    Interaction = 29,
    /// The guest of a VM does not answer, though it runs: `node`, `id`, `text`.
    GuestSilent = 30,
    /// It answers again: `node`, `id`.
    GuestHeard = 31,
    /// Something a guest told does not fit, and is dropped: `node`, `id`, `text`.
    GuestNewsDropped = 32,
    /// The hypervisor did not say at the start, or not in time, which machines there are: `text`. They
    /// are not known until it is asked again or its answer comes late. It is asked again every
    /// VIRMO_NUMBER_WATCH_MS, or at the next start if that is 0; for the machines of others at the next
    /// start alone.
    NotListed = 33,
}

/// Something that happened, for logs and screens; nothing depends on it being heard. Texts that do
/// not belong to it are null.
#[repr(C)]
pub struct virmo_event {
    /// A virmo_event_kind.
    pub kind: u32,
    /// The name of the node below VirMO or VMImgMO.
    pub node: *const c_char,
    /// The VMID or ImgID.
    pub id: *const c_char,
    /// The name of a command or a primitive, the type of an alert.
    pub name: *const c_char,
    /// The address of a command, the source of an alert.
    pub uri: *const c_char,
    /// For people.
    pub text: *const c_char,
    /// The State until now; -1 if there is none.
    pub from: i32,
    /// The State from now on; -1 if there is none.
    pub to: i32,
    /// The status of OMA DM; 0 if there is none.
    pub status: u32,
    /// Bytes received.
    pub bytes: u64,
    /// Bytes in all; UINT64_MAX if that is not known.
    pub total: u64,
    /// Why an alert was dropped, for people.
    pub reason: *const c_char,
    /// How often the server refused an alert so far; 0 if it did not.
    pub tries: u32,
    /// A job, by `virmo_job_number`; UINT64_MAX if there is none.
    pub job: u64,
}

/// An event before it becomes one of C.
struct Draft {
    kind: virmo_event_kind,
    texts: [Option<CString>; 6],
    states: (i32, i32),
    status: u32,
    bytes: (u64, u64),
    tries: u32,
    job: u64,
}

const NODE: usize = 0;
const ID: usize = 1;
const NAME: usize = 2;
const URI: usize = 3;
const TEXT: usize = 4;
const REASON: usize = 5;

impl Draft {
    fn new(kind: virmo_event_kind) -> Self {
        Self {
            kind,
            texts: [const { None }; 6],
            states: (-1, -1),
            status: 0,
            bytes: (0, u64::MAX),
            tries: 0,
            job: u64::MAX,
        }
    }

    fn with(mut self, what: usize, text: &str) -> Self {
        if let Some(place) = self.texts.get_mut(what) {
            *place = Some(c_text(text));
        }
        self
    }

    fn of(kind: virmo_event_kind, node: &str, id: &str) -> Self {
        Self::new(kind).with(NODE, node).with(ID, id)
    }

    fn alert(kind: virmo_event_kind, alert: &GenericAlert) -> Self {
        let draft = Self::new(kind).with(NAME, &alert.alert_type);
        let draft = draft.with(TEXT, &alert.data);
        match &alert.source {
            Some(source) => draft.with(URI, source),
            None => draft,
        }
    }

    fn tell(&self, vendor: &Vendor) {
        let at = |what: usize| {
            let text = self.texts.get(what).and_then(Option::as_ref);
            text.map_or(ptr::null(), |text| text.as_ptr())
        };
        let event = virmo_event {
            kind: self.kind as u32,
            node: at(NODE),
            id: at(ID),
            name: at(NAME),
            uri: at(URI),
            text: at(TEXT),
            from: self.states.0,
            to: self.states.1,
            status: self.status,
            bytes: self.bytes.0,
            total: self.bytes.1,
            reason: at(REASON),
            tries: self.tries,
            job: self.job,
        };
        call!(vendor, event, &raw const event);
    }
}

/// Tells the vendor what happened to a VM or an image.
pub(crate) fn tell_virmo(vendor: &Vendor, event: &Event) {
    use virmo_event_kind as Kind;
    if vendor.callbacks.event.is_none() {
        return;
    }
    let draft = match event {
        Event::Vm { node, vm, from, to } => {
            let mut draft = Draft::of(Kind::Vm, node, vm.as_str());
            draft.states = (from.value().into(), to.value().into());
            draft
        }
        Event::Image {
            node,
            image,
            from,
            to,
        } => {
            let mut draft = Draft::of(Kind::Image, node, image.as_str());
            draft.states = (from.value().into(), to.map_or(-1, |to| to.value().into()));
            draft
        }
        Event::Download {
            node,
            image,
            bytes,
            total,
        } => {
            let mut draft = Draft::of(Kind::Download, node, image.as_str());
            draft.bytes = (*bytes, total.unwrap_or(u64::MAX));
            draft
        }
        Event::PrimitiveFailed {
            node,
            vm,
            primitive,
            reason,
        } => Draft::of(Kind::PrimitiveFailed, node, vm.as_str())
            .with(NAME, primitive.name())
            .with(TEXT, reason),
        Event::ImageFailed {
            node,
            image,
            reason,
        } => Draft::of(Kind::ImageFailed, node, image.as_str()).with(TEXT, reason),
        Event::Resources { node, vm, config } => {
            Draft::of(Kind::Resources, node, vm.as_str()).with(TEXT, &config.to_string())
        }
        Event::ChangesFailed { reason } => Draft::new(Kind::ChangesFailed).with(TEXT, reason),
        Event::ChangesRecovered { outcome } => {
            Draft::new(Kind::Recovered).with(TEXT, Recovery::as_str(*outcome))
        }
        Event::Recovered {
            node,
            vm,
            primitive,
            outcome,
        } => Draft::of(Kind::Recovered, node, vm.as_str())
            .with(NAME, primitive.name())
            .with(TEXT, outcome.as_str()),
        Event::Unreachable { node, vm, reason } => {
            Draft::of(Kind::Unreachable, node, vm.as_str()).with(TEXT, reason)
        }
        Event::Reachable { node, vm } => Draft::of(Kind::Reachable, node, vm.as_str()),
        Event::UnknownMachine { vm } => Draft::new(Kind::UnknownMachine).with(ID, vm.as_str()),
        Event::UnknownImage { image } => Draft::new(Kind::UnknownImage).with(ID, image.as_str()),
        Event::Adopted { node, vm } => Draft::of(Kind::Adopted, node, vm.as_str()),
        Event::AdoptedImage { node, image } => Draft::of(Kind::AdoptedImage, node, image.as_str()),
        Event::NotListed { reason } => Draft::new(Kind::NotListed).with(TEXT, reason),
        Event::ForeignMachine { name } => Draft::new(Kind::ForeignMachine).with(TEXT, name),
        Event::DamagedRecord { key } => Draft::new(Kind::DamagedRecord).with(TEXT, key),
        Event::Locked { node, vm, locked } => {
            let mut draft = Draft::of(Kind::Locked, node, vm.as_str());
            draft.states.1 = (*locked).into();
            draft
        }
        Event::Sharing { node, vm, allowed } => {
            let mut draft = Draft::of(Kind::Sharing, node, vm.as_str());
            draft.states.1 = (*allowed).into();
            draft
        }
        Event::AccessFailed {
            node,
            vm,
            operation,
            reason,
        } => Draft::of(Kind::AccessFailed, node, vm.as_str())
            .with(NAME, operation.name())
            .with(TEXT, reason),
        Event::Interaction { node, vm, status } => {
            let mut draft = Draft::of(Kind::Interaction, node, vm.as_str());
            draft.status = status.get().into();
            draft
        }
        Event::GuestSilent { node, vm, reason } => {
            Draft::of(Kind::GuestSilent, node, vm.as_str()).with(TEXT, reason)
        }
        Event::GuestHeard { node, vm } => Draft::of(Kind::GuestHeard, node, vm.as_str()),
        Event::GuestNewsDropped { node, vm, reason } => {
            Draft::of(Kind::GuestNewsDropped, node, vm.as_str()).with(TEXT, reason)
        }
        _ => Draft::new(Kind::Other),
    };
    draft.tell(vendor);
}

/// Tells the vendor what the engine tells.
pub(crate) fn tell_client(vendor: &Vendor, event: &Told) {
    use virmo_event_kind as Kind;
    if vendor.callbacks.event.is_none() {
        return;
    }
    let draft = match event {
        Told::Command { name, uri, status } => {
            let mut draft = Draft::new(Kind::Command).with(NAME, name).with(URI, uri);
            draft.status = status.get().into();
            draft
        }
        Told::AlertQueued(alert) => Draft::alert(Kind::AlertQueued, alert),
        Told::AlertDelivered(alert) => Draft::alert(Kind::AlertDelivered, alert),
        Told::AlertRefused {
            alert,
            status,
            tries,
        } => {
            let mut draft = Draft::alert(Kind::AlertRefused, alert);
            draft.status = status.map_or(0, |status| status.get().into());
            draft.tries = *tries;
            draft
        }
        Told::AlertDropped { alert, reason } => {
            Draft::alert(Kind::AlertDropped, alert).with(REASON, &reason.to_string())
        }
        Told::ClientEvent { event, delivery } => {
            let draft = match delivery {
                Delivery::Queued => Draft::new(Kind::AlertQueued),
                Delivery::Delivered => Draft::new(Kind::AlertDelivered),
                Delivery::Refused { status, tries } => {
                    let mut draft = Draft::new(Kind::AlertRefused);
                    draft.status = status.map_or(0, |status| status.get().into());
                    draft.tries = *tries;
                    draft
                }
                Delivery::Dropped(reason) => {
                    Draft::new(Kind::AlertDropped).with(REASON, &reason.to_string())
                }
                _ => return,
            };
            draft.with(NAME, &event.event_type).with(TEXT, &event.data)
        }
        Told::NotificationDropped(reason) => {
            Draft::new(Kind::NotificationDropped).with(TEXT, &reason.to_string())
        }
        Told::JobTimedOut(job) => {
            let mut draft = Draft::new(Kind::JobTimedOut);
            draft.job = job.get();
            draft
        }
        Told::JournalFailed(kind) => Draft::new(Kind::JournalFailed).with(TEXT, &kind.to_string()),
        Told::NotResumed { object, status } => {
            let mut draft = Draft::new(Kind::NotResumed).with(URI, object);
            draft.status = status.get().into();
            draft
        }
        // An output: see `virmo_device_poll`.
        _ => return,
    };
    draft.tell(vendor);
}
