//! The durable journal on redb and the file sink of OMA DM.
//!
//! * [`RedbJournal`] is a [`Journal`](omadm_core::Journal) in one file: a batch is there as a
//!   whole once `commit` has returned, whenever the process or the power dies.
//! * [`FileSink`] is a [`Sink`](omadm_download::Sink) in one directory: partial files beside
//!   finished ones, the latter appearing atomically.
//!
//! ```
//! use omadm_core::{Batch, Journal, Space};
//! use omadm_download::Sink;
//! use omadm_store::{FileSink, RedbJournal};
//!
//! # let state = tempfile::tempdir()?;
//! # let state = state.path();
//! let journal = RedbJournal::open(state.join("journal.redb"))?;
//! let mut batch = Batch::new();
//! batch.put(Space::IDS, "vm", [1, 7]);
//! journal.commit(&batch)?;
//! drop(journal);
//!
//! let journal = RedbJournal::open(state.join("journal.redb"))?;
//! assert_eq!(journal.read(Space::IDS, b"vm")?, Some(vec![1, 7]));
//!
//! let sink = FileSink::open(state.join("images"))?;
//! let key = "entvm".parse()?;
//! sink.reserve(&key, Some(5))?;
//! sink.write_at(&key, 0, b"hello")?;
//! let location = sink.finish(&key)?;
//! assert_eq!(std::fs::read(location)?, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod disk;
mod journal;
mod names;
mod sink;

pub use disk::{create_private_directory, sync_directory};
pub use journal::{Medium, OpenError, OpenErrorKind, RedbJournal};
pub use sink::FileSink;
