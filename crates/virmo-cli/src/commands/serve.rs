//! `virmo serve`.

use std::{
    collections::BTreeMap,
    fmt::Display,
    fs::{self, File},
    io::{self, Read},
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Sender},
    },
    time::Instant,
};

use sha2::Digest;
use virmo::dm::core::base64;
use virmo::{
    dm::{
        core::{Journal, MemoryJournal, StatusCode},
        http::Files,
        markup::{Encoding, WbxmlOptions},
        server::{
            Account, Compat, Config, Event as ServerEvent, EventKind, Place, ProcedureProgress,
        },
        session::{NoRandom, Nonces},
        syncml::Limits,
    },
    nodes::Profile,
    runtime::Server,
};

use crate::{
    args,
    auth::{self, Proofs},
    commands::device::chain,
    failure::Failure,
    output::{Advance, Event, Origin, Output},
    plan::{self, Action, Sha256, Step},
    steps::{self, Planned},
    tls::{self, Identity},
};

mod handshakes;
mod state;

use handshakes::Handshakes;

pub(crate) fn run(args: &args::Serve) -> Result<(), Failure> {
    let mut steps = match &args.plan {
        Some(path) => plan::read(path)
            .map_err(|error| Failure::usage(format_args!("--plan {}: {error}", path.display())))?,
        None => Vec::new(),
    };
    if let Some(path) = &args.plan {
        measure(&mut steps, args.images.as_deref())
            .and_then(|()| check(&steps, args))
            .map_err(|why| Failure::usage(format_args!("--plan {}: {why}", path.display())))?;
    }
    if args.once && steps.is_empty() {
        return Err(Failure::usage("--once needs a --plan with steps"));
    }
    let (journal, begun_anew) = match &args.state {
        Some(folder) => {
            let (journal, begun_anew) =
                state::open(folder, args.plan.as_deref(), args.profile.into())?;
            (Some(journal), begun_anew)
        }
        None => (None, None),
    };
    let output = Arc::new(Output::new(args.json));
    let listener = TcpListener::bind(args.listen)
        .map_err(|error| Failure::work(format_args!("--listen {}: {error}", args.listen)))?;
    let settings = Settings {
        proofs: auth::read(&args.auth)?.unwrap_or_default(),
        strict: args.strict,
        profile: args.profile.into(),
        wbxml: args.wbxml.options(),
        only: args.encoding.map(Into::into),
        images: args.images.clone(),
        public_url: args.public_url.clone(),
        identity: tls::identity(args)?,
        steps_only: false,
        journal,
    };
    let plan = steps.clone();
    let lost =
        args.listen.ip().is_unspecified() && args.public_url.is_none() && is_relative(&steps);
    let (server, done) = start(listener, steps, settings, &output)?;
    output.event(&Event::Listening { url: server.url() });
    if let Some(event) = begun_anew {
        output.event(&event);
    }
    if lost {
        output.say(
            "images of the plan are at that address, which other machines do not reach: give --public-url",
        );
    }
    let mut over = None;
    for (device, place) in server.places() {
        if let Some(event) = state::resumed(device, &place) {
            output.event(&event);
        }
        over = over.or(steps::outcome(&plan, &place));
    }
    if args.once
        && let Some(ok) = over
    {
        return if ok { Ok(()) } else { Err(Failure::Told) };
    }
    loop {
        // The server holds the other end for as long as it runs.
        let Ok(ok) = done.recv() else { return Ok(()) };
        if args.once {
            server.stop();
            return if ok { Ok(()) } else { Err(Failure::Told) };
        }
    }
}

/// Whether a plan can be carried out: each device gets procedures of its own.
fn check(steps: &[Step], args: &args::Serve) -> Result<(), String> {
    for Step { line, action, .. } in steps {
        if let Action::DeliverImage(it) = action
            && steps::is_relative(&it.uri)
            && args.images.is_none()
            && args.public_url.is_none()
        {
            return Err(format!(
                "line {line}: {:?} needs --images or --public-url",
                it.uri
            ));
        }
    }
    let base = format!("http://{}", args.listen);
    steps::procedures(steps, &base, args.profile.into(), &Place::default()).map(drop)
}

/// Gives the digests of files to the steps that want them.
fn measure(steps: &mut [Step], images: Option<&Path>) -> Result<(), String> {
    for Step { line, action, .. } in steps {
        let Action::DeliverImage(it) = action else {
            continue;
        };
        if let (Some(folder), Some(name)) = (images, steps::own_image(&it.uri)) {
            let path = folder.join(name);
            let wrong = |why: &dyn Display| {
                let uri = &it.uri;
                format!("line {line}: uri = {uri:?}: {}: {why}", path.display())
            };
            let file = fs::metadata(&path).map_err(|error| wrong(&error))?;
            if !file.is_file() {
                return Err(wrong(&"not a file"));
            }
        }
        let of_file = it.sha256 == Some(Sha256::OfFile(true));
        if !it.descriptor && !of_file {
            continue;
        }
        let folder = images.ok_or_else(|| {
            format!("line {line}: descriptor = true and sha256 = true need --images")
        })?;
        if of_file {
            let name = steps::own_image(&it.uri).ok_or_else(|| {
                format!(
                    "line {line}: sha256 = true: {:?} is no relative uri below /images/",
                    it.uri
                )
            })?;
            let path = folder.join(name);
            let digest = digest_of(&path);
            let digest =
                digest.map_err(|error| format!("line {line}: {}: {error}", path.display()))?;
            it.sha256 = Some(Sha256::Given(digest));
        }
    }
    Ok(())
}

/// The SHA-256 digest of a file, in hexadecimal digits.
fn digest_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = sha2::Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = file.read(&mut buffer)?;
        match buffer.get(..length) {
            Some(bytes) if length > 0 => digest.update(bytes),
            _ => break,
        }
    }
    let digest = digest.finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What a server of this program is made from.
pub(crate) struct Settings {
    pub(crate) proofs: Proofs,
    pub(crate) strict: bool,
    /// Which VirMO the devices have.
    pub(crate) profile: Profile,
    pub(crate) wbxml: WbxmlOptions,
    /// The one encoding that is taken, if it is one.
    pub(crate) only: Option<Encoding>,
    pub(crate) images: Option<PathBuf>,
    /// Where devices reach the server, if that is not where it listens.
    pub(crate) public_url: Option<String>,
    /// As whom `https` is served; `http` without.
    pub(crate) identity: Option<Identity>,
    /// Tell of the steps and nothing else.
    pub(crate) steps_only: bool,
    /// What is kept over restarts; nothing without.
    pub(crate) journal: Option<Arc<dyn Journal>>,
}

/// A server that takes every device through the steps; the receiver hears of each device that has
/// gone through them whether all succeeded.
pub(crate) fn start(
    listener: TcpListener,
    steps: Vec<Step>,
    settings: Settings,
    output: &Arc<Output>,
) -> Result<(Server, mpsc::Receiver<bool>), Failure> {
    let profile = settings.profile;
    let address = listener.local_addr().map_err(Failure::work)?;
    let scheme = if settings.identity.is_some() {
        "https"
    } else {
        "http"
    };
    let base = match &settings.public_url {
        Some(url) => url.clone(),
        None => format!("{scheme}://{address}"),
    };
    let mut config = Config::new(virmo::runtime::correlator_prefix());
    config.max_procedures = config.max_procedures.max(steps.len());
    config.wbxml = settings.wbxml;
    if !settings.strict {
        config.compat = Compat::lenient();
        config.limits = Limits::lenient();
    }
    let journal = settings.journal;
    let journal = journal.unwrap_or_else(|| Arc::new(MemoryJournal::new()));
    let mut builder = Server::builder()
        .config(config)
        .journal(Arc::clone(&journal));
    let Proofs { client, server } = settings.proofs;
    builder = builder.accounts(Account::new(client, server));
    if let Some(encoding) = settings.only {
        builder = builder.only(encoding);
    }
    if let Some(folder) = &settings.images {
        let told = (!settings.steps_only).then(|| Arc::clone(output));
        let files = files(folder, &steps, &base)?;
        builder = builder.files(described(files, &base, told)?);
    }
    if let Some(identity) = settings.identity {
        builder = identity.serve(builder);
    }
    let (sender, done) = mpsc::channel();
    let told = Arc::clone(output);
    let (heard, handshakes) = (Arc::clone(output), Mutex::new(Handshakes::default()));
    let teller = Teller {
        output: Arc::clone(output),
        steps_only: settings.steps_only,
        through: Mutex::default(),
        first: Mutex::default(),
        done: sender,
        journal,
    };
    let server = builder
        .programme(move |_, place| {
            steps::procedures(&steps, &base, profile, place).unwrap_or_default()
        })
        .observer(move |event| teller.tell(event))
        .refusals(move |request| {
            told.event(&Event::Error {
                message: format!(
                    "HTTP {} {} from {} was answered with {}",
                    request.method, request.target, request.remote, request.status
                ),
            })
        })
        .failed_handshakes(move |remote, error| {
            let mut handshakes = handshakes.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(message) = handshakes.failed(Instant::now(), remote, error) {
                heard.event(&Event::Error { message });
            }
        })
        .start(listener)
        .map_err(|error| Failure::work(chain(&error)))?;
    Ok((server, done))
}

/// Whether an image of the plan is to be found at this server.
fn is_relative(steps: &[Step]) -> bool {
    steps
        .iter()
        .any(|step| matches!(&step.action, Action::DeliverImage(it) if steps::is_relative(&it.uri)))
}

/// The image folder, each file of the plan under the media type the plan gives it.
fn files(folder: &Path, steps: &[Step], base: &str) -> Result<Files, Failure> {
    if !folder.is_dir() {
        return Err(Failure::usage(format_args!(
            "--images {}: not a folder",
            folder.display()
        )));
    }
    let ours = format!("{base}/images/");
    Ok(steps
        .iter()
        .fold(Files::new(folder), |files, step| match &step.action {
            Action::DeliverImage(it) => match steps::resolve(&it.uri, base).strip_prefix(&ours) {
                Some(name) => files.with_media_type(steps::file_name(name), &it.media_type),
                None => files,
            },
            _ => files,
        }))
}

/// The same, with a descriptor beside each file, whose reports are told.
fn described(files: Files, base: &str, output: Option<Arc<Output>>) -> Result<Files, Failure> {
    let folder = format!("{base}/images/");
    let folder = folder.parse().map_err(Failure::usage)?;
    Ok(files.with_descriptors(folder, move |report| {
        let Some(output) = &output else { return };
        output.event(&Event::Install {
            file: report.file.to_owned(),
            status: report.status.get(),
            text: report.status.text(),
            from: report.remote.to_string(),
        });
    }))
}

/// How a step got on, in the words of the program.
fn advance(progress: ProcedureProgress) -> Option<Advance> {
    Some(match progress {
        ProcedureProgress::Begun => Advance::Begun,
        ProcedureProgress::Resumed => Advance::Resumed,
        ProcedureProgress::Sent { commands, .. } => Advance::Sent { commands },
        ProcedureProgress::Retried { commands, .. } => Advance::Retried { commands },
        ProcedureProgress::Accepted { uri, .. } => Advance::Accepted { uri },
        ProcedureProgress::TimedOut { limit, .. } => Advance::TimedOut {
            seconds: limit.as_secs(),
        },
        _ => return None,
    })
}

/// Tells what happens on a server.
struct Teller {
    output: Arc<Output>,
    steps_only: bool,
    /// The devices that are through, in a session that goes on: whether every step succeeded.
    through: Mutex<BTreeMap<String, bool>>,
    /// The device that came first.
    first: Mutex<Option<Origin>>,
    done: Sender<bool>,
    /// Holds the nonces.
    journal: Arc<dyn Journal>,
}

impl Teller {
    fn tell(&self, event: ServerEvent) {
        let ServerEvent {
            device,
            session,
            kind,
            ..
        } = event;
        let origin = self.origin(&device);
        match kind {
            EventKind::ProcedureFinished {
                report, procedure, ..
            } => {
                let Some(step) = Planned::of(procedure) else {
                    return;
                };
                let over = step.over(report.ok);
                if !step.skipped {
                    self.output.event(&Event::Step {
                        index: step.index,
                        ok: report.ok,
                        status: report.status.map(|status| status.get()),
                        value: report.value,
                        children: report.children,
                        result: report.result,
                        detail: report.detail,
                        device: Some(origin),
                        label: step.label,
                    });
                }
                // The program may end as soon as it is told so.
                match over {
                    // Its time was over, and no session is to end.
                    Some(ok) if session.is_empty() => {
                        let _ = self.done.send(ok);
                    }
                    Some(ok) => {
                        self.through().insert(device.to_string(), ok);
                    }
                    None => {}
                }
            }
            EventKind::SessionEnded(end) => {
                if !self.steps_only {
                    self.output.event(&Event::Session {
                        id: session.to_string(),
                        result: Some(end.to_string()),
                        device: Some(device.to_string()),
                        nonce: self.nonce(&device),
                    });
                }
                // Only now has the device heard that the plan is over.
                if let Some(ok) = self.through().remove(&*device) {
                    // Nobody listens any more when the program is about to end.
                    let _ = self.done.send(ok);
                }
            }
            // Nobody knows a nonce before the first challenge.
            EventKind::Refused(StatusCode::AUTHENTICATION_REQUIRED) if self.steps_only => {}
            EventKind::Refused(StatusCode::AUTHENTICATION_REQUIRED) => {
                let device = device.to_string();
                self.output.event(&Event::Challenge { device });
            }
            EventKind::Refused(StatusCode::NOT_FOUND) => {
                self.output.event(&Event::UnknownSession {
                    device: device.to_string(),
                    id: session.to_string(),
                });
            }
            EventKind::Refused(status) => {
                self.error(format!(
                    "a message of {device} was not processed: {status:?}"
                ));
            }
            EventKind::RecordDamaged { space } => {
                let space = space.name();
                self.error(format!(
                    "what was kept of {device} in {space:?} was damaged and is set aside: it goes on without"
                ));
            }
            EventKind::Violation(violation) => {
                self.error(format!("{device} broke the protocol: {violation}"));
            }
            _ if self.steps_only => {}
            EventKind::SessionStarted { .. } => {
                self.output.say(Event::Session {
                    id: session.to_string(),
                    result: None,
                    device: Some(device.to_string()),
                    nonce: None,
                });
            }
            EventKind::Command {
                name, uri, status, ..
            } => self.output.event(&Event::Command {
                name: name.into_owned(),
                uri,
                status: status.get(),
                device: Some(origin),
            }),
            EventKind::Alert { alert, .. } => self.output.event(&Event::Alert {
                alert_type: alert.alert_type,
                source: alert.source,
                delivered: None,
                device: Some(origin),
            }),
            EventKind::ClientEvent(event) => self.output.event(&Event::Alert {
                alert_type: event.event_type,
                source: event.source,
                delivered: None,
                device: Some(origin),
            }),
            EventKind::Progress {
                step: Some(index),
                progress,
                ..
            } => {
                if let Some(what) = advance(progress) {
                    self.output.event(&Event::Progress {
                        device: origin,
                        index,
                        what,
                    });
                }
            }
            _ => {}
        }
    }

    fn origin(&self, device: &str) -> Origin {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let first = &mut *first;
        let known = first.get_or_insert_with(|| Origin {
            device: device.to_owned(),
            of_several: false,
        });
        known.of_several |= known.device != device;
        Origin {
            device: device.to_owned(),
            of_several: known.of_several,
        }
    }

    /// What a notification to a device is signed with, if a nonce is.
    fn nonce(&self, device: &str) -> Option<String> {
        let nonces = Nonces::new(Arc::clone(&self.journal), NoRandom);
        let nonce = nonces.load(device).ok()?.notification?;
        Some(base64::encode(nonce.expose()))
    }

    fn through(&self) -> MutexGuard<'_, BTreeMap<String, bool>> {
        self.through.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, message: String) {
        self.output.event(&Event::Error { message });
    }
}
