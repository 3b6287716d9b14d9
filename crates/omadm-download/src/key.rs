use std::{fmt, str::FromStr};

/// What a download is known by, in the journal and in the sink: a short text of the caller's
/// choice, such as the name of an image node.
///
/// 1 to [`MAX_LEN`](Self::MAX_LEN) bytes, no control characters; otherwise any text, also
/// `../etc`: a [`Sink`](crate::Sink) takes care of its own names.
///
/// ```
/// use omadm_download::DownloadKey;
///
/// let key: DownloadKey = "entvm".parse()?;
/// assert_eq!(key.as_str(), "entvm");
/// # Ok::<(), omadm_download::InvalidKey>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DownloadKey(String);

/// A text that is no [`DownloadKey`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// It has no character.
    #[error("the key is empty")]
    Empty,
    /// It has more than [`DownloadKey::MAX_LEN`] bytes.
    #[error("the key is longer than {} bytes", DownloadKey::MAX_LEN)]
    TooLong,
    /// It has a control character at this byte offset.
    #[error("the key has a control character at byte {0}")]
    Control(usize),
}

impl DownloadKey {
    /// The greatest length in bytes, such that a key in which every byte is escaped is still a
    /// file name.
    pub const MAX_LEN: usize = 80;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DownloadKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        if text.is_empty() {
            return Err(InvalidKey::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(InvalidKey::TooLong);
        }
        match text.find(char::is_control) {
            Some(offset) => Err(InvalidKey::Control(offset)),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for DownloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DownloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_and_printable() {
        let parse = |text: &str| text.parse::<DownloadKey>().map(|key| key.to_string());
        for good in ["a", "../x", "Größe 1", &"k".repeat(80)] {
            assert_eq!(parse(good), Ok(good.to_owned()));
        }
        assert_eq!(parse(""), Err(InvalidKey::Empty));
        assert_eq!(parse(&"k".repeat(81)), Err(InvalidKey::TooLong));
        assert_eq!(parse("ab\0"), Err(InvalidKey::Control(2)));
    }
}
