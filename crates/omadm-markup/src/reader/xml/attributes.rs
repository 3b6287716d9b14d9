//! The attributes of one start tag. [XML §3.1]

use std::borrow::Cow;

use crate::{ReadError, ReadErrorKind, chars};

/// One attribute as it stands; offsets count from the end of the tag's name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    pub(super) name: &'a str,
    pub(super) name_at: usize,
    /// What is between the quotes.
    pub(super) value: &'a str,
    pub(super) value_at: usize,
}

/// Goes through what follows the name in a start tag or XML declaration; ends after an error.
#[derive(Debug)]
pub(super) struct Attributes<'a> {
    source: &'a [u8],
    at: usize,
}

impl<'a> Attributes<'a> {
    pub(super) const fn new(source: &'a [u8]) -> Self {
        Self { source, at: 0 }
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.source.get(self.at..).unwrap_or_default();
        let len = rest.iter().position(|&byte| !accept(byte));
        let taken = rest.get(..len.unwrap_or(rest.len())).unwrap_or_default();
        self.at += taken.len();
        taken
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.source.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte
    }

    fn read(&mut self) -> Result<Option<Attribute<'a>>, ReadError> {
        let spaces = self.take_while(chars::is_space).len();
        let name_at = self.at;
        let name = self.take_while(|byte| byte != b'=' && !chars::is_space(byte));
        if name.is_empty() && self.at == self.source.len() {
            return Ok(None);
        }
        let invalid = Err(ReadError::new(ReadErrorKind::InvalidAttribute, name_at));
        if spaces == 0 || name.is_empty() {
            return invalid;
        }
        self.take_while(chars::is_space);
        if self.take() != Some(b'=') {
            return invalid;
        }
        self.take_while(chars::is_space);
        let Some(quote @ (b'"' | b'\'')) = self.take() else {
            return invalid;
        };
        let value_at = self.at;
        let value = self.take_while(|byte| byte != quote);
        if self.take().is_none() || value.contains(&b'<') {
            return invalid;
        }
        // The tokenizer has checked the tag as a whole.
        let (Ok(name), Ok(value)) = (str::from_utf8(name), str::from_utf8(value)) else {
            return Err(ReadError::new(ReadErrorKind::NotUtf8, name_at));
        };
        Ok(Some(Attribute {
            name,
            name_at,
            value,
            value_at,
        }))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let attribute = self.read();
        if attribute.is_err() {
            self.source = &[];
        }
        attribute.transpose()
    }
}

/// The value of an attribute: references resolved, white space normalised. [XML §3.3.3]
pub(super) fn decode(value: &str) -> Result<Cow<'_, str>, ReadError> {
    let special = |byte: u8| matches!(byte, b'&' | b'\t' | b'\n' | b'\r');
    if !value.bytes().any(special) {
        return Ok(Cow::Borrowed(value));
    }
    let mut decoded = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.bytes().position(special) {
        let (before, from) = rest.split_at_checked(at).unwrap_or_default();
        decoded.push_str(before);
        rest = if let Some(after) = from.strip_prefix('&') {
            let error = |kind| ReadError::new(kind, value.len() - from.len());
            let (name, after) = after
                .split_once(';')
                .ok_or_else(|| error(ReadErrorKind::InvalidReference))?;
            match chars::reference(name) {
                Some(Some(c)) => decoded.push(c),
                Some(None) => return Err(error(ReadErrorKind::InvalidReference)),
                None => return Err(error(ReadErrorKind::UndefinedEntity)),
            }
            after
        } else {
            decoded.push(' ');
            let line_end = from.strip_prefix("\r\n");
            line_end.or_else(|| from.get(1..)).unwrap_or_default()
        };
    }
    decoded.push_str(rest);
    Ok(Cow::Owned(decoded))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(source: &str) -> Result<Vec<(&str, &str)>, ReadError> {
        let attributes = Attributes::new(source.as_bytes());
        attributes.map(|a| a.map(|a| (a.name, a.value))).collect()
    }

    #[test]
    fn attributes_are_split_with_their_offsets() {
        assert_eq!(
            all(" a=\"1\"\n b = '\"' "),
            Ok(vec![("a", "1"), ("b", "\"")])
        );
        assert_eq!(all(" "), Ok(vec![]));
        let mut attributes = Attributes::new(b"  name = 'x'");
        let attribute = attributes.next().unwrap().unwrap();
        assert_eq!((attribute.name_at, attribute.value_at), (2, 10));
        assert!(attributes.next().is_none());
    }

    #[test]
    fn malformed_attributes_have_the_offset_of_their_name() {
        for (source, offset) in [
            (" a", 1),
            (" a=", 1),
            (" a=b", 1),
            (" a=\"b", 1),
            (" a=\"<\"", 1),
            (" =\"b\"", 1),
            (" a=\"1\"b=\"2\"", 6),
            (" a='1' b", 7),
        ] {
            let expected = ReadError::new(ReadErrorKind::InvalidAttribute, offset);
            assert_eq!(all(source), Err(expected), "{source}");
        }
    }

    #[test]
    fn values_are_normalised_but_referenced_white_space_stays() {
        assert_eq!(decode("plain").unwrap(), "plain");
        assert_eq!(
            decode("a\tb\r\nc\rd&#9;&#xD;&lt;é&gt;é").unwrap(),
            "a b c d\t\r<é>é"
        );
        for (value, kind, offset) in [
            ("é&", ReadErrorKind::InvalidReference, 2),
            ("a&#0;", ReadErrorKind::InvalidReference, 1),
            ("ab&x;", ReadErrorKind::UndefinedEntity, 2),
        ] {
            assert_eq!(decode(value), Err(ReadError::new(kind, offset)));
        }
    }
}
