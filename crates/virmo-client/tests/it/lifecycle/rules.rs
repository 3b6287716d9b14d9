//! What must hold.

use std::collections::BTreeSet;

use omadm_core::Space;
use virmo_state::VmState;

use super::{Rig, Step, Wrong, is_told_ready, leaf};

impl Rig {
    /// What is in memory is what the journal has.
    pub(super) fn is_durable(&mut self) -> Result<&mut Self, Wrong> {
        let (memory, disk) = (self.device.dump(), self.device.durable_dump());
        claim!(memory == disk, "in memory:\n{memory}on the disk:\n{disk}");
        Ok(self)
    }

    /// Where nothing is under way, everything is as it may be, and stays so.
    pub(super) fn rest(&mut self) -> Result<(), Wrong> {
        let open = self.device.journal.count(Space::INTENTS);
        if !self.is_up || !self.flights.0.is_empty() || open > 0 {
            return Ok(());
        }
        for vm in self.world.vms {
            let state = self.vm(vm);
            let may = self.told.vms.entry(vm).or_default();
            if let Some(told) = self.told.unkept.vms.remove(vm) {
                may.retain(|state| told.contains(state));
            }
            claim!(may.contains(&state), "{vm} is {state:?}, not of {may:?}");
            let machine = state.map(|_| self.device.machine(vm));
            let is_true = machine.is_none_or(|it| it.vm_state() == state);
            if is_true {
                *may = [state].into();
                self.told.ended.remove(vm);
            }
            self.is_locked_as_told(vm, state)?;
        }
        for image in self.world.images {
            let state = self.image(image);
            let may = self.told.images.entry(image).or_default();
            claim!(
                may.contains(&state),
                "image {image} is {state:?}, not of {may:?}"
            );
            *may = [state].into();
        }
        self.whole_or_not()?;
        self.told.change.clear();
        (self.told.changed, self.told.unkept.change) = (None, false);
        let (least, most) = self.told.alerts;
        let alerts = self.alerts().len();
        claim!(
            (least..=most).contains(&alerts),
            "{alerts} alerts, not {least} to {most}"
        );
        self.told.alerts = (alerts, alerts);
        Ok(())
    }

    /// The machine is locked as the server was told; where there is none, nothing is.
    fn is_locked_as_told(&mut self, vm: &'static str, state: Option<VmState>) -> Result<(), Wrong> {
        let may = self.told.locks.entry(vm).or_default();
        let locked = state.and_then(|_| self.device.bench.locked(&self.device.id(vm)));
        claim!(
            locked.is_none_or(|locked| may.contains(&locked)),
            "{vm} is locked: {locked:?}, not of {may:?}"
        );
        *may = [locked.unwrap_or(false)].into();
        Ok(())
    }

    pub(super) fn whole_or_not(&self) -> Result<(), Wrong> {
        let mut done = BTreeSet::new();
        for (vm, (id, before, wanted)) in &self.told.change {
            if self.device.get(&leaf(vm, "VMID")).as_ref() != Some(id) || before == wanted {
                continue;
            }
            let current = self.device.get(&leaf(vm, "Resources/CurrentConfig"));
            let current = current.unwrap_or_default();
            if !self.vm(vm).is_some_and(VmState::is_created) {
                continue;
            }
            claim!(
                current == *before || current == *wanted,
                "{vm} has {current}"
            );
            done.insert(current == *wanted);
        }
        claim!(done.len() < 2, "a change in part");
        let said = self.told.changed;
        claim!(
            said.is_none_or(|it| !done.contains(&!it)),
            "a change is not what was said: {said:?}"
        );
        Ok(())
    }

    /// The process goes on, and nothing goes wrong any more: all is in order in the end.
    pub(super) fn go_on(&mut self) -> Result<(), Wrong> {
        if !self.is_up {
            return Ok(());
        }
        // More than anything takes that comes to an end.
        for _ in 0..100 {
            let own = |it: &Step| matches!(it, Step::Work(_) | Step::Report(_) | Step::Resume);
            if let Some(step) = self.steps(0).into_iter().find(own) {
                self.perform(&step)?;
                continue;
            }
            claim!(self.device.watch.is_some(), "nobody watches");
            self.perform(&Step::Look)?;
            if self.flights.0.is_empty() && !self.device.is_due {
                return self.in_order();
            }
        }
        Err("it does not come to an end".to_owned())
    }

    /// The process ends here and starts again: all is in order then.
    pub(super) fn recover(&mut self) -> Result<(), Wrong> {
        self.kill();
        self.device.restart();
        self.is_up = true;
        self.in_order()
    }

    fn in_order(&mut self) -> Result<(), Wrong> {
        self.device.check();
        self.rest()?;
        let alerts = self.alerts();
        for image in self.world.images {
            let is_ready = self.image(image).as_deref() == Some("2");
            let is_told = self.told.heard.contains(image) || is_told_ready(image, &alerts);
            claim!(!is_ready || is_told, "nobody is told of image {image}");
        }
        for vm in self.world.vms {
            let said = self.device.get(&leaf(vm, "Ext/Locked"));
            let locked = said.is_some().then(|| self.device.id(vm));
            let locked = locked.map(|id| self.device.bench.locked(&id).unwrap_or(false));
            let is_seen = self.world.locks && !self.is_unsure;
            claim!(
                !is_seen || said == locked.map(|locked| locked.to_string()),
                "{vm} is said to be locked: {said:?}, and is: {locked:?}"
            );
        }
        Ok(())
    }
}
