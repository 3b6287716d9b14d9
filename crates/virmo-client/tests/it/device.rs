//! A device: tree, registry, client and what is below them, with an engine that does what the real
//! one does around the hooks.

use std::{
    cell::Cell,
    collections::{BTreeMap, VecDeque},
    fmt::Write,
    sync::{Arc, Mutex},
};

use omadm_core::{
    Batch, Correlator, Format, GenericAlert, Journal, MemoryJournal, Now, Space, StatusCode,
};
use omadm_download::{DownloadKey, MemorySink, Sink};
use omadm_mo::{
    Context, Effects, ExecAnswer, ExecRequest, ExecResult, Job, JobEnd, JobId, Layout,
    ManagementObject, Mount, Refusal, Registry, Reporting,
};
use omadm_tree::{
    AccessType, Acl, Change, NewNode, Principal, Target, Transaction, Tree, TreeError, TreeLimits,
    Uri, Value,
};
use virmo_client::{Event, Policy, Users, VirmoClient, VmUserInterface};
use virmo_hypervisor::{Hypervisor, MachineState};
use virmo_nodes::{Profile, VirmoPath};
use virmo_state::{VmId, VmState};

use crate::bench::{
    Bench, MEDIA_TYPE, Machines, NoWait, Recorder, Shelf, Store, Trip, in_job, quiet, surviving,
};

pub(crate) const IMAGE: &str = "http://images.example/entvm.img";

pub(crate) struct Device {
    pub(crate) bench: Arc<Bench>,
    pub(crate) journal: Arc<Recorder>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) store: Arc<Store>,
    /// What the client gets; the bench and the store unless a test says otherwise.
    pub(crate) hypervisor: Arc<dyn Hypervisor>,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) trip: Arc<Trip>,
    pub(crate) policy: Policy,
    /// Of the client, from the next start on. Addresses are those of the approved text whatever
    /// this is.
    pub(crate) profile: Profile,
    /// Who answers for the users of VMs, from the next start on.
    pub(crate) interface: Option<Arc<dyn VmUserInterface>>,
    /// Of the tree, from the next start on.
    pub(crate) limits: TreeLimits,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
    pub(crate) jobs: VecDeque<Job>,
    /// The job that waits in the background.
    pub(crate) watch: Option<Job>,
    next_job: u64,
    /// What the last command waits for.
    put_off: Option<Job>,
    /// Whether something was left open that the client is to take up after a pause.
    pub(crate) is_due: bool,
    /// Whether the journal took what was to be kept last.
    pub(crate) is_kept: bool,
    live: Option<Live>,
    /// What the user may do.
    pub(crate) users: Option<Users>,
}

/// What dies with the process.
struct Live {
    tree: Tree,
    registry: Registry,
    client: Shared,
}

/// What outlives the process, of its own.
#[derive(Clone, Default, Debug)]
pub(crate) struct Disk {
    pub(crate) journal: MemoryJournal,
    pub(crate) machines: Machines,
    pub(crate) files: MemorySink,
}

/// The client, mounted and still to be looked at.
#[derive(Clone)]
struct Shared(Arc<Mutex<VirmoClient>>);

impl ManagementObject for Shared {
    fn mounts(&self) -> Vec<Mount> {
        self.0.lock().unwrap().mounts()
    }

    fn start(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        self.0.lock().unwrap().start(cx)
    }

    fn stage(
        &mut self,
        change: &Change,
        by: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        self.0.lock().unwrap().stage(change, by, cx)
    }

    fn validate(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        self.0.lock().unwrap().validate(cx)
    }

    fn committed(&mut self) {
        self.0.lock().unwrap().committed();
    }

    fn rolled_back(&mut self) {
        self.0.lock().unwrap().rolled_back();
    }

    fn resume(&mut self, cx: &mut Context<'_, '_>) {
        self.0.lock().unwrap().resume(cx);
    }

    fn exec(&mut self, request: &ExecRequest<'_>, cx: &mut Context<'_, '_>) -> ExecAnswer {
        self.0.lock().unwrap().exec(request, cx)
    }

    fn accepted(&mut self, job: JobId, cx: &mut Context<'_, '_>) {
        self.0.lock().unwrap().accepted(job, cx);
    }

    fn given_up(&mut self, job: JobId, cx: &mut Context<'_, '_>) {
        self.0.lock().unwrap().given_up(job, cx);
    }

    fn completed(&mut self, job: JobId, end: JobEnd, cx: &mut Context<'_, '_>) -> ExecResult {
        self.0.lock().unwrap().completed(job, end, cx)
    }
}

/// What came of an Exec so far.
#[derive(Debug, PartialEq)]
pub(crate) enum Answer {
    Done(StatusCode),
    Pending(JobId, Reporting),
}

/// What a server changes by one command.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Edit<'a> {
    Add(&'a str),
    /// An interior node with its Type.
    AddObject(&'a str, &'a str),
    AddLeaf(&'a str, &'a str),
    AddMarkup(&'a str, &'a str),
    /// With a media type.
    AddOctets(&'a str, &'a str, &'a [u8]),
    ReplaceMarkup(&'a str, &'a str),
    ReplaceBool(&'a str, bool),
    Replace(&'a str, &'a str),
    Rename(&'a str, &'a str),
    /// A property of a node by its name, and what it is to be.
    Property(&'a str, &'a str, &'a str),
    Delete(&'a str),
    /// An object of a type goes and comes elsewhere, as a document that is replaced has it.
    MoveObject(&'a str, &'a str, &'a str),
}

thread_local! {
    static PROFILE: Cell<Profile> = const { Cell::new(Profile::Approved) };
}

/// Runs a test with another profile for its devices.
pub(crate) fn with_profile(profile: Profile, test: impl FnOnce()) {
    PROFILE.set(profile);
    test();
    PROFILE.set(Profile::Approved);
}

/// An address where the profile has the node.
fn place(profile: Profile, uri: &str) -> String {
    let root = Uri::parse("./VirMO").unwrap();
    let Ok(parsed) = Uri::parse(uri) else {
        return uri.to_owned();
    };
    match VirmoPath::parse(Profile::Approved, &root, &parsed) {
        Some(VirmoPath::Vm(path)) if profile != Profile::Approved => {
            let vm = root.child(path.vm).unwrap();
            let place = profile.node(path.node, &vm);
            place.map_or(uri.to_owned(), |place| place.join(&path.below).to_string())
        }
        _ => uri.to_owned(),
    }
}

impl Edit<'_> {
    fn make(
        self,
        profile: Profile,
        layout: &Layout,
        tree: &mut Transaction<'_>,
    ) -> Result<(), TreeError> {
        let permit = |tree: &Transaction<'_>, access, target: &str| {
            let target: Target = place(profile, target).parse().unwrap();
            tree.authorize(layout, &server(), access, &target)
        };
        match self {
            Self::Add(uri) => {
                let permit = permit(tree, AccessType::Add, uri)?;
                tree.add(layout, permit, NewNode::INTERIOR)
            }
            Self::AddObject(uri, moid) => {
                let permit = permit(tree, AccessType::Add, uri)?;
                let node_type = Some(moid.to_owned());
                tree.add(layout, permit, NewNode::Interior { node_type })
            }
            Self::AddLeaf(uri, text) => {
                let permit = permit(tree, AccessType::Add, uri)?;
                tree.add(layout, permit, NewNode::Leaf(Value::chr(text)))
            }
            Self::Replace(uri, text) => {
                let permit = permit(tree, AccessType::Replace, uri)?;
                tree.replace(layout, permit, Value::chr(text))
            }
            Self::AddOctets(uri, media_type, octets) => {
                let permit = permit(tree, AccessType::Add, uri)?;
                let value = Value::bin(octets).with_media_type(media_type);
                tree.add(layout, permit, NewNode::Leaf(value))
            }
            Self::AddMarkup(uri, text) => {
                let permit = permit(tree, AccessType::Add, uri)?;
                tree.add(layout, permit, NewNode::Leaf(Value::xml(text)))
            }
            Self::ReplaceMarkup(uri, text) => {
                let permit = permit(tree, AccessType::Replace, uri)?;
                tree.replace(layout, permit, Value::xml(text))
            }
            Self::ReplaceBool(uri, value) => {
                let permit = permit(tree, AccessType::Replace, uri)?;
                tree.replace(layout, permit, Value::bool(value))
            }
            Self::Rename(uri, name) => {
                let permit = permit(tree, AccessType::Replace, &format!("{uri}?prop=Name"))?;
                tree.replace_property(layout, permit, name)
            }
            Self::Property(uri, property, value) => {
                let permit = permit(tree, AccessType::Replace, &format!("{uri}?prop={property}"))?;
                tree.replace_property(layout, permit, value)
            }
            Self::Delete(uri) => {
                let permit = permit(tree, AccessType::Delete, uri)?;
                tree.delete(layout, permit)
            }
            Self::MoveObject(from, uri, moid) => {
                Edit::Delete(from).make(profile, layout, tree)?;
                Edit::AddObject(uri, moid).make(profile, layout, tree)
            }
        }
    }
}

impl Device {
    pub(crate) fn new() -> Self {
        Self::with_policy(Policy::default())
    }

    /// One that tells by an alert how what it answered with 202 has ended.
    pub(crate) fn with_alerts() -> Self {
        let mut policy = Policy::default();
        policy.alert_type = Some("com.example.result".to_owned());
        Self::with_policy(policy)
    }

    pub(crate) fn with_policy(policy: Policy) -> Self {
        let mut device = Self::off(policy, Disk::default());
        device.restart();
        device
    }

    /// A device that was not started yet.
    pub(crate) fn off(policy: Policy, disk: Disk) -> Self {
        quiet();
        let trip = Arc::<Trip>::default();
        let bench = Arc::new(Bench::new(Arc::clone(&trip)));
        bench.set_machines(disk.machines);
        let mut store = Store::new(Arc::clone(&trip));
        store.kept = disk.files;
        let store = Arc::new(store);
        let mut journal = Recorder::new(Arc::clone(&trip));
        journal.kept = disk.journal;
        let device = Self {
            hypervisor: bench.clone(),
            bench,
            sink: store.clone(),
            journal: Arc::new(journal),
            shelf: Arc::default(),
            store,
            trip,
            policy,
            profile: PROFILE.get(),
            interface: None,
            limits: TreeLimits::default(),
            events: Arc::default(),
            jobs: VecDeque::new(),
            watch: None,
            next_job: 0,
            put_off: None,
            is_due: false,
            is_kept: true,
            live: None,
            users: None,
        };
        device
            .shelf
            .put(IMAGE, b"0123456789abcdefghijklmnopqrstuvwxyz");
        device
    }

    /// A device that starts on what another one left.
    pub(crate) fn on(disk: &Disk) -> Self {
        let mut device = Self::off(Policy::default(), disk.clone());
        device.restart();
        device
    }

    /// What is there if the process ends now.
    pub(crate) fn disk(&self) -> Disk {
        Disk {
            journal: self.journal.kept.clone(),
            machines: self.bench.machines(),
            files: self.store.kept.clone(),
        }
    }

    /// Every node with its value, of the running tree or of the durable one.
    pub(crate) fn dump(&self) -> String {
        match &self.live {
            Some(live) => nodes(&live.tree),
            None => self.durable_dump(),
        }
    }

    /// Every node with its value, as the journal has it.
    pub(crate) fn durable_dump(&self) -> String {
        nodes(&Tree::load(&*self.journal, self.limits, Acl::root_default()).unwrap())
    }

    /// What the client knows that is not durable.
    pub(crate) fn mind(&self) -> String {
        let client = self.live.as_ref().map(|live| live.client.0.lock().unwrap());
        client.map_or_else(String::new, |client| format!("{client:?}"))
    }

    /// Ends the process as it is.
    pub(crate) fn stop(&mut self) {
        (self.live, self.users) = (None, None);
        self.jobs.clear();
        self.watch = None;
        self.is_due = false;
    }

    /// [`boot`](Self::boot), which may be refused.
    pub(crate) fn try_boot(&mut self) -> Result<(), StatusCode> {
        self.stop();
        self.next_job = 0;
        self.events.lock().unwrap().clear();
        let events = Arc::clone(&self.events);
        let mut builder = VirmoClient::builder(
            self.hypervisor.clone(),
            self.shelf.clone(),
            self.sink.clone(),
            self.journal.clone(),
            Arc::new(NoWait),
        )
        .policy(self.policy.clone())
        .observer(move |event| events.lock().unwrap().push(event));
        #[cfg(feature = "draft")]
        {
            builder = builder.profile(self.profile);
        }
        if let Some(interface) = &self.interface {
            builder = builder.user_interface(Arc::clone(interface));
        }
        let client = builder.build().unwrap();
        self.users = Some(client.users());
        let mut registry = Registry::new();
        let client = Shared(Arc::new(Mutex::new(client)));
        registry.mount(Box::new(client.clone())).unwrap();
        let root_acl: Acl = "Add=*&Get=*&Replace=*&Delete=*&Exec=*".parse().unwrap();
        let tree = Tree::load(&*self.journal, self.limits, root_acl).unwrap();
        self.live = Some(Live {
            tree,
            registry,
            client,
        });
        self.transact(|registry, tree, effects| {
            registry
                .start(tree, effects, Now::default())
                .map_err(|refusal| refusal.0)
        })
    }

    /// Ends the process as it is and starts it again; the start's jobs have not run yet.
    pub(crate) fn boot(&mut self) {
        self.try_boot().unwrap();
    }

    /// [`boot`](Self::boot), and runs the jobs of the start.
    pub(crate) fn restart(&mut self) {
        self.boot();
        self.run_all();
    }

    fn transact<R>(
        &mut self,
        work: impl FnOnce(&mut Registry, &mut Transaction<'_>, &mut Effects) -> Result<R, StatusCode>,
    ) -> Result<R, StatusCode> {
        self.is_kept = true;
        let live = self.live.as_mut().expect("a running device");
        let mut effects = Effects::new(self.next_job);
        let mut transaction = live.tree.begin(Now::default());
        let result = work(&mut live.registry, &mut transaction, &mut effects);
        self.next_job = effects.next_job();
        let result = match result {
            Ok(result) => result,
            Err(status) => {
                drop(transaction);
                self.put_off = effects.take_put_off();
                match &self.put_off {
                    Some(job) => live.registry.put_off(job.id),
                    None => live.registry.rolled_back(),
                }
                return Err(status);
            }
        };
        let mut batch = std::mem::take(&mut effects.batch);
        let queued = self.journal.count(Space::ALERTS);
        for (number, alert) in effects.alerts.iter().enumerate() {
            let key = format!("{:08}", queued + number);
            batch.put(Space::ALERTS, key, format!("{alert:?}"));
        }
        let committed = transaction.commit(&*self.journal, batch);
        self.is_kept = committed.is_ok();
        match committed {
            Ok(()) => {
                live.registry.committed();
                self.is_due |= effects.resume;
                for job in effects.jobs {
                    if job.background {
                        assert!(self.watch.is_none(), "two watches");
                        self.watch = Some(job);
                    } else {
                        self.jobs.push_back(job);
                    }
                }
                Ok(result)
            }
            Err(_) => {
                live.registry.rolled_back();
                Err(StatusCode::COMMAND_FAILED)
            }
        }
    }

    /// A command of a server that changes nodes.
    pub(crate) fn command(&mut self, edit: Edit<'_>) -> StatusCode {
        self.document(&[edit])
    }

    /// One command of a server that makes several changes.
    pub(crate) fn document(&mut self, edits: &[Edit<'_>]) -> StatusCode {
        let mut answers = Vec::new();
        loop {
            let result = self.edit(edits, false, &answers);
            let Some(job) = self.put_off.take() else {
                return match result {
                    Ok(()) => StatusCode::OK,
                    Err((_, status)) => status,
                };
            };
            let (id, output) = (job.id, in_job(|| job.run()));
            let result = self.transact(|registry, tree, effects| {
                let end = JobEnd::Finished(output);
                let result = registry.completed(id, end, tree, effects, Now::default());
                result.map_err(|refusal| refusal.0)
            });
            answers.push((id, result.unwrap().expect("the object put it off")));
        }
    }

    /// An Atomic of a server; which command failed, and how. What fails in the end is the last.
    pub(crate) fn atomic(&mut self, edits: &[Edit<'_>]) -> Result<(), (usize, StatusCode)> {
        let result = self.edit(edits, true, &[]);
        self.put_off = None;
        result
    }

    fn edit(
        &mut self,
        edits: &[Edit<'_>],
        atomic: bool,
        answers: &[(JobId, ExecResult)],
    ) -> Result<(), (usize, StatusCode)> {
        let (mut at, profile) = (0, self.profile);
        let result = self.transact(|registry, tree, effects| {
            let now = Now::default();
            registry.begin(atomic, answers.to_vec());
            for (place, edit) in edits.iter().enumerate() {
                at = place;
                edit.make(profile, registry.layout(), tree)
                    .map_err(|error| error.status())?;
                let staged = registry.stage(&server(), tree, effects, now);
                staged.map_err(|Refusal(status)| status)?;
            }
            let validated = registry.validate(tree, effects, now);
            validated.map_err(|Refusal(status)| status)
        });
        result.map_err(|status| (at, status))
    }

    /// Writes a leaf as the device does, behind the client's back.
    pub(crate) fn tamper(&mut self, uri: &str, value: Value) {
        let uri = self.at(uri);
        self.transact(|registry, tree, _| {
            let written = tree.set(registry.layout(), &uri, value);
            written.map_err(|error| error.status())
        })
        .unwrap();
    }

    pub(crate) fn add(&mut self, uri: &str) -> StatusCode {
        self.command(Edit::Add(uri))
    }

    pub(crate) fn add_leaf(&mut self, uri: &str, text: &str) -> StatusCode {
        self.command(Edit::AddLeaf(uri, text))
    }

    pub(crate) fn replace(&mut self, uri: &str, text: &str) -> StatusCode {
        self.command(Edit::Replace(uri, text))
    }

    pub(crate) fn set_bool(&mut self, uri: &str, value: bool) -> StatusCode {
        self.command(Edit::ReplaceBool(uri, value))
    }

    pub(crate) fn replace_markup(&mut self, uri: &str, text: &str) -> StatusCode {
        self.command(Edit::ReplaceMarkup(uri, text))
    }

    pub(crate) fn rename(&mut self, uri: &str, name: &str) -> StatusCode {
        self.command(Edit::Rename(uri, name))
    }

    pub(crate) fn delete(&mut self, uri: &str) -> StatusCode {
        self.command(Edit::Delete(uri))
    }

    fn at(&self, uri: &str) -> Uri {
        Uri::parse(&place(self.profile, uri)).unwrap()
    }

    /// The value of a leaf, or the names below an interior node.
    pub(crate) fn get(&self, uri: &str) -> Option<String> {
        let tree = &self.live.as_ref().expect("a running device").tree;
        let node = tree.node(&self.at(uri))?;
        Some(match node.text() {
            Some(text) => text.to_owned(),
            None => node
                .children()
                .map(|child| child.name())
                .collect::<Vec<_>>()
                .join("/"),
        })
    }

    /// The nodes of the tree, and the octets of their values.
    /// The Type of an interior node.
    pub(crate) fn node_type(&self, uri: &str) -> Option<String> {
        let tree = &self.live.as_ref().expect("a running device").tree;
        let node = tree.node(&Uri::parse(uri).unwrap())?;
        Some(node.node_type().to_owned())
    }

    pub(crate) fn size(&self) -> (u32, usize) {
        let tree = &self.live.as_ref().expect("a running device").tree;
        let (mut open, mut octets) = (vec![tree.node(&Uri::root()).unwrap()], 0);
        while let Some(node) = open.pop() {
            octets += node.octets().map_or(0, <[u8]>::len);
            open.extend(node.children());
        }
        (u32::try_from(tree.node_count()).unwrap(), octets)
    }

    pub(crate) fn state(&self, vm: &str) -> Option<VmState> {
        let value = self.get(&format!("./VirMO/{vm}/State"))?;
        VmState::from_value(value.parse().unwrap())
    }

    /// Whether the journal has a VM in a state, now that the process is gone.
    pub(crate) fn is_recorded(&self, vm: &str, state: VmState) -> bool {
        let tree = Tree::load(&*self.journal, TreeLimits::default(), Acl::root_default()).unwrap();
        let leaf = tree.node(&Uri::parse(&format!("./VirMO/{vm}/State")).unwrap());
        leaf.is_some_and(|leaf| leaf.text() == Some(&state.value().to_string()))
    }

    pub(crate) fn id(&self, vm: &str) -> VmId {
        self.get(&format!("./VirMO/{vm}/VMID"))
            .unwrap()
            .parse()
            .unwrap()
    }

    pub(crate) fn machine(&self, vm: &str) -> MachineState {
        self.bench.state(&self.id(vm))
    }

    /// An Exec, without its job.
    pub(crate) fn begin(&mut self, uri: &str, correlator: Option<&str>) -> Answer {
        let uri = self.at(uri);
        let (server, correlator) = (server(), correlator.map(Correlator::new));
        let result = self.transact(|registry, tree, effects| {
            let now = Now::default();
            let target: Target = uri.to_string().parse().unwrap();
            tree.authorize(registry.layout(), &server, AccessType::Exec, &target)
                .map_err(|error| error.status())?;
            let mut request = ExecRequest::new(&uri, &server);
            request.correlator = correlator.as_ref();
            let answer = registry.exec(&request, tree, effects, now);
            if let Ok(ExecAnswer::Pending(job, Reporting::Asynchronous)) = &answer {
                registry
                    .accepted(*job, tree, effects, now)
                    .map_err(|refusal| refusal.0)?;
            }
            answer.map_err(|Refusal(status)| status)
        });
        match result {
            Ok(ExecAnswer::Done(result)) => Answer::Done(result.status),
            Ok(ExecAnswer::Pending(job, reporting)) => Answer::Pending(job, reporting),
            Err(status) => Answer::Done(status),
        }
    }

    /// An Exec to its end.
    pub(crate) fn exec(&mut self, uri: &str) -> StatusCode {
        match self.begin(uri, None) {
            Answer::Done(status) => status,
            Answer::Pending(job, _) => {
                let ends = self.run_all();
                ends.get(&job).copied().expect("the job ran")
            }
        }
    }

    /// An Exec that is answered at once.
    pub(crate) fn exec_now(&mut self, uri: &str) -> StatusCode {
        match self.begin(uri, None) {
            Answer::Done(status) => status,
            Answer::Pending(job, _) => panic!("{uri} is under way as {job}"),
        }
    }

    pub(crate) fn operate(&mut self, vm: &str, operation: &str) -> StatusCode {
        self.exec(&format!("./VirMO/{vm}/Operations/{operation}"))
    }

    /// [`accept`](Self::accept), which the journal may not take.
    pub(crate) fn try_accept(&mut self, job: JobId) -> Result<(), StatusCode> {
        self.transact(|registry, tree, effects| {
            registry
                .accepted(job, tree, effects, Now::default())
                .map_err(|refusal| refusal.0)
        })
    }

    /// 202 is about to be sent for the Exec behind a job.
    pub(crate) fn accept(&mut self, job: JobId) {
        self.try_accept(job).unwrap();
    }

    /// Lets the client take up what was left open, as the engine does after a pause.
    pub(crate) fn resume(&mut self) {
        self.is_due = false;
        let objects = self.live.as_ref().expect("a running device");
        for object in objects.registry.objects() {
            let resumed = self.transact(|registry, tree, effects| {
                let resumed = registry.resume(&object, tree, effects, Now::default());
                resumed.map_err(|refusal| refusal.0)
            });
            assert!(resumed.is_ok() || !self.is_kept, "{resumed:?}");
            self.is_due |= !self.is_kept;
        }
    }

    /// Tells the client how a job ended; its answer.
    pub(crate) fn complete(&mut self, job: JobId, end: JobEnd) -> StatusCode {
        let result = self.transact(|registry, tree, effects| {
            let result = registry.completed(job, end, tree, effects, Now::default());
            result.map_err(|refusal| refusal.0)
        });
        self.is_due |= !self.is_kept;
        match result {
            Ok(Some(result)) => result.status,
            Ok(None) => panic!("nobody asked for {job}"),
            Err(status) => status,
        }
    }

    pub(crate) fn take(&mut self, job: JobId) -> Job {
        let at = self
            .jobs
            .iter()
            .position(|waiting| waiting.id == job)
            .expect("the job waits");
        self.jobs.remove(at).unwrap()
    }

    /// Runs a job here and now.
    pub(crate) fn run(&mut self, job: JobId) -> StatusCode {
        let job = self.take(job);
        let id = job.id;
        let output = in_job(|| job.run());
        self.complete(id, JobEnd::Finished(output))
    }

    /// Runs every job and those that follow, first come, first served; what each was answered.
    pub(crate) fn run_all(&mut self) -> BTreeMap<JobId, StatusCode> {
        let mut ends = BTreeMap::new();
        while let Some(job) = self.jobs.front() {
            let id = job.id;
            ends.insert(id, self.run(id));
        }
        ends
    }

    /// The watch looks at the machines, and what it asks for is done.
    pub(crate) fn look(&mut self) {
        self.look_only();
        self.run_all();
    }

    /// The watch looks at the machines.
    pub(crate) fn look_only(&mut self) {
        let job = self.watch.take().expect("a watch");
        let id = job.id;
        let output = in_job(|| job.run());
        self.complete(id, JobEnd::Finished(output));
    }

    /// Does something that may be cut by a crash, then starts again if it was; whether it was.
    pub(crate) fn crash_in(&mut self, work: impl FnOnce(&mut Self)) -> bool {
        let survived = surviving(|| work(self)).is_some();
        if !survived {
            // Starting may be cut again; here it is not.
            self.trip.disarm();
        }
        !survived
    }

    /// Delivers an image under this name and puts a VM of the same name beside it.
    pub(crate) fn provision(&mut self, name: &str, params: &str) {
        self.deliver(name);
        self.add_vm(name, name, params);
    }

    pub(crate) fn deliver(&mut self, name: &str) {
        let base = format!("./VMImgMO/{name}");
        assert_eq!(self.add(&base), StatusCode::OK);
        assert_eq!(
            self.add_leaf(&format!("{base}/DownloadURI"), IMAGE),
            StatusCode::OK
        );
        assert_eq!(
            self.add_leaf(&format!("{base}/MediaType"), MEDIA_TYPE),
            StatusCode::OK
        );
        assert_eq!(
            self.exec(&format!("{base}/Operations/Download")),
            StatusCode::OK
        );
    }

    /// A VM to be made from an image; `params` follow the ImgID.
    pub(crate) fn add_vm(&mut self, vm: &str, image: &str, params: &str) {
        let base = format!("./VirMO/{vm}");
        assert_eq!(self.add(&base), StatusCode::OK);
        let image = self.get(&format!("./VMImgMO/{image}/ImgID")).unwrap();
        let params = format!("ImgID={image}{params}");
        assert_eq!(
            self.add_leaf(&format!("{base}/CreateParams"), &params),
            StatusCode::OK
        );
    }

    /// Brings a provisioned VM into a state by its primitives.
    pub(crate) fn bring(&mut self, vm: &str, state: VmState) {
        let operations: &[&str] = match state {
            VmState::NotCreated => &[],
            VmState::Running => &["Create"],
            VmState::PoweredOff => &["Create", "PowerOff"],
            VmState::Suspended => &["Create", "Suspend"],
            VmState::Deleted => panic!("not observable"),
        };
        for operation in operations {
            assert_eq!(self.operate(vm, operation), StatusCode::OK);
        }
        assert_eq!(self.state(vm), Some(state));
    }

    pub(crate) fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut self.events.lock().unwrap())
    }

    /// The durable alerts, oldest first, as they print; they are delivered then.
    pub(crate) fn take_alerts(&self) -> Vec<String> {
        let (alerts, delivered) = self.deliver_alerts();
        self.journal.kept.commit(&delivered).unwrap();
        alerts
    }

    /// The server acknowledges every alert; whether the journal forgets them.
    pub(crate) fn acknowledge(&self) -> bool {
        self.journal.commit(&self.deliver_alerts().1).is_ok()
    }

    /// The durable alerts, and what forgets them.
    fn deliver_alerts(&self) -> (Vec<String>, Batch) {
        let (mut alerts, mut delivered) = (Vec::new(), Batch::new());
        let mut visit = |key: &[u8], alert: &[u8]| {
            alerts.push(String::from_utf8(alert.to_vec()).unwrap());
            delivered.remove(Space::ALERTS, key);
        };
        self.journal.scan(Space::ALERTS, &mut visit).unwrap();
        (alerts, delivered)
    }

    /// Checks what must hold whenever nothing is under way: every State is legal and true, every
    /// machine has a node, and nothing is left behind.
    pub(crate) fn check(&self) {
        let mut machines = self.bench.states();
        let names = self.get("./VirMO").unwrap().replace(' ', "%20");
        for vm in names.split('/') {
            if vm.is_empty() || matches!(vm, "Operations" | "DeviceResources") {
                continue;
            }
            let (id, state) = (self.id(vm), self.state(vm).expect("a legal State"));
            let machine = machines.remove(&id).unwrap_or(Some(VmState::NotCreated));
            assert_eq!(machine, Some(state), "machine and State of {vm}");
            let config = self
                .get(&format!("./VirMO/{vm}/Resources/CurrentConfig"))
                .unwrap();
            match self.bench.resources(&id) {
                Some(resources) => assert_eq!(config, resources.to_string()),
                None => assert_eq!(config, "RAM=0&Storage=0&CPU=0&Network=0"),
            }
        }
        assert_eq!(machines, BTreeMap::new(), "machines without a node");
        assert!(!self.bench.has_litter(), "remains of a machine");
        assert!(!self.bench.has_reservations(), "reserved resources");
        self.check_images();
        assert_eq!(self.journal.count(Space::INTENTS), 0, "open intents");
        assert!(self.jobs.is_empty(), "open jobs");
    }
}

impl Device {
    /// Files belong to images: a whole one to State 2, which says where it is, maybe a part of one
    /// to State 3, none to State 0 or to nothing.
    fn check_images(&self) {
        let mut files = self.store.keys().unwrap();
        let names = self.get("./VMImgMO").unwrap().replace(' ', "%20");
        for image in names.split('/').filter(|name| !name.is_empty()) {
            let leaf = |name: &str| self.get(&format!("./VMImgMO/{image}/{name}"));
            let key: DownloadKey = leaf("ImgID").unwrap().parse().unwrap();
            let has_file = files.contains(&key);
            files.retain(|file| *file != key);
            let location = self.store.location(&key).unwrap();
            match leaf("State").as_deref() {
                Some("2") => assert_eq!(leaf("DownloadedLocation"), Some(location.unwrap())),
                Some("3") => assert_eq!(leaf("DownloadedLocation"), None),
                Some("0") => assert_eq!((leaf("DownloadedLocation"), has_file), (None, false)),
                state => panic!("{image} has State {state:?}"),
            }
        }
        assert_eq!(files, [], "files without an image");
    }
}

/// Every node with its value.
fn nodes(tree: &Tree) -> String {
    let mut dump = String::new();
    let mut open = vec![tree.node(&Uri::root()).unwrap()];
    while let Some(node) = open.pop() {
        _ = writeln!(dump, "{}={:?}", node.uri(), node.octets());
        open.extend(node.children());
    }
    dump
}

fn server() -> Principal {
    Principal::Server("server".parse().unwrap())
}

/// The alert with the final status of an Exec that was answered with 202.
pub(crate) fn final_alert(source: &str, correlator: Option<&str>, status: StatusCode) -> String {
    let mut alert = GenericAlert::new("com.example.result", Format::Int);
    alert.source = Some(place(PROFILE.get(), source));
    alert.mark = Some(match status.is_success() {
        true => omadm_core::Mark::Informational,
        false => omadm_core::Mark::Warning,
    });
    alert.correlator = correlator.map(Correlator::new);
    alert.data = status.to_string();
    format!("{alert:?}")
}

/// The Image Ready Alert of an image.
pub(crate) fn image_ready(node: &str, correlator: Option<&str>) -> String {
    let mut alert = GenericAlert::new("urn:oma:at:oma-virmo:imageready:1.0", Format::Xml);
    alert.source = Some(format!("./VMImgMO/{node}/Operations/Download"));
    alert.mark = Some(omadm_core::Mark::Informational);
    alert.correlator = correlator.map(Correlator::new);
    format!("{alert:?}")
}
