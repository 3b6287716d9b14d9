//! The draft profile: what every profile does, and what this one has of its own.

use std::sync::atomic::Ordering;

use omadm_core::StatusCode;
use omadm_mo::{JobEnd, JobId};
use virmo_client::{Event, UnlockError};
use virmo_hypervisor::{Hypervisor, HypervisorErrorKind, MachineState};
use virmo_nodes::Profile;
use virmo_state::{AccessOperation, VmState};

use crate::{
    bench::{Fault, in_job},
    device::{Answer, Device, final_alert, with_profile},
};

/// Runs tests of the other modules in the draft profile too.
macro_rules! hold_in_the_draft {
    ($($module:ident::$test:ident,)*) => {
        mod also {
            $(
                #[test]
                fn $test() {
                    super::with_profile(super::Profile::Draft, crate::$module::$test);
                }
            )*
        }
    };
}

// What is about images alone is left out: their object is the same.
// DR-026 to DR-045, DR-073 to DR-076, DR-078 to DR-088, DR-090 to DR-124
hold_in_the_draft! {
    primitives::every_primitive_in_every_state_does_what_the_table_says,
    primitives::running_is_what_create_params_says_and_true_if_they_do_not,
    primitives::create_gives_the_new_config_or_the_default_entitlement,
    primitives::create_is_refused_when_the_device_has_too_little_left,
    primitives::an_incomplete_new_config_is_refused_where_it_is_used,
    primitives::a_busy_vm_refuses_everything_and_others_do_not_wait,
    primitives::jobs_have_the_lane_of_their_vm_and_a_deadline,
    primitives::the_intent_is_durable_before_the_job_and_goes_with_the_state,
    primitives::what_was_accepted_ends_in_an_alert,
    primitives::asynchronous_reporting_is_a_policy,
    primitives::a_lost_job_is_a_failure_and_is_undone,
    faults::every_call_that_fails_is_undone,
    faults::a_vm_with_remains_is_not_deleted_from_the_tree,
    faults::a_call_that_hangs_fails_at_its_deadline_and_is_undone_when_it_returns,
    faults::a_restart_settles_what_was_reported_as_failed,
    faults::a_failure_that_could_not_be_kept_is_kept_later,
    faults::a_job_that_was_given_up_stops,
    faults::a_machine_that_changed_behind_our_back_is_found_out,
    faults::a_broken_machine_can_still_be_deleted,
    faults::an_outcome_that_cannot_be_kept_is_undone,
    faults::a_panic_in_the_back_end_is_a_lost_job,
    faults::power_off_asks_first_if_the_policy_says_so,
    faults::an_outcome_the_tree_has_no_room_for_is_undone,
    faults::an_attempt_that_failed_takes_nothing_from_the_next,
    faults::a_failure_is_reported_once,
    faults::an_undoing_that_is_lost_is_made_up_for,
    restarts::a_crash_at_any_moment_is_recovered_from,
    restarts::a_crash_while_undoing_still_undoes,
    restarts::an_accepted_primitive_is_answered_after_a_restart,
    restarts::a_vm_is_busy_until_it_is_recovered,
    restarts::a_primitive_that_cannot_be_finished_is_undone,
    restarts::states_follow_the_machines_at_start,
    restarts::a_machine_that_comes_back_is_found_again,
    restarts::an_unreachable_hypervisor_changes_nothing,
    restarts::unknown_machines_are_reported_and_left_alone,
    restarts::unknown_machines_are_adopted,
    restarts::unknown_machines_are_told_of_once,
    restarts::unknown_images_are_adopted,
    restarts::unknown_images_are_told_of_once,
    restarts::machines_that_cannot_be_adopted_are_told_of,
    restarts::no_identifier_is_given_out_before_the_machines_are_listed,
    restarts::a_list_that_comes_late_is_taken,
    restarts::a_damaged_record_is_reported,
    restarts::a_crash_at_any_moment_of_a_delete_leaves_no_file_behind,
    restarts::a_recovery_that_hangs_is_settled_when_it_returns,
    restarts::state_4_is_never_left_behind,
    restarts::a_machine_under_recovery_is_not_unknown,
    writes::create_params_are_written_in_state_0_only,
    writes::malformed_parameters_are_refused,
    writes::a_vm_is_deleted_from_the_tree_in_state_0_only,
    writes::identifiers_are_unique_for_ever,
    writes::identifiers_run_out_without_being_given_out_twice,
    writes::a_failed_commit_changes_nothing,
    writes::a_renamed_vm_keeps_its_machine,
    writes::other_nodes_do_not_execute,
    simulator::a_life_with_a_restart_after_each_step,
    simulator::a_fault_of_the_simulator_is_undone,
    atomics::a_vm_described_by_one_atomic_is_there_whole_or_not_at_all,
    atomics::nodes_come_go_and_change_their_names_in_one_atomic,
    atomics::an_image_is_replaced_by_another_in_one_atomic,
}

/// A device of the draft with a machine that runs, on a hypervisor that can guard it.
fn device() -> Device {
    guarded(Device::new())
}

fn guarded(mut device: Device) -> Device {
    device.profile = Profile::Draft;
    device.bench.guarded.store(true, Ordering::SeqCst);
    device.restart();
    device
}

/// A device whose Lock of a running machine was answered with 202, to end in an alert.
fn accepted_lock() -> (Device, JobId) {
    let mut device = guarded(Device::with_alerts());
    device.provision("a", "");
    device.bring("a", VmState::Running);
    device.take_alerts();
    let Answer::Pending(job, _) = device.begin(node(AccessOperation::Lock), Some("c1")) else {
        panic!("it is done by a job");
    };
    device.accept(job);
    (device, job)
}

/// A device whose machine is locked, which the journal did not take.
fn with_a_lock_not_kept() -> Device {
    let mut device = device();
    device.provision("a", "");
    device.bring("a", VmState::Running);
    let Answer::Pending(job, _) = device.begin(node(AccessOperation::Lock), None) else {
        panic!("it is done by a job");
    };
    device.journal.fail_in.store(0, Ordering::SeqCst);
    assert_eq!(device.run(job), StatusCode::COMMAND_FAILED);
    device
}

/// Lock, Unlock and data sharing, and what the tree and the machine say of them.
fn guards(device: &Device, vm: &str) -> (Option<String>, Option<String>) {
    let leaf = |name: &str| device.get(&format!("./VirMO/{vm}/Ext/{name}"));
    (leaf("Locked"), leaf("Sharing"))
}

fn texts(locked: &str, sharing: &str) -> (Option<String>, Option<String>) {
    (Some(locked.to_owned()), Some(sharing.to_owned()))
}

fn node(operation: AccessOperation) -> &'static str {
    match operation {
        AccessOperation::Lock => "./VirMO/a/Operations/Lock",
        AccessOperation::Unlock => "./VirMO/a/Operations/Unlock",
        AccessOperation::AllowSharing => "./VirMO/a/Ext/AllowSharing",
        AccessOperation::ProhibitSharing => "./VirMO/a/Ext/ProhibitSharing",
    }
}

/// DR-004, DR-005, DR-013, DR-020, DR-021, DR-055, DR-056: in every state of a machine, again and
/// again, and the State stays; refused where there is none.
#[test]
fn who_gets_at_a_machine_changes_in_every_state_but_the_first() {
    for state in [
        VmState::NotCreated,
        VmState::PoweredOff,
        VmState::Running,
        VmState::Suspended,
    ] {
        let mut device = device();
        device.provision("a", "");
        device.bring("a", state);
        let mut expected = texts("false", "false");
        for operation in AccessOperation::ALL.into_iter().flat_map(|it| [it, it]) {
            let status = device.exec(node(operation));
            if state == VmState::NotCreated {
                assert_eq!(status, StatusCode::COMMAND_NOT_ALLOWED, "{operation}");
            } else {
                assert_eq!(status, StatusCode::OK, "{operation} {state}");
                match operation {
                    AccessOperation::Lock => expected.0 = Some("true".to_owned()),
                    AccessOperation::Unlock => expected.0 = Some("false".to_owned()),
                    AccessOperation::AllowSharing => expected.1 = Some("true".to_owned()),
                    AccessOperation::ProhibitSharing => expected.1 = Some("false".to_owned()),
                }
            }
            assert_eq!(guards(&device, "a"), expected);
            assert_eq!(device.state("a"), Some(state));
        }
        device.check();
    }
}

/// A locked machine goes through its primitives as any other; it is unlocked when it is gone.
#[test]
fn the_lock_outlives_restarts_and_primitives() {
    let mut device = device();
    device.provision("a", "");
    device.bring("a", VmState::Running);
    assert_eq!(device.exec(node(AccessOperation::Lock)), StatusCode::OK);
    assert_eq!(
        device.exec(node(AccessOperation::AllowSharing)),
        StatusCode::OK
    );
    for operation in ["Suspend", "Resume", "PowerOff", "PowerOn"] {
        assert_eq!(device.operate("a", operation), StatusCode::OK);
        device.restart();
        assert_eq!(guards(&device, "a"), texts("true", "true"));
    }
    device
        .bench
        .change(&device.id("a"), virmo_hypervisor::MachineState::Absent);
    device.restart();
    assert_eq!(device.state("a"), Some(VmState::NotCreated));
    assert_eq!(guards(&device, "a"), texts("false", "false"));
    device.check();
}

/// While a machine does not answer its user, what waits for it ends when it is given up, does nothing
/// afterwards, and keeps nobody from other machines.
#[test]
fn a_machine_that_hangs_for_its_user_keeps_nobody_from_others() {
    let mut device = device();
    for vm in ["a", "b"] {
        device.provision(vm, "");
        device.bring(vm, VmState::Running);
    }
    let leaf = "./VirMO/a/Ext/UserUnlock";
    assert_eq!(device.set_bool(leaf, true), StatusCode::OK);

    let gate = device.bench.gate();
    device.bench.fault(0, Fault::Hang);
    let users = device.users.clone().unwrap();
    let unlock = move || in_job(|| users.unlock("a"));
    let user = std::thread::spawn(unlock.clone());
    gate.wait();
    let Err(UnlockError::Hypervisor(busy)) = unlock() else {
        panic!("not refused");
    };
    assert_eq!(*busy.kind(), HypervisorErrorKind::Busy);

    assert_eq!(device.operate("b", "Suspend"), StatusCode::OK);

    let Answer::Pending(job, _) = device.begin(node(AccessOperation::Lock), None) else {
        panic!("refused");
    };
    let work = device.take(job);
    let worker = std::thread::spawn(move || in_job(|| work.run()));
    let status = device.complete(job, JobEnd::TimedOut);
    assert_eq!(status, StatusCode::COMMAND_FAILED);
    gate.open();
    user.join().unwrap().unwrap();
    device.complete(job, JobEnd::Late(worker.join().unwrap()));
    assert_eq!(device.bench.locked(&device.id("a")), Some(false));

    device.run_all();
    device.check();
}

/// DR-022: the user unlocks what the server authorized, and nothing else.
#[test]
fn the_user_unlocks_what_the_server_authorized() {
    let mut device = device();
    device.provision("a", "");
    device.bring("a", VmState::Running);
    assert_eq!(device.exec(node(AccessOperation::Lock)), StatusCode::OK);
    let users = device.users.clone().unwrap();
    for vm in ["a", "b"] {
        let refused = users.unlock(vm).unwrap_err();
        assert!(matches!(refused, UnlockError::NotAuthorized), "{refused}");
    }
    let leaf = "./VirMO/a/Ext/UserUnlock";
    assert_eq!(device.set_bool(leaf, true), StatusCode::OK);
    assert_eq!(users.unlockable(), ["a"]);
    crate::bench::in_job(|| users.unlock("a").unwrap());
    assert_eq!(
        guards(&device, "a"),
        texts("true", "false"),
        "not looked at yet"
    );
    device.look();
    assert_eq!(guards(&device, "a"), texts("false", "false"));

    // It outlives restarts, follows the name of the node, and ends when the server says so.
    device.restart();
    assert_eq!(device.users.as_ref().unwrap().unlockable(), ["a"]);
    assert_eq!(device.rename("./VirMO/a", "b"), StatusCode::OK);
    let users = device.users.clone().unwrap();
    assert_eq!(users.unlockable(), ["b"]);
    assert_eq!(
        device.set_bool("./VirMO/b/Ext/UserUnlock", false),
        StatusCode::OK
    );
    assert_eq!(users.unlockable(), [""; 0]);
    assert_eq!(
        device.set_bool("./VirMO/b/Ext/UserUnlock", true),
        StatusCode::OK
    );
    assert_eq!(device.operate("b", "Delete"), StatusCode::OK);
    assert_eq!(users.unlockable(), [""; 0]);
    device.check();
}

/// What fails, hangs or is lost leaves the leaf true to the machine.
#[test]
fn a_lock_that_fails_changes_nothing() {
    let mut device = device();
    device.provision("a", "");
    device.bring("a", VmState::Running);
    device.take_events();
    let lock = node(AccessOperation::Lock);
    device.bench.fault(0, Fault::Nothing);
    assert_eq!(device.exec(lock), StatusCode::COMMAND_FAILED);
    assert_eq!(guards(&device, "a"), texts("false", "false"));
    let told = device.take_events();
    let failed = |event: &Event| {
        matches!(
            event,
            Event::AccessFailed {
                operation: AccessOperation::Lock,
                ..
            }
        )
    };
    assert!(told.len() == 1 && told.iter().all(failed), "{told:?}");

    // It was done, and the answer was an error.
    device.bench.fault(0, Fault::All);
    assert_eq!(device.exec(lock), StatusCode::COMMAND_FAILED);
    assert_eq!(guards(&device, "a"), texts("true", "false"));

    let Answer::Pending(job, _) = device.begin(node(AccessOperation::Unlock), None) else {
        panic!("it is done by a job");
    };
    assert_eq!(
        device.operate("a", "Suspend"),
        StatusCode::COMMAND_NOT_ALLOWED
    );
    device.take(job);
    assert_eq!(
        device.complete(job, JobEnd::Lost),
        StatusCode::COMMAND_FAILED
    );
    assert_eq!(guards(&device, "a"), texts("true", "false"));
    assert_eq!(device.exec(node(AccessOperation::Unlock)), StatusCode::OK);
    device.check();
}

/// What cannot be looked at is as a Lock that succeeded left it; after one that failed it is found out
/// at the next start, also where that has a primitive to finish first.
#[test]
fn a_lock_that_cannot_be_looked_at_is_told_as_it_is() {
    let mut device = device();
    device.provision("a", "");
    device.bring("a", VmState::Running);
    for (operation, locked) in [
        (AccessOperation::Lock, "true"),
        (AccessOperation::Unlock, "false"),
    ] {
        device.bench.fault(1, Fault::Nothing);
        assert_eq!(device.exec(node(operation)), StatusCode::OK);
        assert_eq!(guards(&device, "a"), texts(locked, "false"));
    }
    for (operation, allowed) in [
        (AccessOperation::AllowSharing, "true"),
        (AccessOperation::ProhibitSharing, "false"),
    ] {
        device.bench.fault(2, Fault::Nothing);
        assert_eq!(device.exec(node(operation)), StatusCode::OK);
        assert_eq!(guards(&device, "a"), texts("false", allowed));
    }
    let lock = node(AccessOperation::Lock);
    device.bench.fault(0, Fault::All);
    device.bench.fault(1, Fault::Nothing);
    assert_eq!(device.exec(lock), StatusCode::COMMAND_FAILED);
    assert_eq!(guards(&device, "a"), texts("false", "false"));
    device.begin("./VirMO/a/Operations/Suspend", None);
    device.restart();
    assert_eq!(device.state("a"), Some(VmState::Suspended));
    assert_eq!(guards(&device, "a"), texts("true", "false"));
    device.check();
}

/// What was answered with 202 is done after a crash, and told once; where its machine is gone, it
/// failed.
#[test]
fn an_accepted_lock_outlives_a_crash() {
    for (gone, status) in [(false, StatusCode::OK), (true, StatusCode::COMMAND_FAILED)] {
        let (mut device, _) = accepted_lock();
        if gone {
            let id = device.id("a");
            device.bench.change(&id, MachineState::Absent);
        }
        device.restart();
        let told = final_alert(node(AccessOperation::Lock), Some("c1"), status);
        assert_eq!(device.take_alerts(), [told]);
        let locked = guards(&device, "a").0;
        assert_eq!(locked.as_deref(), Some(if gone { "false" } else { "true" }));
        device.restart();
        assert_eq!(device.take_alerts(), [""; 0]);
        device.check();
    }
}

/// A server that looks finds what the machine has: what a restart cut is known before sessions.
#[test]
fn what_was_accepted_is_done_again_before_sessions() {
    let mut device = device();
    device.provision("a", "");
    device.bring("a", VmState::Running);
    let Answer::Pending(job, _) = device.begin(node(AccessOperation::Lock), None) else {
        panic!("it is done by a job");
    };
    device.accept(job);
    device.boot();
    let observe = label(&device, "Observe a");
    device.run(observe);
    let job = label(&device, "Lock a");
    assert!(device.take(job).before_sessions);
}

/// Who gets at a machine is found out at a start, whatever else the last run left open: a primitive, or
/// a change of resources that is still being taken up.
#[test]
fn a_start_that_recovers_finds_out_who_gets_at_a_machine() {
    for uri in [
        "./VirMO/a/Operations/Suspend",
        "./VirMO/Operations/ApplyChanges",
    ] {
        let mut device = device();
        device.provision("a", "");
        device.bring("a", VmState::Running);
        device.begin(uri, None);
        let id = device.id("a");
        let lock = device.bench.input_lock().unwrap();
        crate::bench::in_job(|| lock.set_locked(&id, true)).unwrap();
        device.boot();
        if uri.ends_with("ApplyChanges") {
            let observe = label(&device, "Observe a");
            device.run(observe);
        }
        device.run_all();
        assert_eq!(guards(&device, "a"), texts("true", "false"), "{uri}");
        device.check();
    }
}

/// The job that waits under this label.
fn label(device: &Device, label: &str) -> JobId {
    let job = device.jobs.iter().find(|job| job.label == label);
    job.expect("it waits").id
}

/// What was answered with 202 and could not be kept is done again when the journal works, and told
/// once; what was reported as too late is not.
#[test]
fn an_accepted_lock_that_is_not_kept_is_done_again() {
    for late in [false, true] {
        let (mut device, job) = accepted_lock();
        let work = device.take(job);
        let output = crate::bench::in_job(|| work.run());
        let (end, status) = match late {
            false => (JobEnd::Finished(output), StatusCode::OK),
            true => {
                device.complete(job, JobEnd::TimedOut);
                (JobEnd::Late(output), StatusCode::COMMAND_FAILED)
            }
        };
        device.journal.fail_in.store(0, Ordering::SeqCst);
        device.complete(job, end);
        device.look();
        let told = final_alert(node(AccessOperation::Lock), Some("c1"), status);
        assert_eq!(device.take_alerts(), [told]);
        device.look();
        device.restart();
        assert_eq!(device.take_alerts(), [""; 0]);
        assert_eq!(guards(&device, "a").0.as_deref(), Some("true"));
        device.check();
    }
}

/// What could not be kept is looked up when the journal works.
#[test]
fn a_lock_that_is_not_kept_is_told_by_its_node() {
    let mut device = with_a_lock_not_kept();
    assert_eq!(guards(&device, "a"), texts("false", "false"));
    device.resume();
    device.run_all();
    assert_eq!(guards(&device, "a"), texts("true", "false"));
    device.resume();
    assert!(device.jobs.is_empty(), "it was looked up already");
    device.check();
}

/// The time to look comes while a job holds the VM: it comes again.
#[test]
fn a_lock_that_is_not_kept_is_told_after_what_holds_the_machine() {
    let mut device = with_a_lock_not_kept();
    let suspend = "./VirMO/a/Operations/Suspend";
    let Answer::Pending(suspend, _) = device.begin(suspend, None) else {
        panic!("it is done by a job");
    };
    device.resume();
    assert_eq!(device.run(suspend), StatusCode::OK);
    assert!(device.is_due);
    device.resume();
    device.run_all();
    assert_eq!(guards(&device, "a"), texts("true", "false"));
    device.resume();
    assert!(!device.is_due && device.jobs.is_empty(), "it was looked up");
    device.check();
}

/// 202 promised an alert: it comes, though something else begins before it is made up for what the
/// journal did not take. That is not done again then.
#[test]
fn an_accepted_lock_that_is_not_kept_is_reported_with_the_next() {
    for next in ["Unlock", "Suspend", "Delete"] {
        let (mut device, job) = accepted_lock();
        drop(device.take(job));
        device.journal.fail_in.store(0, Ordering::SeqCst);
        device.complete(job, JobEnd::Lost);
        assert_eq!(device.operate("a", next), StatusCode::OK);
        let told = final_alert(
            node(AccessOperation::Lock),
            Some("c1"),
            StatusCode::COMMAND_FAILED,
        );
        assert_eq!(device.take_alerts(), [told], "{next}");
        device.resume();
        device.run_all();
        device.restart();
        assert_eq!(device.take_alerts(), [""; 0], "{next}");
        if next != "Delete" {
            assert_eq!(guards(&device, "a"), texts("false", "false"), "{next}");
        }
        device.check();
    }
}

/// That its time was over could not be kept, so it was promised still when it ended after all: that is
/// told, once.
#[test]
fn an_accepted_lock_whose_failure_is_not_kept_is_told_when_it_ends() {
    for is_done in [true, false] {
        let (mut device, job) = accepted_lock();
        let mut work = Some(device.take(job));
        let mut run = || work.take().map(|work| in_job(|| work.run()));
        let done = if is_done { run() } else { None };
        device.journal.fail_in.store(0, Ordering::SeqCst);
        device.complete(job, JobEnd::TimedOut);
        let output = done.or_else(run).unwrap();
        device.complete(job, JobEnd::Late(output));
        let status = match is_done {
            true => StatusCode::OK,
            false => StatusCode::COMMAND_FAILED,
        };
        let told = final_alert(node(AccessOperation::Lock), Some("c1"), status);
        assert_eq!(device.take_alerts(), [told]);
        let locked = if is_done { "true" } else { "false" };
        assert_eq!(guards(&device, "a"), texts(locked, "false"));
        device.restart();
        assert_eq!(device.take_alerts(), [""; 0], "it is promised no more");
        device.check();
    }
}

/// After 202 the alert tells how it ended, once; what comes after that is kept and not told.
#[test]
fn an_accepted_lock_ends_in_an_alert() {
    let (mut device, job) = accepted_lock();
    assert_eq!(device.run(job), StatusCode::OK);
    let told = final_alert(node(AccessOperation::Lock), Some("c1"), StatusCode::OK);
    assert_eq!(device.take_alerts(), [told]);

    let unlock = node(AccessOperation::Unlock);
    let Answer::Pending(job, _) = device.begin(unlock, Some("c2")) else {
        panic!("it is done by a job");
    };
    device.accept(job);
    let work = device.take(job);
    assert_eq!(
        device.complete(job, JobEnd::TimedOut),
        StatusCode::COMMAND_FAILED
    );
    let told = final_alert(unlock, Some("c2"), StatusCode::COMMAND_FAILED);
    assert_eq!(device.take_alerts(), [told]);
    assert_eq!(
        device.operate("a", "Suspend"),
        StatusCode::COMMAND_NOT_ALLOWED
    );
    let output = crate::bench::in_job(|| work.run());
    device.complete(job, JobEnd::Late(output));
    assert_eq!(device.take_alerts(), [""; 0]);
    assert_eq!(guards(&device, "a"), texts("true", "false"));
    device.check();
}

/// Lock and Unlock are nodes of the draft on every device; one that cannot keep anybody out says
/// so. What is ours is left out there.
#[test]
fn a_hypervisor_that_cannot_lock_is_told_apart() {
    let mut device = Device::new();
    device.profile = Profile::Draft;
    device.restart();
    device.provision("a", "");
    device.bring("a", VmState::Running);
    for operation in [AccessOperation::Lock, AccessOperation::Unlock] {
        let status = device.exec(node(operation));
        assert_eq!(status, StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED);
    }
    assert_eq!(
        device.exec(node(AccessOperation::AllowSharing)),
        StatusCode::NOT_FOUND
    );
    assert_eq!(guards(&device, "a"), (Some("false".to_owned()), None));
    device.check();
}

/// The approved text has no such operations, and the draft neither ApplyChanges nor what goes with
/// it.
#[test]
fn a_profile_has_no_node_of_the_other() {
    let mut draft = device();
    draft.provision("a", "");
    assert_eq!(draft.get("./VirMO").unwrap(), "a");
    for uri in ["./VirMO/Operations/ApplyChanges", "./VirMO/DeviceResources"] {
        assert_eq!(draft.get(uri), None, "{uri}");
    }
    assert_eq!(
        draft.add("./VirMO/Operations"),
        StatusCode::OK,
        "any name is free"
    );
    let mut approved = Device::new();
    approved.bench.guarded.store(true, Ordering::SeqCst);
    approved.provision("a", "");
    assert_eq!(
        approved.exec_now(node(AccessOperation::Lock)),
        StatusCode::NOT_FOUND
    );
}

/// A device with VMs stays with its profile; without, what the other left is cleared away.
#[test]
fn a_profile_changes_where_no_vm_is() {
    let mut device = Device::new();
    device.profile = Profile::Draft;
    device.restart();
    assert_eq!(device.get("./VirMO").as_deref(), Some(""));
    device.profile = Profile::Approved;
    device.restart();
    assert_eq!(device.get("./VirMO").unwrap(), "DeviceResources/Operations");
    device.provision("a", "");
    device.profile = Profile::Draft;
    assert_eq!(device.try_boot(), Err(StatusCode::COMMAND_FAILED));
    device.profile = Profile::Approved;
    device.restart();
    assert_eq!(device.operate("a", "Create"), StatusCode::OK);
    device.check();
}
