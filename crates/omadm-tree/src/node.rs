use std::{fmt, iter};

use omadm_core::{Format, Now};

use crate::{
    Acl, Property, Tree, Uri, Value,
    store::{Body, Node, NodeId, ROOT},
    uri::Encoded,
};

/// A node of a [`Tree`], to read.
#[derive(Clone, Copy)]
pub struct NodeRef<'t> {
    tree: &'t Tree,
    id: NodeId,
    node: &'t Node,
}

impl<'t> NodeRef<'t> {
    pub(crate) fn new(tree: &'t Tree, id: NodeId) -> Option<Self> {
        Some(Self {
            tree,
            id,
            node: tree.store.get(id)?,
        })
    }

    /// The address.
    #[must_use]
    pub fn uri(&self) -> Uri {
        self.tree.store.uri(self.id)
    }

    /// The decoded name; empty for the root.
    #[must_use]
    pub fn name(&self) -> &'t str {
        &self.node.name
    }

    /// Whether it is an interior node.
    #[must_use]
    pub const fn is_interior(&self) -> bool {
        self.node.is_interior()
    }

    /// The parent; the root has none.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.id == ROOT {
            return None;
        }
        Self::new(self.tree, self.node.parent())
    }

    /// The children, in order of their names (octet by octet).
    pub fn children(&self) -> impl DoubleEndedIterator<Item = Self> + use<'t> {
        let tree = self.tree;
        self.node
            .children()
            .iter()
            .filter_map(move |id| Self::new(tree, *id))
    }

    /// The [children](Self::children) of a node, in order of their names, or nothing if there is no
    /// node.
    pub fn children_of(node: Option<Self>) -> impl Iterator<Item = Self> + use<'t> {
        // A third of the code that `flatten` takes.
        let mut children = node.map(|node| node.children());
        iter::from_fn(move || children.as_mut()?.next())
    }

    /// The child of a (decoded) name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<Self> {
        let id = self.tree.store.child(self.id, name)?;
        Self::new(self.tree, id)
    }

    /// The node at (decoded) names below this one that are joined by `/`; this one for none.
    #[must_use]
    pub fn below(&self, names: &str) -> Option<Self> {
        let id = self.tree.store.find_below(self.id, names)?;
        Self::new(self.tree, id)
    }

    /// The format; `node` for interior nodes.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.node.props.format
    }

    /// The value of a leaf.
    #[must_use]
    pub fn value(&self) -> Option<Value> {
        match &self.node.body {
            Body::Interior(_) => None,
            Body::Leaf(octets) => Some(Value {
                format: self.format(),
                media_type: self.node.props.node_type().cloned(),
                octets: octets.clone(),
            }),
        }
    }

    /// The octets of a leaf.
    #[must_use]
    pub fn octets(&self) -> Option<&'t [u8]> {
        match &self.node.body {
            Body::Interior(_) => None,
            Body::Leaf(octets) => Some(octets.as_slice()),
        }
    }

    /// The octets of a leaf as text, if they are.
    #[must_use]
    pub fn text(&self) -> Option<&'t str> {
        str::from_utf8(self.octets()?).ok()
    }

    /// Whether a leaf was created as a required child and never set since.
    #[must_use]
    pub const fn is_unset(&self) -> bool {
        self.node.props.unset
    }

    /// The media type of a leaf, the management object identifier (or nothing) of an interior node.
    #[must_use]
    pub fn node_type(&self) -> &'t str {
        match self.node.props.node_type() {
            Some(node_type) => node_type,
            None if self.is_interior() => "",
            None => Value::default_media_type(self.format()),
        }
    }

    /// The node's own access control list; empty if it inherits. The root always has one.
    #[must_use]
    pub fn acl(&self) -> &'t Acl {
        if self.id == ROOT {
            self.effective_acl()
        } else {
            self.node.props.acl()
        }
    }

    /// The access control list that decides about the node.
    #[must_use]
    pub fn effective_acl(&self) -> &'t Acl {
        self.tree.effective_acl(self.id)
    }

    /// The title; empty if it has none.
    #[must_use]
    pub fn title(&self) -> &'t str {
        self.node.props.title()
    }

    /// When the value was last written, as ISO 8601 basic UTC; for an interior node, when it was
    /// created.
    #[must_use]
    pub fn timestamp(&self) -> String {
        let wall = std::time::Duration::from_secs(self.node.props.stamp);
        Now {
            wall,
            ..Now::default()
        }
        .timestamp()
    }

    /// How often the value was written since the node was created, modulo 65,536.
    #[must_use]
    pub const fn ver_no(&self) -> u16 {
        self.node.props.ver_no
    }

    /// A property as text; an interior node has no Size.
    #[must_use]
    pub fn property(&self, property: Property) -> Option<String> {
        Some(match property {
            Property::Acl => self.acl().to_string(),
            Property::Format => self.format().to_string(),
            Property::Name if self.id == ROOT => ".".to_owned(),
            Property::Name => Encoded(self.name()).to_string(),
            Property::Size => self.octets()?.len().to_string(),
            Property::Title => self.title().to_owned(),
            Property::TStamp => self.timestamp(),
            Property::Type => self.node_type().to_owned(),
            Property::VerNo => self.ver_no().to_string(),
        })
    }

    pub(crate) const fn id(&self) -> NodeId {
        self.id
    }

    pub(crate) const fn stored(&self) -> &'t Node {
        self.node
    }
}

impl fmt::Debug for NodeRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value() {
            None => write!(f, "{}/", self.uri()),
            Some(value) => write!(f, "{} = {value:?}", self.uri()),
        }
    }
}
