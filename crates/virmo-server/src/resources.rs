use std::collections::BTreeMap;

use omadm_core::StatusCode;
use omadm_session::{Reply, Report};
use omadm_tree::{Uri, UriError};
use virmo_nodes::{VirmoNode, VmNode};
use virmo_params::ResourceConfig;

use crate::{
    Mounts,
    flow::{Change, Done, Fate, Flow, Judgement, Next, Script, Stage, Write, failure, procedure},
    read::Faults,
};

/// Changes what machines may use of the device, all together. [VirMO §8]
///
/// 1. Read State of each machine: one that is not there is the end of it, for the Add of a NewConfig
///    would make it. Read CurrentConfig and NewConfig: what is applied already is not applied again.
/// 2. Add NewConfig of each machine, or replace it.
/// 3. Exec `VirMO/Operations/ApplyChanges`, and wait for its end.
/// 4. Read CurrentConfig of each machine.
///
/// The report's status is that of the Exec. After a failure the NewConfigs are read, and those this
/// procedure wrote are deleted, or become what they were: the device keeps them, and the next
/// ApplyChanges, whichever machine it is for, would apply them.
///
/// ```
/// use virmo_params::{Bytes, Percent, ResourceConfig};
/// use virmo_server::{ApplyResources, Mounts};
///
/// let half = Percent::new(50).unwrap_or_default();
/// let config = ResourceConfig::new(Bytes::mib(512), Bytes::gib(1), half, half);
/// let apply = ApplyResources::new(&Mounts::default(), [("work", config)])?;
/// assert!(apply.outcome().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct ApplyResources {
    apply: Uri,
    machines: BTreeMap<String, Machine>,
    /// What was written.
    changes: Vec<Change>,
    phase: Phase,
    outcome: Option<BTreeMap<String, ResourceConfig>>,
    flow: Flow,
}

#[derive(Clone, PartialEq, Debug)]
struct Machine {
    vm: Uri,
    config: ResourceConfig,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Find,
    Write,
    Run,
    Read,
    Report,
}

impl ApplyResources {
    /// New configurations for the machines with these names in the tree.
    ///
    /// # Errors
    ///
    /// [`UriError`] for a text that is no name of a node.
    pub fn new<N: Into<String>>(
        mounts: &Mounts,
        configs: impl IntoIterator<Item = (N, ResourceConfig)>,
    ) -> Result<Self, UriError> {
        let machines = configs.into_iter().map(|(name, config)| {
            let name = name.into();
            let vm = mounts.vm(&name)?;
            Ok((name, Machine { vm, config }))
        });
        Ok(Self {
            apply: mounts.device(VirmoNode::ApplyChanges),
            machines: machines.collect::<Result<_, UriError>>()?,
            changes: Vec::new(),
            phase: Phase::Find,
            outcome: None,
            flow: Flow::default(),
        })
    }

    /// CurrentConfig of each machine afterwards, by name, as far as it could be read.
    #[must_use]
    pub const fn outcome(&self) -> Option<&BTreeMap<String, ResourceConfig>> {
        self.outcome.as_ref()
    }

    fn nodes(&self, node: VmNode) -> Vec<Uri> {
        self.machines
            .values()
            .map(|machine| node.of(&machine.vm))
            .collect()
    }

    fn report(&mut self, done: Done<'_>) -> Report {
        let mut faults = Faults::default();
        let current: BTreeMap<String, ResourceConfig> = self
            .machines
            .keys()
            .zip(done.replies)
            .filter_map(|(name, reply)| Some((name.clone(), faults.value(reply)?)))
            .collect();
        let wrong = self
            .machines
            .iter()
            .find(|(name, machine)| current.get(*name) != Some(&machine.config));
        let mut report = Report::new(wrong.is_none(), done.status);
        report.detail = wrong.map(|(name, _)| match current.get(name) {
            Some(config) => format!("{name}: {config}"),
            None => format!("{name}: CurrentConfig is not readable"),
        });
        self.outcome = Some(current);
        report
    }
}

impl Script for ApplyResources {
    fn next(&mut self, done: Done<'_>) -> Next {
        let (phase, stage) = match self.phase {
            Phase::Find => {
                let leaves = [VmNode::State, VmNode::CurrentConfig, VmNode::NewConfig];
                let nodes = leaves.into_iter().flat_map(|leaf| self.nodes(leaf));
                (Phase::Write, Stage::Read(nodes.collect()))
            }
            Phase::Write => {
                let count = self.machines.len();
                let (states, configs) = done.replies.split_at_checked(count).unwrap_or_default();
                let (current, new) = configs.split_at_checked(count).unwrap_or_default();
                if let Some(missing) = states.iter().find(|reply| !reply.is_success()) {
                    return Next::Report(failure(missing));
                }
                let missing = |reply: &&Reply| {
                    !reply.is_success() && reply.status() != Some(StatusCode::NOT_FOUND)
                };
                if let Some(faulty) = current.iter().chain(new).find(missing) {
                    return Next::Report(failure(faulty));
                }
                let has = |(machine, reply): (&Machine, &Reply)| {
                    Faults::default().value(reply).as_ref() == Some(&machine.config)
                };
                let machines = || self.machines.values();
                let is_pending = |reply: &Reply| reply.text().is_some_and(|text| !text.is_empty());
                if machines().zip(current).all(has) && !new.iter().any(is_pending) {
                    let report = self.report(Done {
                        replies: current,
                        status: Some(StatusCode::OK),
                    });
                    return Next::Report(report);
                }
                let resumed = self.flow.policy.resumed;
                let changes = machines().zip(new).filter_map(|(machine, reply)| {
                    let is_had = has((machine, reply));
                    // What an earlier run of the server wrote is ours.
                    let before = reply.text().filter(|text| !is_had && !text.is_empty());
                    let node = VmNode::NewConfig.of(&machine.vm);
                    let made = Change::leaf(node, machine.config.to_string(), before);
                    Some(made).filter(|_| !is_had || resumed)
                });
                let changes = changes.collect();
                let writes = machines()
                    .zip(new)
                    .filter(|pair| !has(*pair))
                    .map(|(machine, _)| {
                        let node = VmNode::NewConfig.of(&machine.vm);
                        Write::optional(node, machine.config.to_string())
                    });
                let writes = writes.collect();
                self.changes = changes;
                (Phase::Run, Stage::Write(writes))
            }
            Phase::Run => {
                let apply = self.apply.clone();
                let check = self.nodes(VmNode::NewConfig).into_iter().next();
                let check = vec![check.unwrap_or_else(|| apply.clone())];
                let run = Stage::run(apply, check);
                (Phase::Read, run)
            }
            Phase::Read => (
                Phase::Report,
                Stage::Read(self.nodes(VmNode::CurrentConfig)),
            ),
            Phase::Report => return Next::Report(self.report(done)),
        };
        self.phase = phase;
        Next::Stage(stage)
    }

    /// After a success NewConfig is gone, or empty, which means the same.
    fn judge(&self, check: &Reply, _: Fate) -> Judgement {
        match (check.status(), check.text()) {
            (Some(StatusCode::NOT_FOUND), _) | (_, Some("")) => Judgement::Reached,
            (Some(code), _) if code.is_success() => Judgement::Untouched,
            _ => Judgement::Failed,
        }
    }

    fn changes(&self, _: bool) -> Vec<Change> {
        self.changes.clone()
    }
}

procedure!(ApplyResources);
