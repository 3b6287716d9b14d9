//! Notifications from our client to our listener, and what the listener does not take.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    time::Duration,
};

use omadm_download::Cancel;
use omadm_http::{
    ClientConfig, HttpTransport, Notifications, Server, ServerConfig, TransportErrorKind,
};

use crate::peer::{NOBODY, raw, status};

struct Bench {
    server: Server,
    taken: Receiver<Vec<u8>>,
    refused: Receiver<(String, u16)>,
}

fn bench(config: ServerConfig) -> Bench {
    let ((take, taken), (refuse, refused)) = (mpsc::channel(), mpsc::channel());
    let notifications = Notifications::new(move |octets| take.send(octets).unwrap())
        .refusals(move |it| refuse.send((it.target.to_owned(), it.status)).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Bench {
        server: Server::start(listener, Arc::new(notifications), config).unwrap(),
        taken,
        refused,
    }
}

#[test]
fn a_notification_arrives_as_it_was_sent() {
    let bench = bench(ServerConfig::for_notifications());
    let url = Notifications::url(bench.server.address());
    let transport = HttpTransport::new(ClientConfig::default());
    for octets in [b"\0octets\xFF".to_vec(), Vec::new(), vec![7; 4096]] {
        transport.notify(&url, &octets, &Cancel::new()).unwrap();
        assert_eq!(bench.taken.recv().unwrap(), octets);
    }
    assert!(bench.refused.try_recv().is_err());
}

#[test]
fn whoever_does_not_take_it_says_so() {
    let bench = bench(ServerConfig::for_notifications());
    let transport = HttpTransport::new(ClientConfig::default());
    let kind = |url: &str, octets: &[u8]| {
        let sent = transport.notify(url, octets, &Cancel::new());
        sent.unwrap_err().kind()
    };
    let url = Notifications::url(bench.server.address());
    let elsewhere = url.replace("/notify", "/elsewhere");
    assert_eq!(kind(&elsewhere, b"x"), TransportErrorKind::Status(404));
    let nobody = Notifications::url(NOBODY.parse().unwrap());
    assert_eq!(kind(&nobody, b"x"), TransportErrorKind::Refused);
    assert_eq!(kind("ftp://host/notify", b"x"), TransportErrorKind::Request);
    let cancel = Cancel::new();
    cancel.cancel();
    let cancelled = transport.notify(&url, b"x", &cancel).unwrap_err();
    assert_eq!(cancelled.kind(), TransportErrorKind::Cancelled);
    assert_eq!(
        bench.refused.recv().unwrap(),
        ("/elsewhere".to_owned(), 404)
    );
    assert!(bench.taken.try_recv().is_err());
}

#[test]
fn what_is_no_notification_is_refused_and_told() {
    let bench = bench(ServerConfig::for_notifications());
    let address = bench.server.address();
    let mime = "content-type: application/vnd.syncml.notification";
    let close = "host: x\r\nconnection: close";
    for (head, code) in [
        (format!("GET /notify HTTP/1.1\r\n{close}"), 405),
        (
            format!("POST / HTTP/1.1\r\n{close}\r\n{mime}\r\ncontent-length: 0"),
            404,
        ),
        (
            format!("POST /notify HTTP/1.1\r\n{close}\r\ncontent-length: 0"),
            415,
        ),
        (
            format!("POST /notify HTTP/1.1\r\n{close}\r\n{mime}s\r\ncontent-length: 0"),
            415,
        ),
        (
            format!("POST /notify HTTP/1.1\r\n{close}\r\n{mime}\r\ncontent-length: 4097"),
            413,
        ),
    ] {
        let answer = raw(address, &format!("{head}\r\n\r\n"));
        assert_eq!(status(&answer), code, "{head}");
        assert_eq!(bench.refused.recv().unwrap().1, code);
    }
    let head = format!("POST /notify HTTP/1.1\r\n{close}\r\n{mime}; a=b\r\ncontent-length: 1");
    assert_eq!(status(&raw(address, &format!("{head}\r\n\r\nx"))), 202);
    assert_eq!(bench.taken.recv().unwrap(), b"x");
}

#[test]
fn a_body_that_dawdles_is_refused() {
    let mut config = ServerConfig::for_notifications();
    config.body_timeout = Duration::from_millis(50);
    let bench = bench(config);
    let mut stream = TcpStream::connect(bench.server.address()).unwrap();
    let head = "POST /notify HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 9\r\n\
                content-type: application/vnd.syncml.notification\r\n\r\nxy";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(status(&answer), 408);
    assert_eq!(bench.refused.recv().unwrap().1, 408);
    assert!(bench.taken.try_recv().is_err());
}
