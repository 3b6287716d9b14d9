//! `https` at both ends.

use std::{fs, path::Path};

use virmo::{
    dm::{
        core::Secret,
        http::{InvalidPem, ServerTls, Tls},
    },
    runtime::ServerBuilder,
};

use crate::{args, failure::Failure, links::Links};

/// Whom this end trusts, and who it is.
pub(crate) fn links(args: &args::Tls) -> Result<Links, Failure> {
    let mut tls = Tls::default();
    if let Some(path) = &args.ca {
        let trusted = tls.with_authorities(read("--ca", path)?.expose());
        tls = trusted.map_err(|error| unusable("--ca", path, error))?;
    }
    if let (Some(chain), Some(key)) = (&args.cert, &args.key) {
        let identity = tls.with_identity(
            read("--cert", chain)?.expose(),
            read("--key", key)?.expose(),
        );
        tls = identity.map_err(|error| unusable("--cert", chain, error))?;
    }
    let mut links = Links::default();
    links.images.tls = tls.clone();
    links.messages.tls = tls;
    Ok(links)
}

/// Who a server is.
pub(crate) struct Identity {
    tls: ServerTls,
    /// Whether certificates say who devices are.
    names: bool,
}

/// Reads who a server is; `http` is enough for one that is nobody.
pub(crate) fn identity(args: &args::Serve) -> Result<Option<Identity>, Failure> {
    let (Some(chain), Some(key)) = (&args.tls_cert, &args.tls_key) else {
        return Ok(None);
    };
    let identity = (read("--tls-cert", chain)?, read("--tls-key", key)?);
    let (own, secret) = (identity.0.expose(), identity.1.expose());
    let tls = ServerTls::new(own, secret);
    let mut tls = tls.map_err(|error| unusable("--tls-cert", chain, error))?;
    if let Some(path) = &args.tls_client_ca {
        let authorities = read("--tls-client-ca", path)?;
        tls = ServerTls::with_client_authorities(own, secret, authorities.expose())
            .map_err(|error| unusable("--tls-client-ca", path, error))?;
    }
    let names = args.tls_client_names;
    Ok(Some(Identity { tls, names }))
}

impl Identity {
    pub(crate) fn serve(self, builder: ServerBuilder) -> ServerBuilder {
        let builder = builder.tls(self.tls);
        match self.names {
            true => builder.named_by_certificates(),
            false => builder,
        }
    }
}

/// What a file has, overwritten when it is not needed any more: it may be a key.
fn read(flag: &str, path: &Path) -> Result<Secret, Failure> {
    fs::read(path)
        .map(Secret::from)
        .map_err(|error| Failure::usage(format_args!("{flag} {}: {error}", path.display())))
}

fn unusable(flag: &str, path: &Path, error: InvalidPem) -> Failure {
    Failure::usage(format_args!("{flag} {}: {error}", path.display()))
}
