use std::collections::BTreeMap;

use virmo::{dm::syncml::Encoding, nodes::Profile};

use crate::{
    Device, Failed, OurDevice, OurServer, Outcome, Proof, Row, Scenario, Seed, Server,
    bench::{Bench, Talk},
    device::Begun,
    scenario::{Kind, Verdict, Verdicts},
    trace::{self, Trace},
};

/// Runs the scenarios of rows on a subject: our own ends, or a foreign device or server.
///
/// Each scenario is run once, in each encoding; nothing of a run is kept.
///
/// ```
/// use virmo_conformance::{Conformance, Outcome, Seed, rows};
///
/// let row = rows(Seed::Uve).find(|row| row.id == "UR-008").expect("it is there");
/// assert_eq!(Conformance::ours().judge(row), Outcome::Proven);
/// ```
#[derive(Default)]
pub struct Conformance {
    device: Option<Box<dyn Device>>,
    server: Option<Box<dyn Server>>,
    own: bool,
    talk: Talk,
    /// That the device has stopped to come.
    silent: Option<Failed>,
    traces: BTreeMap<Profile, Vec<Result<Trace, Failed>>>,
    done: BTreeMap<(&'static str, Profile), Ran>,
}

/// What came of a scenario.
enum Ran {
    /// Of the libraries themselves.
    Own(Result<(), Failed>),
    /// One for each encoding, and what came of one that ended before its end.
    Subject(Vec<(Verdicts, Option<Outcome>)>),
    /// There is no such subject here.
    NoSubject,
}

impl Conformance {
    /// Our own device, server and libraries.
    #[must_use]
    pub fn ours() -> Self {
        Self {
            device: Some(Box::new(OurDevice::new())),
            server: Some(Box::new(OurServer::new())),
            own: true,
            ..Self::default()
        }
    }

    /// A device, and nothing else.
    #[must_use]
    pub fn of_device(device: impl Device + 'static) -> Self {
        Self {
            device: Some(Box::new(device)),
            ..Self::default()
        }
    }

    /// A server, and nothing else.
    #[must_use]
    pub fn of_server(server: impl Server + 'static) -> Self {
        Self {
            server: Some(Box::new(server)),
            ..Self::default()
        }
    }

    /// Sees whether there is anything to judge: a device that comes and lets itself be asked, a server
    /// that lets a device in.
    ///
    /// # Errors
    /// Why not: every row would say the same.
    pub fn meet(&mut self, profile: Profile) -> Result<(), Failed> {
        if let Some(traces) = self.traces(profile) {
            let met = traces.iter().any(Result::is_ok);
            let mut failed = traces.iter().filter_map(|trace| trace.as_ref().err());
            if let Some(failed) = failed.next().filter(|_| !met) {
                return Err(failed.clone());
            }
        }
        if let Some(device) = &mut self.device {
            let encoding = device.encodings().first().copied();
            if device.begin(encoding, profile)? == Begun::Anew {
                self.talk = Talk::default();
            }
            let mut bench = Bench::new(&mut **device, &mut self.talk, profile);
            let status = bench.get("./DevInfo/DevId")?.status;
            if status != 200 {
                return Err(Failed::new(format_args!(
                    "the device refuses the judge: Get of ./DevInfo/DevId was answered with {status}"
                )));
            }
        }
        Ok(())
    }

    /// Judges a row, by the scenarios that have run already or run now.
    pub fn judge(&mut self, row: &Row) -> Outcome {
        let profile = match row.seed {
            Seed::Draft => Profile::Draft,
            _ => Profile::Approved,
        };
        self.judge_in(row, profile)
    }

    /// Judges a row by what a subject does that follows a text.
    fn judge_in(&mut self, row: &Row, profile: Profile) -> Outcome {
        match row.proof {
            Proof::None => Outcome::Unproven,
            Proof::Reference | Proof::Information => Outcome::Nothing,
            Proof::Document(place) if place.exists() => Outcome::Written,
            Proof::Document(place) => Outcome::Failed(Failed::new(format_args!(
                "{} has no {}",
                place.file, place.heading
            ))),
            Proof::As(id) => match crate::rows::all().find(|row| row.id == id) {
                // A row that proves itself by another does so by one with scenarios.
                Some(other) if !matches!(other.proof, Proof::As(_)) => {
                    self.judge_in(other, profile)
                }
                _ => Outcome::Unproven,
            },
            Proof::Scenarios(scenarios) => {
                let mut sum = None;
                for scenario in scenarios {
                    let next = self.of_scenario(scenario, row.id, profile);
                    sum = Some(match sum {
                        None => next,
                        Some(sum) => worse(sum, next),
                    });
                }
                sum.unwrap_or(Outcome::Unproven)
            }
        }
    }

    fn of_scenario(
        &mut self,
        scenario: &'static Scenario,
        row: &'static str,
        profile: Profile,
    ) -> Outcome {
        let key = (scenario.name, profile);
        if !self.done.contains_key(&key) {
            let ran = self.run(scenario, profile);
            self.done.insert(key, ran);
        }
        match self.done.get(&key) {
            Some(Ran::Own(Ok(()))) => Outcome::Proven,
            Some(Ran::Own(Err(failed))) => Outcome::Failed(failed.clone()),
            Some(Ran::NoSubject) | None => Outcome::NotObservable(Failed::new("the other end")),
            Some(Ran::Subject(runs)) => {
                let outcomes = runs
                    .iter()
                    .map(|(verdicts, end)| match (verdicts.of(row), end) {
                        (Some(Verdict::Fails(why)), _) => Outcome::Failed(Failed::new(why)),
                        (_, Some(end)) => end.clone(),
                        (Some(Verdict::Holds), None) => Outcome::Proven,
                        (Some(Verdict::Unseen(why)), None) => {
                            Outcome::NotObservable(Failed::new(why))
                        }
                        (None, None) => Outcome::Unproven,
                    });
                outcomes.reduce(worse).unwrap_or(Outcome::Unproven)
            }
        }
    }

    fn run(&mut self, scenario: &Scenario, profile: Profile) -> Ran {
        match scenario.kind {
            Kind::Own(run) if self.own => Ran::Own(run()),
            Kind::Own(_) => Ran::NoSubject,
            Kind::Device(run) => {
                let Some(device) = &mut self.device else {
                    return Ran::NoSubject;
                };
                let device = &mut **device;
                if !device.follows(profile) {
                    return Ran::NoSubject;
                }
                let encodings = device.encodings();
                let (talk, silent) = (&mut self.talk, &mut self.silent);
                let mut try_in = |encoding: Option<Encoding>| {
                    if let Some(why) = silent {
                        let unseen = Outcome::NotObservable(why.clone());
                        return (Verdicts::default(), Some(unseen));
                    }
                    let begun = match device.begin(encoding, profile) {
                        Err(failed) => return (Verdicts::default(), Some(Outcome::Failed(failed))),
                        Ok(begun) => begun,
                    };
                    if begun == Begun::Anew {
                        *talk = Talk::default();
                    }
                    let mut bench = Bench::new(device, talk, profile);
                    let end = run(&mut bench).err();
                    let verdicts = bench.verdicts;
                    let end = end.map(|why| match device.is_silent() {
                        true => {
                            *silent = Some(why.clone());
                            Outcome::NotObservable(why)
                        }
                        false => Outcome::Failed(why),
                    });
                    (verdicts, end)
                };
                Ran::Subject(each(&encodings, &mut try_in))
            }
            Kind::Server(judge) => match self.traces(profile) {
                None => Ran::NoSubject,
                Some(traces) => {
                    let judged = traces.iter().map(|trace| {
                        let mut verdicts = Verdicts::default();
                        match trace {
                            Ok(trace) => {
                                judge(trace, &mut verdicts);
                                (verdicts, None)
                            }
                            Err(failed) => (verdicts, Some(Outcome::Failed(failed.clone()))),
                        }
                    });
                    Ran::Subject(judged.collect())
                }
            },
        }
    }

    /// What the server did, which is seen once in each encoding.
    fn traces(&mut self, profile: Profile) -> Option<&[Result<Trace, Failed>]> {
        let server = &mut **self.server.as_mut()?;
        if !server.follows(profile) {
            return None;
        }
        let traces = self.traces.entry(profile).or_insert_with(|| {
            let encodings = server.encodings();
            each(&encodings, &mut |encoding| {
                trace::of(server, encoding, profile)
            })
        });
        Some(traces)
    }
}

/// Tries something in each of these encodings, or in the one the subject chooses.
fn each<T>(encodings: &[Encoding], try_in: &mut dyn FnMut(Option<Encoding>) -> T) -> Vec<T> {
    match encodings {
        [] => vec![try_in(None)],
        some => some
            .iter()
            .map(|encoding| try_in(Some(*encoding)))
            .collect(),
    }
}

/// What two parts of a proof come to: a failure or a gap of one is that of both, and what one
/// subject does not show does no harm to what another does.
fn worse(one: Outcome, other: Outcome) -> Outcome {
    const fn rank(outcome: &Outcome) -> u8 {
        match outcome {
            Outcome::Failed(_) => 4,
            Outcome::Unproven => 3,
            Outcome::Proven => 2,
            Outcome::NotObservable(_) => 1,
            Outcome::Written | Outcome::Nothing => 0,
        }
    }
    if rank(&other) > rank(&one) {
        other
    } else {
        one
    }
}
