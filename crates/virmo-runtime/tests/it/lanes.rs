//! Machines that hang, fail and panic, and those beside them.

use std::{
    sync::{Mutex, mpsc},
    time::Duration,
};

use omadm_client::Event as ClientEvent;
use omadm_testkit::DEVICE_ID;
use virmo_client::Policy;
use virmo_runtime::{DeviceEvent, Until};
use virmo_server::{CreateVm, Mounts, Operate};

use crate::bench::{Bench, Programme, config, deliver, reports, statuses};

fn create(name: &str) -> CreateVm {
    let mounts = Mounts::default();
    CreateVm::new(mounts.vm(name).unwrap(), mounts.image("i").unwrap())
}

fn suspend(name: &str) -> Operate {
    Operate::suspend(Mounts::default().vm(name).unwrap())
}

/// A primitive that never answers is answered with 202, then reported as failed at its deadline;
/// the other machine goes on, State is what it was, and nobody waits for it any more.
#[test]
fn a_machine_that_hangs_ends_at_its_deadline() {
    let bench = Bench::new();
    bench.put_image("i", 1000);
    let (_open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    bench.hook(move |call, vm| {
        if call == "suspend" && vm == "vm-1" {
            _ = gate.lock().unwrap().recv();
        }
    });
    let (server, told) = bench.server(|_, images| -> Programme {
        vec![
            Box::new(deliver(images)),
            Box::new(create("a")),
            Box::new(create("b")),
            Box::new(suspend("a")),
            Box::new(suspend("a")),
            Box::new(suspend("b")),
        ]
    });
    let mut config = config(&server.url());
    config.exec_limit = Duration::from_millis(50);
    let mut policy = Policy::default();
    policy.deadline = Duration::from_secs(5);
    policy.alert_type = Some("org.example.result".to_owned());
    let (builder, events) = bench.device(config);
    let mut device = builder.policy(policy).build().unwrap();
    device.run(Until::Idle).unwrap();
    let outcomes: Vec<_> = reports(&told)
        .into_iter()
        .map(|(_, ok, status)| (ok, status.unwrap()))
        .collect();
    assert_eq!(
        outcomes,
        [
            (true, 200),
            (true, 200),
            (true, 200),
            (false, 500),
            (false, 405),
            (true, 200)
        ]
    );
    let told: Vec<_> = events.try_iter().collect();
    let suspend = "./VirMO/a/Operations/Suspend".to_owned();
    assert!(statuses(&told).contains(&(suspend, 202)));
    let timed_out =
        |event: &&DeviceEvent| matches!(event, DeviceEvent::Client(ClientEvent::JobTimedOut(_)));
    assert_eq!(told.iter().filter(timed_out).count(), 1);
    for (name, state) in [("a", "2"), ("b", "3")] {
        let leaf = format!("./VirMO/{name}/State").parse().unwrap();
        let leaf = device.client().tree().node(&leaf).unwrap();
        assert_eq!(leaf.text(), Some(state), "{name}");
    }
}

#[test]
fn a_machine_that_panics_has_failed() {
    let bench = Bench::new();
    bench.put_image("i", 1000);
    let armed = Mutex::new(true);
    bench.hook(move |call, _| {
        if call == "suspend" && std::mem::take(&mut *armed.lock().unwrap()) {
            panic!("on purpose");
        }
    });
    let (server, told) = bench.server(|_, images| -> Programme {
        vec![
            Box::new(deliver(images)),
            Box::new(create("a")),
            Box::new(suspend("a")),
        ]
    });
    let (builder, _events) = bench.device(config(&server.url()));
    let mut device = builder.build().unwrap();
    // Idle only when the failed primitive is undone: until then the machine is busy.
    device.run(Until::Idle).unwrap();
    server.enqueue(DEVICE_ID, Box::new(suspend("a"))).unwrap();
    device.run(Until::Idle).unwrap();
    let codes: Vec<_> = reports(&told)
        .into_iter()
        .filter_map(|(_, _, status)| status)
        .collect();
    assert_eq!(codes, [200, 200, 500, 200]);
}
