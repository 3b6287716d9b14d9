//! A DM gateway: lets a server reach DM clients it cannot reach itself, such as those in the guests
//! of VMs. [GwMO 1.0], [VirMO §11.1.2]
//!
//! [`Gateway`] is a [`ManagementObject`](omadm_mo::ManagementObject) of the device in front. A server
//! adds a node for each end device and executes what is below it:
//!
//! | mode | Exec | what happens |
//! |---|---|---|
//! | transparent | `<x>/Trigger` with a notification, package 0 | the end device gets it, octet by octet, and holds a session with the server itself; the gateway sees nothing of that |
//! | proxy | `<x>/Execute` with commands, a SyncML message in XML or WBXML | the gateway holds a session with the end device, as its server, and leaves the statuses and results in `<x>/Result`; alerts of that session go on to the server |
//!
//! In proxy mode addresses are the end device's own, and its identifier need be unique only behind
//! this gateway. The Source of an alert that is passed on begins with the address of `<x>`.
//!
//! The nodes are this crate's, not those of GwMO 1.0, whose tables are not public (unverified).
//! How octets get to an end device is up to [`EndDevices`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use omadm_core::{MemoryJournal, Now};
//! use omadm_gateway::{DeliveryError, EndDevices, Gateway, ProxySession, Request};
//! use omadm_mo::Registry;
//! use omadm_syncml::Encoding;
//!
//! /// One guest, at the other end of a line.
//! struct Guest;
//!
//! impl EndDevices for Guest {
//!     fn notify(&self, device: &str, notification: &[u8]) -> Result<(), DeliveryError> {
//!         match device {
//!             "vm-1" => Ok(println!("{} octets for the guest", notification.len())),
//!             _ => Err(DeliveryError::Unknown),
//!         }
//!     }
//!
//!     fn session(&self, _: &str, server: &mut ProxySession) -> Result<(), DeliveryError> {
//!         // Wake the guest's client, and carry its messages until it is done.
//!         let message = b"<SyncML/>";
//!         while !server.is_over() {
//!             let Ok(_answer) = server.answer(Request::new(message, Encoding::Xml, Now::default()))
//!             else {
//!                 return Err(DeliveryError::Unreachable);
//!             };
//!         }
//!         Ok(())
//!     }
//! }
//!
//! // The journal of the device in front.
//! let journal = Arc::new(MemoryJournal::new());
//! let gateway = Gateway::new("./Gateway".parse()?, Arc::new(Guest), journal)?;
//! let mut registry = Registry::new();
//! registry.mount(Box::new(gateway))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Who is who
//!
//! In proxy mode the two sessions have their own identifiers, message numbers, credentials and nonces.
//! [`EndDevices::account`] says how an end device proves who it is, and the gateway to it; its
//! nonces are in the journal, apart from those of the device in front. What carries the messages has
//! to carry [`Request::hmac`](omadm_server::Request::hmac) and
//! [`Response::hmac`](omadm_server::Response::hmac) where the account asks for a MAC.
//!
//! # Statuses
//!
//! | what | status |
//! |---|---|
//! | an Exec without argument, or a node without DeviceID | 412 |
//! | a notification longer than [`MAX_NOTIFICATION`], commands beyond [`MAX_COMMANDS`], results beyond [`MAX_RESULT`] octets | 413 |
//! | commands that are no message, that share a CmdID, or other than Add, Replace, Delete, Copy, Get, Exec, Atomic and Sequence | 400 |
//! | values that cannot be written in XML: Result has the statuses alone | 415 |
//! | an end device that is not there | 404 |
//! | one that does not run, or has work of the gateway under way, its node and DeviceID included | 405 |
//! | one that does not answer in time | 408 |
//! | one that cannot be reached, or ended its session before all was answered | 503 |
//! | a node for more than [`MAX_DEVICES`] end devices | 420 |
//!
//! Whatever the status, Result has what was answered: commands without an answer of their own have
//! 503 there, and may have been executed. Where nothing was answered it is empty.
//!
//! If it takes longer than the engine waits the Status is 202, and [`ALERT_GATEWAY`] follows: from
//! the operation, with the status as an `int`, the Correlator of the Exec, and the mark `warning` for
//! a failure. Past [`Gateway::with_limit`] that is 408; what an end device still says then goes into
//! Result and on to the server all the same.
//!
//! An alert of an end device keeps its Correlator if it is one of a command it was given and has not
//! answered; any other is taken out. An end device cannot answer for anybody else.
//!
//! # Hostile end devices
//!
//! A session ends after [`MAX_MESSAGES`] messages; [`MAX_ALERTS`] alerts with
//! [`MAX_ALERT_OCTETS`] octets are passed on; values beyond [`MAX_RESULT`] octets are left out of
//! Result. Only the end device a session is for can have it.
//!
//! # Restarts
//!
//! What a restart cuts off ends with its alert and 500, whether 202 was sent before or not. It left no
//! Result, and whether the end device did a part of it nobody knows.

mod devices;
mod gateway;
mod record;
mod relay;
mod session;
mod table;

pub use devices::{DeliveryError, EndDevices};
pub use gateway::{
    ALERT_GATEWAY, Gateway, MAX_COMMANDS, MAX_DEVICES, MAX_NOTIFICATION, MAX_RESULT,
};
pub use omadm_server::{Account, Request, Response};
pub use record::RECORDS;
pub use session::{MAX_ALERT_OCTETS, MAX_ALERTS, MAX_MESSAGES, ProxyError, ProxySession};
pub use table::GATEWAY;
