//! Retrieval and update over a wire that breaks at every call, and sides that stop at every call.

use std::sync::atomic::Ordering;

use uve::session::State;
use uve_engine::{Blobs, Progress, VmmEvent};

use crate::bench::{Bench, Break, Disk, Wire, content};

const TEXT: &[u8] = b"a text that is longer than a few pieces of seven octets each";

/// Rule 8, UR-002: at whichever call the wire breaks, before or after the VMM did its part, and
/// whoever of both sides is started again, the same work arrives once.
#[test]
fn transfers_go_on_where_they_broke() {
    let whole = calls_of_a_session();
    assert!(whole > 20, "{whole}");
    for how in [Break::Request, Break::Answer] {
        for restart in ["nobody", "vm", "vmm", "both"] {
            for at in 0..whole {
                broken_session(at, how, restart);
            }
        }
    }
}

fn calls_of_a_session() -> i64 {
    let bench = Bench::new();
    prepare(&bench);
    let wire = Wire::new(&bench.vmm);
    let vm = bench.vm_over("a", &Disk::default(), wire.clone());
    let selection = bench.serve("ann", &vm);
    vm.disconnect(&selection.session).unwrap();
    vm.drive().unwrap();
    assert_eq!(vm.state(), State::Idle);
    wire.calls.load(Ordering::SeqCst)
}

/// Leaves an image with a VM that plays no further part.
fn prepare(bench: &Bench) {
    let vm = bench.vm("first", &Disk::default());
    let selection = bench.serve("ann", &vm);
    vm.write_image(&selection.session, 0, TEXT).unwrap();
    vm.finish(&selection.session).unwrap();
    vm.drive().unwrap();
    drop(bench.vmm.take_events());
}

fn broken_session(at: i64, how: Break, restart: &str) {
    let case = format!("call {at}, {how:?} lost, {restart} started again");
    let mut bench = Bench::new();
    prepare(&bench);
    let wire = Wire::new(&bench.vmm);
    wire.break_after(at, how);
    let disk = Disk::default();
    let mut vm = bench.vm_over("a", &disk, wire.clone());
    let selection = bench.serve("ann", &vm);

    let mut events = Vec::new();
    let mut again = |vm: &mut uve_engine::Vm, bench: &mut Bench| {
        wire.mend();
        if restart == "vmm" || restart == "both" {
            events.extend(bench.vmm.take_events());
            bench.restart();
            *wire.to.lock().unwrap() = bench.vmm.clone();
        }
        if restart == "vm" || restart == "both" {
            *vm = bench.vm_over("a", &disk, wire.clone());
        }
        vm.drive().unwrap();
    };
    let mut broke = false;
    if vm.state() != State::Serving {
        broke = true;
        again(&mut vm, &mut bench);
    }
    assert_eq!(vm.state(), State::Serving, "{case}");
    assert_eq!(content(&vm, &selection), TEXT, "{case}");
    vm.write_image(&selection.session, 0, b"A TEXT").unwrap();
    vm.disconnect(&selection.session).unwrap();
    if !matches!(vm.drive().unwrap(), Progress::Idle) {
        assert!(!broke, "{case}");
        again(&mut vm, &mut bench);
    }
    assert_eq!(vm.state(), State::Idle, "{case}");
    assert_eq!(disk.blobs.len("copy").unwrap(), None, "{case}");
    assert_eq!(vm.aside().unwrap(), [""; 0], "{case}");

    events.extend(bench.vmm.take_events());
    let told = |wanted: fn(&VmmEvent) -> bool| events.iter().filter(|event| wanted(event)).count();
    let disconnects = told(|event| matches!(event, VmmEvent::Disconnected { .. }));
    assert_eq!(disconnects, 1, "{case}: {events:?}");
    let updates =
        told(|event| matches!(event, VmmEvent::Updated { version, .. } if version.0 == 2));
    assert_eq!(updates, 1, "{case}: {events:?}");

    let second = bench.vm("b", &Disk::default());
    let selection = bench.serve("ann", &second);
    let mut expected = TEXT.to_vec();
    expected[..6].copy_from_slice(b"A TEXT");
    assert_eq!(content(&second, &selection), expected, "{case}");
    // One image, and nothing of the versions and uploads before.
    let kept = bench.disk.blobs.names().unwrap();
    assert_eq!(kept.len(), 1, "{case}: {kept:?}");
}

/// A VM that is killed while its user works reports that, and saves what is there.
#[test]
fn a_vm_that_was_killed_reports_the_disconnect() {
    let bench = Bench::new();
    let disk = Disk::default();
    let vm = bench.vm("a", &disk);
    let selection = bench.serve("ann", &vm);
    vm.write_image(&selection.session, 0, b"work").unwrap();
    drop(vm);
    let vm = bench.vm("a", &disk);
    assert_eq!(vm.state(), State::Disconnected);
    assert_eq!(vm.drive().unwrap(), Progress::Idle);
    let events = bench.vmm.take_events();
    assert!(
        matches!(
            &events[..],
            [VmmEvent::Disconnected { .. }, VmmEvent::Updated { .. }]
        ),
        "{events:?}"
    );
}

/// The image in store is damaged: the VM notices, and does not serve.
#[test]
fn a_damaged_image_is_not_served() {
    let bench = Bench::new();
    prepare(&bench);
    let name = bench.disk.blobs.names().unwrap().remove(0);
    bench.disk.blobs.write_at(&name, 3, b"!").unwrap();
    let vm = bench.vm("a", &Disk::default());
    let selection = bench.select("ann", "a");
    vm.serve(&selection).unwrap();
    let progress = vm.drive().unwrap();
    let Progress::Waiting { error, .. } = progress else {
        panic!("{progress:?}");
    };
    assert_eq!(error, uve::Uve5Error::DigestMismatch);
    assert_eq!(vm.state(), State::UifLoading);
}

/// Octets that belong to nothing go when the data centre is opened.
#[test]
fn an_upload_that_was_replaced_leaves_nothing() {
    let mut bench = Bench::new();
    prepare(&bench);
    bench.disk.blobs.write_at("uif-77", 0, b"lost").unwrap();
    bench.restart();
    assert_eq!(bench.disk.blobs.names().unwrap().len(), 1);
}
