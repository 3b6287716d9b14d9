//! Atomic: what comes back, and that all happens or nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use omadm_client::{Compat, Input};
use omadm_core::{AlertCode, Format, Interaction, JournalErrorKind, UserAnswer, UserInteraction};
use omadm_session::request::{self, Leaf};
use omadm_syncml::{Alert, CmdId, Command, Group, Item, NodeCommand, Unsupported};
use omadm_testkit::{Bench, describe};

fn add(uri: &str, level: &str) -> Command<'static> {
    request::add(uri, Leaf::new(Format::Int, level.to_owned()))
}

fn level(level: &str) -> Command<'static> {
    request::replace("./Lamp/Level", Leaf::new(Format::Int, level.to_owned()))
}

fn name(name: &str) -> Command<'static> {
    request::replace("./Lamp/Name", name.into())
}

fn alert(code: AlertCode) -> Command<'static> {
    Command::Alert(Alert::new(code))
}

fn atomic(commands: impl Into<Vec<Command<'static>>>) -> Command<'static> {
    Command::Atomic(Group::new(commands))
}

fn sequence(commands: impl Into<Vec<Command<'static>>>) -> Command<'static> {
    Command::Sequence(Group::new(commands))
}

/// The statuses without that of the header.
fn answer(bench: &mut Bench, command: Command<'static>) -> String {
    let answer = bench.run([command]);
    let shown = describe(&answer);
    bench.say([]);
    let shown = shown.strip_prefix("SyncHdr=200 ").unwrap();
    shown.strip_suffix(" Final").unwrap().to_owned()
}

/// Each Atomic on a new device: the statuses, and that nothing is left of one that failed.
fn check(table: Vec<(Command<'static>, &str)>) {
    for (command, expected) in table {
        let mut bench = Bench::default();
        bench.lamp.take();
        let before = bench.dump();
        let shown = format!("{command:?}");
        assert_eq!(answer(&mut bench, command), expected, "{shown}");
        if expected.starts_with("Atomic=507") {
            assert_eq!(bench.dump(), before, "{shown}");
            assert!(!bench.lamp.take().contains(&"committed".to_owned()));
            assert_eq!(bench.restart().dump(), before, "{shown}");
        }
    }
}

#[test]
fn an_atomic_that_goes_well_is_one_change() {
    let mut bench = Bench::default();
    let commits = bench.journal.commits();
    let group = atomic([
        add("./Lamp/Presets/dim", "5"),
        request::replace("./Lamp/Presets/dim", Leaf::new(Format::Int, "6")),
        name("hall"),
        request::replace("./Lamp/Name?prop=Title", "A name".into()),
        sequence([level("7"), request::delete("./Lamp/Presets/dim")]),
        alert(AlertCode::NEXT_MESSAGE),
    ]);
    assert_eq!(
        answer(&mut bench, group),
        "Atomic=200 Add=200 Replace=200 Replace=200 Replace=200 Sequence=200 Replace=200 \
         Delete=200 Alert=200"
    );
    assert_eq!(bench.journal.commits(), commits + 1);
    assert_eq!(bench.value("./Lamp/Name").as_deref(), Some("hall"));
    assert_eq!(bench.value("./Lamp/Level").as_deref(), Some("7"));
    assert_eq!(bench.value("./Lamp/Presets/dim"), None);
    let dump = bench.dump();
    assert_eq!(bench.restart().dump(), dump);
}

#[test]
fn a_failure_takes_everything_back() {
    let missing = || request::delete("./Lamp/Presets/none");
    check(vec![
        (atomic([missing()]), "Atomic=507 Delete=404"),
        (
            atomic([name("hall"), missing(), level("5")]),
            "Atomic=507 Replace=216 Delete=404 Replace=215",
        ),
        (
            atomic([add("./Lamp/Presets/a", "1"), add("./Lamp/Presets/a", "2")]),
            "Atomic=507 Add=216 Add=418",
        ),
        // An object refuses a change, and the result of all changes.
        (
            atomic([level("5"), name("bad")]),
            "Atomic=507 Replace=216 Replace=403",
        ),
        (
            atomic([level("101"), name("hall")]),
            "Atomic=507 Replace=216 Replace=406",
        ),
        // A value no one may see: refused, although it is mended later.
        (
            atomic([level("bright"), level("5")]),
            "Atomic=507 Replace=415 Replace=215",
        ),
    ]);
    // What is wrong on the way and right in the end will do.
    check(vec![(
        atomic([level("101"), level("5")]),
        "Atomic=200 Replace=200 Replace=200",
    )]);
}

#[test]
fn what_cannot_be_taken_back_fails() {
    let get = || request::get("./Lamp/Name");
    let exec = || request::exec("./Lamp/On", None);
    check(vec![
        (
            atomic([name("hall"), get(), level("5")]),
            "Atomic=507 Replace=216 Get=500 Replace=215",
        ),
        (
            atomic([exec(), name("hall")]),
            "Atomic=507 Exec=500 Replace=215",
        ),
        (
            atomic([name("hall"), atomic([level("5"), get()]), level("6")]),
            "Atomic=507 Replace=216 Atomic=500 Replace=215 Get=215 Replace=215",
        ),
        (
            atomic([sequence([level("5"), exec(), level("6")]), level("7")]),
            "Atomic=507 Sequence=216 Replace=216 Exec=500 Replace=215 Replace=215",
        ),
        (
            sequence([atomic([level("5"), get()]), get(), atomic([level("6")])]),
            "Sequence=200 Atomic=507 Replace=216 Get=500 Get=200 Results Atomic=200 Replace=200",
        ),
    ]);
}

#[test]
fn what_is_no_command_fails() {
    let unknown = |name: &'static str| Command::Unsupported(Unsupported::new(name));
    check(vec![
        (
            atomic([level("5"), unknown("Dance")]),
            "Atomic=507 Replace=216 Dance=501",
        ),
        (
            atomic([unknown("Move"), level("5")]),
            "Atomic=507 Move=406 Replace=215",
        ),
        (
            atomic([Command::Delete(NodeCommand::new([])), level("5")]),
            "Atomic=507 Delete=412 Replace=215",
        ),
        (
            atomic([level("5"), alert(AlertCode::CLIENT_INITIATED)]),
            "Atomic=507 Replace=216 Alert=405",
        ),
        (atomic([]), "Atomic=200"),
    ]);
}

#[test]
fn of_several_items_each_has_its_status() {
    let preset = |name: &str| {
        Item::new()
            .with_target(format!("./Lamp/Presets/{name}"))
            .with_data("1")
    };
    let add = |names: [&str; 3]| {
        let meta = omadm_syncml::Meta::new().with_format(Format::Int);
        Command::Add(NodeCommand::new(names.map(preset)).with_meta(meta))
    };
    check(vec![
        (
            atomic([add(["a", "a", "b"]), level("5")]),
            "Atomic=507 Add=216 Add=418 Add=215 Replace=215",
        ),
        (
            atomic([add(["a", "b", "c"]), name("bad")]),
            "Atomic=507 Add=216 Replace=403",
        ),
        (
            atomic([level("101"), add(["a", "b", "c"])]),
            "Atomic=507 Replace=216 Add=216 Add=216 Add=406",
        ),
        (atomic([add(["a", "b", "c"])]), "Atomic=200 Add=200"),
    ]);
}

#[test]
fn no_status_is_sent_where_none_is_wanted() {
    let quiet = |uri: &'static str| {
        let mut delete = NodeCommand::new([Item::new().with_target(uri)]);
        delete.no_resp = true;
        Command::Delete(delete)
    };
    let mut silent = Group::new([level("5"), name("bad")]);
    silent.no_resp = true;
    check(vec![
        (
            atomic([quiet("./Lamp"), level("5")]),
            "Atomic=507 Replace=215",
        ),
        (
            atomic([level("5"), quiet("./Lamp"), level("6")]),
            "Atomic=507 Replace=216 Replace=215",
        ),
        (Command::Atomic(silent), "Replace=216 Replace=403"),
    ]);
}

#[test]
fn the_journal_has_the_last_word() {
    for (kind, code) in [(JournalErrorKind::Full, 420), (JournalErrorKind::Io, 510)] {
        let mut bench = Bench::default();
        let before = bench.dump();
        bench.journal.fail_once(0, kind);
        assert_eq!(
            answer(&mut bench, atomic([level("5"), name("hall")])),
            format!("Atomic=507 Replace=216 Replace={code}")
        );
        assert_eq!(bench.dump(), before);
        assert_eq!(
            answer(&mut bench, atomic([level("5")])),
            "Atomic=200 Replace=200"
        );
    }
}

#[test]
fn every_command_inside_needs_an_id_of_its_own() {
    let body = |bench: &mut Bench| {
        bench.start();
        let mut group = atomic([level("5"), name("hall"), level("6")]);
        group.set_cmd_id(CmdId::FIRST);
        let Command::Atomic(inside) = &mut group else {
            panic!()
        };
        for (command, id) in inside.commands.iter_mut().zip([2, 1, 3]) {
            command.set_cmd_id(CmdId::new(id).unwrap());
        }
        let mut message = omadm_syncml::Message::new(bench.script.header());
        let mut heard = bench.script.heard();
        heard.set_cmd_id(CmdId::new(9).unwrap());
        message.commands = vec![heard, group];
        message.is_final = true;
        let mut body = Vec::new();
        omadm_syncml::encode(&message, bench.script.encoding, &mut body).unwrap();
        body
    };
    let mut bench = Bench::default();
    let faulty = body(&mut bench);
    let answer = bench.deliver(&faulty).unwrap();
    assert_eq!(
        describe(&answer),
        "SyncHdr=200 Atomic=507 Replace=216 Replace=400 Replace=215 Final"
    );
    let mut config = Bench::config();
    config.compat = Compat::lenient();
    let mut bench = Bench::new(config);
    let faulty = body(&mut bench);
    let answer = bench.deliver(&faulty).unwrap();
    assert_eq!(
        describe(&answer),
        "SyncHdr=200 Atomic=200 Replace=200 Replace=200 Replace=200 Final"
    );
}

fn question() -> Command<'static> {
    let asked = UserInteraction::new(Interaction::Confirm, "Shall it be?");
    Command::Alert(Alert::from_interaction(&asked).into_owned())
}

/// The commands before a question are not made while a person thinks; a job may end meanwhile.
#[test]
fn a_question_is_answered_before_anything_changes() {
    for (second, expected, level_then) in [
        (
            UserAnswer::Accepted,
            "SyncHdr=200 Atomic=200 Replace=200 Alert=200 Replace=200 Alert=200 Get=200 Results Final",
            "6",
        ),
        (
            UserAnswer::Rejected,
            "SyncHdr=200 Atomic=507 Replace=216 Alert=216 Replace=216 Alert=304 Get=200 Results Final",
            "0",
        ),
        (
            UserAnswer::CannotDisplay,
            "SyncHdr=200 Atomic=507 Replace=216 Alert=216 Replace=216 Alert=416 Get=200 Results Final",
            "0",
        ),
        (
            UserAnswer::Cancelled,
            "SyncHdr=200 Atomic=507 Replace=216 Alert=216 Replace=216 Alert=214 Get=215 Final",
            "0",
        ),
    ] {
        let mut bench = Bench::default();
        bench.run([request::exec("./Lamp/Later", None)]);
        let before = bench.dump();
        let group = atomic([level("5"), question(), level("6"), question()]);
        assert_eq!(bench.say([group, request::get("./Lamp/Level")]), None);
        assert_eq!(bench.dump(), before);
        bench.finish_job();
        assert_eq!(bench.value("./Lamp/Light").as_deref(), Some("true"));
        assert_eq!(bench.answer(UserAnswer::Accepted), None);
        assert_eq!(bench.value("./Lamp/Level").as_deref(), Some("0"));
        let answer = bench.answer(second).unwrap();
        assert_eq!(describe(&answer).replace(" Alert(1226)", ""), expected);
        assert_eq!(bench.value("./Lamp/Level").as_deref(), Some(level_then));
    }
}

/// Nobody is asked when it has failed already, or once the session is to be aborted.
#[test]
fn no_question_is_asked_in_vain() {
    let mut bench = Bench::default();
    let group = atomic([name("bad"), question()]);
    assert_eq!(
        answer(&mut bench, group),
        "Atomic=507 Replace=403 Alert=215"
    );

    bench.start();
    let group = atomic([level("5"), question(), question(), level("6")]);
    assert_eq!(bench.say([group]), None);
    bench.feed(Input::Abort).unwrap();
    let answer = bench.read().unwrap();
    let shown = describe(&answer);
    assert!(
        shown.starts_with(
            "SyncHdr=200 Atomic=507 Replace=216 Alert=214 Alert=215 Replace=215 Alert(1223)"
        ),
        "{shown}"
    );
    assert_eq!(bench.value("./Lamp/Level").as_deref(), Some("0"));
}

/// Each question has what is before it executed anew, so their number has a limit.
#[test]
fn an_atomic_does_not_ask_without_end() {
    let mut config = Bench::config();
    config.max_atomic_questions = 2;
    for (questions, expected, level_then) in [
        (2, "Atomic=200 Replace=200 Alert=200 Alert=200", "5"),
        (
            3,
            "Atomic=507 Replace=216 Alert=216 Alert=216 Alert=413",
            "0",
        ),
        (
            4,
            "Atomic=507 Replace=216 Alert=216 Alert=216 Alert=413 Alert=215",
            "0",
        ),
    ] {
        let mut bench = Bench::new(config.clone());
        bench.start();
        let asked = std::iter::repeat_with(question).take(questions);
        let group: Vec<_> = std::iter::once(level("5")).chain(asked).collect();
        assert_eq!(bench.say([atomic(group)]), None);
        assert_eq!(bench.answer(UserAnswer::Accepted), None);
        let answer = bench.answer(UserAnswer::Accepted).unwrap();
        assert_eq!(describe(&answer), format!("SyncHdr=200 {expected} Final"));
        assert_eq!(bench.value("./Lamp/Level").as_deref(), Some(level_then));
    }
}

/// A No inside an Atomic ends the Atomic, not the Sequence around it.
#[test]
fn the_sequence_around_goes_on() {
    let mut bench = Bench::default();
    bench.start();
    let group = sequence([atomic([level("5"), question()]), level("7")]);
    assert_eq!(bench.say([group]), None);
    let answer = bench.answer(UserAnswer::Rejected).unwrap();
    assert_eq!(
        describe(&answer),
        "SyncHdr=200 Sequence=200 Atomic=507 Replace=216 Alert=304 Replace=200 Final"
    );
}

/// What a job of the device changes comes before the Atomic or after it, never in between.
#[test]
fn an_atomic_waits_for_the_exec_before_it() {
    let mut bench = Bench::default();
    bench.start();
    let group = atomic([level("5"), level("6")]);
    assert_eq!(bench.say([request::exec("./Lamp/Off", None), group]), None);
    assert_eq!(bench.value("./Lamp/Level").as_deref(), Some("0"));
    bench.finish_job();
    assert_eq!(
        describe(&bench.read().unwrap()),
        "SyncHdr=200 Exec=200 Atomic=200 Replace=200 Replace=200 Final"
    );
}

/// The outcome is certain before the first Status is sent, so they may take several messages.
#[test]
fn statuses_that_fit_no_message_follow_in_the_next() {
    let mut bench = Bench::default();
    bench.start();
    let mut header = bench.script.header();
    header.meta = omadm_syncml::Meta::new().with_max_msg_size(1500);
    let presets = (0..80).map(|number| add(&format!("./Lamp/Presets/p{number}"), "1"));
    let group = atomic(presets.collect::<Vec<_>>());
    let commands = [bench.script.heard(), group];
    let body = bench.script.write_as(&header, commands, true);
    let mut answer = bench.deliver(&body).unwrap();
    let mut statuses = 0;
    let mut messages = 1;
    loop {
        let shown = describe(&answer);
        statuses += shown.matches("Add=200").count();
        assert!(
            shown.starts_with("SyncHdr=200 Atomic=200") == (messages == 1),
            "{shown}"
        );
        if answer.is_final {
            break;
        }
        messages += 1;
        answer = bench.say([]).unwrap();
    }
    assert_eq!(statuses, 80);
    assert!(messages > 2, "{messages}");
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
