use std::{fmt, str::FromStr};

use omadm_core::Format;
use omadm_syncml::{Chal, Meta};

/// How one end proves in messages who it is. [DM-Security]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Scheme {
    /// Name and password in the clear, `syncml:auth-basic`.
    Basic,
    /// A digest of name, password and nonce, `syncml:auth-md5`.
    Md5,
    /// A digest of name, password, nonce and the message, in a transport header,
    /// `syncml:auth-MAC`.
    Mac,
}

/// A word that is no [`Scheme`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown authentication scheme {0:?}")]
pub struct UnknownScheme(pub String);

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 3] = [Self::Basic, Self::Md5, Self::Mac];

    /// The word for people: `basic`, `md5` or `mac`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Md5 => "md5",
            Self::Mac => "mac",
        }
    }

    /// The `Type` of credentials and challenges.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Basic => "syncml:auth-basic",
            Self::Md5 => "syncml:auth-md5",
            Self::Mac => "syncml:auth-MAC",
        }
    }

    /// Whether a proof needs a nonce of the peer.
    #[must_use]
    pub const fn has_nonce(self) -> bool {
        !matches!(self, Self::Basic)
    }

    /// The scheme a challenge asks for; none for one this crate does not know.
    #[must_use]
    pub fn of_challenge(chal: &Chal<'_>) -> Option<Self> {
        Self::of_meta(&chal.meta)
    }

    pub(super) fn of_meta(meta: &Meta<'_>) -> Option<Self> {
        let media_type = meta.media_type.as_deref()?.trim();
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.media_type() == media_type)
    }

    pub(super) fn meta(self) -> Meta<'static> {
        Meta::new()
            .with_format(Format::B64)
            .with_type(self.media_type())
    }
}

impl FromStr for Scheme {
    type Err = UnknownScheme;

    fn from_str(word: &str) -> Result<Self, UnknownScheme> {
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.as_str() == word)
            .ok_or_else(|| UnknownScheme(word.to_owned()))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_have_words_and_types() {
        for scheme in Scheme::ALL {
            assert_eq!(scheme.as_str().parse(), Ok(scheme));
            assert_eq!(Scheme::of_meta(&scheme.meta()), Some(scheme));
        }
        assert_eq!("MD5".parse::<Scheme>(), Err(UnknownScheme("MD5".into())));
        let odd = Chal::new(Meta::new().with_type("syncml:auth-odd"));
        assert_eq!(Scheme::of_challenge(&odd), None);
        assert_eq!(Scheme::of_challenge(&Chal::new(Meta::new())), None);
    }
}
