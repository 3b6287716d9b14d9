//! UVE-2 and UVE-5: a user's image follows them from machine to machine.
//!
//! The change request this implements names two interfaces between a VM manager (VMM) and the
//! virtual machines (VM) that serve users who log in:
//!
//! * [`Uve2`], exposed by the VM: [notification of monitoring](Uve2::notify_monitoring), managing user
//!   applications (UA), [suspending](Uve2::suspend_session) a monitored session;
//! * [`Uve5`], exposed by the VMM: reporting an unexpected disconnect, retrieving and updating the
//!   user image file (UIF).
//!
//! No more of the UVE enabler is known than that. Names and directions are the text's; the fields
//! of the requests, the [states](session), leases and digests are ours (unverified), made so that a
//! second log-in finds what the first one left.
//!
//! [`Vmm`] and [`Vm`] are both sides. They touch neither sockets nor files nor clocks: a
//! [`Journal`](omadm_core::Journal), [`Blobs`], a [`DataCentre`] and a [`Clock`] are handed in. The
//! crate `uve-http` carries the interfaces over HTTP and keeps images in files.
//!
//! ```
//! use std::sync::Arc;
//!
//! use omadm_core::MemoryJournal;
//! use uve::{
//!     Digest, EmbeddedDataCentre, MemoryBlobs, SteppedClock, UaPackage, Uve2, Vm, VmConfig, Vmm,
//!     VmmConfig, session::State,
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
mod id;
mod image;
mod record;
pub mod session;
pub mod uve2;
pub mod uve5;
mod vm;
mod vmm;

pub use blobs::{Blobs, MemoryBlobs};
pub use clock::{Clock, SteppedClock};
pub use data_centre::{DataCentre, EmbeddedDataCentre, Upload};
pub use id::{EventId, InvalidId, MAX_ID, UaId, UaSessionId, UpdateId, UserId, VmId};
pub use image::{Digest, Hasher, ImageInfo, InvalidDigest, Version};
pub use uve2::{MonitoringNotification, UaPackage, Uve2, Uve2Error};
pub use uve5::{
    BeginUpdate, Begun, CommitUpdate, ReadUif, Retrieved, SessionDisconnect, Uve5, Uve5Error,
    WriteUpdate,
};
pub use vm::{Progress, Vm, VmConfig, VmError, VmEvent};
pub use vmm::{Selection, Vmm, VmmConfig, VmmError, VmmEvent};
