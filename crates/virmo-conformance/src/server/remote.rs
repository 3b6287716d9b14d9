use virmo::{
    dm::{
        core::Causes,
        download::Cancel,
        http::{ClientConfig, HttpTransport, Post},
        syncml::Encoding,
    },
    nodes::Profile,
};

use super::Server;
use crate::{Failed, Packet, Proofs, device::Image};

/// A foreign server at an address, by HTTP: judged by what it does of itself to a device of ours
/// that comes for the first time, `urn:example:conformance`.
///
/// It is done when five sessions bring nothing new: it sends no command, or asks again for what it
/// knows. Images are where it says.
#[derive(Debug)]
pub struct ForeignServer {
    url: String,
    encodings: Vec<Encoding>,
    profile: Profile,
    proofs: Proofs,
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
            proofs: Proofs::default(),
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

    /// How the server and the device that comes prove themselves to each other; default not at all.
    #[must_use]
    pub fn with_proofs(mut self, proofs: Proofs) -> Self {
        self.proofs = proofs;
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

    fn exchange(&mut self, packet: &Packet, encoding: Encoding) -> Result<Packet, Failed> {
        let mut post = Post::new(&self.url, encoding, &packet.body);
        post.hmac = packet.hmac.as_deref();
        let reply = self
            .transport
            .post(&post, &Cancel::new())
            .map_err(|error| Failed::new(Causes(&error)))?;
        Ok(Packet::from(reply.body).with_hmac(reply.hmac))
    }

    fn is_done(&self) -> Option<bool> {
        None
    }

    fn proofs(&self) -> Proofs {
        self.proofs.clone()
    }

    fn has_images(&self) -> bool {
        true
    }
}
