//! The tables of docs/commands.md: nothing is missing, and what a test is said to show it shows, in
//! both encodings.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use omadm_core::StatusCode;
use omadm_testkit::pages::table;

const COMMANDS: [&str; 12] = [
    "Add", "Alert", "Atomic", "Copy", "Delete", "Exec", "Get", "Replace", "Results", "Sequence",
    "Status", "Put",
];

/// The call that runs a binary a second time; put together here, for this one has it not.
const AGAIN: &str = concat!("again_over_", "wbxml()");

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/commands.md")
}

/// The links of a cell: name and file.
fn links(cell: &str) -> Vec<(&str, PathBuf)> {
    cell.split('[')
        .skip(1)
        .map(|link| {
            let (name, rest) = link.split_once("](").unwrap();
            let (path, _) = rest.split_once(')').unwrap();
            (name, page().with_file_name(path))
        })
        .collect()
}

/// Whether a text has a word that is no part of another.
fn says(text: &str, word: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.match_indices(word).any(|(at, _)| {
        let (before, rest) = text.split_at(at);
        let after = rest.strip_prefix(word).unwrap_or_default();
        !part(before.chars().next_back()) && !part(after.chars().next())
    })
}

/// What a cell says is wrong, if it is.
fn check(cell: &str, in_rust: &[&str], in_script: &str) -> Result<(), String> {
    if cell == "–" {
        return Ok(());
    }
    let links = links(cell);
    if links.is_empty() {
        return Err("no test".to_owned());
    }
    for (name, file) in links {
        let shown = file.display();
        let text = fs::read_to_string(&file).map_err(|error| format!("{shown}: {error}"))?;
        if file.extension().is_some_and(|it| it == "txt") {
            let answers = text
                .lines()
                .filter(|line| line.starts_with("< ") || line.starts_with("> "));
            if !answers.into_iter().any(|line| line.contains(in_script)) {
                return Err(format!("{shown} has no {in_script}"));
            }
            continue;
        }
        let start = text
            .find(&format!("fn {name}("))
            .ok_or_else(|| format!("{shown} has no {name}"))?;
        let (before, body) = text.split_at(start);
        if !before.trim_end().ends_with("#[test]") {
            return Err(format!("{name} is no test"));
        }
        let body = body.split("#[test]").next().unwrap_or_default();
        if !in_rust.iter().any(|word| says(body, word)) {
            return Err(format!("{name} does not say any of {in_rust:?}"));
        }
        let main = fs::read_to_string(file.with_file_name("main.rs")).unwrap_or_default();
        if !(text + &main).contains(AGAIN) {
            return Err(format!("{shown} is not run over WBXML"));
        }
    }
    Ok(())
}

/// The constant of a code, as its name is written.
fn constant(code: StatusCode) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../omadm-core/src/status.rs");
    let source = fs::read_to_string(source).unwrap();
    let line = source
        .lines()
        .find(|line| line.contains(&format!(" = {}, ", code.get())));
    let (name, _) = line.unwrap().trim().split_once(" = ").unwrap();
    name.to_owned()
}

#[test]
fn every_command_is_shown_at_both_ends_in_both_encodings() {
    let page = fs::read_to_string(page()).unwrap();
    let rows = table(&page, "Commands").unwrap();
    let names: Vec<_> = rows
        .iter()
        .map(|row| row.first().copied().unwrap())
        .collect();
    assert_eq!(names, COMMANDS);
    for row in rows {
        let [name, cells @ ..] = &row[..] else {
            panic!("{row:?}");
        };
        assert_eq!(cells.len(), 2, "{name}");
        // By the type, by the function that makes one, or in a list of all.
        let lower = name.to_lowercase();
        for cell in cells {
            assert_ne!(*cell, "–", "{name}");
            let found = check(cell, &[name, &lower], &format!("<{name}>"));
            assert_eq!(found, Ok(()), "{name}");
        }
    }
}

#[test]
fn every_status_code_is_given_by_an_end_or_never() {
    let page = fs::read_to_string(page()).unwrap();
    let mut found = Vec::new();
    for row in table(&page, "Status codes").unwrap() {
        let [code, meaning, client, server] = row[..] else {
            panic!("{row:?}");
        };
        let status = StatusCode::from(code.parse::<u16>().unwrap());
        assert_eq!(status.name(), Some(meaning));
        assert!((client, server) != ("–", "–"), "{code}");
        let in_script = format!("<Data>{code}</Data>");
        for cell in [client, server] {
            let result = check(cell, &[code, &constant(status)], &in_script);
            assert_eq!(result, Ok(()), "{code}");
        }
        found.push(status);
    }
    for row in table(&page, "Understood, never given").unwrap() {
        let [code, meaning, why] = row[..] else {
            panic!("{row:?}");
        };
        let status = StatusCode::from(code.parse::<u16>().unwrap());
        assert_eq!(status.name(), Some(meaning));
        assert!(!why.is_empty());
        found.push(status);
    }
    found.sort();
    assert_eq!(found, StatusCode::KNOWN);
}

#[test]
fn the_check_finds_what_it_looks_for() {
    let test = "../crates/omadm-testkit/tests";
    let refused = |cell: &str, word: &str| check(cell, &[word], word).is_err();
    let this = format!("[the_check_finds_what_it_looks_for]({test}/commands.rs)");
    assert!(refused("", "x"));
    assert!(refused(&format!("[add]({test}/nowhere.rs)"), "add"));
    assert!(refused(
        &format!("[nothing]({test}/every_command.rs)"),
        "add"
    ));
    assert!(refused(&format!("[leaf]({test}/every_command.rs)"), "leaf"));
    assert!(refused(
        &format!("[add]({test}/every_command.rs)"),
        "Delete"
    ));
    assert!(check(&format!("[add]({test}/every_command.rs)"), &["418"], "").is_ok());
    // This binary runs once.
    assert!(refused(&this, "refused"));
    let script = "[flow](../crates/omadm-server/tests/scripts/flow.txt)";
    assert!(check(script, &[], "<Get>").is_ok());
    assert!(check(script, &[], "<Copy>").is_err());
}
