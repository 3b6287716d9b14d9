use std::time::Duration;

use crate::Cancel;

/// Time for work that blocks: the caller's clock and the caller's way to wait.
///
/// The runtime gives real time; a test steps it, so that a week of retries takes no time.
pub trait Clock: Send + Sync {
    /// Since an origin of the clock's choice; never runs backwards.
    fn now(&self) -> Duration;

    /// Returns when `duration` has passed or `cancel` is thrown.
    fn wait(&self, duration: Duration, cancel: &Cancel);
}
