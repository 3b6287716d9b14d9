use omadm_core::StatusCode;
use omadm_mo::{Context, Refusal};
use omadm_tree::Value;
use virmo_nodes::{ImageNode, VirmoNode};
use virmo_state::{ImageState, Primitive, VmId, VmState};

use super::VirmoClient;
use crate::{
    Event,
    features::{DM_TREE, DRAFT, UI},
    intent::{AccessIntent, ImageIntent, ImageWork, Reply, ResourceChange, VmIntent},
    nodes::{clear, set},
};

/// What the last run left open.
impl VirmoClient {
    pub(super) fn take_up(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        self.check_profile(cx)?;
        let device = self.capabilities.device.to_string();
        let leaf = VirmoNode::DeviceResources.of(&self.roots.virmo);
        if !self.roots.is_draft()
            && cx.tree.node(&leaf).and_then(|leaf| leaf.text()) != Some(&device)
        {
            set(cx, &leaf, Value::chr(device))?;
        }
        let left = std::mem::take(&mut self.left);
        for key in left.damaged {
            self.book.tell(Event::DamagedRecord { key });
        }
        self.catch_up(cx);
        let others = cx.effects.jobs.len();
        for intent in left.vms {
            self.recover(intent, cx);
        }
        if let Some(intent) = left.apply {
            self.apply(intent, false, cx);
            if let Some(task) = &mut self.book.write().apply {
                task.recovering = true;
            }
        }
        self.take_up_vms(cx);
        for intent in left.accesses {
            match DRAFT {
                true => self.take_up_access(intent, cx),
                // Its VM is gone: there is none of the draft.
                false => AccessIntent::forget(&mut cx.effects.batch, &intent.vm),
            }
        }
        match DM_TREE {
            true => self.take_up_dm_trees(cx)?,
            // They would be done to the next VM of that name by a client that has them.
            false => omadm_objects::give_up(&*self.journal, &self.roots.virmo, cx)
                .map_err(|_| Refusal(StatusCode::COMMAND_FAILED))?,
        }
        self.note_users(cx);
        self.list_machines(cx);
        for job in cx.effects.jobs.iter_mut().skip(others) {
            job.before_sessions = true;
        }
        for intent in left.images {
            self.recover_image(intent, cx);
        }
        self.take_up_images(cx);
        self.take_up_files(cx);
        for intent in left.questions {
            self.take_up_question(&intent, cx);
        }
        for intent in left.guests {
            self.take_up_guest(&intent, cx);
        }
        self.book.read().end_run(&mut cx.effects.batch);
        self.watch(cx);
        Ok(())
    }

    /// Refuses to start on VMs of another profile, and clears away what else that left.
    fn check_profile(&self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        let tree = cx.tree.tree();
        // What is missing was added already: what another profile has elsewhere tells.
        let other = self.roots.profile().other_in(tree, &self.roots.virmo);
        if other.is_some() {
            return Err(Refusal(StatusCode::COMMAND_FAILED));
        }
        if self.roots.is_draft() {
            for node in [VirmoNode::Operations, VirmoNode::DeviceResources] {
                let uri = node.of(&self.roots.virmo);
                let mut vms = self.roots.vms(cx.tree.tree()).into_iter();
                if !vms.any(|(_, vm)| Some(vm.name()) == uri.segments().last()) {
                    clear(cx, &uri)?;
                }
            }
        }
        Ok(())
    }

    /// Takes up what could not be kept when it ended, or not undone. It was reported as failed, unless
    /// its Exec got 202.
    pub(super) fn make_up(&mut self, cx: &mut Context<'_, '_>) {
        if DM_TREE || UI {
            let ledger = self.book.read();
            let (questions, guests) = (&ledger.left_questions, &ledger.left_guests);
            let told = questions.keys().chain(guests.keys());
            for vm in told.cloned().collect::<Vec<_>>() {
                self.end_left(&vm, cx);
            }
        }
        if DRAFT {
            let cut = self.book.read().cut.keys();
            for vm in cut.cloned().collect::<Vec<_>>() {
                self.look_at_access(&vm, cx);
            }
            // What a job holds is looked at once that is over.
            cx.effects.resume |= !self.book.read().cut.is_empty();
        }
        let ledger = self.book.read();
        if ledger.is_applying() {
            return;
        }
        let left = ledger.vms.values().filter(|task| task.job.is_none());
        let left: Vec<_> = left.filter_map(|task| task.intent.clone()).collect();
        let busy = |change: &ResourceChange| ledger.is_busy(&change.vm);
        let apply = ledger.apply.as_ref().map(|task| task.intent.clone());
        let apply = apply.filter(|it| !it.owed.iter().chain(&it.changes).any(busy));
        let images = ledger.left_images.values();
        let images: Vec<_> = images
            .filter(|intent| !ledger.images.contains_key(&intent.image))
            .cloned()
            .collect();
        for mut intent in left {
            let vm = intent.vm.clone();
            if !intent.reply.accepted && !std::mem::replace(&mut intent.failed, true) {
                intent.save(&mut cx.effects.batch);
            }
            self.drive(intent, false, cx);
            if let Some(task) = self.book.write().vms.get_mut(&vm) {
                task.again = true;
            }
        }
        if let Some(mut intent) = apply {
            if !intent.reply.accepted && !std::mem::replace(&mut intent.failed, true) {
                intent.save(&mut cx.effects.batch);
            }
            self.apply(intent, false, cx);
            if let Some(task) = &mut self.book.write().apply {
                task.again = true;
            }
        }
        for mut intent in images {
            if let Some(view) = self.roots.image_of(cx.tree.tree(), &intent.image) {
                view.name().clone_into(&mut intent.node);
            }
            self.recover_image(intent, cx);
        }
    }

    /// Reports what a guest or its user was asked, and whose end could not be kept: as after a restart,
    /// nobody knows it any more.
    pub(super) fn end_left(&mut self, vm: &VmId, cx: &mut Context<'_, '_>) {
        if let Some(intent) = self.book.write().left_questions.remove(vm) {
            self.take_up_question(&intent, cx);
        }
        if let Some(intent) = self.book.write().left_guests.remove(vm) {
            self.take_up_guest(&intent, cx);
        }
    }

    fn recover(&mut self, intent: VmIntent, cx: &mut Context<'_, '_>) {
        let vm = intent.vm.clone();
        self.drive(intent, false, cx);
        if let Some(task) = self.book.write().vms.get_mut(&vm) {
            task.recovering = true;
        }
    }

    fn recover_image(&mut self, mut intent: ImageIntent, cx: &mut Context<'_, '_>) {
        match intent.work {
            ImageWork::Discard => {
                let id = intent.image.clone();
                if self.discard(intent, cx).is_err() {
                    self.forget_left(&id, cx);
                }
            }
            ImageWork::Download => {
                // Whether 202 got through or not: the session of the Exec is gone, and a server
                // that reads State 1 waits for an alert.
                intent.reply.accepted = true;
                self.take_up_download(intent, cx);
            }
        }
    }

    /// Goes on with a download. One that cannot begin has failed: it is reported once State says so.
    fn take_up_download(&mut self, intent: ImageIntent, cx: &mut Context<'_, '_>) {
        let (node, id) = (&intent.node, &intent.image);
        let begun = self.start_download(node, id.clone(), intent.reply.clone(), cx);
        let Err(status) = begun else { return };
        let kept = self.keep_image(node, id, ImageState::DownloadFailed, None, cx);
        if kept.is_err() {
            let left = &mut self.book.write().left_images;
            left.insert(id.clone(), intent);
            cx.effects.resume = true;
            return;
        }
        self.forget_left(id, cx);
        let source = ImageNode::Download.of(&self.roots.image(node));
        self.report(&source, &intent.reply, status, cx);
    }

    /// Gives no identifier out a second time, though the journal may be older than what is here.
    fn catch_up(&mut self, cx: &mut Context<'_, '_>) {
        let ledger = self.book.write();
        for (vm, _) in self.roots.vms(cx.tree.tree()) {
            ledger.is_taken_vm(&vm, &mut cx.effects.batch);
        }
        for (image, _) in self.roots.images(cx.tree.tree()) {
            ledger.is_taken_image(image.as_str(), &mut cx.effects.batch);
        }
        for file in &self.files {
            ledger.is_taken_image(file.as_str(), &mut cx.effects.batch);
        }
    }

    /// Goes on with downloads no intent stands for.
    fn take_up_images(&mut self, cx: &mut Context<'_, '_>) {
        let mut left = Vec::new();
        for (id, image) in self.roots.images(cx.tree.tree()) {
            let ledger = self.book.read();
            let is_open = ledger.images.contains_key(&id) || ledger.left_images.contains_key(&id);
            if image.state() == ImageState::Downloading && !is_open {
                left.push(ImageIntent {
                    node: image.name().to_owned(),
                    image: id,
                    work: ImageWork::Download,
                    reply: Reply::default(),
                });
            }
        }
        for intent in left {
            self.take_up_download(intent, cx);
        }
    }

    /// Finds out what the machines are that no intent stands for.
    fn take_up_vms(&mut self, cx: &mut Context<'_, '_>) {
        let mut left = Vec::new();
        for (id, vm) in self.roots.vms(cx.tree.tree()) {
            if !self.book.read().vms.contains_key(&id) {
                left.push((vm.name().to_owned(), id, vm.state()));
            }
        }
        for (node, vm, state) in left {
            match state {
                // One that was not to be seen at the last start may be back.
                VmState::NotCreated
                | VmState::PoweredOff
                | VmState::Running
                | VmState::Suspended => {
                    self.observe(&node, vm, cx);
                }
                // Its sub-tree should have gone with the state.
                VmState::Deleted => {
                    let intent = VmIntent {
                        vm,
                        node,
                        primitive: Primitive::Delete,
                        prior: VmState::PoweredOff,
                        owed: None,
                        failed: false,
                        reply: Reply::default(),
                        making: None,
                    };
                    self.recover(intent, cx);
                }
            }
        }
    }
}
