//! The names in a path, found and hashed in one go.

/// Bits that look like nothing, to be multiplied by.
pub(crate) const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

/// The separator in each octet of a word.
const SLASHES: u64 = u64::from_le_bytes([b'/'; 8]);

/// A name of a path with a hash of its octets.
#[derive(Clone, Copy)]
pub(crate) struct Segment<'p> {
    pub(crate) name: &'p [u8],
    pub(crate) hash: u64,
}

/// Folds the names of a path, which are joined by `/`, until there is nothing to fold them to.
pub(crate) fn fold<'p, T>(
    path: &'p str,
    start: T,
    mut step: impl FnMut(T, Segment<'p>) -> Option<T>,
) -> Option<T> {
    let path = path.as_bytes();
    let (mut rest, mut folded) = (path, start);
    while !rest.is_empty() {
        let (mut left, mut hash) = (rest, 0_u64);
        let (length, hash) = loop {
            let (word, after) = match left.split_first_chunk() {
                Some((word, after)) => (u64::from_le_bytes(*word), after),
                None => (last_word(path, left), &[] as &[u8]),
            };
            let mix = |word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(FACTOR);
            let slash = zero_octets(word ^ SLASHES);
            if slash == 0 {
                hash = mix(word);
                left = after;
            } else {
                let before_slash = ((slash & slash.wrapping_neg()) >> 7) - 1;
                let length = slash.trailing_zeros() as usize / 8;
                break (rest.len() - left.len() + length, mix(word & before_slash));
            }
        };
        let (name, after) = rest.split_at_checked(length)?;
        folded = step(folded, Segment { name, hash })?;
        rest = after.get(1..).unwrap_or_default();
    }
    Some(folded)
}

/// The hash of one name.
pub(crate) fn hash(name: &str) -> u64 {
    fold(name, 0, |_, name| Some(name.hash)).unwrap_or_default()
}

/// What is left of a path, shorter than a word, with slashes after its end.
fn last_word(path: &[u8], left: &[u8]) -> u64 {
    let bits = 8 * left.len() as u32;
    let word = if let Some(word) = path.last_chunk() {
        u64::from_le_bytes(*word)
            .checked_shr(64 - bits)
            .unwrap_or(0)
    } else if let (Some(first), Some(last)) = (left.first_chunk(), left.last_chunk()) {
        let [first, last] = [first, last].map(|half| u64::from(u32::from_le_bytes(*half)));
        first | last << (bits - 32)
    } else {
        let octets = left.iter().rev();
        octets.fold(0, |word, octet| word << 8 | u64::from(*octet))
    };
    word | SLASHES << bits
}

/// Whether names are the same; most are short, and compared here.
pub(crate) fn are_same(one: &[u8], other: &[u8]) -> bool {
    fn ends<const N: usize>(one: &[u8], other: &[u8]) -> Option<bool> {
        let first = one.first_chunk::<N>()? == other.first_chunk()?;
        Some(first & (one.last_chunk::<N>()? == other.last_chunk()?))
    }
    one.len() == other.len()
        && match one.len() {
            8..=16 => ends::<8>(one, other) == Some(true),
            4..8 => ends::<4>(one, other) == Some(true),
            _ => one == other,
        }
}

/// The highest bit of the first octet that is zero, and of no other but some after it.
pub(crate) const fn zero_octets(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    word.wrapping_sub(ONES) & !word & ONES << 7
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn segments(path: &str) -> Vec<Segment<'_>> {
        let push = |mut found: Vec<_>, segment| {
            found.push(segment);
            Some(found)
        };
        fold(path, Vec::new(), push).unwrap()
    }

    proptest! {
        /// The names are those between slashes, and a name has one hash wherever it is.
        #[test]
        fn a_path_falls_apart_into_its_names(
            names in prop::collection::vec("[a-z0é.\u{2E}\u{30}\u{7F}\u{AF}\u{10FFFF}]{1,20}", 0..5),
        ) {
            let path = names.join("/");
            let found = segments(&path);
            let octets: Vec<&[u8]> = found.iter().map(|it| it.name).collect();
            let expected: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
            prop_assert_eq!(octets, expected);
            for (segment, name) in found.iter().zip(&names) {
                prop_assert_eq!(segment.hash, segments(name)[0].hash);
            }
        }
    }

    #[test]
    fn names_of_any_length_have_hashes_of_their_own() {
        let mut seen = HashMap::new();
        for length in 1..40 {
            for other in 0..length {
                let mut name = vec![b'a'; length];
                name[other] = b'b';
                let name = String::from_utf8(name).unwrap();
                let twin = seen.insert(segments(&name)[0].hash, name.clone());
                assert_eq!(twin, None, "{name}");
            }
        }
    }

    #[test]
    fn names_are_the_same_if_all_their_octets_are() {
        for length in 0..40 {
            let name = vec![b'a'; length];
            assert!(are_same(&name, &name.clone()));
            assert!(!are_same(&name, &[&*name, b"a"].concat()));
            for at in 0..length {
                let mut other = name.clone();
                other[at] = b'b';
                assert!(!are_same(&name, &other), "{at} of {length}");
            }
        }
    }
}
