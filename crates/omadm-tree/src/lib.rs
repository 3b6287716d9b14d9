//! The OMA DM management tree: URIs, values, properties, ACLs and transactions.

mod access;
mod acl;
mod error;
mod node;
mod octets;
mod record;
mod schema;
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
pub use record::{LoadError, RecordFault};
pub use schema::{FormatSet, Initial, Occurrence, Owner, Required, Rule, Schema, Scope};
pub use target::{List, Property, PropertySelection, Selector, Target, TargetError};
pub use transaction::{
    Change, ChangeKind, ListEntry, NewNode, Permit, Reading, ResumeError, Suspended, Transaction,
};
pub use tree::{Tree, TreeLimits};
pub use uri::{Uri, UriError, UriErrorKind, UriLimits};
pub use value::{Value, ValueError};
