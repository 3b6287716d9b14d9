//! A machine's folder, and what is written down in it.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Write},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};
use virmo_hypervisor::backend::{self, RECORD, rename};

use crate::devices::{Devices, Switches};

/// What is durable of a machine beside its disk and its saved state.
pub(crate) type Record = backend::Record<Own>;

/// What is found under a machine's name.
pub(crate) type Found = backend::Found<Own>;

/// What only QEMU needs to know of a machine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Own {
    pub(crate) uuid: String,
    /// The machine type: a saved state fits no other.
    pub(crate) machine: String,
    /// The length of the disk in bytes; it never shrinks, whatever the configuration says.
    pub(crate) disk: u64,
    /// A call that has begun and not ended.
    pub(crate) pending: Option<Pending>,
    /// Whether the guest ran when this was written: whoever finds it dead knows that it crashed.
    pub(crate) running: bool,
    /// What it was last started with.
    #[serde(default)]
    pub(crate) devices: Devices,
    /// The peripherals it must not have.
    #[serde(default)]
    pub(crate) disabled: BTreeSet<String>,
    /// Whether the user's input is kept out.
    #[serde(default)]
    pub(crate) locked: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pending {
    PowerOn,
    PowerOff,
    Suspend,
    Resume,
}

impl Own {
    /// A machine as it was made.
    pub(crate) fn new(uuid: String, disk: u64) -> Self {
        Self {
            uuid,
            machine: "pc-i440fx-7.2".to_owned(),
            disk,
            pending: None,
            running: false,
            devices: Devices::default(),
            disabled: BTreeSet::new(),
            locked: false,
        }
    }

    pub(crate) const fn switches(&self) -> Switches<'_> {
        Switches {
            disabled: &self.disabled,
            locked: self.locked,
        }
    }
}

/// A machine's folder. Names are short: the path of a socket has 107 bytes at most.
#[derive(Clone, Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    /// The guest's disk.
    pub(crate) fn disk(&self) -> PathBuf {
        self.0.join("disk.raw")
    }

    /// The saved execution: whole, and good for one resume.
    pub(crate) fn saved(&self) -> PathBuf {
        self.0.join("state")
    }

    /// An execution that is being saved.
    pub(crate) fn saving(&self) -> PathBuf {
        self.0.join("state.tmp")
    }

    /// A saved execution that a guest may have gone on from: never used again.
    pub(crate) fn consumed(&self) -> PathBuf {
        self.0.join("state.old")
    }

    /// The file QEMU holds locked while it lives.
    pub(crate) fn pid(&self) -> PathBuf {
        self.0.join("pid")
    }

    /// The QMP socket for calls.
    pub(crate) fn qmp(&self) -> PathBuf {
        self.0.join("qmp")
    }

    /// The QMP socket for looking.
    pub(crate) fn look(&self) -> PathBuf {
        self.0.join("look")
    }

    /// What the guest writes to its first serial port, if that is kept.
    pub(crate) fn console(&self) -> PathBuf {
        self.0.join("console.log")
    }

    /// The socket of the guest's first serial port.
    pub(crate) fn terminal(&self) -> PathBuf {
        self.0.join("term")
    }

    /// The socket of the channel to the guest.
    pub(crate) fn channel(&self) -> PathBuf {
        self.0.join("dm")
    }

    /// The bootstrap document for a DM client in the guest.
    pub(crate) fn bootstrap(&self) -> PathBuf {
        self.0.join("bootstrap")
    }

    /// What QEMU said when it was started.
    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("qemu.log")
    }

    pub(crate) fn read(&self) -> io::Result<Found> {
        Found::in_folder(&self.0)
    }

    pub(crate) fn write(&self, record: &Record) -> io::Result<()> {
        let new = self.0.join("machine.new");
        let mut file = File::create(&new)?;
        file.write_all(&record.to_json()?)?;
        file.sync_all()?;
        rename(&new, &self.0.join(RECORD))
    }
}
