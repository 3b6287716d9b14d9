//! The contract every back end keeps.

use std::sync::Mutex;

use virmo_hypervisor::contract::{CHECKS, Verdict};

use virmo_qemu::Network;

use crate::{
    bench::{OnQemu, Place, is_here},
    network::can_limit,
};

#[test]
fn qemu_keeps_the_contract() {
    if is_here() {
        all_checks(&Place::new);
    }
}

#[test]
fn qemu_keeps_the_contract_with_a_network() {
    if is_here() && can_limit() {
        all_checks(&|| Place::new().with_network(Network::new(100_000_000)));
    }
}

fn all_checks(place: &(dyn Fn() -> Place + Sync)) {
    let next = Mutex::new(CHECKS.iter());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some(check) = next.lock().unwrap().next() else {
                        return;
                    };
                    match check.run(&OnQemu(place())) {
                        Ok(Verdict::Passed) => {}
                        Ok(Verdict::Skipped(need)) => {
                            eprintln!("{}: skipped, QEMU does not have {need}", check.name);
                        }
                        Err(failure) => failures.lock().unwrap().push(failure.to_string()),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{failures:#?}");
}
