use std::{borrow::Cow, ops::Range};

use crate::{Content, Encoding, Event, Fragment, Limits, ReadError, ReadErrorKind};

mod xml;

pub(crate) use xml::Scope;

/// Reads a document as [`Event`]s that borrow from it.
///
/// 1. [`Reader::new`] takes the whole document.
/// 2. [`Reader::next_event`] steps through it; `None` is the end, reached only if the document is
///    whole and well-formed. After an error every further call is an error as well.
/// 3. In between, once the `Start` of an element was returned and nothing of what follows it,
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
        xml::XmlReader::content(source, scope).map(Self::xml)
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
        let outside = self.depth().saturating_sub(1);
        while self.depth() > outside {
            if self.next_event()?.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Everything up to and with the `End` of the innermost open element, whose attributes are
    /// ignored; text is exact to the last white space.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; embedded documents must be well-formed too.
    pub fn content(&mut self) -> Result<Content<'a>, ReadError> {
        let Source::Xml(reader) = &mut self.source;
        let begin = reader.begin_content();
        let outside = self.depth().saturating_sub(1);
        let mut content = Content::Empty;
        loop {
            match self.next_event()? {
                Some(Event::Attribute(..)) => {}
                Some(Event::Text(text)) => content = Content::Text(text),
                Some(Event::Opaque(octets)) => content = Content::Opaque(octets),
                Some(Event::End) | None => return Ok(content),
                Some(Event::Start(_)) => break,
            }
        }
        while self.depth() > outside {
            if self.next_event()?.is_none() {
                break;
            }
        }
        let Source::Xml(reader) = &mut self.source;
        let (source, scope) = reader.end_content(begin);
        Ok(Content::Fragment(Fragment::new(
            Cow::Borrowed(source),
            scope,
        )))
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
