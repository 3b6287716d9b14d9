use std::{sync::Arc, time::Duration};

use omadm_core::{Batch, Journal, JournalError, SortedSet, Space, StatusCode};
use omadm_mo::{Context, ExecResult, ManagementObject, Refusal};
use omadm_objects::{
    Capability, DCMO, Dcmo, FUMO, Failure, Fumo, LAWMO, Lawmo, LockState, SCOMO, Scomo, Switch,
};
use omadm_tree::{Change, ChangeKind, NodeRef, Principal, Uri, Value};
use virmo_hypervisor::{Hypervisor, HypervisorError, Peripheral};
use virmo_nodes::{VmNode, VmPath};
use virmo_state::VmId;

use super::{VirmoClient, guest::PutOff, primitive::lane, vm::REFUSED};
use crate::{
    companion::{Companion, VmLocker, WhileRunning},
    drive,
    machines::Machines,
    nodes::deleted,
};

/// What the device does itself below the DMTree of a VM, as the Type of a root says. The rest is the
/// guest's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hosted {
    /// LAWMO, which comes with DMTree: the lock of the VM's input, and its data.
    Lock,
    /// FUMO: a package for its guest.
    Firmware,
    /// SCOMO: what is installed in its guest.
    Software,
    /// DCMO: the peripheral of the VM that it is named after.
    Peripheral,
}

/// The DM tree of a VM. [VirMO §8 DMTree, §11.2]
///
/// It is absent until a server Adds it, and brings LAWMO along, so that every managed VM can be
/// locked. It goes with the VM.
impl VirmoClient {
    /// `VirMO/<x>/DMTree`
    pub(super) fn dm_tree(&self, node: &str) -> Uri {
        self.roots.vm_node(node, VmNode::DmTree)
    }

    pub(super) fn stage_dm_tree(
        &mut self,
        path: &VmPath<'_>,
        change: &Change,
        by: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        match &change.kind {
            ChangeKind::Added if path.below.is_root() => self.add_dm_tree(path.vm, cx),
            ChangeKind::Added => match self.hosted(&change.uri, cx) {
                // A second one would contradict the first.
                Some(Hosted::Lock) => Err(REFUSED),
                Some(hosted) => self.add_companion(hosted, path.vm, &change.uri, cx),
                _ if self.is_place_of_peripherals(&change.uri, &path.below, cx) => Ok(()),
                _ => self.stage_in_guest(path, change, by, cx),
            },
            ChangeKind::Deleted { .. } if path.below.is_root() => self.delete_dm_tree(path.vm, cx),
            ChangeKind::Deleted { .. } if self.is_of_peripherals(&path.below) => Ok(()),
            ChangeKind::Renamed { from } => match cx.schema.mounts_below(from).next() {
                Some(_) => Err(REFUSED),
                None => self.stage_in_guest(path, change, by, cx),
            },
            _ => self.stage_in_guest(path, change, by, cx),
        }
    }

    /// Mounts again what the tree holds.
    pub(super) fn take_up_dm_trees(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        let vms = self.roots.vms(cx.tree.tree()).into_iter();
        let vms = vms.map(|(id, vm)| (vm.name().to_owned(), id));
        let vms: Vec<_> = vms.collect();
        let is_managed = |name: &str| cx.tree.node(&self.dm_tree(name)).is_some();
        let managed = vms.iter().filter(|(name, _)| is_managed(name));
        let managed: SortedSet<&VmId> = managed.map(|(_, id)| id).collect();
        let doubts = self.book.read().doubts.keys();
        let gone: Vec<VmId> = doubts.filter(|vm| !managed.contains(vm)).cloned().collect();
        for vm in gone {
            let batch = &mut cx.effects.batch;
            self.book.write().forget_doubts(&vm, batch);
        }
        let mut objects = Vec::new();
        for (name, vm) in vms {
            let dm_tree = self.dm_tree(&name);
            let mut open: Vec<_> = cx.tree.node(&dm_tree).into_iter().collect();
            while let Some(node) = open.pop() {
                let uri = node.uri();
                match self.hosted(&uri, cx) {
                    Some(Hosted::Lock) => match uri == self.lock_of(&name) {
                        true => objects.push(self.lock(&name, uri, &vm, &*self.journal)),
                        false => open.extend(node.children()),
                    },
                    Some(hosted) => {
                        objects.push(self.hosted_object(hosted, &name, uri, &vm, &*self.journal));
                    }
                    _ => open.extend(node.children()),
                }
            }
        }
        for object in objects {
            cx.effects.mount(object.map_err(|_| FAILED)?);
        }
        Ok(())
    }

    /// What the device does itself at a node below DMTree, as its Type says.
    fn hosted(&self, uri: &Uri, cx: &Context<'_, '_>) -> Option<Hosted> {
        self.hosted_as(cx.tree.node(uri)?.node_type())
    }

    /// What the device does itself where a root has this Type.
    fn hosted_as(&self, node_type: &str) -> Option<Hosted> {
        if node_type == LAWMO.moid {
            return Some(Hosted::Lock);
        }
        let hosted = [
            (&FUMO, Hosted::Firmware, self.link.is_available()),
            (&SCOMO, Hosted::Software, self.link.is_available()),
            (&DCMO, Hosted::Peripheral, self.has_peripherals()),
        ];
        let mut of_type = hosted.into_iter().filter(|(mo, ..)| mo.moid == node_type);
        of_type.find_map(|(_, hosted, can)| can.then_some(hosted))
    }

    fn has_peripherals(&self) -> bool {
        self.hypervisor.peripherals().is_some()
    }

    /// Whether this is where peripherals are.
    fn is_of_peripherals(&self, below: &Uri) -> bool {
        below.segments().eq(["DCMO"]) && self.has_peripherals()
    }

    /// Whether a node is there for peripherals only.
    fn is_place_of_peripherals(&self, uri: &Uri, below: &Uri, cx: &Context<'_, '_>) -> bool {
        let node = cx.tree.node(uri);
        self.is_of_peripherals(below) && node.is_some_and(|node| node.node_type().is_empty())
    }

    /// Whether a guest may not say what is at a place below DMTree, lest it takes that of an object
    /// of the device's: one of its Type, or one that a server may Add where guests have theirs,
    /// whose values come without the Type of the root.
    pub(super) fn may_be_hosted(
        &self,
        dm_tree: &Uri,
        below: &Uri,
        node_type: Option<&str>,
        cx: &Context<'_, '_>,
    ) -> bool {
        let is_free = |name| {
            let top = dm_tree.child(name).ok();
            top.is_none_or(|top| cx.tree.node(&top).is_none())
        };
        let typed = node_type.is_some_and(|node_type| self.hosted_as(node_type).is_some());
        typed
            || match below.segments().next() {
                Some("LAWMO") => true,
                Some(name @ ("FUMO" | "SCOMO")) => self.link.is_available() && is_free(name),
                Some("DCMO") => self.has_peripherals(),
                _ => false,
            }
    }

    /// `VirMO/<x>/DMTree/LAWMO`
    fn lock_of(&self, node: &str) -> Uri {
        let dm_tree = self.dm_tree(node);
        dm_tree.child("LAWMO").unwrap_or(dm_tree)
    }

    fn machine(&self, vm: &VmId) -> VmMachine {
        VmMachine {
            machines: Arc::clone(&self.machines),
            vm: vm.clone(),
            patience: self.patience(),
        }
    }

    /// How long what is given up without being told may wait for a machine: the rest is for the
    /// change.
    fn patience(&self) -> Duration {
        self.policy.deadline / 2
    }

    /// The guest of a VM, for the object at this address.
    fn companion(&self, node: &str, vm: &VmId, root: &Uri) -> Companion {
        Companion {
            link: Arc::clone(&self.link),
            vm: vm.clone(),
            root: root
                .strip_prefix(&self.dm_tree(node))
                .unwrap_or_else(Uri::root),
            clock: Arc::clone(&self.clock),
            over: self.over.clone(),
            within: self.policy.guest_limit,
            limit: self.policy.guest_operation_limit,
        }
    }

    /// What a guest is asked ends by itself; this is for a hypervisor that hangs.
    fn guest_deadline(&self) -> Duration {
        let asked = self.policy.guest_limit.saturating_mul(8);
        self.policy.guest_operation_limit.saturating_add(asked)
    }

    /// An object that a server Added, and that needs the guest for all it does.
    fn of_guest(
        &self,
        node: &str,
        object: impl ManagementObject + 'static,
    ) -> Box<dyn ManagementObject> {
        Box::new(WhileRunning {
            object: Box::new(object),
            state: VmNode::State.of(&self.roots.vm(node)),
            operations: &[],
            goes: true,
        })
    }

    fn hosted_object(
        &self,
        hosted: Hosted,
        node: &str,
        root: Uri,
        vm: &VmId,
        journal: &dyn Journal,
    ) -> Mounted {
        match hosted {
            Hosted::Lock => self.lock(node, root, vm, journal),
            Hosted::Firmware => self.firmware(node, root, vm, journal),
            Hosted::Software => self.software(node, root, vm, journal),
            Hosted::Peripheral => self.peripheral(&root, vm, journal),
        }
    }

    fn lock(&self, node: &str, root: Uri, vm: &VmId, journal: &dyn Journal) -> Mounted {
        let locker = VmLocker {
            machines: Arc::clone(&self.machines),
            vm: vm.clone(),
            patience: self.patience(),
            guest: self.companion(node, vm, &root),
        };
        let lawmo = Lawmo::new(root, Arc::new(locker), journal)?
            .without("LAWMOConfig")
            .lane(lane(vm))
            .time_limit(self.policy.deadline)
            .reporting(self.policy.reporting);
        if !self.link.is_available() {
            return Ok(Box::new(lawmo.without("Operations/FactoryReset")));
        }
        Ok(Box::new(WhileRunning {
            object: Box::new(lawmo),
            state: VmNode::State.of(&self.roots.vm(node)),
            operations: match self.hypervisor.input_lock() {
                Some(_) => &["Wipe", "FactoryReset"],
                None => &[],
            },
            goes: false,
        }))
    }

    fn firmware(&self, node: &str, root: Uri, vm: &VmId, journal: &dyn Journal) -> Mounted {
        let guest = Arc::new(self.companion(node, vm, &root));
        let fumo = Fumo::new(root, guest, journal)?.time_limit(self.guest_deadline());
        Ok(self.of_guest(node, fumo))
    }

    fn software(&self, node: &str, root: Uri, vm: &VmId, journal: &dyn Journal) -> Mounted {
        let guest = Arc::new(self.companion(node, vm, &root));
        let scomo = Scomo::new(root, guest, journal)?
            .time_limit(self.guest_deadline())
            .reporting(self.policy.reporting);
        Ok(self.of_guest(node, scomo))
    }

    fn peripheral(&self, root: &Uri, vm: &VmId, journal: &dyn Journal) -> Mounted {
        let switch = VmPeripheral {
            machine: self.machine(vm),
            name: root.name().unwrap_or_default().to_owned(),
        };
        let dcmo = Dcmo::single(root, Arc::new(switch), journal)?
            .without("Group")
            .without("Description")
            .without("Attached")
            .without("DCMOConfig")
            .lane(lane(vm))
            .time_limit(self.policy.deadline)
            .reporting(self.policy.reporting);
        Ok(Box::new(dcmo))
    }

    /// [VirMO §11.2.1 step 1]
    fn add_dm_tree(&mut self, node: &str, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        let vm = self.vm(node, cx);
        let vm = vm.filter(|vm| vm.state().is_created());
        let id = vm.and_then(|vm| vm.id()).ok_or(REFUSED)?;
        let root = self.lock_of(node);
        // What the last VM of this name left open is not done to this one.
        let lock = self.lock(node, root, &id, &Empty);
        cx.effects.mount(lock.map_err(|_| FAILED)?);
        Ok(())
    }

    fn add_companion(
        &mut self,
        hosted: Hosted,
        node: &str,
        root: &Uri,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        let id = self.vm(node, cx).and_then(|vm| vm.id()).ok_or(REFUSED)?;
        if hosted == Hosted::Peripheral && !self.look_for_peripheral(node, &id, root, cx)? {
            return Ok(());
        }
        let object = self.hosted_object(hosted, node, root.clone(), &id, &Empty);
        cx.effects.mount(object.map_err(|_| FAILED)?);
        Ok(())
    }

    /// A VM that nobody could unlock any more would be lost.
    fn delete_dm_tree(&self, node: &str, cx: &Context<'_, '_>) -> Result<(), Refusal> {
        let state = self.lock_of(node).child("State").ok();
        let state = state.and_then(|state| deleted(cx, &state));
        match state.and_then(|state| state.parse().ok()) {
            Some(state) if LockState::from_value(state) != Some(LockState::Unlocked) => {
                Err(REFUSED)
            }
            _ => Ok(()),
        }
    }

    /// Finds out whether the machine could have the peripheral, and whether it has it now; `false` until
    /// that is known.
    fn look_for_peripheral(
        &mut self,
        node: &str,
        id: &VmId,
        root: &Uri,
        cx: &mut Context<'_, '_>,
    ) -> Result<bool, Refusal> {
        let name = root.name().unwrap_or_default().to_owned();
        let siblings = root.parent().and_then(|parent| cx.tree.node(&parent));
        let alike =
            NodeRef::children_of(siblings).filter(|other| other.name().eq_ignore_ascii_case(&name));
        let dm_tree = self.dm_tree(node);
        let twice = cx.schema.mounts_below(&dm_tree).any(|other| {
            let its_name = other.root.name();
            its_name.is_some_and(|it| it.eq_ignore_ascii_case(&name))
                && other.definition.moid == DCMO.moid
                // One that this command deleted is unmounted after the command.
                && cx.tree.node(&other.root).is_some()
        });
        if twice || alike.count() > 1 {
            return Err(Refusal(StatusCode::ALREADY_EXISTS));
        }
        let Some(answer) = self.put_off_for(root, cx) else {
            let (hypervisor, vm) = (Arc::clone(&self.hypervisor), id.clone());
            let label = format!("Look for the {name} of {node}");
            let work = Box::new(move || {
                let found = find(&*hypervisor, &vm, &name);
                Box::new(PutOff::Result(found.unwrap_or_else(ExecResult::from))) as _
            });
            let job = cx.effects.put_off(lane(id), label, work);
            job.time_limit = Some(self.policy.deadline);
            let job = job.id;
            self.note_put_off(root.clone(), job, cx);
            return Ok(false);
        };
        if !answer.status.is_success() {
            return Err(Refusal(answer.status));
        }
        let enabled = answer.items.first().is_none_or(|item| item != "false");
        let leaf = root.child("Enabled").map_err(|_| FAILED)?;
        cx.tree.set(cx.schema, &leaf, Value::bool(enabled))?;
        Ok(true)
    }
}

type Mounted = Result<Box<dyn ManagementObject>, JournalError>;

const FAILED: Refusal = Refusal(StatusCode::COMMAND_FAILED);

/// A journal that holds nothing.
struct Empty;

impl Journal for Empty {
    fn commit(&self, _: &Batch) -> Result<(), JournalError> {
        Ok(())
    }

    fn read(&self, _: Space, _: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        Ok(None)
    }

    fn scan(&self, _: Space, _: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), JournalError> {
        Ok(())
    }
}

/// Whether a machine has a peripheral now, in an Item; an error is the status for who asks.
fn find(hypervisor: &dyn Hypervisor, vm: &VmId, name: &str) -> Result<ExecResult, StatusCode> {
    let found = peripheral(hypervisor, vm, name);
    let found = found.map_err(|error| drive::status(error.kind()))?;
    let found = found.ok_or(StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED)?;
    Ok(ExecResult {
        status: StatusCode::OK,
        items: vec![found.enabled.to_string()],
    })
}

/// The peripheral that a node is named after, in letters of either case.
fn peripheral(
    hypervisor: &dyn Hypervisor,
    vm: &VmId,
    name: &str,
) -> Result<Option<Peripheral>, HypervisorError> {
    let Some(peripherals) = hypervisor.peripherals() else {
        return Ok(None);
    };
    let mut list = peripherals.list(vm)?.into_iter();
    Ok(list.find(|peripheral| peripheral.name.eq_ignore_ascii_case(name)))
}

/// A machine, as the objects below its DMTree see it.
struct VmMachine {
    machines: Arc<Machines>,
    vm: VmId,
    /// How long to wait for it.
    patience: Duration,
}

/// One peripheral of a machine.
struct VmPeripheral {
    machine: VmMachine,
    /// The name of its node.
    name: String,
}

impl Switch for VmPeripheral {
    /// As if it were enabled: what the tree says to be disabled is disabled again at a start.
    fn capabilities(&self) -> Vec<Capability> {
        vec![Capability::new(&self.name)]
    }

    fn switch(&self, name: &str, enabled: bool, _: bool) -> Result<(), Failure> {
        let VmMachine {
            machines,
            vm,
            patience,
        } = &self.machine;
        let peripherals = machines.hypervisor.peripherals();
        let peripherals = peripherals.ok_or(Failure::Client)?;
        let held = machines.hold_within(*patience, vm);
        let _held = held.ok_or(Failure::Failed)?;
        let found = peripheral(&*machines.hypervisor, vm, name).map_err(|_| Failure::Failed)?;
        let found = found.ok_or(Failure::Client)?;
        let switched = peripherals.set_enabled(vm, &found.name, enabled);
        switched.map(drop).map_err(|_| Failure::Failed)
    }
}
