use omadm_core::{Records, Space};

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
    /// What the descriptor at `uri` says, if there is one.
    pub(crate) object: Option<Object>,
    /// The SHA-256 digest the file must have, if there is one.
    pub(crate) digest: Option<[u8; 32]>,
}

/// What a descriptor says of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Object {
    pub(crate) uri: DownloadUri,
    pub(crate) size: u64,
    /// Where to report what came of it; absent once it was reported.
    pub(crate) notify: Option<DownloadUri>,
    pub(crate) followed: Followed,
}

/// That descriptors are followed: without the feature it has no value, and what needs one is no code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Followed {
    #[cfg(feature = "descriptors")]
    Yes,
}

impl Followed {
    pub(crate) const MAYBE: Option<Self> = {
        #[cfg(feature = "descriptors")]
        let followed = Some(Self::Yes);
        #[cfg(not(feature = "descriptors"))]
        let followed = None;
        followed
    };
}

/// What a download keeps in a journal, for [`upgrade`](omadm_core::upgrade()).
pub const RECORDS: Records = Records::new(Space::DOWNLOADS, VERSION).upgraded_by(upgrade);

/// Version 1 had neither object nor digest.
const VERSION: u8 = 2;

const COMPLETE: u8 = 1;
const HAS_TOTAL: u8 = 2;
const HAS_VALIDATOR: u8 = 4;
const VERSION_1: u8 = COMPLETE | HAS_TOTAL | HAS_VALIDATOR;
const HAS_OBJECT: u8 = 8;
const HAS_NOTIFY: u8 = 16;
const HAS_DIGEST: u8 = 32;

impl Record {
    pub(crate) fn new(uri: DownloadUri, media_type: String) -> Self {
        Self {
            uri,
            media_type,
            validator: None,
            total: None,
            safe: 0,
            complete: false,
            object: None,
            digest: None,
        }
    }

    /// Where the bytes are.
    pub(crate) fn source(&self) -> &DownloadUri {
        self.object.as_ref().map_or(&self.uri, |object| &object.uri)
    }

    /// Forgets what has been received.
    pub(crate) fn reset(&mut self) {
        self.validator = None;
        self.total = None;
        self.safe = 0;
        self.complete = false;
    }

    /// Version, flags, safe, total, then URI, media type and validator, each after its length; the
    /// size of the object and the digest, then the URIs of the object and of the report, after
    /// their lengths. Numbers are big-endian, what is absent is zero.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let object = self.object.as_ref();
        let notify = object.and_then(|object| object.notify.as_ref());
        let flags = flag(self.complete, COMPLETE)
            | flag(self.total.is_some(), HAS_TOTAL)
            | flag(self.validator.is_some(), HAS_VALIDATOR)
            | flag(object.is_some(), HAS_OBJECT)
            | flag(notify.is_some(), HAS_NOTIFY)
            | flag(self.digest.is_some(), HAS_DIGEST);
        let mut bytes = vec![VERSION, flags];
        bytes.extend(self.safe.to_be_bytes());
        bytes.extend(self.total.unwrap_or(0).to_be_bytes());
        let validator = self.validator.as_ref().map_or("", Validator::as_str);
        for text in [self.uri.as_str(), &self.media_type, validator] {
            put_text(&mut bytes, text);
        }
        bytes.extend(object.map_or(0, |object| object.size).to_be_bytes());
        bytes.extend(self.digest.unwrap_or_default());
        for uri in [object.map(|object| &object.uri), notify] {
            put_text(&mut bytes, uri.map_or("", DownloadUri::as_str));
        }
        bytes
    }

    /// `None` for bytes that no [`encode`](Self::encode) of this version has made.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let [version, flags] = take(&mut rest)?;
        let known = VERSION_1 | HAS_OBJECT | HAS_NOTIFY | HAS_DIGEST;
        if version != VERSION || flags & !known != 0 {
            return None;
        }
        let safe = u64::from_be_bytes(take(&mut rest)?);
        let total = u64::from_be_bytes(take(&mut rest)?);
        let uri = text(&mut rest)?.parse().ok()?;
        let media_type = text(&mut rest)?.to_owned();
        let validator = Validator::new(text(&mut rest)?);
        let size = u64::from_be_bytes(take(&mut rest)?);
        let digest = take(&mut rest)?;
        let (of_object, notify) = (text(&mut rest)?, text(&mut rest)?);
        let object = match flags & HAS_OBJECT {
            0 => None,
            _ => Some(Object {
                uri: of_object.parse().ok()?,
                size,
                notify: match flags & HAS_NOTIFY {
                    0 => None,
                    _ => Some(notify.parse().ok()?),
                },
                followed: Followed::MAYBE?,
            }),
        };
        rest.is_empty().then_some(Self {
            uri,
            media_type,
            validator: (flags & HAS_VALIDATOR != 0).then_some(validator),
            total: (flags & HAS_TOTAL != 0).then_some(total),
            safe,
            complete: flags & COMPLETE != 0,
            object,
            digest: (flags & HAS_DIGEST != 0).then_some(digest),
        })
    }
}

/// A record of version 1 with nothing for what it did not have.
fn upgrade(record: &[u8]) -> Option<Vec<u8>> {
    let size = [0; 8];
    let digest = [0; 32];
    let lengths = [0; 2 * 8];
    let upgraded = match record {
        [1, flags, rest @ ..] if flags & !VERSION_1 == 0 => {
            [&[VERSION, *flags], rest, &size, &digest, &lengths].concat()
        }
        _ => return None,
    };
    Record::decode(&upgraded)?;
    Some(upgraded)
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_be_bytes());
    bytes.extend(text.as_bytes());
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
            object: None,
            digest: None,
        }
    }

    fn version_1() -> Vec<u8> {
        let mut record = vec![1, 6];
        record.extend([0, 0, 0, 0, 0, 0, 0, 7]);
        record.extend([0, 0, 0, 0, 0, 0, 1, 2]);
        record.extend([0, 0, 0, 0, 0, 0, 0, 10]);
        record.extend(b"http://h/x");
        record.extend([0, 0, 0, 0, 0, 0, 0, 3]);
        record.extend(b"a/b");
        record.extend([0, 0, 0, 0, 0, 0, 0, 3]);
        record.extend(b"\"1\"");
        record
    }

    #[test]
    fn version_1_becomes_version_2() {
        let record = version_1();
        assert_eq!(upgrade(&record), Some(sample().encode()));
        assert_eq!(Record::decode(&record), None);
        for end in 0..record.len() {
            assert_eq!(upgrade(&record[..end]), None, "{end}");
        }
        for flags in 0..=u8::MAX {
            let mut other = record.clone();
            other[1] = flags;
            assert_eq!(upgrade(&other).is_some(), flags < 8, "{flags}");
        }
    }

    /// The layout is on devices: a change needs a new version.
    #[cfg(feature = "descriptors")]
    #[test]
    fn version_2_stays_as_it_is() {
        let mut record = sample();
        record.object = Some(Object {
            uri: "http://h/o".parse().unwrap(),
            size: 258,
            notify: None,
            followed: Followed::Yes,
        });
        let mut expected = version_1();
        expected[..2].copy_from_slice(&[2, 14]);
        expected.extend([0, 0, 0, 0, 0, 0, 1, 2]);
        expected.extend([0; 32]);
        expected.extend([0, 0, 0, 0, 0, 0, 0, 10]);
        expected.extend(b"http://h/o");
        expected.extend([0; 8]);
        assert_eq!(record.encode(), expected);
        for end in 0..expected.len() {
            assert_eq!(Record::decode(&expected[..end]), None, "{end}");
        }
    }

    #[test]
    fn cut_or_longer_or_newer_bytes_are_no_record() {
        let bytes = sample().encode();
        for end in 0..bytes.len() {
            assert_eq!(Record::decode(&bytes[..end]), None, "{end}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(Record::decode(&longer), None);
        for (place, value) in [(0, 1), (0, 3), (1, 64), (18, 255)] {
            let mut other = bytes.clone();
            other[place] = value;
            assert_eq!(Record::decode(&other), None, "{place}");
        }
    }

    #[cfg(feature = "descriptors")]
    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            path in "[a-z/]{0,20}",
            media_type in ".{0,30}",
            validator in proptest::option::of(".{0,20}"),
            total in proptest::option::of(any::<u64>()),
            safe: u64,
            complete: bool,
            object in proptest::option::of(("[a-z/]{0,20}", any::<u64>(), any::<Option<bool>>())),
            digest: Option<[u8; 32]>,
        ) {
            let object = object.map(|(path, size, notify)| Object {
                uri: format!("https://o/{path}").parse().unwrap(),
                size,
                notify: notify.map(|_| "http://n/".parse().unwrap()),
                followed: Followed::Yes,
            });
            let record = Record {
                uri: format!("https://h/{path}").parse().unwrap(),
                media_type,
                validator: validator.map(Validator::new),
                total,
                safe,
                complete,
                object,
                digest,
            };
            prop_assert_eq!(Record::decode(&record.encode()), Some(record));
        }

    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_do_not(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(record) = Record::decode(&bytes) {
                prop_assert_eq!(Record::decode(&record.encode()), Some(record));
            }
        }
    }
}
