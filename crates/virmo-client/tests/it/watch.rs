//! State follows what happens to machines without a server's doing.

use std::sync::atomic::Ordering;

use omadm_core::{Format, GenericAlert, Mark, StatusCode};
use omadm_mo::JobEnd;
use virmo_client::{Event, Policy, UnknownMachines};
use virmo_hypervisor::MachineState;
use virmo_state::VmState;

use crate::{
    bench::in_job,
    device::{Answer, Device},
};

const STATE: &str = "com.example.state";
const UNREACHABLE: &str = "com.example.unreachable";

fn device_in(state: VmState) -> Device {
    let mut policy = Policy::default();
    policy.state_alert_type = Some(STATE.to_owned());
    policy.unreachable_alert_type = Some(UNREACHABLE.to_owned());
    let mut device = Device::with_policy(policy);
    device.provision("a", "");
    device.bring("a", state);
    device.take_alerts();
    device.take_events();
    device
}

fn alert(alert_type: &str, state: VmState, mark: Mark) -> String {
    let mut alert = GenericAlert::new(alert_type, Format::Int);
    alert.source = Some("./VirMO/a/State".to_owned());
    alert.mark = Some(mark);
    alert.data = state.value().to_string();
    format!("{alert:?}")
}

fn told_unreachable(device: &Device) -> usize {
    let events = device.take_events();
    let unreachable = |event: &&Event| matches!(event, Event::Unreachable { .. });
    events.iter().filter(unreachable).count()
}

/// VR-195, VR-271: whatever becomes of a machine behind the client's back, State says so at the
/// next look, an alert tells it once, and the primitives go on from there.
#[test]
fn state_follows_the_machines_while_the_device_runs() {
    let off = |crashed| MachineState::Off { crashed };
    for state in [VmState::PoweredOff, VmState::Running, VmState::Suspended] {
        for (machine, expected, mark) in [
            (MachineState::Absent, VmState::NotCreated, Mark::Warning),
            (off(false), VmState::PoweredOff, Mark::Informational),
            (off(true), VmState::PoweredOff, Mark::Warning),
            (MachineState::Running, VmState::Running, Mark::Informational),
            (
                MachineState::Suspended,
                VmState::Suspended,
                Mark::Informational,
            ),
        ] {
            let mut device = device_in(state);
            let (vm, id) = ("a".to_owned(), device.id("a"));
            device.bench.change(&id, machine);
            device.look();
            assert_eq!(device.state("a"), Some(expected));
            let changed = state != expected;
            let event = Event::Vm {
                node: vm,
                vm: id,
                from: state,
                to: expected,
            };
            let events: Vec<_> = changed.then_some(event).into_iter().collect();
            assert_eq!(device.take_events(), events);
            let alerts = changed.then(|| alert(STATE, expected, mark));
            assert_eq!(device.take_alerts(), Vec::from_iter(alerts));
            for _ in 0..3 {
                device.look();
            }
            assert_eq!(device.take_events(), []);
            assert_eq!(device.take_alerts(), Vec::<String>::new());
            device.check();
            let go_on = match expected {
                VmState::NotCreated => "Create",
                VmState::PoweredOff => "PowerOn",
                VmState::Running => "Suspend",
                _ => "Resume",
            };
            assert_eq!(device.operate("a", go_on), StatusCode::OK);
            device.check();
        }
    }
}

/// spec-diff 4.63: a machine that cannot be told keeps its State; that is told once, and so is its
/// return.
#[test]
fn a_machine_that_cannot_be_told_keeps_its_state() {
    for machine in [
        MachineState::Unsettled,
        MachineState::Broken("disk".to_owned()),
    ] {
        let mut device = device_in(VmState::Running);
        let id = device.id("a");
        device.bench.change(&id, machine);
        for _ in 0..3 {
            device.look();
        }
        assert_eq!(told_unreachable(&device), 1);
        assert_eq!(
            device.take_alerts(),
            [alert(UNREACHABLE, VmState::Running, Mark::Warning)]
        );
        assert_eq!(device.state("a"), Some(VmState::Running));
        device.bench.change(&id, MachineState::Running);
        for _ in 0..3 {
            device.look();
        }
        let reachable = Event::Reachable {
            node: "a".to_owned(),
            vm: id,
        };
        assert_eq!(device.take_events(), [reachable]);
        assert_eq!(
            device.take_alerts(),
            [alert(STATE, VmState::Running, Mark::Informational)]
        );
        device.check();
    }
}

/// A hypervisor that does not answer takes all machines with it, but not those that were never
/// made; what happened meanwhile is seen when it is back.
#[test]
fn an_unreachable_hypervisor_is_told_once_for_each_machine() {
    let mut device = device_in(VmState::Running);
    device.add_vm("b", "a", "");
    device.bench.unreachable.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        device.look();
    }
    assert_eq!(told_unreachable(&device), 1);
    assert_eq!(
        device.take_alerts(),
        [alert(UNREACHABLE, VmState::Running, Mark::Warning)]
    );
    device.bench.unreachable.store(false, Ordering::SeqCst);
    let id = device.id("a");
    device
        .bench
        .change(&id, MachineState::Off { crashed: true });
    device.look();
    assert_eq!(device.state("a"), Some(VmState::PoweredOff));
    assert_eq!(
        device.take_alerts(),
        [alert(STATE, VmState::PoweredOff, Mark::Warning)]
    );
    device.check();
}

/// A restart is no news to the server: it is warned once, and hears when it is over.
#[test]
fn a_server_is_warned_once_whatever_restarts() {
    let mut device = device_in(VmState::Running);
    device.bench.unreachable.store(true, Ordering::SeqCst);
    device.look();
    let warning = alert(UNREACHABLE, VmState::Running, Mark::Warning);
    assert_eq!(device.take_alerts(), [warning]);
    for _ in 0..2 {
        device.restart();
        assert_eq!(
            told_unreachable(&device),
            1,
            "whoever listens now did not know"
        );
        device.look();
        assert_eq!(told_unreachable(&device), 0);
        assert_eq!(device.take_alerts(), [""; 0]);
    }
    device.stop();
    device.bench.unreachable.store(false, Ordering::SeqCst);
    device.restart();
    let over = alert(STATE, VmState::Running, Mark::Informational);
    assert_eq!(device.take_alerts(), [over]);
    device.restart();
    device.look();
    assert_eq!(device.take_alerts(), [""; 0]);
    device.check();
}

/// A look that never ends says nothing about the machines but that they cannot be told; it is the
/// only one until it ends.
#[test]
fn a_look_that_hangs_is_told_and_ends_late() {
    let mut device = device_in(VmState::Running);
    let watch = device.watch.take().unwrap();
    assert!(watch.time_limit > device.policy.watch);
    let id = watch.id;
    device.complete(id, JobEnd::TimedOut);
    assert!(device.watch.is_none());
    assert_eq!(told_unreachable(&device), 1);
    assert_eq!(
        device.take_alerts(),
        [alert(UNREACHABLE, VmState::Running, Mark::Warning)]
    );
    let output = in_job(|| watch.run());
    device.complete(id, JobEnd::Late(output));
    device.run_all();
    device.look();
    assert_eq!(
        device.take_alerts(),
        [alert(STATE, VmState::Running, Mark::Informational)]
    );
    // The same of the closer look.
    let vm = device.id("a");
    device.bench.change(&vm, MachineState::Unsettled);
    device.look_only();
    let look = device.jobs.pop_front().unwrap();
    let id = look.id;
    device.complete(id, JobEnd::TimedOut);
    device.look_only();
    assert!(device.jobs.is_empty(), "one look at a time");
    device.bench.change(&vm, MachineState::Running);
    let output = in_job(|| look.run());
    device.complete(id, JobEnd::Late(output));
    device.take_alerts();
    device.look();
    assert_eq!(device.state("a"), Some(VmState::Running));
    device.check();
}

/// What was seen before a primitive began says nothing about what came of it, whenever its job is
/// run.
#[test]
fn a_primitive_outdates_what_was_seen_before() {
    let mut device = device_in(VmState::Running);
    let id = device.id("a");
    device
        .bench
        .change(&id, MachineState::Off { crashed: true });
    device.look_only();
    let look = device.jobs.pop_front().unwrap();
    let job = look.id;
    let seen = in_job(|| look.run());
    device.bench.change(&id, MachineState::Running);
    let Answer::Pending(suspend, _) = device.begin("./VirMO/a/Operations/Suspend", None) else {
        panic!("a look refuses nothing");
    };
    device.complete(job, JobEnd::Finished(seen));
    assert_eq!(device.state("a"), Some(VmState::Running));
    assert_eq!(device.run(suspend), StatusCode::OK);
    assert_eq!(device.state("a"), Some(VmState::Suspended));
    assert_eq!(device.take_alerts(), Vec::<String>::new());
    device.check();
}

/// A VM with work under way is not looked at; it is when the work is over.
#[test]
fn a_busy_vm_is_left_alone_until_its_work_is_done() {
    let mut device = device_in(VmState::Running);
    let id = device.id("a");
    let Answer::Pending(suspend, _) = device.begin("./VirMO/a/Operations/Suspend", None) else {
        panic!("refused");
    };
    let work = device.take(suspend);
    device.bench.change(&id, MachineState::Unsettled);
    device.look();
    assert_eq!(device.take_events(), []);
    device.bench.change(&id, MachineState::Running);
    let output = in_job(|| work.run());
    device
        .bench
        .change(&id, MachineState::Off { crashed: true });
    device.look();
    assert_eq!(device.state("a"), Some(VmState::Running));
    device.complete(suspend, JobEnd::Finished(output));
    assert_eq!(device.state("a"), Some(VmState::Suspended));
    device.look();
    assert_eq!(device.state("a"), Some(VmState::PoweredOff));
    device.check();
}

/// A machine that no node names and that comes while the device runs is told of at the next look, once
/// until it is gone; or gets a node. One that a Delete takes away meanwhile is neither.
#[test]
pub(crate) fn a_machine_that_comes_is_unknown_too() {
    for adopts in [false, true] {
        let mut policy = Policy::default();
        policy.unknown_alert_type = Some("unknown".to_owned());
        if adopts {
            policy.unknown_machines = UnknownMachines::Adopt;
        }
        let mut device = Device::with_policy(policy);
        device.provision("a", "");
        device.bring("a", VmState::Running);
        device.take_alerts();
        device.take_events();
        device.look();
        assert_eq!(device.take_events(), []);
        device.bench.plant("late");
        let vm = || "late".parse().unwrap();
        let told = match adopts {
            false => Event::UnknownMachine { vm: vm() },
            true => Event::Adopted {
                node: "late".to_owned(),
                vm: vm(),
            },
        };
        for (events, alerts) in [(vec![told.clone()], usize::from(!adopts)), (vec![], 0)] {
            device.look();
            let mut seen = device.take_events();
            seen.retain(|event| !matches!(event, Event::Vm { .. }));
            assert_eq!(seen, events, "{adopts}");
            assert_eq!(device.take_alerts().len(), alerts, "{adopts}");
        }
        assert_eq!(device.state("late").is_some(), adopts);
        if !adopts {
            device.bench.change(&vm(), MachineState::Absent);
            device.look();
            assert_eq!(device.take_events(), []);
            device.bench.plant("late");
            device.look();
            assert_eq!(device.take_events(), [told]);
            assert_eq!(device.take_alerts().len(), 1);
        }
    }
}

/// A primitive that finds its guest gone is refused, and State tells what was found.
#[test]
fn a_primitive_may_be_the_first_to_see() {
    let mut device = device_in(VmState::Running);
    let id = device.id("a");
    device
        .bench
        .change(&id, MachineState::Off { crashed: true });
    assert_eq!(
        device.operate("a", "Suspend"),
        StatusCode::COMMAND_NOT_ALLOWED
    );
    assert_eq!(device.state("a"), Some(VmState::PoweredOff));
    assert_eq!(
        device.take_alerts(),
        [alert(STATE, VmState::PoweredOff, Mark::Warning)]
    );
    device.check();
}

/// The node may get another name, or go, while its machine is looked at.
#[test]
fn a_look_finds_its_vm_under_another_name_or_none() {
    let mut device = device_in(VmState::Running);
    let id = device.id("a");
    device
        .bench
        .change(&id, MachineState::Off { crashed: false });
    device.look_only();
    assert_eq!(device.rename("./VirMO/a", "b"), StatusCode::OK);
    device.run_all();
    assert_eq!(device.state("b"), Some(VmState::PoweredOff));
    device.bench.change(&id, MachineState::Absent);
    device.look_only();
    let look = device.jobs.pop_front().unwrap();
    let job = look.id;
    let seen = in_job(|| look.run());
    assert_eq!(device.operate("b", "Delete"), StatusCode::OK);
    device.complete(job, JobEnd::Finished(seen));
    assert_eq!(device.get("./VirMO/b"), None);
    device.check();
}

/// Without the types nothing is told to the server; without an interval nobody looks.
#[test]
fn nothing_is_told_or_watched_that_is_not_asked_for() {
    let mut device = Device::new();
    device.provision("a", "");
    device.bring("a", VmState::Running);
    device.take_alerts();
    let id = device.id("a");
    device.bench.change(&id, MachineState::Unsettled);
    device.look();
    device
        .bench
        .change(&id, MachineState::Off { crashed: true });
    device.look();
    assert_eq!(device.state("a"), Some(VmState::PoweredOff));
    assert_eq!(device.take_alerts(), Vec::<String>::new());
    device.policy.watch = None;
    device.restart();
    assert_eq!(device.operate("a", "PowerOn"), StatusCode::OK);
    assert!(device.watch.is_none());
}

/// The watch ends with its client, and holds on to nothing until then; a lost one is made up for.
#[test]
fn the_watch_ends_with_its_client_and_not_before() {
    let mut device = device_in(VmState::Running);
    let watch = device.watch.take().unwrap();
    device.complete(watch.id, JobEnd::Lost);
    assert_eq!(told_unreachable(&device), 1);
    let watch = device.watch.take().expect("the next");
    device.stop();
    let holders = std::sync::Arc::strong_count(&device.hypervisor);
    assert_eq!(holders, 2, "the test's own");
    device.bench.unreachable.store(true, Ordering::SeqCst);
    // Would fail, and say so, if it asked: it is not in a job.
    drop(watch.run());
    device.bench.unreachable.store(false, Ordering::SeqCst);
    device.restart();
    device.look();
    device.check();
}
