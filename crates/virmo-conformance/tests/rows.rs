//! Every row has its place in the table, and exactly the rows below are still without a proof.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::{collections::BTreeSet, env, fs, path::Path};

use virmo_conformance::{Conformance, Outcome, Seed, markdown, rows, statement};

/// What nothing proves yet, by document; a row that is proven has no place here.
const OPEN: &str = include_str!("open.txt");

fn open() -> BTreeSet<&'static str> {
    OPEN.split_whitespace().collect()
}

/// In both encodings.
#[test]
fn every_row_is_proven_but_those_that_are_known() {
    let mut ours = Conformance::ours();
    let mut unproven = BTreeSet::new();
    for row in Seed::ALL.into_iter().flat_map(rows) {
        let outcome = ours.judge(row);
        match outcome {
            Outcome::Unproven => _ = unproven.insert(row.id),
            Outcome::Failed(failed) => panic!("{} {}: {failed}", row.id, row.text),
            Outcome::NotObservable(why) => panic!("{} {}: {why}", row.id, row.text),
            _ => {}
        }
    }
    if env::var_os("UPDATE_GOLDEN").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/open.txt");
        let lines: String = unproven.iter().map(|id| format!("{id}\n")).collect();
        fs::write(path, lines).unwrap();
    } else {
        assert_eq!(unproven, open());
    }
}

#[test]
fn rows_are_numbered_once_and_without_a_gap() {
    for (seed, prefix, count) in [
        (Seed::DeleteImage, "SR", 11),
        (Seed::VmImage, "CR", 30),
        (Seed::Approved, "VR", 282),
        (Seed::Uve, "UR", 18),
        (Seed::Draft, "DR", 128),
    ] {
        let ids: Vec<_> = rows(seed).map(|row| row.id.to_owned()).collect();
        let expected = (1..=count).map(|number| format!("{prefix}-{number:03}"));
        assert_eq!(ids, expected.collect::<Vec<_>>());
    }
}

/// UPDATE_GOLDEN=1 writes the tables.
#[test]
fn the_document_is_made_of_the_rows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conformance.md");
    let mut text = fs::read_to_string(&path).unwrap();
    let tables = Seed::ALL.map(|seed| (format!("rows {seed}"), markdown(seed)));
    let filled_in = ("statement".to_owned(), statement(&mut Conformance::ours()));
    for (name, table) in tables.into_iter().chain([filled_in]) {
        let (begin, end) = (format!("<!-- {name} -->\n\n"), "\n<!-- end -->");
        let start = text.find(&begin).unwrap() + begin.len();
        let length = text.get(start..).unwrap().find(end).unwrap();
        if env::var_os("UPDATE_GOLDEN").is_some() {
            text.replace_range(start..start + length, &table);
        } else {
            assert_eq!(text.get(start..start + length).unwrap(), table, "{name}");
        }
    }
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
    }
}
