//! SyncML messages of OMA DM as typed values that borrow from their input.

mod command;
mod decode;
mod encode;
mod error;
mod generic_alert;
mod interaction;
mod item;
mod limits;
mod media_type;
mod message;
mod meta;

pub use omadm_markup::{Encoding, Fragment};

pub use command::{
    Alert, CmdId, CmdRef, Command, Exec, Group, NodeCommand, Refs, Results, Status, Unsupported,
};
pub use decode::{decode, decode_command};
pub use encode::{Encoder, encode, encode_command};
pub use error::{DecodeError, DecodeErrorKind, EncodeError};
pub use generic_alert::GenericAlertError;
pub use interaction::InteractionError;
pub use item::{Data, Item, Location};
pub use limits::Limits;
pub use media_type::{encoding_of, media_type};
pub use message::{Header, Message};
pub use meta::{Chal, Cred, Meta};
