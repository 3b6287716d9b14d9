//! The least that a large text takes, whoever reads it.

use std::hint::black_box;

/// What [`look`] does.
#[cfg(feature = "libwbxml")]
pub const LOOK: &str = "UTF-8 checked, searched for an octet";

/// What [`look_for_markup`] does.
pub const LOOK_FOR_MARKUP: &str = "UTF-8 checked, searched for three octets";

/// What [`look_and_copy`] does.
#[cfg(feature = "libwbxml")]
pub const LOOK_AND_COPY: &str = "UTF-8 checked, searched for an octet, copied";

/// The text that is nearly all of a document, if there is such a text, without any of `ends`.
pub fn one_text<'a>(document: &'a [u8], ends: &[u8]) -> Option<&'a [u8]> {
    let texts = document.split(|octet| ends.contains(octet));
    let longest = texts.max_by_key(|text| text.len())?;
    (longest.len() > document.len() / 10 * 9).then_some(longest)
}

/// Checks that octets are UTF-8, without which they are no text, and looks at each of them once for
/// where it ends: a zero in WBXML.
#[cfg(feature = "libwbxml")]
pub fn look(octets: &[u8]) {
    let octets = black_box(octets);
    // One that is not there.
    assert!(is_text(octets) && memchr::memchr(0, octets).is_none());
}

/// The same for XML, where text ends with `<` or `&` and `]]>` may not be in it. What else may not is
/// not looked for.
pub fn look_for_markup(octets: &[u8]) {
    let octets = black_box(octets);
    assert!(is_text(octets) && memchr::memchr3(b'<', b'&', b'>', octets).is_none());
}

fn is_text(octets: &[u8]) -> bool {
    simdutf8::compat::from_utf8(octets).is_ok()
}

/// As [`look`], and writes them as they are.
#[cfg(feature = "libwbxml")]
pub fn look_and_copy(octets: &[u8], out: &mut Vec<u8>) {
    look(octets);
    out.clear();
    out.extend_from_slice(octets);
    black_box(out);
}
