use crate::{Encoding, Event, Name, OutputEncoding, Tag, Vocabulary, WriteError};

mod escape;
mod wbxml;
mod xml;

pub use wbxml::{PublicId, WbxmlOptions, WbxmlVersion};

/// Writes [`Event`]s as a document, appending to a buffer of the caller.
///
/// Namespaces are declared where they change, which is how SyncML wants it: on the root, and on
/// each child of `Meta`. An element without content is written as an empty tag. After an error the
/// buffer holds part of a document; [`Writer::rewind`] or the caller takes it back.
///
/// WBXML is written as version 1.2 in UTF-8 with a numeric public identifier unless
/// [`WbxmlOptions`] say otherwise; code pages are switched when the next tag needs it. A device description or device information
/// that is the first in a `Data` is written as a document of its own in octets. A name without a
/// token is a literal, whose string table is put in when the root ends, and its namespace is declared
/// as the attribute it is in XML. Text with U+0000 in it is written as octets.
///
/// ```
/// use omadm_markup::{Encoding, Writer, metinf, syncml};
///
/// let mut out = Vec::new();
/// let mut writer = Writer::new(Encoding::Xml, &mut out)?;
/// writer.start(syncml::META)?;
/// writer.element(metinf::TYPE, "text/plain")?;
/// writer.end()?;
/// writer.finish()?;
/// assert_eq!(
///     out,
///     br#"<Meta xmlns="SYNCML:SYNCML1.2"><Type xmlns="syncml:metinf">text/plain</Type></Meta>"#
/// );
/// # Ok::<(), omadm_markup::WriteError>(())
/// ```
#[derive(Debug)]
pub struct Writer<'o> {
    target: Target<'o>,
}

#[derive(Debug)]
enum Target<'o> {
    Xml(xml::XmlWriter<'o>),
    Wbxml(wbxml::WbxmlWriter<'o>),
}

/// A place in a document to [`Writer::rewind`] to.
#[derive(Clone, Copy, Debug)]
pub struct Mark(Place);

#[derive(Clone, Copy, Debug)]
enum Place {
    Xml(xml::XmlMark),
    Wbxml(wbxml::WbxmlMark),
}

impl<'o> Writer<'o> {
    /// A writer of a document at the end of `out`.
    ///
    /// # Errors
    ///
    /// None at present.
    pub fn new(
        encoding: impl Into<OutputEncoding>,
        out: &'o mut Vec<u8>,
    ) -> Result<Self, WriteError> {
        let target = match encoding.into() {
            OutputEncoding::Xml => Target::Xml(xml::XmlWriter::new(out)),
            OutputEncoding::Wbxml(options) => Target::Wbxml(wbxml::WbxmlWriter::new(options, out)),
        };
        Ok(Self { target })
    }

    /// The encoding of the document.
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        match self.target {
            Target::Xml(_) => Encoding::Xml,
            Target::Wbxml(_) => Encoding::Wbxml,
        }
    }

    /// Writes for people: one element a line, indented by two blanks. Character data stays as it
    /// is. WBXML is not affected.
    #[must_use]
    pub fn pretty(mut self) -> Self {
        if let Target::Xml(writer) = &mut self.target {
            writer.pretty();
        }
        self
    }

    /// Takes the namespace of a vocabulary for declared outside, as for an element that will be
    /// put into a document later. WBXML is not affected.
    #[must_use]
    pub fn within(mut self, vocabulary: Vocabulary) -> Self {
        if let Target::Xml(writer) = &mut self.target {
            writer.within(vocabulary);
        }
        self
    }

    /// Begins an element.
    ///
    /// # Errors
    ///
    /// [`WriteError`]
    #[inline]
    pub fn start<'n>(&mut self, name: impl Into<Name<'n>>) -> Result<(), WriteError> {
        match &mut self.target {
            Target::Xml(writer) => writer.start(name.into()),
            Target::Wbxml(writer) => writer.start(name.into()),
        }
    }

    /// Adds an attribute to the element that was just begun.
    ///
    /// # Errors
    ///
    /// [`WriteError`]
    pub fn attribute(&mut self, name: Name<'_>, value: &str) -> Result<(), WriteError> {
        match &mut self.target {
            Target::Xml(writer) => writer.attribute(name, value),
            Target::Wbxml(writer) => writer.attribute(name, value),
        }
    }

    /// Writes text.
    ///
    /// # Errors
    ///
    /// [`WriteError`]
    pub fn text(&mut self, text: &str) -> Result<(), WriteError> {
        match &mut self.target {
            Target::Xml(writer) => writer.text(text),
            Target::Wbxml(writer) => writer.text(text),
        }
    }

    /// Writes octets; in XML they must be text.
    ///
    /// # Errors
    ///
    /// [`WriteError`]
    pub fn opaque(&mut self, octets: &[u8]) -> Result<(), WriteError> {
        match &mut self.target {
            Target::Xml(writer) => {
                let text = str::from_utf8(octets).map_err(|_| WriteError::NotText)?;
                writer.text(text).map_err(|error| match error {
                    WriteError::InvalidCharacter => WriteError::NotText,
                    error => error,
                })
            }
            Target::Wbxml(writer) => writer.opaque(octets),
        }
    }

    /// Ends the innermost element.
    ///
    /// # Errors
    ///
    /// [`WriteError`]
    #[inline]
    pub fn end(&mut self) -> Result<(), WriteError> {
        match &mut self.target {
            Target::Xml(writer) => writer.end(),
            Target::Wbxml(writer) => writer.end(),
        }
    }

    /// Writes an element with nothing but text in it.
    ///
    /// # Errors
    ///
    /// [`WriteError`]
    #[inline]
    pub fn element(&mut self, tag: Tag, text: &str) -> Result<(), WriteError> {
        match &mut self.target {
            Target::Xml(writer) => writer.element(tag, text),
            Target::Wbxml(writer) => writer.element(tag, text),
        }
    }

    /// Writes an element with nothing but a number in it.
    ///
    /// # Errors
    ///
    /// [`WriteError`]
    #[inline]
    pub fn number(&mut self, tag: Tag, number: u64) -> Result<(), WriteError> {
        match &mut self.target {
            Target::Xml(writer) => writer.number(tag, number),
            Target::Wbxml(writer) => writer.number(tag, number),
        }
    }

    /// Writes any event.
    ///
    /// # Errors
    ///
    /// [`WriteError`]
    pub fn event(&mut self, event: &Event<'_>) -> Result<(), WriteError> {
        match event {
            Event::Start(name) => self.start(*name),
            Event::Attribute(name, value) => self.attribute(*name, value),
            Event::Text(text) => self.text(text),
            Event::Opaque(octets) => self.opaque(octets),
            Event::End => self.end(),
        }
    }

    /// Ends the document.
    ///
    /// # Errors
    ///
    /// [`WriteError::Misplaced`] if there is no root or an element is open.
    pub fn finish(self) -> Result<(), WriteError> {
        match self.target {
            Target::Xml(writer) => writer.finish(),
            Target::Wbxml(writer) => writer.finish(),
        }
    }

    /// This place, to come back to.
    #[must_use]
    pub fn mark(&mut self) -> Mark {
        Mark(match &mut self.target {
            Target::Xml(writer) => Place::Xml(writer.mark()),
            Target::Wbxml(writer) => Place::Wbxml(writer.mark()),
        })
    }

    /// Takes back everything since `mark`, a place of this writer where the same elements were
    /// open, or fewer with none of them ended since.
    pub fn rewind(&mut self, mark: Mark) {
        match (&mut self.target, mark.0) {
            (Target::Xml(writer), Place::Xml(mark)) => writer.rewind(mark),
            (Target::Wbxml(writer), Place::Wbxml(mark)) => writer.rewind(mark),
            // Not a mark of this writer.
            _ => {}
        }
    }

    /// The length of the buffer, what was in it before included, and what is still to be put in front
    /// of the content of a WBXML document.
    #[must_use]
    pub fn position(&self) -> usize {
        match &self.target {
            Target::Xml(writer) => writer.position(),
            Target::Wbxml(writer) => writer.position(),
        }
    }

    /// How many bytes it takes to end all open elements.
    #[must_use]
    pub fn closing_len(&self) -> usize {
        match &self.target {
            Target::Xml(writer) => writer.closing_len(),
            Target::Wbxml(writer) => writer.closing_len(),
        }
    }
}

/// Appends a number in decimal digits.
#[inline]
fn push_digits(number: u64, out: &mut Vec<u8>) {
    let digit = |number: u64| b'0' + (number % 10) as u8;
    match number {
        0..10 => return out.push(digit(number)),
        10..100 => return out.extend_from_slice(&[digit(number / 10), digit(number)]),
        100..1000 => {
            let digits = [digit(number / 100), digit(number / 10), digit(number)];
            return out.extend_from_slice(&digits);
        }
        _ => {}
    }
    let mut digits = [0; 20];
    let mut rest = number;
    let mut len = 0;
    for place in digits.iter_mut().rev() {
        *place = digit(rest);
        rest /= 10;
        len += 1;
        if rest == 0 {
            break;
        }
    }
    let (_, digits) = digits.split_at(digits.len() - len);
    out.extend_from_slice(digits);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(
        encoding: Encoding,
        write: impl Fn(&mut Writer<'_>) -> Result<(), WriteError>,
    ) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = Writer::new(encoding, &mut out).unwrap();
        write(&mut writer).unwrap();
        writer.finish().unwrap();
        out
    }

    #[test]
    fn a_number_is_written_as_its_digits() {
        let powers = (0..20).map(|exponent| 10_u64.pow(exponent));
        let numbers = powers.flat_map(|power| [power - 1, power, 2 * (power / 2) + power / 5]);
        for number in numbers.chain([u64::MAX]) {
            for encoding in Encoding::ALL {
                let tag = crate::syncml::CMD_ID;
                assert_eq!(
                    written(encoding, |w| w.number(tag, number)),
                    written(encoding, |w| w.element(tag, &number.to_string())),
                    "{number}"
                );
            }
        }
    }

    #[test]
    fn every_tag_is_written_whole() {
        for &vocabulary in Vocabulary::ALL {
            let namespace = vocabulary.namespace();
            let tokens = (0..64).filter(|token| vocabulary.tokens() >> token & 1 == 1);
            for tag in tokens.map(|token| Tag::new(vocabulary, token)) {
                let content = |w: &mut Writer<'_>| {
                    w.start(tag)?;
                    w.element(tag, "x")?;
                    w.end()
                };
                let expected = format!("<{tag} xmlns=\"{namespace}\"><{tag}>x</{tag}></{tag}>");
                let found = written(Encoding::Xml, content);
                assert_eq!(str::from_utf8(&found), Ok(&*expected));
            }
        }
    }
}
