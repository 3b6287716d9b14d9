//! Resources of machines, applied together or taken back.

use super::*;

#[test]
fn resources_are_applied_all_together() {
    let mut device = Device::new(Style::Synchronous)
        .with_vm("v", VmState::Running)
        .with_vm("w", VmState::PoweredOff);
    let mut apply = apply();
    let report = device.run(&mut apply);
    assert!(report.ok, "{report:?}");
    assert_eq!(
        device.log,
        [
            "Get ./VirMO/v/State",
            "Get ./VirMO/w/State",
            "Get ./VirMO/v/Resources/CurrentConfig",
            "Get ./VirMO/w/Resources/CurrentConfig",
            "Get ./VirMO/v/Resources/NewConfig",
            "Get ./VirMO/w/Resources/NewConfig",
            "Add ./VirMO/v/Resources/NewConfig",
            "Add ./VirMO/w/Resources/NewConfig",
            "Exec ./VirMO/Operations/ApplyChanges",
            "Get ./VirMO/v/Resources/CurrentConfig",
            "Get ./VirMO/w/Resources/CurrentConfig",
        ]
    );
    let current = apply.outcome().unwrap();
    assert_eq!(current["v"], config(512));
    assert_eq!(current["w"], config(256));
}

/// An Add of its NewConfig could make a machine that is not there.
#[test]
fn resources_of_a_machine_that_is_not_there_are_not_applied() {
    let mut device = Device::new(Style::Synchronous).with_vm("v", VmState::Running);
    let report = device.run(&mut apply());
    assert_eq!((report.ok, report.status), (false, Some(404.into())));
    let detail = report.detail.unwrap();
    assert_eq!(detail, "Get ./VirMO/w/State: 404 Not found");
    assert!(!device.has("./VirMO/w") && !device.has("./VirMO/v/Resources/NewConfig"));
}

/// An empty NewConfig means none.
#[test]
fn an_empty_new_config_says_that_it_was_applied() {
    let mut device = Device::new(Style::Silent)
        .with_vm("v", VmState::Running)
        .with_vm("w", VmState::PoweredOff);
    device.keep_new_config = true;
    let report = device.run(&mut apply());
    assert_eq!((report.ok, device.sessions), (true, 2), "{report:?}");
}

#[test]
fn resources_that_were_not_taken_over_are_a_failure() {
    let mut device = Device::new(Style::Synchronous)
        .with_vm("v", VmState::Running)
        .with_vm("w", VmState::PoweredOff)
        .with_fault(8, Fault::Status(200));
    let report = device.run(&mut apply());
    assert_eq!((report.ok, report.status), (false, Some(StatusCode::OK)));
    let detail = report.detail.unwrap();
    assert_eq!(detail, "v: RAM=0&Storage=0&CPU=0&Network=0");
    assert!(!device.has("./VirMO/v/Resources/NewConfig"));
    assert!(device.run(&mut apply()).ok);
}

/// A refused change is none, later either: each NewConfig becomes what it was, whatever failed, and
/// the next ApplyChanges for another machine applies nothing of it.
#[test]
fn resources_that_are_refused_are_taken_back() {
    let new = |name: &str| format!("./VirMO/{name}/Resources/NewConfig");
    for style in [Style::Synchronous, Style::Alerting, Style::Uncorrelated] {
        for fault in [None, Some((7, 500)), Some((8, 500))] {
            for before in [None, Some(config(64).to_string())] {
                let mut device = Device::new(style)
                    .with_vm("v", VmState::Running)
                    .with_vm("w", VmState::PoweredOff);
                if let Some(before) = &before {
                    device.set(&new("v"), before);
                }
                let old = device.nodes().clone();
                device.outcome = Outcome::Failure(420);
                if let Some((number, code)) = fault {
                    device = device.with_fault(number, Fault::Status(code));
                }
                let report = device.run(&mut apply());
                let case = format!("{style:?} {fault:?} {before:?}: {report:?}");
                assert!(!report.ok, "{case}");
                let code = fault.map_or(420, |(_, code)| code);
                assert_eq!(report.status, Some(code.into()), "{case}");
                assert!(!report.detail.unwrap().contains("taken back"), "{case}");
                assert_eq!(*device.nodes(), old, "{case}: {:?}", device.log);
            }
        }
    }
}

/// What the device took over although the answer says otherwise is not touched, and what it does not
/// let go of is told.
#[test]
fn only_what_is_still_there_is_taken_back() {
    let devices = || {
        Device::new(Style::Silent)
            .with_vm("v", VmState::Running)
            .with_vm("w", VmState::PoweredOff)
    };
    // The check fails, after the device did it.
    let mut device = devices().with_fault(9, Fault::Status(500));
    let report = device.run(&mut apply());
    assert!(!report.ok, "{report:?}");
    let current = device.value("./VirMO/v/Resources/CurrentConfig");
    assert_eq!(current, Some(config(512).to_string().as_str()));
    assert!(!device.log.iter().any(|it| it.starts_with("Delete")));

    let mut device = devices()
        .with_fault(8, Fault::Status(500))
        .with_fault(11, Fault::Status(425));
    let report = device.run(&mut apply());
    assert_eq!(report.status, Some(500.into()));
    let detail = report.detail.unwrap();
    let told = "; not taken back: Delete ./VirMO/v/Resources/NewConfig: 425";
    assert!(detail.contains(told), "{detail}");
    assert!(!device.has("./VirMO/w/Resources/NewConfig"));
}

/// A machine that could not be made leaves nothing; one whose node was there before keeps it, with
/// the NewConfig it had.
#[test]
fn a_machine_that_could_not_be_created_leaves_nothing() {
    let new = "./VirMO/v/Resources/NewConfig";
    for style in [Style::Synchronous, Style::Alerting, Style::Uncorrelated] {
        for fault in [None, Some((6, 500)), Some((7, 406))] {
            let mut device = Device::new(style).with_image("a");
            let old = device.nodes().clone();
            device.outcome = Outcome::Failure(420);
            if let Some((number, code)) = fault {
                device = device.with_fault(number, Fault::Status(code));
            }
            let report = device.run(&mut create());
            assert!(!report.ok);
            let code = fault.map_or(420, |(_, code)| code);
            assert_eq!(report.status, Some(code.into()), "{report:?}");
            assert_eq!(*device.nodes(), old, "{:?}", device.log);
        }
        for before in [None, Some(config(64).to_string())] {
            let mut device = Device::new(style)
                .with_image("a")
                .with_vm("v", VmState::NotCreated);
            if let Some(before) = &before {
                device.set(new, before);
            }
            device.outcome = Outcome::Failure(420);
            assert!(!device.run(&mut create()).ok);
            assert!(device.has("./VirMO/v"));
            assert_eq!(device.value(new), before.as_deref());
        }
    }
}

/// The device decides about a machine without resources, not what an earlier try left.
#[test]
fn a_stale_new_config_does_not_make_a_machine() {
    let mut device = Device::new(Style::Synchronous)
        .with_image("a")
        .with_vm("v", VmState::NotCreated);
    device.set("./VirMO/v/Resources/NewConfig", &config(64).to_string());
    let mut create = CreateVm::new(vm("v"), image("a")).in_profile(profile());
    let report = device.run(&mut create);
    assert!(report.ok, "{report:?}");
    assert_ne!(create.outcome().unwrap().config, Some(config(64)));
}
