//! What XML says about single characters. [XML §2.2]

use crate::octets;

/// The namespace of the prefix `xml`. [XML-Names §3]
pub(crate) const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// The namespace of the prefix `xmlns`, which nothing else can be in. [XML-Names §3]
const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";

/// XML's white space.
pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether it is white space from end to end.
pub(crate) fn is_blank(text: &str) -> bool {
    text.bytes().all(is_space)
}

/// Whether XML can carry the character.
pub(crate) const fn is_allowed(c: char) -> bool {
    !matches!(c, '\0'..='\x08' | '\x0B' | '\x0C' | '\x0E'..='\x1F' | '\u{FFFE}' | '\u{FFFF}')
}

/// Whether it may be the name of an element or attribute, without a prefix.
///
/// Among ASCII this is the rule of XML; any other character passes.
pub(crate) fn is_name(name: &str) -> bool {
    let starts = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii();
    let follows = |byte: u8| starts(byte) || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    match name.as_bytes() {
        [first, rest @ ..] => starts(*first) && rest.iter().all(|&byte| follows(byte)),
        [] => false,
    }
}

/// Whether a namespace can be declared, with its name written as it is, as that of any URI can.
pub(crate) fn is_namespace(uri: &str) -> bool {
    let refused = |byte| byte < b' ' || matches!(byte, b'&' | b'<' | b'>' | b'"');
    !uri.bytes().any(refused) && uri != XMLNS_NAMESPACE
}

/// As much from the beginning as is UTF-8, and whether that is all.
pub(crate) fn utf8(bytes: &[u8]) -> (&str, bool) {
    match octets::from_utf8(bytes) {
        Ok(text) => (text, true),
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            (str::from_utf8(valid).unwrap_or_default(), false)
        }
    }
}

/// What one look over a whole document finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Survey {
    /// There may be a character that is not allowed.
    pub(crate) suspect: bool,
    /// There is a carriage return.
    pub(crate) carriage_return: bool,
}

/// Looks over a document, many bytes at a time.
pub(crate) fn survey(bytes: &[u8]) -> Survey {
    let mut found = Survey {
        suspect: false,
        carriage_return: false,
    };
    // Minimum and maximum of a block take one instruction for many bytes, and settle most blocks.
    for block in bytes.chunks(512) {
        let extremes = |(low, high): (u8, u8), &byte: &u8| (byte.min(low), byte.max(high));
        let (low, high) = block.iter().fold((u8::MAX, 0), extremes);
        if low < b' ' || high >= 0xEF {
            survey_block(block, &mut found);
        }
    }
    found
}

fn survey_block(block: &[u8], found: &mut Survey) {
    for &byte in block {
        let control = (byte < b' ') & (byte != b'\t') & (byte != b'\n') & (byte != b'\r');
        // U+FFFE and U+FFFF are EF BF BE and EF BF BF.
        found.suspect |= control | (byte == 0xEF);
        found.carriage_return |= byte == b'\r';
    }
}

/// The offset of the first character that is not allowed, taking the bytes for UTF-8.
pub(crate) fn first_not_allowed(bytes: &[u8]) -> Option<usize> {
    bytes.iter().enumerate().position(|(at, &byte)| match byte {
        b'\t' | b'\n' | b'\r' => false,
        0xEF => matches!(bytes.get(at + 1..at + 3), Some([0xBF, 0xBE | 0xBF])),
        _ => byte < b' ',
    })
}

/// The character a reference stands for, without its `&` and `;`.
///
/// `None` is an entity nobody defined, `Some(None)` a malformed reference or one to a character
/// that is not allowed.
pub(crate) fn reference(name: &str) -> Option<Option<char>> {
    let digits = match name {
        "lt" => return Some(Some('<')),
        "gt" => return Some(Some('>')),
        "amp" => return Some(Some('&')),
        "apos" => return Some(Some('\'')),
        "quot" => return Some(Some('"')),
        _ => match name.strip_prefix('#') {
            Some(digits) => digits,
            None if is_name(name) => return None,
            None => return Some(None),
        },
    };
    let (digits, radix) = match digits.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (digits, 10),
    };
    if digits.starts_with('+') {
        return Some(None);
    }
    let number = u32::from_str_radix(digits, radix).ok();
    Some(number.and_then(char::from_u32).filter(|&c| is_allowed(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_xml() {
        for good in ["a", "_", "LocURI", "a-b.c_9", "größe", "日本"] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "", "9a", "-a", ".a", "a b", "a:b", "a/b", "a<", "a\"", "a=", "a&", "a\u{7f}",
        ] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn the_survey_and_the_search_agree_with_the_rule() {
        for c in (0..0x1_0000).filter_map(char::from_u32) {
            let text = format!("ab{c}c");
            let found = first_not_allowed(text.as_bytes());
            assert_eq!(found, (!is_allowed(c)).then_some(2), "{c:?}");
            let survey = survey(text.as_bytes());
            assert!(survey.suspect || is_allowed(c), "{c:?}");
            assert_eq!(survey.carriage_return, c == '\r');
        }
        let mut long = vec![b'x'; 1000];
        assert_eq!(survey(&long), survey(b""));
        long[900] = 0;
        assert!(survey(&long).suspect);
    }

    #[test]
    fn references_are_the_five_and_numbers() {
        let five = [
            ("lt", '<'),
            ("gt", '>'),
            ("amp", '&'),
            ("apos", '\''),
            ("quot", '"'),
        ];
        for (name, c) in five {
            assert_eq!(reference(name), Some(Some(c)));
        }
        assert_eq!(reference("#65"), Some(Some('A')));
        assert_eq!(reference("#x1F600"), Some(Some('😀')));
        assert_eq!(reference("#xd"), Some(Some('\r')));
        for undefined in ["nbsp", "LT", "x"] {
            assert_eq!(reference(undefined), None, "{undefined}");
        }
        for bad in [
            "",
            "#",
            "#x",
            "#X41",
            "#+65",
            "#x+41",
            "#-1",
            "#0",
            "#xD800",
            "#x110000",
            "#xFFFE",
            "#99999999999",
            "a b",
            "#1;",
        ] {
            assert_eq!(reference(bad), Some(None), "{bad}");
        }
    }
}
