//! Random trouble: whatever the source does, a finished file is one version of the remote one.

use omadm_download::{Content, Ending, FetchErrorKind, ResponseHead, Validator};
use proptest::prelude::*;

use crate::source::{Bench, Remote, Step, TYPE, pattern};

/// One event in the life of a download.
#[derive(Clone, Debug)]
enum Event {
    Step(Step),
    /// The file changes; shorter or longer, with a tag of its own.
    Change {
        length: usize,
        version: u8,
    },
    /// The source serves parts, or not.
    Ranges(bool),
    /// The source says how long the file is, or not.
    SaysLength(bool),
}

const TAGS: [&str; 4] = ["\"0\"", "\"1\"", "\"2\"", "\"3\""];

fn content() -> impl Strategy<Value = Content> {
    let length = || proptest::option::of(0..200u64);
    prop_oneof![
        length().prop_map(|length| Content::Whole { length }),
        (0..200u64, length()).prop_map(|(first, total)| Content::Part { first, total }),
        length().prop_map(|total| Content::Unsatisfiable { total }),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..120usize).prop_map(|after| Event::Step(Step::Cut(after))),
        1 => Just(Event::Step(Step::Fail(FetchErrorKind::TimedOut))),
        1 => Just(Event::Step(Step::Fail(FetchErrorKind::Status(404)))),
        // A source that lies may say anything, but not send bytes with a head that fits.
        1 => content().prop_map(|content| {
            let mut head = ResponseHead::new(content);
            head.media_type = Some(TYPE.to_owned());
            head.validator = Some(Validator::new("\"lie\""));
            Event::Step(Step::Say(head, Vec::new(), Ending::Closed))
        }),
        2 => (0..150usize, 0..4u8).prop_map(|(length, version)| Event::Change { length, version }),
        1 => any::<bool>().prop_map(Event::Ranges),
        1 => any::<bool>().prop_map(Event::SaysLength),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_finished_file_is_one_version(events in proptest::collection::vec(event(), 0..12)) {
        let mut remote = Remote::new(pattern(95, 0));
        remote.tag = Some(TAGS[0]);
        let mut bench = Bench::new(remote, []);
        bench.policy.retry.retries = 0;
        // A version's tag stands for its bytes: the length belongs to it.
        let mut lengths = [Some(95), None, None, None];
        for event in events {
            match event {
                Event::Step(step) => {
                    bench.source.script.lock().unwrap().push_back(step);
                    if bench.run().is_ok() {
                        break;
                    }
                }
                Event::Change { length, version } => {
                    let length = *lengths[usize::from(version)].get_or_insert(length);
                    let mut remote = bench.source.remote();
                    remote.bytes = pattern(length, version);
                    remote.tag = Some(TAGS[usize::from(version)]);
                }
                Event::Ranges(ranges) => bench.source.remote().ranges = ranges,
                Event::SaysLength(says) => bench.source.remote().says_length = says,
            }
        }
        bench.source.script.lock().unwrap().clear();
        bench.run().unwrap();
        let finished = bench.finished().unwrap();
        let versions = lengths.iter().zip(0u8..).filter_map(|(length, version)| {
            length.map(|length| pattern(length, version))
        });
        let lies = finished.is_empty();
        prop_assert!(lies || versions.into_iter().any(|version| version == finished));
    }
}
