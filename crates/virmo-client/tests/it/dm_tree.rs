//! What is below `VirMO/<x>/DMTree` and done by the device itself.

use std::sync::Arc;

use omadm_core::StatusCode;
use omadm_objects::{DCMO, LAWMO};
use tempfile::TempDir;
use virmo_hypervisor::{Hypervisor, InputLock, MachineState, Peripherals};
use virmo_simulator::Simulator;
use virmo_state::VmState;

use crate::device::{
    Device,
    Edit::{AddLeaf, AddObject, Delete, MoveObject, Rename, Replace},
};

const DM_TREE: &str = "./VirMO/a/DMTree";
const CAMERA: &str = "./VirMO/a/DMTree/DCMO/Camera";
const MOID: &str = "urn:oma:mo:oma-dcmo:1.0";

/// A device with the simulator and a running VM `a`.
struct Bed {
    device: Device,
    simulator: Arc<Simulator>,
    folder: TempDir,
}

fn open(folder: &TempDir) -> Arc<Simulator> {
    let builder = Simulator::builder(folder.path().join("machines")).without_sync();
    Arc::new(builder.open().unwrap())
}

impl Bed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        std::fs::write(&image, "0123456789").unwrap();
        let simulator = open(&folder);
        let mut device = Device::new();
        device.hypervisor = simulator.clone();
        device.sink = Arc::new(omadm_store::FileSink::open(folder.path().join("images")).unwrap());
        device.restart();
        device.provision("a", "");
        assert_eq!(device.operate("a", "Create"), StatusCode::OK);
        Self {
            device,
            simulator,
            folder,
        }
    }

    /// One with DMTree.
    fn managed() -> Self {
        let mut bed = Self::new();
        assert_eq!(bed.device.add(DM_TREE), StatusCode::OK);
        bed
    }

    fn restart(self) -> Self {
        let Self {
            mut device,
            simulator,
            folder,
        } = self;
        device.stop();
        device.hypervisor = device.bench.clone();
        drop(simulator);
        let simulator = open(&folder);
        device.hypervisor = simulator.clone();
        device.restart();
        Self {
            device,
            simulator,
            folder,
        }
    }

    fn is_locked(&self) -> bool {
        self.simulator.is_locked(&self.device.id("a")).unwrap()
    }

    fn has_camera(&self) -> bool {
        let list = Peripherals::list(&*self.simulator, &self.device.id("a")).unwrap();
        list.iter().any(|it| it.name == "camera" && it.enabled)
    }

    fn lock(&mut self, operation: &str) -> StatusCode {
        let node = format!("{DM_TREE}/LAWMO/Operations/{operation}");
        self.device.exec(&node)
    }

    fn lock_state(&self) -> Option<String> {
        self.device.get(&format!("{DM_TREE}/LAWMO/State"))
    }

    fn switch(&mut self, operation: &str) -> StatusCode {
        self.device
            .exec(&format!("{CAMERA}/Operations/{operation}"))
    }
}

/// VR-107, VR-220: the node is absent until a server Adds it.
#[test]
fn there_is_no_tree_until_a_server_adds_it() {
    let mut bed = Bed::new();
    assert_eq!(bed.device.get(DM_TREE), None);
    assert_eq!(bed.lock("FullyLock"), StatusCode::NOT_FOUND);
    assert_eq!(bed.device.add(DM_TREE), StatusCode::OK);
    assert_eq!(bed.lock_state().as_deref(), Some("30"));
    assert_eq!(bed.device.add(DM_TREE), StatusCode::ALREADY_EXISTS);
}

/// VR-225: after the VM was created, not before.
#[test]
fn only_a_created_vm_has_a_tree() {
    let mut bed = Bed::new();
    bed.device.add_vm("b", "a", "");
    assert_eq!(
        bed.device.add("./VirMO/b/DMTree"),
        StatusCode::COMMAND_NOT_ALLOWED
    );
    assert_eq!(
        bed.device
            .command(AddObject("./VirMO/b/DMTree/DCMO/Camera", MOID)),
        StatusCode::COMMAND_NOT_ALLOWED
    );
    assert_eq!(bed.device.get("./VirMO/b/DMTree"), None);
}

/// VR-035, VR-036, VR-223 (HLF-12, HLF-13): FullyLock locks that VM and no other, UnLock unlocks it.
#[test]
fn a_vm_is_locked_and_unlocked() {
    let mut bed = Bed::managed();
    bed.device.add_vm("b", "a", "");
    assert_eq!(bed.device.operate("b", "Create"), StatusCode::OK);
    for (operation, state, locked) in [
        ("FullyLock", "10", true),
        ("UnLock", "30", false),
        ("PartiallyLock", "20", true),
        ("FullyLock", "10", true),
    ] {
        assert_eq!(bed.lock(operation), StatusCode::OK, "{operation}");
        assert_eq!(bed.lock_state().as_deref(), Some(state));
        assert_eq!(bed.is_locked(), locked);
        let other = bed.device.id("b");
        assert!(!bed.simulator.is_locked(&other).unwrap());
        assert_eq!(bed.device.state("a"), Some(VmState::Running), "as it was");
    }
}

/// The lock outlives restarts of device and VM, and the primitives work under it.
#[test]
fn a_locked_vm_stays_locked_and_obeys_its_server() {
    let mut bed = Bed::managed();
    assert_eq!(bed.lock("FullyLock"), StatusCode::OK);
    // Somebody else unlocks it meanwhile.
    let id = bed.device.id("a");
    bed.simulator.set_locked(&id, false).unwrap();
    bed = bed.restart();
    assert!(bed.is_locked(), "put into force again");
    for operation in ["Suspend", "Resume", "PowerOff", "PowerOn", "PowerOff"] {
        assert_eq!(bed.device.operate("a", operation), StatusCode::OK);
        assert_eq!(bed.lock_state().as_deref(), Some("10"), "{operation}");
        assert!(bed.is_locked(), "{operation}");
    }
    assert_eq!(bed.lock("UnLock"), StatusCode::OK, "while it is off");
    assert!(!bed.is_locked());
    assert_eq!(bed.lock("FullyLock"), StatusCode::OK);
    assert_eq!(bed.device.operate("a", "Delete"), StatusCode::OK);
    assert_eq!(bed.device.get("./VirMO/a"), None);
    let found = bed.simulator.observe(&id).unwrap().state;
    assert_eq!(found, MachineState::Absent);
}

/// A server that looks finds State as the lock is, also where a restart cut a change of it: a back end
/// with a lock needs no guest that may say nothing.
#[test]
fn the_lock_comes_before_sessions() {
    let mut bed = Bed::managed();
    assert_eq!(bed.lock("FullyLock"), StatusCode::OK);
    let unlock = format!("{DM_TREE}/LAWMO/Operations/UnLock");
    bed.device.begin(&unlock, None);
    bed.device.boot();
    let jobs = bed.device.jobs.iter();
    let of_lock = jobs.filter(|job| job.label.contains("LAWMO"));
    let of_lock: Vec<_> = of_lock
        .map(|job| (job.label.clone(), job.before_sessions))
        .collect();
    let root = format!("{DM_TREE}/LAWMO");
    assert_eq!(of_lock, [(root, true), (unlock, true)]);
    bed.device.run_all();
    assert_eq!(bed.lock_state().as_deref(), Some("30"));
    assert!(!bed.is_locked());
}

/// A later VM of the same name starts with nothing of the earlier.
#[test]
fn a_tree_goes_with_its_vm() {
    let mut bed = Bed::managed();
    assert_eq!(bed.lock("FullyLock"), StatusCode::OK);
    assert_eq!(bed.device.operate("a", "Delete"), StatusCode::OK);
    bed.device.add_vm("a", "a", "");
    assert_eq!(bed.device.operate("a", "Create"), StatusCode::OK);
    assert_eq!(bed.device.get(DM_TREE), None);
    assert_eq!(bed.lock("UnLock"), StatusCode::NOT_FOUND);
    assert_eq!(bed.device.add(DM_TREE), StatusCode::OK);
    assert_eq!(bed.lock_state().as_deref(), Some("30"));
    assert!(!bed.is_locked());
}

/// Nobody could unlock it any more.
#[test]
fn the_tree_of_a_locked_vm_is_not_deleted() {
    let mut bed = Bed::managed();
    assert_eq!(bed.lock("PartiallyLock"), StatusCode::OK);
    assert_eq!(bed.device.delete(DM_TREE), StatusCode::COMMAND_NOT_ALLOWED);
    let lawmo = format!("{DM_TREE}/LAWMO");
    assert_eq!(bed.device.delete(&lawmo), StatusCode::COMMAND_NOT_ALLOWED);
    assert_eq!(bed.lock("UnLock"), StatusCode::OK);
    assert_eq!(bed.device.delete(DM_TREE), StatusCode::OK);
    assert_eq!(bed.device.get(DM_TREE), None);
    assert_eq!(bed.lock("FullyLock"), StatusCode::NOT_FOUND);
    assert_eq!(bed.device.add(DM_TREE), StatusCode::OK);
    assert_eq!(bed.lock("FullyLock"), StatusCode::OK);
}

/// VR-108, VR-219, VR-227: the object that stands there is the one its Type names.
#[test]
fn the_roots_carry_their_types() {
    let mut bed = Bed::managed();
    assert_eq!(bed.device.command(AddObject(CAMERA, MOID)), StatusCode::OK);
    assert_eq!(
        (&*LAWMO.moid, &*DCMO.moid),
        ("urn:oma:mo:oma-lawmo:1.0", MOID)
    );
    for (node, moid) in [("LAWMO", &*LAWMO.moid), ("DCMO/Camera", MOID)] {
        let found = bed.device.node_type(&format!("{DM_TREE}/{node}"));
        assert_eq!(found.as_deref(), Some(moid), "{node}");
    }
    assert_eq!(
        bed.device.node_type(&format!("{DM_TREE}/DCMO")),
        Some(String::new())
    );
}

/// VR-029, VR-202, VR-261 (HLF-06): a peripheral of one VM is switched, and of no other.
#[test]
fn a_peripheral_is_switched() {
    let mut bed = Bed::managed();
    assert_eq!(bed.switch("Disable"), StatusCode::NOT_FOUND);
    assert_eq!(bed.device.command(AddObject(CAMERA, MOID)), StatusCode::OK);
    let enabled = format!("{CAMERA}/Enabled");
    let property = bed.device.get(&format!("{CAMERA}/Property"));
    assert_eq!(property.as_deref(), Some("Camera"));
    for (operation, value) in [
        ("Disable", "false"),
        ("Enable", "true"),
        ("Disable", "false"),
    ] {
        assert_eq!(bed.switch(operation), StatusCode::OK, "{operation}");
        assert_eq!(bed.device.get(&enabled).as_deref(), Some(value));
        assert_eq!(bed.has_camera().to_string(), value);
    }
    // Somebody else gives it back meanwhile.
    let id = bed.device.id("a");
    bed.simulator.set_enabled(&id, "camera", true).unwrap();
    bed = bed.restart();
    assert!(!bed.has_camera(), "put into force again");
    assert_eq!(bed.switch("Enable"), StatusCode::OK);
    assert!(bed.has_camera());
}

#[test]
fn a_peripheral_is_shown_as_it_is() {
    let mut bed = Bed::managed();
    let id = bed.device.id("a");
    bed.simulator.set_enabled(&id, "camera", false).unwrap();
    assert_eq!(bed.device.command(AddObject(CAMERA, MOID)), StatusCode::OK);
    let enabled = bed.device.get(&format!("{CAMERA}/Enabled"));
    assert_eq!(enabled.as_deref(), Some("false"));
    bed.device.run_all();
    assert!(!bed.has_camera());
    assert_eq!(bed.device.delete(CAMERA), StatusCode::OK);
    assert_eq!(bed.switch("Enable"), StatusCode::NOT_FOUND);
    assert_eq!(bed.device.command(AddObject(CAMERA, MOID)), StatusCode::OK);
    assert_eq!(bed.switch("Enable"), StatusCode::OK);
    assert!(bed.has_camera());
}

/// A command that waits for two peripherals and a guest takes each answer for what it is about.
#[test]
fn each_answer_is_for_what_was_asked() {
    const ROBOT: &str = "./VirMO/a/DMTree/DCMO/Robot";
    let mut bed = Bed::managed();
    let objects = [AddObject(CAMERA, MOID), AddObject(ROBOT, MOID)];
    let refused = StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED;
    assert_eq!(bed.device.document(&objects), refused);
    assert_eq!(bed.device.get(CAMERA), None);
    let id = bed.device.id("a");
    bed.simulator.set_enabled(&id, "camera", false).unwrap();
    let both = [
        AddLeaf("./VirMO/a/DMTree/note", "x"),
        AddObject(CAMERA, MOID),
    ];
    assert_eq!(bed.device.document(&both), StatusCode::OK);
    let enabled = bed.device.get(&format!("{CAMERA}/Enabled"));
    assert_eq!(enabled.as_deref(), Some("false"), "as it is");
    let note = |guest: &mut virmo_guest::MemoryGuest| guest.contains(&"./note".parse().unwrap());
    assert!(bed.simulator.guest(&id, note).unwrap());
}

#[test]
fn what_a_server_must_not_do_below_a_tree() {
    let mut bed = Bed::managed();
    let robot = "./VirMO/a/DMTree/DCMO/Robot";
    assert_eq!(bed.device.command(AddObject(CAMERA, MOID)), StatusCode::OK);
    for (edit, status) in [
        (
            AddObject(robot, MOID),
            StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED,
        ),
        (
            AddObject("./VirMO/a/DMTree/DCMO/camera", MOID),
            StatusCode::ALREADY_EXISTS,
        ),
        (
            AddLeaf("./VirMO/a/DMTree/DCMO/Camera/Extra", "x"),
            StatusCode::COMMAND_NOT_ALLOWED,
        ),
        (
            Replace("./VirMO/a/DMTree/DCMO/Camera/Enabled", "false"),
            StatusCode::COMMAND_NOT_ALLOWED,
        ),
        (
            Replace("./VirMO/a/DMTree/LAWMO/State", "30"),
            StatusCode::COMMAND_NOT_ALLOWED,
        ),
        (
            Delete("./VirMO/a/DMTree/LAWMO/State"),
            StatusCode::COMMAND_NOT_ALLOWED,
        ),
        (Rename("./VirMO/a", "b"), StatusCode::COMMAND_NOT_ALLOWED),
        (
            Rename("./VirMO/a/DMTree", "b"),
            StatusCode::COMMAND_NOT_ALLOWED,
        ),
        (
            Rename("./VirMO/a/DMTree/DCMO", "b"),
            StatusCode::COMMAND_NOT_ALLOWED,
        ),
        (
            Rename("./VirMO/a/DMTree/LAWMO", "b"),
            StatusCode::COMMAND_NOT_ALLOWED,
        ),
        (
            AddObject("./VirMO/a/DMTree/LAWMO", "urn:oma:mo:oma-lawmo:1.0"),
            StatusCode::COMMAND_NOT_ALLOWED,
        ),
    ] {
        let before = bed.device.size();
        assert_eq!(bed.device.command(edit), status, "{edit:?}");
        assert_eq!(bed.device.size(), before, "{edit:?}");
    }
    let wipe = bed.lock("Wipe");
    assert_eq!(wipe, StatusCode::COMMAND_FAILED, "there is nothing to wipe");
    let reset = bed.lock("FactoryReset");
    assert_eq!(reset, StatusCode::COMMAND_FAILED, "the guest has none");
    assert!(bed.has_camera() && !bed.is_locked());
}

/// Rule 7: whether there is such a peripheral only the machine tells, and an Atomic does not wait.
#[test]
fn a_peripheral_is_not_added_in_an_atomic() {
    let mut bed = Bed::managed();
    let edits = [
        Replace("./VirMO/a/Description", "x"),
        AddObject(CAMERA, MOID),
    ];
    assert_eq!(
        bed.device.atomic(&edits),
        Err((1, StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED))
    );
    assert_eq!(bed.device.get(CAMERA), None);
    assert_ne!(
        bed.device.get("./VirMO/a/Description").as_deref(),
        Some("x")
    );
}

/// Where nothing can be locked or switched, the server is told so.
#[test]
fn a_back_end_without_a_lock_says_so() {
    let mut device = Device::new();
    device.provision("a", "");
    assert_eq!(device.operate("a", "Create"), StatusCode::OK);
    assert!(device.bench.input_lock().is_none());
    assert_eq!(device.add(DM_TREE), StatusCode::OK);
    for operation in ["FullyLock", "PartiallyLock", "UnLock"] {
        assert_eq!(
            device.exec(&format!("{DM_TREE}/LAWMO/Operations/{operation}")),
            StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED
        );
    }
    let state = device.get(&format!("{DM_TREE}/LAWMO/State"));
    assert_eq!(state.as_deref(), Some("30"));
    device.restart();
    assert_eq!(
        device.exec(&format!("{DM_TREE}/LAWMO/Operations/FullyLock")),
        StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED
    );
}

/// What a command deletes is in the way of nothing that it adds.
#[test]
fn a_peripheral_moves_in_one_command() {
    const ELSEWHERE: &str = "./VirMO/a/DMTree/Ext/Camera";
    let mut bed = Bed::managed();
    assert_eq!(bed.device.command(AddObject(CAMERA, MOID)), StatusCode::OK);
    let moved = MoveObject(CAMERA, ELSEWHERE, MOID);
    assert_eq!(bed.device.command(moved), StatusCode::OK);
    assert_eq!(bed.switch("Disable"), StatusCode::NOT_FOUND);
    let disable = format!("{ELSEWHERE}/Operations/Disable");
    assert_eq!(bed.device.exec(&disable), StatusCode::OK);
    assert!(!bed.has_camera());
}
