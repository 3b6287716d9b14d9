//! What each back end does on this machine, and the median time it takes, as a table.
//!
//! With a connection URI of libvirt's that one is the last column; without, a libvirtd of our own is
//! started for it, which takes root. Rounds: `ROUNDS`, 5 by default.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::string_slice,
    dead_code,
    reason = "a program for people"
)]

#[path = "../tests/it/bench.rs"]
mod bench;

use std::{
    collections::BTreeMap,
    env,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use virmo_hypervisor::{
    Erase, Hypervisor, HypervisorError, HypervisorErrorKind as Kind, Outcome, PowerOff, VmSpec,
};
use virmo_libvirt::Libvirt;
use virmo_params::ResourceConfig;
use virmo_qemu::Qemu;
use virmo_simulator::Simulator;

const CALLS: [&str; 15] = [
    "create",
    "RAM, off",
    "storage, off",
    "CPU, off",
    "network, off",
    "power on",
    "RAM, running",
    "storage, running",
    "CPU, running",
    "network, running",
    "suspend",
    "resume",
    "power off by asking the guest",
    "power off by force",
    "delete, running",
];

type Answers = BTreeMap<&'static str, Vec<Result<Duration, HypervisorError>>>;

fn main() {
    let rounds: u32 = env::var("ROUNDS").map_or(5, |text| text.parse().unwrap());
    let folder = tempfile::Builder::new().prefix("vt").tempdir_in("/tmp");
    let folder = folder.unwrap();
    let image = bench::image_file(folder.path());
    let path = |name: &str| folder.path().join(name);
    let given = env::args().nth(1);
    let daemon = match given {
        Some(_) => None,
        None => bench::Daemon::own(),
    };
    let uri = given.or_else(|| daemon.as_ref().map(bench::Daemon::uri));

    let mut columns = vec![
        (
            "simulator",
            lives(&Simulator::open(path("s")).unwrap(), &image, rounds),
        ),
        (
            "QEMU",
            lives(&Qemu::builder(path("q")).open().unwrap(), &image, rounds),
        ),
    ];
    let test = Libvirt::builder("test:///default", path("t")).open();
    columns.push((
        "libvirt's test driver",
        lives(&test.unwrap(), &image, rounds),
    ));
    if let Some(uri) = uri {
        let libvirt = Libvirt::builder(uri, path("l")).open().unwrap();
        columns.push(("libvirt with QEMU", lives(&libvirt, &image, rounds)));
    }

    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    println!("| call | {} |", names.join(" | "));
    println!("|---|{}", "---|".repeat(names.len()));
    for call in CALLS {
        let cells: Vec<_> = columns
            .iter_mut()
            .map(|(_, answers)| cell(answers.remove(call).unwrap_or_default()))
            .collect();
        println!("| {call} | {} |", cells.join(" | "));
    }
}

/// What a back end answers to each call, round by round.
fn lives(machines: &dyn Hypervisor, image: &Path, rounds: u32) -> Answers {
    let mut answers = Answers::new();
    for _ in 0..rounds {
        life(machines, image, &mut answers);
    }
    answers
}

fn life(machines: &dyn Hypervisor, image: &Path, answers: &mut Answers) {
    let id: virmo_state::VmId = "vm-1".parse().unwrap();
    let config: ResourceConfig = bench::resources();
    let mut timed = |name, call: &dyn Fn() -> Result<Outcome, HypervisorError>| {
        let begun = Instant::now();
        let answer = call().map(|_| begun.elapsed());
        answers.entry(name).or_default().push(answer);
    };
    let other = |name: &str| -> ResourceConfig {
        let text = match name {
            "RAM" => "RAM=33554432&Storage=4194304&CPU=25&Network=25",
            "storage" => "RAM=16777216&Storage=8388608&CPU=25&Network=25",
            "CPU" => "RAM=16777216&Storage=4194304&CPU=50&Network=25",
            _ => "RAM=16777216&Storage=4194304&CPU=25&Network=50",
        };
        text.parse().unwrap()
    };
    let spec = VmSpec::new(
        id.clone(),
        image,
        "application/octet-stream",
        config.clone(),
    );
    timed("create", &|| machines.create(&spec));
    for name in &CALLS[1..5] {
        let want = other(name.split(',').next().unwrap());
        timed(name, &|| machines.commit(&id, &want));
        machines.undo(&id, &config).unwrap();
    }
    timed("power on", &|| machines.power_on(&id));
    sleep(Duration::from_millis(700));
    for name in &CALLS[6..10] {
        let want = other(name.split(',').next().unwrap());
        timed(name, &|| machines.commit(&id, &want));
        machines.undo(&id, &config).unwrap();
    }
    timed("suspend", &|| machines.suspend(&id));
    timed("resume", &|| machines.resume(&id));
    let asked = PowerOff::Graceful {
        timeout: Duration::from_secs(20),
    };
    timed("power off by asking the guest", &|| {
        machines.power_off(&id, asked)
    });
    machines.power_on(&id).unwrap();
    timed("power off by force", &|| {
        machines.power_off(&id, PowerOff::Force)
    });
    machines.power_on(&id).unwrap();
    timed("delete, running", &|| machines.delete(&id, Erase::Discard));
}

/// What all rounds answered.
fn cell(answers: Vec<Result<Duration, HypervisorError>>) -> String {
    let mut times = Vec::new();
    for answer in answers {
        match answer {
            Ok(time) => times.push(time),
            Err(error) => {
                return match error.kind() {
                    Kind::NotSupported => "not supported".to_owned(),
                    Kind::CannotChangeLive(_) => "refused".to_owned(),
                    _ => format!("fails: {error}"),
                };
            }
        }
    }
    times.sort();
    match times.get(times.len() / 2) {
        Some(median) if median.as_millis() > 0 => format!("works, {} ms", median.as_millis()),
        Some(_) => "works, under 1 ms".to_owned(),
        None => "not asked".to_owned(),
    }
}
