//! The VirMO Client: a management object that drives a hypervisor.

mod apply;
mod client;
mod drive;
mod event;
mod intent;
mod ledger;
mod nodes;
mod policy;
mod record;
mod resources;
mod table;

pub use client::{Builder, VirmoClient};
pub use event::{Event, Observer, Recovery};
pub use policy::Policy;
pub use resources::CpuPolicy;
