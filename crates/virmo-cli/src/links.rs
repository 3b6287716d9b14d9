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

/// The ways to what a flag names.
pub(crate) fn to(flag: &str, url: &str, args: &args::Tls) -> Result<Links, Failure> {
    let uri: DownloadUri = url
        .parse()
        .map_err(|error| Failure::usage(format_args!("{flag} {url}: {error}")))?;
    if uri.is_secure() && cfg!(not(feature = "tls")) {
        return Err(Failure::not_built(format_args!("{flag} https")));
    }
    tls::links(args)
}
