//! The contract suite itself: a correct back end passes every check, and for every check there is
//! a wrong one that it catches.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

#[path = "../../examples/toy.rs"]
#[allow(dead_code, reason = "its main is another program's")]
mod toy;

mod reference;

use std::{collections::BTreeSet, fs, path::PathBuf, sync::Arc};

use virmo_hypervisor::{
    Hypervisor,
    contract::{CHECKS, Check, Fixture, Need, Verdict},
};
use virmo_params::{Bytes, Percent, ResourceConfig};
use virmo_state::VmId;

use reference::{Flaw, Place, Reference};

struct OnReference {
    place: Arc<Place>,
    flaw: Option<Flaw>,
    images: tempfile::TempDir,
}

impl OnReference {
    fn new(flaw: Option<Flaw>) -> Self {
        Self {
            place: Arc::default(),
            flaw,
            images: tempfile::tempdir().unwrap(),
        }
    }
}

fn image(images: &tempfile::TempDir) -> (PathBuf, String) {
    let number = fs::read_dir(images.path()).unwrap().count();
    let path = images.path().join(format!("image-{number}"));
    fs::write(&path, "an image").unwrap();
    (path, "application/octet-stream".to_owned())
}

fn quarter() -> ResourceConfig {
    let quarter = Percent::new(25).unwrap();
    ResourceConfig::new(Bytes::gib(1), Bytes::gib(8), quarter, quarter)
}

impl Fixture for OnReference {
    fn open(&self) -> Arc<dyn Hypervisor> {
        Arc::new(Reference::open(Arc::clone(&self.place), self.flaw))
    }

    fn image(&self) -> (PathBuf, String) {
        image(&self.images)
    }

    fn resources(&self) -> ResourceConfig {
        quarter()
    }

    fn leftovers(&self) -> Vec<String> {
        self.place.files()
    }

    fn add_foreign(&self) -> Option<String> {
        self.place.add_foreign("vm-of-others");
        Some("vm-of-others".to_owned())
    }

    fn progress(&self, id: &VmId) -> Option<u64> {
        self.place.progress(id)
    }

    fn guest_message(&self) -> Option<Vec<u8>> {
        Some(b"hello".to_vec())
    }
}

mod on_the_reference {
    virmo_hypervisor::contract_tests!(super::OnReference::new(None));
}

/// The example passes too, and skips what its capabilities do not promise.
struct OnToy {
    toy: Arc<toy::Toy>,
    images: tempfile::TempDir,
}

impl Fixture for OnToy {
    fn open(&self) -> Arc<dyn Hypervisor> {
        Arc::clone(&self.toy) as _
    }

    fn image(&self) -> (PathBuf, String) {
        image(&self.images)
    }

    fn resources(&self) -> ResourceConfig {
        quarter()
    }

    fn leftovers(&self) -> Vec<String> {
        Vec::new()
    }
}

#[test]
fn the_example_passes_or_says_what_it_lacks() {
    for check in CHECKS {
        let fixture = OnToy {
            toy: Arc::default(),
            images: tempfile::tempdir().unwrap(),
        };
        match check.run(&fixture).unwrap() {
            Verdict::Passed => assert_eq!(check.needs, &[], "{}", check.name),
            Verdict::Skipped(need) => assert!(check.needs.contains(&need), "{}", check.name),
        }
    }
}

#[test]
fn nothing_is_skipped_on_the_reference() {
    for check in CHECKS {
        let verdict = check.run(&OnReference::new(None)).unwrap();
        assert_eq!(verdict, Verdict::Passed, "{}", check.name);
    }
}

#[test]
fn every_check_catches_a_wrong_back_end() {
    let mut proven = BTreeSet::new();
    for (flaw, name) in reference::FLAWS {
        let check = Check::by_name(name).unwrap_or_else(|| panic!("no check {name}"));
        match check.run(&OnReference::new(Some(*flaw))) {
            Err(failure) => assert!(failure.to_string().starts_with(name)),
            Ok(verdict) => panic!("{name} does not see {flaw:?}: {verdict:?}"),
        }
        proven.insert(*name);
    }
    let all: BTreeSet<_> = CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(proven, all);
}

#[test]
fn names_are_unique_and_needs_are_told() {
    let names: BTreeSet<_> = CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(names.len(), CHECKS.len());
    let of_others = Check::by_name("machines_of_others_are_listed_and_not_touched").unwrap();
    assert_eq!(of_others.needs, &[Need::Foreign]);
    assert!(Check::by_name("no such check").is_none());
}
