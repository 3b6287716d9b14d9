//! Real QEMU processes with a guest of one sector.
//!
//! Without QEMU everything is skipped, loudly; under CI that is a failure.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "test code"
)]

mod bench;
mod channel;
mod contract;
mod faults;
mod memory;
mod network;
mod switches;
