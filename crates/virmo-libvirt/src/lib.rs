//! VirMO machines on what libvirt manages.
//!
//! [`Libvirt`] is a [`Hypervisor`](virmo_hypervisor::Hypervisor) on any connection URI whose host
//! sees our files: a machine is a libvirt domain, with a copy of the image as its disk in a folder
//! of ours. It is built with libvirt's headers (`libvirt-dev`), and linked with its library.
//!
//! A domain is ours if its metadata hold our record, in the namespace [`NAMESPACE`], with the mark
//! of our folder. All others are listed as foreign and never touched, those of another client on
//! the same libvirt too.
//!
//! libvirt goes on with a call whose client is gone. So each machine's record says what has begun,
//! a machine found under way is unsettled, and the next call first waits until libvirt has done
//! with the one before.
//!
//! A suspended machine is a managed save. It is used once: libvirt restores it with the guest
//! stopped, and the guest goes on when the saved file is gone. Where libvirt cannot read that file
//! and boots the machine instead, the guest is ended before its first instruction, and the call fails.
//!
//! Every call to libvirt has its time ([`Builder::patience`]): a daemon that does not answer makes
//! no caller wait for longer.
//!
//! | resource | QEMU under libvirt |
//! |---|---|
//! | RAM | fixed while the machine runs: that a guest gives memory back cannot be relied on |
//! | storage | the disk grows, also while the guest runs; it never shrinks |
//! | CPU | a quota, where this libvirt can set it: that is tried once, as long as nobody says so |
//! | network | a share of a [`Link`], if there is one |
//!
//! The domain's definition is ours: it is written anew when resources change, and what others
//! edited in it is lost.
//!
//! ```no_run
//! use virmo_hypervisor::Hypervisor;
//! use virmo_libvirt::Libvirt;
//!
//! let machines = Libvirt::builder("qemu:///system", "/var/lib/virmo").open()?;
//! for machine in machines.list()? {
//!     println!("{:?}: {}", machine.machine, machine.observed.state);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod domain;
mod hypervisor;
mod libvirt;
mod line;
mod machine;
mod xml;

pub use libvirt::{Accelerator, Builder, Libvirt, Link, OpenError};
pub use machine::NAMESPACE;
