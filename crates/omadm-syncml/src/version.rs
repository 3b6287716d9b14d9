use std::fmt;

use crate::Header;

/// A version of the DM protocol, as `VerProto` names it; both have the representation `VerDTD` 1.2.
/// [DM-RepPro]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Version {
    /// DM 1.2: `DM/1.2`.
    #[default]
    Dm12,
    /// DM 1.3: `DM/1.3`. That the header says so, and `VerDTD` 1.2 beside it, is (unverified).
    Dm13,
}

impl Version {
    /// Every version, the lowest first.
    pub const ALL: [Self; 2] = [Self::Dm12, Self::Dm13];

    /// What `VerProto` says.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dm12 => Header::VER_PROTO,
            Self::Dm13 => "DM/1.3",
        }
    }

    /// The version a header names, if it is one of these.
    #[must_use]
    pub fn of(header: &Header<'_>) -> Option<Self> {
        let named = |version: &Self| version.as_str() == header.ver_proto.trim();
        Self::ALL.into_iter().find(named)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_headers() {
        let mut header = Header::new("1", 1, "server", "device");
        assert_eq!(Version::of(&header), Some(Version::Dm12));
        for (text, version) in [
            ("DM/1.2", Some(Version::Dm12)),
            (" DM/1.3 ", Some(Version::Dm13)),
            ("DM/1.1", None),
            ("dm/1.3", None),
            ("SyncML/1.2", None),
            ("", None),
        ] {
            header.ver_proto = text.into();
            assert_eq!(Version::of(&header), version, "{text:?}");
        }
        assert!(Version::Dm12 < Version::Dm13);
    }
}
