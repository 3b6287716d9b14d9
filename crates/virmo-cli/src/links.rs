//! The ways to a peer over HTTP.

use virmo::dm::{
    download::DownloadUri,
    http::{ClientConfig, FetchConfig},
};

use crate::{args, failure::Failure, tls};

/// How messages and images travel.
#[derive(Default)]
pub(crate) struct Links {
    pub(crate) messages: ClientConfig,
    pub(crate) images: FetchConfig,
}

/// The address that a flag names.
pub(crate) fn uri(flag: &str, url: &str) -> Result<DownloadUri, Failure> {
    url.parse()
        .map_err(|error| Failure::usage(format_args!("{flag} {url}: {error}")))
}

/// The ways to what a flag names.
pub(crate) fn to(flag: &str, url: &str, args: &args::Tls) -> Result<Links, Failure> {
    let uri = uri(flag, url)?;
    if uri.is_secure() && cfg!(not(feature = "tls")) {
        return Err(Failure::not_built(format_args!("{flag} https")));
    }
    tls::links(args)
}
