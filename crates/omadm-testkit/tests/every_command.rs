//! Every command of DM from a server of ours to a device of ours, in both encodings: what it does
//! and what comes back.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::sync::{Arc, Mutex};

use omadm_core::{AlertCode, Format, GenericAlert, StatusCode};
use omadm_server::EventKind;
use omadm_session::{
    Answer, Correlators, Procedure, Report, Step, Tag, Tagged,
    request::{self, Leaf},
};
use omadm_syncml::{Alert, Command, Exec, Group, Item, Meta, NodeCommand, Unsupported};
use omadm_testkit::{Bench, Pair, Wire, data, statuses, uri};

/// Sends its commands in one package and keeps what comes back.
#[derive(Debug)]
struct Burst {
    commands: Vec<Command<'static>>,
    answers: Arc<Mutex<Vec<Answer>>>,
    sent: bool,
}

impl Procedure for Burst {
    fn poll(&mut self, _: &mut Correlators) -> Step {
        if self.sent {
            return Step::Done(Report::new(true, None));
        }
        self.sent = true;
        let commands = (0..).map(Tag).zip(self.commands.drain(..));
        Step::Send(commands.map(|(tag, it)| Tagged::new(tag, it)).collect())
    }

    fn answer(&mut self, answer: Answer) {
        self.answers.lock().unwrap().push(answer);
    }
}

/// What came back, a line each, and the two ends.
fn exchange(commands: Vec<Command<'static>>) -> (Vec<String>, Pair) {
    let mut pair = Pair::plain(Wire::default());
    let answers = Arc::new(Mutex::new(Vec::new()));
    pair.enqueue(Burst {
        commands,
        answers: Arc::clone(&answers),
        sent: false,
    });
    pair.settle();
    let lines = answers.lock().unwrap().iter().map(line).collect();
    assert!(pair.ended.iter().all(|end| end.is_normal()), "{pair:?}");
    (lines, pair)
}

fn line(answer: &Answer) -> String {
    match answer {
        Answer::Status {
            tag, code, items, ..
        } => {
            let items: Vec<_> = items.iter().map(data).collect();
            format!("{} {} {}", tag.0, code.get(), items.join(" "))
                .trim_end()
                .to_owned()
        }
        Answer::Results { tag, items, .. } => {
            let items: Vec<_> = items.iter().map(data).collect();
            format!("{} = {}", tag.0, items.join(" "))
        }
        other => format!("{other:?}"),
    }
}

fn leaf(text: &str) -> Leaf {
    Leaf::new(Format::Chr, text.to_owned())
}

fn value(pair: &Pair, at: &str) -> Option<String> {
    let node = pair.client.tree().node(&uri(at))?;
    node.text().map(str::to_owned)
}

fn copy(from: &'static str, to: &'static str) -> Command<'static> {
    let item = Item::new().with_source(from).with_target(to);
    Command::Copy(NodeCommand::new([item]))
}

#[test]
fn add() {
    let add = || request::add("./Lamp/Ext/a", leaf("1 < 2"));
    let (answers, pair) = exchange(vec![add(), add()]);
    assert_eq!(answers, ["0 200", "1 418"]);
    assert_eq!(value(&pair, "./Lamp/Ext/a").as_deref(), Some("1 < 2"));
}

#[test]
fn replace() {
    let (answers, pair) = exchange(vec![
        request::replace("./Lamp/Name", leaf("größe 日本")),
        request::replace("./Lamp/None", leaf("x")),
    ]);
    assert_eq!(answers, ["0 200", "1 404"]);
    assert_eq!(value(&pair, "./Lamp/Name").as_deref(), Some("größe 日本"));
}

#[test]
fn delete() {
    let (answers, pair) = exchange(vec![
        request::add("./Lamp/Ext/a", leaf("x")),
        request::delete("./Lamp/Ext/a"),
        request::delete("./Lamp"),
    ]);
    assert_eq!(answers, ["0 200", "1 200", "2 405"]);
    assert_eq!(value(&pair, "./Lamp/Ext/a"), None);
}

#[test]
fn get_and_results() {
    let (answers, _) = exchange(vec![
        request::get("./Lamp/Name"),
        request::get("./Lamp/Pin"),
        request::get("./Lamp/Presets"),
    ]);
    assert_eq!(answers, ["0 200", "0 = lamp", "1 405", "2 200", "2 = "]);
}

#[test]
fn copy_to_another_leaf() {
    let (answers, pair) = exchange(vec![
        request::add("./Lamp/Presets/dim", Leaf::new(Format::Int, "3")),
        copy("./Lamp/Presets/dim", "./Lamp/Level"),
        copy("./Lamp/None", "./Lamp/Level"),
    ]);
    assert_eq!(answers, ["0 200", "1 200", "2 404"]);
    assert_eq!(value(&pair, "./Lamp/Level").as_deref(), Some("3"));
}

#[test]
fn exec() {
    let echo = Item::new().with_target("./Lamp/Echo").with_data("hello");
    let (answers, _) = exchange(vec![
        Command::Exec(Exec::new([echo])),
        request::exec("./Lamp/Off", None),
        request::exec("./Lamp/Name", None),
    ]);
    assert_eq!(answers, ["0 200 hello", "1 200", "2 405"]);
}

#[test]
fn exec_with_a_correlator_and_a_generic_alert() {
    let correlator = omadm_core::Correlator::new("c & 1");
    let (answers, pair) = exchange(vec![request::exec("./Lamp/Later", Some(&correlator))]);
    assert_eq!(answers, ["0 202"]);
    let alerts: Vec<&GenericAlert> = pair
        .told
        .iter()
        .filter_map(|kind| match kind {
            EventKind::Alert { alert, .. } => Some(alert),
            _ => None,
        })
        .collect();
    let [alert] = &alerts[..] else {
        panic!("{:?}", pair.told);
    };
    assert_eq!(alert.correlator, Some(correlator));
    assert_eq!(
        (alert.source.as_deref(), &*alert.data),
        (Some("./Lamp/Later"), "200")
    );
}

#[test]
fn sequence() {
    let (answers, pair) = exchange(vec![Command::Sequence(Group::new([
        request::replace("./Lamp/Name", leaf("a")),
        request::delete("./Lamp/None"),
        request::get("./Lamp/Name"),
    ]))]);
    assert_eq!(answers, ["0 200", "1 200", "2 404", "3 200", "3 = a"]);
    assert_eq!(value(&pair, "./Lamp/Name").as_deref(), Some("a"));
}

#[test]
fn atomic() {
    let (answers, pair) = exchange(vec![Command::Atomic(Group::new([
        request::replace("./Lamp/Name", leaf("a")),
        request::add("./Lamp/Presets/dim", Leaf::new(Format::Int, "3")),
    ]))]);
    assert_eq!(answers, ["0 200", "1 200", "2 200"]);
    assert_eq!(value(&pair, "./Lamp/Name").as_deref(), Some("a"));
    let (answers, pair) = exchange(vec![Command::Atomic(Group::new([
        request::replace("./Lamp/Name", leaf("a")),
        request::delete("./Lamp/None"),
        request::delete("./Lamp/None"),
    ]))]);
    assert_eq!(answers, ["0 507", "1 216", "2 404", "3 215"]);
    assert_eq!(value(&pair, "./Lamp/Name").as_deref(), Some("lamp"));
}

#[test]
fn alert_of_a_server() {
    let unknown = Command::Alert(Alert::new(AlertCode::from(1199)));
    let (answers, _) = exchange(vec![unknown]);
    assert_eq!(answers, ["0 406"]);
}

#[test]
fn what_is_no_command_of_dm() {
    let names = ["Put", "Map", "Move", "Search", "Sync", "Dance"];
    let commands = names.map(|name| Command::Unsupported(Unsupported::new(name)));
    let (answers, _) = exchange(commands.to_vec());
    let codes: Vec<_> = answers
        .iter()
        .map(|line| line.split(' ').nth(1).unwrap())
        .collect();
    assert_eq!(codes, ["406", "406", "406", "406", "406", "501"]);
    assert!(StatusCode::COMMAND_NOT_IMPLEMENTED.is_failure());
}

/// A chunk of the Name, with the Size of the whole if it is the first.
fn chunk(text: &'static str, size: Option<u64>, more: bool) -> Command<'static> {
    let mut item = Item::new().with_target("./Lamp/Name").with_data(text);
    if let Some(size) = size {
        item = item.with_meta(Meta::new().with_size(size));
    }
    item.more_data = more;
    Command::Replace(NodeCommand::new([item]))
}

#[test]
fn chunks_of_a_large_object() {
    let mut bench = Bench::default();
    bench.start();
    let mut say = |command, is_final| {
        let body = bench.script.write([command], is_final);
        let answer = bench.deliver(&body).unwrap();
        (
            statuses(&answer),
            bench.value("./Lamp/Name").unwrap_or_default(),
        )
    };
    let answered = |code, name: &str| (vec![("Replace".to_owned(), code)], name.to_owned());
    assert_eq!(
        say(chunk("ha", Some(4), true), false),
        answered(213, "lamp")
    );
    assert_eq!(say(chunk("ll", None, false), false), answered(200, "hall"));
    assert_eq!(say(chunk("a", None, true), false), answered(411, "hall"));
    assert_eq!(say(chunk("a", Some(4), true), false), answered(213, "hall"));
    assert_eq!(say(chunk("b", None, false), true), answered(424, "hall"));
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
