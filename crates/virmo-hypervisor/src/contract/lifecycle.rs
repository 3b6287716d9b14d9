use std::{fs, time::Duration};

use virmo_state::VmId;

use super::{Bench, Kind, Need, OFF, Stop, has, id, in_state, kept_states, refused, same};
use crate::{Erase, Hypervisor, HypervisorError, Listed, Machine, MachineState, Outcome, PowerOff};

type Answer = Result<Outcome, HypervisorError>;

pub(super) fn a_machine_is_made_off(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let spec = bench.spec(&id("vm-1")?);
    same("create", &hypervisor.create(&spec)?, &Outcome::Done)?;
    in_state("after create", &*hypervisor, &spec.id, &OFF)?;
    has("after create", &*hypervisor, &spec.id, &spec.resources)
}

/// What a call does in the states absent, off, running, suspended.
struct Row {
    name: &'static str,
    call: fn(&Bench<'_>, &dyn Hypervisor, &VmId) -> Answer,
    due: [Due; 4],
}

enum Due {
    /// It is done, and leads here.
    Goes(MachineState),
    Held,
    NotFound,
    InvalidState,
}

pub(super) fn every_call_in_every_state_is_as_the_table_says(
    bench: &Bench<'_>,
) -> Result<(), Stop> {
    use Due::{Goes, Held, InvalidState, NotFound};
    use MachineState::{Absent, Running, Suspended};

    let rows = [
        Row {
            name: "create",
            call: |bench, hypervisor, id| hypervisor.create(&bench.spec(id)),
            due: [Goes(OFF), Held, InvalidState, InvalidState],
        },
        Row {
            name: "power_on",
            call: |_, hypervisor, id| hypervisor.power_on(id),
            due: [NotFound, Goes(Running), Held, InvalidState],
        },
        Row {
            name: "power_off",
            call: |_, hypervisor, id| hypervisor.power_off(id, PowerOff::Force),
            due: [NotFound, Held, Goes(OFF), InvalidState],
        },
        Row {
            name: "suspend",
            call: |_, hypervisor, id| hypervisor.suspend(id),
            due: [NotFound, InvalidState, Goes(Suspended), Held],
        },
        Row {
            name: "resume",
            call: |_, hypervisor, id| hypervisor.resume(id),
            due: [NotFound, InvalidState, Held, Goes(Running)],
        },
        Row {
            name: "delete",
            call: |_, hypervisor, id| hypervisor.delete(id, Erase::Discard),
            due: [Held, Goes(Absent), Goes(Absent), Goes(Absent)],
        },
    ];
    let hypervisor = bench.open();
    let capabilities = hypervisor.capabilities();
    let mut states = vec![Absent];
    states.extend(kept_states(&capabilities));
    for row in &rows {
        if !capabilities.suspend && matches!(row.name, "suspend" | "resume") {
            continue;
        }
        for (number, (state, due)) in states.iter().zip(&row.due).enumerate() {
            let name = format!("{}-{number}", row.name.replace('_', "-"));
            let vm = match state {
                Absent => id(&name)?,
                _ => bench.machine(&*hypervisor, &name, state)?,
            };
            let what = format!("{} while {state}", row.name);
            let answer = (row.call)(bench, &*hypervisor, &vm);
            let after = match due {
                Goes(after) => {
                    same(&what, &answer?, &Outcome::Done)?;
                    after
                }
                Held => {
                    same(&what, &answer?, &Outcome::AlreadyDone)?;
                    state
                }
                NotFound => {
                    refused(&what, answer, &Kind::NotFound)?;
                    state
                }
                InvalidState => {
                    let observed = state.clone();
                    refused(&what, answer, &Kind::InvalidState { observed })?;
                    state
                }
            };
            in_state(format!("after {what}"), &*hypervisor, &vm, after)?;
            if let Goes(after) = due {
                let again = (row.call)(bench, &*hypervisor, &vm)?;
                same(format!("{what}, again"), &again, &Outcome::AlreadyDone)?;
                in_state(format!("after {what}, again"), &*hypervisor, &vm, after)?;
            }
            hypervisor.delete(&vm, Erase::Discard)?;
        }
    }
    Ok(())
}

pub(super) fn a_suspended_guest_goes_on_and_a_booted_one_begins_again(
    bench: &Bench<'_>,
) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let vm = bench.machine(&*hypervisor, "vm-1", &MachineState::Running)?;
    let first = bench.progress(&vm)?;
    let mut last = first;
    for _ in 0..3 {
        hypervisor.suspend(&vm)?;
        hypervisor.resume(&vm)?;
        let now = bench.progress(&vm)?;
        if now < last {
            return Err(Stop::Fail(format!(
                "the guest went back from {last} to {now}"
            )));
        }
        last = now;
    }
    if last == first {
        return Err(Stop::Fail(format!("the guest stayed at {first}")));
    }
    hypervisor.power_off(&vm, PowerOff::Force)?;
    hypervisor.power_on(&vm)?;
    let booted = bench.progress(&vm)?;
    if booted >= last {
        return Err(Stop::Fail(format!(
            "the guest did not begin again after a boot: {last}, then {booted}"
        )));
    }
    Ok(())
}

pub(super) fn a_graceful_power_off_never_forces(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let vm = bench.machine(&*hypervisor, "vm-1", &MachineState::Running)?;
    let timeout = Duration::from_secs(5);
    let answer = hypervisor.power_off(&vm, PowerOff::Graceful { timeout });
    if !hypervisor.capabilities().graceful_power_off {
        refused("graceful power_off", answer, &Kind::NotSupported)?;
        return in_state("afterwards", &*hypervisor, &vm, &MachineState::Running);
    }
    match answer {
        Ok(outcome) => {
            same("graceful power_off", &outcome, &Outcome::Done)?;
            in_state("afterwards", &*hypervisor, &vm, &OFF)
        }
        Err(error) if matches!(error.kind(), Kind::Timeout { .. }) => in_state(
            "after a time-out",
            &*hypervisor,
            &vm,
            &MachineState::Running,
        ),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn an_unknown_machine_is_absent(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let vm = id("never-made")?;
    let resources = bench.fixture.resources();
    same(
        "observe",
        &hypervisor.observe(&vm)?.state,
        &MachineState::Absent,
    )?;
    refused(
        "prepare",
        hypervisor.prepare(&vm, &resources),
        &Kind::NotFound,
    )?;
    refused(
        "commit",
        hypervisor.commit(&vm, &resources),
        &Kind::NotFound,
    )?;
    refused("undo", hypervisor.undo(&vm, &resources), &Kind::NotFound)?;
    same("list", &owned(&*hypervisor)?.len(), &0)
}

pub(super) fn deleting_leaves_nothing(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let before = bench.fixture.leftovers();
    for state in kept_states(&hypervisor.capabilities()) {
        for erase in [Erase::Discard, Erase::Overwrite] {
            let vm = bench.machine(&*hypervisor, "vm-1", &state)?;
            let what = format!("delete while {state}");
            same(&what, &hypervisor.delete(&vm, erase)?, &Outcome::Done)?;
            same("list", &owned(&*hypervisor)?.len(), &0)?;
            same(&what, &bench.fixture.leftovers(), &before)?;
        }
    }
    Ok(())
}

pub(super) fn a_missing_image_makes_no_machine(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let before = bench.fixture.leftovers();
    let mut spec = bench.spec(&id("vm-1")?);
    fs::remove_file(&spec.image)
        .map_err(|error| Stop::Fail(format!("the fixture's image cannot be removed: {error}")))?;
    refused("create", hypervisor.create(&spec), &Kind::Image)?;
    in_state(
        "after create",
        &*hypervisor,
        &spec.id,
        &MachineState::Absent,
    )?;
    same("what is left", &bench.fixture.leftovers(), &before)?;
    spec.image = bench.fixture.image().0;
    same("create, again", &hypervisor.create(&spec)?, &Outcome::Done)
}

pub(super) fn the_image_may_go_once_the_machine_is_made(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let spec = bench.spec(&id("vm-1")?);
    hypervisor.create(&spec)?;
    fs::remove_file(&spec.image)
        .map_err(|error| Stop::Fail(format!("the image is not where it was: {error}")))?;
    same("power_on", &hypervisor.power_on(&spec.id)?, &Outcome::Done)?;
    in_state("after it", &*hypervisor, &spec.id, &MachineState::Running)
}

pub(super) fn the_list_is_what_is_observed(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let states = kept_states(&hypervisor.capabilities());
    let mut due = Vec::new();
    for (number, state) in states.iter().enumerate() {
        let vm = bench.machine(&*hypervisor, &format!("vm-{number}"), state)?;
        due.push((vm.clone(), hypervisor.observe(&vm)?));
    }
    let mut found = Vec::new();
    for listed in owned(&*hypervisor)? {
        if let Machine::Owned(vm) = listed.machine {
            found.push((vm, listed.observed));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    same("list", &found, &due)
}

pub(super) fn machines_are_apart(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    for state in kept_states(&hypervisor.capabilities()) {
        let other = bench.machine(&*hypervisor, "other", &state)?;
        let before = hypervisor.observe(&other)?;
        let vm = bench.machine(&*hypervisor, "vm-1", &MachineState::Running)?;
        hypervisor.power_off(&vm, PowerOff::Force)?;
        hypervisor.delete(&vm, Erase::Discard)?;
        same("the other machine", &hypervisor.observe(&other)?, &before)?;
        hypervisor.delete(&other, Erase::Discard)?;
    }
    Ok(())
}

pub(super) fn machines_live_side_by_side(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let life = |name: String| -> Result<(), Stop> {
        let vm = bench.machine(&*hypervisor, &name, &MachineState::Running)?;
        hypervisor.power_off(&vm, PowerOff::Force)?;
        same("power_on", &hypervisor.power_on(&vm)?, &Outcome::Done)?;
        in_state("a life", &*hypervisor, &vm, &MachineState::Running)?;
        same(
            "delete",
            &hypervisor.delete(&vm, Erase::Discard)?,
            &Outcome::Done,
        )
    };
    std::thread::scope(|scope| {
        let lives: Vec<_> = (0..4)
            .map(|number| scope.spawn(move || life(format!("vm-{number}"))))
            .collect();
        lives.into_iter().try_for_each(|life| match life.join() {
            Ok(result) => result,
            Err(_) => Err(Stop::Fail("a call panicked".to_owned())),
        })
    })?;
    same("list", &owned(&*hypervisor)?.len(), &0)
}

pub(super) fn machines_outlive_the_handle(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let states = kept_states(&hypervisor.capabilities());
    let mut before = Vec::new();
    for (number, state) in states.iter().enumerate() {
        let vm = bench.machine(&*hypervisor, &format!("vm-{number}"), state)?;
        before.push((vm.clone(), hypervisor.observe(&vm)?));
    }
    drop(hypervisor);

    let hypervisor = bench.open();
    for (vm, before) in &before {
        same("after a restart", &hypervisor.observe(vm)?, before)?;
        match before.state {
            MachineState::Running => {
                hypervisor.power_off(vm, PowerOff::Force)?;
            }
            MachineState::Suspended => {
                hypervisor.resume(vm)?;
            }
            _ => {
                hypervisor.power_on(vm)?;
            }
        }
        hypervisor.delete(vm, Erase::Discard)?;
    }
    drop(hypervisor);
    same("list", &owned(&*bench.open())?.len(), &0)
}

pub(super) fn machines_of_others_are_listed_and_not_touched(bench: &Bench<'_>) -> Result<(), Stop> {
    let name = bench
        .fixture
        .add_foreign()
        .ok_or(Stop::Skip(Need::Foreign))?;
    let find = |hypervisor: &dyn Hypervisor| -> Result<Listed, Stop> {
        let machine = Machine::Foreign(name.clone());
        hypervisor
            .list()?
            .into_iter()
            .find(|listed| listed.machine == machine)
            .ok_or_else(|| Stop::Fail(format!("{name:?} is not listed as foreign")))
    };
    let hypervisor = bench.open();
    let before = find(&*hypervisor)?;
    // The name may be one of ours; the machine is not.
    if let Ok(vm) = name.parse::<VmId>() {
        in_state("foreign", &*hypervisor, &vm, &MachineState::Absent)?;
        refused("power_on", hypervisor.power_on(&vm), &Kind::NotFound)?;
        let force = hypervisor.power_off(&vm, PowerOff::Force);
        refused("power_off", force, &Kind::NotFound)?;
        same(
            "delete",
            &hypervisor.delete(&vm, Erase::Discard)?,
            &Outcome::AlreadyDone,
        )?;
    }
    let vm = bench.machine(&*hypervisor, "vm-1", &MachineState::Running)?;
    hypervisor.delete(&vm, Erase::Discard)?;
    same("the foreign machine", &find(&*hypervisor)?, &before)?;
    drop(hypervisor);
    same("after a restart", &find(&*bench.open())?, &before)
}

pub(super) fn who_cannot_suspend_says_so(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    if hypervisor.capabilities().suspend {
        return Ok(());
    }
    let vm = bench.machine(&*hypervisor, "vm-1", &MachineState::Running)?;
    refused("suspend", hypervisor.suspend(&vm), &Kind::NotSupported)?;
    refused("resume", hypervisor.resume(&vm), &Kind::NotSupported)?;
    in_state("afterwards", &*hypervisor, &vm, &MachineState::Running)
}

fn owned(hypervisor: &dyn Hypervisor) -> Result<Vec<Listed>, Stop> {
    let mut listed = hypervisor.list()?;
    listed.retain(|listed| matches!(listed.machine, Machine::Owned(_)));
    Ok(listed)
}
