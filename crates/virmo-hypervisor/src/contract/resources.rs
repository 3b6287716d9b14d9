use virmo_params::{Bytes, Percent, ResourceConfig};

use super::{Bench, Kind, OFF, Stop, changeable, has, id, in_state, refused, same};
use crate::{Capabilities, Effect, Erase, MachineState, Outcome, Resource, Support};

/// An amount of one resource, in its own unit.
fn amount(config: &ResourceConfig, resource: Resource) -> u64 {
    match resource {
        Resource::Ram => config.ram.get(),
        Resource::Storage => config.storage.get(),
        Resource::Cpu => config.cpu.get().into(),
        Resource::Network => config.network.get().into(),
    }
}

/// The configuration with another amount of one resource.
fn with(config: &ResourceConfig, resource: Resource, amount: u64) -> Result<ResourceConfig, Stop> {
    let percent = || {
        u8::try_from(amount)
            .ok()
            .and_then(Percent::new)
            .ok_or_else(|| Stop::Fail(format!("{amount} is no percentage")))
    };
    let mut config = config.clone();
    match resource {
        Resource::Ram => config.ram = Bytes::new(amount),
        Resource::Storage => config.storage = Bytes::new(amount),
        Resource::Cpu => config.cpu = percent()?,
        Resource::Network => config.network = percent()?,
    }
    Ok(config)
}

/// All there is of a resource.
fn total(capabilities: &Capabilities, resource: Resource) -> u64 {
    match resource {
        Resource::Ram => capabilities.device.ram.get(),
        Resource::Storage => capabilities.device.storage.get(),
        Resource::Cpu | Resource::Network => 100,
    }
}

/// Twice as much of a resource as in most checks; the device has four times that.
fn doubled(config: &ResourceConfig, resource: Resource) -> Result<ResourceConfig, Stop> {
    with(config, resource, amount(config, resource) * 2)
}

/// So much of a resource that another machine of the common size does not fit beside it.
fn most(
    capabilities: &Capabilities,
    config: &ResourceConfig,
    resource: Resource,
) -> Result<ResourceConfig, Stop> {
    with(
        config,
        resource,
        total(capabilities, resource) - amount(config, resource) / 2,
    )
}

pub(super) fn no_machine_is_larger_than_what_is_left(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let capabilities = hypervisor.capabilities();
    let before = bench.fixture.leftovers();
    for resource in changeable(&capabilities) {
        let mut spec = bench.spec(&id("vm-1")?);
        if matches!(resource, Resource::Ram | Resource::Storage) {
            let all = total(&capabilities, resource);
            spec.resources = with(&spec.resources, resource, all + 1)?;
            let what = format!("create with more {resource} than the device has");
            refused(what, hypervisor.create(&spec), &Kind::NoSpace(resource))?;
            in_state("after it", &*hypervisor, &spec.id, &MachineState::Absent)?;
            same("what is left", &bench.fixture.leftovers(), &before)?;
        }
        let other = bench.machine(&*hypervisor, "other", &OFF)?;
        spec.resources = most(&capabilities, &bench.fixture.resources(), resource)?;
        let what = format!("create with more {resource} than is left");
        refused(what, hypervisor.create(&spec), &Kind::NoSpace(resource))?;
        in_state("after it", &*hypervisor, &spec.id, &MachineState::Absent)?;
        hypervisor.delete(&other, Erase::Discard)?;
        same("what is left", &bench.fixture.leftovers(), &before)?;
    }
    Ok(())
}

pub(super) fn preparing_changes_nothing(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let vm = bench.machine(&*hypervisor, "vm-1", &OFF)?;
    let before = hypervisor.observe(&vm)?;
    let config = bench.fixture.resources();
    for resource in changeable(&hypervisor.capabilities()) {
        let want = doubled(&config, resource)?;
        for attempt in ["prepare", "prepare again"] {
            let prepared = hypervisor.prepare(&vm, &want)?;
            for other in Resource::ALL {
                let due = if other == resource {
                    Effect::Recorded
                } else {
                    Effect::Unchanged
                };
                let what = format!("{attempt} {resource}: effect on {other}");
                same(what, &prepared.effect(other), &due)?;
            }
            same(attempt, &hypervisor.observe(&vm)?, &before)?;
        }
        hypervisor.undo(&vm, &config)?;
    }
    Ok(())
}

pub(super) fn a_commit_is_effective_and_lasting(bench: &Bench<'_>) -> Result<(), Stop> {
    let mut hypervisor = bench.open();
    let vm = bench.machine(&*hypervisor, "vm-1", &OFF)?;
    let mut want = bench.fixture.resources();
    for resource in changeable(&hypervisor.capabilities()) {
        want = doubled(&want, resource)?;
        hypervisor.prepare(&vm, &want)?;
        same("commit", &hypervisor.commit(&vm, &want)?, &Outcome::Done)?;
        has("after commit", &*hypervisor, &vm, &want)?;
        let again = hypervisor.commit(&vm, &want)?;
        same("commit, again", &again, &Outcome::AlreadyDone)?;
        drop(hypervisor);
        hypervisor = bench.open();
        has("after a restart", &*hypervisor, &vm, &want)?;
        in_state("after a restart", &*hypervisor, &vm, &OFF)?;
    }
    hypervisor.power_on(&vm)?;
    has("while it runs", &*hypervisor, &vm, &want)
}

pub(super) fn undo_puts_back(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let vm = bench.machine(&*hypervisor, "vm-1", &OFF)?;
    let before = bench.fixture.resources();
    same(
        "undo of nothing",
        &hypervisor.undo(&vm, &before)?,
        &Outcome::AlreadyDone,
    )?;
    for resource in changeable(&hypervisor.capabilities()) {
        let want = doubled(&before, resource)?;
        for committed in [false, true] {
            let what = format!("undo of {resource}, committed: {committed}");
            hypervisor.prepare(&vm, &want)?;
            if committed {
                hypervisor.commit(&vm, &want)?;
            }
            same(&what, &hypervisor.undo(&vm, &before)?, &Outcome::Done)?;
            has(&what, &*hypervisor, &vm, &before)?;
            let again = hypervisor.undo(&vm, &before)?;
            same(format!("{what}, again"), &again, &Outcome::AlreadyDone)?;
        }
    }
    Ok(())
}

pub(super) fn what_cannot_change_is_refused(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let capabilities = hypervisor.capabilities();
    let config = bench.fixture.resources();
    let vm = bench.machine(&*hypervisor, "vm-1", &OFF)?;
    for resource in Resource::ALL {
        if capabilities.support(resource) != Support::None {
            continue;
        }
        let want = doubled(&config, resource)?;
        let what = format!("change of {resource}");
        refused(&what, hypervisor.prepare(&vm, &want), &Kind::NotSupported)?;
        refused(&what, hypervisor.commit(&vm, &want), &Kind::NotSupported)?;
        has(&what, &*hypervisor, &vm, &config)?;
    }
    Ok(())
}

pub(super) fn a_running_machine_changes_live_or_not_at_all(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let capabilities = hypervisor.capabilities();
    let config = bench.fixture.resources();
    let vm = bench.machine(&*hypervisor, "vm-1", &MachineState::Running)?;
    for resource in changeable(&capabilities) {
        let want = doubled(&config, resource)?;
        let what = format!("change of {resource} while running");
        let live = capabilities.support(resource) == Support::Live;
        match hypervisor.prepare(&vm, &want) {
            Ok(prepared) if live => {
                same(&what, &prepared.effect(resource), &Effect::Live)?;
                same(&what, &hypervisor.commit(&vm, &want)?, &Outcome::Done)?;
                has(&what, &*hypervisor, &vm, &want)?;
                hypervisor.undo(&vm, &config)?;
            }
            answer => refused(&what, answer, &Kind::CannotChangeLive(resource))?,
        }
        has(&what, &*hypervisor, &vm, &config)?;
        in_state(&what, &*hypervisor, &vm, &MachineState::Running)?;
    }
    Ok(())
}

pub(super) fn a_suspended_machine_keeps_ram_and_storage(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let config = bench.fixture.resources();
    let vm = bench.machine(&*hypervisor, "vm-1", &MachineState::Suspended)?;
    for resource in changeable(&hypervisor.capabilities()) {
        let want = doubled(&config, resource)?;
        let what = format!("change of {resource} while suspended");
        match resource {
            Resource::Ram | Resource::Storage => {
                let observed = MachineState::Suspended;
                let due = Kind::InvalidState { observed };
                refused(&what, hypervisor.prepare(&vm, &want), &due)?;
            }
            Resource::Cpu | Resource::Network => {
                let effect = hypervisor.prepare(&vm, &want)?.effect(resource);
                same(&what, &effect, &Effect::Recorded)?;
                hypervisor.commit(&vm, &want)?;
                has(&what, &*hypervisor, &vm, &want)?;
                hypervisor.undo(&vm, &config)?;
            }
        }
        has(&what, &*hypervisor, &vm, &config)?;
        in_state(&what, &*hypervisor, &vm, &MachineState::Suspended)?;
    }
    hypervisor.resume(&vm)?;
    Ok(())
}

pub(super) fn a_refused_preparation_leaves_the_earlier(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let capabilities = hypervisor.capabilities();
    let config = bench.fixture.resources();
    let vm = bench.machine(&*hypervisor, "vm-1", &OFF)?;
    let other = bench.machine(&*hypervisor, "other", &OFF)?;
    for resource in changeable(&capabilities) {
        let want = doubled(&config, resource)?;
        hypervisor.prepare(&vm, &want)?;
        let too_much = most(&capabilities, &config, resource)?;
        let answer = hypervisor.prepare(&vm, &too_much);
        refused(
            format!("too much {resource}"),
            answer,
            &Kind::NoSpace(resource),
        )?;
        // What is left beside the first preparation is still all another machine gets.
        let free = total(&capabilities, resource) - amount(&want, resource);
        let answer = hypervisor.prepare(&other, &with(&config, resource, free + 1)?);
        refused("the other machine", answer, &Kind::NoSpace(resource))?;
        hypervisor.undo(&vm, &config)?;
    }
    Ok(())
}

pub(super) fn what_is_prepared_is_reserved(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let capabilities = hypervisor.capabilities();
    let config = bench.fixture.resources();
    let vm = bench.machine(&*hypervisor, "vm-1", &OFF)?;
    for resource in changeable(&capabilities) {
        let all = with(&config, resource, total(&capabilities, resource))?;
        hypervisor.prepare(&vm, &all)?;
        let spec = bench.spec(&id("other")?);
        let what = format!("create while all {resource} is reserved");
        refused(what, hypervisor.create(&spec), &Kind::NoSpace(resource))?;
        hypervisor.undo(&vm, &config)?;
        same(
            "create after undo",
            &hypervisor.create(&spec)?,
            &Outcome::Done,
        )?;
        hypervisor.delete(&spec.id, Erase::Discard)?;
    }
    Ok(())
}

pub(super) fn machines_exchange_resources_in_two_passes(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let capabilities = hypervisor.capabilities();
    let small = bench.fixture.resources();
    let (a, b) = (id("vm-a")?, id("vm-b")?);
    for resource in changeable(&capabilities) {
        let rest = total(&capabilities, resource) - amount(&small, resource);
        let large = with(&small, resource, rest)?;
        let mut spec = bench.spec(&a);
        spec.resources = large.clone();
        hypervisor.create(&spec)?;
        hypervisor.create(&bench.spec(&b))?;

        let early = hypervisor.prepare(&b, &large);
        refused("out of order", early, &Kind::NoSpace(resource))?;
        if resource == Resource::Storage {
            // Storage is given back by deleting; a disk may refuse to shrink.
            hypervisor.delete(&a, Erase::Discard)?;
            hypervisor.prepare(&b, &large)?;
            hypervisor.commit(&b, &large)?;
        } else {
            hypervisor.prepare(&a, &small)?;
            hypervisor.prepare(&b, &small)?;
            hypervisor.prepare(&a, &small)?;
            hypervisor.prepare(&b, &large)?;
            let undone = hypervisor.undo(&a, &large)?;
            same("undo without room", &undone, &Outcome::Done)?;
            hypervisor.undo(&b, &small)?;

            hypervisor.prepare(&a, &small)?;
            hypervisor.prepare(&b, &large)?;
            hypervisor.commit(&b, &large)?;
            hypervisor.commit(&a, &small)?;
            has("exchanged", &*hypervisor, &a, &small)?;
        }
        has("exchanged", &*hypervisor, &b, &large)?;
        hypervisor.delete(&a, Erase::Discard)?;
        hypervisor.delete(&b, Erase::Discard)?;
    }
    Ok(())
}

pub(super) fn a_change_goes_on_after_a_restart(bench: &Bench<'_>) -> Result<(), Stop> {
    let mut hypervisor = bench.open();
    let before = bench.fixture.resources();
    let vm = bench.machine(&*hypervisor, "vm-1", &OFF)?;
    for resource in changeable(&hypervisor.capabilities()) {
        let want = doubled(&before, resource)?;
        let restart = |hypervisor| {
            drop(hypervisor);
            bench.open()
        };
        hypervisor.prepare(&vm, &want)?;
        hypervisor = restart(hypervisor);
        has("prepared, restarted", &*hypervisor, &vm, &before)?;
        hypervisor.prepare(&vm, &want)?;
        hypervisor = restart(hypervisor);
        hypervisor.commit(&vm, &want)?;
        hypervisor = restart(hypervisor);
        has("committed, restarted", &*hypervisor, &vm, &want)?;
        let again = hypervisor.commit(&vm, &want)?;
        same("commit, again", &again, &Outcome::AlreadyDone)?;
        hypervisor = restart(hypervisor);
        hypervisor.undo(&vm, &before)?;
        hypervisor = restart(hypervisor);
        has("undone, restarted", &*hypervisor, &vm, &before)?;
        let again = hypervisor.undo(&vm, &before)?;
        same("undo, again", &again, &Outcome::AlreadyDone)?;
    }
    Ok(())
}

pub(super) fn a_commit_without_preparation_prepares(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let capabilities = hypervisor.capabilities();
    let config = bench.fixture.resources();
    let vm = bench.machine(&*hypervisor, "vm-1", &OFF)?;
    let other = bench.machine(&*hypervisor, "other", &OFF)?;
    for resource in changeable(&capabilities) {
        let want = doubled(&config, resource)?;
        let too_much = most(&capabilities, &config, resource)?;
        let what = format!("commit of too much {resource}");
        // What is prepared is something else.
        hypervisor.prepare(&vm, &want)?;
        refused(
            &what,
            hypervisor.commit(&vm, &too_much),
            &Kind::NoSpace(resource),
        )?;
        has(&what, &*hypervisor, &vm, &config)?;
        let unprepared = hypervisor.commit(&other, &want)?;
        same("commit", &unprepared, &Outcome::Done)?;
        has("commit", &*hypervisor, &other, &want)?;
        hypervisor.undo(&vm, &config)?;
        hypervisor.undo(&other, &config)?;
    }
    Ok(())
}
