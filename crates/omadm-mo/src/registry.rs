use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Range,
};

use omadm_core::{Now, StatusCode};
use omadm_tree::{Principal, Transaction, Uri};

use crate::{
    Context, Effects, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId, Layout, ManagementObject,
    MountError, Refusal,
};

/// The management objects of a device, and the one place that drives their hooks.
///
/// What the objects describe is the [`Layout`]; it is apart from the objects, so that a hook can
/// use it while its object is borrowed.
///
/// Whoever holds the transaction calls, per transaction:
/// 1. [`stage`](Self::stage) after each command that changed nodes, then
///    [`validate`](Self::validate) once; or [`exec`](Self::exec), [`accepted`](Self::accepted) or
///    [`completed`](Self::completed).
/// 2. [`committed`](Self::committed) after the commit, or [`rolled_back`](Self::rolled_back) if
///    any of these refused, or the transaction came to nothing otherwise.
///
/// A change reaches the object that owns the node, that is, whose mount is nearest above it. What a
/// hook changes reaches the other objects in turn, on behalf of the device, through at most
/// [`MAX_GENERATIONS`](Self::MAX_GENERATIONS) hooks.
#[derive(Default)]
pub struct Registry {
    layout: Layout,
    objects: Vec<Box<dyn ManagementObject>>,
    /// The object of each mount of the layout.
    owners: Vec<usize>,
    /// The object that asked for a job.
    jobs: BTreeMap<JobId, usize>,
    open: Open,
}

/// What the hooks did in the open transaction.
#[derive(Default)]
struct Open {
    /// How many of the changes were shown to their owners.
    shown: usize,
    /// The changes hooks made, in order.
    made: Vec<Made>,
    /// The objects a hook of which was called.
    involved: BTreeSet<usize>,
    /// The jobs asked for.
    jobs: Vec<JobId>,
}

/// Changes made by one call of a hook.
struct Made {
    changes: Range<usize>,
    by: usize,
    /// How many hooks led to them.
    generation: u32,
}

impl Registry {
    /// How many hooks in a row may change nodes because of each other.
    pub const MAX_GENERATIONS: u32 = 8;

    /// No objects.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Mounts an object.
    ///
    /// # Errors
    /// A [`MountError`]; nothing is mounted then.
    pub fn mount(&mut self, object: Box<dyn ManagementObject>) -> Result<(), MountError> {
        let mut layout = self.layout.clone();
        for mount in object.mounts() {
            layout.mount(mount)?;
        }
        self.owners
            .resize(layout.mounts().len(), self.objects.len());
        self.layout = layout;
        self.objects.push(object);
        Ok(())
    }

    /// What the mounted definitions say of the tree.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Creates the nodes that are always there and missing, then starts every object, in the order
    /// they were mounted. `committed` or `rolled_back` follows.
    ///
    /// # Errors
    /// A [`Refusal`]; the device cannot work then.
    pub fn start(
        &mut self,
        tree: &mut Transaction<'_>,
        effects: &mut Effects,
        now: Now,
    ) -> Result<(), Refusal> {
        self.complete(tree)?;
        self.open.shown = tree.changes().len();
        for object in 0..self.objects.len() {
            self.hook(object, 0, tree, effects, now, |object, cx| object.start(cx))?;
        }
        self.stage(&Principal::Device, tree, effects, now)
    }

    /// Shows the changes that were made since the last call to the objects that own the nodes.
    ///
    /// # Errors
    /// A [`Refusal`]; the transaction has to be rolled back.
    pub fn stage(
        &mut self,
        by: &Principal,
        tree: &mut Transaction<'_>,
        effects: &mut Effects,
        now: Now,
    ) -> Result<(), Refusal> {
        while let Some(change) = tree.changes().get(self.open.shown).cloned() {
            let made = self.open.made_by_hook(self.open.shown);
            let (maker, generation) =
                made.map_or((None, 0), |made| (Some(made.by), made.generation));
            self.open.shown += 1;
            let Some(owner) = self
                .owner(&change.uri)
                .filter(|owner| maker != Some(*owner))
            else {
                continue;
            };
            if generation == Self::MAX_GENERATIONS {
                return Err(Refusal(StatusCode::COMMAND_FAILED));
            }
            let by = if maker.is_some() {
                &Principal::Device
            } else {
                by
            };
            self.hook(owner, generation, tree, effects, now, |object, cx| {
                object.stage(&change, by, cx)
            })?;
        }
        Ok(())
    }

    /// Asks every object that takes part whether the result of all changes will do.
    ///
    /// # Errors
    /// A [`Refusal`]; the transaction has to be rolled back.
    pub fn validate(
        &mut self,
        tree: &mut Transaction<'_>,
        effects: &mut Effects,
        now: Now,
    ) -> Result<(), Refusal> {
        let involved = self.open.involved.clone();
        self.verdict(&involved, tree, effects, now)
    }

    /// Has the owner of a node execute it; 405 if nobody owns it.
    ///
    /// # Errors
    /// A [`Refusal`] of another object that did not agree with a change made on the way; the
    /// transaction has to be rolled back.
    pub fn exec(
        &mut self,
        request: &ExecRequest<'_>,
        tree: &mut Transaction<'_>,
        effects: &mut Effects,
        now: Now,
    ) -> Result<ExecAnswer, Refusal> {
        self.stage(request.by, tree, effects, now)?;
        let Some(owner) = self.owner(request.uri) else {
            return Ok(StatusCode::COMMAND_NOT_ALLOWED.into());
        };
        let answer = self.hook(owner, 0, tree, effects, now, |object, cx| {
            object.exec(request, cx)
        });
        self.settle(owner, tree, effects, now)?;
        Ok(answer)
    }

    /// Tells the object that asked for a job that 202 is about to be sent.
    ///
    /// # Errors
    /// As for [`exec`](Self::exec).
    pub fn accepted(
        &mut self,
        job: JobId,
        tree: &mut Transaction<'_>,
        effects: &mut Effects,
        now: Now,
    ) -> Result<(), Refusal> {
        let Some(owner) = self.jobs.get(&job).copied() else {
            return Ok(());
        };
        self.hook(owner, 0, tree, effects, now, |object, cx| {
            object.accepted(job, cx);
        });
        self.settle(owner, tree, effects, now)
    }

    /// Hands the end of a job to the object that asked for it; `None` if no object did.
    ///
    /// # Errors
    /// As for [`exec`](Self::exec).
    pub fn completed(
        &mut self,
        job: JobId,
        end: JobEnd,
        tree: &mut Transaction<'_>,
        effects: &mut Effects,
        now: Now,
    ) -> Result<Option<ExecResult>, Refusal> {
        let Some(owner) = self.jobs.get(&job).copied() else {
            return Ok(None);
        };
        if !matches!(end, JobEnd::TimedOut) {
            self.jobs.remove(&job);
        }
        let result = self.hook(owner, 0, tree, effects, now, |object, cx| {
            object.completed(job, end, cx)
        });
        self.settle(owner, tree, effects, now)?;
        Ok(Some(result))
    }

    /// The transaction is durable: tells every object that took part.
    pub fn committed(&mut self) {
        let open = std::mem::take(&mut self.open);
        self.each(&open.involved, |object| object.committed());
    }

    /// The transaction did not happen: tells every object that took part, and forgets the jobs.
    pub fn rolled_back(&mut self) {
        let open = std::mem::take(&mut self.open);
        for job in open.jobs {
            self.jobs.remove(&job);
        }
        self.each(&open.involved, |object| object.rolled_back());
    }

    fn each(&mut self, which: &BTreeSet<usize>, call: impl Fn(&mut dyn ManagementObject)) {
        for (index, object) in self.objects.iter_mut().enumerate() {
            if which.contains(&index) {
                call(object.as_mut());
            }
        }
    }

    /// Has the other objects agree with what an object changed on its own account.
    fn settle(
        &mut self,
        object: usize,
        tree: &mut Transaction<'_>,
        effects: &mut Effects,
        now: Now,
    ) -> Result<(), Refusal> {
        self.stage(&Principal::Device, tree, effects, now)?;
        let mut others = self.open.involved.clone();
        others.remove(&object);
        self.verdict(&others, tree, effects, now)
    }

    fn verdict(
        &mut self,
        objects: &BTreeSet<usize>,
        tree: &mut Transaction<'_>,
        effects: &mut Effects,
        now: Now,
    ) -> Result<(), Refusal> {
        objects.iter().try_for_each(|object| {
            self.hook(*object, 0, tree, effects, now, |object, cx| {
                object.validate(cx)
            })
        })
    }

    /// The object with the nearest mount above a node.
    fn owner(&self, uri: &Uri) -> Option<usize> {
        let (mount, _) = self.layout.nearest(uri)?;
        self.owners.get(mount).copied()
    }

    /// Creates the roots, and the required children that any interior node lacks.
    fn complete(&self, tree: &mut Transaction<'_>) -> Result<(), Refusal> {
        let layout = &self.layout;
        let mut pending: Vec<Uri> = layout
            .mounts()
            .iter()
            .map(|mount| mount.root.clone())
            .collect();
        while let Some(uri) = pending.pop() {
            tree.add_interior(layout, &uri)?;
            let Some(node) = tree.node(&uri) else {
                continue;
            };
            let described = |uri: &Uri| layout.row(uri).is_some();
            pending.extend(
                node.children()
                    .filter(|child| child.is_interior())
                    .map(|child| child.uri())
                    .filter(described),
            );
        }
        Ok(())
    }

    /// Calls a hook, and notes what it changed and which jobs it asked for.
    fn hook<R>(
        &mut self,
        index: usize,
        generation: u32,
        tree: &mut Transaction<'_>,
        effects: &mut Effects,
        now: Now,
        call: impl FnOnce(&mut dyn ManagementObject, &mut Context<'_, '_>) -> R,
    ) -> R {
        #[expect(
            clippy::indexing_slicing,
            reason = "owners and jobs hold indexes of objects"
        )]
        let object = self.objects[index].as_mut();
        let (changes, jobs) = (tree.changes().len(), effects.jobs.len());
        let mut cx = Context {
            now,
            tree: &mut *tree,
            schema: &self.layout,
            effects: &mut *effects,
        };
        let result = call(object, &mut cx);
        self.open.involved.insert(index);
        let changes = changes..tree.changes().len();
        if !changes.is_empty() {
            self.open.made.push(Made {
                changes,
                by: index,
                generation: generation + 1,
            });
        }
        for job in effects.jobs.iter().skip(jobs) {
            self.jobs.insert(job.id, index);
            self.open.jobs.push(job.id);
        }
        result
    }
}

impl Open {
    /// The hook that made a change; none if a command did.
    fn made_by_hook(&self, change: usize) -> Option<&Made> {
        let after = self
            .made
            .partition_point(|made| made.changes.start <= change);
        let before = self.made.get(..after)?;
        before.last().filter(|made| made.changes.contains(&change))
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("layout", &self.layout)
            .field("jobs", &self.jobs)
            .finish_non_exhaustive()
    }
}
