//! A device as a value.

use super::*;

#[test]
fn a_snapshot_shows_everything() {
    let mut device = Device::new(Style::Synchronous)
        .with_image("a")
        .with_image("b")
        .with_vm("v", VmState::Running)
        .with_vm("w", VmState::NotCreated);
    device.set("./VirMO/v/CreateParams", "ImgID=img-1&Running=true");
    device.set(
        "./VirMO/v/Resources/CurrentConfig",
        &config(512).to_string(),
    );
    device.set("./VirMO/v/Resources/NewConfig", &config(256).to_string());
    device.set("./VirMO/w/State", "9");
    device.set("./VMImgMO/b/Name", "second");
    let mut take = TakeSnapshot::new(mounts());
    let report = device.run(&mut take);
    assert_eq!((report.ok, report.status), (true, Some(StatusCode::OK)));

    let snapshot = take.outcome().unwrap();
    let resources = DeviceResources::new(Bytes::gib(4), Bytes::gib(32));
    assert_eq!(snapshot.resources, Some(resources));
    let names: Vec<&String> = snapshot.vms.keys().collect();
    assert_eq!(
        names,
        ["v", "w"],
        "DeviceResources and Operations are no machines"
    );
    let v = &snapshot.vms["v"];
    assert_eq!(v.id.as_ref().unwrap().as_str(), "vm-1");
    assert_eq!(v.state, Some(VmState::Running));
    assert_eq!(v.create_params.as_ref().unwrap().image.as_str(), "img-1");
    assert_eq!(v.current_config, Some(config(512)));
    assert_eq!(v.new_config, Some(config(256)));
    let w = &snapshot.vms["w"];
    assert_eq!(
        (w.state, &w.new_config, &w.description),
        (None, &None, &None)
    );
    let names: Vec<&String> = snapshot.images.keys().collect();
    assert_eq!(names, ["a", "b"]);
    let b = &snapshot.images["b"];
    assert_eq!(b.name.as_deref(), Some("second"));
    assert_eq!(b.state, Some(ImageState::Downloaded));
    assert_eq!(b.location.as_deref(), Some("/images/1"));
    assert_eq!(snapshot.images["a"].name, None);
    assert_eq!(snapshot.faults, ["./VirMO/w/State: \"9\" is not readable"]);
}

/// What the guest of a machine is told and tells is part of it, by types.
#[test]
fn a_snapshot_shows_what_is_below_dm_tree_and_what_the_user_said() {
    let mut device = Device::new(Style::Synchronous).with_software("v", "10");
    for procedure in [
        Manage::lock(place("v")),
        Manage::disable(place("v"), "camera").unwrap(),
        Manage::update_firmware(place("v"), "https://fw.example/2"),
    ] {
        assert!(device.run(&mut { procedure }).ok);
    }
    let mut device = device.with_user("w", YES);
    assert!(device.run(&mut AskVmUser::new(vm("w"), question())).ok);
    let broken = "./VirMO/v/DMTree/SCOMO/Inventory/Delivered/old/State";
    for (state, told) in [("20", Some(PackageState::Installed)), ("x", None)] {
        device.set(broken, state);
        let mut take = TakeSnapshot::new(mounts());
        assert!(device.run(&mut take).ok);
        let snapshot = take.outcome().unwrap();
        let v = &snapshot.vms["v"];
        assert_eq!(v.lock, Some(LockState::FullyLocked));
        assert_eq!(v.firmware, Some(FumoState::UpdateSuccessfulNoData));
        assert_eq!(v.peripherals.get("camera"), Some(&false));
        assert_eq!(v.packages.get("old"), told.as_ref());
        let components: Vec<_> = v.components.iter().collect();
        assert_eq!(components, [(&"app".to_owned(), &ComponentState::Inactive)]);
        assert_eq!((&v.question, &v.result), (&None, &None));
        let w = &snapshot.vms["w"];
        assert_eq!(w.question, Some(question()));
        let result = w.result.as_ref().unwrap();
        assert_eq!(result.status, StatusCode::OK);
        assert_eq!(result.answer, Some(UserAnswer::Accepted));
        assert_eq!((w.lock, w.firmware), (None, None));
        let faults: Vec<_> = told
            .is_none()
            .then(|| format!("{broken}: \"x\" is not readable"))
            .into_iter()
            .collect();
        assert_eq!(snapshot.faults, faults);
    }
}

/// However much a device claims to have, only so much is asked for.
#[test]
fn a_snapshot_reads_so_many_components() {
    let mut device = Device::new(Style::Synchronous).with_software("v", "10");
    for number in 0..1100 {
        device.set(
            &format!("./VirMO/v/DMTree/SCOMO/Inventory/Deployed/c{number}/State"),
            "20",
        );
        device.set(
            &format!("./VirMO/v/DMTree/SCOMO/Inventory/Deployed/c{number}"),
            "",
        );
    }
    let mut take = TakeSnapshot::new(mounts());
    assert!(device.run(&mut take).ok);
    let snapshot = take.outcome().unwrap();
    let v = &snapshot.vms["v"];
    assert_eq!(v.components.len() + v.packages.len(), 1000);
    assert_eq!(snapshot.faults.len(), 102);
    assert!(snapshot.faults[0].ends_with("one too many to be read"));
}

#[test]
fn a_snapshot_of_an_empty_device_is_empty_and_of_none_a_failure() {
    let mut device = Device::new(Style::Synchronous);
    let mut take = TakeSnapshot::new(mounts());
    assert!(device.run(&mut take).ok);
    let snapshot = take.outcome().unwrap();
    assert!(snapshot.vms.is_empty() && snapshot.images.is_empty());

    device.remove("./VirMO");
    let mut take = TakeSnapshot::new(mounts());
    let report = device.run(&mut take);
    assert_eq!(
        (report.ok, report.status),
        (false, Some(StatusCode::NOT_FOUND))
    );
    assert_eq!(report.detail.as_deref(), Some("Get ./VirMO: 404 Not found"));
}
