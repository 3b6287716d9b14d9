//! Every row is proven, and docs/conformance.md says by what.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code"
)]

use std::{collections::BTreeSet, env, fs, path::Path};

use virmo_conformance::{Outcome, Seed, markdown, rows};

const SEEDS: [Seed; 1] = [Seed::Uve];

#[test]
fn every_row_is_proven() {
    for row in SEEDS.into_iter().flat_map(rows) {
        assert_eq!(row.prove(), Outcome::Proven, "{} {}", row.id, row.text);
    }
}

#[test]
fn rows_are_numbered_once_and_without_a_gap() {
    let ids: Vec<_> = rows(Seed::Uve).map(|row| row.id.to_owned()).collect();
    let expected: Vec<_> = (1..=18).map(|number| format!("UR-{number:03}")).collect();
    assert_eq!(ids, expected);
    let distinct: BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len());
}

/// UPDATE_GOLDEN=1 writes the tables.
#[test]
fn the_document_is_made_of_the_rows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conformance.md");
    let text = fs::read_to_string(&path).unwrap();
    for seed in SEEDS {
        let (begin, end) = (format!("<!-- rows {seed} -->\n\n"), "\n<!-- end -->");
        let start = text.find(&begin).unwrap() + begin.len();
        let rest = text.get(start..).unwrap();
        let table = rest.get(..rest.find(end).unwrap()).unwrap();
        if env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(
                &path,
                text.replace(
                    &format!("{begin}{table}"),
                    &format!("{begin}{}", markdown(seed)),
                ),
            )
            .unwrap();
        } else {
            assert_eq!(table, markdown(seed));
        }
    }
}
