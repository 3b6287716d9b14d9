//! The contracts of `Journal` and `Sink`, run on every implementation, and what files add to them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod journal;
mod sink;
