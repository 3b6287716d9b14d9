use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Sender},
    },
    thread,
};

use omadm_client::{Question, QuestionId};
use omadm_core::{Interaction, UserAnswer, UserInteraction};
use omadm_download::Cancel;
use virmo_client::{VmQuestion, VmUserInterface};
use virmo_hypervisor::HypervisorError;

/// The person at the device, or whoever stands in: answers what a server asks by the alerts 1100 to
/// 1104. [DM-Protocol §12]
///
/// [`Unattended`] is one without a person. A device with a screen brings its own:
///
/// ```
/// use omadm_core::{Interaction, UserAnswer, UserInteraction};
/// use omadm_download::Cancel;
/// use virmo_runtime::UserInterface;
///
/// /// Shows texts, and nothing else.
/// struct StatusLine;
///
/// impl UserInterface for StatusLine {
///     fn ask(&self, asked: &UserInteraction, _over: &Cancel) -> UserAnswer {
///         match asked.interaction {
///             Interaction::Display => {
///                 println!("{}", asked.text);
///                 UserAnswer::Accepted
///             }
///             _ => UserAnswer::Unsupported,
///         }
///     }
/// }
/// ```
pub trait UserInterface: Send + Sync {
    /// Asks, and waits for the answer; called on a thread of its own, one question at a time.
    ///
    /// `over` is thrown when the answer is of no use any more, because MAXDT or
    /// [`Config::interaction_limit`](omadm_client::Config::interaction_limit) has passed or the
    /// session ends: the question is to be taken off the screen, and whatever is returned is
    /// ignored. An answer that is [none that fits](UserInteraction::accepts) counts as
    /// [`UserAnswer::CannotDisplay`].
    fn ask(&self, asked: &UserInteraction, over: &Cancel) -> UserAnswer;
}

/// A device nobody sits at: every question has the same kind of answer at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unattended {
    /// Yes: texts are shown to nobody, confirmations accepted, inputs and choices get
    /// [the default response](UserInteraction::default_answer), else the empty text or the first
    /// choice; cancelled where that does not fit.
    Accept,
    /// No: texts are shown to nobody, confirmations rejected, inputs and choices cancelled.
    Reject,
}

impl UserInterface for Unattended {
    fn ask(&self, asked: &UserInteraction, _over: &Cancel) -> UserAnswer {
        let answer = match (self, &asked.interaction) {
            (_, Interaction::Display) | (Self::Accept, Interaction::Confirm) => {
                UserAnswer::Accepted
            }
            (Self::Accept, interaction) => {
                asked.default_answer().unwrap_or_else(|| match interaction {
                    Interaction::TextInput => UserAnswer::Text(String::new()),
                    _ => UserAnswer::Choices(vec![1]),
                })
            }
            (Self::Reject, Interaction::Confirm) => UserAnswer::Rejected,
            (Self::Reject, _) => UserAnswer::Cancelled,
        };
        if asked.accepts(&answer) {
            answer
        } else {
            UserAnswer::Cancelled
        }
    }
}

/// A [`UserInterface`] that is asked by several: one question at a time.
pub(crate) struct Shared {
    interface: Arc<dyn UserInterface>,
    turn: Mutex<()>,
}

impl Shared {
    pub(crate) fn new(interface: Arc<dyn UserInterface>) -> Self {
        Self {
            interface,
            turn: Mutex::default(),
        }
    }
}

impl UserInterface for Shared {
    fn ask(&self, asked: &UserInteraction, over: &Cancel) -> UserAnswer {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if over.is_cancelled() {
            return UserAnswer::TimedOut;
        }
        self.interface.ask(asked, over)
    }
}

/// The person at the device answers for the user of every VM; the text says for which.
/// [VirMO §11.2.2]
impl VmUserInterface for Shared {
    fn ask(&self, question: &VmQuestion<'_>, over: &Cancel) -> Result<UserAnswer, HypervisorError> {
        let mut asked = question.asked.clone();
        asked.text = format!("{}: {}", question.node, asked.text);
        Ok(UserInterface::ask(self, &asked, over))
    }
}

/// Puts questions to a [`UserInterface`] on a thread of its own. Dropping it takes the open
/// question back, and the thread ends.
pub(crate) struct Asker {
    questions: Sender<(Question, Cancel)>,
    open: Mutex<Option<(QuestionId, Cancel)>>,
}

impl Asker {
    /// `report` is called on the thread with each answer, also with those that come too late.
    pub(crate) fn start(
        interface: Arc<dyn UserInterface>,
        report: impl Fn(QuestionId, UserAnswer) + Send + 'static,
    ) -> io::Result<Self> {
        let (questions, incoming) = mpsc::channel::<(Question, Cancel)>();
        thread::Builder::new()
            .name("dm user".to_owned())
            .spawn(move || {
                for (question, over) in incoming {
                    if over.is_cancelled() {
                        continue;
                    }
                    let asked = &question.asked;
                    let answer = catch_unwind(AssertUnwindSafe(|| interface.ask(asked, &over)))
                        .ok()
                        .filter(|answer| asked.accepts(answer));
                    report(question.id, answer.unwrap_or(UserAnswer::CannotDisplay));
                }
            })?;
        Ok(Self {
            questions,
            open: Mutex::default(),
        })
    }

    /// Asks; the answer is reported.
    pub(crate) fn ask(&self, question: Question) {
        let over = Cancel::new();
        *self.open() = Some((question.id, over.clone()));
        // The thread lives as long as `self`, so somebody receives.
        drop(self.questions.send((question, over)));
    }

    /// Takes a question back.
    pub(crate) fn withdraw(&self, question: QuestionId) {
        let open = self.open().take_if(|(id, _)| *id == question);
        if let Some((_, over)) = open {
            over.cancel();
        }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Option<(QuestionId, Cancel)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        let open = self.open().take();
        if let Some((_, over)) = open {
            over.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unattended_device_says_yes_or_no_to_everything() {
        let choices = || vec!["a".to_owned(), "b".to_owned()];
        let input = Interaction::TextInput;
        let single = Interaction::SingleChoice(choices());
        let multiple = Interaction::MultipleChoice(choices());
        let text = |text: &str| UserAnswer::Text(text.to_owned());
        for (interaction, default, yes, no) in [
            (
                Interaction::Display,
                None,
                UserAnswer::Accepted,
                UserAnswer::Accepted,
            ),
            (
                Interaction::Confirm,
                Some("0"),
                UserAnswer::Accepted,
                UserAnswer::Rejected,
            ),
            (input.clone(), None, text(""), UserAnswer::Cancelled),
            (input, Some("x"), text("x"), UserAnswer::Cancelled),
            (
                single.clone(),
                None,
                UserAnswer::Choices(vec![1]),
                UserAnswer::Cancelled,
            ),
            (
                single,
                Some("2"),
                UserAnswer::Choices(vec![2]),
                UserAnswer::Cancelled,
            ),
            (
                multiple,
                Some("1-2"),
                UserAnswer::Choices(vec![1, 2]),
                UserAnswer::Cancelled,
            ),
        ] {
            let mut asked = UserInteraction::new(interaction, "?");
            asked.options.default_response = default.map(str::to_owned);
            assert_eq!(
                Unattended::Accept.ask(&asked, &Cancel::new()),
                yes,
                "{asked:?}"
            );
            assert_eq!(
                Unattended::Reject.ask(&asked, &Cancel::new()),
                no,
                "{asked:?}"
            );
        }
        let mut date = UserInteraction::new(Interaction::TextInput, "?");
        date.options.input = omadm_core::InputType::Date;
        let answer = Unattended::Accept.ask(&date, &Cancel::new());
        assert_eq!(answer, UserAnswer::Cancelled, "the empty text is no date");
    }
}
