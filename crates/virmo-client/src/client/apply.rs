use std::sync::{Arc, atomic::AtomicBool};

use omadm_core::StatusCode;
use omadm_mo::{Context, ExecAnswer, ExecRequest, JobEnd, JobId};
use omadm_tree::{TreeError, Value};
use virmo_nodes::{VirmoNode, VmNode};
use virmo_params::ResourceConfig;

use super::{VirmoClient, output, vm::unusable};
use crate::{
    Event, Recovery,
    apply::{Applied, Applier},
    drive::Failure,
    intent::{ApplyIntent, Reply, ResourceChange},
    ledger::{After, ApplyTask, Subject},
    nodes::{clear, set},
    resources,
};

/// `VirMO/Operations/ApplyChanges`: one intent over all VMs. [VirMO §8]
///
/// Every VM refuses work while it is under way. NewConfig is kept on failure, so that the server
/// can mend it. On success it goes from every VM, one that is not created too: a Create after that
/// needs it anew.
impl VirmoClient {
    pub(super) fn exec_apply(
        &mut self,
        request: &ExecRequest<'_>,
        cx: &mut Context<'_, '_>,
    ) -> Result<ExecAnswer, StatusCode> {
        let changes = self.wanted(cx)?;
        let ledger = self.book.read();
        let left = ledger.apply.as_ref();
        let owed = left
            .map(|task| [&*task.intent.changes, &*task.intent.owed].concat())
            .unwrap_or_default();
        let held = |change: &ResourceChange| ledger.vms.contains_key(&change.vm);
        let busy = |change: &ResourceChange| ledger.is_busy(&change.vm);
        if ledger.is_applying() || changes.iter().any(held) || owed.iter().any(busy) {
            return Err(StatusCode::COMMAND_NOT_ALLOWED);
        }
        // One whose end could not be kept is not made up for any more.
        if let Some(left) = left.filter(|task| !task.intent.failed) {
            self.reply_apply(&left.intent, StatusCode::COMMAND_FAILED, cx);
        }
        let intent = ApplyIntent {
            changes,
            owed,
            failed: false,
            reply: Reply::new(request.correlator),
        };
        intent.save(&mut cx.effects.batch);
        let job = self.apply(intent, true, cx);
        Ok(ExecAnswer::Pending(job, self.policy.reporting))
    }

    /// What the created VMs are to get that have a NewConfig with something in it, if all of it
    /// fits the device.
    fn wanted(&self, cx: &Context<'_, '_>) -> Result<Vec<ResourceChange>, StatusCode> {
        let (mut changes, mut after) = (Vec::new(), Vec::new());
        for (id, vm) in self.roots.vms(cx.tree.tree()) {
            if !vm.state().is_created() {
                continue;
            }
            let before = vm.current_config();
            let want: ResourceConfig = match vm.text(VmNode::NewConfig) {
                "" => before.clone(),
                text => text.parse().map_err(unusable)?,
            };
            after.push(want.clone());
            if !vm.text(VmNode::NewConfig).is_empty() {
                changes.push(ResourceChange {
                    vm: id,
                    node: vm.name().to_owned(),
                    before,
                    want,
                });
            }
        }
        after.extend(
            self.book
                .read()
                .makings()
                .map(|making| making.resources.clone()),
        );
        if resources::fit(&self.capabilities.device, self.policy.cpu, &after) {
            Ok(changes)
        } else {
            Err(StatusCode::DEVICE_FULL)
        }
    }

    /// Asks for the job that brings a change to its end, which is `fresh` if there never was one.
    pub(super) fn apply(
        &mut self,
        intent: ApplyIntent,
        fresh: bool,
        cx: &mut Context<'_, '_>,
    ) -> JobId {
        let given_up = Arc::new(AtomicBool::new(false));
        let applier = Applier {
            machines: Arc::clone(&self.machines),
            given_up: Arc::clone(&given_up),
        };
        let asked = intent.clone();
        let work = Box::new(move || Box::new(applier.run(&asked, fresh)) as _);
        let job = cx.effects.job("apply", "ApplyChanges", work);
        job.time_limit = Some(self.policy.deadline);
        let job = job.id;
        let ledger = self.book.write();
        ledger.looks.clear();
        ledger.jobs.insert(job, Subject::Apply);
        ledger.apply = Some(ApplyTask {
            job: Some(job),
            settling: intent.failed,
            recovering: false,
            again: false,
            given_up,
            intent,
        });
        job
    }

    pub(super) fn apply_ended(
        &mut self,
        job: JobId,
        end: JobEnd,
        cx: &mut Context<'_, '_>,
    ) -> Result<StatusCode, TreeError> {
        let timed_out = matches!(end, JobEnd::TimedOut);
        let late = matches!(end, JobEnd::Late(_));
        if !timed_out {
            self.book.ended(job);
        }
        let task = self.book.read().apply.clone();
        let Some(mut task) = task.filter(|task| task.job == Some(job)) else {
            return Ok(StatusCode::COMMAND_FAILED);
        };
        let outcome = output::<(Applied, Option<Failure>)>(end);
        match outcome {
            // It was reported as failed: it has to be taken back.
            Ok((Applied::All, _)) if late => {
                let status = StatusCode::COMMAND_FAILED;
                self.report_apply_failure(&mut task.intent, status, cx);
                self.apply(task.intent, false, cx);
                Ok(status)
            }
            Ok((applied, failure)) => {
                if late {
                    task.again = true;
                    let status = StatusCode::COMMAND_FAILED;
                    self.report_apply_failure(&mut task.intent, status, cx);
                }
                self.settle_apply(task, applied, failure, cx)
            }
            Err(failure) => {
                if timed_out {
                    let (machines, flag) = (Arc::clone(&self.machines), Arc::clone(&task.given_up));
                    self.book.after(After::GiveUp(machines, flag));
                }
                self.give_up_apply(task, &failure, timed_out, cx);
                Ok(failure.status)
            }
        }
    }

    /// Reports a change as failed whose job is lost or has not ended in time, or whose outcome
    /// cannot be kept. A job that is over is followed by one that takes back what it did, unless it
    /// was that one.
    pub(super) fn give_up_apply(
        &mut self,
        mut task: ApplyTask,
        failure: &Failure,
        timed_out: bool,
        cx: &mut Context<'_, '_>,
    ) {
        self.tell_apply_failure(failure);
        self.report_apply_failure(&mut task.intent, failure.status, cx);
        if timed_out {
            self.book.write().apply = Some(task);
        } else if task.settling {
            // It is tried again after a pause, before the next change, or at the next start.
            task.job = None;
            cx.effects.resume = true;
            self.book.write().apply = Some(task);
        } else {
            self.apply(task.intent, false, cx);
        }
    }

    /// Reports a change as failed, once.
    fn report_apply_failure(
        &self,
        intent: &mut ApplyIntent,
        status: StatusCode,
        cx: &mut Context<'_, '_>,
    ) {
        if !std::mem::replace(&mut intent.failed, true) {
            self.reply_apply(intent, status, cx);
            intent.save(&mut cx.effects.batch);
        }
    }

    /// Makes durable what came of a change, and answers the Exec behind it.
    fn settle_apply(
        &mut self,
        mut task: ApplyTask,
        applied: Applied,
        failure: Option<Failure>,
        cx: &mut Context<'_, '_>,
    ) -> Result<StatusCode, TreeError> {
        let recovery = match applied {
            Applied::All => Recovery::Finished,
            Applied::Nothing => Recovery::Undone,
            Applied::Owed => Recovery::Open,
        };
        if applied == Applied::All {
            self.keep_resources(&task.intent, cx)?;
        }
        let status = match &failure {
            None if applied == Applied::All => StatusCode::OK,
            None => StatusCode::COMMAND_FAILED,
            Some(failure) => failure.status,
        };
        if !task.intent.failed {
            self.reply_apply(&task.intent, status, cx);
        }
        if let Some(failure) = failure.as_ref().filter(|_| !task.again) {
            self.tell_apply_failure(failure);
        }
        if task.recovering {
            self.book
                .tell(Event::ChangesRecovered { outcome: recovery });
        }
        if applied == Applied::Owed {
            task.intent.failed = true;
            task.intent.reply = Reply::default();
            task.intent.save(&mut cx.effects.batch);
            task.job = None;
            cx.effects.resume = true;
            self.book.write().apply = Some(task);
        } else {
            ApplyIntent::forget(&mut cx.effects.batch);
            self.book.write().apply = None;
        }
        Ok(status)
    }

    /// CurrentConfig is what was wanted, and the NewConfig of every VM goes, whether it is empty or
    /// the VM not created.
    fn keep_resources(
        &mut self,
        intent: &ApplyIntent,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), TreeError> {
        // What may find the tree full comes first, so that a failure changes nothing.
        let leaf =
            |change: &ResourceChange| self.roots.vm_node(&change.node, VmNode::CurrentConfig);
        for (done, change) in intent.changes.iter().enumerate() {
            let value = Value::chr(change.want.to_string());
            if let Err(error) = set(cx, &leaf(change), value) {
                for change in intent.changes.iter().take(done) {
                    let _ = set(cx, &leaf(change), Value::chr(change.before.to_string()));
                }
                return Err(error);
            }
        }
        let vms = self.roots.vms(cx.tree.tree()).into_iter();
        for name in vms.map(|(_, vm)| vm.name().to_owned()).collect::<Vec<_>>() {
            clear(cx, &self.roots.vm_node(&name, VmNode::NewConfig))?;
        }
        for change in &intent.changes {
            self.book.tell(Event::Resources {
                node: change.node.clone(),
                vm: change.vm.clone(),
                config: change.want.clone(),
            });
        }
        Ok(())
    }

    fn reply_apply(&self, intent: &ApplyIntent, status: StatusCode, cx: &mut Context<'_, '_>) {
        let source = VirmoNode::ApplyChanges.of(&self.roots.virmo);
        self.report(&source, &intent.reply, status, cx);
    }

    fn tell_apply_failure(&mut self, failure: &Failure) {
        self.book.tell(Event::ChangesFailed {
            reason: failure.reason.clone(),
        });
    }
}
