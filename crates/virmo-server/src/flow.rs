//! Drives a procedure stage by stage.

use std::time::Duration;

use omadm_core::{GenericAlert, StatusCode};
use omadm_objects::ResultCode;
use omadm_session::{
    Answer, Correlators, Execution, Progress, Reply, Report, Round, Step, Unanswered,
    request::{self, Leaf},
};
use omadm_syncml::Command;
use omadm_tree::Uri;

/// What a procedure puts up with: `with_policy` of each.
///
/// ```
/// use virmo_server::{Mounts, Operate, Policy};
///
/// let mut policy = Policy::default();
/// policy.max_sessions = 1000;
/// let suspend = Operate::suspend(Mounts::default().vm("work")?).with_policy(policy);
/// # Ok::<(), omadm_tree::UriError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Policy {
    /// How often something is sent again after its session was lost. Default: 3.
    pub retries: u32,
    /// How many further sessions an Exec may take until its outcome is known. Default: 100.
    pub max_sessions: u32,
    /// After how many sessions without any effect of an accepted Exec the device is asked again: it
    /// refuses what still goes on, and begins anew what it lost. Default: 10.
    pub patience: u32,
    /// How long it may take by the clock, from its first command on; then it ends with 408, and what
    /// it began may go on. Default: none, so that the engine's limit counts, which is 7 days for
    /// `omadm-server`.
    pub time_limit: Option<Duration>,
    /// Whether an earlier run of the server may have begun this: then an Exec that is refused with
    /// 405, without an effect so far, is waited for like one that was accepted. Default: no, it
    /// failed.
    pub resumed: bool,
    /// Whether an earlier run of the server left this
    /// [in doubt](omadm_session::Procedure::is_in_doubt): then what the device holds does not pass for
    /// this being done. Default: no.
    pub in_doubt: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retries: 3,
            max_sessions: 100,
            patience: 10,
            time_limit: None,
            resumed: false,
            in_doubt: false,
        }
    }
}

/// What is known of an Exec that has no outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// Its answer was lost.
    Lost,
    /// Its answer was lost, and the device refused it another time: it goes on, or had its effect.
    Repeated,
    /// It got 202.
    Accepted,
    /// The device refused it, for it is done already, goes on already, or cannot be now.
    Refused,
}

/// What a procedure does next.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Stage {
    /// Read these nodes.
    Read(Vec<Uri>),
    /// Have this interior node: add it, unless it is there; as the root of an object with this
    /// identifier.
    Make(Uri, Option<&'static str>),
    /// The same, where 405 says that the device makes it itself.
    Try(Uri, Option<&'static str>),
    /// Have these values: each is added or replaced, whatever the device allows; or have nodes gone.
    Write(Vec<Write>),
    /// Execute this node to its final outcome; where that stays unknown, reading `check` tells. What
    /// is to be written `with` it goes out at once with the Exec, so that a server that is gone has
    /// sent both or neither.
    Run {
        node: Uri,
        check: Vec<Uri>,
        with: Vec<Write>,
    },
    /// The same of an Exec that is under way already: an earlier run of the server sent it.
    Join { node: Uri, check: Vec<Uri> },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verb {
    Add,
    Replace,
    Delete,
}

/// A value that is to be had, or a node that is to be gone.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Write {
    pub(crate) uri: Uri,
    leaf: Leaf,
    verb: Verb,
    /// What the other command ended with.
    refused: Option<(StatusCode, String)>,
    /// What is written where the device refuses this.
    instead: Option<Leaf>,
}

impl Write {
    /// A leaf the device creates with its parent.
    pub(crate) fn required(uri: Uri, leaf: impl Into<Leaf>) -> Self {
        Self {
            uri,
            leaf: leaf.into(),
            verb: Verb::Replace,
            refused: None,
            instead: None,
        }
    }

    /// A leaf that is emptied before it goes out with an Exec: a device that does not take the value
    /// executes nothing of before. One that takes no empty value gets this one at once.
    pub(crate) fn emptied(uri: Uri, value: &str) -> Self {
        Self {
            instead: Some(value.into()),
            ..Self::required(uri, "")
        }
    }

    /// A leaf the device does not create by itself.
    pub(crate) fn optional(uri: Uri, leaf: impl Into<Leaf>) -> Self {
        Self {
            verb: Verb::Add,
            ..Self::required(uri, leaf)
        }
    }

    /// A node that is to be gone.
    pub(crate) fn delete(uri: Uri) -> Self {
        Self {
            verb: Verb::Delete,
            ..Self::required(uri, String::new())
        }
    }

    fn command(&self) -> Command<'static> {
        let uri = self.uri.to_string();
        match self.verb {
            Verb::Add => request::add(&uri, self.leaf.clone()),
            Verb::Replace => request::replace(&uri, self.leaf.clone()),
            Verb::Delete => request::delete(&uri),
        }
    }

    /// What is left to do after this reply: nothing, the other command, or the report of a failure.
    fn after(&self, reply: &Reply) -> Result<Option<Self>, Report> {
        match (self.left(reply), &self.instead) {
            (Err(_), Some(instead)) if reply.status().is_some() => {
                Ok(Some(Self::required(self.uri.clone(), instead.clone())))
            }
            (left, _) => left,
        }
    }

    fn left(&self, reply: &Reply) -> Result<Option<Self>, Report> {
        let code = match reply.status() {
            Some(code) if code.is_success() => return Ok(None),
            Some(code) => code,
            None => return Err(failure(reply)),
        };
        let other = match self.verb {
            Verb::Delete if code == StatusCode::NOT_FOUND => return Ok(None),
            Verb::Delete => return Err(failure(reply)),
            Verb::Add => Verb::Replace,
            Verb::Replace => Verb::Add,
        };
        match &self.refused {
            None if is_matter_of_command(code) => Ok(Some(Self {
                verb: other,
                refused: Some((code, reply.complaint())),
                ..self.clone()
            })),
            // That the other command does not fit says nothing: the first refusal is the reason.
            Some((first, complaint)) if is_matter_of_command(code) => {
                Err(Report::failure(Some(*first), complaint.clone()))
            }
            _ => Err(failure(reply)),
        }
    }
}

/// Whether Add may succeed where Replace got this code, or the other way round.
fn is_matter_of_command(code: StatusCode) -> bool {
    [
        StatusCode::NOT_FOUND,
        StatusCode::COMMAND_NOT_ALLOWED,
        StatusCode::ALREADY_EXISTS,
    ]
    .contains(&code)
}

impl Stage {
    /// The execution of a node, with nothing to be written.
    pub(crate) const fn run(node: Uri, check: Vec<Uri>) -> Self {
        let with = Vec::new();
        Self::Run { node, check, with }
    }
}

/// What is known when a stage is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done<'d> {
    /// What came back last, in the order of the commands.
    pub(crate) replies: &'d [Reply],
    /// The outcome of the Exec, as far as the device told.
    pub(crate) status: Option<StatusCode>,
}

/// What follows a stage.
#[derive(Debug)]
pub(crate) enum Next {
    Stage(Stage),
    Report(Report),
}

/// What the checked node says about an Exec whose outcome is unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Judgement {
    /// It did what it was for.
    Reached,
    /// It is under way.
    Busy,
    /// It has not changed anything, so far.
    Untouched,
    /// It failed, or something else happened.
    Failed,
}

/// What a procedure changed that a failure takes back.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Change {
    /// The leaf that tells whether the change is still there, and what it reads then.
    check: Uri,
    made: String,
    /// What it reads where less was done.
    amid: Option<&'static str>,
    undo: Write,
}

impl Change {
    /// A leaf that got this value, and had the other one before.
    pub(crate) fn leaf(uri: Uri, made: String, before: Option<&str>) -> Self {
        let undo = match before {
            Some(before) => Write::required(uri.clone(), before.to_owned()),
            None => Write::delete(uri.clone()),
        };
        Self {
            check: uri,
            made,
            amid: None,
            undo,
        }
    }

    /// A leaf that was emptied before it got its value.
    pub(crate) const fn emptied(mut self) -> Self {
        self.amid = Some("");
        self
    }

    fn is_there(&self, reply: &Reply) -> bool {
        match reply.status() {
            Some(StatusCode::NOT_FOUND) => false,
            _ if !reply.is_success() => true,
            _ => reply.text() == Some(&self.made) || reply.text() == self.amid,
        }
    }

    /// A node that was added, while the leaf below it reads like this.
    pub(crate) fn node(uri: Uri, check: Uri, made: String) -> Self {
        Self {
            check,
            made,
            amid: None,
            undo: Write::delete(uri),
        }
    }
}

/// How far the taking back is after a failure.
#[derive(Clone, PartialEq, Debug)]
struct Undo {
    /// The failure.
    report: Report,
    /// What is read now, to be taken back if it is still there.
    changes: Vec<Change>,
}

/// The part of a procedure that is its own.
pub(crate) trait Script {
    /// What follows the last stage; first with no replies. Make, Write and Run are over only when
    /// they succeeded.
    fn next(&mut self, done: Done<'_>) -> Next;

    /// What the node says that [`Stage::Run`] names to check, of an Exec without an outcome.
    fn judge(&self, check: &Reply, fate: Fate) -> Judgement {
        let _ = (check, fate);
        Judgement::Failed
    }

    /// The same of several nodes.
    fn judge_all(&self, checks: &[Reply], fate: Fate) -> Judgement {
        checks
            .first()
            .map_or(Judgement::Failed, |check| self.judge(check, fate))
    }

    /// What a failure takes back; whether an Exec may still be under way.
    fn changes(&self, open: bool) -> Vec<Change> {
        let _ = open;
        Vec::new()
    }

    /// Whether the device may look as if this were done, until its Exec is accepted; whether that was
    /// refused.
    fn is_in_doubt(&self, refused: bool) -> bool {
        let _ = refused;
        false
    }
}

/// Where a procedure is.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Flow {
    pub(crate) policy: Policy,
    stage: Option<Stage>,
    round: Round,
    run: Option<Run>,
    status: Option<StatusCode>,
    retries: u32,
    undo: Option<Undo>,
    /// The result code of the last Exec, where its object has those.
    result: Option<ResultCode>,
    /// How the last [`Stage::Try`] was refused.
    tried: Option<Report>,
}

#[derive(Clone, PartialEq, Debug)]
struct Run {
    execution: Execution,
    /// The one before it, that may still be under way.
    earlier: Option<Execution>,
    phase: Phase,
    sessions: u32,
    /// Whether the device said that it is under way.
    refused: bool,
    /// How often in a row the check showed no effect.
    untouched: u32,
    /// How the Exec was refused, until the check tells why.
    refusal: Option<StatusCode>,
    /// Whether the one that goes on is of an earlier run of the server.
    joined: bool,
}

impl Run {
    fn new(execution: Execution) -> Self {
        Self {
            execution,
            earlier: None,
            phase: Phase::Executing,
            sessions: 0,
            refused: false,
            untouched: 0,
            refusal: None,
            joined: false,
        }
    }

    /// One that an earlier run of the server sent.
    fn joined(mut execution: Execution) -> Self {
        execution.status(StatusCode::ACCEPTED);
        Self {
            phase: Phase::Waiting,
            refused: true,
            joined: true,
            ..Self::new(execution)
        }
    }

    fn alert(&mut self, alert: &GenericAlert) -> bool {
        let earlier = self.earlier.as_mut();
        self.execution.alert(alert) || earlier.is_some_and(|it| it.alert(alert))
    }

    /// Notes that the check showed no effect; whether to execute it again.
    fn is_repeatable(&mut self, accepted: bool, patience: u32) -> bool {
        self.untouched += 1;
        let going_on = accepted || self.refused;
        !going_on || self.untouched >= patience
    }

    /// Forgets an Exec that was refused because the one before it goes on, or had its effect
    /// after all; whether it was that.
    fn was_refused_for_earlier(&mut self) -> bool {
        let refused = Progress::Finished(StatusCode::COMMAND_NOT_ALLOWED);
        if self.execution.progress() != refused {
            return false;
        }
        let Some(earlier) = self.earlier.take() else {
            return false;
        };
        self.execution = earlier;
        self.refused = true;
        self.phase = Phase::CheckDue;
        true
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// The Exec is on its way.
    Executing,
    /// An alert or the next session goes on.
    Waiting,
    /// The check is to be sent.
    CheckDue,
    /// The check is on its way.
    Checking,
}

/// What comes of the replies so far: a step of the same stage, or none when the stage is over.
type Turn = Option<Step>;

impl Flow {
    pub(crate) fn poll(&mut self, script: &mut impl Script, correlators: &mut Correlators) -> Step {
        let mut turn = self.look(script, correlators);
        loop {
            let report = match turn {
                Some(Step::Done(report)) => report,
                Some(step) => return step,
                None => match self.go_on(script) {
                    Next::Report(report) => report,
                    Next::Stage(stage) => {
                        self.retries = 0;
                        turn = self.begin(stage, correlators);
                        continue;
                    }
                },
            };
            match self.end(script, report) {
                Next::Report(report) => return Step::Done(report),
                Next::Stage(stage) => {
                    self.retries = 0;
                    turn = self.begin(stage, correlators);
                }
            }
        }
    }

    /// What follows a stage that is over.
    fn go_on(&mut self, script: &mut impl Script) -> Next {
        let Some(undo) = &mut self.undo else {
            let done = Done {
                replies: self.round.replies(),
                status: self.status,
            };
            return script.next(done);
        };
        let changes = std::mem::take(&mut undo.changes);
        if changes.is_empty() {
            return Next::Report(undo.report.clone());
        }
        let read = changes.into_iter().zip(self.round.replies());
        let read = read.filter(|(change, reply)| change.is_there(reply));
        let writes = read.map(|(change, _)| change.undo);
        Next::Stage(Stage::Write(writes.collect()))
    }

    /// What follows this report: nothing, or the taking back of what a failure left.
    fn end(&mut self, script: &impl Script, report: Report) -> Next {
        let is_missing = !report.ok && report.status == Some(StatusCode::NOT_FOUND);
        // The device did not make it itself after all.
        let report = match self.tried.take() {
            Some(refused) if is_missing => refused,
            _ => report,
        };
        if let Some(undo) = &self.undo {
            let mut told = undo.report.clone();
            if report != told {
                let why = report.detail.unwrap_or_default();
                let detail = told.detail.take().unwrap_or_default();
                told.detail = Some(format!("{detail}; not taken back: {why}"));
            }
            return Next::Report(told);
        }
        let is_open = |run: &Run| !matches!(run.execution.progress(), Progress::Finished(_));
        let open = self.run.as_ref().is_some_and(is_open);
        let changes = if report.ok {
            Vec::new()
        } else {
            script.changes(open)
        };
        if changes.is_empty() {
            return Next::Report(report);
        }
        self.run = None;
        let checks = changes.iter().map(|change| change.check.clone()).collect();
        self.undo = Some(Undo { report, changes });
        Next::Stage(Stage::Read(checks))
    }

    pub(crate) fn answer(&mut self, answer: Answer) {
        self.round.answer(answer);
    }

    pub(crate) fn alert(&mut self, alert: &GenericAlert) -> bool {
        let run = self.run.as_mut();
        let own = run.is_some_and(|run| run.alert(alert));
        if own {
            self.result = result_code(&alert.data);
        }
        own
    }

    /// Whether the device may look as if the script were done: as that says, or for what a refusal left
    /// is still to be taken back.
    pub(crate) fn is_in_doubt(&self, script: &impl Script) -> bool {
        let run = self.run.as_ref();
        let is_accepted = run.is_some_and(|run| run.execution.progress() == Progress::Accepted);
        let is_refused = run.is_some_and(|run| run.refusal.is_some());
        self.undo.is_some() || (script.is_in_doubt(is_refused) && !is_accepted)
    }

    pub(crate) const fn result(&self) -> Option<ResultCode> {
        self.result
    }

    /// The report of an Exec that failed with this code.
    fn failed_exec(&self, uri: &str, code: StatusCode) -> Report {
        let mut failed = format!("Exec {uri}: {code:?}");
        if let Some(result) = self.result.filter(|result| result.get() != code.get()) {
            failed = format!("{failed}, result code {result}");
        }
        Report::failure(Some(code), failed)
    }

    pub(crate) fn begin_session(&mut self) {
        if let Some(run) = &mut self.run {
            run.sessions = run.sessions.saturating_add(1);
            if run.phase == Phase::Waiting {
                run.phase = Phase::CheckDue;
            }
        }
    }

    /// Sends what a stage begins with; a stage without commands is over at once.
    fn begin(&mut self, stage: Stage, correlators: &mut Correlators) -> Turn {
        let step = match &stage {
            Stage::Read(nodes) => self.round.send(gets(nodes)),
            Stage::Make(node, moid) | Stage::Try(node, moid) => {
                let add = request::add_node(&node.to_string(), *moid);
                self.round.send([add])
            }
            Stage::Write(writes) => self.round.send(writes.iter().map(Write::command)),
            Stage::Join { node, check } => {
                let execution = Execution::new(node.to_string(), correlators.next());
                self.run = Some(Run::joined(execution));
                self.stage = Some(Stage::run(node.clone(), check.clone()));
                return Some(Step::Wait);
            }
            Stage::Run { node, with, .. } => {
                let correlator = correlators.next();
                let node = node.to_string();
                let exec = request::exec(&node, Some(&correlator));
                let execution = Execution::new(node, correlator);
                match &mut self.run {
                    Some(run) => {
                        let earlier = std::mem::replace(&mut run.execution, execution);
                        run.earlier = Some(earlier).filter(|_| !run.joined);
                        run.phase = Phase::Executing;
                        run.refused = false;
                        run.untouched = 0;
                    }
                    none => *none = Some(Run::new(execution)),
                }
                let writes = with.iter().map(Write::command);
                self.round.send(writes.chain([exec]))
            }
        };
        self.stage = Some(stage);
        Some(step).filter(|_| !self.round.replies().is_empty())
    }

    /// Judges what came back for the stage.
    fn look(&mut self, script: &impl Script, correlators: &mut Correlators) -> Turn {
        let stage = self.stage.clone()?;
        if let Stage::Run { check, .. } = &stage {
            let check = check.clone();
            return self.look_at_run(script, stage, &check, correlators);
        }
        let replies = self.round.replies();
        let lost = |reply: &&Reply| reply.unanswered() == Some(Unanswered::SessionLost);
        if let Some(lost) = replies.iter().find(lost) {
            if self.retries >= self.policy.retries {
                return Some(Step::Done(Report::failure(self.status, lost.complaint())));
            }
            self.retries += 1;
            return Some(self.round.send_again());
        }
        match stage {
            Stage::Make(..) | Stage::Try(..) => {
                let there = |reply: &&Reply| match reply.status() {
                    Some(StatusCode::COMMAND_NOT_ALLOWED) => matches!(stage, Stage::Try(..)),
                    code => reply.is_success() || code == Some(StatusCode::ALREADY_EXISTS),
                };
                let refused =
                    |reply: &&Reply| reply.status() == Some(StatusCode::COMMAND_NOT_ALLOWED);
                self.tried = replies.iter().find(refused).map(failure);
                let failed = replies.iter().find(|reply| !there(reply))?;
                Some(Step::Done(failure(failed)))
            }
            Stage::Write(writes) => {
                let mut left = Vec::new();
                for (write, reply) in writes.iter().zip(replies) {
                    match write.after(reply) {
                        Ok(again) => left.extend(again),
                        Err(report) => return Some(Step::Done(report)),
                    }
                }
                self.begin(Stage::Write(left), correlators)
            }
            Stage::Read(_) | Stage::Run { .. } | Stage::Join { .. } => None,
        }
    }

    fn look_at_run(
        &mut self,
        script: &impl Script,
        stage: Stage,
        check: &[Uri],
        correlators: &mut Correlators,
    ) -> Turn {
        let run = self.run.as_mut()?;
        let (reply, writes) = match (run.phase, self.round.replies()) {
            (Phase::Executing, [writes @ .., exec]) => (exec, writes),
            (_, [first, ..]) => (first, &[][..]),
            (_, []) => return None,
        };
        if let (Phase::Executing, Some(code)) = (run.phase, reply.status()) {
            run.execution.status(code);
            let item = reply.items().first().and_then(|item| item.data.as_ref());
            if let Some(text) = item.and_then(|data| data.as_text()) {
                self.result = result_code(text);
            }
        }
        if run.was_refused_for_earlier() {
            self.retries = self.retries.saturating_sub(1);
        }
        if let Progress::Finished(code) = run.execution.progress()
            && run.phase == Phase::Executing
            && [StatusCode::COMMAND_NOT_ALLOWED, StatusCode::NOT_FOUND].contains(&code)
        {
            run.refusal = Some(code);
            run.phase = Phase::Checking;
            return Some(self.round.send(gets(check)));
        }
        let refused = |write: &&Reply| write.status().is_some_and(|code| !code.is_success());
        if let Some(refused) = writes.iter().find(refused) {
            return Some(Step::Done(failure(refused)));
        }
        let accepted = match run.execution.progress() {
            Progress::Finished(_) if run.refusal.is_some() => None,
            Progress::Finished(code) => {
                let uri = run.execution.uri().to_owned();
                self.run = None;
                self.status = Some(code);
                let done = Step::Done(self.failed_exec(&uri, code));
                return Some(done).filter(|_| !code.is_success());
            }
            Progress::Accepted => Some(StatusCode::ACCEPTED),
            Progress::Started => None,
        };
        let silent = format!("Exec {}: no outcome", run.execution.uri());
        let silent = Step::Done(Report::failure(accepted, silent));
        match run.phase {
            Phase::Executing if accepted.is_some() => {
                run.phase = Phase::Waiting;
                run.joined = false;
                Some(Step::Wait)
            }
            Phase::Executing if !self.round.is_lost() => Some(Step::Done(failure(reply))),
            Phase::Waiting => Some(Step::Wait),
            Phase::CheckDue | Phase::Checking if run.sessions >= self.policy.max_sessions => {
                Some(silent)
            }
            Phase::Checking if !self.round.is_lost() => {
                let fate = match (run.refusal, accepted) {
                    (Some(_), _) => Fate::Refused,
                    (None, Some(_)) => Fate::Accepted,
                    (None, None) if run.refused => Fate::Repeated,
                    (None, None) => Fate::Lost,
                };
                let judgement = script.judge_all(self.round.replies(), fate);
                if let Some(code) = run.refusal {
                    let goes_on = self.policy.resumed || judgement == Judgement::Busy;
                    let may_go_on =
                        code == StatusCode::COMMAND_NOT_ALLOWED && !run.joined && goes_on;
                    return match judgement {
                        Judgement::Reached => {
                            self.run = None;
                            self.status = Some(code);
                            None
                        }
                        Judgement::Busy | Judgement::Untouched if may_go_on => {
                            let uri = run.execution.uri().to_owned();
                            let sessions = run.sessions;
                            *run = Run::joined(Execution::new(uri, correlators.next()));
                            run.sessions = sessions;
                            Some(Step::Wait)
                        }
                        _ => {
                            let uri = run.execution.uri().to_owned();
                            Some(Step::Done(self.failed_exec(&uri, code)))
                        }
                    };
                }
                match judgement {
                    Judgement::Reached => {
                        self.run = None;
                        self.status = Some(StatusCode::OK);
                        None
                    }
                    Judgement::Failed => {
                        let text = reply.text().unwrap_or("not readable");
                        let untold = format!("{}: {text}", reply.uri());
                        Some(Step::Done(Report::failure(accepted, untold)))
                    }
                    Judgement::Untouched
                        if run.is_repeatable(accepted.is_some(), self.policy.patience) =>
                    {
                        if self.retries >= self.policy.retries {
                            return Some(silent);
                        }
                        self.retries += 1;
                        self.begin(stage, correlators)
                    }
                    Judgement::Untouched | Judgement::Busy => {
                        run.phase = Phase::Waiting;
                        Some(Step::Wait)
                    }
                }
            }
            Phase::Executing | Phase::CheckDue | Phase::Checking => {
                run.phase = Phase::Checking;
                Some(self.round.send(gets(check)))
            }
        }
    }
}

fn gets(nodes: &[Uri]) -> impl Iterator<Item = Command<'static>> {
    nodes.iter().map(|node| request::get(&node.to_string()))
}

/// The code in an Item or an alert of LAWMO, DCMO, FUMO or SCOMO.
fn result_code(data: &str) -> Option<ResultCode> {
    let element = data.split_once("<ResultCode>");
    let element = element.and_then(|(_, rest)| rest.split_once("</ResultCode>"));
    let code = element.map_or(data, |(code, _)| code);
    code.trim().parse::<u16>().ok().map(ResultCode::from)
}

/// The report of a procedure that failed at this command.
pub(crate) fn failure(reply: &Reply) -> Report {
    Report::failure(reply.status(), reply.complaint())
}

/// Makes a type with a `flow` and a [`Script`] a [`Procedure`](omadm_session::Procedure).
macro_rules! procedure {
    ($name:ident) => {
        impl $name {
            /// With this patience instead of the [default](crate::Policy::default).
            #[must_use]
            pub const fn with_policy(mut self, policy: crate::Policy) -> Self {
                self.flow.policy = policy;
                self
            }
        }

        impl omadm_session::Procedure for $name {
            fn poll(
                &mut self,
                correlators: &mut omadm_session::Correlators,
            ) -> omadm_session::Step {
                let mut flow = std::mem::take(&mut self.flow);
                // The script may look at it.
                self.flow.policy = flow.policy;
                let step = flow.poll(self, correlators);
                self.flow = flow;
                step
            }

            fn answer(&mut self, answer: omadm_session::Answer) {
                self.flow.answer(answer);
            }

            fn alert(&mut self, alert: &omadm_core::GenericAlert) -> bool {
                self.flow.alert(alert)
            }

            fn begin_session(&mut self) {
                self.flow.begin_session();
            }

            fn is_in_doubt(&self) -> bool {
                self.flow.is_in_doubt(self)
            }

            fn time_limit(&self) -> Option<std::time::Duration> {
                self.flow.policy.time_limit
            }
        }
    };
}

pub(crate) use procedure;
