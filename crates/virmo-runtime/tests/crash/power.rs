use omadm_testkit::PowerCut;

use crate::{
    scenarios::{asked, named},
    trial::{Tally, Trial, stride},
    world::Cut,
};

/// The power goes at each change of what the journal, the images and the machines are on, half of the
/// times once more in what follows; what was not synced is lost, there, or some of it. The server
/// learns that all was done, as it was.
#[test]
fn a_power_cut_at_any_change_loses_nothing() {
    let (stride, mut at) = (stride(USUAL), 0);
    let mut tally = Tally::default();
    for scenario in asked() {
        let mut trial = Trial::on_media(scenario);
        for after in 0..trial.changes {
            for how in 0..4 {
                at += 1;
                if at % stride != 0 {
                    continue;
                }
                let tried = at / stride;
                let mut cuts = vec![cut(after, how, tried)];
                if tried % 2 == 0 {
                    cuts.push(cut(1 + tried % 97, tried / 2, tried));
                }
                tally.note(
                    &format!("{}, {cuts:?}", scenario.name),
                    cut_at(&mut trial, &cuts),
                );
            }
        }
    }
    tally.judge("power cuts", LEAST / stride);
}

fn cut(after: usize, how: usize, seed: usize) -> Cut {
    let how = match how % 4 {
        0 => PowerCut::Drop,
        1 => PowerCut::Keep,
        2 => PowerCut::Mix(seed as u64),
        _ => PowerCut::Tear(seed as u64),
    };
    Cut { after, how }
}

/// What is wrong after these power cuts.
fn cut_at(trial: &mut Trial, cuts: &[Cut]) -> Vec<String> {
    let cut = trial.lose_power(cuts);
    let mut broken = trial.look();
    if cut == 0 {
        broken.push("the power never went".to_owned());
    }
    if trial.scenario.tells && !trial.scenario.ends && !trial.was_told_done() {
        broken.push(format!("told {:?}", trial.world.reports));
    }
    if trial.was_told_done() && !trial.is_after() {
        broken.push(format!("done, and now {:?}", trial.world.states()));
    }
    broken.extend(trial.again());
    broken
}

/// In CI every so many.
const USUAL: usize = 67;

/// How many there are at least.
const LEAST: usize = 2800;

/// Media that say they have synced, and have not, lose what the server was told.
#[test]
fn what_is_lost_is_found() {
    for name in ["suspend", "apply", "download"] {
        let mut trial = Trial::on_media(named(name));
        trial.world.power.lie();
        assert_eq!(trial.lose_power(&[]), 0);
        assert!(trial.was_told_done() && trial.is_after(), "{name}");
        trial.world.plan([Cut {
            after: 0,
            how: PowerCut::Drop,
        }]);
        trial.world.settle();
        assert!(!trial.is_after(), "{name}");
    }
}
