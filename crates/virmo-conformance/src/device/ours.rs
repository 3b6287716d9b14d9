use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tempfile::TempDir;
use virmo::dm::gateway::{EndDevices, Gateway};
use virmo::{
    Device as Runtime, DeviceBuilder, Simulator, Until, VmId,
    client::{Users, VmQuestion, VmUserInterface},
    dm::{
        client::{Auth, Config, Request, TransportFailure},
        core::{Journal, MemoryJournal, UserAnswer, UserInteraction},
        download::{
            Cancel, Content, Descriptor, Ending, Fetch, FetchError, FetchErrorKind, FetchRequest,
            Receiver, ResponseHead, Validator,
        },
        mo::DevInfo,
        syncml::Encoding,
    },
    hypervisor::{Hypervisor, HypervisorError, Observed},
    nodes::Profile,
    runtime::{ExchangeError, Handle, Reply, Transport, Unattended, UserInterface},
};

use super::{
    Begun, Device, Image, Inside, Machine,
    wire::{Exchange, Wire},
};
use crate::{Failed, Packet, Proofs};

/// The address of images of our device's.
const IMAGES: &str = "http://images.example";
pub(crate) const DEVICE_ID: &str = "urn:example:conformance";

/// Our own device in this process, on simulated machines; a new one for each scenario.
///
/// What it is made of can be exchanged, to see what a device that does something wrong comes to.
#[derive(Default)]
pub struct OurDevice {
    hypervisor: Option<Box<WrapHypervisor>>,
    server: Option<String>,
    proofs: Proofs,
    http_images: bool,
    gateway: Option<Arc<dyn EndDevices>>,
    profile: Profile,
    person: Arc<Person>,
    running: Option<Running>,
}

/// Puts something between the device and its machines.
type WrapHypervisor = dyn Fn(Arc<Simulator>) -> Arc<dyn Hypervisor>;

impl OurDevice {
    /// The device as it is.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With something between the device and its machines.
    #[must_use]
    pub fn with_hypervisor(
        mut self,
        wrap: impl Fn(Arc<Simulator>) -> Arc<dyn Hypervisor> + 'static,
    ) -> Self {
        self.hypervisor = Some(Box::new(wrap));
        self
    }

    /// Managed by the server at this address, to which it proves itself so.
    pub(crate) fn with_server(mut self, url: &str, proofs: Proofs) -> Self {
        self.server = Some(url.to_owned());
        self.proofs = proofs;
        self
    }

    /// Fetches images by HTTP, instead of having them at hand.
    pub(crate) const fn with_http_images(mut self) -> Self {
        self.http_images = true;
        self
    }

    /// With a gateway at `./Gateway` to what lies behind it.
    pub(crate) fn with_gateway(mut self, behind: Arc<dyn EndDevices>) -> Self {
        self.gateway = Some(behind);
        self
    }

    /// The bootstrap document in the machine of a VM.
    pub(crate) fn bootstrap_of(&mut self, vm: &str) -> Result<Vec<u8>, Failed> {
        let folder = self.running()?.folder.as_ref();
        let folder = folder.ok_or_else(|| Failed::new("the device has no folder"))?;
        let machine = folder.path().join("machines/machines").join(vm);
        fs::read(machine.join("bootstrap")).map_err(Failed::new)
    }

    fn running(&mut self) -> Result<&mut Running, Failed> {
        let gone = || Failed::new("the device is off");
        self.running.as_mut().ok_or_else(gone)
    }

    fn start(
        &self,
        folder: TempDir,
        journal: Arc<dyn Journal>,
        encoding: Encoding,
        fault: Option<&str>,
    ) -> Result<Running, Failed> {
        let mut simulator = Simulator::builder(folder.path().join("machines")).without_sync();
        if let Some(fault) = fault {
            simulator = simulator.fault(fault.parse().map_err(Failed::new)?);
        }
        let simulator = Arc::new(simulator.open().map_err(Failed::new)?);
        let hypervisor = match &self.hypervisor {
            Some(wrap) => wrap(Arc::clone(&simulator)),
            None => Arc::clone(&simulator) as Arc<dyn Hypervisor>,
        };
        let (wire, outgoing) = Wire::new(Duration::from_secs(60));
        let url = self.server.as_deref().unwrap_or("http://dm.example/dm");
        let mut config = config(url, encoding)?;
        config.auth = Auth::given(self.proofs.device.clone(), self.proofs.server.clone());
        let mut builder = builder(hypervisor, config, DEVICE_ID);
        if let Some(behind) = &self.gateway {
            let root = "./Gateway".parse().map_err(Failed::new)?;
            let gateway = Gateway::new(root, Arc::clone(behind), Arc::clone(&journal));
            builder = builder.object(Box::new(gateway.map_err(Failed::new)?));
        }
        if !self.http_images {
            builder = builder.fetch(Arc::new(Shelf));
        }
        let builder = builder
            .state(folder.path().join("state"))
            .journal(Arc::clone(&journal))
            .profile(self.profile)
            .user_interface(Arc::clone(&self.person) as _)
            .vm_user_interface(Arc::clone(&self.person) as _)
            .transport(Arc::new(Road::new(outgoing)));
        let mut device = builder.build().map_err(Failed::new)?;
        let (handle, users) = (device.handle(), device.users());
        let thread = thread::Builder::new()
            .name("a device".to_owned())
            .spawn(move || {
                // How sessions end is seen from the other side.
                let interval = Some(Duration::from_millis(1));
                _ = device.run(Until::Stopped { interval });
            })
            .map_err(Failed::new)?;
        Ok(Running {
            wire,
            handle,
            users,
            thread: Some(thread),
            simulator,
            journal,
            encoding,
            folder: Some(folder),
        })
    }
}

/// A device with this identifier on this hypervisor.
pub(crate) fn builder(
    hypervisor: Arc<dyn Hypervisor>,
    config: Config,
    dev_id: &str,
) -> DeviceBuilder {
    let info = DevInfo {
        dev_id: dev_id.to_owned(),
        man: "Example".to_owned(),
        model: "One".to_owned(),
        dmv: "1.0".to_owned(),
        lang: "en".to_owned(),
    };
    Runtime::builder(hypervisor, config, info)
}

fn config(url: &str, encoding: Encoding) -> Result<Config, Failed> {
    let server = "dm.example".parse().map_err(Failed::new)?;
    let mut config = Config::new(server, url);
    config.encoding = encoding;
    config.answer_timeout = Duration::from_secs(600);
    config.transport_window = Duration::from_secs(600);
    config.alert_retry.first = Duration::from_millis(1);
    config.alert_retry.longest = Duration::from_millis(1);
    Ok(config)
}

impl Device for OurDevice {
    fn encodings(&self) -> Vec<Encoding> {
        Encoding::ALL.to_vec()
    }

    fn follows(&self, _: Profile) -> bool {
        true
    }

    fn begin(&mut self, encoding: Option<Encoding>, profile: Profile) -> Result<Begun, Failed> {
        self.running = None;
        self.profile = profile;
        let folder = TempDir::new().map_err(Failed::new)?;
        let journal = Arc::new(MemoryJournal::new());
        let encoding = encoding.unwrap_or(Encoding::Xml);
        self.running = Some(self.start(folder, journal, encoding, None)?);
        Ok(Begun::Anew)
    }

    fn receive(&mut self) -> Result<(Packet, Encoding), Failed> {
        self.running()?.wire.receive()
    }

    fn answer(&mut self, packet: Packet) -> Result<(), Failed> {
        self.running()?.wire.answer(packet)
    }

    fn image(&self, image: Image) -> String {
        format!("{IMAGES}/{}", image.name())
    }

    fn inside(&mut self) -> Option<&mut dyn Inside> {
        Some(self)
    }
}

impl Inside for OurDevice {
    fn machine(&mut self, vm: &VmId) -> Result<Machine, Failed> {
        let simulator = &self.running()?.simulator;
        let Observed {
            state, resources, ..
        } = simulator.observe(vm).map_err(Failed::new)?;
        let mut machine = Machine::new(state.vm_state());
        machine.resources = resources;
        machine.resumed = simulator.counter(vm).ok();
        let input = simulator.input_lock();
        machine.locked = input.and_then(|input| input.is_locked(vm).ok());
        let peripherals = simulator.peripherals();
        let listed = peripherals.and_then(|peripherals| peripherals.list(vm).ok());
        let off = listed.into_iter().flatten().filter(|it| !it.enabled);
        machine.disabled = off.map(|it| it.name).collect();
        Ok(machine)
    }

    fn machines(&mut self) -> Result<usize, Failed> {
        let listed = self.running()?.simulator.list().map_err(Failed::new)?;
        Ok(listed.len())
    }

    fn has_file(&mut self, path: &str) -> bool {
        fs::metadata(Path::new(path)).is_ok_and(|file| file.is_file())
    }

    fn in_guest(&mut self, vm: &VmId, node: &str) -> Result<Option<String>, Failed> {
        let node = node.parse().map_err(Failed::new)?;
        let simulator = &self.running()?.simulator;
        let value = simulator.guest(vm, |guest| {
            let value = guest.value(&node)?;
            value.text().map(str::to_owned)
        });
        value.map_err(Failed::new)
    }

    fn asked(&mut self) -> Vec<(Option<VmId>, String)> {
        self.person.asked().clone()
    }

    fn unlock(&mut self, node: &str) -> bool {
        let users = self.running.as_ref().map(|running| &running.users);
        users.is_some_and(|users| users.unlock(node).is_ok())
    }

    fn restart(&mut self, fault: Option<&str>) -> Result<(), Failed> {
        let mut running = self
            .running
            .take()
            .ok_or_else(|| Failed::new("the device is off"))?;
        running.stop();
        let folder = running
            .folder
            .take()
            .ok_or_else(|| Failed::new("the device has no folder"))?;
        let (journal, encoding) = (Arc::clone(&running.journal), running.encoding);
        drop(running);
        self.running = Some(self.start(folder, journal, encoding, fault)?);
        Ok(())
    }
}

/// A device that is on.
struct Running {
    wire: Wire,
    handle: Handle,
    users: Users,
    thread: Option<JoinHandle<()>>,
    simulator: Arc<Simulator>,
    journal: Arc<dyn Journal>,
    encoding: Encoding,
    folder: Option<TempDir>,
}

impl Running {
    fn stop(&mut self) {
        self.handle.stop();
        // Whoever waits for an answer hears that none will come.
        drop(std::mem::replace(
            &mut self.wire,
            Wire::new(Duration::ZERO).0,
        ));
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The way of a device to the bench.
pub(crate) struct Road(Mutex<Sender<Exchange>>);

impl Road {
    pub(crate) const fn new(outgoing: Sender<Exchange>) -> Self {
        Self(Mutex::new(outgoing))
    }
}

impl Transport for Road {
    fn exchange(&self, request: &Request, _: &Cancel) -> Result<Reply, ExchangeError> {
        let lost = || ExchangeError::from(TransportFailure::Refused);
        let (answer, answered) = mpsc::channel();
        let exchange = Exchange {
            packet: Packet::from(request.body.to_vec()).with_hmac(request.hmac.clone()),
            encoding: request.encoding,
            answer,
        };
        let road = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        road.send(exchange).map_err(|_| lost())?;
        let answer = answered.recv().map_err(|_| lost())?;
        let mut reply = Reply::new(request.encoding, answer.body);
        reply.hmac = answer.hmac;
        Ok(reply)
    }
}

/// Says no to everything, and remembers who was asked what.
#[derive(Debug, Default)]
struct Person(Mutex<Vec<(Option<VmId>, String)>>);

impl Person {
    fn asked(&self) -> MutexGuard<'_, Vec<(Option<VmId>, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UserInterface for Person {
    fn ask(&self, asked: &UserInteraction, over: &Cancel) -> UserAnswer {
        self.asked().push((None, asked.text.clone()));
        Unattended::Reject.ask(asked, over)
    }
}

impl VmUserInterface for Person {
    fn ask(&self, question: &VmQuestion<'_>, over: &Cancel) -> Result<UserAnswer, HypervisorError> {
        let asked = question.asked;
        self.asked()
            .push((Some(question.vm.clone()), asked.text.clone()));
        Ok(UserInterface::ask(&Unattended::Reject, asked, over))
    }
}

/// What describes the whole image, which is below this address.
pub(super) fn descriptor(images: &str, media_type: &str, size: u64) -> Result<Vec<u8>, FetchError> {
    let object = format!("{images}/{}", Image::Whole.name());
    let object = object.parse().map_err(|_| FetchErrorKind::Redirect)?;
    let descriptor = Descriptor::new(media_type, size, object);
    Ok(descriptor.to_xml())
}

/// The images at hand.
struct Shelf;

/// What they are.
pub(super) const MEDIA_TYPE: &str = "application/octet-stream";

pub(super) const IMAGE: &[u8] = b"an image of a machine, small enough to be here";

impl Fetch for Shelf {
    fn fetch(
        &self,
        request: &FetchRequest<'_>,
        receiver: &mut dyn Receiver,
    ) -> Result<Ending, FetchError> {
        let (media_type, bytes) = match request.uri.as_str().strip_prefix(IMAGES) {
            Some("/whole") => (MEDIA_TYPE, IMAGE.to_vec()),
            Some("/described") => (
                Descriptor::MEDIA_TYPE,
                descriptor(IMAGES, MEDIA_TYPE, IMAGE.len() as u64)?,
            ),
            _ => return Err(FetchErrorKind::Status(404).into()),
        };
        let mut head = ResponseHead::new(Content::Whole {
            length: Some(bytes.len() as u64),
        });
        head.media_type = Some(media_type.to_owned());
        head.validator = Some(Validator::new("\"1\""));
        let broken = receiver.head(&head).is_break() || receiver.chunk(&bytes).is_break();
        Ok(if broken {
            Ending::Stopped
        } else {
            Ending::Complete
        })
    }
}
