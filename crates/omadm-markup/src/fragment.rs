use std::{borrow::Cow, fmt};

use crate::{Encoding, Limits, ReadError, Reader, WriteError, Writer, reader::Scope};

/// An embedded document: what was found inside an element, or made to be put there.
///
/// It keeps its own encoding and knows what its names meant where it was found, so that it can be
/// replayed into a [`Writer`] of either encoding. Two are equal if their events are.
///
/// ```
/// use omadm_markup::{Encoding, Fragment, Limits};
///
/// let tree = b"<MgmtTree xmlns='syncml:dmddf1.2'><VerDTD>1.2</VerDTD></MgmtTree>";
/// let fragment = Fragment::parse(tree.as_slice(), Encoding::Xml, &Limits::default())?;
/// let mut out = Vec::new();
/// fragment.encode(Encoding::Xml, &mut out)?;
/// assert_eq!(out, br#"<MgmtTree xmlns="syncml:dmddf1.2"><VerDTD>1.2</VerDTD></MgmtTree>"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Fragment<'a> {
    source: Cow<'a, [u8]>,
    scope: Scope<'a>,
}

impl<'a> Fragment<'a> {
    pub(crate) const fn new(source: Cow<'a, [u8]>, scope: Scope<'a>) -> Self {
        Self { source, scope }
    }

    /// Takes a whole document of one root.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if it is malformed or beyond the limits.
    pub fn parse(
        document: impl Into<Cow<'a, [u8]>>,
        encoding: Encoding,
        limits: &Limits,
    ) -> Result<Self, ReadError> {
        let document = document.into();
        let (range, scope) = Reader::new(&document, encoding, limits)?.root()?;
        let source = match document {
            Cow::Borrowed(document) => Cow::Borrowed(document.get(range).unwrap_or_default()),
            Cow::Owned(mut document) => {
                document.truncate(range.end);
                document.drain(..range.start);
                Cow::Owned(document)
            }
        };
        Ok(Self { source, scope })
    }

    /// The document as it came, if it is WBXML with a header of its own, such as octets in which a
    /// device description was found.
    #[must_use]
    pub fn wbxml_document(&self) -> Option<&[u8]> {
        self.scope.is_wbxml_document().then_some(&*self.source)
    }

    /// A reader of the events.
    ///
    /// # Errors
    ///
    /// None to be expected: the document has been read before.
    pub fn reader(&self) -> Result<Reader<'_>, ReadError> {
        Reader::of_fragment(&self.source, &self.scope)
    }

    /// Replays it into a writer, inside the element that is open there.
    ///
    /// # Errors
    ///
    /// [`WriteError`]
    pub fn write(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        let mut reader = self.reader().map_err(|_| WriteError::Misplaced)?;
        while let Some(event) = reader.next_event().map_err(|_| WriteError::Misplaced)? {
            writer.event(&event)?;
        }
        Ok(())
    }

    /// Appends it to `out` as a document of its own.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; [`WriteError::Misplaced`] if it is not one element and nothing else.
    pub fn encode(&self, encoding: Encoding, out: &mut Vec<u8>) -> Result<(), WriteError> {
        let mut writer = Writer::new(encoding, out)?;
        self.write(&mut writer)?;
        writer.finish()
    }

    /// The same fragment, borrowed from here.
    #[must_use]
    pub fn borrow(&self) -> Fragment<'_> {
        Fragment {
            source: Cow::Borrowed(&self.source),
            scope: self.scope.clone(),
        }
    }

    /// The fragment detached from the input.
    #[must_use]
    pub fn into_owned(self) -> Fragment<'static> {
        Fragment {
            source: Cow::Owned(self.source.into_owned()),
            scope: self.scope.into_owned(),
        }
    }
}

impl PartialEq for Fragment<'_> {
    fn eq(&self, other: &Fragment<'_>) -> bool {
        let (Ok(mut ours), Ok(mut theirs)) = (self.reader(), other.reader()) else {
            return false;
        };
        loop {
            match (ours.next_event(), theirs.next_event()) {
                (Ok(None), Ok(None)) => return true,
                (Ok(our), Ok(their)) if our == their => {}
                _ => return false,
            }
        }
    }
}

impl fmt::Debug for Fragment<'_> {
    /// Shows encoding and length; there may be a secret in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoding = match self.scope {
            Scope::Xml(_) => "XML",
            Scope::Wbxml(_) => "WBXML",
        };
        write!(f, "Fragment({encoding}, {} bytes)", self.source.len())
    }
}
