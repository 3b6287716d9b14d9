//! Every tolerance of the client: what it is for is refused without it and accepted with it, in
//! both encodings.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use omadm_client::Compat;
use omadm_core::StatusCode;
use omadm_session::request;
use omadm_syncml::{CmdId, Command, Exec, Group, Item, Message, NodeCommand, encode};
use omadm_testkit::{Bench, by_encoding, describe};

/// What the server's answer to package 1 comes to: what the device says, or how the session ended.
fn outcome(compat: Compat, change: impl Fn(&mut Message<'static>)) -> String {
    let mut config = Bench::config();
    config.compat = compat;
    let mut bench = Bench::new(config);
    bench.start();
    deliver(&mut bench, [request::get("./Lamp/Name")], change)
}

/// Answers with everything acknowledged, these commands, and whatever is wrong about them.
fn deliver(
    bench: &mut Bench,
    commands: impl IntoIterator<Item = Command<'static>>,
    change: impl Fn(&mut Message<'static>),
) -> String {
    let mut message = Message::new(bench.script.header());
    message.is_final = true;
    message.commands = bench.script.acknowledge();
    message.commands.extend(commands);
    for (command, id) in message.commands.iter_mut().zip(1..) {
        command.set_cmd_id(CmdId::new(id).unwrap());
    }
    change(&mut message);
    bench.script.msg_id = message.header.msg_id + 1;
    let mut body = Vec::new();
    encode(&message, bench.script.encoding, &mut body).unwrap();
    match bench.deliver(&body) {
        Some(message) => describe(&message),
        None => bench
            .ended
            .pop()
            .map_or_else(String::new, |end| end.to_string()),
    }
}

/// The Get of the message.
fn get<'m>(message: &'m mut Message<'static>) -> &'m mut NodeCommand<'static> {
    match message.commands.last_mut() {
        Some(Command::Get(get)) => get,
        other => panic!("{other:?}"),
    }
}

fn by_source(uri: &'static str) -> Item<'static> {
    Item::new().with_source(uri)
}

type Case = (
    &'static str,
    fn(&mut Compat),
    fn(&mut Message<'static>),
    &'static str,
    &'static str,
);

const DONE: &str = "SyncHdr=200 Get=200 Results Final";

const CASES: [Case; 11] = [
    (
        "any_message_id",
        |compat| compat.any_message_id = true,
        |message| message.header.msg_id = 7,
        "the answer has message id 7 instead of 1",
        DONE,
    ),
    (
        "any_target",
        |compat| compat.any_target = true,
        |message| message.header.target.uri = "urn:x:other".into(),
        "the answer is meant for another device",
        DONE,
    ),
    (
        "duplicate_cmd_ids",
        |compat| compat.duplicate_cmd_ids = true,
        |message| {
            let get = message.commands.last().unwrap().clone();
            message.commands.push(get);
        },
        "SyncHdr=200 Get=200 Results Get=400 Final",
        "SyncHdr=200 Get=200 Results Get=200 Results Final",
    ),
    (
        "missing_cmd_ids",
        |compat| compat.missing_cmd_ids = true,
        |message| get(message).cmd_id = None,
        "SyncHdr=200 Get=400 Final",
        DONE,
    ),
    (
        "missing_header_status",
        |compat| compat.missing_header_status = true,
        |message| drop(message.commands.remove(0)),
        "the answer has no status of the message it answers",
        DONE,
    ),
    (
        "other_ver_dtd",
        |compat| compat.other_ver_dtd = true,
        |message| message.header.ver_dtd = "1.1".into(),
        "SyncHdr=505 Get=505 Final",
        DONE,
    ),
    (
        "session_id_spelling",
        |compat| compat.session_id_spelling = true,
        |message| message.header.session_id = "0001".into(),
        "the answer belongs to another session",
        DONE,
    ),
    (
        "source_as_target",
        |compat| compat.source_as_target = true,
        |message| get(message).items = vec![by_source("./Lamp/Name")],
        "SyncHdr=200 Get=412 Final",
        DONE,
    ),
    (
        "source_as_target",
        |compat| compat.source_as_target = true,
        |message| {
            let mut inner = Command::Exec(Exec::new([by_source("./Lamp/On")]));
            inner.set_cmd_id(CmdId::new(99).unwrap());
            let mut group = Command::Sequence(Group::new([inner]));
            group.set_cmd_id(CmdId::new(98).unwrap());
            message.commands.push(group);
        },
        "SyncHdr=200 Get=200 Results Sequence=200 Exec=412 Final",
        "SyncHdr=200 Get=200 Results Sequence=200 Exec=200 Final",
    ),
    (
        "source_as_target",
        |compat| compat.source_as_target = true,
        // A Replace by Source, of a plain text and without Meta.
        |message| {
            let item = by_source("./Lamp/Name").with_data("hall");
            let mut replace = Command::Replace(NodeCommand::new([item]));
            replace.set_cmd_id(CmdId::new(99).unwrap());
            message.commands.push(replace);
        },
        "SyncHdr=200 Get=200 Results Replace=412 Final",
        "SyncHdr=200 Get=200 Results Replace=200 Final",
    ),
    // Has a test of its own as well: it takes two messages.
    (
        "missing_final",
        |compat| compat.missing_final = true,
        |message| message.is_final = false,
        "SyncHdr=200 Get=200 Results Alert(1222)",
        "SyncHdr=200 Get=200 Results Alert(1222)",
    ),
];

#[test]
fn each_tolerance_is_for_one_thing() {
    for (name, turn_on, change, refused, accepted) in CASES {
        assert_eq!(outcome(Compat::default(), change), refused, "{name}");
        let mut only = Compat::default();
        turn_on(&mut only);
        assert_eq!(outcome(only, change), accepted, "{name}");
        assert_eq!(outcome(Compat::lenient(), change), accepted, "{name}");
    }
    assert_eq!(outcome(Compat::lenient(), |_| {}), DONE);
}

#[test]
fn without_final_a_package_ends_when_nothing_more_comes() {
    for lenient in [false, true] {
        let mut config = Bench::config();
        config.compat.missing_final = lenient;
        let mut bench = Bench::new(config);
        bench.start();
        let no_final = |message: &mut Message<'static>| message.is_final = false;
        let first = deliver(&mut bench, [request::get("./Lamp/Name")], no_final);
        assert_eq!(first, "SyncHdr=200 Get=200 Results Alert(1222)");
        let more = deliver(&mut bench, [request::get("./Lamp/Name")], no_final);
        assert_eq!(
            more, "SyncHdr=200 Get=200 Results Alert(1222)",
            "it goes on"
        );
        let nothing = deliver(&mut bench, [], no_final);
        if lenient {
            assert_eq!(nothing, "SyncHdr=200 Final");
            let asked = deliver(&mut bench, [], no_final);
            assert_eq!(
                asked, "SyncHdr=200 Alert(1222)",
                "the Final may have been news to it"
            );
            assert_eq!(deliver(&mut bench, [], no_final), "completed");
        } else {
            assert_eq!(nothing, "SyncHdr=200 Alert(1222)");
        }
    }
}

#[test]
fn no_case_is_missing() {
    let all = format!("{:?}", Compat::lenient());
    for option in all
        .split(": true")
        .filter_map(|before| before.rsplit(' ').next())
    {
        let named = |case: &Case| case.0 == option;
        assert!(
            // What a MAC is good for is tested where it is checked.
            ["}", "hex_mac"].contains(&option) || CASES.iter().any(named),
            "{option} has no case"
        );
    }
    assert!(!format!("{:?}", Compat::default()).contains("true"));
    assert!(!all.contains("false"));
}

#[test]
fn what_is_sent_stays_strict() {
    let mut config = Bench::config();
    config.compat = Compat::lenient();
    let mut bench = Bench::new(config);
    bench.start();
    let strange = |message: &mut Message<'static>| {
        message.header.ver_dtd = "1.1".into();
        message.header.session_id = "1 ".into();
        get(message).items = vec![by_source("./Lamp/Name")];
    };
    let said = deliver(&mut bench, [request::get("./Lamp/Name")], strange);
    assert_eq!(said, DONE);
    let last = bench.script.last.unwrap();
    assert_eq!(
        (&*last.header.ver_dtd, &*last.header.session_id),
        ("1.2", "1")
    );
    let Some(Command::Status(status)) = last.commands.get(1) else {
        panic!("{last:?}");
    };
    assert_eq!(status.code, StatusCode::OK);
    assert_eq!(by_encoding("xml", "wbxml"), bench.script.encoding.as_str());
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
