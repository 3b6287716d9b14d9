use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The time of day: since 1970-01-01T00:00:00Z. Authorizations to monitor outlive a restart, so they
/// are kept in it. A clock that is set back ends no lease and makes none longer than its whole time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Duration;
}

/// A [`Clock`] that goes where it is told.
///
/// ```
/// use std::time::Duration;
///
/// use uve_engine::{Clock, SteppedClock};
///
/// let clock = SteppedClock::default();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now(), Duration::from_secs(60));
/// ```
#[derive(Debug, Default)]
pub struct SteppedClock(Mutex<Duration>);

impl SteppedClock {
    /// Goes on by `step`.
    pub fn advance(&self, step: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.saturating_add(step);
    }

    /// Goes to a time, which may lie before: clocks are set.
    pub fn set(&self, time: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = time;
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
