use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use virmo_hypervisor::{
    Capabilities, HypervisorError, Ledger, Support,
    backend::{Steps, make_folder, remove, wait_for},
};
use virmo_params::{Bytes, DeviceResources};
use virmo_state::VmId;
use virt::sys;

use crate::{
    domain::{self, Frame},
    line::Line,
    machine::{Folder, mark},
};

/// How a guest's code is executed under QEMU.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Accelerator {
    /// In software: works everywhere. That `/dev/kvm` can be opened does not mean that it works.
    #[default]
    Tcg,
    /// By the kernel, for hosts where that is known to work.
    Kvm,
}

/// The network machines are in, and what it can carry: shares of the network are shares of that.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Link {
    /// A bridge of the host.
    Bridge {
        /// Its name.
        name: String,
        /// What it carries in a second.
        capacity: Bytes,
    },
    /// A network of libvirt's.
    Network {
        /// Its name.
        name: String,
        /// What it carries in a second.
        capacity: Bytes,
    },
}

impl Link {
    /// A bridge of the host that carries so much in a second.
    #[must_use]
    pub fn bridge(name: impl Into<String>, capacity: Bytes) -> Self {
        let name = name.into();
        Self::Bridge { name, capacity }
    }

    /// A network of libvirt's that carries so much in a second.
    #[must_use]
    pub fn network(name: impl Into<String>, capacity: Bytes) -> Self {
        let name = name.into();
        Self::Network { name, capacity }
    }

    pub(crate) const fn capacity(&self) -> Bytes {
        match self {
            Self::Bridge { capacity, .. } | Self::Network { capacity, .. } => *capacity,
        }
    }
}

/// What is behind a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Driver {
    /// Its name, in libvirt's word.
    pub(crate) name: String,
    /// The type of its domains.
    pub(crate) domain_type: &'static str,
}

impl Driver {
    pub(crate) fn new(name: &str, domain_type: &'static str) -> Self {
        let name = name.to_owned();
        Self { name, domain_type }
    }

    fn of(name: &str, accelerator: Accelerator) -> Option<Self> {
        let domain_type = match (name, accelerator) {
            ("QEMU", Accelerator::Tcg) => "qemu",
            ("QEMU", Accelerator::Kvm) => "kvm",
            ("Xen", _) => "xen",
            ("TEST", _) => "test",
            _ => return None,
        };
        Some(Self::new(name, domain_type))
    }

    pub(crate) fn is_qemu(&self) -> bool {
        self.name == "QEMU"
    }
}

/// The libvirt back end: domains on a connection, and their disks in a folder.
pub struct Libvirt {
    root: PathBuf,
    pub(crate) mark: String,
    pub(crate) line: Line,
    pub(crate) driver: Driver,
    pub(crate) link: Option<Link>,
    /// The CPUs of the host, if shares of them are given.
    pub(crate) cpus: Option<u64>,
    log_console: bool,
    pub(crate) capabilities: Capabilities,
    pub(crate) steps: Steps,
    ledger: Mutex<Ledger>,
    turns: Mutex<BTreeMap<VmId, Arc<Mutex<()>>>>,
    /// Keeps other clients out.
    _lock: File,
}

impl fmt::Debug for Libvirt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Libvirt")
            .field("line", &self.line)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

/// How a [`Libvirt`] is opened.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    uri: String,
    root: PathBuf,
    accelerator: Accelerator,
    device: DeviceResources,
    patience: Duration,
    cpu_shares: Option<bool>,
    link: Option<Link>,
    log_console: bool,
    abort_at: Option<u64>,
}

/// Why a [`Libvirt`] cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another client has the folder open.
    #[error("{} is in use by another client", .0.display())]
    InUse(PathBuf),
    /// libvirt cannot be used: it is not there, does not let us in, or does not answer.
    #[error("cannot use libvirt at {uri}: {}", source.to_string().trim_start_matches("hypervisor failed: "))]
    Libvirt {
        /// The connection.
        uri: String,
        /// What it said, and what to do about it.
        source: HypervisorError,
    },
    /// The connection leads to a hypervisor this back end cannot drive.
    #[error("{uri} leads to {driver}; machines can be had of QEMU, Xen and libvirt's test driver")]
    Driver {
        /// The connection.
        uri: String,
        /// The name of libvirt's driver.
        driver: String,
    },
    /// The folder cannot be read or written.
    #[error("cannot open the folder {}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Builder {
    /// How guests of QEMU are executed. Default: [`Accelerator::Tcg`].
    pub fn accelerator(mut self, accelerator: Accelerator) -> Self {
        self.accelerator = accelerator;
        self
    }

    /// What the device has. Default: 4 GiB of RAM, 32 GiB of storage.
    pub fn device(mut self, device: DeviceResources) -> Self {
        self.device = device;
        self
    }

    /// How long libvirt may take for each answer; ten times that where it saves or restores a
    /// guest's memory. Default: 60 s.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Whether machines of QEMU are given shares of the CPU. Default: if libvirt can set them,
    /// which is tried with a machine that is made and ended again.
    pub fn cpu_shares(mut self, given: bool) -> Self {
        self.cpu_shares = Some(given);
        self
    }

    /// The network machines are in. Default: none.
    pub fn link(mut self, link: Link) -> Self {
        self.link = Some(link);
        self
    }

    /// Has libvirt keep all that guests of QEMU write to their first serial port in a
    /// [file](Libvirt::console), of machines that are made, or whose resources change, from now on.
    /// Default: nothing of it is kept. Without `virtlogd` the file has no limit: this is for guests
    /// that are trusted not to fill the disk.
    pub const fn log_console(mut self) -> Self {
        self.log_console = true;
        self
    }

    /// Aborts the process after so many effects of calls, the first being 1: a file changed,
    /// libvirt told something. Each moment at which a kill could leave something else behind has a
    /// number.
    pub fn abort_at(mut self, step: u64) -> Self {
        self.abort_at = Some(step);
        self
    }

    /// Opens connection and folder, makes the folder if it is not there, and clears away what a
    /// kill left half made or half removed. Machines that run are left as they are.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(self) -> Result<Libvirt, OpenError> {
        let path = self.root.clone();
        let io = |source| OpenError::Io {
            path: path.clone(),
            source,
        };
        make_folder(&self.root.join("machines")).map_err(io)?;
        let root = self.root.canonicalize().map_err(io)?;
        let lock = File::create(root.join("lock")).map_err(io)?;
        // A process that was just started holds every file of ours for a moment.
        let locked = wait_for(Duration::from_secs(1), || match lock.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        });
        if !locked.map_err(io)? {
            return Err(OpenError::InUse(path));
        }
        let mark = mark(&root).map_err(io)?;
        let uri = self.uri.clone();
        let failed = |error: HypervisorError| OpenError::Libvirt {
            uri: uri.clone(),
            source: error,
        };
        let line = Line::new(self.uri, self.patience);
        let (name, cpus) = line
            .look(|connection| Ok((connection.driver_type()?, connection.node_info()?.cpus)))
            .map_err(|error| failed(error.into()))?;
        let Some(driver) = Driver::of(&name, self.accelerator) else {
            return Err(OpenError::Driver { uri, driver: name });
        };
        let shared = match self.cpu_shares {
            _ if !driver.is_qemu() => false,
            Some(given) => given,
            None => can_limit(&line, &driver, &mark).map_err(failed)?,
        };
        let capabilities = capabilities(&driver, self.device.clone(), shared, self.link.is_some());
        let libvirt = Libvirt {
            root,
            mark,
            line,
            driver,
            link: self.link,
            cpus: shared.then_some(u64::from(cpus.max(1))),
            log_console: self.log_console,
            capabilities,
            steps: Steps::new(self.abort_at),
            ledger: Mutex::new(Ledger::new(self.device)),
            turns: Mutex::default(),
            _lock: lock,
        };
        libvirt.clear().map_err(failed)?;
        Ok(libvirt)
    }
}

fn capabilities(
    driver: &Driver,
    device: DeviceResources,
    cpu_shares: bool,
    link: bool,
) -> Capabilities {
    let live = match driver.is_qemu() {
        true => Support::Live,
        false => Support::NotRunning,
    };
    let mut capabilities = Capabilities::new("libvirt", device);
    // A guest without a balloon driver keeps its memory, and libvirt says that it gave it back.
    capabilities.ram = Support::NotRunning;
    capabilities.storage = live;
    capabilities.cpu = match cpu_shares {
        true => Support::Live,
        false => Support::None,
    };
    capabilities.network = match link && driver.is_qemu() {
        true => Support::Live,
        false => Support::None,
    };
    capabilities
}

/// Whether this libvirt can limit the CPU of a machine. Only trying tells: it takes the limit into a
/// definition in any case, and starts no such machine where it cannot set it.
fn can_limit(line: &Line, driver: &Driver, mark: &str) -> Result<bool, HypervisorError> {
    let xml = domain::probe(&format!("virmo-probe-{mark}"), driver);
    let flags = sys::VIR_DOMAIN_START_PAUSED | sys::VIR_DOMAIN_START_AUTODESTROY;
    let tried = line.look(move |connection| {
        let domain = connection.create_domain_xml(&xml, flags)?;
        domain.destroy()
    });
    match tried {
        Ok(()) => Ok(true),
        Err(error) if error.is_broken() => Err(error.into()),
        Err(_) => Ok(false),
    }
}

impl Libvirt {
    /// The machines of a connection, by its URI, whose files are in a folder of this host.
    pub fn builder(uri: impl Into<String>, root: impl Into<PathBuf>) -> Builder {
        Builder {
            uri: uri.into(),
            root: root.into(),
            accelerator: Accelerator::default(),
            device: DeviceResources::new(Bytes::gib(4), Bytes::gib(32)),
            patience: Duration::from_secs(60),
            cpu_shares: None,
            link: None,
            log_console: false,
            abort_at: None,
        }
    }

    /// The file with all that a machine's guest wrote to its first serial port, under QEMU and if
    /// that is [kept](Builder::log_console).
    #[must_use]
    pub fn console(&self, id: &VmId) -> PathBuf {
        self.folder(id).console()
    }

    /// The name libvirt knows a machine by.
    #[must_use]
    pub fn domain_name(&self, id: &VmId) -> String {
        let mark = self.mark.get(..8).unwrap_or(&self.mark);
        format!("virmo-{mark}-{id}")
    }

    pub(crate) fn frame(&self) -> Frame<'_> {
        Frame {
            driver: &self.driver,
            cpus: self.cpus,
            link: self.link.as_ref(),
            log_console: self.log_console,
        }
    }

    pub(crate) fn machines(&self) -> PathBuf {
        self.root.join("machines")
    }

    pub(crate) fn folder(&self, id: &VmId) -> Folder {
        Folder(self.machines().join(id.as_str()))
    }

    /// Where a machine is while it is made.
    pub(crate) fn new_folder(&self, id: &VmId) -> Folder {
        Folder(self.root.join(format!("new-{id}")))
    }

    /// Where a machine is while it is removed.
    pub(crate) fn gone_folder(&self, id: &VmId) -> PathBuf {
        self.root.join(format!("gone-{id}"))
    }

    /// Every folder that can be a machine's.
    pub(crate) fn folders(&self) -> io::Result<Vec<VmId>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(self.machines())? {
            let name = entry?.file_name();
            ids.extend(name.to_str().and_then(|name| name.parse::<VmId>().ok()));
        }
        Ok(ids)
    }

    /// What was left aside by a kill.
    pub(crate) fn clear_aside(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.root)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("new-") || name.starts_with("gone-") {
                remove(Path::new(&path))?;
            }
        }
        Ok(())
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// Calls on one machine come one at a time.
    pub(crate) fn turn(&self, id: &VmId) -> Arc<Mutex<()>> {
        Arc::clone(lock(&self.turns).entry(id.clone()).or_default())
    }

    pub(crate) fn forget_turn(&self, id: &VmId) {
        lock(&self.turns).remove(id);
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
