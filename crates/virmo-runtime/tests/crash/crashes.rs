use omadm_mo::Reporting;
use omadm_testkit::Trouble;

use crate::{
    scenarios::asked,
    trial::{Tally, Trial, stride},
};

/// A crash before, amid and after each call, and each of them once more with a second crash
/// somewhere in what follows. The server learns that all was done, as it was.
#[test]
fn a_crash_at_any_call_loses_nothing() {
    let (stride, mut at) = (stride(23), 0);
    let mut tally = Tally::default();
    for scenario in asked() {
        for reporting in [Reporting::Synchronous, Reporting::Asynchronous] {
            let mut trial = Trial::new(scenario, reporting);
            for call in 0..trial.calls {
                for crash in Trouble::CRASHES {
                    for second in [None, Some(Trouble::CRASHES)] {
                        at += 1;
                        if at % stride != 0 {
                            continue;
                        }
                        let mut troubles = vec![(call, crash)];
                        if let Some(crashes) = second {
                            let later = call + 1 + at / stride % 9;
                            troubles.push((later, crashes[at / stride % 3]));
                        }
                        if trial.run(&troubles) {
                            let mut broken = trial.look();
                            broken.extend(trial.is_done_and_told());
                            let context = trial.context();
                            broken.extend(trial.again());
                            tally.note(&context, broken);
                        }
                    }
                }
            }
        }
    }
    tally.judge("crashes", 1600 / stride);
}
