//! What back ends have in common: the record of a machine, changes of resources, disks.
//!
//! Nothing of it has to be used: the contract is [`Hypervisor`](crate::Hypervisor) alone.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

mod change;
mod files;
mod record;

pub use change::Change;
pub use files::{
    copy_disk, failed, make_folder, open_disk_image, overwrite, remove, rename, settle, sync_folder,
};
pub use record::{Found, RECORD, Record};

/// Counts the durable effects of calls, to end the process at one of them: for tests that kill a
/// client.
#[derive(Debug, Default)]
pub struct Steps {
    done: AtomicU64,
    abort_at: Option<u64>,
}

impl Steps {
    /// Aborts the process at this effect, the first being 1.
    #[must_use]
    pub const fn new(abort_at: Option<u64>) -> Self {
        Self {
            done: AtomicU64::new(0),
            abort_at,
        }
    }

    /// An effect is there.
    pub fn step(&self) {
        let step = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if self.abort_at == Some(step) {
            std::process::abort();
        }
    }
}

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(3);

/// Waits for a condition; whether it came true in time.
///
/// # Errors
///
/// That of the condition.
pub fn wait_for<E>(
    within: Duration,
    mut condition: impl FnMut() -> Result<bool, E>,
) -> Result<bool, E> {
    let deadline = Instant::now() + within;
    loop {
        if condition()? {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        sleep(POLL);
    }
}
