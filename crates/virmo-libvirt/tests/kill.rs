//! Kills: a child process goes through one call on a real machine and aborts at one of its effects,
//! each in turn, or is killed while libvirt is at it. What it leaves is one of the states the call may
//! leave; the call can be finished or taken back; no machine is lost, doubled or orphaned, and a guest
//! that went on never goes back.
//!
//! The program runs itself: without arguments it is the judge, with some it is the child.
//! `KILL_ROUNDS` repeats all of it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
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
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use bench::{Daemon, Place, has_cpu_groups, resources};
use virmo_hypervisor::{
    Erase, Hypervisor, HypervisorError, MachineState, Outcome, PowerOff, VmSpec,
};
use virmo_libvirt::Libvirt;
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

/// Where the child is killed.
#[derive(Clone, Copy, Debug)]
enum At {
    /// At this effect of the call.
    Step(u64),
    /// While libvirt is at what the call asked for.
    Amid,
}

fn id() -> VmId {
    "vm-1".parse().unwrap()
}

fn call(libvirt: &Libvirt, name: &str, image: &Path) -> Result<Outcome, HypervisorError> {
    match name {
        "create" => {
            let media_type = "application/octet-stream";
            libvirt.create(&VmSpec::new(id(), image, media_type, resources()))
        }
        "power_on" => libvirt.power_on(&id()),
        "suspend" => libvirt.suspend(&id()),
        "resume" => libvirt.resume(&id()),
        "power_off" => libvirt.power_off(&id(), PowerOff::Force),
        "delete" => libvirt.delete(&id(), Erase::Discard),
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
        "delete" => (Running, Absent, &[OFF], None),
        other => panic!("{other}"),
    }
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let [_, uri, root, name, step, image] = &arguments[..] {
        let libvirt = Libvirt::builder(uri, root)
            .cpu_shares(has_cpu_groups())
            .log_console()
            .abort_at(step.parse().unwrap());
        call(&libvirt.open().unwrap(), name, Path::new(image)).unwrap();
        return;
    }
    let Some(daemon) = Daemon::shared() else {
        return;
    };
    let rounds = env::var("KILL_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap());
    let lines: Vec<(&str, bool)> = (0..rounds)
        .flat_map(|_| CALLS)
        .flat_map(|name| [(name, true), (name, false)])
        .filter(|(name, forth)| *forth || about(name).3.is_some())
        .collect();
    let kills = AtomicU64::new(0);
    let next = Mutex::new(lines.into_iter());
    thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                loop {
                    let Some((name, forth)) = next.lock().unwrap().next() else {
                        return;
                    };
                    kills.fetch_add(every_step_of(&daemon, name, forth), Ordering::Relaxed);
                }
            });
        }
    });
    println!(
        "{} kills amid {}: no machine lost, doubled or orphaned",
        kills.into_inner(),
        CALLS.join(", ")
    );
}

/// Kills a child at each step of a call; the answer is how many steps there are.
fn every_step_of(daemon: &Arc<Daemon>, name: &str, forth: bool) -> u64 {
    let mut kills = 0;
    if !matches!(name, "create" | "delete") {
        kills += u64::from(one_kill(daemon, name, At::Amid, forth));
    }
    for step in 1.. {
        if !one_kill(daemon, name, At::Step(step), forth) {
            assert!(step > 1, "{name} has no steps");
            break;
        }
        kills += 1;
    }
    kills
}

/// Whether the child was killed: it may come to the end before the step.
fn one_kill(daemon: &Arc<Daemon>, name: &str, at: At, forth: bool) -> bool {
    let case = format!(
        "{name}, {at:?}, {}",
        if forth { "finished" } else { "taken back" }
    );
    let (before, after, between, back) = about(name);
    let place = Place::new(Arc::clone(daemon));
    let image = place.image_file();
    let count = prepare(&place, &before, &image);

    let step = match at {
        At::Step(step) => step,
        At::Amid => u64::MAX,
    };
    let mut child = Command::new(env::current_exe().unwrap())
        .args([&daemon.uri(), place.root().to_str().unwrap(), name])
        .args([&step.to_string(), image.to_str().unwrap()])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    if let At::Amid = at {
        // It begins soon; libvirt is at it for at least some hundred milliseconds.
        thread::sleep(Duration::from_millis(250));
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    if status.success() {
        let state = place.open_libvirt().observe(&id()).unwrap().state;
        assert_eq!(state, after, "{case}");
        return false;
    }
    assert_eq!(status.code(), None, "{case}: not killed");

    let libvirt = place.open_libvirt();
    let left = libvirt.observe(&id()).unwrap().state;
    let is_legal = left == before || left == after || between.contains(&left);
    assert!(is_legal, "{case}: left {left}");
    assert!(place.processes().len() <= 1, "{case}: {left}");

    let (due, does) = match (forth, back) {
        (false, Some(back)) => (before, back),
        _ => (after, name),
    };
    // Taking back what did not begin, or what is over, is a refusal that changes nothing.
    match call(&libvirt, does, &image) {
        Ok(_) => {}
        Err(error) => assert!(error.changed_nothing(), "{case}: {error}"),
    }
    let now = libvirt.observe(&id()).unwrap().state;
    assert_eq!(now, due, "{case}: left {left}");
    let lives = usize::from(now == Running);
    assert_eq!(place.processes_within(lives), lives, "{case}");

    if let (true, Some(before)) = (name == "suspend" || name == "resume", count) {
        if now == Suspended {
            assert_eq!(libvirt.resume(&id()).unwrap(), Outcome::Done, "{case}");
        }
        let begun = place.count("vm-1").unwrap();
        assert!(
            begun >= before,
            "{case}: the guest went back from {before} to {begun}"
        );
        let goes_on = place.tick("vm-1").is_some_and(|count| count > begun);
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
    libvirt.delete(&id(), Erase::Discard).unwrap();
    assert_eq!(place.processes_within(0), 0, "{case}");
    let domains = place.virsh(&["list", "--all", "--name"]);
    let name = libvirt.domain_name(&id());
    assert!(!domains.contains(&name), "{case}: {name} is left");
    true
}

/// Brings a machine into a state; the answer is the guest's count, if it has one.
fn prepare(place: &Place, state: &MachineState, image: &Path) -> Option<u64> {
    let libvirt = place.open_libvirt();
    let calls: &[&str] = match state {
        Absent => &[],
        Running | Suspended => &["create", "power_on"],
        _ => &["create"],
    };
    for name in calls {
        call(&libvirt, name, image).unwrap();
    }
    let count = matches!(state, Running | Suspended).then(|| place.tick("vm-1").unwrap());
    if *state == Suspended {
        call(&libvirt, "suspend", image).unwrap();
    }
    count
}
