use omadm_core::{Format, StatusCode, UserAnswer, UserInteraction};
use omadm_session::{Reply, Report, request::Leaf};
use omadm_syncml::{Alert, CmdId, Command, Encoding, encode_command};
use omadm_tree::Uri;
use virmo_nodes::VmNode;
use virmo_state::VmState;

use crate::{
    flow::{Done, Fate, Flow, Judgement, Next, Script, Stage, Write, failure, procedure},
    read::{Faults, command},
};

/// Asks the user of a machine. [VirMO §11.2.2]
///
/// 1. Read State, so that a question to a machine that is not there makes none, and UI/Command.
/// 2. Write the question to UI/Command, as an Alert of 1100 to 1104, unless it is there: a question
///    of an earlier run of the server that is still open is waited for; one that was answered is
///    asked again.
/// 3. Exec ExecUICmd, and wait for its end: the Status, or after 202 the alert. Each further
///    session that brings none reads UI/Result, which is empty until the user answered.
/// 4. Read UI/Result.
///
/// The report is a success if the person did what was asked: saw the text, said yes, typed, chose.
/// Its result is the [answer in words](UserAnswer), its status that of UI/Result, or that of the
/// Exec or the command before it where there is none.
///
/// ```
/// use omadm_core::{Interaction, UserInteraction};
/// use virmo_server::{AskVmUser, Mounts};
///
/// let asked = UserInteraction::new(Interaction::Confirm, "Add the access point?");
/// let ask = AskVmUser::new(Mounts::default().vm("work")?, asked);
/// assert_eq!(ask.answer(), None);
/// # Ok::<(), omadm_tree::UriError>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct AskVmUser {
    vm: Uri,
    asked: UserInteraction,
    /// Whether the machine was running.
    runs: bool,
    phase: Phase,
    answer: Option<UserAnswer>,
    flow: Flow,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Look,
    Write,
    Run,
    Read,
    Report,
}

impl AskVmUser {
    /// Asks the user of the machine at this address.
    #[must_use]
    pub fn new(vm: Uri, asked: UserInteraction) -> Self {
        Self {
            vm,
            asked,
            runs: false,
            phase: Phase::Look,
            answer: None,
            flow: Flow::default(),
        }
    }

    /// What was asked.
    #[must_use]
    pub const fn asked(&self) -> &UserInteraction {
        &self.asked
    }

    /// What came of it; none before UI/Result was read, or if that says otherwise.
    #[must_use]
    pub const fn answer(&self) -> Option<&UserAnswer> {
        self.answer.as_ref()
    }

    /// The UI/Command; none for a text that XML cannot carry.
    fn command(&self) -> Option<String> {
        let mut alert = Alert::from_interaction(&self.asked);
        alert.cmd_id = Some(CmdId::FIRST);
        let mut markup = Vec::new();
        encode_command(&Command::Alert(alert), Encoding::Xml, &mut markup).ok()?;
        String::from_utf8(markup).ok()
    }

    fn report(&mut self, done: Done<'_>) -> Report {
        let [reply] = done.replies else {
            return Report::new(false, done.status);
        };
        let Some(text) = reply.text().filter(|_| reply.is_success()) else {
            return Report::failure(done.status, reply.complaint());
        };
        let Some(Command::Status(status)) = command(text) else {
            let why = format!("{}: {text:?} is no Status", reply.uri());
            return Report::failure(done.status, why);
        };
        self.answer = status.answer(&self.asked.interaction);
        let Some(answer) = &self.answer else {
            let why = match status.code {
                StatusCode::OK => "none of what was offered was answered".to_owned(),
                code => format!("the question was not asked: {code:?}"),
            };
            return Report::failure(Some(status.code), why);
        };
        let mut report = Report::new(answer.is_positive(), Some(status.code));
        if !report.ok {
            report.detail = Some(format!("the question was answered: {answer}"));
        }
        report.result = Some(answer.to_string());
        report
    }
}

impl Script for AskVmUser {
    fn next(&mut self, done: Done<'_>) -> Next {
        let result = VmNode::UiResult.of(&self.vm);
        let (phase, stage) = match self.phase {
            Phase::Look => {
                let nodes = [VmNode::State, VmNode::UiCommand].map(|node| node.of(&self.vm));
                (Phase::Write, Stage::Read(nodes.to_vec()))
            }
            Phase::Write => {
                let [state, written] = done.replies else {
                    return Next::Report(Report::new(false, done.status));
                };
                // A device may have no UI/Command before it is written.
                let missing = written.status() == Some(StatusCode::NOT_FOUND);
                for (reply, needed) in [(state, true), (written, !missing)] {
                    if needed && !reply.is_success() {
                        return Next::Report(failure(reply));
                    }
                }
                self.runs = Faults::default().vm_state(state) == Some(VmState::Running);
                let Some(command) = self.command() else {
                    let why = "the question has characters that XML cannot carry";
                    return Next::Report(Report::failure(None, why));
                };
                // One that goes on is not to be changed.
                let is_written = written.text() == Some(command.as_str());
                let leaf = Leaf::new(Format::Xml, command);
                let write = Write::required(VmNode::UiCommand.of(&self.vm), leaf);
                let writes = Some(write).filter(|_| !is_written);
                (Phase::Run, Stage::Write(writes.into_iter().collect()))
            }
            Phase::Run => {
                let node = VmNode::ExecUiCmd.of(&self.vm);
                let check = vec![result];
                (Phase::Read, Stage::run(node, check))
            }
            Phase::Read => (Phase::Report, Stage::Read(vec![result])),
            Phase::Report => return Next::Report(self.report(done)),
        };
        self.phase = phase;
        Next::Stage(stage)
    }

    fn judge(&self, check: &Reply, fate: Fate) -> Judgement {
        match check.text() {
            _ if !check.is_success() => Judgement::Failed,
            Some(text) if !text.is_empty() => Judgement::Reached,
            _ if fate == Fate::Accepted => Judgement::Busy,
            _ if fate == Fate::Refused && !self.runs => Judgement::Failed,
            _ => Judgement::Untouched,
        }
    }
}

procedure!(AskVmUser);
