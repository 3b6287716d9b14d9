use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use omadm_core::SortedSet;
use virmo_hypervisor::Hypervisor;
use virmo_state::VmId;

/// The hypervisor, and which machines are being worked on: one call at a time changes a machine.
///
/// The lane of a VM sees to that for all but what works on many machines and what users do. A
/// hypervisor may refuse what comes while another call is under way, and what takes a change back
/// is not to be refused.
pub(crate) struct Machines {
    pub(crate) hypervisor: Arc<dyn Hypervisor>,
    held: Mutex<SortedSet<VmId>>,
    freed: Condvar,
}

/// Machines nobody else works on until it is dropped.
pub(crate) struct Held<'a> {
    machines: &'a Machines,
    vms: SortedSet<VmId>,
}

impl Machines {
    pub(crate) fn new(hypervisor: Arc<dyn Hypervisor>) -> Arc<Self> {
        Arc::new(Self {
            hypervisor,
            held: Mutex::default(),
            freed: Condvar::new(),
        })
    }

    /// Waits until nobody works on this machine, as long as that takes: for what keeps nobody from
    /// other machines meanwhile. Whoever holds some asks for no others.
    pub(crate) fn hold(&self, vm: &VmId) -> Held<'_> {
        let vms = SortedSet::from_iter([vm.clone()]);
        let held = self.freed.wait_while(self.lock(), |held| any(held, &vms));
        self.held(held.unwrap_or_else(PoisonError::into_inner), vms)
    }

    /// Waits until nobody works on any of these machines; `None` if somebody still does once the flag
    /// is thrown, by [`give_up`](Self::give_up).
    pub(crate) fn hold_unless<'v>(
        &self,
        given_up: &AtomicBool,
        vms: impl IntoIterator<Item = &'v VmId>,
    ) -> Option<Held<'_>> {
        let vms = vms.into_iter().cloned().collect();
        let is_given_up = || given_up.load(Ordering::SeqCst);
        let wait = |held: &mut _| !is_given_up() && any(held, &vms);
        let held = self.freed.wait_while(self.lock(), wait);
        let held = held.unwrap_or_else(PoisonError::into_inner);
        (!any(&held, &vms)).then(|| self.held(held, vms))
    }

    /// Waits until nobody works on this machine; `None` if that takes longer.
    pub(crate) fn hold_within(&self, patience: Duration, vm: &VmId) -> Option<Held<'_>> {
        let vms = SortedSet::from_iter([vm.clone()]);
        let wait = |held: &mut _| any(held, &vms);
        let held = self.freed.wait_timeout_while(self.lock(), patience, wait);
        let (held, waited) = held.unwrap_or_else(PoisonError::into_inner);
        (!waited.timed_out()).then(|| self.held(held, vms))
    }

    /// Throws the flag of a job.
    pub(crate) fn give_up(&self, flag: &AtomicBool) {
        {
            // Whoever looked at the flag waits by now.
            let _held = self.lock();
            flag.store(true, Ordering::SeqCst);
        }
        self.freed.notify_all();
    }

    fn held(&self, mut held: MutexGuard<'_, SortedSet<VmId>>, vms: SortedSet<VmId>) -> Held<'_> {
        held.extend(vms.iter().cloned());
        Held {
            machines: self,
            vms,
        }
    }

    fn lock(&self) -> MutexGuard<'_, SortedSet<VmId>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn any(held: &SortedSet<VmId>, vms: &SortedSet<VmId>) -> bool {
    vms.iter().any(|vm| held.contains(vm))
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.machines.lock().retain(|vm| !self.vms.contains(vm));
        self.machines.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use virmo_simulator::Simulator;

    use super::*;

    fn on_machines(test: impl FnOnce(&Machines, [VmId; 3])) {
        let folder = tempfile::tempdir().unwrap();
        let machines = Machines::new(Arc::new(Simulator::open(folder.path()).unwrap()));
        test(&machines, ["a", "b", "c"].map(|id| id.parse().unwrap()));
        assert!(machines.lock().is_empty());
    }

    #[test]
    fn who_works_on_a_machine_keeps_others_from_it_and_from_no_other_machine() {
        on_machines(|machines, [a, b, c]| {
            let never = &AtomicBool::new(false);
            let held = machines.hold_unless(never, [&a, &b, &a]).unwrap();
            drop(machines.hold(&c));
            assert!(machines.hold_within(Duration::ZERO, &a).is_none());
            assert!(machines.hold_within(Duration::ZERO, &c).is_some());
            let (begun, freed) = (&Barrier::new(4), &AtomicBool::new(false));
            let (a, b, c) = (&a, &b, &c);
            thread::scope(|scope| {
                let is_free = |held: Option<Held<'_>>| {
                    assert!(held.is_some() && freed.load(Ordering::SeqCst));
                };
                scope.spawn(move || {
                    begun.wait();
                    is_free(Some(machines.hold(b)));
                });
                scope.spawn(move || {
                    begun.wait();
                    is_free(machines.hold_unless(never, [c, a]));
                });
                scope.spawn(move || {
                    begun.wait();
                    is_free(machines.hold_within(Duration::MAX, a));
                });
                begun.wait();
                freed.store(true, Ordering::SeqCst);
                drop(held);
            });
        });
    }

    #[test]
    fn who_is_given_up_waits_no_longer_and_holds_nothing() {
        on_machines(|machines, [a, b, _]| {
            let given_up = &AtomicBool::new(false);
            let held = machines.hold(&a);
            let both = [&a, &b];
            thread::scope(|scope| {
                let waits = scope.spawn(move || machines.hold_unless(given_up, both).is_none());
                machines.give_up(given_up);
                assert!(waits.join().unwrap());
            });
            assert!(machines.hold_within(Duration::ZERO, &b).is_some());
            assert!(machines.hold_unless(given_up, [&a]).is_none());
            drop(held);
            // What is free can be brought back to what it was.
            assert!(machines.hold_unless(given_up, [&a]).is_some());
        });
    }
}
