//! The contract every back end keeps, kept by the simulator, with all it can do and without.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Weak},
};

use omadm_syncml::Encoding;
use omadm_tree::Uri;
use virmo_guest::{Command, Request};
use virmo_hypervisor::{
    Capabilities, Hypervisor, Support,
    contract::{CHECKS, Fixture, Verdict},
};
use virmo_params::{Bytes, DeviceResources, ResourceConfig};
use virmo_simulator::Simulator;
use virmo_state::VmId;

struct OnSimulator {
    dir: tempfile::TempDir,
    capabilities: Capabilities,
    open: Mutex<Weak<Simulator>>,
}

impl OnSimulator {
    fn new() -> Self {
        let device = DeviceResources::new(Bytes::gib(4), Bytes::gib(32));
        Self {
            dir: tempfile::tempdir().unwrap(),
            capabilities: Capabilities::new("simulator", device),
            open: Mutex::default(),
        }
    }

    /// As little as a back end can do.
    fn limited() -> Self {
        let mut fixture = Self::new();
        let capabilities = &mut fixture.capabilities;
        capabilities.suspend = false;
        capabilities.graceful_power_off = false;
        capabilities.ram = Support::NotRunning;
        capabilities.storage = Support::NotRunning;
        capabilities.network = Support::None;
        fixture
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("simulator")
    }
}

impl Fixture for OnSimulator {
    fn open(&self) -> Arc<dyn Hypervisor> {
        let simulator = Simulator::builder(self.folder())
            .capabilities(self.capabilities.clone())
            .without_sync()
            .open()
            .unwrap();
        let simulator = Arc::new(simulator);
        *self.open.lock().unwrap() = Arc::downgrade(&simulator);
        simulator
    }

    fn image(&self) -> (PathBuf, String) {
        let number = fs::read_dir(self.dir.path()).unwrap().count();
        let path = self.dir.path().join(format!("image-{number}"));
        fs::write(&path, "an image").unwrap();
        (path, "application/octet-stream".to_owned())
    }

    fn resources(&self) -> ResourceConfig {
        "RAM=1073741824&Storage=8589934592&CPU=25&Network=25"
            .parse()
            .unwrap()
    }

    fn leftovers(&self) -> Vec<String> {
        let mut names = Vec::new();
        walk(&self.folder(), &mut names);
        names.sort();
        names
    }

    fn add_foreign(&self) -> Option<String> {
        fs::create_dir_all(self.folder().join("machines/vm-of-others")).unwrap();
        Some("vm-of-others".to_owned())
    }

    fn progress(&self, id: &VmId) -> Option<u64> {
        self.open.lock().unwrap().upgrade()?.counter(id).ok()
    }

    fn guest_message(&self) -> Option<Vec<u8>> {
        let get = Command::Get { uri: Uri::root() };
        Request::new("1", 1, vec![get]).encode(Encoding::Xml).ok()
    }
}

fn walk(folder: &Path, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        names.push(entry.path().to_string_lossy().into_owned());
        if entry.path().is_dir() {
            walk(&entry.path(), names);
        }
    }
}

mod with_everything {
    virmo_hypervisor::contract_tests!(super::OnSimulator::new());
}

mod with_as_little_as_possible {
    virmo_hypervisor::contract_tests!(super::OnSimulator::limited());
}

#[test]
fn nothing_is_skipped() {
    for check in CHECKS {
        let verdict = check.run(&OnSimulator::new()).unwrap();
        assert_eq!(verdict, Verdict::Passed, "{}", check.name);
    }
}
