use std::{any::Any, fmt, time::Duration};

/// Names a [`Job`] for as long as the engine lives; never given out twice by one engine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JobId(u64);

impl JobId {
    /// The job with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a job brought back; the object that asked for the job knows the type in it.
pub type JobOutput = Box<dyn Any + Send>;

/// The blocking part of a job.
pub type Work = Box<dyn FnOnce() -> JobOutput + Send>;

/// Work that takes long or blocks, and so is never done inside an engine.
///
/// A management object describes the job; the engine hands it out once everything that must be
/// durable before it is durable; whoever drives the engine runs it and reports its end.
pub struct Job {
    /// The name.
    pub id: JobId,
    /// Jobs of one lane run one after the other, in order; lanes run side by side.
    pub lane: String,
    /// What it is about, for people.
    pub label: String,
    /// How long after it was handed out the engine gives it up, the wait for its lane included; absent
    /// for no limit.
    pub time_limit: Option<Duration>,
    /// Whether what it finds out belongs into the tree before a server looks: no session begins
    /// while it is under way, within a limit of the engine's. Default: no.
    pub before_sessions: bool,
    /// Whether it waits for news rather than working: nobody waits for its end, and it counts
    /// against no limit. It must end by itself once its object is gone. Default: no.
    pub background: bool,
    /// The work.
    pub work: Work,
}

impl Job {
    /// Does the work on the calling thread.
    #[must_use]
    pub fn run(self) -> JobOutput {
        (self.work)()
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("id", &self.id)
            .field("lane", &self.lane)
            .field("label", &self.label)
            .field("time_limit", &self.time_limit)
            .field("before_sessions", &self.before_sessions)
            .field("background", &self.background)
            .finish_non_exhaustive()
    }
}

/// How a job ended.
#[derive(Debug)]
pub enum JobEnd {
    /// The work was done; this is what it returned.
    Finished(JobOutput),
    /// The work was lost: its thread died.
    Lost,
    /// The time limit passed. The work may still be under way: a [`JobEnd::Late`] follows if it
    /// ever ends, and until then its lane is blocked.
    TimedOut,
    /// The work ended after its time limit; its result was reported as failed.
    Late(JobOutput),
}
