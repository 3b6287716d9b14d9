//! Changes of resources, in two steps.

use std::{fs::File, sync::MutexGuard};

use virmo_hypervisor::{
    Capabilities, HypervisorError, HypervisorErrorKind as Kind, Ledger, Outcome, Prepared,
    backend::{Change, failed},
};
use virmo_params::ResourceConfig;
use virmo_state::VmId;
use virt::{
    domain::{Domain, SchedBandwidth, SchedulerInfo},
    sys,
};

use super::Look;
use crate::{
    Libvirt,
    domain::{DISK, PERIOD, interface, quota},
    machine::{Own, Record},
    xml::Xml,
};

impl Libvirt {
    pub(super) fn prepare_machine(
        &self,
        id: &VmId,
        want: &ResourceConfig,
    ) -> Result<Prepared, HypervisorError> {
        let (look, state) = self.machine(id)?;
        let (change, mut record) = self.change(id, look);
        change.prepare(&mut record, &state, want)
    }

    pub(super) fn commit_machine(
        &self,
        id: &VmId,
        want: &ResourceConfig,
    ) -> Result<Outcome, HypervisorError> {
        let (look, state) = self.machine(id)?;
        let (change, mut record) = self.change(id, look);
        change.commit(&mut record, &state, want)
    }

    pub(super) fn undo_machine(
        &self,
        id: &VmId,
        before: &ResourceConfig,
    ) -> Result<Outcome, HypervisorError> {
        let (look, _) = self.machine(id)?;
        let (change, mut record) = self.change(id, look);
        change.undo(&mut record, before)
    }

    fn change<'a>(&'a self, id: &'a VmId, look: Look) -> (Changing<'a>, Record) {
        let change = Changing {
            libvirt: self,
            id,
            domain: look.domain,
            in_memory: !look.life.is_off(),
        };
        (change, look.record)
    }

    /// Gives a guest in memory its shares of CPU and network.
    pub(super) fn limit(
        &self,
        domain: &Domain,
        uuid: &str,
        config: &ResourceConfig,
    ) -> Result<(), HypervisorError> {
        let live = sys::VIR_DOMAIN_AFFECT_LIVE;
        if let Some(cpus) = self.cpus {
            let quota = quota(config.cpu.get(), cpus);
            let info = SchedulerInfo {
                vcpu_bw: SchedBandwidth {
                    period: Some(PERIOD),
                    quota: i64::try_from(quota).ok(),
                },
                ..SchedulerInfo::default()
            };
            let domain = domain.clone();
            self.line
                .call(move || domain.set_scheduler_parameters_flags(&info, live))?;
            self.steps.step();
        }
        if let Some(link) = &self.link
            && self.driver.is_qemu()
        {
            let mut xml = Xml::default();
            interface(&mut xml, uuid, link, config.network.get());
            let (domain, xml) = (domain.clone(), xml.finish());
            self.line
                .call(move || domain.update_device_flags(&xml, live))?;
            self.steps.step();
        }
        Ok(())
    }
}

/// A machine whose resources change.
struct Changing<'a> {
    libvirt: &'a Libvirt,
    id: &'a VmId,
    domain: Domain,
    in_memory: bool,
}

impl Change for Changing<'_> {
    type Own = Own;
    type Error = HypervisorError;

    fn id(&self) -> &VmId {
        self.id
    }

    fn capabilities(&self) -> &Capabilities {
        &self.libvirt.capabilities
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.libvirt.ledger()
    }

    fn allow(&self, record: &Record, want: &ResourceConfig) -> Result<(), HypervisorError> {
        if want.storage >= record.config.storage {
            return Ok(());
        }
        // The guest's data would be cut off.
        Err(HypervisorError::new(Kind::NotSupported).because("a disk does not shrink"))
    }

    fn write(&self, record: &Record) -> Result<(), HypervisorError> {
        self.libvirt.write(&self.domain, record)
    }

    fn apply(&self, record: &mut Record, want: &ResourceConfig) -> Result<(), HypervisorError> {
        let libvirt = self.libvirt;
        let disk = want.storage.get().next_multiple_of(512);
        if disk > record.own.disk {
            if self.in_memory {
                let domain = self.domain.clone();
                libvirt.line.call(move || {
                    domain.block_resize(DISK, disk, sys::VIR_DOMAIN_BLOCK_RESIZE_BYTES)
                })?;
            } else {
                let path = libvirt.folder(self.id).disk();
                File::options()
                    .write(true)
                    .open(&path)
                    .and_then(|file| file.set_len(disk).and_then(|()| file.sync_all()))
                    .map_err(|error| failed("cannot resize", &path, error))?;
            }
            libvirt.steps.step();
            record.own.disk = disk;
        }
        if self.in_memory && limits(&record.config) != limits(want) {
            libvirt.limit(&self.domain, &record.own.uuid, want)?;
        }
        libvirt.define(self.id, record, want)
    }
}

/// What can be limited of a guest that runs.
fn limits(config: &ResourceConfig) -> (u8, u8) {
    (config.cpu.get(), config.network.get())
}
