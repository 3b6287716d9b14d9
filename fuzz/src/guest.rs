use omadm_core::{Correlator, Interaction, UserInteraction};
use omadm_markup::Encoding;
use omadm_tree::{NewNode, Uri, Value};
use virmo_guest::{
    Command, HostEnd, Limits, MemoryGuest, Receipt, Reply, Request, Responder, encoding_of,
};

/// Takes what comes over the line between a host and a guest, as both ends do: framed or not, a
/// request or a reply. A reply has an answer to each command and keeps within limits; what can be
/// read comes back as it is after writing.
pub fn guest(data: &[u8]) {
    let limits = Limits::default();
    let asked = request();
    let mut out = Vec::new();
    let mut host = HostEnd::new(1);
    host.request(b"", limits.max_bytes, &mut out);
    if let Ok(Some(payload)) = host.receive(data) {
        assert!(payload.len() <= data.len());
        replied(&payload, &asked, &limits);
    }
    replied(data, &asked, &limits);
    out.clear();
    Responder::new(MemoryGuest::new()).receive(data, &mut out);
    let answer = Responder::new(MemoryGuest::new()).answer(data);
    match Request::decode(data, &limits) {
        Ok(read) => {
            if let Ok(written) = read.encode(encoding_of(data)) {
                let again = Request::decode(&written, &limits);
                assert_eq!(again.as_ref(), Ok(&read), "{}", written.escape_ascii());
            }
            assert!(answer.is_empty() || answer.len() <= read.max_reply);
            if !answer.is_empty() {
                let reply = Reply::decode(&answer, &read, &limits);
                assert!(reply.is_ok(), "{reply:?}: {}", answer.escape_ascii());
            }
        }
        Err(_) => assert!(answer.is_empty()),
    }
}

fn replied(data: &[u8], asked: &Request, limits: &Limits) {
    let Ok(read) = Reply::decode(data, asked, limits) else {
        return;
    };
    assert_eq!(read.answers.len(), asked.commands.len());
    assert!(read.news.len() <= limits.max_commands);
    if let Ok(written) = read.encode(asked, encoding_of(data)) {
        let again = Reply::decode(&written, asked, limits);
        assert_eq!(again.as_ref(), Ok(&read), "{}", written.escape_ascii());
    }
}

/// A request with every command.
fn request() -> Request {
    let uri = |text: &str| -> Uri { text.parse().expect("it is an address") };
    let (node, leaf) = (uri("./A"), uri("./A/b"));
    let commands = vec![
        Command::Add {
            uri: node,
            node: NewNode::INTERIOR,
        },
        Command::Add {
            uri: leaf.clone(),
            node: NewNode::Leaf(Value::null()),
        },
        Command::Exec {
            uri: leaf.clone(),
            argument: Some(b"x".to_vec()),
            correlator: Some(Correlator::new("c")),
        },
        Command::Replace {
            uri: leaf.clone(),
            value: Value::int(1),
        },
        Command::Get { uri: leaf.clone() },
        Command::Copy {
            from: leaf.clone(),
            to: uri("./A/c"),
        },
        Command::Delete { uri: leaf },
        Command::Ask(UserInteraction::new(Interaction::Confirm, "Well?")),
    ];
    let mut request = Request::new("1", 1, commands);
    request.received = vec![Receipt { reply: 1, news: 1 }];
    request
}

/// What host and guest say to each other when nothing is wrong: the request, its reply, and both in
/// frames, in either encoding.
#[must_use]
pub fn guest_talk() -> Vec<Vec<u8>> {
    let mut talk = Vec::new();
    for encoding in Encoding::ALL {
        let message = request().encode(encoding).expect("it can be written");
        let mut inside = MemoryGuest::new();
        let sensor = "./Sensor/heat".parse().expect("it is an address");
        inside.set(&sensor, Value::int(20));
        let mut guest = Responder::new(inside);
        let (mut there, mut back) = (Vec::new(), Vec::new());
        HostEnd::new(1).request(&message, Limits::MAX_BYTES, &mut there);
        guest.clone().receive(&there, &mut back);
        talk.extend([guest.answer(&message), message, there, back]);
    }
    talk
}
