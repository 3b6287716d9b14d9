//! Random commands, on the tree and on the reference tree.

use std::collections::BTreeSet;

use omadm_core::{Batch, MemoryJournal};
use omadm_tree::{
    Acl, Change, ChangeKind, NewNode, Principal, Property, Selector, Target, Tree, TreeLimits, Uri,
    UriLimits, Value,
    reference::{Command, ReferenceTree},
};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::garden::{Failing, Garden, at, garden, root_acl, server, uri};

/// How a transaction ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Commit,
    CommitFails,
    RollBack,
}

/// Addresses that mostly mean something to the schema.
fn address() -> impl Strategy<Value = Uri> {
    const KNOWN: &[&str] = &[
        ".",
        "./P",
        "./P/Id",
        "./M",
        "./M/a",
        "./M/b",
        "./M/c",
        "./M/d",
        "./M/a/State",
        "./M/a/Name",
        "./M/b/Name",
        "./M/c/Name",
        "./M/a/Op",
        "./M/a/Op/Run",
        "./M/b/Op/Run",
        "./M/a/Doc",
        "./M/b/Doc",
        "./M/a/Ext",
        "./M/a/Ext/x",
        "./M/b/Ext/x/y",
        "./K",
        "./K/a",
        "./K/b",
        "./X",
        "./X/a",
        "./X/b",
        "./X/a/a",
        "./X/a/b",
        "./X/b/a/b",
        "./X/a/a/a/a/a/a",
        "./nobody",
        "./K/n",
        "./M/a/Op/Extra",
        "./M/b/Op/Extra",
        "./M/a/Note",
        "./M/b/Note",
        "./M/Info",
    ];
    prop_oneof![
        12 => select(KNOWN).prop_map(uri),
        3 => ("(X|M/a/Ext)(/[ab]){1,4}").prop_map(|text| uri(&text)),
        1 => any::<Uri>(),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0..9).prop_map(Value::int),
        "[a-c]{0,12}".prop_map(Value::chr),
        Just(Value::null()),
        Just(Value::xml("<a/>")),
        Just(Value::xml("<a/>").with_media_type("application/xml")),
        Just(Value::chr("").with_media_type("text/x")),
        vec(any::<u8>(), 0..60).prop_map(Value::bin),
        any::<Value>(),
    ]
}

fn new_node() -> impl Strategy<Value = NewNode> {
    prop_oneof![
        3 => Just(NewNode::INTERIOR),
        3 => value().prop_map(NewNode::Leaf),
        1 => any::<NewNode>(),
    ]
}

fn target() -> impl Strategy<Value = Target> {
    (
        address(),
        prop_oneof![6 => Just(Selector::Node), 1 => any::<Selector>()],
    )
        .prop_map(|(uri, selector)| Target { uri, selector })
}

fn property_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<Acl>().prop_map(|acl| acl.to_string()),
        select(
            &[
                "Add=*&Get=*",
                "Get=B&Replace=A",
                "Replace=*",
                "Get=",
                "",
                "a",
                "b",
                "n",
                "c%20"
            ][..]
        )
        .prop_map(str::to_owned),
        "[a-c./%]{1,4}",
        (250_usize..260).prop_map(|length| "t".repeat(length)),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        3 => (address(), any::<Selector>())
            .prop_map(|(uri, selector)| Command::Get(Target { uri, selector })),
        2 => target().prop_map(Command::Get),
        6 => (target(), new_node()).prop_map(|(target, new)| Command::Add(target, new)),
        4 => (address(), value()).prop_map(|(uri, value)| Command::Replace(uri, value)),
        5 => (address(), any::<Property>(), property_text())
            .prop_map(|(uri, property, text)| Command::ReplaceProperty(uri, property, text)),
        3 => target().prop_map(Command::Delete),
        2 => (address(), address()).prop_map(|(from, to)| Command::Copy(from, to)),
        2 => (address(), value()).prop_map(|(uri, value)| Command::Set(uri, value)),
        2 => address().prop_map(Command::AddInterior),
        1 => target().prop_map(Command::Exec),
    ]
}

fn principal() -> impl Strategy<Value = Principal> {
    prop_oneof![
        4 => Just(server("A")),
        2 => Just(server("B")),
        1 => Just(Principal::Device),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        4 => Just(End::Commit),
        1 => Just(End::CommitFails),
        1 => Just(End::RollBack),
    ]
}

fn small_limits() -> TreeLimits {
    let mut limits = TreeLimits::default();
    limits.nodes = 40;
    limits.children = 6;
    limits.value_bytes = 50;
    limits.total_bytes = 70;
    limits.acl_bytes = 60;
    limits.type_bytes = 16;
    limits.list_nodes = 20;
    limits.implicit_ancestors = 3;
    limits.uri = UriLimits::new(6, 40, 20);
    limits
}

fn load(journal: &MemoryJournal, limits: TreeLimits) -> Tree {
    Tree::load(journal, limits, root_acl()).unwrap()
}

/// Follows the changes from one tree to the next.
fn replay(before: &ReferenceTree, changes: &[Change]) -> BTreeSet<Uri> {
    let mut uris: BTreeSet<Uri> = before.uris().cloned().collect();
    for Change { uri, kind } in changes {
        match kind {
            ChangeKind::Added => {
                assert!(uris.contains(&uri.parent().unwrap()));
                assert!(uris.insert(uri.clone()));
            }
            ChangeKind::Deleted { .. } => assert!(uris.remove(uri)),
            ChangeKind::Renamed { from } => {
                uris = uris
                    .iter()
                    .map(|old| match old.strip_prefix(from) {
                        Some(below) => uri.join(&below),
                        None => old.clone(),
                    })
                    .collect();
            }
            _ => assert!(uris.contains(uri)),
        }
    }
    uris
}

type Script = Vec<(Vec<(Principal, Command)>, End)>;

fn run_script(script: Script, limits: TreeLimits) {
    let (journal, mut tree) = garden(limits);
    let mut model = ReferenceTree::of(&tree);
    for (time, (commands, end)) in (10..).zip(script) {
        let before = model.clone();
        let mut transaction = tree.begin(at(time));
        for (by, command) in &commands {
            let expected = model.run(&Garden, by, command, at(time));
            let answer = command.run(&mut transaction, &Garden, by);
            let answer = answer.map_err(|error| error.status());
            assert_eq!(answer, expected, "{by:?}: {command:?}");
            assert_eq!(
                ReferenceTree::of(transaction.tree()),
                model,
                "{by:?}: {command:?}"
            );
        }
        let replayed = replay(&before, transaction.changes());
        assert!(
            replayed.iter().eq(model.uris()),
            "{:?}",
            transaction.changes()
        );
        match end {
            End::Commit => transaction.commit(&journal, Batch::new()).unwrap(),
            End::CommitFails => {
                // With nothing to write, nothing fails.
                let result = transaction.commit(&Failing(&journal), Batch::new());
                if result.is_err() {
                    model = before;
                }
            }
            End::RollBack => {
                drop(transaction);
                model = before;
            }
        }
        assert_eq!(ReferenceTree::of(&tree), model);
        assert_eq!(ReferenceTree::of(&load(&journal, limits)), model);
        if time % 3 == 0 {
            tree = load(&journal, limits);
        }
    }
}

fn script() -> impl Strategy<Value = Script> {
    vec((vec((principal(), command()), 0..12), end()), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_tree_does_what_the_reference_does(script in script()) {
        run_script(script, TreeLimits::default());
    }

    #[test]
    fn also_within_narrow_limits(script in script()) {
        run_script(script, small_limits());
    }
}
