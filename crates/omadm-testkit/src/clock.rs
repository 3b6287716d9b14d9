use std::time::Duration;

use omadm_core::Now;

/// A clock that stands still until it is moved.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    now: Now,
}

impl Default for Clock {
    /// Noon of 1 March 2026; monotonic time starts at 1,000 s.
    fn default() -> Self {
        Self {
            now: Now {
                wall: Duration::from_secs(1_772_366_400),
                mono: Duration::from_secs(1000),
            },
        }
    }
}

impl Clock {
    /// The moment.
    #[must_use]
    pub const fn now(&self) -> Now {
        self.now
    }

    /// Moves on.
    pub fn advance(&mut self, by: Duration) {
        self.now.wall += by;
        self.now.mono += by;
    }

    /// Moves on to a moment, monotonic, unless it has passed.
    pub fn advance_to(&mut self, mono: Duration) {
        self.advance(mono.saturating_sub(self.now.mono));
    }
}
