//! Changes of resources, in two steps.

use std::fs::File;

use serde_json::json;
use virmo_hypervisor::{
    Effect, HypervisorError, HypervisorErrorKind as Kind, MachineState, Outcome, Prepared,
    Resource, Support,
};
use virmo_params::ResourceConfig;
use virmo_state::VmId;

use super::{Look, running::is_alive};
use crate::{
    Qemu,
    machine::{Config, Record},
    qemu::{failed, unanswered},
};

impl Qemu {
    pub(super) fn prepare_machine(
        &self,
        id: &VmId,
        want: &ResourceConfig,
    ) -> Result<(Prepared, Look), HypervisorError> {
        let (mut look, state) = self.machine(id)?;
        let prepared = self.effects(&look.record, &state, want)?;
        let before = look.record.clone();
        self.ledger()
            .claim(id, want)
            .map_err(|resource| HypervisorError::new(Kind::NoSpace(resource)))?;
        let record = &mut look.record;
        record.prepared = (record.config.0 != *want).then(|| Config(want.clone()));
        if *record != before
            && let Err(error) = self.write(id, record)
        {
            self.ledger().set(id, before.claim().clone());
            return Err(error);
        }
        Ok((prepared, look))
    }

    /// When the changes take effect, if the machine allows them.
    fn effects(
        &self,
        record: &Record,
        state: &MachineState,
        want: &ResourceConfig,
    ) -> Result<Prepared, HypervisorError> {
        let has = &record.config.0;
        let changes = |resource| match resource {
            Resource::Ram => has.ram != want.ram,
            Resource::Storage => has.storage != want.storage,
            Resource::Cpu => has.cpu != want.cpu,
            Resource::Network => has.network != want.network,
        };
        let (runs, suspended) = match state {
            MachineState::Running => (true, false),
            MachineState::Suspended => (false, true),
            MachineState::Off { .. } => (false, false),
            state => return Err(HypervisorError::invalid_state(state.clone())),
        };
        for resource in Resource::ALL.into_iter().filter(|it| changes(*it)) {
            match self.capabilities.support(resource) {
                Support::None => {
                    let error = HypervisorError::new(Kind::NotSupported);
                    return Err(error.because(format!("{resource} cannot be changed")));
                }
                Support::NotRunning if runs => {
                    return Err(HypervisorError::new(Kind::CannotChangeLive(resource)));
                }
                _ if suspended && matches!(resource, Resource::Ram | Resource::Storage) => {
                    return Err(HypervisorError::invalid_state(state.clone()));
                }
                _ => {}
            }
        }
        if want.storage < has.storage {
            // The guest's data would be cut off.
            let error = HypervisorError::new(Kind::NotSupported);
            return Err(error.because("a disk does not shrink"));
        }
        Ok(Prepared::new(|resource| match (changes(resource), runs) {
            (false, _) => Effect::Unchanged,
            (true, true) => Effect::Live,
            (true, false) => Effect::Recorded,
        }))
    }

    pub(super) fn commit_machine(
        &self,
        id: &VmId,
        want: &ResourceConfig,
    ) -> Result<Outcome, HypervisorError> {
        let (mut look, _) = self.machine(id)?;
        let record = &look.record;
        if record.config.0 == *want && record.prepared.is_none() {
            return Ok(Outcome::AlreadyDone);
        }
        if record.prepared.as_ref().is_none_or(|it| it.0 != *want) {
            look = self.prepare_machine(id, want)?.1;
        }
        if look.record.prepared.is_none() {
            // Only what was prepared stood in the way.
            return Ok(Outcome::Done);
        }
        self.make_effective(id, look, want)?;
        Ok(Outcome::Done)
    }

    pub(super) fn undo_machine(
        &self,
        id: &VmId,
        before: &ResourceConfig,
    ) -> Result<Outcome, HypervisorError> {
        let (look, _) = self.machine(id)?;
        if look.record.config.0 == *before && look.record.prepared.is_none() {
            return Ok(Outcome::AlreadyDone);
        }
        self.make_effective(id, look, before)?;
        Ok(Outcome::Done)
    }

    /// Gives a machine these resources and ends what was prepared.
    fn make_effective(
        &self,
        id: &VmId,
        look: Look,
        config: &ResourceConfig,
    ) -> Result<(), HypervisorError> {
        let alive = is_alive(&look);
        let mut record = look.record;
        let disk = config.storage.get().next_multiple_of(512);
        if disk > record.disk {
            let path = self.folder(id).disk();
            if alive {
                let arguments = json!({ "node-name": "disk0", "size": disk });
                self.connect(id)?
                    .execute("block_resize", arguments)
                    .map_err(unanswered)?;
            } else {
                File::options()
                    .write(true)
                    .open(&path)
                    .and_then(|file| file.set_len(disk).and_then(|()| file.sync_all()))
                    .map_err(|error| failed("cannot resize", &path, error))?;
            }
            record.disk = disk;
        }
        if alive
            && record.config.0.cpu != config.cpu
            && let Some(groups) = &self.groups
        {
            groups
                .set(&record.uuid, config.cpu.get())
                .map_err(|error| failed("cannot limit the CPU of", &self.folder(id).0, error))?;
        }
        record.config = Config(config.clone());
        record.prepared = None;
        self.write(id, &record)?;
        self.ledger().set(id, config.clone());
        Ok(())
    }
}
