//! The phases of the client, each a struct that a step consumes.
//!
//! ```text
//!            Start               Received                 Send
//!   Idle ───────────> Awaiting ───────────> Executing ───────────> Awaiting …
//!    ^                  │  ^ │                │    │
//!    │   nothing to say │  └─┘ retry,         │    │ Completed, Deadline: goes on
//!    │<─────────────────┤      repeated       │    v
//!    │<───────────── or fault <───────────────┘  Executing
//!    │                  │ Abort
//!    └──── Aborting <───┘
//! ```
//!
//! A Start waits in Preparing while a job is under way that comes before sessions.

use std::{fmt, time::Duration};

use omadm_core::{Batch, Now, UserAnswer};
use omadm_mo::{ExecResult, JobId};
use omadm_session::{NoncePair, Nonces};
use omadm_syncml::decode;
use omadm_tree::Principal;

use crate::{
    Config, Output, Question, QuestionId, Received, Request, SessionEnd, Start, TransportFailure,
    auth::Terms,
    device::Device,
    session::{Intake, Session, Verdicts, peer},
    walk::{Ground, Walk},
};

/// What outlives every phase.
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) device: Device,
    /// The server, as the tree knows it.
    pub(crate) server: Principal,
    pub(crate) nonces: Nonces,
    /// How many sessions in a row did not end normally.
    pub(crate) failures: u32,
    /// No session is wanted before this moment, monotonic.
    pub(crate) quiet_until: Duration,
}

/// Where the client stands.
pub(crate) enum Phase {
    /// No session is open.
    Idle,
    /// A session is wanted, and opened as soon as the jobs are over that come before sessions.
    Preparing {
        start: Start,
        /// When it is opened at the latest, monotonic.
        until: Duration,
    },
    /// The server has the word.
    Awaiting(Awaiting),
    /// The client has the word, and a job holds up what it has to say.
    Executing(Box<Executing<'static>>),
    /// The client told the server that the session is over, and how it ends.
    Aborting(SessionEnd),
}

/// A message was sent, and its answer is awaited.
pub(crate) struct Awaiting {
    session: Box<Session>,
    /// The message, to be sent again when the answer got lost.
    sent: Request,
    /// When it was first sent, monotonic.
    sent_at: Duration,
    /// How often it was sent again.
    repeated: u32,
    /// When it is sent again, if the answer is known to be lost, monotonic.
    retry_at: Option<Duration>,
    /// The session is to be aborted when the server has answered.
    abort: bool,
}

/// A message was received, and not all of its commands are executed.
pub(crate) struct Executing<'m> {
    session: Box<Session>,
    walk: Walk<'m>,
    /// The session is to be aborted, and ends so.
    abort: Option<SessionEnd>,
}

impl fmt::Debug for Phase {
    /// Shows the name alone: what a session holds may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "Idle",
            Self::Preparing { .. } => "Preparing",
            Self::Awaiting(_) => "Awaiting",
            Self::Executing(_) => "Executing",
            Self::Aborting(_) => "Aborting",
        })
    }
}

impl Phase {
    /// Opens a session, as soon as it may begin.
    pub(crate) fn prepare(start: Start, core: &mut Core, now: Now) -> Self {
        let until = now.mono.saturating_add(core.config.exec_limit);
        Self::Preparing { start, until }.wake(core, now)
    }

    /// Opens the session that was waited for, if nothing holds it up any more.
    pub(crate) fn wake(self, core: &mut Core, now: Now) -> Self {
        match self {
            Self::Preparing { start, until }
                if until <= now.mono || !core.device.is_preparing() =>
            {
                Self::open(start, core, now)
            }
            phase => phase,
        }
    }

    fn open(start: Start, core: &mut Core, now: Now) -> Self {
        match core.terms() {
            Ok((terms, nonces)) => {
                let tree = core.device.tree();
                let session = Session::open(&core.config, tree, start, terms, nonces, now);
                core.send(Box::new(session), now)
            }
            Err(end) => core.ended(end, now),
        }
    }

    /// Whether an answer of the server is awaited.
    pub(crate) fn awaits_answer(&self) -> bool {
        match self {
            Self::Awaiting(awaiting) => awaiting.retry_at.is_none(),
            Self::Aborting(_) => true,
            Self::Idle | Self::Preparing { .. } | Self::Executing(_) => false,
        }
    }

    /// A job ended, with this answer to the Exec behind it.
    pub(crate) fn completed(
        self,
        job: JobId,
        result: ExecResult,
        core: &mut Core,
        now: Now,
    ) -> Self {
        match self {
            Self::Executing(executing) => executing.completed(job, result, core, now),
            phase @ Self::Preparing { .. } => phase.wake(core, now),
            phase @ (Self::Idle | Self::Awaiting(_) | Self::Aborting(_)) => phase,
        }
    }

    /// The question that is open.
    pub(crate) fn question(&self) -> Option<&Question> {
        match self {
            Self::Executing(executing) => executing.walk.question(),
            Self::Idle | Self::Preparing { .. } | Self::Awaiting(_) | Self::Aborting(_) => None,
        }
    }

    /// A person answered.
    pub(crate) fn answered(
        self,
        question: QuestionId,
        answer: UserAnswer,
        core: &mut Core,
        now: Now,
    ) -> Self {
        match self {
            Self::Executing(mut executing) => {
                executing.walk.answered(question, answer);
                executing.wake(core, now)
            }
            phase => phase,
        }
    }

    /// The moment at which something is to be done, monotonic.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        match self {
            Self::Awaiting(awaiting) => awaiting.retry_at,
            Self::Executing(executing) => executing.deadline(),
            Self::Preparing { until, .. } => Some(*until),
            Self::Idle | Self::Aborting(_) => None,
        }
    }
}

impl Awaiting {
    /// The server answered.
    pub(crate) fn received(mut self, received: Received<'_>, core: &mut Core, now: Now) -> Phase {
        let mut verdicts = Verdicts::default();
        let intake = match decode(received.body, received.encoding, &core.config.limits) {
            Ok(ref mut message) => self.session.receive(
                (message, &received),
                &core.config,
                core.device.tree(),
                core.nonces.random(),
                &mut verdicts,
            ),
            Err(error) => return core.end(self.session, SessionEnd::Undecodable(error), now),
        };
        let kept = core.settle(&verdicts, now);
        match intake.and_then(|intake| kept.map(|()| intake)) {
            Err(end) => core.end(self.session, end, now),
            Ok(Intake::Aborted) => core.end(self.session, SessionEnd::AbortedByServer, now),
            Ok(Intake::Repeated) => self.repeat(core, now),
            Ok(Intake::Answered) if self.abort => {
                core.abort(self.session, SessionEnd::Aborted, now)
            }
            Ok(Intake::Answered) => core.send(self.session, now),
            Ok(Intake::Commands { msg_id, taken }) => {
                self.session.reuse(self.sent.body);
                let mut walk = Walk::new(msg_id, taken);
                if self.abort {
                    walk.stop();
                }
                Executing {
                    abort: self.abort.then_some(SessionEnd::Aborted),
                    session: self.session,
                    walk,
                }
                .advance(core, now)
            }
        }
    }

    /// No answer came.
    pub(crate) fn failed(mut self, failure: TransportFailure, core: &mut Core, now: Now) -> Phase {
        let retry = &core.config.transport_retry;
        let retry_at = now.mono.saturating_add(retry.pause(self.repeated + 1));
        let last = self.sent_at.saturating_add(core.config.transport_window);
        if failure == TransportFailure::Refused
            || self.repeated >= retry.retries
            || retry_at >= last
        {
            return core.end(self.session, SessionEnd::TransportFailed(failure), now);
        }
        if self.abort {
            return core.end(self.session, SessionEnd::Aborted, now);
        }
        self.retry_at = Some(retry_at);
        Phase::Awaiting(self)
    }

    /// A moment has come; maybe that of the next try.
    pub(crate) fn wake(self, core: &mut Core, now: Now) -> Phase {
        if self.retry_at.is_some_and(|retry_at| retry_at <= now.mono) {
            return self.repeat(core, now);
        }
        Phase::Awaiting(self)
    }

    /// The session is to be aborted.
    pub(crate) fn abort(mut self, core: &mut Core, now: Now) -> Phase {
        if self.retry_at.is_some() {
            return core.end(self.session, SessionEnd::Aborted, now);
        }
        self.abort = true;
        Phase::Awaiting(self)
    }

    /// Sends the identical message again.
    fn repeat(mut self, core: &mut Core, now: Now) -> Phase {
        if self.repeated >= core.config.transport_retry.retries {
            let end = SessionEnd::TransportFailed(TransportFailure::Lost);
            return core.end(self.session, end, now);
        }
        self.repeated += 1;
        self.retry_at = None;
        let waited = now.mono.saturating_sub(self.sent_at);
        self.sent.timeout = core.config.transport_window.saturating_sub(waited);
        self.sent.timeout = self.sent.timeout.min(core.config.answer_timeout);
        core.device
            .outputs()
            .push_back(Output::Send(self.sent.clone()));
        Phase::Awaiting(self)
    }
}

impl Executing<'_> {
    /// A job ended, maybe the one that holds up the walk.
    fn completed(mut self, job: JobId, result: ExecResult, core: &mut Core, now: Now) -> Phase {
        self.walk.completed(job, result);
        self.advance(core, now)
    }

    /// When something is to be done, monotonic.
    fn deadline(&self) -> Option<Duration> {
        let limit = self.abort.is_none().then(|| self.session.until());
        self.walk.deadline().into_iter().chain(limit).min()
    }

    /// A moment has come; maybe that of the 202, of the end of a question or of the session.
    pub(crate) fn wake(mut self, core: &mut Core, now: Now) -> Phase {
        if self.abort.is_none() && self.session.until() <= now.mono {
            return self.abort(SessionEnd::TooLong, core, now);
        }
        self.walk.conclude(&mut core.device, now.mono);
        match self.walk.waiting() {
            Some((_, due)) if due <= now.mono => {
                if self.walk.hurry(&mut core.device, now).is_err() {
                    // The alert that 202 promises is not certain, so the job gets more time.
                    self.walk
                        .postpone(now.mono.saturating_add(core.config.exec_limit));
                }
                self.advance(core, now)
            }
            Some(_) => self.wait(),
            None => self.advance(core, now),
        }
    }

    /// Holds on until a job ends or somebody answers.
    fn wait(mut self) -> Phase {
        // It may take long.
        self.session.reuse(Vec::new());
        Phase::Executing(Box::new(Executing {
            session: self.session,
            walk: self.walk.into_owned(),
            abort: self.abort,
        }))
    }

    /// The session is to be aborted.
    pub(crate) fn abort(mut self, end: SessionEnd, core: &mut Core, now: Now) -> Phase {
        self.abort = Some(end);
        self.walk.stop();
        self.walk.withdraw(&mut core.device);
        if let Some((job, _)) = self.walk.waiting()
            && let Err(failure) = self.walk.hurry(&mut core.device, now)
        {
            self.walk.completed(job, failure.status().into());
        }
        self.advance(core, now)
    }

    /// Goes on with the commands; when they are done, answers.
    fn advance(mut self, core: &mut Core, now: Now) -> Phase {
        let mut ground = Ground {
            config: &core.config,
            device: &mut core.device,
            session: &mut self.session,
            by: &core.server,
            now,
        };
        if !self.walk.advance(&mut ground) {
            return self.wait();
        }
        if let Some(end) = self.abort {
            core.abort(self.session, end, now)
        } else if self.session.is_over() {
            core.end(self.session, SessionEnd::Completed, now)
        } else {
            core.send(self.session, now)
        }
    }
}

impl Core {
    /// How the ends prove who they are in a session that begins now.
    pub(crate) fn terms(&self) -> Result<(Terms, NoncePair), SessionEnd> {
        let terms = self.config.auth.resolve(self.device.tree())?;
        let nonces = self.nonces.load(peer(&self.config));
        let nonces = nonces.map_err(|error| SessionEnd::JournalFailed(error.kind()))?;
        let [issued, received] = terms.provisioned.clone();
        Ok((terms, nonces.provisioned(issued, received)))
    }

    /// Makes durable what a message settles, in one batch, before anything of it is executed and
    /// before its answer tells of it.
    ///
    /// After a crash in between the server knows nothing of the new nonces, which costs a challenge,
    /// and sends its commands again. The other way round the commands would be done while the proof
    /// they came with still holds: who recorded the message could have them done again.
    ///
    /// # Errors
    /// The end of the session, if the nonces cannot be kept. Without nonces there is none: alerts
    /// are sent again.
    fn settle(&mut self, verdicts: &Verdicts, now: Now) -> Result<(), SessionEnd> {
        let mut batch = Batch::new();
        if let Some(nonces) = &verdicts.nonces {
            nonces.put(peer(&self.config), &mut batch);
        }
        let settled = self.device.settle(verdicts, batch, now);
        match (settled, &verdicts.nonces) {
            (Err(kind), Some(_)) => Err(SessionEnd::JournalFailed(kind)),
            _ => Ok(()),
        }
    }

    /// Sends the next message of a session.
    fn send(&mut self, mut session: Box<Session>, now: Now) -> Phase {
        if session.messages() >= self.config.max_messages {
            return self.abort(session, SessionEnd::TooManyMessages, now);
        }
        if session.until() <= now.mono {
            return self.abort(session, SessionEnd::TooLong, now);
        }
        match session.pack(&mut self.device, now) {
            Err(error) => self.end(session, SessionEnd::Unencodable(error), now),
            Ok(body) => {
                let sent = self.request(&mut session, body);
                self.device.outputs().push_back(Output::Send(sent.clone()));
                Phase::Awaiting(Awaiting {
                    session,
                    sent,
                    sent_at: now.mono,
                    repeated: 0,
                    retry_at: None,
                    abort: false,
                })
            }
        }
    }

    /// Sends the last message of a session, which ends so.
    fn abort(&mut self, mut session: Box<Session>, end: SessionEnd, now: Now) -> Phase {
        match session.pack_abort() {
            Err(error) => self.end(session, SessionEnd::Unencodable(error), now),
            Ok(body) => {
                let last = self.request(&mut session, body);
                self.device.outputs().push_back(Output::Send(last));
                Phase::Aborting(end)
            }
        }
    }

    fn request(&self, session: &mut Session, body: Vec<u8>) -> Request {
        Request {
            url: session.url().to_owned(),
            encoding: self.config.encoding,
            hmac: session.seal(&body),
            timeout: self.config.answer_timeout.min(self.config.transport_window),
            body,
        }
    }

    /// Ends a session.
    fn end(&mut self, mut session: Box<Session>, end: SessionEnd, now: Now) -> Phase {
        // Without a word in a session that went well, an alert counts as refused.
        let unanswered = session.unanswered();
        if end.is_normal() {
            let refused = unanswered.into_iter().map(|key| (key, None)).collect();
            let verdicts = Verdicts {
                refused,
                ..Verdicts::default()
            };
            // Alerts that could not be settled are sent again.
            _ = self.settle(&verdicts, now);
        }
        self.ended(end, now)
    }

    /// Notes the end of a session.
    pub(crate) fn ended(&mut self, end: SessionEnd, now: Now) -> Phase {
        if end.is_normal() {
            self.failures = 0;
            self.quiet_until = now.mono;
        } else {
            self.failures = self.failures.saturating_add(1);
            let pause = self.config.alert_retry.pause(self.failures);
            self.quiet_until = now.mono.saturating_add(pause);
        }
        self.device.outputs().push_back(Output::Ended(end));
        Phase::Idle
    }
}
