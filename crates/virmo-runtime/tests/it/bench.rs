//! What the tests share.

use std::{
    net::TcpListener,
    path::Path,
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use omadm_client::{Config, Event as ClientEvent, Request, TransportFailure};
use omadm_download::{
    Cancel, Content, Ending, Fetch, FetchError, FetchErrorKind, FetchRequest, Receiver as Taker,
    ResponseHead, Validator,
};
use omadm_http::Files;
use omadm_mo::DevInfo;
use omadm_server::{Event, EventKind};
use omadm_session::{Procedure, request};
use omadm_syncml::{Command, Message};
use omadm_testkit::{DEVICE_ID, SERVER_ID, SERVER_URL, Script, encoding};
use tempfile::TempDir;
use virmo_client::Event as VirmoEvent;
use virmo_hypervisor::{
    Capabilities, Erase, Hypervisor, HypervisorError, InputLock, Listed, Observed, Outcome,
    PowerOff, Prepared, VmSpec,
};
use virmo_params::ResourceConfig;
use virmo_runtime::{Device, DeviceBuilder, DeviceEvent, ExchangeError, Reply, Server, Transport};
use virmo_server::{CreateVm, DeliverImage, Mounts, Operate};
use virmo_simulator::Simulator;
use virmo_state::VmId;

/// Long enough for whatever happens, short enough to see that it does not.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) type Programme = Vec<Box<dyn Procedure>>;

/// A folder with machines that outlive their device, and an image folder beside it.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) hypervisor: Arc<Hooked>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("images")).unwrap();
        let simulator = Simulator::builder(folder.path().join("machines"))
            .without_sync()
            .open()
            .unwrap();
        let hypervisor = Arc::new(Hooked {
            simulator,
            hook: Mutex::default(),
        });
        Self { folder, hypervisor }
    }

    pub(crate) fn images(&self) -> std::path::PathBuf {
        self.folder.path().join("images")
    }

    pub(crate) fn state(&self) -> std::path::PathBuf {
        self.folder.path().join("state")
    }

    /// Calls this before each call of the hypervisor, with its name and machine.
    pub(crate) fn hook(&self, hook: impl Fn(&str, &str) + Send + Sync + 'static) {
        *self.hypervisor.hook.lock().unwrap() = Some(Arc::new(hook));
    }

    /// A device on this folder with impatient defaults, and what it tells.
    pub(crate) fn device(&self, config: Config) -> (DeviceBuilder, Receiver<DeviceEvent>) {
        device_on(&self.hypervisor, config, DEVICE_ID, &self.state())
    }

    /// A server that takes each device through what `programme` says.
    pub(crate) fn server(
        &self,
        programme: impl Fn(&str, &str) -> Programme + Send + 'static,
    ) -> (Server, Receiver<Event>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let images = format!("http://{}/images", listener.local_addr().unwrap());
        let (tell, told) = mpsc::channel();
        let server = Server::builder()
            .files(Files::new(self.images()))
            .programme(move |device, _| programme(device, &images))
            .observer(move |event| drop(tell.send(event)))
            .start(listener)
            .unwrap();
        (server, told)
    }

    pub(crate) fn put_image(&self, name: &str, size: usize) {
        let bytes: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        std::fs::write(self.images().join(name), bytes).unwrap();
    }
}

pub(crate) fn device_on(
    hypervisor: &Arc<Hooked>,
    config: Config,
    id: &str,
    state: &Path,
) -> (DeviceBuilder, Receiver<DeviceEvent>) {
    let info = DevInfo {
        dev_id: id.to_owned(),
        man: "Example".to_owned(),
        model: "One".to_owned(),
        dmv: "1.0".to_owned(),
        lang: "en".to_owned(),
    };
    let (tell, told) = mpsc::channel();
    let builder = Device::builder(Arc::clone(hypervisor) as _, config, info)
        .state(state)
        .observer(move |event| drop(tell.send(event.clone())));
    (builder, told)
}

/// A configuration that tries again soon.
pub(crate) fn config(url: &str) -> Config {
    let mut config = Config::new(SERVER_ID.parse().unwrap(), url);
    config.encoding = encoding();
    config.transport_retry.first = Duration::from_millis(5);
    config.transport_retry.longest = Duration::from_millis(20);
    config.alert_retry.first = Duration::from_millis(20);
    config.alert_retry.longest = Duration::from_millis(20);
    config
}

/// Deliver, create, suspend, resume, power off, power on, delete, delete the image.
pub(crate) fn life(images: &str) -> Programme {
    let mounts = Mounts::default();
    let (vm, image) = (mounts.vm("v").unwrap(), mounts.image("i").unwrap());
    vec![
        Box::new(deliver(images)),
        Box::new(CreateVm::new(vm.clone(), image.clone())),
        Box::new(Operate::suspend(vm.clone())),
        Box::new(Operate::resume(vm.clone())),
        Box::new(Operate::power_off(vm.clone())),
        Box::new(Operate::power_on(vm.clone())),
        Box::new(Operate::delete(vm)),
        Box::new(Operate::delete_image(image)),
    ]
}

pub(crate) fn deliver(images: &str) -> DeliverImage {
    let image = Mounts::default().image("i").unwrap();
    DeliverImage::new(
        image,
        "i",
        format!("{images}/i"),
        "application/octet-stream",
    )
}

/// The outcome of each procedure so far: whether it succeeded, and its status.
pub(crate) fn reports(events: &Receiver<Event>) -> Vec<(String, bool, Option<u16>)> {
    events
        .try_iter()
        .filter_map(|event| match event.kind {
            EventKind::ProcedureFinished { report, .. } => Some((
                event.device.to_string(),
                report.ok,
                report.status.map(|status| status.get()),
            )),
            _ => None,
        })
        .collect()
}

/// The changes of State so far, in short.
pub(crate) fn states(events: &[DeviceEvent]) -> Vec<String> {
    events
        .iter()
        .filter_map(|event| match event {
            DeviceEvent::Virmo(VirmoEvent::Vm { node, from, to, .. }) => {
                Some(format!("{node} {}-{}", from.value(), to.value()))
            }
            DeviceEvent::Virmo(VirmoEvent::Image { node, from, to, .. }) => Some(match to {
                Some(to) => format!("{node} {}-{}", from.value(), to.value()),
                None => format!("{node} gone"),
            }),
            _ => None,
        })
        .collect()
}

/// The status of each command so far.
pub(crate) fn statuses(events: &[DeviceEvent]) -> Vec<(String, u16)> {
    events
        .iter()
        .filter_map(|event| match event {
            DeviceEvent::Client(ClientEvent::Command { uri, status, .. }) => {
                Some((uri.clone(), status.get()))
            }
            _ => None,
        })
        .collect()
}

/// A simulator with something to be called before each call.
pub(crate) struct Hooked {
    pub(crate) simulator: Simulator,
    hook: Mutex<Option<Arc<Hook>>>,
}

type Hook = dyn Fn(&str, &str) + Send + Sync;

impl Hooked {
    fn before(&self, call: &str, id: &str) -> &Simulator {
        let hook = self.hook.lock().unwrap().clone();
        if let Some(hook) = hook {
            hook(call, id);
        }
        &self.simulator
    }
}

impl Hypervisor for Hooked {
    fn capabilities(&self) -> Capabilities {
        self.simulator.capabilities()
    }

    fn list(&self) -> Result<Vec<Listed>, HypervisorError> {
        self.before("list", "").list()
    }

    fn observe(&self, id: &VmId) -> Result<Observed, HypervisorError> {
        self.before("observe", id.as_str()).observe(id)
    }

    fn create(&self, spec: &VmSpec) -> Result<Outcome, HypervisorError> {
        self.before("create", spec.id.as_str()).create(spec)
    }

    fn power_on(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        self.before("power_on", id.as_str()).power_on(id)
    }

    fn power_off(&self, id: &VmId, how: PowerOff) -> Result<Outcome, HypervisorError> {
        self.before("power_off", id.as_str()).power_off(id, how)
    }

    fn suspend(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        self.before("suspend", id.as_str()).suspend(id)
    }

    fn resume(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        self.before("resume", id.as_str()).resume(id)
    }

    fn delete(&self, id: &VmId, erase: Erase) -> Result<Outcome, HypervisorError> {
        self.before("delete", id.as_str()).delete(id, erase)
    }

    fn prepare(&self, id: &VmId, want: &ResourceConfig) -> Result<Prepared, HypervisorError> {
        self.before("prepare", id.as_str()).prepare(id, want)
    }

    fn commit(&self, id: &VmId, want: &ResourceConfig) -> Result<Outcome, HypervisorError> {
        self.before("commit", id.as_str()).commit(id, want)
    }

    fn undo(&self, id: &VmId, before: &ResourceConfig) -> Result<Outcome, HypervisorError> {
        self.before("undo", id.as_str()).undo(id, before)
    }

    fn input_lock(&self) -> Option<&dyn InputLock> {
        Some(self)
    }
}

impl InputLock for Hooked {
    fn set_locked(&self, id: &VmId, locked: bool) -> Result<Outcome, HypervisorError> {
        self.before("set_locked", id.as_str())
            .set_locked(id, locked)
    }

    fn is_locked(&self, id: &VmId) -> Result<bool, HypervisorError> {
        self.simulator.is_locked(id)
    }
}

/// Opens a way when told to, or dropped, so that a failed test ends too.
pub(crate) struct Gate(Option<Sender<()>>);

impl Gate {
    pub(crate) fn new() -> (Self, Arc<Mutex<Receiver<()>>>) {
        let (open, wait) = mpsc::channel();
        (Self(Some(open)), Arc::new(Mutex::new(wait)))
    }

    pub(crate) fn open(&mut self) {
        self.0 = None;
    }
}

/// A source that hands out half of a file, and the rest when its gate is open; tells at which byte
/// each request begins.
pub(crate) struct Slow {
    pub(crate) gate: Arc<Mutex<Receiver<()>>>,
    pub(crate) asked: Sender<u64>,
}

/// The length of that file.
const LENGTH: u64 = 4000;

impl Fetch for Slow {
    fn fetch(
        &self,
        request: &FetchRequest<'_>,
        receiver: &mut dyn Taker,
    ) -> Result<Ending, FetchError> {
        let from = request.resume.map_or(0, |resume| resume.from);
        self.asked.send(from).unwrap();
        let content = match from {
            0 => Content::Whole {
                length: Some(LENGTH),
            },
            first => Content::Part {
                first,
                total: Some(LENGTH),
            },
        };
        let mut head = ResponseHead::new(content);
        head.media_type = Some("application/octet-stream".to_owned());
        head.validator = Some(Validator::new("\"1\""));
        _ = receiver.head(&head);
        for _ in from..LENGTH / 2 {
            _ = receiver.chunk(b"x");
        }
        let (stop, stopped) = mpsc::channel();
        let _watch = request.cancel.watch(move || _ = stop.send(()));
        let gate = Arc::clone(&self.gate);
        loop {
            match gate.lock().unwrap().try_recv() {
                Err(mpsc::TryRecvError::Disconnected) => break,
                _ if stopped.try_recv().is_ok() => return Ok(Ending::Stopped),
                _ => thread::sleep(Duration::from_millis(1)),
            }
        }
        for _ in LENGTH / 2..LENGTH {
            if receiver.chunk(b"x").is_break() {
                return Err(FetchErrorKind::Interrupted.into());
            }
        }
        Ok(Ending::Complete)
    }
}

/// The commands that download an image.
pub(crate) fn download() -> Vec<Command<'static>> {
    vec![
        request::add_node("./VMImgMO/i", None),
        request::replace("./VMImgMO/i/DownloadURI", "http://images.example/i".into()),
        request::replace("./VMImgMO/i/MediaType", "application/octet-stream".into()),
        request::exec("./VMImgMO/i/Operations/Download", None),
    ]
}

/// What a played server says to a message: commands, and whether alerts are refused.
pub(crate) type Turn = Result<Vec<Command<'static>>, TransportFailure>;

/// A link to a server that `play` plays: it sees each message and gives the commands of the answer,
/// which acknowledges everything; none end the session.
pub(crate) struct Played<F>(Mutex<(Script, F)>);

impl<F: FnMut(&Message<'static>) -> Turn + Send> Played<F> {
    pub(crate) fn new(play: F) -> Arc<Self> {
        Arc::new(Self(Mutex::new((Script::default(), play))))
    }
}

impl<F: FnMut(&Message<'static>) -> Turn + Send> Transport for Played<F> {
    fn exchange(&self, request: &Request, _: &Cancel) -> Result<Reply, ExchangeError> {
        let (script, play) = &mut *self.0.lock().unwrap();
        let message = script.read(request);
        if message.header.msg_id == 1 {
            script.msg_id = 1;
        }
        let body = script.write(play(&message)?, true);
        Ok(Reply::new(encoding(), body))
    }
}

/// The configuration of a device whose server is played.
pub(crate) fn played() -> Config {
    config(SERVER_URL)
}
