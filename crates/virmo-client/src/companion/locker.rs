use std::{sync::Arc, time::Duration};

use omadm_objects::{Failure, LawmoOperation, LockState, Locker, ResultCode, WipeItem, Wiped};
use omadm_tree::Value;
use virmo_state::VmId;

use super::{Companion, Trouble};
use crate::machines::Machines;

/// The lock of a machine and the data in its disk: the hypervisor keeps its user out, or else its
/// guest does; only the guest can wipe. [LAWMO]
pub(crate) struct VmLocker {
    pub(crate) machines: Arc<Machines>,
    pub(crate) vm: VmId,
    /// How long to wait for the machine.
    pub(crate) patience: Duration,
    pub(crate) guest: Companion,
}

impl VmLocker {
    /// Marks in the guest what is to be wiped, and nothing else; whether that is anything.
    fn mark(&self, items: &[String]) -> Result<bool, Trouble> {
        let offered = self
            .guest
            .children(self.guest.at(&["AvailableWipeList"])?)?;
        let mark = |name: &String| {
            let leaf = self.guest.at(&["AvailableWipeList", name, "ToBeWiped"])?;
            Ok((leaf, Value::bool(items.contains(name))))
        };
        let marks: Result<Vec<_>, Trouble> = offered.iter().map(mark).collect();
        self.guest.give(marks?)?;
        Ok(offered.iter().any(|name| items.contains(name)))
    }

    fn exec(&self, operation: LawmoOperation) -> Result<(), Failure> {
        let uri = self.guest.at(&["Operations", operation.name()]);
        let done = uri.and_then(|uri| self.guest.exec(uri));
        match done.map_err(failure)? {
            true => Ok(()),
            // What comes later nobody would hear of.
            false => Err(Failure::Failed),
        }
    }
}

/// Fully and partially locked are the same to a machine: nothing of its user's gets in.
impl Locker for VmLocker {
    fn can_lock(&self) -> bool {
        self.machines.hypervisor.input_lock().is_some() || self.guest.link.is_available()
    }

    fn lock(&self, state: LockState, _: bool) -> Result<(), Failure> {
        if let Some(input_lock) = self.machines.hypervisor.input_lock() {
            let held = self.machines.hold_within(self.patience, &self.vm);
            let _held = held.ok_or(Failure::Failed)?;
            let locked = input_lock.set_locked(&self.vm, state != LockState::Unlocked);
            return locked.map(drop).map_err(|_| Failure::Failed);
        }
        self.exec(match state {
            LockState::FullyLocked => LawmoOperation::FullyLock,
            LockState::PartiallyLocked => LawmoOperation::PartiallyLock,
            LockState::Unlocked => LawmoOperation::UnLock,
        })
    }

    fn keeps_list(&self) -> bool {
        false
    }

    /// The guest tells what is in it, whenever that changes.
    fn wipe_list(&self) -> Vec<WipeItem> {
        Vec::new()
    }

    fn wipe(&self, items: &[String], _: bool) -> Result<Wiped, Failure> {
        match self.mark(items).map_err(failure)? {
            true => self.exec(LawmoOperation::Wipe).map(|()| Wiped::Data),
            false => Ok(Wiped::Nothing),
        }
    }

    fn factory_reset(&self, _: bool) -> Result<(), Failure> {
        self.exec(LawmoOperation::FactoryReset)
    }
}

const fn failure(trouble: Trouble) -> Failure {
    match trouble {
        Trouble::Code(ResultCode::USER_CANCELLED) => Failure::Cancelled,
        Trouble::NotOffered | Trouble::Unreachable => Failure::Client,
        Trouble::Code(_) | Trouble::Refused | Trouble::Silent => Failure::Failed,
    }
}
