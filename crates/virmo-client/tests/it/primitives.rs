use omadm_core::{Space, StatusCode};
use omadm_mo::{JobEnd, Reporting};
use virmo_client::{Event, Policy};
use virmo_hypervisor::MachineState;
use virmo_state::{Primitive, VmState};

use crate::device::{Answer, Device, final_alert};

const OBSERVABLE: [VmState; 4] = [
    VmState::NotCreated,
    VmState::PoweredOff,
    VmState::Running,
    VmState::Suspended,
];

/// The node of a primitive, and what CreateParams says for it.
fn asked(primitive: Primitive) -> (&'static str, &'static str) {
    match primitive {
        Primitive::Create => ("Create", ""),
        Primitive::CreateAndPoweroff => ("Create", "&Running=false"),
        Primitive::Suspend => ("Suspend", ""),
        Primitive::Resume => ("Resume", ""),
        Primitive::PowerOn => ("PowerOn", ""),
        Primitive::PowerOff => ("PowerOff", ""),
        Primitive::Delete => ("Delete", ""),
    }
}

/// VR-079 to VR-085, VR-129, VR-200: the seven primitives in the four states a server can observe:
/// each does what the table says or is refused with 405 and changes nothing, on the machine either.
#[test]
pub(crate) fn every_primitive_in_every_state_does_what_the_table_says() {
    for primitive in Primitive::ALL {
        for state in OBSERVABLE {
            let (operation, params) = asked(primitive);
            let mut device = Device::new();
            device.provision("a", params);
            match state {
                // With Running=false, Create itself leads to PoweredOff.
                VmState::PoweredOff if !params.is_empty() => {
                    assert_eq!(device.operate("a", "Create"), StatusCode::OK);
                }
                VmState::Running | VmState::Suspended if !params.is_empty() => {
                    assert_eq!(device.operate("a", "Create"), StatusCode::OK);
                    assert_eq!(device.operate("a", "PowerOn"), StatusCode::OK);
                    if state == VmState::Suspended {
                        assert_eq!(device.operate("a", "Suspend"), StatusCode::OK);
                    }
                }
                state => device.bring("a", state),
            }
            assert_eq!(device.state("a"), Some(state));
            let id = device.id("a");
            device.bench.take_log();
            device.take_events();
            let status = device.operate("a", operation);
            match state.after(primitive) {
                Err(_) => {
                    assert_eq!(
                        status,
                        StatusCode::COMMAND_NOT_ALLOWED,
                        "{primitive} {state}"
                    );
                    assert_eq!(device.state("a"), Some(state));
                    assert_eq!(device.bench.take_log(), [""; 0]);
                    assert_eq!(device.take_events(), []);
                }
                Ok(VmState::Deleted) => {
                    assert_eq!(status, StatusCode::OK);
                    assert_eq!(device.get("./VirMO/a"), None);
                    assert_eq!(device.bench.state(&id), MachineState::Absent);
                    assert_eq!(device.operate("a", operation), StatusCode::NOT_FOUND);
                }
                Ok(next) => {
                    assert_eq!(status, StatusCode::OK, "{primitive} {state}");
                    assert_eq!(device.state("a"), Some(next));
                    let event = Event::Vm {
                        node: "a".to_owned(),
                        vm: id,
                        from: state,
                        to: next,
                    };
                    assert_eq!(device.take_events(), [event]);
                }
            }
            device.check();
        }
    }
}

/// VR-104 to VR-106
#[test]
pub(crate) fn running_is_what_create_params_says_and_true_if_they_do_not() {
    for (params, state) in [
        ("", VmState::Running),
        ("&Running=true", VmState::Running),
        ("&Running=false", VmState::PoweredOff),
        ("&x-vendor=1", VmState::Running),
    ] {
        let mut device = Device::new();
        device.provision("a", params);
        assert_eq!(device.operate("a", "Create"), StatusCode::OK);
        assert_eq!(device.state("a"), Some(state));
        device.check();
    }
}

/// VR-101, VR-102, VR-126: what cannot be made from is refused, and the VM stays NotCreated.
#[test]
pub(crate) fn create_needs_usable_parameters_and_a_downloaded_image() {
    let mut device = Device::new();
    device.deliver("image");
    assert_eq!(device.add("./VMImgMO/empty"), StatusCode::OK);
    let empty = device.get("./VMImgMO/empty/ImgID").unwrap();
    assert_eq!(device.add("./VirMO/a"), StatusCode::OK);
    assert_eq!(
        device.operate("a", "Create"),
        StatusCode::INCOMPLETE_COMMAND
    );
    for (params, status) in [
        ("Running=true".to_owned(), StatusCode::INCOMPLETE_COMMAND),
        ("ImgID=nobody".to_owned(), StatusCode::NOT_FOUND),
        (format!("ImgID={empty}"), StatusCode::COMMAND_NOT_ALLOWED),
    ] {
        assert_eq!(
            device.replace("./VirMO/a/CreateParams", &params),
            StatusCode::OK
        );
        assert_eq!(device.operate("a", "Create"), status, "{params}");
        assert_eq!(device.state("a"), Some(VmState::NotCreated));
        device.check();
    }
    assert_eq!(device.bench.take_log(), [""; 0]);
}

/// VR-122, VR-195: a VM gets what NewConfig says, or else the default; NewConfig is used up.
#[test]
pub(crate) fn create_gives_the_new_config_or_the_default_entitlement() {
    let mut device = Device::new();
    device.provision("a", "");
    device.add_vm("b", "a", "");
    let config = "RAM=1&Storage=2&CPU=3&Network=4&x-gpu=1";
    let new_config = "./VirMO/b/Resources/NewConfig";
    assert_eq!(device.add_leaf(new_config, config), StatusCode::OK);
    for vm in ["a", "b"] {
        assert_eq!(device.operate(vm, "Create"), StatusCode::OK);
    }
    let current = |vm| device.get(&format!("./VirMO/{vm}/Resources/CurrentConfig"));
    let default = "RAM=268435456&Storage=1073741824&CPU=10&Network=10";
    assert_eq!(current("a").as_deref(), Some(default));
    assert_eq!(current("b").as_deref(), Some(config));
    assert_eq!(device.get(new_config), None);
    device.check();
}

/// VR-139: the entitlements of all VMs have to fit the device; those being created count.
#[test]
pub(crate) fn create_is_refused_when_the_device_has_too_little_left() {
    let mut device = Device::new();
    device.deliver("image");
    for (vm, config) in [
        ("ram", "RAM=4294967297&Storage=0&CPU=0&Network=0"),
        ("storage", "RAM=0&Storage=34359738369&CPU=0&Network=0"),
        ("cpu", "RAM=0&Storage=0&CPU=60&Network=0"),
        ("cpu2", "RAM=0&Storage=0&CPU=41&Network=0"),
        ("rest", "RAM=0&Storage=0&CPU=40&Network=0"),
    ] {
        device.add_vm(vm, "image", "&Running=false");
        let uri = format!("./VirMO/{vm}/Resources/NewConfig");
        assert_eq!(device.add_leaf(&uri, config), StatusCode::OK);
    }
    assert_eq!(device.operate("ram", "Create"), StatusCode::DEVICE_FULL);
    assert_eq!(device.operate("storage", "Create"), StatusCode::DEVICE_FULL);
    let Answer::Pending(first, _) = device.begin("./VirMO/cpu/Operations/Create", None) else {
        panic!("refused");
    };
    assert_eq!(device.operate("cpu2", "Create"), StatusCode::DEVICE_FULL);
    assert_eq!(device.run(first), StatusCode::OK);
    assert_eq!(device.operate("cpu2", "Create"), StatusCode::DEVICE_FULL);
    assert_eq!(device.operate("rest", "Create"), StatusCode::OK);
    // What is powered off or suspended keeps its entitlement; what is deleted gives it back.
    assert_eq!(device.operate("cpu", "Delete"), StatusCode::OK);
    assert_eq!(device.operate("cpu2", "Create"), StatusCode::OK);
    device.check();
}

#[test]
pub(crate) fn an_incomplete_new_config_is_refused_where_it_is_used() {
    let mut device = Device::new();
    device.provision("a", "");
    let uri = "./VirMO/a/Resources/NewConfig";
    assert_eq!(device.add_leaf(uri, "CPU=5"), StatusCode::OK);
    assert_eq!(
        device.operate("a", "Create"),
        StatusCode::INCOMPLETE_COMMAND
    );
    assert_eq!(device.get(uri).as_deref(), Some("CPU=5"));
    assert_eq!(device.delete(uri), StatusCode::OK);
    assert_eq!(device.operate("a", "Create"), StatusCode::OK);
}

#[test]
pub(crate) fn a_busy_vm_refuses_everything_and_others_do_not_wait() {
    let mut device = Device::new();
    device.provision("a", "");
    device.add_vm("b", "a", "");
    device.bring("a", VmState::Running);
    let Answer::Pending(job, Reporting::Synchronous) =
        device.begin("./VirMO/a/Operations/Suspend", None)
    else {
        panic!("refused");
    };
    let refused = Answer::Done(StatusCode::COMMAND_NOT_ALLOWED);
    for operation in [
        "Create", "Delete", "Suspend", "Resume", "PowerOn", "PowerOff",
    ] {
        let uri = format!("./VirMO/a/Operations/{operation}");
        assert_eq!(device.begin(&uri, None), refused);
    }
    let config = "RAM=1&Storage=2&CPU=3&Network=4";
    let not_allowed = StatusCode::COMMAND_NOT_ALLOWED;
    assert_eq!(
        device.add_leaf("./VirMO/a/Resources/NewConfig", config),
        not_allowed
    );
    assert_eq!(device.rename("./VirMO/a", "c"), not_allowed);
    assert_eq!(device.delete("./VirMO/a"), not_allowed);
    let Answer::Pending(other, _) = device.begin("./VirMO/b/Operations/Create", None) else {
        panic!("refused");
    };
    let params = device.get("./VirMO/b/CreateParams").unwrap();
    assert_eq!(
        device.replace("./VirMO/b/CreateParams", &params),
        not_allowed
    );
    assert_eq!(device.run(other), StatusCode::OK);
    assert_eq!(device.state("a"), Some(VmState::Running));
    assert_eq!(device.run(job), StatusCode::OK);
    assert_eq!(device.state("a"), Some(VmState::Suspended));
    device.check();
}

/// Jobs of one VM have one lane, of two VMs two, and a hard deadline.
#[test]
pub(crate) fn jobs_have_the_lane_of_their_vm_and_a_deadline() {
    let mut device = Device::new();
    device.provision("a", "");
    device.add_vm("b", "a", "");
    device.begin("./VirMO/a/Operations/Create", None);
    device.begin("./VirMO/b/Operations/Create", None);
    let lanes: Vec<&str> = device.jobs.iter().map(|job| job.lane.as_str()).collect();
    assert_eq!(lanes, ["vm vm-1", "vm vm-2"]);
    let deadline = Policy::default().deadline;
    assert!(
        device
            .jobs
            .iter()
            .all(|job| job.time_limit == Some(deadline))
    );
}

/// Rule 8: the intent is durable before the hypervisor is asked, and gone with the new State.
#[test]
pub(crate) fn the_intent_is_durable_before_the_job_and_goes_with_the_state() {
    let mut device = Device::new();
    device.provision("a", "");
    let Answer::Pending(job, _) = device.begin("./VirMO/a/Operations/Create", None) else {
        panic!("refused");
    };
    assert_eq!(device.journal.count(Space::INTENTS), 1);
    assert_eq!(device.bench.take_log(), [""; 0]);
    let batches = device.journal.batches.lock().unwrap().len();
    assert_eq!(device.run(job), StatusCode::OK);
    assert_eq!(device.bench.take_log(), ["Create vm-1", "PowerOn vm-1"]);
    assert_eq!(device.journal.batches.lock().unwrap().len(), batches + 1);
    assert_eq!(device.journal.count(Space::INTENTS), 0);
}

/// VR-196: an Exec that was answered with 202 ends in an alert of the vendor's type with its
/// Correlator; without a type, or without 202, there is none.
#[test]
pub(crate) fn what_was_accepted_ends_in_an_alert() {
    let source = "./VirMO/a/Operations/Suspend";
    for (typed, accept, fault) in [
        (true, true, false),
        (true, true, true),
        (true, false, false),
        (false, true, false),
    ] {
        let mut policy = Policy::default();
        policy.alert_type = typed.then(|| "com.example.result".to_owned());
        let mut device = Device::with_policy(policy);
        device.provision("a", "");
        device.bring("a", VmState::Running);
        device.take_alerts();
        let Answer::Pending(job, _) = device.begin(source, Some("c-17")) else {
            panic!("refused");
        };
        if accept {
            device.accept(job);
        }
        if fault {
            device.bench.fault(0, crate::bench::Fault::Nothing);
        }
        let status = device.run(job);
        let expected = match fault {
            true => StatusCode::COMMAND_FAILED,
            false => StatusCode::OK,
        };
        assert_eq!(status, expected);
        let alert = final_alert(source, Some("c-17"), expected);
        let alerts = if typed && accept {
            vec![alert]
        } else {
            Vec::new()
        };
        assert_eq!(device.take_alerts(), alerts);
        device.check();
    }
}

#[test]
pub(crate) fn asynchronous_reporting_is_a_policy() {
    let mut policy = Policy::default();
    policy.reporting = Reporting::Asynchronous;
    policy.alert_type = Some("com.example.result".to_owned());
    let mut device = Device::with_policy(policy);
    device.provision("a", "");
    device.take_alerts();
    let source = "./VirMO/a/Operations/Create";
    let Answer::Pending(job, Reporting::Asynchronous) = device.begin(source, None) else {
        panic!("not asynchronous");
    };
    assert_eq!(device.run(job), StatusCode::OK);
    assert_eq!(
        device.take_alerts(),
        [final_alert(source, None, StatusCode::OK)]
    );
}

/// spec-diff 4.3: a back end that cannot suspend has neither node.
#[test]
pub(crate) fn without_suspend_there_are_no_nodes_for_it() {
    let mut device = Device::new();
    device
        .bench
        .suspend
        .store(false, std::sync::atomic::Ordering::SeqCst);
    device.restart();
    device.provision("a", "");
    device.bring("a", VmState::Running);
    assert_eq!(
        device.get("./VirMO/a/Operations").as_deref(),
        Some("Create/Delete/PowerOff/PowerOn")
    );
    assert_eq!(device.operate("a", "Suspend"), StatusCode::NOT_FOUND);
    assert_eq!(device.state("a"), Some(VmState::Running));
}

#[test]
pub(crate) fn a_lost_job_is_a_failure_and_is_undone() {
    let mut device = Device::new();
    device.provision("a", "");
    let Answer::Pending(job, _) = device.begin("./VirMO/a/Operations/Create", None) else {
        panic!("refused");
    };
    drop(device.take(job));
    assert_eq!(
        device.complete(job, JobEnd::Lost),
        StatusCode::COMMAND_FAILED
    );
    assert_eq!(
        device.operate("a", "Create"),
        StatusCode::COMMAND_NOT_ALLOWED,
        "busy until it is undone"
    );
    device.run_all();
    assert_eq!(device.state("a"), Some(VmState::NotCreated));
    device.check();
    assert_eq!(device.operate("a", "Create"), StatusCode::OK);
    device.check();
}
