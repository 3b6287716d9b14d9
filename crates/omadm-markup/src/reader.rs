use std::{borrow::Cow, ops::Range};

use crate::{Content, Encoding, Event, Limits, Name, ReadError, Tag};

mod namespaces;
mod wbxml;
mod xml;

/// Reads a document as [`Event`]s that borrow from it.
///
/// 1. [`Reader::new`] takes the whole document.
/// 2. [`Reader::next_event`] steps through it; `None` is the end, reached only if the document is
///    whole and well-formed. After an error every further call is an error as well.
/// 3. In between, [`Reader::child`] steps from child to child of an element that has no text, and
///    once the `Start` of an element was returned and nothing of what follows it, [`Reader::text`],
///    [`Reader::content`] or [`Reader::skip`] takes the element to its end at once.
///
/// Documents without namespaces are read too: a bare `<Alert>` means the one of SyncML, the root
/// `<MgmtTree>` that of the device description. Children of `Meta` need no declaration.
///
/// In WBXML the code page says what a token means, and pages may be switched at any place. A device
/// description or device information that is a document of its own in the octets of a `Data` is read
/// as if its elements stood there; octets that only begin like one stay octets. A token that no
/// table assigns is a name like `token-3E`.
#[derive(Debug)]
pub struct Reader<'a> {
    source: Source<'a>,
}

#[derive(Debug)]
enum Source<'a> {
    Xml(xml::XmlReader<'a>),
    Wbxml(wbxml::WbxmlReader<'a>),
}

/// The child that is next, as far as it is known at one glance.
enum Child {
    Known(Tag),
    End,
    /// Anything else, which is still to be read.
    Other,
}

/// What names mean in a piece of a document.
#[derive(Clone, Debug)]
pub(crate) enum Scope<'a> {
    Xml(namespaces::Scope<'a>),
    Wbxml(wbxml::Scope<'a>),
}

impl Scope<'_> {
    pub(crate) fn into_owned(self) -> Scope<'static> {
        match self {
            Self::Xml(scope) => Scope::Xml(scope.into_owned()),
            Self::Wbxml(scope) => Scope::Wbxml(scope.into_owned()),
        }
    }

    /// Whether the piece is a whole WBXML document.
    pub(crate) const fn is_wbxml_document(&self) -> bool {
        match self {
            Self::Xml(_) => false,
            Self::Wbxml(scope) => scope.is_document(),
        }
    }
}

impl<'a> Reader<'a> {
    /// A reader at the beginning of `document`.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the document is too large, has characters XML does not allow, or begins with
    /// a WBXML header that cannot be read.
    pub fn new(document: &'a [u8], encoding: Encoding, limits: &Limits) -> Result<Self, ReadError> {
        match encoding {
            Encoding::Xml => xml::XmlReader::document(document, limits).map(Self::xml),
            Encoding::Wbxml => wbxml::WbxmlReader::document(document, limits).map(Self::wbxml),
        }
    }

    /// A reader of the content of an element that has been read before.
    pub(crate) fn of_fragment(source: &'a [u8], scope: &'a Scope<'_>) -> Result<Self, ReadError> {
        match scope {
            Scope::Xml(scope) => xml::XmlReader::fragment(source, scope).map(Self::xml),
            Scope::Wbxml(scope) => wbxml::WbxmlReader::fragment(source, scope).map(Self::wbxml),
        }
    }

    const fn wbxml(reader: wbxml::WbxmlReader<'a>) -> Self {
        Self {
            source: Source::Wbxml(reader),
        }
    }

    fn xml(reader: xml::XmlReader<'a>) -> Self {
        Self {
            source: Source::Xml(reader),
        }
    }

    /// The next event, or `None` at the end of the document.
    ///
    /// # Errors
    ///
    /// [`ReadError`] with the kind and the byte offset of the fault.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<Event<'a>>, ReadError> {
        match &mut self.source {
            Source::Xml(reader) => reader.next_event(),
            Source::Wbxml(reader) => reader.next_event(),
        }
    }

    /// The next child of the innermost open element, or `None` at its end, which is then read.
    ///
    /// Attributes are ignored, so is white space between children. The caller reads the child to
    /// its end, with [`Reader::child`] again or one of the methods that take it at once.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; [`UnexpectedText`](crate::ReadErrorKind::UnexpectedText) for any other text.
    #[inline]
    pub fn child(&mut self) -> Result<Option<Name<'a>>, ReadError> {
        match &mut self.source {
            Source::Xml(reader) => reader.child(),
            Source::Wbxml(reader) => reader.child(),
        }
    }

    /// All the text up to and with the `End` of the innermost open element, which has no children;
    /// its attributes are ignored.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; [`UnexpectedElement`](crate::ReadErrorKind::UnexpectedElement) if it has
    /// children.
    #[inline]
    pub fn text(&mut self) -> Result<Cow<'a, str>, ReadError> {
        match &mut self.source {
            Source::Xml(reader) => reader.text(),
            Source::Wbxml(reader) => reader.text(),
        }
    }

    /// The byte offset where the last event begins.
    #[must_use]
    pub const fn offset(&self) -> usize {
        match &self.source {
            Source::Xml(reader) => reader.offset(),
            Source::Wbxml(reader) => reader.offset(),
        }
    }

    /// How many elements are open.
    #[must_use]
    pub const fn depth(&self) -> usize {
        match &self.source {
            Source::Xml(reader) => reader.depth(),
            Source::Wbxml(reader) => reader.depth(),
        }
    }

    /// Skips everything up to and with the `End` of the innermost open element.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; what is skipped must be well-formed too.
    pub fn skip(&mut self) -> Result<(), ReadError> {
        match &mut self.source {
            Source::Xml(reader) => reader.skip(),
            Source::Wbxml(reader) => reader.skip(),
        }
    }

    /// Everything up to and with the `End` of the innermost open element, whose attributes are
    /// ignored; text is exact to the last white space.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; embedded documents must be well-formed too.
    pub fn content(&mut self) -> Result<Content<'a>, ReadError> {
        match &mut self.source {
            Source::Xml(reader) => reader.content(),
            Source::Wbxml(reader) => reader.content(),
        }
    }

    /// Reads a whole document: where what a fragment keeps of it is, and what names mean there.
    pub(crate) fn root(mut self) -> Result<(Range<usize>, Scope<'static>), ReadError> {
        let mut range = 0..0;
        while let Some(event) = self.next_event()? {
            match (&self.source, event) {
                (Source::Xml(reader), Event::Start(_)) if reader.depth() == 1 => {
                    range.start = reader.offset();
                }
                (Source::Xml(reader), Event::End) if reader.depth() == 0 => {
                    range.end = reader.end_offset();
                }
                _ => {}
            }
        }
        Ok(match &self.source {
            Source::Xml(reader) => (range, Scope::Xml(reader.outermost())),
            // Tokens mean nothing without their header.
            Source::Wbxml(reader) => (0..reader.offset(), Scope::Wbxml(wbxml::Scope::DOCUMENT)),
        })
    }
}
