use std::{collections::BTreeSet, fs, io, path::Path};

use serde::{Deserialize, Serialize};
use virmo_hypervisor::{MachineState, Observed, backend};

/// The file of its disk.
pub(crate) const DISK: &str = "disk";

/// The bootstrap document for a DM client in the guest.
pub(crate) const BOOTSTRAP: &str = "bootstrap";

/// The file that ends the guest from outside.
pub(crate) const END: &str = "end-guest";

/// What is durable of a machine beside its disk.
pub(crate) type Record = backend::Record<Own>;

/// What is found under a machine's name.
pub(crate) type Found = backend::Found<Own>;

/// What only the simulator needs to know of a machine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Own {
    pub(crate) media_type: String,
    /// How much of the disk the image took; the guest writes nothing beyond.
    pub(crate) image_octets: u64,
    pub(crate) state: State,
    /// A call that has begun and not ended.
    pub(crate) pending: Option<Pending>,
    /// How often the guest was resumed since it was booted.
    pub(crate) counter: u64,
    /// Whether the user is kept out.
    #[serde(default)]
    pub(crate) locked: bool,
    /// The peripherals it must not have.
    #[serde(default)]
    pub(crate) disabled: BTreeSet<String>,
    /// Whether it may share data with other machines.
    #[serde(default)]
    pub(crate) sharing: bool,
}

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

impl Own {
    /// A machine as it was made.
    pub(crate) fn new(media_type: String, image_octets: u64) -> Self {
        Self {
            media_type,
            image_octets,
            state: State::Off,
            pending: None,
            counter: 0,
            locked: false,
            disabled: BTreeSet::new(),
            sharing: false,
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
}

/// What is found in a folder; a running guest that was ended from outside is off.
pub(crate) fn find(folder: &Path) -> io::Result<Found> {
    let mut found = Found::in_folder(folder)?;
    if let Found::Machine(record) = &mut found
        && record.own.machine_state() == MachineState::Running
    {
        record.own.state = match fs::read(folder.join(END)) {
            Ok(how) if how.trim_ascii() == b"crash" => State::Crashed,
            Ok(_) => State::Off,
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::Running,
            Err(error) => return Err(error),
        };
    }
    Ok(found)
}

/// What a machine of the simulator is found to be.
pub(crate) fn observed(found: Found) -> Observed {
    match found {
        Found::Absent | Found::Foreign => Observed::absent(),
        Found::Broken(reason) => Observed::from(MachineState::Broken(reason)),
        Found::Machine(record) => Observed::new(record.own.machine_state(), record.config),
    }
}
