use omadm_core::StatusCode;
use virmo_state::VmState;

use crate::device::Device;

/// VR-188 to VR-190, VR-176, VR-177, spec-diff 4.7, 4.32: what a server has to Add is `<x>`; the
/// client gives it the rest.
#[test]
pub(crate) fn an_added_vm_and_image_come_with_their_nodes() {
    let mut device = Device::new();
    assert_eq!(device.add("./VirMO/work"), StatusCode::OK);
    assert_eq!(device.add("./VMImgMO/img"), StatusCode::OK);
    for (uri, value) in [
        ("./VirMO/work/VMID", "vm-1"),
        ("./VirMO/work/State", "0"),
        ("./VirMO/work/Description", ""),
        ("./VirMO/work/CreateParams", ""),
        (
            "./VirMO/work/Resources/CurrentConfig",
            "RAM=0&Storage=0&CPU=0&Network=0",
        ),
        (
            "./VirMO/work/Operations",
            "Create/Delete/PowerOff/PowerOn/Resume/Suspend",
        ),
        (
            "./VirMO/DeviceResources",
            "RAM=4294967296&Storage=34359738368",
        ),
        ("./VirMO/Operations", "ApplyChanges"),
        ("./VMImgMO/img/ImgID", "img-1"),
        ("./VMImgMO/img/State", "0"),
        ("./VMImgMO/img/Name", ""),
        ("./VMImgMO/img/DownloadURI", ""),
        ("./VMImgMO/img/MediaType", ""),
        ("./VMImgMO/img/Operations", "Delete/Download"),
    ] {
        assert_eq!(device.get(uri).as_deref(), Some(value), "{uri}");
    }
    for uri in [
        "./VirMO/work/Resources/NewConfig",
        "./VMImgMO/img/DownloadedLocation",
    ] {
        assert_eq!(device.get(uri), None, "{uri}");
    }
    device.check();
}

/// VR-090, VR-094, VR-151, VR-159, VR-161, VR-135: what is the client's, and the fixed names.
#[test]
pub(crate) fn a_server_cannot_write_what_the_client_owns() {
    let mut device = Device::new();
    device.provision("a", "");
    for leaf in [
        "./VirMO/a/VMID",
        "./VirMO/a/State",
        "./VirMO/a/Resources/CurrentConfig",
        "./VirMO/DeviceResources",
        "./VMImgMO/a/ImgID",
        "./VMImgMO/a/State",
        "./VMImgMO/a/DownloadedLocation",
    ] {
        let before = device.get(leaf);
        assert_eq!(
            device.replace(leaf, "2"),
            StatusCode::COMMAND_NOT_ALLOWED,
            "{leaf}"
        );
        assert_eq!(
            device.add_leaf(leaf, "2"),
            StatusCode::COMMAND_NOT_ALLOWED,
            "{leaf}"
        );
        assert_eq!(device.get(leaf), before);
    }
    for name in ["Operations", "DeviceResources"] {
        let uri = format!("./VirMO/{name}");
        assert_eq!(device.add(&uri), StatusCode::COMMAND_NOT_ALLOWED, "{uri}");
        assert_ne!(device.rename("./VirMO/a", name), StatusCode::OK);
    }
    for root in ["./VirMO", "./VMImgMO"] {
        assert_eq!(device.delete(root), StatusCode::COMMAND_NOT_ALLOWED);
    }
}

/// VR-061, spec-diff 4.8: CreateParams belong to state 0.
#[test]
pub(crate) fn create_params_are_written_in_state_0_only() {
    let mut device = Device::new();
    device.provision("a", "");
    let uri = "./VirMO/a/CreateParams";
    let params = device.get(uri).unwrap();
    assert_eq!(device.replace(uri, &params), StatusCode::OK);
    for state in ["Create", "Suspend", "Resume", "PowerOff"] {
        assert_eq!(device.operate("a", state), StatusCode::OK);
        assert_eq!(
            device.replace(uri, &params),
            StatusCode::COMMAND_NOT_ALLOWED
        );
        assert_eq!(
            device.replace("./VirMO/a/Description", state),
            StatusCode::OK
        );
    }
}

/// VR-097, VR-098, VR-117, VR-118, VR-123: what is not written as the specification has it is
/// refused with 400 and leaves the old value; an incomplete value is judged when it is used.
#[test]
pub(crate) fn malformed_parameters_are_refused() {
    let mut device = Device::new();
    device.provision("a", "");
    let uri = "./VirMO/a/CreateParams";
    let params = device.get(uri).unwrap();
    for bad in [
        "ImgID",
        "ImgID=a&&Running=true",
        "ImgID=a&ImgID=b",
        "ImgID=a&Running=yes",
        "&",
    ] {
        assert_eq!(device.replace(uri, bad), StatusCode::BAD_REQUEST, "{bad}");
        assert_eq!(device.get(uri).as_ref(), Some(&params));
    }
    let uri = "./VirMO/a/Resources/NewConfig";
    for bad in [
        "RAM",
        "RAM=1&Storage=1&CPU=101&Network=1",
        "RAM=-1",
        "CPU=1&CPU=1",
    ] {
        assert_eq!(device.add_leaf(uri, bad), StatusCode::BAD_REQUEST, "{bad}");
        assert_eq!(device.get(uri), None);
    }
    assert_eq!(device.add_leaf(uri, ""), StatusCode::OK);
    assert_eq!(device.replace(uri, "RAM=1"), StatusCode::OK);
    assert_eq!(device.replace(uri, "RAM=x"), StatusCode::BAD_REQUEST);
    assert_eq!(device.get(uri).as_deref(), Some("RAM=1"));
    let uri = "./VMImgMO/a/MediaType";
    for bad in ["", "raw", "a/b/c", "a/ b", "/b"] {
        assert_eq!(device.replace(uri, bad), StatusCode::BAD_REQUEST, "{bad}");
    }
    assert_eq!(
        device.replace(uri, "application/x-raw-disk; v=1"),
        StatusCode::OK
    );
}

/// spec-diff 4.10: a VM that exists is not destroyed by an edit of the tree.
#[test]
pub(crate) fn a_vm_is_deleted_from_the_tree_in_state_0_only() {
    for state in [
        VmState::NotCreated,
        VmState::PoweredOff,
        VmState::Running,
        VmState::Suspended,
    ] {
        let mut device = Device::new();
        device.provision("a", "");
        device.bring("a", state);
        let status = device.delete("./VirMO/a");
        if state == VmState::NotCreated {
            assert_eq!(status, StatusCode::OK);
            assert_eq!(device.get("./VirMO/a"), None);
        } else {
            assert_eq!(status, StatusCode::COMMAND_NOT_ALLOWED);
            assert_eq!(device.state("a"), Some(state));
        }
        device.check();
    }
}

/// VR-091, VR-152: identifiers are never given out twice, whatever comes between.
#[test]
pub(crate) fn identifiers_are_unique_for_ever() {
    let mut device = Device::new();
    let mut seen = Vec::new();
    for round in 0..3 {
        for (root, id) in [("./VirMO", "VMID"), ("./VMImgMO", "ImgID")] {
            let node = format!("{root}/x{round}");
            assert_eq!(device.add(&node), StatusCode::OK);
            seen.push(device.get(&format!("{node}/{id}")).unwrap());
            assert_eq!(device.delete(&node), StatusCode::OK);
        }
        device.run_all();
        device.restart();
    }
    assert_eq!(seen, ["vm-1", "img-1", "vm-2", "img-2", "vm-3", "img-3"]);
}

/// VR-091, VR-152: when no identifier is left, no node is added.
#[test]
pub(crate) fn identifiers_run_out_without_being_given_out_twice() {
    let mut device = Device::new();
    let mut batch = omadm_core::Batch::new();
    for key in ["virmo/vm", "virmo/image"] {
        let last = [&[1][..], &u64::MAX.to_be_bytes()].concat();
        batch.put(omadm_core::Space::IDS, key, last);
    }
    omadm_core::Journal::commit(&*device.journal, &batch).unwrap();
    device.restart();
    for node in ["./VirMO/a", "./VMImgMO/a"] {
        assert_eq!(device.add(node), StatusCode::DEVICE_FULL);
        assert_eq!(device.get(node), None);
    }
}

/// A change that is rolled back leaves nothing in the client's memory: not even the identifier.
#[test]
pub(crate) fn a_failed_commit_changes_nothing() {
    let mut device = Device::new();
    device
        .journal
        .fail_in
        .store(0, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(device.add("./VirMO/a"), StatusCode::COMMAND_FAILED);
    assert_eq!(device.get("./VirMO/a"), None);
    device.provision("a", "");
    assert_eq!(device.id("a").as_str(), "vm-1");
    device
        .journal
        .fail_in
        .store(0, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(device.operate("a", "Create"), StatusCode::COMMAND_FAILED);
    assert_eq!(device.state("a"), Some(VmState::NotCreated));
    device.check();
    assert_eq!(device.operate("a", "Create"), StatusCode::OK);
    device.check();
}

#[test]
pub(crate) fn a_renamed_vm_keeps_its_machine() {
    let mut device = Device::new();
    device.provision("a", "");
    device.bring("a", VmState::Running);
    assert_eq!(device.rename("./VirMO/a", "b%20c"), StatusCode::OK);
    assert_eq!(device.operate("b%20c", "Suspend"), StatusCode::OK);
    assert_eq!(device.state("b%20c"), Some(VmState::Suspended));
    assert_eq!(device.id("b%20c").as_str(), "vm-1");
}

#[test]
pub(crate) fn other_nodes_do_not_execute() {
    let mut device = Device::new();
    device.provision("a", "");
    for uri in [
        "./VirMO/a",
        "./VirMO/a/Operations",
        "./VirMO/a/State",
        "./VMImgMO/a",
    ] {
        assert_eq!(device.exec(uri), StatusCode::COMMAND_NOT_ALLOWED, "{uri}");
    }
}
