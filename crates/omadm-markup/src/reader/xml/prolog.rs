//! What may come before the root. [XML §2.8]

use super::{Attributes, Place, Result, XmlReader};
use crate::{ReadErrorKind, chars};

impl XmlReader<'_> {
    /// The XML declaration that was just read, beginning at `at`.
    pub(super) fn declaration(&mut self, at: usize) -> Result<()> {
        if at > 0 || self.inside {
            return self.fail(ReadErrorKind::Declaration, at);
        }
        let declaration = self
            .input
            .get(at + "<?xml".len()..self.position() - "?>".len());
        let mut attributes = Attributes::new(declaration.unwrap_or_default());
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
        let declaration = self.input.get(at + "<!DOCTYPE".len()..self.position() - 1);
        let declaration = str::from_utf8(declaration.unwrap_or_default()).unwrap_or_default();
        if !is_external(declaration) {
            return self.fail(ReadErrorKind::InternalSubset, at);
        }
        if !self.limits.allow_doctype {
            return self.fail(ReadErrorKind::Doctype, at);
        }
        Ok(())
    }
}

/// Whether a document type declaration only names the root and, perhaps, an external subset.
fn is_external(declaration: &str) -> bool {
    let mut rest = declaration.trim_ascii();
    let mut word = || {
        let end = rest
            .find(|c: char| c.is_ascii_whitespace())
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(end).unwrap_or_default();
        rest = after.trim_ascii_start();
        word
    };
    let name = word();
    let literals = match word() {
        "" => 0,
        "SYSTEM" => 1,
        "PUBLIC" => 2,
        _ => return false,
    };
    let is_name = name.split(':').all(chars::is_name);
    is_name && (0..literals).all(|_| literal(&mut rest)) && rest.is_empty()
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
    fn only_external_subsets_count_as_external() {
        for good in [
            " SyncML",
            " SyncML ",
            " SyncML SYSTEM 'a'",
            "\nSyncML PUBLIC \"-//SYNCML//DTD SyncML 1.2//EN\"\n  'http://x/y.dtd' ",
        ] {
            assert!(is_external(good), "{good:?}");
        }
        for bad in [
            "",
            " SyncML []",
            " SyncML [<!ENTITY a 'b'>]",
            " SyncML SYSTEM",
            " SyncML SYSTEM 'a",
            " SyncML SYSTEM 'a' []",
            " SyncML SYSTEM 'a'[]",
            " SyncML PUBLIC 'a'",
            " SyncML PUBLIC 'a' 'b' 'c'",
            " SyncML public 'a' 'b'",
            " [",
        ] {
            assert!(!is_external(bad), "{bad:?}");
        }
    }
}
