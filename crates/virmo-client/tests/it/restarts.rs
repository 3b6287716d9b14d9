use std::sync::Arc;

use omadm_core::{Batch, Journal, Space, StatusCode};
use omadm_mo::JobEnd;
use omadm_tree::Value;
use virmo_client::{Event, Policy, Recovery, UnknownMachines};
use virmo_hypervisor::{HypervisorError, HypervisorErrorKind, MachineState};
use virmo_state::VmState;

use crate::{
    bench::{MEDIA_TYPE, Recorder, in_job},
    device::{Answer, Device, IMAGE, final_alert, image_ready},
};

/// Every applicable primitive: the state, the node's name, what CreateParams says for it, and what
/// it leads to.
const CASES: [(VmState, &str, &str, Option<VmState>); 9] = [
    (VmState::NotCreated, "Create", "", Some(VmState::Running)),
    (
        VmState::NotCreated,
        "Create",
        "&Running=false",
        Some(VmState::PoweredOff),
    ),
    (VmState::Running, "Suspend", "", Some(VmState::Suspended)),
    (VmState::Suspended, "Resume", "", Some(VmState::Running)),
    (VmState::PoweredOff, "PowerOn", "", Some(VmState::Running)),
    (VmState::Running, "PowerOff", "", Some(VmState::PoweredOff)),
    (VmState::PoweredOff, "Delete", "", None),
    (VmState::Running, "Delete", "", None),
    (VmState::Suspended, "Delete", "", None),
];

fn device_in(state: VmState, params: &str) -> Device {
    let mut device = Device::new();
    device.provision("a", params);
    device.bring("a", state);
    device
}

/// Runs `work` and crashes at the tick of this number; whether it came to that.
fn crashed(device: &mut Device, tick: u32, work: impl FnOnce(&mut Device)) -> bool {
    device.trip.arm(tick);
    let crashed = device.crash_in(work);
    device.trip.disarm();
    crashed
}

fn recovered(device: &Device) -> Vec<Recovery> {
    let events = device.take_events().into_iter();
    let recovered = events.filter_map(|event| match event {
        Event::Recovered { outcome, .. } => Some(outcome),
        _ => None,
    });
    recovered.collect()
}

/// VR-058, rule 8: a crash before, amid or after every call of the journal and the hypervisor, and
/// another one anywhere in the recovery. What the intent promised is finished: State is legal and
/// the machine's, nothing is left behind, the next attempt works.
#[test]
pub(crate) fn a_crash_at_any_moment_is_recovered_from() {
    let mut moments = 0;
    for (state, operation, params, after) in CASES {
        let disk = device_in(state, params).disk();
        for first in 0.. {
            let mut device = Device::on(&disk);
            let operate = |device: &mut Device| _ = device.operate("a", operation);
            if !crashed(&mut device, first, operate) {
                assert!(first > 3, "{operation} has {first} moments");
                break;
            }
            let begun = device.journal.count(Space::INTENTS) > 0;
            let before_intent = !begun && device.is_recorded("a", state);
            let left = device.disk();
            for again in 0.. {
                let mut device = Device::off(Policy::default(), left.clone());
                let recovering = crashed(&mut device, again, Device::restart);
                if recovering {
                    device.restart();
                }
                let context = format!("{operation} from {state}, crash at {first}, {again}");
                let expected = if before_intent { Some(state) } else { after };
                assert_eq!(device.state("a"), expected, "{context}");
                if begun && !recovering {
                    assert_eq!(recovered(&device), [Recovery::Finished], "{context}");
                }
                device.check();
                moments += 1;
                if !recovering {
                    break;
                }
            }
        }
    }
    assert!(moments > 300, "{moments}");
}

/// Once its failure was reported, a primitive is undone, wherever the undoing is cut.
#[test]
pub(crate) fn a_crash_while_undoing_still_undoes() {
    for (state, operation, params, _) in CASES {
        let mut device = device_in(state, params);
        let uri = format!("./VirMO/a/Operations/{operation}");
        let Answer::Pending(job, _) = device.begin(&uri, None) else {
            panic!("refused");
        };
        let work = device.take(job);
        in_job(|| work.run());
        device.complete(job, JobEnd::TimedOut);
        let left = device.disk();
        for tick in 0.. {
            let mut device = Device::off(Policy::default(), left.clone());
            let cut = crashed(&mut device, tick, Device::restart);
            if cut {
                device.restart();
            }
            let settled = match operation {
                "Resume" => Some(VmState::Running),
                "PowerOff" => Some(VmState::PoweredOff),
                "Delete" => None,
                _ => Some(state),
            };
            assert_eq!(
                device.state("a"),
                settled,
                "{operation} from {state}, crash at {tick}"
            );
            device.check();
            if !cut {
                break;
            }
        }
    }
}

/// Rule 8: what was answered with 202 gets its final alert from the next run, exactly one.
#[test]
pub(crate) fn an_accepted_primitive_is_answered_after_a_restart() {
    for (state, operation, params, _) in CASES {
        let mut device = Device::with_alerts();
        device.provision("a", params);
        device.bring("a", state);
        device.take_alerts();
        let uri = format!("./VirMO/a/Operations/{operation}");
        let Answer::Pending(job, _) = device.begin(&uri, Some("c-9")) else {
            panic!("refused");
        };
        device.accept(job);
        device.restart();
        let alert = final_alert(&uri, Some("c-9"), StatusCode::OK);
        assert_eq!(device.take_alerts(), [alert]);
        device.restart();
        assert_eq!(device.take_alerts(), [""; 0]);
        device.check();
    }
}

/// Between the start and the end of its jobs a VM refuses work.
#[test]
pub(crate) fn a_vm_is_busy_until_it_is_recovered() {
    let mut device = device_in(VmState::Running, "");
    device.boot();
    assert_eq!(
        device.exec_now("./VirMO/a/Operations/Suspend"),
        StatusCode::COMMAND_NOT_ALLOWED
    );
    device.run_all();
    assert_eq!(device.operate("a", "Suspend"), StatusCode::OK);
    device.begin("./VirMO/a/Operations/Resume", None);
    device.boot();
    assert_eq!(
        device.exec_now("./VirMO/a/Operations/Delete"),
        StatusCode::COMMAND_NOT_ALLOWED
    );
    device.run_all();
    assert_eq!(device.state("a"), Some(VmState::Running));
    device.check();
}

/// Recovery that finds no way forward goes back.
#[test]
pub(crate) fn a_primitive_that_cannot_be_finished_is_undone() {
    let mut device = Device::with_alerts();
    device.provision("a", "");
    device.take_alerts();
    let uri = "./VirMO/a/Operations/Create";
    let Answer::Pending(job, _) = device.begin(uri, None) else {
        panic!("refused");
    };
    device.accept(job);
    device.boot();
    // After observing: create, and power_on.
    device.bench.fault(2, crate::bench::Fault::Half);
    device.run_all();
    assert_eq!(device.state("a"), Some(VmState::NotCreated));
    assert_eq!(recovered(&device), [Recovery::Undone]);
    assert_eq!(
        device.take_alerts(),
        [final_alert(uri, None, StatusCode::COMMAND_FAILED)]
    );
    device.check();
    assert_eq!(device.operate("a", "Create"), StatusCode::OK);
    device.check();
}

/// VR-271, spec-diff 4.63: State follows what happened while nobody looked; a machine that cannot
/// be told keeps its State.
#[test]
pub(crate) fn states_follow_the_machines_at_start() {
    let off = |crashed| MachineState::Off { crashed };
    for state in [VmState::PoweredOff, VmState::Running, VmState::Suspended] {
        for (machine, expected) in [
            (MachineState::Absent, VmState::NotCreated),
            (off(false), VmState::PoweredOff),
            (off(true), VmState::PoweredOff),
            (MachineState::Running, VmState::Running),
            (MachineState::Suspended, VmState::Suspended),
        ] {
            let mut device = device_in(state, "");
            device.bench.change(&device.id("a"), machine);
            device.restart();
            assert_eq!(device.state("a"), Some(expected));
            device.check();
        }
        for machine in [
            MachineState::Unsettled,
            MachineState::Broken("disk".to_owned()),
        ] {
            let mut device = device_in(state, "");
            device.bench.change(&device.id("a"), machine);
            device.restart();
            assert_eq!(device.state("a"), Some(state));
            let unreachable = |event: &Event| matches!(event, Event::Unreachable { .. });
            assert!(device.take_events().iter().any(unreachable));
            assert_eq!(device.operate("a", "Delete"), StatusCode::OK);
            device.check();
        }
    }
}

/// A machine that was not to be seen for a while is found again, and no Create takes its place.
#[test]
pub(crate) fn a_machine_that_comes_back_is_found_again() {
    let mut device = device_in(VmState::Running, "");
    device.bench.change(&device.id("a"), MachineState::Absent);
    device.restart();
    assert_eq!(device.state("a"), Some(VmState::NotCreated));
    device.bench.plant("vm-1");
    device.restart();
    assert_eq!(device.state("a"), Some(VmState::PoweredOff));
    device.check();
    assert_eq!(
        device.operate("a", "Create"),
        StatusCode::COMMAND_NOT_ALLOWED
    );
    assert_eq!(device.operate("a", "PowerOn"), StatusCode::OK);
    device.check();
}

/// An unreachable hypervisor at start: States are kept, what is open stays open, and the next
/// attempt makes up for it.
#[test]
pub(crate) fn an_unreachable_hypervisor_changes_nothing() {
    use std::sync::atomic::Ordering;
    let mut device = device_in(VmState::Running, "");
    device.add_vm("b", "a", "");
    device.begin("./VirMO/b/Operations/Create", None);
    device.bench.unreachable.store(true, Ordering::SeqCst);
    device.restart();
    assert_eq!(device.state("a"), Some(VmState::Running));
    assert_eq!(device.state("b"), Some(VmState::NotCreated));
    assert_eq!(recovered(&device), [Recovery::Open]);
    assert_eq!(device.operate("a", "Suspend"), StatusCode::COMMAND_FAILED);
    assert_eq!(device.state("a"), Some(VmState::Running));
    device.bench.unreachable.store(false, Ordering::SeqCst);
    assert_eq!(device.operate("a", "Suspend"), StatusCode::OK);
    assert_eq!(device.operate("b", "Create"), StatusCode::OK);
    device.check();
}

/// Machines nobody stands for are reported and never touched.
#[test]
pub(crate) fn unknown_machines_are_reported_and_left_alone() {
    let mut device = device_in(VmState::Running, "");
    device.bench.plant("lost");
    device
        .bench
        .foreign
        .lock()
        .unwrap()
        .push("windows".to_owned());
    device.bench.take_log();
    device.restart();
    let mut events = device.take_events();
    events.retain(|event| {
        matches!(
            event,
            Event::UnknownMachine { .. } | Event::ForeignMachine { .. }
        )
    });
    assert_eq!(
        events,
        [
            Event::ForeignMachine {
                name: "windows".to_owned()
            },
            Event::UnknownMachine {
                vm: "lost".parse().unwrap()
            },
        ]
    );
    assert_eq!(device.bench.take_log(), ["Observe vm-1", "Observe lost"]);
    assert_eq!(
        device.bench.state(&"lost".parse().unwrap()),
        MachineState::Off { crashed: false }
    );
}

/// A device that lost its journal, with two machines: `vm-1` runs, `vm-2` is off.
fn bereft(policy: Policy) -> Device {
    let mut device = Device::with_policy(policy);
    device.provision("a", "");
    device.bring("a", VmState::Running);
    device.add_vm("b", "a", "");
    device.bring("b", VmState::PoweredOff);
    device.stop();
    device.journal = Arc::new(Recorder::new(Arc::clone(&device.trip)));
    device.bench.take_log();
    device
}

fn adopting() -> Policy {
    let mut policy = Policy::default();
    policy.unknown_machines = UnknownMachines::Adopt;
    policy.state_alert_type = Some("state".to_owned());
    policy.unknown_alert_type = Some("unknown".to_owned());
    policy
}

/// Machines of a lost journal get their nodes back, and are VMs like others; once.
#[test]
pub(crate) fn unknown_machines_are_adopted() {
    let mut device = bereft(adopting());
    device.boot();
    device.run_all();
    let adopted: Vec<_> = device.take_events();
    let adopted = adopted.iter().filter_map(|event| match event {
        Event::Adopted { node, vm } => Some((node.as_str(), vm.as_str())),
        _ => None,
    });
    assert_eq!(
        adopted.collect::<Vec<_>>(),
        [("vm-1", "vm-1"), ("vm-2", "vm-2")]
    );
    assert_eq!(device.state("vm-1"), Some(VmState::Running));
    assert_eq!(device.state("vm-2"), Some(VmState::PoweredOff));
    let params = device.get("./VirMO/vm-1/CreateParams");
    assert_eq!(params.unwrap_or_default(), "");
    let alerts = device.take_alerts();
    assert_eq!(alerts.len(), 2, "{alerts:?}");
    assert!(alerts.iter().all(|alert| alert.contains("\"state\"")));
    let log = device.bench.take_log();
    assert!(
        log.iter().all(|call| call.starts_with("Observe")),
        "{log:?}"
    );

    // Nothing of this happens again, and what is new has an identifier of its own.
    device.restart();
    let is_adopted = |event: &Event| matches!(event, Event::Adopted { .. });
    assert!(!device.take_events().iter().any(is_adopted));
    device.provision("new", "");
    assert_eq!(device.id("new").as_str(), "vm-3");
    device.bring("new", VmState::Running);

    assert_eq!(device.operate("vm-1", "Suspend"), StatusCode::OK);
    assert_eq!(device.operate("vm-1", "Resume"), StatusCode::OK);
    assert_eq!(device.operate("vm-2", "PowerOn"), StatusCode::OK);
    assert_eq!(device.operate("vm-1", "Delete"), StatusCode::OK);
    assert_eq!(device.get("./VirMO/vm-1"), None);
    device.check();
}

/// So do the images of a lost journal, whole or not; then a server can delete them.
#[test]
pub(crate) fn unknown_images_are_adopted() {
    let mut device = bereft(adopting());
    let part = "img-7".parse().unwrap();
    in_job(|| device.sink.reserve(&part, None)).unwrap();
    device.restart();
    let mut events = device.take_events();
    events.retain(|event| {
        matches!(
            event,
            Event::AdoptedImage { .. } | Event::UnknownImage { .. }
        )
    });
    let adopted = |id: &str| Event::AdoptedImage {
        node: id.to_owned(),
        image: id.parse().unwrap(),
    };
    assert_eq!(events, [adopted("img-1"), adopted("img-7")]);
    // No Download of these ended.
    let mut alerts = device.take_alerts().into_iter();
    assert_eq!(alerts.find(|alert| alert.contains("VMImgMO")), None);
    device.check();
    let leaf = |device: &Device, leaf: &str| device.get(&format!("./VMImgMO/{leaf}"));
    assert_eq!(leaf(&device, "img-1/State").as_deref(), Some("2"));
    assert_eq!(leaf(&device, "img-7/State").as_deref(), Some("3"));

    device.restart();
    let is_adopted = |event: &Event| matches!(event, Event::AdoptedImage { .. });
    assert!(!device.take_events().iter().any(is_adopted));
    for image in ["img-1", "img-7"] {
        device.begin(&format!("./VMImgMO/{image}/Operations/Delete"), None);
        device.run_all();
        assert_eq!(leaf(&device, image), None);
    }
    assert_eq!(device.sink.keys().unwrap(), []);
    device.deliver("new");
    assert_eq!(leaf(&device, "new/ImgID").as_deref(), Some("img-8"));
}

/// The file of an image whose deletion was forgotten with a damaged record is told of once, and stays
/// until it is gone; what is no image of ours is left alone.
#[test]
pub(crate) fn unknown_images_are_told_of_once() {
    let mut policy = adopting();
    policy.unknown_machines = UnknownMachines::Report;
    let mut device = Device::with_policy(policy);
    device.deliver("a");
    device.take_alerts();
    device.begin("./VMImgMO/a/Operations/Delete", None);
    device.stop();
    let mut batch = Batch::new();
    device
        .journal
        .scan(Space::INTENTS, &mut |key, _| {
            batch.put(Space::INTENTS, key, [1]);
        })
        .unwrap();
    device.journal.commit(&batch).unwrap();
    in_job(|| device.sink.reserve(&"package".parse().unwrap(), None)).unwrap();
    let unknown = Event::UnknownImage {
        image: "img-1".parse().unwrap(),
    };
    for alerts in [1, 0] {
        device.restart();
        let events = device.take_events();
        let told = events
            .iter()
            .filter(|event| matches!(event, Event::UnknownImage { .. }));
        assert_eq!(told.collect::<Vec<_>>(), [&unknown]);
        let told = device.take_alerts();
        assert_eq!(told.len(), alerts, "{told:?}");
        assert!(
            told.iter()
                .all(|alert| alert.contains("./VMImgMO") && alert.contains("img-1"))
        );
    }
    assert_eq!(device.sink.keys().unwrap().len(), 2);
    let file = "img-1".parse().unwrap();
    in_job(|| device.sink.discard(&file)).unwrap();
    device.restart();
    assert_eq!(device.take_alerts(), [""; 0]);
    in_job(|| device.sink.reserve(&file, None)).unwrap();
    device.restart();
    assert_eq!(
        device.take_alerts().len(),
        1,
        "one that was gone is told again"
    );
}

/// Without that the machines of a lost journal are told of once, and left alone; their identifiers
/// are not given out again.
#[test]
pub(crate) fn unknown_machines_are_told_of_once() {
    let mut policy = adopting();
    policy.unknown_machines = UnknownMachines::Report;
    let mut device = bereft(policy);
    let before = device.bench.states();
    device.restart();
    let alerts = device.take_alerts();
    assert_eq!(alerts.len(), 3, "{alerts:?}");
    for (alert, id) in alerts.iter().zip(["img-1", "vm-1", "vm-2"]) {
        assert!(
            alert.contains("\"unknown\"") && alert.contains(id),
            "{alert}"
        );
    }
    device.restart();
    assert_eq!(device.take_alerts(), [""; 0]);
    assert_eq!(device.bench.states(), before);
    device.provision("a", "");
    device.take_alerts();
    assert_eq!(device.id("a").as_str(), "vm-3");

    // One that was gone, and is here again, is told again.
    let first = "vm-1".parse().unwrap();
    device.bench.change(&first, MachineState::Absent);
    device.restart();
    device.bench.plant("vm-1");
    device.restart();
    assert_eq!(device.take_alerts().len(), 1);
}

/// A machine in no state of the specification is told of, whatever the policy; one whose name is
/// taken gets another; one that does not fit the tree leaves nothing behind.
#[test]
pub(crate) fn machines_that_cannot_be_adopted_are_told_of() {
    let broken = || MachineState::Broken("no disk".to_owned());
    let mut device = bereft(adopting());
    let first = "vm-1".parse().unwrap();
    device.bench.change(&first, broken());
    device.restart();
    assert_eq!(device.get("./VirMO/vm-1"), None);
    assert_eq!(device.bench.state(&first), broken());
    let unknown = Event::UnknownMachine { vm: first.clone() };
    assert!(device.take_events().contains(&unknown));

    assert_eq!(device.add("./VirMO/vm-1"), StatusCode::OK);
    let limits = device.limits;
    device.limits.nodes = device.size().0 + 1;
    device.bench.change(&first, MachineState::Running);
    device.restart();
    assert!(device.take_events().contains(&unknown));
    assert_eq!(device.get("./VirMO/vm-1-2"), None);
    device.limits = limits;
    device.restart();
    assert_eq!(device.state("vm-1-2"), Some(VmState::Running));
    assert_eq!(device.id("vm-1-2"), first);
}

/// While the hypervisor cannot say which machines there are, a device that knows of no VM gives no
/// identifier out: the machine of an earlier life may have it.
#[test]
pub(crate) fn no_identifier_is_given_out_before_the_machines_are_listed() {
    use std::sync::atomic::Ordering;
    let mut device = bereft(adopting());
    device.bench.unreachable.store(true, Ordering::SeqCst);
    device.restart();
    let reason = HypervisorError::new(HypervisorErrorKind::Backend).to_string();
    assert!(device.take_events().contains(&Event::NotListed { reason }));
    assert_eq!(device.add("./VirMO/new"), StatusCode::COMMAND_FAILED);
    assert_eq!(device.get("./VirMO/new"), None);
    device.bench.unreachable.store(false, Ordering::SeqCst);
    device.look();
    assert_eq!(device.add("./VirMO/new"), StatusCode::OK);
    assert_eq!(device.id("new").as_str(), "vm-3");
}

/// A list of machines that does not come in time is told of once, and taken if it comes late.
#[test]
pub(crate) fn a_list_that_comes_late_is_taken() {
    use std::sync::atomic::Ordering;
    for comes_well in [true, false] {
        let mut device = bereft(adopting());
        let name = "other".to_owned();
        *device.bench.foreign.lock().unwrap() = vec![name.clone()];
        device.boot();
        let work = device.jobs.pop_front().unwrap();
        let job = work.id;
        assert_eq!(work.label, "List machines");
        assert_eq!(work.time_limit, Some(device.policy.deadline));
        device.take_events();
        device.complete(job, JobEnd::TimedOut);
        let reason = "no answer in time".to_owned();
        assert_eq!(device.take_events(), [Event::NotListed { reason }]);
        assert_eq!(device.add("./VirMO/new"), StatusCode::COMMAND_FAILED);

        let unreachable = &device.bench.unreachable;
        unreachable.store(!comes_well, Ordering::SeqCst);
        let output = in_job(|| work.run());
        device.complete(job, JobEnd::Late(output));
        device.run_all();
        if comes_well {
            let foreign = Event::ForeignMachine { name };
            assert!(device.take_events().contains(&foreign));
            assert_eq!(device.add("./VirMO/new"), StatusCode::OK);
            assert_eq!(device.id("new").as_str(), "vm-3");
        } else {
            assert_eq!(device.take_events(), []);
            assert_eq!(device.add("./VirMO/new"), StatusCode::COMMAND_FAILED);
        }
    }
}

/// A record that cannot be read is reported and left alone.
#[test]
pub(crate) fn a_damaged_record_is_reported() {
    let mut device = Device::new();
    let mut batch = Batch::new();
    batch.put(Space::INTENTS, "vm/vm-1", [1, 2, 3]);
    omadm_core::Journal::commit(&*device.journal, &batch).unwrap();
    device.restart();
    let expected = Event::DamagedRecord {
        key: "vm/vm-1".to_owned(),
    };
    assert_eq!(device.take_events(), [expected]);
    assert_eq!(device.journal.count(Space::INTENTS), 1);
}

/// A crash before, amid or after every call while an image is delivered: the download goes on where
/// its record says, and one alert at least is there at the end, with the Correlator.
#[test]
pub(crate) fn a_crash_at_any_moment_of_a_download_is_recovered_from() {
    let download = "./VMImgMO/img/Operations/Download";
    for tick in 0.. {
        let mut policy = Policy::default();
        policy.downloads.checkpoint_bytes = 10;
        let mut device = Device::with_policy(policy);
        assert_eq!(device.add("./VMImgMO/img"), StatusCode::OK);
        assert_eq!(
            device.add_leaf("./VMImgMO/img/DownloadURI", IMAGE),
            StatusCode::OK
        );
        assert_eq!(
            device.add_leaf("./VMImgMO/img/MediaType", MEDIA_TYPE),
            StatusCode::OK
        );
        let cut = crashed(&mut device, tick, |device| {
            if let Answer::Pending(job, _) = device.begin(download, Some("c-3")) {
                device.run(job);
            }
        });
        if cut {
            device.restart();
        }
        let state = device.get("./VMImgMO/img/State").unwrap();
        if tick == 0 {
            assert_eq!(state, "0", "nothing was durable yet");
        } else {
            assert_eq!(state, "2", "crash at {tick}");
            assert_eq!(device.take_alerts(), [image_ready("img", Some("c-3"))]);
            assert_eq!(device.journal.count(Space::DOWNLOADS), 0);
        }
        device.check();
        if !cut {
            assert!(tick > 20, "{tick}");
            break;
        }
    }
}

/// The process dies before 202 is sent, and the download it goes on with fails: the server, which
/// reads State 1 in the next session, hears of it.
#[test]
pub(crate) fn a_download_nobody_was_told_of_is_reported_when_it_fails() {
    let download = "./VMImgMO/img/Operations/Download";
    let mut device = Device::with_alerts();
    assert_eq!(device.add("./VMImgMO/img"), StatusCode::OK);
    for (leaf, text) in [("DownloadURI", IMAGE), ("MediaType", "other/type")] {
        let leaf = format!("./VMImgMO/img/{leaf}");
        assert_eq!(device.add_leaf(&leaf, text), StatusCode::OK);
    }
    device.begin(download, Some("c-4"));
    device.restart();
    assert_eq!(device.get("./VMImgMO/img/State").as_deref(), Some("3"));
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT;
    let alert = final_alert(download, Some("c-4"), status);
    assert_eq!(device.take_alerts(), [alert]);
    device.check();
}

/// A crash before, amid or after every call while an image is deleted: node and file go together.
#[test]
pub(crate) fn a_crash_at_any_moment_of_a_delete_leaves_no_file_behind() {
    for by_exec in [true, false] {
        for tick in 0.. {
            let mut device = Device::new();
            device.deliver("img");
            let cut = crashed(&mut device, tick, |device| {
                match by_exec {
                    true => _ = device.exec("./VMImgMO/img/Operations/Delete"),
                    false => _ = device.delete("./VMImgMO/img"),
                }
                device.run_all();
            });
            if cut {
                device.restart();
            }
            assert_eq!(
                device.get("./VMImgMO/img").is_some(),
                tick == 0,
                "crash at {tick}"
            );
            device.check();
            if !cut {
                break;
            }
        }
    }
}

/// A download that the last run left in State 1 without a record goes on all the same.
#[test]
pub(crate) fn state_1_is_never_a_dead_end() {
    let mut device = Device::new();
    assert_eq!(device.add("./VMImgMO/img"), StatusCode::OK);
    assert_eq!(
        device.add_leaf("./VMImgMO/img/DownloadURI", IMAGE),
        StatusCode::OK
    );
    assert_eq!(
        device.add_leaf("./VMImgMO/img/MediaType", MEDIA_TYPE),
        StatusCode::OK
    );
    device.begin("./VMImgMO/img/Operations/Download", None);
    let mut batch = Batch::new();
    batch.remove(Space::INTENTS, "image/img-1");
    batch.remove(Space::DOWNLOADS, "img-1");
    omadm_core::Journal::commit(&*device.journal, &batch).unwrap();
    device.restart();
    assert_eq!(device.get("./VMImgMO/img/State").as_deref(), Some("2"));
    assert_eq!(device.take_alerts(), [image_ready("img", None)]);
    device.check();
}

/// What a server may ask about comes before sessions; a file that takes hours does not.
#[test]
pub(crate) fn all_but_downloads_comes_before_sessions() {
    let mut device = Device::new();
    device.provision("a", "");
    device.provision("b", "");
    device.bring("a", VmState::Running);
    device.bring("b", VmState::Running);
    let replaced = "http://images.example/other";
    device.shelf.put(replaced, b"other");
    assert_eq!(
        device.replace("./VMImgMO/a/DownloadURI", replaced),
        StatusCode::OK
    );
    device.begin("./VMImgMO/a/Operations/Download", None);
    device.begin("./VirMO/b/Operations/Suspend", None);
    device.boot();
    let mut jobs: Vec<_> = device
        .jobs
        .iter()
        .map(|job| (job.label.as_str(), job.before_sessions))
        .collect();
    jobs.sort_unstable();
    assert_eq!(
        jobs,
        [
            ("Download a", false),
            ("List machines", true),
            ("Observe a", true),
            ("Suspend b", true),
        ]
    );
    device.run_all();
    device.check();
}

/// A download must not go on, and hold on to journal and files, when nobody waits for its end.
#[test]
pub(crate) fn a_client_that_is_gone_downloads_no_more() {
    let mut device = Device::new();
    assert_eq!(device.add("./VMImgMO/img"), StatusCode::OK);
    for (leaf, text) in [("DownloadURI", IMAGE), ("MediaType", MEDIA_TYPE)] {
        let leaf = format!("./VMImgMO/img/{leaf}");
        assert_eq!(device.add_leaf(&leaf, text), StatusCode::OK);
    }
    let Answer::Pending(job, _) = device.begin("./VMImgMO/img/Operations/Download", None) else {
        panic!("refused");
    };
    let work = device.take(job);
    device.stop();
    in_job(|| work.run());
    assert_eq!(device.shelf.requests.lock().unwrap().len(), 0);
    device.restart();
    assert_eq!(device.get("./VMImgMO/img/State").as_deref(), Some("2"));
    device.check();
}

/// A recovery that hangs keeps the VM busy; what it brings back late settles it.
#[test]
pub(crate) fn a_recovery_that_hangs_is_settled_when_it_returns() {
    let mut device = device_in(VmState::Running, "");
    let Answer::Pending(..) = device.begin("./VirMO/a/Operations/Suspend", None) else {
        panic!("refused");
    };
    device.boot();
    let job = device
        .jobs
        .iter()
        .find(|job| job.lane == "vm vm-1")
        .unwrap()
        .id;
    let work = device.take(job);
    device.complete(job, JobEnd::TimedOut);
    assert_eq!(
        device.exec_now("./VirMO/a/Operations/PowerOff"),
        StatusCode::COMMAND_NOT_ALLOWED
    );
    let output = in_job(|| work.run());
    device.complete(job, JobEnd::Late(output));
    device.run_all();
    assert_eq!(device.state("a"), Some(VmState::Running));
    device.check();
    assert_eq!(device.operate("a", "Suspend"), StatusCode::OK);
    let mut device = device_in(VmState::Running, "");
    device
        .bench
        .change(&device.id("a"), MachineState::Suspended);
    device.boot();
    let job = device
        .jobs
        .iter()
        .find(|job| job.lane == "vm vm-1")
        .unwrap()
        .id;
    let work = device.take(job);
    device.complete(job, JobEnd::TimedOut);
    assert_eq!(
        device.exec_now("./VirMO/a/Operations/Suspend"),
        StatusCode::COMMAND_NOT_ALLOWED
    );
    let output = in_job(|| work.run());
    device.complete(job, JobEnd::Late(output));
    assert_eq!(device.state("a"), Some(VmState::Suspended));
    device.run_all();
    device.check();
}

/// spec-diff 4.5: a node that was left in state 4 goes, and whatever is left of the machine too.
#[test]
pub(crate) fn state_4_is_never_left_behind() {
    let mut device = device_in(VmState::Running, "");
    let id = device.id("a");
    device.tamper("./VirMO/a/State", Value::int(4));
    device.restart();
    assert_eq!(device.get("./VirMO/a"), None);
    assert_eq!(device.bench.state(&id), MachineState::Absent);
    device.check();
}

/// An intent whose image is gone is over.
#[test]
pub(crate) fn an_intent_of_no_image_is_dropped() {
    let mut device = Device::new();
    let mut batch = Batch::new();
    let record = b"\x01\0\0\0\0\0\0\0\x01a\0\0\0";
    batch.put(Space::INTENTS, "image/img-9", record);
    omadm_core::Journal::commit(&*device.journal, &batch).unwrap();
    device.restart();
    assert_eq!(device.take_events(), []);
    device.check();
}

/// A machine that recovery is about to take up is not unknown.
#[test]
pub(crate) fn a_machine_under_recovery_is_not_unknown() {
    let mut device = device_in(VmState::NotCreated, "");
    let Answer::Pending(job, _) = device.begin("./VirMO/a/Operations/Create", None) else {
        panic!("refused");
    };
    let work = device.take(job);
    in_job(|| work.run());
    device.boot();
    let list = device
        .jobs
        .iter()
        .find(|job| job.lane == "machines")
        .unwrap();
    device.run(list.id);
    assert_eq!(device.take_events(), []);
    device.run_all();
    assert_eq!(device.state("a"), Some(VmState::Running));
    device.check();
}

/// VR-091, VR-152: no identifier is given out twice, after restarts, deletions and crashes.
#[test]
fn an_identifier_is_given_out_once() {
    let mut device = Device::new();
    let mut given = std::collections::BTreeSet::new();
    for round in 0..4 {
        for node in ["a", "b"] {
            let (vm, image) = (format!("./VirMO/{node}"), format!("./VMImgMO/{node}"));
            assert_eq!(device.add(&vm), StatusCode::OK);
            assert_eq!(device.add(&image), StatusCode::OK);
            assert!(given.insert(device.get(&format!("{vm}/VMID")).unwrap()));
            assert!(given.insert(device.get(&format!("{image}/ImgID")).unwrap()));
            assert_eq!(device.delete(&vm), StatusCode::OK);
            let delete = format!("{image}/Operations/Delete");
            assert_eq!(device.exec(&delete), StatusCode::OK);
        }
        if round % 2 == 0 {
            device.restart();
        }
    }
    // One whose commit the crash cut was never seen, and may come again.
    crashed(&mut device, 0, |device| _ = device.add("./VirMO/c"));
    device.restart();
    if device.get("./VirMO/c").is_none() {
        assert_eq!(device.add("./VirMO/c"), StatusCode::OK);
    }
    assert!(given.insert(device.get("./VirMO/c/VMID").unwrap()));
}

/// A journal from a backup knows less than the hypervisor and the image folder: nobody gets what
/// they still hold.
#[test]
fn counters_that_are_behind_catch_up() {
    let mut device = Device::new();
    device.bench.plant("vm-7");
    device.bench.plant("vm-of-others");
    let key = "img-5".parse().unwrap();
    in_job(|| device.sink.reserve(&key, None)).unwrap();
    device.restart();
    for (node, due) in [("./VirMO/a", "vm-8"), ("./VMImgMO/a", "img-6")] {
        assert_eq!(device.add(node), StatusCode::OK);
        let leaf = if due.starts_with("vm") {
            "VMID"
        } else {
            "ImgID"
        };
        assert_eq!(device.get(&format!("{node}/{leaf}")).as_deref(), Some(due));
    }
    // What the nodes have counts too, and what was caught up with is durable.
    let mut batch = Batch::new();
    batch.remove(Space::IDS, "virmo/vm");
    batch.remove(Space::IDS, "virmo/image");
    omadm_core::Journal::commit(&*device.journal, &batch).unwrap();
    device
        .bench
        .change(&"vm-7".parse().unwrap(), MachineState::Absent);
    device.restart();
    assert_eq!(device.add("./VirMO/b"), StatusCode::OK);
    assert_eq!(device.add("./VMImgMO/b"), StatusCode::OK);
    assert_eq!(device.get("./VirMO/b/VMID").as_deref(), Some("vm-9"));
    assert_eq!(device.get("./VMImgMO/b/ImgID").as_deref(), Some("img-7"));
}
