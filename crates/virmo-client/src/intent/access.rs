use omadm_core::{Batch, Space};
use virmo_state::{AccessOperation, VmId};

use super::{ACCESS, Reply, VERSION};
use crate::record::{Reader, Writer};

/// A change of who gets at a VM that was answered with 202. One that was not is cut by a crash as
/// its session is, and does no harm when it is asked for again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct AccessIntent {
    pub(crate) vm: VmId,
    pub(crate) operation: AccessOperation,
    pub(crate) reply: Reply,
}

impl AccessIntent {
    pub(crate) fn save(&self, batch: &mut Batch) {
        let writer = Writer::new(VERSION).byte(number(self.operation));
        let key = [ACCESS, self.vm.as_str()].concat();
        batch.put(Space::INTENTS, key, self.reply.write(writer).finish());
    }

    pub(crate) fn forget(batch: &mut Batch, vm: &VmId) {
        batch.remove(Space::INTENTS, [ACCESS, vm.as_str()].concat());
    }

    pub(super) fn decode(vm: &str, record: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(VERSION, record)?;
        let asked = reader.byte()?;
        let mut all = AccessOperation::ALL.into_iter();
        let intent = Self {
            vm: vm.parse().ok()?,
            operation: all.find(|operation| number(*operation) == asked)?,
            reply: Reply::read(&mut reader)?,
        };
        reader.end(intent)
    }
}

/// The number of an operation in a record; never changes its meaning.
const fn number(operation: AccessOperation) -> u8 {
    match operation {
        AccessOperation::Lock => 0,
        AccessOperation::Unlock => 1,
        AccessOperation::AllowSharing => 2,
        AccessOperation::ProhibitSharing => 3,
    }
}
