//! SIGINT and SIGTERM, where something is to be done before the process ends.

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc,
        atomic::AtomicBool,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
    iterator::Signals,
    low_level,
};
use tempfile::TempDir;

use crate::failure::Failure;

/// A signal that asks the process to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signal(i32);

impl Signal {
    /// What shells say of a process that it ended.
    pub(crate) fn exit_code(self) -> u8 {
        u8::try_from(128 + self.0).unwrap_or(1)
    }
}

/// Has the first signal told, on a thread of its own; the next ends the process at once. One that
/// the process was started to ignore stays ignored.
pub(crate) fn first(tell: impl FnOnce(Signal) + Send + 'static) -> Result<(), Failure> {
    listen(tell).map_err(|error| Failure::work(format_args!("no signals: {error}")))
}

fn listen(tell: impl FnOnce(Signal) + Send + 'static) -> io::Result<()> {
    let ignored = ignored();
    let mut taken = vec![SIGINT, SIGTERM];
    taken.retain(|signal| ignored >> (signal - 1) & 1 == 0);
    let again = Arc::new(AtomicBool::new(false));
    for &signal in &taken {
        // The first signal is to find the flag as it was.
        flag::register_conditional_default(signal, Arc::clone(&again))?;
        flag::register(signal, Arc::clone(&again))?;
    }
    let mut signals = Signals::new(taken)?;
    let thread = thread::Builder::new().name("signals".to_owned());
    thread.spawn(move || {
        let mut signals = signals.forever();
        if let Some(signal) = signals.next() {
            tell(Signal(signal));
        }
        // Two at the same moment, on two threads, may both have found the flag as it was.
        if let Some(signal) = signals.next() {
            drop(low_level::emulate_default_handler(signal));
        }
    })?;
    Ok(())
}

/// Which signals are ignored, one a bit: before the program has changed anything, those that whoever
/// started it wants to be. Only Linux says so here.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default()
}

/// What ends work that leaves nothing behind. Whoever makes temporary files watches for it before.
pub(crate) struct Ends {
    tell: Sender<End>,
    told: Receiver<End>,
}

enum End {
    Work(thread::Result<Result<(), Failure>>),
    Signal(Signal),
}

/// How long work may take to let go of what it has after a signal.
const LETTING_GO: Duration = Duration::from_secs(2);

impl Ends {
    /// From now on the first signal ends no more than the work, even if it is still to begin.
    pub(crate) fn watch() -> Result<Self, Failure> {
        let (tell, told) = mpsc::channel();
        let signals = tell.clone();
        first(move |signal| drop(signals.send(End::Signal(signal))))?;
        Ok(Self { tell, told })
    }

    /// Works, on a thread of its own, until that has come to its end or a signal ends it, by `stop`.
    /// What does not let go in time then is left to its thread.
    pub(crate) fn work(
        &self,
        name: &str,
        work: impl FnOnce() -> Result<(), Failure> + Send + 'static,
        stop: impl FnOnce(),
    ) -> Result<(), Failure> {
        if let Ok(End::Signal(signal)) = self.told.try_recv() {
            return Err(Failure::Interrupted(signal));
        }
        let tell = self.tell.clone();
        let thread = thread::Builder::new().name(name.to_owned());
        thread
            .spawn(move || {
                // What it has is gone before this is told: whoever waits may need it.
                let end = catch_unwind(AssertUnwindSafe(work));
                drop(tell.send(End::Work(end)));
            })
            .map_err(|error| Failure::work(format_args!("no thread: {error}")))?;
        match self.told.recv() {
            Ok(End::Work(Ok(result))) => result,
            Ok(End::Work(Err(panic))) => resume_unwind(panic),
            Ok(End::Signal(signal)) => {
                stop();
                drop(self.told.recv_timeout(LETTING_GO));
                Err(Failure::Interrupted(signal))
            }
            Err(error) => Err(Failure::work(error)),
        }
    }
}

/// Removes a folder in which work may still go on that was left to its thread.
pub(crate) fn remove(folder: TempDir) {
    let folder = folder.keep();
    for _ in 0..100 {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                thread::sleep(Duration::from_millis(10));
            }
            _ => return,
        }
    }
}
