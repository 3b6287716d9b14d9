//! A device and a server in one process, with everything the device stands on, which outlives it.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs, mem,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use omadm_client::{Client, Input, Output, Received, Request, Start, TransportFailure};
use omadm_core::{AlertCode, Batch, Journal, JournalError, MemoryJournal, Space, UserAnswer};
use omadm_download::{
    Cancel, Clock as Timer, Content, Ending, Fetch, FetchError, FetchErrorKind, FetchRequest,
    Receiver, ResponseHead, Sink, Validator,
};
use omadm_mo::{DevInfo, Job, JobEnd, JobId, JobOutput, Registry};
use omadm_server::{EventKind, Everyone, Server, SingleCommand};
use omadm_session::{Procedure, Report};
use omadm_store::RedbJournal;
use omadm_syncml::{Command, Item, Limits, decode};
use omadm_testkit::{
    Bench, CallKind, Clock, DEVICE_ID, Facts, Files, Halving, Invariants, Points, Power, PowerCut,
    SERVER_ID, TroubledHypervisor, TroubledJournal, TroubledSink, Violation, VolatileMedium,
    VolatileSink, encoding, uri,
};
use omadm_tree::{Acl, List, Tree, TreeLimits};
use tempfile::TempDir;
use virmo_client::{Policy, VirmoClient, VmQuestion, VmUserInterface};
use virmo_hypervisor::HypervisorError;
use virmo_simulator::{Fault, FaultMode, Simulator};

use crate::folder::VolatileFolder;
use crate::full::{Disk, On};

pub(crate) const MEDIA_TYPE: &str = "application/octet-stream";

/// What the device is asked for.
const ROOTS: [&str; 2] = ["./VirMO", "./VMImgMO"];

/// Longer than anybody waits.
const LONG: Duration = Duration::from_secs(3600);

/// Where image `name` is.
pub(crate) fn image_uri(name: &str) -> String {
    format!("http://images.example/{name}")
}

/// What is there: a few checkpoints long.
pub(crate) fn image() -> Vec<u8> {
    (0..45).collect()
}

/// A journal in memory, which knows how it came to be.
#[derive(Default)]
pub(crate) struct Recorded {
    records: MemoryJournal,
    batches: Mutex<Vec<Batch>>,
}

impl Recorded {
    fn replay(batches: &[Batch]) -> Self {
        let recorded = Self::default();
        for batch in batches {
            recorded.commit(batch).unwrap();
        }
        recorded
    }
}

impl Journal for Recorded {
    fn commit(&self, batch: &Batch) -> Result<(), JournalError> {
        self.batches.lock().unwrap().push(batch.clone());
        self.records.commit(batch)
    }

    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        self.records.read(space, key)
    }

    fn scan(&self, space: Space, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), JournalError> {
        self.records.scan(space, visit)
    }
}

/// Serves the image and packages, whole or in part.
struct Shelf;

impl Fetch for Shelf {
    fn fetch(
        &self,
        request: &FetchRequest<'_>,
        receiver: &mut dyn Receiver,
    ) -> Result<Ending, FetchError> {
        if !request.uri.as_str().starts_with("http://images.example/") {
            return Err(FetchErrorKind::Status(404).into());
        }
        let file = image();
        let from = request.resume.map_or(0, |resume| resume.from);
        let total = Some(file.len() as u64);
        let mut head = ResponseHead::new(match from {
            0 => Content::Whole { length: total },
            first => Content::Part { first, total },
        });
        head.media_type = Some(MEDIA_TYPE.to_owned());
        head.validator = Some(Validator::new("\"1\""));
        if receiver.head(&head).is_break() {
            return Ok(Ending::Stopped);
        }
        let from = usize::try_from(from).unwrap();
        for chunk in file.get(from..).unwrap().chunks(10) {
            if receiver.chunk(chunk).is_break() || request.cancel.is_cancelled() {
                return Ok(Ending::Stopped);
            }
        }
        Ok(Ending::Complete)
    }
}

/// Time nobody waits for.
struct NoWait;

impl Timer for NoWait {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn wait(&self, _: Duration, _: &Cancel) {}
}

/// A user who says yes.
struct Agreeable;

impl VmUserInterface for Agreeable {
    fn ask(&self, _: &VmQuestion<'_>, _: &Cancel) -> Result<UserAnswer, HypervisorError> {
        Ok(UserAnswer::Accepted)
    }
}

/// A job whose call hangs.
struct Hung {
    id: JobId,
    lane: String,
    end: mpsc::Receiver<JobOutput>,
    /// How many more sessions go by.
    sessions: u32,
}

/// What the journal is kept on, and whether a power cut does to that and to the machines what it does
/// to disks.
enum Store {
    Memory(Arc<Recorded>),
    Media {
        medium: VolatileMedium,
        /// What the machines are in.
        folder: VolatileFolder,
        journal: Option<Arc<RedbJournal>>,
    },
}

/// A power cut that is to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// After so many changes of media, since the last one.
    pub(crate) after: usize,
    pub(crate) how: PowerCut,
}

/// What a [`Store`] held.
enum Kept {
    Batches(Vec<Batch>),
    Medium(VolatileMedium),
}

/// What outlives the device, as it was at some moment.
pub(crate) struct Saved {
    kept: Kept,
    files: Files,
    machines: TempDir,
    invariants: Invariants,
    clock: Clock,
    sessions: u16,
}

pub(crate) struct World {
    pub(crate) points: Points,
    pub(crate) power: Power,
    cuts: VecDeque<Cut>,
    /// How many cuts there were since they were planned.
    pub(crate) cut: usize,
    /// What journal and sink are on.
    pub(crate) disk: Disk,
    pub(crate) policy: Policy,
    pub(crate) invariants: Invariants,
    /// What the procedures came to since they were last asked for.
    pub(crate) reports: Vec<Report>,
    /// What the server read since it was last asked to.
    read: BTreeMap<String, String>,
    folder: TempDir,
    simulator: Option<Arc<Simulator>>,
    sink: VolatileSink,
    store: Store,
    server: Server,
    client: Option<Client>,
    clock: Clock,
    requests: VecDeque<Request>,
    jobs: VecDeque<Job>,
    /// The look at the machines that comes next.
    watch: Option<Job>,
    hung: Option<Hung>,
    /// Whether jobs are run on threads, where they may hang.
    pub(crate) threads: bool,
    sessions: u16,
    /// How many of them brought no work.
    idle: u32,
}

impl World {
    pub(crate) fn new(policy: Policy) -> Self {
        Self::on(policy, |_, _| Store::Memory(Arc::default()))
    }

    /// With a journal and machines on media that can lose their power.
    pub(crate) fn on_media(policy: Policy) -> Self {
        Self::on(policy, |folder, power| Store::Media {
            medium: VolatileMedium::new(power),
            folder: VolatileFolder::new(folder, power),
            journal: None,
        })
    }

    fn on(policy: Policy, store: impl FnOnce(&Path, &Power) -> Store) -> Self {
        let folder = scratch();
        let power = Power::default();
        let images = folder.path().join("images");
        let machines = folder.path().join("machines");
        for place in [&images, &machines] {
            fs::create_dir(place).unwrap();
        }
        let all = ["i", "j", "p"].map(|name| (image_uri(name), image()));
        let all = all.iter().map(|(uri, bytes)| (uri.as_str(), bytes.clone()));
        let mut world = Self {
            points: Points::default(),
            cuts: VecDeque::new(),
            cut: 0,
            disk: Disk::default(),
            policy,
            invariants: Invariants::new(all),
            reports: Vec::new(),
            read: BTreeMap::new(),
            simulator: None,
            sink: VolatileSink::new(images, &power),
            store: store(&machines, &power),
            power,
            folder,
            server: server("s"),
            client: None,
            clock: Clock::default(),
            requests: VecDeque::new(),
            jobs: VecDeque::new(),
            watch: None,
            hung: None,
            threads: false,
            sessions: 0,
            idle: 0,
        };
        world.restart();
        world
    }

    /// What outlives the device.
    pub(crate) fn save(&self) -> Saved {
        let machines = scratch();
        copy(&self.machines(), machines.path());
        Saved {
            kept: match &self.store {
                Store::Memory(journal) => Kept::Batches(journal.batches.lock().unwrap().clone()),
                Store::Media { medium, .. } => Kept::Medium(medium.copy()),
            },
            files: self.sink.save(),
            machines,
            invariants: self.invariants.clone(),
            clock: self.clock,
            sessions: self.sessions,
        }
    }

    /// Starts over from there, with another server.
    pub(crate) fn restore(&mut self, saved: &Saved) {
        self.stop();
        self.points.calm();
        self.simulator = None;
        self.power.comes_back();
        self.cuts.clear();
        fs::remove_dir_all(self.machines()).unwrap();
        copy(saved.machines.path(), &self.machines());
        match (&mut self.store, &saved.kept) {
            (Store::Memory(journal), Kept::Batches(batches)) => {
                *journal = Arc::new(Recorded::replay(batches));
            }
            (
                Store::Media {
                    medium,
                    folder,
                    journal,
                },
                Kept::Medium(kept),
            ) => {
                *journal = None;
                *medium = kept.copy();
                folder.settle();
            }
            _ => panic!("it was kept elsewhere"),
        }
        self.sink.restore(&saved.files);
        self.invariants = saved.invariants.clone();
        (self.clock, self.sessions) = (saved.clock, saved.sessions);
        self.server = server("r");
        self.reports.clear();
        self.restart();
    }

    pub(crate) fn simulator(&self) -> &Simulator {
        self.simulator.as_ref().expect("there is one")
    }

    pub(crate) const fn sink(&self) -> &VolatileSink {
        &self.sink
    }

    pub(crate) fn journal(&self) -> &dyn Journal {
        match &self.store {
            Store::Memory(journal) => &**journal,
            Store::Media { journal, .. } => &**journal.as_ref().expect("it is open"),
        }
    }

    /// Has the power go at these moments.
    pub(crate) fn plan(&mut self, cuts: impl IntoIterator<Item = Cut>) {
        self.cuts = cuts.into_iter().collect();
        self.cut = 0;
        self.next_cut();
    }

    fn next_cut(&self) {
        match self.cuts.front() {
            Some(cut) => self.power.lasts_for(cut.after),
            None => self.power.comes_back(),
        }
    }

    /// The power went, and comes back.
    fn lose_power(&mut self) {
        self.simulator = None;
        let how = self.cuts.pop_front().expect("it was planned").how;
        self.sink.cut(how);
        if let Store::Media {
            medium,
            folder,
            journal,
        } = &mut self.store
        {
            *journal = None;
            medium.cut(how);
            folder.cut(how);
        }
        self.cut += 1;
        self.next_cut();
    }

    /// Opens what the device stands on, where it is not open.
    fn open(&mut self) -> Result<Arc<dyn Journal>, String> {
        let error = |error: &dyn std::error::Error| error.to_string();
        let machines = self.machines();
        if self.simulator.is_none() {
            let builder = Simulator::builder(machines.join("simulator"));
            let builder = match &self.store {
                Store::Memory(_) => builder.without_sync(),
                Store::Media { folder, .. } => {
                    let folder = folder.clone();
                    builder.watch_files(move |step| folder.step(step))
                }
            };
            self.simulator = Some(Arc::new(builder.open().map_err(|it| error(&it))?));
        }
        match &mut self.store {
            Store::Memory(journal) => Ok(journal.clone()),
            Store::Media {
                medium, journal, ..
            } => match journal {
                Some(journal) => Ok(journal.clone()),
                None => {
                    let opened = RedbJournal::open_on(Arc::new(medium.clone()));
                    let opened = opened.map_err(|it| error(&it))?;
                    Ok(journal.insert(Arc::new(opened)).clone())
                }
            },
        }
    }

    fn machines(&self) -> PathBuf {
        self.folder.path().join("machines")
    }

    /// The process is gone.
    fn stop(&mut self) {
        self.points.release();
        if let Some(hung) = self.hung.take() {
            // What it still does, it does before whatever comes next.
            _ = hung.end.recv();
        }
        (self.client, self.watch) = (None, None);
        self.requests.clear();
        self.jobs.clear();
    }

    /// Ends the process as it is and starts it again, until it starts.
    pub(crate) fn restart(&mut self) {
        for _ in 0..5 {
            self.stop();
            self.points.restarted();
            if self.power.is_off() {
                self.lose_power();
            }
            match self.start() {
                Ok(()) => return,
                Err(_) if !self.points.struck().is_empty() || self.power.is_off() => {}
                Err(why) => panic!("the device does not start: {why}"),
            }
        }
        panic!("the device never starts");
    }

    fn start(&mut self) -> Result<(), String> {
        let journal = self.open()?;
        let hypervisor = TroubledHypervisor::new(
            self.simulator.clone().unwrap(),
            &self.points,
            halving(self.simulator.clone().unwrap()),
        );
        let sink: Arc<dyn Sink> = Arc::new(self.sink.clone());
        let sink = Arc::new(On(self.disk.clone(), sink));
        let sink = TroubledSink::new(sink, &self.points);
        let journal = Arc::new(On(self.disk.clone(), journal));
        let journal: Arc<dyn Journal> = Arc::new(TroubledJournal::new(journal, &self.points));
        let acl: Acl =
            format!("Add=*&Get=*&Delete={SERVER_ID}&Exec={SERVER_ID}&Replace={SERVER_ID}")
                .parse()
                .unwrap();
        let told = |error: &dyn std::error::Error| error.to_string();
        let tree =
            Tree::load(&*journal, TreeLimits::default(), acl).map_err(|error| told(&error))?;
        let mut registry = Registry::new();
        let info = DevInfo {
            dev_id: DEVICE_ID.into(),
            man: "Example".into(),
            model: "One".into(),
            dmv: "1.0".into(),
            lang: "en".into(),
        };
        registry.mount(Box::new(info.object())).unwrap();
        let virmo = VirmoClient::builder(
            Arc::new(hypervisor),
            Arc::new(Shelf),
            Arc::new(sink),
            Arc::clone(&journal),
            Arc::new(NoWait),
        )
        .policy(self.policy.clone())
        .user_interface(Arc::new(Agreeable))
        .build()
        .map_err(|error| told(&error))?;
        registry.mount(Box::new(virmo)).unwrap();
        let client = Client::new(Bench::config(), tree, registry, journal, self.clock.now())
            .map_err(|error| told(&error))?;
        self.client = Some(client);
        self.drain();
        Ok(())
    }

    /// Has the server do this.
    pub(crate) fn ask(&mut self, procedures: Vec<Box<dyn Procedure>>) {
        self.reports.clear();
        self.idle = 0;
        for procedure in procedures {
            self.server.enqueue(DEVICE_ID, procedure).unwrap();
        }
    }

    /// Has the server do this, and everything come to its end.
    pub(crate) fn run(&mut self, procedures: Vec<Box<dyn Procedure>>) {
        self.ask(procedures);
        self.settle();
    }

    /// Runs until there is nothing left to do, starting the device again whenever it crashed; whether
    /// it came to that.
    pub(crate) fn try_settle(&mut self) -> bool {
        (0..3000).any(|_| !self.step())
    }

    /// Runs for a while, whether it comes to an end or not.
    pub(crate) fn stall(&mut self) {
        _ = (0..150).any(|_| !self.step());
    }

    pub(crate) fn settle(&mut self) {
        assert!(
            self.try_settle(),
            "no end: {:?}, {:?}",
            self.client,
            self.points
        );
    }

    /// What it is at.
    pub(crate) fn state(&self) -> String {
        let waiting = self.server.waiting(DEVICE_ID);
        format!(
            "{waiting} procedures, {:?}, {} sessions",
            self.client, self.sessions
        )
    }

    /// Lets go on what hangs, until there is nothing left to do.
    pub(crate) fn release(&mut self) {
        self.points.release();
        if let Some(hung) = self.hung.take() {
            let output = hung.end.recv().unwrap();
            self.complete(hung.id, JobEnd::Finished(output));
        }
        self.settle();
    }

    /// Has the device take up what could not be kept, as it does after a while, and look after its
    /// machines, as it does every few seconds.
    pub(crate) fn recollect(&mut self) {
        self.idle = 0;
        if let Some(watch) = self.watch.take() {
            self.work(watch);
        }
        self.clock.advance(LONG);
        self.feed(Input::Deadline);
    }

    /// Whether the device is what it promised to be.
    pub(crate) fn violations(&mut self) -> Vec<Violation> {
        let client = self.client.as_ref().expect("it runs");
        let mut invariants = mem::take(&mut self.invariants);
        let facts = facts(client, self.journal(), self.simulator(), &self.sink);
        let found = invariants.check(facts);
        self.invariants = invariants;
        found
    }

    /// Where the tree in memory and the durable one differ, whatever is under way.
    pub(crate) fn not_durable(&self) -> Vec<String> {
        let client = self.client.as_ref().expect("it runs");
        let facts = facts(client, self.journal(), self.simulator(), &self.sink);
        let found = Invariants::default().check(facts).into_iter();
        let found = found.filter(|it| matches!(it, Violation::NotDurable(_)));
        found.map(|it| format!("meanwhile {it:?}")).collect()
    }

    /// Where the server reads something else than what the tree has.
    pub(crate) fn seen_otherwise(&mut self) -> Vec<String> {
        let reports = mem::take(&mut self.reports);
        self.read.clear();
        self.idle = 0;
        let lists = ROOTS.map(|root| SingleCommand::list(root, List::StructData));
        for list in lists {
            self.server.enqueue(DEVICE_ID, Box::new(list)).unwrap();
        }
        self.settle();
        self.reports = reports;
        let tree = self.client.as_ref().expect("it runs").tree();
        let mut open: Vec<_> = ROOTS.iter().filter_map(|it| tree.node(&uri(it))).collect();
        let mut there = BTreeMap::new();
        while let Some(node) = open.pop() {
            open.extend(node.children());
            // What can only be executed is empty.
            let text = node.text().filter(|text| !text.is_empty());
            there.extend(text.map(|text| (node.uri().to_string(), text.to_owned())));
        }
        self.read.retain(|_, text| !text.is_empty());
        let all: BTreeSet<_> = there.keys().chain(self.read.keys()).collect();
        let pairs = all
            .into_iter()
            .map(|at| (at, self.read.get(at), there.get(at)));
        pairs
            .filter(|(_, read, there)| read != there)
            .map(|(at, read, there)| format!("{at}: {there:?}, and the server reads {read:?}"))
            .collect()
    }

    /// Whether these VMs, by node, are all as before or all as after an ApplyChanges.
    pub(crate) fn is_whole(
        &self,
        before: &BTreeMap<String, String>,
        after: &BTreeMap<String, String>,
    ) -> Vec<Violation> {
        let client = self.client.as_ref().expect("it runs");
        let facts = facts(client, self.journal(), self.simulator(), &self.sink);
        Invariants::check_whole(facts, before, after)
    }

    /// The value of a leaf, or the names of what is below a node.
    pub(crate) fn get(&self, at: &str) -> Option<String> {
        let node = self.client.as_ref().unwrap().tree().node(&uri(at))?;
        Some(match node.text() {
            Some(text) => text.to_owned(),
            None => node
                .children()
                .map(|child| child.name())
                .collect::<Vec<_>>()
                .join("/"),
        })
    }

    /// The State of every VM and image, what each VM has, and that of its lock, its camera and its
    /// firmware.
    pub(crate) fn states(&self) -> BTreeMap<String, String> {
        let mut states = BTreeMap::new();
        for (root, leaves) in [
            (
                "./VirMO",
                &[
                    "State",
                    "Resources/CurrentConfig",
                    "DMTree/LAWMO/State",
                    "DMTree/DCMO/camera/Enabled",
                    "DMTree/FUMO/State",
                ][..],
            ),
            ("./VMImgMO", &["State"]),
        ] {
            for name in self.get(root).unwrap_or_default().split('/') {
                for leaf in leaves {
                    let at = format!("{root}/{name}/{leaf}");
                    if !name.is_empty()
                        && let Some(value) = self.get(&at)
                    {
                        states.insert(at, value);
                    }
                }
            }
        }
        states
    }

    /// One thing happens; whether anything did.
    fn step(&mut self) -> bool {
        if self.points.is_dead() || self.power.is_off() {
            self.restart();
            return true;
        }
        if let Some(request) = self.requests.pop_front() {
            self.exchange(&request);
            return true;
        }
        let busy = self.hung.as_ref().map(|hung| hung.lane.clone());
        let next = self
            .jobs
            .iter()
            .position(|job| Some(&job.lane) != busy.as_ref());
        if let Some(job) = next.and_then(|next| self.jobs.remove(next)) {
            self.work(job);
            return true;
        }
        let client = self.client.as_ref().expect("it runs");
        let deadline = client.deadline();
        if let Some(deadline) = deadline
            && (client.in_session() || self.hung.is_some())
        {
            self.clock.advance_to(deadline);
            self.feed(Input::Deadline);
            return true;
        }
        let waiting = self.server.waiting(DEVICE_ID);
        if waiting == 0 && client.is_idle() {
            return false;
        }
        if let Some(deadline) = deadline
            && waiting == 0
            && client.open_jobs() == 0
        {
            // An alert waits for its next try.
            self.clock.advance_to(deadline);
            self.feed(Input::Deadline);
        }
        if let Some(hung) = &mut self.hung {
            // A download may take as long as it takes: the server waits, and so does this.
            if hung.sessions == 0 {
                return false;
            }
            hung.sessions -= 1;
        }
        if self.idle > 5 {
            self.recollect();
        }
        self.idle += 1;
        self.sessions += 1;
        self.feed(Input::Start(Start::by_client(self.sessions)));
        true
    }

    fn exchange(&mut self, request: &Request) {
        let (server, now) = (&mut self.server, self.clock.now());
        let (mut events, invariants) = (Vec::new(), &mut self.invariants);
        let answer = self.points.call(
            CallKind::Message,
            "message",
            || (),
            || {
                let message = decode(&request.body, request.encoding, &Limits::default()).unwrap();
                for command in &message.commands {
                    if let Command::Alert(alert) = command
                        && alert.code == Some(AlertCode::GENERIC)
                    {
                        for alert in alert.generic_alerts().unwrap() {
                            invariants.delivered(&alert);
                        }
                    }
                }
                let request = omadm_server::Request::new(&request.body, request.encoding, now);
                let mut receipt = server.receive(request).unwrap();
                events.extend(receipt.take_events());
                let response = server.respond(receipt).unwrap();
                events.extend(response.events);
                Ok(response.body)
            },
        );
        for event in events {
            match event.kind {
                EventKind::ProcedureFinished {
                    report, procedure, ..
                } => {
                    self.reports.push(report);
                    let procedure: Box<dyn Any> = procedure;
                    if let Some(reply) = procedure.downcast_ref().and_then(SingleCommand::reply) {
                        self.read.extend(reply.items().iter().filter_map(leaf));
                    }
                }
                EventKind::Alert { alert, .. } => self.invariants.told(&alert),
                _ => {}
            }
        }
        match answer {
            Ok(body) => self.feed(Input::Received(Received::new(&body, encoding()))),
            Err(()) => self.feed(Input::TransportFailed(TransportFailure::Lost)),
        }
    }

    fn work(&mut self, job: Job) {
        self.idle = 0;
        let (id, lane) = (job.id, job.lane.clone());
        if !self.threads {
            let output = job.run();
            return self.complete(id, JobEnd::Finished(output));
        }
        let (tell, end) = mpsc::channel();
        thread::spawn(move || tell.send(job.run()));
        loop {
            match end.recv_timeout(Duration::from_millis(1)) {
                Ok(output) => return self.complete(id, JobEnd::Finished(output)),
                Err(_) if self.hung.is_none() && self.points.hanging() > 0 => {
                    self.hung = Some(Hung {
                        id,
                        lane,
                        end,
                        sessions: 20,
                    });
                    return;
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => panic!("a job panicked"),
            }
        }
    }

    fn complete(&mut self, job: JobId, end: JobEnd) {
        self.feed(Input::Completed { job, end });
    }

    fn feed(&mut self, input: Input<'_>) {
        // Nothing reaches a process that is gone.
        if self.points.is_dead() || self.power.is_off() {
            return;
        }
        let client = self.client.as_mut().expect("it runs");
        let now = self.clock.now();
        if !self.threads {
            client.handle(input, now).unwrap();
            return self.drain();
        }
        let (tell, end) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                client.handle(input, now).unwrap();
                tell.send(())
            });
            let poll = Duration::from_millis(1);
            while end.recv_timeout(poll) == Err(mpsc::RecvTimeoutError::Timeout) {
                // Where the engine hangs nothing goes on but time.
                if self.hung.is_none() && self.points.hanging() > 0 {
                    self.clock.advance(LONG);
                    self.points.release();
                }
            }
        });
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.as_mut().and_then(Client::poll_output) {
            match output {
                Output::Send(request) => self.requests.push_back(request),
                Output::Run(job) if job.background => self.watch = Some(job),
                Output::Run(job) => self.jobs.push_back(job),
                _ => {}
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.points.release();
    }
}

fn facts<'a>(
    client: &'a Client,
    journal: &'a dyn Journal,
    simulator: &'a Simulator,
    sink: &'a VolatileSink,
) -> Facts<'a> {
    Facts {
        tree: client.tree(),
        journal,
        hypervisor: simulator,
        sink,
    }
}

/// The address and the text of a leaf that was read.
fn leaf(item: &Item<'_>) -> Option<(String, String)> {
    let text = item.data.as_ref()?.to_text()?.into_owned();
    Some((item.source.as_ref()?.uri.clone().into_owned(), text))
}

/// A folder in memory, where the system has that.
pub(crate) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        TempDir::new_in(memory)
    } else {
        TempDir::new()
    };
    folder.unwrap()
}

fn server(correlators: &str) -> Server {
    Server::new(omadm_server::Config::new(correlators), Everyone)
}

/// Half a call of the simulator is what a fault leaves of it.
pub(crate) fn halving(simulator: Arc<Simulator>) -> Halving {
    Arc::new(move |call| {
        let operation = call.map(|call| if call == "commit" { "apply" } else { call });
        let operation = operation.and_then(|name| name.parse().ok());
        simulator.set_faults(operation.map(|operation| Fault {
            operation,
            mode: FaultMode::Fail,
        }));
        operation.is_some()
    })
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => _ = fs::copy(entry.path(), target).unwrap(),
        }
    }
}
