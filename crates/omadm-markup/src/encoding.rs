use std::fmt;

/// How a document is written on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Encoding {
    /// XML 1.0 in UTF-8.
    Xml,
    /// WAP Binary XML.
    Wbxml,
}

impl Encoding {
    /// Both encodings.
    pub const ALL: [Self; 2] = [Self::Xml, Self::Wbxml];

    /// The name as it ends a media type: `xml` or `wbxml`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Xml => "xml",
            Self::Wbxml => "wbxml",
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
