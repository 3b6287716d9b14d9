//! The OMA DM server engine: sessions as values, a queue of procedures for each device.
//! [DM-Protocol]
//!
//! Bytes in, bytes out. A transport hands every message it gets to [`Server::receive`] and sends
//! what [`Server::respond`] returns; time is an argument. What is done on a device is a
//! [`Procedure`](omadm_session::Procedure); [`SingleCommand`] is the simplest one, [`CommandGroup`] several
//! at once.
//!
//! ```
//! use omadm_core::Now;
//! use omadm_server::{Config, EventKind, Everyone, Request, Server, SingleCommand};
//! use omadm_syncml::Encoding;
//!
//! let mut server = Server::new(Config::new("r1"), Everyone);
//!
//! // For each message of a device:
//! fn handle(server: &mut Server, body: &[u8], now: Now) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
//!     let mut receipt = server.receive(Request::new(body, Encoding::Xml, now))?;
//!     for event in receipt.take_events() {
//!         if let EventKind::SessionStarted { dev_info, .. } = event.kind {
//!             println!("{} is a {:?}", event.device, dev_info.get("Mod"));
//!             let get = SingleCommand::get("./DevDetail/SwV");
//!             server.enqueue(&event.device, Box::new(get))?;
//!         }
//!     }
//!     let response = server.respond(receipt)?;
//!     for event in response.events {
//!         if let EventKind::ProcedureFinished { report, .. } = event.kind {
//!             println!("{} runs {:?}", event.device, report.value);
//!         }
//!     }
//!     Ok(response.body)
//! }
//! # let error = handle(&mut server, b"<nonsense/>", Now::default()).unwrap_err();
//! # assert_eq!(error.to_string(), "the message cannot be decoded");
//! ```
//!
//! A value too large for a message of the device goes in
//! chunks, up to its MaxObjSize; values of results and alerts come in chunks, up to
//! [`Config::max_object_size`]. A group of commands goes in one message or comes back as
//! [`TooLarge`](omadm_session::Unanswered::TooLarge).
//!
//! A server that restarts goes on where it was with [`Server::keeping_devices`]: the place of each
//! device among its [steps](Server::enqueue_step), alerts that were reported, notifications.
//!
//! How devices prove who they are, and the server to them, is said by their [`Account`]; the nonces
//! that takes are kept by [`Server::with_nonces`]. [DM-Security]

mod answer;
mod ask;
mod config;
mod device;
mod error;
mod event;
mod group;
mod log;
mod place;
mod record;
mod server;
mod session;
mod single;
mod tracked;
mod turn;

pub use ask::AskUser;
pub use config::{Account, Accounts, Compat, Config, Everyone};
pub use error::{EnqueueError, ReceiveError, RespondError};
pub use event::{
    DevInfo, Event, EventKind, ProcedureId, ProcedureProgress, SessionEnd, Trigger, Violation,
};
pub use group::CommandGroup;
pub use place::Place;
pub use record::RECORDS;
pub use server::{KeepError, NotifyError, Receipt, Request, Response, Server};
pub use session::Session;
pub use single::SingleCommand;
