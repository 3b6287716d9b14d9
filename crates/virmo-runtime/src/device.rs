use std::{
    sync::{
        Arc,
        mpsc::{Receiver, Sender},
    },
    time::Duration,
};

use omadm_client::{Client, Input, Output, Received, SessionEnd, Start, TransportFailure};
use omadm_mo::{JobEnd, JobId};

use crate::{
    DeviceEvent, RunError,
    clock::Clocks,
    lanes::Lanes,
    random,
    transport::{Exchanger, Reply},
};

mod builder;

pub use builder::DeviceBuilder;
use builder::Scratch;

/// Called with everything worth telling; on the thread that runs the device, progress of
/// downloads on the download's own thread.
pub type Observer = Arc<dyn Fn(&DeviceEvent) + Send + Sync>;

/// A whole VirMO device: the DM client engine with its objects, a worker for each machine, a
/// thread for the server, the clock.
///
/// ```text
///              +--------------------- Device::run ---------------------+
///   server <---| Exchanger |---> Message --->  omadm_client::Client    |
///              |           |<--- Output::Send ---                      |
///   machines <-|   Lanes   |<--- Output::Run  ---                      |
///              +-------------------------------------------------------+
/// ```
pub struct Device {
    parts: Parts,
    session: Option<u16>,
    last_end: Option<SessionEnd>,
    session_wanted: bool,
}

/// What reaches the thread that runs the device.
pub(crate) enum Message {
    Answer(Result<Reply, TransportFailure>),
    JobEnded(JobId, JobEnd),
    Notified(Start),
    Stop,
}

/// How long [`Device::run`] goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// One whole session. Work that is still open goes on in the background and at the next start
    /// with the same state.
    SessionEnds,
    /// Sessions until no job is under way and no alert waits.
    Idle,
    /// Until a [`Handle`] stops it: a session at the start, one whenever an alert is due or a
    /// notification comes, and one each interval, if there is one.
    Stopped {
        /// The pause between the end of a session and the next, without another reason for one.
        interval: Option<Duration>,
    },
}

/// Reaches a running [`Device`] from other threads.
#[derive(Clone)]
pub struct Handle(Sender<Message>);

impl Handle {
    /// Opens a session for the server's notification, with the SessionID it names; during a
    /// session it has no effect. [DM-Notification §6]
    pub fn notify(&self, session_id: u16) {
        drop(self.0.send(Message::Notified(Start::by_server(session_id))));
    }

    /// Lets [`Device::run`] return after the session that is open, if one is.
    pub fn stop(&self) {
        drop(self.0.send(Message::Stop));
    }
}

/// What a [`DeviceBuilder`] puts together.
struct Parts {
    client: Client,
    clock: Clocks,
    exchanger: Exchanger,
    lanes: Lanes,
    observer: Observer,
    inbox: Receiver<Message>,
    outbox: Sender<Message>,
    /// Dropped last: a temporary folder goes with the device.
    _scratch: Scratch,
}

impl Device {
    fn new(parts: Parts) -> Self {
        Self {
            parts,
            session: None,
            last_end: None,
            session_wanted: false,
        }
    }

    /// A handle for other threads.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(self.parts.outbox.clone())
    }

    /// The client engine, to look at its tree.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.parts.client
    }

    /// Runs the device on the calling thread.
    ///
    /// # Errors
    /// [`RunError`] if a session did not end normally; with [`Until::Stopped`] sessions that fail
    /// are events, and the next one is opened in its time.
    pub fn run(&mut self, until: Until) -> Result<(), RunError> {
        self.drain()?;
        self.open(Start::by_client(random::session_id()))?;
        let mut stopping = false;
        let mut session_over = self.parts.clock.now().mono;
        loop {
            if self.session.is_none() {
                if let Some(end) = self.last_end.take() {
                    session_over = self.parts.clock.now().mono;
                    match until {
                        Until::SessionEnds => return result_of(end),
                        Until::Idle => result_of(end)?,
                        Until::Stopped { .. } => {}
                    }
                }
                if stopping || (until == Until::Idle && self.parts.client.is_idle()) {
                    return Ok(());
                }
                let due = match until {
                    Until::Stopped {
                        interval: Some(interval),
                    } => Some(session_over + interval),
                    _ => None,
                };
                let now = self.parts.clock.now().mono;
                if std::mem::take(&mut self.session_wanted) || due.is_some_and(|due| due <= now) {
                    self.open(Start::by_client(random::session_id()))?;
                    continue;
                }
                match self.receive(due) {
                    Some(Message::Stop) => stopping = true,
                    message => self.take(message)?,
                }
            } else {
                match self.receive(None) {
                    Some(Message::Stop) => stopping = true,
                    message => self.take(message)?,
                }
            }
        }
    }

    /// Waits for a message, the engine's deadline or `due`; `None` for the latter two.
    fn receive(&self, due: Option<Duration>) -> Option<Message> {
        let now = self.parts.clock.now().mono;
        let next = [self.parts.client.deadline(), due]
            .into_iter()
            .flatten()
            .min();
        match next {
            // The device itself holds a sender, so the channel never closes.
            None => self.parts.inbox.recv().ok(),
            Some(next) => self.parts.inbox.recv_timeout(next.saturating_sub(now)).ok(),
        }
    }

    fn take(&mut self, message: Option<Message>) -> Result<(), RunError> {
        match message {
            Some(Message::Answer(Ok(reply))) => {
                self.feed(Input::Received(Received::new(&reply.body, reply.encoding)))
            }
            Some(Message::Answer(Err(failure))) => self.feed(Input::TransportFailed(failure)),
            Some(Message::JobEnded(job, end)) => self.feed(Input::Completed { job, end }),
            Some(Message::Notified(start)) if self.session.is_none() => self.open(start),
            Some(Message::Notified(_) | Message::Stop) => Ok(()),
            None => self.feed(Input::Deadline),
        }
    }

    fn open(&mut self, start: Start) -> Result<(), RunError> {
        self.session = Some(start.session_id);
        self.session_wanted = false;
        (self.parts.observer)(&DeviceEvent::SessionStarted {
            id: start.session_id,
        });
        self.feed(Input::Start(start))
    }

    fn feed(&mut self, input: Input<'_>) -> Result<(), RunError> {
        self.parts
            .client
            .handle(input, self.parts.clock.now())
            .map_err(RunError::Misuse)?;
        self.drain()
    }

    fn drain(&mut self) -> Result<(), RunError> {
        while let Some(output) = self.parts.client.poll_output() {
            match output {
                Output::Send(request) => self.parts.exchanger.send(request),
                Output::Run(job) => self.parts.lanes.run(job),
                Output::Ended(end) => {
                    let id = self.session.take().unwrap_or_default();
                    (self.parts.observer)(&DeviceEvent::SessionEnded {
                        id,
                        end: end.clone(),
                    });
                    self.last_end = Some(end);
                }
                Output::Event(event) => {
                    if event == omadm_client::Event::SessionWanted {
                        self.session_wanted = true;
                    }
                    (self.parts.observer)(&DeviceEvent::Client(event));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn result_of(end: SessionEnd) -> Result<(), RunError> {
    if end.is_normal() {
        Ok(())
    } else {
        Err(RunError::Session(end))
    }
}
