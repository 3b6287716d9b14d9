use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use omadm_core::SortedMap;
use omadm_tree::Tree;
use virmo_hypervisor::{ChangeHint, Hypervisor, HypervisorError, HypervisorErrorKind};
use virmo_nodes::{Profile, VmNode};
use virmo_state::VmId;

use crate::{machines::Machines, nodes::Roots};

/// What the user of a device may do to its VMs, for the program they see; from
/// [`VirmoClient::users`](crate::VirmoClient::users).
///
/// In the draft of VirMO 1.0 a user can unlock a VM if the server authorized that, which it does by
/// setting `Ext/UserUnlock`. That somebody is the user is for that program to know. `Ext/Locked`
/// follows as State does, see [`Policy::watch`](crate::Policy::watch).
#[derive(Clone)]
pub struct Users {
    pub(crate) machines: Arc<Machines>,
    pub(crate) board: Arc<Board>,
    pub(crate) hint: ChangeHint,
}

/// What client and users know of each other.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<Notes>);

#[derive(Debug, Default)]
struct Notes {
    /// The VMs whose user may unlock them, by the name `<x>` of their node.
    allowed: SortedMap<String, VmId>,
    /// The VMs that users unlocked and the client has not looked at.
    unlocked: Vec<VmId>,
}

/// Why a user could not unlock a VM.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnlockError {
    /// The server did not authorize it, or there is no such VM.
    #[error("the server did not authorize it")]
    NotAuthorized,
    /// The hypervisor did not do it.
    #[error("the hypervisor did not unlock the machine")]
    Hypervisor(#[from] HypervisorError),
}

impl Users {
    /// What the user may do while no client runs on the tree that a device left: nothing if that
    /// is not of the draft. The next client finds out what was unlocked when it starts.
    #[must_use]
    pub fn of_tree(hypervisor: Arc<dyn Hypervisor>, tree: &Tree) -> Self {
        let roots = Roots::new(Profile::Draft);
        let board = Board::default();
        if Profile::Draft.other_in(tree, &roots.virmo).is_none() {
            board.allow(&allowed(&roots, tree));
        }
        Self {
            machines: Machines::new(hypervisor),
            board: Arc::new(board),
            hint: Arc::new(|| {}),
        }
    }

    /// The names `<x>` of the VMs whose user may unlock them.
    #[must_use]
    pub fn unlockable(&self) -> Vec<String> {
        self.board.lock().allowed.keys().cloned().collect()
    }

    /// Unlocks the VM at the node `<x>`, for its user. Blocks for one call of the hypervisor, and
    /// does not wait for others: [`HypervisorErrorKind::Busy`] while the client, or the user
    /// elsewhere, changes who gets at the machine or what it does, or finds that out.
    ///
    /// # Errors
    ///
    /// An [`UnlockError`]; the VM is as locked as before.
    pub fn unlock(&self, node: &str) -> Result<(), UnlockError> {
        let vm = self.board.unlockable(node)?;
        let missing = || HypervisorError::new(HypervisorErrorKind::NotSupported);
        let hypervisor = &self.machines.hypervisor;
        let input = hypervisor.input_lock().ok_or_else(missing)?;
        {
            let busy = || HypervisorError::new(HypervisorErrorKind::Busy);
            let held = self.machines.hold_within(Duration::ZERO, &vm);
            let _held = held.ok_or_else(busy)?;
            // The server may have taken it back, and locked the VM, before it was held; what it
            // does from now on comes after.
            if self.board.unlockable(node)? != vm {
                return Err(UnlockError::NotAuthorized);
            }
            input.set_locked(&vm, false)?;
        }
        let unlocked = &mut self.board.lock().unlocked;
        if !unlocked.contains(&vm) {
            unlocked.push(vm);
        }
        (self.hint)();
        Ok(())
    }
}

/// The VMs whose user may unlock them, by the name `<x>` of their node.
pub(crate) fn allowed(roots: &Roots, tree: &Tree) -> SortedMap<String, VmId> {
    let mut allowed = SortedMap::new();
    for (id, vm) in roots.vms(tree) {
        if vm.text(VmNode::UserUnlock) == "true" {
            allowed.insert(vm.name().to_owned(), id);
        }
    }
    allowed
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users")
            .field("board", &self.board)
            .finish_non_exhaustive()
    }
}

impl Board {
    pub(crate) fn allow(&self, allowed: &SortedMap<String, VmId>) {
        self.lock().allowed.clone_from(allowed);
    }

    fn unlockable(&self, node: &str) -> Result<VmId, UnlockError> {
        let vm = self.lock().allowed.get(node).cloned();
        vm.ok_or(UnlockError::NotAuthorized)
    }

    pub(crate) fn take_unlocked(&self) -> Vec<VmId> {
        std::mem::take(&mut self.lock().unlocked)
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
