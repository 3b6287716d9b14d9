//! What is kept of a device: a record of its own in [`Space::DEVICES`], under its identifier, and
//! one for each step that is over in [`Space::REPORTS`], under identifier and place, a big-endian
//! `u32`. Their fields are those of [`RecordWriter`].

use std::sync::LazyLock;

use omadm_core::{
    Batch, ClientEvent, GenericAlert, RecordReader, RecordWriter, Records, Space, StatusCode,
};
use omadm_session::{Nonce, Report};

use crate::device::{Device, News};

/// What a server keeps in the journal of its nonces, these included, for
/// [`upgrade`](omadm_core::upgrade()).
pub const RECORDS: &[Records] = &[
    omadm_session::RECORDS,
    Records::new(Space::DEVICES, VERSION).upgraded_by(upgrade),
    Records::new(Space::REPORTS, REPORT_VERSION),
];

/// The version of the record of a device.
const VERSION: u8 = 2;

/// The version of the record of a report.
const REPORT_VERSION: u8 = 1;

const ALERT: u8 = 0;
const EVENT: u8 = 1;

/// The record of a device: version; whether its next step was begun, and is in doubt; the digests of alerts, the
/// identifiers of sessions and the news, each after their number; the nonce of resynchronisation.
pub(crate) fn of_device<'n>(device: &Device, news: impl Iterator<Item = &'n News>) -> Vec<u8> {
    let mut record = RecordWriter::new(VERSION);
    record.byte(u8::from(device.past.place.begun));
    record.byte(u8::from(device.past.place.in_doubt));
    record.number(device.past.reported.len());
    for digest in &device.past.reported {
        record.array(digest.to_be_bytes());
    }
    record.number(device.past.notified.len());
    for id in &device.past.notified {
        record.array(id.to_be_bytes());
    }
    let news: Vec<&News> = news.collect();
    record.number(news.len());
    for news in news {
        match news {
            News::Alert(alert) => {
                record.byte(ALERT);
                record.alert(alert);
            }
            News::Event(event) => {
                record.byte(EVENT);
                event_into(event, &mut record);
            }
        }
    }
    record.octets(device.past.resync.as_ref().map(Nonce::expose));
    record.finish()
}

/// The digest of the record of a device of which there is nothing to remember.
pub(crate) static OF_NOTHING: LazyLock<u64> =
    LazyLock::new(|| digest(&of_device(&Device::default(), std::iter::empty())));

/// The device of a record; none if it is damaged.
pub(crate) fn device(record: &[u8]) -> Option<Device> {
    let mut fields = RecordReader::new(VERSION, record)?;
    let mut device = Device::default();
    device.past.place.begun = fields.flag()?;
    device.past.place.in_doubt = fields.flag()?;
    for _ in 0..fields.number()? {
        let digest = fields.array()?;
        device.past.reported.push_back(u64::from_be_bytes(digest));
    }
    for _ in 0..fields.number()? {
        let id = fields.array()?;
        device.past.notified.push_back(u16::from_be_bytes(id));
    }
    for _ in 0..fields.number()? {
        device.past.unconfirmed.push(match fields.byte()? {
            ALERT => News::Alert(fields.alert()?),
            EVENT => News::Event(event(&mut fields)?),
            _ => return None,
        });
    }
    if let Some(nonce) = fields.octets()? {
        device.past.resync = Some(Nonce::new(nonce).ok()?);
    }
    let past = &mut *device.past;
    for news in &past.unconfirmed {
        match news {
            News::Alert(alert) => past.place.alerts.push(alert.clone()),
            News::Event(event) => past.place.events.push(event.clone()),
        }
    }
    fields.end(device)
}

/// The record of a device in version 1 knew nothing of doubt.
fn upgrade(record: &[u8]) -> Option<Vec<u8>> {
    let [1, begun, rest @ ..] = record else {
        return None;
    };
    Some([&[VERSION, *begun, 0], rest].concat())
}

/// Adds the report of a step: version; whether it succeeded, and 2 more if its time was over, as
/// one may expect that; status, 0 for none; value, result, detail; the children after their number.
pub(crate) fn put_report(device: &str, place: usize, report: &Report, batch: &mut Batch) {
    let end = u8::from(report.ok) | u8::from(report.is_timed_out) << 1;
    let mut record = RecordWriter::new(REPORT_VERSION);
    record.byte(end);
    record.array(report.status.map_or(0, StatusCode::get).to_be_bytes());
    for optional in [&report.value, &report.result, &report.detail] {
        record.text(optional.as_deref());
    }
    match &report.children {
        Some(names) => {
            record.number(names.len());
            names.iter().for_each(|name| record.text(Some(name)));
        }
        None => record.octets(None),
    }
    batch.put(Space::REPORTS, report_key(device, place), record.finish());
}

/// Takes out everything that is kept of a device with this many reports.
pub(crate) fn remove(device: &str, reports: usize, batch: &mut Batch) {
    batch.remove(Space::DEVICES, device);
    for place in 0..reports {
        batch.remove(Space::REPORTS, report_key(device, place));
    }
}

fn report_key(device: &str, place: usize) -> Vec<u8> {
    let place = u32::try_from(place).unwrap_or(u32::MAX);
    [device.as_bytes(), &place.to_be_bytes()].concat()
}

/// The device and the place of a report.
pub(crate) fn of_report_key(key: &[u8]) -> Option<(&str, usize)> {
    let (device, place) = key.split_last_chunk()?;
    let place = u32::from_be_bytes(*place);
    Some((str::from_utf8(device).ok()?, usize::try_from(place).ok()?))
}

/// Whether a later version has written the record of a space.
pub(crate) fn is_later(space: Space, record: &[u8]) -> bool {
    let mut kept = RECORDS.iter().filter(|records| records.space() == space);
    let version = record.first().copied().unwrap_or_default();
    kept.any(|records| version > records.version())
}

/// The report of a record.
pub(crate) fn report(record: &[u8]) -> Option<Report> {
    let mut fields = RecordReader::new(REPORT_VERSION, record)?;
    let end = fields.byte()?;
    if end > 3 {
        return None;
    }
    let status = u16::from_be_bytes(fields.array()?);
    let mut report = Report::new(end & 1 != 0, (status != 0).then_some(status.into()));
    report.is_timed_out = end & 2 != 0;
    report.value = fields.text()?;
    report.result = fields.text()?;
    report.detail = fields.text()?;
    if let Some(children) = fields.optional_number()? {
        let names = (0..children).map(|_| fields.text()?);
        report.children = Some(names.collect::<Option<_>>()?);
    }
    fields.end(report)
}

/// Tells an alert from others, in every build.
pub(crate) fn digest_of_alert(alert: &GenericAlert) -> u64 {
    let mut record = RecordWriter::default();
    record.alert(alert);
    digest(&record.finish())
}

/// Tells a record from others, in every build: FNV-1a.
pub(crate) fn digest(record: &[u8]) -> u64 {
    record.iter().fold(0xCBF2_9CE4_8422_2325, |digest, byte| {
        (digest ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

/// A client event: its Format, Source, Type and Data.
fn event_into(event: &ClientEvent, record: &mut RecordWriter) {
    record.format(event.format);
    for text in [
        event.source.as_deref(),
        Some(&*event.event_type),
        Some(&*event.data),
    ] {
        record.text(text);
    }
}

fn event(fields: &mut RecordReader<'_>) -> Option<ClientEvent> {
    let format = fields.format()?;
    let source = fields.text()?;
    let mut event = ClientEvent::new(fields.text()??, format);
    event.source = source;
    event.data = fields.text()??;
    Some(event)
}

#[cfg(test)]
mod tests {
    use omadm_core::{Correlator, Format, Mark};
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
        device.past.place.begun = true;
        device.past.reported.extend([1, u64::MAX]);
        device.past.notified.extend([7, 0xFFFF]);
        device.past.unconfirmed.push(News::Alert(alert()));
        let event = ClientEvent::new("e", Format::Chr);
        device.past.unconfirmed.push(News::Event(event));
        device.past.resync = Nonce::new(RESYNC_TEXT).ok();
        device
    }

    fn record_of(device: &Device) -> Vec<u8> {
        of_device(device, device.past.unconfirmed.iter())
    }

    fn hex(record: &[u8]) -> String {
        let digits = record.iter().map(|byte| format!("{byte:02x}"));
        digits.collect()
    }

    /// What is on disks: a record of another shape has another version.
    #[test]
    fn records_of_devices_stay_as_they_are() {
        let mut device = full();
        device.past.place.in_doubt = true;
        assert_eq!(
            hex(&record_of(&device)),
            "020101\
             000000020000000000000001ffffffffffffffff\
             000000020007ffff\
             00000002\
             000400000000032e2f4100000003632d31000000017400000002c3bc\
             0103ffffffff000000016500000000\
             0000000a30783030303030303030"
        );
    }

    #[test]
    fn a_device_of_version_1_is_not_in_doubt() {
        let present = record_of(&full());
        let old = [&[1, 1], &present[3..]].concat();
        assert_eq!(upgrade(&old), Some(present.clone()));
        for damaged in [&old[..1], &[0, 1], &present] {
            assert_eq!(upgrade(damaged), None);
        }
        // What was spoilt stays so.
        let spoilt = upgrade(&old[..old.len() - 1]).unwrap();
        assert!(device(&spoilt).is_none());
    }

    #[test]
    fn reports_of_version_1_stay_as_they_are() {
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
        assert_eq!(found.past.place.alerts, [alert()]);
        assert_eq!(found.past.place.events.len(), 1);
        for end in 0..record.len() {
            assert!(device(&record[..end]).is_none(), "cut at {end}");
        }
        assert!(device(&[&record[..], &[0]].concat()).is_none());
        let newer = [&[VERSION + 1], &record[1..]].concat();
        assert!(device(&newer).is_none());
        let is_later = |record: &[u8]| is_later(Space::DEVICES, record);
        assert!(is_later(&newer) && !is_later(&record) && !is_later(&[0]) && !is_later(&[]));
        let is_later = |version: u8| super::is_later(Space::REPORTS, &[version]);
        assert!(is_later(REPORT_VERSION + 1) && !is_later(REPORT_VERSION));
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
            _ = (device(&after(VERSION)), report(&after(REPORT_VERSION)), of_report_key(&record));
        }
    }
}
