use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use omadm_download::Cancel;

/// Lets so many in at once, and the others wait.
#[derive(Debug)]
pub(crate) struct Gate {
    free: Mutex<usize>,
    changed: Condvar,
}

/// A place inside; free again when it is dropped.
pub(crate) struct Place(Arc<Gate>);

impl Gate {
    /// At least one gets in.
    pub(crate) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Mutex::new(places.max(1)),
            changed: Condvar::new(),
        })
    }

    /// Waits for a place; `None` if that is cancelled.
    pub(crate) fn enter(self: &Arc<Self>, cancel: &Cancel) -> Option<Place> {
        let gate = Arc::clone(self);
        let _watch = cancel.watch(move || {
            // Under the lock, so that nobody misses it between a look and its wait.
            drop(gate.lock());
            gate.changed.notify_all();
        });
        let mut free = self.lock();
        while *free == 0 && !cancel.is_cancelled() {
            let woken = self.changed.wait(free);
            free = woken.unwrap_or_else(PoisonError::into_inner);
        }
        if cancel.is_cancelled() {
            return None;
        }
        *free -= 1;
        Some(Place(Arc::clone(self)))
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.lock() += 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    #[test]
    fn so_many_get_in_and_the_next_when_one_leaves() {
        let gate = Gate::new(2);
        let cancel = Cancel::new();
        let first = gate.enter(&cancel).unwrap();
        let second = gate.enter(&cancel).unwrap();
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            let (gate, cancel) = (&gate, &cancel);
            scope.spawn(move || {
                let place = gate.enter(cancel);
                tell.send(place.is_some()).unwrap();
            });
            assert!(told.try_recv().is_err());
            drop(first);
            assert_eq!(told.recv(), Ok(true));
        });
        drop(second);
        assert_eq!(*gate.lock(), 2);
    }

    #[test]
    fn who_is_cancelled_waits_no_more() {
        let gate = Gate::new(0);
        let _only = gate.enter(&Cancel::new()).unwrap();
        let cancel = Cancel::new();
        let elsewhere = cancel.clone();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| gate.enter(&cancel).is_none());
            elsewhere.cancel();
            assert!(waiting.join().unwrap());
        });
        assert!(gate.enter(&cancel).is_none());
    }
}
