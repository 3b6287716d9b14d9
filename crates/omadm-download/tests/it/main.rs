//! Downloads from a scripted source: the rules of resuming, failures, crashes and random trouble.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

#[cfg(feature = "descriptors")]
mod crash;
#[cfg(feature = "descriptors")]
mod described;
mod model;
mod rules;
mod source;
mod trouble;
