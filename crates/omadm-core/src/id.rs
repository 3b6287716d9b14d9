use std::{fmt, str::FromStr, sync::Arc};

/// The identifier of a DM server, as ACLs and notifications name it. [DM-TND §7.7.1]
///
/// Printable, without white space, `=`, `&`, `*` and `+`; never empty. Cheap to clone.
///
/// ```
/// use omadm_core::ServerId;
///
/// let id: ServerId = "dm.example".parse()?;
/// assert_eq!(id.as_str(), "dm.example");
/// assert!("a+b".parse::<ServerId>().is_err());
/// # Ok::<(), omadm_core::InvalidServerId>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(Arc<str>);

/// A text that is no server identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a server identifier: {}", match offset {
    Some(offset) => format!("character at byte {offset} is not allowed"),
    None => "it is empty".to_owned(),
})]
pub struct InvalidServerId {
    /// The text.
    pub text: String,
    /// The byte offset of the first character that is not allowed; absent for an empty text.
    pub offset: Option<usize>,
}

impl ServerId {
    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServerId {
    type Err = InvalidServerId;

    fn from_str(text: &str) -> Result<Self, InvalidServerId> {
        let bad =
            |c: char| c.is_whitespace() || c.is_control() || matches!(c, '=' | '&' | '*' | '+');
        match text.find(bad) {
            None if !text.is_empty() => Ok(Self(text.into())),
            offset => Err(InvalidServerId {
                text: text.to_owned(),
                offset,
            }),
        }
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text that ties the later alert of an asynchronous Exec to the Exec. [DM-Protocol §8.7]
///
/// Chosen by the server, opaque to the client, echoed byte for byte.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Correlator(String);

impl Correlator {
    /// Takes the text as it is.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Correlator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_ids_exclude_what_the_acl_grammar_uses() {
        for bad in ["", "*", "a+b", "a=b", "a&b", "a b", "a\n", "\u{7f}"] {
            assert!(bad.parse::<ServerId>().is_err(), "{bad:?}");
        }
        for good in ["a", "dm.example.com", "urn:x:1/2", "Größe"] {
            assert_eq!(
                good.parse::<ServerId>().map(|id| id.to_string()),
                Ok(good.to_owned())
            );
        }
        let error = "ab*c".parse::<ServerId>().unwrap_err();
        assert_eq!(error.offset, Some(2));
        assert_eq!(
            error.to_string(),
            "\"ab*c\" is not a server identifier: character at byte 2 is not allowed"
        );
    }
}
