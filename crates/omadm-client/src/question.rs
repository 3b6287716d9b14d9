//! User interaction: what a command that asks a person waits for. [DM-Protocol §12]

use std::time::Duration;

use omadm_core::{Interaction, Now, StatusCode, UserAnswer, UserInteraction};
use omadm_syncml::{Alert, Status};

use crate::{Output, Question, answer::Outcome, device::Device};

/// That there may be somebody to ask: without the feature it has no value, and what needs one is no
/// code.
#[derive(Clone, Copy, Debug)]
enum Somebody {
    #[cfg(feature = "interaction")]
    There,
}

impl Somebody {
    const MAYBE: Option<Self> = {
        #[cfg(feature = "interaction")]
        let somebody = Some(Self::There);
        #[cfg(not(feature = "interaction"))]
        let somebody = None;
        somebody
    };
}

/// What somebody is to be asked.
#[derive(Debug)]
pub(crate) struct Asked {
    asked: UserInteraction,
    somebody: Somebody,
}

impl Asked {
    /// Something to ask; none if nobody ever is.
    pub(crate) fn new(asked: impl FnOnce() -> UserInteraction) -> Option<Self> {
        let somebody = Somebody::MAYBE?;
        let asked = asked();
        Some(Self { asked, somebody })
    }

    /// What an alert asks, or the status it gets; none if nobody ever is asked.
    pub(crate) fn of(alert: &Alert<'_>) -> Option<Result<Self, StatusCode>> {
        let somebody = Somebody::MAYBE?;
        let asked = alert.user_interaction();
        let asked = asked.map(|asked| Self { asked, somebody });
        Some(asked.map_err(|error| error.status()))
    }
}

/// A question that was handed out.
#[derive(Debug)]
pub(crate) struct Open {
    question: Question,
    _somebody: Somebody,
    /// What is shown stays until then, monotonic: MINDT.
    earliest: Duration,
    /// When it is over, monotonic; never before `earliest` counts.
    due: Duration,
    /// What was answered before `earliest`.
    answer: Option<UserAnswer>,
}

/// What an answer means for the commands that follow. [DM-Protocol §12.2]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    /// Nothing.
    Nothing,
    /// The rest of the Sequence or Atomic it is in is not executed.
    LeaveGroup,
    /// Nothing more of the message is executed.
    Stop,
}

impl Open {
    /// Hands a question out that is over after MAXDT, but no later than after `limit`.
    pub(crate) fn new(asked: Asked, limit: Duration, device: &mut Device, now: Now) -> Self {
        let Asked { asked, somebody } = asked;
        let longest = asked
            .options
            .max_display
            .map_or(limit, |max| max.min(limit));
        // A person who answers has seen it.
        let shortest = match asked.interaction {
            Interaction::Display => asked.options.min_display.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let id = device.next_question();
        let question = Question { id, asked };
        device.outputs().push_back(Output::Ask(question.clone()));
        Self {
            question,
            earliest: now.mono.saturating_add(shortest.min(longest)),
            due: now.mono.saturating_add(longest),
            answer: None,
            _somebody: somebody,
        }
    }

    /// What is asked.
    pub(crate) const fn question(&self) -> &Question {
        &self.question
    }

    /// When something is to be done, monotonic.
    pub(crate) const fn deadline(&self) -> Duration {
        match self.answer {
            Some(_) => self.earliest,
            None => self.due,
        }
    }

    /// Takes in the answer.
    pub(crate) fn answered(&mut self, answer: UserAnswer) {
        self.answer.get_or_insert(answer);
    }

    /// What it came to, if its time has come, and whether the person was asked in vain.
    pub(crate) fn conclude(&mut self, now: Duration) -> Option<(UserAnswer, bool)> {
        if self.earliest <= now
            && let Some(answer) = self.answer.take()
        {
            return Some((answer, false));
        }
        (self.due <= now).then_some((UserAnswer::TimedOut, true))
    }
}

impl Effect {
    pub(crate) const fn of(answer: &UserAnswer) -> Self {
        match answer {
            UserAnswer::Accepted
            | UserAnswer::Text(_)
            | UserAnswer::Choices(_)
            | UserAnswer::CannotDisplay
            | UserAnswer::Unsupported => Self::Nothing,
            UserAnswer::Rejected => Self::LeaveGroup,
            UserAnswer::Cancelled | UserAnswer::TimedOut => Self::Stop,
        }
    }
}

/// The status of an answer, and its Items.
pub(crate) fn outcome(answer: &UserAnswer) -> Outcome {
    let status = Status::new(0, None, "Alert", StatusCode::OK).with_answer(answer);
    Outcome::new(status.code, status.items)
}
