use omadm_core::StatusCode;
use omadm_tree::{Acl, Change, ChangeKind, Principal, Uri, Value};

use crate::{
    Context, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId, ManagementObject, Mount, Refusal,
};

/// A management object without behaviour: nodes, and the values they start with.
///
/// Servers change its nodes as far as its definition and the ACLs let them; nothing there can be
/// executed.
#[derive(Clone, Debug)]
pub struct Plain {
    mount: Mount,
    values: Vec<Start>,
    /// Of nodes below the root, when they are created.
    acls: Vec<(Uri, Acl)>,
}

/// The value of one leaf at the start.
#[derive(Clone, Debug)]
struct Start {
    below: Uri,
    value: Value,
    /// A value that is there already stays.
    seed: bool,
}

impl Plain {
    /// The nodes of a mount, with the values their definition says.
    #[must_use]
    pub const fn new(mount: Mount) -> Self {
        Self {
            mount,
            values: Vec::new(),
            acls: Vec::new(),
        }
    }

    /// Has a leaf, at an address below the root, hold this value after every start.
    #[must_use]
    pub fn with(mut self, below: Uri, value: Value) -> Self {
        let seed = false;
        self.values.push(Start { below, value, seed });
        self
    }

    /// Has a leaf, at an address below the root, hold this value unless it was ever set.
    #[must_use]
    pub fn with_seed(mut self, below: Uri, value: Value) -> Self {
        let seed = true;
        self.values.push(Start { below, value, seed });
        self
    }

    /// Has a node, at an address below the root, have this access control list when a start creates
    /// it.
    #[must_use]
    pub fn with_seed_acl(mut self, below: Uri, acl: Acl) -> Self {
        self.acls.push((below, acl));
        self
    }
}

impl ManagementObject for Plain {
    fn mounts(&self) -> Vec<Mount> {
        vec![self.mount.clone()]
    }

    fn start(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        for start in &self.values {
            let uri = self.mount.root.join(&start.below);
            let keep = cx.tree.node(&uri).is_some_and(|node| {
                start.seed && !node.is_unset() || node.value().as_ref() == Some(&start.value)
            });
            if !keep {
                cx.tree.set(cx.schema, &uri, start.value.clone())?;
            }
        }
        for (below, acl) in &self.acls {
            let uri = self.mount.root.join(below);
            let created = |change: &Change| change.kind == ChangeKind::Added && change.uri == uri;
            if cx.tree.changes().iter().any(created) {
                cx.tree.set_acl(&uri, acl.clone())?;
            }
        }
        Ok(())
    }

    fn stage(&mut self, _: &Change, _: &Principal, _: &mut Context<'_, '_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn exec(&mut self, _: &ExecRequest<'_>, _: &mut Context<'_, '_>) -> ExecAnswer {
        StatusCode::COMMAND_NOT_ALLOWED.into()
    }

    fn completed(&mut self, _: JobId, _: JobEnd, _: &mut Context<'_, '_>) -> ExecResult {
        StatusCode::COMMAND_FAILED.into()
    }
}
