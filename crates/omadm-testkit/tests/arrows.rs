//! The arrows between the crates point down, as docs/architecture.md says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

const CLIENT: [&str; 2] = ["omadm-client", "virmo-client"];
const SERVER: [&str; 2] = ["omadm-server", "virmo-server"];
const BACK_END: [&str; 3] = ["virmo-simulator", "virmo-qemu", "virmo-libvirt"];

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn architecture() -> String {
    fs::read_to_string(workspace().join("docs/architecture.md")).unwrap()
}

/// The rows `| floor | `crate` | …` of the architecture document.
fn floors() -> BTreeMap<String, u32> {
    architecture()
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
            let floor = cells.next()?.parse().ok()?;
            let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
            Some((name.to_owned(), floor))
        })
        .collect()
}

/// The crates of this workspace that each crate depends on, tests aside.
fn arrows() -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(workspace().join("crates")).unwrap() {
        let manifest = entry.unwrap().path().join("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        let table: toml::Table = text.parse().unwrap();
        let name = table["package"]["name"].as_str().unwrap().to_owned();
        let uses = ["dependencies", "build-dependencies"]
            .into_iter()
            .filter_map(|kind| table.get(kind)?.as_table())
            .flat_map(|dependencies| dependencies.keys())
            .filter(|name| {
                ["omadm-", "uve", "virmo"]
                    .iter()
                    .any(|ours| name.starts_with(ours))
            })
            .cloned()
            .collect();
        found.insert(name, uses);
    }
    found
}

fn forbidden(from: &str, to: &str, floors: &BTreeMap<String, u32>) -> Option<&'static str> {
    if from.starts_with("omadm-") && to.starts_with("virmo") && from != "omadm-testkit" {
        return Some("the DM stack knows no virtual machine");
    }
    if (CLIENT.contains(&from) && SERVER.contains(&to))
        || (SERVER.contains(&from) && CLIENT.contains(&to))
    {
        return Some("the two ends do not know each other");
    }
    if BACK_END.contains(&from) && (CLIENT.contains(&to) || SERVER.contains(&to)) {
        return Some("a back end does not know the client");
    }
    if from == "omadm-syncml" && to == "omadm-tree" {
        return Some("a LocURI is text on the wire");
    }
    (floors.get(to)? >= floors.get(from)?).then_some("an arrow points to a lower floor only")
}

#[test]
fn every_crate_has_a_floor_and_uses_lower_floors_only() {
    let (floors, arrows) = (floors(), arrows());
    assert!(arrows.len() >= 20, "found only {} crates", arrows.len());
    for (from, uses) in &arrows {
        assert!(
            floors.contains_key(from),
            "{from} has no floor in docs/architecture.md"
        );
        for to in uses {
            if let Some(why) = forbidden(from, to, &floors) {
                panic!("{from} -> {to}: {why}");
            }
        }
    }
}

/// The arrows that do not follow from others, as `from --> to`.
fn reduced(arrows: &BTreeMap<String, Vec<String>>) -> BTreeSet<String> {
    fn reach<'a>(from: &str, arrows: &'a BTreeMap<String, Vec<String>>) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = arrows[from].iter().map(String::as_str).collect();
        while let Some(to) = open.pop() {
            if reached.insert(to) {
                open.extend(arrows[to].iter().map(String::as_str));
            }
        }
        reached
    }
    let mut lines = BTreeSet::new();
    for (from, uses) in arrows {
        let implied: BTreeSet<_> = uses.iter().flat_map(|to| reach(to, arrows)).collect();
        let direct = uses.iter().filter(|to| !implied.contains(to.as_str()));
        lines.extend(direct.map(|to| format!("{from} --> {to}")));
    }
    lines
}

#[test]
fn the_picture_shows_the_arrows() {
    let mut arrows = arrows();
    arrows.remove("omadm-testkit");
    let drawn = architecture()
        .lines()
        .filter(|line| line.contains(" --> "))
        .map(str::to_owned)
        .collect::<BTreeSet<_>>();
    assert_eq!(drawn, reduced(&arrows));
}

#[test]
fn the_check_finds_what_it_looks_for() {
    let floors = floors();
    for (from, to) in [
        ("omadm-client", "virmo-nodes"),
        ("omadm-client", "omadm-server"),
        ("virmo-server", "virmo-client"),
        ("virmo-simulator", "virmo-client"),
        ("omadm-syncml", "omadm-tree"),
        ("omadm-core", "omadm-tree"),
        ("omadm-store", "omadm-http"),
    ] {
        assert!(forbidden(from, to, &floors).is_some(), "{from} -> {to}");
    }
    assert_eq!(forbidden("virmo-client", "omadm-mo", &floors), None);
}
