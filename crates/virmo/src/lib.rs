//! OMA VirMO 1.0 on an OMA DM stack of its own: devices whose virtual machines a server manages,
//! and the servers that manage them.
//!
//! This crate holds no code. It re-exports the crates of the workspace under one name and one
//! version, the ways most programs go at its root.
//!
//! # A quick tour
//!
//! A server reads everything a device has to say about its machines, and then delivers an image to
//! it. Both ends are in one process and talk HTTP:
//!
//! ```
//! # #[cfg(all(feature = "device", feature = "server"))] {
//! use std::{net::TcpListener, sync::Arc};
//!
//! use virmo::{
//!     DeliverImage, Device, Mounts, Procedure, Server, Simulator, TakeSnapshot, Until,
//!     dm::{client::Config, http::Files, mo::DevInfo, server::EventKind},
//! };
//!
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! # std::fs::create_dir(folder.join("images"))?;
//! std::fs::write(folder.join("images/work.img"), "an image")?;
//!
//! // The server: what every device goes through, and what is heard of it.
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let uri = format!("http://{}/images/work.img", listener.local_addr()?);
//! let image = Mounts::default().image("work")?;
//! let server = Server::builder()
//!     .files(Files::new(folder.join("images")))
//!     .programme(move |_device, _place| -> Vec<Box<dyn Procedure>> {
//!         let media_type = "application/octet-stream";
//!         let deliver = DeliverImage::new(image.clone(), "android", &uri, media_type);
//!         vec![Box::new(TakeSnapshot::new(Mounts::default())), Box::new(deliver)]
//!     })
//!     .observer(|event| {
//!         if let EventKind::ProcedureFinished { report, .. } = event.kind {
//!             assert!(report.ok, "{report:?}");
//!         }
//!     })
//!     .start(listener)?;
//!
//! // The device: a hypervisor, a server, a name.
//! let hypervisor = Arc::new(Simulator::open(folder.join("machines"))?);
//! let config = Config::new("dm.example".parse()?, server.url());
//! let info = DevInfo {
//!     dev_id: "urn:example:device:1".to_owned(),
//!     man: "Example".to_owned(),
//!     model: "Board".to_owned(),
//!     dmv: "1.0".to_owned(),
//!     lang: "en".to_owned(),
//! };
//! let mut device = Device::builder(hypervisor, config, info).build()?;
//! device.run(Until::Idle)?;
//!
//! let state = device.client().tree().node(&"./VMImgMO/work/State".parse()?);
//! assert_eq!(state.and_then(|node| node.text()), Some("2")); // Downloaded
//! server.stop();
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to go
//!
//! | you want to | see |
//! |---|---|
//! | put VirMO into a firmware | [below](#a-device), [`Device`] |
//! | drive a hypervisor of your own | [`Hypervisor`], and the contract suite of [`hypervisor`] |
//! | manage devices from a server | [below](#a-server), [`Server`] |
//! | keep the DM client you have | [`client`]: the VirMO Client as one management object |
//! | keep the DM server you have | [`server`]: the procedures without an engine |
//! | manage a device without VMs | [`dm`]: no crate there knows what a VM is |
//! | read or write SyncML, and nothing else | [`dm::syncml`] |
//! | read `CreateParams` or `CurrentConfig` | [`params`] |
//!
//! Every module is a crate of its own: `virmo::params` is `virmo-params`, `virmo::dm::tree` is
//! `omadm-tree`. To take a single one, depend on it and not on this crate; the README of the
//! repository says what each costs.
//!
//! # A device
//!
//! [`Device::builder`] takes a [`Hypervisor`], the server ([`dm::client::Config`]) and what the
//! device calls itself ([`dm::mo::DevInfo`]). [`DeviceBuilder::state`] names the folder that keeps
//! tree, images and undelivered alerts; without it everything is gone at the end.
//! [`Device::run`] holds sessions on the calling thread for as long as [`Until`] says.
//!
//! `examples/vendor_device.rs` is a device with a hypervisor of its own, and
//! [docs/embedding-device.md](https://github.com/virmo/virmo/blob/main/docs/embedding-device.md)
//! goes through all the parts a firmware can replace.
//!
//! # A server
//!
//! [`Server::builder`] needs a listener and nothing else. What is done on a device is a
//! [`Procedure`]: those of VirMO are [`DeliverImage`], [`CreateVm`], [`Operate`],
//! [`ApplyResources`] and [`TakeSnapshot`], any other command is a
//! [`SingleCommand`](dm::server::SingleCommand). They are queued for each device
//! ([`Server::enqueue`], [`ServerBuilder::programme`]), survive the end of a session, and are
//! handed back with their outcome.
//!
//! `examples/server.rs` takes one device through the life of a machine, and
//! [docs/embedding-server.md](https://github.com/virmo/virmo/blob/main/docs/embedding-server.md)
//! says how to put the engine behind an HTTP server you have already.
//!
//! # Features
//!
//! | feature | default | what |
//! |---|---|---|
//! | `device` | yes | the client engine, the VirMO Client, the simulator, durable state |
//! | `server` | yes | the server engine, the VirMO procedures |
//! | `gateway` | no | a DM gateway in a device: clients behind it, as in guests ([`dm::gateway`](https://docs.rs/omadm-gateway)) |
//! | `serde` | no | JSON views of messages and parameters |
//!
//! # Errors
//!
//! Each crate has its own error types, by whose fault it is; none shows a type of a dependency.
//! What a peer does wrong is no error of the program: it gets a status, and an event tells of it.
//! On a device [`BuildError`](runtime::BuildError) and [`RunError`](runtime::RunError) are all
//! there is to handle; on a server a [`Report`](dm::session::Report) says how a procedure ended.
//!
//! # Limits
//!
//! Whatever a peer can make a program spend has a limit with a default. They are in
//! [`dm::client::Config`] and [`dm::server::Config`] (messages, sessions, queues, time), in their
//! [`dm::syncml::Limits`] and [`dm::markup::Limits`] (one message), in [`dm::tree::TreeLimits`],
//! [`dm::download::Policy`], [`params::Limits`] and the settings of [`dm::http`].
//!
//! # Logs
//!
//! Nothing here logs. What happens comes as an event to the observer of a device or a server, to
//! be handed to whatever the program logs with.

/// The OMA Device Management stack, for any management object.
pub mod dm {
    #[cfg(feature = "device")]
    pub use omadm_client as client;
    pub use omadm_core as core;
    pub use omadm_download as download;
    #[cfg(feature = "gateway")]
    pub use omadm_gateway as gateway;
    pub use omadm_http as http;
    pub use omadm_markup as markup;
    pub use omadm_mo as mo;
    pub use omadm_objects as objects;
    #[cfg(feature = "server")]
    pub use omadm_server as server;
    pub use omadm_session as session;
    #[cfg(any(feature = "device", feature = "server"))]
    pub use omadm_store as store;
    pub use omadm_syncml as syncml;
    pub use omadm_tree as tree;
}

pub use virmo_nodes as nodes;
pub use virmo_params as params;
pub use virmo_runtime as runtime;
#[cfg(feature = "server")]
pub use virmo_server as server;
pub use virmo_state as state;
#[cfg(feature = "device")]
pub use {
    virmo_client as client, virmo_guest as guest, virmo_hypervisor as hypervisor,
    virmo_simulator as simulator,
};

pub use virmo_state::{ImageState, VmId, VmState};
#[cfg(feature = "server")]
pub use {
    omadm_session::Procedure,
    virmo_runtime::{Server, ServerBuilder},
    virmo_server::{ApplyResources, CreateVm, DeliverImage, Mounts, Operate, TakeSnapshot},
};
#[cfg(feature = "device")]
pub use {
    virmo_hypervisor::{Hypervisor, VmSpec},
    virmo_runtime::{Device, DeviceBuilder, DeviceEvent, Until},
    virmo_simulator::Simulator,
};

/// The guides of the repository, so that their examples are compiled.
#[cfg(all(doctest, feature = "device", feature = "server"))]
mod guides {
    #[doc = include_str!("../../../docs/embedding-device.md")]
    mod device {}
    #[doc = include_str!("../../../docs/embedding-server.md")]
    mod server {}
}
