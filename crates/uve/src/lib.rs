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
//! This crate has the interfaces as traits, their messages, the states of a session as a table and
//! the trait of the VMM's storage, [`DataCentre`]. The two sides themselves are in `uve-engine`, a
//! binding to HTTP and images in files in `uve-http`.
//!
//! ```
//! use uve::{Uve5Error, Version};
//!
//! let stale = Uve5Error::Conflict { current: Version(7) };
//! let json = r#"{"error":"conflict","current":7}"#;
//! assert_eq!(serde_json::to_string(&stale)?, json);
//! assert!(!stale.is_temporary());
//! # Ok::<(), serde_json::Error>(())
//! ```

mod data_centre;
mod id;
mod image;
pub mod session;
pub mod uve2;
pub mod uve5;

pub use data_centre::{DataCentre, Upload};
pub use id::{EventId, InvalidId, MAX_ID, UaId, UaSessionId, UpdateId, UserId, VmId};
pub use image::{Digest, Hasher, ImageInfo, InvalidDigest, Version};
pub use uve2::{MonitoringNotification, UaPackage, Uve2, Uve2Error};
pub use uve5::{
    BeginUpdate, Begun, CommitUpdate, ReadUif, Retrieved, SessionDisconnect, Uve5, Uve5Error,
    WriteUpdate,
};
