//! The device apart from any session: tree, objects, alerts and jobs, and the one way to change
//! them.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use omadm_core::{
    Backoff, Batch, Journal, JournalError, JournalErrorKind, Now, SortedMap, StatusCode,
};
use omadm_mo::{
    Effects, ExecAnswer, ExecRequest, ExecResult, Job, JobEnd, JobId, Layout, Refusal, Registry,
    Reporting,
};
use omadm_tree::{Principal, Transaction, Tree};

use crate::{
    Config, Delivery, DropReason, Event, Output, QuestionId, StartError,
    alerts::{AlertKey, AlertQueue, News, Notice, Refused, Room, Size},
    failure::Failure,
    session::Verdicts,
};

/// What lives longer than a session.
pub(crate) struct Device {
    tree: Tree,
    registry: Registry,
    books: Books,
}

/// What a change leaves behind beside the tree.
struct Books {
    journal: Arc<dyn Journal>,
    alerts: AlertQueue,
    alert_retry: Backoff,
    alert_room: Room,
    jobs: SortedMap<JobId, OpenJob>,
    max_jobs: usize,
    next_job: u64,
    next_question: u64,
    /// When objects take up what was left open, monotonic.
    resume: Option<Duration>,
    /// How often in a row the journal could not keep the end of a job.
    unkept: u32,
    /// How often in a row objects left something open, and when they last took it up, monotonic.
    open: (u32, Duration),
    outputs: VecDeque<Output>,
}

/// A job that was handed out and has not ended.
#[derive(Clone, Copy)]
struct OpenJob {
    /// When it is given up, monotonic; absent once it was, or if it never is.
    deadline: Option<Duration>,
    timed_out: bool,
    /// No session begins while it is under way.
    before_sessions: bool,
    /// Nobody waits for its end.
    background: bool,
}

/// What came of an Exec so far.
pub(crate) enum Executed {
    /// The final answer.
    Done(ExecResult),
    /// 202 now, an alert later.
    Accepted,
    /// The answer follows when this job ends, or becomes 202.
    Pending(JobId),
}

impl Device {
    /// Starts the objects; what they ask for is among the outputs.
    pub(crate) fn start(
        config: &Config,
        tree: Tree,
        registry: Registry,
        journal: Arc<dyn Journal>,
        now: Now,
    ) -> Result<Self, StartError> {
        let alerts = AlertQueue::load(&*journal)?;
        let mut device = Self {
            tree,
            registry,
            books: Books {
                journal,
                alerts,
                alert_retry: config.alert_retry,
                alert_room: Room {
                    items: config.max_queued_alerts,
                    share: Size {
                        items: config.max_told_alerts,
                        octets: config.max_told_octets,
                    },
                },
                jobs: SortedMap::new(),
                max_jobs: config.max_open_jobs,
                next_job: 0,
                next_question: 0,
                resume: None,
                unkept: 0,
                open: (0, Duration::ZERO),
                outputs: VecDeque::new(),
            },
        };
        let mut unit = device.begin(now);
        if let Err(refusal) = unit.registry.start(&mut unit.tree, &mut unit.effects, now) {
            unit.roll_back();
            return Err(StartError::Refused(refusal.0));
        }
        unit.commit()?;
        Ok(device)
    }

    /// Begins a change.
    pub(crate) fn begin(&mut self, now: Now) -> Unit<'_> {
        Unit {
            tree: self.tree.begin(now),
            registry: &mut self.registry,
            effects: Effects::new(self.books.next_job),
            books: &mut self.books,
            put_off: None,
            now,
        }
    }

    /// The tree to read from, and what it may hold.
    pub(crate) fn read(&mut self, now: Now) -> (Transaction<'_>, &Layout) {
        (self.tree.begin(now), self.registry.layout())
    }

    /// Begins the changes of an Atomic.
    pub(crate) fn begin_atomic(&mut self, now: Now) -> Unit<'_> {
        self.registry.begin(true, Vec::new());
        self.begin(now)
    }

    /// Begins a command that was put off for these jobs before.
    pub(crate) fn begin_anew(&mut self, answers: &[(JobId, ExecResult)], now: Now) -> Unit<'_> {
        self.registry.begin(false, answers.to_vec());
        self.begin(now)
    }

    /// The command that was put off for a job is not begun anew.
    pub(crate) fn give_up(&mut self, job: JobId, now: Now) {
        let mut unit = self.begin(now);
        let given_up = unit.given_up(job);
        // The answer is the same if the object could not keep it; the journal has told of it.
        let _ = unit.close(given_up);
    }

    /// The Exec behind a job is about to be answered with 202.
    pub(crate) fn accept(&mut self, job: JobId, now: Now) -> Result<(), Failure> {
        let mut unit = self.begin(now);
        let accepted = unit.accepted(job);
        unit.close(accepted)
    }

    /// Hands the end of a job to its object; the final answer of the Exec behind it.
    ///
    /// `None`: no such job is open.
    pub(crate) fn complete(&mut self, job: JobId, end: JobEnd, now: Now) -> Option<ExecResult> {
        let open = self.books.jobs.get_mut(&job)?;
        let end = match end {
            JobEnd::Finished(output) if open.timed_out => JobEnd::Late(output),
            end => end,
        };
        if let JobEnd::TimedOut = end {
            *open = OpenJob {
                deadline: None,
                timed_out: true,
                before_sessions: false,
                ..*open
            };
            self.tell(Event::JobTimedOut(job));
        } else {
            self.books.jobs.remove(&job);
        }
        let mut unit = self.begin(now);
        let result = unit
            .registry
            .completed(job, end, &mut unit.tree, &mut unit.effects, now)
            .map_err(Failure::from);
        let result = unit.close(result);
        self.note_kept(&result, now);
        let result = match result {
            Ok(Some(result)) => result,
            Ok(None) => StatusCode::COMMAND_FAILED.into(),
            Err(failure) => failure.status().into(),
        };
        Some(result)
    }

    /// When objects take up what was left open, monotonic.
    pub(crate) const fn next_resume(&self) -> Option<Duration> {
        self.books.resume
    }

    /// Lets the objects take up what was left open, if the time has come.
    pub(crate) fn resume(&mut self, now: Now) {
        if self.books.resume.take_if(|due| *due <= now.mono).is_none() {
            return;
        }
        self.books.open.1 = now.mono;
        let mut kept = Ok(());
        for object in self.registry.objects() {
            let mut unit = self.begin(now);
            let resumed = unit
                .registry
                .resume(&object, &mut unit.tree, &mut unit.effects, now)
                .map_err(Failure::from);
            match unit.close(resumed) {
                Err(failure @ Failure::Journal(_)) => kept = Err(failure),
                Err(failure) => self.tell(Event::NotResumed {
                    object: object.to_string(),
                    status: failure.status(),
                }),
                Ok(()) => {}
            }
        }
        self.note_kept(&kept, now);
    }

    /// If the journal failed, what was to be kept is taken up later.
    fn note_kept<T>(&mut self, result: &Result<T, Failure>, now: Now) {
        let books = &mut self.books;
        if let Err(Failure::Journal(_)) = result {
            books.unkept = books.unkept.saturating_add(1);
            let pause = books.pause(books.unkept);
            books.resume = Some(now.mono.saturating_add(pause));
        } else if books.resume.is_none() {
            books.unkept = 0;
        }
    }

    /// A job whose time is over.
    pub(crate) fn overdue_job(&self, now: Duration) -> Option<JobId> {
        let overdue = |job: &OpenJob| job.deadline.is_some_and(|deadline| deadline <= now);
        let mut jobs = self.books.jobs.iter();
        jobs.find(|(_, job)| overdue(job)).map(|(&id, _)| id)
    }

    /// When the next job is given up.
    pub(crate) fn next_job_deadline(&self) -> Option<Duration> {
        self.books
            .jobs
            .values()
            .filter_map(|job| job.deadline)
            .min()
    }

    /// The alerts that may be sent now, in order.
    pub(crate) fn due_alerts(&self, now: Duration) -> impl Iterator<Item = (AlertKey, &Notice)> {
        self.books.alerts.due(now)
    }

    /// When the next alert may be sent.
    pub(crate) fn next_alert(&self) -> Option<Duration> {
        self.books.alerts.next_due()
    }

    /// Keeps news for the server, durable before it is told so.
    pub(crate) fn queue(&mut self, notice: Notice) {
        let books = &mut self.books;
        let news = notice.split().into_iter().map(News::from).collect();
        let (queued, dropped) = books.alerts.admit(news, books.alert_room);
        let mut batch = Batch::new();
        books.alerts.queue(&queued, &mut batch);
        if !batch.is_empty()
            && let Err(error) = books.journal.commit(&batch)
        {
            books.failed(&error);
            let dropped = dropped.iter().map(|(notice, _)| notice);
            for notice in queued.iter().map(|news| &news.notice).chain(dropped) {
                books.told(notice, Delivery::Dropped(DropReason::NotKept));
            }
            return;
        }
        books.admitted(queued, &dropped);
    }

    /// Removes the alerts the server acknowledged, and puts off or drops those it refused, in one
    /// batch with what is in `batch`.
    ///
    /// # Errors
    /// The journal failed: they stay and are sent again after a pause.
    pub(crate) fn settle(
        &mut self,
        verdicts: &Verdicts,
        mut batch: Batch,
        now: Now,
    ) -> Result<(), JournalErrorKind> {
        let books = &mut self.books;
        let mut gone = Vec::new();
        for &key in &verdicts.delivered {
            AlertQueue::unqueue(key, &mut batch);
            gone.push((key, None));
        }
        for &(key, status) in &verdicts.refused {
            match books
                .alerts
                .refuse((key, status), &books.alert_retry, now.mono, &mut batch)
            {
                Some(Refused::Kept { notice, tries }) => {
                    books.told(&notice, Delivery::Refused { status, tries });
                }
                Some(Refused::Dropped(reason)) => {
                    AlertQueue::unqueue(key, &mut batch);
                    gone.push((key, Some(reason)));
                }
                None => {}
            }
        }
        books.forget(&batch, gone, now)
    }

    /// Drops an alert that fits no message.
    pub(crate) fn drop_alert(&mut self, key: AlertKey, now: Now) {
        let mut batch = Batch::new();
        AlertQueue::unqueue(key, &mut batch);
        let gone = vec![(key, Some(DropReason::TooLarge))];
        // If it could not be forgotten it is looked at again after a pause.
        _ = self.books.forget(&batch, gone, now);
    }

    pub(crate) fn journal(&self) -> &dyn Journal {
        &*self.books.journal
    }

    /// The name of the next question to the person at the device.
    pub(crate) const fn next_question(&mut self) -> QuestionId {
        let id = QuestionId(self.books.next_question);
        self.books.next_question += 1;
        id
    }

    /// Adds an event to the outputs.
    pub(crate) fn tell(&mut self, event: Event) {
        self.books.outputs.push_back(Output::Event(event));
    }

    /// What the caller has to do, in order.
    pub(crate) const fn outputs(&mut self) -> &mut VecDeque<Output> {
        &mut self.books.outputs
    }

    pub(crate) fn has_outputs(&self) -> bool {
        !self.books.outputs.is_empty()
    }

    pub(crate) const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The jobs under way, without those that were given up and those in the background.
    pub(crate) fn open_jobs(&self) -> usize {
        let jobs = self.books.jobs.values();
        jobs.filter(|job| !job.timed_out && !job.background).count()
    }

    /// Whether a job is under way that comes before sessions.
    pub(crate) fn is_preparing(&self) -> bool {
        self.books.jobs.values().any(|job| job.before_sessions)
    }

    pub(crate) fn queued_alerts(&self) -> usize {
        self.books.alerts.len()
    }
}

impl Books {
    /// Before what was left open is taken up, after so many times.
    fn pause(&self, times: u32) -> Duration {
        self.alert_retry.pause(times).max(Duration::from_secs(1))
    }

    /// Makes the removal of alerts durable, then removes them.
    fn forget(
        &mut self,
        batch: &Batch,
        gone: Vec<(AlertKey, Option<DropReason>)>,
        now: Now,
    ) -> Result<(), JournalErrorKind> {
        if batch.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.journal.commit(batch) {
            self.failed(&error);
            // A journal that fails would fail at once in the session they ask for.
            let until = now.mono.saturating_add(self.alert_retry.pause(1));
            for (key, _) in gone {
                self.alerts.put_off(key, until);
            }
            return Err(error.kind());
        }
        for (key, reason) in gone {
            if let Some(notice) = self.alerts.remove(key) {
                let delivery = reason.map_or(Delivery::Delivered, Delivery::Dropped);
                self.told(&notice, delivery);
            }
        }
        Ok(())
    }

    /// Tells what became of a notice.
    fn told(&mut self, notice: &Notice, delivery: Delivery) {
        let events = notice.told(delivery);
        self.outputs.extend(events.into_iter().map(Output::Event));
    }

    /// What was admitted is durable.
    fn admitted(&mut self, queued: Vec<News>, dropped: &[(Notice, DropReason)]) {
        for news in &queued {
            self.told(&news.notice, Delivery::Queued);
        }
        for (notice, reason) in dropped {
            self.told(notice, Delivery::Dropped(*reason));
        }
        self.alerts.queued(queued);
    }

    /// Whether one more job may be open for a command.
    fn has_room(&self) -> bool {
        let counted = self.jobs.values().filter(|job| !job.background);
        counted.count() < self.max_jobs
    }

    fn hand_out(&mut self, job: Job, now: Now) {
        let deadline = job.time_limit.map(|limit| now.mono.saturating_add(limit));
        let open = OpenJob {
            deadline,
            timed_out: false,
            before_sessions: job.before_sessions,
            background: job.background,
        };
        self.jobs.insert(job.id, open);
        self.outputs.push_back(Output::Run(job));
    }

    fn failed(&mut self, error: &JournalError) {
        let event = Event::JournalFailed(error.kind());
        self.outputs.push_back(Output::Event(event));
    }
}

/// Changes that become durable together or not at all: those of one command, with all the hooks of
/// the objects and what they ask for. [Rules 7 and 9 of the architecture]
///
/// 1. Change [`tree`](Self::tree), then [`stage`](Self::stage); as often as need be. Or execute.
/// 2. [`close`](Self::close), whatever came of it.
pub(crate) struct Unit<'d> {
    pub(crate) tree: Transaction<'d>,
    registry: &'d mut Registry,
    effects: Effects,
    books: &'d mut Books,
    /// What an object wants done before the command goes on.
    put_off: Option<Job>,
    now: Now,
}

impl<'d> Unit<'d> {
    /// What the tree may hold.
    pub(crate) const fn schema(&self) -> &Layout {
        self.registry.layout()
    }

    /// The tree to change, and what it may hold.
    pub(crate) const fn parts(&mut self) -> (&mut Transaction<'d>, &Layout) {
        (&mut self.tree, self.registry.layout())
    }

    /// Shows the changes made so far to the objects.
    pub(crate) fn stage(&mut self, by: &Principal) -> Result<(), Failure> {
        let (tree, effects) = (&mut self.tree, &mut self.effects);
        let staged = self.registry.stage(by, tree, effects, self.now);
        self.verdict(staged)
    }

    /// Asks the objects whether the result of all changes will do.
    pub(crate) fn validate(&mut self) -> Result<(), Failure> {
        let (tree, effects) = (&mut self.tree, &mut self.effects);
        let valid = self.registry.validate(tree, effects, self.now);
        self.verdict(valid)
    }

    /// What the objects say; whether they put the command off.
    fn verdict(&mut self, said: Result<(), Refusal>) -> Result<(), Failure> {
        said.map_err(|refusal| {
            self.put_off = self.effects.take_put_off();
            match self.put_off {
                Some(_) => Failure::PutOff,
                None => refusal.into(),
            }
        })
    }

    /// Has a node executed.
    pub(crate) fn exec(&mut self, request: &ExecRequest<'_>) -> Result<Executed, Failure> {
        if !self.books.has_room() {
            return Err(Failure::Busy);
        }
        let (tree, effects) = (&mut self.tree, &mut self.effects);
        match self.registry.exec(request, tree, effects, self.now)? {
            ExecAnswer::Done(result) => Ok(Executed::Done(result)),
            ExecAnswer::Pending(job, Reporting::Synchronous) => Ok(Executed::Pending(job)),
            ExecAnswer::Pending(job, Reporting::Asynchronous) => {
                self.accepted(job)?;
                Ok(Executed::Accepted)
            }
        }
    }

    fn given_up(&mut self, job: JobId) -> Result<(), Failure> {
        self.registry
            .given_up(job, &mut self.tree, &mut self.effects, self.now)?;
        Ok(())
    }

    fn accepted(&mut self, job: JobId) -> Result<(), Failure> {
        self.registry
            .accepted(job, &mut self.tree, &mut self.effects, self.now)?;
        Ok(())
    }

    /// Ends the change: makes it durable if it came to a result, otherwise takes it back.
    pub(crate) fn close<T>(self, result: Result<T, Failure>) -> Result<T, Failure> {
        match result {
            Ok(value) => match self.commit() {
                Ok(()) => Ok(value),
                Err(error) => Err(Failure::Journal(error.kind())),
            },
            Err(failure) => {
                self.roll_back();
                Err(failure)
            }
        }
    }

    /// Takes the change back.
    pub(crate) fn roll_back(self) {
        let Self {
            tree,
            registry,
            effects,
            books,
            ..
        } = self;
        tree.rollback();
        registry.rolled_back();
        books.next_job = effects.next_job();
    }

    /// Takes the change back and hands out the job that an object put it off for.
    pub(crate) fn put_off(self) -> Result<JobId, Failure> {
        let Self {
            tree,
            registry,
            effects,
            books,
            put_off,
            now,
        } = self;
        tree.rollback();
        books.next_job = effects.next_job();
        let Some(job) = put_off.filter(|_| books.has_room()) else {
            registry.rolled_back();
            return Err(Failure::Busy);
        };
        let id = job.id;
        registry.put_off(id);
        books.hand_out(job, now);
        Ok(id)
    }

    fn commit(self) -> Result<(), JournalError> {
        let Self {
            tree,
            registry,
            effects,
            books,
            now,
            ..
        } = self;
        books.next_job = effects.next_job();
        let Effects {
            mut batch,
            alerts,
            told,
            jobs,
            resume,
            ..
        } = effects;
        let own = alerts.into_iter().map(|alert| Notice::from(alert).into());
        // What was told has happened before what the object makes of it.
        let news = told.into_iter().map(News::told).chain(own).collect();
        let (queued, dropped) = books.alerts.admit(news, books.alert_room);
        books.alerts.queue(&queued, &mut batch);
        if let Err(error) = tree.commit(&*books.journal, batch) {
            registry.rolled_back();
            books.failed(&error);
            return Err(error);
        }
        registry.committed();
        for job in jobs {
            books.hand_out(job, now);
        }
        if resume && books.resume.is_none() {
            let (times, last) = books.open;
            // What comes later than the pause before was long is not in a row with it.
            let is_again = now.mono <= last.saturating_add(books.pause(times));
            books.open.0 = if is_again { times.saturating_add(1) } else { 1 };
            let pause = books.pause(books.open.0);
            books.resume = Some(now.mono.saturating_add(pause));
        }
        books.admitted(queued, &dropped);
        Ok(())
    }
}
