use omadm_markup::{
    Encoding, Mark, Name, Namespace, OutputEncoding, Tag, Vocabulary, Writer, metinf, syncml,
};

use crate::{
    Alert, CmdId, CmdRef, Command, Cred, Data, EncodeError, Exec, Group, Header, Item, Location,
    Message, Meta, NodeCommand, Results, Status, Unsupported,
};

type Result<T> = core::result::Result<T, EncodeError>;

/// Appends a whole message to `out`, elements in the order of the DTD.
///
/// What is in the message is written, legal or not; see [`Command`] for a missing `CmdID`.
///
/// # Errors
///
/// [`EncodeError`]; `out` is then as it was.
pub fn encode(
    message: &Message<'_>,
    encoding: impl Into<OutputEncoding>,
    out: &mut Vec<u8>,
) -> Result<()> {
    let start = out.len();
    let result = write_message(message, encoding.into(), out);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn write_message(message: &Message<'_>, encoding: OutputEncoding, out: &mut Vec<u8>) -> Result<()> {
    let mut writer = Writer::new(encoding, out)?;
    open_message(&mut writer, &message.header)?;
    for command in &message.commands {
        write_command(&mut writer, command)?;
    }
    close_message(&mut writer, message.is_final)
}

/// All of a message up to its first command.
fn open_message(w: &mut Writer<'_>, header: &Header<'_>) -> Result<()> {
    w.start(syncml::SYNC_ML)?;
    write_header(w, header)?;
    Ok(w.start(syncml::SYNC_BODY)?)
}

/// All of a message after its last command.
fn close_message(w: &mut Writer<'_>, is_final: bool) -> Result<()> {
    flag(w, syncml::FINAL, is_final)?;
    w.end()?;
    end(w)
}

/// Appends one command as a document of its own, without a namespace declaration on its root.
///
/// # Errors
///
/// [`EncodeError`]; `out` is then as it was.
pub fn encode_command(
    command: &Command<'_>,
    encoding: impl Into<OutputEncoding>,
    out: &mut Vec<u8>,
) -> Result<()> {
    let start = out.len();
    let result = Writer::new(encoding, out)
        .map(|writer| writer.within(Vocabulary::SyncMl))
        .map_err(EncodeError::from)
        .and_then(|mut writer| {
            write_command(&mut writer, command)?;
            Ok(writer.finish()?)
        });
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Encodes a message command by command, so that it can be filled up to a size.
///
/// 1. [`Encoder::new`] appends the header.
/// 2. [`Encoder::push`] appends a command; [`Encoder::len`] is the size of the message if it ended
///    here; [`Encoder::pop`] takes the last command back.
/// 3. [`Encoder::finish`] ends the message. An encoder that is dropped without it leaves nothing.
///
/// ```
/// use omadm_core::AlertCode;
/// use omadm_syncml::{Alert, CmdId, Command, Encoder, Encoding, Header};
///
/// let mut out = Vec::new();
/// let header = Header::new("1", 1, "http://dm.example/", "urn:x:dev1");
/// let mut encoder = Encoder::new(&header, Encoding::Xml, &mut out)?;
/// let mut id = CmdId::FIRST;
/// loop {
///     encoder.push(&Command::Alert(Alert::new(AlertCode::NEXT_MESSAGE).with_cmd_id(id)))?;
///     if encoder.len() > 512 {
///         encoder.pop();
///         break;
///     }
///     id = id.next();
/// }
/// encoder.finish(true);
/// assert!(out.len() <= 512);
/// # Ok::<(), omadm_syncml::EncodeError>(())
/// ```
#[derive(Debug)]
pub struct Encoder<'o> {
    writer: Writer<'o>,
    start: Mark,
    start_position: usize,
    len: usize,
    /// What Final and the ends after it take in XML, where that is the same behind every command.
    tail: Option<usize>,
    /// Before the last command: the place, and the size of the message if it ended there.
    last: (Mark, usize),
    finished: bool,
}

impl<'o> Encoder<'o> {
    /// Begins a message at the end of `out`.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]; `out` is then as it was.
    pub fn new(
        header: &Header<'_>,
        encoding: impl Into<OutputEncoding>,
        out: &'o mut Vec<u8>,
    ) -> Result<Self> {
        let start_position = out.len();
        let mut writer = Writer::new(encoding, out)?;
        let start = writer.mark();
        let mut encoder = Self {
            writer,
            start,
            start_position,
            len: 0,
            tail: None,
            last: (start, 0),
            finished: false,
        };
        open_message(&mut encoder.writer, header)?;
        encoder.measure()?;
        encoder.last = (encoder.writer.mark(), encoder.len);
        Ok(encoder)
    }

    /// Appends a command.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]; the message is then as it was before the command.
    pub fn push(&mut self, command: &Command<'_>) -> Result<()> {
        self.last = (self.writer.mark(), self.len);
        let result = write_command(&mut self.writer, command).and_then(|()| self.measure());
        if result.is_err() {
            self.pop();
        }
        result
    }

    /// Takes the command appended last back; once per [`Encoder::push`].
    pub fn pop(&mut self) {
        let (mark, len) = self.last;
        self.writer.rewind(mark);
        self.len = len;
    }

    /// The size of the message in bytes if it were finished now with `Final`.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a message is never empty")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Ends the message, with or without `Final`.
    pub fn finish(mut self, is_final: bool) {
        let result = close_message(&mut self.writer, is_final);
        // Nothing in these names can fail to be written, and both elements are open.
        debug_assert!(result.is_ok(), "{result:?}");
        self.finished = true;
    }

    fn measure(&mut self) -> Result<()> {
        let position = self.writer.position();
        let tail = match self.tail {
            Some(tail) => tail,
            None => {
                let mark = self.writer.mark();
                self.writer.element(syncml::FINAL, "")?;
                let tail = self.writer.position() + self.writer.closing_len() - position;
                self.writer.rewind(mark);
                self.tail = (self.writer.encoding() == Encoding::Xml).then_some(tail);
                tail
            }
        };
        self.len = position + tail - self.start_position;
        Ok(())
    }
}

impl Drop for Encoder<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.writer.rewind(self.start);
        }
    }
}

fn write_header(w: &mut Writer<'_>, header: &Header<'_>) -> Result<()> {
    w.start(syncml::SYNC_HDR)?;
    w.element(syncml::VER_DTD, &header.ver_dtd)?;
    w.element(syncml::VER_PROTO, &header.ver_proto)?;
    w.element(syncml::SESSION_ID, &header.session_id)?;
    number(w, syncml::MSG_ID, header.msg_id)?;
    write_location(w, syncml::TARGET, &header.target)?;
    write_location(w, syncml::SOURCE, &header.source)?;
    text(w, syncml::RESP_URI, header.resp_uri.as_deref())?;
    flag(w, syncml::NO_RESP, header.no_resp)?;
    if let Some(cred) = &header.cred {
        write_cred(w, cred)?;
    }
    write_meta(w, &header.meta)?;
    end(w)
}

/// A command, with the groups in it on a stack of its own.
fn write_command(w: &mut Writer<'_>, command: &Command<'_>) -> Result<()> {
    let Some(group) = open_group(w, command)? else {
        return write_single(w, command);
    };
    let mut open = vec![group.commands.iter()];
    while let Some(innermost) = open.last_mut() {
        match innermost.next() {
            Some(command) => match open_group(w, command)? {
                Some(group) => open.push(group.commands.iter()),
                None => write_single(w, command)?,
            },
            None => {
                w.end()?;
                open.pop();
            }
        }
    }
    Ok(())
}

/// Writes all of a group but its commands and its end, if it is one.
fn open_group<'c, 'a>(
    w: &mut Writer<'_>,
    command: &'c Command<'a>,
) -> Result<Option<&'c Group<'a>>> {
    let (tag, group) = match command {
        Command::Atomic(group) => (syncml::ATOMIC, group),
        Command::Sequence(group) => (syncml::SEQUENCE, group),
        _ => return Ok(None),
    };
    w.start(tag)?;
    write_cmd_id(w, group.cmd_id)?;
    flag(w, syncml::NO_RESP, group.no_resp)?;
    write_meta(w, &group.meta)?;
    Ok(Some(group))
}

fn write_single(w: &mut Writer<'_>, command: &Command<'_>) -> Result<()> {
    match command {
        Command::Add(command) => write_node_command(w, syncml::ADD, command),
        Command::Alert(alert) => write_alert(w, alert),
        Command::Copy(command) => write_node_command(w, syncml::COPY, command),
        Command::Delete(command) => write_node_command(w, syncml::DELETE, command),
        Command::Exec(exec) => write_exec(w, exec),
        Command::Get(command) => write_node_command(w, syncml::GET, command),
        Command::Replace(command) => write_node_command(w, syncml::REPLACE, command),
        Command::Results(results) => write_results(w, results),
        Command::Status(status) => write_status(w, status),
        Command::Unsupported(unsupported) => write_unsupported(w, unsupported),
        Command::Atomic(_) | Command::Sequence(_) => Ok(()),
    }
}

fn write_node_command(w: &mut Writer<'_>, tag: Tag, command: &NodeCommand<'_>) -> Result<()> {
    w.start(tag)?;
    write_cmd_id(w, command.cmd_id)?;
    flag(w, syncml::NO_RESP, command.no_resp)?;
    write_meta(w, &command.meta)?;
    write_items(w, &command.items)?;
    end(w)
}

fn write_exec(w: &mut Writer<'_>, exec: &Exec<'_>) -> Result<()> {
    w.start(syncml::EXEC)?;
    write_cmd_id(w, exec.cmd_id)?;
    flag(w, syncml::NO_RESP, exec.no_resp)?;
    write_meta(w, &exec.meta)?;
    text(w, syncml::CORRELATOR, exec.correlator.as_deref())?;
    write_items(w, &exec.items)?;
    end(w)
}

fn write_alert(w: &mut Writer<'_>, alert: &Alert<'_>) -> Result<()> {
    w.start(syncml::ALERT)?;
    write_cmd_id(w, alert.cmd_id)?;
    flag(w, syncml::NO_RESP, alert.no_resp)?;
    if let Some(code) = alert.code {
        number(w, syncml::DATA, code.get())?;
    }
    text(w, syncml::CORRELATOR, alert.correlator.as_deref())?;
    write_items(w, &alert.items)?;
    end(w)
}

fn write_status(w: &mut Writer<'_>, status: &Status<'_>) -> Result<()> {
    w.start(syncml::STATUS)?;
    write_cmd_id(w, status.cmd_id)?;
    number(w, syncml::MSG_REF, status.msg_ref)?;
    write_cmd_ref(w, status.cmd_ref)?;
    w.element(syncml::CMD, &status.cmd)?;
    for uri in status.target_refs.iter() {
        w.element(syncml::TARGET_REF, uri)?;
    }
    for uri in status.source_refs.iter() {
        w.element(syncml::SOURCE_REF, uri)?;
    }
    if let Some(chal) = &status.chal {
        w.start(syncml::CHAL)?;
        write_meta(w, &chal.meta)?;
        w.end()?;
    }
    number(w, syncml::DATA, status.code.get())?;
    write_items(w, &status.items)?;
    end(w)
}

fn write_results(w: &mut Writer<'_>, results: &Results<'_>) -> Result<()> {
    w.start(syncml::RESULTS)?;
    write_cmd_id(w, results.cmd_id)?;
    if let Some(msg_ref) = results.msg_ref {
        number(w, syncml::MSG_REF, msg_ref)?;
    }
    write_cmd_ref(w, results.cmd_ref)?;
    write_meta(w, &results.meta)?;
    text(w, syncml::TARGET_REF, results.target_ref.as_deref())?;
    text(w, syncml::SOURCE_REF, results.source_ref.as_deref())?;
    write_items(w, &results.items)?;
    end(w)
}

fn write_unsupported(w: &mut Writer<'_>, unsupported: &Unsupported<'_>) -> Result<()> {
    let name = match Vocabulary::SyncMl.tag(&unsupported.name) {
        Some(
            syncml::ADD
            | syncml::ALERT
            | syncml::ATOMIC
            | syncml::CMD_ID
            | syncml::COPY
            | syncml::DELETE
            | syncml::EXEC
            | syncml::FINAL
            | syncml::GET
            | syncml::META
            | syncml::NO_RESP
            | syncml::REPLACE
            | syncml::RESULTS
            | syncml::SEQUENCE
            | syncml::STATUS,
        ) => return Err(EncodeError::CommandName),
        Some(tag) => Name::Known(tag),
        None => Name::Other(Namespace::Known(Vocabulary::SyncMl), &unsupported.name),
    };
    w.start(name)?;
    write_cmd_id(w, unsupported.cmd_id)?;
    flag(w, syncml::NO_RESP, unsupported.no_resp)?;
    end(w)
}

fn write_items(w: &mut Writer<'_>, items: &[Item<'_>]) -> Result<()> {
    for item in items {
        w.start(syncml::ITEM)?;
        if let Some(target) = &item.target {
            write_location(w, syncml::TARGET, target)?;
        }
        if let Some(source) = &item.source {
            write_location(w, syncml::SOURCE, source)?;
        }
        write_meta(w, &item.meta)?;
        if let Some(data) = &item.data {
            write_data(w, syncml::DATA, data)?;
        }
        flag(w, syncml::MORE_DATA, item.more_data)?;
        w.end()?;
    }
    Ok(())
}

fn write_location(w: &mut Writer<'_>, tag: Tag, location: &Location<'_>) -> Result<()> {
    w.start(tag)?;
    w.element(syncml::LOC_URI, &location.uri)?;
    text(w, syncml::LOC_NAME, location.name.as_deref())?;
    end(w)
}

fn write_cred(w: &mut Writer<'_>, cred: &Cred<'_>) -> Result<()> {
    w.start(syncml::CRED)?;
    write_meta(w, &cred.meta)?;
    write_data(w, syncml::DATA, &cred.data)?;
    end(w)
}

fn write_meta(w: &mut Writer<'_>, meta: &Meta<'_>) -> Result<()> {
    if meta.is_empty() {
        return Ok(());
    }
    w.start(syncml::META)?;
    text(w, metinf::FORMAT, meta.format.as_deref())?;
    text(w, metinf::TYPE, meta.media_type.as_deref())?;
    text(w, metinf::MARK, meta.mark.as_deref())?;
    size(w, metinf::SIZE, meta.size)?;
    if let Some(nonce) = &meta.next_nonce {
        write_data(w, metinf::NEXT_NONCE, nonce)?;
    }
    size(w, metinf::MAX_MSG_SIZE, meta.max_msg_size)?;
    size(w, metinf::MAX_OBJ_SIZE, meta.max_obj_size)?;
    for emi in &meta.emi {
        w.element(metinf::EMI, emi)?;
    }
    end(w)
}

fn write_data(w: &mut Writer<'_>, tag: Tag, data: &Data<'_>) -> Result<()> {
    match data {
        Data::Text(text) => w.element(tag, text)?,
        Data::Opaque(octets) => {
            w.start(tag)?;
            w.opaque(octets)?;
            w.end()?;
        }
        Data::Fragment(fragment) => {
            w.start(tag)?;
            fragment.write(w)?;
            w.end()?;
        }
    }
    Ok(())
}

fn write_cmd_id(w: &mut Writer<'_>, id: Option<CmdId>) -> Result<()> {
    id.map_or(Ok(()), |id| number(w, syncml::CMD_ID, id.get()))
}

fn write_cmd_ref(w: &mut Writer<'_>, cmd_ref: CmdRef) -> Result<()> {
    match cmd_ref.number() {
        Some(id) => number(w, syncml::CMD_REF, id),
        None => Ok(w.element(syncml::CMD_REF, "")?),
    }
}

fn text(w: &mut Writer<'_>, tag: Tag, text: Option<&str>) -> Result<()> {
    text.map_or(Ok(()), |text| Ok(w.element(tag, text)?))
}

fn flag(w: &mut Writer<'_>, tag: Tag, flag: bool) -> Result<()> {
    if flag {
        Ok(w.element(tag, "")?)
    } else {
        Ok(())
    }
}

fn size(w: &mut Writer<'_>, tag: Tag, size: Option<u64>) -> Result<()> {
    size.map_or(Ok(()), |size| number(w, tag, size))
}

fn number<N: Into<u64>>(w: &mut Writer<'_>, tag: Tag, number: N) -> Result<()> {
    Ok(w.number(tag, number.into())?)
}

fn end(w: &mut Writer<'_>) -> Result<()> {
    Ok(w.end()?)
}
