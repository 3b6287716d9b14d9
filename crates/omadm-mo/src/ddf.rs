//! Device descriptions as documents. [DM-DDF]
//!
//! [`write()`] describes a management object of this program. A [`Document`] is a description of any
//! vendor: it keeps all that the document type has for describing nodes, so that what was read is
//! written back the same, and [`Document::definitions`] makes [`Definition`]s of it, to be mounted
//! beside those of the program and to [check a tree](crate::Layout::violations).
//!
//! ```
//! use omadm_markup::Encoding;
//! use omadm_mo::{DEV_INFO, ddf::Document, tnds::Limits};
//!
//! let text = omadm_mo::ddf::write(&DEV_INFO)?;
//! let document = Document::decode(text.as_bytes(), Encoding::Xml, &Limits::default())?;
//! assert_eq!(document, Document::of(&DEV_INFO));
//! let loaded = document.definitions()?;
//! assert_eq!(loaded[0].definition.moid, DEV_INFO.moid);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod definitions;
mod read;
mod write;

use omadm_core::Format;
use omadm_markup::{Encoding, ReadError, ReadErrorKind, WriteError};
use omadm_tree::{AccessSet, Occurrence, Scope};

use crate::Definition;

pub use definitions::Loaded;

/// The media type of a document in XML.
pub const MIME_XML: &str = "application/vnd.syncml.dmddf+xml";

/// The media type of a document in WBXML.
pub const MIME_WBXML: &str = "application/vnd.syncml.dmddf+wbxml";

/// A device description, `MgmtTree`.
///
/// What the document type has for values of a device, `RTProperties` and `Value`, is not kept, nor
/// are elements it does not have.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Document {
    /// `Man`: the manufacturer.
    pub man: Option<String>,
    /// `Mod`: the model.
    pub model: Option<String>,
    /// The outermost nodes, in order.
    pub nodes: Vec<Description>,
}

/// The description of a node.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Description {
    /// `NodeName`; empty for a name given at run time, for which `*` and `<X>` are read too.
    pub name: String,
    /// `Path`: the address of the parent, as it stands.
    pub path: Option<String>,
    /// `DFProperties`.
    pub properties: Option<Properties>,
    /// The nodes inside, in order.
    pub nodes: Vec<Self>,
}

/// `DFProperties`: what is said of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Properties {
    /// `AccessType`.
    pub access: AccessSet,
    /// `DefaultValue`.
    pub default_value: Option<String>,
    /// `Description`.
    pub description: Option<String>,
    /// `DFFormat`.
    pub format: Format,
    /// `Occurrence`; absent is [`Occurrence::One`].
    pub occurrence: Option<Occurrence>,
    /// `Scope`; absent is [`Scope::Dynamic`].
    pub scope: Option<Scope>,
    /// `DFTitle`.
    pub title: Option<String>,
    /// `DFType`.
    pub node_type: NodeType,
    /// `CaseSense`.
    pub case_sense: Option<CaseSense>,
}

/// `DFType`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NodeType {
    /// `MIME`: the media types of a leaf.
    Mime(Vec<String>),
    /// `DDFName`: the identifier of a management object, or nothing.
    DdfName(String),
}

/// `CaseSense`: whether names differ by case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CaseSense {
    /// `CS`.
    Sensitive,
    /// `CIS`.
    Insensitive,
}

/// Why a document is no device description, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct DdfError {
    /// What is wrong.
    pub kind: DdfErrorKind,
    /// The byte offset of the element at fault; for [`DdfErrorKind::Markup`] see
    /// [`ReadError::offset`].
    pub offset: usize,
}

/// The kind of a [`DdfError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DdfErrorKind {
    /// The markup is malformed or beyond its limits.
    #[error("{0}")]
    Markup(ReadErrorKind),
    /// The root element is not `MgmtTree`.
    #[error("the root is not MgmtTree")]
    Root,
    /// More nodes than [`Limits::max_nodes`](crate::tnds::Limits::max_nodes).
    #[error("too many nodes")]
    TooManyNodes,
    /// Nodes nest deeper than [`Limits::max_depth`](crate::tnds::Limits::max_depth).
    #[error("nodes nested too deep")]
    TooDeep,
    /// `DFProperties` lack an element.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// An element holds none of the elements it can, or a number out of range.
    #[error("{0} is not valid")]
    Invalid(&'static str),
}

impl DdfErrorKind {
    const fn at(self, offset: usize) -> DdfError {
        DdfError { kind: self, offset }
    }
}

impl From<ReadError> for DdfError {
    fn from(error: ReadError) -> Self {
        DdfErrorKind::Markup(error.kind).at(error.offset)
    }
}

impl Properties {
    /// What a description cannot do without.
    #[must_use]
    pub const fn new(access: AccessSet, format: Format, node_type: NodeType) -> Self {
        Self {
            access,
            default_value: None,
            description: None,
            format,
            occurrence: None,
            scope: None,
            title: None,
            node_type,
            case_sense: None,
        }
    }
}

impl CaseSense {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sensitive, Self::Insensitive];

    /// The name of the element.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sensitive => "CS",
            Self::Insensitive => "CIS",
        }
    }
}

/// Writes the DDF document of a definition, in XML: valid by the DTD 1.2, without a namespace,
/// indented.
///
/// Optional nodes are described like required ones, for the document says what a device may have. A
/// node named at run time has an empty `NodeName`. A `DefaultValue` is the value a node appears
/// with. There is no `Path`, as a description does not say where the object is mounted.
///
/// ```
/// let text = omadm_mo::ddf::write(&omadm_mo::DEV_INFO)?;
/// assert!(text.contains("<NodeName>DevInfo</NodeName>"));
/// # Ok::<(), omadm_markup::WriteError>(())
/// ```
///
/// # Errors
/// [`WriteError::InvalidCharacter`] if a text of the table has a character XML cannot carry.
pub fn write(definition: &Definition) -> Result<String, WriteError> {
    let mut out = Vec::new();
    Document::of(definition).encode(Encoding::Xml, &mut out)?;
    String::from_utf8(out).map_err(|_| WriteError::InvalidCharacter)
}
