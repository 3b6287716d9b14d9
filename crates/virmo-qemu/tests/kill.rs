//! Kills: a child process goes through one call on a real machine and aborts at one of its effects,
//! each in turn. What it leaves is one of the states the call may leave; the call can be finished or
//! taken back; no machine is lost, doubled or orphaned, and a guest that went on never goes back.
//!
//! The program runs itself: without arguments it is the judge, with some it is the child.
//! `KILL_ROUNDS` repeats all of it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    dead_code,
    reason = "test code"
)]

#[path = "it/bench.rs"]
mod bench;

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
};

use bench::{Place, is_here, soon};
use virmo_hypervisor::{
    Erase, Hypervisor, HypervisorError, MachineState, Outcome, PowerOff, VmSpec,
};
use virmo_qemu::Qemu;
use virmo_state::VmId;

use MachineState::{Absent, Running, Suspended, Unsettled};

const CALLS: [&str; 6] = [
    "create",
    "power_on",
    "suspend",
    "resume",
    "power_off",
    "delete",
];
const OFF: MachineState = MachineState::Off { crashed: false };
const CRASHED: MachineState = MachineState::Off { crashed: true };

fn id() -> VmId {
    "vm-1".parse().unwrap()
}

fn call(qemu: &Qemu, name: &str, image: &Path) -> Result<Outcome, HypervisorError> {
    match name {
        "create" => {
            let resources = "RAM=16777216&Storage=4194304&CPU=100&Network=25";
            let media_type = "application/octet-stream";
            qemu.create(&VmSpec::new(
                id(),
                image,
                media_type,
                resources.parse().unwrap(),
            ))
        }
        "power_on" => qemu.power_on(&id()),
        "suspend" => qemu.suspend(&id()),
        "resume" => qemu.resume(&id()),
        "power_off" => qemu.power_off(&id(), PowerOff::Force),
        "delete" => qemu.delete(&id(), Erase::Discard),
        other => panic!("{other}"),
    }
}

/// What holds before a call and after it, what a kill may leave besides, and what takes it back.
fn about(
    name: &str,
) -> (
    MachineState,
    MachineState,
    &'static [MachineState],
    Option<&'static str>,
) {
    match name {
        "create" => (Absent, OFF, &[], Some("delete")),
        "power_on" => (OFF, Running, &[Unsettled], Some("power_off")),
        "suspend" => (Running, Suspended, &[Unsettled], Some("resume")),
        "resume" => (Suspended, Running, &[Unsettled], Some("suspend")),
        "power_off" => (Running, OFF, &[], None),
        "delete" => (Running, Absent, &[OFF, CRASHED], None),
        other => panic!("{other}"),
    }
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let [_, root, name, step, image] = &arguments[..] {
        let qemu = Qemu::builder(root)
            .log_console()
            .abort_at(step.parse().unwrap());
        call(&qemu.open().unwrap(), name, Path::new(image)).unwrap();
        return;
    }
    if !is_here() {
        return;
    }
    let rounds = env::var("KILL_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap());
    let mut kills = 0;
    for _ in 0..rounds {
        for name in CALLS {
            kills += every_step_of(name);
        }
    }
    println!(
        "{kills} kills amid {}: no machine lost, doubled or orphaned",
        CALLS.join(", ")
    );
}

/// Kills a child at each step of a call; the answer is how many steps there are.
fn every_step_of(name: &str) -> u64 {
    let mut kills = 0;
    for step in 1.. {
        let forth = one_kill(name, step, true);
        if !forth {
            break;
        }
        kills += 1;
        if about(name).3.is_some() && one_kill(name, step, false) {
            kills += 1;
        }
    }
    assert!(kills > 1, "{name} has no steps");
    kills
}

/// Whether the child was killed: it may come to the end before the step.
fn one_kill(name: &str, step: u64, forth: bool) -> bool {
    let case = format!(
        "{name}, step {step}, {}",
        if forth { "finished" } else { "taken back" }
    );
    let (before, after, between, back) = about(name);
    let place = Place::new();
    let image = place.image_file();
    let mut count = prepare(&place, &before, &image);

    let status = Command::new(env::current_exe().unwrap())
        .args([
            place.root().to_str().unwrap(),
            name,
            &step.to_string(),
            image.to_str().unwrap(),
        ])
        .stderr(Stdio::null())
        .status()
        .unwrap();
    if status.success() {
        assert_eq!(
            place.open_qemu().observe(&id()).unwrap().state,
            after,
            "{case}"
        );
        return false;
    }
    assert_eq!(status.code(), None, "{case}: not killed");

    let qemu = place.open_qemu();
    let left = qemu.observe(&id()).unwrap().state;
    let is_legal = left == before || left == after || between.contains(&left);
    assert!(is_legal, "{case}: left {left}");
    // One process at most, and none for a machine that has none.
    let processes = place.processes().len();
    let may_live = matches!(left, Running | Unsettled);
    assert!(
        processes <= usize::from(may_live),
        "{case}: {processes} processes, {left}"
    );

    let (due, does) = match (forth, back) {
        (false, Some(back)) => (before, back),
        _ => (after, name),
    };
    let state = || qemu.observe(&id()).unwrap().state;
    // Taking back what did not begin, or what is over, is a refusal that changes nothing.
    match call(&qemu, does, &image) {
        Ok(_) => {}
        Err(error) => assert!(error.changed_nothing(), "{case}: {error}"),
    }
    let now = state();
    assert_eq!(now, due, "{case}: left {left}");
    assert_eq!(
        place.processes().len(),
        usize::from(now == Running),
        "{case}"
    );

    if let (true, Some(before)) = (name == "suspend" || name == "resume", count.take()) {
        if now == Suspended {
            assert_eq!(qemu.resume(&id()).unwrap(), Outcome::Done, "{case}");
        }
        let begun = place.count("vm-1").unwrap();
        assert!(
            begun >= before,
            "{case}: the guest went back from {before} to {begun}"
        );
        let goes_on = soon(|| place.count("vm-1").unwrap() > begun);
        assert!(goes_on, "{case}: the guest stands still at {begun}");
        let console = place.console("vm-1");
        assert_eq!(
            console.matches("VirMO-GUEST").count(),
            1,
            "{case}: booted again"
        );
        let counts: Vec<_> = console
            .split("c=")
            .skip(1)
            .filter_map(|count| count.get(..8))
            .collect();
        assert!(counts.is_sorted(), "{case}: {counts:?}");
    }
    qemu.delete(&id(), Erase::Discard).unwrap();
    assert_eq!(place.processes_within(0), 0, "{case}");
    true
}

/// Brings a machine into a state; the answer is the guest's count, if it has one.
fn prepare(place: &Place, state: &MachineState, image: &Path) -> Option<u64> {
    let qemu = place.open_qemu();
    let calls: &[&str] = match state {
        Absent => &[],
        Running => &["create", "power_on"],
        Suspended => &["create", "power_on", "", "suspend"],
        _ => &["create"],
    };
    let mut count = None;
    for name in calls.iter().chain(&[""]) {
        match *name {
            "" if *state == Running || *state == Suspended => {
                assert!(soon(|| place.count("vm-1").is_some()));
                count = place.count("vm-1");
            }
            "" => {}
            name => drop(call(&qemu, name, image).unwrap()),
        }
    }
    count
}
