//! A firmware vendor's device: VirMO on a hypervisor of the vendor's own.
//!
//! ```sh
//! cargo run -p virmo --example vendor_device -- http://127.0.0.1:8080/dm
//! ```

#![allow(clippy::print_stdout, reason = "a program that tells what it does")]

use std::{
    collections::BTreeMap,
    error::Error,
    fs::File,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use virmo::{
    Device, DeviceEvent, Hypervisor, Until, VmId, VmSpec,
    client::Event,
    dm::{client::Config, mo::DevInfo},
    hypervisor::{
        Capabilities, Effect, Erase, HypervisorError, HypervisorErrorKind as Kind, Listed, Machine,
        MachineState as State, Observed, Outcome, PowerOff, Prepared, Support,
    },
    params::{Bytes, DeviceResources, ResourceConfig},
};

type Result<T> = std::result::Result<T, HypervisorError>;

const OFF: State = State::Off { crashed: false };

/// The vendor's hypervisor. This one only remembers what it was asked; a real one makes its calls
/// where the comments stand, and finds its machines again after a restart.
#[derive(Default)]
pub(crate) struct Board(Mutex<BTreeMap<VmId, Observed>>);

impl Board {
    fn machines(&self) -> MutexGuard<'_, BTreeMap<VmId, Observed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn go(&self, id: &VmId, from: State, to: State) -> Result<Outcome> {
        match self.machines().get_mut(id) {
            None => Err(HypervisorError::new(Kind::NotFound)),
            Some(machine) if machine.state == to => Ok(Outcome::AlreadyDone),
            Some(machine) if machine.state != from => {
                Err(HypervisorError::invalid_state(machine.state.clone()))
            }
            Some(machine) => {
                machine.state = to; // The call that boots, stops, saves or restores.
                Ok(Outcome::Done)
            }
        }
    }
}

impl Hypervisor for Board {
    fn capabilities(&self) -> Capabilities {
        let has = DeviceResources::new(Bytes::gib(2), Bytes::gib(16));
        let mut capabilities = Capabilities::new("board", has);
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
        if self.observe(&spec.id)?.state != State::Absent {
            return self.go(&spec.id, OFF, OFF);
        }
        // The call that makes a machine from the image.
        File::open(&spec.image).map_err(|it| HypervisorError::new(Kind::Image).caused_by(it))?;
        let machine = Observed::new(OFF, spec.resources.clone());
        self.machines().insert(spec.id.clone(), machine);
        Ok(Outcome::Done)
    }

    fn power_on(&self, id: &VmId) -> Result<Outcome> {
        self.go(id, OFF, State::Running)
    }

    fn power_off(&self, id: &VmId, _: PowerOff) -> Result<Outcome> {
        self.go(id, State::Running, OFF)
    }

    fn suspend(&self, id: &VmId) -> Result<Outcome> {
        self.go(id, State::Running, State::Suspended)
    }

    fn resume(&self, id: &VmId) -> Result<Outcome> {
        self.go(id, State::Suspended, State::Running)
    }

    fn delete(&self, id: &VmId, _: Erase) -> Result<Outcome> {
        let was_there = self.machines().remove(id).is_some(); // The call that removes it.
        Ok(if was_there {
            Outcome::Done
        } else {
            Outcome::AlreadyDone
        })
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

/// Runs the device until neither it nor the server has anything left to do.
pub(crate) fn run(
    server: &str,
    observer: impl Fn(&DeviceEvent) + Send + Sync + 'static,
) -> std::result::Result<(), Box<dyn Error>> {
    let info = DevInfo {
        dev_id: "urn:example:board:1".to_owned(),
        man: "Example".to_owned(),
        model: "Board".to_owned(),
        dmv: "1.0".to_owned(),
        lang: "en".to_owned(),
    };
    let config = Config::new("virmo-server".parse()?, server);
    let hypervisor = Arc::new(Board::default());
    let mut device = Device::builder(hypervisor, config, info)
        .observer(observer)
        .build()?;
    Ok(device.run(Until::Idle)?)
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let server = std::env::args().nth(1).ok_or("usage: vendor_device URL")?;
    run(&server, |event| {
        if let DeviceEvent::Virmo(Event::Vm { node, from, to, .. }) = event {
            println!("{node}: {from} -> {to}");
        }
    })
}
