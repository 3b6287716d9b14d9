//! Measures what the crates take beside what their peers take for the same, in one run:
//!
//! ```sh
//! cargo bench --manifest-path benches/Cargo.toml
//! ```
//!
//! Each row compares ours with an anchor, by turns, so that whatever else the machine does hits
//! both. A word as argument picks the rows that have it in their name; `growth` shows what things
//! cost as they grow instead. What is possible at most, where that was measured, comes last.
//! `benches/figures` puts all of it into docs/performance.md.

mod allocations;
#[cfg(feature = "libwbxml")]
mod conversion;
mod corpus;
mod device;
mod floors;
mod forest;
mod growth;
mod recorded;
mod rounds;
mod rows;
mod sessions;

use std::process::ExitCode;

use rounds::Table;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

fn main() -> ExitCode {
    // `cargo bench` adds an option of its own.
    let wanted = std::env::args().skip(1).find(|word| word != "--bench");
    if wanted.as_deref() == Some("growth") {
        growth::run();
        return ExitCode::SUCCESS;
    }
    let mut table = Table::new(wanted);
    rows::xml::run(&mut table);
    rows::serde::run(&mut table);
    #[cfg(feature = "libwbxml")]
    rows::libwbxml::run(&mut table);
    #[cfg(not(feature = "libwbxml"))]
    eprintln!(
        "LEFT OUT: the rows beside libwbxml; they need libwbxml2-dev and --features libwbxml"
    );
    rows::allocations::run(&mut table);
    rows::params::run(&mut table);
    rows::tree::run(&mut table);
    rows::durable::run(&mut table);
    rows::device::run(&mut table);
    rows::server::run(&mut table);
    table.finish()
}
