//! Faults: each shows once, after the call has begun, and leaves what a client can undo or finish.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::{fs, thread};

use virmo_hypervisor::{
    Erase, Hypervisor, HypervisorError, HypervisorErrorKind as Kind, MachineState, Outcome,
    PowerOff, VmSpec,
};
use virmo_params::ResourceConfig;
use virmo_simulator::{Builder, FaultMode, Operation, Simulator};
use virmo_state::VmId;

const OFF: MachineState = MachineState::Off { crashed: false };

const BEFORE: &str = "RAM=100&Storage=1000&CPU=10&Network=10";
const WANT: &str = "RAM=200&Storage=2000&CPU=20&Network=20";
/// After the first effect of a commit.
const TORN: &str = "RAM=200&Storage=1000&CPU=10&Network=10";

fn config(text: &str) -> ResourceConfig {
    text.parse().unwrap()
}

fn id() -> VmId {
    "vm-1".parse().unwrap()
}

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("image"), "an image").unwrap();
        Self { dir }
    }

    fn builder(&self) -> Builder {
        Simulator::builder(self.dir.path().join("simulator")).without_sync()
    }

    fn spec(&self) -> VmSpec {
        let image = self.dir.path().join("image");
        VmSpec::new(id(), image, "application/octet-stream", config(BEFORE))
    }

    fn entries(&self, folder: &str) -> usize {
        let folder = self.dir.path().join("simulator").join(folder);
        fs::read_dir(folder).unwrap().count()
    }
}

/// The call that a fault of an operation shows in.
fn call(
    simulator: &Simulator,
    place: &Place,
    operation: Operation,
) -> Result<Outcome, HypervisorError> {
    match operation {
        Operation::Create => simulator.create(&place.spec()),
        Operation::Suspend => simulator.suspend(&id()),
        Operation::Resume => simulator.resume(&id()),
        Operation::PowerOn => simulator.power_on(&id()),
        Operation::PowerOff => simulator.power_off(&id(), PowerOff::Force),
        Operation::Delete => simulator.delete(&id(), Erase::Discard),
        Operation::Apply => simulator.commit(&id(), &config(WANT)),
    }
}

/// The call that takes an operation back, once it was cut.
fn back(simulator: &Simulator, operation: Operation) -> Result<Outcome, HypervisorError> {
    match operation {
        Operation::Create => simulator.delete(&id(), Erase::Discard),
        Operation::Suspend => simulator.resume(&id()),
        Operation::Resume => simulator.suspend(&id()),
        Operation::PowerOn => simulator.power_off(&id(), PowerOff::Force),
        // Nothing has happened that could be seen.
        Operation::PowerOff | Operation::Delete => Ok(Outcome::AlreadyDone),
        Operation::Apply => simulator.undo(&id(), &config(BEFORE)),
    }
}

/// The state an operation begins in, after a fault, and at its end.
fn states(operation: Operation) -> [MachineState; 3] {
    use MachineState::{Absent, Running, Suspended, Unsettled};
    match operation {
        Operation::Create => [Absent, Absent, OFF],
        Operation::Suspend => [Running, Unsettled, Suspended],
        Operation::Resume => [Suspended, Unsettled, Running],
        Operation::PowerOn => [OFF, Unsettled, Running],
        Operation::PowerOff => [Running, Running, OFF],
        Operation::Delete => [Running, Running, Absent],
        Operation::Apply => [Running, Running, Running],
    }
}

/// Brings the machine to where the operation begins, before there is a fault.
fn set_up(place: &Place, operation: Operation) {
    let simulator = place.builder().open().unwrap();
    let [begin, _, _] = states(operation);
    if begin != MachineState::Absent {
        simulator.create(&place.spec()).unwrap();
    }
    if matches!(begin, MachineState::Running | MachineState::Suspended) {
        simulator.power_on(&id()).unwrap();
    }
    if begin == MachineState::Suspended {
        simulator.suspend(&id()).unwrap();
    }
    if operation == Operation::Apply {
        simulator.prepare(&id(), &config(WANT)).unwrap();
    }
}

fn with_fault(place: &Place, operation: Operation, mode: FaultMode) -> Simulator {
    let fault = format!("{}:{}", operation.name(), mode.name());
    let fault = fault.parse().unwrap();
    place.builder().fault(fault).open().unwrap()
}

fn state(simulator: &Simulator) -> MachineState {
    simulator.observe(&id()).unwrap().state
}

fn check_after_fault(simulator: &Simulator, operation: Operation) {
    let [_, after, _] = states(operation);
    assert_eq!(state(simulator), after, "{operation:?}");
    if operation == Operation::Apply {
        let resources = simulator.observe(&id()).unwrap().resources;
        assert_eq!(resources, Some(config(TORN)));
    }
}

fn check_end(simulator: &Simulator, operation: Operation) {
    let [_, _, end] = states(operation);
    assert_eq!(state(simulator), end, "{operation:?}");
    let counter = (operation == Operation::Resume).then(|| simulator.counter(&id()).unwrap());
    assert_eq!(counter.unwrap_or(1), 1);
    if operation == Operation::Apply {
        let resources = simulator.observe(&id()).unwrap().resources;
        assert_eq!(resources, Some(config(WANT)));
    }
}

fn check_begin(simulator: &Simulator, operation: Operation) {
    let [begin, _, _] = states(operation);
    assert_eq!(state(simulator), begin, "{operation:?}");
    if begin != MachineState::Absent {
        let resources = simulator.observe(&id()).unwrap().resources;
        assert_eq!(resources, Some(config(BEFORE)));
    }
}

#[test]
fn a_failed_call_can_be_finished() {
    for operation in Operation::ALL {
        let place = Place::new();
        set_up(&place, operation);
        let simulator = with_fault(&place, operation, FaultMode::Fail);
        let error = call(&simulator, &place, operation).unwrap_err();
        assert_eq!(error.kind(), &Kind::Backend);
        assert!(!error.changed_nothing());
        assert_eq!(
            error.to_string(),
            format!("hypervisor failed: simulated {}:fail", operation.name())
        );
        check_after_fault(&simulator, operation);
        assert_eq!(
            call(&simulator, &place, operation).unwrap(),
            Outcome::Done,
            "{operation:?}: a fault shows once"
        );
        check_end(&simulator, operation);
        assert_eq!(place.entries("scratch"), 0);
    }
}

#[test]
fn a_failed_call_can_be_taken_back_also_after_a_restart() {
    for operation in Operation::ALL {
        for restart in [false, true] {
            let place = Place::new();
            set_up(&place, operation);
            let mut simulator = with_fault(&place, operation, FaultMode::Fail);
            call(&simulator, &place, operation).unwrap_err();
            if restart {
                drop(simulator);
                simulator = place.builder().open().unwrap();
                check_after_fault(&simulator, operation);
            }
            back(&simulator, operation).unwrap();
            check_begin(&simulator, operation);
            assert_eq!(place.entries("scratch"), 0);
            if operation == Operation::Resume {
                assert_eq!(simulator.counter(&id()).unwrap(), 0);
            }
            call(&simulator, &place, operation).unwrap();
            check_end(&simulator, operation);
        }
    }
}

#[test]
fn a_hanging_call_leaves_the_machine_to_others_and_does_nothing_when_released() {
    for operation in Operation::ALL {
        let place = Place::new();
        set_up(&place, operation);
        let simulator = with_fault(&place, operation, FaultMode::Hang);
        thread::scope(|scope| {
            let hanging = scope.spawn(|| call(&simulator, &place, operation));
            while simulator.hanging() == 0 {
                assert!(!hanging.is_finished());
                thread::yield_now();
            }
            check_after_fault(&simulator, operation);
            back(&simulator, operation).unwrap();
            check_begin(&simulator, operation);
            simulator.release();
            let error = hanging.join().unwrap().unwrap_err();
            let due = Kind::Timeout {
                may_have_happened: true,
            };
            assert_eq!(error.kind(), &due);
        });
        assert_eq!(simulator.hanging(), 0);
        check_begin(&simulator, operation);
        if operation == Operation::Apply {
            simulator.prepare(&id(), &config(WANT)).unwrap();
        }
        call(&simulator, &place, operation).unwrap();
        check_end(&simulator, operation);
    }
}

#[test]
fn a_fault_waits_for_a_call_that_has_something_to_do() {
    let place = Place::new();
    let simulator = place
        .builder()
        .fault("create:fail".parse().unwrap())
        .fault("power_on:fail".parse().unwrap())
        .fault("power_on:fail".parse().unwrap())
        .open()
        .unwrap();
    assert!(simulator.power_on(&id()).unwrap_err().changed_nothing());
    simulator.create(&place.spec()).unwrap_err();
    simulator.create(&place.spec()).unwrap();
    for due in [false, false, true] {
        assert_eq!(simulator.power_on(&id()).is_ok(), due);
    }
    assert_eq!(simulator.power_on(&id()).unwrap(), Outcome::AlreadyDone);
}

/// A client may also go on to something else, and forget what was cut.
#[test]
fn an_unsettled_machine_takes_the_calls_that_settle_it_and_no_other() {
    let place = Place::new();
    set_up(&place, Operation::Suspend);
    let simulator = with_fault(&place, Operation::Suspend, FaultMode::Fail);
    simulator.suspend(&id()).unwrap_err();
    let observed = MachineState::Unsettled;
    let unsettled = Kind::InvalidState { observed };
    let refused = |kind: &Kind| assert_eq!(kind, &unsettled);
    refused(simulator.power_on(&id()).unwrap_err().kind());
    refused(simulator.create(&place.spec()).unwrap_err().kind());
    refused(simulator.prepare(&id(), &config(WANT)).unwrap_err().kind());
    simulator.undo(&id(), &config(BEFORE)).unwrap();
    assert_eq!(
        simulator.power_off(&id(), PowerOff::Force).unwrap(),
        Outcome::Done
    );
    assert_eq!(state(&simulator), OFF);
    drop(simulator);

    let simulator = with_fault(&place, Operation::PowerOn, FaultMode::Fail);
    simulator.power_on(&id()).unwrap_err();
    refused(simulator.suspend(&id()).unwrap_err().kind());
    refused(simulator.resume(&id()).unwrap_err().kind());
    simulator.power_on(&id()).unwrap();
    simulator.suspend(&id()).unwrap();
    drop(simulator);

    let simulator = with_fault(&place, Operation::Resume, FaultMode::Fail);
    simulator.resume(&id()).unwrap_err();
    refused(simulator.power_on(&id()).unwrap_err().kind());
    let force = simulator.power_off(&id(), PowerOff::Force);
    refused(force.unwrap_err().kind());
    assert_eq!(
        simulator.delete(&id(), Erase::Discard).unwrap(),
        Outcome::Done
    );
    assert_eq!(place.entries("machines") + place.entries("scratch"), 0);
}
