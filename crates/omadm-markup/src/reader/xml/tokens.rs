//! Splits a document into tags, text and the rest. [XML §2.4]

use super::{METINF, SYNCML, markup};
use crate::{
    ReadError, ReadErrorKind, chars,
    octets::{memchr, memchr2, memchr3},
    word,
};

type Result<T> = core::result::Result<T, ReadError>;

/// A piece of a document, without what marks it as such.
#[derive(Clone, Copy, Debug)]
pub(super) enum Token<'a> {
    Start(Tag<'a>),
    /// A start tag that is an end tag as well.
    Empty(Tag<'a>),
    /// An end tag: what is in it, without the white space at its end.
    End(&'a str),
    /// Text without a reference, never empty.
    Text(&'a str),
    /// What is in a CDATA section.
    Section(&'a str),
    /// What is between `&` and `;`.
    Reference(&'a str),
    Comment(&'a str),
    /// What is between `<?` and `?>`.
    Instruction(&'a str),
    Declaration,
    Doctype,
    Eof,
}

/// A start tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag<'a> {
    /// What is there up to the first white space.
    pub(super) name: &'a str,
    /// The white space and the attributes.
    pub(super) rest: &'a str,
}

/// A start tag of a short name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Short {
    /// The name, as [`Vocabulary::tag_of_word`](crate::Vocabulary) takes it.
    pub(super) word: u64,
    pub(super) len: usize,
    /// Whether the most frequent declaration is in it.
    pub(super) declares: bool,
}

/// The name of an open element as it stands in the tag.
#[derive(Clone, Copy, Debug)]
pub(super) enum Open<'a> {
    /// One of known letters, as [`Short`] has them.
    Short {
        word: u64,
        len: usize,
    },
    Other(&'a str),
}

impl Open<'_> {
    pub(super) fn is(&self, name: &str) -> bool {
        self.octets(|it| it == name.as_bytes())
    }

    /// Whether its end tag is next, without white space, and how long the name is.
    #[inline(never)]
    fn ends(&self, octets: &[u8]) -> (bool, usize) {
        self.octets(|name| {
            let rest = octets.strip_prefix(b"</");
            let after = rest.and_then(|rest| rest.strip_prefix(name));
            let is_next = after.is_some_and(|after| after.first() == Some(&b'>'));
            (is_next, name.len())
        })
    }

    fn octets<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        match self {
            Self::Short { word, len } => look(word.to_le_bytes().get(..*len).unwrap_or_default()),
            Self::Other(name) => look(name.as_bytes()),
        }
    }
}

/// Tells tags, text and references apart; [`markup`] reads all that begins with `<!` or `<?`.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    /// The document, as far as it is UTF-8.
    text: &'a str,
    /// Whether that is all of it.
    whole: bool,
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(document: &'a [u8]) -> Self {
        let (text, whole) = chars::utf8(document);
        Self { text, whole, at: 0 }
    }

    /// The document, as far as it is UTF-8.
    pub(super) const fn text(&self) -> &'a str {
        self.text
    }

    /// Whether that is all of it.
    pub(super) const fn is_whole(&self) -> bool {
        self.whole
    }

    /// Where the next token begins.
    #[inline]
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// What is not yet read.
    #[inline]
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The octets that are not yet read.
    #[inline]
    pub(super) fn octets(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Takes a start tag of a simple name, if it is next and has nothing else in it but, perhaps,
    /// one of the two most frequent declarations.
    #[inline]
    pub(super) fn plain_start(&mut self) -> Option<Tag<'a>> {
        let inner = self.rest().strip_prefix('<')?;
        // All that can follow a name comes before the letters, but so do the digits. What else may not
        // be in one is for who takes the tag to find.
        let len = inner.bytes().position(|octet| octet < b'A')?;
        let (name, after) = inner.split_at_checked(len)?;
        let rest = match after.as_bytes() {
            [b'>', ..] => "",
            [b' ', ..] => [METINF, SYNCML].into_iter().find(|rest| {
                let after = after.strip_prefix(rest);
                after.is_some_and(|after| after.starts_with('>'))
            })?,
            _ => return None,
        };
        if name.is_empty() {
            return None;
        }
        self.at += len + rest.len() + "<>".len();
        Some(Tag { name, rest })
    }

    /// The start tag that is next, if its name has one to eight letters and there is nothing else in
    /// it but, perhaps, the most frequent declaration. Letters are what [`Tokens::plain_start`] takes
    /// for them.
    #[inline]
    pub(super) fn short_start(&self) -> Option<Short> {
        let octets = self.octets();
        let [b'<', letters @ .., _] = octets.first_chunk::<10>()? else {
            return None;
        };
        let word = u64::from_le_bytes(*letters);
        let len = word::below(word, b'A').unwrap_or(8);
        let after = octets.get(1 + len..)?;
        let declares = match after {
            [b'>', ..] => false,
            [b' ', ..] if after.strip_prefix(METINF.as_bytes())?.first() == Some(&b'>') => true,
            _ => return None,
        };
        if len == 0 {
            return None;
        }
        let word = word::prefix(word, len);
        Some(Short {
            word,
            len,
            declares,
        })
    }

    /// Takes a tag that is next.
    #[inline]
    pub(super) const fn take(&mut self, short: Short) {
        let rest = if short.declares { METINF.len() } else { 0 };
        self.at += short.len + rest + "<>".len();
    }

    /// Takes the end tag of an element, if it comes after `skipped` octets and is written without
    /// white space, and these octets.
    #[inline]
    pub(super) fn plain_end(&mut self, skipped: usize, open: &Open<'_>) -> bool {
        let octets = self.text.as_bytes().get(self.at + skipped..);
        let octets = octets.unwrap_or_default();
        let (is_next, len) = match (open, octets.first_chunk::<10>()) {
            (&Open::Short { word, len }, Some([b'<', b'/', letters @ ..])) => (
                word::prefix(u64::from_le_bytes(*letters), len) == word
                    && octets.get(2 + len) == Some(&b'>'),
                len,
            ),
            _ => open.ends(octets),
        };
        if is_next {
            self.at += skipped + len + "</>".len();
        }
        is_next
    }

    /// The text that is next, perhaps none, if a tag follows it and there is no reference and no `>`
    /// in it.
    #[inline]
    pub(super) fn plain_text(&self) -> Option<&'a str> {
        let rest = self.rest();
        let len = word::find_markup(rest.as_bytes())?;
        let (text, after) = rest.split_at_checked(len)?;
        after.starts_with('<').then_some(text)
    }

    /// Takes plain text, if an end tag follows it.
    #[inline]
    pub(super) fn take_plain_text(&mut self) -> Option<&'a str> {
        let text = self.plain_text()?;
        let octets = self.text.as_bytes();
        if octets.get(self.at + text.len() + 1) != Some(&b'/') {
            return None;
        }
        self.at += text.len();
        Some(text)
    }

    /// Takes text and the references to `<`, `>` and `&`, as far as there is nothing else.
    pub(super) fn plain_run(&mut self, decoded: &mut String) -> Result<()> {
        let start = self.at;
        self.replace(decoded);
        // No reference has `]` or `>` in it, so that one look is enough for all pieces of text.
        let run = self.text.get(start..self.at).unwrap_or_default();
        let Some(end) = section_end(run) else {
            return Ok(());
        };
        self.at = start;
        let kind = ReadErrorKind::InvalidMarkup;
        Err(ReadError::new(kind, start + end))
    }

    fn replace(&mut self, decoded: &mut String) {
        loop {
            let rest = self.rest();
            let taken = match rest.as_bytes() {
                [b'&', b'l', b't', b';', ..] => {
                    decoded.push('<');
                    "&lt;".len()
                }
                [b'&', b'g', b't', b';', ..] => {
                    decoded.push('>');
                    "&gt;".len()
                }
                [b'&', b'a', b'm', b'p', b';', ..] => {
                    decoded.push('&');
                    "&amp;".len()
                }
                [b'&' | b'<', ..] => return,
                octets => {
                    // Where there is one reference, the next one is most often near.
                    let ends = |&octet: &u8| octet == b'<' || octet == b'&';
                    let near = octets.iter().take(16).position(ends);
                    let len = near.or_else(|| memchr2(b'<', b'&', octets));
                    let Some(text) = len.and_then(|len| rest.get(..len)) else {
                        return;
                    };
                    decoded.push_str(text);
                    text.len()
                }
            };
            self.at += taken;
        }
    }

    /// The next token; after an error it is still the same. Offsets of errors are those of `text`.
    pub(super) fn next(&mut self) -> Result<Token<'a>> {
        let rest = self.rest();
        match rest.as_bytes() {
            [] if self.whole => Ok(Token::Eof),
            [b'<', b'!' | b'?', ..] => self.rare(),
            [b'<', end, ..] => {
                let ends = *end == b'/';
                let len = tag_len(rest.as_bytes()).ok_or(self.too_short())?;
                let inner = rest.get(1 + usize::from(ends)..len - 1).unwrap_or_default();
                self.at += len;
                Ok(if ends {
                    Token::End(inner.trim_end_matches(is_space))
                } else if let Some(inner) = inner.strip_suffix('/') {
                    Token::Empty(tag(inner))
                } else {
                    Token::Start(tag(inner))
                })
            }
            [b'&', name @ ..] => {
                let len = memchr3(b';', b'&', b'<', name);
                let len = len.filter(|&len| name.get(len) == Some(&b';'));
                let Some(len) = len else {
                    let kind = ReadErrorKind::InvalidReference;
                    return Err(match memchr2(b'&', b'<', name) {
                        None if !self.whole => self.too_short(),
                        _ => ReadError::new(kind, self.at),
                    });
                };
                self.at += len + 2;
                Ok(Token::Reference(rest.get(1..=len).unwrap_or_default()))
            }
            [] | [b'<'] => Err(self.too_short()),
            octets => {
                let Some(len) = self.text_len(octets) else {
                    return Err(self.too_short());
                };
                let text = rest.get(..len).unwrap_or_default();
                if let Some(end) = section_end(text) {
                    let kind = ReadErrorKind::InvalidMarkup;
                    return Err(ReadError::new(kind, self.at + end));
                }
                self.at += len;
                Ok(Token::Text(text))
            }
        }
    }

    /// How long the text is that is next, if it is known where it ends.
    fn text_len(&self, octets: &[u8]) -> Option<usize> {
        memchr2(b'<', b'&', octets).or_else(|| self.whole.then_some(octets.len()))
    }

    /// Comments, sections, instructions and declarations.
    #[cold]
    fn rare(&mut self) -> Result<Token<'a>> {
        let (token, len) = markup::read(self.rest()).map_err(|kind| match kind {
            Some(kind) => ReadError::new(kind, self.at),
            None => self.too_short(),
        })?;
        self.at += len;
        Ok(token)
    }

    /// The end came too early.
    #[cold]
    fn too_short(&self) -> ReadError {
        let kind = match self.whole {
            true => ReadErrorKind::UnexpectedEnd,
            false => ReadErrorKind::NotUtf8,
        };
        ReadError::new(kind, self.text.len())
    }
}

/// Where the end of a section is in text, which may not have it in it.
#[inline]
fn section_end(text: &str) -> Option<usize> {
    memchr(b'>', text.as_bytes())?;
    text.find("]]>")
}

/// How long the tag is that octets begin with; `>` may be in quotes.
pub(super) fn tag_len(octets: &[u8]) -> Option<usize> {
    let mut octets = octets.iter().copied().enumerate();
    loop {
        match octets.next()? {
            (at, b'>') => return Some(at + 1),
            (_, quote @ (b'"' | b'\'')) => {
                octets.find(|&(_, octet)| octet == quote)?;
            }
            _ => {}
        }
    }
}

/// A start tag by what is in it.
fn tag(inner: &str) -> Tag<'_> {
    let name = inner.find(is_space).unwrap_or(inner.len());
    let (name, rest) = inner.split_at_checked(name).unwrap_or_default();
    Tag { name, rest }
}

pub(super) fn is_space(c: char) -> bool {
    u8::try_from(c).is_ok_and(chars::is_space)
}
