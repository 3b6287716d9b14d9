//! Resumable download of a file: where bytes come from, where they go, and the durable record
//! between.
//!
//! * [`Fetch`] is where bytes come from; `omadm-http` has one over HTTP.
//! * [`Sink`] is where they go; `omadm-store` has one on files, [`MemorySink`] is for tests and
//!   small devices.
//! * [`Download`] is what lies between: it knows how many bytes are safe, keeps that in the
//!   [`Journal`](omadm_core::Journal) and goes on from there after a lost connection, a restart or
//!   a power cut.
//!
//! The crate touches no socket, file, clock or thread; waiting goes through a [`Clock`], stopping
//! through a [`Cancel`].
//!
//! Without the feature `descriptors`, on by default, a [`Descriptor`] is a file of another media
//! type; and what an earlier program began behind one begins anew, without the report it owed.
//!
//! ```
//! use std::{ops::ControlFlow, time::Duration};
//!
//! use omadm_core::{Batch, Journal, MemoryJournal};
//! use omadm_download::{
//!     Cancel, Clock, Content, Download, DownloadKey, Ending, Environment, Fetch, FetchError,
//!     FetchRequest, MemorySink, Policy, Receiver, ResponseHead,
//! };
//!
//! /// A source that knows one file.
//! struct Hello;
//!
//! impl Fetch for Hello {
//!     fn fetch(
//!         &self,
//!         _: &FetchRequest<'_>,
//!         receiver: &mut dyn Receiver,
//!     ) -> Result<Ending, FetchError> {
//!         let mut head = ResponseHead::new(Content::Whole { length: Some(5) });
//!         head.media_type = Some("application/octet-stream".to_owned());
//!         if receiver.head(&head).is_break() || receiver.chunk(b"hello").is_break() {
//!             return Ok(Ending::Stopped);
//!         }
//!         Ok(Ending::Complete)
//!     }
//! }
//!
//! /// Time that nobody waits for.
//! struct NoWait;
//!
//! impl Clock for NoWait {
//!     fn now(&self) -> Duration {
//!         Duration::ZERO
//!     }
//!     fn wait(&self, _: Duration, _: &Cancel) {}
//! }
//!
//! let journal = MemoryJournal::new();
//! let sink = MemorySink::new();
//! let key: DownloadKey = "entvm".parse()?;
//! let uri = "http://images.example/entvm.img".parse()?;
//! let mut download = Download::prepare(&journal, &key, &uri, "application/octet-stream")?;
//!
//! let environment = Environment {
//!     fetch: &Hello,
//!     sink: &sink,
//!     journal: &journal,
//!     clock: &NoWait,
//!     policy: &Policy::default(),
//!     cancel: &Cancel::new(),
//! };
//! let finished = download.run(&environment, &mut |progress| {
//!     println!("{} of {:?}", progress.received, progress.total);
//! })?;
//! assert_eq!(finished.bytes, 5);
//! assert_eq!(sink.contents(&key), Some(b"hello".to_vec()));
//!
//! // The record goes away in the batch that makes the outcome durable.
//! let mut batch = Batch::new();
//! Download::forget(&mut batch, &key);
//! journal.commit(&batch)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cancel;
mod clock;
mod descriptor;
mod download;
mod fetch;
mod key;
mod media;
mod memory;
mod record;
mod report;
mod sink;
mod uri;

pub use cancel::{Cancel, CancelWatch};
pub use clock::Clock;
pub use descriptor::{Descriptor, DescriptorError, DescriptorErrorKind};
pub use download::{Download, DownloadError, Environment, Finished, Policy, Progress, Rate};
pub use fetch::{
    Content, Ending, Fetch, FetchError, FetchErrorKind, FetchRequest, Receiver, ResponseHead,
    Resume, Validator,
};
pub use key::{DownloadKey, InvalidKey};
pub use media::is_media_type;
pub use memory::MemorySink;
pub use record::RECORDS;
pub use report::{InstallStatus, InvalidStatus};
pub use sink::{Sink, SinkError, SinkErrorKind};
pub use uri::{DownloadUri, InvalidUri, InvalidUriKind};
