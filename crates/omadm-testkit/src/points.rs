use std::{
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

/// What goes wrong at a point.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Trouble {
    /// The process ends before the call.
    CrashBefore,
    /// The process ends when the call is half done.
    CrashAmid,
    /// The process ends when the call is done and has not returned.
    CrashAfter,
    /// The call fails, and did nothing.
    FailBefore,
    /// The call fails half done.
    FailAmid,
    /// The call fails, and was done.
    FailAfter,
    /// The call and every later one of its kind fail until the next start.
    FailForGood,
    /// The call is done and fails, and every later one of its kind fails until the next start.
    DoneAndFailForGood,
    /// The call does not return, and does nothing, until it is [released](Points::release).
    Hang,
}

impl Trouble {
    /// Those that end the process.
    pub const CRASHES: [Self; 3] = [Self::CrashBefore, Self::CrashAmid, Self::CrashAfter];

    /// Those that the process lives through.
    pub const FAULTS: [Self; 6] = [
        Self::FailBefore,
        Self::FailAmid,
        Self::FailAfter,
        Self::FailForGood,
        Self::DoneAndFailForGood,
        Self::Hang,
    ];

    /// Whether it ends the process.
    #[must_use]
    pub fn is_crash(self) -> bool {
        Self::CRASHES.contains(&self)
    }
}

/// What a call is, which says what can go wrong at it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallKind {
    /// It changes nothing: a crash is one before the next call that does, a failure is a failure.
    Look,
    /// All of it becomes durable or nothing, and a failure means nothing, unless the medium does
    /// not come back.
    Commit,
    /// It can be done in part, and fail although it was done.
    Change,
    /// A message to the server: its loss is the wire's matter, only a crash is of interest.
    Message,
}

/// The calls of a process to its surroundings, counted; one of them, or a few, go wrong.
///
/// What is decorated with it tells each call before it is made: [`TroubledJournal`], [`TroubledSink`],
/// [`TroubledHypervisor`]. A process that crashed is dead: nothing reaches its surroundings any more,
/// and the test drops it; one that is to [abort](Points::abort_on_crash) does so at once.
///
/// [`TroubledJournal`]: crate::TroubledJournal
/// [`TroubledSink`]: crate::TroubledSink
/// [`TroubledHypervisor`]: crate::TroubledHypervisor
#[derive(Clone, Default)]
pub struct Points(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    calls: usize,
    /// By the number of the call.
    plan: Vec<(usize, Trouble)>,
    struck: Vec<String>,
    dead: bool,
    aborts: bool,
    /// The kind of call that fails until the next start.
    broken: Option<CallKind>,
    hanging: usize,
    released: bool,
}

/// What a call is to do.
enum Turn {
    Whole,
    Refused,
    Half,
    /// Done, and then it fails.
    Wasted,
    /// Done, and then the process is over.
    Last,
    Wait,
}

impl Points {
    /// Has the call of this number go wrong, the next one being 0; beside what is planned already.
    pub fn plan(&self, call: usize, trouble: Trouble) {
        let mut state = self.lock();
        let call = state.calls + call;
        state.plan.push((call, trouble));
    }

    /// Aborts the process where it would only be dead otherwise.
    pub fn abort_on_crash(&self) {
        self.lock().aborts = true;
    }

    /// Starts again: nothing is planned, broken or dead; what hangs goes on.
    pub fn calm(&self) {
        let mut state = self.lock();
        state.plan.clear();
        state.struck.clear();
        (state.dead, state.broken, state.released) = (false, None, true);
        drop(state);
        self.0.moved.notify_all();
    }

    /// The process was started again: it is not dead, and nothing is broken.
    pub fn restarted(&self) {
        let mut state = self.lock();
        (state.dead, state.broken) = (false, None);
    }

    /// How many calls there were, of processes that were not dead.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.lock().calls
    }

    /// Whether the process has crashed.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// Whether something fails until the next start.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.lock().broken.is_some()
    }

    /// The calls at which something went wrong.
    #[must_use]
    pub fn struck(&self) -> Vec<String> {
        self.lock().struck.clone()
    }

    /// How many calls hang.
    #[must_use]
    pub fn hanging(&self) -> usize {
        self.lock().hanging
    }

    /// Lets what hangs go on, to do what it was called for.
    pub fn release(&self) {
        self.lock().released = true;
        self.0.moved.notify_all();
    }

    /// A call that cannot be half done.
    ///
    /// # Errors
    /// What the call answers, or `refused`.
    pub fn call<T, E>(
        &self,
        kind: CallKind,
        name: &str,
        refused: impl Fn() -> E,
        whole: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.halved(kind, name, refused, None::<fn()>, whole)
    }

    /// A call, what half of it is, and what an error of it is.
    ///
    /// # Errors
    /// What the call answers, or `refused`.
    pub fn halved<T, E>(
        &self,
        kind: CallKind,
        name: &str,
        refused: impl Fn() -> E,
        half: Option<impl FnOnce()>,
        whole: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        match self.turn(kind, name, half.is_some()) {
            Turn::Whole => whole(),
            Turn::Refused => Err(refused()),
            Turn::Half => {
                if let Some(half) = half {
                    half();
                }
                self.over();
                Err(refused())
            }
            Turn::Wasted => {
                _ = whole();
                Err(refused())
            }
            Turn::Last => {
                _ = whole();
                self.die();
                Err(refused())
            }
            Turn::Wait => {
                self.wait();
                if self.is_dead() {
                    return Err(refused());
                }
                whole()
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, kind: CallKind, name: &str, has_half: bool) -> Turn {
        let mut state = self.lock();
        if state.dead {
            return Turn::Refused;
        }
        let call = state.calls;
        state.calls += 1;
        if state.broken == Some(kind) {
            return Turn::Refused;
        }
        let Some(at) = state.plan.iter().position(|(number, _)| *number == call) else {
            return Turn::Whole;
        };
        let (_, trouble) = state.plan.swap_remove(at);
        let turn = match (trouble, kind) {
            (Trouble::CrashBefore, CallKind::Look) => Turn::Whole,
            (Trouble::CrashBefore, _) => {
                state.dead = true;
                Turn::Refused
            }
            (Trouble::CrashAmid, CallKind::Change) if has_half => {
                state.dead = true;
                Turn::Half
            }
            (Trouble::CrashAfter, CallKind::Commit | CallKind::Change | CallKind::Message) => {
                Turn::Last
            }
            (Trouble::FailBefore, CallKind::Look | CallKind::Commit | CallKind::Change) => {
                Turn::Refused
            }
            (Trouble::FailAmid, CallKind::Change) if has_half => Turn::Half,
            (Trouble::FailAfter, CallKind::Change) => Turn::Wasted,
            (Trouble::FailForGood, CallKind::Commit | CallKind::Change) => {
                state.broken = Some(kind);
                Turn::Refused
            }
            (Trouble::DoneAndFailForGood, CallKind::Commit) => {
                state.broken = Some(kind);
                Turn::Wasted
            }
            (Trouble::Hang, CallKind::Look | CallKind::Commit | CallKind::Change) => Turn::Wait,
            _ => Turn::Whole,
        };
        if !matches!(turn, Turn::Whole) {
            state.struck.push(format!("{trouble:?} at {name}"));
        }
        if state.dead && state.aborts && !matches!(turn, Turn::Half) {
            std::process::abort();
        }
        turn
    }

    /// Aborts a process that is dead and to be aborted.
    fn over(&self) {
        let state = self.lock();
        if state.dead && state.aborts {
            std::process::abort();
        }
    }

    fn die(&self) {
        self.lock().dead = true;
        self.over();
    }

    fn wait(&self) {
        let mut state = self.lock();
        state.released = false;
        state.hanging += 1;
        while !state.released {
            state = self
                .0
                .moved
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.hanging -= 1;
    }
}

impl fmt::Debug for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Points")
            .field("calls", &state.calls)
            .field("plan", &state.plan)
            .field("struck", &state.struck)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// What a call with a half did, and whether it succeeded.
    fn attempt(points: &Points, kind: CallKind) -> (u32, bool) {
        let done = std::cell::Cell::new(0);
        let half = Some(|| done.set(1));
        let answer = points.halved(
            kind,
            "x",
            || (),
            half,
            || {
                done.set(2);
                Ok(())
            },
        );
        (done.get(), answer.is_ok())
    }

    #[test]
    fn each_trouble_strikes_once_where_it_applies() {
        for (trouble, done, dead) in [
            (Trouble::CrashBefore, 0, true),
            (Trouble::CrashAmid, 1, true),
            (Trouble::CrashAfter, 2, true),
            (Trouble::FailBefore, 0, false),
            (Trouble::FailAmid, 1, false),
            (Trouble::FailAfter, 2, false),
        ] {
            let points = Points::default();
            points.plan(1, trouble);
            assert_eq!(attempt(&points, CallKind::Change), (2, true));
            assert_eq!(
                attempt(&points, CallKind::Change),
                (done, false),
                "{trouble:?}"
            );
            assert_eq!(points.struck(), [format!("{trouble:?} at x")]);
            assert_eq!(points.is_dead(), dead);
            let next = if dead { (0, false) } else { (2, true) };
            assert_eq!(attempt(&points, CallKind::Change), next, "{trouble:?}");
            points.restarted();
            assert_eq!(attempt(&points, CallKind::Change), (2, true));
        }
    }

    #[test]
    fn a_call_has_only_the_troubles_of_its_kind() {
        for (kind, expected) in [
            (CallKind::Look, 1),
            (CallKind::Commit, 5),
            (CallKind::Change, 7),
            (CallKind::Message, 2),
        ] {
            let all = Trouble::CRASHES.into_iter().chain(Trouble::FAULTS);
            let all = all.filter(|trouble| *trouble != Trouble::Hang);
            let struck = all.filter(|trouble| {
                let points = Points::default();
                points.plan(0, *trouble);
                attempt(&points, kind);
                !points.struck().is_empty()
            });
            assert_eq!(struck.count(), expected, "{kind:?}");
        }
    }

    #[test]
    fn what_is_broken_stays_so_until_a_start() {
        let points = Points::default();
        points.plan(0, Trouble::DoneAndFailForGood);
        assert_eq!(attempt(&points, CallKind::Commit), (2, false));
        assert_eq!(attempt(&points, CallKind::Commit), (0, false));
        assert_eq!(attempt(&points, CallKind::Change), (2, true));
        points.restarted();
        assert_eq!(attempt(&points, CallKind::Commit), (2, true));
    }

    #[test]
    fn what_hangs_goes_on_when_it_is_released() {
        let points = Points::default();
        points.plan(0, Trouble::Hang);
        assert_eq!(points.hanging(), 0);
        let hung = points.clone();
        let worker = thread::spawn(move || attempt(&hung, CallKind::Change));
        while points.hanging() == 0 {
            thread::yield_now();
        }
        points.release();
        assert_eq!(worker.join().unwrap(), (2, true));
        assert_eq!(points.hanging(), 0);
    }
}
