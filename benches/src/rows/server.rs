//! Exchanges over HTTP beside an echo, and what a server keeps of a session.
//!
//! Both servers are in this process, and so are the devices, on threads of their own: what a server
//! takes is the processor's time of the process without that of these threads. A device does the same between
//! two requests of either server, so that both are as long without work: the echo's is answered by
//! an engine on the device's thread when its message has come back.
//!
//! Devices have one processor, servers another, as if devices were elsewhere; or all share one. Left to
//! the system, one server may share a processor with its devices while the other wakes and is woken
//! across, which alone costs several times what the echo does.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

use rustix::{
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::ClockId,
};
use virmo::dm::{
    client::Auth,
    core::{MemoryJournal, Now},
    server::{Account, Config, Server, SingleCommand},
    session::{Nonces, Proof, Scheme},
};

use crate::{
    allocations,
    device::{self, Answer, Device},
    rounds::{Table, Target, now},
    sessions::{basic, md5, sessions},
};

/// How many Gets a session has.
const GETS: u32 = 200;

/// The value that is read: with it a message has 2 KB.
const VALUE: usize = 1280;

/// How many connections a crowd has.
const CROWD: usize = 8;

pub fn run(table: &mut Table) {
    let [first, second] = processors();
    for (of_devices, shared) in [(second, ""), (first, ", one processor for all")] {
        for (connections, at_once) in [(1, String::new()), (CROWD, format!(", {CROWD} at once"))] {
            let what = format!("server, a 2 KB exchange by HTTP{at_once}{shared}");
            // A thread that stays on a processor ends with the row.
            std::thread::scope(|scope| {
                scope.spawn(|| exchange(table, &what, connections, [first, of_devices]));
            });
        }
    }
    idle(table, "server, bytes of an idle session", basic());
    let what = "server, bytes of an idle session with nonces";
    idle(table, what, md5());
}

/// Both ends prove themselves by this, with a nonce from message to message.
fn proofs() -> (Proof, Proof) {
    let proof = |name: &str| Proof::new(Scheme::Md5, name, "secret");
    (proof("device"), proof("server"))
}

/// Holds a session; how many exchanges it took.
type Session = Box<dyn FnMut() -> u32 + Send>;

/// The servers are on the first of the processors, the devices on the second.
fn exchange(table: &mut Table, what: &str, connections: usize, processors: [usize; 2]) {
    if !table.wants(what) {
        return;
    }
    let [of_servers, of_devices] = processors;
    stay(of_servers);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let heard = Arc::new(AtomicU32::new(0));
    let told = Arc::clone(&heard);
    let (client, server) = proofs();
    let account = Account::new(Some(client), Some(server));
    let ours = virmo::Server::builder()
        .accounts(account.clone())
        .journal(Arc::new(MemoryJournal::new()))
        .observer(move |_| _ = told.fetch_add(1, Ordering::Relaxed))
        .start(listener)
        .expect("a server");
    let ours = Arc::new(ours);
    let echo = echo();
    stay(of_devices);
    let longest = Arc::new(AtomicUsize::new(0));
    let mut sessions: Vec<Session> = (0..connections)
        .map(|number| session(&ours, number, &longest))
        .collect();
    let mut echoes: Vec<Session> = (0..connections)
        .map(|number| echo_session(echo, number, &account))
        .collect();

    // The first session is challenged, and makes room everywhere.
    for _ in 0..2 {
        for session in sessions.iter_mut().chain(&mut echoes) {
            let exchanges = session();
            assert!((GETS..GETS + 5).contains(&exchanges), "{exchanges}");
        }
    }
    table.rounds(
        what,
        "axum echo of the same bodies",
        Target::Speed(0.5),
        || others(&mut sessions),
        || others(&mut echoes),
    );
    let longest = longest.load(Ordering::Relaxed);
    assert!((1900..2300).contains(&longest), "{longest}");
    assert!(heard.load(Ordering::Relaxed) > GETS, "nobody hears of it");
}

/// Two processors, if there are as many.
fn processors() -> [usize; 2] {
    let all = sched_getaffinity(None).expect("a system that tells");
    let mut all = (0..CpuSet::MAX_CPU).filter(|processor| all.is_set(*processor));
    let first = all.next().expect("a processor");
    [first, all.next().unwrap_or(first)]
}

/// Keeps this thread, and those it starts, on a processor.
fn stay(processor: usize) {
    let mut only = CpuSet::new();
    only.set(processor);
    sched_setaffinity(None, &only).expect("a processor of ours");
}

fn get() -> Box<SingleCommand> {
    Box::new(SingleCommand::get("./DevDetail/OEM"))
}

/// The device of a number, and its name.
fn device(number: usize) -> (String, Device) {
    let name = format!("urn:e:{number:04}");
    let (client, server) = proofs();
    let device = Device::named(&name, Auth::given(Some(client), Some(server)), VALUE);
    (name, device)
}

/// The sessions of a device with our server; the longest of its messages is noted.
fn session(ours: &Arc<virmo::Server>, number: usize, longest: &Arc<AtomicUsize>) -> Session {
    let (ours, longest) = (Arc::clone(ours), Arc::clone(longest));
    let (name, mut device) = device(number);
    let mut connection = Connection::open(ours.address());
    Box::new(move || {
        for _ in 0..GETS {
            ours.enqueue(&name, get()).expect("room");
        }
        device.session(|request| {
            longest.fetch_max(request.body.len(), Ordering::Relaxed);
            connection.post("/dm", &request.body)
        })
    })
}

/// The sessions of a device with an engine of its own, each message of which is echoed.
fn echo_session(echo: SocketAddr, number: usize, account: &Account) -> Session {
    let nonces = Nonces::new(Arc::new(MemoryJournal::new()), device::octets);
    let mut engine = Server::new(Config::new("c"), account.clone()).with_nonces(nonces);
    let (name, mut device) = device(number);
    let mut connection = Connection::open(echo);
    Box::new(move || {
        for _ in 0..GETS {
            engine.enqueue(&name, get()).expect("room");
        }
        device.session(|request| {
            assert_eq!(connection.post("/", &request.body).body, request.body);
            device::respond(&mut engine, request, Now::default())
        })
    })
}

/// Seconds of the processor that the threads of a server take for each exchange of sessions that are
/// held at once, each on a thread of its own; the only one on this.
fn others(sessions: &mut [Session]) -> f64 {
    let hold = |session: &mut Session| {
        let before = now(ClockId::ThreadCPUTime);
        let exchanges = session();
        (exchanges, now(ClockId::ThreadCPUTime) - before)
    };
    let before = now(ClockId::ProcessCPUTime);
    let held: Vec<(u32, f64)> = match sessions {
        [session] => vec![hold(session)],
        sessions => std::thread::scope(|scope| {
            let threads: Vec<_> = sessions
                .iter_mut()
                .map(|session| scope.spawn(|| hold(session)))
                .collect();
            let ends = threads.into_iter().map(|thread| thread.join());
            ends.map(|end| end.expect("a session")).collect()
        }),
    };
    let all = now(ClockId::ProcessCPUTime) - before;
    let exchanges: u32 = held.iter().map(|(exchanges, _)| exchanges).sum();
    let devices: f64 = held.iter().map(|(_, seconds)| seconds).sum();
    (all - devices) / f64::from(exchanges)
}

/// Starts the anchor on a thread of its own, like our server; where it listens.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    listener.set_nonblocking(true).expect("a socket");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            let echo = axum::routing::post(|body: axum::body::Bytes| async { body });
            let router = axum::Router::new().route("/", echo);
            axum::serve(listener, router).await.expect("a server");
        });
    });
    address
}

/// A connection that is kept.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a server");
        stream.set_nodelay(true).expect("a socket");
        Self(BufReader::new(stream))
    }

    fn post(&mut self, path: &str, body: &[u8]) -> Answer {
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/vnd.syncml.dm+xml\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend(body);
        self.0.get_mut().write_all(&request).expect("open");
        let (mut line, mut length) = (String::new(), 0);
        loop {
            line.clear();
            self.0.read_line(&mut line).expect("open");
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
            match &*line {
                "\r\n" => break,
                "" => panic!("the server is gone"),
                _ if line.starts_with("HTTP/1.1 ") => assert!(line.contains(" 200 "), "{line}"),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("open");
        Answer { body, hmac: None }
    }
}

fn idle(table: &mut Table, what: &str, proof: Proof) {
    if !table.wants(what) {
        return;
    }
    const SESSIONS: usize = 1000;
    // What is made once is not counted.
    drop(sessions(1, proof.clone()));
    let ((server, answers), held) = allocations::held(|| sessions(SESSIONS, proof));
    let each = (held as usize).saturating_sub(answers) / SESSIONS;
    drop(server);
    table.count(what, 2048, each as u64);
}
