//! States and primitives. [VirMO §7]

use virmo::{
    VmId,
    VmState::{self, NotCreated, PoweredOff, Running, Suspended},
};

use super::life;
use crate::{
    Failed,
    bench::{Bench, State},
    scenario::{Done, scenarios},
};

scenarios! {
    Device:
    ONLY_PRIMITIVES_CHANGE_THE_STATE = only_primitives_change_the_state;
    FAILURES_ARE_UNDONE = failures_are_undone;
    MACHINES_FOLLOW = machines_follow;
    A_SUSPENDED_VM_KEEPS_ITS_EXECUTION = a_suspended_vm_keeps_its_execution;
    A_VM_POWERED_OFF_BOOTS_ANEW = a_vm_powered_off_boots_anew;
    A_DELETED_VM_IS_GONE = a_deleted_vm_is_gone;
}

const INSIDE: &str = "what happens to the machine is inside the device";

/// What a node does: the states it applies in, and what follows.
struct Primitive {
    row: &'static str,
    node: &'static str,
    params: &'static str,
    from: &'static [VmState],
    to: State,
}

const PRIMITIVES: [Primitive; 7] = [
    Primitive {
        row: "VR-079",
        node: "Create",
        params: "&Running=true",
        from: &[NotCreated],
        to: State::Is(Running),
    },
    Primitive {
        row: "VR-080",
        node: "Create",
        params: "&Running=false",
        from: &[NotCreated],
        to: State::Is(PoweredOff),
    },
    Primitive {
        row: "VR-081",
        node: "Suspend",
        params: "",
        from: &[Running],
        to: State::Is(Suspended),
    },
    Primitive {
        row: "VR-082",
        node: "Resume",
        params: "",
        from: &[Suspended],
        to: State::Is(Running),
    },
    Primitive {
        row: "VR-083",
        node: "PowerOn",
        params: "",
        from: &[PoweredOff],
        to: State::Is(Running),
    },
    Primitive {
        row: "VR-084",
        node: "PowerOff",
        params: "",
        from: &[Running],
        to: State::Is(PoweredOff),
    },
    Primitive {
        row: "VR-085",
        node: "Delete",
        params: "",
        from: &[PoweredOff, Running, Suspended],
        to: State::Gone,
    },
];

const STATES: [VmState; 4] = [NotCreated, PoweredOff, Running, Suspended];

/// Brings a new VM into a state.
fn bring(
    bench: &mut Bench<'_>,
    image: &str,
    params: &str,
    state: VmState,
) -> Result<String, Failed> {
    // In state 0 the parameters decide what Create does; later they have no effect.
    let params = match state {
        NotCreated => format!("ImgID={image}{params}"),
        PoweredOff => format!("ImgID={image}&Running=false"),
        _ => format!("ImgID={image}"),
    };
    let vm = life::vm(bench, &params)?;
    let operations: &[&str] = match state {
        NotCreated => &[],
        Suspended => &["Create", "Suspend"],
        _ => &["Create"],
    };
    let mut now = State::Is(NotCreated);
    for operation in operations {
        (_, now) = bench.operate(&vm, operation)?;
    }
    match now == State::Is(state) {
        true => Ok(vm),
        false => Err(Failed::new(format_args!("{now:?} instead of {state:?}"))),
    }
}

/// Makes room for the next VM.
pub(super) fn remove(bench: &mut Bench<'_>, vm: &str) -> Done {
    if bench.operate(vm, "Delete")?.1 != State::Gone {
        bench.delete(vm)?;
    }
    Ok(())
}

/// Every primitive in every state.
fn only_primitives_change_the_state(bench: &mut Bench<'_>) -> Done {
    let (_, image) = life::image(bench)?;
    for primitive in &PRIMITIVES {
        for state in STATES {
            let vm = bring(bench, &image, primitive.params, state)?;
            let (status, after) = bench.operate(&vm, primitive.node)?;
            let what = format!("{} in {state:?}: {status}, {after:?}", primitive.node);
            if primitive.from.contains(&state) {
                bench.check(
                    &[primitive.row, "VR-057", "VR-063", "VR-095"],
                    matches!(status, 200 | 202) && after == primitive.to,
                    &what,
                );
            } else {
                let refused = status >= 400 && after == State::Is(state);
                bench.check(&[primitive.row, "VR-057", "VR-095"], refused, &what);
                if primitive.node == "Delete" {
                    bench.check(&["VR-129"], refused, &what);
                }
            }
            remove(bench, &vm)?;
        }
    }
    Ok(())
}

/// The machine of a VM.
fn machine(bench: &mut Bench<'_>, vm: &str) -> Result<Option<(VmId, super::Machine)>, Failed> {
    let id = bench.value(&format!("{vm}/VMID"))?.unwrap_or_default();
    let id: VmId = id.parse().map_err(Failed::new)?;
    let Some(inside) = bench.inside() else {
        return Ok(None);
    };
    let machine = inside.machine(&id)?;
    Ok(Some((id, machine)))
}

/// Each operation fails after it has begun, and the VM goes on as it was.
fn failures_are_undone(bench: &mut Bench<'_>) -> Done {
    let rows = ["VR-058", "VR-059", "VR-060", "VR-078"];
    if bench.inside().is_none() {
        bench
            .verdicts
            .unseen(&rows, "the device cannot be made to fail");
        return Ok(());
    }
    let (_, image) = life::image(bench)?;
    for (fault, state, operation, due) in [
        ("create:fail", NotCreated, "Create", State::Is(Running)),
        ("power_on:fail", NotCreated, "Create", State::Is(Running)),
        ("suspend:fail", Running, "Suspend", State::Is(Suspended)),
        ("resume:fail", Suspended, "Resume", State::Is(Running)),
        ("power_on:fail", PoweredOff, "PowerOn", State::Is(Running)),
        ("power_off:fail", Running, "PowerOff", State::Is(PoweredOff)),
        ("delete:fail", Running, "Delete", State::Gone),
    ] {
        let vm = bring(bench, &image, "", state)?;
        bench.restart(Some(fault))?;
        let (status, after) = bench.operate(&vm, operation)?;
        bench.check(
            &["VR-058", "VR-060", "VR-078"],
            status >= 400 && after == State::Is(state),
            format_args!("{operation} that failed: {status}, {after:?} instead of {state:?}"),
        );
        if let Some((_, machine)) = machine(bench, &vm)? {
            bench.check(
                &["VR-058", "VR-059"],
                machine.state == Some(state),
                format_args!(
                    "{operation} that failed left the machine {:?}",
                    machine.state
                ),
            );
        }
        // The VM is as good as before.
        let (status, after) = bench.operate(&vm, operation)?;
        bench.check(
            &["VR-059", "VR-060"],
            matches!(status, 200 | 202) && after == due,
            format_args!("{operation} after one that failed: {status}, {after:?}"),
        );
        bench.restart(None)?;
        let kept = bench.value(&format!("{vm}/State"))?;
        bench.check(
            &["VR-058"],
            State::from(kept.as_deref()) == due,
            format_args!("after a restart State is {kept:?}"),
        );
        if due != State::Gone {
            remove(bench, &vm)?;
        }
    }
    Ok(())
}

/// State says what the machine is.
fn machines_follow(bench: &mut Bench<'_>) -> Done {
    let rows = ["VR-044", "VR-049", "VR-064"];
    if bench.inside().is_none() {
        bench.verdicts.unseen(&rows, INSIDE);
        return Ok(());
    }
    let (_, image) = life::image(bench)?;
    let vm = bring(bench, &image, "", NotCreated)?;
    for operation in ["Create", "Suspend", "Resume", "PowerOff", "PowerOn"] {
        let (_, state) = bench.operate(&vm, operation)?;
        let config = bench.value(&format!("{vm}/Resources/CurrentConfig"))?;
        if let Some((_, machine)) = machine(bench, &vm)? {
            bench.check(
                &["VR-044", "VR-049"],
                machine.state.map(State::Is) == Some(state),
                format_args!(
                    "{operation} led to {state:?} and a machine {:?}",
                    machine.state
                ),
            );
            if state == State::Is(Running) {
                let has = machine.resources.map(|resources| resources.to_string());
                bench.check(
                    &["VR-064"],
                    has.is_some() && has == config,
                    format_args!("the machine has {has:?}, CurrentConfig is {config:?}"),
                );
            }
        }
    }
    remove(bench, &vm)
}

fn a_suspended_vm_keeps_its_execution(bench: &mut Bench<'_>) -> Done {
    let rows = [
        "VR-018", "VR-019", "VR-066", "VR-067", "VR-068", "VR-069", "VR-070",
    ];
    if bench.inside().is_none() {
        bench.verdicts.unseen(&rows, INSIDE);
        return Ok(());
    }
    let (_, image) = life::image(bench)?;
    let vm = bring(bench, &image, "", Running)?;
    let before = machine(bench, &vm)?.map(|(_, machine)| machine);
    bench.operate(&vm, "Suspend")?;
    let stopped = machine(bench, &vm)?.map(|(_, machine)| machine);
    let stopped_state = stopped.as_ref().and_then(|machine| machine.state);
    bench.check(
        // A back end is suspended only with its RAM and CPU free.
        &["VR-019", "VR-066", "VR-067", "VR-069"],
        stopped_state == Some(Suspended),
        format_args!("the machine of a suspended VM is {stopped_state:?}"),
    );
    // What is saved outlives the device.
    bench.restart(None)?;
    let kept = machine(bench, &vm)?.and_then(|(_, machine)| machine.resumed);
    bench.check(
        &["VR-068"],
        kept.is_some(),
        "nothing is saved of a suspended VM",
    );
    let (status, state) = bench.operate(&vm, "Resume")?;
    let after = machine(bench, &vm)?.map(|(_, machine)| machine);
    let resumed = |machine: &Option<super::Machine>| machine.as_ref().and_then(|it| it.resumed);
    let went_on = resumed(&before).map(|count| count + 1);
    bench.check(
        &["VR-018", "VR-068"],
        went_on.is_some() && resumed(&after) == went_on,
        format_args!(
            "the guest went on {:?} times, due {went_on:?}",
            resumed(&after)
        ),
    );
    let resources = |machine: Option<super::Machine>| machine.and_then(|it| it.resources);
    bench.check(
        &["VR-018", "VR-070"],
        (status, state) == (200, State::Is(Running)) && resources(after) == resources(before),
        format_args!("Resume was answered with {status} and led to {state:?}"),
    );
    remove(bench, &vm)
}

fn a_vm_powered_off_boots_anew(bench: &mut Bench<'_>) -> Done {
    if bench.inside().is_none() {
        bench.verdicts.unseen(&["VR-072", "VR-073"], INSIDE);
        return Ok(());
    }
    let (_, image) = life::image(bench)?;
    let vm = bring(bench, &image, "", Running)?;
    for operation in ["Suspend", "Resume", "PowerOff"] {
        bench.operate(&vm, operation)?;
    }
    if let Some((_, machine)) = machine(bench, &vm)? {
        bench.check(
            &["VR-072"],
            machine.state == Some(PoweredOff) && machine.resumed.is_none(),
            format_args!("the machine of a VM powered off: {machine:?}"),
        );
    }
    let (status, _) = bench.operate(&vm, "Resume")?;
    bench.check(
        &["VR-073"],
        status >= 400,
        format_args!("Resume of a VM powered off was answered with {status}"),
    );
    bench.operate(&vm, "PowerOn")?;
    if let Some((_, machine)) = machine(bench, &vm)? {
        bench.check(
            &["VR-073"],
            machine.resumed == Some(0),
            format_args!("the guest did not boot: {machine:?}"),
        );
    }
    remove(bench, &vm)
}

fn a_deleted_vm_is_gone(bench: &mut Bench<'_>) -> Done {
    if bench.inside().is_none() {
        bench
            .verdicts
            .unseen(&["VR-075", "VR-076", "VR-199"], INSIDE);
        return Ok(());
    }
    let (_, image) = life::image(bench)?;
    let other = bring(bench, &image, "", Running)?;
    for state in [PoweredOff, Running, Suspended] {
        let vm = bring(bench, &image, "", state)?;
        let before = machine(bench, &vm)?;
        bench.operate(&vm, "Delete")?;
        let Some((id, _)) = before else {
            continue;
        };
        let left = bench
            .inside()
            .map(|inside| (inside.machine(&id), inside.machines()));
        let Some((machine, machines)) = left else {
            continue;
        };
        bench.check(
            &["VR-075", "VR-076", "VR-199"],
            machine.is_ok_and(|machine| machine.state == Some(NotCreated)) && machines == Ok(1),
            format_args!("the machine of a deleted VM is still there"),
        );
    }
    let kept = bench.value(&format!("{other}/State"))?;
    bench.check(
        &["VR-075"],
        kept.as_deref() == Some("2"),
        format_args!("another VM is in state {kept:?}"),
    );
    remove(bench, &other)
}
