//! A server that is judged.

use std::time::Duration;

use virmo::{
    ApplyResources, CreateVm, DeliverImage, Mounts, Operate, Procedure, TakeSnapshot,
    dm::{
        core::{Interaction, Now, UserInteraction},
        server::{Config, Everyone, Request, Server as Engine},
        syncml::Encoding,
    },
    nodes::Profile,
    server::{AskVmUser, Manage},
};

use crate::{
    Failed, Packet, Proofs,
    device::{DEVICE_ID, Image},
    scenario::scenarios,
};

mod judges;
mod remote;

pub use remote::ForeignServer;

/// A DM server that is judged by what it sends to a device of ours.
pub trait Server {
    /// The encodings it is judged in, each in a run of its own.
    fn encodings(&self) -> Vec<Encoding>;

    /// Whether it can follow a text: the approved one or the draft.
    fn follows(&self, profile: Profile) -> bool;

    /// A new device is going to come, which finds images where `image` says.
    ///
    /// # Errors
    /// If there is no server.
    fn begin(&mut self, image: &dyn Fn(Image) -> String, profile: Profile) -> Result<(), Failed>;

    /// The server's answer to a message of the device.
    ///
    /// # Errors
    /// If there is none.
    fn exchange(&mut self, packet: &Packet, encoding: Encoding) -> Result<Packet, Failed>;

    /// Whether it has done all it does to the device; none if only it knows.
    fn is_done(&self) -> Option<bool>;

    /// Its address, as the device knows it.
    fn url(&self) -> &str {
        "http://dm.example/dm"
    }

    /// What the server and the device that comes prove themselves by; nothing by default.
    fn proofs(&self) -> Proofs {
        Proofs::default()
    }

    /// Whether it has images of its own, which the device fetches by HTTP; no by default.
    fn has_images(&self) -> bool {
        false
    }
}

/// Our own server engine in this process, with every procedure there is.
#[derive(Debug, Default)]
pub struct OurServer {
    engine: Option<Engine>,
    mono: Duration,
}

impl OurServer {
    /// The server as it is.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Server for OurServer {
    fn encodings(&self) -> Vec<Encoding> {
        Encoding::ALL.to_vec()
    }

    fn follows(&self, _: Profile) -> bool {
        true
    }

    fn begin(&mut self, image: &dyn Fn(Image) -> String, profile: Profile) -> Result<(), Failed> {
        let mut engine = Engine::new(Config::new("c"), Everyone);
        for procedure in programme(&image(Image::Whole), profile)? {
            engine.enqueue(DEVICE_ID, procedure).map_err(Failed::new)?;
        }
        self.engine = Some(engine);
        Ok(())
    }

    fn exchange(&mut self, packet: &Packet, encoding: Encoding) -> Result<Packet, Failed> {
        self.mono += Duration::from_millis(1);
        let now = Now {
            mono: self.mono,
            ..Now::default()
        };
        let engine = self.engine.as_mut();
        let engine = engine.ok_or_else(|| Failed::new("the server is off"))?;
        let receipt = engine.receive(Request::new(&packet.body, encoding, now));
        let response = engine.respond(receipt.map_err(Failed::new)?);
        Ok(response.map_err(Failed::new)?.body.into())
    }

    fn is_done(&self) -> Option<bool> {
        let waiting = |engine: &Engine| engine.waiting(DEVICE_ID) == 0;
        Some(self.engine.as_ref().is_none_or(waiting))
    }
}

/// Everything a VirMO Server does: a VM from its image to its end.
fn programme(image_uri: &str, profile: Profile) -> Result<Vec<Box<dyn Procedure>>, Failed> {
    let mounts = Mounts::default().with_profile(profile);
    let vm = mounts.vm("work").map_err(Failed::new)?;
    let image = mounts.image("os").map_err(Failed::new)?;
    let config = "RAM=536870912&Storage=1073741824&CPU=50&Network=50";
    let config = config.parse().map_err(Failed::new)?;
    let asked = UserInteraction::new(Interaction::Confirm, "Add the access point?");
    let mut all: Vec<Box<dyn Procedure>> = vec![
        Box::new(TakeSnapshot::new(mounts.clone())),
        Box::new(
            DeliverImage::new(image.clone(), "os-1", image_uri, "application/octet-stream")
                .with_description("an image"),
        ),
        Box::new(
            CreateVm::new(vm.clone(), image.clone())
                .with_description("a machine")
                .in_profile(profile),
        ),
        Box::new(Operate::delete_image(image)),
        Box::new(ApplyResources::new(&mounts, [("work", config)]).map_err(Failed::new)?),
        Box::new(AskVmUser::new(vm.clone(), asked)),
    ];
    // The draft has no DMTree.
    if profile == Profile::Approved {
        let camera = "Camera";
        all.push(Box::new(Manage::lock(vm.clone())));
        all.push(Box::new(Manage::unlock(vm.clone())));
        all.push(Box::new(
            Manage::disable(vm.clone(), camera).map_err(Failed::new)?,
        ));
    }
    let rest: Vec<Box<dyn Procedure>> = vec![
        Box::new(Operate::suspend(vm.clone()).in_profile(profile)),
        Box::new(Operate::resume(vm.clone()).in_profile(profile)),
        Box::new(Operate::power_off(vm.clone()).in_profile(profile)),
        Box::new(Operate::power_on(vm.clone()).in_profile(profile)),
        Box::new(TakeSnapshot::new(mounts)),
        Box::new(Operate::delete(vm).in_profile(profile)),
    ];
    all.extend(rest);
    Ok(all)
}

scenarios! {
    Server:
    DELIVERY = delivery;
    CREATION = creation;
    OPERATIONS = operations;
    RESOURCES = resources;
    DELETION = deletion;
    SNAPSHOT = snapshot;
    INTERACTION = interaction;
    MANAGEMENT = management;
}

use judges::{
    creation, deletion, delivery, interaction, management, operations, resources, snapshot,
};
