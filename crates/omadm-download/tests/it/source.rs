//! A source that follows a script, a clock that is stepped, and a bench that holds everything a
//! download needs.

use std::{
    collections::VecDeque,
    ops::ControlFlow,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use omadm_core::{Journal, MemoryJournal};
use omadm_download::{
    Cancel, Clock, Content, Descriptor, Download, DownloadError, DownloadKey, DownloadUri, Ending,
    Environment, Fetch, FetchError, FetchErrorKind, FetchRequest, Finished, MemorySink, Policy,
    Progress, Receiver, ResponseHead, Sink, Validator,
};

pub(crate) const TYPE: &str = "application/x-image";

/// What the source does with one request.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Serve as a good server does.
    Serve,
    /// Serve, but break the connection after this many bytes.
    Cut(usize),
    /// Fail before any answer.
    Fail(FetchErrorKind),
    /// Answer exactly this.
    Say(ResponseHead, Vec<u8>, Ending),
}

/// A file on a server.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    pub(crate) bytes: Vec<u8>,
    pub(crate) media_type: Option<&'static str>,
    pub(crate) tag: Option<&'static str>,
    pub(crate) ranges: bool,
    pub(crate) says_length: bool,
    /// The length of a chunk.
    pub(crate) chunk: usize,
}

impl Remote {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            media_type: Some(TYPE),
            tag: Some("\"1\""),
            ranges: true,
            says_length: true,
            chunk: 10,
        }
    }
}

/// Bytes in which no stretch looks like another.
pub(crate) fn pattern(length: usize, seed: u8) -> Vec<u8> {
    let byte = |n: usize| (n * 7 + n / 251) as u8 ^ seed;
    (0..length).map(byte).collect()
}

/// What was asked for: the first byte and the validator, if a part was.
pub(crate) type Asked = Option<(u64, String)>;

pub(crate) struct Source {
    pub(crate) remote: Mutex<Remote>,
    pub(crate) script: Mutex<VecDeque<Step>>,
    pub(crate) asked: Mutex<Vec<Asked>>,
    pub(crate) served: Mutex<usize>,
}

impl Source {
    pub(crate) fn new(remote: Remote, script: impl IntoIterator<Item = Step>) -> Self {
        Self {
            remote: Mutex::new(remote),
            script: Mutex::new(script.into_iter().collect()),
            asked: Mutex::default(),
            served: Mutex::default(),
        }
    }

    pub(crate) fn remote(&self) -> MutexGuard<'_, Remote> {
        self.remote.lock().unwrap()
    }

    fn serve(
        &self,
        request: &FetchRequest<'_>,
        receiver: &mut dyn Receiver,
        cut: Option<usize>,
    ) -> Result<Ending, FetchError> {
        let remote = self.remote().clone();
        let length = remote.bytes.len() as u64;
        let first = request
            .resume
            .filter(|resume| remote.ranges && remote.tag == Some(resume.validator.as_str()));
        let content = match first.map(|resume| resume.from) {
            Some(first) if first < length => Content::Part {
                first,
                total: remote.says_length.then_some(length),
            },
            Some(_) => Content::Unsatisfiable {
                total: Some(length),
            },
            None => Content::Whole {
                length: remote.says_length.then_some(length),
            },
        };
        let mut head = ResponseHead::new(content);
        head.media_type = remote.media_type.map(str::to_owned);
        head.validator = remote.tag.map(Validator::new);
        let first = first.map_or(0, |resume| resume.from as usize);
        let mut rest = remote.bytes.get(first..).unwrap_or_default();
        if let Some(cut) = cut {
            rest = &rest[..cut.min(rest.len())];
        }
        match self.send(&head, rest, remote.chunk, receiver) {
            ControlFlow::Break(()) => Ok(Ending::Stopped),
            ControlFlow::Continue(()) if cut.is_some() => Err(FetchErrorKind::Interrupted.into()),
            ControlFlow::Continue(()) => Ok(Ending::Complete),
        }
    }

    fn send(
        &self,
        head: &ResponseHead,
        bytes: &[u8],
        chunk: usize,
        receiver: &mut dyn Receiver,
    ) -> ControlFlow<()> {
        receiver.head(head)?;
        for chunk in bytes.chunks(chunk) {
            *self.served.lock().unwrap() += chunk.len();
            receiver.chunk(chunk)?;
        }
        ControlFlow::Continue(())
    }
}

impl Fetch for Source {
    fn fetch(
        &self,
        request: &FetchRequest<'_>,
        receiver: &mut dyn Receiver,
    ) -> Result<Ending, FetchError> {
        let accepted: Vec<_> = request.accept.split(", ").collect();
        if accepted != ["*/*"] {
            let descriptor = cfg!(feature = "descriptors").then_some(Descriptor::MEDIA_TYPE);
            let expected = [TYPE].into_iter().chain(descriptor);
            assert!(accepted.iter().copied().eq(expected), "{accepted:?}");
        }
        self.asked.lock().unwrap().push(
            request
                .resume
                .map(|resume| (resume.from, resume.validator.as_str().to_owned())),
        );
        let step = self.script.lock().unwrap().pop_front();
        match step.unwrap_or(Step::Serve) {
            Step::Serve => self.serve(request, receiver, None),
            Step::Cut(after) => self.serve(request, receiver, Some(after)),
            Step::Fail(kind) => Err(kind.into()),
            Step::Say(head, bytes, ending) => match self.send(&head, &bytes, 10, receiver) {
                ControlFlow::Continue(()) => Ok(ending),
                ControlFlow::Break(()) => Ok(Ending::Stopped),
            },
        }
    }

    fn report(&self, uri: &DownloadUri, line: &str, _: &Cancel) -> Result<(), FetchError> {
        panic!("nothing was described, and {uri} gets {line:?}");
    }
}

/// Time that passes only in waits, and remembers them.
#[derive(Default)]
pub(crate) struct Steps {
    pub(crate) waits: Mutex<Vec<u64>>,
    /// Throw the switch in the wait of this number.
    pub(crate) cancel_in: Option<usize>,
}

impl Clock for Steps {
    fn now(&self) -> Duration {
        Duration::from_secs(self.waits.lock().unwrap().iter().sum())
    }

    fn wait(&self, duration: Duration, cancel: &Cancel) {
        let mut waits = self.waits.lock().unwrap();
        if self.cancel_in == Some(waits.len()) {
            cancel.cancel();
        }
        waits.push(duration.as_secs());
    }
}

/// Everything a download needs.
pub(crate) struct Bench {
    pub(crate) source: Source,
    pub(crate) sink: MemorySink,
    pub(crate) journal: MemoryJournal,
    pub(crate) clock: Steps,
    pub(crate) policy: Policy,
    pub(crate) cancel: Cancel,
}

impl Bench {
    pub(crate) fn new(remote: Remote, script: impl IntoIterator<Item = Step>) -> Self {
        let mut policy = Policy::default();
        policy.checkpoint_bytes = 30;
        Self {
            source: Source::new(remote, script),
            sink: MemorySink::new(),
            journal: MemoryJournal::new(),
            clock: Steps::default(),
            policy,
            cancel: Cancel::new(),
        }
    }

    pub(crate) fn run(&self) -> Result<Finished, DownloadError> {
        self.run_with(&mut |_| {})
    }

    pub(crate) fn run_with(
        &self,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Finished, DownloadError> {
        run(self, &self.journal, &self.sink, progress)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.source.asked.lock().unwrap().clone()
    }

    pub(crate) fn waits(&self) -> Vec<u64> {
        self.clock.waits.lock().unwrap().clone()
    }

    pub(crate) fn environment(&self) -> Environment<'_> {
        Environment {
            fetch: &self.source,
            sink: &self.sink,
            journal: &self.journal,
            clock: &self.clock,
            policy: &self.policy,
            cancel: &self.cancel,
        }
    }

    /// What the finished file holds.
    pub(crate) fn finished(&self) -> Option<Vec<u8>> {
        self.sink.contents(&key())
    }

    /// What the journal knows about the download.
    pub(crate) fn recorded(&self) -> Progress {
        let download = Download::resume(&self.journal, &key()).unwrap();
        download.unwrap().progress()
    }
}

/// Runs the download of a bench on another journal and sink.
pub(crate) fn run(
    bench: &Bench,
    journal: &dyn Journal,
    sink: &dyn Sink,
    progress: &mut dyn FnMut(Progress),
) -> Result<Finished, DownloadError> {
    let uri = "http://images.example/a.img".parse().unwrap();
    let environment = Environment {
        sink,
        journal,
        ..bench.environment()
    };
    Download::prepare(journal, &key(), &uri, TYPE)?.run(&environment, progress)
}

pub(crate) fn key() -> DownloadKey {
    "a".parse().unwrap()
}
