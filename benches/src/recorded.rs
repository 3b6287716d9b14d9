//! A session of a device, recorded to be held again.

use std::hint::black_box;

use virmo::dm::{
    client::Request,
    core::StatusCode,
    session::{Packer, header_status},
    syncml::{
        Command, Data, Encoding, Exec, Header, Item, Limits, Message, NodeCommand, decode, encode,
    },
};

use crate::device::{Answer, Device};

/// How many messages a session has.
const MESSAGES: usize = 50;

/// A session with a device: what the server says, and what the device answers.
pub struct Recorded {
    pub device: Device,
    pub said: Vec<Answer>,
    pub answered: Vec<Message<'static>>,
}

impl Recorded {
    /// A session about the machine of this number.
    pub fn new(mut device: Device, machine: usize) -> Self {
        let (mut said, mut answered) = (Vec::new(), Vec::new());
        let mut request = device.open().expect("package 1");
        for number in 0..MESSAGES {
            let message = read(&request);
            let mut commands = commands(machine);
            if number == MESSAGES - 1 {
                commands.clear();
            }
            let answer = Answer {
                body: write(&message, number, commands),
                hmac: None,
            };
            let next = device.hear(&answer);
            if let Some(next) = next {
                answered.push(read(&next));
                request = next;
            }
            said.push(answer);
        }
        // The last message of the server has no commands, and no answer.
        assert!(!device.client.in_session());
        let codes = |message: &Message<'_>| -> Vec<u16> {
            let statuses = message.commands.iter().filter_map(|command| match command {
                Command::Status(status) => Some(status.code.get()),
                _ => None,
            });
            statuses.collect()
        };
        for answer in &answered {
            assert_eq!(codes(answer), [200, 200, 200, 200, 405]);
        }
        assert_eq!(answered.len(), MESSAGES - 1);
        Self {
            device,
            said,
            answered,
        }
    }

    /// The session once more.
    pub fn again(&mut self) {
        black_box(self.device.open().expect("package 1"));
        for answer in &self.said {
            black_box(self.device.hear(answer));
        }
    }
}

/// All that is read and written in a session.
pub fn codecs(said: &[Vec<u8>], answered: &[Message<'_>], out: &mut Vec<u8>) {
    let limits = Limits::default();
    for body in said {
        black_box(decode(black_box(body), Encoding::Xml, &limits).expect("valid"));
    }
    for message in answered {
        out.clear();
        encode(black_box(message), Encoding::Xml, out).expect("valid");
        black_box(&out);
    }
}

/// A Replace, two Gets, and an Exec that the state of the machine refuses.
fn commands(machine: usize) -> Vec<Command<'static>> {
    let at = |node: &str| format!("./VirMO/vm{machine}/{node}");
    let item = |node: &str| Item::new().with_target(at(node));
    let description = "A machine that is described with some words, so that it has a value";
    let description = Data::from(description.to_owned());
    vec![
        Command::Replace(NodeCommand::new([
            item("Description").with_data(description)
        ])),
        Command::Get(NodeCommand::new([item("State")])),
        Command::Get(NodeCommand::new([item("Resources/CurrentConfig")])),
        Command::Exec(Exec::new([item("Operations/Resume")])),
    ]
}

fn read(request: &Request) -> Message<'static> {
    let message = decode(&request.body, Encoding::Xml, &Limits::default());
    message.expect("valid").into_owned()
}

/// A message of the server that answers one of the device.
fn write(heard: &Message<'_>, number: usize, commands: Vec<Command<'static>>) -> Vec<u8> {
    let source = heard.header.target.uri.to_string();
    let target = heard.header.source.uri.to_string();
    let id = heard.header.session_id.to_string();
    let number = u32::try_from(number).expect("few") + 1;
    let header = Header::new(id, number, target, source);
    let status = Command::Status(header_status(&heard.header, StatusCode::OK));
    let requests = heard.commands.iter().filter(|command| {
        let answers = matches!(command, Command::Status(_) | Command::Results(_));
        !answers
    });
    let statuses = requests.map(|command| {
        let msg_id = heard.header.msg_id;
        Command::Status(virmo::dm::session::command_status(
            msg_id,
            command,
            StatusCode::OK,
        ))
    });
    let mut body = Vec::new();
    let mut packer = Packer::new(&header, Encoding::Xml, usize::MAX, &mut body).expect("room");
    for mut command in [status].into_iter().chain(statuses).chain(commands) {
        packer.require(&mut command).expect("room");
    }
    packer.finish(true);
    body
}
