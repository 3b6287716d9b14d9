use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use virmo::{
    Hypervisor, VmId, VmSpec,
    hypervisor::{
        Capabilities, Effect, Erase, HypervisorError, HypervisorErrorKind as Kind, Ledger, Listed,
        Machine, MachineState as State, Observed, Outcome, PowerOff, Prepared, Resource,
    },
    params::{Bytes, DeviceResources, ResourceConfig},
};

type Result<T> = std::result::Result<T, HypervisorError>;

const OFF: State = State::Off { crashed: false };

/// Machines of which nothing is there but their state and what they are entitled to: a device
/// among thousands has no folder.
pub(super) struct Machines(Mutex<Inner>);

struct Inner {
    machines: BTreeMap<VmId, (State, ResourceConfig)>,
    ledger: Ledger,
}

/// What the simulator has too.
fn device() -> DeviceResources {
    DeviceResources::new(Bytes::gib(4), Bytes::gib(32))
}

impl Machines {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Inner {
            machines: BTreeMap::new(),
            ledger: Ledger::new(device()),
        }))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn go(&self, id: &VmId, from: &State, to: State) -> Result<Outcome> {
        self.with(|inner| match inner.machines.get_mut(id) {
            None => Err(HypervisorError::new(Kind::NotFound)),
            Some((state, _)) if *state == to => Ok(Outcome::AlreadyDone),
            Some((state, _)) if state != from => Err(HypervisorError::invalid_state(state.clone())),
            Some((state, _)) => {
                *state = to;
                Ok(Outcome::Done)
            }
        })
    }

    fn set(&self, id: &VmId, want: &ResourceConfig) -> Result<Outcome> {
        self.with(|Inner { machines, ledger }| {
            let (_, has) = machines
                .get_mut(id)
                .ok_or(Kind::NotFound)
                .map_err(HypervisorError::new)?;
            if has == want {
                return Ok(Outcome::AlreadyDone);
            }
            // The device has compared the sums already, for all machines at once.
            ledger.set(id, want.clone());
            *has = want.clone();
            Ok(Outcome::Done)
        })
    }
}

fn no_space(resource: Resource) -> HypervisorError {
    HypervisorError::new(Kind::NoSpace(resource))
}

impl Hypervisor for Machines {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new("load", device())
    }

    fn list(&self) -> Result<Vec<Listed>> {
        self.with(|inner| {
            let machines = inner.machines.iter();
            Ok(machines
                .map(|(id, (state, resources))| {
                    let observed = Observed::new(state.clone(), resources.clone());
                    Listed::new(Machine::Owned(id.clone()), observed)
                })
                .collect())
        })
    }

    fn observe(&self, id: &VmId) -> Result<Observed> {
        Ok(self.with(|inner| match inner.machines.get(id) {
            Some((state, resources)) => Observed::new(state.clone(), resources.clone()),
            None => Observed::absent(),
        }))
    }

    fn create(&self, spec: &VmSpec) -> Result<Outcome> {
        self.with(|Inner { machines, ledger }| match machines.get(&spec.id) {
            Some((OFF, _)) => Ok(Outcome::AlreadyDone),
            Some((state, _)) => Err(HypervisorError::invalid_state(state.clone())),
            None => {
                ledger.claim(&spec.id, &spec.resources).map_err(no_space)?;
                machines.insert(spec.id.clone(), (OFF, spec.resources.clone()));
                Ok(Outcome::Done)
            }
        })
    }

    fn power_on(&self, id: &VmId) -> Result<Outcome> {
        self.go(id, &OFF, State::Running)
    }

    fn power_off(&self, id: &VmId, _: PowerOff) -> Result<Outcome> {
        self.go(id, &State::Running, OFF)
    }

    fn suspend(&self, id: &VmId) -> Result<Outcome> {
        self.go(id, &State::Running, State::Suspended)
    }

    fn resume(&self, id: &VmId) -> Result<Outcome> {
        self.go(id, &State::Suspended, State::Running)
    }

    fn delete(&self, id: &VmId, _: Erase) -> Result<Outcome> {
        self.with(|Inner { machines, ledger }| {
            ledger.release(id);
            Ok(match machines.remove(id) {
                Some(_) => Outcome::Done,
                None => Outcome::AlreadyDone,
            })
        })
    }

    fn prepare(&self, id: &VmId, want: &ResourceConfig) -> Result<Prepared> {
        self.with(|Inner { machines, .. }| {
            let (state, has) = machines
                .get(id)
                .ok_or(Kind::NotFound)
                .map_err(HypervisorError::new)?;
            let effect = match state {
                State::Running => Effect::Live,
                _ => Effect::Recorded,
            };
            let changes = |resource| match resource {
                Resource::Ram => has.ram != want.ram,
                Resource::Storage => has.storage != want.storage,
                Resource::Cpu => has.cpu != want.cpu,
                Resource::Network => has.network != want.network,
            };
            Ok(Prepared::new(|resource| match changes(resource) {
                true => effect,
                false => Effect::Unchanged,
            }))
        })
    }

    fn commit(&self, id: &VmId, want: &ResourceConfig) -> Result<Outcome> {
        self.set(id, want)
    }

    fn undo(&self, id: &VmId, before: &ResourceConfig) -> Result<Outcome> {
        self.set(id, before)
    }
}
