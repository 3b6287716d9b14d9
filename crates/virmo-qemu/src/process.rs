//! The QEMU process of a machine.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    os::fd::OwnedFd,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{
        Flock, FlockOffsetType, FlockType, Pid, PidfdFlags, Signal, fcntl_getlk, pidfd_open,
        pidfd_send_signal,
    },
};
use virmo_hypervisor::backend::{remove, wait_for};

use crate::{
    Qemu,
    machine::{Folder, Record},
};

/// How a QEMU process is started.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// The guest boots once told to.
    Boot,
    /// The guest goes on from a saved execution, once told which and when.
    Incoming,
}

/// The living QEMU of a machine: whoever holds the lock of its pid file, which ends with the process
/// and cannot be another one's.
pub(crate) fn alive(folder: &Folder) -> io::Result<Option<Pid>> {
    let file = match File::open(folder.pid()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let whole = Flock {
        start: 0,
        length: 0,
        pid: None,
        typ: FlockType::WriteLock,
        offset_type: FlockOffsetType::Set,
    };
    let held = fcntl_getlk(&file, &whole)?;
    Ok(held.and_then(|lock| lock.pid))
}

/// A living QEMU, held so that no other process is taken for it. It gives up its pid file before it
/// gives up everything else: that it has ended tells the process.
pub(crate) struct Living(OwnedFd);

impl Living {
    /// The living QEMU of a machine.
    pub(crate) fn find(folder: &Folder) -> io::Result<Option<Self>> {
        let Some(pid) = alive(folder)? else {
            return Ok(None);
        };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => Ok(Some(Self(process))),
            Err(rustix::io::Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until it has ended; whether that came true in time.
    pub(crate) fn wait(&self, within: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + within;
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            let rest = Timespec::try_from(rest).unwrap_or(Timespec {
                tv_sec: i64::MAX,
                tv_nsec: 0,
            });
            let mut ended = [PollFd::new(&self.0, PollFlags::IN)];
            match poll(&mut ended, Some(&rest)) {
                Ok(ready) => return Ok(ready > 0),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Ends it whatever it does; whether it is gone.
    pub(crate) fn kill(&self, within: Duration) -> io::Result<bool> {
        match pidfd_send_signal(&self.0, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => self.wait(within),
            Err(error) => Err(error.into()),
        }
    }
}

/// Why QEMU is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The program cannot be run.
    #[error("cannot run {program}: install QEMU, or say where it is")]
    Program { program: String, source: io::Error },
    /// A file of the machine cannot be had.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It said why not.
    #[error("{0}")]
    Refused(String),
    /// It neither came up nor gave up.
    #[error("QEMU does not come up")]
    Slow,
}

/// How long a QEMU that was seen ended may hold its disk.
const LINGERING: Duration = Duration::from_secs(2);

/// Starts QEMU with the guest stopped, and returns when it answers to QMP.
pub(crate) fn start(
    qemu: &Qemu,
    folder: &Folder,
    id: &str,
    record: &Record,
    start: Start,
) -> Result<(), StartError> {
    let deadline = Instant::now() + LINGERING;
    loop {
        match start_once(qemu, folder, id, record, start) {
            Err(StartError::Refused(why)) if why.contains("lock") && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(20));
            }
            started => return started,
        }
    }
}

fn start_once(
    qemu: &Qemu,
    folder: &Folder,
    id: &str,
    record: &Record,
    start: Start,
) -> Result<(), StartError> {
    // What a dead process left would be taken for the new one's.
    let sockets = [
        folder.qmp(),
        folder.look(),
        folder.terminal(),
        folder.channel(),
    ];
    for stale in sockets.into_iter().chain([folder.pid()]) {
        remove(&stale)?;
    }
    if !qemu.log_console {
        remove(&folder.console())?;
    }
    let log = File::create(folder.log())?;
    let mut child = Command::new(&qemu.program)
        .args(arguments(qemu, folder, id, record, start))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|source| StartError::Program {
            program: qemu.program.display().to_string(),
            source,
        })?;
    // It leaves a daemon behind and exits once that is ready.
    let mut status = None;
    let ended = wait_for(qemu.patience, || {
        status = child.try_wait()?;
        Ok::<_, io::Error>(status.is_some())
    })?;
    if !ended {
        child.kill()?;
        child.wait()?;
        if let Some(living) = Living::find(folder)? {
            living.kill(qemu.patience)?;
        }
        return Err(StartError::Slow);
    }
    match status.is_some_and(|status| status.success()) {
        true => Ok(()),
        false => {
            let said = fs::read_to_string(folder.log()).unwrap_or_default();
            Err(StartError::Refused(last_line(&said)))
        }
    }
}

/// The last thing QEMU said, without its own name.
fn last_line(said: &str) -> String {
    let line = said.lines().rev().find(|line| !line.trim().is_empty());
    let line = line.unwrap_or("QEMU ended without a word");
    line.split_once(": ")
        .map_or(line, |(_, why)| why)
        .to_owned()
}

fn arguments(
    qemu: &Qemu,
    folder: &Folder,
    id: &str,
    record: &Record,
    start: Start,
) -> Vec<OsString> {
    let own = &record.own;
    let socket = |path: &Path| {
        let mut text = OsString::from("unix:");
        text.push(comma_free(path));
        text.push(",server=on,wait=off");
        text
    };
    let mut disk = OsString::from("driver=raw,node-name=disk0,file.driver=file,file.filename=");
    disk.push(comma_free(&folder.disk()));
    let append = match start {
        Start::Boot => "off",
        Start::Incoming => "on",
    };
    let log = comma_free(&folder.console());
    let mut console = OsString::new();
    match own.locked {
        true if qemu.log_console => {
            console.push(format!("file,id=console,append={append},path="));
            console.push(log);
        }
        true => console.push("null,id=console"),
        false => {
            console.push("socket,id=console,server=on,wait=off,path=");
            console.push(comma_free(&folder.terminal()));
            if qemu.log_console {
                // Logged whether anybody is connected or not.
                console.push(format!(",logappend={append},logfile="));
                console.push(log);
            }
        }
    }

    let mut all: Vec<OsString> = Vec::new();
    let mut add = |words: &[&str]| all.extend(words.iter().map(OsString::from));
    add(&[
        "-machine",
        &own.machine,
        "-accel",
        qemu.accelerator.argument(),
    ]);
    add(&["-m", &format!("{}M", own.devices.ram), "-smp", "1"]);
    add(&["-nodefaults", "-no-user-config", "-display", "none"]);
    add(&["-uuid", &own.uuid, "-name", id]);
    add(&["-sandbox", "on,obsolete=deny,resourcecontrol=deny"]);
    add(&["-daemonize", "-S"]);
    if start == Start::Incoming {
        add(&["-incoming", "defer"]);
    }
    add(&[
        "-device",
        "ide-hd,drive=disk0",
        "-serial",
        "chardev:console",
    ]);
    let mut option = |name: &str, value: OsString| all.extend([OsString::from(name), value]);
    option("-blockdev", disk);
    option("-chardev", console);
    option("-qmp", socket(&folder.qmp()));
    option("-qmp", socket(&folder.look()));
    option("-pidfile", folder.pid().into_os_string());
    if folder.bootstrap().exists() {
        let mut bootstrap = OsString::from("name=opt/org.virmo/bootstrap,file=");
        bootstrap.push(comma_free(&folder.bootstrap()));
        option("-fw_cfg", bootstrap);
    }
    all.extend(own.devices.arguments(&own.uuid, folder));
    all
}

/// QEMU ends an option at a comma, and takes two for one.
pub(crate) fn comma_free(path: &Path) -> OsString {
    match path.to_str() {
        Some(text) => text.replace(',', ",,").into(),
        None => path.as_os_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_qemu_said_last_is_told() {
        let said = "warning: x\nqemu-system-x86_64: -m 1: out of memory\n\n";
        assert_eq!(last_line(said), "-m 1: out of memory");
        assert_eq!(last_line(""), "QEMU ended without a word");
    }

    #[test]
    fn commas_do_not_end_an_option() {
        assert_eq!(comma_free(Path::new("/a,b")), OsString::from("/a,,b"));
    }

    #[test]
    fn a_pid_file_nobody_holds_is_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Folder(folder.path().to_owned());
        assert_eq!(alive(&folder).unwrap(), None);
        fs::write(folder.pid(), "1\n").unwrap();
        assert_eq!(alive(&folder).unwrap(), None);
    }
}
