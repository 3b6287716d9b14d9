use std::{
    collections::{BTreeSet, VecDeque},
    fmt, io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::Duration,
};

use omadm_core::{Journal, MemoryJournal, upgrade};
use omadm_http::{Files, Handler, Incoming, Outgoing, Refused, ServerConfig};
use omadm_markup::Encoding;
use omadm_server::{
    Accounts, Config, EnqueueError, Event, EventKind, Everyone, NotifyError, Place, ProcedureId,
    ReceiveError, Request, RespondError,
};
use omadm_session::{
    Nonces, Procedure, TransportIdentity,
    notification::{Notification, ProvenBy},
};
use omadm_syncml::Limits;

use crate::{chain::chain, clock::Clocks, random};

/// Where the server takes messages.
const PATH: &str = "/dm";

/// The longest message that is answered without a hand-over to another thread, in bytes.
const QUICK: usize = 64 << 10;

/// Who hears of handshakes that failed.
type Handshakes = Box<dyn Fn(SocketAddr, &io::Error) + Send + Sync>;

/// What a device goes through when it first comes, from where it is: the program of a [`Server`].
pub type Programme = Box<dyn FnMut(&str, &Place) -> Vec<Box<dyn Procedure>> + Send>;

/// A DM server over HTTP: the engine of `omadm-server` behind a listener, for any number of
/// devices.
///
/// Messages up to 64 KiB are answered on the one thread that serves all connections, unless its
/// [journal](ServerBuilder::journal) may wait ([`Journal::is_quick`]); others on a pool beside it.
pub struct Server {
    http: omadm_http::Server,
    secure: bool,
    shared: Arc<Shared>,
}

/// Puts a [`Server`] together; from [`Server::builder`].
#[must_use = "a builder does nothing until it is started"]
pub struct ServerBuilder {
    config: Config,
    accounts: Box<dyn Accounts>,
    journal: Option<Arc<dyn Journal>>,
    http: ServerConfig,
    only: Option<Encoding>,
    named: bool,
    programme: Programme,
    observer: Box<dyn Fn(Event) + Send + Sync>,
    refusals: Box<dyn Fn(&Refused<'_>) + Send + Sync>,
    handshakes: Handshakes,
}

struct Shared {
    state: Mutex<State>,
    /// Held while events are told.
    telling: Mutex<()>,
    clock: Clocks,
    /// What media types are taken.
    limits: Limits,
    only: Option<Encoding>,
    named: bool,
    /// Whether the engine waits for nothing.
    quick: bool,
    observer: Box<dyn Fn(Event) + Send + Sync>,
    refusals: Box<dyn Fn(&Refused<'_>) + Send + Sync>,
    handshakes: Handshakes,
}

struct State {
    engine: omadm_server::Server,
    programme: Programme,
    /// The devices that were given the programme.
    seen: Seen,
    /// What happened and was not told yet.
    events: VecDeque<Event>,
    /// What happened in exchanges that could not be kept: told when it is.
    unkept: Vec<Event>,
}

impl Server {
    /// Starts building a server that takes every device and asks nothing of it.
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            config: Config::new(random::correlator_prefix()),
            accounts: Box::new(Everyone),
            journal: None,
            http: ServerConfig::default(),
            only: None,
            named: false,
            programme: Box::new(|_, _| Vec::new()),
            observer: Box::new(drop),
            refusals: Box::new(|_| {}),
            handshakes: Box::new(|_, _| {}),
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.http.address()
    }

    /// The address devices post to.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{PATH}", self.address())
    }

    /// Lets a device go through a procedure, after those it has to go through already; at once if
    /// it is in a session, else in its next one.
    ///
    /// # Errors
    /// An [`EnqueueError`] if the queue of the device is full.
    pub fn enqueue(
        &self,
        device: &str,
        procedure: Box<dyn Procedure>,
    ) -> Result<ProcedureId, EnqueueError> {
        self.shared.lock().engine.enqueue(device, procedure)
    }

    /// The devices that are known, with how far each is in the [programme](ServerBuilder::programme).
    #[must_use]
    pub fn places(&self) -> Vec<(String, Place)> {
        let engine = &self.shared.lock().engine;
        let place = |device: &str| engine.place(device).cloned().unwrap_or_default();
        let devices = engine.devices();
        devices.map(|it| (it.to_owned(), place(it))).collect()
    }

    /// Writes a notification, package 0, which asks a device for a session: octets to be sent
    /// however the device takes them, by HTTP for one
    /// (`HttpTransport::notify` of `omadm-http`). [DM-Notification]
    ///
    /// What it is signed with, and when the device takes it, is said at
    /// [`omadm_server::Server::notify`]; [`session_id`](crate::session_id) makes identifiers. The
    /// session that answers is told by [`EventKind::NotificationAnswered`].
    ///
    /// # Errors
    /// A [`NotifyError`]; nothing is to be sent.
    pub fn notify(
        &self,
        device: &str,
        notification: &Notification,
        by: ProvenBy,
    ) -> Result<Vec<u8>, NotifyError> {
        self.shared.lock().engine.notify(device, notification, by)
    }

    /// Takes no more messages, and returns when those under way are answered.
    pub fn stop(self) {
        self.http.stop();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("http", &self.http)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("config", &self.config)
            .field("http", &self.http)
            .field("only", &self.only)
            .finish_non_exhaustive()
    }
}

impl ServerBuilder {
    /// Replaces the engine's defaults; the prefix of its Correlators is the caller's then.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Which devices may come, and how both ends prove who they are. Default: everyone, nothing.
    ///
    /// Over `https`, a client that shows a certificate has the identity of that certificate in DER:
    /// [`Account::or_by_transport`](omadm_server::Account::or_by_transport).
    pub fn accounts(mut self, accounts: impl Accounts + 'static) -> Self {
        self.accounts = Box::new(accounts);
        self
    }

    /// Keeps the nonces of digests and MACs here, and where devices are in the
    /// [programme](Self::programme), which goes on after a restart
    /// ([`keeping_devices`](omadm_server::Server::keeping_devices)). Default: in memory, so that a
    /// restarted server begins anew and the first session of a device costs a challenge.
    pub fn journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// Also serves the files of a folder below `/images/`.
    pub fn files(mut self, files: Files) -> Self {
        self.http.files = Some(files);
        self
    }

    /// Serves `https`, as whom this says, and no `http`.
    #[cfg(feature = "server-tls")]
    pub fn tls(mut self, tls: omadm_http::ServerTls) -> Self {
        self.http.tls = Some(tls);
        self
    }

    /// Over `https`, lets a device act only under the names its certificate has: a common name of the
    /// subject, a DNS name or a URI of the subjectAltName, in the same letters as the Source of its
    /// messages. Others are answered with HTTP 403, and so is everybody who shows no certificate. Default:
    /// every name.
    pub const fn named_by_certificates(mut self) -> Self {
        self.named = true;
        self
    }

    /// Takes messages in this encoding only; others are answered with HTTP 415.
    pub const fn only(mut self, encoding: Encoding) -> Self {
        self.only = Some(encoding);
        self
    }

    /// The steps each device goes through, once in the life of this server, asked for when its first
    /// session begins: those that are left, given its [`Place`]. With a [journal](Self::journal)
    /// the place tells of earlier lives too, and a step that was begun in one is made with the
    /// policy for that: `Policy::resumed` of `virmo-server`,
    /// [`resumed`](omadm_server::SingleCommand::resumed) of single commands. Of devices beyond
    /// [`Config::max_devices`](omadm_server::Config::max_devices) those that came long ago, and
    /// went through their steps, count as new.
    pub fn programme(
        mut self,
        programme: impl FnMut(&str, &Place) -> Vec<Box<dyn Procedure>> + Send + 'static,
    ) -> Self {
        self.programme = Box::new(programme);
        self
    }

    /// Lets somebody hear of everything that happens; events come one at a time, in order, and
    /// before the answer they belong to is sent. That a session fell silent, or that the time of a
    /// procedure is over, is found out within a second.
    ///
    /// Everybody waits meanwhile, as for accounts and programme: whoever has much to do with an event
    /// hands it on, to a channel for one, and does not wait here for what this server has to do.
    pub fn observer(mut self, observer: impl Fn(Event) + Send + Sync + 'static) -> Self {
        self.observer = Box::new(observer);
        self
    }

    /// Lets somebody hear of HTTP requests that came to nothing: at another path than the server's,
    /// unreadable, of another media type, for files that are not there.
    pub fn refusals(mut self, observer: impl Fn(&Refused<'_>) + Send + Sync + 'static) -> Self {
        self.refusals = Box::new(observer);
        self
    }

    /// Lets somebody hear of connections over `https` that came to no request:
    /// [`Handler::handshake_failed`].
    pub fn failed_handshakes(
        mut self,
        observer: impl Fn(SocketAddr, &io::Error) + Send + Sync + 'static,
    ) -> Self {
        self.handshakes = Box::new(observer);
        self
    }

    /// Serves on a listener until the server is stopped or dropped.
    ///
    /// # Errors
    /// An [`io::Error`] if the listener or a thread cannot be had, or what the journal keeps of
    /// devices not be read.
    pub fn start(self, listener: TcpListener) -> io::Result<Server> {
        let limits = self.config.limits.clone();
        let seen = Seen::new(self.config.max_devices);
        let engine = omadm_server::Server::new(self.config, self.accounts);
        let quick = self.journal.as_ref().is_none_or(|it| it.is_quick());
        let engine = match self.journal {
            Some(journal) => {
                upgrade(&*journal, omadm_server::RECORDS).map_err(io::Error::other)?;
                engine
                    .with_nonces(Nonces::new(journal, random::octets))
                    .keeping_devices()
                    .map_err(io::Error::other)?
            }
            None => {
                let journal = Arc::new(MemoryJournal::new());
                engine.with_nonces(Nonces::new(journal, random::octets))
            }
        };
        let state = State {
            seen,
            engine,
            programme: self.programme,
            events: VecDeque::new(),
            unkept: Vec::new(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            telling: Mutex::default(),
            clock: Clocks::new(),
            limits,
            only: self.only,
            named: self.named,
            quick,
            observer: self.observer,
            refusals: self.refusals,
            handshakes: self.handshakes,
        });
        #[cfg(feature = "server-tls")]
        let secure = self.http.tls.is_some();
        #[cfg(not(feature = "server-tls"))]
        let secure = false;
        let http = omadm_http::Server::start(listener, Arc::clone(&shared) as _, self.http)?;
        let watched = Arc::downgrade(&shared);
        thread::Builder::new()
            .name("virmo-server-time".to_owned())
            .spawn(move || watch(&watched))?;
        Ok(Server {
            http,
            secure,
            shared,
        })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expire(&self) {
        let now = self.clock.now();
        let state = &mut *self.lock();
        state.events.extend(state.engine.expire(now));
    }

    /// The answer to a message; what happened is in the state.
    fn exchange(&self, request: &Incoming, encoding: Encoding) -> Outgoing {
        let now = self.clock.now();
        let identity = request.certificate.clone().map(TransportIdentity::new);
        let names = self.named.then(|| request.certificate_names());
        let request = Request::new(&request.body, encoding, now)
            .with_hmac(request.hmac.as_deref())
            .with_identity(identity.as_ref())
            .with_names(names.as_deref());
        let state = &mut *self.lock();
        state.events.extend(state.engine.expire(now));
        let mut receipt = match state.engine.receive(request) {
            Ok(receipt) => receipt,
            Err(error @ ReceiveError::JournalFailed(_)) => {
                return Outgoing::refusal(500, &chain(&error));
            }
            Err(error @ ReceiveError::OtherName) => return Outgoing::refusal(403, &chain(&error)),
            Err(error) => return Outgoing::refusal(400, &chain(&error)),
        };
        // What happened before is durable now.
        state.events.extend(state.unkept.drain(..));
        for event in receipt.take_events() {
            if matches!(event.kind, EventKind::SessionStarted { .. })
                && state.seen.is_new(&event.device)
                // One that came long ago may not be through yet.
                && state.engine.waiting_steps(&event.device) == 0
            {
                let place = state.engine.place(&event.device).cloned();
                for step in (state.programme)(&event.device, &place.unwrap_or_default()) {
                    // A queue that is full already is the caller's limit, and the procedures that
                    // fit are still worth running.
                    let _ = state.engine.enqueue_step(&event.device, step);
                }
            }
            state.unkept.push(event);
        }
        match state.engine.respond(receipt) {
            Ok(response) => {
                state.events.extend(state.unkept.drain(..));
                state.events.extend(response.events);
                let mut outgoing = Outgoing::message(response.encoding, response.body);
                outgoing.hmac = response.hmac;
                outgoing
            }
            // The device takes too little, and that is nobody's fault but its own.
            Err(error @ RespondError::NoRoom { .. }) => Outgoing::refusal(400, &chain(&error)),
            Err(error) => Outgoing::refusal(500, &chain(&error)),
        }
    }
}

impl Shared {
    /// Tells what was not told yet: whoever comes second waits until that of the first was heard.
    fn tell(&self) {
        let _turn = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // Told without the lock of the state, so that an observer can enqueue.
            let Some(event) = self.lock().events.pop_front() else {
                return;
            };
            (self.observer)(event);
        }
    }
}

/// How often it is looked whose time is over.
const TICK: Duration = Duration::from_secs(1);

/// Ends what is to end by the clock alone, for as long as there is a server.
fn watch(shared: &Weak<Shared>) {
    loop {
        thread::sleep(TICK);
        let Some(shared) = shared.upgrade() else {
            return;
        };
        shared.expire();
        shared.tell();
    }
}

impl Handler for Shared {
    fn serves(&self, path: &str) -> bool {
        path == PATH
    }

    fn refused(&self, request: &Refused<'_>) {
        (self.refusals)(request);
    }

    fn handshake_failed(&self, remote: SocketAddr, error: &io::Error) {
        (self.handshakes)(remote, error);
    }

    fn accepts(&self, content_type: &str) -> bool {
        self.limits
            .encoding_of(content_type)
            .is_some_and(|encoding| self.only.is_none_or(|only| only == encoding))
    }

    fn is_quick(&self, request: &Incoming) -> bool {
        self.quick && request.body.len() <= QUICK
    }

    fn handle(&self, request: &Incoming) -> Outgoing {
        let Some(encoding) = self.limits.encoding_of(&request.content_type) else {
            return Outgoing::status(415);
        };
        let answer = self.exchange(request, encoding);
        self.tell();
        answer
    }
}

/// The devices that came, as many as fit: at least the last half of `most`.
#[derive(Debug)]
struct Seen {
    most: usize,
    recent: BTreeSet<String>,
    older: BTreeSet<String>,
}

impl Seen {
    const fn new(most: usize) -> Self {
        Self {
            most,
            recent: BTreeSet::new(),
            older: BTreeSet::new(),
        }
    }

    /// Notes that a device came; whether it is for the first time.
    fn is_new(&mut self, device: &str) -> bool {
        if self.recent.contains(device) {
            return false;
        }
        let known = self.older.remove(device);
        if self.recent.len() >= self.most / 2 {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(device.to_owned());
        !known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_remembered_within_a_limit() {
        let mut seen = Seen::new(8);
        assert!((0..4).all(|n| seen.is_new(&n.to_string())));
        assert!((0..4).all(|n| !seen.is_new(&n.to_string())));
        assert!((10..14).all(|n| seen.is_new(&n.to_string())));
        assert!(!seen.is_new("0"), "it is among the last eight");
        assert!((20..28).all(|n| seen.is_new(&n.to_string())));
        assert!(seen.is_new("1"), "too many came since");
        assert!(seen.recent.len() + seen.older.len() <= 8);
    }
}
