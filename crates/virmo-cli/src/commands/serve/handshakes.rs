//! What `virmo serve` says of TLS handshakes that fail.

use std::{
    fmt::Display,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// How long the next one is left out after one that was told: anybody can cause them.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells some of the handshakes that failed, and how many it left out.
#[derive(Default)]
pub(super) struct Handshakes {
    told: Option<Instant>,
    left_out: u64,
}

impl Handshakes {
    /// What to say of one that failed now, if it is said.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        error: &dyn Display,
    ) -> Option<String> {
        if self.told.is_some_and(|told| now < told + PAUSE) {
            self.left_out += 1;
            return None;
        }
        self.told = Some(now);
        let others = match std::mem::take(&mut self.left_out) {
            0 => String::new(),
            others => format!(" ({others} more since the last one told)"),
        };
        Some(format!("no TLS with {remote}: {error}{others}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_at_once_the_first_is_told_and_the_others_counted() {
        let remote = "127.0.0.1:9".parse().unwrap();
        let (mut handshakes, start) = (Handshakes::default(), Instant::now());
        let mut failed = |millis| {
            let now = start + Duration::from_millis(millis);
            handshakes.failed(now, remote, &"no certificate")
        };
        let told = "no TLS with 127.0.0.1:9: no certificate";
        assert_eq!(failed(0).as_deref(), Some(told));
        assert_eq!([failed(0), failed(500), failed(999)], [None, None, None]);
        let counted = format!("{told} (3 more since the last one told)");
        assert_eq!(failed(1000), Some(counted));
        assert_eq!(failed(2000).as_deref(), Some(told));
    }
}
