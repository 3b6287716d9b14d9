//! The OMA DM client engine: bytes in, bytes out.
#![allow(dead_code)]

mod alerts;
mod client;
mod config;
mod device;
mod error;
mod event;
mod failure;
mod io;

pub use client::Client;
pub use config::{Backoff, Compat, Config};
pub use error::{ApiMisuse, StartError};
pub use event::{DropReason, Event, SessionEnd};
pub use io::{Input, Output, Received, Request, Start, TransportFailure, Trigger};
