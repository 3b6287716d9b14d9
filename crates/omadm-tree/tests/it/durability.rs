//! Commits, failures of the journal, suspension, and damaged records.

use omadm_core::{Batch, Journal, MemoryJournal, Space};
use omadm_tree::{
    Acl, LoadError, RecordFault, Tree, TreeLimits, Uri, Value, reference::ReferenceTree,
};

use crate::garden::{Failing, Garden, at, garden, records, root_acl, run, uri};

fn load(journal: &dyn Journal) -> Tree {
    Tree::load(journal, TreeLimits::default(), root_acl()).unwrap()
}

#[test]
fn a_failed_commit_leaves_tree_and_journal_alone() {
    let (journal, mut tree) = garden(TreeLimits::default());
    let (before, stored) = (ReferenceTree::of(&tree), records(&journal));
    let mut transaction = tree.begin(at(9));
    transaction
        .set(&Garden, &uri("./X/new/leaf"), Value::chr("x"))
        .unwrap();
    transaction
        .set(&Garden, &uri("./M/a/State"), Value::int(9))
        .unwrap();
    transaction.remove(&uri("./K/a")).unwrap();
    transaction.rename(&Garden, &uri("./M/a"), "moved").unwrap();
    transaction.set_title(&uri("./P"), "t").unwrap();
    transaction
        .set_acl(&Uri::root(), "Get=B".parse().unwrap())
        .unwrap();
    let mut batch = Batch::new();
    batch.put(Space::ALERTS, "1", "alert");
    let error = transaction.commit(&Failing(&journal), batch).unwrap_err();
    assert_eq!(error.to_string(), "the journal's medium is full");
    assert_eq!(ReferenceTree::of(&tree), before);
    assert_eq!(records(&journal), stored);
    assert_eq!(journal.read(Space::ALERTS, b"1").unwrap(), None);
}

#[test]
fn the_callers_records_are_in_the_same_batch() {
    let (journal, mut tree) = garden(TreeLimits::default());
    let mut transaction = tree.begin(at(2));
    transaction
        .set(&Garden, &uri("./M/a/State"), Value::int(2))
        .unwrap();
    let mut batch = Batch::new();
    batch.put(Space::ALERTS, "1", "alert");
    transaction.commit(&journal, batch).unwrap();
    assert_eq!(
        journal.read(Space::ALERTS, b"1").unwrap().as_deref(),
        Some(&b"alert"[..])
    );
    assert_eq!(
        load(&journal).node(&uri("./M/a/State")).unwrap().text(),
        Some("2")
    );
    // Nothing to write: the journal is not asked.
    tree.begin(at(3))
        .commit(&Failing(&journal), Batch::new())
        .unwrap();
}

#[test]
fn one_change_is_one_record() {
    let (journal, mut tree) = garden(TreeLimits::default());
    let before = records(&journal);
    let mut transaction = tree.begin(at(2));
    transaction.rename(&Garden, &uri("./M/a"), "b").unwrap();
    transaction.commit(&journal, Batch::new()).unwrap();
    let after = records(&journal);
    let changed = before.iter().zip(&after).filter(|(a, b)| a != b).count();
    assert_eq!((after.len(), changed), (before.len(), 1));
    // The root has no record until it changes.
    assert_eq!(after.len(), tree.node_count() - 1);
}

#[test]
fn keys_of_deleted_nodes_are_used_again() {
    let mut garden = garden(TreeLimits::default());
    let count = records(&garden.0).len();
    for round in 0..20 {
        run(&mut garden, |transaction| {
            transaction.set(&Garden, &uri("./X/p/q"), Value::int(round))
        })
        .unwrap();
        run(&mut garden, |transaction| transaction.remove(&uri("./X/p"))).unwrap();
    }
    assert_eq!(records(&garden.0).len(), count);
    run(&mut garden, |transaction| {
        transaction.set(&Garden, &uri("./X/p/q"), Value::int(0))
    })
    .unwrap();
    let last = records(&garden.0).last().unwrap().0.clone();
    let last = u32::from_be_bytes(last.try_into().unwrap()) as usize;
    assert_eq!(last + 1, garden.1.node_count());
    assert_eq!(
        ReferenceTree::of(&load(&garden.0)),
        ReferenceTree::of(&garden.1)
    );

    // A gap the last run left.
    run(&mut garden, |transaction| transaction.remove(&uri("./K/a"))).unwrap();
    garden.1 = load(&garden.0);
    run(&mut garden, |transaction| {
        transaction.set(&Garden, &uri("./K/b"), Value::int(0))
    })
    .unwrap();
    let again = records(&garden.0).last().unwrap().0.clone();
    assert_eq!(u32::from_be_bytes(again.try_into().unwrap()) as usize, last);
}

/// The bytes of version 1; a change of them is a new version.
#[test]
fn records_have_golden_bytes() {
    let journal = MemoryJournal::new();
    let mut tree = Tree::load(&journal, TreeLimits::default(), root_acl()).unwrap();
    let mut transaction = tree.begin(at(0x0102_0304));
    let leaf = uri("./X/le%20af");
    let value = Value::int(-7).with_media_type("a/b");
    transaction.set(&Garden, &leaf, value.clone()).unwrap();
    transaction.set(&Garden, &leaf, value).unwrap();
    transaction
        .set_acl(&leaf, "Get=*".parse().unwrap())
        .unwrap();
    transaction.set_title(&leaf, "t").unwrap();
    transaction.commit(&journal, Batch::new()).unwrap();
    let stamp = b"\0\0\0\0\x01\x02\x03\x04";
    let interior = [
        &b"\x01\0\0\0\0\0\0\0\0"[..],
        stamp,
        b"\0\0\0\x01X\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ];
    let leaf = [
        &b"\x01\0\0\0\x01\x04\0\0\x01"[..],
        stamp,
        b"\0\0\0\x05le af\0\0\0\x05Get=*\0\0\0\x01t\0\0\0\x03a/b\0\0\0\x02-7",
    ];
    assert_eq!(
        records(&journal),
        [
            (b"\0\0\0\x01".to_vec(), interior.concat()),
            (b"\0\0\0\x02".to_vec(), leaf.concat()),
        ]
    );
}

/// Loads a journal whose records were changed by `damage`.
fn damaged(damage: impl FnOnce(&mut Vec<(Vec<u8>, Vec<u8>)>)) -> Result<Tree, LoadError> {
    let (journal, _) = garden(TreeLimits::default());
    let mut records = records(&journal);
    damage(&mut records);
    let journal = MemoryJournal::new();
    let mut batch = Batch::new();
    for (key, record) in records {
        batch.put(Space::TREE, key, record);
    }
    journal.commit(&batch).unwrap();
    Tree::load(&journal, TreeLimits::default(), Acl::root_default())
}

fn fault(damage: impl FnOnce(&mut Vec<(Vec<u8>, Vec<u8>)>)) -> RecordFault {
    match damaged(damage) {
        Err(LoadError::Record { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn damage_is_found_and_named() {
    assert!(damaged(|_| ()).is_ok());
    assert_eq!(
        fault(|records| records[0].1[0] = 2),
        RecordFault::Version(2)
    );
    assert_eq!(fault(|records| records[0].1.clear()), RecordFault::Length);
    assert_eq!(
        fault(|records| records[0].1.truncate(9)),
        RecordFault::Length
    );
    assert_eq!(fault(|records| records[0].0.push(0)), RecordFault::Key);
    assert_eq!(fault(|records| records[0].0[0] = 1), RecordFault::Key);
    // The format, and whether it is unset.
    assert_eq!(fault(|records| records[0].1[5] = 10), RecordFault::Field);
    assert_eq!(fault(|records| records[0].1[5] = 99), RecordFault::Field);
    assert_eq!(fault(|records| records[0].1[6] = 2), RecordFault::Field);
    assert_eq!(fault(|records| records[0].1[21] = b'/'), RecordFault::Field);
    // Record 0 is node 1, `./P`; its child, node 2, goes without a parent, or has a leaf for one.
    assert_eq!(
        fault(|records| drop(records.remove(0))),
        RecordFault::Parent
    );
    assert_eq!(fault(|records| records[0].1[4] = 2), RecordFault::Parent);
    // Its own parent: apart from the root.
    assert_eq!(fault(|records| records[0].1[4] = 1), RecordFault::Parent);
    let twin = |records: &mut Vec<(Vec<u8>, Vec<u8>)>| {
        let record = records[0].1.clone();
        records.push((99_u32.to_be_bytes().to_vec(), record));
    };
    assert_eq!(fault(twin), RecordFault::Twin);
    assert_eq!(fault(|records| records[0].1.push(0)), RecordFault::Length);
    // Only the root has no name, and an interior node has no value.
    let nameless = |records: &mut Vec<(Vec<u8>, Vec<u8>)>| {
        assert_eq!(records[0].1.remove(21), b'P');
        records[0].1[20] = 0;
    };
    assert_eq!(fault(nameless), RecordFault::Field);
    let valued = |records: &mut Vec<(Vec<u8>, Vec<u8>)>| {
        *records[0].1.last_mut().unwrap() = 1;
        records[0].1.push(b'x');
    };
    assert_eq!(fault(valued), RecordFault::Field);
    // Record 1 is `./P/Id`, whose text is no int.
    assert_eq!(fault(|records| records[1].1[5] = 4), RecordFault::Field);
}

/// Whatever a damaged record holds, loading ends with an error or a sound tree.
#[test]
fn any_damaged_byte_is_survived() {
    let (journal, _) = garden(TreeLimits::default());
    let all = records(&journal);
    let mut loaded = 0;
    for at in 0..all.len() {
        for byte in 0..all[at].1.len() {
            for flip in [0x01, 0x40, 0x80, 0xFF] {
                if let Ok(tree) = damaged(|records| records[at].1[byte] ^= flip) {
                    loaded += 1;
                    assert_eq!(ReferenceTree::of(&tree).uris().count(), tree.node_count());
                }
            }
            assert!(damaged(|records| records[at].1.truncate(byte)).is_err());
        }
    }
    assert!(loaded > 0);
}
