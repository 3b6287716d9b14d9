mod table;

use std::{sync::Arc, time::Duration};

use omadm_core::{Journal, JournalError, JournalErrorKind, StatusCode};
use omadm_mo::{
    Context, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId, ManagementObject, Mount, Refusal,
    Reporting,
};
use omadm_tree::{
    AccessType::Delete, Change, ChangeKind, NodeRef, Principal, TreeError, Uri, Value,
};

use crate::{
    Failure, ResultCode,
    ledger::{Ledger, Report, below, is_true, outcome, work},
};

pub use table::DCMO;

/// The type of the alert that ends an operation which was answered with 202. [DCMO]
pub const ALERT_DCMO: &str = "urn:oma:at:dcmo:1.0:OperationComplete";

const DENY: &str = "DCMOConfig/DenyUserEnable";

/// What DCMO drives: the capabilities of a device or the peripherals of a VM.
///
/// ```
/// use omadm_objects::{Capability, Failure, Switch};
///
/// struct Board;
///
/// impl Switch for Board {
///     fn capabilities(&self) -> Vec<Capability> {
///         let mut camera = Capability::new("Camera");
///         camera.group = "IO".to_owned();
///         vec![camera]
///     }
///
///     fn switch(&self, name: &str, enabled: bool, notify_user: bool) -> Result<(), Failure> {
///         println!("{name}: {enabled}, the user is told: {notify_user}");
///         Ok(())
///     }
/// }
/// ```
pub trait Switch: Send + Sync {
    /// What can be switched. Asked at every start and after every operation; must not block.
    fn capabilities(&self) -> Vec<Capability>;

    /// Enables or disables a capability, by the name of its node; whether it is attached or not.
    /// With `notify_user` the user is told. May block, and may be called again with the same words:
    /// what a restart interrupted is asked for once more, and at every start what differs from the
    /// tree.
    ///
    /// # Errors
    /// A [`Failure`]; the capability is as before then.
    fn switch(&self, name: &str, enabled: bool, notify_user: bool) -> Result<(), Failure>;

    /// Keeps the user from enabling a capability, or lets them. May block; called when the server
    /// has said something else than before, and at every start where it is denied. Does nothing by
    /// default: such a device goes [without](Dcmo::without) `DCMOConfig/DenyUserEnable`.
    ///
    /// # Errors
    /// A [`Failure`]; it is as before then.
    fn deny_user_enable(&self, name: &str, deny: bool) -> Result<(), Failure> {
        let _ = (name, deny);
        Ok(())
    }
}

/// One capability: what a [`Switch`] says of it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Capability {
    /// The name of its node; must be a name of a node, and the same at every start.
    pub name: String,
    /// `Property`: the property it is. Default: its name.
    pub property: String,
    /// `Group`: the group it belongs to, as `Hardware`, `IO`, `Connectivity`, `Software`, `Service`.
    /// Default: none.
    pub group: String,
    /// `Description`, for people. Default: none.
    pub description: String,
    /// `Attached`: whether it is attached now; none if it cannot be removed. Default: none.
    pub attached: Option<bool>,
    /// Whether it is enabled now. What the server said last is put into force again at a start; a
    /// capability that is new to the tree is as it is. Default: yes.
    pub enabled: bool,
}

impl Capability {
    /// A capability that is built in and enabled.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            property: name.clone(),
            name,
            group: String::new(),
            description: String::new(),
            attached: None,
            enabled: true,
        }
    }
}

/// What can be executed below `Operations` of a capability.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DcmoOperation {
    /// Enables the capability.
    Enable,
    /// Disables it.
    Disable,
}

impl DcmoOperation {
    /// Every operation, in the order of the table.
    pub const ALL: [Self; 2] = [Self::Enable, Self::Disable];

    /// The name of its node.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enable => "Enable",
            Self::Disable => "Disable",
        }
    }

    /// The operation of a node. Names are case sensitive.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.name() == name)
    }

    /// The value of `Enabled` after it succeeded.
    #[must_use]
    pub const fn enables(self) -> bool {
        matches!(self, Self::Enable)
    }
}

/// The Device Capability Management Objects below one node: one for each [`Capability`].
///
/// | Exec of | result when done | when it failed | Enabled |
/// |---|---|---|---|
/// | Operations/Enable | 1200 | 1450; 1451 if the user refused; 1400 | true |
/// | Operations/Disable | 1200 | 1450; 1451 if the user refused; 1400 | false |
///
/// A failure leaves Enabled as it is; an operation that is in force already succeeds. Whether a
/// capability is attached does not matter to an operation. While one is under way at a capability
/// another there is refused with 405; capabilities do not wait for each other. 1450 and 1451 are of
/// the range for vendors: the sources disagree on 1401 to 1405.
///
/// DenyUserEnable can be written at any time. What the device does not do about it shows in the tree:
/// the leaf goes back to what it was. At a start it stays, and is asked for again at the next.
///
/// The Status is 200 or 500, with the result in an Item. If it takes longer than the engine waits
/// the Status is 202, and [`ALERT_DCMO`] follows: from the operation, with the result as an `int`,
/// the Correlator of the Exec, and the mark `warning` for a failure.
///
/// What was under way when the device went off is done again at the next start, before a server can
/// look, and told by the alert. So is, at the next Exec, what was answered with 202 and whose end
/// could not be made durable. What differs from the tree is put into force before a server can look
/// too.
///
/// ```
/// # use omadm_objects::{Capability, Failure, Switch};
/// # struct Board;
/// # impl Switch for Board {
/// #     fn capabilities(&self) -> Vec<Capability> { vec![Capability::new("Camera")] }
/// #     fn switch(&self, _: &str, _: bool, _: bool) -> Result<(), Failure> { Ok(()) }
/// # }
/// use std::sync::Arc;
///
/// use omadm_core::MemoryJournal;
/// use omadm_mo::Registry;
/// use omadm_objects::Dcmo;
/// use omadm_tree::Uri;
///
/// let dcmo = Dcmo::new(Uri::parse("./DCMO")?, Arc::new(Board), &MemoryJournal::new())?;
/// Registry::new().mount(Box::new(dcmo.without("DCMOConfig/DenyUserEnable")))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Dcmo {
    parent: Uri,
    /// The one capability this is about; absent for all below the parent.
    only: Option<String>,
    switch: Arc<dyn Switch>,
    ledger: Ledger<Task>,
    without: Vec<&'static str>,
}

#[derive(Clone)]
enum Task {
    /// What nobody waits for, and what changes nothing in the tree.
    InForce,
    /// Keep the user of the capability at an address from enabling it, or let them.
    Deny(Uri, bool),
    /// Of the capability at an address.
    Operation(Uri, DcmoOperation),
}

impl Dcmo {
    /// The objects below a node, usually `./DCMO`; reads from the journal what the last run left
    /// open.
    ///
    /// # Errors
    /// The [`JournalError`]
    pub fn new(
        parent: Uri,
        switch: Arc<dyn Switch>,
        journal: &dyn Journal,
    ) -> Result<Self, JournalError> {
        Ok(Self {
            ledger: Ledger::load(ALERT_DCMO, &parent, journal)?,
            parent,
            only: None,
            switch,
            without: Vec::new(),
        })
    }

    /// The object of one capability, whose root node a server Added and may Delete, though not while
    /// an operation is under way (405). Of what the switch offers only the capability with the name
    /// of that node counts.
    ///
    /// # Errors
    /// The [`JournalError`]; [`Corrupt`](omadm_core::JournalErrorKind::Corrupt) also for the root of
    /// the tree.
    pub fn single(
        root: &Uri,
        switch: Arc<dyn Switch>,
        journal: &dyn Journal,
    ) -> Result<Self, JournalError> {
        let (Some(parent), Some(name)) = (root.parent(), root.name()) else {
            return Err(JournalError::new(JournalErrorKind::Corrupt, None));
        };
        Ok(Self {
            ledger: Ledger::load(ALERT_DCMO, root, journal)?,
            parent,
            only: Some(name.to_owned()),
            switch,
            without: Vec::new(),
        })
    }

    /// Leaves out an optional node of [`DCMO`] and what is below it, as `DCMOConfig`.
    #[must_use]
    pub fn without(mut self, path: &'static str) -> Self {
        self.without.push(path);
        self
    }

    /// How operations are reported. Default: [`Reporting::Synchronous`].
    #[must_use]
    pub const fn reporting(mut self, reporting: Reporting) -> Self {
        self.ledger.tasks.reporting = reporting;
        self
    }

    /// How long an operation may take until it counts as failed. Default: 10 minutes.
    #[must_use]
    pub const fn time_limit(mut self, limit: Duration) -> Self {
        self.ledger.tasks.time_limit = limit;
        self
    }

    /// Has every job run in one lane, with what else works on the same thing. Default: one for each capability.
    #[must_use]
    pub fn lane(mut self, lane: impl Into<String>) -> Self {
        self.ledger.tasks.job_lane = Some(lane.into());
        self
    }

    /// The capability and the operation of a node; none if it is no operation.
    fn operation(&self, uri: &Uri) -> Option<(Uri, DcmoOperation)> {
        let operation = DcmoOperation::from_name(uri.name()?)?;
        let capability = uri.parent()?.parent()?;
        let node = below(&capability, "Operations").child(operation.name());
        let is_operation = node.is_ok_and(|node| node == *uri)
            && capability.parent().as_ref() == Some(&self.parent);
        is_operation.then_some((capability, operation))
    }

    /// Brings the capabilities up to what the device has. Enabled stays where a capability does.
    fn list(&self, cx: &mut Context<'_, '_>) -> Result<Vec<Capability>, Refusal> {
        let mut offered = self.switch.capabilities();
        if let Some(only) = &self.only {
            offered.retain(|offer| offer.name == *only);
        }
        let present = cx.tree.node(&self.parent).filter(|_| self.only.is_none());
        let gone: Vec<Uri> = NodeRef::children_of(present)
            .filter(|child| offered.iter().all(|offer| offer.name != child.name()))
            .map(|child| child.uri())
            .filter(|gone| !self.ledger.tasks.is_busy(gone))
            .collect();
        for capability in gone {
            cx.tree.remove(&capability)?;
        }
        for offer in &offered {
            self.show(offer, cx)?;
        }
        Ok(offered)
    }

    fn show(&self, offer: &Capability, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        let node = self.parent.child(&offer.name);
        let node = node.map_err(|error| Refusal(error.status()))?;
        let is_new = cx.tree.node(&node).is_none();
        cx.tree.add_interior(cx.schema, &node)?;
        let text = |text: &String| Some(Value::chr(text));
        let leaves = [
            ("Property", text(&offer.property)),
            ("Group", text(&offer.group)),
            ("Description", text(&offer.description)),
            ("Attached", offer.attached.map(Value::bool)),
            ("Enabled", is_new.then(|| Value::bool(offer.enabled))),
        ];
        for (leaf, value) in leaves {
            let at = below(&node, leaf);
            let present = cx.tree.node(&at).map(|leaf| leaf.value());
            match value {
                Some(value)
                    if !self.without.contains(&leaf) && present != Some(Some(value.clone())) =>
                {
                    cx.tree.set(cx.schema, &at, value)?;
                }
                None if leaf == "Attached" && present.is_some() => cx.tree.remove(&at)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Puts into force what the tree says of a capability where the device has something else.
    fn restore(&mut self, offer: &Capability, cx: &mut Context<'_, '_>) {
        let Ok(node) = self.parent.child(&offer.name) else {
            return;
        };
        let enabled = is_true(cx, &below(&node, "Enabled"));
        let deny = is_true(cx, &below(&node, DENY));
        if enabled == offer.enabled && !deny {
            return;
        }
        let (switch, name) = (Arc::clone(&self.switch), offer.name.clone());
        let differs = enabled != offer.enabled;
        let work = work(move || {
            let switched = if differs {
                switch.switch(&name, enabled, false)
            } else {
                Ok(())
            };
            let denied = if deny {
                switch.deny_user_enable(&name, true)
            } else {
                Ok(())
            };
            switched.and(denied)
        });
        let job = self.ledger.begin(None, &node, Task::InForce, work, cx);
        job.before_sessions = true;
    }

    fn work(
        &self,
        capability: &Uri,
        operation: DcmoOperation,
        cx: &Context<'_, '_>,
    ) -> omadm_mo::Work {
        let switch = Arc::clone(&self.switch);
        let name = capability.name().unwrap_or_default().to_owned();
        let notify = is_true(cx, &below(capability, "DCMOConfig/NotifyUser"));
        work(move || switch.switch(&name, operation.enables(), notify))
    }

    /// Does again what was left open.
    fn take_up(&mut self, cx: &mut Context<'_, '_>) {
        for report in self.ledger.tasks.take_left(cx) {
            self.resume(report, cx);
        }
    }

    fn resume(&mut self, report: Report, cx: &mut Context<'_, '_>) {
        let open = self.operation(&report.uri);
        match open.filter(|(capability, _)| cx.tree.node(capability).is_some()) {
            Some((capability, operation)) => {
                let work = self.work(&capability, operation, cx);
                let task = Task::Operation(capability.clone(), operation);
                let job = self.ledger.begin(Some(report), &capability, task, work, cx);
                job.before_sessions = true;
            }
            None => {
                self.ledger
                    .tasks
                    .report(Some(report), ResultCode::CLIENT_ERROR, cx);
            }
        }
    }

    /// Has the device do what DenyUserEnable says.
    fn deny(&mut self, capability: &Uri, cx: &mut Context<'_, '_>) {
        let deny = is_true(cx, &below(capability, DENY));
        let switch = Arc::clone(&self.switch);
        let name = capability.name().unwrap_or_default().to_owned();
        let work = work(move || switch.deny_user_enable(&name, deny));
        let task = Task::Deny(capability.clone(), deny);
        self.ledger.begin(None, capability, task, work, cx);
    }

    /// Brings the device and DenyUserEnable together.
    fn denied(
        &mut self,
        capability: &Uri,
        deny: bool,
        end: Result<(), Failure>,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), TreeError> {
        let leaf = below(capability, DENY);
        if cx.tree.node(&leaf).is_none() {
            return Ok(());
        }
        match (end, is_true(cx, &leaf) == deny) {
            (Ok(()), true) | (Err(_), false) => {}
            // Another word has come meanwhile.
            (Ok(()), false) => self.deny(capability, cx),
            (Err(_), true) => cx.tree.set(cx.schema, &leaf, Value::bool(!deny))?,
        }
        Ok(())
    }

    /// Writes what came of a task; its result code.
    fn settle(
        &mut self,
        task: &Task,
        end: JobEnd,
        cx: &mut Context<'_, '_>,
    ) -> Result<ResultCode, TreeError> {
        let (capability, operation) = match task {
            Task::InForce => return Ok(ResultCode::SUCCESS),
            Task::Deny(capability, deny) => {
                self.denied(capability, *deny, outcome(end), cx)?;
                return Ok(ResultCode::SUCCESS);
            }
            Task::Operation(capability, operation) => (capability, operation),
        };
        if let Err(failure) = outcome::<()>(end) {
            return Ok(match failure {
                Failure::Failed => ResultCode::DCMO_FAILED,
                Failure::Cancelled => ResultCode::DCMO_REFUSED,
                Failure::Client => ResultCode::CLIENT_ERROR,
            });
        }
        let value = Value::bool(operation.enables());
        if cx.tree.node(capability).is_some() {
            cx.tree
                .set(cx.schema, &below(capability, "Enabled"), value)?;
        }
        Ok(ResultCode::SUCCESS)
    }
}

impl ManagementObject for Dcmo {
    fn mounts(&self) -> Vec<Mount> {
        let mount = match self.only.as_ref().map(|name| self.parent.child(name)) {
            Some(Ok(root)) => Mount::new(root, &DCMO).root_allows(&[Delete]),
            _ => Mount::instances(self.parent.clone(), &DCMO),
        };
        let without = self.without.iter();
        vec![without.fold(mount, |mount, path| mount.without(path))]
    }

    fn start(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        for capability in self.list(cx)? {
            self.restore(&capability, cx);
        }
        self.take_up(cx);
        Ok(())
    }

    fn stage(
        &mut self,
        change: &Change,
        by: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        if matches!(change.kind, ChangeKind::Deleted { .. })
            && change.uri.parent().as_ref() == Some(&self.parent)
        {
            return self.ledger.tasks.stage_end(&change.uri, by, cx);
        }
        let capability = change.uri.parent().and_then(|config| config.parent());
        if let Some(capability) = capability
            && matches!(change.kind, ChangeKind::Replaced { .. })
            && change.uri == below(&capability, DENY)
        {
            // One at a time: its end looks at what the server says by then.
            let mut tasks = self.ledger.whats();
            if !tasks.any(|task| matches!(task, Task::Deny(at, _) if *at == capability)) {
                drop(tasks);
                self.deny(&capability, cx);
            }
        }
        Ok(())
    }

    fn committed(&mut self) {
        self.ledger.tasks.committed();
    }

    fn rolled_back(&mut self) {
        self.ledger.rolled_back();
    }

    fn resume(&mut self, cx: &mut Context<'_, '_>) {
        self.take_up(cx);
    }

    fn exec(&mut self, request: &ExecRequest<'_>, cx: &mut Context<'_, '_>) -> ExecAnswer {
        self.take_up(cx);
        let operation = self.operation(request.uri);
        let idle = operation.filter(|(capability, _)| !self.ledger.tasks.is_busy(capability));
        let Some((capability, operation)) = idle else {
            return StatusCode::COMMAND_NOT_ALLOWED.into();
        };
        let work = self.work(&capability, operation, cx);
        let task = Task::Operation(capability.clone(), operation);
        self.ledger.exec(request, &capability, task, work, cx)
    }

    fn accepted(&mut self, job: JobId, _: &mut Context<'_, '_>) {
        self.ledger.tasks.accepted(job);
    }

    fn completed(&mut self, job: JobId, end: JobEnd, cx: &mut Context<'_, '_>) -> ExecResult {
        let Some((task, report)) = self.ledger.end(job, &end) else {
            return StatusCode::COMMAND_FAILED.into();
        };
        let code = self.settle(&task, end, cx);
        let code = code.unwrap_or(ResultCode::CLIENT_ERROR);
        // Nothing hangs on what else became of the capabilities meanwhile.
        let _ = self.list(cx);
        self.ledger.tasks.report(report, code, cx)
    }
}
