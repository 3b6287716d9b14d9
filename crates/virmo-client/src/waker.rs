use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use omadm_download::{Cancel, Clock};
use virmo_hypervisor::ChangeHint;

/// What the watch sleeps on.
#[derive(Debug, Default)]
pub(crate) struct Waker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    /// A hint came that nobody has looked after.
    hinted: bool,
    /// Ends the sleep under way.
    wake: Cancel,
}

impl Waker {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Ends the sleep under way, or else the next; does not keep the waker alive.
    pub(crate) fn hint(self: &Arc<Self>) -> ChangeHint {
        let waker = Arc::downgrade(self);
        Arc::new(move || {
            if let Some(waker) = waker.upgrade() {
                waker.wake(|state| state.hinted = true);
            }
        })
    }

    /// Ends the sleep under way and every later one.
    pub(crate) fn stop(&self) {
        self.wake(|state| state.stopped = true);
    }

    /// Returns after this time, or a hint; `false` once stopped.
    pub(crate) fn sleep(&self, clock: &dyn Clock, time: Duration) -> bool {
        let wake = {
            let mut state = self.lock();
            state.wake = Cancel::new();
            (!state.stopped && !state.hinted).then(|| state.wake.clone())
        };
        if let Some(wake) = wake {
            clock.wait(time, &wake);
        }
        let mut state = self.lock();
        state.hinted = false;
        !state.stopped
    }

    fn wake(&self, change: impl FnOnce(&mut State)) {
        let wake = {
            let mut state = self.lock();
            change(&mut state);
            state.wake.clone()
        };
        wake.cancel();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Sleeps until it is woken, and says that it sleeps.
    struct Endless(mpsc::Sender<()>);

    impl Clock for Endless {
        fn now(&self) -> Duration {
            Duration::ZERO
        }

        fn wait(&self, _: Duration, cancel: &Cancel) {
            let (woken, over) = mpsc::channel();
            let _watch = cancel.watch(move || woken.send(()).unwrap());
            self.0.send(()).unwrap();
            over.recv().unwrap();
        }
    }

    #[test]
    fn a_hint_ends_the_sleep_under_way_or_the_next_one() {
        let (asleep, sleeps) = mpsc::channel();
        let clock = Endless(asleep);
        let waker = Waker::new();
        let hint = waker.hint();
        hint();
        assert!(waker.sleep(&clock, Duration::ZERO));
        assert!(sleeps.try_recv().is_err(), "it did not sleep at all");
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| waker.sleep(&clock, Duration::ZERO));
            sleeps.recv().unwrap();
            hint();
            assert!(sleeper.join().unwrap());
            let sleeper = scope.spawn(|| waker.sleep(&clock, Duration::ZERO));
            sleeps.recv().unwrap();
            waker.stop();
            assert!(!sleeper.join().unwrap());
        });
        assert!(!waker.sleep(&clock, Duration::ZERO));
        drop(waker);
        hint();
    }
}
