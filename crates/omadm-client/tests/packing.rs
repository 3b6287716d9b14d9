//! Packages of several messages, both ways, and what does not fit.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use omadm_client::SessionEnd;
use omadm_core::{AlertCode, Format, StatusCode};
use omadm_session::{
    Assembler, Taken,
    request::{self, Leaf},
};
use omadm_syncml::{Alert, Command, Exec, Item, Message, Status};
use omadm_testkit::{Bench, by_encoding, data, describe, results, statuses};
use proptest::prelude::*;

fn next() -> Command<'static> {
    Command::Alert(Alert::new(AlertCode::NEXT_MESSAGE))
}

fn add(name: &str, value: String) -> Command<'static> {
    request::add(&format!("./Lamp/Ext/{name}"), Leaf::new(Format::Chr, value))
}

/// Package 2 from a server that takes messages of this size.
fn ask(
    bench: &mut Bench,
    max_msg_size: u64,
    commands: impl IntoIterator<Item = Command<'static>>,
) -> Message<'static> {
    bench.start();
    let mut header = bench.script.header();
    header.meta = header.meta.with_max_msg_size(max_msg_size);
    let commands: Vec<_> = bench
        .script
        .acknowledge()
        .into_iter()
        .chain(commands)
        .collect();
    let body = bench.script.write_as(&header, commands, true);
    bench.deliver(&body).unwrap()
}

/// The rest of the device's package, message by message, in answer to Alert 1222.
fn collect(bench: &mut Bench, first: Message<'static>, max: usize) -> Vec<Message<'static>> {
    let mut messages = vec![first];
    loop {
        assert!(bench.request.as_ref().unwrap().body.len() <= max);
        assert!(matches!(&messages.last().unwrap().commands[0],
            Command::Status(status) if status.cmd == Status::SYNC_HDR));
        if messages.last().unwrap().is_final {
            return messages;
        }
        let body = bench.script.write([next()], false);
        messages.push(bench.deliver(&body).unwrap());
        assert!(messages.len() < 1000);
    }
}

/// The Items of all Results, large objects put together.
fn all_results(messages: &[Message<'_>]) -> Vec<Item<'static>> {
    let mut assembler = Assembler::new(1 << 20);
    let mut items = Vec::new();
    for message in messages {
        for command in &message.commands {
            match assembler.take(command) {
                Taken::Whole => items.extend(match command {
                    Command::Results(results) => results.clone().into_owned().items,
                    _ => Vec::new(),
                }),
                Taken::Complete(whole) => items.extend_from_slice(whole.items()),
                Taken::Answered(code) => assert_eq!(code, StatusCode::CHUNK_ACCEPTED),
            }
        }
        assert_eq!(assembler.end_message(message.is_final), None);
    }
    items
}

/// How many Items share a Results goes by their sizes, in one of several Items of a Get, too.
#[test]
fn what_several_items_ask_for_shares_results() {
    let mut bench = Bench::default();
    let names: Vec<_> = (0..20).map(|n| format!("n{n:02}")).collect();
    bench.codes(names.iter().map(|name| add(name, "short".to_owned())));
    let items = names
        .iter()
        .map(|name| Item::new().with_target(format!("./Lamp/Ext/{name}")));
    let get = Command::Get(omadm_syncml::NodeCommand::new(items.collect::<Vec<_>>()));
    let first = ask(&mut bench, 5000, [get]);
    let messages = collect(&mut bench, first, 5000);
    let commands = messages.iter().flat_map(|message| &message.commands);
    let shared: Vec<_> = commands
        .filter_map(|command| match command {
            Command::Results(results) => Some(results.items.len()),
            _ => None,
        })
        .collect();
    assert_eq!(shared, by_encoding(vec![7, 7, 6], vec![20]));
}

/// A server that reads without end gets what was read until the limit, and can go on reading once
/// that is sent.
#[test]
fn no_more_is_read_than_may_wait() {
    let mut config = Bench::config();
    config.max_waiting_results = 2500;
    let mut bench = Bench::new(config);
    let codes = bench.codes([add("a", "x".repeat(1000)), add("b", "y".repeat(10))]);
    assert_eq!(codes, [200, 200]);
    let read = || request::get("./Lamp/Ext/a");
    let of_get = |message: &Message<'_>| -> Vec<u16> {
        let mut found = statuses(message);
        found.retain(|(name, _)| name == "Get");
        found.into_iter().map(|(_, code)| code).collect()
    };
    let items = (0..4).map(|_| Item::new().with_target("./Lamp/Ext/a"));
    let several = Command::Get(omadm_syncml::NodeCommand::new(items.collect::<Vec<_>>()));
    let max = by_encoding(2500, 2000);
    let first = ask(&mut bench, max as u64, [several, read()]);
    let messages = collect(&mut bench, first, max);
    let codes: Vec<u16> = messages.iter().flat_map(&of_get).collect();
    assert_eq!(codes, [200, 200, 200, 413, 413]);
    assert_eq!(all_results(&messages).len(), 3);

    let next = bench.say([read(), read()]).unwrap();
    assert_eq!(of_get(&next), [200, 200]);
}

#[test]
fn answers_spread_over_as_many_messages_as_it_takes() {
    let mut bench = Bench::default();
    let gets = || (0..30).map(|_| request::get("./Lamp/Name"));
    let max = by_encoding(1500, 500);
    let first = ask(&mut bench, max as u64, gets());
    assert!(!first.is_final);
    let messages = collect(&mut bench, first, max);
    assert!(messages.len() > 5);
    let mut codes = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        // What was asked with 1222 comes with the Status of that.
        let mut of_message = statuses(message);
        of_message.retain(|(name, _)| name == "Get");
        codes.extend(of_message);
        assert_eq!(message.is_final, index + 1 == messages.len());
    }
    assert_eq!(codes, vec![("Get".to_owned(), 200); 30]);
    assert_eq!(all_results(&messages).len(), 30);
    assert_eq!(bench.say([]), None);
    assert_eq!(bench.ended, [SessionEnd::Completed]);
}

#[test]
fn the_items_of_a_list_spread_over_messages() {
    let mut bench = Bench::default();
    bench.codes((0..40).map(|n| add(&format!("n{n:02}"), format!("value {n}"))));
    let max = by_encoding(1200, 500);
    let first = ask(
        &mut bench,
        max as u64,
        [request::get("./Lamp/Ext?list=StructData")],
    );
    let messages = collect(&mut bench, first, max);
    assert!(messages.len() > 3);
    let items = all_results(&messages);
    let uris: Vec<_> = items
        .iter()
        .map(|item| item.source.as_ref().unwrap().uri.clone())
        .collect();
    let expected = (0..40).map(|n| format!("./Lamp/Ext/n{n:02}"));
    let expected: Vec<_> = ["./Lamp/Ext".to_owned()]
        .into_iter()
        .chain(expected)
        .collect();
    assert_eq!(uris, expected);
    assert_eq!(data(&items[40]), "value 39");
}

#[test]
fn what_has_no_room_for_a_chunk_is_413() {
    let mut bench = Bench::default();
    let long = "x".repeat(1000);
    bench.codes([add("long", long.clone()), add("short", "y".into())]);
    let max = by_encoding(950, 500);
    let first = ask(&mut bench, max as u64, [request::get("./Lamp/Ext/long")]);
    let messages = collect(&mut bench, first, max);
    assert_eq!(statuses(&messages[0]), [("Get".to_owned(), 413)]);
    bench.say([]);
    let first = ask(&mut bench, 3000, [request::get("./Lamp/Ext/long")]);
    assert_eq!(data(&results(&first)[0]), long);
}

#[test]
fn what_exceeds_max_obj_size_is_413() {
    let mut bench = Bench::default();
    bench.codes([add("ten", "0123456789".into())]);
    for (max, expected) in [
        (9, "SyncHdr=200 Get=413 Final"),
        (10, "SyncHdr=200 Get=200 Results Final"),
    ] {
        bench.start();
        let mut header = bench.script.header();
        header.meta = header.meta.with_max_obj_size(max);
        let mut commands = bench.script.acknowledge();
        commands.push(request::get("./Lamp/Ext/ten"));
        let body = bench.script.write_as(&header, commands, true);
        assert_eq!(describe(&bench.deliver(&body).unwrap()), expected);
        bench.say([]);
    }
}

#[test]
fn a_status_too_large_goes_without_its_items() {
    let mut bench = Bench::default();
    let echo = Item::new()
        .with_target("./Lamp/Echo")
        .with_data("x".repeat(2000));
    let first = ask(
        &mut bench,
        1500,
        [
            Command::Exec(Exec::new([echo])),
            request::get("./Lamp/Name"),
        ],
    );
    let messages = collect(&mut bench, first, 1500);
    let exec = messages
        .iter()
        .flat_map(|message| &message.commands)
        .find_map(|command| match command {
            Command::Status(status) if status.cmd == "Exec" => Some(status),
            _ => None,
        });
    assert_eq!(
        (exec.unwrap().code.get(), exec.unwrap().items.len()),
        (200, 0)
    );
}

#[test]
fn a_server_that_takes_next_to_nothing_still_gets_its_statuses() {
    let mut bench = Bench::default();
    let first = ask(
        &mut bench,
        1,
        [
            request::get("./Lamp/Name"),
            request::exec("./Lamp/On", None),
        ],
    );
    let messages = collect(&mut bench, first, 2000);
    let codes: Vec<_> = messages
        .iter()
        .flat_map(statuses)
        .filter(|(name, _)| name != "Alert")
        .collect();
    assert_eq!(codes, [("Get".into(), 413), ("Exec".into(), 200)]);
}

#[test]
fn a_package_of_several_messages_is_executed_as_it_comes() {
    let mut bench = Bench::default();
    bench.start();
    let body = bench
        .script
        .write([add("a", "1".into()), request::get("./Lamp/Ext/a")], false);
    let answer = bench.deliver(&body).unwrap();
    assert_eq!(
        describe(&answer),
        "SyncHdr=200 Add=200 Get=200 Results Alert(1222)"
    );
    let body = bench.script.write([request::get("./Lamp/Ext/b")], false);
    let answer = bench.deliver(&body).unwrap();
    assert_eq!(describe(&answer), "SyncHdr=200 Get=404 Alert(1222)");
    let body = bench.script.write([], false);
    let answer = bench.deliver(&body).unwrap();
    assert_eq!(describe(&answer), "SyncHdr=200 Alert(1222)");
    // The last message is empty, but our package is not complete before we said so.
    let answer = bench.say([]).unwrap();
    assert_eq!(describe(&answer), "SyncHdr=200 Final");
    assert_eq!(bench.say([]), None);
    assert_eq!(bench.ended, [SessionEnd::Completed]);
}

#[test]
fn both_packages_may_take_several_messages_at_once() {
    let mut bench = Bench::default();
    bench.start();
    let mut header = bench.script.header();
    header.meta = header.meta.with_max_msg_size(1000);
    let mut commands = bench.script.acknowledge();
    commands.extend((0..8).map(|_| request::get("./Lamp/Name")));
    let body = bench.script.write_as(&header, commands, false);
    let mut seen = 0;
    let mut message = bench.deliver(&body).unwrap();
    for round in 0.. {
        assert!(round < 100 && bench.request.as_ref().unwrap().body.len() <= 1000);
        seen += results(&message).len();
        if message.is_final {
            break;
        }
        let more = (round < 3).then(|| request::get("./Lamp/Level"));
        let body = bench.script.write(more, round >= 3);
        message = bench.deliver(&body).unwrap();
    }
    assert_eq!(seen, 8 + 3);
}

#[test]
fn leaves_of_every_size_arrive() {
    // Just at the border, where a header with one digit more makes the difference.
    for size in (300..700).step_by(3) {
        let mut bench = Bench::default();
        bench.codes([add("leaf", "x".repeat(size))]);
        let first = ask(
            &mut bench,
            1200,
            [request::get("./Lamp/Ext/leaf"), request::get("./Lamp/Name")],
        );
        let messages = collect(&mut bench, first, 1200);
        let codes: Vec<_> = messages
            .iter()
            .flat_map(statuses)
            .filter(|(name, _)| name == "Get")
            .map(|(_, code)| code)
            .collect();
        assert_eq!(codes, [200, 200]);
        let lengths: Vec<_> = all_results(&messages)
            .iter()
            .map(|item| data(item).len())
            .collect();
        assert_eq!(lengths, [size, "lamp".len()]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_is_lost_or_reordered(
        max in 700u64..4000,
        sizes in proptest::collection::vec(0usize..1500, 1..20),
    ) {
        let mut bench = Bench::default();
        let adds = sizes.iter().enumerate().map(|(n, size)| add(&n.to_string(), "v".repeat(*size)));
        bench.codes(adds);
        let gets = (0..sizes.len()).map(|n| request::get(&format!("./Lamp/Ext/{n}")));
        let first = ask(&mut bench, max, gets);
        let messages = collect(&mut bench, first, usize::try_from(max).unwrap());
        let codes: Vec<_> = messages
            .iter()
            .flat_map(statuses)
            .filter(|(name, _)| name == "Get")
            .map(|(_, code)| code)
            .collect();
        prop_assert_eq!(codes.len(), sizes.len());
        let mut items = all_results(&messages).into_iter();
        for (code, size) in codes.into_iter().zip(sizes) {
            if code == 200 {
                prop_assert_eq!(items.next().map(|item| data(&item).len()), Some(size));
            } else {
                // Where a chunk of 64 bytes has no room.
                prop_assert!(code == 413 && max < 1200, "{} {}", code, size);
            }
        }
        prop_assert_eq!(items.next(), None);
        bench.say([]);
        prop_assert_eq!(&bench.ended[1..], [SessionEnd::Completed]);
    }
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
