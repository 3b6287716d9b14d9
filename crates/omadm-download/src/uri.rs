use std::{fmt, str::FromStr};

use url::Url;

/// The absolute `http` or `https` URI of a file.
///
/// Without user name and password; a fragment is dropped.
///
/// ```
/// use omadm_download::{DownloadUri, InvalidUriKind};
///
/// let uri: DownloadUri = "http://images.example/a/b.img?v=1#top".parse()?;
/// assert_eq!(uri.as_str(), "http://images.example/a/b.img?v=1");
/// assert_eq!(uri.join("../c.img")?.as_str(), "http://images.example/c.img");
///
/// let refused = "ftp://images.example/b.img".parse::<DownloadUri>().unwrap_err();
/// assert_eq!(refused.kind, InvalidUriKind::Scheme);
/// # Ok::<(), omadm_download::InvalidUri>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DownloadUri(Url);

/// A text that is no [`DownloadUri`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{text:?} {}", match kind {
    InvalidUriKind::Syntax => "is not an absolute URI",
    InvalidUriKind::Scheme => "is neither an http nor an https URI",
    InvalidUriKind::Credentials => "has a user name or password in it",
})]
pub struct InvalidUri {
    /// What is wrong with it.
    pub kind: InvalidUriKind,
    /// The text; `…` stands for all before the last `@`, which may be a password.
    pub text: String,
}

/// The kind of an [`InvalidUri`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum InvalidUriKind {
    /// Not an absolute URI.
    Syntax,
    /// A scheme other than `http` and `https`.
    Scheme,
    /// A user name or password in the authority, which RFC 9110 §4.2.4 forbids to send.
    Credentials,
}

impl DownloadUri {
    /// The URI as text, normalised.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The host, in small letters; an IPv6 address in its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether the scheme is `https`.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Resolves a reference, relative or absolute, against this URI.
    ///
    /// # Errors
    /// [`InvalidUri`] if the result is none of these URIs.
    pub fn join(&self, reference: &str) -> Result<Self, InvalidUri> {
        let joined = self.0.join(reference);
        let joined = joined.map_err(|_| InvalidUri::new(InvalidUriKind::Syntax, reference))?;
        Self::admit(joined)
    }

    fn admit(mut url: Url) -> Result<Self, InvalidUri> {
        let kind = if !matches!(url.scheme(), "http" | "https") {
            InvalidUriKind::Scheme
        } else if !url.username().is_empty() || url.password().is_some() {
            InvalidUriKind::Credentials
        } else {
            url.set_fragment(None);
            return Ok(Self(url));
        };
        Err(InvalidUri::new(kind, url.as_str()))
    }
}

impl InvalidUri {
    fn new(kind: InvalidUriKind, text: &str) -> Self {
        let text = match text.rsplit_once('@') {
            Some((_, rest)) => format!("…@{rest}"),
            None => text.to_owned(),
        };
        Self { kind, text }
    }
}

impl FromStr for DownloadUri {
    type Err = InvalidUri;

    fn from_str(text: &str) -> Result<Self, InvalidUri> {
        let url = Url::parse(text).map_err(|_| InvalidUri::new(InvalidUriKind::Syntax, text))?;
        Self::admit(url)
    }
}

impl fmt::Display for DownloadUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for DownloadUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_error_repeats_a_password() {
        let base: DownloadUri = "http://h/".parse().unwrap();
        for text in [
            "http://user:secret@h/x",
            "http://user:secret@h:99999/x",
            "http://user:sec/secret@h/x",
            "http:user:secret@[h",
            "user:secret@h",
            "//user:secret@h:99999/",
        ] {
            let error = text.parse::<DownloadUri>().unwrap_err();
            for error in base.join(text).err().into_iter().chain([error]) {
                assert!(!format!("{error:?} {error}").contains("secret"), "{text}");
                assert!(error.text.contains('h'), "{text}");
            }
        }
    }

    #[test]
    fn only_http_without_credentials_gets_in() {
        let kind = |text: &str| text.parse::<DownloadUri>().map_err(|error| error.kind);
        for (text, expected) in [
            ("/a/b.img", InvalidUriKind::Syntax),
            ("", InvalidUriKind::Syntax),
            ("http://", InvalidUriKind::Syntax),
            ("file:///etc/passwd", InvalidUriKind::Scheme),
            ("data:text/plain,x", InvalidUriKind::Scheme),
            ("http://u@h/x", InvalidUriKind::Credentials),
            ("https://u:p@h/x", InvalidUriKind::Credentials),
        ] {
            assert_eq!(kind(text).unwrap_err(), expected, "{text}");
        }
        assert!(kind("HTTPS://h/x").unwrap().is_secure());
        assert!(!kind("http://h").unwrap().is_secure());
    }

    #[test]
    fn a_password_does_not_reach_the_error_text() {
        let error = "https://u:hunter2@h/x".parse::<DownloadUri>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"…@h/x\" has a user name or password in it"
        );
    }

    #[test]
    fn a_reference_may_not_leave_http() {
        let base: DownloadUri = "https://h/a".parse().unwrap();
        assert_eq!(base.join("//i/b").unwrap().as_str(), "https://i/b");
        assert_eq!(base.join("http://h/b").unwrap().as_str(), "http://h/b");
        assert_eq!(
            base.join("file:///b").unwrap_err().kind,
            InvalidUriKind::Scheme
        );
    }

    proptest! {
        #[test]
        fn what_gets_in_is_normal(
            text in "(https?://)?[a-zA-Z0-9:@\\[\\]./?#% -]{0,30}",
            reference in "\\PC{0,20}",
        ) {
            if let Ok(uri) = text.parse::<DownloadUri>() {
                prop_assert_eq!(uri.as_str().parse(), Ok(uri.clone()));
                prop_assert!(!uri.as_str().contains('#'));
                if let Ok(joined) = uri.join(&reference) {
                    prop_assert_eq!(joined.as_str().parse(), Ok(joined.clone()));
                }
            }
        }
    }
}
