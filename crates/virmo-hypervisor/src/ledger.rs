use std::collections::BTreeMap;

use virmo_params::{DeviceResources, ResourceConfig};
use virmo_state::VmId;

use crate::Resource;

/// What each machine claims of the device: for back ends, which have to refuse what does not fit.
///
/// RAM and storage add up to what the device has at most, CPU and network to 100.
///
/// ```
/// use virmo_hypervisor::{Ledger, Resource};
/// use virmo_params::{Bytes, DeviceResources};
///
/// let mut ledger = Ledger::new(DeviceResources::new(Bytes::gib(4), Bytes::gib(32)));
/// let half = "RAM=1073741824&Storage=1073741824&CPU=60&Network=50".parse()?;
/// assert_eq!(ledger.claim(&"vm-1".parse()?, &half), Ok(()));
/// assert_eq!(ledger.claim(&"vm-2".parse()?, &half), Err(Resource::Cpu));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Ledger {
    device: DeviceResources,
    claims: BTreeMap<VmId, ResourceConfig>,
}

impl Ledger {
    /// Nothing is claimed yet.
    #[must_use]
    pub fn new(device: DeviceResources) -> Self {
        Self {
            device,
            claims: BTreeMap::new(),
        }
    }

    /// Claims these resources for a machine instead of what it has claimed, unless there is not
    /// enough of one.
    ///
    /// # Errors
    ///
    /// The resource there is not enough of; the claim stays as it was.
    pub fn claim(&mut self, id: &VmId, want: &ResourceConfig) -> Result<(), Resource> {
        for resource in Resource::ALL {
            let others: u128 = self
                .claims
                .iter()
                .filter(|(other, _)| *other != id)
                .map(|(_, config)| amount(config, resource))
                .sum();
            if others + amount(want, resource) > self.total(resource) {
                return Err(resource);
            }
        }
        self.set(id, want.clone());
        Ok(())
    }

    /// Claims without asking whether there is enough.
    pub fn set(&mut self, id: &VmId, config: ResourceConfig) {
        self.claims.insert(id.clone(), config);
    }

    /// A machine claims nothing any more.
    pub fn release(&mut self, id: &VmId) {
        self.claims.remove(id);
    }

    fn total(&self, resource: Resource) -> u128 {
        match resource {
            Resource::Ram => self.device.ram.get().into(),
            Resource::Storage => self.device.storage.get().into(),
            Resource::Cpu | Resource::Network => 100,
        }
    }
}

fn amount(config: &ResourceConfig, resource: Resource) -> u128 {
    match resource {
        Resource::Ram => config.ram.get().into(),
        Resource::Storage => config.storage.get().into(),
        Resource::Cpu => config.cpu.get().into(),
        Resource::Network => config.network.get().into(),
    }
}

#[cfg(test)]
mod tests {
    use virmo_params::Bytes;

    use super::*;

    fn config(text: &str) -> ResourceConfig {
        text.parse().unwrap()
    }

    #[test]
    fn claims_add_up_per_resource_and_never_overflow() {
        let mut ledger = Ledger::new(DeviceResources::new(Bytes::new(u64::MAX), Bytes::new(100)));
        let (a, b): (VmId, VmId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let half = config("RAM=9223372036854775808&Storage=50&CPU=50&Network=50");
        assert_eq!(ledger.claim(&a, &half), Ok(()));
        assert_eq!(ledger.claim(&b, &half), Err(Resource::Ram));
        assert_eq!(ledger.claim(&a, &half), Ok(()), "its own claim is replaced");
        for (want, result) in [
            ("RAM=1&Storage=51&CPU=1&Network=1", Err(Resource::Storage)),
            ("RAM=1&Storage=50&CPU=51&Network=1", Err(Resource::Cpu)),
            ("RAM=1&Storage=50&CPU=50&Network=51", Err(Resource::Network)),
            ("RAM=1&Storage=50&CPU=50&Network=50", Ok(())),
        ] {
            assert_eq!(ledger.claim(&b, &config(want)), result, "{want}");
        }
        ledger.release(&a);
        let rest = config("RAM=18446744073709551615&Storage=100&CPU=100&Network=100");
        assert_eq!(ledger.claim(&b, &rest), Ok(()));
        assert_eq!(ledger.claim(&a, &half), Err(Resource::Ram));
    }
}
