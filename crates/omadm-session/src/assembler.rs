use std::{borrow::Cow, fmt};

use omadm_core::{AlertCode, StatusCode};
use omadm_syncml::{Alert, CmdRef, Command, Data, Item};

use crate::large::data_size;

/// Puts together the large objects that come in chunks, one after the other. [DM-Protocol §6]
///
/// 1. [`Assembler::take`] looks at each command of a message, in document order, Status excepted.
/// 2. [`Assembler::end_message`] tells after the last one whether an object was broken off, and with
///    which alert to say so.
///
/// A command is executed once, when its last chunk came and the whole has the announced Size. What
/// is kept never exceeds the limit and the message that began the object; dropping the assembler
/// discards it.
///
/// ```
/// use omadm_core::StatusCode;
/// use omadm_session::{Assembler, Taken};
/// use omadm_syncml::{Command, Item, Meta, NodeCommand};
///
/// let chunk = |data: &'static str, more| {
///     let mut item = Item::new().with_target("./A").with_data(data);
///     item.more_data = more;
///     item.meta.size = more.then_some(10);
///     Command::Replace(NodeCommand::new([item]))
/// };
/// let mut assembler = Assembler::new(1000);
/// let taken = assembler.take(&chunk("large ", true));
/// assert_eq!(taken, Taken::Answered(StatusCode::CHUNK_ACCEPTED));
/// assert_eq!(assembler.end_message(false), None);
/// let Taken::Complete(whole) = assembler.take(&chunk("text", false)) else { panic!() };
/// assert_eq!(whole.items()[0].data, Some("large text".into()));
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Assembler {
    limit: u64,
    /// What may be kept now.
    room: u64,
    open: Option<Box<Open>>,
    /// The object that was broken off in this message.
    broken: Option<Box<Key>>,
}

/// What a command is to an [`Assembler`].
#[derive(Clone, PartialEq, Debug)]
pub enum Taken {
    /// No part of a large object: it is processed as it stands.
    Whole,
    /// A chunk, or one that is refused: it is answered with this code and not processed.
    ///
    /// The code is 213 for a chunk that is kept, 411 for a first one without Size, 413 for an
    /// object beyond the limit, 424 where the chunks and the Size disagree, 415 for a chunk that is
    /// an embedded document, 400 for `MoreData` where it means nothing. After any but 213 the
    /// object is discarded.
    Answered(StatusCode),
    /// The last chunk: this is processed in its place, the whole under the CmdID of the last chunk.
    Complete(Box<Command<'static>>),
}

/// An object of which chunks are missing.
#[derive(Clone, PartialEq)]
struct Open {
    key: Key,
    /// The command of the first chunk; its last Item waits for its Data.
    command: Command<'static>,
    size: u64,
    octets: Vec<u8>,
    /// Whether all of it came as text.
    text: bool,
}

impl fmt::Debug for Open {
    /// Shows whose it is and how much came; there may be a secret in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (came, key) = (self.octets.len(), &self.key);
        write!(f, "Open({came} of {} bytes, {key:?})", self.size)
    }
}

/// What the chunks of one object have in common.
#[derive(Clone, PartialEq, Debug)]
struct Key {
    name: String,
    target: Option<String>,
    source: Option<String>,
    /// The Get that Results belong to.
    answers: Option<(Option<u32>, CmdRef)>,
}

impl Assembler {
    /// An assembler of objects up to `limit` bytes: the MaxObjSize this end announced.
    #[must_use]
    pub const fn new(limit: u64) -> Self {
        Self {
            limit,
            room: u64::MAX,
            open: None,
            broken: None,
        }
    }

    /// Looks at the next command of a message. [DM-Protocol §6]
    ///
    /// A command that is no chunk of the object under way breaks that off, unless it is an alert
    /// that lets the exchange of messages go on: 1222, 1223 or 1225.
    pub fn take(&mut self, command: &Command<'_>) -> Taken {
        if is_protocol(command) {
            return Taken::Whole;
        }
        let Some((last, others)) = command.items().split_last() else {
            self.break_off();
            return Taken::Whole;
        };
        let chunked = command.items().iter().any(|item| item.more_data);
        if !chunked && self.open.is_none() && self.broken.is_none() {
            return self.unchunked(command);
        }
        let key = Key::of(command, last);
        let size = size(command, last);
        if let Some(open) = self.open.take() {
            let restarted = size.is_some_and(|size| size != open.size);
            if open.key == key && others.is_empty() && !restarted {
                return self.go_on(open, command, last);
            }
            self.broken = Some(Box::new(open.key));
        }
        if self.broken.as_deref() == Some(&key) && size.is_none() {
            // Nobody knows what it is the rest of.
            return Taken::Answered(StatusCode::SIZE_MISMATCH);
        }
        if !chunked {
            return self.unchunked(command);
        }
        if !holds_objects(command) || others.iter().any(|item| item.more_data) {
            return Taken::Answered(StatusCode::BAD_REQUEST);
        }
        let Some(size) = size else {
            return Taken::Answered(StatusCode::SIZE_REQUIRED);
        };
        if size > self.limit {
            return Taken::Answered(StatusCode::REQUEST_ENTITY_TOO_LARGE);
        }
        let open = Box::new(Open {
            key,
            command: stripped(command),
            size,
            octets: Vec::new(),
            text: true,
        });
        self.go_on(open, command, last)
    }

    /// Judges a command that comes whole.
    fn unchunked(&self, command: &Command<'_>) -> Taken {
        let fits = |item: &Item<'_>| item.data.as_ref().map_or(0, data_size) <= self.limit;
        if !holds_objects(command) || command.items().iter().all(fits) {
            Taken::Whole
        } else {
            Taken::Answered(StatusCode::REQUEST_ENTITY_TOO_LARGE)
        }
    }

    /// Ends a message, and with Final the package: an object that is not complete then never will
    /// be. The Alert 1225 that is to be sent if one was broken off; it names what the object was
    /// for. [DM-Protocol §6]
    pub fn end_message(&mut self, is_final: bool) -> Option<Command<'static>> {
        if is_final {
            self.break_off();
        }
        let Key { target, source, .. } = *self.broken.take()?;
        let mut item = Item::new();
        item.target = target.map(Into::into);
        item.source = source.map(Into::into);
        let alert = Alert::new(AlertCode::NO_END_OF_DATA);
        Some(Command::Alert(
            if item.target.is_some() || item.source.is_some() {
                alert.with_items([item])
            } else {
                alert
            },
        ))
    }

    /// Breaks off the object under way, for a command came that is not to be
    /// [taken](Assembler::take).
    pub fn break_off(&mut self) {
        if let Some(open) = self.open.take() {
            self.broken = Some(Box::new(open.key));
        }
    }

    /// Discards what is not complete, as at the end of a session.
    pub fn discard(&mut self) {
        self.open = None;
        self.broken = None;
    }

    /// From now on keeps at most this many bytes of an object, for who shares memory among many: a
    /// chunk beyond is answered with 413. No limit without this.
    pub const fn set_room(&mut self, bytes: u64) {
        self.room = bytes;
    }

    /// How many bytes of the object under way are kept.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.open
            .as_ref()
            .map_or(0, |open| open.octets.len() as u64)
    }

    /// Whether chunks of an object are missing.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Takes in one more chunk.
    fn go_on(&mut self, mut open: Box<Open>, command: &Command<'_>, item: &Item<'_>) -> Taken {
        let chunk: Cow<'_, [u8]> = match &item.data {
            None => Cow::Borrowed(&[]),
            Some(Data::Text(text)) => Cow::Borrowed(text.as_bytes()),
            Some(Data::Opaque(octets)) => Cow::Borrowed(octets),
            Some(Data::Fragment(fragment)) => match fragment.wbxml_document() {
                Some(octets) => Cow::Borrowed(octets),
                None => return Taken::Answered(StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT),
            },
        };
        open.text &= matches!(item.data, None | Some(Data::Text(_)));
        let length = (open.octets.len() as u64).saturating_add(chunk.len() as u64);
        if length > open.size || (!item.more_data && length < open.size) {
            return Taken::Answered(StatusCode::SIZE_MISMATCH);
        }
        if item.more_data && length > self.room {
            return Taken::Answered(StatusCode::REQUEST_ENTITY_TOO_LARGE);
        }
        open.octets.extend_from_slice(&chunk);
        if item.more_data {
            self.open = Some(open);
            return Taken::Answered(StatusCode::CHUNK_ACCEPTED);
        }
        Taken::Complete(Box::new(open.complete(command)))
    }
}

impl Open {
    /// The command with all of its Data, in the place of its last chunk.
    fn complete(self, last: &Command<'_>) -> Command<'static> {
        let Self {
            mut command,
            octets,
            text,
            ..
        } = self;
        if let Some(id) = last.cmd_id() {
            command.set_cmd_id(id);
        }
        let data = match String::from_utf8(octets) {
            Ok(all) if text => Data::from(all),
            Ok(all) => Data::from(all.into_bytes()),
            Err(error) => Data::from(error.into_bytes()),
        };
        if let Some(item) = command.items_mut().and_then(|items| items.last_mut()) {
            item.data = Some(data);
        }
        command
    }
}

impl Key {
    fn of(command: &Command<'_>, item: &Item<'_>) -> Self {
        Self {
            name: command.name().to_owned(),
            target: item.target.as_ref().map(|it| it.uri.to_string()),
            source: item.source.as_ref().map(|it| it.uri.to_string()),
            answers: match command {
                Command::Results(results) => Some((results.msg_ref, results.cmd_ref)),
                _ => None,
            },
        }
    }
}

/// The Size an Item announces.
fn size(command: &Command<'_>, item: &Item<'_>) -> Option<u64> {
    let outer = command.meta().and_then(|meta| meta.size);
    item.meta.size.or(outer)
}

/// The command of a first chunk as it would be without chunks, its Data left out.
fn stripped(command: &Command<'_>) -> Command<'static> {
    let mut command = command.clone();
    // Before it is detached, as the Data may be most of it.
    if let Some(item) = command.items_mut().and_then(|items| items.last_mut()) {
        item.data = None;
        item.meta.size = None;
        item.more_data = false;
    }
    if let Some(meta) = command.meta_mut() {
        meta.size = None;
    }
    command.into_owned()
}

/// Whether the Items of a command may hold large objects.
const fn holds_objects(command: &Command<'_>) -> bool {
    matches!(
        command,
        Command::Add(_)
            | Command::Alert(_)
            | Command::Exec(_)
            | Command::Replace(_)
            | Command::Results(_)
    )
}

fn is_protocol(command: &Command<'_>) -> bool {
    let Command::Alert(alert) = command else {
        return matches!(command, Command::Status(_));
    };
    matches!(
        alert.code,
        Some(AlertCode::NEXT_MESSAGE | AlertCode::SESSION_ABORT | AlertCode::NO_END_OF_DATA)
    )
}

#[cfg(test)]
mod tests {
    use omadm_syncml::{CmdId, Exec, Meta, NodeCommand, Results};

    use super::*;

    const ACCEPTED: Taken = Taken::Answered(StatusCode::CHUNK_ACCEPTED);

    fn item(data: &'static str, more: bool, size: Option<u64>) -> Item<'static> {
        let mut item = Item::new().with_target("./A").with_data(data);
        item.more_data = more;
        item.meta.size = size;
        item
    }

    fn replace(data: &'static str, more: bool, size: Option<u64>) -> Command<'static> {
        Command::Replace(NodeCommand::new([item(data, more, size)]))
    }

    fn first(data: &'static str, size: u64) -> Command<'static> {
        replace(data, true, Some(size))
    }

    fn refused(code: StatusCode) -> Taken {
        Taken::Answered(code)
    }

    /// An assembler that has `abc` of six bytes for `./A`.
    fn begun() -> Assembler {
        let mut assembler = Assembler::new(100);
        assert_eq!(assembler.take(&first("abc", 6)), ACCEPTED);
        assert_eq!(assembler.end_message(false), None);
        assembler
    }

    fn alert_1225(uri: &'static str) -> Option<Command<'static>> {
        let item = Item::new().with_target(uri);
        let alert = Alert::new(AlertCode::NO_END_OF_DATA).with_items([item]);
        Some(Command::Alert(alert))
    }

    #[test]
    fn what_is_kept_is_told() {
        let mut assembler = begun();
        assert_eq!(assembler.held(), 3);
        assert_eq!(assembler.take(&replace("de", true, None)), ACCEPTED);
        assert_eq!(assembler.held(), 5);
        assembler.discard();
        assert_eq!(assembler.held(), 0);
    }

    #[test]
    fn the_whole_has_the_words_of_the_first_chunk_and_the_id_of_the_last() {
        let id = |n| CmdId::new(n).unwrap();
        let mut exec = Exec::new([item("abc", true, None)]).with_correlator("c");
        exec.meta = Meta::new().with_type("t").with_size(6);
        exec.cmd_id = Some(id(7));
        let mut assembler = Assembler::new(6);
        assert_eq!(assembler.take(&Command::Exec(exec.clone())), ACCEPTED);
        assert_eq!(assembler.end_message(false), None);
        assert!(assembler.is_open());
        let last = Exec::new([item("def", false, None)]).with_cmd_id(id(3));
        let taken = assembler.take(&Command::Exec(last));
        exec.meta.size = None;
        exec.cmd_id = Some(id(3));
        exec.items = vec![item("abcdef", false, None)];
        assert_eq!(taken, Taken::Complete(Box::new(Command::Exec(exec))));
        assert!(!assembler.is_open());
    }

    #[test]
    fn items_before_the_chunk_are_kept_with_it() {
        let items = [item("whole", false, None), item("abc", true, Some(6))];
        let mut assembler = Assembler::new(100);
        let chunk = Command::Replace(NodeCommand::new(items));
        assert_eq!(assembler.take(&chunk), ACCEPTED);
        let Taken::Complete(command) = assembler.take(&replace("def", false, None)) else {
            panic!();
        };
        let whole = [item("whole", false, None), item("abcdef", false, None)];
        assert_eq!(command.items(), whole);
    }

    /// What the first chunk of an object may come to.
    #[test]
    fn first_chunks() {
        let delete = Command::Delete(NodeCommand::new([item("", true, Some(1))]));
        let early = [item("a", true, Some(6)), item("b", false, None)];
        let early = Command::Replace(NodeCommand::new(early));
        for (command, expected) in [
            (first("abc", 6), ACCEPTED),
            (first("", 0), ACCEPTED),
            (first("abc", 100), ACCEPTED),
            (
                first("abc", 101),
                refused(StatusCode::REQUEST_ENTITY_TOO_LARGE),
            ),
            (
                first("abc", u64::MAX),
                refused(StatusCode::REQUEST_ENTITY_TOO_LARGE),
            ),
            (first("abc", 2), refused(StatusCode::SIZE_MISMATCH)),
            (
                replace("abc", true, None),
                refused(StatusCode::SIZE_REQUIRED),
            ),
            (delete, refused(StatusCode::BAD_REQUEST)),
            (early, refused(StatusCode::BAD_REQUEST)),
            (replace("abc", false, None), Taken::Whole),
        ] {
            let mut assembler = Assembler::new(100);
            assert_eq!(assembler.take(&command), expected, "{command:?}");
            assert_eq!(assembler.is_open(), expected == ACCEPTED);
            assert_eq!(assembler.end_message(false), None);
        }
    }

    /// What the next command may come to, and which alert follows.
    #[test]
    fn further_commands() {
        let mismatch = || refused(StatusCode::SIZE_MISMATCH);
        let other = |name: &str| {
            let mut item = item("def", false, None);
            item.target = Some(name.to_owned().into());
            Command::Replace(NodeCommand::new([item]))
        };
        let whole = |command: &Command<'static>| Taken::Complete(Box::new(command.clone()));
        let add = Command::Add(NodeCommand::new([item("def", false, None)]));
        let bare = Command::Get(NodeCommand::default());
        let alert = |code| Command::Alert(Alert::new(code));
        let table = [
            (replace("def", true, None), ACCEPTED, true, false),
            (replace("", true, None), ACCEPTED, true, false),
            // Repeated by peers that do not mind.
            (replace("d", true, Some(6)), ACCEPTED, true, false),
            (
                replace("def", false, None),
                whole(&replace("abcdef", false, None)),
                false,
                false,
            ),
            (replace("de", false, None), mismatch(), false, false),
            (replace("defg", false, None), mismatch(), false, false),
            (replace("defg", true, None), mismatch(), false, false),
            // The same node from the beginning.
            (first("abcd", 7), ACCEPTED, true, true),
            (replace("long", false, Some(4)), Taken::Whole, false, true),
            (other("./B"), Taken::Whole, false, true),
            (add, Taken::Whole, false, true),
            (bare, Taken::Whole, false, true),
            (alert(AlertCode::NEXT_MESSAGE), Taken::Whole, true, false),
            (alert(AlertCode::NO_END_OF_DATA), Taken::Whole, true, false),
            (alert(AlertCode::GENERIC), Taken::Whole, false, true),
        ];
        for (command, expected, open, broken) in table {
            let mut assembler = begun();
            assert_eq!(assembler.take(&command), expected, "{command:?}");
            assert_eq!(assembler.is_open(), open, "{command:?}");
            let alert = alert_1225("./A").filter(|_| broken);
            assert_eq!(assembler.end_message(false), alert, "{command:?}");
        }
    }

    #[test]
    fn the_rest_of_a_broken_object_is_not_taken_for_a_whole_one() {
        let mut assembler = begun();
        let other = Command::Delete(NodeCommand::new([Item::new().with_target("./B")]));
        assert_eq!(assembler.take(&other), Taken::Whole);
        let rest = assembler.take(&replace("def", false, None));
        assert_eq!(rest, refused(StatusCode::SIZE_MISMATCH));
        assert_eq!(assembler.end_message(false), alert_1225("./A"));
        // The peer was told, and sends it again.
        assert_eq!(assembler.take(&replace("def", false, None)), Taken::Whole);
        assert_eq!(assembler.take(&first("abc", 6)), ACCEPTED);
    }

    #[test]
    fn a_package_that_ends_breaks_the_object_off() {
        let mut assembler = begun();
        assert_eq!(assembler.end_message(true), alert_1225("./A"));
        assert_eq!(assembler.end_message(true), None);
        let mut assembler = begun();
        assembler.discard();
        assert_eq!(assembler.end_message(true), None);
    }

    #[test]
    fn results_are_told_apart_by_their_get() {
        let results = |cmd_ref: u32, more: bool| {
            let id = CmdId::new(cmd_ref).unwrap();
            let size = more.then_some(6);
            Command::Results(Results::new(1, id, [item("abc", more, size)]))
        };
        for (cmd_ref, complete) in [(4, true), (5, false)] {
            let mut assembler = Assembler::new(100);
            assert_eq!(assembler.take(&results(4, true)), ACCEPTED);
            let taken = assembler.take(&results(cmd_ref, false));
            assert_eq!(matches!(taken, Taken::Complete(_)), complete);
        }
    }

    #[test]
    fn a_whole_item_beyond_the_limit_is_refused() {
        let mut assembler = Assembler::new(2);
        let taken = assembler.take(&replace("abc", false, None));
        assert_eq!(taken, refused(StatusCode::REQUEST_ENTITY_TOO_LARGE));
        let taken = assembler.take(&replace("ab", false, None));
        assert_eq!(taken, Taken::Whole);
    }

    #[test]
    fn a_chunk_beyond_the_room_of_all_is_refused() {
        for (room, taken) in [
            (4, refused(StatusCode::REQUEST_ENTITY_TOO_LARGE)),
            (5, ACCEPTED),
            (9, ACCEPTED),
        ] {
            let mut assembler = begun();
            assembler.set_room(room);
            assert_eq!(assembler.take(&replace("de", true, None)), taken, "{room}");
        }
    }

    #[test]
    fn octets_are_put_together_before_they_are_read() {
        let mut assembler = Assembler::new(100);
        let chunk = |octets: &'static [u8], more| {
            let mut item = item("", more, more.then_some(4));
            item.data = Some(octets.into());
            Command::Replace(NodeCommand::new([item]))
        };
        assert_eq!(assembler.take(&chunk(b"a\xC3", true)), ACCEPTED);
        let Taken::Complete(whole) = assembler.take(&chunk(b"\xA4b", false)) else {
            panic!();
        };
        let all = "aäb".as_bytes();
        assert_eq!(whole.items()[0].data, Some(all.into()));
    }
}
