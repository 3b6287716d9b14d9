use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A password, key or nonce that never prints.
///
/// Neither `Debug` nor `Display` shows the content, comparison takes the same time whatever the
/// first difference is, and the octets are overwritten when it is dropped. What is made of
/// [`expose`](Self::expose)d octets, such as a message, is not.
///
/// ```
/// use omadm_core::Secret;
///
/// let secret = Secret::from("OhBehave");
/// assert_eq!(format!("{secret:?}"), "[redacted]");
/// assert_eq!(secret.expose(), b"OhBehave");
/// ```
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// The octets themselves. Take care where they go.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes().to_vec())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<Vec<u8>> for Secret {
    fn from(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_sees_every_octet_and_the_length() {
        let a = Secret::from("abc");
        assert_eq!(a, Secret::from("abc"));
        for other in ["abd", "xbc", "ab", "abcd", ""] {
            assert_ne!(a, Secret::from(other));
        }
        assert!(!format!("{:?}", Some(a)).contains("abc"));
    }

    #[test]
    fn the_octets_are_overwritten() {
        fn when_dropped(_: &impl zeroize::ZeroizeOnDrop) {}
        let mut secret = Secret::from("OhBehave");
        when_dropped(&secret.0);
        let copy = secret.clone();
        // What a drop does.
        zeroize::Zeroize::zeroize(&mut secret.0);
        assert!(secret.is_empty() && copy == Secret::from("OhBehave"));
    }
}
