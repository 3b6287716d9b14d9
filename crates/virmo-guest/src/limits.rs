/// What reading one message spends at most.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Octets of a message. Default: [`Self::MAX_BYTES`].
    pub max_bytes: usize,
    /// Commands, statuses, results and news of a message together. Default: 1,000.
    pub max_commands: usize,
}

impl Limits {
    /// 1 MiB.
    pub const MAX_BYTES: usize = 1 << 20;

    pub(crate) fn syncml(&self) -> omadm_syncml::Limits {
        let mut limits = omadm_syncml::Limits::default();
        limits.markup.max_bytes = self.max_bytes;
        limits.markup.max_text = self.max_bytes;
        limits.max_commands = self.max_commands;
        limits.max_items = self.max_commands.saturating_mul(16);
        limits
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: Self::MAX_BYTES,
            max_commands: 1_000,
        }
    }
}
