use omadm_tree::Uri;

use crate::Definition;

/// A definition mounted at a place of the tree.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Mount {
    /// Where the root node of the object is.
    pub root: Uri,
    /// What is below it.
    pub definition: &'static Definition,
    /// The paths of the optional nodes this device does not have, nor anything below them.
    pub without: Vec<&'static str>,
}

impl Mount {
    /// All of a definition.
    #[must_use]
    pub const fn new(root: Uri, definition: &'static Definition) -> Self {
        Self {
            root,
            definition,
            without: Vec::new(),
        }
    }

    /// The mount without an optional node and what is below it.
    #[must_use]
    pub fn without(mut self, path: &'static str) -> Self {
        self.without.push(path);
        self
    }
}
