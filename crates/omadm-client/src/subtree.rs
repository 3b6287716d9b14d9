//! Add and Replace of a whole subtree, as a TNDS document. [DM-TNDS], [DM-Protocol §5.1, §5.2]
//!
//! Each node is checked as if it came in a command of its own, so the command fails with the status
//! that node would have got; the caller then takes everything back.

use std::collections::BTreeSet;

use omadm_core::Format;
use omadm_mo::{
    Inbox,
    tnds::{self, Creation, Document},
};
use omadm_syncml::{Data, Encoding, Item, Meta};
use omadm_tree::{
    AccessType, ChangeKind, NewNode, Principal, Property, Refusal, Target, TreeError,
    TreeErrorKind, Uri,
};

use crate::{device::Unit, failure::Failure, value};

/// Whether documents are known at all.
pub(crate) const TNDS: bool = cfg!(feature = "tnds");

/// The encoding of a document, if the Type says it is one; `meta` is the Item's with what it
/// inherits.
pub(crate) fn encoding(meta: &Meta<'_>) -> Option<Encoding> {
    match meta.media_type.as_deref() {
        Some(tnds::MIME_XML) => Some(Encoding::Xml),
        Some(tnds::MIME_WBXML) => Some(Encoding::Wbxml),
        _ => None,
    }
}

/// The document an Item holds; `meta` is the Item's with what it inherits.
pub(crate) fn document(
    item: &Item<'_>,
    meta: &Meta<'_>,
    encoding: Encoding,
) -> Result<Document, Failure> {
    if !TNDS {
        return Err(Failure::Value);
    }
    let limits = tnds::Limits::default();
    let document = match &item.data {
        None => return Err(Failure::Incomplete("Data")),
        Some(Data::Fragment(fragment)) => Document::from_fragment(fragment, &limits)?,
        Some(Data::Text(text)) if meta.format() == Ok(Format::Xml) => {
            Document::decode(text.as_bytes(), encoding, &limits)?
        }
        Some(Data::Opaque(octets)) => Document::decode(octets, encoding, &limits)?,
        Some(Data::Text(_)) => {
            let octets = value::argument(item, meta)?.unwrap_or_default();
            Document::decode(&octets, encoding, &limits)?
        }
    };
    if document.nodes.is_empty() {
        return Err(Failure::Incomplete("Node"));
    }
    Ok(document)
}

/// Creates every node of a document.
pub(crate) fn add(
    unit: &mut Unit<'_>,
    target: &Uri,
    document: &Document,
    by: &Principal,
) -> Result<(), Failure> {
    let mut creations = document.creations(target)?;
    Inbox::name_object(&mut creations, unit.tree.tree());
    let mut subtree = Subtree::new(unit, by);
    for creation in &creations {
        subtree.create(creation)?;
    }
    subtree.describe(&creations)
}

/// Makes the subtree at `target`, which exists, what a document says: what it does not have is
/// deleted, what the subtree does not have created. A leaf that has its value already, and can be
/// read, is not written; a property the document does not show stays.
pub(crate) fn replace(
    unit: &mut Unit<'_>,
    target: &Uri,
    document: &Document,
    by: &Principal,
) -> Result<(), Failure> {
    let creations = document.creations(target)?;
    let mut subtree = Subtree::new(unit, by);
    let mut postponed = Vec::new();
    for surplus in subtree.surplus(target, &creations) {
        match subtree.delete(&surplus) {
            // One of those to be created may take its place.
            Err(error) if is_last(&error) => postponed.push(surplus),
            deleted => deleted?,
        }
    }
    for creation in &creations {
        subtree.put(creation)?;
    }
    for surplus in postponed {
        subtree.delete(&surplus)?;
    }
    subtree.describe(&creations)
}

fn is_last(error: &TreeError) -> bool {
    *error.kind() == TreeErrorKind::NotAllowed(Refusal::Occurrence)
}

/// The changes of one command.
struct Subtree<'u, 'd> {
    unit: &'u mut Unit<'d>,
    by: &'u Principal,
    /// How many changes were taken note of.
    seen: usize,
    /// The nodes created so far, asked for or along with others.
    new: BTreeSet<Uri>,
}

impl<'u, 'd> Subtree<'u, 'd> {
    fn new(unit: &'u mut Unit<'d>, by: &'u Principal) -> Self {
        Self {
            seen: unit.tree.changes().len(),
            new: BTreeSet::new(),
            unit,
            by,
        }
    }

    /// Creates a node; one that came with its parent is that node.
    fn create(&mut self, creation: &Creation) -> Result<(), Failure> {
        let Creation { uri, node, .. } = creation;
        if let (NewNode::Interior { node_type }, true) = (node, self.new.contains(uri)) {
            return self.is_like(uri, node_type.as_deref());
        }
        let (tree, schema) = self.unit.parts();
        let target = Target::node(uri.clone());
        let permit = tree.authorize(schema, self.by, AccessType::Add, &target)?;
        tree.add(schema, permit, node.clone())?;
        for change in tree.changes().iter().skip(self.seen) {
            if change.kind == ChangeKind::Added {
                self.new.insert(change.uri.clone());
            }
        }
        self.seen = tree.changes().len();
        Ok(())
    }

    /// Creates a node, or makes the one that is there like it.
    fn put(&mut self, creation: &Creation) -> Result<(), Failure> {
        let Creation { uri, node, .. } = creation;
        let Some(present) = self.unit.tree.node(uri) else {
            return self.create(creation);
        };
        match node {
            NewNode::Interior { node_type } if present.is_interior() => {
                self.is_like(uri, node_type.as_deref())
            }
            NewNode::Leaf(value) if !present.is_interior() => {
                let is_there = present.value().as_ref() == Some(value) && !present.is_unset();
                // That it is there is nothing to tell those who may not read it.
                if is_there && self.can_read(uri) {
                    return Ok(());
                }
                if present.is_unset() && self.new.contains(uri) {
                    return self.create(creation);
                }
                let (tree, schema) = self.unit.parts();
                let target = Target::node(uri.clone());
                let permit = tree.authorize(schema, self.by, AccessType::Replace, &target)?;
                Ok(tree.replace(schema, permit, value.clone())?)
            }
            NewNode::Interior { .. } | NewNode::Leaf(_) => {
                self.delete(uri)?;
                self.create(creation)
            }
        }
    }

    fn can_read(&self, uri: &Uri) -> bool {
        let target = Target::node(uri.clone());
        let (tree, schema) = (&self.unit.tree, self.unit.schema());
        tree.authorize(schema, self.by, AccessType::Get, &target)
            .is_ok()
    }

    fn delete(&mut self, uri: &Uri) -> Result<(), TreeError> {
        let (tree, schema) = self.unit.parts();
        let target = Target::node(uri.clone());
        let permit = tree.authorize(schema, self.by, AccessType::Delete, &target)?;
        tree.delete(schema, permit)
    }

    /// Gives the nodes their titles and, from the bottom up, their access control lists: what a list
    /// takes away counts once everything below is done.
    fn describe(&mut self, creations: &[Creation]) -> Result<(), Failure> {
        for creation in creations.iter().rev() {
            let Creation {
                uri, acl, title, ..
            } = creation;
            let Some(node) = self.unit.tree.node(uri) else {
                continue;
            };
            let title = title.as_ref().filter(|title| node.title() != **title);
            // A new node inherits anyway, unless its creator was given rights on it.
            let acl = acl
                .as_ref()
                .filter(|acl| node.acl() != *acl && !(acl.is_empty() && self.new.contains(uri)));
            if let Some(title) = title {
                if self.new.contains(uri) {
                    self.unit.tree.set_title(uri, title)?;
                } else {
                    self.set(uri, Property::Title, title)?;
                }
            }
            if let Some(acl) = acl {
                self.set(uri, Property::Acl, &acl.to_string())?;
            }
        }
        Ok(())
    }

    fn set(&mut self, uri: &Uri, property: Property, text: &str) -> Result<(), TreeError> {
        let (tree, schema) = self.unit.parts();
        let target = Target::property(uri.clone(), property);
        let permit = tree.authorize(schema, self.by, AccessType::Replace, &target)?;
        tree.replace_property(schema, permit, text)
    }

    /// What is below the target, not among the creations and not on the way to one of them; without
    /// what is below such a node.
    fn surplus(&self, target: &Uri, creations: &[Creation]) -> Vec<Uri> {
        let mut kept = BTreeSet::new();
        for creation in creations {
            kept.insert(creation.uri.clone());
            kept.extend(creation.uri.ancestors());
        }
        let mut surplus = Vec::new();
        let mut open: Vec<_> = self.unit.tree.node(target).into_iter().collect();
        while let Some(node) = open.pop() {
            for child in node.children() {
                if kept.contains(&child.uri()) {
                    open.push(child);
                } else {
                    surplus.push(child.uri());
                }
            }
        }
        surplus
    }

    /// Whether an interior node that is there has the type that is asked for, if any.
    fn is_like(&self, uri: &Uri, node_type: Option<&str>) -> Result<(), Failure> {
        let node = self.unit.tree.node(uri);
        match node.filter(|node| node.is_interior()) {
            Some(node) if node_type.is_none_or(|asked| asked == node.node_type()) => Ok(()),
            _ => Err(Failure::Value),
        }
    }
}
