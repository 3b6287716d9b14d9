//! What goes wrong: input that is none, a journal that fails, commands at random.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use omadm_client::{Event, Input, Received, SessionEnd};
use omadm_core::{Correlator, Format, JournalErrorKind, Space};
use omadm_session::request::{self, Leaf};
use omadm_syncml::{Command, Encoding, Item, NodeCommand};
use omadm_testkit::{Bench, Lamp, TestJournal, by_encoding, device, statuses};
use proptest::prelude::*;

fn level(text: &str) -> Command<'static> {
    request::replace("./Lamp/Level", Leaf::new(Format::Int, text.to_owned()))
}

/// A body with commands that change something.
fn telling_body(bench: &mut Bench) -> Vec<u8> {
    bench
        .script
        .write([level("7"), request::exec("./Lamp/On", None)], true)
}

#[test]
fn a_message_cut_short_changes_nothing() {
    let whole = telling_body(&mut {
        let mut bench = Bench::default();
        bench.start();
        bench
    });
    for end in 0..whole.len() {
        let mut bench = Bench::default();
        bench.start();
        let before = bench.dump();
        assert_eq!(bench.deliver(&whole[..end]), None, "cut at {end}");
        assert!(
            matches!(bench.ended[..], [SessionEnd::Undecodable(_)]),
            "cut at {end}"
        );
        assert_eq!(bench.dump(), before);
        assert!(bench.client.is_idle());
    }
}

#[test]
fn a_body_in_another_encoding_than_it_says_is_undecodable() {
    let mut bench = Bench::default();
    bench.start();
    let body = telling_body(&mut bench);
    bench
        .feed(Input::Received(Received::new(
            &body,
            by_encoding(Encoding::Wbxml, Encoding::Xml),
        )))
        .unwrap();
    assert!(
        matches!(bench.ended[..], [SessionEnd::Undecodable(_)]),
        "{:?}",
        bench.ended
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn garbage_never_panics_and_changes_nothing_unless_it_decodes(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bench = Bench::default();
        bench.start();
        let mut body = telling_body(&mut bench);
        for (at, octet) in edits {
            let at = at.index(body.len());
            body[at] = octet;
        }
        if let Some(cut) = cut {
            body.truncate(cut.index(body.len()));
        }
        let before = bench.dump();
        let answer = bench.deliver(&body);
        match bench.ended.first() {
            Some(SessionEnd::Completed) | None => {
                prop_assert!(answer.is_some() || bench.ended.len() == 1);
            }
            Some(_) => prop_assert_eq!(bench.dump(), before),
        }
        // Whatever happened, the device goes on.
        let fresh = bench.restart().codes([request::get("./Lamp/Name")]);
        prop_assert_eq!(fresh, [200]);
    }

    #[test]
    fn noise_never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bench = Bench::default();
        bench.start();
        prop_assert_eq!(bench.deliver(&body), None);
        prop_assert!(matches!(bench.ended[..], [SessionEnd::Undecodable(_)]));
    }
}

/// What a device goes through: every kind of change, a job that ends in time, one that does not, and
/// an alert. Returns the statuses.
fn life(bench: &mut Bench) -> Vec<u16> {
    let add = request::add("./Lamp/Presets/dim", Leaf::new(Format::Int, "3"));
    let off = || request::exec("./Lamp/Off", Some(&Correlator::new("c")));
    bench.start();
    bench.say([
        level("7"),
        add,
        request::exec("./Lamp/On", None),
        off(),
        off(),
    ]);
    if !bench.jobs.is_empty() {
        bench.finish_job();
    }
    bench.advance(std::time::Duration::from_secs(30));
    while bench.request.is_none() {
        // The 202 could not be made durable.
        bench.finish_job();
    }
    let codes = bench
        .read()
        .map(|answer| statuses(&answer))
        .unwrap_or_default();
    bench.say([request::delete("./Lamp/Presets/dim")]);
    bench.say([]);
    while !bench.jobs.is_empty() {
        bench.finish_job();
    }
    bench.start();
    bench.say([]);
    codes.into_iter().map(|(_, code)| code).collect()
}

#[test]
fn memory_equals_disk_whichever_commit_fails() {
    let (commits, whole) = {
        let mut bench = Bench::default();
        let start = bench.journal.commits();
        assert_eq!(life(&mut bench), [200, 200, 200, 200, 202]);
        assert!(bench.client.is_idle());
        (bench.journal.commits() - start, bench.dump())
    };
    assert!(commits >= 9, "{commits}");
    for (kind, code) in [
        (JournalErrorKind::Full, 420),
        (JournalErrorKind::ReadOnly, 500),
        (JournalErrorKind::Io, 510),
        (JournalErrorKind::Corrupt, 510),
    ] {
        let mut failed_statuses = 0;
        for commit in 0..commits {
            let mut bench = Bench::default();
            bench.journal.fail_once(commit, kind);
            let codes = life(&mut bench);
            assert!(
                bench.events.contains(&Event::JournalFailed(kind)),
                "commit {commit}"
            );
            failed_statuses += codes.iter().filter(|found| **found == code).count();
            let in_memory = bench.dump();
            let (tree, ..) = device(&bench.journal);
            assert_eq!(tree.node_count(), bench.client.tree().node_count());
            let bench = bench.restart();
            assert_eq!(bench.dump(), in_memory, "commit {commit}");
        }
        assert_eq!(
            failed_statuses, 6,
            "one for each of them, two for a job that ends"
        );
    }
    let mut bench = Bench::default();
    life(&mut bench);
    assert_eq!(bench.dump(), whole, "or the comparison proves nothing");
}

#[test]
fn a_failed_change_leaves_no_trace() {
    let mut bench = Bench::default();
    let before = bench.dump();
    bench.journal.fail_for_good(JournalErrorKind::Full);
    bench.lamp.take();
    let codes = bench.codes([
        level("7"),
        request::exec("./Lamp/On", None),
        request::exec("./Lamp/Later", None),
        request::get("./Lamp/Level"),
    ]);
    assert_eq!(codes, [420, 420, 420, 200]);
    assert_eq!((bench.dump(), bench.jobs.len()), (before, 0));
    let log = bench.lamp.take();
    assert_eq!(
        log.iter().filter(|entry| *entry == "rolled back").count(),
        3
    );
    assert!(!log.iter().any(|entry| entry == "committed"));
    assert_eq!(bench.journal.records(Lamp::SPACE), []);
    bench.journal.mend();
    assert_eq!(bench.codes([level("7")]), [200]);
}

#[test]
fn a_device_does_not_start_without_its_journal() {
    let journal = TestJournal::default();
    journal.fail_for_good(JournalErrorKind::ReadOnly);
    let error = Bench::on(journal.clone(), Bench::config()).unwrap_err();
    assert_eq!(error.to_string(), "the journal failed");
    assert_eq!(journal.records(Space::TREE), []);
    journal.mend();
    Bench::on(journal, Bench::config()).unwrap();
}

/// Any command on any of a few places, mostly legal.
fn any_command() -> impl Strategy<Value = Command<'static>> {
    let uri = prop::sample::select(vec![
        "./Lamp/Name",
        "./Lamp/Level",
        "./Lamp/Light",
        "./Lamp/Presets",
        "./Lamp/Presets/a",
        "./Lamp/Presets/b",
        "./Lamp/Ext",
        "./Lamp/Ext/a",
        "./Lamp/Ext/a/b",
        "./Lamp/Ext/a?prop=Name",
        "./Lamp/Ext?prop=ACL",
        "./Lamp?list=StructData",
        "./Lamp/On",
        "./Lamp/Off",
        "./Lamp/Later",
        ".",
        "",
    ]);
    let format = prop::sample::select(Format::ALL.to_vec());
    let value = prop::sample::select(vec!["", "7", "101", "bad", "Get=*", "true", "AAAA"]);
    (0..6, uri.clone(), uri, format, value).prop_map(|(kind, uri, other, format, value)| {
        let leaf = || Leaf::new(format, value);
        match kind {
            0 => request::add(uri, leaf()),
            1 => request::replace(uri, leaf()),
            2 => request::delete(uri),
            3 => request::get(uri),
            4 => request::exec(uri, None),
            _ => Command::Copy(NodeCommand::new([Item::new()
                .with_target(uri)
                .with_source(other)])),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_command_gets_its_status_and_memory_equals_disk(
        packages in proptest::collection::vec(
            proptest::collection::vec(any_command(), 1..12), 1..6),
        fail in proptest::option::of(0usize..30),
    ) {
        let mut bench = Bench::default();
        if let Some(commit) = fail {
            bench.journal.fail_once(commit, JournalErrorKind::Io);
        }
        bench.start();
        for package in packages {
            let names: Vec<String> =
                package.iter().map(|command| command.name().to_owned()).collect();
            let mut answered: Vec<String> = Vec::new();
            let mut answer = bench.say(package);
            loop {
                while answer.is_none() {
                    prop_assert!(!bench.jobs.is_empty());
                    bench.finish_job();
                    answer = bench.read();
                }
                let message = answer.unwrap();
                answered.extend(statuses(&message).into_iter().map(|(name, _)| name));
                // Results may need more than one message.
                if message.is_final {
                    break;
                }
                answer = bench.say([]);
            }
            prop_assert_eq!(answered, names);
        }
        let in_memory = bench.dump();
        let bench = bench.restart();
        prop_assert_eq!(bench.dump(), in_memory);
    }
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
