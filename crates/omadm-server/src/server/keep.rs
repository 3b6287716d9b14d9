use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use omadm_core::{Batch, JournalError, Space};
use omadm_session::NoncePair;

use super::Server;
use crate::{
    device::{Device, News},
    record,
};

/// Why the devices a server kept cannot be taken over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepError {
    /// The journal failed.
    #[error("the journal failed")]
    Journal(#[from] JournalError),
    /// A record is damaged, or a later version has written it.
    #[error("what is kept of device {device:?} cannot be read")]
    Unreadable {
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
    pub(super) fn forget(keeping: &mut Option<Self>, id: &Arc<str>, device: &Device) {
        let (record, reports) = &device.kept;
        if let Some(keeping) = keeping
            && record.is_some()
        {
            keeping.forgotten.insert(Arc::clone(id), *reports);
        }
    }
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
    /// Procedures, and sessions, are not kept. The steps that are not over are enqueued again, the
    /// first of them for the second time if it was [begun](crate::Place::begun). A session that was open
    /// is refused, and its device begins another one.
    ///
    /// # Errors
    ///
    /// [`KeepError`]
    pub fn keeping_devices(mut self) -> Result<Self, KeepError> {
        let journal = self.nonces.journal();
        let mut devices = BTreeMap::new();
        let mut unreadable = None;
        journal.scan(Space::DEVICES, &mut |key, value| {
            let name = str::from_utf8(key).ok();
            match name.and_then(|name| Some((name.to_owned(), record::device(value)?))) {
                Some((name, mut device)) => {
                    device.kept.0 = Some(record::digest(value));
                    devices.insert(name, device);
                }
                None => unreadable = Some(String::from_utf8_lossy(key).into_owned()),
            }
        })?;
        journal.scan(Space::REPORTS, &mut |key, value| {
            let mut take = || {
                let (name, place) = record::of_report_key(key)?;
                let device: &mut Device = devices.get_mut(name)?;
                let next = device.place.finished.len() == place;
                device
                    .place
                    .finished
                    .push(record::report(value).filter(|_| next)?);
                device.kept.1 += 1;
                Some(())
            };
            if take().is_none() {
                let name = record::of_report_key(key).map_or("", |(name, _)| name);
                unreadable = Some(name.to_owned());
            }
        })?;
        if let Some(device) = unreadable {
            return Err(KeepError::Unreadable { device });
        }
        for (name, device) in devices {
            let name = Arc::from(name);
            self.devices.insert(Arc::clone(&name), Box::new(device));
            self.file(&name);
        }
        self.keeping = Some(Keeping::default());
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
        let place = std::mem::take(&mut known.place);
        let device = Arc::from(device);
        self.note_changed(&device);
        let cleared = self.commit(batch, None);
        if cleared.is_err()
            && let Some(known) = self.devices.get_mut(&device)
        {
            (known.kept, known.place) = (kept, place);
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
        self.keep_with(device, &[], nonces)
    }

    /// The same, with the news of a session of it that is taken out.
    pub(super) fn keep_with(
        &mut self,
        device: &Arc<str>,
        news: &[News],
        nonces: Option<&NoncePair>,
    ) -> Result<(), JournalError> {
        let mut batch = Batch::new();
        if let Some(nonces) = nonces {
            nonces.put(device, &mut batch);
        }
        self.note_changed(device);
        self.commit(batch, Some((device, news)))
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
            false => self.commit(Batch::new(), None),
        }
    }

    /// Makes durable what is in the batch, and what changed; `taken_out` are news of sessions that
    /// are not among the others now.
    fn commit(
        &mut self,
        mut batch: Batch,
        taken_out: Option<(&Arc<str>, &[News])>,
    ) -> Result<(), JournalError> {
        let Some(keeping) = &mut self.keeping else {
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
            let sessions = self.sessions.of(id);
            let news = sessions.flat_map(|(_, session)| &session.unconfirmed);
            let taken_out = taken_out.filter(|(device, _)| *device == id);
            let news = news.chain(taken_out.into_iter().flat_map(|(_, news)| news));
            let record = record::of_device(device, device.unconfirmed.iter().chain(news));
            let finished = &device.place.finished;
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
        *keeping = Keeping::default();
        for (id, digest, reports) in written {
            if let Some(device) = self.devices.get_mut(&id) {
                device.kept = (digest, reports);
            }
        }
        Ok(())
    }
}
