//! What begins with `<!` or `<?`. [XML §2.5, §2.6, §2.7, §2.8]

use super::tokens::{Token, is_space, tag_len};
use crate::{ReadErrorKind, octets::memchr};

/// Reads what a text begins with, and how long it is. An error has no kind if the text ends too early.
pub(super) fn read(text: &str) -> Result<(Token<'_>, usize), Option<ReadErrorKind>> {
    let octets = text.as_bytes();
    let len = match octets {
        [_, b'?', ..] => find_end(octets, 1, b"?"),
        [_, _, b'-', ..] => find_end(octets, 4, b"--"),
        [_, _, b'[', ..] => find_end(octets, 3, b"]]"),
        [_, _, b'D' | b'd', ..] => doctype_len(octets),
        [_, _, _, ..] => return Err(Some(ReadErrorKind::InvalidMarkup)),
        _ => None,
    };
    let len = len.ok_or(None)?;
    let markup = text.get(..len).unwrap_or_default();
    let between = |start, end| markup.strip_prefix(start)?.strip_suffix(end);
    let token = if let Some(inner) = between("<?", "?>") {
        match inner.strip_prefix("xml") {
            Some(rest) if rest.is_empty() || rest.starts_with(is_space) => Token::Declaration,
            _ => Token::Instruction(inner),
        }
    } else if let Some(inner) = between("<!--", "-->") {
        Token::Comment(inner)
    } else if let Some(inner) = between("<![CDATA[", "]]>") {
        Token::Section(inner)
    } else if let Some((start, inner)) = markup.split_at_checked("<!DOCTYPE".len())
        && start.eq_ignore_ascii_case("<!DOCTYPE")
    {
        if inner.trim_start_matches(is_space) == ">" {
            return Err(Some(ReadErrorKind::InternalSubset));
        }
        Token::Doctype
    } else {
        // At the very end it may be the beginning of something else.
        return Err((len < octets.len()).then_some(ReadErrorKind::InvalidMarkup));
    };
    Ok((token, len))
}

/// Where that ends whose end is `>` behind `mark`, which is not before `from`.
fn find_end(octets: &[u8], from: usize, mark: &[u8]) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr(b'>', octets.get(at..)?)? + 1;
        if octets.get(from..at - 1)?.ends_with(mark) {
            return Some(at);
        }
    }
}

/// How long the document type declaration is that octets begin with. What is not well-formed in it
/// is for [`declares_nothing`](super::prolog) to refuse.
fn doctype_len(octets: &[u8]) -> Option<usize> {
    let mut rest = octets;
    loop {
        match skip_to(&mut rest, b"'\"[>")? {
            b'>' => return Some(octets.len() - rest.len()),
            b'[' => break,
            quote => skip_to(&mut rest, &[quote])?,
        };
    }
    while skip_to(&mut rest, b"]<")? == b'<' {
        let quoting = |keyword: &&[u8]| rest.starts_with(keyword);
        let len = match rest {
            [b'?', ..] => find_end(rest, 1, b"?"),
            [b'!', b'-', b'-', ..] => find_end(rest, 3, b"--"),
            _ if [&b"!ENTITY"[..], b"!ATTLIST", b"!NOTATION"]
                .iter()
                .any(quoting) =>
            {
                tag_len(rest)
            }
            _ => memchr(b'>', rest),
        };
        rest = rest.get(len?..)?;
    }
    skip_to(&mut rest, b">")?;
    Some(octets.len() - rest.len())
}

/// Goes behind the first octet that is one of some, and says which.
fn skip_to(rest: &mut &[u8], wanted: &[u8]) -> Option<u8> {
    let at = rest.iter().position(|octet| wanted.contains(octet))?;
    let (found, behind) = rest.get(at..)?.split_first()?;
    *rest = behind;
    Some(*found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_xml::{
        Error, Reader,
        errors::{IllFormedError, SyntaxError},
        events::Event,
    };

    use super::*;

    /// The same as quick-xml has it.
    fn reference(text: &str) -> Result<(Token<'_>, usize), Option<ReadErrorKind>> {
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_comments = false;
        let event = reader.read_event();
        let len = usize::try_from(reader.buffer_position()).unwrap();
        let inner = |before: &str, after: &str| text.get(before.len()..len - after.len()).unwrap();
        let token = match event {
            Ok(Event::Comment(_)) => Token::Comment(inner("<!--", "-->")),
            Ok(Event::CData(_)) => Token::Section(inner("<![CDATA[", "]]>")),
            Ok(Event::PI(_)) => Token::Instruction(inner("<?", "?>")),
            Ok(Event::Decl(_)) => Token::Declaration,
            Ok(Event::DocType(_)) => Token::Doctype,
            Ok(event) => panic!("{event:?}"),
            Err(Error::IllFormed(IllFormedError::MissingDoctypeName)) => {
                return Err(Some(ReadErrorKind::InternalSubset));
            }
            Err(Error::Syntax(SyntaxError::InvalidBangMarkup)) if text.len() > 2 => {
                return Err(Some(ReadErrorKind::InvalidMarkup));
            }
            // Markup that only looks like a section is called unclosed as well.
            Err(Error::Syntax(_)) if !(1..text.len()).contains(&len) => return Err(None),
            Err(_) => return Err(Some(ReadErrorKind::InvalidMarkup)),
        };
        Ok((token, len))
    }

    fn same(text: &str) {
        let (ours, theirs) = (read(text), reference(text));
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "{text}");
    }

    #[test]
    fn short_markup_is_what_another_reader_takes_it_for() {
        let pieces = [
            "", "-", "[", "]", ">", "?", "D", "CDATA[", "DOCTYPE", " ", "é", "xml",
        ];
        for start in ["<!", "<?", "<!--", "<![CDATA[", "<!DOCTYPE", "<!doctype a["] {
            for [a, b, c, d] in quadruples(&pieces) {
                same(&format!("{start}{a}{b}{c}{d}"));
            }
        }
    }

    fn quadruples<'a>(pieces: &'a [&'a str]) -> impl Iterator<Item = [&'a str; 4]> {
        (0..pieces.len().pow(4)).map(|number| {
            let digit = |place| pieces[number / pieces.len().pow(place) % pieces.len()];
            [digit(0), digit(1), digit(2), digit(3)]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn markup_is_what_another_reader_takes_it_for(
            start in prop::sample::select(vec![
                "<!", "<?", "<!-", "<!--", "<![", "<![CDATA[", "<?xml", "<!D", "<!DOCTYPE a",
                "<!DOCTYPE a [", "<!DOCTYPE a [<!", "<!dOCTYPE a 'b' [",
            ]),
            pieces in prop::collection::vec(prop::sample::select(vec![
                "-", "--", ">", "-->", "?", "?>", "]", "]]>", "[", "<", "<!", "<!--", "<?", "'",
                "\"", "ELEMENT", "ENTITY", "ATTLIST", "NOTATION", "NOTATIO", "<!ENTITY", "<!ATTLIST",
                "<!NOTATION", "<!ELEMENT", " ", "\n", "\u{A0}", "é", "a", "xml", "D",
            ]), 0..16),
        ) {
            same(&(start.to_owned() + &pieces.concat()));
        }
    }
}
