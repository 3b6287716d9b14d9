//! The bytes of this crate's durable records: a version, then fields in a fixed order.

/// Writes one record.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn new(version: u8) -> Self {
        Self(vec![version])
    }

    pub(crate) fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    pub(crate) fn number(mut self, number: u64) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        let mut writer = self.number(text.len() as u64);
        writer.0.extend(text.as_bytes());
        writer
    }

    pub(crate) fn optional(self, text: Option<&str>) -> Self {
        match text {
            None => self.byte(0),
            Some(text) => self.byte(1).text(text),
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads one record; every method is `None` once the bytes do not fit.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads a record of this version.
    pub(crate) fn new(version: u8, record: &'a [u8]) -> Option<Self> {
        match record.split_first() {
            Some((&first, rest)) if first == version => Some(Self(rest)),
            _ => None,
        }
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*bytes))
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        str::from_utf8(bytes).ok()
    }

    pub(crate) fn optional(&mut self) -> Option<Option<&'a str>> {
        if self.flag()? {
            self.text().map(Some)
        } else {
            Some(None)
        }
    }

    /// `value`, if nothing is left to read.
    pub(crate) fn end<T>(self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_and_nothing_else_fits() {
        let record = Writer::new(3)
            .byte(1)
            .number(70_000)
            .text("Größe")
            .optional(None)
            .optional(Some(""))
            .finish();
        let read = |record: &[u8]| {
            let mut reader = Reader::new(3, record)?;
            let fields = (
                reader.flag()?,
                reader.number()?,
                reader.text()?.to_owned(),
                reader.optional()?.map(str::to_owned),
                reader.optional()?.map(str::to_owned),
            );
            reader.end(fields)
        };
        let fields = (true, 70_000, "Größe".to_owned(), None, Some(String::new()));
        assert_eq!(read(&record), Some(fields));
        for end in 0..record.len() {
            assert_eq!(read(&record[..end]), None, "cut at {end}");
        }
        assert_eq!(read(&[&record[..], &[0]].concat()), None);
        assert_eq!(Reader::new(4, &record).map(|_| ()), None);
    }
}
