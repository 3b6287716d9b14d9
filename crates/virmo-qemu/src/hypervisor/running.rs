//! Booting, ending, suspending and going on.

use std::{
    collections::BTreeSet,
    fs::File,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use serde_json::json;
use virmo_hypervisor::{
    HypervisorError, HypervisorErrorKind as Kind, MachineState, Outcome, PowerOff,
    backend::{failed, remove, rename, wait_for},
};
use virmo_state::VmId;

use super::{Life, Look};
use crate::{
    Qemu,
    devices::Devices,
    machine::{Folder, Pending, Record},
    process::{self, Living, Start},
    qemu::{not_started, unanswered},
    qmp::{Qmp, QmpError},
};

/// How long a saved execution may take to be written or read: a disk can be slow.
const TRANSFER: Duration = Duration::from_secs(600);
/// How long a guest has to end before the power button is pressed again.
const BUTTON: Duration = Duration::from_secs(1);
const MIB: u64 = 1 << 20;

impl Qemu {
    pub(super) fn boot(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        let (look, state) = self.machine(id)?;
        let (folder, mut record) = (self.folder(id), look.record);
        match state {
            MachineState::Off { .. } => {}
            MachineState::Running => {
                self.settle(id, &mut record, true)?;
                return Ok(Outcome::AlreadyDone);
            }
            // The guest was not booted yet.
            MachineState::Unsettled if record.own.pending == Some(Pending::PowerOn) => {
                self.end(&folder)?;
            }
            state => return Err(HypervisorError::invalid_state(state)),
        }
        for stale in [folder.saving(), folder.consumed()] {
            remove(&stale).map_err(|error| failed("cannot remove", &stale, error))?;
        }
        record.own.pending = Some(Pending::PowerOn);
        record.own.running = false;
        record.own.devices = self.devices(&record);
        self.write(id, &record)?;
        self.start(id, &record, Start::Boot)?;
        let booted = self.enter(id, &mut record);
        if booted.is_err() {
            self.end(&folder)?;
            self.release_host(&record);
        }
        booted?;
        self.settle(id, &mut record, true)?;
        Ok(Outcome::Done)
    }

    /// Lets a guest that was just made ready run.
    fn enter(&self, id: &VmId, record: &mut Record) -> Result<(), HypervisorError> {
        let mut qmp = self.connect(id)?;
        self.set_up(id, record, &mut qmp)?;
        record.own.running = true;
        self.write(id, record)?;
        qmp.execute("cont", json!({})).map_err(unanswered)?;
        self.steps.step();
        Ok(())
    }

    pub(super) fn stop(&self, id: &VmId, how: PowerOff) -> Result<Outcome, HypervisorError> {
        let (look, state) = self.machine(id)?;
        let (folder, mut record) = (self.folder(id), look.record);
        match (&state, record.own.pending) {
            (MachineState::Off { .. }, _) => {
                self.settle(id, &mut record, false)?;
                return Ok(Outcome::AlreadyDone);
            }
            (MachineState::Running | MachineState::Broken(_), _)
            | (MachineState::Unsettled, None | Some(Pending::PowerOn | Pending::PowerOff)) => {}
            _ => return Err(HypervisorError::invalid_state(state)),
        }
        // A saved execution of the past would be taken for one of now.
        for stale in [folder.saved(), folder.saving(), folder.consumed()] {
            remove(&stale).map_err(|error| failed("cannot remove", &stale, error))?;
        }
        let before = record.own.pending;
        record.own.pending = Some(Pending::PowerOff);
        self.write(id, &record)?;
        match how {
            PowerOff::Force => self.end(&folder)?,
            PowerOff::Graceful { timeout } => {
                let ended = self.ask_to_end(id, &folder, timeout)?;
                if !ended {
                    record.own.pending = before;
                    self.write(id, &record)?;
                    let timeout = HypervisorError::new(Kind::Timeout {
                        may_have_happened: true,
                    });
                    return Err(timeout.because("the guest was asked and did not end"));
                }
            }
        }
        self.settle(id, &mut record, false)?;
        self.release_host(&record);
        Ok(Outcome::Done)
    }

    /// Presses the power button until the guest has ended or its time is over: a guest that is
    /// still booting does not hear it. Whether it ended.
    fn ask_to_end(
        &self,
        id: &VmId,
        folder: &Folder,
        timeout: Duration,
    ) -> Result<bool, HypervisorError> {
        let deadline = Instant::now() + timeout;
        let unreadable = |error| failed("cannot read", &folder.pid(), error);
        let Some(living) = Living::find(folder).map_err(unreadable)? else {
            return Ok(true);
        };
        let mut qmp = self.connect(id)?;
        loop {
            match qmp.execute("system_powerdown", json!({})) {
                Ok(_) => self.steps.step(),
                // It may have just ended.
                Err(QmpError::Broken(_)) => {}
                Err(error) => return Err(unanswered(error)),
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            let ended = living.wait(rest.min(BUTTON)).map_err(unreadable)?;
            if ended || Instant::now() >= deadline {
                return Ok(ended);
            }
        }
    }

    pub(super) fn save(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        let (look, state) = self.machine(id)?;
        let (folder, mut record) = (self.folder(id), look.record);
        match (&state, record.own.pending) {
            (MachineState::Running, _)
            | (MachineState::Unsettled, None | Some(Pending::Suspend)) => {}
            (MachineState::Suspended, _) => {
                self.settle(id, &mut record, false)?;
                return Ok(Outcome::AlreadyDone);
            }
            (MachineState::Unsettled, Some(Pending::Resume)) => {
                if is_there(&folder.saved())? {
                    // The guest does not run yet, and its execution is still the saved one.
                    self.end(&folder)?;
                    self.settle(id, &mut record, false)?;
                    return Ok(Outcome::Done);
                }
            }
            _ => return Err(HypervisorError::invalid_state(state)),
        }
        let mut qmp = self.connect(id)?;
        let devices = &mut record.own.devices;
        devices.plugged = devices.plugged_now(&mut qmp).map_err(unanswered)?;
        record.own.pending = Some(Pending::Suspend);
        self.write(id, &record)?;
        let status = qmp.status().map_err(unanswered)?;
        let is_saved = status == "postmigrate" && is_there(&folder.saved())?;
        if !is_saved {
            // What is there belongs to an execution that went on.
            let stale = folder.saved();
            remove(&stale).map_err(|error| failed("cannot remove", &stale, error))?;
            if let Err(error) = self.save_execution(&folder, &mut qmp, &status) {
                return Err(self.put_back(id, &mut record, &mut qmp, error));
            }
        }
        drop(qmp);
        self.end(&folder)?;
        self.settle(id, &mut record, false)?;
        self.release_host(&record);
        Ok(Outcome::Done)
    }

    /// Writes the guest's execution to its file, durably, and gives that its name.
    fn save_execution(
        &self,
        folder: &Folder,
        qmp: &mut Qmp,
        status: &str,
    ) -> Result<(), HypervisorError> {
        let path = folder.saving();
        let io = |error| failed("cannot write", &path, error);
        if status == "running" {
            qmp.execute("stop", json!({})).map_err(unanswered)?;
            self.steps.step();
        }
        let migration = qmp.migration().map_err(unanswered)?;
        let is_under_way = matches!(migration.as_str(), "setup" | "active" | "device")
            || status == "postmigrate" && is_there(&path)?;
        if !is_under_way {
            if status == "postmigrate" {
                // QEMU saves an execution once; after that it has to go on first.
                qmp.execute("cont", json!({})).map_err(unanswered)?;
                qmp.execute("stop", json!({})).map_err(unanswered)?;
            }
            let file = File::create(&path).map_err(io)?;
            self.steps.step();
            qmp.execute_with("getfd", json!({ "fdname": "state" }), Some(file.as_fd()))
                .map_err(unanswered)?;
            qmp.execute("migrate", json!({ "uri": "fd:state" }))
                .map_err(unanswered)?;
            self.steps.step();
        }
        let mut last = String::new();
        let ended = wait_for(TRANSFER, || {
            last = qmp.migration().map_err(unanswered)?;
            Ok::<_, HypervisorError>(!matches!(last.as_str(), "setup" | "active" | "device"))
        })?;
        if !ended || last != "completed" {
            let error = HypervisorError::new(Kind::Backend);
            return Err(error.because(format!("saving the execution ended as {last}")));
        }
        self.steps.step();
        File::open(&path)
            .and_then(|file| file.sync_all())
            .map_err(io)?;
        rename(&path, &folder.saved()).map_err(io)?;
        self.steps.step();
        Ok(())
    }

    /// Lets the guest go on that could not be saved; the answer is what is to be told.
    fn put_back(
        &self,
        id: &VmId,
        record: &mut Record,
        qmp: &mut Qmp,
        error: HypervisorError,
    ) -> HypervisorError {
        let folder = self.folder(id);
        // Where this fails too, the machine is unsettled, and says so.
        let put_back = qmp
            .execute("migrate_cancel", json!({}))
            .and_then(|_| qmp.execute("cont", json!({})));
        if put_back.is_ok() && remove(&folder.saving()).is_ok() {
            _ = self.settle(id, record, true);
        }
        error
    }

    pub(super) fn go_on(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        let (look, state) = self.machine(id)?;
        let (folder, mut record) = (self.folder(id), look.record);
        match (&state, record.own.pending) {
            (MachineState::Suspended, _) => {}
            (MachineState::Running, _) => {
                self.drop_consumed(&folder)?;
                self.settle(id, &mut record, true)?;
                return Ok(Outcome::AlreadyDone);
            }
            (MachineState::Unsettled, Some(Pending::Resume)) => {
                if is_there(&folder.saved())? {
                    self.end(&folder)?;
                } else {
                    return self.release(id, &folder, &mut record);
                }
            }
            // The guest is still in memory.
            (MachineState::Unsettled, None | Some(Pending::Suspend)) => {
                return self.release(id, &folder, &mut record);
            }
            _ => return Err(HypervisorError::invalid_state(state)),
        }
        record.own.pending = Some(Pending::Resume);
        record.own.running = false;
        self.write(id, &record)?;
        self.start(id, &record, Start::Incoming)?;
        let loaded = self.load(&folder).and_then(|mut qmp| {
            self.set_up(id, &record, &mut qmp)?;
            Ok(qmp)
        });
        let mut qmp = match loaded {
            Ok(qmp) => qmp,
            Err(error) => {
                // The saved execution is as good as it was.
                self.end(&folder)?;
                self.release_host(&record);
                self.settle(id, &mut record, false)?;
                return Err(error);
            }
        };
        record.own.running = true;
        self.write(id, &record)?;
        // From here on the guest may have changed its disk, and what was saved does not fit it.
        rename(&folder.saved(), &folder.consumed())
            .map_err(|error| failed("cannot rename", &folder.saved(), error))?;
        self.steps.step();
        qmp.execute("cont", json!({})).map_err(unanswered)?;
        self.steps.step();
        self.drop_consumed(&folder)?;
        self.settle(id, &mut record, true)?;
        Ok(Outcome::Done)
    }

    fn load(&self, folder: &Folder) -> Result<Qmp, HypervisorError> {
        let path = folder.saved();
        let file = File::open(&path).map_err(|error| failed("cannot read", &path, error))?;
        let mut qmp = Qmp::connect(&folder.qmp(), self.patience).map_err(unanswered)?;
        qmp.execute_with("getfd", json!({ "fdname": "state" }), Some(file.as_fd()))
            .map_err(unanswered)?;
        qmp.execute("migrate-incoming", json!({ "uri": "fd:state" }))
            .map_err(unanswered)?;
        self.steps.step();
        let broken = |_| {
            HypervisorError::new(Kind::Backend)
                .because("QEMU cannot go on from the saved execution; power on would lose it")
        };
        let loaded = wait_for(TRANSFER, || {
            let status = qmp.status().map_err(broken)?;
            Ok::<_, HypervisorError>(status != "inmigrate")
        })?;
        match loaded {
            true => Ok(qmp),
            false => Err(HypervisorError::new(Kind::Timeout {
                may_have_happened: false,
            })),
        }
    }

    /// Lets a stopped guest go on that is in memory.
    fn release(
        &self,
        id: &VmId,
        folder: &Folder,
        record: &mut Record,
    ) -> Result<Outcome, HypervisorError> {
        let mut qmp = self.connect(id)?;
        if matches!(
            qmp.migration().map_err(unanswered)?.as_str(),
            "setup" | "active" | "device"
        ) {
            qmp.execute("migrate_cancel", json!({}))
                .map_err(unanswered)?;
            let ended = wait_for(self.patience, || {
                let now = qmp.migration().map_err(unanswered)?;
                Ok::<_, HypervisorError>(!matches!(
                    now.as_str(),
                    "setup" | "active" | "device" | "cancelling"
                ))
            })?;
            if !ended {
                return Err(HypervisorError::new(Kind::Timeout {
                    may_have_happened: true,
                }));
            }
        }
        // Before the guest moves: what is saved fits its disk no longer.
        for stale in [folder.saved(), folder.saving()] {
            remove(&stale).map_err(|error| failed("cannot remove", &stale, error))?;
        }
        record.own.running = true;
        self.write(id, record)?;
        let own = &record.own;
        own.devices
            .settle(&mut qmp, &own.switches())
            .map_err(unanswered)?;
        qmp.execute("cont", json!({})).map_err(unanswered)?;
        self.steps.step();
        self.drop_consumed(folder)?;
        self.settle(id, record, true)?;
        Ok(Outcome::Done)
    }

    fn drop_consumed(&self, folder: &Folder) -> Result<(), HypervisorError> {
        let consumed = folder.consumed();
        remove(&consumed).map_err(|error| failed("cannot remove", &consumed, error))?;
        self.steps.step();
        Ok(())
    }

    fn start(&self, id: &VmId, record: &Record, start: Start) -> Result<(), HypervisorError> {
        if record.own.devices.network {
            let Some(network) = &self.network else {
                let error = HypervisorError::new(Kind::Backend);
                return Err(error.because("the machine goes on only with a network"));
            };
            network
                .connect(&record.own.uuid, record.config.network.get())
                .map_err(|error| {
                    self.release_host(record);
                    failed("cannot connect", &self.folder(id).0, error)
                })?;
        }
        process::start(self, &self.folder(id), id.as_str(), record, start).map_err(|error| {
            self.release_host(record);
            not_started(error)
        })?;
        self.steps.step();
        Ok(())
    }

    /// What a machine is to be booted with.
    fn devices(&self, record: &Record) -> Devices {
        Devices {
            ram: record.config.ram.get().div_ceil(MIB).max(1),
            channel: self.channel,
            network: self.network.is_some(),
            usb: self.usb.clone(),
            plugged: BTreeSet::new(),
        }
    }

    /// Gives a guest that does not run yet its share of the host, and its peripherals.
    fn set_up(&self, id: &VmId, record: &Record, qmp: &mut Qmp) -> Result<(), HypervisorError> {
        self.limit(id, record, qmp)?;
        let own = &record.own;
        own.devices.settle(qmp, &own.switches()).map_err(unanswered)
    }

    pub(super) fn connect(&self, id: &VmId) -> Result<Qmp, HypervisorError> {
        Qmp::connect(&self.folder(id).qmp(), self.patience).map_err(unanswered)
    }

    /// Gives the guest its share of the CPU.
    fn limit(&self, id: &VmId, record: &Record, qmp: &mut Qmp) -> Result<(), HypervisorError> {
        let Some(groups) = &self.groups else {
            return Ok(());
        };
        let folder = self.folder(id);
        let io = |error| failed("cannot limit the CPU of", &folder.0, error);
        let Some(pid) = process::alive(&folder).map_err(io)? else {
            return Err(HypervisorError::new(Kind::Backend).because("QEMU ended"));
        };
        let pid = u64::try_from(pid.as_raw_nonzero().get()).unwrap_or_default();
        let threads = qmp.cpu_threads().map_err(unanswered)?;
        let percent = record.config.cpu.get();
        groups
            .limit(&record.own.uuid, percent, pid, &threads)
            .map_err(io)
    }

    /// Writes down that no call is under way.
    fn settle(&self, id: &VmId, record: &mut Record, running: bool) -> Result<(), HypervisorError> {
        if record.own.pending.is_none() && record.own.running == running {
            return Ok(());
        }
        record.own.pending = None;
        record.own.running = running;
        self.write(id, record)
    }
}

/// What a machine's process runs, if there is one.
pub(super) const fn is_alive(look: &Look) -> bool {
    matches!(look.life, Life::Alive(_))
}

fn is_there(path: &std::path::Path) -> Result<bool, HypervisorError> {
    path.try_exists()
        .map_err(|error| failed("cannot read", path, error))
}
