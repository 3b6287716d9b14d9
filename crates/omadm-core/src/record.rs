use std::fmt;

use crate::{Correlator, Format, GenericAlert, Mark};

/// The length of what is absent.
const ABSENT: u32 = u32::MAX;

/// Writes the fields of a record that more than one crate keeps, the shape of which is the same in
/// all of them. The crate of the space decides which fields there are, and counts versions: its own
/// one rises with a change of any field here.
///
/// Numbers are big-endian. Octets and texts begin with their length, a `u32` that is all ones where
/// there are none. A Format and a Mark are one octet, their place in [`Format::ALL`] and
/// [`Mark::ALL`], all ones for no Mark. A Generic Alert is its Format, Mark, Source, Correlator,
/// Type and Data.
///
/// ```
/// use omadm_core::{Format, GenericAlert, RecordReader, RecordWriter};
///
/// let alert = GenericAlert::new("org.example.lamp", Format::Int);
/// let mut record = RecordWriter::new(1);
/// record.number(2);
/// record.alert(&alert);
/// let record = record.finish();
///
/// let mut fields = RecordReader::new(1, &record).expect("of this version");
/// assert_eq!(fields.number(), Some(2));
/// assert_eq!(fields.alert(), Some(alert));
/// assert_eq!(fields.end(()), Some(()));
/// ```
#[derive(Clone, Default)]
pub struct RecordWriter(Vec<u8>);

impl fmt::Debug for RecordWriter {
    /// Shows the length; there may be a secret in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordWriter({} bytes)", self.0.len())
    }
}

impl RecordWriter {
    /// A record of this version. Without it, by [`Default`], only the fields.
    #[must_use]
    pub fn new(version: u8) -> Self {
        Self(vec![version])
    }

    /// One octet.
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// Octets the number of which is known.
    pub fn array<const N: usize>(&mut self, octets: [u8; N]) {
        self.0.extend(octets);
    }

    /// A number: of what follows, or a length.
    pub fn number(&mut self, number: usize) {
        let number = u32::try_from(number).unwrap_or(ABSENT);
        self.array(number.to_be_bytes());
    }

    /// Octets, or none.
    pub fn octets(&mut self, octets: Option<&[u8]>) {
        self.number(octets.map_or(ABSENT as usize, <[u8]>::len));
        self.0.extend(octets.unwrap_or_default());
    }

    /// A text, or none.
    pub fn text(&mut self, text: Option<&str>) {
        self.octets(text.map(str::as_bytes));
    }

    /// A format.
    pub fn format(&mut self, format: Format) {
        self.byte(place(&Format::ALL, format));
    }

    /// A Generic Alert.
    pub fn alert(&mut self, alert: &GenericAlert) {
        self.format(alert.format);
        self.byte(alert.mark.map_or(u8::MAX, |mark| place(&Mark::ALL, mark)));
        self.text(alert.source.as_deref());
        self.text(alert.correlator.as_ref().map(Correlator::as_str));
        self.text(Some(&alert.alert_type));
        self.text(Some(&alert.data));
    }

    /// The record.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads what a [`RecordWriter`] wrote. Each method is `None` where the octets do not fit: then the
/// record is damaged.
#[derive(Clone)]
pub struct RecordReader<'r>(&'r [u8]);

impl fmt::Debug for RecordReader<'_> {
    /// Shows how much is left; there may be a secret in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordReader({} bytes)", self.0.len())
    }
}

impl<'r> RecordReader<'r> {
    /// The fields of a record of this version.
    #[must_use]
    pub fn new(version: u8, record: &'r [u8]) -> Option<Self> {
        let mut reader = Self(record);
        (reader.byte()? == version).then_some(reader)
    }

    /// One octet.
    pub fn byte(&mut self) -> Option<u8> {
        let [byte] = self.array()?;
        Some(byte)
    }

    /// One octet that is 0 or 1.
    pub fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// Octets the number of which is known.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    /// A number.
    pub fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// A number, where none may be in its place.
    pub fn optional_number(&mut self) -> Option<Option<u32>> {
        let number = self.number()?;
        Some((number != ABSENT).then_some(number))
    }

    /// Octets, or that there are none.
    pub fn octets(&mut self) -> Option<Option<&'r [u8]>> {
        let Some(length) = self.optional_number()? else {
            return Some(None);
        };
        let (octets, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(Some(octets))
    }

    /// A text, or that there is none.
    pub fn text(&mut self) -> Option<Option<String>> {
        let text = self.octets()?.map(|octets| str::from_utf8(octets));
        let text = text.transpose().ok()?;
        Some(text.map(str::to_owned))
    }

    /// A format.
    pub fn format(&mut self) -> Option<Format> {
        Format::ALL.get(usize::from(self.byte()?)).copied()
    }

    /// A Generic Alert.
    pub fn alert(&mut self) -> Option<GenericAlert> {
        let format = self.format()?;
        let mark = match self.byte()? {
            u8::MAX => None,
            mark => Some(*Mark::ALL.get(usize::from(mark))?),
        };
        let (source, correlator) = (self.text()?, self.text()?);
        let mut alert = GenericAlert::new(self.text()??, format);
        alert.mark = mark;
        alert.source = source;
        alert.correlator = correlator.map(Correlator::new);
        alert.data = self.text()??;
        Some(alert)
    }

    /// `value`, if nothing is left.
    pub fn end<T>(self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

fn place<T: PartialEq>(all: &[T], wanted: T) -> u8 {
    let place = all.iter().position(|one| *one == wanted);
    place
        .and_then(|place| u8::try_from(place).ok())
        .unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> GenericAlert {
        let mut alert = GenericAlert::new("t", Format::Int);
        alert.source = Some("./A".into());
        alert.mark = Some(Mark::Fatal);
        alert.correlator = Some(Correlator::new("c-1"));
        alert.data = "ü".into();
        alert
    }

    type Fields = (bool, [u8; 2], Option<u32>, [GenericAlert; 2]);

    fn read(record: &[u8]) -> Option<Fields> {
        let mut fields = RecordReader::new(7, record)?;
        let read = (
            fields.flag()?,
            fields.array()?,
            fields.optional_number()?,
            [fields.alert()?, fields.alert()?],
        );
        fields.end(read)
    }

    /// What is on disks: where this changes, the version of each crate that uses it has to.
    #[test]
    fn fields_stay_as_they_are() {
        let empty = GenericAlert::new("", Format::Chr);
        let mut record = RecordWriter::new(7);
        record.byte(1);
        record.array([8, 9]);
        record.octets(None);
        record.alert(&full());
        record.alert(&empty);
        let record = record.finish();
        let expected = [
            &[7, 1, 8, 9, 255, 255, 255, 255][..],
            b"\x04\0\0\0\0\x03./A\0\0\0\x03c-1\0\0\0\x01t\0\0\0\x02\xc3\xbc",
            b"\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0",
        ];
        assert_eq!(record, expected.concat());
        assert_eq!(read(&record), Some((true, [8, 9], None, [full(), empty])));
        for end in 0..record.len() {
            assert_eq!(read(&record[..end]), None, "cut at {end}");
        }
        assert_eq!(read(&[&record[..], &[0]].concat()), None);
        // Version, flag, Format, Mark, a length, an octet of a text.
        for (at, octet) in [(0, 6), (1, 2), (8, 99), (9, 7), (10, 0x7F), (24, 0xFF)] {
            let mut bad = record.clone();
            bad[at] = octet;
            assert_eq!(read(&bad), None, "octet {at}");
        }
    }
}
