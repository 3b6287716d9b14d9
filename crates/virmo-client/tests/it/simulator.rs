use std::sync::Arc;

use omadm_core::StatusCode;
use omadm_store::FileSink;
use tempfile::TempDir;
use virmo_hypervisor::Hypervisor;
use virmo_simulator::Simulator;
use virmo_state::{Primitive, VmState};

use crate::device::Device;

/// A device with the simulator and a sink of files, in a folder.
struct Bed {
    folder: TempDir,
    device: Device,
    simulator: Arc<Simulator>,
}

impl Bed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let simulator = Arc::new(open(&folder, None));
        let mut device = Device::new();
        device.hypervisor = simulator.clone();
        device.sink = Arc::new(FileSink::open(folder.path().join("images")).unwrap());
        device.restart();
        Self {
            folder,
            device,
            simulator,
        }
    }

    /// Ends the process and starts it again, the simulator too.
    fn restart(self, fault: Option<&str>) -> Self {
        let Self {
            folder,
            mut device,
            simulator,
        } = self;
        device.stop();
        device.hypervisor = device.bench.clone();
        drop(simulator);
        let simulator = Arc::new(open(&folder, fault));
        device.hypervisor = simulator.clone();
        device.restart();
        Self {
            folder,
            device,
            simulator,
        }
    }

    /// State, which the simulator has to agree with.
    fn state(&self) -> Option<VmState> {
        let state = self.device.state("a")?;
        let machine = self.simulator.observe(&self.device.id("a")).unwrap().state;
        assert_eq!(machine.vm_state(), Some(state));
        Some(state)
    }
}

fn open(folder: &TempDir, fault: Option<&str>) -> Simulator {
    let mut builder = Simulator::builder(folder.path().join("machines")).without_sync();
    if let Some(fault) = fault {
        builder = builder.fault(fault.parse().unwrap());
    }
    builder.open().unwrap()
}

/// The whole life on the simulator and on files, with a restart of everything after each step.
#[test]
pub(crate) fn a_life_with_a_restart_after_each_step() {
    let mut bed = Bed::new();
    bed.device.provision("a", "");
    let location = bed.device.get("./VMImgMO/a/DownloadedLocation").unwrap();
    assert_eq!(
        std::fs::read(location).unwrap(),
        b"0123456789abcdefghijklmnopqrstuvwxyz"
    );
    for (operation, state) in [
        ("Create", VmState::Running),
        ("Suspend", VmState::Suspended),
        ("Resume", VmState::Running),
        ("PowerOff", VmState::PoweredOff),
        ("PowerOn", VmState::Running),
    ] {
        assert_eq!(
            bed.device.operate("a", operation),
            StatusCode::OK,
            "{operation}"
        );
        bed = bed.restart(None);
        assert_eq!(bed.state(), Some(state));
    }
    assert_eq!(
        bed.device.exec("./VMImgMO/a/Operations/Delete"),
        StatusCode::OK
    );
    assert_eq!(bed.device.operate("a", "Delete"), StatusCode::OK);
    bed = bed.restart(None);
    assert_eq!(bed.device.get("./VirMO/a"), None);
    assert_eq!(bed.simulator.list().unwrap(), []);
    let images = bed.folder.path().join("images");
    assert_eq!(files(&images), 0, "an image stayed");
}

fn files(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let count = |entry: std::fs::DirEntry| match entry.file_type().unwrap().is_dir() {
        true => files(&entry.path()),
        false => 1,
    };
    entries.map(count).sum()
}

/// VR-058 to VR-060 on the simulator: each operation that fails after it has begun leaves the state
/// before it, and works when it is asked for again.
#[test]
pub(crate) fn a_fault_of_the_simulator_is_undone() {
    for (fault, state, operation, primitive) in [
        (
            "create:fail",
            VmState::NotCreated,
            "Create",
            Primitive::Create,
        ),
        (
            "power_on:fail",
            VmState::NotCreated,
            "Create",
            Primitive::Create,
        ),
        (
            "suspend:fail",
            VmState::Running,
            "Suspend",
            Primitive::Suspend,
        ),
        (
            "resume:fail",
            VmState::Suspended,
            "Resume",
            Primitive::Resume,
        ),
        (
            "power_on:fail",
            VmState::PoweredOff,
            "PowerOn",
            Primitive::PowerOn,
        ),
        (
            "power_off:fail",
            VmState::Running,
            "PowerOff",
            Primitive::PowerOff,
        ),
        (
            "delete:fail",
            VmState::Suspended,
            "Delete",
            Primitive::Delete,
        ),
    ] {
        let mut bed = Bed::new();
        bed.device.provision("a", "");
        bed.device.bring("a", state);
        bed = bed.restart(Some(fault));
        assert_eq!(
            bed.device.operate("a", operation),
            StatusCode::COMMAND_FAILED,
            "{fault}"
        );
        assert_eq!(bed.state(), Some(state), "{fault}");
        assert_eq!(
            bed.device.operate("a", operation),
            StatusCode::OK,
            "{fault}"
        );
        let after = Some(state.after(primitive).unwrap());
        assert_eq!(
            bed.state(),
            after.filter(|after| *after != VmState::Deleted),
            "{fault}"
        );
    }
}

/// The simulator's own accounts agree with the client's sums and its changes of resources.
#[test]
pub(crate) fn resources_are_applied_on_the_simulator() {
    let mut bed = Bed::new();
    bed.device.provision("a", "");
    bed.device.add_vm("b", "a", "");
    for vm in ["a", "b"] {
        assert_eq!(bed.device.operate(vm, "Create"), StatusCode::OK);
    }
    let configs = [
        ("a", "RAM=536870912&Storage=1073741824&CPU=60&Network=50"),
        ("b", "RAM=134217728&Storage=1073741824&CPU=40&Network=50"),
    ];
    for (vm, config) in configs {
        let uri = format!("./VirMO/{vm}/Resources/NewConfig");
        assert_eq!(bed.device.add_leaf(&uri, config), StatusCode::OK);
    }
    let apply = "./VirMO/Operations/ApplyChanges";
    bed = bed.restart(Some("apply:fail"));
    assert_eq!(bed.device.exec(apply), StatusCode::COMMAND_FAILED);
    assert_eq!(bed.device.exec(apply), StatusCode::OK);
    bed = bed.restart(None);
    for (vm, config) in configs {
        let current = format!("./VirMO/{vm}/Resources/CurrentConfig");
        assert_eq!(bed.device.get(&current).as_deref(), Some(config));
        let observed = bed.simulator.observe(&bed.device.id(vm)).unwrap();
        assert_eq!(observed.resources, Some(config.parse().unwrap()));
    }
}
