use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

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

    /// Waits until nobody works on any of these machines. Whoever holds some asks for no others.
    pub(crate) fn hold<'v>(&self, vms: impl IntoIterator<Item = &'v VmId>) -> Held<'_> {
        let vms: SortedSet<VmId> = vms.into_iter().cloned().collect();
        let mut held = self.lock();
        while vms.iter().any(|vm| held.contains(vm)) {
            let woken = self.freed.wait(held);
            held = woken.unwrap_or_else(PoisonError::into_inner);
        }
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

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.machines.lock().retain(|vm| !self.vms.contains(vm));
        self.machines.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use virmo_simulator::Simulator;

    use super::*;

    #[test]
    fn who_works_on_a_machine_keeps_others_from_it_and_from_no_other_machine() {
        let folder = tempfile::tempdir().unwrap();
        let machines = Machines::new(Arc::new(Simulator::open(folder.path()).unwrap()));
        let [a, b, c]: [VmId; 3] = ["a", "b", "c"].map(|id| id.parse().unwrap());
        let held = machines.hold([&a, &b, &a]);
        drop(machines.hold([&c]));
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            for vms in [vec![&b], vec![&c, &a]] {
                let (machines, tell) = (&machines, tell.clone());
                scope.spawn(move || {
                    let _held = machines.hold(vms);
                    tell.send(()).unwrap();
                });
            }
            drop(machines.hold([&c]));
            assert!(told.try_recv().is_err());
            drop(held);
            assert_eq!((told.recv(), told.recv()), (Ok(()), Ok(())));
        });
        assert!(machines.lock().is_empty());
    }
}
