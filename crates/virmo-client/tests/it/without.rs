//! A client without an optional part, on what one with it left: that stays, is refused to servers, and
//! what somebody waits for is told.
#![cfg_attr(
    all(
        feature = "bootstrap",
        feature = "dm-tree",
        feature = "draft",
        feature = "ui"
    ),
    allow(dead_code, unused_imports, reason = "nothing is without")
)]

use omadm_core::{Batch, Correlator, Format, GenericAlert, Journal, Mark, Now, Space, StatusCode};
use omadm_mo::Layout;
use omadm_tree::{Acl, Transaction, Tree, TreeLimits, Uri, Value};
use virmo_client::Policy;
use virmo_nodes::{Features, Profile};
use virmo_state::VmState;

use crate::device::{
    Device, Disk,
    Edit::{AddOctets, Property},
    final_alert,
};

const REFUSED: StatusCode = StatusCode::COMMAND_NOT_ALLOWED;
#[cfg(not(feature = "dm-tree"))]
const OPERATIONS: Space = Space::new("operations");
const DOUBTS: Space = Space::new("doubts");

fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

/// What a device left that was killed with these nodes and records beside a VM that runs, and a
/// device that comes up on it.
fn on(
    profile: Profile,
    edit: impl FnOnce(&mut Transaction<'_>, &Layout),
    records: &[(Space, &str, &[u8])],
) -> Device {
    let mut device = Device::new();
    if profile == Profile::Approved {
        device.provision("a", "");
        device.bring("a", VmState::Running);
    }
    device.stop();
    device.take_alerts();
    let disk = device.disk();
    change(&disk, profile, edit, records);
    let mut policy = Policy::default();
    policy.alert_type = Some("com.example.result".to_owned());
    Device::off(policy, disk)
}

fn change(
    disk: &Disk,
    profile: Profile,
    edit: impl FnOnce(&mut Transaction<'_>, &Layout),
    records: &[(Space, &str, &[u8])],
) {
    let mut features = Features::default();
    features.profile = profile;
    (features.user_interaction, features.dm_tree) = (true, true);
    let mut layout = Layout::default();
    layout.mount(features.virmo(uri("./VirMO"))).unwrap();
    let limits = TreeLimits::default();
    let mut tree = Tree::load(&disk.journal, limits, Acl::root_default()).unwrap();
    let mut transaction = tree.begin(Now::default());
    edit(&mut transaction, &layout);
    let mut batch = Batch::new();
    for (space, key, record) in records {
        batch.put(*space, *key, *record);
    }
    transaction.commit(&disk.journal, batch).unwrap();
}

/// The tree of a guest, with a lock that nobody can open from here.
#[cfg(not(feature = "dm-tree"))]
#[test]
fn without_dm_tree_that_of_a_vm_stays_as_it_is() {
    const TREE: &str = "./VirMO/a/DMTree";
    let volume = format!("{TREE}/Settings/volume");
    let mut device = on(
        Profile::Approved,
        |tree, layout| {
            tree.add_interior(layout, &uri(TREE)).unwrap();
            let settings = uri(&format!("{TREE}/Settings"));
            tree.add_interior(layout, &settings).unwrap();
            tree.set(layout, &uri(&volume), Value::chr("3")).unwrap();
            for (root, moid) in [
                ("LAWMO", "urn:oma:mo:oma-lawmo:1.0"),
                ("FUMO", "urn:oma:mo:oma-fumo:1.0"),
                ("SCOMO", "urn:oma:mo:oma-scomo:1.0"),
                ("camera", "urn:oma:mo:oma-dcmo:1.0"),
            ] {
                let root = uri(&format!("{TREE}/{root}"));
                tree.add_typed(layout, &root, moid).unwrap();
            }
        },
        &[
            (DOUBTS, "vm-1\n./Settings/volume", b"\x01"),
            (OPERATIONS, "./LAWMO/Operations/Wipe", b"\x01\0"),
            (
                OPERATIONS,
                &format!("{TREE}/LAWMO/Operations/Wipe"),
                b"\x01\x01c-1",
            ),
            (OPERATIONS, &format!("{TREE}/FUMO/Update"), b"\x01\0"),
            (
                OPERATIONS,
                &format!("{TREE}/SCOMO/Download/x/Operations/Download"),
                b"\x01\0",
            ),
            (
                OPERATIONS,
                &format!("{TREE}/camera/Operations/Enable"),
                b"\x01\0",
            ),
            (
                OPERATIONS,
                "./VirMO/gone/DMTree/LAWMO/Operations/Wipe",
                b"\x01\0",
            ),
            (
                Space::INTENTS,
                "guest/vm-1",
                b"\x01\0\0\0\0\0\0\0\x12./VirMO/a/DMTree/X\x01\0",
            ),
        ],
    );
    let left = device.dump();
    device.restart();
    assert_eq!(device.dump(), left);
    // Nobody goes on with what was under way, and a server waits for that.
    let failed = StatusCode::COMMAND_FAILED;
    let in_guest = final_alert(&format!("{TREE}/X"), None, failed);
    let of_object = |alert_type, below, format, correlator, data: &str| {
        let mut alert = GenericAlert::new(alert_type, format);
        alert.source = Some(format!("{TREE}/{below}"));
        alert.mark = Some(Mark::Warning);
        alert.correlator = correlator;
        alert.data = data.to_owned();
        format!("{alert:?}")
    };
    let update = "org.openmobilealliance.dm.firmwareupdate.update";
    let [lawmo, scomo, dcmo] =
        ["lawmo", "scomo", "dcmo"].map(|name| format!("urn:oma:at:{name}:1.0:OperationComplete"));
    let (wipe, c_1) = ("LAWMO/Operations/Wipe", Some(Correlator::new("c-1")));
    let download = "SCOMO/Download/x/Operations/Download";
    let no_software = "<ResultCode>1400</ResultCode>";
    let expected = [
        of_object(update, "FUMO", Format::Int, None, "400"),
        of_object(&lawmo, wipe, Format::Int, c_1, "1400"),
        of_object(&scomo, download, Format::Xml, None, no_software),
        of_object(&dcmo, "camera/Operations/Enable", Format::Int, None, "1400"),
        in_guest,
    ];
    assert_eq!(device.take_alerts(), expected);
    assert_eq!(device.journal.count(OPERATIONS), 1, "of the device itself");

    assert_eq!(device.get(&volume).as_deref(), Some("3"));
    assert_eq!(device.replace(&volume, "4"), REFUSED);
    assert_eq!(device.delete(&volume), REFUSED);
    assert_eq!(device.add(&format!("{TREE}/Other")), REFUSED);
    assert_eq!(device.exec(&volume), REFUSED);
    assert_eq!(device.exec(&format!("{TREE}/LAWMO")), REFUSED);
    assert_eq!(device.delete(TREE), REFUSED);
    assert_eq!(device.rename("./VirMO/a", "b"), REFUSED);
    for (property, value) in [("ACL", "Get=*"), ("Title", "x")] {
        let edit = Property(&volume, property, value);
        assert_eq!(device.command(edit), REFUSED);
    }
    assert_eq!(device.dump(), left);
    device.look();
    assert_eq!(
        device.journal.count(DOUBTS),
        1,
        "for a client that asks the guest"
    );

    for operation in ["Suspend", "Resume", "PowerOff", "PowerOn"] {
        assert_eq!(device.operate("a", operation), StatusCode::OK);
    }
    assert_eq!(device.get(&volume).as_deref(), Some("3"));
    assert_eq!(device.operate("a", "Delete"), StatusCode::OK);
    assert_eq!(device.get("./VirMO/a"), None);
    device.check();
}

#[cfg(not(feature = "dm-tree"))]
#[test]
fn without_dm_tree_no_vm_gets_one() {
    let mut device = on(Profile::Approved, |_, _| {}, &[]);
    device.restart();
    assert_eq!(device.add("./VirMO/a/DMTree"), REFUSED);
    assert_eq!(device.get("./VirMO/a/DMTree"), None);
}

/// A question that was open was not asked to the end, and its command stays.
#[cfg(not(feature = "ui"))]
#[test]
fn without_ui_what_was_asked_stays_and_nothing_is() {
    const EXEC: &str = "./VirMO/a/Operations/ExecUICmd";
    const COMMAND: &str = "./VirMO/a/UI/Command";
    let mut device = on(
        Profile::Approved,
        |tree, layout| {
            tree.add_interior(layout, &uri("./VirMO/a/UI")).unwrap();
            let command = Value::xml("<Alert><CmdID>2</CmdID><Data>1100</Data></Alert>");
            tree.set(layout, &uri(COMMAND), command).unwrap();
            tree.set(layout, &uri(EXEC), Value::null()).unwrap();
        },
        &[(Space::INTENTS, "ui/vm-1", b"\x01\0\0\0\0\0\0\0\x01a\x01\0")],
    );
    device.restart();
    let result = device.get("./VirMO/a/UI/Result").unwrap();
    assert!(result.contains("<Data>215</Data>"), "{result}");
    let left = device.dump();
    let alert = final_alert(EXEC, None, StatusCode::COMMAND_FAILED);
    assert_eq!(device.take_alerts(), [alert]);
    assert_eq!(device.exec(EXEC), REFUSED);
    assert_eq!(device.replace_markup(COMMAND, "<Alert/>"), REFUSED);
    assert_eq!(device.dump(), left);
    assert_eq!(device.operate("a", "Delete"), StatusCode::OK);
    device.check();
}

/// As a client of the approved text does; without VMs, there is nothing to be lost.
#[cfg(not(feature = "draft"))]
#[test]
fn without_draft_a_client_does_not_start_on_vms_of_it() {
    let record: (Space, &str, &[u8]) = (Space::INTENTS, "access/vm-3", b"\x01\0\x01\0");
    let vm = uri("./VirMO/a");
    let add = |tree: &mut Transaction<'_>, layout: &Layout| {
        tree.add_interior(layout, &vm).unwrap();
    };
    let mut device = on(Profile::Draft, add, &[record]);
    let left = device.dump();
    assert_eq!(device.try_boot(), Err(StatusCode::COMMAND_FAILED));
    device.stop();
    assert_eq!(device.dump(), left);
    let mut device = on(Profile::Draft, |_, _| {}, &[record]);
    device.restart();
    device.provision("a", "");
    assert_eq!(device.operate("a", "Create"), StatusCode::OK);
    device.check();
}

/// What was written for the guest of a VM that is to be created is for it still, or is taken back.
#[cfg(not(feature = "bootstrap"))]
#[test]
fn without_bootstrap_no_document_is_taken() {
    const LEAF: &str = "./VirMO/b/Ext/Bootstrap";
    let records: [(Space, &str, &[u8]); 2] = [
        (Space::BOOTSTRAPS, "vm/vm-2", b"\x01document"),
        (Space::IDS, "virmo/vm", &[1, 0, 0, 0, 0, 0, 0, 0, 3]),
    ];
    for taken_back in [false, true] {
        let edit = |tree: &mut Transaction<'_>, layout: &Layout| {
            tree.add_interior(layout, &uri("./VirMO/b")).unwrap();
            let id = Value::chr("vm-2");
            tree.set(layout, &uri("./VirMO/b/VMID"), id).unwrap();
            let params = Value::chr("ImgID=img-1");
            tree.set(layout, &uri("./VirMO/b/CreateParams"), params)
                .unwrap();
            tree.set(layout, &uri(LEAF), Value::bin([])).unwrap();
        };
        let mut device = on(Profile::Approved, edit, &records);
        device.restart();
        let missing = StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED;
        let write = AddOctets(
            "./VirMO/a/Ext/Bootstrap",
            "application/vnd.syncml.dm+wbxml",
            b"x",
        );
        assert_eq!(device.command(write), REFUSED, "a VM that is there");
        let write = AddOctets(
            "./VirMO/c/Ext/Bootstrap",
            "application/vnd.syncml.dm+wbxml",
            b"x",
        );
        device.add_vm("c", "a", "");
        assert_eq!(device.command(write), missing);
        assert_eq!(device.get("./VirMO/c/Ext/Bootstrap"), None);
        if taken_back {
            assert_eq!(device.delete(LEAF), StatusCode::OK);
        }
        assert_eq!(device.operate("b", "Create"), StatusCode::OK);
        let got = device.bench.bootstraps.lock().unwrap();
        let got = got.get(&device.id("b")).map(|it| it.to_vec());
        assert_eq!(got, (!taken_back).then(|| b"document".to_vec()));
        assert_eq!(device.journal.count(Space::BOOTSTRAPS), 0);
    }
}
