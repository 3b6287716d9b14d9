use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use omadm_core::StatusCode;
use omadm_mo::{
    Context, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId, ManagementObject, Mount, Refusal,
    Reporting,
};
use omadm_tree::{Change, ChangeKind, Principal, Uri, Value};

use crate::{
    GATEWAY, ProxySession,
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

/// What lies behind a gateway: how octets get to the DM clients there. Called from jobs, which may
/// block; each end device is worked on by one job at a time.
pub trait EndDevices: Send + Sync {
    /// Hands a notification to the client of an end device, as it is. [DM-Notification]
    ///
    /// # Errors
    ///
    /// [`DeliveryError`]: one that does not run is told so, never dropped in silence.
    fn notify(&self, device: &str, notification: &[u8]) -> Result<(), DeliveryError>;

    /// Has the client of an end device hold a session with `server`: wakes it, carries each of its
    /// messages to [`ProxySession::answer`] and the answer back, until
    /// [`ProxySession::is_over`].
    ///
    /// # Errors
    ///
    /// [`DeliveryError`]
    fn session(&self, device: &str, server: &mut ProxySession) -> Result<(), DeliveryError>;
}

/// Why an end device was not reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// There is none of this identifier.
    #[error("no such end device")]
    Unknown,
    /// It does not run.
    #[error("the end device does not run")]
    NotRunning,
    /// It did not answer in time.
    #[error("no answer of the end device in time")]
    NoAnswer,
    /// It cannot be reached, or has no DM client.
    #[error("the end device cannot be reached")]
    Unreachable,
}

impl DeliveryError {
    /// The status a server gets.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::NotRunning => StatusCode::COMMAND_NOT_ALLOWED,
            Self::NoAnswer => StatusCode::REQUEST_TIMEOUT,
            Self::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// A gateway in front of [`EndDevices`]; see the [crate].
pub struct Gateway {
    root: Uri,
    devices: Arc<dyn EndDevices>,
    limit: Duration,
    prefix: String,
    kept: Tasks,
    draft: Option<Tasks>,
}

/// The jobs under way, by the name of the end device's node.
type Tasks = BTreeMap<JobId, String>;

/// What a job brings back.
enum Output {
    Delivered(Result<(), DeliveryError>),
    Relayed(Result<Outcome, DeliveryError>),
}

impl Gateway {
    /// A gateway at `root`. A job with an end device is given up after a minute.
    #[must_use]
    pub fn new(root: Uri, devices: Arc<dyn EndDevices>) -> Self {
        Self {
            root,
            devices,
            limit: Duration::from_secs(60),
            prefix: "gw".to_owned(),
            kept: Tasks::new(),
            draft: None,
        }
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

    fn tasks(&self) -> &Tasks {
        self.draft.as_ref().unwrap_or(&self.kept)
    }

    fn tasks_mut(&mut self) -> &mut Tasks {
        self.draft.get_or_insert_with(|| self.kept.clone())
    }

    /// The name of the node and of the operation at an address.
    fn operation<'u>(&self, uri: &'u Uri) -> Option<(&'u str, &'u str)> {
        uri.strip_prefix(&self.root)?;
        let mut names = uri.segments().skip(self.root.depth());
        match (names.next(), names.next(), names.next()) {
            (Some(node), Some(operation), None) => Some((node, operation)),
            _ => None,
        }
    }

    fn leaf(&self, node: &str, name: &str) -> Uri {
        let device = self.root.child(node).unwrap_or_else(|_| self.root.clone());
        device.child(name).unwrap_or(device)
    }

    fn begin(
        &mut self,
        request: &ExecRequest<'_>,
        cx: &mut Context<'_, '_>,
    ) -> Result<ExecAnswer, StatusCode> {
        let operation = self.operation(request.uri);
        let (node, operation) = operation.ok_or(StatusCode::COMMAND_NOT_ALLOWED)?;
        let argument = request.argument.filter(|argument| !argument.is_empty());
        let argument = argument.ok_or(StatusCode::INCOMPLETE_COMMAND)?;
        let id = cx.tree.node(&self.leaf(node, "DeviceID"));
        let id = id
            .and_then(|leaf| leaf.text())
            .unwrap_or_default()
            .to_owned();
        if id.is_empty() {
            return Err(StatusCode::INCOMPLETE_COMMAND);
        }
        if self.tasks().values().any(|busy| busy == node) {
            return Err(StatusCode::COMMAND_NOT_ALLOWED);
        }
        let devices = Arc::clone(&self.devices);
        let work: omadm_mo::Work = match operation {
            "Trigger" if argument.len() > MAX_NOTIFICATION => {
                return Err(StatusCode::REQUEST_ENTITY_TOO_LARGE);
            }
            "Trigger" => {
                let octets = argument.to_vec();
                Box::new(move || Box::new(Output::Delivered(devices.notify(&id, &octets))))
            }
            "Execute" if argument.len() > MAX_COMMANDS => {
                return Err(StatusCode::REQUEST_ENTITY_TOO_LARGE);
            }
            "Execute" => {
                let commands = relay::commands(argument);
                let commands = commands.map_err(|NoCommands| StatusCode::BAD_REQUEST)?;
                let prefix = format!("{}-{}", self.prefix, cx.effects.next_job());
                let result = self.leaf(node, "Result");
                cx.tree
                    .set(cx.schema, &result, Value::xml(""))
                    .map_err(|error| error.status())?;
                Box::new(move || {
                    let mut session = ProxySession::new(&prefix, &id, commands);
                    let held = devices.session(&id, &mut session);
                    let relayed = match (session.outcome(), held) {
                        (Some(outcome), _) => Ok(outcome),
                        (None, Err(error)) => Err(error),
                        (None, Ok(())) => Err(DeliveryError::Unreachable),
                    };
                    Box::new(Output::Relayed(relayed))
                })
            }
            _ => return Err(StatusCode::COMMAND_NOT_ALLOWED),
        };
        let lane = format!("gateway {node}");
        let job = cx.effects.job(lane, format!("{operation} {node}"), work);
        job.time_limit = Some(self.limit);
        let job = job.id;
        self.tasks_mut().insert(job, node.to_owned());
        Ok(ExecAnswer::Pending(job, Reporting::Synchronous))
    }

    /// The end device's answers become the Result, and its alerts those of this device.
    fn relayed(&self, node: &str, outcome: Outcome, cx: &mut Context<'_, '_>) -> StatusCode {
        let device = self.root.child(node).unwrap_or_else(|_| self.root.clone());
        if cx.tree.node(&device).is_none() {
            return StatusCode::NOT_FOUND;
        }
        let place = device.to_string();
        let alerts = outcome.alerts.into_iter();
        cx.effects
            .alerts
            .extend(alerts.map(|alert| relay::passed_on(alert, &place)));
        if outcome.document.len() > MAX_RESULT {
            return StatusCode::REQUEST_ENTITY_TOO_LARGE;
        }
        let leaf = self.leaf(node, "Result");
        match cx.tree.set(cx.schema, &leaf, Value::xml(outcome.document)) {
            Ok(()) if outcome.whole => StatusCode::OK,
            Ok(()) => StatusCode::SERVICE_UNAVAILABLE,
            Err(error) => error.status(),
        }
    }
}

impl ManagementObject for Gateway {
    fn mounts(&self) -> Vec<Mount> {
        vec![Mount::new(self.root.clone(), &GATEWAY)]
    }

    fn start(&mut self, _: &mut Context<'_, '_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn stage(
        &mut self,
        change: &Change,
        _: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        let names = change.uri.strip_prefix(&self.root);
        let is_device = names.is_some_and(|below| below.depth() == 1);
        if is_device && matches!(change.kind, ChangeKind::Added) {
            let root = cx.tree.node(&self.root);
            if root.is_some_and(|root| root.children().count() > MAX_DEVICES) {
                return Err(Refusal(StatusCode::DEVICE_FULL));
            }
        }
        Ok(())
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

    fn completed(&mut self, job: JobId, end: JobEnd, cx: &mut Context<'_, '_>) -> ExecResult {
        let output = match end {
            // Until it ends after all, the end device is busy.
            JobEnd::TimedOut => return StatusCode::REQUEST_TIMEOUT.into(),
            JobEnd::Finished(output) => Some(output),
            JobEnd::Late(_) | JobEnd::Lost => None,
        };
        // That it ended is kept even if what came of it is not.
        let node = self.kept.remove(&job);
        if let Some(draft) = &mut self.draft {
            draft.remove(&job);
        }
        let output = output.and_then(|output| output.downcast::<Output>().ok());
        let (Some(node), Some(output)) = (node, output) else {
            return StatusCode::COMMAND_FAILED.into();
        };
        let status = match *output {
            Output::Delivered(Ok(())) => StatusCode::OK,
            Output::Relayed(Ok(outcome)) => self.relayed(&node, outcome, cx),
            Output::Delivered(Err(error)) | Output::Relayed(Err(error)) => error.status(),
        };
        status.into()
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("root", &self.root)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
