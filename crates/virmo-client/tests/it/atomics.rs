use omadm_core::StatusCode;
use omadm_download::Sink;
use virmo_state::VmState;

use crate::device::{
    Device,
    Edit::{Add, AddLeaf, Delete, Rename, Replace},
};

/// A VM is described by one Atomic that fails at each of its places in turn, and in the end: nothing
/// is left of it, in the tree, the journal or the client's memory. Then it succeeds.
#[test]
pub(crate) fn a_vm_described_by_one_atomic_is_there_whole_or_not_at_all() {
    let mut device = Device::new();
    device.deliver("img");
    let image = device.get("./VMImgMO/img/ImgID").unwrap();
    let params = format!("ImgID={image}&Running=false");
    let whole = [
        Add("./VirMO/work"),
        Replace("./VirMO/work/CreateParams", &params),
        AddLeaf(
            "./VirMO/work/Resources/NewConfig",
            "RAM=268435456&Storage=1073741824&CPU=10&Network=10",
        ),
        Replace("./VirMO/work/Description", "for work"),
        Add("./VirMO/other"),
    ];
    for (bad, status) in [
        (
            Replace("./VirMO/work/CreateParams", "ImgID=a&&"),
            StatusCode::BAD_REQUEST,
        ),
        (Add("./VirMO/work"), StatusCode::ALREADY_EXISTS),
        (
            Replace("./VirMO/work/State", "2"),
            StatusCode::COMMAND_NOT_ALLOWED,
        ),
    ] {
        let before = (device.get("./VirMO"), device.size());
        for place in 1..=whole.len() {
            let mut edits = whole.to_vec();
            edits.insert(place, bad);
            assert_eq!(device.atomic(&edits), Err((place, status)), "{edits:?}");
            assert_eq!((device.get("./VirMO"), device.size()), before);
            device.check();
        }
        device.restart();
        assert_eq!((device.get("./VirMO"), device.size()), before);
    }

    device
        .journal
        .fail_in
        .store(0, std::sync::atomic::Ordering::SeqCst);
    let failed = device.atomic(&whole);
    assert_eq!(failed, Err((whole.len() - 1, StatusCode::COMMAND_FAILED)));
    assert_eq!(device.get("./VirMO/work"), None);

    assert_eq!(device.atomic(&whole), Ok(()));
    assert_eq!(device.id("work").as_str(), "vm-1", "none was used up");
    assert_eq!(device.id("other").as_str(), "vm-2");
    device.check();
    device.restart();
    assert_eq!(device.get("./VirMO/work/CreateParams"), Some(params));
    assert_eq!(device.operate("work", "Create"), StatusCode::OK);
    assert_eq!(device.state("work"), Some(VmState::PoweredOff));
}

/// What comes and goes within one Atomic under one name is each time something else.
#[test]
pub(crate) fn nodes_come_go_and_change_their_names_in_one_atomic() {
    let mut device = Device::new();
    device.provision("a", "");
    let machine = device.id("a");
    let come_and_go = [
        Add("./VirMO/b"),
        Delete("./VirMO/b"),
        Add("./VirMO/b"),
        Rename("./VirMO/b", "c"),
        Delete("./VirMO/c"),
        Rename("./VirMO/a", "c"),
        Add("./VirMO/a"),
        Replace("./VirMO/a/CreateParams", "Running=true"),
    ];
    let mut failing = come_and_go.to_vec();
    failing.push(Delete("./VirMO/b"));
    let before = (device.get("./VirMO"), device.size());
    assert_eq!(
        device.atomic(&failing),
        Err((failing.len() - 1, StatusCode::NOT_FOUND))
    );
    assert_eq!((device.get("./VirMO"), device.size()), before);
    assert_eq!(device.id("a"), machine);

    assert_eq!(device.atomic(&come_and_go), Ok(()));
    assert_eq!(device.id("c"), machine);
    assert_eq!(device.id("a").as_str(), "vm-4");
    device.check();
    device.restart();
    assert_eq!(device.operate("c", "Create"), StatusCode::OK);
    device.check();
}

/// An image whose node another one takes in the same Atomic: the file of the first one goes once the
/// Atomic is durable, and only then; the second one is none's heir.
#[test]
pub(crate) fn an_image_is_replaced_by_another_in_one_atomic() {
    let mut device = Device::new();
    device.deliver("img");
    let files = device.store.keys().unwrap();
    assert_eq!(files.len(), 1);
    let exchange = [
        Delete("./VMImgMO/img"),
        Add("./VMImgMO/img"),
        Delete("./VMImgMO/img"),
        Add("./VMImgMO/img"),
        AddLeaf("./VMImgMO/img/Name", "second"),
    ];
    let mut failing = exchange.to_vec();
    failing.push(Delete("./VMImgMO/none"));
    assert!(device.atomic(&failing).is_err());
    device.run_all();
    assert_eq!(device.store.keys().unwrap(), files);
    assert_eq!(device.get("./VMImgMO/img/ImgID").as_deref(), Some("img-1"));

    assert_eq!(device.atomic(&exchange), Ok(()));
    device.run_all();
    assert_eq!(device.store.keys().unwrap(), []);
    assert_eq!(device.get("./VMImgMO/img/ImgID").as_deref(), Some("img-3"));
    assert_eq!(device.get("./VMImgMO/img/State").as_deref(), Some("0"));
    device.check();
    device.restart();
    device.check();
}
