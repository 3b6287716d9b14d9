//! libvirt's test driver, and a libvirtd of our own with real QEMU processes.
//!
//! Without libvirtd what needs it is skipped, loudly; under CI that is a failure.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "test code"
)]

mod bench;
mod contract;
mod faults;
