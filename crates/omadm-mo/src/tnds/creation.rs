use omadm_core::{StatusCode, in_order};
use omadm_tree::{Acl, NewNode, Uri, Value, ValueError};

use super::{Body, Document, Node};

/// One node that a [`Document`] asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Creation {
    /// The address.
    pub uri: Uri,
    /// The node.
    pub node: NewNode,
    /// Its ACL, if the document has one; an empty one inherits.
    pub acl: Option<Acl>,
    /// Its title, if the document has one.
    pub title: Option<String>,
}

/// Why a [`Document`] asks for no tree.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{uri}: {kind}")]
pub struct CreationError {
    /// The node; of several below leaves, the first by address.
    pub uri: Uri,
    /// What is wrong with it.
    pub kind: CreationErrorKind,
}

/// The kind of a [`CreationError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreationErrorKind {
    /// The document has it twice.
    #[error("the node occurs twice")]
    Duplicate,
    /// The document has its parent as a leaf.
    #[error("the parent is a leaf")]
    Parent,
    /// The document does not show its value, and nothing is no value of its format.
    #[error("{0}")]
    Value(ValueError),
}

impl CreationError {
    /// The status a command with such a document gets.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self.kind {
            CreationErrorKind::Duplicate => StatusCode::ALREADY_EXISTS,
            CreationErrorKind::Parent => StatusCode::COMMAND_NOT_ALLOWED,
            CreationErrorKind::Value(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT,
        }
    }
}

impl Document {
    /// The nodes to create for an Add or Replace with this target, each after its parent.
    ///
    /// Ancestors the document leaves out are not among them. Only what a creation can set is taken
    /// over: `Name`, `Size`, `TStamp` and `VerNo` are the business of the tree.
    ///
    /// # Errors
    /// A [`CreationError`].
    pub fn creations(&self, target: &Uri) -> Result<Vec<Creation>, CreationError> {
        let error = |uri: &Uri, kind| {
            let uri = uri.clone();
            Err(CreationError { uri, kind })
        };
        let resolved = self.nodes.iter().map(|node| node.place.resolve(target));
        let uris: Vec<Uri> = resolved.collect();
        // Sorted once, as there may be many.
        let order = in_order(&uris);
        let uri_at = |at: &u32| uris.get(*at as usize);
        let twins = order.windows(2).filter_map(|pair| match pair {
            [a, b] if uri_at(a) == uri_at(b) => Some(*b),
            _ => None,
        });
        let twin = twins.min();
        // By depth.
        let mut levels = Vec::new();
        for ((at, node), uri) in (0..).zip(&self.nodes).zip(&uris) {
            if twin == Some(at) {
                return error(uri, CreationErrorKind::Duplicate);
            }
            let new = match new_node(node) {
                Ok(new) => new,
                Err(kind) => return error(uri, CreationErrorKind::Value(kind)),
            };
            let depth = uri.depth();
            while levels.len() <= depth {
                levels.push(Vec::new());
            }
            if let Some(level) = levels.get_mut(depth) {
                level.push(Creation {
                    uri: uri.clone(),
                    node: new,
                    acl: node.properties.acl.clone(),
                    title: node.properties.title.clone(),
                });
            }
        }
        let node = |uri: &Uri| {
            let at = order.binary_search_by(|at| uri_at(at).cmp(&Some(uri)));
            self.nodes.get(*order.get(at.ok()?)? as usize)
        };
        let below_leaf = |uri: &&Uri| {
            let parent = uri.parent().and_then(|parent| node(&parent));
            parent.is_some_and(|parent| matches!(parent.body, Body::Leaf(_)))
        };
        if let Some(uri) = order.iter().filter_map(uri_at).find(below_leaf) {
            return error(uri, CreationErrorKind::Parent);
        }
        let mut creations = Vec::new();
        for mut level in levels {
            creations.append(&mut level);
        }
        Ok(creations)
    }
}

fn new_node(node: &Node) -> Result<NewNode, ValueError> {
    let node_type = node.properties.node_type.as_deref();
    Ok(match &node.body {
        Body::Interior => NewNode::Interior {
            node_type: node_type
                .filter(|node_type| !node_type.is_empty())
                .map(ToOwned::to_owned),
        },
        Body::Leaf(Some(value)) => NewNode::Leaf(value.clone()),
        Body::Leaf(None) => {
            let format = node.properties.format.unwrap_or_default();
            NewNode::Leaf(Value::new(format, node_type, "")?)
        }
    })
}
