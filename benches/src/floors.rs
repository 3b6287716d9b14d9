//! The least that a large text takes, whoever reads it.

use std::hint::black_box;

/// What [`look`] does.
pub const LOOK: &str = "UTF-8 checked, one search";

/// What [`look_and_copy`] does.
#[cfg(feature = "libwbxml")]
pub const LOOK_AND_COPY: &str = "UTF-8 checked, one search, one copy";

/// The text that is nearly all of a document, if there is such a text, without any of `ends`.
pub fn one_text<'a>(document: &'a [u8], ends: &[u8]) -> Option<&'a [u8]> {
    let texts = document.split(|octet| ends.contains(octet));
    let longest = texts.max_by_key(|text| text.len())?;
    (longest.len() > document.len() / 10 * 9).then_some(longest)
}

/// Checks that octets are UTF-8, without which they are no text, and looks at each of them once for
/// where it ends.
pub fn look(octets: &[u8]) {
    let octets = black_box(octets);
    let text = simdutf8::compat::from_utf8(octets);
    // One that is not there.
    let end = memchr::memchr(0x7F, octets);
    assert!(text.is_ok() && end.is_none());
}

/// The same, and writes them as they are.
#[cfg(feature = "libwbxml")]
pub fn look_and_copy(octets: &[u8], out: &mut Vec<u8>) {
    look(octets);
    out.clear();
    out.extend_from_slice(octets);
    black_box(out);
}
