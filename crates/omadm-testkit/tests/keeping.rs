//! A server that is killed at every point of its steps and goes on with what it kept.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::{sync::Arc, time::Duration};

use omadm_client::{Auth, Notice};
use omadm_core::{
    Batch, Format, GenericAlert, Journal, JournalErrorKind, MemoryJournal, Now, ServerId, Space,
    StatusCode,
};
use omadm_server::{Account, Config, EventKind, Everyone, NotifyError, Server, SingleCommand};
use omadm_session::{
    Answer, Correlators, NoRandom, Nonces, Procedure, Proof, Report, Scheme, Step, Tag, Tagged,
    notification::{Notification, ProvenBy},
    request::{self, Leaf},
};
use omadm_testkit::{Bench, DEVICE_ID, Fault, Pair, SERVER_ID, Wire, again_over_wbxml};

/// The steps of a device from one on; the first of them may have been begun.
fn steps(from: usize, begun: bool) -> Vec<Box<dyn Procedure>> {
    let int = |number: u8| Leaf::new(Format::Int, number.to_string());
    let add = |name: &str| SingleCommand::add(&format!("./Lamp/Presets/{name}"), int(7));
    let steps = [
        SingleCommand::get("./Lamp/Name"),
        SingleCommand::replace("./Lamp/Level", int(10)),
        add("a"),
        SingleCommand::copy("./Lamp/Level", "./Lamp/Presets/b"),
        add("c"),
        SingleCommand::delete("./Lamp/Presets/a"),
        SingleCommand::replace("./Lamp/Name", "porch".into()),
        SingleCommand::replace("./Lamp/Level", int(20)),
        SingleCommand::get("./Lamp/Name"),
        SingleCommand::delete("./Lamp/Presets/c"),
    ];
    let left = steps.into_iter().skip(from).enumerate();
    left.map(|(place, step)| -> Box<dyn Procedure> {
        match begun && place == 0 {
            true => Box::new(step.resumed()),
            false => Box::new(step),
        }
    })
    .collect()
}

const STEPS: usize = 10;

/// Enqueues what is left of the steps; how many are over.
fn go_on(pair: &mut Pair) -> usize {
    let place = pair.server.place(DEVICE_ID).cloned().unwrap_or_default();
    let over = place.finished.len();
    for step in steps(over, place.begun) {
        pair.server.enqueue_step(DEVICE_ID, step).unwrap();
    }
    over
}

fn restart(pair: &mut Pair, life: u32) {
    pair.restart_server(Config::new(format!("life{life}")), Everyone);
}

/// Whatever is open ends, and there is one more session.
fn rest(pair: &mut Pair) {
    while pair.client.in_session() {
        pair.step();
    }
    pair.settle();
    pair.session();
}

fn at(mono: Duration) -> Now {
    Now {
        mono,
        ..Now::default()
    }
}

fn named(data: &str) -> Notice {
    let mut alert = GenericAlert::new("org.example.news", Format::Chr);
    alert.data = data.into();
    alert.into()
}

/// What was told of the device's own news, in order.
fn news(pair: &Pair) -> Vec<&str> {
    let alerts = pair.told.iter().filter_map(|event| match event {
        EventKind::Alert { alert, .. } => Some(&*alert.data),
        _ => None,
    });
    alerts.collect()
}

/// Whether the request of an exchange is lost, or its answer, or neither, the server ends with it:
/// each step is reported once, in order, as a success, and each alert once.
#[test]
fn a_server_killed_at_any_exchange_takes_every_step_once() {
    let mut killed = 0;
    for fault in [None, Some(Fault::LoseRequest), Some(Fault::LoseAnswer)] {
        for kill in 0.. {
            let mut pair = Pair::plain(Wire::new(fault.map(|fault| (kill, fault))));
            pair.queue(named("one"));
            go_on(&mut pair);
            pair.open();
            while pair.wire.exchanges() <= kill && pair.ended.is_empty() {
                pair.step();
            }
            let over = pair.wire.exchanges() <= kill;
            restart(&mut pair, 2);
            pair.queue(named("two"));
            let before = go_on(&mut pair);
            assert_eq!(pair.reports.len(), before, "{fault:?} at {kill}");
            for _ in 0..3 {
                rest(&mut pair);
            }
            let place = pair.server.place(DEVICE_ID).unwrap();
            assert_eq!(place.finished, pair.reports, "{fault:?} at {kill}");
            assert_eq!(pair.reports.len(), STEPS, "{fault:?} at {kill}");
            let failed = pair.reports.iter().find(|report| !report.ok);
            assert_eq!(failed, None, "{fault:?} at {kill}");
            assert_eq!(news(&pair), ["one", "two"], "{fault:?} at {kill}");
            assert_eq!(pair.reports[8].value.as_deref(), Some("porch"));
            killed += 1;
            if over {
                break;
            }
        }
    }
    assert!(killed > 6, "{killed} kills");
    again_over_wbxml();
}

/// One that is in doubt from its second command on, until it is over.
#[derive(Debug, Default)]
struct Doubtful(u32);

impl Procedure for Doubtful {
    fn poll(&mut self, _: &mut Correlators) -> Step {
        self.0 += 1;
        match self.0 {
            4 => Step::Done(Report::success(StatusCode::OK)),
            number => Step::Send(vec![Tagged::new(Tag(number), request::get("./Lamp/Name"))]),
        }
    }

    fn answer(&mut self, _: Answer) {}

    fn is_in_doubt(&self) -> bool {
        self.0 > 1
    }
}

/// Doubt is kept before the command goes out that makes it, and ends with its step.
#[test]
fn a_doubt_outlives_the_server_and_not_the_step() {
    let mut doubted = 0;
    for kill in 0..6 {
        let mut pair = Pair::plain(Wire::new([(kill, Fault::LoseAnswer)]));
        for _ in 0..2 {
            let step = Box::new(Doubtful::default());
            pair.server.enqueue_step(DEVICE_ID, step).unwrap();
        }
        pair.open();
        while pair.wire.exchanges() <= kill && pair.ended.is_empty() {
            pair.step();
        }
        restart(&mut pair, 2);
        let place = pair.server.place(DEVICE_ID).unwrap();
        // A step is three exchanges, and begins in the one that ends the step before it.
        let expected = (kill / 3, kill % 3 > 0);
        assert_eq!((place.finished.len(), place.in_doubt), expected, "{kill}");
        doubted += usize::from(place.in_doubt);
    }
    assert_eq!(doubted, 4);
}

/// What an engine reported and could not be told is with the place of the device.
#[test]
fn the_last_news_are_with_the_place_and_others_are_not() {
    let mut pair = Pair::plain(Wire::new([(0, Fault::LoseAnswer)]));
    pair.queue(named("heard by nobody"));
    pair.open();
    pair.step();
    restart(&mut pair, 2);
    let place = pair.server.place(DEVICE_ID).unwrap();
    assert_eq!(place.alerts[0].data, "heard by nobody");
    rest(&mut pair);
    rest(&mut pair);
    assert_eq!(news(&pair), ["heard by nobody"]);
    restart(&mut pair, 3);
    assert_eq!(pair.server.place(DEVICE_ID).unwrap().alerts, []);
}

/// With digests in both directions, and all that is kept of a device: one batch an exchange.
#[test]
fn an_exchange_is_one_batch_at_most() {
    let proof = |name: &str| Some(Proof::new(Scheme::Md5, name, "secret"));
    let mut client = Bench::config();
    client.auth = Auth::given(proof("device"), proof(SERVER_ID));
    let account = Account::new(proof("device"), proof(SERVER_ID));
    let mut pair = Pair::new(client, Config::new("c"), account, Wire::default());
    pair.queue(named("one"));
    go_on(&mut pair);
    pair.open();
    let mut most = 0;
    while pair.ended.is_empty() {
        let before = (pair.wire.exchanges(), pair.server_journal.commits());
        pair.step();
        let batches = pair.server_journal.commits() - before.1;
        assert!(batches <= pair.wire.exchanges() - before.0);
        most = most.max(batches);
    }
    assert_eq!(most, 1);
}

/// Sessions that leave all as it was, with a procedure that is no step and without: no batch.
#[test]
fn what_changes_nothing_is_no_batch() {
    let mut pair = Pair::plain(Wire::default());
    go_on(&mut pair);
    pair.session();
    let place = pair.server.place(DEVICE_ID).unwrap();
    assert_eq!(place.finished.len(), STEPS);
    let before = pair.server_journal.commits();
    assert_ne!(before, 0);
    pair.session();
    let get = SingleCommand::get("./Lamp/Name");
    pair.server.enqueue(DEVICE_ID, Box::new(get)).unwrap();
    pair.session();
    assert_eq!(pair.server.waiting(DEVICE_ID), 0);
    assert_eq!(pair.server_journal.commits(), before);
}

/// A full journal: the session is given up, what happened is told once there is room, and what is
/// durable is what was told.
#[test]
fn what_cannot_be_kept_is_told_when_it_can() {
    for failing in 0..12 {
        let mut pair = Pair::plain(Wire::default());
        go_on(&mut pair);
        pair.server_journal
            .fail_once(failing, JournalErrorKind::Full);
        pair.session();
        pair.server_journal.mend();
        pair.settle();
        pair.session();
        assert_eq!(pair.reports.len(), STEPS, "commit {failing}");
        restart(&mut pair, 2);
        let place = pair.server.place(DEVICE_ID).unwrap();
        assert_eq!(place.finished, pair.reports, "commit {failing}");
    }
}

/// A damaged record keeps neither the server from starting nor another device from going on: it is
/// set aside and told once, and its own device goes on without it.
#[test]
fn a_damaged_record_is_set_aside() {
    let mut report = DEVICE_ID.as_bytes().to_vec();
    report.extend(3u32.to_be_bytes());
    for (space, key, lost) in [
        (Space::DEVICES, b"another".to_vec(), None),
        (Space::DEVICES, DEVICE_ID.as_bytes().to_vec(), None),
        (Space::DEVICES, vec![0xFF], None),
        (Space::REPORTS, report, Some(3)),
        (Space::REPORTS, b"x".to_vec(), None),
    ] {
        for damaged in [&b""[..], b"\x00", b"\x01", b"\x01nonsense"] {
            let mut pair = Pair::plain(Wire::default());
            go_on(&mut pair);
            pair.session();
            let mut batch = Batch::new();
            batch.put(space, key.as_slice(), damaged);
            pair.server_journal.commit(&batch).unwrap();
            pair.told.clear();
            for life in 2..4 {
                restart(&mut pair, life);
                let is_known = |name: &str| pair.server.place(name).is_some();
                assert!(is_known("another") || !key.starts_with(b"another"));
                if let (2, Space::DEVICES, Some(place)) = (
                    life,
                    space,
                    str::from_utf8(&key)
                        .ok()
                        .and_then(|it| pair.server.place(it)),
                ) {
                    assert!(place.begun && place.in_doubt, "{damaged:?}");
                }
                assert_eq!(go_on(&mut pair), STEPS, "{space:?} {damaged:?}");
                let finished = &pair.server.place(DEVICE_ID).unwrap().finished;
                let failed = finished.iter().position(|report| !report.ok);
                assert_eq!(failed, lost);
                pair.session();
            }
            let told = pair.told.iter().filter_map(|event| match event {
                EventKind::RecordDamaged { space } => Some(*space),
                _ => None,
            });
            assert_eq!(told.collect::<Vec<_>>(), [space]);
            let name = [space.name().as_bytes(), b"/", &key].concat();
            let aside = pair.server_journal.records(Space::DAMAGED);
            assert_eq!(aside, [(name, damaged.to_vec())]);
        }
    }
}

/// What a later version has written is not damaged.
#[test]
fn a_record_of_a_later_version_keeps_the_server_from_starting() {
    for (space, key) in [
        (Space::DEVICES, &b"another"[..]),
        (Space::REPORTS, b"another\0\0\0\0"),
    ] {
        let journal = Arc::new(MemoryJournal::new());
        let mut batch = Batch::new();
        batch.put(space, key, [u8::MAX]);
        batch.put(Space::DEVICES, "damaged", []);
        journal.commit(&batch).unwrap();
        let server = Server::new(Config::new("a"), Everyone);
        let server = server.with_nonces(Nonces::new(Arc::clone(&journal) as _, NoRandom));
        let refused = server.keeping_devices().map(drop);
        let said = "a later version has written what is kept of device \"another\"";
        assert_eq!(refused.unwrap_err().to_string(), said);
        assert!(journal.read(Space::DEVICES, b"damaged").unwrap().is_some());
    }
}

/// What happened in one exchange waits, and no other is begun.
#[test]
fn nothing_piles_up_while_the_journal_fails() {
    let mut pair = Pair::plain(Wire::default());
    pair.queue(named("one"));
    go_on(&mut pair);
    pair.server_journal.fail_for_good(JournalErrorKind::Full);
    for _ in 0..5 {
        pair.session();
    }
    let began = |pair: &Pair| {
        let told = pair.told.iter();
        told.filter(|it| matches!(it, EventKind::SessionStarted { .. }))
            .count()
    };
    assert_eq!(began(&pair), 1);
    pair.server_journal.mend();
    pair.settle();
    pair.session();
    assert_eq!(news(&pair), ["one"]);
    assert_eq!(pair.reports.len(), STEPS);
}

/// The end of a step whose time is over, too, is told when it is durable.
#[test]
fn an_end_by_the_clock_is_told_when_it_can_be_kept() {
    let mut pair = Pair::plain(Wire::default());
    let step = SingleCommand::get("./Lamp/Name");
    pair.server.enqueue_step(DEVICE_ID, Box::new(step)).unwrap();
    pair.open();
    pair.step();
    pair.server_journal.fail_for_good(JournalErrorKind::Full);
    let events = pair
        .server
        .expire(at(Config::new("a").procedure_timeout * 2));
    let ended = |kind: &EventKind| matches!(kind, EventKind::ProcedureFinished { .. });
    assert_eq!(pair.server.waiting(DEVICE_ID), 0);
    assert!(!events.iter().any(|event| ended(&event.kind)));
    pair.server_journal.mend();
    rest(&mut pair);
    let told: Vec<_> = pair.reports.iter().map(|it| it.is_timed_out).collect();
    assert_eq!(told, [true]);
    restart(&mut pair, 2);
    let place = pair.server.place(DEVICE_ID).unwrap();
    assert_eq!(place.finished, pair.reports);
}

/// The clock of another run may have begun long before.
#[test]
fn the_silence_of_a_device_counts_from_the_start() {
    let mut pair = Pair::plain(Wire::default());
    pair.session();
    restart(&mut pair, 2);
    let timeout = Config::new("a").device_timeout;
    for (mono, stays) in [(2, true), (3, false)] {
        pair.server.expire(at(timeout * mono));
        assert_eq!(pair.server.place(DEVICE_ID).is_some(), stays);
    }
}

#[test]
fn notifications_are_remembered() {
    let mut pair = Pair::plain(Wire::default());
    let account = || Account::new(None, Some(Proof::new(Scheme::Basic, "s", "secret")));
    pair.restart_server(Config::new("a"), account());
    let server: ServerId = "dm.example".parse().unwrap();
    let notification = Notification::new(7, server).unwrap();
    let notify = |pair: &mut Pair| {
        let sent = pair
            .server
            .notify(DEVICE_ID, &notification, ProvenBy::StoredNonce);
        sent.map(drop)
    };
    pair.server_journal.fail_once(0, JournalErrorKind::Full);
    assert!(matches!(
        notify(&mut pair),
        Err(NotifyError::JournalFailed(JournalErrorKind::Full))
    ));
    notify(&mut pair).unwrap();
    pair.restart_server(Config::new("b"), account());
    assert_eq!(notify(&mut pair), Err(NotifyError::SessionIdInUse(7)));
}

#[test]
fn other_steps_begin_at_the_first() {
    let mut pair = Pair::plain(Wire::default());
    go_on(&mut pair);
    pair.session();
    pair.server.clear_place(DEVICE_ID).unwrap();
    restart(&mut pair, 2);
    let place = pair.server.place(DEVICE_ID).cloned().unwrap_or_default();
    assert_eq!(place.finished, []);
    assert_eq!(pair.server_journal.records(omadm_core::Space::REPORTS), []);
}
