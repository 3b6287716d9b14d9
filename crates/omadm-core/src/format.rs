use std::{fmt, str::FromStr};

/// The Format of a node or of a value on the wire. [DM-TND §7.7.2], [MetInf §5.2]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Format {
    /// Base64 text; on the wire only, a tree stores [`Format::Bin`].
    B64,
    /// Raw octets.
    Bin,
    /// `true` or `false`.
    Bool,
    /// UTF-8 text; the default on the wire.
    #[default]
    Chr,
    /// A decimal integer.
    Int,
    /// An interior node; it has no value.
    Node,
    /// No value.
    Null,
    /// Markup.
    Xml,
    /// An ISO 8601 date.
    Date,
    /// An ISO 8601 time.
    Time,
    /// An XML-Schema float of 32 bits.
    Float,
}

/// A word that is no Format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown format {0:?}")]
pub struct UnknownFormat(pub String);

impl Format {
    /// Every format.
    pub const ALL: [Self; 11] = [
        Self::B64,
        Self::Bin,
        Self::Bool,
        Self::Chr,
        Self::Int,
        Self::Node,
        Self::Null,
        Self::Xml,
        Self::Date,
        Self::Time,
        Self::Float,
    ];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::B64 => "b64",
            Self::Bin => "bin",
            Self::Bool => "bool",
            Self::Chr => "chr",
            Self::Int => "int",
            Self::Node => "node",
            Self::Null => "null",
            Self::Xml => "xml",
            Self::Date => "date",
            Self::Time => "time",
            Self::Float => "float",
        }
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    /// Reads the word, exact in case, surrounding white space ignored.
    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let word = text.trim();
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == word)
            .ok_or_else(|| UnknownFormat(word.to_owned()))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        for format in Format::ALL {
            assert_eq!(format.as_str().parse(), Ok(format));
        }
        assert_eq!(" chr\n".parse(), Ok(Format::Chr));
        assert_eq!("CHR".parse::<Format>(), Err(UnknownFormat("CHR".into())));
    }
}
