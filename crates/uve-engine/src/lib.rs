//! The two sides of UVE-2 and UVE-5.
//!
//! [`Vmm`] chooses VMs for users, and lets one VM at a time change a user's image. [`Vm`] serves one
//! user at a time. Both speak the interfaces of the crate [`uve`]; neither touches sockets, files or
//! clocks: a [`Journal`](omadm_core::Journal), [`Blobs`], a [`DataCentre`](uve::DataCentre) and a
//! [`Clock`] are handed in. The crate `uve-http` carries the interfaces over HTTP and keeps blobs in
//! files.
//!
//! ```
//! use std::sync::Arc;
//!
//! use omadm_core::MemoryJournal;
//! use uve::{Digest, UaPackage, Uve2, session::State};
//! use uve_engine::{
//!     EmbeddedDataCentre, MemoryBlobs, SteppedClock, Vm, VmConfig, Vmm, VmmConfig,
//! };
//!
//! let journal = Arc::new(MemoryJournal::new());
//! let blobs = Arc::new(MemoryBlobs::default());
//! let clock = Arc::new(SteppedClock::default());
//! let centre = EmbeddedDataCentre::open(journal.clone(), blobs, EmbeddedDataCentre::MAX_IMAGE)?;
//! let vmm = Vmm::open(journal, Arc::new(centre), clock.clone(), VmmConfig::default())?;
//! let vmm = Arc::new(vmm);
//!
//! let new_vm = |name: &str| {
//!     let (journal, blobs) = (Arc::new(MemoryJournal::new()), Arc::new(MemoryBlobs::default()));
//!     let id = name.parse()?;
//!     let vm = Vm::open(id, vmm.clone(), journal, blobs, clock.clone(), VmConfig::default())?;
//!     let digest = Digest::of(b"an editor");
//!     let editor = UaPackage { ua: "editor".parse()?, version: "1".into(), digest };
//!     vm.deploy_ua(&editor, b"an editor")?;
//!     Ok::<_, Box<dyn std::error::Error>>(vm)
//! };
//! let (a, b) = (new_vm("vm-a")?, new_vm("vm-b")?);
//!
//! // Ann logs in and is served by the first VM.
//! let ann = "ann".parse()?;
//! vmm.add_user(&ann)?;
//! let selection = vmm.select(&ann, &"editor".parse()?, &"vm-a".parse()?)?;
//! a.serve(&selection)?;
//! a.drive()?;
//! a.write_image(&selection.session, 0, b"dear diary")?;
//!
//! // She goes on at the second one.
//! let moved = vmm.select(&ann, &"editor".parse()?, &"vm-b".parse()?)?;
//! a.finish(&selection.session)?;
//! a.drive()?;
//! b.serve(&moved)?;
//! b.drive()?;
//! let mut text = [0; 10];
//! b.read_image(&moved.session, 0, &mut text)?;
//! assert_eq!(&text, b"dear diary");
//! assert_eq!(a.state(), State::Idle);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod blobs;
mod clock;
mod data_centre;
mod record;
mod vm;
mod vmm;

pub use blobs::{Blobs, MemoryBlobs};
pub use clock::{Clock, SteppedClock};
pub use data_centre::EmbeddedDataCentre;
pub use vm::{Progress, Vm, VmConfig, VmError, VmEvent};
pub use vmm::{Selection, Vmm, VmmConfig, VmmError, VmmEvent};

use omadm_core::{Records, Space};

/// What both sides keep in their journals, for [`upgrade`](omadm_core::upgrade()).
pub const RECORDS: &[Records] = &[
    record::kept(Space::IDS).under("uve-"),
    record::kept(vmm::USERS),
    record::kept(data_centre::IMAGES),
    record::kept(data_centre::UPLOADS),
    record::kept(vm::SPACE),
    record::kept(vm::UAS),
];
