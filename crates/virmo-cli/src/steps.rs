//! The steps of a plan as procedures.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use percent_encoding::percent_decode_str;
use virmo::{
    dm::{
        core::{EchoType, GenericAlert, InputType, Interaction, UserInteraction},
        download::{DownloadUri, InvalidUriKind},
        server::{AskUser, Place},
        session::{Answer, Correlators, Procedure, Report, Step as Next},
    },
    nodes::Profile,
    params::ResourceConfig,
    server::{
        AllowUserUnlock, ApplyResources, AskVmUser, CreateVm, DeliverImage, Manage, Mounts,
        Operate, Policy,
    },
    state::AccessOperation,
};

use crate::plan::{self, Action, Input, Kind, Sha256, Step};

mod companion;
mod raw;

/// A step of a plan, on its way through the engine.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) index: usize,
    pub(crate) label: String,
    /// An earlier step ended the plan: nothing was done.
    pub(crate) skipped: bool,
    expect: Option<u16>,
    stop: bool,
    within: Option<Duration>,
    /// An earlier run of the server began it.
    resumed: bool,
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

/// The procedures of what is left of a plan for one device.
///
/// What an earlier run of the server began is found and not done twice.
pub(crate) fn procedures(
    plan: &[Step],
    base: &str,
    profile: Profile,
    place: &Place,
) -> Result<Vec<Box<dyn Procedure>>, String> {
    let over = place.finished.len();
    let (failed, stopped) = so_far(plan, place);
    let course = Arc::new(Course {
        left: AtomicUsize::new(plan.len().saturating_sub(over)),
        failed: AtomicBool::new(failed),
        stopped: AtomicBool::new(stopped),
    });
    plan.iter()
        .enumerate()
        .skip(over)
        .map(|(index, step)| {
            let mut policy = Policy::default();
            policy.resumed = place.begun && index == over;
            policy.in_doubt = place.in_doubt && index == over;
            let (label, inner) = procedure(&step.action, base, profile, policy)
                .map_err(|why| format!("line {}: {why}", step.line))?;
            let planned = Planned {
                index,
                label,
                skipped: false,
                expect: step.expect,
                stop: step.stop,
                within: step.within.map(Duration::from_secs),
                resumed: policy.resumed,
                course: Arc::clone(&course),
                inner,
            };
            Ok(Box::new(planned) as Box<dyn Procedure>)
        })
        .collect()
}

/// Whether a step failed so far, and whether one ended the plan.
fn so_far(plan: &[Step], place: &Place) -> (bool, bool) {
    let over = plan.iter().zip(&place.finished);
    let mut failures = over.filter(|(_, report)| !report.ok).peekable();
    (
        failures.peek().is_some(),
        failures.any(|(step, _)| step.stop),
    )
}

/// Whether a plan succeeded; none if it is not over.
pub(crate) fn outcome(plan: &[Step], place: &Place) -> Option<bool> {
    let (failed, _) = so_far(plan, place);
    (place.finished.len() >= plan.len()).then_some(!failed)
}

impl Planned {
    /// The step behind a procedure that was handed back.
    pub(crate) fn of(procedure: Box<dyn Procedure>) -> Option<Box<Self>> {
        (procedure as Box<dyn Any>).downcast().ok()
    }

    /// What the plan makes of a report.
    fn judge(&self, mut report: Report) -> Report {
        if let Some(expect) = self.expect {
            let mut expected = report.status.is_some_and(|status| status.get() == expect);
            // Of what was done before, the status is that of doing it again.
            expected |= self.resumed && report.ok && (200..300).contains(&expect);
            // What a status of success hides stays a failure.
            let success = report.status.is_some_and(|status| status.is_success());
            report.ok = expected && (report.ok || !success);
            if !expected {
                let due = format!("expected {expect}");
                report.detail = Some(match report.detail.take() {
                    Some(detail) => format!("{due}: {detail}"),
                    None => due,
                });
            }
        }
        if !report.ok && self.stop {
            self.course.stopped.store(true, Ordering::SeqCst);
        }
        report
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
            Next::Done(report) => Next::Done(self.judge(report)),
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

    fn is_in_doubt(&self) -> bool {
        self.inner.is_in_doubt()
    }

    fn time_limit(&self) -> Option<Duration> {
        self.within.or_else(|| self.inner.time_limit())
    }

    fn time_out(&mut self, limit: Duration) -> Report {
        let report = self.inner.time_out(limit);
        self.judge(report)
    }
}

fn procedure(
    action: &Action,
    base: &str,
    profile: Profile,
    policy: Policy,
) -> Result<(String, Box<dyn Procedure>), String> {
    let mounts = Mounts::default().with_profile(profile);
    let operate = |what: &str, name: &str, procedure: Operate| {
        let procedure: Box<dyn Procedure> =
            Box::new(procedure.in_profile(profile).with_policy(policy));
        (format!("{what} {name}"), procedure)
    };
    let manage = |label: String, procedure: Manage| {
        let procedure: Box<dyn Procedure> = Box::new(procedure.with_policy(policy));
        (label, procedure)
    };
    let access = |name: &str, operation: AccessOperation| {
        let what = match operation {
            AccessOperation::Lock => "lock VM",
            AccessOperation::Unlock => "unlock VM",
            AccessOperation::AllowSharing => "allow sharing by VM",
            AccessOperation::ProhibitSharing => "prohibit sharing by VM",
        };
        let vm = mounts
            .vm(name)
            .map_err(|error| format!("{name:?}: {error}"))?;
        Ok::<_, String>(operate(what, name, Operate::access(vm, operation)))
    };
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
        Action::DeliverImage(it) if it.uri.is_empty() || it.media_type.is_empty() => {
            return Err("an image has a uri and a media_type".to_owned());
        }
        Action::DeliverImage(it) => {
            if it.descriptor && own_image(&it.uri).is_none() {
                return Err(format!(
                    "descriptor = true: {:?} is no relative uri below /images/",
                    it.uri
                ));
            }
            let mut uri = resolve(&it.uri, base);
            if it.descriptor {
                uri.push_str(".dd");
            }
            match uri.parse::<DownloadUri>() {
                // Whether it can fetch that is for the device to say.
                Err(error) if error.kind != InvalidUriKind::Scheme => {
                    return Err(error.to_string());
                }
                _ => {}
            }
            if !is_media_type(&it.media_type) {
                return Err(format!("{:?} is no media type", it.media_type));
            }
            let mut procedure = DeliverImage::new(image(&it.node)?, &it.name, uri, &it.media_type);
            if let Some(description) = &it.description {
                procedure = procedure.with_description(description);
            }
            if let Some(Sha256::Given(digits)) = &it.sha256 {
                let digest = digest(digits).ok_or_else(|| {
                    format!("{digits:?} is not the 64 hexadecimal digits of a digest")
                })?;
                procedure = procedure.with_digest(digest);
            }
            (
                format!("deliver image {}", it.node),
                Box::new(procedure.with_policy(policy)),
            )
        }
        Action::CreateVm(it) => {
            let mut procedure = CreateVm::new(vm(&it.node)?, image(&it.image)?).in_profile(profile);
            if it.delete_image {
                procedure = procedure.without_image(image(&it.image)?);
            }
            if it.running == Some(false) {
                procedure = procedure.powered_off();
            }
            if let Some(description) = &it.description {
                procedure = procedure.with_description(description);
            }
            if let Some(resources) = &it.resources {
                procedure = procedure.with_resources(config(resources)?);
            }
            (
                format!("create VM {}", it.node),
                Box::new(procedure.with_policy(policy)),
            )
        }
        Action::Suspend(name) => operate("suspend VM", name, Operate::suspend(vm(name)?)),
        Action::Resume(name) => operate("resume VM", name, Operate::resume(vm(name)?)),
        Action::PowerOn(name) => operate("power on VM", name, Operate::power_on(vm(name)?)),
        Action::PowerOff(name) => operate("power off VM", name, Operate::power_off(vm(name)?)),
        Action::DeleteVm(name) => operate("delete VM", name, Operate::delete(vm(name)?)),
        Action::Lock(name) if profile == Profile::Draft => access(name, AccessOperation::Lock)?,
        Action::Unlock(name) if profile == Profile::Draft => access(name, AccessOperation::Unlock)?,
        Action::Lock(name) => manage(format!("lock VM {name}"), Manage::lock(vm(name)?)),
        Action::Unlock(name) => manage(format!("unlock VM {name}"), Manage::unlock(vm(name)?)),
        Action::EnablePeripheral(_) | Action::DisablePeripheral(_) if profile == Profile::Draft => {
            return Err("the draft profile has no DMTree for peripherals".to_owned());
        }
        Action::EnablePeripheral(it) => {
            let procedure = Manage::enable(vm(&it.vm)?, &it.name)
                .map_err(|error| format!("{:?}: {error}", it.name))?;
            let label = format!("enable {} of VM {}", it.name, it.vm);
            manage(label, procedure)
        }
        Action::DisablePeripheral(it) => {
            let procedure = Manage::disable(vm(&it.vm)?, &it.name)
                .map_err(|error| format!("{:?}: {error}", it.name))?;
            let label = format!("disable {} of VM {}", it.name, it.vm);
            manage(label, procedure)
        }
        Action::AllowSharing(_) | Action::ProhibitSharing(_) | Action::UserUnlock(_)
            if profile != Profile::Draft =>
        {
            return Err("there is no such step but in the draft profile".to_owned());
        }
        Action::AllowSharing(name) => access(name, AccessOperation::AllowSharing)?,
        Action::ProhibitSharing(name) => access(name, AccessOperation::ProhibitSharing)?,
        Action::UserUnlock(it) => {
            let procedure = AllowUserUnlock::new(&vm(&it.vm)?, it.allowed).with_policy(policy);
            (format!("user unlock of VM {}", it.vm), Box::new(procedure))
        }
        Action::ApplyResources(_) if profile == Profile::Draft => {
            return Err("the draft profile has no ApplyChanges".to_owned());
        }
        Action::DeleteImage(name) => {
            operate("delete image", name, Operate::delete_image(image(name)?))
        }
        Action::ApplyResources(configs) if configs.is_empty() => {
            return Err("apply_resources names no VM".to_owned());
        }
        Action::ApplyResources(configs) => {
            let configs = configs
                .iter()
                .map(|(name, text)| Ok((name.clone(), config(text)?)))
                .collect::<Result<Vec<_>, String>>()?;
            let procedure =
                ApplyResources::new(&mounts, configs).map_err(|error| error.to_string())?;
            (
                "apply resources".to_owned(),
                Box::new(procedure.with_policy(policy)),
            )
        }
        Action::AskUser(it) if it.vm.is_some() && profile == Profile::Draft => {
            return Err("the draft profile has no UI of a VM".to_owned());
        }
        Action::AskUser(it) => {
            let asked = question(it)?;
            match &it.vm {
                None => (
                    format!("ask the user: {}", it.text),
                    Box::new(AskUser::new(asked)),
                ),
                Some(name) => (
                    format!("ask the user of VM {name}: {}", it.text),
                    Box::new(AskVmUser::new(vm(name)?, asked).with_policy(policy)),
                ),
            }
        }
        Action::Raw(it) => raw::procedure(it, policy.resumed)?,
        Action::Companion(it) => companion::procedure(it, base, profile, policy)?,
    })
}

fn config(text: &str) -> Result<ResourceConfig, String> {
    text.parse().map_err(|error| format!("{text:?}: {error}"))
}

/// Whether a text is a type and a subtype, with parameters or without. [RFC 9110 §8.3.1]
fn is_media_type(text: &str) -> bool {
    let is_token = |part: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !part.is_empty() && part.bytes().all(allowed)
    };
    let essence = text.split(';').next().unwrap_or_default().trim_end();
    let tokens = essence.split_once('/');
    tokens.is_some_and(|(kind, below)| is_token(kind) && is_token(below))
        && !text.contains(char::is_control)
}

/// Whether a URI is one of the server's.
pub(crate) fn is_relative(uri: &str) -> bool {
    !uri.contains("://")
}

/// The file that a relative URI names below `/images/`.
pub(crate) fn own_image(uri: &str) -> Option<String> {
    let path = Some(uri).filter(|uri| is_relative(uri))?;
    let name = path.trim_start_matches('/').strip_prefix("images/")?;
    (!name.is_empty() && !name.contains(['?', '#'])).then(|| file_name(name))
}

/// The file that an address names by the last part of its path.
pub(crate) fn file_name(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

fn digest(digits: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = digits
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    bytes.try_into().ok().filter(|_| rest.is_empty())
}

/// A URI as it is, or against where the server is found if it has no scheme.
pub(crate) fn resolve(uri: &str, base: &str) -> String {
    if !is_relative(uri) {
        return uri.to_owned();
    }
    format!("{base}/{}", uri.trim_start_matches('/'))
}

/// No user is asked for longer than a day.
const LONGEST: u64 = 86_400;

fn question(it: &plan::AskUser) -> Result<UserInteraction, String> {
    for (name, seconds) in [
        ("min_seconds", it.min_seconds),
        ("max_seconds", it.max_seconds),
    ] {
        if let Some(seconds) = seconds.filter(|seconds| *seconds > LONGEST) {
            return Err(format!(
                "{name} = {seconds}: it is at most {LONGEST}, a day"
            ));
        }
    }
    if let (Some(min), Some(max)) = (it.min_seconds, it.max_seconds)
        && min > max
    {
        return Err(format!(
            "min_seconds = {min} is more than max_seconds = {max}"
        ));
    }
    let choices = || match it.choices.is_empty() {
        true => Err("a choice needs choices".to_owned()),
        false => Ok(it.choices.clone()),
    };
    let interaction = match it.kind {
        Kind::Display => Interaction::Display,
        Kind::Confirm => Interaction::Confirm,
        Kind::Input => Interaction::TextInput,
        Kind::Choice => Interaction::SingleChoice(choices()?),
        Kind::Choices => Interaction::MultipleChoice(choices()?),
    };
    let mut asked = UserInteraction::new(interaction, &it.text);
    asked.options.min_display = it.min_seconds.map(Duration::from_secs);
    asked.options.max_display = it.max_seconds.map(Duration::from_secs);
    asked.options.default_response = it.default.as_ref().map(|default| match it.kind {
        // As the result is told.
        Kind::Choices => default.replace(',', "-"),
        _ => default.clone(),
    });
    asked.options.max_length = it.max_length;
    asked.options.input = match it.input {
        Input::Text => InputType::Alphanumeric,
        Input::Number => InputType::Numeric,
        Input::Date => InputType::Date,
        Input::Time => InputType::Time,
        Input::Phone => InputType::Phone,
        Input::Ip => InputType::Ip,
    };
    if it.password {
        asked.options.echo = EchoType::Password;
    }
    if let (Some(default), None) = (&it.default, asked.default_answer()) {
        return Err(format!(
            "default = {default:?} is no answer to the question"
        ));
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use virmo::dm::core::StatusCode;

    use super::*;

    fn run(text: &str, status: StatusCode) -> Vec<(bool, bool)> {
        let plan = plan::parse(text).unwrap();
        let mut correlators = Correlators::new("t");
        let mut seen = Vec::new();
        for mut procedure in
            procedures(&plan, "http://h", Profile::Approved, &Place::default()).unwrap()
        {
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
        let plan = "[[step]]\nexec = './a'\nexpect = 405\n[[step]]\ndelete = './a'\nstop = true\n\
                    [[step]]\ndelete = './b'\n";
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
    fn a_status_that_was_not_expected_says_which_was() {
        let plan = plan::parse("[[step]]\nexec = './a'\nexpect = 405\n").unwrap();
        for (status, due) in [
            (StatusCode::OK, "expected 405"),
            (
                StatusCode::NOT_FOUND,
                "expected 405: Exec ./a: 404 Not found",
            ),
            (
                StatusCode::COMMAND_NOT_ALLOWED,
                "Exec ./a: 405 Command not allowed",
            ),
        ] {
            let mut procedure = procedures(&plan, "http://h", Profile::Approved, &Place::default())
                .unwrap()
                .remove(0);
            let mut correlators = Correlators::new("t");
            let Next::Send(commands) = procedure.poll(&mut correlators) else {
                panic!("a command is sent");
            };
            procedure.answer(Answer::status(commands[0].tag, status));
            let Next::Done(report) = procedure.poll(&mut correlators) else {
                panic!("it was answered");
            };
            assert_eq!(report.detail.as_deref(), Some(due));
        }
    }

    #[test]
    fn a_get_without_results_fails() {
        let plan = "[[step]]\nget = './a'\n[[step]]\nget = './a'\nexpect = 200\n\
                    [[step]]\nget = './a'\nexpect = 404\n";
        let failed = (false, false);
        assert_eq!(run(plan, StatusCode::OK), [failed; 3]);
        let seen = run(plan, StatusCode::NOT_FOUND);
        assert_eq!(seen, [failed, failed, (true, false)]);
    }

    #[test]
    fn what_cannot_be_built_is_named_with_its_step() {
        let error = |text: &str| {
            procedures(
                &plan::parse(text).unwrap(),
                "http://h",
                Profile::Approved,
                &Place::default(),
            )
            .unwrap_err()
        };
        for (step, why) in [
            ("apply_resources = { a = 'RAM=x' }", "\"RAM=x\": "),
            ("apply_resources = {}", "apply_resources names no VM"),
            ("suspend = { vm = 'a/b' }", "\"a/b\": "),
            ("delete_image = { node = '' }", "\"\": "),
            (
                "deliver_image = { node = 'a', name = '', uri = '', media_type = 'x' }",
                "an image",
            ),
            (
                "deliver_image = { node = 'a', name = '', uri = 'images/', media_type = 'x/y', descriptor = true }",
                "descriptor = true: \"images/\" is no relative uri below /images/",
            ),
            ("get = './a//b'", "\"./a//b\": the address is not valid: "),
            ("get = './a?list=x'", "\"./a?list=x\": "),
            ("exec = './a?list=Struct'", "\"./a?list=Struct\": "),
            ("add = { uri = '../a' }", "\"../a\": "),
            ("replace = { uri = './a' }", "a value is missing"),
            (
                "replace = { uri = './a', value = '', format = 'x' }",
                "\"x\": ",
            ),
            (
                "replace = { uri = './a', value = '', value_file = 'x' }",
                "value and value_file",
            ),
            ("copy = { from = './a', to = '' }", "\"\": "),
            (
                "deliver_image = { node = 'a', name = '', uri = 'http://', media_type = 'x/y' }",
                "\"http://\" ",
            ),
            (
                "deliver_image = { node = 'a', name = '', uri = 'x', media_type = 'x' }",
                "\"x\" is no media type",
            ),
            (
                "add = { uri = './a', value = 'abc', format = 'int' }",
                "\"abc\" is no int",
            ),
            (
                "add = { uri = './a', value = 'yes', format = 'bool' }",
                "\"yes\" is no bool",
            ),
            (
                "sequence = [{ replace = { uri = './a', value = 'x', format = 'date' } }]",
                "\"x\" is no date",
            ),
            (
                "add = { uri = './a', value = '<a/>', format = 'xml', type = 'application/vnd.syncml.dmtnds+xml' }",
                "the value is no tree: ",
            ),
            (
                "atomic = [{ sequence = [{ atomic = [{ get = './a' }] }] }]",
                "an atomic in an atomic",
            ),
            (
                "sequence = [{ atomic = [{ atomic = [{ get = './a' }] }] }]",
                "an atomic in an atomic",
            ),
            (
                "ask_user = { kind = 'choice', text = '?', choices = ['a', 'b'], default = '3' }",
                "default = \"3\" is no answer",
            ),
            (
                "ask_user = { kind = 'choices', text = '?', choices = ['a', 'b'], default = '1,0' }",
                "default = \"1,0\" is no answer",
            ),
            (
                "ask_user = { kind = 'confirm', text = '?', max_seconds = 86401 }",
                "max_seconds = 86401: it is at most 86400, a day",
            ),
            (
                "ask_user = { kind = 'confirm', text = '?', min_seconds = 3, max_seconds = 2 }",
                "min_seconds = 3 is more than max_seconds = 2",
            ),
            (
                "update_firmware = { vm = 'a', object = './FUMO', uri = 'x' }",
                "vm and object are one too many",
            ),
            (
                "update_firmware = { object = '../a', uri = 'x' }",
                "\"../a\": ",
            ),
            ("update_firmware = { uri = '' }", "firmware has a uri"),
            (
                "deliver_software = { package = 'a' }",
                "a package has a uri or a file",
            ),
            (
                "deliver_software = { package = 'a', uri = 'x', active = true }",
                "active is for install_software",
            ),
            (
                "install_software = { package = 'a', params = 'x' }",
                "a package that is described has a uri or a file",
            ),
            (
                "install_software = { package = 'a/b', uri = 'x' }",
                "\"a/b\": ",
            ),
            (
                "remove_package = { vm = 'a/b', package = 'a' }",
                "\"a/b\": ",
            ),
            ("activate_software = { component = '' }", "\"\": "),
            ("sequence = []", "nothing in it"),
            ("atomic = [{ get = './a?prop=X' }]", "\"./a?prop=X\": "),
            (
                "ask_user = { kind = 'choice', text = '?' }",
                "a choice needs choices",
            ),
            (
                "ask_user = { vm = 'a/b', kind = 'confirm', text = '?' }",
                "\"a/b\": ",
            ),
        ] {
            let said = error(&format!("[[step]]\nget = '.'\n[[step]]\n{step}\n"));
            assert!(
                said.starts_with(&format!("line 3: {why}")),
                "{step}: {said}"
            );
        }
    }

    /// docs/program.md has no step that is refused, and none is missing.
    #[test]
    fn the_plans_of_the_documentation_can_be_built() {
        let page = include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/program.md"
        ));
        let blocks = page.split("```toml").skip(1);
        let plans = blocks.map(|block| block.split("```").next().unwrap());
        let plans: Vec<_> = plans.map(|plan| plan::parse(plan).unwrap()).collect();
        let lengths: Vec<_> = plans.iter().map(Vec::len).collect();
        assert_eq!(lengths, [3, 10, 4, 10, 12, 3]);
        let profiles = [Profile::Draft].into_iter();
        let profiles = profiles.chain(std::iter::repeat(Profile::Approved));
        for (plan, profile) in plans.iter().zip(profiles) {
            procedures(plan, "http://h", profile, &Place::default()).unwrap();
        }
    }

    #[test]
    fn relative_uris_go_to_the_listener() {
        assert_eq!(resolve("/images/a", "http://h:1"), "http://h:1/images/a");
        assert_eq!(resolve("images/a", "http://h:1"), "http://h:1/images/a");
        assert_eq!(resolve("ftp://x/a", "http://h:1"), "ftp://x/a");
    }
}
