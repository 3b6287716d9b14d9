//! The contract every back end keeps.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Instant,
};

use virmo_hypervisor::{
    Hypervisor,
    contract::{CHECKS, Fixture, Need, Verdict},
};
use virmo_libvirt::Libvirt;
use virmo_params::ResourceConfig;

use crate::bench::{Daemon, OnQemu, Place, image_file, resources, walk};

/// libvirt's test driver: what it keeps lives in the process, as long as one connection does.
struct OnTestDriver {
    folder: tempfile::TempDir,
    _connection: Libvirt,
}

impl OnTestDriver {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("keeps-a-connection");
        Self {
            _connection: Libvirt::builder("test:///default", root).open().unwrap(),
            folder,
        }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("m")
    }
}

impl Fixture for OnTestDriver {
    fn open(&self) -> Arc<dyn Hypervisor> {
        Arc::new(
            Libvirt::builder("test:///default", self.root())
                .open()
                .unwrap(),
        )
    }

    fn image(&self) -> (PathBuf, String) {
        let image = image_file(self.folder.path());
        (image, "application/octet-stream".to_owned())
    }

    fn resources(&self) -> ResourceConfig {
        resources()
    }

    fn leftovers(&self) -> Vec<String> {
        let mut names = Vec::new();
        walk(&self.root(), &mut names);
        names.sort();
        names
    }

    fn add_foreign(&self) -> Option<String> {
        // It comes with one machine.
        Some("test".to_owned())
    }
}

/// All but what the guest does, as there is none.
#[test]
fn the_test_driver_keeps_the_contract() {
    for check in CHECKS {
        // There are no guests, and what belongs to them cannot be tested.
        let has = [Need::Foreign, Need::Resources, Need::Suspend];
        match check.run(&OnTestDriver::new()) {
            Ok(Verdict::Passed) => {}
            Ok(Verdict::Skipped(need)) => assert!(!has.contains(&need), "{}", check.name),
            Err(failure) => panic!("{failure}"),
        }
    }
}

#[test]
fn qemu_under_libvirt_keeps_the_contract() {
    let Some(daemon) = Daemon::shared() else {
        return;
    };
    let next = Mutex::new(CHECKS.iter());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let Some(check) = next.lock().unwrap().next() else {
                        return;
                    };
                    let begun = Instant::now();
                    match check.run(&OnQemu(Place::new(Arc::clone(&daemon)))) {
                        Ok(Verdict::Passed) => {}
                        Ok(Verdict::Skipped(need)) => {
                            eprintln!("{}: skipped, there is no {need}", check.name);
                        }
                        Err(failure) => failures.lock().unwrap().push(failure.to_string()),
                    }
                    eprintln!("{}: {:?}", check.name, begun.elapsed());
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{failures:#?}");
}
