//! Messages fill up to what the device takes, and every command gets through or comes back.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::sync::{Arc, Mutex};

use omadm_core::{AlertCode, Format, GenericAlert, Now, StatusCode};
use omadm_server::{
    Config, EventKind, Everyone, ReceiveError, Request, RespondError, Server, SessionEnd,
    SingleCommand,
};
use omadm_session::{
    Answer, Assembler, Correlators, Procedure, Report, Step, Tag, Tagged, Taken, Unanswered,
    command_status, header_status, request,
};
use omadm_syncml::{
    Alert, CmdId, Command, Header, Item, Limits, Message, Meta, NodeCommand, decode, encode,
};
use omadm_testkit::{by_encoding, encoding};
use proptest::prelude::*;

/// Sends all its commands at once and gathers what comes back.
#[derive(Debug)]
struct Burst {
    commands: Vec<Command<'static>>,
    answers: Arc<Mutex<Vec<Answer>>>,
    sent: bool,
}

impl Procedure for Burst {
    fn poll(&mut self, _: &mut Correlators) -> Step {
        if self.sent {
            let all = self.answers.lock().unwrap().len() == self.commands.len();
            return Step::Done(Report::new(all, None));
        }
        self.sent = true;
        let tagged = (0..).map(Tag).zip(self.commands.iter().cloned());
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

/// A device that takes messages of a certain size.
struct Device {
    server: Server,
    max_message: usize,
    max_object: Option<u64>,
    sent: u32,
    assembler: Assembler,
    /// The values of the Replaces in the order they came.
    received: Vec<String>,
    /// How the first chunk is answered, if not as it should be.
    odd: Option<Odd>,
}

type Odd = fn(u32, &Command<'_>) -> Option<Command<'static>>;

impl Device {
    fn new(max_message: usize) -> Self {
        Self {
            server: Server::new(Config::new("t"), Everyone),
            max_message,
            max_object: None,
            sent: 0,
            assembler: Assembler::new(1 << 20),
            received: Vec::new(),
            odd: None,
        }
    }

    fn header(&mut self) -> Header<'static> {
        self.sent += 1;
        let mut header = Header::new("1", self.sent, "https://dm.example", "dev1");
        if self.sent == 1 {
            header.meta = Meta::new().with_max_msg_size(self.max_message as u64);
            header.meta.max_obj_size = self.max_object;
        }
        header
    }

    /// The answer, its size checked, and the events.
    fn send(&mut self, message: Message<'_>) -> (Message<'static>, Vec<EventKind>) {
        self.try_send(message).unwrap()
    }

    /// The same; none if the device takes no answer.
    fn try_send(&mut self, mut message: Message<'_>) -> Option<(Message<'static>, Vec<EventKind>)> {
        for (id, command) in (1..).zip(&mut message.commands) {
            command.set_cmd_id(CmdId::new(id).unwrap());
        }
        let mut body = Vec::new();
        encode(&message, encoding(), &mut body).unwrap();
        let request = Request::new(&body, encoding(), Now::default());
        let mut receipt = match self.server.receive(request) {
            Err(ReceiveError::NoRoom { .. }) => return None,
            receipt => receipt.unwrap(),
        };
        let mut events = receipt.take_events();
        let response = match self.server.respond(receipt) {
            Err(RespondError::NoRoom { .. }) => return None,
            response => response.unwrap(),
        };
        events.extend(response.events);
        let answer = decode(&response.body, encoding(), &Limits::default()).unwrap();
        assert!(
            response.body.len() <= self.max_message,
            "{} bytes of {}",
            response.body.len(),
            self.max_message
        );
        let events = events.into_iter().map(|event| event.kind).collect();
        Some((answer.into_owned(), events))
    }

    /// Package 1, with any number of alerts.
    fn package_1(&mut self, alerts: u32) -> Message<'static> {
        let mut message = Message::new(self.header());
        let client = Alert::new(AlertCode::CLIENT_INITIATED);
        message.commands.push(Command::Alert(client));
        let leaves = ["DevId", "Man", "Mod", "DmV", "Lang"].map(|name| {
            let uri = format!("./DevInfo/{name}");
            Item::new().with_source(uri).with_data("x")
        });
        let replace = NodeCommand::new(leaves);
        message.commands.push(Command::Replace(replace));
        for number in 0..alerts {
            let mut alert = GenericAlert::new("com.example.event", Format::Int);
            alert.data = number.to_string();
            let alert = Alert::from_generic(&alert).into_owned();
            message.commands.push(Command::Alert(alert));
        }
        message.is_final = true;
        message
    }

    /// The answer to a message of the server: a Status for each command or chunk, and 1222 if it
    /// goes on.
    fn answer(&mut self, received: &Message<'_>) -> Message<'static> {
        let mut message = Message::new(self.header());
        let status = header_status(&received.header, StatusCode::OK);
        message.commands.push(Command::Status(status));
        for command in &received.commands {
            let whole = match self.assembler.take(command) {
                _ if matches!(command, Command::Status(_)) => continue,
                Taken::Whole => Ok(command.clone().into_owned()),
                Taken::Complete(whole) => Ok(*whole),
                Taken::Answered(code) => Err(code),
            };
            if let Ok(Command::Replace(replace)) = &whole {
                let value = replace.items[0].data.as_ref().unwrap();
                self.received.push(value.as_text().unwrap().to_owned());
            }
            let code = whole.err().unwrap_or(StatusCode::OK);
            if code == StatusCode::CHUNK_ACCEPTED
                && let Some(odd) = self.odd.take()
            {
                let odd = odd(received.header.msg_id, command);
                // Without a word, or with one that it goes on, the chunk counts.
                let refuses = |odd: &Command<'_>| match odd {
                    Command::Status(status) => !status.code.is_success(),
                    _ => true,
                };
                if odd.as_ref().is_some_and(refuses) {
                    self.assembler.discard();
                }
                message.commands.extend(odd);
                continue;
            }
            let status = command_status(received.header.msg_id, command, code);
            message.commands.push(Command::Status(status));
        }
        assert_eq!(self.assembler.end_message(received.is_final), None);
        message.is_final = received.is_final;
        if !message.is_final {
            let next = Alert::new(AlertCode::NEXT_MESSAGE);
            message.commands.push(Command::Alert(next));
        }
        message
    }
}

/// What a whole session shows.
struct Outcome {
    received: Vec<String>,
    answers: Vec<Answer>,
    /// How many statuses for alerts and the Replace of Package 1 came.
    statuses: usize,
    messages: u32,
}

fn run(max_message: usize, alerts: u32, values: &[String]) -> Outcome {
    run_on(Device::new(max_message), alerts, values).unwrap()
}

/// None if the device takes no answer.
fn run_on(mut device: Device, alerts: u32, values: &[String]) -> Option<Outcome> {
    let answers = Arc::new(Mutex::new(Vec::new()));
    let commands = values
        .iter()
        .map(|value| request::replace("./A", value.as_str().into()))
        .collect();
    let burst = Burst {
        commands,
        answers: Arc::clone(&answers),
        sent: false,
    };
    device.server.enqueue("dev1", Box::new(burst)).unwrap();

    let mut outcome = Outcome {
        received: Vec::new(),
        answers: Vec::new(),
        statuses: 0,
        messages: 0,
    };
    let mut message = device.package_1(alerts);
    loop {
        let expected = message.header.msg_id;
        let Some((answer, events)) = device.try_send(message) else {
            assert_eq!(device.server.sessions().count(), 0);
            return None;
        };
        assert_eq!(answer.header.msg_id, expected);
        assert!(matches!(
            answer.commands.first(),
            Some(Command::Status(status)) if status.cmd == "SyncHdr" && status.msg_ref == expected
        ));
        for command in &answer.commands {
            if let Command::Status(status) = command
                && (expected == 1 || status.msg_ref == 1)
            {
                outcome.statuses += usize::from(status.cmd != "SyncHdr");
            }
        }
        outcome.messages += 1;
        assert!(outcome.messages < 3000, "the session does not end");
        let violation = events
            .iter()
            .find(|event| matches!(event, EventKind::Violation(_)));
        assert!(violation.is_none(), "{violation:?}");
        let ended =
            |event: &EventKind| matches!(event, EventKind::SessionEnded(SessionEnd::Completed));
        if events.iter().any(ended) {
            break;
        }
        message = device.answer(&answer);
    }
    assert_eq!(device.server.waiting("dev1"), 0);
    outcome.received = device.received;
    outcome.answers = std::mem::take(&mut answers.lock().unwrap());
    Some(outcome)
}

fn too_large(answer: &Answer) -> bool {
    matches!(
        answer,
        Answer::NotAnswered {
            reason: Unanswered::TooLarge,
            ..
        }
    )
}

#[test]
fn commands_that_do_not_fit_together_go_in_several_packages() {
    let values: Vec<String> = (0..20).map(|n| format!("{n:0300}")).collect();
    let outcome = run(by_encoding(2000, 1200), 0, &values);
    assert_eq!(outcome.received, values);
    assert!(outcome.messages > 6, "{} messages", outcome.messages);
    assert!(!outcome.answers.iter().any(too_large));
}

#[test]
fn a_value_larger_than_a_message_goes_in_chunks() {
    let values = ["a".repeat(100), "b".repeat(20_000), "c".repeat(100)];
    let outcome = run(by_encoding(2000, 1200), 0, &values);
    assert_eq!(outcome.received, values);
    assert!(outcome.messages > 10, "{} messages", outcome.messages);
}

#[test]
fn only_what_is_larger_than_the_device_takes_comes_back() {
    // One would fit a message, one would not.
    for length in [501, 5000] {
        let values = ["a".repeat(500), "b".repeat(length), "c".repeat(100)];
        let mut device = Device::new(2000);
        device.max_object = Some(500);
        let outcome = run_on(device, 0, &values).unwrap();
        assert_eq!(outcome.received, ["a".repeat(500), "c".repeat(100)]);
        let refused = outcome.answers.iter().filter(|it| too_large(it));
        assert_eq!(refused.map(Answer::tag).collect::<Vec<_>>(), [Tag(1)]);
    }
}

/// What a device says to the first chunk may end the object; the others go on.
#[test]
fn a_chunk_may_be_refused() {
    fn status(msg_id: u32, command: &Command<'_>, code: StatusCode) -> Option<Command<'static>> {
        Some(Command::Status(command_status(msg_id, command, code)))
    }
    let table: [(Odd, &str); 7] = [
        (|_, _| None, "200"),
        (|id, it| status(id, it, StatusCode::OK), "200"),
        (|id, it| status(id, it, StatusCode::SIZE_MISMATCH), "424"),
        (
            |id, it| status(id, it, StatusCode::REQUEST_ENTITY_TOO_LARGE),
            "413",
        ),
        (
            |id, it| status(id, it, StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED),
            "406",
        ),
        (|id, it| status(id, it, StatusCode::COMMAND_FAILED), "500"),
        (
            |_, _| Some(Command::Alert(Alert::new(AlertCode::NO_END_OF_DATA))),
            "Incomplete",
        ),
    ];
    for (odd, expected) in table {
        let values = ["a".repeat(100), "b".repeat(5000), "c".repeat(100)];
        let mut device = Device::new(by_encoding(2000, 1200));
        device.odd = Some(odd);
        let outcome = run_on(device, 0, &values).unwrap();
        let second = outcome.answers.iter().filter(|it| it.tag() == Tag(1));
        let second: Vec<String> = second
            .map(|answer| match answer {
                Answer::Status { code, .. } => code.get().to_string(),
                Answer::NotAnswered { reason, .. } => format!("{reason:?}"),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(second, [expected]);
        let mut received = values.to_vec();
        if expected != "200" {
            received.remove(1);
        }
        assert_eq!(outcome.received, received, "{expected}");
    }
}

#[test]
fn statuses_that_do_not_fit_go_on_in_the_next_message_before_any_command() {
    let values = ["x".repeat(500)];
    let outcome = run(by_encoding(1500, 900), 100, &values);
    assert_eq!(outcome.statuses, 102);
    assert_eq!(outcome.received, values);
    assert!(outcome.messages > 5, "{} messages", outcome.messages);
}

/// An alert whose Status had no room yet is reported once, when the session is lost and the device
/// brings it again.
#[test]
fn alerts_whose_status_had_to_wait_are_reported_once() {
    let mut device = Device::new(by_encoding(1200, 600));
    let mut message = device.package_1(40);
    let (mut reported, mut acknowledged) = (0, Vec::new());
    for _ in 0..2 {
        let (answer, events) = device.send(message);
        let is_alert = |event: &&EventKind| matches!(event, EventKind::Alert { .. });
        reported += events.iter().filter(is_alert).count();
        acknowledged.extend(answer.commands.iter().filter_map(|command| match command {
            Command::Status(status) if status.msg_ref == 1 => Some(status.cmd_ref),
            _ => None,
        }));
        assert!(!answer.is_final);
        message = device.answer(&answer);
    }
    assert_eq!(reported, 40);
    device.sent = 0;
    let mut again = device.package_1(40);
    // The first two commands are no news.
    let mut id = 0;
    again.commands.retain(|_| {
        id += 1;
        id <= 2 || !acknowledged.contains(&CmdId::new(id).into())
    });
    assert!((12..40).contains(&again.commands.len()));
    let (_, events) = device.send(again);
    let reports = |event: &EventKind| matches!(event, EventKind::Alert { .. });
    assert!(!events.iter().any(reports));
}

/// Where a message has room for one Status, that of each Alert 1222 does not put off the others
/// for ever.
#[test]
fn statuses_that_fit_one_by_one_come_to_an_end() {
    let mut whole = 0;
    for max_message in 150..900 {
        for alerts in [0, 5] {
            let device = Device::new(max_message);
            let Some(outcome) = run_on(device, alerts, &[String::new()]) else {
                continue;
            };
            assert!(outcome.messages < 20, "{max_message}: {}", outcome.messages);
            whole += 1;
        }
    }
    assert!(whole > 300, "{whole}");
}

/// The chunks of an object go in consecutive messages, whatever else is to be said.
#[test]
fn statuses_leave_room_for_the_next_chunk() {
    for max_message in by_encoding([1500, 1300, 1000], [900, 700, 500]) {
        let mut device = Device::new(max_message);
        let procedure = SingleCommand::replace("./A", "x".repeat(4000).into());
        device.server.enqueue("dev1", Box::new(procedure)).unwrap();
        let message = device.package_1(0);
        let (mut answer, _) = device.send(message);
        let mut chatty = 30;
        let (mut statuses, mut chunks) = (0, 0);
        loop {
            let has = |command: &Command<'_>| matches!(command, Command::Replace(_));
            let has_chunk = answer.commands.iter().any(has);
            chunks += u32::from(has_chunk);
            assert!(has_chunk || !device.assembler.is_open(), "{max_message}");
            let generic = |command: &&Command<'_>| matches!(command, Command::Status(status) if status.msg_ref > 1 && status.cmd == "Alert");
            statuses += answer.commands.iter().filter(generic).count();
            let mut message = device.answer(&answer);
            let alerts = if device.assembler.is_open() {
                std::mem::take(&mut chatty)
            } else {
                0
            };
            for _ in 0..alerts {
                let mut alert = GenericAlert::new("com.example.event", Format::Int);
                alert.data = "1".to_owned();
                let alert = Alert::from_generic(&alert).into_owned();
                message.commands.push(Command::Alert(alert));
            }
            let (next, events) = device.send(message);
            if events
                .iter()
                .any(|event| matches!(event, EventKind::SessionEnded(_)))
            {
                break;
            }
            answer = next;
        }
        assert!(chunks > 2);
        assert_eq!(device.received, ["x".repeat(4000)]);
        assert!(statuses >= 30, "{statuses}");
    }
}

/// The last chunk goes before statuses that wait, and a device may say what became of it once the
/// server is through: the procedure hears that before it is asked for more.
#[test]
fn an_answer_that_comes_after_the_package_is_waited_for() {
    let value = "x".repeat(1000);
    let answers = Arc::default();
    let burst = Burst {
        commands: vec![request::replace("./A", value.as_str().into())],
        answers: Arc::clone(&answers),
        sent: false,
    };
    let mut device = Device::new(by_encoding(1500, 900));
    device.server.enqueue("dev1", Box::new(burst)).unwrap();
    let mut message = device.package_1(0);
    let (mut held, mut told) = (Vec::new(), Vec::new());
    let mut last_is_early = false;
    loop {
        let (asked, events) = device.send(message);
        for event in events {
            match event {
                EventKind::Command { uri, status, .. } => told.push((uri, status)),
                EventKind::Violation(violation) => panic!("{violation:?}"),
                _ => {}
            }
        }
        if device.server.waiting("dev1") == 0 {
            break;
        }
        let is_new = device.received.is_empty();
        message = device.answer(&asked);
        if device.assembler.is_open() {
            let alert = GenericAlert::new("com.example.event", Format::Int);
            let alert = Command::Alert(Alert::from_generic(&alert).into_owned());
            message.commands.extend(std::iter::repeat_n(alert, 30));
        }
        let is_outcome = |command: &mut Command<'_>| match command {
            Command::Status(status) => status.cmd == "Replace" && status.code == StatusCode::OK,
            _ => false,
        };
        held.extend(message.commands.extract_if(.., is_outcome));
        last_is_early |= is_new && !held.is_empty() && !asked.is_final;
        if asked.is_final {
            message.commands.append(&mut held);
        }
    }
    assert!(last_is_early, "the last chunk came last");
    assert_eq!(told, [("./A".to_owned(), StatusCode::OK)]);
    let answers = answers.lock().unwrap();
    assert_eq!(*answers, [Answer::status(Tag(0), StatusCode::OK)]);
}

/// The request for the next message finds room beside the statuses, whatever the limit.
#[test]
fn an_incomplete_package_is_answered_within_the_limit() {
    for max_message in by_encoding(1200..1500, 500..700) {
        let mut device = Device::new(max_message);
        let mut message = device.package_1(20);
        message.is_final = false;
        let (answer, _) = device.send(message);
        assert!(matches!(
            answer.commands.last(),
            Some(Command::Alert(alert)) if alert.code == Some(AlertCode::NEXT_MESSAGE)
        ));
        assert!(!answer.is_final && answer.commands.len() > 3);
    }
}

/// Yields nothing but commands that fit no message, and counts what is not answered.
#[derive(Debug)]
struct Stubborn(Arc<Mutex<u32>>);

impl Procedure for Stubborn {
    fn poll(&mut self, _: &mut Correlators) -> Step {
        *self.0.lock().unwrap() += 1;
        let delete = request::delete(&"x".repeat(5000));
        Step::Send(vec![Tagged::new(Tag(0), delete)])
    }

    fn answer(&mut self, answer: Answer) {
        assert!(too_large(&answer));
        *self.0.lock().unwrap() -= 1;
    }
}

#[test]
fn no_command_is_left_behind_by_a_session_that_ends() {
    let open = Arc::default();
    let mut device = Device::new(2000);
    let procedure = Stubborn(Arc::clone(&open));
    device.server.enqueue("dev1", Box::new(procedure)).unwrap();
    let message = device.package_1(0);
    let (answer, _) = device.send(message);
    let message = device.answer(&answer);
    let (_, events) = device.send(message);
    let ended = |event: &EventKind| matches!(event, EventKind::SessionEnded(_));
    assert!(events.iter().any(ended));
    assert_eq!(*open.lock().unwrap(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_command_gets_through_once_or_comes_back(
        max_message in by_encoding(750usize, 450)..4000,
        alerts in 0u32..12,
        lengths in prop::collection::vec(0usize..2500, 1..12),
    ) {
        let values: Vec<String> = (0..)
            .zip(&lengths)
            .map(|(index, length)| format!("{index}:{}", "v".repeat(*length)))
            .collect();
        let outcome = run(max_message, alerts, &values);
        prop_assert_eq!(outcome.answers.len(), values.len());
        let through: Vec<Tag> = outcome
            .answers
            .iter()
            .filter(|answer| !too_large(answer))
            .map(Answer::tag)
            .collect();
        let mut expected: Vec<String> = Vec::new();
        for tag in &through {
            expected.push(values[tag.0 as usize].clone());
        }
        prop_assert_eq!(&outcome.received, &expected);
        prop_assert!(through.is_sorted());
        // Only a device that has no room for a chunk gets less.
        prop_assert!(expected.len() == values.len() || max_message < 1000);
    }
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
