//! The server: what it tells and in which order, and how it wakes a device.

use std::{
    net::TcpListener,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use omadm_client::Auth;
use omadm_server::{Account, EventKind, NotifyError};
use omadm_session::{
    Proof, Scheme,
    notification::{Notification, ProvenBy},
};
use omadm_testkit::{DEVICE_ID, SERVER_ID};
use virmo_runtime::{Server, Until, session_id};

use crate::bench::{Bench, PATIENCE, config};

/// The nonce is the one the session before has brought.
#[test]
fn a_notification_of_the_server_opens_the_session_it_asks_for() {
    let proof = |name| Proof::new(Scheme::Mac, name, "its password");
    let (tell, told) = mpsc::channel();
    let server = Server::builder()
        .accounts(Account::new(Some(proof("device")), Some(proof("server"))))
        .observer(move |event| drop(tell.send(event.kind)))
        .start(TcpListener::bind("127.0.0.1:0").unwrap())
        .unwrap();
    let bench = Bench::new();
    let mut config = config(&server.url());
    config.auth = Auth::given(Some(proof("device")), Some(proof("server")));
    let (builder, _events) = bench.device(config);
    let mut device = builder.build().unwrap();
    let handle = device.handle();
    let worker = thread::spawn(move || device.run(Until::Stopped { interval: None }));
    let next = |wanted: fn(&EventKind) -> bool| loop {
        let kind = told.recv_timeout(PATIENCE).unwrap();
        if wanted(&kind) {
            return kind;
        }
    };
    for _ in 0..2 {
        next(|kind| matches!(kind, EventKind::SessionEnded(_)));
        let id = session_id();
        let asked = Notification::new(id, SERVER_ID.parse().unwrap()).unwrap();
        let octets = server.notify(DEVICE_ID, &asked, ProvenBy::StoredNonce);
        handle.notify(octets.unwrap());
        let again = server.notify(DEVICE_ID, &asked, ProvenBy::StoredNonce);
        assert_eq!(again, Err(NotifyError::SessionIdInUse(id)));
        let answered = next(|kind| matches!(kind, EventKind::NotificationAnswered { .. }));
        assert!(
            matches!(answered, EventKind::NotificationAnswered { session_id } if session_id == id)
        );
    }
    handle.stop();
    worker.join().unwrap().unwrap();
}

/// The second device has its session while the first is still told of.
#[test]
fn events_come_one_at_a_time() {
    let (another, others) = mpsc::channel();
    let others = Mutex::new(Some(others));
    let busy = AtomicBool::new(false);
    let (tell, told) = mpsc::channel();
    let server = Server::builder()
        .observer(move |event| {
            let alone = !busy.swap(true, Ordering::SeqCst);
            let first = others.lock().unwrap().take();
            if let Some(others) = first {
                // Nobody comes.
                let _ = others.recv_timeout(Duration::from_millis(500));
            } else {
                let _ = another.send(());
            }
            busy.store(false, Ordering::SeqCst);
            tell.send((event.device, alone)).unwrap();
        })
        .start(TcpListener::bind("127.0.0.1:0").unwrap())
        .unwrap();
    let url = server.url();
    let workers = [(); 2].map(|()| {
        let url = url.clone();
        thread::spawn(move || {
            let bench = Bench::new();
            let (builder, _events) = bench.device(config(&url));
            builder.build().unwrap().run(Until::SessionEnds).unwrap();
        })
    });
    for worker in workers {
        worker.join().unwrap();
    }
    server.stop();
    assert!(told.iter().all(|(_, alone)| alone));
}
