//! What a guest runs to be managed by its host, and the words both use. [VirMO §11.2]
//!
//! With the shared DM client a machine has no DM client of its own: the one of the device takes the
//! commands for it and hands them on. This crate is the way between them.
//!
//! - [`Frame`], [`Deframer`]: messages on a byte stream that loses, adds and cuts octets, such as a
//!   serial port or a virtio-serial port.
//! - [`Request`] and [`Reply`]: what host and guest say to each other, SyncML in either encoding.
//! - [`Responder`] is the guest's end, for what implements [`Guest`]; [`HostEnd`] is the host's end
//!   of the framing, for back ends. Neither does any I/O.
//! - [`MemoryGuest`] is a guest to try things with. The example `serve` puts it on a device file, a
//!   Unix socket or standard input and output.
//!
//! ```
//! use omadm_core::StatusCode;
//! use omadm_syncml::Encoding;
//! use omadm_tree::{NewNode, Value};
//! use virmo_guest::{Command, Limits, MemoryGuest, Outcome, Reply, Request, Responder};
//!
//! let mut guest = Responder::new(MemoryGuest::new());
//! let settings = "./Settings".parse()?;
//! let volume: omadm_tree::Uri = "./Settings/volume".parse()?;
//! let request = Request::new("1", 1, vec![
//!     Command::Add { uri: settings, node: NewNode::INTERIOR },
//!     Command::Add { uri: volume.clone(), node: NewNode::Leaf(Value::int(7)) },
//!     Command::Get { uri: volume },
//! ]);
//! let message = request.encode(Encoding::Wbxml)?;
//! let reply = Reply::decode(&guest.answer(&message), &request, &Limits::default())?;
//! assert!(reply.answers.iter().all(|answer| answer.status == StatusCode::OK));
//! assert_eq!(reply.answers[2].outcome, Outcome::Value(Value::int(7)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a guest has to do
//!
//! 1. Open the line to its host with every translation off (`stty raw -echo` for a serial port),
//!    and read. A line nobody is at reads as ended: wait and read on.
//! 2. Hand what comes to [`Responder::receive`], and send what that returns. It is up to the guest
//!    to answer within the host's time, 30 seconds unless it is set otherwise.
//! 3. Keep [`News`] until they are [received](Guest::received). The host asks for them from time to
//!    time; the guest never speaks by itself.
//!
//! # The messages
//!
//! | what | element |
//! |---|---|
//! | who speaks | SyncHdr; SessionID names a run of the host, MsgID counts its requests and is the same in the reply; MaxMsgSize bounds the reply |
//! | a command | Add, Replace, Delete, Copy, Get, Exec with one Item; Alert 1100 to 1104 asks the user |
//! | its answer | Status, and Results of a Get; the answer of a user as in a DM session |
//! | news | Alert 1226 with one Item; Replace, Add of an interior node, Delete for what the guest changed by itself. The CmdID is the number of the news and stays the same in every reply |
//! | a receipt | Status for news in a later request: MsgRef and CmdRef name the reply and the news |
//!
//! A guest that cannot read a request replies with no message at all. [VirMO §11.2] leaves all of
//! this to the device; nothing here is seen by a server.
//!
//! # Objects the host has
//!
//! LAWMO, and FUMO and SCOMO where a server Adds them, are the host's, which knows them by their
//! Type: their states, result codes and alerts. What they are about is in the guest, so the host writes what an operation needs to
//! the guest's own object at the same place, such as `./FUMO`, and then executes the operation:
//!
//! | operation | given before | while at it | when done |
//! |---|---|---|---|
//! | `./FUMO/Download` | `PkgURL` below it | `./FUMO/State` 30 | 40; 20 if it failed |
//! | `./FUMO/Update` | `PkgData` below it, unless the guest has downloaded the package | `./FUMO/State` 60 | 100, or 90 if it keeps the package; 70 if it failed, 80 if the package is dropped |
//! | `./SCOMO/Download/<id>/Operations/Download` | `PkgID`, `PkgURL` | its `Status` 30 | 40; 20 if it failed |
//! | `./SCOMO/Inventory/Delivered/<id>/Operations/Install`, `InstallInactive` | `PkgID`, what there is of `Name`, `InstallParams`, `EnvType` and `PkgType`, and `Data` unless the guest has downloaded the package | its `Status` 40 | 10; 50 if it failed |
//! | `./SCOMO/Inventory/Deployed/<x>/Operations/Activate`, `Deactivate`, `Remove` | – | its `Status` 50, 70, 30 | 10, or no node after Remove; anything else if it failed |
//! | `./LAWMO/Operations/FullyLock`, `PartiallyLock`, `UnLock` | – | – | only where the hypervisor cannot lock the input |
//! | `./LAWMO/Operations/Wipe` | `AvailableWipeList/<x>/ToBeWiped` of each | – | – |
//! | `./LAWMO/Operations/FactoryReset` | – | – | – |
//!
//! `<id>` is the PkgID, which has to be the name of a node. The guest makes what it is given and
//! does not have, or lets it be Added. It answers an Exec with
//!
//! - 200 when it is done;
//! - 202 if it is at it, but for LAWMO: the host reads the state from time to time, and keeps
//!   asking while the guest restarts;
//! - 404 if it has no such operation;
//! - another status if it failed, with the result code of the object in an Item if it knows one.
//!
//! An alert is not needed: the host drops the one with the result. An operation may be asked for
//! again after the host has restarted. A package reaches the guest in one message, so one over DM
//! is limited by [`Limits::max_bytes`]. A guest keeps its lock when it restarts.
//!
//! The components in the guest are the children of `./SCOMO/Inventory/Deployed`: their `ID`,
//! `PkgIDRef`, `Name`, `Version`, `Description`, `EnvType` and `State` (20 active). The host reads
//! them after each operation; when its user changes them, and when it starts, the guest tells so by
//! news. The children of `./LAWMO/AvailableWipeList`, with their `ListItemName`, it tells by news
//! alone.
//!
//! # Hostile guests
//!
//! Reading never panics and keeps within [`Limits`]; the host holds one frame of a guest at most.

mod crc;
mod error;
mod frame;
mod host;
mod limits;
mod memory;
mod message;
mod responder;
mod value;
mod wire;

pub use error::{MessageError, Unencodable};
pub use frame::{Deframer, Frame, FrameKind, Noise};
pub use host::{HostEnd, ReplyTooLong};
pub use limits::Limits;
pub use memory::MemoryGuest;
pub use message::{Answer, Command, Happening, News, Outcome, Receipt, Reply, Request};
pub use responder::{Guest, Responder};
pub use wire::encoding_of;
