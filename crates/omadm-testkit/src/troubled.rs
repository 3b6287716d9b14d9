//! The decorators that tell [`Points`](crate::Points) of every call.

mod hypervisor;
mod journal;
mod sink;

pub use hypervisor::{Halving, TroubledHypervisor};
pub use journal::TroubledJournal;
pub use sink::TroubledSink;
