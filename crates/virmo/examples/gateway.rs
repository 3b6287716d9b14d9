//! A device in front of the DM client of a guest: the server reaches the client through the device
//! alone. [VirMO §11.1.2]
//!
//! ```sh
//! cargo run -p virmo --features gateway --example gateway
//! ```
//!
//! Two parts are to be taken over: [`Guests`] runs on the device, [`Agent`] in the guest. Between
//! them are four words on the line that the device has to its guests anyway:
//!
//! | Exec in the guest | argument | Items of the answer |
//! |---|---|---|
//! | `./DM/Notify` | a notification | none |
//! | `./DM/Begin` | none | the first message of the guest's DM client |
//! | `./DM/Go` | what the gateway answers | the next message; none if the client has ended |

#![allow(clippy::print_stdout, reason = "a program that tells what it does")]

use std::{
    collections::BTreeMap,
    error::Error,
    net::TcpListener,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use virmo::{
    CreateVm, DeliverImage, Device, Hypervisor, Mounts, Procedure, Server, Simulator, Until, VmId,
    VmSpec,
    client::{GuestError, GuestLink},
    dm::{
        client::{Auth, Client, Config, Event, Input, Output, Received, Start},
        core::{Format, MemoryJournal, Now, StatusCode},
        download::Cancel,
        gateway::{Account, DeliveryError, EndDevices, Gateway, ProxySession, Request},
        http::{ClientConfig, Files, HttpTransport},
        mo::{DevInfo, JobEnd, Registry},
        server::{Accounts, EventKind, SingleCommand},
        session::{
            Proof, Scheme,
            notification::{Notification, ProvenBy},
            request::Leaf,
        },
        syncml::{Command, Data, Encoding, Exec, Item, Meta},
        tree::{Tree, TreeLimits},
    },
    guest::{self, Answer, Guest, News, Outcome, Responder},
    hypervisor::{
        Capabilities, Erase, GuestChannel, HypervisorError, HypervisorErrorKind as Kind, Listed,
        MachineState, Observed, Outcome as Did, PowerOff, Prepared,
    },
    params::ResourceConfig,
    runtime::Transport,
};

const SERVER_ID: &str = "dm.example";

/// How the server, or the gateway in its place, proves itself to the guest.
fn server_proof() -> Proof {
    Proof::new(Scheme::Basic, SERVER_ID, "known to the guest")
}

/// On the device: end devices are the guests of its VMs, by their VMID.
struct Guests {
    link: Arc<GuestLink>,
    within: Duration,
}

impl Guests {
    /// Has the guest execute one of the words; the first Item.
    fn say(&self, vm: &str, word: &str, argument: &[u8]) -> Result<Option<String>, DeliveryError> {
        let vm: VmId = vm.parse().map_err(|_| DeliveryError::Unknown)?;
        let command = guest::Command::Exec {
            uri: word.parse().map_err(|_| DeliveryError::Unreachable)?,
            argument: (!argument.is_empty()).then(|| argument.to_vec()),
            correlator: None,
        };
        let answer = self.link.one(&vm, command, self.within);
        let answer = answer.map_err(|error| match error {
            GuestError::NotRunning(_) => DeliveryError::NotRunning,
            GuestError::NoAnswer(_) => DeliveryError::NoAnswer,
            _ => DeliveryError::Unreachable,
        })?;
        match answer.outcome {
            _ if !answer.status.is_success() => Err(DeliveryError::Unreachable),
            Outcome::Items(items) => Ok(items.into_iter().next()),
            _ => Ok(None),
        }
    }
}

impl EndDevices for Guests {
    fn notify(&self, device: &str, notification: &[u8]) -> Result<(), DeliveryError> {
        self.say(device, "./DM/Notify", notification).map(drop)
    }

    fn session(&self, device: &str, server: &mut ProxySession) -> Result<(), DeliveryError> {
        let mut said = self.say(device, "./DM/Begin", &[])?;
        while let Some(message) = said {
            let request = Request::new(message.as_bytes(), Encoding::Xml, Now::default());
            let answer = server.answer(request);
            let answer = answer.map_err(|_| DeliveryError::Unreachable)?;
            said = self.say(device, "./DM/Go", &answer.body)?;
        }
        Ok(())
    }

    fn account(&self, _: &str) -> Account {
        Account::new(None, Some(server_proof()))
    }
}

/// In the guest: what hands the words of the device to the DM client there.
struct Agent {
    client: Client,
    sessions: u16,
    direct: HttpTransport,
}

impl Agent {
    /// A guest whose client calls itself by this name and goes to the server at `url`.
    fn new(name: &str, url: &str) -> Result<Self, Box<dyn Error>> {
        let mut config = Config::new(SERVER_ID.parse()?, url);
        config.auth = Auth::given(None, Some(server_proof()));
        config.encoding = Encoding::Xml;
        let info = DevInfo {
            dev_id: name.to_owned(),
            man: "Example".to_owned(),
            model: "Guest".to_owned(),
            dmv: "1.0".to_owned(),
            lang: "en".to_owned(),
        };
        let journal = Arc::new(MemoryJournal::new());
        let tree = Tree::load(&*journal, TreeLimits::default(), "Get=*".parse()?)?;
        let mut registry = Registry::new();
        registry.mount(Box::new(info.object()))?;
        Ok(Self {
            client: Client::new(config, tree, registry, journal, Now::default())?,
            sessions: 0,
            direct: HttpTransport::new(ClientConfig::default()),
        })
    }

    /// Feeds the client; its message, if it has one, and the session it was asked for.
    fn feed(&mut self, input: Input<'_>) -> Option<(Option<String>, Option<Start>)> {
        let now = Now::default();
        self.client.handle(input, now).ok()?;
        let (mut said, mut wanted) = (None, None);
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Send(request) => said = String::from_utf8(request.body).ok(),
                Output::Event(Event::Notified(notified)) => wanted = Some(notified.start),
                Output::Run(job) => {
                    let (job, end) = (job.id, JobEnd::Finished(job.run()));
                    self.client
                        .handle(Input::Completed { job, end }, now)
                        .ok()?;
                }
                _ => {}
            }
        }
        Some((said, wanted))
    }

    /// A session with the server itself. One of its own would do this beside, and retry.
    fn go_to_server(&mut self, start: Start) -> Option<()> {
        self.client
            .handle(Input::Start(start), Now::default())
            .ok()?;
        while let Some(output) = self.client.poll_output() {
            if let Output::Send(request) = output {
                let reply = self.direct.exchange(&request, &Cancel::new()).ok()?;
                let received = Received::new(&reply.body, reply.encoding);
                self.client
                    .handle(Input::Received(received), Now::default())
                    .ok()?;
            }
        }
        Some(())
    }

    fn word(&mut self, word: &str, argument: &[u8]) -> Option<Answer> {
        let said = match word {
            "Notify" => {
                // One that is not the server's is dropped, and wants nothing.
                let (_, wanted) = self.feed(Input::Notification(argument))?;
                self.go_to_server(wanted?)?;
                None
            }
            "Begin" => {
                self.sessions += 1;
                self.feed(Input::Start(Start::by_client(self.sessions)))?.0
            }
            "Go" => {
                let received = Received::new(argument, Encoding::Xml);
                self.feed(Input::Received(received))?.0
            }
            _ => return Some(StatusCode::NOT_FOUND.into()),
        };
        let items = Outcome::Items(said.into_iter().collect());
        Some(Answer::new(StatusCode::OK, items))
    }
}

impl Guest for Agent {
    fn carry_out(&mut self, command: &guest::Command) -> Answer {
        let guest::Command::Exec { uri, argument, .. } = command else {
            return StatusCode::COMMAND_NOT_ALLOWED.into();
        };
        let word = uri.name().unwrap_or_default();
        let answer = self.word(word, argument.as_deref().unwrap_or_default());
        answer.unwrap_or_else(|| StatusCode::COMMAND_FAILED.into())
    }

    fn news(&self) -> Vec<News> {
        Vec::new()
    }

    fn received(&mut self, _: u32) {}
}

/// Simulated machines, with an agent in each. On real ones the agent is in the image, and the line a
/// serial or virtio port.
struct Machines {
    machines: Simulator,
    agents: Mutex<BTreeMap<VmId, Responder<Agent>>>,
    url: String,
}

impl GuestChannel for Machines {
    fn exchange(
        &self,
        id: &VmId,
        message: &[u8],
        _within: Duration,
        _max_reply: usize,
        _over: &dyn Fn() -> bool,
    ) -> Result<Vec<u8>, HypervisorError> {
        let state = self.machines.observe(id)?.state;
        if state != MachineState::Running {
            return Err(HypervisorError::invalid_state(state));
        }
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if !agents.contains_key(id) {
            let agent = Agent::new(id.as_str(), &self.url);
            let agent =
                agent.map_err(|it| HypervisorError::new(Kind::Backend).because(it.to_string()))?;
            agents.insert(id.clone(), Responder::new(agent));
        }
        let agent = agents.get_mut(id);
        Ok(agent.map(|agent| agent.answer(message)).unwrap_or_default())
    }
}

impl Hypervisor for Machines {
    fn guest_channel(&self) -> Option<&dyn GuestChannel> {
        Some(self)
    }

    fn capabilities(&self) -> Capabilities {
        self.machines.capabilities()
    }

    fn list(&self) -> Result<Vec<Listed>, HypervisorError> {
        self.machines.list()
    }

    fn observe(&self, id: &VmId) -> Result<Observed, HypervisorError> {
        self.machines.observe(id)
    }

    fn create(&self, spec: &VmSpec) -> Result<Did, HypervisorError> {
        self.machines.create(spec)
    }

    fn power_on(&self, id: &VmId) -> Result<Did, HypervisorError> {
        self.machines.power_on(id)
    }

    fn power_off(&self, id: &VmId, how: PowerOff) -> Result<Did, HypervisorError> {
        self.machines.power_off(id, how)
    }

    fn suspend(&self, id: &VmId) -> Result<Did, HypervisorError> {
        self.machines.suspend(id)
    }

    fn resume(&self, id: &VmId) -> Result<Did, HypervisorError> {
        self.machines.resume(id)
    }

    fn delete(&self, id: &VmId, erase: Erase) -> Result<Did, HypervisorError> {
        self.machines.delete(id, erase)
    }

    fn prepare(&self, id: &VmId, want: &ResourceConfig) -> Result<Prepared, HypervisorError> {
        self.machines.prepare(id, want)
    }

    fn commit(&self, id: &VmId, want: &ResourceConfig) -> Result<Did, HypervisorError> {
        self.machines.commit(id, want)
    }

    fn undo(&self, id: &VmId, before: &ResourceConfig) -> Result<Did, HypervisorError> {
        self.machines.undo(id, before)
    }
}

/// The server proves itself to the guest; to the device in front the transport does.
#[derive(Debug)]
struct Known(&'static str);

impl Accounts for Known {
    fn account(&self, device: &str) -> Option<Account> {
        let proof = (device == self.0).then(server_proof);
        Some(Account::new(None, proof))
    }
}

/// An Exec with octets for its argument.
fn exec(node: &str, octets: Vec<u8>) -> Box<dyn Procedure> {
    let item = Item::new()
        .with_target(node.to_owned())
        .with_meta(Meta::new().with_format(Format::Bin))
        .with_data(Data::from(octets));
    Box::new(SingleCommand::new(Command::Exec(Exec::new([item]))))
}

/// What the server wants of the guest, in the guest's own addresses.
const COMMANDS: &str = "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD>\
    <VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>1</MsgID><Target><LocURI>vm-1</LocURI>\
    </Target><Source><LocURI>dm.example</LocURI></Source></SyncHdr><SyncBody><Get><CmdID>1</CmdID>\
    <Item><Target><LocURI>./DevInfo/Mod</LocURI></Target></Item></Get><Final/></SyncBody></SyncML>";

/// Both modes, once; `say` is told of every step.
pub(crate) fn run(mut say: impl FnMut(String)) -> Result<(), Box<dyn Error>> {
    const DEVICE: &str = "urn:example:device:1";
    // The first VM of a new device is called so.
    const GUEST: &str = "vm-1";
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("images"))?;
    std::fs::write(folder.path().join("images/work.img"), "an image")?;

    let (sender, events) = mpsc::channel();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = Server::builder()
        .files(Files::new(folder.path().join("images")))
        .accounts(Known(GUEST))
        .observer(move |event| drop(sender.send(event)))
        .start(listener)?;
    let notification = Notification::new(7, SERVER_ID.parse()?)?;
    let octets = server.notify(GUEST, &notification, ProvenBy::StoredNonce)?;

    let mounts = Mounts::default();
    let (image, vm) = (mounts.image("work")?, mounts.vm("work")?);
    let uri = format!("http://{}/images/work.img", server.address());
    let name = Leaf::from(GUEST);
    let steps: Vec<Box<dyn Procedure>> = vec![
        Box::new(DeliverImage::new(
            image.clone(),
            "work",
            uri,
            "application/octet-stream",
        )),
        Box::new(CreateVm::new(vm, image)),
        Box::new(SingleCommand::add_node("./Gateway/work", None)),
        Box::new(SingleCommand::replace("./Gateway/work/DeviceID", name)),
        exec("./Gateway/work/Trigger", octets),
        exec("./Gateway/work/Execute", COMMANDS.into()),
        Box::new(SingleCommand::get("./Gateway/work/Result")),
    ];
    for step in steps {
        server.enqueue(DEVICE, step)?;
    }

    let machines = Arc::new(Machines {
        machines: Simulator::open(folder.path().join("machines"))?,
        agents: Mutex::default(),
        url: server.url(),
    });
    // One link for all that talk to guests; its name is another at each start.
    let link = Arc::new(GuestLink::new(machines.clone(), "run 1"));
    let journal = Arc::new(MemoryJournal::new());
    let behind = Guests {
        link: Arc::clone(&link),
        within: Duration::from_secs(10),
    };
    let gateway = Gateway::new("./Gateway".parse()?, Arc::new(behind), journal.clone())?;
    let info = DevInfo {
        dev_id: DEVICE.to_owned(),
        man: "Example".to_owned(),
        model: "Host".to_owned(),
        dmv: "1.0".to_owned(),
        lang: "en".to_owned(),
    };
    let mut config = Config::new(SERVER_ID.parse()?, server.url());
    // XML has no octets: there the argument is base64, with the Format b64.
    config.encoding = Encoding::Wbxml;
    Device::builder(machines, config, info)
        .journal(journal)
        .guest_link(link)
        .object(Box::new(gateway))
        .build()?
        .run(Until::Idle)?;
    server.stop();

    for event in events {
        match event.kind {
            EventKind::NotificationAnswered { session_id } => {
                say(format!("{} opens session {session_id}", event.device));
            }
            EventKind::ProcedureFinished { report, .. } if report.ok => {
                say(report.value.unwrap_or_else(|| "done".to_owned()));
            }
            EventKind::ProcedureFinished { report, .. } => {
                return Err(report.detail.unwrap_or_default().into());
            }
            _ => {}
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    run(|line| println!("{line}"))
}
