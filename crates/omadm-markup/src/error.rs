/// Why a document could not be read, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct ReadError {
    /// What is wrong.
    pub kind: ReadErrorKind,
    /// The byte offset of what is at fault: of a tag, declaration, comment or token its first byte,
    /// of a reference its `&`, of a document that ends too early its length.
    pub offset: usize,
}

impl ReadError {
    pub(crate) const fn new(kind: ReadErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }
}

/// The kind of a [`ReadError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadErrorKind {
    /// A comment contains `--`.
    #[error("comment contains a double hyphen")]
    Comment,
    /// There is text, or a second root, outside the root element.
    #[error("content outside the root element")]
    ContentOutsideRoot,
    /// The XML declaration is malformed or not at the very start.
    #[error("malformed or misplaced xml declaration")]
    Declaration,
    /// There is a document type declaration; see [`Limits::allow_doctype`](crate::Limits).
    #[error("document type declaration refused")]
    Doctype,
    /// Two attributes of an element have the same name.
    #[error("attribute given twice")]
    DuplicateAttribute,
    /// The document type declaration is malformed or declares something itself; always refused.
    #[error("internal document type subset refused")]
    InternalSubset,
    /// An attribute is malformed.
    #[error("malformed attribute")]
    InvalidAttribute,
    /// A character that XML does not allow.
    #[error("character not allowed")]
    InvalidCharacter,
    /// Markup that is no tag, comment, instruction or section, or the end of a section in text.
    #[error("malformed markup")]
    InvalidMarkup,
    /// A name, or the target of an instruction, that XML does not allow.
    #[error("malformed name")]
    InvalidName,
    /// A reference that is malformed or names a character XML does not allow.
    #[error("malformed reference")]
    InvalidReference,
    /// A multi-byte integer of WBXML is longer than five octets or larger than 32 bits.
    #[error("multi-byte integer too large")]
    InvalidInteger,
    /// An index that is not inside the string table of WBXML.
    #[error("string table index out of range")]
    InvalidStringIndex,
    /// A token of WBXML at a place where it cannot be; extension tokens are refused everywhere.
    #[error("token out of place")]
    InvalidToken,
    /// An end tag that does not match the start tag; in WBXML an end without a start.
    #[error("end tag does not match the start tag")]
    MismatchedTag,
    /// The text is not UTF-8.
    #[error("not utf-8")]
    NotUtf8,
    /// Strings of a table and names of namespaces, counted wherever they are referred to, add up to
    /// more than [`Limits::max_bytes`](crate::Limits).
    #[error("too much taken from declarations")]
    TooMuchReferred,
    /// Text or an attribute value is larger than [`Limits::max_text`](crate::Limits).
    #[error("text too large")]
    TextTooLarge,
    /// Elements nest deeper than [`Limits::max_depth`](crate::Limits).
    #[error("elements nested too deep")]
    TooDeep,
    /// The document is larger than [`Limits::max_bytes`](crate::Limits); the offset is that limit.
    #[error("document too large")]
    TooLarge,
    /// An element has more attributes than [`Limits::max_attributes`](crate::Limits).
    #[error("too many attributes")]
    TooManyAttributes,
    /// There are more elements than [`Limits::max_elements`](crate::Limits).
    #[error("too many elements")]
    TooManyElements,
    /// A prefix that no namespace declaration binds.
    #[error("undeclared namespace prefix")]
    UndeclaredPrefix,
    /// A reference to an entity other than the five of XML.
    #[error("undefined entity")]
    UndefinedEntity,
    /// There is an element where only text is expected.
    #[error("unexpected element")]
    UnexpectedElement,
    /// The document ends too early, or is empty.
    #[error("unexpected end of the document")]
    UnexpectedEnd,
    /// There is text where only elements are expected, or octets that are no text.
    #[error("unexpected text")]
    UnexpectedText,
    /// The public identifier of a WBXML document is none that is read.
    #[error("unknown public identifier")]
    UnknownPublicId,
    /// An attribute token of WBXML that the document type does not assign.
    #[error("unknown attribute token")]
    UnknownToken,
    /// The document names a character encoding that is not read: in XML any but UTF-8, in WBXML any
    /// but UTF-8, US-ASCII and ISO-8859-1.
    #[error("character encoding not supported")]
    UnsupportedCharset,
    /// The name of a namespace has a reference, `>`, `"` or a control character in it, as no URI
    /// has, or is that of the prefix `xmlns`.
    #[error("namespace name not supported")]
    UnsupportedNamespace,
    /// The major version of WBXML is not 1.
    #[error("wbxml version not supported")]
    UnsupportedVersion,
    /// The last string of the string table of WBXML has no terminator; see
    /// [`Limits::allow_open_table`](crate::Limits).
    #[error("string table not terminated")]
    UnterminatedString,
}

/// Why something could not be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A character that XML cannot carry, not even as a reference.
    #[error("character not allowed")]
    InvalidCharacter,
    /// A name that XML does not allow, or a namespace name that would need references or is that of
    /// the prefix `xmlns`.
    #[error("malformed name")]
    InvalidName,
    /// The call does not fit what was written before: an end without a start, an attribute after
    /// content, a second root, or elements left open at the end.
    #[error("event out of place")]
    Misplaced,
    /// Octets that are no text, in XML; write them as base64.
    #[error("octets that are no text cannot be written as xml")]
    NotText,
}
