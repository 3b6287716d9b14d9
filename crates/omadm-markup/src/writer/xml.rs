use std::ops::Range;

use super::escape;
use crate::{Name, Namespace, Tag, Vocabulary, WriteError, chars};

/// The XML side of [`crate::Writer`].
#[derive(Debug)]
pub(super) struct XmlWriter<'o> {
    out: &'o mut Vec<u8>,
    open: Stack,
    others: Vec<Other>,
    /// Attributes of the open tag with a prefix of their own.
    prefixes: usize,
    pretty: bool,
    done: bool,
}

/// A place to come back to.
#[derive(Clone, Copy, Debug)]
pub(super) struct XmlMark {
    position: usize,
    depth: usize,
    others: usize,
    innermost: Frame,
    done: bool,
}

/// An open element.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Where its content begins; as long as there is none, the `>` before can be taken back.
    content: usize,
    /// Its name; none for the last of the others.
    tag: Option<Tag>,
    namespace: InForce,
    /// What is in it, noted only when it is written for people.
    has_elements: bool,
    has_text: bool,
}

/// The namespace of names without a prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum InForce {
    None,
    Known(Vocabulary),
    /// That of the last of the others.
    Other,
}

/// An open element whose name is not known: where its name and that of its namespace, as they are
/// written, stand in the buffer.
#[derive(Clone, Debug)]
struct Other {
    name: Range<usize>,
    namespace: Range<usize>,
}

impl<'o> XmlWriter<'o> {
    pub(super) const fn new(out: &'o mut Vec<u8>) -> Self {
        Self {
            out,
            open: Stack::new(),
            others: Vec::new(),
            prefixes: 0,
            pretty: false,
            done: false,
        }
    }

    pub(super) const fn pretty(&mut self) {
        self.pretty = true;
    }

    pub(super) const fn within(&mut self, vocabulary: Vocabulary) {
        self.open.innermost.namespace = InForce::Known(vocabulary);
    }

    #[inline]
    pub(super) fn start(&mut self, name: Name<'_>) -> Result<(), WriteError> {
        let (tag, namespace) = match name {
            Name::Known(tag) => {
                let declares = self.begin_known(tag)?;
                start_tag(tag, declares, self.out);
                (Some(tag), InForce::Known(tag.vocabulary()))
            }
            Name::Other(namespace, local) => (None, self.start_other(namespace, local)?),
        };
        self.open.push(Frame {
            content: self.out.len(),
            tag,
            namespace,
            has_elements: false,
            has_text: false,
        });
        Ok(())
    }

    /// Writes the start tag of another element; the namespace in force in it. That of the prefix
    /// `xml` cannot be declared as the default. [XML-Names §3]
    fn start_other(
        &mut self,
        namespace: Namespace<'_>,
        local: &str,
    ) -> Result<InForce, WriteError> {
        if !chars::is_name(local) {
            return Err(WriteError::InvalidName);
        }
        let outer = self.begin_child()?;
        let has_prefix = namespace == Namespace::Other(chars::XML_NAMESPACE);
        self.out.push(b'<');
        let start = self.out.len();
        if has_prefix {
            self.out.extend_from_slice(b"xml:");
        }
        self.out.extend_from_slice(local.as_bytes());
        let name = start..self.out.len();
        let inner = match namespace {
            _ if has_prefix => outer,
            Namespace::None => InForce::None,
            Namespace::Known(vocabulary) => InForce::Known(vocabulary),
            Namespace::Other(_) => InForce::Other,
        };
        let declared = has_prefix
            || inner == outer && (inner != InForce::Other || self.in_force(namespace.uri()));
        let namespace = if declared {
            self.others
                .last()
                .map_or(0..0, |other| other.namespace.clone())
        } else {
            self.out.extend_from_slice(b" xmlns=\"");
            let start = self.out.len();
            self.uri(namespace.uri())?;
            let end = self.out.len();
            self.out.push(b'"');
            start..end
        };
        self.others.push(Other { name, namespace });
        self.out.push(b'>');
        Ok(inner)
    }

    /// Whether the namespace of the last of the others has that name.
    fn in_force(&self, uri: &str) -> bool {
        let namespace = self.others.last().map(|other| other.namespace.clone());
        namespace.is_some_and(|range| self.out.get(range) == Some(uri.as_bytes()))
    }

    pub(super) fn attribute(&mut self, name: Name<'_>, value: &str) -> Result<(), WriteError> {
        if self.open.is_empty() || self.open.innermost.content != self.out.len() {
            return Err(WriteError::Misplaced);
        }
        let local = name.as_str();
        if !chars::is_name(local) || (name.namespace() == Namespace::None && local == "xmlns") {
            return Err(WriteError::InvalidName);
        }
        self.out.pop();
        match name.namespace() {
            Namespace::None => self.out.push(b' '),
            Namespace::Other(chars::XML_NAMESPACE) => self.out.extend_from_slice(b" xml:"),
            namespace => {
                self.prefixes += 1;
                let prefix = self.prefixes;
                self.out
                    .extend_from_slice(format!(" xmlns:a{prefix}=\"").as_bytes());
                self.uri(namespace.uri())?;
                self.out
                    .extend_from_slice(format!("\" a{prefix}:").as_bytes());
            }
        }
        self.out.extend_from_slice(local.as_bytes());
        self.out.extend_from_slice(b"=\"");
        escape::attribute(value, self.out)?;
        self.out.extend_from_slice(b"\">");
        self.open.innermost.content = self.out.len();
        Ok(())
    }

    pub(super) fn text(&mut self, text: &str) -> Result<(), WriteError> {
        if text.is_empty() {
            return Ok(());
        }
        if self.open.is_empty() {
            return Err(WriteError::Misplaced);
        }
        if self.pretty {
            self.open.innermost.has_text = true;
        }
        characters(text, self.out)
    }

    #[inline]
    pub(super) fn end(&mut self) -> Result<(), WriteError> {
        let Some(frame) = self.open.pop() else {
            return Err(WriteError::Misplaced);
        };
        self.done = self.open.is_empty();
        let is_empty = frame.content == self.out.len();
        if is_empty {
            make_empty(self.out);
        } else if self.pretty && frame.has_elements && !frame.has_text {
            self.indent();
        }
        match frame.tag {
            Some(tag) if !is_empty => end_tag(tag, self.out),
            Some(_) => {}
            None => self.end_other(is_empty),
        }
        Ok(())
    }

    /// Writes the end tag of the last of the others, unless it is empty.
    fn end_other(&mut self, is_empty: bool) {
        if let Some(other) = self.others.pop()
            && !is_empty
        {
            self.out.extend_from_slice(b"</");
            self.out.extend_from_within(other.name);
            self.out.push(b'>');
        }
    }

    #[inline]
    pub(super) fn element(&mut self, tag: Tag, text: &str) -> Result<(), WriteError> {
        let declares = self.begin_known(tag)?;
        self.done = self.open.is_empty();
        leaf(tag, declares, text, self.out)
    }

    #[inline]
    pub(super) fn number(&mut self, tag: Tag, number: u64) -> Result<(), WriteError> {
        let declares = self.begin_known(tag)?;
        self.done = self.open.is_empty();
        number_leaf(tag, declares, number, self.out);
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), WriteError> {
        if self.pretty && self.done {
            self.out.push(b'\n');
        }
        if self.done {
            Ok(())
        } else {
            Err(WriteError::Misplaced)
        }
    }

    pub(super) fn mark(&mut self) -> XmlMark {
        XmlMark {
            position: self.out.len(),
            depth: self.open.len(),
            others: self.others.len(),
            innermost: self.open.innermost,
            done: self.done,
        }
    }

    pub(super) fn rewind(&mut self, mark: XmlMark) {
        self.out.truncate(mark.position);
        self.open.truncate(mark.depth, mark.innermost);
        self.others.truncate(mark.others);
        self.done = mark.done;
    }

    pub(super) const fn position(&self) -> usize {
        self.out.len()
    }

    pub(super) fn closing_len(&self) -> usize {
        let mut others = self.others.iter();
        let len = |frame: &Frame| {
            let name_len = match frame.tag {
                Some(tag) => tag.as_str().len(),
                None => others.next().map_or(0, |other| other.name.len()),
            };
            if frame.content == self.out.len() {
                "/".len()
            } else {
                "</>".len() + name_len
            }
        };
        self.open.iter().map(len).sum()
    }

    /// Gets ready for a known element; whether it declares its namespace.
    #[inline]
    fn begin_known(&mut self, tag: Tag) -> Result<bool, WriteError> {
        Ok(self.begin_child()? != InForce::Known(tag.vocabulary()))
    }

    /// Gets ready for an element; the namespace in force there.
    #[inline]
    fn begin_child(&mut self) -> Result<InForce, WriteError> {
        if self.done {
            return Err(WriteError::Misplaced);
        }
        if self.pretty {
            self.begin_line();
        }
        Ok(self.open.innermost.namespace)
    }

    #[cold]
    fn begin_line(&mut self) {
        if !self.open.is_empty() && !self.open.innermost.has_text {
            self.indent();
        }
        self.open.innermost.has_elements = true;
    }

    #[cold]
    fn indent(&mut self) {
        self.out.push(b'\n');
        for _ in 0..self.open.len() {
            self.out.extend_from_slice(b"  ");
        }
    }

    fn uri(&mut self, uri: &str) -> Result<(), WriteError> {
        if !chars::is_namespace(uri) || !uri.chars().all(chars::is_allowed) {
            return Err(WriteError::InvalidName);
        }
        self.out.extend_from_slice(uri.as_bytes());
        Ok(())
    }
}

// What is written to the buffer in one go is in functions that are given nothing else, so that its
// length is not stored and loaded again after each piece.

/// Writes an element with nothing but text in it.
#[inline]
fn leaf(tag: Tag, declares: bool, text: &str, out: &mut Vec<u8>) -> Result<(), WriteError> {
    start_tag(tag, declares, out);
    if text.is_empty() {
        make_empty(out);
    } else {
        characters(text, out)?;
        end_tag(tag, out);
    }
    Ok(())
}

/// Writes an element with nothing but a number in it.
#[inline]
fn number_leaf(tag: Tag, declares: bool, number: u64, out: &mut Vec<u8>) {
    start_tag(tag, declares, out);
    super::push_digits(number, out);
    end_tag(tag, out);
}

#[inline]
fn start_tag(tag: Tag, declares: bool, out: &mut Vec<u8>) {
    let spelling = tag.spelling();
    let end = out.len() + spelling.len + "<>".len();
    out.extend_from_slice(spelling.start);
    out.truncate(end);
    if declares {
        out.pop();
        declare(tag.vocabulary(), out);
    }
}

/// Declares the namespace of a vocabulary as the last of a start tag.
fn declare(vocabulary: Vocabulary, out: &mut Vec<u8>) {
    if vocabulary == Vocabulary::MetInf {
        // By far the most frequent one.
        out.extend_from_slice(b" xmlns=\"syncml:metinf\">");
        return;
    }
    for piece in [" xmlns=\"", vocabulary.namespace(), "\">"] {
        out.extend_from_slice(piece.as_bytes());
    }
}

#[inline]
fn end_tag(tag: Tag, out: &mut Vec<u8>) {
    let spelling = tag.spelling();
    let end = out.len() + spelling.len + "</>".len();
    let [_, rest @ ..] = spelling.start;
    out.extend_from_slice(b"</");
    out.extend_from_slice(rest);
    out.truncate(end);
}

/// Makes the start tag just written one of an empty element.
#[inline]
fn make_empty(out: &mut Vec<u8>) {
    out.pop();
    out.extend_from_slice(b"/>");
}

/// Writes text that is not empty.
#[inline]
fn characters(text: &str, out: &mut Vec<u8>) -> Result<(), WriteError> {
    match text.as_bytes() {
        [..=b' ', ..] => characters_after_blank(text, out),
        text => escape::text(text, out),
    }
}

/// Writes text that may be nothing but white space, which could be taken for layout: its first
/// character is then written as a reference.
#[cold]
fn characters_after_blank(text: &str, out: &mut Vec<u8>) -> Result<(), WriteError> {
    match text.as_bytes() {
        [first, rest @ ..] if chars::is_blank(text) => {
            out.extend_from_slice(format!("&#{first};").as_bytes());
            escape::text(rest, out)
        }
        text => escape::text(text, out),
    }
}

/// The open elements; a message of usual depth takes no allocation.
#[derive(Debug)]
struct Stack {
    /// The innermost element, or what is outside the root.
    innermost: Frame,
    /// What is around it, from the outside on.
    shallow: [Frame; SHALLOW],
    deep: Vec<Frame>,
    len: usize,
}

const SHALLOW: usize = 12;

impl Stack {
    const fn new() -> Self {
        const EMPTY: Frame = Frame {
            content: 0,
            tag: None,
            namespace: InForce::None,
            has_elements: false,
            has_text: false,
        };
        Self {
            innermost: EMPTY,
            shallow: [EMPTY; SHALLOW],
            deep: Vec::new(),
            len: 0,
        }
    }

    #[inline]
    fn push(&mut self, frame: Frame) {
        match self.shallow.get_mut(self.len) {
            Some(place) => *place = self.innermost,
            None => self.deep.push(self.innermost),
        }
        self.innermost = frame;
        self.len += 1;
    }

    #[inline]
    fn pop(&mut self) -> Option<Frame> {
        let len = self.len.checked_sub(1)?;
        let outer = match self.shallow.get(len) {
            Some(frame) => *frame,
            None => self.deep.pop()?,
        };
        self.len = len;
        Some(core::mem::replace(&mut self.innermost, outer))
    }

    /// The elements, from the outside on.
    fn iter(&self) -> impl Iterator<Item = &Frame> {
        let outer = self.shallow.iter().take(self.len).chain(&self.deep);
        outer.chain([&self.innermost]).skip(1)
    }

    /// Goes back to where so many elements were open.
    fn truncate(&mut self, len: usize, innermost: Frame) {
        self.len = len;
        self.deep.truncate(len.saturating_sub(SHALLOW));
        self.innermost = innermost;
    }

    #[inline]
    const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    const fn is_empty(&self) -> bool {
        self.len == 0
    }
}
