use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use omadm_download::{Cancel, Clock};

/// Real time: the clock of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock that starts now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn wait(&self, duration: Duration, cancel: &Cancel) {
        let state = Arc::new((Mutex::new(false), Condvar::new()));
        let waker = Arc::clone(&state);
        let _watch = cancel.watch(move || {
            *waker.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            waker.1.notify_all();
        });
        let cancelled = state.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(
            state
                .1
                .wait_timeout_while(cancelled, duration, |cancelled| !*cancelled),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// The wait is an hour: the test ends because it is cut short.
    #[test]
    fn a_wait_ends_when_it_is_cancelled_before_or_meanwhile() {
        let clock = SystemClock::new();
        let cancel = Cancel::new();
        let elsewhere = cancel.clone();
        let thread = thread::spawn(move || elsewhere.cancel());
        clock.wait(Duration::from_secs(3600), &cancel);
        thread.join().unwrap();
        assert!(cancel.is_cancelled());
        clock.wait(Duration::from_secs(3600), &cancel);
    }

    #[test]
    fn a_wait_lasts_as_long_as_asked_for() {
        let clock = SystemClock::new();
        let before = clock.now();
        clock.wait(Duration::from_millis(20), &Cancel::new());
        assert!(clock.now() - before >= Duration::from_millis(20));
    }
}
