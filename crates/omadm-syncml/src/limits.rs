use omadm_markup::Encoding;

use crate::media_type;

/// What decoding spends at most on one message, and what it lets pass.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The limits of the document as such; among them the size of the message.
    pub markup: omadm_markup::Limits,
    /// The number of commands, those inside Atomic and Sequence included. Default: 10,000.
    pub max_commands: usize,
    /// The number of Items of all commands together. Default: 100,000.
    pub max_items: usize,
    /// How deep Atomic and Sequence nest; one directly in the SyncBody is at depth 1. Default: 8.
    pub max_nesting: usize,
    /// Whether what the types do not hold is an error instead of being skipped, for tools that must
    /// not lose an element. Default: false, as a receiver has to skip what it does not know.
    pub refuse_unknown: bool,
    /// Whether the media types of Data Synchronization, those without `.dm`, name a message too.
    /// Default: no.
    pub allow_short_media_types: bool,
}

impl Limits {
    /// The default limits, letting every document pass that deployed stacks send.
    #[must_use]
    pub fn lenient() -> Self {
        Self {
            markup: omadm_markup::Limits::lenient(),
            allow_short_media_types: true,
            ..Self::default()
        }
    }

    /// The encoding that a `Content-Type` names, as [`encoding_of`](crate::encoding_of) finds it,
    /// within what is let pass.
    ///
    /// ```
    /// use omadm_syncml::{Encoding, Limits};
    ///
    /// let short = "application/vnd.syncml+wbxml";
    /// assert_eq!(Limits::default().encoding_of(short), None);
    /// assert_eq!(Limits::lenient().encoding_of(short), Some(Encoding::Wbxml));
    /// ```
    #[must_use]
    pub fn encoding_of(&self, content_type: &str) -> Option<Encoding> {
        media_type::find(content_type, self.allow_short_media_types)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            markup: omadm_markup::Limits::default(),
            max_commands: 10_000,
            max_items: 100_000,
            max_nesting: 8,
            allow_short_media_types: false,
            refuse_unknown: false,
        }
    }
}
