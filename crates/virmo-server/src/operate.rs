use omadm_core::StatusCode;
use omadm_session::{Reply, Report};
use omadm_tree::Uri;
use virmo_nodes::{ImageNode, Profile, VmNode};
use virmo_state::{AccessOperation, Primitive, VmState};

use crate::{
    flow::{Done, Fate, Flow, Judgement, Next, Script, Stage, Write, failure, procedure},
    mounts::place,
    read::Faults,
};

/// Executes one operation of a machine or an image, and reads what came of it. [VirMO §8, §9]
///
/// 1. Exec the node below `Operations`, and wait for its end: the Status, or after 202 the alert
///    that repeats the Correlator. Each further session that brings none reads the state.
/// 2. Read State; after a deletion, the machine or image itself, which has to be gone.
///
/// A deletion reads State first: a machine that was never created, State 0, has nothing to destroy
/// and refuses the Exec; its node is deleted instead.
///
/// The report's status is that of the Exec. A refusal, 405 or 404, of what is so already is a success
/// with that status; what an earlier run of the server began is waited for.
///
/// ```
/// use virmo_server::{Mounts, Operate};
///
/// let work = Mounts::default().vm("work")?;
/// let steps = [Operate::suspend(work.clone()), Operate::resume(work.clone()), Operate::delete(work)];
/// assert_eq!(steps[0].state(), None);
/// # Ok::<(), omadm_tree::UriError>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Operate {
    object: Uri,
    operation: Operation,
    profile: Profile,
    phase: Phase,
    state: Option<VmState>,
    flow: Flow,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operation {
    Vm(Primitive),
    Access(AccessOperation),
    DeleteImage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Look,
    Run,
    Read,
    Report,
}

impl Operate {
    /// Suspends the running machine at this address.
    #[must_use]
    pub fn suspend(vm: Uri) -> Self {
        Self::new(vm, Operation::Vm(Primitive::Suspend))
    }

    /// Resumes the suspended machine at this address.
    #[must_use]
    pub fn resume(vm: Uri) -> Self {
        Self::new(vm, Operation::Vm(Primitive::Resume))
    }

    /// Powers the machine at this address on.
    #[must_use]
    pub fn power_on(vm: Uri) -> Self {
        Self::new(vm, Operation::Vm(Primitive::PowerOn))
    }

    /// Powers the running machine at this address off.
    #[must_use]
    pub fn power_off(vm: Uri) -> Self {
        Self::new(vm, Operation::Vm(Primitive::PowerOff))
    }

    /// Deletes the machine at this address with its sub-tree. [VirMO §10.3]
    #[must_use]
    pub fn delete(vm: Uri) -> Self {
        Self::new(vm, Operation::Vm(Primitive::Delete))
    }

    /// Deletes the image at this address with its sub-tree.
    #[must_use]
    pub fn delete_image(image: Uri) -> Self {
        Self::new(image, Operation::DeleteImage)
    }

    /// Locks the machine at this address, or unlocks it, or changes whether it may share data, on a
    /// device of the [draft](Profile::Draft), which has no other way; State stays.
    #[must_use]
    pub fn access(vm: Uri, operation: AccessOperation) -> Self {
        Self::new(vm, Operation::Access(operation)).in_profile(Profile::Draft)
    }

    /// On a device that follows this text; default the approved one.
    #[must_use]
    pub const fn in_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    fn new(object: Uri, operation: Operation) -> Self {
        Self {
            object,
            operation,
            profile: Profile::Approved,
            phase: Phase::Look,
            state: None,
            flow: Flow::default(),
        }
    }

    /// The State of the machine afterwards, once it was read; [`VmState::Deleted`] when it is gone.
    #[must_use]
    pub const fn state(&self) -> Option<VmState> {
        self.state
    }

    /// The node that tells what came of it, and the state it should tell of a machine.
    fn check(&self) -> Uri {
        match self.operation {
            Operation::DeleteImage => self.object.clone(),
            Operation::Vm(_) => VmNode::State.of(&self.object),
            Operation::Access(operation) => {
                let leaf = match operation {
                    AccessOperation::Lock | AccessOperation::Unlock => VmNode::Locked,
                    AccessOperation::AllowSharing | AccessOperation::ProhibitSharing => {
                        VmNode::Sharing
                    }
                };
                place(self.profile, &self.object, leaf)
            }
        }
    }

    fn report(&mut self, done: Done<'_>) -> Report {
        let [reply] = done.replies else {
            return Report::new(false, done.status);
        };
        if let Operation::Vm(primitive) = self.operation {
            self.state = match reply.status() {
                Some(StatusCode::NOT_FOUND) => Some(VmState::Deleted),
                _ if primitive == Primitive::Delete => None,
                _ => Faults::default().vm_state(reply),
            };
        }
        // Without an Exec there was none to be refused.
        let mut report = Report::new(
            self.judge(reply, Fate::Accepted) == Judgement::Reached,
            done.status.or(Some(StatusCode::OK)),
        );
        if !report.ok {
            report.detail = Some(match self.state {
                Some(state) => format!("{}: {state}", self.object),
                None if reply.is_success() => format!("{}: still there", self.object),
                None => failure(reply).detail.unwrap_or_default(),
            });
        }
        report
    }
}

impl Script for Operate {
    fn next(&mut self, done: Done<'_>) -> Next {
        let (phase, stage) = match self.phase {
            Phase::Look if self.operation == Operation::Vm(Primitive::Delete) => {
                (Phase::Run, Stage::Read(vec![self.check()]))
            }
            Phase::Look | Phase::Run => {
                if let [state] = done.replies {
                    if !state.is_success() && state.status() != Some(StatusCode::NOT_FOUND) {
                        return Next::Report(failure(state));
                    }
                    if Faults::default().vm_state(state) == Some(VmState::NotCreated) {
                        self.phase = Phase::Read;
                        let delete = Write::delete(self.object.clone());
                        return Next::Stage(Stage::Write(vec![delete]));
                    }
                }
                let node = match self.operation {
                    Operation::Vm(primitive) => {
                        place(self.profile, &self.object, VmNode::operation(primitive))
                    }
                    Operation::Access(operation) => {
                        place(self.profile, &self.object, VmNode::access(operation))
                    }
                    Operation::DeleteImage => ImageNode::Delete.of(&self.object),
                };
                let check = vec![self.check()];
                (Phase::Read, Stage::run(node, check))
            }
            // A server that knows the draft alone has no node to read who gets at a machine from.
            Phase::Read => match self.operation {
                Operation::Access(_) => return Next::Report(Report::new(true, done.status)),
                Operation::Vm(Primitive::Delete) => {
                    (Phase::Report, Stage::Read(vec![self.object.clone()]))
                }
                Operation::Vm(_) | Operation::DeleteImage => {
                    (Phase::Report, Stage::Read(vec![self.check()]))
                }
            },
            Phase::Report => return Next::Report(self.report(done)),
        };
        self.phase = phase;
        Next::Stage(stage)
    }

    fn judge(&self, check: &Reply, fate: Fate) -> Judgement {
        match self.operation {
            Operation::Vm(Primitive::Delete) if fate == Fate::Refused => {
                let state = Faults::default().vm_state(check);
                match state.is_none_or(|state| state.after(Primitive::Delete).is_ok()) {
                    true => judge_gone(check),
                    // Refused because of its state.
                    false => Judgement::Failed,
                }
            }
            Operation::Vm(Primitive::Delete) | Operation::DeleteImage => judge_gone(check),
            Operation::Vm(primitive) => judge_state(primitive, check),
            Operation::Access(operation) => {
                let wanted = match operation {
                    AccessOperation::Lock | AccessOperation::AllowSharing => "true",
                    AccessOperation::Unlock | AccessOperation::ProhibitSharing => "false",
                };
                match check.text() {
                    Some(text) if text == wanted => Judgement::Reached,
                    Some("true" | "false") => Judgement::Untouched,
                    // The node is ours; where it is not, the operation is asked for again.
                    _ if check.status() == Some(StatusCode::NOT_FOUND) => Judgement::Untouched,
                    _ => Judgement::Failed,
                }
            }
        }
    }
}

procedure!(Operate);

/// What reading a machine or image says about its deletion.
pub(crate) fn judge_gone(check: &Reply) -> Judgement {
    match check.status() {
        Some(StatusCode::NOT_FOUND) => Judgement::Reached,
        Some(code) if code.is_success() => Judgement::Untouched,
        _ => Judgement::Failed,
    }
}

/// What the State of a machine says about a primitive other than Delete.
pub(crate) fn judge_state(primitive: Primitive, check: &Reply) -> Judgement {
    let target = VmState::ALL
        .into_iter()
        .find_map(|state| state.after(primitive).ok());
    match Faults::default().vm_state(check) {
        state if state.is_some() && state == target => Judgement::Reached,
        Some(state) if state.after(primitive).is_ok() => Judgement::Untouched,
        _ => Judgement::Failed,
    }
}
