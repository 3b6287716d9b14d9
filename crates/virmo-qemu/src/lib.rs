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
//! | RAM | fixed while the machine runs: that a guest gives memory back cannot be relied on |
//! | storage | the disk grows, also while the guest runs; it never shrinks |
//! | CPU | a quota of a control group, where the system has that; of the guest's CPUs only under version 1 |
//! | network | not limited, and machines have none |
//!
//! Images are raw disks.

mod cpu;
pub mod guest;
mod hypervisor;
mod machine;
mod process;
mod qemu;
mod qmp;

pub use qemu::{Accelerator, Builder, OpenError, Qemu};
