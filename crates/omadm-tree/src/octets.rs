use std::sync::Arc;

/// Octets that are cheap to clone: short ones in place, long ones shared.
///
/// Most values of a management tree are short, and in place they cost no allocation.
#[derive(Clone)]
pub(crate) enum Octets {
    Inline { len: u8, bytes: [u8; INLINE] },
    Shared(Arc<[u8]>),
}

const INLINE: usize = 22;

impl Octets {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Shared(octets) => octets,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Inline { len, .. } => usize::from(*len),
            Self::Shared(octets) => octets.len(),
        }
    }
}

impl From<&[u8]> for Octets {
    fn from(octets: &[u8]) -> Self {
        let mut bytes = [0; INLINE];
        match (bytes.get_mut(..octets.len()), u8::try_from(octets.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(octets);
                Self::Inline { len, bytes }
            }
            _ => Self::Shared(octets.into()),
        }
    }
}

impl From<&str> for Octets {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl PartialEq for Octets {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Octets {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_octets_come_back() {
        for len in [0, 1, INLINE - 1, INLINE, INLINE + 1, 300] {
            let text = "x".repeat(len);
            let octets = Octets::from(text.as_str());
            assert_eq!(octets.as_slice(), text.as_bytes());
            assert_eq!(octets.len(), len);
            assert_eq!(matches!(octets, Octets::Inline { .. }), len <= INLINE);
        }
        assert_eq!(size_of::<Octets>(), 24);
    }
}
