//! Messages to a guest and its answers, over a serial line.

use std::{process::Command, time::Duration};

use virmo_hypervisor::{
    Erase, GuestChannel, Hypervisor, HypervisorError, HypervisorErrorKind as Kind, MachineState,
    PowerOff, VmSpec,
};
use virmo_qemu::Qemu;
use virmo_state::VmId;

use crate::bench::{Place, is_here, soon};

const LONG: Duration = Duration::from_secs(120);
const SHORT: Duration = Duration::from_millis(300);

fn id() -> VmId {
    "vm-1".parse().unwrap()
}

fn off(place: &Place) -> Qemu {
    let qemu = place.open_qemu();
    let resources = "RAM=16777216&Storage=4194304&CPU=50&Network=25".parse();
    let image = place.guest("channel");
    let spec = VmSpec::new(id(), image, "application/octet-stream", resources.unwrap());
    qemu.create(&spec).unwrap();
    qemu
}

fn running(place: &Place) -> Qemu {
    let qemu = off(place);
    qemu.power_on(&id()).unwrap();
    assert!(soon(|| place.console("vm-1").contains("ready")));
    qemu
}

fn kind(answer: Result<Vec<u8>, HypervisorError>) -> Kind {
    answer.unwrap_err().kind().clone()
}

fn is_timeout(answer: Result<Vec<u8>, HypervisorError>) -> bool {
    matches!(kind(answer), Kind::Timeout { .. })
}

/// VR-216: what is said to a VM gets there, and its answer comes back.
#[test]
fn messages_reach_the_guest_and_answers_come_back() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let qemu = running(&place);
    let every_octet: Vec<u8> = (0..=255).filter(|octet| *octet != b'!').collect();
    for message in [&b""[..], b"hello", &every_octet, &every_octet.repeat(8)] {
        let answer = qemu
            .exchange(&id(), message, LONG, 4096, &|| false)
            .unwrap();
        assert_eq!(answer, message);
    }
    let too_long = qemu
        .exchange(&id(), &every_octet, LONG, 100, &|| false)
        .unwrap_err();
    assert!(
        too_long.to_string().contains("more than 100 octets"),
        "{too_long}"
    );
    assert!(is_timeout(qemu.exchange(
        &id(),
        b"silence!",
        SHORT,
        4096,
        &|| false
    )));
    let after = qemu.exchange(&id(), b"still there", LONG, 4096, &|| false);
    assert_eq!(after.unwrap(), b"still there");

    // What nobody waits for any more ends at once, and its answer is not that to something else.
    let asked = std::cell::Cell::new(0);
    let over = || {
        asked.set(asked.get() + 1);
        asked.get() > 2
    };
    let taken_back = qemu.exchange(&id(), b"silence!", LONG, 4096, &over);
    let taken_back = taken_back.unwrap_err().to_string();
    assert!(taken_back.contains("waits for the answer"), "{taken_back}");
    assert_eq!(asked.get(), 3);
    let after = qemu.exchange(&id(), b"next", LONG, 4096, &|| false);
    assert_eq!(after.unwrap(), b"next");

    // Whoever asks after a restart gets no answer to what was asked before.
    let is_asked = std::cell::Cell::new(false);
    assert!(is_timeout(qemu.exchange(
        &id(),
        &every_octet,
        LONG,
        4096,
        &|| is_asked.replace(true)
    )));
    drop(qemu);
    let qemu = place.open_qemu();
    let after = qemu.exchange(&id(), b"again", LONG, 4096, &|| false);
    assert_eq!(after.unwrap(), b"again");

    qemu.suspend(&id()).unwrap();
    let asleep = kind(qemu.exchange(&id(), b"wake up", LONG, 4096, &|| false));
    assert_eq!(
        asleep,
        Kind::InvalidState {
            observed: MachineState::Suspended
        }
    );
    qemu.resume(&id()).unwrap();
    let after = qemu.exchange(&id(), b"morning", LONG, 4096, &|| false);
    assert_eq!(after.unwrap(), b"morning");
}

#[test]
fn a_guest_that_does_not_run_hears_nothing() {
    if !is_here() {
        return;
    }
    let place = Place::new();
    let qemu = off(&place);
    let ask = || qemu.exchange(&id(), b"hello", LONG, 4096, &|| false);
    let off = |crashed| {
        let observed = MachineState::Off { crashed };
        Kind::InvalidState { observed }
    };
    assert_eq!(kind(ask()), off(false));
    qemu.power_on(&id()).unwrap();
    assert_eq!(
        ask().unwrap(),
        b"hello",
        "it is asked while it boots, and answers then"
    );
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| qemu.exchange(&id(), b"die!", LONG, 4096, &|| false));
        std::thread::sleep(SHORT);
        for pid in place.processes() {
            Command::new("kill").args(["-9", &pid]).status().unwrap();
        }
        assert_eq!(
            kind(asked.join().unwrap()),
            off(true),
            "it ends with the guest"
        );
    });
    qemu.power_on(&id()).unwrap();
    qemu.power_off(&id(), PowerOff::Force).unwrap();
    assert_eq!(kind(ask()), off(false));
    qemu.delete(&id(), Erase::Discard).unwrap();
    assert_eq!(kind(ask()), Kind::NotFound);
}
