//! Retries, cancelling, and media that fail.

use std::time::Duration;

use omadm_core::{Batch, Journal, JournalError, JournalErrorKind, MemoryJournal, Space};
use omadm_download::{Download, DownloadError, FetchErrorKind, MemorySink, Sink, SinkErrorKind};

use crate::source::{Bench, Remote, Step, key, pattern, run};

const INTERRUPTED: Step = Step::Fail(FetchErrorKind::Interrupted);

fn busy(seconds: u64) -> Step {
    Step::Fail(FetchErrorKind::Busy {
        status: 503,
        retry_after: Some(Duration::from_secs(seconds)),
    })
}

fn remote() -> Remote {
    Remote::new(pattern(95, 0))
}

#[test]
fn waits_double_up_to_the_longest_and_end() {
    let bench = Bench::new(remote(), vec![INTERRUPTED; 20]);
    let error = bench.run().unwrap_err();
    assert!(matches!(error, DownloadError::Fetch(_)), "{error}");
    assert_eq!(bench.waits(), [2, 4, 8, 16, 32, 64, 128, 256]);
}

#[test]
fn what_is_permanent_is_not_tried_again() {
    for kind in [
        FetchErrorKind::Status(404),
        FetchErrorKind::Redirects,
        FetchErrorKind::Redirect,
        FetchErrorKind::Tls,
        FetchErrorKind::Protocol,
    ] {
        let bench = Bench::new(remote(), [Step::Fail(kind)]);
        let error = bench.run().unwrap_err();
        let DownloadError::Fetch(error) = error else {
            panic!("{error}");
        };
        assert_eq!(error.kind(), kind);
        assert_eq!(bench.asked().len(), 1);
    }
}

#[test]
fn a_source_that_asks_for_patience_gets_it_within_the_limit() {
    let bench = Bench::new(remote(), [busy(1), busy(100), busy(300)]);
    bench.run().unwrap();
    assert_eq!(bench.waits(), [2, 100, 300]);
    let bench = Bench::new(remote(), [busy(301)]);
    bench.run().unwrap_err();
    assert_eq!(bench.waits(), []);
}

/// A bad line that gets somewhere is given new patience; one that only repeats itself is not.
#[test]
fn new_bytes_renew_the_patience() {
    let mut bench = Bench::new(Remote::new(pattern(950, 0)), vec![Step::Cut(30); 31]);
    bench.policy.retry.retries = 1;
    bench.run().unwrap();
    assert_eq!(bench.asked().len(), 32);

    let mut repeating = Remote::new(pattern(950, 0));
    repeating.ranges = false;
    let mut bench = Bench::new(repeating, vec![Step::Cut(300); 31]);
    bench.policy.retry.retries = 1;
    bench.run().unwrap_err();
    assert_eq!(bench.asked().len(), 2);
}

#[test]
fn cancelling_keeps_what_has_come() {
    let bench = Bench::new(remote(), []);
    let elsewhere = bench.cancel.clone();
    let error = bench.run_with(&mut |progress| {
        if progress.received == 50 {
            elsewhere.cancel();
        }
    });
    assert!(matches!(error, Err(DownloadError::Cancelled)));
    assert_eq!(bench.recorded().received, 50);
    assert!(matches!(bench.run(), Err(DownloadError::Cancelled)));
    assert_eq!(bench.asked().len(), 1);

    let bench = Bench {
        cancel: omadm_download::Cancel::new(),
        ..bench
    };
    bench.run().unwrap();
    assert_eq!(bench.finished(), Some(pattern(95, 0)));
    assert_eq!(*bench.source.served.lock().unwrap(), 95);
}

#[test]
fn cancelling_ends_a_wait() {
    let mut bench = Bench::new(remote(), vec![INTERRUPTED; 3]);
    bench.clock.cancel_in = Some(1);
    assert!(matches!(bench.run(), Err(DownloadError::Cancelled)));
    assert_eq!(bench.asked().len(), 2);
}

#[test]
fn a_sink_without_room_fails_before_the_first_byte_if_the_length_is_known() {
    for (says_length, served) in [(true, 0), (false, 60)] {
        let mut remote = remote();
        remote.says_length = says_length;
        let bench = Bench {
            sink: MemorySink::with_capacity(50),
            ..Bench::new(remote, [])
        };
        let error = bench.run().unwrap_err();
        let DownloadError::Sink(error) = error else {
            panic!("{error}");
        };
        assert_eq!(error.kind(), SinkErrorKind::NoSpace);
        assert_eq!(*bench.source.served.lock().unwrap(), served);
    }
}

/// A journal that fails from its n-th commit on.
struct Failing {
    inner: MemoryJournal,
    good: std::sync::Mutex<usize>,
}

impl Journal for Failing {
    fn commit(&self, batch: &Batch) -> Result<(), JournalError> {
        let mut good = self.good.lock().unwrap();
        if *good == 0 {
            return Err(JournalError::new(JournalErrorKind::Full, None));
        }
        *good -= 1;
        self.inner.commit(batch)
    }

    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        self.inner.read(space, key)
    }

    fn scan(&self, space: Space, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), JournalError> {
        self.inner.scan(space, visit)
    }
}

#[test]
fn a_journal_that_fails_ends_the_download_and_a_good_one_finishes_it() {
    let mut failures = 0;
    for good in 0.. {
        let bench = Bench::new(remote(), []);
        let journal = Failing {
            inner: MemoryJournal::new(),
            good: std::sync::Mutex::new(good),
        };
        match run(&bench, &journal, &bench.sink, &mut |_| {}) {
            Ok(_) => break,
            Err(DownloadError::Journal(error)) => {
                assert_eq!(error.kind(), JournalErrorKind::Full);
                failures += 1;
            }
            Err(error) => panic!("{error}"),
        }
        assert_eq!(bench.finished(), None);
        run(&bench, &journal.inner, &bench.sink, &mut |_| {}).unwrap();
        assert_eq!(bench.finished(), Some(pattern(95, 0)));
    }
    // Start, head, three checkpoints, end.
    assert_eq!(failures, 6);
}

#[test]
fn records_are_listed_resumed_and_forgotten() {
    let bench = Bench::new(remote(), []);
    let keys: Vec<omadm_download::DownloadKey> =
        ["b", "a"].iter().map(|key| key.parse().unwrap()).collect();
    let uri = "http://images.example/a.img".parse().unwrap();
    let mut batch = Batch::new();
    for key in &keys {
        let download = Download::prepare(&bench.journal, key, &uri, "a/b").unwrap();
        download.save(&mut batch);
    }
    bench.journal.commit(&batch).unwrap();
    let listed = Download::keys(&bench.journal).unwrap();
    assert_eq!(listed, [keys[1].clone(), keys[0].clone()]);

    let download = Download::resume(&bench.journal, &keys[0]).unwrap().unwrap();
    assert_eq!((download.key(), download.uri()), (&keys[0], &uri));
    assert_eq!(download.media_type(), "a/b");

    let mut batch = Batch::new();
    Download::forget(&mut batch, &keys[0]);
    bench.journal.commit(&batch).unwrap();
    assert_eq!(Download::resume(&bench.journal, &keys[0]).unwrap(), None);
    assert_eq!(Download::keys(&bench.journal).unwrap(), [keys[1].clone()]);
}

#[test]
fn a_record_nobody_can_read_is_an_error_to_resume_and_none_to_prepare() {
    let bench = Bench::new(remote(), []);
    let mut batch = Batch::new();
    batch.put(Space::DOWNLOADS, "a", [99]);
    bench.journal.commit(&batch).unwrap();
    assert!(matches!(
        Download::resume(&bench.journal, &key()),
        Err(DownloadError::Record)
    ));
    bench.run().unwrap();
    assert_eq!(bench.recorded().received, 95);
}

/// The finished file is lost behind the record's back: it is fetched again, but not forever.
#[test]
fn a_lost_file_comes_again() {
    let bench = Bench::new(remote(), []);
    bench.run().unwrap();
    bench.sink.discard(&key()).unwrap();
    bench.run().unwrap();
    assert_eq!(bench.finished(), Some(pattern(95, 0)));
    assert_eq!(bench.asked(), [None, None]);
}

/// A partial file that is shorter than its record has been tampered with: nothing of it counts.
#[test]
fn a_shortened_file_comes_again() {
    let mut bench = Bench::new(remote(), [Step::Cut(42)]);
    bench.policy.retry.retries = 0;
    bench.run().unwrap_err();
    bench.sink.truncate(&key(), 41).unwrap();
    bench.run().unwrap();
    assert_eq!(bench.finished(), Some(pattern(95, 0)));
    assert_eq!(bench.asked(), [None, None]);
}
