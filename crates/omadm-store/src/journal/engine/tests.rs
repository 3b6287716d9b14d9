use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use super::*;
use omadm_core::{JournalError, JournalErrorKind};

/// A disk: what has reached the platter, what is on its way, and when it fails.
#[derive(Default)]
struct Disk {
    synced: Vec<u8>,
    current: Vec<u8>,
    /// Writes since the last sync.
    unsynced: Vec<(usize, Vec<u8>)>,
    /// Changing calls until it fails; absent: it does not.
    good_for: Option<usize>,
    /// Changing calls that fail then; afterwards it works again.
    bad_for: usize,
}

#[derive(Clone, Default)]
struct SharedDisk(Arc<Mutex<Disk>>);

impl SharedDisk {
    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    /// A disk that holds what this one has after the power has gone: of the writes since the last
    /// sync some have been made, some not, and some are torn at a sector.
    fn after_power_cut(&self, mut fate: u64) -> Self {
        let disk = self.lock();
        let mut bytes = disk.synced.clone();
        for (offset, data) in &disk.unsynced {
            let part = match fate & 3 {
                0 => 0,
                1 => (data.len() / 2).next_multiple_of(512).min(data.len()),
                _ => data.len(),
            };
            fate = fate.rotate_right(2) ^ 0x9E37_79B9;
            let end = offset + part;
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*offset..end].copy_from_slice(&data[..part]);
        }
        if bytes.len() < disk.current.len() {
            bytes.resize(disk.current.len(), 0);
        }
        let survivor = Self::default();
        survivor.lock().synced.clone_from(&bytes);
        survivor.lock().current = bytes;
        survivor
    }
}

impl Disk {
    fn spend(&mut self) -> io::Result<()> {
        match &mut self.good_for {
            None => return Ok(()),
            Some(0) if self.bad_for == 0 => self.good_for = None,
            Some(0) => {
                self.bad_for -= 1;
                return Err(io::ErrorKind::StorageFull.into());
            }
            Some(left) => *left -= 1,
        }
        Ok(())
    }
}

impl fmt::Debug for SharedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedDisk")
    }
}

impl Medium for SharedDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.lock();
        let offset = offset as usize;
        let bytes = disk.current.get(offset..offset + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.lock();
        disk.spend()?;
        disk.current.resize(len as usize, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.lock();
        disk.spend()?;
        disk.synced = disk.current.clone();
        disk.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut disk = self.lock();
        disk.spend()?;
        let offset = offset as usize;
        disk.current[offset..offset + data.len()].copy_from_slice(data);
        disk.unsynced.push((offset, data.to_vec()));
        Ok(())
    }
}

/// A batch that touches three spaces, so that half of it shows.
fn batch(number: u64) -> Batch {
    let mut batch = Batch::new();
    let value = number.to_be_bytes();
    batch.put(Space::TREE, "same", value);
    batch.put(Space::ALERTS, value, vec![number as u8; 3000]);
    if number > 0 {
        batch.remove(Space::ALERTS, (number - 1).to_be_bytes());
    }
    batch.put(Space::INTENTS, "same", value);
    batch
}

/// The number of the last batch in force; panics if batches are mixed.
fn state(engine: &Engine) -> u64 {
    let same = |space| engine.read(space, b"same").unwrap().unwrap();
    let number = u64::from_be_bytes(same(Space::TREE).try_into().unwrap());
    assert_eq!(same(Space::INTENTS), number.to_be_bytes());
    assert_eq!(
        engine.records(Space::ALERTS).unwrap(),
        [(number.to_be_bytes().to_vec(), vec![number as u8; 3000])]
    );
    number
}

fn journal_with_one_batch(disk: &SharedDisk) -> Engine {
    let engine = Engine::create(Arc::new(disk.clone())).unwrap();
    engine.commit(&batch(0)).unwrap();
    engine
}

/// Every call the journal makes of its disk fails in turn, once or for some time: the failed batch
/// is not there, and the next one goes through.
#[test]
fn a_failed_commit_leaves_no_trace_and_the_journal_goes_on() {
    for bad_for in [1, 2, 5] {
        let mut failures = 0;
        for good_for in 0.. {
            let disk = SharedDisk::default();
            let engine = journal_with_one_batch(&disk);
            disk.lock().good_for = Some(good_for);
            disk.lock().bad_for = bad_for;
            let result = engine.commit(&batch(1));
            let failed = result.is_err();
            if let Err(failure) = result {
                failures += 1;
                let kind = JournalError::from(failure).kind();
                assert_eq!(kind, JournalErrorKind::Full);
            }
            disk.lock().good_for = None;
            let expected = if failed { 0 } else { 1 };
            assert_eq!(state(&engine), expected, "{good_for} good, {bad_for} bad");
            engine.commit(&batch(expected + 1)).unwrap();
            drop(engine);
            assert_eq!(state(&Engine::open(Arc::new(disk)).unwrap()), expected + 1);
            if !failed {
                break;
            }
        }
        assert!(failures > 3, "{failures} places to fail");
    }
}

/// A kill is a power cut that loses nothing; here the cache is lost too, in whole or in part, and
/// nothing that was reported as committed is missing.
#[test]
fn a_power_cut_at_any_call_loses_nothing_that_was_reported() {
    let mut cuts = 0;
    for good_for in 0.. {
        let disk = SharedDisk::default();
        let engine = journal_with_one_batch(&disk);
        disk.lock().good_for = Some(good_for);
        disk.lock().bad_for = usize::MAX;
        let reported = (1..4)
            .take_while(|n| engine.commit(&batch(*n)).is_ok())
            .last();
        let reported = reported.unwrap_or(0);
        for fate in [
            0,
            u64::MAX,
            0x5555_5555_5555_5555,
            0x1234_5678_9ABC_DEF0,
            !0 << 7,
        ] {
            let found = state(&Engine::open(Arc::new(disk.after_power_cut(fate))).unwrap());
            assert!(
                found == reported || found == reported + 1,
                "{found} found, {reported} reported, cut after {good_for} calls, fate {fate:#x}"
            );
            cuts += 1;
        }
        if reported == 3 {
            break;
        }
    }
    assert!(cuts > 50, "{cuts} cuts");
}

/// Whichever byte in use is spoilt: the journal says so, or has everything still.
#[test]
fn damage_is_found_when_the_journal_is_opened() {
    let disk = SharedDisk::default();
    drop(journal_with_one_batch(&disk));
    let bytes = disk.lock().current.clone();
    let mut found = 0;
    for place in (0..bytes.len())
        .filter(|place| bytes[*place] != 0)
        .step_by(37)
    {
        let spoilt = SharedDisk::default();
        spoilt.lock().current = bytes.clone();
        spoilt.lock().current[place] ^= 0x40;
        match Engine::open(Arc::new(spoilt)) {
            Ok(engine) => assert_eq!(state(&engine), 0, "byte {place}"),
            Err(_) => found += 1,
        }
    }
    assert!(found > 50, "{found} found");
}

#[test]
fn what_is_no_journal_or_a_newer_one_is_told_apart() {
    let empty = SharedDisk::default();
    assert!(matches!(
        Engine::open(Arc::new(empty)),
        Err(Failure::Damaged)
    ));

    let foreign = SharedDisk::default();
    let database = builder()
        .create_with_backend(Backend(Arc::new(foreign.clone())))
        .unwrap();
    drop(database);
    assert!(matches!(
        Engine::open(Arc::new(foreign)),
        Err(Failure::Damaged)
    ));

    let newer = SharedDisk::default();
    drop(Engine::create(Arc::new(newer.clone())).unwrap());
    let database = builder()
        .create_with_backend(Backend(Arc::new(newer.clone())))
        .unwrap();
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(ABOUT)
        .unwrap()
        .insert(ABOUT_FORMAT, [FORMAT + 1].as_slice())
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(matches!(
        Engine::open(Arc::new(newer)),
        Err(Failure::Newer(2))
    ));
}

#[test]
fn a_journal_opens_on_a_given_medium() {
    use crate::{OpenErrorKind, RedbJournal};
    use omadm_core::Journal;

    let disk = SharedDisk::default();
    let journal = RedbJournal::open_on(Arc::new(disk.clone())).unwrap();
    journal.commit(&batch(0)).unwrap();
    drop(journal);
    let journal = RedbJournal::open_on(Arc::new(disk)).unwrap();
    let found = journal.read(Space::TREE, b"same").unwrap();
    assert_eq!(found, Some(vec![0; 8]));

    let full = SharedDisk::default();
    full.lock().good_for = Some(0);
    full.lock().bad_for = usize::MAX;
    let error = RedbJournal::open_on(Arc::new(full)).unwrap_err();
    assert_eq!(error.kind(), OpenErrorKind::Full);
    assert_eq!(error.to_string(), "the journal has no space left");
}
