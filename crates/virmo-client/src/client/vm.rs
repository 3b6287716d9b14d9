use omadm_core::StatusCode;
use omadm_mo::{Context, Refusal};
use omadm_tree::{Change, ChangeKind, Principal, Uri, Value};
use virmo_nodes::{VmNode, VmPath};
use virmo_params::{CreateParams, ParamsError, ParamsErrorKind, ResourceConfig};
use virmo_state::{VmId, VmState};

use super::VirmoClient;
use crate::{
    bootstrap,
    features::{DM_TREE, UI},
    nodes::{VmView, deleted, set},
};

pub(super) const REFUSED: Refusal = Refusal(StatusCode::COMMAND_NOT_ALLOWED);

/// What a server does to the nodes of a VM.
impl VirmoClient {
    pub(super) fn stage_vm(
        &mut self,
        path: &VmPath<'_>,
        change: &Change,
        by: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        let written = matches!(change.kind, ChangeKind::Added | ChangeKind::Replaced { .. });
        match (path.node, &change.kind) {
            (VmNode::Vm, ChangeKind::Added) => self.add_vm(path.vm, cx),
            (VmNode::Vm, ChangeKind::Deleted { .. }) => self.delete_vm(path.vm, cx),
            (VmNode::Vm, ChangeKind::Renamed { .. }) => {
                self.note_users(cx);
                let id = self.vm(path.vm, cx).and_then(|vm| vm.id());
                // What is mounted below would have to move along.
                match cx.tree.node(&self.dm_tree(path.vm)) {
                    Some(_) => Err(REFUSED),
                    None => self.check_idle(id.as_ref()),
                }
            }
            (VmNode::DmTree, kind) if DM_TREE => {
                if path.below.is_root()
                    && matches!(kind, ChangeKind::Deleted { .. })
                    && let Some(id) = self.vm(path.vm, cx).and_then(|vm| vm.id())
                {
                    let batch = &mut cx.effects.batch;
                    self.book.write().forget_doubts(&id, batch);
                }
                self.stage_dm_tree(path, change, by, cx)
            }
            (VmNode::CreateParams, _) if written => self.write_create_params(path.vm, cx),
            (VmNode::NewConfig, _) if written => self.write_new_config(path.vm, cx),
            // Neither is a secret told under another name, nor kept for a leaf that is gone.
            (VmNode::Ext, ChangeKind::Renamed { from })
                if bootstrap::is_leaf(&path.below) || self.is_bootstrap(path.vm, from) =>
            {
                Err(REFUSED)
            }
            (VmNode::Ext, ChangeKind::PropertyChanged(_)) => Ok(()),
            (VmNode::Ext, _) if bootstrap::is_leaf(&path.below) => {
                self.stage_bootstrap(path.vm, change, cx)
            }
            (VmNode::UiCommand, _) if UI && written => self.write_question(path.vm, cx),
            (VmNode::UserUnlock, _) => {
                self.note_users(cx);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// [VirMO §10.2 step 2]
    fn add_vm(&mut self, node: &str, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        // The machine of an earlier life may have the identifier.
        if self.book.read().is_lost() {
            return Err(Refusal(StatusCode::COMMAND_FAILED));
        }
        let id = self.book.write().new_vm(&mut cx.effects.batch);
        let id = id.ok_or(Refusal(StatusCode::DEVICE_FULL))?;
        let uri = VmNode::VmId.of(&self.roots.vm(node));
        Ok(set(cx, &uri, Value::chr(id.as_str()))?)
    }

    /// A VM that exists is never destroyed by an edit of the tree, only by its primitive.
    fn delete_vm(&mut self, node: &str, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        let uri = self.roots.vm(node);
        let before = |leaf: VmNode| deleted(cx, &leaf.of(&uri));
        if before(VmNode::State).as_deref() != Some("0") {
            return Err(REFUSED);
        }
        let id: Option<VmId> = before(VmNode::VmId).and_then(|id| id.parse().ok());
        if let Some(id) = &id {
            bootstrap::forget(&mut cx.effects.batch, id);
            self.book.write().all_clear(id, &mut cx.effects.batch);
            self.end_cut(node, id, cx);
        }
        self.check_idle(id.as_ref())
    }

    /// Whether this is `VirMO/<x>/Ext/Bootstrap`.
    fn is_bootstrap(&self, node: &str, uri: &Uri) -> bool {
        let below = uri.strip_prefix(&self.roots.vm_node(node, VmNode::Ext));
        below.is_some_and(|below| bootstrap::is_leaf(&below))
    }

    /// A bootstrap document for a client in the guest is taken out of the tree.
    fn stage_bootstrap(
        &mut self,
        node: &str,
        change: &Change,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        // With the VM its document went.
        let Some(vm) = self.vm(node, cx) else {
            return Ok(());
        };
        if vm.state() != VmState::NotCreated || self.is_busy(&vm) {
            return Err(REFUSED);
        }
        let id = vm.id().ok_or(Refusal(StatusCode::COMMAND_FAILED))?;
        let document = match change.kind {
            ChangeKind::Added | ChangeKind::Replaced { .. } => {
                let leaf = cx.tree.node(&change.uri);
                let value = leaf.and_then(|leaf| leaf.value());
                let value = value.ok_or(REFUSED)?;
                let document = bootstrap::document(value.media_type(), value.octets())?;
                let hidden = Value::bin([]).with_media_type(value.media_type());
                set(cx, &change.uri, hidden)?;
                document
            }
            _ => None,
        };
        match document {
            Some(document) => bootstrap::save(&mut cx.effects.batch, &id, &document),
            None => bootstrap::forget(&mut cx.effects.batch, &id),
        }
        Ok(())
    }

    fn write_create_params(&mut self, node: &str, cx: &Context<'_, '_>) -> Result<(), Refusal> {
        let Some(vm) = self.vm(node, cx) else {
            return Ok(());
        };
        if vm.state() != VmState::NotCreated || self.is_busy(&vm) {
            return Err(REFUSED);
        }
        match vm.text(VmNode::CreateParams) {
            "" => Ok(()),
            text => well_formed(text.parse::<CreateParams>()),
        }
    }

    fn write_new_config(&mut self, node: &str, cx: &Context<'_, '_>) -> Result<(), Refusal> {
        let Some(vm) = self.vm(node, cx) else {
            return Ok(());
        };
        if self.is_busy(&vm) {
            return Err(REFUSED);
        }
        match vm.text(VmNode::NewConfig) {
            "" => Ok(()),
            text => well_formed(text.parse::<ResourceConfig>()),
        }
    }

    pub(super) fn vm<'c>(&self, node: &str, cx: &'c Context<'_, '_>) -> Option<VmView<'c>> {
        self.roots.vm_view(cx.tree.tree(), node)
    }

    fn is_busy(&self, vm: &VmView<'_>) -> bool {
        vm.id().is_some_and(|id| self.book.read().is_busy(&id))
    }

    /// Refuses while there is work on a VM, or still something to undo.
    fn check_idle(&self, vm: Option<&VmId>) -> Result<(), Refusal> {
        match vm {
            Some(vm) if self.book.read().vms.contains_key(vm) => Err(REFUSED),
            Some(vm) if self.book.read().questions.contains_key(vm) => Err(REFUSED),
            _ if self.book.read().is_applying() => Err(REFUSED),
            _ => Ok(()),
        }
    }
}

/// Whether a value is written well, even if something is still missing: that is judged when it is
/// used.
fn well_formed<T>(parsed: Result<T, ParamsError>) -> Result<(), Refusal> {
    match parsed {
        Err(error) if !matches!(error.kind, ParamsErrorKind::MissingKey(_)) => {
            Err(Refusal(StatusCode::BAD_REQUEST))
        }
        _ => Ok(()),
    }
}

/// The status for parameters that cannot be used.
pub(super) fn unusable(error: ParamsError) -> StatusCode {
    match error.kind {
        ParamsErrorKind::MissingKey(_) => StatusCode::INCOMPLETE_COMMAND,
        _ => StatusCode::BAD_REQUEST,
    }
}
