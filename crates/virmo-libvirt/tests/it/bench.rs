//! A libvirtd of our own with QEMU, places for machines, and looks into the guest.

use std::{
    env,
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread::sleep,
    time::Duration,
};

use virmo_hypervisor::{Erase, Hypervisor, Machine, contract::Fixture};
use virmo_libvirt::{Builder, Libvirt};
use virmo_params::ResourceConfig;
use virmo_qemu::guest;
use virmo_state::VmId;

/// A libvirtd of our own: in mount and configuration apart from the system's, so that nothing of it
/// outlives the test and no other daemon sees it. It ends with this, and its machines too.
pub(crate) struct Daemon {
    folder: tempfile::TempDir,
    /// Keeps the mounts while the daemon is killed and started again.
    keeper: Child,
    daemon: Mutex<Child>,
}

/// Makes everything libvirt writes to a folder of ours, in mounts that only the daemon sees.
const MOUNTS: &str = r#"
set -e
mount --make-rprivate /
for pair in etc:/etc/libvirt lib:/var/lib/libvirt run:/run/libvirt log:/var/log/libvirt cache:/var/cache/libvirt; do
  mkdir -p "$1/${pair%%:*}" "${pair#*:}"
  mount --bind "$1/${pair%%:*}" "${pair#*:}"
done
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/group" /etc/group
# libvirt 9 does not start a machine where version 2 of the control groups has no controllers.
umount /sys/fs/cgroup/unified 2>/dev/null || true
echo ready
read _
"#;

impl Daemon {
    /// The daemon all tests of a program share; none where there is no libvirtd, which is said
    /// loudly, and fails under CI.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        static SHARED: OnceLock<Option<Mutex<std::sync::Weak<Daemon>>>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| is_here().then(Mutex::default));
        let mut daemon = shared.as_ref()?.lock().unwrap();
        Some(match daemon.upgrade() {
            Some(daemon) => daemon,
            None => {
                let new = Arc::new(Self::start());
                *daemon = Arc::downgrade(&new);
                new
            }
        })
    }

    /// One for a test alone.
    pub(crate) fn own() -> Option<Self> {
        is_here().then(Self::start)
    }

    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("vl").tempdir_in("/tmp");
        let folder = folder.unwrap();
        let root = folder.path();
        let write = |path: &str, text: &str| fs::write(root.join(path), text).unwrap();
        for path in ["etc", "sock"] {
            fs::create_dir(root.join(path)).unwrap();
        }
        // Without that user libvirt starts no driver of QEMU.
        for (path, line) in [
            (
                "passwd",
                "libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin\n",
            ),
            ("group", "libvirt-qemu:x:64055:\n"),
        ] {
            let mut text = fs::read_to_string(Path::new("/etc").join(path)).unwrap();
            if !text.contains("libvirt-qemu:") {
                text.push_str(line);
            }
            write(path, &text);
        }
        let controllers = if has_cpu_groups() { "\"cpu\"" } else { "" };
        write(
            "etc/qemu.conf",
            &format!(
                "user = \"root\"\ngroup = \"root\"\nsecurity_driver = \"none\"\nremember_owner = 0\n\
                 stdio_handler = \"file\"\nnamespaces = []\ncgroup_controllers = [{controllers}]\n"
            ),
        );
        write(
            "libvirtd.conf",
            &format!(
                "unix_sock_dir = \"{}/sock\"\nauth_unix_rw = \"none\"\nauth_unix_ro = \"none\"\n",
                root.display()
            ),
        );
        // What QEMU can do is asked of it once in all tests.
        let cache = known_qemus();
        if cache.exists() {
            copy(&cache, &root.join("cache"));
        }
        let mut keeper = Command::new("unshare")
            .args(["-m", "sh", "-c", MOUNTS, "sh"])
            .arg(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(keeper.stdout.take().unwrap())
            .read_line(&mut said)
            .unwrap();
        assert_eq!(said, "ready\n", "the mounts were not made");
        let daemon = Self {
            daemon: Mutex::new(run_daemon(root, keeper.id())),
            keeper,
            folder,
        };
        daemon.wait_ready();
        if !cache.exists() {
            let new = cache.with_extension(std::process::id().to_string());
            copy(&daemon.folder.path().join("cache"), &new);
            // Another program may have been faster.
            _ = fs::rename(&new, &cache);
        }
        daemon
    }

    fn wait_ready(&self) {
        // The first connection waits until QEMU has told what it can do.
        let ready = (0..6000).any(|_| {
            sleep(Duration::from_millis(10));
            let asked = Command::new("virsh")
                .args(["-c", &self.uri(), "list"])
                .output();
            asked.unwrap().status.success()
        });
        let log = fs::read_to_string(self.folder.path().join("libvirtd.log"));
        assert!(ready, "libvirtd does not come up: {log:?}");
    }

    pub(crate) fn uri(&self) -> String {
        let socket = self.folder.path().join("sock/libvirt-sock");
        format!("qemu+unix:///system?socket={}", socket.display())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.daemon.lock().unwrap().id()
    }

    /// Kills the daemon; its machines live on.
    pub(crate) fn kill(&self) {
        let mut daemon = self.daemon.lock().unwrap();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    /// Starts it again.
    pub(crate) fn start_again(&self) {
        *self.daemon.lock().unwrap() = run_daemon(self.folder.path(), self.keeper.id());
        self.wait_ready();
    }

    /// Where it keeps saved executions.
    pub(crate) fn saved(&self) -> PathBuf {
        self.folder.path().join("lib/qemu/save")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let daemon = self.daemon.get_mut().unwrap();
        _ = daemon.kill();
        _ = daemon.wait();
        let here = self.folder.path().display().to_string();
        for (pid, line) in processes() {
            if line.contains("qemu-system") && line.contains(&here) {
                _ = Command::new("kill").args(["-9", &pid]).status();
            }
        }
        _ = self.keeper.kill();
        _ = self.keeper.wait();
    }
}

fn run_daemon(root: &Path, keeper: u32) -> Child {
    let log = File::create(root.join("libvirtd.log")).unwrap();
    Command::new("nsenter")
        .args(["-t", &keeper.to_string(), "-m", "libvirtd", "-f"])
        .arg(root.join("libvirtd.conf"))
        .arg("-p")
        .arg(root.join("libvirtd.pid"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Whether there is all that tests need. Says so where there is not, and fails under CI.
fn is_here() -> bool {
    static HERE: OnceLock<bool> = OnceLock::new();
    *HERE.get_or_init(|| {
        let runs = |program: &str, argument: &str| {
            let status = Command::new(program)
                .arg(argument)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            status.is_ok_and(|status| status.success())
        };
        let missing = if !runs("libvirtd", "--version") {
            "libvirtd is not installed"
        } else if !runs("virsh", "--version") {
            "virsh is not installed"
        } else if !runs("qemu-system-x86_64", "--version") {
            "qemu-system-x86_64 is not installed"
        } else if !runs("unshare", "-m") {
            "only root can run a libvirtd apart from the system's"
        } else {
            return true;
        };
        assert!(
            env::var_os("CI").is_none(),
            "{missing}, and CI has to have it"
        );
        eprintln!("SKIPPED: {missing}; nothing of libvirt with QEMU is tested");
        false
    })
}

/// Whether libvirt can set shares of the CPU here: with version 1 of the control groups.
pub(crate) fn has_cpu_groups() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| {
        let probe = format!("/sys/fs/cgroup/cpu/virmo-probe-{}", std::process::id());
        let made = fs::create_dir(&probe).is_ok();
        _ = fs::remove_dir(&probe);
        made
    })
}

fn known_qemus() -> PathBuf {
    let folder = option_env!("CARGO_TARGET_TMPDIR").map_or_else(env::temp_dir, PathBuf::from);
    folder.join("libvirt-cache")
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(status.unwrap().success());
}

/// All processes and their command lines.
fn processes() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        found.push((entry.file_name().to_string_lossy().into_owned(), line));
    }
    found
}

/// A folder for machines; those in it end with it.
pub(crate) struct Place {
    pub(crate) daemon: Arc<Daemon>,
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new(daemon: Arc<Daemon>) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("place")
            .tempdir_in(daemon.folder.path());
        let folder = folder.unwrap();
        Self { daemon, folder }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("m")
    }

    pub(crate) fn builder(&self) -> Builder {
        Libvirt::builder(self.daemon.uri(), self.root())
            .cpu_shares(has_cpu_groups())
            .log_console()
    }

    pub(crate) fn open_libvirt(&self) -> Libvirt {
        self.builder().open().unwrap()
    }

    pub(crate) fn image_file(&self) -> PathBuf {
        image_file(self.folder.path())
    }

    pub(crate) fn console(&self, id: &str) -> String {
        let path = self.root().join("machines").join(id).join("console.log");
        String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
    }

    /// The guest's count since it was booted; none before its first tick.
    pub(crate) fn count(&self, id: &str) -> Option<u64> {
        let console = self.console(id);
        guest::count(console.rsplit("VirMO-GUEST").next()?)
    }

    /// Waits for the guest's next tick.
    pub(crate) fn tick(&self, id: &str) -> Option<u64> {
        let first = self.count(id);
        (0..12_000).find_map(|_| {
            sleep(Duration::from_millis(5));
            self.count(id).filter(|count| Some(*count) != first)
        })
    }

    /// Pids of the QEMU processes that live in the place.
    pub(crate) fn processes(&self) -> Vec<String> {
        let root = self.root().display().to_string();
        let mut pids = Vec::new();
        for (pid, line) in processes() {
            if line.contains("qemu-system") && line.contains(&root) {
                pids.push(pid);
            }
        }
        pids
    }

    /// How many live, once those that are just ending have ended.
    pub(crate) fn processes_within(&self, most: usize) -> usize {
        let few = |found: &usize| *found <= most;
        let soon = (0..6000).find_map(|_| {
            sleep(Duration::from_millis(10));
            Some(self.processes().len()).filter(few)
        });
        soon.unwrap_or_else(|| self.processes().len())
    }

    pub(crate) fn virsh(&self, arguments: &[&str]) -> String {
        let output = Command::new("virsh")
            .args(["-c", &self.daemon.uri()])
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "virsh {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A test that fails leaves its machines.
        if let Ok(machines) = self.builder().open() {
            for machine in machines.list().unwrap_or_default() {
                if let Machine::Owned(id) = machine.machine {
                    _ = machines.delete(&id, Erase::Discard);
                }
            }
        }
    }
}

/// An image with the guest of one sector, in a new file.
pub(crate) fn image_file(folder: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("image-{number}"));
    let mut disk = guest::boot_sector().to_vec();
    disk.resize(1 << 20, 0);
    fs::write(&path, disk).unwrap();
    path
}

/// What machines of most checks are entitled to.
pub(crate) fn resources() -> ResourceConfig {
    "RAM=16777216&Storage=4194304&CPU=25&Network=25"
        .parse()
        .unwrap()
}

/// The contract's fixture with QEMU.
pub(crate) struct OnQemu(pub(crate) Place);

impl Fixture for OnQemu {
    fn open(&self) -> Arc<dyn Hypervisor> {
        Arc::new(self.0.open_libvirt())
    }

    fn image(&self) -> (PathBuf, String) {
        (self.0.image_file(), "application/octet-stream".to_owned())
    }

    fn resources(&self) -> ResourceConfig {
        resources()
    }

    fn leftovers(&self) -> Vec<String> {
        let mut names: Vec<_> = self.0.processes();
        let place = self.0.root().display().to_string();
        let domains = self.0.virsh(&["list", "--all", "--name"]);
        let ours = domains.lines().filter(|name| {
            let mark = fs::read_to_string(self.0.root().join("mark")).unwrap_or_default();
            name.contains(&mark[..8]) || name.contains(&place)
        });
        names.extend(ours.map(str::to_owned));
        walk(&self.0.root(), &mut names);
        names.sort();
        names
    }

    fn add_foreign(&self) -> Option<String> {
        let name = "of-others";
        let xml = format!(
            "<domain type='qemu'><name>{name}</name><memory>1024</memory><os><type>hvm</type></os></domain>"
        );
        let file = self.0.folder.path().join("foreign.xml");
        fs::write(&file, xml).unwrap();
        self.0.virsh(&["define", file.to_str().unwrap()]);
        Some(name.to_owned())
    }

    fn progress(&self, id: &VmId) -> Option<u64> {
        self.0.tick(id.as_str())
    }
}

pub(crate) fn walk(folder: &Path, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        names.push(entry.path().to_string_lossy().into_owned());
        if entry.path().is_dir() {
            walk(&entry.path(), names);
        }
    }
}
