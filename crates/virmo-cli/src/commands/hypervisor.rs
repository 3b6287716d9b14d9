//! `--hypervisor`: what machines run on.

use std::{
    fmt, fs,
    io::{self, Write},
    path::Path,
    sync::Arc,
};

use tempfile::NamedTempFile;
use virmo::{
    Hypervisor, Simulator,
    dm::store::{create_private_directory, sync_directory},
    hypervisor::{Erase, Machine},
    simulator::Fault,
};
use virmo_qemu::{Qemu, UsbDevice, guest};

use super::device::chain;
use crate::failure::Failure;

/// A hypervisor of this build.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) enum Backend {
    #[default]
    Simulator,
    Qemu,
    /// On a connection of libvirt's.
    #[cfg(feature = "libvirt")]
    Libvirt(String),
}

impl Backend {
    /// The one of this name.
    pub(crate) fn of(name: &str) -> Result<Self, Failure> {
        match name {
            "sim" => Ok(Self::Simulator),
            "qemu" => Ok(Self::Qemu),
            _ if name.starts_with("libvirt:") => Self::of_libvirt(name),
            _ => Err(Failure::usage(format_args!(
                "--hypervisor {name}: it is one of sim, qemu, libvirt:URI"
            ))),
        }
    }

    /// The one that the machines of a device's folder are on.
    pub(crate) fn of_folder(folder: &Path) -> Result<Self, Failure> {
        let name = fs::read_to_string(folder.join(MARK));
        Self::of(&name.map_err(|error| {
            let state = folder.display();
            Failure::work(format_args!("--state {state}: {MARK}: {error}"))
        })?)
    }

    #[cfg(feature = "libvirt")]
    fn of_libvirt(name: &str) -> Result<Self, Failure> {
        let uri = name.trim_start_matches("libvirt:");
        Ok(Self::Libvirt(uri.to_owned()))
    }

    #[cfg(not(feature = "libvirt"))]
    fn of_libvirt(name: &str) -> Result<Self, Failure> {
        Err(Failure::usage(format_args!(
            "--hypervisor {name}: this program was built without libvirt; build it with --features libvirt"
        )))
    }

    /// Whether its machines live on when the device ends, so that they are to be found again.
    pub(crate) const fn needs_state(&self) -> bool {
        !matches!(self, Self::Simulator)
    }

    /// Whether the demo runs on it.
    pub(crate) const fn has_demo(&self) -> bool {
        matches!(self, Self::Simulator | Self::Qemu)
    }

    /// What a device on it is called.
    pub(crate) fn model(&self) -> String {
        match self {
            Self::Simulator => "simulated device".to_owned(),
            Self::Qemu => "device on qemu".to_owned(),
            #[cfg(feature = "libvirt")]
            Self::Libvirt(_) => "device on libvirt".to_owned(),
        }
    }

    /// Opens it on a device's folder, whose machines are on it from then on. The log of what guests
    /// on QEMU write has no limit: it is for guests of our own.
    pub(crate) fn open(
        &self,
        folder: &Path,
        faults: &[Fault],
        log_console: bool,
    ) -> Result<Arc<dyn Hypervisor>, Failure> {
        let name = self.to_string();
        let failed = |why: &dyn fmt::Display| {
            Failure::work(format_args!("--state {}: {why}", folder.display()))
        };
        let known = match fs::read_to_string(folder.join(MARK)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            known => Some(known.map_err(|error| failed(&error))?),
        };
        if let Some(other) = known.as_deref().filter(|known| *known != name) {
            return Err(Failure::work(format_args!(
                "the machines in --state are on {other}: start with --hypervisor {other}, or with another folder"
            )));
        }
        let hypervisor = self.open_unmarked(folder, faults, log_console)?;
        if known.is_none() {
            mark(folder, &name).map_err(|error| failed(&error))?;
        }
        Ok(hypervisor)
    }

    fn open_unmarked(
        &self,
        folder: &Path,
        faults: &[Fault],
        log_console: bool,
    ) -> Result<Arc<dyn Hypervisor>, Failure> {
        match self {
            Self::Simulator => {
                let builder = Simulator::builder(folder.join("machines"));
                let builder = faults.iter().fold(builder, |it, fault| it.fault(*fault));
                let simulator = builder.open().map_err(|error| {
                    let state = folder.display();
                    Failure::work(format_args!("--state {state}: {}", chain(&error)))
                })?;
                Ok(Arc::new(simulator))
            }
            _ if !faults.is_empty() => Err(Failure::usage(
                "--fault: machines fail by request on the simulator only; download works with all",
            )),
            Self::Qemu => {
                let qemu = Qemu::builder(folder.join("qemu"))
                    .peripheral("touch", UsbDevice::new("usb-tablet").is_input())
                    .peripheral("usb", UsbDevice::new("usb-hub"));
                let qemu = match log_console {
                    true => qemu.log_console(),
                    false => qemu,
                };
                Ok(Arc::new(
                    qemu.open().map_err(|error| Failure::work(chain(&error)))?,
                ))
            }
            #[cfg(feature = "libvirt")]
            Self::Libvirt(uri) => {
                let libvirt = virmo_libvirt::Libvirt::builder(uri, folder.join("libvirt")).open();
                Ok(Arc::new(
                    libvirt.map_err(|error| Failure::work(chain(&error)))?,
                ))
            }
        }
    }
}

/// As `--hypervisor` names it.
impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simulator => f.write_str("sim"),
            Self::Qemu => f.write_str("qemu"),
            #[cfg(feature = "libvirt")]
            Self::Libvirt(uri) => write!(f, "libvirt:{uri}"),
        }
    }
}

/// The file of a device's folder that names its hypervisor.
const MARK: &str = "hypervisor";

/// Writes it whole or not at all.
fn mark(folder: &Path, name: &str) -> io::Result<()> {
    create_private_directory(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(name.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(folder.join(MARK))?;
    sync_directory(folder)
}

/// Ends and deletes every machine, or says why not.
pub(crate) fn clear(hypervisor: &dyn Hypervisor) -> Result<(), String> {
    for listed in hypervisor.list().map_err(|error| chain(&error))? {
        let Machine::Owned(id) = &listed.machine else {
            continue;
        };
        let deleted = hypervisor.delete(id, Erase::Discard);
        deleted.map_err(|error| format!("machine {id}: {}", chain(&error)))?;
    }
    Ok(())
}

/// How far the counting guest of the only machine on QEMU came since it was booted.
pub(crate) fn count(folder: &Path) -> Option<u64> {
    let machine = fs::read_dir(folder.join("qemu/machines"))
        .ok()?
        .next()?
        .ok()?;
    let console = fs::read(machine.path().join("console.log")).ok()?;
    guest::count(&String::from_utf8_lossy(&console))
}
