use std::fmt;

use omadm_core::ServerId;

/// A command a node may allow: the AccessType of its description, and what an ACL grants.
/// [DM-TND §7.7.1, DDF]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AccessType {
    /// Create the node.
    Add,
    /// Copy its value elsewhere; no ACL names it.
    Copy,
    /// Remove the node and its subtree.
    Delete,
    /// Start what the node stands for.
    Exec,
    /// Read it.
    Get,
    /// Overwrite it.
    Replace,
}

impl AccessType {
    /// Every access type.
    pub const ALL: [Self; 6] = [
        Self::Add,
        Self::Copy,
        Self::Delete,
        Self::Exec,
        Self::Get,
        Self::Replace,
    ];

    /// The word in ACLs and descriptions.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Copy => "Copy",
            Self::Delete => "Delete",
            Self::Exec => "Exec",
            Self::Get => "Get",
            Self::Replace => "Replace",
        }
    }
}

impl fmt::Display for AccessType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of [`AccessType`]s.
///
/// ```
/// use omadm_tree::{AccessSet, AccessType};
///
/// const READ_EXEC: AccessSet = AccessSet::of(&[AccessType::Get, AccessType::Exec]);
/// assert!(READ_EXEC.contains(AccessType::Exec));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct AccessSet(u8);

impl AccessSet {
    /// No command.
    pub const EMPTY: Self = Self(0);
    /// Every command.
    pub const ALL: Self = Self::of(&AccessType::ALL);

    /// The commands of a list.
    #[must_use]
    pub const fn of(list: &[AccessType]) -> Self {
        let mut set = Self::EMPTY;
        let mut rest = list;
        while let [first, more @ ..] = rest {
            set = set.with(*first);
            rest = more;
        }
        set
    }

    /// The set with one more command.
    #[must_use]
    pub const fn with(self, access: AccessType) -> Self {
        Self(self.0 | 1 << access as u8)
    }

    /// The commands of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The commands of this set that are not in the other.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether a command is in the set.
    #[must_use]
    pub const fn contains(self, access: AccessType) -> bool {
        self.0 & 1 << access as u8 != 0
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The commands, in order of their names.
    pub fn iter(self) -> impl Iterator<Item = AccessType> {
        AccessType::ALL
            .into_iter()
            .filter(move |access| self.contains(*access))
    }
}

impl FromIterator<AccessType> for AccessSet {
    fn from_iter<I: IntoIterator<Item = AccessType>>(commands: I) -> Self {
        commands.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Debug for AccessSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// On whose behalf a command runs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Principal {
    /// The device itself: neither AccessType nor ACL binds it, the structure of the tree does.
    Device,
    /// An authenticated server.
    Server(ServerId),
}
