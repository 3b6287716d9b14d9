//! A whole download over HTTP: cut, resumed, restarted, changed, refused.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use omadm_core::{Journal, MemoryJournal};
use omadm_download::{
    Cancel, Download, DownloadError, DownloadKey, Environment, FetchErrorKind, MemorySink, Policy,
    Sink,
};
use omadm_http::{Files, HttpFetch};
use tempfile::TempDir;

use crate::{
    files::serve,
    peer::{Deed, Peer, Steps, header},
};

const TYPE: &str = "application/octet-stream";

fn image(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 7 + n / 251) as u8).collect()
}

fn key() -> DownloadKey {
    "a".parse().unwrap()
}

#[derive(Default)]
struct Bench {
    journal: MemoryJournal,
    sink: MemorySink,
    clock: Steps,
    policy: Policy,
}

impl Bench {
    fn run(&self, uri: &str) -> Result<Vec<u8>, DownloadError> {
        let environment = Environment {
            fetch: &HttpFetch::default(),
            sink: &self.sink,
            journal: &self.journal,
            clock: &self.clock,
            policy: &self.policy,
            cancel: &Cancel::new(),
        };
        let uri = uri.parse().unwrap();
        let journal: &dyn Journal = &self.journal;
        let mut download = Download::prepare(journal, &key(), &uri, TYPE)?;
        download.run(&environment, &mut |_| {})?;
        Ok(self.sink.contents(&key()).unwrap())
    }
}

/// An image server that keeps the rules of ranges and breaks every connection after so many bytes.
struct Flaky {
    peer: Peer,
    /// Body bytes sent.
    served: Arc<Mutex<usize>>,
}

impl Flaky {
    fn new(image: Vec<u8>, after: usize) -> Self {
        let served = Arc::new(Mutex::new(0));
        let counter = Arc::clone(&served);
        let peer = Peer::with(move |request| {
            let first: usize = header(request, "range").map_or(0, |range| {
                assert_eq!(header(request, "if-range"), Some("\"v1\""));
                range
                    .trim_start_matches("bytes=")
                    .trim_end_matches('-')
                    .parse()
                    .unwrap()
            });
            let total = image.len();
            let (status, last) = (if first == 0 { 200 } else { 206 }, total - 1);
            let mut answer = format!(
                "HTTP/1.1 {status} X\r\netag: \"v1\"\r\ncontent-type: {TYPE}\r\n\
                 content-range: bytes {first}-{last}/{total}\r\ncontent-length: {}\r\n\r\n",
                total - first
            )
            .into_bytes();
            let piece = &image[first..total.min(first + after)];
            *counter.lock().unwrap() += piece.len();
            answer.extend(piece);
            Deed::Send(answer)
        });
        Self { peer, served }
    }
}

/// VR-181, VR-182: every byte is served once, however often the line breaks.
#[test]
fn a_line_that_breaks_costs_no_byte_twice() {
    let image = image(1_000_000);
    let server = Flaky::new(image.clone(), 300_000);
    let bench = Bench::default();
    assert_eq!(bench.run(&server.peer.url("/a.img")).unwrap(), image);
    assert_eq!(*server.served.lock().unwrap(), image.len());
    assert_eq!(server.peer.requests().len(), 4);
    assert_eq!(bench.clock.waits(), [2, 4, 8]);
}

/// The second run knows nothing of the first but its journal and its sink.
#[test]
fn a_restart_goes_on_where_the_record_says() {
    let image = image(1_000_000);
    let server = Flaky::new(image.clone(), 600_000);
    let mut bench = Bench::default();
    bench.policy.retry.retries = 0;
    bench.policy.checkpoint_bytes = 100_000;
    let uri = server.peer.url("/a.img");
    bench.run(&uri).unwrap_err();
    // What came after the last checkpoint is not to be trusted.
    bench.sink.write_at(&key(), 600_000, b"nonsense").unwrap();
    assert_eq!(bench.run(&uri).unwrap(), image);
    assert_eq!(*server.served.lock().unwrap(), image.len());
}

#[test]
fn our_own_server_and_a_changing_file() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.img");
    fs::write(&path, image(500_000)).unwrap();
    let server = serve(Files::new(directory.path()));
    let uri = format!("http://{}/images/a.img", server.address());
    let mut bench = Bench::default();
    bench.policy.max_bytes = 600_000;
    bench.policy.checkpoint_bytes = 100_000;
    assert_eq!(bench.run(&uri).unwrap(), image(500_000));

    fs::write(&path, image(700_000)).unwrap();
    bench.journal = MemoryJournal::new();
    assert!(matches!(
        bench.run(&uri),
        Err(DownloadError::TooLarge { .. })
    ));
    bench.policy.max_bytes = 700_000;
    assert_eq!(bench.run(&uri).unwrap(), image(700_000));
}

#[test]
fn an_interrupted_download_and_our_own_server() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.img");
    fs::write(&path, image(500_000)).unwrap();
    let server = serve(Files::new(directory.path()));
    let uri = format!("http://{}/images/a.img", server.address())
        .parse()
        .unwrap();
    let bench = Bench::default();
    let mut cancel = Cancel::new();
    let mut first_received = Vec::new();
    for _ in 0..2 {
        let switch = cancel.clone();
        let environment = Environment {
            fetch: &HttpFetch::default(),
            sink: &bench.sink,
            journal: &bench.journal,
            clock: &bench.clock,
            policy: &bench.policy,
            cancel: &cancel,
        };
        let mut download = Download::prepare(&bench.journal, &key(), &uri, TYPE).unwrap();
        let mut first = None;
        let result = download.run(&environment, &mut |progress| {
            first.get_or_insert(progress.received);
            if progress.received > 200_000 {
                switch.cancel();
            }
        });
        first_received.extend(first);
        if first_received.len() == 1 {
            assert!(matches!(result, Err(DownloadError::Cancelled)));
            cancel = Cancel::new();
        }
    }
    assert_eq!(first_received[0], 0);
    assert!(first_received[1] > 200_000);
}

#[test]
fn what_is_not_the_image_is_refused() {
    let answer = |head: &str| format!("HTTP/1.1 200 OK\r\n{head}content-length: 5\r\n\r\nhello");
    let run = |head: &str| {
        let peer = Peer::new([Deed::send(&answer(head))]);
        Bench::default().run(&peer.url("/a.img"))
    };
    assert_eq!(
        run("content-type: Application/Octet-Stream; x=y\r\n").unwrap(),
        b"hello"
    );
    let error = run("content-type: text/html\r\n").unwrap_err();
    assert!(matches!(error, DownloadError::MediaType { .. }), "{error}");

    let peer = Peer::new([Deed::send("HTTP/1.1 404 X\r\ncontent-length: 0\r\n\r\n")]);
    let error = Bench::default().run(&peer.url("/a.img")).unwrap_err();
    let DownloadError::Fetch(error) = error else {
        panic!("{error}");
    };
    assert_eq!(error.kind(), FetchErrorKind::Status(404));
    assert_eq!(peer.requests().len(), 1);
}

/// A server with a descriptor of a file of this size, and the file, by name; what was reported.
fn described(size: usize, object: impl Fn(&str) -> Deed + Send + 'static) -> Peer {
    Peer::with(move |request| {
        let line = request.lines().next().unwrap_or_default();
        if line.starts_with("POST /report ") {
            return Deed::send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
        if !line.starts_with("GET /a.dd ") {
            return object(request);
        }
        let document = format!(
            "<media xmlns=\"http://www.openmobilealliance.org/xmlns/dd\"><size>{size}</size>\
             <type>{TYPE}</type><objectURI>a.img</objectURI>\
             <installNotifyURI>/report</installNotifyURI></media>"
        );
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.oma.dd+xml\r\n\
             content-length: {}\r\n\r\n{document}",
            document.len()
        );
        Deed::send(&answer)
    })
}

fn reported(peer: &Peer) -> Vec<String> {
    let requests = peer.requests();
    let posts = requests.iter().filter(|it| it.starts_with("POST"));
    posts
        .map(|it| it.split("\r\n\r\n").nth(1).unwrap().to_owned())
        .collect()
}

/// [DLOTA]: over HTTP, by whatever framing, a file behind a descriptor comes whole and is reported,
/// or it does not come.
#[test]
fn a_descriptor_over_http_leads_to_its_file() {
    let whole = |head: &str, body: &str| {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-type: {TYPE}\r\n{head}\r\n{body}");
        move |_: &str| Deed::send(&answer)
    };
    let chunked = "transfer-encoding: chunked\r\n";
    for (head, body) in [
        ("content-length: 5\r\n", "abcde"),
        (chunked, "2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"),
        // What the connection's end does not prove, the descriptor does.
        ("", "abcde"),
    ] {
        let peer = described(5, whole(head, body));
        let bench = Bench::default();
        assert_eq!(bench.run(&peer.url("/a.dd")).unwrap(), b"abcde", "{head}");
        assert_eq!(reported(&peer), ["900 Success\r\n"]);
    }
    for (head, body) in [
        ("content-length: 6\r\n", "abcdef"),
        ("content-length: 4\r\n", "abcd"),
        (chunked, "4\r\nabcd\r\n0\r\n\r\n"),
        (chunked, "6\r\nabcdef\r\n0\r\n\r\n"),
    ] {
        let peer = described(5, whole(head, body));
        let bench = Bench::default();
        let error = bench.run(&peer.url("/a.dd")).unwrap_err();
        assert!(matches!(error, DownloadError::Length { .. }), "{error}");
        assert_eq!(reported(&peer), ["905 Attribute mismatch\r\n"]);
        assert_eq!(bench.sink.keys().unwrap(), []);
    }
}
