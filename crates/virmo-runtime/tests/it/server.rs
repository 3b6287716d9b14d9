//! The server: what it tells and in which order, and how it wakes a device.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use omadm_client::Auth;
use omadm_core::{Journal, JournalErrorKind, MemoryJournal};
use omadm_server::{Account, Config, EventKind, NotifyError, SingleCommand};
use omadm_session::{
    Proof, Scheme,
    notification::{Notification, ProvenBy},
};
use omadm_testkit::{DEVICE_ID, SERVER_ID, TestJournal};
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

/// The whole answer to a first message of a device that takes messages of this size.
fn first_message(server: &Server, device: &str, session: &str, size: u32) -> String {
    padded_message(server, device, session, size, 0)
}

/// The same with so many blanks behind the message.
fn padded_message(
    server: &Server,
    device: &str,
    session: &str,
    size: u32,
    blanks: usize,
) -> String {
    let blanks = " ".repeat(blanks);
    let leaves = ["DevId", "Man", "Mod", "DmV", "Lang"].map(|leaf| {
        format!(
            "<Item><Source><LocURI>./DevInfo/{leaf}</LocURI></Source><Data>{device}</Data></Item>"
        )
    });
    let body = format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>{session}</SessionID><MsgID>1</MsgID><Target><LocURI>x</LocURI></Target>\
         <Source><LocURI>{device}</LocURI></Source>\
         <Meta><MaxMsgSize xmlns='syncml:metinf'>{size}</MaxMsgSize></Meta></SyncHdr><SyncBody>\
         <Alert><CmdID>1</CmdID><Data>1201</Data></Alert>\
         <Replace><CmdID>2</CmdID>{}</Replace><Final/></SyncBody></SyncML>{blanks}",
        leaves.concat()
    );
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let media_type = "application/vnd.syncml.dm+xml";
    let length = body.len();
    write!(
        stream,
        "POST /dm HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {media_type}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Whatever waits for a disk or takes long keeps nobody else waiting.
#[test]
fn short_messages_are_answered_on_the_thread_that_serves_where_nothing_is_durable() {
    let thread_of = |journal: Arc<dyn Journal>, blanks| {
        let (tell, told) = mpsc::channel();
        let server = Server::builder()
            .journal(journal)
            .observer(move |_| {
                tell.send(thread::current().name().map(str::to_owned))
                    .unwrap()
            })
            .start(TcpListener::bind("127.0.0.1:0").unwrap())
            .unwrap();
        let answer = padded_message(&server, "d", "1", 9000, blanks);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        told.recv().unwrap()
    };
    let (serving, pool) = ("omadm-http", "omadm-http-worker");
    let name = thread_of(Arc::new(MemoryJournal::new()), 0);
    assert_eq!(name.as_deref(), Some(serving));
    let name = thread_of(Arc::new(MemoryJournal::new()), 64 << 10);
    assert_eq!(name.as_deref(), Some(pool));
    let name = thread_of(Arc::new(TestJournal::default()), 0);
    assert_eq!(name.as_deref(), Some(pool));
}

/// However many others come, steps that are under way are not begun a second time.
#[test]
fn the_programme_is_not_asked_for_again_while_a_device_is_in_it() {
    let (ask, asked) = mpsc::channel();
    let mut config = Config::new("c");
    config.max_devices = 2;
    let server = Server::builder()
        .config(config)
        .programme(move |device, _| {
            ask.send(device.to_owned()).unwrap();
            match device {
                "slow" => vec![Box::new(SingleCommand::get("./DevDetail/SwV"))],
                _ => Vec::new(),
            }
        })
        .start(TcpListener::bind("127.0.0.1:0").unwrap())
        .unwrap();
    for (session, device) in ["slow", "b", "c", "slow"].into_iter().enumerate() {
        let answer = first_message(&server, device, &session.to_string(), 9000);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(answer.contains("<Get>"), device == "slow", "{answer}");
    }
    server.stop();
    let asked: Vec<_> = asked.iter().collect();
    assert_eq!(asked, ["slow", "b", "c"]);
}

/// Nothing is told before it is durable, whatever else is asked meanwhile.
#[test]
fn what_cannot_be_kept_is_told_later() {
    let journal = TestJournal::default();
    let (tell, told) = mpsc::channel();
    let server = Server::builder()
        .journal(Arc::new(journal.clone()))
        .observer(move |event| drop(tell.send(event.device.to_string())))
        .start(TcpListener::bind("127.0.0.1:0").unwrap())
        .unwrap();
    journal.fail_for_good(JournalErrorKind::Full);
    for device in ["a", "b", "a"] {
        let answer = first_message(&server, device, "1", 9000);
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    }
    assert_eq!(told.try_iter().count(), 0);
    journal.mend();
    let answer = first_message(&server, "b", "1", 9000);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let mut devices: Vec<_> = told.try_iter().collect();
    devices.sort();
    devices.dedup();
    assert_eq!(devices, ["a", "b"]);
}

/// A device that takes less than the least answer, or less than what an answer has to hold, is told
/// so by HTTP.
#[test]
fn a_message_size_that_no_answer_fits_into_is_refused() {
    let (tell, told) = mpsc::channel();
    let server = Server::builder()
        .observer(move |event| drop(tell.send(event)))
        .start(TcpListener::bind("127.0.0.1:0").unwrap())
        .unwrap();
    let answer = |size| first_message(&server, DEVICE_ID, "1", size);
    let (mut least, mut whole) = (0, 0);
    for size in (1..=1000).step_by(37) {
        let answer = answer(size);
        if answer.starts_with("HTTP/1.1 200 ") {
            let (_, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(body.len() <= size as usize);
            continue;
        }
        assert!(answer.starts_with("HTTP/1.1 400 "), "{size}: {answer}");
        least += usize::from(answer.ends_with(&format!("\r\nno answer fits into {size} bytes\n")));
        let message = format!("\r\nthe answer does not fit into {size} bytes\n");
        whole += usize::from(answer.ends_with(&message));
    }
    assert!(least > 5 && whole > 0, "{least} {whole}");
    server.stop();
    // Those that fit did something.
    assert!(
        told.iter()
            .any(|event| matches!(event.kind, EventKind::SessionStarted { .. }))
    );
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
