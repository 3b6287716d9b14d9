use std::sync::{Arc, Mutex};

use omadm_core::GenericAlert;
use omadm_server::{
    Account, Accounts, Config, Event, EventKind, ReceiveError, Request, RespondError, Response,
    Server,
};
use omadm_session::Nonces;
use omadm_syncml::Command;

use crate::relay::{Answers, Outcome, Relay, lock};

/// How many messages of an end device one session takes; beyond, it is over.
pub const MAX_MESSAGES: u32 = 1_000;

/// How many alerts of one session are taken; further ones get 500.
pub const MAX_ALERTS: u32 = 100;

/// Octets of all alerts of one session together; those beyond are not passed on.
pub const MAX_ALERT_OCTETS: usize = 1 << 18;

/// Why a message of an end device cannot be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// It cannot be taken.
    #[error("the message of the end device cannot be taken")]
    Receive(#[source] ReceiveError),
    /// The answer cannot be written.
    #[error("the answer to the end device cannot be written")]
    Respond(#[source] RespondError),
    /// There were [`MAX_MESSAGES`] already.
    #[error("the end device sends too many messages")]
    TooMany,
}

/// The gateway's side of one session with an end device, as its server: a session of its own, with
/// its own identifiers, message numbers, credentials and nonces. [VirMO §11.1.2]
#[derive(Debug)]
pub struct ProxySession {
    server: Server,
    device: String,
    answers: Arc<Mutex<Answers>>,
    alerts: Vec<GenericAlert>,
    alert_octets: usize,
    messages: u32,
    ended: bool,
}

/// Nobody else has sessions here.
#[derive(Debug)]
struct Only(String, Account);

impl Accounts for Only {
    fn account(&self, device: &str) -> Option<Account> {
        (device == self.0).then(|| self.1.clone())
    }
}

impl ProxySession {
    pub(crate) fn new(
        prefix: &str,
        device: &str,
        account: Account,
        nonces: Nonces,
        commands: Vec<Command<'static>>,
    ) -> Self {
        let mut config = Config::new(prefix);
        config.max_sessions = 1;
        config.max_devices = 1;
        // One that speaks the protocol is told by the last answer.
        config.max_messages = MAX_MESSAGES - 1;
        config.max_alerts = MAX_ALERTS;
        config.max_unfinished = u64::from(config.max_object_size);
        let account = Only(device.to_owned(), account);
        let mut server = Server::new(config, account).with_nonces(nonces);
        let relay = Relay::new(commands);
        let answers = Arc::clone(relay.answers());
        // A queue without anything in it has room.
        let _ = server.enqueue(device, Box::new(relay));
        Self {
            server,
            device: device.to_owned(),
            answers,
            alerts: Vec::new(),
            alert_octets: 0,
            messages: 0,
            ended: false,
        }
    }

    /// What to send the end device for its message; the events of it are kept here.
    ///
    /// # Errors
    ///
    /// [`ProxyError`]; the session goes on with the next message, if there is one.
    pub fn answer(&mut self, request: Request<'_>) -> Result<Response, ProxyError> {
        if self.messages >= MAX_MESSAGES {
            self.ended = true;
            return Err(ProxyError::TooMany);
        }
        self.messages += 1;
        let mut receipt = self.server.receive(request).map_err(ProxyError::Receive)?;
        self.note(receipt.take_events());
        let mut response = self.server.respond(receipt).map_err(ProxyError::Respond)?;
        self.note(std::mem::take(&mut response.events));
        Ok(response)
    }

    /// Whether the session is over: the end device answered everything, ended it, or sent too much.
    /// The last answer is still to be delivered.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.ended
    }

    fn note(&mut self, events: Vec<Event>) {
        for event in events {
            if *event.device != *self.device {
                continue;
            }
            match event.kind {
                EventKind::Alert { alert, .. } => self.keep(alert),
                EventKind::SessionEnded { .. } => self.ended = true,
                _ => {}
            }
        }
    }

    fn keep(&mut self, alert: GenericAlert) {
        let texts = [&alert.alert_type, &alert.data].into_iter();
        let octets: usize = texts.chain(&alert.source).map(String::len).sum();
        self.alert_octets = self.alert_octets.saturating_add(octets);
        if self.alert_octets <= MAX_ALERT_OCTETS {
            self.alerts.push(alert);
        }
    }

    /// What came of the commands, and the alerts.
    pub(crate) fn outcome(self) -> (Outcome, Vec<GenericAlert>) {
        (lock(&self.answers).outcome(&self.device), self.alerts)
    }
}
