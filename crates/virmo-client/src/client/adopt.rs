use std::{fmt::Display, iter, sync::Arc};

use omadm_core::{Format, GenericAlert, Mark, SortedSet};
use omadm_download::DownloadKey;
use omadm_mo::{Context, JobEnd, JobId};
use omadm_tree::{TreeError, Value};
use virmo_hypervisor::{HypervisorError, Listed, Machine, MachineState, Observed};
use virmo_nodes::{ImageNode, VmNode};
use virmo_params::ImageId;
use virmo_state::{ImageState, VmId, VmState};

use super::{VirmoClient, output, watch::observed};
use crate::{
    Event, UnknownMachines,
    drive::Failure,
    ledger::{Subject, is_of_image},
    nodes::set,
    table::Seen,
};

/// Which machines there are, and what becomes of those that no node names.
impl VirmoClient {
    pub(super) fn list_machines(&mut self, cx: &mut Context<'_, '_>) {
        let hypervisor = Arc::clone(&self.hypervisor);
        let work = Box::new(move || Box::new(hypervisor.list()) as _);
        let job = cx.effects.job("machines", "List machines", work);
        job.time_limit = Some(self.policy.deadline);
        let job = job.id;
        self.book.write().jobs.insert(job, Subject::Inventory);
    }

    /// Looks at the machines that no node stands for, to report or adopt them.
    pub(super) fn list_ended(&mut self, job: JobId, end: JobEnd, cx: &mut Context<'_, '_>) {
        if !matches!(end, JobEnd::TimedOut) {
            self.book.ended(job);
        }
        let listed = output::<Result<Vec<Listed>, HypervisorError>>(end);
        let listed = match listed.and_then(|listed| listed.map_err(Failure::from)) {
            Ok(listed) => listed,
            // Each VM was asked for on its own account, so nothing depends on the list.
            Err(Failure { reason, .. }) => {
                if self.book.write().not_listed() {
                    self.book.tell(Event::NotListed { reason });
                }
                return;
            }
        };
        let owned = listed.iter().filter_map(|listed| match &listed.machine {
            Machine::Owned(vm) => Some(vm),
            Machine::Foreign(_) => None,
        });
        let owned: SortedSet<VmId> = owned.cloned().collect();
        let batch = &mut cx.effects.batch;
        self.book.write().are_all(&owned, batch);
        self.forget_warnings(&owned, cx);
        for machine in listed.into_iter().map(|listed| listed.machine) {
            let vm = match machine {
                Machine::Owned(vm) => vm,
                Machine::Foreign(name) => {
                    self.book.tell(Event::ForeignMachine { name });
                    continue;
                }
            };
            if self.book.read().vms.contains_key(&vm) {
                continue;
            }
            if let Some((_, known)) = self.node_of(&vm, cx) {
                if known == VmState::NotCreated {
                    self.report_unknown(&vm, cx);
                }
                continue;
            }
            // The list may be outdated: what a job before this one deletes is gone then.
            let subject = Subject::Adopt(vm.clone());
            self.observation(vm.as_str(), subject, &vm, cx);
            if let Some(job) = cx.effects.jobs.last_mut() {
                job.before_sessions = true;
            }
        }
    }

    /// Looks at the machines that no node stands for and that were not told in this run: they came, or
    /// were first to be seen, while the device runs.
    pub(super) fn look_at_strangers(&mut self, here: &SortedSet<VmId>, cx: &mut Context<'_, '_>) {
        let ledger = self.book.write();
        ledger.strangers.retain(|vm| here.contains(vm));
        let ledger = self.book.read();
        let is_looked_at = |vm: &VmId| {
            let subject = Subject::Adopt(vm.clone());
            ledger.jobs.values().any(|it| *it == subject)
        };
        let new = here.iter().filter(|vm| {
            let is_known = ledger.strangers.contains(*vm) || ledger.vms.contains_key(*vm);
            !is_known && self.node_of(vm, cx).is_none() && !is_looked_at(vm)
        });
        for vm in new.cloned().collect::<Vec<_>>() {
            self.observation(vm.as_str(), Subject::Adopt(vm.clone()), &vm, cx);
        }
    }

    pub(super) fn adopt_ended(
        &mut self,
        vm: &VmId,
        job: JobId,
        end: JobEnd,
        cx: &mut Context<'_, '_>,
    ) {
        if matches!(end, JobEnd::TimedOut) {
            return;
        }
        self.book.ended(job);
        if self.node_of(vm, cx).is_some() {
            return;
        }
        match observed(end) {
            Ok(observed) if observed.state == MachineState::Absent => {}
            Ok(observed)
                if matches!(self.policy.unknown_machines, UnknownMachines::Adopt)
                    && self.adopt(vm, &observed, cx) => {}
            _ => self.report_unknown(vm, cx),
        }
    }

    /// Makes the node of a machine; whether it has one now.
    fn adopt(&mut self, vm: &VmId, observed: &Observed, cx: &mut Context<'_, '_>) -> bool {
        let name = names(vm).find(|name| cx.tree.node(&self.roots.vm(name)).is_none());
        let (Some(node), Some(state)) = (name, Seen::from(&observed.state).state()) else {
            return false;
        };
        let mut make = || -> Result<(), TreeError> {
            let uri = self.roots.vm(&node);
            cx.tree.add_interior(cx.schema, &uri)?;
            set(cx, &VmNode::VmId.of(&uri), Value::chr(vm.as_str()))?;
            if let Some(resources) = &observed.resources {
                let leaf = self.roots.vm_node(&node, VmNode::CurrentConfig);
                set(cx, &leaf, Value::chr(resources.to_string()))?;
            }
            self.keep(&node, vm, state, None, cx)
        };
        if make().is_err() {
            // What is there of it goes; if nothing is, there is nothing to remove.
            let _ = cx.tree.remove(&self.roots.vm(&node));
            return false;
        }
        self.book.write().all_clear(vm, &mut cx.effects.batch);
        self.book.tell(Event::Adopted {
            node: node.clone(),
            vm: vm.clone(),
        });
        self.alert_state(&node, state, Mark::Informational, cx);
        self.look_at_access(vm, cx);
        true
    }

    fn report_unknown(&mut self, vm: &VmId, cx: &mut Context<'_, '_>) {
        self.book.tell(Event::UnknownMachine { vm: vm.clone() });
        self.book.write().strangers.insert(vm.clone());
        if self.policy.unknown_alert_type.is_some()
            && self.book.write().warn(vm, &mut cx.effects.batch)
        {
            self.warn_of(&self.roots.virmo.to_string(), vm.to_string(), cx);
        }
    }

    /// Looks at the files of images that no node stands for, to report or adopt them.
    pub(super) fn take_up_files(&mut self, cx: &mut Context<'_, '_>) {
        let files = std::mem::take(&mut self.files).into_iter();
        let files = files.filter(|file| is_of_image(file.as_str()));
        let images = files.filter_map(|file| Some((file.as_str().parse().ok()?, file)));
        let images: Vec<(ImageId, DownloadKey)> = images.collect();
        let ledger = self.book.read();
        let named = self.roots.images(cx.tree.tree()).into_iter();
        let named: SortedSet<ImageId> = named.map(|(image, _)| image).collect();
        let is_known = |image: &ImageId| {
            let is_open = ledger.images.contains_key(image);
            is_open || ledger.left_images.contains_key(image) || named.contains(image)
        };
        let unknown = images.into_iter().filter(|(image, _)| !is_known(image));
        let unknown: Vec<_> = unknown.collect();
        let mut reported = Vec::new();
        for (image, file) in unknown {
            let adopts = matches!(self.policy.unknown_machines, UnknownMachines::Adopt);
            if !adopts || !self.adopt_image(&image, &file, cx) {
                reported.push(image);
            }
        }
        let batch = &mut cx.effects.batch;
        self.book.write().unknown_images_are(&reported, batch);
        for image in reported {
            self.report_image(&image, cx);
        }
    }

    /// Makes the node of an image; whether it has one now.
    fn adopt_image(
        &mut self,
        image: &ImageId,
        file: &DownloadKey,
        cx: &mut Context<'_, '_>,
    ) -> bool {
        let free = |name: &String| cx.tree.node(&self.roots.image(name)).is_none();
        let Some(node) = names(image).find(free) else {
            return false;
        };
        let Ok(location) = self.sink.location(file) else {
            return false;
        };
        let state = match location {
            Some(_) => ImageState::Downloaded,
            None => ImageState::DownloadFailed,
        };
        let uri = self.roots.image(&node);
        let make = || -> Result<(), TreeError> {
            cx.tree.add_interior(cx.schema, &uri)?;
            let mut write = |leaf: ImageNode, value| set(cx, &leaf.of(&uri), value);
            write(ImageNode::ImgId, Value::chr(image.as_str()))?;
            if let Some(location) = location {
                write(ImageNode::DownloadedLocation, Value::chr(location))?;
            }
            write(ImageNode::State, Value::int(state.value().into()))
        };
        if make().is_err() {
            // What is there of it goes; if nothing is, there is nothing to remove.
            let _ = cx.tree.remove(&uri);
            return false;
        }
        let image = image.clone();
        self.book.tell(Event::AdoptedImage { node, image });
        true
    }

    fn report_image(&mut self, image: &ImageId, cx: &mut Context<'_, '_>) {
        let told = Event::UnknownImage {
            image: image.clone(),
        };
        self.book.tell(told);
        if self.policy.unknown_alert_type.is_some() {
            let batch = &mut cx.effects.batch;
            let is_new = self.book.write().warn_of_image(image, batch);
            if is_new {
                self.warn_of(&self.roots.vmimgmo.to_string(), image.to_string(), cx);
            }
        }
    }

    /// Tells the server of what no node names.
    fn warn_of(&self, root: &str, id: String, cx: &mut Context<'_, '_>) {
        let Some(alert_type) = &self.policy.unknown_alert_type else {
            return;
        };
        let mut alert = GenericAlert::new(alert_type, Format::Chr);
        alert.source = Some(root.to_owned());
        alert.mark = Some(Mark::Warning);
        alert.data = id;
        cx.effects.alerts.push(alert);
    }

    /// Forgets that the server was warned of machines that are neither here nor in the tree.
    pub(super) fn forget_warnings(&mut self, here: &SortedSet<VmId>, cx: &mut Context<'_, '_>) {
        let warned = self.book.read().warned.iter();
        let gone = warned.filter(|vm| !here.contains(*vm) && self.node_of(vm, cx).is_none());
        let gone: Vec<_> = gone.cloned().collect();
        for vm in gone {
            let batch = &mut cx.effects.batch;
            self.book.write().all_clear(&vm, batch);
        }
    }
}

/// The names a node may get, best first.
fn names(id: &(impl Display + ?Sized)) -> impl Iterator<Item = String> {
    let others = (2..=u16::MAX).map(move |number| format!("{id}-{number}"));
    iter::once(id.to_string()).chain(others)
}
