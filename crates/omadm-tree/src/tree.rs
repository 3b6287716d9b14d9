use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

use omadm_core::{Journal, Now};

use crate::{
    Acl, LoadError, NodeRef, Transaction, Uri, UriError, UriLimits, record,
    store::{NodeId, ROOT, Store},
    uri,
};

/// The management tree of a device: every node with its value and properties, in memory.
/// [DM-TND §6]
///
/// Changes go through a [`Transaction`], and commit to the [`Journal`] the tree was loaded from.
pub struct Tree {
    pub(crate) store: Store,
    pub(crate) limits: TreeLimits,
    /// What the root has until its ACL is replaced.
    pub(crate) root_acl: Acl,
    /// The state it is in, so that nothing derived from another one passes for current.
    pub(crate) revision: Revision,
}

/// A state of a tree, different from every other one of it and of other trees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Revision {
    tree: usize,
    changes: u64,
}

impl Revision {
    /// The first one of a new tree.
    fn new() -> Self {
        static TREES: AtomicUsize = AtomicUsize::new(0);
        Self {
            tree: TREES.fetch_add(1, Ordering::Relaxed),
            changes: 0,
        }
    }

    /// That of a further change.
    pub(crate) const fn advance(&mut self) {
        self.changes += 1;
    }
}

/// What a tree may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TreeLimits {
    /// Nodes, the root among them. Default: 100,000.
    pub nodes: u32,
    /// Children of one node. Default: 65,536.
    pub children: u32,
    /// Octets of one value. Default: 1 MiB.
    pub value_bytes: usize,
    /// Octets of all values. Default: 64 MiB.
    pub total_bytes: usize,
    /// Characters of one access control list. Default: 4096.
    pub acl_bytes: usize,
    /// Bytes of one media type or management object identifier. Default: 255.
    pub type_bytes: usize,
    /// Nodes of one `?list=` reading. Default: 10,000.
    pub list_nodes: usize,
    /// Missing ancestors one Add creates; with 0 it answers 404. Default: 32.
    pub implicit_ancestors: usize,
    /// Addresses. Default: [`UriLimits::default`].
    pub uri: UriLimits,
}

impl TreeLimits {
    /// The greatest length of a title, in bytes. [DM-TND §7.7.5]
    pub const TITLE_BYTES: usize = 255;
}

impl Default for TreeLimits {
    fn default() -> Self {
        Self {
            nodes: 100_000,
            children: 65_536,
            value_bytes: 1 << 20,
            total_bytes: 64 << 20,
            acl_bytes: 4096,
            type_bytes: 255,
            list_nodes: 10_000,
            implicit_ancestors: 32,
            uri: UriLimits::default(),
        }
    }
}

impl Tree {
    /// A tree of nothing but its root.
    ///
    /// `root_acl` is what the root has until a server replaces it; an empty one becomes
    /// [`Acl::root_default`].
    #[must_use]
    pub fn new(limits: TreeLimits, root_acl: Acl) -> Self {
        let root_acl = if root_acl.is_empty() {
            Acl::root_default()
        } else {
            root_acl
        };
        Self {
            store: Store::new(),
            limits,
            root_acl,
            revision: Revision::new(),
        }
    }

    /// The tree a journal holds, in its space [`Space::TREE`](omadm_core::Space::TREE); of nothing
    /// but its root if the journal is new. `root_acl` as for [`Tree::new`].
    ///
    /// # Errors
    /// A [`LoadError`] if the journal fails, or its records are not those of one tree. The limits on
    /// size do not apply to what is stored already.
    pub fn load(
        journal: &dyn Journal,
        limits: TreeLimits,
        root_acl: Acl,
    ) -> Result<Self, LoadError> {
        let mut tree = Self::new(limits, root_acl);
        record::load(journal, &mut tree.store)?;
        Ok(tree)
    }

    /// Starts a transaction at a moment, which new time stamps show.
    pub fn begin(&mut self, now: Now) -> Transaction<'_> {
        Transaction::new(self, now)
    }

    /// The node at an address.
    #[must_use]
    pub fn node(&self, uri: &Uri) -> Option<NodeRef<'_>> {
        self.store.find_path(uri.path()).and_then(|id| self.at(id))
    }

    /// The node at an address as text, which is checked like [`Uri::parse`] does, but not copied.
    ///
    /// # Errors
    /// A [`UriError`] if it is no address.
    pub fn find(&self, text: &str) -> Result<Option<NodeRef<'_>>, UriError> {
        let id = self.store.find_path(&uri::names_of(text)?);
        Ok(id.and_then(|id| self.at(id)))
    }

    /// The number of nodes, the root among them.
    #[must_use]
    pub const fn node_count(&self) -> usize {
        self.store.live()
    }

    /// The limits.
    #[must_use]
    pub const fn limits(&self) -> &TreeLimits {
        &self.limits
    }

    pub(crate) fn at(&self, id: NodeId) -> Option<NodeRef<'_>> {
        NodeRef::new(self, id)
    }

    /// The list that decides about a node: its own, or that of the nearest ancestor with one.
    pub(crate) fn effective_acl(&self, id: NodeId) -> &Acl {
        let mut next = id;
        while let Some(node) = self.store.get(next) {
            let acl = node.props.acl();
            if !acl.is_empty() {
                return acl;
            }
            if next == ROOT {
                break;
            }
            next = node.parent();
        }
        &self.root_acl
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree")
            .field("nodes", &self.node_count())
            .finish_non_exhaustive()
    }
}
