//! A build without `https`.

use virmo::runtime::ServerBuilder;

use crate::{args, failure::Failure, links::Links};

/// Refuses to trust anybody or to be somebody.
pub(crate) fn links(args: &args::Tls) -> Result<Links, Failure> {
    let asked = [("--ca", args.ca.is_some()), ("--cert", args.cert.is_some())];
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
