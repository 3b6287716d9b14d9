//! A state and those after it.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use omadm_testkit::explore::State;
use virmo_state::VmState;

use super::{Rig, Step, Told, WANTED, World, Wrong, leaf};
use crate::{bench::Fault, device::Disk};

/// A state: the way to it from the last start of the process, and what was on the disk then.
#[derive(Clone)]
pub(super) struct Life {
    world: World,
    disk: Arc<Disk>,
    told: Arc<Told>,
    since: Vec<Step>,
    troubles: u8,
    /// What can happen, crashes and faults aside.
    steps: Vec<Step>,
    key: u128,
}

impl Life {
    /// Where exploring begins: with the image, and every VM in the same state; or with nothing.
    pub(super) fn first(world: World, state: Option<VmState>) -> Self {
        let mut told = Told::default();
        let mut device = Rig::new(world, Disk::default(), Told::default()).device;
        device.restart();
        if state.is_some() {
            device.deliver("a");
            told.ids.insert(device.get("./VMImgMO/a/ImgID").unwrap());
        }
        for vm in world.vms {
            let Some(state) = state else { continue };
            device.add_vm(vm, "a", "");
            told.ids.insert(device.get(&leaf(vm, "VMID")).unwrap());
            device.bring(vm, state);
            if world.resources {
                device.add_leaf(&leaf(vm, "Resources/NewConfig"), WANTED);
            }
        }
        for vm in world.vms {
            told.vms.insert(vm, [device.state(vm)].into());
            told.locks.insert(vm, [false].into());
        }
        for image in world.images {
            let state = device.get(&format!("./VMImgMO/{image}/State"));
            told.images.insert(image, [state].into());
        }
        let mut rig = Rig::new(world, device.disk(), told);
        rig.told.alerts = (rig.alerts().len(), rig.alerts().len());
        let mut life = Self {
            world,
            disk: Arc::default(),
            told: Arc::default(),
            since: Vec::new(),
            troubles: world.troubles,
            steps: Vec::new(),
            key: 0,
        }
        .after(rig, None, 0);
        // It starts, and does what a start brings with it.
        while let Some(step) = life.due() {
            life = life.take(&step, 0).0.expect("a good start");
        }
        life
    }

    /// What a device does by itself, the oldest first.
    fn due(&self) -> Option<Step> {
        let own = |step: &&Step| matches!(step, Step::Start | Step::Work(0) | Step::Report(0));
        self.steps.iter().find(own).cloned()
    }

    /// The device as it is now.
    fn rig(&self) -> Rig {
        let told = Told::clone(&self.told);
        let mut rig = Rig::new(self.world, Disk::clone(&self.disk), told);
        for step in &self.since {
            rig.perform(step).expect("it went well before");
        }
        rig
    }

    /// The state of a device after a step from here.
    fn after(&self, rig: Rig, step: Option<Step>, cost: u8) -> Self {
        let mut after = self.clone();
        after.troubles -= cost;
        if rig.is_up {
            after.since.extend(step);
        } else {
            after.since.clear();
            after.disk = Arc::new(rig.device.disk());
            after.told = Arc::new(rig.told.clone());
        }
        after.steps = rig.steps(after.troubles);
        after.key = rig.key(after.troubles);
        after
    }

    /// Takes a step, and counts what can go wrong in it.
    fn take(&self, step: &Step, cost: u8) -> (Result<Self, Wrong>, Calls) {
        let mut rig = self.rig();
        let commits = |rig: &Rig| rig.device.journal.batches.lock().unwrap().len();
        let before = (rig.device.bench.calls(), commits(&rig));
        if !matches!(step, Step::KillIn(..)) {
            rig.device.trip.arm(u32::MAX);
        }
        let result = caught(|| rig.perform(step));
        let ticks = rig.device.trip.left().map_or(0, |left| u32::MAX - left);
        rig.device.trip.disarm();
        let calls = Calls {
            all: ticks,
            hypervisor: rig.device.bench.calls() - before.0,
            commits: commits(&rig) - before.1,
        };
        let after = result.map(|()| self.after(rig, Some(step.clone()), cost));
        (after, calls)
    }
}

/// The calls of a step.
struct Calls {
    /// Any of which could be the last.
    all: u32,
    hypervisor: usize,
    commits: usize,
}

impl State for Life {
    type Step = Step;

    fn key(&self) -> u128 {
        self.key
    }

    /// What is in memory is durable; and if all goes well from here all is in order in the end, if the
    /// process goes on and if it ends and starts again.
    fn check(&self) -> Result<(), Wrong> {
        let mut rig = self.rig();
        let mut next = Rig::new(self.world, rig.device.disk(), rig.told.clone());
        caught(|| rig.is_durable()?.go_on())?;
        caught(|| next.recover()).map_err(|wrong| format!("after a restart: {wrong}"))
    }

    fn next(&self) -> Vec<(Step, Result<Self, Wrong>)> {
        let mut next = Vec::new();
        for step in &self.steps {
            let wrong = matches!(
                step,
                Step::TimeOut(_) | Step::Lose(_) | Step::End(_) | Step::Kill
            );
            let (after, calls) = self.take(step, wrong.into());
            next.push((step.clone(), after));
            let cost = 1 + u8::from(wrong);
            if self.troubles < cost {
                continue;
            }
            let whole = || Box::new(step.clone());
            let mut troubled = Vec::new();
            troubled.extend((0..calls.commits).map(|commit| Step::Full(whole(), commit)));
            if !wrong {
                troubled.extend((0..calls.all).map(|call| Step::KillIn(whole(), call)));
            }
            if let Step::Work(at) = step {
                for call in 0..calls.hypervisor {
                    let faults = [Fault::Nothing, Fault::Half, Fault::All];
                    troubled.extend(faults.map(|fault| Step::WorkWith(*at, call, fault)));
                }
            }
            for step in troubled {
                let (after, _) = self.take(&step, cost);
                next.push((step, after));
            }
        }
        next
    }
}

/// What a broken assertion says is wrong too.
fn caught(work: impl FnOnce() -> Result<(), Wrong>) -> Result<(), Wrong> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let payload: &dyn Any = &*payload;
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| {
            payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
        });
        Err(text.unwrap_or_else(|| "a panic".to_owned()))
    })
}
