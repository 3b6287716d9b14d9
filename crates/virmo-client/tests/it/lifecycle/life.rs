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

    /// Takes a step, with the number of calls that could be its last, and of those to the hypervisor.
    fn take(&self, step: &Step, cost: u8) -> (Result<Self, Wrong>, u32, usize) {
        let mut rig = self.rig();
        let calls = rig.device.bench.calls();
        if !matches!(step, Step::KillIn(..)) {
            rig.device.trip.arm(u32::MAX);
        }
        let result = caught(|| rig.perform(step));
        let ticks = rig.device.trip.left().map_or(0, |left| u32::MAX - left);
        rig.device.trip.disarm();
        let calls = rig.device.bench.calls() - calls;
        let after = result.map(|()| self.after(rig, Some(step.clone()), cost));
        (after, ticks, calls)
    }
}

impl State for Life {
    type Step = Step;

    fn key(&self) -> u128 {
        self.key
    }

    /// The process ends here and starts again: all is in order then.
    fn check(&self) -> Result<(), Wrong> {
        let mut rig = self.rig();
        caught(|| rig.recover())
    }

    fn next(&self) -> Vec<(Step, Result<Self, Wrong>)> {
        let mut next = Vec::new();
        for step in &self.steps {
            let wrong = matches!(
                step,
                Step::TimeOut(_) | Step::Lose(_) | Step::End(_) | Step::Kill
            );
            let (after, ticks, calls) = self.take(step, wrong.into());
            next.push((step.clone(), after));
            if wrong || self.troubles == 0 {
                continue;
            }
            let mut troubled = Vec::new();
            troubled.extend((0..ticks).map(|tick| Step::KillIn(Box::new(step.clone()), tick)));
            if let Step::Work(at) = step {
                for call in 0..calls {
                    let faults = [Fault::Nothing, Fault::Half, Fault::All];
                    troubled.extend(faults.map(|fault| Step::WorkWith(*at, call, fault)));
                }
            }
            for step in troubled {
                let (after, ..) = self.take(&step, 1);
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
