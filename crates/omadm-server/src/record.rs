//! What is kept of a device: a record of its own in [`Space::DEVICES`], under its identifier, and
//! one for each step that is over in [`Space::REPORTS`], under identifier and place, a big-endian
//! `u32`.
//!
//! Numbers are big-endian, and texts begin with their length, a `u32` that is all ones where there
//! is no text.

use omadm_core::{
    Batch, ClientEvent, Correlator, Format, GenericAlert, Mark, Records, Space, StatusCode,
};
use omadm_session::{Nonce, Report};

use crate::device::{Device, News};

/// What a server keeps in the journal of its nonces, these included, for
/// [`upgrade`](omadm_core::upgrade()).
pub const RECORDS: &[Records] = &[
    omadm_session::RECORDS,
    Records::new(Space::DEVICES, VERSION),
    Records::new(Space::REPORTS, VERSION),
];

/// The version of both records.
const VERSION: u8 = 1;
const ABSENT: u32 = u32::MAX;

const ALERT: u8 = 0;
const EVENT: u8 = 1;

/// The record of a device: version; whether its next step was begun; the digests of alerts, the
/// identifiers of sessions and the news, each after their number; the nonce of resynchronisation.
pub(crate) fn of_device<'n>(device: &Device, news: impl Iterator<Item = &'n News>) -> Vec<u8> {
    let mut record = vec![VERSION, u8::from(device.place.begun)];
    count(&mut record, device.reported.len());
    for digest in &device.reported {
        record.extend(digest.to_be_bytes());
    }
    count(&mut record, device.notified.len());
    for id in &device.notified {
        record.extend(id.to_be_bytes());
    }
    let news: Vec<&News> = news.collect();
    count(&mut record, news.len());
    for news in news {
        match news {
            News::Alert(alert) => {
                record.push(ALERT);
                alert_into(alert, &mut record);
            }
            News::Event(event) => {
                record.push(EVENT);
                event_into(event, &mut record);
            }
        }
    }
    bytes(&mut record, device.resync.as_ref().map(Nonce::expose));
    record
}

/// The device of a record; none if it is damaged.
pub(crate) fn device(record: &[u8]) -> Option<Device> {
    let mut rest = Reader(record);
    if rest.byte()? != VERSION {
        return None;
    }
    let mut device = Device::default();
    device.place.begun = rest.flag()?;
    for _ in 0..rest.number()? {
        let digest = rest.array()?;
        device.reported.push_back(u64::from_be_bytes(digest));
    }
    for _ in 0..rest.number()? {
        let id = rest.array()?;
        device.notified.push_back(u16::from_be_bytes(id));
    }
    for _ in 0..rest.number()? {
        device.unconfirmed.push(match rest.byte()? {
            ALERT => News::Alert(rest.alert()?),
            EVENT => News::Event(rest.event()?),
            _ => return None,
        });
    }
    if let Some(nonce) = rest.bytes()? {
        device.resync = Some(Nonce::new(nonce).ok()?);
    }
    for news in &device.unconfirmed {
        match news {
            News::Alert(alert) => device.place.alerts.push(alert.clone()),
            News::Event(event) => device.place.events.push(event.clone()),
        }
    }
    rest.0.is_empty().then_some(device)
}

/// Adds the report of a step: version; whether it succeeded, and 2 more if its time was over, as
/// one may expect that; status, 0 for none; value, result, detail; the children after their number.
pub(crate) fn put_report(device: &str, place: usize, report: &Report, batch: &mut Batch) {
    let end = u8::from(report.ok) | u8::from(report.is_timed_out) << 1;
    let mut record = vec![VERSION, end];
    let status = report.status.map_or(0, StatusCode::get);
    record.extend(status.to_be_bytes());
    for optional in [&report.value, &report.result, &report.detail] {
        bytes(&mut record, optional.as_deref().map(str::as_bytes));
    }
    match &report.children {
        Some(names) => {
            count(&mut record, names.len());
            for name in names {
                bytes(&mut record, Some(name.as_bytes()));
            }
        }
        None => record.extend(ABSENT.to_be_bytes()),
    }
    batch.put(Space::REPORTS, report_key(device, place), record);
}

/// Takes out everything that is kept of a device with this many reports.
pub(crate) fn remove(device: &str, reports: usize, batch: &mut Batch) {
    batch.remove(Space::DEVICES, device);
    for place in 0..reports {
        batch.remove(Space::REPORTS, report_key(device, place));
    }
}

fn report_key(device: &str, place: usize) -> Vec<u8> {
    let mut key = device.as_bytes().to_vec();
    count(&mut key, place);
    key
}

/// The device and the place of a report.
pub(crate) fn of_report_key(key: &[u8]) -> Option<(&str, usize)> {
    let (device, place) = key.split_last_chunk()?;
    let place = u32::from_be_bytes(*place);
    Some((str::from_utf8(device).ok()?, usize::try_from(place).ok()?))
}

/// Whether a later version has written a record.
pub(crate) fn is_later(record: &[u8]) -> bool {
    record.first().is_some_and(|version| *version > VERSION)
}

/// The report of a record.
pub(crate) fn report(record: &[u8]) -> Option<Report> {
    let mut rest = Reader(record);
    if rest.byte()? != VERSION {
        return None;
    }
    let end = rest.byte()?;
    let (ok, is_timed_out) = (flag(end & 1)?, flag(end >> 1)?);
    let status = u16::from_be_bytes(rest.array()?);
    let mut report = Report::new(ok, (status != 0).then_some(status.into()));
    report.is_timed_out = is_timed_out;
    report.value = rest.text()?;
    report.result = rest.text()?;
    report.detail = rest.text()?;
    let children = rest.number()?;
    if children != ABSENT {
        let names = (0..children).map(|_| rest.text()?);
        report.children = Some(names.collect::<Option<_>>()?);
    }
    rest.0.is_empty().then_some(report)
}

/// Tells an alert from others, in every build.
pub(crate) fn digest_of_alert(alert: &GenericAlert) -> u64 {
    let mut record = Vec::new();
    alert_into(alert, &mut record);
    digest(&record)
}

/// Tells a record from others, in every build: FNV-1a.
pub(crate) fn digest(record: &[u8]) -> u64 {
    record.iter().fold(0xCBF2_9CE4_8422_2325, |digest, byte| {
        (digest ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

fn alert_into(alert: &GenericAlert, record: &mut Vec<u8>) {
    record.push(place(&Format::ALL, alert.format));
    record.push(alert.mark.map_or(u8::MAX, |mark| place(&Mark::ALL, mark)));
    let correlator = alert.correlator.as_ref().map(Correlator::as_str);
    for text in [
        alert.source.as_deref(),
        correlator,
        Some(&*alert.alert_type),
        Some(&*alert.data),
    ] {
        bytes(record, text.map(str::as_bytes));
    }
}

fn event_into(event: &ClientEvent, record: &mut Vec<u8>) {
    record.push(place(&Format::ALL, event.format));
    for text in [
        event.source.as_deref(),
        Some(&*event.event_type),
        Some(&*event.data),
    ] {
        bytes(record, text.map(str::as_bytes));
    }
}

fn place<T: PartialEq>(all: &[T], wanted: T) -> u8 {
    let place = all.iter().position(|one| *one == wanted);
    place
        .and_then(|place| u8::try_from(place).ok())
        .unwrap_or(u8::MAX)
}

fn count(record: &mut Vec<u8>, number: usize) {
    record.extend(u32::try_from(number).unwrap_or(ABSENT).to_be_bytes());
}

fn bytes(record: &mut Vec<u8>, octets: Option<&[u8]>) {
    count(record, octets.map_or(ABSENT as usize, <[u8]>::len));
    record.extend(octets.unwrap_or_default());
}

fn flag(byte: u8) -> Option<bool> {
    match byte {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// What is left of a record.
struct Reader<'r>(&'r [u8]);

impl<'r> Reader<'r> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn byte(&mut self) -> Option<u8> {
        let [byte] = self.array()?;
        Some(byte)
    }

    fn flag(&mut self) -> Option<bool> {
        flag(self.byte()?)
    }

    fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn bytes(&mut self) -> Option<Option<&'r [u8]>> {
        let length = self.number()?;
        if length == ABSENT {
            return Some(None);
        }
        let length = usize::try_from(length).ok()?;
        let (octets, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(Some(octets))
    }

    fn text(&mut self) -> Option<Option<String>> {
        let octets = self.bytes()?;
        let text = octets.map(|octets| String::from_utf8(octets.to_vec()));
        text.transpose().ok()
    }

    fn alert(&mut self) -> Option<GenericAlert> {
        let [format, mark] = self.array()?;
        let (source, correlator) = (self.text()?, self.text()?);
        let format = *Format::ALL.get(usize::from(format))?;
        let mut alert = GenericAlert::new(self.text()??, format);
        alert.mark = match mark {
            u8::MAX => None,
            mark => Some(*Mark::ALL.get(usize::from(mark))?),
        };
        alert.source = source;
        alert.correlator = correlator.map(Correlator::new);
        alert.data = self.text()??;
        Some(alert)
    }

    fn event(&mut self) -> Option<ClientEvent> {
        let format = *Format::ALL.get(usize::from(self.byte()?))?;
        let source = self.text()?;
        let mut event = ClientEvent::new(self.text()??, format);
        event.source = source;
        event.data = self.text()??;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use omadm_session::notification::RESYNC_TEXT;
    use proptest::prelude::*;

    use super::*;

    fn alert() -> GenericAlert {
        let mut alert = GenericAlert::new("t", Format::Int);
        alert.source = Some("./A".into());
        alert.mark = Some(Mark::Fatal);
        alert.correlator = Some(Correlator::new("c-1"));
        alert.data = "ü".into();
        alert
    }

    fn full() -> Device {
        let mut device = Device::default();
        device.place.begun = true;
        device.reported.extend([1, u64::MAX]);
        device.notified.extend([7, 0xFFFF]);
        device.unconfirmed.push(News::Alert(alert()));
        let event = ClientEvent::new("e", Format::Chr);
        device.unconfirmed.push(News::Event(event));
        device.resync = Nonce::new(RESYNC_TEXT).ok();
        device
    }

    fn record_of(device: &Device) -> Vec<u8> {
        of_device(device, device.unconfirmed.iter())
    }

    /// What is on disks: a record of another shape has another version.
    #[test]
    fn records_of_version_1_stay_as_they_are() {
        let hex = |record: &[u8]| -> String {
            let digits = record.iter().map(|byte| format!("{byte:02x}"));
            digits.collect()
        };
        assert_eq!(
            hex(&record_of(&full())),
            "0101\
             000000020000000000000001ffffffffffffffff\
             000000020007ffff\
             00000002\
             000400000000032e2f4100000003632d31000000017400000002c3bc\
             0103ffffffff000000016500000000\
             0000000a30783030303030303030"
        );
        let mut batch = Batch::new();
        let mut ended = Report::failure(Some(StatusCode::NOT_FOUND), "no");
        ended.children = Some(vec!["a".into(), "b".into()]);
        put_report("d", 258, &ended, &mut batch);
        let omadm_core::Operation::Put { key, value, .. } = &batch.operations()[0] else {
            panic!("{batch:?}");
        };
        assert_eq!(hex(key), "6400000102");
        assert_eq!(
            hex(value),
            "01000194ffffffffffffffff000000026e6f00000002000000016100000001\
             62"
        );
    }

    #[test]
    fn devices_come_back_and_damage_is_told() {
        let record = record_of(&full());
        let found = device(&record).unwrap();
        assert_eq!(record_of(&found), record);
        assert_eq!(found.place.alerts, [alert()]);
        assert_eq!(found.place.events.len(), 1);
        for end in 0..record.len() {
            assert!(device(&record[..end]).is_none(), "cut at {end}");
        }
        assert!(device(&[&record[..], &[0]].concat()).is_none());
        let newer = [&[VERSION + 1], &record[1..]].concat();
        assert!(device(&newer).is_none());
        assert!(is_later(&newer) && !is_later(&record) && !is_later(&[0]) && !is_later(&[]));
    }

    #[test]
    fn alerts_have_the_same_digest_in_every_build() {
        let alert = GenericAlert::new("t", Format::Chr);
        assert_eq!(digest_of_alert(&alert), 8_694_354_759_208_612_776);
    }

    prop_compose! {
        fn reports()(
            ok in any::<bool>(),
            status in prop::option::of(100u16..600),
            texts in prop::array::uniform3(prop::option::of(".{0,20}")),
            children in prop::option::of(prop::collection::vec(".{0,5}", 0..4)),
            is_timed_out in any::<bool>(),
        ) -> Report {
            let mut report = Report::new(ok, status.map(StatusCode::from));
            [report.value, report.result, report.detail] = texts;
            report.children = children;
            report.is_timed_out = is_timed_out;
            report
        }
    }

    proptest! {
        #[test]
        fn reports_come_back(ended in reports(), place in any::<u32>()) {
            let mut batch = Batch::new();
            put_report("dev", place as usize, &ended, &mut batch);
            let omadm_core::Operation::Put { key, value, .. } = &batch.operations()[0] else {
                panic!("{batch:?}");
            };
            prop_assert_eq!(of_report_key(key), Some(("dev", place as usize)));
            prop_assert_eq!(report(value), Some(ended));
        }

        #[test]
        fn no_record_does_harm(record in prop::collection::vec(any::<u8>(), 0..100)) {
            let after = |version: u8| [&[version], &record[..]].concat();
            _ = (device(&after(VERSION)), report(&after(VERSION)), of_report_key(&record));
        }
    }
}
