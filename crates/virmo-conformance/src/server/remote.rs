use virmo::{
    dm::{
        download::Cancel,
        http::{ClientConfig, HttpTransport, Post},
        syncml::Encoding,
    },
    nodes::Profile,
};

use super::Server;
use crate::{Failed, device::Image};

/// A foreign server at an address, by HTTP: judged by what it does of itself to a device of ours
/// that comes for the first time, `urn:example:conformance`.
///
/// It is done when it sends no command in several sessions. Images are where it says.
#[derive(Debug)]
pub struct ForeignServer {
    url: String,
    encodings: Vec<Encoding>,
    profile: Profile,
    transport: HttpTransport,
}

impl ForeignServer {
    /// The server at `url`, in one encoding.
    #[must_use]
    pub fn new(url: impl Into<String>, encoding: Encoding) -> Self {
        Self {
            url: url.into(),
            encodings: vec![encoding],
            profile: Profile::Approved,
            transport: HttpTransport::new(ClientConfig::default()),
        }
    }
}

impl ForeignServer {
    /// The text the server follows; default the approved one.
    #[must_use]
    pub const fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }
}

impl Server for ForeignServer {
    fn encodings(&self) -> Vec<Encoding> {
        self.encodings.clone()
    }

    fn follows(&self, profile: Profile) -> bool {
        self.profile == profile
    }

    fn begin(&mut self, _: &dyn Fn(Image) -> String, _: Profile) -> Result<(), Failed> {
        Ok(())
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn exchange(&mut self, body: &[u8], encoding: Encoding) -> Result<Vec<u8>, Failed> {
        let post = Post::new(&self.url, encoding, body);
        let reply = self
            .transport
            .post(&post, &Cancel::new())
            .map_err(Failed::new)?;
        Ok(reply.body)
    }

    fn is_done(&self) -> Option<bool> {
        None
    }

    fn has_images(&self) -> bool {
        true
    }
}
