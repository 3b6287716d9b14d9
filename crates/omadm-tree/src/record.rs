//! The durable form of a node: one record in [`Space::TREE`], keyed by its slot.

use std::fmt;

use omadm_core::{Batch, Format, Journal, JournalError, Records, Space};

use crate::{
    Value,
    store::{Body, Node, NodeId, Props, ROOT, Store},
    uri,
};

/// Why a tree cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The journal failed.
    #[error("the journal cannot be read")]
    Journal(#[from] JournalError),
    /// A record is damaged, or of a version this crate does not know.
    #[error("the record of node {node}: {fault}")]
    Record {
        /// The number of the node.
        node: u32,
        /// What is wrong.
        fault: RecordFault,
    },
}

/// What is wrong with a durable record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RecordFault {
    /// The key is not that of a node.
    Key,
    /// The version is unknown.
    Version(u8),
    /// The record is cut, or has bytes left over.
    Length,
    /// A field holds what it never holds.
    Field,
    /// The parent is missing, a leaf, or below the node itself.
    Parent,
    /// A sibling has the same name.
    Twin,
}

impl fmt::Display for RecordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str("the key is not that of a node"),
            Self::Version(version) => write!(f, "unknown version {version}"),
            Self::Length => f.write_str("wrong length"),
            Self::Field => f.write_str("a field is damaged"),
            Self::Parent => f.write_str("it has no parent"),
            Self::Twin => f.write_str("a sibling has its name"),
        }
    }
}

/// What a tree keeps in a journal, for [`upgrade`](omadm_core::upgrade()): its nodes.
pub const RECORDS: Records = Records::new(Space::TREE, VERSION);

const VERSION: u8 = 1;

/// The bytes of a record before its fields.
const HEAD: usize = 17;

/// The bytes of the length of a field.
const LENGTH: usize = 4;

/// Slots a tree may have: what a damaged key can cost in memory.
pub(crate) const MAX_SLOTS: u32 = 1 << 24;

/// Writes the record of a node, or its removal if it is no more.
pub(crate) fn write(store: &Store, id: NodeId, batch: &mut Batch) {
    match store.get(id) {
        Some(node) => batch.put(Space::TREE, id.to_be_bytes(), encode(node)),
        None => batch.remove(Space::TREE, id.to_be_bytes()),
    }
}

/// Fills a new store with what a journal holds.
pub(crate) fn load(journal: &dyn Journal, store: &mut Store) -> Result<(), LoadError> {
    let mut nodes = Vec::new();
    let mut fault = None;
    journal.scan(Space::TREE, &mut |key, record| {
        if fault.is_none() {
            match decode(key, record) {
                Ok(node) => nodes.push(node),
                Err(error) => fault = Some(error),
            }
        }
    })?;
    if let Some(error) = fault {
        return Err(error);
    }
    store
        .rebuild(nodes)
        .map_err(|(node, fault)| LoadError::Record { node, fault })
}

/// Version, parent, format, unset, VerNo, TStamp; then name, ACL, title, type and value, each after
/// its length.
fn encode(node: &Node) -> Vec<u8> {
    let acl = node.props.acl().to_string();
    let value = match &node.body {
        Body::Interior(_) => &[],
        Body::Leaf(octets) => octets.as_slice(),
    };
    let fields = [
        node.name.as_bytes(),
        acl.as_bytes(),
        node.props.title().as_bytes(),
        node.props
            .node_type()
            .map_or(&[], |node_type| node_type.as_bytes()),
        value,
    ];
    let lengths = fields.iter().map(|field| LENGTH + field.len());
    let mut record = Vec::with_capacity(HEAD + lengths.sum::<usize>());
    record.push(VERSION);
    record.extend(node.parent().to_be_bytes());
    record.push(format_code(node.props.format));
    record.push(node.props.unset.into());
    record.extend(node.props.ver_no.to_be_bytes());
    record.extend(node.props.stamp.to_be_bytes());
    for field in fields {
        // The limits keep every field far below 4 GiB.
        record.extend(u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
        record.extend(field);
    }
    record
}

fn decode(key: &[u8], record: &[u8]) -> Result<(NodeId, Node), LoadError> {
    let id = <[u8; 4]>::try_from(key).map(NodeId::from_be_bytes);
    let id = id.ok().filter(|id| *id < MAX_SLOTS);
    let error = |fault| LoadError::Record {
        node: id.unwrap_or(NodeId::MAX),
        fault,
    };
    let id = id.ok_or(error(RecordFault::Key))?;
    decode_node(id, record)
        .map(|node| (id, node))
        .map_err(error)
}

fn decode_node(id: NodeId, record: &[u8]) -> Result<Node, RecordFault> {
    let mut rest = record;
    let [version] = take(&mut rest)?;
    if version != VERSION {
        return Err(RecordFault::Version(version));
    }
    let parent = NodeId::from_be_bytes(take(&mut rest)?);
    let [format, unset] = take(&mut rest)?;
    let format = format_of(format).ok_or(RecordFault::Field)?;
    let ver_no = u16::from_be_bytes(take(&mut rest)?);
    let stamp = u64::from_be_bytes(take(&mut rest)?);
    let name = take_text(&mut rest)?;
    let acl = take_text(&mut rest)?;
    let title = take_text(&mut rest)?;
    let node_type = take_text(&mut rest)?;
    let value = take_field(&mut rest)?;
    if !rest.is_empty() {
        return Err(RecordFault::Length);
    }

    let is_root = id == ROOT && parent == ROOT && name.is_empty() && format == Format::Node;
    if !is_root && (id == ROOT || uri::check_name(name).is_err()) {
        return Err(RecordFault::Field);
    }
    let mut props = Props::new(parent, format, stamp);
    props.ver_no = ver_no;
    props.unset = match unset {
        0 => false,
        1 => true,
        _ => return Err(RecordFault::Field),
    };
    props.set_acl(acl.parse().map_err(|_| RecordFault::Field)?);
    props.set_title(title);
    props.set_node_type((!node_type.is_empty()).then(|| node_type.into()));
    let body = match format {
        Format::Node if value.is_empty() => Body::Interior(Box::default()),
        _ => match Value::new(format, None, value) {
            Ok(value) => Body::Leaf(value.octets),
            Err(_) => return Err(RecordFault::Field),
        },
    };
    Ok(Node {
        name: name.into(),
        props,
        body,
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], RecordFault> {
    let (head, tail) = rest.split_first_chunk().ok_or(RecordFault::Length)?;
    *rest = tail;
    Ok(*head)
}

fn take_field<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], RecordFault> {
    let length = u32::from_be_bytes(take(rest)?);
    let length = usize::try_from(length).map_err(|_| RecordFault::Length)?;
    let (head, tail) = rest.split_at_checked(length).ok_or(RecordFault::Length)?;
    *rest = tail;
    Ok(head)
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Result<&'a str, RecordFault> {
    str::from_utf8(take_field(rest)?).map_err(|_| RecordFault::Field)
}

const fn format_code(format: Format) -> u8 {
    match format {
        Format::Node => 0,
        Format::Bin => 1,
        Format::Bool => 2,
        Format::Chr => 3,
        Format::Int => 4,
        Format::Null => 5,
        Format::Xml => 6,
        Format::Date => 7,
        Format::Time => 8,
        Format::Float => 9,
        Format::B64 => 10,
    }
}

fn format_of(code: u8) -> Option<Format> {
    Format::ALL
        .into_iter()
        .find(|format| format_code(*format) == code)
}
