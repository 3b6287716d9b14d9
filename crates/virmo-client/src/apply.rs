use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use virmo_hypervisor::{HypervisorError, HypervisorErrorKind};
use virmo_params::ResourceConfig;

use crate::{
    drive::Failure,
    intent::{ApplyIntent, ResourceChange},
    machines::Machines,
};

/// Brings one change of resources over many machines to its end, whole or not at all; what a job
/// runs.
pub(crate) struct Applier {
    pub(crate) machines: Arc<Machines>,
    /// Thrown when the job was given up: its failure is reported.
    pub(crate) given_up: Arc<AtomicBool>,
}

/// How a change of resources ended on the machines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Applied {
    /// Every machine has what was wanted.
    All,
    /// Every machine has what it had before.
    Nothing,
    /// Not every machine could be brought back to what it had before.
    Owed,
}

impl Applier {
    /// Makes the change of an intent everywhere; if that fails anywhere, or its failure was
    /// reported before, takes it back everywhere. What an earlier change still owes comes first.
    /// Given up while others are at the machines, it owes what was owed before; a `fresh` one was
    /// never worked on.
    pub(crate) fn run(&self, intent: &ApplyIntent, fresh: bool) -> (Applied, Option<Failure>) {
        let vms = intent.owed.iter().chain(&intent.changes);
        let vms = vms.map(|change| &change.vm);
        let Some(_held) = self.machines.hold_unless(&self.given_up, vms) else {
            let untouched = fresh && intent.owed.is_empty();
            let applied = if untouched {
                Applied::Nothing
            } else {
                Applied::Owed
            };
            return (applied, Some(Failure::no_answer()));
        };
        if let Err(failure) = self.undo(&intent.owed) {
            return (Applied::Owed, Some(failure));
        }
        let failure = if intent.failed {
            None
        } else {
            match self.apply(&intent.changes) {
                Ok(()) => return (Applied::All, None),
                Err(failure) => Some(failure),
            }
        };
        match self.undo(&intent.changes) {
            Ok(()) => (Applied::Nothing, failure),
            Err(later) => (Applied::Owed, Some(failure.unwrap_or(later))),
        }
    }

    fn apply(&self, changes: &[ResourceChange]) -> Result<(), Failure> {
        let hypervisor = &self.machines.hypervisor;
        // Where one machine gives what another takes, the giving comes first.
        for change in changes {
            let common = smaller(&change.before, &change.want);
            self.go_on()?;
            hypervisor.prepare(&change.vm, &common)?;
        }
        for change in changes {
            self.go_on()?;
            hypervisor.prepare(&change.vm, &change.want)?;
        }
        for change in changes {
            self.go_on()?;
            hypervisor.commit(&change.vm, &change.want)?;
        }
        Ok(())
    }

    /// Tries every machine, whatever becomes of one; one that is gone owes nothing.
    fn undo(&self, changes: &[ResourceChange]) -> Result<(), Failure> {
        let gone = |error: &HypervisorError| *error.kind() == HypervisorErrorKind::NotFound;
        let hypervisor = &self.machines.hypervisor;
        let mut result = Ok(());
        for change in changes.iter().rev() {
            match hypervisor.undo(&change.vm, &change.before) {
                Err(error) if !gone(&error) => result = result.and(Err(error.into())),
                _ => {}
            }
        }
        result
    }

    fn go_on(&self) -> Result<(), Failure> {
        if self.given_up.load(Ordering::SeqCst) {
            Err(Failure::no_answer())
        } else {
            Ok(())
        }
    }
}

/// The smaller of each resource; vendor pairs as they are wanted.
fn smaller(before: &ResourceConfig, want: &ResourceConfig) -> ResourceConfig {
    let mut common = want.clone();
    common.ram = common.ram.min(before.ram);
    common.storage = common.storage.min(before.storage);
    common.cpu = common.cpu.min(before.cpu);
    common.network = common.network.min(before.network);
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_configurations_have_in_common_is_the_smaller_of_each() {
        let before = "RAM=1&Storage=20&CPU=3&Network=40".parse().unwrap();
        let want = "RAM=10&Storage=2&CPU=30&Network=4&x=1".parse().unwrap();
        assert_eq!(
            smaller(&before, &want).to_string(),
            "RAM=1&Storage=2&CPU=3&Network=4&x=1"
        );
    }
}
