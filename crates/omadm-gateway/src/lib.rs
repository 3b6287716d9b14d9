//! A DM gateway: lets a server reach DM clients it cannot reach itself, such as those in the guests
//! of VMs. [GwMO], [VirMO §11.1.2]
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
//! use omadm_core::Now;
//! use omadm_gateway::{DeliveryError, EndDevices, Gateway, ProxySession};
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
//!             let Ok(_answer) = server.answer(message, Encoding::Xml, Now::default()) else {
//!                 return Err(DeliveryError::Unreachable);
//!             };
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let gateway = Gateway::new("./Gateway".parse()?, Arc::new(Guest));
//! let mut registry = Registry::new();
//! registry.mount(Box::new(gateway))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Statuses
//!
//! | what | status |
//! |---|---|
//! | an Exec without argument, or a node without DeviceID | 412 |
//! | a notification longer than [`MAX_NOTIFICATION`], commands beyond [`MAX_COMMANDS`], results beyond [`MAX_RESULT`] octets | 413 |
//! | commands that are no message, or other than Add, Replace, Delete, Copy, Get, Exec, Atomic and Sequence | 400 |
//! | an end device that is not there | 404 |
//! | one that does not run, or has work of the gateway under way | 405 |
//! | one that does not answer in time | 408 |
//! | one that cannot be reached, or ended its session before all was answered | 503 |
//! | a node for more than [`MAX_DEVICES`] end devices | 420 |
//!
//! # Restarts
//!
//! Nothing is durable but the nodes. What a restart cuts off left no Result and can be executed
//! again; whether the end device did a part of it, its own session tells nobody. Such an Exec has no
//! alert.

mod gateway;
mod relay;
mod table;

pub use gateway::{
    DeliveryError, EndDevices, Gateway, MAX_COMMANDS, MAX_DEVICES, MAX_NOTIFICATION, MAX_RESULT,
};
pub use relay::{ProxyError, ProxySession};
pub use table::GATEWAY;
