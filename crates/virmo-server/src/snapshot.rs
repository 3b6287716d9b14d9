use std::collections::BTreeMap;

use omadm_core::{StatusCode, UserAnswer, UserInteraction};
use omadm_objects::{FumoState, LockState};
use omadm_session::{Reply, Report};
use omadm_tree::Uri;
use virmo_nodes::{ImageNode, VirmoNode, VmNode};
use virmo_params::{CreateParams, DeviceResources, ImageId, ResourceConfig};
use virmo_state::{ImageState, VmId, VmState};

use crate::{
    Mounts,
    flow::{Done, Flow, Next, Script, Stage, failure, procedure},
    place::below,
    read::Faults,
};

/// Reads everything a device says about its machines and images, about what is below the `DMTree` of
/// each machine, and what its user was asked last. [VirMO §8, §9, §11.2]
///
/// Of peripherals, packages and components 1,000 are read for each machine, the others are named in
/// [`Snapshot::faults`].
///
/// ```
/// use virmo_server::{Mounts, TakeSnapshot};
///
/// let take = TakeSnapshot::new(Mounts::default());
/// assert_eq!(take.outcome(), None);
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct TakeSnapshot {
    mounts: Mounts,
    phase: Phase,
    status: Option<StatusCode>,
    vms: Vec<(String, Uri)>,
    images: Vec<(String, Uri)>,
    /// What is below the `DMTree` of machines.
    items: Vec<Item>,
    outcome: Option<Snapshot>,
    flow: Flow,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Roots,
    Leaves,
    Items,
    Report,
}

/// A peripheral, a package or a component.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Item {
    vm: String,
    kind: Kind,
    name: String,
    leaf: Uri,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Peripheral,
    Package,
    Component,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Peripheral, Self::Package, Self::Component];

    /// The node they are below, and the leaf of each that is read.
    const fn path(self) -> (&'static str, &'static str) {
        match self {
            Self::Peripheral => ("DCMO", "Enabled"),
            Self::Package => ("SCOMO/Inventory/Delivered", "State"),
            Self::Component => ("SCOMO/Inventory/Deployed", "State"),
        }
    }
}

/// The machines and images of a device, by their names in the tree.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Snapshot {
    /// DeviceResources: what there is to share.
    pub resources: Option<DeviceResources>,
    /// The machines.
    pub vms: BTreeMap<String, VmSnapshot>,
    /// The images.
    pub images: BTreeMap<String, ImageSnapshot>,
    /// Values that were there and could not be read, for people.
    pub faults: Vec<String>,
}

/// What a device says about a machine. What is `None` is absent, empty or not readable.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct VmSnapshot {
    /// VMID.
    pub id: Option<VmId>,
    /// Description.
    pub description: Option<String>,
    /// State.
    pub state: Option<VmState>,
    /// CreateParams.
    pub create_params: Option<CreateParams>,
    /// CurrentConfig: what it may use of the device.
    pub current_config: Option<ResourceConfig>,
    /// NewConfig: what it may use once ApplyChanges is executed.
    pub new_config: Option<ResourceConfig>,
    /// State of LAWMO: whether its input is locked.
    pub lock: Option<LockState>,
    /// State of FUMO: how far an update of its firmware is.
    pub firmware: Option<FumoState>,
    /// The peripherals of DCMO, by the names of their nodes: whether each is enabled.
    pub peripherals: BTreeMap<String, bool>,
    /// The packages of SCOMO that are delivered, by the names of their nodes.
    pub packages: BTreeMap<String, PackageState>,
    /// The components of SCOMO that are deployed, by the names of their nodes.
    pub components: BTreeMap<String, ComponentState>,
    /// UI/Command: what its user was asked last.
    pub question: Option<UserInteraction>,
    /// UI/Result: what came of that.
    pub result: Option<UiResult>,
}

/// What `UI/Result` of a machine says. [VirMO §11.2.2]
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct UiResult {
    /// The status.
    pub status: StatusCode,
    /// The answer of the user, if the status is one to the question.
    pub answer: Option<UserAnswer>,
}

/// State of a package below `Inventory/Delivered`. \[SCOMO\]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PackageState {
    /// 10: it is there.
    Delivered,
    /// 20: it is installed.
    Installed,
}

impl PackageState {
    const fn from_value(value: u8) -> Option<Self> {
        match value {
            10 => Some(Self::Delivered),
            20 => Some(Self::Installed),
            _ => None,
        }
    }
}

/// State of a component below `Inventory/Deployed`. \[SCOMO\]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ComponentState {
    /// 10: it is installed and does not run.
    Inactive,
    /// 20: it runs, or may.
    Active,
}

impl ComponentState {
    const fn from_value(value: u8) -> Option<Self> {
        match value {
            10 => Some(Self::Inactive),
            20 => Some(Self::Active),
            _ => None,
        }
    }
}

/// What a device says about an image. What is `None` is absent, empty or not readable.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct ImageSnapshot {
    /// ImgID.
    pub id: Option<ImageId>,
    /// Name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// DownloadURI.
    pub download_uri: Option<String>,
    /// MediaType.
    pub media_type: Option<String>,
    /// State.
    pub state: Option<ImageState>,
    /// DownloadedLocation.
    pub location: Option<String>,
}

const VM_LEAVES: [VmNode; 6] = [
    VmNode::VmId,
    VmNode::Description,
    VmNode::State,
    VmNode::CreateParams,
    VmNode::CurrentConfig,
    VmNode::NewConfig,
];

/// Of each machine: its own leaves, those of its companion objects, what items there are.
const VM_READS: usize = VM_LEAVES.len() + 4 + Kind::ALL.len();

/// How many peripherals, packages and components are read of a machine.
const MAX_ITEMS: usize = 1000;

const IMAGE_LEAVES: [ImageNode; 7] = [
    ImageNode::ImgId,
    ImageNode::Name,
    ImageNode::Description,
    ImageNode::DownloadUri,
    ImageNode::MediaType,
    ImageNode::State,
    ImageNode::DownloadedLocation,
];

impl TakeSnapshot {
    /// Reads the objects at these roots.
    #[must_use]
    pub fn new(mounts: Mounts) -> Self {
        Self {
            mounts,
            phase: Phase::Roots,
            status: None,
            vms: Vec::new(),
            images: Vec::new(),
            items: Vec::new(),
            outcome: None,
            flow: Flow::default(),
        }
    }

    /// What was read, once it was.
    #[must_use]
    pub const fn outcome(&self) -> Option<&Snapshot> {
        self.outcome.as_ref()
    }

    /// Takes the names of the machines and images; the report of the failure if there are none.
    fn take_roots(&mut self, replies: &[Reply]) -> Option<Report> {
        let [virmo, vmimgmo, resources] = replies else {
            return None;
        };
        self.status = virmo.status();
        let mut faults = Faults::default();
        let Some(vms) = virmo.children() else {
            return Some(failure(virmo));
        };
        let named = |root: &Uri, name: &str| Some((name.to_owned(), root.child(name).ok()?));
        self.vms = vms
            .into_iter()
            .filter(|name| !self.mounts.profile.is_reserved_vm_name(name))
            .filter_map(|name| named(&self.mounts.virmo, name))
            .collect();
        self.images = vmimgmo
            .children()
            .into_iter()
            .flatten()
            .filter_map(|name| named(&self.mounts.vmimgmo, name))
            .collect();
        self.outcome = Some(Snapshot {
            resources: faults.value(resources),
            faults: faults.0,
            ..Snapshot::default()
        });
        None
    }

    fn take_leaves(&mut self, replies: &[Reply]) {
        let Some(snapshot) = &mut self.outcome else {
            return;
        };
        let (of_vms, of_images) = replies
            .split_at_checked(self.vms.len() * VM_READS)
            .unwrap_or_default();
        let mut faults = Faults(std::mem::take(&mut snapshot.faults));
        let text = |reply: &Reply| {
            let text = reply.text().filter(|text| !text.is_empty());
            text.map(str::to_owned)
        };
        for ((name, vm), leaves) in self.vms.iter().zip(of_vms.chunks(VM_READS)) {
            if let [
                id,
                description,
                state,
                params,
                current,
                new,
                lock,
                firmware,
                question,
                result,
                below @ ..,
            ] = leaves
            {
                let dm_tree = self.mounts.vm_node(vm, VmNode::DmTree);
                let mut room = MAX_ITEMS;
                for (kind, reply) in Kind::ALL.into_iter().zip(below) {
                    let (at, leaf) = kind.path();
                    let at = path(&dm_tree, at);
                    for found in reply.children().unwrap_or_default() {
                        let Ok(item) = at.child(found) else { continue };
                        if room == 0 {
                            faults.0.push(format!("{item}: one too many to be read"));
                            continue;
                        }
                        room -= 1;
                        self.items.push(Item {
                            vm: name.clone(),
                            kind,
                            name: found.to_owned(),
                            leaf: path(&item, leaf),
                        });
                    }
                }
                let question = faults.question(question);
                let vm = VmSnapshot {
                    lock: faults.code(lock, LockState::from_value),
                    firmware: faults.code(firmware, FumoState::from_value),
                    result: faults.result(result, question.as_ref()),
                    question,
                    id: faults.value(id),
                    description: text(description),
                    state: faults.vm_state(state),
                    create_params: faults.value(params),
                    current_config: faults.value(current),
                    new_config: faults.value(new),
                    ..VmSnapshot::default()
                };
                snapshot.vms.insert(name.clone(), vm);
            }
        }
        for ((name, _), leaves) in self.images.iter().zip(of_images.chunks(IMAGE_LEAVES.len())) {
            if let [id, title, description, uri, media_type, state, location] = leaves {
                let image = ImageSnapshot {
                    id: faults.value(id),
                    name: text(title),
                    description: text(description),
                    download_uri: text(uri),
                    media_type: text(media_type),
                    state: faults.image_state(state),
                    location: text(location),
                };
                snapshot.images.insert(name.clone(), image);
            }
        }
        snapshot.faults = faults.0;
    }

    fn take_items(&mut self, replies: &[Reply]) {
        let Some(snapshot) = &mut self.outcome else {
            return;
        };
        let mut faults = Faults(std::mem::take(&mut snapshot.faults));
        for (item, reply) in self.items.drain(..).zip(replies) {
            let Some(vm) = snapshot.vms.get_mut(&item.vm) else {
                continue;
            };
            match item.kind {
                Kind::Peripheral => {
                    let enabled = faults.value(reply);
                    vm.peripherals.extend(enabled.map(|it| (item.name, it)));
                }
                Kind::Package => {
                    let state = faults.code(reply, PackageState::from_value);
                    vm.packages.extend(state.map(|it| (item.name, it)));
                }
                Kind::Component => {
                    let state = faults.code(reply, ComponentState::from_value);
                    vm.components.extend(state.map(|it| (item.name, it)));
                }
            }
        }
        snapshot.faults = faults.0;
    }

    /// What is read of a machine, in the order of [`VM_READS`].
    fn reads(&self, vm: &Uri) -> impl Iterator<Item = Uri> {
        let node = |node: VmNode| self.mounts.vm_node(vm, node);
        let dm_tree = node(VmNode::DmTree);
        let objects = ["LAWMO/State", "FUMO/State"].map(|leaf| path(&dm_tree, leaf));
        let items = Kind::ALL.map(|kind| path(&dm_tree, kind.path().0));
        let user = [node(VmNode::UiCommand), node(VmNode::UiResult)];
        let leaves = VM_LEAVES.map(node).into_iter();
        leaves.chain(objects).chain(user).chain(items)
    }
}

fn path(at: &Uri, names: &str) -> Uri {
    let names: Vec<&str> = names.split('/').collect();
    below(at, &names)
}

impl Script for TakeSnapshot {
    fn next(&mut self, done: Done<'_>) -> Next {
        match self.phase {
            Phase::Roots => {
                self.phase = Phase::Leaves;
                Next::Stage(Stage::Read(vec![
                    self.mounts.device(VirmoNode::Root),
                    self.mounts.vmimgmo.clone(),
                    self.mounts.device(VirmoNode::DeviceResources),
                ]))
            }
            Phase::Leaves => {
                if let Some(report) = self.take_roots(done.replies) {
                    return Next::Report(report);
                }
                self.phase = Phase::Items;
                let of_vms = self.vms.iter().flat_map(|(_, vm)| self.reads(vm));
                let images = self.images.iter();
                let of_images =
                    images.flat_map(|(_, image)| IMAGE_LEAVES.map(|node| node.of(image)));
                Next::Stage(Stage::Read(of_vms.chain(of_images).collect()))
            }
            Phase::Items => {
                self.take_leaves(done.replies);
                self.phase = Phase::Report;
                let items = self.items.iter().map(|item| item.leaf.clone());
                Next::Stage(Stage::Read(items.collect()))
            }
            Phase::Report => {
                self.take_items(done.replies);
                Next::Report(Report::new(true, self.status))
            }
        }
    }
}

procedure!(TakeSnapshot);
