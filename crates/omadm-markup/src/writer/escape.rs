//! Character data as XML wants it. [XML §2.4]

use crate::{
    WriteError,
    octets::{self, memchr3},
    word,
};

/// Appends text, given as UTF-8.
#[inline]
pub(super) fn text(text: &[u8], out: &mut Vec<u8>) -> Result<(), WriteError> {
    escape(text, &TEXT, out)
}

/// Appends the value of an attribute that stands between double quotes.
pub(super) fn attribute(value: &str, out: &mut Vec<u8>) -> Result<(), WriteError> {
    escape(value.as_bytes(), &ATTRIBUTE, out)
}

/// For each byte an index into [`REPLACEMENTS`], or 0 for a byte that stays, or one of the two
/// others.
struct Table([u8; 256]);

/// XML cannot carry the byte.
const FORBIDDEN: u8 = 254;
/// The byte may begin U+FFFE or U+FFFF.
const SUSPECT: u8 = 255;

/// How much of a long text is looked at and appended at once.
const BLOCK: usize = 4096;

/// What stands for a byte, filled up with blanks: eight bytes are copied at once.
const REPLACEMENTS: [&[u8; 8]; 8] = [
    b"        ",
    b"&amp;   ",
    b"&lt;    ",
    b"&gt;    ",
    b"&#13;   ",
    b"&quot;  ",
    b"&#9;    ",
    b"&#10;   ",
];

static TEXT: Table = Table::new(false);
static ATTRIBUTE: Table = Table::new(true);

impl Table {
    #[expect(
        clippy::indexing_slicing,
        reason = "runs at compile time, where it fails the build"
    )]
    const fn new(attribute: bool) -> Self {
        let mut table = [0; 256];
        let mut control = 0;
        while control < b' ' as usize {
            table[control] = FORBIDDEN;
            control += 1;
        }
        table[0xEF] = SUSPECT;
        table[b'&' as usize] = 1;
        table[b'<' as usize] = 2;
        table[b'>' as usize] = 3;
        table[b'\r' as usize] = 4;
        table[b'"' as usize] = if attribute { 5 } else { 0 };
        table[b'\t' as usize] = if attribute { 6 } else { 0 };
        table[b'\n' as usize] = if attribute { 7 } else { 0 };
        Self(table)
    }

    fn class(&self, byte: u8) -> u8 {
        self.0.get(usize::from(byte)).copied().unwrap_or(FORBIDDEN)
    }
}

#[inline]
fn escape(bytes: &[u8], table: &Table, out: &mut Vec<u8>) -> Result<(), WriteError> {
    if is_plain(bytes, table) {
        out.extend_from_slice(bytes);
        return Ok(());
    }
    escape_long(bytes, table, out)
}

/// [`escape`] for what is a block or more, or not plain.
#[inline(never)]
fn escape_long(mut bytes: &[u8], table: &Table, out: &mut Vec<u8>) -> Result<(), WriteError> {
    // In character data quotes stay, and that is what the look at a block is made for.
    let is_attribute = table.class(b'"') != 0;
    if !is_attribute && !octets::ONE_BY_ONE {
        // What was looked at is appended while it is in the processor's cache.
        while let Some((block, rest)) = bytes.split_first_chunk()
            && is_plain_block(block)
        {
            out.extend_from_slice(block);
            bytes = rest;
        }
    }
    replace(bytes, table, out)
}

fn replace(mut bytes: &[u8], table: &Table, out: &mut Vec<u8>) -> Result<(), WriteError> {
    loop {
        let plain = plain_prefix(bytes, table);
        let (before, from) = bytes.split_at_checked(plain).unwrap_or((bytes, &[]));
        match bytes.first_chunk::<16>() {
            Some(block) if plain <= block.len() => append(block, plain, out),
            _ => out.extend_from_slice(before),
        }
        let Some((&byte, after)) = from.split_first() else {
            return Ok(());
        };
        match table.class(byte) {
            FORBIDDEN => return Err(WriteError::InvalidCharacter),
            SUSPECT => {
                if matches!(after, [0xBF, 0xBE | 0xBF, ..]) {
                    return Err(WriteError::InvalidCharacter);
                }
                out.push(byte);
            }
            class => {
                let replacement = REPLACEMENTS.get(usize::from(class));
                let replacement = *replacement.unwrap_or(&REPLACEMENTS[0]);
                let len = replacement.iter().position(|&byte| byte == b' ');
                append(replacement, len.unwrap_or(replacement.len()), out);
            }
        }
        bytes = after;
    }
}

/// Appends the first `len` bytes of a block. It copies the whole block and cuts off the rest: a copy
/// of fixed size is a few instructions, one of any size is a call.
#[inline]
fn append<const N: usize>(block: &[u8; N], len: usize, out: &mut Vec<u8>) {
    let end = out.len() + len;
    out.extend_from_slice(block);
    out.truncate(end);
}

/// How many bytes from the beginning stay as they are.
#[inline]
fn plain_prefix(bytes: &[u8], table: &Table) -> usize {
    let special = |&byte: &u8| table.class(byte) != 0;
    if octets::ONE_BY_ONE {
        return bytes.iter().position(special).unwrap_or(bytes.len());
    }
    // Where there is one to replace, the next one is most often near.
    let near = bytes.get(..32).unwrap_or(bytes);
    if let Some(end) = near.iter().position(special) {
        return end;
    }
    let rest = bytes.get(near.len()..).unwrap_or_default();
    let (steps, _) = rest.as_chunks::<16>();
    let plain = steps.iter().take_while(|step| all_plain(step)).count() * 16;
    let rest = rest.get(plain..).unwrap_or_default();
    let end = rest.iter().position(special).unwrap_or(rest.len());
    near.len() + plain + end
}

/// Whether all bytes stay as they are and are less than a block; errs on the safe side.
#[inline]
fn is_plain(bytes: &[u8], table: &Table) -> bool {
    if octets::ONE_BY_ONE {
        return false;
    }
    if let (Some(first), Some(last)) = ends::<16>(bytes) {
        if bytes.len() <= 2 * first.len() {
            return all_plain(first) & all_plain(last);
        }
        if bytes.len() >= BLOCK {
            return false;
        }
        let (blocks, rest) = bytes.as_chunks::<128>();
        let (steps, _) = rest.as_chunks::<16>();
        let mut least = [u8::MAX; 16];
        for step in steps.iter().chain([last]) {
            for (least, &byte) in least.iter_mut().zip(step) {
                *least = (*least).min(distance(byte));
            }
        }
        !has_zero(&least) && blocks.iter().all(all_plain)
    } else if let (Some(first), Some(last)) = ends::<8>(bytes) {
        let [first, last] = [first, last].map(|it| u64::from_le_bytes(*it));
        word::special(first) | word::special(last) == 0
    } else if let (Some(first), Some(last)) = ends::<4>(bytes) {
        let [first, last] = [first, last].map(|it| u64::from(u32::from_le_bytes(*it)));
        word::special(first | last << 32) == 0
    } else {
        bytes.iter().all(|&byte| table.class(byte) == 0)
    }
}

/// The first bytes and the last ones, which may be the same.
#[inline]
fn ends<const N: usize>(bytes: &[u8]) -> (Option<&[u8; N]>, Option<&[u8; N]>) {
    (bytes.first_chunk(), bytes.last_chunk())
}

/// Whether a block of text stays as it is; errs on the safe side. Two simple looks take less than one
/// at everything.
fn is_plain_block(block: &[u8; BLOCK]) -> bool {
    let extremes = |(low, high): (u8, u8), &byte: &u8| (byte.min(low), byte.max(high));
    let (low, high) = block.iter().fold((u8::MAX, 0), extremes);
    low >= b' ' && high < 0xEF && memchr3(b'&', b'<', b'>', block).is_none()
}

/// [`is_plain`] for a fixed number of bytes.
#[inline]
fn all_plain<const N: usize>(step: &[u8; N]) -> bool {
    !has_zero(&step.map(distance))
}

/// Not `contains`, which is a call that searches.
#[inline]
fn has_zero<const N: usize>(distances: &[u8; N]) -> bool {
    let or = |found: bool, &distance: &u8| found | (distance == 0);
    distances.iter().fold(false, or)
}

/// Zero for bytes that do not stay, each by one of four terms: `"` and `&`, `<` and `>`, the control
/// characters, and what may begin U+FFFE. A minimum is one instruction for many bytes.
#[inline]
fn distance(byte: u8) -> u8 {
    let markup = ((byte ^ b'"') & 0xFB).min((byte ^ b'<') & 0xFD);
    markup.min(byte & 0xE0).min(byte ^ 0xEF)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str, table: &Table) -> Result<String, WriteError> {
        let mut out = Vec::new();
        escape(text.as_bytes(), table, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn each_character_becomes_what_xml_reads_back() {
        let all = "a&b<c>d\re\"f\tg\nh'\u{FFFD}\u{FFE0}é";
        let text = "a&amp;b&lt;c&gt;d&#13;e\"f\tg\nh'\u{FFFD}\u{FFE0}é";
        let attribute = "a&amp;b&lt;c&gt;d&#13;e&quot;f&#9;g&#10;h'\u{FFFD}\u{FFE0}é";
        assert_eq!(escaped(all, &TEXT).unwrap(), text);
        assert_eq!(escaped(all, &ATTRIBUTE).unwrap(), attribute);
    }

    #[test]
    fn every_place_in_a_text_of_any_length_is_looked_at() {
        for (len, at) in (0..50).flat_map(|len| (0..=len).map(move |at| (len, at))) {
            for (c, expected) in [
                ('&', Ok("&amp;")),
                ('\0', Err(WriteError::InvalidCharacter)),
                ('\u{FFFF}', Err(WriteError::InvalidCharacter)),
            ] {
                let (before, after) = ("x".repeat(at), "y".repeat(len - at));
                assert_eq!(
                    escaped(&format!("{before}{c}{after}"), &TEXT),
                    expected.map(|c| format!("{before}{c}{after}"))
                );
            }
        }
    }

    #[test]
    fn every_block_of_a_long_text_is_looked_at() {
        for at in [
            0,
            1,
            BLOCK - 1,
            BLOCK,
            2 * BLOCK - 1,
            2 * BLOCK,
            2 * BLOCK + 49,
        ] {
            for (special, text) in [
                ('&', Some("&amp;")),
                ('<', Some("&lt;")),
                ('>', Some("&gt;")),
                ('\r', Some("&#13;")),
                ('"', Some("\"")),
                ('\n', Some("\n")),
                ('é', Some("é")),
                ('\u{FFFD}', Some("\u{FFFD}")),
                ('\u{FFFE}', None),
                ('\x1F', None),
            ] {
                let (before, after) = ("x".repeat(at), "y".repeat(2 * BLOCK + 49 - at));
                let long = format!("{before}{special}{after}");
                let expected = text.map(|text| format!("{before}{text}{after}"));
                assert_eq!(escaped(&long, &TEXT).ok(), expected, "{special:?} {at}");
                let expected = match special {
                    '"' => Some(format!("{before}&quot;{after}")),
                    '\n' => Some(format!("{before}&#10;{after}")),
                    _ => expected,
                };
                assert_eq!(
                    escaped(&long, &ATTRIBUTE).ok(),
                    expected,
                    "{special:?} {at}"
                );
            }
        }
    }

    #[test]
    fn exactly_what_xml_cannot_carry_is_refused() {
        for c in (0..0x1_0000).filter_map(char::from_u32) {
            for table in [&TEXT, &ATTRIBUTE] {
                let refused = escaped(c.encode_utf8(&mut [0; 4]), table).is_err();
                assert_eq!(refused, !crate::chars::is_allowed(c), "{c:?}");
            }
        }
    }
}
