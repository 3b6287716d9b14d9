//! The OMA DM management tree: addresses, values, properties, access control and transactions.
//!
//! A [`Tree`] holds every node of a device in memory; a [`Schema`] says which nodes there may be. All
//! changes go through a [`Transaction`]:
//!
//! * A command of a server is authorized first: [`Transaction::authorize`] checks existence (404),
//!   description (405) and access control (425), in this order, and yields a [`Permit`], which the
//!   operation consumes. Whatever goes wrong has one status, [`TreeError::status`].
//! * The device's own changes need no permit, but keep to the structure.
//! * A commit is one batch of the [`Journal`](omadm_core::Journal); anything short of it leaves no
//!   trace.
//!
//! Addresses ([`Uri`], [`Target`]), lists ([`Acl`]) and values ([`Value`]) are parsed once and cannot
//! exist in an invalid form. Every cost has a limit in [`TreeLimits`]. Nothing here recurses, reads a
//! clock or touches a file.
//!
//! ```
//! use omadm_core::{Batch, Format, MemoryJournal, Now};
//! use omadm_tree::{
//!     AccessSet, AccessType, Acl, FormatSet, Principal, Required, Rule, Schema, Target, Tree,
//!     TreeLimits, Uri, Value,
//! };
//!
//! /// `./Lamp/On`
//! struct Lamp;
//!
//! impl Schema for Lamp {
//!     fn rule(&self, uri: &Uri) -> Option<Rule<'_>> {
//!         let access = AccessSet::of(&[AccessType::Get, AccessType::Replace]);
//!         match uri.segments().collect::<Vec<_>>().as_slice() {
//!             ["Lamp"] => Some(Rule::interior(access).permanent()),
//!             ["Lamp", "On"] => Some(Rule::leaf(access, FormatSet::of(&[Format::Bool]))),
//!             _ => None,
//!         }
//!     }
//!
//!     fn required(&self, _: &Uri) -> Vec<Required> {
//!         Vec::new()
//!     }
//! }
//!
//! let journal = MemoryJournal::new();
//! let root_acl: Acl = "Get=*&Replace=dm.example".parse()?;
//! let mut tree = Tree::load(&journal, TreeLimits::default(), root_acl)?;
//! let target: Target = "./Lamp/On".parse()?;
//!
//! // The device makes the node.
//! let mut transaction = tree.begin(Now::default());
//! transaction.set(&Lamp, &target.uri, Value::bool(false))?;
//! transaction.commit(&journal, Batch::new())?;
//!
//! // A server writes it, another may not.
//! let owner = Principal::Server("dm.example".parse()?);
//! let other = Principal::Server("other.example".parse()?);
//! let mut transaction = tree.begin(Now::default());
//! let refused = transaction.authorize(&Lamp, &other, AccessType::Replace, &target);
//! assert_eq!(refused.unwrap_err().status().get(), 425);
//! let permit = transaction.authorize(&Lamp, &owner, AccessType::Replace, &target)?;
//! transaction.replace(&Lamp, permit, Value::bool(true))?;
//! transaction.commit(&journal, Batch::new())?;
//!
//! assert_eq!(tree.node(&target.uri).and_then(|node| node.text()), Some("true"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Feature `proptest`, off by default: `Arbitrary` for addresses, values and lists, and the module
//! `reference`, a tree as plain as can be to test others against.

mod access;
mod acl;
#[cfg(feature = "proptest")]
mod arbitrary;
mod error;
mod index;
mod names;
mod node;
mod octets;
mod record;
#[cfg(feature = "proptest")]
pub mod reference;
mod schema;
mod segments;
mod slab;
mod store;
mod target;
mod transaction;
mod tree;
mod uri;
mod value;

pub use access::{AccessSet, AccessType, Principal};
pub use acl::{Acl, AclError, AclErrorKind};
pub use error::{Refusal, TreeError, TreeErrorKind};
pub use node::NodeRef;
pub use record::{LoadError, RECORDS, RecordFault};
pub use schema::{FormatSet, Initial, Occurrence, Owner, Required, Rule, Schema, Scope};
pub use target::{List, Property, PropertySelection, Selector, Target, TargetError};
pub use transaction::{Change, ChangeKind, ListEntry, NewNode, Permit, Reading, Transaction};
pub use tree::{Tree, TreeLimits};
pub use uri::{Uri, UriError, UriErrorKind, UriLimits};
pub use value::{Value, ValueError};
