//! Objects that come and go at run time.

use omadm_core::{Now, SortedSet, StatusCode};
use omadm_tree::{ChangeKind, Owner, Schema, Transaction, Uri};

use super::{ObjectId, Registry};
use crate::{Effects, ManagementObject, Refusal, object::Mounting};

/// An object asks for what it must not.
const MISUSE: Refusal = Refusal(StatusCode::COMMAND_FAILED);

impl Registry {
    /// Mounts and unmounts what the hooks asked for.
    pub(super) fn mount_asked(
        &mut self,
        tree: &mut Transaction<'_>,
        effects: &mut Effects,
        now: Now,
    ) -> Result<(), Refusal> {
        let mut leaving = SortedSet::new();
        while let Some((by, generation, asked)) = self.open.asked.pop_front() {
            if generation > Self::MAX_GENERATIONS {
                return Err(MISUSE);
            }
            match asked {
                Mounting::Mount(object) => {
                    self.unmount(std::mem::take(&mut leaving));
                    let id = self.mount_below(by, object)?;
                    self.settle_in(id, generation, tree)?;
                    let started = self.hook(id, generation, tree, effects, now, |object, cx| {
                        object.start(cx)
                    });
                    started.unwrap_or(Ok(()))?;
                }
                Mounting::Unmount(root) => {
                    let id = self.layout.at(&root).ok_or(MISUSE)?.object;
                    let its_own = self.objects.get(&id).and_then(|mounted| mounted.by) == Some(by);
                    // All in a row go at once.
                    if !its_own || !leaving.insert(id) {
                        return Err(MISUSE);
                    }
                }
            }
        }
        self.unmount(leaving);
        Ok(())
    }

    /// Unmounts the objects whose roots were deleted or moved in the open transaction.
    pub(super) fn unmount_gone(&mut self, tree: &Transaction<'_>) {
        let changes = tree.changes().iter().skip(self.open.looked_at);
        let gone = changes.filter_map(|change| match &change.kind {
            ChangeKind::Deleted { .. } => Some(&change.uri),
            ChangeKind::Renamed { from } => Some(from),
            _ => None,
        });
        let roots = gone.flat_map(|uri| self.layout.at_or_below(uri));
        let gone: SortedSet<ObjectId> = roots
            .map(|(_, held)| held.object)
            .filter(|id| self.is_gone(*id, tree))
            .collect();
        self.open.looked_at = tree.changes().len();
        self.unmount(gone);
    }

    /// Whether an object came at run time and has no root any more.
    fn is_gone(&self, id: ObjectId, tree: &Transaction<'_>) -> bool {
        let at_run_time = self.objects.get(&id).filter(|it| it.by.is_some());
        at_run_time.is_some_and(|it| {
            let roots = it.object.mounts().into_iter().map(|mount| mount.root);
            roots.into_iter().all(|root| tree.node(&root).is_none())
        })
    }

    /// Adds an object where its maker owns the place.
    fn mount_below(
        &mut self,
        by: ObjectId,
        object: Box<dyn ManagementObject>,
    ) -> Result<ObjectId, Refusal> {
        let mounts = object.mounts();
        if mounts
            .iter()
            .any(|mount| self.owner(&mount.root) != Some(by))
        {
            return Err(MISUSE);
        }
        let id = self.insert(object, Some(by)).map_err(|_| MISUSE)?;
        self.open.came.insert(id);
        Ok(id)
    }

    /// Checks what is already there in the place of a new object, and creates what it requires.
    fn settle_in(
        &mut self,
        id: ObjectId,
        generation: u32,
        tree: &mut Transaction<'_>,
    ) -> Result<(), Refusal> {
        let mounted = self.objects.get(&id).into_iter();
        let mounts = mounted.flat_map(|it| it.object.mounts());
        let roots: Vec<Uri> = mounts.map(|mount| mount.root).collect();
        self.note_written(tree);
        for root in &roots {
            let (written, _) = &self.open.written;
            let below = written.iter_from(root);
            for uri in below.take_while(|uri| uri.starts_with(root)) {
                self.check_written(uri, tree)?;
            }
        }
        let changes = tree.changes().len();
        self.complete(roots, tree)?;
        self.open
            .made(changes..tree.changes().len(), id, generation);
        Ok(())
    }

    /// Notes where others than hooks wrote since this was done the last time.
    fn note_written(&mut self, tree: &Transaction<'_>) {
        let (_, noted) = self.open.written;
        for (index, change) in tree.changes().iter().enumerate().skip(noted) {
            let is_deleted = matches!(change.kind, ChangeKind::Deleted { .. });
            if !is_deleted && self.open.made_by_hook(index).is_none() {
                self.open.written.0.insert(change.uri.clone());
            }
        }
        self.open.written.1 = tree.changes().len();
    }

    /// Whether a server could have written a node that now is described.
    fn check_written(&self, uri: &Uri, tree: &Transaction<'_>) -> Result<(), Refusal> {
        let Some(node) = tree.node(uri) else {
            return Ok(());
        };
        let rule = self.layout.rule(uri);
        let rule = rule.ok_or(Refusal(StatusCode::COMMAND_NOT_ALLOWED))?;
        if !node.is_interior() && rule.owner == Owner::Device {
            return Err(Refusal(StatusCode::COMMAND_NOT_ALLOWED));
        }
        let types = rule.media_types;
        let typed = match node.is_interior() {
            true => rule.node_type.is_none_or(|due| due == node.node_type()),
            false => types.is_empty() || types.iter().any(|due| due == node.node_type()),
        };
        match rule.formats.contains(node.format()) && typed {
            true => Ok(()),
            false => Err(Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT)),
        }
    }

    /// Takes objects away, and those they mounted.
    fn unmount(&mut self, ids: SortedSet<ObjectId>) {
        if ids.is_empty() {
            return;
        }
        let gone = &mut self.open.gone;
        gone.extend(ids);
        // Whoever mounted an object comes before it.
        for (id, mounted) in self.objects.iter() {
            if mounted.by.is_some_and(|by| gone.contains(&by)) {
                gone.insert(*id);
            }
        }
        self.layout.retain(|id| !gone.contains(&id));
    }
}
