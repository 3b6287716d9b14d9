//! `virmo tree`.

use std::path::Path;

use virmo::dm::{
    client, core,
    store::{OpenErrorKind, RedbJournal},
    tree::{Acl, NodeRef, Tree, TreeLimits, Uri},
};

use super::device::chain;
use crate::{args, failure::Failure, output};

/// Leaves whose value is nobody's business. [DM-StdObj §5.1]
const SECRETS: [&str; 2] = ["AAuthSecret", "AAuthData"];

pub(crate) fn run(args: &args::Tree) -> Result<(), Failure> {
    let uri = Uri::parse(&args.uri)
        .map_err(|error| Failure::usage(format_args!("{}: {error}", args.uri)))?;
    let journal = open(&args.state)?;
    let kept = [client::RECORDS, virmo::client::RECORDS].concat();
    core::upgrade(&journal, &kept).map_err(|error| Failure::work(chain(&error)))?;
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

/// What a device that does not run left in its folder.
pub(super) fn open(folder: &Path) -> Result<RedbJournal, Failure> {
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
    RedbJournal::open(&path).map_err(|error| match error.kind() {
        OpenErrorKind::Locked => {
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
    #[test]
    fn a_value_neither_ends_the_line_nor_steers_the_terminal() {
        assert_eq!(
            super::shown("a\tb\nc\r\x1b[2J\u{9b}é"),
            "a\tb\\nc\\r\\u{1b}[2J\\u{9b}é"
        );
    }
}
