//! What is measured.

pub mod allocations;
pub mod device;
pub mod durable;
#[cfg(feature = "libwbxml")]
pub mod libwbxml;
pub mod params;
pub mod serde;
pub mod server;
pub mod tree;
pub mod xml;
