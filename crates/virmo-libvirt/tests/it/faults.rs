//! What goes wrong: no libvirt, a silent or dying one, bad images, damaged state, other hands.

use std::{
    fs::{self, File},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread::sleep,
    time::Duration,
};

use virmo_hypervisor::{
    Effect, Erase, Hypervisor, HypervisorError, HypervisorErrorKind as Kind, Machine, MachineState,
    Outcome, PowerOff, Resource, Support, VmSpec,
};
use virmo_libvirt::{Libvirt, Link, OpenError};
use virmo_params::{Bytes, ResourceConfig};
use virmo_state::VmId;

use crate::bench::{Daemon, Place, has_cpu_groups, image_file, resources};

const OFF: MachineState = MachineState::Off { crashed: false };
const CRASHED: MachineState = MachineState::Off { crashed: true };

fn id() -> VmId {
    "vm-1".parse().unwrap()
}

fn spec(image: impl Into<PathBuf>) -> VmSpec {
    VmSpec::new(id(), image, "application/octet-stream", resources())
}

fn config(text: &str) -> ResourceConfig {
    text.parse().unwrap()
}

fn state(libvirt: &Libvirt) -> MachineState {
    libvirt.observe(&id()).unwrap().state
}

fn said<T: std::fmt::Debug>(answer: Result<T, HypervisorError>) -> String {
    answer.unwrap_err().to_string()
}

fn place() -> Option<Place> {
    Daemon::shared().map(Place::new)
}

fn running(place: &Place) -> Libvirt {
    let libvirt = place.open_libvirt();
    libvirt.create(&spec(place.image_file())).unwrap();
    libvirt.power_on(&id()).unwrap();
    place.tick("vm-1").unwrap();
    libvirt
}

fn kill(signal: &str, pid: &str) {
    assert!(
        Command::new("kill")
            .args([signal, pid])
            .status()
            .unwrap()
            .success()
    );
}

/// The test driver, with what it keeps as long as the first handle lives.
fn on_test_driver(folder: &Path) -> Libvirt {
    Libvirt::builder("test:///default", folder.join("m"))
        .open()
        .unwrap()
}

#[test]
fn a_libvirt_that_is_not_there_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let open = |uri: &str| Libvirt::builder(uri, folder.path()).open().unwrap_err();
    let missing = open("qemu+unix:///system?socket=/nonexistent/libvirt-sock").to_string();
    assert!(
        missing.contains("is libvirtd installed and running?"),
        "{missing}"
    );
    for (uri, says) in [
        (
            "nosuch:///system",
            "cannot use libvirt at nosuch:///system: ",
        ),
        ("not a uri", "cannot use libvirt at not a uri: "),
    ] {
        let text = open(uri).to_string();
        assert!(text.starts_with(says) && text.len() > says.len(), "{text}");
    }
}

/// Whoever accepts and says nothing keeps nobody waiting for ever.
#[test]
fn a_silent_libvirt_is_a_time_out() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let _listener = UnixListener::bind(&socket).unwrap();
    let uri = format!("qemu+unix:///system?socket={}", socket.display());
    let opened = Libvirt::builder(uri, folder.path().join("m"))
        .patience(Duration::from_millis(200))
        .open();
    let Err(OpenError::Libvirt { source, .. }) = opened else {
        panic!("{opened:?}");
    };
    assert!(matches!(source.kind(), Kind::Timeout { .. }), "{source}");
}

/// A libvirtd that stops answering is a time-out, and goes on being used when it answers again.
#[test]
fn a_libvirt_that_falls_silent_is_a_time_out_until_it_answers() {
    let Some(daemon) = Daemon::own() else {
        return;
    };
    let place = Place::new(Arc::new(daemon));
    place
        .open_libvirt()
        .create(&spec(place.image_file()))
        .unwrap();
    let patient = place.builder().patience(Duration::from_secs(10));
    let libvirt = patient.open().unwrap();
    let pid = place.daemon.pid().to_string();
    kill("-STOP", &pid);
    let error = libvirt.power_on(&id()).unwrap_err();
    assert!(matches!(error.kind(), Kind::Timeout { .. }), "{error}");
    kill("-CONT", &pid);
    assert_eq!(state(&libvirt), OFF);
    assert_eq!(
        libvirt.delete(&id(), Erase::Discard).unwrap(),
        Outcome::Done
    );
}

/// Machines outlive libvirtd, and an open handle finds the new one.
#[test]
fn a_libvirtd_that_is_killed_loses_no_machine() {
    let Some(daemon) = Daemon::own() else {
        return;
    };
    let place = Place::new(Arc::new(daemon));
    let libvirt = running(&place);
    let sleeper: VmId = "sleeper".parse().unwrap();
    let mut asleep = spec(place.image_file());
    asleep.id = sleeper.clone();
    libvirt.create(&asleep).unwrap();
    libvirt.power_on(&sleeper).unwrap();
    libvirt.suspend(&sleeper).unwrap();
    let before = place.count("vm-1").unwrap();

    place.daemon.kill();
    let error = libvirt.observe(&id()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("is libvirtd installed and running?"),
        "{error}"
    );
    assert!(
        place.tick("vm-1").unwrap() > before,
        "the guest stands still"
    );
    place.daemon.start_again();
    assert_eq!(state(&libvirt), MachineState::Running);
    let state_of = |id: &VmId| libvirt.observe(id).unwrap().state;
    assert_eq!(state_of(&sleeper), MachineState::Suspended);
    assert_eq!(libvirt.resume(&sleeper).unwrap(), Outcome::Done);

    // One that dies while there is no libvirtd has crashed.
    place.daemon.kill();
    for pid in place.processes() {
        kill("-9", &pid);
    }
    assert_eq!(place.processes_within(0), 0);
    place.daemon.start_again();
    assert_eq!(state(&libvirt), CRASHED);
    assert_eq!(state_of(&sleeper), CRASHED);
    assert_eq!(libvirt.power_on(&id()).unwrap(), Outcome::Done);
    place.tick("vm-1").unwrap();
}

/// libvirt lets a guest go on whose saving was cut, and what was saved of it is never used.
#[test]
fn a_libvirtd_killed_while_it_saves_leaves_a_machine_that_can_be_used() {
    let Some(daemon) = Daemon::own() else {
        return;
    };
    let place = Place::new(Arc::new(daemon));
    let libvirt = running(&place);
    let before = place.count("vm-1").unwrap();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| libvirt.suspend(&id()));
        sleep(Duration::from_millis(400));
        place.daemon.kill();
        // It may have been faster, or not have begun.
        _ = call.join().unwrap();
    });
    place.daemon.start_again();
    let resumed = libvirt.resume(&id());
    assert!(resumed.is_ok(), "{resumed:?}, {}", state(&libvirt));
    assert_eq!(state(&libvirt), MachineState::Running);
    assert!(place.tick("vm-1").unwrap() >= before, "the guest went back");
    assert_eq!(place.console("vm-1").matches("VirMO-GUEST").count(), 1);
    libvirt.power_off(&id(), PowerOff::Force).unwrap();
    assert_eq!(
        state(&libvirt),
        OFF,
        "nothing stale is taken for a saved execution"
    );
}

#[test]
fn what_is_no_disk_is_no_image() {
    let folder = tempfile::tempdir().unwrap();
    let libvirt = on_test_driver(folder.path());
    let mut qcow = b"QFI\xfb".to_vec();
    qcow.resize(4096, 0);
    for (content, why) in [(&b"text"[..], "shorter than one sector"), (&qcow, "qcow2")] {
        let image = image_file(folder.path());
        fs::write(&image, content).unwrap();
        let error = libvirt.create(&spec(image)).unwrap_err();
        assert_eq!(error.kind(), &Kind::Image);
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(state(&libvirt), MachineState::Absent);
    }
    let directory = libvirt.create(&spec(folder.path()));
    assert_eq!(directory.unwrap_err().kind(), &Kind::Image);
}

/// The test runs itself again where it can mount a small file system.
#[test]
fn a_full_disk_makes_no_machine_and_leaves_nothing() {
    const SMALL: &str = "VIRMO_LIBVIRT_SMALL";
    let Ok(small) = std::env::var(SMALL) else {
        let folder = tempfile::tempdir().unwrap();
        let script = "mount -t tmpfs -o size=512k small \"$0\" && exec \"$@\"";
        let output = Command::new("unshare")
            .args(["-m", "sh", "-c", script])
            .arg(folder.path())
            .arg(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "faults::a_full_disk_makes_no_machine_and_leaves_nothing",
            ])
            .env(SMALL, folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if Daemon::shared().is_some() || !text.contains("unshare") {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{said}{text}");
        }
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let libvirt = on_test_driver(Path::new(&small));
    let error = libvirt
        .create(&spec(image_file(folder.path())))
        .unwrap_err();
    assert_eq!(error.kind(), &Kind::NoSpace(Resource::Storage), "{error}");
    assert_eq!(state(&libvirt), MachineState::Absent);
    let machines = fs::read_dir(Path::new(&small).join("m/machines"));
    assert_eq!(machines.unwrap().count(), 0);
}

/// What the guest would never get is not taken.
#[test]
fn a_bootstrap_document_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let libvirt = on_test_driver(folder.path());
    let mut spec = spec(image_file(folder.path()));
    spec.bootstrap = Some("a document".into());
    let error = libvirt.create(&spec).unwrap_err();
    assert_eq!(error.kind(), &Kind::NotSupported);
    assert_eq!(state(&libvirt), MachineState::Absent);
}

#[test]
fn a_folder_is_one_clients() {
    let folder = tempfile::tempdir().unwrap();
    let _libvirt = on_test_driver(folder.path());
    let second = Libvirt::builder("test:///default", folder.path().join("m")).open();
    assert!(matches!(second, Err(OpenError::InUse(_))));
}

/// Two clients of one libvirt may give their machines the same names, and leave each other's alone.
#[test]
fn machines_of_another_client_are_foreign() {
    let folder = tempfile::tempdir().unwrap();
    let first = on_test_driver(folder.path());
    let second = on_test_driver(&folder.path().join("another"));
    first.create(&spec(image_file(folder.path()))).unwrap();
    assert_eq!(state(&second), MachineState::Absent);
    let seen: Vec<_> = second
        .list()
        .unwrap()
        .into_iter()
        .map(|it| it.machine)
        .collect();
    assert!(
        seen.contains(&Machine::Foreign(first.domain_name(&id()))),
        "{seen:?}"
    );
    second.create(&spec(image_file(folder.path()))).unwrap();
    second.power_on(&id()).unwrap();
    assert_eq!(second.delete(&id(), Erase::Discard).unwrap(), Outcome::Done);
    assert_eq!(state(&first), OFF);
    let ours = first.list().unwrap();
    assert!(ours.iter().any(|it| it.machine == Machine::Owned(id())));
}

/// The test driver says yes to more than it does; what it cannot be trusted with is refused.
#[test]
fn the_test_driver_promises_no_more_than_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let libvirt = on_test_driver(folder.path());
    let capabilities = libvirt.capabilities();
    assert_eq!(capabilities.cpu, Support::None);
    assert_eq!(capabilities.network, Support::None);
    libvirt.create(&spec(image_file(folder.path()))).unwrap();
    libvirt.power_on(&id()).unwrap();
    for (want, due) in [
        (
            "RAM=33554432&Storage=4194304&CPU=25&Network=25",
            Kind::CannotChangeLive(Resource::Ram),
        ),
        (
            "RAM=16777216&Storage=8388608&CPU=25&Network=25",
            Kind::CannotChangeLive(Resource::Storage),
        ),
        (
            "RAM=16777216&Storage=4194304&CPU=50&Network=25",
            Kind::NotSupported,
        ),
        (
            "RAM=16777216&Storage=4194304&CPU=25&Network=50",
            Kind::NotSupported,
        ),
    ] {
        let error = libvirt.prepare(&id(), &config(want)).unwrap_err();
        assert_eq!(error.kind(), &due, "{want}");
    }
}

/// A machine whose QEMU is killed is off after a crash, and boots again.
#[test]
fn a_dead_qemu_is_a_crash() {
    let Some(place) = place() else {
        return;
    };
    let libvirt = running(&place);
    kill("-9", &place.processes().remove(0));
    assert_eq!(place.processes_within(0), 0);
    let crashed = (0..3000).any(|_| {
        sleep(Duration::from_millis(20));
        state(&libvirt) == CRASHED
    });
    assert!(crashed, "{}", state(&libvirt));
    assert_eq!(libvirt.power_on(&id()).unwrap(), Outcome::Done);
    assert_eq!(state(&libvirt), MachineState::Running);
}

/// A guest that is asked ends itself, one that was suspended too; a deaf one is not forced.
#[test]
fn a_guest_is_asked_to_end() {
    let Some(place) = place() else {
        return;
    };
    let libvirt = running(&place);
    libvirt.suspend(&id()).unwrap();
    libvirt.resume(&id()).unwrap();
    let asked = PowerOff::Graceful {
        timeout: Duration::from_secs(120),
    };
    assert_eq!(libvirt.power_off(&id(), asked).unwrap(), Outcome::Done);
    assert!(
        place.console("vm-1").ends_with("bye\n"),
        "the guest was asked"
    );
    assert_eq!(state(&libvirt), OFF);
    libvirt.delete(&id(), Erase::Discard).unwrap();

    let image = place.image_file();
    fs::write(&image, vec![0; 1 << 20]).unwrap();
    libvirt.create(&spec(image)).unwrap();
    libvirt.power_on(&id()).unwrap();
    let asked = PowerOff::Graceful {
        timeout: Duration::from_millis(200),
    };
    let timed_out = Kind::Timeout {
        may_have_happened: true,
    };
    let error = libvirt.power_off(&id(), asked).unwrap_err();
    assert_eq!(error.kind(), &timed_out);
    assert_eq!(state(&libvirt), MachineState::Running);
}

/// Where libvirt would boot a machine instead of going on with it, the guest is ended and the call
/// fails; where it cannot tell what was saved, the machine stays suspended.
#[test]
fn a_damaged_saved_execution_is_never_booted_over() {
    let Some(place) = place() else {
        return;
    };
    let libvirt = running(&place);
    let saved = place
        .daemon
        .saved()
        .join(format!("{}.save", libvirt.domain_name(&id())));
    let damage = |text: &[u8]| {
        use std::os::unix::fs::FileExt;
        let file = File::options().read(true).write(true).open(&saved).unwrap();
        let mut before = vec![0; text.len()];
        file.read_exact_at(&mut before, 0).unwrap();
        file.write_all_at(text, 0).unwrap();
        before
    };

    libvirt.suspend(&id()).unwrap();
    let magic = damage(b"NothingOfLibvirt");
    let text = said(libvirt.resume(&id()));
    assert!(
        text.contains("cannot go on from the saved execution"),
        "{text}"
    );
    assert_eq!(state(&libvirt), MachineState::Suspended);
    let booted = libvirt.power_on(&id()).unwrap_err();
    let observed = MachineState::Suspended;
    assert_eq!(booted.kind(), &Kind::InvalidState { observed });
    damage(&magic);
    assert_eq!(libvirt.resume(&id()).unwrap(), Outcome::Done);

    place.tick("vm-1").unwrap();
    libvirt.suspend(&id()).unwrap();
    damage(b"LibvirtQemudPart");
    let text = said(libvirt.resume(&id()));
    assert!(text.contains("was not whole; the machine is off"), "{text}");
    assert_eq!(state(&libvirt), OFF);
    let console = place.console("vm-1");
    assert_eq!(console.matches("VirMO-GUEST").count(), 1, "it was booted");
    assert_eq!(libvirt.power_on(&id()).unwrap(), Outcome::Done);
}

/// A machine somebody else paused is unsettled, and resume lets it go on.
#[test]
fn a_machine_paused_from_outside_is_unsettled() {
    let Some(place) = place() else {
        return;
    };
    let libvirt = running(&place);
    place.virsh(&["suspend", &libvirt.domain_name(&id())]);
    assert_eq!(state(&libvirt), MachineState::Unsettled);
    assert_eq!(libvirt.resume(&id()).unwrap(), Outcome::Done);
    assert_eq!(state(&libvirt), MachineState::Running);
}

/// A record that others broke, and a machine that others took from libvirt.
#[test]
fn a_machine_others_broke_can_be_deleted() {
    let Some(place) = place() else {
        return;
    };
    let libvirt = place.open_libvirt();
    libvirt.create(&spec(place.image_file())).unwrap();
    let name = libvirt.domain_name(&id());
    let namespace = virmo_libvirt::NAMESPACE;
    let set = "<record>{</record>";
    place.virsh(&[
        "metadata", &name, namespace, "--config", "--key", "virmo", "--set", set,
    ]);
    assert!(matches!(state(&libvirt), MachineState::Broken(_)));
    assert!(libvirt.power_on(&id()).is_err());
    assert_eq!(
        libvirt.delete(&id(), Erase::Overwrite).unwrap(),
        Outcome::Done
    );
    assert_eq!(state(&libvirt), MachineState::Absent);

    libvirt.create(&spec(place.image_file())).unwrap();
    place.virsh(&["metadata", &name, namespace, "--config", "--remove"]);
    let MachineState::Broken(reason) = state(&libvirt) else {
        panic!("{}", state(&libvirt));
    };
    assert_eq!(reason, "the domain has lost its record");
    let listed = libvirt.list().unwrap();
    let ours = listed
        .iter()
        .filter(|it| it.machine == Machine::Owned(id()));
    assert_eq!(ours.count(), 1);
    place.virsh(&["undefine", &name]);
    let MachineState::Broken(reason) = state(&libvirt) else {
        panic!("{}", state(&libvirt));
    };
    assert!(reason.contains("libvirt does not know it"), "{reason}");
    assert!(libvirt.create(&spec(place.image_file())).is_err());
    drop(libvirt);
    let libvirt = place.open_libvirt();
    let ours = libvirt.list().unwrap();
    assert!(ours.iter().any(|it| it.machine == Machine::Owned(id())));
    assert_eq!(
        libvirt.delete(&id(), Erase::Discard).unwrap(),
        Outcome::Done
    );
    assert_eq!(state(&libvirt), MachineState::Absent);
}

/// Resources are in force, those changed while the machine was off or suspended too.
#[test]
fn resources_are_in_force() {
    let Some(place) = place() else {
        return;
    };
    let libvirt = running(&place);
    let name = libvirt.domain_name(&id());
    let value = |arguments: &[&str], key: &str| {
        let text = place.virsh(arguments);
        let line = text.lines().find(|line| line.starts_with(key));
        let digits = |text: &str| {
            text.chars()
                .filter(char::is_ascii_digit)
                .collect::<String>()
        };
        digits(line.unwrap()).parse::<u64>().unwrap()
    };
    let disk = place.root().join("machines/vm-1/disk.raw");

    // Storage grows while the guest runs, and never shrinks; RAM waits for it to be off.
    let more = config("RAM=16777216&Storage=8388608&CPU=25&Network=25");
    assert_eq!(libvirt.prepare(&id(), &more).unwrap().storage, Effect::Live);
    assert_eq!(libvirt.commit(&id(), &more).unwrap(), Outcome::Done);
    assert_eq!(fs::metadata(&disk).unwrap().len(), 8 << 20);
    let less = libvirt.prepare(&id(), &resources()).unwrap_err();
    assert_eq!(less.kind(), &Kind::NotSupported);
    let ram = config("RAM=33554432&Storage=8388608&CPU=25&Network=25");
    let refused = libvirt.prepare(&id(), &ram).unwrap_err();
    assert_eq!(refused.kind(), &Kind::CannotChangeLive(Resource::Ram));

    if has_cpu_groups() {
        assert_eq!(libvirt.capabilities().cpu, Support::Live);
        let limit = || value(&["schedinfo", &name, "--live"], "vcpu_quota");
        let quarter = limit();
        let half = config("RAM=16777216&Storage=8388608&CPU=50&Network=25");
        libvirt.commit(&id(), &half).unwrap();
        assert_eq!(limit(), quarter * 2);
        libvirt.suspend(&id()).unwrap();
        libvirt.commit(&id(), &more).unwrap();
        libvirt.resume(&id()).unwrap();
        assert_eq!(limit(), quarter, "what was saved had the half");
    } else {
        eprintln!("SKIPPED: there are no control groups that limit the CPU");
    }

    libvirt.power_off(&id(), PowerOff::Force).unwrap();
    assert_eq!(libvirt.commit(&id(), &ram).unwrap(), Outcome::Done);
    libvirt.power_on(&id()).unwrap();
    assert_eq!(value(&["dominfo", &name], "Max memory"), 32 << 10);
    assert_eq!(value(&["dominfo", &name], "Used memory"), 32 << 10);
}

/// What a guest writes to its first serial port goes nowhere unless that was asked for.
#[test]
fn a_guest_that_writes_fills_no_disk() {
    let Some(place) = place() else {
        return;
    };
    let libvirt = Libvirt::builder(place.daemon.uri(), place.root())
        .cpu_shares(has_cpu_groups())
        .open()
        .unwrap();
    libvirt.create(&spec(place.image_file())).unwrap();
    libvirt.power_on(&id()).unwrap();
    let pid = &place.processes()[0];
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    let line = String::from_utf8_lossy(&line).into_owned();
    assert!(line.contains("null,id=charserial0"), "{line}");
    assert!(!line.contains("console.log"), "{line}");
    assert!(!libvirt.console(&id()).exists());
}

/// Whether shares of the CPU can be given is found out by trying, and nothing is left of that.
#[test]
fn shares_of_the_cpu_are_tried() {
    let Some(place) = place() else {
        return;
    };
    let libvirt = Libvirt::builder(place.daemon.uri(), place.root())
        .open()
        .unwrap();
    let due = match has_cpu_groups() {
        true => Support::Live,
        false => Support::None,
    };
    assert_eq!(libvirt.capabilities().cpu, due);
    assert!(!place.virsh(&["list", "--all", "--name"]).contains("probe"));
}

/// A share of a network is in the definition; a network that is not there is named.
#[test]
fn a_share_of_a_network_is_defined() {
    let Some(place) = place() else {
        return;
    };
    let link = Link::bridge("not-there", Bytes::new(8_000_000));
    let libvirt = place.builder().link(link).open().unwrap();
    assert_eq!(libvirt.capabilities().network, Support::Live);
    libvirt.create(&spec(place.image_file())).unwrap();
    let name = libvirt.domain_name(&id());
    let defined = |share: u64| {
        let xml = place.virsh(&["dumpxml", &name]);
        for direction in ["inbound", "outbound"] {
            let part = format!("<{direction} average='{share}'/>");
            assert!(xml.contains(&part), "{part} is not in {xml}");
        }
    };
    defined(2000);
    let half = config("RAM=16777216&Storage=4194304&CPU=25&Network=50");
    assert_eq!(libvirt.commit(&id(), &half).unwrap(), Outcome::Done);
    defined(4000);
    let text = said(libvirt.power_on(&id()));
    assert!(text.contains("not-there"), "{text}");
    assert_eq!(state(&libvirt), OFF);
}
