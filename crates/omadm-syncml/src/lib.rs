//! SyncML messages of OMA DM as typed values that borrow from their input. [DM-RepPro]
//!
//! [`decode`] reads a whole [`Message`], [`encode`] writes one; an [`Encoder`] fills one up to a
//! size. The types mirror the specification: plain public fields, elements by their own names,
//! absent and empty kept apart, commands in document order. What a message means is for the floors
//! above; here a `LocURI` is text, and an illegal command is kept so that it can be answered.
//!
//! ```
//! use omadm_core::{Format, StatusCode};
//! use omadm_syncml::{
//!     CmdId, Command, Encoding, Header, Item, Limits, Message, Meta, NodeCommand, decode, encode,
//! };
//!
//! let meta = Meta::new().with_format(Format::Node);
//! let item = Item::new().with_target("./VirMO/entvm").with_meta(meta);
//! let mut message = Message::new(Header::new("1F", 1, "urn:x:dev1", "https://dm.example/"));
//! message.commands.push(Command::Add(NodeCommand::new([item]).with_cmd_id(CmdId::FIRST)));
//! message.is_final = true;
//!
//! let mut xml = Vec::new();
//! encode(&message, Encoding::Xml, &mut xml)?;
//! assert_eq!(decode(&xml, Encoding::Xml, &Limits::default())?, message);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Alerts have typed views: [`Alert::from_generic`] and [`Alert::generic_alerts`] for Generic
//! Alerts, [`Alert::from_interaction`], [`Alert::user_interaction`], [`Status::with_answer`] and
//! [`Status::answer`] for user interactions.
//!
//! # Hostile input
//!
//! Decoding never panics, never recurses and keeps within [`Limits`]; a message that does not decode
//! is a [`DecodeError`] with a kind and an offset and leaves nothing behind.
//!
//! # Features
//!
//! - `serde`: the types implement `Serialize` and `Deserialize`. Objects have the fields of the types
//!   under the same names, but [`Message::is_final`] is `final` and [`Meta::media_type`] is `type`;
//!   what is absent, false or an empty list is left out, and an unknown field is an error. A command
//!   is an object of one field, its name in snake case: `{"add": {"cmd_id": 1, "items": []}}`.
//!   Codes and ids are numbers; a `cmd_ref` is 0 for the header and null if it is empty. [`Data`] is
//!   a string, `{"hex": "00ff"}` or `{"xml": "<MgmtTree…"}`. These names are stable; it is a view
//!   for people and tools, not a durable format.
//! - `proptest`: strategies for whole messages, in `strategies`.

mod command;
mod decode;
mod encode;
mod error;
mod generic_alert;
mod interaction;
mod item;
#[cfg(feature = "serde")]
mod json;
mod limits;
mod media_type;
mod message;
mod meta;
#[cfg(feature = "proptest")]
pub mod strategies;
mod version;

pub use omadm_markup::{Encoding, Fragment, OutputEncoding, PublicId, WbxmlOptions, WbxmlVersion};

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
pub use version::Version;
