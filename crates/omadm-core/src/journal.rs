use std::{
    collections::BTreeMap,
    error::Error,
    fmt,
    sync::{Mutex, PoisonError},
};

/// A named space of records in a [`Journal`].
///
/// Each space belongs to one crate, which alone knows its keys and record bytes; the first byte of
/// a record is its version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Space(&'static str);

impl Space {
    /// Nodes of the management tree; `omadm-tree`.
    pub const TREE: Self = Self("tree");
    /// Primitives under way; `virmo-client`.
    pub const INTENTS: Self = Self("intents");
    /// Alerts that wait for their acknowledgement; `omadm-client`.
    pub const ALERTS: Self = Self("alerts");
    /// Downloads under way; `omadm-download`.
    pub const DOWNLOADS: Self = Self("downloads");
    /// Nonces of both directions; `omadm-session`.
    pub const NONCES: Self = Self("nonces");
    /// Notifications that were taken; `omadm-client`.
    pub const NOTIFICATIONS: Self = Self("notifications");
    /// Bootstrap documents whose MAC was found wrong; `omadm-client`. Those for the guests of VMs that
    /// are not created yet; `virmo-client`.
    pub const BOOTSTRAPS: Self = Self("bootstraps");
    /// Counters of identifiers that are never given out twice; any crate, under keys of its own.
    pub const IDS: Self = Self("ids");

    /// What a server keeps of its devices; `omadm-server`.
    pub const DEVICES: Self = Self("devices");
    /// The reports of steps that are over, of each device; `omadm-server`.
    pub const REPORTS: Self = Self("reports");
    /// Records that are damaged, set aside for whoever wants to know what was in them: each under
    /// the name of the space it was in, a `/` and its key there. Nothing reads them; any crate.
    pub const DAMAGED: Self = Self("damaged");

    /// A space of the caller's own.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// One change within a [`Batch`]. Its `Debug` has the key, and of the record the length: there may be
/// a secret in it.
#[derive(Clone, PartialEq, Eq)]
pub enum Operation {
    /// Set the record under a key.
    Put {
        /// Where.
        space: Space,
        /// The key.
        key: Vec<u8>,
        /// The whole record.
        value: Vec<u8>,
    },
    /// Remove the record under a key, if there is one.
    Remove {
        /// Where.
        space: Space,
        /// The key.
        key: Vec<u8>,
    },
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { space, key, value } => {
                let (space, key, length) = (space.name(), key.escape_ascii(), value.len());
                write!(f, "Put({space} \"{key}\", {length} bytes)")
            }
            Self::Remove { space, key } => {
                write!(f, "Remove({} \"{}\")", space.name(), key.escape_ascii())
            }
        }
    }
}

/// Changes that become durable together or not at all; later ones win.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    operations: Vec<Operation>,
}

impl Batch {
    /// A batch that changes nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            operations: Vec::new(),
        }
    }

    /// Sets the record under `key`.
    pub fn put(&mut self, space: Space, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.operations.push(Operation::Put {
            space,
            key: key.into(),
            value: value.into(),
        });
    }

    /// Removes the record under `key`.
    pub fn remove(&mut self, space: Space, key: impl Into<Vec<u8>>) {
        self.operations.push(Operation::Remove {
            space,
            key: key.into(),
        });
    }

    /// Moves a record that is damaged, as it is, to [`Space::DAMAGED`].
    ///
    /// ```
    /// use omadm_core::{Batch, Journal, MemoryJournal, Space};
    ///
    /// let journal = MemoryJournal::new();
    /// let mut batch = Batch::new();
    /// batch.set_aside(Space::DEVICES, b"dev1", b"nonsense");
    /// journal.commit(&batch)?;
    /// assert!(journal.read(Space::DAMAGED, b"devices/dev1")?.is_some());
    /// # Ok::<(), omadm_core::JournalError>(())
    /// ```
    pub fn set_aside(&mut self, space: Space, key: &[u8], record: &[u8]) {
        let named = [space.name().as_bytes(), b"/", key].concat();
        self.put(Space::DAMAGED, named, record);
        self.remove(space, key);
    }

    /// Adds all changes of another batch after these.
    pub fn append(&mut self, other: Self) {
        self.operations.extend(other.operations);
    }

    /// The changes in order.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }
}

/// Why a journal could not do its work.
pub struct JournalError {
    cause: Box<Cause>,
}

crate::debug_as_causes!(JournalError);

/// Apart, so that what succeeds carries no room for it.
struct Cause {
    kind: JournalErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kind of a [`JournalError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum JournalErrorKind {
    /// There is no space left.
    Full,
    /// The medium cannot be written.
    ReadOnly,
    /// The stored bytes are damaged.
    Corrupt,
    /// The medium failed in another way.
    Io,
}

impl JournalError {
    /// An error with its cause.
    pub fn new(
        kind: JournalErrorKind,
        source: impl Into<Option<Box<dyn Error + Send + Sync>>>,
    ) -> Self {
        Self {
            cause: Box::new(Cause {
                kind,
                source: source.into(),
            }),
        }
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> JournalErrorKind {
        self.cause.kind
    }
}

impl fmt::Display for JournalErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the journal's medium is full",
            Self::ReadOnly => "the journal's medium is read-only",
            Self::Corrupt => "the journal is damaged",
            Self::Io => "the journal's medium failed",
        })
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.kind.fmt(f)
    }
}

impl Error for JournalError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source.as_deref().map(|source| source as _)
    }
}

/// The one durable thing an engine waits for: batches of opaque records in named spaces.
///
/// * [`commit`](Journal::commit) is all or nothing, and durable when it returns `Ok`.
/// * When it returns an error, none of the batch is visible, now or after a restart.
/// * Reads see the last successful commit.
///
/// No engine gives a call up: while one hangs, its engine stands still, and goes on where it was when
/// it returns. A server that answers several devices answers none of them meanwhile. A process that is
/// killed there starts as after a crash.
pub trait Journal: Send + Sync {
    /// Makes every change of the batch durable.
    ///
    /// # Errors
    /// A [`JournalError`]; then nothing of the batch happened.
    fn commit(&self, batch: &Batch) -> Result<(), JournalError>;

    /// The record under `key`.
    ///
    /// # Errors
    /// A [`JournalError`] if the medium fails.
    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError>;

    /// Shows every key and record of a space to `visit`, in ascending order of the key.
    ///
    /// # Errors
    /// A [`JournalError`] if the medium fails; `visit` may have seen some records then.
    fn scan(&self, space: Space, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), JournalError>;

    /// Whether no call waits for anything, such as a disk: then a server answers without a hand-over
    /// to another thread. By default not.
    fn is_quick(&self) -> bool {
        false
    }
}

/// A [`Journal`] in memory: the same promises for as long as the process lives.
///
/// ```
/// use omadm_core::{Batch, Journal, MemoryJournal, Space};
///
/// let journal = MemoryJournal::new();
/// let mut batch = Batch::new();
/// batch.put(Space::IDS, "vm", [1, 7]);
/// journal.commit(&batch)?;
/// assert_eq!(journal.read(Space::IDS, b"vm")?, Some(vec![1, 7]));
/// # Ok::<(), omadm_core::JournalError>(())
/// ```
#[derive(Default)]
pub struct MemoryJournal {
    spaces: Mutex<BTreeMap<Space, Records>>,
}

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

impl MemoryJournal {
    /// An empty journal.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// A journal of its own, with the same records.
impl Clone for MemoryJournal {
    fn clone(&self) -> Self {
        let spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            spaces: Mutex::new(spaces.clone()),
        }
    }
}

impl fmt::Debug for MemoryJournal {
    /// Shows how many records there are in each space; there may be secrets in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shown = f.debug_struct("MemoryJournal");
        for (space, records) in &*spaces {
            shown.field(space.name(), &records.len());
        }
        shown.finish()
    }
}

impl Journal for MemoryJournal {
    fn commit(&self, batch: &Batch) -> Result<(), JournalError> {
        let mut spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        for operation in batch.operations() {
            match operation {
                Operation::Put { space, key, value } => {
                    let records = spaces.entry(*space).or_default();
                    match records.get_mut(key) {
                        Some(record) => record.clone_from(value),
                        None => _ = records.insert(key.clone(), value.clone()),
                    }
                }
                Operation::Remove { space, key } => {
                    if let Some(records) = spaces.get_mut(space) {
                        records.remove(key);
                    }
                }
            }
        }
        Ok(())
    }

    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        let spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(spaces
            .get(&space)
            .and_then(|records| records.get(key))
            .cloned())
    }

    fn scan(&self, space: Space, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), JournalError> {
        // `visit` may use the journal, so the lock is not held meanwhile.
        let records = {
            let spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
            spaces.get(&space).cloned().unwrap_or_default()
        };
        for (key, value) in &records {
            visit(key, value);
        }
        Ok(())
    }

    fn is_quick(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(journal: &MemoryJournal, space: Space) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found = Vec::new();
        journal
            .scan(space, &mut |key, value| {
                found.push((key.to_vec(), value.to_vec()))
            })
            .unwrap();
        found
    }

    #[test]
    fn later_operations_win_and_spaces_are_apart() {
        let journal = MemoryJournal::new();
        let mut batch = Batch::new();
        batch.put(Space::TREE, "b", "1");
        batch.put(Space::TREE, "a", "2");
        batch.put(Space::ALERTS, "a", "3");
        batch.remove(Space::TREE, "b");
        batch.put(Space::TREE, "b", "4");
        batch.remove(Space::NONCES, "none");
        journal.commit(&batch).unwrap();
        assert_eq!(
            records(&journal, Space::TREE),
            [
                (b"a".to_vec(), b"2".to_vec()),
                (b"b".to_vec(), b"4".to_vec())
            ]
        );
        assert_eq!(
            records(&journal, Space::ALERTS),
            [(b"a".to_vec(), b"3".to_vec())]
        );
        assert_eq!(journal.read(Space::NONCES, b"none").unwrap(), None);
    }

    #[test]
    fn a_visitor_may_commit() {
        let journal = MemoryJournal::new();
        let mut batch = Batch::new();
        batch.put(Space::IDS, "x", "1");
        journal.commit(&batch).unwrap();
        journal
            .scan(Space::IDS, &mut |key, _| {
                let mut removal = Batch::new();
                removal.remove(Space::IDS, key);
                journal.commit(&removal).unwrap();
            })
            .unwrap();
        assert_eq!(records(&journal, Space::IDS), []);
    }
}
