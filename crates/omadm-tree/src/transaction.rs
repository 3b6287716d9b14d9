mod authorize;
mod command;
mod create;
mod device;
mod reading;

use std::fmt;

use omadm_core::{Batch, Journal, JournalError, Now, sort};

use crate::{
    NodeRef, Property, Tree, TreeError, TreeErrorKind, Uri, Value, record,
    store::{NodeId, Step},
};

pub use authorize::Permit;
pub use create::NewNode;
pub use reading::{ListEntry, Reading};

/// Changes to a [`Tree`] that become durable together or not at all.
///
/// 1. [`Tree::begin`] starts it; what it changes is visible through it at once, to nobody else.
/// 2. A command of a server needs a [`Permit`] from [`authorize`](Self::authorize), which the
///    operation consumes. The device's own changes ([`set`](Self::set),
///    [`add_interior`](Self::add_interior), [`remove`](Self::remove), …) need none.
/// 3. An operation that fails has changed nothing; the transaction goes on.
/// 4. [`changes`](Self::changes) tells what happened so far.
/// 5. [`commit`](Self::commit) writes tree and caller's records in one batch. A failed commit, and
///    dropping the transaction, restore the tree exactly.
///
/// ```
/// use omadm_core::{Batch, MemoryJournal, Now};
/// use omadm_tree::{Acl, Tree, TreeLimits, Uri, Value};
/// # use omadm_tree::{Required, Rule, Schema};
/// # struct Anything;
/// # impl Schema for Anything {
/// #     fn rule(&self, _: &Uri) -> Option<Rule<'_>> { None }
/// #     fn required(&self, _: &Uri) -> Vec<Required> { Vec::new() }
/// # }
/// # let schema = Anything;
///
/// let journal = MemoryJournal::new();
/// let mut tree = Tree::load(&journal, TreeLimits::default(), Acl::root_default())?;
/// let uri: Uri = "./DevInfo/Lang".parse()?;
///
/// let mut transaction = tree.begin(Now::default());
/// transaction.set(&schema, &uri, Value::chr("en"))?;
/// transaction.commit(&journal, Batch::new())?;
///
/// let loaded = Tree::load(&journal, TreeLimits::default(), Acl::root_default())?;
/// assert_eq!(loaded.node(&uri).and_then(|node| node.text()), Some("en"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Transaction<'t> {
    tree: &'t mut Tree,
    now: Now,
    /// What takes the changes back, in the order they were made.
    undo: Vec<Step>,
    changes: Vec<Change>,
}

/// One thing that happened in a [`Transaction`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The node; for [`ChangeKind::Renamed`] its new address.
    pub uri: Uri,
    /// What happened to it.
    pub kind: ChangeKind,
}

/// What happened to a node.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ChangeKind {
    /// It was created. Ancestors created on the way and required children have changes of their own,
    /// parents first.
    Added,
    /// Its value was written.
    Replaced {
        /// The value until then.
        before: Value,
    },
    /// It was deleted. Each node of a deleted subtree has a change of its own, parents first.
    Deleted {
        /// The value of a leaf.
        before: Option<Value>,
    },
    /// A property other than the name was written.
    PropertyChanged(Property),
    /// It was renamed, and its subtree moved with it.
    Renamed {
        /// The address until then.
        from: Uri,
    },
}

impl<'t> Transaction<'t> {
    pub(crate) const fn new(tree: &'t mut Tree, now: Now) -> Self {
        Self {
            tree,
            now,
            undo: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// Makes the changes durable: their records follow those of `batch` in one commit.
    ///
    /// With nothing to write, the journal is not asked.
    ///
    /// # Errors
    /// The [`JournalError`]; the tree is then as it was before the transaction, and the journal holds
    /// nothing of `batch`.
    pub fn commit(mut self, journal: &dyn Journal, mut batch: Batch) -> Result<(), JournalError> {
        let mut touched: Vec<NodeId> = Vec::new();
        self.undo.iter().for_each(|step| step.touch(&mut touched));
        sort(&mut touched, &|a, b| a.cmp(&b));
        touched.dedup();
        for id in touched {
            record::write(&self.tree.store, id, &mut batch);
        }
        if !batch.is_empty() {
            journal.commit(&batch)?;
        }
        for step in std::mem::take(&mut self.undo) {
            self.tree.store.release(&step);
        }
        Ok(())
    }

    /// Takes everything back; the same as dropping the transaction.
    pub fn rollback(self) {}

    /// The node at an address, as the transaction sees it.
    #[must_use]
    pub fn node(&self, uri: &Uri) -> Option<NodeRef<'_>> {
        self.tree.node(uri)
    }

    /// The tree, as the transaction sees it.
    #[must_use]
    pub const fn tree(&self) -> &Tree {
        self.tree
    }

    /// What happened so far, in order.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Makes a change.
    fn apply(&mut self, step: Step) {
        let undo = self.tree.store.apply(step);
        self.record(undo);
    }

    /// Keeps what takes back a change that was made.
    fn record(&mut self, undo: Step) {
        self.undo.push(undo);
        self.tree.revision.advance();
    }

    fn note(&mut self, uri: Uri, kind: ChangeKind) {
        self.changes.push(Change { uri, kind });
    }

    /// Runs an operation that changes nothing if it fails.
    fn whole<T>(
        &mut self,
        operation: impl FnOnce(&mut Self) -> Result<T, TreeError>,
    ) -> Result<T, TreeError> {
        let (steps, changes) = (self.undo.len(), self.changes.len());
        let result = operation(self);
        if result.is_err() {
            self.undo_to(steps);
            self.changes.truncate(changes);
        }
        result
    }

    fn undo_to(&mut self, length: usize) {
        while self.undo.len() > length
            && let Some(step) = self.undo.pop()
        {
            self.tree.store.apply(step);
            self.tree.revision.advance();
        }
    }

    fn existing(&self, uri: &Uri) -> Result<NodeRef<'_>, TreeError> {
        self.node(uri).ok_or_else(|| not_found(uri))
    }
}

fn not_found(uri: &Uri) -> TreeError {
    TreeError::new(TreeErrorKind::NotFound, uri)
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        self.undo_to(0);
    }
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("changes", &self.changes)
            .finish_non_exhaustive()
    }
}
