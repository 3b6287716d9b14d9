use std::{error::Error, fmt};

/// An error with what is behind it, for people.
///
/// ```
/// use omadm_core::{Causes, JournalError, JournalErrorKind};
///
/// let error = JournalError::new(JournalErrorKind::Io, Some("no such device".into()));
/// assert_eq!(Causes(&error).to_string(), "the journal's medium failed: no such device");
/// assert_eq!(format!("{error:?}"), Causes(&error).to_string());
/// ```
#[derive(Clone, Copy)]
pub struct Causes<'e>(pub &'e (dyn Error + 'e));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0, f)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Implements `Debug` for errors as their [`Causes`]: whatever hands an error on as a `dyn Error`
/// brings its `Debug` along, and with a derived one that of all there is in it.
#[macro_export]
macro_rules! debug_as_causes {
    ($($error:ty),+) => {
        $(impl ::std::fmt::Debug for $error {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(&$crate::Causes(self), f)
            }
        })+
    };
}
