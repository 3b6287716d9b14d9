//! Large objects and packages of several messages, both ways, over both encodings: what arrives is
//! what was sent, and every message keeps to the rules.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::sync::{Arc, Mutex};

use base64::{Engine, engine::general_purpose::STANDARD};
use omadm_client::{Notice, SessionEnd};
use omadm_core::{Format, GenericAlert, StatusCode};
use omadm_server::{EventKind, Everyone, SingleCommand};
use omadm_session::{
    Answer, Correlators, Procedure, Report, Step, Tag, Tagged,
    request::{self, Leaf},
};
use omadm_syncml::{Command, Data, Encoding, Item};
use omadm_testkit::{Bench, Fault, Pair, Transcript, Wire, by_encoding, encoding, uri};
use proptest::prelude::*;

/// Sends commands in one package and keeps what comes back.
#[derive(Debug)]
struct Burst {
    commands: Vec<Command<'static>>,
    answers: Answers,
}

type Answers = Arc<Mutex<Vec<Answer>>>;

impl Burst {
    fn new(commands: impl IntoIterator<Item = Command<'static>>) -> (Self, Answers) {
        let answers = Answers::default();
        let burst = Self {
            commands: commands.into_iter().collect(),
            answers: Arc::clone(&answers),
        };
        (burst, answers)
    }
}

impl Procedure for Burst {
    fn poll(&mut self, _: &mut Correlators) -> Step {
        if self.commands.is_empty() {
            return Step::Done(Report::success(StatusCode::OK));
        }
        let commands = std::mem::take(&mut self.commands);
        let tagged = (0..).map(Tag).zip(commands);
        Step::Send(
            tagged
                .map(|(tag, command)| Tagged::new(tag, command))
                .collect(),
        )
    }

    fn answer(&mut self, answer: Answer) {
        self.answers.lock().unwrap().push(answer);
    }
}

/// The Items of all Results.
fn items(answers: &Answers) -> Vec<Item<'static>> {
    let answers = answers.lock().unwrap();
    let of = |answer: &Answer| match answer {
        Answer::Results { items, .. } => items.clone(),
        _ => Vec::new(),
    };
    answers.iter().flat_map(of).collect()
}

/// The codes of all statuses; what got none is in words.
fn outcomes(answers: &Answers) -> Vec<String> {
    let answers = answers.lock().unwrap();
    let of = |answer: &Answer| match answer {
        Answer::Status { code, .. } => Some(code.get().to_string()),
        Answer::NotAnswered { reason, .. } => Some(format!("{reason:?}")),
        _ => None,
    };
    answers.iter().filter_map(of).collect()
}

/// A pair that takes messages of these sizes.
fn pair(device: u32, server: u32, wire: Wire) -> Pair {
    let mut config = Bench::config();
    config.max_message_size = device;
    let mut other = omadm_server::Config::new("c");
    other.max_message_size = server;
    Pair::new(config, other, Everyone, wire)
}

fn octets(item: &Item<'_>) -> Vec<u8> {
    let data = match item.data.as_ref().unwrap() {
        Data::Opaque(octets) => octets.to_vec(),
        data => data.to_text().unwrap().as_bytes().to_vec(),
    };
    match item.meta.format().unwrap() {
        Format::B64 => STANDARD.decode(data).unwrap(),
        _ => data,
    }
}

fn check(pair: &Pair) {
    pair.transcript.check();
    let violation = |kind: &&EventKind| matches!(kind, EventKind::Violation(_));
    assert_eq!(format!("{:?}", pair.told.iter().find(violation)), "None");
}

/// Writes a value and reads it back.
fn there_and_back(mut pair: Pair, at: &str, leaf: Leaf, expected: &[u8]) -> Pair {
    let commands = [request::replace(at, leaf), request::get(at)];
    let (burst, answers) = Burst::new(commands);
    pair.enqueue(burst);
    pair.settle();
    check(&pair);
    assert_eq!(
        outcomes(&answers),
        ["200", "200"],
        "{:#?}",
        pair.transcript.lines()
    );
    let node = pair.client.tree().node(&uri(at)).unwrap();
    assert!(
        node.octets().unwrap() == expected,
        "the tree has another value"
    );
    let items = items(&answers);
    assert!(octets(&items[0]) == expected, "another value comes back");
    assert!(pair.ended.iter().all(SessionEnd::is_normal));
    pair
}

/// Octets as a server sends them.
fn binary(octets: Vec<u8>) -> Leaf {
    match encoding() {
        Encoding::Xml => Leaf::new(Format::B64, STANDARD.encode(octets)),
        Encoding::Wbxml => Leaf::new(Format::Bin, octets),
    }
}

fn base64(octets: &[u8], line: usize) -> Leaf {
    let text = STANDARD.encode(octets);
    let lines: Vec<_> = text.as_bytes().chunks(line).collect();
    let lines = lines.join(&b"\r\n"[..]);
    Leaf::new(Format::B64, String::from_utf8(lines).unwrap())
}

#[test]
fn long_values_go_there_and_back() {
    let plain = || pair(5000, 5000, Wire::default());
    let text = "line & more <of> it: ä€😀\r\n".repeat(4000);
    let leaf = Leaf::new(Format::Chr, text.clone());
    let done = there_and_back(plain(), "./Lamp/Name", leaf, text.as_bytes());
    assert!(done.transcript.len() > 80, "{}", done.transcript.len());
    let octets: Vec<u8> = (0..100_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    there_and_back(plain(), "./Lamp/Icon", binary(octets.clone()), &octets);
    there_and_back(plain(), "./Lamp/Icon", base64(&octets, 76), &octets);
}

/// [DM-Protocol §9]: the flow of messages the specification gives as the typical one.
#[test]
fn the_typical_flow() {
    let (device, server) = by_encoding((1100, 1180), (560, 760));
    let mut pair = pair(device, server, Wire::default());
    let value = |name: &str| -> String {
        let words = (0..25).map(|n| format!("{name} word {n:02} "));
        words.collect()
    };
    for name in ["a", "b"] {
        let at = format!("./Lamp/Ext/{name}");
        pair.enqueue(SingleCommand::add(&at, value(name).as_str().into()));
    }
    pair.settle();
    pair.transcript = Transcript::default();
    let (burst, read) = Burst::new(["./Lamp/Ext/a", "./Lamp/Ext/b"].map(request::get));
    pair.enqueue(burst);
    let name = value("c").repeat(2);
    pair.enqueue(SingleCommand::replace("./Lamp/Name", name.as_str().into()));
    pair.settle();
    check(&pair);
    assert_eq!(items(&read).len(), 2);
    assert_eq!(
        pair.client.tree().node(&uri("./Lamp/Name")).unwrap().text(),
        Some(&*name)
    );
    let expected = [
        "> Alert(1201) Replace Final",
        "< SyncHdr=200 Alert=200 Replace=200 Get Get Final",
        "> SyncHdr=200 Get=200 Results Get=200",
        "< SyncHdr=200 Alert(1222)",
        "> SyncHdr=200 Alert=200 Results Final",
        "< SyncHdr=200 Replace +",
        "> SyncHdr=200 Replace=213 Alert(1222)",
        "< SyncHdr=200 Alert=200 Replace Final",
        "> SyncHdr=200 Replace=200 Final",
        "< SyncHdr=200 Final",
    ];
    let lines = pair.transcript.lines();
    let lines: Vec<_> = lines
        .iter()
        .map(|line| line.trim_end_matches(|c: char| c.is_ascii_digit() && line.contains('+')))
        .collect();
    assert_eq!(lines, expected);
    golden("typical-flow", &pair.transcript.pretty());
}

/// Compares with `tests/golden/NAME-ENCODING.xml`; with `UPDATE_GOLDEN=1` writes it.
fn golden(name: &str, found: &str) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let file = format!("{folder}/{name}-{}.xml", by_encoding("xml", "wbxml"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(&file, found).unwrap();
    }
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(known == found, "{file} differs; found:\n{found}");
}

/// Whatever is lost or repeated, an object is executed once, and with all of its chunks.
#[test]
fn chunks_may_be_lost_or_repeated() {
    let value = "0123456789".repeat(300);
    let run = |wire| {
        let mut pair = pair(by_encoding(1500, 1000), by_encoding(1500, 1000), wire);
        let commands = [
            request::add("./Lamp/Ext/a", value.as_str().into()),
            request::get("./Lamp/Ext/a"),
        ];
        let (burst, answers) = Burst::new(commands);
        pair.enqueue(burst);
        pair.session();
        check(&pair);
        // A second execution would be 418.
        assert_eq!(outcomes(&answers), ["200", "200"]);
        assert_eq!(octets(&items(&answers)[0]), value.as_bytes());
        assert_eq!(pair.ended, [SessionEnd::Completed]);
        pair.wire.exchanges()
    };
    let exchanges = run(Wire::default());
    assert!(exchanges >= 10, "{exchanges}");
    for exchange in 0..exchanges {
        for fault in [Fault::LoseRequest, Fault::LoseAnswer, Fault::RepeatRequest] {
            run(Wire::new([(exchange, fault)]));
        }
    }
}

/// A session that breaks off in the middle of an object leaves nothing of it.
#[test]
fn half_an_object_is_discarded_with_its_session() {
    let value = "0123456789".repeat(300);
    for exchange in 1..6 {
        let wire = Wire::new([(exchange, Fault::CutAnswer)]);
        let mut pair = pair(by_encoding(1500, 1000), 5000, wire);
        let (burst, answers) = Burst::new([request::add("./Lamp/Ext/a", value.as_str().into())]);
        pair.enqueue(burst);
        pair.session();
        assert!(!pair.ended[0].is_normal());
        let node = pair.client.tree().node(&uri("./Lamp/Ext/a")).is_some();
        pair.session();
        // The last answer alone can be lost after the execution.
        let lost = !node && outcomes(&answers) == ["SessionLost"];
        assert!(
            lost || node && outcomes(&answers) == ["200"],
            "{exchange}: {answers:?}"
        );
        assert_eq!(pair.ended.last(), Some(&SessionEnd::Completed));
    }
}

/// A Get whose session is lost between its Status and the last chunk is not taken for answered.
#[test]
fn half_a_result_is_asked_for_again() {
    let value = "0123456789".repeat(300);
    for exchange in 2..6 {
        let wire = Wire::new([(exchange, Fault::CutAnswer)]);
        let mut pair = pair(5000, by_encoding(1500, 1000), wire);
        pair.enqueue(SingleCommand::add("./Lamp/Ext/a", value.as_str().into()));
        pair.enqueue(SingleCommand::get("./Lamp/Ext/a"));
        pair.settle();
        assert_eq!(
            pair.reports[1].value.as_deref(),
            Some(&*value),
            "{exchange}"
        );
    }
}

#[test]
fn values_beyond_max_obj_size_are_refused_at_either_end() {
    let value = "0123456789".repeat(300);
    let mut config = Bench::config();
    let mut other = omadm_server::Config::new("c");
    config.max_object_size = 3000;
    other.max_object_size = 2999;
    other.max_message_size = by_encoding(1500, 1000);
    let mut pair = Pair::new(config, other, Everyone, Wire::default());
    let too_long = format!("{value}x");
    let (burst, answers) = Burst::new([
        request::add("./Lamp/Ext/a", value.as_str().into()),
        request::add("./Lamp/Ext/b", too_long.as_str().into()),
        request::get("./Lamp/Ext/a"),
    ]);
    pair.enqueue(burst);
    pair.settle();
    check(&pair);
    assert_eq!(outcomes(&answers), ["TooLarge", "200", "413"]);
    assert!(pair.client.tree().node(&uri("./Lamp/Ext/b")).is_none());
}

/// An alert larger than a message, while the server sends chunks too.
#[test]
fn both_ends_may_send_chunks_at_a_time() {
    let said = "something long to say ".repeat(200);
    let mut pair = pair(
        by_encoding(1500, 1000),
        by_encoding(1500, 1000),
        Wire::default(),
    );
    pair.enqueue(SingleCommand::replace("./Lamp/Name", said.as_str().into()));
    let mut alert = GenericAlert::new("com.example.log", Format::Chr);
    alert.source = Some("./Lamp".into());
    alert.data = said.clone();
    pair.open();
    while pair.transcript.len() < 4 {
        pair.step();
    }
    pair.queue(Notice::Alerts(vec![alert.clone()]));
    while pair.client.in_session() {
        pair.step();
    }
    check(&pair);
    let heard = |kind: &EventKind| match kind {
        EventKind::Alert { alert, .. } => Some(alert.clone()),
        _ => None,
    };
    assert_eq!(
        pair.told.iter().filter_map(heard).collect::<Vec<_>>(),
        [alert]
    );
    assert_eq!(
        pair.client.tree().node(&uri("./Lamp/Name")).unwrap().text(),
        Some(&*said)
    );
    let both = |line: &String| line.contains("=213") && line.contains(" +");
    assert!(
        pair.transcript.lines().iter().any(both),
        "{:#?}",
        pair.transcript.lines()
    );
}

/// A serialized subtree is a large object like any other, in whatever form it travels.
#[test]
fn subtrees_go_there_and_back() {
    let mut pair = pair(
        by_encoding(1500, 1000),
        by_encoding(1500, 1000),
        Wire::default(),
    );
    pair.enqueue(SingleCommand::add_node("./Lamp/Ext/a", None));
    for n in 0..40 {
        let value = format!("value <{n}>");
        pair.enqueue(SingleCommand::add(
            &format!("./Lamp/Ext/a/n{n}"),
            value.into(),
        ));
    }
    pair.enqueue(SingleCommand::get("./Lamp/Ext/a?list=TNDS"));
    pair.settle();
    let document = pair.reports.last().unwrap().value.clone().unwrap();
    assert!(document.len() > 3000, "{document}");
    pair.enqueue(SingleCommand::delete("./Lamp/Ext/a"));
    pair.enqueue(SingleCommand::add_tree("./Lamp/Ext/a", document.clone()));
    pair.enqueue(SingleCommand::get("./Lamp/Ext/a?list=TNDS-TStamp"));
    pair.settle();
    check(&pair);
    let failed = pair.reports.iter().find(|report| !report.ok);
    assert_eq!(failed, None);
    for n in 0..40 {
        let node = pair.client.tree().node(&uri(&format!("./Lamp/Ext/a/n{n}")));
        assert_eq!(node.unwrap().text(), Some(&*format!("value <{n}>")));
    }
    let chunks = pair.transcript.lines();
    let chunks = chunks.iter().filter(|line| line.contains(" +"));
    assert!(chunks.count() > 4, "{:#?}", pair.transcript.lines());
}

/// A value of any kind and of up to `most` bytes.
fn values(most: usize) -> impl Strategy<Value = (&'static str, Leaf, Vec<u8>)> {
    let text = |text: String| {
        let octets = text.clone().into_bytes();
        ("./Lamp/Name", Leaf::new(Format::Chr, text), octets)
    };
    let octets = || prop::collection::vec(any::<u8>(), 0..most);
    prop_oneof![
        // Of the characters that take most room, and those that must be escaped.
        prop::collection::vec(
            prop::sample::select("ab <>&\"'\r\n\tä€😀]".chars().collect::<Vec<_>>()),
            0..most / 4
        )
        .prop_map(move |characters| text(characters.into_iter().collect())),
        (0..most).prop_map(move |length| text("x".repeat(length))),
        octets().prop_map(|octets| ("./Lamp/Icon", binary(octets.clone()), octets)),
        (octets(), 1usize..100)
            .prop_map(|(octets, line)| { ("./Lamp/Icon", base64(&octets, line), octets) }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_value_goes_there_and_back(
        (at, leaf, octets) in values(20_000),
        device in by_encoding(1300u32..6000, 700..6000),
        server in by_encoding(1300u32..6000, 700..6000),
    ) {
        there_and_back(pair(device, server, Wire::default()), at, leaf, &octets);
    }

    /// Down to messages in which nothing has room: then it is said so, and the session ends. What not
    /// even an answer fits into is not answered.
    #[test]
    fn no_message_size_leads_into_a_loop(
        length in 0usize..3000,
        device in 100u32..1500,
        server in 100u32..1500,
    ) {
        let mut pair = pair(device, server, Wire::default());
        let value = "y".repeat(length);
        let commands = [request::replace("./Lamp/Name", value.as_str().into()), request::get("./Lamp/Name")];
        let (burst, answers) = Burst::new(commands);
        pair.enqueue(burst);
        for _ in 0..3 {
            pair.session();
        }
        prop_assert!(pair.transcript.len() < 500, "{}", pair.transcript.len());
        let outcomes = outcomes(&answers);
        if device >= by_encoding(750, 450) {
            prop_assert_eq!(outcomes.len(), 2);
        }
        if outcomes.first().is_some_and(|first| first == "200") {
            let node = pair.client.tree().node(&uri("./Lamp/Name")).unwrap();
            prop_assert_eq!(node.text(), Some(&*value));
        }
        if outcomes.contains(&"200".to_owned()) && server > 1300 && device > 1300 {
            prop_assert_eq!(octets(&items(&answers)[0]), value.into_bytes());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    /// Up to 200 KiB.
    #[test]
    fn any_large_value_goes_there_and_back(
        (at, leaf, octets) in values(200 << 10),
        device in 5000u32..80_000,
        server in 5000u32..80_000,
    ) {
        there_and_back(pair(device, server, Wire::default()), at, leaf, &octets);
    }
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
