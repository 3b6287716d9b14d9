/// What a body without Content-Type is taken for. [RFC 9110 §8.3]
pub(crate) const OCTET_STREAM: &str = "application/octet-stream";

/// The media range that every media type is in. [RFC 9110 §12.5.1]
pub(crate) const ANY: &str = "*/*";

/// Whether two media types are the same apart from case and parameters. [RFC 9110 §8.3.1]
pub(crate) fn same(a: &str, b: &str) -> bool {
    essence(a).eq_ignore_ascii_case(essence(b))
}

/// Whether a text is `type/subtype`, maybe with parameters. [RFC 9110 §8.3.1]
///
/// ```
/// assert!(omadm_download::is_media_type("application/x-disk; v=1"));
/// assert!(!omadm_download::is_media_type("disk"));
/// ```
#[must_use]
pub fn is_media_type(text: &str) -> bool {
    let is_token = |text: &str| {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        !text.is_empty() && text.chars().all(token)
    };
    let parts = essence(text).split_once('/');
    parts.is_some_and(|(main, sub)| is_token(main) && is_token(sub))
}

fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_parameters_do_not_count() {
        assert!(same(
            "Application/X-Raw ; charset=utf-8",
            "application/x-raw"
        ));
        assert!(!same("application/x-raw", "application/x-raw2"));
        assert!(!same("", OCTET_STREAM));
    }
}
