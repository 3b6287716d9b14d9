//! A device that is started again: what it left, and what comes first.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use omadm_client::{Event as ClientEvent, TransportFailure};
use omadm_session::request;
use omadm_testkit::{data, results};
use virmo_client::{Event as VirmoEvent, Recovery};
use virmo_runtime::{DeviceEvent, Until};
use virmo_server::{CreateVm, Mounts};

use crate::bench::{
    Bench, Gate, PATIENCE, Played, Slow, config, deliver, download, played, statuses,
};

/// A device that has created a VM, and is gone.
fn with_vm() -> Bench {
    let bench = Bench::new();
    bench.put_image("i", 10_000);
    let (server, _told) = bench.server(|_, images| {
        let mounts = Mounts::default();
        let create = CreateVm::new(mounts.vm("v").unwrap(), mounts.image("i").unwrap());
        vec![Box::new(deliver(images)), Box::new(create)]
    });
    let (builder, _events) = bench.device(config(&server.url()));
    builder.build().unwrap().run(Until::Idle).unwrap();
    bench
}

type Log = Arc<Mutex<Vec<String>>>;

fn note(log: &Log, what: &str) {
    log.lock().unwrap().push(what.to_owned());
}

/// The start finds out what the machines are, and a server hears nothing before.
#[test]
fn a_session_begins_when_the_machines_were_looked_at() {
    let bench = with_vm();
    let vm = "vm-1".parse().unwrap();
    bench.hypervisor.simulator.end_guest(&vm, false).unwrap();
    let log = Log::default();
    let looked = Arc::clone(&log);
    bench.hook(move |call, _| {
        // Time enough for a session that did not wait.
        thread::sleep(Duration::from_millis(100));
        note(&looked, call);
    });
    let (said, mut read) = (Arc::clone(&log), Some(request::get("./VirMO/v/State")));
    let link = Played::new(move |message| {
        note(&said, "message");
        for item in results(message) {
            note(&said, &data(&item));
        }
        Ok(read.take().into_iter().collect())
    });
    let (builder, _events) = bench.device(played());
    let mut device = builder.transport(link).build().unwrap();
    device.run(Until::SessionEnds).unwrap();
    let mut log = log.lock().unwrap().clone();
    log[..2].sort();
    assert_eq!(log, ["list", "observe", "message", "message", "1"]);
}

#[test]
fn a_hypervisor_that_hangs_keeps_no_server_away() {
    let bench = with_vm();
    let (mut gate, wait) = Gate::new();
    bench.hook(move |call, _| {
        if call == "observe" {
            _ = wait.lock().unwrap().recv();
        }
    });
    let mut turns = vec![
        vec![
            request::exec("./VirMO/v/Operations/Suspend", None),
            request::get("./VirMO/v/State"),
        ],
        vec![],
    ]
    .into_iter();
    let seen = Log::default();
    let read = Arc::clone(&seen);
    let link = Played::new(move |message| {
        for item in results(message) {
            note(&read, &data(&item));
        }
        Ok(turns.next().unwrap_or_default())
    });
    let mut config = played();
    config.exec_limit = Duration::from_millis(50);
    let (builder, events) = bench.device(config);
    let mut device = builder.transport(link).build().unwrap();
    device.run(Until::SessionEnds).unwrap();
    let told: Vec<_> = events.try_iter().collect();
    let suspend = "./VirMO/v/Operations/Suspend".to_owned();
    assert!(statuses(&told).contains(&(suspend, 405)), "it is busy");
    assert_eq!(*seen.lock().unwrap(), ["2"], "State is what it was");
    gate.open();
    device.run(Until::Idle).unwrap();
}

/// A download that the last run left goes on where it was, beside the sessions; so do alerts.
#[test]
fn a_download_goes_on_beside_the_sessions() {
    let bench = Bench::new();
    let (mut gate, wait) = Gate::new();
    let (asked, offsets) = mpsc::channel();
    let slow = Arc::new(Slow { gate: wait, asked });
    let mut policy = virmo_client::Policy::default();
    policy.downloads.checkpoint_bytes = 1000;

    let mut turns = vec![download()].into_iter();
    let link = Played::new(move |_| Ok(turns.next().unwrap_or_default()));
    let (builder, _events) = bench.device(played());
    let builder = builder.fetch(slow.clone()).policy(policy.clone());
    let mut device = builder.transport(link).build().unwrap();
    device.run(Until::SessionEnds).unwrap();
    assert_eq!(offsets.recv_timeout(PATIENCE), Ok(0));
    drop(device);

    let link = Played::new(|_| Ok(Vec::new()));
    let mut config = played();
    config.exec_limit = PATIENCE * 10;
    // The thread of the download that was stopped may hold the journal a moment longer.
    let mut device = loop {
        let (builder, _events) = bench.device(config.clone());
        let builder = builder.fetch(slow.clone()).policy(policy.clone());
        match builder.transport(link.clone()).build() {
            Ok(device) => break device,
            Err(error) => assert!(error.to_string().contains("opened"), "{error}"),
        }
        thread::sleep(Duration::from_millis(5));
    };
    device.run(Until::SessionEnds).unwrap();
    assert_eq!(offsets.recv_timeout(PATIENCE), Ok(2000));
    gate.open();
    device.run(Until::Idle).unwrap();
    let state = "./VMImgMO/i/State".parse().unwrap();
    assert_eq!(
        device.client().tree().node(&state).unwrap().text(),
        Some("2")
    );
}

/// An alert that no session delivered is there after the next start.
#[test]
fn an_undelivered_alert_is_sent_after_the_next_start() {
    let bench = with_image_alert();
    let alerts = Log::default();
    let heard = Arc::clone(&alerts);
    let link = Played::new(move |message| {
        for command in &message.commands {
            if let omadm_syncml::Command::Alert(alert) = command {
                for item in &alert.items {
                    note(&heard, item.meta.media_type.as_deref().unwrap_or_default());
                }
            }
        }
        Ok(Vec::new())
    });
    let (builder, events) = bench.device(played());
    let mut device = builder.transport(link).build().unwrap();
    device.run(Until::Idle).unwrap();
    assert_eq!(
        *alerts.lock().unwrap(),
        ["urn:oma:at:oma-virmo:imageready:1.0"]
    );
    let delivered = events
        .try_iter()
        .filter(|event| matches!(event, DeviceEvent::Client(ClientEvent::AlertDelivered(_))));
    assert_eq!(delivered.count(), 1);
}

/// A device that downloaded an image and could not say so.
fn with_image_alert() -> Bench {
    let bench = Bench::new();
    let (mut gate, wait) = Gate::new();
    gate.open();
    let (asked, _offsets) = mpsc::channel();
    let slow = Arc::new(Slow { gate: wait, asked });
    let mut turns = vec![Ok(download()), Ok(Vec::new())].into_iter();
    let link = Played::new(move |_| turns.next().unwrap_or(Err(TransportFailure::Refused)));
    let (builder, _events) = bench.device(played());
    let mut device = builder.fetch(slow.clone()).transport(link).build().unwrap();
    assert!(device.run(Until::Idle).is_err());
    drop(device);
    bench
}

/// A primitive that was cut is brought to its end, and told.
#[test]
fn a_primitive_that_was_cut_is_finished() {
    let bench = with_vm();
    let (mut gate, wait) = Gate::new();
    bench.hook(move |call, _| {
        if call == "suspend" {
            _ = wait.lock().unwrap().recv();
        }
    });
    let mut turns = vec![vec![request::exec("./VirMO/v/Operations/Suspend", None)]].into_iter();
    let link = Played::new(move |_| Ok(turns.next().unwrap_or_default()));
    let mut config = played();
    config.exec_limit = Duration::from_millis(20);
    let (builder, _events) = bench.device(config);
    let mut device = builder.transport(link).build().unwrap();
    device.run(Until::SessionEnds).unwrap();
    drop(device);
    bench.hook(|_, _| {});
    gate.open();

    let link = Played::new(|_| Ok(Vec::new()));
    let (mut device, events) = loop {
        let (builder, events) = bench.device(played());
        match builder.transport(link.clone()).build() {
            Ok(device) => break (device, events),
            Err(error) => assert!(error.to_string().contains("opened"), "{error}"),
        }
        thread::sleep(Duration::from_millis(5));
    };
    device.run(Until::Idle).unwrap();
    let recovered = events.try_iter().find_map(|event| match event {
        DeviceEvent::Virmo(VirmoEvent::Recovered { outcome, .. }) => Some(outcome),
        _ => None,
    });
    assert_eq!(recovered, Some(Recovery::Finished));
    let state = "./VirMO/v/State".parse().unwrap();
    assert_eq!(
        device.client().tree().node(&state).unwrap().text(),
        Some("3")
    );
}

/// A change of resources that was cut is finished, though what was locked is locked again meanwhile:
/// one call at a time changes a machine.
#[test]
fn a_change_of_resources_that_was_cut_waits_for_the_lock() {
    let bench = with_vm();
    let (mut gate, wait) = Gate::new();
    bench.hook(move |call, _| {
        if call == "commit" {
            _ = wait.lock().unwrap().recv();
        }
    });
    let config = "RAM=4194304&Storage=16777216&CPU=10&Network=10";
    let mut turns = vec![
        vec![
            request::add_node("./VirMO/v/DMTree", None),
            request::exec("./VirMO/v/DMTree/LAWMO/Operations/FullyLock", None),
        ],
        vec![
            request::add("./VirMO/v/Resources/NewConfig", config.into()),
            request::exec("./VirMO/Operations/ApplyChanges", None),
        ],
    ]
    .into_iter();
    let link = Played::new(move |_| Ok(turns.next().unwrap_or_default()));
    let mut impatient = played();
    impatient.exec_limit = Duration::from_secs(2);
    let (builder, events) = bench.device(impatient);
    let mut device = builder.transport(link).build().unwrap();
    device.run(Until::SessionEnds).unwrap();
    let told: Vec<_> = events.try_iter().collect();
    let apply = "./VirMO/Operations/ApplyChanges".to_owned();
    assert!(statuses(&told).contains(&(apply, 202)), "{told:?}");
    drop(device);
    let log = Log::default();
    let (noted, locking) = (Arc::clone(&log), AtomicBool::new(false));
    bench.hook(move |call, _| match call {
        "set_locked" => {
            locking.store(true, Ordering::SeqCst);
            // Time enough for a change that does not wait.
            thread::sleep(Duration::from_millis(50));
            locking.store(false, Ordering::SeqCst);
            note(&noted, call);
        }
        "prepare" | "commit" | "undo" => {
            // Time enough for a lock that does not wait.
            thread::sleep(Duration::from_millis(10));
            let meanwhile = locking.load(Ordering::SeqCst);
            note(&noted, if meanwhile { "meanwhile" } else { call });
        }
        _ => {}
    });
    gate.open();

    let link = Played::new(|_| Ok(Vec::new()));
    let (mut device, events) = loop {
        let (builder, events) = bench.device(played());
        match builder.transport(link.clone()).build() {
            Ok(device) => break (device, events),
            Err(error) => assert!(error.to_string().contains("opened"), "{error}"),
        }
        thread::sleep(Duration::from_millis(5));
    };
    device.run(Until::Idle).unwrap();
    let recovered = events.try_iter().find_map(|event| match event {
        DeviceEvent::Virmo(VirmoEvent::ChangesRecovered { outcome }) => Some(outcome),
        _ => None,
    });
    assert_eq!(recovered, Some(Recovery::Finished));
    let mut log = log.lock().unwrap().clone();
    log.sort();
    assert_eq!(log, ["commit", "prepare", "prepare", "set_locked"]);
}
