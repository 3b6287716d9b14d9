//! A correct back end in memory, and what can be wrong with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Barrier, Mutex, MutexGuard},
    time::Duration,
};

use virmo_hypervisor::{
    Capabilities, Effect, Erase, GuestChannel, Hypervisor, HypervisorError,
    HypervisorErrorKind as Kind, InputLock, Listed, Machine, MachineState as State, Observed,
    Outcome, Peripheral, Peripherals, PowerOff, Prepared, Resource, Support, VmSpec,
};
use virmo_params::{Bytes, DeviceResources, ResourceConfig};
use virmo_state::VmId;

const OFF: State = State::Off { crashed: false };

/// One thing that is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flaw {
    BootKeepsProgress,
    BootsFromTheImage,
    BusyWithOthers,
    CommitIsForgotten,
    CommitNeedsPreparation,
    CommitUnchecked,
    CreateStarts,
    DeleteForgetsFiles,
    DeletePowersOffOthers,
    DeletesForeign,
    DoneAgain,
    ForcesAfterTimeout,
    GuestIsDeaf,
    HandleOwnsMachines,
    ImageUnchecked,
    ListIsStale,
    LockedIsStuck,
    NoAccounting,
    NothingReserved,
    PowersOnSuspended,
    PrepareApplies,
    PrepareWithoutMachine,
    PretendsToChange,
    PretendsToSuspend,
    RefusalDropsPreparation,
    RepliesAtAnyLength,
    ResumeReboots,
    RunningOnlyRecords,
    SuspendedTakesRam,
    SwitchesAnything,
    SwitchesOthers,
    TalksToThoseWhoSleep,
    UndoNeedsRoom,
    UndoOnlyDrops,
    UnlocksAtBoot,
}

/// Each flaw with the check that sees it.
pub(crate) const FLAWS: &[(Flaw, &str)] = &[
    (Flaw::CreateStarts, "a_machine_is_made_off"),
    (
        Flaw::PowersOnSuspended,
        "every_call_in_every_state_is_as_the_table_says",
    ),
    (
        Flaw::DoneAgain,
        "every_call_in_every_state_is_as_the_table_says",
    ),
    (
        Flaw::ResumeReboots,
        "a_suspended_guest_goes_on_and_a_booted_one_begins_again",
    ),
    (
        Flaw::BootKeepsProgress,
        "a_suspended_guest_goes_on_and_a_booted_one_begins_again",
    ),
    (
        Flaw::ForcesAfterTimeout,
        "a_graceful_power_off_never_forces",
    ),
    (Flaw::PrepareWithoutMachine, "an_unknown_machine_is_absent"),
    (Flaw::DeleteForgetsFiles, "deleting_leaves_nothing"),
    (Flaw::ImageUnchecked, "a_missing_image_makes_no_machine"),
    (
        Flaw::BootsFromTheImage,
        "the_image_may_go_once_the_machine_is_made",
    ),
    (Flaw::ListIsStale, "the_list_is_what_is_observed"),
    (Flaw::DeletePowersOffOthers, "machines_are_apart"),
    (Flaw::BusyWithOthers, "machines_live_side_by_side"),
    (Flaw::HandleOwnsMachines, "machines_outlive_the_handle"),
    (
        Flaw::DeletesForeign,
        "machines_of_others_are_listed_and_not_touched",
    ),
    (Flaw::PretendsToSuspend, "who_cannot_suspend_says_so"),
    (Flaw::GuestIsDeaf, "a_running_guest_answers"),
    (
        Flaw::TalksToThoseWhoSleep,
        "only_a_running_guest_is_talked_to",
    ),
    (
        Flaw::RepliesAtAnyLength,
        "a_reply_is_no_longer_than_it_may_be",
    ),
    (
        Flaw::SwitchesOthers,
        "a_peripheral_is_switched_alone_and_stays_so",
    ),
    (
        Flaw::SwitchesAnything,
        "only_what_a_machine_has_is_switched",
    ),
    (Flaw::UnlocksAtBoot, "a_locked_input_stays_locked"),
    (Flaw::LockedIsStuck, "a_locked_machine_obeys_its_owner"),
    (Flaw::NoAccounting, "no_machine_is_larger_than_what_is_left"),
    (Flaw::PrepareApplies, "preparing_changes_nothing"),
    (Flaw::CommitIsForgotten, "a_commit_is_effective_and_lasting"),
    (Flaw::UndoOnlyDrops, "undo_puts_back"),
    (Flaw::PretendsToChange, "what_cannot_change_is_refused"),
    (
        Flaw::RunningOnlyRecords,
        "a_running_machine_changes_live_or_not_at_all",
    ),
    (
        Flaw::SuspendedTakesRam,
        "a_suspended_machine_keeps_ram_and_storage",
    ),
    (
        Flaw::RefusalDropsPreparation,
        "a_refused_preparation_leaves_the_earlier",
    ),
    (Flaw::NothingReserved, "what_is_prepared_is_reserved"),
    (
        Flaw::UndoNeedsRoom,
        "machines_exchange_resources_in_two_passes",
    ),
    (
        Flaw::CommitNeedsPreparation,
        "a_change_goes_on_after_a_restart",
    ),
    (
        Flaw::CommitUnchecked,
        "a_commit_without_preparation_prepares",
    ),
];

struct Vm {
    state: State,
    image: PathBuf,
    created_with: ResourceConfig,
    config: ResourceConfig,
    prepared: Option<ResourceConfig>,
    progress: u64,
    disabled: BTreeSet<String>,
    locked: bool,
}

/// What outlives a handle.
#[derive(Default)]
pub(crate) struct Place {
    vms: Mutex<BTreeMap<VmId, Vm>>,
    foreign: Mutex<BTreeSet<String>>,
    files: Mutex<BTreeSet<String>>,
}

impl Place {
    pub(crate) fn files(&self) -> Vec<String> {
        self.files.lock().unwrap().iter().cloned().collect()
    }

    pub(crate) fn add_foreign(&self, name: &str) {
        self.foreign.lock().unwrap().insert(name.to_owned());
    }

    pub(crate) fn progress(&self, id: &VmId) -> Option<u64> {
        self.vms.lock().unwrap().get(id).map(|vm| vm.progress)
    }
}

pub(crate) struct Reference {
    place: Arc<Place>,
    flaw: Option<Flaw>,
    crowd: Barrier,
}

type Answer<T = Outcome> = Result<T, HypervisorError>;

fn refuse<T>(kind: Kind) -> Answer<T> {
    Err(HypervisorError::new(kind))
}

impl Reference {
    pub(crate) fn open(place: Arc<Place>, flaw: Option<Flaw>) -> Self {
        for vm in place.vms.lock().unwrap().values_mut() {
            match flaw {
                Some(Flaw::HandleOwnsMachines) => vm.state = OFF,
                Some(Flaw::CommitIsForgotten) => vm.config = vm.created_with.clone(),
                Some(Flaw::CommitNeedsPreparation) => vm.prepared = None,
                _ => {}
            }
        }
        Self {
            place,
            flaw,
            crowd: Barrier::new(4),
        }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn vms(&self) -> MutexGuard<'_, BTreeMap<VmId, Vm>> {
        self.place.vms.lock().unwrap()
    }

    fn vm<T>(&self, id: &VmId, step: impl FnOnce(&mut Vm) -> Answer<T>) -> Answer<T> {
        match self.vms().get_mut(id) {
            Some(vm) => step(vm),
            None => refuse(Kind::NotFound),
        }
    }

    /// The first resource of which there is not enough for a machine beside the others.
    fn short_of(
        &self,
        vms: &BTreeMap<VmId, Vm>,
        id: &VmId,
        want: &ResourceConfig,
    ) -> Option<Resource> {
        let device = self.capabilities().device;
        Resource::ALL.into_iter().find(|resource| {
            let of = |config: &ResourceConfig| match resource {
                Resource::Ram => config.ram.get(),
                Resource::Storage => config.storage.get(),
                Resource::Cpu => config.cpu.get().into(),
                Resource::Network => config.network.get().into(),
            };
            let total = match resource {
                Resource::Ram => device.ram.get(),
                Resource::Storage => device.storage.get(),
                Resource::Cpu | Resource::Network => 100,
            };
            let others = vms.iter().filter(|(other, _)| *other != id);
            let taken: u64 = others
                .map(|(_, vm)| match &vm.prepared {
                    Some(prepared) if !self.is(Flaw::NothingReserved) => of(prepared),
                    _ => of(&vm.config),
                })
                .sum();
            taken + of(want) > total && !self.is(Flaw::NoAccounting)
        })
    }

    fn effects(&self, vm: &Vm, want: &ResourceConfig) -> Answer<Prepared> {
        let has = &vm.config;
        let change = |resource| match resource {
            Resource::Ram => has.ram != want.ram,
            Resource::Storage => has.storage != want.storage,
            Resource::Cpu => has.cpu != want.cpu,
            Resource::Network => has.network != want.network,
        };
        if vm.state == State::Suspended
            && (change(Resource::Ram) || change(Resource::Storage))
            && !self.is(Flaw::SuspendedTakesRam)
        {
            return Err(HypervisorError::invalid_state(State::Suspended));
        }
        let live = vm.state == State::Running && !self.is(Flaw::RunningOnlyRecords);
        Ok(Prepared::new(|resource| match change(resource) {
            false => Effect::Unchanged,
            true if live => Effect::Live,
            true => Effect::Recorded,
        }))
    }
}

/// The guest echoes.
impl GuestChannel for Reference {
    fn exchange(
        &self,
        id: &VmId,
        message: &[u8],
        _: Duration,
        max_reply: usize,
        _: &dyn Fn() -> bool,
    ) -> Answer<Vec<u8>> {
        self.vm(id, |vm| match &vm.state {
            State::Running if self.is(Flaw::GuestIsDeaf) => Ok(Vec::new()),
            State::Running if message.len() > max_reply && !self.is(Flaw::RepliesAtAnyLength) => {
                refuse(Kind::Backend)
            }
            State::Suspended if self.is(Flaw::TalksToThoseWhoSleep) => Ok(message.to_vec()),
            State::Running => Ok(message.to_vec()),
            state => Err(HypervisorError::invalid_state(state.clone())),
        })
    }
}

const PERIPHERALS: [&str; 2] = ["camera", "usb"];

fn outcome(changed: bool) -> Answer {
    Ok(match changed {
        true => Outcome::Done,
        false => Outcome::AlreadyDone,
    })
}

impl Peripherals for Reference {
    fn list(&self, id: &VmId) -> Answer<Vec<Peripheral>> {
        self.vm(id, |vm| {
            let list = PERIPHERALS.map(|name| Peripheral::new(name, !vm.disabled.contains(name)));
            Ok(list.into())
        })
    }

    fn set_enabled(&self, id: &VmId, peripheral: &str, enabled: bool) -> Answer {
        if !PERIPHERALS.contains(&peripheral) && !self.is(Flaw::SwitchesAnything) {
            return refuse(Kind::NotSupported);
        }
        let mut vms = self.vms();
        if self.is(Flaw::SwitchesOthers) {
            for vm in vms.values_mut() {
                vm.disabled.insert(peripheral.to_owned());
            }
        }
        match vms.get_mut(id) {
            Some(vm) if enabled => outcome(vm.disabled.remove(peripheral)),
            Some(vm) => {
                let is_new = vm.disabled.insert(peripheral.to_owned());
                outcome(is_new || self.is(Flaw::SwitchesOthers))
            }
            None => refuse(Kind::NotFound),
        }
    }
}

impl InputLock for Reference {
    fn set_locked(&self, id: &VmId, locked: bool) -> Answer {
        self.vm(id, |vm| {
            outcome(std::mem::replace(&mut vm.locked, locked) != locked)
        })
    }

    fn is_locked(&self, id: &VmId) -> Answer<bool> {
        self.vm(id, |vm| Ok(vm.locked))
    }
}

impl Hypervisor for Reference {
    fn peripherals(&self) -> Option<&dyn Peripherals> {
        Some(self)
    }

    fn input_lock(&self) -> Option<&dyn InputLock> {
        Some(self)
    }

    fn guest_channel(&self) -> Option<&dyn GuestChannel> {
        Some(self)
    }

    fn capabilities(&self) -> Capabilities {
        let device = DeviceResources::new(Bytes::gib(4), Bytes::gib(32));
        let mut capabilities = Capabilities::new("reference", device);
        capabilities.suspend = !self.is(Flaw::PretendsToSuspend);
        if self.is(Flaw::PretendsToChange) {
            capabilities.network = Support::None;
        }
        capabilities
    }

    fn list(&self) -> Answer<Vec<Listed>> {
        let mut all = Vec::new();
        for (id, vm) in &*self.vms() {
            let state = match self.is(Flaw::ListIsStale) {
                true => OFF,
                false => vm.state.clone(),
            };
            let observed = Observed::new(state, vm.config.clone());
            all.push(Listed::new(Machine::Owned(id.clone()), observed));
        }
        for name in &*self.place.foreign.lock().unwrap() {
            let machine = Machine::Foreign(name.clone());
            all.push(Listed::new(machine, Observed::from(State::Running)));
        }
        Ok(all)
    }

    fn observe(&self, id: &VmId) -> Answer<Observed> {
        Ok(match self.vms().get(id) {
            Some(vm) => Observed::new(vm.state.clone(), vm.config.clone()),
            None => Observed::absent(),
        })
    }

    fn create(&self, spec: &VmSpec) -> Answer {
        if self.is(Flaw::BusyWithOthers) {
            self.crowd.wait();
            return refuse(Kind::Busy);
        }
        let mut vms = self.vms();
        match vms.get(&spec.id).map(|vm| vm.state.clone()) {
            None => {}
            Some(State::Off { .. }) => return Ok(Outcome::AlreadyDone),
            Some(state) => return Err(HypervisorError::invalid_state(state)),
        }
        if let Some(resource) = self.short_of(&vms, &spec.id, &spec.resources) {
            return refuse(Kind::NoSpace(resource));
        }
        if !spec.image.exists() && !self.is(Flaw::ImageUnchecked) {
            return refuse(Kind::Image);
        }
        let state = match self.is(Flaw::CreateStarts) {
            true => State::Running,
            false => OFF,
        };
        let vm = Vm {
            state,
            image: spec.image.clone(),
            created_with: spec.resources.clone(),
            config: spec.resources.clone(),
            prepared: None,
            progress: 0,
            disabled: BTreeSet::new(),
            locked: false,
        };
        vms.insert(spec.id.clone(), vm);
        self.place.files.lock().unwrap().insert(spec.id.to_string());
        Ok(Outcome::Done)
    }

    fn power_on(&self, id: &VmId) -> Answer {
        self.vm(id, |vm| {
            match vm.state {
                State::Off { .. } => {}
                State::Suspended if self.is(Flaw::PowersOnSuspended) => {}
                State::Running if self.is(Flaw::DoneAgain) => return Ok(Outcome::Done),
                State::Running => return Ok(Outcome::AlreadyDone),
                ref state => return Err(HypervisorError::invalid_state(state.clone())),
            }
            if vm.locked && self.is(Flaw::LockedIsStuck) {
                return refuse(Kind::NotSupported);
            }
            vm.locked &= !self.is(Flaw::UnlocksAtBoot);
            if self.is(Flaw::BootsFromTheImage) && !vm.image.exists() {
                return refuse(Kind::Image);
            }
            if !self.is(Flaw::BootKeepsProgress) {
                vm.progress = 0;
            }
            vm.state = State::Running;
            Ok(Outcome::Done)
        })
    }

    fn power_off(&self, id: &VmId, how: PowerOff) -> Answer {
        self.vm(id, |vm| match vm.state {
            State::Running => {
                vm.state = OFF;
                match how {
                    PowerOff::Graceful { .. } if self.is(Flaw::ForcesAfterTimeout) => {
                        refuse(Kind::Timeout {
                            may_have_happened: true,
                        })
                    }
                    _ => Ok(Outcome::Done),
                }
            }
            State::Off { .. } => Ok(Outcome::AlreadyDone),
            ref state => Err(HypervisorError::invalid_state(state.clone())),
        })
    }

    fn suspend(&self, id: &VmId) -> Answer {
        self.vm(id, |vm| match vm.state {
            State::Running => {
                vm.state = State::Suspended;
                Ok(Outcome::Done)
            }
            State::Suspended => Ok(Outcome::AlreadyDone),
            ref state => Err(HypervisorError::invalid_state(state.clone())),
        })
    }

    fn resume(&self, id: &VmId) -> Answer {
        self.vm(id, |vm| match vm.state {
            State::Suspended => {
                vm.progress = match self.is(Flaw::ResumeReboots) {
                    true => 0,
                    false => vm.progress + 1,
                };
                vm.state = State::Running;
                Ok(Outcome::Done)
            }
            State::Running => Ok(Outcome::AlreadyDone),
            ref state => Err(HypervisorError::invalid_state(state.clone())),
        })
    }

    fn delete(&self, id: &VmId, _: Erase) -> Answer {
        if self.is(Flaw::DeletesForeign) {
            self.place.foreign.lock().unwrap().remove(id.as_str());
        }
        let mut vms = self.vms();
        if vms.remove(id).is_none() {
            return Ok(Outcome::AlreadyDone);
        }
        if self.is(Flaw::DeletePowersOffOthers) {
            vms.values_mut().for_each(|vm| vm.state = OFF);
        }
        if !self.is(Flaw::DeleteForgetsFiles) {
            self.place.files.lock().unwrap().remove(id.as_str());
        }
        Ok(Outcome::Done)
    }

    fn prepare(&self, id: &VmId, want: &ResourceConfig) -> Answer<Prepared> {
        let mut vms = self.vms();
        let short_of = self.short_of(&vms, id, want);
        let Some(vm) = vms.get_mut(id) else {
            return match self.is(Flaw::PrepareWithoutMachine) {
                true => Ok(Prepared::new(|_| Effect::Unchanged)),
                false => refuse(Kind::NotFound),
            };
        };
        if let Some(resource) = short_of {
            if self.is(Flaw::RefusalDropsPreparation) {
                vm.prepared = None;
            }
            return refuse(Kind::NoSpace(resource));
        }
        let effects = self.effects(vm, want)?;
        if self.is(Flaw::PrepareApplies) {
            vm.config = want.clone();
        }
        vm.prepared = Some(want.clone());
        Ok(effects)
    }

    fn commit(&self, id: &VmId, want: &ResourceConfig) -> Answer {
        let prepared = self.vm(id, |vm| {
            if vm.config == *want && vm.prepared.is_none() {
                return Ok(None);
            }
            Ok(Some(vm.prepared.as_ref() == Some(want)))
        })?;
        match prepared {
            None => return Ok(Outcome::AlreadyDone),
            Some(true) => {}
            Some(false) if self.is(Flaw::CommitUnchecked) => {}
            Some(false) if self.is(Flaw::CommitNeedsPreparation) => {
                return refuse(Kind::NotSupported);
            }
            Some(false) => {
                self.prepare(id, want)?;
            }
        }
        self.vm(id, |vm| {
            vm.config = want.clone();
            vm.prepared = None;
            Ok(Outcome::Done)
        })
    }

    fn undo(&self, id: &VmId, before: &ResourceConfig) -> Answer {
        if self.is(Flaw::UndoNeedsRoom) {
            let vms = self.vms();
            if let Some(resource) = self.short_of(&vms, id, before) {
                return refuse(Kind::NoSpace(resource));
            }
        }
        self.vm(id, |vm| {
            if vm.config == *before && vm.prepared.is_none() {
                return Ok(Outcome::AlreadyDone);
            }
            vm.prepared = None;
            if !self.is(Flaw::UndoOnlyDrops) {
                vm.config = before.clone();
            }
            Ok(Outcome::Done)
        })
    }
}
