//! Every state the real client can get into within so many steps: operations of a server, jobs done
//! and reported in any order, alerts acknowledged, calls and commits that fail, jobs that hang or die,
//! crashes at every call, restarts.
//!
//! ```sh
//! LIFECYCLE_DEPTH=5 cargo test --release -p virmo-client --test it lifecycle -- --nocapture
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
};

use omadm_core::{Journal, Operation, Space};
use omadm_mo::JobId;
use omadm_testkit::explore::{Explored, explore};
use virmo_client::Policy;
use virmo_nodes::Profile;
use virmo_state::VmState;

use crate::{
    bench::{Fault, Leak},
    device::{Device, Disk},
    sequences::Flights,
};

/// A claim that must hold.
macro_rules! claim {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err(format!($($why)+));
        }
    };
}

mod key;
mod life;
mod rules;
mod steps;

use life::Life;

const OPERATIONS: [&str; 6] = [
    "Create", "Suspend", "Resume", "PowerOn", "PowerOff", "Delete",
];

/// What can happen.
#[derive(Clone, PartialEq, Debug)]
enum Step {
    /// To be created running, or not.
    AddVm(&'static str, bool),
    DeleteNode(&'static str),
    Exec(&'static str, &'static str),
    /// Lock a VM, or unlock it.
    Lock(&'static str, bool),
    AddImage(&'static str),
    Download(&'static str),
    DeleteImage(&'static str),
    Apply,
    /// A job is done; jobs by their place among those the client waits for.
    Work(usize),
    /// The same, but this call of its hypervisor goes wrong.
    WorkWith(usize, usize, Fault),
    /// The client hears of a job that was done.
    Report(usize),
    /// 202 is sent for the Exec behind a job.
    Accept(usize),
    /// A job hangs.
    TimeOut(usize),
    /// A job's thread dies before it does anything.
    Lose(usize),
    /// A guest ends itself.
    End(&'static str),
    /// The client looks at all machines.
    Look,
    /// The client takes up what it left open.
    Resume,
    /// The server acknowledges all alerts there are.
    Acknowledge,
    /// The process starts.
    Start,
    /// The process ends.
    Kill,
    /// The process ends in the midst of a step, at this call.
    KillIn(Box<Step>, u32),
    /// The journal does not take this commit of a step, and the process goes on.
    Full(Box<Step>, usize),
}

/// What is explored.
#[derive(Clone, Copy, Debug)]
struct World {
    vms: &'static [&'static str],
    /// Whether primitives are asked for.
    primitives: bool,
    /// The images that come and go.
    images: &'static [&'static str],
    /// Whether VMs come and go as nodes.
    nodes: bool,
    /// Whether resources change.
    resources: bool,
    /// Whether VMs are locked and unlocked, as in the draft.
    locks: bool,
    /// How many times something goes wrong on one way.
    troubles: u8,
    /// A flaw: what the journal does not keep.
    leaky: Option<Leak>,
    /// A flaw: guests run on that are said to be suspended.
    lazy: bool,
    /// A flaw: what the journal says it did not take it keeps all the same.
    lying: bool,
}

impl World {
    const ONE: Self = Self {
        vms: &["a"],
        primitives: true,
        images: &[],
        nodes: true,
        resources: false,
        locks: false,
        troubles: 2,
        leaky: None,
        lazy: false,
        lying: false,
    };
    const IMAGE: Self = Self {
        images: &["a"],
        nodes: false,
        ..Self::ONE
    };
    const IMAGES: Self = Self {
        vms: &[],
        images: &["a", "b"],
        ..Self::ONE
    };
    const LOCKED: Self = Self {
        nodes: false,
        locks: true,
        ..Self::ONE
    };
    const TWO: Self = Self {
        vms: &["a", "b"],
        nodes: false,
        resources: true,
        troubles: 1,
        ..Self::ONE
    };
}

/// What a job was asked for.
#[derive(Clone, Debug)]
enum Asked {
    Vm {
        vm: &'static str,
        from: VmState,
        to: VmState,
        operation: &'static str,
        /// What the VM may have been where the journal did not take the end of what came before.
        unkept: BTreeSet<Option<VmState>>,
    },
    Lock(&'static str, bool),
    Download(&'static str),
    Apply,
}

/// What the server was told, and so may rely on.
#[derive(Clone, Default, Debug)]
struct Told {
    ids: BTreeSet<String>,
    /// Whether each VM is to run once it is created.
    running: BTreeMap<&'static str, bool>,
    /// What each VM may be once nothing is under way; none for no node.
    vms: BTreeMap<&'static str, BTreeSet<Option<VmState>>>,
    /// VMs whose guest ended itself since their State was true.
    ended: BTreeSet<&'static str>,
    /// Whether the machine of each VM may be locked once nothing is under way.
    locks: BTreeMap<&'static str, BTreeSet<bool>>,
    /// What each image may be, by its State; none for no node.
    images: BTreeMap<&'static str, BTreeSet<Option<String>>>,
    /// The least and the most alerts there may be that were not acknowledged.
    alerts: (usize, usize),
    /// The images whose Image Ready Alert may have been acknowledged since they were delivered.
    heard: BTreeSet<&'static str>,
    /// By VM: the VMID, the configuration before a change and the one asked for.
    change: BTreeMap<&'static str, (String, String, String)>,
    /// What was said to come of the change.
    changed: Option<bool>,
    /// What may be told to have failed and is not durable, for as long as the process lives.
    unkept: Unkept,
}

/// What the journal did not take: to this process it has failed, to the next one nobody was told.
#[derive(Clone, Default, Debug)]
struct Unkept {
    /// Whether there was anything.
    any: bool,
    /// What each VM may be then.
    vms: BTreeMap<&'static str, BTreeSet<Option<VmState>>>,
    /// The change of resources.
    change: bool,
}

/// A device under way.
struct Rig {
    world: World,
    device: Device,
    flights: Flights,
    asked: BTreeMap<JobId, Asked>,
    /// The jobs whose Exec still waits for its Status.
    waiting: BTreeSet<JobId>,
    /// How the jobs were done that the client has not heard of.
    done: BTreeMap<JobId, String>,
    told: Told,
    is_up: bool,
    /// Whether the client asked which machines there are, in vain.
    is_blind: bool,
    /// Whether the machines may not have said who gets at them.
    is_unsure: bool,
    /// Whether the journal said at the start which identifiers were given out.
    has_counted: bool,
    /// The commit the journal does not take.
    full: Option<usize>,
}

/// What is wrong.
type Wrong = String;

fn leaf(vm: &str, name: &str) -> String {
    format!("./VirMO/{vm}/{name}")
}

/// Whether the Image Ready Alert of an image is among these.
fn is_told_ready(image: &str, alerts: &[String]) -> bool {
    let node = format!("./VMImgMO/{image}/");
    let is_it = |alert: &String| alert.contains("imageready") && alert.contains(&node);
    alerts.iter().any(is_it)
}

fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.alert_type = Some("com.example.result".to_owned());
    policy.downloads.retry.retries = 0;
    policy
}

const WANTED: &str = "RAM=1&Storage=1&CPU=50&Network=1";

impl Rig {
    fn new(world: World, disk: Disk, told: Told) -> Self {
        let mut device = Device::off(policy(), disk);
        if world.locks {
            device.profile = Profile::Draft;
            device.bench.guarded.store(true, Ordering::SeqCst);
        }
        *device.journal.leaky.lock().unwrap() = world.leaky;
        device.bench.lazy.store(world.lazy, Ordering::SeqCst);
        device.journal.lying.store(world.lying, Ordering::SeqCst);
        Self {
            world,
            device,
            flights: Flights::default(),
            asked: BTreeMap::new(),
            waiting: BTreeSet::new(),
            done: BTreeMap::new(),
            told,
            is_up: false,
            is_blind: false,
            is_unsure: false,
            has_counted: false,
            full: None,
        }
    }

    fn vm(&self, vm: &str) -> Option<VmState> {
        self.device.state(vm)
    }

    fn image(&self, image: &str) -> Option<String> {
        self.device.get(&format!("./VMImgMO/{image}/State"))
    }

    fn alerts(&self) -> Vec<String> {
        let mut alerts = Vec::new();
        let mut visit = |_: &[u8], alert: &[u8]| {
            alerts.push(String::from_utf8_lossy(alert).into_owned());
        };
        self.device.journal.scan(Space::ALERTS, &mut visit).unwrap();
        alerts
    }

    fn kill(&mut self) {
        self.device.stop();
        self.flights.0.clear();
        (self.asked, self.waiting, self.done) = Default::default();
        (self.is_up, self.is_blind, self.is_unsure) = (false, false, false);
        let unkept = std::mem::take(&mut self.told.unkept);
        self.told.changed.take_if(|_| unkept.change);
    }
}

/// All the states exploring begins with.
const FIRST: [Option<VmState>; 5] = [
    None,
    Some(VmState::NotCreated),
    Some(VmState::PoweredOff),
    Some(VmState::Running),
    Some(VmState::Suspended),
];

#[expect(clippy::print_stdout, reason = "the figures are wanted")]
fn lives(name: &str, world: World, first: &[Option<VmState>], depth: usize) -> Explored<Step> {
    let first = first.iter().map(|state| Life::first(world, *state));
    let explored = explore(first.collect(), depth);
    println!("{name}: {explored}");
    explored
}

/// So deep as is done in some seconds, or as the environment says.
fn all_is_well(name: &str, world: World, depth: usize) {
    let depth = match std::env::var("LIFECYCLE_DEPTH") {
        Ok(text) => text.parse().expect("LIFECYCLE_DEPTH is a number"),
        Err(_) => depth,
    };
    let explored = lives(name, world, &FIRST, depth);
    assert!(explored.violation.is_none(), "{explored}");
}

/// One VM: every primitive, its node too, with two troubles on each way.
#[test]
fn one_vm() {
    all_is_well("one VM", World::ONE, 3);
}

/// One VM and its image, which comes and goes.
#[test]
fn a_vm_and_its_image() {
    all_is_well("a VM and its image", World::IMAGE, 2);
}

/// Two images that come and go, and are downloaded at the same time.
#[test]
fn two_images() {
    all_is_well("two images", World::IMAGES, 2);
}

/// One VM that is locked and unlocked meanwhile.
#[cfg(feature = "draft")]
#[test]
fn a_locked_vm() {
    all_is_well("a VM that is locked", World::LOCKED, 2);
}

/// Two VMs, whose primitives and whose change of resources get into each other's way.
#[test]
fn two_vms() {
    all_is_well("two VMs", World::TWO, 2);
}

/// Whatever goes to this space is lost, or what is removed from it stays.
fn is_put(operation: &Operation, into: Space) -> bool {
    matches!(operation, Operation::Put { space, .. } if *space == into)
}

fn is_removed(operation: &Operation, from: Space) -> bool {
    matches!(operation, Operation::Remove { space, .. } if *space == from)
}

/// Exploring finds the flaws of a client that forgets, and of a hypervisor that lies.
#[test]
fn flaws_are_found() {
    let leaky = |world: World, leaky: Leak| World {
        leaky: Some(leaky),
        ..world
    };
    let nodes = World {
        primitives: false,
        troubles: 1,
        ..World::ONE
    };
    let lazy = World {
        lazy: true,
        troubles: 0,
        ..World::ONE
    };
    let lying = World {
        lying: true,
        troubles: 1,
        ..World::ONE
    };
    let not_created = Some(VmState::NotCreated);
    let running = Some(VmState::Running);
    let no_intents = |it: &Operation| is_put(it, Space::INTENTS);
    let flaws = [
        (
            "no intent is kept",
            leaky(World::ONE, no_intents),
            not_created,
        ),
        (
            "no intent ends",
            leaky(World::ONE, |it| is_removed(it, Space::INTENTS)),
            not_created,
        ),
        (
            "no alert is kept",
            leaky(World::IMAGE, |it| is_put(it, Space::ALERTS)),
            None,
        ),
        (
            "no alert is forgotten",
            leaky(World::IMAGE, |it| is_removed(it, Space::ALERTS)),
            running,
        ),
        (
            "a commit that failed is kept all the same",
            lying,
            not_created,
        ),
        (
            "no identifier is remembered",
            leaky(nodes, |it| is_put(it, Space::IDS)),
            None,
        ),
        (
            "a change in part is forgotten",
            leaky(World::TWO, no_intents),
            running,
        ),
        ("a guest runs that is said to be suspended", lazy, running),
    ];
    for (flaw, world, first) in flaws {
        let explored = lives(flaw, world, &[first], 5);
        assert!(explored.violation.is_some(), "{flaw}");
    }
}
