//! A machine's folder, and what is written down in it.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use virmo_params::ResourceConfig;

const RECORD: &str = "machine.json";
const OWNER: &str = "virmo";
const VERSION: u32 = 1;

/// What is durable of a machine beside its disk and its saved state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    version: u32,
    owner: String,
    pub(crate) uuid: String,
    pub(crate) description: String,
    /// The machine type: a saved state fits no other.
    pub(crate) machine: String,
    pub(crate) config: Config,
    pub(crate) prepared: Option<Config>,
    /// The length of the disk in bytes; it never shrinks, whatever the configuration says.
    pub(crate) disk: u64,
    /// A call that has begun and not ended.
    pub(crate) pending: Option<Pending>,
    /// Whether the guest ran when this was written: whoever finds it dead knows that it crashed.
    pub(crate) running: bool,
}

/// A configuration as its text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Config(pub(crate) ResourceConfig);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pending {
    PowerOn,
    PowerOff,
    Suspend,
    Resume,
}

/// What is found under a machine's name.
pub(crate) enum Found {
    Absent,
    /// A folder without our mark.
    Foreign,
    /// A folder of ours whose record cannot be used, for this reason.
    Broken(String),
    Machine(Record),
}

impl Record {
    pub(crate) fn new(
        uuid: String,
        description: String,
        config: ResourceConfig,
        disk: u64,
    ) -> Self {
        Self {
            version: VERSION,
            owner: OWNER.to_owned(),
            uuid,
            description,
            machine: "pc-i440fx-7.2".to_owned(),
            config: Config(config),
            prepared: None,
            disk,
            pending: None,
            running: false,
        }
    }

    /// What counts against the device for this machine.
    pub(crate) fn claim(&self) -> &ResourceConfig {
        match &self.prepared {
            Some(prepared) => &prepared.0,
            None => &self.config.0,
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

    /// What the guest writes to its first serial port.
    pub(crate) fn console(&self) -> PathBuf {
        self.0.join("console.log")
    }

    /// What QEMU said when it was started.
    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("qemu.log")
    }

    pub(crate) fn read(&self) -> io::Result<Found> {
        match fs::metadata(&self.0) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Ok(Found::Absent),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // In a place that is gone itself nobody may take a machine for absent.
                if let Some(place) = self.0.parent() {
                    fs::metadata(place)?;
                }
                return Ok(Found::Absent);
            }
            Err(error) => return Err(error),
        }
        let text = match fs::read(self.0.join(RECORD)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(match self.0.is_dir() {
                    true => Found::Foreign,
                    false => Found::Absent,
                });
            }
            Err(error) => return Err(error),
        };
        Ok(match serde_json::from_slice::<Mark>(&text) {
            Err(error) => Found::Broken(format!("{RECORD}: {error}")),
            Ok(mark) if mark.owner != OWNER => Found::Foreign,
            Ok(mark) if mark.version != VERSION => {
                Found::Broken(format!("{RECORD} has the unknown version {}", mark.version))
            }
            Ok(_) => match serde_json::from_slice(&text) {
                Ok(record) => Found::Machine(record),
                Err(error) => Found::Broken(format!("{RECORD}: {error}")),
            },
        })
    }

    pub(crate) fn write(&self, record: &Record) -> io::Result<()> {
        let new = self.0.join("machine.new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec_pretty(record)?)?;
        file.sync_all()?;
        rename(&new, &self.0.join(RECORD))
    }
}

/// Moves a file or folder within one file system, durably.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_parent(to)?;
    match from.parent() == to.parent() {
        true => Ok(()),
        false => sync_parent(from),
    }
}

/// Removes a file or folder, durably; none is as good.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let removed = fs::symlink_metadata(path).and_then(|metadata| match metadata.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    });
    match removed {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Whose record it is, and of which form.
#[derive(Deserialize)]
struct Mark {
    owner: String,
    #[serde(default)]
    version: u32,
}

impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map(Self)
            .map_err(D::Error::custom)
    }
}
