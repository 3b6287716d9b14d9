use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// Stops work from another thread. Clones are one and the same switch; it never goes back.
///
/// ```
/// use omadm_download::Cancel;
///
/// let cancel = Cancel::new();
/// let elsewhere = cancel.clone();
/// elsewhere.cancel();
/// assert!(cancel.is_cancelled());
/// ```
#[derive(Clone, Default)]
pub struct Cancel(Arc<Shared>);

#[derive(Default)]
struct Shared {
    cancelled: AtomicBool,
    next: AtomicU64,
    watchers: Mutex<Vec<(u64, Watcher)>>,
}

type Watcher = Box<dyn FnOnce() + Send>;

impl Cancel {
    /// A switch that is not thrown yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Throws the switch and runs what waits for it, in this thread.
    pub fn cancel(&self) {
        let watchers = {
            let mut watchers = self.0.lock();
            self.0.cancelled.store(true, Ordering::SeqCst);
            std::mem::take(&mut *watchers)
        };
        for (_, watcher) in watchers {
            watcher();
        }
    }

    /// Whether the switch is thrown.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Runs `watcher` once when the switch is thrown: at once if it is already, never if the
    /// returned guard is dropped before.
    ///
    /// For what blocks: a socket to shut down, a condition variable to wake.
    pub fn watch(&self, watcher: impl FnOnce() + Send + 'static) -> CancelWatch {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let mut watchers = self.0.lock();
        if self.is_cancelled() {
            drop(watchers);
            watcher();
        } else {
            watchers.push((id, Box::new(watcher)));
        }
        CancelWatch {
            shared: Arc::clone(&self.0),
            id,
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(u64, Watcher)>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancel").field(&self.is_cancelled()).finish()
    }
}

/// The guard [`Cancel::watch`] returns; its drop takes the watcher away.
#[must_use = "dropping the guard takes the watcher away"]
pub struct CancelWatch {
    shared: Arc<Shared>,
    id: u64,
}

impl fmt::Debug for CancelWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelWatch").finish_non_exhaustive()
    }
}

impl Drop for CancelWatch {
    fn drop(&mut self) {
        self.shared.lock().retain(|(id, _)| *id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn counter() -> (Arc<AtomicUsize>, impl Fn() -> usize) {
        let count = Arc::new(AtomicUsize::new(0));
        let reader = Arc::clone(&count);
        (count, move || reader.load(Ordering::SeqCst))
    }

    #[test]
    fn a_watcher_runs_once_whether_it_came_before_or_after() {
        let cancel = Cancel::new();
        let (count, seen) = counter();
        let (before, after) = (Arc::clone(&count), count);
        let _before = cancel.watch(move || _ = before.fetch_add(1, Ordering::SeqCst));
        assert_eq!(seen(), 0);
        cancel.cancel();
        cancel.cancel();
        assert_eq!(seen(), 1);
        let _after = cancel.watch(move || _ = after.fetch_add(10, Ordering::SeqCst));
        assert_eq!(seen(), 11);
    }

    #[test]
    fn a_dropped_guard_takes_its_watcher_away_and_no_other() {
        let cancel = Cancel::new();
        let (count, seen) = counter();
        let (gone, stays) = (Arc::clone(&count), count);
        let guard = cancel.watch(move || _ = gone.fetch_add(1, Ordering::SeqCst));
        let _stays = cancel.watch(move || _ = stays.fetch_add(10, Ordering::SeqCst));
        drop(guard);
        cancel.cancel();
        assert_eq!(seen(), 10);
    }
}
