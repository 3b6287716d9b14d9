//! The contracts of `Journal` and `Sink`, run on every implementation, and what files add to them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

#[cfg(target_os = "linux")]
mod full;
mod journal;
mod sink;
