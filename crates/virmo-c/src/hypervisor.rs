use std::{
    ffi::{CString, c_char},
    ptr,
    sync::Arc,
    time::Duration,
};

use virmo_hypervisor::{
    Capabilities, ChangeHint, DataSharing, Effect, Erase, GuestChannel, Hypervisor,
    HypervisorError, HypervisorErrorKind as Kind, InputLock, Listed, MachineState, Observed,
    Outcome, Peripherals, PowerOff, Prepared, Resource, Support, VmSpec,
};
use virmo_params::{Bytes, Percent, ResourceConfig};
use virmo_state::VmId;

use crate::{
    answer::{virmo_machine, virmo_machines, virmo_writer},
    features::{DM_TREE, DRAFT},
    status::Failure,
    text::{c_text, optional_text, text},
    time::{milliseconds, virmo_cancel},
    vendor::{Vendor, call},
};

/// What a call of the hypervisor comes to.
#[repr(u32)]
#[derive(Clone, Copy)]
pub enum virmo_hypervisor_result {
    /// It was done.
    Done = 0,
    /// It was so before.
    AlreadyDone = 1,
    /// The machine's state does not allow it. Nothing happened.
    InvalidState = 2,
    /// There is no such machine. Nothing happened.
    NotFound = 3,
    /// Another call on this machine has not ended. Nothing happened.
    Busy = 4,
    /// This hypervisor cannot do it. Nothing happened.
    NotSupported = 5,
    /// The RAM cannot be changed while the machine runs. Nothing happened.
    LiveRam = 6,
    /// The storage cannot be changed while the machine runs. Nothing happened.
    LiveStorage = 7,
    /// The CPU share cannot be changed while the machine runs. Nothing happened.
    LiveCpu = 8,
    /// The network share cannot be changed while the machine runs. Nothing happened.
    LiveNetwork = 9,
    /// There is not enough RAM left.
    NoRam = 10,
    /// There is not enough storage left.
    NoStorage = 11,
    /// There is not enough CPU time left.
    NoCpu = 12,
    /// There is not enough bandwidth left.
    NoNetwork = 13,
    /// The image is missing, damaged or of a type that is not taken.
    Image = 14,
    /// There was no answer in time; it may have happened, or may still happen.
    Timeout = 15,
    /// It failed otherwise; it may have happened in part.
    Failed = 16,
}

/// Whether and how a machine is there.
#[repr(u32)]
pub enum virmo_machine_state {
    /// There is no such machine; a half-made one is absent too.
    Absent = 0,
    /// It is off.
    Off = 1,
    /// It is off, for its guest or the hypervisor died.
    Crashed = 2,
    /// It runs.
    Running = 3,
    /// Its execution is saved durably.
    Suspended = 4,
    /// It is between two states, because a call was cut.
    Unsettled = 5,
    /// It cannot be used any more; it can be deleted.
    Broken = 6,
}

/// How a resource of a machine can be changed after its creation.
#[repr(u32)]
pub enum virmo_support {
    /// At once, also while the machine runs.
    Live = 0,
    /// Only while the machine does not run.
    NotRunning = 1,
    /// Not at all.
    None = 2,
}

/// When a change of a resource takes effect.
#[repr(u32)]
pub enum virmo_effect {
    /// There is no change.
    Unchanged = 0,
    /// With the commit.
    Live = 1,
    /// When the machine next runs.
    Recorded = 2,
}

/// What the hypervisor can do, and what the device has for machines. Zero it, then set what is so.
///
/// A machine that does not fit beside the others is not made (420). One whose server has set no NewConfig
/// gets 256 MiB of RAM, 1 GiB of storage, and 10 % of CPU and network each.
#[repr(C)]
pub struct virmo_capabilities {
    /// The hypervisor's name, for events.
    pub name: *const c_char,
    /// The RAM that machines can have, in all, in bytes. At least 1: without it no machine runs.
    pub ram: u64,
    /// The storage that machines can have, in all, in bytes. With 0 only machines of `Storage=0` are
    /// made.
    pub storage: u64,
    /// Whether machines can be suspended and resumed.
    pub suspend: bool,
    /// Whether a guest can be asked to end itself.
    pub graceful_power_off: bool,
    /// A virmo_support: how the RAM of a machine can be changed.
    pub change_ram: u32,
    /// A virmo_support: how its storage can be changed.
    pub change_storage: u32,
    /// A virmo_support: how its CPU share can be changed.
    pub change_cpu: u32,
    /// A virmo_support: how its network share can be changed.
    pub change_network: u32,
}

/// What a machine is entitled to.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct virmo_resources {
    /// Memory in bytes.
    pub ram: u64,
    /// Storage in bytes.
    pub storage: u64,
    /// Share of the CPU, in percent.
    pub cpu: u8,
    /// Share of the bandwidth, in percent.
    pub network: u8,
    /// All of it as the server wrote it, vendor keys included: `RAM=…&Storage=…&CPU=…&Network=…`.
    /// Null where a callback does not set it.
    pub text: *const c_char,
}

/// What a machine is made from.
#[repr(C)]
pub struct virmo_vm_spec {
    /// Its identifier: 1 to 64 of the characters A-Z, a-z, 0-9, '-', '_' and '.', beginning with a
    /// letter or a digit.
    pub vm: *const c_char,
    /// For people; may be empty.
    pub description: *const c_char,
    /// Where the image is: what `sink_finish` said.
    pub image: *const c_char,
    /// The image's media type.
    pub media_type: *const c_char,
    /// What it is entitled to.
    pub resources: virmo_resources,
    /// A bootstrap document for a DM client in the guest; null if there is none.
    pub bootstrap: *const u8,
    /// How many bytes of it.
    pub bootstrap_len: usize,
}

/// What a machine is found to be. Zero it, then set what is known.
#[repr(C)]
pub struct virmo_observed {
    /// A virmo_machine_state.
    pub state: u32,
    /// Whether `resources` are known. If not, CurrentConfig stays as it is.
    pub has_resources: bool,
    /// What it is entitled to now. If `text` is set, it is what counts. At a start of
    /// the client this becomes CurrentConfig, whose vendor keys stay where there are none here.
    pub resources: virmo_resources,
    /// For VIRMO_MACHINE_STATE_BROKEN: why; may be null.
    pub reason: *const c_char,
}

/// When a change of each resource takes effect: virmo_effect.
#[repr(C)]
pub struct virmo_prepared {
    /// Of memory.
    pub ram: u32,
    /// Of storage.
    pub storage: u32,
    /// Of the CPU share.
    pub cpu: u32,
    /// Of the network share.
    pub network: u32,
}

impl virmo_resources {
    fn new(config: &ResourceConfig, text: &CString) -> Self {
        Self {
            ram: config.ram.get(),
            storage: config.storage.get(),
            cpu: config.cpu.get(),
            network: config.network.get(),
            text: text.as_ptr(),
        }
    }

    /// # Safety
    /// `text` is null or a NUL-terminated string.
    unsafe fn to_rust(self) -> Result<ResourceConfig, Failure> {
        // SAFETY: the caller's promise.
        if let Some(text) = unsafe { optional_text(self.text, "resources.text") }? {
            let config = text.parse();
            return config.map_err(|_| Failure::argument("resources.text is none"));
        }
        let share = |share: u8| Percent::new(share).ok_or_else(|| Failure::argument("over 100 %"));
        let (ram, storage) = (Bytes::new(self.ram), Bytes::new(self.storage));
        Ok(ResourceConfig::new(
            ram,
            storage,
            share(self.cpu)?,
            share(self.network)?,
        ))
    }
}

impl virmo_observed {
    /// # Safety
    /// The strings are null or NUL-terminated.
    pub(crate) unsafe fn to_rust(&self) -> Result<Observed, Failure> {
        let state = match self.state {
            0 => MachineState::Absent,
            1 => MachineState::Off { crashed: false },
            2 => MachineState::Off { crashed: true },
            3 => MachineState::Running,
            4 => MachineState::Suspended,
            5 => MachineState::Unsettled,
            6 => {
                // SAFETY: the caller's promise.
                let reason = unsafe { optional_text(self.reason, "reason") }?;
                MachineState::Broken(reason.unwrap_or("it cannot be used").to_owned())
            }
            state => return Err(Failure::argument(format!("{state} is no state"))),
        };
        match self.has_resources {
            // SAFETY: the caller's promise.
            true => Ok(Observed::new(state, unsafe { self.resources.to_rust() }?)),
            false => Ok(Observed::from(state)),
        }
    }
}

impl virmo_capabilities {
    /// # Safety
    /// `name` is null or a NUL-terminated string.
    pub(crate) unsafe fn to_rust(&self) -> Result<Capabilities, Failure> {
        let support = |support: u32| match support {
            0 => Ok(Support::Live),
            1 => Ok(Support::NotRunning),
            2 => Ok(Support::None),
            _ => Err(Failure::argument(format!("{support} is no virmo_support"))),
        };
        // SAFETY: the caller's promise.
        let name = unsafe { text(self.name, "name") }?;
        if self.ram == 0 {
            return Err(Failure::argument("ram is 0"));
        }
        let (ram, storage) = (Bytes::new(self.ram), Bytes::new(self.storage));
        let device = virmo_params::DeviceResources::new(ram, storage);
        let mut capabilities = Capabilities::new(name, device);
        capabilities.suspend = self.suspend;
        capabilities.graceful_power_off = self.graceful_power_off;
        capabilities.ram = support(self.change_ram)?;
        capabilities.storage = support(self.change_storage)?;
        capabilities.cpu = support(self.change_cpu)?;
        capabilities.network = support(self.change_network)?;
        Ok(capabilities)
    }
}

/// The vendor's hypervisor.
pub(crate) struct VendorHypervisor(pub(crate) Arc<Vendor>);

pub(crate) type Result<T, E = HypervisorError> = std::result::Result<T, E>;

impl VendorHypervisor {
    /// What a call on a machine came to; `None` is a callback that is not set.
    fn outcome(&self, vm: &VmId, code: Option<u32>, reason: virmo_writer) -> Result<Outcome> {
        let kind = match code {
            Some(0) => return Ok(Outcome::Done),
            Some(1) => return Ok(Outcome::AlreadyDone),
            Some(2) => Kind::InvalidState {
                observed: self.observe(vm)?.state,
            },
            Some(code) => failure(code),
            None => Kind::NotSupported,
        };
        Err(error(kind, reason))
    }

    /// A call that takes a machine and no more.
    pub(crate) fn simple(
        &self,
        vm: &VmId,
        call: impl FnOnce(&Vendor, *const c_char, *mut virmo_writer) -> Option<u32>,
    ) -> Result<Outcome> {
        let name = c_text(vm.as_str());
        let mut reason = virmo_writer::default();
        let code = call(&self.0, name.as_ptr(), &raw mut reason);
        self.outcome(vm, code, reason)
    }
}

impl Hypervisor for VendorHypervisor {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities.clone()
    }

    fn list(&self) -> Result<Vec<Listed>> {
        let (mut machines, mut reason) = <(virmo_machines, virmo_writer)>::default();
        let (to, why) = (&raw mut machines, &raw mut reason);
        match call!(&self.0, hypervisor_list, to, why) {
            Some(0 | 1) if machines.refused => {
                Err(HypervisorError::new(Kind::Backend).because("a machine was refused"))
            }
            Some(0 | 1) => Ok(machines.listed),
            code => Err(error(failure(code.unwrap_or(NOT_SUPPORTED)), reason)),
        }
    }

    fn observe(&self, id: &VmId) -> Result<Observed> {
        let vm = c_text(id.as_str());
        let mut reason = virmo_writer::default();
        let mut machine = virmo_machine::default();
        let (to, why) = (&raw mut machine, &raw mut reason);
        match call!(&self.0, hypervisor_observe, vm.as_ptr(), to, why) {
            Some(0 | 1) => {
                let told = machine.0.unwrap_or(Ok(MachineState::Absent.into()));
                told.map_err(|it| {
                    HypervisorError::new(Kind::Backend).because(it.message().to_owned())
                })
            }
            code => Err(error(failure(code.unwrap_or(NOT_SUPPORTED)), reason)),
        }
    }

    fn create(&self, spec: &VmSpec) -> Result<Outcome> {
        let vm = c_text(spec.id.as_str());
        let description = c_text(&spec.description);
        let image = c_text(&spec.image.to_string_lossy());
        let media_type = c_text(&spec.media_type);
        let resources = c_text(&spec.resources.to_string());
        let bootstrap = spec.bootstrap.as_ref().map(|it| it.expose());
        let mut reason = virmo_writer::default();
        let shown = virmo_vm_spec {
            vm: vm.as_ptr(),
            description: description.as_ptr(),
            image: image.as_ptr(),
            media_type: media_type.as_ptr(),
            resources: virmo_resources::new(&spec.resources, &resources),
            bootstrap: bootstrap.map_or(ptr::null(), <[u8]>::as_ptr),
            bootstrap_len: bootstrap.map_or(0, <[u8]>::len),
        };
        let (shown, why) = (&raw const shown, &raw mut reason);
        let code = call!(&self.0, hypervisor_create, shown, why);
        self.outcome(&spec.id, code, reason)
    }

    fn power_on(&self, id: &VmId) -> Result<Outcome> {
        self.simple(id, |it, vm, why| call!(it, hypervisor_power_on, vm, why))
    }

    fn power_off(&self, id: &VmId, how: PowerOff) -> Result<Outcome> {
        let graceful = match how {
            PowerOff::Graceful { timeout } => milliseconds(timeout).max(1),
            PowerOff::Force => 0,
        };
        self.simple(id, |it, vm, why| {
            call!(it, hypervisor_power_off, vm, graceful, why)
        })
    }

    fn suspend(&self, id: &VmId) -> Result<Outcome> {
        self.simple(id, |it, vm, why| call!(it, hypervisor_suspend, vm, why))
    }

    fn resume(&self, id: &VmId) -> Result<Outcome> {
        self.simple(id, |it, vm, why| call!(it, hypervisor_resume, vm, why))
    }

    fn delete(&self, id: &VmId, erase: Erase) -> Result<Outcome> {
        let overwrite = erase == Erase::Overwrite;
        self.simple(id, |it, vm, why| {
            call!(it, hypervisor_delete, vm, overwrite, why)
        })
    }

    fn prepare(&self, id: &VmId, want: &ResourceConfig) -> Result<Prepared> {
        let text = c_text(&want.to_string());
        let want = virmo_resources::new(want, &text);
        let mut prepared = virmo_prepared {
            ram: 0,
            storage: 0,
            cpu: 0,
            network: 0,
        };
        let to = &raw mut prepared;
        self.simple(id, |it, vm, why| {
            call!(it, hypervisor_prepare, vm, &raw const want, to, why)
        })?;
        let effect =
            |effect: u32| match effect {
                0 => Ok(Effect::Unchanged),
                1 => Ok(Effect::Live),
                2 => Ok(Effect::Recorded),
                _ => Err(HypervisorError::new(Kind::Backend)
                    .because(format!("{effect} is no virmo_effect"))),
            };
        let ram = effect(prepared.ram)?;
        let storage = effect(prepared.storage)?;
        let cpu = effect(prepared.cpu)?;
        let network = effect(prepared.network)?;
        Ok(Prepared::new(|resource| match resource {
            Resource::Ram => ram,
            Resource::Storage => storage,
            Resource::Cpu => cpu,
            Resource::Network => network,
        }))
    }

    fn commit(&self, id: &VmId, want: &ResourceConfig) -> Result<Outcome> {
        let text = c_text(&want.to_string());
        let want = virmo_resources::new(want, &text);
        self.simple(id, |it, vm, why| {
            call!(it, hypervisor_commit, vm, &raw const want, why)
        })
    }

    fn undo(&self, id: &VmId, before: &ResourceConfig) -> Result<Outcome> {
        let text = c_text(&before.to_string());
        let before = virmo_resources::new(before, &text);
        self.simple(id, |it, vm, why| {
            call!(it, hypervisor_undo, vm, &raw const before, why)
        })
    }

    fn on_change(&self, hint: ChangeHint) {
        self.0.hints().push(hint);
    }

    fn guest_channel(&self) -> Option<&dyn GuestChannel> {
        let exchange = self.0.callbacks.guest_exchange.filter(|_| DM_TREE);
        exchange.map(|_| self as _)
    }

    fn peripherals(&self) -> Option<&dyn Peripherals> {
        let list = self.0.callbacks.hypervisor_peripherals;
        list.filter(|_| DM_TREE).map(|_| self as _)
    }

    fn input_lock(&self) -> Option<&dyn InputLock> {
        let look = self.0.callbacks.hypervisor_is_locked;
        look.filter(|_| DM_TREE || DRAFT).map(|_| self as _)
    }

    fn data_sharing(&self) -> Option<&dyn DataSharing> {
        let look = self.0.callbacks.hypervisor_is_sharing;
        look.filter(|_| DRAFT).map(|_| self as _)
    }
}

impl GuestChannel for VendorHypervisor {
    fn exchange(
        &self,
        id: &VmId,
        message: &[u8],
        within: Duration,
        max_reply: usize,
        over: &dyn Fn() -> bool,
    ) -> Result<Vec<u8>> {
        let cancel = virmo_cancel::asked(over);
        let cancel = &raw const cancel;
        let mut reply = virmo_writer::default();
        let to = &raw mut reply;
        self.simple(id, |it, vm, why| {
            let (data, len) = (message.as_ptr(), message.len());
            let within = milliseconds(within);
            call!(
                it,
                guest_exchange,
                vm,
                data,
                len,
                within,
                max_reply,
                cancel,
                to,
                why
            )
        })?;
        let reply = reply.bytes().ok().flatten();
        let reply = reply.filter(|reply| reply.len() <= max_reply);
        reply.ok_or_else(|| HypervisorError::new(Kind::Backend).because("no answer that fits"))
    }
}

const NOT_SUPPORTED: u32 = virmo_hypervisor_result::NotSupported as u32;

/// What a result means that is no success. A state is not known here.
pub(crate) fn failure(code: u32) -> Kind {
    match code {
        3 => Kind::NotFound,
        4 => Kind::Busy,
        5 => Kind::NotSupported,
        6 => Kind::CannotChangeLive(Resource::Ram),
        7 => Kind::CannotChangeLive(Resource::Storage),
        8 => Kind::CannotChangeLive(Resource::Cpu),
        9 => Kind::CannotChangeLive(Resource::Network),
        10 => Kind::NoSpace(Resource::Ram),
        11 => Kind::NoSpace(Resource::Storage),
        12 => Kind::NoSpace(Resource::Cpu),
        13 => Kind::NoSpace(Resource::Network),
        14 => Kind::Image,
        15 => Kind::Timeout {
            may_have_happened: true,
        },
        _ => Kind::Backend,
    }
}

fn error(kind: Kind, reason: virmo_writer) -> HypervisorError {
    let error = HypervisorError::new(kind);
    match reason.reason() {
        Some(reason) => error.because(reason),
        None => error,
    }
}
