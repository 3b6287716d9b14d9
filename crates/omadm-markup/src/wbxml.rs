//! What reader and writer of WBXML share: tokens, public identifiers, code pages. [WAP-WBXML]

use crate::{Namespace, Vocabulary};

pub(crate) mod provisioning;

/// Tokens with a meaning on every code page. [WAP-WBXML]
pub(crate) mod token {
    pub(crate) const SWITCH_PAGE: u8 = 0x00;
    pub(crate) const END: u8 = 0x01;
    pub(crate) const ENTITY: u8 = 0x02;
    pub(crate) const STR_I: u8 = 0x03;
    pub(crate) const LITERAL: u8 = 0x04;
    pub(crate) const EXT_I_0: u8 = 0x40;
    pub(crate) const EXT_I_2: u8 = 0x42;
    pub(crate) const PI: u8 = 0x43;
    pub(crate) const EXT_T_0: u8 = 0x80;
    pub(crate) const EXT_T_2: u8 = 0x82;
    pub(crate) const STR_T: u8 = 0x83;
    pub(crate) const EXT_0: u8 = 0xC0;
    pub(crate) const EXT_2: u8 = 0xC2;
    pub(crate) const OPAQUE: u8 = 0xC3;
    /// The bit of a tag token that announces content.
    pub(crate) const CONTENT: u8 = 0x40;
    /// The bit of a tag token that announces attributes.
    pub(crate) const ATTRIBUTES: u8 = 0x80;
    /// The bits of a tag token that name the tag.
    pub(crate) const TAG: u8 = 0x3F;
}

/// The character encoding that is written. [IANA MIBenum 106]
pub(crate) const UTF_8: u8 = 0x6A;

/// What kind of document it is; that decides what its code pages are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    SyncMl,
    MetInf,
    Ddf,
    DevInf,
    Provisioning,
    /// Nothing is known of it; on receipt it is taken for SyncML.
    Unknown,
}

/// "Unknown or missing" as a public identifier. [WAP-WBXML]
const UNKNOWN: u32 = 0x01;

impl Kind {
    /// The kind a number says.
    pub(crate) const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            UNKNOWN => Self::Unknown,
            0x0B => Self::Provisioning,
            0x0FD1 | 0x0FD3 | 0x1201 => Self::SyncMl,
            0x1202 => Self::MetInf,
            0x0FD2 | 0x0FD4 | 0x1203 => Self::DevInf,
            _ => return None,
        })
    }

    /// The kind a formal public identifier says.
    pub(crate) fn from_text(text: &[u8]) -> Option<Self> {
        Some(match text {
            b"-//SYNCML//DTD SyncML 1.0//EN"
            | b"-//SYNCML//DTD SyncML 1.1//EN"
            | b"-//SYNCML//DTD SyncML 1.2//EN"
            | b"-//OMA//DTD SYNCML 1.2//EN" => Self::SyncMl,
            b"-//SYNCML//DTD MetInf 1.0//EN"
            | b"-//SYNCML//DTD MetInf 1.1//EN"
            | b"-//SYNCML//DTD MetInf 1.2//EN"
            | b"-//SYNCML//DTD MetaInf 1.2//EN"
            | b"-//OMA//DTD SYNCML-METINF 1.2//EN" => Self::MetInf,
            b"-//OMA//DTD-DM-DDF 1.2//EN" | b"-//OMA//DTD-DM-DDF 1.3//EN" => Self::Ddf,
            b"-//SYNCML//DTD DevInf 1.0//EN"
            | b"-//SYNCML//DTD DevInf 1.1//EN"
            | b"-//SYNCML//DTD DevInf 1.2//EN" => Self::DevInf,
            b"-//WAPFORUM//DTD PROV 1.0//EN" => Self::Provisioning,
            _ => return None,
        })
    }

    /// The number that is written; zero if there is only a text.
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::SyncMl => 0x1201,
            Self::MetInf => 0x1202,
            Self::Ddf => 0,
            Self::DevInf => 0x1203,
            Self::Provisioning => 0x0B,
            Self::Unknown => UNKNOWN,
        }
    }

    /// The formal public identifier; empty if there is none.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::SyncMl => "-//SYNCML//DTD SyncML 1.2//EN",
            Self::MetInf => "-//SYNCML//DTD MetInf 1.2//EN",
            Self::Ddf => "-//OMA//DTD-DM-DDF 1.2//EN",
            Self::DevInf => "-//SYNCML//DTD DevInf 1.2//EN",
            Self::Provisioning => "-//WAPFORUM//DTD PROV 1.0//EN",
            Self::Unknown => "",
        }
    }

    /// The kind of document whose root has its name from there.
    pub(crate) const fn of_root(vocabulary: Vocabulary) -> Self {
        match vocabulary {
            Vocabulary::SyncMl => Self::SyncMl,
            Vocabulary::MetInf => Self::MetInf,
            Vocabulary::Ddf => Self::Ddf,
            Vocabulary::DevInf => Self::DevInf,
        }
    }

    /// The vocabulary on a tag code page.
    pub(crate) const fn vocabulary(self, page: u8) -> Option<Vocabulary> {
        match (self, page) {
            (Self::Provisioning, _) => None,
            (Self::DevInf, 0) => Some(Vocabulary::DevInf),
            (_, 0) => Some(Vocabulary::SyncMl),
            (_, 1) => Some(Vocabulary::MetInf),
            (Self::DevInf, _) => None,
            (_, 2) => Some(Vocabulary::Ddf),
            _ => None,
        }
    }

    /// The tag code page of a vocabulary.
    pub(crate) const fn page(self, vocabulary: Vocabulary) -> Option<u8> {
        match (self, vocabulary) {
            (Self::Provisioning, _) => None,
            (_, Vocabulary::MetInf) => Some(1),
            (Self::DevInf, Vocabulary::DevInf) => Some(0),
            (Self::DevInf, _) | (_, Vocabulary::DevInf) => None,
            (_, Vocabulary::SyncMl) => Some(0),
            (_, Vocabulary::Ddf) => Some(2),
        }
    }

    /// The namespace of a literal name on a tag code page.
    pub(crate) fn namespace(self, page: u8) -> Namespace<'static> {
        let vocabulary = self.vocabulary(page);
        vocabulary.map_or(Namespace::None, Namespace::Known)
    }

    /// Whether such a document is read and written as such inside `Data`.
    pub(crate) const fn is_embedded(self) -> bool {
        matches!(self, Self::Ddf | Self::DevInf)
    }
}

/// The name of an element whose token no table assigns.
pub(crate) fn unassigned(token: u8) -> &'static str {
    UNASSIGNED
        .get(usize::from(token & token::TAG))
        .copied()
        .unwrap_or_default()
}

#[rustfmt::skip]
const UNASSIGNED: [&str; 64] = [
    "token-00", "token-01", "token-02", "token-03",
    "token-04", "token-05", "token-06", "token-07",
    "token-08", "token-09", "token-0A", "token-0B",
    "token-0C", "token-0D", "token-0E", "token-0F",
    "token-10", "token-11", "token-12", "token-13",
    "token-14", "token-15", "token-16", "token-17",
    "token-18", "token-19", "token-1A", "token-1B",
    "token-1C", "token-1D", "token-1E", "token-1F",
    "token-20", "token-21", "token-22", "token-23",
    "token-24", "token-25", "token-26", "token-27",
    "token-28", "token-29", "token-2A", "token-2B",
    "token-2C", "token-2D", "token-2E", "token-2F",
    "token-30", "token-31", "token-32", "token-33",
    "token-34", "token-35", "token-36", "token-37",
    "token-38", "token-39", "token-3A", "token-3B",
    "token-3C", "token-3D", "token-3E", "token-3F",
];

/// How many bytes a multi-byte integer takes. [WAP-WBXML]
pub(crate) const fn integer_len(number: usize) -> usize {
    let mut len = 1;
    let mut rest = number >> 7;
    while rest > 0 {
        len += 1;
        rest >>= 7;
    }
    len
}

/// Appends a multi-byte integer, most significant bits first. [WAP-WBXML]
pub(crate) fn push_integer(number: usize, out: &mut Vec<u8>) {
    for group in (0..integer_len(number)).rev() {
        let more = if group > 0 { 0x80 } else { 0 };
        out.push((number >> (group * 7) & 0x7F) as u8 | more);
    }
}

/// Reads a multi-byte integer of 32 bits at the start of `bytes`: its value and its length.
///
/// `Err(true)` if the bytes end too early, `Err(false)` if it is too large or too long.
pub(crate) fn integer(bytes: &[u8]) -> Result<(u32, usize), bool> {
    let mut number = 0_u32;
    for (at, &byte) in bytes.iter().take(5).enumerate() {
        if number > u32::MAX >> 7 {
            return Err(false);
        }
        number = number << 7 | u32::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            return Ok((number, at + 1));
        }
    }
    Err(bytes.len() < 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_come_back() {
        let known: [(usize, &[u8]); 7] = [
            (0, &[0]),
            (0x6A, &[0x6A]),
            (0x0FD1, &[0x9F, 0x51]),
            (0x0FD3, &[0x9F, 0x53]),
            (0x1201, &[0xA4, 0x01]),
            (300, &[0x82, 0x2C]),
            (u32::MAX as usize, &[0x8F, 0xFF, 0xFF, 0xFF, 0x7F]),
        ];
        for (number, bytes) in known {
            let mut out = Vec::new();
            push_integer(number, &mut out);
            assert_eq!((out.as_slice(), integer_len(number)), (bytes, bytes.len()));
            assert_eq!(integer(bytes), Ok((number as u32, bytes.len())));
            for len in 0..bytes.len() {
                assert_eq!(integer(&bytes[..len]), Err(true));
            }
        }
    }

    #[test]
    fn integers_are_bounded() {
        // Leading zeros pass, within five octets.
        assert_eq!(integer(&[0x80, 0x80, 0x80, 0x80, 0x05]), Ok((5, 5)));
        assert_eq!(integer(&[0x80; 6]), Err(false));
        assert_eq!(integer(&[0x80, 0x80, 0x80, 0x80, 0x80, 5]), Err(false));
        assert_eq!(integer(&[0x90, 0x80, 0x80, 0x80, 0x00]), Err(false));
        assert_eq!(integer(&[0xFF; 5]), Err(false));
    }

    #[test]
    fn identifiers_and_pages_come_back() {
        use Kind::*;
        for kind in [SyncMl, MetInf, Ddf, DevInf, Provisioning, Unknown] {
            if kind.number() != 0 {
                assert_eq!(Kind::from_number(kind.number()), Some(kind));
            }
            if !kind.text().is_empty() {
                assert_eq!(Kind::from_text(kind.text().as_bytes()), Some(kind));
            }
            for &vocabulary in Vocabulary::ALL {
                if let Some(page) = kind.page(vocabulary) {
                    assert_eq!(kind.vocabulary(page), Some(vocabulary));
                }
            }
            assert_eq!(kind.vocabulary(3), None);
        }
        assert_eq!(Kind::from_number(4), None);
        assert_eq!(unassigned(0x3E), "token-3E");
    }
}
