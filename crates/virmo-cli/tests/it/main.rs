//! The program from outside, as processes with files, standard input and output, and sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::string_slice,
    missing_docs,
    dead_code,
    unreachable_pub,
    reason = "test code"
)]

#[path = "../support/http.rs"]
mod http;
#[path = "../support/peer.rs"]
mod peer;
#[path = "../support/program.rs"]
mod program;

mod bootstrap;
mod conformance;
mod demo;
mod described;
mod dm_tree;
mod ends;
mod foreign;
#[cfg(target_os = "linux")]
mod full;
mod guest;
mod guests;
#[cfg(feature = "tls")]
mod https;
mod interaction;
#[cfg(feature = "libvirt")]
mod libvirt;
mod life;
mod load;
mod names;
mod notify;
mod profiles;
mod questions;
mod readme;
mod restarts;
mod resume;
mod secrets;
mod tolerance;
mod tools;
mod usage;
mod use_cases;
mod uve;
mod watch;
mod wbxml;
