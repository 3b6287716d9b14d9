//! A whole device on the simulator: with a server of ours over HTTP, with links that lose and repeat
//! answers, with hypervisors that hang, and started again on what it left.
#![cfg(all(feature = "device", feature = "server"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod bench;
mod ends;
mod lanes;
mod link;
mod recovery;
mod road;
mod server;

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
