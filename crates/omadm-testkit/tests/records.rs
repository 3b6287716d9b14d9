//! The table of durable spaces in docs/architecture.md and what the crates say they keep.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::collections::BTreeMap;

use omadm_core::{Batch, Journal, MemoryJournal, Records, UpgradeError, upgrade};

/// What each crate keeps, and those below it.
const KEPT: [&[Records]; 5] = [
    omadm_client::RECORDS,
    omadm_gateway::RECORDS,
    omadm_server::RECORDS,
    uve_engine::RECORDS,
    virmo_client::RECORDS,
];

/// Of each space in the table its version.
fn table() -> BTreeMap<String, u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/architecture.md");
    let text = std::fs::read_to_string(path).unwrap();
    let section = text.split("\n## Durable spaces\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let version: u8 = cells[3].parse().unwrap();
        let spaces = cells[1].split(", ");
        spaces.map(move |space| (space.trim_matches('`').to_owned(), version))
    })
    .collect()
}

#[test]
fn the_table_of_spaces_says_what_crates_keep() {
    let mut kept = BTreeMap::new();
    for records in KEPT.concat() {
        let name = records.space().name().to_owned();
        let known = kept.insert(name, records.version());
        assert!(known.is_none_or(|version| version == records.version()));
    }
    // The program's own.
    kept.insert("virmo-serve".to_owned(), 1);
    assert_eq!(table(), kept);
}

/// In no space is a record of a later version taken for anything.
#[test]
fn a_later_record_is_refused_in_every_space() {
    for records in KEPT.concat() {
        let journal = MemoryJournal::new();
        let mut batch = Batch::new();
        let later = records.version() + 1;
        batch.put(records.space(), format!("{}x", records.prefix()), [later]);
        journal.commit(&batch).unwrap();
        let refused = KEPT.iter().filter_map(|kept| upgrade(&journal, kept).err());
        let named = refused.filter(|error| {
            matches!(error, UpgradeError::Newer { space, found, known, .. }
                if *space == records.space() && *found == later && *known == records.version())
        });
        assert!(named.count() > 0, "{records:?}");
    }
}
