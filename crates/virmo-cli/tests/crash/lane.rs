//! One device, started and killed over and over.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    random::Random,
    server::{self, DEVICE, Shared},
    world::{Counts, World},
};

/// A device with its folder and its server.
pub struct Lane {
    pub shared: Shared,
    folder: TempDir,
    url: String,
    random: Random,
}

/// When a process is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after its start.
    Start(Duration),
    /// After it was found in order, and told so many things, and a while.
    Told(u64, Duration),
    /// A while after so many Execs were sent to it.
    Exec(u64, Duration),
}

/// A process that does not go on is killed in any case.
const LONGEST: Duration = Duration::from_millis(150);

/// How long a process may take until it was found in order.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a process says when something is wrong with what it finds.
const WRONG: [&str; 3] = ["no node stands for it", "cannot be read", "is lost"];

impl Lane {
    pub fn new(seed: u64, draft: bool) -> Self {
        // A kill leaves what was written as it is, synced or not: half of them need no disk.
        let memory = Path::new("/dev/shm");
        let folder = match seed.is_multiple_of(2) && memory.is_dir() {
            true => TempDir::new_in(memory),
            false => TempDir::new(),
        };
        let folder = folder.unwrap();
        let state = folder.path().canonicalize().unwrap().join("state");
        let shared = Shared::new(World::new(seed, state, server::images(), draft));
        let url = server::start(&shared);
        Self {
            shared,
            folder,
            url,
            random: Random(seed ^ 0x5eed),
        }
    }

    fn spawn(&self, words: &[String]) -> (Child, Receiver<Value>) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_virmo"));
        let world = self.shared.lock();
        let (state, draft) = (world.state.clone(), world.draft);
        drop(world);
        command.args(["device", "--json", "--interval", "0.005", "--ui", "accept"]);
        command.args(["--watch", "1"]);
        command.args(["--profile", if draft { "draft" } else { "approved" }]);
        command.args(["--server", &self.url, "--device-id", DEVICE]);
        command.arg("--state").arg(state).args(words);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // The last one may be cut off.
                if let Ok(event) = serde_json::from_str(&line) {
                    drop(tell.send(event));
                }
            }
        });
        (child, lines)
    }

    /// Starts the device and kills it, once.
    pub fn kill(&mut self) {
        let words = self.words();
        let random = &mut self.random;
        let moment = match random.below(100) {
            0..15 => Moment::Start(Duration::from_micros(random.below(150_000))),
            15..65 => {
                let more = Duration::from_micros(random.below(12_000));
                Moment::Exec(1 + random.below(3), more)
            }
            65..85 => {
                let more = Duration::from_micros(random.below(3_000));
                Moment::Told(random.below(10), more)
            }
            _ => Moment::Told(0, Duration::from_micros(random.below(60_000))),
        };
        let mut world = self.shared.lock();
        world.restarted();
        world.trace(format_args!("started with {words:?}, {moment:?}"));
        drop(world);
        let (mut child, lines) = self.spawn(&words);
        let start = Instant::now();
        let crashed = self.wait(&mut child, &lines, moment);
        drop(child.kill());
        drop(child.wait());
        while let Ok(event) = lines.recv() {
            self.hear(&event);
        }
        let mut world = self.shared.lock();
        world.counts.running += start.elapsed();
        if crashed {
            world.counts.crashes += 1;
            return;
        }
        world.counts.kills += 1;
        let doing = match world.verified {
            0 => "start",
            _ => world.doing().split(' ').next().unwrap_or_default(),
        };
        let doing = doing.to_owned();
        *world.counts.killed_in.entry(doing).or_default() += 1;
        let downloading = world.is_downloading();
        world.counts.downloading += u32::from(downloading);
    }

    /// What the next process is told.
    fn words(&mut self) -> Vec<String> {
        let random = &mut self.random;
        let mut words = Vec::new();
        if random.chance(50) {
            words.extend(["--encoding", "wbxml"].map(str::to_owned));
        }
        let impatient = random.chance(15);
        let (mut hangs, mut fails) = (false, false);
        if impatient {
            words.extend(["--op-timeout", "0.01"].map(str::to_owned));
        }
        if random.chance(30) {
            let operations = [
                "create",
                "suspend",
                "resume",
                "power_on",
                "power_off",
                "delete",
                "apply",
            ];
            let world = self.shared.lock();
            let doing = world.doing().split(' ').next().unwrap_or_default();
            let doing = doing.replace('-', "_");
            let mut operation = *random.pick(&operations).unwrap();
            if let Some(at) = operations.iter().position(|it| *it == doing) {
                operation = operations[at];
            }
            let mode = random.pick(&["fail", "fail", "crash", "hang"]).unwrap();
            words.extend(["--fault".to_owned(), format!("{operation}:{mode}")]);
            hangs = *mode == "hang";
            // What recovery fails at stays open until the device looks at its machines again.
            fails = *mode == "fail";
        }
        let mut world = self.shared.lock();
        world.patient = impatient || fails;
        world.hangs = hangs;
        drop(world);
        words
    }

    /// Waits for the moment; whether the process ended by itself.
    fn wait(&self, child: &mut Child, lines: &Receiver<Value>, moment: Moment) -> bool {
        let start = Instant::now();
        let mut verified: Option<Instant> = None;
        let (mut told, mut reached) = (0, None::<Instant>);
        loop {
            let is_verified = self.shared.lock().verified > 0;
            if is_verified && verified.is_none() {
                verified = Some(Instant::now());
                self.shared.lock().counts.starting += start.elapsed();
            }
            let hung = self.shared.lock().hangs && start.elapsed() > 2 * LONGEST;
            let over = match (moment, verified) {
                _ if hung => true,
                (Moment::Start(after), _) => start.elapsed() >= after,
                (_, None) => start.elapsed() > PATIENCE,
                (Moment::Told(count, after), Some(since)) => {
                    if told >= count {
                        reached.get_or_insert_with(Instant::now);
                    }
                    let reached = reached.is_some_and(|it| it.elapsed() >= after);
                    reached || since.elapsed() > LONGEST
                }
                (Moment::Exec(count, after), Some(since)) => {
                    if self.shared.lock().executed >= count {
                        reached.get_or_insert_with(Instant::now);
                    }
                    let reached = reached.is_some_and(|it| it.elapsed() >= after);
                    reached || since.elapsed() > LONGEST
                }
            };
            if over || !self.shared.lock().violations.is_empty() {
                if !matches!(moment, Moment::Start(_)) && verified.is_none() && !hung {
                    let mut world = self.shared.lock();
                    if world.violations.is_empty() {
                        world.violation("the device was never found in order");
                    }
                }
                return false;
            }
            match lines.recv_timeout(Duration::from_micros(300)) {
                Ok(event) => {
                    self.hear(&event);
                    told += u64::from(verified.is_some());
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    let status = child.wait().unwrap();
                    // A fault aborts; nothing else ends it.
                    if status.code().is_some() {
                        self.shared
                            .lock()
                            .violation(format_args!("it ended: {status}"));
                    }
                    return true;
                }
            }
        }
    }

    fn hear(&self, event: &Value) {
        let mut world = self.shared.lock();
        world.trace(event);
        match event["event"].as_str() {
            Some("recovered") => {
                let what =
                    [&event["intent"], &event["outcome"]].map(|it| it.as_str().unwrap_or(""));
                *world.counts.recovered.entry(what.join(" ")).or_default() += 1;
            }
            Some("error") => {
                let message = event["message"].as_str().unwrap_or_default();
                if WRONG.iter().any(|wrong| message.contains(wrong)) {
                    world.violation(format_args!("the device says: {message}"));
                }
            }
            _ => {}
        }
    }

    /// Lets the device go on until everything is deleted, and looks what is left.
    pub fn clear(&mut self) -> Counts {
        self.shared.lock().paused = false;
        self.run_until(|world| world.missing_alerts().is_empty());
        self.shared.lock().clearing = true;
        self.run_until(|world| world.cleared);
        let mut world = self.shared.lock();
        for missing in world.missing_alerts() {
            world.violation(missing);
        }
        world.counts.clone()
    }

    /// Lets the device end what it is at, and do no more.
    pub fn rest(&mut self) {
        self.shared.lock().paused = true;
        self.run_until(World::is_at_rest);
    }

    /// Runs the device until this holds, and it was looked at.
    pub fn run_until(&mut self, enough: impl Fn(&World) -> bool) {
        let mut world = self.shared.lock();
        world.patient = false;
        world.hangs = false;
        world.restarted();
        drop(world);
        let (mut child, lines) = self.spawn(&[]);
        let start = Instant::now();
        loop {
            if let Ok(event) = lines.recv_timeout(Duration::from_millis(1)) {
                self.hear(&event);
            }
            let mut world = self.shared.lock();
            if !world.violations.is_empty() || world.verified > 0 && enough(&world) {
                break;
            }
            if start.elapsed() > PATIENCE {
                let missing = world.missing_alerts();
                world.violation(format_args!("the device did not come to rest: {missing:?}"));
                break;
            }
        }
        drop(child.kill());
        drop(child.wait());
    }
}
