use std::{
    fs::{self, File},
    path::Path,
    sync::MutexGuard,
};

use virmo_hypervisor::{
    Capabilities, ChangeHint, DataSharing, Erase, GuestChannel, Hypervisor, HypervisorError,
    HypervisorErrorKind as Kind, InputLock, Ledger, Listed, Machine, MachineState, Observed,
    Outcome, Peripherals, PowerOff, Prepared, Resource, VmSpec,
    backend::{Change, failed},
};
use virmo_params::ResourceConfig;
use virmo_state::VmId;

use crate::{
    Operation, Simulator,
    record::{self, BOOTSTRAP, DISK, Found, Own, Pending, Record, State, observed},
    simulator::{Run, Stop, id_of},
};

impl Hypervisor for Simulator {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn list(&self) -> Result<Vec<Listed>, HypervisorError> {
        let unreadable = |error| failed("cannot read", self.machines(), error);
        let mut machines = Vec::new();
        for entry in fs::read_dir(self.machines()).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let found = record::find(&entry.path())
                .map_err(|error| failed("cannot read", &entry.path(), error))?;
            let foreign = || Machine::Foreign(entry.file_name().to_string_lossy().into_owned());
            machines.push(match (found, id_of(&entry)) {
                (Found::Absent, _) => continue,
                (found @ (Found::Machine(_) | Found::Broken(_)), Some(id)) => {
                    Listed::new(Machine::Owned(id), observed(found))
                }
                (_, _) => Listed::new(foreign(), MachineState::Off { crashed: false }.into()),
            });
        }
        Ok(machines)
    }

    fn observe(&self, id: &VmId) -> Result<Observed, HypervisorError> {
        self.find(id).map(observed)
    }

    fn create(&self, spec: &VmSpec) -> Result<Outcome, HypervisorError> {
        self.run(Some(Operation::Create), &spec.id, |run| {
            match self.find(&spec.id)? {
                Found::Absent => {}
                Found::Foreign => {
                    let error = HypervisorError::new(Kind::Backend);
                    return Err(error.because("a machine of others has this name").into());
                }
                found => {
                    return match observed(found).state {
                        MachineState::Off { .. } => Ok(Outcome::AlreadyDone),
                        state => Err(HypervisorError::invalid_state(state).into()),
                    };
                }
            }
            self.ledger()
                .claim(&spec.id, &spec.resources)
                .map_err(no_space)?;
            let made = self.make(run, spec);
            if made.is_err() {
                self.ledger().release(&spec.id);
            }
            made.map(|()| Outcome::Done)
        })
    }

    fn power_on(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        self.run(Some(Operation::PowerOn), id, |run| {
            let mut record = self.record(id)?;
            match (record.own.state, record.own.pending) {
                (State::Off | State::Crashed, _) => {}
                (State::Running, pending) if pending != Some(Pending::Suspend) => {
                    return Ok(Outcome::AlreadyDone);
                }
                (State::Running | State::Suspended, _) => return Err(refused(&record)),
            }
            self.begin(run, id, &mut record, Pending::PowerOn)?;
            record.own.counter = 0;
            self.end(id, &mut record, State::Running)
        })
    }

    fn power_off(&self, id: &VmId, how: PowerOff) -> Result<Outcome, HypervisorError> {
        self.run(Some(Operation::PowerOff), id, |run| {
            let mut record = self.record(id)?;
            match (record.own.state, record.own.pending) {
                (State::Running, _) => {}
                // The guest was not booted yet.
                (State::Off | State::Crashed, Some(Pending::PowerOn)) => {
                    return self.end(id, &mut record, State::Off);
                }
                (State::Off | State::Crashed, _) => return Ok(Outcome::AlreadyDone),
                (State::Suspended, _) => return Err(refused(&record)),
            }
            if matches!(how, PowerOff::Graceful { .. }) && !self.capabilities.graceful_power_off {
                return Err(HypervisorError::new(Kind::NotSupported).into());
            }
            self.begin(run, id, &mut record, Pending::PowerOff)?;
            self.end(id, &mut record, State::Off)
        })
    }

    fn suspend(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        self.run(Some(Operation::Suspend), id, |run| {
            self.can_suspend()?;
            let mut record = self.record(id)?;
            match (record.own.state, record.own.pending) {
                (State::Running, _) => {}
                // The guest does not run yet.
                (State::Suspended, Some(Pending::Resume)) => {
                    return self.end(id, &mut record, State::Suspended);
                }
                (State::Suspended, _) => return Ok(Outcome::AlreadyDone),
                (State::Off | State::Crashed, _) => return Err(refused(&record)),
            }
            self.begin(run, id, &mut record, Pending::Suspend)?;
            self.end(id, &mut record, State::Suspended)
        })
    }

    fn resume(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        self.run(Some(Operation::Resume), id, |run| {
            self.can_suspend()?;
            let mut record = self.record(id)?;
            match (record.own.state, record.own.pending) {
                (State::Suspended, _) => {}
                // The guest is still in memory.
                (State::Running, Some(Pending::Suspend)) => {
                    return self.end(id, &mut record, State::Running);
                }
                (State::Running, _) => return Ok(Outcome::AlreadyDone),
                (State::Off | State::Crashed, _) => return Err(refused(&record)),
            }
            self.begin(run, id, &mut record, Pending::Resume)?;
            record.own.counter += 1;
            self.end(id, &mut record, State::Running)
        })
    }

    fn delete(&self, id: &VmId, erase: Erase) -> Result<Outcome, HypervisorError> {
        self.run(Some(Operation::Delete), id, |run| {
            let found = self.find(id)?;
            let outcome = match found {
                Found::Absent | Found::Foreign => Outcome::AlreadyDone,
                Found::Broken(_) => {
                    // Nothing can be noted in a record that cannot be read.
                    if erase == Erase::Overwrite {
                        self.overwrite(&self.folder(id).join(DISK))?;
                    }
                    run.effect()?;
                    self.part(id)?;
                    Outcome::Done
                }
                Found::Machine(mut record) => {
                    let pending = match erase {
                        Erase::Discard => Pending::Delete,
                        Erase::Overwrite => Pending::Erase,
                    };
                    self.begin(run, id, &mut record, pending)?;
                    self.part(id)?;
                    Outcome::Done
                }
            };
            for folder in [self.gone_folder(id), self.new_folder(id)] {
                self.remove(&folder)
                    .map_err(|error| failed("cannot remove", &folder, error))?;
            }
            Ok(outcome)
        })
    }

    fn on_change(&self, hint: ChangeHint) {
        self.add_hint(hint);
    }

    fn prepare(&self, id: &VmId, want: &ResourceConfig) -> Result<Prepared, HypervisorError> {
        self.change(None, id, |change, record| {
            let state = record.own.machine_state();
            change.prepare(record, &state, want)
        })
    }

    fn commit(&self, id: &VmId, want: &ResourceConfig) -> Result<Outcome, HypervisorError> {
        self.change(Some(Operation::Apply), id, |change, record| {
            let state = record.own.machine_state();
            change.commit(record, &state, want)
        })
    }

    fn undo(&self, id: &VmId, before: &ResourceConfig) -> Result<Outcome, HypervisorError> {
        self.change(None, id, |change, record| change.undo(record, before))
    }

    fn peripherals(&self) -> Option<&dyn Peripherals> {
        Some(self)
    }

    fn input_lock(&self) -> Option<&dyn InputLock> {
        Some(self)
    }

    fn guest_channel(&self) -> Option<&dyn GuestChannel> {
        Some(self)
    }

    fn data_sharing(&self) -> Option<&dyn DataSharing> {
        Some(self)
    }
}

impl Simulator {
    fn change<T>(
        &self,
        operation: Option<Operation>,
        id: &VmId,
        step: impl FnOnce(&Changing<'_>, &mut Record) -> Result<T, Stop>,
    ) -> Result<T, HypervisorError> {
        self.run(operation, id, |run| {
            let simulator = self;
            step(&Changing { simulator, run, id }, &mut self.record(id)?)
        })
    }

    /// Makes the folder of a machine aside and moves it to its place.
    fn make(&self, run: &Run<'_>, spec: &VmSpec) -> Result<(), Stop> {
        let unusable = |error| HypervisorError::new(Kind::Image).caused_by(error);
        // A pipe would keep whoever opens it waiting.
        let metadata = fs::metadata(&spec.image).map_err(unusable)?;
        if !metadata.is_file() {
            let error = HypervisorError::new(Kind::Image);
            return Err(error.because("it is not a file").into());
        }
        let image = File::open(&spec.image).map_err(unusable)?;
        let own = Own::new(spec.media_type.clone(), metadata.len());
        let record = Record::new(spec.description.clone(), spec.resources.clone(), own);
        fits(&record, &spec.resources)?;

        let folder = self.new_folder(&spec.id);
        if let Err(error) = self.fill(&folder, image, spec, &record) {
            // The error that matters is the first.
            let _ = self.disk.remove(&folder);
            return Err(error.into());
        }
        run.effect()?;
        let place = self.folder(&spec.id);
        self.disk
            .rename(&folder, &place)
            .map_err(|error| failed("cannot make", &place, error).into())
    }

    fn fill(
        &self,
        folder: &Path,
        mut image: File,
        spec: &VmSpec,
        record: &Record,
    ) -> Result<(), HypervisorError> {
        let storage = record.config.storage.get();
        self.disk
            .remove(folder)
            .and_then(|()| self.disk.make_folder(folder))
            .and_then(|()| self.disk.copy(&mut image, &folder.join(DISK), storage))
            .and_then(|()| match &spec.bootstrap {
                Some(bootstrap) => {
                    let path = folder.join(BOOTSTRAP);
                    self.disk.secret(&path, bootstrap.expose())
                }
                None => Ok(()),
            })
            .map_err(|error| failed("cannot make", folder, error))?;
        // Last: it makes all names in the folder durable.
        self.write_into(folder, record)
    }

    /// Writes down that a call has begun.
    fn begin(
        &self,
        run: &Run<'_>,
        id: &VmId,
        record: &mut Record,
        pending: Pending,
    ) -> Result<(), Stop> {
        record.own.pending = Some(pending);
        self.write(id, record)?;
        run.effect()
    }

    /// Writes down that no call is under way and the machine has this state.
    fn end(&self, id: &VmId, record: &mut Record, state: State) -> Result<Outcome, Stop> {
        record.own.pending = None;
        record.own.state = state;
        self.write(id, record)?;
        Ok(Outcome::Done)
    }

    /// Takes a machine out of its place: from here on it is absent.
    fn part(&self, id: &VmId) -> Result<(), HypervisorError> {
        let (place, gone) = (self.folder(id), self.gone_folder(id));
        self.disk
            .remove(&gone)
            .and_then(|()| self.disk.rename(&place, &gone))
            .map_err(|error| failed("cannot remove", &place, error))?;
        self.ledger().release(id);
        self.guests().remove(id);
        Ok(())
    }

    fn overwrite(&self, disk: &Path) -> Result<(), HypervisorError> {
        fs::metadata(disk)
            .and_then(|metadata| self.disk.overwrite(disk, metadata.len()))
            .map_err(|error| failed("cannot overwrite", disk, error))
    }

    fn can_suspend(&self) -> Result<(), HypervisorError> {
        if self.capabilities.suspend {
            Ok(())
        } else {
            Err(HypervisorError::new(Kind::NotSupported))
        }
    }
}

/// A machine whose resources change in a call.
struct Changing<'a> {
    simulator: &'a Simulator,
    run: &'a Run<'a>,
    id: &'a VmId,
}

impl Change for Changing<'_> {
    type Own = Own;
    type Error = Stop;

    fn id(&self) -> &VmId {
        self.id
    }

    fn capabilities(&self) -> &Capabilities {
        &self.simulator.capabilities
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.simulator.ledger()
    }

    fn allow(&self, record: &Record, want: &ResourceConfig) -> Result<(), HypervisorError> {
        fits(record, want)
    }

    fn write(&self, record: &Record) -> Result<(), HypervisorError> {
        self.simulator.write(self.id, record)
    }

    fn apply(&self, record: &mut Record, want: &ResourceConfig) -> Result<(), Stop> {
        // A change is cut in its middle, what takes it back is not.
        if self.run.operation == Some(Operation::Apply) {
            record.config.ram = want.ram;
            self.write(record)?;
            self.run.effect()?;
        }
        let disk = self.simulator.folder(self.id).join(DISK);
        let len = want.storage.get().max(record.own.image_octets);
        self.simulator
            .disk
            .set_len(&disk, len)
            .map_err(|error| failed("cannot resize", &disk, error).into())
    }
}

/// Whether a machine's disk has room for its image.
fn fits(record: &Record, config: &ResourceConfig) -> Result<(), HypervisorError> {
    if record.own.image_octets <= config.storage.get() {
        return Ok(());
    }
    let detail = format!("the image alone has {} octets", record.own.image_octets);
    Err(no_space(Resource::Storage).because(detail))
}

fn no_space(resource: Resource) -> HypervisorError {
    HypervisorError::new(Kind::NoSpace(resource))
}

/// The machine's state does not allow the call.
fn refused(record: &Record) -> Stop {
    HypervisorError::invalid_state(record.own.machine_state()).into()
}
