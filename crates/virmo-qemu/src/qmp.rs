//! A client of QMP, QEMU's machine protocol: one JSON object a line.

use std::{
    io::{self, IoSlice, Read, Write},
    os::{fd::BorrowedFd, unix::net::UnixStream},
    path::Path,
    time::{Duration, Instant},
};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde::Deserialize;
use serde_json::{Value, json};

/// The longest line taken, in bytes.
const MAX_LINE: usize = 1 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QmpError {
    /// Nothing came in time: the peer hangs, or another client holds the socket.
    #[error("QEMU does not answer")]
    Silent,
    /// The connection cannot be had or broke.
    #[error("the connection to QEMU broke")]
    Broken(#[from] io::Error),
    /// What came is no QMP.
    #[error("QEMU answers with something that is no QMP")]
    Garbage,
    /// QEMU refused.
    #[error("QEMU refuses: {0}")]
    Refused(String),
}

/// A connection. Events are passed over: what they tell is asked for.
pub(crate) struct Qmp {
    stream: UnixStream,
    /// What was read and not yet used.
    buffer: Vec<u8>,
    patience: Duration,
    next: u64,
}

#[derive(Deserialize)]
struct Line {
    id: Option<u64>,
    #[serde(rename = "return")]
    value: Option<Value>,
    error: Option<Refusal>,
    #[serde(rename = "QMP")]
    greeting: Option<Value>,
}

#[derive(Deserialize)]
struct Refusal {
    desc: String,
}

impl Qmp {
    /// Connects and waits for the greeting. `patience` is for each answer.
    pub(crate) fn connect(path: &Path, patience: Duration) -> Result<Self, QmpError> {
        Self::over(UnixStream::connect(path)?, patience)
    }

    /// [`connect`](Self::connect) with a connection there is.
    pub(crate) fn over(stream: UnixStream, patience: Duration) -> Result<Self, QmpError> {
        let mut qmp = Self {
            stream,
            buffer: Vec::new(),
            patience,
            next: 0,
        };
        qmp.stream.set_write_timeout(Some(patience))?;
        let deadline = Instant::now() + patience;
        while qmp.line(deadline)?.greeting.is_none() {}
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Has a command executed.
    pub(crate) fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        self.execute_with(command, arguments, None)
    }

    /// Has a command executed that comes with a file.
    pub(crate) fn execute_with(
        &mut self,
        command: &str,
        arguments: Value,
        file: Option<BorrowedFd<'_>>,
    ) -> Result<Value, QmpError> {
        self.next += 1;
        let id = self.next;
        let request = json!({ "execute": command, "arguments": arguments, "id": id });
        let mut request = request.to_string().into_bytes();
        request.push(b'\n');
        match file {
            None => self.stream.write_all(&request)?,
            Some(file) => self.send(&request, file)?,
        }
        let deadline = Instant::now() + self.patience;
        loop {
            let line = self.line(deadline)?;
            if line.id != Some(id) {
                continue;
            }
            return match (line.value, line.error) {
                (Some(value), None) => Ok(value),
                (_, Some(refusal)) => Err(QmpError::Refused(refusal.desc)),
                (None, None) => Err(QmpError::Garbage),
            };
        }
    }

    fn send(&self, request: &[u8], file: BorrowedFd<'_>) -> Result<(), QmpError> {
        let files = [file];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&files));
        let sent = sendmsg(
            &self.stream,
            &[IoSlice::new(request)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )
        .map_err(io::Error::from)?;
        match request.get(sent..) {
            Some([]) => Ok(()),
            Some(rest) => Ok((&self.stream).write_all(rest)?),
            None => Err(QmpError::Garbage),
        }
    }

    fn line(&mut self, deadline: Instant) -> Result<Line, QmpError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|octet| *octet == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return serde_json::from_slice(&line).map_err(|_| QmpError::Garbage);
            }
            if self.buffer.len() > MAX_LINE {
                return Err(QmpError::Garbage);
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Err(QmpError::Silent);
            }
            self.stream.set_read_timeout(Some(rest))?;
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(read) => self.buffer.extend(piece.iter().take(read)),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                        return Err(QmpError::Silent);
                    }
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error.into()),
                },
            }
        }
    }

    /// What the machine does, in QEMU's word.
    pub(crate) fn status(&mut self) -> Result<String, QmpError> {
        let answer = self.execute("query-status", json!({}))?;
        text(&answer, "status")
    }

    /// How the migration stands, in QEMU's word; `none` before there was one.
    pub(crate) fn migration(&mut self) -> Result<String, QmpError> {
        let answer = self.execute("query-migrate", json!({}))?;
        match answer.get("status") {
            None => Ok("none".to_owned()),
            Some(_) => text(&answer, "status"),
        }
    }

    /// The machine's UUID.
    pub(crate) fn uuid(&mut self) -> Result<String, QmpError> {
        let answer = self.execute("query-uuid", json!({}))?;
        text(&answer, "UUID")
    }

    /// The threads its CPUs run on.
    pub(crate) fn cpu_threads(&mut self) -> Result<Vec<u64>, QmpError> {
        let answer = self.execute("query-cpus-fast", json!({}))?;
        let cpus = answer.as_array().ok_or(QmpError::Garbage)?;
        let thread = |cpu: &Value| cpu.get("thread-id")?.as_u64();
        cpus.iter()
            .map(|cpu| thread(cpu).ok_or(QmpError::Garbage))
            .collect()
    }
}

fn text(answer: &Value, key: &str) -> Result<String, QmpError> {
    let text = answer.get(key).and_then(Value::as_str);
    text.map(str::to_owned).ok_or(QmpError::Garbage)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixListener, thread};

    use super::*;

    /// For those that answer.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// A peer that says its lines one after the other, the first unasked, and then hangs.
    fn peer(lines: &'static [&'static str]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("qmp");
        let listener = UnixListener::bind(&path).unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut octets = [0; 4096];
            for (number, line) in lines.iter().enumerate() {
                if number > 0 && stream.read(&mut octets).unwrap_or(0) == 0 {
                    return;
                }
                writeln!(stream, "{line}").unwrap();
            }
            while stream.read(&mut octets).unwrap_or(0) > 0 {}
        });
        (folder, path)
    }

    const GREETING: &str = r#"{"QMP": {"version": {}, "capabilities": []}}"#;
    const DONE: &str = r#"{"return": {}, "id": 1}"#;

    fn answer(lines: &'static [&'static str]) -> Result<Value, QmpError> {
        answer_within(PATIENCE, lines)
    }

    fn answer_within(
        patience: Duration,
        lines: &'static [&'static str],
    ) -> Result<Value, QmpError> {
        let (_folder, path) = peer(lines);
        Qmp::connect(&path, patience)?.execute("query-status", json!({}))
    }

    #[test]
    fn answers_find_their_command_between_events() {
        let found = answer(&[
            GREETING,
            DONE,
            "{\"event\": \"STOP\", \"timestamp\": {}}\n{\"return\": 1, \"id\": 1}\n{\"return\": 2, \"id\": 2}",
        ]);
        assert_eq!(found.unwrap(), json!(2));
    }

    #[test]
    fn refusals_silence_and_garbage_are_told_apart() {
        let refused = answer(&[
            GREETING,
            DONE,
            r#"{"id": 2, "error": {"class": "GenericError", "desc": "no"}}"#,
        ]);
        assert!(matches!(refused, Err(QmpError::Refused(why)) if why == "no"));
        for silent in [&[GREETING, DONE][..], &[]] {
            let silent = answer_within(Duration::from_millis(100), silent);
            assert!(matches!(silent, Err(QmpError::Silent)), "{silent:?}");
        }
        assert!(matches!(
            answer(&[GREETING, "hello"]),
            Err(QmpError::Garbage)
        ));
        let empty = answer(&[GREETING, DONE, r#"{"id": 2}"#]);
        assert!(matches!(empty, Err(QmpError::Garbage)));
        let nowhere = Qmp::connect(Path::new("/nonexistent/qmp"), PATIENCE);
        assert!(matches!(nowhere, Err(QmpError::Broken(_))));
    }
}
