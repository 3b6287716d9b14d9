//! Rounds of ours and the anchor by turns, and the table of their ratios.
//!
//! Where nothing else is said, what is measured is the processor's time of the thread: waiting for
//! a busy machine does not count, though what others do to the caches does.

use std::{cell::Cell, process::ExitCode, time::Duration};

use rustix::time::{ClockId, clock_gettime};

/// How many rounds a row has.
const ROUNDS: usize = 21;

/// How long one side of a round takes, about.
const SLICE: Duration = Duration::from_millis(20);

/// What a row has to reach.
#[derive(Clone, Copy)]
pub enum Target {
    /// So many times the speed of the anchor, or more.
    Speed(f64),
    /// So many times the time of the anchor, or less.
    Time(f64),
}

/// Prints rows as they come.
pub struct Table {
    wanted: Option<String>,
    /// Whether there is a row that was asked for.
    found: Cell<bool>,
    /// The rows of the table of what is possible.
    floors: Vec<String>,
}

impl Table {
    pub fn new(wanted: Option<String>) -> Self {
        println!("| what | anchor | must reach | min | median | max | ours | |");
        println!("|---|---|---|---|---|---|---|---|");
        Self {
            wanted,
            found: Cell::new(false),
            floors: Vec::new(),
        }
    }

    /// Prints what is possible at most, where that was measured. It is a failure if no row was.
    pub fn finish(self) -> ExitCode {
        if !self.found.get() {
            let wanted = self.wanted.unwrap_or_default();
            eprintln!("no row has {wanted:?} in its name; without a word all are measured");
            return ExitCode::FAILURE;
        }
        if self.floors.is_empty() {
            return ExitCode::SUCCESS;
        }
        println!("\n| what | floor | anchor over floor | must reach | reached |");
        println!("|---|---|---|---|---|");
        for row in self.floors {
            println!("{row}");
        }
        ExitCode::SUCCESS
    }

    /// Measures a row.
    pub fn row(
        &mut self,
        what: &str,
        anchor_name: &str,
        target: Target,
        mut ours: impl FnMut(),
        mut anchor: impl FnMut(),
    ) {
        if !self.wants(what) {
            return;
        }
        let (our_turns, anchor_turns) = (turns(&mut ours), turns(&mut anchor));
        self.rounds(
            what,
            anchor_name,
            target,
            || time(&mut ours, our_turns),
            || time(&mut anchor, anchor_turns),
        );
    }

    /// A row with a floor: what ours cannot be without, by its name.
    pub fn row_above(
        &mut self,
        what: &str,
        anchor_name: &str,
        due: f64,
        mut ours: impl FnMut(),
        mut anchor: impl FnMut(),
        (floor_name, mut floor): (&str, impl FnMut()),
    ) {
        if !self.wants(what) {
            return;
        }
        let (our_turns, anchor_turns) = (turns(&mut ours), turns(&mut anchor));
        let mut anchor_times = Vec::new();
        let reached = self.rounds(
            what,
            anchor_name,
            Target::Speed(due),
            || time(&mut ours, our_turns),
            || {
                let took = time(&mut anchor, anchor_turns);
                anchor_times.push(took);
                took
            },
        );
        // Behind them: it would leave the text in the caches for who comes after it.
        let floor_turns = turns(&mut floor);
        let mut possible: Vec<_> = anchor_times
            .into_iter()
            .map(|took| took / time(&mut floor, floor_turns))
            .collect();
        possible.sort_by(f64::total_cmp);
        let possible = possible[ROUNDS / 2];
        self.floors.push(format!(
            "| {what} | {floor_name} | {possible:.2} | {due} | {reached:.2} |"
        ));
    }

    /// A row each side of which says itself how many seconds one turn took. The median of the
    /// ratios, 0 if it is not asked for.
    pub fn rounds(
        &mut self,
        what: &str,
        anchor_name: &str,
        target: Target,
        mut ours: impl FnMut() -> f64,
        mut anchor: impl FnMut() -> f64,
    ) -> f64 {
        if !self.wants(what) {
            return 0.0;
        }
        let mut ratios = Vec::new();
        let mut best = f64::MAX;
        for round in 0..ROUNDS {
            // Neither side is always first.
            let (our_time, anchor_time) = if round % 2 == 0 {
                let our_time = ours();
                (our_time, anchor())
            } else {
                let anchor_time = anchor();
                (ours(), anchor_time)
            };
            best = best.min(our_time);
            ratios.push(match target {
                Target::Speed(_) => anchor_time / our_time,
                Target::Time(_) => our_time / anchor_time,
            });
        }
        ratios.sort_by(f64::total_cmp);
        let (min, median, max) = (ratios[0], ratios[ROUNDS / 2], ratios[ROUNDS - 1]);
        let (due, is_met) = match target {
            Target::Speed(due) => (format!("≥ {due}×"), median >= due),
            Target::Time(due) => (format!("≤ {due}× time"), median <= due),
        };
        let verdict = verdict(is_met);
        println!(
            "| {what} | {anchor_name} | {due} | {min:.2} | {median:.2} | {max:.2} | {:.2} µs | {verdict} |",
            best * 1e6
        );
        median
    }

    /// A row that is a count.
    pub fn count(&mut self, what: &str, due: u64, count: u64) {
        if !self.wants(what) {
            return;
        }
        let verdict = verdict(count <= due);
        println!("| {what} | count | ≤ {due} | | {count} | | | {verdict} |");
    }

    /// A row that compares bytes, which are the same each time.
    pub fn bytes(&mut self, what: &str, anchor_name: &str, due: f64, ours: f64, anchor: f64) {
        if !self.wants(what) {
            return;
        }
        let ratio = ours / anchor;
        let verdict = verdict(ratio <= due);
        println!(
            "| {what} | {anchor_name}, {anchor:.1} | ≤ {due}× | | {ratio:.2} | | {ours:.1} bytes | {verdict} |"
        );
    }

    /// Whether a row is asked for.
    pub fn wants(&self, what: &str) -> bool {
        let wanted = self.wanted.as_ref();
        let wants = wanted.is_none_or(|it| what.contains(it.as_str()));
        self.found.set(self.found.get() || wants);
        wants
    }
}

fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "missed" }
}

/// How often it has to run to fill a slice.
fn turns(act: &mut impl FnMut()) -> u32 {
    let mut turns = 1;
    loop {
        let took = time(act, turns) * f64::from(turns);
        if took >= SLICE.as_secs_f64() || turns >= 1 << 24 {
            return turns;
        }
        turns *= 2;
    }
}

/// Seconds of the processor for one turn.
fn time(act: &mut impl FnMut(), turns: u32) -> f64 {
    let started = now(ClockId::ThreadCPUTime);
    for _ in 0..turns {
        act();
    }
    (now(ClockId::ThreadCPUTime) - started) / f64::from(turns)
}

/// Seconds that a clock shows.
pub fn now(clock: ClockId) -> f64 {
    let now = clock_gettime(clock);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
