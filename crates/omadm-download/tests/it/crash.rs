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
use omadm_download::{
    Cancel, Download, DownloadError, DownloadKey, DownloadUri, Ending, Environment, Fetch,
    FetchError, FetchErrorKind, FetchRequest, Finished, Receiver, Sink, SinkError, SinkErrorKind,
};

use crate::{
    described::{self, Shop},
    source::{Bench, Remote, Step, key, pattern, run},
};

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

/// A network that is gone with the machine.
struct CrashingFetch<'a> {
    machine: &'a Machine,
    shop: &'a Shop,
}

impl Fetch for CrashingFetch<'_> {
    fn fetch(
        &self,
        request: &FetchRequest<'_>,
        receiver: &mut dyn Receiver,
    ) -> Result<Ending, FetchError> {
        between(self.machine, FetchErrorKind::Interrupted.into(), || {
            self.shop.fetch(request, receiver)
        })
    }

    fn report(&self, uri: &DownloadUri, line: &str, cancel: &Cancel) -> Result<(), FetchError> {
        between(self.machine, FetchErrorKind::Interrupted.into(), || {
            self.shop.report(uri, line, cancel)
        })
    }
}

/// The run of a download behind a descriptor up to the batch that ends it.
fn run_described(
    bench: &described::Bench,
    machine: &Machine,
    journal: &MemoryJournal,
    disk: &Disk,
) -> Result<Finished, DownloadError> {
    let journal = CrashingJournal {
        machine,
        inner: journal,
    };
    let shop = &bench.shop;
    let environment = Environment {
        fetch: &CrashingFetch { machine, shop },
        sink: &CrashingSink { machine, disk },
        journal: &journal,
        clock: shop,
        policy: &bench.policy,
        cancel: &Cancel::new(),
    };
    let uri = described::DD.parse().unwrap();
    let mut download = Download::prepare(&journal, &key(), &uri, described::TYPE)?;
    let finished = download.run(&environment, &mut |_| {})?;
    let mut batch = Batch::new();
    Download::forget(&mut batch, &key());
    journal.commit(&batch)?;
    Ok(finished)
}

/// Two crashes, each at every possible point of a download behind a descriptor. It comes to its
/// end with the whole file, nothing is left beside it, and all that is reported is its success: once,
/// and once more for a crash amid the report at most.
#[test]
fn a_crash_at_any_call_behind_a_descriptor_costs_at_most_bytes() {
    let (mut crashes, mut repeated) = (0, 0);
    for luck in 0..8 {
        for (first, second) in (0..120).flat_map(|n| [(n, n * 7 % 31), (n, n * 11 % 53)]) {
            let bench = described::Bench::new(&described::descriptor(95));
            bench.change(described::OBJECT, |file| file.cut = Some(50));
            let (journal, disk) = (MemoryJournal::new(), Disk::default());
            let attempt = |calls| run_described(&bench, &Machine::new(calls), &journal, &disk);
            let what = format!("luck {luck}, crashes at {first} and {second}");
            let mut stopped = 0;
            for calls in [first, second, usize::MAX] {
                match attempt(calls) {
                    Ok(finished) => assert_eq!(finished.bytes, 95, "{what}"),
                    Err(error) => {
                        assert_ne!(calls, usize::MAX, "{what}: {error}");
                        stopped += 1;
                        disk.crash(luck);
                        continue;
                    }
                }
                break;
            }
            if stopped == 0 {
                break;
            }
            let finished = disk.finished.lock().unwrap();
            assert_eq!(finished.get(&key()), Some(&pattern(95, 0)), "{what}");
            assert!(disk.partial.lock().unwrap().is_empty(), "{what}");
            assert_eq!(Download::keys(&journal).unwrap(), [], "{what}");
            let reports = bench.reports();
            assert!((1..=stopped + 1).contains(&reports.len()), "{what}");
            assert!(reports.iter().all(|it| it == "900 Success\r\n"), "{what}");
            repeated += reports.len() - 1;
            crashes += 1;
        }
    }
    assert!(crashes > 300 && repeated > 0, "{crashes}, {repeated}");
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
