//! VirMO machines on QEMU.
//!
//! [`Qemu`] is a [`Hypervisor`](virmo_hypervisor::Hypervisor) that starts one QEMU process a
//! machine, talks QMP to it, and keeps everything of a machine in a folder of its own: a copy of the
//! image as its disk, its saved execution, a record. QEMU 7.2 and newer.
//!
//! QEMU processes outlive the client. Whether one lives tells the lock of its pid file, which it is
//! tells its UUID; a machine cannot be started twice, since the second QEMU does not get that
//! lock, nor that of the disk.
//!
//! Suspending stops the guest, saves its execution to a file, makes that durable, and ends the
//! process. A saved execution is used at most once: before a guest goes on from it, it is renamed to
//! what no resume ever reads.
//!
//! | resource | |
//! |---|---|
//! | RAM | live up to what the machine was booted with, if the guest has a driver for the memory balloon; refused otherwise |
//! | storage | the disk grows, also while the guest runs; it never shrinks |
//! | CPU | a quota of a control group, where the system has that; of the guest's CPUs only under version 1 |
//! | network | with [`Builder::network`]: limited in both directions, also live; otherwise machines have none |
//!
//! Images are raw disks.

mod cpu;
mod devices;
pub mod guest;
mod hypervisor;
mod machine;
mod network;
mod process;
mod qemu;
mod qmp;

pub use devices::{Channel, UsbDevice};
pub use network::Network;
pub use qemu::{Accelerator, Builder, OpenError, Qemu};
