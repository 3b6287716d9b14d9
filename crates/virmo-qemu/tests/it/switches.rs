//! Peripherals, the lock of the input, and what is handed to a guest when it is made.

use std::{
    fs,
    io::{Read, Write},
    os::unix::{fs::MetadataExt, net::UnixStream},
    time::Duration,
};

use omadm_core::Secret;
use serde_json::json;
use virmo_hypervisor::{
    Erase, Hypervisor, HypervisorErrorKind as Kind, InputLock, MachineState, Outcome, Peripheral,
    Peripherals, PowerOff, VmSpec,
};
use virmo_qemu::{Channel, OpenError, Qemu, UsbDevice};
use virmo_state::VmId;

use crate::bench::{Place, ask_qemu, is_here, soon};

fn id() -> VmId {
    "vm-1".parse().unwrap()
}

fn open(place: &Place) -> Qemu {
    Qemu::builder(place.root())
        .log_console()
        .peripheral("touch", UsbDevice::new("usb-tablet").is_input())
        .peripheral("knob", UsbDevice::new("usb-mouse"))
        .open()
        .unwrap()
}

fn spec(place: &Place) -> VmSpec {
    let resources = "RAM=16777216&Storage=4194304&CPU=25&Network=25".parse();
    let image = place.image_file();
    VmSpec::new(id(), image, "application/octet-stream", resources.unwrap())
}

fn running(place: &Place) -> Qemu {
    let qemu = open(place);
    qemu.create(&spec(place)).unwrap();
    qemu.power_on(&id()).unwrap();
    qemu
}

/// The peripherals QEMU has.
fn plugged(place: &Place) -> Vec<String> {
    let path = json!({ "path": "/machine/peripheral" });
    let there = ask_qemu(place, "vm-1", "qom-list", path);
    let names = there.as_array().unwrap().iter();
    let names = names.filter_map(|entry| entry["name"].as_str()?.strip_prefix("p-"));
    let mut names: Vec<_> = names.map(str::to_owned).collect();
    names.sort();
    names
}

fn is_plugged(place: &Place, names: &[&str]) -> bool {
    soon(|| plugged(place) == names)
}

/// VR-029: access to peripherals is taken from a VM and given back, whatever its guest does.
#[test]
fn peripherals_come_and_go() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let qemu = running(&place);
    assert!(is_plugged(&place, &["knob", "touch"]));
    let list = qemu.list_of_peripherals();
    assert_eq!(
        list,
        [
            Peripheral::new("knob", true),
            Peripheral::new("touch", true)
        ]
    );

    assert_eq!(
        qemu.set_enabled(&id(), "knob", false).unwrap(),
        Outcome::Done
    );
    assert_eq!(
        qemu.set_enabled(&id(), "knob", false).unwrap(),
        Outcome::AlreadyDone
    );
    assert!(is_plugged(&place, &["touch"]));
    assert_eq!(
        qemu.list_of_peripherals()[0],
        Peripheral::new("knob", false)
    );
    qemu.suspend(&id()).unwrap();
    qemu.set_enabled(&id(), "touch", false).unwrap();
    qemu.set_enabled(&id(), "knob", true).unwrap();
    qemu.resume(&id()).unwrap();
    assert!(
        is_plugged(&place, &["knob"]),
        "what was switched while it slept"
    );
    let before = place.count("vm-1");
    assert!(soon(|| place.count("vm-1") > before), "the guest goes on");

    qemu.power_off(&id(), PowerOff::Force).unwrap();
    drop(qemu);
    let qemu = open(&place);
    assert_eq!(
        qemu.list_of_peripherals()[1],
        Peripheral::new("touch", false)
    );
    qemu.power_on(&id()).unwrap();
    assert!(is_plugged(&place, &["knob"]), "after a restart of all");
    qemu.set_enabled(&id(), "touch", true).unwrap();
    assert!(is_plugged(&place, &["knob", "touch"]));

    let unknown = qemu.set_enabled(&id(), "camera", false).unwrap_err();
    assert_eq!(*unknown.kind(), Kind::NotSupported);
    let nobody = "vm-2".parse().unwrap();
    let nobody = qemu.set_enabled(&nobody, "touch", false).unwrap_err();
    assert_eq!(*nobody.kind(), Kind::NotFound);
}

trait OfOne {
    fn list_of_peripherals(&self) -> Vec<Peripheral>;
}

impl OfOne for Qemu {
    fn list_of_peripherals(&self) -> Vec<Peripheral> {
        Peripherals::list(self, &id()).unwrap()
    }
}

/// Types a letter at the guest's terminal, that it answers with `pong`.
fn type_letter(qemu: &Qemu) -> bool {
    let sent = UnixStream::connect(qemu.terminal(&id())).and_then(|mut it| it.write_all(b"p"));
    sent.is_ok()
}

fn pongs(place: &Place) -> usize {
    place.console("vm-1").matches("pong").count()
}

/// VR-035, VR-036: a locked VM hears nothing of its user, and runs on.
#[test]
fn a_locked_machine_has_no_input() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let qemu = running(&place);
    assert!(soon(|| place.count("vm-1").is_some()));
    assert!(type_letter(&qemu));
    assert!(soon(|| pongs(&place) == 1));

    assert!(!qemu.is_locked(&id()).unwrap());
    assert_eq!(qemu.set_locked(&id(), true).unwrap(), Outcome::Done);
    assert_eq!(qemu.set_locked(&id(), true).unwrap(), Outcome::AlreadyDone);
    assert!(is_plugged(&place, &["knob"]), "input devices are gone");
    assert!(!type_letter(&qemu), "nobody listens");
    let before = place.count("vm-1");
    assert!(soon(|| place.count("vm-1") > before), "the guest goes on");

    qemu.suspend(&id()).unwrap();
    qemu.resume(&id()).unwrap();
    assert!(!type_letter(&qemu));
    let before = place.count("vm-1");
    assert!(soon(|| place.count("vm-1") > before), "and is heard");
    qemu.power_off(&id(), PowerOff::Force).unwrap();
    drop(qemu);
    let qemu = open(&place);
    qemu.power_on(&id()).unwrap();
    assert!(qemu.is_locked(&id()).unwrap());
    assert!(!type_letter(&qemu), "after a restart of all");
    assert!(is_plugged(&place, &["knob"]));

    assert!(soon(|| place.count("vm-1").is_some()));
    assert_eq!(qemu.set_locked(&id(), false).unwrap(), Outcome::Done);
    assert!(is_plugged(&place, &["knob", "touch"]));
    let before = pongs(&place);
    assert!(type_letter(&qemu));
    assert!(soon(|| pongs(&place) > before));
}

/// The length of all files of the machine; one that goes meanwhile has none.
fn kept(place: &Place) -> u64 {
    let files = fs::read_dir(place.root().join("machines/vm-1")).unwrap();
    let lengths = files.map(|it| it.unwrap().metadata().map_or(0, |it| it.len()));
    lengths.sum()
}

/// Whatever a guest writes to its first serial port, the host has no more of it afterwards.
#[test]
fn a_guest_that_writes_without_end_fills_no_disk() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let qemu = Qemu::builder(place.root()).open().unwrap();
    qemu.create(&spec(&place)).unwrap();
    qemu.power_on(&id()).unwrap();
    let before = kept(&place);
    let listen = || {
        let mut terminal = UnixStream::connect(qemu.terminal(&id())).unwrap();
        // A guest that is silent fails, and does not hang.
        let patience = Duration::from_secs(60);
        terminal.set_read_timeout(Some(patience)).unwrap();
        terminal.read_exact(&mut [0; 200]).unwrap();
    };
    listen();
    assert_eq!(kept(&place), before);

    // It goes on writing while it is locked, and comes back to its user.
    qemu.set_locked(&id(), true).unwrap();
    assert!(UnixStream::connect(qemu.terminal(&id())).is_err());
    qemu.suspend(&id()).unwrap();
    qemu.resume(&id()).unwrap();
    qemu.set_locked(&id(), false).unwrap();
    listen();
    qemu.power_off(&id(), PowerOff::Force).unwrap();
    assert!(!qemu.console(&id()).exists());

    // What was logged once is gone with the next start that logs nothing.
    fs::write(qemu.console(&id()), "c=00000001").unwrap();
    qemu.power_on(&id()).unwrap();
    assert!(!qemu.console(&id()).exists());
}

#[test]
fn a_channel_is_a_port_or_a_console() {
    if !is_here() {
        return;
    }
    for channel in [Channel::Serial, Channel::Virtio] {
        let place = Place::new();
        let qemu = Qemu::builder(place.root()).channel(channel).open().unwrap();
        qemu.create(&spec(&place)).unwrap();
        qemu.power_on(&id()).unwrap();
        let there = ask_qemu(&place, "vm-1", "query-chardev", json!({}));
        let there = there.as_array().unwrap().iter();
        let mut labels = there.filter_map(|it| it["label"].as_str());
        assert!(labels.any(|label| label == "dm"), "{channel:?}");
        qemu.suspend(&id()).unwrap();
        qemu.resume(&id()).unwrap();
    }
}

/// A device that QEMU cannot save: the suspension is refused, and the guest goes on.
#[test]
fn what_cannot_be_saved_is_not_lost() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let pen = UsbDevice::new("usb-wacom-tablet");
    let qemu = Qemu::builder(place.root()).peripheral("pen", pen);
    let qemu = qemu.log_console().open().unwrap();
    qemu.create(&spec(&place)).unwrap();
    qemu.power_on(&id()).unwrap();
    let refused = qemu.suspend(&id()).unwrap_err().to_string();
    assert!(refused.contains("wacom"), "{refused}");
    assert_eq!(qemu.observe(&id()).unwrap().state, MachineState::Running);
    let before = place.count("vm-1");
    assert!(soon(|| place.count("vm-1") > before));
    qemu.set_enabled(&id(), "pen", false).unwrap();
    assert!(is_plugged(&place, &[]));
    assert_eq!(qemu.suspend(&id()).unwrap(), Outcome::Done);
}

#[test]
fn names_of_peripherals_are_plain() {
    let place = Place::new();
    for name in ["", "Touch", "a/b", "network", &"x".repeat(33)] {
        let opened = Qemu::builder(place.root())
            .peripheral(name, UsbDevice::new("usb-kbd"))
            .open();
        assert!(matches!(opened, Err(OpenError::Peripheral(_))), "{name}");
    }
}

/// VR-213: what a guest's own DM client starts from is placed in the machine, and nobody else reads
/// it.
#[test]
fn a_bootstrap_document_is_the_guests_alone() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let qemu = open(&place);
    let mut spec = spec(&place);
    spec.bootstrap = Some(Secret::from(b"<wap-provisioningdoc/>".to_vec()));
    qemu.create(&spec).unwrap();
    let file = place.root().join("machines/vm-1/bootstrap");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::read(&file).unwrap(), b"<wap-provisioningdoc/>");
    qemu.power_on(&id()).unwrap();
    let pid = &place.processes()[0];
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    let line = String::from_utf8_lossy(&line).into_owned();
    assert!(
        line.contains("name=opt/org.virmo/bootstrap,file="),
        "{line}"
    );
    assert!(!line.contains("provisioningdoc"), "{line}");
    qemu.delete(&id(), Erase::Overwrite).unwrap();
    assert!(!file.exists());
}
