use std::{sync::Arc, time::Duration};

use virmo_hypervisor::{
    Capabilities, ChangeHint, DataSharing, Erase, GuestChannel, Hypervisor, HypervisorError,
    HypervisorErrorKind, InputLock, Listed, Observed, Outcome, Peripheral, Peripherals, PowerOff,
    Prepared, VmSpec,
};
use virmo_params::ResourceConfig;
use virmo_state::VmId;

use crate::{CallKind, Points};

/// Has the next call of this name be cut half way; whether that can be. `None`: no call is to be.
pub type Halving = Arc<dyn Fn(Option<&str>) -> bool + Send + Sync>;

/// A [`Hypervisor`] whose calls are [`Points`].
#[derive(Clone)]
pub struct TroubledHypervisor {
    inner: Arc<dyn Hypervisor>,
    points: Points,
    halving: Halving,
}

impl TroubledHypervisor {
    /// Decorates a hypervisor.
    #[must_use]
    pub fn new(inner: Arc<dyn Hypervisor>, points: &Points, halving: Halving) -> Self {
        Self {
            inner,
            points: points.clone(),
            halving,
        }
    }

    fn look<T>(
        &self,
        name: &str,
        call: impl FnOnce(&dyn Hypervisor) -> Result<T, HypervisorError>,
    ) -> Result<T, HypervisorError> {
        self.points
            .call(CallKind::Look, name, refused, || call(&*self.inner))
    }

    fn change<T>(
        &self,
        name: &str,
        call: impl Fn(&dyn Hypervisor) -> Result<T, HypervisorError>,
    ) -> Result<T, HypervisorError> {
        let full = format!("Hypervisor::{name}");
        // Whether a half can be had is known only by asking for it.
        let can_be_cut = (self.halving)(Some(name));
        (self.halving)(None);
        let half = can_be_cut.then_some(|| {
            (self.halving)(Some(name));
            _ = call(&*self.inner);
            (self.halving)(None);
        });
        self.points
            .halved(CallKind::Change, &full, refused, half, || {
                call(&*self.inner)
            })
    }
}

fn refused() -> HypervisorError {
    HypervisorError::new(HypervisorErrorKind::Backend).because("on request")
}

fn missing() -> HypervisorError {
    HypervisorError::new(HypervisorErrorKind::NotSupported)
}

impl Hypervisor for TroubledHypervisor {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn list(&self) -> Result<Vec<Listed>, HypervisorError> {
        self.look("Hypervisor::list", |inner| inner.list())
    }

    fn observe(&self, id: &VmId) -> Result<Observed, HypervisorError> {
        self.look("Hypervisor::observe", |inner| inner.observe(id))
    }

    fn create(&self, spec: &VmSpec) -> Result<Outcome, HypervisorError> {
        self.change("create", |inner| inner.create(spec))
    }

    fn power_on(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        self.change("power_on", |inner| inner.power_on(id))
    }

    fn power_off(&self, id: &VmId, how: PowerOff) -> Result<Outcome, HypervisorError> {
        self.change("power_off", |inner| inner.power_off(id, how))
    }

    fn suspend(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        self.change("suspend", |inner| inner.suspend(id))
    }

    fn resume(&self, id: &VmId) -> Result<Outcome, HypervisorError> {
        self.change("resume", |inner| inner.resume(id))
    }

    fn delete(&self, id: &VmId, erase: Erase) -> Result<Outcome, HypervisorError> {
        self.change("delete", |inner| inner.delete(id, erase))
    }

    fn prepare(&self, id: &VmId, want: &ResourceConfig) -> Result<Prepared, HypervisorError> {
        self.change("prepare", |inner| inner.prepare(id, want))
    }

    fn commit(&self, id: &VmId, want: &ResourceConfig) -> Result<Outcome, HypervisorError> {
        self.change("commit", |inner| inner.commit(id, want))
    }

    fn undo(&self, id: &VmId, before: &ResourceConfig) -> Result<Outcome, HypervisorError> {
        self.change("undo", |inner| inner.undo(id, before))
    }

    fn on_change(&self, hint: ChangeHint) {
        self.inner.on_change(hint);
    }

    fn guest_channel(&self) -> Option<&dyn GuestChannel> {
        self.inner.guest_channel().map(|_| self as _)
    }

    fn peripherals(&self) -> Option<&dyn Peripherals> {
        self.inner.peripherals().map(|_| self as _)
    }

    fn input_lock(&self) -> Option<&dyn InputLock> {
        self.inner.input_lock().map(|_| self as _)
    }

    fn data_sharing(&self) -> Option<&dyn DataSharing> {
        self.inner.data_sharing().map(|_| self as _)
    }
}

impl GuestChannel for TroubledHypervisor {
    fn exchange(
        &self,
        id: &VmId,
        message: &[u8],
        within: Duration,
        max_reply: usize,
        over: &dyn Fn() -> bool,
    ) -> Result<Vec<u8>, HypervisorError> {
        self.change("exchange", |inner| {
            let channel = inner.guest_channel().ok_or_else(missing)?;
            channel.exchange(id, message, within, max_reply, over)
        })
    }
}

impl Peripherals for TroubledHypervisor {
    fn list(&self, id: &VmId) -> Result<Vec<Peripheral>, HypervisorError> {
        self.look("Peripherals::list", |inner| {
            inner.peripherals().ok_or_else(missing)?.list(id)
        })
    }

    fn set_enabled(
        &self,
        id: &VmId,
        peripheral: &str,
        enabled: bool,
    ) -> Result<Outcome, HypervisorError> {
        self.change("set_enabled", |inner| {
            let peripherals = inner.peripherals().ok_or_else(missing)?;
            peripherals.set_enabled(id, peripheral, enabled)
        })
    }
}

impl DataSharing for TroubledHypervisor {
    fn set_allowed(&self, id: &VmId, allowed: bool) -> Result<Outcome, HypervisorError> {
        self.change("set_allowed", |inner| {
            let sharing = inner.data_sharing().ok_or_else(missing)?;
            sharing.set_allowed(id, allowed)
        })
    }

    fn is_allowed(&self, id: &VmId) -> Result<bool, HypervisorError> {
        self.look("DataSharing::is_allowed", |inner| {
            inner.data_sharing().ok_or_else(missing)?.is_allowed(id)
        })
    }
}

impl InputLock for TroubledHypervisor {
    fn set_locked(&self, id: &VmId, locked: bool) -> Result<Outcome, HypervisorError> {
        self.change("set_locked", |inner| {
            let lock = inner.input_lock().ok_or_else(missing)?;
            lock.set_locked(id, locked)
        })
    }

    fn is_locked(&self, id: &VmId) -> Result<bool, HypervisorError> {
        self.look("InputLock::is_locked", |inner| {
            inner.input_lock().ok_or_else(missing)?.is_locked(id)
        })
    }
}
