//! The `virmo` program.

fn main() {}
