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
        while let Some((by, generation, asked)) = self.open.asked.pop_front() {
            if generation > Self::MAX_GENERATIONS {
                return Err(MISUSE);
            }
            match asked {
                Mounting::Mount(object) => {
                    let id = self.mount_below(by, object)?;
                    self.settle_in(id, generation, tree)?;
                    let started = self.hook(id, generation, tree, effects, now, |object, cx| {
                        object.start(cx)
                    });
                    started.unwrap_or(Ok(()))?;
                }
                Mounting::Unmount(root) => {
                    let id = self.mounted_at(&root).ok_or(MISUSE)?;
                    if self.objects.get(&id).and_then(|mounted| mounted.by) != Some(by) {
                        return Err(MISUSE);
                    }
                    self.unmount(id);
                }
            }
        }
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
            .filter_map(|(_, mount)| self.owners.get(mount).copied())
            .filter(|id| self.is_gone(*id, tree))
            .collect();
        self.open.looked_at = tree.changes().len();
        for id in gone {
            self.unmount(id);
        }
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
        self.keep_before();
        for mount in mounts {
            self.layout.mount(mount).map_err(|_| MISUSE)?;
        }
        let id = self.insert(object, Some(by));
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
        for (index, change) in tree.changes().iter().enumerate() {
            let written = !matches!(change.kind, ChangeKind::Deleted { .. });
            let below = |root: &Uri| change.uri.starts_with(root);
            let by_server = || self.open.made_by_hook(index).is_none();
            if written && roots.iter().any(below) && by_server() {
                self.check_written(&change.uri, tree)?;
            }
        }
        let changes = tree.changes().len();
        self.complete(roots, tree)?;
        self.open
            .made(changes..tree.changes().len(), id, generation);
        Ok(())
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

    /// Takes an object away, and those it mounted.
    fn unmount(&mut self, id: ObjectId) {
        self.keep_before();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            let its_own = self.objects.iter().filter(|(_, it)| it.by == Some(id));
            open.extend(its_own.map(|(id, _)| *id));
            while let Some(index) = self.owners.iter().position(|owner| *owner == id) {
                self.owners.remove(index);
                self.layout.unmount(index);
            }
            if let Some(mounted) = self.objects.remove(&id) {
                self.open.gone.insert(id, mounted);
            }
        }
    }

    /// Keeps what is mounted, to be put back with the transaction.
    fn keep_before(&mut self) {
        if self.open.before.is_none() {
            self.open.before = Some((self.layout.clone(), self.owners.clone()));
        }
    }

    /// The object with a mount at exactly this root.
    fn mounted_at(&self, root: &Uri) -> Option<ObjectId> {
        let index = self.layout.mount_at(root)?;
        self.owners.get(index).copied()
    }
}
