use crate::{DownloadUri, Validator};

/// What is durable about a download. The file may be longer than `safe`; what follows counts for
/// nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    pub(crate) uri: DownloadUri,
    pub(crate) media_type: String,
    pub(crate) validator: Option<Validator>,
    pub(crate) total: Option<u64>,
    pub(crate) safe: u64,
    /// All bytes are safe and checked; only the move to the final place may be missing.
    pub(crate) complete: bool,
}

const VERSION: u8 = 1;

const COMPLETE: u8 = 1;
const HAS_TOTAL: u8 = 2;
const HAS_VALIDATOR: u8 = 4;

impl Record {
    pub(crate) fn new(uri: DownloadUri, media_type: String) -> Self {
        Self {
            uri,
            media_type,
            validator: None,
            total: None,
            safe: 0,
            complete: false,
        }
    }

    /// Forgets what has been received.
    pub(crate) fn reset(&mut self) {
        self.validator = None;
        self.total = None;
        self.safe = 0;
        self.complete = false;
    }

    /// Version, flags, safe, total, then URI, media type and validator, each after its length.
    /// Numbers are big-endian, absent ones zero.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(self.complete, COMPLETE)
            | flag(self.total.is_some(), HAS_TOTAL)
            | flag(self.validator.is_some(), HAS_VALIDATOR);
        let mut bytes = vec![VERSION, flags];
        bytes.extend(self.safe.to_be_bytes());
        bytes.extend(self.total.unwrap_or(0).to_be_bytes());
        let validator = self.validator.as_ref().map_or("", Validator::as_str);
        for text in [self.uri.as_str(), &self.media_type, validator] {
            bytes.extend((text.len() as u64).to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes
    }

    /// `None` for bytes that no [`encode`](Self::encode) of this version has made.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let [version, flags] = take(&mut rest)?;
        if version != VERSION || flags & !(COMPLETE | HAS_TOTAL | HAS_VALIDATOR) != 0 {
            return None;
        }
        let safe = u64::from_be_bytes(take(&mut rest)?);
        let total = u64::from_be_bytes(take(&mut rest)?);
        let uri = text(&mut rest)?.parse().ok()?;
        let media_type = text(&mut rest)?.to_owned();
        let validator = Validator::new(text(&mut rest)?);
        rest.is_empty().then_some(Self {
            uri,
            media_type,
            validator: (flags & HAS_VALIDATOR != 0).then_some(validator),
            total: (flags & HAS_TOTAL != 0).then_some(total),
            safe,
            complete: flags & COMPLETE != 0,
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(u64::from_be_bytes(take(rest)?)).ok()?;
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    std::str::from_utf8(head).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Record {
        Record {
            uri: "http://h/x".parse().unwrap(),
            media_type: "a/b".to_owned(),
            validator: Some(Validator::new("\"1\"")),
            total: Some(258),
            safe: 7,
            complete: false,
        }
    }

    /// The layout is on devices: a change needs a new version.
    #[test]
    fn version_1_stays_as_it_is() {
        let mut expected = vec![1, 6];
        expected.extend([0, 0, 0, 0, 0, 0, 0, 7]);
        expected.extend([0, 0, 0, 0, 0, 0, 1, 2]);
        expected.extend([0, 0, 0, 0, 0, 0, 0, 10]);
        expected.extend(b"http://h/x");
        expected.extend([0, 0, 0, 0, 0, 0, 0, 3]);
        expected.extend(b"a/b");
        expected.extend([0, 0, 0, 0, 0, 0, 0, 3]);
        expected.extend(b"\"1\"");
        assert_eq!(sample().encode(), expected);
    }

    #[test]
    fn cut_or_longer_or_newer_bytes_are_no_record() {
        let bytes = sample().encode();
        for end in 0..bytes.len() {
            assert_eq!(Record::decode(&bytes[..end]), None, "{end}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(Record::decode(&longer), None);
        for (place, value) in [(0, 2), (1, 8), (18, 255)] {
            let mut other = bytes.clone();
            other[place] = value;
            assert_eq!(Record::decode(&other), None, "{place}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            path in "[a-z/]{0,20}",
            media_type in ".{0,30}",
            validator in proptest::option::of(".{0,20}"),
            total in proptest::option::of(any::<u64>()),
            safe: u64,
            complete: bool,
        ) {
            let record = Record {
                uri: format!("https://h/{path}").parse().unwrap(),
                media_type,
                validator: validator.map(Validator::new),
                total,
                safe,
                complete,
            };
            prop_assert_eq!(Record::decode(&record.encode()), Some(record));
        }

        #[test]
        fn any_bytes_decode_or_do_not(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(record) = Record::decode(&bytes) {
                prop_assert_eq!(Record::decode(&record.encode()), Some(record));
            }
        }
    }
}
