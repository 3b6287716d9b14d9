//! The follower of exchanges notices every rule that is broken: each row breaks one in an exchange
//! that keeps to all of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::panic;

use omadm_core::AlertCode;
use omadm_server::{Everyone, SingleCommand};
use omadm_session::request;
use omadm_syncml::{Alert, CmdId, Command, Item, Message, Status, encode};
use omadm_testkit::{Bench, Pair, Transcript, Wire, by_encoding, encoding};

type Messages = Vec<(bool, Message<'static>)>;

/// Two values that take two messages, and one that takes two chunks:
///
/// ```text
/// 0 > Alert(1201) Replace Final          5 < SyncHdr Replace +
/// 1 < SyncHdr Alert Replace Get Final    6 > SyncHdr Replace=213 Alert(1222)
/// 2 > SyncHdr Get Results                7 < SyncHdr Alert Replace Final
/// 3 < SyncHdr Alert(1222)                8 > SyncHdr Replace=200 Final
/// 4 > SyncHdr Alert Results Final        9 < SyncHdr Final
/// ```
fn exchange() -> Messages {
    let mut config = Bench::config();
    config.max_message_size = by_encoding(1100, 560);
    let mut server = omadm_server::Config::new("c");
    server.max_message_size = by_encoding(1180, 760);
    let mut pair = Pair::new(config, server, Everyone, Wire::default());
    let value = "0123456789".repeat(25);
    for name in ["a", "b"] {
        let at = format!("./Lamp/Ext/{name}");
        pair.enqueue(SingleCommand::add(&at, (*value).into()));
    }
    pair.settle();
    pair.transcript = Transcript::default();
    pair.enqueue(SingleCommand::get("./Lamp/Ext?list=StructData"));
    pair.enqueue(SingleCommand::replace(
        "./Lamp/Name",
        value.repeat(2).into(),
    ));
    pair.settle();
    pair.transcript.check();
    pair.transcript.messages()
}

fn check(messages: &Messages) -> Result<(), String> {
    let mut transcript = Transcript::default();
    for (by_device, message) in messages {
        let mut body = Vec::new();
        encode(message, encoding(), &mut body).unwrap();
        transcript.note(*by_device, &body, encoding());
    }
    panic::catch_unwind(|| transcript.check())
        .map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default())
}

/// The Item of the command of this name in a message.
fn item<'m>(message: &'m mut Message<'static>, name: &str) -> &'m mut Item<'static> {
    let mut commands = message.commands.iter_mut();
    let command = commands.find(|command| command.name() == name).unwrap();
    &mut command.items_mut().unwrap()[0]
}

/// Takes the commands away for which this holds, and counts anew.
fn without(message: &mut Message<'static>, gone: impl Fn(&Command<'_>) -> bool) {
    message.commands.retain(|command| !gone(command));
    count(message);
}

fn with(message: &mut Message<'static>, command: Command<'static>) {
    message.commands.push(command);
    count(message);
}

fn count(message: &mut Message<'static>) {
    for (id, command) in (1..).zip(&mut message.commands) {
        command.set_cmd_id(CmdId::new(id).unwrap());
    }
}

fn is_next(command: &Command<'_>) -> bool {
    matches!(command, Command::Alert(alert) if alert.code == Some(AlertCode::NEXT_MESSAGE))
}

fn answers(command: &Command<'_>, name: &str) -> bool {
    matches!(command, Command::Status(status) if status.cmd == name)
}

#[test]
fn what_the_two_say_keeps_to_the_rules() {
    let messages = exchange();
    assert_eq!(check(&messages), Ok(()));
    let shape: Vec<_> = messages.iter().map(|(_, it)| it.is_final).collect();
    let expected = [
        true, true, false, false, true, false, false, true, true, true,
    ];
    assert_eq!(shape, expected);
}

#[test]
fn every_broken_rule_is_noticed() {
    type Change = fn(&mut Messages);
    let table: [(&str, Change); 19] = [
        ("MsgID counts", |m| m[4].1.header.msg_id += 1),
        ("no message exceeds MaxMsgSize", |m| {
            m[0].1.header.meta.max_msg_size = Some(300);
        }),
        ("CmdIDs count", |m| {
            m[1].1.commands[1].set_cmd_id(CmdId::new(9).unwrap());
        }),
        ("the Status of the last header", |m| {
            without(&mut m[2].1, |it| answers(it, Status::SYNC_HDR));
        }),
        ("a Status is about a command", |m| {
            let Command::Status(status) = &mut m[8].1.commands[1] else {
                panic!()
            };
            status.msg_ref = 1;
        }),
        ("with Final every command has its Status", |m| {
            without(&mut m[8].1, |it| answers(it, "Replace"));
        }),
        ("the device ends its package after", |m| {
            without(&mut m[6].1, is_next);
            m[6].1.is_final = true;
        }),
        ("a device without anything to say asks", |m| {
            without(&mut m[6].1, is_next)
        }),
        ("a server that collects asks", |m| {
            without(&mut m[3].1, is_next)
        }),
        ("a server that collects sends no Final", |m| {
            m[3].1.is_final = true
        }),
        ("a server that collects sends no commands", |m| {
            with(&mut m[3].1, request::get("./Lamp/Name"));
        }),
        ("a server sends Final unless", |m| m[1].1.is_final = false),
        ("no Final with Alert 1222", |m| {
            with(
                &mut m[8].1,
                Command::Alert(Alert::new(AlertCode::NEXT_MESSAGE)),
            );
        }),
        ("a chunk is acknowledged", |m| {
            without(&mut m[6].1, |it| answers(it, "Replace") || is_next(it));
            let alert = Alert::new(AlertCode::GENERIC);
            with(&mut m[6].1, Command::Alert(alert));
        }),
        ("no Final while an object is incomplete", |m| {
            m[5].1.is_final = true
        }),
        ("the first chunk alone has a Size", |m| {
            item(&mut m[7].1, "Replace").meta.size = Some(400);
        }),
        ("the chunks of an object name the same place", |m| {
            item(&mut m[7].1, "Replace").target = Some("./Lamp/Pin".into());
        }),
        ("the Size is that of the whole", |m| {
            item(&mut m[7].1, "Replace").data = Some("1234".into());
        }),
        ("an object that fits a message comes in one piece", |m| {
            m[0].1.header.meta.max_msg_size = Some(5000);
        }),
    ];
    for (rule, change) in table {
        let mut messages = exchange();
        change(&mut messages);
        let error = check(&messages).expect_err(rule);
        assert!(error.starts_with(rule), "{rule}: {error}");
    }
}

#[test]
fn nothing_comes_between_chunks() {
    let mut messages = exchange();
    with(&mut messages[5].1, request::get("./Lamp/Name"));
    messages[0].1.header.meta.max_msg_size = Some(5000);
    let error = check(&messages).unwrap_err();
    assert!(
        error.starts_with("nothing comes after an incomplete chunk"),
        "{error}"
    );
    let mut messages = exchange();
    messages[7].1.commands.pop();
    messages[7].1.is_final = false;
    let error = check(&messages).unwrap_err();
    assert!(
        error.starts_with("chunks come in consecutive messages"),
        "{error}"
    );
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
