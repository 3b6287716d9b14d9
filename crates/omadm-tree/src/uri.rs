use std::{borrow::Cow, cmp::Ordering, fmt, str::FromStr, sync::Arc};

use omadm_core::StatusCode;

/// The address of a node, relative to the root of the tree. [DM-TND §6]
///
/// Parsed once: `./A/B` and `A/B` are the same address, segments are percent-decoded, and an invalid
/// address cannot exist. A name is never empty, `.` or `..`, and holds no `/` and no control
/// character. Cheap to clone. The order is by segments, so a node comes right before its subtree.
///
/// ```
/// use omadm_tree::Uri;
///
/// let uri: Uri = "./VirMO/my%20vm/State".parse()?;
/// assert_eq!(uri.segments().collect::<Vec<_>>(), ["VirMO", "my vm", "State"]);
/// assert_eq!(uri, Uri::parse("VirMO/my%20vm/State")?);
/// assert_eq!(uri.to_string(), "./VirMO/my%20vm/State");
/// assert_eq!(Uri::root().to_string(), ".");
/// # Ok::<(), omadm_tree::UriError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    /// Decoded names joined by `/`; empty for the root.
    path: Arc<str>,
}

/// Limits on the text of an address, as `./DevDetail/URI` publishes them; `0` is unlimited.
/// [DM-StdObj §5.3]
///
/// Lengths are characters of the canonical text ([`Uri`]'s `Display`), where `%HH` counts three.
/// The leading `.` is no segment (unverified).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct UriLimits {
    /// Segments of an address. Default: 32.
    pub max_depth: u16,
    /// Characters of an address, a property suffix included. Default: 1024.
    pub max_total: u16,
    /// Characters of one segment. Default: 255.
    pub max_segment: u16,
}

impl UriLimits {
    /// No limits.
    pub const UNLIMITED: Self = Self::new(0, 0, 0);

    /// Limits in the order of `MaxDepth`, `MaxTotLen`, `MaxSegLen`.
    #[must_use]
    pub const fn new(max_depth: u16, max_total: u16, max_segment: u16) -> Self {
        Self {
            max_depth,
            max_total,
            max_segment,
        }
    }

    /// Checks an address against the limits.
    ///
    /// # Errors
    /// [`UriErrorKind::TooDeep`], [`UriErrorKind::TooLong`] or [`UriErrorKind::SegmentTooLong`], with
    /// the offset in the canonical text where the limit is passed.
    pub fn check(&self, uri: &Uri) -> Result<(), UriError> {
        if *self == Self::UNLIMITED {
            return Ok(());
        }
        self.check_suffixed(uri, 0)
    }

    /// Like [`check`](Self::check), for an address that `suffix` more characters follow.
    pub(crate) fn check_suffixed(&self, uri: &Uri, suffix: usize) -> Result<(), UriError> {
        let over = |limit: u16, length: usize| limit != 0 && length > usize::from(limit);
        // A byte makes three characters at most, a segment takes two bytes with what is between.
        let length = uri.path.len();
        if !over(self.max_depth, length.div_ceil(2))
            && !over(self.max_segment, 3 * length)
            && !over(self.max_total, 2 + 3 * length + suffix)
        {
            return Ok(());
        }
        let mut total = 1;
        for (index, segment) in uri.segments().enumerate() {
            let length = encoded_len(segment);
            let offset = total + 1;
            if over(self.max_depth, index + 1) {
                return Err(UriErrorKind::TooDeep.at(offset));
            }
            if over(self.max_segment, length) {
                return Err(UriErrorKind::SegmentTooLong.at(offset));
            }
            total = offset + length;
        }
        if over(self.max_total, total + suffix) {
            return Err(UriErrorKind::TooLong.at(usize::from(self.max_total)));
        }
        Ok(())
    }
}

impl Default for UriLimits {
    fn default() -> Self {
        Self::new(32, 1024, 255)
    }
}

/// A text that is no address, or one that passes a limit.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct UriError {
    /// What is wrong.
    pub kind: UriErrorKind,
    /// The byte offset in the text.
    pub offset: usize,
}

omadm_core::debug_as_causes!(UriError);

/// The kind of a [`UriError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UriErrorKind {
    /// A segment is empty: the text is empty, starts or ends with `/`, or has `//`.
    #[error("empty segment")]
    EmptySegment,
    /// A segment is `.` or `..`, or ends in `.` before a `/`; `./` may only start an address.
    #[error("segment ends in a dot")]
    DotSegment,
    /// A character that has to be percent-encoded.
    #[error("character not allowed")]
    InvalidCharacter,
    /// `%` without two hexadecimal digits.
    #[error("broken escape")]
    BrokenEscape,
    /// A segment is not UTF-8 once decoded.
    #[error("segment is not UTF-8")]
    NotUtf8,
    /// A name holds a `/` or a control character.
    #[error("name holds a character no name may hold")]
    InvalidName,
    /// More segments than `MaxDepth`.
    #[error("too many segments")]
    TooDeep,
    /// Longer than `MaxTotLen`.
    #[error("address too long")]
    TooLong,
    /// A segment longer than `MaxSegLen`.
    #[error("segment too long")]
    SegmentTooLong,
}

impl UriErrorKind {
    const fn at(self, offset: usize) -> UriError {
        UriError { kind: self, offset }
    }
}

impl UriError {
    /// The status a command on such an address gets: 414 for a limit, otherwise 400.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self.kind {
            UriErrorKind::TooDeep | UriErrorKind::TooLong | UriErrorKind::SegmentTooLong => {
                StatusCode::URI_TOO_LONG
            }
            UriErrorKind::EmptySegment
            | UriErrorKind::DotSegment
            | UriErrorKind::InvalidCharacter
            | UriErrorKind::BrokenEscape
            | UriErrorKind::NotUtf8
            | UriErrorKind::InvalidName => StatusCode::BAD_REQUEST,
        }
    }
}

impl Uri {
    /// The root, `.`.
    #[must_use]
    pub fn root() -> Self {
        Self {
            path: Arc::default(),
        }
    }

    /// Parses the text of an address, without limits.
    ///
    /// # Errors
    /// A [`UriError`] with its offset.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        Self::parse_with(text, &UriLimits::UNLIMITED)
    }

    /// Parses the text of an address within limits.
    ///
    /// # Errors
    /// A [`UriError`] with its offset.
    pub fn parse_with(text: &str, limits: &UriLimits) -> Result<Self, UriError> {
        let uri = Self {
            path: names_of(text)?.into(),
        };
        limits.check(&uri)?;
        Ok(uri)
    }

    /// The child with a (decoded) name.
    ///
    /// # Errors
    /// A [`UriError`] if it is no name; the offset counts in `name`.
    pub fn child(&self, name: &str) -> Result<Self, UriError> {
        check_name(name)?;
        Ok(self.child_unchecked(name))
    }

    /// The address of `below` with this node as its root.
    #[must_use]
    pub fn join(&self, below: &Self) -> Self {
        if below.is_root() {
            self.clone()
        } else {
            self.child_unchecked(&below.path)
        }
    }

    /// Whether this is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.path.is_empty()
    }

    /// The number of segments; 0 for the root.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.segments().count()
    }

    /// The decoded names from the root down.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> + Clone {
        // The empty path of the root splits into one empty segment, which no other path has.
        self.path.split('/').filter(|segment| !segment.is_empty())
    }

    /// The decoded names joined by `/`; empty for the root.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The decoded name of the node; the root has none.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.segments().next_back()
    }

    /// The address of the parent; the root has none.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let path = self.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        Some(Self { path: path.into() })
    }

    /// The addresses from the parent up to the root.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> + use<> {
        std::iter::successors(self.parent(), Self::parent)
    }

    /// Whether the node is `ancestor` or lies below it.
    #[must_use]
    pub fn starts_with(&self, ancestor: &Self) -> bool {
        self.names_below(ancestor).is_some()
    }

    /// The address relative to `ancestor`: the root for `ancestor` itself, `None` if the node does
    /// not lie below it.
    #[must_use]
    pub fn strip_prefix(&self, ancestor: &Self) -> Option<Self> {
        Some(match self.names_below(ancestor)? {
            "" => Self::root(),
            _ if ancestor.is_root() => self.clone(),
            below => Self { path: below.into() },
        })
    }

    /// The decoded names below `ancestor`, joined by `/`, as
    /// [`strip_prefix`](Self::strip_prefix) has them: empty for `ancestor` itself.
    #[must_use]
    pub fn names_below(&self, ancestor: &Self) -> Option<&str> {
        if ancestor.is_root() {
            return Some(&self.path);
        }
        match self.path.strip_prefix(&*ancestor.path)? {
            "" => Some(""),
            rest => rest.strip_prefix('/'),
        }
    }

    /// Appends valid names.
    pub(crate) fn child_unchecked(&self, names: &str) -> Self {
        let path = if self.is_root() {
            names.into()
        } else {
            [&*self.path, "/", names].concat().into()
        };
        Self { path }
    }
}

/// The decoded names of an address, joined by `/`: those of nearly all as they are there.
pub(crate) fn names_of(text: &str) -> Result<Cow<'_, str>, UriError> {
    if text == "." {
        return Ok(Cow::Borrowed(""));
    }
    let path = text.strip_prefix("./").unwrap_or(text);
    if is_plain(path) {
        return Ok(Cow::Borrowed(path));
    }
    decode_path(path, text.len() - path.len()).map(Cow::Owned)
}

/// Whether a path is its own decoded form and nothing is wrong with it, which one look at its octets
/// tells of nearly all. Those with the rarer of the characters that stand for themselves are not.
fn is_plain(path: &str) -> bool {
    let octets = path.as_bytes();
    let (Some((first, after)), Some((last, before))) = (octets.split_first(), octets.split_last())
    else {
        return false;
    };
    is_often_plain(*first) & (*first != b'/') & !matches!(last, b'/' | b'.')
        && are_plain_after(before, after)
}

/// Whether octets may come in a plain path after those before them, which are as many.
fn are_plain_after(before: &[u8], octets: &[u8]) -> bool {
    /// Without a branch for each octet, and as many as the processor takes at once.
    fn these<const N: usize>(before: &[u8; N], octets: &[u8; N]) -> bool {
        let pairs = before.iter().zip(octets);
        pairs.fold(true, |plain, (before, octet)| {
            let ends_well = (*octet != b'/') | ((*before != b'/') & (*before != b'.'));
            plain & is_often_plain(*octet) & ends_well
        })
    }
    if let (Some(last_before), Some(last)) = (before.last_chunk::<16>(), octets.last_chunk()) {
        let (before, octets) = (before.as_chunks::<16>().0, octets.as_chunks().0);
        return before.iter().zip(octets).all(|(a, b)| these(a, b)) & these(last_before, last);
    }
    if let (Some(a), Some(b)) = (before.first_chunk::<8>(), octets.first_chunk())
        && let (Some(last_before), Some(last)) = (before.last_chunk::<8>(), octets.last_chunk())
    {
        return these(a, b) & these(last_before, last);
    }
    let mut pairs = before.iter().zip(octets);
    pairs.all(|(before, octet)| these(&[*before], &[*octet]))
}

/// Whether an octet is a slash, or one of most of those that may stand for themselves in a segment.
const fn is_often_plain(octet: u8) -> bool {
    let is_letter = (octet | 0x20).wrapping_sub(b'a') < 26;
    let is_digit_or_mark = octet.wrapping_sub(b'&') <= b':' - b'&';
    is_letter | is_digit_or_mark | (octet == b'_')
}

/// The decoded path of one that begins at this offset.
fn decode_path(encoded: &str, mut offset: usize) -> Result<String, UriError> {
    let mut path = String::with_capacity(encoded.len());
    let mut segments = encoded.split('/').peekable();
    while let Some(segment) = segments.next() {
        if segments.peek().is_some() && segment.ends_with('.') {
            return Err(UriErrorKind::DotSegment.at(offset + segment.len() - 1));
        }
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(&decode_segment(segment, offset)?);
        offset += segment.len() + 1;
    }
    Ok(path)
}

/// Decodes one segment that starts at byte `base` of the text.
fn decode_segment(segment: &str, base: usize) -> Result<Cow<'_, str>, UriError> {
    if segment.is_empty() {
        return Err(UriErrorKind::EmptySegment.at(base));
    }
    if segment.bytes().all(is_pchar) {
        return match segment {
            "." | ".." => Err(UriErrorKind::DotSegment.at(base)),
            name => Ok(Cow::Borrowed(name)),
        };
    }
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if byte == b'%' {
            let mut digit = || bytes.next().and_then(|(_, byte)| hex(byte));
            match (digit(), digit()) {
                (Some(high), Some(low)) => decoded.push(high << 4 | low),
                _ => return Err(UriErrorKind::BrokenEscape.at(base + at)),
            }
        } else if is_pchar(byte) {
            decoded.push(byte);
        } else {
            return Err(UriErrorKind::InvalidCharacter.at(base + at));
        }
    }
    let name = String::from_utf8(decoded).map_err(|_| UriErrorKind::NotUtf8.at(base))?;
    match check_name(&name) {
        Ok(()) => Ok(Cow::Owned(name)),
        Err(error) => Err(error.kind.at(base)),
    }
}

/// The decoded name a segment of an address stands for.
pub(crate) fn parse_segment(segment: &str) -> Result<String, UriError> {
    decode_segment(segment, 0).map(Cow::into_owned)
}

pub(crate) fn check_name(name: &str) -> Result<(), UriError> {
    match name {
        "" => Err(UriErrorKind::EmptySegment.at(0)),
        "." | ".." => Err(UriErrorKind::DotSegment.at(0)),
        _ => match name.find(|c: char| c == '/' || c.is_control()) {
            Some(offset) => Err(UriErrorKind::InvalidName.at(offset)),
            None => Ok(()),
        },
    }
}

const fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[expect(
    clippy::indexing_slicing,
    reason = "a table has a place for each octet"
)]
const fn is_pchar(byte: u8) -> bool {
    const PCHARS: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0_u8;
        while byte < 128 {
            table[byte as usize] = byte.is_ascii_alphanumeric() || is_mark(byte);
            byte += 1;
        }
        table
    };
    PCHARS[byte as usize]
}

const fn is_mark(byte: u8) -> bool {
    matches!(
        byte,
        b'-' | b'_'
            | b'!'
            | b'~'
            | b'*'
            | b'\''
            | b'('
            | b')'
            | b':'
            | b'@'
            | b'&'
            | b'='
            | b'+'
            | b'$'
            | b','
            | b'.'
    )
}

/// The name as a segment of an address.
///
/// A dot at the end is escaped too, since `./` inside an address is not allowed.
pub(crate) struct Encoded<'a>(pub(crate) &'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.0.len().saturating_sub(1);
        for (at, byte) in self.0.bytes().enumerate() {
            if needs_escape(byte, at == last) {
                write!(f, "%{byte:02X}")?;
            } else {
                fmt::Write::write_char(f, char::from(byte))?;
            }
        }
        Ok(())
    }
}

fn encoded_len(name: &str) -> usize {
    let escaped = name.bytes().filter(|byte| !is_pchar(*byte)).count();
    name.len() + 2 * (escaped + usize::from(name.ends_with('.')))
}

const fn needs_escape(byte: u8, last: bool) -> bool {
    !is_pchar(byte) || (last && byte == b'.')
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(".")?;
        for segment in self.segments() {
            write!(f, "/{}", Encoded(segment))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Ord for Uri {
    fn cmp(&self, other: &Self) -> Ordering {
        let mut octets = self.path.bytes().zip(other.path.bytes());
        match octets.find(|(own, theirs)| own != theirs) {
            // A name that ends comes before one that goes on.
            Some((b'/', _)) => Ordering::Less,
            Some((_, b'/')) => Ordering::Greater,
            Some((own, theirs)) => own.cmp(&theirs),
            None => self.path.len().cmp(&other.path.len()),
        }
    }
}

impl PartialOrd for Uri {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> (UriErrorKind, usize) {
        let error = Uri::parse(text).unwrap_err();
        (error.kind, error.offset)
    }

    #[test]
    fn both_spellings_are_one_address() {
        assert_eq!(Uri::parse("./A/B"), Uri::parse("A/B"));
        assert_eq!(Uri::parse("."), Ok(Uri::root()));
        assert_eq!(Uri::parse("A").unwrap().to_string(), "./A");
        assert_eq!(Uri::root().to_string(), ".");
        assert_eq!(Uri::parse("./.a").unwrap().name(), Some(".a"));
    }

    #[test]
    fn broken_texts_name_kind_and_place() {
        use UriErrorKind::*;
        for (text, kind, offset) in [
            ("", EmptySegment, 0),
            ("/", EmptySegment, 0),
            ("/A", EmptySegment, 0),
            ("./", EmptySegment, 2),
            (".//", EmptySegment, 2),
            ("./A/", EmptySegment, 4),
            ("./A//B", EmptySegment, 4),
            ("..", DotSegment, 0),
            ("../A", DotSegment, 1),
            ("././A", DotSegment, 2),
            ("./A/../B", DotSegment, 5),
            ("./A./B", DotSegment, 3),
            ("./A/.", DotSegment, 4),
            ("./%2e%2E", DotSegment, 2),
            ("./A B", InvalidCharacter, 3),
            ("./A?prop=Name", InvalidCharacter, 3),
            ("./A#b", InvalidCharacter, 3),
            ("./Ä", InvalidCharacter, 2),
            ("./A%", BrokenEscape, 3),
            ("./A%4", BrokenEscape, 3),
            ("./A%4x", BrokenEscape, 3),
            ("./A%4/x", BrokenEscape, 3),
            ("./A/%FF", NotUtf8, 4),
            ("./A/b%2Fc", InvalidName, 4),
            ("./A/b%00", InvalidName, 4),
        ] {
            assert_eq!(error(text), (kind, offset), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_plain_path_is_its_own_decoded_form(
            path in prop_oneof!["[a.~/%4é:]{0,7}", "([!-~]{1,6}/?){0,9}", "([A-Za-z&-:_]{1,6}/?){0,9}"],
        ) {
            let decoded = decode_path(&path, 0);
            if is_plain(&path) {
                prop_assert_eq!(decoded.as_deref(), Ok(&*path));
            } else if decoded.as_deref() == Ok(&*path) {
                prop_assert!(path.ends_with('.') || path.contains(['!', '$', '=', '@', '~']));
            }
        }
    }

    #[test]
    fn display_escapes_what_the_grammar_wants() {
        let uri = Uri::root()
            .child("Größe 1/2".trim_end_matches("/2"))
            .unwrap();
        assert_eq!(uri.to_string(), "./Gr%C3%B6%C3%9Fe%201");
        let dotted = uri.child("v1.").unwrap().child("...").unwrap();
        assert_eq!(dotted.to_string(), "./Gr%C3%B6%C3%9Fe%201/v1%2E/..%2E");
        assert_eq!(Uri::parse(&dotted.to_string()), Ok(dotted));
    }

    #[test]
    fn family() {
        let uri = Uri::parse("./A/B/C").unwrap();
        let a = Uri::parse("A").unwrap();
        assert_eq!(uri.depth(), 3);
        assert_eq!(uri.parent(), Uri::parse("A/B").ok());
        assert_eq!(
            uri.ancestors().collect::<Vec<_>>(),
            [Uri::parse("A/B").unwrap(), a.clone(), Uri::root()]
        );
        assert_eq!(uri.strip_prefix(&a), Uri::parse("B/C").ok());
        assert_eq!(a.strip_prefix(&a), Some(Uri::root()));
        assert_eq!(Uri::parse("AB").unwrap().strip_prefix(&a), None);
        assert_eq!(uri.names_below(&a), Some("B/C"));
        assert_eq!(uri.names_below(&Uri::root()), Some("A/B/C"));
        assert_eq!(a.names_below(&a), Some(""));
        assert_eq!(Uri::parse("AB").unwrap().names_below(&a), None);
        assert!(uri.starts_with(&Uri::root()) && !a.starts_with(&uri));
        assert_eq!(a.join(&uri.strip_prefix(&a).unwrap()), uri);
        assert_eq!(a.join(&Uri::root()), a);
        assert_eq!(Uri::root().join(&a), a);
        assert!(a.child("").is_err() && a.child("x/y").is_err());
    }

    #[test]
    fn the_order_keeps_subtrees_together() {
        let mut uris: Vec<Uri> = ["A!", "A/B", "A", ".", "A/B/C"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        uris.sort();
        assert_eq!(
            uris.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [".", "./A", "./A/B", "./A/B/C", "./A!"]
        );
    }

    proptest! {
        /// Whatever comes before the slash in the alphabet.
        #[test]
        fn the_order_is_that_of_the_names(addresses in [names(), names()]) {
            let address = |names: Vec<&str>| {
                let below = |uri: Uri, name| uri.child(name).unwrap();
                names.into_iter().fold(Uri::root(), below)
            };
            let [a, b] = addresses.clone().map(address);
            let [x, y] = addresses;
            prop_assert_eq!(a.cmp(&b), x.cmp(&y));
            prop_assert_eq!(a == b, x == y);
        }
    }

    fn names() -> impl Strategy<Value = Vec<&'static str>> {
        let name = prop_oneof![
            Just("a"),
            Just("a-"),
            Just("a~"),
            Just("-"),
            Just("b"),
            Just("é")
        ];
        proptest::collection::vec(name, 0..4)
    }

    #[test]
    fn limits_count_segments_and_characters() {
        use UriErrorKind::*;
        let limits = UriLimits::new(2, 10, 5);
        let parse = |text| Uri::parse_with(text, &limits).map_err(|error| error.kind);
        assert!(parse("./abcde/fg").is_ok());
        assert!(parse("abcde/fg").is_ok());
        assert_eq!(parse("./abcde/fgh"), Err(TooLong));
        assert_eq!(parse("./abcdef"), Err(SegmentTooLong));
        assert_eq!(parse("./a%20b"), Ok(Uri::parse("a%20b").unwrap()));
        assert_eq!(parse("./a%20bc"), Err(SegmentTooLong));
        assert_eq!(parse("./a/b/c"), Err(TooDeep));
        assert!(parse(".").is_ok());
        for kind in [TooDeep, TooLong, SegmentTooLong] {
            assert_eq!(kind.at(0).status(), StatusCode::URI_TOO_LONG);
        }
        assert_eq!(InvalidName.at(0).status(), StatusCode::BAD_REQUEST);
    }
}
