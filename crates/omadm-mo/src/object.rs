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
pub trait ManagementObject: Send {
    /// The places this object owns; never changes.
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

    /// Executes a node. Must not block: what takes long becomes a job.
    fn exec(&mut self, request: &ExecRequest<'_>, cx: &mut Context<'_, '_>) -> ExecAnswer;

    /// The Exec behind `job` is about to be answered with 202: its final answer becomes an alert.
    fn accepted(&mut self, job: JobId, cx: &mut Context<'_, '_>) {
        let _ = (job, cx);
    }

    /// A job of this object ended. Returns the final answer; the engine sends it if the Exec still
    /// waits. After [`accepted`](Self::accepted) the object queues the alert that its definition
    /// demands itself.
    fn completed(&mut self, job: JobId, end: JobEnd, cx: &mut Context<'_, '_>) -> ExecResult;
}

/// One Exec command.
#[derive(Clone, Debug)]
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
}

/// What objects ask for beside changes of the tree. Dropped whole if the transaction is.
#[derive(Debug, Default)]
pub struct Effects {
    /// Records of the objects' own, in the same batch as the transaction.
    pub batch: Batch,
    /// Alerts, queued durably in the same batch, delivered at least once.
    pub alerts: Vec<GenericAlert>,
    /// Jobs to hand out after the batch is durable.
    pub jobs: Vec<Job>,
    next_job: u64,
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
        let id = JobId::new(self.next_job);
        self.next_job += 1;
        let index = self.jobs.len();
        let job = Job {
            id,
            lane: lane.into(),
            label: label.into(),
            time_limit: None,
            before_sessions: false,
            background: false,
            work,
        };
        self.jobs.push(job);
        #[expect(clippy::indexing_slicing, reason = "just pushed")]
        &mut self.jobs[index]
    }

    /// The number the next job will get.
    #[must_use]
    pub const fn next_job(&self) -> u64 {
        self.next_job
    }
}
