//! A process under watch: what it says, what it complains of, what memory it takes.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, mpsc},
    thread,
};

use serde_json::Value;
use tempfile::TempDir;

/// The program in the background; killed when dropped.
pub struct Process {
    child: Child,
    /// How many events of each kind there were.
    counts: Arc<Mutex<BTreeMap<String, usize>>>,
    /// Those that are of interest.
    events: mpsc::Receiver<Value>,
    folder: TempDir,
}

/// Memory of a process in KiB.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub now: usize,
    /// Without pages of files, which the system takes and gives as it likes.
    pub own: usize,
    pub most: usize,
}

impl Process {
    /// The program with these words, whose events of interest are kept. Its temporary files are in
    /// memory where there is a place for them.
    pub fn start(words: &[&str], keep: fn(&Value) -> bool) -> Self {
        let shared = Path::new("/dev/shm");
        let folder = match shared.is_dir() {
            true => TempDir::new_in(shared).unwrap(),
            false => TempDir::new().unwrap(),
        };
        let complaints = fs::File::create(folder.path().join("stderr")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_virmo"))
            .args(words)
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .stderr(complaints)
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let counts = Arc::new(Mutex::new(BTreeMap::new()));
        let (tell, events) = mpsc::channel();
        let counter = Arc::clone(&counts);
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let event: Value = serde_json::from_str(&line).expect(&line);
                let kind = event["event"].as_str().unwrap().to_owned();
                *counter.lock().unwrap().entry(kind).or_insert(0) += 1;
                if keep(&event) {
                    drop(tell.send(event));
                }
            }
        });
        Self {
            child,
            counts,
            events,
            folder,
        }
    }

    /// The next event of interest; the process ended if there is none.
    pub fn event(&self) -> Option<Value> {
        self.events.recv().ok()
    }

    /// How many events of a kind there were.
    pub fn count(&self, kind: &str) -> usize {
        self.counts().get(kind).copied().unwrap_or(0)
    }

    pub fn counts(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.counts.lock().unwrap()
    }

    pub fn memory(&self) -> Memory {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.unwrap().trim().trim_end_matches("kB").trim();
            number.parse().unwrap()
        };
        Memory {
            now: field("VmRSS:"),
            own: field("RssAnon:"),
            most: field("VmHWM:"),
        }
    }

    /// Fails unless it runs, has not panicked and has kept within so many KiB.
    pub fn is_well(&mut self, most: usize) {
        let complaints = fs::read_to_string(self.folder.path().join("stderr")).unwrap();
        assert!(!complaints.contains("panicked"), "{complaints}");
        assert_eq!(self.child.try_wait().unwrap(), None, "{complaints}");
        let memory = self.memory();
        assert!(memory.most <= most, "{memory:?}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
