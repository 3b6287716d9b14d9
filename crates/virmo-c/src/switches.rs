//! What of a machine is switched from outside: the user's input, peripherals, shared data.

use std::ffi::c_char;

use virmo_hypervisor::{
    DataSharing, HypervisorError, HypervisorErrorKind as Kind, InputLock, Outcome, Peripheral,
    Peripherals,
};
use virmo_state::VmId;

use crate::{
    answer::virmo_writer,
    hypervisor::{Result, VendorHypervisor},
    status::{guard, virmo_status},
    text::{c_text, text},
    vendor::{Vendor, call},
};

/// Takes the peripherals of one machine from a callback.
#[derive(Default)]
pub struct virmo_peripherals {
    found: Vec<Peripheral>,
    refused: bool,
}

/// Adds a peripheral: its name, such as `usb` or `camera`, and whether the machine has it now.
///
/// # Safety
/// `peripherals` is that of the callback under way; `name` is a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_peripherals_add(
    peripherals: *mut virmo_peripherals,
    name: *const c_char,
    enabled: bool,
) -> virmo_status {
    guard(virmo_status::Panic, || {
        // SAFETY: null, or that of the callback under way, which nothing else uses.
        let Some(peripherals) = (unsafe { peripherals.as_mut() }) else {
            return virmo_status::Argument;
        };
        // SAFETY: the caller's promise.
        match unsafe { text(name, "name") } {
            Ok(name) if !name.is_empty() => {
                peripherals.found.push(Peripheral::new(name, enabled));
                virmo_status::Ok
            }
            _ => {
                peripherals.refused = true;
                virmo_status::Argument
            }
        }
    })
}

impl VendorHypervisor {
    /// A call that finds out whether something is so.
    fn is(
        &self,
        vm: &VmId,
        call: impl FnOnce(&Vendor, *const c_char, *mut bool, *mut virmo_writer) -> Option<u32>,
    ) -> Result<bool> {
        let mut is = false;
        let to = &raw mut is;
        self.simple(vm, |it, vm, why| call(it, vm, to, why))?;
        Ok(is)
    }
}

impl InputLock for VendorHypervisor {
    fn set_locked(&self, id: &VmId, locked: bool) -> Result<Outcome> {
        self.simple(id, |it, vm, why| {
            call!(it, hypervisor_set_locked, vm, locked, why)
        })
    }

    fn is_locked(&self, id: &VmId) -> Result<bool> {
        self.is(id, |it, vm, to, why| {
            call!(it, hypervisor_is_locked, vm, to, why)
        })
    }
}

impl DataSharing for VendorHypervisor {
    fn set_allowed(&self, id: &VmId, allowed: bool) -> Result<Outcome> {
        self.simple(id, |it, vm, why| {
            call!(it, hypervisor_set_sharing, vm, allowed, why)
        })
    }

    fn is_allowed(&self, id: &VmId) -> Result<bool> {
        self.is(id, |it, vm, to, why| {
            call!(it, hypervisor_is_sharing, vm, to, why)
        })
    }
}

impl Peripherals for VendorHypervisor {
    fn list(&self, id: &VmId) -> Result<Vec<Peripheral>> {
        let mut peripherals = virmo_peripherals::default();
        let to = &raw mut peripherals;
        self.simple(id, |it, vm, why| {
            call!(it, hypervisor_peripherals, vm, to, why)
        })?;
        match peripherals.refused {
            true => Err(HypervisorError::new(Kind::Backend).because("a peripheral was refused")),
            false => Ok(peripherals.found),
        }
    }

    fn set_enabled(&self, id: &VmId, peripheral: &str, enabled: bool) -> Result<Outcome> {
        let name = c_text(peripheral);
        let name = name.as_ptr();
        self.simple(id, |it, vm, why| {
            call!(it, hypervisor_set_peripheral, vm, name, enabled, why)
        })
    }
}
