//! One Item of a command against the tree and the objects: LocURI → `Target` → `Permit` → change.

use omadm_core::{Correlator, Now};
use omadm_mo::{ExecRequest, tnds::Document};
use omadm_syncml::{Command, Encoding, Item, Location, Meta, NodeCommand};
use omadm_tree::{AccessType, Principal, Reading, Selector, Target, UriLimits};

use crate::{
    device::{Device, Executed, Unit},
    failure::Failure,
    subtree::{self, TNDS},
    value,
};

/// A command on nodes that changes the tree and can be taken back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Edit {
    Add,
    Copy,
    Delete,
    Replace,
}

impl Edit {
    /// What a command changes, and its content; none for one that changes no node.
    pub(crate) const fn of<'c, 'm>(
        command: &'c Command<'m>,
    ) -> Option<(Self, &'c NodeCommand<'m>)> {
        match command {
            Command::Add(add) => Some((Self::Add, add)),
            Command::Copy(copy) => Some((Self::Copy, copy)),
            Command::Delete(delete) => Some((Self::Delete, delete)),
            Command::Replace(replace) => Some((Self::Replace, replace)),
            _ => None,
        }
    }
}

/// Makes the change one Item asks for, within a unit that may hold more. `meta` is the Item's with
/// what it inherits.
pub(crate) fn edit(
    unit: &mut Unit<'_>,
    edit: Edit,
    item: &Item<'_>,
    meta: &Meta<'_>,
    by: &Principal,
) -> Result<(), Failure> {
    let limits = unit.tree.tree().limits().uri;
    let target = locate(item.target.as_ref(), "Target", &limits)?;
    let permit = |unit: &Unit<'_>, access| unit.tree.authorize(unit.schema(), by, access, &target);
    // What the command brings is looked at once it is known to be allowed: 404, 405 and 425 come
    // before 415.
    match (edit, target.selector) {
        (Edit::Add, _) => match subtree::encoding(meta) {
            Some(encoding) => {
                // What is there may be the parent of what the document adds.
                let is_node = target.selector == Selector::Node;
                if !is_node || unit.tree.node(&target.uri).is_none() {
                    permit(unit, AccessType::Add)?;
                }
                let document = subtree::document(item, meta, encoding)?;
                subtree::add(unit, &target.uri, &document, by)?;
            }
            None => {
                let permit = permit(unit, AccessType::Add)?;
                let new = value::new_node(item, meta)?;
                let (tree, schema) = unit.parts();
                tree.add(schema, permit, new)?;
            }
        },
        (Edit::Copy, _) => {
            let source = locate(item.source.as_ref(), "Source", &limits)?;
            let (tree, schema) = unit.parts();
            let (source, target) = tree.authorize_copy(schema, by, &source, &target)?;
            tree.copy(schema, source, target)?;
        }
        (Edit::Delete, _) => {
            let permit = permit(unit, AccessType::Delete)?;
            let (tree, schema) = unit.parts();
            tree.delete(schema, permit)?;
        }
        (Edit::Replace, Selector::Node) => {
            let permit = permit(unit, AccessType::Replace)?;
            if let Some(encoding) = subtree::encoding(meta) {
                let document = subtree::document(item, meta, encoding)?;
                subtree::replace(unit, &target.uri, &document, by)?;
            } else if unit
                .tree
                .permitted(&permit)
                .is_some_and(|node| node.is_interior())
            {
                return Err(Failure::Misplaced);
            } else {
                let value = value::value(item, meta)?;
                let (tree, schema) = unit.parts();
                tree.replace(schema, permit, value)?;
            }
        }
        (Edit::Replace, _) => {
            let permit = permit(unit, AccessType::Replace)?;
            let (tree, schema) = unit.parts();
            tree.replace_property(schema, permit, value::text(item)?)?;
        }
    }
    unit.stage(by)
}

/// Reads what one Item asks for: the Items of its Results.
pub(crate) fn get(
    device: &mut Device,
    item: &Item<'_>,
    by: &Principal,
    encoding: Encoding,
    now: Now,
) -> Result<Vec<Item<'static>>, Failure> {
    let (tree, schema) = device.read(now);
    let limits = tree.tree().limits().uri;
    let target = locate(item.target.as_ref(), "Target", &limits)?;
    let permit = tree.authorize(schema, by, AccessType::Get, &target)?;
    let uri = item.target.as_ref().map_or("", |target| &target.uri);
    match tree.get(schema, &permit)? {
        Reading::Tnds { .. } if !TNDS => Err(Failure::Unsupported),
        Reading::Tnds { nodes, properties } => {
            let document = Document::from_tree(tree.tree(), &nodes, properties);
            Ok(vec![value::document(&target.uri, &document, encoding)?])
        }
        reading => Ok(value::items(uri, reading, encoding)),
    }
}

/// Executes what one Item asks for, in a change of its own.
pub(crate) fn exec(
    device: &mut Device,
    item: &Item<'_>,
    meta: &Meta<'_>,
    correlator: Option<&Correlator>,
    by: &Principal,
    now: Now,
) -> Result<Executed, Failure> {
    let mut unit = device.begin(now);
    let mut run = || {
        let limits = unit.tree.tree().limits().uri;
        let target = locate(item.target.as_ref(), "Target", &limits)?;
        unit.tree
            .authorize(unit.schema(), by, AccessType::Exec, &target)?;
        let argument = value::argument(item, meta)?;
        let mut request = ExecRequest::new(&target.uri, by);
        request.argument = argument.as_deref();
        request.correlator = correlator;
        unit.exec(&request)
    };
    let executed = run();
    unit.close(executed)
}

/// The node, property or list at a place of an Item.
fn locate(
    location: Option<&Location<'_>>,
    part: &'static str,
    limits: &UriLimits,
) -> Result<Target, Failure> {
    let location = location.ok_or(Failure::Incomplete(part))?;
    Ok(Target::parse_with(&location.uri, limits)?)
}
