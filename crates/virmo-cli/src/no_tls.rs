//! A build without `https`.

use virmo::{dm::download::DownloadUri, runtime::ServerBuilder};

use crate::{args, commands::device::Links, failure::Failure};

/// How a device reaches its server.
pub(crate) fn links(args: &args::Device, server: &DownloadUri) -> Result<Links, Failure> {
    let asked = [
        ("--server https", server.is_secure()),
        ("--ca", args.ca.is_some()),
        ("--cert", args.cert.is_some()),
    ];
    match asked.into_iter().find(|(_, asked)| *asked) {
        Some((word, _)) => Err(Failure::not_built(word)),
        None => Ok(Links::default()),
    }
}

/// Who a server is; there is none in this build.
pub(crate) enum Identity {}

/// Refuses to be anybody.
pub(crate) fn identity(args: &args::Serve) -> Result<Option<Identity>, Failure> {
    match args.tls_cert {
        Some(_) => Err(Failure::not_built("--tls-cert")),
        None => Ok(None),
    }
}

impl Identity {
    pub(crate) fn serve(self, _: ServerBuilder) -> ServerBuilder {
        match self {}
    }
}
