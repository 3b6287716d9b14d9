//! OMA VirMO 1.0 on a complete OMA DM stack: one crate that re-exports the rest.

/// The OMA Device Management stack, for any management object.
pub mod dm {
    pub use omadm_client as client;
    pub use omadm_core as core;
    pub use omadm_download as download;
    pub use omadm_http as http;
    pub use omadm_markup as markup;
    pub use omadm_mo as mo;
    pub use omadm_server as server;
    pub use omadm_session as session;
    pub use omadm_store as store;
    pub use omadm_syncml as syncml;
    pub use omadm_tree as tree;
}

pub use virmo_client as client;
pub use virmo_hypervisor as hypervisor;
pub use virmo_nodes as nodes;
pub use virmo_params as params;
pub use virmo_runtime as runtime;
pub use virmo_server as server;
pub use virmo_simulator as simulator;
pub use virmo_state as state;
