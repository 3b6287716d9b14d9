//! Writing XML, and reading the one element that is ours.

use std::fmt::{Display, Write};

/// XML that is being written.
#[derive(Debug, Default)]
pub(crate) struct Xml(String);

impl Xml {
    /// An element with attributes and nothing in it.
    pub(crate) fn empty(&mut self, name: &str, attributes: &[(&str, &dyn Display)]) {
        self.tag(name, attributes);
        self.0.push_str("/>");
    }

    /// An element with text in it.
    pub(crate) fn text(
        &mut self,
        name: &str,
        attributes: &[(&str, &dyn Display)],
        text: impl Display,
    ) {
        self.tag(name, attributes);
        self.0.push('>');
        escape(&mut self.0, &text.to_string());
        self.end(name);
    }

    /// An element with others in it.
    pub(crate) fn element(
        &mut self,
        name: &str,
        attributes: &[(&str, &dyn Display)],
        inside: impl FnOnce(&mut Self),
    ) {
        self.tag(name, attributes);
        self.0.push('>');
        inside(self);
        self.end(name);
    }

    pub(crate) fn finish(self) -> String {
        self.0
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &dyn Display)]) {
        self.0.push('<');
        self.0.push_str(name);
        for (name, value) in attributes {
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            escape(&mut self.0, &value.to_string());
            self.0.push('"');
        }
    }

    fn end(&mut self, name: &str) {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }
}

/// Text as it stands in an element or attribute. What XML cannot say is a question mark in a box.
fn escape(to: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '"' => to.push_str("&quot;"),
            '\'' => to.push_str("&apos;"),
            '\t' | '\n' | '\r' => {
                // A String takes everything.
                _ = write!(to, "&#{};", u32::from(character));
            }
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => to.push(char::REPLACEMENT_CHARACTER),
            character => to.push(character),
        }
    }
}

/// The text in an element without others in it; nothing if that is not what it is.
pub(crate) fn text_of(element: &str) -> Option<String> {
    let (_, rest) = element.split_once('>')?;
    let (text, _) = rest.rsplit_once("</")?;
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        result.push_str(before);
        let (entity, after) = after.split_once(';')?;
        result.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            entity => {
                let number = entity.strip_prefix('#')?;
                let number = match number.strip_prefix('x') {
                    Some(digits) => u32::from_str_radix(digits, 16),
                    None => number.parse(),
                };
                char::from_u32(number.ok()?)?
            }
        });
        rest = after;
    }
    result.push_str(rest);
    (!text.contains('<')).then_some(result)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_gets_out_of_its_place() {
        let mut xml = Xml::default();
        xml.element("a", &[("b", &"\"/><evil x='")], |xml| {
            xml.text("c", &[], "</c><evil/>&amp;\u{1}");
            xml.empty("d", &[("n", &7)]);
        });
        assert_eq!(
            xml.finish(),
            "<a b=\"&quot;/&gt;&lt;evil x=&apos;\"><c>&lt;/c&gt;&lt;evil/&gt;&amp;amp;\u{fffd}</c><d n=\"7\"/></a>"
        );
    }

    #[test]
    fn what_is_no_text_is_none() {
        for text in [
            "",
            "<a/>",
            "<a>b",
            "<a>&bad;</a>",
            "<a>&#xd800;</a>",
            "<a><b></b></a>",
        ] {
            assert_eq!(text_of(text), None, "{text}");
        }
        assert_eq!(text_of("<a x='1'>&#x41;&#66;</a>\n").as_deref(), Some("AB"));
    }

    proptest! {
        #[test]
        fn text_is_read_as_it_was_written(text in "[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\u{fffe}\u{ffff}]*") {
            let mut xml = Xml::default();
            xml.text("record", &[], &text);
            prop_assert_eq!(text_of(&xml.finish()), Some(text));
        }

        #[test]
        fn no_text_makes_the_reader_fail(text in ".*") {
            _ = text_of(&text);
        }
    }
}
