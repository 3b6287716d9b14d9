//! A device on its own: the client engine with VirMO and the simulator, whose records are in
//! memory. Jobs run at once, time passes when there is nothing else to do.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use virmo::{
    CreateVm, DeliverImage, Mounts, Simulator,
    client::{Policy, VirmoClient},
    dm::{
        client::{Auth, Client, Config, Input, Output, Received, Request, Start},
        core::{Journal, MemoryJournal, Now},
        download::{
            Cancel, Clock, Content, Ending, Fetch, FetchError, FetchRequest, Receiver, ResponseHead,
        },
        mo::{DevDetail, DevInfo, Job, JobEnd, Registry},
        server::{Config as ServerConfig, Everyone, Server},
        session::{NoRandom, Procedure},
        store::FileSink,
        syncml::Encoding,
        tree::{Acl, Tree, TreeLimits},
    },
    params::{Bytes, DeviceResources, ResourceConfig},
};

/// How the device is called.
pub const NAME: &str = "urn:example:dev1";

const SERVER: &str = "dm.example";

const SERVER_URL: &str = "http://dm.example/dm";

/// A device, and the folder of its images and machines.
pub struct Device {
    pub client: Client,
    now: Now,
    jobs: VecDeque<Job>,
    request: Option<Request>,
    _folder: tempfile::TempDir,
}

/// An answer to a message.
pub struct Answer {
    pub body: Vec<u8>,
    pub hmac: Option<String>,
}

impl Device {
    /// A device that proves itself so, with a leaf of some size: `./DevDetail/OEM`.
    pub fn new(auth: Auth, leaf: usize) -> Self {
        Self::named(NAME, auth, leaf)
    }

    /// A device of some name.
    pub fn named(name: &str, auth: Auth, leaf: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let journal: Arc<dyn Journal> = Arc::new(MemoryJournal::new());
        let limits = TreeLimits::default();
        let info = DevInfo {
            dev_id: name.to_owned(),
            man: "Example".to_owned(),
            model: "One".to_owned(),
            dmv: "1.0".to_owned(),
            lang: "en".to_owned(),
        };
        let detail = DevDetail {
            dev_typ: "bench".to_owned(),
            oem: "x".repeat(leaf),
            fwv: "1".to_owned(),
            swv: "1".to_owned(),
            hwv: "1".to_owned(),
            lrg_obj: true,
            uri: limits.uri,
        };
        let much = DeviceResources::new(Bytes::gib(1 << 20), Bytes::gib(1 << 20));
        let simulator = Simulator::builder(folder.path().join("machines"))
            .without_sync()
            .device(much)
            .open()
            .expect("a new folder");
        let sink = FileSink::open(folder.path().join("images")).expect("a new folder");
        let mut policy = Policy::default();
        policy.entitlement = small();
        policy.watch = None;
        let virmo = VirmoClient::builder(
            Arc::new(simulator),
            Arc::new(Shelf),
            Arc::new(sink),
            Arc::clone(&journal),
            Arc::new(NoWait),
        );
        let virmo = virmo.policy(policy).build().expect("a fit hypervisor");
        let mut registry = Registry::new();
        for object in [
            Box::new(info.object()) as _,
            Box::new(detail.object()) as _,
            Box::new(virmo) as _,
        ] {
            registry.mount(object).expect("a place of its own");
        }
        let acl = format!("Add=*&Delete={SERVER}&Exec={SERVER}&Get=*&Replace={SERVER}");
        let acl: Acl = acl.parse().expect("a list");
        let tree = Tree::load(&*journal, limits, acl).expect("an empty journal");
        let mut config = Config::new(SERVER.parse().expect("a name"), SERVER_URL);
        config.encoding = Encoding::Xml;
        config.auth = auth;
        let now = Now::default();
        let client = Client::new(config, tree, registry, journal, now).expect("a whole device");
        let mut device = Self {
            client: client.with_random(octets),
            now,
            jobs: VecDeque::new(),
            request: None,
            _folder: folder,
        };
        device.drain();
        device.work();
        device
    }

    /// A device with so many running machines, `vm0` and so on, in the session that made them.
    pub fn with_machines(machines: usize) -> Self {
        let mut device = Self::new(Auth::NONE, 0);
        let mut config = ServerConfig::new("c");
        config.max_procedures = machines + 1;
        let mut server = Server::new(config, Everyone);
        let mounts = Mounts::default();
        let image = mounts.image("image").expect("a name");
        let uri = "http://images.example/image";
        let deliver = DeliverImage::new(image.clone(), "image", uri, MEDIA_TYPE);
        let mut procedures: Vec<Box<dyn Procedure>> = vec![Box::new(deliver)];
        for machine in 0..machines {
            let vm = mounts.vm(&format!("vm{machine}")).expect("a name");
            let create = CreateVm::new(vm, image.clone())
                .with_description("A machine")
                .with_resources(small());
            procedures.push(Box::new(create));
        }
        for procedure in procedures {
            server.enqueue(NAME, procedure).expect("room");
        }
        for _ in 0..100 {
            if server.waiting(NAME) == 0 {
                let at = format!("./VirMO/vm{}/State", machines - 1);
                let at = at.parse().expect("an address");
                let state = device.client.tree().node(&at);
                assert_eq!(state.and_then(|node| node.text()), Some("2"));
                return device;
            }
            let now = device.now;
            device.session(|request| respond(&mut server, request, now));
        }
        panic!("it never comes to an end: {server:?}");
    }

    /// Opens a session and holds it to its end; how many messages that took.
    pub fn session(&mut self, mut post: impl FnMut(&Request) -> Answer) -> u32 {
        let mut exchanges = 0;
        let mut request = self.open();
        while let Some(message) = request {
            exchanges += 1;
            let answer = post(&message);
            request = self.hear(&answer);
        }
        // Such as a download, which sessions do not wait for.
        self.work();
        exchanges
    }

    /// Opens a session: the first message.
    pub fn open(&mut self) -> Option<Request> {
        self.feed(Input::Start(Start::by_client(7)))
    }

    /// Takes in an answer: the next message, unless the session is over.
    pub fn hear(&mut self, answer: &Answer) -> Option<Request> {
        let received = Received::new(&answer.body, Encoding::Xml);
        self.feed(Input::Received(received.with_hmac(answer.hmac.as_deref())))
    }

    fn feed(&mut self, input: Input<'_>) -> Option<Request> {
        self.client.handle(input, self.now).expect("in order");
        self.drain();
        while self.request.is_none() && self.client.in_session() {
            if self.jobs.is_empty() {
                self.now.mono = self.client.deadline().expect("something has to happen");
                self.client
                    .handle(Input::Deadline, self.now)
                    .expect("in order");
                self.drain();
            }
            self.work();
        }
        self.request.take()
    }

    /// Runs the jobs, and those that come of them.
    fn work(&mut self) {
        while let Some(job) = self.jobs.pop_front() {
            let (job, end) = (job.id, JobEnd::Finished(job.run()));
            let completed = Input::Completed { job, end };
            self.client.handle(completed, self.now).expect("in order");
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Send(request) => self.request = Some(request),
                Output::Run(job) => self.jobs.push_back(job),
                _ => {}
            }
        }
    }
}

/// What a server engine says to a message.
pub fn respond(server: &mut Server, request: &Request, now: Now) -> Answer {
    let message = virmo::dm::server::Request::new(&request.body, request.encoding, now);
    let message = message.with_hmac(request.hmac.as_deref());
    let receipt = server.receive(message).expect("a message");
    let response = server.respond(receipt).expect("room");
    Answer {
        body: response.body,
        hmac: response.hmac,
    }
}

/// Octets that are the same each time: nobody has to be kept out.
pub fn octets(octets: &mut [u8]) -> Result<(), NoRandom> {
    octets.fill(7);
    Ok(())
}

fn small() -> ResourceConfig {
    let text = "RAM=1048576&Storage=1048576&CPU=0&Network=0";
    text.parse().expect("resources")
}

const MEDIA_TYPE: &str = "application/octet-stream";

/// A source of one image.
struct Shelf;

impl Fetch for Shelf {
    fn fetch(
        &self,
        _: &FetchRequest<'_>,
        receiver: &mut dyn Receiver,
    ) -> Result<Ending, FetchError> {
        let image = b"an image";
        let mut head = ResponseHead::new(Content::Whole {
            length: Some(image.len() as u64),
        });
        head.media_type = Some(MEDIA_TYPE.to_owned());
        let broken = receiver.head(&head).is_break() || receiver.chunk(image).is_break();
        Ok(match broken {
            true => Ending::Stopped,
            false => Ending::Complete,
        })
    }
}

/// Time that nobody waits for.
struct NoWait;

impl Clock for NoWait {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn wait(&self, _: Duration, _: &Cancel) {}
}
