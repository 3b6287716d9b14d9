//! The table of resuming, and what a file has to be to be taken. [RFC 9110 §14]

#[cfg(not(feature = "descriptors"))]
use omadm_core::{Batch, Journal as _, Space};
#[cfg(not(feature = "descriptors"))]
use omadm_download::Sink as _;
use omadm_download::{
    Content, Download, DownloadError, Ending, FetchErrorKind, Progress, ResponseHead, Validator,
};

use crate::source::{Bench, Remote, Step, TYPE, key, pattern};

fn head(content: Content) -> ResponseHead {
    let mut head = ResponseHead::new(content);
    head.media_type = Some(TYPE.to_owned());
    head.validator = Some(Validator::new("\"1\""));
    head
}

fn from(first: u64) -> Option<(u64, String)> {
    Some((first, "\"1\"".to_owned()))
}

/// VR-181, VR-182: the Client downloads the image from its URI by HTTP.
#[test]
fn a_file_comes_in_one_piece() {
    let bench = Bench::new(Remote::new(pattern(95, 0)), []);
    let mut seen = Vec::new();
    let finished = bench.run_with(&mut |progress| seen.push(progress)).unwrap();
    assert_eq!(finished.bytes, 95);
    assert_eq!(finished.location, "memory:a");
    assert_eq!(bench.finished(), Some(pattern(95, 0)));
    assert_eq!(bench.asked(), [None]);
    let progress = |received| Progress {
        received,
        total: Some(95),
    };
    let expected: Vec<_> = (0..10)
        .map(|n| progress(n * 10))
        .chain([progress(95)])
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn an_empty_file_is_a_file() {
    let bench = Bench::new(Remote::new(Vec::new()), []);
    assert_eq!(bench.run().unwrap().bytes, 0);
    assert_eq!(bench.finished(), Some(Vec::new()));
}

#[test]
fn a_finished_download_answers_again_without_asking() {
    let bench = Bench::new(Remote::new(pattern(20, 0)), []);
    let finished = bench.run().unwrap();
    assert_eq!(bench.run().unwrap(), finished);
    assert_eq!(bench.asked().len(), 1);
}

#[test]
fn a_broken_connection_goes_on_where_it_broke() {
    let bench = Bench::new(Remote::new(pattern(95, 0)), [Step::Cut(42), Step::Cut(13)]);
    bench.run().unwrap();
    assert_eq!(bench.finished(), Some(pattern(95, 0)));
    assert_eq!(bench.asked(), [None, from(42), from(55)]);
    assert_eq!(*bench.source.served.lock().unwrap(), 95);
    // Thirteen bytes are no progress worth new patience.
    assert_eq!(bench.waits(), [2, 4]);
}

/// A later run, after a failure or a restart, goes on as a later attempt does.
#[test]
fn a_later_run_goes_on_too() {
    let mut bench = Bench::new(Remote::new(pattern(95, 0)), [Step::Cut(42)]);
    bench.policy.retry.retries = 0;
    bench.run().unwrap_err();
    assert_eq!(bench.recorded().received, 42);
    bench.run().unwrap();
    assert_eq!(bench.finished(), Some(pattern(95, 0)));
    assert_eq!(bench.asked(), [None, from(42)]);
}

#[test]
fn a_record_of_another_file_is_not_gone_on_from() {
    for (uri, media_type) in [("http://h/b", TYPE), ("http://images.example/a.img", "a/b")] {
        let mut bench = Bench::new(Remote::new(pattern(95, 0)), [Step::Cut(42)]);
        bench.policy.retry.retries = 0;
        bench.run().unwrap_err();
        let (key, uri) = (crate::source::key(), uri.parse().unwrap());
        let download = omadm_download::Download::prepare(&bench.journal, &key, &uri, media_type);
        assert_eq!(download.unwrap().progress().received, 0);
    }
}

#[test]
fn without_a_validator_everything_comes_again() {
    let mut remote = Remote::new(pattern(95, 0));
    remote.tag = None;
    let bench = Bench::new(remote, [Step::Cut(42)]);
    bench.run().unwrap();
    assert_eq!(bench.finished(), Some(pattern(95, 0)));
    assert_eq!(bench.asked(), [None, None]);
}

#[test]
fn a_source_that_sends_everything_again_is_obeyed() {
    let mut remote = Remote::new(pattern(95, 0));
    remote.ranges = false;
    let bench = Bench::new(remote, [Step::Cut(42)]);
    bench.run().unwrap();
    assert_eq!(bench.finished(), Some(pattern(95, 0)));
    assert_eq!(bench.asked(), [None, from(42)]);
}

#[test]
fn a_file_that_changed_meanwhile_is_the_new_one() {
    for length in [30, 95, 200] {
        let mut bench = Bench::new(Remote::new(pattern(95, 0)), [Step::Cut(42)]);
        bench.policy.retry.retries = 0;
        bench.run().unwrap_err();
        *bench.source.remote() = Remote::new(pattern(length, 0xFF));
        bench.source.remote().tag = Some("\"2\"");
        bench.run().unwrap();
        assert_eq!(bench.finished(), Some(pattern(length, 0xFF)));
        assert_eq!(bench.asked(), [None, from(42)]);
    }
}

/// A part that is not the one asked for, or of another file, is worth one new start.
#[test]
fn a_wrong_part_starts_again_once() {
    let part = |first, total, tag: &str| {
        let mut head = head(Content::Part { first, total });
        head.validator = Some(Validator::new(tag));
        Step::Say(head, pattern(10, 1), Ending::Complete)
    };
    for wrong in [
        part(41, Some(95), "\"1\""),
        part(43, None, "\"1\""),
        part(42, Some(96), "\"1\""),
        part(42, Some(95), "\"2\""),
    ] {
        let bench = Bench::new(Remote::new(pattern(95, 0)), [Step::Cut(42), wrong.clone()]);
        bench.run().unwrap();
        assert_eq!(bench.finished(), Some(pattern(95, 0)), "{wrong:?}");
        assert_eq!(bench.asked(), [None, from(42), None]);

        let script = [Step::Cut(42), wrong.clone(), Step::Cut(42), wrong];
        let bench = Bench::new(Remote::new(pattern(95, 0)), script);
        assert!(matches!(bench.run(), Err(DownloadError::Range)));
        assert_eq!(bench.finished(), None);
    }
}

/// A date beside an entity tag tells nothing about a change.
#[test]
fn a_part_may_name_its_date_only() {
    let mut rest = head(Content::Part {
        first: 42,
        total: Some(95),
    });
    rest.validator = Some(Validator::new("Sun, 06 Nov 1994 08:49:37 GMT"));
    let rest = Step::Say(rest, pattern(95, 0)[42..].to_vec(), Ending::Complete);
    let bench = Bench::new(Remote::new(pattern(95, 0)), [Step::Cut(42), rest]);
    bench.run().unwrap();
    assert_eq!(bench.finished(), Some(pattern(95, 0)));
}

#[test]
fn a_part_nobody_asked_for_breaks_the_protocol() {
    let part = head(Content::Part {
        first: 0,
        total: Some(95),
    });
    let script = [Step::Say(part, pattern(95, 0), Ending::Complete)];
    let bench = Bench::new(Remote::new(Vec::new()), script);
    let error = bench.run().unwrap_err();
    let DownloadError::Fetch(error) = error else {
        panic!("{error}");
    };
    assert_eq!(error.kind(), FetchErrorKind::Protocol);
}

/// 416 with the length that is there already: nothing was missing but the end.
#[test]
fn nothing_after_the_last_byte_completes_the_file() {
    let mut remote = Remote::new(pattern(95, 0));
    remote.says_length = false;
    let bench = Bench::new(remote, [Step::Cut(95)]);
    assert_eq!(bench.run().unwrap().bytes, 95);
    assert_eq!(bench.finished(), Some(pattern(95, 0)));
    assert_eq!(bench.asked(), [None, from(95)]);
    assert_eq!(*bench.source.served.lock().unwrap(), 95);
}

#[test]
fn nothing_at_another_length_starts_again() {
    for total in [None, Some(41), Some(43)] {
        let nothing = head(Content::Unsatisfiable { total });
        let script = [
            Step::Cut(42),
            Step::Say(nothing, Vec::new(), Ending::Complete),
        ];
        let bench = Bench::new(Remote::new(pattern(95, 0)), script);
        bench.run().unwrap();
        assert_eq!(bench.finished(), Some(pattern(95, 0)));
        assert_eq!(bench.asked(), [None, from(42), None]);
    }
    let nothing = head(Content::Unsatisfiable { total: Some(0) });
    let bench = Bench::new(
        Remote::new(Vec::new()),
        [Step::Say(nothing, Vec::new(), Ending::Complete)],
    );
    assert!(matches!(bench.run(), Err(DownloadError::Fetch(_))));
}

/// Without the feature, whatever the file may be.
#[cfg(not(feature = "descriptors"))]
#[test]
fn a_descriptor_is_of_another_media_type() {
    for expected in [TYPE, "*/*"] {
        let mut remote = Remote::new(pattern(20, 0));
        remote.media_type = Some("Application/vnd.oma.dd+xml; charset=utf-8");
        let bench = Bench::new(remote, []);
        let uri = "http://images.example/a.img".parse().unwrap();
        let mut download = Download::prepare(&bench.journal, &key(), &uri, expected).unwrap();
        let error = download.run(&bench.environment(), &mut |_| {}).unwrap_err();
        let DownloadError::MediaType { found, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(found, "Application/vnd.oma.dd+xml; charset=utf-8");
        assert_eq!(bench.finished(), None);
    }
}

/// A record of version 2: this much is safe of an object of 95 bytes, whose report is owed.
#[cfg(not(feature = "descriptors"))]
fn described(safe: u64) -> Vec<u8> {
    let put = |record: &mut Vec<u8>, text: &str| {
        record.extend((text.len() as u64).to_be_bytes());
        record.extend(text.as_bytes());
    };
    let complete = u8::from(safe == 95);
    let mut record = vec![2, 30 | complete];
    record.extend(safe.to_be_bytes());
    record.extend(95_u64.to_be_bytes());
    for text in ["http://images.example/a.img", TYPE, "\"1\""] {
        put(&mut record, text);
    }
    record.extend(95_u64.to_be_bytes());
    record.extend([0; 32]);
    for uri in [
        "http://images.example/object",
        "http://images.example/report",
    ] {
        put(&mut record, uri);
    }
    record
}

/// What a program with the feature left begins anew, and nobody hears of it.
#[cfg(not(feature = "descriptors"))]
#[test]
fn what_a_descriptor_began_does_not_go_on_without_the_feature() {
    for safe in [42, 95] {
        let mut remote = Remote::new(pattern(20, 0));
        remote.media_type = Some("application/vnd.oma.dd+xml");
        let bench = Bench::new(remote, []);
        let mut batch = Batch::new();
        batch.put(Space::DOWNLOADS, key().as_str(), described(safe));
        bench.journal.commit(&batch).unwrap();
        bench.sink.reserve(&key(), Some(95)).unwrap();
        let bytes = pattern(safe as usize, 0);
        bench.sink.write_at(&key(), 0, &bytes).unwrap();
        let error = Download::resume(&bench.journal, &key()).unwrap_err();
        assert!(matches!(error, DownloadError::Record), "{error}");

        let error = bench.run().unwrap_err();
        assert!(matches!(error, DownloadError::MediaType { .. }), "{error}");
        assert_eq!(bench.asked(), [None]);
        assert_eq!(bench.finished(), None);
        assert_eq!(bench.recorded().received, 0);

        // The file itself, should it be there later.
        bench.source.remote().media_type = Some(TYPE);
        bench.run().unwrap();
        assert_eq!(bench.finished(), Some(pattern(20, 0)));
    }
}

#[test]
fn only_the_media_type_asked_for_is_taken() {
    let run = |media_type, tolerant| {
        let mut remote = Remote::new(pattern(20, 0));
        remote.media_type = media_type;
        let mut bench = Bench::new(remote, []);
        bench.policy.accept_octet_stream = tolerant;
        bench.run().map(|finished| finished.bytes)
    };
    for good in [
        TYPE,
        "Application/X-Image; version=2",
        " application/x-image ;",
    ] {
        assert_eq!(run(Some(good), false).unwrap(), 20, "{good}");
    }
    for bad in [
        Some("text/html"),
        Some("application/octet-stream"),
        Some(""),
        None,
    ] {
        let error = run(bad, false).unwrap_err();
        let DownloadError::MediaType { expected, found } = error else {
            panic!("{error}");
        };
        assert_eq!(
            (expected.as_str(), found.as_str()),
            (TYPE, bad.unwrap_or(""))
        );
    }
    assert_eq!(run(Some("application/octet-stream"), true).unwrap(), 20);
    assert_eq!(run(None, true).unwrap(), 20);
    assert!(run(Some("text/html"), true).is_err());
}

#[test]
fn any_media_type_is_taken_if_any_is_asked_for() {
    for media_type in [Some(TYPE), Some("text/html"), None] {
        let mut remote = Remote::new(pattern(20, 0));
        remote.media_type = media_type;
        let bench = Bench::new(remote, []);
        let uri = "http://images.example/a.img".parse().unwrap();
        let download = Download::prepare(&bench.journal, &key(), &uri, "*/*");
        let finished = download
            .unwrap()
            .run(&bench.environment(), &mut |_| {})
            .unwrap();
        assert_eq!(finished.bytes, 20, "{media_type:?}");
    }
}

/// The type of the rest counts like that of the whole.
#[test]
fn a_part_of_another_media_type_is_refused() {
    let bench = Bench::new(Remote::new(pattern(95, 0)), [Step::Cut(42)]);
    let mut progress = |progress: Progress| {
        if progress.received == 42 {
            bench.source.remote().media_type = Some("text/html");
        }
    };
    let error = bench.run_with(&mut progress).unwrap_err();
    assert!(matches!(error, DownloadError::MediaType { .. }), "{error}");
}

#[test]
fn a_file_may_have_the_greatest_length_and_no_more() {
    for says_length in [true, false] {
        for (limit, fits) in [(95, true), (94, false)] {
            let mut remote = Remote::new(pattern(95, 0));
            remote.says_length = says_length;
            let mut bench = Bench::new(remote, []);
            bench.policy.max_bytes = limit;
            match bench.run() {
                Ok(finished) => assert!(fits && finished.bytes == 95),
                Err(DownloadError::TooLarge { limit }) => assert!(!fits && limit == 94),
                Err(error) => panic!("{error}"),
            }
            let none = says_length && !fits;
            assert_eq!(*bench.source.served.lock().unwrap() == 0, none);
        }
    }
}

/// The end of the connection proves nothing, unless the length is known or the policy says so.
#[test]
fn an_end_needs_a_proof() {
    let closed = |length| {
        let whole = head(Content::Whole { length });
        Step::Say(whole, pattern(95, 0), Ending::Closed)
    };
    let mut bench = Bench::new(Remote::new(Vec::new()), [closed(Some(95))]);
    assert_eq!(bench.run().unwrap().bytes, 95);

    bench = Bench::new(Remote::new(Vec::new()), [closed(None)]);
    assert!(matches!(bench.run(), Err(DownloadError::Unproven)));

    bench = Bench::new(Remote::new(Vec::new()), [closed(None)]);
    bench.policy.accept_unproven_end = true;
    assert_eq!(bench.run().unwrap().bytes, 95);
}

#[test]
fn a_source_that_sends_less_than_it_said_is_asked_for_the_rest() {
    let short = Step::Say(
        head(Content::Whole { length: Some(95) }),
        pattern(40, 0),
        Ending::Complete,
    );
    let mut bench = Bench::new(Remote::new(pattern(95, 0)), [short.clone()]);
    bench.run().unwrap();
    assert_eq!(bench.finished(), Some(pattern(95, 0)));
    assert_eq!(bench.asked(), [None, from(40)]);

    bench = Bench::new(Remote::new(pattern(95, 0)), [short]);
    bench.policy.retry.retries = 0;
    let error = bench.run().unwrap_err();
    assert_eq!(error.to_string(), "40 bytes came instead of 95");
}

#[test]
fn a_source_that_sends_more_than_it_said_is_refused() {
    let long = Step::Say(
        head(Content::Whole { length: Some(15) }),
        pattern(20, 0),
        Ending::Complete,
    );
    let bench = Bench::new(Remote::new(Vec::new()), [long]);
    let error = bench.run().unwrap_err();
    assert_eq!(error.to_string(), "20 bytes came instead of 15");
}

#[test]
fn a_source_that_says_nothing_breaks_the_protocol() {
    struct Silent;
    impl omadm_download::Fetch for Silent {
        fn fetch(
            &self,
            _: &omadm_download::FetchRequest<'_>,
            _: &mut dyn omadm_download::Receiver,
        ) -> Result<Ending, omadm_download::FetchError> {
            Ok(Ending::Complete)
        }
    }
    let bench = Bench::new(Remote::new(Vec::new()), []);
    let uri = "http://h/".parse().unwrap();
    let key = crate::source::key();
    let environment = omadm_download::Environment {
        fetch: &Silent,
        sink: &bench.sink,
        journal: &bench.journal,
        clock: &bench.clock,
        policy: &bench.policy,
        cancel: &bench.cancel,
    };
    let mut download = omadm_download::Download::prepare(&bench.journal, &key, &uri, TYPE).unwrap();
    assert!(matches!(
        download.run(&environment, &mut |_| {}),
        Err(DownloadError::Fetch(_))
    ));
}
