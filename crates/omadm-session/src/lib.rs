//! What both ends of an OMA DM session share. [DM-Protocol]
//!
//! Bytes in, bytes out: nothing here opens a socket or reads a clock.
//!
//! | for | see |
//! |---|---|
//! | ids of messages, the sizes of the peer, headers | [`Link`] |
//! | filling a message up to MaxMsgSize | [`Packer`] |
//! | objects larger than a message | [`LargeObject`] out, [`Assembler`] in |
//! | answering commands | [`header_status`], [`command_status`] |
//! | finding what a Status or Results answers | [`Ledger`] |
//! | proving and verifying who the ends are | [`Prover`], [`Verifier`], [`Nonces`] |
//! | the MAC beside a message | [`Hmac`] |
//! | protecting a bootstrap document | [`bootstrap`] |
//! | asking a device for a session, package 0 | [`notification`] |
//! | what a server does on a device | [`Procedure`], [`request`], [`Round`], [`Execution`] |
//!
//! A server's procedure that reads one node:
//!
//! ```
//! use omadm_core::StatusCode;
//! use omadm_session::{Answer, Correlators, Procedure, Report, Round, Step, request};
//!
//! #[derive(Debug, Default)]
//! struct ReadModel {
//!     round: Round,
//! }
//!
//! impl Procedure for ReadModel {
//!     fn poll(&mut self, _: &mut Correlators) -> Step {
//!         match self.round.replies() {
//!             [] => self.round.send([request::get("./DevInfo/Mod")]),
//!             [reply, ..] => {
//!                 let mut report = Report::new(reply.is_success(), reply.status());
//!                 report.value = reply.text().map(str::to_owned);
//!                 Step::Done(report)
//!             }
//!         }
//!     }
//!
//!     fn answer(&mut self, answer: Answer) {
//!         self.round.answer(answer);
//!     }
//! }
//!
//! let mut procedure = ReadModel::default();
//! let mut correlators = Correlators::new("r1");
//! let Step::Send(commands) = procedure.poll(&mut correlators) else { unreachable!() };
//! procedure.answer(Answer::status(commands[0].tag, StatusCode::NOT_FOUND));
//! let report = Report::new(false, Some(StatusCode::NOT_FOUND));
//! assert_eq!(procedure.poll(&mut correlators), Step::Done(report));
//! ```

mod assembler;
mod auth;
pub mod bootstrap;
mod execution;
mod large;
mod ledger;
mod link;
pub mod notification;
mod packer;
mod procedure;
pub mod request;
mod round;
mod status;

pub use assembler::{Assembler, Taken};
pub use auth::{
    Credentials, Evidence, Heard, Hmac, InvalidHmac, NoRandom, Nonce, NonceError, NoncePair,
    NonceTooLong, Nonces, Proof, Prover, RECORDS, Random, Scheme, TransportIdentity, UnknownScheme,
    Verdict, Verifier,
};
pub use execution::{Execution, Progress};
pub use large::{LargeObject, MIN_CHUNK, Stopped, data_size};
pub use ledger::Ledger;
pub use link::{ASSUMED_MESSAGE_SIZE, Incoming, Link, MAX_MESSAGE_SIZE, MAX_OBJECT_SIZE};
pub use packer::{Fit, Packer};
pub use procedure::{Answer, Correlators, Procedure, Report, Step, Tag, Tagged, Unanswered};
pub use round::{Reply, Round};
pub use status::{command_status, header_status};
