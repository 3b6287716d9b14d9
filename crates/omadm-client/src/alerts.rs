//! The queue of Generic Alerts: durable, at least once.

use std::{collections::BTreeMap, time::Duration};

use omadm_core::{Batch, Correlator, Format, GenericAlert, Journal, Mark, Space};

use crate::{Backoff, StartError};

/// Names an alert in the queue; ascending in the order they were queued.
pub(crate) type AlertKey = u64;

/// The alerts that wait for their acknowledgement, each a record in [`Space::ALERTS`].
#[derive(Debug, Default)]
pub(crate) struct AlertQueue {
    entries: BTreeMap<AlertKey, Entry>,
    next: AlertKey,
}

#[derive(Debug)]
struct Entry {
    alert: GenericAlert,
    /// How often the server refused it.
    tries: u32,
    /// Not sent before this moment, monotonic.
    due: Duration,
}

/// What became of a refused alert.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// It stays and is sent again.
    Kept { alert: GenericAlert, tries: u32 },
    /// It has been refused often enough.
    Dropped,
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
            (Ok(key), Some((tries, alert))) => {
                let key = AlertKey::from_be_bytes(key);
                queue.entries.insert(
                    key,
                    Entry {
                        alert,
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

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Writes `alerts` to `batch`; [`queued`](Self::queued) with the same alerts must follow when
    /// the batch is durable.
    pub(crate) fn queue(&self, alerts: &[GenericAlert], batch: &mut Batch) {
        for (key, alert) in (self.next..).zip(alerts) {
            batch.put(Space::ALERTS, key.to_be_bytes(), encode(0, alert));
        }
    }

    /// The batch with `alerts` is durable.
    pub(crate) fn queued(&mut self, alerts: Vec<GenericAlert>) {
        for alert in alerts {
            let entry = Entry {
                alert,
                tries: 0,
                due: Duration::ZERO,
            };
            self.entries.insert(self.next, entry);
            self.next += 1;
        }
    }

    /// The alerts that may be sent now, in order.
    pub(crate) fn due(&self, now: Duration) -> impl Iterator<Item = (AlertKey, &GenericAlert)> {
        self.entries
            .iter()
            .filter(move |(_, entry)| entry.due <= now)
            .map(|(&key, entry)| (key, &entry.alert))
    }

    /// When the next alert may be sent.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.entries.values().map(|entry| entry.due).min()
    }

    /// Writes the removal of an alert to `batch`; [`remove`](Self::remove) must follow when the
    /// batch is durable.
    pub(crate) fn unqueue(key: AlertKey, batch: &mut Batch) {
        batch.remove(Space::ALERTS, key.to_be_bytes());
    }

    /// Lets an alert rest that should be gone, but is not.
    pub(crate) fn put_off(&mut self, key: AlertKey, until: Duration) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.due = until;
        }
    }

    /// Takes an alert out of memory.
    pub(crate) fn remove(&mut self, key: AlertKey) -> Option<GenericAlert> {
        self.entries.remove(&key).map(|entry| entry.alert)
    }

    /// Counts a refusal, in memory and in `batch`.
    ///
    /// The count may be lost with the batch: the alert is then tried once more than asked for.
    pub(crate) fn refuse(
        &mut self,
        key: AlertKey,
        backoff: &Backoff,
        now: Duration,
        batch: &mut Batch,
    ) -> Option<Refused> {
        let entry = self.entries.get_mut(&key)?;
        entry.tries = entry.tries.saturating_add(1);
        if entry.tries > backoff.tries {
            return Some(Refused::Dropped);
        }
        entry.due = now.saturating_add(backoff.pause(entry.tries));
        batch.put(
            Space::ALERTS,
            key.to_be_bytes(),
            encode(entry.tries, &entry.alert),
        );
        Some(Refused::Kept {
            alert: entry.alert.clone(),
            tries: entry.tries,
        })
    }
}

const VERSION: u8 = 1;
const ABSENT: u32 = u32::MAX;

/// A record: version, tries, format and mark as places in `ALL` (255: no mark), then source,
/// correlator, type and data, each with its length.
fn encode(tries: u32, alert: &GenericAlert) -> Vec<u8> {
    let mut record = vec![VERSION];
    record.extend(tries.to_be_bytes());
    record.push(place(&Format::ALL, alert.format));
    record.push(alert.mark.map_or(u8::MAX, |mark| place(&Mark::ALL, mark)));
    let mut text = |text: Option<&str>| {
        let length = text.map_or(ABSENT, |text| u32::try_from(text.len()).unwrap_or(ABSENT));
        record.extend(length.to_be_bytes());
        if length != ABSENT {
            record.extend(text.unwrap_or_default().as_bytes());
        }
    };
    text(alert.source.as_deref());
    text(alert.correlator.as_ref().map(Correlator::as_str));
    text(Some(&alert.alert_type));
    text(Some(&alert.data));
    record
}

fn place<T: PartialEq>(all: &[T], wanted: T) -> u8 {
    let place = all.iter().position(|one| *one == wanted);
    place
        .and_then(|place| u8::try_from(place).ok())
        .unwrap_or(u8::MAX)
}

fn decode(record: &[u8]) -> Option<(u32, GenericAlert)> {
    let (&[version, t0, t1, t2, t3, format, mark], mut rest) = record.split_first_chunk()?;
    if version != VERSION {
        return None;
    }
    let mut text = || -> Option<Option<String>> {
        let (length, after) = rest.split_first_chunk()?;
        let length = u32::from_be_bytes(*length);
        rest = after;
        if length == ABSENT {
            return Some(None);
        }
        let (text, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        rest = after;
        Some(Some(String::from_utf8(text.to_vec()).ok()?))
    };
    let (source, correlator, alert_type, data) = (text()?, text()?, text()??, text()??);
    let mut alert = GenericAlert::new(alert_type, *Format::ALL.get(usize::from(format))?);
    alert.mark = match mark {
        u8::MAX => None,
        mark => Some(*Mark::ALL.get(usize::from(mark))?),
    };
    alert.source = source;
    alert.correlator = correlator.map(Correlator::new);
    alert.data = data;
    rest.is_empty()
        .then_some((u32::from_be_bytes([t0, t1, t2, t3]), alert))
}

#[cfg(test)]
mod tests {
    use omadm_core::MemoryJournal;

    use super::*;

    fn full() -> GenericAlert {
        let mut alert = GenericAlert::new("urn:x:alert", Format::Xml);
        alert.source = Some("./A/B".into());
        alert.mark = Some(Mark::Indeterminate);
        alert.correlator = Some(Correlator::new("c-1"));
        alert.data = "größer".into();
        alert
    }

    fn backoff() -> Backoff {
        Backoff {
            tries: 2,
            first: Duration::from_secs(1),
            cap: Duration::from_secs(9),
        }
    }

    #[test]
    fn records_round_trip() {
        for alert in [full(), GenericAlert::new("", Format::Int)] {
            assert_eq!(decode(&encode(7, &alert)), Some((7, alert)));
        }
    }

    #[test]
    fn a_damaged_record_is_refused() {
        let record = encode(7, &full());
        for end in 0..record.len() {
            assert_eq!(decode(&record[..end]), None, "cut at {end}");
        }
        assert_eq!(decode(&[record.as_slice(), b"x"].concat()), None);
        for (place, value) in [(0, 2), (5, 11), (6, 7), (7, 0x7f)] {
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
        let alerts: Vec<GenericAlert> = (0..300)
            .map(|n| GenericAlert::new(n.to_string(), Format::Chr))
            .collect();
        let mut batch = Batch::new();
        queue.queue(&alerts, &mut batch);
        queue.queued(alerts.clone());
        let kept = |tries| {
            Some(Refused::Kept {
                alert: alerts[0].clone(),
                tries,
            })
        };
        let refused = queue.refuse(0, &backoff(), Duration::ZERO, &mut batch);
        assert_eq!(refused, kept(1));
        assert_eq!(queue.next_due(), Some(Duration::ZERO));
        assert_eq!(queue.due(Duration::ZERO).count(), 299);
        assert_eq!(queue.due(Duration::from_secs(1)).count(), 300);
        journal.commit(&batch).unwrap();

        let mut queue = AlertQueue::load(&journal).unwrap();
        let found: Vec<GenericAlert> = queue
            .due(Duration::ZERO)
            .map(|(_, alert)| alert.clone())
            .collect();
        assert_eq!(found, alerts);
        let mut batch = Batch::new();
        let mut refuse = || queue.refuse(0, &backoff(), Duration::ZERO, &mut batch);
        assert_eq!(refuse(), kept(2));
        assert_eq!(refuse(), Some(Refused::Dropped));
        AlertQueue::unqueue(0, &mut batch);
        assert_eq!(queue.remove(0), Some(alerts[0].clone()));
        journal.commit(&batch).unwrap();
        assert_eq!(AlertQueue::load(&journal).unwrap().len(), 299);
    }
}
