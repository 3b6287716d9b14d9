//! Requirement rows and the scenarios that prove them.
//!
//! A [`Row`] is one thing a document asks for. Its [`Proof`] is a scenario that is run when asked
//! for, by a [`Conformance`]: no row has a stored result. `cargo test` and `virmo conformance` run
//! the same ones.
//!
//! ```
//! use virmo_conformance::{Conformance, Outcome, Seed, rows};
//!
//! let mut ours = Conformance::ours();
//! let row = rows(Seed::Uve).find(|row| row.id == "UR-008").expect("it is there");
//! assert_eq!(ours.judge(row), Outcome::Proven);
//! ```
//!
//! # Subjects
//!
//! What is judged is our own device and server, or a foreign one behind [`Device`] or [`Server`]:
//! scenarios of a device play its DM server, and see messages; those of a server read what it sends
//! to a device of ours. What a subject does not show is [not observable](Outcome::NotObservable).

mod bench;
mod device;
mod document;
mod own;
mod proof;
mod row;
mod rows;
mod run;
mod scenario;
mod server;
mod trace;
mod uve;

pub use device::{Begun, Device, ForeignDevice, Image, Inside, Machine, OurDevice};
pub use document::{markdown, statement};
pub use proof::{Packet, Proofs};
pub use row::{Level, Outcome, Place, Proof, Row, Seed, UnknownSeed, rows};
pub use run::Conformance;
pub use scenario::Scenario;
pub use server::{ForeignServer, OurServer, Server};

/// What was found to be otherwise.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failed(pub String);

impl Failed {
    pub(crate) fn new(what: impl std::fmt::Display) -> Self {
        Self(what.to_string())
    }
}
