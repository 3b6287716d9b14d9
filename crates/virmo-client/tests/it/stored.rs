use std::{env, fmt::Write, fs};

use omadm_core::{Batch, Journal, MemoryJournal, Space, StatusCode};
use virmo_client::{Event, Policy, Recovery};
use virmo_state::VmState;

use crate::device::{Device, Disk};

/// Every space of this crate and those below it but the alerts, which are the test's own.
const SPACES: [Space; 9] = [
    Space::TREE,
    Space::INTENTS,
    Space::DOWNLOADS,
    Space::BOOTSTRAPS,
    Space::IDS,
    Space::new("images"),
    Space::new("machines"),
    Space::new("doubts"),
    Space::new("operations"),
];

/// One line for each record: space, key and record.
fn write(journal: &dyn Journal) -> String {
    let mut text = String::new();
    for space in SPACES {
        let mut visit = |key: &[u8], record: &[u8]| {
            writeln!(text, "{} {} {}", space.name(), hex(key), hex(record)).unwrap();
        };
        journal.scan(space, &mut visit).unwrap();
    }
    text
}

fn read(text: &str) -> MemoryJournal {
    let mut batch = Batch::new();
    for line in text.lines() {
        let [name, key, record]: [&str; 3] =
            line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let space = SPACES.into_iter().find(|space| space.name() == name);
        batch.put(space.expect(name), octets(key), octets(record));
    }
    let journal = MemoryJournal::new();
    journal.commit(&batch).unwrap();
    journal
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn octets(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    let octet = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.map(octet).collect()
}

/// What a device left that was killed with a VM that runs and is managed, one that is being made
/// and an image that is being deleted.
fn left() -> Disk {
    let mut device = Device::new();
    device.provision("a", "");
    device.bring("a", VmState::Running);
    assert_eq!(device.add("./VirMO/a/DMTree"), StatusCode::OK);
    device.deliver("later");
    device.begin("./VMImgMO/later/Operations/Delete", None);
    device.add_vm("b", "a", "");
    device.begin("./VirMO/b/Operations/Create", Some("c1"));
    device.stop();
    device.disk()
}

/// How a device comes up on that: its tree, and what it made of the VM that was being made.
fn come_up(disk: Disk) -> String {
    let mut device = Device::off(Policy::default(), disk);
    device.restart();
    device.check();
    let events = device.take_events();
    let is_recovered = |event: &&Event| {
        matches!(event, Event::Recovered { node, outcome, .. }
            if node == "b" && *outcome != Recovery::Open)
    };
    assert_eq!(events.iter().filter(is_recovered).count(), 1, "{events:?}");
    let damaged = |event: &Event| matches!(event, Event::DamagedRecord { .. });
    assert!(!events.iter().any(damaged), "{events:?}");
    device.dump()
}

/// What a device of an earlier version left is read: the file is of the first version and stays as
/// it is. A record of another shape has another version, and reads this one still.
/// `UPDATE_GOLDEN=1` writes it.
#[cfg(feature = "dm-tree")]
#[test]
fn what_the_first_version_left_is_read() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/stored.txt");
    let left = left();
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, write(&left.journal)).unwrap();
    }
    let stored = fs::read_to_string(path).unwrap();
    let journal = read(&stored);
    assert_eq!(write(&journal), stored);
    let mut earlier = left.clone();
    earlier.journal = journal;
    assert_eq!(come_up(earlier), come_up(left));
}
