use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use omadm_core::{Batch, Journal, JournalError, Space};
use serde::{Deserialize, Serialize};

use uve::{
    BeginUpdate, Begun, CommitUpdate, DataCentre, Digest, EventId, ImageInfo, ReadUif, Retrieved,
    SessionDisconnect, UaId, UaSessionId, UpdateId, Upload, UserId, Uve5, Uve5Error, Version, VmId,
    WriteUpdate,
};

use crate::{Clock, data_centre::storage, record};

pub(crate) const USERS: Space = Space::new("uve-users");
const NEXT: &str = "uve-sessions";
/// How many sessions and updates of a user are remembered for late reports and repetitions.
const REMEMBERED: usize = 16;

/// Settings of a [`Vmm`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct VmmConfig {
    /// How long a VM holds a user's image for writing without a word, told to it in whole seconds.
    /// Default: 60 s.
    pub lease: Duration,
    /// The longest piece read at once, in bytes. Default: 1 MiB.
    pub max_piece: u32,
    /// How many events wait to be taken; the oldest go first. Default: 1024.
    pub max_events: usize,
}

impl Default for VmmConfig {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            max_piece: 1 << 20,
            max_events: 1024,
        }
    }
}

/// A VM chosen to serve a user, and the session there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Selection {
    /// The session, named here for the first time.
    pub session: UaSessionId,
    /// The user.
    pub user: UserId,
    /// What the user will work with.
    pub ua: UaId,
    /// The VM.
    pub vm: VmId,
}

/// What a VMM has to say.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum VmmEvent {
    /// A VM reported that a session ended unexpectedly; told once.
    Disconnected {
        /// The VM.
        vm: VmId,
        /// What it reported.
        disconnect: SessionDisconnect,
    },
    /// An image was updated.
    Updated {
        /// Whose.
        user: UserId,
        /// The version in force now.
        version: Version,
        /// The VM that made it.
        vm: VmId,
    },
    /// A VM fell silent for longer than its lease, and another one got the last acknowledged image.
    LeaseLost {
        /// Whose image.
        user: UserId,
        /// The silent VM.
        vm: VmId,
    },
}

/// Why a [`Vmm`] could not do as told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VmmError {
    /// The user was never added.
    #[error("there is no user {0}")]
    UnknownUser(UserId),
    /// The journal failed.
    #[error("the VMM's journal failed")]
    Journal(#[from] JournalError),
}

#[derive(Clone, Serialize, Deserialize)]
struct UserRecord {
    selected: Option<Selection>,
    /// The latest sessions, the current one too.
    sessions: VecDeque<Session>,
    lease: Option<Lease>,
    /// The latest update of each VM that was acknowledged.
    committed: VecDeque<Committed>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Session {
    selection: Selection,
    /// The report of its disconnect.
    reported: Option<EventId>,
}

/// Until when it holds is not written down: after a restart every lease has its whole time again.
#[derive(Clone, Serialize, Deserialize)]
struct Lease {
    vm: VmId,
    /// The session the VM was selected for when it was given the lease.
    session: UaSessionId,
}

#[derive(Clone, Serialize, Deserialize)]
struct Committed {
    vm: VmId,
    update: UpdateId,
    digest: Digest,
    version: Version,
}

impl UserRecord {
    fn new() -> Self {
        Self {
            selected: None,
            sessions: VecDeque::new(),
            lease: None,
            committed: VecDeque::new(),
        }
    }

    fn committed(&self, vm: &VmId, update: &UpdateId) -> Option<&Committed> {
        self.committed
            .iter()
            .find(|known| known.vm == *vm && known.update == *update)
    }

    fn remember(&mut self, image: &ImageInfo) {
        // A VM serves one session after the other: it asks for its latest update only.
        self.committed.retain(|known| known.vm != image.by);
        self.committed.push_back(Committed {
            vm: image.by.clone(),
            update: image.update.clone(),
            digest: image.digest,
            version: image.version,
        });
        if self.committed.len() > REMEMBERED {
            self.committed.pop_front();
        }
    }

    fn end_serving(&mut self) {
        let Some(lease) = self.lease.take() else {
            return;
        };
        // The user may have been given another VM meanwhile, or another session on this one.
        self.selected
            .take_if(|selected| selected.session == lease.session);
    }

    /// The lease of `vm`; a lease that ran out counts until another VM was given one.
    fn lease_of(&self, vm: &VmId) -> Result<&Lease, Uve5Error> {
        match &self.lease {
            Some(lease) if lease.vm == *vm => Ok(lease),
            _ => Err(Uve5Error::NotServing),
        }
    }
}

/// The VMM: chooses VMs for users, and lets one VM at a time change a user's image.
///
/// All it must not forget is in the journal; any number of threads may call it. What a
/// user's VM writes is in the [`DataCentre`].
pub struct Vmm {
    journal: Arc<dyn Journal>,
    centre: Arc<dyn DataCentre>,
    clock: Arc<dyn Clock>,
    config: VmmConfig,
    /// Users for whom a call is under way: calls for one user come one at a time.
    busy: Mutex<BTreeSet<UserId>>,
    /// A call ended.
    ended: Condvar,
    /// Counts sessions.
    next: Mutex<u64>,
    /// Until when the lease of each user holds.
    until: Mutex<BTreeMap<UserId, Duration>>,
    events: Mutex<VecDeque<VmmEvent>>,
}

impl std::fmt::Debug for Vmm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vmm").finish_non_exhaustive()
    }
}

impl Vmm {
    /// Opens what the journal holds. The leases that were held are good for their whole time again:
    /// a VM cannot renew while the VMM is away.
    ///
    /// # Errors
    /// The journal failed or is damaged.
    pub fn open(
        journal: Arc<dyn Journal>,
        centre: Arc<dyn DataCentre>,
        clock: Arc<dyn Clock>,
        config: VmmConfig,
    ) -> Result<Self, VmmError> {
        let next = record::read(&*journal, Space::IDS, NEXT)?.unwrap_or(1);
        let end = clock.now().saturating_add(config.lease);
        let mut until = BTreeMap::new();
        let mut names = Vec::new();
        journal.scan(USERS, &mut |key, _| {
            names.push(String::from_utf8_lossy(key).into_owned());
        })?;
        for name in names {
            let user: Option<UserRecord> = record::read(&*journal, USERS, &name)?;
            if let (Ok(user_id), Some(_)) = (name.parse(), user.and_then(|user| user.lease)) {
                until.insert(user_id, end);
            }
        }
        Ok(Self {
            journal,
            centre,
            clock,
            config,
            busy: Mutex::default(),
            ended: Condvar::new(),
            next: Mutex::new(next),
            until: Mutex::new(until),
            events: Mutex::new(VecDeque::new()),
        })
    }

    /// Makes a user known; one that is known already is fine.
    ///
    /// # Errors
    /// The journal failed.
    pub fn add_user(&self, user: &UserId) -> Result<(), VmmError> {
        let _turn = self.turn(user);
        if self.user(user)?.is_none() {
            self.write(user, &UserRecord::new(), Batch::new())?;
        }
        Ok(())
    }

    /// Chooses a VM for a user who logs in, or switches to another VM. The VM before is to update
    /// the image first: until then, or until its lease runs out, this one waits.
    ///
    /// How the chosen VM learns of it is not a matter of UVE-2 or UVE-5: hand the answer to it by
    /// any way, as part of the log-in for instance.
    ///
    /// # Errors
    /// [`VmmError`].
    pub fn select(&self, user: &UserId, ua: &UaId, vm: &VmId) -> Result<Selection, VmmError> {
        let _turn = self.turn(user);
        let mut known = self.known(user)?;
        let mut next = lock(&self.next);
        let session = format!("session-{}", *next);
        let Ok(session) = session.parse() else {
            return Err(VmmError::UnknownUser(user.clone()));
        };
        let selection = Selection {
            session,
            user: user.clone(),
            ua: ua.clone(),
            vm: vm.clone(),
        };
        known.selected = Some(selection.clone());
        known.sessions.push_back(Session {
            selection: selection.clone(),
            reported: None,
        });
        if known.sessions.len() > REMEMBERED {
            // The one that is being served may break yet.
            let served = known.lease.as_ref().map(|lease| &lease.session);
            let is_over = |other: &Session| Some(&other.selection.session) != served;
            if let Some(oldest) = known.sessions.iter().position(is_over) {
                known.sessions.remove(oldest);
            }
        }
        let mut batch = Batch::new();
        record::put(&mut batch, Space::IDS, NEXT, &(*next + 1));
        self.write(user, &known, batch)?;
        *next += 1;
        Ok(selection)
    }

    /// The VM that was chosen last to serve the user and has not finished.
    ///
    /// # Errors
    /// [`VmmError`].
    pub fn selected(&self, user: &UserId) -> Result<Option<Selection>, VmmError> {
        Ok(self.known(user)?.selected)
    }

    /// The VM that holds the user's image for writing.
    ///
    /// # Errors
    /// [`VmmError`].
    pub fn holder(&self, user: &UserId) -> Result<Option<VmId>, VmmError> {
        Ok(self.known(user)?.lease.map(|lease| lease.vm))
    }

    /// What happened since it was asked last, the oldest first.
    #[must_use]
    pub fn take_events(&self) -> Vec<VmmEvent> {
        lock(&self.events).drain(..).collect()
    }

    fn tell(&self, event: VmmEvent) {
        let mut events = lock(&self.events);
        if events.len() >= self.config.max_events {
            events.pop_front();
        }
        events.push_back(event);
    }

    /// Waits until no other call for the user is under way.
    fn turn(&self, user: &UserId) -> Turn<'_> {
        let mut busy = lock(&self.busy);
        while !busy.insert(user.clone()) {
            busy = self
                .ended
                .wait(busy)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Turn {
            vmm: self,
            user: user.clone(),
        }
    }

    fn user(&self, user: &UserId) -> Result<Option<UserRecord>, JournalError> {
        record::read(&*self.journal, USERS, user.as_str())
    }

    fn known(&self, user: &UserId) -> Result<UserRecord, VmmError> {
        self.user(user)?
            .ok_or_else(|| VmmError::UnknownUser(user.clone()))
    }

    /// As a VM sees it: a user who is not known is none that it serves.
    fn served(&self, user: &UserId) -> Result<UserRecord, Uve5Error> {
        self.user(user)
            .map_err(storage)?
            .ok_or(Uve5Error::NotServing)
    }

    fn write(
        &self,
        user: &UserId,
        known: &UserRecord,
        mut batch: Batch,
    ) -> Result<(), JournalError> {
        record::put(&mut batch, USERS, user.as_str(), known);
        self.journal.commit(&batch)
    }

    fn lease_end(&self) -> Duration {
        self.clock.now().saturating_add(self.config.lease)
    }

    /// How long the lease of a user still holds.
    fn rest(&self, user: &UserId) -> Duration {
        let latest = self.lease_end();
        match lock(&self.until).get_mut(user) {
            Some(until) => {
                // It is further away than any lease lasts if the clock was set back.
                *until = latest.min(*until);
                until.saturating_sub(self.clock.now())
            }
            None => Duration::ZERO,
        }
    }

    fn renew(&self, user: &UserId) {
        lock(&self.until).insert(user.clone(), self.lease_end());
    }
}

/// The right to work for a user, until it is dropped.
struct Turn<'v> {
    vmm: &'v Vmm,
    user: UserId,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.vmm.busy).remove(&self.user);
        self.vmm.ended.notify_all();
    }
}

impl Uve5 for Vmm {
    fn notify_session_disconnect(
        &self,
        vm: &VmId,
        disconnect: &SessionDisconnect,
    ) -> Result<(), Uve5Error> {
        let user = &disconnect.user;
        let _turn = self.turn(user);
        let mut known = match self.user(user).map_err(storage)? {
            Some(known) => known,
            None => return Err(Uve5Error::UnknownSession),
        };
        let session = known.sessions.iter_mut().find(|known| {
            known.selection.session == disconnect.session
                && known.selection.vm == *vm
                && known.selection.ua == disconnect.ua
        });
        let session = session.ok_or(Uve5Error::UnknownSession)?;
        if session.reported == Some(disconnect.event) {
            return Ok(());
        }
        session.reported = Some(disconnect.event);
        self.write(user, &known, Batch::new()).map_err(storage)?;
        self.tell(VmmEvent::Disconnected {
            vm: vm.clone(),
            disconnect: disconnect.clone(),
        });
        Ok(())
    }

    fn retrieve_uif(&self, vm: &VmId, user: &UserId) -> Result<Retrieved, Uve5Error> {
        let _turn = self.turn(user);
        let mut known = self.served(user)?;
        let session = match &known.selected {
            Some(selected) if selected.vm == *vm => selected.session.clone(),
            _ => return Err(Uve5Error::NotServing),
        };
        let image = self.centre.info(user)?;
        let lost = known.lease.take_if(|lease| lease.vm != *vm);
        if let Some(lease) = &lost {
            let rest = self.rest(user);
            if !rest.is_zero() {
                return Err(Uve5Error::Leased {
                    seconds: rest.as_secs().max(1),
                });
            }
            // Its update may be in force without the VM knowing: it will ask again.
            if let Some(image) = &image
                && image.by == lease.vm
            {
                known.remember(image);
            }
        }
        known.lease = Some(Lease {
            vm: vm.clone(),
            session,
        });
        self.write(user, &known, Batch::new()).map_err(storage)?;
        self.renew(user);
        if let Some(lease) = lost {
            self.tell(VmmEvent::LeaseLost {
                user: user.clone(),
                vm: lease.vm,
            });
        }
        Ok(Retrieved {
            image,
            lease_seconds: self.config.lease.as_secs(),
        })
    }

    fn read_uif(&self, vm: &VmId, piece: &ReadUif) -> Result<Vec<u8>, Uve5Error> {
        let _turn = self.turn(&piece.user);
        self.served(&piece.user)?.lease_of(vm)?;
        let length = piece.length.min(self.config.max_piece);
        let mut octets = vec![0; usize::try_from(length).unwrap_or(0)];
        let read = self
            .centre
            .read(&piece.user, piece.version, piece.offset, &mut octets)?;
        octets.truncate(read);
        self.renew(&piece.user);
        Ok(octets)
    }

    fn begin_update(&self, vm: &VmId, update: &BeginUpdate) -> Result<Begun, Uve5Error> {
        let _turn = self.turn(&update.user);
        let known = self.served(&update.user)?;
        if let Some(committed) = known.committed(vm, &update.update) {
            return match committed.digest == update.digest {
                true => Ok(Begun::Done(committed.version)),
                false => Err(Uve5Error::BadRequest {
                    reason: format!("the update {} was another one", update.update),
                }),
            };
        }
        known.lease_of(vm)?;
        self.renew(&update.user);
        let upload = Upload {
            update: update.update.clone(),
            by: vm.clone(),
            base: update.base,
            size: update.size,
            digest: update.digest,
        };
        // An update in force that was not noted is told as done by its commit, which notes it.
        match self.centre.begin(&update.user, &upload)? {
            Begun::Done(_) => Ok(Begun::Send(update.size)),
            begun @ Begun::Send(_) => Ok(begun),
        }
    }

    fn write_update(
        &self,
        vm: &VmId,
        piece: &WriteUpdate,
        octets: &[u8],
    ) -> Result<u64, Uve5Error> {
        let _turn = self.turn(&piece.user);
        self.served(&piece.user)?.lease_of(vm)?;
        self.renew(&piece.user);
        self.centre
            .append(&piece.user, &piece.update, piece.offset, octets)
    }

    fn commit_update(&self, vm: &VmId, commit: &CommitUpdate) -> Result<Version, Uve5Error> {
        let user = &commit.user;
        let _turn = self.turn(user);
        let mut known = self.served(user)?;
        if let Some(committed) = known.committed(vm, &commit.update) {
            // A repetition; all it did was written with the first.
            return Ok(committed.version);
        }
        known.lease_of(vm)?;
        let image = self.centre.commit(user, &commit.update)?;
        known.remember(&image);
        known.end_serving();
        self.write(user, &known, Batch::new()).map_err(storage)?;
        lock(&self.until).remove(user);
        self.tell(VmmEvent::Updated {
            user: user.clone(),
            version: image.version,
            vm: vm.clone(),
        });
        Ok(image.version)
    }

    fn renew_lease(&self, vm: &VmId, user: &UserId) -> Result<u64, Uve5Error> {
        let _turn = self.turn(user);
        self.served(user)?.lease_of(vm)?;
        self.renew(user);
        Ok(self.config.lease.as_secs())
    }

    fn release_lease(&self, vm: &VmId, user: &UserId) -> Result<(), Uve5Error> {
        let _turn = self.turn(user);
        let mut known = self.served(user)?;
        known.lease_of(vm)?;
        known.end_serving();
        self.write(user, &known, Batch::new()).map_err(storage)?;
        lock(&self.until).remove(user);
        Ok(())
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
