use std::sync::Arc;

use omadm_core::StatusCode;
use omadm_mo::{Context, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId, Refusal};
use omadm_tree::{Change, ChangeKind, NewNode, Principal, Uri};
use virmo_guest::Command;
use virmo_nodes::VmPath;
use virmo_state::{VmId, VmState};

use super::{VirmoClient, output};
use crate::{
    Event,
    forward::{self, Errand, Told},
    intent::{GuestIntent, Reply},
    ledger::{GuestTask, Subject, note_doubt},
};

/// What came of a job that a command was put off for.
pub(super) enum PutOff {
    Result(ExecResult),
    Guest(Told),
}

/// Device management of a VM by the shared DM client. [VirMO §11.2]
impl VirmoClient {
    /// An Exec below DMTree is one for the guest.
    pub(super) fn exec_in_guest(
        &mut self,
        path: &VmPath<'_>,
        request: &ExecRequest<'_>,
        cx: &mut Context<'_, '_>,
    ) -> Result<ExecAnswer, StatusCode> {
        if path.below.is_root() {
            return Err(StatusCode::COMMAND_NOT_ALLOWED);
        }
        let vm = self.running_guest(path.vm, cx)?;
        if self.book.read().guests.contains_key(&vm) {
            return Err(StatusCode::COMMAND_NOT_ALLOWED);
        }
        let command = Command::Exec {
            uri: path.below.clone(),
            argument: request.argument.map(<[u8]>::to_vec),
            correlator: request.correlator.cloned(),
        };
        self.end_left(&vm, cx);
        let errand = Errand {
            executed: node_at(request.uri, cx),
            ..self.errand(&vm, vec![command], cx)
        };
        let intent = GuestIntent {
            vm: vm.clone(),
            uri: request.uri.to_string(),
            reply: Reply::new(request.correlator),
        };
        intent.save(&mut cx.effects.batch);
        let work = Box::new(move || Box::new(errand.run()) as _);
        let label = format!("Exec {} in {}", path.below, path.vm);
        let job = cx.effects.job(lane(&vm), label, work);
        // Giving it its node again is a second call.
        job.time_limit = Some(self.policy.guest_limit.saturating_mul(2));
        let job = job.id;
        let ledger = self.book.write();
        ledger.jobs.insert(job, Subject::Guest(vm.clone()));
        ledger.guests.insert(vm, GuestTask { job, intent });
        Ok(ExecAnswer::Pending(job, self.policy.reporting))
    }

    pub(super) fn guest_ended(
        &mut self,
        vm: &VmId,
        job: JobId,
        end: JobEnd,
        cx: &mut Context<'_, '_>,
    ) -> ExecResult {
        let timed_out = matches!(end, JobEnd::TimedOut);
        if !timed_out {
            self.book.ended(job);
        }
        let told = output::<Told>(end);
        let mut result = ExecResult::from(StatusCode::REQUEST_TIMEOUT);
        match told {
            Ok(told) => {
                self.hear(&told, cx);
                match told.answer {
                    Ok(answer) => {
                        result.status = answer.status;
                        result.items = forward::items(answer);
                    }
                    Err(failure) => result.status = failure.status,
                }
            }
            Err(failure) if !timed_out => result.status = failure.status,
            Err(_) => {}
        }
        let guests = &mut self.book.write().guests;
        let Some(task) = guests.get_mut(vm).filter(|task| task.job == job) else {
            return result;
        };
        let reply = task.intent.reply.clone();
        let source = task.intent.uri.clone();
        // One that did not end in time was reported; it holds the guest until it does.
        task.intent.reply.accepted = false;
        if !timed_out {
            guests.remove(vm);
        }
        GuestIntent::forget(&mut cx.effects.batch, vm);
        // The guest's own alert brings the outcome of what it has accepted only.
        if result.status != StatusCode::ACCEPTED
            && let Ok(source) = source.parse()
        {
            self.report(&source, &reply, result.status, cx);
        }
        result
    }

    /// An Exec the last run left open: nobody knows what the guest made of it.
    pub(super) fn take_up_guest(&self, intent: &GuestIntent, cx: &mut Context<'_, '_>) {
        GuestIntent::forget(&mut cx.effects.batch, &intent.vm);
        if let Ok(source) = intent.uri.parse() {
            self.report(&source, &intent.reply, StatusCode::COMMAND_FAILED, cx);
        }
    }

    /// Asks the guests that are managed for their news, where nothing else is under way.
    pub(super) fn listen(&mut self, cx: &mut Context<'_, '_>) {
        if !self.link.is_available() || cx.atomic {
            return;
        }
        let ledger = self.book.read();
        let mut managed = Vec::new();
        for (id, vm) in self.roots.vms(cx.tree.tree()) {
            let is_managed = cx.tree.node(&self.dm_tree(vm.name())).is_some();
            let is_asked = ledger.guests.contains_key(&id) || ledger.heard.contains_key(&id);
            let is_free = vm.state() == VmState::Running && !ledger.is_busy(&id) && !is_asked;
            if is_managed && is_free {
                managed.push((vm.name().to_owned(), id));
            }
        }
        for (node, vm) in managed {
            let errand = self.errand(&vm, Vec::new(), cx);
            let work = Box::new(move || Box::new(errand.run()) as _);
            let job = cx.effects.job(lane(&vm), format!("Listen to {node}"), work);
            job.background = true;
            let job = job.id;
            let ledger = self.book.write();
            ledger.jobs.insert(job, Subject::Listen(vm.clone()));
            ledger.heard.insert(vm, job);
        }
    }

    pub(super) fn listen_ended(
        &mut self,
        vm: &VmId,
        job: JobId,
        end: JobEnd,
        cx: &mut Context<'_, '_>,
    ) {
        self.book.ended(job);
        self.book.write().heard.remove(vm);
        if let Ok(told) = output::<Told>(end) {
            self.hear(&told, cx);
        }
    }

    /// Takes part in what a server changes below DMTree: the guest has to change it first.
    pub(super) fn stage_in_guest(
        &mut self,
        path: &VmPath<'_>,
        change: &Change,
        by: &Principal,
        cx: &Context<'_, '_>,
    ) -> Result<(), Refusal> {
        let dm_tree = self.dm_tree(path.vm);
        let for_guest = !path.below.is_root() && matches!(by, Principal::Server(_));
        // A DMTree that goes is no more than the end of management.
        if !for_guest || cx.tree.node(&dm_tree).is_none() {
            return Ok(());
        }
        let uri = path.below.clone();
        let command = match &change.kind {
            ChangeKind::Added | ChangeKind::Replaced { .. } => {
                match (node_at(&change.uri, cx), &change.kind) {
                    (Some(node), ChangeKind::Added) => Command::Add { uri, node },
                    (Some(NewNode::Leaf(value)), _) => Command::Replace { uri, value },
                    // It is gone again.
                    _ => return Ok(()),
                }
            }
            ChangeKind::Deleted { .. } => Command::Delete { uri },
            ChangeKind::PropertyChanged(_) => return Ok(()),
            _ => return Err(Refusal(StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED)),
        };
        let vm = self.running_guest(path.vm, cx).map_err(Refusal)?;
        if cx.atomic {
            return Err(Refusal(StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED));
        }
        let deleted = |other: &(VmId, Command)| match other {
            (of, Command::Delete { uri }) => *of == vm && path.below.starts_with(uri),
            _ => false,
        };
        if matches!(command, Command::Delete { .. }) && self.forwarding.iter().any(deleted) {
            return Ok(());
        }
        self.forwarding.push((vm, command));
        Ok(())
    }

    /// Puts a command off until the guest has done it, and says what the guest made of it.
    pub(super) fn validate_in_guest(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        let forwarding = std::mem::take(&mut self.forwarding);
        let Some((vm, _)) = forwarding.first().cloned() else {
            return Ok(());
        };
        if forwarding.iter().any(|(other, _)| *other != vm) {
            return Err(Refusal(StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED));
        }
        let commands: Vec<Command> = forwarding.into_iter().map(|(_, command)| command).collect();
        let places: Vec<Uri> = commands
            .iter()
            .filter_map(forward::place)
            .cloned()
            .collect();
        let Some(root) = self.node_named(&vm, cx).map(|node| self.dm_tree(&node)) else {
            return Err(Refusal(StatusCode::COMMAND_FAILED));
        };
        if let Some(result) = self.put_off_for(&root, cx) {
            if result.status != StatusCode::OK {
                return Err(Refusal(result.status));
            }
            self.book
                .write()
                .settle(&vm, &places, &mut cx.effects.batch);
            return Ok(());
        }
        let errand = Errand {
            journal: Some(Arc::clone(&self.journal)),
            ..self.errand(&vm, commands, cx)
        };
        let work = Box::new(move || Box::new(PutOff::Guest(errand.run())) as _);
        let job = cx.effects.put_off(lane(&vm), format!("Change {vm}"), work);
        job.time_limit = Some(self.policy.guest_limit.saturating_mul(2));
        let job = job.id;
        self.note_put_off(root, job, cx);
        Ok(())
    }

    /// What a command was put off for has ended.
    pub(super) fn put_off_ended(&mut self, end: JobEnd, cx: &mut Context<'_, '_>) -> ExecResult {
        if matches!(end, JobEnd::TimedOut) {
            return StatusCode::REQUEST_TIMEOUT.into();
        }
        match output(end) {
            Ok(PutOff::Result(result)) => result,
            Ok(PutOff::Guest(told)) => {
                self.hear(&told, cx);
                // Until the command that was put off for it is carried out, or if none is.
                let batch = &mut cx.effects.batch;
                let untouched = told.noted.iter().filter(|it| !told.changed.contains(it));
                self.book.read().untouched(&told.vm, untouched, batch);
                // Settled just now, and changed again.
                for place in told.changed.iter().filter(|it| told.settled.contains(it)) {
                    note_doubt(batch, &told.vm, place);
                }
                self.book.doubt(&told.vm, told.changed);
                match told.answer {
                    Ok(answer) if answer.status == StatusCode::OK => answer.status,
                    Ok(answer) if answer.status.is_failure() => answer.status,
                    Ok(_) => StatusCode::COMMAND_FAILED,
                    Err(failure) => failure.status,
                }
                .into()
            }
            Err(failure) => failure.status.into(),
        }
    }

    /// Takes in what a guest told by itself.
    fn hear(&mut self, told: &Told, cx: &mut Context<'_, '_>) {
        let Some(node) = self.node_named(&told.vm, cx) else {
            return;
        };
        self.note_heard(&node, told);
        self.book
            .write()
            .settle(&told.vm, &told.settled, &mut cx.effects.batch);
        let dm_tree = self.dm_tree(&node);
        if cx.tree.node(&dm_tree).is_none() {
            return;
        }
        for said in &told.replies {
            self.keep_news(&node, &told.vm, &dm_tree, said, cx);
        }
    }

    /// Tells once that a guest is not to be heard, and once that it is again.
    fn note_heard(&mut self, node: &str, told: &Told) {
        let (node, vm) = (node.to_owned(), told.vm.clone());
        match &told.answer {
            Err(failure) if !told.heard => {
                if self.book.write().silent.insert(vm.clone()) {
                    let reason = failure.reason.clone();
                    self.book.tell(Event::GuestSilent { node, vm, reason });
                }
            }
            _ => {
                if self.book.write().silent.remove(&vm) {
                    self.book.tell(Event::GuestHeard { node, vm });
                }
            }
        }
    }

    /// The VM of a node, if its guest can be talked to now.
    fn running_guest(&self, node: &str, cx: &Context<'_, '_>) -> Result<VmId, StatusCode> {
        let vm = self.vm(node, cx).ok_or(StatusCode::NOT_FOUND)?;
        let id = vm.id().ok_or(StatusCode::COMMAND_FAILED)?;
        if vm.state() != VmState::Running || self.book.read().is_busy(&id) {
            return Err(StatusCode::COMMAND_NOT_ALLOWED);
        }
        if !self.link.is_available() {
            return Err(StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED);
        }
        Ok(id)
    }

    fn errand(&self, vm: &VmId, commands: Vec<Command>, cx: &Context<'_, '_>) -> Errand {
        let doubts = self.book.read().doubts.get(vm).into_iter().flatten();
        let doubts: Vec<Uri> = doubts.cloned().collect();
        let root = self.node_named(vm, cx).map(|node| self.dm_tree(&node));
        let first = root.iter().flat_map(|root| {
            let settle = doubts.iter().flat_map(|place| in_step(root, place, cx));
            settle.collect::<Vec<_>>()
        });
        Errand {
            link: Arc::clone(&self.link),
            first: first.collect(),
            doubts,
            vm: vm.clone(),
            commands,
            executed: None,
            within: self.policy.guest_limit,
            over: self.over.clone(),
            journal: None,
        }
    }

    fn node_named(&self, vm: &VmId, cx: &Context<'_, '_>) -> Option<String> {
        let (node, _) = self.node_of(vm, cx)?;
        Some(node)
    }
}

/// Apart from the primitives of the VM: they do not wait for a guest that does not answer.
fn lane(vm: &VmId) -> String {
    format!("guest {vm}")
}

/// What makes a guest have at a place what the tree has there, and nothing where that has nothing.
fn in_step(dm_tree: &Uri, place: &Uri, cx: &Context<'_, '_>) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut open = vec![place.clone()];
    while let Some(uri) = open.pop() {
        let at = dm_tree.join(&uri);
        // What the device does itself is not the guest's to have.
        let mount = cx.schema.mount_of(&at);
        if mount.is_some_and(|mount| mount.root == at) {
            continue;
        }
        if let (Some(node), Some(found)) = (node_at(&at, cx), cx.tree.node(&at)) {
            open.extend(
                found
                    .children()
                    .filter_map(|it| it.uri().strip_prefix(dm_tree)),
            );
            commands.push(Command::Add { uri, node });
        }
    }
    if commands.is_empty() && cx.tree.node(&dm_tree.join(place)).is_none() {
        let uri = place.clone();
        commands.push(Command::Delete { uri });
    }
    commands
}

/// What stands at an address, to be made in a guest.
fn node_at(uri: &Uri, cx: &Context<'_, '_>) -> Option<NewNode> {
    let node = cx.tree.node(uri)?;
    Some(match node.value() {
        Some(value) => NewNode::Leaf(value),
        None => {
            let node_type = node.node_type();
            NewNode::Interior {
                node_type: (!node_type.is_empty()).then(|| node_type.to_owned()),
            }
        }
    })
}
