use std::fmt;

use crate::interrupt::Signal;

/// Why the program ends with a code other than 0.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The work failed: exit code 1.
    Work(String),
    /// The work failed, and the events said so already: exit code 1.
    Told,
    /// Wrong usage: exit code 2.
    Usage(String),
    /// A signal ended it: its number and 128.
    Interrupted(Signal),
}

impl Failure {
    /// The work failed.
    pub(crate) fn work(why: impl fmt::Display) -> Self {
        Self::Work(why.to_string())
    }

    /// The program was called wrongly.
    pub(crate) fn usage(why: impl fmt::Display) -> Self {
        Self::Usage(why.to_string())
    }

    /// A word of a capability that is still to come.
    pub(crate) fn not_built(word: impl fmt::Display) -> Self {
        Self::Usage(format!("{word}: not built yet"))
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted(signal) => signal.exit_code(),
            Self::Work(_) | Self::Told => 1,
            Self::Usage(_) => 2,
        }
    }

    pub(crate) fn message(&self) -> Option<&str> {
        match self {
            Self::Work(text) | Self::Usage(text) => Some(text),
            Self::Told | Self::Interrupted(_) => None,
        }
    }
}
