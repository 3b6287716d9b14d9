use std::borrow::Cow;

use crate::{
    Content, Event, Fragment, Limits, Name, Namespace, ReadError, ReadErrorKind, Vocabulary, chars,
};

mod attributes;
mod markup;
mod prolog;
mod tokens;

use super::{
    Child,
    namespaces::{self, Binding, Namespaces, Scope},
};
use attributes::Attributes;
use tokens::{Open, Short, Tag, Token, Tokens};

type Result<T> = core::result::Result<T, ReadError>;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// What is most often found in a start tag.
const METINF: &str = " xmlns=\"syncml:metinf\"";

/// The declaration of the root.
const SYNCML: &str = " xmlns=\"SYNCML:SYNCML1.2\"";

/// How deep messages usually are.
const USUAL_DEPTH: usize = 16;

/// The XML side of [`crate::Reader`].
#[derive(Debug)]
pub(crate) struct XmlReader<'a> {
    /// The document without a byte order mark.
    tokens: Tokens<'a>,
    /// The length of the byte order mark.
    base: usize,
    limits: Limits,
    carriage_returns: bool,
    /// Whether this is the inside of an element, not a document with a prolog and one root.
    inside: bool,
    place: Place,
    /// Where the last event begins, without `base`.
    event_start: usize,
    open: Vec<Open<'a>>,
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
        if input.starts_with(BOM) {
            return Err(ReadError::new(ReadErrorKind::ContentOutsideRoot, base));
        }
        let survey = chars::survey(input);
        if survey.suspect
            && let Some(at) = chars::first_not_allowed(input)
        {
            return Err(ReadError::new(ReadErrorKind::InvalidCharacter, base + at));
        }
        Ok(Self {
            tokens: Tokens::new(input),
            base,
            limits: limits.clone(),
            carriage_returns: survey.carriage_return,
            inside: false,
            place: Place::BeforeDoctype,
            event_start: 0,
            open: Vec::with_capacity(USUAL_DEPTH),
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
    pub(crate) const fn end_offset(&self) -> usize {
        self.tokens.at() + self.base
    }

    /// What names mean outside the root.
    pub(crate) fn outermost(&self) -> Scope<'static> {
        self.namespaces.outermost()
    }

    pub(crate) const fn depth(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn next_event(&mut self) -> Result<Option<Event<'a>>> {
        if let Some((name, value)) = self.attributes.pop() {
            return Ok(Some(Event::Attribute(name, value)));
        }
        if core::mem::take(&mut self.end_due) {
            self.end(self.event_start);
            return Ok(Some(Event::End));
        }
        match self.plain_tag() {
            Child::Known(tag) => Ok(Some(Event::Start(Name::Known(tag)))),
            Child::End => Ok(Some(Event::End)),
            Child::Other => self.any_event(),
        }
    }

    fn any_event(&mut self) -> Result<Option<Event<'a>>> {
        let at = self.tokens.at();
        // Elsewhere white space alone is no text.
        if self.fresh
            && let Some(text) = self.tokens.take_plain_text()
            && !text.is_empty()
        {
            let text = self.short_text(at, text)?;
            self.event_start = at;
            return Ok(Some(Event::Text(text)));
        }
        if let Some(Tag { name, rest }) = self.tokens.plain_start() {
            let name = self.start(at, name, rest)?;
            return Ok(Some(Event::Start(name)));
        }
        let (at, token) = self.token()?;
        self.event(at, token)
    }

    /// The short way for what nearly all tags are.
    #[inline]
    fn plain_tag(&mut self) -> Child {
        match self.tokens.octets() {
            [b'<', b'/', ..] if self.plain_end() => Child::End,
            [b'<', ..] => self.short_start().map_or(Child::Other, Child::Known),
            _ => Child::Other,
        }
    }

    /// Begins the element whose start tag is next, if that is a short one of a known name, and within
    /// the limits.
    #[inline]
    fn short_start(&mut self) -> Option<crate::Tag> {
        let at = self.tokens.at();
        let short = self.tokens.short_start()?;
        if self.open.is_empty()
            || self.open.len() >= self.limits.max_depth
            || self.elements >= self.limits.max_elements
            || (short.declares && self.limits.max_attributes == 0)
        {
            return None;
        }
        let vocabulary = match short.declares {
            true => Vocabulary::MetInf,
            false => self.namespaces.vocabulary(self.namespaces.default())?,
        };
        let tag = vocabulary.tag_of_word(short.word, short.len)?;
        self.tokens.take(short);
        self.elements += 1;
        let Short { word, len, .. } = short;
        self.open.push(Open::Short { word, len });
        if short.declares {
            self.namespaces.set_default(self.open.len(), vocabulary);
        }
        self.event_start = at;
        self.fresh = true;
        Some(tag)
    }

    /// The next child of the innermost element, or `None` at its end.
    #[inline]
    pub(crate) fn child(&mut self) -> Result<Option<Name<'a>>> {
        let between = !self.end_due && self.attributes.is_empty();
        match between.then(|| self.plain_tag()) {
            Some(Child::Known(tag)) => Ok(Some(Name::Known(tag))),
            Some(Child::End) => Ok(None),
            Some(Child::Other) | None => self.any_child(),
        }
    }

    fn any_child(&mut self) -> Result<Option<Name<'a>>> {
        if self.finish_tag() {
            return Ok(None);
        }
        loop {
            let at = self.tokens.at();
            // Short ways for the two tokens that nearly all are.
            if let Some(Tag { name, rest }) = self.tokens.plain_start() {
                return self.start(at, name, rest).map(Some);
            }
            if self.plain_end() {
                return Ok(None);
            }
            let (at, token) = self.token()?;
            match self.event(at, token)? {
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
    #[inline]
    pub(crate) fn text(&mut self) -> Result<Cow<'a, str>> {
        match self.leaf() {
            Some(text) => Ok(Cow::Borrowed(text)),
            None => self.any_text(),
        }
    }

    /// What is left of the innermost element, if that is plain text and a plain end tag.
    #[inline]
    fn leaf(&mut self) -> Option<&'a str> {
        if self.end_due || !self.attributes.is_empty() || self.carriage_returns {
            return None;
        }
        let text = self.tokens.plain_text()?;
        let at = self.tokens.at() + text.len();
        if text.len() > self.limits.max_text
            || !self.tokens.plain_end(text.len(), self.open.last()?)
        {
            return None;
        }
        self.end(at);
        Some(text)
    }

    fn any_text(&mut self) -> Result<Cow<'a, str>> {
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
    #[inline]
    pub(crate) fn content(&mut self) -> Result<Content<'a>> {
        match self.leaf() {
            Some("") => Ok(Content::Empty),
            Some(text) => Ok(Content::Text(Cow::Borrowed(text))),
            None => self.any_content(),
        }
    }

    fn any_content(&mut self) -> Result<Content<'a>> {
        let (start, outside) = (self.tokens.at(), self.open.len().saturating_sub(1));
        let mark = self.namespaces.mark();
        let (mut content, mut event) = match self.plain_text()? {
            (text, None) if text.is_empty() => return Ok(Content::Empty),
            (text, None) => return Ok(Content::Text(text)),
            (text, Some(event)) if text.is_empty() => (Content::Empty, event),
            (text, Some(event)) => (Content::Text(text), event),
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
        // Before what is declared on the element itself ends with it.
        let scope = self.namespaces.scope(mark);
        self.refer(scope.weight(), start)?;
        while self.open.len() > outside {
            self.skip()?;
        }
        let source = self.tokens.text().get(start..self.event_start);
        let source = source.unwrap_or_default().trim_ascii().as_bytes();
        Ok(Content::Fragment(Fragment::new(
            Cow::Borrowed(source),
            super::Scope::Xml(scope),
        )))
    }

    /// Everything up to the end of the innermost element.
    pub(crate) fn skip(&mut self) -> Result<()> {
        let outside = self.open.len().saturating_sub(1);
        while self.open.len() > outside {
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
        let at = self.tokens.at();
        let Some(text) = self.tokens.take_plain_text() else {
            let (at, token) = self.token()?;
            return Ok((nothing, Some(self.event(at, token)?)));
        };
        let text = self.short_text(at, text)?;
        if self.plain_end() {
            return Ok((text, None));
        }
        let (at, token) = self.token()?;
        Ok((text, Some(self.event(at, token)?)))
    }

    /// Text that begins at `at` and has no reference in it.
    #[inline]
    fn short_text(&self, at: usize, text: &'a str) -> Result<Cow<'a, str>> {
        let text = self.lines(text);
        if text.len() > self.limits.max_text {
            return self.fail(ReadErrorKind::TextTooLarge, at);
        }
        Ok(text)
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
        let at = self.tokens.at();
        match self.tokens.next() {
            Ok(token) => Ok((at, token)),
            Err(error) => Err(self.shift(error, 0)),
        }
    }

    /// Takes the end tag of the innermost element, if it is next and has nothing else in it.
    #[inline(always)]
    fn plain_end(&mut self) -> bool {
        let at = self.tokens.at();
        let is_next = self
            .open
            .last()
            .is_some_and(|open| self.tokens.plain_end(0, open));
        if is_next {
            self.end(at);
        }
        is_next
    }

    /// The event that begins with `token`, which begins at `at`.
    fn event(&mut self, mut at: usize, mut token: Token<'a>) -> Result<Option<Event<'a>>> {
        let mut run = Run::default();
        loop {
            match token {
                Token::Start(Tag { name, rest }) => {
                    return Ok(Some(Event::Start(self.start(at, name, rest)?)));
                }
                Token::End(name) => {
                    if self.open.last().is_none_or(|open| !open.is(name)) {
                        return self.fail(ReadErrorKind::MismatchedTag, at);
                    }
                    self.end(at);
                    return Ok(Some(Event::End));
                }
                Token::Empty(Tag { name, rest }) => {
                    let name = self.start(at, name, rest)?;
                    self.end_due = true;
                    return Ok(Some(Event::Start(name)));
                }
                Token::Text(text) => {
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
                Token::Section(section) => {
                    self.expect_content(at)?;
                    run.solid = true;
                    run.push(at, self.lines(section));
                }
                Token::Reference(name) => {
                    self.expect_content(at)?;
                    let c = match chars::reference(name) {
                        Some(Some(c)) => c,
                        Some(None) => return self.fail(ReadErrorKind::InvalidReference, at),
                        None => return self.fail(ReadErrorKind::UndefinedEntity, at),
                    };
                    run.solid = true;
                    let text = run.push_char(at, c);
                    if !self.carriage_returns
                        && let Err(error) = self.tokens.plain_run(text)
                    {
                        return Err(self.shift(error, 0));
                    }
                }
                Token::Comment(text) => {
                    let found = text
                        .find("--")
                        .or_else(|| text.ends_with('-').then(|| text.len() - 1));
                    if let Some(offset) = found {
                        return self.fail(ReadErrorKind::Comment, at + "<!--".len() + offset);
                    }
                }
                Token::Instruction(instruction) => {
                    if !prolog::has_target(instruction) {
                        return self.fail(ReadErrorKind::InvalidName, at + "<?".len());
                    }
                }
                Token::Declaration => self.declaration(at)?,
                Token::Doctype => self.doctype(at)?,
                Token::Eof => {
                    if !self.open.is_empty()
                        || matches!(self.place, Place::BeforeDoctype | Place::BeforeRoot)
                    {
                        return self.fail(ReadErrorKind::UnexpectedEnd, self.tokens.at());
                    }
                    if run.text.is_empty() {
                        self.event_start = self.tokens.at();
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
        let ends = match self.tokens.rest().as_bytes() {
            [b'<', b'/', ..] => true,
            [b'<', b'!' | b'?', ..] => return Ok(None),
            [b'<', ..] => false,
            [] if self.tokens.is_whole() => true,
            _ => return Ok(None),
        };
        let run = std::mem::take(run);
        if run.solid || (ends && self.fresh) {
            self.event_start = run.start;
            return Ok(Some(run.text));
        }
        Ok(None)
    }

    /// Begins the element whose tag was just read and begins at `at`.
    #[inline]
    fn start(&mut self, at: usize, name: &'a str, rest: &'a str) -> Result<Name<'a>> {
        if self.open.is_empty() {
            if self.place == Place::AfterRoot {
                return self.fail(ReadErrorKind::ContentOutsideRoot, at);
            }
            self.place = Place::Content;
        }
        self.elements += 1;
        if self.elements > self.limits.max_elements {
            return self.fail(ReadErrorKind::TooManyElements, at);
        }
        if self.open.len() >= self.limits.max_depth {
            return self.fail(ReadErrorKind::TooDeep, at);
        }
        self.open.push(Open::Other(name));
        let may_declare = self.limits.max_attributes > 0;
        match rest {
            "" => {}
            // By far the most frequent declaration.
            METINF if may_declare => {
                self.namespaces
                    .set_default(self.open.len(), Vocabulary::MetInf);
            }
            SYNCML if may_declare => {
                self.namespaces
                    .set_default(self.open.len(), Vocabulary::SyncMl);
            }
            rest if rest.trim_ascii_start().is_empty() => {}
            _ if name.is_empty() => {}
            rest => self.declare(at + 1 + name.len(), rest)?,
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
        self.namespaces.leave(self.open.len());
        self.open.pop();
        if self.open.is_empty() && !self.inside {
            self.place = Place::AfterRoot;
        }
        self.fresh = false;
    }

    /// Reads the attributes of a tag: binds its namespaces, keeps the others.
    fn declare(&mut self, at: usize, rest: &'a str) -> Result<()> {
        let mut plain = Vec::new();
        let mut count = 0;
        for attribute in Attributes::new(rest.as_bytes()) {
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
            let bound = (attribute.name != "xmlns").then_some(local);
            if !namespaces::may_bind(bound, attribute.value) {
                return self.fail(ReadErrorKind::InvalidAttribute, at + attribute.name_at);
            }
            let namespace = Namespace::from_uri(attribute.value);
            let max = self.limits.max_attributes;
            let kind = match self.namespaces.bind(self.open.len(), local, namespace, max) {
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
    fn element_name(&mut self, name: &'a str, at: usize) -> Result<Name<'a>> {
        if self.open.len() == 1 && !self.inside && !name.contains(':') {
            self.namespaces.set_root(name.as_bytes());
        }
        let namespace = self.namespaces.default();
        if let Some(tag) = self.namespaces.tag(namespace, name.as_bytes()) {
            return Ok(Name::Known(tag));
        }
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
    fn lines(&self, text: &'a str) -> Cow<'a, str> {
        match self.carriage_returns {
            true => lines(text),
            false => Cow::Borrowed(text),
        }
    }

    fn expect_content(&self, at: usize) -> Result<()> {
        match self.place {
            Place::Content => Ok(()),
            _ => self.fail(ReadErrorKind::ContentOutsideRoot, at),
        }
    }

    fn shift(&self, error: ReadError, at: usize) -> ReadError {
        ReadError::new(error.kind, error.offset + at + self.base)
    }

    #[cold]
    fn fail<T>(&self, kind: ReadErrorKind, at: usize) -> Result<T> {
        Err(ReadError::new(kind, at + self.base))
    }
}

#[inline(never)]
fn lines(text: &str) -> Cow<'_, str> {
    let mut lines = String::new();
    let mut rest = text;
    while let Some((line, after)) = rest.split_once('\r') {
        lines.push_str(line);
        lines.push('\n');
        rest = after.strip_prefix('\n').unwrap_or(after);
    }
    if lines.is_empty() {
        return Cow::Borrowed(text);
    }
    lines.push_str(rest);
    Cow::Owned(lines)
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

    /// The text is where more can be added.
    fn push_char(&mut self, at: usize, c: char) -> &mut String {
        if self.text.is_empty() {
            self.start = at;
        }
        let text = self.text.to_mut();
        text.push(c);
        text
    }
}
