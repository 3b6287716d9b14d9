/// Why a message could not be decoded, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
    /// The byte offset of the markup at fault.
    pub offset: usize,
}

/// The kind of a [`DecodeError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The encoding is not supported yet.
    #[error("the encoding is not supported")]
    UnsupportedEncoding,
}

/// Why a message could not be encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The encoding is not supported yet.
    #[error("the encoding is not supported")]
    UnsupportedEncoding,
}
