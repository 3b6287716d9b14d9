//! Run loops for VirMO devices and servers: the only library crate with threads, clocks and random
//! numbers.
//!
//! | feature | what | for |
//! |---|---|---|
//! | `device` | `Device`: the DM client engine, its objects, a worker for each machine | firmware |
//! | `server` | `Server`: the DM server engine behind an HTTP listener | DM servers |
//! | `tls`, `server-tls` | `https` for either, by rustls | both |
//!
//! The first two are on by default; firmware that turns `server` off builds no HTTP server, a server that
//! turns `device` off no HTTP client and no database.
//!
//! A device and a server in one process, over HTTP:
//!
//! ```
//! # #[cfg(all(feature = "device", feature = "server"))] {
//! use std::{net::TcpListener, sync::{Arc, mpsc}};
//!
//! use omadm_client::Config;
//! use omadm_mo::DevInfo;
//! use omadm_server::{EventKind, SingleCommand};
//! use virmo_runtime::{Device, Server, Until};
//! use virmo_simulator::Simulator;
//!
//! let (reports, told) = mpsc::channel();
//! let server = Server::builder()
//!     .programme(|_, _| vec![Box::new(SingleCommand::get("./VirMO/DeviceResources"))])
//!     .observer(move |event| {
//!         if let EventKind::ProcedureFinished { report, .. } = event.kind {
//!             reports.send(report).unwrap();
//!         }
//!     })
//!     .start(TcpListener::bind("127.0.0.1:0")?)?;
//!
//! let folder = tempfile::tempdir()?;
//! let hypervisor = Simulator::builder(folder.path().join("machines")).open()?;
//! let config = Config::new("dm.example".parse()?, server.url());
//! let info = DevInfo {
//!     dev_id: "urn:example:device-7".to_owned(),
//!     man: "Example".to_owned(),
//!     model: "One".to_owned(),
//!     dmv: "1.0".to_owned(),
//!     lang: "en".to_owned(),
//! };
//! let mut device = Device::builder(Arc::new(hypervisor), config, info)
//!     .state(folder.path())
//!     .build()?;
//! device.run(Until::SessionEnds)?;
//!
//! let report = told.recv()?;
//! assert_eq!(report.value.as_deref(), Some("RAM=4294967296&Storage=34359738368"));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(any(feature = "device", feature = "server"))]
mod chain;
#[cfg(any(feature = "device", feature = "server"))]
mod clock;
#[cfg(feature = "device")]
mod device;
#[cfg(any(feature = "device", feature = "server"))]
mod random;
#[cfg(feature = "server")]
mod server;

#[cfg(feature = "device")]
pub use device::{
    BuildError, Device, DeviceBuilder, DeviceEvent, DeviceState, ExchangeError, Handle, Observer,
    Reply, RunError, StateError, Transport, Unattended, Until, UserInterface,
};
#[cfg(feature = "server")]
pub use random::correlator_prefix;
#[cfg(any(feature = "device", feature = "server"))]
pub use random::session_id;
#[cfg(feature = "server")]
pub use server::{Programme, Server, ServerBuilder};
