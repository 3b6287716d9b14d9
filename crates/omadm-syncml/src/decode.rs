use omadm_markup::Encoding;

use crate::{Command, DecodeError, DecodeErrorKind, Limits, Message};

/// Decodes a whole message, borrowing from `bytes` wherever it can.
///
/// # Errors
///
/// [`DecodeError`] with the kind and the byte offset of the first fault.
pub fn decode<'a>(
    bytes: &'a [u8],
    encoding: Encoding,
    limits: &Limits,
) -> Result<Message<'a>, DecodeError> {
    let _ = (bytes, encoding, limits);
    Err(DecodeError {
        kind: DecodeErrorKind::UnsupportedEncoding,
        offset: 0,
    })
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
) -> Result<Command<'a>, DecodeError> {
    let _ = (bytes, encoding, limits);
    Err(DecodeError {
        kind: DecodeErrorKind::UnsupportedEncoding,
        offset: 0,
    })
}
