//! A notification in a WAP push: the octets that SMS carries. [DM-WSPBinding] [WAP-230-WSP]
//!
//! A push without connection and without security to port 2948. What a modem or a WAP stack has
//! not taken off yet, [`PortHeader::split`] and [`unwrap`] do; a message in several parts is put
//! together before.
//!
//! ```
//! use omadm_session::notification::push::{PORT, PortHeader, unwrap, wrap};
//!
//! let mut sms = PortHeader::new(0xC002).octets().to_vec();
//! sms.extend(wrap(1, b"notification"));
//! assert_eq!(sms[..13], *b"\x06\x05\x04\x0B\x84\xC0\x02\x01\x06\x03\xC4\xAF\x87");
//!
//! let (header, push) = PortHeader::split(&sms)?;
//! assert_eq!(header.destination, PORT);
//! assert_eq!(unwrap(push)?, b"notification");
//! # Ok::<(), omadm_session::notification::push::PushError>(())
//! ```

use super::MEDIA_TYPE;

/// The port that notifications are pushed to.
pub const PORT: u16 = 2948;

/// The application that a push is for, in words: `X-WAP-Application-ID`.
pub const APPLICATION: &str = "x-wap-application:syncml.dm";

const PUSH: u8 = 0x06;
const SHORT: u8 = 0x80;
const CONTENT_TYPE_CODE: u64 = 0x44;
const APPLICATION_FIELD: u8 = 0x2F | SHORT;
const APPLICATION_CODE: u64 = 0x07;

/// The ports in the user data header of an SMS. [3GPP TS 23.040 §9.2.3.24.4]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PortHeader {
    /// The port the message goes to: [`PORT`].
    pub destination: u16,
    /// The port it comes from; any.
    pub source: u16,
}

/// Why octets are no push with a notification.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct PushError {
    /// What is wrong.
    pub kind: PushErrorKind,
    /// The octet at which it is wrong; the end if something is missing.
    pub offset: usize,
}

/// What is wrong with a push.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushErrorKind {
    /// It ends within a field.
    #[error("unexpected end")]
    UnexpectedEnd,
    /// The user data header names no ports.
    #[error("no ports")]
    NoPorts,
    /// It is another protocol data unit.
    #[error("not a push")]
    NotAPush,
    /// A length or a field is malformed.
    #[error("malformed header")]
    Header,
    /// The content is no notification.
    #[error("content is no notification")]
    ContentType,
    /// It is for another application.
    #[error("push for another application")]
    Application,
}

impl PortHeader {
    /// From a port to [`PORT`].
    #[must_use]
    pub const fn new(source: u16) -> Self {
        Self {
            destination: PORT,
            source,
        }
    }

    /// The header with its length.
    #[must_use]
    pub const fn octets(&self) -> [u8; 7] {
        let [d0, d1] = self.destination.to_be_bytes();
        let [s0, s1] = self.source.to_be_bytes();
        [6, 5, 4, d0, d1, s0, s1]
    }

    /// Reads the header at the start of `sms`, and what follows it. Other elements of the header
    /// are passed over.
    ///
    /// # Errors
    /// A [`PushError`]: the octets end too early or name no 16-bit ports.
    pub fn split(sms: &[u8]) -> Result<(Self, &[u8]), PushError> {
        let mut reader = Reader::new(sms);
        let length = reader.octet()?;
        let mut elements = reader.sub(length.into())?;
        while !elements.rest.is_empty() {
            let (identifier, length) = (elements.octet()?, elements.octet()?);
            let element = elements.sub(length.into())?;
            if let (5, &[d0, d1, s0, s1]) = (identifier, element.rest) {
                let header = Self {
                    destination: u16::from_be_bytes([d0, d1]),
                    source: u16::from_be_bytes([s0, s1]),
                };
                return Ok((header, reader.rest));
            }
        }
        Err(elements.error(PushErrorKind::NoPorts))
    }
}

/// The push that carries a notification.
#[must_use]
pub fn wrap(transaction: u8, notification: &[u8]) -> Vec<u8> {
    let mut push = vec![transaction, PUSH, 3, 0x44 | SHORT, APPLICATION_FIELD];
    push.push(0x07 | SHORT);
    push.extend(notification);
    push
}

/// The notification in a push: type and application may be codes or words, other fields are passed
/// over, and a push that names no application is one for device management.
///
/// # Errors
/// A [`PushError`]
pub fn unwrap(push: &[u8]) -> Result<&[u8], PushError> {
    let mut reader = Reader::new(push);
    let _transaction = reader.octet()?;
    if reader.octet()? != PUSH {
        return Err(PushErrorKind::NotAPush.at(1));
    }
    let length = reader.length()?;
    let mut headers = reader.sub(length)?;
    let start = headers.offset;
    let content_type = match headers.value()? {
        // With parameters: the type is the first value of those inside.
        (Value::Octets(octets), offset) => {
            Reader {
                rest: octets,
                offset,
            }
            .value()?
            .0
        }
        (value, _) => value,
    };
    if !content_type.means(CONTENT_TYPE_CODE, MEDIA_TYPE) {
        return Err(PushErrorKind::ContentType.at(start));
    }
    while !headers.rest.is_empty() {
        let start = headers.offset;
        let (name, _) = headers.value()?;
        if let Value::Octets(_) = name {
            return Err(PushErrorKind::Header.at(start));
        }
        let (value, _) = headers.value()?;
        let is_application = name.means(0x2F, "X-Wap-Application-Id");
        if is_application && !value.means(APPLICATION_CODE, APPLICATION) {
            return Err(PushErrorKind::Application.at(start));
        }
    }
    Ok(reader.rest)
}

impl PushErrorKind {
    const fn at(self, offset: usize) -> PushError {
        PushError { kind: self, offset }
    }
}

/// A value of a WSP header. [WAP-230-WSP §8.4.2]
enum Value<'a> {
    /// A short integer.
    Code(u8),
    Text(&'a [u8]),
    /// With a length of its own: a long integer, or a type with parameters.
    Octets(&'a [u8]),
}

impl Value<'_> {
    /// Whether it is this number or this word.
    fn means(&self, code: u64, word: &str) -> bool {
        match self {
            Self::Code(found) => u64::from(*found) == code,
            Self::Text(text) => text.eq_ignore_ascii_case(word.as_bytes()),
            Self::Octets(octets) => {
                octets.len() <= 8
                    && octets
                        .iter()
                        .fold(0, |sum, octet| sum << 8 | u64::from(*octet))
                        == code
            }
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    /// Where `rest` begins.
    offset: usize,
}

impl<'a> Reader<'a> {
    const fn new(rest: &'a [u8]) -> Self {
        Self { rest, offset: 0 }
    }

    const fn error(&self, kind: PushErrorKind) -> PushError {
        kind.at(self.offset)
    }

    fn octet(&mut self) -> Result<u8, PushError> {
        let (&octet, rest) = self
            .rest
            .split_first()
            .ok_or(self.error(PushErrorKind::UnexpectedEnd))?;
        (self.rest, self.offset) = (rest, self.offset + 1);
        Ok(octet)
    }

    fn sub(&mut self, length: usize) -> Result<Self, PushError> {
        let end = PushErrorKind::UnexpectedEnd.at(self.offset + self.rest.len());
        let (part, rest) = self.rest.split_at_checked(length).ok_or(end)?;
        let sub = Self {
            rest: part,
            offset: self.offset,
        };
        (self.rest, self.offset) = (rest, self.offset + length);
        Ok(sub)
    }

    /// A uintvar of at most four octets: more than any push is long.
    fn length(&mut self) -> Result<usize, PushError> {
        let mut length = 0;
        for _ in 0..4 {
            let octet = self.octet()?;
            length = length << 7 | usize::from(octet & 0x7F);
            if octet & SHORT == 0 {
                return Ok(length);
            }
        }
        Err(self.error(PushErrorKind::Header))
    }

    /// One value, and where what is in it begins.
    fn value(&mut self) -> Result<(Value<'a>, usize), PushError> {
        let start = self.offset;
        let rest = self.rest;
        let length = match self.octet()? {
            31 => self.length()?,
            octet @ 0..31 => octet.into(),
            octet @ SHORT.. => return Ok((Value::Code(octet & 0x7F), start)),
            _ => {
                let length = rest.iter().position(|&octet| octet == 0);
                let length = length.ok_or(PushErrorKind::UnexpectedEnd.at(start + rest.len()))?;
                // The text begins with the octet that was read, and ends with a zero.
                self.sub(length)?;
                let text = rest.get(..length).unwrap_or_default();
                return Ok((Value::Text(text), start));
            }
        };
        let octets = self.sub(length)?;
        Ok((Value::Octets(octets.rest), octets.offset))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const BODY: &[u8] = b"\x00body";

    fn with_headers(headers: &[u8]) -> Vec<u8> {
        let length = u8::try_from(headers.len()).unwrap();
        [&[1, PUSH, length], headers, BODY].concat()
    }

    #[test]
    fn codes_words_and_further_fields_are_taken() {
        let type_in_words = [MEDIA_TYPE.as_bytes(), b"\0"].concat();
        let application = [b"\xAF".as_slice(), APPLICATION.as_bytes(), b"\0"].concat();
        for headers in [
            b"\xC4\xAF\x87".to_vec(),
            b"\xC4".to_vec(),
            b"\xC4\xAF\x01\x07".to_vec(),
            b"\x01\xC4\xAF\x87".to_vec(),
            // A charset, and a field of no concern with a value of each form.
            b"\x03\xC4\x81\xEA\xB4\x03abc\xB4\x1F\x02ab\xB4text\0\xAF\x87".to_vec(),
            [b"\xC4".as_slice(), &application].concat(),
            [type_in_words.as_slice(), &application].concat(),
            [b"\xC4x-wap-application-id\0".as_slice(), b"\x87"].concat(),
        ] {
            assert_eq!(unwrap(&with_headers(&headers)), Ok(BODY), "{headers:02X?}");
        }
    }

    #[test]
    fn other_pushes_are_refused() {
        use PushErrorKind::{Application, ContentType, Header, NotAPush, UnexpectedEnd};
        for (push, error) in [
            (b"\x01\x04\x01\xC4".to_vec(), NotAPush.at(1)),
            (with_headers(b"\xB6"), ContentType.at(3)),
            (with_headers(b"text/plain\0"), ContentType.at(3)),
            (with_headers(b"\x02\xB6\x81"), ContentType.at(3)),
            (with_headers(b"\xC4\xAF\x82"), Application.at(4)),
            (with_headers(b"\xC4\xAFother\0"), Application.at(4)),
            (with_headers(b"\xC4\xAF"), UnexpectedEnd.at(5)),
            (with_headers(b"\xC4\xAFtext"), UnexpectedEnd.at(9)),
            (with_headers(b"\xC4\x01\x07\x87"), Header.at(4)),
            (b"\x01\x06\xFF\xFF\xFF\xFF".to_vec(), Header.at(6)),
            (b"\x01\x06\x09\xC4".to_vec(), UnexpectedEnd.at(4)),
        ] {
            assert_eq!(unwrap(&push), Err(error), "{push:02X?}");
        }
    }

    #[test]
    fn a_push_cut_within_its_headers_is_refused() {
        let push = wrap(7, BODY);
        for end in 0..push.len() {
            let cut = &push[..end];
            match unwrap(cut) {
                Ok(body) => assert_eq!(body, &BODY[..end - 6]),
                Err(error) => {
                    assert_eq!(error, PushErrorKind::UnexpectedEnd.at(end));
                    assert!(end < 6);
                }
            }
        }
    }

    #[test]
    fn ports_are_found_among_other_elements() {
        // Part 1 of 1 of a longer message, then the ports.
        let sms = b"\x0B\x00\x03\x07\x01\x01\x05\x04\x0B\x84\xC0\x02rest";
        let (header, rest) = PortHeader::split(sms).unwrap();
        assert_eq!(
            (header, rest),
            (PortHeader::new(0xC002), b"rest".as_slice())
        );
        let error = PortHeader::split(b"\x05\x00\x03\x07\x01\x01rest").unwrap_err();
        assert_eq!(error.to_string(), "no ports at byte 6");
        for end in 0..12 {
            assert!(PortHeader::split(&sms[..end]).is_err());
        }
    }

    proptest! {
        #[test]
        fn what_is_wrapped_is_unwrapped(transaction: u8, body in vec(any::<u8>(), 0..40)) {
            let push = wrap(transaction, &body);
            prop_assert_eq!(unwrap(&push), Ok(body.as_slice()));
        }

        #[test]
        fn any_octets_are_read_or_refused_within_them(
            octets in vec(any::<u8>(), 0..40),
            tid: u8,
        ) {
            let push = [&[tid, PUSH], octets.as_slice()].concat();
            for error in [unwrap(&push).err(), PortHeader::split(&octets).err()] {
                prop_assert!(error.is_none_or(|it| it.offset <= push.len()));
            }
        }
    }
}
