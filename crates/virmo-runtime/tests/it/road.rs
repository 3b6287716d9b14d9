//! The whole road: a server of ours, over HTTP.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use virmo_runtime::Until;

use crate::bench::{Bench, config, device_on, life, reports, states, statuses};

#[test]
fn a_device_goes_through_a_whole_life_once() {
    let bench = Bench::new();
    bench.put_image("i", 300_000);
    let (server, told) = bench.server(|_, images| life(images));
    let (builder, events) = bench.device(config(&server.url()));
    let mut device = builder.build().unwrap();
    device.run(Until::Idle).unwrap();
    assert!(device.client().is_idle());
    let outcomes: Vec<_> = reports(&told)
        .into_iter()
        .map(|(_, ok, status)| (ok, status))
        .collect();
    assert_eq!(outcomes, [(true, Some(200)); 8]);
    let events: Vec<_> = events.try_iter().collect();
    assert_eq!(
        states(&events),
        [
            "i 0-1", "i 1-2", "v 0-2", "v 2-3", "v 3-2", "v 2-1", "v 1-2", "v 2-4", "i gone"
        ]
    );
    // The device is known: what it went through once it does not go through again.
    device.run(Until::Idle).unwrap();
    assert_eq!(reports(&told), []);
}

#[test]
fn devices_at_one_server_do_not_mind_each_other() {
    let benches: Vec<_> = (0..3).map(|_| Bench::new()).collect();
    benches[0].put_image("i", 100_000);
    let (server, told) = benches[0].server(|_, images| life(images));
    thread::scope(|scope| {
        for (number, bench) in benches.iter().enumerate() {
            let config = config(&server.url());
            scope.spawn(move || {
                let id = format!("urn:example:dev{number}");
                let (builder, events) = device_on(&bench.hypervisor, config, &id, &bench.state());
                builder.build().unwrap().run(Until::Idle).unwrap();
                let events: Vec<_> = events.try_iter().collect();
                let codes = statuses(&events).into_iter();
                assert_eq!(codes.filter(|(_, code)| *code == 404).count(), 5);
            });
        }
    });
    let mut reports = reports(&told);
    assert_eq!(reports.len(), 24);
    assert!(reports.iter().all(|(_, ok, _)| *ok));
    reports.sort();
    reports.dedup();
    assert_eq!(reports.len(), 3);
}

#[test]
fn the_account_follows_the_address_the_device_is_started_with() {
    let bench = Bench::new();
    let (first, _told) = bench.server(|_, _| Vec::new());
    let (second, _told) = bench.server(|_, _| Vec::new());
    for server in [&first, &second, &first] {
        let (builder, _events) = bench.device(config(&server.url()));
        let mut device = builder.build().unwrap();
        device.run(Until::SessionEnds).unwrap();
        let address = "./DMAcc/dm.example/AppAddr/1/Addr".parse().unwrap();
        let address = device.client().tree().node(&address).unwrap();
        assert_eq!(address.text(), Some(server.url().as_str()));
    }
}

/// VR-075, VR-076: of a VM and an image that were deleted nothing can be read any more, wherever a
/// device and its hypervisor keep files.
#[test]
fn nothing_of_what_was_deleted_can_be_read() {
    const MARKER: &[u8] = b"what only the guest may know";
    fn holds(folder: &Path) -> bool {
        fs::read_dir(folder).unwrap().any(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() {
                return holds(&path);
            }
            let content = fs::read(path).unwrap();
            content.windows(MARKER.len()).any(|found| found == MARKER)
        })
    }
    let bench = Bench::new();
    fs::write(bench.images().join("i"), MARKER.repeat(1000)).unwrap();
    let (server, _told) = bench.server(|_, images| life(images));
    let seen = Arc::new(AtomicBool::new(false));
    let (machines, found) = (bench.folder.path().join("machines"), Arc::clone(&seen));
    bench.hook(move |call, _| {
        if call == "delete" {
            found.store(holds(&machines), Ordering::SeqCst);
        }
    });
    let (builder, _events) = bench.device(config(&server.url()));
    builder.build().unwrap().run(Until::Idle).unwrap();
    assert!(seen.load(Ordering::SeqCst), "it was there to be deleted");
    assert!(!holds(&bench.folder.path().join("machines")));
    assert!(!holds(&bench.state()));
}
