//! Nothing is ever lost: a whole device that crashes, fails or hangs before, amid and after each of
//! its calls to journal, sink and hypervisor, or whose power goes at each change of a medium, against
//! a server of ours that hears of all of it.
//!
//! `CRASH_STRIDE=1 cargo test -p virmo-runtime --test crash -- --nocapture` goes to every point, and
//! says how many there were.
#![cfg(all(feature = "device", feature = "server"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code"
)]

mod crashes;
mod faults;
mod folder;
mod full;
mod planted;
mod power;
mod process;
mod scenarios;
mod sink;
mod trial;
mod world;
