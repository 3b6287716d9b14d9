//! Measures what the crates take beside what their peers take for the same, in one run:
//!
//! ```sh
//! cargo run --release --manifest-path benches/Cargo.toml
//! ```
//!
//! Each row compares ours with an anchor, by turns, so that whatever else the machine does hits
//! both. A word as argument picks the rows that have it in their name.

mod allocations;
mod corpus;
mod forest;
mod rounds;
mod rows;

use rounds::Table;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

fn main() {
    let mut table = Table::new(std::env::args().nth(1));
    rows::xml::run(&mut table);
    rows::wbxml::run(&mut table);
    rows::params::run(&mut table);
    rows::allocations::run(&mut table);
    rows::tree::run(&mut table);
}
