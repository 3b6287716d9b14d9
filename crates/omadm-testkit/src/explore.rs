//! Every state a system can get into.

use std::{
    collections::HashSet,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    num::NonZero,
    panic, thread,
};

/// A state of a system, and all that can happen next.
pub trait State: Sized + Send + Sync {
    /// Something that can happen.
    type Step: fmt::Debug + Send + Sync;

    /// What tells this state from all others, by [`digest`].
    fn key(&self) -> u128;

    /// Whether it is as it must be.
    ///
    /// # Errors
    /// What is wrong.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Everything that can happen, with the state after it or what is wrong then.
    fn next(&self) -> Vec<(Self::Step, Result<Self, String>)>;
}

/// What [`explore`] has seen.
#[derive(Debug)]
pub struct Explored<S> {
    /// States that differ.
    pub states: usize,
    /// Steps taken between them.
    pub steps: usize,
    /// The most steps from a first state to any that was seen.
    pub depth: usize,
    /// Whether nothing is left to be seen at any depth.
    pub complete: bool,
    /// The shortest way to something wrong, and what is wrong.
    pub violation: Option<(Vec<S>, String)>,
}

impl<S: fmt::Debug> fmt::Display for Explored<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            states,
            steps,
            depth,
            complete,
            violation,
        } = self;
        let all = if *complete { ", nothing beyond" } else { "" };
        write!(f, "{states} states, {steps} steps, depth {depth}{all}: ")?;
        match violation {
            None => write!(f, "0 violations"),
            Some((way, what)) => {
                writeln!(f, "{what}")?;
                way.iter().try_for_each(|step| writeln!(f, "  {step:?}"))
            }
        }
    }
}

/// How many states are gone on from at a time: what comes of them waits in memory to be compared.
const BATCH: usize = 256;

/// Sees every state within so many steps of the first ones, the nearest first, each once; stops at the
/// first that is wrong. What it sees does not depend on how many processors share the work.
pub fn explore<S: State>(first: Vec<S>, depth: usize) -> Explored<S::Step> {
    let mut seen = HashSet::new();
    // How each state was come to: by a step, from another.
    let mut ways: Vec<Option<(usize, S::Step)>> = Vec::new();
    let mut explored = Explored {
        states: 0,
        steps: 0,
        depth: 0,
        complete: false,
        violation: None,
    };
    let mut edge = Vec::new();
    for state in first {
        if seen.insert(state.key()) {
            if let Err(what) = state.check() {
                explored.violation = Some((Vec::new(), what));
                return explored;
            }
            edge.push((ways.len(), state));
            ways.push(None);
        }
    }
    while !edge.is_empty() && explored.depth < depth {
        let mut beyond = Vec::new();
        while !edge.is_empty() {
            let batch: Vec<_> = edge.drain(..edge.len().min(BATCH)).collect();
            let next = in_parallel(&batch, |(from, state)| (*from, state.next()));
            let next = next
                .into_iter()
                .flat_map(|(from, next)| next.into_iter().map(move |step| (from, step)));
            let (mut fresh, mut wrong) = (Vec::new(), None);
            for (from, (step, after)) in next {
                explored.steps += 1;
                match after {
                    Ok(after) if !seen.insert(after.key()) => {}
                    Ok(after) => fresh.push((from, step, after)),
                    Err(what) => {
                        wrong = Some((from, step, what));
                        break;
                    }
                }
            }
            let checks = in_parallel(&fresh, |(.., state)| state.check());
            for ((from, step, state), check) in fresh.into_iter().zip(checks) {
                if let Err(what) = check {
                    wrong = Some((from, step, what));
                    break;
                }
                beyond.push((ways.len(), state));
                ways.push(Some((from, step)));
            }
            if let Some((from, step, what)) = wrong {
                explored.states = ways.len();
                explored.depth += 1;
                explored.violation = Some((way(&mut ways, from, step), what));
                return explored;
            }
        }
        explored.depth += usize::from(!beyond.is_empty());
        edge = beyond;
    }
    explored.states = ways.len();
    explored.complete = edge.is_empty();
    explored
}

/// The same work on everything, by as many threads as there are processors.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = items.len().div_ceil(threads).max(1);
    let work = &work;
    thread::scope(|scope| {
        let shares = items.chunks(share);
        let threads: Vec<_> = shares
            .map(|share| scope.spawn(move || share.iter().map(work).collect::<Vec<_>>()))
            .collect();
        let results = threads.into_iter().map(thread::ScopedJoinHandle::join);
        results
            .flat_map(|result| result.unwrap_or_else(|payload| panic::resume_unwind(payload)))
            .collect()
    })
}

/// The steps to a state, and one more.
fn way<S>(ways: &mut [Option<(usize, S)>], mut at: usize, last: S) -> Vec<S> {
    let mut way = vec![last];
    while let Some((before, step)) = ways.get_mut(at).and_then(Option::take) {
        way.push(step);
        at = before;
    }
    way.reverse();
    way
}

/// 128 bits that stand for a text: that two of millions of texts share them is not to be feared.
#[must_use]
pub fn digest(text: &str) -> u128 {
    let hash = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        text.hash(&mut hasher);
        u128::from(hasher.finish())
    };
    hash(0) << 64 | hash(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two jugs, of three litres and of five.
    #[derive(Clone, Copy, PartialEq, Debug)]
    struct Jugs(u8, u8);

    /// One with this much of the large one is wrong.
    #[derive(Debug)]
    struct Wanted(Jugs, u8);

    impl State for Wanted {
        type Step = &'static str;

        fn key(&self) -> u128 {
            digest(&format!("{:?}", self.0))
        }

        fn next(&self) -> Vec<(Self::Step, Result<Self, String>)> {
            let Jugs(three, five) = self.0;
            let (to_five, to_three) = (three.min(5 - five), five.min(3 - three));
            let steps = [
                ("fill three", Jugs(3, five)),
                ("fill five", Jugs(three, 5)),
                ("empty three", Jugs(0, five)),
                ("empty five", Jugs(three, 0)),
                ("three to five", Jugs(three - to_five, five + to_five)),
                ("five to three", Jugs(three + to_three, five - to_three)),
            ];
            let judged = steps.map(|(step, after)| match after.1 == self.1 {
                true => (step, Err(format!("{after:?}"))),
                false => (step, Ok(Self(after, self.1))),
            });
            judged.into()
        }
    }

    #[test]
    fn the_shortest_way_is_found() {
        let explored = explore(vec![Wanted(Jugs(0, 0), 4)], 9);
        let (way, what) = explored.violation.unwrap();
        let due = [
            "fill five",
            "five to three",
            "empty three",
            "five to three",
            "fill five",
            "five to three",
        ];
        assert_eq!((way, what.as_str()), (due.to_vec(), "Jugs(3, 4)"));
    }

    #[test]
    fn everything_is_seen_once() {
        let explored = explore(vec![Wanted(Jugs(0, 0), 6)], usize::MAX);
        assert_eq!((explored.states, explored.steps), (16, 16 * 6));
        assert!(explored.complete && explored.violation.is_none());
        let explored = explore(vec![Wanted(Jugs(0, 0), 6)], 1);
        assert_eq!((explored.states, explored.complete), (3, false));
    }
}
