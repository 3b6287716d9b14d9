use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use omadm_core::{FileStep, FileWatch};
use virmo_hypervisor::{
    Capabilities, ChangeHint, HypervisorError, HypervisorErrorKind as Kind, Ledger,
    backend::{RECORD, failed},
};
use virmo_params::{Bytes, DeviceResources};
use virmo_state::VmId;

use crate::{
    Fault, FaultMode, Misbehaviour, Operation,
    disk::Disk,
    guest::Line,
    record::{self, DISK, END, Found, Pending, Record, State, observed},
};

/// A hypervisor of simulated machines in a folder. The crate's documentation says what it does.
#[derive(Debug)]
pub struct Simulator {
    machines: PathBuf,
    scratch: PathBuf,
    pub(crate) disk: Disk,
    pub(crate) capabilities: Capabilities,
    delay: Duration,
    faults: Mutex<Vec<Fault>>,
    gate: Mutex<Gate>,
    opened: Condvar,
    busy: Mutex<BTreeSet<VmId>>,
    ledger: Mutex<Ledger>,
    hints: Mutex<Hints>,
    guests: Mutex<BTreeMap<VmId, Line>>,
    misbehaviours: Mutex<VecDeque<Misbehaviour>>,
    /// Locked as long as it is open.
    _lock: File,
}

/// Who wants to hear that a guest ended.
#[derive(Default)]
struct Hints(Vec<ChangeHint>);

impl fmt::Debug for Hints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hints").field(&self.0.len()).finish()
    }
}

/// Where calls hang.
#[derive(Debug, Default)]
struct Gate {
    open: bool,
    waiting: usize,
}

/// How a [`Simulator`] is to be opened.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    folder: PathBuf,
    capabilities: Capabilities,
    delay: Duration,
    faults: Vec<Fault>,
    sync: bool,
    watch: FileWatch,
}

/// Why a folder could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another simulator has it open.
    #[error("{} is in use by another simulator", .0.display())]
    InUse(PathBuf),
    /// The folder cannot be read or written.
    #[error("cannot open the simulator's folder {}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Builder {
    /// What the simulator can do, and what its device has. Default: everything live, 4 GiB of RAM,
    /// 32 GiB of storage. What is not supported is refused as a back end without it does.
    pub fn capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// What the device has.
    pub fn device(mut self, device: DeviceResources) -> Self {
        self.capabilities.device = device;
        self
    }

    /// How long each call that changes a machine takes. Default: no time.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Adds a fault. Several of one operation show one after the other.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Does not wait for the disk: for a folder that need not outlive a power cut. It outlives a
    /// kill all the same.
    pub fn without_sync(mut self) -> Self {
        self.sync = false;
        self
    }

    /// Tells each change of a file before it is made, and does not make it if that fails: for tests
    /// of what a kill or a power cut leaves, at each moment at which it could leave something else.
    pub fn watch_files(
        mut self,
        watch: impl Fn(FileStep<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.watch = FileWatch::new(watch);
        self
    }

    /// Opens the folder, makes it if it is not there, and clears away what a kill left half made
    /// or half removed.
    ///
    /// # Errors
    ///
    /// If another simulator has the folder open, or it cannot be read or written.
    pub fn open(self) -> Result<Simulator, OpenError> {
        let io = |source| OpenError::Io {
            path: self.folder.clone(),
            source,
        };
        let machines = self.folder.join("machines");
        let scratch = self.folder.join("scratch");
        let disk = Disk::new(self.sync, self.watch);
        disk.make_folders(&machines).map_err(io)?;
        disk.make_folders(&scratch).map_err(io)?;
        // What is found may be of a process that was killed before it synced.
        disk.sync_folder(&scratch).map_err(io)?;
        disk.settle(&machines).map_err(io)?;
        let lock = File::create(self.folder.join("lock")).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(self.folder)),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let simulator = Simulator {
            machines,
            scratch,
            disk,
            ledger: Mutex::new(Ledger::new(self.capabilities.device.clone())),
            capabilities: self.capabilities,
            delay: self.delay,
            faults: Mutex::new(self.faults),
            gate: Mutex::default(),
            opened: Condvar::new(),
            busy: Mutex::default(),
            hints: Mutex::default(),
            guests: Mutex::default(),
            misbehaviours: Mutex::default(),
            _lock: lock,
        };
        simulator.clean().map_err(io)?;
        simulator.count().map_err(io)?;
        Ok(simulator)
    }
}

impl Simulator {
    /// Opens a folder as it is by default.
    ///
    /// # Errors
    ///
    /// As [`Builder::open`].
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, OpenError> {
        Self::builder(folder).open()
    }

    /// Begins to open a folder.
    pub fn builder(folder: impl Into<PathBuf>) -> Builder {
        let device = DeviceResources::new(Bytes::gib(4), Bytes::gib(32));
        Builder {
            folder: folder.into(),
            capabilities: Capabilities::new("simulator", device),
            delay: Duration::ZERO,
            faults: Vec::new(),
            sync: true,
            watch: FileWatch::default(),
        }
    }

    /// Lets all calls that hang answer, with an error and without another effect; those that would
    /// hang later too.
    pub fn release(&self) {
        lock(&self.gate).open = true;
        self.opened.notify_all();
    }

    /// Shows these faults from now on, instead of those it was opened with or given before.
    pub fn set_faults(&self, faults: impl IntoIterator<Item = Fault>) {
        *lock(&self.faults) = faults.into_iter().collect();
    }

    /// How many calls hang.
    #[must_use]
    pub fn hanging(&self) -> usize {
        lock(&self.gate).waiting
    }

    /// How often the guest of a running or suspended machine was resumed since it was booted.
    ///
    /// # Errors
    ///
    /// `NotFound`, `InvalidState` if it is off, or a fault of the folder.
    pub fn counter(&self, id: &VmId) -> Result<u64, HypervisorError> {
        let record = self.record(id)?;
        match record.own.state {
            State::Running | State::Suspended => Ok(record.own.counter),
            State::Off | State::Crashed => {
                Err(HypervisorError::invalid_state(record.own.machine_state()))
            }
        }
    }

    /// Ends a running guest from inside, in order or by a crash, and hints at it. From another
    /// process the file `end-guest` does the same without a hint; see the crate's documentation.
    ///
    /// # Errors
    ///
    /// `NotFound`, `InvalidState` if it does not run, `Busy`, or a fault of the folder.
    pub fn end_guest(&self, id: &VmId, crashed: bool) -> Result<(), HypervisorError> {
        self.run(None, id, |_| {
            let mut record = self.record(id)?;
            if record.own.state != State::Running {
                return Err(HypervisorError::invalid_state(record.own.machine_state()).into());
            }
            record.own.state = if crashed { State::Crashed } else { State::Off };
            record.own.pending = None;
            Ok(self.write(id, &record)?)
        })?;
        let hints = lock(&self.hints).0.clone();
        for hint in hints {
            hint();
        }
        Ok(())
    }

    /// Runs a call on a machine that no other call is running on.
    pub(crate) fn run<T>(
        &self,
        operation: Option<Operation>,
        id: &VmId,
        call: impl FnOnce(&Run<'_>) -> Result<T, Stop>,
    ) -> Result<T, HypervisorError> {
        let result = {
            let _claim = Claim::new(&self.busy, id)?;
            if !self.delay.is_zero() {
                thread::sleep(self.delay);
            }
            call(&Run {
                simulator: self,
                operation,
                begun: Cell::new(false),
            })
        };
        match result {
            Ok(value) => Ok(value),
            Err(Stop::Failed(error)) => Err(error),
            // The machine is free meanwhile: who gives up waiting can undo what was begun.
            Err(Stop::Hang) => {
                let mut gate = lock(&self.gate);
                gate.waiting += 1;
                while !gate.open {
                    gate = self
                        .opened
                        .wait(gate)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                gate.waiting -= 1;
                let kind = Kind::Timeout {
                    may_have_happened: true,
                };
                Err(HypervisorError::new(kind).because("the simulated hang was released"))
            }
        }
    }

    pub(crate) fn add_hint(&self, hint: ChangeHint) {
        lock(&self.hints).0.push(hint);
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    pub(crate) fn guests(&self) -> MutexGuard<'_, BTreeMap<VmId, Line>> {
        lock(&self.guests)
    }

    pub(crate) fn misbehaviours(&self) -> MutexGuard<'_, VecDeque<Misbehaviour>> {
        lock(&self.misbehaviours)
    }

    pub(crate) fn find(&self, id: &VmId) -> Result<Found, HypervisorError> {
        let folder = self.folder(id);
        record::find(&folder).map_err(|error| failed("cannot read", &folder, error))
    }

    /// The record of a machine that is there and not broken.
    pub(crate) fn record(&self, id: &VmId) -> Result<Record, HypervisorError> {
        match self.find(id)? {
            Found::Machine(record) => Ok(record),
            Found::Absent | Found::Foreign => Err(HypervisorError::new(Kind::NotFound)),
            broken @ Found::Broken(_) => {
                Err(HypervisorError::invalid_state(observed(broken).state))
            }
        }
    }

    pub(crate) fn write(&self, id: &VmId, record: &Record) -> Result<(), HypervisorError> {
        if matches!(record.own.state, State::Off | State::Crashed) {
            self.guests().remove(id);
        }
        self.write_into(&self.folder(id), record)
    }

    pub(crate) fn write_into(&self, folder: &Path, record: &Record) -> Result<(), HypervisorError> {
        let path = folder.join(RECORD);
        record
            .to_json()
            .and_then(|text| self.disk.replace(&path, &text))
            .and_then(|()| match record.own.state {
                // That the guest was ended is in the record now.
                State::Off | State::Crashed => self.disk.remove(&folder.join(END)),
                State::Running | State::Suspended => Ok(()),
            })
            .map_err(|error| failed("cannot write", &path, error))
    }

    /// Removes a folder in which a machine was being made or removed, and overwrites its data if
    /// that was asked for.
    pub(crate) fn remove(&self, folder: &Path) -> io::Result<()> {
        if let Ok(Found::Machine(record)) = Found::in_folder(folder)
            && record.own.pending == Some(Pending::Erase)
        {
            self.disk
                .overwrite(&folder.join(DISK), record.own.image_octets)?;
        }
        self.disk.remove(folder)
    }

    pub(crate) fn machines(&self) -> &Path {
        &self.machines
    }

    pub(crate) fn folder(&self, id: &VmId) -> PathBuf {
        self.machines.join(id.as_str())
    }

    /// Where a machine is made.
    pub(crate) fn new_folder(&self, id: &VmId) -> PathBuf {
        self.scratch.join(format!("new-{id}"))
    }

    /// Where a machine is removed.
    pub(crate) fn gone_folder(&self, id: &VmId) -> PathBuf {
        self.scratch.join(format!("gone-{id}"))
    }

    fn clean(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.scratch)? {
            self.remove(&entry?.path())?;
        }
        Ok(())
    }

    fn count(&self) -> io::Result<()> {
        let mut ledger = self.ledger();
        for entry in fs::read_dir(&self.machines)? {
            let entry = entry?;
            if let Some(id) = id_of(&entry)
                && let Found::Machine(record) = Found::in_folder(&entry.path())?
            {
                self.disk.sync_folder(&entry.path())?;
                ledger.set(&id, record.claim().clone());
            }
        }
        Ok(())
    }
}

/// The machine a folder is named after.
pub(crate) fn id_of(entry: &fs::DirEntry) -> Option<VmId> {
    entry.file_name().to_str()?.parse().ok()
}

/// A call on its way.
pub(crate) struct Run<'a> {
    simulator: &'a Simulator,
    pub(crate) operation: Option<Operation>,
    begun: Cell<bool>,
}

/// Why a call ended early.
pub(crate) enum Stop {
    Failed(HypervisorError),
    Hang,
}

impl From<HypervisorError> for Stop {
    fn from(error: HypervisorError) -> Self {
        Self::Failed(error)
    }
}

impl Run<'_> {
    /// Says that the call had a durable effect; the first is where a fault shows.
    pub(crate) fn effect(&self) -> Result<(), Stop> {
        if self.begun.replace(true) {
            return Ok(());
        }
        let mut faults = lock(&self.simulator.faults);
        let position = faults
            .iter()
            .position(|fault| Some(fault.operation) == self.operation);
        let Some(fault) = position.map(|position| faults.remove(position)) else {
            return Ok(());
        };
        match fault.mode {
            FaultMode::Fail => {
                let error = HypervisorError::new(Kind::Backend);
                Err(Stop::Failed(error.because(format!("simulated {fault}"))))
            }
            FaultMode::Hang => Err(Stop::Hang),
            FaultMode::Crash => std::process::abort(),
        }
    }
}

/// A machine while a call runs on it.
struct Claim<'a> {
    busy: &'a Mutex<BTreeSet<VmId>>,
    id: VmId,
}

impl<'a> Claim<'a> {
    fn new(busy: &'a Mutex<BTreeSet<VmId>>, id: &VmId) -> Result<Self, HypervisorError> {
        if lock(busy).insert(id.clone()) {
            Ok(Self {
                busy,
                id: id.clone(),
            })
        } else {
            Err(HypervisorError::new(Kind::Busy))
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        lock(self.busy).remove(&self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is under our locks is whole at every moment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use virmo_hypervisor::{Erase, Hypervisor, MachineState, VmSpec};

    use super::*;

    #[test]
    fn a_machine_is_busy_while_a_call_runs_and_can_be_observed() {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        fs::write(&image, "an image").unwrap();
        let simulator = Simulator::builder(dir.path().join("simulator"))
            .without_sync()
            .open()
            .unwrap();
        let resources = "RAM=1&Storage=10&CPU=1&Network=1";
        let make = |id: &str| {
            let (id, resources) = (id.parse().unwrap(), resources.parse().unwrap());
            let spec = VmSpec::new(id, &image, "application/octet-stream", resources);
            simulator.create(&spec).map(|_| spec.id)
        };
        let id = make("vm-1").unwrap();
        let during = |_: &Run<'_>| {
            for call in [
                simulator.power_on(&id),
                simulator.suspend(&id),
                simulator.delete(&id, Erase::Discard),
                make("vm-1").map(|_| unreachable!()),
            ] {
                assert_eq!(call.unwrap_err().kind(), &Kind::Busy);
            }
            assert_eq!(
                simulator.observe(&id)?.state,
                MachineState::Off { crashed: false }
            );
            assert_eq!(simulator.list()?.len(), 1);
            make("vm-2")?;
            Ok(())
        };
        simulator.run(None, &id, during).unwrap();
        assert!(simulator.power_on(&id).is_ok());
    }
}
