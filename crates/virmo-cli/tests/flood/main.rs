//! Malformed messages against the program while it runs, and what its memory comes to: each
//! process answers on, prints no panic, stays within a bound, and then does its work as if nothing
//! had happened.
//!
//! `FLOOD_MESSAGES` is how many messages each of the four floods sends, `FLOOD_SESSIONS` how many
//! sessions each process holds, `FLOOD_SEED` what the messages are made from.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::string_slice,
    clippy::missing_panics_doc,
    missing_docs,
    dead_code,
    unreachable_pub,
    reason = "test code"
)]

#[path = "../support/http.rs"]
mod http;
#[path = "../support/program.rs"]
mod program;

mod device;
mod golden;
mod mutate;
mod process;
mod serve;
mod sessions;

/// A number from the environment.
fn count(variable: &str, default: usize) -> usize {
    match std::env::var(variable) {
        Ok(number) => number.parse().expect(variable),
        Err(_) => default,
    }
}

/// How many messages a flood sends.
fn messages() -> usize {
    count("FLOOD_MESSAGES", 1_500)
}

fn seed() -> u64 {
    count("FLOOD_SEED", 1) as u64
}
