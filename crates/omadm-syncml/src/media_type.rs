use omadm_markup::Encoding;

/// The media type of a DM message. [DM-HTTP]
#[must_use]
pub const fn media_type(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Xml => "application/vnd.syncml.dm+xml",
        Encoding::Wbxml => "application/vnd.syncml.dm+wbxml",
    }
}

/// The encoding that a `Content-Type` names, if it is one of a DM message.
///
/// Case and parameters are ignored.
///
/// ```
/// use omadm_syncml::{Encoding, encoding_of};
///
/// let encoding = encoding_of("application/vnd.syncml.dm+xml; charset=UTF-8");
/// assert_eq!(encoding, Some(Encoding::Xml));
/// assert_eq!(encoding_of("application/xml"), None);
/// ```
#[must_use]
pub fn encoding_of(content_type: &str) -> Option<Encoding> {
    find(content_type, false)
}

/// The encoding that a `Content-Type` names, with or without the `.dm` of its own.
pub(crate) fn find(content_type: &str, allow_short: bool) -> Option<Encoding> {
    // Mostly it stands there as it is.
    let exact = |encoding: &Encoding| content_type == media_type(*encoding);
    if let Some(encoding) = Encoding::ALL.into_iter().find(exact) {
        return Some(encoding);
    }
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let is = |media_type: &str| media_type.eq_ignore_ascii_case(essence);
    let short = |encoding| match encoding {
        Encoding::Xml => "application/vnd.syncml+xml",
        Encoding::Wbxml => "application/vnd.syncml+wbxml",
    };
    Encoding::ALL
        .into_iter()
        .find(|&encoding| is(media_type(encoding)) || (allow_short && is(short(encoding))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_round_trip_and_parameters_do_not_matter() {
        for encoding in Encoding::ALL {
            assert_eq!(encoding_of(media_type(encoding)), Some(encoding));
        }
        let found = encoding_of(" Application/vnd.SyncML.DM+wbxml ;charset=utf-8");
        assert_eq!(found, Some(Encoding::Wbxml));
        for other in [
            "",
            "text/xml",
            "application/vnd.syncml+xml",
            "application/vnd.syncml.dm+xmlx",
        ] {
            assert_eq!(encoding_of(other), None, "{other:?}");
        }
    }
}
