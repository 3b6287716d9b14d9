use std::{borrow::Cow, collections::VecDeque};

use super::{Child, namespaces::Namespaces};
use crate::{
    Content, Event, Fragment, Limits, Name, ReadError, ReadErrorKind, Tag, Vocabulary, syncml,
    wbxml::{self, Kind, provisioning, token},
};

mod attributes;
mod embedded;
mod header;
mod scope;
mod text;

use embedded::Outer;
use header::Header;
use scope::Place;
use text::{Run, into_text};

pub(crate) use scope::Scope;

type Result<T> = core::result::Result<T, ReadError>;

/// The WBXML side of [`crate::Reader`]. [WAP-WBXML]
#[derive(Debug)]
pub(super) struct WbxmlReader<'a> {
    /// The input up to the end of the document that is being read; offsets are those of the whole.
    input: &'a [u8],
    at: usize,
    header: Header<'a>,
    pages: Pages,
    /// What is on the tag code page in force, and which of its tokens are names.
    vocabulary: Vocabulary,
    tokens: u64,
    /// Part of the input that is known to be UTF-8, and where it begins.
    checked: &'a str,
    checked_at: usize,
    /// The document around the one that is being read.
    outer: Option<Outer<'a>>,
    /// Where the content of the last embedded document is.
    embedded: (usize, usize),
    limits: Limits,
    /// Whether this is the inside of an element, not a document with a header and one root.
    inside: bool,
    rooted: bool,
    event_start: usize,
    /// The depth outside the root of the document that is being read.
    base: usize,
    depth: usize,
    elements: usize,
    /// How much names, texts and fragments took over from string tables and declarations, so that
    /// repeating it is not free.
    referred: usize,
    attributes: VecDeque<(Name<'a>, Cow<'a, str>)>,
    /// The last tag announced no content: its `End` is due.
    end_due: bool,
    /// The last event was the start of `Data`.
    data: bool,
    namespaces: Namespaces<'a>,
}

/// The code pages in force.
#[derive(Clone, Copy, Default, Debug)]
struct Pages {
    tags: u8,
    attributes: u8,
}

impl<'a> WbxmlReader<'a> {
    /// Reads a whole document.
    pub(super) fn document(document: &'a [u8], limits: &Limits) -> Result<Self> {
        if document.len() > limits.max_bytes {
            return Err(ReadError::new(ReadErrorKind::TooLarge, limits.max_bytes));
        }
        let (header, at) = Header::read(document, 0, limits)?;
        Ok(Self::new(document, at, header, limits))
    }

    /// Reads what has been checked before: a document, or what was the content of an element.
    pub(super) fn fragment(content: &'a [u8], scope: &'a Scope<'_>) -> Result<Self> {
        let Some(place) = &scope.place else {
            return Self::document(content, &Limits::NONE);
        };
        let header = Header {
            kind: place.kind,
            charset: place.charset,
            table: &place.table,
            table_at: 0,
        };
        let mut reader = Self::new(content, 0, header, &Limits::NONE);
        reader.inside = true;
        reader.turn_to(place.pages);
        reader.namespaces = place.namespaces.namespaces();
        Ok(reader)
    }

    fn new(input: &'a [u8], at: usize, header: Header<'a>, limits: &Limits) -> Self {
        let mut reader = Self {
            input,
            at,
            header,
            pages: Pages::default(),
            vocabulary: Vocabulary::SyncMl,
            tokens: 0,
            checked: "",
            checked_at: at,
            outer: None,
            embedded: (0, 0),
            limits: limits.clone(),
            inside: false,
            rooted: false,
            event_start: at,
            base: 0,
            depth: 0,
            elements: 0,
            referred: 0,
            attributes: VecDeque::new(),
            end_due: false,
            data: false,
            namespaces: Namespaces::new(),
        };
        reader.turn_to(Pages::default());
        reader
    }

    pub(super) const fn offset(&self) -> usize {
        self.event_start
    }

    pub(super) const fn depth(&self) -> usize {
        self.depth
    }

    #[inline]
    pub(super) fn next_event(&mut self) -> Result<Option<Event<'a>>> {
        match self.plain_child() {
            Child::Known(tag) => Ok(Some(Event::Start(Name::Known(tag)))),
            Child::End => Ok(Some(Event::End)),
            Child::Other => match self.plain_run() {
                Some(text) => Ok(Some(Event::Text(Cow::Borrowed(text)))),
                None => self.any_event(),
            },
        }
    }

    fn any_event(&mut self) -> Result<Option<Event<'a>>> {
        if let Some((name, value)) = self.attributes.pop_front() {
            return Ok(Some(Event::Attribute(name, value)));
        }
        if self.end_due {
            self.end_due = false;
            return Ok(Some(self.end()));
        }
        loop {
            let at = self.at;
            let Some(&byte) = self.input.get(at) else {
                if self.leave_embedded() {
                    continue;
                }
                self.event_start = at;
                let whole = self.depth == 0 && (self.rooted || self.inside);
                return match whole {
                    true => Ok(None),
                    false => self.fail(ReadErrorKind::UnexpectedEnd, at),
                };
            };
            match byte {
                token::SWITCH_PAGE => self.switch_tags(at)?,
                token::END => {
                    if self.depth == self.base {
                        return self.fail(ReadErrorKind::MismatchedTag, at);
                    }
                    self.at += 1;
                    self.event_start = at;
                    return Ok(Some(self.end()));
                }
                token::PI => self.instruction(at)?,
                token::ENTITY | token::STR_I | token::STR_T | token::OPAQUE => {
                    if self.depth == self.base && !self.inside {
                        return self.fail(ReadErrorKind::ContentOutsideRoot, at);
                    }
                    if std::mem::take(&mut self.data)
                        && byte == token::OPAQUE
                        && self.enter_embedded(at)?
                    {
                        continue;
                    }
                    match self.run(at)? {
                        Run::Empty => {}
                        Run::Text(text) => return Ok(Some(Event::Text(text))),
                        Run::Octets(octets) => return Ok(Some(Event::Opaque(octets))),
                    }
                }
                token::EXT_I_0..=token::EXT_I_2
                | token::EXT_T_0..=token::EXT_T_2
                | token::EXT_0..=token::EXT_2 => {
                    return self.fail(ReadErrorKind::InvalidToken, at);
                }
                byte => return Ok(Some(Event::Start(self.start(at, byte)?))),
            }
        }
    }

    /// The next child of the innermost element, or `None` at its end.
    #[inline]
    pub(super) fn child(&mut self) -> Result<Option<Name<'a>>> {
        match self.plain_child() {
            Child::Known(tag) => Ok(Some(Name::Known(tag))),
            Child::End => Ok(None),
            Child::Other => self.any_child(),
        }
    }

    /// A known tag without attributes, or the end, and all switches of pages before it.
    #[inline]
    fn plain_child(&mut self) -> Child {
        if self.end_due || !self.attributes.is_empty() || self.depth <= self.base {
            return Child::Other;
        }
        loop {
            let at = self.at;
            match self.input.get(at) {
                Some(&token::END) => {
                    self.at = at + 1;
                    self.event_start = at;
                    self.end();
                    return Child::End;
                }
                Some(&token::SWITCH_PAGE) => {
                    let Some(&tags) = self.input.get(at + 1) else {
                        return Child::Other;
                    };
                    self.at = at + 2;
                    self.turn_to(Pages { tags, ..self.pages });
                }
                Some(&byte)
                    if byte & token::ATTRIBUTES == 0
                        && self.tokens >> (byte & token::TAG) & 1 == 1
                        && self.elements < self.limits.max_elements
                        && self.depth < self.limits.max_depth =>
                {
                    let tag = Tag::new(self.vocabulary, byte & token::TAG);
                    self.elements += 1;
                    self.depth += 1;
                    self.at = at + 1;
                    self.event_start = at;
                    self.data = tag == syncml::DATA;
                    self.end_due = byte & token::CONTENT == 0;
                    return Child::Known(tag);
                }
                _ => return Child::Other,
            }
        }
    }

    fn any_child(&mut self) -> Result<Option<Name<'a>>> {
        if self.finish_tag() {
            return Ok(None);
        }
        loop {
            match self.any_event()? {
                Some(Event::Start(name)) => return Ok(Some(name)),
                Some(Event::End) | None => return Ok(None),
                Some(Event::Text(text)) if text.trim_ascii().is_empty() => {}
                Some(Event::Text(_) | Event::Opaque(_)) => {
                    return self.fail(ReadErrorKind::UnexpectedText, self.event_start);
                }
                Some(Event::Attribute(..)) => {}
            }
        }
    }

    /// The text up to the end of the innermost element.
    #[inline]
    pub(super) fn text(&mut self) -> Result<Cow<'a, str>> {
        match self.plain_text() {
            Some(text) => Ok(Cow::Borrowed(text)),
            None => self.any_text(),
        }
    }

    /// What is left of the innermost element, if that is a single inline string.
    #[inline]
    fn plain_text(&mut self) -> Option<&'a str> {
        let (text, end) = self.last_string()?;
        self.event_start = end;
        self.at = end + 1;
        self.end();
        Some(text)
    }

    /// The text that is next, if it is a single inline string with the end of the element behind it.
    #[inline]
    fn plain_run(&mut self) -> Option<&'a str> {
        let (text, end) = self.last_string().filter(|(text, _)| !text.is_empty())?;
        self.event_start = self.at;
        self.at = end;
        Some(text)
    }

    /// The inline string that is next and the end of the innermost element right behind it.
    #[inline]
    fn last_string(&mut self) -> Option<(&'a str, usize)> {
        if self.end_due || !self.attributes.is_empty() || self.depth <= self.base {
            return None;
        }
        let (&token::STR_I, start) = (self.input.get(self.at)?, self.at + 1) else {
            return None;
        };
        let text = self.inline_text(start)?;
        let end = start + text.len() + 1;
        let is_last =
            text.len() <= self.limits.max_text && self.input.get(end) == Some(&token::END);
        is_last.then_some((text, end))
    }

    fn any_text(&mut self) -> Result<Cow<'a, str>> {
        if self.finish_tag() {
            return Ok(Cow::Borrowed(""));
        }
        let mut content = Cow::Borrowed("");
        loop {
            let piece = match self.any_event()? {
                Some(Event::Text(text)) => text,
                Some(Event::Opaque(octets)) => match into_text(octets) {
                    Some(text) => text,
                    None => return self.fail(ReadErrorKind::UnexpectedText, self.event_start),
                },
                Some(Event::Attribute(..)) => continue,
                Some(Event::Start(_)) => {
                    return self.fail(ReadErrorKind::UnexpectedElement, self.event_start);
                }
                Some(Event::End) | None => return Ok(content),
            };
            content = piece;
        }
    }

    /// All up to the end of the innermost element. An embedded document that is all of it is given
    /// as a document.
    #[inline]
    pub(super) fn content(&mut self) -> Result<Content<'a>> {
        match self.plain_text() {
            Some("") => Ok(Content::Empty),
            Some(text) => Ok(Content::Text(Cow::Borrowed(text))),
            None => self.any_content(),
        }
    }

    fn any_content(&mut self) -> Result<Content<'a>> {
        if self.finish_tag() {
            return Ok(Content::Empty);
        }
        let (start, pages) = (self.at, self.pages);
        let (outside, mark) = (self.depth.saturating_sub(1), self.namespaces.mark());
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
        // Before what is declared on the element itself ends with it.
        let namespaces = self.namespaces.scope(mark);
        let (from, to) = self.embedded;
        let mut alone = from > start && matches!(content, Content::Empty);
        while self.depth > outside {
            if self.next_event()?.is_none() {
                break;
            }
            // Something follows the document.
            alone &= self.event_start < to || self.depth == outside;
        }
        let whole = self.input.get(start..self.event_start).unwrap_or_default();
        let (source, scope) = match self.input.get(from..to) {
            Some(document) if alone => (document, Scope::DOCUMENT),
            _ => {
                let place = Place {
                    kind: self.header.kind,
                    charset: self.header.charset,
                    table: Cow::Borrowed(self.header.table),
                    pages,
                    namespaces,
                };
                self.refer(place.table.len() + place.namespaces.weight(), start)?;
                let place = Some(Box::new(place));
                (whole, Scope { place })
            }
        };
        let scope = super::Scope::Wbxml(scope);
        Ok(Content::Fragment(Fragment::new(
            Cow::Borrowed(source),
            scope,
        )))
    }

    /// Everything up to the end of the innermost element.
    pub(super) fn skip(&mut self) -> Result<()> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            if self.next_event()?.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Drops the attributes of the tag just read; whether it announced no content.
    #[inline]
    fn finish_tag(&mut self) -> bool {
        if !self.attributes.is_empty() {
            self.attributes.clear();
        }
        let ended = std::mem::take(&mut self.end_due);
        if ended {
            self.end();
        }
        ended
    }

    fn start(&mut self, at: usize, byte: u8) -> Result<Name<'a>> {
        if self.depth == self.base && !self.inside {
            if self.rooted {
                return self.fail(ReadErrorKind::ContentOutsideRoot, at);
            }
            self.rooted = true;
        }
        self.elements += 1;
        if self.elements > self.limits.max_elements {
            return self.fail(ReadErrorKind::TooManyElements, at);
        }
        self.depth += 1;
        if self.depth > self.limits.max_depth {
            return self.fail(ReadErrorKind::TooDeep, at);
        }
        self.at += 1;
        self.data = false;
        let tag = byte & token::TAG;
        let name = if tag == token::LITERAL {
            let literal = self.literal(at)?;
            if byte & token::ATTRIBUTES != 0 {
                self.attributes(true)?;
            }
            self.literal_name(literal, at)?
        } else {
            if byte & token::ATTRIBUTES != 0 {
                self.attributes(false)?;
            }
            match self.tokens >> tag & 1 {
                0 => self.unknown_name(tag),
                _ => {
                    let tag = Tag::new(self.vocabulary, tag);
                    self.data = tag == syncml::DATA;
                    Name::Known(tag)
                }
            }
        };
        self.end_due = byte & token::CONTENT == 0;
        self.event_start = at;
        Ok(name)
    }

    /// The name of a token that is on no code page of the vocabularies.
    fn unknown_name(&self, tag: u8) -> Name<'a> {
        if self.header.kind == Kind::Provisioning
            && self.pages.tags <= 1
            && let Some(name) = provisioning::tag(tag)
        {
            return Name::local(name);
        }
        let namespace = self.header.kind.namespace(self.pages.tags);
        Name::Other(namespace, wbxml::unassigned(tag))
    }

    #[inline]
    fn end(&mut self) -> Event<'a> {
        self.namespaces.leave(self.depth);
        self.depth = self.depth.saturating_sub(1);
        self.data = false;
        Event::End
    }

    fn switch_tags(&mut self, at: usize) -> Result<()> {
        self.at = at + 1;
        let tags = self.byte()?;
        self.turn_to(Pages { tags, ..self.pages });
        Ok(())
    }

    #[inline]
    fn turn_to(&mut self, pages: Pages) {
        self.pages = pages;
        self.tokens = 0;
        if let Some(vocabulary) = self.header.kind.vocabulary(pages.tags) {
            self.vocabulary = vocabulary;
            self.tokens = vocabulary.tokens();
        }
    }

    fn byte(&mut self) -> Result<u8> {
        let Some(&byte) = self.input.get(self.at) else {
            return self.fail(ReadErrorKind::UnexpectedEnd, self.input.len());
        };
        self.at += 1;
        Ok(byte)
    }

    fn integer(&mut self) -> Result<u32> {
        let (number, next) = header::integer(self.input, self.at)?;
        self.at = next;
        Ok(number)
    }

    fn fail<T>(&self, kind: ReadErrorKind, at: usize) -> Result<T> {
        Err(ReadError::new(kind, at))
    }
}
