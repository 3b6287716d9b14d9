use std::borrow::Cow;

use crate::{Fragment, Name};

/// One step through a document. [WAP-WBXML], [XML §2]
///
/// `Start` is followed by the element's `Attribute`s, then its content, then `End`. Namespace
/// declarations are not attributes. Comments, processing instructions and the prolog make no event.
/// Text is one event from tag to tag, decoded; a run of nothing but literal white space is left out
/// beside an element, and kept where it is the whole content of an element.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event<'a> {
    /// An element begins.
    Start(Name<'a>),
    /// An attribute of the element that has just begun.
    Attribute(Name<'a>, Cow<'a, str>),
    /// Text, never empty.
    Text(Cow<'a, str>),
    /// Octets, never empty; WBXML only.
    Opaque(Cow<'a, [u8]>),
    /// The innermost element ends.
    End,
}

/// All that is in an element, see [`Reader::content`](crate::Reader::content).
#[derive(Clone, PartialEq, Debug)]
pub enum Content<'a> {
    /// Nothing.
    Empty,
    /// Text alone.
    Text(Cow<'a, str>),
    /// Octets alone.
    Opaque(Cow<'a, [u8]>),
    /// Elements, perhaps with text between them.
    Fragment(Fragment<'a>),
}
