use std::fmt;

/// The state of a virtual machine: the value of `VirMO/<x>/State`. [VirMO §7.1, §8]
///
/// ```text
///                 Create                      Suspend
///   NotCreated ─────────────────► Running ────────────────► Suspended
///       │                         ▲     │ ◄────────────────
///       │                 Poweron │     │ Poweroff  Resume
///       │                         │     ▼
///       └──────────────────────► PoweredOff
///           CreateAndPoweroff
///
///   PoweredOff, Running, Suspended ── Delete ──► Deleted
/// ```
///
/// `PoweredOff`, `Running` and `Suspended` together are the Created group. `Deleted` is momentary:
/// the sub-tree goes with it, so a server never reads it for long.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum VmState {
    /// The machine is not on the device; how to make it can be configured.
    #[default]
    NotCreated = 0,
    /// The machine exists and is off; it runs again by a normal boot.
    PoweredOff = 1,
    /// The machine exists and runs.
    Running = 2,
    /// The machine exists, its execution is saved and stopped.
    Suspended = 3,
    /// The machine is gone, its resources are released.
    Deleted = 4,
}

/// What a VirMO Server can ask to be done to a virtual machine. [VirMO §7.1.4]
///
/// An Exec on `Operations/Create` is [`Create`](Self::Create), or
/// [`CreateAndPoweroff`](Self::CreateAndPoweroff) if CreateParams says `Running=false`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Primitive {
    /// Create: makes the machine and starts it.
    Create,
    /// CreateAndPoweroff: makes the machine and leaves it off.
    CreateAndPoweroff,
    /// Suspend: saves the execution and stops it.
    Suspend,
    /// Resume: goes on from the saved execution.
    Resume,
    /// Poweron: boots the machine.
    PowerOn,
    /// Poweroff: ends the machine's execution.
    PowerOff,
    /// Delete: removes the machine from the device.
    Delete,
}

/// A primitive was asked for in a state it does not apply to; the state stays. [VirMO §7.1.4]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[error("{primitive} does not apply to a VM that is {state}")]
pub struct NotApplicable {
    /// The state the machine is in.
    pub state: VmState,
    /// What was asked for.
    pub primitive: Primitive,
}

impl VmState {
    /// Every state, in the order of the values.
    pub const ALL: [Self; 5] = [
        Self::NotCreated,
        Self::PoweredOff,
        Self::Running,
        Self::Suspended,
        Self::Deleted,
    ];

    /// The state a primitive leads to: the transition table. [VirMO §7.1.4]
    ///
    /// # Errors
    ///
    /// [`NotApplicable`] if the primitive does not apply here, also when the state asked for is
    /// the one already held.
    pub const fn after(self, primitive: Primitive) -> Result<Self, NotApplicable> {
        use Primitive::{Create, CreateAndPoweroff, Delete, PowerOff, PowerOn, Resume, Suspend};
        match (self, primitive) {
            (Self::NotCreated, Create) => Ok(Self::Running),
            (Self::NotCreated, CreateAndPoweroff) => Ok(Self::PoweredOff),
            (Self::Running, Suspend) => Ok(Self::Suspended),
            (Self::Suspended, Resume) => Ok(Self::Running),
            (Self::PoweredOff, PowerOn) => Ok(Self::Running),
            (Self::Running, PowerOff) => Ok(Self::PoweredOff),
            (Self::PoweredOff | Self::Running | Self::Suspended, Delete) => Ok(Self::Deleted),
            (Self::NotCreated, Suspend | Resume | PowerOn | PowerOff | Delete)
            | (Self::PoweredOff, Create | CreateAndPoweroff | Suspend | Resume | PowerOff)
            | (Self::Running, Create | CreateAndPoweroff | Resume | PowerOn)
            | (Self::Suspended, Create | CreateAndPoweroff | Suspend | PowerOn | PowerOff)
            | (
                Self::Deleted,
                Create | CreateAndPoweroff | Suspend | Resume | PowerOn | PowerOff | Delete,
            ) => Err(NotApplicable {
                state: self,
                primitive,
            }),
        }
    }

    /// Whether the state is of the Created group. [VirMO §7.1.2]
    #[must_use]
    pub const fn is_created(self) -> bool {
        match self {
            Self::PoweredOff | Self::Running | Self::Suspended => true,
            Self::NotCreated | Self::Deleted => false,
        }
    }

    /// The value of the State node.
    #[must_use]
    pub const fn value(self) -> u8 {
        self as u8
    }

    /// The state with this value, if there is one.
    #[must_use]
    pub const fn from_value(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::NotCreated),
            1 => Some(Self::PoweredOff),
            2 => Some(Self::Running),
            3 => Some(Self::Suspended),
            4 => Some(Self::Deleted),
            _ => None,
        }
    }

    /// The name the specification gives the state.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotCreated => "NotCreated",
            Self::PoweredOff => "PoweredOff",
            Self::Running => "Running",
            Self::Suspended => "Suspended",
            Self::Deleted => "Deleted",
        }
    }
}

impl fmt::Display for VmState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Primitive {
    /// Every primitive, in the order of the specification.
    pub const ALL: [Self; 7] = [
        Self::Create,
        Self::CreateAndPoweroff,
        Self::Suspend,
        Self::Resume,
        Self::PowerOn,
        Self::PowerOff,
        Self::Delete,
    ];

    /// The name the specification gives the primitive: `Poweron`, not the node's `PowerOn`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::CreateAndPoweroff => "CreateAndPoweroff",
            Self::Suspend => "Suspend",
            Self::Resume => "Resume",
            Self::PowerOn => "Poweron",
            Self::PowerOff => "Poweroff",
            Self::Delete => "Delete",
        }
    }
}

impl fmt::Display for Primitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
