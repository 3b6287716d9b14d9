use super::escape;
use crate::{Name, Namespace, Tag, Vocabulary, WriteError, chars};

const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// The XML side of [`crate::Writer`].
#[derive(Debug)]
pub(super) struct XmlWriter<'o> {
    out: &'o mut Vec<u8>,
    open: Stack,
    /// What is in force outside the root.
    outside: InForce,
    /// The last start tag still lacks its `>`.
    tag_open: bool,
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
    top: Option<Frame>,
    done: bool,
}

/// An open element.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Where its name is in the buffer.
    name_start: usize,
    name_len: usize,
    namespace: InForce,
    has_elements: bool,
    has_text: bool,
}

/// The namespace of names without a prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum InForce {
    None,
    Known(Vocabulary),
    /// Its name is in the buffer, as it is written.
    Other {
        start: usize,
        len: usize,
    },
}

impl<'o> XmlWriter<'o> {
    pub(super) const fn new(out: &'o mut Vec<u8>) -> Self {
        Self {
            out,
            open: Stack::new(),
            outside: InForce::None,
            tag_open: false,
            prefixes: 0,
            pretty: false,
            done: false,
        }
    }

    pub(super) const fn pretty(&mut self) {
        self.pretty = true;
    }

    pub(super) const fn within(&mut self, vocabulary: Vocabulary) {
        self.outside = InForce::Known(vocabulary);
    }

    #[inline]
    pub(super) fn start(&mut self, name: Name<'_>) -> Result<(), WriteError> {
        let outer = self.begin_child()?;
        let local = name.as_str();
        self.out.push(b'<');
        let name_start = self.out.len();
        self.out.extend_from_slice(local.as_bytes());
        let namespace = match name {
            Name::Known(tag) => {
                let namespace = InForce::Known(tag.vocabulary());
                if namespace != outer {
                    self.declare(tag.vocabulary().namespace())?;
                }
                namespace
            }
            Name::Other(namespace, local) => {
                if !chars::is_name(local) {
                    return Err(WriteError::InvalidName);
                }
                self.enter(namespace, outer)?
            }
        };
        self.open.push(Frame {
            name_start,
            name_len: local.len(),
            namespace,
            has_elements: false,
            has_text: false,
        });
        self.tag_open = true;
        self.prefixes = 0;
        Ok(())
    }

    pub(super) fn attribute(&mut self, name: Name<'_>, value: &str) -> Result<(), WriteError> {
        if !self.tag_open {
            return Err(WriteError::Misplaced);
        }
        let local = name.as_str();
        if !chars::is_name(local) || (name.namespace() == Namespace::None && local == "xmlns") {
            return Err(WriteError::InvalidName);
        }
        match name.namespace() {
            Namespace::None => self.out.push(b' '),
            Namespace::Other(XML_NAMESPACE) => self.out.extend_from_slice(b" xml:"),
            namespace => {
                self.prefixes += 1;
                let prefix = self.prefixes;
                self.out
                    .extend_from_slice(format!(" xmlns:a{prefix}=\"").as_bytes());
                escape::attribute(namespace.uri(), self.out)?;
                self.out
                    .extend_from_slice(format!("\" a{prefix}:").as_bytes());
            }
        }
        self.out.extend_from_slice(local.as_bytes());
        self.out.extend_from_slice(b"=\"");
        escape::attribute(value, self.out)?;
        self.out.push(b'"');
        Ok(())
    }

    pub(super) fn text(&mut self, text: &str) -> Result<(), WriteError> {
        if text.is_empty() {
            return Ok(());
        }
        let Some(frame) = self.open.last_mut() else {
            return Err(WriteError::Misplaced);
        };
        frame.has_text = true;
        self.close_tag();
        self.characters(text)
    }

    pub(super) fn end(&mut self) -> Result<(), WriteError> {
        let Some(frame) = self.open.pop() else {
            return Err(WriteError::Misplaced);
        };
        if self.tag_open {
            self.tag_open = false;
            self.out.extend_from_slice(b"/>");
        } else {
            if self.pretty && frame.has_elements && !frame.has_text {
                self.indent();
            }
            self.out.extend_from_slice(b"</");
            let name = frame.name_start..frame.name_start + frame.name_len;
            self.out.extend_from_within(name);
            self.out.push(b'>');
        }
        self.done = self.open.is_empty();
        Ok(())
    }

    #[inline]
    pub(super) fn element(&mut self, tag: Tag, text: &str) -> Result<(), WriteError> {
        let outer = self.begin_child()?;
        let name = tag.as_str().as_bytes();
        self.out.push(b'<');
        self.out.extend_from_slice(name);
        if InForce::Known(tag.vocabulary()) != outer {
            self.declare(tag.vocabulary().namespace())?;
        }
        if text.is_empty() {
            self.out.extend_from_slice(b"/>");
        } else {
            self.out.push(b'>');
            self.characters(text)?;
            self.out.extend_from_slice(b"</");
            self.out.extend_from_slice(name);
            self.out.push(b'>');
        }
        self.done = self.open.is_empty();
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
        self.close_tag();
        XmlMark {
            position: self.out.len(),
            depth: self.open.len(),
            top: self.open.last_mut().copied(),
            done: self.done,
        }
    }

    pub(super) fn rewind(&mut self, mark: XmlMark) {
        self.out.truncate(mark.position);
        self.open.truncate(mark.depth);
        if let (Some(frame), Some(top)) = (self.open.last_mut(), mark.top) {
            *frame = top;
        }
        self.tag_open = false;
        self.done = mark.done;
    }

    pub(super) const fn position(&self) -> usize {
        self.out.len()
    }

    pub(super) fn closing_len(&self) -> usize {
        let tags = self.open.iter().map(|frame| "</>".len() + frame.name_len);
        // The innermost tag, still open, takes `/>` alone.
        let innermost = self.open.iter().last().filter(|_| self.tag_open);
        tags.sum::<usize>() - innermost.map_or(0, |frame| "</".len() + frame.name_len - "/".len())
    }

    /// Gets ready for an element; the namespace in force there.
    #[inline]
    fn begin_child(&mut self) -> Result<InForce, WriteError> {
        let Some(parent) = self.open.last_mut() else {
            return if self.done {
                Err(WriteError::Misplaced)
            } else {
                Ok(self.outside)
            };
        };
        parent.has_elements = true;
        let (namespace, has_text) = (parent.namespace, parent.has_text);
        self.close_tag();
        if self.pretty && !has_text {
            self.indent();
        }
        Ok(namespace)
    }

    fn close_tag(&mut self) {
        if self.tag_open {
            self.tag_open = false;
            self.out.push(b'>');
        }
    }

    /// Writes text that is not empty. Nothing but white space could be taken for layout, so its
    /// first character is written as a reference.
    #[inline]
    fn characters(&mut self, text: &str) -> Result<(), WriteError> {
        if let [first, ..] = text.as_bytes()
            && chars::is_space(*first)
            && chars::is_blank(text)
        {
            self.out.extend_from_slice(format!("&#{first};").as_bytes());
            return escape::text(text.get(1..).unwrap_or_default(), self.out);
        }
        escape::text(text, self.out)
    }

    fn indent(&mut self) {
        self.out.push(b'\n');
        for _ in 0..self.open.len() {
            self.out.extend_from_slice(b"  ");
        }
    }

    /// Declares a namespace that is not one of a vocabulary, unless it is in force.
    fn enter(&mut self, namespace: Namespace<'_>, outer: InForce) -> Result<InForce, WriteError> {
        let declared = match namespace {
            Namespace::None => outer == InForce::None,
            Namespace::Known(vocabulary) => outer == InForce::Known(vocabulary),
            Namespace::Other(uri) => match outer {
                InForce::Other { start, len } => {
                    self.out.get(start..start + len) == Some(uri.as_bytes())
                }
                _ => false,
            },
        };
        if declared {
            return Ok(outer);
        }
        let start = self.out.len() + " xmlns=\"".len();
        self.declare(namespace.uri())?;
        Ok(match namespace {
            Namespace::None => InForce::None,
            Namespace::Known(vocabulary) => InForce::Known(vocabulary),
            Namespace::Other(_) => InForce::Other {
                start,
                len: self.out.len() - "\"".len() - start,
            },
        })
    }

    fn declare(&mut self, uri: &str) -> Result<(), WriteError> {
        self.out.extend_from_slice(b" xmlns=\"");
        self.uri(uri)?;
        self.out.push(b'"');
        Ok(())
    }

    fn uri(&mut self, uri: &str) -> Result<(), WriteError> {
        if !chars::is_namespace(uri) || !uri.chars().all(chars::is_allowed) {
            return Err(WriteError::InvalidName);
        }
        self.out.extend_from_slice(uri.as_bytes());
        Ok(())
    }
}

/// The open elements; a message of usual depth takes no allocation.
#[derive(Debug)]
struct Stack {
    shallow: [Frame; SHALLOW],
    deep: Vec<Frame>,
    len: usize,
}

const SHALLOW: usize = 12;

impl Stack {
    const fn new() -> Self {
        const EMPTY: Frame = Frame {
            name_start: 0,
            name_len: 0,
            namespace: InForce::None,
            has_elements: false,
            has_text: false,
        };
        Self {
            shallow: [EMPTY; SHALLOW],
            deep: Vec::new(),
            len: 0,
        }
    }

    fn push(&mut self, frame: Frame) {
        match self.shallow.get_mut(self.len) {
            Some(place) => *place = frame,
            None => self.deep.push(frame),
        }
        self.len += 1;
    }

    fn pop(&mut self) -> Option<Frame> {
        let frame = *self.last_mut()?;
        self.truncate(self.len - 1);
        Some(frame)
    }

    fn last_mut(&mut self) -> Option<&mut Frame> {
        let last = self.len.checked_sub(1)?;
        match self.shallow.get_mut(last) {
            Some(frame) => Some(frame),
            None => self.deep.last_mut(),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Frame> {
        self.shallow.iter().take(self.len).chain(&self.deep)
    }

    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.deep.truncate(self.len.saturating_sub(SHALLOW));
    }

    const fn len(&self) -> usize {
        self.len
    }

    const fn is_empty(&self) -> bool {
        self.len == 0
    }
}
