use omadm_markup::{ReadError, ReadErrorKind, WriteError};

/// Why a message could not be decoded, and where.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
    /// The byte offset of what is at fault: of an element its start tag, and of a missing element
    /// that of the element it is missing from.
    pub offset: usize,
}

omadm_core::debug_as_causes!(DecodeError);

/// The kind of a [`DecodeError`]; elements are named as the specification names them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The document itself is malformed or beyond its limits.
    #[error("{0}")]
    Markup(ReadErrorKind),
    /// The element may be there once only.
    #[error("{0} given twice")]
    DuplicateElement(&'static str),
    /// The element does not hold a number of its range.
    #[error("{0} is not a number of its range")]
    InvalidNumber(&'static str),
    /// The required element is missing.
    #[error("{0} is missing")]
    MissingElement(&'static str),
    /// Atomic and Sequence nest deeper than [`Limits::max_nesting`](crate::Limits).
    #[error("commands nested too deep")]
    NestedTooDeep,
    /// The root is not the one expected.
    #[error("not a document of this kind")]
    NotSyncMl,
    /// The element means nothing in its place, and
    /// [`Limits::refuse_unknown`](crate::Limits) is set.
    #[error("unknown element")]
    UnknownElement,
    /// There are more commands than [`Limits::max_commands`](crate::Limits).
    #[error("too many commands")]
    TooManyCommands,
    /// There are more Items than [`Limits::max_items`](crate::Limits).
    #[error("too many items")]
    TooManyItems,
}

impl DecodeError {
    pub(crate) const fn new(kind: DecodeErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }
}

impl From<ReadError> for DecodeError {
    fn from(error: ReadError) -> Self {
        Self::new(DecodeErrorKind::Markup(error.kind), error.offset)
    }
}

/// Why a message could not be encoded.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The encoding cannot carry a text, or octets, or is not supported.
    #[error("{0}")]
    Markup(WriteError),
    /// An [`Unsupported`](crate::Unsupported) has a name that means something in its place, such
    /// as that of a command that is supported.
    #[error("unsupported command with the name of a supported element")]
    CommandName,
}

omadm_core::debug_as_causes!(EncodeError);

impl From<WriteError> for EncodeError {
    fn from(error: WriteError) -> Self {
        Self::Markup(error)
    }
}
