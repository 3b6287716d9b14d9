use std::borrow::Cow;

use crate::Encoding;

/// An embedded document: markup found inside an element, or made to be put there.
///
/// It can be replayed in either encoding, whichever it was read from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fragment<'a> {
    encoding: Encoding,
    source: Cow<'a, [u8]>,
}

impl Fragment<'_> {
    /// Detaches it from the input.
    #[must_use]
    pub fn into_owned(self) -> Fragment<'static> {
        Fragment {
            encoding: self.encoding,
            source: Cow::Owned(self.source.into_owned()),
        }
    }
}
