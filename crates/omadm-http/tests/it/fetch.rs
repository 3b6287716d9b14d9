//! The fetch against peers that redirect, dawdle, break off and lie.

use std::{ops::ControlFlow, thread, time::Duration};

use omadm_download::{
    Cancel, Content, Ending, Fetch, FetchErrorKind, FetchRequest, Receiver, ResponseHead, Resume,
    Validator,
};
use omadm_http::{FetchConfig, HttpFetch};

use crate::peer::{Deed, NOBODY, Peer, header};

/// Takes everything, or breaks off after some bytes.
#[derive(Default)]
struct Taker {
    head: Option<ResponseHead>,
    bytes: Vec<u8>,
    enough: Option<usize>,
}

impl Receiver for Taker {
    fn head(&mut self, head: &ResponseHead) -> ControlFlow<()> {
        assert_eq!(self.head, None);
        self.head = Some(head.clone());
        ControlFlow::Continue(())
    }

    fn chunk(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        self.bytes.extend_from_slice(bytes);
        match self.enough {
            Some(enough) if self.bytes.len() >= enough => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn fetch(peer: &Peer, taker: &mut Taker) -> Result<Ending, FetchErrorKind> {
    fetch_within(Duration::from_secs(3600), peer, taker)
}

fn fetch_within(
    silence: Duration,
    peer: &Peer,
    taker: &mut Taker,
) -> Result<Ending, FetchErrorKind> {
    let mut config = FetchConfig::default();
    config.silence_timeout = silence;
    config.max_redirects = 2;
    let uri = peer.url("/a.img").parse().unwrap();
    let cancel = Cancel::new();
    let request = FetchRequest::new(&uri, "a/b", &cancel);
    let result = HttpFetch::new(config).fetch(&request, taker);
    result.map_err(|error| error.kind())
}

fn outcome(answer: &str) -> (Result<Ending, FetchErrorKind>, String) {
    let mut taker = Taker::default();
    let result = fetch(&Peer::new([Deed::send(answer)]), &mut taker);
    (result, String::from_utf8(taker.bytes).unwrap())
}

#[test]
fn a_request_says_what_it_wants() {
    let peer = Peer::new([Deed::send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")]);
    let uri = peer.url("/a.img?x#top").parse().unwrap();
    let cancel = Cancel::new();
    let mut request = FetchRequest::new(&uri, "application/x-raw", &cancel);
    let fetch = HttpFetch::default();
    fetch.fetch(&request, &mut Taker::default()).unwrap();
    let validator = Validator::new("\"v1\"");
    request.resume = Some(Resume {
        from: 1000,
        validator: &validator,
    });
    fetch.fetch(&request, &mut Taker::default()).unwrap();

    let [whole, part] = &peer.requests()[..] else {
        panic!("two requests");
    };
    assert!(whole.starts_with("GET /a.img?x HTTP/1.1\r\n"), "{whole}");
    assert_eq!(header(whole, "accept"), Some("application/x-raw"));
    assert_eq!(header(whole, "accept-encoding"), Some("identity"));
    assert_eq!(header(whole, "range"), None);
    assert_eq!(header(part, "range"), Some("bytes=1000-"));
    assert_eq!(header(part, "if-range"), Some("\"v1\""));
}

#[test]
fn the_framing_tells_how_a_body_ends() {
    let ok = |rest: &str| outcome(&format!("HTTP/1.1 200 OK\r\n{rest}"));
    let all = |ending| (Ok(ending), "abcde".to_owned());
    assert_eq!(ok("content-length: 5\r\n\r\nabcde"), all(Ending::Complete));
    let chunked = "transfer-encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n";
    assert_eq!(ok(chunked), all(Ending::Complete));
    assert_eq!(ok("\r\nabcde"), all(Ending::Closed));
    assert_eq!(outcome("HTTP/1.0 200 OK\r\n\r\nabcde"), all(Ending::Closed));

    let cut = (Err(FetchErrorKind::Interrupted), "abc".to_owned());
    assert_eq!(ok("content-length: 5\r\n\r\nabc"), cut);
    assert_eq!(ok("transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"), cut);
    let (result, _) = ok("transfer-encoding: chunked\r\n\r\nnonsense\r\n");
    assert_eq!(result, Err(FetchErrorKind::Protocol));
}

#[test]
fn nothing_behind_the_end_is_an_answer_of_its_own() {
    let peer = Peer::new([Deed::send(
        "HTTP/1.1 416 X\r\ncontent-range: bytes */5\r\ncontent-length: 3\r\n\r\nsad",
    )]);
    let mut taker = Taker::default();
    assert_eq!(fetch(&peer, &mut taker), Ok(Ending::Complete));
    let content = taker.head.unwrap().content;
    assert_eq!(content, Content::Unsatisfiable { total: Some(5) });
    assert!(taker.bytes.is_empty());
}

#[test]
fn redirects_are_followed_with_the_same_wishes() {
    for status in [301, 302, 303, 307, 308] {
        let away = format!("HTTP/1.1 {status} X\r\nlocation: ../b.img?y\r\n\r\n");
        let here = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let peer = Peer::new([Deed::send(&away), Deed::send(here)]);
        let uri = peer.url("/x/a.img").parse().unwrap();
        let (cancel, validator) = (Cancel::new(), Validator::new("\"v\""));
        let mut request = FetchRequest::new(&uri, "a/b", &cancel);
        request.resume = Some(Resume {
            from: 7,
            validator: &validator,
        });
        let mut taker = Taker::default();
        HttpFetch::default().fetch(&request, &mut taker).unwrap();
        assert_eq!(taker.bytes, b"ok");
        let second = &peer.requests()[1];
        assert!(second.starts_with("GET /b.img?y HTTP/1.1\r\n"), "{second}");
        assert_eq!(header(second, "range"), Some("bytes=7-"));
    }
}

#[test]
fn a_redirect_leaves_the_connection_it_came_over() {
    let peer = Peer::new([
        // Nothing that is sent here afterwards is ever answered.
        Deed::hold("HTTP/1.1 302 X\r\nlocation: /b\r\ncontent-length: 0\r\n\r\n"),
        Deed::send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
    ]);
    let mut taker = Taker::default();
    assert_eq!(fetch(&peer, &mut taker), Ok(Ending::Complete));
    assert_eq!(taker.bytes, b"ok");
}

#[test]
fn redirects_end_and_stay_on_http() {
    let away = |location: &str| format!("HTTP/1.1 302 X\r\n{location}content-length: 0\r\n\r\n");
    let peer = Peer::new([Deed::send(&away("location: /a.img\r\n"))]);
    let result = fetch(&peer, &mut Taker::default());
    assert_eq!(result, Err(FetchErrorKind::Redirects));
    assert_eq!(peer.requests().len(), 3);
    for location in [
        "",
        "location: file:///etc/passwd\r\n",
        "location: ftp://h/a\r\n",
    ] {
        let (result, bytes) = outcome(&away(location));
        assert_eq!((result, bytes.len()), (Err(FetchErrorKind::Redirect), 0));
    }
}

#[test]
fn refusals_say_whether_to_come_back() {
    let result = |head: &str| {
        let (result, bytes) = outcome(&format!("HTTP/1.1 {head}\r\ncontent-length: 3\r\n\r\nsad"));
        assert_eq!(bytes, "");
        result.unwrap_err()
    };
    assert_eq!(result("404 Not Found"), FetchErrorKind::Status(404));
    assert_eq!(
        result("401 X\r\nwww-authenticate: Basic"),
        FetchErrorKind::Status(401)
    );
    let busy = FetchErrorKind::Busy {
        status: 503,
        retry_after: Some(Duration::from_secs(7)),
    };
    assert_eq!(result("503 X\r\nretry-after: 7"), busy);
    assert_eq!(
        result("200 OK\r\ncontent-encoding: gzip"),
        FetchErrorKind::Protocol
    );
    let multipart = "206 X\r\ncontent-type: multipart/byteranges; boundary=b";
    assert_eq!(result(multipart), FetchErrorKind::Protocol);
}

/// A source that is silent before its answer, in its head or in its body.
#[test]
fn silence_ends_at_the_time_out() {
    for start in [
        "",
        "HTTP/1.1 200 OK\r\nx: ",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab",
    ] {
        let (silence, peer) = (Duration::from_millis(50), Peer::new([Deed::hold(start)]));
        let result = fetch_within(silence, &peer, &mut Taker::default());
        assert_eq!(result, Err(FetchErrorKind::TimedOut), "{start}");
    }
}

#[test]
fn nobody_there_is_unreachable() {
    let uri = format!("http://{NOBODY}/").parse().unwrap();
    let cancel = Cancel::new();
    let request = FetchRequest::new(&uri, "a/b", &cancel);
    let error = HttpFetch::default()
        .fetch(&request, &mut Taker::default())
        .unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::Unreachable);
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_receiver_that_has_enough_stops_it() {
    let answer = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(500_000));
    let mut taker = Taker {
        enough: Some(1),
        ..Taker::default()
    };
    let result = fetch(&Peer::new([Deed::hold(&answer)]), &mut taker);
    assert_eq!(result, Ok(Ending::Stopped));
    assert!(taker.bytes.len() < 500_000);
}

/// The time-out is an hour: the test ends because the request is cut short.
#[test]
fn cancelling_ends_a_silence() {
    let start = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab";
    for start in ["", start, "HTTP/1.1 200 OK\r\n\r\nab"] {
        let peer = Peer::new([Deed::hold(start)]);
        let uri = peer.url("/").parse().unwrap();
        let cancel = Cancel::new();
        let mut config = FetchConfig::default();
        config.silence_timeout = Duration::from_secs(3600);
        let fetch = HttpFetch::new(config);
        let ending = thread::scope(|scope| {
            let running = scope.spawn(|| {
                let request = FetchRequest::new(&uri, "a/b", &cancel);
                fetch.fetch(&request, &mut Taker::default())
            });
            peer.wait_for_request();
            cancel.cancel();
            running.join().unwrap().unwrap()
        });
        assert_eq!(ending, Ending::Stopped);
        let request = FetchRequest::new(&uri, "a/b", &cancel);
        let again = fetch.fetch(&request, &mut Taker::default()).unwrap();
        assert_eq!((again, peer.requests().len()), (Ending::Stopped, 1));
    }
}

/// [DLOTA]: a report is one line by POST; whatever is no success is none.
#[test]
fn a_report_is_posted_as_one_line() {
    let fetch = HttpFetch::default();
    for (status, due) in [
        (200, Ok(())),
        (204, Ok(())),
        (302, Err(FetchErrorKind::Status(302))),
        (404, Err(FetchErrorKind::Status(404))),
        (
            503,
            Err(FetchErrorKind::Busy {
                status: 503,
                retry_after: Some(Duration::from_secs(7)),
            }),
        ),
    ] {
        let answer = format!(
            "HTTP/1.1 {status} X\r\nlocation: /x\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n"
        );
        let peer = Peer::new([Deed::send(&answer)]);
        let uri = peer.url("/report?id=1").parse().unwrap();
        let result = fetch.report(&uri, "900 Success\r\n", &Cancel::new());
        assert_eq!(result.map_err(|error| error.kind()), due);
        let [request] = &peer.requests()[..] else {
            panic!("one request");
        };
        assert!(request.starts_with("POST /report?id=1 HTTP/1.1\r\n"));
        assert!(request.ends_with("\r\n\r\n900 Success\r\n"), "{request}");
        let content_type = header(request, "content-type");
        assert_eq!(content_type, Some("text/plain; charset=utf-8"));
    }
}

#[test]
fn a_report_that_hangs_ends_when_it_is_stopped() {
    let peer = Peer::new([Deed::hold("")]);
    let uri = peer.url("/").parse().unwrap();
    let cancel = Cancel::new();
    let elsewhere = cancel.clone();
    thread::scope(|scope| {
        let report = scope.spawn(|| HttpFetch::default().report(&uri, "900\r\n", &cancel));
        peer.wait_for_request();
        elsewhere.cancel();
        assert!(report.join().unwrap().is_err());
    });
}

/// Files come from the hosts that are allowed, and from nowhere else by a detour.
#[test]
fn only_hosts_that_are_allowed_are_asked() {
    let here = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let there = Peer::new([Deed::send(here)]);
    let port = there.address.port();
    let away = format!(
        "HTTP/1.1 302 X\r\nlocation: http://localhost:{port}/\r\ncontent-length: 0\r\n\r\n"
    );
    let peer = Peer::new([Deed::send(&away)]);
    let ask = |hosts: &[&str], uri: &str| {
        let mut config = FetchConfig::default();
        config.hosts = Some(hosts.iter().map(|host| (*host).to_owned()).collect());
        let fetch = HttpFetch::new(config);
        let (uri, cancel) = (uri.parse().unwrap(), Cancel::new());
        let result = fetch.fetch(
            &FetchRequest::new(&uri, "a/b", &cancel),
            &mut Taker::default(),
        );
        let reported = fetch.report(&uri, "900\r\n", &cancel);
        let kind = |error: omadm_download::FetchError| error.kind();
        (result.map_err(kind), reported.map_err(kind))
    };
    let refused = (Err(FetchErrorKind::Host), Err(FetchErrorKind::Host));
    assert_eq!(ask(&[], &peer.url("/")), refused);
    assert_eq!(peer.requests().len(), 0);
    let (result, _) = ask(&["127.0.0.1"], &peer.url("/"));
    assert_eq!(result, Err(FetchErrorKind::Host), "redirected");
    assert_eq!(there.requests().len(), 0);
    let (result, reported) = ask(&["127.0.0.1"], &there.url("/"));
    assert_eq!((result, reported), (Ok(Ending::Complete), Ok(())));
}
