//! Base64 as documents carry it.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(crate) fn encode(octets: &[u8]) -> String {
    ENGINE.encode(octets)
}

/// The octets; white space between the characters is ignored, and padding may be missing.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let characters: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    ENGINE.decode(characters).ok()
}
