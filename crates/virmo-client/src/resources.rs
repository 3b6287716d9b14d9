use virmo_params::{Bytes, DeviceResources, ResourceConfig};

/// How the CPU shares of all created VMs have to add up. [VirMO §8 ApplyChanges]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum CpuPolicy {
    /// To at most 100 %; the rest stays free.
    #[default]
    AtMost,
    /// To exactly 100 %, as the example of the specification has it.
    Exactly,
}

/// A resource of which all VMs together would have too much, or for the CPU too little.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Misfit {
    #[error("the CPU shares do not add up")]
    Cpu,
    #[error("the network shares add up to more than 100 %")]
    Network,
    #[error("there is not that much RAM")]
    Ram,
    #[error("there is not that much storage")]
    Storage,
}

/// Whether the device can give all these configurations at the same time.
///
/// A configuration is an entitlement: it counts in every created state, so that a Resume or PowerOn
/// never lacks what the VM was promised.
pub(crate) fn check<'a>(
    device: &DeviceResources,
    policy: CpuPolicy,
    configs: impl IntoIterator<Item = &'a ResourceConfig>,
) -> Result<(), Misfit> {
    let (mut ram, mut storage) = (Some(Bytes::ZERO), Some(Bytes::ZERO));
    let (mut cpu, mut network) = (0u64, 0u64);
    for config in configs {
        ram = ram.and_then(|sum| sum.checked_add(config.ram));
        storage = storage.and_then(|sum| sum.checked_add(config.storage));
        cpu += u64::from(config.cpu.get());
        network += u64::from(config.network.get());
    }
    let cpu_fits = match policy {
        CpuPolicy::AtMost => cpu <= 100,
        CpuPolicy::Exactly => cpu == 100,
    };
    if ram.is_none_or(|sum| sum > device.ram) {
        Err(Misfit::Ram)
    } else if storage.is_none_or(|sum| sum > device.storage) {
        Err(Misfit::Storage)
    } else if !cpu_fits {
        Err(Misfit::Cpu)
    } else if network > 100 {
        Err(Misfit::Network)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(policy: CpuPolicy, configs: &[&str]) -> Result<(), Misfit> {
        let device = "RAM=1000&Storage=2000".parse().unwrap();
        let configs: Vec<ResourceConfig> =
            configs.iter().map(|text| text.parse().unwrap()).collect();
        check(&device, policy, &configs)
    }

    #[test]
    fn every_resource_has_its_own_sum_and_the_limit_itself_fits() {
        let half = "RAM=500&Storage=1000&CPU=50&Network=50";
        assert_eq!(sums(CpuPolicy::AtMost, &[half, half]), Ok(()));
        for (more, misfit) in [
            ("RAM=1&Storage=0&CPU=0&Network=0", Misfit::Ram),
            ("RAM=0&Storage=1&CPU=0&Network=0", Misfit::Storage),
            ("RAM=0&Storage=0&CPU=1&Network=0", Misfit::Cpu),
            ("RAM=0&Storage=0&CPU=0&Network=1", Misfit::Network),
        ] {
            assert_eq!(sums(CpuPolicy::AtMost, &[half, half, more]), Err(misfit));
        }
        assert_eq!(sums(CpuPolicy::Exactly, &[half, half]), Ok(()));
        assert_eq!(sums(CpuPolicy::Exactly, &[half]), Err(Misfit::Cpu));
        assert_eq!(sums(CpuPolicy::AtMost, &[]), Ok(()));
    }

    #[test]
    fn a_sum_beyond_64_bits_does_not_fit() {
        let all = "RAM=18446744073709551615&Storage=0&CPU=0&Network=0";
        assert_eq!(sums(CpuPolicy::AtMost, &[all, all]), Err(Misfit::Ram));
    }
}
