//! A disk that takes no more: full, or not to be written, from some write on.

use std::sync::{Arc, Mutex};

use omadm_core::{Batch, Journal, JournalError, JournalErrorKind, Space, StatusCode};
use omadm_download::{DownloadKey, Sink, SinkError, SinkErrorKind};
use omadm_mo::Reporting;

use crate::{
    scenarios::asked,
    trial::{Tally, Trial, stride},
};

/// What journal and sink write to; it works until it is told to fail.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// How many more writes it takes, and how those after fail.
    end: Option<(usize, JournalErrorKind)>,
    /// How many writes failed.
    refused: usize,
}

impl Disk {
    /// Takes so many more writes, then fails so.
    fn fail(&self, writes: usize, kind: JournalErrorKind) {
        *self.0.lock().unwrap() = State {
            end: Some((writes, kind)),
            refused: 0,
        };
    }

    /// Works again; how many writes failed.
    fn mend(&self) -> usize {
        let mut state = self.0.lock().unwrap();
        state.end = None;
        state.refused
    }

    fn write(&self) -> Result<(), JournalErrorKind> {
        let state = &mut *self.0.lock().unwrap();
        match &mut state.end {
            None => Ok(()),
            Some((0, kind)) => {
                state.refused += 1;
                Err(*kind)
            }
            Some((left, _)) => {
                *left -= 1;
                Ok(())
            }
        }
    }
}

impl Disk {
    /// A change that needs no room: it fails only where nothing can be written.
    fn change(&self) -> Result<(), JournalErrorKind> {
        let is_full = {
            let state = self.0.lock().unwrap();
            matches!(state.end, Some((_, JournalErrorKind::Full)))
        };
        if is_full { Ok(()) } else { self.write() }
    }
}

/// What is on a disk.
pub(crate) struct On<T: ?Sized>(pub(crate) Disk, pub(crate) Arc<T>);

impl Journal for On<dyn Journal> {
    fn commit(&self, batch: &Batch) -> Result<(), JournalError> {
        let taken = self.0.write();
        taken.map_err(|kind| JournalError::new(kind, None))?;
        self.1.commit(batch)
    }

    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        self.1.read(space, key)
    }

    fn scan(&self, space: Space, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), JournalError> {
        self.1.scan(space, visit)
    }
}

impl On<dyn Sink> {
    fn write(&self) -> Result<(), SinkError> {
        self.0.write().map_err(refused)
    }

    fn change(&self) -> Result<(), SinkError> {
        self.0.change().map_err(refused)
    }
}

fn refused(kind: JournalErrorKind) -> SinkError {
    match kind {
        JournalErrorKind::Full => SinkErrorKind::NoSpace.into(),
        _ => SinkErrorKind::ReadOnly.into(),
    }
}

impl Sink for On<dyn Sink> {
    fn reserve(&self, key: &DownloadKey, total: Option<u64>) -> Result<(), SinkError> {
        self.write()?;
        self.1.reserve(key, total)
    }

    fn len(&self, key: &DownloadKey) -> Result<Option<u64>, SinkError> {
        self.1.len(key)
    }

    fn write_at(&self, key: &DownloadKey, offset: u64, bytes: &[u8]) -> Result<(), SinkError> {
        self.write()?;
        self.1.write_at(key, offset, bytes)
    }

    fn read_at(&self, key: &DownloadKey, offset: u64, to: &mut [u8]) -> Result<usize, SinkError> {
        self.1.read_at(key, offset, to)
    }

    fn truncate(&self, key: &DownloadKey, length: u64) -> Result<(), SinkError> {
        self.change()?;
        self.1.truncate(key, length)
    }

    fn sync(&self, key: &DownloadKey) -> Result<(), SinkError> {
        self.write()?;
        self.1.sync(key)
    }

    fn finish(&self, key: &DownloadKey) -> Result<String, SinkError> {
        // Where it is done already there is nothing to change.
        if self.1.len(key)?.is_some() {
            self.change()?;
        }
        self.1.finish(key)
    }

    fn location(&self, key: &DownloadKey) -> Result<Option<String>, SinkError> {
        self.1.location(key)
    }

    fn discard(&self, key: &DownloadKey) -> Result<(), SinkError> {
        if self.1.len(key)?.is_some() || self.1.location(key)?.is_some() {
            self.change()?;
        }
        self.1.discard(key)
    }

    fn keys(&self) -> Result<Vec<DownloadKey>, SinkError> {
        self.1.keys()
    }
}

/// Every primitive and what is beside them, with a disk that takes no more from some write on: the
/// server is told 420 of a full one and 500 of one that cannot be written, memory and disk stay
/// equal all the while, and as soon as there is room what was begun comes to an end and the next
/// attempt works, without a restart.
#[test]
fn a_disk_that_takes_no_more_is_told_and_costs_nothing() {
    let (stride, mut at) = (stride(1), 0);
    let mut tally = Tally::default();
    let mut told = 0;
    for scenario in asked() {
        for (kind, code) in [
            (JournalErrorKind::Full, StatusCode::DEVICE_FULL),
            (JournalErrorKind::ReadOnly, StatusCode::COMMAND_FAILED),
        ] {
            let mut trial = Trial::new(scenario, Reporting::Synchronous);
            for writes in 0.. {
                at += 1;
                if writes > 0 && at % stride != 0 {
                    continue;
                }
                let disk = trial.world.disk.clone();
                trial.begin();
                disk.fail(writes, kind);
                trial.ask();
                trial.world.stall();
                let mut broken = trial.world.not_durable();
                let refused = disk.mend();
                if refused == 0 {
                    break;
                }
                trial.world.recollect();
                trial.settle();
                for report in trial.world.reports.iter().filter(|report| !report.ok) {
                    told += 1;
                    // A server that was promised an alert may not wait until there is room for it.
                    let waited = report.status == Some(StatusCode::ACCEPTED);
                    if report.status != Some(code) && !waited {
                        broken.push(format!("told {report:?}"));
                    }
                }
                broken.extend(trial.look());
                if !trial.is_before() && !trial.is_after() {
                    broken.push(format!("now {:?}", trial.world.states()));
                }
                broken.extend(trial.again());
                let context = format!("{}, {kind:?} after {writes} writes", scenario.name);
                tally.note(&context, broken);
            }
        }
    }
    println!("{told} failures were told");
    tally.judge("full and read-only disks", 160 / stride);
}
