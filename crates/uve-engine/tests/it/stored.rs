//! The records of version 1, and that they are read.

use std::{env, fmt::Write, fs, sync::Arc};

use omadm_core::{Batch, Journal, MemoryJournal, Records};
use uve::{MonitoringNotification, Uve2, session::State};
use uve_engine::RECORDS;

use crate::bench::{Bench, Break, Disk, Wire, content, user};

/// What a VMM keeps, a VM that was cut off while it brought a second version of an image back, and
/// one that serves a user while another one watches.
struct Left {
    bench: Bench,
    vms: [Disk; 2],
}

fn left() -> Left {
    let bench = Bench::new();
    let vms = [Disk::default(), Disk::default()];
    let wire = Wire::new(&bench.vmm);
    let cut = bench.vm_over("a", &vms[0], wire.clone());
    let first = bench.serve("ann", &cut);
    cut.write_image(&first.session, 0, b"first").unwrap();
    cut.disconnect(&first.session).unwrap();
    cut.drive().unwrap();
    let second = bench.serve("ann", &cut);
    cut.write_image(&second.session, 0, b"second").unwrap();
    cut.finish(&second.session).unwrap();
    // The beginning and the piece; not the end.
    wire.break_after(2, Break::Request);
    _ = cut.drive();
    let watched = bench.vm("b", &vms[1]);
    let session = bench.serve("bob", &watched).session;
    let notification = MonitoringNotification {
        monitor: user("eve"),
        session: session.clone(),
        seconds: Some(10),
    };
    watched.notify_monitoring(&notification).unwrap();
    watched.monitor(&session, &user("eve")).unwrap();
    Left { bench, vms }
}

impl Left {
    fn journals(&self) -> [(&'static str, &Arc<MemoryJournal>); 3] {
        let [a, b] = &self.vms;
        let vmm = &self.bench.disk.journal;
        [("vmm", vmm), ("a", &a.journal), ("b", &b.journal)]
    }

    /// One line for each record: whose, space, key and the record, in which the version is a number.
    fn write(&self) -> String {
        let mut text = String::new();
        for (whose, journal) in self.journals() {
            for space in RECORDS.iter().map(Records::space) {
                let mut visit = |key: &[u8], record: &[u8]| {
                    let key = str::from_utf8(key).unwrap();
                    let json = str::from_utf8(&record[1..]).unwrap();
                    let name = space.name();
                    writeln!(text, "{whose} {name} {key} {} {json}", record[0]).unwrap();
                };
                journal.scan(space, &mut visit).unwrap();
            }
        }
        text
    }

    /// The same with records as they were written once.
    fn read(mut self, text: &str) -> Self {
        let mut journals = [(); 3].map(|()| Arc::new(MemoryJournal::new()));
        for line in text.lines() {
            let fields: Vec<&str> = line.splitn(5, ' ').collect();
            let [whose, name, key, version, json] = fields[..] else {
                panic!("{line}");
            };
            let mut spaces = RECORDS.iter().map(Records::space);
            let space = spaces.find(|space| space.name() == name).unwrap();
            let whose = ["vmm", "a", "b"].iter().position(|it| *it == whose);
            let record = [&[version.parse().unwrap()], json.as_bytes()].concat();
            let mut batch = Batch::new();
            batch.put(space, key, record);
            journals[whose.unwrap()].commit(&batch).unwrap();
        }
        let mut rest = journals.iter_mut().map(std::mem::take);
        self.bench.disk.journal = rest.next().unwrap();
        for (vm, journal) in self.vms.iter_mut().zip(rest) {
            vm.journal = journal;
        }
        self
    }
}

/// What is on disks: a record of another shape has another version, and this one is read still.
/// `UPDATE_GOLDEN=1` writes it.
#[test]
fn records_of_version_1_stay_as_they_are_and_are_read() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/stored.txt");
    let left = left();
    let written = left.write();
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, &written).unwrap();
    }
    let stored = fs::read_to_string(path).unwrap();
    assert_eq!(written, stored);
    for records in RECORDS {
        let name = format!(" {} ", records.space().name());
        assert!(stored.contains(&name), "no record in {name}");
        assert_eq!(records.version(), 1);
    }
    let mut left = left.read(&stored);
    left.bench.restart();
    let watched = left.bench.vm("b", &left.vms[1]);
    // Nobody came along from before the start.
    assert_eq!(watched.state(), State::Disconnected);
    let cut = left.bench.vm("a", &left.vms[0]);
    cut.drive().unwrap();
    assert_eq!(cut.state(), State::Idle);
    let next = left.bench.serve("ann", &cut);
    assert_eq!(content(&cut, &next), b"second");
}
