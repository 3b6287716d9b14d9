//! `virmo tree`.

use std::path::{Path, PathBuf};

use virmo::dm::{
    client, core,
    store::{OpenError, OpenErrorKind, RedbJournal},
    tree::{Acl, NodeRef, Tree, TreeLimits, Uri},
};

use super::device::chain;
use crate::{args, failure::Failure, output};

/// Leaves whose value is nobody's business. [DM-StdObj §5.1]
const SECRETS: [&str; 2] = ["AAuthSecret", "AAuthData"];

pub(crate) fn run(args: &args::Tree) -> Result<(), Failure> {
    let uri = Uri::parse(&args.uri)
        .map_err(|error| Failure::usage(format_args!("{}: {error}", args.uri)))?;
    let journal = copy(&args.state)?;
    let tree = Tree::load(&journal, TreeLimits::default(), Acl::default())
        .map_err(|error| Failure::work(chain(&error)))?;
    let Some(start) = tree.node(&uri) else {
        return Err(Failure::work(format_args!("{uri}: there is no such node")));
    };
    let mut text = String::new();
    let mut open = vec![start];
    while let Some(node) = open.pop() {
        text.push_str(&line(&node));
        text.push('\n');
        open.extend(node.children().rev());
    }
    output::print(text.as_bytes())
}

/// What a device that does not run left in its folder, as this version has it.
fn copy(folder: &Path) -> Result<RedbJournal, Failure> {
    let journal = opened(folder, RedbJournal::open_copy(file(folder)?))?;
    let kept = [client::RECORDS, virmo::client::RECORDS].concat();
    core::upgrade(&journal, &kept).map_err(|error| Failure::work(chain(&error)))?;
    Ok(journal)
}

/// What a device that does not run left in its folder; none does as long as this is open.
pub(super) fn open(folder: &Path) -> Result<RedbJournal, Failure> {
    opened(folder, RedbJournal::open(file(folder)?))
}

/// Where a device keeps its journal.
fn file(folder: &Path) -> Result<PathBuf, Failure> {
    let state = folder.display();
    if folder.is_file() {
        return Err(Failure::work(format_args!("--state {state}: not a folder")));
    }
    let path = folder.join("device.redb");
    if !path.is_file() {
        return Err(Failure::work(format_args!(
            "--state {state}: no device was run on it"
        )));
    }
    Ok(path)
}

fn opened(folder: &Path, journal: Result<RedbJournal, OpenError>) -> Result<RedbJournal, Failure> {
    journal.map_err(|error| match error.kind() {
        OpenErrorKind::Locked => {
            let state = folder.display();
            Failure::work(format_args!("--state {state}: a device runs on it"))
        }
        _ => Failure::work(chain(&error)),
    })
}

/// A text without what would end the line or steer the terminal.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => shown.push(c),
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

fn line(node: &NodeRef<'_>) -> String {
    let uri = shown(&node.uri().to_string());
    if node.is_interior() {
        return uri;
    }
    if SECRETS.contains(&node.name()) {
        return format!("{uri} = [redacted]");
    }
    match node.text() {
        // One node is one line, whatever its value holds.
        Some(text) => format!("{uri} = {}", shown(text)),
        None => format!("{uri} = [{} bytes]", node.octets().map_or(0, <[u8]>::len)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use virmo::dm::core::{Batch, Journal as _, Space};

    use super::*;

    /// Who looks at an alert of version 2 has it in the present one, and leaves it as it is.
    #[test]
    fn looking_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("device.redb");
        let old = [
            &[2, 0, 0, 0, 0, 0, 0, 0, 0, 1][..],
            &[3, 255, 255, 255, 255, 255, 255, 255, 255, 255],
            &[0, 0, 0, 1, b't', 0, 0, 0, 0],
        ]
        .concat();
        let key = [0; 8];
        let mut batch = Batch::new();
        batch.put(Space::ALERTS, key, old);
        RedbJournal::open(&file).unwrap().commit(&batch).unwrap();
        let before = fs::read(&file).unwrap();

        let copy = copy(folder.path()).ok().unwrap();
        let alert = copy.read(Space::ALERTS, &key).unwrap().unwrap();
        assert_eq!(alert[0], 3);
        drop(copy);
        assert_eq!(fs::read(&file).unwrap(), before);
    }

    #[test]
    fn a_value_neither_ends_the_line_nor_steers_the_terminal() {
        assert_eq!(
            shown("a\tb\nc\r\x1b[2J\u{9b}é"),
            "a\tb\\nc\\r\\u{1b}[2J\\u{9b}é"
        );
    }
}
