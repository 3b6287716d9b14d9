//! `virmo device --state`, killed at any moment, again and again, while a server takes it through
//! everything it can do. After each start it is looked at over DM, and in its folder. And both it and
//! `virmo serve --state`, amid plans.
//!
//! `KILLS=2000 cargo test -p virmo-cli --test crash -- --nocapture` kills that often; `SEED=100`
//! gives the devices other seeds, and `TRACE=1` shows what they say. `PLANS=50` is the number of plans.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::missing_panics_doc,
    clippy::string_slice,
    missing_docs,
    dead_code,
    unreachable_pub,
    reason = "test code"
)]

#[path = "../support/http.rs"]
mod http;
#[path = "../support/program.rs"]
mod program;

mod both;
mod lane;
mod plan;
mod planted;
mod random;
mod script;
mod seen;
mod server;
mod world;

use std::thread;

use lane::Lane;
use world::Counts;

/// How many devices there are; every second one follows the draft.
const LANES: u64 = 2;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect(name))
}

#[test]
fn nothing_is_ever_lost() {
    let kills = number("KILLS").unwrap_or(200);
    let seed = number("SEED").unwrap_or(1);
    let lanes: Vec<_> = (0..LANES)
        .map(|lane| thread::spawn(move || live(seed + lane, lane % 2 == 1, kills.div_ceil(LANES))))
        .collect();
    let lanes: Vec<_> = lanes.into_iter().map(|lane| lane.join().unwrap()).collect();
    let (mut all, mut violations) = (Counts::default(), Vec::new());
    for (counts, found) in lanes {
        all.add(counts);
        violations.extend(found);
    }
    println!("{all}violations: {}", violations.len());
    assert!(violations.is_empty(), "{violations:#?}");
    assert!(u64::from(all.kills) >= kills, "{all}");
}

/// A device that is killed so often; what it came to, and what is wrong.
fn live(seed: u64, draft: bool, kills: u64) -> (Counts, Vec<String>) {
    let mut lane = Lane::new(seed, draft);
    while u64::from(lane.shared.lock().counts.kills) < kills {
        lane.kill();
        if !lane.shared.lock().violations.is_empty() {
            break;
        }
    }
    let counts = lane.clear();
    let violations = lane.shared.lock().violations.clone();
    (counts, violations)
}
