use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use omadm_core::StatusCode;
use omadm_mo::{Context, ExecAnswer, ExecRequest, JobEnd, JobId};
use omadm_tree::{TreeError, Value};
use virmo_hypervisor::{Hypervisor, HypervisorError, HypervisorErrorKind};
use virmo_nodes::{VmNode, VmPath};
use virmo_state::{AccessOperation, VmId, VmState};

use super::{VirmoClient, output, primitive::lane};
use crate::{
    Event,
    drive::Failure,
    features::DRAFT,
    intent::{AccessIntent, Reply},
    ledger::{AccessTask, After, Subject},
    nodes::set,
    users,
};

/// Who gets at a machine, as the hypervisor has it; none where it cannot be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Access {
    locked: Option<bool>,
    sharing: Option<bool>,
}

impl Access {
    /// Right after an operation was done: what cannot be told is as that left it.
    fn after(self, operation: AccessOperation) -> Self {
        let (locked, sharing) = match operation {
            AccessOperation::Lock => (Some(true), None),
            AccessOperation::Unlock => (Some(false), None),
            AccessOperation::AllowSharing => (None, Some(true)),
            AccessOperation::ProhibitSharing => (None, Some(false)),
        };
        Self {
            locked: self.locked.or(locked),
            sharing: self.sharing.or(sharing),
        }
    }
}

/// Lock, Unlock and data sharing of the draft. They change no State, and a repeated one is done
/// again, so there is an intent of what was answered with 202 only: it is done again at the next
/// start. What another cut one left is looked up then.
impl VirmoClient {
    pub(super) fn exec_access(
        &mut self,
        path: &VmPath<'_>,
        operation: AccessOperation,
        request: &ExecRequest<'_>,
        cx: &mut Context<'_, '_>,
    ) -> Result<ExecAnswer, StatusCode> {
        let vm = self.vm(path.vm, cx).ok_or(StatusCode::NOT_FOUND)?;
        let id = vm.id().ok_or(StatusCode::COMMAND_FAILED)?;
        if self.book.read().is_busy(&id) || vm.state().after_access(operation).is_err() {
            return Err(StatusCode::COMMAND_NOT_ALLOWED);
        }
        self.end_cut(path.vm, &id, cx);
        let task = AccessTask {
            node: path.vm.to_owned(),
            operation: Some(operation),
            reply: Reply::new(request.correlator),
        };
        let job = self.ask_for_access(id, task, cx);
        Ok(ExecAnswer::Pending(job, self.policy.reporting))
    }

    /// Finds out who gets at the machines that users unlocked.
    pub(super) fn look_at_unlocked(&mut self, cx: &mut Context<'_, '_>) {
        if !self.roots.is_draft() {
            return;
        }
        for vm in self.users.take_unlocked() {
            self.look_at_access(&vm, cx);
        }
    }

    /// Finds out who gets at a machine, unless a job of its own holds the VM.
    pub(super) fn look_at_access(&mut self, vm: &VmId, cx: &mut Context<'_, '_>) {
        let task = self.book.read().vms.get(vm);
        let is_held = task.is_some_and(|task| task.job.is_some());
        if !self.roots.is_draft() || is_held {
            return;
        }
        let hypervisor = &self.hypervisor;
        let is_known = hypervisor.input_lock().is_some() || hypervisor.data_sharing().is_some();
        let cut = self.book.write().cut.remove(vm).flatten();
        match self.node_of(vm, cx) {
            Some((node, state)) if state.is_created() && (is_known || cut.is_some()) => {
                let task = AccessTask {
                    node,
                    operation: cut.as_ref().map(|cut| cut.operation),
                    reply: cut.map(|cut| cut.reply).unwrap_or_default(),
                };
                self.ask_for_access(vm.clone(), task, cx);
                if let Some(job) = cx.effects.jobs.last_mut() {
                    job.before_sessions = true;
                }
            }
            _ => {
                if let Some(cut) = cut {
                    self.break_promise(&cut, cx);
                }
            }
        }
    }

    /// What the last run promised is done again once the machine is observed.
    pub(super) fn take_up_access(&mut self, intent: AccessIntent, cx: &mut Context<'_, '_>) {
        let observed = self.book.read().vms.get(&intent.vm);
        match observed {
            Some(task) if task.intent.is_none() && self.roots.is_draft() => {
                let cut = &mut self.book.write().cut;
                cut.insert(intent.vm.clone(), Some(intent));
            }
            _ => self.break_promise(&intent, cx),
        }
    }

    /// Reports as failed what was answered with 202 and cannot be done any more.
    fn break_promise(&self, intent: &AccessIntent, cx: &mut Context<'_, '_>) {
        match self.node_of(&intent.vm, cx) {
            Some((node, _)) => self.break_promise_at(&node, intent, cx),
            None => AccessIntent::forget(&mut cx.effects.batch, &intent.vm),
        }
    }

    fn break_promise_at(&self, node: &str, intent: &AccessIntent, cx: &mut Context<'_, '_>) {
        AccessIntent::forget(&mut cx.effects.batch, &intent.vm);
        let source = self.roots.vm_node(node, VmNode::access(intent.operation));
        self.report(&source, &intent.reply, StatusCode::COMMAND_FAILED, cx);
    }

    /// Something else begins on a VM, or it goes: what was promised before and could not be kept is not
    /// made up for any more. Who gets at the machine is still to be found out.
    pub(super) fn end_cut(&mut self, node: &str, vm: &VmId, cx: &mut Context<'_, '_>) {
        let cut = self.book.read().cut.get(vm).cloned().flatten();
        if let Some(cut) = cut.filter(|_| DRAFT) {
            self.book.write().cut.insert(vm.clone(), None);
            self.break_promise_at(node, &cut, cx);
        }
    }

    /// The Exec of a change is answered with 202.
    pub(super) fn access_accepted(&mut self, vm: VmId, job: JobId, cx: &mut Context<'_, '_>) {
        let held = self.book.write().vms.get_mut(&vm);
        let held = held.filter(|held| held.job == Some(job));
        if let Some(task) = held.and_then(|held| held.access.as_mut())
            && let Some(operation) = task.operation
        {
            task.reply.accepted = true;
            let intent = AccessIntent {
                vm,
                operation,
                reply: task.reply.clone(),
            };
            intent.save(&mut cx.effects.batch);
        }
    }

    /// Asks for the job that changes who gets at a machine, if that is wanted, and finds out who
    /// does.
    fn ask_for_access(&mut self, id: VmId, task: AccessTask, cx: &mut Context<'_, '_>) -> JobId {
        let (machines, vm, operation) = (Arc::clone(&self.machines), id.clone(), task.operation);
        let given_up = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&given_up);
        let work = Box::new(move || {
            let hypervisor = &*machines.hypervisor;
            let _held = machines.hold(&vm);
            let changed = match operation {
                // It was reported as failed.
                Some(_) if flag.load(Ordering::SeqCst) => Err(too_late()),
                Some(operation) => change(hypervisor, &vm, operation),
                None => Ok(()),
            };
            let found = look(hypervisor, &vm);
            let found = match operation.filter(|_| changed.is_ok()) {
                Some(operation) => found.after(operation),
                None => found,
            };
            Box::new((found, changed)) as _
        });
        let what = task.operation.map_or("Observe", AccessOperation::name);
        let job = cx
            .effects
            .job(lane(&id), format!("{what} {}", task.node), work);
        job.time_limit = Some(self.policy.deadline);
        let job = job.id;
        let ledger = self.book.write();
        ledger.jobs.insert(job, Subject::Access(id.clone()));
        let held = ledger.vms.get_or_insert_with(id, Default::default);
        held.job = Some(job);
        held.given_up = given_up;
        held.access = Some(task);
        job
    }

    pub(super) fn access_ended(
        &mut self,
        vm: &VmId,
        job: JobId,
        end: JobEnd,
        cx: &mut Context<'_, '_>,
    ) -> StatusCode {
        let timed_out = matches!(end, JobEnd::TimedOut);
        let late = matches!(end, JobEnd::Late(_));
        let held = self.book.read().vms.get(vm);
        let held = held.filter(|held| held.job == Some(job));
        let task = held.and_then(|held| held.access.clone());
        if !timed_out {
            self.book.ended(job);
            let vms = &mut self.book.write().vms;
            if let Some(held) = vms.get_mut(vm).filter(|held| held.job == Some(job)) {
                (held.job, held.access) = (None, None);
                if held.intent.is_none() {
                    vms.remove(vm);
                }
            }
        }
        let Some(task) = task else {
            return StatusCode::COMMAND_FAILED;
        };
        if timed_out
            && let Some(held) = self.book.write().vms.get_mut(vm)
            && let Some(open) = &mut held.access
        {
            // It is reported now.
            open.reply.accepted = false;
            let flag = Arc::clone(&held.given_up);
            let machines = Arc::clone(&self.machines);
            self.book.after(After::GiveUp(machines, flag));
        }
        let outcome = output::<(Access, Result<(), HypervisorError>)>(end);
        let failure = match outcome {
            Ok((access, changed)) => {
                let kept = self.keep_access(&task.node, vm, access, cx);
                let kept = kept.map_err(Failure::from);
                changed.map_err(Failure::from).and(kept).err()
            }
            Err(failure) => Some(failure),
        };
        let (status, reason) = match failure {
            None => (StatusCode::OK, None),
            Some(failure) => (failure.status, Some(failure.reason)),
        };
        // What came late was reported as failed, and is promised no more if that could be kept.
        if let Some(operation) = task.operation
            && (!late || task.reply.accepted)
        {
            let source = self.roots.vm_node(&task.node, VmNode::access(operation));
            self.report(&source, &task.reply, status, cx);
            if task.reply.accepted {
                AccessIntent::forget(&mut cx.effects.batch, vm);
            }
            if let Some(reason) = reason {
                self.book.tell(Event::AccessFailed {
                    node: task.node,
                    vm: vm.clone(),
                    operation,
                    reason,
                });
            }
        }
        status
    }

    /// Writes who gets at a machine, as far as it is known.
    fn keep_access(
        &mut self,
        node: &str,
        vm: &VmId,
        access: Access,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), TreeError> {
        for (leaf, now) in [
            (VmNode::Locked, access.locked),
            (VmNode::Sharing, access.sharing),
        ] {
            let uri = self.roots.vm_node(node, leaf);
            let known = cx.tree.node(&uri).and_then(|leaf| leaf.text());
            let (Some(known), Some(now)) = (known, now) else {
                continue;
            };
            if known == now.to_string() {
                continue;
            }
            set(cx, &uri, Value::bool(now))?;
            let (node, vm) = (node.to_owned(), vm.clone());
            self.book.tell(match leaf {
                VmNode::Locked => Event::Locked {
                    node,
                    vm,
                    locked: now,
                },
                _ => Event::Sharing {
                    node,
                    vm,
                    allowed: now,
                },
            });
        }
        Ok(())
    }

    /// A machine that is gone is neither locked nor does it share anything.
    pub(super) fn forget_access(
        &mut self,
        node: &str,
        vm: &VmId,
        state: VmState,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), TreeError> {
        if !self.roots.is_draft() || state != VmState::NotCreated {
            return Ok(());
        }
        let access = Access {
            locked: Some(false),
            sharing: Some(false),
        };
        self.keep_access(node, vm, access, cx)
    }

    /// Tells the handles of users which machines they may unlock.
    pub(super) fn note_users(&mut self, cx: &Context<'_, '_>) {
        if !self.roots.is_draft() {
            return;
        }
        self.book.write().users = users::allowed(&self.roots, cx.tree.tree());
    }
}

fn too_late() -> HypervisorError {
    HypervisorError::new(HypervisorErrorKind::Timeout {
        may_have_happened: false,
    })
}

fn change(
    hypervisor: &dyn Hypervisor,
    vm: &VmId,
    operation: AccessOperation,
) -> Result<(), HypervisorError> {
    let missing = || HypervisorError::new(HypervisorErrorKind::NotSupported);
    match operation {
        AccessOperation::Lock | AccessOperation::Unlock => hypervisor
            .input_lock()
            .ok_or_else(missing)?
            .set_locked(vm, operation == AccessOperation::Lock),
        AccessOperation::AllowSharing | AccessOperation::ProhibitSharing => hypervisor
            .data_sharing()
            .ok_or_else(missing)?
            .set_allowed(vm, operation == AccessOperation::AllowSharing),
    }
    .map(drop)
}

fn look(hypervisor: &dyn Hypervisor, vm: &VmId) -> Access {
    let lock = hypervisor.input_lock();
    let sharing = hypervisor.data_sharing();
    Access {
        locked: lock.and_then(|lock| lock.is_locked(vm).ok()),
        sharing: sharing.and_then(|sharing| sharing.is_allowed(vm).ok()),
    }
}
