//! Steps as a server sends them, and what is to come back.

use base64::{Engine, engine::general_purpose::STANDARD};
use omadm_core::Format;
use omadm_mo::tnds::{self, Document, Node, Place};
use omadm_syncml::{
    Command as Sent, Data, Encoding, Exec, Group, Item, Location, Meta, NodeCommand,
};
use omadm_testkit::encoding;
use omadm_tree::{
    NewNode, Reading, Target, Uri, Value,
    reference::{Command, Outcome, Planted, Step},
};

/// The command as a server sends it.
pub(crate) fn sent(step: &Step) -> Sent<'static> {
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
pub(crate) fn packed(step: &Step, outcomes: &[Outcome]) -> Vec<(String, u16)> {
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
pub(crate) enum Shown {
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

pub(crate) fn shown(items: Vec<Item<'static>>) -> Vec<(String, Shown)> {
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
pub(crate) fn expected(command: &Command, reading: Reading) -> Vec<(String, Shown)> {
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
pub(crate) fn gets<'s>(step: &'s Step, found: &mut Vec<&'s [Command]>) {
    match step {
        Step::Command(items) => found.push(items),
        Step::AddTree(..) | Step::ReplaceTree(..) => found.push(&[]),
        Step::Atomic(steps) | Step::Sequence(steps) => {
            found.push(&[]);
            steps.iter().for_each(|step| gets(step, found));
        }
    }
}
