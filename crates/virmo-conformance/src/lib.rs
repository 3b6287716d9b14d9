//! Requirement rows and the scenarios that prove them.
//!
//! A [`Row`] is one thing a document asks for. Its [`Proof`] is a scenario that is run when asked
//! for: no row has a stored result. `cargo test` and `virmo conformance` run the same ones.
//!
//! ```
//! use virmo_conformance::{Outcome, Seed, rows};
//!
//! let row = rows(Seed::Uve).find(|row| row.id == "UR-008").expect("it is there");
//! assert_eq!(row.prove(), Outcome::Proven);
//! ```

mod row;
mod uve;

pub use row::{Failed, Level, Outcome, Proof, Row, Seed, markdown, rows};
