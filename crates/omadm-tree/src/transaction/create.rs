use std::sync::Arc;

use omadm_core::Format;

use crate::{
    AccessSet, AccessType, ChangeKind, Initial, Principal, Refusal, Rule, Schema, Transaction,
    TreeError, TreeErrorKind, Uri, Value,
    store::{Body, Node, NodeId, Props, Step},
};

use super::authorize::{not_allowed, rule};

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
        if self.node(uri).is_none() {
            self.check_uri(uri)?;
        }
        let (mut id, missing) = self.anchor(uri, usize::MAX);
        for ancestor in missing {
            // Required children of an ancestor may be ancestors too.
            id = match self.tree.store.find_path(ancestor.path()) {
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
                    .map_err(|error| TreeError::new(TreeErrorKind::Uri(error), &uri))?;
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
            return Err(TreeError::new(TreeErrorKind::NotFound, uri));
        };
        let Some(before) = node.value() else {
            return Err(not_allowed(Refusal::Kind, uri));
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
        let error = |kind| TreeError::new(kind, uri);
        self.check_uri(uri)?;
        let rule = rule(schema, uri);
        let stamp = self.now.wall.as_secs();
        let name = uri.name().unwrap_or_default().into();
        let node = match new {
            NewNode::Interior { node_type } => {
                let node_type = self.fit_interior(rule, uri, node_type)?;
                let mut node = Node::interior(parent, name, stamp);
                node.props.set_node_type(node_type);
                node
            }
            NewNode::Leaf(value) => {
                let value = self.fit_value(rule, uri, value, 0)?;
                let mut props = Props::new(parent, value.format, stamp);
                props.unset = unset;
                props.set_node_type(value.media_type);
                Node {
                    name,
                    props,
                    body: Body::Leaf(value.octets),
                }
            }
        };
        let siblings = match self.tree.store.get(parent).map(|node| &node.body) {
            Some(Body::Interior(children)) => children.len(),
            _ => return Err(not_allowed(Refusal::Kind, uri)),
        };
        let live = if self.tree.store.has_room() {
            self.tree.store.live()
        } else {
            usize::MAX
        };
        for (count, limit, what) in [
            (live, limits.nodes as usize, "nodes"),
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

    pub(super) fn check_uri(&self, uri: &Uri) -> Result<(), TreeError> {
        self.tree
            .limits
            .uri
            .check(uri)
            .map_err(|limit| TreeError::new(TreeErrorKind::Uri(limit), uri))
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
        let error = |kind| Err(TreeError::new(kind, uri));
        if let Some(rule) = rule {
            if !rule.formats.contains(value.format) {
                return error(TreeErrorKind::Format(value.format));
            }
            let types = rule.media_types;
            if !types.is_empty() && !types.iter().any(|allowed| *allowed == value.media_type()) {
                value = match types.first() {
                    Some(first) if value.media_type.is_none() => value.with_media_type(first),
                    _ => return error(TreeErrorKind::Type(value.media_type().to_owned())),
                };
            }
        }
        let limits = &self.tree.limits;
        let size = value.octets.len();
        TreeError::check_size("value", size, limits.value_bytes, uri)?;
        let type_size = value.media_type.as_ref().map_or(0, |text| text.len());
        TreeError::check_size("media type", type_size, limits.type_bytes, uri)?;
        if self.tree.store.bytes() - freed + size > limits.total_bytes {
            return error(TreeErrorKind::Full {
                what: "bytes",
                limit: limits.total_bytes,
            });
        }
        Ok(value)
    }

    /// Checks an interior node against the description, and returns its type.
    pub(super) fn fit_interior(
        &self,
        rule: Option<Rule<'_>>,
        uri: &Uri,
        node_type: Option<String>,
    ) -> Result<Option<Arc<str>>, TreeError> {
        let error = |kind| Err(TreeError::new(kind, uri));
        let described = match rule {
            Some(rule) if !rule.formats.contains(Format::Node) => {
                return error(TreeErrorKind::Format(Format::Node));
            }
            Some(rule) => rule.node_type,
            None => None,
        };
        let given = node_type.unwrap_or_default();
        match described {
            Some(described) if given.is_empty() || given == described => {
                return Ok(Some(described.into()));
            }
            Some(_) => return error(TreeErrorKind::Type(given)),
            None => {}
        }
        TreeError::check_size("type", given.len(), self.tree.limits.type_bytes, uri)?;
        Ok((!given.is_empty()).then(|| given.into()))
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
        self.change_props(id, |props| props.set_acl(acl));
    }
}
