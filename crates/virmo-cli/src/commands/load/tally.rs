use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;

use super::histogram::{Histogram, Percentiles};

/// How many kinds of failure are told apart; what comes beyond is one more.
const MAX_REASONS: usize = 32;

/// Why a session failed, or a request was not answered, that was under way when the load ended.
const CUT: &str = "not over in time, cut off";

/// What is counted while a load goes on; threads share it.
pub(super) struct Tally {
    started: Instant,
    counts: Mutex<Counts>,
}

struct Counts {
    begun: u64,
    completed: u64,
    failed: u64,
    failures: Reasons,
    requests: u64,
    /// Of them, those that never had a connection to leave by.
    unsent: u64,
    answers: u64,
    /// Of those that were not answered; without those under way.
    errors: Reasons,
    commands: u64,
    sent: u64,
    received: u64,
    request_times: Histogram,
    session_times: Histogram,
    failed_session_times: Histogram,
}

type Reasons = BTreeMap<String, u64>;

/// How far a load has come.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Progress {
    seconds: f64,
    sessions: u64,
    failed: u64,
    requests: u64,
    sessions_per_second: f64,
}

/// What came of a load.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Report {
    devices: u32,
    seconds: f64,
    sessions: Sessions,
    requests: Requests,
    commands: u64,
    bytes: Traffic,
    sessions_per_second: f64,
    requests_per_second: f64,
    request_ms: Percentiles,
    session_ms: Percentiles,
    failed_session_ms: Percentiles,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Sessions {
    completed: u64,
    failed: u64,
    failures: Reasons,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Requests {
    sent: u64,
    unsent: u64,
    answered: u64,
    errors: Reasons,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Traffic {
    sent: u64,
    received: u64,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            counts: Mutex::new(Counts {
                begun: 0,
                completed: 0,
                failed: 0,
                failures: Reasons::new(),
                requests: 0,
                unsent: 0,
                answers: 0,
                errors: Reasons::new(),
                commands: 0,
                sent: 0,
                received: 0,
                request_times: Histogram::new(),
                session_times: Histogram::new(),
                failed_session_times: Histogram::new(),
            }),
        }
    }

    /// A session is under way.
    pub(super) fn begin(&self) {
        self.counts().begun += 1;
    }

    /// It is over.
    pub(super) fn end(&self, took: Duration, failure: Option<String>) {
        let mut counts = self.counts();
        match failure {
            None => {
                counts.completed += 1;
                counts.session_times.record(took);
            }
            Some(reason) => {
                counts.failed += 1;
                counts.failed_session_times.record(took);
                count(&mut counts.failures, &reason);
            }
        }
    }

    /// A message of so many bytes is on its way.
    pub(super) fn request(&self, bytes: usize) {
        let mut counts = self.counts();
        counts.requests += 1;
        counts.sent += bytes as u64;
    }

    /// An answer of so many bytes came to one that was.
    pub(super) fn answer(&self, took: Duration, bytes: usize) {
        let mut counts = self.counts();
        counts.answers += 1;
        counts.request_times.record(took);
        counts.received += bytes as u64;
    }

    /// None came.
    pub(super) fn lost(&self, reason: &str) {
        count(&mut self.counts().errors, reason);
    }

    /// A message of so many bytes was not on its way after all: there was no connection.
    pub(super) fn unsent(&self, bytes: usize, reason: &str) {
        let mut counts = self.counts();
        counts.unsent += 1;
        counts.sent -= bytes as u64;
        count(&mut counts.errors, reason);
    }

    /// A command of the server was carried out.
    pub(super) fn command(&self) {
        self.counts().commands += 1;
    }

    pub(super) fn progress(&self) -> Progress {
        let seconds = self.started.elapsed().as_secs_f64();
        let counts = self.counts();
        Progress {
            seconds: rounded(seconds),
            sessions: counts.completed + counts.failed,
            failed: counts.failed,
            requests: counts.requests - counts.unsent,
            sessions_per_second: rounded(counts.completed as f64 / seconds),
        }
    }

    /// What came of it; sessions and requests that are under way are not waited for and have failed.
    pub(super) fn report(&self, devices: u32) -> Report {
        let seconds = self.started.elapsed().as_secs_f64();
        let counts = self.counts();
        let cut = counts.begun - counts.completed - counts.failed;
        let mut failures = counts.failures.clone();
        if cut > 0 {
            failures.insert(CUT.to_owned(), cut);
        }
        let mut errors = counts.errors.clone();
        let waiting = counts.requests - counts.answers - errors.values().sum::<u64>();
        if waiting > 0 {
            errors.insert(CUT.to_owned(), waiting);
        }
        Report {
            devices,
            seconds: rounded(seconds),
            sessions: Sessions {
                completed: counts.completed,
                failed: counts.failed + cut,
                failures,
            },
            requests: Requests {
                sent: counts.requests - counts.unsent,
                unsent: counts.unsent,
                answered: counts.answers,
                errors,
            },
            commands: counts.commands,
            bytes: Traffic {
                sent: counts.sent,
                received: counts.received,
            },
            sessions_per_second: rounded(counts.completed as f64 / seconds),
            requests_per_second: rounded(counts.answers as f64 / seconds),
            request_ms: counts.request_times.percentiles(),
            session_ms: counts.session_times.percentiles(),
            failed_session_ms: counts.failed_session_times.percentiles(),
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(reasons: &mut Reasons, reason: &str) {
    let known = reasons.len() < MAX_REASONS || reasons.contains_key(reason);
    let reason = if known { reason } else { "others" };
    *reasons.entry(reason.to_owned()).or_default() += 1;
}

/// To a thousandth.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

impl Progress {
    pub(super) const fn sessions(&self) -> u64 {
        self.sessions
    }
}

impl Report {
    /// Whether every session went to its end as it should, and there was one.
    pub(super) const fn is_good(&self) -> bool {
        self.sessions.failed == 0 && self.sessions.completed > 0
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seconds,
            sessions,
            failed,
            requests,
            sessions_per_second,
        } = self;
        write!(
            f,
            "{seconds:.0} s  {sessions} sessions, {failed} failed, {requests} requests, {sessions_per_second:.1} sessions/s"
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sessions {
            completed,
            failed,
            failures,
        } = &self.sessions;
        writeln!(f, "{} devices, {:.3} s", self.devices, self.seconds)?;
        writeln!(
            f,
            "sessions  {completed} completed, {failed} failed, {:.1} per second",
            self.sessions_per_second
        )?;
        reasons(f, failures)?;
        let Requests {
            sent,
            unsent,
            answered,
            errors,
        } = &self.requests;
        writeln!(
            f,
            "requests  {sent} sent, {unsent} not sent, {answered} answered, {:.1} per second",
            self.requests_per_second
        )?;
        reasons(f, errors)?;
        writeln!(f, "commands  {}", self.commands)?;
        let Traffic { sent, received } = &self.bytes;
        writeln!(f, "bytes     {sent} sent, {received} received")?;
        write!(f, "ms             p50       p90       p99       max")?;
        let all = [
            ("request", self.request_ms),
            ("session", self.session_ms),
            ("failed", self.failed_session_ms),
        ];
        let shown = if *failed > 0 { 3 } else { 2 };
        for (name, times) in all.into_iter().take(shown) {
            let Percentiles { p50, p90, p99, max } = times;
            write!(f, "\n{name:<8} {p50:>9.3} {p90:>9.3} {p99:>9.3} {max:>9.3}")?;
        }
        Ok(())
    }
}

fn reasons(f: &mut fmt::Formatter<'_>, reasons: &Reasons) -> fmt::Result {
    reasons
        .iter()
        .try_for_each(|(reason, count)| writeln!(f, "          {count}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_in_no_rate_and_no_percentile_of_what_did_not() {
        let tally = Tally::new();
        for _ in 0..3 {
            tally.begin();
        }
        tally.end(Duration::from_millis(1), None);
        tally.end(Duration::from_secs(60), Some("lost".to_owned()));
        for _ in 0..4 {
            tally.request(10);
        }
        tally.answer(Duration::from_millis(1), 10);
        tally.lost("lost");
        tally.unsent(10, "nobody");
        let report = tally.report(3);
        let requests = &report.requests;
        assert_eq!(
            (requests.sent, requests.unsent, requests.answered),
            (3, 1, 1)
        );
        let errors = [CUT, "lost", "nobody"].map(|reason| (reason.to_owned(), 1));
        assert_eq!(requests.errors, Reasons::from(errors));
        assert_eq!((report.bytes.sent, report.bytes.received), (30, 10));
        assert_eq!(tally.progress().requests, 3);
        // One session was completed, and one request answered.
        assert_eq!(report.sessions_per_second, report.requests_per_second);
        assert_eq!(report.session_ms.max, 1.0);
        assert_eq!(report.failed_session_ms.max, 60_000.0);
        assert_eq!(report.request_ms.max, 1.0);
        assert_eq!(tally.progress().sessions(), 2);
        assert_eq!((report.sessions.completed, report.sessions.failed), (1, 2));
        let failures = [(CUT.to_owned(), 1), ("lost".to_owned(), 1)];
        assert_eq!(report.sessions.failures, Reasons::from(failures));
        let told = report.to_string();
        assert!(
            told.lines()
                .last()
                .unwrap_or_default()
                .starts_with("failed ")
        );
        assert!(!Tally::new().report(1).to_string().contains("failed  "));
    }
}
