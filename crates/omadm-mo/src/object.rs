use std::fmt;

use omadm_core::{Batch, Correlator, GenericAlert, Now, StatusCode};
use omadm_tree::{Change, Principal, Transaction, TreeError, Uri};

use crate::{Job, JobEnd, JobId, Layout, Mount, Work};

/// Why an object refuses a change: the status for the command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the management object refuses the change with status {0}")]
pub struct Refusal(pub StatusCode);

impl From<TreeError> for Refusal {
    fn from(error: TreeError) -> Self {
        Self(error.status())
    }
}

/// A management object with behaviour: the other half of a [`Definition`](crate::Definition).
///
/// The tree holds every value, so an object never answers a Get. It takes part in changes in two
/// phases and executes what Exec asks for.
///
/// The engine calls, through a [`Registry`](crate::Registry), in this order:
/// 1. [`start`](Self::start) once, after the tree is loaded and before any session.
/// 2. For each command that changes nodes below one of its mounts: [`stage`](Self::stage) per
///    change, then [`validate`](Self::validate); then the transaction and all [`Effects`] are made
///    durable in one batch and [`committed`](Self::committed) is called, or everything is rolled
///    back and [`rolled_back`](Self::rolled_back) is called.
/// 3. [`exec`](Self::exec) for an Exec. It may change nodes and ask for a job; both take effect
///    through the same batch. `committed` or `rolled_back` follows.
/// 4. [`accepted`](Self::accepted) if the job is not done when its answer is due: 202 is about to
///    be sent. With [`Reporting::Asynchronous`] that is right after `exec`, in its transaction.
/// 5. [`completed`](Self::completed) when the job ends, in a session or outside one. `committed` or
///    `rolled_back` follows.
///
/// What an object keeps in memory beside the tree must be changed in `committed` only, or put back
/// in `rolled_back`. [Rules 7 to 10 of the architecture]
///
/// # Objects that come and go
///
/// An object may own places where others appear at run time. Any hook with a [`Context`] may
/// [mount](Effects::mount) an object below such a place. It takes effect when the hook returns: the
/// [`Layout`] knows its definition, its required nodes are there, and its `start` is called. If the
/// transaction is rolled back it never was. What a server wrote below the new root before, in the
/// same transaction, must be what it could have written after; else the command is refused (405,
/// 415).
///
/// An object mounted at run time goes when the nodes at the roots of all its mounts are gone, after
/// it has seen their deletion staged, or when it is [unmounted](Effects::unmount). Those it mounted
/// itself go with it. Its open jobs go on, and nobody hears of their end. After a restart nothing
/// of this is left but the nodes: whoever mounted an object mounts it anew in its `start`, as the
/// Type of the root node tells.
///
/// # Commands that wait
///
/// A change that somebody else must agree to first (a guest, a person) is put off: `stage` or
/// `validate` asks for a job by [`Effects::put_off`]. The command is taken back and the job handed
/// out. Its end goes to [`completed`](Self::completed); what that returns is among
/// [`Context::answers`] when the command is begun anew, from its first change. The command keeps
/// its place: what follows it waits. If the job takes longer than the engine waits, the command is
/// answered with 408 and changes nothing, as no alert exists for its end; the object hears so by
/// [`given_up`](Self::given_up). In an Atomic, and for a change no server asked for, there is no
/// waiting: the command is refused with 406.
pub trait ManagementObject: Send {
    /// The places this object owns; never changes. See [`Effects::mount`] for what comes later.
    fn mounts(&self) -> Vec<Mount>;

    /// Creates what must always be there and takes up what the last run left open.
    ///
    /// # Errors
    /// A [`Refusal`] if the object cannot work; the engine does not start then.
    fn start(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal>;

    /// Takes part in one change of a node it owns, while it can still be refused: may change
    /// further nodes (assign an identifier, reset a state). `by` is the server whose command made
    /// the change, or the device if another object did; an object does not hear of its own changes.
    ///
    /// # Errors
    /// A [`Refusal`]; the whole transaction is rolled back.
    fn stage(
        &mut self,
        change: &Change,
        by: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal>;

    /// Judges the result of all changes, and changes nothing. What can fail must fail here at the
    /// latest.
    ///
    /// # Errors
    /// A [`Refusal`]; the whole transaction is rolled back.
    fn validate(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        let _ = cx;
        Ok(())
    }

    /// The transaction this object took part in is durable.
    fn committed(&mut self) {}

    /// The transaction this object took part in did not happen.
    fn rolled_back(&mut self) {}

    /// Takes up what was left open, of this object's own or by [`rolled_back`](Self::rolled_back): the
    /// journal failed when the end of a job was to be kept, and is tried again now, or an object
    /// [asked](Effects::resume) for this. Each object does so in a transaction of its own.
    fn resume(&mut self, cx: &mut Context<'_, '_>) {
        let _ = cx;
    }

    /// Executes a node. Must not block: what takes long becomes a job.
    fn exec(&mut self, request: &ExecRequest<'_>, cx: &mut Context<'_, '_>) -> ExecAnswer;

    /// The Exec behind `job` is about to be answered with 202: its final answer becomes an alert.
    fn accepted(&mut self, job: JobId, cx: &mut Context<'_, '_>) {
        let _ = (job, cx);
    }

    /// The command that was put off for `job` is answered with 408 and not begun anew; the job
    /// goes on. `committed` or `rolled_back` follows.
    fn given_up(&mut self, job: JobId, cx: &mut Context<'_, '_>) {
        let _ = (job, cx);
    }

    /// A job of this object ended. Returns the final answer; the engine sends it if the Exec still
    /// waits. After [`accepted`](Self::accepted) the object queues the alert that its definition
    /// demands itself. For a command that was put off it is the answer to the object, see
    /// [`Context::answers`].
    fn completed(&mut self, job: JobId, end: JobEnd, cx: &mut Context<'_, '_>) -> ExecResult;
}

/// One Exec command. Its `Debug` has the length of the argument: there may be a secret in it.
#[derive(Clone)]
#[non_exhaustive]
pub struct ExecRequest<'a> {
    /// The node.
    pub uri: &'a Uri,
    /// The argument in `Data`, if any.
    pub argument: Option<&'a [u8]>,
    /// The Correlator to echo in an asynchronous answer.
    pub correlator: Option<&'a Correlator>,
    /// Who asks.
    pub by: &'a Principal,
}

impl<'a> ExecRequest<'a> {
    /// An Exec of `uri` without argument and Correlator.
    #[must_use]
    pub const fn new(uri: &'a Uri, by: &'a Principal) -> Self {
        Self {
            uri,
            argument: None,
            correlator: None,
            by,
        }
    }
}

impl fmt::Debug for ExecRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecRequest")
            .field("uri", self.uri)
            .field("argument_bytes", &self.argument.map(<[u8]>::len))
            .field("correlator", &self.correlator)
            .field("by", self.by)
            .finish()
    }
}

/// The final answer to an Exec.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExecResult {
    /// The status.
    pub status: StatusCode,
    /// The Data of each result Item.
    pub items: Vec<String>,
}

impl From<StatusCode> for ExecResult {
    fn from(status: StatusCode) -> Self {
        Self {
            status,
            items: Vec::new(),
        }
    }
}

/// What came of an Exec so far.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExecAnswer {
    /// This is the final answer.
    Done(ExecResult),
    /// The answer follows when this job ends; with [`Reporting::Asynchronous`] 202 is sent at once.
    Pending(JobId, Reporting),
}

impl From<StatusCode> for ExecAnswer {
    fn from(status: StatusCode) -> Self {
        Self::Done(status.into())
    }
}

/// How the final answer of an Exec with a job is reported. [DM-Protocol]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reporting {
    /// By the Status of the command if the job ends within the engine's limit, else by 202 and an
    /// alert.
    Synchronous,
    /// By 202 and an alert.
    Asynchronous,
}

/// What an object works with while the engine calls it.
pub struct Context<'a, 't> {
    /// The moment.
    pub now: Now,
    /// The open transaction; the object writes as the device.
    pub tree: &'a mut Transaction<'t>,
    /// What the tree allows: what all mounted definitions say.
    pub schema: &'a Layout,
    /// What becomes durable and goes out together with the transaction.
    pub effects: &'a mut Effects,
    /// Whether the transaction is that of an Atomic: nothing that cannot be taken back may be done,
    /// and no command of it be [put off](Effects::put_off).
    pub atomic: bool,
    /// The jobs the open command was [put off](Effects::put_off) for so far, in order, with what
    /// their [`completed`](ManagementObject::completed) returned; none when it is begun the first
    /// time.
    pub answers: &'a [(JobId, ExecResult)],
}

/// What objects ask for beside changes of the tree. Dropped whole if the transaction is.
#[derive(Debug, Default)]
pub struct Effects {
    /// Records of the objects' own, in the same batch as the transaction.
    pub batch: Batch,
    /// Alerts, queued durably in the same batch, delivered at least once.
    pub alerts: Vec<GenericAlert>,
    /// Alerts that others told the object, such as the guest of a machine or a device behind a
    /// gateway, each with the name of who told it. They are queued like [`alerts`](Self::alerts),
    /// but everyone has a share of the queue, so that nobody fills it: not for others, and not for
    /// the device.
    pub told: Vec<(String, GenericAlert)>,
    /// Jobs to hand out after the batch is durable.
    pub jobs: Vec<Job>,
    /// Whether something was left open that is to be tried again:
    /// [`ManagementObject::resume`] is called after a pause.
    pub resume: bool,
    /// What the open hook mounts and unmounts.
    pub(crate) mounting: Vec<Mounting>,
    put_off: Option<Job>,
    next_job: u64,
}

/// A change of what is mounted.
pub(crate) enum Mounting {
    Mount(Box<dyn ManagementObject>),
    Unmount(Uri),
}

impl fmt::Debug for Mounting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mount(_) => f.write_str("Mount"),
            Self::Unmount(root) => f.debug_tuple("Unmount").field(root).finish(),
        }
    }
}

impl Effects {
    /// No effects yet; jobs are numbered from `next_job`.
    #[must_use]
    pub fn new(next_job: u64) -> Self {
        Self {
            next_job,
            ..Self::default()
        }
    }

    /// Asks for a job; see [`Job`] for the parts.
    pub fn job(
        &mut self,
        lane: impl Into<String>,
        label: impl Into<String>,
        work: Work,
    ) -> &mut Job {
        let job = self.new_job(lane.into(), label.into(), work);
        let index = self.jobs.len();
        self.jobs.push(job);
        #[expect(clippy::indexing_slicing, reason = "just pushed")]
        &mut self.jobs[index]
    }

    /// Asks, in `stage` or `validate`, that the open command be taken back, this job run, and the
    /// command begun anew; see [`ManagementObject`]. What the hook returns besides counts for
    /// nothing.
    pub fn put_off(
        &mut self,
        lane: impl Into<String>,
        label: impl Into<String>,
        work: Work,
    ) -> &mut Job {
        let job = self.new_job(lane.into(), label.into(), work);
        self.put_off.insert(job)
    }

    /// The job the open command is put off for, if it is; for the engine.
    pub const fn take_put_off(&mut self) -> Option<Job> {
        self.put_off.take()
    }

    /// Mounts an object when the hook returns, as far as every place of it is below one that the
    /// object of the hook owns, and free; else the transaction is refused with 500. See
    /// [`ManagementObject`].
    pub fn mount(&mut self, object: Box<dyn ManagementObject>) {
        self.mounting.push(Mounting::Mount(object));
    }

    /// Unmounts, when the hook returns, the object with a mount at `root` that the object of the
    /// hook has mounted; its nodes stay. The transaction is refused with 500 if there is none.
    pub fn unmount(&mut self, root: Uri) {
        self.mounting.push(Mounting::Unmount(root));
    }

    pub(crate) const fn is_put_off(&self) -> Option<JobId> {
        match &self.put_off {
            Some(job) => Some(job.id),
            None => None,
        }
    }

    fn new_job(&mut self, lane: String, label: String, work: Work) -> Job {
        let id = JobId::new(self.next_job);
        self.next_job += 1;
        Job {
            id,
            lane,
            label,
            time_limit: None,
            before_sessions: false,
            background: false,
            work,
        }
    }

    /// The number the next job will get.
    #[must_use]
    pub const fn next_job(&self) -> u64 {
        self.next_job
    }
}
