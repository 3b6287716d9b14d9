//! The HTTP binding of OMA DM: client, server and fetch. [DM-HTTP]
//!
//! | feature | what | for |
//! |---|---|---|
//! | `client` | [`HttpTransport`] posts a DM message and waits for the answer, or a notification | devices, servers |
//! | `fetch` | [`HttpFetch`] downloads files, in parts if need be | devices |
//! | `server` | [`Server`] hands DM messages to a [`Handler`] and serves files, or takes [`Notifications`] | servers, devices |
//! | `tls` | `https` in `client` and `fetch`, by rustls | devices |
//! | `server-tls` | `https` in `server`, by rustls | servers |
//!
//! The first three are on by default; a device that turns `server` off builds no server.
//!
//! Everything blocks; inside, the server is asynchronous, on one thread and a pool for handlers that
//! are not quick.
//! [`SystemClock`] is the real [`Clock`](omadm_download::Clock) of a download.
//!
//! ```
//! # #[cfg(all(feature = "client", feature = "server"))] {
//! use std::{net::TcpListener, sync::Arc};
//!
//! use omadm_download::Cancel;
//! use omadm_http::{
//!     ClientConfig, Encoding, Handler, HttpTransport, Incoming, Outgoing, Post, Server,
//!     ServerConfig,
//! };
//!
//! /// A DM server that sends every message back.
//! struct Mirror;
//!
//! impl Handler for Mirror {
//!     fn handle(&self, request: &Incoming) -> Outgoing {
//!         match request.encoding() {
//!             Some(encoding) => Outgoing::message(encoding, request.body.clone()),
//!             None => Outgoing::status(400),
//!         }
//!     }
//! }
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let server = Server::start(listener, Arc::new(Mirror), ServerConfig::default())?;
//! let url = format!("http://{}/dm", server.address());
//!
//! let transport = HttpTransport::new(ClientConfig::default());
//! let post = Post::new(&url, Encoding::Xml, b"<SyncML/>");
//! let reply = transport.post(&post, &Cancel::new())?;
//! assert_eq!(reply.body, b"<SyncML/>");
//! server.stop();
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(any(feature = "client", feature = "fetch"))]
mod agent;
#[cfg(feature = "client")]
mod client;
mod clock;
#[cfg(feature = "fetch")]
mod fetch;
#[cfg(any(feature = "client", feature = "server"))]
mod hmac;
#[cfg(any(feature = "tls", feature = "server-tls"))]
mod pem;
#[cfg(feature = "server")]
mod server;
#[cfg(all(feature = "tls", any(feature = "client", feature = "fetch")))]
mod tls;

#[cfg(feature = "client")]
pub use client::{ClientConfig, HttpTransport, Post, Reply, TransportError, TransportErrorKind};
pub use clock::SystemClock;
#[cfg(feature = "fetch")]
pub use fetch::{FetchConfig, HttpFetch};
#[cfg(any(feature = "client", feature = "server"))]
pub use omadm_syncml::Encoding;
#[cfg(any(feature = "tls", feature = "server-tls"))]
pub use pem::InvalidPem;
#[cfg(feature = "server-tls")]
pub use server::ServerTls;
#[cfg(feature = "server")]
pub use server::{
    Files, Handler, Incoming, InstallReport, Notifications, Outgoing, Refused, Server, ServerConfig,
};
#[cfg(all(feature = "tls", any(feature = "client", feature = "fetch")))]
pub use tls::Tls;
