//! UVE-5 as the VM asks for it: retrieval, report, update.

use std::time::Duration;

use super::{ASIDE, COPY, Lease, Progress, Record, Saving, Vm, VmError, VmEvent};
use uve::{
    BeginUpdate, Begun, CommitUpdate, ReadUif, SessionDisconnect, Uve5Error, Version, WriteUpdate,
    session::{Event, State},
};

use crate::{data_centre::digest, vmm::lock};

/// Answers that do not lead on are followed by a pause after this many.
const PATIENCE: u32 = 4;

/// Why a step could not be done.
enum Stop {
    /// By the VMM.
    Vmm(Uve5Error),
    /// Here.
    Local(VmError),
}

impl From<Uve5Error> for Stop {
    fn from(error: Uve5Error) -> Self {
        Self::Vmm(error)
    }
}

impl<E: Into<VmError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Local(error.into())
    }
}

impl Vm {
    /// Does what is due with the VMM: retrieves the image, renews the lease, reports a disconnect,
    /// updates the image. Blocks as long as the VMM takes.
    ///
    /// # Errors
    /// The journal or the storage of the VM failed; everything is as it was.
    pub fn drive(&self) -> Result<Progress, VmError> {
        let mut lease = lock(&self.driving);
        loop {
            let Some(record) = lock(&self.record).clone() else {
                return Ok(Progress::Idle);
            };
            let step = match record.state {
                State::Idle => return Ok(Progress::Idle),
                State::Selected => self.begin(&record),
                State::UifLoading => self.load(&record, &mut lease),
                State::Serving | State::Monitored | State::Suspended => {
                    match self.renew(&record, &mut lease) {
                        Ok(next) => return Ok(Progress::Serving(next)),
                        // The user goes on; what becomes of the work is settled by the update.
                        Err(error) => Err(Stop::Vmm(error)),
                    }
                }
                State::Disconnected => self.report(&record),
                State::UifSaving => self.save(&record),
            };
            match step {
                Ok(()) => {}
                Err(Stop::Vmm(error)) => {
                    let pause = match error {
                        Uve5Error::Leased { seconds } => {
                            Duration::from_secs(seconds).min(self.config.retry)
                        }
                        _ => self.config.retry,
                    };
                    return Ok(Progress::Waiting { pause, error });
                }
                Err(Stop::Local(error)) => return Err(error),
            }
        }
    }

    /// Lets an event happen unless the session went on meanwhile.
    fn after(
        &self,
        before: &Record,
        event: Event,
        change: impl FnOnce(&mut Record),
    ) -> Result<(), VmError> {
        let mut open = lock(&self.record);
        match &*open {
            Some(record)
                if record.selection == before.selection && record.state == before.state =>
            {
                self.step(&mut open, event, change)
            }
            _ => Ok(()),
        }
    }

    fn begin(&self, record: &Record) -> Result<(), Stop> {
        let event = match record.left {
            true => Event::Finish,
            false => Event::Load,
        };
        Ok(self.after(record, event, |_| {})?)
    }

    fn load(&self, record: &Record, lease: &mut Lease) -> Result<(), Stop> {
        let user = &record.selection.user;
        if record.left {
            // A VMM that does not hear of it waits for the lease to run out.
            self.vmm.release_lease(&self.id, user).ok();
            return self.leave(record, Event::Finish);
        }
        let retrieved = match self.vmm.retrieve_uif(&self.id, user) {
            Ok(retrieved) => retrieved,
            Err(error) if error.is_temporary() || error == Uve5Error::Unauthorized => {
                return Err(error.into());
            }
            Err(error) => return self.refuse(record, error),
        };
        lease.renew(retrieved.lease_seconds, self.clock.now());
        let Some(image) = retrieved.image else {
            self.blobs.set_len(COPY, 0)?;
            return Ok(self.loaded(record)?);
        };
        if image.size > self.config.max_image {
            self.vmm.release_lease(&self.id, user).ok();
            let limit = self.config.max_image;
            return self.refuse(record, Uve5Error::TooLarge { limit });
        }
        if record.image.as_ref() != Some(&image) {
            // Whatever is there belongs to another version.
            self.blobs.set_len(COPY, 0)?;
            let mut open = lock(&self.record);
            self.change(&mut open, |open| open.image = Some(image.clone()))?;
        }
        let mut offset = self.blobs.len(COPY)?.unwrap_or(0);
        if offset > image.size {
            offset = 0;
            self.blobs.set_len(COPY, 0)?;
        }
        while offset < image.size {
            if lock(&self.record).as_ref().is_some_and(|open| open.left) {
                return Ok(());
            }
            let octets = self.vmm.read_uif(
                &self.id,
                &ReadUif {
                    user: user.clone(),
                    version: image.version,
                    offset,
                    length: self.config.piece,
                },
            )?;
            let rest = image.size - offset;
            if octets.is_empty() || octets.len() as u64 > rest {
                return Err(failed("the image has another length than it said").into());
            }
            self.blobs.write_at(COPY, offset, &octets)?;
            offset += octets.len() as u64;
        }
        self.blobs.sync(COPY)?;
        if digest(&*self.blobs, COPY)? != image.digest {
            self.blobs.set_len(COPY, 0)?;
            return Err(Uve5Error::DigestMismatch.into());
        }
        Ok(self.loaded(record)?)
    }

    /// The user is served, unless they left while the last piece came.
    fn loaded(&self, record: &Record) -> Result<(), VmError> {
        let mut open = lock(&self.record);
        match &*open {
            Some(now) if now.selection == record.selection && !now.left => {
                self.step(&mut open, Event::Loaded, |_| {})
            }
            _ => Ok(()),
        }
    }

    fn refuse(&self, record: &Record, error: Uve5Error) -> Result<(), Stop> {
        self.tell(VmEvent::Refused {
            session: record.selection.session.clone(),
            error,
        });
        self.leave(record, Event::Refused)
    }

    /// Ends a session that changed nothing.
    fn leave(&self, record: &Record, event: Event) -> Result<(), Stop> {
        self.blobs.remove(COPY)?;
        Ok(self.after(record, event, |_| {})?)
    }

    /// Renews the lease when half of it is over; the answer is when to do so again.
    fn renew(&self, record: &Record, lease: &mut Lease) -> Result<Duration, Uve5Error> {
        let now = self.clock.now();
        let half = lease.length / 2;
        // None if the clock was set back: who knows how long ago that was.
        match now.checked_sub(lease.renewed) {
            Some(passed) if passed < half => Ok(half - passed),
            _ => {
                let seconds = self.vmm.renew_lease(&self.id, &record.selection.user)?;
                lease.renew(seconds, now);
                Ok(lease.length / 2)
            }
        }
    }

    fn report(&self, record: &Record) -> Result<(), Stop> {
        let Some(event) = record.event else {
            return Ok(self.after(record, Event::Acknowledged, |_| {})?);
        };
        let selection = &record.selection;
        let disconnect = SessionDisconnect {
            session: selection.session.clone(),
            user: selection.user.clone(),
            ua: selection.ua.clone(),
            event,
        };
        match self.vmm.notify_session_disconnect(&self.id, &disconnect) {
            // A VMM that does not know the session will not know it tomorrow.
            Ok(()) | Err(Uve5Error::UnknownSession) => {
                Ok(self.after(record, Event::Acknowledged, |_| {})?)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn save(&self, record: &Record) -> Result<(), Stop> {
        let saving = match &record.saving {
            Some(saving) => saving.clone(),
            // A new user may have none yet.
            None if record.image.is_some() && self.blobs.len(COPY)?.is_none() => {
                return self.without_copy(record);
            }
            None => self.announce(record)?,
        };
        match self.send(record, &saving) {
            Ok(version) => {
                self.blobs.remove(COPY)?;
                self.after(record, Event::Saved, |_| {})?;
                self.tell(VmEvent::Saved {
                    user: record.selection.user.clone(),
                    version,
                });
                Ok(())
            }
            Err(Stop::Vmm(
                error @ (Uve5Error::NotServing
                | Uve5Error::Conflict { .. }
                | Uve5Error::TooLarge { .. }),
            )) => self.set_aside(record, error),
            // The medium changed it: nobody will ever take it.
            Err(Stop::Vmm(error @ Uve5Error::DigestMismatch))
                if digest(&*self.blobs, COPY)? != saving.digest =>
            {
                self.set_aside(record, error)
            }
            Err(Stop::Local(_)) if self.blobs.len(COPY)?.is_none() => self.without_copy(record),
            Err(stop) => Err(stop),
        }
    }

    /// Writes down what is to be sent: from here on the copy does not change.
    fn announce(&self, record: &Record) -> Result<Saving, Stop> {
        if self.blobs.len(COPY)?.is_none() {
            self.blobs.set_len(COPY, 0)?;
        }
        self.blobs.sync(COPY)?;
        let base = match &record.image {
            Some(image) => image.version,
            None => Version::NONE,
        };
        let update = format!("{}.{}", record.selection.session, base.next());
        let update = update
            .parse()
            .map_err(|error: uve::InvalidId| failed(&error.to_string()))?;
        let saving = Saving {
            update,
            base,
            size: self.blobs.len(COPY)?.unwrap_or(0),
            digest: digest(&*self.blobs, COPY)?,
        };
        let mut open = lock(&self.record);
        self.change(&mut open, |open| open.saving = Some(saving.clone()))?;
        Ok(saving)
    }

    fn send(&self, record: &Record, saving: &Saving) -> Result<Version, Stop> {
        let mut patience = PATIENCE;
        loop {
            let error = match self.send_once(record, saving) {
                Err(Stop::Vmm(
                    error @ (Uve5Error::WrongOffset { .. }
                    | Uve5Error::Incomplete { .. }
                    | Uve5Error::UnknownUpdate
                    | Uve5Error::DigestMismatch),
                )) => error,
                done => return done,
            };
            // It is told where to go on when it asks again.
            patience -= 1;
            if patience == 0 {
                return Err(error.into());
            }
        }
    }

    fn send_once(&self, record: &Record, saving: &Saving) -> Result<Version, Stop> {
        let user = &record.selection.user;
        let begun = self.vmm.begin_update(
            &self.id,
            &BeginUpdate {
                user: user.clone(),
                update: saving.update.clone(),
                base: saving.base,
                size: saving.size,
                digest: saving.digest,
            },
        )?;
        let mut offset = match begun {
            Begun::Done(version) => return Ok(version),
            Begun::Send(offset) => offset,
        };
        let mut buffer = vec![0; usize::try_from(self.config.piece).unwrap_or(1).max(1)];
        while offset < saving.size {
            let read = self.blobs.read_at(COPY, offset, &mut buffer)?;
            let octets = buffer.get(..read).unwrap_or_default();
            if octets.is_empty() {
                return Err(failed("the copy is shorter than it was").into());
            }
            let piece = WriteUpdate {
                user: user.clone(),
                update: saving.update.clone(),
                offset,
            };
            let there = self.vmm.write_update(&self.id, &piece, octets)?;
            if there <= offset {
                return Err(failed("the VMM does not take what it is sent").into());
            }
            offset = there;
        }
        let commit = CommitUpdate {
            user: user.clone(),
            update: saving.update.clone(),
        };
        Ok(self.vmm.commit_update(&self.id, &commit)?)
    }

    fn set_aside(&self, record: &Record, error: Uve5Error) -> Result<(), Stop> {
        let first = aside_name(record);
        let mut name = first.clone();
        if self.blobs.len(COPY)?.is_some() {
            let mut number = 1;
            while self.blobs.len(&name)?.is_some() {
                number += 1;
                name = format!("{first}-{number}");
            }
            self.blobs.rename(COPY, &name)?;
        } else if self.blobs.len(&name)?.is_none() {
            return self.without_copy(record);
        }
        self.end_saving(record)?;
        self.tell(VmEvent::SetAside {
            user: record.selection.user.clone(),
            name,
            error,
        });
        Ok(())
    }

    /// The copy is gone: there is nothing to update with.
    fn without_copy(&self, record: &Record) -> Result<(), Stop> {
        self.end_saving(record)?;
        self.tell(VmEvent::Lost {
            user: record.selection.user.clone(),
        });
        Ok(())
    }

    /// Ends the session without an update.
    fn end_saving(&self, record: &Record) -> Result<(), Stop> {
        // A VMM that does not hear of it waits for the lease to run out.
        let user = &record.selection.user;
        self.vmm.release_lease(&self.id, user).ok();
        Ok(self.after(record, Event::Saved, |_| {})?)
    }
}

impl Lease {
    fn renew(&mut self, seconds: u64, now: Duration) {
        // A lease of no time is no reason to renew it all the time.
        self.length = Duration::from_secs(seconds.max(1));
        self.renewed = now;
    }
}

/// Sessions have names of the VMM's making: not to be trusted with a place in ours.
fn aside_name(record: &Record) -> String {
    format!("{ASIDE}{}", short(record.selection.session.as_str()))
}

/// The first 32 digits of a text's digest.
fn short(text: &str) -> String {
    let mut digits = uve::Digest::of(text.as_bytes()).to_string();
    digits.truncate(32);
    digits
}

fn failed(reason: &str) -> Uve5Error {
    Uve5Error::Failed {
        reason: reason.to_owned(),
    }
}
