use std::fmt;

use crate::WbxmlOptions;

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

    /// To write in it, WBXML with these options.
    #[must_use]
    pub const fn with(self, options: WbxmlOptions) -> OutputEncoding {
        match self {
            Self::Xml => OutputEncoding::Xml,
            Self::Wbxml => OutputEncoding::Wbxml(options),
        }
    }
}

/// How a document is to be written: an [`Encoding`], and what it leaves open.
///
/// An [`Encoding`] alone stands for the defaults.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutputEncoding {
    /// XML 1.0 in UTF-8.
    Xml,
    /// WAP Binary XML.
    Wbxml(WbxmlOptions),
}

impl From<Encoding> for OutputEncoding {
    fn from(encoding: Encoding) -> Self {
        encoding.with(WbxmlOptions::default())
    }
}

impl From<WbxmlOptions> for OutputEncoding {
    fn from(options: WbxmlOptions) -> Self {
        Self::Wbxml(options)
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
