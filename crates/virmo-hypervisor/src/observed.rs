use std::fmt;

use virmo_params::ResourceConfig;
use virmo_state::{VmId, VmState};

/// What a machine is found to be, at the moment of asking.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Observed {
    /// Whether and how it is there.
    pub state: MachineState,
    /// What it is entitled to now; none if it is absent, or the back end cannot tell.
    ///
    /// The client makes this the CurrentConfig of a machine that is there when it observes it, as it
    /// does with each at a start. None leaves CurrentConfig as it is; resources without vendor pairs
    /// leave the pairs of CurrentConfig as they are.
    pub resources: Option<ResourceConfig>,
}

impl Observed {
    /// A machine that is not there.
    #[must_use]
    pub fn absent() -> Self {
        Self::from(MachineState::Absent)
    }

    /// A machine in this state with these resources.
    #[must_use]
    pub fn new(state: MachineState, resources: ResourceConfig) -> Self {
        Self {
            state,
            resources: Some(resources),
        }
    }
}

impl From<MachineState> for Observed {
    /// A machine in this state, its resources unknown.
    fn from(state: MachineState) -> Self {
        Self {
            state,
            resources: None,
        }
    }
}

/// Whether and how a machine is there.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum MachineState {
    /// There is no such machine. A value, not an error; a half-made machine is absent too.
    Absent,
    /// It is there and off.
    Off {
        /// Whether it ended without being asked to: the guest or the hypervisor died.
        crashed: bool,
    },
    /// It runs.
    Running,
    /// Its execution is saved durably, and its RAM and CPU are free. [VirMO §7.1.2.2]
    Suspended,
    /// It is between two states, because a call was cut or an outside hand paused it.
    ///
    /// Repeating the call that was cut finishes it. To go back: [`resume`] after a cut suspend,
    /// [`suspend`] after a cut resume (while the guest does not run yet), [`power_off`] by force
    /// after a cut power_on. [`delete`] works always.
    ///
    /// [`resume`]: crate::Hypervisor::resume
    /// [`suspend`]: crate::Hypervisor::suspend
    /// [`power_off`]: crate::Hypervisor::power_off
    /// [`delete`]: crate::Hypervisor::delete
    Unsettled,
    /// It cannot be told or used any more, for this reason; it can be deleted.
    Broken(String),
}

impl MachineState {
    /// The state of the specification this is, if it is one. Off is `PoweredOff`, crashed or not.
    #[must_use]
    pub const fn vm_state(&self) -> Option<VmState> {
        match self {
            Self::Absent => Some(VmState::NotCreated),
            Self::Off { .. } => Some(VmState::PoweredOff),
            Self::Running => Some(VmState::Running),
            Self::Suspended => Some(VmState::Suspended),
            Self::Unsettled | Self::Broken(_) => None,
        }
    }
}

impl fmt::Display for MachineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::Off { crashed: false } => f.write_str("off"),
            Self::Off { crashed: true } => f.write_str("off after a crash"),
            Self::Running => f.write_str("running"),
            Self::Suspended => f.write_str("suspended"),
            Self::Unsettled => f.write_str("between two states"),
            Self::Broken(reason) => write!(f, "broken: {reason}"),
        }
    }
}

/// A machine a hypervisor knows.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Listed {
    /// Which machine.
    pub machine: Machine,
    /// What it was found to be.
    pub observed: Observed,
}

impl Listed {
    /// A machine and what it was found to be.
    #[must_use]
    pub fn new(machine: Machine, observed: Observed) -> Self {
        Self { machine, observed }
    }
}

/// Whose machine it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Machine {
    /// Made through this back end; it carries our mark.
    Owned(VmId),
    /// Somebody else's, by the name the hypervisor knows it by. Reported, never touched.
    Foreign(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_between_two_states_has_none_of_the_specification() {
        let broken = MachineState::Broken("no disk".to_owned());
        for (state, due, text) in [
            (MachineState::Absent, Some(0), "absent"),
            (MachineState::Off { crashed: false }, Some(1), "off"),
            (
                MachineState::Off { crashed: true },
                Some(1),
                "off after a crash",
            ),
            (MachineState::Running, Some(2), "running"),
            (MachineState::Suspended, Some(3), "suspended"),
            (MachineState::Unsettled, None, "between two states"),
            (broken, None, "broken: no disk"),
        ] {
            assert_eq!(state.vm_state().map(VmState::value), due);
            assert_eq!(state.to_string(), text);
        }
    }
}
