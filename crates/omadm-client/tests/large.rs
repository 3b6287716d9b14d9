//! Objects larger than a message, chunk by chunk: what the device does with those of a server, and
//! what it does when a server does not take its own. [DM-Protocol §6]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use omadm_client::{Event, Input, Notice, SessionEnd};
use omadm_core::{AlertCode, Format, GenericAlert, StatusCode};
use omadm_session::{command_status, request};
use omadm_syncml::{Alert, Command, Exec, Group, Item, Message, NodeCommand};
use omadm_testkit::{Bench, by_encoding, data, describe, results, uri};

fn chunk(uri: &str, data: &str, more: bool, size: Option<u64>) -> Item<'static> {
    let mut item = Item::new()
        .with_target(uri.to_owned())
        .with_data(data.to_owned());
    item.more_data = more;
    item.meta.size = size;
    item
}

fn first(data: &str, size: u64) -> Command<'static> {
    replace(chunk("./Lamp/Name", data, true, Some(size)))
}

fn middle(data: &str) -> Command<'static> {
    replace(chunk("./Lamp/Name", data, true, None))
}

fn last(data: &str) -> Command<'static> {
    replace(chunk("./Lamp/Name", data, false, None))
}

fn replace(item: Item<'static>) -> Command<'static> {
    Command::Replace(NodeCommand::new([item]))
}

fn next() -> Command<'static> {
    Command::Alert(Alert::new(AlertCode::NEXT_MESSAGE))
}

fn name(bench: &Bench) -> String {
    let node = bench.client.tree().node(&uri("./Lamp/Name"));
    node.unwrap().text().unwrap().to_owned()
}

/// Sends this, with Final at the end of the last; what the device answers to each.
fn send(bench: &mut Bench, messages: Vec<Vec<Command<'static>>>) -> Vec<String> {
    bench.start();
    let count = messages.len();
    let mut answers = Vec::new();
    for (index, commands) in messages.into_iter().enumerate() {
        let body = bench.script.write(commands, index + 1 == count);
        answers.push(describe(&bench.deliver(&body).unwrap()));
    }
    answers
}

#[test]
fn a_value_in_chunks_is_executed_once_when_it_is_whole() {
    let mut bench = Bench::default();
    bench.lamp.take();
    let answers = send(
        &mut bench,
        vec![
            vec![request::get("./Lamp/Level"), first("ab ", 9)],
            vec![middle(" cd")],
            vec![last("e\nf"), request::get("./Lamp/Name")],
        ],
    );
    assert_eq!(
        answers,
        [
            "SyncHdr=200 Get=200 Results Replace=213 Alert(1222)",
            "SyncHdr=200 Alert=200 Replace=213 Alert(1222)",
            "SyncHdr=200 Alert=200 Replace=200 Get=200 Results Final",
        ]
        .map(|answer| answer.replace("Alert=200 ", ""))
    );
    assert_eq!(name(&bench), "ab  cde\nf");
    let staged = bench.lamp.take();
    let staged = staged.iter().filter(|entry| entry.starts_with("stage"));
    assert_eq!(staged.collect::<Vec<_>>(), ["stage ./Lamp/Name"]);
    assert_eq!(bench.say([]), None);
    assert_eq!(bench.ended, [SessionEnd::Completed]);
}

#[test]
fn arguments_and_octets_come_in_chunks_too() {
    let mut bench = Bench::default();
    let exec =
        |data, more, size| Command::Exec(Exec::new([chunk("./Lamp/Echo", data, more, size)]));
    let base64 = |data, more: bool| {
        let mut item = chunk("./Lamp/Icon", data, more, more.then_some(12));
        // Need not be repeated.
        if more {
            item.meta = item.meta.with_format(Format::B64);
        }
        replace(item)
    };
    // A quantum of base64 may be cut, as long as the octets are put together first.
    let answers = send(
        &mut bench,
        vec![
            vec![exec("hal", true, Some(5))],
            vec![exec("lo", false, None)],
            vec![base64("QUJDRE", true)],
            vec![base64("VGR0hJ", false)],
        ],
    );
    assert_eq!(answers[1], "SyncHdr=200 Exec=200 Alert(1222)");
    assert_eq!(answers[3], "SyncHdr=200 Replace=200 Final");
    let node = |at: &str| bench.client.tree().node(&uri(at)).unwrap();
    assert_eq!(node("./Lamp/Said").text(), Some("hallo"));
    assert_eq!(node("./Lamp/Icon").octets(), Some(&b"ABCDEFGHI"[..]));
}

/// What the device answers when the chunks of an object are not as they should be; nothing is
/// changed by it.
#[test]
fn every_fault_has_its_status() {
    let other = || request::get("./Lamp/Level");
    let sequence = |command| Command::Sequence(Group::new([command]));
    let atomic = |command| Command::Atomic(Group::new([command]));
    let delete = Command::Delete(NodeCommand::new([chunk("./Lamp/Name", "", true, Some(1))]));
    let table = [
        // The Size is not that of the whole.
        (
            vec![vec![first("abc", 5)], vec![last("def")]],
            "SyncHdr=200 Replace=424 Final",
        ),
        (
            vec![vec![first("abc", 7)], vec![last("def")]],
            "SyncHdr=200 Replace=424 Final",
        ),
        (
            vec![vec![first("abc", 4)], vec![middle("def")]],
            "SyncHdr=200 Replace=424 Final",
        ),
        (vec![vec![first("abc", 2)]], "SyncHdr=200 Replace=424 Final"),
        // There is none.
        (vec![vec![middle("abc")]], "SyncHdr=200 Replace=411 Final"),
        // It is larger than MaxObjSize; so is an object in one piece.
        (
            vec![vec![first("abc", 21)]],
            "SyncHdr=200 Replace=413 Final",
        ),
        (
            vec![vec![last("123456789012345678901")]],
            "SyncHdr=200 Replace=413 Final",
        ),
        // Something else comes in between, or the end.
        (
            vec![vec![first("abc", 6)], vec![other()]],
            "SyncHdr=200 Alert(1225) Get=200 Results Final",
        ),
        (
            vec![vec![first("abc", 6)], vec![other(), last("def")]],
            "SyncHdr=200 Alert(1225) Get=200 Results Replace=424 Final",
        ),
        (
            vec![vec![first("abc", 6)], vec![first("abc", 7)]],
            "SyncHdr=200 Alert(1225) Replace=213 Final",
        ),
        (
            vec![vec![first("abc", 6)], vec![]],
            "SyncHdr=200 Alert(1225) Final",
        ),
        (
            vec![vec![first("abc", 6)]],
            "SyncHdr=200 Alert(1225) Replace=213 Final",
        ),
        // Where there can be no chunk.
        (vec![vec![delete]], "SyncHdr=200 Delete=400 Final"),
        (
            vec![vec![sequence(first("abc", 6))]],
            "SyncHdr=200 Sequence=200 Replace=406 Final",
        ),
        (
            vec![vec![atomic(first("abc", 6))]],
            "SyncHdr=200 Atomic=507 Replace=406 Final",
        ),
    ];
    for (messages, expected) in table {
        let mut config = Bench::config();
        config.max_object_size = 20;
        let mut bench = Bench::new(config);
        let shown = format!("{messages:?}");
        let before = bench.dump();
        let answers = send(&mut bench, messages);
        assert_eq!(answers.last().unwrap(), expected, "{shown}");
        assert_eq!(bench.dump(), before, "{shown}");
    }
}

/// Alert 1225 names the object, and the server may send it again.
#[test]
fn a_broken_object_may_be_sent_again() {
    let mut bench = Bench::default();
    bench.start();
    let body = bench.script.write([first("abc", 6)], false);
    bench.deliver(&body);
    let body = bench.script.write([request::get("./Lamp/Level")], false);
    let answer = bench.deliver(&body).unwrap();
    let alert = answer.commands.iter().find_map(|command| match command {
        Command::Alert(alert) if alert.code == Some(AlertCode::NO_END_OF_DATA) => Some(alert),
        _ => None,
    });
    assert_eq!(
        alert.unwrap().items,
        [Item::new().with_target("./Lamp/Name")]
    );
    let body = bench.script.write([first("abc", 6)], false);
    bench.deliver(&body);
    let body = bench.script.write([last("def")], true);
    let answer = bench.deliver(&body).unwrap();
    assert_eq!(describe(&answer), "SyncHdr=200 Replace=200 Final");
    assert_eq!(name(&bench), "abcdef");
}

#[test]
fn a_chunk_that_comes_twice_counts_once() {
    let mut bench = Bench::default();
    bench.start();
    let body = bench.script.write([first("abc", 6)], false);
    let answer = bench.deliver(&body).unwrap();
    assert_eq!(bench.deliver(&body).unwrap(), answer);
    let body = bench.script.write([last("def")], true);
    let answer = bench.deliver(&body).unwrap();
    assert_eq!(describe(&answer), "SyncHdr=200 Replace=200 Final");
    assert_eq!(bench.deliver(&body).unwrap(), answer);
    assert_eq!(name(&bench), "abcdef");
}

#[test]
fn half_an_object_does_not_outlive_its_session() {
    let mut bench = Bench::default();
    bench.start();
    let body = bench.script.write([first("abc", 6)], false);
    bench.deliver(&body);
    bench.say([Command::Alert(Alert::new(AlertCode::SESSION_ABORT))]);
    assert_eq!(bench.ended, [SessionEnd::AbortedByServer]);
    assert_eq!(name(&bench), "lamp");
    // No rest of anything.
    let answers = send(&mut bench, vec![vec![last("def")]]);
    assert_eq!(answers, ["SyncHdr=200 Replace=200 Final"]);
    assert_eq!(name(&bench), "def");
}

/// A Get of two values of 2000 bytes, to a server that takes small messages.
fn ask(bench: &mut Bench) -> Message<'static> {
    let values = ["a", "b"];
    let add = |name: &str| {
        request::add(
            &format!("./Lamp/Ext/{name}"),
            name.repeat(2000).as_str().into(),
        )
    };
    bench.codes(values.map(add));
    bench.start();
    let mut header = bench.script.header();
    header.meta = header.meta.with_max_msg_size(by_encoding(1500, 1000));
    let mut commands = bench.script.acknowledge();
    commands.extend(values.map(|name| request::get(&format!("./Lamp/Ext/{name}"))));
    let body = bench.script.write_as(&header, commands, true);
    bench.deliver(&body).unwrap()
}

/// Everything in Results from here to the end of the package.
fn rest(bench: &mut Bench, first: Message<'static>) -> String {
    let mut message = first;
    let mut all = String::new();
    for _ in 0..100 {
        all.extend(results(&message).iter().map(data));
        if message.is_final {
            return all;
        }
        let body = bench.script.write([next()], false);
        message = bench.deliver(&body).unwrap();
    }
    panic!("the package does not end");
}

#[test]
fn a_server_that_asks_by_1222_alone_gets_the_next_chunk() {
    let mut bench = Bench::default();
    let first = ask(&mut bench);
    assert_eq!(describe(&first), "SyncHdr=200 Get=200 Results");
    assert_eq!(results(&first)[0].meta.size, Some(2000));
    let all = rest(&mut bench, first);
    assert_eq!(all, "a".repeat(2000) + &"b".repeat(2000));
    assert_eq!(bench.say([]), None);
    assert_eq!(bench.ended.last(), Some(&SessionEnd::Completed));
}

/// The object that is refused ends there, the rest goes on.
#[test]
fn results_the_server_refuses_end_there() {
    let refusals: [&dyn Fn(&Message<'_>) -> Command<'static>; 4] = [
        &|message| refused(message, StatusCode::SIZE_MISMATCH),
        &|message| refused(message, StatusCode::REQUEST_ENTITY_TOO_LARGE),
        &|message| refused(message, StatusCode::COMMAND_FAILED),
        &|_| Command::Alert(Alert::new(AlertCode::NO_END_OF_DATA)),
    ];
    for refusal in refusals {
        let mut bench = Bench::default();
        let first = ask(&mut bench);
        let body = bench.script.write([refusal(&first), next()], false);
        let message = bench.deliver(&body).unwrap();
        assert_eq!(rest(&mut bench, message), "b".repeat(2000));
        bench.say([]);
        assert_eq!(bench.ended.last(), Some(&SessionEnd::Completed));
    }
}

/// The Status of the last command of a message.
fn refused(message: &Message<'_>, code: StatusCode) -> Command<'static> {
    let command = message.commands.last().unwrap();
    Command::Status(command_status(message.header.msg_id, command, code))
}

#[test]
fn an_alert_the_server_refuses_stays_in_the_queue() {
    let mut bench = Bench::default();
    let mut alert = GenericAlert::new("com.example.log", Format::Chr);
    alert.data = "something ".repeat(2000);
    let notice = Notice::Alerts(vec![alert]);
    bench.feed(Input::Queue(notice)).unwrap();
    let mut message = bench.start();
    let mut count = 0;
    while !message.is_final {
        assert!(bench.request.as_ref().unwrap().body.len() <= 5000);
        count += 1;
        // 213 for a chunk is not its delivery.
        let mut answers = bench.script.acknowledge();
        answers.pop();
        answers.push(refused(&message, StatusCode::CHUNK_ACCEPTED));
        if count == 3 {
            answers.pop();
            answers.push(refused(&message, StatusCode::SIZE_MISMATCH));
        }
        answers.push(next());
        let header = bench.script.header();
        let body = bench.script.write_as(&header, answers, false);
        message = bench.deliver(&body).unwrap();
        assert_eq!(bench.client.queued_alerts(), 1);
    }
    assert_eq!(count, 3);
    let refused = |event: &Event| {
        matches!(event, Event::AlertRefused { status: Some(status), .. }
            if *status == StatusCode::SIZE_MISMATCH)
    };
    assert!(bench.events.iter().any(refused), "{:?}", bench.events);
}

/// What goes with an abort is whole: neither the rest of one value nor a part of the next.
#[test]
fn an_abort_takes_no_chunks_along() {
    let mut bench = Bench::default();
    ask(&mut bench);
    bench.feed(Input::Abort).unwrap();
    let body = bench.script.write([next()], false);
    let answer = bench.deliver(&body).unwrap();
    let expected = "SyncHdr=200 Alert=200 Get=200 Alert(1223) Final";
    assert_eq!(describe(&answer), expected);
    bench.say([]);
    assert_eq!(bench.ended.last(), Some(&SessionEnd::Aborted));
}

/// A server whose package never ends is told that the session is over.
#[test]
fn a_package_without_end_is_given_up() {
    let mut config = Bench::config();
    config.max_messages = 5;
    let mut bench = Bench::new(config);
    bench.start();
    let mut answers = Vec::new();
    while bench.request.is_some() {
        let body = bench.script.write([], false);
        answers.extend(bench.deliver(&body).map(|message| describe(&message)));
    }
    let mut expected = vec!["SyncHdr=200 Alert(1222)"; 4];
    expected.push("SyncHdr=200 Alert(1223) Final");
    assert_eq!(answers, expected);
    assert_eq!(bench.ended, [SessionEnd::TooManyMessages]);
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
