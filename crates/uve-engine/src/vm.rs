//! The VM: serves one user at a time.

mod managing;
mod transfer;

pub(crate) use managing::UAS;

use std::{
    collections::VecDeque,
    fmt, io,
    sync::{Arc, Mutex},
    time::Duration,
};

use omadm_core::{Batch, Journal, JournalError, Space};
use serde::{Deserialize, Serialize};

use uve::{
    Digest, EventId, ImageInfo, UaId, UaSessionId, UpdateId, UserId, Uve5, Uve5Error, Version,
    VmId,
    session::{Event, State},
};

use crate::{Blobs, Clock, Selection, record, vmm::lock};

pub(crate) const SPACE: Space = Space::new("uve-vm");
const SESSION: &str = "session";
const EVENT: &str = "uve-vm-events";
/// The user's copy.
const COPY: &str = "copy";
/// Copies that were refused for good.
const ASIDE: &str = "aside-";

/// Settings of a [`Vm`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct VmConfig {
    /// The pieces images are sent and asked for in, in bytes. Default: 256 KiB.
    pub piece: u32,
    /// The longest image taken, in bytes. Default: 16 GiB.
    pub max_image: u64,
    /// The longest package of a UA, in bytes. Default: 64 MiB.
    pub max_package: u64,
    /// How many UAs. Default: 64.
    pub max_uas: usize,
    /// How many users may be authorized to monitor a session at a time. Default: 16.
    pub max_monitors: usize,
    /// How many copies are set aside before no more users are served. Default: 16.
    pub max_aside: usize,
    /// How long to wait after a failure, as [`Progress::Waiting`] says. Default: 5 s.
    pub retry: Duration,
}

impl Default for VmConfig {
    fn default() -> Self {
        Self {
            piece: 256 << 10,
            max_image: 16 << 30,
            max_package: 64 << 20,
            max_uas: 64,
            max_monitors: 16,
            max_aside: 16,
            retry: Duration::from_secs(5),
        }
    }
}

/// How far [`Vm::drive`] came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    /// The VM serves nobody.
    Idle,
    /// The user works; drive again after this time, to renew the lease.
    Serving(Duration),
    /// The VMM could not do its part; drive again after this time.
    Waiting {
        /// How long to wait.
        pause: Duration,
        /// Why.
        error: Uve5Error,
    },
}

/// What a VM has to say.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum VmEvent {
    /// The session is in another state.
    State {
        /// The session.
        session: UaSessionId,
        /// Before.
        from: State,
        /// Now.
        to: State,
    },
    /// The VMM refused the user's image: the user is to be served elsewhere.
    Refused {
        /// The session.
        session: UaSessionId,
        /// Why.
        error: Uve5Error,
    },
    /// The VMM acknowledged the update.
    Saved {
        /// Whose image.
        user: UserId,
        /// The version in force now.
        version: Version,
    },
    /// The copy is gone from the VM's storage: there was nothing to update with, and the image in
    /// force stays.
    Lost {
        /// Whose work it was.
        user: UserId,
    },
    /// The VMM refused the update for good; the copy is kept under this name, out of the reach of
    /// the next user.
    SetAside {
        /// Whose image.
        user: UserId,
        /// The name, for [`Vm::discard_aside`].
        name: String,
        /// Why.
        error: Uve5Error,
    },
}

/// Why a [`Vm`] could not do as told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VmError {
    /// There is no such session on this VM.
    #[error("no such session on this VM")]
    UnknownSession,
    /// The UA is not deployed.
    #[error("the UA {0} is not deployed on this VM")]
    UnknownUa(UaId),
    /// The selection is for another VM.
    #[error("the selection is for the VM {0}")]
    OtherVm(VmId),
    /// That cannot happen in the session's state.
    #[error("{event:?} cannot happen in the state {state:?}")]
    WrongState {
        /// The state.
        state: State,
        /// What cannot happen.
        event: Event,
    },
    /// The VMM never said that this user may monitor the session, or not for so long.
    #[error("the user {0} is not authorized to monitor the session")]
    NotAuthorized(UserId),
    /// The image would become longer than allowed.
    #[error("an image has {limit} bytes at most")]
    TooLarge {
        /// The most, in bytes.
        limit: u64,
    },
    /// So many copies are set aside that no user is served any more.
    #[error("{0} copies are set aside; look at them first")]
    TooManyAside(usize),
    /// The journal failed.
    #[error("the VM's journal failed")]
    Journal(#[from] JournalError),
    /// The storage failed.
    #[error("the VM's storage failed")]
    Storage(#[from] io::Error),
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Record {
    selection: Selection,
    state: State,
    /// What was retrieved; none for a new user, or before.
    image: Option<ImageInfo>,
    monitors: Vec<Monitor>,
    watching: Vec<UserId>,
    /// The number of the report of the disconnect.
    event: Option<EventId>,
    /// The update under way.
    saving: Option<Saving>,
    /// The user left before the image was here.
    left: bool,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Monitor {
    user: UserId,
    until: Option<Duration>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Saving {
    update: UpdateId,
    base: Version,
    size: u64,
    digest: Digest,
}

/// A VM that serves one user at a time, over [`Uve5`], and is managed over
/// [`Uve2`](uve::Uve2), which it implements.
///
/// What it promised is in its journal before it is done. [`drive`](Vm::drive) does what is due: call
/// it after each change and whenever its [`Progress`] says.
pub struct Vm {
    id: VmId,
    vmm: Arc<dyn Uve5>,
    journal: Arc<dyn Journal>,
    blobs: Arc<dyn Blobs>,
    clock: Arc<dyn Clock>,
    config: VmConfig,
    record: Mutex<Option<Record>>,
    /// UAs change one at a time. Taken before `record`.
    managing: Mutex<()>,
    /// Held while the VMM is called, so that two threads do not send the same update.
    driving: Mutex<Lease>,
    events: Mutex<VecDeque<VmEvent>>,
}

/// The lease, as far as this process knows.
#[derive(Default)]
struct Lease {
    length: Duration,
    renewed: Duration,
}

impl fmt::Debug for Vm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vm")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// How many events wait to be taken.
const MAX_EVENTS: usize = 1024;

impl Vm {
    /// Opens what the journal holds. A session the user was working in when the VM stopped is one
    /// that was disconnected unexpectedly; a suspended one stays suspended.
    ///
    /// The blobs are the VM's alone.
    ///
    /// # Errors
    /// The journal or the storage failed, or is damaged.
    pub fn open(
        id: VmId,
        vmm: Arc<dyn Uve5>,
        journal: Arc<dyn Journal>,
        blobs: Arc<dyn Blobs>,
        clock: Arc<dyn Clock>,
        config: VmConfig,
    ) -> Result<Self, VmError> {
        let record = record::read(&*journal, SPACE, SESSION)?;
        let vm = Self {
            id,
            vmm,
            journal,
            blobs,
            clock,
            config,
            record: Mutex::new(record),
            managing: Mutex::default(),
            driving: Mutex::default(),
            events: Mutex::default(),
        };
        vm.sweep()?;
        let mut open = lock(&vm.record);
        match &*open {
            None => vm.blobs.remove(COPY)?,
            Some(record) if record.state.is_consumed() => {
                vm.disconnected(&mut open)?;
            }
            Some(_) => {}
        }
        drop(open);
        Ok(vm)
    }

    /// The VM's name.
    #[must_use]
    pub fn id(&self) -> &VmId {
        &self.id
    }

    /// The state of its session.
    #[must_use]
    pub fn state(&self) -> State {
        lock(&self.record)
            .as_ref()
            .map_or(State::Idle, |record| record.state)
    }

    /// Whom it serves.
    #[must_use]
    pub fn selection(&self) -> Option<Selection> {
        lock(&self.record)
            .as_ref()
            .map(|record| record.selection.clone())
    }

    /// What happened since it was asked last, the oldest first; at most 1024.
    #[must_use]
    pub fn take_events(&self) -> Vec<VmEvent> {
        lock(&self.events).drain(..).collect()
    }

    /// Takes up a user it was selected for. The user is served once the image is here.
    /// The same selection again is fine.
    ///
    /// # Errors
    /// [`VmError::WrongState`] if it serves a user already; [`VmError::UnknownUa`].
    pub fn serve(&self, selection: &Selection) -> Result<(), VmError> {
        if selection.vm != self.id {
            return Err(VmError::OtherVm(selection.vm.clone()));
        }
        // Until the session is written down, its UA could be deleted.
        let _turn = lock(&self.managing);
        if !self.is_deployed(&selection.ua)? {
            return Err(VmError::UnknownUa(selection.ua.clone()));
        }
        let aside = self.aside()?.len();
        if aside >= self.config.max_aside {
            return Err(VmError::TooManyAside(aside));
        }
        let mut open = lock(&self.record);
        if let Some(record) = &*open {
            return match record.selection == *selection {
                true => Ok(()),
                false => Err(VmError::WrongState {
                    state: record.state,
                    event: Event::Select,
                }),
            };
        }
        self.blobs.remove(COPY)?;
        let record = Record {
            selection: selection.clone(),
            state: State::Selected,
            image: None,
            monitors: Vec::new(),
            watching: Vec::new(),
            event: None,
            saving: None,
            left: false,
        };
        self.write(&record)?;
        self.tell_state(&record.selection.session, State::Idle, record.state);
        *open = Some(record);
        Ok(())
    }

    /// The user finished consuming the VM, or switches to another one: the image is updated.
    ///
    /// # Errors
    /// [`VmError::UnknownSession`], [`VmError::WrongState`].
    pub fn finish(&self, session: &UaSessionId) -> Result<(), VmError> {
        let mut open = lock(&self.record);
        let record = of(&open, session)?;
        match record.state {
            // Whoever asks the VMM for the image right now sees it.
            State::Selected | State::UifLoading => {
                let mut record = record.clone();
                record.left = true;
                self.write(&record)?;
                *open = Some(record);
                Ok(())
            }
            _ => {
                self.sync_copy()?;
                self.step(&mut open, Event::Finish, |_| {})
            }
        }
    }

    /// The connection to the user broke: the VMM is told, and the image updated.
    ///
    /// # Errors
    /// [`VmError::UnknownSession`], [`VmError::WrongState`].
    pub fn disconnect(&self, session: &UaSessionId) -> Result<(), VmError> {
        let mut open = lock(&self.record);
        of(&open, session)?;
        self.sync_copy()?;
        self.disconnected(&mut open)
    }

    fn disconnected(&self, open: &mut Option<Record>) -> Result<(), VmError> {
        let last: Option<u64> = record::read(&*self.journal, Space::IDS, EVENT)?;
        let event = last.unwrap_or(0) + 1;
        let mut batch = Batch::new();
        record::put(&mut batch, Space::IDS, EVENT, &event);
        self.step_with(open, Event::Disconnect, batch, |record| {
            record.event = Some(EventId(event));
        })
    }

    /// A second user begins to watch.
    ///
    /// # Errors
    /// [`VmError::NotAuthorized`] unless the VMM [said so](uve::Uve2::notify_monitoring).
    pub fn monitor(&self, session: &UaSessionId, user: &UserId) -> Result<(), VmError> {
        let now = self.clock.now();
        let mut open = lock(&self.record);
        let record = of(&open, session)?;
        let allowed = record
            .monitors
            .iter()
            .any(|monitor| monitor.user == *user && monitor.until.is_none_or(|until| until > now));
        if !allowed {
            return Err(VmError::NotAuthorized(user.clone()));
        }
        if record.watching.contains(user) {
            return Ok(());
        }
        let watch = |record: &mut Record| record.watching.push(user.clone());
        if record.state == State::Monitored {
            return self.change(&mut open, watch);
        }
        self.step(&mut open, Event::Monitor, watch)
    }

    /// A second user watches no more; one who does not watch is fine.
    ///
    /// # Errors
    /// [`VmError::UnknownSession`].
    pub fn unmonitor(&self, session: &UaSessionId, user: &UserId) -> Result<(), VmError> {
        let mut open = lock(&self.record);
        let record = of(&open, session)?;
        if !record.watching.contains(user) {
            return Ok(());
        }
        let is_last = record.watching.len() == 1 && record.state == State::Monitored;
        let leave = |record: &mut Record| record.watching.retain(|other| other != user);
        match is_last {
            true => self.step(&mut open, Event::Unmonitor, leave),
            false => self.change(&mut open, leave),
        }
    }

    /// The user takes a suspended session up again. The text has no way back from suspension: this
    /// one is an extension of ours, and no part of UVE-2.
    ///
    /// # Errors
    /// [`VmError::UnknownSession`], [`VmError::WrongState`].
    pub fn resume(&self, session: &UaSessionId) -> Result<(), VmError> {
        let mut open = lock(&self.record);
        let is_watched = !of(&open, session)?.watching.is_empty();
        self.step(&mut open, Event::Resume, |_| {})?;
        match is_watched {
            true => Ok(()),
            false => self.step(&mut open, Event::Unmonitor, |_| {}),
        }
    }

    /// The length of the user's image, in bytes.
    ///
    /// # Errors
    /// [`VmError::WrongState`] unless the user works.
    pub fn image_len(&self, session: &UaSessionId) -> Result<u64, VmError> {
        let open = lock(&self.record);
        consumed(&open, session)?;
        Ok(self.blobs.len(COPY)?.unwrap_or(0))
    }

    /// Reads from the user's image; fewer octets than asked for only at its end.
    ///
    /// # Errors
    /// [`VmError::WrongState`] unless the user works.
    pub fn read_image(
        &self,
        session: &UaSessionId,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, VmError> {
        let open = lock(&self.record);
        consumed(&open, session)?;
        Ok(self.blobs.read_at(COPY, offset, buffer)?)
    }

    /// Writes into the user's image.
    ///
    /// # Errors
    /// [`VmError::WrongState`] unless the user works; [`VmError::TooLarge`].
    pub fn write_image(
        &self,
        session: &UaSessionId,
        offset: u64,
        octets: &[u8],
    ) -> Result<(), VmError> {
        let open = lock(&self.record);
        consumed(&open, session)?;
        self.allow(offset.saturating_add(octets.len() as u64))?;
        Ok(self.blobs.write_at(COPY, offset, octets)?)
    }

    /// Cuts or lengthens the user's image.
    ///
    /// # Errors
    /// [`VmError::WrongState`] unless the user works; [`VmError::TooLarge`].
    pub fn set_image_len(&self, session: &UaSessionId, len: u64) -> Result<(), VmError> {
        let open = lock(&self.record);
        consumed(&open, session)?;
        self.allow(len)?;
        Ok(self.blobs.set_len(COPY, len)?)
    }

    fn allow(&self, len: u64) -> Result<(), VmError> {
        match len > self.config.max_image {
            true => Err(VmError::TooLarge {
                limit: self.config.max_image,
            }),
            false => Ok(()),
        }
    }

    /// The copies that were set aside.
    ///
    /// # Errors
    /// The storage failed.
    pub fn aside(&self) -> Result<Vec<String>, VmError> {
        let mut names = self.blobs.names()?;
        names.retain(|name| name.starts_with(ASIDE));
        Ok(names)
    }

    /// Reads from a copy that was set aside.
    ///
    /// # Errors
    /// There is no such copy, or the storage failed.
    pub fn read_aside(&self, name: &str, offset: u64, buffer: &mut [u8]) -> Result<usize, VmError> {
        match name.starts_with(ASIDE) {
            true => Ok(self.blobs.read_at(name, offset, buffer)?),
            false => Err(io::Error::from(io::ErrorKind::NotFound).into()),
        }
    }

    /// Removes a copy that was set aside; one that is not there is fine.
    ///
    /// # Errors
    /// The storage failed.
    pub fn discard_aside(&self, name: &str) -> Result<(), VmError> {
        match name.starts_with(ASIDE) {
            true => Ok(self.blobs.remove(name)?),
            false => Ok(()),
        }
    }

    /// A copy that is gone is the update's matter.
    fn sync_copy(&self) -> io::Result<()> {
        match self.blobs.len(COPY)? {
            Some(_) => self.blobs.sync(COPY),
            None => Ok(()),
        }
    }

    fn write(&self, record: &Record) -> Result<(), JournalError> {
        let mut batch = Batch::new();
        record::put(&mut batch, SPACE, SESSION, record);
        self.journal.commit(&batch)
    }

    /// Changes the session without an event.
    fn change(
        &self,
        open: &mut Option<Record>,
        change: impl FnOnce(&mut Record),
    ) -> Result<(), VmError> {
        let mut record = open.clone().ok_or(VmError::UnknownSession)?;
        change(&mut record);
        self.write(&record)?;
        *open = Some(record);
        Ok(())
    }

    fn step(
        &self,
        open: &mut Option<Record>,
        event: Event,
        change: impl FnOnce(&mut Record),
    ) -> Result<(), VmError> {
        self.step_with(open, event, Batch::new(), change)
    }

    /// Lets an event happen, durably; a session that ends is forgotten.
    fn step_with(
        &self,
        open: &mut Option<Record>,
        event: Event,
        mut batch: Batch,
        change: impl FnOnce(&mut Record),
    ) -> Result<(), VmError> {
        let mut record = open.clone().ok_or(VmError::UnknownSession)?;
        let from = record.state;
        let to = from
            .after(event)
            .ok_or(VmError::WrongState { state: from, event })?;
        record.state = to;
        change(&mut record);
        if to == State::Idle {
            batch.remove(SPACE, SESSION);
        } else {
            record::put(&mut batch, SPACE, SESSION, &record);
        }
        self.journal.commit(&batch)?;
        self.tell_state(&record.selection.session, from, to);
        *open = (to != State::Idle).then_some(record);
        Ok(())
    }

    fn tell_state(&self, session: &UaSessionId, from: State, to: State) {
        self.tell(VmEvent::State {
            session: session.clone(),
            from,
            to,
        });
    }

    fn tell(&self, event: VmEvent) {
        let mut events = lock(&self.events);
        if events.len() >= MAX_EVENTS {
            events.pop_front();
        }
        events.push_back(event);
    }
}

fn of<'r>(open: &'r Option<Record>, session: &UaSessionId) -> Result<&'r Record, VmError> {
    open.as_ref()
        .filter(|record| record.selection.session == *session)
        .ok_or(VmError::UnknownSession)
}

fn consumed(open: &Option<Record>, session: &UaSessionId) -> Result<(), VmError> {
    let record = of(open, session)?;
    match record.state.is_consumed() {
        true => Ok(()),
        false => Err(VmError::WrongState {
            state: record.state,
            event: Event::Load,
        }),
    }
}
