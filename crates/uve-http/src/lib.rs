//! UVE-2 and UVE-5 as JSON over HTTP, and user images in files.
//!
//! The text names no binding; this one is ours (unverified). Each function of the interfaces is one
//! `POST`:
//!
//! | path | request | answer |
//! |---|---|---|
//! | `/uve-5/notify-session-disconnect` | [`SessionDisconnect`](uve::SessionDisconnect) | `null` |
//! | `/uve-5/retrieve-uif` | `{"user"}` | [`Retrieved`](uve::Retrieved) |
//! | `/uve-5/read-uif` | [`ReadUif`](uve::ReadUif) | the octets |
//! | `/uve-5/begin-update` | [`BeginUpdate`](uve::BeginUpdate) | [`Begun`](uve::Begun) |
//! | `/uve-5/write-update` | [`WriteUpdate`](uve::WriteUpdate) and octets | how many bytes are there |
//! | `/uve-5/commit-update` | [`CommitUpdate`](uve::CommitUpdate) | the version |
//! | `/uve-5/renew-lease`, `/uve-5/release-lease` | `{"user"}` | seconds; `null` |
//! | `/uve-2/notify-monitoring` | [`MonitoringNotification`](uve::MonitoringNotification) | `null` |
//! | `/uve-2/deploy-ua`, `/uve-2/update-ua` | [`UaPackage`](uve::UaPackage) and octets | `null` |
//! | `/uve-2/delete-ua` | `{"ua"}` | `null` |
//! | `/uve-2/suspend-session` | `{"session"}` | `null` |
//!
//! The request is JSON in the body. Where the body is octets, the JSON is the percent-encoded
//! parameter `request` of the query. Octets are `application/octet-stream`, all else
//! `application/json`.
//!
//! A refusal is `{"error": …}`, the [`Uve2Error`](uve::Uve2Error) or [`Uve5Error`](uve::Uve5Error), with
//! its status:
//!
//! | status | UVE-5 | UVE-2 |
//! |---|---|---|
//! | 400 | `bad-request` with `reason` | `bad-request` with `reason` |
//! | 401 | `unauthorized` | `unauthorized` |
//! | 403 | `not-serving` | |
//! | 404 | `unknown-session`, `unknown-version`, `unknown-update` | `unknown-session`, `unknown-ua` |
//! | 409 | `conflict` with `current`, `wrong-offset` with `expected`, `incomplete` with `offset` | `already-deployed`, `in-use`, `not-monitored`, `too-many` |
//! | 413 | `too-large` with `limit` | `too-large` with `limit` |
//! | 422 | `digest-mismatch` | `digest-mismatch` |
//! | 423 | `leased` with `seconds` | |
//! | 500 | `failed` with `reason` | `failed` with `reason` |
//! | 501 | | `not-supported`: any other function, one on user images above all |
//! | 507 | `full` | |
//!
//! A request of UVE-5 has 1 MiB at most ([`VmConfig::piece`](uve_engine::VmConfig::piece) with it), one of
//! UVE-2 80 MiB ([`VmConfig::max_package`](uve_engine::VmConfig::max_package)), an answer 16 MiB
//! ([`VmmConfig::max_piece`](uve_engine::VmmConfig::max_piece)). What the HTTP server itself refuses, such as a
//! longer request, comes without JSON. `docs/uve.md` shows an update on the wire.
//!
//! Who calls proves itself by `Authorization: Bearer …`: each VM has a [`Token`] of its own, and the
//! VMM has one with each VM. A token is worth what the connection is worth: outside of one
//! machine put both sides behind TLS.
//!
//! ```
//! use std::{net::TcpListener, sync::Arc};
//!
//! use omadm_core::MemoryJournal;
//! use uve::{Uve5, Uve5Error};
//! use uve_engine::{EmbeddedDataCentre, MemoryBlobs, Vmm, VmmConfig};
//! use uve_http::{SystemClock, Token, Uve5Client, Uve5Service};
//!
//! let journal = Arc::new(MemoryJournal::new());
//! let blobs = Arc::new(MemoryBlobs::default());
//! let centre = EmbeddedDataCentre::open(journal.clone(), blobs, 1 << 20)?;
//! let clock = Arc::new(SystemClock);
//! let vmm = Arc::new(Vmm::open(journal, Arc::new(centre), clock, VmmConfig::default())?);
//! vmm.add_user(&"ann".parse()?)?;
//! vmm.select(&"ann".parse()?, &"editor".parse()?, &"vm-a".parse()?)?;
//!
//! let token = Token::new("a secret of vm-a")?;
//! let service = Uve5Service::new(vmm).with_vm("vm-a".parse()?, token.clone());
//! let server = service.serve(TcpListener::bind("127.0.0.1:0")?)?;
//!
//! let client = Uve5Client::new(&format!("http://{}", server.address()), token);
//! let retrieved = client.retrieve_uif(&"vm-a".parse()?, &"ann".parse()?)?;
//! assert_eq!(retrieved.image, None);
//!
//! let url = format!("http://{}", server.address());
//! let stranger = Uve5Client::new(&url, Token::new("a guess")?);
//! let refused = stranger.retrieve_uif(&"vm-a".parse()?, &"ann".parse()?);
//! assert_eq!(refused, Err(Uve5Error::Unauthorized));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client;
mod clock;
mod files;
mod service;
mod token;

pub use client::{Uve2Client, Uve5Client};
pub use clock::SystemClock;
pub use files::FileBlobs;
pub use omadm_http::Server;
pub use service::{Uve2Service, Uve5Service};
pub use token::{InvalidToken, Token};
