use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File, TryLockError},
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use virmo_guest::HostEnd;
use virmo_hypervisor::{
    Capabilities, HypervisorError, HypervisorErrorKind as Kind, Ledger, Support,
    backend::{Steps, make_folder, remove, sync_folder, wait_for},
};
use virmo_params::{Bytes, DeviceResources};
use virmo_state::VmId;

use crate::{
    Channel, Network, UsbDevice,
    cpu::Groups,
    devices::NETWORK,
    machine::{Folder, Found},
    process::{self, StartError},
    qmp::QmpError,
};

/// How QEMU executes a guest's code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Accelerator {
    /// In software: works everywhere. That `/dev/kvm` can be opened does not mean that it works.
    #[default]
    Tcg,
    /// By the kernel, for hosts where that is known to work.
    Kvm,
}

impl Accelerator {
    pub(crate) const fn argument(self) -> &'static str {
        match self {
            Self::Tcg => "tcg,tb-size=8",
            Self::Kvm => "kvm",
        }
    }
}

/// The QEMU back end: machines in a folder.
pub struct Qemu {
    root: PathBuf,
    pub(crate) program: PathBuf,
    pub(crate) accelerator: Accelerator,
    pub(crate) capabilities: Capabilities,
    pub(crate) groups: Option<Groups>,
    pub(crate) network: Option<Network>,
    pub(crate) usb: Vec<(String, UsbDevice)>,
    pub(crate) channel: Channel,
    pub(crate) log_console: bool,
    pub(crate) patience: Duration,
    pub(crate) steps: Steps,
    ledger: Mutex<Ledger>,
    turns: Mutex<BTreeMap<VmId, Arc<Turns>>>,
    /// Keeps other clients out.
    _lock: File,
}

/// Calls on one machine come one at a time; so do looks, which do not wait for calls.
pub(crate) struct Turns {
    pub(crate) call: Mutex<()>,
    pub(crate) look: Mutex<()>,
    /// And so do messages to the guest.
    pub(crate) channel: Mutex<HostEnd>,
}

impl Turns {
    fn new() -> Self {
        // Replies to the last run of this program are none to this one.
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let first = since.map_or(0, |since| since.subsec_nanos());
        Self {
            call: Mutex::default(),
            look: Mutex::default(),
            channel: Mutex::new(HostEnd::new(first)),
        }
    }
}

impl fmt::Debug for Qemu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Qemu")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

/// How a [`Qemu`] is opened.
#[derive(Clone, Debug)]
pub struct Builder {
    root: PathBuf,
    program: PathBuf,
    accelerator: Accelerator,
    device: DeviceResources,
    patience: Duration,
    cgroups: PathBuf,
    network: Option<Network>,
    usb: BTreeMap<String, UsbDevice>,
    channel: Channel,
    log_console: bool,
    abort_at: Option<u64>,
}

/// Why a [`Qemu`] cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another client has it open.
    #[error("{} is in use by another client", .0.display())]
    InUse(PathBuf),
    /// Sockets in the folder would have too long a name.
    #[error(
        "{} is too long a path: with a machine's name, a socket's has {longest} bytes at most",
        path.display()
    )]
    PathTooLong {
        /// The folder.
        path: PathBuf,
        /// The most bytes a socket's path has.
        longest: usize,
    },
    /// A peripheral cannot have this name.
    #[error(
        "{0:?} is no name for a peripheral: it has 1 to 32 of a-z, 0-9 and `-`, and is not `network`"
    )]
    Peripheral(String),
    /// The folder cannot be read or written.
    #[error("cannot open the folder {}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The longest path of a socket, in bytes.
const LONGEST: usize = 107;
/// What comes after the root: a machine with a name of ordinary length, and a socket.
const BELOW: usize = "/machines/".len() + 24 + "/look".len();

impl Builder {
    /// The QEMU to run. Default: `qemu-system-x86_64`, found by `PATH`.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// How guests are executed. Default: [`Accelerator::Tcg`].
    #[must_use]
    pub fn accelerator(mut self, accelerator: Accelerator) -> Self {
        self.accelerator = accelerator;
        self
    }

    /// What the device has. Default: 4 GiB of RAM, 32 GiB of storage.
    #[must_use]
    pub fn device(mut self, device: DeviceResources) -> Self {
        self.device = device;
        self
    }

    /// How long QEMU may take for each answer, to come up and to end. Default: 15 s.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Where control groups are. Default: `/sys/fs/cgroup`.
    #[must_use]
    pub fn cgroups(mut self, root: impl Into<PathBuf>) -> Self {
        self.cgroups = root.into();
        self
    }

    /// The network of machines. Default: none; a share of it is recorded, and cannot be changed.
    #[must_use]
    pub fn network(mut self, network: Network) -> Self {
        self.network = Some(network);
        self
    }

    /// A peripheral that every machine has unless it is switched off, under a name of lower-case
    /// letters, digits and `-`. Default: none. With a [`network`](Self::network) there is one more, `network`.
    #[must_use]
    pub fn peripheral(mut self, name: impl Into<String>, device: UsbDevice) -> Self {
        self.usb.insert(name.into(), device);
        self
    }

    /// The channel to the guest. Default: [`Channel::Serial`].
    #[must_use]
    pub const fn channel(mut self, channel: Channel) -> Self {
        self.channel = channel;
        self
    }

    /// Keeps all that guests write to their first serial port in a [file](Qemu::console), from a
    /// machine's next start on. Default: nothing of it is kept. The file has no limit: this is for
    /// guests that are trusted not to fill the disk.
    #[must_use]
    pub const fn log_console(mut self) -> Self {
        self.log_console = true;
        self
    }

    /// Aborts the process after so many effects of calls, the first being 1: a file changed, QEMU
    /// started, told something or gone. Each moment at which a kill could leave something else behind
    /// has a number.
    #[must_use]
    pub fn abort_at(mut self, step: u64) -> Self {
        self.abort_at = Some(step);
        self
    }

    /// Opens the folder, makes it if it is not there, and clears away what a kill left half made or
    /// half removed. Machines that run are left as they are.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(self) -> Result<Qemu, OpenError> {
        let path = self.root.clone();
        let io = |source| OpenError::Io {
            path: path.clone(),
            source,
        };
        make_folder(&self.root.join("machines")).map_err(io)?;
        let root = self.root.canonicalize().map_err(io)?;
        if root.as_os_str().len() + BELOW > LONGEST {
            let longest = LONGEST;
            return Err(OpenError::PathTooLong { path, longest });
        }
        let is_name = |name: &String| {
            let is_part =
                |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
            (1..=32).contains(&name.len()) && name.bytes().all(is_part) && name != NETWORK
        };
        if let Some(name) = self.usb.keys().find(|name| !is_name(name)) {
            return Err(OpenError::Peripheral(name.clone()));
        }
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
        let groups = Groups::find(&self.cgroups);
        let mut capabilities = Capabilities::new("qemu", self.device.clone());
        capabilities.cpu = match groups {
            Some(_) => Support::Live,
            None => Support::None,
        };
        if self.network.is_none() {
            capabilities.network = Support::None;
        }
        let qemu = Qemu {
            root,
            program: self.program,
            accelerator: self.accelerator,
            capabilities,
            groups,
            network: self.network,
            usb: self.usb.into_iter().collect(),
            channel: self.channel,
            log_console: self.log_console,
            patience: self.patience,
            steps: Steps::new(self.abort_at),
            ledger: Mutex::new(Ledger::new(self.device)),
            turns: Mutex::default(),
            _lock: lock,
        };
        qemu.clear().map_err(io)?;
        Ok(qemu)
    }
}

impl Qemu {
    /// The machines of a folder.
    #[must_use]
    pub fn builder(root: impl Into<PathBuf>) -> Builder {
        Builder {
            root: root.into(),
            program: "qemu-system-x86_64".into(),
            accelerator: Accelerator::default(),
            device: DeviceResources::new(Bytes::gib(4), Bytes::gib(32)),
            patience: Duration::from_secs(15),
            cgroups: "/sys/fs/cgroup".into(),
            network: None,
            usb: BTreeMap::new(),
            channel: Channel::default(),
            log_console: false,
            abort_at: None,
        }
    }

    /// The socket of the guest's first serial port, for who shows it to the user: what is written to
    /// it the guest reads, unless the machine is locked. It is there while the machine runs.
    #[must_use]
    pub fn terminal(&self, id: &VmId) -> PathBuf {
        self.folder(id).terminal()
    }

    /// The file with all a machine's guest wrote to its first serial port since it was booted, if
    /// that is [kept](Builder::log_console).
    #[must_use]
    pub fn console(&self, id: &VmId) -> PathBuf {
        self.folder(id).console()
    }

    fn clear(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("new-") || name.starts_with("gone-") {
                remove(&entry.path())?;
            }
        }
        for (id, folder) in self.folders()? {
            if let (Some(id), Found::Machine(record)) = (id, folder.read()?) {
                sync_folder(&folder.0)?;
                self.ledger().set(&id, record.claim().clone());
                if process::alive(&folder)?.is_none() {
                    self.release_host(&record);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn machines(&self) -> PathBuf {
        self.root.join("machines")
    }

    /// Every folder, with the machine it may be.
    pub(crate) fn folders(&self) -> io::Result<Vec<(Option<VmId>, Folder)>> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(self.machines())? {
            let entry = entry?;
            let id = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            folders.push((id, Folder(entry.path())));
        }
        Ok(folders)
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

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    pub(crate) fn turns(&self, id: &VmId) -> Arc<Turns> {
        Arc::clone(
            lock(&self.turns)
                .entry(id.clone())
                .or_insert_with(|| Arc::new(Turns::new())),
        )
    }

    pub(crate) fn forget_turns(&self, id: &VmId) {
        lock(&self.turns).remove(id);
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A failure of QMP. Whether the command happened is not known unless QEMU refused.
pub(crate) fn unanswered(error: QmpError) -> HypervisorError {
    let kind = match error {
        QmpError::Silent => Kind::Timeout {
            may_have_happened: true,
        },
        _ => Kind::Backend,
    };
    HypervisorError::new(kind)
        .because(error.to_string())
        .caused_by(error)
}

pub(crate) fn not_started(error: StartError) -> HypervisorError {
    let kind = match &error {
        StartError::Slow => Kind::Timeout {
            may_have_happened: false,
        },
        _ => Kind::Backend,
    };
    HypervisorError::new(kind)
        .because(error.to_string())
        .caused_by(error)
}
