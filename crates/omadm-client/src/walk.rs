//! The commands of one message, in document order.

use std::{mem, time::Duration};

use omadm_core::{AlertCode, Correlator, Now, SortedMap, SortedSet, StatusCode, UserAnswer};
use omadm_mo::{ExecResult, JobId};
use omadm_syncml::{Alert, CmdId, Command, Item};
use omadm_tree::Principal;

use crate::{
    Compat, Config, Output, Question, QuestionId,
    answer::{Outcome, answer},
    atomic::{self, Attempt, Outcomes},
    command::{self, Edit},
    device::{Device, Executed},
    failure::Failure,
    question::{self, Asked, Effect, Open},
    session::Session,
};

/// A walk through the commands of a message: one after the other, each one answered before the next
/// begins.
///
/// A command whose job is under way holds up the walk, so that what follows sees what it did.
/// [DM-Protocol] leaves the order to the client.
///
/// It borrows from the message, until it has to wait: [`Walk::into_owned`].
#[derive(Debug)]
pub(crate) struct Walk<'m> {
    msg_id: u32,
    /// The commands of the message, which stay in their places.
    outer: Vec<Command<'m>>,
    /// How many of these were begun.
    begun: usize,
    /// What those of them that are not to be executed are answered with: [`Taken::statuses`].
    statuses: SortedMap<usize, StatusCode>,
    /// What is left of the commands of groups that were begun, the next one last; it comes before the
    /// next of those outside.
    inner: Vec<Task<'m>>,
    /// The command that was begun last, if it is one of a group.
    within: Option<Command<'m>>,
    /// What there is to know of the command that was begun last, until it is done.
    current: Option<Current>,
    /// The room of outcomes that were told.
    told: Vec<Outcome>,
    ids: SortedSet<CmdId>,
    /// Nothing more is executed.
    stopped: bool,
}

/// The commands of a message.
#[derive(Debug)]
pub(crate) struct Taken<'m> {
    pub(crate) commands: Vec<Command<'m>>,
    /// What those that are not to be executed are answered with, such as chunks, by their place.
    pub(crate) statuses: SortedMap<usize, StatusCode>,
}

#[derive(Debug)]
enum Task<'m> {
    Run(Command<'m>),
    /// Answer it and what is inside with 215.
    Skip(Command<'m>),
    /// The end of a Sequence.
    Leave,
}

/// What there is to know of the command under way.
#[derive(Debug)]
struct Current {
    /// One for each Item that is done; for an Atomic, one for each question in it that was
    /// answered.
    outcomes: Vec<Outcome>,
    waiting: Option<Waiting>,
    /// The jobs the Item after the last outcome was put off for, with what came of them.
    answers: Vec<(JobId, ExecResult)>,
    /// Of an Atomic, the commands inside that have no id of their own, by their place in document
    /// order.
    nameless: SortedSet<usize>,
}

/// What came of a command that is done.
enum Done {
    /// Of one that holds no others: its outcomes.
    One,
    Group(Outcomes),
}

/// What a command is answered with at once, and what those inside it become.
type Over<'m> = (Outcome, fn(Command<'m>) -> Task<'m>);

/// What the Item after the last outcome waits for.
#[derive(Debug)]
enum Waiting {
    /// A job.
    Job {
        job: JobId,
        /// When it is answered with 202 or 408, monotonic.
        due: Duration,
        /// It is begun anew then: no Exec.
        anew: bool,
    },
    /// A person.
    Answer(Open),
}

/// What a walk works with.
pub(crate) struct Ground<'a> {
    pub(crate) config: &'a Config,
    pub(crate) device: &'a mut Device,
    pub(crate) session: &'a mut Session,
    pub(crate) by: &'a Principal,
    pub(crate) now: Now,
}

impl<'m> Walk<'m> {
    /// A walk through what the message `msg_id` holds besides Status.
    pub(crate) fn new(msg_id: u32, taken: Taken<'m>) -> Self {
        Self {
            msg_id,
            outer: taken.commands,
            begun: 0,
            statuses: taken.statuses,
            inner: Vec::new(),
            within: None,
            current: None,
            told: Vec::new(),
            ids: SortedSet::new(),
            stopped: false,
        }
    }

    /// The same, detached from the message.
    pub(crate) fn into_owned(self) -> Walk<'static> {
        // What is done is not needed any more.
        let done = self.begun.saturating_sub(1);
        let outer = self.outer.into_iter().skip(done).map(Command::into_owned);
        let statuses = self.statuses.into_iter();
        let statuses = statuses.filter_map(|(place, code)| Some((place.checked_sub(done)?, code)));
        Walk {
            msg_id: self.msg_id,
            outer: outer.collect(),
            begun: self.begun - done,
            statuses: statuses.collect(),
            inner: self.inner.into_iter().map(Task::into_owned).collect(),
            within: self.within.map(Command::into_owned),
            current: self.current,
            told: self.told,
            ids: self.ids,
            stopped: self.stopped,
        }
    }

    /// Goes on until the end or until a job has to end first; whether it is the end.
    pub(crate) fn advance(&mut self, ground: &mut Ground<'_>) -> bool {
        loop {
            if let Some(current) = &mut self.current
                && let Some(command) = last(&self.within, &self.outer, self.begun)
            {
                let Some(done) = current.advance(command, self.stopped, ground) else {
                    return false;
                };
                match done {
                    Done::One => answer(self.msg_id, command, &mut current.outcomes, ground),
                    Done::Group(outcomes) => {
                        for (command, mut outcomes) in command.flatten().zip(outcomes) {
                            answer(self.msg_id, command, &mut outcomes, ground);
                        }
                    }
                }
                self.told = std::mem::take(&mut current.outcomes);
                self.told.clear();
                self.current = None;
            }
            let (mut status, mut skips) = (None, self.stopped);
            self.within = match self.inner.pop() {
                Some(Task::Leave) => continue,
                Some(Task::Run(command)) => Some(command),
                Some(Task::Skip(command)) => {
                    skips = true;
                    Some(command)
                }
                None if self.begun == self.outer.len() => return true,
                None => {
                    status = self.statuses.get(&self.begun).copied();
                    self.begun += 1;
                    None
                }
            };
            let over = match skips {
                true => Some(refused(&Failure::Skipped)),
                false => self.begin(status, ground),
            };
            if let Some((outcome, task)) = over {
                if let Some(command) = last(&self.within, &self.outer, self.begun) {
                    answer(self.msg_id, command, &mut [outcome], ground);
                }
                self.enter(task);
            }
        }
    }

    /// The job ended: the final answer to the Exec, or to be known when the command is begun anew,
    /// if it is the one that waits.
    pub(crate) fn completed(&mut self, job: JobId, result: ExecResult) {
        match self.settled(job) {
            Some((current, true)) => current.answers.push((job, result)),
            Some((current, false)) => current.outcomes.push(executed(result)),
            None => {}
        }
    }

    /// Answers the command that waits with 202, or 408 if it would be begun anew.
    ///
    /// # Errors
    /// The alert that 202 promises is not certain; the command goes on waiting.
    pub(crate) fn hurry(&mut self, device: &mut Device, now: Now) -> Result<(), Failure> {
        let Some(Waiting::Job { job, anew, .. }) = self.waiting_mut() else {
            return Ok(());
        };
        let (job, outcome) = match *anew {
            true => {
                device.give_up(*job, now);
                (*job, (&Failure::TimedOut).into())
            }
            false => {
                device.accept(*job, now)?;
                (*job, StatusCode::ACCEPTED.into())
            }
        };
        if let Some((current, _)) = self.settled(job) {
            current.outcomes.push(outcome);
            current.answers.clear();
        }
        Ok(())
    }

    /// Gives the job that holds up the walk more time.
    pub(crate) fn postpone(&mut self, due: Duration) {
        if let Some(Waiting::Job { due: old, .. }) = self.waiting_mut() {
            *old = due;
        }
    }

    /// The question that holds up the walk.
    pub(crate) fn question(&self) -> Option<&Question> {
        match self.current.as_ref()?.waiting.as_ref()? {
            Waiting::Job { .. } => None,
            Waiting::Answer(open) => Some(open.question()),
        }
    }

    /// Takes in an answer that fits, if its question holds up the walk.
    pub(crate) fn answered(&mut self, id: QuestionId, answer: UserAnswer) {
        match self.waiting_mut() {
            Some(Waiting::Answer(open)) if open.question().id == id => open.answered(answer),
            _ => {}
        }
    }

    /// Goes on from a question whose answer has come, or whose time is over.
    pub(crate) fn conclude(&mut self, device: &mut Device, now: Duration) {
        let Some(Waiting::Answer(open)) = self.waiting_mut() else {
            return;
        };
        let Some((answer, in_vain)) = open.conclude(now) else {
            return;
        };
        if in_vain {
            device
                .outputs()
                .push_back(Output::Withdraw(open.question().id));
        }
        match Effect::of(&answer) {
            Effect::Nothing => {}
            // An Atomic fails by itself.
            Effect::LeaveGroup if self.is_atomic() => {}
            Effect::LeaveGroup => self.leave(),
            Effect::Stop => self.stopped = true,
        }
        if let Some(current) = &mut self.current {
            current.waiting = None;
            current.outcomes.push(question::outcome(&answer));
        }
    }

    /// Gives up the question that holds up the walk.
    pub(crate) fn withdraw(&mut self, device: &mut Device) {
        if let Some(current) = &mut self.current
            && let Some(Waiting::Answer(open)) = &current.waiting
        {
            device
                .outputs()
                .push_back(Output::Withdraw(open.question().id));
            current.waiting = None;
            current
                .outcomes
                .push(question::outcome(&UserAnswer::Cancelled));
        }
    }

    fn is_atomic(&self) -> bool {
        let command = last(&self.within, &self.outer, self.begun);
        matches!(command, Some(Command::Atomic(_)))
    }

    /// Skips the rest of the innermost Sequence.
    fn leave(&mut self) {
        let is_end = |task: &Task<'_>| matches!(task, Task::Leave);
        let end = self.inner.iter().rposition(is_end);
        for task in self
            .inner
            .iter_mut()
            .skip(end.map_or(usize::MAX, |end| end + 1))
        {
            *task = match mem::replace(task, Task::Leave) {
                Task::Run(command) => Task::Skip(command),
                task => task,
            };
        }
    }

    /// Skips what has not begun.
    pub(crate) const fn stop(&mut self) {
        self.stopped = true;
    }

    /// The job that holds up the walk, and until when.
    pub(crate) fn waiting(&self) -> Option<(JobId, Duration)> {
        match self.current.as_ref()?.waiting.as_ref()? {
            Waiting::Job { job, due, .. } => Some((*job, *due)),
            Waiting::Answer(_) => None,
        }
    }

    /// The moment at which something is to be done, monotonic.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        Some(match self.current.as_ref()?.waiting.as_ref()? {
            Waiting::Job { due, .. } => *due,
            Waiting::Answer(open) => open.deadline(),
        })
    }

    fn waiting_mut(&mut self) -> Option<&mut Waiting> {
        self.current.as_mut()?.waiting.as_mut()
    }

    /// Ends the wait for a job: what is known of its command, and whether that is begun anew.
    fn settled(&mut self, job: JobId) -> Option<(&mut Current, bool)> {
        let current = self.current.as_mut()?;
        match current.waiting {
            Some(Waiting::Job {
                job: open, anew, ..
            }) if open == job => {
                current.waiting = None;
                Some((current, anew))
            }
            _ => None,
        }
    }

    /// Begins the command that is next, which has a status if it is not to be executed.
    fn begin(&mut self, status: Option<StatusCode>, ground: &mut Ground<'_>) -> Option<Over<'m>> {
        let (ids, compat) = (&mut self.ids, ground.config.compat);
        let command = match last(&self.within, &self.outer, self.begun) {
            Some(command) if is_known(ids, command, compat) => command,
            _ => return Some(refused(&Failure::NoId)),
        };
        if let Some(status) = status {
            return Some((status.into(), Task::Skip));
        }
        let (mut waiting, mut nameless) = (None, SortedSet::new());
        match command {
            Command::Alert(alert) => match alerted(alert) {
                Alerted::Done(outcome) => return Some((outcome, Task::Skip)),
                Alerted::Ask(asked) => waiting = Some(ask(asked, ground)),
            },
            Command::Atomic(_) => nameless = nameless_in(ids, command, compat),
            Command::Sequence(_) => return Some((StatusCode::OK.into(), Task::Run)),
            Command::Unsupported(_) => return Some(refused(&unsupported(command))),
            _ if command.items().is_empty() => {
                return Some(refused(&Failure::Incomplete("Item")));
            }
            _ => {}
        }
        self.current = Some(Current {
            outcomes: std::mem::take(&mut self.told),
            waiting,
            answers: Vec::new(),
            nameless,
        });
        None
    }

    /// Puts the commands inside the command that was begun last next, if it is a group.
    fn enter(&mut self, task: fn(Command<'m>) -> Task<'m>) {
        let command = match &mut self.within {
            None => self.outer.get_mut(self.begun.wrapping_sub(1)),
            within => within.as_mut(),
        };
        if let Some(Command::Atomic(group) | Command::Sequence(group)) = command {
            self.inner.push(Task::Leave);
            let commands = mem::take(&mut group.commands).into_iter().rev();
            self.inner.extend(commands.map(task));
        }
    }
}

/// The command that was begun last: that of a group, or the last of those outside.
fn last<'c, 'm>(
    within: &'c Option<Command<'m>>,
    outer: &'c [Command<'m>],
    begun: usize,
) -> Option<&'c Command<'m>> {
    match within {
        None => outer.get(begun.wrapping_sub(1)),
        within => within.as_ref(),
    }
}

/// A command is not executed, nor is what is inside it.
fn refused<'m>(failure: &Failure) -> Over<'m> {
    (failure.into(), Task::Skip)
}

/// Whether a command has an id of its own.
fn is_known(ids: &mut SortedSet<CmdId>, command: &Command<'_>, compat: Compat) -> bool {
    match command.cmd_id() {
        Some(id) => ids.insert(id) || compat.duplicate_cmd_ids,
        None => compat.missing_cmd_ids,
    }
}

/// The places in document order of the commands inside a group that have no id of their own.
fn nameless_in(
    ids: &mut SortedSet<CmdId>,
    group: &Command<'_>,
    compat: Compat,
) -> SortedSet<usize> {
    let inside = group.flatten().enumerate().skip(1);
    inside
        .filter_map(|(place, command)| (!is_known(ids, command, compat)).then_some(place))
        .collect()
}

impl Task<'_> {
    fn into_owned(self) -> Task<'static> {
        match self {
            Self::Run(command) => Task::Run(command.into_owned()),
            Self::Skip(command) => Task::Skip(command.into_owned()),
            Self::Leave => Task::Leave,
        }
    }
}

impl Current {
    /// Goes on with the command; once it is done, what came of it and of those inside it.
    fn advance(
        &mut self,
        command: &Command<'_>,
        stopped: bool,
        ground: &mut Ground<'_>,
    ) -> Option<Done> {
        if self.waiting.is_some() {
            return None;
        }
        let is_done = match command {
            Command::Atomic(_) => return self.attempt(command, ground).map(Done::Group),
            // Its Items are one question.
            Command::Alert(_) => true,
            _ => self.items(command, stopped, ground),
        };
        is_done.then_some(Done::One)
    }

    /// Executes the Atomic, as far as the answers of the person at the device allow.
    ///
    /// What stops the walk while one is asked fails the Atomic, so that nothing more is asked then.
    fn attempt(&mut self, command: &Command<'_>, ground: &mut Ground<'_>) -> Option<Outcomes> {
        match atomic::attempt(command, &self.nameless, &self.outcomes, ground) {
            Attempt::Done(outcomes) => Some(outcomes),
            Attempt::Ask(asked) => {
                self.waiting = Some(ask(asked, ground));
                None
            }
        }
    }

    /// Goes on with the Items; whether all are done.
    fn items(&mut self, command: &Command<'_>, stopped: bool, ground: &mut Ground<'_>) -> bool {
        while let Some(item) = command.items().get(self.outcomes.len()) {
            if stopped {
                self.outcomes.push((&Failure::Skipped).into());
                continue;
            }
            let outcome = match run(command, item, &self.answers, ground) {
                Ok(Run::Done(outcome)) => outcome,
                Ok(Run::Waiting { job, anew }) => {
                    let due = ground.now.mono.saturating_add(ground.config.exec_limit);
                    self.waiting = Some(Waiting::Job { job, due, anew });
                    return false;
                }
                Err(failure) => (&failure).into(),
            };
            self.outcomes.push(outcome);
            self.answers.clear();
        }
        true
    }
}

/// Commands of SyncML that DM does not use; anything else is unknown.
const OTHER_COMMANDS: [&str; 5] = ["Map", "Move", "Put", "Search", "Sync"];

enum Run {
    Done(Outcome),
    Waiting { job: JobId, anew: bool },
}

/// Runs one Item of a command; anew, if it was put off for jobs with these answers.
fn run(
    command: &Command<'_>,
    item: &Item<'_>,
    answers: &[(JobId, ExecResult)],
    ground: &mut Ground<'_>,
) -> Result<Run, Failure> {
    if item.more_data {
        // A group comes whole, in one message.
        return Err(Failure::Unsupported);
    }
    if let Some((edit, body)) = Edit::of(command) {
        let meta = item.meta.inherit(&body.meta);
        let mut unit = ground.device.begin_anew(answers, ground.now);
        let edited =
            command::edit(&mut unit, edit, item, &meta, ground.by).and_then(|()| unit.validate());
        return match edited {
            Err(Failure::PutOff) if answers.len() >= ground.config.max_command_jobs => {
                unit.roll_back();
                Err(Failure::TooManyJobs)
            }
            Err(Failure::PutOff) => {
                let job = unit.put_off()?;
                Ok(Run::Waiting { job, anew: true })
            }
            edited => {
                unit.close(edited)?;
                Ok(Run::Done(StatusCode::OK.into()))
            }
        };
    }
    match command {
        Command::Get(_) => {
            let encoding = ground.config.encoding;
            if !ground
                .session
                .has_room_for_results(ground.config.max_waiting_results)
            {
                return Err(Failure::TooLarge);
            }
            let items = command::get(ground.device, item, ground.by, encoding, ground.now)?;
            let results = ground.session.measure(items, command.items().len() == 1)?;
            Ok(Run::Done(Outcome::read(results)))
        }
        Command::Exec(exec) => {
            let correlator = exec.correlator.as_deref().map(Correlator::new);
            let meta = item.meta.inherit(&exec.meta);
            let (by, now) = (ground.by, ground.now);
            let executed = command::exec(ground.device, item, &meta, correlator.as_ref(), by, now)?;
            Ok(match executed {
                Executed::Done(result) => Run::Done(self::executed(result)),
                Executed::Accepted => Run::Done(StatusCode::ACCEPTED.into()),
                Executed::Pending(job) => Run::Waiting { job, anew: false },
            })
        }
        _ => Err(Failure::Misplaced),
    }
}

/// Why a command that changes no node, or is none, is not executed.
pub(crate) fn unsupported(command: &Command<'_>) -> Failure {
    match command {
        Command::Unsupported(unsupported) => {
            if OTHER_COMMANDS.contains(&unsupported.name.as_ref()) {
                Failure::Unsupported
            } else {
                Failure::Unknown
            }
        }
        _ => Failure::Misplaced,
    }
}

fn executed(result: ExecResult) -> Outcome {
    let items = result
        .items
        .into_iter()
        .map(|data| Item::new().with_data(data));
    Outcome::new(result.status, items.collect())
}

/// What is to be done about an alert of the server.
pub(crate) enum Alerted {
    Done(Outcome),
    Ask(Asked),
}

/// Hands a question out.
fn ask(asked: Asked, ground: &mut Ground<'_>) -> Waiting {
    let limit = ground.config.interaction_limit;
    Waiting::Answer(Open::new(asked, limit, ground.device, ground.now))
}

/// The answer to an alert of the server; Alert 1223 ends the session before it gets here.
/// [DM-RepPro]
pub(crate) fn alerted(alert: &Alert<'_>) -> Alerted {
    Alerted::Done(match alert.code {
        None => (&Failure::Incomplete("Data")).into(),
        Some(AlertCode::NEXT_MESSAGE | AlertCode::NO_END_OF_DATA) => StatusCode::OK.into(),
        Some(code) if code.is_user_interaction() => match Asked::of(alert) {
            Some(Ok(asked)) => return Alerted::Ask(asked),
            Some(Err(status)) => status.into(),
            None => (&Failure::Unsupported).into(),
        },
        Some(
            AlertCode::SERVER_INITIATED
            | AlertCode::CLIENT_INITIATED
            | AlertCode::CLIENT_EVENT
            | AlertCode::GENERIC,
        ) => (&Failure::Misplaced).into(),
        Some(_) => (&Failure::Unsupported).into(),
    })
}
