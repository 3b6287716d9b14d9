//! The tree against its specification, and against the reference tree.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

mod acl;
mod durability;
mod garden;
mod model;
mod parsing;
mod statuses;
mod structure;
