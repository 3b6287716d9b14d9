//! The contract of `Journal` on memory and on redb.

use std::{fs, path::Path, thread};

use omadm_core::{Batch, Journal, MemoryJournal, Operation, Space};
use omadm_store::{OpenErrorKind, RedbJournal};
use proptest::prelude::*;
use tempfile::TempDir;

/// Runs a test on every implementation, each time on an empty journal.
fn on_each(test: impl Fn(&dyn Journal)) {
    test(&MemoryJournal::new());
    let directory = TempDir::new().unwrap();
    test(&RedbJournal::open(directory.path().join("j")).unwrap());
}

fn records(journal: &dyn Journal, space: Space) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| found.push((key.to_vec(), value.to_vec()));
    journal.scan(space, &mut visit).unwrap();
    found
}

fn put(journal: &dyn Journal, space: Space, key: &str, value: &str) {
    let mut batch = Batch::new();
    batch.put(space, key, value);
    journal.commit(&batch).unwrap();
}

#[test]
fn a_batch_is_seen_as_a_whole_and_later_operations_win() {
    on_each(|journal| {
        let mut batch = Batch::new();
        batch.put(Space::TREE, "b", "1");
        batch.put(Space::TREE, "a", "2");
        batch.put(Space::ALERTS, "a", "3");
        batch.remove(Space::TREE, "b");
        batch.put(Space::TREE, "b", "4");
        batch.put(Space::TREE, "c", "5");
        batch.remove(Space::TREE, "c");
        batch.remove(Space::NONCES, "none");
        journal.commit(&batch).unwrap();
        let expected = [("a", "2"), ("b", "4")].map(|(k, v)| (k.into(), v.into()));
        assert_eq!(records(journal, Space::TREE), expected);
        assert_eq!(
            records(journal, Space::ALERTS),
            [(b"a".to_vec(), b"3".to_vec())]
        );
        assert_eq!(records(journal, Space::NONCES), []);
        assert_eq!(
            journal.read(Space::TREE, b"b").unwrap(),
            Some(b"4".to_vec())
        );
        assert_eq!(journal.read(Space::TREE, b"c").unwrap(), None);
        assert_eq!(journal.read(Space::INTENTS, b"a").unwrap(), None);
    });
}

#[test]
fn keys_and_values_are_any_bytes_in_the_order_of_bytes() {
    on_each(|journal| {
        let keys: [&[u8]; 5] = [b"", b"\0", b"a", b"a\0", b"\xFF\xFF"];
        let mut batch = Batch::new();
        for key in keys.iter().rev() {
            batch.put(Space::IDS, *key, vec![0; key.len() * 5000]);
        }
        journal.commit(&batch).unwrap();
        let found = records(journal, Space::IDS);
        assert!(found.iter().map(|(key, _)| key).eq(keys.iter()));
        assert!(
            found
                .iter()
                .all(|(key, value)| value.len() == key.len() * 5000)
        );
    });
}

#[test]
fn an_empty_batch_is_a_batch() {
    on_each(|journal| journal.commit(&Batch::new()).unwrap());
}

#[test]
fn spaces_with_alike_names_are_apart() {
    on_each(|journal| {
        let own = [
            Space::new(""),
            Space::new("/"),
            Space::new("omadm-store"),
            Space::new("Tree"),
        ];
        for space in own {
            put(journal, space, "key", space.name());
        }
        for space in own {
            let expected = (b"key".to_vec(), space.name().as_bytes().to_vec());
            assert_eq!(records(journal, space), [expected]);
        }
        assert_eq!(records(journal, Space::TREE), []);
    });
}

#[test]
fn a_visitor_may_use_the_journal() {
    on_each(|journal| {
        put(journal, Space::IDS, "x", "1");
        put(journal, Space::IDS, "y", "2");
        let mut visit = |key: &[u8], _: &[u8]| {
            assert!(journal.read(Space::IDS, key).unwrap().is_some());
            let mut removal = Batch::new();
            removal.remove(Space::IDS, key);
            journal.commit(&removal).unwrap();
        };
        journal.scan(Space::IDS, &mut visit).unwrap();
        assert_eq!(records(journal, Space::IDS), []);
    });
}

/// Two records that always change together are never seen apart.
#[test]
fn a_scan_sees_no_half_of_a_batch() {
    on_each(|journal| {
        let write = |number: u8| {
            let mut batch = Batch::new();
            batch.put(Space::TREE, "a", [number]);
            batch.put(Space::TREE, "b", [number]);
            journal.commit(&batch).unwrap();
        };
        write(0);
        thread::scope(|scope| {
            let writer = scope.spawn(|| (1..=30).for_each(write));
            while !writer.is_finished() {
                let found = records(journal, Space::TREE);
                assert_eq!(found[0].1, found[1].1);
            }
        });
        assert_eq!(journal.read(Space::TREE, b"b").unwrap(), Some(vec![30]));
    });
}

fn operation() -> impl Strategy<Value = Operation> {
    let space = prop_oneof![Just(Space::TREE), Just(Space::ALERTS)];
    let key = proptest::collection::vec(0..3u8, 0..3);
    let value = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40));
    (space, key, value).prop_map(|(space, key, value)| match value {
        Some(value) => Operation::Put { space, key, value },
        None => Operation::Remove { space, key },
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Memory and redb agree after every batch, also when the file is closed and opened between.
    #[test]
    fn redb_does_what_memory_does(
        batches in proptest::collection::vec(
            (proptest::collection::vec(operation(), 0..8), any::<bool>()),
            1..8,
        ),
    ) {
        let directory = TempDir::new().unwrap();
        let open = || RedbJournal::open(directory.path().join("j")).unwrap();
        let memory = MemoryJournal::new();
        let mut redb = Some(open());
        for (operations, reopen) in batches {
            let mut batch = Batch::new();
            for operation in operations {
                match operation {
                    Operation::Put { space, key, value } => batch.put(space, key, value),
                    Operation::Remove { space, key } => batch.remove(space, key),
                }
            }
            if reopen {
                drop(redb.take());
            }
            let redb = redb.get_or_insert_with(open);
            memory.commit(&batch).unwrap();
            redb.commit(&batch).unwrap();
            for space in [Space::TREE, Space::ALERTS] {
                prop_assert_eq!(records(redb, space), records(&memory, space));
            }
        }
    }
}

fn open_error(path: &Path) -> OpenErrorKind {
    RedbJournal::open(path).unwrap_err().kind()
}

#[test]
fn a_file_has_one_owner() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("j");
    let journal = RedbJournal::open(&path).unwrap();
    assert_eq!(open_error(&path), OpenErrorKind::Locked);
    put(&journal, Space::IDS, "x", "1");
    drop(journal);
    let journal = RedbJournal::open(&path).unwrap();
    assert_eq!(records(&journal, Space::IDS).len(), 1);
}

#[test]
fn what_is_no_journal_is_left_alone() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("j");
    for content in ["", "a diary, if anything"] {
        fs::write(&path, content).unwrap();
        assert_eq!(open_error(&path), OpenErrorKind::Corrupt);
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    let error = RedbJournal::open(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the journal {} is damaged", path.display())
    );
    assert_eq!(error.path(), Some(path.as_path()));
}

/// A damaged file is renamed, and every one of them stays as it was.
#[test]
fn a_damaged_file_is_set_aside() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("j");
    let (journal, aside) = RedbJournal::open_or_set_aside(&path).unwrap();
    assert_eq!(aside, None);
    put(&journal, Space::IDS, "x", "1");
    drop(journal);
    let (journal, aside) = RedbJournal::open_or_set_aside(&path).unwrap();
    assert_eq!((aside, records(&journal, Space::IDS).len()), (None, 1));
    drop(journal);

    let whole = fs::read(&path).unwrap();
    let cut = whole[..whole.len() / 2].to_vec();
    let torn: Vec<u8> = whole.iter().map(|byte| byte ^ 0x55).collect();
    for (number, content) in [cut, torn, Vec::new()].into_iter().enumerate() {
        fs::write(&path, &content).unwrap();
        let (journal, aside) = RedbJournal::open_or_set_aside(&path).unwrap();
        let name = directory.path().join(format!("j.damaged-{}", number + 1));
        assert_eq!(aside.as_ref(), Some(&name));
        assert_eq!(fs::read(&name).unwrap(), content);
        assert_eq!(records(&journal, Space::IDS), []);
        put(&journal, Space::IDS, "y", "2");
        let again = RedbJournal::open_or_set_aside(&path);
        assert_eq!(again.unwrap_err().kind(), OpenErrorKind::Locked);
        drop(journal);
        let (journal, aside) = RedbJournal::open_or_set_aside(&path).unwrap();
        assert_eq!((aside, records(&journal, Space::IDS).len()), (None, 1));
    }
}

#[test]
fn a_missing_directory_is_an_error() {
    let directory = TempDir::new().unwrap();
    assert_eq!(
        open_error(&directory.path().join("no/j")),
        OpenErrorKind::Io
    );
}

/// What a process left that was killed while it made the file is no obstacle.
#[test]
fn a_half_made_file_is_made_again() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("j");
    fs::write(directory.path().join("j.new"), vec![0; 5000]).unwrap();
    put(&RedbJournal::open(&path).unwrap(), Space::IDS, "x", "1");
    assert!(!directory.path().join("j.new").exists());
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt;

    let directory = TempDir::new().unwrap();
    let path = directory.path().join("j");
    drop(RedbJournal::open(&path).unwrap());
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// What happens to a copy does not happen to the file, which can be looked at by several at a time.
#[test]
fn a_copy_leaves_the_file_as_it_is() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("j");
    let none = RedbJournal::open_copy(&path).unwrap_err();
    assert_eq!(none.kind(), OpenErrorKind::Io);
    assert!(!path.exists());

    let journal = RedbJournal::open(&path).unwrap();
    put(&journal, Space::IDS, "a", "1");
    let busy = RedbJournal::open_copy(&path).unwrap_err();
    assert_eq!(busy.kind(), OpenErrorKind::Locked);
    drop(journal);

    let before = fs::read(&path).unwrap();
    let copies = [(); 2].map(|()| RedbJournal::open_copy(&path).unwrap());
    for copy in &copies {
        put(copy, Space::IDS, "b", &"2".repeat(3 << 20));
        assert_eq!(records(copy, Space::IDS).len(), 2);
    }
    assert!(fs::read(&path).unwrap() == before);
    // A copy holds no lock.
    let journal = RedbJournal::open(&path).unwrap();
    assert_eq!(records(&journal, Space::IDS).len(), 1);
}

#[test]
fn a_copy_of_a_damaged_file_is_damaged() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("j");
    put(&RedbJournal::open(&path).unwrap(), Space::IDS, "a", "1");
    let whole = fs::read(&path).unwrap();
    for length in [0, 1, 512, whole.len() / 2] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = RedbJournal::open_copy(&path).unwrap_err();
        assert_eq!(error.kind(), OpenErrorKind::Corrupt, "{length}");
        assert_eq!(fs::read(&path).unwrap().len(), length);
    }
}
