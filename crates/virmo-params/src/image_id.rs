use std::{fmt, str::FromStr, sync::Arc};

/// The identifier of a VM image: the value of `VMImgMO/<x>/ImgID`. [VirMO §9]
///
/// 1 to 255 octets of text without control characters and without white space at its ends. Any
/// client's identifiers fit; our own client assigns only letters, digits, `-`, `.` and `_`. Cheap
/// to clone.
///
/// ```
/// use virmo_params::ImageId;
///
/// let id: ImageId = "img-1".parse()?;
/// assert_eq!(id.as_str(), "img-1");
/// # Ok::<(), virmo_params::InvalidImageId>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId(Arc<str>);

/// A text that is no [`ImageId`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidImageId {
    /// There is no character.
    #[error("it is empty")]
    Empty,
    /// It is longer than [`ImageId::MAX_LEN`].
    #[error("it has more than {} octets", ImageId::MAX_LEN)]
    TooLong,
    /// It has a control character, or white space at an end.
    #[error("it has a character that is not allowed")]
    Character,
}

impl ImageId {
    /// The most octets an identifier has.
    pub const MAX_LEN: usize = 255;

    /// The identifier as text, without escapes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImageId {
    type Err = InvalidImageId;

    fn from_str(text: &str) -> Result<Self, InvalidImageId> {
        if text.is_empty() {
            Err(InvalidImageId::Empty)
        } else if text.len() > Self::MAX_LEN {
            Err(InvalidImageId::TooLong)
        } else if text.trim() != text || text.contains(char::is_control) {
            Err(InvalidImageId::Character)
        } else {
            Ok(Self(text.into()))
        }
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
