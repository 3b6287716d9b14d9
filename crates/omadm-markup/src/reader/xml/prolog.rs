//! What may come before the root. [XML §2.8]

use super::{Attributes, Place, Result, XmlReader};
use crate::{ReadErrorKind, chars};

impl XmlReader<'_> {
    /// The XML declaration that was just read, beginning at `at`.
    pub(super) fn declaration(&mut self, at: usize) -> Result<()> {
        if at > 0 || self.inside {
            return self.fail(ReadErrorKind::Declaration, at);
        }
        let declaration = self.tag(at + "<?xml".len(), "?>");
        let mut attributes = Attributes::new(declaration.as_bytes());
        let mut next = || attributes.next().transpose().ok().flatten();
        let Some(version) = next() else {
            return self.fail(ReadErrorKind::Declaration, at);
        };
        if version.name != "version" || !matches!(version.value, "1.0" | "1.1") {
            return self.fail(ReadErrorKind::Declaration, at);
        }
        if let Some(encoding) = next()
            && encoding.name == "encoding"
            && !encoding.value.eq_ignore_ascii_case("utf-8")
        {
            let value_at = at + "<?xml".len() + encoding.value_at;
            return self.fail(ReadErrorKind::UnsupportedCharset, value_at);
        }
        Ok(())
    }

    /// The document type declaration that was just read, beginning at `at`.
    pub(super) fn doctype(&mut self, at: usize) -> Result<()> {
        if self.place != Place::BeforeDoctype || self.inside {
            return self.fail(ReadErrorKind::InvalidMarkup, at);
        }
        self.place = Place::BeforeRoot;
        let declaration = self.tag(at + "<!DOCTYPE".len(), ">");
        if !declares_nothing(declaration) {
            return self.fail(ReadErrorKind::InternalSubset, at);
        }
        if !self.limits.allow_doctype {
            return self.fail(ReadErrorKind::Doctype, at);
        }
        Ok(())
    }

    /// What was just read, from `from` on and without its end.
    fn tag(&self, from: usize, end: &str) -> &str {
        let to = self.tokens.at().saturating_sub(end.len());
        self.tokens.text().get(from..to).unwrap_or_default()
    }
}

/// Whether a document type declaration only names the root and, perhaps, an external subset; one of
/// its own must be empty but for instructions and comments.
fn declares_nothing(declaration: &str) -> bool {
    let mut rest = declaration.trim_ascii();
    let mut word = || {
        let end = rest
            .find(|c: char| c.is_ascii_whitespace())
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(end).unwrap_or_default();
        rest = after.trim_ascii_start();
        word
    };
    if !word().split(':').all(chars::is_name) {
        return false;
    }
    if !rest.starts_with('[') {
        let mut word = || {
            let (word, after) = rest.split_once(|c: char| c.is_ascii_whitespace())?;
            rest = after.trim_ascii_start();
            Some(word)
        };
        let literals = match word() {
            None if rest.is_empty() => 0,
            Some("SYSTEM") => 1,
            Some("PUBLIC") => 2,
            _ => return false,
        };
        if !(0..literals).all(|_| literal(&mut rest)) {
            return false;
        }
    }
    rest.is_empty() || is_empty_subset(rest)
}

/// Whether an internal subset has nothing in it but white space, instructions and comments.
fn is_empty_subset(subset: &str) -> bool {
    let inner = subset.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let Some(mut rest) = inner.map(str::trim_ascii) else {
        return false;
    };
    while !rest.is_empty() {
        let comment = rest.strip_prefix("<!--").and_then(|it| it.split_once("--"));
        let after = match (comment, rest.strip_prefix("<?")) {
            (Some((_, after)), _) => after.strip_prefix('>'),
            (None, Some(instruction)) => instruction.split_once("?>").map(|(_, after)| after),
            (None, None) => None,
        };
        match after {
            Some(after) => rest = after.trim_ascii_start(),
            None => return false,
        }
    }
    true
}

/// Takes a quoted text from the beginning.
fn literal(rest: &mut &str) -> bool {
    let Some(quote @ ('"' | '\'')) = rest.chars().next() else {
        return false;
    };
    let Some((_, after)) = rest
        .split_at_checked(1)
        .and_then(|(_, r)| r.split_once(quote))
    else {
        return false;
    };
    *rest = after.trim_ascii_start();
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_declares_nothing_passes() {
        for good in [
            " SyncML",
            " SyncML ",
            " SyncML SYSTEM 'a'",
            "\nSyncML PUBLIC \"-//SYNCML//DTD SyncML 1.2//EN\"\n  'http://x/y.dtd' ",
            " SyncML []",
            " SyncML SYSTEM 'a'[ ]",
            " MgmtTree PUBLIC 'a' 'b' [<?oma-dm-ddf-ver supported-versions=\"1.2\"?>]",
            " MgmtTree [ <!-- > ] <!ENTITY --> <?a ]>?>\n<!---->]",
        ] {
            assert!(declares_nothing(good), "{good:?}");
        }
        for bad in [
            "",
            " SyncML [",
            " SyncML ]",
            " SyncML [] x",
            " SyncML[]",
            " SyncML [x]",
            " SyncML [%a;]",
            " SyncML [<!ENTITY a 'b'>]",
            " SyncML [<?a?><!ENTITY a 'b'>]",
            " SyncML [<!-- a --><!ENTITY a 'b'><!-- a -->]",
            " SyncML [<!-- a -- b -->]",
            " SyncML [<!-- a ]",
            " SyncML [<?a ]",
            " SyncML SYSTEM",
            " SyncML SYSTEM 'a",
            " SyncML PUBLIC 'a'",
            " SyncML PUBLIC 'a' 'b' 'c'",
            " SyncML public 'a' 'b'",
            " [",
        ] {
            assert!(!declares_nothing(bad), "{bad:?}");
        }
    }
}
