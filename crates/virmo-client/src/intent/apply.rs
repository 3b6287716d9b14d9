use omadm_core::{Batch, Space};
use virmo_params::ResourceConfig;
use virmo_state::VmId;

use super::{APPLY, Reply, VERSION};
use crate::record::{Reader, Writer};

/// A change of resources under way, over all VMs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ApplyIntent {
    pub(crate) changes: Vec<ResourceChange>,
    /// An earlier change that still has to be taken back first.
    pub(crate) owed: Vec<ResourceChange>,
    /// Whether its failure was reported; then nothing but taking it back is left.
    pub(crate) failed: bool,
    pub(crate) reply: Reply,
}

/// What one VM has and is to have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ResourceChange {
    pub(crate) vm: VmId,
    /// The name of the node `<x>`.
    pub(crate) node: String,
    pub(crate) before: ResourceConfig,
    pub(crate) want: ResourceConfig,
}

impl ApplyIntent {
    pub(crate) fn save(&self, batch: &mut Batch) {
        let writer = Writer::new(VERSION).byte(self.failed.into());
        let mut writer = self.reply.write(writer);
        for changes in [&self.changes, &self.owed] {
            writer = writer.number(changes.len() as u64);
            for change in changes {
                writer = writer
                    .text(change.vm.as_str())
                    .text(&change.node)
                    .text(&change.before.to_string())
                    .text(&change.want.to_string());
            }
        }
        batch.put(Space::INTENTS, APPLY, writer.finish());
    }

    pub(crate) fn forget(batch: &mut Batch) {
        batch.remove(Space::INTENTS, APPLY);
    }

    pub(super) fn decode(record: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(VERSION, record)?;
        let failed = reader.flag()?;
        let reply = Reply::read(&mut reader)?;
        let changes = ResourceChange::read_list(&mut reader)?;
        let owed = ResourceChange::read_list(&mut reader)?;
        reader.end(Self {
            changes,
            owed,
            failed,
            reply,
        })
    }
}

impl ResourceChange {
    fn read_list(reader: &mut Reader<'_>) -> Option<Vec<Self>> {
        let count = reader.number()?;
        (0..count)
            .map(|_| {
                Some(Self {
                    vm: reader.text()?.parse().ok()?,
                    node: reader.text()?.to_owned(),
                    before: reader.text()?.parse().ok()?,
                    want: reader.text()?.parse().ok()?,
                })
            })
            .collect()
    }
}
