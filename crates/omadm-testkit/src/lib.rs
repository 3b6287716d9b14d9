//! What the tests of this workspace share: a device and a server in one process, with a clock that
//! is stepped by hand.
//!
//! - [`Bench`] drives a [`Client`](omadm_client::Client) by hand: a [`Script`] plays its server,
//!   jobs wait until the test ends them.
//! - [`Pair`] lets a client talk to an [`omadm_server::Server`] over a [`Wire`] that loses,
//!   repeats and cuts messages.
//! - [`Transcript`] holds what a pair said and checks that it keeps to the rules.
//! - [`Lamp`] is a management object that has one node of every kind; [`device`] mounts it beside
//!   DevInfo.
//! - [`encoding`] is that of the whole run, and [`again_over_wbxml`] runs a suite in the other one.
//! - [`Points`] counts the calls of a device to its journal, sink and hypervisor, and has one of
//!   them crash, fail or hang: [`TroubledJournal`], [`TroubledSink`], [`TroubledHypervisor`].
//! - [`VolatileMedium`] and [`VolatileSink`] lose what was not synced when the [`Power`] goes.
//! - [`Invariants`] is what must hold of a device whatever happened to it.
//! - [`work::growth`] says whether something takes more instructions an element the larger it is.
//! - [`explore`](explore::explore) sees every [state](explore::State) a system can get into.
//! - [`TestJournal`] fails when told to, and remembers everything.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    reason = "test code: whatever goes wrong is to stop the test"
)]

pub mod ddf;
pub mod explore;
pub mod pages;
pub mod work;

mod bench;
mod clock;
mod device;
mod encoding;
mod invariants;
mod journal;
mod lamp;
mod pair;
mod points;
mod script;
mod transcript;
mod troubled;
mod volatile;
mod wire;

pub use bench::Bench;
pub use clock::Clock;
pub use device::{DEVICE_ID, SERVER_ID, SERVER_URL, device, uri};
pub use encoding::{again_over_wbxml, by_encoding, encoding, from_wire, to_wire};
pub use invariants::{Facts, Invariants, Violation};
pub use journal::TestJournal;
pub use lamp::{LAMP, Lamp, LampLog};
pub use pair::Pair;
pub use points::{CallKind, Points, Trouble};
pub use script::{Script, data, describe, pretty, results, statuses};
pub use transcript::Transcript;
pub use troubled::{Halving, TroubledHypervisor, TroubledJournal, TroubledSink};
pub use volatile::{Files, Luck, Power, PowerCut, VolatileMedium, VolatileSink};
pub use wire::{Answer, Fault, Wire};
