use std::{fmt, sync::Arc};

use omadm_core::{Format, GenericAlert, Journal, JournalError, Mark, SortedMap, StatusCode};
use omadm_download::{Cancel, Clock, DownloadKey, Fetch, Sink};
use omadm_mo::{
    Context, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId, ManagementObject, Mount, Refusal,
};
use omadm_tree::{Change, Principal, TreeError, Uri};
use virmo_guest::Command;
use virmo_hypervisor::{Capabilities, Hypervisor};
use virmo_nodes::{Features, ImagePath, Profile, VirmoNode, VirmoPath, VmNode};
use virmo_state::{AccessOperation, VmId};

use crate::{
    Event, GuestLink, Observer, Policy, Users, VmUserInterface,
    drive::Failure,
    features::{DM_TREE, DRAFT, UI},
    gate::Gate,
    intent::{Intents, Reply},
    ledger::{Book, Ledger, Subject},
    machines::Machines,
    nodes::Roots,
    users::Board,
    waker::Waker,
};

mod access;
mod adopt;
mod apply;
mod ask;
mod dm_tree;
mod download;
mod guest;
mod image;
mod news;
mod primitive;
mod start;
mod vm;
mod watch;

pub(crate) use image::RECORDS;

/// The VirMO Client: the management object behind `./VirMO` and `./VMImgMO`. [VirMO §6.3.1.1]
///
/// It gives every VM its VMID and every image its ImgID, checks what a server writes, downloads
/// images, drives the hypervisor, and keeps State true.
///
/// # Primitives
///
/// A primitive is a durable intent. The intent is in the journal before the hypervisor is asked,
/// and goes away in the batch that makes the new State durable, before that is reported. A failed
/// primitive is undone on the machine and leaves State as it was; past its point of no return
/// State tells what is true instead. One that does not end within [`Policy::deadline`] is reported
/// as failed; the VM refuses work (405) until the hypervisor has answered and the primitive is
/// undone. If undoing fails too, it is tried again after a pause, before the next primitive and at
/// the next start.
///
/// What the journal does not take of an end is made up for after a pause. If the server asks for
/// something else before that, what it was promised by 202 is reported as failed.
///
/// # Start
///
/// [`start`](ManagementObject::start) asks for one job per VM, one per image that was
/// being downloaded, and one that lists the machines. They bring to an end what the last run left
/// open, find out whether State is still true, and report or
/// [adopt](crate::UnknownMachines) machines no node stands for. A VM
/// refuses work until its job is done, so all but the downloads come
/// [before sessions](omadm_mo::Job::before_sessions).
///
/// # Watch
///
/// A job in the [background](omadm_mo::Job::background) looks at all machines every
/// [`Policy::watch`]. A machine that is not what State says is observed on its VM's lane, and State
/// follows; what was observed counts only if nothing else began on the VM meanwhile. A machine that
/// cannot be told keeps its State. Both can be [told to the server](Policy::state_alert_type).
///
/// # Identifiers
///
/// A VMID or ImgID is given out once: the counters are durable with the nodes, and one that cannot
/// be read keeps the client from starting. Where the journal is older than what is here, as after
/// a backup was restored, the counters catch up with the nodes, the files of images and the
/// machines of the hypervisor; only what is gone from all of these may be given out again. Where
/// neither the journal nor the hypervisor says what is taken, the Add of a VM is answered with 500
/// until the hypervisor lists its machines.
///
/// # Jobs
///
/// All jobs of one VM have one lane, calls of its guest another, all jobs of one image too, and block as long as the
/// hypervisor or the download does. Dropping the client ends the watch and stops the downloads; they
/// go on at the next start.
pub struct VirmoClient {
    hypervisor: Arc<dyn Hypervisor>,
    machines: Arc<Machines>,
    fetch: Arc<dyn Fetch>,
    sink: Arc<dyn Sink>,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    interface: Option<Arc<dyn VmUserInterface>>,
    policy: Policy,
    observer: Observer,
    capabilities: Capabilities,
    roots: Roots,
    book: Book,
    waker: Arc<Waker>,
    gate: Arc<Gate>,
    link: Arc<GuestLink>,
    /// Thrown when this client goes.
    over: Cancel,
    /// What the open command would change in a guest.
    forwarding: Vec<(VmId, Command)>,
    /// The jobs the last command was put off for, by the place each is about.
    put_off: SortedMap<Uri, JobId>,
    users: Arc<Board>,
    /// What the last run left open, until the start takes it up.
    left: Intents,
    /// The files of images there were before the start.
    files: Vec<DownloadKey>,
}

/// Makes a [`VirmoClient`]; from [`VirmoClient::builder`].
#[must_use]
pub struct Builder {
    hypervisor: Arc<dyn Hypervisor>,
    fetch: Arc<dyn Fetch>,
    sink: Arc<dyn Sink>,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    interface: Option<Arc<dyn VmUserInterface>>,
    link: Option<Arc<GuestLink>>,
    policy: Policy,
    profile: Profile,
    observer: Observer,
}

impl VirmoClient {
    /// Starts building a client of a hypervisor.
    ///
    /// Images come from `fetch` and go to `sink`; `clock` waits between attempts. `journal` is the
    /// one the engine commits to.
    pub fn builder(
        hypervisor: Arc<dyn Hypervisor>,
        fetch: Arc<dyn Fetch>,
        sink: Arc<dyn Sink>,
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
    ) -> Builder {
        Builder {
            hypervisor,
            fetch,
            sink,
            journal,
            clock,
            interface: None,
            link: None,
            policy: Policy::default(),
            profile: Profile::default(),
            observer: Arc::new(|_| {}),
        }
    }

    /// The way to the guests of VMs, for what else has to talk to them.
    #[must_use]
    pub const fn guest_link(&self) -> &Arc<GuestLink> {
        &self.link
    }

    /// What the user of the device may do to its VMs, in the draft profile.
    #[must_use]
    pub fn users(&self) -> Users {
        Users {
            machines: Arc::clone(&self.machines),
            board: Arc::clone(&self.users),
            hint: self.waker.hint(),
        }
    }

    /// Remembers which place the command is put off for.
    fn note_put_off(&mut self, place: Uri, job: JobId, cx: &Context<'_, '_>) {
        if cx.answers.is_empty() {
            self.put_off.clear();
        }
        self.put_off.insert(place, job);
    }

    /// What came of the job that the command was put off for on account of a place.
    fn put_off_for<'c>(&self, place: &Uri, cx: &Context<'c, '_>) -> Option<&'c ExecResult> {
        let job = self.put_off.get(place)?;
        let mut answers = cx.answers.iter();
        let (_, result) = answers.find(|(answered, _)| answered == job)?;
        Some(result)
    }

    fn subject(&self, job: JobId) -> Option<Subject> {
        self.book.read().jobs.get(&job).cloned()
    }

    /// Queues the alert with the final status of an Exec that was answered with 202.
    fn report(&self, source: &Uri, reply: &Reply, status: StatusCode, cx: &mut Context<'_, '_>) {
        let Some(alert_type) = &self.policy.alert_type else {
            return;
        };
        if !reply.accepted {
            return;
        }
        let mut alert = GenericAlert::new(alert_type, Format::Int);
        alert.source = Some(source.to_string());
        let mark = if status.is_success() {
            Mark::Informational
        } else {
            Mark::Warning
        };
        alert.mark = Some(mark);
        alert.correlator.clone_from(&reply.correlator);
        alert.data = status.to_string();
        cx.effects.alerts.push(alert);
    }

    fn finish(
        &mut self,
        subject: Subject,
        job: JobId,
        end: JobEnd,
        cx: &mut Context<'_, '_>,
    ) -> Result<ExecResult, TreeError> {
        match subject {
            Subject::Vm(vm) => self.primitive_ended(&vm, job, end, cx),
            Subject::Observe(vm) => self.observe_ended(&vm, job, end, cx),
            Subject::Look(vm) => self.look_ended(&vm, job, end, cx),
            Subject::Watch => self.watch_ended(job, end, cx),
            Subject::Adopt(vm) => {
                self.adopt_ended(&vm, job, end, cx);
                Ok(StatusCode::OK)
            }
            Subject::Inventory => {
                self.list_ended(job, end, cx);
                Ok(StatusCode::OK)
            }
            Subject::Access(vm) if DRAFT => Ok(self.access_ended(&vm, job, end, cx)),
            Subject::Apply => self.apply_ended(job, end, cx),
            Subject::Download(image) => self.download_ended(&image, job, end, cx),
            Subject::Discard(image) => Ok(self.discard_ended(&image, job, end, cx)),
            Subject::Question(vm) if UI => Ok(self.question_ended(&vm, job, end, cx)),
            Subject::Guest(vm) if DM_TREE => return Ok(self.guest_ended(&vm, job, end, cx)),
            Subject::Listen(vm) => {
                if DM_TREE {
                    self.listen_ended(&vm, job, end, cx);
                }
                Ok(StatusCode::OK)
            }
            // Of what is not there nobody asks for a job.
            Subject::Access(_) | Subject::Question(_) | Subject::Guest(_) => {
                Ok(StatusCode::COMMAND_FAILED)
            }
        }
        .map(ExecResult::from)
    }

    /// What came of a job does not fit the tree: it is reported as failed, and taken back.
    fn not_kept(
        &mut self,
        subject: &Subject,
        job: JobId,
        failure: Failure,
        cx: &mut Context<'_, '_>,
    ) -> StatusCode {
        let status = failure.status;
        match subject {
            Subject::Vm(vm) => {
                let task = self.book.read().vms.get(vm);
                let task = task.filter(|task| task.job == Some(job));
                if let Some(intent) = task.and_then(|task| task.intent.clone()) {
                    self.give_up(intent, &failure, false, cx);
                }
            }
            Subject::Apply => {
                let task = self.book.read().apply.clone();
                if let Some(task) = task.filter(|task| task.job == Some(job)) {
                    self.give_up_apply(task, &failure, false, cx);
                }
            }
            _ => self.book.release(job),
        }
        status
    }
}

impl Builder {
    /// Replaces the default [`Policy`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Lets servers ask the users of VMs, by this. Without it VMs have neither `UI` nor
    /// `Operations/ExecUICmd`. [VirMO §11.2.2]
    pub fn user_interface(mut self, interface: Arc<dyn VmUserInterface>) -> Self {
        self.interface = Some(interface);
        self
    }

    /// Reaches guests by this link, which others use too: a guest is to hear one host. Default: one
    /// of its own in [`Policy::guest_encoding`].
    pub fn guest_link(mut self, link: Arc<GuestLink>) -> Self {
        self.link = Some(link);
        self
    }

    /// Follows another text than the approved one, on a device that has no VM of that.
    #[cfg(feature = "draft")]
    pub const fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Lets somebody hear of every [`Event`].
    pub fn observer(mut self, observer: impl Fn(Event) + Send + Sync + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// Reads what the last run left in the journal.
    ///
    /// # Errors
    /// A [`JournalError`]; [`Corrupt`](omadm_core::JournalErrorKind::Corrupt) also if it is no
    /// longer known which identifiers were given out.
    pub fn build(self) -> Result<VirmoClient, JournalError> {
        let ledger = Ledger::load(&*self.journal)?;
        let left = Intents::load(&*self.journal)?;
        // A sink that cannot say so has nothing to take a file's place by mistake either.
        let files = self.sink.keys().unwrap_or_default();
        let waker = Waker::new();
        self.hypervisor.on_change(waker.hint());
        let link = self.link.unwrap_or_else(|| {
            let link = GuestLink::new(Arc::clone(&self.hypervisor), ledger.run().to_string());
            Arc::new(link.with_encoding(self.policy.guest_encoding))
        });
        Ok(VirmoClient {
            waker,
            gate: Gate::new(self.policy.max_downloads),
            link,
            over: Cancel::new(),
            forwarding: Vec::new(),
            put_off: SortedMap::new(),
            capabilities: self.hypervisor.capabilities(),
            machines: Machines::new(Arc::clone(&self.hypervisor)),
            hypervisor: self.hypervisor,
            fetch: self.fetch,
            sink: self.sink,
            journal: self.journal,
            clock: self.clock,
            interface: self.interface,
            policy: self.policy,
            roots: Roots::new(self.profile),
            book: Book::new(ledger, Arc::clone(&self.observer)),
            observer: self.observer,
            users: Arc::default(),
            left,
            files,
        })
    }
}

impl ManagementObject for VirmoClient {
    fn mounts(&self) -> Vec<Mount> {
        let mut features = Features::default();
        features.profile = self.roots.profile();
        features.suspend = self.capabilities.suspend;
        features.sharing = DRAFT && self.hypervisor.data_sharing().is_some();
        features.user_interaction = UI && self.interface.is_some();
        features.dm_tree = DM_TREE;
        vec![
            features.virmo(self.roots.virmo.clone()),
            virmo_nodes::vmimgmo(self.roots.vmimgmo.clone()),
        ]
    }

    fn start(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        self.take_up(cx)
    }

    fn stage(
        &mut self,
        change: &Change,
        by: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        if let Some(VirmoPath::Vm(path)) =
            VirmoPath::parse(self.roots.profile(), &self.roots.virmo, &change.uri)
        {
            self.stage_vm(&path, change, by, cx)
        } else if let Some(path) = ImagePath::parse(&self.roots.vmimgmo, &change.uri) {
            self.stage_image(&path, change, cx)
        } else {
            Ok(())
        }
    }

    fn validate(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        match DM_TREE {
            true => self.validate_in_guest(cx),
            false => Ok(()),
        }
    }

    fn committed(&mut self) {
        if DM_TREE {
            self.forwarding.clear();
        }
        self.book.committed();
        if self.roots.is_draft() {
            self.users.allow(&self.book.read().users);
        }
    }

    fn rolled_back(&mut self) {
        if DM_TREE {
            self.forwarding.clear();
        }
        self.book.rolled_back();
    }

    fn resume(&mut self, cx: &mut Context<'_, '_>) {
        self.make_up(cx);
        self.watch(cx);
    }

    fn exec(&mut self, request: &ExecRequest<'_>, cx: &mut Context<'_, '_>) -> ExecAnswer {
        // A watch that could not be kept is missing.
        self.watch(cx);
        let answer = match VirmoPath::parse(self.roots.profile(), &self.roots.virmo, request.uri) {
            Some(VirmoPath::Vm(path)) if UI && path.node == VmNode::ExecUiCmd => {
                self.exec_question(path.vm, request, cx)
            }
            Some(VirmoPath::Vm(path)) if DM_TREE && path.node == VmNode::DmTree => {
                self.exec_in_guest(&path, request, cx)
            }
            Some(VirmoPath::Vm(path)) => {
                let mut access = AccessOperation::ALL.into_iter();
                match access.find(|it| DRAFT && VmNode::access(*it) == path.node) {
                    Some(operation) => self.exec_access(&path, operation, request, cx),
                    None => self.exec_vm(&path, request, cx),
                }
            }
            Some(VirmoPath::Device(VirmoNode::ApplyChanges)) => self.exec_apply(request, cx),
            _ => match ImagePath::parse(&self.roots.vmimgmo, request.uri) {
                Some(path) => self.exec_image(&path, request, cx),
                None => Err(StatusCode::COMMAND_NOT_ALLOWED),
            },
        };
        answer.unwrap_or_else(ExecAnswer::from)
    }

    fn accepted(&mut self, job: JobId, cx: &mut Context<'_, '_>) {
        match self.subject(job) {
            Some(Subject::Vm(vm)) => {
                let task = self.book.write().vms.get_mut(&vm);
                let task = task.filter(|task| task.job == Some(job));
                if let Some(intent) = task.and_then(|task| task.intent.as_mut()) {
                    intent.reply.accepted = true;
                    intent.save(&mut cx.effects.batch);
                }
            }
            Some(Subject::Access(vm)) if DRAFT => self.access_accepted(vm, job, cx),
            Some(Subject::Apply) => {
                let task = self.book.write().apply.as_mut();
                if let Some(task) = task.filter(|task| task.job == Some(job)) {
                    task.intent.reply.accepted = true;
                    task.intent.save(&mut cx.effects.batch);
                }
            }
            Some(Subject::Download(image) | Subject::Discard(image)) => {
                let task = self.book.write().images.get_mut(&image);
                if let Some(task) = task.filter(|task| task.job == job) {
                    task.intent.reply.accepted = true;
                    task.intent.save(&mut cx.effects.batch);
                }
            }
            Some(Subject::Question(vm)) if UI => {
                let task = self.book.write().questions.get_mut(&vm);
                if let Some(task) = task.filter(|task| task.job == job) {
                    task.intent.reply.accepted = true;
                    task.intent.save(&mut cx.effects.batch);
                }
            }
            Some(Subject::Guest(vm)) if DM_TREE => {
                let task = self.book.write().guests.get_mut(&vm);
                if let Some(task) = task.filter(|task| task.job == job) {
                    task.intent.reply.accepted = true;
                    task.intent.save(&mut cx.effects.batch);
                }
            }
            Some(
                Subject::Observe(_)
                | Subject::Look(_)
                | Subject::Adopt(_)
                | Subject::Watch
                | Subject::Access(_)
                | Subject::Question(_)
                | Subject::Guest(_)
                | Subject::Listen(_)
                | Subject::Inventory,
            )
            | None => {}
        }
    }

    fn completed(&mut self, job: JobId, end: JobEnd, cx: &mut Context<'_, '_>) -> ExecResult {
        let Some(subject) = self.subject(job) else {
            return match DM_TREE {
                true => self.put_off_ended(end, cx),
                false => StatusCode::COMMAND_FAILED.into(),
            };
        };
        let finished = self.finish(subject.clone(), job, end, cx);
        let result =
            finished.unwrap_or_else(|error| self.not_kept(&subject, job, error.into(), cx).into());
        let brings_in_step = |vm: &VmId| self.book.read().doubts.contains_key(vm);
        // What a restart has cut is not left until the next watch.
        let is_time = match &subject {
            Subject::Watch => true,
            Subject::Observe(vm) => brings_in_step(vm),
            _ => false,
        };
        if DM_TREE && is_time {
            self.listen(cx);
        }
        self.note_users(cx);
        self.watch(cx);
        result
    }
}

impl Drop for VirmoClient {
    fn drop(&mut self) {
        self.waker.stop();
        self.over.cancel();
        for task in self.book.read().images.values() {
            task.cancel.cancel();
        }
        for task in self.book.read().questions.values() {
            task.over.cancel();
        }
    }
}

impl fmt::Debug for VirmoClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirmoClient")
            .field("capabilities", &self.capabilities)
            .field("policy", &self.policy)
            .field("ledger", self.book.read())
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// What a job of this client brought back; a failure if it was lost, or is still to come.
fn output<T: 'static>(end: JobEnd) -> Result<T, Failure> {
    let output = match end {
        JobEnd::Finished(output) | JobEnd::Late(output) => output,
        JobEnd::Lost => return Err(Failure::new("the job was lost")),
        JobEnd::TimedOut => return Err(Failure::no_answer()),
    };
    let output = output.downcast().map(|output| *output);
    output.map_err(|_| Failure::new("the job brought back something else"))
}
