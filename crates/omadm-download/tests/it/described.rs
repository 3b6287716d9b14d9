//! Files behind descriptors, their reports, digests, and sources that drip. [DLOTA 1.0]

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use omadm_core::{Journal, MemoryJournal, Space};
use omadm_download::{
    Cancel, Clock, Content, Descriptor, Download, DownloadError, DownloadUri, Ending, Environment,
    Fetch, FetchError, FetchErrorKind, FetchRequest, Finished, MemorySink, Policy, Receiver,
    ResponseHead, Sink, SinkErrorKind, Validator,
};

use crate::source::{key, pattern};

pub(crate) const TYPE: &str = "application/x-image";
pub(crate) const DD: &str = "http://h/a.dd";
pub(crate) const OBJECT: &str = "http://h/a.img";

/// One answer of a server.
#[derive(Clone)]
pub(crate) struct File {
    media_type: &'static str,
    bytes: Vec<u8>,
    length: Option<u64>,
    /// Breaks after this many bytes, once.
    pub(crate) cut: Option<usize>,
}

/// A server of files that takes reports.
#[derive(Default)]
pub(crate) struct Shop {
    files: Mutex<BTreeMap<String, File>>,
    asked: Mutex<Vec<(String, String, Option<u64>)>>,
    /// What the reports are answered with; taken after that.
    answers: Mutex<VecDeque<FetchErrorKind>>,
    reports: Mutex<Vec<(String, String)>>,
    /// Seconds, and how many pass with each chunk.
    time: AtomicU64,
    drip: u64,
    waits: Mutex<Vec<u64>>,
    cancel: Cancel,
    /// Stop when this much was reported.
    stop_at: Option<usize>,
}

impl Fetch for Shop {
    fn fetch(
        &self,
        request: &FetchRequest<'_>,
        receiver: &mut dyn Receiver,
    ) -> Result<Ending, FetchError> {
        let from = request.resume.map(|resume| resume.from);
        self.asked
            .lock()
            .unwrap()
            .push((request.uri.to_string(), request.accept.to_owned(), from));
        let mut files = self.files.lock().unwrap();
        let file = files.get_mut(request.uri.as_str());
        let file = file.ok_or(FetchError::from(FetchErrorKind::Status(404)))?;
        let content = match from {
            Some(first) => Content::Part {
                first,
                total: file.length,
            },
            None => Content::Whole {
                length: file.length,
            },
        };
        let mut head = ResponseHead::new(content);
        head.media_type = Some(file.media_type.to_owned());
        head.validator = Some(Validator::new("\"1\""));
        let cut = file.cut.take();
        let bytes = &file.bytes[from.unwrap_or(0) as usize..];
        let bytes = &bytes[..cut.unwrap_or(bytes.len())];
        if receiver.head(&head).is_break() {
            return Ok(Ending::Stopped);
        }
        for chunk in bytes.chunks(10) {
            self.time.fetch_add(self.drip, Ordering::SeqCst);
            if receiver.chunk(chunk).is_break() {
                return Ok(Ending::Stopped);
            }
        }
        match cut {
            Some(_) => Err(FetchErrorKind::Interrupted.into()),
            None => Ok(Ending::Complete),
        }
    }

    fn report(&self, uri: &DownloadUri, line: &str, _: &Cancel) -> Result<(), FetchError> {
        let mut reports = self.reports.lock().unwrap();
        reports.push((uri.to_string(), line.to_owned()));
        if self.stop_at == Some(reports.len()) {
            self.cancel.cancel();
            return Err(FetchErrorKind::Interrupted.into());
        }
        match self.answers.lock().unwrap().pop_front() {
            Some(kind) => Err(kind.into()),
            None => Ok(()),
        }
    }
}

impl Clock for Shop {
    fn now(&self) -> Duration {
        Duration::from_secs(self.time.load(Ordering::SeqCst))
    }

    fn wait(&self, duration: Duration, _: &Cancel) {
        self.time.fetch_add(duration.as_secs(), Ordering::SeqCst);
        self.waits.lock().unwrap().push(duration.as_secs());
    }
}

pub(crate) struct Bench {
    pub(crate) shop: Shop,
    sink: MemorySink,
    journal: MemoryJournal,
    pub(crate) policy: Policy,
    digest: Option<[u8; 32]>,
}

pub(crate) fn descriptor(size: u64) -> Descriptor {
    let mut descriptor = Descriptor::new(TYPE, size, OBJECT.parse().unwrap());
    descriptor.install_notify_uri = Some("http://h/report".parse().unwrap());
    descriptor
}

impl Bench {
    /// A shop with a file of 95 bytes behind this descriptor.
    pub(crate) fn new(descriptor: &Descriptor) -> Self {
        let mut policy = Policy::default();
        policy.checkpoint_bytes = 30;
        let bench = Self {
            shop: Shop::default(),
            sink: MemorySink::new(),
            journal: MemoryJournal::new(),
            policy,
            digest: None,
        };
        bench.put(DD, Descriptor::MEDIA_TYPE, descriptor.to_xml());
        bench.put(OBJECT, TYPE, pattern(95, 0));
        bench
    }

    fn put(&self, uri: &str, media_type: &'static str, bytes: Vec<u8>) {
        let file = File {
            media_type,
            length: Some(bytes.len() as u64),
            bytes,
            cut: None,
        };
        self.shop.files.lock().unwrap().insert(uri.to_owned(), file);
    }

    pub(crate) fn change(&self, uri: &str, change: impl FnOnce(&mut File)) {
        change(self.shop.files.lock().unwrap().get_mut(uri).unwrap());
    }

    fn run(&self) -> Result<Finished, DownloadError> {
        let environment = Environment {
            fetch: &self.shop,
            sink: &self.sink,
            journal: &self.journal,
            clock: &self.shop,
            policy: &self.policy,
            cancel: &self.shop.cancel,
        };
        let uri = DD.parse().unwrap();
        Download::prepare(&self.journal, &key(), &uri, TYPE)?
            .with_digest(self.digest)
            .run(&environment, &mut |_| {})
    }

    pub(crate) fn reports(&self) -> Vec<String> {
        let reports = self.shop.reports.lock().unwrap();
        let lines = reports.iter().map(|(uri, line)| {
            assert_eq!(uri, "http://h/report");
            line.clone()
        });
        lines.collect()
    }

    fn asked(&self) -> Vec<(String, Option<u64>)> {
        let asked = self.shop.asked.lock().unwrap();
        asked
            .iter()
            .map(|(uri, _, from)| (uri.clone(), *from))
            .collect()
    }

    /// Fails with this report, and leaves nothing.
    fn fails(&self, report: &str) -> DownloadError {
        let error = self.run().unwrap_err();
        assert_eq!(self.reports(), [format!("{report}\r\n")], "{error}");
        assert_eq!(self.sink.keys().unwrap(), []);
        error
    }
}

#[test]
fn a_descriptor_leads_to_its_file_and_a_report() {
    let bench = Bench::new(&descriptor(95));
    assert_eq!(bench.run().unwrap().bytes, 95);
    assert_eq!(bench.sink.contents(&key()), Some(pattern(95, 0)));
    assert_eq!(bench.reports(), ["900 Success\r\n"]);
    let asked = bench.shop.asked.lock().unwrap().clone();
    let both = format!("{TYPE}, {}", Descriptor::MEDIA_TYPE);
    assert_eq!(
        asked,
        [
            (DD.to_owned(), both, None),
            (OBJECT.to_owned(), TYPE.to_owned(), None)
        ]
    );
    // The answer was lost with the process: the same again, and no second report.
    assert_eq!(bench.run().unwrap().bytes, 95);
    assert_eq!(bench.reports().len(), 1);

    let mut quiet = descriptor(95);
    quiet.install_notify_uri = None;
    let bench = Bench::new(&quiet);
    bench.run().unwrap();
    assert_eq!(bench.reports(), Vec::<String>::new());
}

/// The object goes on where it was, also in another run; the descriptor is not asked for again.
#[test]
fn an_object_goes_on_where_it_broke() {
    let bench = Bench::new(&descriptor(95));
    bench.change(OBJECT, |file| file.cut = Some(50));
    bench.run().unwrap();
    let object = |from| (OBJECT.to_owned(), from);
    assert_eq!(
        bench.asked(),
        [(DD.to_owned(), None), object(None), object(Some(50))]
    );
    assert_eq!(bench.sink.contents(&key()), Some(pattern(95, 0)));

    let mut bench = Bench::new(&descriptor(95));
    bench.change(OBJECT, |file| file.cut = Some(50));
    bench.policy.retry.retries = 0;
    // [DLOTA 903]
    bench.fails("903 Loss of Service");
}

/// [DLOTA 905]: length and type are what the descriptor says, or nothing stays.
#[test]
fn a_descriptor_that_lies_is_found_out() {
    for (size, length) in [(94, Some(95)), (96, Some(95)), (94, None), (96, None)] {
        let bench = Bench::new(&descriptor(size));
        bench.change(OBJECT, |file| file.length = length);
        let error = bench.fails("905 Attribute mismatch");
        assert!(matches!(error, DownloadError::Length { expected, .. } if expected == size));
        let known = length.is_some();
        assert_eq!(bench.asked().len(), 2, "{size} {known}");
    }
    let bench = Bench::new(&descriptor(95));
    bench.change(OBJECT, |file| file.media_type = "application/x-other");
    assert!(matches!(
        bench.fails("905 Attribute mismatch"),
        DownloadError::MediaType { .. }
    ));
    // The node's MediaType is not among the types: the object is not even asked for.
    let mut other = descriptor(95);
    other.types = vec!["a/b".to_owned(), "c/d".to_owned()];
    let bench = Bench::new(&other);
    let error = bench.fails("905 Attribute mismatch");
    assert!(
        matches!(&error, DownloadError::MediaType { found, .. } if found == "a/b, c/d"),
        "{error}"
    );
    assert_eq!(bench.asked().len(), 1);
    // A descriptor of a descriptor is no object.
    let bench = Bench::new(&descriptor(95));
    bench.change(OBJECT, |file| file.media_type = Descriptor::MEDIA_TYPE);
    bench.fails("905 Attribute mismatch");
}

/// [DLOTA 901, 906, 951, 954]
#[test]
fn what_fails_is_reported_with_its_code_and_leaves_nothing() {
    let mut bench = Bench::new(&descriptor(95));
    bench.sink = MemorySink::with_capacity(94);
    let error = bench.fails("901 Insufficient memory");
    assert!(matches!(&error, DownloadError::Sink(error) if error.kind() == SinkErrorKind::NoSpace));
    assert_eq!(bench.asked().len(), 1, "there is no room for it");

    let mut bench = Bench::new(&descriptor(95));
    bench.policy.max_bytes = 94;
    bench.fails("901 Insufficient memory");

    let notify = "<installNotifyURI>/report</installNotifyURI>";
    for (content, report) in [
        (format!("{notify}<size>0</size>"), "906 Invalid descriptor"),
        (
            format!("{notify}<DDVersion>2.0</DDVersion>"),
            "951 Invalid DDVersion",
        ),
        (
            format!("{notify}<x>{}</x>", "x".repeat(Descriptor::MAX_BYTES)),
            "906 Invalid descriptor",
        ),
    ] {
        let bench = Bench::new(&descriptor(95));
        let document = format!("<media>{content}</media>");
        let too_long = document.len() > Descriptor::MAX_BYTES;
        bench.put(
            DD,
            "Application/vnd.oma.dd+xml; charset=utf-8",
            document.into(),
        );
        if too_long {
            assert!(matches!(
                bench.run().unwrap_err(),
                DownloadError::Descriptor(_)
            ));
            assert_eq!(
                bench.reports(),
                Vec::<String>::new(),
                "nothing of it is read"
            );
        } else {
            assert!(matches!(bench.fails(report), DownloadError::Descriptor(_)));
        }
    }

    let bench = Bench::new(&descriptor(95));
    bench.shop.files.lock().unwrap().remove(OBJECT);
    bench.fails("954 Loader Error");
}

/// After a failure that was reported everything begins anew: the descriptor may be another one.
#[test]
fn a_reported_failure_is_the_end_of_its_descriptor() {
    let bench = Bench::new(&descriptor(94));
    bench.fails("905 Attribute mismatch");
    bench.put(DD, Descriptor::MEDIA_TYPE, descriptor(95).to_xml());
    bench.run().unwrap();
    assert_eq!(bench.asked().len(), 4);
    assert_eq!(bench.reports()[1..], ["900 Success\r\n"]);
}

/// [DLOTA]: a file whose success nobody could be told is not used.
#[test]
fn a_success_that_cannot_be_reported_is_none() {
    let bench = Bench::new(&descriptor(95));
    *bench.shop.answers.lock().unwrap() = [FetchErrorKind::Interrupted; 3].into();
    bench.run().unwrap();
    assert_eq!(bench.reports(), ["900 Success\r\n"; 4]);
    assert_eq!(*bench.shop.waits.lock().unwrap(), [2, 4, 8]);
    for (answers, tries) in [
        (vec![FetchErrorKind::TimedOut; 9], 4),
        (vec![FetchErrorKind::Status(404)], 1),
    ] {
        let bench = Bench::new(&descriptor(95));
        *bench.shop.answers.lock().unwrap() = answers.into();
        let error = bench.run().unwrap_err();
        assert!(matches!(error, DownloadError::Report(_)), "{error}");
        assert_eq!(bench.reports(), vec!["900 Success\r\n"; tries]);
        assert_eq!(bench.sink.keys().unwrap(), []);
    }
}

/// A device that stops amid a report goes on with it.
#[test]
fn a_report_that_was_cut_is_sent_again() {
    let mut bench = Bench::new(&descriptor(95));
    bench.shop.stop_at = Some(1);
    assert!(matches!(bench.run().unwrap_err(), DownloadError::Cancelled));
    assert_eq!(bench.sink.contents(&key()), None, "not in its place before");
    bench.shop.stop_at = None;
    bench.shop.cancel = Cancel::new();
    bench.run().unwrap();
    assert_eq!(bench.asked().len(), 2);
    assert_eq!(bench.reports(), ["900 Success\r\n"; 2]);
}

/// [DLOTA 952]: who deletes the file has it reported, unless there is nothing to report.
#[test]
fn an_abandoned_download_is_reported() {
    let mut bench = Bench::new(&descriptor(95));
    bench.shop.stop_at = Some(1);
    bench.run().unwrap_err();
    bench.shop.reports.lock().unwrap().clear();
    let download = Download::resume(&bench.journal, &key()).unwrap().unwrap();
    download.abandon(&bench.shop, &Cancel::new());
    assert_eq!(bench.reports(), ["952 Device Aborted\r\n"]);
    let bench = Bench::new(&descriptor(95));
    bench.run().unwrap();
    let download = Download::resume(&bench.journal, &key()).unwrap().unwrap();
    download.abandon(&bench.shop, &Cancel::new());
    assert_eq!(bench.reports(), ["900 Success\r\n"]);
}

/// A file with another digest is none, with or without a descriptor.
#[test]
fn a_file_has_the_digest_it_must_have() {
    use sha2::Digest as _;
    for described in [true, false] {
        for right in [true, false] {
            let mut bench = Bench::new(&descriptor(95));
            if !described {
                bench.put(DD, TYPE, pattern(95, 0));
            }
            bench.digest = Some(sha2::Sha256::digest(pattern(95, u8::from(!right))).into());
            match (bench.run(), right) {
                (Ok(finished), true) => assert_eq!(finished.bytes, 95),
                (Err(DownloadError::Digest), false) => {
                    assert_eq!(bench.sink.keys().unwrap(), []);
                    // It begins anew when it is asked for again.
                    bench.digest = Some(sha2::Sha256::digest(pattern(95, 0)).into());
                    bench.run().unwrap();
                }
                (other, _) => panic!("{other:?}"),
            }
            let reports = bench.reports();
            let due: &[&str] = match (described, right) {
                (false, _) => &[],
                (true, true) => &["900 Success\r\n"],
                (true, false) => &["952 Device Aborted\r\n", "900 Success\r\n"],
            };
            assert_eq!(reports, due);
        }
    }
}

/// One that never stays silent for too long, and never gets anywhere, is given up in time.
#[test]
fn a_source_that_drips_is_given_up() {
    let mut bench = Bench::new(&descriptor(95));
    // Ten bytes every thirty seconds.
    bench.shop.drip = 30;
    bench.put(DD, TYPE, pattern(100_000, 0));
    bench.policy.checkpoint_bytes = 8 << 20;
    let error = bench.run().unwrap_err();
    assert!(matches!(error, DownloadError::TooSlow), "{error}");
    let tries = bench.policy.retry.retries as usize + 1;
    assert_eq!(bench.asked().len(), tries);
    let record = bench.journal.read(Space::DOWNLOADS, b"a").unwrap();
    assert!(record.is_some(), "it may go on at another time");
    // As many bytes in as long are enough.
    let mut bench = Bench::new(&descriptor(95));
    bench.shop.drip = 30;
    bench.policy.slowest.bytes = 20;
    bench.put(DD, TYPE, pattern(1000, 0));
    bench.run().unwrap();
    assert_eq!(bench.asked().len(), 1);
    bench.policy.slowest.bytes = 21;
    bench.put(DD, TYPE, pattern(1000, 1));
    let other = MemoryJournal::new();
    bench.journal = other;
    bench.run().unwrap();
    // Broken off every 20 bytes, until nothing is left to ask for; and the run before.
    assert_eq!(bench.asked().len(), 52);
}
