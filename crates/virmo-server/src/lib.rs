//! The VirMO Server: procedures that deliver images and manage virtual machines. [VirMO §10]
//!
//! Each is a [`Procedure`](omadm_session::Procedure) that any DM server engine can drive, such as
//! `omadm-server`. The device may report synchronously or, after 202, by an alert in a later
//! session; both are understood. Once a procedure is handed back, downcast it shows its typed
//! outcome.
//!
//! An Exec whose answer was lost with its session, or never came, or that was refused, is resolved by
//! reading what it changes, in each further session until it is known:
//!
//! | what is read | what follows |
//! |---|---|
//! | what the Exec leads to | it succeeded: 200 |
//! | what was there before, the answer being lost | it is executed again, three times at most |
//! | what was there before, 10 sessions after 202 | the same; 405 says that it goes on |
//! | an image being downloaded, no UI/Result after 202 | it is waited for, 100 sessions at most |
//! | what it leads to, after 405 or 404 | it succeeded with that status: somebody was there before |
//! | what was there before, after 405, if [resumed](Policy::resumed) | it goes on already, and is waited for; executed again once |
//! | anything else | it failed |
//!
//! The numbers are those of the [`Policy`], which also bounds the time by the clock: a procedure that
//! is not over then ends with 408, a report that [says so](omadm_session::Report::is_timed_out).
//!
//! A server that lost everything begins its procedures anew, in their order and
//! [resumed](Policy::resumed). Each finds what was done:
//! an image that is there, a machine made of it, an entitlement that applies, an object that says so
//! already; it waits for what goes on, and does nothing twice. A question that was answered is the
//! exception, and is asked again.
//!
//! | step | procedure |
//! |---|---|
//! | deliver an image, 10.1 | [`DeliverImage`] |
//! | create a machine, 10.2 | [`CreateVm`] |
//! | suspend, resume, power on and off, delete, 10.3; delete an image | [`Operate`] |
//! | lock, unlock, switch peripherals, update the firmware of a machine or a device, 11.2.1 | [`Manage`] |
//! | deliver, install, update, activate and remove software of a machine or a device, 11.2.1 | [`ManageSoftware`] |
//! | say whether the user may unlock a machine, in the draft | [`AllowUserUnlock`] |
//! | share out the device's resources | [`ApplyResources`] |
//! | ask the user of a machine, 11.2.2 | [`AskVmUser`] |
//! | read everything | [`TakeSnapshot`] |
//!
//! ```
//! use omadm_core::StatusCode;
//! use omadm_session::{Answer, Correlators, Procedure, Step};
//! use omadm_syncml::Item;
//! use virmo_server::{Mounts, Operate};
//! use virmo_state::VmState;
//!
//! let mut suspend = Operate::suspend(Mounts::default().vm("work")?);
//! let mut correlators = Correlators::new("r1");
//!
//! // What an engine does: send the Exec and bring its Status, send the Get and bring its Results.
//! let Step::Send(exec) = suspend.poll(&mut correlators) else { unreachable!() };
//! suspend.answer(Answer::status(exec[0].tag, StatusCode::OK));
//! let Step::Send(get) = suspend.poll(&mut correlators) else { unreachable!() };
//! suspend.answer(Answer::status(get[0].tag, StatusCode::OK));
//! suspend.answer(Answer::results(get[0].tag, vec![Item::new().with_data("3")]));
//!
//! let Step::Done(report) = suspend.poll(&mut correlators) else { unreachable!() };
//! assert!(report.ok);
//! assert_eq!(suspend.state(), Some(VmState::Suspended));
//! # Ok::<(), omadm_tree::UriError>(())
//! ```

mod ask;
mod create;
mod deliver;
mod flow;
mod manage;
mod mounts;
mod operate;
mod place;
mod read;
mod resources;
mod snapshot;
mod software;
mod unlock;

pub use ask::AskVmUser;
pub use create::{CreateVm, CreatedVm, ImageSource};
pub use deliver::{DeliverImage, DeliveredImage};
pub use flow::Policy;
pub use manage::Manage;
pub use mounts::{ImageReady, Mounts};
pub use omadm_objects::{FumoState, LockState, ResultCode};
pub use operate::Operate;
pub use place::Place;
pub use resources::ApplyResources;
pub use snapshot::{
    ComponentState, ImageSnapshot, PackageState, Snapshot, TakeSnapshot, UiResult, VmSnapshot,
};
pub use software::{ManageSoftware, SoftwarePackage};
pub use unlock::AllowUserUnlock;
pub use virmo_nodes::Profile;
