//! The VirMO Client through the hooks of its management object, driven by a small engine of the
//! tests' own: every primitive in every state, every fault at every step, downloads, restarts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]
#![cfg_attr(
    not(all(
        feature = "bootstrap",
        feature = "dm-tree",
        feature = "draft",
        feature = "ui"
    )),
    allow(
        dead_code,
        unused_imports,
        reason = "what only the tests of a feature use"
    )
)]

mod atomics;
mod bench;
#[cfg(feature = "bootstrap")]
mod bootstraps;
mod device;
#[cfg(feature = "dm-tree")]
mod dm_tree;
#[cfg(feature = "draft")]
mod draft;
mod faults;
mod images;
mod lifecycle;
mod primitives;
#[cfg(feature = "ui")]
mod questions;
mod random;
mod resources;
mod restarts;
mod sequences;
mod simulator;
mod stored;
mod watch;
mod without;
mod writes;
