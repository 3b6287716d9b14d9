//! Octets as text. [RFC 4648 §4]

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The digit each character is; more than a digit can be for what is none.
#[expect(
    clippy::indexing_slicing,
    reason = "runs at compile time, where it fails the build"
)]
static DIGITS: [u8; 256] = {
    let mut digits = [NONE; 256];
    let mut i = 0;
    while i < ALPHABET.len() {
        digits[ALPHABET[i] as usize] = i as u8;
        i += 1;
    }
    digits
};

const NONE: u8 = 0x80;

/// The text of octets, padded.
///
/// ```
/// use omadm_core::base64;
///
/// assert_eq!(base64::encode("VirMO"), "VmlyTU8=");
/// assert_eq!(base64::decode("VmlyTU8="), Some(b"VirMO".to_vec()));
/// assert_eq!(base64::decode("Vmly TU8"), None);
/// assert_eq!(base64::decode_lenient("Vmly TU8"), Some(b"VirMO".to_vec()));
/// ```
#[must_use]
pub fn encode(octets: impl AsRef<[u8]>) -> String {
    encode_octets(octets.as_ref())
}

/// The octets of a text that has nothing else in it and is padded.
#[must_use]
pub fn decode(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    decode_characters(text.as_ref(), false)
}

/// As [`decode`]; white space between the characters is ignored, and padding may be missing.
#[must_use]
pub fn decode_lenient(text: &str) -> Option<Vec<u8>> {
    let characters = text.bytes().filter(|octet| !octet.is_ascii_whitespace());
    decode_characters(&characters.collect::<Vec<u8>>(), true)
}

fn encode_octets(octets: &[u8]) -> String {
    let mut text = Vec::with_capacity(octets.len().div_ceil(3) * 4);
    let (groups, rest) = octets.as_chunks();
    for group in groups {
        text.extend_from_slice(&characters(*group));
    }
    match *rest {
        [a, b] => {
            let [a, b, c, _] = characters([a, b, 0]);
            text.extend_from_slice(&[a, b, c, b'=']);
        }
        [a] => {
            let [a, b, ..] = characters([a, 0, 0]);
            text.extend_from_slice(&[a, b, b'=', b'=']);
        }
        _ => {}
    }
    String::from_utf8(text).unwrap_or_default()
}

#[expect(
    clippy::indexing_slicing,
    reason = "the mask keeps the index inside the alphabet"
)]
#[inline]
fn characters([a, b, c]: [u8; 3]) -> [u8; 4] {
    let bits = u32::from_be_bytes([0, a, b, c]);
    [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift & 0x3F) as usize])
}

fn decode_characters(text: &[u8], may_lack_padding: bool) -> Option<Vec<u8>> {
    let (characters, padding) = match text {
        [characters @ .., b'=', b'='] => (characters, 2),
        [characters @ .., b'='] => (characters, 1),
        characters => (characters, 0),
    };
    let (groups, rest) = characters.as_chunks();
    let due = match rest.len() {
        0 => 0,
        1 => return None,
        len => 4 - len,
    };
    if padding > due || padding < due && !may_lack_padding {
        return None;
    }
    let mut octets = Vec::with_capacity(characters.len() / 4 * 3 + 2);
    for group in groups {
        octets.extend_from_slice(&triple(*group)?);
    }
    // No bit is set that is not part of an octet.
    match *rest {
        [a, b, c] => match triple([a, b, c, b'A'])? {
            [a, b, 0] => octets.extend_from_slice(&[a, b]),
            _ => return None,
        },
        [a, b] => match triple([a, b, b'A', b'A'])? {
            [a, 0, 0] => octets.push(a),
            _ => return None,
        },
        _ => {}
    }
    Some(octets)
}

#[expect(
    clippy::indexing_slicing,
    reason = "there is a digit for each character"
)]
#[inline]
fn triple(characters: [u8; 4]) -> Option<[u8; 3]> {
    let [a, b, c, d] = characters.map(|character| u32::from(DIGITS[usize::from(character)]));
    let bits = a << 18 | b << 12 | c << 6 | d;
    let [_, x, y, z] = bits.to_be_bytes();
    ((a | b | c | d) < u32::from(NONE)).then_some([x, y, z])
}

#[cfg(test)]
mod tests {
    use ::base64::{
        Engine, alphabet,
        engine::{
            DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD,
        },
    };
    use proptest::prelude::*;

    use super::*;

    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );

    fn same(text: &str) {
        assert_eq!(decode(text), STANDARD.decode(text).ok(), "{text:?}");
        let characters = text.replace(|c: char| c.is_ascii_whitespace(), "");
        assert_eq!(
            decode_lenient(text),
            LENIENT.decode(characters).ok(),
            "{text:?}"
        );
    }

    #[test]
    fn every_character_counts_as_another_decoder_has_it() {
        for character in '\0'..='\u{FF}' {
            for (before, after) in [("", "AAA"), ("A", "AA"), ("AA", "A"), ("AAA", "")] {
                same(&format!("{before}{character}{after}"));
            }
            for end in ["", "=", "=="] {
                same(&format!("A{character}{end}"));
                same(&format!("AA{character}{end}"));
                same(&format!("{character}{end}"));
            }
        }
    }

    proptest! {
        #[test]
        fn octets_come_back(octets in prop::collection::vec(any::<u8>(), 0..64)) {
            let text = encode(&octets);
            prop_assert_eq!(&text, &STANDARD.encode(&octets));
            prop_assert_eq!(decode(&text), Some(octets.clone()));
            prop_assert_eq!(decode_lenient(text.trim_end_matches('=')), Some(octets));
        }

        #[test]
        fn texts_are_read_as_another_decoder_reads_them(text in "[AQgw+/a= \n]{0,12}={0,3}") {
            same(&text);
        }
    }
}
