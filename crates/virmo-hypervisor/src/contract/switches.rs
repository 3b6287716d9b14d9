//! Peripherals, and the lock of the input.

use virmo_state::VmId;

use super::{Bench, Kind, OFF, Stop, id, kept_states, refused, same};
use crate::{Erase, Hypervisor, InputLock, MachineState, Outcome, Peripherals, PowerOff};

fn peripherals(hypervisor: &dyn Hypervisor) -> Result<&dyn Peripherals, Stop> {
    let peripherals = hypervisor.peripherals();
    peripherals.ok_or(Stop::Skip(super::Need::Peripherals))
}

fn input_lock(hypervisor: &dyn Hypervisor) -> Result<&dyn InputLock, Stop> {
    let input_lock = hypervisor.input_lock();
    input_lock.ok_or(Stop::Skip(super::Need::InputLock))
}

/// The names of the peripherals a machine does not have now.
fn missing(hypervisor: &dyn Hypervisor, vm: &VmId) -> Result<Vec<String>, Stop> {
    let list = peripherals(hypervisor)?.list(vm)?.into_iter();
    let missing = list.filter(|peripheral| !peripheral.enabled);
    Ok(missing.map(|peripheral| peripheral.name).collect())
}

pub(super) fn a_peripheral_is_switched_alone_and_stays_so(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let vm = bench.machine(&*hypervisor, "vm-1", &OFF)?;
    let other = bench.machine(&*hypervisor, "vm-2", &OFF)?;
    same("missing at first", &missing(&*hypervisor, &vm)?, &vec![])?;
    let list = peripherals(&*hypervisor)?.list(&vm)?;
    let Some(name) = list.into_iter().map(|peripheral| peripheral.name).next() else {
        return Err(Stop::Fail("a machine has no peripherals at all".to_owned()));
    };
    let switch = |hypervisor: &dyn Hypervisor, enabled, due| {
        let done = peripherals(hypervisor)?.set_enabled(&vm, &name, enabled)?;
        same(format!("{name} switched to {enabled}"), &done, &due)
    };
    let gone = vec![name.clone()];
    switch(&*hypervisor, true, Outcome::AlreadyDone)?;
    switch(&*hypervisor, false, Outcome::Done)?;
    switch(&*hypervisor, false, Outcome::AlreadyDone)?;
    same("missing while off", &missing(&*hypervisor, &vm)?, &gone)?;
    same(
        "missing of the other",
        &missing(&*hypervisor, &other)?,
        &vec![],
    )?;
    hypervisor.power_on(&vm)?;
    same("missing while running", &missing(&*hypervisor, &vm)?, &gone)?;
    drop(hypervisor);
    let hypervisor = bench.open();
    same(
        "missing for a new handle",
        &missing(&*hypervisor, &vm)?,
        &gone,
    )?;
    switch(&*hypervisor, true, Outcome::Done)?;
    switch(&*hypervisor, false, Outcome::Done)?;
    hypervisor.power_off(&vm, PowerOff::Force)?;
    same("missing once off", &missing(&*hypervisor, &vm)?, &gone)?;
    switch(&*hypervisor, true, Outcome::Done)?;
    same("missing at last", &missing(&*hypervisor, &vm)?, &vec![])
}

pub(super) fn only_what_a_machine_has_is_switched(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let nobody = id("vm-0")?;
    refused(
        "peripherals of an unknown machine",
        peripherals(&*hypervisor)?.list(&nobody),
        &Kind::NotFound,
    )?;
    let vm = bench.machine(&*hypervisor, "vm-1", &OFF)?;
    let switched = peripherals(&*hypervisor)?.set_enabled(&vm, "no such thing", false);
    refused("an unknown peripheral", switched, &Kind::NotSupported)?;
    for peripheral in peripherals(&*hypervisor)?.list(&vm)? {
        let switched = peripherals(&*hypervisor)?.set_enabled(&nobody, &peripheral.name, false);
        refused("of an unknown machine", switched, &Kind::NotFound)?;
    }
    Ok(())
}

pub(super) fn a_locked_input_stays_locked(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let nobody = id("vm-0")?;
    let lock = input_lock(&*hypervisor)?;
    refused(
        "an unknown machine",
        lock.is_locked(&nobody),
        &Kind::NotFound,
    )?;
    let locked = lock.set_locked(&nobody, true);
    refused("lock of an unknown machine", locked, &Kind::NotFound)?;
    let vm = bench.machine(&*hypervisor, "vm-1", &OFF)?;
    let other = bench.machine(&*hypervisor, "vm-2", &OFF)?;
    let is = |hypervisor: &dyn Hypervisor, when: &str, due: bool| {
        let locked = input_lock(hypervisor)?.is_locked(&vm)?;
        same(format!("whether it is locked {when}"), &locked, &due)
    };
    let set = |hypervisor: &dyn Hypervisor, locked, due| {
        let done = input_lock(hypervisor)?.set_locked(&vm, locked)?;
        same(format!("locked: {locked}"), &done, &due)
    };
    is(&*hypervisor, "at first", false)?;
    set(&*hypervisor, false, Outcome::AlreadyDone)?;
    set(&*hypervisor, true, Outcome::Done)?;
    set(&*hypervisor, true, Outcome::AlreadyDone)?;
    same("the other", &lock.is_locked(&other)?, &false)?;
    hypervisor.power_on(&vm)?;
    is(&*hypervisor, "while it runs", true)?;
    drop(hypervisor);
    let hypervisor = bench.open();
    is(&*hypervisor, "for a new handle", true)?;
    set(&*hypervisor, false, Outcome::Done)?;
    is(&*hypervisor, "once unlocked", false)?;
    set(&*hypervisor, true, Outcome::Done)?;
    hypervisor.power_off(&vm, PowerOff::Force)?;
    is(&*hypervisor, "once off", true)
}

pub(super) fn a_locked_machine_obeys_its_owner(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let lock = input_lock(&*hypervisor)?;
    let vm = bench.machine(&*hypervisor, "vm-1", &OFF)?;
    lock.set_locked(&vm, true)?;
    let done = |what: &str, found| {
        same(
            format!("{what} of a locked machine"),
            &found,
            &Outcome::Done,
        )
    };
    done("power_on", hypervisor.power_on(&vm)?)?;
    if kept_states(&hypervisor.capabilities()).contains(&MachineState::Suspended) {
        done("suspend", hypervisor.suspend(&vm)?)?;
        done("resume", hypervisor.resume(&vm)?)?;
    }
    done("power_off", hypervisor.power_off(&vm, PowerOff::Force)?)?;
    done("delete", hypervisor.delete(&vm, Erase::Discard)?)?;
    // A machine of the same name is another one.
    let vm = bench.machine(&*hypervisor, "vm-1", &OFF)?;
    same("whether a new one is locked", &lock.is_locked(&vm)?, &false)
}
