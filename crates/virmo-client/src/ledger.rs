use std::{
    fmt, mem,
    sync::{Arc, atomic::AtomicBool},
};

use omadm_core::{
    Batch, Journal, JournalError, JournalErrorKind, Records, SortedMap, SortedSet, Space,
    UserInteraction,
};
use omadm_download::Cancel;
use omadm_mo::JobId;
use omadm_tree::Uri;
use virmo_params::ImageId;
use virmo_state::{AccessOperation, VmId};

use crate::{
    Event, Observer,
    features::{DM_TREE, DRAFT, UI},
    intent::{
        self, AccessIntent, ApplyIntent, GuestIntent, ImageIntent, ImageWork, Making,
        QuestionIntent, VmIntent,
    },
    machines::Machines,
    record::{Reader, Writer},
};

/// What the client knows beside the tree: what is under way, and which identifiers come next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// VMs with work under way or a primitive that still has to be undone.
    pub(crate) vms: SortedMap<VmId, VmTask>,
    /// Images with work under way: a download, or the removal of the files of one that is gone.
    pub(crate) images: SortedMap<ImageId, ImageTask>,
    /// Images whose job ended, and has to be done again: its end could not be kept, or files could
    /// not be removed.
    pub(crate) left_images: SortedMap<ImageId, ImageIntent>,
    /// A change of resources under way, or one that still has to be taken back.
    pub(crate) apply: Option<ApplyTask>,
    /// Questions that are over, whose result could not be kept.
    pub(crate) left_questions: SortedMap<VmId, QuestionIntent>,
    /// VMs whose user is being asked.
    pub(crate) questions: SortedMap<VmId, QuestionTask>,
    /// VMs whose machine is being looked at, by a job that holds nothing: what it finds counts
    /// unless something else began on the VM meanwhile.
    pub(crate) looks: SortedMap<VmId, JobId>,
    /// VMs whose machine could not be told or used when it was looked at last.
    pub(crate) unreachable: SortedSet<VmId>,
    /// VMs whose server was warned of that, in this run or an earlier one.
    pub(crate) warned: SortedSet<VmId>,
    /// The same of images.
    warned_images: SortedSet<ImageId>,
    /// Machines that no node stands for and that were told in this run.
    pub(crate) strangers: SortedSet<VmId>,
    /// VMs whose machine is to be asked who gets at it, with what was promised about that and not kept:
    /// by an earlier run, until the machine is observed, or for want of the journal.
    pub(crate) cut: SortedMap<VmId, Option<AccessIntent>>,
    /// The job that waits for the next look at all machines.
    pub(crate) watch: Option<JobId>,
    /// VMs whose guest is executing something.
    pub(crate) guests: SortedMap<VmId, GuestTask>,
    /// Execs in guests whose end could not be kept.
    pub(crate) left_guests: SortedMap<VmId, GuestIntent>,
    /// Jobs that ask guests for their news.
    pub(crate) heard: SortedMap<VmId, JobId>,
    /// Below DMTree, where nobody knows whether the guest is as the tree has it.
    pub(crate) doubts: SortedMap<VmId, SortedSet<Uri>>,
    /// VMs whose guest was told not to be heard.
    pub(crate) silent: SortedSet<VmId>,
    /// What each job is about.
    pub(crate) jobs: SortedMap<JobId, Subject>,
    /// The VMs whose user may unlock them, by node.
    pub(crate) users: SortedMap<String, VmId>,
    /// Whether the journal says how far identifiers of VMs were counted.
    has_counted: bool,
    /// Whether the hypervisor does not say which machines there are.
    is_blind: bool,
    next_vm: u64,
    next_image: u64,
    run: u64,
}

/// What is under way on a VM.
#[derive(Clone, Debug, Default)]
pub(crate) struct VmTask {
    /// The job that holds the VM; others are refused meanwhile.
    pub(crate) job: Option<JobId>,
    pub(crate) intent: Option<VmIntent>,
    /// Who is to get at it, if that is what the job is about.
    pub(crate) access: Option<AccessTask>,
    /// Whether the job undoes what was reported as failed.
    pub(crate) settling: bool,
    /// Whether the last run of the client left the intent.
    pub(crate) recovering: bool,
    /// Whether it was tried before, and told to have failed.
    pub(crate) again: bool,
    /// Tells the job that it was given up.
    pub(crate) given_up: Arc<AtomicBool>,
}

/// A look at who gets at a VM, maybe after a change.
#[derive(Clone, Debug)]
pub(crate) struct AccessTask {
    /// The name of the node `<x>`.
    pub(crate) node: String,
    pub(crate) operation: Option<AccessOperation>,
    pub(crate) reply: intent::Reply,
}

/// A change of resources.
#[derive(Clone, Debug)]
pub(crate) struct ApplyTask {
    /// The job that holds every VM.
    pub(crate) job: Option<JobId>,
    /// Whether the job takes back what was reported as failed.
    pub(crate) settling: bool,
    /// Whether the last run of the client left the intent.
    pub(crate) recovering: bool,
    /// Whether it was tried before, and told to have failed.
    pub(crate) again: bool,
    /// Tells the job that it was given up.
    pub(crate) given_up: Arc<AtomicBool>,
    pub(crate) intent: ApplyIntent,
}

/// What is under way on an image.
#[derive(Clone, Debug)]
pub(crate) struct ImageTask {
    pub(crate) job: JobId,
    pub(crate) intent: ImageIntent,
    pub(crate) cancel: Cancel,
}

/// A question to the user of a VM.
#[derive(Clone)]
pub(crate) struct QuestionTask {
    pub(crate) job: JobId,
    pub(crate) intent: QuestionIntent,
    pub(crate) asked: UserInteraction,
    /// Takes the question back.
    pub(crate) over: Cancel,
    /// Whether its result is known, and nothing but the end of its job is waited for.
    pub(crate) concluded: bool,
}

/// What is asked is not shown: its default answer may be a password.
impl fmt::Debug for QuestionTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuestionTask")
            .field("job", &self.job)
            .field("intent", &self.intent)
            .field("concluded", &self.concluded)
            .finish_non_exhaustive()
    }
}

/// An Exec in a guest.
#[derive(Clone, Debug)]
pub(crate) struct GuestTask {
    pub(crate) job: JobId,
    pub(crate) intent: GuestIntent,
}

/// What a job is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Subject {
    /// Bringing the intent of a VM to its end.
    Vm(VmId),
    /// Finding out what the machine of a VM is.
    Observe(VmId),
    /// The same, while others may begin something on the VM.
    Look(VmId),
    /// Finding out what a machine is that no node names.
    Adopt(VmId),
    /// Waiting, and then looking which machines are not what they should be.
    Watch,
    /// Finding out who gets at the machine of a VM, maybe after a change.
    Access(VmId),
    /// Finding out which machines there are.
    Inventory,
    /// Bringing a change of resources to its end.
    Apply,
    Download(ImageId),
    Discard(ImageId),
    /// Asking the user of a VM.
    Question(VmId),
    /// Executing something in a guest.
    Guest(VmId),
    /// Asking a guest for its news.
    Listen(VmId),
}

/// What the ledger keeps: counters, warnings and doubts.
pub(crate) const RECORDS: [Records; 3] = [
    Records::new(Space::IDS, Ledger::VERSION).under("virmo/"),
    Records::new(WARNED, Ledger::VERSION),
    Records::new(DOUBTS, Ledger::VERSION),
];

impl Ledger {
    const VM_KEY: &str = "virmo/vm";
    const IMAGE_KEY: &str = "virmo/image";
    const RUN_KEY: &str = "virmo/run";
    const VERSION: u8 = 1;

    /// A ledger with the counters of a journal.
    pub(crate) fn load(journal: &dyn Journal) -> Result<Self, JournalError> {
        let counter = |key: &str| {
            let Some(record) = journal.read(Space::IDS, key.as_bytes())? else {
                return Ok(1);
            };
            // Starting again from 1 would give identifiers out twice.
            Reader::new(Self::VERSION, &record)
                .and_then(|mut reader| reader.number().and_then(|next| reader.end(next)))
                .ok_or_else(|| JournalError::new(JournalErrorKind::Corrupt, None))
        };
        let (mut warned, mut warned_images) = (SortedSet::new(), SortedSet::new());
        journal.scan(WARNED, &mut |key, _| {
            let Ok(key) = str::from_utf8(key) else { return };
            match key.strip_prefix(IMAGE_MARK) {
                Some(image) => warned_images.extend(image.parse().ok()),
                None => warned.extend(key.parse().ok()),
            }
        })?;
        let mut doubts = SortedMap::<VmId, SortedSet<Uri>>::new();
        if DM_TREE {
            journal.scan(DOUBTS, &mut |key, _| {
                let key = str::from_utf8(key).ok();
                if let Some((vm, place)) = key.and_then(|key| key.split_once(DOUBT_MARK))
                    && let (Ok(vm), Ok(place)) = (vm.parse(), place.parse())
                {
                    doubts
                        .get_or_insert_with(vm, Default::default)
                        .insert(place);
                }
            })?;
        }
        Ok(Self {
            warned,
            warned_images,
            doubts,
            has_counted: journal.read(Space::IDS, Self::VM_KEY.as_bytes())?.is_some(),
            next_vm: counter(Self::VM_KEY)?,
            next_image: counter(Self::IMAGE_KEY)?,
            run: counter(Self::RUN_KEY)?,
            ..Self::default()
        })
    }

    /// Whether nobody knows which identifiers of VMs are taken.
    pub(crate) const fn is_lost(&self) -> bool {
        self.is_blind && !self.has_counted
    }

    /// The hypervisor did not say which machines there are; whether that is new.
    pub(crate) const fn not_listed(&mut self) -> bool {
        !mem::replace(&mut self.is_blind, true)
    }

    /// These are all machines with our mark: their identifiers were given out, whatever the counter
    /// says.
    pub(crate) fn are_all<'v>(
        &mut self,
        machines: impl IntoIterator<Item = &'v VmId>,
        batch: &mut Batch,
    ) {
        self.is_blind = false;
        for vm in machines {
            self.is_taken_vm(vm, batch);
        }
    }

    /// An identifier that was never given out; `batch` has to become durable with it.
    pub(crate) fn new_vm(&mut self, batch: &mut Batch) -> Option<VmId> {
        let id = format!("vm-{}", self.next_vm).parse().ok()?;
        self.next_vm = self.next_vm.checked_add(1)?;
        save(batch, Self::VM_KEY, self.next_vm);
        Some(id)
    }

    /// An identifier that was never given out; `batch` has to become durable with it.
    pub(crate) fn new_image(&mut self, batch: &mut Batch) -> Option<ImageId> {
        let id = format!("img-{}", self.next_image).parse().ok()?;
        self.next_image = self.next_image.checked_add(1)?;
        save(batch, Self::IMAGE_KEY, self.next_image);
        Some(id)
    }

    /// Counts the starts of the client.
    pub(crate) const fn run(&self) -> u64 {
        self.run
    }

    /// Makes sure that the next run has another number; `batch` has to become durable before
    /// anybody hears of this one.
    pub(crate) fn end_run(&self, batch: &mut Batch) {
        save(batch, Self::RUN_KEY, self.run.wrapping_add(1));
    }

    /// This identifier was given out, whatever the counter says: it may come from a backup.
    pub(crate) fn is_taken_vm(&mut self, vm: &VmId, batch: &mut Batch) {
        if let Some(next) = after(vm.as_str(), "vm-").filter(|next| *next > self.next_vm) {
            self.next_vm = next;
            save(batch, Self::VM_KEY, next);
        }
    }

    /// This identifier was given out, whatever the counter says: it may come from a backup.
    pub(crate) fn is_taken_image(&mut self, image: &str, batch: &mut Batch) {
        if let Some(next) = after(image, "img-").filter(|next| *next > self.next_image) {
            self.next_image = next;
            save(batch, Self::IMAGE_KEY, next);
        }
    }

    /// Whether a job holds the VM.
    pub(crate) fn is_busy(&self, vm: &VmId) -> bool {
        self.is_applying() || self.vms.get(vm).is_some_and(|task| task.job.is_some())
    }

    /// Whether a job holds every VM.
    pub(crate) fn is_applying(&self) -> bool {
        self.apply.as_ref().is_some_and(|task| task.job.is_some())
    }

    /// What VMs are being made from.
    pub(crate) fn makings(&self) -> impl Iterator<Item = &Making> {
        let held = self.vms.values().filter(|task| task.job.is_some());
        held.filter_map(|task| task.intent.as_ref()?.making.as_ref())
    }

    /// The server of a VM is warned of its machine; whether it was not before.
    pub(crate) fn warn(&mut self, vm: &VmId, batch: &mut Batch) -> bool {
        let is_new = self.warned.insert(vm.clone());
        if is_new {
            batch.put(WARNED, vm.as_str(), [Self::VERSION]);
        }
        is_new
    }

    /// There is nothing to warn of any more; whether the server was warned.
    pub(crate) fn all_clear(&mut self, vm: &VmId, batch: &mut Batch) -> bool {
        let was_warned = self.warned.remove(vm);
        if was_warned {
            batch.remove(WARNED, vm.as_str());
        }
        was_warned
    }

    /// The server is warned of the file of an image; whether it was not before.
    pub(crate) fn warn_of_image(&mut self, image: &ImageId, batch: &mut Batch) -> bool {
        let is_new = self.warned_images.insert(image.clone());
        if is_new {
            batch.put(WARNED, format!("{IMAGE_MARK}{image}"), [Self::VERSION]);
        }
        is_new
    }

    /// There is nothing to warn of but these images.
    pub(crate) fn unknown_images_are(&mut self, unknown: &[ImageId], batch: &mut Batch) {
        self.warned_images.retain(|image| {
            let stays = unknown.contains(image);
            if !stays {
                batch.remove(WARNED, format!("{IMAGE_MARK}{image}"));
            }
            stays
        });
    }

    /// A guest may have something else at these places than the tree has.
    fn doubt(&mut self, vm: &VmId, places: Vec<Uri>) {
        let doubts = self.doubts.get_or_insert_with(vm.clone(), Default::default);
        let room = MAX_DOUBTS.saturating_sub(doubts.len());
        doubts.extend(places.into_iter().take(room));
    }

    /// The guest of a VM is as the tree has it at these places, or never will be.
    pub(crate) fn settle<'u>(
        &mut self,
        vm: &VmId,
        places: impl IntoIterator<Item = &'u Uri>,
        batch: &mut Batch,
    ) {
        for place in places {
            batch.remove(DOUBTS, doubt_key(vm, place));
            if let Some(doubts) = self.doubts.get_mut(vm) {
                doubts.remove(place);
            }
        }
        self.doubts.retain(|_, doubts| !doubts.is_empty());
    }

    /// These places of a guest were not touched after all.
    pub(crate) fn untouched<'u>(
        &self,
        vm: &VmId,
        places: impl IntoIterator<Item = &'u Uri>,
        batch: &mut Batch,
    ) {
        let doubts = self.doubts.get(vm);
        for place in places {
            if !doubts.is_some_and(|doubts| doubts.contains(place)) {
                batch.remove(DOUBTS, doubt_key(vm, place));
            }
        }
    }

    /// The guest of a VM is not managed any more.
    pub(crate) fn forget_doubts(&mut self, vm: &VmId, batch: &mut Batch) {
        for place in self.doubts.remove(vm).into_iter().flatten() {
            batch.remove(DOUBTS, doubt_key(vm, &place));
        }
    }

    /// A job ended, and what came of it is not kept: it holds nothing any more. What an intent
    /// did is undone before the next one or made up for before; a download
    /// that nobody waits for can be asked for again.
    fn release(&mut self, job: JobId) {
        self.jobs.remove(&job);
        self.looks.retain(|_, look| *look != job);
        self.watch.take_if(|watch| *watch == job);
        for task in self.images.values().filter(|task| task.job == job) {
            if task.intent.work == ImageWork::Discard || task.intent.reply.accepted {
                let intent = task.intent.clone();
                self.left_images.insert(intent.image.clone(), intent);
            }
        }
        self.images.retain(|_, task| task.job != job);
        if UI {
            let questions = self.questions.iter().filter(|(_, task)| task.job == job);
            let open = questions.filter(|(_, task)| !task.concluded);
            let open = open.map(|(vm, task)| (vm.clone(), task.intent.clone()));
            self.left_questions.extend(open);
            self.questions.retain(|_, task| task.job != job);
        }
        if DM_TREE {
            let guests = self.guests.iter().filter(|(_, task)| task.job == job);
            let open = guests.map(|(vm, task)| (vm.clone(), task.intent.clone()));
            self.left_guests.extend(open);
            self.guests.retain(|_, task| task.job != job);
            self.heard.retain(|_, listening| *listening != job);
        }
        for (vm, task) in self
            .vms
            .iter_mut()
            .filter(|(_, task)| task.job == Some(job))
        {
            task.job = None;
            if DRAFT && let Some(access) = task.access.take() {
                let promised = access.operation.filter(|_| access.reply.accepted);
                let intent = promised.map(|operation| AccessIntent {
                    vm: vm.clone(),
                    operation,
                    reply: access.reply,
                });
                self.cut.insert(vm.clone(), intent);
            }
        }
        self.vms
            .retain(|_, task| task.job.is_some() || task.intent.is_some());
        if let Some(task) = self.apply.as_mut().filter(|task| task.job == Some(job)) {
            task.job = None;
        }
    }

    /// Something begins on a VM: what is being found out about it is worth nothing any more.
    pub(crate) fn outdate(&mut self, vm: &VmId) {
        self.looks.remove(vm);
    }

    /// Whether a change of a VM's resources has not come to its end.
    pub(crate) fn is_changed(&self, vm: &VmId) -> bool {
        let changes = self.apply.iter().map(|task| &task.intent);
        let mut changes = changes.flat_map(|intent| intent.changes.iter().chain(&intent.owed));
        changes.any(|change| change.vm == *vm)
    }

    /// Whether a VM is being made from an image.
    pub(crate) fn is_used(&self, image: &ImageId) -> bool {
        self.makings().any(|making| making.params.image == *image)
    }
}

/// Whether a file is that of an image: its name is an ImgID of this client.
pub(crate) fn is_of_image(file: &str) -> bool {
    after(file, "img-").is_some()
}

/// The number after that of an identifier that a counter made.
fn after(id: &str, prefix: &str) -> Option<u64> {
    id.strip_prefix(prefix)?.parse::<u64>().ok()?.checked_add(1)
}

fn save(batch: &mut Batch, key: &str, next: u64) {
    let record = Writer::new(Ledger::VERSION).number(next);
    batch.put(Space::IDS, key, record.finish());
}

/// By VMID, the machines a server was warned of; by ImgID after its mark, the images.
const WARNED: Space = Space::new("machines");
const IMAGE_MARK: &str = "image ";

/// By VMID and address in the guest, where the guest may have something else than the tree: written
/// before the guest is asked for a change, gone with the commit of that change.
const DOUBTS: Space = Space::new("doubts");
const DOUBT_MARK: char = '\n';

fn doubt_key(vm: &VmId, place: &Uri) -> String {
    format!("{vm}{DOUBT_MARK}{place}")
}

/// Notes that a place in a guest may change.
pub(crate) fn note_doubt(batch: &mut Batch, vm: &VmId, place: &Uri) {
    batch.put(DOUBTS, doubt_key(vm, place), [Ledger::VERSION]);
}

/// What is remembered of one guest; what is beyond is brought in step by the next command on it.
const MAX_DOUBTS: usize = 100;

/// The ledger, and what the open transaction makes of it.
pub(crate) struct Book {
    kept: Ledger,
    draft: Option<Draft>,
    observer: Observer,
}

struct Draft {
    ledger: Ledger,
    after: Vec<After>,
    /// Jobs that ended, whether their outcome is kept or not.
    ended: Vec<JobId>,
    /// What guests may have done, whether that is kept or not.
    doubted: Vec<(VmId, Vec<Uri>)>,
}

/// What is done once the transaction is durable.
pub(crate) enum After {
    Tell(Event),
    /// Also if it is rolled back.
    GiveUp(Arc<Machines>, Arc<AtomicBool>),
    Do(Box<dyn FnOnce() + Send>),
}

impl Book {
    pub(crate) fn new(ledger: Ledger, observer: Observer) -> Self {
        Self {
            kept: ledger,
            draft: None,
            observer,
        }
    }

    /// The ledger as the open transaction sees it.
    pub(crate) fn read(&self) -> &Ledger {
        match &self.draft {
            Some(draft) => &draft.ledger,
            None => &self.kept,
        }
    }

    /// The ledger to change in the open transaction.
    pub(crate) fn write(&mut self) -> &mut Ledger {
        &mut self.draft().ledger
    }

    pub(crate) fn after(&mut self, after: After) {
        self.draft().after.push(after);
    }

    pub(crate) fn then(&mut self, work: impl FnOnce() + Send + 'static) {
        self.after(After::Do(Box::new(work)));
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.after(After::Tell(event));
    }

    /// A job ended; what came of it follows in this transaction.
    pub(crate) fn ended(&mut self, job: JobId) -> Option<Subject> {
        let draft = self.draft();
        draft.ended.push(job);
        draft.ledger.jobs.remove(&job)
    }

    pub(crate) fn committed(&mut self) {
        let Some(draft) = self.draft.take() else {
            return;
        };
        self.kept = draft.ledger;
        for after in draft.after {
            match after {
                After::Tell(event) => (self.observer)(event),
                After::GiveUp(machines, flag) => machines.give_up(&flag),
                After::Do(work) => work(),
            }
        }
    }

    /// Forgets what the transaction made of the ledger, but not that jobs ended or are given up.
    pub(crate) fn rolled_back(&mut self) {
        let Some(draft) = self.draft.take() else {
            return;
        };
        for after in draft.after {
            if let After::GiveUp(machines, flag) = after {
                machines.give_up(&flag);
            }
        }
        for job in draft.ended {
            self.kept.release(job);
        }
        if DM_TREE {
            for (vm, places) in draft.doubted {
                self.kept.doubt(&vm, places);
            }
        }
    }

    /// A guest may have something else at these places than the tree has.
    pub(crate) fn doubt(&mut self, vm: &VmId, places: Vec<Uri>) {
        if !places.is_empty() {
            let draft = self.draft();
            draft.ledger.doubt(vm, places.clone());
            draft.doubted.push((vm.clone(), places));
        }
    }

    /// What came of a job cannot be kept, though the transaction goes on: as if it were rolled
    /// back.
    pub(crate) fn release(&mut self, job: JobId) {
        self.draft().ledger.release(job);
    }

    fn draft(&mut self) -> &mut Draft {
        self.draft.get_or_insert_with(|| Draft {
            ledger: self.kept.clone(),
            after: Vec::new(),
            ended: Vec::new(),
            doubted: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use omadm_core::MemoryJournal;
    use virmo_simulator::Simulator;

    use super::*;

    #[test]
    fn what_is_settled_is_in_doubt_no_more_and_the_rest_still_is() {
        let vms: [VmId; 2] = ["vm-1", "vm-2"].map(|vm| vm.parse().unwrap());
        let places: [Uri; 2] = ["./A", "./B"].map(|place| place.parse().unwrap());
        let mut ledger = Ledger::default();
        for vm in &vms {
            ledger.doubt(vm, places.to_vec());
        }
        let (mut batch, [a, b]) = (Batch::new(), &places);
        ledger.settle(&vms[0], [a], &mut batch);
        let left = |places: &[&Uri]| places.iter().map(|place| (*place).clone()).collect();
        assert_eq!(ledger.doubts.get(&vms[0]), Some(&left(&[b])));
        assert_eq!(ledger.doubts.get(&vms[1]), Some(&left(&[a, b])));
        ledger.settle(&vms[0], [b], &mut batch);
        assert_eq!(Vec::from_iter(ledger.doubts.keys()), [&vms[1]]);
    }

    /// The job is over its time in either case, and may wait for a machine.
    #[test]
    fn what_is_given_up_is_so_whether_that_is_kept_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let machines = Machines::new(Arc::new(Simulator::open(folder.path()).unwrap()));
        for end in [Book::committed, Book::rolled_back] {
            let flag = Arc::new(AtomicBool::new(false));
            let mut book = Book::new(Ledger::default(), Arc::new(drop));
            book.after(After::GiveUp(Arc::clone(&machines), Arc::clone(&flag)));
            end(&mut book);
            assert!(flag.load(Ordering::SeqCst));
        }
    }

    /// What is on disks: a record of another shape has another version.
    #[test]
    fn records_of_version_1_stay_as_they_are() {
        let vm: VmId = "vm-1".parse().unwrap();
        let image: ImageId = "img-1".parse().unwrap();
        let mut batch = Batch::new();
        let mut ledger = Ledger::default();
        ledger.warn(&vm, &mut batch);
        ledger.warn_of_image(&image, &mut batch);
        note_doubt(&mut batch, &vm, &"./LAWMO/State".parse().unwrap());
        save(&mut batch, Ledger::VM_KEY, 258);
        let journal = MemoryJournal::new();
        journal.commit(&batch).unwrap();
        for (space, records) in [
            (
                "machines",
                &[(&b"image img-1"[..], &[1][..]), (b"vm-1", &[1])][..],
            ),
            ("doubts", &[(b"vm-1\n./LAWMO/State", &[1])]),
            ("ids", &[(b"virmo/vm", &[1, 0, 0, 0, 0, 0, 0, 1, 2])]),
        ] {
            let mut expected = records.iter();
            let mut visit = |key: &[u8], record: &[u8]| {
                assert_eq!(Some(&(key, record)), expected.next(), "{space}");
            };
            journal.scan(Space::new(space), &mut visit).unwrap();
            assert_eq!(expected.next(), None, "{space}");
        }
        let ledger = Ledger::load(&journal).unwrap();
        assert!(ledger.warned.contains(&vm));
        assert_eq!(ledger.doubts.contains_key(&vm), DM_TREE);
        assert!(ledger.warned_images.contains(&image));
        assert_eq!(ledger.next_vm, 258);
    }
}
