//! Eight octets as one number, the first one lowest, to look at all of them at once.

use crate::octets::{memchr, memchr3};

const ONES: u64 = u64::from_le_bytes([0x01; 8]);
const HIGHEST: u64 = u64::from_le_bytes([0x80; 8]);

/// Where the first zero is. Texts are short for the most part.
#[inline]
pub(crate) fn find_zero(octets: &[u8]) -> Option<usize> {
    find(octets, zero, |rest| memchr(0, rest))
}

/// Whether there is a zero in a text that ends.
#[inline]
pub(crate) fn has_zero(octets: &[u8]) -> bool {
    let (words, _) = octets.as_chunks::<8>();
    match octets.last_chunk::<8>() {
        None => octets.contains(&0),
        Some(last) if octets.len() <= 64 => {
            let mut words = words.iter().chain([last]);
            words.any(|word| zero(u64::from_le_bytes(*word)).is_some())
        }
        Some(_) => memchr(0, octets).is_some(),
    }
}

/// Where the first `<`, `>` or `&` is.
#[inline]
pub(crate) fn find_markup(octets: &[u8]) -> Option<usize> {
    find(octets, markup, |rest| memchr3(b'<', b'>', b'&', rest))
}

#[inline]
fn find(
    octets: &[u8],
    in_word: impl Fn(u64) -> Option<usize>,
    in_rest: impl Fn(&[u8]) -> Option<usize>,
) -> Option<usize> {
    let mut at = 0;
    let (words, _) = octets.as_chunks::<8>();
    for word in words.iter().take(8) {
        if let Some(found) = in_word(u64::from_le_bytes(*word)) {
            return Some(at + found);
        }
        at += 8;
    }
    in_rest(octets.get(at..)?).map(|found| at + found)
}

/// Where the first octet is that is zero, if there is one.
#[inline]
const fn zero(word: u64) -> Option<usize> {
    first(zeros(word))
}

/// Where the first octet is that is below `bound`, which is ASCII.
#[inline]
pub(crate) const fn below(word: u64, bound: u8) -> Option<usize> {
    first(word.wrapping_sub(ONES * bound as u64) & !word & HIGHEST)
}

/// Where the first `<`, `>` or `&` is.
#[inline]
const fn markup(word: u64) -> Option<usize> {
    // `<` and `>` differ in one bit.
    let angle = (word ^ (ONES * b'<' as u64)) & (ONES * 0xFD);
    let ampersand = word ^ (ONES * b'&' as u64);
    first(zeros(angle) | zeros(ampersand))
}

/// Not 0 if there is an octet that a writer of XML has to look at: a control character, `"`, `&`,
/// `<`, `>`, or what may begin U+FFFE.
#[inline]
pub(crate) const fn special(word: u64) -> u64 {
    // Two that differ in one bit are one.
    let quote = (word ^ (ONES * b'"' as u64)) & (ONES * 0xFB);
    let angle = (word ^ (ONES * b'<' as u64)) & (ONES * 0xFD);
    let control = word & (ONES * 0xE0);
    zeros(quote) | zeros(angle) | zeros(control) | zeros(word ^ (ONES * 0xEF))
}

/// The first `len` octets, 1 to 8.
#[inline]
pub(crate) const fn prefix(word: u64, len: usize) -> u64 {
    word & u64::MAX >> (64 - 8 * len)
}

/// The highest bit of each octet that is zero, and perhaps of others behind the first of them.
#[inline]
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHEST
}

#[inline]
const fn first(bits: u64) -> Option<usize> {
    match bits {
        0 => None,
        bits => Some(bits.trailing_zeros() as usize / 8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each octet at each place, among others, one of the same kind behind it.
    #[test]
    fn the_first_octet_of_a_kind_is_found() {
        for (octet, at) in (0..=u8::MAX).flat_map(|octet| (0..8).map(move |at| (octet, at))) {
            for other in [b'A', 0x7F, 0x80, 0xBC, 0xFF] {
                let mut octets = [other; 8];
                octets[at] = octet;
                octets[7] = octet;
                let word = u64::from_le_bytes(octets);
                let place = |is_found: bool| is_found.then_some(at);
                assert_eq!(zero(word), place(octet == 0), "{octet} {at}");
                assert_eq!(below(word, b'A'), place(octet < b'A'), "{octet} {at}");
                let is_special = octet < b' ' || b"\"&<>\xEF".contains(&octet);
                assert_eq!(special(word) != 0, is_special, "{octet} {at}");
                let is_markup = matches!(octet, b'<' | b'>' | b'&');
                assert_eq!(markup(word), place(is_markup), "{octet} {at}");
            }
        }
    }

    #[test]
    fn it_is_found_at_any_place_among_any_octets() {
        for (len, at) in (0..100).flat_map(|len| (0..=len).map(move |at| (len, at))) {
            for other in [0x01, 0x3D, 0x7F, 0x80, 0x81, 0xFF] {
                for (wanted, find) in [
                    (0, find_zero as fn(&[u8]) -> _),
                    (b'<', find_markup),
                    (b'>', find_markup),
                    (b'&', find_markup),
                ] {
                    let mut octets = vec![other; len];
                    assert_eq!(find(&octets), None);
                    assert!(!has_zero(&octets));
                    octets.insert(at, wanted);
                    assert_eq!(has_zero(&octets), wanted == 0);
                    // Of several it is the first.
                    octets.push(wanted);
                    assert_eq!(find(&octets), Some(at), "{wanted} {other} {len}");
                }
            }
        }
    }

    #[test]
    fn a_prefix_has_nothing_of_the_rest() {
        for len in 1..=8 {
            let mut expected = [0; 8];
            expected[..len].fill(0xFF);
            assert_eq!(prefix(u64::MAX, len), u64::from_le_bytes(expected));
        }
    }
}
