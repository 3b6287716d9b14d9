//! Memory that a running guest gives back and takes again.

use std::path::Path;

use virmo_hypervisor::{
    Effect, Hypervisor, HypervisorErrorKind as Kind, MachineState, Outcome, PowerOff, Resource,
    VmSpec,
};
use virmo_params::ResourceConfig;
use virmo_qemu::Qemu;
use virmo_state::VmId;

use crate::bench::{Place, ask_qemu, is_here, soon};

const MIB: u64 = 1 << 20;

fn id() -> VmId {
    "vm-1".parse().unwrap()
}

fn with_ram(mebibytes: u64) -> ResourceConfig {
    let ram = mebibytes * MIB;
    let text = format!("RAM={ram}&Storage=4194304&CPU=50&Network=25");
    text.parse().unwrap()
}

/// What the guest has at this moment, in MiB.
fn has(place: &Place) -> u64 {
    let answer = ask_qemu(place, "vm-1", "query-balloon", serde_json::json!({}));
    answer["actual"].as_u64().unwrap() / MIB
}

fn running(place: &Place, image: &Path) -> Qemu {
    let qemu = place.open_qemu();
    let spec = VmSpec::new(id(), image, "application/octet-stream", with_ram(32));
    qemu.create(&spec).unwrap();
    qemu.power_on(&id()).unwrap();
    qemu
}

/// A change that runs: prepared and made.
fn change(qemu: &Qemu, mebibytes: u64) {
    let want = with_ram(mebibytes);
    assert_eq!(qemu.prepare(&id(), &want).unwrap().ram, Effect::Live);
    assert_eq!(qemu.commit(&id(), &want).unwrap(), Outcome::Done);
}

/// VR-028: what is allocated is handed to the hypervisor, and a guest that can follows at once.
#[test]
fn a_guest_with_a_balloon_changes_its_memory_while_it_runs() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let image = place.guest("balloon");
    let qemu = running(&place, &image);
    assert!(soon(|| place.console("vm-1").contains("ready")));
    // QEMU hears of the driver with the first statistics.
    assert!(soon(|| qemu.prepare(&id(), &with_ram(24)).is_ok()));
    change(&qemu, 24);
    assert_eq!(has(&place), 24);
    change(&qemu, 28);
    assert_eq!(has(&place), 28);
    let more = qemu.prepare(&id(), &with_ram(48)).unwrap_err();
    assert_eq!(*more.kind(), Kind::CannotChangeLive(Resource::Ram));
    assert_eq!(qemu.observe(&id()).unwrap().resources, Some(with_ram(28)));

    qemu.undo(&id(), &with_ram(32)).unwrap();
    assert_eq!(has(&place), 32);
    change(&qemu, 24);
    qemu.suspend(&id()).unwrap();
    qemu.resume(&id()).unwrap();
    assert_eq!(has(&place), 24, "what was saved is what goes on");
    assert!(soon(|| qemu.prepare(&id(), &with_ram(32)).is_ok()));
    change(&qemu, 32);
    assert_eq!(has(&place), 32);
    change(&qemu, 24);
    qemu.power_off(&id(), PowerOff::Force).unwrap();
    qemu.power_on(&id()).unwrap();
    assert_eq!(has(&place), 24, "it boots with what it is entitled to");
}

/// VR-028: a guest that cannot change refuses, and nothing is applied.
#[test]
fn a_guest_without_a_balloon_keeps_its_memory() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let qemu = running(&place, &place.image_file());
    assert!(soon(|| place.count("vm-1").is_some()));
    let refused = qemu.commit(&id(), &with_ram(24)).unwrap_err();
    assert_eq!(*refused.kind(), Kind::CannotChangeLive(Resource::Ram));
    assert_eq!(has(&place), 32);
    let observed = qemu.observe(&id()).unwrap();
    assert_eq!(observed.resources, Some(with_ram(32)));
    assert_eq!(observed.state, MachineState::Running);
}
