use std::{
    borrow::Cow,
    fmt::{self, Write},
};

use crate::ParamsErrorKind;

/// The text a value stands for. An error says at which byte of the value it is.
pub(crate) fn decode(value: &str) -> Result<Cow<'_, str>, (ParamsErrorKind, usize)> {
    let Some(first) = value.find('%') else {
        return Ok(Cow::Borrowed(value));
    };
    let mut octets = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&octet, after)) = rest.split_first() {
        if octet == b'%' {
            let at = value.len() - rest.len();
            let (decoded, after) = escape(after).ok_or((ParamsErrorKind::BadEscape, at))?;
            octets.push(decoded);
            rest = after;
        } else {
            octets.push(octet);
            rest = after;
        }
    }
    String::from_utf8(octets)
        .map(Cow::Owned)
        .map_err(|_| (ParamsErrorKind::NotUtf8, first))
}

/// The octet two hexadecimal digits stand for, and what follows them.
fn escape(digits: &[u8]) -> Option<(u8, &[u8])> {
    let (&[high, low], rest) = digits.split_first_chunk()?;
    Some((hex(high)? << 4 | hex(low)?, rest))
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// A text written as a value: escapes only where the grammar needs them.
pub(crate) struct Encoded<'a>(pub(crate) &'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0;
        let inner = text.len() - text.trim_start().len()..text.trim_end().len();
        for (at, c) in text.char_indices() {
            let edge = c.is_whitespace() && !inner.contains(&at);
            if edge || c.is_control() || matches!(c, '%' | '&' | '=') {
                for octet in c.encode_utf8(&mut [0; 4]).bytes() {
                    write!(f, "%{octet:02X}")?;
                }
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}
