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

/// Whether the device can give all these configurations at the same time.
///
/// A configuration is an entitlement: it counts in every created state, so that a Resume or PowerOn
/// never lacks what the VM was promised.
pub(crate) fn fit<'a>(
    device: &DeviceResources,
    policy: CpuPolicy,
    configs: impl IntoIterator<Item = &'a ResourceConfig>,
) -> bool {
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
    ram.is_some_and(|sum| sum <= device.ram)
        && storage.is_some_and(|sum| sum <= device.storage)
        && cpu_fits
        && network <= 100
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(policy: CpuPolicy, configs: &[&str]) -> bool {
        let device = "RAM=1000&Storage=2000".parse().unwrap();
        let configs: Vec<ResourceConfig> =
            configs.iter().map(|text| text.parse().unwrap()).collect();
        fit(&device, policy, &configs)
    }

    #[test]
    fn every_resource_has_its_own_sum_and_the_limit_itself_fits() {
        let half = "RAM=500&Storage=1000&CPU=50&Network=50";
        assert!(fits(CpuPolicy::AtMost, &[half, half]));
        for more in [
            "RAM=1&Storage=0&CPU=0&Network=0",
            "RAM=0&Storage=1&CPU=0&Network=0",
            "RAM=0&Storage=0&CPU=1&Network=0",
            "RAM=0&Storage=0&CPU=0&Network=1",
        ] {
            assert!(!fits(CpuPolicy::AtMost, &[half, half, more]), "{more}");
        }
        assert!(fits(CpuPolicy::Exactly, &[half, half]));
        assert!(!fits(CpuPolicy::Exactly, &[half]));
        assert!(fits(CpuPolicy::AtMost, &[]));
    }

    #[test]
    fn a_sum_beyond_64_bits_does_not_fit() {
        let all = "RAM=18446744073709551615&Storage=0&CPU=0&Network=0";
        assert!(!fits(CpuPolicy::AtMost, &[all, all]));
    }
}
