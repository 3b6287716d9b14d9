//! Interfaces of machines and their limits, where they can be made.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
};

use serde_json::{Value, json};
use virmo_hypervisor::{
    Effect, Erase, Hypervisor, HypervisorErrorKind as Kind, Machine, Peripherals, PowerOff, VmSpec,
};
use virmo_params::ResourceConfig;
use virmo_qemu::{Network, Qemu};
use virmo_state::VmId;

use crate::bench::{Place, ask_qemu, is_here};

/// Whether interfaces can be made and limited here: that takes root, iproute2 and the kernel.
pub(crate) fn can_limit() -> bool {
    let run = |line: &str| {
        let mut words = line.split(' ');
        let program = words.next().unwrap();
        let status = Command::new(program)
            .args(words)
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    };
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("vp{}-{number}", std::process::id());
    let can = run(&format!("ip tuntap add dev {name} mode tap"))
        && run(&format!(
            "tc qdisc add dev {name} root tbf rate 1mbit burst 16kb latency 50ms"
        ))
        && run(&format!("ip link add {name}i type ifb"));
    run(&format!("ip link del {name}i"));
    run(&format!("ip link del {name}"));
    if !can {
        eprintln!("SKIPPED: no interface can be made and limited here; networks are not tested");
    }
    can
}

fn id() -> VmId {
    "vm-1".parse().unwrap()
}

fn with_network(percent: u8) -> ResourceConfig {
    let text = format!("RAM=16777216&Storage=4194304&CPU=25&Network={percent}");
    text.parse().unwrap()
}

fn open(place: &Place) -> Qemu {
    let network = Network::new(80_000_000);
    Qemu::builder(place.root()).network(network).open().unwrap()
}

fn running(place: &Place) -> Qemu {
    let qemu = open(place);
    let image = place.image_file();
    let spec = VmSpec::new(id(), image, "application/octet-stream", with_network(25));
    qemu.create(&spec).unwrap();
    qemu.power_on(&id()).unwrap();
    qemu
}

/// The interfaces of the machine: the one to its guest, and the one for what comes from it.
fn interfaces(place: &Place) -> [String; 2] {
    let answer = ask_qemu(place, "vm-1", "query-uuid", json!({}));
    let uuid = answer["UUID"].as_str().unwrap().replace('-', "");
    let digits: String = uuid.chars().take(11).collect();
    ["vt", "vi"].map(|prefix| format!("{prefix}{digits}"))
}

/// What an interface lets pass, in octets a second.
fn rate(interface: &str) -> u64 {
    let shown = Command::new("tc")
        .args(["-j", "qdisc", "show", "dev", interface])
        .output()
        .unwrap();
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let limits = shown.as_array().unwrap().iter();
    let mut rates = limits.filter_map(|it| it["options"]["rate"].as_u64());
    rates.next().unwrap()
}

fn are_there(interfaces: &[String; 2]) -> bool {
    interfaces
        .iter()
        .any(|name| Path::new("/sys/class/net").join(name).exists())
}

/// VR-119: the share of the network is in force in both directions, and changes while the VM runs.
#[test]
fn the_share_of_the_network_is_in_force() {
    if !is_here() || !can_limit() {
        return;
    }
    let place = Place::new();
    let qemu = running(&place);
    let both = interfaces(&place);
    // 25 % of 80 Mbit/s.
    assert_eq!([rate(&both[0]), rate(&both[1])], [2_500_000; 2]);
    let more = with_network(50);
    assert_eq!(qemu.prepare(&id(), &more).unwrap().network, Effect::Live);
    qemu.commit(&id(), &more).unwrap();
    assert_eq!([rate(&both[0]), rate(&both[1])], [5_000_000; 2]);

    assert_eq!(Peripherals::list(&qemu, &id()).unwrap()[0].name, "network");
    qemu.set_enabled(&id(), "network", false).unwrap();
    qemu.suspend(&id()).unwrap();
    assert!(!are_there(&both), "a machine that does not run has none");
    qemu.commit(&id(), &with_network(10)).unwrap();
    qemu.resume(&id()).unwrap();
    assert_eq!([rate(&both[0]), rate(&both[1])], [1_000_000; 2]);
    qemu.set_enabled(&id(), "network", true).unwrap();
    qemu.power_off(&id(), PowerOff::Force).unwrap();
    assert!(!are_there(&both));
    qemu.power_on(&id()).unwrap();
    assert!(are_there(&both));
    qemu.delete(&id(), Erase::Discard).unwrap();
    assert!(!are_there(&both));
}

#[test]
fn what_a_dead_machine_had_of_the_host_goes_at_the_next_start() {
    if !is_here() || !can_limit() {
        return;
    }
    let place = Place::new();
    let qemu = running(&place);
    let both = interfaces(&place);
    for pid in place.processes() {
        Command::new("kill").args(["-9", &pid]).status().unwrap();
    }
    assert_eq!(place.processes_within(0), 0);
    drop(qemu);
    assert!(are_there(&both));
    let qemu = open(&place);
    assert!(!are_there(&both));
    qemu.power_on(&id()).unwrap();
    assert!(are_there(&both));
}

#[test]
fn a_machine_with_a_network_does_not_go_on_without() {
    if !is_here() || !can_limit() {
        return;
    }
    let place = Place::new();
    let qemu = running(&place);
    qemu.suspend(&id()).unwrap();
    drop(qemu);
    let without = place.open_qemu();
    let refused = without.resume(&id()).unwrap_err();
    assert!(
        refused.to_string().contains("only with a network"),
        "{refused}"
    );
    let refused = without.prepare(&id(), &with_network(50)).unwrap_err();
    assert_eq!(*refused.kind(), Kind::NotSupported);
    drop(without);
    let qemu = open(&place);
    qemu.resume(&id()).unwrap();
    let listed = Hypervisor::list(&qemu).unwrap();
    assert!(matches!(&listed[0].machine, Machine::Owned(it) if *it == id()));
}
