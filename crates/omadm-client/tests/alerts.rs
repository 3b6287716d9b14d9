//! The alert queue: durable, at least once, and not for ever.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::time::Duration;

use omadm_client::{
    ApiMisuse, Compat, Config, Delivery, DropReason, Event, Input, Notice, SessionEnd, StartError,
    TransportFailure,
};
use omadm_core::{
    AlertCode, Backoff, Batch, ClientEvent, Correlator, Format, GenericAlert, Journal,
    JournalErrorKind, Mark, Space, StatusCode,
};
use omadm_session::request;
use omadm_syncml::{Alert, Command, Message};
use omadm_testkit::{Bench, TestJournal, by_encoding, describe};

const MINUTE: Duration = Duration::from_secs(60);

fn config() -> Config {
    let mut config = Bench::config();
    config.alert_retry = Backoff {
        retries: 2,
        first: MINUTE,
        longest: 2 * MINUTE,
    };
    config
}

/// A device on which `count` alerts wait, outside a session.
fn queued(config: Config, count: usize) -> Bench {
    let mut bench = Bench::new(config);
    let later = |n: usize| {
        let correlator = Correlator::new(format!("c{n}"));
        request::exec("./Lamp/Later", Some(&correlator))
    };
    bench.run((0..count).map(later));
    while bench.say([]).is_some() {}
    for _ in 0..count {
        bench.finish_job();
    }
    bench
}

/// The Correlators of the alerts in a message.
fn correlators(message: &Message<'_>) -> Vec<String> {
    let of = |command: &Command<'_>| match command {
        Command::Alert(alert) => alert.correlator.as_ref().map(ToString::to_string),
        _ => None,
    };
    message.commands.iter().filter_map(of).collect()
}

fn wanted(bench: &Bench) -> usize {
    bench
        .events
        .iter()
        .filter(|event| **event == Event::SessionWanted)
        .count()
}

/// VR-053, VR-248: Generic Alerts go to the server, code 1226.
#[test]
fn alerts_survive_a_restart_in_order() {
    let bench = queued(config(), 3);
    assert_eq!(wanted(&bench), 1, "asked for once");
    let mut bench = bench.restart();
    assert_eq!(wanted(&bench), 1, "asked for again at the start");
    let setup = bench.start();
    assert_eq!(
        describe(&setup),
        "Alert(1201) Replace Alert(1226) Alert(1226) Alert(1226) Final"
    );
    assert_eq!(correlators(&setup), ["c0", "c1", "c2"]);
    assert!(!bench.client.is_idle());
    let mut bench = bench.restart();
    assert_eq!(
        correlators(&bench.start()),
        ["c0", "c1", "c2"],
        "sent, not acknowledged"
    );
    bench.say([]);
    assert!(bench.client.is_idle());
    assert_eq!(bench.journal.records(Space::ALERTS), []);
    let mut bench = bench.restart();
    assert_eq!((correlators(&bench.start()), wanted(&bench)), (vec![], 0));
}

#[test]
fn an_alert_is_durable_together_with_the_state_it_tells() {
    let mut bench = Bench::new(config());
    bench.run([request::exec("./Lamp/Later", None)]);
    bench.say([]);
    let before = bench.journal.commits();
    bench.finish_job();
    assert_eq!(bench.journal.commits(), before + 1);
    let bench = bench.restart();
    assert_eq!(bench.value("./Lamp/Light").as_deref(), Some("true"));
    assert_eq!(bench.journal.records(Space::ALERTS).len(), 1);
}

#[test]
fn a_refused_alert_backs_off_and_is_dropped_in_the_end() {
    let mut bench = queued(config(), 1);
    let mut pauses = vec![MINUTE, 2 * MINUTE].into_iter();
    for tries in 1..=2 {
        assert_eq!(correlators(&bench.start()), ["c0"]);
        bench.refuse_alerts(StatusCode::SERVICE_UNAVAILABLE);
        let status = Some(StatusCode::SERVICE_UNAVAILABLE);
        let refused = bench.events.iter().find_map(|event| match event {
            Event::AlertRefused {
                tries: t,
                status: s,
                ..
            } if *t == tries => Some(*s),
            _ => None,
        });
        assert_eq!(refused, Some(status));
        let asked = wanted(&bench);
        let pause = pauses.next().unwrap();
        bench.advance(pause - Duration::from_millis(1));
        assert_eq!(wanted(&bench), asked);
        bench.advance(Duration::from_millis(1));
        assert_eq!(wanted(&bench), asked + 1);
        if tries == 1 {
            bench = bench.restart();
        }
    }
    bench.start();
    bench.refuse_alerts(StatusCode::PERMISSION_DENIED);
    let dropped = |event: &Event| {
        matches!(
            event,
            Event::AlertDropped {
                reason: DropReason::Refused,
                ..
            }
        )
    };
    assert!(bench.events.iter().any(dropped));
    assert_eq!(bench.journal.records(Space::ALERTS), []);
    assert!(bench.client.is_idle());
}

#[test]
fn a_refused_alert_is_not_sent_before_its_time() {
    let mut bench = queued(config(), 1);
    bench.start();
    bench.refuse_alerts(StatusCode::COMMAND_FAILED);
    assert_eq!(correlators(&bench.start()), [""; 0]);
    bench.advance(MINUTE);
    let answer = bench.say([request::get("./Lamp/Name")]).unwrap();
    assert_eq!(correlators(&answer), ["c0"], "within the same session");
    bench.say([]);
    assert!(bench.client.is_idle());
}

#[test]
fn an_alert_nobody_answers_counts_as_refused() {
    let mut bench = queued(config(), 1);
    bench.start();
    let header = bench.script.header();
    let heard = bench.script.heard();
    let body = bench.script.write_as(&header, [heard], true);
    assert_eq!(bench.deliver(&body), None);
    assert_eq!(bench.ended.last(), Some(&SessionEnd::Completed));
    let refused = |event: &Event| {
        matches!(
            event,
            Event::AlertRefused {
                status: None,
                tries: 1,
                ..
            }
        )
    };
    assert!(bench.events.iter().any(refused));
}

#[test]
fn a_server_that_answers_nothing_ends_no_session_normally() {
    for compat in [Compat::default(), Compat::lenient()] {
        let mut config = config();
        config.compat = compat;
        let mut bench = queued(config, 1);
        bench.start();
        let header = bench.script.header();
        let body = bench.script.write_as(&header, [], true);
        assert_eq!(bench.deliver(&body), None);
        assert_eq!(bench.ended.last(), Some(&SessionEnd::NoHeaderStatus));
        assert_eq!(bench.client.queued_alerts(), 1);
    }
}

#[test]
fn a_session_that_fails_is_tried_again_later_and_costs_no_alert() {
    let mut bench = queued(config(), 1);
    let mut asked = wanted(&bench);
    for pause in [1, 2, 2, 2] {
        bench.start();
        bench
            .feed(Input::TransportFailed(TransportFailure::Refused))
            .unwrap();
        bench.request = None;
        assert!(!bench.ended.last().unwrap().is_normal());
        bench.advance(pause * MINUTE - Duration::from_millis(1));
        assert_eq!(wanted(&bench), asked);
        bench.advance(Duration::from_millis(1));
        asked += 1;
        assert_eq!(wanted(&bench), asked);
    }
    assert_eq!(correlators(&bench.start()), ["c0"]);
    bench.say([]);
    assert!(bench.client.is_idle());
}

#[test]
fn a_full_queue_drops_what_comes_on_top() {
    let mut config = config();
    config.max_queued_alerts = 2;
    let mut bench = queued(config, 3);
    let dropped = |event: &Event| {
        matches!(event, Event::AlertDropped { reason: DropReason::QueueFull, alert }
            if alert.correlator == Some(Correlator::new("c2")))
    };
    assert!(bench.events.iter().any(dropped));
    assert_eq!(correlators(&bench.start()), ["c0", "c1"]);
}

#[test]
fn an_alert_that_fits_no_message_is_dropped() {
    let mut bench = Bench::new(config());
    let huge = Correlator::new("x".repeat(20_000));
    let later = |correlator| request::exec("./Lamp/Later", Some(correlator));
    bench.run([later(&huge), later(&Correlator::new("c1"))]);
    bench.say([]);
    bench.finish_job();
    bench.finish_job();
    assert_eq!(correlators(&bench.start()), ["c1"]);
    let dropped = |event: &Event| {
        matches!(
            event,
            Event::AlertDropped {
                reason: DropReason::TooLarge,
                ..
            }
        )
    };
    assert!(bench.events.iter().any(dropped));
}

#[test]
fn alerts_spread_over_messages() {
    let count = by_encoding(100, 250);
    let mut config = config();
    config.max_open_jobs = count;
    let mut bench = queued(config, count);
    let mut sent = correlators(&bench.start());
    assert!(sent.len() < count && !bench.script.last.as_ref().unwrap().is_final);
    while !bench.script.last.as_ref().unwrap().is_final {
        assert!(bench.request.as_ref().unwrap().body.len() <= 5000);
        let next = Command::Alert(Alert::new(AlertCode::NEXT_MESSAGE));
        let body = bench.script.write([next], false);
        sent.extend(correlators(&bench.deliver(&body).unwrap()));
    }
    let expected: Vec<String> = (0..count).map(|n| format!("c{n}")).collect();
    assert_eq!(sent, expected);
    bench.say([]);
    assert_eq!(bench.ended.last(), Some(&SessionEnd::Completed));
    assert!(bench.client.is_idle());
}

#[test]
fn an_acknowledgement_that_cannot_be_made_durable_is_as_none() {
    let mut bench = queued(config(), 1);
    bench.start();
    bench.journal.fail_once(0, JournalErrorKind::Io);
    bench.say([]);
    assert!(!bench.client.is_idle());
    assert!(
        bench
            .events
            .contains(&Event::JournalFailed(JournalErrorKind::Io))
    );
    // A device that asked at once would go on as long as the journal fails.
    assert_eq!(wanted(&bench), 1);
    bench.advance(MINUTE);
    assert_eq!(wanted(&bench), 2);
    assert_eq!(correlators(&bench.start()), ["c0"]);
    bench.say([]);
    assert!(bench.client.is_idle());
}

#[test]
fn a_damaged_queue_is_found_at_the_start() {
    let journal = TestJournal::default();
    let mut batch = Batch::new();
    batch.put(Space::ALERTS, 0u64.to_be_bytes(), [9, 9, 9]);
    journal.commit(&batch).unwrap();
    let error = Bench::on(journal, config()).unwrap_err();
    assert!(matches!(error, StartError::AlertRecord), "{error:?}");
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}

fn event(name: &str) -> ClientEvent {
    let mut event = ClientEvent::new(name, Format::Chr);
    event.source = Some("./Lamp/Light".into());
    event.data = "größer".into();
    event
}

/// What became of client events, in order.
fn deliveries(bench: &Bench) -> Vec<(String, Delivery)> {
    let of = |event: &Event| match event {
        Event::ClientEvent { event, delivery } => Some((event.event_type.clone(), *delivery)),
        _ => None,
    };
    bench.events.iter().filter_map(of).collect()
}

#[test]
fn client_events_are_kept_until_the_server_has_them() {
    let mut bench = Bench::new(config());
    let events = vec![event("a"), event("b")];
    bench
        .feed(Input::Queue(Notice::Events(events.clone())))
        .unwrap();
    assert_eq!((wanted(&bench), bench.client.queued_alerts()), (1, 2));
    let mut bench = bench.restart();
    let setup = bench.start();
    assert_eq!(describe(&setup), "Alert(1201) Replace Alert(1224) Final");
    let Command::Alert(alert) = &setup.commands[2] else {
        panic!("{setup:?}");
    };
    assert_eq!(alert.client_events(), Ok(events));
    bench.say([]);
    let delivered = |name: &str| (name.to_owned(), Delivery::Delivered);
    assert_eq!(deliveries(&bench), [delivered("a"), delivered("b")]);
    assert!(bench.client.is_idle() && bench.restart().client.is_idle());
}

/// What no server could make anything of never gets into the queue, nor what comes with it.
#[test]
fn what_has_no_type_or_comes_from_nowhere_is_not_queued() {
    let mut bench = Bench::new(config());
    let alert = |kind: &str, source: Option<&str>| {
        let mut alert = GenericAlert::new(kind, Format::Chr);
        alert.source = source.map(str::to_owned);
        alert
    };
    let unfit = [
        ("", None),
        (" \t\n", Some("./Lamp")),
        ("a", Some("")),
        ("a", Some("/")),
        ("a", Some("http://example.com/")),
        ("a", Some("./Lamp?prop=Name")),
        ("a", Some("./Lamp/../Name")),
        ("a", Some("./a lamp\n")),
    ];
    for (kind, source) in unfit {
        let mut event = ClientEvent::new(kind, Format::Chr);
        event.source = source.map(str::to_owned);
        let alerts = vec![alert("a", None), alert(kind, source)];
        for notice in [Notice::Alerts(alerts), event.into()] {
            let queued = bench.feed(Input::Queue(notice));
            assert_eq!(queued, Err(ApiMisuse::UnfitNotice), "{kind:?} {source:?}");
        }
    }
    assert!(bench.client.is_idle() && bench.restart().client.is_idle());

    let mut bench = Bench::new(config());
    for source in [None, Some("."), Some("./Lamp"), Some("Lamp/N%C3%A4me")] {
        let notice = alert("urn:example:a", source).into();
        assert_eq!(bench.feed(Input::Queue(notice)), Ok(()), "{source:?}");
    }
    assert_eq!(bench.client.queued_alerts(), 4);
}

#[test]
fn client_events_go_with_the_session_that_is_open() {
    let mut bench = Bench::default();
    bench.run([request::get("./Lamp/Name")]);
    bench.feed(Input::Queue(event("a").into())).unwrap();
    let said = bench.say([request::get("./Lamp/Name")]).unwrap();
    assert_eq!(
        describe(&said),
        "SyncHdr=200 Get=200 Results Alert(1224) Final"
    );
    bench.say([]);
    assert!(bench.client.is_idle());
}

#[test]
fn a_refused_client_event_is_dropped_after_a_few_tries() {
    let mut bench = Bench::new(config());
    bench.feed(Input::Queue(event("a").into())).unwrap();
    for tries in 1..=3 {
        bench.start();
        bench.refuse_alerts(StatusCode::COMMAND_FAILED);
        let status = Some(StatusCode::COMMAND_FAILED);
        let expected = match tries {
            3 => Delivery::Dropped(DropReason::Refused),
            tries => Delivery::Refused { status, tries },
        };
        assert_eq!(deliveries(&bench).pop(), Some(("a".into(), expected)));
        bench.advance(2 * MINUTE);
    }
    assert!(bench.client.is_idle());
}

/// Every status there is, each for an alert and a client event.
#[test]
fn what_is_refused_for_good_is_dropped_at_once() {
    let for_good = [404, 405, 406, 412, 413, 414, 415, 501];
    let of_credentials = [
        StatusCode::UNAUTHORIZED,
        StatusCode::AUTHENTICATION_REQUIRED,
    ];
    for &status in StatusCode::KNOWN {
        if status.is_success() || of_credentials.contains(&status) {
            continue;
        }
        let mut alert = GenericAlert::new("a", Format::Chr);
        alert.source = Some("./Lamp".into());
        for notice in [Notice::from(alert), event("a").into()] {
            let mut bench = Bench::new(config());
            bench.feed(Input::Queue(notice)).unwrap();
            bench.start();
            bench.refuse_alerts(status);
            let dropped = bench.events.iter().find_map(|event| match event {
                Event::AlertDropped { reason, .. }
                | Event::ClientEvent {
                    delivery: Delivery::Dropped(reason),
                    ..
                } => Some(*reason),
                _ => None,
            });
            let expected = for_good.contains(&status.get());
            let reason = expected.then_some(DropReason::Unacceptable(status));
            assert_eq!(dropped, reason);
            assert_eq!(bench.client.queued_alerts(), usize::from(!expected));
            let kept = bench.journal.records(Space::ALERTS).len();
            assert_eq!(kept, usize::from(!expected), "{status:?}");
        }
    }
}

/// Two Items, a Status each: as long as one of them may be taken later, both stay.
#[test]
fn an_item_that_may_be_taken_later_keeps_those_beside_it() {
    let gone = StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED;
    let later = StatusCode::SERVICE_UNAVAILABLE;
    for (codes, kept) in [
        ([gone, later], 2),
        ([later, gone], 2),
        ([gone, StatusCode::OK], 0),
        ([gone, gone], 0),
    ] {
        let mut bench = Bench::new(config());
        let events = Notice::Events(vec![event("a"), event("b")]);
        bench.feed(Input::Queue(events)).unwrap();
        bench.start();
        let mut answers = bench.script.acknowledge();
        let Some(Command::Status(last)) = answers.pop() else {
            panic!("{answers:?}");
        };
        for code in codes {
            let mut status = last.clone();
            status.code = code;
            answers.push(Command::Status(status));
        }
        let header = bench.script.header();
        let body = bench.script.write_as(&header, answers, true);
        bench.deliver(&body);
        assert_eq!(bench.client.queued_alerts(), kept, "{codes:?}");
    }
}

#[test]
fn several_alerts_go_as_items_of_one_and_one_refusal_is_enough() {
    let alert = |name: &str, correlator: Option<&str>| {
        let mut alert = GenericAlert::new(name, Format::Chr);
        alert.mark = Some(Mark::Critical);
        alert.correlator = correlator.map(Correlator::new);
        alert
    };
    let alerts = vec![alert("a", None), alert("b", None), alert("c", Some("x"))];
    let mut bench = Bench::new(config());
    bench
        .feed(Input::Queue(Notice::Alerts(alerts.clone())))
        .unwrap();
    let setup = bench.start();
    assert_eq!(
        describe(&setup),
        "Alert(1201) Replace Alert(1226) Alert(1226) Final"
    );
    let read: Vec<_> = setup.commands[2..]
        .iter()
        .flat_map(|command| match command {
            Command::Alert(alert) => alert.generic_alerts().unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(read, alerts);

    // A Status for each Item of the first Alert.
    let mut answers = bench.script.acknowledge();
    let place = answers.len() - 2;
    let mut refusal = answers[place].clone();
    if let Command::Status(status) = &mut refusal {
        status.code = StatusCode::COMMAND_FAILED;
    }
    answers.insert(place, refusal);
    let header = bench.script.header();
    let body = bench.script.write_as(&header, answers, true);
    bench.deliver(&body);
    let told: Vec<_> = bench
        .events
        .iter()
        .filter_map(|event| match event {
            Event::AlertDelivered(alert) => Some((alert.alert_type.as_str(), true)),
            Event::AlertRefused { alert, .. } => Some((alert.alert_type.as_str(), false)),
            _ => None,
        })
        .collect();
    assert_eq!(told, [("a", false), ("b", false), ("c", true)]);
    assert_eq!(bench.client.queued_alerts(), 2);
}

#[test]
fn what_cannot_be_kept_is_told() {
    let mut limited = config();
    limited.max_queued_alerts = 1;
    let mut bench = Bench::new(limited);
    bench
        .feed(Input::Queue(Notice::Events(vec![event("a"), event("b")])))
        .unwrap();
    let dropped = |reason| (Delivery::Dropped(reason),);
    let full = dropped(DropReason::QueueFull);
    assert!(
        deliveries(&bench)
            .iter()
            .all(|(_, delivery)| (*delivery,) == full)
    );
    assert_eq!(deliveries(&bench).len(), 2);
    bench.journal.fail_for_good(JournalErrorKind::Full);
    bench.feed(Input::Queue(event("c").into())).unwrap();
    let expected = Delivery::Dropped(DropReason::NotKept);
    assert_eq!(deliveries(&bench).pop(), Some(("c".into(), expected)));
    assert!(bench.client.is_idle());
}
