//! What is measured.

pub mod allocations;
pub mod params;
pub mod tree;
pub mod wbxml;
pub mod xml;
