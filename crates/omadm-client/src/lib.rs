//! The OMA DM client engine: bytes in, bytes out. [DM-Protocol]
//!
//! [`Client`] holds the management tree and the management objects of a device, and speaks with its
//! server. It opens no connection, reads no clock and starts no thread; the contract for whoever
//! does is on [`Client`].
//!
//! - **Sessions**: package 1 with DevInfo and the alerts that wait, package 3 with a Status for
//!   every command and Results, as many messages as it takes within the server's MaxMsgSize; final
//!   answers that take longer than [`Config::exec_limit`] become 202 and an alert.
//! - **Commands**: Add, Copy, Delete, Exec, Get, Replace, Sequence and Alert, in document order, each
//!   Item a change of its own that is durable before it is reported; Atomic, with all that is in it
//!   as one change. Subtrees are read, added and replaced as TNDS documents.
//! - **Large objects**: values, arguments, results and alerts larger than a message come and go in
//!   chunks, up to [`Config::max_object_size`] and the server's MaxObjSize; one that is not whole is
//!   never executed. In Atomic and Sequence, which come in one message, a chunk is answered with 406.
//! - **Authentication** of both ends by [`Auth`]: basic, md5, MAC or the transport. Nonces are in the
//!   journal, made of [`Client::with_random`]. [DM-Security]
//! - **User interaction**: alerts 1100 to 1104 as [`Output::Ask`], one at a time, each within MAXDT
//!   and [`Config::interaction_limit`].
//! - **Notifications**: package 0 as [`Input::Notification`], verified, taken once, and answered by
//!   nothing but a session.
//! - **Alerts** and client events: in the journal until the server acknowledges them; see [`Notice`]
//!   and [`Config::alert_retry`].
//!
//! A device that talks to nobody:
//!
//! ```
//! use std::sync::Arc;
//!
//! use omadm_client::{Client, Config, Input, Output, Start, TransportFailure};
//! use omadm_core::{MemoryJournal, Now};
//! use omadm_mo::{DevInfo, Registry};
//! use omadm_tree::{Acl, Tree, TreeLimits};
//!
//! let journal = Arc::new(MemoryJournal::new());
//! let tree = Tree::load(&*journal, TreeLimits::default(), Acl::root_default())?;
//! let mut registry = Registry::new();
//! registry.mount(Box::new(
//!     DevInfo {
//!         dev_id: "urn:example:dev1".into(),
//!         man: "Example".into(),
//!         model: "One".into(),
//!         dmv: "1.0".into(),
//!         lang: "en".into(),
//!     }
//!     .object(),
//! ))?;
//! let config = Config::new("dm.example".parse()?, "http://dm.example/dm");
//! let mut client = Client::new(config, tree, registry, journal, Now::default())?;
//!
//! client.handle(Input::Start(Start::by_client(1)), Now::default())?;
//! while client.in_session() {
//!     while let Some(output) = client.poll_output() {
//!         match output {
//!             Output::Send(request) => println!("POST {} bytes to {}", request.body.len(), request.url),
//!             Output::Run(job) => println!("run {}", job.label),
//!             Output::Ended(end) => println!("session {end}"),
//!             Output::Event(event) => println!("{event:?}"),
//!             _ => {}
//!         }
//!     }
//!     // There is no server: the transport refuses every message.
//!     client.handle(Input::TransportFailed(TransportFailure::Refused), Now::default())?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod alerts;
mod answer;
mod atomic;
mod auth;
mod bootstrap;
mod client;
mod command;
mod compat;
mod config;
mod device;
mod error;
mod event;
mod failure;
mod io;
mod notification;
mod phase;
mod question;
mod session;
mod subtree;
mod value;
mod walk;

pub use alerts::Notice;
pub use auth::Auth;
pub use bootstrap::{Bootstrap, BootstrapError};
pub use client::Client;
pub use config::{Compat, Config};
pub use error::{ApiMisuse, StartError};
pub use event::{Delivery, DropReason, Event, SessionEnd};
pub use io::{
    Input, Output, Question, QuestionId, Received, Request, Start, TransportFailure, Trigger,
};
pub use notification::{NotificationDrop, Notified};

use omadm_core::Records;

/// What a client keeps in its journal, the tree and the nonces included, for
/// [`upgrade`](omadm_core::upgrade()).
pub const RECORDS: &[Records] = &[
    omadm_tree::RECORDS,
    omadm_session::RECORDS,
    alerts::RECORDS,
    notification::RECORDS,
    bootstrap::RECORDS,
];
