//! The words every OMA DM crate shares.
//!
//! Codes ([`StatusCode`], [`AlertCode`]), formats ([`Format`]), identifiers ([`ServerId`], [`Correlator`]), alerts
//! ([`GenericAlert`], [`ClientEvent`], [`UserInteraction`]), secrets ([`Secret`]), time as an argument ([`Now`]),
//! pauses between tries ([`Backoff`]), small maps ([`SortedMap`], [`SortedSet`]), what else is small if there is
//! one of it ([`sort()`], [`in_order`], [`base64`]), errors with their [`Causes`] and the durable [`Journal`] with its in-memory
//! implementation, the versions of what it keeps ([`upgrade()`]) and the fields of records that several crates keep
//! ([`RecordWriter`], [`RecordReader`]), and what tests hear of changes of files ([`FileStep`]).
//!
//! Nothing here touches a clock, a file, a socket or a random number.

mod alert;
mod backoff;
pub mod base64;
mod causes;
mod file;
mod format;
mod id;
mod journal;
mod record;
mod secret;
mod sort;
mod sorted;
mod status;
mod time;
mod ui;
mod upgrade;

pub use alert::{AlertCode, ClientEvent, GenericAlert, Mark};
pub use backoff::Backoff;
pub use causes::Causes;
pub use file::{FileStep, FileWatch};
pub use format::{Format, UnknownFormat};
pub use id::{Correlator, InvalidServerId, ServerId};
pub use journal::{
    Batch, Journal, JournalError, JournalErrorKind, MemoryJournal, Operation, Space,
};
pub use record::{RecordReader, RecordWriter};
pub use secret::Secret;
pub use sort::{in_order, sort};
pub use sorted::{SortedMap, SortedSet};
pub use status::StatusCode;
pub use time::Now;
pub use ui::{EchoType, InputType, Interaction, InteractionOptions, UserAnswer, UserInteraction};
pub use upgrade::{Records, UpgradeError, upgrade};
