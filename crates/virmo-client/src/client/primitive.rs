use std::sync::{Arc, atomic::AtomicBool};

use omadm_core::{Mark, StatusCode};
use omadm_mo::{Context, ExecAnswer, ExecRequest, JobEnd, JobId};
use omadm_tree::{TreeError, Value};
use virmo_nodes::{ImageNode, VmNode, VmPath};
use virmo_params::{CreateParams, ResourceConfig};
use virmo_state::{ImageState, Primitive, VmId, VmState};

use super::{VirmoClient, output, vm::unusable};
use crate::{
    CpuPolicy, Event, Recovery, bootstrap,
    drive::{Driver, End, Failure, Outcome},
    features::{DM_TREE, UI},
    intent::{Making, Reply, VmIntent},
    ledger::{After, Subject, VmTask},
    nodes::{VmView, clear, set},
    resources,
};

/// The primitives of a VM. [VirMO §7.1.4, §10.2, §10.3]
impl VirmoClient {
    pub(super) fn exec_vm(
        &mut self,
        path: &VmPath<'_>,
        request: &ExecRequest<'_>,
        cx: &mut Context<'_, '_>,
    ) -> Result<ExecAnswer, StatusCode> {
        let asked = Primitive::ALL
            .into_iter()
            .find(|primitive| VmNode::operation(*primitive) == path.node)
            .ok_or(StatusCode::COMMAND_NOT_ALLOWED)?;
        let vm = self.vm(path.vm, cx).ok_or(StatusCode::NOT_FOUND)?;
        let id = vm.id().ok_or(StatusCode::COMMAND_FAILED)?;
        if self.book.read().is_busy(&id) {
            return Err(StatusCode::COMMAND_NOT_ALLOWED);
        }
        let prior = vm.state();
        if prior.after(asked).is_err() {
            return Err(StatusCode::COMMAND_NOT_ALLOWED);
        }
        let making = match path.node {
            VmNode::Create => Some(self.making(&vm, cx)?),
            _ => None,
        };
        let primitive = match &making {
            Some(making) if !making.params.running => Primitive::CreateAndPoweroff,
            _ => asked,
        };
        let left = self.book.read().vms.get(&id);
        let left = left.and_then(|task| task.intent.as_ref());
        // One whose end could not be kept is not made up for any more.
        if let Some(left) = left.filter(|left| !left.failed) {
            self.reply(left, StatusCode::COMMAND_FAILED, cx);
        }
        let owed = left.map(|left| left.primitive);
        self.end_cut(path.vm, &id, cx);
        let intent = VmIntent {
            vm: id,
            node: path.vm.to_owned(),
            primitive,
            prior,
            owed,
            failed: false,
            reply: Reply::new(request.correlator),
            making,
        };
        intent.save(&mut cx.effects.batch);
        let job = self.drive(intent, true, cx);
        Ok(ExecAnswer::Pending(job, self.policy.reporting))
    }

    /// What to make a VM from. [VirMO §8 CreateParams, §10.2 step 4]
    fn making(&self, vm: &VmView<'_>, cx: &Context<'_, '_>) -> Result<Making, StatusCode> {
        let params: CreateParams = match vm.text(VmNode::CreateParams) {
            "" => return Err(StatusCode::INCOMPLETE_COMMAND),
            text => text.parse().map_err(unusable)?,
        };
        let image = self.roots.image_of(cx.tree.tree(), &params.image);
        let image = image.ok_or(StatusCode::NOT_FOUND)?;
        if image.state() != ImageState::Downloaded {
            return Err(StatusCode::COMMAND_NOT_ALLOWED);
        }
        let resources = match vm.text(VmNode::NewConfig) {
            "" => self.policy.entitlement.clone(),
            text => text.parse().map_err(unusable)?,
        };
        self.check_sums(&resources, cx)?;
        Ok(Making {
            params,
            location: image.text(ImageNode::DownloadedLocation).to_owned(),
            media_type: image.text(ImageNode::MediaType).to_owned(),
            description: vm.text(VmNode::Description).to_owned(),
            resources,
        })
    }

    /// Whether the device can give this beside what every created VM has, and every VM that is
    /// being created will have.
    fn check_sums(&self, more: &ResourceConfig, cx: &Context<'_, '_>) -> Result<(), StatusCode> {
        let mut configs = Vec::new();
        for (_, vm) in self.roots.vms(cx.tree.tree()) {
            if vm.state().is_created() {
                configs.push(vm.current_config());
            }
        }
        let makings = self.book.read().makings();
        configs.extend(makings.map(|making| making.resources.clone()));
        configs.push(more.clone());
        if resources::fit(&self.capabilities.device, CpuPolicy::AtMost, &configs) {
            Ok(())
        } else {
            Err(StatusCode::DEVICE_FULL)
        }
    }

    /// Asks for the job that brings an intent to its end.
    pub(super) fn drive(
        &mut self,
        intent: VmIntent,
        fresh: bool,
        cx: &mut Context<'_, '_>,
    ) -> JobId {
        let given_up = Arc::new(AtomicBool::new(false));
        let driver = Driver {
            machines: Arc::clone(&self.machines),
            journal: Arc::clone(&self.journal),
            graceful: self.policy.graceful_power_off,
            erase: self.policy.erase,
            given_up: Arc::clone(&given_up),
        };
        let label = format!("{} {}", intent.primitive, intent.node);
        let asked = intent.clone();
        let work = Box::new(move || Box::new(driver.run(&asked, fresh)) as _);
        let job = cx.effects.job(lane(&intent.vm), label, work);
        job.time_limit = Some(self.policy.deadline);
        let job = job.id;
        let ledger = self.book.write();
        ledger.outdate(&intent.vm);
        ledger.jobs.insert(job, Subject::Vm(intent.vm.clone()));
        let task = ledger
            .vms
            .get_or_insert_with(intent.vm.clone(), Default::default);
        task.job = Some(job);
        task.given_up = given_up;
        task.settling = intent.failed;
        task.intent = Some(intent);
        job
    }

    pub(super) fn primitive_ended(
        &mut self,
        vm: &VmId,
        job: JobId,
        end: JobEnd,
        cx: &mut Context<'_, '_>,
    ) -> Result<StatusCode, TreeError> {
        let timed_out = matches!(end, JobEnd::TimedOut);
        let late = matches!(end, JobEnd::Late(_));
        if !timed_out {
            self.book.ended(job);
        }
        let task = self
            .book
            .read()
            .vms
            .get(vm)
            .filter(|task| task.job == Some(job))
            .cloned();
        let Some((task, mut intent)) = task.and_then(|task| Some((task.clone(), task.intent?)))
        else {
            return Ok(StatusCode::COMMAND_FAILED);
        };
        let outcome = output::<Outcome>(end);
        match outcome {
            Ok(outcome) if !late => self.settle(&task, intent, outcome, cx),
            // What came of it was reported as failed: what it is now has to be found out.
            Ok(_) => {
                let status = StatusCode::COMMAND_FAILED;
                self.report_failure(&mut intent, status, cx);
                self.drive(intent, false, cx);
                Ok(status)
            }
            Err(failure) => {
                if timed_out {
                    let machines = Arc::clone(&self.machines);
                    self.book.after(After::GiveUp(machines, task.given_up));
                }
                self.give_up(intent, &failure, timed_out, cx);
                Ok(failure.status)
            }
        }
    }

    /// Reports an intent as failed whose job is lost or has not ended in time, or whose outcome
    /// cannot be kept. A job that is over is followed by one that undoes what it did, unless it was
    /// that one.
    pub(super) fn give_up(
        &mut self,
        mut intent: VmIntent,
        failure: &Failure,
        timed_out: bool,
        cx: &mut Context<'_, '_>,
    ) {
        self.tell_failure(&intent, &failure.reason);
        self.report_failure(&mut intent, failure.status, cx);
        let task = self
            .book
            .write()
            .vms
            .get_or_insert_with(intent.vm.clone(), Default::default);
        if timed_out {
            task.intent = Some(intent);
        } else if task.settling {
            // It is tried again after a pause, before the next primitive, or at the next start.
            task.job = None;
            task.intent = Some(intent);
            cx.effects.resume = true;
        } else {
            self.drive(intent, false, cx);
        }
    }

    /// Reports an intent as failed, once.
    fn report_failure(&self, intent: &mut VmIntent, status: StatusCode, cx: &mut Context<'_, '_>) {
        if !std::mem::replace(&mut intent.failed, true) {
            self.reply(intent, status, cx);
            intent.save(&mut cx.effects.batch);
        }
    }

    /// Makes durable what came of an intent, and answers the Exec behind it.
    fn settle(
        &mut self,
        task: &VmTask,
        intent: VmIntent,
        outcome: Outcome,
        cx: &mut Context<'_, '_>,
    ) -> Result<StatusCode, TreeError> {
        let promised = intent.prior.after(intent.primitive).ok();
        let (recovery, left) = match outcome.end {
            End::Owed(primitive) => {
                let left = VmIntent {
                    primitive,
                    owed: None,
                    failed: true,
                    reply: Reply::default(),
                    making: None,
                    ..intent.clone()
                };
                (Recovery::Open, Some(left))
            }
            End::Settled(found) => {
                let state = match (promised, found) {
                    (Some(VmState::Deleted), VmState::NotCreated) => VmState::Deleted,
                    _ => found,
                };
                let finished = promised == Some(state);
                let made = intent.making.as_ref().filter(|_| finished);
                self.keep(&intent.node, &intent.vm, state, made, cx)?;
                self.reachable(&intent.node, &intent.vm, cx);
                if !finished && state != intent.prior {
                    self.alert_state(&intent.node, state, Mark::Warning, cx);
                }
                if finished {
                    (Recovery::Finished, None)
                } else {
                    (Recovery::Undone, None)
                }
            }
        };
        match &left {
            Some(left) => {
                left.save(&mut cx.effects.batch);
                cx.effects.resume = true;
            }
            None => VmIntent::forget(&mut cx.effects.batch, &intent.vm),
        }
        let vms = &mut self.book.write().vms;
        match left {
            Some(left) => {
                let task = VmTask {
                    intent: Some(left),
                    ..VmTask::default()
                };
                vms.insert(intent.vm.clone(), task);
            }
            None => _ = vms.remove(&intent.vm),
        }
        let failure = outcome.failure.unwrap_or_else(|| Failure::new("undone"));
        let status = match recovery {
            Recovery::Finished if !intent.failed => StatusCode::OK,
            Recovery::Finished | Recovery::Undone | Recovery::Open => failure.status,
        };
        if !intent.failed {
            self.reply(&intent, status, cx);
        }
        if recovery == Recovery::Open && !task.again || !intent.failed && !status.is_success() {
            self.tell_failure(&intent, &failure.reason);
        }
        if task.recovering {
            // A change of who gets at it may have been cut too.
            self.look_at_access(&intent.vm, cx);
            self.book.tell(Event::Recovered {
                node: intent.node,
                vm: intent.vm,
                primitive: intent.primitive,
                outcome: recovery,
            });
        }
        Ok(status)
    }

    /// Writes the state a VM is in now, and what it got if it was just made.
    pub(super) fn keep(
        &mut self,
        node: &str,
        vm: &VmId,
        state: VmState,
        made: Option<&Making>,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), TreeError> {
        let Some(before) = self.vm(node, cx).map(|vm| vm.state()) else {
            return Ok(());
        };
        let uri = self.roots.vm(node);
        let config = match (state, made) {
            (VmState::NotCreated, _) if before != state => Some(ResourceConfig::default()),
            (_, made) => made.map(|made| made.resources.clone()),
        };
        // What may find the tree full comes first, so that a failure changes nothing.
        if let Some(config) = config {
            let value = Value::chr(config.to_string());
            set(cx, &self.roots.vm_node(node, VmNode::CurrentConfig), value)?;
        }
        if made.is_some() {
            bootstrap::forget(&mut cx.effects.batch, vm);
            clear(cx, &self.roots.vm_node(node, VmNode::NewConfig))?;
        }
        if state == VmState::NotCreated {
            clear(cx, &self.dm_tree(node))?;
        }
        if DM_TREE && !state.is_created() {
            let batch = &mut cx.effects.batch;
            self.book.write().forget_doubts(vm, batch);
        }
        if state == VmState::Deleted {
            // The state is momentary: whoever could read it finds no node. [VirMO §10.3 step 2]
            cx.tree.remove(&uri)?;
            if DM_TREE || UI {
                let (link, vm) = (Arc::clone(&self.link), vm.clone());
                self.book.then(move || link.forget(&vm));
            }
        } else if before != state {
            set(
                cx,
                &VmNode::State.of(&uri),
                Value::int(state.value().into()),
            )?;
        }
        if before != state {
            self.forget_access(node, vm, state, cx)?;
            if state != VmState::Running {
                self.withdraw_calls(vm);
            }
            self.book.tell(Event::Vm {
                node: node.to_owned(),
                vm: vm.clone(),
                from: before,
                to: state,
            });
        }
        Ok(())
    }

    fn reply(&self, intent: &VmIntent, status: StatusCode, cx: &mut Context<'_, '_>) {
        let node = VmNode::operation(intent.primitive);
        let source = self.roots.vm_node(&intent.node, node);
        self.report(&source, &intent.reply, status, cx);
    }

    fn tell_failure(&mut self, intent: &VmIntent, reason: &str) {
        self.book.tell(Event::PrimitiveFailed {
            node: intent.node.clone(),
            vm: intent.vm.clone(),
            primitive: intent.primitive,
            reason: reason.to_owned(),
        });
    }
}

/// The lane of all jobs on a VM.
pub(super) fn lane(vm: &VmId) -> String {
    format!("vm {vm}")
}
