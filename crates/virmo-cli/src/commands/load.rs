//! `virmo load`.
//!
//! A device is a client engine without a thread. As many threads as sessions may be open at once
//! take one device after the other, each through a whole session: there are few threads however
//! many devices there are, and each has one connection, which its devices share.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
        mpsc::{self, RecvTimeoutError},
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
    links,
    output::{Event, Output, print, printable},
};

mod device;
mod histogram;
mod machines;
mod tally;

use device::{Clock, Device, Link, Model};
use tally::Tally;
pub(crate) use tally::{Progress, Report};

pub(crate) fn run(args: &args::Load) -> Result<(), Failure> {
    let output = Output::new(args.json);
    let load = Load::new(args)?;
    // What is wrong with one device is wrong with all.
    drop(load.model.device(1)?);
    let tally = Tally::new();
    let bar = bar(args);
    thread::scope(|scope| {
        let (over, ends) = mpsc::channel::<()>();
        for number in 0..load.threads {
            let (load, tally, over) = (&load, &tally, over.clone());
            thread::Builder::new()
                .name(format!("load {number}"))
                .spawn_scoped(scope, move || {
                    load.work(tally);
                    drop(over);
                })?;
        }
        drop(over);
        while ends.recv_timeout(SECOND) == Err(RecvTimeoutError::Timeout) {
            let progress = tally.progress();
            bar.set_position(progress.sessions());
            bar.set_message(progress.to_string());
            if args.json {
                output.event(&Event::LoadProgress(progress));
            }
        }
        Ok(())
    })
    .map_err(|error: io::Error| Failure::work(format_args!("no thread: {error}")))?;
    bar.finish_and_clear();
    let report = tally.report(args.devices);
    let is_good = report.is_good();
    match args.json {
        true => output.event(&Event::Load(Box::new(report))),
        false => print(printable(&format!("{report}\n")).as_bytes())?,
    }
    match is_good {
        true => Ok(()),
        false => Err(Failure::Told),
    }
}

/// From one word about the progress to the next.
const SECOND: Duration = Duration::from_secs(1);

/// What is to be done, and what is left of it.
struct Load {
    model: Model,
    messages: virmo::dm::http::ClientConfig,
    devices: u32,
    threads: u16,
    until: Until,
    /// The number of the last device that was made.
    made: AtomicU32,
    /// Those that have held a session and are to hold more.
    waiting: Mutex<VecDeque<Device>>,
}

/// When it is enough.
enum Until {
    /// Each device has held so many sessions.
    Sessions(u32),
    /// No session begins any more.
    Time(Instant),
}

impl Load {
    fn new(args: &args::Load) -> Result<Self, Failure> {
        let links = links::to("--server", &args.server, &args.tls)?;
        if args.device_id_prefix.is_empty() {
            return Err(Failure::usage("--device-id-prefix: a device has a name"));
        }
        let server_id = args.server_id.parse();
        let server_id =
            server_id.map_err(|error| Failure::usage(format_args!("--server-id: {error}")))?;
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
        let mut policy = super::device::policy();
        policy.downloads.retry = NO_RETRY;
        policy.watch = None;
        let started = Instant::now();
        let mut messages = links.messages;
        messages.connect_timeout = messages.connect_timeout.min(args.timeout);
        messages.timeout = args.timeout;
        messages.allow_short_media_types = true;
        Ok(Self {
            model: Model {
                config,
                prefix: args.device_id_prefix.clone(),
                user: args.user.clone(),
                virmo: !args.without_virmo,
                policy,
                fetch: Arc::new(HttpFetch::new(links.images)),
                clock: Clock(started),
            },
            messages,
            devices: args.devices,
            threads: args.concurrency,
            until: match args.seconds {
                Some(seconds) => Until::Time(started + seconds),
                None => Until::Sessions(args.sessions.unwrap_or(1)),
            },
            made: AtomicU32::new(0),
            waiting: Mutex::default(),
        })
    }

    /// Takes devices through sessions until there is nothing left to do.
    fn work(&self, tally: &Tally) {
        let link = Link {
            transport: HttpTransport::new(self.messages.clone()),
            cancel: Cancel::new(),
        };
        while let Some(mut device) = self.next(tally) {
            device.session(&link, tally);
            let goes_on = match self.until {
                Until::Sessions(count) => device.sessions < count,
                Until::Time(end) => Instant::now() < end,
            };
            if goes_on {
                self.waiting().push_back(device);
            }
        }
    }

    /// A device that has not held a session yet, else the one whose last is longest ago.
    fn next(&self, tally: &Tally) -> Option<Device> {
        loop {
            if let Until::Time(end) = self.until
                && Instant::now() >= end
            {
                return None;
            }
            let made = self
                .made
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |made| {
                    (made < self.devices).then_some(made + 1)
                });
            let Ok(made) = made else {
                return self.waiting().pop_front();
            };
            match self.model.device(made + 1) {
                Ok(device) => return Some(device),
                Err(failure) => {
                    let reason = failure.message().unwrap_or_default().to_owned();
                    tally.session(Duration::ZERO, Some(reason));
                }
            }
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<Device>> {
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
