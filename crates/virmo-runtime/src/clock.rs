use std::time::{Instant, SystemTime};

use omadm_core::Now;

/// Both clocks of the machine, as engines want them.
#[derive(Clone, Debug)]
pub(crate) struct Clocks {
    origin: Instant,
}

impl Clocks {
    pub(crate) fn new() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Now {
        let wall = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            wall,
            mono: self.origin.elapsed(),
        }
    }
}
