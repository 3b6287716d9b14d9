//! One session as the client sees it: what is said, and in which message.

use std::{collections::VecDeque, time::Duration};

use omadm_core::{AlertCode, Now, SortedMap, SortedSet, StatusCode};
use omadm_session::{
    Assembler, Evidence, Heard, Incoming, LargeObject, Ledger, Link, NoRandom, Nonce, NoncePair,
    Prover, Random, Stopped, Taken, Verdict, Verifier, command_status, header_status,
};
use omadm_syncml::{
    Alert, CmdRef, Command, Header, Item, Location, Message, NodeCommand, OutputEncoding, Results,
    Status, Version,
};
use omadm_tree::Tree;

use crate::{
    Compat, Config, Received, SessionEnd, Start, StartError, Trigger,
    alerts::{AlertKey, is_for_good},
    auth::Terms,
    compat, walk,
};

mod packing;

/// The mandatory leaves of `./DevInfo`, which open every session. [DM-StdObj]
const DEV_INFO: [&str; 5] = [
    "./DevInfo/DevId",
    "./DevInfo/Man",
    "./DevInfo/Mod",
    "./DevInfo/DmV",
    "./DevInfo/Lang",
];

/// How many messages in a row a server may send without proof, or in a version that is not
/// supported, until the session is over: it is told once.
const MAX_FAULTS: u32 = 2;

/// One session, from its first message to its last.
#[derive(Debug)]
pub(crate) struct Session {
    link: Link,
    encoding: OutputEncoding,
    /// Where the next message goes.
    url: String,
    trigger: Trigger,
    /// When it is aborted, monotonic.
    until: Duration,
    prover: Prover,
    verifier: Verifier,
    /// The nonces of the next session.
    nonces: NoncePair,
    /// How many messages were in another version.
    foreign: u32,
    /// What is to be said, apart from alerts.
    outbox: VecDeque<Command<'static>>,
    /// How many bytes of Results, as [measured](Measured), were added to the outbox since it was
    /// empty.
    waiting_results: usize,
    /// The Status of the header received last.
    header: Option<Command<'static>>,
    /// The statuses of the alerts 1222 in the message received last: they do not wait for what else
    /// is to be said.
    prompted: Vec<Command<'static>>,
    /// The room of a message that was answered, for the next one.
    spare: Vec<u8>,
    /// What is sent in chunks, and is to be completed before the rest.
    sending: Option<Sending>,
    /// What the server sends in chunks.
    assembler: Assembler,
    /// What an answer to it can hold besides, in bytes; measured when need be.
    room: Option<usize>,
    /// The server sent a Status of anything.
    answered: bool,
    /// The server wants no Status for its last message.
    no_resp: bool,
    /// The server wants an answer to its last message, be it empty.
    expects: bool,
    /// The server's package is complete.
    server_done: bool,
    /// The server had nothing to say when it was asked, and said nothing since.
    idle: bool,
    /// Our package is complete: the last message had Final.
    done: bool,
    /// The alerts that were sent and not answered.
    ledger: Ledger<AlertKey>,
    sent_alerts: SortedSet<AlertKey>,
}

/// A large object, and the alert it is.
#[derive(Debug)]
struct Sending {
    object: LargeObject,
    alert: Option<AlertKey>,
}

/// What a message of the server comes to: [`Session::receive`].
#[derive(Debug)]
pub(crate) enum Intake<'m> {
    /// The last message again: the answer to it is to be sent again.
    Repeated,
    /// The answer is in the outbox already, nothing is to be executed.
    Answered,
    /// These commands are to be executed.
    Commands {
        /// The message they came in.
        msg_id: u32,
        /// All but Status.
        taken: walk::Taken<'m>,
    },
    /// The server ended the session by Alert 1223.
    Aborted,
}

/// A Results of one Item, which says not yet what it answers.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) results: Results<'static>,
    /// Its size in bytes; of plain text that shares no Results with others, what it takes at most.
    pub(crate) bytes: usize,
}

/// What a message of the server settles before anything of it is executed.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    /// The alerts it has.
    pub(crate) delivered: Vec<AlertKey>,
    /// The alerts it refused, or did not answer.
    pub(crate) refused: Vec<(AlertKey, Option<StatusCode>)>,
    /// What the ends prove themselves with next, if that changed: the server is proven.
    pub(crate) nonces: Option<NoncePair>,
}

/// Checks that the tree has what every session begins with.
pub(crate) fn check_dev_info(tree: &Tree) -> Result<(), StartError> {
    match DEV_INFO
        .into_iter()
        .find(|leaf| dev_info(tree, leaf).is_none_or(str::is_empty))
    {
        Some(leaf) => Err(StartError::NoDevInfo(leaf)),
        None => Ok(()),
    }
}

fn dev_info<'t>(tree: &'t Tree, leaf: &str) -> Option<&'t str> {
    tree.find(leaf).ok()??.text()
}

impl Session {
    /// A session that begins with package 1. [DM-Protocol]
    pub(crate) fn open(
        config: &Config,
        tree: &Tree,
        start: Start,
        terms: Terms,
        nonces: NoncePair,
        now: Now,
    ) -> Self {
        let [device_id, ..] = DEV_INFO;
        let resync = start.resync.and_then(|octets| Nonce::new(octets).ok());
        let received = resync.clone().or_else(|| nonces.received.clone());
        let prover = Prover::new(terms.client).with_nonce(received);
        let verifier = Verifier::new(terms.server)
            .with_identity(config.server_identity.clone())
            .with_nonces(nonces.issued.clone(), resync);
        let local = Location::new(dev_info(tree, device_id).unwrap_or_default().to_owned());
        let remote = Location::new(config.server_url.clone());
        let link = Link::new(format!("{:X}", start.session_id), local, remote)
            .with_sizes(config.max_message_size, config.max_object_size)
            .with_version(config.version);
        let mut session = Self {
            link,
            encoding: config.encoding.with(config.wbxml),
            url: config.server_url.clone(),
            trigger: start.trigger,
            until: now.mono.saturating_add(config.session_limit),
            prover,
            verifier,
            nonces,
            foreign: 0,
            outbox: VecDeque::new(),
            waiting_results: 0,
            header: None,
            prompted: Vec::new(),
            spare: Vec::new(),
            sending: None,
            assembler: Assembler::new(config.max_object_size.into()),
            room: None,
            answered: false,
            no_resp: false,
            expects: false,
            server_done: true,
            idle: false,
            done: true,
            ledger: Ledger::new(),
            sent_alerts: SortedSet::new(),
        };
        session.set_up(tree);
        session
    }

    /// Where the next message goes.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// When it is aborted, monotonic.
    pub(crate) const fn until(&self) -> Duration {
        self.until
    }

    /// How many messages were sent.
    pub(crate) const fn messages(&self) -> u32 {
        self.link.last_sent()
    }

    /// Takes in a message; nothing of it is executed here.
    ///
    /// # Errors
    /// The end of the session.
    pub(crate) fn receive<'m>(
        &mut self,
        (message, came): (&mut Message<'m>, &Received<'_>),
        config: &Config,
        tree: &Tree,
        random: &mut dyn Random,
        verdicts: &mut Verdicts,
    ) -> Result<Intake<'m>, SessionEnd> {
        compat::mend(message, self.link.session_id(), &config.compat);
        let (header, is_final) = (&message.header, message.is_final);
        let commands = std::mem::take(&mut message.commands);
        let received = header.msg_id;
        match self.link.check(header) {
            Incoming::New => {}
            Incoming::Duplicate => return Ok(Intake::Repeated),
            Incoming::OtherSession => return Err(SessionEnd::OtherSession),
            Incoming::OutOfOrder { .. } if config.compat.any_message_id => {}
            Incoming::OutOfOrder { expected } => {
                return Err(SessionEnd::OutOfOrder { expected, received });
            }
        }
        if header.target.uri != self.link.local().uri && !config.compat.any_target {
            return Err(SessionEnd::OtherDevice);
        }
        self.link.receive(header);
        if let Some(uri) = header.resp_uri.as_deref().filter(|uri| !uri.is_empty()) {
            self.url = uri.to_owned();
        }
        self.no_resp = header.no_resp;
        let is_empty = config.compat.missing_final && !is_final && self.is_empty(&commands);
        let is_final = is_final || is_empty;
        // It was told by Final that it has the word, and did not take it.
        self.done |= is_empty && self.idle;
        self.idle = is_empty || (self.idle && !expects_answer(&commands));
        self.server_done = is_final || (self.server_done && !self.done);

        let spoken = self.link.version();
        let version = self.version(header);
        let evidence = Evidence::new(came.body, header.cred.as_ref())
            .with_hex_mac(config.compat.hex_mac)
            .with_hmac(came.hmac)
            .with_identity(came.identity);
        let verdict = self.verifier.check(&evidence, random);
        let verdict = verdict.map_err(|NoRandom| SessionEnd::NoRandom)?;
        let status = self.header_status(header, version, verdict);
        self.header = status.map(Command::Status);
        self.prompted.clear();
        self.room = None;
        let heard = self.heard(&commands, spoken, config.compat);
        if verdict.is_accepted() {
            verdicts.nonces = self.remember();
        }
        if heard? == Heard::Again {
            // Back to package 1, with credentials or in a lower version. [DM-Security]
            self.ledger.close();
            self.sent_alerts.clear();
            self.set_up(tree);
            return Ok(Intake::Answered);
        }
        if let Err(code) = version {
            self.foreign += 1;
            if self.foreign == MAX_FAULTS {
                return Err(SessionEnd::VersionNotSupported);
            }
            self.refuse(&commands, code);
            return Ok(Intake::Answered);
        }

        self.expects = expects_answer(&commands);
        if !verdict.is_accepted() {
            // A server that wants nothing is not challenged. [DM-Security]
            let over = verdict == Verdict::OtherScheme || self.verifier.failures() >= MAX_FAULTS;
            if !self.expects || over {
                return Err(SessionEnd::ServerUnauthorized);
            }
            self.refuse(&commands, verdict.status());
            return Ok(Intake::Answered);
        }
        for command in &commands {
            self.stop(command, verdicts);
            if let Command::Status(status) = command {
                self.judge(status, verdicts);
            }
        }
        if commands.iter().any(is_abort) {
            return Ok(Intake::Aborted);
        }
        Ok(Intake::Commands {
            msg_id: received,
            taken: self.take(commands, is_final),
        })
    }

    /// Adds an answer to a command: where it waits, or nothing if no Status is wanted.
    pub(crate) fn answer(&mut self, answer: Command<'static>) -> Option<&mut Command<'static>> {
        if self.no_resp && is_status(&answer) {
            return None;
        }
        self.outbox.push_back(answer);
        self.outbox.back_mut()
    }

    /// The answer that was added last, if it was not sent.
    pub(crate) fn last_answer(&mut self) -> Option<&mut Command<'static>> {
        self.outbox.back_mut()
    }

    /// Keeps the room of a message that was answered, for the next one.
    pub(crate) fn reuse(&mut self, sent: Vec<u8>) {
        self.spare = sent;
    }

    /// Whether the server, asked for its next message, had nothing for it.
    fn is_empty(&mut self, commands: &[Command<'_>]) -> bool {
        let ledger = &mut self.ledger;
        !self.server_done
            && commands.iter().all(|command| match command {
                Command::Status(status) => ledger.status(status).is_none(),
                _ => false,
            })
    }

    /// Whether nothing is left to be said, and the server expects nothing. [DM-Protocol]
    pub(crate) fn is_over(&self) -> bool {
        self.server_done && self.done && !self.expects && self.outbox.is_empty()
    }

    /// The MAC of the message that was packed last, for the transport.
    pub(crate) fn seal(&mut self, body: &[u8]) -> Option<String> {
        self.prover.mac(body).map(|hmac| hmac.to_string())
    }

    /// What the ends prove themselves with next, if that changed.
    fn remember(&mut self) -> Option<NoncePair> {
        let mut next = self.nonces.clone();
        if let Some(issued) = self.verifier.next_nonce() {
            next.issued = Some(issued.clone());
        }
        if let Some(reached) = self.verifier.reached_nonce() {
            next.notification = Some(reached.clone());
        }
        next.received = self.prover.nonce().cloned();
        let changed = next != self.nonces;
        self.nonces.clone_from(&next);
        changed.then_some(next)
    }

    /// What package 1 holds besides alerts.
    fn set_up(&mut self, tree: &Tree) {
        let code = match self.trigger {
            Trigger::Client => AlertCode::CLIENT_INITIATED,
            Trigger::Server => AlertCode::SERVER_INITIATED,
        };
        let leaf = |uri: &'static str| {
            let value = dev_info(tree, uri).unwrap_or_default().to_owned();
            Item::new().with_source(uri).with_data(value)
        };
        let replace = NodeCommand::new(DEV_INFO.map(leaf));
        self.sending = None;
        self.assembler.discard();
        self.outbox.clear();
        self.waiting_results = 0;
        self.outbox.push_back(Command::Alert(Alert::new(code)));
        self.outbox.push_back(Command::Replace(replace));
        self.server_done = true;
    }

    /// The status for a header in a version that is not supported. From now on the version is that
    /// of the server, if it speaks a lower one.
    fn version(&mut self, header: &Header<'_>) -> Result<(), StatusCode> {
        if header.ver_dtd != Header::VER_DTD {
            return Err(StatusCode::DTD_VERSION_NOT_SUPPORTED);
        }
        match Version::of(header) {
            Some(version) if version <= self.link.version() => {
                self.link.set_version(version);
                Ok(())
            }
            _ => Err(StatusCode::PROTOCOL_VERSION_NOT_SUPPORTED),
        }
    }

    /// The Status of a received header.
    fn header_status(
        &self,
        header: &Header<'_>,
        version: Result<(), StatusCode>,
        verdict: Verdict,
    ) -> Option<Status<'static>> {
        if header.no_resp {
            return None;
        }
        if let Err(code) = version {
            let supported = match code {
                StatusCode::DTD_VERSION_NOT_SUPPORTED => Header::VER_DTD,
                _ => self.link.version().as_str(),
            };
            let item = Item::new().with_data(supported);
            return Some(header_status(header, code).with_items([item]));
        }
        let status = header_status(header, verdict.status());
        Some(match self.verifier.chal() {
            Some(chal) => status.with_chal(chal),
            None => status,
        })
    }

    /// What the server says about our last message, which was in the version `spoken`, as a whole.
    fn heard(
        &mut self,
        commands: &[Command<'_>],
        spoken: Version,
        compat: Compat,
    ) -> Result<Heard, SessionEnd> {
        let last = self.link.last_sent();
        let status = commands.iter().find_map(|command| match command {
            Command::Status(status)
                if status.cmd_ref == CmdRef::Header && status.msg_ref == last =>
            {
                Some(status)
            }
            _ => None,
        });
        self.answered |= commands.iter().any(is_status);
        let Some(status) = status else {
            let passes =
                (compat.missing_header_status && self.answered) || commands.iter().any(is_abort);
            return match passes {
                true => Ok(Heard::Accepted),
                false => Err(SessionEnd::NoHeaderStatus),
            };
        };
        let lowest = Version::default();
        if status.code == StatusCode::PROTOCOL_VERSION_NOT_SUPPORTED && spoken > lowest {
            self.link.set_version(lowest);
            return Ok(Heard::Again);
        }
        match self.prover.heard(status.code, status.chal.as_deref()) {
            Some(Heard::Failed) => Err(SessionEnd::Unauthorized),
            Some(Heard::Violated) => Err(SessionEnd::MacViolated),
            Some(heard) => Ok(heard),
            None if status.code.is_failure() => Err(SessionEnd::Refused(status.code)),
            None => Ok(Heard::Accepted),
        }
    }

    /// Answers every command with the same code, unexecuted.
    fn refuse(&mut self, commands: &[Command<'_>], code: StatusCode) {
        let mut open: Vec<&Command<'_>> = commands.iter().rev().collect();
        while let Some(command) = open.pop() {
            if let Command::Atomic(group) | Command::Sequence(group) = command {
                open.extend(group.commands.iter().rev());
            }
            if !matches!(command, Command::Status(_)) && !command.no_resp() {
                let status = command_status(self.link.last_received(), command, code);
                self.answer(Command::Status(status));
            }
        }
    }

    /// What a Status says about an alert, if it is about one.
    fn judge(&mut self, status: &Status<'_>, verdicts: &mut Verdicts) {
        let Some(&key) = self.ledger.status(status) else {
            return;
        };
        let refused = verdicts.refused.iter_mut().find(|(known, _)| *known == key);
        // One Status for each Item: one that refuses is enough, and one that may change.
        if !status.code.is_success() {
            verdicts.delivered.retain(|known| *known != key);
            match refused {
                Some((_, code)) if code.is_some_and(is_for_good) => *code = Some(status.code),
                Some(_) => {}
                None => verdicts.refused.push((key, Some(status.code))),
            }
        } else if refused.is_none() && !verdicts.delivered.contains(&key) {
            verdicts.delivered.push(key);
        }
    }

    /// The alerts the server never answered.
    pub(crate) fn unanswered(&mut self) -> Vec<AlertKey> {
        self.ledger.close()
    }

    /// Puts large objects together, and takes out what is no command to be walked through.
    fn take<'m>(&mut self, mut commands: Vec<Command<'m>>, is_final: bool) -> walk::Taken<'m> {
        let msg_id = self.link.last_received();
        let mut statuses = SortedMap::new();
        let mut place = 0;
        commands.retain_mut(|command| {
            if is_status(command) {
                return false;
            }
            if is_next_message(command) && self.prompted.is_empty() {
                if !self.no_resp && !command.no_resp() {
                    let status = command_status(msg_id, command, StatusCode::OK);
                    self.prompted.push(Command::Status(status));
                }
                return false;
            }
            match self.assembler.take(command) {
                Taken::Whole => {}
                Taken::Complete(whole) => *command = *whole,
                Taken::Answered(code) => _ = statuses.insert(place, code),
            }
            place += 1;
            true
        });
        if let Some(alert) = self.assembler.end_message(is_final) {
            self.outbox.push_back(alert);
        }
        walk::Taken { commands, statuses }
    }

    /// Ends the object that is sent in chunks if that is what the server wants. Of Results that is
    /// all; an alert counts as refused.
    fn stop(&mut self, command: &Command<'_>, verdicts: &mut Verdicts) {
        let Some(sending) = &self.sending else {
            return;
        };
        let code = match sending.object.stopped_by(command) {
            Some(Stopped::Refused(code)) => Some(code),
            Some(Stopped::NoEndOfData) => None,
            None => return,
        };
        if let Some(key) = self.sending.take().and_then(|sending| sending.alert) {
            verdicts.refused.push((key, code));
        }
    }
}

/// Whom the nonces of the sessions with the server belong to.
pub(crate) fn peer(config: &Config) -> &str {
    config.server_id.as_str()
}

fn next_header<'a>(link: &'a mut Link, prover: &'a mut Prover) -> Header<'a> {
    let cred = prover.cred();
    let mut header = link.next_header();
    header.source.name = prover.name().map(Into::into);
    header.cred = cred;
    header
}

fn is_next_message(command: &Command<'_>) -> bool {
    matches!(command, Command::Alert(alert)
        if alert.code == Some(AlertCode::NEXT_MESSAGE) && alert.cmd_id.is_some())
}

/// Whether there is something to answer.
fn expects_answer(commands: &[Command<'_>]) -> bool {
    !commands.iter().all(is_status)
}

fn is_status(command: &Command<'_>) -> bool {
    matches!(command, Command::Status(_))
}

fn is_abort(command: &Command<'_>) -> bool {
    matches!(command, Command::Alert(alert) if alert.code == Some(AlertCode::SESSION_ABORT))
}
