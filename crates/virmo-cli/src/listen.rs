//! The listener of a device for notifications.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use virmo::{
    dm::http::{Notifications, Server, ServerConfig},
    runtime::Handle,
};

use crate::{
    failure::Failure,
    output::{Event, Output},
};

/// Hands the notifications that come to a device, until what it returns is dropped.
pub(crate) fn start(
    address: SocketAddr,
    handle: Handle,
    output: &Arc<Output>,
) -> Result<Server, Failure> {
    let told = Arc::clone(output);
    let notifications =
        Notifications::new(move |octets| handle.notify(octets)).refusals(move |request| {
            let message = format!(
                "HTTP {} {} from {} was answered with {}",
                request.method, request.target, request.remote, request.status
            );
            told.event(&Event::Error { message });
        });
    let failed = |error| Failure::work(format_args!("--listen {address}: {error}"));
    let listener = TcpListener::bind(address).map_err(failed)?;
    let config = ServerConfig::for_notifications();
    let server = Server::start(listener, Arc::new(notifications), config).map_err(failed)?;
    let url = Notifications::url(server.address());
    output.event(&Event::Listening { url });
    Ok(server)
}
