//! docs/compat.md is true: every tolerance is in its table, and every test it names exists.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::{collections::BTreeSet, fs, path::Path};

/// The cells of the rows of all tables, without heads and rulers.
fn rows() -> Vec<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/compat.md")).unwrap();
    let cells = |line: &str| -> Option<Vec<String>> {
        let inside = line.strip_prefix("| ")?.strip_suffix(" |")?;
        Some(inside.split(" | ").map(str::to_owned).collect())
    };
    let rows = page.lines().filter_map(cells);
    rows.filter(|row| row[0] != "Option" && row[0] != "Accepted")
        .collect()
}

/// What stands between back ticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The names of the options of a value that are on.
fn on(value: &str) -> impl Iterator<Item = &str> {
    let ends = value.match_indices(": true").map(|(end, _)| end);
    ends.filter_map(|end| value.split_at(end).0.rsplit(' ').next())
}

#[test]
fn every_option_is_in_the_table() {
    let options = [
        (
            "omadm_client::Compat",
            format!("{:?}", omadm_client::Compat::lenient()),
        ),
        (
            "omadm_server::Compat",
            format!("{:?}", omadm_server::Compat::lenient()),
        ),
        (
            "omadm_markup::Limits",
            format!("{:?}", omadm_markup::Limits::lenient()),
        ),
        ("omadm_syncml::Limits", {
            let mut limits = omadm_syncml::Limits::lenient();
            // Has a row of its own.
            limits.markup = omadm_markup::Limits::default();
            format!("{limits:?}")
        }),
    ];
    let mut there = BTreeSet::new();
    for (owner, value) in &options {
        there.extend(on(value).map(|option| format!("{owner}::{option}")));
    }
    let rows = rows();
    let listed: BTreeSet<String> = rows
        .iter()
        .filter(|row| row.len() == 5)
        .map(|row| quoted(&row[0])[0].to_owned())
        .collect();
    assert_eq!(listed, there);
    assert!(there.len() >= 20, "{there:?}");
}

#[test]
fn every_test_it_names_exists() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for row in rows() {
        let words = quoted(row.last().unwrap());
        assert!(
            !words.is_empty() && words.len().is_multiple_of(2),
            "{row:?}"
        );
        for pair in words.chunks(2) {
            let source = fs::read_to_string(crates.join(pair[0]));
            let source = source.unwrap_or_else(|error| panic!("{}: {error}", pair[0]));
            let test = format!("#[test]\n{}fn {}()", indent(&source, pair[1]), pair[1]);
            assert!(source.contains(&test), "{pair:?}");
        }
    }
}

/// How far a function is indented.
fn indent<'s>(source: &'s str, name: &str) -> &'s str {
    let line = source
        .lines()
        .find(|line| line.trim_start().starts_with(&format!("fn {name}()")));
    let line = line.unwrap_or_default();
    line.split_at(line.len() - line.trim_start().len()).0
}
