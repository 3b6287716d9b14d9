use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use omadm_core::{Batch, Journal, JournalError, JournalErrorKind, MemoryJournal, Space};

/// A journal in memory that keeps nothing while it is told so, and counts how often it is asked to.
#[derive(Default)]
pub(crate) struct Full {
    kept: MemoryJournal,
    pub(crate) is_full: AtomicBool,
    pub(crate) commits: AtomicUsize,
}

impl Journal for Full {
    fn commit(&self, batch: &Batch) -> Result<(), JournalError> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        match self.is_full.load(Ordering::Relaxed) {
            true => Err(JournalError::new(JournalErrorKind::Full, None)),
            false => self.kept.commit(batch),
        }
    }

    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        self.kept.read(space, key)
    }

    fn scan(&self, space: Space, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), JournalError> {
        self.kept.scan(space, visit)
    }
}
