#[cfg(omadm_mo_terse)]
pub use terse::Note;
#[cfg(omadm_mo_terse)]
pub(super) use terse::of;

/// What a definition says to people; with `--cfg omadm_mo_terse` nothing, which takes no memory.
#[cfg(not(omadm_mo_terse))]
pub type Note = std::borrow::Cow<'static, str>;

#[cfg(not(omadm_mo_terse))]
pub(super) const fn of(text: &'static str) -> Note {
    Note::Borrowed(text)
}

#[cfg(omadm_mo_terse)]
mod terse {
    use std::fmt;

    /// What a definition would say to people.
    #[derive(Clone, Debug)]
    pub struct Note(());

    pub(crate) const fn of(_: &'static str) -> Note {
        Note(())
    }

    impl From<String> for Note {
        fn from(_: String) -> Self {
            Self(())
        }
    }

    impl fmt::Display for Note {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Ok(())
        }
    }
}
