//! The commands of one message, in document order.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use omadm_core::{AlertCode, Correlator, Now, StatusCode};
use omadm_mo::{ExecResult, JobId};
use omadm_syncml::{Alert, CmdId, Command, Item, Meta, NodeCommand};
use omadm_tree::Principal;

use crate::{
    Config,
    answer::{Outcome, answer},
    command::{self, Edit},
    device::{Device, Executed},
    failure::Failure,
    session::Session,
    value,
};

/// A walk through the commands of a message: one after the other, each one answered before the next
/// begins.
///
/// An Exec whose job is under way holds up the walk, so that what follows sees what it did.
/// [DM-Protocol] leaves the order to the client.
#[derive(Debug)]
pub(crate) struct Walk {
    msg_id: u32,
    tasks: VecDeque<Task>,
    current: Option<Current>,
    ids: BTreeSet<CmdId>,
    /// Nothing more is executed.
    stopped: bool,
}

#[derive(Debug)]
enum Task {
    Run(Command<'static>),
    /// Answer it and what is inside with 215.
    Skip(Command<'static>),
}

/// The command under way.
#[derive(Debug)]
struct Current {
    command: Command<'static>,
    /// One for each Item that is done.
    outcomes: Vec<Outcome>,
    waiting: Option<Waiting>,
}

/// The Item after the last outcome waits for a job.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    job: JobId,
    /// When it is answered with 202, monotonic.
    due: Duration,
}

/// What a walk works with.
pub(crate) struct Ground<'a> {
    pub(crate) config: &'a Config,
    pub(crate) device: &'a mut Device,
    pub(crate) session: &'a mut Session,
    pub(crate) by: &'a Principal,
    pub(crate) now: Now,
}

impl Walk {
    /// A walk through what the message `msg_id` holds besides Status.
    pub(crate) fn new(msg_id: u32, commands: impl IntoIterator<Item = Command<'static>>) -> Self {
        Self {
            msg_id,
            tasks: commands.into_iter().map(Task::Run).collect(),
            current: None,
            ids: BTreeSet::new(),
            stopped: false,
        }
    }

    /// Goes on until the end or until a job has to end first; whether it is the end.
    pub(crate) fn advance(&mut self, ground: &mut Ground<'_>) -> bool {
        loop {
            if let Some(mut current) = self.current.take() {
                if !current.advance(self.stopped, ground) {
                    self.current = Some(current);
                    return false;
                }
                let Current {
                    command, outcomes, ..
                } = current;
                self.answer(&command, outcomes, ground);
            }
            match self.tasks.pop_front() {
                Some(Task::Run(command)) if !self.stopped => self.begin(command, ground),
                Some(Task::Run(command) | Task::Skip(command)) => {
                    self.answer(&command, vec![(&Failure::Skipped).into()], ground);
                    self.enter(command, Task::Skip);
                }
                None => return true,
            }
        }
    }

    /// The job ended: the final answer to the Exec, if it is the one that waits.
    pub(crate) fn completed(&mut self, job: JobId, result: ExecResult) {
        self.settle(job, executed(result));
    }

    /// Answers the Exec that waits for `job` with 202.
    pub(crate) fn accepted(&mut self, job: JobId) {
        self.settle(job, StatusCode::ACCEPTED.into());
    }

    /// Gives the job that holds up the walk more time.
    pub(crate) fn postpone(&mut self, due: Duration) {
        if let Some(Waiting { due: old, .. }) = self.waiting_mut() {
            *old = due;
        }
    }

    /// Skips what has not begun.
    pub(crate) const fn stop(&mut self) {
        self.stopped = true;
    }

    /// The job that holds up the walk, and until when.
    pub(crate) fn waiting(&self) -> Option<(JobId, Duration)> {
        let waiting = self.current.as_ref()?.waiting?;
        Some((waiting.job, waiting.due))
    }

    fn waiting_mut(&mut self) -> Option<&mut Waiting> {
        self.current.as_mut()?.waiting.as_mut()
    }

    fn settle(&mut self, job: JobId, outcome: Outcome) {
        let Some(current) = &mut self.current else {
            return;
        };
        if current
            .waiting
            .take_if(|waiting| waiting.job == job)
            .is_some()
        {
            current.outcomes.push(outcome);
        }
    }

    fn begin(&mut self, command: Command<'static>, ground: &mut Ground<'_>) {
        let compat = &ground.config.compat;
        let known = match command.cmd_id() {
            Some(id) => self.ids.insert(id) || compat.duplicate_cmd_ids,
            None => compat.missing_cmd_ids,
        };
        if !known {
            self.answer(&command, vec![(&Failure::NoId).into()], ground);
            self.enter(command, Task::Skip);
            return;
        }
        match &command {
            Command::Alert(alert) => {
                let outcome = alerted(alert);
                self.answer(&command, vec![outcome], ground);
            }
            // A transaction over several commands is not offered yet.
            Command::Atomic(_) => {
                self.answer(&command, vec![(&Failure::Unsupported).into()], ground);
                self.enter(command, Task::Skip);
            }
            Command::Sequence(_) => {
                self.answer(&command, vec![StatusCode::OK.into()], ground);
                self.enter(command, Task::Run);
            }
            Command::Unsupported(unsupported) => {
                let failure = if OTHER_COMMANDS.contains(&unsupported.name.as_ref()) {
                    Failure::Unsupported
                } else {
                    Failure::Unknown
                };
                self.answer(&command, vec![(&failure).into()], ground);
            }
            _ if command.items().is_empty() => {
                let failure = Failure::Incomplete("Item");
                self.answer(&command, vec![(&failure).into()], ground);
            }
            _ => {
                self.current = Some(Current {
                    command,
                    outcomes: Vec::new(),
                    waiting: None,
                })
            }
        }
    }

    /// Puts the commands inside a group next.
    fn enter(&mut self, command: Command<'static>, task: impl Fn(Command<'static>) -> Task) {
        if let Command::Atomic(group) | Command::Sequence(group) = command {
            for command in group.commands.into_iter().rev() {
                self.tasks.push_front(task(command));
            }
        }
    }

    fn answer(&self, command: &Command<'_>, outcomes: Vec<Outcome>, ground: &mut Ground<'_>) {
        let limit = match command {
            Command::Get(_) => ground.session.results_limit(),
            _ => 0,
        };
        let answers = answer(self.msg_id, command, outcomes, limit, ground.device);
        ground.session.answer(answers);
    }
}

impl Current {
    /// Goes on with the Items; whether all are done.
    fn advance(&mut self, stopped: bool, ground: &mut Ground<'_>) -> bool {
        if self.waiting.is_some() {
            return false;
        }
        while let Some(item) = self.command.items().get(self.outcomes.len()) {
            if stopped {
                self.outcomes.push((&Failure::Skipped).into());
                continue;
            }
            match run(&self.command, item, ground) {
                Ok(Run::Done(outcome)) => self.outcomes.push(outcome),
                Ok(Run::Waiting(job)) => {
                    let due = ground.now.mono.saturating_add(ground.config.exec_limit);
                    self.waiting = Some(Waiting { job, due });
                    return false;
                }
                Err(failure) => self.outcomes.push((&failure).into()),
            }
        }
        true
    }
}

/// Commands of SyncML that DM does not use; anything else is unknown.
const OTHER_COMMANDS: [&str; 5] = ["Map", "Move", "Put", "Search", "Sync"];

enum Run {
    Done(Outcome),
    Waiting(JobId),
}

/// Runs one Item of a command.
fn run(command: &Command<'_>, item: &Item<'_>, ground: &mut Ground<'_>) -> Result<Run, Failure> {
    if item.more_data {
        // Objects larger than a message are not put together yet.
        return Err(Failure::Unsupported);
    }
    match command {
        Command::Add(add) => edit(Edit::Add, item, add, ground),
        Command::Copy(copy) => edit(Edit::Copy, item, copy, ground),
        Command::Delete(delete) => edit(Edit::Delete, item, delete, ground),
        Command::Replace(replace) => edit(Edit::Replace, item, replace, ground),
        Command::Get(_) => {
            let reading = command::get(ground.device, item, ground.by, ground.now)?;
            let uri = item.target.as_ref().map_or("", |target| &target.uri);
            let items = value::items(uri, reading, ground.config.encoding)?;
            let results = ground.session.measure(items)?;
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
                Executed::Pending(job) => Run::Waiting(job),
            })
        }
        _ => Err(Failure::Misplaced),
    }
}

/// Makes the change one Item asks for, durable on its own.
fn edit(
    edit: Edit,
    item: &Item<'_>,
    command: &NodeCommand<'_>,
    ground: &mut Ground<'_>,
) -> Result<Run, Failure> {
    let meta: Meta<'_> = item.meta.inherit(&command.meta);
    let mut unit = ground.device.begin(ground.now);
    let edited =
        command::edit(&mut unit, edit, item, &meta, ground.by).and_then(|()| unit.validate());
    unit.close(edited)?;
    Ok(Run::Done(StatusCode::OK.into()))
}

fn executed(result: ExecResult) -> Outcome {
    let items = result
        .items
        .into_iter()
        .map(|data| Item::new().with_data(data));
    Outcome::new(result.status, items.collect())
}

/// The answer to an alert of the server; Alert 1223 ends the session before it gets here.
/// [DM-RepPro]
fn alerted(alert: &Alert<'_>) -> Outcome {
    match alert.code {
        None => (&Failure::Incomplete("Data")).into(),
        Some(AlertCode::NEXT_MESSAGE | AlertCode::NO_END_OF_DATA) => StatusCode::OK.into(),
        // Nobody is asked yet.
        Some(code) if code.is_user_interaction() => (&Failure::Unsupported).into(),
        Some(
            AlertCode::SERVER_INITIATED
            | AlertCode::CLIENT_INITIATED
            | AlertCode::CLIENT_EVENT
            | AlertCode::GENERIC,
        ) => (&Failure::Misplaced).into(),
        Some(_) => (&Failure::Unsupported).into(),
    }
}
