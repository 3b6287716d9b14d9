//! One scenario with something going wrong, and what is asked of it afterwards.

use std::collections::BTreeMap;

use omadm_mo::Reporting;
use omadm_testkit::Trouble;

use crate::{
    scenarios::{Programme, Scenario, applied, policy},
    world::{Cut, Saved, World},
};

/// A scenario that is about to begin, again and again.
pub(crate) struct Trial {
    pub(crate) scenario: &'static Scenario,
    pub(crate) world: World,
    /// How Execs are answered, or what goes wrong.
    kind: String,
    saved: Saved,
    before: BTreeMap<String, String>,
    after: BTreeMap<String, String>,
    /// How many calls it takes when nothing goes wrong.
    pub(crate) calls: usize,
    /// How often it changes media then.
    pub(crate) changes: usize,
    /// Whether it came to an end.
    ends: bool,
}

/// What came of all trials.
#[derive(Default)]
pub(crate) struct Tally {
    /// How many there were.
    pub(crate) points: usize,
    pub(crate) broken: Vec<String>,
}

impl Tally {
    pub(crate) fn note(&mut self, context: &str, broken: Vec<String>) {
        self.points += 1;
        let broken = broken.into_iter();
        self.broken
            .extend(broken.map(|what| format!("{context}: {what}")));
    }

    /// # Panics
    /// If a promise was broken.
    pub(crate) fn judge(&self, what: &str, least: usize) {
        println!(
            "{what}: {} points, {} violations",
            self.points,
            self.broken.len()
        );
        assert!(self.broken.is_empty(), "{}", self.broken.join("\n"));
        let all = std::env::var("CRASH_SCENARIO").is_err();
        assert!(!all || self.points >= least, "only {} points", self.points);
    }
}

/// Of how many points one is tried: 1 if all are asked for.
pub(crate) fn stride(usual: usize) -> usize {
    let asked = std::env::var("CRASH_STRIDE").ok();
    asked.map_or(usual, |stride| stride.parse().unwrap())
}

impl Trial {
    pub(crate) fn new(scenario: &'static Scenario, reporting: Reporting) -> Self {
        Self::of(
            scenario,
            format!("{reporting:?}"),
            scenario.world(reporting),
        )
    }

    /// On media that can lose their power.
    pub(crate) fn on_media(scenario: &'static Scenario) -> Self {
        let world = World::on_media(policy(Reporting::Synchronous));
        Self::of(scenario, "power".to_owned(), scenario.set_up(world))
    }

    fn of(scenario: &'static Scenario, kind: String, mut world: World) -> Self {
        let saved = world.save();
        world.restore(&saved);
        world.settle();
        let before = world.states();
        let (start, begin) = (world.points.calls(), world.power.changes());
        world.run((scenario.run)());
        let calls = world.points.calls() - start;
        let changes = world.power.changes() - begin;
        assert!(world.reports.iter().all(|it| it.ok), "{:?}", world.reports);
        let after = world.states();
        Self {
            scenario,
            world,
            kind,
            saved,
            before,
            after,
            calls,
            changes,
            ends: true,
        }
    }

    /// Goes back to where it is about to begin.
    pub(crate) fn begin(&mut self) {
        self.world.restore(&self.saved);
        self.world.settle();
    }

    /// Has it begin.
    pub(crate) fn ask(&mut self) {
        self.world.ask((self.scenario.run)());
    }

    /// Runs until nothing is under way.
    pub(crate) fn settle(&mut self) {
        self.ends = self.world.try_settle();
    }

    /// Runs it with these troubles, by the number of the call; whether the first of them struck.
    pub(crate) fn run(&mut self, troubles: &[(usize, Trouble)]) -> bool {
        self.begin();
        for (call, trouble) in troubles {
            self.world.points.plan(*call, *trouble);
        }
        self.ask();
        let hangs = |(_, trouble): &(usize, Trouble)| *trouble == Trouble::Hang;
        self.world.threads = troubles.iter().any(hangs);
        let ends = self.world.try_settle();
        if self.world.points.struck().is_empty() {
            return false;
        }
        self.ends = ends || self.world.points.is_broken();
        true
    }

    pub(crate) fn context(&self) -> String {
        let struck = self.world.points.struck().join(", then ");
        format!("{}, {}, {struck}", self.scenario.name, self.kind)
    }

    /// Runs it with these power cuts; how many there were.
    pub(crate) fn lose_power(&mut self, cuts: &[Cut]) -> usize {
        self.world.restore(&self.saved);
        self.world.settle();
        self.world.plan(cuts.iter().copied());
        self.world.ask((self.scenario.run)());
        self.ends = self.world.try_settle();
        let cut = self.world.cut;
        self.world.plan([]);
        cut
    }

    /// What is wrong now that nothing is under way.
    pub(crate) fn look(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        if !self.ends {
            found.push(format!("it never ends: {:?}", self.world.state()));
        }
        let broken = self.world.violations();
        found.extend(broken.iter().map(|it| format!("{it:?}")));
        if self.scenario.name == "apply" {
            let [before, after] = applied();
            let broken = self.world.is_whole(&before, &after);
            found.extend(broken.iter().map(|it| format!("{it:?}")));
        }
        if self.ends {
            found.extend(self.world.seen_otherwise());
        }
        found
    }

    /// What is wrong where everything was to be done, and the server to be told so.
    pub(crate) fn is_done_and_told(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.scenario.tells && !self.scenario.ends && !self.was_told_done() {
            found.push(format!("told {:?}", self.world.reports));
        }
        if self.was_told_done() && !self.is_after() {
            found.push(format!("told done, and now {:?}", self.world.states()));
        }
        found
    }

    /// Whether the server was told that all was done.
    pub(crate) fn was_told_done(&self) -> bool {
        self.world.reports.iter().all(|report| report.ok)
    }

    /// A node that stands for nothing yet does not count, nor that a download or an update failed.
    pub(crate) fn is_before(&self) -> bool {
        let mut states = self.world.states();
        let nothing = ["RAM=0&Storage=0&CPU=0&Network=0", "0", "3"];
        states.retain(|leaf, value| {
            let stands = match leaf.rsplit_once("DMTree/") {
                Some((_, "LAWMO/State")) => value != "30",
                Some((_, "DCMO/camera/Enabled")) => value != "true",
                Some(_) => self.after.get(leaf) == Some(value),
                None => !nothing.contains(&value.as_str()),
            };
            self.before.contains_key(leaf) || stands
        });
        states == self.before
    }

    pub(crate) fn is_after(&self) -> bool {
        self.world.states() == self.after
    }

    /// What goes wrong at the next attempt, after what was done is undone.
    pub(crate) fn again(&mut self) -> Vec<String> {
        self.world.points.calm();
        self.world.threads = false;
        let mut found = Vec::new();
        let mut attempt = |trial: &mut Self, what: &str, programme: Programme, tells: bool| {
            trial.world.ask(programme);
            trial.ends = trial.world.try_settle();
            for report in &trial.world.reports {
                if tells && !report.ok {
                    found.push(format!("{what}: {report:?}"));
                }
            }
            let look = trial.look().into_iter();
            found.extend(look.map(|broken| format!("{what}: {broken}")));
        };
        if self.is_after() && !self.is_before() {
            attempt(self, "back", (self.scenario.undo)(), true);
        }
        attempt(self, "again", (self.scenario.run)(), self.scenario.tells);
        if !self.is_after() {
            found.push(format!("again: {:?}", self.world.states()));
        }
        found
    }
}
