//! The commands of one message, in document order.

use std::{collections::VecDeque, time::Duration, vec};

use omadm_core::{AlertCode, Correlator, Now, SortedSet, StatusCode, UserAnswer, UserInteraction};
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
    question::{self, Effect, Open},
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
    /// What is left of the commands of groups that were begun.
    inner: VecDeque<Task<'m>>,
    /// What comes behind them.
    outer: vec::IntoIter<Taken<'m>>,
    current: Option<Current<'m>>,
    ids: SortedSet<CmdId>,
    /// Nothing more is executed.
    stopped: bool,
}

/// A command, with its status if it is not to be executed, such as that of a chunk.
pub(crate) type Taken<'m> = (Command<'m>, Option<StatusCode>);

#[derive(Debug)]
enum Task<'m> {
    Run(Command<'m>),
    /// Answer it and what is inside with 215.
    Skip(Command<'m>),
    /// The end of a Sequence.
    Leave,
}

/// The command under way.
#[derive(Debug)]
struct Current<'m> {
    command: Command<'m>,
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
    /// Of one that holds no others.
    One(Vec<Outcome>),
    Group(Outcomes),
}

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
    pub(crate) fn new(msg_id: u32, commands: Vec<Taken<'m>>) -> Self {
        Self {
            msg_id,
            inner: VecDeque::new(),
            outer: commands.into_iter(),
            current: None,
            ids: SortedSet::new(),
            stopped: false,
        }
    }

    /// The same, detached from the message.
    pub(crate) fn into_owned(self) -> Walk<'static> {
        let outer = self
            .outer
            .map(|(command, status)| (command.into_owned(), status));
        Walk {
            msg_id: self.msg_id,
            inner: self.inner.into_iter().map(Task::into_owned).collect(),
            outer: outer.collect::<Vec<_>>().into_iter(),
            current: self.current.map(Current::into_owned),
            ids: self.ids,
            stopped: self.stopped,
        }
    }

    /// Goes on until the end or until a job has to end first; whether it is the end.
    pub(crate) fn advance(&mut self, ground: &mut Ground<'_>) -> bool {
        loop {
            if let Some(current) = &mut self.current {
                let Some(done) = current.advance(self.stopped, ground) else {
                    return false;
                };
                let mut tell = |command: &_, outcomes| {
                    answer(
                        self.msg_id,
                        command,
                        outcomes,
                        ground.session,
                        ground.device,
                    );
                };
                match done {
                    Done::One(outcomes) => tell(&current.command, outcomes),
                    Done::Group(outcomes) => {
                        for (command, outcomes) in current.command.flatten().zip(outcomes) {
                            tell(command, outcomes);
                        }
                    }
                }
                self.current = None;
            }
            let next = match self.inner.pop_front() {
                Some(Task::Leave) => continue,
                Some(Task::Run(command)) => (command, None),
                Some(Task::Skip(command)) => {
                    self.skip(command, ground);
                    continue;
                }
                None => match self.outer.next() {
                    Some(next) => next,
                    None => return true,
                },
            };
            match next {
                (command, _) if self.stopped => self.skip(command, ground),
                (command, None) => self.begin(command, ground),
                (command, Some(status)) => {
                    let outcome = if self.is_known(&command, ground.config.compat) {
                        status.into()
                    } else {
                        (&Failure::NoId).into()
                    };
                    self.answer(&command, vec![outcome], ground);
                }
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
        let current = self.current.as_ref().map(|current| &current.command);
        matches!(current, Some(Command::Atomic(_)))
    }

    /// Skips the rest of the innermost Sequence.
    fn leave(&mut self) {
        let Some(end) = self
            .inner
            .iter()
            .position(|task| matches!(task, Task::Leave))
        else {
            return;
        };
        let after = self.inner.split_off(end);
        let skipped = std::mem::take(&mut self.inner)
            .into_iter()
            .map(|task| match task {
                Task::Run(command) => Task::Skip(command),
                task => task,
            });
        self.inner = skipped.chain(after).collect();
    }

    /// Answers a command and what is inside with 215.
    fn skip(&mut self, command: Command<'m>, ground: &mut Ground<'_>) {
        self.answer(&command, vec![(&Failure::Skipped).into()], ground);
        self.enter(command, Task::Skip);
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

    /// Ends the wait for a job: the command, and whether it is begun anew.
    fn settled(&mut self, job: JobId) -> Option<(&mut Current<'m>, bool)> {
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

    fn begin(&mut self, command: Command<'m>, ground: &mut Ground<'_>) {
        let compat = ground.config.compat;
        if !self.is_known(&command, compat) {
            self.answer(&command, vec![(&Failure::NoId).into()], ground);
            self.enter(command, Task::Skip);
            return;
        }
        match &command {
            Command::Alert(alert) => {
                let waiting = match alerted(alert) {
                    Alerted::Done(outcome) => {
                        self.answer(&command, vec![outcome], ground);
                        return;
                    }
                    Alerted::Ask(asked) => ask(asked, ground),
                };
                self.current = Some(Current {
                    waiting: Some(waiting),
                    ..Current::new(command)
                });
            }
            Command::Atomic(_) => {
                self.current = Some(Current {
                    nameless: self.nameless(&command, compat),
                    ..Current::new(command)
                });
            }
            Command::Sequence(_) => {
                self.answer(&command, vec![StatusCode::OK.into()], ground);
                self.enter(command, Task::Run);
            }
            Command::Unsupported(_) => {
                let failure = unsupported(&command);
                self.answer(&command, vec![(&failure).into()], ground);
            }
            _ if command.items().is_empty() => {
                let failure = Failure::Incomplete("Item");
                self.answer(&command, vec![(&failure).into()], ground);
            }
            _ => self.current = Some(Current::new(command)),
        }
    }

    /// Whether a command has an id of its own.
    fn is_known(&mut self, command: &Command<'_>, compat: Compat) -> bool {
        match command.cmd_id() {
            Some(id) => self.ids.insert(id) || compat.duplicate_cmd_ids,
            None => compat.missing_cmd_ids,
        }
    }

    /// The places in document order of the commands inside a group that have no id of their own.
    fn nameless(&mut self, group: &Command<'_>, compat: Compat) -> SortedSet<usize> {
        let inside = group.flatten().enumerate().skip(1);
        inside
            .filter_map(|(place, command)| (!self.is_known(command, compat)).then_some(place))
            .collect()
    }

    /// Puts the commands inside a group next.
    fn enter(&mut self, command: Command<'m>, task: impl Fn(Command<'m>) -> Task<'m>) {
        if let Command::Atomic(group) | Command::Sequence(group) = command {
            self.inner.push_front(Task::Leave);
            for command in group.commands.into_iter().rev() {
                self.inner.push_front(task(command));
            }
        }
    }

    fn answer(&self, command: &Command<'_>, outcomes: Vec<Outcome>, ground: &mut Ground<'_>) {
        answer(
            self.msg_id,
            command,
            outcomes,
            ground.session,
            ground.device,
        );
    }
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

impl<'m> Current<'m> {
    fn into_owned(self) -> Current<'static> {
        Current {
            command: self.command.into_owned(),
            outcomes: self.outcomes,
            waiting: self.waiting,
            answers: self.answers,
            nameless: self.nameless,
        }
    }

    const fn new(command: Command<'m>) -> Self {
        Self {
            command,
            outcomes: Vec::new(),
            waiting: None,
            answers: Vec::new(),
            nameless: SortedSet::new(),
        }
    }

    /// Goes on with the command; once it is done, what came of it and of those inside it.
    fn advance(&mut self, stopped: bool, ground: &mut Ground<'_>) -> Option<Done> {
        if self.waiting.is_some() {
            return None;
        }
        let is_done = match &self.command {
            Command::Atomic(_) => return self.attempt(ground).map(Done::Group),
            // Its Items are one question.
            Command::Alert(_) => true,
            _ => self.items(stopped, ground),
        };
        is_done.then(|| Done::One(std::mem::take(&mut self.outcomes)))
    }

    /// Executes the Atomic, as far as the answers of the person at the device allow.
    ///
    /// What stops the walk while one is asked fails the Atomic, so that nothing more is asked then.
    fn attempt(&mut self, ground: &mut Ground<'_>) -> Option<Outcomes> {
        match atomic::attempt(&self.command, &self.nameless, &self.outcomes, ground) {
            Attempt::Done(outcomes) => Some(outcomes),
            Attempt::Ask(asked) => {
                self.waiting = Some(ask(asked, ground));
                None
            }
        }
    }

    /// Goes on with the Items; whether all are done.
    fn items(&mut self, stopped: bool, ground: &mut Ground<'_>) -> bool {
        while let Some(item) = self.command.items().get(self.outcomes.len()) {
            if stopped {
                self.outcomes.push((&Failure::Skipped).into());
                continue;
            }
            let outcome = match run(&self.command, item, &self.answers, ground) {
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
    Ask(UserInteraction),
}

/// Hands a question out.
fn ask(asked: UserInteraction, ground: &mut Ground<'_>) -> Waiting {
    let id = ground.device.next_question();
    let open = Open::new(id, asked, ground.config.interaction_limit, ground.now);
    let question = open.question().clone();
    ground.device.outputs().push_back(Output::Ask(question));
    Waiting::Answer(open)
}

/// The answer to an alert of the server; Alert 1223 ends the session before it gets here.
/// [DM-RepPro]
pub(crate) fn alerted(alert: &Alert<'_>) -> Alerted {
    Alerted::Done(match alert.code {
        None => (&Failure::Incomplete("Data")).into(),
        Some(AlertCode::NEXT_MESSAGE | AlertCode::NO_END_OF_DATA) => StatusCode::OK.into(),
        Some(code) if code.is_user_interaction() => match alert.user_interaction() {
            Ok(asked) => return Alerted::Ask(asked),
            Err(error) => error.status().into(),
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
