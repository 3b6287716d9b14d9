use std::sync::Arc;

use omadm_core::Format;

use crate::{
    AccessType, List, NodeRef, Permit, Principal, PropertySelection, Schema, Selector, Transaction,
    TreeError, TreeErrorKind, Uri, Value, uri::Encoded,
};

use super::{authorize::rule, not_found};

/// What a Get reads.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Reading {
    /// The value of a leaf.
    Leaf(Value),
    /// The names of an interior node's children, in order, each percent-encoded as in an address.
    Children(Vec<String>),
    /// A property.
    Property(String),
    /// `?list=Struct` or `?list=StructData`: the node and all below it that may be read, each before
    /// its children.
    List(Vec<ListEntry>),
    /// `?list=TNDS`: the nodes to serialize, in the same order, and what to show of each.
    Tnds {
        /// The nodes.
        nodes: Vec<Uri>,
        /// What to show.
        properties: PropertySelection,
    },
}

/// A node of a [`Reading::List`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ListEntry {
    /// The address.
    pub uri: Uri,
    /// The format, `node` for interior nodes.
    pub format: Format,
    /// The media type, or the identifier of a management object.
    pub node_type: Arc<str>,
    /// The value of a leaf, if the list shows values.
    pub value: Option<Value>,
}

impl Transaction<'_> {
    /// Reads what a permit for Get is for. [DM-RepPro §6.5.7]
    ///
    /// A list leaves out the nodes the principal could not Get one by one. [DM-Protocol §8.4]
    ///
    /// # Errors
    /// A [`TreeError`]: 406 for the Size of an interior node, 413 for a list above
    /// [`TreeLimits::list_nodes`](crate::TreeLimits::list_nodes).
    pub fn get(&self, schema: &dyn Schema, permit: &Permit) -> Result<Reading, TreeError> {
        self.confirm(schema, permit, AccessType::Get)?;
        let Some(node) = self.permitted(permit) else {
            return Err(not_found(permit.uri()));
        };
        match permit.target().selector {
            Selector::Node => Ok(match node.value() {
                Some(value) => Reading::Leaf(value),
                None => Reading::Children(
                    node.children()
                        .map(|child| Encoded(child.name()).to_string())
                        .collect(),
                ),
            }),
            Selector::Property(property) => match node.property(property) {
                Some(text) => Ok(Reading::Property(text)),
                None => Err(TreeError::new(
                    TreeErrorKind::PropertyNotSupported,
                    permit.uri(),
                )),
            },
            Selector::List(list) => {
                let nodes = self.readable(schema, permit, node)?;
                Ok(match list {
                    List::Struct => Reading::List(entries(nodes, false)),
                    List::StructData => Reading::List(entries(nodes, true)),
                    List::Tnds(properties) => Reading::Tnds {
                        nodes: nodes.into_iter().map(|(uri, _)| uri).collect(),
                        properties,
                    },
                })
            }
        }
    }

    /// The nodes of a subtree the principal of the permit may read.
    fn readable<'s>(
        &'s self,
        schema: &dyn Schema,
        permit: &Permit,
        top: NodeRef<'s>,
    ) -> Result<Vec<(Uri, NodeRef<'s>)>, TreeError> {
        let limit = self.tree.limits.list_nodes;
        let mut nodes = Vec::new();
        for id in self.tree.store.subtree(top.id()) {
            let Some(node) = self.tree.at(id) else {
                continue;
            };
            let uri = node.uri();
            let readable = match permit.principal() {
                Principal::Device => true,
                Principal::Server(server) => {
                    rule(schema, &uri).is_some_and(|rule| rule.access.contains(AccessType::Get))
                        && node.effective_acl().allows(server, AccessType::Get)
                }
            };
            if !readable {
                continue;
            }
            nodes.push((uri, node));
            TreeError::check_size("list", nodes.len(), limit, permit.uri())?;
        }
        Ok(nodes)
    }
}

fn entries(nodes: Vec<(Uri, NodeRef<'_>)>, values: bool) -> Vec<ListEntry> {
    nodes
        .into_iter()
        .map(|(uri, node)| ListEntry {
            uri,
            format: node.format(),
            node_type: node.node_type().into(),
            value: node.value().filter(|_| values),
        })
        .collect()
}
