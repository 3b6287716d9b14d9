//! The tables of docs/threat-model.md: every test that is said to show a defence is there, and no
//! actor goes without a threat.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use omadm_testkit::pages::table;

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/threat-model.md")
}

/// What is wrong with a cell that names tests, if anything is.
fn check(cell: &str) -> Result<(), String> {
    let mut links = cell.split('[').skip(1).peekable();
    if links.peek().is_none() {
        return Err("no test".to_owned());
    }
    for link in links {
        let (name, rest) = link.split_once("](").ok_or("no link")?;
        let (path, _) = rest.split_once(')').ok_or("no end of a link")?;
        let text = fs::read_to_string(page().with_file_name(path))
            .map_err(|error| format!("{path}: {error}"))?;
        let start = text
            .find(&format!("fn {name}("))
            .ok_or_else(|| format!("{path} has no {name}"))?;
        let (before, _) = text.split_at(start);
        // By itself, or one of those that a binary runs on each of its devices.
        let attribute = before.trim_end().lines().next_back().unwrap_or_default();
        if !attribute.trim_start().starts_with("#[") && !before.ends_with("pub(crate) ") {
            return Err(format!("{name} is no test: {attribute}"));
        }
    }
    Ok(())
}

#[test]
fn every_threat_has_a_defence_that_a_test_shows() {
    let page = fs::read_to_string(page()).unwrap();
    let actors: BTreeSet<_> = table(&page, "Actors")
        .unwrap()
        .iter()
        .filter_map(|row| row.first().map(|name| name.trim_start_matches("the ")))
        .collect();
    let mut with_threats = BTreeSet::new();
    for row in table(&page, "Threats").unwrap() {
        let [actor, threat, defence, tests] = row[..] else {
            panic!("{row:?}");
        };
        let actor = actor.trim_start_matches("the ");
        assert!(actors.contains(actor), "{actor}");
        assert!(!threat.is_empty() && !defence.is_empty());
        assert_eq!(check(tests), Ok(()), "{threat}");
        with_threats.insert(actor);
    }
    assert_eq!(with_threats, actors);
}

#[test]
fn the_check_finds_what_it_looks_for() {
    let here = "../crates/omadm-testkit/tests/threats.rs";
    assert!(check(&format!("[the_check_finds_what_it_looks_for]({here})")).is_ok());
    assert!(check("").is_err());
    assert!(check(&format!("[nothing]({here})")).is_err());
    assert!(check(&format!("[check]({here})")).is_err());
    assert!(check("[x](../nowhere.rs)").is_err());
}
