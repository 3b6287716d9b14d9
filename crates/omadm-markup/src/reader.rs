use std::{borrow::Cow, ops::Range};

use crate::{Content, Encoding, Event, Limits, Name, ReadError, ReadErrorKind};

mod xml;

pub(crate) use xml::Scope;

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
#[derive(Debug)]
pub struct Reader<'a> {
    source: Source<'a>,
}

#[derive(Debug)]
enum Source<'a> {
    Xml(xml::XmlReader<'a>),
}

impl<'a> Reader<'a> {
    /// A reader at the beginning of `document`.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the document is too large or has characters XML does not allow, and for an
    /// encoding that is not supported.
    pub fn new(document: &'a [u8], encoding: Encoding, limits: &Limits) -> Result<Self, ReadError> {
        match encoding {
            Encoding::Xml => xml::XmlReader::document(document, limits).map(Self::xml),
            Encoding::Wbxml => Err(ReadError::new(ReadErrorKind::UnsupportedEncoding, 0)),
        }
    }

    /// A reader of the content of an element that has been read before.
    pub(crate) fn of_fragment(source: &'a [u8], scope: &'a Scope<'_>) -> Result<Self, ReadError> {
        xml::XmlReader::fragment(source, scope).map(Self::xml)
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
        }
    }

    /// The next child of the innermost open element, or `None` at its end, which is then read.
    ///
    /// Attributes are ignored, so is white space between children. The caller reads the child to
    /// its end, with [`Reader::child`] again or one of the methods that take it at once.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; [`ReadErrorKind::UnexpectedText`] for any other text.
    #[inline]
    pub fn child(&mut self) -> Result<Option<Name<'a>>, ReadError> {
        match &mut self.source {
            Source::Xml(reader) => reader.child(),
        }
    }

    /// All the text up to and with the `End` of the innermost open element, which has no children;
    /// its attributes are ignored.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; [`ReadErrorKind::UnexpectedElement`] if it has children.
    #[inline]
    pub fn text(&mut self) -> Result<Cow<'a, str>, ReadError> {
        match &mut self.source {
            Source::Xml(reader) => reader.text(),
        }
    }

    /// The byte offset where the last event begins.
    #[must_use]
    pub const fn offset(&self) -> usize {
        match &self.source {
            Source::Xml(reader) => reader.offset(),
        }
    }

    /// How many elements are open.
    #[must_use]
    pub const fn depth(&self) -> usize {
        match &self.source {
            Source::Xml(reader) => reader.depth(),
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
        }
    }

    /// Reads a whole document: where its root is, and what names mean outside of it.
    pub(crate) fn root(mut self) -> Result<(Range<usize>, Scope<'static>), ReadError> {
        let mut range = 0..0;
        while let Some(event) = self.next_event()? {
            let Source::Xml(reader) = &self.source;
            match (event, reader.depth()) {
                (Event::Start(_), 1) => range.start = reader.offset(),
                (Event::End, 0) => range.end = reader.end_offset(),
                _ => {}
            }
        }
        let Source::Xml(reader) = &self.source;
        Ok((range, reader.outermost()))
    }
}
