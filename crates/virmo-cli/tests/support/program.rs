//! The program as a child process.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Once,
        atomic::AtomicBool,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

use serde_json::Value;
use signal_hook::consts::SIGINT;
use tempfile::TempDir;

/// How long a process may take that is not to take for ever.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where nobody listens: a port that no process is given, and that no connection starts from.
pub const NOBODY: &str = "127.0.0.1:1";

/// Runs the program to its end.
pub fn virmo(args: &[&str]) -> Output {
    virmo_with(args, &[], b"")
}

/// Runs the program to its end with variables in its environment and something on its standard
/// input.
pub fn virmo_with(args: &[&str], variables: &[(&str, &str)], input: &[u8]) -> Output {
    let folder = TempDir::new().unwrap();
    let mut child = command(args, variables, &folder)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _watchdog = watch(&child);
    // Not everything reads what it is given.
    drop(child.stdin.take().unwrap().write_all(input));
    child.wait_with_output().unwrap()
}

/// What the program leaves in temporary files when it is killed goes with the folder.
fn command(args: &[&str], variables: &[(&str, &str)], folder: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_virmo"));
    command.env("TMPDIR", folder.path());
    command.args(args).envs(variables.iter().copied());
    command.stdout(Stdio::piped());
    command
}

/// Kills a process that takes too long, unless what it returns is dropped before.
fn watch(child: &Child) -> Sender<()> {
    let (over, ended) = mpsc::channel::<()>();
    let id = child.id().to_string();
    thread::spawn(move || {
        if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            drop(Command::new("kill").args(["-9", &id]).status());
        }
    });
    over
}

/// The JSON lines of an output.
pub fn events(output: &Output) -> Vec<Value> {
    lines(output)
        .iter()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

/// The lines of an output.
pub fn lines(output: &Output) -> Vec<String> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// What an output says on standard error.
pub fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The events of one kind, in short: the values of these fields.
pub fn pick(events: &[Value], kind: &str, fields: &[&str]) -> Vec<String> {
    let field = |event: &Value, name: &str| match &event[name] {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    events
        .iter()
        .filter(|event| event["event"] == kind)
        .map(|event| {
            let values: Vec<_> = fields.iter().map(|name| field(event, name)).collect();
            values.join(" ")
        })
        .collect()
}

/// The program in the background; killed when dropped.
pub struct Background {
    child: Child,
    /// Where its temporary files are.
    folder: TempDir,
    /// Read by a thread, so that the program never waits for a reader.
    lines: Receiver<String>,
    _watchdog: Sender<()>,
}

impl Background {
    pub fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[])
    }

    pub fn start_with(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        Self::of(command(args, variables, &folder), folder)
    }

    /// Started by somebody who ignores this signal.
    pub fn ignoring(signal: &str, args: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let line = format!("trap '' {signal}; exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &line, env!("CARGO_BIN_EXE_virmo")]);
        command.args(args).env("TMPDIR", folder.path());
        command.stdout(Stdio::piped());
        Self::of(command, folder)
    }

    fn of(mut command: Command, folder: TempDir) -> Self {
        // What a script starts in the background ignores SIGINT, and so does what that starts, unless
        // it has taken the signal. As without this, it ends the tests.
        static TAKEN: Once = Once::new();
        TAKEN.call_once(|| {
            let ends = Arc::new(AtomicBool::new(true));
            signal_hook::flag::register_conditional_shutdown(SIGINT, 130, ends).unwrap();
        });
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                drop(tell.send(line));
            }
        });
        Self {
            lines,
            _watchdog: watch(&child),
            child,
            folder,
        }
    }

    /// `serve` at a port of its own choice, and its URL.
    pub fn serve(args: &[&str]) -> (Self, String) {
        Self::serve_with(args, &[])
    }

    pub fn serve_with(args: &[&str], variables: &[(&str, &str)]) -> (Self, String) {
        let args = [&["serve", "--listen", "127.0.0.1:0", "--json"], args].concat();
        let mut server = Self::start_with(&args, variables);
        let listening = server.event().unwrap();
        assert_eq!(listening["event"], "listening");
        let url = listening["url"].as_str().unwrap().to_owned();
        (server, url)
    }

    /// The next line.
    pub fn line(&mut self) -> Option<String> {
        self.lines.recv().ok()
    }

    /// The next JSON line.
    pub fn event(&mut self) -> Option<Value> {
        self.line()
            .map(|line| serde_json::from_str(&line).expect(&line))
    }

    /// The next JSON line, if one comes within this time; a line that was cut off is none.
    pub fn event_within(&mut self, time: Duration) -> Option<Value> {
        let line = self.lines.recv_timeout(time).ok()?;
        serde_json::from_str(&line).ok()
    }

    /// The next JSON line that says this and that.
    pub fn wait_for(&mut self, wanted: &[(&str, Value)]) -> Value {
        loop {
            let event = self.event().expect("the program ended");
            if wanted.iter().all(|(name, value)| event[name] == *value) {
                return event;
            }
        }
    }

    /// Sends it these signals, one after the other.
    pub fn signal(&self, names: &[&str]) {
        let id = self.child.id().to_string();
        for name in names {
            let kill = Command::new("kill")
                .args([&format!("-{name}"), &id])
                .status();
            assert!(kill.unwrap().success(), "{name}");
        }
    }

    /// Waits until there is a path among its temporary files whose end is this.
    pub fn wait_for_file(&self, end: &str) {
        fn is_below(folder: &std::path::Path, end: &str) -> bool {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).any(|path| {
                path.to_string_lossy().ends_with(end) || path.is_dir() && is_below(&path, end)
            })
        }
        let start = std::time::Instant::now();
        while !is_below(self.folder.path(), end) {
            assert!(start.elapsed() < PATIENCE, "no {end}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// The exit code of one that was told to end, and the lines that are left; there is no temporary
    /// file left, and nobody who works with one.
    pub fn end_without_trace(mut self) -> (Option<i32>, Vec<Value>) {
        let ended = self.ended();
        let left: Vec<_> = self.folder.path().read_dir().unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        let folder = self.folder.path().to_str().unwrap();
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line);
            assert!(!line.contains(folder), "{line}");
        }
        ended
    }

    /// The exit code, with all lines that are left.
    pub fn end(mut self) -> (Option<i32>, Vec<Value>) {
        self.ended()
    }

    fn ended(&mut self) -> (Option<i32>, Vec<Value>) {
        let mut rest = Vec::new();
        while let Some(event) = self.event() {
            rest.push(event);
        }
        (self.child.wait().unwrap().code(), rest)
    }

    /// Ends it in the middle of whatever it does; the JSON lines it said in the meantime.
    pub fn kill(mut self) -> Vec<Value> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let whole = |line: String| serde_json::from_str(&line).ok();
        std::iter::from_fn(|| self.line())
            .filter_map(whole)
            .collect()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A leaf in the state folder of a device that does not run.
pub fn leaf(state: &str, uri: &str) -> Option<String> {
    let output = virmo(&["tree", "--state", state, uri]);
    let lines = lines(&output);
    match output.status.code() {
        Some(0) => lines[0]
            .strip_prefix(&format!("{uri} = "))
            .map(str::to_owned),
        _ => None,
    }
}
