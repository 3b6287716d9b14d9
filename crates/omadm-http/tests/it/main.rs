//! Both ends over the loopback interface: our client against our server, and each of them against
//! a peer that does what it should not.

#![cfg(all(feature = "client", feature = "fetch", feature = "server"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "test code"
)]

mod described;
mod download;
mod exchange;
mod fetch;
mod files;
mod notifications;
mod peer;
mod server;
#[cfg(all(feature = "tls", feature = "server-tls"))]
mod tls;
