//! The calls of the contract.

mod channel;
mod resources;
mod running;
mod switches;

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use virmo_hypervisor::{
    Capabilities, Erase, GuestChannel, Hypervisor, HypervisorError, HypervisorErrorKind as Kind,
    InputLock, Listed, Machine, MachineState, Observed, Outcome, Peripherals, PowerOff, Prepared,
    Resource, VmSpec,
    backend::{copy_disk, failed, open_disk_image, overwrite, remove, rename},
};
use virmo_params::ResourceConfig;
use virmo_state::VmId;

use crate::{
    Network, Qemu,
    machine::{Folder, Found, Own, Pending, Record},
    process::{self, Living},
    qemu::{lock, unanswered},
    qmp::{Qmp, QmpError},
};

/// What a machine is found to be: its record, and what its process does.
pub(crate) struct Look {
    pub(crate) record: Record,
    pub(crate) life: Life,
}

/// What the process of a machine does.
pub(crate) enum Life {
    /// There is none.
    Dead,
    /// It is there, and its guest is this, in QEMU's word.
    Alive(String),
}

impl Hypervisor for Qemu {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn list(&self) -> Result<Vec<Listed>, HypervisorError> {
        let machines = self.machines();
        let unreadable = |error| failed("cannot read", &machines, error);
        let mut listed = Vec::new();
        for (id, folder) in self.folders().map_err(unreadable)? {
            let name = folder.0.file_name().unwrap_or_default().to_string_lossy();
            match (folder.read().map_err(unreadable)?, id) {
                (Found::Absent, _) => {}
                (Found::Machine(_) | Found::Broken(_), Some(id)) => {
                    let observed = self.observe(&id)?;
                    listed.push(Listed::new(Machine::Owned(id), observed));
                }
                (_, _) => listed.push(Listed::new(
                    Machine::Foreign(name.into_owned()),
                    MachineState::Off { crashed: false }.into(),
                )),
            }
        }
        Ok(listed)
    }

    fn observe(&self, id: &VmId) -> Result<Observed, HypervisorError> {
        let folder = self.folder(id);
        match self.found(id)? {
            Found::Absent | Found::Foreign => Ok(Observed::absent()),
            Found::Broken(reason) => Ok(MachineState::Broken(reason).into()),
            Found::Machine(record) => {
                let look = self.look(id, record)?;
                let state = state(&folder, &look)?;
                Ok(Observed::new(state, look.record.config))
            }
        }
    }

    fn create(&self, spec: &VmSpec) -> Result<Outcome, HypervisorError> {
        let turns = self.turns(&spec.id);
        let _turn = lock(&turns.call);
        match self.found(&spec.id)? {
            Found::Absent => {}
            Found::Foreign => {
                let error = HypervisorError::new(Kind::Backend);
                return Err(error.because("a machine of others has this name"));
            }
            _ => {
                return match self.observe(&spec.id)?.state {
                    MachineState::Off { .. } => Ok(Outcome::AlreadyDone),
                    state => Err(HypervisorError::invalid_state(state)),
                };
            }
        }
        self.ledger()
            .claim(&spec.id, &spec.resources)
            .map_err(|resource| HypervisorError::new(Kind::NoSpace(resource)))?;
        let made = self.make(spec);
        if made.is_err() {
            self.ledger().release(&spec.id);
        }
        made.map(|()| Outcome::Done)
    }

    fn power_on(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        let turns = self.turns(id);
        let _turn = lock(&turns.call);
        self.boot(id)
    }

    fn power_off(&self, id: &VmId, how: PowerOff) -> Result<Outcome, HypervisorError> {
        let turns = self.turns(id);
        let _turn = lock(&turns.call);
        self.stop(id, how)
    }

    fn suspend(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        let turns = self.turns(id);
        let _turn = lock(&turns.call);
        self.save(id)
    }

    fn resume(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        let turns = self.turns(id);
        let _turn = lock(&turns.call);
        self.go_on(id)
    }

    fn delete(&self, id: &VmId, erase: Erase) -> Result<Outcome, HypervisorError> {
        let turns = self.turns(id);
        let _turn = lock(&turns.call);
        let folder = self.folder(id);
        let outcome = match self.found(id)? {
            Found::Absent | Found::Foreign => Outcome::AlreadyDone,
            found @ (Found::Broken(_) | Found::Machine(_)) => {
                self.end(&folder)?;
                if let Found::Machine(record) = &found {
                    self.release_host(record);
                }
                if erase == Erase::Overwrite {
                    let saved = [folder.saved(), folder.saving(), folder.consumed()];
                    let own = [folder.disk(), folder.bootstrap(), folder.console()];
                    for path in own.into_iter().chain(saved) {
                        overwrite(&path)
                            .map_err(|error| failed("cannot overwrite", &path, error))?;
                    }
                }
                let gone = self.gone_folder(id);
                remove(&gone)
                    .and_then(|()| rename(&folder.0, &gone))
                    .map_err(|error| failed("cannot remove", &folder.0, error))?;
                self.steps.step();
                self.ledger().release(id);
                Outcome::Done
            }
        };
        for path in [self.gone_folder(id), self.new_folder(id).0] {
            remove(&path).map_err(|error| failed("cannot remove", &path, error))?;
            self.steps.step();
        }
        self.forget_turns(id);
        Ok(outcome)
    }

    fn prepare(&self, id: &VmId, want: &ResourceConfig) -> Result<Prepared, HypervisorError> {
        let turns = self.turns(id);
        let _turn = lock(&turns.call);
        self.prepare_machine(id, want)
    }

    fn commit(&self, id: &VmId, want: &ResourceConfig) -> Result<Outcome, HypervisorError> {
        let turns = self.turns(id);
        let _turn = lock(&turns.call);
        self.commit_machine(id, want)
    }

    fn undo(&self, id: &VmId, before: &ResourceConfig) -> Result<Outcome, HypervisorError> {
        let turns = self.turns(id);
        let _turn = lock(&turns.call);
        self.undo_machine(id, before)
    }

    fn guest_channel(&self) -> Option<&dyn GuestChannel> {
        Some(self)
    }

    fn peripherals(&self) -> Option<&dyn Peripherals> {
        let any = self.network.is_some() || !self.usb.is_empty();
        any.then_some(self as &dyn Peripherals)
    }

    fn input_lock(&self) -> Option<&dyn InputLock> {
        Some(self)
    }
}

impl Qemu {
    pub(crate) fn found(&self, id: &VmId) -> Result<Found, HypervisorError> {
        let folder = self.folder(id);
        folder
            .read()
            .map_err(|error| failed("cannot read", &folder.0, error))
    }

    /// The machine and what its process does.
    pub(crate) fn machine(&self, id: &VmId) -> Result<(Look, MachineState), HypervisorError> {
        match self.found(id)? {
            Found::Absent | Found::Foreign => Err(HypervisorError::new(Kind::NotFound)),
            Found::Broken(reason) => {
                Err(HypervisorError::invalid_state(MachineState::Broken(reason)))
            }
            Found::Machine(record) => {
                let look = self.look(id, record)?;
                let state = state(&self.folder(id), &look)?;
                Ok((look, state))
            }
        }
    }

    /// Asks the process of a machine, by the socket that is for that.
    fn look(&self, id: &VmId, record: Record) -> Result<Look, HypervisorError> {
        let folder = self.folder(id);
        let turns = self.turns(id);
        let _turn = lock(&turns.look);
        let alive =
            || process::alive(&folder).map_err(|error| failed("cannot read", &folder.pid(), error));
        if alive()?.is_none() {
            return Ok(Look {
                record,
                life: Life::Dead,
            });
        }
        let status = Qmp::connect(&folder.look(), self.patience).and_then(|mut qmp| {
            let uuid = qmp.uuid()?;
            Ok((uuid, qmp.status()?))
        });
        match status {
            Ok((uuid, _)) if uuid != record.own.uuid => {
                let error = HypervisorError::new(Kind::Backend);
                Err(error.because(format!(
                    "the QEMU at {} is another machine's",
                    folder.0.display()
                )))
            }
            Ok((_, status)) => Ok(Look {
                record,
                life: Life::Alive(status),
            }),
            // It ended while it was asked.
            Err(QmpError::Broken(_)) if alive()?.is_none() => Ok(Look {
                record,
                life: Life::Dead,
            }),
            Err(QmpError::Silent) => Err(HypervisorError::new(Kind::Timeout {
                may_have_happened: false,
            })
            .because("QEMU does not answer")),
            Err(error) => Err(unanswered(error)),
        }
    }

    pub(crate) fn write(&self, id: &VmId, record: &Record) -> Result<(), HypervisorError> {
        let folder = self.folder(id);
        folder
            .write(record)
            .map_err(|error| failed("cannot write the record in", &folder.0, error))?;
        self.steps.step();
        Ok(())
    }

    /// Gives back what a machine that does not run has of the host beside its folder.
    pub(crate) fn release_host(&self, record: &Record) {
        // What stays limits nobody, and goes when the machine does.
        if let Some(groups) = &self.groups {
            _ = groups.remove(&record.own.uuid);
        }
        if record.own.devices.network {
            _ = Network::disconnect(&record.own.uuid);
        }
    }

    /// Ends the process of a machine, if there is one.
    pub(crate) fn end(&self, folder: &Folder) -> Result<(), HypervisorError> {
        let unreadable = |error| failed("cannot end the QEMU in", &folder.0, error);
        let Some(living) = Living::find(folder).map_err(unreadable)? else {
            return Ok(());
        };
        let asked = Qmp::connect(
            &folder.qmp(),
            self.patience.min(std::time::Duration::from_secs(2)),
        )
        .and_then(|mut qmp| qmp.execute("quit", serde_json::json!({})));
        let grace = match asked {
            Ok(_) | Err(QmpError::Broken(_)) => self.patience,
            Err(_) => std::time::Duration::ZERO,
        };
        if living.wait(grace).map_err(unreadable)?
            || living.kill(self.patience).map_err(unreadable)?
        {
            self.steps.step();
            return Ok(());
        }
        Err(HypervisorError::new(Kind::Timeout {
            may_have_happened: true,
        })
        .because("QEMU does not end"))
    }

    /// Makes the folder of a machine aside and moves it to its place.
    fn make(&self, spec: &VmSpec) -> Result<(), HypervisorError> {
        let folder = self.new_folder(&spec.id);
        let place = self.folder(&spec.id);
        let made = self.fill(&folder, spec).and_then(|()| {
            self.steps.step();
            rename(&folder.0, &place.0).map_err(|error| failed("cannot make", &place.0, error))
        });
        if made.is_err() {
            // The error that matters is the first.
            _ = remove(&folder.0);
        }
        self.steps.step();
        made
    }

    fn fill(&self, folder: &Folder, spec: &VmSpec) -> Result<(), HypervisorError> {
        let mut image = open_disk_image(&spec.image)?;
        let io = |error| failed("cannot make", &folder.0, error);
        let len = image.metadata().map_err(io)?.len();
        let storage = spec.resources.storage.get();
        if len > storage {
            let detail = format!("the image alone has {len} octets");
            return Err(HypervisorError::new(Kind::NoSpace(Resource::Storage)).because(detail));
        }
        remove(&folder.0)
            .and_then(|()| fs::create_dir(&folder.0))
            .map_err(io)?;
        // QEMU takes whole sectors.
        let disk = storage.next_multiple_of(512);
        self.steps.step();
        copy_disk(&mut image, &folder.disk(), disk).map_err(io)?;
        self.steps.step();
        if let Some(bootstrap) = &spec.bootstrap {
            write_secret(&folder.bootstrap(), bootstrap.expose()).map_err(io)?;
        }
        let uuid = uuid().map_err(io)?;
        let own = Own::new(uuid, disk);
        let record = Record::new(spec.description.clone(), spec.resources.clone(), own);
        folder.write(&record).map_err(io)
    }
}

/// Writes what only the owner may read.
fn write_secret(path: &Path, secret: &[u8]) -> std::io::Result<()> {
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(secret)?;
    file.sync_all()
}

/// A random UUID.
fn uuid() -> std::io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/uuid").map(|text| text.trim().to_owned())
}

/// What a machine is, by its record, its files and its process.
pub(crate) fn state(folder: &Folder, look: &Look) -> Result<MachineState, HypervisorError> {
    let is_there = |path: std::path::PathBuf| {
        path.try_exists()
            .map_err(|error| failed("cannot read", &path, error))
    };
    Ok(match &look.life {
        Life::Alive(status) => match status.as_str() {
            "running" => MachineState::Running,
            "internal-error" | "io-error" | "guest-panicked" => {
                MachineState::Broken(format!("QEMU says {status}"))
            }
            _ => MachineState::Unsettled,
        },
        Life::Dead if is_there(folder.saved())? => MachineState::Suspended,
        Life::Dead => MachineState::Off {
            crashed: look.record.own.running && look.record.own.pending != Some(Pending::PowerOff),
        },
    })
}
