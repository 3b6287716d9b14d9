//! Run loops for VirMO devices and servers: the only library crate with threads, clocks and random
//! numbers.

mod clock;
mod device;
mod error;
mod event;
mod lanes;
mod random;
mod server;
mod transport;

pub use device::{Device, DeviceBuilder, Handle, Observer, Until};
pub use error::{BuildError, RunError};
pub use event::DeviceEvent;
pub use random::correlator_prefix;
pub use server::{Programme, Server, ServerBuilder};
pub use transport::{Reply, Transport};
