use nom::{
    IResult, Parser,
    bytes::complete::{tag, take_till, take_while1},
    sequence::separated_pair,
};

use crate::{ParamsError, ParamsErrorKind};

/// What a parameter list may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The most octets of the text. Default: 16,384.
    pub max_len: usize,
    /// The most pairs. Default: 128.
    pub max_pairs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_len: 16_384,
            max_pairs: 128,
        }
    }
}

/// One `key=value` of a text, as it stands there: not yet typed, escapes not decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Pair<'a> {
    /// The key.
    pub key: &'a str,
    /// The value.
    pub value: &'a str,
    /// The byte of the text the key begins at.
    pub offset: usize,
}

impl Pair<'_> {
    /// The byte of the text the value begins at.
    #[must_use]
    pub fn value_offset(&self) -> usize {
        self.offset + self.key.len() + 1
    }
}

/// The pairs of a text, read one by one: the grammar without the meaning.
///
/// Does not look for repeated keys and does not check escapes. After an error it is at its end.
///
/// ```
/// use virmo_params::{Limits, Pairs};
///
/// let mut pairs = Pairs::new("RAM=1&x=", Limits::default())?;
/// assert_eq!(pairs.next().transpose()?.map(|it| (it.key, it.value)), Some(("RAM", "1")));
/// assert_eq!(pairs.next().transpose()?.map(|it| (it.key, it.value)), Some(("x", "")));
/// assert!(pairs.next().is_none());
/// # Ok::<(), virmo_params::ParamsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    len: usize,
    /// What was not read yet, without the `&` before it; none at the end.
    rest: Option<&'a str>,
    left: usize,
    limits: Limits,
}

impl<'a> Pairs<'a> {
    /// Begins to read a text. An empty text has no pairs.
    ///
    /// # Errors
    ///
    /// If the text is longer than the limit.
    pub fn new(text: &'a str, limits: Limits) -> Result<Self, ParamsError> {
        if text.len() > limits.max_len {
            return Err(ParamsErrorKind::TooLong(limits.max_len).at(limits.max_len));
        }
        Ok(Self {
            len: text.len(),
            rest: (!text.is_empty()).then_some(text),
            left: limits.max_pairs,
            limits,
        })
    }

    /// Any pair, or what is wrong with it.
    #[cold]
    fn pair(&mut self, input: &'a str) -> Result<Pair<'a>, ParamsError> {
        let offset = self.len - input.len();
        if input.is_empty() || input.starts_with('&') {
            return Err(ParamsErrorKind::EmptyPair.at(offset));
        }
        let Some(left) = self.left.checked_sub(1) else {
            return Err(ParamsErrorKind::TooManyPairs(self.limits.max_pairs).at(offset));
        };
        self.left = left;
        let Some((key, value, rest)) = pair(input) else {
            return Err(ParamsErrorKind::MissingEquals.at(offset));
        };
        let pair = Pair { key, value, offset };
        check_key(key).map_err(|(kind, at)| kind.at(offset + at))?;
        check_value(value).map_err(|(kind, at)| kind.at(pair.value_offset() + at))?;
        self.rest = rest.strip_prefix('&');
        Ok(pair)
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<Pair<'a>, ParamsError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let input = self.rest.take()?;
        let (Some((key, value, rest)), Some(left)) = (plain_pair(input), self.left.checked_sub(1))
        else {
            return Some(self.pair(input));
        };
        let offset = self.len - input.len();
        self.left = left;
        self.rest = rest.strip_prefix('&');
        Some(Ok(Pair { key, value, offset }))
    }
}

/// Key and value of the pair a text begins with, and what follows them, where one look at each
/// octet shows that all is well: the short way that nearly all pairs take.
#[inline]
fn plain_pair(input: &str) -> Option<(&str, &str, &str)> {
    parts(input, take_while1(is_plain)).filter(|(_, value, _)| ends_in_graphics(value))
}

/// Key and value of the pair a text begins with, and what follows them.
fn pair(input: &str) -> Option<(&str, &str, &str)> {
    parts(input, take_till(|octet| matches!(octet, b'=' | b'&')))
}

#[inline]
fn parts<'a>(
    input: &'a str,
    key: impl Parser<&'a [u8], Output = &'a [u8], Error = ()>,
) -> Option<(&'a str, &'a str, &'a str)> {
    let octets: IResult<_, _, ()> =
        separated_pair(key, tag("="), take_till(|octet| octet == b'&')).parse(input.as_bytes());
    let (_, (key, value)) = octets.ok()?;
    let (key, rest) = input.split_at_checked(key.len())?;
    let (value, rest) = rest.strip_prefix('=')?.split_at_checked(value.len())?;
    Some((key, value, rest))
}

/// What is wrong with a key, if something is, and at which of its bytes.
pub(crate) fn check_key(key: &str) -> Result<(), (ParamsErrorKind, usize)> {
    if key.is_empty() {
        return Err((ParamsErrorKind::EmptyKey, 0));
    }
    if key.bytes().all(is_plain) {
        return Ok(());
    }
    for (at, c) in key.char_indices() {
        if c.is_whitespace() {
            return Err((ParamsErrorKind::WhiteSpace, at));
        }
        if c.is_control() || matches!(c, '%' | '&' | '=') {
            return Err((ParamsErrorKind::KeyCharacter, at));
        }
    }
    Ok(())
}

/// Whether an octet is a character that stands for itself everywhere: the common case, which needs
/// no look at Unicode.
#[inline]
pub(crate) fn is_plain(octet: u8) -> bool {
    PLAIN.get(usize::from(octet)) == Some(&true)
}

#[expect(
    clippy::indexing_slicing,
    reason = "runs at compile time, where it fails the build"
)]
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut octet = 0;
    while octet < plain.len() {
        let it = octet as u8;
        plain[octet] = it.is_ascii_graphic() && !matches!(it, b'%' | b'&' | b'=');
        octet += 1;
    }
    plain
};

/// Whether a value has white space at neither end, as far as one octet tells.
#[inline]
fn ends_in_graphics(value: &str) -> bool {
    let ends = [value.as_bytes().first(), value.as_bytes().last()];
    ends.into_iter().flatten().all(u8::is_ascii_graphic)
}

fn check_value(value: &str) -> Result<(), (ParamsErrorKind, usize)> {
    if ends_in_graphics(value) {
        return Ok(());
    }
    if value.starts_with(char::is_whitespace) {
        return Err((ParamsErrorKind::WhiteSpace, 0));
    }
    let trimmed = value.trim_end().len();
    if trimmed < value.len() {
        return Err((ParamsErrorKind::WhiteSpace, trimmed));
    }
    Ok(())
}
