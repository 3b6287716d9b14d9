use omadm_tree::{AccessSet, AccessType, Uri};

use crate::DefinitionRef;

/// A definition mounted at a place of the tree.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Mount {
    /// Where the root node of the object is, or the parent of the root nodes.
    pub root: Uri,
    /// What is below it.
    pub definition: DefinitionRef,
    /// The paths of the optional nodes this device does not have, nor anything below them.
    pub without: Vec<&'static str>,
    /// Whether every child of [`root`](Self::root) is an object of the definition.
    pub instances: bool,
    /// What servers may do with the root node beside what the definition says.
    pub root_access: AccessSet,
}

impl Mount {
    /// All of a definition.
    #[must_use]
    pub fn new(root: Uri, definition: impl Into<DefinitionRef>) -> Self {
        Self {
            root,
            definition: definition.into(),
            without: Vec::new(),
            instances: false,
            root_access: AccessSet::EMPTY,
        }
    }

    /// Any number of objects, as children of a permanent node: accounts below `./DMAcc`.
    #[must_use]
    pub fn instances(parent: Uri, definition: impl Into<DefinitionRef>) -> Self {
        let mut mount = Self::new(parent, definition);
        mount.instances = true;
        mount
    }

    /// The mount of an object whose root node comes and goes by commands: Delete for one that a
    /// server Added.
    #[must_use]
    pub const fn root_allows(mut self, access: &[AccessType]) -> Self {
        self.root_access = AccessSet::of(access);
        self
    }

    /// The mount without an optional node and what is below it.
    #[must_use]
    pub fn without(mut self, path: &'static str) -> Self {
        self.without.push(path);
        self
    }
}
