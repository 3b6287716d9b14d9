use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use omadm_core::{GenericAlert, Journal, Space};
use omadm_download::Sink;
use omadm_tree::{Acl, NodeRef, Tree, TreeLimits, Uri};
use virmo_hypervisor::{Hypervisor, Machine, MachineState};
use virmo_nodes::ALERT_IMAGE_READY;
use virmo_state::VmState;

/// What a quiet device is seen to be: nothing is under way on it.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The tree in memory.
    pub tree: &'a Tree,
    /// What is durable.
    pub journal: &'a dyn Journal,
    /// The machines.
    pub hypervisor: &'a dyn Hypervisor,
    /// The files of images.
    pub sink: &'a dyn Sink,
}

/// What must hold of a device of the approved profile whenever nothing is under way, whatever was
/// done to it before; and what was heard of it.
///
/// It is asked at each moment of quiet of one device, across all its starts.
#[derive(Clone, Default, Debug)]
pub struct Invariants {
    /// What is behind each DownloadURI.
    images: BTreeMap<String, Vec<u8>>,
    /// The VMIDs of nodes that are there.
    given: BTreeSet<String>,
    /// The VMIDs of nodes that are gone.
    retired: BTreeSet<String>,
    /// Image Ready Alerts, by source and Correlator: how often the wire carried one, how often the
    /// server told of it.
    ready: BTreeMap<(String, String), (usize, usize)>,
}

/// A promise that was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Violation {
    /// The tree in memory and the durable one differ at this node.
    NotDurable(String),
    /// The State of this VM is none that a quiet VM has.
    IllegalState(String, Option<String>),
    /// The State of this VM is not that of its machine.
    OtherState(String, String, MachineState),
    /// CurrentConfig of this VM is not what its machine has.
    OtherConfig(String, Option<String>, Option<String>),
    /// Two nodes have this VMID, or one has none.
    NoIdOfItsOwn(String),
    /// A VMID of a node that is gone was given to another.
    ReusedId(String),
    /// A machine has no node.
    OrphanMachine(String),
    /// The State of this image is none that a quiet image has.
    IllegalImage(String, Option<String>),
    /// The file of this image is not there, not whole, or not where DownloadedLocation says.
    WrongFile(String),
    /// A file has no image.
    OrphanFile(String),
    /// So many intents are open.
    OpenIntents(usize),
    /// No Image Ready Alert of this image was ever delivered.
    NotTold(String),
    /// The Image Ready Alert of this source was told so often by the server.
    ToldTimes(String, usize),
    /// The VMs of an ApplyChanges have neither all what they had, nor all what they were to get.
    AppliedInPart(Vec<String>),
}

impl Invariants {
    /// Nothing is known yet but what images are to be.
    #[must_use]
    pub fn new<'u>(images: impl IntoIterator<Item = (&'u str, Vec<u8>)>) -> Self {
        Self {
            images: images
                .into_iter()
                .map(|(uri, bytes)| (uri.to_owned(), bytes))
                .collect(),
            ..Self::default()
        }
    }

    /// The device sent this alert, and it arrived.
    pub fn delivered(&mut self, alert: &GenericAlert) {
        if let Some(key) = key(alert) {
            self.ready.entry(key).or_default().0 += 1;
        }
    }

    /// The server told of this alert.
    pub fn told(&mut self, alert: &GenericAlert) {
        if let Some(key) = key(alert) {
            self.ready.entry(key).or_default().1 += 1;
        }
    }

    /// All that is broken; empty if all is well.
    pub fn check(&mut self, facts: Facts<'_>) -> Vec<Violation> {
        let mut found = Vec::new();
        self.check_durable(facts, &mut found);
        self.check_vms(facts, &mut found);
        self.check_images(facts, &mut found);
        let mut intents = 0;
        facts
            .journal
            .scan(Space::INTENTS, &mut |_, _| intents += 1)
            .unwrap();
        if intents > 0 {
            found.push(Violation::OpenIntents(intents));
        }
        for ((source, _), (delivered, told)) in &self.ready {
            if *delivered > 0 && *told != 1 {
                found.push(Violation::ToldTimes(source.clone(), *told));
            }
        }
        found
    }

    /// Whether CurrentConfig of VMs, by node, is all that of `before`, or all that of `after`.
    #[must_use]
    pub fn check_whole(
        facts: Facts<'_>,
        before: &BTreeMap<String, String>,
        after: &BTreeMap<String, String>,
    ) -> Vec<Violation> {
        let now: BTreeMap<_, _> = before
            .keys()
            .map(|vm| {
                let config = text(facts.tree, &format!("./VirMO/{vm}/Resources/CurrentConfig"));
                (vm.clone(), config.unwrap_or_default())
            })
            .collect();
        if now == *before || now == *after {
            return Vec::new();
        }
        let now = now.into_iter();
        vec![Violation::AppliedInPart(
            now.map(|(vm, config)| format!("{vm}: {config}")).collect(),
        )]
    }

    fn check_durable(&self, facts: Facts<'_>, found: &mut Vec<Violation>) {
        let durable = Tree::load(facts.journal, TreeLimits::default(), root_acl(facts.tree));
        let (memory, durable) = (dump(facts.tree), dump(&durable.unwrap()));
        let all: BTreeSet<_> = memory.keys().chain(durable.keys()).collect();
        let differ = all
            .into_iter()
            .filter(|uri| memory.get(*uri) != durable.get(*uri));
        found.extend(differ.map(|uri| Violation::NotDurable(uri.clone())));
    }

    fn check_vms(&mut self, facts: Facts<'_>, found: &mut Vec<Violation>) {
        let mut machines = BTreeSet::new();
        for listed in facts.hypervisor.list().unwrap() {
            if let Machine::Owned(id) = listed.machine {
                machines.insert(id);
            }
        }
        let mut ids = BTreeSet::new();
        for vm in children(facts.tree, "./VirMO") {
            if matches!(vm.as_str(), "Operations" | "DeviceResources" | "Ext") {
                continue;
            }
            let leaf = |path: &str| text(facts.tree, &format!("./VirMO/{vm}/{path}"));
            let id = leaf("VMID").unwrap_or_default();
            let Some(id) = id.parse().ok().filter(|_| ids.insert(id.clone())) else {
                found.push(Violation::NoIdOfItsOwn(vm));
                continue;
            };
            machines.remove(&id);
            let observed = facts.hypervisor.observe(&id).unwrap();
            let state = leaf("State");
            let legal = state
                .as_deref()
                .and_then(|state| VmState::from_value(state.parse().ok()?))
                .filter(|state| *state != VmState::Deleted);
            match (legal, state) {
                (None, state) => found.push(Violation::IllegalState(vm.clone(), state)),
                (Some(legal), Some(state)) if observed.state.vm_state() != Some(legal) => {
                    found.push(Violation::OtherState(vm.clone(), state, observed.state));
                }
                _ => {}
            }
            let has = observed.resources.map(|config| config.to_string());
            let has = has.or_else(|| Some("RAM=0&Storage=0&CPU=0&Network=0".to_owned()));
            let says = leaf("Resources/CurrentConfig");
            if has != says {
                found.push(Violation::OtherConfig(vm, says, has));
            }
        }
        found.extend(
            machines
                .into_iter()
                .map(|id| Violation::OrphanMachine(id.to_string())),
        );
        let reused = ids.intersection(&self.retired);
        found.extend(reused.map(|id| Violation::ReusedId(id.clone())));
        let gone = self.given.difference(&ids).cloned();
        self.retired.extend(gone.collect::<Vec<_>>());
        self.given = ids;
    }

    fn check_images(&self, facts: Facts<'_>, found: &mut Vec<Violation>) {
        let mut files: BTreeSet<_> = facts.sink.keys().unwrap().into_iter().collect();
        for image in children(facts.tree, "./VMImgMO") {
            let leaf = |path: &str| text(facts.tree, &format!("./VMImgMO/{image}/{path}"));
            let id = leaf("ImgID").and_then(|id| id.parse().ok());
            let Some(id) = id else {
                found.push(Violation::IllegalImage(image, None));
                continue;
            };
            let has_file = files.remove(&id);
            let location = leaf("DownloadedLocation");
            let state = leaf("State");
            let whole = match state.as_deref() {
                Some("0") => !has_file && location.is_none(),
                // What is left of a failed download is there for the next one to go on with.
                Some("3") => location.is_none(),
                Some("2") => {
                    let is_there = facts.sink.location(&id).unwrap();
                    let bytes = location.as_ref().and_then(|at| fs::read(at).ok());
                    let due = self.images.get(&leaf("DownloadURI").unwrap_or_default());
                    self.check_told(&image, found);
                    is_there.is_some() && is_there == location && bytes.as_ref() == due
                }
                _ => {
                    found.push(Violation::IllegalImage(image, state));
                    continue;
                }
            };
            if !whole {
                found.push(Violation::WrongFile(image));
            }
        }
        found.extend(
            files
                .into_iter()
                .map(|key| Violation::OrphanFile(key.to_string())),
        );
    }

    fn check_told(&self, image: &str, found: &mut Vec<Violation>) {
        let source = format!("./VMImgMO/{image}/Operations/Download");
        let delivered = |((from, _), (times, _)): (&(String, String), &(usize, usize))| {
            *from == source && *times > 0
        };
        if !self.ready.iter().any(delivered) {
            found.push(Violation::NotTold(image.to_owned()));
        }
    }
}

/// The source and the Correlator of an Image Ready Alert.
fn key(alert: &GenericAlert) -> Option<(String, String)> {
    if alert.alert_type != ALERT_IMAGE_READY {
        return None;
    }
    let correlator = alert.correlator.as_ref().map(ToString::to_string);
    Some((alert.source.clone()?, correlator.unwrap_or_default()))
}

fn text(tree: &Tree, uri: &str) -> Option<String> {
    let node = tree.node(&Uri::parse(uri).unwrap())?;
    node.text().map(str::to_owned)
}

fn children(tree: &Tree, uri: &str) -> Vec<String> {
    let node = tree.node(&Uri::parse(uri).unwrap());
    let children = node.into_iter().flat_map(|node| node.children());
    children.map(|child| child.name().to_owned()).collect()
}

fn root_acl(tree: &Tree) -> Acl {
    tree.node(&Uri::root()).unwrap().acl().clone()
}

/// Everything a tree says of each of its nodes.
fn dump(tree: &Tree) -> BTreeMap<String, String> {
    let mut said = BTreeMap::new();
    let mut open: Vec<_> = tree.node(&Uri::root()).into_iter().collect();
    while let Some(node) = open.pop() {
        said.insert(node.uri().to_string(), describe(node));
        open.extend(node.children());
    }
    said
}

fn describe(node: NodeRef<'_>) -> String {
    let (acl, title, moment) = (node.acl(), node.title(), node.timestamp());
    let kind = node.node_type();
    format!("{:?} {kind} {acl} {title} {moment}", node.value())
}
