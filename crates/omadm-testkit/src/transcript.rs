use std::collections::BTreeSet;

use omadm_core::AlertCode;
use omadm_session::{ASSUMED_MESSAGE_SIZE, data_size};
use omadm_syncml::{
    CmdId, CmdRef, Command, Encoding, Item, Limits, Message, OutputEncoding, decode, encode,
};

/// What both ends said, in order; and whether it keeps to the rules of [DM-Protocol] on messages,
/// packages and large objects.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    messages: Vec<Said>,
}

#[derive(Clone, Debug)]
struct Said {
    by_device: bool,
    body: Vec<u8>,
    encoding: Encoding,
}

/// One end while its messages are followed.
#[derive(Debug, Default)]
struct End {
    msg_id: u32,
    /// What the other end takes.
    limit: Option<u64>,
    max_object: Option<u64>,
    /// The commands of the other end it has not answered.
    owes: BTreeSet<(u32, CmdId)>,
    /// The commands of its own, of which some are answered.
    sent: BTreeSet<(u32, CmdId)>,
    open: Option<Open>,
    /// Its package is complete, so that the next one is the other end's.
    done: bool,
}

/// A large object of which chunks are to come.
#[derive(Debug)]
struct Open {
    command: Command<'static>,
    /// What its first message had to hold besides.
    message: Message<'static>,
    id: (u32, CmdId),
    octets: Vec<u8>,
}

impl Transcript {
    /// Notes a message; one that its sender repeats counts once.
    pub fn note(&mut self, by_device: bool, body: &[u8], encoding: Encoding) {
        let before = self.messages.iter().rev();
        if before
            .take(2)
            .any(|said| said.by_device == by_device && said.body == body)
        {
            return;
        }
        self.messages.push(Said {
            by_device,
            body: body.to_vec(),
            encoding,
        });
    }

    /// How many messages were noted.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.messages.len()
    }

    /// The messages, and which of them are the device's.
    #[must_use]
    pub fn messages(&self) -> Vec<(bool, Message<'static>)> {
        let messages = self.messages.iter();
        messages
            .map(|said| (said.by_device, said.message()))
            .collect()
    }

    /// Whether nothing was said.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Each message in a line: who says it, then as [`describe`](crate::describe), chunks by their
    /// length.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let line = |said: &Said| {
            let message = said.message();
            let chunks = message
                .commands
                .iter()
                .filter(|command| more(command))
                .map(|command| format!(" +{}", data_len(command)));
            let chunks: String = chunks.collect();
            let who = if said.by_device { '>' } else { '<' };
            format!("{who} {}{chunks}", crate::describe(&message))
        };
        self.messages.iter().map(line).collect()
    }

    /// The messages, indented, for golden files.
    #[must_use]
    pub fn pretty(&self) -> String {
        let one = |said: &Said| {
            let who = if said.by_device { "device" } else { "server" };
            let body = crate::pretty(&said.body, said.encoding);
            format!("<!-- {who} -->\n{body}")
        };
        self.messages.iter().map(one).collect()
    }

    /// Checks everything.
    ///
    /// # Panics
    ///
    /// With the rule that is broken first.
    pub fn check(&self) {
        let (mut device, mut server) = (End::default(), End::default());
        for said in &self.messages {
            let message = said.message();
            if said.by_device && message.header.msg_id == 1 {
                (device, server) = (End::default(), End::default());
                server.done = true;
            }
            let (own, peer) = if said.by_device {
                (&mut device, &mut server)
            } else {
                (&mut server, &mut device)
            };
            if let Err(rule) = follow(own, peer, said, &message) {
                panic!(
                    "{rule}\nin {}\nof {:#?}",
                    crate::describe(&message),
                    self.lines()
                );
            }
        }
    }
}

impl Said {
    fn message(&self) -> Message<'static> {
        let limits = Limits::default();
        let message = decode(&self.body, self.encoding, &limits).expect("a message that decodes");
        message.into_owned()
    }
}

type Rule = Result<(), String>;

fn rule(holds: bool, text: &str) -> Rule {
    if holds { Ok(()) } else { Err(text.to_owned()) }
}

fn follow(own: &mut End, peer: &mut End, said: &Said, message: &Message<'static>) -> Rule {
    let msg_id = message.header.msg_id;
    rule(msg_id == own.msg_id + 1, "MsgID counts on")?;
    own.msg_id = msg_id;
    let limit = own.limit.unwrap_or(ASSUMED_MESSAGE_SIZE.into());
    rule(
        said.body.len() as u64 <= limit,
        "no message exceeds MaxMsgSize",
    )?;
    let meta = &message.header.meta;
    peer.limit = meta.max_msg_size.or(peer.limit);
    peer.max_object = meta.max_obj_size.or(peer.max_object);
    identified(message)?;
    statuses(own, peer, message)?;
    packages(peer, said.by_device, message)?;
    objects(own, peer, said, message)?;
    for command in message.commands.iter().flat_map(Command::flatten) {
        let id = command.cmd_id().map(|id| (msg_id, id));
        if let Some(id) = id.filter(|_| !matches!(command, Command::Status(_))) {
            own.sent.insert(id);
            if !matches!(command, Command::Results(_)) {
                peer.owes.insert(id);
            }
        }
    }
    if message.is_final {
        (own.done, peer.done) = (true, false);
    }
    Ok(())
}

/// CmdIDs count in document order.
fn identified(message: &Message<'_>) -> Rule {
    let ids = message.commands.iter().flat_map(Command::flatten);
    let ids: Vec<_> = ids
        .map(|command| command.cmd_id().map(CmdId::get))
        .collect();
    let counted: Vec<_> = (1..).take(ids.len()).map(Some).collect();
    rule(ids == counted, "CmdIDs count in document order")
}

/// The Status of the header is the first, each other one answers a command.
fn statuses(own: &mut End, peer: &End, message: &Message<'_>) -> Rule {
    let first = message.commands.first();
    let header = matches!(first, Some(Command::Status(status))
        if status.cmd_ref == CmdRef::Header && status.msg_ref == peer.msg_id);
    rule(
        header || peer.msg_id == 0,
        "the Status of the last header comes first",
    )?;
    for command in &message.commands {
        let Command::Status(status) = command else {
            continue;
        };
        if let CmdRef::Command(id) = status.cmd_ref {
            let id = (status.msg_ref, id);
            rule(peer.sent.contains(&id), "a Status is about a command")?;
            own.owes.remove(&id);
        }
    }
    rule(
        own.owes.is_empty() || !message.is_final,
        "with Final every command has its Status",
    )
}

/// Final, Alert 1222, and who may say what.
fn packages(peer: &End, by_device: bool, message: &Message<'_>) -> Rule {
    let alert = |code| {
        message
            .commands
            .iter()
            .any(|command| matches!(command, Command::Alert(alert) if alert.code == Some(code)))
    };
    let next = alert(AlertCode::NEXT_MESSAGE);
    if alert(AlertCode::SESSION_ABORT) {
        return rule(message.is_final, "an abort has Final");
    }
    let says_something = message
        .commands
        .iter()
        .any(|command| !matches!(command, Command::Status(_)) && !is_protocol(command));
    if by_device && !peer.done {
        rule(
            !message.is_final,
            "the device ends its package after the server its own",
        )?;
        rule(
            next || says_something,
            "a device without anything to say asks for the next message",
        )?;
    } else if !by_device && !peer.done {
        rule(next, "a server that collects asks for the next message")?;
        rule(!message.is_final, "a server that collects sends no Final")?;
        rule(!says_something, "a server that collects sends no commands")?;
    } else if !by_device && says_something {
        rule(
            message.is_final || message.commands.iter().any(more),
            "a server sends Final unless an object is incomplete",
        )?;
    }
    rule(!next || !message.is_final, "no Final with Alert 1222")
}

/// Large objects.
fn objects(own: &mut End, peer: &mut End, said: &Said, message: &Message<'static>) -> Rule {
    // What the peer may have said about the object of this end was looked at already; now this end
    // speaks about that of the peer.
    if let Some(open) = &peer.open {
        let mut stops = false;
        let mut accepts = false;
        for command in &message.commands {
            match command {
                Command::Status(status)
                    if (status.msg_ref, status.cmd_ref) == (open.id.0, open.id.1.into()) =>
                {
                    accepts |= status.code.get() == 213;
                    stops |= !status.code.is_success();
                }
                Command::Alert(alert) => {
                    accepts |= alert.code == Some(AlertCode::NEXT_MESSAGE);
                    stops |= alert.code == Some(AlertCode::NO_END_OF_DATA);
                }
                _ => {}
            }
        }
        rule(accepts || stops, "a chunk is acknowledged at once")?;
        if stops {
            peer.open = None;
        }
    }
    let mut contents = message
        .commands
        .iter()
        .filter(|command| !matches!(command, Command::Status(_)) && !is_protocol(command));
    if let Some(open) = own.open.take() {
        let chunk = contents
            .next()
            .ok_or("chunks come in consecutive messages")?;
        go_on(own, open, chunk, said, message)?;
    }
    for command in contents {
        rule(
            own.open.is_none(),
            "nothing comes after an incomplete chunk",
        )?;
        for data in command.items().iter().filter_map(|item| item.data.as_ref()) {
            let size = data_size(data);
            rule(
                own.max_object.is_none_or(|most| size <= most),
                "no object exceeds MaxObjSize",
            )?;
        }
        if more(command) {
            let id = command.cmd_id().map(|id| (message.header.msg_id, id));
            let mut frame = message.clone();
            frame
                .commands
                .retain(|other| matches!(other, Command::Status(_)) || is_protocol(other));
            // The Status of the header, and of the 1222 before it.
            let mut kept = 0;
            frame.commands.retain(|other| {
                kept += usize::from(matches!(other, Command::Status(_)));
                kept <= 2 || is_protocol(other)
            });
            let mut bare = command.clone();
            let item = last_mut(&mut bare);
            item.data = None;
            item.more_data = false;
            let open = Open {
                id: id.ok_or("a chunk has an id")?,
                octets: Vec::new(),
                message: frame,
                command: bare,
            };
            go_on(own, open, command, said, message)?;
        }
    }
    rule(
        own.open.is_none() || !message.is_final,
        "no Final while an object is incomplete",
    )
}

/// Takes in one chunk.
fn go_on(
    own: &mut End,
    mut open: Open,
    chunk: &Command<'static>,
    said: &Said,
    message: &Message<'_>,
) -> Rule {
    let is_first = open.octets.is_empty() && open.id.0 == message.header.msg_id;
    let (known, item) = (last(&open.command), last(chunk));
    let same = chunk.name() == open.command.name()
        && (&item.target, &item.source) == (&known.target, &known.source);
    rule(same, "the chunks of an object name the same place")?;
    rule(
        item.meta.size.is_some() == is_first,
        "the first chunk alone has a Size",
    )?;
    open.octets.extend(match &item.data {
        Some(data) => match data {
            omadm_syncml::Data::Opaque(octets) => octets.to_vec(),
            other => other.to_text().unwrap_or_default().as_bytes().to_vec(),
        },
        None => Vec::new(),
    });
    if let Some(id) = chunk.cmd_id() {
        open.id = (message.header.msg_id, id);
    }
    if item.more_data {
        own.open = Some(open);
        return Ok(());
    }
    let size = known.meta.size;
    rule(
        size == Some(open.octets.len() as u64),
        "the Size is that of the whole",
    )?;
    rule(
        own.max_object
            .is_none_or(|most| open.octets.len() as u64 <= most),
        "no object exceeds MaxObjSize",
    )?;
    let whole = last_mut(&mut open.command);
    whole.meta.size = None;
    whole.data = Some(match String::from_utf8(open.octets) {
        Ok(text) if !matches!(item.data, Some(omadm_syncml::Data::Opaque(_))) => text.into(),
        Ok(text) => text.into_bytes().into(),
        Err(error) => error.into_bytes().into(),
    });
    open.message.is_final = !open.message.commands.iter().any(is_protocol);
    open.message.commands.push(open.command);
    let mut body = Vec::new();
    encode(
        &open.message,
        OutputEncoding::from(said.encoding),
        &mut body,
    )
    .map_err(|error| error.to_string())?;
    let limit = own.limit.unwrap_or(ASSUMED_MESSAGE_SIZE.into());
    // The room for an Alert 1222 is kept before its CmdID is known.
    rule(
        body.len() as u64 + 16 > limit,
        "an object that fits a message comes in one piece",
    )
}

fn is_protocol(command: &Command<'_>) -> bool {
    matches!(command, Command::Alert(alert)
        if matches!(alert.code,
            Some(AlertCode::NEXT_MESSAGE | AlertCode::SESSION_ABORT | AlertCode::NO_END_OF_DATA)))
}

fn more(command: &Command<'_>) -> bool {
    command.items().last().is_some_and(|item| item.more_data)
}

fn data_len(command: &Command<'_>) -> u64 {
    let data = command.items().last().and_then(|item| item.data.as_ref());
    data.map_or(0, data_size)
}

fn last<'c>(command: &'c Command<'static>) -> &'c Item<'static> {
    command.items().last().expect("a chunk has an Item")
}

fn last_mut<'c>(command: &'c mut Command<'static>) -> &'c mut Item<'static> {
    let items = command.items_mut().expect("a chunk has Items");
    items.last_mut().expect("a chunk has an Item")
}
