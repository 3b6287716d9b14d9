use std::{fmt, str::FromStr};

use omadm_core::{Secret, base64};

/// The octets of a digest.
const DIGEST: usize = 16;

/// The value of the transport header `x-syncml-hmac`: the MAC of a message, and whose it is.
/// [DM-Security]
///
/// ```
/// use omadm_session::Hmac;
///
/// let text = r#"algorithm=MD5, username="Robert Jordan", mac=aSBvnDHzBa7JhdjeEEUR2g=="#;
/// let hmac: Hmac = text.parse()?;
/// assert_eq!(hmac.username(), "Robert Jordan");
/// assert_eq!(hmac.to_string(), text);
/// # Ok::<(), omadm_session::InvalidHmac>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hmac {
    username: String,
    mac: Secret,
}

/// A text that is no [`Hmac`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidHmac {
    /// It is no list of `name=value`, separated by commas.
    #[error("the MAC header is no list of parameters, at octet {0}")]
    Syntax(usize),
    /// A parameter stands twice.
    #[error("the MAC header has the parameter {0} twice")]
    Twice(&'static str),
    /// A parameter that must be there is not.
    #[error("the MAC header lacks the parameter {0}")]
    Missing(&'static str),
    /// The algorithm is not MD5.
    #[error("the algorithm of the MAC is not MD5")]
    Algorithm,
    /// The `mac` is not 16 octets in base64.
    #[error("the MAC is not 16 octets in base64")]
    Mac,
}

impl Hmac {
    /// A MAC; none for a name that cannot stand in a header, which is one that is not visible
    /// ASCII with spaces.
    pub(super) fn new(username: &str, mac: Secret) -> Option<Self> {
        let sendable = username.bytes().all(|octet| (b' '..=b'~').contains(&octet));
        sendable.then(|| Self {
            username: username.to_owned(),
            mac,
        })
    }

    /// The user name.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The digest, 16 octets.
    #[must_use]
    pub const fn mac(&self) -> &Secret {
        &self.mac
    }
}

impl fmt::Display for Hmac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("algorithm=MD5, username=\"")?;
        for character in self.username.chars() {
            if matches!(character, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{character}")?;
        }
        write!(f, "\", mac={}", base64::encode(self.mac.expose()))
    }
}

impl FromStr for Hmac {
    type Err = InvalidHmac;

    /// Takes the parameters in any order, each value quoted or not; parameters of other names are
    /// skipped.
    fn from_str(text: &str) -> Result<Self, InvalidHmac> {
        Self::parse(text, false)
    }
}

impl Hmac {
    /// Reads the header; with `hex` also one whose MAC is the base64 of hexadecimal digits, as the
    /// sample of the specification has it.
    pub(crate) fn parse(text: &str, hex: bool) -> Result<Self, InvalidHmac> {
        const NAMES: [&str; 3] = ["algorithm", "username", "mac"];
        let mut values = [None, None, None];
        let mut list = List { text, at: 0 };
        while let Some((name, value)) = list.parameter()? {
            let mut slots = NAMES.iter().zip(&mut values);
            let slot = slots.find(|(known, _)| known.eq_ignore_ascii_case(name));
            if let Some((known, slot)) = slot
                && slot.replace(value).is_some()
            {
                return Err(InvalidHmac::Twice(known));
            }
        }
        let [algorithm, username, mac] = values;
        if algorithm.is_some_and(|algorithm| !algorithm.eq_ignore_ascii_case("MD5")) {
            return Err(InvalidHmac::Algorithm);
        }
        let username = username.ok_or(InvalidHmac::Missing("username"))?;
        let mac = mac.ok_or(InvalidHmac::Missing("mac"))?;
        let mut mac = base64::decode(mac).ok_or(InvalidHmac::Mac)?;
        if hex && mac.len() == 2 * DIGEST {
            mac = octets_of(&mac).ok_or(InvalidHmac::Mac)?;
        }
        if mac.len() != DIGEST {
            return Err(InvalidHmac::Mac);
        }
        Ok(Self {
            username,
            mac: mac.into(),
        })
    }
}

/// The octets that hexadecimal digits stand for.
fn octets_of(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |octet: &u8| char::from(*octet).to_digit(16);
    let octet = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
        _ => None,
    };
    digits.chunks(2).map(octet).collect()
}

/// What is left of a `#rule` list: empty elements are legal. [RFC 2616 §2.1]
struct List<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> List<'t> {
    fn parameter(&mut self) -> Result<Option<(&'t str, String)>, InvalidHmac> {
        self.skip(b", \t");
        if self.rest().is_empty() {
            return Ok(None);
        }
        let name = self.until(b"=,\" \t");
        self.skip(SPACE);
        if name.is_empty() || !self.eat('=') {
            return Err(InvalidHmac::Syntax(self.at));
        }
        self.skip(SPACE);
        let value = if self.eat('"') {
            self.quoted()?
        } else {
            self.until(b",\" \t").to_owned()
        };
        self.skip(SPACE);
        if !self.rest().is_empty() && !self.eat(',') {
            return Err(InvalidHmac::Syntax(self.at));
        }
        Ok(Some((name, value)))
    }

    /// The rest of a quoted string.
    fn quoted(&mut self) -> Result<String, InvalidHmac> {
        let mut value = String::new();
        let mut characters = self.rest().char_indices();
        while let Some((index, character)) = characters.next() {
            match character {
                '"' => {
                    self.at += index + 1;
                    return Ok(value);
                }
                '\\' => match characters.next() {
                    Some((_, escaped)) => value.push(escaped),
                    None => break,
                },
                other => value.push(other),
            }
        }
        Err(InvalidHmac::Syntax(self.text.len()))
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.rest().starts_with(wanted);
        self.at += if found { wanted.len_utf8() } else { 0 };
        found
    }

    /// What comes before the first of these octets, which are ASCII.
    fn until(&mut self, ends: &[u8]) -> &'t str {
        let rest = self.rest();
        let end = rest.bytes().position(|octet| ends.contains(&octet));
        let (taken, _) = rest
            .split_at_checked(end.unwrap_or(rest.len()))
            .unwrap_or((rest, ""));
        self.at += taken.len();
        taken
    }

    fn skip(&mut self, octets: &[u8]) {
        let rest = self.rest();
        let end = rest.bytes().position(|octet| !octets.contains(&octet));
        self.at += end.unwrap_or(rest.len());
    }
}

const SPACE: &[u8] = b" \t";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAC: &str = "aSBvnDHzBa7JhdjeEEUR2g==";

    fn parse(text: &str) -> Result<(String, String), InvalidHmac> {
        let hmac: Hmac = text.parse()?;
        Ok((hmac.username, base64::encode(hmac.mac.expose())))
    }

    #[test]
    fn parameters_come_in_any_order_quoted_or_not() {
        for text in [
            format!("algorithm=MD5, username=\"Robert Jordan\", mac={MAC}"),
            format!("mac={MAC},username=\"Robert Jordan\""),
            format!("username = \"Robert Jordan\" ,, MAC = \"{MAC}\" , Algorithm=\"md5\","),
            format!("\tqop=auth, username=\"Robert\\ Jordan\", mac={MAC}"),
        ] {
            let expected = ("Robert Jordan".to_owned(), MAC.to_owned());
            assert_eq!(parse(&text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, error) in [
            ("", InvalidHmac::Missing("username")),
            ("username=\"a\"", InvalidHmac::Missing("mac")),
            (
                "mac=aSBvnDHzBa7JhdjeEEUR2g==",
                InvalidHmac::Missing("username"),
            ),
            (
                "username=a, username=b, mac=x",
                InvalidHmac::Twice("username"),
            ),
            // Two lines of the header, as HTTP joins them.
            (
                "username=a, mac=x, username=a, mac=x",
                InvalidHmac::Twice("username"),
            ),
            ("algorithm=SHA1, username=a, mac=x", InvalidHmac::Algorithm),
            ("username=a, mac=x", InvalidHmac::Mac),
            ("username=a, mac=", InvalidHmac::Mac),
            ("username=a, mac=aSBvnDHzBa7JhdjeEEUR", InvalidHmac::Mac),
            ("username", InvalidHmac::Syntax(8)),
            ("=a", InvalidHmac::Syntax(0)),
            ("username=\"a", InvalidHmac::Syntax(11)),
            ("username=\"a\\", InvalidHmac::Syntax(12)),
            ("username=\"a\" x, mac=y", InvalidHmac::Syntax(13)),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_name_that_would_break_the_header_is_not_sent() {
        for name in ["a\r\nx: y", "\u{e9}", "\0", "\t"] {
            assert_eq!(Hmac::new(name, Secret::default()), None);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(name in "[ -~]{0,40}", mac in any::<[u8; 16]>()) {
            let hmac = Hmac::new(&name, Secret::from(mac.to_vec())).unwrap();
            prop_assert_eq!(hmac.to_string().parse(), Ok(hmac));
        }

        #[test]
        fn no_text_does_harm(text in "[a-c=,\" \\\\\u{e9}]{0,40}|\\PC{0,40}") {
            if let Err(InvalidHmac::Syntax(at)) = text.parse::<Hmac>() {
                prop_assert!(at <= text.len());
            }
        }
    }
}
