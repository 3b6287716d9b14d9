//! What can happen, and what it does.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use omadm_core::StatusCode;
use omadm_mo::{JobEnd, JobId, Reporting};
use omadm_testkit::explore::digest;
use virmo_hypervisor::MachineState;
use virmo_state::VmState;

use super::{Asked, OPERATIONS, Rig, Step, Wrong, is_told_ready, leaf};
use crate::{
    bench::{Fault, MEDIA_TYPE, surviving},
    device::{Answer, IMAGE},
    sequences::primitive,
};

/// The lane of the job that asks which machines there are.
const LIST: &str = "machines";

impl Rig {
    /// What can happen now; crashes aside.
    pub(super) fn steps(&self, troubles: u8) -> Vec<Step> {
        if !self.is_up {
            return vec![Step::Start];
        }
        let mut steps = Vec::new();
        for vm in self.world.vms {
            match self.vm(vm) {
                None if self.world.nodes => {
                    steps.extend([true, false].map(|running| Step::AddVm(vm, running)));
                }
                None => {}
                Some(state) => {
                    let running = self.told.running.get(vm).copied().unwrap_or(true);
                    let may = |it: &&str| state.after(primitive(it, running)).is_ok();
                    let mut operations = OPERATIONS.to_vec();
                    operations.retain(|it| self.world.primitives && may(it));
                    let operations = operations.into_iter();
                    steps.extend(operations.map(|operation| Step::Exec(vm, operation)));
                    if self.world.nodes && state == VmState::NotCreated {
                        steps.push(Step::DeleteNode(vm));
                    }
                    if self.world.locks && state.is_created() {
                        steps.extend([true, false].map(|locked| Step::Lock(vm, locked)));
                    }
                }
            }
            let runs = |vm: &str| self.device.machine(vm) == MachineState::Running;
            if troubles > 0 && self.vm(vm).is_some() && runs(vm) {
                steps.push(Step::End(vm));
            }
        }
        for image in self.world.images {
            match self.image(image) {
                None => steps.push(Step::AddImage(image)),
                Some(_) => steps.extend([Step::Download(image), Step::DeleteImage(image)]),
            }
        }
        if self.world.resources {
            steps.push(Step::Apply);
        }
        for (at, flight) in self.flights.0.iter().enumerate() {
            let older = self.flights.0.iter().take(at);
            let is_first = older
                .filter(|older| older.lane == flight.lane)
                .all(|older| older.work.is_none());
            if flight.work.is_some() && is_first {
                steps.push(Step::Work(at));
            }
            if flight.output.is_some() {
                steps.push(Step::Report(at));
            }
            if self.waiting.contains(&flight.id) {
                steps.push(Step::Accept(at));
            }
            if troubles > 0 && !flight.timed_out {
                steps.push(Step::TimeOut(at));
                if flight.work.is_some() {
                    steps.push(Step::Lose(at));
                }
            }
        }
        if self.device.watch.is_some() && !self.told.ended.is_empty() {
            steps.push(Step::Look);
        }
        if self.device.is_due {
            steps.push(Step::Resume);
        }
        if !self.alerts().is_empty() {
            steps.push(Step::Acknowledge);
        }
        if troubles > 0 {
            steps.push(Step::Kill);
        }
        steps
    }

    /// The Exec behind a job was answered, by its Status or by an alert.
    pub(super) fn answered(&mut self, job: JobId, status: StatusCode) -> Result<(), Wrong> {
        let (is_told, is_kept) = (self.waiting.remove(&job), self.device.is_kept);
        match self.asked.remove(&job) {
            None => {}
            // The alert comes when the journal takes it.
            _ if !is_told && !is_kept => {}
            Some(Asked::Vm {
                vm,
                from,
                to,
                operation,
                unkept,
            }) => {
                let gone = |state| (state != VmState::Deleted).then_some(state);
                let no_return = matches!(operation, "Resume" | "PowerOff" | "Delete");
                let mut may = BTreeSet::from([gone(match status.is_success() {
                    true => to,
                    false => from,
                })]);
                if !status.is_success() {
                    // What came before it may have been past its point of no return.
                    may.extend(unkept);
                    let found_out = Some(VmState::NotCreated);
                    let told = self.told.vms.get(vm);
                    may.extend(told.and_then(|told| told.get(&found_out)).copied());
                    if no_return {
                        may.insert(gone(to));
                    }
                }
                if self.told.ended.contains(vm) {
                    may.insert(Some(VmState::PoweredOff));
                }
                if !is_kept {
                    self.told.unkept.vms.insert(vm, may.clone());
                    may.insert(gone(to));
                }
                self.told.vms.insert(vm, may);
            }
            Some(Asked::Lock(vm, locked)) if status.is_success() => {
                self.told.locks.insert(vm, [locked].into());
            }
            Some(Asked::Lock(..)) => {}
            Some(Asked::Download(image)) if status.is_success() => {
                let state = self.image(image);
                claim!(state.as_deref() == Some("2"), "delivered, but not");
                self.told.images.insert(image, [state].into());
            }
            Some(Asked::Download(_)) => {}
            Some(Asked::Apply) => {
                self.told.changed = Some(status.is_success());
                self.told.unkept.change = !is_kept;
            }
        }
        Ok(())
    }

    pub(super) fn perform(&mut self, step: &Step) -> Result<(), Wrong> {
        match step {
            Step::AddVm(vm, running) => {
                self.told.running.insert(vm, *running);
                self.told
                    .vms
                    .insert(vm, [None, Some(VmState::NotCreated)].into());
                match self.device.add(&format!("./VirMO/{vm}")) {
                    StatusCode::OK => {}
                    // Nobody knows which identifiers are taken.
                    StatusCode::COMMAND_FAILED if self.is_blind && !self.has_counted => {
                        self.told.vms.insert(vm, [None].into());
                        return Ok(());
                    }
                    StatusCode::COMMAND_FAILED if !self.device.is_kept => {
                        self.told.vms.insert(vm, [None].into());
                        return Ok(());
                    }
                    status => return Err(format!("no {vm}: {status}")),
                }
                self.told.vms.insert(vm, [Some(VmState::NotCreated)].into());
                let id = self.device.get(&leaf(vm, "VMID")).unwrap();
                claim!(self.told.ids.insert(id.clone()), "{id} is given out twice");
                if let Some(image) = self.device.get("./VMImgMO/a/ImgID") {
                    self.device.add_leaf(
                        &leaf(vm, "CreateParams"),
                        &format!("ImgID={image}&Running={running}"),
                    );
                }
            }
            Step::DeleteNode(vm) => {
                let before = self.told.vms.get(vm).cloned().unwrap_or_default();
                self.told.vms.entry(vm).or_default().insert(None);
                match self.device.delete(&format!("./VirMO/{vm}")) {
                    StatusCode::OK => _ = self.told.vms.insert(vm, [None].into()),
                    _ => _ = self.told.vms.insert(vm, before),
                }
            }
            Step::Exec(vm, operation) => self.exec(vm, operation),
            Step::Lock(vm, locked) => {
                let before = self.told.locks.get(vm).cloned().unwrap_or_default();
                self.told.locks.entry(vm).or_default().insert(*locked);
                let operation = if *locked { "Lock" } else { "Unlock" };
                let node = leaf(vm, &format!("Operations/{operation}"));
                match self.device.begin(&node, None) {
                    Answer::Pending(job, _) => {
                        self.asked.insert(job, Asked::Lock(vm, *locked));
                        self.waiting.insert(job);
                    }
                    Answer::Done(_) => _ = self.told.locks.insert(vm, before),
                }
            }
            Step::AddImage(image) => {
                let base = format!("./VMImgMO/{image}");
                let there = Some("0".to_owned());
                self.told.images.insert(image, [None, there.clone()].into());
                match self.device.add(&base) {
                    StatusCode::OK => {}
                    StatusCode::COMMAND_FAILED if !self.device.is_kept => {
                        self.told.images.insert(image, [None].into());
                        return Ok(());
                    }
                    status => return Err(format!("no {base}: {status}")),
                }
                self.told.images.insert(image, [there].into());
                let id = self.device.get(&format!("{base}/ImgID")).unwrap();
                claim!(self.told.ids.insert(id.clone()), "{id} is given out twice");
                self.device.add_leaf(&format!("{base}/DownloadURI"), IMAGE);
                self.device
                    .add_leaf(&format!("{base}/MediaType"), MEDIA_TYPE);
            }
            Step::Download(image) => {
                let before = (self.told.images.clone(), self.told.alerts);
                let ends = ["2", "3"].map(|state| Some(state.to_owned()));
                self.told.images.entry(image).or_default().extend(ends);
                self.told.alerts.1 += 1;
                let node = format!("./VMImgMO/{image}/Operations/Download");
                match self.device.begin(&node, None) {
                    Answer::Pending(job, Reporting::Asynchronous) => {
                        self.told.alerts.0 += 1;
                        self.told.heard.remove(image);
                        self.asked.insert(job, Asked::Download(image));
                    }
                    Answer::Pending(..) => return Err("a download is answered late".to_owned()),
                    Answer::Done(_) => (self.told.images, self.told.alerts) = before,
                }
            }
            Step::DeleteImage(image) => {
                let before = self.told.images.get(image).cloned().unwrap_or_default();
                self.told.images.entry(image).or_default().insert(None);
                match self.device.delete(&format!("./VMImgMO/{image}")) {
                    StatusCode::OK => _ = self.told.images.insert(image, [None].into()),
                    _ => _ = self.told.images.insert(image, before),
                }
            }
            Step::Apply => {
                let before = (self.told.change.clone(), self.told.changed);
                self.told.changed = None;
                for vm in self.world.vms {
                    let read =
                        |name: &str| self.device.get(&leaf(vm, name)).filter(|it| !it.is_empty());
                    let wanted = read("Resources/NewConfig");
                    let created = self.vm(vm).is_some_and(VmState::is_created);
                    if let (Some(wanted), true) = (wanted, created) {
                        let current = read("Resources/CurrentConfig").unwrap();
                        let id = read("VMID").unwrap();
                        self.told.change.insert(vm, (id, current, wanted));
                    }
                }
                match self.device.begin("./VirMO/Operations/ApplyChanges", None) {
                    Answer::Pending(job, _) => {
                        self.asked.insert(job, Asked::Apply);
                        self.waiting.insert(job);
                    }
                    Answer::Done(_) => (self.told.change, self.told.changed) = before,
                }
            }
            Step::Work(at) => self.work(*at, None),
            Step::WorkWith(at, call, fault) => {
                self.is_unsure = self.world.locks;
                self.work(*at, Some((*call, *fault)));
            }
            Step::Report(at) => {
                let flight = self.flights.0.remove(*at);
                let output = flight.output.unwrap();
                self.is_blind &= flight.lane != LIST;
                let end = match flight.timed_out {
                    true => JobEnd::Late(output),
                    false => JobEnd::Finished(output),
                };
                let status = self.device.complete(flight.id, end);
                if !flight.timed_out {
                    self.answered(flight.id, status)?;
                }
            }
            Step::Accept(at) => {
                let job = self.flights.0[*at].id;
                self.told.alerts.1 += 1;
                match self.device.try_accept(job) {
                    Ok(()) => {
                        self.told.alerts.0 += 1;
                        self.waiting.remove(&job);
                    }
                    // The Exec goes on waiting.
                    Err(_) => self.told.alerts.1 -= 1,
                }
            }
            Step::TimeOut(at) => {
                self.is_unsure = self.world.locks;
                let flight = &mut self.flights.0[*at];
                flight.timed_out = true;
                self.is_blind |= flight.lane == LIST;
                let job = flight.id;
                self.device.complete(job, JobEnd::TimedOut);
                if !matches!(self.asked.get(&job), Some(Asked::Download(_))) {
                    self.answered(job, StatusCode::COMMAND_FAILED)?;
                } else {
                    // A download has as long as it takes.
                    self.flights.0[*at].timed_out = false;
                }
            }
            Step::Lose(at) => {
                self.is_unsure = self.world.locks;
                let flight = self.flights.0.remove(*at);
                self.is_blind |= flight.lane == LIST;
                self.device.complete(flight.id, JobEnd::Lost);
                self.answered(flight.id, StatusCode::COMMAND_FAILED)?;
            }
            Step::End(vm) => {
                let id = self.device.id(vm);
                self.device
                    .bench
                    .change(&id, MachineState::Off { crashed: true });
                self.told.ended.insert(vm);
                let off = Some(VmState::PoweredOff);
                self.told.vms.entry(vm).or_default().insert(off);
                if let Some(told) = self.told.unkept.vms.get_mut(vm) {
                    told.insert(off);
                }
            }
            Step::Look => self.device.look_only(),
            Step::Resume => self.device.resume(),
            Step::Acknowledge => self.acknowledge()?,
            Step::Start => {
                self.has_counted = self.told.ids.contains("vm-1");
                self.is_up = self.device.try_boot().is_ok();
                claim!(self.is_up || self.full.is_some(), "it does not start");
                if !self.is_up {
                    self.kill();
                }
            }
            Step::Kill => self.kill(),
            Step::Full(step, at) => {
                self.full = Some(*at);
                self.told.unkept.any = true;
                let commit = i64::try_from(*at).expect("few commits");
                self.device.journal.fail_in.store(commit, Ordering::SeqCst);
                let done = self.perform(step);
                let left = self.device.journal.fail_in.swap(-1, Ordering::SeqCst);
                self.full = None;
                claim!(done.is_err() || left < 0, "no commit {at} in {step:?}");
                return done;
            }
            Step::KillIn(step, at) => {
                self.device.trip.arm(*at);
                let done = surviving(|| self.perform(step));
                self.device.trip.disarm();
                claim!(done.is_none(), "no call {at} in {step:?}");
                self.kill();
            }
        }
        self.flights.board(&mut self.device);
        self.rest()
    }

    pub(super) fn exec(&mut self, vm: &'static str, operation: &'static str) {
        let from = self.vm(vm).expect("it is there");
        let running = self.told.running.get(vm).copied().unwrap_or(true);
        let to = from
            .after(primitive(operation, running))
            .expect("it applies");
        let before = self.told.vms.get(vm).cloned().unwrap_or_default();
        let gone = |state| (state != VmState::Deleted).then_some(state);
        self.told
            .vms
            .entry(vm)
            .or_default()
            .extend([gone(from), gone(to)]);
        if before.contains(&None) {
            // It was told that it is not deleted, or nothing, and the machine is gone all the same.
            let found_out = Some(VmState::NotCreated);
            self.told.vms.entry(vm).or_default().insert(found_out);
        }
        match self
            .device
            .begin(&leaf(vm, &format!("Operations/{operation}")), None)
        {
            Answer::Pending(job, _) => {
                let mut unkept = self.told.unkept.vms.remove(vm);
                // Where it is not settled yet, what came before may have been past its point of no return.
                if self.told.unkept.any || before.len() > 1 {
                    unkept = unkept.or(Some(before));
                }
                let asked = Asked::Vm {
                    vm,
                    from,
                    to,
                    operation,
                    unkept: unkept.unwrap_or_default(),
                };
                self.asked.insert(job, asked);
                self.waiting.insert(job);
            }
            Answer::Done(_) => _ = self.told.vms.insert(vm, before),
        }
    }

    /// The server has all alerts; what it has it is not told again.
    fn acknowledge(&mut self) -> Result<(), Wrong> {
        let (before, alerts) = ((self.told.alerts, self.told.heard.clone()), self.alerts());
        let (least, most) = before.0;
        claim!(
            alerts.len() <= most,
            "told {} alerts of {most}",
            alerts.len()
        );
        self.told.alerts.0 = least.saturating_sub(alerts.len());
        for image in self.world.images {
            if is_told_ready(image, &alerts) {
                self.told.heard.insert(image);
            }
        }
        match self.device.acknowledge() {
            true => self.told.alerts.1 -= alerts.len(),
            // They wait, and are told again.
            false => (self.told.alerts, self.told.heard) = before,
        }
        Ok(())
    }

    pub(super) fn work(&mut self, at: usize, wrong: Option<(usize, Fault)>) {
        let flight = &self.flights.0[at];
        // What comes back is not to be looked at, but it depends on nothing else.
        let from = digest(&format!("{:?}", self.device.bench.machines()));
        let how = format!("{wrong:?} {:?} {} {from}", self.full, flight.timed_out);
        self.done.insert(flight.id, how);
        if let Some((call, fault)) = wrong {
            self.device.bench.fault(call, fault);
        }
        self.flights.work(at);
        self.device.bench.no_faults();
    }
}
