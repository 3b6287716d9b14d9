//! What is recognised on sight: the tags and texts that messages are nearly all made of.

use std::{borrow::Cow, io::BufRead};

use super::XmlReader;
use crate::{Name, Namespace, Vocabulary, chars};

/// By far the most frequent attribute, and what ends its tag.
const IN_METINF: &[u8] = b" xmlns=\"syncml:metinf\">";

/// How long a text is looked through for its end. The tokenizer is faster on long ones.
const SHORT: usize = 64;

/// How long a reference is looked through for its end.
const LONGEST: usize = 12;

impl<'a> XmlReader<'a> {
    /// Reads the tag that follows at once if it is plain: the end of the innermost element, which
    /// is `None`, or the beginning of a known one, without attributes but for the declaration that
    /// each child of `Meta` has.
    #[inline]
    pub(super) fn plain_tag(&mut self) -> Option<Option<Name<'a>>> {
        if !self.between || self.depth == 0 {
            return None;
        }
        let (at, rest) = (self.position(), self.rest());
        if let [b'<', b'/', tag @ ..] = rest {
            let len = self.end_tag(tag)?;
            self.step(len);
            self.end(at);
            return Some(None);
        }
        let rest = rest.strip_prefix(b"<")?;
        let len = rest.iter().position(|byte| !byte.is_ascii_alphanumeric())?;
        let (name, after) = rest.split_at_checked(len)?;
        let (namespace, closing, empty) = match after {
            [b'>', ..] => (self.namespaces.default(), ">".len(), false),
            [b'/', b'>', ..] => (self.namespaces.default(), "/>".len(), true),
            after if after.starts_with(IN_METINF) => {
                (Namespace::Known(Vocabulary::MetInf), IN_METINF.len(), false)
            }
            _ => return None,
        };
        let tag = self.namespaces.tag(namespace, name)?;
        if self.elements == self.limits.max_elements || self.depth == self.limits.max_depth {
            return None;
        }
        self.step("<".len() + len + closing);
        self.elements += 1;
        self.depth += 1;
        self.names.push((at + 1, len));
        if closing == IN_METINF.len() {
            self.namespaces.set_default(self.depth, Vocabulary::MetInf);
        }
        self.event_start = at;
        self.fresh = true;
        self.end_due = empty;
        Some(Some(Name::Known(tag)))
    }

    /// Reads the text that follows at once, with the end tag of the innermost element behind it, if
    /// there is nothing else before that tag and the text is short or has references.
    #[inline]
    pub(super) fn plain_text(&mut self) -> Option<Cow<'a, str>> {
        if !self.between || self.depth == 0 {
            return None;
        }
        let (at, rest) = (self.position(), self.rest());
        let near = rest.get(..SHORT).unwrap_or(rest);
        let len = near.iter().position(ends_text)?;
        let (piece, after) = rest.split_at_checked(len)?;
        let text = Cow::Borrowed(str::from_utf8(piece).ok()?);
        let (text, after) = match after {
            [b'&', ..] => resolve(text, after)?,
            after => (text, after),
        };
        if text.len() > self.limits.max_text {
            return None;
        }
        let len = rest.len() - after.len();
        let tag_len = self.end_tag(after.strip_prefix(b"</")?)?;
        self.step(len + tag_len);
        self.end(at + len);
        Some(text)
    }

    /// The length of the innermost element's end tag, whose `</` is followed by `name`.
    #[inline]
    fn end_tag(&self, name: &[u8]) -> Option<usize> {
        let innermost = self.innermost()?;
        match name.strip_prefix(innermost)? {
            [b'>', ..] => Some("</>".len() + innermost.len()),
            _ => None,
        }
    }

    /// Lets the tokenizer step over bytes.
    #[inline]
    fn step(&mut self, len: usize) {
        self.tokens.stream().consume(len);
    }
}

/// Whether plain text ends before the byte; a line end may have to be normalised.
fn ends_text(byte: &u8) -> bool {
    matches!(byte, b'<' | b'&' | b'\r')
}

/// Text that goes on with references, and what follows it.
fn resolve<'a>(mut text: Cow<'a, str>, mut rest: &'a [u8]) -> Option<(Cow<'a, str>, &'a [u8])> {
    while let [b'&', after @ ..] = rest {
        let len = after.iter().take(LONGEST).position(|&byte| byte == b';')?;
        let (name, after) = after.split_at_checked(len)?;
        text.to_mut()
            .push(chars::reference(str::from_utf8(name).ok()?)??);
        let after = after.strip_prefix(b";")?;
        let (piece, after) = after.split_at_checked(after.iter().position(ends_text)?)?;
        text.to_mut().push_str(str::from_utf8(piece).ok()?);
        rest = after;
    }
    Some((text, rest))
}
