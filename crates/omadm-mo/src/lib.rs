//! Management objects as data: definition tables, the registry, DDF and TNDS documents and the
//! standard objects.
//!
//! A [`Definition`] describes every node of a management object once. Mounted in a [`Registry`], it
//! is what the tree goes by; with [`ddf::write`] it becomes a device description, with [`markdown`]
//! a table for people. A [`ddf::Document`] of any vendor becomes definitions. A [`ManagementObject`]
//! adds behaviour: it takes part in changes in two phases and executes nodes, with a [`Job`] for
//! what takes long; [`Plain`] has none.
//!
//! [`DevInfo`], [`DevDetail`] and [`Account`] are the objects every device has, [`Inbox`] is one it
//! may have. A [`tnds::Document`] is a part of the tree as a document, and [`bootstrap`] brings
//! accounts to a device.
//!
//! ```
//! use omadm_core::{MemoryJournal, Now};
//! use omadm_mo::{DevInfo, Effects, Registry};
//! use omadm_tree::{Acl, Tree, TreeLimits, Uri};
//!
//! let mut registry = Registry::new();
//! let info = DevInfo {
//!     dev_id: "urn:example:device-7".to_owned(),
//!     man: "Example".to_owned(),
//!     model: "One".to_owned(),
//!     dmv: "1.0".to_owned(),
//!     lang: "en".to_owned(),
//! };
//! registry.mount(Box::new(info.object()))?;
//!
//! let journal = MemoryJournal::new();
//! let mut tree = Tree::load(&journal, TreeLimits::default(), Acl::root_default())?;
//! let mut transaction = tree.begin(Now::default());
//! let mut effects = Effects::new(1);
//! registry.start(&mut transaction, &mut effects, Now::default())?;
//! transaction.commit(&journal, effects.batch)?;
//! registry.committed();
//!
//! let model = tree.node(&Uri::parse("./DevInfo/Mod")?);
//! assert_eq!(model.and_then(|node| node.text()), Some("One"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod bootstrap;
pub mod ddf;
pub mod provisioning;
pub mod tnds;

mod definition;
mod job;
mod layout;
mod markdown;
mod mount;
mod object;
mod plain;
mod registry;
mod standard;
mod violation;

pub use definition::{
    Definition, DefinitionError, DefinitionErrorKind, DefinitionRef, NodeDefinition, Note, Support,
};
pub use job::{Job, JobEnd, JobId, JobOutput, Work};
pub use layout::{Layout, MountError};
pub use markdown::markdown;
pub use mount::Mount;
pub use object::{
    Context, Effects, ExecAnswer, ExecRequest, ExecResult, ManagementObject, Refusal, Reporting,
};
pub use plain::Plain;
pub use registry::Registry;
pub use standard::{
    Account, AccountError, AccountErrorKind, Address, AddressType, AuthLevel, AuthType, Credential,
    DEV_DETAIL, DEV_INFO, DM_ACC, DevDetail, DevInfo, INBOX, Inbox,
};
pub use violation::{Violation, ViolationKind};
