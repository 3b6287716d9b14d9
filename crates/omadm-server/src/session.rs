use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use omadm_core::Secret;
use omadm_session::{
    Assembler, LargeObject, Ledger, Link, Nonce, NoncePair, Prover, Scheme, Tag, Tagged,
    TransportIdentity, Unanswered, Verifier,
};
use omadm_syncml::{CmdId, Command, Encoding, Header, Status, Version};

use crate::{Account, Config, ProcedureId, Request, device::News};

/// Names a session: the identifier of its device and its SessionID.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key {
    pub(crate) device: Arc<str>,
    pub(crate) session: Arc<str>,
}

impl Key {
    pub(crate) const fn new(device: Arc<str>, session: Arc<str>) -> Self {
        Self { device, session }
    }
}

/// A session with one device, as a value: everything that has to outlive the answer to a message.
///
/// ```text
///             ┌──── 401, 407 ────┐
///             ▼                  │
/// Package 1 ──► Opening ─────────┘
///                  │ proven, or nothing to prove
///                  ▼
///                Open ──── a package without commands, 1223 ────► Ended
///                  ▲                                                │
///                  └── the device still has something to say ◄──────┘
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Session {
    pub(crate) link: Link,
    pub(crate) verifier: Verifier,
    pub(crate) prover: Prover,
    /// The nonces of the next session, as they are durable; none where no proof has any.
    pub(crate) nonces: Option<Box<NoncePair>>,
    pub(crate) phase: Phase,
    /// When the last message came, by [`Now::mono`](omadm_core::Now::mono).
    pub(crate) last_seen: Duration,
    /// The [fingerprint](Self::fingerprint) of the last message.
    pub(crate) last: u64,
    pub(crate) messages: u32,
    pub(crate) alerts: u32,
    /// What was sent and waits for its Status.
    pub(crate) ledger: Ledger<Sent>,
    /// Statuses that are not sent yet.
    pub(crate) outbox: VecDeque<Command<'static>>,
    /// Commands that are not sent yet.
    pub(crate) queue: VecDeque<Queued>,
    /// The command of which chunks were sent, and others not.
    pub(crate) sending: Option<Box<Sending>>,
    /// The large object of which chunks came, and others not.
    pub(crate) assembler: Assembler,
    /// Whose Results did not come whole so far, and why they are missing if they never do.
    pub(crate) unfinished: Option<(ProcedureId, Tag, Unanswered)>,
    /// Alerts in the last message, and before that since a Status had no room. That their Status arrived is known when a further one comes.
    pub(crate) unconfirmed: Vec<News>,
    /// Whether the package of the server goes on in the next message.
    pub(crate) mid_package: bool,
    /// Whether the last message had room for one Status at most, and others wait. That of an Alert
    /// 1222 is left out then: it would take that room again and again.
    pub(crate) cramped: bool,
    /// Whether the session is to be aborted with the next answer.
    pub(crate) abort: bool,
    pub(crate) turn: Option<Box<Turn>>,
    /// The last message, for a device that did not get it, or does not believe who the server is.
    /// There may be a secret in it.
    pub(crate) answer: Secret,
    /// The transport header `x-syncml-hmac` of the answer.
    pub(crate) hmac: Option<Box<str>>,
    pub(crate) encoding: Encoding,
    /// Whom the transport authenticated as the sender of the last message.
    pub(crate) identity: Option<TransportIdentity>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// No message was processed yet.
    Opening,
    Open,
    /// Kept for the repetition of the last message, and where the server had nothing more to say
    /// for a device that has.
    Ended {
        resumable: bool,
    },
}

/// A message that was received and waits for its answer.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Turn {
    /// The Status of its header.
    pub(crate) status: Status<'static>,
    /// Whether the package of the device is complete, so that commands may be sent.
    pub(crate) complete: bool,
}

/// What was sent under a CmdID.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Sent {
    /// An alert of the protocol itself.
    Alert,
    /// A Get whose answer is of no interest, but that there is one.
    Proof,
    /// A chunk that is not the last one of its object.
    Chunk,
    Command {
        procedure: ProcedureId,
        tag: Tag,
        /// Whether chunks of it were sent in messages before.
        is_rest: bool,
    },
}

/// A command whose value is sent in chunks.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Sending {
    pub(crate) procedure: ProcedureId,
    pub(crate) tag: Tag,
    pub(crate) object: LargeObject,
}

/// A command that waits for its message.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Queued {
    pub(crate) procedure: ProcedureId,
    pub(crate) tagged: Tagged,
}

impl Session {
    pub(crate) fn new(
        header: &Header<'_>,
        account: Account,
        config: &Config,
        nonces: Option<Box<NoncePair>>,
        resync: Option<Nonce>,
    ) -> Self {
        let known = nonces.as_deref();
        let received = known.and_then(|it| it.received.clone());
        let received = resync.clone().or(received);
        let issued = known.and_then(|it| it.issued.clone());
        let link = Link::new(
            header.session_id.as_ref(),
            header.target.clone().into_owned(),
            header.source.clone().into_owned(),
        );
        Self {
            link: link
                .with_sizes(config.max_message_size, config.max_object_size)
                .with_version(Version::of(header).unwrap_or_default()),
            verifier: Verifier::new(account.device)
                .with_identity(account.identity)
                .with_nonces(issued, resync),
            prover: Prover::new(account.server).with_nonce(received),
            nonces,
            phase: Phase::Opening,
            last_seen: Duration::ZERO,
            last: 0,
            messages: 0,
            alerts: 0,
            ledger: Ledger::new(),
            outbox: VecDeque::new(),
            queue: VecDeque::new(),
            sending: None,
            assembler: Assembler::new(config.max_object_size.into()),
            unfinished: None,
            unconfirmed: Vec::new(),
            mid_package: false,
            cramped: false,
            abort: false,
            turn: None,
            answer: Secret::default(),
            hmac: None,
            encoding: Encoding::Xml,
            identity: None,
        }
    }

    /// The header of the next message.
    pub(crate) fn next_header(&mut self) -> Header<'_> {
        let cred = self.prover.cred();
        let mut header = self.link.next_header();
        header.source.name = self.prover.name().map(Into::into);
        header.cred = cred;
        header
    }

    /// What both ends prove themselves with next, if that is to be made durable.
    pub(crate) fn next_nonces(&self) -> Option<Box<NoncePair>> {
        let before = self.nonces.as_ref()?;
        let issued = self.verifier.next_nonce().or(before.issued.as_ref());
        let heard = self.prover.heard_nonce();
        let notification = heard.or(before.notification.as_ref());
        let received = self.prover.nonce();
        let is_kept = issued == before.issued.as_ref()
            && notification == before.notification.as_ref()
            && received == before.received.as_ref();
        (!is_kept).then(|| {
            let mut next = before.clone();
            next.issued = issued.cloned();
            next.notification = notification.cloned();
            next.received = received.cloned();
            next
        })
    }

    /// The same after this many messages of the engine.
    pub(crate) fn after(mut self, sent: u32) -> Self {
        self.link = self.link.with_sent(sent);
        self
    }

    /// What tells a repetition of a message from another one with the same MsgID. With a MAC it has
    /// to be the very same; without, a new message 1 is told from an old one, and all others are the
    /// same.
    pub(crate) fn fingerprint(&self, request: &Request<'_>, msg_id: u32) -> u64 {
        if msg_id != 1 && self.verifier.scheme() != Some(Scheme::Mac) {
            return 0;
        }
        let mut hasher = DefaultHasher::new();
        (request.body, request.hmac).hash(&mut hasher);
        hasher.finish()
    }

    /// Gives back the room of what it held before the next message comes.
    pub(crate) fn compact(&mut self) {
        self.outbox.shrink_to_fit();
        self.queue.shrink_to_fit();
        self.unconfirmed.shrink_to_fit();
    }

    /// The identifier of the device: the LocURI of its Source.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.link.remote().uri
    }

    /// The SessionID.
    #[must_use]
    pub fn session_id(&self) -> &str {
        self.link.session_id()
    }

    /// Whether a message was processed and the session has not ended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }
}

impl Sent {
    pub(crate) const fn command(procedure: ProcedureId, tag: Tag) -> Self {
        Self::Command {
            procedure,
            tag,
            is_rest: false,
        }
    }
}

/// The LocURI a command addresses; empty if it addresses none.
pub(crate) fn address<'c>(command: &'c Command<'_>) -> &'c str {
    let item = command.items().first();
    let target = item.and_then(|item| item.target.as_ref());
    target.map_or("", |target| &*target.uri)
}

impl Queued {
    /// What is awaited once it is packed: an answer for the command and for each one inside it.
    pub(crate) fn sent(&self) -> impl Iterator<Item = (CmdId, Sent)> {
        self.tagged.flatten().filter_map(|(tag, command)| {
            let sent = Sent::command(self.procedure, tag);
            Some((command.cmd_id()?, sent))
        })
    }
}
