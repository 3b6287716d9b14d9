use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{
        Mutex, PoisonError,
        mpsc::{self, Sender},
    },
    time::Duration,
};

use tempfile::TempDir;
use virmo::{
    dm::{
        download::Descriptor,
        http::{Files, Handler, Incoming, Outgoing, Server, ServerConfig},
        syncml::Encoding,
    },
    nodes::Profile,
};

use super::{
    Begun, Device, Image,
    ours::{IMAGE, MEDIA_TYPE, descriptor},
    wire::{Exchange, Wire},
};
use crate::{Failed, Packet, Proofs};

/// Where it takes messages.
const PATH: &str = "/dm";

/// A foreign device, which comes to an address of ours by HTTP, and downloads images from there.
///
/// It has to open a session whenever one has ended, within [`PATIENCE`](Self::PATIENCE). Its objects
/// are at `./VirMO` and `./VMImgMO`.
#[derive(Debug)]
pub struct ForeignDevice {
    wire: Wire,
    server: Server,
    profile: Profile,
    proofs: Proofs,
    media_type: String,
    _images: TempDir,
}

impl ForeignDevice {
    /// How long the device may be silent, and how long what takes time is waited for.
    pub const PATIENCE: Duration = Duration::from_secs(120);

    /// Waits for the device here.
    ///
    /// # Errors
    /// If the listener, or a folder for images, cannot be had.
    pub fn listen(listener: TcpListener) -> io::Result<Self> {
        let images = TempDir::new()?;
        fs::write(images.path().join(Image::Whole.name()), IMAGE)?;
        Self::start(listener, images, MEDIA_TYPE)
    }

    /// Waits for a device here that really boots its images: it gets this one.
    ///
    /// # Errors
    /// If the listener, the image, or a folder for images, cannot be had.
    pub fn listen_with_image(
        listener: TcpListener,
        image: &Path,
        media_type: &str,
    ) -> io::Result<Self> {
        let images = TempDir::new()?;
        let whole = images.path().join(Image::Whole.name());
        let image = image.canonicalize()?;
        // An image may be large; another file system needs a copy.
        fs::hard_link(&image, &whole).or_else(|_| fs::copy(&image, &whole).map(drop))?;
        Self::start(listener, images, media_type)
    }

    fn start(listener: TcpListener, images: TempDir, media_type: &str) -> io::Result<Self> {
        let below = format!("http://{}/images", listener.local_addr()?);
        let size = fs::metadata(images.path().join(Image::Whole.name()))?.len();
        let described = descriptor(&below, media_type, size).map_err(io::Error::other)?;
        fs::write(images.path().join(Image::Described.name()), described)?;
        let (wire, outgoing) = Wire::new(Self::PATIENCE);
        let mut config = ServerConfig::default();
        let files = Files::new(images.path());
        let files = files.with_media_type(Image::Described.name(), Descriptor::MEDIA_TYPE);
        config.files = Some(files.with_media_type(Image::Whole.name(), media_type));
        let server = Server::start(
            listener,
            std::sync::Arc::new(Door(Mutex::new(outgoing))),
            config,
        )?;
        Ok(Self {
            wire,
            server,
            profile: Profile::Approved,
            proofs: Proofs::default(),
            media_type: media_type.to_owned(),
            _images: images,
        })
    }

    /// The text the device follows; default the approved one.
    #[must_use]
    pub const fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// How the device and its judge prove themselves to each other; default not at all.
    #[must_use]
    pub fn with_proofs(mut self, proofs: Proofs) -> Self {
        self.proofs = proofs;
        self
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The address the device has to post to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}{PATH}", self.address())
    }
}

impl Device for ForeignDevice {
    fn encodings(&self) -> Vec<Encoding> {
        Vec::new()
    }

    fn follows(&self, profile: Profile) -> bool {
        self.profile == profile
    }

    fn begin(&mut self, _: Option<Encoding>, _: Profile) -> Result<Begun, Failed> {
        Ok(Begun::GoesOn)
    }

    fn receive(&mut self) -> Result<(Packet, Encoding), Failed> {
        self.wire.receive()
    }

    fn answer(&mut self, packet: Packet) -> Result<(), Failed> {
        self.wire.answer(packet)
    }

    fn proofs(&self) -> Proofs {
        self.proofs.clone()
    }

    fn patience(&self) -> Option<Duration> {
        Some(Self::PATIENCE)
    }

    fn media_type(&self) -> &str {
        &self.media_type
    }

    fn is_silent(&self) -> bool {
        self.wire.is_silent()
    }

    fn image(&self, image: Image) -> String {
        format!("http://{}/images/{}", self.address(), image.name())
    }
}

/// Passes what comes in by HTTP on to the wire.
struct Door(Mutex<Sender<Exchange>>);

impl Handler for Door {
    fn serves(&self, path: &str) -> bool {
        path == PATH
    }

    fn handle(&self, request: &Incoming) -> Outgoing {
        let Some(encoding) = request.encoding() else {
            return Outgoing::status(415);
        };
        let (answer, answered) = mpsc::channel();
        let exchange = Exchange {
            packet: Packet::from(request.body.clone()).with_hmac(request.hmac.clone()),
            encoding,
            answer,
        };
        let sent = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .send(exchange);
        match sent.ok().and_then(|()| answered.recv().ok()) {
            Some(packet) => {
                let mut outgoing = Outgoing::message(encoding, packet.body);
                outgoing.hmac = packet.hmac;
                outgoing
            }
            None => Outgoing::status(503),
        }
    }
}
