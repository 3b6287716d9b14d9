use omadm_syncml::{CmdId, Command, EncodeError, Encoder, Header, OutputEncoding};

use crate::large::{LargeObject, MIN_CHUNK};

/// How much longer the CmdID of an element may become by those that come before it.
const MAX_ID_DIGITS: usize = 9;

/// Fills one message up to a size and numbers its commands. [DM-Protocol]
///
/// 1. [`Packer::require`] appends what the message must hold, the Status of the header first.
/// 2. [`Packer::push`] appends element after element of the caller's queue until one does not fit.
/// 3. [`Packer::finish`] ends the message, with Final if the package is complete.
///
/// An element that fits no message is cut into chunks if it is a [`LargeObject`], with
/// [`Packer::push_chunk`]; the caller replaces any other (a Results by its Status 413) or drops it.
///
/// ```no_run
/// use omadm_session::{Fit, Packer, header_status};
/// use omadm_syncml::{Command, Encoding, Header};
/// # use omadm_core::StatusCode;
/// # fn fill(
/// #     header: &Header<'_>, request: &Header<'_>, queue: &mut Vec<Command<'static>>,
/// # ) -> Result<Vec<u8>, omadm_syncml::EncodeError> {
/// let mut out = Vec::new();
/// let mut packer = Packer::new(header, Encoding::Xml, 5000, &mut out)?;
/// let status = header_status(request, StatusCode::OK);
/// packer.require(&mut Command::Status(status))?;
/// while let Some(mut command) = queue.pop() {
///     match packer.push(&mut command)? {
///         Fit::Packed(_) => {}
///         Fit::Full => {
///             queue.push(command);
///             break;
///         }
///         Fit::Never => {} // too large for any message
///     }
/// }
/// packer.finish(queue.is_empty());
/// # Ok(out) }
/// ```
#[derive(Debug)]
pub struct Packer<'o> {
    encoder: Encoder<'o>,
    msg_id: u32,
    limit: usize,
    /// What is kept free for a chunk.
    chunk: usize,
    next: CmdId,
    pushed: bool,
}

/// Whether an element found room: [`Packer::push`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fit {
    /// It is in the message, under this id.
    Packed(CmdId),
    /// It does not fit beside what is there; it may fit into the next message.
    Full,
    /// It does not fit though no other optional element is there: it fits into no message.
    Never,
}

impl<'o> Packer<'o> {
    /// Begins a message of at most `limit` bytes at the end of `out`.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]; `out` is then as it was.
    pub fn new(
        header: &Header<'_>,
        encoding: impl Into<OutputEncoding>,
        limit: usize,
        out: &'o mut Vec<u8>,
    ) -> Result<Self, EncodeError> {
        Ok(Self {
            encoder: Encoder::new(header, encoding, out)?,
            msg_id: header.msg_id,
            limit,
            chunk: 0,
            next: CmdId::FIRST,
            pushed: false,
        })
    }

    /// Keeps this many bytes of the limit free for what is [required](Self::require) later.
    pub const fn reserve(&mut self, bytes: usize) {
        self.limit = self.limit.saturating_sub(bytes);
    }

    /// Whether what is [required](Self::require) so far, and what is [reserved](Self::reserve), is
    /// beyond the limit.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.encoder.len() > self.limit
    }

    /// Keeps room for the [next chunk](Self::push_chunk) of an object while other elements are
    /// pushed, as chunks go in consecutive messages. A chunk that fits no message keeps none.
    /// [DM-Protocol §6]
    pub fn reserve_chunk(&mut self, object: &LargeObject) {
        let room = self.limit.saturating_sub(self.encoder.len());
        if let Ok(Some(left)) = self.room_beside(&mut object.smallest_chunk()) {
            let size = room.saturating_sub(left);
            self.chunk = size.saturating_add(MAX_ID_DIGITS).min(room);
        }
    }

    /// Appends an element even beyond the limit and gives it, and the commands inside it, their
    /// ids.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]; the message is then as it was.
    pub fn require(&mut self, command: &mut Command<'_>) -> Result<CmdId, EncodeError> {
        let first = self.next;
        let next = number(command, first);
        self.encoder.push(command)?;
        self.next = next;
        Ok(first)
    }

    /// Appends an element if it fits and gives it, and the commands inside it, their ids.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]; the message is then as it was.
    pub fn push(&mut self, command: &mut Command<'_>) -> Result<Fit, EncodeError> {
        let first = self.next;
        let next = number(command, first);
        self.encoder.push(command)?;
        if self.encoder.len() <= self.limit.saturating_sub(self.chunk) {
            self.next = next;
            self.pushed = true;
            return Ok(Fit::Packed(first));
        }
        self.encoder.pop();
        Ok(self.full())
    }

    /// Appends the next chunk of a large object, as much of it as fits and at least [`MIN_CHUNK`]
    /// bytes, and gives it its id. Nothing but Status and Alert may follow in this message unless
    /// the object is complete.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]; the message and the object are then as they were.
    pub fn push_chunk(&mut self, object: &mut LargeObject) -> Result<Fit, EncodeError> {
        self.chunk = 0;
        let Some(length) = self.longest_chunk(object)? else {
            return Ok(self.full());
        };
        let fit = self.push(&mut object.chunk(length))?;
        if let Fit::Packed(id) = fit {
            object.packed(length, self.msg_id, id);
        }
        Ok(fit)
    }

    /// The length of the longest chunk that fits, up to a few bytes; none if it is not worth it.
    fn longest_chunk(&mut self, object: &LargeObject) -> Result<Option<usize>, EncodeError> {
        let rest = object.rest();
        let least = object.cut(MIN_CHUNK);
        let Some(room) = self.room_beside(&mut object.smallest_chunk())? else {
            return Ok(None);
        };
        // What is certain to fit, and what is certain not to: a byte takes at least a byte. The
        // length of octets takes up to four bytes more.
        let (mut fits, mut most) = (least, least.saturating_add(room).min(rest));
        let mut guess = if most == rest {
            most
        } else {
            most.saturating_sub(4)
        };
        while fits < most {
            let length = object.cut(guess);
            if length <= fits || self.room_beside(&mut object.chunk(length))?.is_some() {
                fits = fits.max(length);
                if guess.saturating_add(4) >= most {
                    break;
                }
                guess = guess.midpoint(most).saturating_add(1).min(most);
            } else {
                most = guess.saturating_sub(1);
                guess = fits.midpoint(most);
            }
        }
        Ok(Some(fits))
    }

    /// How many bytes are left beside this command, if it fits.
    fn room_beside(&mut self, command: &mut Command<'_>) -> Result<Option<usize>, EncodeError> {
        number(command, self.next);
        self.encoder.push(command)?;
        let room = self.limit.checked_sub(self.encoder.len());
        self.encoder.pop();
        Ok(room)
    }

    const fn full(&self) -> Fit {
        if self.pushed || self.chunk > 0 {
            Fit::Full
        } else {
            Fit::Never
        }
    }

    /// Ends the message, with or without Final.
    pub fn finish(self, is_final: bool) {
        self.encoder.finish(is_final);
    }
}

/// Numbers a command and the ones inside it in document order; the id after the last one.
fn number(command: &mut Command<'_>, first: CmdId) -> CmdId {
    let mut next = first;
    let mut open = Vec::new();
    let mut innermost = Some(command);
    while let Some(command) = innermost {
        command.set_cmd_id(next);
        next = next.next();
        if let Command::Atomic(group) | Command::Sequence(group) = command {
            open.extend(group.commands.iter_mut().rev());
        }
        innermost = open.pop();
    }
    next
}

#[cfg(test)]
mod tests {
    use omadm_syncml::{Group, NodeCommand};

    use super::*;

    fn ids(command: &Command<'_>) -> Vec<u32> {
        let mut found = vec![command.cmd_id().unwrap().get()];
        if let Command::Atomic(group) | Command::Sequence(group) = command {
            found.extend(group.commands.iter().flat_map(ids));
        }
        found
    }

    #[test]
    fn commands_inside_groups_are_numbered_in_document_order() {
        let leaf = || Command::Delete(NodeCommand::default());
        let mut command = Command::Sequence(Group::new([
            leaf(),
            Command::Atomic(Group::new([leaf(), leaf()])),
            leaf(),
        ]));
        let next = number(&mut command, CmdId::new(5).unwrap());
        assert_eq!(ids(&command), [5, 6, 7, 8, 9, 10]);
        assert_eq!(next.get(), 11);
    }
}
