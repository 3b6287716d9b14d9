//! Random commands, subtrees and groups.

use omadm_testkit::{SERVER_ID, uri};
use omadm_tree::{
    Acl, NewNode, Property, Selector, Target, Uri, Value,
    reference::{Command, Planted, Step},
};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::select,
};

/// Addresses that mostly mean something.
fn address() -> impl Strategy<Value = Uri> {
    const KNOWN: &[&str] = &[
        ".",
        "./G",
        "./G/Id",
        "./G/M",
        "./G/M/a",
        "./G/M/b",
        "./G/M/c",
        "./G/M/d",
        "./G/M/a/State",
        "./G/M/a/Name",
        "./G/M/b/Name",
        "./G/M/a/Doc",
        "./G/M/b/Doc",
        "./G/M/a/Pin",
        "./G/M/a/Op",
        "./G/M/a/Op/Run",
        "./G/M/b/Op/Extra",
        "./G/M/a/Op/Extra",
        "./G/K",
        "./G/K/a",
        "./G/K/b",
        "./G/X",
        "./G/X/a",
        "./G/X/b",
        "./G/X/a/a",
        "./G/X/a/b",
        "./G/X/b/a/b",
        "./G/X/a/b/c/d/e",
        "./DevInfo/DevId",
        "./nobody",
    ];
    prop_oneof![
        12 => select(KNOWN).prop_map(uri),
        3 => "G/X(/[ab]){1,4}".prop_map(|text| uri(&text)),
        1 => any::<Uri>(),
    ]
}

/// Values that XML can carry.
fn value() -> impl Strategy<Value = Value> {
    let carried = |value: &Value| {
        value.text().is_none_or(|text| {
            let legal =
                |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..);
            text.chars().all(legal)
        })
    };
    prop_oneof![
        2 => (0..9).prop_map(Value::int),
        2 => "[a-c]{0,12}".prop_map(Value::chr),
        1 => Just(Value::null()),
        1 => Just(Value::xml("<a/>").with_media_type("application/xml")),
        1 => Just(Value::xml("<a b='c'>&amp;</a>")),
        1 => vec(any::<u8>(), 0..60).prop_map(Value::bin),
        2 => any::<Value>().prop_filter("not for XML", carried),
    ]
}

fn new_node() -> impl Strategy<Value = NewNode> {
    let node_type = "[a-z:]{1,9}".prop_map(Some);
    prop_oneof![
        3 => Just(NewNode::INTERIOR),
        1 => node_type.prop_map(|node_type| NewNode::Interior { node_type }),
        4 => value().prop_map(NewNode::Leaf),
    ]
}

fn target() -> impl Strategy<Value = Target> {
    let selector = prop_oneof![6 => Just(Selector::Node), 1 => any::<Selector>()];
    (address(), selector).prop_map(|(uri, selector)| Target { uri, selector })
}

fn property_text() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "Add=*&Get=*",
        "Get=other&Replace=dm.example",
        "Add=dm.example&Delete=dm.example&Get=*&Replace=*",
        "Get=",
        "",
        "a",
        "b",
        "c%20",
        "a/b",
    ];
    prop_oneof![
        4 => select(KNOWN).prop_map(str::to_owned),
        1 => any::<Acl>().prop_map(|acl| acl.to_string()),
        1 => (250_usize..260).prop_map(|length| "t".repeat(length)),
    ]
}

/// A command that is likely to go well.
fn sensible() -> impl Strategy<Value = Command> {
    let below = |prefix: &'static str| {
        "[ab](/[ab])?".prop_map(move |path| uri(&format!("{prefix}/{path}")))
    };
    let instance = || select(&["./G/M/a", "./G/M/b", "./G/M/c"][..]);
    let add = |uri: Uri, new| Command::Add(Target::node(uri), new);
    let name = |instance: &str| uri(&format!("{instance}/Name"));
    prop_oneof![
        4 => (below("./G/X"), value()).prop_map(move |(uri, value)| add(uri, NewNode::Leaf(value))),
        2 => below("./G/X").prop_map(move |uri| add(uri, NewNode::INTERIOR)),
        2 => instance().prop_map(move |at| add(uri(at), NewNode::INTERIOR)),
        1 => instance().prop_map(move |at| {
            let doc = Value::xml("<a/>").with_media_type("application/xml");
            add(uri(&format!("{at}/Doc")), NewNode::Leaf(doc))
        }),
        2 => (instance(), "[a-c]{0,9}").prop_map(move |(at, text)| Command::Replace(name(at), Value::chr(text))),
        2 => (0..9).prop_map(|level| Command::Replace(uri("./G/K/a"), Value::int(level))),
        2 => (below("./G/X"), value()).prop_map(|(uri, value)| Command::Replace(uri, value)),
        1 => (instance(), "[a-c]").prop_map(|(at, text)| Command::ReplaceProperty(uri(at), Property::Name, text)),
        1 => (below("./G/X"), "[a-c]{1,9}")
            .prop_map(|(uri, text)| Command::ReplaceProperty(uri, Property::Title, text)),
        1 => below("./G/X").prop_map(|uri| {
            let acl = format!("Add=*&Get=*&Replace={SERVER_ID}&Delete={SERVER_ID}");
            Command::ReplaceProperty(uri, Property::Acl, acl)
        }),
        2 => below("./G/X").prop_map(|uri| Command::Delete(Target::node(uri))),
        1 => (instance(), below("./G/X")).prop_map(move |(at, to)| Command::Copy(name(at), to)),
    ]
}

/// One command, with an Item or some.
fn single() -> impl Strategy<Value = Vec<Command>> {
    let one = prop_oneof![
        3 => (address(), any::<Selector>()).prop_map(|(uri, selector)| Command::Get(Target { uri, selector })),
        6 => (target(), new_node()).prop_map(|(target, new)| Command::Add(target, new)),
        4 => (address(), value()).prop_map(|(uri, value)| Command::Replace(uri, value)),
        3 => (address(), any::<Property>(), property_text())
            .prop_filter("locks the server out", |(uri, property, _)| {
                uri.depth() > 1 || *property != Property::Acl
            })
            .prop_map(|(uri, property, text)| Command::ReplaceProperty(uri, property, text)),
        3 => target().prop_map(Command::Delete),
        2 => (address(), address()).prop_map(|(from, to)| Command::Copy(from, to)),
        1 => target().prop_map(Command::Exec),
    ];
    prop_oneof![
        10 => sensible().prop_map(|command| vec![command]),
        10 => one.prop_map(|command| vec![command]),
        1 => vec(target().prop_map(Command::Get), 2..4),
        1 => vec(target().prop_map(Command::Delete), 2..4),
        1 => vec((address(), value()).prop_map(|(uri, value)| Command::Replace(uri, value)), 2..4),
    ]
}

/// A subtree: a top node, and nodes below it.
fn subtree() -> impl Strategy<Value = (Uri, Vec<Planted>)> {
    const BELOW: &[&str] = &[
        "", "a", "b", "a/a", "a/b", "b/a", "Name", "Doc", "Op", "Op/Extra", "State",
    ];
    let top = select(
        &[
            "./G/X/a",
            "./G/X/b",
            "./G/X/a/a",
            "./G/M/b",
            "./G/M/c",
            "./G/X",
            "./G/M",
            "./G/K",
        ][..],
    );
    let node = || {
        prop_oneof![
            2 => Just(NewNode::INTERIOR),
            3 => value().prop_map(NewNode::Leaf),
            2 => "[a-c]{0,3}".prop_map(|text| NewNode::Leaf(Value::chr(text))),
            1 => (0..9).prop_map(|number| NewNode::Leaf(Value::int(number))),
            1 => "[a-z:]{1,9}".prop_map(|node_type| NewNode::Interior { node_type: Some(node_type) }),
        ]
    };
    let acl = prop_oneof![
        8 => Just(None),
        1 => select(&["Add=*&Get=*&Replace=*&Delete=*", "Get=*", ""][..]).prop_map(|acl| Some(acl.parse().unwrap())),
    ];
    let title = prop_oneof![8 => Just(None), 1 => "[a-c]{1,3}".prop_map(Some)];
    let nodes = btree_map(select(BELOW), (node(), acl, title), 1..5);
    (top, nodes, any::<bool>()).prop_map(|(top, nodes, with_top)| {
        let top = uri(top);
        let mut planted: Vec<Planted> = Vec::new();
        for (below, (mut node, acl, title)) in nodes {
            let at = match below {
                "" => top.clone(),
                below => top.join(&uri(&format!("./{below}"))),
            };
            // A top that is a leaf has nothing below it.
            if with_top && below.is_empty() {
                node = NewNode::INTERIOR;
            }
            let leaf_above = planted
                .iter()
                .any(|other| matches!(other.node, NewNode::Leaf(_)) && at.starts_with(&other.uri));
            if !leaf_above {
                planted.push(Planted {
                    uri: at,
                    node,
                    acl,
                    title,
                });
            }
        }
        planted.sort_by_key(|planted| planted.uri.depth());
        (top, planted)
    })
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let single = || single().prop_map(Step::Command);
    // A Get in an Atomic always fails, so most have none.
    let edit = || {
        let edits = |step: &Step| {
            !matches!(step, Step::Command(items)
                if matches!(items.first(), Some(Command::Get(_) | Command::Exec(_))))
        };
        single().prop_filter("not an edit", edits)
    };
    let tree = || {
        (subtree(), any::<bool>()).prop_map(|((target, nodes), replace)| {
            if replace {
                Step::ReplaceTree(target, nodes)
            } else {
                Step::AddTree(target, nodes)
            }
        })
    };
    let inner = prop_oneof![
        6 => edit(),
        2 => tree(),
        1 => single(),
        1 => vec(edit(), 0..3).prop_map(Step::Sequence),
        1 => vec(single(), 0..3).prop_map(Step::Atomic),
    ];
    prop_oneof![
        10 => single(),
        4 => tree(),
        5 => vec(inner, 0..5).prop_map(Step::Atomic),
        5 => vec(sensible().prop_map(|command| Step::Command(vec![command])), 1..3)
            .prop_map(Step::Atomic),
        2 => vec(prop_oneof![4 => single(), 1 => vec(edit(), 0..3).prop_map(Step::Atomic)], 0..4)
            .prop_map(Step::Sequence),
    ]
}
