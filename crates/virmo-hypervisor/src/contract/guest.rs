use std::time::Duration;

use virmo_state::VmId;

use super::{Bench, Kind, Stop, id, kept_states, refused};
use crate::{Hypervisor, HypervisorError, MachineState};

/// Time enough for a guest that boots.
const PATIENCE: Duration = Duration::from_secs(60);
const ROOM: usize = 1 << 20;

fn exchange(
    hypervisor: &dyn Hypervisor,
    vm: &VmId,
    message: &[u8],
    max_reply: usize,
) -> Result<Vec<u8>, HypervisorError> {
    match hypervisor.guest_channel() {
        Some(channel) => channel.exchange(vm, message, PATIENCE, max_reply, &|| false),
        None => Err(HypervisorError::new(Kind::NotSupported)),
    }
}

pub(super) fn a_running_guest_answers(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let message = bench.guest_message()?;
    let vms =
        ["vm-1", "vm-2"].map(|name| bench.machine(&*hypervisor, name, &MachineState::Running));
    let vms: Vec<VmId> = vms.into_iter().collect::<Result<_, _>>()?;
    for vm in vms.iter().cycle().take(6) {
        let reply = exchange(&*hypervisor, vm, &message, ROOM)?;
        if reply.len() < 2 {
            return Err(Stop::Fail(format!("{vm} replied with {reply:02x?}")));
        }
    }
    Ok(())
}

pub(super) fn only_a_running_guest_is_talked_to(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let message = bench.guest_message()?;
    let call = |vm: &VmId| exchange(&*hypervisor, vm, &message, ROOM);
    refused("of an unknown machine", call(&id("vm-0")?), &Kind::NotFound)?;
    let states = kept_states(&hypervisor.capabilities()).into_iter();
    let still = states.filter(|state| *state != MachineState::Running);
    for (number, observed) in (1..).zip(still) {
        let vm = bench.machine(&*hypervisor, &format!("vm-{number}"), &observed)?;
        let what = format!("of a machine that is {observed}");
        refused(what, call(&vm), &Kind::InvalidState { observed })?;
    }
    Ok(())
}

pub(super) fn a_reply_is_no_longer_than_it_may_be(bench: &Bench<'_>) -> Result<(), Stop> {
    let hypervisor = bench.open();
    let message = bench.guest_message()?;
    let vm = bench.machine(&*hypervisor, "vm-1", &MachineState::Running)?;
    let reply = exchange(&*hypervisor, &vm, &message, ROOM)?;
    let too_little = exchange(&*hypervisor, &vm, &message, 1);
    refused("with room for one octet", too_little, &Kind::Backend)?;
    let again = exchange(&*hypervisor, &vm, &message, ROOM)?;
    super::same("the length of the next reply", &again.len(), &reply.len())
}
