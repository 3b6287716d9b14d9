//! Atomic: commands that succeed together or not at all. [DM-RepPro §6.5.3]

use std::slice;

use omadm_core::{SortedSet, StatusCode};
use omadm_syncml::Command;
use omadm_tree::Principal;

use crate::{
    answer::Outcome,
    command::{self, Edit},
    device::Unit,
    failure::Failure,
    question::Asked,
    walk::{Alerted, Ground, alerted, unsupported},
};

/// What came of an Atomic and the commands inside it, in document order: for each its outcomes, one
/// for each Item or one for all.
pub(crate) type Outcomes = Vec<Vec<Outcome>>;

/// How far an Atomic came: [`attempt`].
pub(crate) enum Attempt {
    /// To its end, good or bad.
    Done(Outcomes),
    /// To a question whose answer is not known. Nothing is changed.
    Ask(Asked),
}

/// Why the commands do not go on.
enum Stop {
    Failed(Outcome),
    Ask(Box<Asked>),
}

impl From<&Failure> for Stop {
    fn from(failure: &Failure) -> Self {
        Self::Failed(failure.into())
    }
}

/// Executes an Atomic as one change of the tree and the objects. Those of the commands inside (by
/// their place in document order) that are in `nameless` have no CmdID of their own; `answers` are
/// the outcomes of the first questions in it.
///
/// | | the Atomic | executed | the one that failed | the rest |
/// |---|---|---|---|---|
/// | all went well | 200 | 200 | | |
/// | one failed | 507 | 216 | its status | 215 |
///
/// A command that an object puts off has failed with 406: there is no waiting in an Atomic.
///
/// A refusal of the result as a whole, by an object or the journal, is that of the last command.
///
/// Everything is one transaction in memory until its commit: taking it back cannot fail, so there
/// is no 516, and the outcome is certain before the first Status is packed, so Statuses may spread
/// over messages and there is no 517. At a question everything is taken back too, and the next
/// attempt, with the answer, begins anew: while a person thinks, the device goes on. How often that
/// happens is limited by [`Config::max_atomic_questions`](crate::Config::max_atomic_questions).
pub(crate) fn attempt(
    atomic: &Command<'_>,
    nameless: &SortedSet<usize>,
    answers: &[Outcome],
    ground: &mut Ground<'_>,
) -> Attempt {
    let commands: Vec<&Command<'_>> = atomic.flatten().collect();
    let is_last = answers.len() >= ground.config.max_atomic_questions;
    let mut answers = answers.iter();
    let mut done: Outcomes = vec![Vec::new()];
    let mut unit = ground.device.begin_atomic(ground.now);
    let mut result = Ok(());
    for (place, command) in commands.iter().enumerate().skip(1) {
        let mut outcomes = Vec::new();
        result = if nameless.contains(&place) {
            Err((&Failure::NoId).into())
        } else {
            step(command, &mut outcomes, &mut answers, &mut unit, ground.by)
        };
        done.push(outcomes);
        if result.is_err() {
            break;
        }
    }
    let failed = match result {
        Ok(()) => {
            let validated = unit.validate();
            match unit.close(validated) {
                Ok(()) => {
                    if let Some(own) = done.first_mut() {
                        own.push(StatusCode::OK.into());
                    }
                    return Attempt::Done(done);
                }
                Err(failure) => {
                    // The last command takes the blame, with its last Item.
                    done.last_mut().map(Vec::pop);
                    Outcome::from(&failure)
                }
            }
        }
        Err(stop) => {
            unit.roll_back();
            match stop {
                Stop::Failed(outcome) => outcome,
                Stop::Ask(_) if is_last => (&Failure::TooManyQuestions).into(),
                Stop::Ask(asked) => return Attempt::Ask(*asked),
            }
        }
    };
    Attempt::Done(undone(&commands, &done, failed))
}

/// The outcomes once `failed` is that of the Item after the last one of `done`.
fn undone(commands: &[&Command<'_>], done: &[Vec<Outcome>], failed: Outcome) -> Outcomes {
    let mut failed = Some(failed);
    let last = done.len().saturating_sub(1);
    let executed = done.iter().map(Vec::len).chain(std::iter::repeat(0));
    let outcomes = commands
        .iter()
        .zip(executed)
        .enumerate()
        .map(|(place, (command, executed))| {
            let rolled_back = || StatusCode::ATOMIC_ROLLED_BACK.into();
            match place {
                0 => vec![StatusCode::ATOMIC_FAILED.into()],
                place if place < last => vec![rolled_back()],
                place if place == last => {
                    let items = Edit::of(command).map_or(1, |(_, body)| body.items.len());
                    let rest = items.saturating_sub(executed + 1);
                    std::iter::repeat_with(rolled_back)
                        .take(executed)
                        .chain(failed.take())
                        .chain(std::iter::repeat_with(|| (&Failure::Skipped).into()).take(rest))
                        .collect()
                }
                _ => vec![(&Failure::Skipped).into()],
            }
        });
    outcomes.collect()
}

/// Executes one command, as far as it goes: an outcome for each Item that is done, or one for a
/// command without Items.
fn step(
    command: &Command<'_>,
    done: &mut Vec<Outcome>,
    answers: &mut slice::Iter<'_, Outcome>,
    unit: &mut Unit<'_>,
    by: &Principal,
) -> Result<(), Stop> {
    match command {
        // The commands inside follow.
        Command::Sequence(_) => done.push(StatusCode::OK.into()),
        Command::Alert(alert) => {
            let outcome = match (alerted(alert), answers.as_slice()) {
                (Alerted::Done(outcome), _) => outcome,
                (Alerted::Ask(asked), []) => return Err(Stop::Ask(asked.into())),
                (Alerted::Ask(_), [answer, ..]) => {
                    answers.next();
                    answer.clone()
                }
            };
            if !outcome.is_success() {
                return Err(Stop::Failed(outcome));
            }
            done.push(outcome);
        }
        // Cannot be taken back, or is nothing to be taken back.
        Command::Atomic(_) | Command::Exec(_) | Command::Get(_) => {
            return Err(Stop::Failed(StatusCode::COMMAND_FAILED.into()));
        }
        command => {
            let Some((edit, body)) = Edit::of(command) else {
                return Err((&unsupported(command)).into());
            };
            if body.items.is_empty() {
                return Err((&Failure::Incomplete("Item")).into());
            }
            for item in &body.items {
                if item.more_data {
                    // A group comes whole, in one message.
                    return Err((&Failure::Unsupported).into());
                }
                let meta = item.meta.inherit(&body.meta);
                command::edit(unit, edit, item, &meta, by)
                    .map_err(|failure| Stop::from(&failure))?;
                done.push(StatusCode::OK.into());
            }
        }
    }
    Ok(())
}
