//! Each violation is found where one is planted.

use std::{fs, path::Path};

use tempfile::TempDir;
use virmo::dm::core::{Correlator, Format, GenericAlert};

use crate::{
    lane::Lane,
    seen::{Seen, SeenVm, Tree},
    world::{Flight, Objects, Vm, World},
};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// Changes a text in the record of a machine.
fn change(state: &Path, vm: &str, from: &str, to: &str) {
    let path = state
        .join("machines/machines")
        .join(vm)
        .join("machine.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// A device with a running VM and an image, at rest, and the identifiers of both.
fn at_rest(lane: &mut Lane) -> [String; 2] {
    for _ in 0..3 {
        lane.kill();
    }
    loop {
        lane.run_until(|world| fit(world).is_some());
        lane.rest();
        let mut world = lane.shared.lock();
        assert_eq!(world.violations, [""; 0]);
        // What it was at may have been a deletion.
        if let Some(found) = fit(&world) {
            return found;
        }
        world.paused = false;
    }
}

/// The identifiers of a running VM that is not locked and of an image that is there.
fn fit(world: &World) -> Option<[String; 2]> {
    let mut vms = world.vms.values();
    let vm = vms.find(|vm| vm.state == 2 && !vm.locked && vm.id.is_some())?;
    let mut images = world.images.values();
    let image = images.find(|image| image.states == [2] && image.id.is_some())?;
    Some([vm.id.clone()?, image.id.clone()?])
}

/// What is done to the folder of a device with these VM and image.
type Plant = fn(&Path, &str, &str);

#[test]
fn what_is_done_to_the_folder_is_found() {
    let plants: [(Plant, &str); 9] = [
        (
            |state, vm, _| fs::remove_dir_all(state.join("machines/machines").join(vm)).unwrap(),
            "not Vm",
        ),
        (
            |state, vm, _| {
                let machines = state.join("machines/machines");
                copy(&machines.join(vm), &machines.join("vm-900"));
            },
            "the device says: machine vm-900 is ours, but no node stands for it",
        ),
        (
            |state, vm, _| change(state, vm, "\"running\"", "\"suspended\""),
            "not Vm",
        ),
        (|state, vm, _| change(state, vm, "RAM=", "RAM=1"), "not Vm"),
        (
            |state, vm, _| change(state, vm, "\"locked\": false", "\"locked\": true"),
            "says locked = false",
        ),
        (
            |state, _, image| fs::remove_file(state.join("images").join(image)).unwrap(),
            "has State 2, without file",
        ),
        (
            |state, _, image| {
                let path = state.join("images").join(image);
                let mut octets = fs::read(&path).unwrap();
                *octets.last_mut().unwrap() ^= 1;
                fs::write(path, octets).unwrap();
            },
            "octets are not the",
        ),
        (
            |state, _, image| {
                let images = state.join("images");
                fs::copy(images.join(image), images.join("img-900")).unwrap();
            },
            "the device says: there is a file of image img-900, but no node stands for it",
        ),
        // Everything that was ever done is undone.
        (
            |state, _, _| fs::remove_dir_all(state).unwrap(),
            "is None, not Vm",
        ),
    ];
    let mut lane = Lane::new(4, false);
    let [vm, image] = at_rest(&mut lane);
    let state = lane.shared.lock().state.clone();
    let kept = TempDir::new().unwrap();
    copy(&state, kept.path());
    for (at, (plant, expected)) in plants.into_iter().enumerate() {
        plant(&state, &vm, &image);
        lane.run_until(|_| true);
        let mut world = lane.shared.lock();
        let kill = world.counts.kills;
        let found = std::mem::take(&mut world.violations);
        let start = format!("seed 0x4, kill {kill}: ");
        let is_it = |text: &String| text.starts_with(&start) && text.contains(expected);
        assert!(found.iter().any(is_it), "{at}, {expected}: {found:#?}");
        drop(world);
        fs::remove_dir_all(&state).unwrap();
        copy(kept.path(), &state);
    }
    lane.run_until(|_| true);
    assert_eq!(lane.shared.lock().violations, [""; 0]);
}

fn vm(birth: u64, state: u8, config: &str) -> Vm {
    Vm {
        birth,
        id: None,
        state,
        config: Some(config.parse().unwrap()),
        locked: false,
        usb: true,
        note: None,
    }
}

const OLD: &str = "RAM=1&Storage=1&CPU=1&Network=1";
const NEW: &str = "RAM=2&Storage=2&CPU=2&Network=2";

/// Two powered-off VMs with these identifiers and configurations, without a folder.
fn seen(vms: [(&str, &str); 2]) -> Seen {
    let of = |(id, config): (&str, &str)| SeenVm {
        id: id.to_owned(),
        state: "1".to_owned(),
        config: Some(config.to_owned()),
        ..SeenVm::default()
    };
    let names = ["a".to_owned(), "b".to_owned()];
    Seen {
        vms: names.into_iter().zip(vms.map(of)).collect(),
        ..Seen::default()
    }
}

fn world() -> World {
    World::new(7, "/nowhere".into(), String::new(), false)
}

/// The faults that are not those of the missing folder.
fn faults(world: &mut World, seen: &Seen) -> Vec<String> {
    let found = world.verify(seen, &Tree::new());
    let alone = seen.faults(&Tree::new(), Path::new("/nowhere"));
    found.into_iter().filter(|it| !alone.contains(it)).collect()
}

#[test]
fn changes_of_half_the_vms_are_found() {
    let stage = |config| {
        let vms = [("a", 1), ("b", 2)].map(|(name, birth)| (name, vm(birth, 1, config)));
        Objects::from(vms.map(|(name, vm)| (name.to_owned(), Some(vm))))
    };
    let mut world = world();
    world.begin(Flight {
        label: "apply a b".to_owned(),
        vms: vec![stage(OLD), stage(NEW)],
        ..Flight::default()
    });
    for (configs, whole) in [
        ([OLD, OLD], true),
        ([NEW, NEW], true),
        ([OLD, NEW], false),
        ([NEW, OLD], false),
    ] {
        let found = faults(
            &mut world,
            &seen([("vm-1", configs[0]), ("vm-2", configs[1])]),
        );
        assert_eq!(found.is_empty(), whole, "{configs:?}: {found:?}");
    }
}

#[test]
fn an_identifier_that_comes_again_is_found() {
    let mut world = world();
    world.vms = [("a", 3), ("b", 4)]
        .map(|(name, birth)| (name.to_owned(), vm(birth, 1, OLD)))
        .into();
    let seen = seen([("vm-1", OLD), ("vm-2", OLD)]);
    assert_eq!(faults(&mut world, &seen), [""; 0]);
    for earlier in [("a", 1), ("c", 3)] {
        world
            .owners
            .insert("vm-1".to_owned(), (earlier.0.to_owned(), earlier.1));
        let found = faults(&mut world, &seen);
        assert!(
            found[0].contains("has the identifier vm-1, which"),
            "{found:?}"
        );
    }
}

#[test]
fn alerts_that_are_lost_or_told_twice_are_found() {
    let mut world = world();
    let mut alert = GenericAlert::new("urn:oma:at:oma-virmo:imageready:1.0", Format::Xml);
    alert.correlator = Some(Correlator::new("c-1"));
    world.downloads("x", "c-1");
    world.due.push(vec!["c-1".to_owned()]);
    assert_eq!(
        world.missing_alerts(),
        ["no alert of [\"c-1\"] was ever reported"]
    );
    world.reported(&alert);
    assert_eq!(world.missing_alerts(), [""; 0]);
    assert_eq!(world.violations, [""; 0]);
    world.reported(&alert);
    assert!(world.violations[0].starts_with("seed 0x7, kill 0: the alert of"));
    world.violations.clear();
    alert.correlator = None;
    world.reported(&alert);
    assert_eq!(world.violations.len(), 1);
}
