//! Kills: a child process goes through a machine's whole life and aborts at one change of a file,
//! each in turn; what it leaves is one of the states the call it was in may leave, and the call can
//! be finished or taken back.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test code"
)]

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
};

use virmo_hypervisor::{
    Erase, Hypervisor, HypervisorError, MachineState, Outcome, PowerOff, VmSpec,
};
use virmo_params::ResourceConfig;
use virmo_simulator::{Builder, FaultMode, Operation, Simulator};
use virmo_state::VmId;

use MachineState::{Absent, Running, Suspended, Unsettled};

const OFF: MachineState = MachineState::Off { crashed: false };

const SMALL: &str = "RAM=100&Storage=1000&CPU=10&Network=10";
const LARGE: &str = "RAM=200&Storage=2000&CPU=20&Network=20";
/// Between the two.
const TORN: &str = "RAM=200&Storage=1000&CPU=10&Network=10";

type Answer = Result<Outcome, HypervisorError>;

/// A call of the life, what holds when it begins and ends, and what takes it back.
struct Step {
    call: fn(&Simulator, &Path) -> Answer,
    begin: (MachineState, &'static str, u64),
    end: (MachineState, &'static str, u64),
    /// What a kill may leave besides.
    between: Option<(MachineState, &'static str)>,
    back: Option<fn(&Simulator) -> Answer>,
    fault: Option<Operation>,
}

fn config(text: &str) -> ResourceConfig {
    text.parse().unwrap()
}

fn id() -> VmId {
    "vm-1".parse().unwrap()
}

fn builder(dir: &Path) -> Builder {
    Simulator::builder(dir.join("simulator")).without_sync()
}

/// Aborts the process before this change of a file, the first being 1.
fn abort_at(builder: Builder, last: u64) -> Builder {
    let steps = AtomicU64::new(0);
    builder.watch_files(move |_| match steps.fetch_add(1, Ordering::Relaxed) + 1 {
        step if step == last => std::process::abort(),
        _ => Ok(()),
    })
}

fn life() -> Vec<Step> {
    vec![
        Step {
            call: |simulator, dir| {
                let image = dir.join("image");
                let media_type = "application/octet-stream";
                simulator.create(&VmSpec::new(id(), image, media_type, config(SMALL)))
            },
            begin: (Absent, "", 0),
            end: (OFF, SMALL, 0),
            between: None,
            back: Some(|simulator| simulator.delete(&id(), Erase::Discard)),
            fault: Some(Operation::Create),
        },
        Step {
            call: |simulator, _| simulator.power_on(&id()),
            begin: (OFF, SMALL, 0),
            end: (Running, SMALL, 0),
            between: Some((Unsettled, SMALL)),
            back: Some(|simulator| simulator.power_off(&id(), PowerOff::Force)),
            fault: Some(Operation::PowerOn),
        },
        Step {
            call: |simulator, _| simulator.suspend(&id()),
            begin: (Running, SMALL, 0),
            end: (Suspended, SMALL, 0),
            between: Some((Unsettled, SMALL)),
            back: Some(|simulator| simulator.resume(&id())),
            fault: Some(Operation::Suspend),
        },
        Step {
            call: |simulator, _| simulator.resume(&id()),
            begin: (Suspended, SMALL, 0),
            end: (Running, SMALL, 1),
            between: Some((Unsettled, SMALL)),
            back: Some(|simulator| simulator.suspend(&id())),
            fault: Some(Operation::Resume),
        },
        Step {
            call: |simulator, _| {
                let large = config(LARGE);
                simulator.prepare(&id(), &large)?;
                simulator.commit(&id(), &large)
            },
            begin: (Running, SMALL, 1),
            end: (Running, LARGE, 1),
            between: Some((Running, TORN)),
            back: Some(|simulator| simulator.undo(&id(), &config(SMALL))),
            fault: Some(Operation::Apply),
        },
        Step {
            call: |simulator, _| simulator.undo(&id(), &config(SMALL)),
            begin: (Running, LARGE, 1),
            end: (Running, SMALL, 1),
            between: None,
            back: None,
            fault: None,
        },
        Step {
            call: |simulator, _| simulator.power_off(&id(), PowerOff::Force),
            begin: (Running, SMALL, 1),
            end: (OFF, SMALL, 0),
            between: None,
            back: None,
            fault: Some(Operation::PowerOff),
        },
        Step {
            call: |simulator, _| simulator.delete(&id(), Erase::Overwrite),
            begin: (OFF, SMALL, 0),
            end: (Absent, "", 0),
            between: None,
            back: None,
            fault: Some(Operation::Delete),
        },
    ]
}

fn observed(simulator: &Simulator) -> (MachineState, String) {
    let observed = simulator.observe(&id()).unwrap();
    let resources = observed.resources.map(|it| it.to_string());
    (observed.state, resources.unwrap_or_default())
}

fn check(simulator: &Simulator, due: &(MachineState, &str, u64), what: &str) {
    let (state, resources) = observed(simulator);
    assert_eq!((&state, &*resources), (&due.0, due.1), "{what}");
    if matches!(state, Running | Suspended) {
        assert_eq!(simulator.counter(&id()).unwrap(), due.2, "{what}");
    }
}

/// Goes through the life from this step on, checks each, and sees that nothing is left.
fn live(simulator: &Simulator, dir: &Path, from: usize) {
    for (number, step) in life().iter().enumerate().skip(from) {
        let answer = (step.call)(simulator, dir);
        assert!(answer.is_ok(), "step {number}: {answer:?}");
        check(simulator, &step.end, &format!("step {number}"));
    }
    for folder in ["machines", "scratch"] {
        let folder = dir.join("simulator").join(folder);
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
    }
}

/// What a child is told: where, and when to die.
const JOB: &str = "VIRMO_SIMULATOR_KILL_TEST";

/// Runs this test again in a child. Says which step it was in, and whether it came to its end.
fn child(test: &str, dir: &Path, when: &str) -> (usize, bool) {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(JOB, format!("{}\n{when}", dir.display()))
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let steps = text
        .lines()
        .filter(|line| line.contains("in step "))
        .count();
    (steps.saturating_sub(1), output.status.success())
}

/// The other side of [`child`].
fn live_and_die(job: &str) {
    let (dir, when) = job.split_once('\n').unwrap();
    let dir = Path::new(dir);
    let builder = builder(dir);
    let builder = match when.parse() {
        Ok(step) => abort_at(builder, step),
        Err(_) => builder.fault(when.parse().unwrap()),
    };
    let simulator = builder.open().unwrap();
    for (number, step) in life().iter().enumerate() {
        println!("\nin step {number}");
        (step.call)(&simulator, dir).unwrap();
    }
}

fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("image"), "an image").unwrap();
    dir
}

#[test]
fn a_kill_at_any_change_of_a_file_loses_and_doubles_nothing() {
    if let Ok(job) = env::var(JOB) {
        return live_and_die(&job);
    }
    let name = "a_kill_at_any_change_of_a_file_loses_and_doubles_nothing";
    let life = life();
    let mut kills = vec![0; life.len()];
    for change in 1.. {
        // Where something is left in between, once more to take it back.
        let mut between = true;
        for take_back in [false, true] {
            if !between {
                continue;
            }
            let dir = place();
            let (number, ended) = child(name, dir.path(), &change.to_string());
            if ended {
                assert!(kills.iter().all(|kills| *kills >= 3), "{kills:?}");
                return;
            }
            kills[number] += 1;
            let what = format!("killed at change {change}, in step {number}");
            let step = &life[number];

            // It opens: the lock went with the process.
            let simulator = builder(dir.path()).open().unwrap();
            let (state, resources) = observed(&simulator);
            let left = (state.clone(), &*resources);
            let begin = (step.begin.0.clone(), step.begin.1);
            let end = (step.end.0.clone(), step.end.1);
            assert!(
                left == begin || left == end || Some(&left) == step.between.as_ref(),
                "{what}: left {left:?}"
            );
            if left == begin {
                check(&simulator, &step.begin, &what);
            }
            if left == end {
                check(&simulator, &step.end, &what);
            }
            assert_eq!(
                simulator.list().unwrap().len(),
                usize::from(state != Absent)
            );
            between = Some(&left) == step.between.as_ref();
            if take_back && let Some(back) = step.back {
                back(&simulator).unwrap();
                check(&simulator, &step.begin, &format!("{what}, taken back"));
            }
            live(&simulator, dir.path(), number);
        }
    }
}

#[test]
fn a_crash_fault_aborts_after_the_first_effect() {
    if let Ok(job) = env::var(JOB) {
        return live_and_die(&job);
    }
    let name = "a_crash_fault_aborts_after_the_first_effect";
    for (number, step) in life().iter().enumerate() {
        let Some(operation) = step.fault else {
            continue;
        };
        let dir = place();
        let fault = format!("{}:{}", operation.name(), FaultMode::Crash.name());
        assert_eq!(child(name, dir.path(), &fault), (number, false));
        let simulator = builder(dir.path()).open().unwrap();
        let (state, resources) = observed(&simulator);
        let begin = (step.begin.0.clone(), step.begin.1);
        let due = step.between.clone().unwrap_or(begin);
        assert_eq!((state, &*resources), due, "{fault}");
        live(&simulator, dir.path(), number);
    }
}
