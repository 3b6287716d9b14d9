use omadm_syncml::{DecodeError, EncodeError};

/// Why octets are no message between a host and a guest.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// They are no SyncML message, or one beyond the limits.
    #[error("not a message")]
    Syncml(#[from] DecodeError),
    /// The guest could not read the request: its reply is empty.
    #[error("the guest could not read the request")]
    NotUnderstood,
    /// The reply is one to another request.
    #[error("reply to another request")]
    WrongRequest,
    /// A Status or Results refers to no command of the request.
    #[error("an answer to no command")]
    WrongReference,
    /// The command, counted from 0, has no Status, or a Get that succeeded no Results.
    #[error("command {0} is not answered")]
    Unanswered(usize),
    /// The command of the message, counted from 0, means nothing here, or lacks something.
    #[error("command {0} cannot be read")]
    Command(usize),
}

omadm_core::debug_as_causes!(MessageError);

/// Why a message cannot be written in an encoding: a text has characters it does not have.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not to be written in this encoding")]
pub struct Unencodable(#[from] EncodeError);

omadm_core::debug_as_causes!(Unencodable);
