use crate::{
    Limits, ReadError, ReadErrorKind,
    wbxml::{self, Kind},
};

/// What comes before the body of a document. [WAP-WBXML]
#[derive(Clone, Copy, Debug)]
pub(super) struct Header<'a> {
    pub(super) kind: Kind,
    pub(super) charset: Charset,
    pub(super) table: &'a [u8],
    /// The offset of the string table.
    pub(super) table_at: usize,
}

/// How strings are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Charset {
    /// UTF-8, and ASCII in it.
    Utf8,
    Latin1,
}

impl<'a> Header<'a> {
    /// Reads the header at `at`; also the offset of the body.
    pub(super) fn read(
        input: &'a [u8],
        at: usize,
        limits: &Limits,
    ) -> Result<(Self, usize), ReadError> {
        let fail = |kind, at| Err(ReadError::new(kind, at));
        let Some(&version) = input.get(at) else {
            return fail(ReadErrorKind::UnexpectedEnd, input.len());
        };
        // Any minor version of the first major one.
        if version >> 4 != 0 {
            return fail(ReadErrorKind::UnsupportedVersion, at);
        }
        let id_at = at + 1;
        let (number, next) = integer(input, id_at)?;
        let (index, next) = match number {
            0 => {
                let (index, next) = integer(input, next)?;
                (Some(index as usize), next)
            }
            _ => (None, next),
        };
        let (charset, next) = match version {
            // WBXML 1.0 does not say.
            0 => (Charset::Utf8, next),
            _ => {
                let (mib, after) = integer(input, next)?;
                let charset = match mib {
                    0 | 3 | 106 => Charset::Utf8,
                    4 => Charset::Latin1,
                    _ => return fail(ReadErrorKind::UnsupportedCharset, next),
                };
                (charset, after)
            }
        };
        let (len, table_at) = integer(input, next)?;
        let rest = input.get(table_at..).unwrap_or_default();
        let Some((table, _)) = rest.split_at_checked(len as usize) else {
            return fail(ReadErrorKind::UnexpectedEnd, input.len());
        };
        if table.last().is_some_and(|&last| last != 0) && !limits.allow_open_table {
            let end = table_at + table.len();
            return fail(ReadErrorKind::UnterminatedString, end);
        }
        let mut header = Self {
            kind: Kind::Unknown,
            charset,
            table,
            table_at,
        };
        let kind = match index {
            None => Kind::from_number(number),
            Some(index) => match header.string(index) {
                Some(text) => Kind::from_text(text),
                None => return fail(ReadErrorKind::InvalidStringIndex, id_at),
            },
        };
        let Some(kind) = kind else {
            return fail(ReadErrorKind::UnknownPublicId, id_at);
        };
        header.kind = kind;
        Ok((header, table_at + table.len()))
    }

    /// The string of the table that begins at `index`, up to its terminator or the end.
    pub(super) fn string(&self, index: usize) -> Option<&'a [u8]> {
        let rest = self.table.get(index..).filter(|rest| !rest.is_empty())?;
        rest.split(|&byte| byte == 0).next()
    }
}

/// Reads a multi-byte integer at `at`; also the offset of what follows.
pub(super) fn integer(input: &[u8], at: usize) -> Result<(u32, usize), ReadError> {
    match wbxml::integer(input.get(at..).unwrap_or_default()) {
        Ok((number, len)) => Ok((number, at + len)),
        Err(true) => Err(ReadError::new(ReadErrorKind::UnexpectedEnd, input.len())),
        Err(false) => Err(ReadError::new(ReadErrorKind::InvalidInteger, at)),
    }
}
