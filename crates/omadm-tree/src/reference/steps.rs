//! Groups of commands and whole subtrees.

use std::collections::BTreeSet;

use omadm_core::{Now, StatusCode};

use crate::{
    AccessType, Acl, NewNode, Occurrence, Principal, Property, Reading, Schema, Scope, Target, Uri,
};

use super::{Answer, Command, ReferenceTree, Run};

/// What a server sends: a command, or a group of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// A command with an Item for each of these.
    Command(Vec<Command>),
    /// All or nothing.
    Atomic(Vec<Self>),
    /// One after the other.
    Sequence(Vec<Self>),
    /// An Add of a subtree.
    AddTree(Uri, Vec<Planted>),
    /// A Replace of a subtree.
    ReplaceTree(Uri, Vec<Planted>),
}

/// A node of a subtree; those of a subtree have addresses of their own, parents come first, and
/// none is below a leaf.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planted {
    /// The address.
    pub uri: Uri,
    /// The node.
    pub node: NewNode,
    /// Its ACL, if the subtree says so.
    pub acl: Option<Acl>,
    /// Its title, if the subtree says so.
    pub title: Option<String>,
}

/// What comes of a [`Step`], without those inside it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Outcome {
    /// One for each Item, or one for all.
    pub statuses: Vec<StatusCode>,
    /// What was read, in order.
    pub readings: Vec<Reading>,
}

impl From<StatusCode> for Outcome {
    fn from(status: StatusCode) -> Self {
        Self {
            statuses: vec![status],
            readings: Vec::new(),
        }
    }
}

impl Step {
    fn inside(&self) -> &[Self] {
        match self {
            Self::Command(_) | Self::AddTree(..) | Self::ReplaceTree(..) => &[],
            Self::Atomic(steps) | Self::Sequence(steps) => steps,
        }
    }

    /// The same for itself and everything inside.
    fn all(&self, status: StatusCode) -> Vec<Outcome> {
        let inside = self.inside().iter().flat_map(|step| step.all(status));
        std::iter::once(status.into()).chain(inside).collect()
    }
}
impl ReferenceTree {
    /// Runs a step; what comes of it and of those inside it, in document order. [DM-RepPro §6.5]
    pub fn play(
        &mut self,
        schema: &dyn Schema,
        by: &Principal,
        step: &Step,
        now: Now,
    ) -> Vec<Outcome> {
        match step {
            Step::Command(items) => {
                let mut outcome = Outcome::default();
                for item in items {
                    let answer = self.receive(schema, by, item, now);
                    outcome.statuses.push(match &answer {
                        Ok(_) => StatusCode::OK,
                        Err(status) => *status,
                    });
                    outcome.readings.extend(answer.ok().flatten());
                }
                vec![outcome]
            }
            Step::AddTree(target, nodes) | Step::ReplaceTree(target, nodes) => {
                let replace = matches!(step, Step::ReplaceTree(..));
                let answer = self.subtree(schema, by, replace, target, nodes, now);
                vec![answer.err().unwrap_or(StatusCode::OK).into()]
            }
            Step::Sequence(steps) => {
                let mut outcomes = vec![StatusCode::OK.into()];
                for step in steps {
                    outcomes.extend(self.play(schema, by, step, now));
                }
                outcomes
            }
            Step::Atomic(steps) => {
                let before = self.nodes.clone();
                let mut done = Vec::new();
                let well = steps.iter().fold(true, |well, step| {
                    self.attempt(schema, by, step, now, well, &mut done)
                });
                if !well {
                    self.nodes = before;
                    for status in done.iter_mut().flat_map(|one| &mut one.statuses) {
                        if *status == StatusCode::OK {
                            *status = StatusCode::ATOMIC_ROLLED_BACK;
                        }
                    }
                }
                let own = if well {
                    StatusCode::OK
                } else {
                    StatusCode::ATOMIC_FAILED
                };
                std::iter::once(own.into()).chain(done).collect()
            }
        }
    }

    /// Runs a step inside an Atomic, unless one before it failed; whether all went well.
    fn attempt(
        &mut self,
        schema: &dyn Schema,
        by: &Principal,
        step: &Step,
        now: Now,
        well: bool,
        done: &mut Vec<Outcome>,
    ) -> bool {
        if !well {
            done.extend(step.all(StatusCode::NOT_EXECUTED));
            return false;
        }
        match step {
            Step::Atomic(steps) => {
                done.push(StatusCode::COMMAND_FAILED.into());
                done.extend(
                    steps
                        .iter()
                        .flat_map(|step| step.all(StatusCode::NOT_EXECUTED)),
                );
                false
            }
            Step::Sequence(steps) => {
                done.push(StatusCode::OK.into());
                steps.iter().fold(true, |well, step| {
                    self.attempt(schema, by, step, now, well, done)
                })
            }
            Step::AddTree(..) | Step::ReplaceTree(..) => {
                let outcomes = self.play(schema, by, step, now);
                let well = outcomes.iter().all(|one| one.statuses == [StatusCode::OK]);
                done.extend(outcomes);
                well
            }
            Step::Command(items) => {
                if let Some(Command::Get(_) | Command::Exec(_)) = items.first() {
                    done.push(StatusCode::COMMAND_FAILED.into());
                    return false;
                }
                let mut outcome = Outcome::default();
                let mut well = true;
                for item in items {
                    let status = match well.then(|| self.receive(schema, by, item, now)) {
                        None => StatusCode::NOT_EXECUTED,
                        Some(Ok(_)) => StatusCode::OK,
                        Some(Err(status)) => status,
                    };
                    well = status == StatusCode::OK;
                    outcome.statuses.push(status);
                }
                done.push(outcome);
                well
            }
        }
    }

    /// Adds or replaces a subtree; if that fails, nothing is changed.
    fn subtree(
        &mut self,
        schema: &dyn Schema,
        by: &Principal,
        replace: bool,
        target: &Uri,
        nodes: &[Planted],
        now: Now,
    ) -> Answer {
        Target::parse_with(&target.to_string(), &self.limits.uri)
            .map_err(|error| error.status())?;
        let before = self.nodes.clone();
        let mut planting = Planting {
            tree: self,
            schema,
            by,
            now,
            new: BTreeSet::new(),
        };
        let answer = if replace {
            planting.replace(target, nodes)
        } else {
            planting.add(target, nodes)
        };
        if answer.is_err() {
            self.nodes = before;
        }
        answer
    }

    /// Runs a command whose addresses come as text.
    fn receive(
        &mut self,
        schema: &dyn Schema,
        by: &Principal,
        command: &Command,
        now: Now,
    ) -> Answer<Option<Reading>> {
        let node = |uri: &Uri| Target::node(uri.clone());
        let targets = match command {
            Command::Get(target)
            | Command::Add(target, _)
            | Command::Delete(target)
            | Command::Exec(target) => vec![target.clone()],
            Command::ReplaceProperty(uri, property, _) => {
                vec![Target::property(uri.clone(), *property)]
            }
            Command::Replace(uri, _) | Command::Set(uri, _) | Command::AddInterior(uri) => {
                vec![node(uri)]
            }
            Command::Copy(from, to) => vec![node(to), node(from)],
        };
        for target in targets {
            Target::parse_with(&target.to_string(), &self.limits.uri)
                .map_err(|error| error.status())?;
        }
        self.run(schema, by, command, now)
    }
}

/// A subtree under way.
struct Planting<'a> {
    tree: &'a mut ReferenceTree,
    schema: &'a dyn Schema,
    by: &'a Principal,
    now: Now,
    /// What it created.
    new: BTreeSet<Uri>,
}

impl Planting<'_> {
    fn add(&mut self, target: &Uri, nodes: &[Planted]) -> Answer {
        if !self.tree.nodes.contains_key(target) {
            self.rules().may_add(&Target::node(target.clone()))?;
        }
        for planted in nodes {
            self.create(planted)?;
        }
        self.describe(nodes)
    }

    fn replace(&mut self, target: &Uri, nodes: &[Planted]) -> Answer {
        self.rules().on_node(target, AccessType::Replace)?;
        let is_kept = |uri: &Uri| nodes.iter().any(|planted| planted.uri.starts_with(uri));
        let surplus = |tree: &ReferenceTree| -> Vec<Uri> {
            let below = tree
                .nodes
                .keys()
                .filter(|uri| *uri != target && uri.starts_with(target));
            below.filter(|uri| !is_kept(uri)).cloned().collect()
        };
        let mut last = Vec::new();
        for uri in surplus(self.tree) {
            // What is below another one goes with it.
            let above = uri
                .parent()
                .is_some_and(|above| above != *target && !is_kept(&above));
            if above || !self.tree.nodes.contains_key(&uri) {
                continue;
            }
            if self.is_last(&uri) {
                last.push(uri);
            } else {
                self.run(Command::Delete(Target::node(uri)))?;
            }
        }
        for planted in nodes {
            self.put(planted)?;
        }
        for uri in last {
            self.run(Command::Delete(Target::node(uri)))?;
        }
        self.describe(nodes)
    }

    fn put(&mut self, planted: &Planted) -> Answer {
        let Some(present) = self.tree.nodes.get(&planted.uri) else {
            return self.create(planted);
        };
        match (&present.value, &planted.node) {
            (None, NewNode::Interior { .. }) => self.fits(planted),
            (Some(value), NewNode::Leaf(new)) if value == new && !present.unset => Ok(()),
            (Some(_), NewNode::Leaf(_)) if present.unset && self.new.contains(&planted.uri) => {
                self.create(planted)
            }
            (Some(_), NewNode::Leaf(new)) => {
                self.run(Command::Replace(planted.uri.clone(), new.clone()))
            }
            _ => {
                self.run(Command::Delete(Target::node(planted.uri.clone())))?;
                self.create(planted)
            }
        }
    }

    fn create(&mut self, planted: &Planted) -> Answer {
        let interior = matches!(planted.node, NewNode::Interior { .. });
        if interior && self.new.contains(&planted.uri) {
            return self.fits(planted);
        }
        let target = Target::node(planted.uri.clone());
        self.run(Command::Add(target, planted.node.clone()))
    }

    /// Whether an interior node that is there is what is asked for.
    fn fits(&self, planted: &Planted) -> Answer {
        let present = self.tree.nodes.get(&planted.uri);
        match (present, &planted.node) {
            (Some(node), NewNode::Interior { node_type })
                if node.value.is_none()
                    && node_type
                        .as_ref()
                        .is_none_or(|asked| *asked == node.node_type) =>
            {
                Ok(())
            }
            _ => Err(StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT),
        }
    }

    /// Titles, and from the bottom up the lists.
    fn describe(&mut self, nodes: &[Planted]) -> Answer {
        for Planted {
            uri, acl, title, ..
        } in nodes.iter().rev()
        {
            let Some(node) = self.tree.nodes.get(uri).cloned() else {
                continue;
            };
            let is_new = self.new.contains(uri);
            if let Some(title) = title.clone().filter(|title| *title != node.title) {
                let by = if is_new { &Principal::Device } else { self.by };
                let change = Command::ReplaceProperty(uri.clone(), Property::Title, title);
                self.tree.run(self.schema, by, &change, self.now)?;
            }
            if let Some(acl) = acl.clone().filter(|acl| *acl != node.acl)
                && !(is_new && acl.is_empty())
            {
                let text = acl.to_string();
                self.run(Command::ReplaceProperty(uri.clone(), Property::Acl, text))?;
            }
        }
        Ok(())
    }

    /// Whether nothing but the number of its siblings keeps a node.
    fn is_last(&mut self, uri: &Uri) -> bool {
        let rules = self.rules();
        let Some(rule) = rules.rule(uri) else {
            return false;
        };
        let one = matches!(
            rule.occurrence,
            Occurrence::One | Occurrence::OneOrMore | Occurrence::OneOrN(_)
        );
        let alone = uri
            .parent()
            .is_some_and(|above| rules.instances(&above) == 1);
        rule.placeholder
            && one
            && alone
            && rule.scope == Scope::Dynamic
            && rule.access.contains(AccessType::Delete)
    }

    fn run(&mut self, command: Command) -> Answer {
        let before: BTreeSet<Uri> = self.tree.nodes.keys().cloned().collect();
        self.tree.run(self.schema, self.by, &command, self.now)?;
        let added = self.tree.nodes.keys().filter(|uri| !before.contains(uri));
        self.new.extend(added.cloned());
        Ok(())
    }

    fn rules(&mut self) -> Run<'_> {
        Run {
            tree: self.tree,
            schema: self.schema,
            by: self.by,
            now: self.now,
        }
    }
}
