use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use omadm_testkit::{Power, PowerCut};
use virmo_hypervisor::{Erase, Hypervisor, HypervisorError, VmSpec};
use virmo_params::ResourceConfig;
use virmo_simulator::Simulator;
use virmo_state::VmId;

use crate::{
    folder::VolatileFolder,
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
    broken.extend(trial.is_done_and_told());
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

/// The process is killed at any change of a file, and the power goes after the next start: what that
/// found is there still.
#[test]
fn what_a_start_finds_after_a_kill_is_durable() {
    let id: VmId = "vm-1".parse().unwrap();
    let image = tempfile::NamedTempFile::new().unwrap();
    fs::write(&image, b"octets").unwrap();
    let [small, large] = [1000, 2000].map(|storage| {
        let config = format!("RAM=100&Storage={storage}&CPU=10&Network=10");
        config.parse::<ResourceConfig>().unwrap()
    });
    let life = |simulator: &Simulator| {
        let spec = VmSpec::new(id.clone(), image.path(), "text/plain", small.clone());
        simulator.create(&spec)?;
        simulator.prepare(&id, &large)?;
        simulator.commit(&id, &large)?;
        simulator.power_on(&id)?;
        simulator.suspend(&id)?;
        simulator.delete(&id, Erase::Overwrite)?;
        Ok::<_, HypervisorError>(())
    };
    let see = |simulator: &Simulator, place: &Path| {
        let disk = fs::metadata(place.join("machines/vm-1/disk")).map(|disk| disk.len());
        (simulator.observe(&id).unwrap(), disk.ok())
    };
    for killed in 0.. {
        let root = tempfile::tempdir().unwrap();
        let folder = VolatileFolder::new(root.path(), &Power::default());
        let place = root.path().join("device/simulator");
        let open = |killed: usize| {
            let (folder, steps) = (folder.clone(), AtomicUsize::new(0));
            let builder = Simulator::builder(&place);
            let builder = builder.watch_files(move |step| {
                match steps.fetch_add(1, Ordering::Relaxed) < killed {
                    true => folder.step(step),
                    false => Err(std::io::ErrorKind::BrokenPipe.into()),
                }
            });
            builder.open()
        };
        let lived = open(killed).is_ok_and(|simulator| life(&simulator).is_ok());
        let simulator = open(usize::MAX).unwrap();
        // A disk that has its length counts as durable once the change is committed.
        _ = simulator.commit(&id, &large);
        let found = see(&simulator, &place);
        drop(simulator);
        folder.cut(PowerCut::Drop);
        assert!(place.is_dir(), "killed at {killed}");
        let left = see(&open(usize::MAX).unwrap(), &place);
        assert_eq!(found, left, "killed at {killed}");
        if lived {
            assert!(killed > 40, "only {killed} changes");
            break;
        }
    }
}
