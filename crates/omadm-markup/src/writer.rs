use crate::{Encoding, Event, Name, Tag, Vocabulary, WriteError};

mod escape;
mod xml;

/// Writes [`Event`]s as a document, appending to a buffer of the caller.
///
/// Namespaces are declared where they change, which is how SyncML wants it: on the root, and on
/// each child of `Meta`. An element without content is written as an empty tag. After an error the
/// buffer holds part of a document; [`Writer::rewind`] or the caller takes it back.
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
}

/// A place in a document to [`Writer::rewind`] to.
#[derive(Clone, Copy, Debug)]
pub struct Mark(xml::XmlMark);

impl<'o> Writer<'o> {
    /// A writer of a document at the end of `out`.
    ///
    /// # Errors
    ///
    /// [`WriteError::UnsupportedEncoding`]
    pub fn new(encoding: Encoding, out: &'o mut Vec<u8>) -> Result<Self, WriteError> {
        match encoding {
            Encoding::Xml => Ok(Self {
                target: Target::Xml(xml::XmlWriter::new(out)),
            }),
            Encoding::Wbxml => Err(WriteError::UnsupportedEncoding),
        }
    }

    /// Writes for people: one element a line, indented by two blanks. Character data stays as it
    /// is. WBXML is not affected.
    #[must_use]
    pub fn pretty(mut self) -> Self {
        let Target::Xml(writer) = &mut self.target;
        writer.pretty();
        self
    }

    /// Takes the namespace of a vocabulary for declared outside, as for an element that will be
    /// put into a document later. WBXML is not affected.
    #[must_use]
    pub fn within(mut self, vocabulary: Vocabulary) -> Self {
        let Target::Xml(writer) = &mut self.target;
        writer.within(vocabulary);
        self
    }

    /// Begins an element.
    ///
    /// # Errors
    ///
    /// [`WriteError`]
    pub fn start<'n>(&mut self, name: impl Into<Name<'n>>) -> Result<(), WriteError> {
        let Target::Xml(writer) = &mut self.target;
        writer.start(name.into())
    }

    /// Adds an attribute to the element that was just begun.
    ///
    /// # Errors
    ///
    /// [`WriteError`]
    pub fn attribute(&mut self, name: Name<'_>, value: &str) -> Result<(), WriteError> {
        let Target::Xml(writer) = &mut self.target;
        writer.attribute(name, value)
    }

    /// Writes text.
    ///
    /// # Errors
    ///
    /// [`WriteError`]
    pub fn text(&mut self, text: &str) -> Result<(), WriteError> {
        let Target::Xml(writer) = &mut self.target;
        writer.text(text)
    }

    /// Writes octets; in XML they must be text.
    ///
    /// # Errors
    ///
    /// [`WriteError`]
    pub fn opaque(&mut self, octets: &[u8]) -> Result<(), WriteError> {
        let text = str::from_utf8(octets).map_err(|_| WriteError::NotText)?;
        self.text(text).map_err(|error| match error {
            WriteError::InvalidCharacter => WriteError::NotText,
            error => error,
        })
    }

    /// Ends the innermost element.
    ///
    /// # Errors
    ///
    /// [`WriteError`]
    pub fn end(&mut self) -> Result<(), WriteError> {
        let Target::Xml(writer) = &mut self.target;
        writer.end()
    }

    /// Writes an element with nothing but text in it.
    ///
    /// # Errors
    ///
    /// [`WriteError`]
    pub fn element(&mut self, tag: Tag, text: &str) -> Result<(), WriteError> {
        let Target::Xml(writer) = &mut self.target;
        writer.element(tag, text)
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
        let Target::Xml(writer) = self.target;
        writer.finish()
    }

    /// This place, to come back to.
    #[must_use]
    pub fn mark(&mut self) -> Mark {
        let Target::Xml(writer) = &mut self.target;
        Mark(writer.mark())
    }

    /// Takes back everything since `mark`, a place of this writer where the same elements were
    /// open, or fewer with none of them ended since.
    pub fn rewind(&mut self, mark: Mark) {
        let Target::Xml(writer) = &mut self.target;
        writer.rewind(mark.0);
    }

    /// The length of the buffer, what was in it before included.
    #[must_use]
    pub fn position(&self) -> usize {
        let Target::Xml(writer) = &self.target;
        writer.position()
    }

    /// How many bytes it takes to end all open elements.
    #[must_use]
    pub fn closing_len(&self) -> usize {
        let Target::Xml(writer) = &self.target;
        writer.closing_len()
    }
}
