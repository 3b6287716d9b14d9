use std::borrow::Cow;

use quick_xml::{
    Error, Reader,
    errors::{IllFormedError, SyntaxError},
    events::Event as Token,
};

use crate::{
    Content, Event, Fragment, Limits, Name, Namespace, ReadError, ReadErrorKind, Vocabulary, chars,
};

mod attributes;
mod prolog;

use super::namespaces::{Binding, Namespaces, Scope};
use attributes::Attributes;

type Result<T> = core::result::Result<T, ReadError>;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The XML side of [`crate::Reader`].
#[derive(Debug)]
pub(crate) struct XmlReader<'a> {
    /// The document without a byte order mark.
    input: &'a [u8],
    /// The length of the byte order mark.
    base: usize,
    tokens: Reader<&'a [u8]>,
    limits: Limits,
    carriage_returns: bool,
    /// Whether this is the inside of an element, not a document with a prolog and one root.
    inside: bool,
    place: Place,
    /// Where the last event begins, without `base`.
    event_start: usize,
    depth: usize,
    elements: usize,
    /// How much names and fragments took over from declarations, so that repeating it is not free.
    referred: usize,
    /// Attributes not yet returned, the next one last.
    attributes: Vec<(Name<'a>, Cow<'a, str>)>,
    /// The last start tag was also an end tag, whose `End` is due.
    end_due: bool,
    /// Since the last start tag nothing but text was read.
    fresh: bool,
    namespaces: Namespaces<'a>,
}

/// How far a document is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    BeforeDoctype,
    BeforeRoot,
    Content,
    AfterRoot,
}

impl<'a> XmlReader<'a> {
    /// Reads a whole document.
    pub(crate) fn document(document: &'a [u8], limits: &Limits) -> Result<Self> {
        if document.len() > limits.max_bytes {
            return Err(ReadError::new(ReadErrorKind::TooLarge, limits.max_bytes));
        }
        let (input, base) = match document.strip_prefix(BOM) {
            Some(rest) => (rest, BOM.len()),
            None => (document, 0),
        };
        // The tokenizer would skip a second mark without counting it.
        if input.starts_with(BOM) {
            return Err(ReadError::new(ReadErrorKind::ContentOutsideRoot, base));
        }
        let survey = chars::survey(input);
        if survey.suspect
            && let Some(at) = chars::first_not_allowed(input)
        {
            return Err(ReadError::new(ReadErrorKind::InvalidCharacter, base + at));
        }
        let mut tokens = Reader::from_reader(input);
        tokens.config_mut().check_comments = false;
        Ok(Self {
            input,
            base,
            tokens,
            limits: limits.clone(),
            carriage_returns: survey.carriage_return,
            inside: false,
            place: Place::BeforeDoctype,
            event_start: 0,
            depth: 0,
            elements: 0,
            referred: 0,
            attributes: Vec::new(),
            end_due: false,
            fresh: false,
            namespaces: Namespaces::new(),
        })
    }

    /// Reads what was the content of an element and has been checked as such.
    pub(crate) fn fragment(content: &'a [u8], scope: &'a Scope<'_>) -> Result<Self> {
        let mut reader = Self::document(content, &Limits::NONE)?;
        reader.inside = true;
        reader.place = Place::Content;
        reader.fresh = true;
        reader.namespaces = scope.namespaces();
        Ok(reader)
    }

    pub(crate) const fn offset(&self) -> usize {
        self.event_start + self.base
    }

    /// Where the tag ends that was read last.
    pub(crate) fn end_offset(&self) -> usize {
        self.position() + self.base
    }

    /// What names mean outside the root.
    pub(crate) fn outermost(&self) -> Scope<'static> {
        self.namespaces.outermost()
    }

    pub(crate) const fn depth(&self) -> usize {
        self.depth
    }

    pub(crate) fn next_event(&mut self) -> Result<Option<Event<'a>>> {
        if let Some((name, value)) = self.attributes.pop() {
            return Ok(Some(Event::Attribute(name, value)));
        }
        if core::mem::take(&mut self.end_due) {
            self.end(self.event_start);
            return Ok(Some(Event::End));
        }
        let (at, token) = self.token()?;
        self.event(at, token)
    }

    /// The next child of the innermost element, or `None` at its end.
    #[inline]
    pub(crate) fn child(&mut self) -> Result<Option<Name<'a>>> {
        if self.finish_tag() {
            return Ok(None);
        }
        loop {
            let at = self.position();
            // Short ways for the two tokens that nearly all are.
            let event = match self.tokens.read_event() {
                Ok(Token::Start(tag)) => {
                    let name_len = tag.name().as_ref().len();
                    return self.start(at, 1, name_len).map(Some);
                }
                Ok(Token::End(_)) => {
                    self.end(at);
                    return Ok(None);
                }
                Ok(token) => self.event(at, token)?,
                Err(error) => return Err(self.token_error(&error, at)),
            };
            match event {
                Some(Event::Start(name)) => return Ok(Some(name)),
                Some(Event::Text(text)) if !text.trim_ascii().is_empty() => {
                    return self.fail(ReadErrorKind::UnexpectedText, self.event_start);
                }
                Some(Event::End) | None => return Ok(None),
                Some(_) => {}
            }
        }
    }

    /// The text up to the end of the innermost element.
    pub(crate) fn text(&mut self) -> Result<Cow<'a, str>> {
        let (mut content, mut event) = match self.plain_text()? {
            (text, None) => return Ok(text),
            (text, Some(event)) => (text, event),
        };
        loop {
            match event {
                Some(Event::Text(text)) => content = text,
                Some(Event::Start(_)) => {
                    return self.fail(ReadErrorKind::UnexpectedElement, self.event_start);
                }
                Some(Event::End) | None => return Ok(content),
                Some(Event::Attribute(..) | Event::Opaque(_)) => {}
            }
            event = self.next_event()?;
        }
    }

    /// All up to the end of the innermost element.
    pub(crate) fn content(&mut self) -> Result<Content<'a>> {
        let (start, outside) = (self.position(), self.depth.saturating_sub(1));
        let scope = self.namespaces.mark();
        let (mut content, mut event) = match self.plain_text()? {
            (text, None) if text.is_empty() => return Ok(Content::Empty),
            (text, None) => return Ok(Content::Text(text)),
            (_, Some(event)) => (Content::Empty, event),
        };
        loop {
            match event {
                Some(Event::Text(text)) => content = Content::Text(text),
                Some(Event::End) | None => return Ok(content),
                Some(Event::Start(_)) => break,
                Some(Event::Attribute(..) | Event::Opaque(_)) => {}
            }
            event = self.next_event()?;
        }
        while self.depth > outside {
            self.skip()?;
        }
        let source = self.input.get(start..self.event_start).unwrap_or_default();
        let scope = self.namespaces.scope(scope);
        self.refer(scope.weight(), start)?;
        let source = Cow::Borrowed(source.trim_ascii());
        Ok(Content::Fragment(Fragment::new(
            source,
            super::Scope::Xml(scope),
        )))
    }

    /// Everything up to the end of the innermost element.
    pub(crate) fn skip(&mut self) -> Result<()> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            if self.next_event()?.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// The short way for elements with plain text, or with nothing, in them: the text, or the
    /// event that is there instead, or that follows the text instead of the end.
    #[inline]
    fn plain_text(&mut self) -> Result<(Cow<'a, str>, Option<Option<Event<'a>>>)> {
        let nothing = Cow::Borrowed("");
        if self.finish_tag() {
            return Ok((nothing, None));
        }
        let at = self.position();
        match self.tokens.read_event() {
            Ok(Token::Text(text)) if self.rest().starts_with(b"</") => {
                let text = self.lines(text.into_inner());
                if text.len() > self.limits.max_text {
                    return self.fail(ReadErrorKind::TextTooLarge, at);
                }
                let at = self.position();
                match self.tokens.read_event() {
                    Ok(Token::End(_)) => {
                        self.end(at);
                        Ok((text, None))
                    }
                    Ok(token) => Ok((text, Some(self.event(at, token)?))),
                    Err(error) => Err(self.token_error(&error, at)),
                }
            }
            Ok(Token::End(_)) => {
                self.end(at);
                Ok((nothing, None))
            }
            Ok(token) => Ok((nothing, Some(self.event(at, token)?))),
            Err(error) => Err(self.token_error(&error, at)),
        }
    }

    /// Drops the attributes of the tag just read; whether it was an end tag as well.
    #[inline]
    fn finish_tag(&mut self) -> bool {
        if !self.attributes.is_empty() {
            self.attributes.clear();
        }
        let ended = core::mem::take(&mut self.end_due);
        if ended {
            self.end(self.event_start);
        }
        ended
    }

    fn token(&mut self) -> Result<(usize, Token<'a>)> {
        let at = self.position();
        match self.tokens.read_event() {
            Ok(token) => Ok((at, token)),
            Err(error) => Err(self.token_error(&error, at)),
        }
    }

    /// The event that begins with `token`, which begins at `at`.
    fn event(&mut self, mut at: usize, mut token: Token<'a>) -> Result<Option<Event<'a>>> {
        let mut run = Run::default();
        loop {
            match token {
                Token::Start(tag) => {
                    let name_len = tag.name().as_ref().len();
                    return Ok(Some(Event::Start(self.start(at, 1, name_len)?)));
                }
                Token::End(_) => {
                    self.end(at);
                    return Ok(Some(Event::End));
                }
                Token::Empty(tag) => {
                    let name_len = tag.name().as_ref().len();
                    let name = self.start(at, 2, name_len)?;
                    self.end_due = true;
                    return Ok(Some(Event::Start(name)));
                }
                Token::Text(text) => {
                    let text = text.into_inner();
                    let blank = text
                        .bytes()
                        .take_while(|&byte| chars::is_space(byte))
                        .count();
                    if blank < text.len() {
                        self.expect_content(at + blank)?;
                        run.solid = true;
                    }
                    run.push(at, self.lines(text));
                }
                Token::CData(section) => {
                    self.expect_content(at)?;
                    run.solid = true;
                    run.push(at, self.lines(section.into_inner()));
                }
                Token::GeneralRef(name) => {
                    self.expect_content(at)?;
                    let c = match chars::reference(&name) {
                        Some(Some(c)) => c,
                        Some(None) => return self.fail(ReadErrorKind::InvalidReference, at),
                        None => return self.fail(ReadErrorKind::UndefinedEntity, at),
                    };
                    run.solid = true;
                    run.push_char(at, c);
                }
                Token::Comment(text) => {
                    let found = text
                        .find("--")
                        .or_else(|| text.ends_with('-').then(|| text.len() - 1));
                    if let Some(offset) = found {
                        return self.fail(ReadErrorKind::Comment, at + "<!--".len() + offset);
                    }
                }
                Token::PI(_) => {}
                Token::Decl(_) => self.declaration(at)?,
                Token::DocType(_) => self.doctype(at)?,
                Token::Eof => {
                    if self.depth > 0
                        || matches!(self.place, Place::BeforeDoctype | Place::BeforeRoot)
                    {
                        return self.fail(ReadErrorKind::UnexpectedEnd, self.input.len());
                    }
                    if run.text.is_empty() {
                        self.event_start = self.input.len();
                        return Ok(None);
                    }
                }
            }
            if let Some(text) = self.finish_run(&mut run)? {
                return Ok(Some(Event::Text(text)));
            }
            (at, token) = self.token()?;
        }
    }

    /// The text of `run`, if a tag or the end follows it and it counts.
    fn finish_run(&mut self, run: &mut Run<'a>) -> Result<Option<Cow<'a, str>>> {
        if run.text.is_empty() {
            return Ok(None);
        }
        if run.text.len() > self.limits.max_text {
            return self.fail(ReadErrorKind::TextTooLarge, run.start);
        }
        let ends = match self.rest() {
            [b'<', b'/', ..] | [] => true,
            [b'<', b'!' | b'?', ..] => return Ok(None),
            [b'<', ..] => false,
            _ => return Ok(None),
        };
        let run = std::mem::take(run);
        if run.solid || (ends && self.fresh) {
            self.event_start = run.start;
            return Ok(Some(run.text));
        }
        Ok(None)
    }

    /// Begins the element whose tag was just read: from `at` on, `closing` bytes after its content.
    #[inline]
    fn start(&mut self, at: usize, closing: usize, name_len: usize) -> Result<Name<'a>> {
        if self.depth == 0 {
            if self.place == Place::AfterRoot {
                return self.fail(ReadErrorKind::ContentOutsideRoot, at);
            }
            self.place = Place::Content;
        }
        self.elements += 1;
        if self.elements > self.limits.max_elements {
            return self.fail(ReadErrorKind::TooManyElements, at);
        }
        self.depth += 1;
        if self.depth > self.limits.max_depth {
            return self.fail(ReadErrorKind::TooDeep, at);
        }
        let content = self.input.get(at + 1..self.position() - closing);
        let content = content.unwrap_or_default();
        let (name, rest) = content.split_at_checked(name_len).unwrap_or_default();
        match rest {
            [] => {}
            // By far the most frequent declaration.
            b" xmlns=\"syncml:metinf\"" => {
                self.namespaces.set_default(self.depth, Vocabulary::MetInf);
            }
            rest if rest.trim_ascii_start().is_empty() => {}
            _ if name.is_empty() => {}
            rest => self.declare(at + 1 + name_len, rest)?,
        }
        let name = self.element_name(name, at + 1)?;
        self.event_start = at;
        self.fresh = true;
        Ok(name)
    }

    /// Ends the innermost element, whose end tag begins at `at`.
    #[inline]
    fn end(&mut self, at: usize) {
        self.event_start = at;
        self.namespaces.leave(self.depth);
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 0 && !self.inside {
            self.place = Place::AfterRoot;
        }
        self.fresh = false;
    }

    /// Reads the attributes of a tag: binds its namespaces, keeps the others.
    fn declare(&mut self, at: usize, rest: &'a [u8]) -> Result<()> {
        let mut plain = Vec::new();
        let mut count = 0;
        for attribute in Attributes::new(rest) {
            let attribute = attribute.map_err(|error| self.shift(error, at))?;
            count += 1;
            if count > self.limits.max_attributes {
                return self.fail(ReadErrorKind::TooManyAttributes, at + attribute.name_at);
            }
            let (prefix, local) = match attribute.name.split_once(':') {
                None if attribute.name == "xmlns" => (Some("xmlns"), ""),
                None => (None, attribute.name),
                Some((prefix, local)) => (Some(prefix), local),
            };
            if prefix != Some("xmlns") {
                plain.push((prefix, local, attribute));
                continue;
            }
            let uri_at = at + attribute.value_at;
            if !chars::is_namespace(attribute.value) {
                return self.fail(ReadErrorKind::UnsupportedNamespace, uri_at);
            }
            if attribute.name.len() > "xmlns".len()
                && (!chars::is_name(local) || attribute.value.is_empty() || local == "xmlns")
            {
                return self.fail(ReadErrorKind::InvalidAttribute, at + attribute.name_at);
            }
            let namespace = Namespace::from_uri(attribute.value);
            let max = self.limits.max_attributes;
            let kind = match self.namespaces.bind(self.depth, local, namespace, max) {
                Binding::Done => continue,
                Binding::Duplicate => ReadErrorKind::DuplicateAttribute,
                Binding::TooMany => ReadErrorKind::TooManyAttributes,
            };
            return self.fail(kind, at + attribute.name_at);
        }
        for (prefix, local, attribute) in plain {
            let name_at = at + attribute.name_at;
            if !chars::is_name(local) {
                return self.fail(ReadErrorKind::InvalidName, name_at);
            }
            let namespace = match prefix {
                None => Namespace::None,
                Some(prefix) => match self.namespaces.of(prefix) {
                    Some(namespace) => namespace,
                    None => return self.fail(ReadErrorKind::UndeclaredPrefix, name_at),
                },
            };
            if let Namespace::Other(uri) = namespace {
                self.refer(uri.len(), name_at)?;
            }
            let name = Name::Other(namespace, local);
            if self.attributes.iter().any(|(other, _)| *other == name) {
                return self.fail(ReadErrorKind::DuplicateAttribute, name_at);
            }
            let value_at = at + attribute.value_at;
            let value =
                attributes::decode(attribute.value).map_err(|error| self.shift(error, value_at))?;
            if value.len() > self.limits.max_text {
                return self.fail(ReadErrorKind::TextTooLarge, value_at);
            }
            self.attributes.push((name, value));
        }
        self.attributes.reverse();
        Ok(())
    }

    #[inline]
    fn element_name(&mut self, name: &'a [u8], at: usize) -> Result<Name<'a>> {
        if self.depth == 1 && !self.inside && !name.contains(&b':') {
            self.namespaces.set_root(name);
        }
        if let Some(tag) = self.namespaces.tag(self.namespaces.default(), name) {
            return Ok(Name::Known(tag));
        }
        let Ok(name) = str::from_utf8(name) else {
            return self.fail(ReadErrorKind::NotUtf8, at);
        };
        let (namespace, local) = match name.split_once(':') {
            None => (self.namespaces.default(), name),
            Some(("xmlns", _)) => return self.fail(ReadErrorKind::InvalidName, at),
            Some((prefix, local)) if chars::is_name(prefix) => match self.namespaces.of(prefix) {
                Some(namespace) => (namespace, local),
                None => return self.fail(ReadErrorKind::UndeclaredPrefix, at),
            },
            Some(_) => return self.fail(ReadErrorKind::InvalidName, at),
        };
        if !chars::is_name(local) {
            return self.fail(ReadErrorKind::InvalidName, at);
        }
        if let Namespace::Other(uri) = namespace {
            self.refer(uri.len(), at)?;
        }
        let tag = self.namespaces.tag(namespace, local.as_bytes());
        Ok(tag.map_or(Name::Other(namespace, local), Name::Known))
    }

    fn refer(&mut self, bytes: usize, at: usize) -> Result<()> {
        self.referred = self.referred.saturating_add(bytes);
        if self.referred > self.limits.max_bytes {
            return self.fail(ReadErrorKind::TooMuchReferred, at);
        }
        Ok(())
    }

    /// Line ends as XML wants them. [XML §2.11]
    #[inline]
    fn lines(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        if self.carriage_returns && text.contains('\r') {
            Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
        } else {
            text
        }
    }

    fn expect_content(&self, at: usize) -> Result<()> {
        match self.place {
            Place::Content => Ok(()),
            _ => self.fail(ReadErrorKind::ContentOutsideRoot, at),
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.input.get(self.position()..).unwrap_or_default()
    }

    fn position(&self) -> usize {
        usize::try_from(self.tokens.buffer_position()).unwrap_or(usize::MAX)
    }

    #[cold]
    fn token_error(&mut self, error: &Error, at: usize) -> ReadError {
        use ReadErrorKind as Kind;
        let (kind, at) = match error {
            Error::IllFormed(IllFormedError::UnclosedReference) => (Kind::InvalidReference, at),
            Error::IllFormed(IllFormedError::MissingDoctypeName) => (Kind::InternalSubset, at),
            Error::IllFormed(_) => (Kind::MismatchedTag, at),
            Error::Syntax(SyntaxError::InvalidBangMarkup) if at + 2 < self.input.len() => {
                (Kind::InvalidMarkup, at)
            }
            // The tokenizer calls markup unclosed as well if it only looks like a section.
            Error::Syntax(_) if (at + 1..self.input.len()).contains(&self.position()) => {
                (Kind::InvalidMarkup, at)
            }
            Error::Syntax(_) => (Kind::UnexpectedEnd, self.input.len()),
            _ => match str::from_utf8(self.input) {
                Err(error) => (Kind::NotUtf8, error.valid_up_to()),
                Ok(_) => (Kind::InvalidMarkup, at),
            },
        };
        ReadError::new(kind, at + self.base)
    }

    fn shift(&self, error: ReadError, at: usize) -> ReadError {
        ReadError::new(error.kind, error.offset + at + self.base)
    }

    #[cold]
    fn fail<T>(&self, kind: ReadErrorKind, at: usize) -> Result<T> {
        Err(ReadError::new(kind, at + self.base))
    }
}

/// Text from tag to tag, as it is put together.
#[derive(Default)]
struct Run<'a> {
    text: Cow<'a, str>,
    start: usize,
    /// Whether there is more in it than literal white space.
    solid: bool,
}

impl<'a> Run<'a> {
    fn push(&mut self, at: usize, piece: Cow<'a, str>) {
        if self.text.is_empty() {
            self.start = at;
            self.text = piece;
        } else {
            self.text.to_mut().push_str(&piece);
        }
    }

    fn push_char(&mut self, at: usize, c: char) {
        if self.text.is_empty() {
            self.start = at;
        }
        self.text.to_mut().push(c);
    }
}
