use std::{fmt, sync::Arc, time::Duration};

use omadm_core::{JournalError, MemoryJournal, Now, StatusCode};
use omadm_session::{
    ASSUMED_MESSAGE_SIZE, Correlators, Evidence, Incoming, NoRandom, Nonce, Nonces, Procedure,
    TransportIdentity, Verdict, header_status,
};
use omadm_syncml::{CmdRef, Command, Encoding, Header, Location, Message, Version, decode};

use crate::{
    Accounts, Config, DevInfo, EnqueueError, Event, EventKind, Place, ProcedureId, ReceiveError,
    RespondError, Session, SessionEnd, Trigger, Violation,
    answer::{Composer, Refusal, refusal},
    device::Device,
    log::Log,
    session::{Key, Phase, Turn},
    turn::{Opening, Walk},
};

mod devices;
mod keep;
mod notify;
mod sessions;

use devices::Devices;
pub(crate) use devices::Filed;
pub use keep::KeepError;
use keep::Keeping;
pub use notify::NotifyError;
use sessions::Sessions;

/// The DM server engine: sessions with any number of devices, a queue of procedures for each.
///
/// For every message a transport delivers:
///
/// 1. [`Server::receive`] decodes and processes it. Its events tell, among others, that a session
///    began; what is [enqueued](Server::enqueue) now goes into the answer.
/// 2. [`Server::respond`] asks the procedures for commands and writes the answer.
///
/// Messages of other devices may be handled in between. [`Server::expire`] is called now and then,
/// at the latest at [`Server::next_expiry`].
///
/// Commands are sent only when the device has answered all earlier ones; several procedures of a
/// device run one after the other. A device has one session at a time: a new one supersedes the
/// old one.
#[derive(Debug)]
pub struct Server {
    config: Config,
    accounts: Box<dyn Accounts>,
    sessions: Sessions,
    devices: Devices,
    correlators: Correlators,
    nonces: Nonces,
    /// What the last device to begin a session calls this server; sessions share it.
    called: Arc<Location<'static>>,
    procedures: u64,
    /// Absent: devices are in memory only.
    keeping: Option<Keeping>,
    /// Events nobody was told yet: records that were damaged when the devices were taken over, what
    /// happened in answers that could not be given, procedures whose time was over while the journal
    /// failed. `receive` tells all of them with the next message it takes in, `expire` as soon as
    /// they are durable; so there are never more than come of the messages that wait for an answer
    /// and of the procedures under way.
    untold: Vec<Event>,
}

/// A message from a transport: [`Server::receive`].
///
/// `Debug` shows the size of the body alone: it may hold credentials.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The body.
    pub body: &'a [u8],
    /// The encoding its content type names; the answer has the same.
    pub encoding: Encoding,
    /// When it came.
    pub now: Now,
    /// The transport header `x-syncml-hmac`, if there is one. [DM-Security]
    pub hmac: Option<&'a str>,
    /// Whom the transport has authenticated as the sender, if it has. [DM-Security]
    pub identity: Option<&'a TransportIdentity>,
    /// The only names the sender may have, if not all.
    pub names: Option<&'a [String]>,
}

impl<'a> Request<'a> {
    /// A body in an encoding, at a time.
    #[must_use]
    pub const fn new(body: &'a [u8], encoding: Encoding, now: Now) -> Self {
        Self {
            body,
            encoding,
            now,
            hmac: None,
            identity: None,
            names: None,
        }
    }

    /// With the transport header `x-syncml-hmac`, if there is one.
    #[must_use]
    pub const fn with_hmac(mut self, hmac: Option<&'a str>) -> Self {
        self.hmac = hmac;
        self
    }

    /// With the identity of the sender, if the transport has authenticated it.
    #[must_use]
    pub const fn with_identity(mut self, identity: Option<&'a TransportIdentity>) -> Self {
        self.identity = identity;
        self
    }

    /// From somebody whom the transport knows by these names and no other: the Source of the message
    /// has to be one of them, in the same letters. Without it every Source is taken.
    #[must_use]
    pub const fn with_names(mut self, names: Option<&'a [String]>) -> Self {
        self.names = names;
        self
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} bytes of {})", self.body.len(), self.encoding)
    }
}

/// A message that was received and waits for its answer: [`Server::respond`].
#[derive(Debug)]
#[must_use = "the device waits for its answer"]
pub struct Receipt {
    events: Vec<Event>,
    key: Key,
    answer: Option<Response>,
}

impl Receipt {
    /// What happened, after what happened in earlier answers that could not be given, of whatever
    /// device; a second time there is nothing.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}

/// The answer to a message.
///
/// `Debug` shows the size of the body alone: it may hold credentials.
#[non_exhaustive]
pub struct Response {
    /// The body.
    pub body: Vec<u8>,
    /// Its encoding, that of the request.
    pub encoding: Encoding,
    /// The value of the transport header `x-syncml-hmac`, if it is to have one. [DM-Security]
    pub hmac: Option<String>,
    /// What happened while it was written.
    pub events: Vec<Event>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Response({} bytes of {})",
            self.body.len(),
            self.encoding
        )
    }
}

impl Server {
    /// An engine without sessions. Accounts with digests, md5 and MAC, need
    /// [nonces](Self::with_nonces); without, their devices get 500.
    pub fn new(config: Config, accounts: impl Accounts + 'static) -> Self {
        Self {
            correlators: Correlators::new(config.correlator_prefix.clone()),
            config,
            accounts: Box::new(accounts),
            sessions: Sessions::default(),
            devices: Devices::default(),
            nonces: Nonces::new(Arc::new(MemoryJournal::new()), NoRandom),
            called: Arc::new(Location::new("")),
            procedures: 0,
            keeping: None,
            untold: Vec::new(),
        }
    }

    /// Keeps the nonces of its devices here, under their identifiers.
    #[must_use]
    pub fn with_nonces(mut self, nonces: Nonces) -> Self {
        self.nonces = nonces;
        self
    }

    /// The nonce a notification to the device is signed with; none if the device never sent one.
    /// [DM-Notification]
    ///
    /// # Errors
    ///
    /// A [`JournalError`]
    pub fn notification_nonce(&self, device: &str) -> Result<Option<Nonce>, JournalError> {
        Ok(self.nonces.load(device)?.notification)
    }

    /// Puts a procedure at the end of a device's queue.
    ///
    /// The device is named by the LocURI of its Source; it need not have had a session.
    ///
    /// # Errors
    ///
    /// [`EnqueueError`]
    pub fn enqueue(
        &mut self,
        device: &str,
        procedure: Box<dyn Procedure>,
    ) -> Result<ProcedureId, EnqueueError> {
        self.push(device, procedure, false)
    }

    /// Puts a step at the end of a device's queue: a procedure whose place in the order of steps is
    /// kept, so that a server that [keeps its devices](Self::keeping_devices) and restarts goes on
    /// with the [next one](Place).
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use omadm_core::{Journal, MemoryJournal};
    /// use omadm_server::{Config, Everyone, Server, SingleCommand};
    /// use omadm_session::{NoRandom, Nonces};
    ///
    /// /// An engine as at each start: `journal` is that of `omadm-store` where it is to last.
    /// fn start(journal: Arc<dyn Journal>) -> Result<Server, Box<dyn std::error::Error>> {
    ///     let nonces = Nonces::new(journal, NoRandom);
    ///     let mut server = Server::new(Config::new("r1"), Everyone)
    ///         .with_nonces(nonces)
    ///         .keeping_devices()?;
    ///     let over = server.place("urn:x:dev1").map_or(0, |place| place.finished.len());
    ///     for uri in ["./DevDetail/SwV", "./DevDetail/FwV"].into_iter().skip(over) {
    ///         server.enqueue_step("urn:x:dev1", Box::new(SingleCommand::get(uri)))?;
    ///     }
    ///     Ok(server)
    /// }
    ///
    /// let server = start(Arc::new(MemoryJournal::new()))?;
    /// assert_eq!(server.waiting("urn:x:dev1"), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`EnqueueError`]
    pub fn enqueue_step(
        &mut self,
        device: &str,
        procedure: Box<dyn Procedure>,
    ) -> Result<ProcedureId, EnqueueError> {
        self.push(device, procedure, true)
    }

    fn push(
        &mut self,
        device: &str,
        procedure: Box<dyn Procedure>,
        is_step: bool,
    ) -> Result<ProcedureId, EnqueueError> {
        if !self.make_room_for_device(device) {
            return Err(EnqueueError::TooManyDevices);
        }
        let name = Arc::from(device);
        let device = self.devices.get_or_insert(&name);
        let room = device.waiting() < self.config.max_procedures;
        if room {
            self.procedures += 1;
            device.enqueue(ProcedureId(self.procedures), procedure, is_step);
        }
        self.file(&name);
        match room {
            true => Ok(ProcedureId(self.procedures)),
            false => Err(EnqueueError::QueueFull),
        }
    }

    /// How far a device has come with its steps; none if it is not known.
    #[must_use]
    pub fn place(&self, device: &str) -> Option<&Place> {
        self.devices.get(device).map(|device| &device.past.place)
    }

    /// The identifiers of the devices that are known.
    pub fn devices(&self) -> impl Iterator<Item = &str> {
        self.devices.names().map(|name| &**name)
    }

    /// Takes in a message. A server that [keeps its devices](Self::keeping_devices) has made durable
    /// then what happened in earlier answers that could not be given.
    ///
    /// # Errors
    ///
    /// [`ReceiveError`]; nothing happened.
    pub fn receive(&mut self, request: Request<'_>) -> Result<Receipt, ReceiveError> {
        let message = decode(request.body, request.encoding, &self.config.limits)?;
        let header = &message.header;
        if header.source.uri.is_empty() {
            return Err(ReceiveError::Nameless);
        }
        let names = [&header.source.uri, &header.session_id];
        if names.iter().any(|name| name.len() > self.config.max_name) {
            return Err(ReceiveError::NameTooLong);
        }
        if let Some(names) = request.names
            && !names.iter().any(|name| *name == header.source.uri)
        {
            return Err(ReceiveError::OtherName);
        }
        // Nothing piles up behind what cannot be kept.
        self.catch_up()?;
        let name = self.devices.name(&header.source.uri);
        let key = Key::new(name, (*header.session_id).into());
        let mut log = Log::new(key.clone());
        let answered = |body| Response {
            body,
            encoding: request.encoding,
            hmac: None,
            events: Vec::new(),
        };
        let answer = match self.role(&message, &key, request) {
            Role::Repetition(response) => Some(response),
            Role::Pending => None,
            Role::Refused(reason) => {
                if let Reason::OutOfOrder { expected } = reason {
                    let found = header.msg_id;
                    let violation = Violation::MessageOutOfOrder { expected, found };
                    log.push(EventKind::Violation(violation));
                }
                let body = self.refuse(&message, request, reason.into(), &mut log)?;
                Some(answered(body))
            }
            Role::New(session) => {
                // Nothing begins with a device that not even the least of answers fits.
                let mut unheard = Log::new(key.clone());
                self.refuse(&message, request, StatusCode::OK.into(), &mut unheard)?;
                self.take(&message, key.clone(), request, session, &mut log)?
                    .map(answered)
            }
            Role::Next => match self.sessions.remove(&key) {
                Some(session) => self
                    .take(&message, key.clone(), request, session, &mut log)?
                    .map(answered),
                None => None,
            },
        };
        let mut events = log.into_events();
        if !self.untold.is_empty() {
            events.splice(..0, self.untold.drain(..));
        }
        Ok(Receipt {
            events,
            answer,
            key,
        })
    }

    /// Writes the answer to a message.
    ///
    /// # Errors
    ///
    /// [`RespondError`]; over HTTP this is the status 500, and 400 for
    /// [`RespondError::NoRoom`].
    pub fn respond(&mut self, receipt: Receipt) -> Result<Response, RespondError> {
        if let Some(response) = receipt.answer {
            return Ok(response);
        }
        let key = receipt.key;
        let mut log = Log::new(key.clone());
        let composed = self.sessions.change(&key, |session| {
            let turn = session.turn.take()?;
            let composer = Composer {
                config: &self.config,
                session,
                device: self.devices.get_or_insert(&key.device),
                correlators: &mut self.correlators,
                log: &mut log,
            };
            let written = composer.compose(*turn);
            Some((written, session.next_nonces()))
        });
        let mut body = None;
        if let Some((written, next)) = composed.ok_or(RespondError::SessionGone)? {
            // Before the answer: what was accepted once is not accepted again, and what was heard is
            // not forgotten.
            let kept = written.and_then(|written| {
                self.keep(&key.device, next.as_deref())?;
                Ok(written)
            });
            match kept {
                Ok(written) => body = Some(written),
                Err(error) => {
                    if let Some(mut session) = self.sessions.remove(&key) {
                        self.devices.get_or_insert(&key.device).lose(&mut session);
                    }
                    self.note_changed(&key.device);
                    self.file(&key.device);
                    self.untold.extend(log.into_events());
                    return Err(error);
                }
            }
            if next.is_some() {
                self.sessions.change(&key, |session| session.nonces = next);
            }
        }
        self.file(&key.device);
        let session = self.sessions.get(&key);
        let session = session.ok_or(RespondError::SessionGone)?;
        Ok(Response {
            body: body.unwrap_or_else(|| session.answer.expose().to_vec()),
            encoding: session.encoding,
            hmac: session.hmac.as_deref().map(str::to_owned),
            events: log.into_events(),
        })
    }

    /// Aborts the open session of a device with the next answer: Alert 1223. Whether there is one.
    /// [DM-Protocol]
    pub fn abort(&mut self, device: &str) -> bool {
        let mut any = false;
        for key in self.keys_of(&device.into()) {
            self.sessions.change(&key, |session| {
                session.abort |= session.is_open();
                any |= session.is_open();
            });
        }
        any
    }

    /// Forgets sessions and devices that were silent for too long, and ends the procedures whose time
    /// is over. That of a device in a session ends with its next message, which may still answer what
    /// is under way; one whose end the journal cannot keep now is told of later, as is what else could
    /// not be told.
    ///
    /// It costs by what is over, not by how many devices there are.
    pub fn expire(&mut self, now: Now) -> Vec<Event> {
        let mut events = Vec::new();
        let silent = now.mono.checked_sub(self.config.idle_timeout);
        while let Some(key) = silent.and_then(|until| self.sessions.pop_silent(until)) {
            let mut log = Log::new(key.clone());
            self.drop_session(&key, SessionEnd::TimedOut, &mut log);
            self.file(&key.device);
            events.extend(log.into_events());
        }
        let timeout = self.config.procedure_timeout;
        while let Some(name) = self.devices.pop_overdue(now.mono) {
            let mut log = Log::of_device(Arc::clone(&name));
            if let Some(device) = self.devices.get_mut(&name)
                && device.is_over(now.mono, timeout)
            {
                device.run_out(timeout, None, &mut log);
            }
            self.file(&name);
            self.note_changed(&name);
            self.untold.extend(log.into_events());
        }
        let silent = now.mono.checked_sub(self.config.device_timeout);
        while let Some((last_seen, name)) = self.devices.pop_idle(silent) {
            if last_seen.is_some() {
                self.forget(&name);
                continue;
            }
            if let Some(device) = self.devices.get_mut(&name) {
                device.last_seen = Some(now.mono);
            }
            self.file(&name);
        }
        // All of it is one batch; what cannot be kept now is with the next exchange, and told then.
        if !self.untold.is_empty() && self.catch_up().is_ok() {
            events.append(&mut self.untold);
        }
        events
    }

    /// When the next session expires or the time of the next procedure is over, by [`Now::mono`];
    /// devices are forgotten by the way.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Duration> {
        let session = self.sessions.silent_since();
        let session = session.map(|seen| seen.saturating_add(self.config.idle_timeout));
        let procedure = self.devices.first_deadline();
        session.into_iter().chain(procedure).min()
    }

    /// How many procedures of a device are not finished.
    #[must_use]
    pub fn waiting(&self, device: &str) -> usize {
        self.devices.get(device).map_or(0, Device::waiting)
    }

    /// How many of them are [steps](Self::enqueue_step).
    #[must_use]
    pub fn waiting_steps(&self, device: &str) -> usize {
        self.devices.get(device).map_or(0, Device::waiting_steps)
    }

    /// The sessions that are known, those that ended and may still be asked to repeat included.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter()
    }

    /// Finds out what a message is to this engine.
    fn role(&mut self, message: &Message<'_>, key: &Key, request: Request<'_>) -> Role {
        let header = &message.header;
        let any_dtd = self.config.compat.other_ver_dtd && header.ver_dtd.starts_with("1.");
        if header.ver_dtd != Header::VER_DTD && !any_dtd {
            return Role::Refused(Reason::VerDtd);
        }
        if Version::of(header).is_none_or(|version| version > self.config.version) {
            let highest = self.config.version;
            return Role::Refused(Reason::VerProto { highest });
        }
        let Some(session) = self.sessions.get(key) else {
            return self.begin(message);
        };
        // Nobody else is told the answer.
        let is_same = || {
            session.identity.as_ref() == request.identity
                && session.last == session.fingerprint(&request, header.msg_id)
        };
        match session.link.check(header) {
            Incoming::Duplicate if is_same() && session.turn.is_some() => Role::Pending,
            Incoming::Duplicate if is_same() => Role::Repetition(Response {
                body: session.answer.expose().to_vec(),
                encoding: session.encoding,
                hmac: session.hmac.as_deref().map(str::to_owned),
                events: Vec::new(),
            }),
            _ if header.msg_id == 1 => self.begin(message),
            Incoming::New if session.phase == (Phase::Ended { resumable: false }) => {
                Role::Refused(Reason::NoSession)
            }
            Incoming::New => Role::Next,
            Incoming::OutOfOrder { expected }
                if header.msg_id > expected && self.config.compat.skipped_message_ids =>
            {
                Role::Next
            }
            Incoming::OutOfOrder { expected } => Role::Refused(Reason::OutOfOrder { expected }),
            Incoming::Duplicate => Role::Refused(Reason::OutOfOrder {
                expected: header.msg_id.saturating_add(1),
            }),
            Incoming::OtherSession => Role::Refused(Reason::NoSession),
        }
    }

    /// A message that no session is known for.
    fn begin(&mut self, message: &Message<'_>) -> Role {
        let header = &message.header;
        let again = header.msg_id == 2 && answers_refusal(message);
        let first = header.msg_id == 1 || again || self.config.compat.skipped_message_ids;
        let opening = Opening::of(message, self.config.compat).filter(|_| first);
        let Some(opening) = opening else {
            return Role::Refused(Reason::NoSession);
        };
        let device: &str = &header.source.uri;
        let Some(account) = self.accounts.account(device) else {
            return Role::Refused(Reason::UnknownDevice);
        };
        let mut nonces = None;
        let mut resync = None;
        if account.has_nonces() {
            nonces = match self.nonces.load(device) {
                Ok(nonces) => Some(Box::new(nonces)),
                Err(_) => return Role::Refused(Reason::NoNonces),
            };
            if opening.trigger == Trigger::Server {
                let device = self.devices.get(device);
                resync = device.and_then(|device| device.past.resync.clone());
            }
        }
        let mut session = Session::new(header, account, &self.config, nonces, resync);
        session.link = session.link.sharing(&mut self.called);
        Role::New(Box::new(session.after(again.into())))
    }

    /// Processes a message of a session; the body of the answer if it is refused.
    fn take(
        &mut self,
        message: &Message<'_>,
        key: Key,
        request: Request<'_>,
        mut session: Box<Session>,
        log: &mut Log,
    ) -> Result<Option<Vec<u8>>, ReceiveError> {
        let header = &message.header;
        let is_new = session.link.last_received() == 0;
        let opening = session.phase == Phase::Opening;
        let was_open = session.is_open();
        let opened = Opening::of(message, self.config.compat).filter(|_| opening);
        let evidence = Evidence::new(request.body, header.cred.as_ref())
            .with_hex_mac(self.config.compat.hex_mac)
            .with_hmac(request.hmac)
            .with_identity(request.identity);
        // Whoever proves nothing does not disturb a proven session.
        let may_fail = !opening && !session.verifier.is_settled();
        let before = may_fail.then(|| session.verifier.clone());
        let verdict = session.verifier.check(&evidence, self.nonces.random());
        let proven = verdict.is_ok_and(Verdict::is_accepted);
        if !proven && let Some(before) = before {
            let verifier = std::mem::replace(&mut session.verifier, before);
            self.sessions.insert(key, session);
            let refused = match verdict {
                Ok(verdict) => Refusal {
                    chal: verifier.chal(),
                    ..verdict.status().into()
                },
                Err(NoRandom) => Reason::NoNonces.into(),
            };
            return self.refuse(message, request, refused, log).map(Some);
        }
        let reason = match (verdict, &opened) {
            (Err(NoRandom), _) => Some(Reason::NoNonces),
            (Ok(verdict), _) if !proven => Some(Reason::Unproven(verdict)),
            (_, None) if opening => Some(Reason::NoSession),
            (_, Some(opened)) if !self.is_complete(&opened.dev_info) => Some(Reason::NoDevInfo),
            _ => None,
        };
        if is_new {
            // Whoever proves nothing does not push a proven session aside.
            let taken = self.sessions.get(&key).is_some_and(Session::is_open);
            let refused = match reason {
                Some(reason) if taken => Some(Refusal {
                    chal: session.verifier.chal(),
                    ..reason.into()
                }),
                _ if !self.make_room_for_session(&key.device) => Some(Reason::Full.into()),
                _ => None,
            };
            if let Some(refused) = refused {
                return self.refuse(message, request, refused, log).map(Some);
            }
        }
        // Whoever proves nothing does not push a known device aside either.
        if opening && reason.is_none() && !self.make_room_for_device(&key.device) {
            return self
                .refuse(message, request, Reason::Full.into(), log)
                .map(Some);
        }
        session.last = session.fingerprint(&request, header.msg_id);
        session.link.receive(header);
        session.last_seen = request.now.mono;
        let said_in = std::mem::replace(&mut session.encoding, request.encoding);
        session.identity = request.identity.cloned();
        // The Status of some may wait for room yet.
        if session.outbox.is_empty() {
            session.unconfirmed.clear();
        }
        if let Some(reason) = reason {
            let body = self.challenge(message, &mut session, reason, log)?;
            self.sessions.insert(key, session);
            return Ok(Some(body));
        }

        if opening {
            self.supersede(&key.device, log);
            let device = self.devices.get_mut(&key.device);
            if let Some(device) = device.filter(|device| device.past.resync.is_some()) {
                device.past.resync = None;
            }
        }
        let device = self.devices.get_or_insert(&key.device);
        device.last_seen = Some(request.now.mono);
        session.phase = Phase::Open;
        session.messages = session.messages.saturating_add(1);
        if session.messages > self.config.max_messages {
            log.push(EventKind::Violation(Violation::TooManyMessages));
            session.abort = true;
        }
        if let Some(Opening { trigger, dev_info }) = opened {
            device.begin_session();
            log.push(EventKind::SessionStarted { trigger, dev_info });
            let session_id = u16::from_str_radix(&key.session, 16).unwrap_or_default();
            if trigger == Trigger::Server && device.answers(session_id) {
                log.push(EventKind::NotificationAnswered { session_id });
            }
        }
        let has_more = |command: &Command<'_>| command.items().iter().any(|item| item.more_data);
        if message.commands.iter().any(has_more) {
            let others = self.sessions.held();
            let room = self.config.max_unfinished.saturating_sub(others);
            session.assembler.set_room(room);
        }
        let is_final = Walk {
            config: &self.config,
            session: &mut session,
            device,
            log,
            opening,
            refused: false,
            said_in,
        }
        .message(message);
        let verdict = verdict.unwrap_or(Verdict::NotWanted);
        let status = header_status(header, verdict.status());
        session.turn = Some(Box::new(Turn {
            status: match session.verifier.chal() {
                Some(chal) => status.with_chal(chal),
                None => status,
            },
            complete: is_final || session.mid_package,
        }));
        let goes_on = was_open && session.is_open();
        self.sessions.insert(key.clone(), session);
        if !goes_on {
            self.file(&key.device);
        }
        Ok(None)
    }

    fn is_complete(&self, dev_info: &DevInfo) -> bool {
        self.config.compat.incomplete_dev_info || dev_info.is_complete()
    }

    /// Refuses a message of a session that did not open yet.
    fn challenge(
        &self,
        message: &Message<'_>,
        session: &mut Session,
        reason: Reason,
        log: &mut Log,
    ) -> Result<Vec<u8>, ReceiveError> {
        let mut refused = Refusal::from(reason);
        if let Reason::Unproven(verdict) = reason {
            refused.chal = session.verifier.chal();
            let failures = session.verifier.failures();
            if verdict == Verdict::OtherScheme || failures >= self.config.max_attempts {
                session.phase = Phase::Ended { resumable: false };
            }
        }
        log.push(EventKind::Refused(refused.code));
        let limit = session.link.max_message_size();
        let header = session.link.next_header();
        session.answer = refusal(
            message,
            &header,
            session.encoding.with(self.config.wbxml),
            limit,
            refused,
        )?
        .into();
        Ok(session.answer.expose().to_vec())
    }

    /// Ends all sessions of the device.
    fn supersede(&mut self, device: &Arc<str>, log: &mut Log) {
        for key in self.keys_of(device) {
            self.drop_session(&key, SessionEnd::Superseded, log);
        }
    }

    fn drop_session(&mut self, key: &Key, end: SessionEnd, log: &mut Log) {
        let session = self.sessions.remove(key);
        if let Some(mut session) = session.filter(|session| session.is_open()) {
            let device = self.devices.get_or_insert(&key.device);
            device.lose(&mut session);
            log.push_in(&key.session, EventKind::SessionEnded(end));
        }
    }

    /// Refuses a message without touching a session.
    fn refuse(
        &self,
        message: &Message<'_>,
        request: Request<'_>,
        refused: Refusal,
        log: &mut Log,
    ) -> Result<Vec<u8>, ReceiveError> {
        let received = &message.header;
        log.push(EventKind::Refused(refused.code));
        // Both ends send one message each in turn, so their counters agree.
        let mut header = Header::new(
            received.session_id.as_ref(),
            received.msg_id,
            received.source.clone(),
            received.target.clone(),
        );
        let spoken = Version::of(received).filter(|version| *version <= self.config.version);
        if let Some(version) = spoken {
            header.ver_proto = version.as_str().into();
        }
        let limit = received
            .meta
            .max_msg_size
            .unwrap_or(ASSUMED_MESSAGE_SIZE.into());
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        refusal(
            message,
            &header,
            request.encoding.with(self.config.wbxml),
            limit,
            refused,
        )
    }

    fn keys_of(&self, device: &Arc<str>) -> Vec<Key> {
        self.sessions
            .of(device)
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Makes room for a session of this device; whether there is.
    ///
    /// Sessions in which nothing was proven yet give way: any of the device's own, and others if
    /// there are too many; then those that ended.
    fn make_room_for_session(&mut self, device: &Arc<str>) -> bool {
        let opening = |session: &Session| session.phase == Phase::Opening;
        for key in self.keys_of(device) {
            if self.sessions.get(&key).is_some_and(opening) {
                self.sessions.remove(&key);
            }
        }
        if self.sessions.len() >= self.config.max_sessions {
            self.sessions.take_least_needed();
        }
        self.sessions.len() < self.config.max_sessions
    }

    /// Makes room for a device; whether there is. One that is in a session does not give way.
    fn make_room_for_device(&mut self, device: &str) -> bool {
        if self.devices.get(device).is_some() || self.devices.len() < self.config.max_devices {
            return true;
        }
        let least_needed = self.devices.pop_least_needed();
        least_needed.is_some_and(|name| self.forget(&name))
    }

    /// Forgets a device; whether it was known.
    fn forget(&mut self, name: &str) -> bool {
        let Some((name, device)) = self.devices.remove(name) else {
            return false;
        };
        Keeping::forget(&mut self.keeping, &name, &device);
        true
    }

    /// Notes that a device or its sessions changed.
    fn file(&mut self, device: &Arc<str>) {
        let is_in_session = self.sessions.is_open(device);
        let timeout = self.config.procedure_timeout;
        self.devices.file(device, is_in_session, timeout);
    }
}

/// What a message is to the engine.
enum Role {
    /// The last message again.
    Repetition(Response),
    /// The last message again, while its answer is not written yet.
    Pending,
    /// Nothing it can process.
    Refused(Reason),
    /// The first message of a session.
    New(Box<Session>),
    /// The next message of a session that is known.
    Next,
}

/// Whether a message answers the first one of this engine to its session, which is not kept where it
/// refused the version.
fn answers_refusal(message: &Message<'_>) -> bool {
    message.commands.iter().any(|command| {
        matches!(command, Command::Status(status)
            if status.cmd_ref == CmdRef::Header && status.msg_ref == 1)
    })
}

/// Why a message is not processed.
#[derive(Clone, Copy)]
enum Reason {
    VerDtd,
    VerProto { highest: Version },
    NoSession,
    NoDevInfo,
    OutOfOrder { expected: u32 },
    UnknownDevice,
    Unproven(Verdict),
    NoNonces,
    Full,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        let code = match reason {
            Reason::VerDtd => StatusCode::DTD_VERSION_NOT_SUPPORTED,
            Reason::VerProto { .. } => StatusCode::PROTOCOL_VERSION_NOT_SUPPORTED,
            Reason::NoSession => StatusCode::NOT_FOUND,
            Reason::NoDevInfo => StatusCode::INCOMPLETE_COMMAND,
            Reason::OutOfOrder { .. } => StatusCode::BAD_REQUEST,
            Reason::UnknownDevice => StatusCode::UNAUTHORIZED,
            Reason::Unproven(verdict) => verdict.status(),
            Reason::NoNonces => StatusCode::COMMAND_FAILED,
            Reason::Full => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self {
            supported: match reason {
                Reason::VerDtd => vec![Header::VER_DTD],
                Reason::VerProto { highest } => Version::ALL
                    .into_iter()
                    .filter(|version| *version <= highest)
                    .map(Version::as_str)
                    .collect(),
                _ => Vec::new(),
            },
            ..code.into()
        }
    }
}
