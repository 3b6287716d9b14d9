use std::{fs, io, path::Path};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use virmo_hypervisor::{MachineState, Observed};
use virmo_params::ResourceConfig;

/// The file of a machine's record in the machine's folder.
pub(crate) const RECORD: &str = "machine.json";
/// The file of its disk.
pub(crate) const DISK: &str = "disk";

const VERSION: u32 = 1;
const OWNER: &str = "virmo";

/// What is durable of a machine beside its disk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    version: u32,
    owner: String,
    pub(crate) description: String,
    pub(crate) media_type: String,
    /// How much of the disk the image took; the guest writes nothing beyond.
    pub(crate) image_octets: u64,
    pub(crate) config: Config,
    pub(crate) prepared: Option<Config>,
    pub(crate) state: State,
    /// A call that has begun and not ended.
    pub(crate) pending: Option<Pending>,
    /// How often the guest was resumed since it was booted.
    pub(crate) counter: u64,
}

/// A configuration as its text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Config(pub(crate) ResourceConfig);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Off,
    Crashed,
    Running,
    Suspended,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pending {
    PowerOn,
    PowerOff,
    Suspend,
    Resume,
    Delete,
    /// Delete, and overwrite the data.
    Erase,
}

/// What is found under a machine's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    Absent,
    /// A folder without our mark.
    Foreign,
    /// A folder with a record of ours that cannot be used, for this reason.
    Broken(String),
    Machine(Record),
}

impl Record {
    pub(crate) fn new(
        description: String,
        media_type: String,
        image_octets: u64,
        config: ResourceConfig,
    ) -> Self {
        Self {
            version: VERSION,
            owner: OWNER.to_owned(),
            description,
            media_type,
            image_octets,
            config: Config(config),
            prepared: None,
            state: State::Off,
            pending: None,
            counter: 0,
        }
    }

    pub(crate) fn machine_state(&self) -> MachineState {
        match (self.pending, self.state) {
            (Some(Pending::PowerOn | Pending::Suspend | Pending::Resume), _) => {
                MachineState::Unsettled
            }
            (_, State::Off) => MachineState::Off { crashed: false },
            (_, State::Crashed) => MachineState::Off { crashed: true },
            (_, State::Running) => MachineState::Running,
            (_, State::Suspended) => MachineState::Suspended,
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

impl Found {
    /// Looks into a machine's folder.
    pub(crate) fn read(folder: &Path) -> io::Result<Self> {
        if !is_there(folder)? {
            return Ok(Self::Absent);
        }
        let text = match fs::read(folder.join(RECORD)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A machine may have been deleted between the two looks.
                return Ok(match is_there(folder)? {
                    true => Self::Foreign,
                    false => Self::Absent,
                });
            }
            Err(error) => return Err(error),
        };
        Ok(match serde_json::from_slice::<Mark>(&text) {
            Err(error) => Self::Broken(format!("{RECORD}: {error}")),
            Ok(mark) if mark.owner != OWNER => Self::Foreign,
            Ok(mark) if mark.version != VERSION => {
                Self::Broken(format!("{RECORD} has the unknown version {}", mark.version))
            }
            Ok(_) => match serde_json::from_slice(&text) {
                Ok(record) => Self::Machine(record),
                Err(error) => Self::Broken(format!("{RECORD}: {error}")),
            },
        })
    }

    pub(crate) fn observed(self) -> Observed {
        match self {
            Self::Absent | Self::Foreign => Observed::absent(),
            Self::Broken(reason) => Observed::from(MachineState::Broken(reason)),
            Self::Machine(record) => Observed::new(record.machine_state(), record.config.0),
        }
    }
}

/// Whether a folder is there. Where that cannot be told, as in a place that is gone itself, nobody
/// may take a machine for absent.
fn is_there(folder: &Path) -> io::Result<bool> {
    match fs::metadata(folder) {
        Ok(metadata) => Ok(metadata.is_dir()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(place) = folder.parent() {
                fs::metadata(place)?;
            }
            Ok(false)
        }
        Err(error) => Err(error),
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
