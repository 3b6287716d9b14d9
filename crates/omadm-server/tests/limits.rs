//! What the engine holds is bounded, and devices come and go.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

#[path = "tools/full.rs"]
mod full;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use omadm_core::{MemoryJournal, Now, StatusCode};
use omadm_server::{
    Account, Config, EnqueueError, EventKind, Everyone, ReceiveError, Request, RespondError,
    Server, SingleCommand,
};
use omadm_session::{
    Answer, Correlators, NoRandom, Nonces, Procedure, Proof, Scheme, Step,
    notification::{Notification, ProvenBy},
};
use omadm_syncml::{CmdRef, Command, Encoding, Limits, PublicId, WbxmlVersion, decode, encode};
use omadm_testkit::{encoding, from_wire, to_wire};

use full::Full;

fn package_1(device: &str, session: u32) -> Vec<u8> {
    let leaves: String = ["DevId", "Man", "Mod", "DmV", "Lang"]
        .map(|leaf| {
            format!("<Item><Source><LocURI>./DevInfo/{leaf}</LocURI></Source><Data>x</Data></Item>")
        })
        .concat();
    to_wire(&format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD>\
         <VerProto>DM/1.2</VerProto><SessionID>{session}</SessionID><MsgID>1</MsgID>\
         <Target><LocURI>s</LocURI></Target><Source><LocURI>{device}</LocURI></Source></SyncHdr>\
         <SyncBody><Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Replace><CmdID>2</CmdID>\
         {leaves}</Replace><Final/></SyncBody></SyncML>"
    ))
}

fn at(seconds: u64) -> Now {
    Now {
        wall: Duration::ZERO,
        mono: Duration::from_secs(seconds),
    }
}

/// Opens a session; the code of the header's Status.
fn open(server: &mut Server, device: &str, session: u32, now: Now) -> &'static str {
    let body = package_1(device, session);
    let request = Request::new(&body, encoding(), now);
    let receipt = server.receive(request).unwrap();
    let answer = from_wire(&server.respond(receipt).unwrap().body);
    ["<Data>200</Data>", "<Data>503</Data>"]
        .into_iter()
        .min_by_key(|code| answer.find(code).unwrap_or(usize::MAX))
        .unwrap()
}

const OK: &str = "<Data>200</Data>";
const FULL: &str = "<Data>503</Data>";

fn get() -> Box<SingleCommand> {
    Box::new(SingleCommand::get("./A"))
}

#[test]
fn a_queue_takes_so_many_procedures() {
    let mut config = Config::new("t");
    config.max_procedures = 2;
    let mut server = Server::new(config, Everyone);
    let first = server.enqueue("dev1", get()).unwrap();
    let second = server.enqueue("dev1", get()).unwrap();
    assert_ne!(first, second);
    let full = server.enqueue("dev1", get()).unwrap_err();
    assert_eq!(full, EnqueueError::QueueFull);
    assert_eq!((server.waiting("dev1"), server.waiting("dev2")), (2, 0));
    server.enqueue("dev2", get()).unwrap();
}

#[test]
fn devices_without_procedures_make_room_for_others() {
    let mut config = Config::new("t");
    config.max_devices = 2;
    let mut server = Server::new(config, Everyone);
    assert_eq!(open(&mut server, "dev1", 1, at(1)), OK);
    server.enqueue("dev2", get()).unwrap();
    assert_eq!(open(&mut server, "dev3", 1, at(2)), OK);
    server.enqueue("dev3", get()).unwrap();
    assert_eq!(open(&mut server, "dev4", 1, at(3)), FULL);
    let full = server.enqueue("dev4", get()).unwrap_err();
    assert_eq!(full, EnqueueError::TooManyDevices);
    assert_eq!(open(&mut server, "dev3", 2, at(4)), OK);
}

#[test]
fn ended_sessions_make_room_for_others_and_open_ones_do_not() {
    let mut config = Config::new("t");
    config.max_sessions = 2;
    let mut server = Server::new(config, Everyone);
    server.enqueue("dev1", get()).unwrap();
    assert_eq!(open(&mut server, "dev1", 1, at(1)), OK);
    for device in ["dev2", "dev3", "dev4"] {
        assert_eq!(open(&mut server, device, 1, at(2)), OK);
        assert_eq!(server.sessions().count(), 2);
    }
    server.enqueue("dev4", get()).unwrap();
    assert_eq!(open(&mut server, "dev4", 2, at(3)), OK);
    assert_eq!(open(&mut server, "dev5", 1, at(4)), FULL);
    let open_ones = server.sessions().filter(|session| session.is_open());
    let devices: Vec<&str> = open_ones.map(|session| session.device()).collect();
    assert_eq!(devices, ["dev1", "dev4"]);
}

#[test]
fn unfinished_objects_share_what_all_sessions_may_keep() {
    let mut config = Config::new("t");
    config.max_unfinished = 100;
    let mut server = Server::new(config, Everyone);
    let chunk = format!(
        "<Alert><CmdID>3</CmdID><Data>1226</Data><Item><Source><LocURI>./A</LocURI></Source><Meta>\
         <Format xmlns=\"syncml:metinf\">chr</Format><Type xmlns=\"syncml:metinf\">a.b</Type>\
         <Size xmlns=\"syncml:metinf\">1000</Size></Meta><Data>{}</Data><MoreData/></Item></Alert>",
        "x".repeat(60)
    );
    let begin = |server: &mut Server, device: &str, now: Now| {
        let text = from_wire(&package_1(device, 1));
        let body = to_wire(
            &text
                .replace("<Final/>", &chunk)
                .replace("<Final></Final>", &chunk),
        );
        let receipt = server.receive(Request::new(&body, encoding(), now));
        let answer = from_wire(&server.respond(receipt.unwrap()).unwrap().body);
        ["<Data>213</Data>", "<Data>413</Data>"].map(|code| answer.contains(code))
    };
    assert_eq!(begin(&mut server, "dev1", at(1)), [true, false]);
    assert_eq!(begin(&mut server, "dev2", at(2)), [false, true]);
    // The first one never goes on.
    server.expire(at(1000));
    assert_eq!(begin(&mut server, "dev3", at(1000)), [true, false]);
}

/// A first message that is cut after Alerts of these Items, given by a letter and a length;
/// which of the Alerts were taken, and how many of their Items anybody was told.
fn bring(server: &mut Server, session: u32, alerts: &[&[(&str, usize)]]) -> (Vec<bool>, usize) {
    let item = |(letter, length): &(&str, usize)| {
        format!(
            "<Item><Source><LocURI>./A</LocURI></Source><Meta><Format xmlns=\"syncml:metinf\">chr\
             </Format><Type xmlns=\"syncml:metinf\">a.b</Type></Meta><Data>{}</Data></Item>",
            letter.repeat(*length)
        )
    };
    let mut sent = String::new();
    for (id, items) in (3..).zip(alerts) {
        let items: String = items.iter().map(item).collect();
        sent += &format!("<Alert><CmdID>{id}</CmdID><Data>1226</Data>{items}</Alert>");
    }
    let text = from_wire(&package_1("dev1", session));
    let text = text.replace("<Final></Final>", "<Final/>");
    let body = to_wire(&text.replace("<Final/>", &sent));
    let receipt = server.receive(Request::new(&body, encoding(), at(session.into())));
    let mut receipt = receipt.unwrap();
    let told = receipt.take_events().into_iter();
    let told = told.filter(|event| matches!(event.kind, EventKind::Alert { .. }));
    let told = told.count();
    let answer = server.respond(receipt).unwrap().body;
    let answer = decode(&answer, encoding(), &Limits::default()).unwrap();
    let codes = answer.commands.iter().filter_map(|command| match command {
        Command::Status(status) => match status.cmd_ref {
            CmdRef::Command(id) if id.get() >= 3 => Some(status.code == StatusCode::OK),
            _ => None,
        },
        _ => None,
    });
    (codes.collect(), told)
}

/// A device that comes with another alert in each session, and ends none in order.
#[test]
fn alerts_without_an_end_do_not_fill_the_memory() {
    let mut config = Config::new("t");
    config.max_unconfirmed = 200;
    let mut server = Server::new(config, Everyone);
    let mut bring = |session, alerts: &[&[(&str, usize)]]| bring(&mut server, session, alerts);
    let (a, b, c) = (("a", 150), ("b", 150), ("c", 20));
    assert_eq!(bring(1, &[&[a], &[b]]), (vec![true, false], 1));
    assert_eq!(
        bring(2, &[&[a], &[c]]),
        (vec![true, true], 1),
        "a comes again"
    );
    // Nobody knows whether those will: they do not keep a new one out, and are not known any more.
    assert_eq!(bring(3, &[&[b]]), (vec![true], 1));
    assert_eq!(
        bring(4, &[&[c]]),
        (vec![true], 0),
        "there was room for it beside b"
    );
    assert_eq!(bring(5, &[&[b], &[c]]), (vec![true, true], 0));
    assert_eq!(bring(6, &[&[a]]), (vec![true], 1));
}

/// What is larger than all there is room for could never be brought otherwise.
#[test]
fn an_alert_alone_is_taken_whatever_its_items_come_to() {
    let mut config = Config::new("t");
    config.max_unconfirmed = 200;
    let mut server = Server::new(config, Everyone);
    let large: &[(&str, usize)] = &[("a", 150), ("b", 150), ("c", 1000)];
    let small: &[(&str, usize)] = &[("d", 20)];
    for session in 1..4 {
        let brought = bring(&mut server, session, &[large, small]);
        let told = if session == 1 { 3 } else { 0 };
        assert_eq!(brought, (vec![true, false], told), "{session}");
    }
}

/// A notification that waits for its answer keeps a device that was never seen, unless there is no
/// room for another.
#[test]
fn a_notified_device_is_kept() {
    let mut config = Config::new("t");
    config.max_devices = 2;
    let proof = Proof::new(Scheme::Basic, "dm.example", "srvpwd");
    let mut server = Server::new(config, Account::new(None, Some(proof)));
    let notify = |server: &mut Server, device: &str| {
        let id = "dm.example".parse().unwrap();
        let notification = Notification::new(0xAB, id).unwrap();
        server
            .notify(device, &notification, ProvenBy::StoredNonce)
            .is_ok()
    };
    assert!(notify(&mut server, "dev1"));
    assert!(!notify(&mut server, "dev1"));
    // A clock that began days ago.
    server.expire(at(1_000_000));
    assert!(!notify(&mut server, "dev1"), "it is forgotten");
    assert_eq!(open(&mut server, "dev2", 1, at(1_000_000)), OK);
    assert_eq!(open(&mut server, "dev3", 1, at(1_000_001)), OK);
    assert!(!notify(&mut server, "dev1"), "dev2 is forgotten first");
}

/// Nobody has to prove anything to send a first message.
#[test]
fn who_proves_nothing_does_not_push_a_known_device_aside() {
    let mut config = Config::new("t");
    config.max_devices = 1;
    let [device, own] = ["Bruce2", "dm.example"].map(|name| Proof::new(Scheme::Basic, name, "x"));
    let mut server = Server::new(config, Account::new(Some(device), Some(own)));
    let notification = Notification::new(0xAB, "dm.example".parse().unwrap()).unwrap();
    let told = server.notify("dev1", &notification, ProvenBy::StoredNonce);
    assert!(told.is_ok());
    let body = package_1("dev2", 1);
    let receipt = server.receive(Request::new(&body, encoding(), at(1)));
    let answer = from_wire(&server.respond(receipt.unwrap()).unwrap().body);
    assert!(answer.contains("<Data>407</Data>"), "{answer}");
    assert_eq!(server.devices().collect::<Vec<_>>(), ["dev1"]);
}

#[test]
fn a_device_in_a_session_does_not_make_room_for_another() {
    let mut config = Config::new("t");
    config.max_devices = 1;
    let mut server = Server::new(config, Everyone);
    let text = from_wire(&package_1("dev1", 1));
    let cut = to_wire(&text.replace("<Final/>", "").replace("<Final></Final>", ""));
    let receipt = server.receive(Request::new(&cut, encoding(), at(1)));
    server.respond(receipt.unwrap()).unwrap();
    assert_eq!(open(&mut server, "dev2", 1, at(2)), FULL);
    server.expire(at(1000));
    assert_eq!(open(&mut server, "dev2", 1, at(1000)), OK);
}

#[test]
fn silent_sessions_are_forgotten_when_they_are_due() {
    let mut config = Config::new("t");
    config.idle_timeout = Duration::from_secs(60);
    let mut server = Server::new(config, Everyone);
    assert_eq!(server.next_expiry(), None);
    server.enqueue("dev1", get()).unwrap();
    assert_eq!(open(&mut server, "dev1", 1, at(10)), OK);
    assert_eq!(open(&mut server, "dev2", 1, at(20)), OK);
    assert_eq!(server.next_expiry(), Some(Duration::from_secs(70)));
    assert!(server.expire(at(69)).is_empty());
    let events = server.expire(at(70));
    assert_eq!(events.len(), 1);
    assert!(events.iter().all(|event| {
        &*event.device == "dev1" && matches!(event.kind, EventKind::SessionEnded(_))
    }));
    // One that had ended goes without a word.
    assert!(server.expire(at(80)).is_empty());
    assert_eq!(server.sessions().count(), 0);
    assert_eq!(server.waiting("dev1"), 1);
}

/// Counts how often anybody wants to know when its time is over.
#[derive(Debug)]
struct Watched(Arc<AtomicUsize>);

impl Procedure for Watched {
    fn poll(&mut self, _: &mut Correlators) -> Step {
        Step::Wait
    }

    fn answer(&mut self, _: Answer) {}

    fn time_limit(&self) -> Option<Duration> {
        self.0.fetch_add(1, Ordering::Relaxed);
        None
    }
}

/// A message costs what it does however many devices wait for theirs.
#[test]
fn a_message_of_one_device_looks_at_no_other() {
    let looks = Arc::new(AtomicUsize::new(0));
    let mut server = Server::new(Config::new("t"), Everyone);
    let name = |number: u32| format!("dev{number}");
    for number in 0..200 {
        let watched = Box::new(Watched(Arc::clone(&looks)));
        server.enqueue(&name(number), watched).unwrap();
        assert_eq!(open(&mut server, &name(number), 1, at(1)), OK);
    }
    looks.store(0, Ordering::Relaxed);
    assert!(server.expire(at(2)).is_empty());
    assert!(server.next_expiry().is_some());
    assert_eq!(open(&mut server, &name(7), 2, at(2)), OK);
    let looks = looks.load(Ordering::Relaxed);
    assert!(looks < 20, "{looks}");
}

/// However many procedures run out of time at once, the journal is asked once to keep it.
#[test]
fn what_is_over_at_once_is_one_batch() {
    let journal = Arc::new(Full::default());
    let nonces = Nonces::new(Arc::clone(&journal) as _, NoRandom);
    let server = Server::new(Config::new("t"), Everyone).with_nonces(nonces);
    let mut server = server.keeping_devices().unwrap();
    for number in 0..50 {
        let name = format!("dev{number}");
        let step = Box::new(Watched(Arc::default()));
        server.enqueue_step(&name, step).unwrap();
        assert_eq!(open(&mut server, &name, 1, at(1)), OK);
    }
    let late = at(1_000_000);
    for (is_full, ended) in [(true, 0), (false, 50), (false, 0)] {
        journal.is_full.store(is_full, Ordering::Relaxed);
        journal.commits.store(0, Ordering::Relaxed);
        let events = server.expire(late);
        let over = |kind: &EventKind| matches!(kind, EventKind::ProcedureFinished { .. });
        let over = events.iter().filter(|event| over(&event.kind)).count();
        let commits = journal.commits.load(Ordering::Relaxed);
        let expected = usize::from(is_full || ended > 0);
        assert_eq!((over, commits), (ended, expected));
    }
}

/// What the journal holds of a device does not take away what was wanted of it before.
#[test]
fn what_is_enqueued_before_the_devices_are_kept_stays() {
    let journal = Arc::new(MemoryJournal::new());
    let start = || {
        let nonces = Nonces::new(Arc::clone(&journal) as _, NoRandom);
        let proof = Proof::new(Scheme::Basic, "dm.example", "srvpwd");
        let account = Account::new(None, Some(proof));
        Server::new(Config::new("t"), account).with_nonces(nonces)
    };
    let notify = |server: &mut Server, id: u16| {
        let notification = Notification::new(id, "dm.example".parse().unwrap()).unwrap();
        server
            .notify("dev1", &notification, ProvenBy::StoredNonce)
            .is_ok()
    };
    let mut server = start().keeping_devices().unwrap();
    assert!(notify(&mut server, 1));
    let mut server = start();
    server.enqueue("dev1", get()).unwrap();
    assert!(notify(&mut server, 2));
    let mut server = server.keeping_devices().unwrap();
    assert_eq!(server.waiting("dev1"), 1);
    assert!(!notify(&mut server, 1) && !notify(&mut server, 2));
    assert_eq!(open(&mut server, "dev1", 3, at(1)), OK);
    let mut server = start().keeping_devices().unwrap();
    assert!(!notify(&mut server, 1) && !notify(&mut server, 2));
}

#[test]
fn a_session_forgotten_before_its_answer_has_none() {
    let mut server = Server::new(Config::new("t"), Everyone);
    let body = package_1("dev1", 1);
    let request = Request::new(&body, encoding(), at(0));
    let receipt = server.receive(request).unwrap();
    // The repetition of a message whose answer is not written yet gets the same one.
    let again = server.receive(request).unwrap();
    let answer = server.respond(again).unwrap().body;
    assert_eq!(server.respond(receipt).unwrap().body, answer);

    let receipt = server.receive(Request::new(&package_1("dev1", 2), encoding(), at(1)));
    server.expire(at(1000));
    let error = server.respond(receipt.unwrap()).unwrap_err();
    assert_eq!(error, RespondError::SessionGone);
}

#[test]
fn wbxml_is_written_as_it_is_wanted() {
    let mut config = Config::new("t");
    config.wbxml.version = WbxmlVersion::V1_3;
    config.wbxml.public_id = PublicId::Textual;
    let mut server = Server::new(config, Everyone);
    // A session that begins, and a message that is refused.
    for ver_dtd in ["1.2", "1.1"] {
        let package = package_1("dev1", 1);
        let mut message = decode(&package, encoding(), &Limits::default()).unwrap();
        message.header.ver_dtd = ver_dtd.into();
        let mut body = Vec::new();
        encode(&message, Encoding::Wbxml, &mut body).unwrap();
        let request = Request::new(&body, Encoding::Wbxml, at(1));
        let receipt = server.receive(request).unwrap();
        let answer = server.respond(receipt).unwrap().body;
        assert!(answer.starts_with(b"\x03\0\0\x6A\x1E-//SYNCML//DTD SyncML 1.2//EN\0\x6D"));
    }
}

/// A message that does not decode changes nothing.
#[test]
fn what_cannot_be_decoded_changes_nothing() {
    let mut server = Server::new(Config::new("t"), Everyone);
    server.enqueue("dev1", get()).unwrap();
    assert_eq!(open(&mut server, "dev1", 1, at(1)), OK);
    let before: Vec<_> = server.sessions().cloned().collect();
    let whole = package_1("dev1", 2);
    for end in 0..whole.len() {
        let cut = whole.get(..end).unwrap();
        let request = Request::new(cut, encoding(), at(2));
        server.receive(request).unwrap_err();
    }
    let after: Vec<_> = server.sessions().cloned().collect();
    assert_eq!(before, after);
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}

/// A message never is longer than what the device takes: where no answer fits, nothing happens.
#[test]
fn a_device_that_takes_no_answer_is_refused() {
    let announcing = |size: usize| {
        let meta = format!(
            "<Meta><MaxMsgSize xmlns=\"syncml:metinf\">{size}</MaxMsgSize></Meta></SyncHdr>"
        );
        to_wire(&from_wire(&package_1("dev1", 1)).replace("</SyncHdr>", &meta))
    };
    let mut refused = 0;
    let mut unanswered = 0;
    for size in 1..1000 {
        let mut server = Server::new(Config::new("t"), Everyone);
        server.enqueue("dev1", get()).unwrap();
        let body = announcing(size);
        match server.receive(Request::new(&body, encoding(), at(1))) {
            Err(ReceiveError::NoRoom { limit }) => {
                assert_eq!((limit, server.sessions().count()), (size, 0));
                refused += 1;
            }
            Err(error) => panic!("{size}: {error}"),
            Ok(receipt) => match server.respond(receipt) {
                Ok(response) => assert!(response.body.len() <= size, "{size}"),
                Err(RespondError::NoRoom { limit }) => {
                    assert_eq!((limit, server.sessions().count()), (size, 0));
                    assert_eq!(server.waiting("dev1"), 1);
                    unanswered += 1;
                }
                Err(error) => panic!("{size}: {error}"),
            },
        }
    }
    assert!(refused > 100 && unanswered > 0, "{refused} {unanswered}");
    assert!(refused + unanswered < 900);
}

#[test]
fn a_name_is_only_so_long() {
    let mut config = Config::new("t");
    config.max_name = 10;
    let mut server = Server::new(config, Everyone);
    assert_eq!(open(&mut server, "device-001", 1, at(1)), OK);
    for (device, session) in [("device-0001", 1), ("dev", 1_234_567_890)] {
        let body = package_1(device, session);
        let body = to_wire(&from_wire(&body).replace("1234567890", "12345678901"));
        let error = server.receive(Request::new(&body, encoding(), at(1)));
        assert_eq!(error.unwrap_err(), ReceiveError::NameTooLong);
    }
    assert_eq!(server.sessions().count(), 1);
}
