//! A place for machines, and looks into the guest.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};
use serde_json::{Value, json};
use virmo_hypervisor::{Erase, Hypervisor, Machine, contract::Fixture};
use virmo_params::ResourceConfig;
use virmo_qemu::{Network, Qemu, guest};
use virmo_state::VmId;

/// Whether there is QEMU. Says so where there is none, and fails under CI.
pub(crate) fn is_here() -> bool {
    static HERE: OnceLock<bool> = OnceLock::new();
    *HERE.get_or_init(|| {
        let version = Command::new("qemu-system-x86_64")
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        let is_here = version.is_ok_and(|status| status.success());
        assert!(
            is_here || std::env::var_os("CI").is_none(),
            "qemu-system-x86_64 is not installed, and CI has to have it"
        );
        if !is_here {
            eprintln!("SKIPPED: qemu-system-x86_64 is not installed; nothing of QEMU is tested");
        }
        is_here
    })
}

/// Long enough for whatever happens, short enough to see that it does not.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a short name, as sockets need it; machines in it end with it.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    network: Option<Network>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("vq").tempdir_in("/tmp");
        Self {
            folder: folder.unwrap(),
            network: None,
        }
    }

    /// The place with a network for its machines.
    pub(crate) fn with_network(mut self, network: Network) -> Self {
        self.network = Some(network);
        self
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("q")
    }

    pub(crate) fn open_qemu(&self) -> Qemu {
        let builder = Qemu::builder(self.root()).patience(PATIENCE).log_console();
        let network = self.network.clone();
        let builder = match network {
            Some(network) => builder.network(network),
            None => builder,
        };
        builder.open().unwrap()
    }

    pub(crate) fn image_file(&self) -> PathBuf {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.path().join(format!("image-{number}"));
        let mut disk = guest::boot_sector().to_vec();
        disk.resize(1 << 20, 0);
        fs::write(&path, disk).unwrap();
        path
    }

    /// A boot disk with one of the guests written in C.
    pub(crate) fn guest(&self, name: &str) -> PathBuf {
        let disk = self.folder.path().join(name);
        let source = format!("{}/tests/guest/{name}.c", env!("CARGO_MANIFEST_DIR"));
        let layout = [
            "-Wl,--build-id=none,--oformat=binary,-z,noexecstack,-z,max-page-size=16",
            "-Wl,--section-start=.start=0x7c00,--section-start=.sign=0x7dfe,-Ttext=0x7e00",
        ];
        let compiled = Command::new("cc")
            .args("-m16 -Os -Wall -Werror -ffreestanding -nostdlib -static".split(' '))
            .args(["-fno-pic", "-no-pie", "-fno-stack-protector"])
            .arg("-fno-asynchronous-unwind-tables")
            .args(layout)
            .arg("-o")
            .args([disk.as_os_str(), source.as_ref()])
            .status();
        assert!(
            compiled.unwrap().success(),
            "a C compiler for x86 is needed"
        );
        let mut sectors = fs::read(&disk).unwrap();
        assert!(sectors.len() <= 9 * 512, "more than its boot sector loads");
        assert_eq!(sectors[510..512], [0x55, 0xaa]);
        sectors.resize(1 << 20, 0);
        fs::write(&disk, sectors).unwrap();
        disk
    }

    pub(crate) fn console(&self, id: &str) -> String {
        let path = self.root().join("machines").join(id).join("console.log");
        String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
    }

    /// The guest's count since it was booted; none before its first tick.
    pub(crate) fn count(&self, id: &str) -> Option<u64> {
        guest::count(&self.console(id))
    }

    /// Pids of the QEMU processes that live in the place.
    pub(crate) fn processes(&self) -> Vec<String> {
        let root = self.root().display().to_string();
        let mut pids = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            if line.contains("qemu-system") && line.contains(&root) {
                pids.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        pids
    }
}

impl Place {
    /// How many live, once those that are just ending have ended.
    pub(crate) fn processes_within(&self, most: usize) -> usize {
        soon(|| self.processes().len() <= most && (most > 0 || !self.is_held()));
        self.processes().len()
    }

    /// Whether a process holds the file of its pid: one that ends has lost its command line before
    /// it closes its files.
    fn is_held(&self) -> bool {
        let machines = fs::read_dir(self.root().join("machines"));
        let mut machines = machines.into_iter().flatten().flatten();
        machines.any(|machine| {
            let whole = Flock {
                start: 0,
                length: 0,
                pid: None,
                typ: FlockType::WriteLock,
                offset_type: FlockOffsetType::Set,
            };
            let file = File::open(machine.path().join("pid"));
            file.is_ok_and(|file| fcntl_getlk(&file, &whole).unwrap().is_some())
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for pid in self.processes() {
            _ = Command::new("kill").args(["-9", &pid]).status();
        }
        // A test that fails leaves its machines, and with them their control groups.
        if let Ok(machines) = Qemu::builder(self.root()).open() {
            for machine in machines.list().unwrap_or_default() {
                if let Machine::Owned(id) = machine.machine {
                    _ = machines.delete(&id, Erase::Discard);
                }
            }
        }
    }
}

/// The contract's fixture.
pub(crate) struct OnQemu(pub(crate) Place);

impl Fixture for OnQemu {
    fn open(&self) -> Arc<dyn Hypervisor> {
        Arc::new(self.0.open_qemu())
    }

    fn image(&self) -> (PathBuf, String) {
        (self.0.image_file(), "application/octet-stream".to_owned())
    }

    fn resources(&self) -> ResourceConfig {
        "RAM=16777216&Storage=4194304&CPU=25&Network=25"
            .parse()
            .unwrap()
    }

    fn leftovers(&self) -> Vec<String> {
        let mut names: Vec<_> = self.0.processes();
        walk(&self.0.root(), &mut names);
        names.sort();
        names
    }

    fn add_foreign(&self) -> Option<String> {
        fs::create_dir_all(self.0.root().join("machines/of-others")).unwrap();
        Some("of-others".to_owned())
    }

    fn progress(&self, id: &VmId) -> Option<u64> {
        // It ticks 18 times a second: the next tick is waited for.
        let first = self.0.count(id.as_str());
        soon(|| self.0.count(id.as_str()) != first);
        self.0
            .count(id.as_str())
            .filter(|count| Some(*count) != first)
    }
}

fn walk(folder: &Path, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        names.push(entry.path().to_string_lossy().into_owned());
        if entry.path().is_dir() {
            walk(&entry.path(), names);
        }
    }
}

/// Has a machine's QEMU execute a command, by the socket that looks.
pub(crate) fn ask_qemu(place: &Place, id: &str, command: &str, arguments: Value) -> Value {
    let socket = place.root().join("machines").join(id).join("look");
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut answer = |request: Value| {
        writeln!(stream, "{request}").unwrap();
        loop {
            let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
            if let Some(value) = line.get("return").or_else(|| line.get("error")) {
                return value.clone();
            }
        }
    };
    answer(json!({ "execute": "qmp_capabilities" }));
    answer(json!({ "execute": command, "arguments": arguments }))
}

/// Waits for a condition.
pub(crate) fn soon(mut condition: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        sleep(Duration::from_millis(5));
        if condition() {
            return true;
        }
        if begun.elapsed() > PATIENCE {
            return false;
        }
    }
}
