//! The folder: who may open it, what is in it, and what becomes of what does not belong there.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use virmo_hypervisor::{
    Erase, Hypervisor, HypervisorErrorKind as Kind, Machine, MachineState, Outcome, PowerOff,
    Resource, VmSpec,
};
use virmo_params::{Bytes, DeviceResources, ResourceConfig};
use virmo_simulator::{Builder, OpenError, Simulator};
use virmo_state::VmId;

const OFF: MachineState = MachineState::Off { crashed: false };

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("image"), "an image").unwrap();
        Self { dir }
    }

    fn builder(&self) -> Builder {
        Simulator::builder(self.dir.path().join("simulator")).without_sync()
    }

    fn open(&self) -> Simulator {
        self.builder().open().unwrap()
    }

    fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join("simulator").join(path)
    }

    fn spec(&self, name: &str, resources: &str) -> VmSpec {
        let image = self.dir.path().join("image");
        VmSpec::new(
            id(name),
            image,
            "application/octet-stream",
            config(resources),
        )
    }
}

fn id(name: &str) -> VmId {
    name.parse().unwrap()
}

fn config(text: &str) -> ResourceConfig {
    text.parse().unwrap()
}

const SMALL: &str = "RAM=100&Storage=1000&CPU=10&Network=10";

#[test]
fn a_folder_is_open_once_at_a_time() {
    let place = Place::new();
    let simulator = place.open();
    let error = place.builder().open().unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)));
    assert!(
        error
            .to_string()
            .ends_with("is in use by another simulator")
    );
    drop(simulator);
    place.open();

    let file = place.dir.path().join("image");
    let error = Simulator::open(&file).unwrap_err();
    assert!(matches!(&error, OpenError::Io { path, .. } if *path == file));
}

#[test]
fn by_default_the_device_has_4_gib_and_32_gib() {
    let place = Place::new();
    let capabilities = place.open().capabilities();
    assert_eq!(
        capabilities.device.to_string(),
        "RAM=4294967296&Storage=34359738368"
    );
    assert!(capabilities.suspend && capabilities.graceful_power_off);
}

#[test]
fn a_disk_is_the_image_within_the_storage() {
    let place = Place::new();
    let simulator = place.open();
    let spec = place.spec("vm-1", SMALL);
    simulator.create(&spec).unwrap();
    let disk = place.path("machines/vm-1/disk");
    let content = fs::read(&disk).unwrap();
    assert_eq!(content.len(), 1000);
    assert!(content.starts_with(b"an image\0"));

    for (storage, result) in [(5000, Ok(5000)), (8, Ok(8)), (7, Err(8)), (1000, Ok(1000))] {
        let mut want = config(SMALL);
        want.storage = Bytes::new(storage);
        let committed = simulator.commit(&spec.id, &want);
        let len = fs::metadata(&disk).unwrap().len();
        match result {
            Ok(due) => {
                committed.unwrap();
                assert_eq!(len, due);
            }
            Err(due) => {
                let error = committed.unwrap_err();
                assert_eq!(error.kind(), &Kind::NoSpace(Resource::Storage));
                assert_eq!(
                    error.to_string(),
                    "not enough storage: the image alone has 8 octets"
                );
                assert_eq!(len, due);
            }
        }
    }
    assert!(fs::read(&disk).unwrap().starts_with(b"an image\0"));
    let nothing = ResourceConfig::default();
    simulator.undo(&spec.id, &nothing).unwrap();
    assert_eq!(fs::read(&disk).unwrap(), b"an image");

    let spec = place.spec("vm-2", "RAM=1&Storage=7&CPU=1&Network=1");
    let error = simulator.create(&spec).unwrap_err();
    assert_eq!(error.kind(), &Kind::NoSpace(Resource::Storage));
    simulator
        .create(&place.spec("vm-2", "RAM=1&Storage=8&CPU=1&Network=1"))
        .unwrap();
}

#[test]
fn an_image_that_is_no_file_is_refused() {
    let place = Place::new();
    let simulator = place.open();
    let mut spec = place.spec("vm-1", SMALL);
    spec.image = place.dir.path().to_owned();
    let error = simulator.create(&spec).unwrap_err();
    assert_eq!(error.to_string(), "unusable image: it is not a file");
    spec.image = place.dir.path().join("missing");
    let error = simulator.create(&spec).unwrap_err();
    assert_eq!(error.kind(), &Kind::Image);
    assert!(std::error::Error::source(&error).is_some());
}

/// VR-076: what Overwrite does, seen through another name of the same file.
#[test]
fn data_is_overwritten_when_that_is_asked_for() {
    for (erase, due) in [
        (Erase::Discard, *b"an image"),
        (Erase::Overwrite, *b"\0\0\0\0\0\0\0\0"),
    ] {
        for broken in [false, true] {
            let place = Place::new();
            let simulator = place.open();
            let spec = place.spec("vm-1", SMALL);
            simulator.create(&spec).unwrap();
            let other_name = place.dir.path().join("other name");
            fs::hard_link(place.path("machines/vm-1/disk"), &other_name).unwrap();
            if broken {
                fs::write(place.path("machines/vm-1/machine.json"), "{").unwrap();
            }
            simulator.delete(&spec.id, erase).unwrap();
            assert!(fs::read(&other_name).unwrap().starts_with(&due));
        }
    }
}

#[test]
fn what_a_kill_left_aside_is_cleared_away_at_the_next_start() {
    let place = Place::new();
    let simulator = place.open();
    simulator.create(&place.spec("vm-1", SMALL)).unwrap();
    let other_name = place.dir.path().join("other name");
    fs::hard_link(place.path("machines/vm-1/disk"), &other_name).unwrap();
    drop(simulator);
    // As after a kill between the two last steps of a delete that overwrites.
    let record = place.path("machines/vm-1/machine.json");
    let text = fs::read_to_string(&record).unwrap();
    let text = text.replace("\"pending\": null", "\"pending\": \"erase\"");
    fs::write(&record, text).unwrap();
    fs::rename(place.path("machines/vm-1"), place.path("scratch/gone-vm-1")).unwrap();
    fs::create_dir(place.path("scratch/new-vm-2")).unwrap();
    fs::write(place.path("scratch/new-vm-2/disk"), "half an im").unwrap();
    fs::write(place.path("scratch/a file"), "").unwrap();

    let simulator = place.open();
    assert_eq!(fs::read_dir(place.path("scratch")).unwrap().count(), 0);
    assert!(simulator.list().unwrap().is_empty());
    assert!(fs::read(&other_name).unwrap().starts_with(&[0; 8]));
}

#[test]
fn what_is_not_ours_is_listed_and_left_alone() {
    let place = Place::new();
    let simulator = place.open();
    let folders = ["no record", "vm-1", "vm-2"];
    for folder in folders {
        fs::create_dir(place.path("machines").join(folder)).unwrap();
    }
    let of_another = place.path("machines/vm-2/machine.json");
    fs::write(&of_another, r#"{"owner": "somebody", "disks": 3}"#).unwrap();
    fs::write(place.path("machines/a file"), "").unwrap();

    let mut names: Vec<_> = simulator
        .list()
        .unwrap()
        .into_iter()
        .map(|listed| listed.machine)
        .collect();
    names.sort();
    assert_eq!(names, folders.map(|name| Machine::Foreign(name.to_owned())));
    for name in ["vm-1", "vm-2"] {
        assert_eq!(
            simulator.observe(&id(name)).unwrap().state,
            MachineState::Absent
        );
        let error = simulator.create(&place.spec(name, SMALL)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "hypervisor failed: a machine of others has this name"
        );
        assert_eq!(
            simulator.delete(&id(name), Erase::Overwrite).unwrap(),
            Outcome::AlreadyDone
        );
    }
    assert!(of_another.exists() && place.path("machines/vm-1").exists());
}

#[test]
fn a_broken_machine_can_only_be_deleted() {
    for (damage, reason) in [
        ("{", "machine.json: EOF while parsing an object"),
        (
            r#"{"owner": "virmo", "version": 3}"#,
            "machine.json is of version 3, where 2 is the latest known",
        ),
        (
            r#"{"owner": "virmo", "version": 1}"#,
            "machine.json: missing field",
        ),
    ] {
        let place = Place::new();
        let simulator = place.open();
        let vm = id("vm-1");
        simulator.create(&place.spec("vm-1", SMALL)).unwrap();
        fs::write(place.path("machines/vm-1/machine.json"), damage).unwrap();

        let state = simulator.observe(&vm).unwrap().state;
        assert!(
            matches!(&state, MachineState::Broken(text) if text.starts_with(reason)),
            "{state}"
        );
        let listed = simulator.list().unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed.first().unwrap().machine, Machine::Owned(vm.clone()));
        let due = Kind::InvalidState { observed: state };
        for error in [
            simulator.create(&place.spec("vm-1", SMALL)).unwrap_err(),
            simulator.power_on(&vm).unwrap_err(),
            simulator.power_off(&vm, PowerOff::Force).unwrap_err(),
            simulator.suspend(&vm).unwrap_err(),
            simulator.resume(&vm).unwrap_err(),
            simulator.prepare(&vm, &config(SMALL)).unwrap_err(),
            simulator.undo(&vm, &config(SMALL)).unwrap_err(),
        ] {
            assert_eq!(error.kind(), &due);
        }
        assert_eq!(
            simulator.delete(&vm, Erase::Discard).unwrap(),
            Outcome::Done
        );
        assert!(simulator.list().unwrap().is_empty());
    }
}

/// Else a client would take its machines for gone, and make others in their place.
#[test]
fn a_folder_that_cannot_be_looked_at_is_not_an_absent_machine() {
    let place = Place::new();
    let simulator = place.open();
    simulator.create(&place.spec("vm-1", SMALL)).unwrap();
    fs::rename(place.path("machines"), place.path("away")).unwrap();
    for is_file in [true, false] {
        if is_file {
            fs::write(place.path("machines"), "").unwrap();
        } else {
            fs::remove_file(place.path("machines")).unwrap();
        }
        let error = simulator.observe(&id("vm-1")).unwrap_err();
        assert_eq!(error.kind(), &Kind::Backend);
    }
    fs::rename(place.path("away"), place.path("machines")).unwrap();
    assert_eq!(simulator.observe(&id("vm-1")).unwrap().state, OFF);
}

#[test]
fn claims_outlive_the_handle_prepared_ones_too() {
    let place = Place::new();
    let device = DeviceResources::new(Bytes::new(1000), Bytes::new(10_000));
    let open = || place.builder().device(device.clone()).open().unwrap();
    let simulator = open();
    let vm = place.spec("vm-1", SMALL);
    simulator.create(&vm).unwrap();
    let want = config("RAM=950&Storage=1000&CPU=10&Network=10");
    simulator.prepare(&vm.id, &want).unwrap();
    let other = place.spec("vm-2", SMALL);
    let no_ram = Kind::NoSpace(Resource::Ram);
    assert_eq!(simulator.create(&other).unwrap_err().kind(), &no_ram);
    drop(simulator);

    let simulator = open();
    assert_eq!(simulator.create(&other).unwrap_err().kind(), &no_ram);
    simulator.undo(&vm.id, &config(SMALL)).unwrap();
    simulator.create(&other).unwrap();
    simulator.delete(&other.id, Erase::Discard).unwrap();
    simulator.commit(&vm.id, &want).unwrap();
    drop(simulator);

    let simulator = open();
    assert_eq!(simulator.create(&other).unwrap_err().kind(), &no_ram);
    simulator.delete(&vm.id, Erase::Discard).unwrap();
    simulator.create(&other).unwrap();
}

/// From outside, by a file: it counts for the machine that runs then, and for no later one.
#[test]
fn a_guest_may_be_ended_by_a_file() {
    let place = Place::new();
    let simulator = place.open();
    let vm = place.spec("vm-1", SMALL).id;
    simulator.create(&place.spec("vm-1", SMALL)).unwrap();
    let end = place.path("machines/vm-1/end-guest");
    for (how, crashed) in [("crash\n", true), ("", false), ("off", false)] {
        // One that is off has no guest to end.
        fs::write(&end, how).unwrap();
        assert_eq!(simulator.observe(&vm).unwrap().state, OFF);
        simulator.power_on(&vm).unwrap();
        assert_eq!(simulator.observe(&vm).unwrap().state, MachineState::Running);
        assert!(!end.exists());
        fs::write(&end, how).unwrap();
        let off = MachineState::Off { crashed };
        assert_eq!(simulator.observe(&vm).unwrap().state, off);
        assert_eq!(simulator.list().unwrap()[0].observed.state, off);
        let error = simulator.suspend(&vm).unwrap_err();
        assert_eq!(error.kind(), &Kind::InvalidState { observed: off });
        simulator.power_on(&vm).unwrap();
        assert_eq!(simulator.observe(&vm).unwrap().state, MachineState::Running);
        simulator.power_off(&vm, PowerOff::Force).unwrap();
    }
    // The guest of a suspended machine ends when it goes on.
    simulator.power_on(&vm).unwrap();
    simulator.suspend(&vm).unwrap();
    fs::write(&end, "crash").unwrap();
    assert_eq!(
        simulator.observe(&vm).unwrap().state,
        MachineState::Suspended
    );
    simulator.resume(&vm).unwrap();
    assert_eq!(
        simulator.observe(&vm).unwrap().state,
        MachineState::Off { crashed: true }
    );
    simulator.delete(&vm, Erase::Discard).unwrap();
    assert_eq!(simulator.list().unwrap(), []);
}

#[test]
fn a_guest_that_ends_is_hinted_at() {
    let place = Place::new();
    let simulator = place.open();
    let vm = place.spec("vm-1", SMALL).id;
    simulator.create(&place.spec("vm-1", SMALL)).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    for number in [1, 2] {
        let tell = tell.clone();
        simulator.on_change(std::sync::Arc::new(move || tell.send(number).unwrap()));
    }
    assert!(simulator.end_guest(&vm, false).is_err());
    simulator.power_on(&vm).unwrap();
    simulator.power_off(&vm, PowerOff::Force).unwrap();
    assert!(told.try_recv().is_err(), "what was asked for is no news");
    simulator.power_on(&vm).unwrap();
    simulator.end_guest(&vm, false).unwrap();
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_guest_may_end_itself() {
    let place = Place::new();
    let simulator = place.open();
    let vm = place.spec("vm-1", SMALL).id;
    simulator.create(&place.spec("vm-1", SMALL)).unwrap();
    assert!(simulator.end_guest(&vm, true).is_err());
    for crashed in [false, true] {
        simulator.power_on(&vm).unwrap();
        simulator.end_guest(&vm, crashed).unwrap();
        let state = simulator.observe(&vm).unwrap().state;
        assert_eq!(state, MachineState::Off { crashed });
        assert_eq!(
            simulator.power_off(&vm, PowerOff::Force).unwrap(),
            Outcome::AlreadyDone
        );
    }
    simulator.power_on(&vm).unwrap();
    simulator.power_off(&vm, PowerOff::Force).unwrap();
    assert_eq!(simulator.observe(&vm).unwrap().state, OFF);
}

#[test]
fn the_counter_goes_on_with_resumes_and_begins_again_with_boots() {
    let place = Place::new();
    let mut simulator = place.open();
    let vm = id("vm-1");
    simulator.create(&place.spec("vm-1", SMALL)).unwrap();
    assert!(simulator.counter(&vm).is_err());
    for _ in 0..2 {
        simulator.power_on(&vm).unwrap();
        for resumes in 1..4 {
            simulator.suspend(&vm).unwrap();
            assert_eq!(simulator.counter(&vm).unwrap(), resumes - 1);
            drop(simulator);
            simulator = place.open();
            simulator.resume(&vm).unwrap();
            assert_eq!(simulator.counter(&vm).unwrap(), resumes);
        }
        simulator.power_off(&vm, PowerOff::Force).unwrap();
    }
}

#[test]
fn what_a_failed_call_claimed_is_free_again() {
    let place = Place::new();
    let simulator = place
        .builder()
        .fault("create:fail".parse().unwrap())
        .open()
        .unwrap();
    let all = "RAM=4294967296&Storage=34359738368&CPU=100&Network=100";
    simulator.create(&place.spec("vm-1", all)).unwrap_err();
    simulator.create(&place.spec("vm-2", SMALL)).unwrap();

    // A folder where the new record is to be written.
    let in_the_way = place.path("machines/vm-2/machine.new");
    fs::create_dir(&in_the_way).unwrap();
    let error = simulator.prepare(&id("vm-2"), &config(all)).unwrap_err();
    assert_eq!(error.kind(), &Kind::Backend);
    assert_eq!(
        simulator.power_on(&id("vm-2")).unwrap_err().kind(),
        &Kind::Backend
    );
    assert_eq!(simulator.observe(&id("vm-2")).unwrap().state, OFF);
    simulator.create(&place.spec("vm-1", SMALL)).unwrap();
    fs::remove_dir(in_the_way).unwrap();
    simulator.power_on(&id("vm-2")).unwrap();
}
