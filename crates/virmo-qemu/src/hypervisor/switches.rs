//! Peripherals and the lock of the input: switched from outside, whatever the guest does.

use serde_json::{Value, json};
use virmo_hypervisor::{
    HypervisorError, HypervisorErrorKind as Kind, InputLock, MachineState, Outcome, Peripheral,
    Peripherals,
};
use virmo_state::VmId;

use super::Life;
use crate::{
    Qemu,
    devices::NETWORK,
    machine::{Found, Record},
    qemu::{lock, unanswered},
};

impl Peripherals for Qemu {
    fn list(&self, id: &VmId) -> Result<Vec<Peripheral>, HypervisorError> {
        let record = self.record(id)?;
        let all = self.peripheral_names();
        let list = all.map(|name| Peripheral::new(name, !record.own.disabled.contains(name)));
        Ok(list.collect())
    }

    fn set_enabled(
        &self,
        id: &VmId,
        peripheral: &str,
        enabled: bool,
    ) -> Result<Outcome, HypervisorError> {
        if !self.peripheral_names().any(|name| name == peripheral) {
            let error = HypervisorError::new(Kind::NotSupported);
            return Err(error.because(format!("machines have no {peripheral}")));
        }
        self.switch(id, |record| {
            let disabled = &mut record.own.disabled;
            match enabled {
                true => disabled.remove(peripheral),
                false => disabled.insert(peripheral.to_owned()),
            }
        })
    }
}

impl InputLock for Qemu {
    fn set_locked(&self, id: &VmId, locked: bool) -> Result<Outcome, HypervisorError> {
        self.switch(id, |record| {
            std::mem::replace(&mut record.own.locked, locked) != locked
        })
    }

    fn is_locked(&self, id: &VmId) -> Result<bool, HypervisorError> {
        Ok(self.record(id)?.own.locked)
    }
}

impl Qemu {
    fn peripheral_names(&self) -> impl Iterator<Item = &str> {
        let network = self.network.as_ref().map(|_| NETWORK);
        network
            .into_iter()
            .chain(self.usb.iter().map(|(name, _)| name.as_str()))
    }

    fn record(&self, id: &VmId) -> Result<Record, HypervisorError> {
        match self.found(id)? {
            Found::Absent | Found::Foreign => Err(HypervisorError::new(Kind::NotFound)),
            Found::Broken(reason) => {
                Err(HypervisorError::invalid_state(MachineState::Broken(reason)))
            }
            Found::Machine(record) => Ok(record),
        }
    }

    /// Changes what is written down of a machine, then the machine. Done twice, as a kill between the
    /// two leaves a machine that is not what is written down.
    fn switch(
        &self,
        id: &VmId,
        change: impl FnOnce(&mut Record) -> bool,
    ) -> Result<Outcome, HypervisorError> {
        let turns = self.turns(id);
        let _turn = lock(&turns.call);
        let (mut look, _) = self.machine(id)?;
        let changed = change(&mut look.record);
        if changed {
            self.write(id, &look.record)?;
        }
        if matches!(look.life, Life::Alive(_)) {
            let own = &look.record.own;
            let mut qmp = self.connect(id)?;
            own.devices
                .settle(&mut qmp, &own.switches())
                .map_err(unanswered)?;
            let backend = self.console_backend(id, own.locked);
            let arguments = json!({ "id": "console", "backend": backend });
            qmp.execute("chardev-change", arguments)
                .map_err(unanswered)?;
            self.steps.step();
        }
        Ok(match changed {
            true => Outcome::Done,
            false => Outcome::AlreadyDone,
        })
    }

    /// What the guest's first serial port is connected to: a socket unless it is locked, and a log
    /// if there is one.
    fn console_backend(&self, id: &VmId, locked: bool) -> Value {
        let folder = self.folder(id);
        let log = self.log_console.then(|| folder.console());
        match (locked, log) {
            (true, Some(log)) => json!({ "type": "file", "data": { "out": log, "append": true } }),
            (true, None) => json!({ "type": "null", "data": {} }),
            (false, log) => {
                let mut data = json!({
                    "addr": { "type": "unix", "data": { "path": folder.terminal() } },
                    "server": true, "wait": false,
                });
                if let (Some(log), Some(data)) = (log, data.as_object_mut()) {
                    data.insert("logfile".to_owned(), json!(log));
                    data.insert("logappend".to_owned(), true.into());
                }
                json!({ "type": "socket", "data": data })
            }
        }
    }
}
