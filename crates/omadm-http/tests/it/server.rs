//! The server against clients that send too much, too little, too slowly or the wrong thing.

use std::{
    fs::File,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use omadm_http::{Encoding, Files, Handler, Incoming, Outgoing, Refused, Server, ServerConfig};
use omadm_syncml::encoding_of;
use tempfile::TempDir;

use crate::peer::{body, header, raw, status};

/// Echoes, refuses, panics, waits, or counts who is here, as the path says.
struct Clerk {
    crowd: AtomicUsize,
    entered: Sender<()>,
    release: Mutex<Receiver<()>>,
    /// What was refused, as `method target status`.
    refused: Sender<String>,
}

impl Handler for Clerk {
    fn serves(&self, path: &str) -> bool {
        assert_ne!(path, "/panic/serves");
        path != "/elsewhere"
    }

    fn accepts(&self, content_type: &str) -> bool {
        assert_ne!(content_type, "panic");
        encoding_of(content_type).is_some()
    }

    fn refused(&self, it: &Refused<'_>) {
        let Refused {
            method,
            target,
            status,
            ..
        } = it;
        // An error means that nobody asks.
        _ = self.refused.send(format!("{method} {target} {status}"));
        assert_ne!(*target, "/panic/refused");
    }

    fn is_quick(&self, request: &Incoming) -> bool {
        assert_ne!(request.target, "/panic/is-quick");
        request.target.starts_with("/quick")
    }

    fn handle(&self, request: &Incoming) -> Outgoing {
        match request.target.as_str() {
            "/panic" | "/quick/panic" => panic!("as asked"),
            "/thread" | "/quick/thread" => {
                let thread = thread::current().name().unwrap_or_default().to_owned();
                Outgoing::message(Encoding::Xml, thread)
            }
            "/unreadable" => Outgoing::status(400),
            "/nonsense" => Outgoing::status(12),
            "/wait" => {
                self.entered.send(()).unwrap();
                // An error means that the test is over.
                _ = self.release.lock().unwrap().recv();
                Outgoing::message(Encoding::Xml, "waited")
            }
            "/crowd" => {
                let crowd = self.crowd.fetch_add(1, Ordering::SeqCst) + 1;
                self.entered.send(()).unwrap();
                self.release.lock().unwrap().recv().unwrap();
                self.crowd.fetch_sub(1, Ordering::SeqCst);
                Outgoing::message(Encoding::Xml, crowd.to_string())
            }
            _ => Outgoing::message(request.encoding().unwrap(), request.body.clone()),
        }
    }
}

struct Bench {
    server: Server,
    entered: Receiver<()>,
    release: Sender<()>,
    refused: Receiver<String>,
}

fn bench(change: impl FnOnce(&mut ServerConfig)) -> Bench {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    bench_on(listener, change)
}

fn bench_on(listener: TcpListener, change: impl FnOnce(&mut ServerConfig)) -> Bench {
    let ((entered, has_entered), (release, released)) = (mpsc::channel(), mpsc::channel());
    let (refused, was_refused) = mpsc::channel();
    let clerk = Clerk {
        crowd: AtomicUsize::new(0),
        refused,
        entered,
        release: Mutex::new(released),
    };
    let mut config = ServerConfig::default();
    config.max_body_bytes = 10;
    change(&mut config);
    Bench {
        server: Server::start(listener, Arc::new(clerk), config).unwrap(),
        entered: has_entered,
        refused: was_refused,
        release,
    }
}

const XML: &str = "host: x\r\ncontent-type: application/vnd.syncml.dm+xml\r\n";

fn post(address: SocketAddr, path: &str, message: &str) -> String {
    let length = message.len();
    raw(
        address,
        &format!(
            "POST {path} HTTP/1.1\r\n{XML}connection: close\r\ncontent-length: {length}\r\n\r\n{message}"
        ),
    )
}

#[test]
fn an_answer_is_not_for_caches() {
    let bench = bench(|_| {});
    let answer = post(bench.server.address(), "/", "<SyncML/>");
    assert_eq!((status(&answer), body(&answer)), (200, "<SyncML/>"));
    assert_eq!(
        header(&answer, "content-type"),
        Some("application/vnd.syncml.dm+xml")
    );
    assert_eq!(header(&answer, "cache-control"), Some("no-store, private"));
    assert_eq!(header(&answer, "content-length"), Some("9"));
}

/// Bad input: HTTP 400 for a body it cannot read, 415 for a type it does not speak, and it lives on.
#[test]
fn bad_requests_are_told_apart_and_survived() {
    let bench = bench(|_| {});
    let address = bench.server.address();
    let head = |head: &str| {
        status(&raw(
            address,
            &format!("{head}\r\nconnection: close\r\n\r\n"),
        ))
    };
    assert_eq!(head("GET / HTTP/1.1\r\nhost: x"), 405);
    assert_eq!(head("PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 0"), 405);
    assert_eq!(head("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0"), 415);
    let html = "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: text/html\r\ncontent-length: 0";
    assert_eq!(head(html), 415);
    assert_eq!(head("nonsense"), 400);
    assert_eq!(status(&post(address, "/unreadable", "x")), 400);
    assert_eq!(status(&post(address, "/panic", "x")), 500);
    assert_eq!(status(&post(address, "/nonsense", "x")), 500);
    assert_eq!(status(&post(address, "/", "x")), 200);
    let answer = post(address, "/elsewhere?a=b", "x");
    assert_eq!((status(&answer), body(&answer)), (404, "404 Not Found\n"));
    assert_eq!(header(&answer, "content-type"), Some("text/plain"));
    // What is no HTTP reaches nobody.
    let refused: Vec<_> = bench.refused.try_iter().collect();
    let expected = [
        "GET / 405",
        "PUT / 405",
        "POST / 415",
        "POST / 415",
        "POST /unreadable 400",
        "POST /panic 500",
        "POST /nonsense 500",
        "POST /elsewhere?a=b 404",
    ];
    assert_eq!(refused, expected);
}

/// Whatever the handler panics at, the connection goes on.
#[test]
fn a_handler_that_panics_answers_500_or_what_it_was_told_of() {
    let bench = bench(|_| {});
    let dm = "application/vnd.syncml.dm+xml";
    for (path, content_type, expected) in [
        ("/panic", dm, 500),
        ("/quick/panic", dm, 500),
        ("/panic/is-quick", dm, 500),
        ("/panic/serves", dm, 500),
        ("/", "panic", 500),
        ("/panic/refused", "text/plain", 415),
    ] {
        let empty = |path: &str, content_type: &str, more: &str| {
            let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}");
            format!("{head}\r\n{more}content-length: 0\r\n\r\n")
        };
        let panics = empty(path, content_type, "");
        let both = panics + &empty("/", dm, "connection: close\r\n");
        let answers = raw(bench.server.address(), &both);
        let second = answers.rfind("HTTP/1.1 ").unwrap();
        let statuses = (status(&answers), status(&answers[second..]));
        assert_eq!(
            statuses,
            (expected, 200),
            "{path} {content_type}: {answers}"
        );
    }
}

#[test]
fn a_body_may_have_the_greatest_length_and_no_more() {
    let bench = bench(|_| {});
    let address = bench.server.address();
    assert_eq!(status(&post(address, "/", "0123456789")), 200);
    assert_eq!(status(&post(address, "/", "0123456789a")), 413);
    let chunked = |chunks: &str| {
        let head =
            format!("POST / HTTP/1.1\r\n{XML}transfer-encoding: chunked\r\nconnection: close");
        raw(address, &format!("{head}\r\n\r\n{chunks}0\r\n\r\n"))
    };
    let fits = chunked("5\r\n01234\r\n5\r\n56789\r\n");
    assert_eq!((status(&fits), body(&fits)), (200, "0123456789"));
    assert_eq!(status(&chunked("5\r\n01234\r\n6\r\n56789a\r\n")), 413);
}

/// A length that is a promise only: it is refused before a byte of it has come.
#[test]
fn an_endless_body_is_refused_at_once() {
    let bench = bench(|_| {});
    let head = format!("POST / HTTP/1.1\r\n{XML}content-length: 99999999999\r\n\r\n");
    assert_eq!(status(&raw(bench.server.address(), &head)), 413);
}

#[test]
fn a_head_that_does_not_end_ends_the_connection() {
    let bench = bench(|config| config.head_timeout = Duration::from_millis(50));
    for start in ["", "POST / HT", "POST / HTTP/1.1\r\nhost: x\r\n"] {
        let answer = raw(bench.server.address(), start);
        assert!(answer.is_empty() || status(&answer) == 408, "{answer}");
    }
}

/// The time for a head is none for the answer before it.
#[test]
fn an_answer_may_be_taken_slowly() {
    // More than the system has room for.
    const LEN: usize = 32 << 20;
    let bench = bench(|config| {
        config.head_timeout = Duration::from_millis(50);
        config.max_body_bytes = LEN;
    });
    let mut stream = TcpStream::connect(bench.server.address()).unwrap();
    let head = format!("POST / HTTP/1.1\r\n{XML}content-length: {LEN}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b'x'; LEN]).unwrap();
    thread::sleep(Duration::from_millis(500));
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!((status(&answer), body(&answer).len()), (200, LEN));
}

#[test]
fn a_head_that_is_too_long_is_refused() {
    let bench = bench(|config| config.head_timeout = Duration::from_secs(3600));
    let endless = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(40_000));
    assert_eq!(status(&raw(bench.server.address(), &endless)), 431);
}

#[test]
fn a_body_that_does_not_come_is_a_time_out() {
    let bench = bench(|config| config.body_timeout = Duration::from_millis(50));
    for message in [
        "content-length: 5\r\n\r\nab",
        "transfer-encoding: chunked\r\n\r\n5\r\nab",
    ] {
        let request = format!("POST / HTTP/1.1\r\n{XML}{message}");
        assert_eq!(status(&raw(bench.server.address(), &request)), 408);
    }
}

#[test]
fn bodies_that_do_not_come_give_way_when_connections_run_out() {
    let bench = bench(|config| {
        config.max_connections = 4;
        config.body_timeout = Duration::from_secs(3600);
        config.crowded_body_timeout = Duration::from_millis(50);
    });
    let begin = || {
        let mut stream = TcpStream::connect(bench.server.address()).unwrap();
        write!(
            stream,
            "POST / HTTP/1.1\r\n{XML}content-length: 9\r\n\r\nabc"
        )
        .unwrap();
        stream
    };
    // Slow, and nobody minds.
    let mut slow = begin();
    thread::sleep(Duration::from_millis(200));
    assert_eq!(status(&post(bench.server.address(), "/", "x")), 200);
    slow.write_all(b"defghi").unwrap();
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    drop(slow);

    let crowd: Vec<TcpStream> = (0..20).map(|_| begin()).collect();
    assert_eq!(status(&post(bench.server.address(), "/", "x")), 200);
    // One whose head is not read yet may have to leave without a word.
    let told = |mut stream: &TcpStream| {
        let mut answer = [0; 12];
        let read = stream.read_exact(&mut answer);
        read.is_ok() && &answer == b"HTTP/1.1 408"
    };
    assert!(crowd.iter().any(told));
}

/// Slow-loris: connections without a head, or with half of one, and all the time of the world. They
/// give way, but not the one with a request under way.
#[test]
fn connections_that_send_no_head_give_way_when_connections_run_out() {
    let Bench {
        server,
        entered,
        release,
        ..
    } = bench(|config| {
        // Half of them is the share.
        config.max_connections = 4;
        config.head_timeout = Duration::from_secs(3600);
    });
    let address = server.address();
    let request = thread::spawn(move || post(address, "/wait", "x"));
    entered.recv().unwrap();
    let crowd: Vec<TcpStream> = (0..20)
        .map(|n| {
            let mut stream = TcpStream::connect(address).unwrap();
            let head = ["", "POST / HT", "POST / HTTP/1.1\r\nhost: x\r\n"][n % 3];
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    for _ in 0..3 {
        assert_eq!(status(&post(address, "/", "x")), 200);
    }
    let mut first = crowd.first().unwrap();
    let end = first.read(&mut [0]);
    assert!(!matches!(end, Ok(1..)), "{end:?}");
    release.send(()).unwrap();
    assert_eq!(body(&request.join().unwrap()), "waited");
}

/// The one slot for connections is taken by a client that asks for a large file and reads none of
/// it; it is free again when the server has lost its patience.
#[test]
fn a_client_that_takes_nothing_loses_its_connection() {
    let directory = TempDir::new().unwrap();
    let image = File::create(directory.path().join("a.img")).unwrap();
    image.set_len(1 << 30).unwrap();
    let bench = bench(|config| {
        config.files = Some(Files::new(directory.path()));
        config.stall_timeout = Duration::from_millis(50);
        config.max_connections = 1;
    });
    let mut idler = TcpStream::connect(bench.server.address()).unwrap();
    idler
        .write_all(b"GET /images/a.img HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    idler.read_exact(&mut [0; 12]).unwrap();
    assert_eq!(status(&post(bench.server.address(), "/", "x")), 200);
}

#[test]
fn connections_beyond_the_limit_wait_for_their_turn() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // All are there with their requests before the first is looked at: whoever has sent none may
    // have to leave.
    let mut clients: Vec<_> = (0..10)
        .map(|_| {
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let head = "POST /crowd HTTP/1.1\r\nconnection: close\r\ncontent-length: 0\r\n";
            write!(client, "{head}{XML}\r\n").unwrap();
            client
        })
        .collect();
    let bench = bench_on(listener, |config| config.max_connections = 2);
    for _ in 0..2 {
        bench.entered.recv().unwrap();
    }
    for _ in &clients {
        bench.release.send(()).unwrap();
    }
    let crowds = clients.iter_mut().map(|client| {
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        body(&answer).parse::<usize>().unwrap()
    });
    assert_eq!(crowds.max(), Some(2));
}

#[test]
fn a_request_under_way_is_finished_when_the_server_stops() {
    let Bench {
        server,
        entered,
        release,
        ..
    } = bench(|config| config.grace = Duration::from_secs(3600));
    let address = server.address();
    let request = thread::spawn(move || post(address, "/wait", "x"));
    let idle = TcpStream::connect(address).unwrap();
    entered.recv().unwrap();
    let stop = thread::spawn(move || server.stop());
    while TcpStream::connect(address).is_ok() {
        thread::yield_now();
    }
    release.send(()).unwrap();
    assert_eq!(body(&request.join().unwrap()), "waited");
    stop.join().unwrap();
    drop(idle);
}

/// All places of the pool are taken meanwhile.
#[test]
fn a_quick_answer_waits_for_no_other() {
    let Bench {
        server,
        entered,
        release,
        ..
    } = bench(|config| config.workers = 1);
    let address = server.address();
    let thread_of = |path| body(&post(address, path, "")).to_owned();
    assert_eq!(thread_of("/thread"), "omadm-http-worker");
    let waiting = thread::spawn(move || post(address, "/wait", ""));
    entered.recv().unwrap();
    assert_eq!(thread_of("/quick/thread"), "omadm-http");
    assert_eq!(status(&post(address, "/quick/panic", "")), 500);
    assert_eq!(thread_of("/quick/thread"), "omadm-http");
    release.send(()).unwrap();
    assert_eq!(body(&waiting.join().unwrap()), "waited");
    server.stop();
}

#[test]
fn a_handler_that_never_returns_does_not_keep_the_server() {
    let Bench {
        server,
        entered,
        release,
        ..
    } = bench(|config| {
        config.grace = Duration::from_millis(50);
    });
    let address = server.address();
    let request = thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!("POST /wait HTTP/1.1\r\n{XML}content-length: 0\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        // The end may come as an error.
        drop(stream.read_to_end(&mut Vec::new()));
    });
    entered.recv().unwrap();
    server.stop();
    request.join().unwrap();
    drop(release);
}

/// Drops its server, and answers.
struct Last(Mutex<Option<Server>>);

impl Handler for Last {
    fn is_quick(&self, _: &Incoming) -> bool {
        true
    }

    fn handle(&self, _: &Incoming) -> Outgoing {
        drop(self.0.lock().unwrap().take());
        Outgoing::message(Encoding::Xml, "the last")
    }
}

#[test]
fn a_quick_handler_that_drops_its_server_answers_still() {
    let last = Arc::new(Last(Mutex::default()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let handler = Arc::clone(&last);
    let server = Server::start(listener, handler, ServerConfig::default()).unwrap();
    let address = server.address();
    *last.0.lock().unwrap() = Some(server);
    assert_eq!(body(&post(address, "/", "")), "the last");
    while TcpStream::connect(address).is_ok() {
        thread::yield_now();
    }
}
