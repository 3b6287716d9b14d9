use std::{fmt, num::NonZeroU32};

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

/// The id of a command, unique within its message; never 0. [DM-RepPro]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub struct CmdId(NonZeroU32);

impl CmdId {
    /// The id 1.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The id of that number; none for 0.
    #[must_use]
    pub const fn new(id: u32) -> Option<Self> {
        match NonZeroU32::new(id) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The id after this one; the last one stays.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for CmdId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CmdId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a Status or Results refers to. [DM-RepPro]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CmdRef {
    /// The `SyncHdr`: 0 on the wire, or an absent `CmdRef`.
    Header,
    /// The command with that id.
    Command(CmdId),
    /// A command that has no id: an empty `CmdRef` on the wire.
    Nameless,
}

impl From<CmdId> for CmdRef {
    fn from(id: CmdId) -> Self {
        Self::Command(id)
    }
}

impl From<Option<CmdId>> for CmdRef {
    /// What answers a command that may have no id.
    fn from(id: Option<CmdId>) -> Self {
        id.map_or(Self::Nameless, Self::Command)
    }
}

impl CmdRef {
    /// The reference of a number on the wire; none is an empty `CmdRef`.
    pub(crate) fn from_number(number: Option<u32>) -> Self {
        number.map_or(Self::Nameless, |number| {
            CmdId::new(number).map_or(Self::Header, Self::Command)
        })
    }

    /// The number on the wire.
    pub(crate) const fn number(self) -> Option<u32> {
        match self {
            Self::Header => Some(0),
            Self::Command(id) => Some(id.get()),
            Self::Nameless => None,
        }
    }
}
