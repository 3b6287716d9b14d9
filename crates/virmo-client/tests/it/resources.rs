use std::sync::atomic::Ordering;

use omadm_core::{Batch, Operation, Space, StatusCode};
use omadm_mo::{JobEnd, JobId};
use omadm_tree::TreeLimits;
use virmo_client::{CpuPolicy, Event, Policy, Recovery};
use virmo_hypervisor::MachineState;
use virmo_state::VmState;

use crate::{
    bench::{Fault, in_job},
    device::{Answer, Device, final_alert},
};

const APPLY: &str = "./VirMO/Operations/ApplyChanges";

/// Three VMs that share the CPU: 50, 30, 20. `a` runs, `b` is suspended, `c` is off.
fn device(policy: Policy) -> Device {
    let mut device = Device::with_policy(policy);
    device.deliver("image");
    for (vm, cpu) in [("a", 50), ("b", 30), ("c", 20)] {
        device.add_vm(vm, "image", "");
        want(&mut device, vm, &config(100, cpu));
        assert_eq!(device.operate(vm, "Create"), StatusCode::OK);
    }
    assert_eq!(device.operate("b", "Suspend"), StatusCode::OK);
    assert_eq!(device.operate("c", "PowerOff"), StatusCode::OK);
    device.bench.take_log();
    device.take_events();
    device
}

fn config(ram: u32, cpu: u32) -> String {
    format!("RAM={ram}&Storage=1&CPU={cpu}&Network=1")
}

fn want(device: &mut Device, vm: &str, config: &str) {
    let uri = format!("./VirMO/{vm}/Resources/NewConfig");
    let status = match device.get(&uri) {
        None => device.add_leaf(&uri, config),
        Some(_) => device.replace(&uri, config),
    };
    assert_eq!(status, StatusCode::OK);
}

fn current(device: &Device) -> [String; 3] {
    ["a", "b", "c"].map(|vm| {
        device
            .get(&format!("./VirMO/{vm}/Resources/CurrentConfig"))
            .unwrap()
    })
}

fn wanted(device: &Device) -> [Option<String>; 3] {
    ["a", "b", "c"].map(|vm| device.get(&format!("./VirMO/{vm}/Resources/NewConfig")))
}

/// `a` and `c` trade CPU, and get other RAM.
fn trade(device: &mut Device) {
    want(device, "a", &config(200, 20));
    want(device, "c", &config(50, 50));
}

/// A device whose ApplyChanges was answered with 202, to end in an alert.
fn accepted(correlator: Option<&str>) -> (Device, JobId) {
    let mut policy = Policy::default();
    policy.alert_type = Some("com.example.result".to_owned());
    let mut device = device(policy);
    trade(&mut device);
    device.take_alerts();
    let Answer::Pending(job, _) = device.begin(APPLY, correlator) else {
        panic!("refused");
    };
    device.accept(job);
    (device, job)
}

fn before() -> [String; 3] {
    [config(100, 50), config(100, 30), config(100, 20)]
}

fn after() -> [String; 3] {
    [config(200, 20), config(100, 30), config(50, 50)]
}

/// The events of resources since events were last taken.
fn resources_told(device: &mut Device) -> Vec<(String, String)> {
    let events = device.take_events().into_iter();
    let told = events.filter_map(|event| match event {
        Event::Resources { node, config, .. } => Some((node, config.to_string())),
        _ => None,
    });
    told.collect()
}

/// VR-122, VR-136 to VR-138: all NewConfigs at once, also where one VM gives what another takes;
/// afterwards no VM has one, created or not; an empty one is no change.
#[test]
pub(crate) fn changes_are_applied_over_all_vms() {
    let mut device = device(Policy::default());
    device.add_vm("d", "image", "");
    want(&mut device, "d", &config(1, 1));
    trade(&mut device);
    want(&mut device, "b", "");
    assert_eq!(device.exec(APPLY), StatusCode::OK);
    assert_eq!(current(&device), after());
    assert_eq!(wanted(&device), [None, None, None]);
    let [a, _, c] = after();
    assert_eq!(
        resources_told(&mut device),
        [("a".to_owned(), a), ("c".to_owned(), c)]
    );
    assert_eq!(device.get("./VirMO/d/Resources/NewConfig"), None);
    device.check();
    assert_eq!(
        device.exec(APPLY),
        StatusCode::OK,
        "nothing to do is no failure"
    );
    device.check();
}

/// VR-139: what does not fit together is refused as a whole, nobody is asked, NewConfig is kept.
#[test]
pub(crate) fn inconsistent_changes_are_refused_as_a_whole() {
    for (a, c, status) in [
        (config(1, 51), config(1, 20), StatusCode::DEVICE_FULL),
        (config(u32::MAX, 1), config(2, 1), StatusCode::DEVICE_FULL),
        (
            config(1, 1),
            "CPU=5".to_owned(),
            StatusCode::INCOMPLETE_COMMAND,
        ),
    ] {
        let mut device = device(Policy::default());
        want(&mut device, "a", &a);
        want(&mut device, "c", &c);
        assert_eq!(device.exec_now(APPLY), status);
        assert_eq!(current(&device), before());
        assert_eq!(wanted(&device), [Some(a), None, Some(c)]);
        assert_eq!(device.bench.take_log(), [""; 0]);
        device.check();
    }
}

/// spec-diff 4.25: the CPU shares may have to add up to exactly 100 %.
#[test]
pub(crate) fn the_cpu_policy_may_be_exact() {
    let mut policy = Policy::default();
    policy.cpu = CpuPolicy::Exactly;
    let mut device = device(policy);
    want(&mut device, "a", &config(1, 49));
    assert_eq!(device.exec_now(APPLY), StatusCode::DEVICE_FULL);
    want(&mut device, "a", &config(1, 50));
    assert_eq!(device.exec(APPLY), StatusCode::OK);
    device.check();
}

/// What one machine cannot take is applied to none: a running one that cannot change live 406, a
/// suspended one 405.
#[test]
pub(crate) fn one_machine_that_refuses_stops_the_change() {
    let mut device = device(Policy::default());
    trade(&mut device);
    device.bench.rigid.store(true, Ordering::SeqCst);
    assert_eq!(
        device.exec(APPLY),
        StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED
    );
    assert_eq!(current(&device), before());
    device.check();
    device.bench.rigid.store(false, Ordering::SeqCst);
    want(&mut device, "b", &config(99, 30));
    assert_eq!(device.exec(APPLY), StatusCode::COMMAND_NOT_ALLOWED);
    assert_eq!(current(&device), before());
    device.check();
    want(&mut device, "b", &config(100, 30));
    assert_eq!(device.exec(APPLY), StatusCode::OK);
    assert_eq!(current(&device), after());
    device.check();
}

/// While a change is under way every VM refuses work, and it waits for none.
#[test]
pub(crate) fn a_change_holds_every_vm() {
    let mut device = device(Policy::default());
    trade(&mut device);
    let Answer::Pending(job, _) = device.begin("./VirMO/a/Operations/Suspend", None) else {
        panic!("refused");
    };
    assert_eq!(device.exec_now(APPLY), StatusCode::COMMAND_NOT_ALLOWED);
    assert_eq!(device.run(job), StatusCode::OK);
    assert_eq!(device.operate("a", "Resume"), StatusCode::OK);
    let Answer::Pending(job, _) = device.begin(APPLY, None) else {
        panic!("refused");
    };
    let refused = StatusCode::COMMAND_NOT_ALLOWED;
    assert_eq!(device.exec_now(APPLY), refused);
    assert_eq!(device.exec_now("./VirMO/a/Operations/Suspend"), refused);
    assert_eq!(device.exec_now("./VirMO/b/Operations/Delete"), refused);
    assert_eq!(device.replace("./VirMO/c/Resources/NewConfig", ""), refused);
    assert_eq!(device.rename("./VirMO/c", "d"), refused);
    assert_eq!(device.run(job), StatusCode::OK);
    assert_eq!(device.operate("b", "Delete"), StatusCode::OK);
    device.check();
}

/// Each call fails in turn, before, amid and after its effect: the change is taken back everywhere,
/// and the next attempt works, after a restart too.
#[test]
pub(crate) fn a_call_that_fails_takes_the_change_back() {
    for fault in [Fault::Nothing, Fault::Half, Fault::All] {
        for call in 0.. {
            let mut device = device(Policy::default());
            trade(&mut device);
            device.bench.fault(call, fault);
            let status = device.exec(APPLY);
            if !device.bench.faults_happened() {
                assert_eq!((status, call), (StatusCode::OK, 6));
                break;
            }
            assert_eq!(status, StatusCode::COMMAND_FAILED);
            assert_eq!(current(&device), before());
            let failed = |event: &Event| matches!(event, Event::ChangesFailed { .. });
            assert!(device.take_events().iter().any(failed));
            device.check();
            assert_eq!(device.exec(APPLY), StatusCode::OK);
            assert_eq!(current(&device), after());
            device.check();
        }
    }
}

/// The taking back fails too: it is made up for before the next change, or at the next start.
#[test]
pub(crate) fn what_cannot_be_taken_back_is_owed() {
    for restart in [false, true] {
        for (first, second) in [(5, 6), (5, 7), (2, 3), (3, 5)] {
            let mut device = device(Policy::default());
            trade(&mut device);
            device.bench.fault(first, Fault::All);
            device.bench.fault(second, Fault::Nothing);
            assert_eq!(device.exec(APPLY), StatusCode::COMMAND_FAILED);
            assert_eq!(current(&device), before());
            assert_eq!(device.journal.count(Space::INTENTS), 1, "{first} {second}");
            if restart {
                device.restart();
                let recovered = Event::ChangesRecovered {
                    outcome: Recovery::Undone,
                };
                assert!(device.take_events().contains(&recovered));
                device.check();
            }
            assert_eq!(device.exec(APPLY), StatusCode::OK);
            assert_eq!(current(&device), after());
            device.check();
        }
    }
}

/// A crash before, amid or after every call, and another one anywhere in the recovery: whole, or
/// not begun.
#[test]
pub(crate) fn a_crash_at_any_moment_leaves_the_change_whole() {
    let mut device = device(Policy::default());
    trade(&mut device);
    let disk = device.disk();
    for first in 0.. {
        let mut device = Device::on(&disk);
        device.trip.arm(first);
        let crashed = device.crash_in(|device| _ = device.exec(APPLY));
        if !crashed {
            assert!(first > 12, "{first}");
            break;
        }
        let left = device.disk();
        for again in 0.. {
            let mut device = Device::off(Policy::default(), left.clone());
            device.trip.arm(again);
            let recovering = device.crash_in(Device::restart);
            device.trip.disarm();
            if recovering {
                device.restart();
            }
            let expected = if first == 0 { before() } else { after() };
            assert_eq!(current(&device), expected, "crash at {first}, {again}");
            device.check();
            if !recovering {
                break;
            }
        }
    }
}

/// A call that hangs: a failure at the deadline, every VM refuses work until it returns, then
/// everything is taken back.
#[test]
pub(crate) fn a_change_that_hangs_is_taken_back_when_it_returns() {
    for call in 0..6 {
        let mut device = device(Policy::default());
        trade(&mut device);
        let gate = device.bench.gate();
        device.bench.fault(call, Fault::Hang);
        let Answer::Pending(job, _) = device.begin(APPLY, None) else {
            panic!("refused");
        };
        let work = device.take(job);
        let worker = std::thread::spawn(move || in_job(|| work.run()));
        gate.wait();
        assert_eq!(
            device.complete(job, JobEnd::TimedOut),
            StatusCode::COMMAND_FAILED
        );
        let refused = StatusCode::COMMAND_NOT_ALLOWED;
        assert_eq!(device.exec_now("./VirMO/a/Operations/Suspend"), refused);
        gate.open();
        let output = worker.join().unwrap();
        device.complete(job, JobEnd::Late(output));
        device.run_all();
        assert_eq!(current(&device), before());
        device.check();
        assert_eq!(device.exec(APPLY), StatusCode::OK);
        device.check();
    }
}

/// Somebody else's call about one of the machines hangs: the change fails at its deadline, is not made
/// afterwards, and no VM waits for it.
#[cfg(feature = "dm-tree")]
#[test]
fn a_change_ends_that_waits_for_a_machine() {
    let mut device = device(Policy::default());
    device.bench.guarded.store(true, Ordering::SeqCst);
    device.restart();
    assert_eq!(device.add("./VirMO/a/DMTree"), StatusCode::OK);
    trade(&mut device);
    let start = |device: &mut Device, node: &str| {
        let Answer::Pending(job, _) = device.begin(node, None) else {
            panic!("refused");
        };
        let work = device.take(job);
        let worker = std::thread::spawn(move || in_job(|| work.run()));
        (job, worker)
    };
    let gate = device.bench.gate();
    device.bench.fault(0, Fault::Hang);
    let (lock, locking) = start(&mut device, "./VirMO/a/DMTree/LAWMO/Operations/FullyLock");
    gate.wait();
    let (change, changing) = start(&mut device, APPLY);
    let failed = StatusCode::COMMAND_FAILED;
    assert_eq!(device.complete(change, JobEnd::TimedOut), failed);
    let output = changing.join().unwrap();
    device.complete(change, JobEnd::Late(output));
    assert_eq!(device.operate("b", "Resume"), StatusCode::OK);
    assert_eq!(device.operate("c", "PowerOn"), StatusCode::OK);
    gate.open();
    let output = locking.join().unwrap();
    assert_eq!(
        device.complete(lock, JobEnd::Finished(output)),
        StatusCode::OK
    );
    device.run_all();
    assert_eq!(current(&device), before());
    device.check();
    assert_eq!(device.exec(APPLY), StatusCode::OK);
    assert_eq!(current(&device), after());
    device.check();
}

/// The journal fails when the time is over: the failure is durable with what comes next, and the
/// change is taken back by a restart.
#[test]
pub(crate) fn a_failure_that_could_not_be_kept_is_kept_later() {
    let (mut device, job) = accepted(None);
    let work = device.take(job);
    device.journal.fail_in.store(0, Ordering::SeqCst);
    device.complete(job, JobEnd::TimedOut);
    let output = in_job(|| work.run());
    device.complete(job, JobEnd::Late(output));
    let alert = final_alert(APPLY, None, StatusCode::COMMAND_FAILED);
    assert_eq!(device.take_alerts(), [alert]);
    device.restart();
    assert_eq!(current(&device), before());
    device.check();
}

#[test]
pub(crate) fn a_lost_change_is_taken_back() {
    let mut device = device(Policy::default());
    trade(&mut device);
    let Answer::Pending(job, _) = device.begin(APPLY, None) else {
        panic!("refused");
    };
    let work = device.take(job);
    in_job(|| work.run());
    assert_eq!(
        device.complete(job, JobEnd::Lost),
        StatusCode::COMMAND_FAILED
    );
    device.run_all();
    assert_eq!(current(&device), before());
    device.check();
}

/// 202 promised an alert: it comes, though the server asks anew before it is made up for what the
/// journal did not take.
#[test]
pub(crate) fn an_accepted_change_that_is_not_kept_is_reported_with_the_next() {
    let (mut device, job) = accepted(Some("c-1"));
    device.journal.fail_in.store(0, Ordering::SeqCst);
    assert_eq!(device.run(job), StatusCode::COMMAND_FAILED);
    assert_eq!(device.exec(APPLY), StatusCode::OK);
    let alert = final_alert(APPLY, Some("c-1"), StatusCode::COMMAND_FAILED);
    assert_eq!(device.take_alerts(), [alert]);
    device.resume();
    device.restart();
    assert_eq!(device.take_alerts(), [""; 0]);
    assert_eq!(current(&device), after());
    device.check();
}

#[test]
pub(crate) fn an_outcome_that_cannot_be_kept_is_taken_back() {
    let mut device = device(Policy::default());
    trade(&mut device);
    device.journal.fail_in.store(1, Ordering::SeqCst);
    assert_eq!(device.exec(APPLY), StatusCode::COMMAND_FAILED);
    assert_eq!(current(&device), before());
    assert_eq!(
        device.operate("b", "Resume"),
        StatusCode::OK,
        "nothing is held"
    );
    assert_eq!(device.exec(APPLY), StatusCode::OK);
    assert_eq!(current(&device), after());
    device.check();
}

/// A change is owed; the next one is given up before it takes that back. Neither is forgotten.
#[test]
pub(crate) fn what_is_owed_outlives_a_change_that_is_lost() {
    let mut device = device(Policy::default());
    want(&mut device, "a", &config(200, 50));
    device.bench.fault(2, Fault::All);
    device.bench.fault(3, Fault::Nothing);
    assert_eq!(device.exec(APPLY), StatusCode::COMMAND_FAILED);
    assert_eq!(
        device.bench.resources(&device.id("a")).unwrap().to_string(),
        config(200, 50)
    );
    want(&mut device, "a", "");
    want(&mut device, "c", &config(50, 20));
    let Answer::Pending(job, _) = device.begin(APPLY, None) else {
        panic!("refused");
    };
    drop(device.take(job));
    device.complete(job, JobEnd::Lost);
    let again = device.jobs.front().unwrap().id;
    drop(device.take(again));
    device.complete(again, JobEnd::Lost);
    assert_eq!(device.exec(APPLY), StatusCode::OK);
    assert_eq!(
        current(&device),
        [config(100, 50), config(100, 30), config(50, 20)]
    );
    device.check();
}

#[test]
pub(crate) fn what_was_accepted_ends_in_an_alert() {
    let (mut device, _) = accepted(Some("c-5"));
    device.restart();
    let alert = final_alert(APPLY, Some("c-5"), StatusCode::OK);
    assert_eq!(device.take_alerts(), [alert]);
    device.check();
}

/// A VM that is gone owes nothing any more.
#[test]
pub(crate) fn what_is_owed_goes_with_its_vm() {
    let mut device = device(Policy::default());
    trade(&mut device);
    device.bench.fault(5, Fault::All);
    device.bench.fault(6, Fault::Nothing);
    assert_eq!(device.exec(APPLY), StatusCode::COMMAND_FAILED);
    assert_eq!(device.operate("c", "Delete"), StatusCode::OK);
    device.restart();
    assert_eq!(device.state("a"), Some(VmState::Running));
    assert_eq!(device.machine("b"), MachineState::Suspended);
    device.check();
}

/// However little room the tree has: every CurrentConfig changes, or none.
#[test]
pub(crate) fn what_the_tree_has_no_room_for_is_taken_back() {
    let (mut refused, mut room) = (0, 0);
    loop {
        let mut device = device(Policy::default());
        want(&mut device, "a", &config(1, 20));
        want(&mut device, "c", &config(1_000_000_000, 50));
        device.limits.total_bytes = device.size().1 + room;
        device.restart();
        if device.exec(APPLY) == StatusCode::OK {
            break;
        }
        assert_eq!(current(&device), before());
        device.limits = TreeLimits::default();
        device.restart();
        device.check();
        (refused, room) = (refused + 1, room + 1);
    }
    assert!(refused > 3, "{refused}");
}

/// What is being created counts among the sums.
#[test]
pub(crate) fn a_vm_under_creation_counts() {
    let mut device = device(Policy::default());
    assert_eq!(device.operate("c", "Delete"), StatusCode::OK);
    device.add_vm("d", "image", "");
    want(&mut device, "d", &config(1, 20));
    let Answer::Pending(job, _) = device.begin("./VirMO/d/Operations/Create", None) else {
        panic!("refused");
    };
    want(&mut device, "a", &config(1, 51));
    assert_eq!(device.exec_now(APPLY), StatusCode::DEVICE_FULL);
    want(&mut device, "a", &config(1, 50));
    assert_eq!(device.run(job), StatusCode::OK);
    assert_eq!(device.exec(APPLY), StatusCode::OK);
    device.check();
}

/// What is owed stays owed over an attempt that has nothing to do with it.
#[test]
pub(crate) fn what_is_owed_is_not_forgotten() {
    let mut device = device(Policy::default());
    want(&mut device, "a", &config(200, 20));
    device.bench.fault(2, Fault::All);
    device.bench.fault(3, Fault::Nothing);
    assert_eq!(device.exec(APPLY), StatusCode::COMMAND_FAILED);
    assert_eq!(
        device.delete("./VirMO/a/Resources/NewConfig"),
        StatusCode::OK
    );
    want(&mut device, "c", &config(50, 20));
    device.bench.fault(0, Fault::Nothing);
    assert_eq!(device.exec(APPLY), StatusCode::COMMAND_FAILED);
    assert_eq!(device.exec(APPLY), StatusCode::OK);
    assert_eq!(
        current(&device),
        [config(100, 50), config(100, 30), config(50, 20)]
    );
    device.check();
}

/// The job that takes back is lost too: no VM is held any longer, and the next attempt takes back
/// first.
#[test]
pub(crate) fn a_taking_back_that_is_lost_is_made_up_for() {
    let mut device = device(Policy::default());
    trade(&mut device);
    let Answer::Pending(job, _) = device.begin(APPLY, None) else {
        panic!("refused");
    };
    let work = device.take(job);
    in_job(|| work.run());
    device.complete(job, JobEnd::Lost);
    let undoing = device.jobs.front().unwrap().id;
    drop(device.take(undoing));
    device.complete(undoing, JobEnd::Lost);
    assert!(device.jobs.is_empty(), "it is not tried for ever");
    assert_eq!(
        device.operate("b", "Resume"),
        StatusCode::OK,
        "nothing is held"
    );
    device.bench.take_log();
    assert_eq!(device.exec(APPLY), StatusCode::OK);
    assert_eq!(device.bench.take_log()[..2], ["Undo vm-3", "Undo vm-1"]);
    assert_eq!(current(&device), after());
    device.check();
}

/// A journal that kept the end of a change, said that it did not, and took nothing more until the
/// process ended: the change was undone, and CurrentConfig tells so after the start.
#[test]
pub(crate) fn current_config_follows_the_machines_at_a_start() {
    let mut device = device(Policy::default());
    let machines = device.bench.machines();
    trade(&mut device);
    assert_eq!(device.exec(APPLY), StatusCode::OK);
    device.bench.set_machines(machines);
    device.take_events();
    device.restart();
    assert_eq!(current(&device), before());
    let told = resources_told(&mut device);
    assert_eq!(told.len(), 2, "of the two that were changed");
    device.check();
}

/// A start that finds all as it was writes its number and nothing else; one that finds a machine
/// changed writes that as well.
#[test]
pub(crate) fn a_start_that_finds_nothing_new_writes_its_number_alone() {
    let mut device = device(Policy::default());
    let start = |device: &mut Device| {
        device.journal.batches.lock().unwrap().clear();
        device.restart();
        let batches = device.journal.batches.lock().unwrap();
        let operations = batches.iter().flat_map(Batch::operations);
        let spaces = operations.map(|operation| match operation {
            Operation::Put { space, .. } | Operation::Remove { space, .. } => *space,
        });
        spaces.collect::<Vec<_>>()
    };
    assert_eq!(start(&mut device), [Space::IDS]);
    let machine = device.id("c");
    device.bench.change(&machine, MachineState::Running);
    assert_eq!(start(&mut device), [Space::IDS, Space::TREE]);
    assert_eq!(start(&mut device), [Space::IDS]);
}

/// A back end that tells the four resources of the specification alone leaves vendor pairs as they are,
/// and takes them along where the four are others.
#[test]
pub(crate) fn vendor_pairs_stay_where_the_machine_tells_none() {
    let mut device = device(Policy::default());
    let machines = device.bench.machines();
    let vendor = |config: String| format!("{config}&Com.Example.Gpu=1");
    want(&mut device, "a", &vendor(config(200, 20)));
    want(&mut device, "c", &vendor(config(100, 20)));
    assert_eq!(device.exec(APPLY), StatusCode::OK);
    device.bench.set_machines(machines);
    device.take_events();
    device.restart();
    let [a, b, c] = before();
    assert_eq!(current(&device), [vendor(a.clone()), b, vendor(c)]);
    let told = resources_told(&mut device);
    assert_eq!(told, [("a".to_owned(), vendor(a))], "of what changed");
}

/// Vendor pairs that the machine tells count as the rest does.
#[test]
pub(crate) fn vendor_pairs_of_the_machine_are_followed() {
    let mut device = device(Policy::default());
    let vendor = |gpu: u32| format!("{}&Com.Example.Gpu={gpu}", config(100, 50));
    want(&mut device, "a", &vendor(1));
    assert_eq!(device.exec(APPLY), StatusCode::OK);
    let machines = device.bench.machines();
    want(&mut device, "a", &vendor(2));
    assert_eq!(device.exec(APPLY), StatusCode::OK);
    device.bench.set_machines(machines);
    device.restart();
    assert_eq!(current(&device)[0], vendor(1));
    device.check();
}

/// A machine that is not there is entitled to nothing, whatever its back end tells.
#[test]
pub(crate) fn the_resources_of_an_absent_machine_are_none() {
    let mut device = device(Policy::default());
    let told = config(7, 7).parse().unwrap();
    device.bench.lie(&device.id("a"), told);
    device.take_events();
    device.restart();
    assert_eq!(device.state("a"), Some(VmState::NotCreated));
    let [_, b, c] = before();
    let nothing = "RAM=0&Storage=0&CPU=0&Network=0".to_owned();
    assert_eq!(current(&device), [nothing, b, c]);
    assert_eq!(resources_told(&mut device), []);
}

/// A restart in the midst of a change that cannot be undone yet: what its machines have meanwhile is
/// not in force, and CurrentConfig does not follow it.
#[test]
pub(crate) fn current_config_does_not_follow_a_change_that_is_owed() {
    let mut device = device(Policy::default());
    want(&mut device, "a", &config(200, 50));
    device.bench.fault(2, Fault::All);
    device.bench.fault(3, Fault::Nothing);
    assert_eq!(device.exec(APPLY), StatusCode::COMMAND_FAILED);
    device.take_events();
    let disk = device.disk();
    let mut owed = 0;
    for call in 0..8 {
        let mut device = Device::off(Policy::default(), disk.clone());
        device.bench.fault(call, Fault::Nothing);
        device.restart();
        assert_eq!(current(&device), before(), "{call}");
        assert_eq!(resources_told(&mut device), [], "{call}");
        let found = device.bench.resources(&device.id("a")).unwrap();
        owed += usize::from(found.to_string() == config(200, 50));
        device.bench.no_faults();
        assert_eq!(device.exec(APPLY), StatusCode::OK);
    }
    assert!(owed > 0, "no fault hit the undoing");
}
