//! Both sides of UVE-2 and UVE-5 in one process, with a stepped clock.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod bench;
mod faults;
mod managing;
mod model;
mod rules;
mod seldom;
mod stored;
mod transfer;
