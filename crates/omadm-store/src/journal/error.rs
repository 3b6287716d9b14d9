use std::{
    error::Error,
    fmt,
    path::{Path, PathBuf},
};

use omadm_core::{JournalError, JournalErrorKind};

use super::engine::Failure;
use crate::disk::{self, Trouble};

/// Why a [`RedbJournal`](crate::RedbJournal) could not be opened.
#[derive(Debug)]
pub struct OpenError {
    kind: OpenErrorKind,
    path: Option<PathBuf>,
    source: Box<dyn Error + Send + Sync>,
}

/// The kind of an [`OpenError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum OpenErrorKind {
    /// Another process, or another journal of this one, has it open.
    Locked,
    /// A later version of this crate has written it.
    Newer {
        /// The version of the file.
        version: u8,
    },
    /// It is damaged, or no journal at all.
    Corrupt,
    /// There is no space left.
    Full,
    /// It cannot be written.
    ReadOnly,
    /// The medium failed in another way.
    Io,
}

impl OpenError {
    pub(super) fn new(path: Option<&Path>, failure: Failure) -> Self {
        let kind = match &failure {
            Failure::Locked => OpenErrorKind::Locked,
            Failure::Newer(version) => OpenErrorKind::Newer { version: *version },
            other => match kind_of(other) {
                JournalErrorKind::Full => OpenErrorKind::Full,
                JournalErrorKind::ReadOnly => OpenErrorKind::ReadOnly,
                JournalErrorKind::Corrupt => OpenErrorKind::Corrupt,
                _ => OpenErrorKind::Io,
            },
        };
        Self {
            kind,
            path: path.map(Path::to_owned),
            source: Box::new(failure),
        }
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> OpenErrorKind {
        self.kind
    }

    /// The file, if it is in one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the journal ")?;
        if let Some(path) = &self.path {
            write!(f, "{} ", path.display())?;
        }
        match self.kind {
            OpenErrorKind::Locked => f.write_str("is in use"),
            OpenErrorKind::Newer { version } => {
                write!(f, "has format {version}, which this version cannot read")
            }
            OpenErrorKind::Corrupt => f.write_str("is damaged"),
            OpenErrorKind::Full => f.write_str("has no space left"),
            OpenErrorKind::ReadOnly => f.write_str("cannot be written"),
            OpenErrorKind::Io => f.write_str("cannot be opened"),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

impl From<Failure> for JournalError {
    fn from(failure: Failure) -> Self {
        let kind = kind_of(&failure);
        let source: Box<dyn Error + Send + Sync> = Box::new(failure);
        Self::new(kind, source)
    }
}

/// Whether it is of no use trying again, now or with a later version.
pub(super) fn is_damage(failure: &Failure) -> bool {
    !matches!(failure, Failure::Newer(_)) && kind_of(failure) == JournalErrorKind::Corrupt
}

fn kind_of(failure: &Failure) -> JournalErrorKind {
    let trouble = match failure {
        Failure::Io(error) => disk::trouble(error),
        Failure::Redb(redb::Error::Io(error)) => disk::trouble(error),
        Failure::Damaged | Failure::Newer(_) | Failure::Redb(redb::Error::Corrupted(_)) => {
            Trouble::Damaged
        }
        Failure::Locked | Failure::Redb(_) => Trouble::Other,
    };
    match trouble {
        Trouble::Full => JournalErrorKind::Full,
        Trouble::ReadOnly => JournalErrorKind::ReadOnly,
        Trouble::Damaged => JournalErrorKind::Corrupt,
        Trouble::Other => JournalErrorKind::Io,
    }
}
