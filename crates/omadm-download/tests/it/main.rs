//! Downloads from a scripted source: the rules of resuming, failures, crashes and random trouble.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod crash;
mod described;
mod model;
mod rules;
mod source;
mod trouble;
