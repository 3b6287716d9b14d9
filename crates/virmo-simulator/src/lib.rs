//! A hypervisor that keeps simulated machines in a folder and fails on request.
//!
//! [`Simulator`] is the default back end of VirMO: it passes the same contract as the real ones,
//! needs nothing installed, and shows the faults that real ones show when they are not wanted.
//!
//! ```
//! use virmo_hypervisor::{Hypervisor, MachineState, VmSpec};
//! use virmo_simulator::Simulator;
//!
//! # let dir = tempfile::tempdir()?;
//! # let folder = dir.path();
//! # let image = folder.join("android.img");
//! # std::fs::write(&image, "an image")?;
//! let simulator = Simulator::builder(folder.join("machines"))
//!     .fault("suspend:fail".parse()?)
//!     .open()?;
//! let id = "vm-1".parse()?;
//! let resources = "RAM=268435456&Storage=1073741824&CPU=10&Network=10".parse()?;
//! simulator.create(&VmSpec::new(id, image, "application/octet-stream", resources))?;
//!
//! let id = "vm-1".parse()?;
//! simulator.power_on(&id)?;
//! assert!(simulator.suspend(&id).is_err());
//! assert_eq!(simulator.observe(&id)?.state, MachineState::Unsettled);
//! simulator.resume(&id)?; // Goes back; `suspend` again would finish it.
//! assert_eq!(simulator.observe(&id)?.state, MachineState::Running);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it simulates
//!
//! A machine is a folder with a record of its state and a disk that is a copy of its image, cut or
//! extended to its storage. A running guest is its state and a counter that goes up by one with
//! each resume and begins at 0 with each boot. Bootstrap documents, vendor keys and media types
//! have no effect. Machines outlive the simulator: a new one on the same folder finds a running
//! machine running. It answers its host as a [`MemoryGuest`](virmo_guest::MemoryGuest), which
//! [`Simulator::guest`] looks into; that one goes with the power and with the simulator.
//!
//! Each machine has a `bluetooth`, a `camera`, an `nfc`, a `usb` and a `wlan` that can be switched,
//! and an input that can be locked; both are in its record, and change nothing else.
//!
//! # Guests that end
//!
//! A guest ends itself by [`Simulator::end_guest`], or from outside by a file `end-guest` in the
//! folder of its running machine: a crash if `crash` is in it, else in order. The machine is found
//! off from then on; the file goes with the next change of the machine.
//!
//! ```sh
//! echo crash > machines/vm-1/end-guest
//! ```
//!
//! # What a call does, in order
//!
//! Each call that changes a machine has a first durable effect and a last; a [`Fault`] shows after
//! the first, and a process killed in between leaves the machine as it says here:
//!
//! | call | after the first effect | after the last |
//! |---|---|---|
//! | `create` | absent; [`delete`] or the next start clears the folder away | off |
//! | `power_on`, `suspend`, `resume` | [`Unsettled`] | the new state |
//! | `power_off`, `delete` | as before | off, absent |
//! | `commit` | as before, but for RAM, which is the new one | the new resources |
//!
//! [`delete`]: virmo_hypervisor::Hypervisor::delete
//! [`Unsettled`]: virmo_hypervisor::MachineState::Unsettled
//!
//! # The folder
//!
//! A machine's `bootstrap` is the document for a DM client in its guest, if it has one.
//!
//! `lock` is locked while a simulator has the folder open; the lock goes with the process.
//! `machines/<id>/` holds `machine.json` and `disk`. A folder there whose record is missing or
//! carries another owner's mark is a machine of others. `scratch/` holds what is being made or
//! removed; it is emptied at each start.

mod disk;
mod fault;
mod guest;
mod hypervisor;
mod record;
mod simulator;
mod switches;

pub use fault::{Fault, FaultMode, InvalidFault, Operation};
pub use guest::Misbehaviour;
pub use omadm_core::FileStep;
pub use simulator::{Builder, OpenError, Simulator};
