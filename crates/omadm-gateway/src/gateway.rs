use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use omadm_core::{Correlator, Format, GenericAlert, Journal, JournalError, Mark, StatusCode};
use omadm_mo::{
    Context, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId, ManagementObject, Mount, Refusal,
    Reporting, Work,
};
use omadm_session::{NoRandom, Nonces, Random};
use omadm_tree::{Change, ChangeKind, Principal, Uri, Value};

use crate::{
    DeliveryError, EndDevices, GATEWAY, ProxySession,
    record::{self, Left, MAX_AWAITED, MAX_CORRELATOR, NONCES, OwnNonces, SPACE},
    relay::{self, NoCommands, Outcome},
};

/// How many end devices have a node at most.
pub const MAX_DEVICES: usize = 256;

/// Octets of the longest notification.
pub const MAX_NOTIFICATION: usize = 4096;

/// Octets of the longest commands.
pub const MAX_COMMANDS: usize = 1 << 20;

/// Octets of the longest `Result`.
pub const MAX_RESULT: usize = 1 << 20;

/// The type of the alert that ends an Exec which was answered with 202. This crate's own.
pub const ALERT_GATEWAY: &str = "urn:x-omadm:at:gateway:1.0:OperationComplete";

/// A gateway in front of [`EndDevices`]; see the [crate].
pub struct Gateway {
    root: Uri,
    devices: Arc<dyn EndDevices>,
    journal: Arc<dyn Journal>,
    random: Arc<Mutex<dyn Random>>,
    limit: Duration,
    prefix: String,
    kept: State,
    draft: Option<State>,
    /// The Execs the last run did not end.
    left: Vec<(Uri, Option<Correlator>)>,
}

/// What an open transaction may change.
#[derive(Clone, Default)]
struct State {
    /// Jobs under way.
    tasks: BTreeMap<JobId, Task>,
    /// The Correlators an end device is to repeat in an alert, by the name of its node.
    awaited: BTreeMap<String, Vec<Correlator>>,
}

#[derive(Clone)]
struct Task {
    /// The name of the end device's node.
    node: String,
    /// The Exec whose end is not reported.
    report: Option<Report>,
}

#[derive(Clone)]
struct Report {
    uri: Uri,
    correlator: Option<Correlator>,
    /// 202 was sent.
    by_alert: bool,
}

/// What a job brings back.
enum Output {
    Delivered(Result<(), DeliveryError>),
    Relayed(Outcome, Vec<GenericAlert>, Result<(), DeliveryError>),
}

impl Gateway {
    /// A gateway at `root`, on the journal the engine commits to. A job with an end device is given
    /// up after a minute.
    ///
    /// # Errors
    ///
    /// A [`JournalError`] if what the last run left cannot be read.
    pub fn new(
        root: Uri,
        devices: Arc<dyn EndDevices>,
        journal: Arc<dyn Journal>,
    ) -> Result<Self, JournalError> {
        let Left { open, awaited } = Left::load(&root, &*journal)?;
        let tasks = BTreeMap::new();
        Ok(Self {
            root,
            devices,
            journal,
            random: Arc::new(Mutex::new(NoRandom)),
            limit: Duration::from_secs(60),
            prefix: "gw".to_owned(),
            kept: State { tasks, awaited },
            draft: None,
            left: open,
        })
    }

    /// Gives a job with an end device up after this long.
    #[must_use]
    pub const fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// What Correlators of inner sessions begin with; another text at each start. Default: `gw`.
    #[must_use]
    pub fn with_correlator_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Makes the nonces of inner sessions of this. Without it end devices whose
    /// [account](EndDevices::account) has a digest, md5 or MAC, get 500.
    #[must_use]
    pub fn with_random(mut self, random: impl Random + 'static) -> Self {
        self.random = Arc::new(Mutex::new(random));
        self
    }

    fn state(&self) -> &State {
        self.draft.as_ref().unwrap_or(&self.kept)
    }

    fn state_mut(&mut self) -> &mut State {
        self.draft.get_or_insert_with(|| self.kept.clone())
    }

    fn is_busy(&self, node: &str) -> bool {
        self.state().tasks.values().any(|task| task.node == node)
    }

    /// The name of the node and of what is below it at an address.
    fn names<'u>(&self, uri: &'u Uri) -> Option<(&'u str, Option<&'u str>)> {
        uri.strip_prefix(&self.root)?;
        let mut names = uri.segments().skip(self.root.depth());
        match (names.next(), names.next(), names.next()) {
            (Some(node), below, None) => Some((node, below)),
            _ => None,
        }
    }

    fn device(&self, node: &str) -> Uri {
        self.root.child(node).unwrap_or_else(|_| self.root.clone())
    }

    fn leaf(&self, node: &str, name: &str) -> Uri {
        let device = self.device(node);
        device.child(name).unwrap_or(device)
    }

    fn begin(
        &mut self,
        request: &ExecRequest<'_>,
        cx: &mut Context<'_, '_>,
    ) -> Result<ExecAnswer, StatusCode> {
        let Some((node, Some(operation))) = self.names(request.uri) else {
            return Err(StatusCode::COMMAND_NOT_ALLOWED);
        };
        let argument = request.argument.filter(|argument| !argument.is_empty());
        let argument = argument.ok_or(StatusCode::INCOMPLETE_COMMAND)?;
        let id = cx.tree.node(&self.leaf(node, "DeviceID"));
        let id = id.and_then(|leaf| leaf.text()).unwrap_or_default();
        let id = id.to_owned();
        if id.is_empty() {
            return Err(StatusCode::INCOMPLETE_COMMAND);
        }
        if self.is_busy(node) {
            return Err(StatusCode::COMMAND_NOT_ALLOWED);
        }
        let work = match operation {
            "Trigger" if argument.len() > MAX_NOTIFICATION => {
                return Err(StatusCode::REQUEST_ENTITY_TOO_LARGE);
            }
            "Trigger" => {
                let (devices, octets) = (Arc::clone(&self.devices), argument.to_vec());
                Box::new(move || Box::new(Output::Delivered(devices.notify(&id, &octets))) as _)
            }
            "Execute" if argument.len() > MAX_COMMANDS => {
                return Err(StatusCode::REQUEST_ENTITY_TOO_LARGE);
            }
            "Execute" => {
                let work = self.proxy(id, argument, cx.effects.next_job())?;
                cx.tree
                    .set(cx.schema, &self.leaf(node, "Result"), Value::xml(""))
                    .map_err(|error| error.status())?;
                work
            }
            _ => return Err(StatusCode::COMMAND_NOT_ALLOWED),
        };
        record::put(&mut cx.effects.batch, request.uri, request.correlator);
        let lane = format!("gateway {node}");
        let job = cx.effects.job(lane, format!("{operation} {node}"), work);
        job.time_limit = Some(self.limit);
        let job = job.id;
        let report = Report {
            uri: request.uri.clone(),
            correlator: request.correlator.cloned(),
            by_alert: false,
        };
        let task = Task {
            node: node.to_owned(),
            report: Some(report),
        };
        self.state_mut().tasks.insert(job, task);
        Ok(ExecAnswer::Pending(job, Reporting::Synchronous))
    }

    /// The work of a session with an end device.
    fn proxy(&self, id: String, argument: &[u8], number: u64) -> Result<Work, StatusCode> {
        let commands = relay::commands(argument);
        let commands = commands.map_err(|NoCommands| StatusCode::BAD_REQUEST)?;
        let prefix = format!("{}-{number}", self.prefix);
        let devices = Arc::clone(&self.devices);
        let random = Arc::clone(&self.random);
        let random = move |octets: &mut [u8]| {
            let mut random = random.lock().unwrap_or_else(PoisonError::into_inner);
            random.fill(octets)
        };
        let nonces = Arc::new(OwnNonces(Arc::clone(&self.journal)));
        let nonces = Nonces::new(nonces, random);
        Ok(Box::new(move || {
            let account = devices.account(&id);
            let mut session = ProxySession::new(&prefix, &id, account, nonces, commands);
            let held = devices.session(&id, &mut session);
            let (outcome, alerts) = session.outcome();
            Box::new(Output::Relayed(outcome, alerts, held))
        }))
    }

    /// The end device's answers become the Result, and its alerts those of this device.
    fn relayed(
        &mut self,
        node: &str,
        outcome: Outcome,
        alerts: Vec<GenericAlert>,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), StatusCode> {
        let device = self.device(node);
        if cx.tree.node(&device).is_none() {
            return Err(StatusCode::NOT_FOUND);
        }
        let before = self.state().awaited.get(node).cloned().unwrap_or_default();
        let mut awaited = before.clone();
        awaited.extend(
            outcome
                .told
                .iter()
                .map(|(correlator, _)| correlator.clone()),
        );
        let mut repeated = Vec::new();
        for alert in alerts {
            let alert = passed_on(alert, &device, &awaited);
            repeated.extend(alert.correlator.clone());
            cx.effects.told.push((device.to_string(), alert));
        }
        let closed = outcome.told.iter().filter(|(_, open)| !open);
        repeated.extend(closed.map(|(correlator, _)| correlator.clone()));
        awaited.retain(|correlator| {
            !repeated.contains(correlator) && correlator.as_str().len() <= MAX_CORRELATOR
        });
        awaited.drain(..awaited.len().saturating_sub(MAX_AWAITED));
        if awaited != before {
            self.await_alerts(node, awaited, cx);
        }
        if outcome.document.len() > MAX_RESULT {
            return Err(StatusCode::REQUEST_ENTITY_TOO_LARGE);
        }
        let leaf = self.leaf(node, "Result");
        cx.tree
            .set(cx.schema, &leaf, Value::xml(outcome.document))
            .map_err(|error| error.status())
    }

    fn await_alerts(&mut self, node: &str, awaited: Vec<Correlator>, cx: &mut Context<'_, '_>) {
        let device = self.device(node);
        if awaited.is_empty() {
            cx.effects.batch.remove(SPACE, device.to_string());
            self.state_mut().awaited.remove(node);
        } else {
            record::put(&mut cx.effects.batch, &device, &awaited);
            self.state_mut().awaited.insert(node.to_owned(), awaited);
        }
    }

    /// Ends what is under way at an end device that is another one now, or gone.
    fn forget(
        &mut self,
        node: &str,
        by: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        if self.is_busy(node) && matches!(by, Principal::Server(_)) {
            return Err(Refusal(StatusCode::COMMAND_NOT_ALLOWED));
        }
        if self.state().awaited.contains_key(node) {
            self.await_alerts(node, Vec::new(), cx);
        }
        Ok(())
    }

    /// The final answer to an Exec, and its alert after a 202.
    fn report(report: Option<Report>, status: StatusCode, cx: &mut Context<'_, '_>) -> ExecResult {
        if let Some(report) = report {
            cx.effects.batch.remove(SPACE, report.uri.to_string());
            if report.by_alert {
                let mut alert = GenericAlert::new(ALERT_GATEWAY, Format::Int);
                alert.source = Some(report.uri.to_string());
                alert.mark = (!status.is_success()).then_some(Mark::Warning);
                alert.correlator = report.correlator;
                alert.data = status.to_string();
                cx.effects.alerts.push(alert);
            }
        }
        status.into()
    }
}

impl ManagementObject for Gateway {
    fn mounts(&self) -> Vec<Mount> {
        vec![Mount::new(self.root.clone(), &GATEWAY)]
    }

    fn start(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        for (uri, correlator) in std::mem::take(&mut self.left) {
            let report = Report {
                uri,
                correlator,
                // Nobody waits for a Status any more.
                by_alert: true,
            };
            Self::report(Some(report), StatusCode::COMMAND_FAILED, cx);
        }
        Ok(())
    }

    fn stage(
        &mut self,
        change: &Change,
        by: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        let Some((node, below)) = self.names(&change.uri) else {
            return Ok(());
        };
        match (below, &change.kind) {
            (None, ChangeKind::Added) => {
                let root = cx.tree.node(&self.root);
                if root.is_some_and(|root| root.children().count() > MAX_DEVICES) {
                    return Err(Refusal(StatusCode::DEVICE_FULL));
                }
                Ok(())
            }
            (None, ChangeKind::Deleted { .. }) => self.forget(node, by, cx),
            (
                Some("DeviceID"),
                ChangeKind::Deleted {
                    before: Some(before),
                },
            ) => {
                cx.effects.batch.remove(NONCES, before.octets());
                Ok(())
            }
            (Some("DeviceID"), ChangeKind::Replaced { before }) => {
                self.forget(node, by, cx)?;
                cx.effects.batch.remove(NONCES, before.octets());
                let leaf = self.leaf(node, "Result");
                Ok(cx.tree.set(cx.schema, &leaf, Value::xml(""))?)
            }
            _ => Ok(()),
        }
    }

    fn committed(&mut self) {
        if let Some(draft) = self.draft.take() {
            self.kept = draft;
        }
    }

    fn rolled_back(&mut self) {
        self.draft = None;
    }

    fn exec(&mut self, request: &ExecRequest<'_>, cx: &mut Context<'_, '_>) -> ExecAnswer {
        self.begin(request, cx).unwrap_or_else(ExecAnswer::from)
    }

    fn accepted(&mut self, job: JobId, _: &mut Context<'_, '_>) {
        let task = self.state_mut().tasks.get_mut(&job);
        if let Some(report) = task.and_then(|task| task.report.as_mut()) {
            report.by_alert = true;
        }
    }

    fn completed(&mut self, job: JobId, end: JobEnd, cx: &mut Context<'_, '_>) -> ExecResult {
        let output = match end {
            JobEnd::TimedOut => {
                // Until it ends after all, the end device is busy.
                let task = self.state_mut().tasks.get_mut(&job);
                let report = task.and_then(|task| task.report.take());
                return Self::report(report, StatusCode::REQUEST_TIMEOUT, cx);
            }
            JobEnd::Finished(output) | JobEnd::Late(output) => output.downcast::<Output>().ok(),
            JobEnd::Lost => None,
        };
        // That it ended is kept even if what came of it is not.
        let task = self.kept.tasks.remove(&job);
        if let Some(draft) = &mut self.draft {
            draft.tasks.remove(&job);
        }
        let Some(task) = task else {
            return StatusCode::COMMAND_FAILED.into();
        };
        let status = match output.map(|output| *output) {
            Some(Output::Delivered(Ok(()))) => StatusCode::OK,
            Some(Output::Delivered(Err(error))) => error.status(),
            Some(Output::Relayed(outcome, alerts, held)) => {
                let status = match (outcome.whole, held) {
                    (true, _) => outcome.status,
                    (false, Err(error)) => error.status(),
                    (false, Ok(())) => DeliveryError::Unreachable.status(),
                };
                let kept = self.relayed(&task.node, outcome, alerts, cx);
                kept.map_or_else(|error| error, |()| status)
            }
            None => StatusCode::COMMAND_FAILED,
        };
        Self::report(task.report, status, cx)
    }
}

/// The alert as the server of the device in front hears it: its Source is below that of the end
/// device. A Correlator is that of a command for it, or none: no end device answers for another.
fn passed_on(mut alert: GenericAlert, device: &Uri, known: &[Correlator]) -> GenericAlert {
    let source = alert.source.unwrap_or_default();
    let below = source.trim_start_matches("./").trim_start_matches('/');
    alert.source = Some(match below {
        "" | "." => device.to_string(),
        below => format!("{device}/{below}"),
    });
    let correlator = alert.correlator.take();
    alert.correlator = correlator.filter(|correlator| known.contains(correlator));
    alert
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("root", &self.root)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
