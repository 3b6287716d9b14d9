//! The nodes of VirMO 1.0: the Virtualization MO and the VM Image MO as tables and as typed paths.
//!
//! [`VIRMO`] and [`VMIMGMO`] describe all 38 nodes of OMA-ER-VirMO-V1_0-20140325-A with every
//! column. Access checks, creation of nodes, the DDF files in `ddf/` and the paths come from them.
//! [`Features`] says which optional nodes a device has.
//!
//! The earlier draft of VirMO 1.0 is the other [`Profile`], chosen at run time: [`VIRMO_DRAFT`] is
//! its table, made of the same rows where they are equal, and [`Profile::node`] says where a node
//! is in either.
//!
//! ```
//! use omadm_tree::{Schema, Uri};
//! use virmo_nodes::{Features, VmNode};
//!
//! let root = Uri::parse("./VirMO")?;
//! let mut layout = omadm_mo::Layout::default();
//! layout.mount(Features::default().virmo(root.clone()))?;
//!
//! let state = VmNode::State.of(&root.child("work")?);
//! assert_eq!(state.to_string(), "./VirMO/work/State");
//! assert!(layout.rule(&state).is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod mount;
mod path;
mod profile;
mod virmo;
mod vmimgmo;

pub use mount::{Features, vmimgmo};
pub use path::{ImageNode, ImagePath, VirmoNode, VirmoPath, VmNode, VmPath};
pub use profile::Profile;
pub use virmo::{VIRMO, VIRMO_DRAFT};
pub use vmimgmo::VMIMGMO;

/// The identifier of the Virtualization MO. [VirMO §8]
pub const VIRMO_MOID: &str = "urn:oma:mo:oma-virmo:1.0";

/// The identifier of the VM Image MO. [VirMO §9]
pub const VMIMGMO_MOID: &str = "urn:oma:mo:oma-vmimgmo:1.0";

/// The type of the Image Ready Alert. [VirMO §12.1]
pub const ALERT_IMAGE_READY: &str = "urn:oma:at:oma-virmo:imageready:1.0";
