//! The VirMO Client through the hooks of its management object, driven by a small engine of the
//! tests' own: every primitive in every state, every fault at every step, downloads, restarts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

mod atomics;
mod bench;
mod bootstraps;
mod device;
mod dm_tree;
mod draft;
mod faults;
mod images;
mod lifecycle;
mod primitives;
mod questions;
mod random;
mod resources;
mod restarts;
mod sequences;
mod simulator;
mod stored;
mod watch;
mod writes;
