//! The names of a certificate. [RFC 5280 §4.1.2.6, §4.2.1.6]

/// The tags that occur on the way to a name. [X.690]
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OCTETS: u8 = 0x04;
const VERSION: u8 = 0xA0;
const EXTENSIONS: u8 = 0xA3;
/// UTF8String, PrintableString and IA5String.
const TEXTS: [u8; 3] = [0x0C, 0x13, 0x16];
/// Of the subjectAltName: dNSName and uniformResourceIdentifier.
const ALTERNATIVES: [u8; 2] = [0x82, 0x86];

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1D, 0x11];

/// The common names of the subject, and the DNS names and URIs of its alternative names; none where
/// the octets are no certificate.
pub(super) fn names(certificate: &[u8]) -> Vec<String> {
    read(certificate).unwrap_or_default()
}

fn read(certificate: &[u8]) -> Option<Vec<String>> {
    let mut fields = Der(Der(Der(certificate).of(SEQUENCE)?).of(SEQUENCE)?);
    if fields.0.first() == Some(&VERSION) {
        fields.next()?;
    }
    // Serial number, algorithm, issuer, validity.
    for _ in 0..4 {
        fields.next()?;
    }
    let mut names = Vec::new();
    let mut subject = Der(fields.of(SEQUENCE)?);
    while !subject.0.is_empty() {
        let mut attributes = Der(subject.of(SET)?);
        while !attributes.0.is_empty() {
            let mut attribute = Der(attributes.of(SEQUENCE)?);
            let (_, kind) = attribute.next()?;
            let (tag, value) = attribute.next()?;
            if kind == COMMON_NAME && TEXTS.contains(&tag) {
                names.push(str::from_utf8(value).ok()?.to_owned());
            }
        }
    }
    while !fields.0.is_empty() {
        let (EXTENSIONS, extensions) = fields.next()? else {
            continue;
        };
        let mut extensions = Der(Der(extensions).of(SEQUENCE)?);
        while !extensions.0.is_empty() {
            let mut extension = Der(extensions.of(SEQUENCE)?);
            let (_, kind) = extension.next()?;
            if kind != SUBJECT_ALT_NAME {
                continue;
            }
            // Whether it is critical may stand between.
            let mut value = extension.next()?;
            if value.0 != OCTETS {
                value = extension.next()?;
            }
            let mut alternatives = Der(Der(value.1).of(SEQUENCE)?);
            while !alternatives.0.is_empty() {
                let (tag, value) = alternatives.next()?;
                if ALTERNATIVES.contains(&tag) {
                    names.push(str::from_utf8(value).ok()?.to_owned());
                }
            }
        }
    }
    Some(names)
}

/// Elements of DER that follow each other.
struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    /// The next element: its tag and its content.
    fn next(&mut self) -> Option<(u8, &'d [u8])> {
        let (&[tag, first], mut rest) = self.0.split_first_chunk()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            let (octets, after) = rest.split_at_checked(usize::from(first & 0x7F))?;
            let number = |length: usize, octet: &u8| {
                length.checked_mul(256)?.checked_add(usize::from(*octet))
            };
            length = octets.iter().try_fold(0, number)?;
            rest = after;
        }
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next element, which has this tag.
    fn of(&mut self, tag: u8) -> Option<&'d [u8]> {
        let (found, content) = self.next()?;
        (found == tag).then_some(content)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn certificate(name: &str) -> Vec<u8> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certs");
        let pem = fs::read_to_string(path.join(name)).unwrap();
        let lines = pem.lines().skip_while(|line| !line.contains("BEGIN"));
        let base64 = lines.skip(1).take_while(|line| !line.contains("END"));
        let digit = |digit: u8| match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        let digits: Vec<u8> = base64
            .flat_map(str::bytes)
            .filter(|it| *it != b'=')
            .collect();
        let quanta = digits.chunks(4).flat_map(|quantum| {
            let number = quantum
                .iter()
                .fold(0, |sum, it| sum << 6 | u32::from(digit(*it)));
            let number = number << (6 * (4 - quantum.len()));
            number.to_be_bytes()[1..quantum.len()].to_vec()
        });
        quanta.collect()
    }

    #[test]
    fn names_are_those_of_subject_and_alternatives() {
        for (file, expected) in [
            ("client.pem", &["urn:x:dev1"][..]),
            ("server.pem", &["localhost", "localhost"]),
        ] {
            let octets = certificate(file);
            assert_eq!(names(&octets), expected, "{file}");
            for end in 0..octets.len() {
                assert_eq!(names(&octets[..end]), [""; 0], "{file} cut at {end}");
            }
        }
    }

    /// An alternative name is a URI, an address is no name, and octets that are no text make it no
    /// certificate.
    #[test]
    fn alternatives_are_dns_names_and_uris() {
        let element = |tag: u8, content: &[u8]| [&[tag, content.len() as u8][..], content].concat();
        let certificate = |uri: &[u8]| {
            let name = element(0x0C, b"cn");
            let attribute = element(0x30, &[&element(0x06, COMMON_NAME)[..], &name].concat());
            let subject = element(0x30, &element(0x31, &attribute));
            let alternatives = [element(0x87, &[127, 0, 0, 1]), element(0x86, uri)];
            let octets = element(0x04, &element(0x30, &alternatives.concat()));
            let critical = element(0x01, &[0xFF]);
            let extension = [element(0x06, SUBJECT_ALT_NAME), critical, octets];
            let extensions = element(0x30, &element(0x30, &extension.concat()));
            let before = [element(0x02, &[1]), element(0x30, &[]), element(0x30, &[])];
            let fields = [
                before.concat(),
                element(0x30, &[]),
                subject,
                element(0x30, &[]),
                element(0xA3, &extensions),
            ];
            element(0x30, &element(0x30, &fields.concat()))
        };
        assert_eq!(names(&certificate(b"urn:x:1")), ["cn", "urn:x:1"]);
        assert_eq!(names(&certificate(&[0xFF])), [""; 0]);
        assert_eq!(names(b"\x30\x84\xFF\xFF\xFF\xFF"), [""; 0]);
        assert_eq!(names(b"\x30\xFF"), [""; 0]);
    }
}
