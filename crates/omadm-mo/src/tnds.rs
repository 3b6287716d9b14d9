//! Trees as documents: TNDS objects in and out. [DM-TNDS]
//!
//! A [`Document`] lists nodes with their properties and values. It is what `?list=TNDS` answers
//! ([`Document::from_tree`]), and what an Add or Replace brings ([`Document::creations`]).
//!
//! Written is what the specification wants, for [`MIME_XML`] or [`MIME_WBXML`]. Read is more: nodes
//! nested in each other or each with its `Path`, properties before or after the value and the
//! children, no `VerDTD`, no `Format`, properties that only describe. Octets are base64 in XML and
//! themselves in WBXML (unverified).
//!
//! ```
//! use omadm_mo::tnds::{Document, Limits};
//! use omadm_markup::Encoding;
//! use omadm_tree::Uri;
//!
//! let xml = b"<MgmtTree xmlns='syncml:dmddf1.2'><VerDTD>1.2</VerDTD>
//!   <Node><NodeName>Lamp</NodeName><RTProperties><Format><node/></Format></RTProperties>
//!     <Node><NodeName>On</NodeName><RTProperties><Format><bool/></Format></RTProperties>
//!       <Value>true</Value></Node></Node></MgmtTree>";
//! let document = Document::decode(xml, Encoding::Xml, &Limits::default())?;
//! let creations = document.creations(&Uri::parse("./Vendor")?)?;
//! assert_eq!(creations[1].uri, Uri::parse("./Vendor/Lamp/On")?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod creation;
mod error;
mod read;
mod write;

use omadm_core::Format;
use omadm_tree::{Acl, Property, PropertySelection, Tree, Uri, UriError, Value};

pub use creation::{Creation, CreationError, CreationErrorKind};
pub use error::{TndsError, TndsErrorKind};

/// The media type of a document in XML.
pub const MIME_XML: &str = "application/vnd.syncml.dmtnds+xml";

/// The media type of a document in WBXML.
pub const MIME_WBXML: &str = "application/vnd.syncml.dmtnds+wbxml";

/// A serialized tree, `MgmtTree`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Document {
    /// The nodes, in the order of the document.
    pub nodes: Vec<Node>,
}

/// A node of a [`Document`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Node {
    /// Where it is.
    pub place: Place,
    /// What it holds.
    pub body: Body,
    /// What is said of it.
    pub properties: Properties,
}

/// Where a [`Node`] is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    /// Counted from the root of the tree; its `Path`, or that of an ancestor, begins with `.`.
    Absolute(Uri),
    /// Counted from the target of the command that carries the document. The address of the root is
    /// the target itself: a node without a name.
    Relative(Uri),
}

/// What a [`Node`] holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// Children, if any.
    Interior,
    /// A value; none if the document does not show it. Of one without its Format, as the answer to
    /// `?list=TNDS+Value` is, octets that are no UTF-8 are `bin`, all else `chr`.
    Leaf(Option<Value>),
}

/// `RTProperties`: of each property what the document shows, if it does.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Properties {
    /// `ACL`; empty if inherited.
    pub acl: Option<Acl>,
    /// `Format`; never `b64`, which is read as `bin`.
    pub format: Option<Format>,
    /// `Name`.
    pub name: Option<String>,
    /// `Size`, in octets.
    pub size: Option<u32>,
    /// `Title`.
    pub title: Option<String>,
    /// `TStamp`, as ISO 8601 basic UTC.
    pub timestamp: Option<String>,
    /// `Type`: the media type of a leaf, the identifier (or nothing) of an interior node.
    pub node_type: Option<String>,
    /// `VerNo`.
    pub ver_no: Option<u16>,
}

/// What reading a document may cost.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Nodes. Default: 10,000.
    pub max_nodes: usize,
    /// How deep nodes nest in each other, and how many segments a `Path` has. Default: 32.
    pub max_depth: usize,
    /// The markup of a document on its own; for one inside a message, the limits of the message
    /// hold. Default: [`lenient`](omadm_markup::Limits::lenient).
    pub markup: omadm_markup::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_nodes: 10_000,
            max_depth: 32,
            markup: omadm_markup::Limits::lenient(),
        }
    }
}

impl Document {
    /// What `?list=TNDS` shows of nodes of a tree: the `nodes` and `properties` of a
    /// [`Reading::Tnds`](omadm_tree::Reading::Tnds). [DM-Protocol §8.4]
    ///
    /// Nodes that do not exist are left out; so is an ACL that is inherited, and an empty title. A
    /// node of which any property is shown has its Type too: the document type has none without.
    #[must_use]
    pub fn from_tree(tree: &Tree, nodes: &[Uri], properties: PropertySelection) -> Self {
        let node = |uri: &Uri| {
            let node = tree.node(uri)?;
            let shown = |property| {
                let text = properties
                    .contains(property)
                    .then(|| node.property(property));
                text.flatten()
            };
            let text = |property| shown(property).filter(|text| !text.is_empty());
            let mut it = Node {
                place: Place::Absolute(uri.clone()),
                body: if node.is_interior() {
                    Body::Interior
                } else {
                    Body::Leaf(node.value().filter(|_| properties.contains_value()))
                },
                properties: Properties {
                    acl: text(Property::Acl).map(|_| node.acl().clone()),
                    format: shown(Property::Format).map(|_| node.format()),
                    name: shown(Property::Name),
                    size: shown(Property::Size).and_then(|size| size.parse().ok()),
                    title: text(Property::Title),
                    timestamp: shown(Property::TStamp),
                    node_type: shown(Property::Type),
                    ver_no: shown(Property::VerNo).map(|_| node.ver_no()),
                },
            };
            if it.properties != Properties::default() {
                it.properties.node_type = node.property(Property::Type);
            }
            Some(it)
        };
        Self {
            nodes: nodes.iter().filter_map(node).collect(),
        }
    }
}

impl Node {
    /// An interior node with its Format and Type: the identifier of a management object, or nothing.
    #[must_use]
    pub fn interior(place: Place, node_type: impl Into<String>) -> Self {
        let properties = Properties {
            format: Some(Format::Node),
            node_type: Some(node_type.into()),
            ..Properties::default()
        };
        Self {
            place,
            body: Body::Interior,
            properties,
        }
    }

    /// A leaf with its value, Format and Type.
    #[must_use]
    pub fn leaf(place: Place, value: Value) -> Self {
        let properties = Properties {
            format: Some(value.format()),
            node_type: Some(value.media_type().to_owned()),
            ..Properties::default()
        };
        Self {
            place,
            body: Body::Leaf(Some(value)),
            properties,
        }
    }

    /// The node with an ACL of its own.
    #[must_use]
    pub fn with_acl(mut self, acl: Acl) -> Self {
        self.properties.acl = Some(acl);
        self
    }
}

impl Place {
    /// The target of the command.
    #[must_use]
    pub fn target() -> Self {
        Self::Relative(Uri::root())
    }

    /// The address, counted from wherever it is.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        match self {
            Self::Absolute(uri) | Self::Relative(uri) => uri,
        }
    }

    /// The place of the child of a (decoded) name.
    ///
    /// # Errors
    /// A [`UriError`] if it is no name.
    pub fn child(&self, name: &str) -> Result<Self, UriError> {
        let uri = self.uri().child(name)?;
        Ok(self.at(uri))
    }

    /// The place of the parent; none for the root and for the target.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.uri().parent().map(|uri| self.at(uri))
    }

    /// The address in a tree, for a command with this target; never outside it, for what is not
    /// below it anyway is counted from there.
    #[must_use]
    pub fn resolve(&self, target: &Uri) -> Uri {
        match self {
            Self::Absolute(uri) if uri.starts_with(target) => uri.clone(),
            Self::Absolute(uri) | Self::Relative(uri) => target.join(uri),
        }
    }

    const fn at(&self, uri: Uri) -> Self {
        match self {
            Self::Absolute(_) => Self::Absolute(uri),
            Self::Relative(_) => Self::Relative(uri),
        }
    }
}
