//! Any sequence of calls on two machines, with restarts and faults in between, does what a model of
//! a few lines says.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::{collections::BTreeMap, fs};

use proptest::{
    collection::vec,
    option,
    prelude::{Strategy, any, prop_oneof, proptest},
    sample::select,
    test_runner::Config,
};
use virmo_hypervisor::{
    Erase, Hypervisor, HypervisorError, HypervisorErrorKind as Kind, MachineState as State,
    Outcome, PowerOff, VmSpec,
};
use virmo_params::ResourceConfig;
use virmo_simulator::{Operation, Simulator};
use virmo_state::VmId;

const OFF: State = State::Off { crashed: false };

/// What machines are given. Each fits the device; all differ in RAM or storage.
const CONFIGS: [&str; 3] = [
    "RAM=1073741824&Storage=1000&CPU=50&Network=50",
    "RAM=4294967296&Storage=1000&CPU=10&Network=50",
    "RAM=1073741824&Storage=2000&CPU=60&Network=10",
];

#[derive(Clone, Copy, Debug)]
enum Call {
    Create(usize),
    PowerOn,
    PowerOff,
    Suspend,
    Resume,
    Delete,
    Prepare(usize),
    Commit(usize),
    Undo(usize),
    /// The simulator is opened again, with a fault or without.
    Restart(Option<Operation>),
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        3 => (0..CONFIGS.len()).prop_map(Call::Create),
        3 => select(vec![Call::PowerOn, Call::PowerOff, Call::Suspend, Call::Resume]),
        1 => select(vec![Call::Delete]),
        3 => (0..CONFIGS.len()).prop_map(Call::Prepare),
        2 => (0..CONFIGS.len()).prop_map(Call::Commit),
        1 => (0..CONFIGS.len()).prop_map(Call::Undo),
        1 => option::of(select(Operation::ALL.to_vec())).prop_map(Call::Restart),
    ]
}

fn config(number: usize) -> ResourceConfig {
    CONFIGS.get(number).unwrap().parse().unwrap()
}

#[derive(Clone, Debug)]
struct Vm {
    state: State,
    config: usize,
    prepared: Option<usize>,
    counter: u64,
}

#[derive(Default)]
struct Model(BTreeMap<VmId, Vm>);

impl Model {
    /// Whether there is enough: only two of the first configuration fit beside each other.
    fn fits(&self, id: &VmId, number: usize) -> bool {
        let others = self.0.iter().filter(|(other, _)| *other != id);
        others
            .map(|(_, vm)| vm.prepared.unwrap_or(vm.config))
            .all(|claim| claim == 0 && number == 0)
    }

    /// What the call answers; an error without kind is `NoSpace` of any resource.
    fn call(&mut self, id: &VmId, call: Call) -> Result<Outcome, Option<Kind>> {
        use Outcome::{AlreadyDone, Done};
        let mut vm = match (self.0.get(id).cloned(), call) {
            (None, Call::Create(number)) if !self.fits(id, number) => return Err(None),
            (None, Call::Create(config)) => {
                let vm = Vm {
                    state: OFF,
                    config,
                    prepared: None,
                    counter: 0,
                };
                self.0.insert(id.clone(), vm);
                return Ok(Done);
            }
            (None, Call::Delete) => return Ok(AlreadyDone),
            (None, _) => return Err(Some(Kind::NotFound)),
            (Some(_), Call::Delete) => {
                self.0.remove(id);
                return Ok(Done);
            }
            (Some(vm), _) => vm,
        };
        let observed = vm.state.clone();
        let refused = Err(Some(Kind::InvalidState { observed }));
        let moved = |from: State, to: State| match vm.state.clone() {
            state if state == to => Ok(AlreadyDone),
            state if state == from => Ok(Done),
            _ => refused.clone(),
        };
        let outcome = match call {
            Call::Create(_) if vm.state == OFF => Ok(AlreadyDone),
            Call::Create(_) => refused,
            Call::PowerOn => moved(OFF, State::Running),
            Call::PowerOff => moved(State::Running, OFF),
            Call::Suspend => moved(State::Running, State::Suspended),
            Call::Resume => moved(State::Suspended, State::Running),
            Call::Commit(number) if number == vm.config && vm.prepared.is_none() => Ok(AlreadyDone),
            Call::Undo(number) if number == vm.config && vm.prepared.is_none() => Ok(AlreadyDone),
            Call::Commit(number) if vm.prepared == Some(number) => Ok(Done),
            Call::Undo(_) => Ok(Done),
            Call::Prepare(number) | Call::Commit(number) => {
                if vm.state == State::Suspended && number != vm.config {
                    return refused;
                }
                if !self.fits(id, number) {
                    return Err(None);
                }
                Ok(Done)
            }
            Call::Delete | Call::Restart(_) => unreachable!("{call:?}"),
        }?;
        match call {
            Call::PowerOn if outcome == Done => (vm.state, vm.counter) = (State::Running, 0),
            Call::PowerOff => vm.state = OFF,
            Call::Suspend => vm.state = State::Suspended,
            Call::Resume if outcome == Done => {
                (vm.state, vm.counter) = (State::Running, vm.counter + 1);
            }
            Call::Prepare(number) => vm.prepared = (number != vm.config).then_some(number),
            Call::Commit(number) | Call::Undo(number) => {
                (vm.config, vm.prepared) = (number, None);
            }
            _ => {}
        }
        self.0.insert(id.clone(), vm);
        Ok(outcome)
    }
}

fn ask(simulator: &Simulator, spec: &VmSpec, call: Call) -> Result<Outcome, HypervisorError> {
    let id = &spec.id;
    match call {
        Call::Create(number) => {
            let mut spec = spec.clone();
            spec.resources = config(number);
            simulator.create(&spec)
        }
        Call::PowerOn => simulator.power_on(id),
        Call::PowerOff => simulator.power_off(id, PowerOff::Force),
        Call::Suspend => simulator.suspend(id),
        Call::Resume => simulator.resume(id),
        Call::Delete => simulator.delete(id, Erase::Discard),
        Call::Prepare(number) => simulator
            .prepare(id, &config(number))
            .map(|_| Outcome::Done),
        Call::Commit(number) => simulator.commit(id, &config(number)),
        Call::Undo(number) => simulator.undo(id, &config(number)),
        Call::Restart(_) => unreachable!("{call:?}"),
    }
}

fn compare(simulator: &Simulator, model: &Model) {
    assert_eq!(simulator.list().unwrap().len(), model.0.len());
    for (id, vm) in &model.0 {
        let observed = simulator.observe(id).unwrap();
        assert_eq!(observed.state, vm.state);
        assert_eq!(observed.resources, Some(config(vm.config)));
        if vm.state != OFF {
            assert_eq!(simulator.counter(id).unwrap(), vm.counter);
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 64, failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_sequence_of_calls_does_what_the_model_says(
        calls in vec((any::<bool>(), call()), 0..60),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        fs::write(&image, "an image").unwrap();
        let open = |fault: Option<Operation>| {
            let builder = Simulator::builder(dir.path().join("simulator")).without_sync();
            match fault {
                Some(operation) => {
                    builder.fault(format!("{}:fail", operation.name()).parse().unwrap())
                }
                None => builder,
            }
            .open()
            .unwrap()
        };
        let specs = ["vm-1", "vm-2"].map(|id| {
            let id = id.parse().unwrap();
            VmSpec::new(id, &image, "application/octet-stream", config(0))
        });
        let mut simulator = open(None);
        let mut model = Model::default();
        let mut armed = false;
        for (second, call) in calls {
            if let Call::Restart(fault) = call {
                drop(simulator);
                simulator = open(fault);
                armed = fault.is_some();
            } else {
                let [first, other] = &specs;
                let spec = if second { other } else { first };
                let mut answer = ask(&simulator, spec, call);
                if matches!(&answer, Err(error) if *error.kind() == Kind::Backend) {
                    assert!(armed, "{answer:?}");
                    armed = false;
                    answer = ask(&simulator, spec, call);
                }
                match (model.call(&spec.id, call), answer) {
                    (Ok(due), Ok(found)) => assert_eq!(found, due, "{call:?}"),
                    (Err(Some(due)), Err(found)) => assert_eq!(found.kind(), &due, "{call:?}"),
                    (Err(None), Err(found)) => {
                        assert!(matches!(found.kind(), Kind::NoSpace(_)), "{call:?}: {found}");
                    }
                    (due, found) => unreachable!("{call:?}: found {found:?}, due {due:?}"),
                }
            }
            compare(&simulator, &model);
        }
    }
}
