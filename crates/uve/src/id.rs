use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The longest identifier, in bytes.
pub const MAX_ID: usize = 128;

/// A text that is no identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidId {
    /// There is nothing in it.
    #[error("the identifier is empty")]
    Empty,
    /// It has more than [`MAX_ID`] bytes.
    #[error("the identifier has {bytes} bytes, {MAX_ID} are allowed")]
    TooLong {
        /// How many.
        bytes: usize,
    },
    /// It has a control character.
    #[error("the identifier has a control character at byte {offset}")]
    Control {
        /// Where the first one is.
        offset: usize,
    },
}

fn check(text: &str) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty);
    }
    if text.len() > MAX_ID {
        return Err(InvalidId::TooLong { bytes: text.len() });
    }
    match text.find(char::is_control) {
        Some(offset) => Err(InvalidId::Control { offset }),
        None => Ok(()),
    }
}

macro_rules! identifiers {
    ($($(#[$doc:meta])+ $name:ident;)+) => {$(
        $(#[$doc])+
        ///
        /// 1 to [`MAX_ID`] bytes without control characters. It never becomes part of a file name.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.to_owned().try_into()
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                check(&text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

identifiers! {
    /// A user who logs into UVE.
    UserId;
    /// A VM that serves users.
    VmId;
    /// A user application (UA) deployed on VMs. The text never spells UA out: the reading is ours
    /// (unverified).
    UaId;
    /// A session of a user with a UA on a VM. The VMM gives each one a name that is never used
    /// again.
    UaSessionId;
    /// One attempt to update a user's image. The VM chooses it, so that an update whose answer was
    /// lost is known again.
    UpdateId;
}

/// The number of a disconnect that a VM reports: one more with each, never used again by that VM,
/// so that the VMM knows a repetition.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct EventId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_bounds_and_tell_where_they_are_wrong() {
        assert_eq!("".parse::<UserId>(), Err(InvalidId::Empty));
        assert_eq!(
            "a\nb".parse::<UserId>(),
            Err(InvalidId::Control { offset: 1 })
        );
        let long = "x".repeat(MAX_ID + 1);
        assert_eq!(
            long.parse::<UserId>(),
            Err(InvalidId::TooLong { bytes: 129 })
        );
        let longest = "x".repeat(MAX_ID);
        assert_eq!(longest.parse::<UserId>().map(String::from), Ok(longest));
        assert!(serde_json::from_str::<UserId>(r#""""#).is_err());
        assert_eq!(
            serde_json::from_str::<UserId>(r#""../é""#)
                .map(String::from)
                .ok(),
            Some("../é".to_owned())
        );
    }
}
