use omadm_core::{GenericAlert, StatusCode};
use omadm_session::{Answer, Correlators, Procedure, Reply, Report, Round, Step};
use omadm_syncml::{Command, Group};

use crate::{SingleCommand, single::RETRIES, tracked::Tracked};

/// Commands as a procedure that the device executes in their order: all or nothing (Atomic), or one
/// after the other (Sequence). [DM-RepPro]
///
/// They go out in one message. It is done when each of them is: an Exec that is answered with 202
/// waits for its alert, as [long](SingleCommand::within_sessions) as it would by itself. The report is a success if the group and everything in it is; otherwise it
/// has the Status of the group, or, where that is a success, of the first command that failed.
/// [`reports`](Self::reports) tells of each command by itself.
///
/// When the session is lost, the group is sent again unless there is an Exec in it. An Atomic that
/// is refused then for an Add whose node is there, or a Delete whose node is not, was executed
/// before and is a success.
///
/// ```
/// use omadm_server::{CommandGroup, Config, Everyone, Server, SingleCommand};
///
/// let rename = SingleCommand::replace("./Lamp/Name", "porch".into());
/// let group = CommandGroup::atomic([rename, SingleCommand::delete("./Lamp/Timer")]);
/// let mut server = Server::new(Config::new("r1"), Everyone);
/// server.enqueue("urn:x:dev1", Box::new(group))?;
/// # Ok::<(), omadm_server::EnqueueError>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct CommandGroup {
    atomic: bool,
    commands: Vec<Tracked>,
    reports: Vec<Option<Report>>,
    round: Round,
    lost: u32,
}

impl CommandGroup {
    /// All or nothing. The device refuses a Get or an Exec inside. [DM-RepPro]
    #[must_use]
    pub fn atomic(commands: impl IntoIterator<Item = SingleCommand>) -> Self {
        Self::new(true, commands)
    }

    /// One after the other, whatever becomes of each.
    #[must_use]
    pub fn sequence(commands: impl IntoIterator<Item = SingleCommand>) -> Self {
        Self::new(false, commands)
    }

    fn new(atomic: bool, commands: impl IntoIterator<Item = SingleCommand>) -> Self {
        let commands = commands.into_iter().map(SingleCommand::into_tracked);
        let commands: Vec<_> = commands.collect();
        Self {
            atomic,
            reports: vec![None; commands.len()],
            commands,
            round: Round::new(),
            lost: 0,
        }
    }

    /// Takes into account that an earlier run of the server may have sent it, as if its session had
    /// been lost: with an Exec in it, it fails without being sent.
    #[must_use]
    pub fn resumed(mut self) -> Self {
        self.commands.iter_mut().for_each(Tracked::again);
        self
    }

    /// What came back for the group itself; none before it was sent.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply> {
        self.round.replies().first()
    }

    /// What came back for the commands, in their order; empty before the group was sent.
    pub fn replies(&self) -> impl Iterator<Item = &Reply> {
        let mut rest = self.round.replies().iter().skip(1);
        std::iter::from_fn(move || {
            let reply = rest.next()?;
            // What is inside a group inside follows it.
            for _ in reply.command().flatten().skip(1) {
                rest.next();
            }
            Some(reply)
        })
    }

    /// How each command ended, in their order; none while that is open.
    #[must_use]
    pub fn reports(&self) -> &[Option<Report>] {
        &self.reports
    }

    /// What the device refused an Atomic for that was sent before, if that is that all of it is
    /// done: one of its commands did its work then, so the others did.
    fn done_before(&self) -> Option<StatusCode> {
        let reports: Option<Vec<_>> = self.reports.iter().map(Option::as_ref).collect();
        let mut refused = None;
        for report in reports? {
            match report.status {
                Some(status) if status.is_success() || is_consequence(status) => {}
                Some(status) if report.ok => refused = Some(status),
                _ => return None,
            }
        }
        refused
    }

    fn start(&mut self, correlators: &mut Correlators) -> Step {
        let commands = self.commands.iter_mut();
        let commands = commands.map(|command| Command::clone(&command.start(correlators)));
        let group = Group::new(commands.collect::<Vec<_>>());
        self.round.send([if self.atomic {
            Command::Atomic(group)
        } else {
            Command::Sequence(group)
        }])
    }
}

impl Procedure for CommandGroup {
    fn poll(&mut self, correlators: &mut Correlators) -> Step {
        let Some(own) = self.reply() else {
            return match self.commands.iter().find_map(Tracked::unknown) {
                Some(report) => Step::Done(report),
                None => self.start(correlators),
            };
        };
        let repeatable = self.commands.iter().all(Tracked::is_repeatable);
        if self.round.is_lost() && repeatable && self.lost < RETRIES {
            self.lost += 1;
            self.commands.iter_mut().for_each(Tracked::again);
            return self.round.send_again();
        }
        let mut report = Report::new(own.is_success(), own.status());
        if !report.ok {
            report.detail = Some(own.complaint());
        }
        let replies: Vec<Reply> = self.replies().cloned().collect();
        let open = self.commands.iter_mut().zip(&mut self.reports);
        for ((command, report), reply) in open.zip(&replies) {
            if report.is_none() {
                *report = command.report(reply);
            }
        }
        if self.atomic
            && let Some(status) = self.done_before()
        {
            report = Report::new(true, Some(status));
            for report in self.reports.iter_mut().flatten() {
                (report.ok, report.detail) = (true, None);
            }
        }
        let Some(reports) = self
            .reports
            .iter()
            .map(Option::as_ref)
            .collect::<Option<Vec<_>>>()
        else {
            return Step::Wait;
        };
        let mut failures = reports.into_iter().filter(|report| !report.ok);
        if let Some(cause) = failures.find(|report| !report.status.is_some_and(is_consequence)) {
            if report.ok {
                report.status = cause.status;
            }
            report.ok = false;
            report.detail.clone_from(&cause.detail);
        }
        Step::Done(report)
    }

    fn answer(&mut self, answer: Answer) {
        self.round.answer(answer);
    }

    fn alert(&mut self, alert: &GenericAlert) -> bool {
        let mut commands = self.commands.iter_mut();
        commands.any(|command| command.alert(alert))
    }

    fn begin_session(&mut self) {
        self.commands.iter_mut().for_each(Tracked::begin_session);
    }
}

/// Whether a Status only says that another command failed.
fn is_consequence(code: StatusCode) -> bool {
    [
        StatusCode::NOT_EXECUTED,
        StatusCode::ATOMIC_ROLLED_BACK,
        StatusCode::ATOMIC_ROLL_BACK_FAILED,
    ]
    .contains(&code)
}

#[cfg(test)]
mod tests {
    use omadm_core::{Correlator, Format};
    use omadm_session::{Tag, Unanswered};

    use super::*;

    const OK: StatusCode = StatusCode::OK;

    fn start(group: &mut CommandGroup) -> Command<'static> {
        match group.poll(&mut Correlators::new("t")) {
            Step::Send(mut sent) if sent.len() == 1 => sent.remove(0).command,
            other => panic!("{other:?}"),
        }
    }

    /// The report after these statuses of the group and what is inside.
    fn ended(mut group: CommandGroup, codes: &[u16]) -> (Report, Vec<Report>) {
        start(&mut group);
        for (tag, &code) in (0..).zip(codes) {
            group.answer(Answer::status(Tag(tag), code.into()));
        }
        let Step::Done(report) = group.poll(&mut Correlators::new("t")) else {
            panic!("{group:?}");
        };
        let reports = group.reports().iter().flatten().cloned().collect();
        (report, reports)
    }

    fn pair() -> [SingleCommand; 2] {
        [
            SingleCommand::replace("./A", "a".into()),
            SingleCommand::delete("./B"),
        ]
    }

    #[test]
    fn a_group_is_one_command_on_the_wire() {
        let mut group = CommandGroup::atomic(pair());
        let sent = start(&mut group);
        let names: Vec<_> = sent.flatten().map(Command::name).collect();
        assert_eq!(names, ["Atomic", "Replace", "Delete"]);
        assert_eq!(
            start(&mut CommandGroup::sequence(pair())).name(),
            "Sequence"
        );
    }

    #[test]
    fn an_atomic_that_failed_tells_the_cause() {
        let (report, each) = ended(CommandGroup::atomic(pair()), &[507, 216, 404]);
        assert_eq!((report.ok, report.status), (false, Some(507.into())));
        assert_eq!(report.detail.as_deref(), Some("Delete ./B: 404 Not found"));
        let each: Vec<_> = each
            .iter()
            .map(|report| (report.ok, report.status))
            .collect();
        assert_eq!(each, [(false, Some(216.into())), (false, Some(404.into()))]);

        let (report, _) = ended(CommandGroup::atomic(pair()), &[406, 215, 215]);
        let detail = "Atomic: 406 Optional feature not supported";
        assert_eq!(report.detail.as_deref(), Some(detail));
    }

    /// The node of the Delete is gone because the Atomic was executed, its answer lost.
    #[test]
    fn an_atomic_that_was_done_before_is_a_success() {
        let gone = Some(StatusCode::NOT_FOUND);
        let (report, each) = ended(CommandGroup::atomic(pair()).resumed(), &[507, 216, 404]);
        assert_eq!(report, Report::new(true, gone));
        assert!(each.iter().all(|report| report.ok));

        let mut group = CommandGroup::atomic(pair());
        start(&mut group);
        (0..3)
            .for_each(|tag| group.answer(Answer::not_answered(Tag(tag), Unanswered::SessionLost)));
        let Step::Send(sent) = group.poll(&mut Correlators::new("t")) else {
            panic!("{group:?}");
        };
        let tags = sent.iter().flat_map(|tagged| tagged.flatten());
        for ((tag, _), code) in tags.zip([507, 216, 404]) {
            group.answer(Answer::status(tag, code.into()));
        }
        let step = group.poll(&mut Correlators::new("t"));
        assert_eq!(step, Step::Done(Report::new(true, gone)));

        // What failed for another reason did not happen.
        for codes in [[507, 405, 215], [507, 216, 405], [406, 215, 215]] {
            let (report, _) = ended(CommandGroup::atomic(pair()).resumed(), &codes);
            assert!(!report.ok, "{codes:?}");
        }
    }

    #[test]
    fn a_sequence_fails_with_its_first_failure() {
        let (report, each) = ended(CommandGroup::sequence(pair()), &[200, 405, 200]);
        assert_eq!((report.ok, report.status), (false, Some(405.into())));
        assert_eq!(
            each.iter().map(|it| it.ok).collect::<Vec<_>>(),
            [false, true]
        );
        let (report, _) = ended(CommandGroup::sequence(pair()), &[200, 200, 200]);
        assert_eq!(report, Report::success(OK));
    }

    #[test]
    fn a_command_without_status_is_a_failure() {
        let mut group = CommandGroup::sequence(pair());
        start(&mut group);
        group.answer(Answer::status(Tag(0), OK));
        group.answer(Answer::status(Tag(1), OK));
        group.answer(Answer::not_answered(Tag(2), Unanswered::NoStatus));
        let Step::Done(report) = group.poll(&mut Correlators::new("t")) else {
            panic!();
        };
        assert_eq!(report.detail.as_deref(), Some("Delete ./B: no status"));
    }

    #[test]
    fn values_and_alerts_reach_their_command() {
        let mut group = CommandGroup::sequence([
            SingleCommand::get("./A"),
            SingleCommand::exec("./B"),
            SingleCommand::exec("./C"),
        ]);
        start(&mut group);
        for tag in 0..4 {
            let code = if tag < 2 { OK } else { StatusCode::ACCEPTED };
            group.answer(Answer::status(Tag(tag), code));
        }
        let item = omadm_syncml::Item::new().with_data("a");
        group.answer(Answer::results(Tag(1), vec![item]));
        let mut correlators = Correlators::new("t");
        for (correlator, outcome) in [("t-2", "500"), ("t-1", "200")] {
            assert_eq!(group.poll(&mut correlators), Step::Wait);
            group.begin_session();
            let mut alert = GenericAlert::new("com.example.done", Format::Int);
            alert.correlator = Some(Correlator::new(correlator));
            alert.data = outcome.to_owned();
            assert!(group.alert(&alert));
        }
        let Step::Done(report) = group.poll(&mut correlators) else {
            panic!();
        };
        assert_eq!(report.status, Some(StatusCode::COMMAND_FAILED));
        let values = group
            .reports()
            .iter()
            .flatten()
            .map(|it| it.value.as_deref());
        assert_eq!(values.collect::<Vec<_>>(), [Some("a"), None, None]);
        assert_eq!(group.replies().count(), 3);
    }

    #[test]
    fn a_lost_group_is_sent_again_unless_it_executes() {
        let lost = |mut group: CommandGroup, tags: u32| {
            start(&mut group);
            for tag in 0..tags {
                group.answer(Answer::not_answered(Tag(tag), Unanswered::SessionLost));
            }
            group.poll(&mut Correlators::new("t"))
        };
        assert!(matches!(
            lost(CommandGroup::atomic(pair()), 3),
            Step::Send(_)
        ));
        let executes = CommandGroup::sequence([SingleCommand::exec("./B")]);
        assert!(matches!(lost(executes, 2), Step::Done(report) if !report.ok));
    }

    #[test]
    fn an_empty_group_is_its_status() {
        let (report, each) = ended(CommandGroup::sequence([]), &[412]);
        assert_eq!((report.ok, report.status), (false, Some(412.into())));
        assert!(each.is_empty());
    }
}
