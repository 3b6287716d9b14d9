//! Crashes before and after every call of the journal and the sink, with what was not synced lost
//! or spoilt.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use omadm_core::{Batch, Journal, JournalError, JournalErrorKind, MemoryJournal, Space};
use omadm_download::{DownloadKey, Sink, SinkError, SinkErrorKind};

use crate::source::{Bench, Remote, Step, key, pattern, run};

/// How many calls the machine still makes.
struct Machine(AtomicUsize);

impl Machine {
    fn new(calls: usize) -> Self {
        Self(AtomicUsize::new(calls))
    }

    /// Whether the machine is still running.
    fn step(&self) -> bool {
        let left = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        left.is_ok()
    }
}

/// Runs every call between two points at which the machine may stop.
fn between<T, E>(machine: &Machine, dead: E, call: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    if !machine.step() {
        return Err(dead);
    }
    let result = call();
    if machine.step() { result } else { Err(dead) }
}

struct CrashingJournal<'a> {
    machine: &'a Machine,
    inner: &'a MemoryJournal,
}

impl CrashingJournal<'_> {
    fn call<T>(
        &self,
        call: impl FnOnce(&MemoryJournal) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let dead = JournalError::new(JournalErrorKind::Io, None);
        between(self.machine, dead, || call(self.inner))
    }
}

impl Journal for CrashingJournal<'_> {
    fn commit(&self, batch: &Batch) -> Result<(), JournalError> {
        self.call(|inner| inner.commit(batch))
    }

    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        self.call(|inner| inner.read(space, key))
    }

    fn scan(&self, space: Space, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), JournalError> {
        self.call(|inner| inner.scan(space, visit))
    }
}

#[derive(Clone, Default)]
struct File {
    synced: Vec<u8>,
    current: Vec<u8>,
}

/// A disk that loses or spoils what was not synced.
#[derive(Default)]
struct Disk {
    partial: Mutex<BTreeMap<DownloadKey, File>>,
    finished: Mutex<BTreeMap<DownloadKey, Vec<u8>>>,
}

impl Disk {
    fn with<T>(
        &self,
        key: &DownloadKey,
        call: impl FnOnce(&mut File) -> T,
    ) -> Result<T, SinkError> {
        let mut partial = self.partial.lock().unwrap();
        let file = partial.get_mut(key).ok_or(SinkErrorKind::Missing)?;
        Ok(call(file))
    }

    /// After the crash a partial file has its synced bytes and, depending on luck, some of those
    /// written later, or none of them, or nonsense in their place.
    fn crash(&self, luck: usize) {
        for file in self.partial.lock().unwrap().values_mut() {
            let synced = file.synced.len();
            let written = file.current.len();
            match luck % 4 {
                0 => file.current.truncate(synced),
                1 => {}
                more => {
                    file.current.truncate(synced);
                    file.current.resize(written + (more - 2) * 7, 0xEE);
                }
            }
            file.current[..synced].copy_from_slice(&file.synced);
            file.synced.clone_from(&file.current);
        }
    }
}

struct CrashingSink<'a> {
    machine: &'a Machine,
    disk: &'a Disk,
}

impl CrashingSink<'_> {
    fn call<T>(&self, call: impl FnOnce(&Disk) -> Result<T, SinkError>) -> Result<T, SinkError> {
        between(self.machine, SinkErrorKind::Io.into(), || call(self.disk))
    }
}

impl Sink for CrashingSink<'_> {
    fn reserve(&self, key: &DownloadKey, _: Option<u64>) -> Result<(), SinkError> {
        self.call(|disk| {
            disk.partial.lock().unwrap().entry(key.clone()).or_default();
            Ok(())
        })
    }

    fn len(&self, key: &DownloadKey) -> Result<Option<u64>, SinkError> {
        self.call(|disk| Ok(disk.with(key, |file| file.current.len() as u64).ok()))
    }

    fn write_at(&self, key: &DownloadKey, offset: u64, bytes: &[u8]) -> Result<(), SinkError> {
        self.call(|disk| {
            disk.with(key, |file| {
                let end = offset as usize + bytes.len();
                file.current.resize(end.max(file.current.len()), 0);
                file.current[offset as usize..end].copy_from_slice(bytes);
                // What is overwritten is no longer what was synced.
                file.synced.truncate(offset as usize);
            })
        })
    }

    fn read_at(
        &self,
        key: &DownloadKey,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, SinkError> {
        self.call(|disk| {
            disk.with(key, |file| {
                let rest = &file.current[offset as usize..];
                let length = rest.len().min(buffer.len());
                buffer[..length].copy_from_slice(&rest[..length]);
                length
            })
        })
    }

    fn truncate(&self, key: &DownloadKey, length: u64) -> Result<(), SinkError> {
        self.call(|disk| {
            disk.with(key, |file| {
                file.current.truncate(length as usize);
                file.synced.truncate(length as usize);
            })
        })
    }

    fn sync(&self, key: &DownloadKey) -> Result<(), SinkError> {
        self.call(|disk| disk.with(key, |file| file.synced.clone_from(&file.current)))
    }

    fn finish(&self, key: &DownloadKey) -> Result<String, SinkError> {
        self.call(|disk| {
            if let Some(file) = disk.partial.lock().unwrap().remove(key) {
                disk.finished
                    .lock()
                    .unwrap()
                    .insert(key.clone(), file.current);
            }
            let finished = disk.finished.lock().unwrap().contains_key(key);
            finished
                .then(|| key.to_string())
                .ok_or_else(|| SinkErrorKind::Missing.into())
        })
    }

    fn location(&self, key: &DownloadKey) -> Result<Option<String>, SinkError> {
        self.call(|disk| {
            let finished = disk.finished.lock().unwrap().contains_key(key);
            Ok(finished.then(|| key.to_string()))
        })
    }

    fn discard(&self, key: &DownloadKey) -> Result<(), SinkError> {
        self.call(|disk| {
            disk.partial.lock().unwrap().remove(key);
            disk.finished.lock().unwrap().remove(key);
            Ok(())
        })
    }

    fn keys(&self) -> Result<Vec<DownloadKey>, SinkError> {
        self.call(|disk| Ok(disk.partial.lock().unwrap().keys().cloned().collect()))
    }
}

fn version(number: u8) -> Remote {
    let mut remote = Remote::new(pattern(95 - usize::from(number) * 15, number * 0x55));
    remote.tag = Some(["\"0\"", "\"1\""][usize::from(number)]);
    remote
}

/// Two crashes, each at every possible point, each with every kind of luck; the file changes on
/// the server after the first, and changes back after the second, or not. The download always
/// comes to its end, with the bytes of one version only.
#[test]
fn a_crash_at_any_call_costs_at_most_bytes() {
    let mut crashes = 0;
    for versions in [[0, 0, 0], [0, 1, 1], [0, 1, 0]] {
        for luck in 0..16 {
            for (first, second) in (0..90).flat_map(|n| [(n, n * 7 % 31), (n, n * 11 % 53)]) {
                let bench = Bench::new(version(0), [Step::Cut(50)]);
                let (journal, disk) = (MemoryJournal::new(), Disk::default());
                let attempt = |number: usize, calls: usize| {
                    *bench.source.remote() = version(versions[number]);
                    let machine = Machine::new(calls);
                    let journal = CrashingJournal {
                        machine: &machine,
                        inner: &journal,
                    };
                    let sink = CrashingSink {
                        machine: &machine,
                        disk: &disk,
                    };
                    run(&bench, &journal, &sink, &mut |_| {}).is_ok()
                };
                if attempt(0, first) {
                    break;
                }
                disk.crash(luck);
                if !attempt(1, second) {
                    disk.crash(luck / 4);
                }
                let what = format!("{versions:?}, luck {luck}, crashes at {first} and {second}");
                assert!(attempt(2, usize::MAX), "{what}");
                let found = disk.finished.lock().unwrap().remove(&key()).unwrap();
                let versions = versions.map(|number| version(number).bytes);
                assert!(versions.contains(&found), "{what}");
                crashes += 1;
            }
        }
    }
    assert!(crashes > 2000, "{crashes} crashes");
}
