use std::sync::Arc;

use omadm_core::{Batch, Journal, JournalError, JournalErrorKind, Space};

use crate::{CallKind, Points};

/// A [`Journal`] whose calls are [`Points`].
#[derive(Clone)]
pub struct TroubledJournal {
    inner: Arc<dyn Journal>,
    points: Points,
    kind: JournalErrorKind,
}

impl TroubledJournal {
    /// Decorates a journal, whose failures are then those of a medium that failed.
    #[must_use]
    pub fn new(inner: Arc<dyn Journal>, points: &Points) -> Self {
        Self {
            inner,
            points: points.clone(),
            kind: JournalErrorKind::Io,
        }
    }

    /// Fails in this way instead.
    #[must_use]
    pub const fn failing(mut self, kind: JournalErrorKind) -> Self {
        self.kind = kind;
        self
    }

    fn call<T>(
        &self,
        kind: CallKind,
        name: &str,
        call: impl FnOnce(&dyn Journal) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let refused = || JournalError::new(self.kind, None);
        self.points.call(kind, name, refused, || call(&*self.inner))
    }
}

impl Journal for TroubledJournal {
    fn commit(&self, batch: &Batch) -> Result<(), JournalError> {
        self.call(CallKind::Commit, "Journal::commit", |inner| {
            inner.commit(batch)
        })
    }

    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        self.call(CallKind::Look, "Journal::read", |inner| {
            inner.read(space, key)
        })
    }

    fn scan(&self, space: Space, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), JournalError> {
        self.call(CallKind::Look, "Journal::scan", |inner| {
            inner.scan(space, visit)
        })
    }
}
