use std::sync::Arc;

use omadm_core::{Correlator, GenericAlert, StatusCode};
use omadm_session::{Correlators, Execution, Progress, Reply, Report};
use omadm_syncml::Command;

/// A command, followed until its outcome is final: an Exec that was accepted ends with its alert.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Tracked {
    /// What was sent of it shares it.
    command: Arc<Command<'static>>,
    execution: Option<Box<Execution>>,
    sessions: u32,
    max_sessions: u32,
    /// Whether it was sent before, and the answer lost.
    again: bool,
}

impl Tracked {
    /// `max_sessions`: how many further ones may begin without the alert of an accepted Exec.
    pub(crate) fn new(command: Command<'static>, max_sessions: u32) -> Self {
        Self {
            command: Arc::new(command),
            execution: None,
            sessions: 0,
            max_sessions,
            again: false,
        }
    }

    /// From now on what it was to do may be done already.
    pub(crate) const fn again(&mut self) {
        self.again = true;
    }

    /// The report of an Exec that was sent before, and is not sent twice.
    pub(crate) fn unknown(&self) -> Option<Report> {
        let Command::Exec(exec) = &*self.command else {
            return None;
        };
        let target = exec.items.first().and_then(|item| item.target.as_ref());
        let uri = target.map_or("", |target| &*target.uri);
        let detail = format!("Exec {uri}: begun before the server restarted, the outcome is lost");
        self.again.then(|| Report::failure(None, detail))
    }

    pub(crate) const fn set_max_sessions(&mut self, max_sessions: u32) {
        self.max_sessions = max_sessions;
    }

    /// The command as it is sent: an Exec has a Correlator.
    pub(crate) fn start(&mut self, correlators: &mut Correlators) -> Arc<Command<'static>> {
        if self.is_repeatable() {
            return Arc::clone(&self.command);
        }
        if let Command::Exec(exec) = Arc::make_mut(&mut self.command) {
            let correlator = match &exec.correlator {
                Some(own) => Correlator::new(own.as_ref()),
                None => correlators.next(),
            };
            exec.correlator = Some(correlator.as_str().to_owned().into());
            let target = exec.items.first().and_then(|item| item.target.as_ref());
            let uri = target.map_or_else(String::new, |target| target.uri.to_string());
            self.execution = Some(Box::new(Execution::new(uri, correlator)));
        }
        Arc::clone(&self.command)
    }

    /// Whether it may be sent again though it may have been executed.
    pub(crate) fn is_repeatable(&self) -> bool {
        !matches!(*self.command, Command::Exec(_))
    }

    /// How it ended, given what came back; none while an alert is to come.
    pub(crate) fn report(&mut self, reply: &Reply) -> Option<Report> {
        if let (Some(execution), Some(code)) = (&mut self.execution, reply.status()) {
            execution.status(code);
        }
        match self.execution.as_deref().map(Execution::progress) {
            Some(Progress::Finished(code)) if code.is_success() => Some(Report::success(code)),
            Some(Progress::Finished(code)) => {
                let uri = reply.uri();
                Some(Report::failure(Some(code), format!("Exec {uri}: {code:?}")))
            }
            Some(Progress::Accepted) if self.sessions < self.max_sessions => None,
            Some(Progress::Accepted) => {
                let (uri, sessions) = (reply.uri(), self.sessions);
                let detail = format!("Exec {uri}: no alert in {sessions} further sessions");
                Some(Report::failure(Some(StatusCode::ACCEPTED), detail))
            }
            Some(Progress::Started) | None => {
                let mut report = answered(reply);
                if self.again && self.is_done(reply) {
                    (report.ok, report.detail) = (true, None);
                }
                Some(report)
            }
        }
    }

    /// Whether the device refused it for there is nothing left to do.
    fn is_done(&self, reply: &Reply) -> bool {
        let done = match *self.command {
            Command::Add(_) => StatusCode::ALREADY_EXISTS,
            Command::Delete(_) => StatusCode::NOT_FOUND,
            _ => return false,
        };
        reply.status() == Some(done)
    }

    /// Takes in an alert; whether it is about this command.
    pub(crate) fn alert(&mut self, alert: &GenericAlert) -> bool {
        self.execution
            .as_mut()
            .is_some_and(|execution| execution.alert(alert))
    }

    pub(crate) const fn begin_session(&mut self) {
        self.sessions = self.sessions.saturating_add(1);
    }
}

/// The report of what is final with its answer.
fn answered(reply: &Reply) -> Report {
    let mut report = Report::new(reply.is_success(), reply.status());
    if matches!(reply.command(), Command::Get(_)) {
        report.children = if reply.uri().contains("?list=Struct") {
            report.ok.then(|| addresses(reply))
        } else {
            let names = reply.children();
            names.map(|names| names.into_iter().map(str::to_owned).collect())
        };
        if report.children.is_none() {
            report.value = reply.text().map(str::to_owned);
        }
    }
    if !report.ok {
        report.detail = Some(reply.complaint());
    }
    report
}

/// The nodes of a `?list=`.
fn addresses(reply: &Reply) -> Vec<String> {
    let sources = reply.items().iter().filter_map(|item| item.source.as_ref());
    sources.map(|source| source.uri.to_string()).collect()
}
