use omadm_markup::Encoding;

use crate::{Command, EncodeError, Header, Message};

/// Appends a whole message to `out`, elements in the order of the DTD.
///
/// # Errors
///
/// [`EncodeError`]; `out` is then as it was.
pub fn encode(
    message: &Message<'_>,
    encoding: Encoding,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let mut encoder = Encoder::new(&message.header, encoding, out)?;
    for command in &message.commands {
        encoder.push(command)?;
    }
    encoder.finish(message.is_final);
    Ok(())
}

/// Appends one command as a document of its own, without a namespace declaration on it.
///
/// # Errors
///
/// [`EncodeError`]; `out` is then as it was.
pub fn encode_command(
    command: &Command<'_>,
    encoding: Encoding,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let _ = (command, encoding, out);
    Err(EncodeError::UnsupportedEncoding)
}

/// Encodes a message command by command, so that it can be filled up to a size.
///
/// 1. [`Encoder::new`] appends the header.
/// 2. [`Encoder::push`] appends a command; [`Encoder::len`] is the size of the message if it ended
///    here; [`Encoder::pop`] takes the last command back.
/// 3. [`Encoder::finish`] ends the message. An encoder that is dropped without it leaves nothing.
#[derive(Debug)]
pub struct Encoder<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
}

impl<'o> Encoder<'o> {
    /// Begins a message at the end of `out`.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]; `out` is then as it was.
    pub fn new(
        header: &Header<'_>,
        encoding: Encoding,
        out: &'o mut Vec<u8>,
    ) -> Result<Self, EncodeError> {
        let _ = (header, encoding);
        let start = out.len();
        let _ = Self { out, start };
        Err(EncodeError::UnsupportedEncoding)
    }

    /// Appends a command.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]; the message is then as it was before the command.
    pub fn push(&mut self, command: &Command<'_>) -> Result<(), EncodeError> {
        let _ = command;
        Err(EncodeError::UnsupportedEncoding)
    }

    /// Takes the command appended last back; once per [`Encoder::push`].
    pub fn pop(&mut self) {}

    /// The size of the message in bytes if it were finished now with `Final`.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a message is never empty")]
    pub fn len(&self) -> usize {
        self.out.len() - self.start
    }

    /// Ends the message, with or without `Final`.
    pub fn finish(self, is_final: bool) {
        let _ = is_final;
    }
}
