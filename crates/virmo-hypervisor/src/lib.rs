//! The hypervisor abstraction of VirMO and the contract test suite every back end runs.
//!
//! A back end implements [`Hypervisor`]: twelve blocking calls, keyed by
//! [`VmId`](virmo_state::VmId), each idempotent. What a guest, its peripherals and its input can do
//! beyond the life cycle is in three optional traits beside it: [`GuestChannel`], [`Peripherals`],
//! [`InputLock`].
//!
//! # A back end to start from
//!
//! It keeps machines in memory, cannot suspend them and cannot change their resources, and says so
//! in its [`Capabilities`]:
//!
#![doc = concat!("```\n", include_str!("../examples/toy.rs"), "\n```")]

#[cfg(feature = "backend")]
pub mod backend;
mod capabilities;
#[cfg(feature = "contract")]
pub mod contract;
mod error;
mod guest;
mod hypervisor;
mod ledger;
mod observed;
mod spec;

pub use capabilities::{Capabilities, Resource, Support};
pub use error::{HypervisorError, HypervisorErrorKind};
pub use guest::{DataSharing, GuestChannel, InputLock, Peripheral, Peripherals};
pub use hypervisor::{ChangeHint, Effect, Erase, Hypervisor, Outcome, PowerOff, Prepared};
pub use ledger::Ledger;
pub use observed::{Listed, Machine, MachineState, Observed};
pub use spec::VmSpec;
