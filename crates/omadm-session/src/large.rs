use std::fmt;

use omadm_core::{AlertCode, Format, StatusCode};
use omadm_syncml::{CmdId, Command, Data};

/// The smallest chunk worth a message, in bytes, unless the rest of the object is smaller: 64. A
/// peer whose messages have less room gets none.
pub const MIN_CHUNK: usize = 64;

/// An object that is sent in chunks, as it fits no message. [DM-Protocol §6]
///
/// [`Packer::push_chunk`](crate::Packer::push_chunk) packs one chunk in a message until the object
/// [is complete](LargeObject::is_complete); in between nothing but Status and Alert 1222 is sent.
/// The first chunk carries the Size; none is cut within a character of text or a quantum of base64.
///
/// ```
/// use omadm_session::{Fit, LargeObject, Link, Packer, request};
/// use omadm_syncml::Encoding;
///
/// let mut link = Link::new("1", "https://dm.example/dm", "urn:x:dev1");
/// let value = "x".repeat(20_000);
/// let Some(mut object) = LargeObject::new(request::replace("./A", value.into())) else { panic!() };
/// let mut messages = 0;
/// while !object.is_complete() {
///     let mut body = Vec::new();
///     let mut packer = Packer::new(&link.next_header(), Encoding::Xml, 5000, &mut body)?;
///     assert!(matches!(packer.push_chunk(&mut object)?, Fit::Packed(_)));
///     packer.finish(object.is_complete());
///     assert!(body.len() <= 5000);
///     messages += 1;
/// }
/// assert_eq!(messages, 5);
/// # Ok::<(), omadm_syncml::EncodeError>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct LargeObject {
    /// The command without its Data.
    command: Command<'static>,
    content: Content,
    sent: usize,
    /// Where the last chunk is.
    last: Option<(u32, CmdId)>,
}

#[derive(Clone, PartialEq)]
enum Content {
    Text { text: String, base64: bool },
    Octets(Vec<u8>),
}

impl Content {
    const fn octets(&self) -> &[u8] {
        match self {
            Self::Text { text, .. } => text.as_bytes(),
            Self::Octets(octets) => octets.as_slice(),
        }
    }
}

impl fmt::Debug for Content {
    /// Shows the length; there may be a secret in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes)", self.octets().len())
    }
}

/// Why an object ended before its last chunk: [`LargeObject::stopped_by`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stopped {
    /// A chunk got this status.
    Refused(StatusCode),
    /// The peer lost it: Alert 1225.
    NoEndOfData,
}

impl LargeObject {
    /// The object in the only Item of an Add, Alert, Exec, Replace or Results; none for any other
    /// command, which cannot be cut.
    #[must_use]
    pub fn new(mut command: Command<'static>) -> Option<Self> {
        if !matches!(
            command,
            Command::Add(_)
                | Command::Alert(_)
                | Command::Exec(_)
                | Command::Replace(_)
                | Command::Results(_)
        ) {
            return None;
        }
        let outer = command.meta().cloned().unwrap_or_default();
        let [item] = command.items_mut()?.as_mut_slice() else {
            return None;
        };
        let base64 = item.meta.inherit(&outer).format() == Ok(Format::B64);
        let content = match item.data.take()? {
            Data::Text(text) => Content::Text {
                text: text.into_owned(),
                base64,
            },
            Data::Opaque(octets) => Content::Octets(octets.into_owned()),
            data @ Data::Fragment(_) => match &data {
                Data::Fragment(document) if document.wbxml_document().is_some() => {
                    Content::Octets(document.wbxml_document()?.to_vec())
                }
                _ => Content::Text {
                    text: data.to_text()?.into_owned(),
                    base64: false,
                },
            },
        };
        Some(Self {
            command,
            content,
            sent: 0,
            last: None,
        })
    }

    /// The bytes of the whole as they are transported: what Size says and MaxObjSize limits.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.octets().len() as u64
    }

    /// The smallest chunk that may come next: a message without room for it gets none.
    #[must_use]
    pub fn smallest_chunk(&self) -> Command<'static> {
        self.chunk(self.cut(MIN_CHUNK))
    }

    /// Whether a chunk was packed.
    #[must_use]
    pub const fn is_begun(&self) -> bool {
        self.last.is_some()
    }

    /// Whether the last chunk was packed.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.last.is_some() && self.sent == self.octets().len()
    }

    /// The command without its Data.
    #[must_use]
    pub const fn command(&self) -> &Command<'static> {
        &self.command
    }

    /// The command with all of its Data, of which nothing was sent: an embedded document as the text
    /// or the octets it is sent as.
    #[must_use]
    pub fn into_command(self) -> Command<'static> {
        let mut command = self.command;
        if let Some(item) = command.items_mut().and_then(|items| items.first_mut()) {
            item.data = Some(match self.content {
                Content::Text { text, .. } => text.into(),
                Content::Octets(octets) => octets.into(),
            });
        }
        command
    }

    /// Whether a command of the peer ends the object before its last chunk: a Status that refuses
    /// the chunk sent last, or Alert 1225. Nothing else does: a peer may ask for the next chunk by
    /// Status 213, by Alert 1222 or by both. [DM-Protocol §6]
    #[must_use]
    pub fn stopped_by(&self, answer: &Command<'_>) -> Option<Stopped> {
        match answer {
            Command::Status(status) => {
                let (msg_id, id) = self.last?;
                let about_it = status.msg_ref == msg_id && status.cmd_ref == id.into();
                (about_it && !status.code.is_success()).then_some(Stopped::Refused(status.code))
            }
            Command::Alert(alert) if alert.code == Some(AlertCode::NO_END_OF_DATA) => {
                Some(Stopped::NoEndOfData)
            }
            _ => None,
        }
    }

    /// How much is not packed yet, in bytes.
    pub(crate) const fn rest(&self) -> usize {
        self.octets().len().saturating_sub(self.sent)
    }

    /// The greatest length of at most `most` bytes after which the next chunk may end.
    pub(crate) fn cut(&self, most: usize) -> usize {
        if most >= self.rest() {
            return self.rest();
        }
        match &self.content {
            Content::Octets(_) => most,
            Content::Text { text, base64 } => {
                let rest = text.get(self.sent..).unwrap_or_default();
                let mut ends = (0..=most).rev();
                let most = ends.find(|end| rest.is_char_boundary(*end)).unwrap_or(0);
                if !base64 {
                    return most;
                }
                // White space between the digits does not count.
                let digits = rest.bytes().enumerate().take(most);
                digits
                    .filter(|(_, byte)| !byte.is_ascii_whitespace())
                    .skip(3)
                    .step_by(4)
                    .last()
                    .map_or(0, |(index, _)| index + 1)
            }
        }
    }

    /// The next chunk, of this many bytes.
    pub(crate) fn chunk(&self, length: usize) -> Command<'static> {
        let end = self.sent.saturating_add(length);
        let mut command = self.command.clone();
        let item = command.items_mut().and_then(|items| items.first_mut());
        if let Some(item) = item {
            item.data = Some(match &self.content {
                Content::Text { text, .. } => {
                    let chunk = text.get(self.sent..end).unwrap_or_default();
                    Data::from(chunk.to_owned())
                }
                Content::Octets(octets) => {
                    let chunk = octets.get(self.sent..end).unwrap_or_default();
                    Data::from(chunk.to_vec())
                }
            });
            item.meta.size = self.last.is_none().then(|| self.size());
            item.more_data = length < self.rest();
        }
        command
    }

    /// Notes that a chunk of this many bytes was packed.
    pub(crate) const fn packed(&mut self, length: usize, msg_id: u32, id: CmdId) {
        self.sent = self.sent.saturating_add(length);
        self.last = Some((msg_id, id));
    }

    const fn octets(&self) -> &[u8] {
        self.content.octets()
    }
}

/// The bytes of a value as they are transported, as Size and MaxObjSize count them: base64 as text,
/// an embedded document as XML or as the octets it came in. [DM-Protocol §6]
#[must_use]
pub fn data_size(data: &Data<'_>) -> u64 {
    let bytes = match data {
        Data::Text(text) => text.len(),
        Data::Opaque(octets) => octets.len(),
        Data::Fragment(fragment) => match fragment.wbxml_document() {
            Some(octets) => octets.len(),
            None => data.to_text().map_or(0, |text| text.len()),
        },
    };
    bytes as u64
}

#[cfg(test)]
mod tests {
    use omadm_syncml::{Item, NodeCommand, Status};

    use crate::request::{self, Leaf};

    use super::*;

    fn text(text: &str) -> LargeObject {
        LargeObject::new(request::add("./A", text.into())).unwrap()
    }

    #[test]
    fn an_object_is_its_command_again() {
        let octets = request::replace("./A", Leaf::new(Format::Bin, vec![0xC3; 5]));
        for command in [request::add("./A", "äb".into()), octets] {
            let object = LargeObject::new(command.clone()).unwrap();
            assert_eq!(object.into_command(), command);
        }
    }

    #[test]
    fn chunks_end_where_characters_and_quanta_do() {
        let object = text("aäöb");
        assert_eq!(
            [0, 1, 2, 3, 4, 5].map(|n| object.cut(n)),
            [0, 1, 1, 3, 3, 5]
        );
        assert_eq!(object.cut(100), 6);
        let base64 = Leaf::new(Format::B64, "QUJD\r\nREVG R0hJ");
        let object = LargeObject::new(request::add("./A", base64)).unwrap();
        let cuts = [3, 4, 8, 9, 10, 11, 14].map(|n| object.cut(n));
        assert_eq!(cuts, [0, 4, 4, 4, 10, 10, 10]);
        assert_eq!(object.cut(15), 15);
        let octets = Leaf::new(Format::Bin, vec![0xC3; 5]);
        let object = LargeObject::new(request::add("./A", octets)).unwrap();
        assert_eq!([0, 3, 9].map(|n| object.cut(n)), [0, 3, 5]);
    }

    #[test]
    fn the_first_chunk_alone_says_the_size() {
        let mut object = text("abcdef");
        let of = |command: &Command<'static>| {
            let item = &command.items()[0];
            let data = item.data.as_ref().unwrap().as_text().unwrap().to_owned();
            assert_eq!(item.meta.format(), Ok(Format::Chr));
            (data, item.meta.size, item.more_data)
        };
        assert_eq!(of(&object.chunk(4)), ("abcd".into(), Some(6), true));
        assert!(!object.is_begun() && !object.is_complete());
        object.packed(4, 1, CmdId::FIRST);
        assert!(object.is_begun() && !object.is_complete());
        assert_eq!(of(&object.chunk(1)), ("e".into(), None, true));
        assert_eq!(of(&object.chunk(2)), ("ef".into(), None, false));
        object.packed(2, 2, CmdId::FIRST);
        assert!(object.is_complete());
    }

    #[test]
    fn only_values_are_cut() {
        let two = [Item::new().with_data("a"), Item::new().with_data("b")];
        for command in [
            request::get("./A"),
            request::delete("./A"),
            request::exec("./A", None),
            Command::Add(NodeCommand::new(two)),
            Command::Status(Status::new(1, CmdId::FIRST, "Get", StatusCode::OK)),
        ] {
            assert_eq!(LargeObject::new(command), None);
        }
    }

    #[test]
    fn refusals_of_the_last_chunk_and_1225_stop_it() {
        let mut object = text("abcdef");
        object.packed(3, 5, CmdId::FIRST);
        let status = |msg_ref, code| {
            Command::Status(Status::new(
                msg_ref,
                CmdId::FIRST,
                "Add",
                StatusCode::from(code),
            ))
        };
        let alert = |code| Command::Alert(omadm_syncml::Alert::new(code));
        for (answer, expected) in [
            (status(5, 213), None),
            (status(5, 200), None),
            (status(4, 424), None),
            (
                status(5, 424),
                Some(Stopped::Refused(StatusCode::SIZE_MISMATCH)),
            ),
            (
                status(5, 215),
                Some(Stopped::Refused(StatusCode::NOT_EXECUTED)),
            ),
            (alert(AlertCode::NEXT_MESSAGE), None),
            (alert(AlertCode::NO_END_OF_DATA), Some(Stopped::NoEndOfData)),
        ] {
            assert_eq!(object.stopped_by(&answer), expected, "{answer:?}");
        }
    }
}
