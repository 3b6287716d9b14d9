use omadm_core::StatusCode;
use omadm_mo::JobEnd;
use omadm_tree::TreeLimits;
use virmo_client::{Event, Policy};
use virmo_hypervisor::MachineState;
use virmo_state::{Primitive, VmState};

use crate::{
    bench::{Fault, in_job},
    device::{Answer, Device, final_alert},
};

/// Every applicable primitive: the state, the node's name, what CreateParams says for it.
const CASES: [(VmState, &str, &str); 9] = [
    (VmState::NotCreated, "Create", ""),
    (VmState::NotCreated, "Create", "&Running=false"),
    (VmState::Running, "Suspend", ""),
    (VmState::Suspended, "Resume", ""),
    (VmState::PoweredOff, "PowerOn", ""),
    (VmState::Running, "PowerOff", ""),
    (VmState::PoweredOff, "Delete", ""),
    (VmState::Running, "Delete", ""),
    (VmState::Suspended, "Delete", ""),
];

fn device_in(state: VmState, params: &str) -> Device {
    let mut device = Device::new();
    device.provision("a", params);
    device.bring("a", state);
    device
}

/// The primitive a case asks for.
fn primitive(operation: &str, params: &str) -> Primitive {
    match operation {
        "Create" if params.is_empty() => Primitive::Create,
        "Create" => Primitive::CreateAndPoweroff,
        "Suspend" => Primitive::Suspend,
        "Resume" => Primitive::Resume,
        "PowerOn" => Primitive::PowerOn,
        "PowerOff" => Primitive::PowerOff,
        _ => Primitive::Delete,
    }
}

/// The next attempt works: the primitive itself where it still applies.
fn try_again(device: &mut Device, operation: &str, params: &str) {
    let Some(state) = device.state("a") else {
        return;
    };
    if state.after(primitive(operation, params)).is_ok() {
        assert_eq!(
            device.operate("a", operation),
            StatusCode::OK,
            "{operation} again"
        );
    } else {
        let next = match state {
            VmState::Running => "Suspend",
            VmState::Suspended => "Resume",
            VmState::PoweredOff => "PowerOn",
            VmState::NotCreated | VmState::Deleted => "Create",
        };
        assert_eq!(
            device.operate("a", next),
            StatusCode::OK,
            "{next} after {operation}"
        );
    }
    device.check();
}

/// VR-058, VR-059, VR-060, VR-078: each call of each primitive fails in turn, before, amid and
/// after its effect, and so does each call of the undoing. The answer is true, State is what it was
/// or, where there is no way back, what it was to be, and the machine's, nothing is left behind, and the
/// next attempt works.
#[test]
pub(crate) fn every_call_that_fails_is_undone() {
    for (state, operation, params) in CASES {
        for fault in [Fault::Nothing, Fault::Half, Fault::All] {
            for call in 0.. {
                let mut device = device_in(state, params);
                device.bench.fault(call, fault);
                let status = device.operate("a", operation);
                if !device.bench.faults_happened() {
                    assert_eq!(status, StatusCode::OK);
                    assert!(call > 0);
                    break;
                }
                let context = format!("{operation} from {state}, {fault:?} at call {call}");
                let after = state.after(primitive(operation, params)).unwrap();
                let after = (after != VmState::Deleted).then_some(after);
                if status == StatusCode::OK {
                    // Past the point of no return the primitive stands, as the machine does.
                    assert_eq!(device.state("a"), after, "{context}");
                } else {
                    assert_eq!(status, StatusCode::COMMAND_FAILED, "{context}");
                    let events = device.take_events();
                    let told = |event: &Event| matches!(event, Event::PrimitiveFailed { .. });
                    assert!(events.iter().any(told), "{context}");
                    let now = device.state("a");
                    let has_no_way_back = matches!(operation, "Resume" | "PowerOff" | "Delete");
                    assert!(
                        now == Some(state) || has_no_way_back && now == after,
                        "{context}: {now:?}"
                    );
                }
                device.check();
                try_again(&mut device, operation, params);
            }
        }
    }
}

/// Two calls fail: the undoing too. What is owed is undone before the next primitive, or at the
/// next start.
#[test]
pub(crate) fn an_undoing_that_fails_is_made_up_for() {
    for restart in [false, true] {
        for (state, operation, params) in CASES {
            for fault in [Fault::Nothing, Fault::Half, Fault::All] {
                for (first, second) in [(0, 1), (0, 2), (1, 2), (1, 3)] {
                    let mut device = device_in(state, params);
                    device.bench.fault(first, fault);
                    device.bench.fault(second, fault);
                    let status = device.operate("a", operation);
                    device.bench.no_faults();
                    let context = format!("{operation} from {state}, {fault:?} {first} {second}");
                    if restart {
                        device.restart();
                        device.check();
                    }
                    if status == StatusCode::OK {
                        device.check();
                        continue;
                    }
                    let Some(now) = device.state("a") else {
                        device.check();
                        continue;
                    };
                    if now.after(primitive(operation, params)).is_ok() {
                        assert_eq!(device.operate("a", operation), StatusCode::OK, "{context}");
                        device.check();
                    }
                }
            }
        }
    }
}

/// While something is owed, the node cannot go: that would orphan a machine.
#[test]
pub(crate) fn a_vm_with_remains_is_not_deleted_from_the_tree() {
    let mut device = device_in(VmState::NotCreated, "");
    device.bench.fault(1, Fault::Nothing);
    device.bench.fault(2, Fault::Nothing);
    device.bench.fault(3, Fault::Nothing);
    assert_eq!(device.operate("a", "Create"), StatusCode::COMMAND_FAILED);
    assert_eq!(device.machine("a"), MachineState::Off { crashed: false });
    assert_eq!(device.state("a"), Some(VmState::NotCreated));
    assert_eq!(device.delete("./VirMO/a"), StatusCode::COMMAND_NOT_ALLOWED);
    device.bench.no_faults();
    device.restart();
    device.check();
    assert_eq!(device.machine("a"), MachineState::Absent);
    assert_eq!(device.delete("./VirMO/a"), StatusCode::OK);
    device.check();
}

/// A hypervisor that does not answer: the deadline reports a failure, the VM refuses work until
/// the call returns, then what it did is undone, except past the point of no return.
#[test]
pub(crate) fn a_call_that_hangs_fails_at_its_deadline_and_is_undone_when_it_returns() {
    for (state, operation, params) in CASES {
        for call in 0..2 {
            let mut device = device_in(state, params);
            let id = device.id("a");
            let gate = device.bench.gate();
            device.bench.fault(call, Fault::Hang);
            let uri = format!("./VirMO/a/Operations/{operation}");
            let Answer::Pending(job, _) = device.begin(&uri, None) else {
                panic!("refused");
            };
            let work = device.take(job);
            let worker = std::thread::spawn(move || in_job(|| work.run()));
            if call == 1 && primitive(operation, params) != Primitive::Create {
                // There is no second call to hang in.
                let output = worker.join().unwrap();
                assert_eq!(
                    device.complete(job, JobEnd::Finished(output)),
                    StatusCode::OK
                );
                continue;
            }
            gate.wait();
            assert_eq!(
                device.complete(job, JobEnd::TimedOut),
                StatusCode::COMMAND_FAILED
            );
            assert_eq!(device.state("a"), Some(state), "{operation} from {state}");
            for operation in [
                "Create", "Delete", "Suspend", "Resume", "PowerOn", "PowerOff",
            ] {
                let refused = StatusCode::COMMAND_NOT_ALLOWED;
                assert_eq!(device.operate("a", operation), refused);
            }
            gate.open();
            let output = worker.join().unwrap();
            device.complete(job, JobEnd::Late(output));
            device.run_all();
            let settled = match operation {
                "Resume" => Some(VmState::Running),
                "PowerOff" => Some(VmState::PoweredOff),
                "Delete" => None,
                _ => Some(state),
            };
            assert_eq!(device.state("a"), settled, "{operation} from {state}");
            if settled.is_none() {
                assert_eq!(device.bench.state(&id), MachineState::Absent);
            }
            device.check();
            try_again(&mut device, operation, params);
        }
    }
}

/// The client is restarted while a call hangs: the reported failure is undone at the start.
#[test]
pub(crate) fn a_restart_settles_what_was_reported_as_failed() {
    for (state, operation, params) in CASES {
        let mut device = device_in(state, params);
        let uri = format!("./VirMO/a/Operations/{operation}");
        let Answer::Pending(job, _) = device.begin(&uri, None) else {
            panic!("refused");
        };
        let work = device.take(job);
        in_job(|| work.run());
        assert_eq!(
            device.complete(job, JobEnd::TimedOut),
            StatusCode::COMMAND_FAILED
        );
        device.restart();
        let settled = match operation {
            "Resume" => Some(VmState::Running),
            "PowerOff" => Some(VmState::PoweredOff),
            "Delete" => None,
            _ => Some(state),
        };
        assert_eq!(device.state("a"), settled, "{operation} from {state}");
        device.check();
        try_again(&mut device, operation, params);
    }
}

/// The journal fails when the time is over: the failure is durable with what comes next, and undone
/// by a restart.
#[test]
pub(crate) fn a_failure_that_could_not_be_kept_is_kept_later() {
    let mut device = Device::with_alerts();
    device.provision("a", "");
    device.bring("a", VmState::Running);
    device.take_alerts();
    let uri = "./VirMO/a/Operations/Suspend";
    let Answer::Pending(job, _) = device.begin(uri, None) else {
        panic!("refused");
    };
    device.accept(job);
    let work = device.take(job);
    device
        .journal
        .fail_in
        .store(0, std::sync::atomic::Ordering::SeqCst);
    device.complete(job, JobEnd::TimedOut);
    let output = in_job(|| work.run());
    device.complete(job, JobEnd::Late(output));
    let alert = final_alert(uri, None, StatusCode::COMMAND_FAILED);
    assert_eq!(device.take_alerts(), [alert]);
    device.restart();
    assert_eq!(device.state("a"), Some(VmState::Running));
    device.check();
}

/// A create that hangs and is given up does not go on to boot the machine.
#[test]
pub(crate) fn a_job_that_was_given_up_stops() {
    let mut device = device_in(VmState::NotCreated, "");
    let gate = device.bench.gate();
    device.bench.fault(0, Fault::Hang);
    let Answer::Pending(job, _) = device.begin("./VirMO/a/Operations/Create", None) else {
        panic!("refused");
    };
    let work = device.take(job);
    let worker = std::thread::spawn(move || in_job(|| work.run()));
    gate.wait();
    device.bench.take_log();
    device.complete(job, JobEnd::TimedOut);
    gate.open();
    let output = worker.join().unwrap();
    device.complete(job, JobEnd::Late(output));
    device.run_all();
    let log = device.bench.take_log();
    assert!(
        !log.iter().any(|call| call.starts_with("PowerOn")),
        "{log:?}"
    );
    device.check();
}

/// The machine turns out to be in another state: the answer is 405 and State tells the truth.
#[test]
pub(crate) fn a_machine_that_changed_behind_our_back_is_found_out() {
    let mut device = device_in(VmState::Running, "");
    device
        .bench
        .change(&device.id("a"), MachineState::Off { crashed: true });
    assert_eq!(
        device.operate("a", "Suspend"),
        StatusCode::COMMAND_NOT_ALLOWED
    );
    assert_eq!(device.state("a"), Some(VmState::PoweredOff));
    device.check();
    device.bench.change(&device.id("a"), MachineState::Absent);
    assert_eq!(
        device.operate("a", "PowerOn"),
        StatusCode::COMMAND_NOT_ALLOWED,
        "404 is for a node that is not there"
    );
    assert_eq!(device.state("a"), Some(VmState::NotCreated));
    device.check();
    assert_eq!(device.operate("a", "Create"), StatusCode::OK);
    device.check();
}

#[test]
pub(crate) fn a_broken_machine_can_still_be_deleted() {
    let mut device = device_in(VmState::Running, "");
    device
        .bench
        .change(&device.id("a"), MachineState::Broken("disk".to_owned()));
    assert_eq!(
        device.operate("a", "Suspend"),
        StatusCode::COMMAND_NOT_ALLOWED
    );
    assert_eq!(
        device.state("a"),
        Some(VmState::Running),
        "it cannot be told"
    );
    assert_eq!(device.operate("a", "PowerOff"), StatusCode::COMMAND_FAILED);
    assert_eq!(device.operate("a", "Delete"), StatusCode::OK);
    device.check();
}

/// The journal fails when the outcome is to be kept: the server gets the failure, and the next
/// attempt undoes first what was done.
#[test]
pub(crate) fn an_outcome_that_cannot_be_kept_is_undone() {
    for (state, operation, params) in CASES {
        let mut device = device_in(state, params);
        device
            .journal
            .fail_in
            .store(1, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(device.operate("a", operation), StatusCode::COMMAND_FAILED);
        assert_eq!(device.state("a"), Some(state));
        // Undone first, or found done past the point of no return.
        assert_eq!(device.operate("a", operation), StatusCode::OK);
        let after = state.after(primitive(operation, params)).unwrap();
        assert_eq!(
            device.state("a"),
            Some(after).filter(|after| *after != VmState::Deleted)
        );
        device.check();
    }
}

/// 202 promised an alert: it comes, though the server asks anew before it is made up for what the
/// journal did not take.
#[test]
pub(crate) fn an_accepted_primitive_that_is_not_kept_is_reported_with_the_next() {
    let mut device = Device::with_alerts();
    device.provision("a", "");
    device.take_alerts();
    let uri = "./VirMO/a/Operations/Create";
    let Answer::Pending(job, _) = device.begin(uri, Some("c-1")) else {
        panic!("refused");
    };
    device.accept(job);
    device
        .journal
        .fail_in
        .store(0, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(device.run(job), StatusCode::COMMAND_FAILED);
    assert_eq!(device.take_alerts(), [""; 0]);
    assert_eq!(device.operate("a", "Create"), StatusCode::OK);
    let alert = final_alert(uri, Some("c-1"), StatusCode::COMMAND_FAILED);
    assert_eq!(device.take_alerts(), [alert]);
    device.resume();
    device.restart();
    assert_eq!(device.take_alerts(), [""; 0]);
    device.check();
}

/// A Delete does not undo first what is left of another primitive. If it fails, that is undone then.
#[test]
pub(crate) fn a_delete_that_fails_undoes_what_was_left() {
    let mut device = device_in(VmState::PoweredOff, "");
    device
        .journal
        .fail_in
        .store(1, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(device.operate("a", "PowerOn"), StatusCode::COMMAND_FAILED);
    device.bench.fault(0, Fault::Nothing);
    assert_eq!(device.operate("a", "Delete"), StatusCode::COMMAND_FAILED);
    assert_eq!(device.state("a"), Some(VmState::PoweredOff));
    device.check();
}

/// The process ends in the midst of a primitive, once what was left of an earlier one was undone.
#[test]
pub(crate) fn a_primitive_that_is_cut_after_another_was_undone_is_finished() {
    let ticks = |device: &mut Device, tick| {
        device.trip.arm(tick);
        let cut = device.crash_in(|device| _ = device.operate("a", "PowerOff"));
        device.trip.disarm();
        cut
    };
    for tick in 0.. {
        let mut device = device_in(VmState::Running, "");
        device
            .journal
            .fail_in
            .store(1, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(device.operate("a", "Suspend"), StatusCode::COMMAND_FAILED);
        if !ticks(&mut device, tick) {
            assert!(tick > 8, "it is cut everywhere");
            break;
        }
        device.restart();
        device.check();
    }
}

#[test]
pub(crate) fn a_panic_in_the_back_end_is_a_lost_job() {
    let mut device = device_in(VmState::Running, "");
    device.bench.fault(0, Fault::Panic);
    let Answer::Pending(job, _) = device.begin("./VirMO/a/Operations/Suspend", None) else {
        panic!("refused");
    };
    let work = device.take(job);
    assert!(crate::bench::surviving(|| in_job(|| work.run())).is_none());
    assert_eq!(
        device.complete(job, JobEnd::Lost),
        StatusCode::COMMAND_FAILED
    );
    device.run_all();
    assert_eq!(device.state("a"), Some(VmState::Running));
    device.check();
}

/// A guest that is asked to end itself and does not is forced.
#[test]
pub(crate) fn power_off_asks_first_if_the_policy_says_so() {
    for graceful in [None, Policy::default().graceful_power_off] {
        let mut policy = Policy::default();
        policy.graceful_power_off = graceful;
        let mut device = Device::with_policy(policy);
        device.provision("a", "");
        device.bring("a", VmState::Running);
        device.bench.take_log();
        device
            .bench
            .stubborn
            .store(true, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(device.operate("a", "PowerOff"), StatusCode::OK);
        let calls = 1 + usize::from(graceful.is_some());
        assert_eq!(device.bench.take_log().len(), calls);
        device.check();
    }
}

/// Rule 8: the tree has no room for what came of a primitive. The failure is reported, and undone
/// at once; a restart does not finish what was reported as failed.
#[test]
pub(crate) fn an_outcome_the_tree_has_no_room_for_is_undone() {
    for accepted in [false, true] {
        for restarted in [false, true] {
            let mut device = Device::with_alerts();
            device.provision("a", "");
            device.limits.total_bytes = 1;
            device.restart();
            device.take_alerts();
            let uri = "./VirMO/a/Operations/Create";
            let Answer::Pending(job, _) = device.begin(uri, None) else {
                panic!("refused");
            };
            if accepted {
                device.accept(job);
            }
            assert_eq!(device.run(job), StatusCode::DEVICE_FULL);
            let alert = final_alert(uri, None, StatusCode::DEVICE_FULL);
            let alerts = if accepted { vec![alert] } else { Vec::new() };
            assert_eq!(device.take_alerts(), alerts);
            if restarted {
                device.limits = TreeLimits::default();
                device.restart();
            } else {
                device.run_all();
            }
            assert_eq!(device.state("a"), Some(VmState::NotCreated));
            assert_eq!(device.machine("a"), MachineState::Absent);
            assert_eq!(device.take_alerts(), [""; 0]);
            device.check();
        }
    }
}

/// What could not be kept of a Create does not count against its next attempt.
#[test]
pub(crate) fn an_attempt_that_failed_takes_nothing_from_the_next() {
    let mut device = device_in(VmState::NotCreated, "");
    let config = "RAM=1&Storage=1&CPU=60&Network=60";
    device.add_leaf("./VirMO/a/Resources/NewConfig", config);
    device
        .journal
        .fail_in
        .store(1, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(device.operate("a", "Create"), StatusCode::COMMAND_FAILED);
    assert_eq!(device.operate("a", "Create"), StatusCode::OK);
    device.check();
}

/// A failure is reported once: at the deadline, not again when the call returns.
#[test]
pub(crate) fn a_failure_is_reported_once() {
    let mut device = Device::with_alerts();
    device.provision("a", "");
    device.take_alerts();
    let source = "./VirMO/a/Operations/Create";
    let Answer::Pending(job, _) = device.begin(source, Some("c-4")) else {
        panic!("refused");
    };
    device.accept(job);
    let work = device.take(job);
    device.complete(job, JobEnd::TimedOut);
    let alert = final_alert(source, Some("c-4"), StatusCode::COMMAND_FAILED);
    assert_eq!(device.take_alerts(), [alert]);
    let output = in_job(|| work.run());
    device.complete(job, JobEnd::Late(output));
    device.run_all();
    assert_eq!(device.take_alerts(), [""; 0]);
    device.check();
}

/// The job that undoes is lost too: the VM is held no longer, and the next attempt undoes first.
#[test]
pub(crate) fn an_undoing_that_is_lost_is_made_up_for() {
    let mut device = device_in(VmState::NotCreated, "");
    let Answer::Pending(job, _) = device.begin("./VirMO/a/Operations/Create", None) else {
        panic!("refused");
    };
    let work = device.take(job);
    in_job(|| work.run());
    device.complete(job, JobEnd::Lost);
    let undoing = device.jobs.front().unwrap().id;
    drop(device.take(undoing));
    device.complete(undoing, JobEnd::Lost);
    assert!(device.jobs.is_empty(), "it is not tried for ever");
    assert_eq!(device.state("a"), Some(VmState::NotCreated));
    device.bench.take_log();
    assert_eq!(device.operate("a", "Create"), StatusCode::OK);
    let calls = ["Observe vm-1", "Delete vm-1", "Create vm-1", "PowerOn vm-1"];
    assert_eq!(device.bench.take_log(), calls);
    device.check();
}
