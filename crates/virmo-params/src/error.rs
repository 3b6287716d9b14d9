use crate::InvalidImageId;

/// Why a text is no parameter list, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct ParamsError {
    /// What is wrong.
    pub kind: ParamsErrorKind,
    /// The byte of the text at which it is wrong; its length if something is missing.
    pub offset: usize,
}

/// What is wrong with a parameter list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParamsErrorKind {
    /// `%` is not followed by two hexadecimal digits.
    #[error("bad % escape")]
    BadEscape,
    /// The escapes are not UTF-8.
    #[error("escapes are not UTF-8")]
    NotUtf8,
    /// A pair has no key.
    #[error("empty key")]
    EmptyKey,
    /// A leading, trailing or doubled `&`.
    #[error("empty pair")]
    EmptyPair,
    /// ImgID is no image identifier.
    #[error("bad ImgID: {0}")]
    ImageId(InvalidImageId),
    /// A key has a character that keys do not have.
    #[error("character not allowed in a key")]
    KeyCharacter,
    /// A pair has no `=`.
    #[error("pair without =")]
    MissingEquals,
    /// A key that must be there is not.
    #[error("missing key {0}")]
    MissingKey(&'static str),
    /// A boolean is neither `true` nor `false`.
    #[error("not true or false")]
    NotABool,
    /// An integer is not all digits.
    #[error("not a number")]
    NotANumber,
    /// An integer is larger than this.
    #[error("number above {0}")]
    OutOfRange(u64),
    /// A key is there twice, or a vendor key has the name of a standard one.
    #[error("repeated key")]
    RepeatedKey,
    /// The text has more octets than [`Limits::max_len`](crate::Limits::max_len).
    #[error("longer than {0} octets")]
    TooLong(usize),
    /// The text has more pairs than [`Limits::max_pairs`](crate::Limits::max_pairs).
    #[error("more than {0} pairs")]
    TooManyPairs(usize),
    /// White space in a key or around a value.
    #[error("white space")]
    WhiteSpace,
}

impl ParamsErrorKind {
    pub(crate) fn at(self, offset: usize) -> ParamsError {
        ParamsError { kind: self, offset }
    }
}
