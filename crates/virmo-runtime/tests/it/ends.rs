//! How a run ends, and what starts a session.

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver},
    },
    thread,
    time::Duration,
};

use omadm_client::{Event as ClientEvent, NotificationDrop, SessionEnd, TransportFailure};
use omadm_core::{AlertCode, StatusCode};
use omadm_download::Cancel;
use omadm_session::{command_status, header_status, notification::Notification};
use omadm_syncml::{Command, Message};
use omadm_testkit::SERVER_ID;
use virmo_runtime::{DeviceEvent, ExchangeError, RunError, Until};

use crate::bench::{Bench, Gate, PATIENCE, Played, Slow, Turn, download, played};

/// The sessions a device opens: SessionID and the alert it begins with.
fn sessions() -> (
    Receiver<(String, AlertCode)>,
    impl FnMut(&Message<'static>) -> Turn + Send,
) {
    let (tell, told) = mpsc::channel();
    let play = move |message: &Message<'static>| {
        if let Some(Command::Alert(alert)) = message.commands.first() {
            let id = message.header.session_id.to_string();
            tell.send((id, alert.code.unwrap())).unwrap();
        }
        Ok(Vec::new())
    };
    (told, play)
}

const ENDLESS: Until = Until::Stopped { interval: None };

/// A notification by the server.
fn notification(session_id: u16) -> Vec<u8> {
    let notification = Notification::new(session_id, SERVER_ID.parse().unwrap()).unwrap();
    notification.sign(&"srvpwd".into(), b"").unwrap()
}

#[test]
fn a_notification_opens_a_session_and_stop_ends_the_run() {
    let bench = Bench::new();
    let (told, play) = sessions();
    let mut config = played();
    config.notification_secret = Some("srvpwd".into());
    let (builder, events) = bench.device(config);
    let mut device = builder.transport(Played::new(play)).build().unwrap();
    let handle = device.handle();
    let worker = thread::spawn(move || device.run(ENDLESS));
    let next = || told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(next().1, AlertCode::CLIENT_INITIATED);
    // The first one may come during the first session, and waits for its end then.
    for (octets, id) in [(notification(0x1F), "1F"), (notification(0xABC), "ABC")] {
        handle.notify(octets.as_slice());
        assert_eq!(next(), (id.to_owned(), AlertCode::SERVER_INITIATED));
        // Forged or repeated: nothing.
        handle.notify(octets.repeat(2));
        handle.notify(octets);
    }
    let drops = || {
        let dropped = ClientEvent::NotificationDropped;
        let drops = [NotificationDrop::Forged, NotificationDrop::Repeated];
        drops.map(|reason| DeviceEvent::Client(dropped(reason)))
    };
    let mut expected: Vec<_> = drops().into_iter().chain(drops()).collect();
    while let Some(next) = expected.first() {
        let event = events.recv_timeout(PATIENCE).unwrap();
        if event == *next {
            expected.remove(0);
        }
    }
    handle.stop();
    worker.join().unwrap().unwrap();
    assert!(told.try_recv().is_err(), "another session was opened");
    handle.stop();
    handle.notify(notification(1));
}

#[test]
fn a_stop_lets_the_session_go_to_its_end() {
    let bench = Bench::new();
    let (builder, events) = bench.device(played());
    let handle = Arc::new(Mutex::new(None::<virmo_runtime::Handle>));
    let stop = Arc::clone(&handle);
    let link = Played::new(move |_| {
        stop.lock().unwrap().as_ref().unwrap().stop();
        Ok(Vec::new())
    });
    let mut device = builder.transport(link).build().unwrap();
    *handle.lock().unwrap() = Some(device.handle());
    device.run(ENDLESS).unwrap();
    let ends: Vec<_> = events
        .try_iter()
        .filter(|event| matches!(event, DeviceEvent::SessionEnded { .. }))
        .collect();
    let [DeviceEvent::SessionEnded { end, .. }] = ends.as_slice() else {
        panic!("{ends:?}")
    };
    assert_eq!(*end, SessionEnd::Completed);
}

/// The transport never answers.
#[test]
fn an_abort_waits_for_no_session() {
    let bench = Bench::new();
    let (builder, events) = bench.device(played());
    let (_hold, never) = mpsc::channel::<()>();
    let never = Mutex::new(never);
    let handle = Arc::new(Mutex::new(None::<virmo_runtime::Handle>));
    let abort = Arc::clone(&handle);
    let link = Played::new(move |_| {
        abort.lock().unwrap().as_ref().unwrap().abort();
        let _ = never.lock().unwrap().recv();
        Ok(Vec::new())
    });
    let mut device = builder.transport(link).build().unwrap();
    *handle.lock().unwrap() = Some(device.handle());
    device.run(ENDLESS).unwrap();
    let ended = |event| matches!(event, DeviceEvent::SessionEnded { .. });
    assert!(!events.try_iter().any(ended));
}

#[test]
fn an_interval_opens_one_session_after_another() {
    let bench = Bench::new();
    let (told, play) = sessions();
    let (builder, _events) = bench.device(played());
    let mut device = builder.transport(Played::new(play)).build().unwrap();
    let handle = device.handle();
    let interval = Some(Duration::from_millis(5));
    let worker = thread::spawn(move || device.run(Until::Stopped { interval }));
    let mut ids: Vec<_> = (0..5)
        .map(|_| told.recv_timeout(PATIENCE).unwrap().0)
        .collect();
    handle.stop();
    worker.join().unwrap().unwrap();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5, "no SessionID comes twice");
}

#[test]
fn a_session_that_failed_is_followed_by_another() {
    let bench = Bench::new();
    let mut fails = 3;
    let (tell, told) = mpsc::channel();
    let link = Played::new(move |_| {
        if fails == 0 {
            tell.send(()).unwrap();
            return Ok(Vec::new());
        }
        fails -= 1;
        Err(TransportFailure::Refused)
    });
    let (builder, events) = bench.device(played());
    let mut device = builder.transport(link).build().unwrap();
    let handle = device.handle();
    let worker = thread::spawn(move || device.run(ENDLESS));
    told.recv_timeout(PATIENCE).unwrap();
    handle.stop();
    worker.join().unwrap().unwrap();
    // Each says why, and when the next one comes; the last one was the last.
    let told: Vec<_> = events.try_iter().collect();
    let failed = |event: &&DeviceEvent| matches!(event, DeviceEvent::SessionEnded { end, .. } if !end.is_normal());
    let broken = |event: &&DeviceEvent| matches!(event, DeviceEvent::ExchangeFailed { .. });
    let pauses: Vec<_> = told
        .iter()
        .filter_map(|event| match event {
            DeviceEvent::SessionPutOff { pause } => Some(*pause),
            _ => None,
        })
        .collect();
    let count = (
        told.iter().filter(failed).count(),
        told.iter().filter(broken).count(),
    );
    assert_eq!((count, pauses.len()), ((3, 3), 3));
    assert!(pauses.is_sorted(), "{pauses:?}");
}

/// Alerts the server does not want keep no run from its end; they stay for a later one.
#[test]
fn a_device_whose_alerts_are_refused_does_not_wait_for_ever() {
    let bench = Bench::new();
    let mut config = played();
    config.alert_retry.first = PATIENCE * 60;
    config.alert_retry.longest = PATIENCE * 60;
    let (builder, events) = bench.device(config);
    let (mut gate, wait) = Gate::new();
    gate.open();
    let (asked, _offsets) = mpsc::channel();
    let mut device = builder
        .fetch(Arc::new(Slow { gate: wait, asked }))
        .transport(Arc::new(Refusing::default()))
        .build()
        .unwrap();
    let ended = device.run(Until::Idle);
    assert!(matches!(ended, Err(RunError::AlertsRefused)), "{ended:?}");
    assert_eq!(device.client().queued_alerts(), 1);
    let refused = |event: &DeviceEvent| {
        matches!(event, DeviceEvent::Client(ClientEvent::AlertRefused { .. }))
    };
    assert_eq!(events.try_iter().filter(refused).count(), 1);
}

/// A server that has an image downloaded, and refuses every alert.
#[derive(Default)]
struct Refusing(Mutex<(omadm_testkit::Script, u32)>);

impl virmo_runtime::Transport for Refusing {
    fn exchange(
        &self,
        request: &omadm_client::Request,
        _: &Cancel,
    ) -> Result<virmo_runtime::Reply, ExchangeError> {
        let (script, messages) = &mut *self.0.lock().unwrap();
        let message = script.read(request);
        if message.header.msg_id == 1 {
            script.msg_id = 1;
        }
        let mut commands = vec![Command::Status(header_status(
            &message.header,
            StatusCode::OK,
        ))];
        for command in &message.commands {
            let code = match command {
                Command::Status(_) | Command::Results(_) => continue,
                Command::Alert(alert) if !alert.items.is_empty() => StatusCode::FORBIDDEN,
                _ => StatusCode::OK,
            };
            let status = command_status(message.header.msg_id, command, code);
            commands.push(Command::Status(status));
        }
        *messages += 1;
        if *messages == 1 {
            commands.extend(download());
        }
        let header = script.header();
        let body = script.write_as(&header, commands, true);
        Ok(virmo_runtime::Reply::new(omadm_testkit::encoding(), body))
    }
}
