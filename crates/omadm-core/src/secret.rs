use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// The room in bytes that is left over at most.
const SLACK: usize = 16;

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

    /// Holds these octets from now on: written over those before where they fit without much room
    /// left over, which spares overwriting them first.
    pub fn replace(&mut self, octets: &[u8]) {
        match self.0.capacity().checked_sub(octets.len()) {
            Some(0..=SLACK) => {
                if let Some(rest) = self.0.get_mut(octets.len()..) {
                    rest.zeroize();
                }
                self.0.clear();
                self.0.extend_from_slice(octets);
            }
            _ => *self = Self::from(octets.to_vec()),
        }
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
    fn what_replaces_octets_takes_their_place_if_it_fits_it() {
        let long = "x".repeat(SLACK + 2);
        let mut secret = Secret::from(long.as_str());
        let place = secret.expose().as_ptr();
        for (octets, stays) in [
            ("OhBehave", true),
            (&long, true),
            ("O", false),
            (&long, false),
        ] {
            secret.replace(octets.as_bytes());
            assert_eq!(secret.expose(), octets.as_bytes());
            assert!(secret.0.capacity() - octets.len() <= SLACK);
            let stayed = secret.expose().as_ptr() == place;
            assert!(stayed || !stays, "{octets}");
        }
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
