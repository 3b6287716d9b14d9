use omadm_core::Secret;

/// A text that is no [`Token`]: empty, or with characters a header cannot carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token is visible ASCII, not empty")]
pub struct InvalidToken;

/// What a caller proves itself with. It never prints, and is compared in constant time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token(Secret);

impl Token {
    /// A token of visible ASCII characters; spaces are fine between them.
    ///
    /// # Errors
    /// [`InvalidToken`].
    pub fn new(text: &str) -> Result<Self, InvalidToken> {
        let is_visible = |octet: u8| octet == b' ' || octet.is_ascii_graphic();
        match text.bytes().all(is_visible) && !text.trim().is_empty() && text.trim() == text {
            true => Ok(Self(Secret::from(format!("Bearer {text}").as_str()))),
            false => Err(InvalidToken),
        }
    }

    /// The value of the header `Authorization`.
    pub(crate) fn header(&self) -> &[u8] {
        self.0.expose()
    }

    pub(crate) fn is(&self, header: Option<&Secret>) -> bool {
        header == Some(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_fit_into_a_header() {
        for bad in ["", " ", "a ", " a", "a\nb", "ä", "a\u{7f}"] {
            assert_eq!(Token::new(bad), Err(InvalidToken), "{bad:?}");
        }
        let token = Token::new("a b~").unwrap();
        assert_eq!(token.header(), b"Bearer a b~");
        assert!(token.is(Some(&Secret::from("Bearer a b~"))));
        for other in ["Bearer a b", "bearer a b~", "a b~", ""] {
            assert!(!token.is(Some(&Secret::from(other))), "{other}");
        }
        assert!(!token.is(None));
        assert!(!format!("{token:?}").contains("a b~"));
    }
}
