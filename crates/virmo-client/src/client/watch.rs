use std::sync::Arc;

use omadm_core::{Format, GenericAlert, Mark, SortedMap, SortedSet, StatusCode};
use omadm_mo::{Context, JobEnd, JobId, Work};
use omadm_tree::{TreeError, Value};
use virmo_hypervisor::{HypervisorError, Listed, Machine, MachineState, Observed};
use virmo_nodes::VmNode;
use virmo_params::ResourceConfig;
use virmo_state::{VmId, VmState};

use super::{VirmoClient, output, primitive::lane};
use crate::{
    Event,
    drive::Failure,
    ledger::{Subject, VmTask},
    nodes::set,
    table::Seen,
};

/// Looking after the machines. [VirMO §7.1.3]
impl VirmoClient {
    /// Asks for the job that looks at all machines next, if none is under way.
    pub(super) fn watch(&mut self, cx: &mut Context<'_, '_>) {
        let Some(interval) = self.policy.watch else {
            return;
        };
        if self.book.read().watch.is_some() {
            return;
        }
        // While it sleeps, the hypervisor may go with the client.
        let hypervisor = Arc::downgrade(&self.hypervisor);
        let (clock, waker) = (Arc::clone(&self.clock), Arc::clone(&self.waker));
        let work = Box::new(move || {
            let awake = waker.sleep(&*clock, interval);
            let hypervisor = hypervisor.upgrade().filter(|_| awake);
            Box::new(hypervisor.map(|it| it.list())) as _
        });
        let job = cx.effects.job("machines", "Watch machines", work);
        job.background = true;
        job.time_limit = Some(interval.saturating_add(self.policy.deadline));
        let job = job.id;
        let ledger = self.book.write();
        ledger.watch = Some(job);
        ledger.jobs.insert(job, Subject::Watch);
    }

    /// Looks closer at each machine that is not what it should be. What was listed may be outdated
    /// already, so nothing is concluded from it.
    pub(super) fn watch_ended(
        &mut self,
        job: JobId,
        end: JobEnd,
        cx: &mut Context<'_, '_>,
    ) -> Result<StatusCode, TreeError> {
        if !matches!(end, JobEnd::TimedOut) {
            self.book.ended(job);
            self.book.write().watch = None;
        }
        self.look_at_unlocked(cx);
        let listed = output::<Option<Result<Vec<Listed>, HypervisorError>>>(end);
        let listed = match listed {
            Ok(None) => return Ok(StatusCode::OK),
            Ok(Some(listed)) => listed.map(states).map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        if let Ok(states) = &listed {
            let batch = &mut cx.effects.batch;
            self.book.write().are_all(states.keys(), batch);
            self.make_up(cx);
        }
        let ledger = self.book.read();
        if ledger.is_applying() {
            return Ok(StatusCode::OK);
        }
        let here: Option<SortedSet<VmId>> =
            listed.as_ref().ok().map(|it| it.keys().cloned().collect());
        let mut doubtful = Vec::new();
        for (vm, view) in self.roots.vms(cx.tree.tree()) {
            if ledger.vms.contains_key(&vm) || ledger.looks.contains_key(&vm) {
                continue;
            }
            let known = view.state();
            let found = match &listed {
                Ok(states) => states
                    .get(&vm)
                    .copied()
                    .unwrap_or(Some(VmState::NotCreated)),
                Err(_) => None,
            };
            let told = !ledger.unreachable.contains(&vm);
            if found.is_none() && (known == VmState::NotCreated || !told) {
                continue;
            }
            if found != Some(known) || !told {
                doubtful.push((view.name().to_owned(), vm));
            }
        }
        for (node, vm) in doubtful {
            match &listed {
                Ok(_) => self.look(&node, vm, cx),
                Err(failure) => self.unreachable(&node, &vm, failure.reason.clone(), cx),
            }
        }
        if let Some(here) = here {
            self.forget_warnings(&here, cx);
            self.look_at_strangers(&here, cx);
        }
        Ok(StatusCode::OK)
    }

    /// Finds out what a machine is, and lets nothing begin on its VM before.
    pub(super) fn observe(&mut self, node: &str, vm: VmId, cx: &mut Context<'_, '_>) {
        let job = self.observation(node, Subject::Observe(vm.clone()), &vm, cx);
        let task = VmTask {
            job: Some(job),
            ..VmTask::default()
        };
        self.book.write().vms.insert(vm, task);
    }

    /// Finds out what a machine is, unless something begins on its VM before.
    fn look(&mut self, node: &str, vm: VmId, cx: &mut Context<'_, '_>) {
        let job = self.observation(node, Subject::Look(vm.clone()), &vm, cx);
        self.book.write().looks.insert(vm, job);
    }

    /// The lane is that of the VM's primitives: what is found out is told before the end of a
    /// primitive that began later.
    pub(super) fn observation(
        &mut self,
        node: &str,
        subject: Subject,
        vm: &VmId,
        cx: &mut Context<'_, '_>,
    ) -> JobId {
        let (hypervisor, id) = (Arc::clone(&self.hypervisor), vm.clone());
        // What a change of resources has done by then is not in force before its end.
        let changes = self.book.read().is_changed(vm);
        let work: Work = Box::new(move || {
            let mut observed = hypervisor.observe(&id);
            if changes && let Ok(observed) = &mut observed {
                observed.resources = None;
            }
            Box::new(observed)
        });
        let job = cx.effects.job(lane(vm), format!("Observe {node}"), work);
        job.time_limit = Some(self.policy.deadline);
        let job = job.id;
        self.book.write().jobs.insert(job, subject);
        job
    }

    pub(super) fn observe_ended(
        &mut self,
        vm: &VmId,
        job: JobId,
        end: JobEnd,
        cx: &mut Context<'_, '_>,
    ) -> Result<StatusCode, TreeError> {
        let over = !matches!(end, JobEnd::TimedOut);
        if over {
            self.book.ended(job);
        }
        self.follow(vm, observed(end), cx)?;
        if over {
            self.book.write().vms.remove(vm);
            self.look_at_access(vm, cx);
        }
        Ok(StatusCode::OK)
    }

    pub(super) fn look_ended(
        &mut self,
        vm: &VmId,
        job: JobId,
        end: JobEnd,
        cx: &mut Context<'_, '_>,
    ) -> Result<StatusCode, TreeError> {
        let counts = self.book.read().looks.get(vm) == Some(&job);
        if !matches!(end, JobEnd::TimedOut) {
            self.book.ended(job);
            if counts {
                self.book.write().looks.remove(vm);
            }
        }
        if counts {
            self.follow(vm, observed(end), cx)?;
        }
        Ok(StatusCode::OK)
    }

    /// State and CurrentConfig follow what is true: a guest that ended itself is off, and a change of
    /// resources whose end the journal kept, although it said that it did not, was undone. A machine
    /// that cannot be told keeps its State.
    fn follow(
        &mut self,
        vm: &VmId,
        observed: Result<Observed, Failure>,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), TreeError> {
        let Some((node, known)) = self.node_of(vm, cx) else {
            return Ok(());
        };
        let observed = match observed {
            Ok(observed) => observed,
            Err(failure) => {
                self.unreachable(&node, vm, failure.reason, cx);
                return Ok(());
            }
        };
        let Some(state) = Seen::from(&observed.state).state() else {
            let reason = format!("the machine is {}", observed.state);
            self.unreachable(&node, vm, reason, cx);
            return Ok(());
        };
        if state.is_created()
            && let Some(found) = observed.resources
            && let Some(current) = self.vm(&node, cx).map(|view| view.current_config())
            && let config = with_vendor_pairs(found, &current)
            && config != current
        {
            let leaf = self.roots.vm_node(&node, VmNode::CurrentConfig);
            set(cx, &leaf, Value::chr(config.to_string()))?;
            if known != VmState::NotCreated {
                self.book.tell(Event::Resources {
                    node: node.clone(),
                    vm: vm.clone(),
                    config,
                });
            }
        }
        self.keep(&node, vm, state, None, cx)?;
        let back = self.reachable(&node, vm, cx);
        if back || state != known {
            let lost = matches!(
                observed.state,
                MachineState::Absent | MachineState::Off { crashed: true }
            );
            let mark = match lost && state != known {
                true => Mark::Warning,
                false => Mark::Informational,
            };
            self.alert_state(&node, state, mark, cx);
        }
        Ok(())
    }

    /// Tells that a machine can be told again; whether it could not be before, as far as anybody
    /// was told.
    pub(super) fn reachable(&mut self, node: &str, vm: &VmId, cx: &mut Context<'_, '_>) -> bool {
        let was_told = self.book.write().unreachable.remove(vm);
        let was_warned = self.book.write().all_clear(vm, &mut cx.effects.batch);
        let back = was_told || was_warned;
        if was_told {
            self.book.tell(Event::Reachable {
                node: node.to_owned(),
                vm: vm.clone(),
            });
        }
        back
    }

    /// The name of the node of a VM, and its State.
    pub(super) fn node_of(&self, vm: &VmId, cx: &Context<'_, '_>) -> Option<(String, VmState)> {
        let view = self.roots.vm_of(cx.tree.tree(), vm)?;
        Some((view.name().to_owned(), view.state()))
    }

    /// Tells that a machine cannot be told or used: once in each run, and the server once.
    fn unreachable(&mut self, node: &str, vm: &VmId, reason: String, cx: &mut Context<'_, '_>) {
        if self.book.write().unreachable.insert(vm.clone()) {
            self.book.tell(Event::Unreachable {
                node: node.to_owned(),
                vm: vm.clone(),
                reason,
            });
        }
        if let Some(alert_type) = &self.policy.unreachable_alert_type
            && self.book.write().warn(vm, &mut cx.effects.batch)
            && let Some(view) = self.vm(node, cx)
        {
            let state = view.state();
            let alert = self.vm_alert(alert_type, node, state, Mark::Warning);
            cx.effects.alerts.push(alert);
        }
    }

    /// Tells a server the State of a VM that is so without its doing.
    pub(super) fn alert_state(
        &self,
        node: &str,
        state: VmState,
        mark: Mark,
        cx: &mut Context<'_, '_>,
    ) {
        if let Some(alert_type) = &self.policy.state_alert_type {
            let alert = self.vm_alert(alert_type, node, state, mark);
            cx.effects.alerts.push(alert);
        }
    }

    fn vm_alert(&self, alert_type: &str, node: &str, state: VmState, mark: Mark) -> GenericAlert {
        let mut alert = GenericAlert::new(alert_type, Format::Int);
        alert.source = Some(self.roots.vm_node(node, VmNode::State).to_string());
        alert.mark = Some(mark);
        alert.data = state.value().to_string();
        alert
    }
}

/// What was found, with the vendor pairs that are known where none were found: a back end may tell
/// nothing but the four resources of the specification.
fn with_vendor_pairs(found: ResourceConfig, known: &ResourceConfig) -> ResourceConfig {
    if !found.vendor().is_empty() {
        return found;
    }
    let mut config = known.clone();
    config.ram = found.ram;
    config.storage = found.storage;
    config.cpu = found.cpu;
    config.network = found.network;
    config
}

pub(super) fn observed(end: JobEnd) -> Result<Observed, Failure> {
    let observed = output::<Result<Observed, HypervisorError>>(end);
    observed.and_then(|observed| observed.map_err(Failure::from))
}

/// What each machine of ours is; `None` for one that is in no state of the specification.
fn states(listed: Vec<Listed>) -> SortedMap<VmId, Option<VmState>> {
    let owned = listed
        .into_iter()
        .filter_map(|listed| match listed.machine {
            Machine::Owned(vm) => Some((vm, listed.observed.state.vm_state())),
            Machine::Foreign(_) => None,
        });
    owned.collect()
}
