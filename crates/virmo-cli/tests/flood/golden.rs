//! What the floods are made from: every message among the golden files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::mutate::Rng;
use virmo::dm::syncml::{
    Command, Encoding, Header, Limits, Location, Message, Status, decode, encode,
};

/// The golden messages in one encoding.
pub struct Golden {
    pub encoding: Encoding,
    /// Those that are messages, to be given another header.
    pub messages: Vec<Message<'static>>,
    /// All of them as octets, those that are not messages too.
    pub octets: Vec<Vec<u8>>,
}

impl Golden {
    pub fn read(encoding: Encoding) -> Self {
        let mut octets = Vec::new();
        for path in files() {
            let content = fs::read(&path).unwrap();
            match (path.extension().and_then(|it| it.to_str()), encoding) {
                (Some("xml"), Encoding::Xml) => octets.extend(documents(&content)),
                (Some("xml"), Encoding::Wbxml) => octets.extend(
                    documents(&content)
                        .iter()
                        .filter_map(|xml| Some(wbxml(&message(xml, Encoding::Xml)?))),
                ),
                (Some("hex"), Encoding::Wbxml) => octets.push(unhex(&content)),
                _ => {}
            }
        }
        let messages: Vec<_> = octets
            .iter()
            .filter_map(|octets| message(octets, encoding))
            .collect();
        assert!(messages.len() > 30, "{}", messages.len());
        assert!(octets.len() > messages.len());
        Self {
            encoding,
            messages,
            octets,
        }
    }

    pub fn encode(&self, message: &Message<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        encode(message, self.encoding, &mut out).unwrap();
        out
    }
}

fn message(octets: &[u8], encoding: Encoding) -> Option<Message<'static>> {
    let message = decode(octets, encoding, &Limits::lenient()).ok()?;
    Some(message.into_owned())
}

fn wbxml(message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode(message, Encoding::Wbxml, &mut out).unwrap();
    out
}

/// A message of one end to the other in place of a golden one: the same commands, the header of
/// the session. It does not send the other end elsewhere.
pub fn readdressed(
    golden: &Message<'static>,
    session: &str,
    msg_id: u32,
    [target, source]: [&str; 2],
) -> Message<'static> {
    let mut message = golden.clone();
    let header = &mut message.header;
    header.session_id = session.to_owned().into();
    header.msg_id = msg_id;
    header.target = Location::new(target.to_owned());
    header.source = Location::new(source.to_owned());
    header.resp_uri = None;
    message
}

/// A message whose commands are not those the golden one has: some twice, some of another message,
/// some gone, in another order.
pub fn shuffled(rng: &mut Rng, message: &mut Message<'static>, others: &[Message<'static>]) {
    for _ in 0..=rng.below(4) {
        let commands = &mut message.commands;
        let at = rng.below(commands.len());
        match rng.below(4) {
            0 if commands.len() > 1 => drop(commands.remove(at)),
            1 if commands.len() > 1 => commands.swap(0, at),
            2 if !commands.is_empty() => commands.push(commands[at].clone()),
            _ => commands.extend_from_slice(&rng.pick(others).commands),
        }
    }
    message.is_final ^= rng.one_in(10);
}

/// The same with a good Status of the header it answers in front, where it has none.
pub fn answering(mut message: Message<'static>, last: &Header<'_>) -> Message<'static> {
    let status = virmo::dm::session::header_status(last, virmo::dm::core::StatusCode::OK);
    let has_one =
        |it: &Command<'_>| matches!(it, Command::Status(it) if it.cmd == Status::SYNC_HDR);
    message.commands.retain(|command| !has_one(command));
    message
        .commands
        .insert(0, Command::Status(status.into_owned()));
    message
}

fn files() -> Vec<PathBuf> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for name in [
        "omadm-client",
        "omadm-markup",
        "omadm-syncml",
        "omadm-testkit",
        "omadm-mo",
    ] {
        collect(&crates.join(name).join("tests/golden"), &mut found);
    }
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(&path, found),
            false => found.push(path),
        }
    }
}

/// The messages in a file: transcripts have several; what has none is one by itself.
fn documents(content: &[u8]) -> Vec<Vec<u8>> {
    let Ok(text) = str::from_utf8(content) else {
        return vec![content.to_vec()];
    };
    let (mut rest, mut found) = (text, Vec::new());
    while let Some((before, after)) = rest.split_once("</SyncML>") {
        let start = before.find("<SyncML").unwrap_or(0);
        found.push(format!("{}</SyncML>", &before[start..]).into_bytes());
        rest = after;
    }
    match found.len() {
        0 | 1 => vec![content.to_vec()],
        _ => found,
    }
}

fn unhex(content: &[u8]) -> Vec<u8> {
    let text = str::from_utf8(content).unwrap();
    let lines = text.lines().flat_map(|line| line.split('#').next());
    lines
        .flat_map(str::split_whitespace)
        .map(|octet| u8::from_str_radix(octet, 16).unwrap())
        .collect()
}
