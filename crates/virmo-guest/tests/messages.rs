//! Requests and replies in both encodings, and a guest that is driven with them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "test code"
)]

use omadm_core::{
    Correlator, Format, GenericAlert, Interaction, Mark, StatusCode, UserAnswer, UserInteraction,
};
use omadm_syncml::Encoding;
use omadm_tree::{NewNode, Uri, Value};
use proptest::{collection::vec, option, prelude::*};
use virmo_guest::{
    Answer, Command, Frame, FrameKind, Guest, Happening, HostEnd, Limits, MemoryGuest,
    MessageError, News, Outcome, Receipt, Reply, Request, Responder,
};

fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

/// Values that both encodings carry.
fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[a-z<&é \n]{0,12}".prop_map(Value::chr),
        any::<i32>().prop_map(Value::int),
        any::<bool>().prop_map(Value::bool),
        Just(Value::null()),
        vec(any::<u8>(), 0..12).prop_map(Value::bin),
        "[a-z]{0,6}".prop_map(|text| Value::xml(format!("<a>{text}</a>"))),
        "[a-z]{1,6}".prop_map(|text| Value::chr(text).with_media_type("text/html")),
    ]
}

fn nodes() -> impl Strategy<Value = NewNode> {
    let moid = option::of("urn:oma:mo:[a-z]{1,5}:1[.]0");
    prop_oneof![
        values().prop_map(NewNode::Leaf),
        moid.prop_map(|node_type| NewNode::Interior { node_type }),
    ]
}

fn interactions() -> impl Strategy<Value = UserInteraction> {
    let kind = prop_oneof![
        Just(Interaction::Display),
        Just(Interaction::Confirm),
        Just(Interaction::TextInput),
        vec("[a-z]{1,4}", 1..4).prop_map(Interaction::SingleChoice),
        vec("[a-z]{1,4}", 1..4).prop_map(Interaction::MultipleChoice),
    ];
    (kind, "[a-zA-Z ?]{0,20}").prop_map(|(kind, text)| UserInteraction::new(kind, text))
}

fn commands() -> impl Strategy<Value = Command> {
    let argument = option::of(vec(any::<u8>(), 0..12));
    let correlator = option::of("[a-z0-9]{1,8}".prop_map(Correlator::new));
    prop_oneof![
        (any::<Uri>(), nodes()).prop_map(|(uri, node)| Command::Add { uri, node }),
        (any::<Uri>(), values()).prop_map(|(uri, value)| Command::Replace { uri, value }),
        any::<Uri>().prop_map(|uri| Command::Delete { uri }),
        (any::<Uri>(), any::<Uri>()).prop_map(|(from, to)| Command::Copy { from, to }),
        any::<Uri>().prop_map(|uri| Command::Get { uri }),
        (any::<Uri>(), argument, correlator).prop_map(|(uri, argument, correlator)| {
            Command::Exec {
                uri,
                argument,
                correlator,
            }
        }),
        interactions().prop_map(Command::Ask),
    ]
}

fn alerts() -> impl Strategy<Value = GenericAlert> {
    let correlator = option::of("[a-z0-9]{1,8}".prop_map(Correlator::new));
    (option::of(any::<Uri>()), correlator, "[a-z<&]{0,9}").prop_map(|(source, correlator, data)| {
        let mut alert = GenericAlert::new("urn:x-example:at:thing:1.0", Format::Chr);
        alert.source = source.map(|uri| uri.to_string());
        alert.mark = Some(Mark::Minor);
        alert.correlator = correlator;
        alert.data = data;
        alert
    })
}

fn news() -> impl Strategy<Value = News> {
    let moid = option::of("urn:oma:mo:[a-z]{1,5}:1[.]0");
    let what = prop_oneof![
        alerts().prop_map(Happening::Alert),
        (any::<Uri>(), values()).prop_map(|(uri, value)| Happening::Changed { uri, value }),
        (any::<Uri>(), moid).prop_map(|(uri, node_type)| Happening::Appeared { uri, node_type }),
        any::<Uri>().prop_map(|uri| Happening::Vanished { uri }),
    ];
    (1u32..1000, what).prop_map(|(number, what)| News::new(number, what))
}

fn requests() -> impl Strategy<Value = Request> {
    let receipt = (1u32..9, 1u32..9).prop_map(|(reply, news)| Receipt { reply, news });
    (
        "[A-F0-9]{1,8}",
        1u32..,
        vec(receipt, 0..3),
        vec(commands(), 0..5),
    )
        .prop_map(|(session, number, received, commands)| {
            let mut request = Request::new(session, number, commands);
            request.received = received;
            request
        })
}

/// An answer a guest could give.
fn answer(command: &Command, good: bool, value: Value, names: Vec<String>) -> Answer {
    match command {
        _ if !good => StatusCode::NOT_FOUND.into(),
        Command::Get { .. } if names.is_empty() => {
            Answer::new(StatusCode::OK, Outcome::Value(value))
        }
        Command::Get { .. } => Answer::new(StatusCode::OK, Outcome::Children(names)),
        Command::Exec { .. } if !names.is_empty() => {
            Answer::new(StatusCode::OK, Outcome::Items(names))
        }
        Command::Ask(asked) => match &asked.interaction {
            Interaction::Display | Interaction::Confirm => UserAnswer::Accepted.into(),
            Interaction::TextInput => UserAnswer::Text("typed".to_owned()).into(),
            Interaction::SingleChoice(_) | Interaction::MultipleChoice(_) => {
                UserAnswer::Choices(vec![1]).into()
            }
        },
        _ => StatusCode::OK.into(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn requests_come_back_in_both_encodings(request in requests()) {
        for encoding in Encoding::ALL {
            let message = request.encode(encoding).unwrap();
            prop_assert_eq!(virmo_guest::encoding_of(&message), encoding);
            let read = Request::decode(&message, &Limits::default());
            prop_assert_eq!(read.as_ref(), Ok(&request));
        }
    }

    #[test]
    fn replies_come_back_in_both_encodings(
        request in requests(), news in vec(news(), 0..4), good in vec(any::<bool>(), 5),
        values in vec(values(), 5), names in vec(vec("[a-z]{1,4}", 0..3), 5),
    ) {
        let mut reply = Reply::to(&request);
        reply.news = news;
        let rest = good.into_iter().zip(values).zip(names);
        reply.answers = request.commands.iter().zip(rest)
            .map(|(command, ((good, value), names))| answer(command, good, value, names))
            .collect();
        for encoding in Encoding::ALL {
            let message = reply.encode(&request, encoding).unwrap();
            let read = Reply::decode(&message, &request, &Limits::default());
            prop_assert_eq!(read.as_ref(), Ok(&reply));
        }
    }

    #[test]
    fn anything_is_answered_or_refused(message in vec(any::<u8>(), 0..200), request in requests()) {
        let _ = Reply::decode(&message, &request, &Limits::default());
        let mut guest = Responder::new(MemoryGuest::new());
        let reply = guest.answer(&message);
        prop_assert!(reply.is_empty() || Request::decode(&message, &Limits::default()).is_ok());
    }

    #[test]
    fn every_request_to_the_memory_guest_is_answered(all in vec(requests(), 1..6)) {
        let mut guest = Responder::new(MemoryGuest::new());
        for (request, encoding) in all.iter().zip(Encoding::ALL.into_iter().cycle()) {
            let reply = guest.answer(&request.encode(encoding).unwrap());
            prop_assert!(Reply::decode(&reply, request, &Limits::default()).is_ok());
        }
    }
}

/// The host of a guest in one process.
struct Pair {
    guest: Responder<MemoryGuest>,
    session: &'static str,
    number: u32,
    receipts: Vec<Receipt>,
}

impl Pair {
    fn new() -> Self {
        Self {
            guest: Responder::new(MemoryGuest::new()),
            session: "1",
            number: 0,
            receipts: Vec::new(),
        }
    }

    fn call(&mut self, commands: Vec<Command>) -> Reply {
        self.number += 1;
        let mut request = Request::new(self.session, self.number, commands);
        request.received = std::mem::take(&mut self.receipts);
        let reply = self.guest.answer(&request.encode(Encoding::Xml).unwrap());
        Reply::decode(&reply, &request, &Limits::default()).unwrap()
    }

    fn receive(&mut self, reply: &Reply) {
        let receipt = |news: &News| Receipt {
            reply: reply.number,
            news: news.number,
        };
        self.receipts.extend(reply.news.iter().map(receipt));
    }
}

fn statuses(reply: &Reply) -> Vec<u16> {
    reply
        .answers
        .iter()
        .map(|answer| answer.status.get())
        .collect()
}

#[test]
fn the_memory_guest_is_a_small_device() {
    let mut pair = Pair::new();
    let ring = uri("./Phone/Ring");
    let exec = |uri: &Uri| Command::Exec {
        uri: uri.clone(),
        argument: Some(b"loud".to_vec()),
        correlator: Some(Correlator::new("c1")),
    };
    let reply = pair.call(vec![
        Command::Add {
            uri: ring.clone(),
            node: NewNode::Leaf(Value::null()),
        },
        Command::Add {
            uri: uri("./Phone"),
            node: NewNode::INTERIOR,
        },
        Command::Add {
            uri: uri("./Phone"),
            node: NewNode::INTERIOR,
        },
        Command::Add {
            uri: ring.clone(),
            node: NewNode::Leaf(Value::null()),
        },
        Command::Add {
            uri: uri("./Phone/Ring/x"),
            node: NewNode::INTERIOR,
        },
        exec(&ring),
        exec(&uri("./Phone")),
        exec(&uri("./Fax")),
        Command::Get {
            uri: uri("./Phone"),
        },
        Command::Get { uri: Uri::root() },
        Command::Replace {
            uri: uri("./Phone"),
            value: Value::int(1),
        },
        Command::Replace {
            uri: uri("./Fax"),
            value: Value::int(1),
        },
        Command::Copy {
            from: ring.clone(),
            to: uri("./Phone/Again"),
        },
        Command::Copy {
            from: uri("./Phone"),
            to: uri("./Copy"),
        },
        Command::Delete {
            uri: uri("./Phone"),
        },
        Command::Delete { uri: ring.clone() },
        Command::Get { uri: ring.clone() },
    ]);
    let expected = [
        404, 200, 418, 200, 405, 200, 405, 404, 200, 200, 405, 404, 200, 405, 200, 404, 404,
    ];
    assert_eq!(statuses(&reply), expected);
    assert_eq!(
        reply.answers[8].outcome,
        Outcome::Children(vec!["Ring".to_owned()])
    );
    assert_eq!(
        reply.answers[9].outcome,
        Outcome::Children(vec!["Phone".to_owned()])
    );
    let [
        News {
            what: Happening::Alert(alert),
            ..
        },
    ] = &*reply.news
    else {
        panic!("{reply:?}");
    };
    assert_eq!(alert.source.as_deref(), Some("./Phone/Ring"));
    assert_eq!(alert.correlator, Some(Correlator::new("c1")));
    assert_eq!(alert.data, "loud");
}

#[test]
fn news_are_told_until_the_host_keeps_them() {
    let mut pair = Pair::new();
    pair.guest.guest_mut().set(&uri("./Sensor"), Value::int(1));
    let first = pair.call(vec![]);
    assert_eq!(first.news.len(), 1);
    // The host went away before it kept them.
    let second = pair.call(vec![]);
    assert_eq!(second.news, first.news);
    pair.guest.guest_mut().set(&uri("./Sensor"), Value::int(2));
    pair.receive(&first);
    let third = pair.call(vec![]);
    assert_eq!(third.news.len(), 1);
    assert_ne!(third.news, first.news);
    pair.receive(&third);
    assert_eq!(pair.call(vec![]).news, []);
}

#[test]
fn a_receipt_to_an_earlier_life_drops_nothing() {
    let mut pair = Pair::new();
    pair.guest.guest_mut().set(&uri("./Sensor"), Value::int(1));
    let reply = pair.call(vec![]);
    pair.receive(&reply);
    // The guest boots; its numbers begin anew.
    pair.guest = Responder::new(MemoryGuest::new());
    pair.guest.guest_mut().set(&uri("./Sensor"), Value::int(3));
    assert_eq!(pair.call(vec![]).news.len(), 1);
    // The host begins anew, with receipts for what it was told before.
    pair.receive(&reply);
    (pair.session, pair.number) = ("2", 0);
    assert_eq!(pair.call(vec![]).news.len(), 1);
    assert_eq!(pair.guest.guest().news().len(), 1);
}

#[test]
fn news_that_do_not_fit_come_with_the_next_replies() {
    let mut pair = Pair::new();
    for number in 0..200 {
        pair.guest
            .guest_mut()
            .set(&uri("./Sensor"), Value::int(number));
    }
    let mut told = 0;
    for number in 1..40 {
        let mut request = Request::new("1", number, vec![]);
        request.max_reply = 4096;
        request.received = std::mem::take(&mut pair.receipts);
        let message = pair.guest.answer(&request.encode(Encoding::Wbxml).unwrap());
        assert!(message.len() <= 4096);
        let reply = Reply::decode(&message, &request, &Limits::default()).unwrap();
        told += reply.news.len();
        pair.number = number;
        pair.receive(&reply);
    }
    assert_eq!(told, 200);
}

/// One that XML cannot write, and one longer than any reply.
#[test]
fn news_that_can_never_be_told_do_not_hold_up_the_others() {
    let mut pair = Pair::new();
    let guest = pair.guest.guest_mut();
    guest.set(&uri("./A"), Value::chr("a"));
    guest.set(&uri("./B"), Value::chr("\u{1}"));
    guest.set(&uri("./C"), Value::chr("x".repeat(Limits::MAX_BYTES)));
    guest.set(&uri("./D"), Value::chr("d"));
    let mut told = Vec::new();
    for _ in 0..6 {
        let reply = pair.call(vec![]);
        pair.receive(&reply);
        told.extend(reply.news.into_iter().map(|news| news.what));
    }
    let changed = |at: &str, value: &str| Happening::Changed {
        uri: uri(at),
        value: Value::chr(value),
    };
    assert_eq!(told, [changed("./A", "a"), changed("./D", "d")]);
    assert_eq!(pair.guest.guest().news(), []);
}

#[test]
fn an_answer_that_does_not_fit_says_so() {
    let mut pair = Pair::new();
    let big = uri("./Big");
    pair.guest
        .guest_mut()
        .set(&big, Value::chr("x".repeat(5000)));
    let mut request = Request::new("1", 1, vec![Command::Get { uri: big }]);
    request.max_reply = 4096;
    let message = pair.guest.answer(&request.encode(Encoding::Xml).unwrap());
    let reply = Reply::decode(&message, &request, &Limits::default()).unwrap();
    assert_eq!(statuses(&reply), [413]);
}

#[test]
fn a_host_that_allows_less_than_any_reply_gets_none() {
    let mut pair = Pair::new();
    let commands = vec![Command::Get { uri: uri("./A") }];
    let mut request = Request::new("1", 1, commands);
    for (max, answered) in [(4096, true), (45, false), (0, false)] {
        request.max_reply = max;
        let message = pair.guest.answer(&request.encode(Encoding::Wbxml).unwrap());
        assert_eq!(!message.is_empty(), answered, "{max}");
    }
}

#[test]
fn a_user_answers_as_prepared() {
    let mut pair = Pair::new();
    let asked = UserInteraction::new(Interaction::Confirm, "Add the access point?");
    let ask = || vec![Command::Ask(asked.clone())];
    assert_eq!(statuses(&pair.call(ask())), [215]);
    pair.guest.guest_mut().answer_with(UserAnswer::Rejected);
    let reply = pair.call(ask());
    assert_eq!(reply.answers, [UserAnswer::Rejected.into()]);
    assert_eq!(statuses(&reply), [304]);
    assert_eq!(
        pair.guest.guest().asked(),
        ["Add the access point?", "Add the access point?"]
    );
}

/// A request that cannot be read is answered at once, over the line too.
#[test]
fn what_cannot_be_read_is_answered_with_nothing() {
    let mut limits = Limits::default();
    limits.max_bytes = 64;
    let mut guest = Responder::with_limits(MemoryGuest::new(), limits);
    let mut host = HostEnd::new(1);
    for message in [&b"<SyncML"[..], &[b'<'; 65], b""] {
        let (mut there, mut back) = (Vec::new(), Vec::new());
        host.request(message, 100, &mut there);
        guest.receive(&there, &mut back);
        assert_eq!(host.receive(&back), Ok(Some(vec![])));
    }
    // Replies and noise are answered with silence.
    let mut back = Vec::new();
    let mut line = b"~noise~".to_vec();
    Frame::new(FrameKind::Reply, 1, vec![]).write(&mut line);
    guest.receive(&line, &mut back);
    assert_eq!(back, []);
}

#[test]
fn a_reply_that_does_not_fit_its_request_is_refused() {
    let get = Command::Get { uri: uri("./a") };
    let request = Request::new(
        "1",
        4,
        vec![get.clone(), Command::Delete { uri: uri("./b") }],
    );
    let good = {
        let mut reply = Reply::to(&request);
        let value = Outcome::Value(Value::int(1));
        reply.answers = vec![Answer::new(StatusCode::OK, value), StatusCode::OK.into()];
        reply.news = vec![News::new(3, Happening::Vanished { uri: uri("./c") })];
        String::from_utf8(reply.encode(&request, Encoding::Xml).unwrap()).unwrap()
    };
    let read = |text: &str| Reply::decode(text.as_bytes(), &request, &Limits::default());
    assert!(read(&good).is_ok());
    let cut = |text: &str, from: &str, to: &str| {
        let start = text.find(from).unwrap();
        let end = text[start..].find(to).unwrap() + start + to.len();
        format!("{}{}", &text[..start], &text[end..])
    };
    let cases = [
        (String::new(), MessageError::NotUnderstood),
        (
            good.replace("<SessionID>1<", "<SessionID>2<"),
            MessageError::WrongRequest,
        ),
        (
            good.replace("<MsgID>4<", "<MsgID>3<"),
            MessageError::WrongRequest,
        ),
        (
            good.replace("<MsgRef>4<", "<MsgRef>3<"),
            MessageError::WrongReference,
        ),
        (
            good.replace("<CmdRef>2<", "<CmdRef>3<"),
            MessageError::WrongReference,
        ),
        (
            cut(&good, "<Results>", "</Results>"),
            MessageError::Unanswered(0),
        ),
        (
            cut(&good, "<Status>", "</Status>"),
            MessageError::Unanswered(0),
        ),
        (
            good.replace("Delete>", "Get>")
                .replace("<Cmd>Delete", "<Cmd>Get"),
            MessageError::Command(3),
        ),
        (
            good.replace("<CmdID>3<", "<CmdID>0<"),
            MessageError::Command(3),
        ),
    ];
    for (text, error) in cases {
        assert_ne!(text, good);
        assert_eq!(read(&text), Err(error), "{text}");
    }
    assert!(matches!(
        read(&good[..good.len() - 1]),
        Err(MessageError::Syncml(_))
    ));
    let mut limits = Limits::default();
    limits.max_commands = 3;
    let refused = Reply::decode(good.as_bytes(), &request, &limits);
    assert!(matches!(refused, Err(MessageError::Syncml(_))));
}
