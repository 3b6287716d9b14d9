//! Whole sessions, in which the other end says what it likes.

use omadm_client::{Input, Received};
use omadm_markup::Encoding;
use omadm_server::{Config, Everyone, Request, Server, SingleCommand};
use omadm_session::request;
use omadm_syncml::{Limits, Message, decode, encode};
use omadm_testkit::{Bench, Clock, DEVICE_ID, SERVER_URL};

/// The messages in some bytes: in each encoding they begin in their own way.
fn messages(data: &[u8]) -> Vec<(Encoding, &[u8])> {
    let mut found = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let after = rest.split_at(1).1;
        let begins =
            |window: &[u8]| window == b"<SyncML" || window.starts_with(b"\x02\xA4\x01\x6A");
        let next = after.windows(7).position(begins);
        let (message, others) = rest.split_at(next.map_or(rest.len(), |at| at + 1));
        let encoding = match message.first() {
            Some(0..=3) => Encoding::Wbxml,
            _ => Encoding::Xml,
        };
        found.push((encoding, message));
        rest = others;
    }
    found
}

/// A message that is one, so far as it can be understood.
fn decoded(body: &[u8], encoding: Encoding) -> Option<Message<'_>> {
    decode(body, encoding, &Limits::default()).ok()
}

/// A server that says what it likes to a device: it answers or ends the session, never holds more than
/// one message, and serves the next session as if nothing had been.
pub fn device_session(data: &[u8]) {
    let mut config = Bench::config();
    let mut session = messages(data);
    session.truncate(8);
    if let Some((encoding, _)) = session.first() {
        config.encoding = *encoding;
    }
    let mut bench = Bench::new(config);
    bench.start();
    for (encoding, body) in session {
        if bench.request.is_none() {
            break;
        }
        let said = match decoded(body, encoding) {
            // Whatever its header says, it belongs to this session, and acknowledges everything. Not all
            // that can be read can be written: a `Data` as a command, say.
            Some(message) if encode(&message, encoding, &mut Vec::new()).is_ok() => {
                let commands = message.commands.into_iter().map(|it| it.into_owned());
                bench.script.write(commands, message.is_final)
            }
            _ => body.to_vec(),
        };
        bench.request = None;
        let received = Received::new(&said, bench.script.encoding);
        bench
            .feed(Input::Received(received))
            .expect("an answer is awaited");
        while !bench.jobs.is_empty() {
            bench.finish_job();
        }
        if bench.request.is_some() {
            bench.read();
        } else if bench.client.in_session() {
            // It waits for its user or for something that takes long.
            break;
        }
    }
    let answered = bench.restart().codes([request::get("./DevInfo/DevId")]);
    assert_eq!(answered.first(), Some(&200));
}

/// A device that says what it likes to a server: it is answered, twice the same if it says it twice,
/// and another device is served as if nothing had been.
pub fn server_session(data: &[u8]) {
    let mut server = Server::new(Config::new("f"), Everyone);
    for uri in ["./A", "./B"] {
        let procedure = Box::new(SingleCommand::get(uri));
        server
            .enqueue(DEVICE_ID, procedure)
            .expect("there is room for two");
    }
    let now = Clock::default().now();
    let mut exchange = |body: &[u8], encoding| {
        let receipt = server.receive(Request::new(body, encoding, now)).ok()?;
        let response = server.respond(receipt).ok()?;
        let answer = decode(&response.body, response.encoding, &Limits::default());
        answer.expect("what we say is a message");
        Some(response.body)
    };
    for (number, (encoding, body)) in (1..).zip(messages(data).into_iter().take(8)) {
        let said = match decoded(body, encoding) {
            Some(mut message) => {
                message.header.session_id = "1".into();
                message.header.msg_id = number;
                message.header.source.uri = DEVICE_ID.into();
                message.header.target.uri = SERVER_URL.into();
                let mut said = Vec::new();
                match encode(&message, encoding, &mut said) {
                    Ok(()) => said,
                    Err(_) => continue,
                }
            }
            None => body.to_vec(),
        };
        let answer = exchange(&said, encoding);
        assert_eq!(exchange(&said, encoding), answer, "said twice");
    }
    let mut other = Bench::default();
    other.start();
    let body = other.request.expect("package 1").body;
    assert!(exchange(&body, other.script.encoding).is_some());
}
