use std::{
    borrow::Cow,
    fmt::{self, Write},
};

use crate::{
    Limits, Pair, Pairs, ParamsError, ParamsErrorKind,
    escape::{Encoded, decode},
    grammar::{check_key, is_plain},
};

/// The pairs with keys the specification does not name, in the order they came in. [VirMO §8]
///
/// No key is there twice. Part of a [`CreateParams`](crate::CreateParams),
/// [`ResourceConfig`](crate::ResourceConfig) or [`DeviceResources`](crate::DeviceResources), which
/// add to it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct VendorPairs {
    /// The pairs as they are written: one allocation for all of them.
    text: String,
}

impl VendorPairs {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Cow<'_, str>> {
        self.iter()
            .find_map(|(name, value)| (name == key).then_some(value))
    }

    /// The pairs, values without escapes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        self.raw().map(|(key, value)| {
            // What `push` wrote decodes.
            (key, decode(value).unwrap_or(Cow::Borrowed(value)))
        })
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.raw().count()
    }

    fn raw(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text.split('&').filter_map(|pair| pair.split_once('='))
    }

    /// Adds a pair to those of a type with these standard keys.
    pub(crate) fn insert(
        &mut self,
        standard: &[&str],
        key: &str,
        value: &str,
    ) -> Result<(), ParamsErrorKind> {
        check_key(key).map_err(|(kind, _)| kind)?;
        if standard.contains(&key) || self.raw().any(|(name, _)| name == key) {
            return Err(ParamsErrorKind::RepeatedKey);
        }
        self.push(key, value);
        Ok(())
    }

    /// Adds a pair of a text that is so long.
    #[inline]
    fn take(&mut self, pair: &Pair<'_>, seen: &mut Seen, length: usize) -> Result<(), ParamsError> {
        if seen.maybe(pair.key) && self.raw().any(|(name, _)| name == pair.key) {
            return Err(ParamsErrorKind::RepeatedKey.at(pair.offset));
        }
        let value = decode(pair.value).map_err(|(kind, at)| kind.at(pair.value_offset() + at))?;
        if self.is_empty() {
            self.text.reserve(length - pair.offset);
        }
        self.push(pair.key, &value);
        Ok(())
    }

    fn push(&mut self, key: &str, value: &str) {
        if !self.text.is_empty() {
            self.text.push('&');
        }
        self.text.push_str(key);
        self.text.push('=');
        if value.bytes().all(is_plain) {
            self.text.push_str(value);
        } else {
            // Writing to a String does not fail.
            let _ = write!(self.text, "{}", Encoded(value));
        }
    }

    /// Writes the pairs as the end of a list that has others before them.
    pub(crate) fn write_after(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return Ok(());
        }
        f.write_char('&')?;
        f.write_str(&self.text)
    }
}

impl fmt::Debug for VendorPairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Reads a whole text. `standard` takes a pair and says whether its key is one of the
/// specification's; the others are the result.
pub(crate) fn read(
    text: &str,
    limits: &Limits,
    mut standard: impl FnMut(&Pair<'_>) -> Result<bool, ParamsError>,
) -> Result<VendorPairs, ParamsError> {
    let mut vendor = VendorPairs::default();
    let mut seen = None;
    for pair in Pairs::new(text, *limits)? {
        let pair = pair?;
        if !standard(&pair)? {
            let seen = seen.get_or_insert_with(Seen::default);
            vendor.take(&pair, seen, text.len())?;
        }
    }
    Ok(vendor)
}

/// A filter that says of a key whether it may have been asked about before, so that the list is
/// searched only for keys that collide.
struct Seen([u64; 64]);

impl Default for Seen {
    fn default() -> Self {
        Self([0; 64])
    }
}

impl Seen {
    fn maybe(&mut self, key: &str) -> bool {
        // A multiplicative hash; its upper bits are the good ones. A collision costs a search,
        // never a wrong answer.
        let hash = key.bytes().fold(0_u64, |hash, octet| {
            (hash.rotate_left(5) ^ u64::from(octet)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        let bit = 1 << (hash >> 52 & 63);
        match self.0.get_mut((hash >> 58) as usize) {
            Some(bits) => {
                let before = *bits & bit != 0;
                *bits |= bit;
                before
            }
            None => true,
        }
    }
}
