//! VM states, image states and primitives of VirMO 1.0 as one transition table.
//!
//! What a primitive does in a state is decided in one place, [`VmState::after`]; what an operation
//! on an image does in [`ImageState::after`], and [`VmState::after_access`] says when a machine can be
//! locked. A [`VmId`] names a machine on the device.
//!
//! ```
//! use virmo_state::{Primitive, VmState};
//!
//! assert_eq!(VmState::Running.after(Primitive::Suspend), Ok(VmState::Suspended));
//! let refused = VmState::Suspended.after(Primitive::PowerOff).unwrap_err();
//! assert_eq!(refused.to_string(), "Poweroff does not apply to a VM that is Suspended");
//! ```
//!
//! Features: `serde`, `proptest`; both off by default.

mod access;
#[cfg(feature = "proptest")]
mod arbitrary;
mod id;
mod image;
#[cfg(feature = "serde")]
mod serde_impls;
mod vm;

pub use access::{AccessNotApplicable, AccessOperation};
pub use id::{InvalidVmId, VmId};
pub use image::{ImageNotApplicable, ImageOperation, ImageState};
pub use vm::{NotApplicable, Primitive, VmState};
