mod state;
mod table;

use std::{sync::Arc, time::Duration};

use omadm_core::{Journal, JournalError, StatusCode};
use omadm_mo::{
    Context, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId, ManagementObject, Mount, Refusal,
    Reporting, Work,
};
use omadm_tree::{Change, ChangeKind, NodeRef, Principal, TreeError, Uri, Value};

use crate::{
    Failure, ResultCode,
    ledger::{Ledger, Report, answer, below, is_true, outcome, work},
};

pub use state::{LawmoOperation, LockState};
pub use table::LAWMO;

/// The type of the alert that ends an operation which was answered with 202. [LAWMO]
pub const ALERT_LAWMO: &str = "urn:oma:at:lawmo:1.0:OperationComplete";

/// What LAWMO drives: the lock and the data of a device or a VM.
///
/// [`lock`](Self::lock), [`wipe`](Self::wipe) and [`factory_reset`](Self::factory_reset) may block, and may be called again with the same words:
/// what a restart interrupted is asked for once more. An operation that ends by a restart says then
/// that it is done.
pub trait Locker: Send + Sync {
    /// Whether there is a lock at all; where not, the operations that lock and unlock are refused
    /// with 406. Must not block. Default: yes.
    fn can_lock(&self) -> bool {
        true
    }

    /// Puts a lock state into force; also called at every start with the state to hold. With
    /// `notify_user` the user is told.
    ///
    /// # Errors
    /// A [`Failure`]; the state is as before then.
    fn lock(&self, state: LockState, notify_user: bool) -> Result<(), Failure>;

    /// Whether the list of what can be wiped is what [`wipe_list`](Self::wipe_list) says; if not,
    /// somebody else keeps it in the tree. Must not block. Default: yes.
    fn keeps_list(&self) -> bool {
        true
    }

    /// What can be wiped. Asked once at every start; must not block.
    fn wipe_list(&self) -> Vec<WipeItem>;

    /// Erases the data of these items, by the names of their nodes; there is at least one.
    ///
    /// # Errors
    /// A [`Failure`]
    fn wipe(&self, items: &[String], notify_user: bool) -> Result<Wiped, Failure>;

    /// Restores the state of the factory, but for the lock.
    ///
    /// # Errors
    /// A [`Failure`]
    fn factory_reset(&self, notify_user: bool) -> Result<(), Failure>;
}

/// One kind of data that can be wiped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WipeItem {
    /// The name of its node; must be a name of a node, and the same at every start.
    pub node: String,
    /// `ListItemName`: its name for people.
    pub name: String,
}

/// What a wipe did.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Wiped {
    /// The data is gone; the items stay in the list.
    Data,
    /// The data is gone, and the items with it.
    DataAndItems,
    /// There was nothing to wipe.
    Nothing,
}

/// The Lock and Wipe Management Object.
///
/// | Exec of | result when done | when it failed | State |
/// |---|---|---|---|
/// | FullyLock | 1200 | 1402 | 10 |
/// | PartiallyLock | 1200 | 1403 | 20 |
/// | UnLock | 1200 | 1404 | 30 |
/// | Wipe | 1201, or 1202 if the items are gone too | 1405, or 1406 if nothing was to be wiped | |
/// | FactoryReset | 1200 | 1400 | |
///
/// Any of them may also fail with 1400 and 1401; a failure leaves State as it is. Every operation
/// applies in every state. While one is under way another is refused with 405.
///
/// The Status is 200 or 500, with the result in an Item. If it takes longer than the engine waits
/// the Status is 202, and [`ALERT_LAWMO`] follows: from the operation, with the result as an `int`,
/// the Correlator of the Exec, and the mark `warning` for a failure (unverified but for the type,
/// the source and the Correlator).
///
/// Where the object comes and goes, a server cannot delete it while an operation is under way (405).
///
/// What was under way when the device went off is done again at the next start and told by the
/// alert. So is, at the next Exec, what was answered with 202 and whose end could not be
/// made durable. The lock itself is put into force again, and one that was being changed is changed,
/// before a server can look.
pub struct Lawmo {
    root: Uri,
    locker: Arc<dyn Locker>,
    ledger: Ledger<Task>,
    without: Vec<&'static str>,
}

#[derive(Clone)]
enum Task {
    /// Put State into force.
    Restore,
    Operation(LawmoOperation),
    /// Erase these items.
    Wipe(Vec<String>),
}

impl Lawmo {
    /// The object at a place, usually `./LAWMO`; reads from the journal what the last run left open.
    ///
    /// # Errors
    /// The [`JournalError`]
    pub fn new(
        root: Uri,
        locker: Arc<dyn Locker>,
        journal: &dyn Journal,
    ) -> Result<Self, JournalError> {
        Ok(Self {
            ledger: Ledger::load(ALERT_LAWMO, &root, journal)?,
            root,
            locker,
            without: Vec::new(),
        })
    }

    /// Leaves out an optional node of [`LAWMO`] and what is below it, as `Operations/FactoryReset`.
    #[must_use]
    pub fn without(mut self, path: &'static str) -> Self {
        self.without.push(path);
        self
    }

    /// How operations are reported. Default: [`Reporting::Synchronous`].
    #[must_use]
    pub const fn reporting(mut self, reporting: Reporting) -> Self {
        self.ledger.tasks.reporting = reporting;
        self
    }

    /// How long an operation may take until it counts as failed. Default: 10 minutes.
    #[must_use]
    pub const fn time_limit(mut self, limit: Duration) -> Self {
        self.ledger.tasks.time_limit = limit;
        self
    }

    /// Has every job run in one lane, with what else works on the same thing. Default: one of its own.
    #[must_use]
    pub fn lane(mut self, lane: impl Into<String>) -> Self {
        self.ledger.tasks.job_lane = Some(lane.into());
        self
    }

    fn below(&self, path: &str) -> Uri {
        below(&self.root, path)
    }

    fn state(&self, cx: &Context<'_, '_>) -> LockState {
        let state = cx.tree.node(&self.below("State"));
        let value = state.and_then(|state| state.text()?.parse().ok());
        value
            .and_then(LockState::from_value)
            .unwrap_or(LockState::Unlocked)
    }

    fn notifies(&self, cx: &Context<'_, '_>) -> bool {
        is_true(cx, &self.below("LAWMOConfig/NotifyUser"))
    }

    /// The operation of a node; none if it is no operation.
    fn operation(&self, uri: &Uri) -> Option<LawmoOperation> {
        let operation = LawmoOperation::from_name(uri.name()?)?;
        let node = self.below("Operations").child(operation.name()).ok()?;
        (node == *uri).then_some(operation)
    }

    /// What an operation comes to; a result code if there is nothing to do.
    fn task(&self, operation: LawmoOperation, cx: &Context<'_, '_>) -> Result<Task, ResultCode> {
        if operation != LawmoOperation::Wipe {
            return Ok(Task::Operation(operation));
        }
        let list = cx.tree.node(&self.below("AvailableWipeList"));
        let items: Vec<String> = NodeRef::children_of(list)
            .filter(|item| is_true(cx, &below(&item.uri(), "ToBeWiped")))
            .map(|item| item.name().to_owned())
            .collect();
        match items.is_empty() {
            true => Err(ResultCode::WIPE_NOT_PERFORMED),
            false => Ok(Task::Wipe(items)),
        }
    }

    fn work(&self, task: &Task, cx: &Context<'_, '_>) -> Work {
        let locker = self.locker.clone();
        let notify = self.notifies(cx);
        match task {
            Task::Restore => {
                let state = self.state(cx);
                work(move || locker.lock(state, false))
            }
            Task::Operation(LawmoOperation::FactoryReset) => {
                work(move || locker.factory_reset(notify))
            }
            Task::Operation(operation) => {
                let state = self.state(cx).after(*operation);
                work(move || locker.lock(state, notify))
            }
            Task::Wipe(items) => {
                let items = items.clone();
                work(move || locker.wipe(&items, notify))
            }
        }
    }

    /// Writes what came of a task; its result code.
    fn settle(
        &self,
        task: &Task,
        end: JobEnd,
        cx: &mut Context<'_, '_>,
    ) -> Result<ResultCode, TreeError> {
        match task {
            // State stays what the server was told, whatever came of it.
            Task::Restore => Ok(ResultCode::SUCCESS),
            Task::Operation(operation) => {
                if let Err(failure) = outcome::<()>(end) {
                    return Ok(operation.failure(failure));
                }
                let state = self.state(cx).after(*operation).value();
                let value = Value::int(state.into());
                cx.tree.set(cx.schema, &self.below("State"), value)?;
                Ok(ResultCode::SUCCESS)
            }
            Task::Wipe(items) => match outcome(end) {
                Ok(Wiped::Data) => Ok(ResultCode::WIPED),
                Ok(Wiped::Nothing) => Ok(ResultCode::WIPE_NOT_PERFORMED),
                Ok(Wiped::DataAndItems) => {
                    let list = self.below("AvailableWipeList");
                    for item in items {
                        let item = list.child(item).ok();
                        let item = item.filter(|item| cx.tree.node(item).is_some());
                        if let Some(item) = item {
                            cx.tree.remove(&item)?;
                        }
                    }
                    Ok(ResultCode::WIPED_WITH_ITEMS)
                }
                Err(failure) => Ok(LawmoOperation::Wipe.failure(failure)),
            },
        }
    }

    /// Brings the list up to what the device offers; ToBeWiped stays where an item does.
    fn list(&self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        let list = self.below("AvailableWipeList");
        let Some(node) = cx.tree.node(&list).filter(|_| self.locker.keeps_list()) else {
            return Ok(());
        };
        let offered = self.locker.wipe_list();
        let gone: Vec<Uri> = node
            .children()
            .filter(|child| offered.iter().all(|item| item.node != child.name()))
            .map(|child| child.uri())
            .collect();
        for item in gone {
            cx.tree.remove(&item)?;
        }
        for item in offered {
            let node = list
                .child(&item.node)
                .map_err(|error| Refusal(error.status()))?;
            cx.tree.add_interior(cx.schema, &node)?;
            let name = below(&node, "ListItemName");
            cx.tree.set(cx.schema, &name, Value::chr(item.name))?;
        }
        Ok(())
    }

    /// Does again what was left open.
    fn take_up(&mut self, cx: &mut Context<'_, '_>) {
        for report in self.ledger.tasks.take_left(cx) {
            self.resume(report, cx);
        }
    }

    fn resume(&mut self, report: Report, cx: &mut Context<'_, '_>) {
        let operation = self.operation(&report.uri);
        let task = operation
            .ok_or(ResultCode::CLIENT_ERROR)
            .and_then(|operation| self.task(operation, cx));
        match task {
            Ok(task) => {
                let work = self.work(&task, cx);
                let is_lock = operation.is_some_and(LawmoOperation::is_of_lock);
                let job = self.ledger.begin(Some(report), &self.root, task, work, cx);
                job.before_sessions = is_lock;
            }
            Err(code) => {
                self.ledger.tasks.report(Some(report), code, cx);
            }
        }
    }
}

impl ManagementObject for Lawmo {
    fn mounts(&self) -> Vec<Mount> {
        let mount = Mount::new(self.root.clone(), &LAWMO);
        let without = self.without.iter();
        vec![without.fold(mount, |mount, path| mount.without(path))]
    }

    fn start(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        self.list(cx)?;
        if self.state(cx) != LockState::Unlocked {
            let work = self.work(&Task::Restore, cx);
            let job = self.ledger.begin(None, &self.root, Task::Restore, work, cx);
            job.before_sessions = true;
        }
        self.take_up(cx);
        Ok(())
    }

    fn stage(
        &mut self,
        change: &Change,
        by: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        match change.kind {
            ChangeKind::Deleted { .. } if change.uri == self.root => {
                self.ledger.tasks.stage_end(&self.root, by, cx)
            }
            _ => Ok(()),
        }
    }

    fn committed(&mut self) {
        self.ledger.tasks.committed();
    }

    fn rolled_back(&mut self) {
        self.ledger.rolled_back();
    }

    fn resume(&mut self, cx: &mut Context<'_, '_>) {
        self.take_up(cx);
    }

    fn exec(&mut self, request: &ExecRequest<'_>, cx: &mut Context<'_, '_>) -> ExecAnswer {
        self.take_up(cx);
        let operation = self.operation(request.uri);
        let Some(operation) = operation.filter(|_| !self.ledger.tasks.is_busy(&self.root)) else {
            return StatusCode::COMMAND_NOT_ALLOWED.into();
        };
        if operation.is_of_lock() && !self.locker.can_lock() {
            return StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED.into();
        }
        match self.task(operation, cx) {
            Ok(task) => {
                let work = self.work(&task, cx);
                self.ledger.exec(request, &self.root, task, work, cx)
            }
            Err(code) => ExecAnswer::Done(answer(code)),
        }
    }

    fn accepted(&mut self, job: JobId, _: &mut Context<'_, '_>) {
        self.ledger.tasks.accepted(job);
    }

    fn completed(&mut self, job: JobId, end: JobEnd, cx: &mut Context<'_, '_>) -> ExecResult {
        let Some((task, report)) = self.ledger.end(job, &end) else {
            return StatusCode::COMMAND_FAILED.into();
        };
        let code = self.settle(&task, end, cx);
        let code = code.unwrap_or(ResultCode::CLIENT_ERROR);
        self.ledger.tasks.report(report, code, cx)
    }
}
