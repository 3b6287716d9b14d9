//! The queue of Generic Alerts and client events: durable, at least once.

use std::time::Duration;

use omadm_core::{
    Backoff, Batch, ClientEvent, GenericAlert, Journal, RecordReader, RecordWriter, Records,
    SortedMap, Space, StatusCode,
};
use omadm_syncml::Alert;
use omadm_tree::Uri;

use crate::{Delivery, DropReason, Event, StartError};

/// News for the server, to be kept until it has them: one Alert command. [DM-Protocol §8.6, §8.7]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// Generic Alerts (1226), each an Item; they have one Correlator or none.
    Alerts(Vec<GenericAlert>),
    /// Client events (1224), each an Item.
    Events(Vec<ClientEvent>),
}

impl Notice {
    /// How many Items it has.
    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Alerts(alerts) => alerts.len(),
            Self::Events(events) => events.len(),
        }
    }

    /// Whether each Item has a type, and no Source but the address of a node.
    pub(crate) fn is_fit(&self) -> bool {
        let fits = |source: Option<&str>, kind: &str| {
            !kind.trim().is_empty() && source.is_none_or(|it| Uri::parse(it).is_ok())
        };
        match self {
            Self::Alerts(alerts) => {
                let mut alerts = alerts.iter();
                alerts.all(|it| fits(it.source.as_deref(), &it.alert_type))
            }
            Self::Events(events) => {
                let mut events = events.iter();
                events.all(|it| fits(it.source.as_deref(), &it.event_type))
            }
        }
    }

    /// Octets of its texts.
    fn octets(&self) -> usize {
        let of = |source: Option<&str>, kind: &str, data: &str| {
            let source = source.map_or(0, str::len);
            source.saturating_add(kind.len()).saturating_add(data.len())
        };
        match self {
            Self::Alerts(alerts) => {
                let alerts = alerts.iter();
                let octets = alerts.map(|it| of(it.source.as_deref(), &it.alert_type, &it.data));
                octets.fold(0, usize::saturating_add)
            }
            Self::Events(events) => {
                let events = events.iter();
                let octets = events.map(|it| of(it.source.as_deref(), &it.event_type, &it.data));
                octets.fold(0, usize::saturating_add)
            }
        }
    }

    /// As many as it takes for each to have one Correlator.
    pub(crate) fn split(self) -> Vec<Self> {
        match self {
            Self::Alerts(alerts) => {
                let mut notices: Vec<Self> = Vec::new();
                for alert in alerts {
                    match notices.last_mut() {
                        Some(Self::Alerts(alike))
                            if alike
                                .last()
                                .is_some_and(|last| last.correlator == alert.correlator) =>
                        {
                            alike.push(alert);
                        }
                        _ => notices.push(alert.into()),
                    }
                }
                notices
            }
            Self::Events(events) if events.is_empty() => Vec::new(),
            events => vec![events],
        }
    }

    /// The command that brings it.
    pub(crate) fn command(&self) -> Alert<'_> {
        match self {
            Self::Alerts(alerts) => Alert::from_generics(alerts),
            Self::Events(events) => Alert::from_client_events(events),
        }
    }

    /// What is told of it, Item by Item.
    pub(crate) fn told(&self, delivery: Delivery) -> Vec<Event> {
        match self {
            Self::Alerts(alerts) => {
                let alerts = alerts.iter().cloned();
                alerts
                    .map(|alert| match delivery {
                        Delivery::Queued => Event::AlertQueued(alert),
                        Delivery::Delivered => Event::AlertDelivered(alert),
                        Delivery::Refused { status, tries } => Event::AlertRefused {
                            alert,
                            status,
                            tries,
                        },
                        Delivery::Dropped(reason) => Event::AlertDropped { alert, reason },
                    })
                    .collect()
            }
            Self::Events(events) => {
                let events = events.iter().cloned();
                events
                    .map(|event| Event::ClientEvent { event, delivery })
                    .collect()
            }
        }
    }
}

impl From<GenericAlert> for Notice {
    fn from(alert: GenericAlert) -> Self {
        Self::Alerts(vec![alert])
    }
}

impl From<ClientEvent> for Notice {
    fn from(event: ClientEvent) -> Self {
        Self::Events(vec![event])
    }
}

/// A notice with where it comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct News {
    pub(crate) notice: Notice,
    /// Who told the device; none for its own.
    pub(crate) teller: Option<String>,
}

impl From<Notice> for News {
    fn from(notice: Notice) -> Self {
        Self {
            notice,
            teller: None,
        }
    }
}

impl News {
    /// What somebody told the device.
    pub(crate) fn told((teller, alert): (String, GenericAlert)) -> Self {
        Self {
            notice: alert.into(),
            teller: Some(teller),
        }
    }

    /// How much of the queue it takes.
    fn size(&self) -> Size {
        Size {
            items: self.notice.len(),
            octets: self.notice.octets(),
        }
    }
}

/// How much of the queue something takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Size {
    pub(crate) items: usize,
    /// Of the texts.
    pub(crate) octets: usize,
}

impl Size {
    const fn and(self, other: Self) -> Self {
        Self {
            items: self.items.saturating_add(other.items),
            octets: self.octets.saturating_add(other.octets),
        }
    }

    const fn fits(self, room: Self) -> bool {
        self.items <= room.items && self.octets <= room.octets
    }
}

/// What the queue holds at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Items of the device's own, and as many again that others told it.
    pub(crate) items: usize,
    /// Of one of the others.
    pub(crate) share: Size,
}

/// Names a notice in the queue; ascending in the order they were queued.
pub(crate) type AlertKey = u64;

/// The alerts that wait for their acknowledgement, each a record in [`Space::ALERTS`].
#[derive(Debug, Default)]
pub(crate) struct AlertQueue {
    entries: SortedMap<AlertKey, Entry>,
    next: AlertKey,
}

#[derive(Debug)]
struct Entry {
    news: News,
    /// How often the server refused it.
    tries: u32,
    /// Not sent before this moment, monotonic.
    due: Duration,
}

/// What became of a refused alert.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// It stays and is sent again.
    Kept { notice: Notice, tries: u32 },
    /// It is not to be sent again.
    Dropped(DropReason),
}

/// Whether the same alert gets this status however often it is sent: the status is about what the
/// alert is, or about what the server can do. Others may change: rights, credentials, load and
/// storage.
pub(crate) const fn is_for_good(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NOT_FOUND
            | StatusCode::COMMAND_NOT_ALLOWED
            | StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED
            | StatusCode::INCOMPLETE_COMMAND
            | StatusCode::REQUEST_ENTITY_TOO_LARGE
            | StatusCode::URI_TOO_LONG
            | StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT
            | StatusCode::COMMAND_NOT_IMPLEMENTED
    )
}

impl AlertQueue {
    /// Takes up what the last run left.
    pub(crate) fn load(journal: &dyn Journal) -> Result<Self, StartError> {
        let mut queue = Self::default();
        let mut intact = true;
        journal.scan(Space::ALERTS, &mut |key, value| match (
            <[u8; 8]>::try_from(key),
            decode(value),
        ) {
            (Ok(key), Some((tries, news))) => {
                let key = AlertKey::from_be_bytes(key);
                queue.entries.insert(
                    key,
                    Entry {
                        news,
                        tries,
                        due: Duration::ZERO,
                    },
                );
                queue.next = queue.next.max(key.saturating_add(1));
            }
            _ => intact = false,
        })?;
        if intact {
            Ok(queue)
        } else {
            Err(StartError::AlertRecord)
        }
    }

    /// How many wait, each Item counted.
    pub(crate) fn len(&self) -> usize {
        let entries = self.entries.values();
        entries.map(|entry| entry.news.notice.len()).sum()
    }

    /// What of these fits, and what does not, with the reason.
    pub(crate) fn admit(
        &self,
        news: Vec<News>,
        room: Room,
    ) -> (Vec<News>, Vec<(Notice, DropReason)>) {
        // As after most commands.
        if news.is_empty() {
            return Default::default();
        }
        let mut own = 0usize;
        let mut told = 0usize;
        let mut shares: SortedMap<String, Size> = SortedMap::new();
        let mut count = |news: &News| match &news.teller {
            None => own = own.saturating_add(news.notice.len()),
            Some(teller) => {
                told = told.saturating_add(news.notice.len());
                let share = shares.get_or_insert_with(teller.clone(), Default::default);
                *share = share.and(news.size());
            }
        };
        for entry in self.entries.values() {
            count(&entry.news);
        }
        let (mut admitted, mut dropped) = (Vec::new(), Vec::new());
        for news in news {
            let size = news.size();
            let reason = match &news.teller {
                None => {
                    own = own.saturating_add(size.items);
                    (own > room.items).then_some(DropReason::QueueFull)
                }
                Some(teller) => {
                    let share = shares.get(teller).copied().unwrap_or_default();
                    if !share.and(size).fits(room.share) {
                        Some(DropReason::ShareFull)
                    } else if told.saturating_add(size.items) > room.items {
                        Some(DropReason::QueueFull)
                    } else {
                        told = told.saturating_add(size.items);
                        shares.insert(teller.clone(), share.and(size));
                        None
                    }
                }
            };
            match reason {
                None => admitted.push(news),
                Some(reason) => dropped.push((news.notice, reason)),
            }
        }
        (admitted, dropped)
    }

    /// Writes `news` to `batch`; [`queued`](Self::queued) with the same must follow when the batch
    /// is durable.
    pub(crate) fn queue(&self, news: &[News], batch: &mut Batch) {
        for (key, news) in (self.next..).zip(news) {
            batch.put(Space::ALERTS, key.to_be_bytes(), encode(0, news));
        }
    }

    /// The batch with `news` is durable.
    pub(crate) fn queued(&mut self, news: Vec<News>) {
        for news in news {
            let entry = Entry {
                news,
                tries: 0,
                due: Duration::ZERO,
            };
            self.entries.insert(self.next, entry);
            self.next += 1;
        }
    }

    /// The notices that may be sent now, in order.
    pub(crate) fn due(&self, now: Duration) -> impl Iterator<Item = (AlertKey, &Notice)> {
        self.entries
            .iter()
            .filter(move |(_, entry)| entry.due <= now)
            .map(|(&key, entry)| (key, &entry.news.notice))
    }

    /// When the next alert may be sent.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.entries.values().map(|entry| entry.due).min()
    }

    /// Writes the removal of a notice to `batch`; [`remove`](Self::remove) must follow when the
    /// batch is durable.
    pub(crate) fn unqueue(key: AlertKey, batch: &mut Batch) {
        batch.remove(Space::ALERTS, key.to_be_bytes());
    }

    /// Lets a notice rest that should be gone, but is not.
    pub(crate) fn put_off(&mut self, key: AlertKey, until: Duration) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.due = until;
        }
    }

    /// Takes a notice out of memory.
    pub(crate) fn remove(&mut self, key: AlertKey) -> Option<Notice> {
        self.entries.remove(&key).map(|entry| entry.news.notice)
    }

    /// Counts a refusal, in memory and in `batch`.
    ///
    /// The count may be lost with the batch: the alert is then tried once more than asked for.
    pub(crate) fn refuse(
        &mut self,
        (key, status): (AlertKey, Option<StatusCode>),
        backoff: &Backoff,
        now: Duration,
        batch: &mut Batch,
    ) -> Option<Refused> {
        let entry = self.entries.get_mut(&key)?;
        if let Some(status) = status.filter(|&status| is_for_good(status)) {
            return Some(Refused::Dropped(DropReason::Unacceptable(status)));
        }
        entry.tries = entry.tries.saturating_add(1);
        if entry.tries > backoff.retries {
            return Some(Refused::Dropped(DropReason::Refused));
        }
        entry.due = now.saturating_add(backoff.pause(entry.tries));
        batch.put(
            Space::ALERTS,
            key.to_be_bytes(),
            encode(entry.tries, &entry.news),
        );
        Some(Refused::Kept {
            notice: entry.news.notice.clone(),
            tries: entry.tries,
        })
    }
}

pub(crate) const RECORDS: Records = Records::new(Space::ALERTS, VERSION).upgraded_by(upgrade);

/// The version of records; the first one had a single Generic Alert and no kind and number, the
/// second nobody who told it.
const VERSION: u8 = 3;

/// The kinds of records.
const ALERTS: u8 = 0;
const EVENTS: u8 = 1;

/// A record: version, tries, kind and number of Items, who told it, then each Item: format and mark
/// as places in `ALL` (255: no mark), then source, correlator, type and data; texts with their length.
fn encode(tries: u32, news: &News) -> Vec<u8> {
    let mut record = RecordWriter::new(VERSION);
    record.array(tries.to_be_bytes());
    record.byte(match &news.notice {
        Notice::Alerts(_) => ALERTS,
        Notice::Events(_) => EVENTS,
    });
    record.number(news.notice.len());
    record.text(news.teller.as_deref());
    match &news.notice {
        Notice::Alerts(alerts) => alerts.iter().for_each(|alert| record.alert(alert)),
        Notice::Events(events) => events
            .iter()
            .for_each(|event| record.alert(&as_alert(event))),
    }
    record.finish()
}

/// An event in the form of an alert, which differs by what it cannot have.
fn as_alert(event: &ClientEvent) -> GenericAlert {
    let mut alert = GenericAlert::new(event.event_type.as_str(), event.format);
    alert.source.clone_from(&event.source);
    alert.data.clone_from(&event.data);
    alert
}

fn as_event(alert: GenericAlert) -> Option<ClientEvent> {
    if alert.mark.is_some() || alert.correlator.is_some() {
        return None;
    }
    let mut event = ClientEvent::new(alert.alert_type, alert.format);
    event.source = alert.source;
    event.data = alert.data;
    Some(event)
}

fn decode(record: &[u8]) -> Option<(u32, News)> {
    let mut fields = RecordReader::new(VERSION, record)?;
    let tries = fields.number()?;
    let kind = fields.byte()?;
    let count = fields.number()?;
    let teller = fields.text()?;
    let (mut alerts, mut events) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let item = fields.alert()?;
        match kind {
            ALERTS => alerts.push(item),
            _ => events.push(as_event(item)?),
        }
    }
    let notice = match kind {
        ALERTS => Notice::Alerts(alerts),
        EVENTS => Notice::Events(events),
        _ => return None,
    };
    fields.end((tries, News { notice, teller }))
}

/// A record of the first two versions with what it did not have.
fn upgrade(record: &[u8]) -> Option<Vec<u8>> {
    let mut nobody = RecordWriter::default();
    nobody.text(None);
    let nobody = nobody.finish();
    let upgraded = match record {
        [1, t0, t1, t2, t3, item @ ..] => {
            let head = [VERSION, *t0, *t1, *t2, *t3, ALERTS, 0, 0, 0, 1];
            [&head[..], &nobody, item].concat()
        }
        [2, t0, t1, t2, t3, kind, c0, c1, c2, c3, items @ ..] => {
            let head = [VERSION, *t0, *t1, *t2, *t3, *kind, *c0, *c1, *c2, *c3];
            [&head[..], &nobody, items].concat()
        }
        _ => return None,
    };
    decode(&upgraded)?;
    Some(upgraded)
}

#[cfg(test)]
mod tests {
    use omadm_core::{Correlator, Format, Mark, MemoryJournal};

    use super::*;

    fn full() -> GenericAlert {
        let mut alert = GenericAlert::new("urn:x:alert", Format::Xml);
        alert.source = Some("./A/B".into());
        alert.mark = Some(Mark::Indeterminate);
        alert.correlator = Some(Correlator::new("c-1"));
        alert.data = "größer".into();
        alert
    }

    fn own(alert: GenericAlert) -> News {
        Notice::from(alert).into()
    }

    fn backoff() -> Backoff {
        Backoff {
            retries: 2,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(9),
        }
    }

    #[test]
    fn records_round_trip() {
        let mut event = ClientEvent::new("com.example.event", Format::Chr);
        event.source = Some("./A".into());
        event.data = "größer".into();
        for notice in [
            full().into(),
            GenericAlert::new("", Format::Int).into(),
            Notice::Alerts(vec![full(), GenericAlert::new("t", Format::Chr)]),
            Notice::Events(vec![event, ClientEvent::new("", Format::Xml)]),
        ] {
            for teller in [None, Some("vm-1".to_owned())] {
                let notice = notice.clone();
                let news = News { notice, teller };
                assert_eq!(decode(&encode(7, &news)), Some((7, news)));
            }
        }
    }

    /// What is in journals: a record of another shape has another version.
    #[test]
    fn records_of_version_3_stay_as_they_are() {
        let record = encode(7, &News::told(("vm".into(), full())));
        let expected = concat!(
            "\x03\0\0\0\x07\0\0\0\0\x01\0\0\0\x02vm\x07\x06\0\0\0\x05./A/B",
            "\0\0\0\x03c-1\0\0\0\x0Burn:x:alert\0\0\0\x08größer"
        );
        assert_eq!(record, expected.as_bytes());
        assert_eq!(RECORDS.version(), 3);
    }

    #[test]
    fn records_of_the_first_versions_are_upgraded() {
        let record = encode(7, &own(full()));
        let first = [&[1], &record[1..5], &record[14..]].concat();
        let second = [&[2], &record[1..10], &record[14..]].concat();
        for earlier in [first, second] {
            assert_eq!(upgrade(&earlier).as_ref(), Some(&record));
            for end in 0..earlier.len() {
                assert_eq!(upgrade(&earlier[..end]), None, "cut at {end}");
            }
        }
    }

    #[test]
    fn an_alert_command_has_one_correlator() {
        let alert = |data: &str, correlator: Option<&str>| {
            let mut alert = GenericAlert::new("t", Format::Chr);
            alert.data = data.into();
            alert.correlator = correlator.map(Correlator::new);
            alert
        };
        let (a, b) = (alert("a", None), alert("b", None));
        let (c, d) = (alert("c", Some("x")), alert("d", Some("y")));
        let notice = Notice::Alerts(vec![a.clone(), b.clone(), c.clone(), d.clone()]);
        assert_eq!(
            notice.split(),
            [Notice::Alerts(vec![a, b]), c.into(), d.into()]
        );
        assert!(Notice::Alerts(vec![]).split().is_empty());
        assert!(Notice::Events(vec![]).split().is_empty());
    }

    /// Nobody fills the queue for others, whatever was queued by an earlier run.
    #[test]
    fn everyone_has_a_share() {
        let told = |teller: &str, data: &str| {
            let mut alert = GenericAlert::new("t", Format::Chr);
            alert.data = data.into();
            News::told((teller.into(), alert))
        };
        let room = Room {
            items: 5,
            share: Size {
                items: 2,
                octets: 10,
            },
        };
        let journal = MemoryJournal::new();
        let mut queue = AlertQueue::load(&journal).unwrap();
        let mut keep = |news: Vec<News>| {
            let (admitted, dropped) = queue.admit(news, room);
            let mut batch = Batch::new();
            queue.queue(&admitted, &mut batch);
            journal.commit(&batch).unwrap();
            // As a restart has it.
            queue = AlertQueue::load(&journal).unwrap();
            dropped
                .into_iter()
                .map(|(_, reason)| reason)
                .collect::<Vec<_>>()
        };
        use DropReason::{QueueFull, ShareFull};
        assert_eq!(
            keep(vec![told("a", "1"), told("a", "2"), told("a", "3")]),
            [ShareFull]
        );
        assert_eq!(keep(vec![told("a", "4")]), [ShareFull]);
        // Its octets count, too; a smaller one still fits.
        assert_eq!(
            keep(vec![told("b", "1234567890"), told("b", "123456789")]),
            [ShareFull]
        );
        assert_eq!(
            keep(vec![told("c", "1"), told("d", "1"), told("e", "1")]),
            [QueueFull]
        );
        // The device's own do not mind.
        let mine = |data| own(GenericAlert::new(data, Format::Chr));
        assert_eq!(keep((0..5).map(|_| mine("t")).collect()), []);
        assert_eq!(keep(vec![mine("t")]), [QueueFull]);
        assert_eq!(queue.len(), 10);
    }

    #[test]
    fn a_damaged_record_is_refused() {
        let record = encode(7, &own(full()));
        for end in 0..record.len() {
            assert_eq!(decode(&record[..end]), None, "cut at {end}");
        }
        assert_eq!(decode(&[record.as_slice(), b"x"].concat()), None);
        for (place, value) in [
            (0, 4),
            (5, 1),
            (5, 2),
            (9, 2),
            (10, 0x7f),
            (14, 11),
            (15, 7),
            (16, 0x7f),
        ] {
            let mut bad = record.clone();
            bad[place] = value;
            assert_eq!(decode(&bad), None, "byte {place}");
        }
        let journal = MemoryJournal::new();
        let mut batch = Batch::new();
        batch.put(Space::ALERTS, 3u64.to_be_bytes(), [9]);
        journal.commit(&batch).unwrap();
        assert!(matches!(
            AlertQueue::load(&journal),
            Err(StartError::AlertRecord)
        ));
    }

    #[test]
    fn the_queue_survives_a_restart_in_order_and_counts_refusals() {
        let journal = MemoryJournal::new();
        let mut queue = AlertQueue::load(&journal).unwrap();
        let alerts: Vec<Notice> = (0..300)
            .map(|n| GenericAlert::new(n.to_string(), Format::Chr).into())
            .collect();
        let news: Vec<News> = alerts.iter().cloned().map(News::from).collect();
        let mut batch = Batch::new();
        queue.queue(&news, &mut batch);
        queue.queued(news);
        let kept = |tries| {
            Some(Refused::Kept {
                notice: alerts[0].clone(),
                tries,
            })
        };
        let refused = queue.refuse((0, None), &backoff(), Duration::ZERO, &mut batch);
        assert_eq!(refused, kept(1));
        assert_eq!(queue.next_due(), Some(Duration::ZERO));
        assert_eq!(queue.due(Duration::ZERO).count(), 299);
        assert_eq!(queue.due(Duration::from_secs(1)).count(), 300);
        journal.commit(&batch).unwrap();

        let mut queue = AlertQueue::load(&journal).unwrap();
        let found: Vec<Notice> = queue
            .due(Duration::ZERO)
            .map(|(_, notice)| notice.clone())
            .collect();
        assert_eq!(found, alerts);
        let mut batch = Batch::new();
        let mut refuse = || queue.refuse((0, None), &backoff(), Duration::ZERO, &mut batch);
        assert_eq!(refuse(), kept(2));
        assert_eq!(refuse(), Some(Refused::Dropped(DropReason::Refused)));
        AlertQueue::unqueue(0, &mut batch);
        assert_eq!(queue.remove(0), Some(alerts[0].clone()));
        journal.commit(&batch).unwrap();
        assert_eq!(AlertQueue::load(&journal).unwrap().len(), 299);
    }
}
