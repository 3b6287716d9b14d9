use std::{collections::VecDeque, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use omadm_client::{
    Client, Config, Event, Input, Notice, Output, QuestionId, Received, Request, SessionEnd, Start,
};
use omadm_core::{UserAnswer, UserInteraction};
use omadm_mo::{Job, JobEnd, ManagementObject};
use omadm_server::{Accounts, EventKind, Everyone, Server};
use omadm_session::{Hmac, Nonces, Procedure, Report};

use crate::{Clock, DEVICE_ID, LampLog, TestJournal, Transcript, Wire, device};

/// Both ends in one process: a device with a [`Lamp`](crate::Lamp), a server, and a [`Wire`]
/// between them.
#[derive(Debug)]
pub struct Pair {
    /// The device.
    pub client: Client,
    /// The server.
    pub server: Server,
    /// The wire.
    pub wire: Wire,
    /// Whether MACs arrive in hexadecimal digits, in both directions.
    pub hex_macs: bool,
    /// The time of both.
    pub clock: Clock,
    /// What is durable on the device.
    pub journal: TestJournal,
    /// What is durable on the server.
    pub server_journal: TestJournal,
    /// What happens to the lamp.
    pub lamp: LampLog,
    /// How sessions ended for the device.
    pub ended: Vec<SessionEnd>,
    /// What the device told.
    pub events: Vec<Event>,
    /// What the procedures came to.
    pub reports: Vec<Report>,
    /// What the server told, but for the reports.
    pub told: Vec<EventKind>,
    /// What the person at the device is going to answer; with nothing here, nobody answers.
    pub answers: VecDeque<UserAnswer>,
    /// What the person was asked.
    pub asked: Vec<UserInteraction>,
    /// The largest message of the device so far, in bytes.
    pub largest: usize,
    /// What both said; messages that arrived cut are not in it.
    pub transcript: Transcript,
    config: Config,
    objects: Objects,
    requests: VecDeque<Request>,
    jobs: VecDeque<Job>,
    question: Option<QuestionId>,
    sessions: u16,
}

/// The objects of a device beside the usual ones, on its journal.
type Objects = fn(&TestJournal) -> Vec<Box<dyn ManagementObject>>;

impl Pair {
    /// A new device and a server.
    #[must_use]
    pub fn new(
        client: Config,
        server: omadm_server::Config,
        accounts: impl Accounts + 'static,
        wire: Wire,
    ) -> Self {
        let clock = Clock::default();
        let (journal, server_journal) = (TestJournal::default(), TestJournal::default());
        let objects: Objects = |_| Vec::new();
        let (engine, lamp) = build(client.clone(), objects, &journal, clock);
        Self {
            client: engine,
            server: engine_on(&server_journal, server, accounts),
            server_journal,
            wire,
            hex_macs: false,
            clock,
            journal,
            lamp,
            ended: Vec::new(),
            events: Vec::new(),
            reports: Vec::new(),
            told: Vec::new(),
            answers: VecDeque::new(),
            asked: Vec::new(),
            largest: 0,
            transcript: Transcript::default(),
            config: client,
            objects,
            requests: VecDeque::new(),
            jobs: VecDeque::new(),
            question: None,
            sessions: 0,
        }
    }

    /// The defaults of both ends, nothing proven in messages.
    #[must_use]
    pub fn plain(wire: Wire) -> Self {
        Self::new(
            crate::Bench::config(),
            omadm_server::Config::new("c"),
            Everyone,
            wire,
        )
    }

    /// Has the device further objects, from a start on.
    #[must_use]
    pub fn with_objects(mut self, objects: Objects) -> Self {
        self.objects = objects;
        self.restart();
        self
    }

    /// Has the server do something on the device.
    pub fn enqueue(&mut self, procedure: impl Procedure + 'static) {
        self.server.enqueue(DEVICE_ID, Box::new(procedure)).unwrap();
    }

    /// Opens a session.
    pub fn open(&mut self) {
        self.sessions += 1;
        self.feed(Input::Start(Start::by_client(self.sessions)));
    }

    /// Gives the device news for the server.
    pub fn queue(&mut self, notice: Notice) {
        self.feed(Input::Queue(notice));
    }

    /// Hands the device a notification.
    pub fn notify(&mut self, octets: &[u8]) {
        self.feed(Input::Notification(octets));
    }

    /// Opens a session and runs it to its end.
    pub fn session(&mut self) {
        self.sessions += 1;
        self.session_of(Start::by_client(self.sessions));
    }

    /// Opens a session in this way and runs it to its end.
    pub fn session_of(&mut self, start: Start) {
        self.feed(Input::Start(start));
        while self.client.in_session() {
            self.step();
        }
    }

    /// Sessions until the server has nothing left to do and the device neither; jobs end in
    /// between.
    pub fn settle(&mut self) {
        for _ in 0..1000 {
            if self.server.waiting(DEVICE_ID) == 0 && self.client.is_idle() {
                return;
            }
            self.session();
            while let Some(job) = self.jobs.pop_front() {
                self.finish(job);
            }
        }
        panic!("the two never come to an end: {self:?}");
    }

    /// Turns the device off in the middle of whatever it does, and on again.
    pub fn restart(&mut self) {
        (self.client, self.lamp) =
            build(self.config.clone(), self.objects, &self.journal, self.clock);
        self.requests.clear();
        self.jobs.clear();
        self.question = None;
        self.drain();
    }

    /// Turns the server off, and on again with these settings.
    pub fn restart_server(
        &mut self,
        config: omadm_server::Config,
        accounts: impl Accounts + 'static,
    ) {
        self.server = engine_on(&self.server_journal, config, accounts);
    }

    /// One thing happens: a message is carried, or a job ends, or somebody answers, or time passes.
    pub fn step(&mut self) {
        if let Some(request) = self.requests.pop_front() {
            self.exchange(&request);
        } else if let Some(job) = self.jobs.pop_front() {
            self.finish(job);
        } else if let Some(answer) = self.question.and_then(|_| self.answers.pop_front()) {
            let question = self.question.take().unwrap();
            self.feed(Input::Answered { question, answer });
        } else {
            let deadline = self.client.deadline().expect("something has to happen");
            self.clock.advance_to(deadline);
            self.feed(Input::Deadline);
        }
    }

    fn exchange(&mut self, request: &Request) {
        self.largest = self.largest.max(request.body.len());
        let (server, now) = (&mut self.server, self.clock.now());
        let hex = self.hex_macs;
        let spelled = |hmac: Option<&str>| hmac.map(|it| if hex { in_hex(it) } else { it.into() });
        let mut told = Vec::new();
        let transcript = &mut self.transcript;
        let answer = self.wire.carry(request, |body| {
            let message = omadm_server::Request::new(body, request.encoding, now);
            let hmac = spelled(request.hmac.as_deref());
            let message = message.with_hmac(hmac.as_deref());
            let mut receipt = server.receive(message).ok()?;
            told.extend(receipt.take_events());
            let response = server.respond(receipt).ok()?;
            told.extend(response.events);
            transcript.note(true, body, request.encoding);
            transcript.note(false, &response.body, request.encoding);
            Some((response.body, response.hmac))
        });
        for event in told {
            match event.kind {
                EventKind::ProcedureFinished { report, .. } => self.reports.push(report),
                kind => self.told.push(kind),
            }
        }
        match answer {
            Ok((body, hmac)) => {
                let received = Received::new(&body, request.encoding);
                let hmac = spelled(hmac.as_deref());
                self.feed(Input::Received(received.with_hmac(hmac.as_deref())));
            }
            Err(failure) => self.feed(Input::TransportFailed(failure)),
        }
    }

    fn finish(&mut self, job: Job) {
        let (job, end) = (job.id, JobEnd::Finished(job.run()));
        self.feed(Input::Completed { job, end });
    }

    fn feed(&mut self, input: Input<'_>) {
        self.client.handle(input, self.clock.now()).unwrap();
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Send(request) => self.requests.push_back(request),
                Output::Run(job) => self.jobs.push_back(job),
                Output::Ask(question) => {
                    self.question = Some(question.id);
                    self.asked.push(question.asked);
                }
                Output::Withdraw(_) => self.question = None,
                Output::Ended(end) => self.ended.push(end),
                Output::Event(event) => self.events.push(event),
                other => panic!("{other:?}"),
            }
        }
    }
}

fn engine_on(
    journal: &TestJournal,
    config: omadm_server::Config,
    accounts: impl Accounts + 'static,
) -> Server {
    let nonces = Nonces::new(Arc::new(journal.clone()), journal.random());
    let server = Server::new(config, accounts).with_nonces(nonces);
    server.keeping_devices().unwrap()
}

fn build(
    config: Config,
    objects: Objects,
    journal: &TestJournal,
    clock: Clock,
) -> (Client, LampLog) {
    let (tree, mut registry, lamp) = device(journal);
    for object in objects(journal) {
        registry.mount(object).unwrap();
    }
    let durable = Arc::new(journal.clone());
    let client = Client::new(config, tree, registry, durable, clock.now()).unwrap();
    (client.with_random(journal.random()), lamp)
}

/// The value of the MAC header with the base64 of hexadecimal digits.
fn in_hex(header: &str) -> String {
    let hmac: Hmac = header.parse().unwrap();
    let octets = hmac.mac().expose().iter();
    let digits: String = octets.map(|octet| format!("{octet:02x}")).collect();
    let digits = STANDARD.encode(digits);
    format!(
        "algorithm=MD5, username=\"{}\", mac={digits}",
        hmac.username()
    )
}
