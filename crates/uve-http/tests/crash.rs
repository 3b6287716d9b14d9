//! Kills the VMM or the VM with SIGKILL while a user's image is retrieved and updated, starts it
//! again, and compares what the next session finds with what was acknowledged.
//!
//! The program runs itself: without arguments it is the judge, with a role it is a VMM or a VM.
//! `CRASH_ROUNDS` sets the number of kills.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test code"
)]

use std::{
    env,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use omadm_store::RedbJournal;
use tempfile::TempDir;
use uve::{Digest, UaPackage, Uve2, session::State};
use uve_engine::{EmbeddedDataCentre, Progress, Selection, Vm, VmConfig, VmEvent, Vmm, VmmConfig};
use uve_http::{FileBlobs, SystemClock, Token, Uve5Client, Uve5Service};

const ROUNDS: u64 = 20;
const USER: &str = "ann";
const UA: &str = "editor";
/// The length of the image: several pieces.
const LENGTH: u64 = 1_000_000;

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.get(1..) {
        Some(["vmm", directory, port]) => vmm(Path::new(directory), port),
        Some(["vm", directory, port, selection]) => vm(Path::new(directory), port, selection),
        // `cargo test` may pass options of its own harness.
        _ => judge(),
    }
}

fn say(text: &str) {
    println!("{text}");
    std::io::stdout().flush().unwrap();
}

/// A VMM on a port; each line of its input selects the VM for the user again.
fn vmm(directory: &Path, port: &str) {
    let journal = Arc::new(RedbJournal::open(directory.join("vmm.redb")).unwrap());
    let blobs = Arc::new(FileBlobs::open(directory.join("images")).unwrap());
    let centre = EmbeddedDataCentre::open(journal.clone(), blobs, 1 << 30).unwrap();
    let vmm = Vmm::open(
        journal,
        Arc::new(centre),
        Arc::new(SystemClock),
        VmmConfig::default(),
    );
    let vmm = Arc::new(vmm.unwrap());
    let user = USER.parse().unwrap();
    vmm.add_user(&user).unwrap();
    let service = Uve5Service::new(vmm.clone())
        .with_vm("vm-a".parse().unwrap(), Token::new("a token").unwrap());
    let listener = listen(port);
    let server = service.serve(listener).unwrap();
    say(&format!("port {}", server.address().port()));
    for _ in std::io::stdin().lock().lines() {
        let selection = vmm.select(&user, &UA.parse().unwrap(), &"vm-a".parse().unwrap());
        say(&serde_json::to_string(&selection.unwrap()).unwrap());
    }
}

/// The port of the VMM that was killed may be in use for a moment.
fn listen(port: &str) -> TcpListener {
    for _ in 0..6000 {
        if let Ok(listener) = TcpListener::bind(format!("127.0.0.1:{port}")) {
            return listener;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("port {port} stays in use");
}

/// A VM that serves one selection to its end and says what it has seen and what was acknowledged.
fn vm(directory: &Path, port: &str, selection: &str) {
    let journal = Arc::new(RedbJournal::open(directory.join("vm.redb")).unwrap());
    let blobs = Arc::new(FileBlobs::open(directory.join("copy")).unwrap());
    let url = format!("http://127.0.0.1:{port}");
    let client = Uve5Client::new(&url, Token::new("a token").unwrap());
    let mut config = VmConfig::default();
    config.piece = 64 << 10;
    config.retry = Duration::from_millis(10);
    let vm = Vm::open(
        "vm-a".parse().unwrap(),
        Arc::new(client),
        journal,
        blobs,
        Arc::new(SystemClock),
        config,
    )
    .unwrap();
    let editor = UaPackage {
        ua: UA.parse().unwrap(),
        version: "1".into(),
        digest: Digest::of(b"x"),
    };
    vm.deploy_ua(&editor, b"x").unwrap();
    let selection: Selection = serde_json::from_str(selection).unwrap();
    let mut worked = false;
    if vm.state() == State::Idle {
        vm.serve(&selection).unwrap();
    }
    loop {
        let progress = vm.drive().unwrap();
        for event in vm.take_events() {
            match event {
                VmEvent::Saved { version, .. } => say(&format!("saved {version}")),
                VmEvent::SetAside { error, .. } => say(&format!("aside {error}")),
                VmEvent::Refused { error, .. } => say(&format!("refused {error}")),
                _ => {}
            }
        }
        match progress {
            Progress::Idle => break,
            Progress::Waiting { pause, .. } => thread::sleep(pause),
            Progress::Serving(_) if !worked => {
                worked = true;
                let session = vm.selection().unwrap().session;
                let mut first = [0; 8];
                vm.read_image(&session, 0, &mut first).unwrap();
                let count = u64::from_le_bytes(first);
                check(&vm, &session, count);
                say(&format!("served {count}"));
                say(&format!("writes {}", count + 1));
                write(&vm, &session, count + 1);
                say(&format!("wrote {}", count + 1));
                vm.finish(&session).unwrap();
            }
            Progress::Serving(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
    say("idle");
}

/// An image is its count and two halves; the half that belongs to the count has its pattern. A
/// kill amid a write leaves the count before and its half.
const HALF: u64 = (LENGTH - 8) / 2;

fn pattern(count: u64) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut state = count.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    while (octets.len() as u64) < HALF {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        octets.extend(state.to_le_bytes());
    }
    octets.truncate(usize::try_from(HALF).unwrap());
    octets
}

const fn half(count: u64) -> u64 {
    8 + count % 2 * HALF
}

fn write(vm: &Vm, session: &uve::UaSessionId, count: u64) {
    vm.write_image(session, half(count), &pattern(count))
        .unwrap();
    vm.write_image(session, 0, &count.to_le_bytes()).unwrap();
}

fn check(vm: &Vm, session: &uve::UaSessionId, count: u64) {
    if count == 0 {
        return;
    }
    let expected = pattern(count);
    let mut octets = vec![0; expected.len()];
    vm.read_image(session, half(count), &mut octets).unwrap();
    assert!(octets == expected, "the image of count {count} is damaged");
}

struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
}

impl Process {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = child.stdout.take().map(BufReader::new);
        Self {
            child,
            input,
            output,
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let output = self.output.as_mut().unwrap();
        output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

struct Manager {
    directory: PathBuf,
    port: String,
    process: Process,
}

impl Manager {
    fn start(directory: &Path, port: &str) -> Self {
        let mut process = Process::start(&["vmm", directory.to_str().unwrap(), port]);
        let line = process.line();
        let port = line.strip_prefix("port ").unwrap().to_owned();
        Self {
            directory: directory.to_owned(),
            port,
            process,
        }
    }

    fn kill_and_start(&mut self) {
        self.process.child.kill().unwrap();
        self.process.child.wait().unwrap();
        *self = Self::start(&self.directory, &self.port);
    }

    fn select(&mut self) -> String {
        let input = self.process.input.as_mut().unwrap();
        writeln!(input, "select").unwrap();
        input.flush().unwrap();
        self.process.line()
    }
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % limit
    }
}

fn judge() {
    let rounds = env::var("CRASH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let directory = TempDir::new().unwrap();
    let mut manager = Manager::start(directory.path(), "0");
    let mut random = Random(7);
    let (mut vm_kills, mut vmm_kills) = (0, 0);
    let mut known = Known::default();
    let mut whole = undisturbed(&mut manager, directory.path(), &mut known);
    while vm_kills + vmm_kills < rounds {
        let selection = manager.select();
        let mut machine = start_vm(directory.path(), &manager.port, &selection);
        let output = lines(&mut machine);
        let of_vm = random.below(2) == 0;
        let pause = Duration::from_micros(random.below(whole));
        let killed_at = Instant::now() + pause;
        let mut killed = false;
        loop {
            let rest = killed_at.saturating_duration_since(Instant::now());
            let line = if killed {
                output.recv_timeout(Duration::from_secs(60)).ok()
            } else {
                match output.recv_timeout(rest) {
                    Err(mpsc::RecvTimeoutError::Timeout) => {
                        killed = true;
                        if of_vm {
                            vm_kills += 1;
                            machine.child.kill().unwrap();
                        } else {
                            vmm_kills += 1;
                            manager.kill_and_start();
                        }
                        continue;
                    }
                    line => line.ok(),
                }
            };
            let Some(line) = line else { break };
            known.hear(&line);
        }
        drop(machine);
        // Whoever was killed: the next session goes to its end and finds what it must.
        whole = undisturbed(&mut manager, directory.path(), &mut known);
    }
    let acknowledged = known.acknowledged;
    println!(
        "{vm_kills} kills of the VM and {vmm_kills} of the VMM while a user's image of {LENGTH} \
         bytes was retrieved and updated; {acknowledged} updates acknowledged, none lost"
    );
}

fn start_vm(directory: &Path, port: &str, selection: &str) -> Process {
    Process::start(&["vm", directory.to_str().unwrap(), port, selection])
}

fn lines(process: &mut Process) -> mpsc::Receiver<String> {
    let output = process.output.take().unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Sessions without a kill until one went from log-in to its end; the answer is how long it took,
/// in microseconds.
fn undisturbed(manager: &mut Manager, directory: &Path, known: &mut Known) -> u64 {
    loop {
        let selection = manager.select();
        let begun = Instant::now();
        let mut machine = start_vm(directory, &manager.port, &selection);
        let mut served = false;
        loop {
            let line = machine.line();
            served |= line.starts_with("served");
            known.hear(&line);
            match line.as_str() {
                "idle" => break,
                "" => panic!("the VM died by itself"),
                _ => {}
            }
        }
        if served {
            return u64::try_from(begun.elapsed().as_micros()).unwrap();
        }
    }
}

/// What the judge knows of the user's image, by its counts.
#[derive(Debug, Default)]
struct Known {
    /// Acknowledged to the user's VM.
    acknowledged: u64,
    /// Written into the copy, whole.
    written: u64,
    /// Begun to be written.
    begun: u64,
}

impl Known {
    fn hear(&mut self, line: &str) {
        let number = |text: &str| text.parse::<u64>().unwrap();
        if let Some(count) = line.strip_prefix("served ").map(number) {
            // An update may be in force whose acknowledgement was lost with the process.
            let due = self.acknowledged..=self.begun;
            assert!(due.contains(&count), "served {count}, {self:?}");
            self.acknowledged = count;
            self.written = count;
        } else if let Some(count) = line.strip_prefix("writes ").map(number) {
            self.begun = count.max(self.begun);
        } else if let Some(count) = line.strip_prefix("wrote ").map(number) {
            self.written = count;
        } else if line.starts_with("saved ") {
            // The only copy there was.
            self.acknowledged = self.acknowledged.max(self.written);
        } else if line != "idle" {
            panic!("{line}");
        }
    }
}
