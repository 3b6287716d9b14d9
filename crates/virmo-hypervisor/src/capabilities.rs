use std::fmt;

use virmo_params::DeviceResources;

/// What a back end can do, and what the device has. Fixed while a handle lives.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Capabilities {
    /// The back end's name, for events and reports: `simulator`, `qemu`.
    pub backend: String,
    /// The RAM and storage machines can be entitled to, in all. Of what there is 0, only machines that
    /// are entitled to none of it are created. [VirMO §8 DeviceResources]
    pub device: DeviceResources,
    /// Whether machines can be suspended and resumed. Default: true. [VirMO §7.1.2.2]
    pub suspend: bool,
    /// Whether a guest can be asked to end itself. Default: true.
    pub graceful_power_off: bool,
    /// How the RAM of a machine can be changed. Default: [`Support::Live`], as for the others.
    pub ram: Support,
    /// How the storage of a machine can be changed.
    pub storage: Support,
    /// How the CPU share of a machine can be changed.
    pub cpu: Support,
    /// How the network share of a machine can be changed.
    pub network: Support,
}

impl Capabilities {
    /// A back end that can do everything, on a device with these resources.
    #[must_use]
    pub fn new(backend: impl Into<String>, device: DeviceResources) -> Self {
        Self {
            backend: backend.into(),
            device,
            suspend: true,
            graceful_power_off: true,
            ram: Support::Live,
            storage: Support::Live,
            cpu: Support::Live,
            network: Support::Live,
        }
    }

    /// How one resource of a machine can be changed.
    #[must_use]
    pub fn support(&self, resource: Resource) -> Support {
        match resource {
            Resource::Ram => self.ram,
            Resource::Storage => self.storage,
            Resource::Cpu => self.cpu,
            Resource::Network => self.network,
        }
    }
}

/// One of the four things a machine is entitled to. [VirMO §8 CurrentConfig]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Resource {
    /// Memory.
    Ram,
    /// Flash storage.
    Storage,
    /// CPU time.
    Cpu,
    /// Bandwidth.
    Network,
}

impl Resource {
    /// Every resource, in the order of the specification.
    pub const ALL: [Self; 4] = [Self::Ram, Self::Storage, Self::Cpu, Self::Network];
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ram => "RAM",
            Self::Storage => "storage",
            Self::Cpu => "CPU",
            Self::Network => "network",
        })
    }
}

/// How a resource of a machine can be changed after its creation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Support {
    /// At once, also while the machine runs. A single machine may still refuse
    /// ([`CannotChangeLive`](crate::HypervisorErrorKind::CannotChangeLive)), as one without a
    /// balloon driver does.
    Live,
    /// Only while the machine does not run: while it is off, or for CPU and network suspended.
    NotRunning,
    /// Not at all; what was given at creation is not enforced either.
    None,
}
