use std::collections::BTreeMap;

use omadm_core::StatusCode;
use omadm_session::{Reply, Report};
use omadm_tree::Uri;
use virmo_nodes::{ImageNode, VirmoNode, VmNode};
use virmo_params::{CreateParams, DeviceResources, ImageId, ResourceConfig};
use virmo_state::{ImageState, VmId, VmState};

use crate::{
    Mounts,
    flow::{Done, Flow, Next, Script, Stage, failure, procedure},
    read::Faults,
};

/// Reads everything a device says about its machines and images. [VirMO §8, §9]
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
    outcome: Option<Snapshot>,
    flow: Flow,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Roots,
    Leaves,
    Report,
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
            .split_at_checked(self.vms.len() * VM_LEAVES.len())
            .unwrap_or_default();
        let mut faults = Faults(std::mem::take(&mut snapshot.faults));
        let text = |reply: &Reply| {
            let text = reply.text().filter(|text| !text.is_empty());
            text.map(str::to_owned)
        };
        for ((name, _), leaves) in self.vms.iter().zip(of_vms.chunks(VM_LEAVES.len())) {
            if let [id, description, state, params, current, new] = leaves {
                let vm = VmSnapshot {
                    id: faults.value(id),
                    description: text(description),
                    state: faults.vm_state(state),
                    create_params: faults.value(params),
                    current_config: faults.value(current),
                    new_config: faults.value(new),
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
                self.phase = Phase::Report;
                let vms = self.vms.iter();
                let of_vms =
                    vms.flat_map(|(_, vm)| VM_LEAVES.map(|node| self.mounts.vm_node(vm, node)));
                let images = self.images.iter();
                let of_images =
                    images.flat_map(|(_, image)| IMAGE_LEAVES.map(|node| node.of(image)));
                Next::Stage(Stage::Read(of_vms.chain(of_images).collect()))
            }
            Phase::Report => {
                self.take_leaves(done.replies);
                Next::Report(Report::new(true, self.status))
            }
        }
    }
}

procedure!(TakeSnapshot);
