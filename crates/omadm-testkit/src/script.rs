use omadm_client::Request;
use omadm_core::StatusCode;
use omadm_markup::{Event, Reader, Writer};
use omadm_session::{Packer, command_status, header_status};
use omadm_syncml::{Command, Encoding, Header, Item, Limits, Message, Results, Status, decode};

use crate::{DEVICE_ID, SERVER_URL};

/// Plays the server of one session, message by message.
#[derive(Clone, Debug)]
pub struct Script {
    /// The SessionID.
    pub session_id: String,
    /// The MsgID of the next message.
    pub msg_id: u32,
    /// The encoding.
    pub encoding: Encoding,
    /// The message of the device that is to be answered.
    pub last: Option<Message<'static>>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            session_id: String::new(),
            msg_id: 1,
            encoding: crate::encoding(),
            last: None,
        }
    }
}

impl Script {
    /// Takes in a message of the device.
    pub fn read(&mut self, request: &Request) -> Message<'static> {
        assert_eq!(request.encoding, self.encoding);
        let message = decode(&request.body, self.encoding, &Limits::default());
        let message = message.unwrap().into_owned();
        self.session_id = message.header.session_id.to_string();
        self.last = Some(message.clone());
        message
    }

    /// The header of the next message.
    #[must_use]
    pub fn header(&self) -> Header<'static> {
        Header::new(self.session_id.clone(), self.msg_id, DEVICE_ID, SERVER_URL)
    }

    /// The Status of the header of the device's last message: 200.
    #[must_use]
    pub fn heard(&self) -> Command<'static> {
        let last = self.last.as_ref().expect("the device said nothing");
        Command::Status(header_status(&last.header, StatusCode::OK))
    }

    /// The Status of everything in the last message of the device: 200.
    #[must_use]
    pub fn acknowledge(&self) -> Vec<Command<'static>> {
        let Some(last) = &self.last else {
            return Vec::new();
        };
        let commands = last
            .commands
            .iter()
            .filter(|command| !matches!(command, Command::Status(_) | Command::Results(_)));
        let msg_id = last.header.msg_id;
        let status = |command| Command::Status(command_status(msg_id, command, StatusCode::OK));
        [self.heard()]
            .into_iter()
            .chain(commands.map(status))
            .collect()
    }

    /// The next message: everything acknowledged, then these commands.
    pub fn write(
        &mut self,
        commands: impl IntoIterator<Item = Command<'static>>,
        is_final: bool,
    ) -> Vec<u8> {
        let header = self.header();
        let commands = self.acknowledge().into_iter().chain(commands);
        self.write_as(&header, commands, is_final)
    }

    /// The next message, with this header and nothing but these commands, which get their ids.
    pub fn write_as(
        &mut self,
        header: &Header<'_>,
        commands: impl IntoIterator<Item = Command<'static>>,
        is_final: bool,
    ) -> Vec<u8> {
        let mut body = Vec::new();
        let mut packer = Packer::new(header, self.encoding, usize::MAX, &mut body).unwrap();
        for mut command in commands {
            packer.require(&mut command).unwrap();
        }
        packer.finish(is_final);
        self.msg_id = header.msg_id + 1;
        body
    }
}

/// The statuses of a message without that of its header: what they answer, and the code.
#[must_use]
pub fn statuses(message: &Message<'_>) -> Vec<(String, u16)> {
    let of = |status: &Status<'_>| (status.cmd.to_string(), status.code.get());
    message
        .commands
        .iter()
        .filter_map(|command| match command {
            Command::Status(status) if status.cmd != Status::SYNC_HDR => Some(of(status)),
            _ => None,
        })
        .collect()
}

/// The Items of all Results of a message.
#[must_use]
pub fn results(message: &Message<'_>) -> Vec<Item<'static>> {
    let of = |results: &Results<'_>| results.clone().into_owned().items;
    message
        .commands
        .iter()
        .filter_map(|command| match command {
            Command::Results(results) => Some(of(results)),
            _ => None,
        })
        .flatten()
        .collect()
}

/// The Data of an Item as text; empty if there is none.
#[must_use]
pub fn data(item: &Item<'_>) -> String {
    let text = item.data.as_ref().map(|data| data.as_text().unwrap());
    text.unwrap_or_default().to_owned()
}

/// A message in a line: the names of its commands, a Status with what it answers and its code, and
/// `Final`.
#[must_use]
pub fn describe(message: &Message<'_>) -> String {
    let mut words: Vec<String> = message
        .commands
        .iter()
        .map(|command| match command {
            Command::Status(status) => format!("{}={}", status.cmd, status.code),
            Command::Alert(alert) => format!("Alert({})", alert.code.unwrap()),
            command => command.name().to_owned(),
        })
        .collect();
    if message.is_final {
        words.push("Final".into());
    }
    words.join(" ")
}

/// A message, indented, for golden files; octets that are no text as hexadecimal digits.
#[must_use]
pub fn pretty(body: &[u8], encoding: Encoding) -> String {
    let mut out = Vec::new();
    let mut reader = Reader::new(body, encoding, &omadm_markup::Limits::default()).unwrap();
    let mut writer = Writer::new(Encoding::Xml, &mut out).unwrap().pretty();
    while let Some(event) = reader.next_event().unwrap() {
        if let Event::Opaque(octets) = &event
            && str::from_utf8(octets).is_err()
        {
            writer.text(&format!("{octets:02X?}")).unwrap();
        } else {
            writer.event(&event).unwrap();
        }
    }
    writer.finish().unwrap();
    let mut text = String::from_utf8(out).unwrap();
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}
