//! What tells a state from all others.

use std::{collections::BTreeMap, fmt::Write};

use omadm_core::{Journal, Space};
use omadm_testkit::explore::digest;

use super::Rig;

impl Rig {
    /// All that what happens from now on depends on.
    pub(super) fn key(&self, troubles: u8) -> u128 {
        let (is_up, is_due) = (self.is_up, self.device.is_due);
        let mut text = format!(
            "{troubles} {is_up} {is_due} {} {:?}\n",
            self.is_unsure, self.told
        );
        text.push_str(&self.device.dump());
        for name in [
            "intents",
            "alerts",
            "downloads",
            "bootstraps",
            "ids",
            "machines",
            "images",
        ] {
            let mut visit = |key: &[u8], value: &[u8]| {
                // The runs are counted.
                if key != b"virmo/run" {
                    _ = writeln!(text, "{name} {key:?} {value:?}");
                }
            };
            self.device
                .journal
                .scan(Space::new(name), &mut visit)
                .unwrap();
        }
        let disk = self.device.disk();
        _ = writeln!(text, "{:?} {:?}", disk.machines, disk.files);
        for flight in &self.flights.0 {
            _ = writeln!(
                text,
                "{:?} {} {} {} {:?} {:?} {}",
                flight.id,
                flight.lane,
                flight.work.is_some(),
                flight.timed_out,
                self.done.get(&flight.id),
                self.asked.get(&flight.id),
                self.waiting.contains(&flight.id)
            );
        }
        text.push_str(&self.device.mind());
        digest(&renumbered(&text))
    }
}

/// A text in which jobs have numbers in the order they come in, and the run has none.
fn renumbered(text: &str) -> String {
    let mut numbers = BTreeMap::new();
    let mut pieces = text.split("JobId(");
    let mut result = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (number, rest) = piece.split_once(')').expect("a number in brackets");
        let next = numbers.len();
        let number = numbers.entry(number).or_insert(next);
        _ = write!(result, "JobId({number}){rest}");
    }
    match result.rsplit_once("run: ") {
        Some((before, after)) => {
            let after = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
            [before, after].concat()
        }
        None => result,
    }
}
