use virmo_hypervisor::{
    DataSharing, HypervisorError, HypervisorErrorKind as Kind, InputLock, Outcome, Peripheral,
    Peripherals,
};
use virmo_state::VmId;

use crate::{Simulator, record::Own};

/// The peripherals of every simulated machine.
const PERIPHERALS: [&str; 5] = ["bluetooth", "camera", "nfc", "usb", "wlan"];

impl Peripherals for Simulator {
    fn list(&self, id: &VmId) -> Result<Vec<Peripheral>, HypervisorError> {
        let disabled = self.record(id)?.own.disabled;
        let list = PERIPHERALS.map(|name| Peripheral::new(name, !disabled.contains(name)));
        Ok(list.into())
    }

    fn set_enabled(
        &self,
        id: &VmId,
        peripheral: &str,
        enabled: bool,
    ) -> Result<Outcome, HypervisorError> {
        if !PERIPHERALS.contains(&peripheral) {
            let error = HypervisorError::new(Kind::NotSupported);
            return Err(error.because(format!("machines have no {peripheral}")));
        }
        self.switch(id, |own| match enabled {
            true => own.disabled.remove(peripheral),
            false => own.disabled.insert(peripheral.to_owned()),
        })
    }
}

impl InputLock for Simulator {
    fn set_locked(&self, id: &VmId, locked: bool) -> Result<Outcome, HypervisorError> {
        self.switch(id, |own| {
            std::mem::replace(&mut own.locked, locked) != locked
        })
    }

    fn is_locked(&self, id: &VmId) -> Result<bool, HypervisorError> {
        Ok(self.record(id)?.own.locked)
    }
}

impl DataSharing for Simulator {
    fn set_allowed(&self, id: &VmId, allowed: bool) -> Result<Outcome, HypervisorError> {
        self.switch(id, |own| {
            std::mem::replace(&mut own.sharing, allowed) != allowed
        })
    }

    fn is_allowed(&self, id: &VmId) -> Result<bool, HypervisorError> {
        Ok(self.record(id)?.own.sharing)
    }
}

impl Simulator {
    /// Changes what is written down of a machine; `change` says whether there was anything to do.
    fn switch(
        &self,
        id: &VmId,
        change: impl FnOnce(&mut Own) -> bool,
    ) -> Result<Outcome, HypervisorError> {
        self.run(None, id, |_| {
            let mut record = self.record(id)?;
            if !change(&mut record.own) {
                return Ok(Outcome::AlreadyDone);
            }
            self.write(id, &record)?;
            Ok(Outcome::Done)
        })
    }
}
