//! Whole exchanges, byte for byte as the device writes them, indented for reading.
//!
//! `tests/golden/<name>.xml` holds the messages of the device in one session, each after a comment
//! that says what it answers; `<name>-wbxml.xml`, where there is one, the same over WBXML.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::{fmt::Write, fs, path::Path, time::Duration};

use omadm_client::{Auth, Input};
use omadm_core::{AlertCode, Correlator, Format, StatusCode, UserAnswer};
use omadm_session::{
    Proof, Prover, Scheme, header_status,
    request::{self, Leaf},
};
use omadm_syncml::{
    Alert, Command, Encoding, Exec, Group, Item, Location, NodeCommand, Unsupported,
};
use omadm_testkit::{Bench, by_encoding, describe, encoding, pretty};

/// The messages of a session so far.
struct Record {
    name: &'static str,
    text: String,
}

impl Record {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            text: String::new(),
        }
    }

    /// Adds the message that awaits its answer.
    fn message(&mut self, what: &str, bench: &Bench) {
        let body = &bench.request.as_ref().unwrap().body;
        let message = pretty(body, bench.script.encoding);
        write!(self.text, "<!-- {what} -->\n{message}").unwrap();
    }

    fn check(self) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let wbxml = folder.join(self.name.replace(".xml", "-wbxml.xml"));
        let golden = match encoding() {
            Encoding::Wbxml if wbxml.exists() => fs::read_to_string(wbxml),
            _ => fs::read_to_string(folder.join(self.name)),
        };
        let golden = golden.unwrap_or_default();
        let differs = golden
            .lines()
            .zip(self.text.lines())
            .position(|(a, b)| a != b)
            .map(|line| line + 1);
        if golden != self.text {
            let found = Path::new(env!("CARGO_TARGET_TMPDIR")).join(self.name);
            fs::write(&found, &self.text).unwrap();
            panic!(
                "{} differs from line {differs:?} on: {}",
                self.name,
                found.display()
            );
        }
    }
}

fn item(uri: &'static str) -> Item<'static> {
    Item::new().with_target(uri)
}

#[test]
fn reading() {
    let mut record = Record::new("reading.xml");
    let mut bench = Bench::default();
    bench.start();
    record.message("package 1", &bench);
    let leaf = |name: &str, leaf| request::add(&format!("./Lamp/Ext/{name}"), leaf);
    bench.say([
        leaf("bin", Leaf::new(Format::B64, "AP/+")),
        leaf("chr", Leaf::new(Format::Chr, "1 < 2 & \"3\"")),
        leaf(
            "json",
            Leaf::new(Format::Chr, "{}").with_type("application/json"),
        ),
        leaf("null", Leaf::new(Format::Null, "")),
    ]);
    record.message("Add of four leaves", &bench);
    bench.say([
        request::get("./Lamp/Ext"),
        request::get("./Lamp/Presets"),
        request::get("./Lamp/Ext?list=StructData"),
        request::get("./Lamp/Level?prop=Format"),
        request::get("./Lamp/Pin"),
        Command::Get(NodeCommand::new([
            item("./Lamp/Level"),
            item("./Lamp/Light"),
        ])),
        Command::Get(NodeCommand::new([item("./Lamp/Name"), item("./Lamp/None")])),
    ]);
    record.message(
        "Get of children, of none, of a list, of a property, of what cannot be read, of two leaves, \
         of one there and one not",
        &bench,
    );
    record.check();
}

#[test]
fn errors() {
    let mut record = Record::new("errors.xml");
    let mut bench = Bench::default();
    bench.start();
    bench.say([
        request::replace("./Lamp/Level", Leaf::new(Format::Chr, "7")),
        request::replace("./Lamp/Missing", Leaf::new(Format::Chr, "7")),
        request::delete("./Lamp"),
        request::add("./Nowhere/a", Leaf::new(Format::Chr, "")),
        Command::Replace(NodeCommand::new([item("./Lamp/Name")])),
        Command::Unsupported(Unsupported::new("Put")),
        Command::Unsupported(Unsupported::new("Dance")),
        Command::Atomic(Group::new([request::get("./Lamp/Name")])),
        Command::Alert(Alert::new(AlertCode::CONFIRM)),
        Command::Copy(NodeCommand::new([
            item("./Lamp/Presets/a").with_source(Location::new("./Lamp/None")),
            item("./Lamp/Presets/a").with_source(Location::new("./Lamp/Level")),
        ])),
    ]);
    record.message("one command after the other that cannot be done", &bench);
    record.check();
}

#[test]
fn executing() {
    let mut record = Record::new("executing.xml");
    let mut bench = Bench::default();
    bench.start();
    let correlator = Correlator::new("r1-7");
    let echo = Exec::new([item("./Lamp/Echo").with_data("hello")]);
    bench.say([
        Command::Exec(echo),
        request::exec("./Lamp/Off", Some(&correlator)),
        request::get("./Lamp/Light"),
    ]);
    bench.advance(Duration::from_secs(30));
    record.message("Exec with a result, Exec that takes too long, Get", &bench);
    bench.finish_job();
    bench.say([]);
    bench.start();
    record.message("package 1 of the session that delivers the alert", &bench);
    bench.feed(Input::Abort).unwrap();
    bench.say([request::get("./Lamp/Name")]);
    record.message("Get after the device decided to abort", &bench);
    record.check();
}

#[test]
fn interaction() {
    let mut record = Record::new("interaction.xml");
    let mut bench = Bench::default();
    bench.start();
    let asked = [
        (AlertCode::DISPLAY, vec!["MINDT=10", "Backing up"]),
        (
            AlertCode::CONFIRM,
            vec!["DR=1&MAXDT=60", "Add the access point?"],
        ),
        (
            AlertCode::TEXT_INPUT,
            vec!["MAXLEN=8&IT=N&ET=P&DR=1%2E5", "The PIN?"],
        ),
        (
            AlertCode::SINGLE_CHOICE,
            vec!["DR=2", "Colour?", "red", "green"],
        ),
        (
            AlertCode::MULTIPLE_CHOICE,
            vec!["DR=2-3&X=1", "Größe?", "S", "M", "L"],
        ),
        (AlertCode::CONFIRM, vec!["", "Go on?"]),
    ];
    let alert = |(code, texts): (AlertCode, Vec<&'static str>)| {
        let items = texts.into_iter().map(|text| match text {
            "" => Item::new(),
            text => Item::new().with_data(text),
        });
        Command::Alert(Alert::new(code).with_items(items.collect::<Vec<_>>()))
    };
    let [shown, group @ ..] = asked.map(alert);
    let commands: Vec<_> = group
        .into_iter()
        .chain([request::get("./Lamp/Name")])
        .collect();
    let group = Group::new(commands);
    bench.say([shown, Command::Sequence(group)]);
    bench.answer(UserAnswer::Accepted);
    bench.advance(Duration::from_secs(10));
    for answer in [
        UserAnswer::Accepted,
        UserAnswer::Text("1234".into()),
        UserAnswer::Choices(vec![2]),
        UserAnswer::Choices(vec![3, 1]),
        UserAnswer::Rejected,
    ] {
        bench.answer(answer);
    }
    record.message(
        "a text that is shown, and a Sequence of a question answered with yes, an input, a choice \
         of one, a choice of two, a question answered with no, and a Get",
        &bench,
    );
    record.check();
}

#[test]
fn several_messages() {
    let mut record = Record::new("several-messages.xml");
    let mut bench = Bench::default();
    bench.start();
    let body = bench.script.write([request::get("./Lamp/Name")], false);
    bench.deliver(&body);
    record.message("Get in a message without Final", &bench);
    let mut header = bench.script.header();
    header.meta = header.meta.with_max_msg_size(by_encoding(1000, 560));
    let gets = (0..3).map(|_| request::get("./Lamp/Name"));
    let commands: Vec<_> = bench.script.acknowledge().into_iter().chain(gets).collect();
    let body = bench.script.write_as(&header, commands, true);
    bench.deliver(&body);
    record.message("three more and Final, with MaxMsgSize 1000", &bench);
    while !bench.script.last.as_ref().unwrap().is_final {
        let next = Command::Alert(Alert::new(AlertCode::NEXT_MESSAGE));
        let body = bench.script.write([next], false);
        bench.deliver(&body);
        record.message("Alert 1222", &bench);
    }
    record.check();
}

#[test]
fn credentials() {
    let mut record = Record::new("credentials.xml");
    let mut config = Bench::config();
    let server = Proof::new(Scheme::Basic, "dm.example", "Bruce2");
    let mut prover = Prover::new([server.clone()]);
    let client = Proof::new(Scheme::Basic, "dev1", "OhBehave");
    config.auth = Auth::given(Some(client), Some(server));
    let mut bench = Bench::new(config);
    let setup = bench.start();
    assert_eq!(describe(&setup), "Alert(1201) Replace Final");
    record.message("package 1 with the client's credentials", &bench);
    bench.say([request::get("./Lamp/Name")]);
    record.message("Get from a server without credentials", &bench);
    let last = bench.script.last.clone().unwrap();
    let mut header = bench.script.header();
    header.cred = prover.cred();
    let accepted = header_status(&last.header, StatusCode::AUTHENTICATION_ACCEPTED);
    let commands = [Command::Status(accepted), request::get("./Lamp/Name")];
    let body = bench.script.write_as(&header, commands, true);
    bench.deliver(&body);
    record.message("Get from a server with credentials", &bench);
    record.check();
}

#[test]
fn version() {
    let mut record = Record::new("version.xml");
    let mut bench = Bench::default();
    bench.start();
    let mut header = bench.script.header();
    header.ver_proto = "DM/3.0".into();
    let commands = [bench.script.heard(), request::get("./Lamp/Name")];
    let body = bench.script.write_as(&header, commands, true);
    bench.deliver(&body);
    record.message("Get in DM/3.0", &bench);
    record.check();
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
