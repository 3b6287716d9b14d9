//! A hypervisor, a journal and a source of images that fail, hang or crash on request.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    fmt,
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use omadm_core::{Batch, Journal, JournalError, JournalErrorKind, MemoryJournal, Operation, Space};
use omadm_download::{
    Cancel, Clock, Content, Descriptor, DownloadKey, DownloadUri, Ending, Fetch, FetchError,
    FetchErrorKind, FetchRequest, MemorySink, Receiver, ResponseHead, Sink, SinkError,
    SinkErrorKind, Validator,
};
use virmo_hypervisor::{
    Capabilities, DataSharing, Effect, Erase, Hypervisor, HypervisorError,
    HypervisorErrorKind as Kind, InputLock, Listed, Machine, MachineState, Observed, Outcome,
    PowerOff, Prepared, Resource, VmSpec,
};
use virmo_params::{Bytes, DeviceResources, ResourceConfig};
use virmo_state::{VmId, VmState};

/// Ends the client at a chosen moment, as a power cut does.
#[derive(Default)]
pub(crate) struct Trip(Mutex<Option<u32>>);

struct Crash;

impl Trip {
    /// Crashes at the tick of this number, from 0.
    pub(crate) fn arm(&self, tick: u32) {
        *self.0.lock().unwrap() = Some(tick);
    }

    /// Ticks until the crash.
    pub(crate) fn left(&self) -> Option<u32> {
        *self.0.lock().unwrap()
    }

    /// Whether the crash is still to come.
    pub(crate) fn disarm(&self) -> bool {
        self.0.lock().unwrap().take().is_some()
    }

    fn tick(&self) {
        let mut ticks = self.0.lock().unwrap();
        match *ticks {
            Some(0) => {
                *ticks = None;
                drop(ticks);
                panic_any(Crash);
            }
            Some(left) => *ticks = Some(left - 1),
            None => {}
        }
    }
}

/// Runs something that may crash; none if it did.
pub(crate) fn surviving<R>(work: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => Some(result),
        Err(payload) if payload.is::<Crash>() => None,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

/// Keeps the expected panics of [`Trip`] out of the output.
pub(crate) fn quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.payload().is::<Crash>() {
                usual(info);
            }
        }));
    });
}

thread_local! {
    static IN_JOB: Cell<bool> = const { Cell::new(false) };
}

/// Runs a job on this thread; only there may the hypervisor, the sink and the source be used.
pub(crate) fn in_job<R>(work: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            IN_JOB.set(false);
        }
    }
    IN_JOB.set(true);
    let _leave = Leave;
    work()
}

fn assert_in_job() {
    assert!(IN_JOB.get(), "nobody blocks in a hook");
}

/// How a call of the hypervisor goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// It fails and changes nothing.
    Nothing,
    /// It fails half way.
    Half,
    /// It fails after it was done.
    All,
    /// It does not return until the gate opens.
    Hang,
    /// Its thread dies.
    Panic,
}

/// A call that leaves a machine between two states when it is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Call {
    PowerOn,
    PowerOff,
    Suspend,
    Resume,
    Delete,
}

#[derive(Clone, PartialEq, Debug)]
struct Kept {
    state: MachineState,
    cut: Option<Call>,
    resources: ResourceConfig,
    prepared: Option<ResourceConfig>,
    locked: bool,
    sharing: bool,
}

/// The machines: they outlive every client.
#[derive(Clone, Default, Debug)]
pub(crate) struct Machines {
    machines: BTreeMap<VmId, Kept>,
    /// What a failed create left behind.
    litter: BTreeSet<VmId>,
}

/// A hypervisor as the contract has it.
pub(crate) struct Bench {
    machines: Mutex<Machines>,
    pub(crate) foreign: Mutex<Vec<String>>,
    pub(crate) trip: Arc<Trip>,
    /// What happens to the calls to come, by their number.
    faults: Mutex<BTreeMap<usize, Fault>>,
    calls: AtomicUsize,
    pub(crate) log: Mutex<Vec<String>>,
    /// The bootstrap documents that machines were made with.
    pub(crate) bootstraps: Mutex<BTreeMap<VmId, Vec<u8>>>,
    gate: Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>,
    /// Answers nothing but faults.
    pub(crate) unreachable: AtomicBool,
    pub(crate) suspend: AtomicBool,
    /// Guests do not end themselves when asked.
    pub(crate) stubborn: AtomicBool,
    /// Who gets at a machine can be said.
    pub(crate) guarded: AtomicBool,
    /// Running machines keep the resources they have.
    pub(crate) rigid: AtomicBool,
    /// A flaw: guests run on that are said to be suspended.
    pub(crate) lazy: AtomicBool,
}

/// The test's end of a hanging call.
pub(crate) struct Gate {
    entered: mpsc::Receiver<()>,
    open: mpsc::Sender<()>,
}

impl Gate {
    /// Waits until the call is there.
    pub(crate) fn wait(&self) {
        self.entered.recv_timeout(Duration::from_secs(60)).unwrap();
    }

    pub(crate) fn open(self) {
        self.open.send(()).unwrap();
    }
}

impl Bench {
    pub(crate) fn new(trip: Arc<Trip>) -> Self {
        Self {
            machines: Mutex::default(),
            foreign: Mutex::default(),
            trip,
            faults: Mutex::default(),
            calls: AtomicUsize::new(0),
            log: Mutex::default(),
            bootstraps: Mutex::default(),
            gate: Mutex::default(),
            unreachable: AtomicBool::new(false),
            suspend: AtomicBool::new(true),
            stubborn: AtomicBool::new(false),
            guarded: AtomicBool::new(false),
            rigid: AtomicBool::new(false),
            lazy: AtomicBool::new(false),
        }
    }

    /// The machines as they are.
    pub(crate) fn machines(&self) -> Machines {
        self.machines.lock().unwrap().clone()
    }

    pub(crate) fn set_machines(&self, machines: Machines) {
        *self.machines.lock().unwrap() = machines;
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Lets the call of this number, counted from the next one, go wrong.
    pub(crate) fn fault(&self, call: usize, fault: Fault) {
        let number = self.calls.load(Ordering::SeqCst) + call;
        self.faults.lock().unwrap().insert(number, fault);
    }

    pub(crate) fn no_faults(&self) {
        self.faults.lock().unwrap().clear();
    }

    /// Whether every fault asked for has happened.
    pub(crate) fn faults_happened(&self) -> bool {
        self.faults.lock().unwrap().is_empty()
    }

    pub(crate) fn gate(&self) -> Gate {
        let (entered_in, entered) = mpsc::channel();
        let (open, open_out) = mpsc::channel();
        *self.gate.lock().unwrap() = Some((entered_in, open_out));
        Gate { entered, open }
    }

    /// Lets a machine be gone, and tells these resources of it nevertheless.
    pub(crate) fn lie(&self, vm: &VmId, resources: ResourceConfig) {
        let machines = &mut self.machines.lock().unwrap().machines;
        let kept = machines.get_mut(vm).expect("a machine");
        (kept.state, kept.resources) = (MachineState::Absent, resources);
    }

    /// Changes a machine behind the client's back.
    pub(crate) fn change(&self, vm: &VmId, state: MachineState) {
        let machines = &mut self.machines.lock().unwrap().machines;
        match state {
            MachineState::Absent => _ = machines.remove(vm),
            state => machines.get_mut(vm).unwrap().state = state,
        }
    }

    /// Makes a machine no client asked for.
    pub(crate) fn plant(&self, vm: &str) {
        let kept = Kept {
            state: MachineState::Off { crashed: false },
            cut: None,
            resources: "RAM=1&Storage=1&CPU=1&Network=1".parse().unwrap(),
            prepared: None,
            locked: false,
            sharing: false,
        };
        self.machines
            .lock()
            .unwrap()
            .machines
            .insert(vm.parse().unwrap(), kept);
    }

    pub(crate) fn state(&self, vm: &VmId) -> MachineState {
        let machines = self.machines.lock().unwrap();
        machines
            .machines
            .get(vm)
            .map_or(MachineState::Absent, |kept| kept.state.clone())
    }

    pub(crate) fn resources(&self, vm: &VmId) -> Option<ResourceConfig> {
        Some(
            self.machines
                .lock()
                .unwrap()
                .machines
                .get(vm)?
                .resources
                .clone(),
        )
    }

    /// Whether a machine is locked, where there is one.
    pub(crate) fn locked(&self, vm: &VmId) -> Option<bool> {
        let machines = self.machines.lock().unwrap();
        machines.machines.get(vm).map(|kept| kept.locked)
    }

    /// Every machine with its state.
    pub(crate) fn states(&self) -> BTreeMap<VmId, Option<VmState>> {
        let machines = self.machines.lock().unwrap();
        let states = machines.machines.iter();
        states
            .map(|(vm, kept)| (vm.clone(), kept.state.vm_state()))
            .collect()
    }

    /// Whether resources are reserved for a change that is over.
    pub(crate) fn has_reservations(&self) -> bool {
        let machines = self.machines.lock().unwrap();
        machines
            .machines
            .values()
            .any(|kept| kept.prepared.is_some())
    }

    /// Whether a failed create left something behind.
    pub(crate) fn has_litter(&self) -> bool {
        !self.machines.lock().unwrap().litter.is_empty()
    }

    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    /// One call: `half` and `whole` change the machines.
    fn call(
        &self,
        name: &str,
        half: impl FnOnce(&mut Machines),
        whole: impl FnOnce(&mut Machines) -> Result<Outcome, HypervisorError>,
    ) -> Result<Outcome, HypervisorError> {
        assert_in_job();
        self.log.lock().unwrap().push(name.to_owned());
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let fault = self.faults.lock().unwrap().remove(&number);
        if self.unreachable.load(Ordering::SeqCst) {
            return Err(HypervisorError::new(Kind::Backend).because("gone"));
        }
        let failed = || Err(HypervisorError::new(Kind::Backend).because("on request"));
        match fault {
            Some(Fault::Nothing) => return failed(),
            Some(Fault::Half) => {
                half(&mut self.machines.lock().unwrap());
                return failed();
            }
            Some(Fault::Hang) => {
                let (entered, open) = self.gate.lock().unwrap().take().expect("a gate");
                entered.send(()).unwrap();
                open.recv_timeout(Duration::from_secs(60)).unwrap();
            }
            Some(Fault::Panic) => panic_any(Crash),
            Some(Fault::All) | None => {}
        }
        self.trip.tick();
        // A call that does not apply has no middle to be cut in.
        let before = {
            let machines = self.machines.lock().unwrap();
            (machines.machines.clone(), machines.litter.clone())
        };
        let result = whole(&mut self.machines.lock().unwrap());
        if matches!(result, Ok(Outcome::Done)) {
            let after = {
                let mut machines = self.machines.lock().unwrap();
                let after = (machines.machines.clone(), machines.litter.clone());
                (machines.machines, machines.litter) = before;
                half(&mut machines);
                after
            };
            self.trip.tick();
            let mut machines = self.machines.lock().unwrap();
            (machines.machines, machines.litter) = after;
        }
        self.trip.tick();
        match fault {
            Some(Fault::All) => failed(),
            _ => result,
        }
    }

    /// A call on a machine that is there: `from` with its result, states it is already in, and
    /// what it may go on from when cut.
    fn change_state(
        &self,
        call: Call,
        vm: &VmId,
        from: fn(&MachineState) -> bool,
        to: MachineState,
        after_cut: &[Call],
    ) -> Result<Outcome, HypervisorError> {
        let cut = |machines: &mut Machines| {
            if let Some(kept) = machines.machines.get_mut(vm) {
                (kept.state, kept.cut) = (MachineState::Unsettled, Some(call));
            }
        };
        self.call(&format!("{call:?} {vm}"), cut, |machines| {
            let kept = machines
                .machines
                .get_mut(vm)
                .ok_or(HypervisorError::new(Kind::NotFound))?;
            let goes_on = kept
                .cut
                .is_some_and(|cut| cut == call || after_cut.contains(&cut));
            if kept.state == MachineState::Unsettled && goes_on || from(&kept.state) {
                (kept.state, kept.cut) = (to, None);
                Ok(Outcome::Done)
            } else if kept.state.vm_state().is_some() && kept.state.vm_state() == to.vm_state() {
                Ok(Outcome::AlreadyDone)
            } else {
                Err(HypervisorError::invalid_state(kept.state.clone()))
            }
        })
    }
}

impl Hypervisor for Bench {
    fn capabilities(&self) -> Capabilities {
        let device = DeviceResources::new(Bytes::gib(4), Bytes::gib(32));
        let mut capabilities = Capabilities::new("bench", device);
        capabilities.suspend = self.suspend.load(Ordering::SeqCst);
        capabilities
    }

    fn list(&self) -> Result<Vec<Listed>, HypervisorError> {
        assert_in_job();
        if self.unreachable.load(Ordering::SeqCst) {
            return Err(HypervisorError::new(Kind::Backend));
        }
        let machines = self.machines.lock().unwrap();
        let owned = machines
            .machines
            .iter()
            .map(|(vm, kept)| Listed::new(Machine::Owned(vm.clone()), kept.state.clone().into()));
        let foreign = self.foreign.lock().unwrap();
        let foreign = foreign
            .iter()
            .map(|name| Listed::new(Machine::Foreign(name.clone()), MachineState::Running.into()));
        Ok(owned.chain(foreign).collect())
    }

    fn observe(&self, vm: &VmId) -> Result<Observed, HypervisorError> {
        let mut observed = Observed::absent();
        self.call(
            &format!("Observe {vm}"),
            |_| (),
            |machines| {
                if let Some(kept) = machines.machines.get(vm) {
                    observed = Observed::new(kept.state.clone(), kept.resources.clone());
                }
                Ok(Outcome::AlreadyDone)
            },
        )?;
        Ok(observed)
    }

    fn create(&self, spec: &VmSpec) -> Result<Outcome, HypervisorError> {
        let id = spec.id.clone();
        let half = |machines: &mut Machines| _ = machines.litter.insert(id.clone());
        self.call(&format!("Create {id}"), half, |machines| {
            match machines.machines.get(&id).map(|kept| &kept.state) {
                None => {}
                Some(MachineState::Off { .. }) => return Ok(Outcome::AlreadyDone),
                Some(state) => return Err(HypervisorError::invalid_state(state.clone())),
            }
            let kept = Kept {
                state: MachineState::Off { crashed: false },
                cut: None,
                resources: spec.resources.clone(),
                prepared: None,
                locked: false,
                sharing: false,
            };
            machines.machines.insert(id.clone(), kept);
            machines.litter.remove(&id);
            if let Some(bootstrap) = &spec.bootstrap {
                let document = bootstrap.expose().to_vec();
                self.bootstraps.lock().unwrap().insert(id.clone(), document);
            }
            Ok(Outcome::Done)
        })
    }

    fn power_on(&self, vm: &VmId) -> Result<Outcome, HypervisorError> {
        let off = |state: &MachineState| matches!(state, MachineState::Off { .. });
        self.change_state(Call::PowerOn, vm, off, MachineState::Running, &[])
    }

    fn power_off(&self, vm: &VmId, how: PowerOff) -> Result<Outcome, HypervisorError> {
        if self.stubborn.load(Ordering::SeqCst) && how != PowerOff::Force {
            self.log.lock().unwrap().push("asked".to_owned());
            let may_have_happened = true;
            return Err(HypervisorError::new(Kind::Timeout { may_have_happened }));
        }
        let running = |state: &MachineState| *state == MachineState::Running;
        let off = MachineState::Off { crashed: false };
        self.change_state(Call::PowerOff, vm, running, off, &[Call::PowerOn])
    }

    fn suspend(&self, vm: &VmId) -> Result<Outcome, HypervisorError> {
        if self.lazy.load(Ordering::SeqCst) {
            return Ok(Outcome::Done);
        }
        let running = |state: &MachineState| *state == MachineState::Running;
        self.change_state(
            Call::Suspend,
            vm,
            running,
            MachineState::Suspended,
            &[Call::Resume],
        )
    }

    fn resume(&self, vm: &VmId) -> Result<Outcome, HypervisorError> {
        let suspended = |state: &MachineState| *state == MachineState::Suspended;
        self.change_state(
            Call::Resume,
            vm,
            suspended,
            MachineState::Running,
            &[Call::Suspend],
        )
    }

    fn delete(&self, vm: &VmId, _: Erase) -> Result<Outcome, HypervisorError> {
        let cut = |machines: &mut Machines| {
            if let Some(kept) = machines.machines.get_mut(vm) {
                (kept.state, kept.cut) = (MachineState::Unsettled, Some(Call::Delete));
            }
        };
        self.call(&format!("Delete {vm}"), cut, |machines| {
            let litter = machines.litter.remove(vm);
            match machines.machines.remove(vm) {
                None if !litter => Ok(Outcome::AlreadyDone),
                _ => Ok(Outcome::Done),
            }
        })
    }

    fn prepare(&self, vm: &VmId, want: &ResourceConfig) -> Result<Prepared, HypervisorError> {
        let rigid = self.rigid.load(Ordering::SeqCst);
        let reserve = |machines: &mut Machines| {
            if let Some(kept) = machines.machines.get_mut(vm) {
                kept.prepared = Some(want.clone());
            }
        };
        self.call(&format!("Prepare {vm}"), reserve, |machines| {
            may_have(machines, vm, want, rigid)?;
            reserve(machines);
            Ok(Outcome::Done)
        })?;
        Ok(Prepared::new(|_| Effect::Live))
    }

    fn commit(&self, vm: &VmId, want: &ResourceConfig) -> Result<Outcome, HypervisorError> {
        let rigid = self.rigid.load(Ordering::SeqCst);
        let in_part = |machines: &mut Machines| {
            if let Some(kept) = machines.machines.get_mut(vm) {
                kept.resources.ram = want.ram;
            }
        };
        self.call(&format!("Commit {vm}"), in_part, |machines| {
            may_have(machines, vm, want, rigid)?;
            let kept = machines.machines.get_mut(vm).expect("it is there");
            (kept.resources, kept.prepared) = (want.clone(), None);
            Ok(Outcome::Done)
        })
    }

    fn undo(&self, vm: &VmId, before: &ResourceConfig) -> Result<Outcome, HypervisorError> {
        let in_part = |machines: &mut Machines| {
            if let Some(kept) = machines.machines.get_mut(vm) {
                kept.prepared = None;
            }
        };
        self.call(&format!("Undo {vm}"), in_part, |machines| {
            let kept = machines
                .machines
                .get_mut(vm)
                .ok_or(HypervisorError::new(Kind::NotFound))?;
            (kept.resources, kept.prepared) = (before.clone(), None);
            Ok(Outcome::Done)
        })
    }

    fn input_lock(&self) -> Option<&dyn InputLock> {
        self.guarded.load(Ordering::SeqCst).then_some(self)
    }

    fn data_sharing(&self) -> Option<&dyn DataSharing> {
        self.guarded.load(Ordering::SeqCst).then_some(self)
    }
}

impl Bench {
    /// What is said of who gets at a machine.
    fn guard(
        &self,
        name: &str,
        vm: &VmId,
        change: impl FnOnce(&mut Kept) -> Outcome,
    ) -> Result<Outcome, HypervisorError> {
        let missing = HypervisorError::new(Kind::NotFound);
        self.call(
            &format!("{name} {vm}"),
            |_| (),
            |machines| Ok(change(machines.machines.get_mut(vm).ok_or(missing)?)),
        )
    }
}

fn put(field: &mut bool, value: bool) -> Outcome {
    match std::mem::replace(field, value) == value {
        true => Outcome::AlreadyDone,
        false => Outcome::Done,
    }
}

impl InputLock for Bench {
    fn set_locked(&self, vm: &VmId, locked: bool) -> Result<Outcome, HypervisorError> {
        self.guard(&format!("Lock({locked})"), vm, |kept| {
            put(&mut kept.locked, locked)
        })
    }

    fn is_locked(&self, vm: &VmId) -> Result<bool, HypervisorError> {
        let mut locked = false;
        self.guard("IsLocked", vm, |kept| {
            locked = kept.locked;
            Outcome::AlreadyDone
        })?;
        Ok(locked)
    }
}

impl DataSharing for Bench {
    fn set_allowed(&self, vm: &VmId, allowed: bool) -> Result<Outcome, HypervisorError> {
        self.guard(&format!("Share({allowed})"), vm, |kept| {
            put(&mut kept.sharing, allowed)
        })
    }

    fn is_allowed(&self, vm: &VmId) -> Result<bool, HypervisorError> {
        let mut allowed = false;
        self.guard("IsShared", vm, |kept| {
            allowed = kept.sharing;
            Outcome::AlreadyDone
        })?;
        Ok(allowed)
    }
}

/// Whether a machine can have these resources beside what the others have or have reserved.
fn may_have(
    machines: &Machines,
    vm: &VmId,
    want: &ResourceConfig,
    rigid: bool,
) -> Result<(), HypervisorError> {
    let kept = machines
        .machines
        .get(vm)
        .ok_or(HypervisorError::new(Kind::NotFound))?;
    match kept.state {
        MachineState::Running if rigid && kept.resources.ram != want.ram => {
            return Err(HypervisorError::new(Kind::CannotChangeLive(Resource::Ram)));
        }
        MachineState::Suspended if kept.resources.ram != want.ram => {
            return Err(HypervisorError::invalid_state(kept.state.clone()));
        }
        _ => {}
    }
    let others = machines.machines.iter().filter(|(id, _)| *id != vm);
    let held = others.map(|(_, kept)| kept.prepared.as_ref().unwrap_or(&kept.resources));
    let cpu: u32 = held.map(|config| u32::from(config.cpu.get())).sum();
    match cpu + u32::from(want.cpu.get()) <= 100 {
        true => Ok(()),
        false => Err(HypervisorError::new(Kind::NoSpace(Resource::Cpu))),
    }
}

/// Whether a journal with a flaw loses this.
pub(crate) type Leak = fn(&Operation) -> bool;

/// A journal that remembers its batches, and fails or crashes on request.
pub(crate) struct Recorder {
    pub(crate) kept: MemoryJournal,
    pub(crate) trip: Arc<Trip>,
    pub(crate) batches: Mutex<Vec<Batch>>,
    /// Commits until one fails; below 0 for never.
    pub(crate) fail_in: AtomicI64,
    /// How many records of downloads cannot be read.
    pub(crate) unreadable: AtomicUsize,
    /// A flaw: what is not kept.
    pub(crate) leaky: Mutex<Option<Leak>>,
    /// A flaw: what it says it did not take is kept all the same.
    pub(crate) lying: AtomicBool,
}

impl Recorder {
    pub(crate) fn new(trip: Arc<Trip>) -> Self {
        Self {
            kept: MemoryJournal::new(),
            trip,
            batches: Mutex::default(),
            fail_in: AtomicI64::new(-1),
            unreadable: AtomicUsize::new(0),
            leaky: Mutex::default(),
            lying: AtomicBool::new(false),
        }
    }

    /// Whether one batch both writes this record and holds this text in another.
    pub(crate) fn wrote_together(&self, first: &str, second: &str) -> bool {
        let holds = |batch: &Batch, text: &str| {
            batch.operations().iter().any(|operation| match operation {
                Operation::Put { value, .. } => contains(value, text.as_bytes()),
                Operation::Remove { .. } => false,
            })
        };
        let batches = self.batches.lock().unwrap();
        batches
            .iter()
            .any(|batch| holds(batch, first) && holds(batch, second))
    }

    pub(crate) fn count(&self, space: Space) -> usize {
        let mut count = 0;
        self.kept.scan(space, &mut |_, _| count += 1).unwrap();
        count
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

impl Journal for Recorder {
    fn commit(&self, batch: &Batch) -> Result<(), JournalError> {
        self.trip.tick();
        if self.fail_in.fetch_sub(1, Ordering::SeqCst) == 0 {
            if self.lying.load(Ordering::SeqCst) {
                self.kept.commit(batch)?;
            }
            return Err(JournalError::new(JournalErrorKind::Full, None));
        }
        match *self.leaky.lock().unwrap() {
            None => self.kept.commit(batch)?,
            Some(is_lost) => {
                let mut kept = Batch::new();
                for operation in batch.operations().iter().filter(|it| !is_lost(it)) {
                    match operation.clone() {
                        Operation::Put { space, key, value } => kept.put(space, key, value),
                        Operation::Remove { space, key } => kept.remove(space, key),
                    };
                }
                self.kept.commit(&kept)?;
            }
        }
        self.batches.lock().unwrap().push(batch.clone());
        self.trip.tick();
        Ok(())
    }

    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        let one_less = |left: usize| left.checked_sub(1);
        let (set, get) = (Ordering::SeqCst, Ordering::SeqCst);
        if space == Space::DOWNLOADS && self.unreadable.fetch_update(set, get, one_less).is_ok() {
            return Err(JournalError::new(JournalErrorKind::Io, None));
        }
        self.kept.read(space, key)
    }

    fn scan(&self, space: Space, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), JournalError> {
        self.kept.scan(space, visit)
    }
}

/// A sink in memory that crashes on request.
pub(crate) struct Store {
    pub(crate) kept: MemorySink,
    pub(crate) trip: Arc<Trip>,
    /// Fails to remove files.
    pub(crate) stuck: AtomicBool,
}

impl Store {
    pub(crate) fn new(trip: Arc<Trip>) -> Self {
        Self {
            kept: MemorySink::new(),
            trip,
            stuck: AtomicBool::new(false),
        }
    }

    fn call<R>(&self, call: impl FnOnce(&MemorySink) -> R) -> R {
        assert_in_job();
        self.trip.tick();
        let result = call(&self.kept);
        self.trip.tick();
        result
    }
}

impl Sink for Store {
    fn reserve(&self, key: &DownloadKey, total: Option<u64>) -> Result<(), SinkError> {
        self.call(|kept| kept.reserve(key, total))
    }

    fn len(&self, key: &DownloadKey) -> Result<Option<u64>, SinkError> {
        self.kept.len(key)
    }

    fn read_at(
        &self,
        key: &DownloadKey,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, SinkError> {
        self.kept.read_at(key, offset, buffer)
    }

    fn write_at(&self, key: &DownloadKey, offset: u64, bytes: &[u8]) -> Result<(), SinkError> {
        self.call(|kept| kept.write_at(key, offset, bytes))
    }

    fn truncate(&self, key: &DownloadKey, length: u64) -> Result<(), SinkError> {
        self.call(|kept| kept.truncate(key, length))
    }

    fn sync(&self, key: &DownloadKey) -> Result<(), SinkError> {
        self.call(|kept| kept.sync(key))
    }

    fn finish(&self, key: &DownloadKey) -> Result<String, SinkError> {
        self.call(|kept| kept.finish(key))
    }

    fn location(&self, key: &DownloadKey) -> Result<Option<String>, SinkError> {
        self.kept.location(key)
    }

    fn discard(&self, key: &DownloadKey) -> Result<(), SinkError> {
        if self.stuck.load(Ordering::SeqCst) {
            return Err(SinkErrorKind::Io.into());
        }
        self.call(|kept| kept.discard(key))
    }

    fn keys(&self) -> Result<Vec<DownloadKey>, SinkError> {
        self.kept.keys()
    }
}

/// Time nobody waits for.
pub(crate) struct NoWait;

impl Clock for NoWait {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn wait(&self, _: Duration, _: &Cancel) {}
}

/// Serves files by their URI, whole or in part, and cuts connections on request.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) files: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Bytes after which each of the next connections breaks.
    pub(crate) cuts: Mutex<Vec<usize>>,
    pub(crate) requests: Mutex<Vec<String>>,
    /// What was reported of files behind descriptors.
    pub(crate) reports: Mutex<Vec<String>>,
    /// Called once after the first chunk of the next request.
    pub(crate) interrupt: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

pub(crate) const MEDIA_TYPE: &str = "application/x-raw-disk";

impl Shelf {
    pub(crate) fn put(&self, uri: &str, bytes: &[u8]) {
        self.files
            .lock()
            .unwrap()
            .insert(uri.to_owned(), bytes.to_vec());
    }
}

impl Fetch for Shelf {
    fn fetch(
        &self,
        request: &FetchRequest<'_>,
        receiver: &mut dyn Receiver,
    ) -> Result<Ending, FetchError> {
        assert_in_job();
        let from = request
            .resume
            .map_or(0, |resume| usize::try_from(resume.from).unwrap());
        self.requests
            .lock()
            .unwrap()
            .push(format!("{}+{from}", request.uri));
        let file = self
            .files
            .lock()
            .unwrap()
            .get(request.uri.as_str())
            .cloned();
        let file = file.ok_or(FetchError::from(FetchErrorKind::Status(404)))?;
        let cut = {
            let mut cuts = self.cuts.lock().unwrap();
            if cuts.is_empty() {
                None
            } else {
                Some(cuts.remove(0))
            }
        };
        let total = Some(file.len() as u64);
        let mut head = ResponseHead::new(match from {
            0 => Content::Whole { length: total },
            _ => Content::Part {
                first: from as u64,
                total,
            },
        });
        let is_descriptor = request.uri.as_str().ends_with(".dd");
        let media_type = match is_descriptor {
            true => Descriptor::MEDIA_TYPE,
            false => MEDIA_TYPE,
        };
        head.media_type = Some(media_type.to_owned());
        head.validator = Some(Validator::new("\"1\""));
        if receiver.head(&head).is_break() {
            return Ok(Ending::Stopped);
        }
        for (number, chunk) in file[from..].chunks(10).enumerate() {
            if cut.is_some_and(|cut| number * 10 >= cut) {
                return Err(FetchErrorKind::Interrupted.into());
            }
            if receiver.chunk(chunk).is_break() || request.cancel.is_cancelled() {
                return Ok(Ending::Stopped);
            }
            if let Some(interrupt) = self.interrupt.lock().unwrap().take() {
                interrupt();
            }
        }
        Ok(Ending::Complete)
    }

    fn report(&self, uri: &DownloadUri, line: &str, _: &Cancel) -> Result<(), FetchError> {
        assert_in_job();
        self.reports.lock().unwrap().push(format!("{uri} {line}"));
        Ok(())
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").finish_non_exhaustive()
    }
}
