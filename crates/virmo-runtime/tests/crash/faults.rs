use omadm_core::StatusCode;
use omadm_mo::Reporting;
use omadm_testkit::Trouble;

use crate::{
    scenarios::asked,
    trial::{Tally, Trial, stride},
};

/// Each call fails before, amid or after its effect, fails from then on, or hangs. The server learns
/// the truth, what was is kept, and the next attempt works.
#[test]
fn a_fault_of_any_call_keeps_what_was() {
    let (stride, mut at) = (stride(23), 0);
    let mut tally = Tally::default();
    for scenario in asked() {
        for reporting in [Reporting::Synchronous, Reporting::Asynchronous] {
            let mut trial = Trial::new(scenario, reporting);
            for call in 0..trial.calls {
                for fault in Trouble::FAULTS {
                    at += 1;
                    if at % stride != 0 || !trial.run(&[(call, fault)]) {
                        continue;
                    }
                    let context = trial.context();
                    let misled = misled(&trial);
                    let is_broken = trial.world.points.is_broken();
                    if is_broken {
                        trial.world.restart();
                        trial.world.settle();
                    } else if fault == Trouble::Hang {
                        trial.world.release();
                    }
                    trial.world.recollect();
                    trial.world.settle();
                    let mut broken = trial.look();
                    broken.extend(misled);
                    broken.extend(untrue(&trial, is_broken));
                    broken.extend(trial.again());
                    tally.note(&context, broken);
                }
            }
        }
    }
    tally.judge("faults", 1200 / stride);
}

/// What is wrong with the codes the server was told.
fn misled(trial: &Trial) -> Option<String> {
    let failed = trial.world.reports.iter().find(|report| !report.ok)?;
    let code = failed.status.map(StatusCode::get);
    let fits = match code {
        Some(500 | 510 | 420) => true,
        // A command that is no Exec, and has to wait too long.
        Some(408) => true,
        // A journal that stays broken keeps no alert either.
        Some(202) => trial.world.points.is_broken(),
        // Codes of FUMO's own.
        Some(400..=499) => trial.scenario.name == "update firmware",
        _ => false,
    };
    (!fits).then(|| format!("told {:?}", trial.world.reports))
}

/// What is not as the server was told: done, or as it was before.
fn untrue(trial: &Trial, is_broken: bool) -> Option<String> {
    let failed = trial.world.reports.iter().find(|report| !report.ok);
    let is_so = match failed.and_then(|report| report.status) {
        None => trial.is_after(),
        // The end is open to the server.
        Some(StatusCode::ACCEPTED | StatusCode::REQUEST_TIMEOUT) => {
            trial.is_before() || trial.is_after()
        }
        // A journal that stays broken keeps neither what was done nor what was told.
        Some(StatusCode::DATA_STORE_FAILURE) if is_broken => trial.is_before() || trial.is_after(),
        // Told to have failed, for it hung or its end could not be kept, and done all the same where
        // there is no way back: the node tells.
        Some(_) if trial.scenario.has_no_way_back() && leaves_the_end_open(trial) => {
            trial.is_before() || trial.is_after()
        }
        Some(_) => trial.is_before(),
    };
    (!is_so).then(|| {
        let (told, now) = (&trial.world.reports, trial.world.states());
        format!("told {told:?}, and now {now:?}")
    })
}

/// Whether something hung, or a commit failed, or what a sink was to discard.
fn leaves_the_end_open(trial: &Trial) -> bool {
    let struck = trial.world.points.struck();
    let is_open = |it: &String| {
        it.starts_with("Hang") || it.ends_with("Journal::commit") || it.ends_with("Sink::discard")
    };
    struck.iter().any(is_open)
}
