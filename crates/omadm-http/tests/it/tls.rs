//! Both ends over TLS: whom they trust, and that nothing falls back to plain HTTP.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    ops::ControlFlow,
    sync::{Arc, mpsc},
    time::Duration,
};

use omadm_download::{Cancel, Ending, Fetch, FetchErrorKind, FetchRequest, Receiver, ResponseHead};
use omadm_http::{
    ClientConfig, Encoding, FetchConfig, Files, Handler, HttpFetch, HttpTransport, Incoming,
    InvalidPem, Outgoing, Post, Server, ServerConfig, ServerTls, Tls, TransportErrorKind,
};
use tempfile::TempDir;

use crate::peer::{Deed, Peer, raw};

const AUTHORITY: &[u8] = include_bytes!("../certs/authority.pem");
const STRANGER: &[u8] = include_bytes!("../certs/stranger.pem");
const SERVER: (&[u8], &[u8]) = (
    include_bytes!("../certs/server.pem"),
    include_bytes!("../certs/server.key"),
);
const CLIENT: (&[u8], &[u8]) = (
    include_bytes!("../certs/client.pem"),
    include_bytes!("../certs/client.key"),
);
const STRANGE_CLIENT: (&[u8], &[u8]) = (
    include_bytes!("../certs/stranger-client.pem"),
    include_bytes!("../certs/stranger-client.key"),
);

struct Mirror;

impl Handler for Mirror {
    fn handle(&self, request: &Incoming) -> Outgoing {
        Outgoing::message(Encoding::Xml, request.body.clone())
    }
}

fn serve(tls: ServerTls, files: Option<Files>) -> Server {
    serve_patiently(Duration::from_secs(60), tls, files)
}

fn serve_patiently(head_timeout: Duration, tls: ServerTls, files: Option<Files>) -> Server {
    let mut config = ServerConfig::default();
    config.head_timeout = head_timeout;
    config.tls = Some(tls);
    config.files = files;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Server::start(listener, Arc::new(Mirror), config).unwrap()
}

fn open_server() -> Server {
    serve(ServerTls::new(SERVER.0, SERVER.1).unwrap(), None)
}

fn trusting(authority: &[u8]) -> Tls {
    Tls::default().with_authorities(authority).unwrap()
}

fn post(url: &str, tls: Tls) -> Result<Vec<u8>, TransportErrorKind> {
    let mut config = ClientConfig::default();
    config.tls = tls;
    let post = Post::new(url, Encoding::Xml, b"<SyncML/>");
    let reply = HttpTransport::new(config).post(&post, &Cancel::new());
    reply.map(|reply| reply.body).map_err(|error| error.kind())
}

#[test]
fn a_message_goes_to_a_server_that_is_trusted() {
    let server = open_server();
    let port = server.address().port();
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("https://{host}:{port}/");
        assert_eq!(post(&url, trusting(AUTHORITY)).unwrap(), b"<SyncML/>");
    }
}

#[test]
fn a_server_that_is_not_trusted_gets_nothing() {
    let server = open_server();
    let url = format!("https://{}/", server.address());
    for tls in [trusting(STRANGER), Tls::default()] {
        assert_eq!(post(&url, tls), Err(TransportErrorKind::Tls));
    }
    let plain = Peer::new([Deed::send("HTTP/1.1 200 OK\r\n\r\n")]);
    let url = format!("https://{}/", plain.address);
    drop(raw(server.address(), "POST / HTTP/1.1\r\n\r\n"));
    assert!(post(&url, trusting(AUTHORITY)).is_err());
    assert_eq!(plain.requests().len(), 0);
}

#[test]
fn a_server_may_ask_who_the_client_is() {
    let tls = ServerTls::with_client_authorities(SERVER.0, SERVER.1, AUTHORITY).unwrap();
    let server = serve(tls, None);
    let url = format!("https://{}/", server.address());
    let client = |(chain, key)| trusting(AUTHORITY).with_identity(chain, key).unwrap();
    assert_eq!(post(&url, client(CLIENT)).unwrap(), b"<SyncML/>");
    assert!(post(&url, client(STRANGE_CLIENT)).is_err());
    assert!(post(&url, trusting(AUTHORITY)).is_err());
}

#[derive(Default)]
struct Taker(Vec<u8>);

impl Receiver for Taker {
    fn head(&mut self, _: &ResponseHead) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn chunk(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        self.0.extend_from_slice(bytes);
        ControlFlow::Continue(())
    }
}

fn fetch(url: &str, tls: Tls) -> Result<Vec<u8>, FetchErrorKind> {
    let mut config = FetchConfig::default();
    config.tls = tls;
    let (uri, cancel) = (url.parse().unwrap(), Cancel::new());
    let request = FetchRequest::new(&uri, "a/b", &cancel);
    let mut taker = Taker::default();
    let ending = HttpFetch::new(config).fetch(&request, &mut taker);
    let ending = ending.map_err(|error| error.kind())?;
    assert_eq!(ending, Ending::Complete);
    Ok(taker.0)
}

#[test]
fn a_file_comes_from_a_server_that_is_trusted() {
    let directory = TempDir::new().unwrap();
    let image: Vec<u8> = (0..=255).cycle().take(1_000_000).collect();
    fs::write(directory.path().join("a.img"), &image).unwrap();
    let tls = ServerTls::new(SERVER.0, SERVER.1).unwrap();
    let server = serve(tls, Some(Files::new(directory.path())));
    let url = format!("https://{}/images/a.img", server.address());
    assert!(fetch(&url, trusting(AUTHORITY)).unwrap() == image);
    assert_eq!(fetch(&url, trusting(STRANGER)), Err(FetchErrorKind::Tls));

    // Up from http is allowed; down is tested beside the code.
    let away = format!("HTTP/1.1 302 X\r\nlocation: {url}\r\ncontent-length: 0\r\n\r\n");
    let peer = Peer::new([Deed::send(&away)]);
    assert!(fetch(&peer.url("/"), trusting(AUTHORITY)).unwrap() == image);
}

#[test]
fn a_handshake_that_does_not_come_ends_the_connection() {
    let tls = ServerTls::new(SERVER.0, SERVER.1).unwrap();
    let server = serve_patiently(Duration::from_millis(200), tls, None);
    assert_eq!(raw(server.address(), ""), "");
    assert_eq!(raw(server.address(), "\u{16}\u{3}\u{1}"), "");
}

#[test]
fn pem_is_checked_when_it_is_read() {
    assert_eq!(
        ServerTls::new(b"", SERVER.1).unwrap_err(),
        InvalidPem::NoCertificate
    );
    assert_eq!(
        ServerTls::new(SERVER.0, b"").unwrap_err(),
        InvalidPem::NoKey
    );
    assert_eq!(
        ServerTls::new(SERVER.0, CLIENT.1).unwrap_err(),
        InvalidPem::Unusable
    );
    let broken = b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    assert_eq!(
        ServerTls::new(broken, SERVER.1).unwrap_err(),
        InvalidPem::Syntax
    );
    assert_eq!(
        Tls::default().with_authorities(b"x").unwrap_err(),
        InvalidPem::NoCertificate
    );
    assert_eq!(
        Tls::default().with_authorities(broken).unwrap_err(),
        InvalidPem::Syntax
    );
    let identity = Tls::default().with_identity(CLIENT.0, CLIENT.0);
    assert_eq!(identity.unwrap_err(), InvalidPem::NoKey);
    let identity = Tls::default().with_identity(CLIENT.0, SERVER.1);
    assert_eq!(identity.unwrap_err(), InvalidPem::Unusable);
    let secret = trusting(AUTHORITY)
        .with_identity(CLIENT.0, CLIENT.1)
        .unwrap();
    assert_eq!(
        format!("{secret:?}"),
        "Tls { own_authorities: true, identity: true }"
    );
}

/// Hears of handshakes that failed.
struct Ear(mpsc::Sender<(SocketAddr, String)>);

impl Handler for Ear {
    fn handle(&self, _: &Incoming) -> Outgoing {
        Outgoing::status(500)
    }

    fn handshake_failed(&self, remote: SocketAddr, error: &io::Error) {
        self.0.send((remote, error.to_string())).unwrap();
    }
}

/// A client that shows nothing, one that does not trust the server, and one without TLS.
#[test]
fn a_handler_hears_of_handshakes_that_fail() {
    let mut config = ServerConfig::default();
    config.tls = Some(ServerTls::with_client_authorities(SERVER.0, SERVER.1, AUTHORITY).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (tell, told) = mpsc::channel();
    let server = Server::start(listener, Arc::new(Ear(tell)), config).unwrap();
    let url = format!("https://{}/", server.address());
    let heard = |why: &str| {
        let (remote, error) = told.recv().unwrap();
        assert!(remote.ip().is_loopback());
        assert!(error.contains(why), "{error}");
    };
    assert!(post(&url, trusting(AUTHORITY)).is_err());
    heard("peer sent no certificates");
    assert!(post(&url, trusting(STRANGER)).is_err());
    heard("handshake eof");
    drop(raw(server.address(), "POST / HTTP/1.1\r\n\r\n"));
    heard("corrupt message");
    let client = trusting(AUTHORITY)
        .with_identity(CLIENT.0, CLIENT.1)
        .unwrap();
    assert_eq!(post(&url, client), Err(TransportErrorKind::Status(500)));
    assert_eq!(told.try_recv().ok(), None);
}

/// Answers with the certificate of whoever asks.
struct WhoAreYou;

impl Handler for WhoAreYou {
    fn handle(&self, request: &Incoming) -> Outgoing {
        let certificate = request.certificate.clone().unwrap_or_default();
        Outgoing::message(Encoding::Xml, certificate)
    }
}

#[test]
fn a_handler_knows_the_certificate_of_the_client() {
    let asking = ServerTls::with_client_authorities(SERVER.0, SERVER.1, AUTHORITY).unwrap();
    let open = ServerTls::new(SERVER.0, SERVER.1).unwrap();
    let known = trusting(AUTHORITY)
        .with_identity(CLIENT.0, CLIENT.1)
        .unwrap();
    for (tls, client, expected) in [(asking, known.clone(), Some(CLIENT.0)), (open, known, None)] {
        let mut config = ServerConfig::default();
        config.tls = Some(tls);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server::start(listener, Arc::new(WhoAreYou), config).unwrap();
        let url = format!("https://localhost:{}/dm", server.address().port());
        let body = post(&url, client).unwrap();
        assert_eq!(body.is_empty(), expected.is_none());
        let lines = expected.map(|pem| String::from_utf8_lossy(pem).into_owned());
        let base64 = lines.iter().flat_map(|pem| pem.lines().skip(1));
        let base64: String = base64.take_while(|line| !line.starts_with('-')).collect();
        let padding = base64.bytes().filter(|octet| *octet == b'=').count();
        assert_eq!(body.len(), base64.len() / 4 * 3 - padding);
    }
}
