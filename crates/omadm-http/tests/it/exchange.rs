//! The client: what it sends, what it takes back, how long it waits. [DM-HTTP]

use std::{
    io::Write,
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use omadm_download::Cancel;
use omadm_http::{
    ClientConfig, Encoding, Handler, HttpTransport, Incoming, Outgoing, Post, Reply, Server,
    ServerConfig, TransportError, TransportErrorKind,
};

use crate::peer::{Deed, NOBODY, Peer, header, raw};

const XML: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.syncml.dm+xml\r\n";

fn ok(body: &str) -> Deed {
    Deed::Send(format!("{XML}content-length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

fn transport(change: impl FnOnce(&mut ClientConfig)) -> HttpTransport {
    let mut config = ClientConfig::default();
    change(&mut config);
    HttpTransport::new(config)
}

fn post(transport: &HttpTransport, url: &str) -> Result<Reply, TransportError> {
    let post = Post::new(url, Encoding::Xml, b"<SyncML/>");
    transport.post(&post, &Cancel::new())
}

/// The kind of failure when the only answer is this one, and the number of requests.
fn failure(deed: Deed, change: impl FnOnce(&mut ClientConfig)) -> (TransportErrorKind, usize) {
    let peer = Peer::new([deed]);
    let result = post(&transport(change), &peer.url("/"));
    (result.unwrap_err().kind(), peer.requests().len())
}

#[test]
fn a_request_has_the_headers_of_the_binding() {
    let peer = Peer::new([ok("<SyncML></SyncML>")]);
    let url = peer.url("/dm?session=7");
    let mut post = Post::new(&url, Encoding::Xml, b"<SyncML/>");
    post.hmac = Some("algorithm=MD5, username=\"u\", mac=AAAA");
    let reply = transport(|_| {}).post(&post, &Cancel::new()).unwrap();
    assert_eq!(reply.body, b"<SyncML></SyncML>");
    assert_eq!((reply.encoding, reply.hmac), (Encoding::Xml, None));

    let requests = peer.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<&str> = head.lines().collect();
    assert_eq!(lines.remove(0), "POST /dm?session=7 HTTP/1.1");
    lines.sort_unstable();
    let expected = [
        "accept-charset: UTF-8",
        "accept-encoding: identity",
        "accept: application/vnd.syncml.dm+xml",
        "cache-control: no-store, private",
        "content-length: 9",
        "content-type: application/vnd.syncml.dm+xml",
        &format!("host: {}", peer.address),
        &format!("user-agent: omadm-http/{}", env!("CARGO_PKG_VERSION")),
        "x-syncml-hmac: algorithm=MD5, username=\"u\", mac=AAAA",
    ];
    assert_eq!(lines, expected);
    assert_eq!(body, "<SyncML/>");
}

/// Answers with what it got, and notes who asked.
#[derive(Default)]
struct Mirror {
    seen: Mutex<Vec<Incoming>>,
}

impl Handler for Mirror {
    fn handle(&self, request: &Incoming) -> Outgoing {
        self.seen.lock().unwrap().push(request.clone());
        let mut answer = Outgoing::message(request.encoding().unwrap(), request.body.clone());
        answer.hmac.clone_from(&request.hmac);
        answer
    }
}

#[test]
fn messages_go_there_and_back_in_both_encodings_on_one_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mirror = Arc::new(Mirror::default());
    let handler: Arc<dyn Handler> = mirror.clone();
    let server = Server::start(listener, handler, ServerConfig::default()).unwrap();
    let url = format!("http://{}/dm?x=%20y", server.address());
    let transport = transport(|_| {});
    for (encoding, body) in [
        (Encoding::Xml, b"<SyncML/>".to_vec()),
        (Encoding::Wbxml, (0..=255).cycle().take(200_000).collect()),
    ] {
        let mut post = Post::new(&url, encoding, &body);
        post.hmac = Some("mac");
        let reply = transport.post(&post, &Cancel::new()).unwrap();
        assert_eq!(
            (reply.encoding, reply.hmac.as_deref()),
            (encoding, Some("mac"))
        );
        assert_eq!(reply.body, body);
    }
    let seen = mirror.seen.lock().unwrap();
    assert_eq!(seen[0].target, "/dm?x=%20y");
    assert_eq!(seen[0].content_type, "application/vnd.syncml.dm+xml");
    assert_eq!(seen[0].remote, seen[1].remote);
}

#[test]
fn an_answer_may_come_in_chunks() {
    let chunked =
        format!("{XML}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    let peer = Peer::new([Deed::send(&chunked)]);
    let reply = post(&transport(|_| {}), &peer.url("/")).unwrap();
    assert_eq!(reply.body, b"abcde");
}

#[test]
fn lines_of_the_mac_header_are_one_list() {
    let lines = "x-syncml-hmac: username=\"u\"\r\nX-Syncml-Hmac: mac=AAAA\r\n";
    let peer = Peer::new([Deed::send(&format!(
        "{XML}{lines}content-length: 0\r\n\r\n"
    ))]);
    let reply = post(&transport(|_| {}), &peer.url("/")).unwrap();
    let list = Some("username=\"u\", mac=AAAA");
    assert_eq!(reply.hmac.as_deref(), list);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mirror = Arc::new(Mirror::default());
    let server = Server::start(listener, mirror, ServerConfig::default()).unwrap();
    let kind = "content-type: application/vnd.syncml.dm+xml\r\nconnection: close";
    let request =
        format!("POST / HTTP/1.1\r\nhost: x\r\n{lines}{kind}\r\ncontent-length: 0\r\n\r\n");
    let answer = raw(server.address(), &request);
    assert_eq!(header(&answer, "x-syncml-hmac"), list);
}

#[test]
fn a_broken_transport_is_worth_a_retry() {
    let cut = format!("{XML}content-length: 50\r\n\r\n<Syn");
    for deed in ["", "HTTP/1.1 200", &cut] {
        let (kind, requests) = failure(Deed::send(deed), |_| {});
        assert_eq!((kind, requests), (TransportErrorKind::Interrupted, 1));
        assert!(kind.is_transient());
    }
    let kind = post(&transport(|_| {}), &format!("http://{NOBODY}/"))
        .unwrap_err()
        .kind();
    assert_eq!(kind, TransportErrorKind::Refused);
    assert!(kind.is_transient() && kind.is_unsent());
}

#[test]
fn an_answer_of_any_status_is_an_answer() {
    for status in [204, 302, 400, 401, 404, 415, 500, 503] {
        let answer = format!("HTTP/1.1 {status} X\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n");
        let (kind, requests) = failure(Deed::send(&answer), |_| {});
        assert_eq!((kind, requests), (TransportErrorKind::Status(status), 1));
    }
}

#[test]
fn short_media_types_are_taken_if_asked_for() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.syncml+wbxml\r\n\
                  content-length: 1\r\n\r\nx";
    let (kind, _) = failure(Deed::send(answer), |_| {});
    assert_eq!(kind, TransportErrorKind::ContentType);
    let peer = Peer::new([Deed::send(answer)]);
    let tolerant = transport(|config| config.allow_short_media_types = true);
    let reply = post(&tolerant, &peer.url("/")).unwrap();
    assert_eq!(reply.encoding, Encoding::Wbxml);
}

#[test]
fn what_is_no_message_is_not_taken() {
    let answer = |headers: &str| {
        let answer = format!("HTTP/1.1 200 OK\r\n{headers}content-length: 1\r\n\r\nx");
        failure(Deed::send(&answer), |_| {})
    };
    let no_message = (TransportErrorKind::ContentType, 1);
    assert_eq!(answer(""), no_message);
    assert_eq!(answer("content-type: text/html\r\n"), no_message);
    let coded = "content-type: application/vnd.syncml.dm+xml\r\ncontent-encoding: gzip\r\n";
    assert_eq!(answer(coded), (TransportErrorKind::Protocol, 1));
    let garbage = failure(Deed::send("SSH-2.0-OpenSSH_9.9\r\n\r\n"), |_| {});
    assert_eq!(garbage, (TransportErrorKind::Protocol, 1));
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    assert_eq!(
        failure(Deed::send(&endless), |_| {}),
        (TransportErrorKind::Protocol, 1)
    );
}

#[test]
fn an_answer_may_have_the_greatest_length_and_no_more() {
    let chunked = format!("{XML}transfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n");
    for deed in [
        ok("abcde"),
        Deed::send(&chunked),
        Deed::send(&format!("{XML}\r\nabcde")),
    ] {
        let peer = Peer::new([deed.clone()]);
        let fits = transport(|config| config.max_reply_bytes = 5);
        let reply = post(&fits, &peer.url("/")).unwrap();
        assert_eq!(reply.body, b"abcde");
        let (kind, _) = failure(deed, |config| config.max_reply_bytes = 4);
        assert_eq!(kind, TransportErrorKind::TooLarge(4));
    }
}

/// A peer that says nothing, or stops in the middle, costs the time-out and no more.
#[test]
fn silence_ends_at_the_time_out() {
    let cut = format!("{XML}content-length: 50\r\n\r\n<Syn");
    for deed in [Deed::hold(""), Deed::hold("HTTP/1.1 2"), Deed::hold(&cut)] {
        let (kind, requests) = failure(deed, |config| {
            config.timeout = Duration::from_millis(50);
        });
        assert_eq!(kind, TransportErrorKind::TimedOut);
        // On a busy machine the time is over before the peer has heard anything.
        assert!(requests <= 1, "{requests}");
    }
}

/// A server that drips is within the time-out with each byte, and one that never ends sends all it
/// is asked for: neither holds the client.
#[test]
fn an_answer_without_end_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for (index, stream) in listener.incoming().flatten().enumerate() {
            let mut stream = stream;
            let (pause, piece) = match index % 2 {
                0 => (Duration::from_millis(10), vec![b' '; 1]),
                _ => (Duration::ZERO, vec![b' '; 1 << 16]),
            };
            let head = format!("{XML}content-length: 99999999999\r\n\r\n");
            let mut sent = stream.write_all(head.as_bytes());
            while sent.is_ok() {
                thread::sleep(pause);
                sent = stream.write_all(&piece);
            }
        }
    });
    let patience = |time| {
        let transport = transport(|config| config.timeout = time);
        post(&transport, &url).unwrap_err().kind()
    };
    assert_eq!(
        patience(Duration::from_millis(300)),
        TransportErrorKind::TimedOut
    );
    let endless = patience(Duration::from_secs(3600));
    assert_eq!(endless, TransportErrorKind::TooLarge(1 << 20));
}

/// The time-out is an hour: the test ends because the exchange is cut short.
#[test]
fn cancelling_ends_a_silence_and_not_the_transport() {
    let peer = Peer::new([Deed::hold("HTTP/1.1 2"), ok("<SyncML/>")]);
    let transport = transport(|config| config.timeout = Duration::from_secs(3600));
    let url = peer.url("/");
    let post = Post::new(&url, Encoding::Xml, b"<SyncML/>");
    let cancel = Cancel::new();
    let error = thread::scope(|scope| {
        let exchange = scope.spawn(|| transport.post(&post, &cancel));
        peer.wait_for_request();
        cancel.cancel();
        exchange.join().unwrap().unwrap_err()
    });
    assert_eq!(error.kind(), TransportErrorKind::Cancelled);
    let error = transport.post(&post, &cancel).unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Cancelled);
    assert_eq!(
        transport.post(&post, &Cancel::new()).unwrap().body,
        b"<SyncML/>"
    );
}

#[test]
fn a_request_that_cannot_be_made_is_told() {
    let kind = |url: &str, hmac| {
        let mut post = Post::new(url, Encoding::Xml, b"");
        post.hmac = hmac;
        let result = transport(|_| {}).post(&post, &Cancel::new());
        result.unwrap_err().kind()
    };
    for url in ["", "dm.example", "ftp://h/", "http://u:p@127.0.0.1:1/"] {
        assert_eq!(kind(url, None), TransportErrorKind::Request, "{url}");
    }
    assert_eq!(
        kind("http://127.0.0.1:1/", Some("a\r\nb: c")),
        TransportErrorKind::Request
    );
}

#[cfg(not(feature = "tls"))]
#[test]
fn https_needs_the_feature() {
    let peer = Peer::new([ok("")]);
    let url = format!("https://{}/", peer.address);
    let error = post(&transport(|_| {}), &url).unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Tls);
}
