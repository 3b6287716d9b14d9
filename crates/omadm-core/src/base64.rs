//! Octets as text. [RFC 4648 §4]

use base64ct::{Base64, Encoding};

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
    Base64::encode_string(octets.as_ref())
}

/// The octets of a text that has nothing else in it and is padded; none of any other.
#[must_use]
pub fn decode(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    let text = str::from_utf8(text.as_ref()).ok()?;
    Base64::decode_vec(text).ok()
}

/// As [`decode`]; ASCII white space between the characters is ignored, and padding may be missing.
#[must_use]
pub fn decode_lenient(text: &str) -> Option<Vec<u8>> {
    let mut characters = text.to_owned();
    characters.retain(|character| !character.is_ascii_whitespace());
    while !characters.len().is_multiple_of(4) {
        characters.push('=');
    }
    decode(characters)
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
