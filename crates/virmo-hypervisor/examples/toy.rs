//! A back end to start from: machines in memory that can be on or off.
use std::{
    collections::BTreeMap,
    fs::File,
    sync::{Mutex, MutexGuard, PoisonError},
};

use virmo_hypervisor::{
    Capabilities, Effect, Erase, Hypervisor, HypervisorError, HypervisorErrorKind as Kind, Listed,
    Machine, MachineState as State, Observed, Outcome, PowerOff, Prepared, Support, VmSpec,
};
use virmo_params::{Bytes, DeviceResources, ResourceConfig};
use virmo_state::VmId;

type Result<T> = std::result::Result<T, HypervisorError>;

#[derive(Default)]
pub(crate) struct Toy(Mutex<BTreeMap<VmId, Observed>>);

impl Toy {
    fn machines(&self) -> MutexGuard<'_, BTreeMap<VmId, Observed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn go_to(&self, id: &VmId, state: State) -> Result<Outcome> {
        match self.machines().get_mut(id) {
            None => Err(HypervisorError::new(Kind::NotFound)),
            Some(machine) if machine.state == state => Ok(Outcome::AlreadyDone),
            Some(machine) => {
                machine.state = state; // Here a real back end calls its hypervisor.
                Ok(Outcome::Done)
            }
        }
    }
}

impl Hypervisor for Toy {
    fn capabilities(&self) -> Capabilities {
        let device = DeviceResources::new(Bytes::gib(4), Bytes::gib(32));
        let mut capabilities = Capabilities::new("toy", device);
        (capabilities.suspend, capabilities.graceful_power_off) = (false, false);
        (capabilities.ram, capabilities.storage) = (Support::None, Support::None);
        (capabilities.cpu, capabilities.network) = (Support::None, Support::None);
        capabilities
    }

    fn list(&self) -> Result<Vec<Listed>> {
        let machines = self.machines().clone().into_iter();
        Ok(machines
            .map(|(id, it)| Listed::new(Machine::Owned(id), it))
            .collect())
    }

    fn observe(&self, id: &VmId) -> Result<Observed> {
        Ok(self
            .machines()
            .get(id)
            .cloned()
            .unwrap_or_else(Observed::absent))
    }

    fn create(&self, spec: &VmSpec) -> Result<Outcome> {
        match self.observe(&spec.id)?.state {
            State::Off { .. } => return Ok(Outcome::AlreadyDone),
            State::Absent => {}
            state => return Err(HypervisorError::invalid_state(state)),
        }
        // Here a real back end copies the image, and answers `NoSpace` if it does not fit.
        File::open(&spec.image).map_err(|it| HypervisorError::new(Kind::Image).caused_by(it))?;
        let machine = Observed::new(State::Off { crashed: false }, spec.resources.clone());
        self.machines().insert(spec.id.clone(), machine);
        Ok(Outcome::Done)
    }

    fn power_on(&self, id: &VmId) -> Result<Outcome> {
        self.go_to(id, State::Running)
    }

    fn power_off(&self, id: &VmId, how: PowerOff) -> Result<Outcome> {
        match how {
            PowerOff::Force => self.go_to(id, State::Off { crashed: false }),
            PowerOff::Graceful { .. } => Err(HypervisorError::new(Kind::NotSupported)),
        }
    }

    fn suspend(&self, _: &VmId) -> Result<Outcome> {
        Err(HypervisorError::new(Kind::NotSupported))
    }

    fn resume(&self, _: &VmId) -> Result<Outcome> {
        Err(HypervisorError::new(Kind::NotSupported))
    }

    fn delete(&self, id: &VmId, _: Erase) -> Result<Outcome> {
        match self.machines().remove(id) {
            None => Ok(Outcome::AlreadyDone),
            Some(_) => Ok(Outcome::Done),
        }
    }

    fn prepare(&self, id: &VmId, want: &ResourceConfig) -> Result<Prepared> {
        match self.observe(id)?.resources {
            None => Err(HypervisorError::new(Kind::NotFound)),
            Some(has) if has == *want => Ok(Prepared::new(|_| Effect::Unchanged)),
            Some(_) => Err(HypervisorError::new(Kind::NotSupported)),
        }
    }

    fn commit(&self, id: &VmId, want: &ResourceConfig) -> Result<Outcome> {
        self.prepare(id, want).map(|_| Outcome::AlreadyDone)
    }

    fn undo(&self, id: &VmId, before: &ResourceConfig) -> Result<Outcome> {
        self.prepare(id, before).map(|_| Outcome::AlreadyDone)
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let hypervisor: &dyn Hypervisor = &Toy::default();
    let id: VmId = "vm-1".parse()?;
    let resources = "RAM=268435456&Storage=1073741824&CPU=10&Network=10".parse()?;
    let image = std::env::current_exe()?; // Any file will do.
    let spec = VmSpec::new(id.clone(), image, "application/octet-stream", resources);

    assert_eq!(hypervisor.create(&spec)?, Outcome::Done);
    assert_eq!(hypervisor.power_on(&id)?, Outcome::Done);
    assert_eq!(hypervisor.observe(&id)?.state, State::Running);
    assert_eq!(hypervisor.delete(&id, Erase::Discard)?, Outcome::Done);
    assert_eq!(hypervisor.observe(&id)?.state, State::Absent);
    Ok(())
}
