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
        let mut last = "";
        for attribute in Attributes::new(declaration.as_bytes()) {
            let Ok(attribute) = attribute else {
                return self.fail(ReadErrorKind::Declaration, at);
            };
            match (last, attribute.name, attribute.value) {
                ("", "version", "1.0" | "1.1") => {}
                ("version", "encoding", value) => {
                    if !value.eq_ignore_ascii_case("utf-8") {
                        let value_at = at + "<?xml".len() + attribute.value_at;
                        return self.fail(ReadErrorKind::UnsupportedCharset, value_at);
                    }
                }
                ("version" | "encoding", "standalone", "yes" | "no") => {}
                _ => return self.fail(ReadErrorKind::Declaration, at),
            }
            last = attribute.name;
        }
        if last.is_empty() {
            return self.fail(ReadErrorKind::Declaration, at);
        }
        Ok(())
    }

    /// The document type declaration that was just read, beginning at `at`.
    pub(super) fn doctype(&mut self, at: usize) -> Result<()> {
        if self.place != Place::BeforeDoctype || self.inside {
            return self.fail(ReadErrorKind::InvalidMarkup, at);
        }
        self.place = Place::BeforeRoot;
        let declaration = self.tag(at, ">").strip_prefix("<!DOCTYPE");
        if !declaration.is_some_and(declares_nothing) {
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

/// Whether a processing instruction begins with its target. [XML §2.6]
pub(super) fn has_target(instruction: &str) -> bool {
    let end = instruction.find(|c: char| c.is_ascii_whitespace());
    let target = instruction.get(..end.unwrap_or(instruction.len()));
    target.is_some_and(|target| chars::is_name(target) && !target.eq_ignore_ascii_case("xml"))
}

/// Whether a document type declaration only names the root and, perhaps, an external subset; one of
/// its own must be empty but for instructions and comments.
fn declares_nothing(declaration: &str) -> bool {
    let mut rest = declaration.trim_ascii();
    if !declaration.starts_with(|c: char| c.is_ascii_whitespace()) {
        return false;
    }
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
            (None, Some(instruction)) => instruction
                .split_once("?>")
                .filter(|(instruction, _)| has_target(instruction))
                .map(|(_, after)| after),
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
            " SyncML [<? a?>]",
            " SyncML [<?xml version='1.0'?>]",
            "SyncML",
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
