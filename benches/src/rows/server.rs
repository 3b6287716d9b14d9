//! Exchanges over HTTP beside an echo, and what a server keeps of a session.
//!
//! Both servers are in this process, and so are the devices, on this thread: what a server takes is
//! the processor's time of the process without that of the thread. A device does the same between
//! two requests of either server, so that both are as long without work: the echo's is answered by
//! an engine on this thread when its message has come back.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use rustix::time::ClockId;
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
};

/// How many Gets a session has.
const GETS: u32 = 200;

/// The value that is read: with it a message has 2 KB.
const VALUE: usize = 1280;

pub fn run(table: &mut Table) {
    exchange(table);
    idle(table);
}

/// Both ends prove themselves by this, with a nonce from message to message.
fn proofs() -> (Proof, Proof) {
    let proof = |name: &str| Proof::new(Scheme::Md5, name, "secret");
    (proof("device"), proof("server"))
}

fn exchange(table: &mut Table) {
    let what = "server, a 2 KB exchange by HTTP";
    if !table.wants(what) {
        return;
    }
    let (client, server) = proofs();
    let account = Account::new(Some(client.clone()), Some(server.clone()));
    let device = || {
        Device::new(
            Auth::given(Some(client.clone()), Some(server.clone())),
            VALUE,
        )
    };
    let get = || Box::new(SingleCommand::get("./DevDetail/OEM"));

    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let heard = Arc::new(AtomicU32::new(0));
    let told = Arc::clone(&heard);
    let ours = virmo::Server::builder()
        .accounts(account.clone())
        .journal(Arc::new(MemoryJournal::new()))
        .observer(move |_| _ = told.fetch_add(1, Ordering::Relaxed))
        .start(listener)
        .expect("a server");
    let mut asked = device();
    let mut connection = Connection::open(ours.address());
    let mut typical = 0;
    let mut session = || {
        for _ in 0..GETS {
            ours.enqueue(device::NAME, get()).expect("room");
        }
        asked.session(|request| {
            typical = request.body.len().max(typical);
            connection.post("/dm", &request.body)
        })
    };

    let nonces = Nonces::new(Arc::new(MemoryJournal::new()), device::octets);
    let mut engine = Server::new(Config::new("c"), account).with_nonces(nonces);
    let mut echoed = device();
    let mut echo = Connection::open(echo());
    let mut echo_session = || {
        for _ in 0..GETS {
            engine.enqueue(device::NAME, get()).expect("room");
        }
        echoed.session(|request| {
            assert_eq!(echo.post("/", &request.body).body, request.body);
            device::respond(&mut engine, request, Now::default())
        })
    };

    // The first session is challenged, and makes room everywhere.
    for _ in 0..2 {
        for exchanges in [session(), echo_session()] {
            assert!((GETS..GETS + 5).contains(&exchanges), "{exchanges}");
        }
    }
    table.rounds(
        what,
        "axum echo of the same bodies",
        Target::Speed(0.5),
        || others(&mut session),
        || others(&mut echo_session),
    );
    assert!((1900..2300).contains(&typical), "{typical}");
    assert!(heard.load(Ordering::Relaxed) > GETS, "nobody hears of it");
}

/// Seconds of the processor that other threads take for each of some exchanges.
fn others(act: impl FnOnce() -> u32) -> f64 {
    let others = || now(ClockId::ProcessCPUTime) - now(ClockId::ThreadCPUTime);
    let before = others();
    let exchanges = act();
    (others() - before) / f64::from(exchanges)
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

/// A server with so many devices, each with a session in which a command awaits its Status; and the
/// bytes of the answers they were given.
pub fn sessions(count: usize) -> (Server, usize) {
    let proof = Proof::new(Scheme::Basic, "device", "secret");
    let mut config = Config::new("c");
    (config.max_sessions, config.max_devices) = (1 << 20, 1 << 20);
    let nonces = Nonces::new(Arc::new(crate::forest::Nowhere), device::octets);
    let account = Account::new(Some(proof.clone()), None);
    let mut server = Server::new(config, account).with_nonces(nonces);
    let mut opener = Opener::new(proof);
    let mut answers = 0;
    for number in 0..count {
        opener.ask(&mut server, number);
        let answer = opener.open(&mut server, number);
        assert!(has_get(&answer), "nothing asked");
        answers += answer.len();
    }
    (server, answers)
}

/// Opens the sessions of many devices, all of which say the same.
pub struct Opener {
    text: String,
    request: virmo::dm::client::Request,
}

impl Opener {
    pub fn new(proof: Proof) -> Self {
        let mut device = Device::new(Auth::given(Some(proof), None), 0);
        let request = device.open().expect("package 1");
        Self {
            text: String::from_utf8(request.body.clone()).expect("text"),
            request,
        }
    }

    /// Leaves a Get for a device.
    pub fn ask(&self, server: &mut Server, number: usize) {
        let get = SingleCommand::get("./DevDetail/OEM");
        let name = self.name(number);
        server.enqueue(&name, Box::new(get)).expect("room");
    }

    /// As long as the name of the one device that there is.
    fn name(&self, number: usize) -> String {
        format!("urn:e:{number:010}")
    }

    /// Has a device open its session; the answer.
    pub fn open(&mut self, server: &mut Server, number: usize) -> Vec<u8> {
        let name = self.name(number);
        self.request.body = self.text.replace(device::NAME, &name).into_bytes();
        device::respond(server, &self.request, Now::default()).body
    }
}

/// Whether an answer, which is XML, asks for something.
pub fn has_get(answer: &[u8]) -> bool {
    answer.windows(5).any(|octets| octets == b"<Get>")
}

fn idle(table: &mut Table) {
    let what = "server, bytes of an idle session";
    if !table.wants(what) {
        return;
    }
    const SESSIONS: usize = 1000;
    // What is made once is not counted.
    drop(sessions(1));
    let ((server, answers), held) = allocations::held(|| sessions(SESSIONS));
    let each = (held as usize).saturating_sub(answers) / SESSIONS;
    drop(server);
    table.count(what, 2048, each as u64);
}
