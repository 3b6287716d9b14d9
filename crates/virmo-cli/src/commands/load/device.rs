use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use virmo::{
    client::{Policy, VirmoClient},
    dm::{
        client::{
            ApiMisuse, Client, Config, Event, Input, Output, Received, Request, SessionEnd, Start,
            TransportFailure,
        },
        core::{Journal, MemoryJournal, Now},
        download::{Cancel, Fetch, MemorySink},
        http::{HttpTransport, Post, SystemClock, TransportErrorKind},
        mo::{Account, DevDetail, DevInfo, JobEnd, Registry},
        session::Proof,
        tree::{Acl, Tree, TreeLimits, Uri, Value},
    },
    runtime::{Unattended, UserInterface},
};

use super::{limit::Limited, machines::Machines, tally::Tally};
use crate::{commands::device::chain, failure::Failure};

/// What one device keeps of images at most, in bytes; more does not fit on it.
const IMAGES: u64 = 16 << 20;

/// Why a session failed that panicked.
const FAULT: &str = "a fault of this program";

/// What all devices have in common.
pub(super) struct Model {
    pub(super) config: Config,
    pub(super) prefix: String,
    /// The name of a device, if it proves itself.
    pub(super) user: Option<String>,
    pub(super) virmo: bool,
    pub(super) policy: Policy,
    pub(super) fetch: Arc<dyn Fetch>,
    pub(super) clock: Clock,
}

/// Both clocks of the machine.
#[derive(Clone, Copy)]
pub(super) struct Clock(pub(super) Instant);

impl Clock {
    fn now(self) -> Now {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Now {
            wall: wall.unwrap_or_default(),
            mono: self.0.elapsed(),
        }
    }
}

/// One device, all of it in memory and without a thread: whoever holds a session with it does its
/// work meanwhile.
pub(super) struct Device {
    client: Client,
    fetch: Arc<Limited>,
    /// Of a session.
    limit: Duration,
    clock: Clock,
    next_session: u16,
    pub(super) sessions: u32,
}

/// The way to the server that one thread has, over a connection of its own.
pub(super) struct Link {
    pub(super) transport: HttpTransport,
    pub(super) cancel: Cancel,
}

impl Model {
    /// The device with this number.
    pub(super) fn device(&self, number: u32) -> Result<Device, Failure> {
        let mut config = self.config.clone();
        if let (Some(user), virmo::dm::client::Auth::Given { client, .. }) =
            (&self.user, &mut config.auth)
            && let Some(proof) = client
        {
            let name = user.replace("{n}", &number.to_string());
            let password = proof.credentials().secret.clone();
            *proof = Proof::new(proof.scheme(), name, password);
        }
        let journal: Arc<dyn Journal> = Arc::new(MemoryJournal::new());
        let fetch = Arc::new(Limited::new(Arc::clone(&self.fetch)));
        let limit = config.session_limit;
        let (tree, registry) = self
            .objects(number, &config, &journal, Arc::clone(&fetch) as _)
            .map_err(|error| Failure::work(chain(&*error)))?;
        let client = Client::new(config, tree, registry, journal, self.clock.now())
            .map_err(|error| Failure::work(chain(&error)))?;
        Ok(Device {
            client,
            fetch,
            limit,
            clock: self.clock,
            next_session: virmo::runtime::session_id(),
            sessions: 0,
        })
    }

    fn objects(
        &self,
        number: u32,
        config: &Config,
        journal: &Arc<dyn Journal>,
        fetch: Arc<dyn Fetch>,
    ) -> Result<(Tree, Registry), Box<dyn std::error::Error>> {
        let version = || env!("CARGO_PKG_VERSION").to_owned();
        let server = config.server_id.as_str();
        let limits = TreeLimits::default();
        let info = DevInfo {
            dev_id: format!("{}{number}", self.prefix),
            man: "virmo".to_owned(),
            model: "simulated device".to_owned(),
            dmv: version(),
            lang: "en".to_owned(),
        };
        let detail = DevDetail {
            dev_typ: "virtualization host".to_owned(),
            oem: info.man.clone(),
            fwv: version(),
            swv: version(),
            hwv: version(),
            lrg_obj: true,
            uri: limits.uri,
        };
        let account = Account::new(config.server_id.clone(), config.server_url.clone());
        let address = Uri::root()
            .child(server)?
            .join(&Uri::parse("AppAddr/1/Addr")?);
        let accounts =
            Account::objects([(server, &account)])?.with(address, Value::chr(&config.server_url));
        let mut registry = Registry::new();
        registry.mount(Box::new(info.object()))?;
        registry.mount(Box::new(detail.object()))?;
        registry.mount(Box::new(accounts))?;
        if self.virmo {
            let virmo = VirmoClient::builder(
                Arc::new(Machines::new()),
                fetch,
                Arc::new(MemorySink::with_capacity(IMAGES)),
                Arc::clone(journal),
                Arc::new(SystemClock::new()),
            );
            registry.mount(Box::new(virmo.policy(self.policy.clone()).build()?))?;
        }
        let acl: Acl =
            format!("Add=*&Delete={server}&Exec={server}&Get=*&Replace={server}").parse()?;
        Ok((Tree::load(&**journal, limits, acl)?, registry))
    }
}

impl Device {
    /// Holds one whole session, with all the work it brings; whether it was completed.
    pub(super) fn session(&mut self, link: &Link, tally: &Tally) -> bool {
        tally.begin();
        let started = Instant::now();
        let mut lost = None;
        self.fetch.begin(self.limit);
        let hold = AssertUnwindSafe(|| self.hold(link, tally, &mut lost));
        let held = catch_unwind(hold);
        self.sessions += 1;
        let failure = match held {
            Err(_) => Some(FAULT.to_owned()),
            Ok(Ok(SessionEnd::Completed)) if self.fetch.was_cut() => {
                Some(SessionEnd::TooLong.to_string())
            }
            Ok(Ok(SessionEnd::Completed)) => None,
            // What the transport says is more to the point.
            Ok(Ok(SessionEnd::TransportFailed(_))) if lost.is_some() => lost,
            Ok(Ok(end)) => Some(end.to_string()),
            Ok(Err(misuse)) => Some(misuse.to_string()),
        };
        let completed = failure.is_none();
        tally.end(started.elapsed(), failure);
        completed
    }

    fn hold(
        &mut self,
        link: &Link,
        tally: &Tally,
        lost: &mut Option<String>,
    ) -> Result<SessionEnd, ApiMisuse> {
        let mut due = VecDeque::new();
        let mut ended = None;
        self.drain(&mut due, &mut ended, tally);
        let id = self.next_session;
        self.next_session = id.wrapping_add(1).max(1);
        let mut input = Input::Start(Start::by_client(id));
        let mut answer;
        loop {
            self.client.handle(input, self.clock.now())?;
            self.drain(&mut due, &mut ended, tally);
            input = match due.pop_front() {
                Some(Output::Send(request)) => match exchange(&request, link, tally) {
                    Ok(reply) => {
                        answer = reply;
                        let received = Received::new(&answer.body, answer.encoding);
                        Input::Received(received.with_hmac(answer.hmac.as_deref()))
                    }
                    Err((failure, reason)) => {
                        *lost = Some(reason);
                        Input::TransportFailed(failure)
                    }
                },
                Some(Output::Run(job)) => {
                    let id = job.id;
                    let end = match catch_unwind(AssertUnwindSafe(|| job.run())) {
                        Ok(output) => JobEnd::Finished(output),
                        Err(_) => JobEnd::Lost,
                    };
                    Input::Completed { job: id, end }
                }
                Some(Output::Ask(question)) => Input::Answered {
                    question: question.id,
                    answer: Unattended::Reject.ask(&question.asked, &link.cancel),
                },
                Some(_) => Input::Deadline,
                None => match ended {
                    Some(end) => return Ok(end),
                    None => {
                        self.sleep();
                        Input::Deadline
                    }
                },
            };
        }
    }

    /// Until the engine wants to be woken.
    fn sleep(&self) {
        let now = self.clock.now().mono;
        let until = self.client.deadline().unwrap_or(now);
        thread::sleep(until.saturating_sub(now).max(Duration::from_millis(1)));
    }

    fn drain(&mut self, due: &mut VecDeque<Output>, ended: &mut Option<SessionEnd>, tally: &Tally) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Ended(end) => *ended = Some(end),
                Output::Event(Event::Command { .. }) => tally.command(),
                // What waits for news only would wait here for ever.
                Output::Run(job) if job.background => {}
                Output::Send(_) | Output::Run(_) | Output::Ask(_) => due.push_back(output),
                _ => {}
            }
        }
    }
}

/// Sends a message, once, and waits for the answer.
fn exchange(
    request: &Request,
    link: &Link,
    tally: &Tally,
) -> Result<virmo::dm::http::Reply, (TransportFailure, String)> {
    let mut post = Post::new(&request.url, request.encoding, &request.body);
    post.hmac = request.hmac.as_deref();
    post.timeout = Some(request.timeout);
    let bytes = request.body.len();
    tally.request(bytes);
    let started = Instant::now();
    let reply = link.transport.post(&post, &link.cancel);
    let took = started.elapsed();
    match reply {
        Ok(reply) => {
            tally.answer(took, reply.body.len());
            Ok(reply)
        }
        Err(error) => {
            let kind = error.kind();
            let reason = match kind {
                // What is wrong with the certificate.
                TransportErrorKind::Tls => format!("{}: {}", host(&request.url), chain(&error)),
                _ if kind.is_unsent() => format!("{}: {kind}", host(&request.url)),
                _ => kind.to_string(),
            };
            match kind.is_unsent() {
                true => tally.unsent(bytes, &reason),
                false => tally.lost(&reason),
            }
            let failure = match kind.is_transient() {
                true => TransportFailure::Lost,
                false => TransportFailure::Refused,
            };
            Err((failure, reason))
        }
    }
}

/// Where a message was to go, for people: host and port, and no password.
fn host(url: &str) -> &str {
    let rest = url.split_once("//").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host)
}
