use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use omadm_core::{Journal, StatusCode};
use omadm_tree::TreeError;
use virmo_hypervisor::{
    Erase, HypervisorError, HypervisorErrorKind, MachineState, PowerOff, VmSpec,
};
use virmo_state::{Primitive, VmId, VmState};

use crate::{
    bootstrap,
    intent::{Making, VmIntent},
    machines::Machines,
    table::{Direction, Next, Seen, Step, next},
};

/// Brings primitives to their end on the machine itself; what a job runs.
pub(crate) struct Driver {
    pub(crate) machines: Arc<Machines>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) graceful: Option<Duration>,
    pub(crate) erase: Erase,
    /// Thrown when the job was given up: its failure is reported.
    pub(crate) given_up: Arc<AtomicBool>,
}

/// How a primitive ended on the machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    pub(crate) end: End,
    /// What went wrong first.
    pub(crate) failure: Option<Failure>,
}

/// Where work on a machine ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The VM is in this state.
    Settled(VmState),
    /// The machine could not be seen, or not be brought into a state: this primitive still has to
    /// be undone.
    Owed(Primitive),
}

/// Why something failed: for the server, and for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) reason: String,
}

impl Driver {
    /// Brings an intent to its end. A `fresh` one was never worked on: the machine is taken to be
    /// what the tree says, as every call finds out if it is not.
    pub(crate) fn run(&self, intent: &VmIntent, fresh: bool) -> Outcome {
        let _held = self.machines.hold(&intent.vm);
        if let Some(owed) = intent.owed
            && intent.primitive != Primitive::Delete
        {
            let outcome = self.bring(intent, owed, Direction::Undo, None);
            // It may have been undone before, and the primitive itself be cut.
            let is_cut =
                || !fresh && outcome.end == End::Owed(owed) && self.is_unusable(&intent.vm);
            if outcome.end != End::Settled(intent.prior) && !is_cut() {
                return outcome.or_failure(|| {
                    format!("the machine was left in another state by an earlier {owed}")
                });
            }
        }
        let direction = if intent.failed {
            Direction::Undo
        } else {
            Direction::Finish
        };
        let seen = fresh.then(|| intent.prior.into());
        let outcome = self.bring(intent, intent.primitive, direction, seen);
        match (intent.owed, outcome.end) {
            // Nothing was deleted: what a Delete need not undo first is undone now.
            (Some(owed), End::Settled(state))
                if intent.primitive == Primitive::Delete && state.is_created() =>
            {
                let end = self.bring(intent, owed, Direction::Undo, None).end;
                let failure = outcome.failure;
                Outcome { end, failure }
            }
            _ => outcome,
        }
    }

    /// What the machine is.
    pub(crate) fn observe(&self, vm: &VmId) -> Result<MachineState, HypervisorError> {
        let observed = self.machines.hypervisor.observe(vm);
        observed.map(|observed| observed.state)
    }

    /// Whether a machine is there and in no state it can be used in.
    fn is_unusable(&self, vm: &VmId) -> bool {
        let state = self.observe(vm);
        state.is_ok_and(|state| Seen::from(&state).state().is_none())
    }

    /// Follows the table from what the machine is seen as, or from what it is observed to be.
    fn bring(
        &self,
        intent: &VmIntent,
        primitive: Primitive,
        mut direction: Direction,
        seen: Option<Seen>,
    ) -> Outcome {
        let mut failure = None;
        let mut next_seen = seen;
        let mut last = None;
        loop {
            let seen = match next_seen {
                Some(seen) => seen,
                None => match self.observe(&intent.vm) {
                    Ok(state) => Seen::from(&state),
                    Err(error) => return owed(primitive, failure, error.into()),
                },
            };
            next_seen = Some(seen);
            let given_up = self.given_up.load(Ordering::SeqCst);
            if given_up && direction == Direction::Finish {
                // What was done so far was reported as failed.
                failure.get_or_insert_with(Failure::no_answer);
                (direction, last) = (Direction::Undo, None);
                continue;
            }
            match next(primitive, direction, seen) {
                Next::Do(step) if last != Some(step) => match self.call(step, direction, intent) {
                    Ok(()) => (last, next_seen) = (Some(step), Some(step.result())),
                    Err(error) => {
                        let error = Failure::from(error);
                        if direction == Direction::Undo {
                            return owed(primitive, failure, error);
                        }
                        failure.get_or_insert(error);
                        (direction, last, next_seen) = (Direction::Undo, None, None);
                    }
                },
                Next::Turn => {
                    failure.get_or_insert_with(|| Failure {
                        status: StatusCode::COMMAND_NOT_ALLOWED,
                        reason: format!("{primitive} does not apply to the machine as it is"),
                    });
                    (direction, last) = (Direction::Undo, None);
                }
                Next::Do(_) | Next::Hold => {
                    let Some(state) = seen.state() else {
                        let unusable = Failure::new("the machine is in no state it can be used in");
                        return owed(primitive, failure, unusable);
                    };
                    let end = End::Settled(state);
                    return Outcome { end, failure };
                }
            }
        }
    }

    fn call(
        &self,
        step: Step,
        direction: Direction,
        intent: &VmIntent,
    ) -> Result<(), HypervisorError> {
        let (hypervisor, vm) = (&self.machines.hypervisor, &intent.vm);
        match step {
            Step::Create => match &intent.making {
                Some(making) => {
                    let mut spec = spec(vm, making);
                    spec.bootstrap = bootstrap::load(&*self.journal, vm).map_err(|error| {
                        HypervisorError::new(HypervisorErrorKind::Backend).caused_by(error)
                    })?;
                    hypervisor.create(&spec)
                }
                None => return Err(HypervisorError::new(HypervisorErrorKind::Image)),
            },
            Step::PowerOn => hypervisor.power_on(vm),
            Step::PowerOff => match self.graceful {
                Some(timeout) if direction == Direction::Finish => hypervisor
                    .power_off(vm, PowerOff::Graceful { timeout })
                    .or_else(|error| match error.kind() {
                        HypervisorErrorKind::NotSupported | HypervisorErrorKind::Timeout { .. } => {
                            hypervisor.power_off(vm, PowerOff::Force)
                        }
                        _ => Err(error),
                    }),
                _ => hypervisor.power_off(vm, PowerOff::Force),
            },
            Step::Suspend => hypervisor.suspend(vm),
            Step::Resume => hypervisor.resume(vm),
            Step::Delete => hypervisor.delete(vm, self.erase),
        }
        .map(drop)
    }
}

fn spec(vm: &VmId, making: &Making) -> VmSpec {
    let mut spec = VmSpec::new(
        vm.clone(),
        &making.location,
        &making.media_type,
        making.resources.clone(),
    );
    spec.description.clone_from(&making.description);
    spec.vendor = making.params.vendor().clone();
    spec
}

/// The undoing of a primitive did not work; the first failure counts.
fn owed(primitive: Primitive, first: Option<Failure>, now: Failure) -> Outcome {
    Outcome {
        end: End::Owed(primitive),
        failure: Some(first.unwrap_or(now)),
    }
}

impl Outcome {
    fn or_failure(mut self, reason: impl FnOnce() -> String) -> Self {
        self.failure.get_or_insert_with(|| Failure::new(reason()));
        self
    }
}

impl Failure {
    /// A failure of the device.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self {
            status: StatusCode::COMMAND_FAILED,
            reason: reason.into(),
        }
    }

    pub(crate) fn no_answer() -> Self {
        Self::new("no answer in time")
    }
}

/// An error with what is behind it, for people.
pub(crate) fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

impl From<HypervisorError> for Failure {
    fn from(error: HypervisorError) -> Self {
        Self {
            status: status(error.kind()),
            reason: explain(&error),
        }
    }
}

impl From<TreeError> for Failure {
    fn from(error: TreeError) -> Self {
        Self {
            status: error.status(),
            reason: explain(&error),
        }
    }
}

/// The status a server gets for what a hypervisor answers. [VirMO §10, DM-RepPro §10]
pub(crate) fn status(kind: &HypervisorErrorKind) -> StatusCode {
    match kind {
        // A machine that is gone is in another state too; 404 is for a node that is not there.
        HypervisorErrorKind::InvalidState { .. }
        | HypervisorErrorKind::Busy
        | HypervisorErrorKind::NotFound => StatusCode::COMMAND_NOT_ALLOWED,
        HypervisorErrorKind::NotSupported | HypervisorErrorKind::CannotChangeLive(_) => {
            StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED
        }
        HypervisorErrorKind::NoSpace(_) => StatusCode::DEVICE_FULL,
        HypervisorErrorKind::Image
        | HypervisorErrorKind::Timeout { .. }
        | HypervisorErrorKind::Backend => StatusCode::COMMAND_FAILED,
        _ => StatusCode::COMMAND_FAILED,
    }
}
