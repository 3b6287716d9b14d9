//! Changes of resources, in two steps.

use std::{fs::File, sync::MutexGuard};

use serde_json::{Value, json};
use virmo_hypervisor::{
    Capabilities, HypervisorError, HypervisorErrorKind as Kind, Ledger, Outcome, Prepared,
    Resource,
    backend::{Change, failed, wait_for},
};
use virmo_params::ResourceConfig;
use virmo_state::VmId;

use super::running::is_alive;
use crate::{
    Qemu,
    devices::Devices,
    machine::{Own, Record},
    qemu::unanswered,
};

impl Qemu {
    pub(super) fn prepare_machine(
        &self,
        id: &VmId,
        want: &ResourceConfig,
    ) -> Result<Prepared, HypervisorError> {
        let (mut look, state) = self.machine(id)?;
        let alive = is_alive(&look);
        Changing(self, id, alive).prepare(&mut look.record, &state, want)
    }

    pub(super) fn commit_machine(
        &self,
        id: &VmId,
        want: &ResourceConfig,
    ) -> Result<Outcome, HypervisorError> {
        let (mut look, state) = self.machine(id)?;
        let alive = is_alive(&look);
        Changing(self, id, alive).commit(&mut look.record, &state, want)
    }

    pub(super) fn undo_machine(
        &self,
        id: &VmId,
        before: &ResourceConfig,
    ) -> Result<Outcome, HypervisorError> {
        let (mut look, _) = self.machine(id)?;
        let alive = is_alive(&look);
        Changing(self, id, alive).undo(&mut look.record, before)
    }
}

impl Qemu {
    /// Has the guest give memory back, or take it, until it has this much.
    fn inflate(&self, id: &VmId, octets: u64) -> Result<(), HypervisorError> {
        let mut qmp = self.connect(id)?;
        let octets = octets.next_multiple_of(PAGE);
        qmp.execute("balloon", json!({ "value": octets }))
            .map_err(unanswered)?;
        let done = wait_for(self.patience, || {
            let answer = qmp.execute("query-balloon", json!({}))?;
            Ok(answer.get("actual").and_then(Value::as_u64) == Some(octets))
        });
        match done.map_err(unanswered)? {
            true => Ok(()),
            false => Err(HypervisorError::new(Kind::CannotChangeLive(Resource::Ram))
                .because("the guest does not do what its memory balloon is told")),
        }
    }
}

/// A page of the balloon.
const PAGE: u64 = 4096;

/// A machine whose resources change, and whether its QEMU lives.
struct Changing<'a>(&'a Qemu, &'a VmId, bool);

impl Change for Changing<'_> {
    type Own = Own;
    type Error = HypervisorError;

    fn id(&self) -> &VmId {
        self.1
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.ledger()
    }

    fn allow(&self, record: &Record, want: &ResourceConfig) -> Result<(), HypervisorError> {
        let Self(qemu, id, alive) = *self;
        if want.storage < record.config.storage {
            // The guest's data would be cut off.
            let error = HypervisorError::new(Kind::NotSupported);
            return Err(error.because("a disk does not shrink"));
        }
        if !alive || want.ram == record.config.ram {
            return Ok(());
        }
        let fixed = |why: &'static str| {
            let error = HypervisorError::new(Kind::CannotChangeLive(Resource::Ram));
            Err(error.because(why))
        };
        if want.ram.get() > record.own.devices.memory() {
            return fixed("it is more than the machine was booted with");
        }
        match Devices::has_balloon(&mut qemu.connect(id)?).map_err(unanswered)? {
            true => Ok(()),
            false => fixed("the guest has no driver for the memory balloon"),
        }
    }

    fn write(&self, record: &Record) -> Result<(), HypervisorError> {
        self.0.write(self.1, record)
    }

    fn apply(&self, record: &mut Record, want: &ResourceConfig) -> Result<(), HypervisorError> {
        let Self(qemu, id, alive) = *self;
        let disk = want.storage.get().next_multiple_of(512);
        if disk > record.own.disk {
            let path = qemu.folder(id).disk();
            if alive {
                let arguments = json!({ "node-name": "disk0", "size": disk });
                qemu.connect(id)?
                    .execute("block_resize", arguments)
                    .map_err(unanswered)?;
            } else {
                File::options()
                    .write(true)
                    .open(&path)
                    .and_then(|file| file.set_len(disk).and_then(|()| file.sync_all()))
                    .map_err(|error| failed("cannot resize", &path, error))?;
            }
            record.own.disk = disk;
        }
        if alive && record.config.ram != want.ram {
            qemu.inflate(id, want.ram.get())?;
        }
        if alive
            && record.config.network != want.network
            && let Some(network) = &qemu.network
        {
            let percent = want.network.get();
            network.limit(&record.own.uuid, percent).map_err(|error| {
                failed("cannot limit the network of", &qemu.folder(id).0, error)
            })?;
        }
        if alive
            && record.config.cpu != want.cpu
            && let Some(groups) = &qemu.groups
        {
            groups
                .set(&record.own.uuid, want.cpu.get())
                .map_err(|error| failed("cannot limit the CPU of", &qemu.folder(id).0, error))?;
        }
        Ok(())
    }
}
