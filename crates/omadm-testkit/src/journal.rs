use std::{
    collections::BTreeSet,
    iter::repeat,
    sync::{Arc, Mutex},
};

use omadm_core::{Batch, Journal, JournalError, JournalErrorKind, MemoryJournal, Operation, Space};
use omadm_session::Random;

/// A [`MemoryJournal`] whose commits fail when told to.
///
/// Clones share everything, as two handles of one medium: what was committed is there when a device
/// is built again on it.
#[derive(Clone, Debug, Default)]
pub struct TestJournal(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    records: MemoryJournal,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    commits: usize,
    /// What became durable since it was last asked for; nothing if it never was.
    batches: Option<Vec<String>>,
    /// How many nonces were made.
    nonces: u64,
    /// The commit that fails, counted from 0; and how.
    fault: Option<(usize, JournalErrorKind)>,
    /// Whether all that follow fail too.
    for_good: bool,
}

impl TestJournal {
    /// The next commit but `after` fails, once.
    pub fn fail_once(&self, after: usize, kind: JournalErrorKind) {
        let mut state = self.0.state.lock().unwrap();
        state.fault = Some((state.commits + after, kind));
        state.for_good = false;
    }

    /// Every commit fails from now on.
    pub fn fail_for_good(&self, kind: JournalErrorKind) {
        self.fail_once(0, kind);
        self.0.state.lock().unwrap().for_good = true;
    }

    /// Commits succeed again.
    pub fn mend(&self) {
        self.0.state.lock().unwrap().fault = None;
    }

    /// Octets that differ from call to call, the same in every run; they go on where those of the
    /// last device on this journal ended.
    pub fn random(&self) -> impl Random + 'static {
        let journal = self.clone();
        move |octets: &mut [u8]| {
            let mut state = journal.0.state.lock().unwrap();
            state.nonces += 1;
            let number = state.nonces.to_be_bytes();
            octets
                .iter_mut()
                .rev()
                .zip(number.into_iter().rev().chain(repeat(0xA5)))
                .for_each(|(octet, value)| *octet = value);
            Ok(())
        }
    }

    /// How many commits were tried.
    #[must_use]
    pub fn commits(&self) -> usize {
        self.0.state.lock().unwrap().commits
    }

    /// The batches that became durable since they were last asked for, the first question being
    /// the first: of each the spaces it wrote in, and with `-` those in which it removed something.
    pub fn batches(&self) -> Vec<String> {
        let batches = &mut self.0.state.lock().unwrap().batches;
        batches.replace(Vec::new()).unwrap_or_default()
    }

    /// The records of a space.
    #[must_use]
    pub fn records(&self, space: Space) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut records = Vec::new();
        let mut visit = |key: &[u8], value: &[u8]| records.push((key.to_vec(), value.to_vec()));
        self.0.records.scan(space, &mut visit).unwrap();
        records
    }
}

impl Journal for TestJournal {
    fn commit(&self, batch: &Batch) -> Result<(), JournalError> {
        let mut state = self.0.state.lock().unwrap();
        let commit = state.commits;
        state.commits += 1;
        match state.fault {
            Some((at, kind)) if commit == at || (state.for_good && commit > at) => {
                Err(JournalError::new(kind, None))
            }
            _ => {
                if let Some(batches) = &mut state.batches {
                    batches.push(spaces(batch));
                }
                self.0.records.commit(batch)
            }
        }
    }

    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        self.0.records.read(space, key)
    }

    fn scan(&self, space: Space, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), JournalError> {
        self.0.records.scan(space, visit)
    }
}

/// The spaces a batch changes, in order.
fn spaces(batch: &Batch) -> String {
    let names: BTreeSet<_> = batch
        .operations()
        .iter()
        .map(|operation| match operation {
            Operation::Put { space, .. } => space.name().to_owned(),
            Operation::Remove { space, .. } => format!("-{}", space.name()),
        })
        .collect();
    names.into_iter().collect::<Vec<_>>().join(" ")
}
