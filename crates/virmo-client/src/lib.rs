//! The VirMO Client: the management object that turns what a VirMO Server writes and executes
//! below `./VirMO` and `./VMImgMO` into calls of a hypervisor and downloads of images.
//!
//! [`VirmoClient`] is an [`omadm_mo::ManagementObject`]: any DM client that drives those hooks can
//! mount it, `omadm-client` among them. It neither opens a socket or a file nor starts a thread;
//! what blocks comes out as jobs.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use omadm_core::{MemoryJournal, Now};
//! use omadm_download::{
//!     Cancel, Clock, Ending, Fetch, FetchError, FetchErrorKind, FetchRequest, MemorySink, Receiver,
//! };
//! use omadm_mo::{Effects, Registry};
//! use omadm_tree::{Acl, Tree, TreeLimits, Uri};
//! use virmo_client::{Event, Policy, VirmoClient};
//! use virmo_simulator::Simulator;
//!
//! // What a device brings along: `omadm-http` and the runtime have the real ones.
//! struct NoNetwork;
//! impl Fetch for NoNetwork {
//!     fn fetch(
//!         &self,
//!         _: &FetchRequest<'_>,
//!         _: &mut dyn Receiver,
//!     ) -> Result<Ending, FetchError> {
//!         Err(FetchErrorKind::Unreachable.into())
//!     }
//! }
//! struct NoTime;
//! impl Clock for NoTime {
//!     fn now(&self) -> Duration {
//!         Duration::ZERO
//!     }
//!     fn wait(&self, _: Duration, _: &Cancel) {}
//! }
//!
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let journal = Arc::new(MemoryJournal::new());
//! let mut policy = Policy::default();
//! policy.deadline = Duration::from_secs(60);
//! let client = VirmoClient::builder(
//!     Arc::new(Simulator::open(folder.join("machines"))?),
//!     Arc::new(NoNetwork),
//!     Arc::new(MemorySink::new()),
//!     journal.clone(),
//!     Arc::new(NoTime),
//! )
//! .policy(policy)
//! .observer(|event| {
//!     if let Event::Vm { node, from, to, .. } = event {
//!         println!("{node} went from {from} to {to}");
//!     }
//! })
//! .build()?;
//!
//! // What an engine does with it.
//! let mut registry = Registry::new();
//! registry.mount(Box::new(client))?;
//! let mut tree = Tree::load(&*journal, TreeLimits::default(), Acl::root_default())?;
//! let mut transaction = tree.begin(Now::default());
//! let mut effects = Effects::new(0);
//! registry.start(&mut transaction, &mut effects, Now::default())?;
//! transaction.commit(&*journal, effects.batch)?;
//! registry.committed();
//!
//! let device: Uri = "./VirMO/DeviceResources".parse()?;
//! let resources = tree.node(&device).and_then(|node| node.text());
//! assert_eq!(resources, Some("RAM=4294967296&Storage=34359738368"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Statuses
//!
//! | what | status |
//! |---|---|
//! | a primitive in a state it does not apply to, a VM or image under work, Create from an image that is not downloaded, Delete of an image a VM is being made from | 405 |
//! | Create without CreateParams or ImgID, a NewConfig that lacks a key, Download without DownloadURI or MediaType | 412 |
//! | Create from an image that is not there | 404 |
//! | entitlements that do not fit the device or the CPU policy | 420 |
//! | a value that is no `key=value` list, or out of range; a MediaType that is none; a DownloadURI that is none | 400 |
//! | a DownloadURI that is neither `http` nor `https`; what the hypervisor does not support | 406 |
//! | a file of another type than MediaType | 415 |
//! | ExecUICmd of a VM that does not run, or whose user is being asked | 405 |
//! | ExecUICmd without UI/Command | 412 |
//! | a UI/Command that is no `Alert` with a `CmdID` and a code | 400 |
//! | a change or an Exec below DMTree while the VM does not run, an Exec there while another is under way | 405 |
//! | a change below DMTree in an Atomic, of more than one VM, or that renames; no channel to guests | 406 |
//! | a guest that does not answer in time | 408 |
//! | a guest that refuses | its status |
//! | anything else that fails | 500 |
//!
//! A value that is well written but lacks a key is taken, and judged when it is used.
//!
//! # A DM client in the guest
//!
//! A server that wants to manage the guest of a VM by a DM client of its own writes the bootstrap
//! document for it to `VirMO/<x>/Ext/Bootstrap` before Create, with the document's media type as
//! Type: a message of the DM profile in XML or WBXML. The leaf reads as empty from then on; the
//! document goes to the hypervisor with Create, always as
//! `application/vnd.syncml.dm+wbxml` without a MAC
//! ([`VmSpec::bootstrap`](virmo_hypervisor::VmSpec::bootstrap)), and the device forgets it once the
//! VM is there. A document of another type is refused with 415, one that cannot be read with 400,
//! one for a VM that is created with 405. [VirMO §11.1.3]
//!
//! # The tree of a guest
//!
//! A server that Adds DMTree manages the guest of the VM by this client: `./X` in the guest is
//! `./VirMO/<x>/DMTree/X` for the server. [VirMO §11.2] What another object describes there is that
//! object's; all else is the guest's:
//!
//! - Add, Replace, Delete and Copy are put off until the guest has done them; then the tree changes.
//!   The device's tree is the master copy: a guest that has lost a node gets it anew with the next
//!   command on it.
//!   What a guest did, or may have done, of a command that failed, or that a restart has cut, is undone
//!   in the guest before the next command, at the next watch, or when its VM is found running after a
//!   start.
//! - Exec runs in the guest, one at a time, with its argument and Correlator. A status of 202 is
//!   passed on; the guest's own alert follows.
//! - Get is answered from the tree, also while the VM does not run.
//! - Alerts of the guest, and values it changes by itself, come with its answers and with each
//!   [watch](Policy::watch); they are kept durably before the guest may forget them, so an alert may
//!   come twice.
//!
//! What the device does itself, such as LAWMO, a guest neither changes nor removes. Of a change a
//! guest says 200 when it is done; any other status is a failure, and one that asks for credentials
//! or names another place is 500 for the server.
//!
//! Every address in a command, and the source of every alert, is translated; texts are not looked
//! into. A hypervisor without a channel to guests refuses all of it with 406.
//!
//! # Questions to the user of a VM
//!
//! With a [`VmUserInterface`] every VM has `UI` and `Operations/ExecUICmd`. [VirMO §11.2.2]
//! UI/Command takes one `Alert` with or without namespace, and forgets UI/Result. ExecUICmd asks,
//! while the VM runs, and leaves the `Status` in UI/Result; it ends with 200 whatever the answer is:
//!
//! | UI/Result | |
//! |---|---|
//! | 200 | shown, yes, or with Items the text or the numbers of the choices |
//! | 304 | no |
//! | 214, 408 | cancelled by the user, no answer in time |
//! | 406 | not one of the alerts 1100 to 1104, or of a kind the VM cannot ask |
//! | 412 | text, choices or an optional parameter are missing or wrong |
//! | 416 | longer than [`Policy::question_octets`], or the VM cannot show it |
//! | 215 | not asked, or asked in vain: the VM left Running, cannot be reached, or the device was restarted; the Exec ends with 500 |
//!
//! # Features
//!
//! What VirMO 1.0 leaves open to a client is a feature each, on by default:
//!
//! - `bootstrap`: bootstrap documents for DM clients in guests. Without it `Ext/Bootstrap` is refused
//!   with 406.
//! - `descriptors`: images and packages behind download descriptors, as in `omadm-download`. Without it
//!   such a download fails with 415.
//! - `dm-tree`: the DMTree of a VM. Without it no VM gets one.
//! - `ui`: questions to the user of a VM. Without it no VM has `UI`, whatever
//!   [`user_interface`](Builder::user_interface) says.
//! - `draft`: [the draft](Profile::Draft) of the text. Without it there is no `Builder::profile`.
//!
//! A client without one starts on what another one left. The nodes stay as they are: a server may Get
//! them and change nothing (405). Where it waits for the alert of an Exec below DMTree or to a user, it
//! gets one that says that it failed. On VMs of the draft a client without that does not start.

mod apply;
mod bootstrap;
mod client;
mod companion;
mod drive;
mod event;
mod features;
mod forward;
mod gate;
mod guest;
mod intent;
mod interaction;
mod ledger;
mod machines;
mod nodes;
mod policy;
mod record;
mod resources;
mod table;
mod users;
mod waker;

pub use client::{Builder, VirmoClient};
pub use event::{Event, Observer, Recovery};
pub use guest::{GuestError, GuestLink};
pub use interaction::{VmQuestion, VmUserInterface};
pub use policy::{Policy, UnknownMachines};
pub use resources::CpuPolicy;
pub use users::{UnlockError, Users};
pub use virmo_nodes::Profile;

use omadm_core::Records;

/// What [`VirmoClient`] keeps in its journal, downloads and the operations of companion objects
/// included, for [`upgrade`](omadm_core::upgrade()).
pub const RECORDS: &[Records] = &{
    let [counters, warnings, doubts] = ledger::RECORDS;
    [
        intent::RECORDS,
        counters,
        warnings,
        doubts,
        client::RECORDS,
        bootstrap::RECORDS,
        omadm_download::RECORDS,
        omadm_objects::RECORDS,
    ]
};
