use std::{collections::BTreeMap, sync::Arc, time::Duration};

use omadm_client::{
    ApiMisuse, Client, Config, Event, Input, Output, Question, QuestionId, Received, Request,
    SessionEnd, Start, StartError, TransportFailure,
};
use omadm_core::{StatusCode, UserAnswer};
use omadm_mo::{Job, JobEnd, JobId, Registry};
use omadm_session::command_status;
use omadm_syncml::{Command, Message};
use omadm_tree::{Tree, Uri};

use crate::{Clock, LampLog, SERVER_ID, SERVER_URL, Script, TestJournal, device, uri};

/// A device on a bench: its server is played by a [`Script`], its jobs wait until they are ended,
/// its clock stands still until it is moved.
#[derive(Debug)]
pub struct Bench {
    /// The device.
    pub client: Client,
    /// The time.
    pub clock: Clock,
    /// What is durable.
    pub journal: TestJournal,
    /// What happens to the lamp.
    pub lamp: LampLog,
    /// The server.
    pub script: Script,
    /// The message that awaits its answer.
    pub request: Option<Request>,
    /// The jobs that were handed out and have not ended.
    pub jobs: BTreeMap<JobId, Job>,
    /// The question that is open.
    pub question: Option<Question>,
    /// The questions that were taken back.
    pub withdrawn: Vec<QuestionId>,
    /// What the client told.
    pub events: Vec<Event>,
    /// How sessions ended.
    pub ended: Vec<SessionEnd>,
    config: Config,
    sessions: u16,
}

impl Default for Bench {
    fn default() -> Self {
        Self::new(Self::config())
    }
}

impl Bench {
    /// A new device.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::on(TestJournal::default(), config).unwrap()
    }

    /// A device on a journal, new or as it was left.
    ///
    /// # Errors
    /// The [`StartError`]
    pub fn on(journal: TestJournal, config: Config) -> Result<Self, StartError> {
        let (tree, registry, lamp) = device(&journal);
        Self::with(tree, registry, lamp, journal, config)
    }

    /// A device of these parts, which live on the journal.
    ///
    /// # Errors
    /// The [`StartError`]
    pub fn with(
        tree: Tree,
        registry: Registry,
        lamp: LampLog,
        journal: TestJournal,
        config: Config,
    ) -> Result<Self, StartError> {
        let clock = Clock::default();
        let now = clock.now();
        let client = Client::new(
            config.clone(),
            tree,
            registry,
            Arc::new(journal.clone()),
            now,
        )?
        .with_random(journal.random());
        let mut bench = Self {
            client,
            clock,
            journal,
            lamp,
            script: Script::default(),
            request: None,
            jobs: BTreeMap::new(),
            question: None,
            withdrawn: Vec::new(),
            events: Vec::new(),
            ended: Vec::new(),
            config,
            sessions: 0,
        };
        bench.drain();
        Ok(bench)
    }

    /// The defaults, for the server of [`Script`], in the [`encoding`](crate::encoding) of the run.
    #[must_use]
    pub fn config() -> Config {
        let mut config = Config::new(SERVER_ID.parse().unwrap(), SERVER_URL);
        config.encoding = crate::encoding();
        config
    }

    /// Turns the device off and on again.
    #[must_use]
    pub fn restart(self) -> Self {
        Self::on(self.journal, self.config).unwrap()
    }

    /// Feeds an input and carries out the outputs.
    ///
    /// # Errors
    /// The [`ApiMisuse`]
    pub fn feed(&mut self, input: Input<'_>) -> Result<(), ApiMisuse> {
        self.client.handle(input, self.clock.now())?;
        self.drain();
        Ok(())
    }

    /// Opens a session; package 1.
    pub fn start(&mut self) -> Message<'static> {
        self.sessions += 1;
        self.script = Script {
            encoding: self.config.encoding,
            ..Script::default()
        };
        self.feed(Input::Start(Start::by_client(self.sessions)))
            .unwrap();
        self.read().unwrap()
    }

    /// Opens a session and runs these commands in it as a package; what the device answers.
    pub fn run(
        &mut self,
        commands: impl IntoIterator<Item = Command<'static>>,
    ) -> Message<'static> {
        self.start();
        self.say(commands).unwrap()
    }

    /// Answers with everything acknowledged, and a package of these commands; what the device says.
    pub fn say(
        &mut self,
        commands: impl IntoIterator<Item = Command<'static>>,
    ) -> Option<Message<'static>> {
        let body = self.script.write(commands, true);
        self.deliver(&body)
    }

    /// Answers with these commands and the end of the session; the codes of their statuses.
    pub fn codes(&mut self, commands: impl IntoIterator<Item = Command<'static>>) -> Vec<u16> {
        let answer = self.run(commands);
        self.say([]);
        crate::statuses(&answer)
            .into_iter()
            .map(|(_, code)| code)
            .collect()
    }

    /// Delivers a body; what the device says.
    pub fn deliver(&mut self, body: &[u8]) -> Option<Message<'static>> {
        self.request = None;
        let encoding = self.script.encoding;
        self.feed(Input::Received(Received::new(body, encoding)))
            .unwrap();
        self.read()
    }

    /// Loses the message that awaits its answer.
    pub fn lose(&mut self) {
        self.request = None;
        self.feed(Input::TransportFailed(TransportFailure::Lost))
            .unwrap();
    }

    /// Takes in the message that awaits its answer, if there is one.
    pub fn read(&mut self) -> Option<Message<'static>> {
        let request = self.request.clone()?;
        Some(self.script.read(&request))
    }

    /// Refuses every alert of the message that awaits its answer, and ends the session.
    pub fn refuse_alerts(&mut self, code: StatusCode) {
        let last = self.script.last.clone().unwrap();
        let mut answers = self.script.acknowledge();
        for answer in &mut answers {
            if let Command::Status(status) = answer {
                let alert = last.commands.iter().find(|command| {
                    matches!(command, Command::Alert(alert) if !alert.items.is_empty())
                        && status.cmd_ref == command.cmd_id().into()
                });
                if let Some(alert) = alert {
                    *status = command_status(last.header.msg_id, alert, code);
                }
            }
        }
        let header = self.script.header();
        let body = self.script.write_as(&header, answers, true);
        self.deliver(&body);
    }

    /// Answers the open question; what the device says.
    pub fn answer(&mut self, answer: UserAnswer) -> Option<Message<'static>> {
        let question = self.question.take().expect("nothing is asked").id;
        self.request = None;
        self.feed(Input::Answered { question, answer }).unwrap();
        self.read()
    }

    /// Runs the oldest job to its end.
    pub fn finish_job(&mut self) {
        let (_, job) = self.jobs.pop_first().unwrap();
        let (job, end) = (job.id, JobEnd::Finished(job.run()));
        self.feed(Input::Completed { job, end }).unwrap();
    }

    /// Moves the clock, and wakes the device at each of its deadlines on the way.
    pub fn advance(&mut self, by: Duration) {
        let end = self.clock.now().mono + by;
        while let Some(deadline) = self.client.deadline().filter(|deadline| *deadline <= end) {
            self.clock.advance_to(deadline);
            self.feed(Input::Deadline).unwrap();
        }
        self.clock.advance_to(end);
    }

    /// The value of a leaf as text; `None` if there is no such leaf.
    #[must_use]
    pub fn value(&self, at: &str) -> Option<String> {
        let at: Uri = uri(at);
        self.client.tree().node(&at)?.text().map(str::to_owned)
    }

    /// The whole tree, one node a line with its value, for comparison.
    #[must_use]
    pub fn dump(&self) -> String {
        let mut lines = Vec::new();
        let root = self.client.tree().node(&Uri::root());
        let mut open: Vec<_> = root.into_iter().collect();
        while let Some(node) = open.pop() {
            let acl = node.acl();
            lines.push(format!("{} {:?} {acl}", node.uri(), node.octets()));
            open.extend(node.children().rev());
        }
        lines.join("\n")
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Send(request) => {
                    assert!(
                        self.request.is_none(),
                        "a message awaits its answer already"
                    );
                    self.request = Some(request);
                }
                Output::Run(job) => {
                    self.jobs.insert(job.id, job);
                }
                Output::Ask(question) => {
                    assert_eq!(self.question, None, "a question is open already");
                    self.question = Some(question);
                }
                Output::Withdraw(id) => {
                    let open = self.question.take().map(|question| question.id);
                    assert_eq!(open, Some(id), "another question is open");
                    self.withdrawn.push(id);
                }
                Output::Ended(end) => self.ended.push(end),
                Output::Event(event) => self.events.push(event),
                other => panic!("{other:?}"),
            }
        }
    }
}
