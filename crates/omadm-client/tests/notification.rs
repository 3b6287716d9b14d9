//! Notifications: what opens a session, and what does nothing. [DM-Notification]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

use std::time::Duration;

use omadm_client::{Config, Event, Input, NotificationDrop, Notified, Start, Trigger};
use omadm_core::{AlertCode, Interaction, JournalErrorKind, Space, UserAnswer};
use omadm_session::notification::{
    Initiator, Notification, NotificationErrorKind, RESYNC_OCTETS, RESYNC_TEXT, Resync, UiMode,
};
use omadm_syncml::{Command, Message};
use omadm_testkit::{Bench, SERVER_ID, Script};

const PASSWORD: &str = "srvpwd";

fn config() -> Config {
    let mut config = Bench::config();
    config.notification_secret = Some(PASSWORD.into());
    config
}

fn bench() -> Bench {
    Bench::new(config())
}

fn with_mode(session_id: u16, ui_mode: UiMode) -> Vec<u8> {
    let mut notification = Notification::new(session_id, SERVER_ID.parse().unwrap()).unwrap();
    notification.ui_mode = ui_mode;
    notification.sign(&PASSWORD.into(), b"").unwrap()
}

fn signed(session_id: u16) -> Vec<u8> {
    with_mode(session_id, UiMode::Background)
}

/// What the device told about notifications since the last time.
fn told(bench: &mut Bench) -> Vec<Result<Notified, NotificationDrop>> {
    let events = bench.events.drain(..);
    let told = events.filter_map(|event| match event {
        Event::Notified(notified) => Some(Ok(notified)),
        Event::NotificationDropped(reason) => Some(Err(reason)),
        _ => None,
    });
    told.collect()
}

fn notify(bench: &mut Bench, octets: &[u8]) -> Vec<Result<Notified, NotificationDrop>> {
    bench.feed(Input::Notification(octets)).unwrap();
    told(bench)
}

/// The SessionIDs that the device is to open.
fn starts(told: &[Result<Notified, NotificationDrop>]) -> Vec<u16> {
    let starts = told.iter().map(|it| it.as_ref().unwrap().start);
    starts
        .inspect(|start| assert_eq!(start.trigger, Trigger::Server))
        .map(|start| start.session_id)
        .collect()
}

/// Opens a session; package 1.
fn open(bench: &mut Bench, start: Start) -> Message<'static> {
    bench.script = Script::default();
    bench.feed(Input::Start(start)).unwrap();
    bench.read().unwrap()
}

#[test]
fn a_notification_opens_a_session_with_its_identifier_and_alert_1200() {
    for (session_id, text) in [(0x1234, "1234"), (0xAB, "AB"), (0xF00D, "F00D")] {
        let mut bench = bench();
        let told = notify(&mut bench, &signed(session_id));
        let [Ok(notified)] = told.as_slice() else {
            panic!("{told:?}")
        };
        assert_eq!(bench.request, None, "the caller opens the session");
        let package = open(&mut bench, notified.start);
        assert_eq!(package.header.session_id, text);
        let Some(Command::Alert(alert)) = package.commands.first() else {
            panic!("{package:?}")
        };
        assert_eq!(alert.code, Some(AlertCode::SERVER_INITIATED));
    }
}

#[test]
fn what_the_notification_says_is_handed_on() {
    let mut bench = bench();
    let mut notification = Notification::new(9, SERVER_ID.parse().unwrap()).unwrap();
    notification.initiator = Initiator::Client;
    notification.vendor = b"vendor".to_vec();
    let octets = notification.sign(&PASSWORD.into(), b"").unwrap();
    let told = notify(&mut bench, &octets);
    let notified = told[0].as_ref().unwrap();
    assert_eq!(notified.initiator, Initiator::Client);
    assert_eq!(notified.ui_mode, UiMode::NotSpecified);
    assert_eq!(notified.vendor, b"vendor");
}

#[test]
fn a_notification_is_taken_once_also_after_a_restart() {
    let mut bench = bench();
    assert_eq!(starts(&notify(&mut bench, &signed(7))), [7]);
    let repeated = [Err(NotificationDrop::Repeated)];
    assert_eq!(notify(&mut bench, &signed(7)), repeated);
    // The identifier counts, whatever else it says.
    let louder = with_mode(7, UiMode::Informative);
    assert_eq!(notify(&mut bench, &louder), repeated);
    open(&mut bench, Start::by_server(7));
    bench.say([]);
    assert_eq!(notify(&mut bench, &signed(7)), repeated);
    let mut bench = bench.restart();
    assert_eq!(notify(&mut bench, &signed(7)), repeated);
    assert_eq!(starts(&notify(&mut bench, &signed(8))), [8]);
}

#[test]
fn what_is_not_from_the_server_does_nothing() {
    let other = Notification::new(7, "other".parse().unwrap()).unwrap();
    let other = other.sign(&PASSWORD.into(), b"").unwrap();
    let mine = Notification::new(7, SERVER_ID.parse().unwrap()).unwrap();
    let password = mine.sign(&"guess".into(), b"").unwrap();
    let nonce = mine.sign(&PASSWORD.into(), b"other").unwrap();
    let resync = mine.sign(&PASSWORD.into(), RESYNC_TEXT).unwrap();
    let mut bench = bench();
    let commits = bench.journal.commits();
    for (octets, reason) in [
        (other, NotificationDrop::UnknownServer),
        (password, NotificationDrop::Forged),
        (nonce, NotificationDrop::Forged),
        (resync, NotificationDrop::Forged),
    ] {
        assert_eq!(notify(&mut bench, &octets), [Err(reason)]);
    }
    let told = notify(&mut bench, b"short");
    let [Err(NotificationDrop::Malformed(error))] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(error.kind, NotificationErrorKind::UnexpectedEnd);
    assert_eq!(bench.journal.commits(), commits);
    assert_eq!(bench.request, None);
    assert_eq!(starts(&notify(&mut bench, &signed(7))), [7]);
}

#[test]
fn one_wrong_bit_anywhere_does_nothing() {
    let mut config = config();
    config.max_unverified_notifications = u32::MAX;
    let mut bench = Bench::new(config);
    let commits = bench.journal.commits();
    let octets = signed(0x8001);
    for bit in 0..octets.len() * 8 {
        let mut bad = octets.clone();
        bad[bit / 8] ^= 0x80 >> (bit % 8);
        let told = notify(&mut bench, &bad);
        assert!(matches!(told.as_slice(), [Err(_)]), "bit {bit}: {told:?}");
    }
    assert_eq!(bench.journal.commits(), commits);
    assert_eq!(starts(&notify(&mut bench, &octets)), [0x8001]);
}

#[test]
fn without_a_password_of_the_server_nothing_is_taken() {
    let mut bench = Bench::default();
    let told = notify(&mut bench, &signed(7));
    assert_eq!(told, [Err(NotificationDrop::NoPassword)]);
}

#[test]
fn the_nonce_of_resynchronisation_counts_when_allowed_and_once() {
    let mut config = config();
    config.nonce_resync = Resync::Allowed;
    let mut bench = Bench::new(config);
    let mut id = 0;
    for nonce in [RESYNC_TEXT, RESYNC_OCTETS] {
        id += 1;
        let notification = Notification::new(id, SERVER_ID.parse().unwrap()).unwrap();
        let octets = notification.sign(&PASSWORD.into(), nonce).unwrap();
        let told = notify(&mut bench, &octets);
        assert_eq!(starts(&told), [id]);
        open(&mut bench, Start::by_server(id));
        bench.say([]);
        bench = bench.restart();
        let repeated = [Err(NotificationDrop::Repeated)];
        assert_eq!(notify(&mut bench, &octets), repeated);
    }
}

#[test]
fn junk_keeps_no_notification_away() {
    let mine = Notification::new(7, SERVER_ID.parse().unwrap()).unwrap();
    let forged = mine.sign(&"guess".into(), b"").unwrap();
    let old = signed(1);
    let mut bench = bench();
    assert_eq!(starts(&notify(&mut bench, &old)), [1]);
    for _ in 0..1000 {
        for junk in [b"x".as_slice(), &forged, &old] {
            assert!(!notify(&mut bench, junk).contains(&Err(NotificationDrop::TooMany)));
        }
    }
    bench.start();
    for _ in 0..100 {
        notify(&mut bench, &forged);
    }
    assert_eq!(notify(&mut bench, &signed(2)), [], "it waits");
}

#[test]
fn more_of_the_server_than_some_a_minute_are_not_taken() {
    let mut config = config();
    config.max_notifications = 3;
    let mut bench = Bench::new(config);
    for id in 1..=3 {
        notify(&mut bench, &signed(id));
    }
    assert_eq!(
        notify(&mut bench, &signed(4)),
        [Err(NotificationDrop::TooMany)]
    );
    bench.advance(Duration::from_secs(60));
    assert_eq!(notify(&mut bench, &signed(4)), [], "it waits");
}

#[test]
fn more_than_some_a_minute_are_not_read() {
    let mut config = config();
    config.max_unverified_notifications = 3;
    let mut bench = Bench::new(config);
    for _ in 0..3 {
        assert!(!notify(&mut bench, b"x").contains(&Err(NotificationDrop::TooMany)));
    }
    let too_many = [Err(NotificationDrop::TooMany)];
    assert_eq!(notify(&mut bench, &signed(7)), too_many);
    bench.advance(Duration::from_secs(59));
    assert_eq!(notify(&mut bench, &signed(7)), too_many);
    bench.advance(Duration::from_secs(1));
    assert_eq!(starts(&notify(&mut bench, &signed(7))), [7]);
}

#[test]
fn what_cannot_be_made_durable_is_not_taken() {
    let mut bench = bench();
    bench.journal.fail_once(0, JournalErrorKind::Full);
    let told = notify(&mut bench, &signed(7));
    let failed = NotificationDrop::JournalFailed(JournalErrorKind::Full);
    assert_eq!(told, [Err(failed)]);
    assert_eq!(starts(&notify(&mut bench, &signed(7))), [7]);
}

#[test]
fn a_damaged_record_keeps_the_device_from_starting() {
    use omadm_core::{Batch, Journal};

    let bench = bench();
    let mut batch = Batch::new();
    batch.put(Space::NOTIFICATIONS, SERVER_ID, [9]);
    bench.journal.commit(&batch).unwrap();
    let error = Bench::on(bench.journal, config()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the record of notifications cannot be read"
    );
}

#[test]
fn during_a_session_notifications_wait_each_for_its_own() {
    let mut bench = bench();
    bench.start();
    for id in [7, 8] {
        assert_eq!(notify(&mut bench, &signed(id)), []);
    }
    let repeated = [Err(NotificationDrop::Repeated)];
    assert_eq!(notify(&mut bench, &signed(7)), repeated);
    bench.say([]);
    for id in [7, 8] {
        assert_eq!(starts(&told(&mut bench)), [id]);
        open(&mut bench, Start::by_server(id));
        assert_eq!(told(&mut bench), []);
        bench.say([]);
    }
    assert_eq!(told(&mut bench), []);
}

#[test]
fn the_oldest_of_too_many_that_wait_goes() {
    let mut bench = bench();
    bench.start();
    for id in 1..=16 {
        assert_eq!(notify(&mut bench, &signed(id)), []);
    }
    for id in 17..=20 {
        let told = notify(&mut bench, &signed(id));
        assert_eq!(told, [Err(NotificationDrop::Displaced)]);
    }
    bench.say([]);
    assert_eq!(starts(&told(&mut bench)), [5]);
}

#[test]
fn another_session_keeps_the_one_offered_waiting() {
    let mut bench = bench();
    assert_eq!(starts(&notify(&mut bench, &signed(7))), [7]);
    bench.start();
    assert_eq!(told(&mut bench), []);
    bench.say([]);
    assert_eq!(starts(&told(&mut bench)), [7]);
}

#[test]
fn the_user_is_told_before_and_waited_for_a_while() {
    let mut bench = bench();
    let informative = |id| with_mode(id, UiMode::Informative);
    assert_eq!(notify(&mut bench, &informative(7)), []);
    let question = bench.question.clone().unwrap();
    assert_eq!(question.asked.interaction, Interaction::Display);
    assert!(question.asked.text.contains(SERVER_ID));
    bench.answer(UserAnswer::Cancelled);
    assert_eq!(starts(&told(&mut bench)), [7]);
    open(&mut bench, Start::by_server(7));
    bench.say([]);

    assert_eq!(notify(&mut bench, &informative(8)), []);
    bench.advance(Duration::from_secs(10));
    assert_eq!(starts(&told(&mut bench)), [8]);
    assert_eq!((bench.question, bench.withdrawn.len()), (None, 1));
}

#[test]
fn the_user_who_is_asked_may_say_no() {
    let declined = [Err(NotificationDrop::Declined)];
    for (answer, allowed) in [
        (UserAnswer::Accepted, true),
        (UserAnswer::Rejected, false),
        (UserAnswer::Cancelled, false),
        (UserAnswer::Unsupported, false),
    ] {
        let mut bench = bench();
        let octets = with_mode(7, UiMode::UserInteraction);
        assert_eq!(notify(&mut bench, &octets), []);
        let asked = &bench.question.as_ref().unwrap().asked;
        assert_eq!(asked.interaction, Interaction::Confirm);
        assert!(!bench.client.is_idle(), "somebody is asked");
        bench.answer(answer);
        assert!(bench.client.is_idle());
        let told = told(&mut bench);
        match allowed {
            true => assert_eq!(starts(&told), [7]),
            false => assert_eq!(told, declined),
        }
    }
    let mut bench = bench();
    notify(&mut bench, &with_mode(7, UiMode::UserInteraction));
    bench.advance(config().interaction_limit);
    assert_eq!(told(&mut bench), declined);
    assert_eq!((bench.question, bench.withdrawn.len()), (None, 1));
}

#[test]
fn a_session_takes_the_question_back_until_it_ends() {
    let mut bench = bench();
    let asking = with_mode(7, UiMode::UserInteraction);
    assert_eq!(notify(&mut bench, &asking), []);
    assert_eq!(notify(&mut bench, &signed(8)), []);
    let first = bench.question.clone().unwrap();
    bench.start();
    assert_eq!((bench.question.take(), bench.withdrawn.len()), (None, 1));
    // An answer that comes too late is of no use.
    bench
        .feed(Input::Answered {
            question: first.id,
            answer: UserAnswer::Accepted,
        })
        .unwrap();
    bench.say([]);
    let again = bench.question.clone().unwrap();
    assert_eq!(again.asked, first.asked);
    bench.answer(UserAnswer::Accepted);
    assert_eq!(starts(&told(&mut bench)), [7]);
    open(&mut bench, Start::by_server(7));
    bench.say([]);
    assert_eq!(starts(&told(&mut bench)), [8]);
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
