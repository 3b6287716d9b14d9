mod mounting;

use std::{collections::VecDeque, fmt, ops::Range};

use omadm_core::{Now, SortedMap, SortedSet, StatusCode};
use omadm_tree::{Principal, Transaction, Uri};

use crate::{
    Context, Effects, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId, Layout, ManagementObject,
    MountError, Refusal, object::Mounting,
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
/// [`MAX_GENERATIONS`](Self::MAX_GENERATIONS) hooks. A transaction that is an Atomic, or a command
/// begun anew, is announced by [`begin`](Self::begin) first.
#[derive(Default)]
pub struct Registry {
    layout: Layout,
    objects: SortedMap<ObjectId, Mounted>,
    next_object: u64,
    /// The object that asked for a job.
    jobs: SortedMap<JobId, ObjectId>,
    open: Open,
}

/// Names an object for as long as the registry lives; in the order they were mounted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct ObjectId(pub(crate) u64);

/// An object with what is known of it.
struct Mounted {
    object: Box<dyn ManagementObject>,
    /// The object that mounted it at run time.
    by: Option<ObjectId>,
}

/// What the hooks did in the open transaction.
#[derive(Default)]
struct Open {
    atomic: bool,
    /// What came of the jobs the command was put off for.
    answers: Vec<(JobId, ExecResult)>,
    /// How many of the changes were shown to their owners.
    shown: usize,
    /// How many were looked at for roots that are gone.
    looked_at: usize,
    /// The changes hooks made, in order.
    made: Vec<Made>,
    /// The objects a hook of which was called.
    involved: SortedSet<ObjectId>,
    /// The jobs asked for.
    jobs: Vec<JobId>,
    /// What is still to be mounted and unmounted: by whom, after how many hooks.
    asked: VecDeque<(ObjectId, u32, Mounting)>,
    /// The objects that were mounted.
    came: SortedSet<ObjectId>,
    /// The objects that were unmounted; they are kept until the end, and no hook of theirs is called.
    gone: SortedSet<ObjectId>,
    /// Where others than hooks wrote, in the changes before this one: known once something is mounted.
    written: (SortedSet<Uri>, usize),
}

/// Changes made by one call of a hook.
struct Made {
    changes: Range<usize>,
    by: ObjectId,
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
        self.insert(object, None)?;
        Ok(())
    }

    /// Adds an object, with all its mounts or not at all.
    fn insert(
        &mut self,
        object: Box<dyn ManagementObject>,
        by: Option<ObjectId>,
    ) -> Result<ObjectId, MountError> {
        let id = ObjectId(self.next_object);
        self.next_object += 1;
        for mount in object.mounts() {
            if let Err(error) = self.layout.mount_for(id, mount) {
                self.layout.retain(|other| other != id);
                return Err(error);
            }
        }
        self.objects.insert(id, Mounted { object, by });
        Ok(id)
    }

    /// What the mounted definitions say of the tree.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Tells of the transaction that begins what is not to be seen in it: whether it is that of an
    /// Atomic, and what came of the jobs its command was put off for. Without it: no, and none.
    pub fn begin(&mut self, atomic: bool, answers: Vec<(JobId, ExecResult)>) {
        self.open.atomic = atomic;
        self.open.answers = answers;
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
        let roots = self.layout.mounts().map(|mount| mount.root.clone());
        self.complete(roots.collect(), tree)?;
        self.open.shown = tree.changes().len();
        self.open.written.1 = self.open.shown;
        let objects: Vec<ObjectId> = self.objects.keys().copied().collect();
        for object in objects {
            self.hook(object, 0, tree, effects, now, |object, cx| object.start(cx))
                .unwrap_or(Ok(()))?;
            self.mount_asked(tree, effects, now)?;
        }
        self.stage(&Principal::Device, tree, effects, now)
    }

    /// Shows the changes that were made since the last call to the objects that own the nodes.
    ///
    /// # Errors
    /// A [`Refusal`]; the transaction has to be rolled back. With a job from
    /// [`Effects::take_put_off`] the command is put off, if the engine can do that: see
    /// [`put_off`](Self::put_off).
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
            let staged = self.hook(owner, generation, tree, effects, now, |object, cx| {
                object.stage(&change, by, cx)
            });
            may_go_on(effects)?;
            staged.unwrap_or(Ok(()))?;
            self.mount_asked(tree, effects, now)?;
        }
        self.unmount_gone(tree);
        Ok(())
    }

    /// Asks every object that takes part whether the result of all changes will do.
    ///
    /// # Errors
    /// As for [`stage`](Self::stage).
    pub fn validate(
        &mut self,
        tree: &mut Transaction<'_>,
        effects: &mut Effects,
        now: Now,
    ) -> Result<(), Refusal> {
        self.verdict(None, tree, effects, now)
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
        Ok(answer.unwrap_or_else(|| StatusCode::COMMAND_NOT_ALLOWED.into()))
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

    /// The objects that own a place, in the order they were mounted: the root of the first mount of
    /// each.
    #[must_use]
    pub fn objects(&self) -> Vec<Uri> {
        let objects = self.objects.values();
        let first = objects.filter_map(|it| it.object.mounts().into_iter().next());
        first.map(|mount| mount.root).collect()
    }

    /// Lets the object that owns a node take up what the journal could not keep. What one object
    /// cannot take up is not to keep another from it: each has a transaction of its own.
    ///
    /// # Errors
    /// As for [`exec`](Self::exec).
    pub fn resume(
        &mut self,
        uri: &Uri,
        tree: &mut Transaction<'_>,
        effects: &mut Effects,
        now: Now,
    ) -> Result<(), Refusal> {
        let Some(owner) = self.owner(uri) else {
            return Ok(());
        };
        self.hook(owner, 0, tree, effects, now, |object, cx| object.resume(cx));
        self.settle(owner, tree, effects, now)
    }

    /// Tells the object that put a command off for a job that the command is not begun anew.
    ///
    /// # Errors
    /// As for [`exec`](Self::exec).
    pub fn given_up(
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
            object.given_up(job, cx);
        });
        self.settle(owner, tree, effects, now)
    }

    /// Hands the end of a job to the object that asked for it; `None` if no object did, or if it is
    /// mounted no more.
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
        Ok(result)
    }

    /// The transaction is durable: tells every object that took part.
    pub fn committed(&mut self) {
        let mut open = std::mem::take(&mut self.open);
        self.each(&open.involved, |object| object.committed());
        if !open.gone.is_empty() {
            self.jobs.retain(|_, owner| !open.gone.contains(owner));
            self.objects.retain(|id, _| !open.gone.contains(id));
        }
        // The room is kept for the next.
        open.involved.clear();
        self.open.involved = open.involved;
    }

    /// The transaction did not happen: tells every object that took part, and forgets the jobs and
    /// what was mounted.
    pub fn rolled_back(&mut self) {
        let open = std::mem::take(&mut self.open);
        for job in open.jobs {
            self.jobs.remove(&job);
        }
        if !open.came.is_empty() {
            self.layout.retain(|id| !open.came.contains(&id));
            self.objects.retain(|id, _| !open.came.contains(id));
        }
        for id in &open.gone {
            let mounted = self.objects.get(id).into_iter();
            for mount in mounted.flat_map(|it| it.object.mounts()) {
                self.layout.put(*id, mount);
            }
        }
        self.each(&open.involved, |object| object.rolled_back());
    }

    /// In place of [`rolled_back`](Self::rolled_back): the command is taken back and put off for
    /// this job of [`Effects::take_put_off`], whose end goes to [`completed`](Self::completed) or
    /// [`given_up`](Self::given_up).
    pub fn put_off(&mut self, job: JobId) {
        let owner = self.jobs.get(&job).copied();
        self.rolled_back();
        if let Some(owner) = owner.filter(|owner| self.objects.contains_key(owner)) {
            self.jobs.insert(job, owner);
        }
    }

    fn each(&mut self, which: &SortedSet<ObjectId>, call: impl Fn(&mut dyn ManagementObject)) {
        for id in which {
            if let Some(mounted) = self.objects.get_mut(id) {
                call(mounted.object.as_mut());
            }
        }
    }

    /// Has the other objects agree with what an object changed on its own account.
    fn settle(
        &mut self,
        object: ObjectId,
        tree: &mut Transaction<'_>,
        effects: &mut Effects,
        now: Now,
    ) -> Result<(), Refusal> {
        self.mount_asked(tree, effects, now)?;
        self.stage(&Principal::Device, tree, effects, now)?;
        self.verdict(Some(object), tree, effects, now)
    }

    /// What the objects that take part say, but for one.
    fn verdict(
        &mut self,
        except: Option<ObjectId>,
        tree: &mut Transaction<'_>,
        effects: &mut Effects,
        now: Now,
    ) -> Result<(), Refusal> {
        // Those that are asked take part already: there come no others.
        for place in 0..self.open.involved.len() {
            let Some(object) = self.open.involved.iter().nth(place).copied() else {
                break;
            };
            if Some(object) == except {
                continue;
            }
            let valid = self.hook(object, 0, tree, effects, now, |object, cx| {
                object.validate(cx)
            });
            may_go_on(effects)?;
            valid.unwrap_or(Ok(()))?;
        }
        Ok(())
    }

    /// The object with the nearest mount above a node.
    fn owner(&self, uri: &Uri) -> Option<ObjectId> {
        let (held, _) = self.layout.nearest(uri)?;
        Some(held.object)
    }

    /// Creates these roots, and the required children that any interior node below lacks.
    fn complete(&self, mut pending: Vec<Uri>, tree: &mut Transaction<'_>) -> Result<(), Refusal> {
        let layout = &self.layout;
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

    /// Calls a hook, and notes what it changed, what it wants mounted and which jobs it asked for;
    /// `None` if the object is mounted no more.
    fn hook<R>(
        &mut self,
        id: ObjectId,
        generation: u32,
        tree: &mut Transaction<'_>,
        effects: &mut Effects,
        now: Now,
        call: impl FnOnce(&mut dyn ManagementObject, &mut Context<'_, '_>) -> R,
    ) -> Option<R> {
        if self.open.gone.contains(&id) {
            return None;
        }
        let mounted = self.objects.get_mut(&id)?;
        let (changes, jobs) = (tree.changes().len(), effects.jobs.len());
        let mut cx = Context {
            now,
            tree: &mut *tree,
            schema: &self.layout,
            effects: &mut *effects,
            atomic: self.open.atomic,
            answers: &self.open.answers,
        };
        let result = call(mounted.object.as_mut(), &mut cx);
        self.open.involved.insert(id);
        self.open
            .made(changes..tree.changes().len(), id, generation + 1);
        if !effects.mounting.is_empty() {
            let asked = effects.mounting.drain(..);
            let asked = asked.map(|mounting| (id, generation + 1, mounting));
            self.open.asked.extend(asked);
        }
        let new = effects.jobs.iter().skip(jobs).map(|job| job.id);
        for job in new.chain(effects.is_put_off()) {
            self.jobs.insert(job, id);
            self.open.jobs.push(job);
        }
        Some(result)
    }
}

/// An engine that puts no command off answers 406.
fn may_go_on(effects: &Effects) -> Result<(), Refusal> {
    match effects.is_put_off() {
        Some(_) => Err(Refusal(StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED)),
        None => Ok(()),
    }
}

impl Open {
    /// Notes changes that were made by one call of a hook.
    fn made(&mut self, changes: Range<usize>, by: ObjectId, generation: u32) {
        if !changes.is_empty() {
            self.made.push(Made {
                changes,
                by,
                generation,
            });
        }
    }

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
