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

/// How often to try again, and how long to wait before: each wait is twice the one before.
/// [DM-Protocol §7.1]
///
/// ```
/// use std::time::Duration;
///
/// use omadm_download::Backoff;
///
/// let backoff = Backoff {
///     retries: 3,
///     first: Duration::from_secs(2),
///     longest: Duration::from_secs(6),
/// };
/// let waits: Vec<_> = (0..4).map(|n| backoff.wait(n, None).map(|d| d.as_secs())).collect();
/// assert_eq!(waits, [Some(2), Some(4), Some(6), None]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backoff {
    /// Retries after the first failure; 0 never tries again.
    pub retries: u32,
    /// The wait before the first retry.
    pub first: Duration,
    /// No wait is longer.
    pub longest: Duration,
}

impl Backoff {
    /// The wait before the next attempt, when `retried` retries have failed already; `None`: give
    /// up.
    ///
    /// A peer that asks for a longer wait gets it; one that asks for more than `longest` is given
    /// up on.
    #[must_use]
    pub fn wait(&self, retried: u32, asked: Option<Duration>) -> Option<Duration> {
        if retried >= self.retries {
            return None;
        }
        let asked = asked.unwrap_or_default();
        if asked > self.longest {
            return None;
        }
        let doubled = 2u32
            .checked_pow(retried)
            .and_then(|n| self.first.checked_mul(n));
        Some(doubled.unwrap_or(self.longest).min(self.longest).max(asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_may_ask_for_more_patience_within_the_limit() {
        let backoff = Backoff {
            retries: u32::MAX,
            first: Duration::from_secs(4),
            longest: Duration::from_secs(60),
        };
        let seconds = Duration::from_secs;
        assert_eq!(backoff.wait(0, Some(seconds(1))), Some(seconds(4)));
        assert_eq!(backoff.wait(0, Some(seconds(60))), Some(seconds(60)));
        assert_eq!(backoff.wait(0, Some(seconds(61))), None);
        assert_eq!(backoff.wait(4_000_000_000, None), Some(seconds(60)));
    }
}
