use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use omadm_core::{Correlator, Format, GenericAlert, Space, StatusCode};
use omadm_mo::{
    Context, Definition, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId, ManagementObject,
    Mount, NodeDefinition as N, Refusal, Reporting,
};
use omadm_tree::{AccessType::*, Change, Occurrence, Principal, Uri, Value};

use crate::uri;

/// What a [`Lamp`] has.
pub static LAMP: Definition = Definition {
    name: Cow::Borrowed("Lamp"),
    moid: Cow::Borrowed("urn:example:mo:lamp:1.0"),
    specification: Cow::Borrowed("Example"),
    nodes: Cow::Borrowed(&[
        N::node("", "A lamp.", "Example §1").permanent(),
        N::leaf("Name", Format::Chr, "What it is called.", "Example §1")
            .allows(&[Get, Replace])
            .starts_as("lamp"),
        N::leaf(
            "Level",
            Format::Int,
            "How bright it is, up to 100.",
            "Example §1",
        )
        .allows(&[Get, Replace, Copy])
        .starts_as("0"),
        N::leaf("Light", Format::Bool, "Whether it shines.", "Example §1").starts_as("false"),
        N::leaf(
            "Changes",
            Format::Int,
            "How often a server changed it.",
            "Example §1",
        )
        .starts_as("0"),
        N::leaf(
            "Said",
            Format::Chr,
            "What Echo was told last.",
            "Example §1",
        ),
        N::leaf("Icon", Format::Bin, "A picture.", "Example §1").allows(&[Get, Replace]),
        N::leaf("Nothing", Format::Null, "No value.", "Example §1"),
        N::leaf(
            "Pin",
            Format::Chr,
            "Can be written, not read.",
            "Example §1",
        )
        .prints(&[])
        .allows(&[Replace]),
        N::node("Presets", "Levels by name.", "Example §1"),
        N::leaf("Presets/<x>", Format::Int, "A level.", "Example §1")
            .occurs(Occurrence::ZeroOrMore)
            .allows(&[Add, Copy, Delete, Get, Replace]),
        N::operation("On", "Lights it at once.", "Example §2"),
        N::operation("Off", "Darkens it, which takes a while.", "Example §2"),
        N::operation(
            "Later",
            "Lights it, and tells so by an alert.",
            "Example §2",
        ),
        N::operation(
            "Fail",
            "Always fails, with the status in the argument.",
            "Example §2",
        ),
        N::operation("Echo", "Returns its argument.", "Example §2"),
        N::node("Ext", "Anything.", "Example §3").open(),
    ]),
};

/// What happened to a [`Lamp`], in order.
#[derive(Clone, Debug, Default)]
pub struct LampLog(Arc<Mutex<Vec<String>>>);

impl LampLog {
    /// Everything since the last call.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn note(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }
}

/// A management object at `./Lamp` that has one node of every kind, and jobs.
///
/// A Level above 100 is refused with 406 when all changes are judged; a Name of `bad` is refused
/// with 403 at once. The job of `Off` is given up after 60 s, that of `Later` never; both return the
/// [`StatusCode`] 200. Once an Exec was answered with 202, an alert `org.example.lamp` with the
/// final status follows.
///
/// A lamp with the Name `unsure` lights itself after a start: by a job that comes before sessions
/// and is given up after 60 s.
#[derive(Debug)]
pub struct Lamp {
    log: LampLog,
    jobs: BTreeMap<JobId, Task>,
    /// The jobs before the open transaction.
    before: Option<BTreeMap<JobId, Task>>,
}

#[derive(Clone, Debug)]
struct Task {
    uri: Uri,
    light: bool,
    correlator: Option<Correlator>,
    accepted: bool,
}

impl Lamp {
    /// The type of the lamp's alerts.
    pub const ALERT: &'static str = "org.example.lamp";

    /// The space of the lamp's own records: one for each Exec.
    pub const SPACE: Space = Space::new("lamp");

    /// A lamp and its log.
    #[must_use]
    pub fn new() -> (Self, LampLog) {
        let log = LampLog::default();
        let lamp = Self {
            log: log.clone(),
            jobs: BTreeMap::new(),
            before: None,
        };
        (lamp, log)
    }

    /// The tasks, to be changed; put back if the transaction is rolled back.
    fn tasks(&mut self) -> &mut BTreeMap<JobId, Task> {
        if self.before.is_none() {
            self.before = Some(self.jobs.clone());
        }
        &mut self.jobs
    }

    fn shine(cx: &mut Context<'_, '_>, light: bool) {
        cx.tree
            .set(cx.schema, &uri("./Lamp/Light"), Value::bool(light))
            .unwrap();
    }
}

impl ManagementObject for Lamp {
    fn mounts(&self) -> Vec<Mount> {
        vec![Mount::new(uri("./Lamp"), &LAMP)]
    }

    fn start(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        self.log.note("start");
        let name = cx.tree.node(&uri("./Lamp/Name"));
        if name.and_then(|name| name.text()) == Some("unsure") {
            let work = Box::new(|| Box::new(StatusCode::OK) as _);
            let job = cx.effects.job("lamp", "Light", work);
            job.time_limit = Some(Duration::from_secs(60));
            job.before_sessions = true;
            let task = Task {
                uri: uri("./Lamp/Light"),
                light: true,
                correlator: None,
                accepted: false,
            };
            let id = job.id;
            self.tasks().insert(id, task);
        }
        Ok(())
    }

    fn stage(
        &mut self,
        change: &Change,
        by: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        if *by == Principal::Device {
            return Ok(());
        }
        self.log.note(format!("stage {}", change.uri));
        let text = cx
            .tree
            .node(&change.uri)
            .and_then(|node| node.text())
            .unwrap_or_default();
        if change.uri == uri("./Lamp/Name") && text == "bad" {
            return Err(Refusal(StatusCode::FORBIDDEN));
        }
        let changes = uri("./Lamp/Changes");
        let count: i32 = cx
            .tree
            .node(&changes)
            .unwrap()
            .text()
            .unwrap()
            .parse()
            .unwrap();
        cx.tree
            .set(cx.schema, &changes, Value::int(count + 1))
            .unwrap();
        Ok(())
    }

    fn validate(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        self.log.note("validate");
        let level = cx
            .tree
            .node(&uri("./Lamp/Level"))
            .and_then(|node| node.value())
            .unwrap();
        if level.as_int().unwrap() > 100 {
            return Err(Refusal(StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED));
        }
        Ok(())
    }

    fn committed(&mut self) {
        self.log.note("committed");
        self.before = None;
    }

    fn rolled_back(&mut self) {
        self.log.note("rolled back");
        if let Some(before) = self.before.take() {
            self.jobs = before;
        }
    }

    fn exec(&mut self, request: &ExecRequest<'_>, cx: &mut Context<'_, '_>) -> ExecAnswer {
        let name = request.uri.name().unwrap();
        self.log.note(format!("exec {name}"));
        cx.effects.batch.put(Self::SPACE, name, []);
        let argument = || String::from_utf8(request.argument.unwrap_or_default().to_vec()).unwrap();
        let (light, limit, reporting) = match name {
            "On" => {
                Self::shine(cx, true);
                return StatusCode::OK.into();
            }
            "Fail" => return StatusCode::from(argument().parse::<u16>().unwrap()).into(),
            "Echo" => {
                let said = Value::chr(argument());
                cx.tree.set(cx.schema, &uri("./Lamp/Said"), said).unwrap();
                let items = vec![argument()];
                return ExecAnswer::Done(ExecResult {
                    status: StatusCode::OK,
                    items,
                });
            }
            "Off" => (false, Some(Duration::from_secs(60)), Reporting::Synchronous),
            "Later" => (true, None, Reporting::Asynchronous),
            other => panic!("exec of {other}"),
        };
        let job = cx
            .effects
            .job("lamp", name, Box::new(|| Box::new(StatusCode::OK)));
        job.time_limit = limit;
        let id = job.id;
        let task = Task {
            uri: request.uri.clone(),
            light,
            correlator: request.correlator.cloned(),
            accepted: false,
        };
        self.tasks().insert(id, task);
        ExecAnswer::Pending(id, reporting)
    }

    fn accepted(&mut self, job: JobId, cx: &mut Context<'_, '_>) {
        self.log.note("accepted");
        cx.effects.batch.put(Self::SPACE, "accepted", []);
        self.tasks().get_mut(&job).unwrap().accepted = true;
    }

    fn completed(&mut self, job: JobId, end: JobEnd, cx: &mut Context<'_, '_>) -> ExecResult {
        let (word, status) = match end {
            JobEnd::Finished(output) => ("finished", *output.downcast::<StatusCode>().unwrap()),
            JobEnd::Lost => ("lost", StatusCode::COMMAND_FAILED),
            JobEnd::TimedOut => ("timed out", StatusCode::COMMAND_FAILED),
            JobEnd::Late(_) => ("late", StatusCode::COMMAND_FAILED),
        };
        self.log.note(word);
        let task = if word == "timed out" {
            self.tasks().get(&job).cloned().unwrap()
        } else {
            self.tasks().remove(&job).unwrap()
        };
        if word == "late" {
            return status.into();
        }
        if status.is_success() {
            Self::shine(cx, task.light);
        }
        if task.accepted {
            let mut alert = GenericAlert::new(Self::ALERT, Format::Int);
            alert.source = Some(task.uri.to_string());
            alert.correlator = task.correlator;
            alert.data = status.to_string();
            cx.effects.alerts.push(alert);
        }
        status.into()
    }
}
