use omadm_core::{StatusCode, UserAnswer, UserInteraction};
use omadm_session::{Answer, Correlators, Procedure, Reply, Report, Round, Step};
use omadm_syncml::{Alert, Command, Status};

/// How often a question is asked again after its session was lost.
const RETRIES: u32 = 3;

/// Asks the person at a device, by the alerts 1100 to 1104. [DM-Protocol §12]
///
/// The report is a success if the person did what was asked: saw the text, said yes, typed,
/// chose. Its result is the [answer in words](UserAnswer), such as `yes`, `no` or `timed out`.
/// [`AskUser::answer_given`] has the same as a type. When the session is lost, the person is asked again.
///
/// ```
/// use std::time::Duration;
///
/// use omadm_core::{Interaction, UserInteraction};
/// use omadm_server::{AskUser, Config, Everyone, Server};
///
/// let mut asked = UserInteraction::new(Interaction::Confirm, "Add the access point?");
/// asked.options.max_display = Some(Duration::from_secs(60));
/// let mut server = Server::new(Config::new("r1"), Everyone);
/// server.enqueue("urn:x:dev1", Box::new(AskUser::new(asked)))?;
/// # Ok::<(), omadm_server::EnqueueError>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct AskUser {
    asked: UserInteraction,
    round: Round,
    lost: u32,
}

impl AskUser {
    /// Asks this.
    #[must_use]
    pub const fn new(asked: UserInteraction) -> Self {
        Self {
            asked,
            round: Round::new(),
            lost: 0,
        }
    }

    /// What was asked.
    #[must_use]
    pub const fn asked(&self) -> &UserInteraction {
        &self.asked
    }

    /// What came of it; none before the device answered, or if it answered otherwise.
    #[must_use]
    pub fn answer_given(&self) -> Option<UserAnswer> {
        let reply = self.round.replies().first()?;
        let status = Status::new(0, None, "Alert", reply.status()?);
        let status = status.with_items(reply.items().to_vec());
        status.answer(&self.asked.interaction)
    }

    fn report(&self, reply: &Reply) -> Report {
        let Some(answer) = self.answer_given() else {
            let detail = match reply.status() {
                Some(StatusCode::OK) => "the device answered with none of what was offered",
                _ => return Report::failure(reply.status(), reply.complaint()),
            };
            return Report::failure(reply.status(), detail);
        };
        let mut report = Report::new(answer.is_positive(), reply.status());
        if !report.ok {
            report.detail = Some(format!("the question was answered: {answer}"));
        }
        report.result = Some(answer.to_string());
        report
    }
}

impl Procedure for AskUser {
    fn poll(&mut self, _: &mut Correlators) -> Step {
        let Some(reply) = self.round.replies().first() else {
            let alert = Alert::from_interaction(&self.asked).into_owned();
            return self.round.send([Command::Alert(alert)]);
        };
        if self.round.is_lost() && self.lost < RETRIES {
            self.lost += 1;
            return self.round.send_again();
        }
        Step::Done(self.report(reply))
    }

    fn answer(&mut self, answer: Answer) {
        self.round.answer(answer);
    }
}

#[cfg(test)]
mod tests {
    use omadm_core::Interaction;
    use omadm_session::Unanswered;
    use omadm_syncml::Item;

    use super::*;

    fn choices() -> Vec<String> {
        ["a", "b", "c"].map(str::to_owned).to_vec()
    }

    /// The report on a question the device answers so.
    fn report(
        asked: Interaction,
        code: u16,
        items: &[&'static str],
    ) -> (Report, Option<UserAnswer>) {
        let mut ask = AskUser::new(UserInteraction::new(asked, "?"));
        let Step::Send(sent) = ask.poll(&mut Correlators::new("t")) else {
            panic!("nothing is asked");
        };
        let items = items.iter().map(|data| Item::new().with_data(*data));
        let answer = Answer::status_with(sent[0].tag, code.into(), items.collect());
        ask.answer(answer);
        match ask.poll(&mut Correlators::new("t")) {
            Step::Done(report) => (report, ask.answer_given()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_answer_has_its_report() {
        let single = || Interaction::SingleChoice(choices());
        let multiple = || Interaction::MultipleChoice(choices());
        let input = Interaction::TextInput;
        for (asked, code, items, ok, result) in [
            (Interaction::Display, 200, &[][..], true, Some("yes")),
            (Interaction::Confirm, 200, &[], true, Some("yes")),
            (Interaction::Confirm, 304, &[], false, Some("no")),
            (input.clone(), 200, &["größer"], true, Some("größer")),
            (input.clone(), 200, &[], false, None),
            (single(), 200, &["2"], true, Some("2")),
            (single(), 200, &["4"], false, None),
            (multiple(), 200, &["3", "1"], true, Some("3-1")),
            (multiple(), 200, &[], true, Some("")),
            (single(), 214, &[], false, Some("cancelled")),
            (input.clone(), 408, &[], false, Some("timed out")),
            (multiple(), 416, &[], false, Some("cannot display")),
            (Interaction::Display, 406, &[], false, Some("unsupported")),
            (Interaction::Display, 412, &[], false, None),
            (input, 215, &[], false, None),
        ] {
            let (report, answer) = report(asked.clone(), code, items);
            assert_eq!(report.status, Some(code.into()), "{asked:?} {code}");
            assert_eq!(
                (report.ok, report.result.as_deref()),
                (ok, result),
                "{asked:?} {code}"
            );
            assert_eq!(report.detail.is_some(), !ok);
            assert_eq!(answer.is_some(), result.is_some());
        }
    }

    #[test]
    fn a_lost_question_is_asked_again_a_few_times() {
        let mut ask = AskUser::new(UserInteraction::new(Interaction::Confirm, "?"));
        let mut asked = 0;
        while let Step::Send(sent) = ask.poll(&mut Correlators::new("t")) {
            asked += 1;
            ask.answer(Answer::not_answered(sent[0].tag, Unanswered::SessionLost));
        }
        assert_eq!(asked, 1 + RETRIES);
    }
}
