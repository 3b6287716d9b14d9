//! Sessions of random commands, legal and illegal, alone and in groups: the statuses, what is read
//! and the tree in the end are those of the reference tree.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use omadm_core::{Format, StatusCode};
use omadm_mo::{
    Context, Definition, DevInfo, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId, Layout,
    ManagementObject, Mount, NodeDefinition as N, Refusal, Registry,
    tnds::{self, Document, Node, Place},
};
use omadm_syncml::{
    Command as Sent, Data, Encoding, Exec, Group, Item, Location, Meta, NodeCommand,
};
use omadm_testkit::{
    Bench, DEVICE_ID, LampLog, SERVER_ID, TestJournal, encoding, results, statuses, uri,
};
use omadm_tree::{
    AccessType::{Add, Copy, Delete, Exec as Execute, Get, Replace},
    Acl, Change, NewNode, Occurrence, Principal, Property, Reading, Selector, Target, Tree,
    TreeLimits, Uri, UriLimits, Value,
    reference::{Command, Outcome, Planted, ReferenceTree, Step},
};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::select,
    strategy::ValueTree,
    test_runner::TestRunner,
};

/// A node of every kind.
static GARDEN: Definition = Definition {
    name: Cow::Borrowed("Garden"),
    moid: Cow::Borrowed("urn:example:mo:garden:1.0"),
    specification: Cow::Borrowed("Example"),
    nodes: Cow::Borrowed(&[
        N::node("", "A garden.", "§1").permanent(),
        N::leaf("Id", Format::Chr, "Its name.", "§1").starts_as("id-1"),
        N::node("M", "At most three.", "§1")
            .permanent()
            .allows(&[Get, Replace]),
        N::node("M/<x>", "One of them.", "§1")
            .occurs(Occurrence::ZeroOrN(3))
            .allows(&[Add, Delete, Get, Replace]),
        N::leaf("M/<x>/State", Format::Int, "The device's.", "§1").starts_as("0"),
        N::leaf("M/<x>/Name", Format::Chr, "Required.", "§1").allows(&[Add, Copy, Get, Replace]),
        N::leaf("M/<x>/Doc", Format::Xml, "Optional.", "§1")
            .optional()
            .media_types(&[Cow::Borrowed("application/xml"), Cow::Borrowed("text/x")])
            .allows(&[Add, Copy, Delete, Get, Replace]),
        N::leaf("M/<x>/Pin", Format::Chr, "Not to be read.", "§1")
            .optional()
            .prints(&[])
            .allows(&[Add, Replace]),
        N::node("M/<x>/Op", "What can be done.", "§1"),
        N::operation("M/<x>/Op/Run", "Runs.", "§1"),
        N::leaf("M/<x>/Op/Extra", Format::Chr, "Optional.", "§1")
            .optional()
            .allows(&[Add, Copy, Delete, Execute, Get, Replace]),
        N::node("K", "At least one.", "§1")
            .permanent()
            .allows(&[Get, Replace]),
        N::leaf("K/<x>", Format::Int, "One of them.", "§1")
            .occurs(Occurrence::OneOrMore)
            .allows(&[Add, Copy, Delete, Get, Replace]),
        N::node("X", "Anything.", "§1").open(),
    ]),
};

/// The garden: does nothing of its own, and every Exec goes well.
struct Garden;

impl ManagementObject for Garden {
    fn mounts(&self) -> Vec<Mount> {
        vec![Mount::new(uri("./G"), &GARDEN)]
    }

    fn start(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        for (at, value) in [("./G/K/a", Value::int(7)), ("./G/M/a/State", Value::int(1))] {
            cx.tree.set(cx.schema, &uri(at), value)?;
        }
        Ok(())
    }

    fn stage(&mut self, _: &Change, _: &Principal, _: &mut Context<'_, '_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn exec(&mut self, _: &ExecRequest<'_>, _: &mut Context<'_, '_>) -> ExecAnswer {
        StatusCode::OK.into()
    }

    fn completed(&mut self, _: JobId, _: JobEnd, _: &mut Context<'_, '_>) -> ExecResult {
        StatusCode::OK.into()
    }
}

fn bench(limits: TreeLimits) -> (Bench, Layout) {
    let acl: Acl = format!("Add=*&Get=*&Replace={SERVER_ID}&Exec=*&Delete={SERVER_ID}")
        .parse()
        .unwrap();
    let journal = TestJournal::default();
    let tree = Tree::load(&journal, limits, acl).unwrap();
    let dev_info = DevInfo {
        dev_id: DEVICE_ID.into(),
        man: "Example".into(),
        model: "Garden".into(),
        dmv: "1.0".into(),
        lang: "en".into(),
    };
    let mut registry = Registry::new();
    registry.mount(Box::new(dev_info.object())).unwrap();
    registry.mount(Box::new(Garden)).unwrap();
    let layout = registry.layout().clone();
    let mut config = Bench::config();
    config.max_messages = u32::MAX;
    let bench = Bench::with(tree, registry, LampLog::default(), journal, config).unwrap();
    (bench, layout)
}

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

fn step() -> impl Strategy<Value = Step> {
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

/// The command as a server sends it.
fn sent(step: &Step) -> Sent<'static> {
    let inside = |steps: &[Step]| Group::new(steps.iter().map(sent).collect::<Vec<_>>());
    let items = match step {
        Step::Atomic(steps) => return Sent::Atomic(inside(steps)),
        Step::Sequence(steps) => return Sent::Sequence(inside(steps)),
        Step::AddTree(target, nodes) => {
            return Sent::Add(NodeCommand::new([document(target, nodes)]));
        }
        Step::ReplaceTree(target, nodes) => {
            return Sent::Replace(NodeCommand::new([document(target, nodes)]));
        }
        Step::Command(items) => items,
    };
    let content = NodeCommand::new(items.iter().map(item).collect::<Vec<_>>());
    match items.first().unwrap() {
        Command::Get(_) => Sent::Get(content),
        Command::Add(..) => Sent::Add(content),
        Command::Replace(..) | Command::ReplaceProperty(..) => Sent::Replace(content),
        Command::Delete(_) => Sent::Delete(content),
        Command::Copy(..) => Sent::Copy(content),
        Command::Exec(_) => Sent::Exec(Exec::new(content.items)),
        other => panic!("{other:?}"),
    }
}

/// The Item with a subtree.
fn document(target: &Uri, nodes: &[Planted]) -> Item<'static> {
    let nodes = nodes.iter().map(|planted| {
        let place = Place::Absolute(planted.uri.clone());
        let mut node = match &planted.node {
            NewNode::Leaf(value) => Node::leaf(place, value.clone()),
            NewNode::Interior { node_type } => {
                Node::interior(place, node_type.clone().unwrap_or_default())
            }
        };
        node.properties.acl.clone_from(&planted.acl);
        node.properties.title.clone_from(&planted.title);
        node
    });
    let document = Document {
        nodes: nodes.collect(),
    };
    let mut octets = Vec::new();
    document.encode(encoding(), &mut octets).unwrap();
    let (format, media_type, data) = match encoding() {
        Encoding::Xml => (
            Format::Xml,
            tnds::MIME_XML,
            Data::from(String::from_utf8(octets).unwrap()),
        ),
        Encoding::Wbxml => (Format::Bin, tnds::MIME_WBXML, Data::Opaque(octets.into())),
    };
    let meta = Meta::new().with_format(format).with_type(media_type);
    let target = Location::new(target.to_string());
    Item::new()
        .with_target(target)
        .with_meta(meta)
        .with_data(data)
}

fn item(command: &Command) -> Item<'static> {
    let at = |target: String| Item::new().with_target(Location::new(target));
    match command {
        Command::Get(target) | Command::Delete(target) | Command::Exec(target) => {
            at(target.to_string())
        }
        Command::Add(target, NewNode::Leaf(value)) => with_value(at(target.to_string()), value),
        Command::Add(target, NewNode::Interior { node_type }) => {
            let meta = Meta::new().with_format(Format::Node);
            at(target.to_string()).with_meta(match node_type {
                Some(node_type) => meta.with_type(node_type.clone()),
                None => meta,
            })
        }
        Command::Replace(uri, value) => with_value(at(uri.to_string()), value),
        Command::ReplaceProperty(uri, property, text) => {
            let target = Target::property(uri.clone(), *property);
            at(target.to_string()).with_data(text.clone())
        }
        Command::Copy(from, to) => at(to.to_string()).with_source(Location::new(from.to_string())),
        other => panic!("{other:?}"),
    }
}

fn with_value(item: Item<'static>, value: &Value) -> Item<'static> {
    let octets = value.octets().to_vec();
    let (format, data) = match (value.format(), encoding()) {
        (Format::Bin, Encoding::Xml) => (Format::B64, Data::from(STANDARD.encode(octets))),
        (Format::Bin, _) => (Format::Bin, Data::Opaque(octets.into())),
        (format, _) => (format, Data::from(String::from_utf8(octets).unwrap())),
    };
    let meta = Meta::new().with_format(format);
    item.with_data(data).with_meta(
        if value.media_type() == Value::default_media_type(value.format()) {
            meta
        } else {
            meta.with_type(value.media_type().to_owned())
        },
    )
}

fn name(step: &Step, names: &mut Vec<String>) {
    names.extend(
        sent(step)
            .flatten()
            .map(|command| command.name().to_owned()),
    );
}

/// The statuses of outcomes as they are packed: one if all Items came out alike.
fn packed(step: &Step, outcomes: &[Outcome]) -> Vec<(String, u16)> {
    let mut names = Vec::new();
    name(step, &mut names);
    assert_eq!(names.len(), outcomes.len());
    let mut all = Vec::new();
    for (name, outcome) in names.into_iter().zip(outcomes) {
        let mut statuses = outcome.statuses.clone();
        if statuses
            .iter()
            .all(|status| Some(status) == outcome.statuses.first())
        {
            statuses.truncate(1);
        }
        all.extend(
            statuses
                .into_iter()
                .map(|status| (name.clone(), status.get())),
        );
    }
    all
}

/// What a Get shows: the address, and what is there.
#[derive(PartialEq, Debug)]
enum Shown {
    Value(Value),
    /// The nodes of a document.
    Subtree(Vec<Uri>),
    /// No value: the format, the type and the text.
    Other(String, String, String),
}

/// The nodes of a document, if the Item holds one.
fn read_document(item: &Item<'_>) -> Option<Vec<Uri>> {
    let encoding = match item.meta.media_type() {
        tnds::MIME_XML => Encoding::Xml,
        tnds::MIME_WBXML => Encoding::Wbxml,
        _ => return None,
    };
    let limits = tnds::Limits::default();
    let document = match item.data.as_ref().unwrap() {
        Data::Text(text) => Document::decode(text.as_bytes(), encoding, &limits),
        Data::Opaque(octets) => Document::decode(octets, encoding, &limits),
        Data::Fragment(fragment) => Document::from_fragment(fragment, &limits),
    };
    let nodes = document.unwrap().nodes;
    Some(
        nodes
            .into_iter()
            .map(|node| node.place.uri().clone())
            .collect(),
    )
}

fn shown(items: Vec<Item<'static>>) -> Vec<(String, Shown)> {
    items
        .into_iter()
        .map(|item| {
            let at = item.source.as_ref().unwrap().uri.to_string();
            let text = item
                .data
                .as_ref()
                .map_or("", |data| data.as_text().unwrap_or("?"));
            if let Some(document) = read_document(&item) {
                return (at, Shown::Subtree(document));
            }
            let format = item.meta.format().unwrap();
            let media_type = item.meta.media_type.as_deref();
            if format == Format::Node {
                let node_type = media_type.unwrap_or_default().to_owned();
                return (at, Shown::Other("node".into(), node_type, text.to_owned()));
            }
            let octets = match &item.data {
                Some(Data::Opaque(octets)) => octets.to_vec(),
                Some(Data::Fragment(fragment)) => fragment.wbxml_document().unwrap().to_vec(),
                _ if format == Format::B64 => STANDARD.decode(text).unwrap(),
                _ => text.as_bytes().to_vec(),
            };
            let format = if format == Format::B64 {
                Format::Bin
            } else {
                format
            };
            (
                at,
                match Value::new(format, media_type, octets) {
                    Ok(value) if item.data.is_some() => Shown::Value(value),
                    _ => {
                        let media_type = media_type.unwrap_or_default().to_owned();
                        Shown::Other(format.to_string(), media_type, String::new())
                    }
                },
            )
        })
        .collect()
}

fn leaf(value: Value) -> Shown {
    match value.format() {
        Format::Null => bare(Format::Null, value.media_type()),
        _ => Shown::Value(value),
    }
}

/// No value; the default type is left out.
fn bare(format: Format, node_type: &str) -> Shown {
    let node_type = if node_type == Meta::DEFAULT_TYPE {
        ""
    } else {
        node_type
    };
    Shown::Other(format.to_string(), node_type.to_owned(), String::new())
}

/// What the Items for a reading show.
fn expected(command: &Command, reading: Reading) -> Vec<(String, Shown)> {
    let Command::Get(target) = command else {
        panic!("{command:?}")
    };
    let at = target.to_string();
    match reading {
        Reading::Leaf(value) => vec![(at, leaf(value))],
        Reading::Property(text) => vec![(at, Shown::Value(Value::chr(text)))],
        Reading::Children(names) => {
            vec![(
                at,
                Shown::Other("node".into(), String::new(), names.join("/")),
            )]
        }
        Reading::List(entries) => entries
            .into_iter()
            .map(|entry| {
                let shown = match entry.value {
                    Some(value) => leaf(value),
                    None => bare(entry.format, &entry.node_type),
                };
                (entry.uri.to_string(), shown)
            })
            .collect(),
        Reading::Tnds { nodes, .. } => vec![(target.uri.to_string(), Shown::Subtree(nodes))],
        other => panic!("{other:?}"),
    }
}

/// The Gets whose readings are among the outcomes.
fn gets<'s>(step: &'s Step, found: &mut Vec<&'s [Command]>) {
    match step {
        Step::Command(items) => found.push(items),
        Step::AddTree(..) | Step::ReplaceTree(..) => found.push(&[]),
        Step::Atomic(steps) | Step::Sequence(steps) => {
            found.push(&[]);
            steps.iter().for_each(|step| gets(step, found));
        }
    }
}

/// What a message holds at most: every document in one piece.
const MESSAGE_BYTES: u64 = 1 << 20;

/// Plays packages of commands in one session, on a device and on the reference tree.
fn run(packages: &[Vec<Step>], limits: TreeLimits) {
    let (mut bench, layout) = bench(limits);
    let by = Principal::Server(SERVER_ID.parse().unwrap());
    let mut model = ReferenceTree::of(bench.client.tree());
    bench.start();
    for steps in packages {
        let mut statuses_due = Vec::new();
        let mut results_due = Vec::new();
        for step in steps {
            let outcomes = model.play(&layout, &by, step, bench.clock.now());
            statuses_due.extend(packed(step, &outcomes));
            let mut commands = Vec::new();
            gets(step, &mut commands);
            for (items, outcome) in commands.into_iter().zip(outcomes) {
                let read = items
                    .iter()
                    .zip(outcome.statuses)
                    .filter(|(_, status)| *status == StatusCode::OK);
                for ((item, _), reading) in read.zip(outcome.readings) {
                    results_due.extend(expected(item, reading));
                }
            }
        }
        let mut header = bench.script.header();
        header.meta = Meta::new().with_max_msg_size(MESSAGE_BYTES);
        let acknowledged = bench.script.acknowledge().into_iter();
        let commands = acknowledged.chain(steps.iter().map(sent));
        let body = bench.script.write_as(&header, commands, true);
        let mut found = bench.deliver(&body).unwrap();
        let (mut codes, mut read) = (statuses(&found), shown(results(&found)));
        while !found.is_final {
            found = bench.say([]).unwrap();
            codes.extend(statuses(&found));
            read.extend(shown(results(&found)));
        }
        assert_eq!(codes, statuses_due, "{steps:#?}");
        assert_eq!(read, results_due, "{steps:#?}");
        assert_eq!(ReferenceTree::of(bench.client.tree()), model, "{steps:#?}");
    }
    let journal = bench.journal.clone();
    let stored = Tree::load(&journal, limits, Acl::root_default()).unwrap();
    let root = |tree: &Tree| tree.node(&Uri::root()).unwrap().acl().clone();
    if root(&stored) == root(bench.client.tree()) {
        assert_eq!(ReferenceTree::of(&stored), model);
    }
}

fn narrow() -> TreeLimits {
    let mut limits = TreeLimits::default();
    limits.nodes = 50;
    limits.children = 6;
    limits.value_bytes = 50;
    limits.total_bytes = 120;
    limits.acl_bytes = 60;
    limits.type_bytes = 30;
    limits.list_nodes = 20;
    limits.implicit_ancestors = 3;
    limits.uri = UriLimits::new(6, 40, 20);
    limits
}

fn session() -> impl Strategy<Value = Vec<Vec<Step>>> {
    vec(vec(step(), 1..8), 1..10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_session_does_what_the_reference_does(session in session()) {
        run(&session, TreeLimits::default());
    }

    #[test]
    fn also_within_narrow_limits(session in session()) {
        run(&session, narrow());
    }
}

#[test]
fn a_long_session_does_what_the_reference_does() {
    let mut runner = TestRunner::deterministic();
    let package = vec(step(), 20);
    let session: Vec<Vec<Step>> = (0..50)
        .map(|_| package.new_tree(&mut runner).unwrap().current())
        .collect();
    run(&session, TreeLimits::default());
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
