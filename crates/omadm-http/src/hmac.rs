//! The header that carries the MAC of a message. [DM-Security]

pub(crate) const NAME: &str = "x-syncml-hmac";

/// The value of the header: its value is a list, so several lines of it are one. [RFC 9110 §5.3]
///
/// There is none if a line is no visible ASCII.
pub(crate) fn joined<'a>(lines: impl Iterator<Item = Option<&'a str>>) -> Option<String> {
    let lines: Vec<&str> = lines.collect::<Option<_>>()?;
    (!lines.is_empty()).then(|| lines.join(", "))
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn lines_are_one_list() {
        let joined = |lines: &[Option<&str>]| joined(lines.iter().copied());
        assert_eq!(joined(&[]), None);
        assert_eq!(joined(&[Some("a")]).as_deref(), Some("a"));
        assert_eq!(joined(&[Some("a"), Some("b")]).as_deref(), Some("a, b"));
        assert_eq!(joined(&[Some("a"), None]), None);
    }
}
