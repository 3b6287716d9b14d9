//! The steps of a plan as procedures.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use virmo::{
    dm::{
        core::{Format, GenericAlert},
        session::{Answer, Correlators, Procedure, Report, Round, Step as Next, request},
        syncml::Command,
    },
    params::ResourceConfig,
    server::{ApplyResources, CreateVm, DeliverImage, Mounts, Operate},
};

use crate::plan::{Action, Leaf, Step};

/// A step of a plan, on its way through the engine.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) index: usize,
    pub(crate) label: String,
    /// An earlier step ended the plan: nothing was done.
    pub(crate) skipped: bool,
    expect: Option<u16>,
    stop: bool,
    course: Arc<Course>,
    inner: Box<dyn Procedure>,
}

/// How a plan goes on one device.
#[derive(Debug)]
struct Course {
    /// The steps that are not over.
    left: AtomicUsize,
    failed: AtomicBool,
    /// A step ended the plan.
    stopped: AtomicBool,
}

/// The procedures of a plan for one device.
pub(crate) fn procedures(plan: &[Step], base: &str) -> Result<Vec<Box<dyn Procedure>>, String> {
    let course = Arc::new(Course {
        left: AtomicUsize::new(plan.len()),
        failed: AtomicBool::new(false),
        stopped: AtomicBool::new(false),
    });
    plan.iter()
        .enumerate()
        .map(|(index, step)| {
            let (label, inner) =
                procedure(&step.action, base).map_err(|why| format!("step {index}: {why}"))?;
            let planned = Planned {
                index,
                label,
                skipped: false,
                expect: step.expect,
                stop: step.stop,
                course: Arc::clone(&course),
                inner,
            };
            Ok(Box::new(planned) as Box<dyn Procedure>)
        })
        .collect()
}

impl Planned {
    /// The step behind a procedure that was handed back.
    pub(crate) fn of(procedure: Box<dyn Procedure>) -> Option<Box<Self>> {
        (procedure as Box<dyn Any>).downcast().ok()
    }

    /// Notes that the step is over; whether the whole plan succeeded, if this was its last step.
    pub(crate) fn over(&self, ok: bool) -> Option<bool> {
        if !ok && !self.skipped {
            self.course.failed.store(true, Ordering::SeqCst);
        }
        let last = self.course.left.fetch_sub(1, Ordering::SeqCst) == 1;
        last.then(|| !self.course.failed.load(Ordering::SeqCst))
    }
}

impl Procedure for Planned {
    fn poll(&mut self, correlators: &mut Correlators) -> Next {
        if self.course.stopped.load(Ordering::SeqCst) {
            self.skipped = true;
            return Next::Done(Report::failure(None, "an earlier step ended the plan"));
        }
        match self.inner.poll(correlators) {
            Next::Done(mut report) => {
                if let Some(expect) = self.expect {
                    report.ok = report.status.is_some_and(|status| status.get() == expect);
                }
                if !report.ok && self.stop {
                    self.course.stopped.store(true, Ordering::SeqCst);
                }
                Next::Done(report)
            }
            next => next,
        }
    }

    fn answer(&mut self, answer: Answer) {
        self.inner.answer(answer);
    }

    fn alert(&mut self, alert: &GenericAlert) -> bool {
        self.inner.alert(alert)
    }

    fn begin_session(&mut self) {
        self.inner.begin_session();
    }
}

fn procedure(action: &Action, base: &str) -> Result<(String, Box<dyn Procedure>), String> {
    let mounts = Mounts::default();
    let vm = |name: &str| {
        mounts
            .vm(name)
            .map_err(|error| format!("{name:?}: {error}"))
    };
    let image = |name: &str| {
        mounts
            .image(name)
            .map_err(|error| format!("{name:?}: {error}"))
    };
    Ok(match action {
        Action::DeliverImage(it) => {
            let uri = resolve(&it.uri, base);
            let mut procedure = DeliverImage::new(image(&it.node)?, &it.name, uri, &it.media_type);
            if let Some(description) = &it.description {
                procedure = procedure.with_description(description);
            }
            (format!("deliver image {}", it.node), Box::new(procedure))
        }
        Action::CreateVm(it) => {
            let mut procedure = CreateVm::new(vm(&it.node)?, image(&it.image)?);
            if it.running == Some(false) {
                procedure = procedure.powered_off();
            }
            if let Some(description) = &it.description {
                procedure = procedure.with_description(description);
            }
            if let Some(resources) = &it.resources {
                procedure = procedure.with_resources(config(resources)?);
            }
            (format!("create VM {}", it.node), Box::new(procedure))
        }
        Action::Suspend(name) => operate("suspend VM", name, Operate::suspend(vm(name)?)),
        Action::Resume(name) => operate("resume VM", name, Operate::resume(vm(name)?)),
        Action::PowerOn(name) => operate("power on VM", name, Operate::power_on(vm(name)?)),
        Action::PowerOff(name) => operate("power off VM", name, Operate::power_off(vm(name)?)),
        Action::DeleteVm(name) => operate("delete VM", name, Operate::delete(vm(name)?)),
        Action::DeleteImage(name) => {
            operate("delete image", name, Operate::delete_image(image(name)?))
        }
        Action::ApplyResources(configs) => {
            let configs = configs
                .iter()
                .map(|(name, text)| Ok((name.clone(), config(text)?)))
                .collect::<Result<Vec<_>, String>>()?;
            let procedure =
                ApplyResources::new(&mounts, configs).map_err(|error| error.to_string())?;
            ("apply resources".to_owned(), Box::new(procedure))
        }
        Action::Get(uri) => raw("get", uri, request::get(uri)),
        Action::Delete(uri) => raw("delete", uri, request::delete(uri)),
        Action::Exec(uri) => raw("exec", uri, request::exec(uri, None)),
        Action::Add(it) => match &it.value {
            None => raw(
                "add",
                &it.uri,
                request::add_node(&it.uri, it.media_type.as_deref()),
            ),
            Some(value) => raw("add", &it.uri, request::add(&it.uri, leaf(it, value)?)),
        },
        Action::Replace(it) => {
            let value = it.value.as_deref().unwrap_or_default();
            raw(
                "replace",
                &it.uri,
                request::replace(&it.uri, leaf(it, value)?),
            )
        }
        Action::NotBuilt(word) => return Err(format!("{word}: not built yet")),
    })
}

fn operate(what: &str, name: &str, procedure: Operate) -> (String, Box<dyn Procedure>) {
    (format!("{what} {name}"), Box::new(procedure))
}

fn config(text: &str) -> Result<ResourceConfig, String> {
    text.parse().map_err(|error| format!("{text:?}: {error}"))
}

fn leaf(it: &Leaf, value: &str) -> Result<request::Leaf, String> {
    let format = match &it.format {
        None => Format::Chr,
        Some(word) => word.parse().map_err(|error| format!("{error}"))?,
    };
    let leaf = request::Leaf::new(format, value.to_owned());
    Ok(match &it.media_type {
        Some(media_type) => leaf.with_type(media_type),
        None => leaf,
    })
}

/// A URI as it is, or against the listener if it has no scheme.
pub(crate) fn resolve(uri: &str, base: &str) -> String {
    if uri.contains("://") {
        return uri.to_owned();
    }
    format!("{base}/{}", uri.trim_start_matches('/'))
}

fn raw(name: &str, uri: &str, command: Command<'static>) -> (String, Box<dyn Procedure>) {
    let raw = Raw {
        command,
        round: Round::default(),
        retries: 0,
    };
    (format!("{name} {uri}"), Box::new(raw))
}

/// How often a command is sent again whose session was lost.
const RETRIES: u32 = 3;

/// One command as it stands in the plan. It is sent again if its session was lost, except an Exec,
/// which may have been executed.
#[derive(Debug)]
struct Raw {
    command: Command<'static>,
    round: Round,
    retries: u32,
}

impl Procedure for Raw {
    fn poll(&mut self, _: &mut Correlators) -> Next {
        let Some(reply) = self.round.replies().first() else {
            return self.round.send([self.command.clone()]);
        };
        let repeatable = !matches!(self.command, Command::Exec(_));
        if self.round.is_lost() && repeatable && self.retries < RETRIES {
            self.retries += 1;
            return self.round.send_again();
        }
        let mut report = Report::new(reply.is_success(), reply.status());
        if let Some(children) = reply.children() {
            report.children = Some(children.into_iter().map(str::to_owned).collect());
        } else {
            report.value = reply.text().map(str::to_owned);
        }
        if !report.ok {
            report.detail = Some(reply.complaint());
        }
        Next::Done(report)
    }

    fn answer(&mut self, answer: Answer) {
        self.round.answer(answer);
    }
}

#[cfg(test)]
mod tests {
    use virmo::dm::{core::StatusCode, session::Unanswered};

    use super::*;
    use crate::plan;

    fn run(text: &str, status: StatusCode) -> Vec<(bool, bool)> {
        let plan = plan::parse(text).unwrap();
        let mut correlators = Correlators::new("t");
        let mut seen = Vec::new();
        for mut procedure in procedures(&plan, "http://h").unwrap() {
            let report = loop {
                match procedure.poll(&mut correlators) {
                    Next::Send(commands) => {
                        for command in commands {
                            procedure.answer(Answer::status(command.tag, status));
                        }
                    }
                    Next::Wait => panic!("a raw command waits for nothing"),
                    Next::Done(report) => break report,
                }
            };
            seen.push((report.ok, Planned::of(procedure).unwrap().skipped));
        }
        seen
    }

    #[test]
    fn expect_and_stop_rule_the_plan() {
        let plan = "[[step]]\nexec = './a'\nexpect = 405\n[[step]]\nget = './a'\nstop = true\n\
                    [[step]]\nget = './b'\n";
        let refused = StatusCode::COMMAND_NOT_ALLOWED;
        assert_eq!(
            run(plan, refused),
            [(true, false), (false, false), (false, true)]
        );
        assert_eq!(
            run(plan, StatusCode::OK),
            [(false, false), (true, false), (true, false)]
        );
    }

    #[test]
    fn what_was_lost_is_sent_again_unless_it_may_have_been_executed() {
        let plan = plan::parse("[[step]]\nget = './a'\n[[step]]\nexec = './a'\n").unwrap();
        let mut correlators = Correlators::new("t");
        let mut sent = Vec::new();
        for mut procedure in procedures(&plan, "http://h").unwrap() {
            let mut times = 0;
            while let Next::Send(commands) = procedure.poll(&mut correlators) {
                times += 1;
                for command in commands {
                    let lost = Answer::not_answered(command.tag, Unanswered::SessionLost);
                    procedure.answer(lost);
                }
            }
            sent.push(times);
        }
        assert_eq!(sent, [4, 1]);
    }

    #[test]
    fn what_cannot_be_built_is_named_with_its_step() {
        let error = |text: &str| procedures(&plan::parse(text).unwrap(), "http://h").unwrap_err();
        assert_eq!(
            error("[[step]]\nask_user = 1\n"),
            "step 0: ask_user: not built yet"
        );
        let resources = error("[[step]]\nget = '.'\n[[step]]\napply_resources = { a = 'RAM=x' }\n");
        assert!(resources.starts_with("step 1: \"RAM=x\""), "{resources}");
    }

    #[test]
    fn relative_uris_go_to_the_listener() {
        assert_eq!(resolve("/images/a", "http://h:1"), "http://h:1/images/a");
        assert_eq!(resolve("images/a", "http://h:1"), "http://h:1/images/a");
        assert_eq!(resolve("ftp://x/a", "http://h:1"), "ftp://x/a");
    }
}
