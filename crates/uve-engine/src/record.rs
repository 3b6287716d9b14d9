//! Records of this crate in the journal: one octet of version, then JSON.

use omadm_core::{Batch, Journal, JournalError, JournalErrorKind, Records, Space};
use serde::{Serialize, de::DeserializeOwned};

pub(crate) const fn kept(space: Space) -> Records {
    Records::new(space, VERSION)
}

const VERSION: u8 = 1;

pub(crate) fn read<T: DeserializeOwned>(
    journal: &dyn Journal,
    space: Space,
    key: &str,
) -> Result<Option<T>, JournalError> {
    match journal.read(space, key.as_bytes())? {
        None => Ok(None),
        Some(octets) => decode(&octets).map(Some),
    }
}

pub(crate) fn all<T: DeserializeOwned>(
    journal: &dyn Journal,
    space: Space,
) -> Result<Vec<T>, JournalError> {
    let mut records = Vec::new();
    journal.scan(space, &mut |_, octets| records.push(decode(octets)))?;
    records.into_iter().collect()
}

pub(crate) fn put(batch: &mut Batch, space: Space, key: &str, record: &impl Serialize) {
    let mut octets = vec![VERSION];
    // Writing to memory cannot fail, and every record of this crate has text for keys.
    if serde_json::to_writer(&mut octets, record).is_ok() {
        batch.put(space, key, octets);
    }
}

fn decode<T: DeserializeOwned>(octets: &[u8]) -> Result<T, JournalError> {
    match octets.split_first() {
        Some((&VERSION, json)) => serde_json::from_slice(json)
            .map_err(|error| JournalError::new(JournalErrorKind::Corrupt, Some(error.into()))),
        _ => Err(JournalError::new(JournalErrorKind::Corrupt, None)),
    }
}

#[cfg(test)]
mod tests {
    use omadm_core::MemoryJournal;

    use super::*;

    const SPACE: Space = Space::new("test");

    #[test]
    fn records_come_back_and_damaged_ones_are_refused() {
        let journal = MemoryJournal::new();
        let mut batch = Batch::new();
        put(&mut batch, SPACE, "a", &7u32);
        journal.commit(&batch).unwrap();
        assert_eq!(read(&journal, SPACE, "a").unwrap(), Some(7u32));
        assert_eq!(read::<u32>(&journal, SPACE, "b").unwrap(), None);
        for damaged in [&b""[..], b"\x02{}", b"\x01", b"\x01x"] {
            let mut batch = Batch::new();
            batch.put(SPACE, "a", damaged);
            journal.commit(&batch).unwrap();
            let error = read::<u32>(&journal, SPACE, "a").unwrap_err();
            assert_eq!(error.kind(), JournalErrorKind::Corrupt);
            assert!(all::<u32>(&journal, SPACE).is_err());
        }
    }
}
