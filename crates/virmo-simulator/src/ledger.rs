use std::collections::BTreeMap;

use virmo_hypervisor::Resource;
use virmo_params::{DeviceResources, ResourceConfig};
use virmo_state::VmId;

/// What each machine claims of the device.
#[derive(Debug)]
pub(crate) struct Ledger {
    device: DeviceResources,
    claims: BTreeMap<VmId, ResourceConfig>,
}

impl Ledger {
    pub(crate) fn new(device: DeviceResources) -> Self {
        Self {
            device,
            claims: BTreeMap::new(),
        }
    }

    /// Claims these resources for a machine instead of what it has claimed, unless there is not
    /// enough of one: that one is the error, and the claim stays as it was.
    pub(crate) fn claim(&mut self, id: &VmId, want: &ResourceConfig) -> Result<(), Resource> {
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
    pub(crate) fn set(&mut self, id: &VmId, config: ResourceConfig) {
        self.claims.insert(id.clone(), config);
    }

    pub(crate) fn release(&mut self, id: &VmId) {
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
