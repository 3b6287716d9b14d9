//! The OMA DM client engine: bytes in, bytes out.

mod alerts;
mod answer;
mod client;
mod command;
mod config;
mod device;
mod error;
mod event;
mod failure;
mod io;
mod phase;
mod session;
mod value;
mod walk;

pub use client::Client;
pub use config::{Backoff, Compat, Config};
pub use error::{ApiMisuse, StartError};
pub use event::{DropReason, Event, SessionEnd};
pub use io::{Input, Output, Received, Request, Start, TransportFailure, Trigger};
