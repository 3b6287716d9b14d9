//! `virmo load`.
//!
//! A device is a client engine without a thread. As many threads as sessions may be open at once
//! take one device after the other, each through a whole session: there are few threads however
//! many devices there are, and each has one connection, which its devices share.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use virmo::dm::{
    client::{Auth, Compat, Config},
    core::Backoff,
    download::Cancel,
    http::{HttpFetch, HttpTransport},
    syncml::Limits,
};

use crate::{
    args, auth,
    failure::Failure,
    interrupt::{self, Signal},
    links,
    output::{Event, Output, print, printable},
};

mod device;
mod files;
mod histogram;
mod limit;
mod machines;
mod tally;

use device::{Clock, Device, Link, Model};
use tally::Tally;
pub(crate) use tally::{Progress, Report};

pub(crate) fn run(args: &args::Load) -> Result<(), Failure> {
    let output = Output::new(args.json);
    let load = Arc::new(Load::new(args)?);
    // What is wrong with one device is wrong with all.
    drop(load.model.device(1)?);
    let most = u16::try_from(args.devices).unwrap_or(u16::MAX);
    let threads = args.concurrency.min(most);
    files::allow(threads)?;
    let (tell, news) = mpsc::channel();
    let signals = tell.clone();
    interrupt::first(move |signal| drop(signals.send(News::Signal(signal))))?;
    for number in 0..threads {
        let (load, through) = (Arc::clone(&load), Through(tell.clone()));
        thread::Builder::new()
            .name(format!("load {number}"))
            .spawn(move || {
                load.work();
                drop(through);
            })
            .map_err(|error| Failure::work(format_args!("no thread: {error}")))?;
    }
    let bar = bar(args);
    let signal = load.watch(args, &output, &bar, &news, threads);
    bar.finish_and_clear();
    // Threads that are still at something end with the process.
    let report = load.tally.report(args.devices);
    let is_good = report.is_good();
    match args.json {
        true => output.event(&Event::Load(Box::new(report))),
        false => print(printable(&format!("{report}\n")).as_bytes())?,
    }
    match (signal, is_good) {
        (Some(signal), _) => Err(Failure::Interrupted(signal)),
        (None, true) => Ok(()),
        (None, false) => Err(Failure::Told),
    }
}

/// From one word about the progress to the next.
const SECOND: Duration = Duration::from_secs(1);

/// From a session of a device that failed to its next: a server that is not there is no reason to try
/// as fast as it goes.
const PAUSE: Duration = Duration::from_millis(100);

/// From the end of a pause after a session that failed to that of the next, over all devices: what
/// fails at once, fails so often at most. A connection of each that is closed stays with the system
/// for a minute or so, which is not to run out of ports.
const GAP: Duration = Duration::from_millis(5);

/// How long sessions may take to their end after a signal, at most.
const GRACE: Duration = Duration::from_secs(5);

/// What whoever waits for the end is told.
enum News {
    /// A thread has nothing left to do.
    Through,
    Signal(Signal),
}

/// Tells the end of a thread, also one by a panic.
struct Through(Sender<News>);

impl Drop for Through {
    fn drop(&mut self) {
        drop(self.0.send(News::Through));
    }
}

/// What is to be done, and what is left of it.
struct Load {
    model: Model,
    messages: virmo::dm::http::ClientConfig,
    tally: Tally,
    devices: u32,
    /// How many each device holds; absent: as many as go.
    sessions: Option<u32>,
    /// No session begins any more.
    is_over: AtomicBool,
    /// The number of the last device that was made.
    made: AtomicU32,
    /// Those that have held a session and are to hold more.
    waiting: Mutex<Waiting>,
    /// Tells those that pause that it is over.
    told_over: Condvar,
}

/// Devices between two sessions, the one whose last is longest ago first.
#[derive(Default)]
struct Waiting {
    ready: VecDeque<Device>,
    /// After a session that failed, and until when each pauses.
    pausing: VecDeque<(Instant, Device)>,
    /// When the next session that fails may be followed by one.
    next_gap: Option<Instant>,
}

impl Waiting {
    /// A session has failed: when whoever held it may hold the next, of whatever device.
    fn failed(&mut self, now: Instant) -> Instant {
        let due = self.next_gap.map_or(now, |due| due.max(now));
        self.next_gap = due.checked_add(GAP);
        due
    }
}

impl Load {
    fn new(args: &args::Load) -> Result<Self, Failure> {
        let links = links::to("--server", &args.server, &args.tls)?;
        if args.device_id_prefix.is_empty() {
            return Err(Failure::usage("--device-id-prefix: a device has a name"));
        }
        let (server_id, _) = super::device::server_id(&args.server_id)?;
        let mut config = Config::new(server_id, &args.server);
        let proofs = auth::read(&args::Auth {
            scheme: args.scheme,
            user: args.user.clone(),
            password_env: args.password_env.clone(),
            server_user: None,
            server_password_env: None,
        })?;
        config.auth = Auth::given(proofs.unwrap_or_default().client, None);
        config.encoding = args.encoding.into();
        config.wbxml = args.wbxml.options();
        config.compat = Compat::lenient();
        config.limits = Limits::lenient();
        // A message that is lost is a failure to report, not one to mend.
        config.transport_retry = NO_RETRY;
        config.answer_timeout = args.timeout;
        config.transport_window = args.timeout;
        config.session_limit = args.session_limit;
        let mut policy = super::device::policy();
        policy.downloads.retry = NO_RETRY;
        policy.watch = None;
        let mut images = links.images;
        images.silence_timeout = images.silence_timeout.min(args.session_limit);
        let mut messages = links.messages;
        messages.timeout = args.timeout;
        messages.allow_short_media_types = true;
        Ok(Self {
            model: Model {
                config,
                prefix: args.device_id_prefix.clone(),
                user: args.user.clone(),
                virmo: !args.without_virmo,
                policy,
                fetch: Arc::new(HttpFetch::new(images)),
                clock: Clock(Instant::now()),
            },
            messages,
            tally: Tally::new(),
            devices: args.devices,
            sessions: match args.seconds {
                Some(_) => None,
                None => Some(args.sessions.unwrap_or(1)),
            },
            is_over: AtomicBool::new(false),
            made: AtomicU32::new(0),
            waiting: Mutex::default(),
            told_over: Condvar::new(),
        })
    }

    /// Tells how it goes until all threads are through, or sessions are under way that had their
    /// time: `--seconds` or a signal ends it. The signal.
    fn watch(
        &self,
        args: &args::Load,
        output: &Output,
        bar: &ProgressBar,
        news: &Receiver<News>,
        mut threads: u16,
    ) -> Option<Signal> {
        let mut now = Instant::now();
        let mut word = now + SECOND;
        let mut signal = None;
        // When no session begins any more, and when none is waited for.
        let mut end = args.seconds.and_then(|seconds| now.checked_add(seconds));
        let mut cut = None;
        let mut grace = args.timeout;
        while threads > 0 {
            let due = cut.or(end).map_or(word, |due: Instant| due.min(word));
            match news.recv_timeout(due.saturating_duration_since(now)) {
                Ok(News::Through) => threads -= 1,
                Ok(News::Signal(it)) => {
                    signal = Some(it);
                    grace = args.timeout.min(GRACE);
                    (end, cut) = (Some(now), None);
                    bar.suspend(|| {
                        let text = "virmo: sessions under way may end; another signal ends all\n";
                        drop(io::stderr().write_all(text.as_bytes()));
                    });
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            now = Instant::now();
            if cut.is_some_and(|cut| cut <= now) {
                break;
            }
            if cut.is_none() && end.is_some_and(|end| end <= now) {
                let waiting = self.waiting();
                self.is_over.store(true, Ordering::Relaxed);
                drop(waiting);
                self.told_over.notify_all();
                cut = now.checked_add(grace);
            }
            if word <= now {
                word = now + SECOND;
                let progress = self.tally.progress();
                bar.set_position(progress.sessions());
                bar.set_message(progress.to_string());
                if args.json {
                    output.event(&Event::LoadProgress(progress));
                }
            }
        }
        signal
    }

    /// Takes devices through sessions until there is nothing left to do.
    fn work(&self) {
        let link = Link {
            transport: HttpTransport::new(self.messages.clone()),
            cancel: Cancel::new(),
        };
        let mut due = None;
        while let Some(mut device) = self.next() {
            if due.is_some_and(|due| !self.pause(self.waiting(), due)) {
                return;
            }
            let completed = device.session(&link, &self.tally);
            let now = Instant::now();
            let mut waiting = self.waiting();
            due = (!completed).then(|| waiting.failed(now));
            if self.sessions.is_some_and(|most| device.sessions >= most) {
                continue;
            }
            match completed {
                true => waiting.ready.push_back(device),
                false => waiting.pausing.push_back((now + PAUSE, device)),
            }
        }
    }

    /// A device that has not held a session yet, else the one whose last is longest ago.
    fn next(&self) -> Option<Device> {
        loop {
            if self.is_over.load(Ordering::Relaxed) {
                return None;
            }
            let made = self
                .made
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |made| {
                    (made < self.devices).then_some(made + 1)
                });
            let Ok(made) = made else {
                return self.next_again();
            };
            match self.model.device(made + 1) {
                Ok(device) => return Some(device),
                Err(failure) => {
                    let reason = failure.message().unwrap_or_default().to_owned();
                    self.tally.begin();
                    self.tally.end(Duration::ZERO, Some(reason));
                }
            }
        }
    }

    /// One that has held a session, when its pause is over.
    fn next_again(&self) -> Option<Device> {
        let mut waiting = self.waiting();
        let now = Instant::now();
        let is_due = |(due, _): &(Instant, Device)| *due <= now;
        if !waiting.pausing.front().is_some_and(is_due)
            && let Some(device) = waiting.ready.pop_front()
        {
            return Some(device);
        }
        let (due, device) = waiting.pausing.pop_front()?;
        self.pause(waiting, due).then_some(device)
    }

    /// Pauses until then; whether sessions still begin.
    fn pause(&self, waiting: MutexGuard<'_, Waiting>, due: Instant) -> bool {
        let pauses = |_: &mut Waiting| !self.is_over.load(Ordering::Relaxed);
        let pause = due.saturating_duration_since(Instant::now());
        drop(self.told_over.wait_timeout_while(waiting, pause, pauses));
        !self.is_over.load(Ordering::Relaxed)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const NO_RETRY: Backoff = Backoff {
    retries: 0,
    first: Duration::ZERO,
    longest: Duration::ZERO,
};

/// The line a person sees; nothing where standard error is no terminal.
fn bar(args: &args::Load) -> ProgressBar {
    let total = match args.seconds {
        Some(_) => None,
        None => Some(u64::from(args.devices) * u64::from(args.sessions.unwrap_or(1))),
    };
    let target = match args.json {
        true => ProgressDrawTarget::hidden(),
        false => ProgressDrawTarget::stderr(),
    };
    let bar = ProgressBar::with_draw_target(total, target);
    let template = match total {
        Some(_) => "[{bar:24}] {msg}",
        None => "{msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}
