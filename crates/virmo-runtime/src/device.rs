use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender},
    },
    time::Duration,
};

use omadm_client::{Client, Event, Input, Output, QuestionId, Received, SessionEnd, Start};
use omadm_core::{Backoff, UserAnswer};
use omadm_mo::{JobEnd, JobId};
use virmo_client::Users;

use crate::clock::Clocks;

mod builder;
mod error;
mod event;
mod interface;
mod lanes;
mod state;
mod transport;

pub use builder::DeviceBuilder;
use builder::Scratch;
pub use error::{BuildError, RunError};
pub use event::DeviceEvent;
use interface::{Asker, Shared};
pub use interface::{Unattended, UserInterface};
use lanes::Lanes;
pub use state::{DeviceState, StateError};
use transport::Exchanger;
pub use transport::{ExchangeError, Reply, Transport};

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
///   person   <-|   Asker   |<--- Output::Ask  ---                      |
///              +-------------------------------------------------------+
/// ```
///
/// # Start
///
/// What the last run left open is taken up when the device is built. A session begins when that
/// has come to an end, but for downloads, which go on beside it; a hypervisor that hangs keeps it
/// waiting for [`Config::exec_limit`](omadm_client::Config::exec_limit) at the most.
///
/// # End
///
/// A device may be dropped, and its process killed, at any moment: what it promised is in its
/// state. Dropping it stops its downloads; a call of the hypervisor that is under way goes on, and
/// holds on to the state until it returns.
pub struct Device {
    parts: Parts,
    next_session: u16,
    session: Option<u16>,
    last_end: Option<SessionEnd>,
    session_wanted: bool,
    /// The session that a notification asks for.
    notified: Option<Start>,
    /// When the last session ended, monotonic.
    session_over: Duration,
    /// How many sessions in a row did not end normally.
    failures: u32,
}

/// What reaches the thread that runs the device.
enum Message {
    Answer(Result<Reply, ExchangeError>),
    JobEnded(JobId, JobEnd),
    Answered(QuestionId, UserAnswer),
    Notification(Vec<u8>),
    Stop,
    Abort,
}

/// How long [`Device::run`] goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// One whole session. Work that is still open goes on at the next
    /// [`run`](Device::run), or the next start with the same state.
    SessionEnds,
    /// Sessions until no job is under way and no alert waits. A job that was given up is not
    /// waited for.
    Idle,
    /// Until a [`Handle`] stops it: a session at the start, one whenever an alert is due or a
    /// notification comes, one each interval, if there is one, and one after each that failed,
    /// with the pauses of [`Config::alert_retry`](omadm_client::Config::alert_retry).
    Stopped {
        /// The pause between the end of a session and the next, without another reason for one.
        interval: Option<Duration>,
    },
}

/// Reaches a running [`Device`] from other threads; without effect when it is gone.
#[derive(Clone, Debug)]
pub struct Handle {
    outbox: Sender<Message>,
    notifications: Arc<AtomicUsize>,
}

/// How many notifications wait for the thread that runs the device; more are dropped.
const MAX_NOTIFICATIONS: usize = 64;

impl Handle {
    /// Hands in a notification, package 0, as it came, from whomever: the device verifies it, and
    /// opens a session if it is from the server and new, after the one that is open.
    /// [DM-Notification]
    pub fn notify(&self, notification: impl Into<Vec<u8>>) {
        let waiting = self.notifications.fetch_add(1, Ordering::Relaxed);
        let message = Message::Notification(notification.into());
        if waiting >= MAX_NOTIFICATIONS || self.outbox.send(message).is_err() {
            self.notifications.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Lets [`Device::run`] return after the session that is open, if one is.
    pub fn stop(&self) {
        drop(self.outbox.send(Message::Stop));
    }

    /// Lets [`Device::run`] return now, without an error: the session that is open is cut off, as if
    /// the process were killed. The device can only be dropped then.
    pub fn abort(&self) {
        drop(self.outbox.send(Message::Abort));
    }
}

/// What a [`DeviceBuilder`] puts together.
struct Parts {
    client: Client,
    users: Users,
    clock: Clocks,
    /// The pauses after sessions that failed.
    retry: Backoff,
    exchanger: Exchanger,
    lanes: Lanes,
    asker: Asker,
    observer: Observer,
    inbox: Receiver<Message>,
    outbox: Sender<Message>,
    /// How many notifications are in the inbox.
    notifications: Arc<AtomicUsize>,
    /// Dropped last: a temporary folder goes with the device.
    _scratch: Scratch,
}

/// What follows while no session is open.
enum Next {
    Session,
    /// Something happens, or this moment comes, monotonic.
    Wait(Option<Duration>),
    Return(Result<(), RunError>),
}

impl Device {
    fn new(parts: Parts, first_session: u16) -> Self {
        Self {
            session_over: parts.clock.now().mono,
            parts,
            next_session: first_session,
            session: None,
            last_end: None,
            session_wanted: false,
            notified: None,
            failures: 0,
        }
    }

    /// A handle for other threads.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle {
            outbox: self.parts.outbox.clone(),
            notifications: Arc::clone(&self.parts.notifications),
        }
    }

    /// What the user of the device may do to its VMs, for the program they see; from any thread.
    #[must_use]
    pub fn users(&self) -> Users {
        self.parts.users.clone()
    }

    /// The client engine, to look at its tree.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.parts.client
    }

    /// Runs the device on the calling thread, beginning with a session.
    ///
    /// # Errors
    /// [`RunError`] if a session did not end normally, and, with [`Until::Idle`], if the server
    /// refuses alerts. With [`Until::Stopped`] neither ends it.
    pub fn run(&mut self, until: Until) -> Result<(), RunError> {
        self.drain();
        self.open_next()?;
        let mut stopping = false;
        loop {
            let due = if self.session.is_some() {
                None
            } else {
                match self.next(until, stopping) {
                    Next::Session => {
                        self.open_next()?;
                        continue;
                    }
                    Next::Wait(due) => due,
                    Next::Return(result) => return result,
                }
            };
            match self.receive(due) {
                Some(Message::Stop) => stopping = true,
                Some(Message::Abort) => return Ok(()),
                message => self.take(message)?,
            }
        }
    }

    fn next(&mut self, until: Until, stopping: bool) -> Next {
        if let Some(end) = self.last_end.take() {
            self.session_over = self.parts.clock.now().mono;
            self.failures = match end.is_normal() {
                true => 0,
                false => self.failures.saturating_add(1),
            };
            match until {
                Until::Idle if end.is_normal() => {}
                Until::SessionEnds | Until::Idle => return Next::Return(result_of(end)),
                Until::Stopped { interval } if self.failures > 0 && !stopping => {
                    let pause = self.pause(interval).unwrap_or_default();
                    (self.parts.observer)(&DeviceEvent::SessionPutOff { pause });
                }
                Until::Stopped { .. } => {}
            }
        }
        if stopping {
            return Next::Return(Ok(()));
        }
        if self.session_wanted || self.notified.is_some() {
            return Next::Session;
        }
        let client = &self.parts.client;
        match until {
            Until::Idle if client.open_jobs() == 0 => Next::Return(match client.queued_alerts() {
                0 => Ok(()),
                _ => Err(RunError::AlertsRefused),
            }),
            Until::Idle | Until::SessionEnds => Next::Wait(None),
            Until::Stopped { interval } => {
                let pause = self.pause(interval);
                let due = pause.map(|pause| self.session_over.saturating_add(pause));
                match due {
                    Some(due) if due <= self.parts.clock.now().mono => Next::Session,
                    due => Next::Wait(due),
                }
            }
        }
    }

    /// From the end of a session to the next, without another reason for one.
    fn pause(&self, interval: Option<Duration>) -> Option<Duration> {
        let retry = self.parts.retry.pause(self.failures);
        let retry = Some(retry).filter(|_| self.failures > 0);
        [interval, retry].into_iter().flatten().min()
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
                let received = Received::new(&reply.body, reply.encoding)
                    .with_hmac(reply.hmac.as_deref())
                    .with_identity(reply.identity.as_ref());
                self.feed(Input::Received(received))
            }
            Some(Message::Answer(Err(error))) => {
                (self.parts.observer)(&DeviceEvent::ExchangeFailed {
                    failure: error.failure(),
                    reason: error.to_string(),
                });
                self.feed(Input::TransportFailed(error.failure()))
            }
            Some(Message::JobEnded(job, end)) => self.feed(Input::Completed { job, end }),
            Some(Message::Answered(question, answer)) => {
                self.feed(Input::Answered { question, answer })
            }
            Some(Message::Notification(octets)) => {
                self.parts.notifications.fetch_sub(1, Ordering::Relaxed);
                self.feed(Input::Notification(&octets))
            }
            Some(Message::Stop | Message::Abort) => Ok(()),
            None => self.feed(Input::Deadline),
        }
    }

    /// Opens the session that a notification asks for, else one of the device's own.
    fn open_next(&mut self) -> Result<(), RunError> {
        if let Some(start) = self.notified.take() {
            return self.open(start);
        }
        let id = self.next_session;
        self.next_session = id.wrapping_add(1).max(1);
        self.open(Start::by_client(id))
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
        self.drain();
        Ok(())
    }

    fn drain(&mut self) {
        while let Some(output) = self.parts.client.poll_output() {
            match output {
                Output::Send(request) => self.parts.exchanger.send(request),
                Output::Run(job) => self.parts.lanes.run(job),
                Output::Ask(question) => self.parts.asker.ask(question),
                Output::Withdraw(question) => self.parts.asker.withdraw(question),
                Output::Ended(end) => {
                    let id = self.session.take().unwrap_or_default();
                    (self.parts.observer)(&DeviceEvent::SessionEnded {
                        id,
                        end: end.clone(),
                    });
                    self.last_end = Some(end);
                }
                Output::Event(event) => {
                    match &event {
                        Event::SessionWanted => self.session_wanted = true,
                        Event::Notified(notified) => self.notified = Some(notified.start),
                        _ => {}
                    }
                    (self.parts.observer)(&DeviceEvent::Client(event));
                }
                _ => {}
            }
        }
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("client", &self.parts.client)
            .field("session", &self.session)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

fn result_of(end: SessionEnd) -> Result<(), RunError> {
    if end.is_normal() {
        Ok(())
    } else {
        Err(RunError::Session(end))
    }
}
