use std::time::Duration;

/// How often something is tried again, and after which pause: each is twice the one before.
/// [DM-Protocol §7.1]
///
/// ```
/// use std::time::Duration;
///
/// use omadm_core::Backoff;
///
/// let backoff = Backoff {
///     retries: 3,
///     first: Duration::from_secs(2),
///     longest: Duration::from_secs(6),
/// };
/// let pauses = (1..=4).map(|failures| backoff.next(failures, None).map(|it| it.as_secs()));
/// assert_eq!(pauses.collect::<Vec<_>>(), [Some(2), Some(4), Some(6), None]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backoff {
    /// Retries after the first failure; 0 never tries again.
    pub retries: u32,
    /// The pause before the first retry.
    pub first: Duration,
    /// No pause is longer.
    pub longest: Duration,
}

impl Backoff {
    /// The pause after this many failures, counted from 1, however many they are.
    #[must_use]
    pub fn pause(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }

    /// The pause before the next try after this many failures, counted from 1; `None`: give up.
    ///
    /// A peer that asks for a longer pause gets it; one that asks for more than `longest` is given
    /// up on.
    #[must_use]
    pub fn next(&self, failures: u32, asked: Option<Duration>) -> Option<Duration> {
        let asked = asked.unwrap_or_default();
        let goes_on = failures <= self.retries && asked <= self.longest;
        goes_on.then(|| self.pause(failures).max(asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn backoff(retries: u32) -> Backoff {
        Backoff {
            retries,
            first: 4 * SECOND,
            longest: 60 * SECOND,
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses: Vec<_> = (1..=6).map(|n| backoff(0).pause(n).as_secs()).collect();
        assert_eq!(pauses, [4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff(0).pause(u32::MAX), 60 * SECOND);
    }

    #[test]
    fn retries_are_counted() {
        assert_eq!(backoff(0).next(1, None), None);
        assert_eq!(backoff(2).next(2, None), Some(8 * SECOND));
        assert_eq!(backoff(2).next(3, None), None);
        assert_eq!(backoff(u32::MAX).next(u32::MAX, None), Some(60 * SECOND));
    }

    #[test]
    fn a_peer_may_ask_for_more_patience_within_the_limit() {
        let backoff = backoff(9);
        assert_eq!(backoff.next(1, Some(SECOND)), Some(4 * SECOND));
        assert_eq!(backoff.next(1, Some(60 * SECOND)), Some(60 * SECOND));
        assert_eq!(backoff.next(1, Some(61 * SECOND)), None);
    }
}
