use crate::{WriteError, wbxml};

/// The string table of a document on its way: the public identifier, which is in the buffer already,
/// and the names of literals, which are put in behind it when the root ends.
#[derive(Debug)]
pub(super) struct Strings {
    /// How much is in the buffer.
    id_len: usize,
    names: Vec<u8>,
    /// Where each name begins.
    starts: Vec<usize>,
}

/// How many of the latest names are searched before one is written again.
const SEARCHED: usize = 64;

impl Strings {
    pub(super) const fn new() -> Self {
        Self {
            id_len: 0,
            names: Vec::new(),
            starts: Vec::new(),
        }
    }

    /// Appends the table to the header, with a public identifier unless that is empty.
    pub(super) fn begin(&mut self, id: &str, out: &mut Vec<u8>) {
        if !id.is_empty() {
            self.id_len = id.len() + 1;
        }
        wbxml::push_integer(self.id_len, out);
        if !id.is_empty() {
            out.extend_from_slice(id.as_bytes());
            out.push(0);
        }
    }

    /// The index of a name, which has no U+0000.
    pub(super) fn index(&mut self, name: &str) -> Result<usize, WriteError> {
        let found = self.starts.iter().rev().take(SEARCHED).find(|&&start| {
            let rest = self
                .names
                .get(start..)
                .and_then(|it| it.strip_prefix(name.as_bytes()));
            rest.is_some_and(|rest| rest.first() == Some(&0))
        });
        if let Some(start) = found {
            return Ok(self.id_len + start);
        }
        let start = self.names.len();
        if u32::try_from(self.id_len + start).is_err() {
            return Err(WriteError::InvalidName);
        }
        self.names.extend_from_slice(name.as_bytes());
        self.names.push(0);
        self.starts.push(start);
        Ok(self.id_len + start)
    }

    /// How many names there are.
    pub(super) const fn len(&self) -> usize {
        self.starts.len()
    }

    /// Takes back all names but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        if let Some(&start) = self.starts.get(len) {
            self.names.truncate(start);
            self.starts.truncate(len);
        }
    }

    /// How much [`Strings::put_in`] will add.
    pub(super) const fn growth(&self) -> usize {
        let len = wbxml::integer_len(self.id_len + self.names.len());
        self.names.len() + len - wbxml::integer_len(self.id_len)
    }

    /// Puts the names into the table whose length is at `table_at`.
    pub(super) fn put_in(&self, table_at: usize, out: &mut Vec<u8>) {
        if self.names.is_empty() {
            return;
        }
        let mut table = Vec::with_capacity(self.names.len() + self.id_len + 5);
        wbxml::push_integer(self.id_len + self.names.len(), &mut table);
        let old = table_at + wbxml::integer_len(self.id_len);
        table.extend_from_slice(out.get(old..old + self.id_len).unwrap_or_default());
        table.extend_from_slice(&self.names);
        out.splice(table_at..old + self.id_len, table);
    }
}
