//! The table of crates in README.md says what `cargo tree` says. With `UPDATE_GOLDEN` in the
//! environment the numbers are written instead; look at the difference.
//!
//! Only on the platform the README names, as others need other crates.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, clippy::string_slice, reason = "test code")]

use std::{collections::BTreeSet, env, fs, path::Path, process::Command};

const HEAD: &str = "| crate | what it is for | ours | others | linked |";

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The crates below a crate, itself among them: all there are to compile, and those of them that
/// are linked, which leaves out what only procedural macros need.
fn tree(what: &Row<'_>) -> [BTreeSet<String>; 2] {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace()).args(["tree", "--locked"]);
    cargo.args(["-e", "normal", "--prefix", "depth", "--no-dedupe"]);
    cargo.args(["-p", what.name]);
    if !what.features.is_empty() {
        let features = what.features.join(",");
        cargo.args(["--no-default-features", "--features", &features]);
    }
    let output = cargo.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{cargo:?}");

    let [mut all, mut linked] = [const { BTreeSet::new() }; 2];
    let mut macro_depth = None;
    for line in text.lines() {
        // Such as `3syn v2.0.1 (proc-macro)`.
        let name = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let depth: u32 = line[..line.len() - name.len()].parse().unwrap();
        macro_depth = macro_depth.filter(|macro_depth| depth > *macro_depth);
        if line.contains("(proc-macro)") {
            macro_depth = macro_depth.or(Some(depth));
        }
        let name = name.split(" (").next().unwrap_or_default();
        all.insert(name.to_owned());
        if macro_depth.is_none() {
            linked.insert(name.to_owned());
        }
    }
    [all, linked]
}

fn is_ours(name: &str) -> bool {
    ["omadm-", "uve", "virmo"]
        .iter()
        .any(|ours| name.starts_with(ours))
}

/// A row of the table: the words in code style in its first cell are the crate and features.
struct Row<'a> {
    name: &'a str,
    features: Vec<&'a str>,
    purpose: &'a str,
    cell: &'a str,
}

impl<'a> Row<'a> {
    fn read(line: &'a str) -> Self {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let (cell, purpose) = (cells.next().unwrap(), cells.next().unwrap());
        let mut words = cell.split('`').skip(1).step_by(2);
        Self {
            name: words.next().unwrap(),
            features: words.collect(),
            purpose,
            cell,
        }
    }

    fn counted(&self) -> String {
        let [all, linked] = tree(self);
        let ours = all.iter().filter(|name| is_ours(name)).count();
        let others = all.len() - ours;
        let linked = linked.iter().filter(|name| !is_ours(name)).count();
        let Self { cell, purpose, .. } = self;
        format!("| {cell} | {purpose} | {ours} | {others} | {linked} |")
    }
}

#[test]
fn the_table_of_crates_is_true() {
    let path = workspace().join("README.md");
    let text = fs::read_to_string(&path).unwrap();
    let table = text.lines().skip_while(|line| *line != HEAD).skip(2);
    let rows: Vec<&str> = table.take_while(|line| line.starts_with('|')).collect();

    let listed: BTreeSet<_> = rows.iter().map(|row| Row::read(row).name).collect();
    let crates = fs::read_dir(workspace().join("crates")).unwrap();
    let mut crates: BTreeSet<_> = crates
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    crates.remove("omadm-testkit");
    assert!(crates.iter().map(String::as_str).eq(listed), "{crates:?}");

    let counted: Vec<String> = rows.iter().map(|row| Row::read(row).counted()).collect();
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text.replace(&rows.join("\n"), &counted.join("\n"))).unwrap();
    } else {
        assert_eq!(rows, counted);
    }
}
