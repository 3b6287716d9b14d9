use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use omadm_core::{ClientEvent, GenericAlert};
use omadm_session::{Answer, Correlators, Nonce, Procedure, Step, Unanswered};

use crate::{
    EventKind, ProcedureId,
    log::Log,
    session::{Queued, Sent, Session},
};

/// How many alerts with a Correlator are remembered as reported.
const REMEMBERED_ALERTS: usize = 64;

/// How many notifications without an answer are remembered.
const REMEMBERED_NOTIFICATIONS: usize = 64;

/// What outlives the sessions of a device.
#[derive(Debug, Default)]
pub(crate) struct Device {
    jobs: VecDeque<Job>,
    /// Digests of alerts with a Correlator.
    reported: VecDeque<u64>,
    unconfirmed: Vec<News>,
    pub(crate) last_seen: Duration,
    /// The SessionIDs of notifications that were not answered.
    notified: VecDeque<u16>,
    /// The nonce that a session for a notification begins with.
    pub(crate) resync: Option<Nonce>,
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
}

#[derive(Debug)]
struct Job {
    id: ProcedureId,
    procedure: Box<dyn Procedure>,
    started: bool,
}

impl Device {
    /// Notes that a notification is sent to it.
    pub(crate) fn notified(&mut self, session_id: u16) {
        if self.notified.len() >= REMEMBERED_NOTIFICATIONS {
            self.notified.pop_front();
        }
        self.notified.push_back(session_id);
    }

    /// Whether a notification with this SessionID was sent and not answered.
    pub(crate) fn awaits(&self, session_id: u16) -> bool {
        self.notified.contains(&session_id)
    }

    /// Whether a session with this SessionID answers a notification, which it does once.
    pub(crate) fn answers(&mut self, session_id: u16) -> bool {
        let place = self.notified.iter().position(|id| *id == session_id);
        place
            .and_then(|place| self.notified.remove(place))
            .is_some()
    }

    pub(crate) fn enqueue(&mut self, id: ProcedureId, procedure: Box<dyn Procedure>) {
        self.jobs.push_back(Job {
            id,
            procedure,
            started: false,
        });
    }

    pub(crate) fn begin_session(&mut self) {
        if let Some(job) = self.jobs.front_mut().filter(|job| job.started) {
            job.procedure.begin_session();
        }
    }

    /// Lets the procedures go on: fills the queue of commands and returns true, or returns false if
    /// there is nothing to send.
    pub(crate) fn poll(
        &mut self,
        queue: &mut VecDeque<Queued>,
        correlators: &mut Correlators,
        log: &mut Log,
    ) -> bool {
        while let Some(job) = self.jobs.front_mut() {
            job.started = true;
            match job.procedure.poll(correlators) {
                Step::Wait => return false,
                Step::Send(commands) => {
                    let procedure = job.id;
                    let queued = commands
                        .into_iter()
                        .map(|tagged| Queued { procedure, tagged });
                    queue.extend(queued);
                    return !queue.is_empty();
                }
                Step::Done(report) => {
                    if let Some(job) = self.jobs.pop_front() {
                        log.push(EventKind::ProcedureFinished {
                            id: job.id,
                            report,
                            procedure: job.procedure,
                        });
                    }
                }
            }
        }
        false
    }

    pub(crate) fn answer(&mut self, procedure: ProcedureId, answer: Answer) {
        // Only the first one has commands under way.
        if let Some(job) = self.jobs.front_mut().filter(|job| job.id == procedure) {
            job.procedure.answer(answer);
        }
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
        self.unconfirmed = std::mem::take(&mut session.unconfirmed);
    }

    /// Hands an alert or a client event on, unless it was before.
    ///
    /// One with a Correlator ends one Exec. Any other is a repetition if the device has not shown,
    /// by a further message, that it got the Status of the first, and brings it in the first package
    /// of its next session: it keeps what was not acknowledged, and begins with it. No session ends
    /// in order before that was shown; see `Composer::ask_for_proof`. What cannot be told apart is a
    /// lost Status and a lost proof: news that are the same again right after the latter are missed.
    pub(crate) fn hear(&mut self, news: News) -> Option<EventKind> {
        if let Some(index) = self.unconfirmed.iter().position(|known| *known == news) {
            self.unconfirmed.swap_remove(index);
            return None;
        }
        let alert = match news {
            News::Event(event) => return Some(EventKind::ClientEvent(event)),
            News::Alert(alert) => alert,
        };
        if alert.correlator.is_some() {
            let mut digest = DefaultHasher::new();
            alert.hash(&mut digest);
            let digest = digest.finish();
            if self.reported.contains(&digest) {
                return None;
            }
            if self.reported.len() >= REMEMBERED_ALERTS {
                self.reported.pop_front();
            }
            self.reported.push_back(digest);
        }
        let job = self.jobs.front_mut().filter(|job| job.started);
        let procedure = job.and_then(|job| job.procedure.alert(&alert).then_some(job.id));
        Some(EventKind::Alert { alert, procedure })
    }

    pub(crate) fn waiting(&self) -> usize {
        self.jobs.len()
    }

    /// Whether there is something that must not be forgotten.
    pub(crate) fn is_needed(&self) -> bool {
        self.waiting() > 0 || self.resync.is_some() || !self.notified.is_empty()
    }

    /// From now on every alert is a new one: the device brings again what it has to at once.
    pub(crate) fn settle(&mut self) {
        self.unconfirmed.clear();
    }
}
