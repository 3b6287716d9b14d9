use std::sync::Arc;

use omadm_core::Format;

use crate::{
    AccessSet, AccessType, ChangeKind, Initial, Principal, Rule, Schema, Transaction, TreeError,
    TreeErrorKind, Uri, Value,
    octets::Octets,
    record::MAX_SLOTS,
    store::{Body, Node, NodeId, Props, Step},
};

use super::authorize::rule;

/// What an Add creates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NewNode {
    /// An interior node.
    Interior {
        /// The identifier of a management object, for its root node. Absent: what the schema says.
        node_type: Option<String>,
    },
    /// A leaf.
    Leaf(Value),
}

impl NewNode {
    /// An interior node with the identifier the schema says, if any.
    pub const INTERIOR: Self = Self::Interior { node_type: None };
}

impl Transaction<'_> {
    /// Creates the missing ancestors of a node, topmost first, and returns its parent.
    pub(super) fn create_ancestors(
        &mut self,
        schema: &dyn Schema,
        principal: &Principal,
        uri: &Uri,
    ) -> Result<NodeId, TreeError> {
        let mut missing = Vec::new();
        let mut next = uri.parent().unwrap_or_else(Uri::root);
        let mut id = loop {
            match (self.tree.store.find(&next), next.parent()) {
                (Some(id), _) => break id,
                (None, Some(above)) => missing.push(std::mem::replace(&mut next, above)),
                (None, None) => return Err(TreeError::new(TreeErrorKind::NotFound, next)),
            }
        };
        for ancestor in missing.into_iter().rev() {
            // Required children of an ancestor may be ancestors too.
            id = match self.tree.store.find(&ancestor) {
                Some(id) => id,
                None => self
                    .create(schema, principal, id, &ancestor, NewNode::INTERIOR)
                    .map_err(TreeError::on_ancestor)?,
            };
        }
        Ok(id)
    }

    /// Creates a node below an interior node that has no such child, and its required children.
    pub(super) fn create(
        &mut self,
        schema: &dyn Schema,
        principal: &Principal,
        parent: NodeId,
        uri: &Uri,
        new: NewNode,
    ) -> Result<NodeId, TreeError> {
        let interior = matches!(new, NewNode::Interior { .. });
        let id = self.create_one(schema, parent, uri, new, false)?;
        if interior {
            self.grant_creator(principal, parent, id);
            self.complete(schema, id, uri)?;
        }
        Ok(id)
    }

    /// Creates the required children an interior node lacks, and theirs.
    pub(super) fn complete(
        &mut self,
        schema: &dyn Schema,
        id: NodeId,
        uri: &Uri,
    ) -> Result<(), TreeError> {
        let mut pending = vec![(id, uri.clone())];
        while let Some((id, uri)) = pending.pop() {
            for required in schema.required(&uri) {
                let child = uri
                    .child(&required.name)
                    .map_err(|error| TreeError::new(TreeErrorKind::Uri(error), uri.clone()))?;
                let (new, interior) = match required.initial {
                    Initial::Interior => (NewNode::INTERIOR, true),
                    Initial::Leaf(value) => (NewNode::Leaf(value), false),
                };
                let child_id = match self.tree.store.child(id, &required.name) {
                    Some(child_id) => child_id,
                    None => self.create_one(schema, id, &child, new, true)?,
                };
                if interior {
                    pending.push((child_id, child));
                }
            }
        }
        Ok(())
    }

    /// Writes the value of a leaf.
    pub(super) fn write(
        &mut self,
        schema: &dyn Schema,
        uri: &Uri,
        id: NodeId,
        value: Value,
    ) -> Result<(), TreeError> {
        let Some(node) = self.tree.at(id) else {
            return Err(TreeError::new(TreeErrorKind::NotFound, uri.clone()));
        };
        let Some(before) = node.value() else {
            return Err(super::authorize::not_allowed(crate::Refusal::Kind, uri));
        };
        let mut props = node.stored().props.clone();
        let value = self.fit_value(rule(schema, uri), uri, value, before.octets().len())?;
        props.format = value.format;
        props.stamp = self.now.wall.as_secs();
        props.ver_no = props.ver_no.wrapping_add(1);
        props.unset = false;
        props.set_node_type(value.media_type);
        self.apply(Step::Change(id, props, Some(value.octets)));
        self.note(uri.clone(), ChangeKind::Replaced { before });
        Ok(())
    }

    fn create_one(
        &mut self,
        schema: &dyn Schema,
        parent: NodeId,
        uri: &Uri,
        new: NewNode,
        unset: bool,
    ) -> Result<NodeId, TreeError> {
        let limits = self.tree.limits;
        let error = |kind| TreeError::new(kind, uri.clone());
        limits
            .uri
            .check(uri)
            .map_err(|limit| error(TreeErrorKind::Uri(limit)))?;
        let rule = rule(schema, uri);
        let stamp = self.now.wall.as_secs();
        let name = Octets::from(uri.name().unwrap_or_default());
        let node = match new {
            NewNode::Interior { node_type } => {
                let node_type = fit_interior(rule, node_type).map_err(error)?;
                let mut node = Node::interior(parent, name, stamp);
                node.props.set_node_type(node_type);
                node
            }
            NewNode::Leaf(value) => {
                let value = self.fit_value(rule, uri, value, 0)?;
                let mut props = Props::new(value.format, stamp);
                props.unset = unset;
                props.set_node_type(value.media_type);
                Node {
                    parent,
                    name,
                    props,
                    body: Body::Leaf(value.octets),
                }
            }
        };
        let siblings = self
            .tree
            .store
            .get(parent)
            .map_or(0, |node| node.children().len());
        let nodes = limits.nodes.min(MAX_SLOTS) as usize;
        for (count, limit, what) in [
            (self.tree.store.live(), nodes, "nodes"),
            (siblings, limits.children as usize, "children"),
        ] {
            if count >= limit {
                return Err(error(TreeErrorKind::Full { what, limit }));
            }
        }
        let (id, undo) = self.tree.store.add(node);
        self.record(undo);
        self.note(uri.clone(), ChangeKind::Added);
        Ok(id)
    }

    /// Checks a value against the description and the limits, and gives it the type the description
    /// says if it names none. `freed` octets make room for it.
    fn fit_value(
        &self,
        rule: Option<Rule<'_>>,
        uri: &Uri,
        mut value: Value,
        freed: usize,
    ) -> Result<Value, TreeError> {
        let error = |kind| Err(TreeError::new(kind, uri.clone()));
        if let Some(rule) = rule {
            if !rule.formats.contains(value.format) {
                return error(TreeErrorKind::Format(value.format));
            }
            match rule.media_types {
                [] => {}
                [first, ..] if value.media_type.is_none() => value = value.with_media_type(first),
                types if types.iter().any(|allowed| *allowed == value.media_type()) => {}
                _ => return error(TreeErrorKind::Type(value.media_type().to_owned())),
            }
        }
        let limits = &self.tree.limits;
        let size = value.octets.len();
        if size > limits.value_bytes {
            return error(TreeErrorKind::TooLarge {
                what: "value",
                size,
                limit: limits.value_bytes,
            });
        }
        if self.tree.store.bytes() - freed + size > limits.total_bytes {
            return error(TreeErrorKind::Full {
                what: "bytes",
                limit: limits.total_bytes,
            });
        }
        Ok(value)
    }

    /// Gives a server that adds an interior node, without the Replace right on the parent, the rights
    /// on the node. [DM-TND §7.7.1.3]
    ///
    /// A list of its own ends inheritance, so it starts from what the node would have inherited:
    /// nobody loses a right, and the creator can read and start what it made.
    fn grant_creator(&mut self, principal: &Principal, parent: NodeId, id: NodeId) {
        const CREATOR: AccessSet = AccessSet::of(&[
            AccessType::Add,
            AccessType::Delete,
            AccessType::Get,
            AccessType::Replace,
        ]);
        let Principal::Server(server) = principal else {
            return;
        };
        let inherited = self.tree.effective_acl(parent);
        if inherited.allows(server, AccessType::Replace) {
            return;
        }
        let acl = inherited.clone().with(server.clone(), CREATOR);
        if let Some(node) = self.tree.store.get(id) {
            let mut props = node.props.clone();
            props.set_acl(acl);
            self.apply(Step::Change(id, props, None));
        }
    }
}

/// Checks an interior node against the description, and returns its type.
fn fit_interior(
    rule: Option<Rule<'_>>,
    node_type: Option<String>,
) -> Result<Option<Arc<str>>, TreeErrorKind> {
    let described = match rule {
        Some(rule) if !rule.formats.contains(Format::Node) => {
            return Err(TreeErrorKind::Format(Format::Node));
        }
        Some(rule) => rule.node_type,
        None => None,
    };
    let node_type = node_type.filter(|node_type| !node_type.is_empty());
    match (described, node_type) {
        (Some(described), Some(given)) if described != given => Err(TreeErrorKind::Type(given)),
        (Some(described), _) => Ok(Some(described.into())),
        (None, given) => Ok(given.map(Into::into)),
    }
}
