use std::{fmt, sync::Arc, time::Duration};

use omadm_core::{Journal, Now};
use omadm_mo::{JobEnd, Registry};
use omadm_session::{NoRandom, Nonces, Random};
use omadm_tree::{Principal, Tree};

use crate::{
    ApiMisuse, Config, Event, Input, Output, SessionEnd, StartError,
    device::Device,
    notification::Notifications,
    phase::{Core, Phase},
    session::check_dev_info,
};

/// A DM client: the management tree of a device, its objects, and the sessions with its server.
/// [DM-Protocol]
///
/// It reads no clock, opens no connection and starts no thread. Whoever embeds it drives it:
///
/// 1. [`Client::new`] starts the objects. They may ask for jobs at once, so continue with 3.
/// 2. [`handle`](Self::handle) feeds one [`Input`]: what happened, and when.
/// 3. [`poll_output`](Self::poll_output) is called until it returns `None`; each [`Output`] is
///    carried out. Feeding the next input before that is [`ApiMisuse::UndrainedOutput`].
/// 4. [`deadline`](Self::deadline) says until when to wait for the next thing to happen; when the
///    moment comes first, feed [`Input::Deadline`].
/// 5. Back to 2.
///
/// Each [`Output::Send`] is followed by [`Input::Received`] or [`Input::TransportFailed`], each
/// [`Output::Run`] by [`Input::Completed`], each [`Output::Ask`] by [`Input::Answered`], at any
/// later time and in any order. Outside a session
/// the client goes on with its jobs, and asks for a session by
/// [`Event::SessionWanted`](crate::Event::SessionWanted) when an alert is due. It may be dropped at
/// any moment: what it promised is in the journal.
///
/// A session begins when no [job that comes before sessions](omadm_mo::Job::before_sessions) is
/// under way, at the latest [`Config::exec_limit`] after its [`Input::Start`]: what the objects
/// find out after a start is in the tree before a server looks, and one that hangs does not keep
/// the server away.
pub struct Client {
    core: Core,
    phase: Phase,
    notifications: Notifications,
    /// A session was asked for, and none was opened since.
    asked: bool,
}

impl Client {
    /// Starts the objects of `registry` on `tree`, which was loaded from `journal`, and takes up the
    /// alerts that were not delivered.
    ///
    /// A journal that outlives the program is to be brought to its version before anything is
    /// loaded from it: [`upgrade`](omadm_core::upgrade()) with [`RECORDS`](crate::RECORDS) and what
    /// the objects keep.
    ///
    /// # Errors
    /// A [`StartError`] if the journal fails or holds damaged alerts, an object refuses, the tree
    /// lacks a mandatory leaf of `./DevInfo`.
    pub fn new(
        config: Config,
        tree: Tree,
        registry: Registry,
        journal: Arc<dyn Journal>,
        now: Now,
    ) -> Result<Self, StartError> {
        let nonces = Nonces::new(Arc::clone(&journal), NoRandom);
        let notifications = Notifications::load(&config, &*journal)?;
        let device = Device::start(&config, tree, registry, journal, now)?;
        check_dev_info(device.tree())?;
        let mut client = Self {
            core: Core {
                server: Principal::Server(config.server_id.clone()),
                config,
                device,
                nonces,
                failures: 0,
                quiet_until: now.mono,
            },
            phase: Phase::Idle,
            notifications,
            asked: false,
        };
        client.ask(now);
        Ok(client)
    }

    /// Makes nonces of these octets: needed where the server has to prove itself by a digest.
    #[must_use]
    pub fn with_random(mut self, random: impl Random + 'static) -> Self {
        self.core.nonces = self.core.nonces.with_random(random);
        self
    }

    /// Takes in one thing that happened, at a moment.
    ///
    /// # Errors
    /// An [`ApiMisuse`]; nothing happened then.
    pub fn handle(&mut self, input: Input<'_>, now: Now) -> Result<(), ApiMisuse> {
        if self.core.device.has_outputs() {
            return Err(ApiMisuse::UndrainedOutput);
        }
        match &input {
            Input::Start(_) if self.in_session() => return Err(ApiMisuse::SessionOpen),
            Input::Received(_) | Input::TransportFailed(_) if !self.phase.awaits_answer() => {
                return Err(ApiMisuse::NotAwaited);
            }
            Input::Queue(notice) if !notice.is_fit() => return Err(ApiMisuse::UnfitNotice),
            Input::Answered { question, answer } => {
                let open = [self.phase.question(), self.notifications.question()];
                let open = open.into_iter().flatten().find(|it| it.id == *question);
                if open.is_some_and(|open| !open.asked.accepts(answer)) {
                    return Err(ApiMisuse::UnfitAnswer(*question));
                }
            }
            _ => {}
        }
        let core = &mut self.core;
        let phase = std::mem::replace(&mut self.phase, Phase::Idle);
        self.phase = match (input, phase) {
            (Input::Start(start), _) => {
                self.asked = false;
                self.notifications.session_opens(start, &mut core.device);
                Phase::prepare(start, core, now)
            }
            (Input::Received(received), Phase::Awaiting(awaiting)) => {
                awaiting.received(received, core, now)
            }
            (Input::TransportFailed(failure), Phase::Awaiting(awaiting)) => {
                awaiting.failed(failure, core, now)
            }
            (Input::Received(_) | Input::TransportFailed(_), Phase::Aborting(end)) => {
                core.ended(end, now)
            }
            (Input::Received(_) | Input::TransportFailed(_), phase) => phase,
            (Input::Completed { job, end }, phase) => match core.device.complete(job, end, now) {
                Some(result) => phase.completed(job, result, core, now),
                None => {
                    self.phase = phase;
                    return Err(ApiMisuse::UnknownJob(job));
                }
            },
            (Input::Notification(octets), phase) => {
                let in_session = !matches!(phase, Phase::Idle);
                self.notifications.receive(octets, in_session, core, now);
                phase
            }
            (Input::Answered { question, answer }, phase)
                if self
                    .notifications
                    .question()
                    .is_some_and(|it| it.id == question) =>
            {
                self.notifications.answered(&answer, &mut core.device);
                phase
            }
            (Input::Queue(notice), phase) => {
                core.device.queue(notice);
                phase
            }
            (Input::Answered { question, answer }, phase) => {
                phase.answered(question, answer, core, now)
            }
            (Input::Deadline, mut phase) => {
                self.notifications.wake(&mut core.device, now.mono);
                core.device.resume(now);
                while let Some(job) = core.device.overdue_job(now.mono) {
                    if let Some(result) = core.device.complete(job, JobEnd::TimedOut, now) {
                        phase = phase.completed(job, result, core, now);
                    }
                }
                match phase {
                    Phase::Awaiting(awaiting) => awaiting.wake(core, now),
                    Phase::Executing(executing) => executing.wake(core, now),
                    phase => phase.wake(core, now),
                }
            }
            (Input::Abort, Phase::Awaiting(awaiting)) => awaiting.abort(core, now),
            (Input::Abort, Phase::Executing(executing)) => {
                executing.abort(SessionEnd::Aborted, core, now)
            }
            (Input::Abort, Phase::Preparing { .. }) => core.ended(SessionEnd::Aborted, now),
            (Input::Abort, phase @ (Phase::Idle | Phase::Aborting(_))) => phase,
        };
        if !self.in_session() {
            self.notifications.reconsider(&mut self.core, now);
            let Core { config, device, .. } = &mut self.core;
            self.notifications.advance(config, device, now);
        }
        self.ask(now);
        Ok(())
    }

    /// What is to be done next, in order; `None` when there is nothing more.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.core.device.outputs().pop_front()
    }

    /// When to feed [`Input::Deadline`] if nothing else happens before, monotonic.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let session_wanted = self.session_wanted().filter(|_| !self.asked);
        let job = self.core.device.next_job_deadline();
        let notification = self.notifications.deadline();
        let resume = self.core.device.next_resume();
        [
            self.phase.deadline(),
            job,
            session_wanted,
            notification,
            resume,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The management tree.
    #[must_use]
    pub const fn tree(&self) -> &Tree {
        self.core.device.tree()
    }

    /// Whether a session is open.
    #[must_use]
    pub const fn in_session(&self) -> bool {
        !matches!(self.phase, Phase::Idle)
    }

    /// Whether nothing is left to do: no session, no open job, no alert in the queue, no
    /// notification that waits or about which somebody is asked.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let nothing_open = self.open_jobs() == 0 && self.queued_alerts() == 0;
        !self.in_session() && nothing_open && !self.notifications.are_waiting()
    }

    /// How many jobs are under way. One that was given up does not count: its failure is reported,
    /// and nobody knows whether it ever ends. Nor does one
    /// [in the background](omadm_mo::Job::background).
    #[must_use]
    pub fn open_jobs(&self) -> usize {
        self.core.device.open_jobs()
    }

    /// How many alerts the server has not acknowledged, those that wait for their next try
    /// included.
    #[must_use]
    pub fn queued_alerts(&self) -> usize {
        self.core.device.queued_alerts()
    }

    /// When a session is wanted to deliver an alert, monotonic; `None` during a session.
    fn session_wanted(&self) -> Option<Duration> {
        if self.in_session() {
            return None;
        }
        let due = self.core.device.next_alert()?;
        Some(due.max(self.core.quiet_until))
    }

    /// Asks for a session if the time has come, once.
    fn ask(&mut self, now: Now) {
        if !self.asked && self.session_wanted().is_some_and(|due| due <= now.mono) {
            self.asked = true;
            self.core.device.tell(Event::SessionWanted);
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("phase", &self.phase)
            .field("open_jobs", &self.open_jobs())
            .field("queued_alerts", &self.queued_alerts())
            .finish_non_exhaustive()
    }
}
