use std::{
    borrow::Cow,
    collections::VecDeque,
    ops::{Deref, DerefMut},
    time::Duration,
};

use omadm_core::{ClientEvent, Correlator, GenericAlert};
use omadm_session::{
    Answer, Correlators, Execution, Nonce, Procedure, Progress, Report, Step, Tag, Tagged,
    Unanswered,
};
use omadm_syncml::Command;

use crate::{
    EventKind, Place, ProcedureId, ProcedureProgress,
    log::Log,
    record,
    server::Filed,
    session::{Queued, Sent, Session, address},
};

/// How many alerts with a Correlator are remembered as reported.
const REMEMBERED_ALERTS: usize = 64;

/// How many accepted Execs of procedures that ended are remembered.
const REMEMBERED_EXECS: usize = 64;

/// How many notifications without an answer are remembered.
const REMEMBERED_NOTIFICATIONS: usize = 64;

/// How many Items of alerts are remembered that a device may bring again.
const REMEMBERED_NEWS: usize = 1000;

/// What outlives the sessions of a device.
#[derive(Debug, Default)]
pub(crate) struct Device {
    jobs: VecDeque<Box<Job>>,
    pub(crate) past: Remembered,
    /// When its last message came, by [`Now::mono`](omadm_core::Now::mono); or since when it is
    /// known, if none came to this engine.
    pub(crate) last_seen: Option<Duration>,
    /// The digest of the record of it that is durable, if one is, and the number of reports.
    pub(crate) kept: (Option<u64>, usize),
    pub(crate) filed: Filed,
}

/// What is to be remembered of a device beside its procedures; of most there is nothing.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// Digests of alerts with a Correlator.
    pub(crate) reported: VecDeque<u64>,
    pub(crate) unconfirmed: Vec<News>,
    /// The Execs whose procedures ended before their alerts came.
    abandoned: VecDeque<Execution>,
    /// The SessionIDs of notifications that were not answered.
    pub(crate) notified: VecDeque<u16>,
    /// The nonce that a session for a notification begins with.
    pub(crate) resync: Option<Nonce>,
    pub(crate) place: Place,
}

static NOTHING: Past = Past {
    reported: VecDeque::new(),
    unconfirmed: Vec::new(),
    abandoned: VecDeque::new(),
    notified: VecDeque::new(),
    resync: None,
    place: Place {
        finished: Vec::new(),
        begun: false,
        in_doubt: false,
        alerts: Vec::new(),
        events: Vec::new(),
    },
};

/// A [`Past`], which takes memory from its first change on.
#[derive(Debug, Default)]
pub(crate) struct Remembered(Option<Box<Past>>);

impl Remembered {
    /// Whether nothing ever was to be remembered.
    pub(crate) const fn is_nothing(&self) -> bool {
        self.0.is_none()
    }
}

impl Deref for Remembered {
    type Target = Past;

    fn deref(&self) -> &Past {
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for Remembered {
    fn deref_mut(&mut self) -> &mut Past {
        self.0.get_or_insert_default()
    }
}

/// One Item of an alert that is reported once.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum News {
    Alert(GenericAlert),
    Event(ClientEvent),
}

impl News {
    /// Whether it is known when it comes again, however late.
    pub(crate) const fn is_named(&self) -> bool {
        matches!(self, Self::Alert(alert) if alert.correlator.is_some())
    }

    /// The bytes of its texts.
    fn len(&self) -> usize {
        let (source, correlator, name, data) = match self {
            Self::Alert(it) => (&it.source, &it.correlator, &it.alert_type, &it.data),
            Self::Event(it) => (&it.source, &None, &it.event_type, &it.data),
        };
        let source = source.as_ref().map_or(0, String::len);
        let correlator = correlator.as_ref().map_or(0, |it| it.as_str().len());
        source + correlator + name.len() + data.len()
    }
}

#[derive(Debug)]
struct Job {
    id: ProcedureId,
    procedure: Box<dyn Procedure>,
    /// When it was first asked for commands.
    began: Option<Duration>,
    /// Its Execs without an end.
    execs: Vec<Exec>,
    /// What it sent last, by name and address, in the order of the tags. All of it is answered before
    /// it is asked for more.
    sent: Vec<(Tag, Named)>,
    /// What it sent and has no answer to, for its session was lost.
    lost: Vec<Named>,
    /// Whether its place is kept.
    is_step: bool,
}

#[derive(Debug)]
struct Exec {
    tag: Tag,
    execution: Execution,
    /// Whether it was told that its alert is waited for.
    is_told: bool,
}

/// The name of a command and what it addresses.
type Named = (Cow<'static, str>, Box<str>);

impl Job {
    /// When its time is over; none before it began.
    fn deadline(&self, timeout: Duration) -> Option<Duration> {
        Some(self.began?.saturating_add(self.limit(timeout)))
    }

    fn limit(&self, timeout: Duration) -> Duration {
        self.procedure.time_limit().unwrap_or(timeout)
    }

    /// Notes what is sent; whether some of it was sent before in vain.
    fn note(&mut self, commands: &[Tagged]) -> bool {
        let mut again = false;
        let count = commands.iter().map(|tagged| tagged.flatten().count());
        self.sent = Vec::with_capacity(count.sum());
        for (tag, command) in commands.iter().flat_map(Tagged::flatten) {
            let named: Named = (command.to_name(), address(command).into());
            if let Some(place) = self.lost.iter().position(|lost| *lost == named) {
                self.lost.swap_remove(place);
                again = true;
            }
            if let Command::Exec(exec) = command
                && let Some(correlator) = &exec.correlator
            {
                let open = |exec: &Exec| {
                    exec.execution.progress() == Progress::Accepted
                        && exec.execution.uri() == &*named.1
                };
                again |= self.execs.iter().any(open);
                let correlator = Correlator::new(&**correlator);
                self.execs.push(Exec {
                    tag,
                    execution: Execution::new(&*named.1, correlator),
                    is_told: false,
                });
            }
            self.sent.push((tag, named));
        }
        // Mostly it is sorted.
        self.sent.sort_by_key(|(tag, _)| *tag);
        again
    }

    /// What it sent with this tag.
    fn sent(&self, tag: Tag) -> Option<&Named> {
        let place = self.sent.binary_search_by_key(&tag, |(tag, _)| *tag);
        let (_, named) = self.sent.get(place.ok()?)?;
        Some(named)
    }

    /// Notes what came back.
    fn hear(&mut self, answer: &Answer) {
        match answer {
            Answer::Status { tag, code, .. } => {
                let mut execs = self.execs.iter_mut();
                if let Some(exec) = execs.rfind(|exec| exec.tag == *tag) {
                    exec.execution.status(*code);
                }
            }
            Answer::NotAnswered {
                tag,
                reason: Unanswered::SessionLost,
                ..
            } => {
                let lost = self.sent(*tag).cloned();
                self.lost.extend(lost);
            }
            _ => {}
        }
    }
}

impl Device {
    /// Goes on with what was wanted of it before what is kept of it was found.
    pub(crate) fn join(&mut self, before: Self) {
        self.jobs = before.jobs;
        self.last_seen = before.last_seen;
        let Some(before) = before.past.0 else {
            return;
        };
        for session_id in before.notified {
            if !self.awaits(session_id) {
                self.notified(session_id);
            }
        }
        let past = &mut *self.past;
        past.abandoned = before.abandoned;
        past.reported.extend(before.reported);
        past.unconfirmed.extend(before.unconfirmed);
        past.resync = before.resync.or(past.resync.take());
    }

    /// Notes that a notification is sent to it.
    pub(crate) fn notified(&mut self, session_id: u16) {
        if self.past.notified.len() >= REMEMBERED_NOTIFICATIONS {
            self.past.notified.pop_front();
        }
        self.past.notified.push_back(session_id);
    }

    /// Whether a notification with this SessionID was sent and not answered.
    pub(crate) fn awaits(&self, session_id: u16) -> bool {
        self.past.notified.contains(&session_id)
    }

    /// Whether a session with this SessionID answers a notification, which it does once.
    pub(crate) fn answers(&mut self, session_id: u16) -> bool {
        let place = self.past.notified.iter().position(|id| *id == session_id);
        place
            .and_then(|place| self.past.notified.remove(place))
            .is_some()
    }

    pub(crate) fn enqueue(
        &mut self,
        id: ProcedureId,
        procedure: Box<dyn Procedure>,
        is_step: bool,
    ) {
        if self.jobs.len() == self.jobs.capacity() {
            // Mostly there is one.
            self.jobs.reserve_exact(1 + self.jobs.len() / 2);
        }
        self.jobs.push_back(Box::new(Job {
            id,
            procedure,
            began: None,
            execs: Vec::new(),
            sent: Vec::new(),
            lost: Vec::new(),
            is_step,
        }));
    }

    pub(crate) fn begin_session(&mut self) {
        if let Some(job) = self.jobs.front_mut().filter(|job| job.began.is_some()) {
            job.procedure.begin_session();
        }
    }

    /// Lets the procedures go on: fills the queue of commands and returns true, or returns false if
    /// there is nothing to send. Nothing is under way; what has no limit of its own has this one.
    pub(crate) fn poll(
        &mut self,
        queue: &mut VecDeque<Queued>,
        correlators: &mut Correlators,
        timeout: Duration,
        log: &mut Log,
    ) -> bool {
        let now = self.last_seen.unwrap_or_default();
        while let Some(job) = self.jobs.front_mut() {
            let begins = job.began.is_none();
            let resumes = job.is_step && begins && self.past.place.begun;
            job.began.get_or_insert(now);
            let is_over = job
                .deadline(timeout)
                .is_some_and(|deadline| deadline <= now);
            if job.is_step {
                self.past.place.begun = true;
            }
            let polled = job.procedure.poll(correlators);
            if job.is_step {
                self.past.place.in_doubt = job.procedure.is_in_doubt();
            }
            match polled {
                Step::Done(report) => {
                    self.finish(report, log);
                    continue;
                }
                _ if is_over => {
                    self.time_out(timeout, log);
                    continue;
                }
                Step::Wait | Step::Send(_) => {}
            }
            let (procedure, step) = (
                job.id,
                job.is_step.then_some(self.past.place.finished.len()),
            );
            let mut tell = |progress| {
                log.push(EventKind::Progress {
                    procedure,
                    step,
                    progress,
                });
            };
            match (begins, resumes) {
                (true, false) => tell(ProcedureProgress::Begun),
                (true, true) => tell(ProcedureProgress::Resumed),
                (false, _) => {}
            }
            let sent = match polled {
                Step::Send(sent) if !sent.is_empty() => sent,
                _ => {
                    for exec in &mut job.execs {
                        let accepted = exec.execution.progress() == Progress::Accepted;
                        if accepted && !std::mem::replace(&mut exec.is_told, true) {
                            let uri = exec.execution.uri().to_owned();
                            tell(ProcedureProgress::Accepted { uri });
                        }
                    }
                    return false;
                }
            };
            let commands = sent.len();
            tell(match job.note(&sent) {
                true => ProcedureProgress::Retried { commands },
                false => ProcedureProgress::Sent { commands },
            });
            let queued = sent.into_iter();
            queue.extend(queued.map(|tagged| Queued { procedure, tagged }));
            return true;
        }
        false
    }

    /// Ends the first procedure.
    fn finish(&mut self, report: Report, log: &mut Log) {
        let Some(job) = self.jobs.pop_front() else {
            return;
        };
        let execs = job.execs.into_iter().map(|exec| exec.execution);
        let accepted = execs.filter(|it| it.progress() == Progress::Accepted);
        for exec in accepted {
            if self.past.abandoned.len() >= REMEMBERED_EXECS {
                self.past.abandoned.pop_front();
            }
            self.past.abandoned.push_back(exec);
        }
        if job.is_step {
            self.past.place.finish(&report);
        }
        log.push(EventKind::ProcedureFinished {
            id: job.id,
            report,
            procedure: job.procedure,
        });
    }

    /// When the time of the procedure under way is over.
    pub(crate) fn deadline(&self, timeout: Duration) -> Option<Duration> {
        self.jobs.front()?.deadline(timeout)
    }

    /// Whether the time of the procedure under way is over.
    pub(crate) fn is_over(&self, now: Duration, timeout: Duration) -> bool {
        self.deadline(timeout)
            .is_some_and(|deadline| deadline <= now)
    }

    /// Ends the procedure under way, whose time is over. With correlators, as all of it is answered,
    /// it is asked first whether it is done. What still comes for its commands is nobody's.
    pub(crate) fn run_out(
        &mut self,
        timeout: Duration,
        correlators: Option<&mut Correlators>,
        log: &mut Log,
    ) {
        let job = self.jobs.front_mut();
        let step = job.zip(correlators).map(|(job, it)| job.procedure.poll(it));
        match step {
            Some(Step::Done(report)) => self.finish(report, log),
            _ => self.time_out(timeout, log),
        }
    }

    /// Ends the procedure under way, whose time is over.
    fn time_out(&mut self, timeout: Duration, log: &mut Log) {
        let Some(job) = self.jobs.front_mut() else {
            return;
        };
        let limit = job.limit(timeout);
        log.push(EventKind::Progress {
            procedure: job.id,
            step: job.is_step.then_some(self.past.place.finished.len()),
            progress: ProcedureProgress::TimedOut { limit },
        });
        let report = job.procedure.time_out(limit);
        self.finish(report, log);
    }

    pub(crate) fn answer(&mut self, procedure: ProcedureId, answer: Answer) {
        // Only the first one has commands under way.
        if let Some(job) = self.jobs.front_mut().filter(|job| job.id == procedure) {
            job.hear(&answer);
            job.procedure.answer(answer);
        }
    }

    /// The name of a command that is under way, and what it addresses.
    pub(crate) fn named(
        &self,
        procedure: ProcedureId,
        tag: Tag,
    ) -> Option<(&Cow<'static, str>, &str)> {
        let job = self.jobs.front().filter(|job| job.id == procedure)?;
        let (name, uri) = job.sent(tag)?;
        Some((name, uri))
    }

    /// Tells the procedure that a command, and what is inside it, will not be sent.
    pub(crate) fn unsent(&mut self, queued: &Queued, reason: Unanswered) {
        for (tag, _) in queued.tagged.flatten() {
            self.answer(queued.procedure, Answer::not_answered(tag, reason));
        }
    }

    /// Tells the procedures that what the session has under way will not be answered, and keeps
    /// the alerts the device may bring again.
    pub(crate) fn lose(&mut self, session: &mut Session) {
        let sending = session.sending.take();
        let sending = sending.map(|sending| (sending.procedure, sending.tag));
        let lost = session
            .ledger
            .lose()
            .into_iter()
            .filter_map(|sent| match sent {
                Sent::Command { procedure, tag, .. } => Some((procedure, tag)),
                Sent::Alert | Sent::Chunk | Sent::Proof => None,
            });
        for (procedure, tag) in lost.chain(sending) {
            let answer = Answer::not_answered(tag, Unanswered::SessionLost);
            self.answer(procedure, answer);
        }
        session.assembler.discard();
        session.unfinished = None;
        for queued in session.queue.drain(..) {
            self.unsent(&queued, Unanswered::SessionLost);
        }
        // A device whose first package was cut brings the rest of it again, too.
        if !session.unconfirmed.is_empty() {
            let unconfirmed = &mut self.past.unconfirmed;
            unconfirmed.append(&mut session.unconfirmed);
            let excess = unconfirmed.len().saturating_sub(REMEMBERED_NEWS);
            unconfirmed.drain(..excess);
        }
    }

    /// Makes room for the news of an alert, beside those of the session that wait for their Status;
    /// whether there is. Those of earlier sessions give way, the oldest first: they may never come
    /// again, and one that does is told a second time.
    pub(crate) fn make_room(&mut self, news: &[News], waiting: &[News], most: usize) -> bool {
        let more = news
            .iter()
            .filter(|one| !self.past.unconfirmed.contains(one));
        let more: usize = more.map(News::len).sum();
        let stay: usize = waiting.iter().map(News::len).sum();
        let stay = stay.saturating_add(more);
        if more == 0 {
            return true;
        }
        // An alert alone is taken, whatever its size: it could never be brought otherwise.
        if stay > most && !waiting.is_empty() {
            return false;
        }
        let earlier: usize = self.past.unconfirmed.iter().map(News::len).sum();
        let mut excess = stay.saturating_add(earlier).saturating_sub(most);
        if excess == 0 {
            return true;
        }
        self.past.unconfirmed.retain(|one| {
            let stays = excess == 0 || news.contains(one);
            if !stays {
                excess = excess.saturating_sub(one.len());
            }
            stays
        });
        true
    }

    /// Hands an alert or a client event on, unless it was before.
    ///
    /// One with a Correlator ends one Exec. Any other is a repetition if the device has not shown,
    /// by a further message, that it got the Status of the first, and brings it in the first package
    /// of its next session: it keeps what was not acknowledged, and begins with it. No session ends
    /// in order before that was shown; see `Composer::ask_for_proof`. What cannot be told apart is a
    /// lost Status and a lost proof: news that are the same again right after the latter are missed.
    pub(crate) fn hear(&mut self, news: News) -> Option<EventKind> {
        if let Some(index) = self
            .past
            .unconfirmed
            .iter()
            .position(|known| *known == news)
        {
            self.past.unconfirmed.remove(index);
            return None;
        }
        let alert = match news {
            News::Event(event) => return Some(EventKind::ClientEvent(event)),
            News::Alert(alert) => alert,
        };
        if alert.correlator.is_some() {
            let digest = record::digest_of_alert(&alert);
            if self.past.reported.contains(&digest) {
                return None;
            }
            if self.past.reported.len() >= REMEMBERED_ALERTS {
                self.past.reported.pop_front();
            }
            self.past.reported.push_back(digest);
        }
        // The end of an Exec that nobody waits for is not that of the next one of the same node. Where
        // no Correlator tells, it is until the next one is accepted: as a node that is busy accepts
        // none, the one before is over then, and its alert came in the first package, if at all.
        let is_own = |exec: &Exec| {
            exec.execution.progress() == Progress::Accepted && exec.execution.clone().alert(&alert)
        };
        let mut under_way = self.jobs.front().into_iter().flat_map(|job| &job.execs);
        let is_own = alert.correlator.is_none() && under_way.any(is_own);
        let mut abandoned = self.past.abandoned.iter();
        let late = abandoned.position(|exec| !is_own && exec.clone().alert(&alert));
        if let Some(late) = late {
            self.past.abandoned.remove(late);
            let procedure = None;
            return Some(EventKind::Alert { alert, procedure });
        }
        let job = self.jobs.front_mut().filter(|job| job.began.is_some());
        let procedure = job.and_then(|job| {
            let own = job.procedure.alert(&alert);
            job.execs
                .retain_mut(|exec| !(own && exec.execution.alert(&alert)));
            own.then_some(job.id)
        });
        Some(EventKind::Alert { alert, procedure })
    }

    pub(crate) fn waiting(&self) -> usize {
        self.jobs.len()
    }

    pub(crate) fn waiting_steps(&self) -> usize {
        self.jobs.iter().filter(|job| job.is_step).count()
    }

    /// Whether there is something that must not be forgotten.
    pub(crate) fn is_needed(&self) -> bool {
        self.waiting() > 0
            || self.past.resync.is_some()
            || !self.past.notified.is_empty()
            || !self.past.place.finished.is_empty()
            || self.past.place.begun
    }

    /// From now on every alert is a new one: the device brings again what it has to at once.
    pub(crate) fn settle(&mut self) {
        if let Some(past) = &mut self.past.0 {
            past.unconfirmed.clear();
        }
    }
}
