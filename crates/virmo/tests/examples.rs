//! The two example programs, run against each other to the end, and the vendor's hypervisor
//! against the contract.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

#[path = "../examples/server.rs"]
#[allow(dead_code, reason = "its main is another program's")]
mod server;
#[path = "../examples/vendor_device.rs"]
#[allow(dead_code, reason = "its main is another program's")]
mod vendor_device;

use std::{
    net::TcpListener,
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
};

use virmo::{
    DeviceEvent, Hypervisor, VmState,
    client::Event,
    hypervisor::contract::{CHECKS, Fixture},
    params::{Bytes, Percent, ResourceConfig},
};

use vendor_device::Board;

/// What the server example says after its first line, which names its address.
const STORY: [&str; 9] = [
    "urn:example:board:1 is a Board",
    "urn:example:board:1 is a Board",
    "image work is ready",
    "the image is Downloaded",
    "the machine is Running with RAM=268435456&Storage=1073741824&CPU=10&Network=10",
    "done: Suspended",
    "machines: 1, images: 1",
    "done: Deleted",
    "done: Deleted",
];

#[test]
fn the_examples_go_through_the_life_of_a_machine() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("work.img"), vec![7; 100_000]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/dm", listener.local_addr().unwrap());

    let images = folder.path().to_str().unwrap().to_owned();
    let server = thread::spawn(move || {
        let mut said = Vec::new();
        let device = "urn:example:board:1";
        server::run(listener, device, &images, "work.img", |line| {
            said.push(line)
        })
        .map_err(|error| error.to_string())
        .map(|()| said)
    });
    let states = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&states);
    vendor_device::run(&url, move |event| {
        if let DeviceEvent::Virmo(Event::Vm { to, .. }) = event {
            seen.lock().unwrap().push(*to);
        }
    })
    .unwrap();

    let said = server.join().unwrap().unwrap();
    assert_eq!(said[1..], STORY);
    assert_eq!(
        *states.lock().unwrap(),
        [VmState::Running, VmState::Suspended, VmState::Deleted]
    );
}

struct OnBoard {
    board: Arc<Board>,
    images: tempfile::TempDir,
}

impl Fixture for OnBoard {
    fn open(&self) -> Arc<dyn Hypervisor> {
        Arc::clone(&self.board) as _
    }

    fn image(&self) -> (PathBuf, String) {
        let path = self.images.path().join("image");
        std::fs::write(&path, "an image").unwrap();
        (path, "application/octet-stream".to_owned())
    }

    fn resources(&self) -> ResourceConfig {
        let quarter = Percent::new(25).unwrap();
        ResourceConfig::new(Bytes::mib(512), Bytes::gib(4), quarter, quarter)
    }

    fn leftovers(&self) -> Vec<String> {
        Vec::new()
    }
}

/// As in memory nothing is lost when a handle is dropped, only the kill of a process is not tried.
#[test]
fn the_hypervisor_of_the_example_keeps_the_contract() {
    for check in CHECKS {
        let fixture = OnBoard {
            board: Arc::default(),
            images: tempfile::tempdir().unwrap(),
        };
        check.run(&fixture).unwrap();
    }
}
