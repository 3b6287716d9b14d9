use omadm_core::StatusCode;
use omadm_mo::{
    Context, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId, ManagementObject, Mount, Refusal,
};
use omadm_tree::{AccessType, Change, Principal, Uri};
use virmo_state::VmState;

/// An object some operations of which need a guest that runs; 405 for them where it does not.
pub(crate) struct WhileRunning {
    pub(crate) object: Box<dyn ManagementObject>,
    /// The State of the VM.
    pub(crate) state: Uri,
    /// The operations that need it, by the names of their nodes; all if there are none.
    pub(crate) operations: &'static [&'static str],
    /// Whether a server may Delete it.
    pub(crate) goes: bool,
}

impl WhileRunning {
    fn needs_guest(&self, uri: &Uri) -> bool {
        let name = uri.name().unwrap_or_default();
        self.operations.is_empty() || self.operations.contains(&name)
    }

    fn is_running(&self, cx: &Context<'_, '_>) -> bool {
        let state = cx.tree.node(&self.state).and_then(|state| state.text());
        let state = state.and_then(|state| state.parse().ok());
        state.and_then(VmState::from_value) == Some(VmState::Running)
    }
}

impl ManagementObject for WhileRunning {
    fn mounts(&self) -> Vec<Mount> {
        let mounts = self.object.mounts().into_iter();
        let mounts = mounts.map(|mount| match self.goes {
            true => mount.root_allows(&[AccessType::Delete]),
            false => mount,
        });
        mounts.collect()
    }

    fn start(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        let others = cx.effects.jobs.len();
        let started = self.object.start(cx);
        // A guest that says nothing keeps no server away; what needs no guest does.
        if self.operations.is_empty() {
            for job in cx.effects.jobs.iter_mut().skip(others) {
                job.before_sessions = false;
            }
        }
        started
    }

    fn stage(
        &mut self,
        change: &Change,
        by: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        self.object.stage(change, by, cx)
    }

    fn validate(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        self.object.validate(cx)
    }

    fn committed(&mut self) {
        self.object.committed();
    }

    fn rolled_back(&mut self) {
        self.object.rolled_back();
    }

    fn exec(&mut self, request: &ExecRequest<'_>, cx: &mut Context<'_, '_>) -> ExecAnswer {
        if self.needs_guest(request.uri) && !self.is_running(cx) {
            return StatusCode::COMMAND_NOT_ALLOWED.into();
        }
        self.object.exec(request, cx)
    }

    fn accepted(&mut self, job: JobId, cx: &mut Context<'_, '_>) {
        self.object.accepted(job, cx);
    }

    fn resume(&mut self, cx: &mut Context<'_, '_>) {
        self.object.resume(cx);
    }

    fn given_up(&mut self, job: JobId, cx: &mut Context<'_, '_>) {
        self.object.given_up(job, cx);
    }

    fn completed(&mut self, job: JobId, end: JobEnd, cx: &mut Context<'_, '_>) -> ExecResult {
        self.object.completed(job, end, cx)
    }
}
