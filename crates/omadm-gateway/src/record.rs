//! What a gateway keeps over restarts: a record for each Exec under way and for each end device that
//! owes the server an alert.

use std::{collections::BTreeMap, sync::Arc};

use omadm_core::{
    Batch, Correlator, Journal, JournalError, JournalErrorKind, Operation, Records, Space,
};
use omadm_tree::Uri;

/// The key is the address: of the operation of an Exec under way, or of an end device.
pub(crate) const SPACE: Space = Space::new("gateway");

/// The nonces of sessions with end devices, by their identifiers: apart from those of the server of
/// the device in front, which one behind it might be named after.
pub(crate) const NONCES: Space = Space::new("gateway-nonces");

/// What a gateway keeps in the journal of its device, for [`upgrade`](omadm_core::upgrade()).
pub const RECORDS: &[Records] = &[
    Records::new(SPACE, VERSION),
    omadm_session::RECORDS.kept_in(NONCES),
];

const VERSION: u8 = 1;

/// How many Correlators are remembered of one end device, the latest.
pub(crate) const MAX_AWAITED: usize = 64;

/// Octets of the longest Correlator that is remembered of an end device.
pub(crate) const MAX_CORRELATOR: usize = 255;

/// What the last run left.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Left {
    /// Execs that did not end, with their Correlators.
    pub(crate) open: Vec<(Uri, Option<Correlator>)>,
    /// The Correlators an end device is to repeat, by the name of its node.
    pub(crate) awaited: BTreeMap<String, Vec<Correlator>>,
}

impl Left {
    /// What a gateway at `root` left.
    pub(crate) fn load(root: &Uri, journal: &dyn Journal) -> Result<Self, JournalError> {
        let mut left = Self::default();
        let mut damaged = false;
        journal.scan(SPACE, &mut |key, record| {
            damaged |= left.take(root, key, record).is_none();
        })?;
        match damaged {
            true => Err(JournalError::new(JournalErrorKind::Corrupt, None)),
            false => Ok(left),
        }
    }

    fn take(&mut self, root: &Uri, key: &[u8], record: &[u8]) -> Option<()> {
        let uri: Uri = str::from_utf8(key).ok()?.parse().ok()?;
        let correlators = read(record)?;
        let Some(below) = uri.strip_prefix(root) else {
            return Some(());
        };
        match (below.depth(), uri.name()) {
            (1, Some(name)) => {
                self.awaited.insert(name.to_owned(), correlators);
            }
            (2, _) => self.open.push((uri, correlators.into_iter().next())),
            _ => return None,
        }
        Some(())
    }
}

/// Notes Correlators under an address.
pub(crate) fn put<'c>(
    batch: &mut Batch,
    uri: &Uri,
    correlators: impl IntoIterator<Item = &'c Correlator>,
) {
    let mut record = vec![VERSION];
    for correlator in correlators {
        let text = correlator.as_str();
        if let Ok(length) = u16::try_from(text.len()) {
            record.extend(length.to_be_bytes());
            record.extend(text.as_bytes());
        }
    }
    batch.put(SPACE, uri.to_string(), record);
}

fn read(record: &[u8]) -> Option<Vec<Correlator>> {
    let (&VERSION, mut rest) = record.split_first()? else {
        return None;
    };
    let mut correlators = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        let (text, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
        correlators.push(Correlator::new(str::from_utf8(text).ok()?));
        rest = after;
    }
    rest.is_empty().then_some(correlators)
}

/// A journal in which nonces are those of this gateway.
pub(crate) struct OwnNonces(pub(crate) Arc<dyn Journal>);

impl OwnNonces {
    fn own(space: Space) -> Space {
        match space {
            Space::NONCES => NONCES,
            other => other,
        }
    }
}

impl Journal for OwnNonces {
    fn commit(&self, batch: &Batch) -> Result<(), JournalError> {
        let mut own = Batch::new();
        for operation in batch.operations() {
            match operation {
                Operation::Put { space, key, value } => {
                    own.put(Self::own(*space), key.as_slice(), value.as_slice());
                }
                Operation::Remove { space, key } => own.remove(Self::own(*space), key.as_slice()),
            }
        }
        self.0.commit(&own)
    }

    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        self.0.read(Self::own(space), key)
    }

    fn scan(&self, space: Space, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), JournalError> {
        self.0.scan(Self::own(space), visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_damage_is_told() {
        let correlators = ["", "c-1", "\u{e4}"].map(Correlator::new);
        let mut batch = Batch::new();
        put(&mut batch, &"./Gateway/a".parse().unwrap(), &correlators);
        let [Operation::Put { value, .. }] = batch.operations() else {
            panic!("{batch:?}");
        };
        assert_eq!(read(value).unwrap(), correlators);
        // It is in journals: a record of another shape has another version.
        assert_eq!(value, b"\x01\0\0\0\x03c-1\0\x02\xC3\xA4");
        assert!(RECORDS.iter().all(|records| records.version() == 1));
        assert_eq!(read(&[VERSION]).unwrap(), []);
        let strange: [&[u8]; 5] = [
            &[],
            &[2],
            &[VERSION, 0],
            &[VERSION, 0, 2, b'a'],
            &[VERSION, 0, 1, 0xFF],
        ];
        for record in strange {
            assert_eq!(read(record), None, "{record:?}");
        }
        let mut left = Left::default();
        let root = "./Gateway".parse().unwrap();
        for (key, whole) in [
            ("./Gateway", false),
            ("./Gateway/a/b/c", false),
            ("./Other/a", true),
            ("x", true),
        ] {
            let taken = left.take(&root, key.as_bytes(), &[VERSION]);
            assert_eq!(taken.is_some(), whole, "{key}");
        }
        assert_eq!(left, Left::default());
    }
}
