//! Every state the real client can get into within so many steps: operations of a server, jobs done
//! and reported in any order, calls that fail, jobs that hang or die, crashes at every call, restarts.
//!
//! ```sh
//! LIFECYCLE_DEPTH=8 cargo test --release -p virmo-client --test it lifecycle -- --nocapture
//! ```

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
};

use omadm_core::{Journal, Operation, Space, StatusCode};
use omadm_mo::{JobEnd, JobId, Reporting};
use omadm_testkit::explore::{Explored, State, digest, explore};
use virmo_client::Policy;
use virmo_hypervisor::MachineState;
use virmo_state::VmState;

use crate::{
    bench::{Fault, Leak, MEDIA_TYPE, surviving},
    device::{Answer, Device, Disk, IMAGE},
    sequences::{Flights, primitive},
};

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
    AddImage,
    Download,
    DeleteImage,
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
    /// The process starts.
    Start,
    /// The process ends.
    Kill,
    /// The process ends in the midst of a step, at this call.
    KillIn(Box<Step>, u32),
}

/// What is explored.
#[derive(Clone, Copy, Debug)]
struct World {
    vms: &'static [&'static str],
    /// Whether primitives are asked for.
    primitives: bool,
    /// Whether the image comes and goes.
    images: bool,
    /// Whether VMs come and go as nodes.
    nodes: bool,
    /// Whether resources change.
    resources: bool,
    /// How many times something goes wrong on one way.
    troubles: u8,
    /// A flaw: what the journal does not keep.
    leaky: Option<Leak>,
    /// A flaw: guests run on that are said to be suspended.
    lazy: bool,
}

impl World {
    const ONE: Self = Self {
        vms: &["a"],
        primitives: true,
        images: false,
        nodes: true,
        resources: false,
        troubles: 2,
        leaky: None,
        lazy: false,
    };
    const IMAGE: Self = Self {
        images: true,
        nodes: false,
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
    },
    Download,
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
    /// The same of the image, by its State.
    image: BTreeSet<Option<String>>,
    /// The least and the most alerts there may be.
    alerts: (usize, usize),
    /// By VM: the VMID, the configuration before a change and the one asked for.
    change: BTreeMap<&'static str, (String, String, String)>,
    /// What was said to come of the change.
    changed: Option<bool>,
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
}

/// What is wrong.
type Wrong = String;

/// A claim that must hold.
macro_rules! claim {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err(format!($($why)+));
        }
    };
}

fn leaf(vm: &str, name: &str) -> String {
    format!("./VirMO/{vm}/{name}")
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
        let device = Device::off(policy(), disk);
        *device.journal.leaky.lock().unwrap() = world.leaky;
        device.bench.lazy.store(world.lazy, Ordering::SeqCst);
        Self {
            world,
            device,
            flights: Flights::default(),
            asked: BTreeMap::new(),
            waiting: BTreeSet::new(),
            done: BTreeMap::new(),
            told,
            is_up: false,
        }
    }

    fn vm(&self, vm: &str) -> Option<VmState> {
        self.device.state(vm)
    }

    fn image(&self) -> Option<String> {
        self.device.get("./VMImgMO/a/State")
    }

    fn alerts(&self) -> Vec<String> {
        let mut alerts = Vec::new();
        let mut visit = |_: &[u8], alert: &[u8]| {
            alerts.push(String::from_utf8_lossy(alert).into_owned());
        };
        self.device.journal.scan(Space::ALERTS, &mut visit).unwrap();
        alerts
    }

    /// What can happen now; crashes aside.
    fn steps(&self, troubles: u8) -> Vec<Step> {
        if !self.is_up {
            return vec![Step::Start];
        }
        let mut steps = Vec::new();
        for vm in self.world.vms {
            match self.vm(vm) {
                None if self.world.nodes => {
                    steps.extend([true, false].map(|running| Step::AddVm(vm, running)));
                }
                None => {}
                Some(state) => {
                    let running = self.told.running.get(vm).copied().unwrap_or(true);
                    let may = |it: &&str| state.after(primitive(it, running)).is_ok();
                    let mut operations = OPERATIONS.to_vec();
                    operations.retain(|it| self.world.primitives && may(it));
                    let operations = operations.into_iter();
                    steps.extend(operations.map(|operation| Step::Exec(vm, operation)));
                    if self.world.nodes && state == VmState::NotCreated {
                        steps.push(Step::DeleteNode(vm));
                    }
                }
            }
            let runs = |vm: &str| self.device.machine(vm) == MachineState::Running;
            if troubles > 0 && self.vm(vm).is_some() && runs(vm) {
                steps.push(Step::End(vm));
            }
        }
        if self.world.images {
            match self.image() {
                None => steps.push(Step::AddImage),
                Some(_) => steps.extend([Step::Download, Step::DeleteImage]),
            }
        }
        if self.world.resources {
            steps.push(Step::Apply);
        }
        for (at, flight) in self.flights.0.iter().enumerate() {
            let older = self.flights.0.iter().take(at);
            let is_first = older
                .filter(|older| older.lane == flight.lane)
                .all(|older| older.work.is_none());
            if flight.work.is_some() && is_first {
                steps.push(Step::Work(at));
            }
            if flight.output.is_some() {
                steps.push(Step::Report(at));
            }
            if self.waiting.contains(&flight.id) {
                steps.push(Step::Accept(at));
            }
            if troubles > 0 && !flight.timed_out {
                steps.push(Step::TimeOut(at));
                if flight.work.is_some() {
                    steps.push(Step::Lose(at));
                }
            }
        }
        if self.device.watch.is_some() && !self.told.ended.is_empty() {
            steps.push(Step::Look);
        }
        if troubles > 0 {
            steps.push(Step::Kill);
        }
        steps
    }

    /// The Exec behind a job was answered.
    fn answered(&mut self, job: JobId, status: StatusCode) -> Result<(), Wrong> {
        self.waiting.remove(&job);
        match self.asked.remove(&job) {
            None => {}
            Some(Asked::Vm {
                vm,
                from,
                to,
                operation,
            }) => {
                let gone = |state| (state != VmState::Deleted).then_some(state);
                let no_return = matches!(operation, "Resume" | "PowerOff" | "Delete");
                let mut may = BTreeSet::from([gone(match status.is_success() {
                    true => to,
                    false => from,
                })]);
                if !status.is_success() && no_return {
                    may.insert(gone(to));
                }
                if self.told.ended.contains(vm) {
                    may.insert(Some(VmState::PoweredOff));
                }
                self.told.vms.insert(vm, may);
            }
            Some(Asked::Download) if status.is_success() => {
                claim!(self.image().as_deref() == Some("2"), "delivered, but not");
                self.told.image = [Some("2".to_owned())].into();
            }
            Some(Asked::Download) => {}
            Some(Asked::Apply) => self.told.changed = Some(status.is_success()),
        }
        Ok(())
    }

    fn perform(&mut self, step: &Step) -> Result<(), Wrong> {
        match step {
            Step::AddVm(vm, running) => {
                self.told.running.insert(vm, *running);
                self.told
                    .vms
                    .insert(vm, [None, Some(VmState::NotCreated)].into());
                claim!(
                    self.device.add(&format!("./VirMO/{vm}")) == StatusCode::OK,
                    "no {vm}"
                );
                self.told.vms.insert(vm, [Some(VmState::NotCreated)].into());
                let id = self.device.get(&leaf(vm, "VMID")).unwrap();
                claim!(self.told.ids.insert(id.clone()), "{id} is given out twice");
                if let Some(image) = self.device.get("./VMImgMO/a/ImgID") {
                    self.device.add_leaf(
                        &leaf(vm, "CreateParams"),
                        &format!("ImgID={image}&Running={running}"),
                    );
                }
            }
            Step::DeleteNode(vm) => {
                let before = self.told.vms.get(vm).cloned().unwrap_or_default();
                self.told.vms.entry(vm).or_default().insert(None);
                match self.device.delete(&format!("./VirMO/{vm}")) {
                    StatusCode::OK => _ = self.told.vms.insert(vm, [None].into()),
                    _ => _ = self.told.vms.insert(vm, before),
                }
            }
            Step::Exec(vm, operation) => self.exec(vm, operation),
            Step::AddImage => {
                self.told.image = [None, Some("0".to_owned())].into();
                claim!(self.device.add("./VMImgMO/a") == StatusCode::OK, "no image");
                self.told.image = [Some("0".to_owned())].into();
                let id = self.device.get("./VMImgMO/a/ImgID").unwrap();
                claim!(self.told.ids.insert(id.clone()), "{id} is given out twice");
                self.device.add_leaf("./VMImgMO/a/DownloadURI", IMAGE);
                self.device.add_leaf("./VMImgMO/a/MediaType", MEDIA_TYPE);
            }
            Step::Download => {
                let before = (self.told.image.clone(), self.told.alerts);
                self.told
                    .image
                    .extend(["2", "3"].map(|state| Some(state.to_owned())));
                self.told.alerts.1 += 1;
                match self.device.begin("./VMImgMO/a/Operations/Download", None) {
                    Answer::Pending(job, Reporting::Asynchronous) => {
                        self.told.alerts.0 += 1;
                        self.asked.insert(job, Asked::Download);
                    }
                    Answer::Pending(..) => return Err("a download is answered late".to_owned()),
                    Answer::Done(_) => (self.told.image, self.told.alerts) = before,
                }
            }
            Step::DeleteImage => {
                let before = self.told.image.clone();
                self.told.image.insert(None);
                match self.device.delete("./VMImgMO/a") {
                    StatusCode::OK => self.told.image = [None].into(),
                    _ => self.told.image = before,
                }
            }
            Step::Apply => {
                let before = (self.told.change.clone(), self.told.changed);
                self.told.changed = None;
                for vm in self.world.vms {
                    let read =
                        |name: &str| self.device.get(&leaf(vm, name)).filter(|it| !it.is_empty());
                    let wanted = read("Resources/NewConfig");
                    let created = self.vm(vm).is_some_and(VmState::is_created);
                    if let (Some(wanted), true) = (wanted, created) {
                        let current = read("Resources/CurrentConfig").unwrap();
                        let id = read("VMID").unwrap();
                        self.told.change.insert(vm, (id, current, wanted));
                    }
                }
                match self.device.begin("./VirMO/Operations/ApplyChanges", None) {
                    Answer::Pending(job, _) => {
                        self.asked.insert(job, Asked::Apply);
                        self.waiting.insert(job);
                    }
                    Answer::Done(_) => (self.told.change, self.told.changed) = before,
                }
            }
            Step::Work(at) => self.work(*at, None),
            Step::WorkWith(at, call, fault) => self.work(*at, Some((*call, *fault))),
            Step::Report(at) => {
                let flight = self.flights.0.remove(*at);
                let output = flight.output.unwrap();
                let end = match flight.timed_out {
                    true => JobEnd::Late(output),
                    false => JobEnd::Finished(output),
                };
                let status = self.device.complete(flight.id, end);
                if !flight.timed_out {
                    self.answered(flight.id, status)?;
                }
            }
            Step::Accept(at) => {
                let job = self.flights.0[*at].id;
                self.told.alerts.1 += 1;
                self.device.accept(job);
                self.told.alerts.0 += 1;
                self.waiting.remove(&job);
            }
            Step::TimeOut(at) => {
                let flight = &mut self.flights.0[*at];
                flight.timed_out = true;
                let job = flight.id;
                self.device.complete(job, JobEnd::TimedOut);
                if !matches!(self.asked.get(&job), Some(Asked::Download)) {
                    self.answered(job, StatusCode::COMMAND_FAILED)?;
                } else {
                    // A download has as long as it takes.
                    self.flights.0[*at].timed_out = false;
                }
            }
            Step::Lose(at) => {
                let flight = self.flights.0.remove(*at);
                self.device.complete(flight.id, JobEnd::Lost);
                self.answered(flight.id, StatusCode::COMMAND_FAILED)?;
            }
            Step::End(vm) => {
                let id = self.device.id(vm);
                self.device
                    .bench
                    .change(&id, MachineState::Off { crashed: true });
                self.told.ended.insert(vm);
                self.told
                    .vms
                    .entry(vm)
                    .or_default()
                    .insert(Some(VmState::PoweredOff));
            }
            Step::Look => self.device.look_only(),
            Step::Start => {
                self.device.boot();
                self.is_up = true;
            }
            Step::Kill => self.kill(),
            Step::KillIn(step, at) => {
                self.device.trip.arm(*at);
                let done = surviving(|| self.perform(step));
                self.device.trip.disarm();
                claim!(done.is_none(), "no call {at} in {step:?}");
                self.kill();
            }
        }
        self.flights.board(&mut self.device);
        self.rest()
    }

    fn exec(&mut self, vm: &'static str, operation: &'static str) {
        let from = self.vm(vm).expect("it is there");
        let running = self.told.running.get(vm).copied().unwrap_or(true);
        let to = from
            .after(primitive(operation, running))
            .expect("it applies");
        let before = self.told.vms.get(vm).cloned().unwrap_or_default();
        let gone = |state| (state != VmState::Deleted).then_some(state);
        self.told
            .vms
            .entry(vm)
            .or_default()
            .extend([gone(from), gone(to)]);
        match self
            .device
            .begin(&leaf(vm, &format!("Operations/{operation}")), None)
        {
            Answer::Pending(job, _) => {
                let asked = Asked::Vm {
                    vm,
                    from,
                    to,
                    operation,
                };
                self.asked.insert(job, asked);
                self.waiting.insert(job);
            }
            Answer::Done(_) => _ = self.told.vms.insert(vm, before),
        }
    }

    fn work(&mut self, at: usize, wrong: Option<(usize, Fault)>) {
        let flight = &self.flights.0[at];
        // What comes back is not to be looked at, but it depends on nothing else.
        let from = digest(&format!("{:?}", self.device.bench.machines()));
        let how = format!("{wrong:?} {} {from}", flight.timed_out);
        self.done.insert(flight.id, how);
        if let Some((call, fault)) = wrong {
            self.device.bench.fault(call, fault);
        }
        self.flights.work(at);
        self.device.bench.no_faults();
    }

    /// All that what happens from now on depends on.
    fn key(&self, troubles: u8) -> u128 {
        let mut text = format!("{troubles} {} {:?}\n", self.is_up, self.told);
        text.push_str(&self.device.dump());
        for name in [
            "intents",
            "alerts",
            "downloads",
            "bootstraps",
            "ids",
            "machines",
            "images",
        ] {
            let mut visit = |key: &[u8], value: &[u8]| {
                // The runs are counted.
                if key != b"virmo/run" {
                    _ = writeln!(text, "{name} {key:?} {value:?}");
                }
            };
            self.device
                .journal
                .scan(Space::new(name), &mut visit)
                .unwrap();
        }
        let disk = self.device.disk();
        _ = writeln!(text, "{:?} {:?}", disk.machines, disk.files);
        for flight in &self.flights.0 {
            _ = writeln!(
                text,
                "{:?} {} {} {} {:?} {:?} {}",
                flight.id,
                flight.lane,
                flight.work.is_some(),
                flight.timed_out,
                self.done.get(&flight.id),
                self.asked.get(&flight.id),
                self.waiting.contains(&flight.id)
            );
        }
        text.push_str(&self.device.mind());
        digest(&renumbered(&text))
    }

    fn kill(&mut self) {
        self.device.stop();
        self.flights.0.clear();
        (self.asked, self.waiting, self.done) = Default::default();
        self.is_up = false;
    }

    /// Where nothing is under way, everything is as it may be, and stays so.
    fn rest(&mut self) -> Result<(), Wrong> {
        let open = self.device.journal.count(Space::INTENTS);
        if !self.is_up || !self.flights.0.is_empty() || open > 0 {
            return Ok(());
        }
        for vm in self.world.vms {
            let state = self.vm(vm);
            let may = self.told.vms.entry(vm).or_default();
            claim!(may.contains(&state), "{vm} is {state:?}, not of {may:?}");
            let machine = state.map(|_| self.device.machine(vm));
            let is_true = machine.is_none_or(|it| it.vm_state() == state);
            if is_true {
                *may = [state].into();
                self.told.ended.remove(vm);
            }
        }
        let image = self.image();
        let may = &mut self.told.image;
        claim!(
            may.contains(&image),
            "the image is {image:?}, not of {may:?}"
        );
        *may = [image].into();
        self.whole_or_not()?;
        self.told.change.clear();
        self.told.changed = None;
        let (least, most) = self.told.alerts;
        let alerts = self.alerts().len();
        claim!(
            (least..=most).contains(&alerts),
            "{alerts} alerts, not {least} to {most}"
        );
        self.told.alerts = (alerts, alerts);
        Ok(())
    }

    fn whole_or_not(&self) -> Result<(), Wrong> {
        let mut done = BTreeSet::new();
        for (vm, (id, before, wanted)) in &self.told.change {
            if self.device.get(&leaf(vm, "VMID")).as_ref() != Some(id) || before == wanted {
                continue;
            }
            let current = self.device.get(&leaf(vm, "Resources/CurrentConfig"));
            let current = current.unwrap_or_default();
            if !self.vm(vm).is_some_and(VmState::is_created) {
                continue;
            }
            claim!(
                current == *before || current == *wanted,
                "{vm} has {current}"
            );
            done.insert(current == *wanted);
        }
        claim!(done.len() < 2, "a change in part");
        let said = self.told.changed;
        claim!(
            said.is_none_or(|it| !done.contains(&!it)),
            "a change is not what was said: {said:?}"
        );
        Ok(())
    }

    /// The process ends here and starts again: all is in order then.
    fn recover(&mut self) -> Result<(), Wrong> {
        self.kill();
        self.device.restart();
        self.is_up = true;
        self.device.check();
        self.rest()?;
        let alerts = self.alerts();
        let ready = |alert: &String| alert.contains("imageready");
        let is_ready = self.image().as_deref() == Some("2");
        claim!(
            !is_ready || alerts.iter().any(ready),
            "nobody is told of the image"
        );
        Ok(())
    }
}

/// A text in which jobs have numbers in the order they come in, and the run has none.
fn renumbered(text: &str) -> String {
    let mut numbers = BTreeMap::new();
    let mut pieces = text.split("JobId(");
    let mut result = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (number, rest) = piece.split_once(')').expect("a number in brackets");
        let next = numbers.len();
        let number = numbers.entry(number).or_insert(next);
        _ = write!(result, "JobId({number}){rest}");
    }
    match result.rsplit_once("run: ") {
        Some((before, after)) => {
            let after = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
            [before, after].concat()
        }
        None => result,
    }
}

/// A state: the way to it from the last start of the process, and what was on the disk then.
#[derive(Clone)]
struct Life {
    world: World,
    disk: Arc<Disk>,
    told: Arc<Told>,
    since: Vec<Step>,
    troubles: u8,
    /// What can happen, crashes and faults aside.
    steps: Vec<Step>,
    key: u128,
}

impl Life {
    /// Where exploring begins: with the image, and every VM in the same state; or with nothing.
    fn first(world: World, state: Option<VmState>) -> Self {
        let mut device = Device::with_policy(policy());
        let mut told = Told::default();
        if state.is_some() {
            device.deliver("a");
            told.ids.insert(device.get("./VMImgMO/a/ImgID").unwrap());
        }
        for vm in world.vms {
            let Some(state) = state else { continue };
            device.add_vm(vm, "a", "");
            told.ids.insert(device.get(&leaf(vm, "VMID")).unwrap());
            device.bring(vm, state);
            if world.resources {
                device.add_leaf(&leaf(vm, "Resources/NewConfig"), WANTED);
            }
        }
        for vm in world.vms {
            told.vms.insert(vm, [device.state(vm)].into());
        }
        told.image = [device.get("./VMImgMO/a/State")].into();
        let mut rig = Rig::new(world, device.disk(), told);
        rig.told.alerts = (rig.alerts().len(), rig.alerts().len());
        let mut life = Self {
            world,
            disk: Arc::default(),
            told: Arc::default(),
            since: Vec::new(),
            troubles: world.troubles,
            steps: Vec::new(),
            key: 0,
        }
        .after(rig, None, 0);
        // It starts, and does what a start brings with it.
        while let Some(step) = life.due() {
            life = life.take(&step, 0).0.expect("a good start");
        }
        life
    }

    /// What a device does by itself, the oldest first.
    fn due(&self) -> Option<Step> {
        let own = |step: &&Step| matches!(step, Step::Start | Step::Work(0) | Step::Report(0));
        self.steps.iter().find(own).cloned()
    }

    /// The device as it is now.
    fn rig(&self) -> Rig {
        let told = Told::clone(&self.told);
        let mut rig = Rig::new(self.world, Disk::clone(&self.disk), told);
        for step in &self.since {
            rig.perform(step).expect("it went well before");
        }
        rig
    }

    /// The state of a device after a step from here.
    fn after(&self, rig: Rig, step: Option<Step>, cost: u8) -> Self {
        let mut after = self.clone();
        after.troubles -= cost;
        if rig.is_up {
            after.since.extend(step);
        } else {
            after.since.clear();
            after.disk = Arc::new(rig.device.disk());
            after.told = Arc::new(rig.told.clone());
        }
        after.steps = rig.steps(after.troubles);
        after.key = rig.key(after.troubles);
        after
    }

    /// Takes a step, with the number of calls that could be its last, and of those to the hypervisor.
    fn take(&self, step: &Step, cost: u8) -> (Result<Self, Wrong>, u32, usize) {
        let mut rig = self.rig();
        let calls = rig.device.bench.calls();
        if !matches!(step, Step::KillIn(..)) {
            rig.device.trip.arm(u32::MAX);
        }
        let result = caught(|| rig.perform(step));
        let ticks = rig.device.trip.left().map_or(0, |left| u32::MAX - left);
        rig.device.trip.disarm();
        let calls = rig.device.bench.calls() - calls;
        let after = result.map(|()| self.after(rig, Some(step.clone()), cost));
        (after, ticks, calls)
    }
}

impl State for Life {
    type Step = Step;

    fn key(&self) -> u128 {
        self.key
    }

    /// The process ends here and starts again: all is in order then.
    fn check(&self) -> Result<(), Wrong> {
        let mut rig = self.rig();
        caught(|| rig.recover())
    }

    fn next(&self) -> Vec<(Step, Result<Self, Wrong>)> {
        let mut next = Vec::new();
        for step in &self.steps {
            let wrong = matches!(
                step,
                Step::TimeOut(_) | Step::Lose(_) | Step::End(_) | Step::Kill
            );
            let (after, ticks, calls) = self.take(step, wrong.into());
            next.push((step.clone(), after));
            if wrong || self.troubles == 0 {
                continue;
            }
            let mut troubled = Vec::new();
            troubled.extend((0..ticks).map(|tick| Step::KillIn(Box::new(step.clone()), tick)));
            if let Step::Work(at) = step {
                for call in 0..calls {
                    let faults = [Fault::Nothing, Fault::Half, Fault::All];
                    troubled.extend(faults.map(|fault| Step::WorkWith(*at, call, fault)));
                }
            }
            for step in troubled {
                let (after, ..) = self.take(&step, 1);
                next.push((step, after));
            }
        }
        next
    }
}

/// What a broken assertion says is wrong too.
fn caught(work: impl FnOnce() -> Result<(), Wrong>) -> Result<(), Wrong> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let payload: &dyn Any = &*payload;
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| {
            payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
        });
        Err(text.unwrap_or_else(|| "a panic".to_owned()))
    })
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
