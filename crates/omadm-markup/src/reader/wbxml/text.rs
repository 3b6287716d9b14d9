use std::{borrow::Cow, ffi::CStr};

use super::{Result, WbxmlReader, header::Charset};
use crate::{ReadErrorKind, chars, wbxml::token, word};

/// Character data, as it is put together.
pub(super) enum Run<'a> {
    Empty,
    Text(Cow<'a, str>),
    Octets(Cow<'a, [u8]>),
}

impl<'a> WbxmlReader<'a> {
    /// Character data up to the next tag or end: pieces next to each other are one.
    pub(super) fn run(&mut self, at: usize) -> Result<Run<'a>> {
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
    pub(super) fn string(&mut self, at: usize) -> Result<Cow<'a, str>> {
        match self.byte()? {
            token::STR_I => {
                if let Some(text) = self.inline_text(self.at) {
                    self.at += text.len() + 1;
                    return Ok(Cow::Borrowed(text));
                }
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

    /// The inline string whose first byte is at `start`, if it is UTF-8 as it should be and ends.
    ///
    /// Tags are ASCII for the most part, so that many strings and what is between them are checked
    /// at once.
    #[inline]
    pub(super) fn inline_text(&mut self, start: usize) -> Option<&'a str> {
        if self.header.charset != Charset::Utf8 {
            return None;
        }
        if start >= self.checked_at + self.checked.len() {
            self.check(start);
        }
        let rest = self.checked.get(start.checked_sub(self.checked_at)?..)?;
        let text = rest.get(..word::find_zero(rest.as_bytes())?)?;
        // An embedded document may end before what was checked.
        (start + text.len() < self.input.len()).then_some(text)
    }

    /// Checks from `start` on as far as it is UTF-8. No byte is checked again, as the next check
    /// begins where this one ended or later.
    #[inline(never)]
    fn check(&mut self, start: usize) {
        let rest = self.input.get(start..).unwrap_or_default();
        self.checked_at = start;
        (self.checked, _) = chars::utf8(rest);
    }

    /// The name a literal refers to.
    pub(super) fn literal(&mut self, at: usize) -> Result<&'a str> {
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
        self.refer(string.len(), at)?;
        Ok((string, self.header.table_at + index))
    }

    pub(super) fn refer(&mut self, bytes: usize, at: usize) -> Result<()> {
        self.referred = self.referred.saturating_add(bytes);
        if self.referred > self.limits.max_bytes {
            return self.fail(ReadErrorKind::TooMuchReferred, at);
        }
        Ok(())
    }

    /// Octets, token included.
    pub(super) fn opaque(&mut self) -> Result<&'a [u8]> {
        self.at += 1;
        let len = self.integer()? as usize;
        let rest = self.input.get(self.at..).unwrap_or_default();
        let Some((octets, _)) = rest.split_at_checked(len) else {
            return self.fail(ReadErrorKind::UnexpectedEnd, self.input.len());
        };
        self.at += len;
        Ok(octets)
    }

    pub(super) fn decode(&self, octets: &'a [u8], at: usize) -> Result<Cow<'a, str>> {
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
}

pub(super) fn into_text(octets: Cow<'_, [u8]>) -> Option<Cow<'_, str>> {
    match octets {
        Cow::Borrowed(octets) => str::from_utf8(octets).ok().map(Cow::Borrowed),
        Cow::Owned(octets) => String::from_utf8(octets).ok().map(Cow::Owned),
    }
}

pub(super) fn join<'a>(text: &mut Cow<'a, str>, piece: Cow<'a, str>) {
    if text.is_empty() {
        *text = piece;
    } else {
        text.to_mut().push_str(&piece);
    }
}
