use super::{Mac, Method, Profile, Protection};

/// Why the Content-Type of a document cannot be understood.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct ContentTypeError {
    /// What is wrong.
    pub kind: ContentTypeErrorKind,
    /// The byte at which the part begins that is wrong.
    pub offset: usize,
}

/// What is wrong with a Content-Type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentTypeErrorKind {
    /// A parameter is no pair of name and value, or there twice.
    #[error("malformed or repeated parameter")]
    Parameter,
    /// `SEC` names no method, or one that is not supported.
    #[error("unknown security method")]
    Method,
    /// `MAC` is not 40 hexadecimal digits.
    #[error("malformed MAC")]
    Mac,
    /// One of `SEC` and `MAC` is there without the other.
    #[error("SEC without MAC, or MAC without SEC")]
    Incomplete,
}

impl Protection {
    /// The Content-Type of the document: its media type, `SEC` and `MAC`. [DM-Bootstrap §5.7.2.3]
    #[must_use]
    pub fn content_type(&self, profile: Profile, media_type: &str) -> String {
        let sec = self.method.as_str(profile);
        format!("{media_type}; SEC={sec}; MAC={}", self.mac)
    }

    /// Reads the Content-Type of a document: how it is protected, if it is. Names and words are
    /// taken in upper and lower case, values bare or quoted; the media type and other parameters
    /// are passed over.
    ///
    /// # Errors
    /// A [`ContentTypeError`]
    pub fn read(content_type: &str, profile: Profile) -> Result<Option<Self>, ContentTypeError> {
        let at = |kind, offset| ContentTypeError { kind, offset };
        let mut parts = content_type.split(';');
        let media_type = parts.next().unwrap_or_default();
        let (mut method, mut mac) = (None, None);
        let mut offset = media_type.len() + 1;
        for part in parts {
            let malformed = at(ContentTypeErrorKind::Parameter, offset);
            let (name, value) = part.split_once('=').ok_or(malformed.clone())?;
            let value = value.trim();
            let value = match value.strip_prefix('"') {
                Some(quoted) => quoted.strip_suffix('"').ok_or(malformed.clone())?,
                None => value,
            };
            let repeated = match name.trim().to_ascii_uppercase().as_str() {
                "SEC" => {
                    let named = Method::of(profile, value);
                    let named = named.ok_or(at(ContentTypeErrorKind::Method, offset))?;
                    method.replace(named).is_some()
                }
                "MAC" => {
                    let read = value.parse::<Mac>();
                    let read = read.map_err(|_| at(ContentTypeErrorKind::Mac, offset))?;
                    mac.replace(read).is_some()
                }
                _ => false,
            };
            if repeated {
                return Err(malformed);
            }
            offset += part.len() + 1;
        }
        match (method, mac) {
            (Some(method), Some(mac)) => Ok(Some(Self { method, mac })),
            (None, None) => Ok(None),
            _ => Err(at(ContentTypeErrorKind::Incomplete, content_type.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "application/vnd.wap.connectivity-wbxml";
    const MAC: &str = "9625A25DF1F9A521D7F5ED25B1299A40A8D63D1C";

    #[test]
    fn what_is_written_is_read() {
        let mac = MAC.parse().unwrap();
        for profile in [Profile::Cp, Profile::Dm] {
            for method in Method::ALL {
                let protection = Protection { method, mac };
                let text = protection.content_type(profile, TYPE);
                assert_eq!(Protection::read(&text, profile), Ok(Some(protection)));
                let lower = text.to_lowercase();
                assert_eq!(Protection::read(&lower, profile), Ok(Some(protection)));
            }
            assert_eq!(Protection::read(TYPE, profile), Ok(None));
        }
        let quoted =
            format!("application/vnd.wap.connectivity-wbxml;mac=\"{MAC}\" ; x=y;sec=\"1\"");
        let method = Method::UserPin;
        let expected = Ok(Some(Protection { method, mac }));
        assert_eq!(Protection::read(&quoted, Profile::Cp), expected);
    }

    #[test]
    fn errors_say_what_and_where() {
        let dm = "application/vnd.syncml.dm+wbxml";
        for (text, error) in [
            (
                format!("{dm};"),
                "malformed or repeated parameter at byte 32",
            ),
            (
                format!("{dm}; x=\"y"),
                "malformed or repeated parameter at byte 32",
            ),
            (
                format!("{dm}; SEC=1; SEC=1; MAC={MAC}"),
                "malformed or repeated parameter at byte 39",
            ),
            (
                format!("{dm}; SEC=3; MAC={MAC}"),
                "unknown security method at byte 32",
            ),
            (
                format!("{dm}; SEC=NETWPIN; MAC={MAC}"),
                "unknown security method at byte 32",
            ),
            (format!("{dm}; SEC=1; MAC=12"), "malformed MAC at byte 39"),
            (
                format!("{dm}; SEC=1"),
                "SEC without MAC, or MAC without SEC at byte 38",
            ),
            (
                format!("{dm}; MAC={MAC}"),
                "SEC without MAC, or MAC without SEC at byte 77",
            ),
        ] {
            let found = Protection::read(&text, Profile::Dm)
                .unwrap_err()
                .to_string();
            assert_eq!(found, error, "{text}");
        }
    }
}
