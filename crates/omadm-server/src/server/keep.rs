use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use omadm_core::{Batch, JournalError, Space};
use omadm_session::{NoncePair, Report};

use super::Server;
use crate::{Event, EventKind, device::Device, record};

/// Why the devices a server kept cannot be taken over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepError {
    /// The journal failed.
    #[error("the journal failed")]
    Journal(#[from] JournalError),
    /// A later version has written a record, or its first octet, the version, is damaged.
    #[error("a later version has written what is kept of device {device:?}")]
    Newer {
        /// Whose.
        device: String,
    },
}

/// What the journal lacks.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// Devices that changed.
    changed: BTreeSet<Arc<str>>,
    /// Devices that were forgotten, and how many reports of each are there.
    forgotten: BTreeMap<Arc<str>, usize>,
}

impl Keeping {
    fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.forgotten.is_empty()
    }

    pub(super) fn forget(keeping: &mut Option<Self>, id: &Arc<str>, device: &Device) {
        let (record, reports) = &device.kept;
        if let Some(keeping) = keeping
            && record.is_some()
        {
            keeping.forgotten.insert(Arc::clone(id), *reports);
        }
    }
}

/// What is found in a journal.
#[derive(Default)]
struct Found {
    devices: BTreeMap<String, Device>,
    /// Whose record a later version has written.
    newer: Option<String>,
    /// Sets aside what is damaged.
    batch: Batch,
    damaged: Vec<Event>,
}

impl Found {
    fn device(&mut self, key: &[u8], record: &[u8]) {
        let name = str::from_utf8(key).ok();
        let found = record::device(record).filter(|_| name.is_some());
        if found.is_none() && !self.set_aside(Space::DEVICES, key, record, key) {
            return;
        }
        if let Some(name) = name {
            let device = match found {
                Some(mut device) => {
                    device.kept.0 = Some(record::digest(record));
                    device
                }
                None => unknown(name, &mut self.batch),
            };
            self.devices.insert(name.to_owned(), device);
        }
    }

    fn report(&mut self, key: &[u8], record: &[u8]) {
        let of = record::of_report_key(key);
        let next = |name| {
            let device: Option<&Device> = self.devices.get(name);
            device.map_or(0, |device| device.past.place.finished.len())
        };
        let in_order = of.is_some_and(|(name, place)| place == next(name));
        let found = record::report(record).filter(|_| in_order);
        let name = of.map_or("", |(name, _)| name);
        if found.is_none() && !self.set_aside(Space::REPORTS, key, record, name.as_bytes()) {
            return;
        }
        let Some((name, place)) = of else { return };
        let batch = &mut self.batch;
        let device = self.devices.entry(name.to_owned());
        let device = device.or_insert_with(|| unknown(name, batch));
        if !in_order {
            // One before it is missing, and the step of that was begun.
            device.past.place.begun = true;
            device.past.place.in_doubt = true;
            return;
        }
        let report = found.unwrap_or_else(|| {
            let lost = Report::failure(None, "what was kept of its end was damaged");
            record::put_report(name, place, &lost, batch);
            lost
        });
        device.past.place.finished.push(report);
        device.kept.1 += 1;
    }

    /// Sets a record aside that cannot be read, unless a later version has written it.
    fn set_aside(&mut self, space: Space, key: &[u8], record: &[u8], name: &[u8]) -> bool {
        let device = String::from_utf8_lossy(name).into_owned();
        if record::is_later(space, record) {
            self.newer = Some(device);
            return false;
        }
        self.batch.set_aside(space, key, record);
        self.damaged.push(Event {
            device: device.into(),
            session: Arc::default(),
            kind: EventKind::RecordDamaged { space },
        });
        true
    }
}

/// A device of which nothing is known but that there is one.
fn unknown(name: &str, batch: &mut Batch) -> Device {
    let mut device = Device::default();
    device.past.place.begun = true;
    device.past.place.in_doubt = true;
    let record = record::of_device(&device, std::iter::empty());
    device.kept.0 = Some(record::digest(&record));
    batch.put(Space::DEVICES, name, record);
    device
}

impl Server {
    /// Keeps its devices from now on, in the journal of the [nonces](Self::with_nonces), and goes on
    /// with those that are there.
    ///
    /// Kept are, for each device: how far it is with its [steps](Self::enqueue_step); which alerts
    /// were reported, so that none is again; which notifications it did not answer; its nonces.
    /// What an exchange changes is one batch, made durable before its answer is written: a server
    /// that is killed at any moment and starts again knows everything it ever confirmed to a device.
    /// While the journal fails no message is taken in.
    ///
    /// A record that is damaged is set aside, in [`Space::DAMAGED`], and told by
    /// [`EventKind::RecordDamaged`] with the first events there are. Its device goes on as one that
    /// may have begun its next step, which is [in doubt](crate::Place::in_doubt); a step whose report is damaged counts as over, and failed. All
    /// other devices go on as if nothing were. Damage to the first octet of a record, its version,
    /// cannot be told from what a later version has written where it makes that greater: then there
    /// is no server, but [`KeepError::Newer`].
    ///
    /// What was enqueued for a device, or sent to it, before this is called stays with it.
    ///
    /// The journal is to be brought to the version of the program before:
    /// [`upgrade`](omadm_core::upgrade()) with [`RECORDS`](crate::RECORDS).
    ///
    /// Procedures, and sessions, are not kept. The steps that are not over are enqueued again, the
    /// first of them for the second time if it was [begun](crate::Place::begun). A session that was open
    /// is refused, and its device begins another one.
    ///
    /// # Errors
    ///
    /// [`KeepError`]
    pub fn keeping_devices(mut self) -> Result<Self, KeepError> {
        let journal = Arc::clone(self.nonces.journal());
        let mut found = Found::default();
        journal.scan(Space::DEVICES, &mut |key, record| {
            found.device(key, record);
        })?;
        journal.scan(Space::REPORTS, &mut |key, record| {
            found.report(key, record);
        })?;
        let Found {
            devices,
            newer,
            batch,
            damaged,
        } = found;
        if let Some(device) = newer {
            return Err(KeepError::Newer { device });
        }
        if !batch.is_empty() {
            journal.commit(&batch)?;
        }
        self.untold.extend(damaged);
        let mut keeping = Keeping::default();
        for (name, mut device) in devices {
            let name = Arc::from(name);
            if let Some((_, before)) = self.devices.remove(&name) {
                device.join(*before);
                keeping.changed.insert(Arc::clone(&name));
            }
            self.devices.insert(Arc::clone(&name), Box::new(device));
            self.file(&name);
        }
        self.keeping = Some(keeping);
        Ok(self)
    }

    /// Forgets how far a device has come with its steps, as others are to follow: those that are
    /// enqueued from now on are counted from the first.
    ///
    /// # Errors
    ///
    /// A [`JournalError`]; nothing changed.
    pub fn clear_place(&mut self, device: &str) -> Result<(), JournalError> {
        let Some(known) = self.devices.get_mut(device) else {
            return Ok(());
        };
        let mut batch = Batch::new();
        record::remove(device, known.kept.1, &mut batch);
        let kept = std::mem::take(&mut known.kept);
        let place = std::mem::take(&mut known.past.place);
        let device = Arc::from(device);
        self.note_changed(&device);
        let cleared = self.commit(batch);
        if cleared.is_err()
            && let Some(known) = self.devices.get_mut(&device)
        {
            (known.kept, known.past.place) = (kept, place);
        }
        self.file(&device);
        cleared
    }

    /// Makes durable what an exchange with a device changed.
    pub(super) fn keep(
        &mut self,
        device: &Arc<str>,
        nonces: Option<&NoncePair>,
    ) -> Result<(), JournalError> {
        if nonces.is_none() && self.is_kept(device) {
            return Ok(());
        }
        let mut batch = Batch::new();
        if let Some(nonces) = nonces {
            nonces.put(device, &mut batch);
        }
        self.note_changed(device);
        self.commit(batch)
    }

    /// Whether all is durable as it is.
    fn is_kept(&self, id: &Arc<str>) -> bool {
        let Some(keeping) = &self.keeping else {
            return true;
        };
        let Some(device) = self.devices.get(id) else {
            return false;
        };
        keeping.is_empty()
            && device.kept.1 == device.past.place.finished.len()
            && device.kept.0 == Some(self.digest(id, device))
    }

    /// The digest of the [record](Self::record) of a device, of most of which there is nothing to
    /// remember.
    fn digest(&self, id: &Arc<str>, device: &Device) -> u64 {
        let mut sessions = self.sessions.of(id);
        let has_news = sessions.any(|(_, session)| !session.unconfirmed.is_empty());
        match device.past.is_nothing() && !has_news {
            true => *record::OF_NOTHING,
            false => record::digest(&self.record(id, device)),
        }
    }

    /// The record of a device, with the news of its sessions.
    fn record(&self, id: &Arc<str>, device: &Device) -> Vec<u8> {
        let sessions = self.sessions.of(id);
        let news = sessions.flat_map(|(_, session)| &session.unconfirmed);
        let earlier = device.past.unconfirmed.iter();
        record::of_device(device, earlier.chain(news))
    }

    /// Notes that an exchange with a device changed something that is not durable yet.
    pub(super) fn note_changed(&mut self, device: &Arc<str>) {
        if let Some(keeping) = &mut self.keeping {
            keeping.changed.insert(Arc::clone(device));
        }
    }

    /// Makes durable what could not be before.
    pub(super) fn catch_up(&mut self) -> Result<(), JournalError> {
        let changed = self.keeping.as_ref().map(|keeping| &keeping.changed);
        match changed.is_none_or(BTreeSet::is_empty) {
            true => Ok(()),
            false => self.commit(Batch::new()),
        }
    }

    /// Makes durable what is in the batch, and what changed.
    fn commit(&mut self, mut batch: Batch) -> Result<(), JournalError> {
        let Some(keeping) = &self.keeping else {
            return match batch.is_empty() {
                true => Ok(()),
                false => self.nonces.journal().commit(&batch),
            };
        };
        for (id, reports) in &keeping.forgotten {
            record::remove(id, *reports, &mut batch);
        }
        let mut written = Vec::new();
        for id in &keeping.changed {
            let Some(device) = self.devices.get(id) else {
                continue;
            };
            let record = self.record(id, device);
            let finished = &device.past.place.finished;
            for (place, report) in finished.iter().enumerate().skip(device.kept.1) {
                record::put_report(id, place, report, &mut batch);
            }
            let digest = Some(record::digest(&record));
            if digest != device.kept.0 {
                batch.put(Space::DEVICES, &**id, record);
            }
            written.push((Arc::clone(id), digest, finished.len()));
        }
        if !batch.is_empty() {
            self.nonces.journal().commit(&batch)?;
        }
        self.keeping = Some(Keeping::default());
        for (id, digest, reports) in written {
            if let Some(device) = self.devices.get_mut(&id) {
                device.kept = (digest, reports);
            }
        }
        Ok(())
    }
}
