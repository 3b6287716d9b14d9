//! The calls of the contract.

mod resources;
mod running;

use std::fs;

use virmo_hypervisor::{
    Capabilities, Erase, Hypervisor, HypervisorError, HypervisorErrorKind as Kind, Listed, Machine,
    MachineState, Observed, Outcome, PowerOff, Prepared, Resource, VmSpec,
    backend::{copy_disk, failed, open_disk_image, overwrite, remove, rename},
};
use virmo_params::ResourceConfig;
use virmo_state::VmId;
use virt::{
    domain::{Domain, DomainStateEnum, DomainStateReasonEnum},
    error::{Error, ErrorNumber},
    sys,
};

use crate::{
    Libvirt, NAMESPACE,
    domain::{Life, definition, metadata, state},
    libvirt::lock,
    machine::{Folder, Found, Own, Record, random_uuid},
    xml::text_of,
};

/// The kind of metadata that is an element.
const ELEMENT: i32 = sys::VIR_DOMAIN_METADATA_ELEMENT as i32;

/// A domain as libvirt has it.
struct Seen {
    domain: Domain,
    name: String,
    /// Our record, if there is one.
    record: Option<String>,
    state: (DomainStateEnum, DomainStateReasonEnum),
    saved: bool,
}

impl Seen {
    fn life(&self) -> Life {
        Life::of(self.state)
    }
}

/// What is known of a machine's name.
enum Sight {
    Absent,
    Foreign,
    /// Ours, and not to be used, for this reason.
    Broken(String, Option<Domain>),
    Machine(Box<Look>),
}

/// A machine.
pub(crate) struct Look {
    domain: Domain,
    record: Record,
    life: Life,
    saved: bool,
}

impl Look {
    fn state(&self) -> MachineState {
        state(&self.record, self.life, self.saved)
    }
}

impl Sight {
    fn observed(self) -> Observed {
        match self {
            Self::Absent | Self::Foreign => Observed::absent(),
            Self::Broken(reason, _) => MachineState::Broken(reason).into(),
            Self::Machine(look) => Observed::new(look.state(), look.record.config),
        }
    }
}

impl Hypervisor for Libvirt {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn list(&self) -> Result<Vec<Listed>, HypervisorError> {
        let mut listed = Vec::new();
        let domains = self.line.look(|connection| {
            let mut seen = Vec::new();
            for domain in connection.list_all_domains(0)? {
                match see(domain) {
                    Ok(domain) => seen.push(domain),
                    // It went meanwhile.
                    Err(error) if error.code().is(ErrorNumber::NoDomain) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(seen)
        })?;
        for seen in domains {
            let (name, life) = (seen.name.clone(), seen.life());
            let owned = match self.id_of(&name) {
                Some(id) => match self.known(&id, seen)? {
                    Sight::Absent | Sight::Foreign => None,
                    sight => Some(Listed::new(Machine::Owned(id), sight.observed())),
                },
                None => None,
            };
            listed
                .push(owned.unwrap_or_else(|| {
                    Listed::new(Machine::Foreign(name), of_others(life).into())
                }));
        }
        for id in self.folders().map_err(|error| self.unreadable(error))? {
            let machine = Machine::Owned(id.clone());
            if listed.iter().any(|it| it.machine == machine) {
                continue;
            }
            match self.find(&id)? {
                Sight::Absent | Sight::Foreign => {}
                sight => listed.push(Listed::new(machine, sight.observed())),
            }
        }
        Ok(listed)
    }

    fn observe(&self, id: &VmId) -> Result<Observed, HypervisorError> {
        self.find(id).map(Sight::observed)
    }

    fn create(&self, spec: &VmSpec) -> Result<Outcome, HypervisorError> {
        let turn = self.turn(&spec.id);
        let _turn = lock(&turn);
        match self.find(&spec.id)? {
            Sight::Absent => {}
            Sight::Foreign => {
                let error = HypervisorError::new(Kind::Backend);
                return Err(error.because("a machine of others has this name"));
            }
            sight => {
                return match sight.observed().state {
                    MachineState::Off { .. } => Ok(Outcome::AlreadyDone),
                    state => Err(HypervisorError::invalid_state(state)),
                };
            }
        }
        if spec.bootstrap.is_some() {
            let error = HypervisorError::new(Kind::NotSupported);
            return Err(error.because("a guest under libvirt gets no bootstrap document"));
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
        let turn = self.turn(id);
        let _turn = lock(&turn);
        self.boot(id)
    }

    fn power_off(&self, id: &VmId, how: PowerOff) -> Result<Outcome, HypervisorError> {
        let turn = self.turn(id);
        let _turn = lock(&turn);
        self.stop(id, how)
    }

    fn suspend(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        let turn = self.turn(id);
        let _turn = lock(&turn);
        self.save(id)
    }

    fn resume(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        let turn = self.turn(id);
        let _turn = lock(&turn);
        self.go_on(id)
    }

    fn delete(&self, id: &VmId, erase: Erase) -> Result<Outcome, HypervisorError> {
        let turn = self.turn(id);
        let _turn = lock(&turn);
        let folder = self.folder(id);
        let domain = match self.find(id)? {
            Sight::Foreign => return Ok(Outcome::AlreadyDone),
            Sight::Absent => None,
            Sight::Broken(_, domain) => Some(domain),
            Sight::Machine(look) => Some(Some(look.domain)),
        };
        let outcome = match domain {
            None => Outcome::AlreadyDone,
            Some(domain) => {
                self.remove_machine(&folder, domain, erase)?;
                self.ledger().release(id);
                Outcome::Done
            }
        };
        let io = |error| failed("cannot remove", &folder.0, error);
        let gone = self.gone_folder(id);
        if folder.is_there().map_err(io)? {
            remove(&gone).map_err(io)?;
            rename(&folder.0, &gone).map_err(io)?;
            self.steps.step();
        }
        for path in [gone, self.new_folder(id).0] {
            remove(&path).map_err(io)?;
            self.steps.step();
        }
        self.forget_turn(id);
        Ok(outcome)
    }

    fn prepare(&self, id: &VmId, want: &ResourceConfig) -> Result<Prepared, HypervisorError> {
        let turn = self.turn(id);
        let _turn = lock(&turn);
        self.prepare_machine(id, want)
    }

    fn commit(&self, id: &VmId, want: &ResourceConfig) -> Result<Outcome, HypervisorError> {
        let turn = self.turn(id);
        let _turn = lock(&turn);
        self.commit_machine(id, want)
    }

    fn undo(&self, id: &VmId, before: &ResourceConfig) -> Result<Outcome, HypervisorError> {
        let turn = self.turn(id);
        let _turn = lock(&turn);
        self.undo_machine(id, before)
    }
}

/// Asks all there is to know of a domain.
fn see(domain: Domain) -> Result<Seen, Error> {
    let config = sys::VIR_DOMAIN_AFFECT_CONFIG;
    Ok(Seen {
        name: domain.name()?,
        record: unless_refused(domain.metadata(ELEMENT, Some(NAMESPACE), config))?,
        state: domain.state()?,
        saved: unless_refused(domain.has_managed_save(0))?.unwrap_or(false),
        domain,
    })
}

/// Nothing where the domain has no such thing, or its driver knows of none: domains of others are of
/// all kinds. What libvirt only failed to say must not be taken for nothing.
fn unless_refused<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error)
            if error.code().is_any(vec![
                ErrorNumber::NoDomainMetadata,
                ErrorNumber::OperationInvalid,
                ErrorNumber::OperationUnsupported,
                ErrorNumber::NoSupport,
                ErrorNumber::ArgumentUnsupported,
                ErrorNumber::ConfigUnsupported,
                ErrorNumber::InvalidArg,
            ]) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What a machine of others is.
fn of_others(life: Life) -> MachineState {
    match life {
        Life::Running => MachineState::Running,
        Life::Off { crashed } => MachineState::Off {
            crashed: crashed.unwrap_or(false),
        },
        Life::Failing(reason) => MachineState::Broken(reason.to_owned()),
        Life::Stopped | Life::Restored => MachineState::Unsettled,
    }
}

impl Libvirt {
    /// The machine a domain is named after.
    fn id_of(&self, name: &str) -> Option<VmId> {
        let (_, id) = name.strip_prefix("virmo-")?.split_once('-')?;
        let id = id.parse().ok()?;
        (self.domain_name(&id) == name).then_some(id)
    }

    fn unreadable(&self, error: std::io::Error) -> HypervisorError {
        failed("cannot read", self.root(), error)
    }

    /// Looks at a machine.
    fn find(&self, id: &VmId) -> Result<Sight, HypervisorError> {
        let name = self.domain_name(id);
        let seen = self.line.look(move |connection| {
            match connection.lookup_domain_by_name(&name).and_then(see) {
                Ok(seen) => Ok(Some(seen)),
                Err(error) if error.code().is(ErrorNumber::NoDomain) => Ok(None),
                Err(error) => Err(error),
            }
        })?;
        match seen {
            Some(seen) => self.known(id, seen),
            None if self.has_folder(id)? => {
                let folder = self.folder(id).0;
                let reason = format!(
                    "libvirt does not know it; its disk is in {}",
                    folder.display()
                );
                Ok(Sight::Broken(reason, None))
            }
            None => Ok(Sight::Absent),
        }
    }

    /// What a domain is that has a name of ours.
    fn known(&self, id: &VmId, seen: Seen) -> Result<Sight, HypervisorError> {
        let domain = seen.domain.clone();
        match self.sight(seen) {
            Sight::Foreign if self.has_folder(id)? => {
                let reason = "the domain has lost its record".to_owned();
                Ok(Sight::Broken(reason, Some(domain)))
            }
            sight => Ok(sight),
        }
    }

    /// Whether a machine has a folder that is not in doubt.
    fn has_folder(&self, id: &VmId) -> Result<bool, HypervisorError> {
        let folder = self.folder(id);
        let has = folder
            .is_there()
            .and_then(|is| Ok(is && !folder.is_in_doubt()?));
        has.map_err(|error| self.unreadable(error))
    }

    /// What a domain is to us.
    fn sight(&self, seen: Seen) -> Sight {
        let life = seen.life();
        let Some(element) = &seen.record else {
            return Sight::Foreign;
        };
        let found = match text_of(element) {
            Some(text) => Found::parse(text.as_bytes()),
            None => Found::Broken("the domain's metadata: no text".to_owned()),
        };
        match found {
            Found::Absent | Found::Foreign => Sight::Foreign,
            // The name has our mark: it is ours even so.
            Found::Broken(reason) => Sight::Broken(reason, Some(seen.domain)),
            Found::Machine(record) if record.own.place != self.mark => Sight::Foreign,
            Found::Machine(record) => Sight::Machine(Box::new(Look {
                domain: seen.domain,
                record,
                life,
                saved: seen.saved,
            })),
        }
    }

    /// A machine that is there and can be used, and its state.
    fn machine(&self, id: &VmId) -> Result<(Look, MachineState), HypervisorError> {
        match self.find(id)? {
            Sight::Absent | Sight::Foreign => Err(HypervisorError::new(Kind::NotFound)),
            Sight::Broken(reason, _) => {
                Err(HypervisorError::invalid_state(MachineState::Broken(reason)))
            }
            Sight::Machine(look) => {
                let state = look.state();
                Ok((*look, state))
            }
        }
    }

    /// Makes a machine's record durable. libvirt does this when it has done with all calls before.
    fn write(&self, domain: &Domain, record: &Record) -> Result<(), HypervisorError> {
        let (domain, text) = (domain.clone(), metadata(record));
        self.line.call(move || {
            let config = sys::VIR_DOMAIN_AFFECT_CONFIG;
            domain.set_metadata(ELEMENT, Some(&text), Some("virmo"), Some(NAMESPACE), config)
        })?;
        self.steps.step();
        Ok(())
    }

    /// Gives libvirt the definition of a machine with this record and these resources.
    fn define(
        &self,
        id: &VmId,
        record: &Record,
        config: &ResourceConfig,
    ) -> Result<(), HypervisorError> {
        let (name, folder) = (self.domain_name(id), self.folder(id));
        let xml = definition(&name, &folder, record, config, &self.frame());
        // A machine is defined as often as one likes.
        self.line
            .look(move |connection| connection.define_domain_xml(&xml).map(drop))?;
        self.steps.step();
        Ok(())
    }

    /// Makes the folder of a machine aside, moves it to its place, and has the machine defined.
    fn make(&self, spec: &VmSpec) -> Result<(), HypervisorError> {
        let (new, folder) = (self.new_folder(&spec.id), self.folder(&spec.id));
        let io = |error| failed("cannot make", &folder.0, error);
        let made = self.fill(&new, spec).and_then(|record| {
            // What stands in doubt there is nobody's.
            remove(&folder.0)
                .and_then(|()| rename(&new.0, &folder.0))
                .map_err(io)?;
            self.steps.step();
            self.define(&spec.id, &record, &spec.resources)
        });
        if let Err(error) = made {
            // The error that matters is the first. libvirt may have defined it and not have said so.
            if !matches!(error.kind(), Kind::Timeout { .. }) {
                _ = remove(&new.0).and_then(|()| remove(&folder.0));
            }
            return Err(error);
        }
        folder.settle().map_err(io)?;
        self.steps.step();
        Ok(())
    }

    fn fill(&self, folder: &Folder, spec: &VmSpec) -> Result<Record, HypervisorError> {
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
            .and_then(|()| folder.put_in_doubt())
            .map_err(io)?;
        self.steps.step();
        // Hypervisors take whole sectors.
        let disk = storage.next_multiple_of(512);
        copy_disk(&mut image, &folder.disk(), disk).map_err(io)?;
        self.steps.step();
        let own = Own {
            place: self.mark.clone(),
            uuid: random_uuid().map_err(io)?,
            disk,
            pending: None,
            running: false,
        };
        Ok(Record::new(
            spec.description.clone(),
            spec.resources.clone(),
            own,
        ))
    }

    /// Ends a machine and takes it from libvirt; its folder is nobody's then.
    fn remove_machine(
        &self,
        folder: &Folder,
        domain: Option<Domain>,
        erase: Erase,
    ) -> Result<(), HypervisorError> {
        let io = |error| failed("cannot remove", &folder.0, error);
        let is_there = folder.is_there().map_err(io)?;
        if is_there {
            folder.put_in_doubt().map_err(io)?;
            self.steps.step();
        }
        if let Some(domain) = &domain {
            self.end(domain)?;
        }
        if is_there && erase == Erase::Overwrite {
            overwrite(&folder.disk()).map_err(io)?;
        }
        let Some(domain) = domain else {
            return Ok(());
        };
        let mut flags = sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE;
        if self.driver.is_qemu() {
            // What others may have added; the test driver does not know these.
            flags |= sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | sys::VIR_DOMAIN_UNDEFINE_NVRAM;
        }
        let undefined = self.line.call(move || domain.undefine_flags(flags));
        match undefined {
            Err(error) if !error.is(ErrorNumber::NoDomain) => return Err(error.into()),
            _ => {}
        }
        self.steps.step();
        Ok(())
    }

    /// Clears away what a kill left, and counts what is claimed.
    pub(crate) fn clear(&self) -> Result<(), HypervisorError> {
        let unreadable = |error| self.unreadable(error);
        self.clear_aside().map_err(unreadable)?;
        for id in self.folders().map_err(unreadable)? {
            let folder = self.folder(&id);
            let in_doubt = folder.is_in_doubt().map_err(unreadable)?;
            match self.find(&id)? {
                Sight::Machine(look) => {
                    if in_doubt {
                        folder.settle().map_err(unreadable)?;
                    }
                    self.ledger().set(&id, look.record.claim().clone());
                }
                Sight::Absent | Sight::Foreign if in_doubt => {
                    remove(&folder.0).map_err(unreadable)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}
