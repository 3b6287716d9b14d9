//! Companion management objects with their behaviour, for a device or for anything in it that is
//! managed like one.
//!
//! * [`Lawmo`] locks, unlocks and wipes what a [`Locker`] stands for.
//! * [`Dcmo`] enables and disables the capabilities of a [`Switch`].
//! * [`Fumo`] updates a [`Firmware`] with packages that come over DM, that the device downloads by a
//!   [`Delivery`], or that the firmware downloads itself.
//! * [`Scomo`] lists, downloads, installs, activates and removes [`Software`].
//!
//! Each is an [`omadm_mo::ManagementObject`] that can be mounted anywhere: what blocks comes out as a
//! job, an operation in progress outlives a restart, and a result that comes late is told by an alert.
//!
//! Marked (unverified) is what rests on clients in the field rather than on the text of the
//! specification.
//!
//! ```
//! use std::sync::Arc;
//!
//! use omadm_core::{MemoryJournal, Now};
//! use omadm_mo::{Effects, Registry};
//! use omadm_objects::{Failure, Lawmo, LockState, Locker, WipeItem, Wiped};
//! use omadm_tree::{Acl, Tree, TreeLimits, Uri};
//!
//! struct Screen;
//! impl Locker for Screen {
//!     fn lock(&self, state: LockState, _notify_user: bool) -> Result<(), Failure> {
//!         println!("the screen is {state:?}");
//!         Ok(())
//!     }
//!     fn wipe_list(&self) -> Vec<WipeItem> {
//!         let (node, name) = ("photos".to_owned(), "Photos".to_owned());
//!         vec![WipeItem { node, name }]
//!     }
//!     fn wipe(&self, _items: &[String], _notify_user: bool) -> Result<Wiped, Failure> {
//!         Ok(Wiped::Data)
//!     }
//!     fn factory_reset(&self, _notify_user: bool) -> Result<(), Failure> {
//!         Err(Failure::Client)
//!     }
//! }
//!
//! let journal = MemoryJournal::new();
//! let mut registry = Registry::new();
//! let lawmo = Lawmo::new(Uri::parse("./LAWMO")?, Arc::new(Screen), &journal)?;
//! registry.mount(Box::new(lawmo))?;
//!
//! // What an engine does with it.
//! let mut tree = Tree::load(&journal, TreeLimits::default(), Acl::root_default())?;
//! let mut transaction = tree.begin(Now::default());
//! let mut effects = Effects::new(0);
//! registry.start(&mut transaction, &mut effects, Now::default())?;
//! transaction.commit(&journal, effects.batch)?;
//! registry.committed();
//!
//! let state = tree.node(&Uri::parse("./LAWMO/State")?);
//! assert_eq!(state.and_then(|state| state.text()), Some("30"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod code;
mod dcmo;
mod delivery;
mod fumo;
mod lawmo;
mod ledger;
mod scomo;

pub use code::{Failure, ResultCode};
pub use dcmo::{ALERT_DCMO, Capability, DCMO, Dcmo, DcmoOperation, Switch};
pub use delivery::Delivery;
pub use fumo::{
    ALERT_FUMO_DEVICE, ALERT_FUMO_USER, FUMO, Firmware, Fumo, FumoOperation, FumoState, Package,
    Updated,
};
pub use lawmo::{ALERT_LAWMO, LAWMO, Lawmo, LawmoOperation, LockState, Locker, WipeItem, Wiped};
pub use ledger::{RECORDS, give_up};
pub use scomo::{
    ALERT_SCOMO, Component, Installation, SCOMO, Scomo, ScomoBranch, ScomoOperation, Software,
};
