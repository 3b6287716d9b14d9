//! The checks of the other tests find what they look for.

use std::{collections::BTreeMap, fs};

use omadm_core::{Batch, Format, GenericAlert, Space};
use omadm_download::Sink;
use omadm_mo::Reporting;
use omadm_testkit::{Invariants, Violation};
use virmo_hypervisor::{Hypervisor, VmSpec};

use crate::{scenarios::named, world::World};

pub(crate) const IMAGE_READY: &str = "urn:oma:at:oma-virmo:imageready:1.0";

/// What is found on a device with a suspended VM after this was done behind its back.
fn planted(plant: impl FnOnce(&mut World)) -> Vec<Violation> {
    let scenario = named("resume");
    let mut world = scenario.world(Reporting::Synchronous);
    plant(&mut world);
    world.violations()
}

fn record(space: Space, key: &'static str, value: Option<&'static str>) -> Batch {
    let mut batch = Batch::new();
    match value {
        Some(value) => batch.put(space, key, value),
        None => batch.remove(space, key),
    }
    batch
}

#[test]
fn each_broken_promise_is_found() {
    assert_eq!(planted(|_| {}), []);
    let id = || "vm-1".parse().unwrap();
    let found = planted(|world| _ = world.simulator().resume(&id()).unwrap());
    assert!(matches!(&*found, [Violation::OtherState(..)]), "{found:?}");

    let found = planted(|world| {
        let resources = "RAM=4096&Storage=4096&CPU=1&Network=1".parse().unwrap();
        let image = world.sink().location(&"img-1".parse().unwrap());
        let image = image.unwrap().unwrap();
        let spec = VmSpec::new("vm-9".parse().unwrap(), image, "x/y", resources);
        world.simulator().create(&spec).unwrap();
    });
    assert_eq!(found, [Violation::OrphanMachine("vm-9".to_owned())]);

    let found = planted(|world| {
        world
            .sink()
            .reserve(&"img-9".parse().unwrap(), None)
            .unwrap()
    });
    assert_eq!(found, [Violation::OrphanFile("img-9".to_owned())]);

    let found = planted(|world| {
        let file = world.sink().location(&"img-1".parse().unwrap());
        fs::write(file.unwrap().unwrap(), "torn").unwrap();
    });
    assert_eq!(found, [Violation::WrongFile("i".to_owned())]);

    let intent = record(Space::INTENTS, "vm/vm-1", Some("left"));
    let found = planted(|world| world.journal().commit(&intent).unwrap());
    assert_eq!(found, [Violation::OpenIntents(1)]);

    let found = planted(|world| {
        let mut last = Vec::new();
        let mut visit = |key: &[u8], _: &[u8]| last = key.to_vec();
        world.journal().scan(Space::TREE, &mut visit).unwrap();
        let mut batch = Batch::new();
        batch.remove(Space::TREE, last);
        world.journal().commit(&batch).unwrap();
    });
    assert!(matches!(&*found, [Violation::NotDurable(_)]), "{found:?}");

    let found = planted(|world| world.invariants = Invariants::new([]));
    let untold = Violation::NotTold("i".to_owned());
    assert!(found.contains(&untold), "{found:?}");

    let source = "./VMImgMO/i/Operations/Download";
    let found = planted(|world| {
        let mut alert = GenericAlert::new(IMAGE_READY, Format::Xml);
        alert.source = Some(source.to_owned());
        world.invariants.delivered(&alert);
        world.invariants.told(&alert);
        world.invariants.told(&alert);
    });
    assert_eq!(found, [Violation::ToldTimes(source.to_owned(), 2)]);
}

/// A VM whose node is gone takes its VMID along.
#[test]
fn an_identifier_that_comes_again_is_found() {
    let scenario = named("delete, powered off");
    let mut world = scenario.world(Reporting::Synchronous);
    let saved = world.save();
    world.run((scenario.run)());
    assert_eq!(world.violations(), []);
    let known = world.invariants.clone();
    world.restore(&saved);
    world.settle();
    world.invariants = known;
    let reused = Violation::ReusedId("vm-1".to_owned());
    assert_eq!(world.violations(), [reused]);
}

#[test]
fn a_change_that_is_made_in_part_is_found() {
    let scenario = named("resume");
    let world = scenario.world(Reporting::Synchronous);
    let all = |config: &str| BTreeMap::from([("v".to_owned(), config.to_owned())]);
    let found = world.is_whole(&all("before"), &all("after"));
    assert!(
        matches!(&*found, [Violation::AppliedInPart(_)]),
        "{found:?}"
    );
}
