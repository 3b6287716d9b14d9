use crate::{Batch, Journal, JournalError, Space};

/// The records that a crate keeps in a space: which version they are of, and what becomes of older
/// ones.
///
/// Each crate says so for all it keeps in a constant `RECORDS`. The first byte of every record is
/// its version, 1 being the first.
#[derive(Clone, Copy, Debug)]
pub struct Records {
    space: Space,
    prefix: &'static str,
    version: u8,
    upgrade: fn(&[u8]) -> Option<Vec<u8>>,
}

impl Records {
    /// Those of a space, of this version, the only one there was.
    #[must_use]
    pub const fn new(space: Space, version: u8) -> Self {
        Self {
            space,
            prefix: "",
            version,
            upgrade: |_| None,
        }
    }

    /// Those alone whose key begins so, in a space of several crates.
    #[must_use]
    pub const fn under(mut self, prefix: &'static str) -> Self {
        self.prefix = prefix;
        self
    }

    /// Has each record of an earlier version replaced by what this makes of it: the same in the
    /// present version; `None` if it is damaged.
    #[must_use]
    pub const fn upgraded_by(mut self, upgrade: fn(&[u8]) -> Option<Vec<u8>>) -> Self {
        self.upgrade = upgrade;
        self
    }

    /// The same kind of records in another space.
    #[must_use]
    pub const fn kept_in(mut self, space: Space) -> Self {
        self.space = space;
        self
    }

    /// The space.
    #[must_use]
    pub const fn space(&self) -> Space {
        self.space
    }

    /// What their keys begin with; empty where the whole space is meant.
    #[must_use]
    pub const fn prefix(&self) -> &'static str {
        self.prefix
    }

    /// The version that is written.
    #[must_use]
    pub const fn version(&self) -> u8 {
        self.version
    }
}

/// Why a journal cannot be used by this version of a program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The journal failed.
    #[error("the journal failed")]
    Journal(#[from] JournalError),
    /// A later version of a crate has written a record.
    #[error(
        "a later version has written what is kept in {space:?}: a record of version {found}, where {known} is the latest known",
        space = .space.name()
    )]
    Newer {
        /// Where.
        space: Space,
        /// The version of the record.
        found: u8,
        /// The latest version known here.
        known: u8,
    },
}

/// Brings what a journal holds to the versions of this program: to be called once after the journal
/// was opened, before anything else reads it, with the records of every crate that uses it.
///
/// All records are looked at first, so one of a later version keeps the journal as it is. Then those
/// of earlier versions are replaced, in one batch. A record that is damaged is left to its reader.
///
/// ```
/// use omadm_core::{Batch, Journal, MemoryJournal, Records, Space, UpgradeError, upgrade};
///
/// // Version 1 had the number of a floor, version 2 has a name.
/// const SPACE: Space = Space::new("floors");
/// const FLOORS: Records = Records::new(SPACE, 2).upgraded_by(|record| match record {
///     [1, floor] => Some([&[2], format!("floor {floor}").as_bytes()].concat()),
///     _ => None,
/// });
///
/// let journal = MemoryJournal::new();
/// let mut batch = Batch::new();
/// batch.put(SPACE, "lift", [1, 7]);
/// journal.commit(&batch)?;
/// upgrade(&journal, &[FLOORS])?;
/// assert_eq!(journal.read(SPACE, b"lift")?, Some(b"\x02floor 7".to_vec()));
/// # Ok::<(), UpgradeError>(())
/// ```
///
/// # Errors
/// An [`UpgradeError`]; nothing changed.
pub fn upgrade(journal: &dyn Journal, kept: &[Records]) -> Result<(), UpgradeError> {
    let mut batch = Batch::new();
    for records in kept {
        let &Records {
            space,
            version: known,
            ..
        } = records;
        let mut newest = known;
        journal.scan(space, &mut |key, record| {
            let found = match record.first() {
                Some(&version) if key.starts_with(records.prefix.as_bytes()) => version,
                _ => return,
            };
            newest = newest.max(found);
            if found < known
                && let Some(upgraded) = (records.upgrade)(record)
            {
                batch.put(space, key, upgraded);
            }
        })?;
        if newest > known {
            let found = newest;
            return Err(UpgradeError::Newer {
                space,
                found,
                known,
            });
        }
    }
    if !batch.is_empty() {
        journal.commit(&batch)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use super::*;
    use crate::{JournalErrorKind, MemoryJournal};

    const A: Space = Space::new("a");
    const B: Space = Space::new("b");
    /// Version 2 had one octet more than version 1, version 3 has another one more.
    const KEPT: [Records; 3] = [
        Records::new(A, 3)
            .under("x/")
            .upgraded_by(|record| match record {
                [1, one] => Some(vec![3, *one, 20, 30]),
                [2, one, two] => Some(vec![3, *one, *two, 30]),
                _ => None,
            }),
        Records::new(A, 1).under("y/"),
        Records::new(B, 2).upgraded_by(|record| Some([&[2], record.get(1..)?].concat())),
    ];
    const OLDER: [(Space, &str, &[u8]); 5] = [
        (A, "x/1", &[1, 10]),
        (A, "x/2", &[2, 11, 12]),
        (A, "x/3", &[3, 13, 14, 15]),
        (A, "y/1", &[1, 16]),
        (B, "1", &[1, 17]),
    ];

    /// A journal that counts commits, and refuses them if told to.
    #[derive(Default)]
    struct Counting {
        kept: MemoryJournal,
        commits: AtomicU32,
        is_full: AtomicBool,
    }

    impl Counting {
        fn with(records: &[(Space, &str, &[u8])]) -> Self {
            let mut batch = Batch::new();
            for (space, key, record) in records {
                batch.put(*space, *key, *record);
            }
            let journal = Self::default();
            journal.kept.commit(&batch).unwrap();
            journal
        }

        fn commits(&self) -> u32 {
            self.commits.load(Ordering::Relaxed)
        }

        fn records(&self) -> Vec<Vec<u8>> {
            let mut records = Vec::new();
            for space in [A, B] {
                let mut visit = |_: &[u8], record: &[u8]| records.push(record.to_vec());
                self.kept.scan(space, &mut visit).unwrap();
            }
            records
        }
    }

    impl Journal for Counting {
        fn commit(&self, batch: &Batch) -> Result<(), JournalError> {
            self.commits.fetch_add(1, Ordering::Relaxed);
            match self.is_full.load(Ordering::Relaxed) {
                true => Err(JournalError::new(JournalErrorKind::Full, None)),
                false => self.kept.commit(batch),
            }
        }

        fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
            self.kept.read(space, key)
        }

        fn scan(
            &self,
            space: Space,
            visit: &mut dyn FnMut(&[u8], &[u8]),
        ) -> Result<(), JournalError> {
            self.kept.scan(space, visit)
        }
    }

    #[test]
    fn older_records_are_replaced_in_one_batch() {
        let journal = Counting::with(&OLDER);
        let present: [&[u8]; 5] = [
            &[3, 10, 20, 30],
            &[3, 11, 12, 30],
            &[3, 13, 14, 15],
            &[1, 16],
            &[2, 17],
        ];
        for _ in 0..2 {
            upgrade(&journal, &KEPT).unwrap();
            assert_eq!(journal.records(), present);
            assert_eq!(
                journal.commits(),
                1,
                "the second time there is nothing to do"
            );
        }
    }

    #[test]
    fn all_of_them_or_none() {
        let journal = Counting::with(&OLDER);
        let before = journal.records();
        journal.is_full.store(true, Ordering::Relaxed);
        let error = upgrade(&journal, &KEPT).unwrap_err();
        assert!(
            matches!(error, UpgradeError::Journal(error) if error.kind() == JournalErrorKind::Full)
        );
        assert_eq!(journal.records(), before);
        journal.is_full.store(false, Ordering::Relaxed);
        upgrade(&journal, &KEPT).unwrap();
        assert_ne!(journal.records(), before);
    }

    #[test]
    fn a_newer_record_anywhere_keeps_everything_as_it_is() {
        for (space, key, known) in [(A, "x/9", 3), (A, "y/9", 1), (B, "9", 2)] {
            for found in [known + 1, u8::MAX] {
                let journal = Counting::with(&OLDER);
                let mut batch = Batch::new();
                batch.put(space, key, [found]);
                journal.kept.commit(&batch).unwrap();
                let before = journal.records();
                let error = upgrade(&journal, &KEPT).unwrap_err();
                let said = format!(
                    "a later version has written what is kept in {:?}: a record of version {found}, \
                     where {known} is the latest known",
                    space.name()
                );
                assert_eq!(error.to_string(), said);
                assert_eq!((journal.records(), journal.commits()), (before, 0));
            }
        }
    }

    #[test]
    fn damage_and_what_belongs_to_others_is_left_alone() {
        let records: [(Space, &str, &[u8]); 5] = [
            (A, "x/1", &[]),
            (A, "x/2", &[0, 1, 2, 3]),
            (A, "x/3", &[1, 2, 3]),
            (A, "y/1", &[0]),
            (A, "z/1", &[9]),
        ];
        let journal = Counting::with(&records);
        let before = journal.records();
        upgrade(&journal, &KEPT).unwrap();
        assert_eq!((journal.records(), journal.commits()), (before, 0));
    }
}
