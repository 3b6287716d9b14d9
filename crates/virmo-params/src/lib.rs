//! The `key=value&…` parameters of VirMO 1.0 as types: [`CreateParams`], [`ResourceConfig`] and
//! [`DeviceResources`]. [VirMO §8]
//!
//! ```
//! use virmo_params::{Bytes, ResourceConfig};
//!
//! let config: ResourceConfig = "CPU=10&RAM=268435456&Storage=1073741824&Network=5&x-gpu=1".parse()?;
//! assert_eq!(config.ram, Bytes::mib(256));
//! assert_eq!(config.vendor().get("x-gpu").as_deref(), Some("1"));
//! // Written in the order of the specification, vendor keys after, in the order they came in.
//! assert_eq!(
//!     config.to_string(),
//!     "RAM=268435456&Storage=1073741824&CPU=10&Network=5&x-gpu=1"
//! );
//!
//! let error = "RAM=1&RAM=2".parse::<ResourceConfig>().unwrap_err();
//! assert_eq!(error.to_string(), "repeated key at byte 6");
//! # Ok::<(), virmo_params::ParamsError>(())
//! ```
//!
//! # Grammar
//!
//! The specification says "a sequence of key=value pairs, separated by an ampersand" and no more.
//! This crate reads and writes:
//!
//! - pairs in any order, no empty pair, no key twice, keys case sensitive;
//! - a key ends at the first `=`; it is not empty and has no white space, control character, `&`,
//!   `=` or `%`;
//! - no white space at either end of a value;
//! - `ImgID` and vendor values may carry any character as `%` and two hexadecimal digits of each
//!   of its UTF-8 octets; `%` and `&` must, and `=` is written so but read either way;
//! - integers are decimal, unsigned, of at most 64 bits; booleans are `true` or `false`;
//! - keys that the specification does not name are vendor keys and kept in order.
//!
//! Parsing allocates nothing for a configuration without vendor keys, once for all vendor pairs
//! without escapes, and once for an ImgID.
//!
//! Features: `serde`, `proptest`; both off by default.

#[cfg(feature = "proptest")]
mod arbitrary;
mod create;
mod error;
mod escape;
mod fields;
mod grammar;
mod image_id;
mod resources;
#[cfg(feature = "serde")]
mod serde_impls;
mod units;
mod vendor;

pub use create::CreateParams;
pub use error::{ParamsError, ParamsErrorKind};
pub use grammar::{Limits, Pair, Pairs};
pub use image_id::{ImageId, InvalidImageId};
pub use resources::{DeviceResources, ResourceConfig};
pub use units::{Bytes, Percent};
pub use vendor::VendorPairs;
