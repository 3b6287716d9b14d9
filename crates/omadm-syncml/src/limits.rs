/// What decoding spends at most on one message.
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
}

impl Limits {
    /// The default limits, letting every document pass that deployed stacks send.
    #[must_use]
    pub fn lenient() -> Self {
        Self {
            markup: omadm_markup::Limits::lenient(),
            ..Self::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            markup: omadm_markup::Limits::default(),
            max_commands: 10_000,
            max_items: 100_000,
            max_nesting: 8,
            refuse_unknown: false,
        }
    }
}
