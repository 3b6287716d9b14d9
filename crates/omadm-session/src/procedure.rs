use std::{any::Any, fmt::Debug, time::Duration};

use omadm_core::{Correlator, GenericAlert, StatusCode};
use omadm_syncml::{Command, Item};

/// What a procedure calls one of its commands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tag(pub u32);

/// A command with the tag its answers come back with.
///
/// A group takes as many tags as it holds commands: its own, and for those inside the ones that
/// follow it, in document order.
#[derive(Clone, PartialEq, Debug)]
pub struct Tagged {
    /// The tag.
    pub tag: Tag,
    /// The command; its CmdID is given when it is packed.
    pub command: Command<'static>,
}

impl Tagged {
    /// A command with a tag.
    #[must_use]
    pub const fn new(tag: Tag, command: Command<'static>) -> Self {
        Self { tag, command }
    }

    /// The command and those inside it in document order, each with its tag.
    pub fn flatten(&self) -> impl Iterator<Item = (Tag, &Command<'static>)> {
        let tags = (0..).map(|offset| Tag(self.tag.0.wrapping_add(offset)));
        tags.zip(self.command.flatten())
    }
}

/// What came back for a tagged command.
///
/// A command gets one [`Answer::Status`], or one for each Item, followed by any number of
/// [`Answer::Results`]; what is missing of that ends with [`Answer::NotAnswered`]. A group is
/// answered, and so is each command inside it.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// A Status.
    #[non_exhaustive]
    Status {
        /// The command.
        tag: Tag,
        /// The outcome.
        code: StatusCode,
        /// More about the outcome, such as the answers of a user.
        items: Vec<Item<'static>>,
    },
    /// Results; the Items hold the meta-information of the whole.
    #[non_exhaustive]
    Results {
        /// The command.
        tag: Tag,
        /// The values, each with its Source.
        items: Vec<Item<'static>>,
    },
    /// There will be no answer.
    #[non_exhaustive]
    NotAnswered {
        /// The command.
        tag: Tag,
        /// Why.
        reason: Unanswered,
    },
}

/// Why a command got no answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Unanswered {
    /// The session ended before; whether the command was executed is not known.
    SessionLost,
    /// The device completed its package without a Status for it.
    NoStatus,
    /// It was not sent, for its value is larger than the device takes by MaxObjSize, or it is no
    /// value and fits no message; or its Results are larger than the server takes.
    TooLarge,
    /// Its value, or that of its Results, is a large object of which chunks got lost: the device
    /// said so by Alert 1225, or the server did. The command was not executed, the Results are not
    /// known.
    Incomplete,
    /// It was not sent: the encoding of the session cannot express it.
    Unencodable,
}

impl Answer {
    /// A Status without Items.
    #[must_use]
    pub const fn status(tag: Tag, code: StatusCode) -> Self {
        Self::status_with(tag, code, Vec::new())
    }

    /// A Status with Items.
    #[must_use]
    pub const fn status_with(tag: Tag, code: StatusCode, items: Vec<Item<'static>>) -> Self {
        Self::Status { tag, code, items }
    }

    /// Results.
    #[must_use]
    pub const fn results(tag: Tag, items: Vec<Item<'static>>) -> Self {
        Self::Results { tag, items }
    }

    /// The end of all hope for an answer.
    #[must_use]
    pub const fn not_answered(tag: Tag, reason: Unanswered) -> Self {
        Self::NotAnswered { tag, reason }
    }

    /// The command it is about.
    #[must_use]
    pub const fn tag(&self) -> Tag {
        match self {
            Self::Status { tag, .. }
            | Self::Results { tag, .. }
            | Self::NotAnswered { tag, .. } => *tag,
        }
    }
}

/// What a server does on one device, package by package and over as many sessions as it takes.
///
/// The engine drives it:
///
/// 1. [`Procedure::poll`] yields commands, or nothing for now, or the report.
/// 2. Every command yielded is answered through [`Procedure::answer`] before the next `poll`.
/// 3. In between, [`Procedure::alert`] hears the alerts of the device.
/// 4. Once it has yielded commands or [`Step::Wait`], each further session that begins is told by
///    [`Procedure::begin_session`], before the alerts it brings and the next `poll`.
///
/// A finished procedure is handed back; `Box<dyn Procedure>` becomes `Box<dyn Any>` by itself, and
/// downcast it shows its typed outcome.
pub trait Procedure: Any + Debug + Send {
    /// What to do next. After [`Step::Done`] it is not called again.
    fn poll(&mut self, correlators: &mut Correlators) -> Step;

    /// Takes in what came back for a command.
    fn answer(&mut self, answer: Answer);

    /// Takes in an alert of the device; whether it was meant for this procedure.
    fn alert(&mut self, alert: &GenericAlert) -> bool {
        let _ = alert;
        false
    }

    /// A further session begins.
    fn begin_session(&mut self) {}

    /// Whether what the device holds may now pass for what this was to do, and not be it: a command was
    /// refused, say, and what was written for it is still there. An engine that keeps where its
    /// procedures are keeps that as well, from each [`poll`](Self::poll) on, before what that yielded
    /// goes out; who begins the procedure anew after a restart has to know. Default: no.
    fn is_in_doubt(&self) -> bool {
        false
    }

    /// How long it may take from its first [`poll`](Self::poll) on: then the engine ends it by
    /// [`time_out`](Self::time_out). Default: as long as the engine says.
    fn time_limit(&self) -> Option<Duration> {
        None
    }

    /// Its time is over: it is asked for nothing more, and told nothing of what still comes. Its
    /// report is [`Report::timed_out`] by default.
    fn time_out(&mut self, limit: Duration) -> Report {
        Report::timed_out(limit)
    }
}

/// What a [`Procedure`] wants next.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// Send these, in this order. None at all is the same as [`Step::Wait`].
    Send(Vec<Tagged>),
    /// Nothing in this session; an alert or the next session goes on.
    Wait,
    /// It is over.
    Done(Report),
}

/// How a [`Procedure`] ended, in the words of every procedure.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Whether it achieved what it was for.
    pub ok: bool,
    /// The outcome of its Exec, or of the command at which it failed, or of its last one.
    pub status: Option<StatusCode>,
    /// The value it read.
    pub value: Option<String>,
    /// The names of the children it read.
    pub children: Option<Vec<String>>,
    /// What came of a user interaction.
    pub result: Option<String>,
    /// For people: what went wrong.
    pub detail: Option<String>,
    /// Whether its time was over before it was; the status is 408 then.
    pub is_timed_out: bool,
}

impl Report {
    /// A report with nothing more to tell.
    #[must_use]
    pub const fn new(ok: bool, status: Option<StatusCode>) -> Self {
        Self {
            ok,
            status,
            value: None,
            children: None,
            result: None,
            detail: None,
            is_timed_out: false,
        }
    }

    /// The failure of what was not over within its [time limit](Procedure::time_limit): 408. What it
    /// began may go on, and nothing is taken back.
    #[must_use]
    pub fn timed_out(limit: Duration) -> Self {
        let detail = format!("not over within {} s", limit.as_secs());
        Self {
            is_timed_out: true,
            ..Self::failure(Some(StatusCode::REQUEST_TIMEOUT), detail)
        }
    }

    /// A success, with the status of the Exec or the last command.
    #[must_use]
    pub const fn success(status: StatusCode) -> Self {
        Self::new(true, Some(status))
    }

    /// A failure, with the status that made it one if there is one.
    #[must_use]
    pub fn failure(status: Option<StatusCode>, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..Self::new(false, status)
        }
    }
}

/// Hands out Correlators, each only once.
///
/// ```
/// let mut correlators = omadm_session::Correlators::new("r7");
/// assert_eq!(correlators.next().as_str(), "r7-1");
/// assert_eq!(correlators.next().as_str(), "r7-2");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Correlators {
    prefix: String,
    given: u64,
}

impl Correlators {
    /// Correlators that begin with `prefix`, which sets them apart from those handed out earlier or
    /// elsewhere: a random text, or a counter that is never reset.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
            given: 0,
        }
    }

    /// The next one.
    #[expect(clippy::should_implement_trait, reason = "there is always a next one")]
    pub fn next(&mut self) -> Correlator {
        self.given = self.given.saturating_add(1);
        Correlator::new(format!("{}-{}", self.prefix, self.given))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Idle(u8);

    impl Procedure for Idle {
        fn poll(&mut self, _: &mut Correlators) -> Step {
            Step::Done(Report::success(StatusCode::OK))
        }

        fn answer(&mut self, _: Answer) {}
    }

    #[test]
    fn a_procedure_is_handed_back_with_its_type() {
        let mut boxed: Box<dyn Procedure> = Box::new(Idle(7));
        let alert = GenericAlert::new("t", omadm_core::Format::Chr);
        assert!(!boxed.alert(&alert));
        let any: Box<dyn Any> = boxed;
        assert_eq!(any.downcast::<Idle>().unwrap().0, 7);
    }

    #[test]
    fn a_report_tells_whether_the_time_was_over() {
        let report = Report::timed_out(Duration::from_secs(7));
        assert!(report.is_timed_out && !report.ok);
        assert_eq!(report.status, Some(StatusCode::REQUEST_TIMEOUT));
        assert_eq!(report.detail.as_deref(), Some("not over within 7 s"));
        assert!(!Report::failure(report.status, "").is_timed_out);
    }

    #[test]
    fn answers_know_their_command() {
        let tag = Tag(3);
        for answer in [
            Answer::status(tag, StatusCode::OK),
            Answer::results(tag, Vec::new()),
            Answer::not_answered(tag, Unanswered::NoStatus),
        ] {
            assert_eq!(answer.tag(), tag);
        }
    }
}
