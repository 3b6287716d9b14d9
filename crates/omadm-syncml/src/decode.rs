use std::borrow::Cow;

use omadm_core::{AlertCode, StatusCode};
use omadm_markup::{
    Content, Encoding, Event, Name, Namespace, Reader, Tag, Vocabulary, metinf, syncml,
};

use crate::{
    Alert, Chal, CmdId, CmdRef, Command, Cred, Data, DecodeError, DecodeErrorKind, Exec, Group,
    Header, Item, Limits, Location, Message, Meta, NodeCommand, Refs, Results, Status, Unsupported,
};

type Result<T> = core::result::Result<T, DecodeError>;

/// Decodes a whole message, borrowing from `bytes` wherever it can.
///
/// Elements may come in any order; one that may be there once only must not come twice. An element
/// that is not known is skipped with all that is in it, but for one in the place of a command: that
/// is kept as [`Command::Unsupported`]. White space around numbers, words and types is left out;
/// that in `Data` is kept to the last blank. [`Limits::refuse_unknown`] makes an error of what is
/// skipped.
///
/// # Errors
///
/// [`DecodeError`] with the kind and the byte offset of the first fault.
pub fn decode<'a>(bytes: &'a [u8], encoding: Encoding, limits: &Limits) -> Result<Message<'a>> {
    let mut decoder = Decoder::new(bytes, encoding, limits)?;
    decoder.root(|name| name == Name::Known(syncml::SYNC_ML))?;
    let message = decoder.message()?;
    decoder.end()?;
    Ok(message)
}

/// Decodes a document that is one command, such as the `<Alert>` a node holds; with or without the
/// SyncML namespace.
///
/// # Errors
///
/// [`DecodeError`] with the kind and the byte offset of the first fault.
pub fn decode_command<'a>(
    bytes: &'a [u8],
    encoding: Encoding,
    limits: &Limits,
) -> Result<Command<'a>> {
    let mut decoder = Decoder::new(bytes, encoding, limits)?;
    let name = decoder.root(|name| name.namespace() == Namespace::Known(Vocabulary::SyncMl))?;
    let command = decoder.command(name)?;
    decoder.end()?;
    Ok(command)
}

/// Reads elements whose start tag has just been read, each to its end.
struct Decoder<'a, 'l> {
    reader: Reader<'a>,
    limits: &'l Limits,
    commands: usize,
    items: usize,
}

impl<'a, 'l> Decoder<'a, 'l> {
    fn new(bytes: &'a [u8], encoding: Encoding, limits: &'l Limits) -> Result<Self> {
        Ok(Self {
            reader: Reader::new(bytes, encoding, &limits.markup)?,
            limits,
            commands: 0,
            items: 0,
        })
    }

    fn root(&mut self, expected: impl Fn(Name<'a>) -> bool) -> Result<Name<'a>> {
        match self.reader.next_event()? {
            Some(Event::Start(name)) if expected(name) => Ok(name),
            _ => self.fail(DecodeErrorKind::NotSyncMl),
        }
    }

    fn end(&mut self) -> Result<()> {
        while self.reader.next_event()?.is_some() {}
        Ok(())
    }

    fn message(&mut self) -> Result<Message<'a>> {
        let at = self.reader.offset();
        let (mut header, mut body) = (None, None);
        let mut seen = Seen::default();
        while let Some(tag) = self.child(&mut seen)? {
            match tag {
                syncml::SYNC_HDR => header = Some(self.header()?),
                syncml::SYNC_BODY => body = Some(self.body()?),
                _ => self.skip()?,
            }
        }
        let (commands, is_final) = required(body, syncml::SYNC_BODY, at)?;
        let mut message = Message::new(required(header, syncml::SYNC_HDR, at)?);
        message.commands = commands;
        message.is_final = is_final;
        Ok(message)
    }

    fn header(&mut self) -> Result<Header<'a>> {
        let at = self.reader.offset();
        let (mut ver_dtd, mut ver_proto) = (None, None);
        let (mut session_id, mut msg_id) = (None, None);
        let (mut target, mut source) = (None, None);
        let (mut resp_uri, mut no_resp, mut cred) = (None, false, None);
        let mut meta = Meta::new();
        let mut seen = Seen::default();
        while let Some(tag) = self.child(&mut seen)? {
            match tag {
                syncml::VER_DTD => ver_dtd = Some(self.word()?),
                syncml::VER_PROTO => ver_proto = Some(self.word()?),
                syncml::SESSION_ID => session_id = Some(self.text()?),
                syncml::MSG_ID => msg_id = Some(self.number(tag)?),
                syncml::TARGET => target = Some(self.location()?),
                syncml::SOURCE => source = Some(self.location()?),
                syncml::RESP_URI => resp_uri = Some(self.word()?),
                syncml::NO_RESP => no_resp = self.flag()?,
                syncml::CRED => cred = Some(self.cred()?),
                syncml::META => self.meta(&mut meta)?,
                _ => self.skip()?,
            }
        }
        let mut header = Header::new(
            required(session_id, syncml::SESSION_ID, at)?,
            required(msg_id, syncml::MSG_ID, at)?,
            required(target, syncml::TARGET, at)?,
            required(source, syncml::SOURCE, at)?,
        );
        header.ver_dtd = required(ver_dtd, syncml::VER_DTD, at)?;
        header.ver_proto = required(ver_proto, syncml::VER_PROTO, at)?;
        header.resp_uri = resp_uri;
        header.no_resp = no_resp;
        header.cred = cred;
        header.meta = meta;
        Ok(header)
    }

    fn body(&mut self) -> Result<(Vec<Command<'a>>, bool)> {
        let mut commands = Vec::new();
        let mut is_final = false;
        while let Some(name) = self.reader.child()? {
            if name == Name::Known(syncml::FINAL) {
                if is_final {
                    return self.duplicate(syncml::FINAL);
                }
                is_final = self.flag()?;
            } else {
                commands.push(self.command(name)?);
            }
        }
        Ok((commands, is_final))
    }

    fn command(&mut self, name: Name<'a>) -> Result<Command<'a>> {
        match name {
            Name::Known(tag @ (syncml::ATOMIC | syncml::SEQUENCE)) => self.group(tag),
            name => self.single(name),
        }
    }

    /// A group, with the groups in it on a stack of its own.
    fn group(&mut self, tag: Tag) -> Result<Command<'a>> {
        let mut open = vec![self.open_group(tag, 1)?];
        loop {
            let depth = open.len();
            let Some(innermost) = open.last_mut() else {
                // The stack is left when its last element is taken from it.
                return self.fail(DecodeErrorKind::NotSyncMl);
            };
            let Some(name) = self.reader.child()? else {
                let Some(closed) = open.pop() else {
                    return self.fail(DecodeErrorKind::NotSyncMl);
                };
                let command = match closed.tag {
                    syncml::ATOMIC => Command::Atomic(closed.group),
                    _ => Command::Sequence(closed.group),
                };
                match open.last_mut() {
                    Some(outer) => outer.group.commands.push(command),
                    None => return Ok(command),
                }
                continue;
            };
            match name {
                Name::Known(tag @ (syncml::CMD_ID | syncml::NO_RESP | syncml::META)) => {
                    if innermost.seen.insert(tag) {
                        return self.duplicate(tag);
                    }
                    match tag {
                        syncml::CMD_ID => innermost.group.cmd_id = self.cmd_id()?,
                        syncml::NO_RESP => innermost.group.no_resp = self.flag()?,
                        _ => self.meta(&mut innermost.group.meta)?,
                    }
                }
                Name::Known(tag @ (syncml::ATOMIC | syncml::SEQUENCE)) => {
                    open.push(self.open_group(tag, depth + 1)?);
                }
                name => innermost.group.commands.push(self.single(name)?),
            }
        }
    }

    fn open_group(&mut self, tag: Tag, depth: usize) -> Result<OpenGroup<'a>> {
        self.count_command()?;
        if depth > self.limits.max_nesting {
            return self.fail(DecodeErrorKind::NestedTooDeep);
        }
        Ok(OpenGroup {
            tag,
            group: Group::default(),
            seen: Seen::default(),
        })
    }

    /// A command that is no group.
    fn single(&mut self, name: Name<'a>) -> Result<Command<'a>> {
        self.count_command()?;
        match name {
            Name::Known(syncml::ADD) => self.node_command().map(Command::Add),
            Name::Known(syncml::ALERT) => self.alert().map(Command::Alert),
            Name::Known(syncml::COPY) => self.node_command().map(Command::Copy),
            Name::Known(syncml::DELETE) => self.node_command().map(Command::Delete),
            Name::Known(syncml::EXEC) => self.exec().map(Command::Exec),
            Name::Known(syncml::GET) => self.node_command().map(Command::Get),
            Name::Known(syncml::REPLACE) => self.node_command().map(Command::Replace),
            Name::Known(syncml::RESULTS) => self.results().map(Command::Results),
            Name::Known(syncml::STATUS) => self.status().map(Command::Status),
            name => self.unsupported(name).map(Command::Unsupported),
        }
    }

    fn node_command(&mut self) -> Result<NodeCommand<'a>> {
        let mut command = NodeCommand::default();
        let mut seen = Seen::default();
        while let Some(tag) = self.child(&mut seen)? {
            match tag {
                syncml::CMD_ID => command.cmd_id = self.cmd_id()?,
                syncml::NO_RESP => command.no_resp = self.flag()?,
                syncml::META => self.meta(&mut command.meta)?,
                syncml::ITEM => self.item(&mut command.items)?,
                _ => self.skip()?,
            }
        }
        Ok(command)
    }

    fn exec(&mut self) -> Result<Exec<'a>> {
        let mut exec = Exec::default();
        let mut seen = Seen::default();
        while let Some(tag) = self.child(&mut seen)? {
            match tag {
                syncml::CMD_ID => exec.cmd_id = self.cmd_id()?,
                syncml::NO_RESP => exec.no_resp = self.flag()?,
                syncml::META => self.meta(&mut exec.meta)?,
                syncml::CORRELATOR => exec.correlator = Some(self.text()?),
                syncml::ITEM => self.item(&mut exec.items)?,
                _ => self.skip()?,
            }
        }
        Ok(exec)
    }

    fn alert(&mut self) -> Result<Alert<'a>> {
        let mut alert = Alert::default();
        let mut seen = Seen::default();
        while let Some(tag) = self.child(&mut seen)? {
            match tag {
                syncml::CMD_ID => alert.cmd_id = self.cmd_id()?,
                syncml::NO_RESP => alert.no_resp = self.flag()?,
                syncml::DATA => {
                    alert.code = self.lenient_number::<u16>(tag)?.map(AlertCode::from);
                }
                syncml::CORRELATOR => alert.correlator = Some(self.text()?),
                syncml::ITEM => self.item(&mut alert.items)?,
                _ => self.skip()?,
            }
        }
        Ok(alert)
    }

    fn status(&mut self) -> Result<Status<'a>> {
        let at = self.reader.offset();
        let (mut cmd_id, mut msg_ref, mut cmd_ref) = (None, None, CmdRef::Header);
        let (mut cmd, mut code, mut chal) = (None, None, None);
        let (mut target_refs, mut source_refs) = (Refs::new(), Refs::new());
        let mut items = Vec::new();
        let mut seen = Seen::default();
        while let Some(tag) = self.child(&mut seen)? {
            match tag {
                syncml::CMD_ID => cmd_id = self.cmd_id()?,
                syncml::MSG_REF => msg_ref = Some(self.number(tag)?),
                syncml::CMD_REF => cmd_ref = self.cmd_ref()?,
                syncml::CMD => cmd = Some(self.word()?),
                syncml::TARGET_REF => target_refs.push(self.text()?),
                syncml::SOURCE_REF => source_refs.push(self.text()?),
                syncml::CHAL => chal = Some(self.chal()?),
                syncml::DATA => code = Some(self.number::<u16>(tag)?),
                syncml::ITEM => self.item(&mut items)?,
                _ => self.skip()?,
            }
        }
        let mut status = Status::new(
            required(msg_ref, syncml::MSG_REF, at)?,
            cmd_ref,
            required(cmd, syncml::CMD, at)?,
            StatusCode::from(required(code, syncml::DATA, at)?),
        );
        status.cmd_id = cmd_id;
        status.target_refs = target_refs;
        status.source_refs = source_refs;
        status.chal = chal.map(Box::new);
        status.items = items;
        Ok(status)
    }

    fn results(&mut self) -> Result<Results<'a>> {
        let at = self.reader.offset();
        let (mut cmd_id, mut msg_ref, mut cmd_ref) = (None, None, None);
        let (mut target_ref, mut source_ref) = (None, None);
        let mut meta = Meta::new();
        let mut items = Vec::new();
        let mut seen = Seen::default();
        while let Some(tag) = self.child(&mut seen)? {
            match tag {
                syncml::CMD_ID => cmd_id = self.cmd_id()?,
                syncml::MSG_REF => msg_ref = Some(self.number(tag)?),
                syncml::CMD_REF => cmd_ref = Some(self.cmd_ref()?),
                syncml::META => self.meta(&mut meta)?,
                // Status may have several of these, Results one.
                syncml::TARGET_REF if target_ref.is_some() => return self.duplicate(tag),
                syncml::SOURCE_REF if source_ref.is_some() => return self.duplicate(tag),
                syncml::TARGET_REF => target_ref = Some(self.text()?),
                syncml::SOURCE_REF => source_ref = Some(self.text()?),
                syncml::ITEM => self.item(&mut items)?,
                _ => self.skip()?,
            }
        }
        Ok(Results {
            cmd_id,
            msg_ref,
            cmd_ref: required(cmd_ref, syncml::CMD_REF, at)?,
            meta,
            target_ref,
            source_ref,
            items,
        })
    }

    fn unsupported(&mut self, name: Name<'a>) -> Result<Unsupported<'a>> {
        if self.limits.refuse_unknown && name.tag().is_none() {
            return self.fail(DecodeErrorKind::UnknownElement);
        }
        let mut unsupported = Unsupported::new(name.as_str());
        loop {
            match self.reader.next_event()? {
                Some(Event::Start(Name::Known(syncml::CMD_ID))) => {
                    unsupported.cmd_id = unsupported.cmd_id.or(self.cmd_id()?);
                }
                Some(Event::Start(Name::Known(syncml::NO_RESP))) => {
                    unsupported.no_resp = self.flag()?;
                }
                Some(Event::Start(_)) => self.skip()?,
                Some(Event::End) | None => return Ok(unsupported),
                Some(Event::Text(text)) if text.trim_ascii().is_empty() => {}
                Some(Event::Attribute(..) | Event::Text(_) | Event::Opaque(_)) => {
                    if self.limits.refuse_unknown {
                        return self.fail(DecodeErrorKind::UnknownElement);
                    }
                }
            }
        }
    }

    /// An Item, where it is to be: it is too large to be handed on.
    fn item(&mut self, items: &mut Vec<Item<'a>>) -> Result<()> {
        self.items += 1;
        if self.items > self.limits.max_items {
            return self.fail(DecodeErrorKind::TooManyItems);
        }
        items.push(Item::new());
        let Some(item) = items.last_mut() else {
            return Ok(());
        };
        let mut seen = Seen::default();
        while let Some(tag) = self.child(&mut seen)? {
            match tag {
                syncml::TARGET => item.target = Some(self.location()?),
                syncml::SOURCE => item.source = Some(self.location()?),
                syncml::META => self.meta(&mut item.meta)?,
                syncml::DATA => item.data = Some(self.data()?),
                syncml::MORE_DATA => item.more_data = self.flag()?,
                _ => self.skip()?,
            }
        }
        Ok(())
    }

    fn location(&mut self) -> Result<Location<'a>> {
        let at = self.reader.offset();
        let (mut uri, mut name) = (None, None);
        let mut seen = Seen::default();
        while let Some(tag) = self.child(&mut seen)? {
            match tag {
                syncml::LOC_URI => uri = Some(self.text()?),
                syncml::LOC_NAME => name = Some(self.text()?),
                _ => self.skip()?,
            }
        }
        let mut location = Location::new(required(uri, syncml::LOC_URI, at)?);
        location.name = name;
        Ok(location)
    }

    fn cred(&mut self) -> Result<Cred<'a>> {
        let at = self.reader.offset();
        let (mut meta, mut data) = (Meta::new(), None);
        let mut seen = Seen::default();
        while let Some(tag) = self.child(&mut seen)? {
            match tag {
                syncml::META => self.meta(&mut meta)?,
                syncml::DATA => data = Some(self.data()?),
                _ => self.skip()?,
            }
        }
        Ok(Cred::new(meta, required(data, syncml::DATA, at)?))
    }

    fn chal(&mut self) -> Result<Chal<'a>> {
        let mut chal = Chal::new(Meta::new());
        let mut seen = Seen::default();
        while let Some(tag) = self.child(&mut seen)? {
            match tag {
                syncml::META => self.meta(&mut chal.meta)?,
                _ => self.skip()?,
            }
        }
        Ok(chal)
    }

    /// Fills in an empty Meta.
    fn meta(&mut self, meta: &mut Meta<'a>) -> Result<()> {
        let mut seen = Seen::default();
        let mut wrapped = false;
        loop {
            let Some(tag) = self.child(&mut seen)? else {
                if !std::mem::take(&mut wrapped) {
                    return Ok(());
                }
                continue;
            };
            match tag {
                // The wrapper may be there or not: its children count as those of Meta.
                metinf::MET_INF => wrapped = true,
                metinf::FORMAT => meta.format = Some(self.word()?),
                metinf::TYPE => meta.media_type = Some(self.word()?),
                metinf::MARK => meta.mark = Some(self.word()?),
                metinf::SIZE => meta.size = Some(self.number(tag)?),
                metinf::NEXT_NONCE => meta.next_nonce = Some(Box::new(self.data()?)),
                metinf::MAX_MSG_SIZE => meta.max_msg_size = Some(self.number(tag)?),
                metinf::MAX_OBJ_SIZE => meta.max_obj_size = Some(self.number(tag)?),
                metinf::EMI => meta.emi.push(self.text()?),
                _ => self.skip()?,
            }
        }
    }

    fn data(&mut self) -> Result<Data<'a>> {
        Ok(match self.reader.content()? {
            Content::Empty => Data::Text(Cow::Borrowed("")),
            Content::Text(text) => Data::Text(text),
            Content::Opaque(octets) => Data::Opaque(octets),
            Content::Fragment(fragment) => Data::Fragment(fragment),
        })
    }

    /// The next child that is an element of a vocabulary; others are skipped.
    fn child(&mut self, seen: &mut Seen) -> Result<Option<Tag>> {
        loop {
            match self.reader.child()? {
                Some(Name::Known(tag)) => {
                    let repeated = seen.insert(tag);
                    if repeated && !MAY_REPEAT.contains(&tag) {
                        return self.duplicate(tag);
                    }
                    return Ok(Some(tag));
                }
                Some(Name::Other(..)) => self.skip()?,
                None => return Ok(None),
            }
        }
    }

    fn text(&mut self) -> Result<Cow<'a, str>> {
        Ok(self.reader.text()?)
    }

    /// A text without the white space around it.
    fn word(&mut self) -> Result<Cow<'a, str>> {
        Ok(match self.text()? {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim_ascii()),
            Cow::Owned(text) => Cow::Owned(text.trim_ascii().to_owned()),
        })
    }

    fn number<N: TryFrom<u64>>(&mut self, tag: Tag) -> Result<N> {
        let at = self.reader.offset();
        let kind = DecodeErrorKind::InvalidNumber(tag.as_str());
        digits(&self.text()?).ok_or(DecodeError::new(kind, at))
    }

    fn cmd_id(&mut self) -> Result<Option<CmdId>> {
        Ok(self.lenient_number(syncml::CMD_ID)?.and_then(CmdId::new))
    }

    fn cmd_ref(&mut self) -> Result<CmdRef> {
        let at = self.reader.offset();
        let text = self.text()?;
        if text.trim_ascii().is_empty() {
            return Ok(CmdRef::Nameless);
        }
        let kind = DecodeErrorKind::InvalidNumber(syncml::CMD_REF.as_str());
        let number = digits(&text).ok_or(DecodeError::new(kind, at))?;
        Ok(CmdRef::from_number(Some(number)))
    }

    /// An element that says something by being there.
    fn flag(&mut self) -> Result<bool> {
        if self.limits.refuse_unknown {
            while self.reader.child()?.is_some() {
                self.skip()?;
            }
        } else {
            self.reader.skip()?;
        }
        Ok(true)
    }

    /// An element that no type holds.
    fn skip(&mut self) -> Result<()> {
        if self.limits.refuse_unknown {
            return self.fail(DecodeErrorKind::UnknownElement);
        }
        Ok(self.reader.skip()?)
    }

    /// A number that may be left out, or be none.
    fn lenient_number<N: TryFrom<u64>>(&mut self, tag: Tag) -> Result<Option<N>> {
        let at = self.reader.offset();
        let number = digits(&self.text()?);
        if number.is_none() && self.limits.refuse_unknown {
            let kind = DecodeErrorKind::InvalidNumber(tag.as_str());
            return Err(DecodeError::new(kind, at));
        }
        Ok(number)
    }

    fn count_command(&mut self) -> Result<()> {
        self.commands += 1;
        if self.commands > self.limits.max_commands {
            return self.fail(DecodeErrorKind::TooManyCommands);
        }
        Ok(())
    }

    fn duplicate<T>(&self, tag: Tag) -> Result<T> {
        self.fail(DecodeErrorKind::DuplicateElement(tag.as_str()))
    }

    fn fail<T>(&self, kind: DecodeErrorKind) -> Result<T> {
        Err(DecodeError::new(kind, self.reader.offset()))
    }
}

/// An Atomic or Sequence whose end is not yet read.
struct OpenGroup<'a> {
    tag: Tag,
    group: Group<'a>,
    seen: Seen,
}

/// The elements of which there may be several, in one element or another.
const MAY_REPEAT: [Tag; 4] = [
    syncml::ITEM,
    syncml::TARGET_REF,
    syncml::SOURCE_REF,
    metinf::EMI,
];

/// Which children of an element were there already.
#[derive(Default)]
struct Seen([u64; 4]);

impl Seen {
    /// Notes the child; whether it was there before.
    fn insert(&mut self, tag: Tag) -> bool {
        let vocabulary = tag.vocabulary() as usize;
        let Some(set) = self.0.get_mut(vocabulary) else {
            return false;
        };
        let bit = 1 << tag.token();
        let before = *set & bit != 0;
        *set |= bit;
        before
    }
}

fn required<T>(value: Option<T>, tag: Tag, offset: usize) -> Result<T> {
    let kind = DecodeErrorKind::MissingElement(tag.as_str());
    value.ok_or(DecodeError::new(kind, offset))
}

/// A decimal number, white space around it left out.
fn digits<N: TryFrom<u64>>(text: &str) -> Option<N> {
    let text = text.trim_ascii();
    if text.is_empty() {
        return None;
    }
    let mut number = 0_u64;
    for byte in text.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    number.try_into().ok()
}
