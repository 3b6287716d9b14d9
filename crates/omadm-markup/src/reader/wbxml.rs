use std::{borrow::Cow, collections::VecDeque, ffi::CStr};

use super::namespaces::{self, Binding, Namespaces};
use crate::{
    Content, Event, Fragment, Limits, Name, Namespace, ReadError, ReadErrorKind, Vocabulary, chars,
    syncml,
    wbxml::{self, Kind, provisioning, token},
};

mod header;

use header::{Charset, Header};

type Result<T> = core::result::Result<T, ReadError>;

/// The WBXML side of [`crate::Reader`]. [WAP-WBXML]
#[derive(Debug)]
pub(super) struct WbxmlReader<'a> {
    /// The input up to the end of the document that is being read; offsets are those of the whole.
    input: &'a [u8],
    at: usize,
    header: Header<'a>,
    pages: Pages,
    /// What is on the tag code page in force.
    vocabulary: Option<Vocabulary>,
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
    /// How much was taken from string tables so far, so that repeating it is not free.
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

/// What to come back to after an embedded document.
#[derive(Debug)]
struct Outer<'a> {
    input: &'a [u8],
    header: Header<'a>,
    pages: Pages,
    base: usize,
    inside: bool,
    rooted: bool,
}

/// What tokens mean inside an element that was taken out of its document, or in a document.
#[derive(Clone, Debug)]
pub(crate) struct Scope<'a> {
    place: Option<Place<'a>>,
}

#[derive(Clone, Debug)]
struct Place<'a> {
    kind: Kind,
    charset: Charset,
    table: Cow<'a, [u8]>,
    pages: Pages,
    namespaces: namespaces::Scope<'a>,
}

impl Scope<'_> {
    /// That of a document with a header of its own.
    pub(super) const DOCUMENT: Scope<'static> = Scope { place: None };

    pub(super) const fn is_document(&self) -> bool {
        self.place.is_none()
    }

    pub(super) fn into_owned(self) -> Scope<'static> {
        let place = self.place.map(|place| Place {
            kind: place.kind,
            charset: place.charset,
            table: Cow::Owned(place.table.into_owned()),
            pages: place.pages,
            namespaces: place.namespaces.into_owned(),
        });
        Scope { place }
    }
}

/// An attribute as it stands; without a name it is to be passed over.
struct Attribute<'a> {
    name: Option<&'a str>,
    value: Cow<'a, str>,
    at: usize,
}

/// Character data, as it is put together.
enum Run<'a> {
    Empty,
    Text(Cow<'a, str>),
    Octets(Cow<'a, [u8]>),
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
            vocabulary: None,
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
                byte => return self.start(at, byte).map(Some),
            }
        }
    }

    /// The next child of the innermost element, or `None` at its end.
    #[inline]
    pub(super) fn child(&mut self) -> Result<Option<Name<'a>>> {
        if self.finish_tag() {
            return Ok(None);
        }
        loop {
            match self.next_event()? {
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
        if self.finish_tag() {
            return Ok(Cow::Borrowed(""));
        }
        // The short way for a single inline string.
        let at = self.at;
        if let Some(&token::STR_I) = self.input.get(at) {
            let text = self.string(at)?;
            if text.len() > self.limits.max_text {
                return self.fail(ReadErrorKind::TextTooLarge, at);
            }
            if let Some(&token::END) = self.input.get(self.at) {
                self.event_start = self.at;
                self.at += 1;
                self.end();
                return Ok(text);
            }
            self.at = at;
        }
        let mut content = Cow::Borrowed("");
        loop {
            let piece = match self.next_event()? {
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
    pub(super) fn content(&mut self) -> Result<Content<'a>> {
        if self.finish_tag() {
            return Ok(Content::Empty);
        }
        let (start, pages) = (self.at, self.pages);
        let (outside, namespaces) = (self.depth.saturating_sub(1), self.namespaces.mark());
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
        while self.depth > outside {
            self.skip()?;
        }
        let whole = self.input.get(start..self.event_start).unwrap_or_default();
        let (from, to) = self.embedded;
        let (source, scope) = match self.input.get(from..to) {
            Some(document)
                if from > start
                    && to == self.event_start
                    && whole.first() == Some(&token::OPAQUE) =>
            {
                (document, Scope::DOCUMENT)
            }
            _ => {
                let place = Place {
                    kind: self.header.kind,
                    charset: self.header.charset,
                    table: Cow::Borrowed(self.header.table),
                    pages,
                    namespaces: self.namespaces.scope(namespaces),
                };
                (whole, Scope { place: Some(place) })
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

    fn start(&mut self, at: usize, byte: u8) -> Result<Event<'a>> {
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
            let known = self.vocabulary.and_then(|it| it.tag_of_token(tag));
            match known {
                Some(tag) => {
                    self.data = tag == syncml::DATA;
                    Name::Known(tag)
                }
                None => self.unknown_name(tag),
            }
        };
        self.end_due = byte & token::CONTENT == 0;
        self.event_start = at;
        Ok(Event::Start(name))
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

    fn end(&mut self) -> Event<'a> {
        self.namespaces.leave(self.depth);
        self.depth = self.depth.saturating_sub(1);
        self.data = false;
        Event::End
    }

    /// What a literal tag is called, once its namespace declarations were read.
    fn literal_name(&self, name: &'a str, at: usize) -> Result<Name<'a>> {
        let (namespace, local) = match name.split_once(':') {
            None => (self.default_namespace(), name),
            Some((prefix, local)) => match self.namespaces.of(prefix) {
                Some(namespace) => (namespace, local),
                None => return self.fail(ReadErrorKind::UndeclaredPrefix, at),
            },
        };
        if !chars::is_name(local) {
            return self.fail(ReadErrorKind::InvalidName, at);
        }
        let tag = self.namespaces.tag(namespace, local.as_bytes());
        Ok(tag.map_or(Name::Other(namespace, local), Name::Known))
    }

    /// The namespace of literal names without a prefix: the one that was declared, else that of the
    /// code page.
    fn default_namespace(&self) -> Namespace<'a> {
        match self.namespaces.default() {
            Namespace::None => self.header.kind.namespace(self.pages.tags),
            Namespace::Other("") => Namespace::None,
            namespace => namespace,
        }
    }

    /// Reads the attributes of the element that begins. Declarations of namespaces are for literal
    /// names; a tag of a code page has its namespace from there.
    fn attributes(&mut self, literal: bool) -> Result<()> {
        let mut plain = Vec::new();
        let mut count = 0;
        while let Some(Attribute { name, value, at }) = self.attribute()? {
            count += 1;
            if count > self.limits.max_attributes {
                return self.fail(ReadErrorKind::TooManyAttributes, at);
            }
            let Some(name) = name else { continue };
            let prefix = match name.split_once(':') {
                None if name == "xmlns" => "",
                Some(("xmlns", prefix)) => prefix,
                _ => {
                    plain.push((name, value, at));
                    continue;
                }
            };
            if prefix.is_empty() && !literal {
                continue;
            }
            let Cow::Borrowed(uri) = value else {
                return self.fail(ReadErrorKind::UnsupportedNamespace, at);
            };
            if !chars::is_namespace(uri) {
                return self.fail(ReadErrorKind::UnsupportedNamespace, at);
            }
            if name != "xmlns" && (!chars::is_name(prefix) || uri.is_empty() || prefix == "xmlns") {
                return self.fail(ReadErrorKind::InvalidAttribute, at);
            }
            let namespace = match Namespace::from_uri(uri) {
                Namespace::None => Namespace::Other(""),
                namespace => namespace,
            };
            let max = self.limits.max_attributes;
            let kind = match self.namespaces.bind(self.depth, prefix, namespace, max) {
                Binding::Done => continue,
                Binding::Duplicate => ReadErrorKind::DuplicateAttribute,
                Binding::TooMany => ReadErrorKind::TooManyAttributes,
            };
            return self.fail(kind, at);
        }
        for (name, value, at) in plain {
            let (namespace, local) = match name.split_once(':') {
                None => (Namespace::None, name),
                Some((prefix, local)) => match self.namespaces.of(prefix) {
                    Some(namespace) => (namespace, local),
                    None => return self.fail(ReadErrorKind::UndeclaredPrefix, at),
                },
            };
            if !chars::is_name(local) {
                return self.fail(ReadErrorKind::InvalidName, at);
            }
            let name = Name::Other(namespace, local);
            if self.attributes.iter().any(|(other, _)| *other == name) {
                return self.fail(ReadErrorKind::DuplicateAttribute, at);
            }
            self.attributes.push_back((name, value));
        }
        Ok(())
    }

    /// One attribute, or `None` at the end of the list.
    fn attribute(&mut self) -> Result<Option<Attribute<'a>>> {
        let (at, byte) = loop {
            let at = self.at;
            match self.byte()? {
                token::SWITCH_PAGE => self.pages.attributes = self.byte()?,
                token::END => return Ok(None),
                byte => break (at, byte),
            }
        };
        let (name, mut value) = match byte {
            token::LITERAL => match self.literal(at) {
                Ok(name) => (Some(name), Cow::Borrowed("")),
                Err(error)
                    if error.kind == ReadErrorKind::InvalidStringIndex
                        && self.limits.allow_nameless_attributes =>
                {
                    (None, Cow::Borrowed(""))
                }
                Err(error) => return Err(error),
            },
            0x05..=0x3F | 0x45..=0x7F => {
                let known = match self.header.kind {
                    Kind::Provisioning => provisioning::attribute(self.pages.attributes, byte),
                    _ => None,
                };
                let Some((name, value)) = known else {
                    return self.fail(ReadErrorKind::UnknownToken, at);
                };
                (Some(name), Cow::Borrowed(value))
            }
            _ => return self.fail(ReadErrorKind::InvalidToken, at),
        };
        while let Some(&byte) = self.input.get(self.at) {
            let at = self.at;
            let piece = match byte {
                token::SWITCH_PAGE => {
                    self.at += 1;
                    self.pages.attributes = self.byte()?;
                    continue;
                }
                token::ENTITY | token::STR_I | token::STR_T => self.string(at)?,
                token::OPAQUE => {
                    let octets = self.opaque()?;
                    let start = self.at - octets.len();
                    if let Some(nul) = octets.iter().position(|&octet| octet == 0) {
                        return self.fail(ReadErrorKind::InvalidCharacter, start + nul);
                    }
                    self.decode(octets, start)?
                }
                0x85..=0xBF | 0xC5..=0xFF => {
                    let known = match self.header.kind {
                        Kind::Provisioning => provisioning::value(self.pages.attributes, byte),
                        _ => None,
                    };
                    let Some(known) = known else {
                        return self.fail(ReadErrorKind::UnknownToken, at);
                    };
                    self.at += 1;
                    Cow::Borrowed(known)
                }
                _ => break,
            };
            if value.len() + piece.len() > self.limits.max_text {
                return self.fail(ReadErrorKind::TextTooLarge, at);
            }
            join(&mut value, piece);
        }
        Ok(Some(Attribute { name, value, at }))
    }

    /// Character data up to the next tag or end: pieces next to each other are one.
    fn run(&mut self, at: usize) -> Result<Run<'a>> {
        self.event_start = at;
        let mut run = Run::Empty;
        let mut len = 0;
        while let Some(&byte) = self.input.get(self.at) {
            let piece_at = self.at;
            let piece = match byte {
                token::SWITCH_PAGE => {
                    self.switch_tags(piece_at)?;
                    continue;
                }
                token::PI => {
                    self.instruction(piece_at)?;
                    continue;
                }
                token::ENTITY | token::STR_I | token::STR_T => Run::Text(self.string(piece_at)?),
                token::OPAQUE => Run::Octets(Cow::Borrowed(self.opaque()?)),
                _ => break,
            };
            len += match &piece {
                Run::Text(text) => text.len(),
                Run::Octets(octets) => octets.len(),
                Run::Empty => 0,
            };
            if len > self.limits.max_text {
                return self.fail(ReadErrorKind::TextTooLarge, at);
            }
            run = match (run, piece) {
                (run, Run::Text(text)) if text.is_empty() => run,
                (run, Run::Octets(octets)) if octets.is_empty() => run,
                (Run::Empty, piece) => piece,
                (run, Run::Empty) => run,
                (Run::Text(mut text), Run::Text(piece)) => {
                    text.to_mut().push_str(&piece);
                    Run::Text(text)
                }
                (Run::Text(text), Run::Octets(piece)) => {
                    let mut octets = text.into_owned().into_bytes();
                    octets.extend_from_slice(&piece);
                    Run::Octets(octets.into())
                }
                (Run::Octets(mut octets), Run::Text(piece)) => {
                    octets.to_mut().extend_from_slice(piece.as_bytes());
                    Run::Octets(octets)
                }
                (Run::Octets(mut octets), Run::Octets(piece)) => {
                    octets.to_mut().extend_from_slice(&piece);
                    Run::Octets(octets)
                }
            };
        }
        Ok(run)
    }

    /// An inline string, a string of the table or an entity.
    fn string(&mut self, at: usize) -> Result<Cow<'a, str>> {
        match self.byte()? {
            token::STR_I => {
                let rest = self.input.get(self.at..).unwrap_or_default();
                let Ok(found) = CStr::from_bytes_until_nul(rest) else {
                    return self.fail(ReadErrorKind::UnexpectedEnd, self.input.len());
                };
                let text = self.decode(found.to_bytes(), self.at)?;
                self.at += found.to_bytes().len() + 1;
                Ok(text)
            }
            token::STR_T => {
                let (octets, octets_at) = self.table_string(at)?;
                self.decode(octets, octets_at)
            }
            _ => {
                let number = self.integer()?;
                let Some(c) = char::from_u32(number).filter(|&c| chars::is_allowed(c)) else {
                    return self.fail(ReadErrorKind::InvalidReference, at);
                };
                Ok(Cow::Owned(c.to_string()))
            }
        }
    }

    /// The name a literal refers to.
    fn literal(&mut self, at: usize) -> Result<&'a str> {
        let (octets, octets_at) = self.table_string(at)?;
        match self.decode(octets, octets_at)? {
            Cow::Borrowed(name) => Ok(name),
            Cow::Owned(_) => self.fail(ReadErrorKind::InvalidName, at),
        }
    }

    /// A string of the table and its offset; the index is read here.
    fn table_string(&mut self, at: usize) -> Result<(&'a [u8], usize)> {
        let index = self.integer()? as usize;
        let Some(string) = self.header.string(index) else {
            return self.fail(ReadErrorKind::InvalidStringIndex, at);
        };
        self.referred = self.referred.saturating_add(string.len());
        if self.referred > self.limits.max_bytes {
            return self.fail(ReadErrorKind::TextTooLarge, at);
        }
        Ok((string, self.header.table_at + index))
    }

    /// Octets, token included.
    fn opaque(&mut self) -> Result<&'a [u8]> {
        self.at += 1;
        let len = self.integer()? as usize;
        let rest = self.input.get(self.at..).unwrap_or_default();
        let Some((octets, _)) = rest.split_at_checked(len) else {
            return self.fail(ReadErrorKind::UnexpectedEnd, self.input.len());
        };
        self.at += len;
        Ok(octets)
    }

    fn decode(&self, octets: &'a [u8], at: usize) -> Result<Cow<'a, str>> {
        match str::from_utf8(octets) {
            Ok(text) if self.header.charset == Charset::Utf8 || text.is_ascii() => {
                Ok(Cow::Borrowed(text))
            }
            Err(error) if self.header.charset == Charset::Utf8 => {
                self.fail(ReadErrorKind::NotUtf8, at + error.valid_up_to())
            }
            _ => Ok(Cow::Owned(octets.iter().copied().map(char::from).collect())),
        }
    }

    /// Passes over a processing instruction.
    fn instruction(&mut self, at: usize) -> Result<()> {
        self.at += 1;
        let Some(_) = self.attribute()? else {
            return self.fail(ReadErrorKind::InvalidToken, at);
        };
        match self.byte()? {
            token::END => Ok(()),
            _ => self.fail(ReadErrorKind::InvalidToken, self.at - 1),
        }
    }

    /// Goes into the document that is in the octets at `at`, if there is one.
    fn enter_embedded(&mut self, at: usize) -> Result<bool> {
        // What can be embedded embeds nothing, so that there is one level alone.
        if self.header.kind.is_embedded() {
            return Ok(false);
        }
        let octets = self.opaque()?;
        let start = self.at - octets.len();
        let end = self.at;
        let mut limits = self.limits.clone();
        limits.max_depth = limits.max_depth.saturating_sub(self.depth);
        let Some((header, body)) = embedded(octets, &limits) else {
            self.at = at;
            return Ok(false);
        };
        self.outer = Some(Outer {
            input: self.input,
            header: std::mem::replace(&mut self.header, header),
            pages: self.pages,
            base: self.base,
            inside: std::mem::take(&mut self.inside),
            rooted: std::mem::take(&mut self.rooted),
        });
        self.header.table_at += start;
        self.turn_to(Pages::default());
        self.embedded = (start, end);
        self.input = self.input.get(..end).unwrap_or_default();
        self.at = start + body;
        self.base = self.depth;
        Ok(true)
    }

    /// Comes back from an embedded document that was read whole.
    fn leave_embedded(&mut self) -> bool {
        if self.depth != self.base || !self.rooted {
            return false;
        }
        let Some(outer) = self.outer.take() else {
            return false;
        };
        self.input = outer.input;
        self.header = outer.header;
        self.base = outer.base;
        self.inside = outer.inside;
        self.rooted = outer.rooted;
        self.turn_to(outer.pages);
        true
    }

    fn switch_tags(&mut self, at: usize) -> Result<()> {
        self.at = at + 1;
        let tags = self.byte()?;
        self.turn_to(Pages { tags, ..self.pages });
        Ok(())
    }

    fn turn_to(&mut self, pages: Pages) {
        self.pages = pages;
        self.vocabulary = self.header.kind.vocabulary(pages.tags);
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

/// The header of a document that stands in octets, if they are one from end to end, and where its
/// body begins.
fn embedded<'a>(octets: &'a [u8], limits: &Limits) -> Option<(Header<'a>, usize)> {
    let (header, body) = Header::read(octets, 0, limits).ok()?;
    if !header.kind.is_embedded() {
        return None;
    }
    let mut reader = WbxmlReader::new(octets, body, header, limits);
    while reader.next_event().ok()?.is_some() {}
    Some((header, body))
}

fn into_text(octets: Cow<'_, [u8]>) -> Option<Cow<'_, str>> {
    match octets {
        Cow::Borrowed(octets) => str::from_utf8(octets).ok().map(Cow::Borrowed),
        Cow::Owned(octets) => String::from_utf8(octets).ok().map(Cow::Owned),
    }
}

fn join<'a>(text: &mut Cow<'a, str>, piece: Cow<'a, str>) {
    if text.is_empty() {
        *text = piece;
    } else {
        text.to_mut().push_str(&piece);
    }
}
