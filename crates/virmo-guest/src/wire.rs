//! Messages between a host and a guest as SyncML. [DM-RepPro]

use std::borrow::Cow;

use omadm_core::{Correlator, Format, StatusCode};
use omadm_syncml::{
    Alert, CmdId, CmdRef, Command as Syncml, Data, Encoding, Exec, Header, Item, Location, Message,
    Meta, NodeCommand, Results, Status,
};
use omadm_tree::{NewNode, Uri};

use crate::{
    Answer, Command, Happening, Limits, MessageError, News, Outcome, Receipt, Reply, Request,
    Unencodable,
    value::{argument, described, new_node, value, with_argument, with_value},
};

/// The ends of a message, in its header.
const HOST: &str = "host";
const GUEST: &str = "guest";

/// The encoding a message is in: XML begins with `<` or white space, WBXML with neither.
#[must_use]
pub fn encoding_of(message: &[u8]) -> Encoding {
    match message.first() {
        Some(b'<' | b' ' | b'\t' | b'\r' | b'\n' | 0xef) => Encoding::Xml,
        _ => Encoding::Wbxml,
    }
}

impl Request {
    /// The message on the wire.
    ///
    /// # Errors
    ///
    /// [`Unencodable`]
    pub fn encode(&self, encoding: Encoding) -> Result<Vec<u8>, Unencodable> {
        let mut header = Header::new(self.session.as_str(), self.number, GUEST, HOST);
        header.meta = Meta::new().with_max_msg_size(self.max_reply as u64);
        let mut message = Message::new(header);
        let ids = || (1..).map_while(CmdId::new);
        for receipt in &self.received {
            let news = CmdId::new(receipt.news);
            let status = Status::new(receipt.reply, news, "Alert", StatusCode::OK);
            message.commands.push(Syncml::Status(status));
        }
        for (command, id) in self.commands.iter().zip(ids()) {
            let mut command = write_command(command, encoding);
            command.set_cmd_id(id);
            message.commands.push(command);
        }
        let after = ids().skip(self.commands.len());
        for (receipt, id) in message
            .commands
            .iter_mut()
            .zip(after)
            .take(self.received.len())
        {
            receipt.set_cmd_id(id);
        }
        finish(message, encoding)
    }

    /// Reads a message from the wire, in the encoding it [is in](encoding_of).
    ///
    /// # Errors
    ///
    /// [`MessageError`]
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, MessageError> {
        let message = omadm_syncml::decode(bytes, encoding_of(bytes), &limits.syncml())?;
        let header = message.header;
        let mut request = Self::new(header.session_id, header.msg_id, Vec::new());
        if let Some(max) = header.meta.max_msg_size {
            request.max_reply = usize::try_from(max).unwrap_or(usize::MAX);
        }
        for (index, command) in message.commands.iter().enumerate() {
            if let Syncml::Status(status) = command {
                if let CmdRef::Command(news) = status.cmd_ref {
                    request.received.push(Receipt {
                        reply: status.msg_ref,
                        news: news.get(),
                    });
                }
                continue;
            }
            let command = read_command(command).ok_or(MessageError::Command(index))?;
            request.commands.push(command);
        }
        Ok(request)
    }
}

impl Reply {
    /// The message on the wire, as the answer to `request`.
    ///
    /// # Errors
    ///
    /// [`Unencodable`]
    pub fn encode(&self, request: &Request, encoding: Encoding) -> Result<Vec<u8>, Unencodable> {
        let header = Header::new(self.session.as_str(), self.number, HOST, GUEST);
        let mut message = Message::new(header);
        // News keep their numbers, so the rest is numbered after them.
        let last = self.news.iter().map(|news| news.number).max();
        let mut ids = (last.unwrap_or(0).saturating_add(1)..).map_while(CmdId::new);
        let refs = (1..).map_while(CmdId::new);
        for ((answer, command), cmd_ref) in self.answers.iter().zip(&request.commands).zip(refs) {
            let status = Status::new(self.number, cmd_ref, command.name(), answer.status);
            let status = match &answer.outcome {
                Outcome::User(user) => status.with_answer(user),
                Outcome::Items(items) => {
                    let items = items
                        .iter()
                        .map(|text| Item::new().with_data(text.as_str()));
                    status.with_items(items.collect::<Vec<_>>())
                }
                Outcome::None | Outcome::Value(_) | Outcome::Children(_) => status,
            };
            message.commands.push(Syncml::Status(status));
            let item = match (&answer.outcome, command) {
                (Outcome::Value(value), Command::Get { uri }) => {
                    with_value(Item::new().with_source(location(uri)), value, encoding)
                }
                (Outcome::Children(names), Command::Get { uri }) => Item::new()
                    .with_source(location(uri))
                    .with_meta(Meta::new().with_format(Format::Node))
                    .with_data(names.join("/")),
                _ => continue,
            };
            let results = Results::new(self.number, cmd_ref, [item]);
            message.commands.push(Syncml::Results(results));
        }
        for command in &mut message.commands {
            if let Some(id) = ids.next() {
                command.set_cmd_id(id);
            }
        }
        for news in &self.news {
            let mut command = write_happening(&news.what, encoding);
            if let Some(id) = CmdId::new(news.number) {
                command.set_cmd_id(id);
            }
            message.commands.push(command);
        }
        finish(message, encoding)
    }

    /// Reads the reply to `request` from the wire.
    ///
    /// # Errors
    ///
    /// [`MessageError`]
    pub fn decode(bytes: &[u8], request: &Request, limits: &Limits) -> Result<Self, MessageError> {
        if bytes.is_empty() {
            return Err(MessageError::NotUnderstood);
        }
        let message = omadm_syncml::decode(bytes, encoding_of(bytes), &limits.syncml())?;
        let header = &message.header;
        if header.session_id != request.session || header.msg_id != request.number {
            return Err(MessageError::WrongRequest);
        }
        let mut reply = Self::to(request);
        let mut answers = vec![None; request.commands.len()];
        let mut results = vec![None; request.commands.len()];
        let place = |msg_ref: Option<u32>, cmd_ref: CmdRef| match cmd_ref {
            CmdRef::Command(id) if msg_ref.is_none_or(|msg| msg == request.number) => {
                usize::try_from(id.get()).ok()?.checked_sub(1)
            }
            _ => None,
        };
        for (index, command) in message.commands.iter().enumerate() {
            match command {
                Syncml::Status(status) if status.cmd_ref == CmdRef::Header => {}
                Syncml::Status(status) => {
                    let place = place(Some(status.msg_ref), status.cmd_ref);
                    let answer = place.and_then(|place| answers.get_mut(place));
                    *answer.ok_or(MessageError::WrongReference)? = Some(status);
                }
                Syncml::Results(found) => {
                    let place = place(found.msg_ref, found.cmd_ref);
                    let result = place.and_then(|place| results.get_mut(place));
                    *result.ok_or(MessageError::WrongReference)? = Some(found);
                }
                command => {
                    let news = read_news(command).ok_or(MessageError::Command(index))?;
                    reply.news.push(news);
                }
            }
        }
        let commands = request.commands.iter().enumerate();
        for ((index, command), (status, results)) in commands.zip(answers.iter().zip(&results)) {
            let answer = status.and_then(|status| read_answer(command, status, *results));
            reply
                .answers
                .push(answer.ok_or(MessageError::Unanswered(index))?);
        }
        Ok(reply)
    }
}

fn finish(mut message: Message<'_>, encoding: Encoding) -> Result<Vec<u8>, Unencodable> {
    message.is_final = true;
    let mut out = Vec::new();
    omadm_syncml::encode(&message, encoding, &mut out)?;
    Ok(out)
}

fn location(uri: &Uri) -> Location<'static> {
    Location::new(uri.to_string())
}

fn write_command(command: &Command, encoding: Encoding) -> Syncml<'_> {
    let at = |uri: &Uri| Item::new().with_target(location(uri));
    match command {
        Command::Add { uri, node } => {
            let item = match node {
                NewNode::Interior { node_type } => {
                    at(uri).with_meta(interior(node_type.as_deref()))
                }
                NewNode::Leaf(value) => with_value(at(uri), value, encoding),
            };
            Syncml::Add(NodeCommand::new([item]))
        }
        Command::Replace { uri, value } => {
            Syncml::Replace(NodeCommand::new([with_value(at(uri), value, encoding)]))
        }
        Command::Delete { uri } => Syncml::Delete(NodeCommand::new([at(uri)])),
        Command::Copy { from, to } => {
            Syncml::Copy(NodeCommand::new([at(to).with_source(location(from))]))
        }
        Command::Get { uri } => Syncml::Get(NodeCommand::new([at(uri)])),
        Command::Exec {
            uri,
            argument,
            correlator,
        } => {
            let item = match argument {
                Some(argument) => with_argument(at(uri), argument, encoding),
                None => at(uri),
            };
            let mut exec = Exec::new([item]);
            exec.correlator = correlator.as_ref().map(|it| it.as_str().into());
            Syncml::Exec(exec)
        }
        Command::Ask(interaction) => Syncml::Alert(Alert::from_interaction(interaction)),
    }
}

fn interior(node_type: Option<&str>) -> Meta<'_> {
    described(Format::Node, node_type.unwrap_or_default(), Encoding::Xml)
}

fn write_happening(what: &Happening, encoding: Encoding) -> Syncml<'_> {
    let at = |uri: &Uri| Item::new().with_target(location(uri));
    match what {
        Happening::Alert(alert) => Syncml::Alert(Alert::from_generic(alert)),
        Happening::Changed { uri, value } => {
            Syncml::Replace(NodeCommand::new([with_value(at(uri), value, encoding)]))
        }
        Happening::Appeared { uri, node_type } => {
            let item = at(uri).with_meta(interior(node_type.as_deref()));
            Syncml::Add(NodeCommand::new([item]))
        }
        Happening::Vanished { uri } => Syncml::Delete(NodeCommand::new([at(uri)])),
    }
}

fn read_command(command: &Syncml<'_>) -> Option<Command> {
    if let Syncml::Alert(alert) = command {
        return alert.user_interaction().ok().map(Command::Ask);
    }
    let [item] = command.items() else { return None };
    let uri = address(item.target.as_ref())?;
    let meta = item.meta.inherit(command.meta()?);
    Some(match command {
        Syncml::Add(_) => Command::Add {
            uri,
            node: new_node(item, &meta)?,
        },
        Syncml::Replace(_) => Command::Replace {
            uri,
            value: value(item, &meta)?,
        },
        Syncml::Delete(_) => Command::Delete { uri },
        Syncml::Copy(_) => Command::Copy {
            from: address(item.source.as_ref())?,
            to: uri,
        },
        Syncml::Get(_) => Command::Get { uri },
        Syncml::Exec(exec) => Command::Exec {
            uri,
            argument: match &item.data {
                Some(_) => Some(argument(item, &meta)?.into_owned()),
                None => None,
            },
            correlator: exec.correlator.as_deref().map(Correlator::new),
        },
        _ => return None,
    })
}

fn read_news(command: &Syncml<'_>) -> Option<News> {
    let number = command.cmd_id()?.get();
    if let Syncml::Alert(alert) = command {
        let mut alerts = alert.generic_alerts().ok()?.into_iter();
        return match (alerts.next(), alerts.next()) {
            (Some(alert), None) => Some(News::new(number, Happening::Alert(alert))),
            _ => None,
        };
    }
    let what = match read_command(command)? {
        Command::Add {
            uri,
            node: NewNode::Interior { node_type },
        } => Happening::Appeared { uri, node_type },
        Command::Add {
            uri,
            node: NewNode::Leaf(value),
        }
        | Command::Replace { uri, value } => Happening::Changed { uri, value },
        Command::Delete { uri } => Happening::Vanished { uri },
        _ => return None,
    };
    Some(News::new(number, what))
}

fn read_answer(
    command: &Command,
    status: &Status<'_>,
    results: Option<&Results<'_>>,
) -> Option<Answer> {
    let code = status.code;
    if let Command::Ask(asked) = command {
        let user = status.answer(&asked.interaction);
        // Anything else is a failure of the guest, and no answer of a person.
        return Some(user.map_or_else(|| code.into(), Answer::from));
    }
    if matches!(command, Command::Get { .. }) && code.is_success() {
        let results = results?;
        let [item] = results.items.as_slice() else {
            return None;
        };
        let meta = item.meta.inherit(&results.meta);
        let outcome = if meta.format() == Ok(Format::Node) {
            let names = item.data.as_ref().map_or(Some(""), Data::as_text)?;
            let names = names.split('/').filter(|name| !name.is_empty());
            Outcome::Children(names.map(str::to_owned).collect())
        } else {
            Outcome::Value(value(item, &meta)?)
        };
        return Some(Answer::new(code, outcome));
    }
    if status.items.is_empty() {
        return Some(code.into());
    }
    let text = |item: &Item<'_>| item.data.as_ref()?.to_text().map(Cow::into_owned);
    let items: Option<Vec<_>> = status.items.iter().map(text).collect();
    Some(Answer::new(code, Outcome::Items(items?)))
}

fn address(location: Option<&Location<'_>>) -> Option<Uri> {
    // A folder's address may end with its slash; so that of the root is written most often.
    let text = location?.uri.as_ref();
    Uri::parse(if text == "./" { "." } else { text }).ok()
}
