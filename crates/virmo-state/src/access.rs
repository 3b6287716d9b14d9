use std::fmt;

use crate::VmState;

/// What a VirMO Server can ask of a virtual machine beside the primitives, in the earlier draft of
/// VirMO 1.0: who gets at it. The State stays.
///
/// Lock and Unlock are operations of that draft; it demands that data sharing can be prohibited
/// and allowed, and has no operation for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AccessOperation {
    /// Lock: keeps everybody out who is not authorized.
    Lock,
    /// Unlock: lets them in again.
    Unlock,
    /// Lets the machine share data with other machines.
    AllowSharing,
    /// Keeps the machine from sharing data with other machines.
    ProhibitSharing,
}

/// An operation was asked for in a state it does not apply to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[error("{operation} does not apply to a VM that is {state}")]
pub struct AccessNotApplicable {
    /// The state the machine is in.
    pub state: VmState,
    /// What was asked for.
    pub operation: AccessOperation,
}

impl AccessOperation {
    /// Every operation.
    pub const ALL: [Self; 4] = [
        Self::Lock,
        Self::Unlock,
        Self::AllowSharing,
        Self::ProhibitSharing,
    ];

    /// The name of the operation, that of its node too.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lock => "Lock",
            Self::Unlock => "Unlock",
            Self::AllowSharing => "AllowSharing",
            Self::ProhibitSharing => "ProhibitSharing",
        }
    }
}

impl fmt::Display for AccessOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl VmState {
    /// The state an access operation leads to: the one held, where there is a machine. Asking for
    /// what is so already applies too.
    ///
    /// # Errors
    ///
    /// [`AccessNotApplicable`] if there is no machine.
    pub const fn after_access(
        self,
        operation: AccessOperation,
    ) -> Result<Self, AccessNotApplicable> {
        if self.is_created() {
            Ok(self)
        } else {
            Err(AccessNotApplicable {
                state: self,
                operation,
            })
        }
    }
}
