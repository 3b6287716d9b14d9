use omadm_core::{Batch, Space};
use virmo_state::VmId;

use super::{GUEST, QUESTION, Reply, VERSION};
use crate::record::{Reader, Writer};

/// A question to the user of a VM that is open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct QuestionIntent {
    pub(crate) vm: VmId,
    /// The name of the node `<x>`.
    pub(crate) node: String,
    pub(crate) reply: Reply,
}

/// An Exec in the guest of a VM that is open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct GuestIntent {
    pub(crate) vm: VmId,
    /// The address of what is executed, as the server knows it.
    pub(crate) uri: String,
    pub(crate) reply: Reply,
}

impl QuestionIntent {
    pub(crate) fn save(&self, batch: &mut Batch) {
        let record = self.reply.write(Writer::new(VERSION).text(&self.node));
        batch.put(
            Space::INTENTS,
            [QUESTION, self.vm.as_str()].concat(),
            record.finish(),
        );
    }

    pub(crate) fn forget(batch: &mut Batch, vm: &VmId) {
        batch.remove(Space::INTENTS, [QUESTION, vm.as_str()].concat());
    }

    pub(super) fn decode(vm: &str, record: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(VERSION, record)?;
        let intent = Self {
            vm: vm.parse().ok()?,
            node: reader.text()?.to_owned(),
            reply: Reply::read(&mut reader)?,
        };
        reader.end(intent)
    }
}

impl GuestIntent {
    pub(crate) fn save(&self, batch: &mut Batch) {
        let record = self.reply.write(Writer::new(VERSION).text(&self.uri));
        let key = [GUEST, self.vm.as_str()].concat();
        batch.put(Space::INTENTS, key, record.finish());
    }

    pub(crate) fn forget(batch: &mut Batch, vm: &VmId) {
        batch.remove(Space::INTENTS, [GUEST, vm.as_str()].concat());
    }

    pub(super) fn decode(vm: &str, record: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(VERSION, record)?;
        let intent = Self {
            vm: vm.parse().ok()?,
            uri: reader.text()?.to_owned(),
            reply: Reply::read(&mut reader)?,
        };
        reader.end(intent)
    }
}
