//! What goes wrong: no QEMU, bad images, dead processes, damaged state, guests that do not listen.

use std::{
    fs, io::Write, os::unix::net::UnixStream, path::PathBuf, process::Command, time::Duration,
};

use virmo_hypervisor::{
    Erase, Hypervisor, HypervisorError, HypervisorErrorKind as Kind, MachineState, Outcome,
    PowerOff, VmSpec,
};
use virmo_qemu::{OpenError, Qemu};
use virmo_state::VmId;

use crate::bench::{Place, is_here, soon};

const OFF: MachineState = MachineState::Off { crashed: false };
const CRASHED: MachineState = MachineState::Off { crashed: true };

fn id() -> VmId {
    "vm-1".parse().unwrap()
}

fn spec(image: PathBuf) -> VmSpec {
    let resources = "RAM=16777216&Storage=4194304&CPU=25&Network=25".parse();
    VmSpec::new(id(), image, "application/octet-stream", resources.unwrap())
}

fn state(qemu: &Qemu) -> MachineState {
    qemu.observe(&id()).unwrap().state
}

fn running(place: &Place) -> Qemu {
    let qemu = place.open_qemu();
    qemu.create(&spec(place.image_file())).unwrap();
    qemu.power_on(&id()).unwrap();
    assert!(soon(|| place.count("vm-1").is_some()));
    qemu
}

fn said<T: std::fmt::Debug>(answer: Result<T, HypervisorError>) -> String {
    answer.unwrap_err().to_string()
}

#[test]
fn a_missing_qemu_is_named() {
    let place = Place::new();
    let qemu = Qemu::builder(place.root())
        .program("/nonexistent/qemu")
        .open()
        .unwrap();
    qemu.create(&spec(place.image_file())).unwrap();
    let text = said(qemu.power_on(&id()));
    assert!(
        text.contains("cannot run /nonexistent/qemu: install QEMU"),
        "{text}"
    );
    assert_eq!(state(&qemu), OFF);
}

#[test]
fn a_qemu_that_refuses_says_why() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let program = place.image_file().with_file_name("old-qemu");
    fs::write(
        &program,
        "#!/bin/sh\necho 'qemu: -sandbox: unknown option' >&2\nexit 1\n",
    )
    .unwrap();
    Command::new("chmod")
        .arg("+x")
        .arg(&program)
        .status()
        .unwrap();
    let qemu = Qemu::builder(place.root())
        .program(&program)
        .open()
        .unwrap();
    qemu.create(&spec(place.image_file())).unwrap();
    let text = said(qemu.power_on(&id()));
    assert_eq!(text, "hypervisor failed: -sandbox: unknown option");
    assert_eq!(state(&qemu), OFF);
}

#[test]
fn a_place_is_one_clients() {
    let place = Place::new();
    let _qemu = place.open_qemu();
    let second = Qemu::builder(place.root()).open();
    assert!(matches!(second, Err(OpenError::InUse(_))));
}

#[test]
fn a_path_no_socket_fits_in_is_refused() {
    let place = Place::new();
    let deep = place.root().join("x".repeat(90));
    let refused = Qemu::builder(deep).open();
    assert!(matches!(refused, Err(OpenError::PathTooLong { .. })));
}

#[test]
fn what_is_no_disk_is_no_image() {
    let place = Place::new();
    let qemu = place.open_qemu();
    let mut qcow = b"QFI\xfb".to_vec();
    qcow.resize(4096, 0);
    let mut packed = b"\x1f\x8b".to_vec();
    packed.resize(4096, 0);
    for (content, why) in [
        (b"text".to_vec(), "shorter than one sector"),
        (Vec::new(), "shorter than one sector"),
        (qcow, "qcow2"),
        (packed, "compressed"),
    ] {
        let image = place.image_file();
        fs::write(&image, content).unwrap();
        let error = qemu.create(&spec(image)).unwrap_err();
        assert_eq!(error.kind(), &Kind::Image);
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(state(&qemu), MachineState::Absent);
    }
    let directory = qemu.create(&spec(place.root()));
    assert_eq!(directory.unwrap_err().kind(), &Kind::Image);
}

/// A machine whose QEMU is killed is off after a crash, and boots again.
#[test]
fn a_dead_qemu_is_a_crash() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let qemu = running(&place);
    let pid = place.processes().remove(0);
    Command::new("kill").args(["-9", &pid]).status().unwrap();
    assert_eq!(place.processes_within(0), 0);
    assert_eq!(state(&qemu), CRASHED);
    assert_eq!(qemu.power_on(&id()).unwrap(), Outcome::Done);
    assert_eq!(state(&qemu), MachineState::Running);
}

/// A guest that ends itself leaves a machine that is off, and no process.
#[test]
fn a_guest_that_ends_itself_is_off() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let qemu = running(&place);
    let outcome = qemu.power_off(
        &id(),
        PowerOff::Graceful {
            timeout: Duration::from_secs(120),
        },
    );
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert!(
        place.console("vm-1").ends_with("bye\n"),
        "the guest was asked"
    );
    assert_eq!(state(&qemu), OFF);
    assert_eq!(place.processes_within(0), 0);
}

/// An image that does not boot runs all the same, and does not listen.
#[test]
fn a_guest_that_does_not_listen_is_not_forced() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let image = place.image_file();
    fs::write(&image, vec![0; 1 << 20]).unwrap();
    let qemu = place.open_qemu();
    qemu.create(&spec(image)).unwrap();
    qemu.power_on(&id()).unwrap();
    let asked = qemu.power_off(
        &id(),
        PowerOff::Graceful {
            timeout: Duration::from_millis(200),
        },
    );
    let timed_out = Kind::Timeout {
        may_have_happened: true,
    };
    assert_eq!(asked.unwrap_err().kind(), &timed_out);
    assert_eq!(state(&qemu), MachineState::Running);
    assert_eq!(
        qemu.power_off(&id(), PowerOff::Force).unwrap(),
        Outcome::Done
    );
    assert_eq!(state(&qemu), OFF);
}

/// A saved execution that QEMU cannot read is refused, kept, and never booted over.
#[test]
fn a_damaged_saved_execution_stays_suspended() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let qemu = running(&place);
    qemu.suspend(&id()).unwrap();
    let path = place.root().join("machines/vm-1/state");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let text = said(qemu.resume(&id()));
    assert!(
        text.contains("cannot go on from the saved execution"),
        "{text}"
    );
    assert_eq!(state(&qemu), MachineState::Suspended);
    assert_eq!(place.processes_within(0), 0);
    let booted = qemu.power_on(&id()).unwrap_err();
    assert_eq!(
        booted.kind(),
        &Kind::InvalidState {
            observed: MachineState::Suspended
        }
    );

    fs::write(&path, &whole).unwrap();
    assert_eq!(qemu.resume(&id()).unwrap(), Outcome::Done);
    assert_eq!(state(&qemu), MachineState::Running);
}

/// An outside hand that holds QEMU's socket does not make us wait for ever, nor does it hide the
/// machine from looks.
#[test]
fn a_socket_held_by_others_is_a_time_out() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    drop(running(&place));
    let held = UnixStream::connect(place.root().join("machines/vm-1/qmp")).unwrap();
    let qemu = Qemu::builder(place.root())
        .patience(Duration::from_millis(300))
        .open()
        .unwrap();
    let error = qemu.suspend(&id()).unwrap_err();
    assert!(matches!(error.kind(), Kind::Timeout { .. }), "{error}");
    drop(qemu);
    let qemu = place.open_qemu();
    assert_eq!(state(&qemu), MachineState::Running);
    drop(held);
    assert_eq!(qemu.suspend(&id()).unwrap(), Outcome::Done);
}

/// A machine somebody else paused is unsettled, and resume lets it go on.
#[test]
fn a_machine_paused_from_outside_is_unsettled() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let qemu = running(&place);
    let mut outside = UnixStream::connect(place.root().join("machines/vm-1/qmp")).unwrap();
    outside
        .write_all(b"{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"stop\"}\n")
        .unwrap();
    assert!(soon(|| state(&qemu) == MachineState::Unsettled));
    drop(outside);
    assert_eq!(qemu.resume(&id()).unwrap(), Outcome::Done);
    assert_eq!(state(&qemu), MachineState::Running);
}

#[test]
fn a_record_that_cannot_be_read_is_broken_and_can_be_deleted() {
    let place = Place::new();
    let qemu = place.open_qemu();
    qemu.create(&spec(place.image_file())).unwrap();
    fs::write(place.root().join("machines/vm-1/machine.json"), "{").unwrap();
    assert!(matches!(state(&qemu), MachineState::Broken(_)));
    assert!(qemu.power_on(&id()).is_err());
    assert_eq!(qemu.delete(&id(), Erase::Overwrite).unwrap(), Outcome::Done);
    assert_eq!(state(&qemu), MachineState::Absent);
}

/// The guest's CPU has its share, where the system can limit it.
#[test]
fn the_cpu_share_is_in_force() {
    use virmo_hypervisor::Support;

    if !is_here() {
        return;
    }
    let place = Place::new();
    let qemu = running(&place);
    if qemu.capabilities().cpu == Support::None {
        eprintln!("SKIPPED: there are no control groups that limit the CPU");
        return;
    }
    let record = fs::read_to_string(place.root().join("machines/vm-1/machine.json")).unwrap();
    let uuid = record
        .split("\"uuid\": \"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let limit = || {
        let group = format!("virmo-{uuid}");
        let old = PathBuf::from("/sys/fs/cgroup/cpu")
            .join(&group)
            .join("cpu.cfs_quota_us");
        let new = PathBuf::from("/sys/fs/cgroup").join(&group).join("cpu.max");
        let text = fs::read_to_string(old)
            .or_else(|_| fs::read_to_string(new))
            .unwrap();
        text.split_whitespace()
            .next()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    let quarter = limit();
    let more = "RAM=16777216&Storage=4194304&CPU=50&Network=25"
        .parse()
        .unwrap();
    qemu.commit(&id(), &more).unwrap();
    assert_eq!(limit(), quarter * 2);
    qemu.suspend(&id()).unwrap();
    qemu.resume(&id()).unwrap();
    assert_eq!(limit(), quarter * 2);
}

/// A disk grows while the guest runs, and never shrinks.
#[test]
fn a_disk_grows_and_does_not_shrink() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let qemu = running(&place);
    let disk = place.root().join("machines/vm-1/disk.raw");
    let more = "RAM=16777216&Storage=8388608&CPU=25&Network=25"
        .parse()
        .unwrap();
    assert_eq!(qemu.commit(&id(), &more).unwrap(), Outcome::Done);
    assert_eq!(fs::metadata(&disk).unwrap().len(), 8 << 20);
    let less = "RAM=16777216&Storage=4194304&CPU=25&Network=25"
        .parse()
        .unwrap();
    let refused = qemu.prepare(&id(), &less).unwrap_err();
    assert_eq!(refused.kind(), &Kind::NotSupported);
    assert_eq!(fs::metadata(&disk).unwrap().len(), 8 << 20);
}

/// A guest that was suspended still listens when it goes on.
#[test]
fn a_guest_that_went_on_ends_itself_when_asked() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let qemu = running(&place);
    qemu.suspend(&id()).unwrap();
    qemu.resume(&id()).unwrap();
    let outcome = qemu.power_off(
        &id(),
        PowerOff::Graceful {
            timeout: Duration::from_secs(120),
        },
    );
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert!(
        place.console("vm-1").ends_with("bye\n"),
        "the guest was asked"
    );
}

/// A guest that is still booting when it is asked is asked again.
#[test]
fn a_guest_that_boots_is_asked_again() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let qemu = place.open_qemu();
    qemu.create(&spec(place.image_file())).unwrap();
    qemu.power_on(&id()).unwrap();
    let outcome = qemu.power_off(
        &id(),
        PowerOff::Graceful {
            timeout: Duration::from_secs(120),
        },
    );
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert!(
        place.console("vm-1").ends_with("bye\n"),
        "the guest was asked"
    );
}
