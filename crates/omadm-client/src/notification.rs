//! Notifications: verified, taken once, turned into sessions. [DM-Notification]

use std::{fmt, time::Duration};

use omadm_core::{
    Batch, Interaction, Journal, JournalErrorKind, Now, Records, SortedSet, Space, UserAnswer,
    UserInteraction,
};
use omadm_session::{
    Nonce,
    notification::{
        Initiator, NotificationError, ProvenBy, RESYNC_OCTETS, RESYNC_TEXT, UiMode, Unverified,
        Verified,
    },
};

use crate::{
    Config, Event, Output, Question, Start, StartError,
    device::Device,
    phase::Core,
    question::{Asked, Open},
};

/// How many identifiers are remembered, for each nonce.
const REMEMBERED: usize = 256;

/// How many notifications wait for their session; the oldest goes.
const WAITING: usize = 16;

/// How long a session waits for the person at the device to see that it begins.
const NOTICE: Duration = Duration::from_secs(10);

/// The time that [`Config::max_notifications`] and [`Config::max_unverified_notifications`] are for.
const WINDOW: Duration = Duration::from_secs(60);

/// A notification that comes from the server, and came for the first time:
/// [`Event::Notified`]. [DM-Notification]
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Notified {
    /// The session it asks for.
    pub start: Start,
    /// What it said about the user, who was told or asked by now.
    pub ui_mode: UiMode,
    /// Who caused it.
    pub initiator: Initiator,
    /// What the format leaves to vendors.
    pub vendor: Vec<u8>,
}

/// Why a notification was dropped: [`Event::NotificationDropped`]. Its sender learns nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NotificationDrop {
    /// More than [`Config::max_notifications`] were taken in a minute, or more than
    /// [`Config::max_unverified_notifications`] came.
    TooMany,
    /// It is malformed.
    Malformed(NotificationError),
    /// It is from a server without an account.
    UnknownServer,
    /// There is no password of the server to verify it with.
    NoPassword,
    /// Its digest is wrong.
    Forged,
    /// It was taken before.
    Repeated,
    /// It was taken, but so many came before its session could begin that it made room: the latest
    /// say what the server wants.
    Displaced,
    /// The person at the device did not want the session.
    Declined,
    /// That it was taken cannot be made durable.
    JournalFailed(JournalErrorKind),
}

impl fmt::Display for NotificationDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => f.write_str("too many notifications"),
            Self::Malformed(error) => error.fmt(f),
            Self::UnknownServer => f.write_str("there is no account with its server"),
            Self::NoPassword => f.write_str("there is no password to verify it with"),
            Self::Forged => f.write_str("its digest is wrong"),
            Self::Repeated => f.write_str("it came before"),
            Self::Displaced => f.write_str("later ones took its place"),
            Self::Declined => f.write_str("the user does not want the session"),
            Self::JournalFailed(kind) => kind.fmt(f),
        }
    }
}

/// A minute, and how many there were since it began.
#[derive(Debug, Default)]
struct Minute {
    /// Monotonic.
    began: Duration,
    count: u32,
}

impl Minute {
    /// Counts one more; whether it is within the limit.
    fn count(&mut self, limit: u32, now: Now) -> bool {
        if now.mono.saturating_sub(self.began) >= WINDOW {
            *self = Self {
                began: now.mono,
                count: 0,
            };
        }
        self.count = self.count.saturating_add(1);
        self.count <= limit
    }
}

/// The notifications of the server.
#[derive(Debug)]
pub(crate) struct Notifications {
    taken: Taken,
    came: Minute,
    verified: Minute,
    waiting: Vec<Notified>,
    /// What came in a session that may bring the nonce it is signed with, and what came behind.
    early: Vec<Vec<u8>>,
    /// The person at the device is told or asked.
    open: Option<(Open, Notified)>,
    /// What the caller was told of and did not open yet.
    offered: Option<Notified>,
}

impl Notifications {
    /// Takes up which ones came before.
    pub(crate) fn load(config: &Config, journal: &dyn Journal) -> Result<Self, StartError> {
        let record = journal.read(Space::NOTIFICATIONS, key(config))?;
        let taken = match record {
            None => Taken::default(),
            Some(record) => Taken::decode(&record).ok_or(StartError::NotificationRecord)?,
        };
        Ok(Self {
            taken,
            came: Minute::default(),
            verified: Minute::default(),
            waiting: Vec::new(),
            early: Vec::new(),
            open: None,
            offered: None,
        })
    }

    /// A notification came. What is taken is durable, and waits until no session is open.
    pub(crate) fn receive(&mut self, octets: &[u8], in_session: bool, core: &mut Core, now: Now) {
        let limit = core.config.max_unverified_notifications;
        let full = self.early.len() >= WAITING;
        if !self.came.count(limit, now) {
            self.settle(Err(NotificationDrop::TooMany), core);
        } else if self.early.is_empty() || full {
            match self.judge(octets, core, now) {
                Err(NotificationDrop::Forged) if full => {
                    self.settle(Err(NotificationDrop::TooMany), core);
                }
                Err(NotificationDrop::Forged) if in_session => self.early.push(octets.into()),
                judged => self.settle(judged, core),
            }
        } else {
            self.early.push(octets.into());
        }
    }

    /// No session is open any more: what came too early is judged.
    pub(crate) fn reconsider(&mut self, core: &mut Core, now: Now) {
        for octets in std::mem::take(&mut self.early) {
            let judged = self.judge(&octets, core, now);
            self.settle(judged, core);
        }
    }

    fn settle(&mut self, judged: Result<Notified, NotificationDrop>, core: &mut Core) {
        match judged {
            Ok(notified) => {
                if self.waiting.len() >= WAITING {
                    self.waiting.remove(0);
                    let reason = NotificationDrop::Displaced;
                    core.device.tell(Event::NotificationDropped(reason));
                }
                self.waiting.push(notified);
            }
            Err(reason) => core.device.tell(Event::NotificationDropped(reason)),
        }
    }

    fn judge(
        &mut self,
        octets: &[u8],
        core: &Core,
        now: Now,
    ) -> Result<Notified, NotificationDrop> {
        let Core { config, device, .. } = core;
        let read = Unverified::parse(octets).map_err(NotificationDrop::Malformed)?;
        if read.claimed().server_id != config.server_id {
            return Err(NotificationDrop::UnknownServer);
        }
        let (terms, nonces) = core.terms().map_err(|_| NotificationDrop::NoPassword)?;
        let password = config.notification_secret.as_ref();
        let password = password.or(terms.notification.as_ref());
        let password = password.ok_or(NotificationDrop::NoPassword)?;
        // The server may have the nonce that was issued last, if it ever arrived.
        let octets = |nonce: Option<Nonce>| nonce.map_or_else(Vec::new, |it| it.expose().to_vec());
        let stored = [octets(nonces.issued), octets(nonces.notification)];
        let mut proofs = stored.iter().filter_map(|nonce| {
            let verified = read.verify(password, nonce, config.nonce_resync)?;
            Some((verified, nonce))
        });
        let (
            Verified {
                notification,
                proven_by,
                ..
            },
            nonce,
        ) = proofs.next().ok_or(NotificationDrop::Forged)?;
        let resync = match proven_by {
            ProvenBy::StoredNonce => None,
            ProvenBy::ResyncText => Some(RESYNC_TEXT),
            ProvenBy::ResyncOctets => Some(RESYNC_OCTETS),
        };
        let session_id = notification.session_id.get();
        let taken = self
            .taken
            .with(session_id, resync.unwrap_or(nonce), &stored);
        let taken = taken.ok_or(NotificationDrop::Repeated)?;
        if !self.verified.count(config.max_notifications, now) {
            return Err(NotificationDrop::TooMany);
        }
        let mut batch = Batch::new();
        batch.put(Space::NOTIFICATIONS, key(config), taken.encode());
        device
            .journal()
            .commit(&batch)
            .map_err(|error| NotificationDrop::JournalFailed(error.kind()))?;
        self.taken = taken;
        let mut start = Start::by_server(session_id);
        start.resync = resync;
        Ok(Notified {
            start,
            ui_mode: notification.ui_mode,
            initiator: notification.initiator,
            vendor: notification.vendor,
        })
    }

    /// No session is open: tells or asks the person at the device, and offers the session.
    pub(crate) fn advance(&mut self, config: &Config, device: &mut Device, now: Now) {
        while self.open.is_none() && self.offered.is_none() && !self.waiting.is_empty() {
            let notified = self.waiting.remove(0);
            let (interaction, text, limit) = match notified.ui_mode {
                UiMode::NotSpecified | UiMode::Background => {
                    self.offer(notified, device);
                    return;
                }
                UiMode::Informative => {
                    (Interaction::Display, "begins a management session.", NOTICE)
                }
                UiMode::UserInteraction => (
                    Interaction::Confirm,
                    "asks for a management session. Allow it?",
                    config.interaction_limit,
                ),
            };
            let server = &config.server_id;
            let asked = || UserInteraction::new(interaction, format!("{server} {text}"));
            match Asked::new(asked) {
                Some(asked) => self.open = Some((Open::new(asked, limit, device, now), notified)),
                // Nobody objects to what is only told; nobody agrees to what is asked.
                None if notified.ui_mode == UiMode::Informative => self.offer(notified, device),
                None => device.tell(Event::NotificationDropped(NotificationDrop::Declined)),
            }
        }
    }

    /// Whether there are some that were not offered.
    pub(crate) fn are_waiting(&self) -> bool {
        self.open.is_some() || !self.waiting.is_empty()
    }

    /// The question that is open.
    pub(crate) fn question(&self) -> Option<&Question> {
        self.open.as_ref().map(|(open, _)| open.question())
    }

    /// The person at the device answered.
    pub(crate) fn answered(&mut self, answer: &UserAnswer, device: &mut Device) {
        if let Some((open, notified)) = self.open.take() {
            let is_asked = open.question().asked.interaction == Interaction::Confirm;
            if is_asked && *answer != UserAnswer::Accepted {
                let reason = NotificationDrop::Declined;
                device.tell(Event::NotificationDropped(reason));
            } else {
                self.offer(notified, device);
            }
        }
    }

    /// A moment has come; maybe the one until which an answer is waited for.
    pub(crate) fn wake(&mut self, device: &mut Device, now: Duration) {
        if self.deadline().is_some_and(|due| due <= now) {
            self.withdraw(device);
            self.answered(&UserAnswer::TimedOut, device);
        }
    }

    /// A session begins: one that is not the one offered keeps it waiting.
    pub(crate) fn session_opens(&mut self, start: Start, device: &mut Device) {
        self.withdraw(device);
        let asked = self.open.take().map(|(_, notified)| notified);
        let offered = self.offered.take().filter(|it| it.start != start);
        for notified in [asked, offered].into_iter().flatten() {
            self.waiting.insert(0, notified);
        }
    }

    /// Until when an answer is waited for, monotonic.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.open.as_ref().map(|(open, _)| open.deadline())
    }

    fn offer(&mut self, notified: Notified, device: &mut Device) {
        device.tell(Event::Notified(notified.clone()));
        self.offered = Some(notified);
    }

    fn withdraw(&self, device: &mut Device) {
        if let Some(question) = self.question() {
            let id = question.id;
            device.outputs().push_back(Output::Withdraw(id));
        }
    }
}

fn key(config: &Config) -> &[u8] {
    config.server_id.as_str().as_bytes()
}

/// The identifiers of the notifications that were taken, by the nonce they were signed with, so that
/// none is taken again.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Taken(Vec<(Vec<u8>, Vec<u16>)>);

impl Taken {
    /// The same with one more, unless it is among them. Nonces are forgotten that are neither among
    /// those stored nor the ones of resynchronisation: nothing signed with them is taken.
    fn with(&self, session_id: u16, nonce: &[u8], stored: &[Vec<u8>]) -> Option<Self> {
        let mut taken = self.clone();
        taken.0.retain(|(known, _)| {
            stored.contains(known) || [RESYNC_TEXT, RESYNC_OCTETS].contains(&known.as_slice())
        });
        let mut known = taken.0.iter_mut();
        match known.find(|(known, _)| known == nonce) {
            Some((_, ids)) if ids.contains(&session_id) => return None,
            Some((_, ids)) => {
                if ids.len() >= REMEMBERED {
                    ids.remove(0);
                }
                ids.push(session_id);
            }
            None => taken.0.push((nonce.to_vec(), vec![session_id])),
        }
        Some(taken)
    }

    /// A record: version, then each nonce and the identifiers under it, each with its length.
    fn encode(&self) -> Vec<u8> {
        let mut record = vec![RECORD_VERSION];
        let mut part = |octets: &[u8]| {
            let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
            record.extend(length.to_be_bytes());
            record.extend(octets);
        };
        for (nonce, ids) in &self.0 {
            part(nonce);
            let octets: Vec<u8> = ids.iter().flat_map(|id| id.to_be_bytes()).collect();
            part(&octets);
        }
        record
    }

    fn decode(record: &[u8]) -> Option<Self> {
        let (&RECORD_VERSION, mut rest) = record.split_first()? else {
            return None;
        };
        let part = |rest: &mut &[u8]| -> Option<Vec<u8>> {
            let (length, after) = rest.split_first_chunk()?;
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let (part, after) = after.split_at_checked(length)?;
            *rest = after;
            Some(part.to_vec())
        };
        let mut taken = Self::default();
        while !rest.is_empty() {
            let nonce = part(&mut rest)?;
            let octets = part(&mut rest)?;
            let (ids, odd) = octets.as_chunks();
            let ids: Vec<u16> = ids.iter().map(|id| u16::from_be_bytes(*id)).collect();
            let once: SortedSet<&u16> = ids.iter().collect();
            if !odd.is_empty() || ids.len() > REMEMBERED || once.len() != ids.len() {
                return None;
            }
            taken.0.push((nonce, ids));
        }
        Some(taken)
    }
}

pub(crate) const RECORDS: Records = Records::new(Space::NOTIFICATIONS, RECORD_VERSION);

const RECORD_VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn stored(nonces: &[&str]) -> Vec<Vec<u8>> {
        nonces
            .iter()
            .map(|nonce| nonce.as_bytes().to_vec())
            .collect()
    }

    #[test]
    fn an_identifier_counts_once_for_each_nonce() {
        let (ab, bc) = (stored(&["a", "b"]), stored(&["b", "c"]));
        let taken = Taken::default().with(7, b"a", &ab).unwrap();
        assert_eq!(taken.with(7, b"a", &ab), None);
        let taken = taken.with(7, b"b", &ab).unwrap();
        let taken = taken.with(7, RESYNC_TEXT, &ab).unwrap();
        for nonce in [b"a", b"b", RESYNC_TEXT] {
            assert_eq!(taken.with(7, nonce, &ab), None, "however they alternate");
        }
        let taken = taken.with(7, b"c", &bc).unwrap();
        for nonce in [b"b", b"c", RESYNC_TEXT] {
            assert_eq!(taken.with(7, nonce, &bc), None);
        }
        let nonces: Vec<_> = taken.0.iter().map(|(nonce, _)| nonce.as_slice()).collect();
        assert_eq!(
            nonces,
            [b"b", RESYNC_TEXT, b"c"],
            "the one of the past is gone"
        );
    }

    #[test]
    fn the_oldest_identifier_goes() {
        let count = u16::try_from(REMEMBERED).unwrap();
        let stored = stored(&["a"]);
        let mut taken = Taken::default();
        for id in 1..=count {
            taken = taken.with(id, b"a", &stored).unwrap();
        }
        assert_eq!(taken.with(1, b"a", &stored), None);
        let more = taken.with(count + 1, b"a", &stored).unwrap();
        assert_eq!(more.0[0].1.len(), REMEMBERED);
        assert!(more.with(1, b"a", &stored).is_some());
        assert_eq!(more.with(2, b"a", &stored), None);
    }

    #[test]
    fn a_damaged_record_is_refused() {
        let stored = stored(&["ab"]);
        let taken = Taken::default().with(7, b"ab", &stored).unwrap();
        // It is in journals: a record of another shape has another version.
        assert_eq!(taken.encode(), b"\x01\0\0\0\x02ab\0\0\0\x02\0\x07");
        assert_eq!(RECORDS.version(), 1);
        let one = taken.encode().len();
        let record = taken.with(8, RESYNC_TEXT, &stored).unwrap().encode();
        for end in (0..record.len()).filter(|end| ![1, one].contains(end)) {
            assert_eq!(Taken::decode(&record[..end]), None, "cut at {end}");
        }
        assert_eq!(Taken::decode(&[record.as_slice(), b"x"].concat()), None);
        let mut later = record.clone();
        later[0] = 2;
        assert_eq!(Taken::decode(&later), None);
        let twice = [&[1][..], &[0; 4], &[0, 0, 0, 4, 0, 7, 0, 7]].concat();
        assert_eq!(Taken::decode(&twice), None);
    }

    proptest! {
        #[test]
        fn records_round_trip(steps in vec((1..40u16, 0..4usize, 0..3usize), 0..40)) {
            let nonces = [b"a".as_slice(), b"", RESYNC_TEXT, RESYNC_OCTETS];
            let sets = [stored(&["a"]), stored(&["", "a"]), stored(&["b"])];
            let mut taken = Taken::default();
            for (id, nonce, set) in steps {
                taken = taken.with(id, nonces[nonce], &sets[set]).unwrap_or(taken);
                prop_assert_eq!(Taken::decode(&taken.encode()), Some(taken.clone()));
            }
        }
    }
}
