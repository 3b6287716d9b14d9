use omadm_core::StatusCode;
use omadm_markup::{ReadError, ReadErrorKind};
use omadm_tree::{AclErrorKind, UriErrorKind, ValueError};

/// Why a document is no serialized tree, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct TndsError {
    /// What is wrong.
    pub kind: TndsErrorKind,
    /// The byte offset of the element at fault; for [`TndsErrorKind::Markup`] see
    /// [`ReadError::offset`].
    pub offset: usize,
}

/// The kind of a [`TndsError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TndsErrorKind {
    /// The markup is malformed or beyond its limits.
    #[error("{0}")]
    Markup(ReadErrorKind),
    /// The root element is not `MgmtTree`.
    #[error("the root is not MgmtTree")]
    Root,
    /// There is something after the `MgmtTree`.
    #[error("content after MgmtTree")]
    Trailing,
    /// More nodes than [`Limits::max_nodes`](super::Limits::max_nodes).
    #[error("too many nodes")]
    TooManyNodes,
    /// Nodes deeper than [`Limits::max_depth`](super::Limits::max_depth).
    #[error("nodes nested too deep")]
    TooDeep,
    /// A node has no name, and is not the outermost one without a `Path`.
    #[error("node without a name")]
    Unnamed,
    /// A `NodeName` that is no name.
    #[error("malformed node name: {0}")]
    Name(UriErrorKind),
    /// A `Path` that is no address.
    #[error("malformed path: {0}")]
    Path(UriErrorKind),
    /// An `ACL` that is no access control list.
    #[error("malformed access control list: {0}")]
    Acl(AclErrorKind),
    /// A `Format` that is none.
    #[error("unknown format")]
    Format,
    /// A leaf has children, or an interior node a value.
    #[error("a leaf has no children, an interior node no value")]
    Kind,
    /// A value of octets that is no base64.
    #[error("malformed base64")]
    Base64,
    /// A value with markup in it that is not one element, or whose format is not `xml`.
    #[error("markup in a value")]
    ValueMarkup,
    /// A value that does not fit its format.
    #[error("{0}")]
    Value(ValueError),
}

impl TndsErrorKind {
    pub(super) const fn at(self, offset: usize) -> TndsError {
        TndsError { kind: self, offset }
    }
}

impl From<ReadError> for TndsError {
    fn from(error: ReadError) -> Self {
        TndsErrorKind::Markup(error.kind).at(error.offset)
    }
}

impl TndsError {
    /// The status a command with such a document gets: 413 for a limit, 415 for a value or format
    /// that does not fit, 405 for a node of the wrong kind, otherwise 400.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        use ReadErrorKind::{TextTooLarge, TooDeep, TooLarge, TooManyAttributes, TooManyElements};

        match self.kind {
            TndsErrorKind::Markup(
                TextTooLarge | TooDeep | TooLarge | TooManyAttributes | TooManyElements,
            )
            | TndsErrorKind::TooManyNodes
            | TndsErrorKind::TooDeep => StatusCode::REQUEST_ENTITY_TOO_LARGE,
            TndsErrorKind::Markup(_)
            | TndsErrorKind::Root
            | TndsErrorKind::Trailing
            | TndsErrorKind::Unnamed
            | TndsErrorKind::Name(_)
            | TndsErrorKind::Path(_)
            | TndsErrorKind::Acl(_) => StatusCode::BAD_REQUEST,
            TndsErrorKind::Kind => StatusCode::COMMAND_NOT_ALLOWED,
            TndsErrorKind::Format
            | TndsErrorKind::Base64
            | TndsErrorKind::ValueMarkup
            | TndsErrorKind::Value(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT,
        }
    }
}
