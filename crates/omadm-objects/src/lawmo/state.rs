use crate::{Failure, ResultCode};

/// The value of `LAWMO/State`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LockState {
    /// 10: the user can use nothing but what law or safety demand; the DM client works.
    FullyLocked,
    /// 20: the user can use what the device decides.
    PartiallyLocked,
    /// 30: the user can use everything.
    Unlocked,
}

impl LockState {
    /// Every state, by value.
    pub const ALL: [Self; 3] = [Self::FullyLocked, Self::PartiallyLocked, Self::Unlocked];

    /// The value in the tree.
    #[must_use]
    pub const fn value(self) -> u8 {
        match self {
            Self::FullyLocked => 10,
            Self::PartiallyLocked => 20,
            Self::Unlocked => 30,
        }
    }

    /// The state of a value.
    #[must_use]
    pub fn from_value(value: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.value() == value)
    }

    /// The state after an operation that succeeded. Neither Wipe nor FactoryReset unlocks: a lock
    /// ends by UnLock alone (unverified for FactoryReset).
    #[must_use]
    pub const fn after(self, operation: LawmoOperation) -> Self {
        match operation {
            LawmoOperation::FullyLock => Self::FullyLocked,
            LawmoOperation::PartiallyLock => Self::PartiallyLocked,
            LawmoOperation::UnLock => Self::Unlocked,
            LawmoOperation::FactoryReset | LawmoOperation::Wipe => self,
        }
    }
}

/// What can be executed below `LAWMO/Operations`, in any state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LawmoOperation {
    /// Locks fully.
    FullyLock,
    /// Locks partially.
    PartiallyLock,
    /// Unlocks.
    UnLock,
    /// Restores the state of the factory.
    FactoryReset,
    /// Erases what is to be wiped.
    Wipe,
}

impl LawmoOperation {
    /// Every operation, in the order of the table.
    pub const ALL: [Self; 5] = [
        Self::FullyLock,
        Self::PartiallyLock,
        Self::UnLock,
        Self::FactoryReset,
        Self::Wipe,
    ];

    /// The name of its node.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FullyLock => "FullyLock",
            Self::PartiallyLock => "PartiallyLock",
            Self::UnLock => "UnLock",
            Self::FactoryReset => "FactoryReset",
            Self::Wipe => "Wipe",
        }
    }

    /// The operation of a node. Names are case sensitive.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.name() == name)
    }

    /// Whether it locks or unlocks.
    pub(super) const fn is_of_lock(self) -> bool {
        !matches!(self, Self::FactoryReset | Self::Wipe)
    }

    /// The result code of a failure.
    #[must_use]
    pub const fn failure(self, failure: Failure) -> ResultCode {
        match (failure, self) {
            (Failure::Cancelled, _) => ResultCode::USER_CANCELLED,
            (Failure::Client, _) | (Failure::Failed, Self::FactoryReset) => {
                ResultCode::CLIENT_ERROR
            }
            (Failure::Failed, Self::FullyLock) => ResultCode::FULLY_LOCK_FAILED,
            (Failure::Failed, Self::PartiallyLock) => ResultCode::PARTIALLY_LOCK_FAILED,
            (Failure::Failed, Self::UnLock) => ResultCode::UNLOCK_FAILED,
            (Failure::Failed, Self::Wipe) => ResultCode::WIPE_FAILED,
        }
    }
}
