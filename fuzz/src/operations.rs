//! Sequences of operations on a device with VMs.

use crate::{
    bench::Fault,
    sequences::{Deed, NAMES, Trouble, Turn, deeds_keep_the_promises, turns_keep_the_promises},
};

/// The longest sequence: each step is three octets.
const STEPS: usize = 32;

const OPERATIONS: [&str; 6] = [
    "Create", "Delete", "Suspend", "Resume", "PowerOn", "PowerOff",
];

/// A server that does what it likes with VMs and images of a real client on machines in memory, with
/// faults, crashes and restarts, each step whole or its jobs in any order: every status is that of the
/// reference model while nothing goes wrong, and nothing is lost when something does.
pub fn vm_operations(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    let steps = rest.chunks_exact(3).take(STEPS);
    let steps = steps.map(|step| [step[0], step[1], step[2]]);
    if kind % 2 == 0 {
        let deeds: Vec<_> = steps
            .map(|[what, of, wrong]| (deed(what, of), trouble(wrong)))
            .collect();
        deeds_keep_the_promises(&deeds);
    } else {
        let turns: Vec<_> = steps.map(|[what, of, _]| turn(what, of)).collect();
        turns_keep_the_promises(&turns);
    }
}

fn deed(what: u8, of: u8) -> Deed {
    let (first, second) = (index(of, NAMES.len()), index(of / 16, NAMES.len()));
    let operation = OPERATIONS.get(usize::from(what % 16));
    match (what % 16, operation) {
        (_, Some(operation)) => Deed::Exec {
            vm: first,
            operation,
        },
        (6..=8, _) => Deed::AddVm {
            vm: first,
            image: second,
            running: what % 2 == 0,
        },
        (9, _) => Deed::DeleteNode { vm: first },
        (10 | 11, _) => Deed::AddImage { image: first },
        (12 | 13, _) => Deed::Download { image: first },
        (_, _) => Deed::DeleteImage {
            image: first,
            by_exec: what % 2 == 0,
        },
    }
}

fn trouble(wrong: u8) -> Trouble {
    let how = [Fault::Nothing, Fault::Half, Fault::All];
    match wrong {
        0..=127 => Trouble::None,
        128..=135 => Trouble::Restart,
        136..=167 => Trouble::Crash(u32::from(wrong - 136)),
        168..=191 => Trouble::Fault(usize::from((wrong - 168) / 3), how[index(wrong, 3)]),
        192..=231 => Trouble::Cut(usize::from(wrong - 192)),
        232..=255 => Trouble::Full(i64::from((wrong - 232) % 6)),
    }
}

fn turn(what: u8, of: u8) -> Turn {
    let (name, job) = (index(of, NAMES.len()), index(of, 4));
    match what % 32 {
        operation @ 0..=5 => Turn::Begin(name, OPERATIONS[usize::from(operation)]),
        6 => Turn::Download(name),
        7 => Turn::DeleteImage(name),
        8 => Turn::Apply,
        9..=16 => Turn::Work(job),
        17..=24 => Turn::Report(job),
        25 | 26 => Turn::TimeOut(job),
        27 => Turn::Lose(job),
        28 | 29 => Turn::Accept(job),
        _ => Turn::Restart,
    }
}

fn index(octet: u8, among: usize) -> usize {
    usize::from(octet) % among
}
