//! A scripted HTTP peer, a raw client, and a stepped clock.

use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use omadm_download::{Cancel, Clock};

/// Where nobody listens: a port that no test is given, and that no connection starts from.
pub(crate) const NOBODY: &str = "127.0.0.1:1";

/// What the peer does with one connection, after it has read a request from it.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// Sends these bytes and closes.
    Send(Vec<u8>),
    /// Sends these bytes and keeps still until the other end closes.
    Hold(Vec<u8>),
}

impl Deed {
    pub(crate) fn send(text: &str) -> Self {
        Self::Send(text.as_bytes().to_vec())
    }

    pub(crate) fn hold(text: &str) -> Self {
        Self::Hold(text.as_bytes().to_vec())
    }
}

/// An HTTP server of a few deeds, one for each connection; the last one is repeated.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    seen: Arc<(Mutex<Vec<String>>, Condvar)>,
}

impl Peer {
    pub(crate) fn new(deeds: impl IntoIterator<Item = Deed>) -> Self {
        let mut deeds: VecDeque<Deed> = deeds.into_iter().collect();
        Self::with(move |_| {
            let deed = deeds.front().unwrap().clone();
            if deeds.len() > 1 {
                deeds.pop_front();
            }
            deed
        })
    }

    /// A peer that makes up its mind when it has seen the request.
    pub(crate) fn with(mut decide: impl FnMut(&str) -> Deed + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Ok(request) = read_request(&stream) else {
                    continue;
                };
                let deed = decide(&request);
                shared.0.lock().unwrap().push(request);
                shared.1.notify_all();
                match deed {
                    // The other end may have gone already.
                    Deed::Send(bytes) => drop(stream.write_all(&bytes)),
                    Deed::Hold(bytes) => {
                        drop(stream.write_all(&bytes));
                        thread::spawn(move || io::copy(&mut stream, &mut io::sink()));
                    }
                }
            }
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests so far, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.0.lock().unwrap().clone()
    }

    /// Waits until there has been a request.
    pub(crate) fn wait_for_request(&self) {
        let seen = self.seen.0.lock().unwrap();
        drop(
            self.seen
                .1
                .wait_while(seen, |seen| seen.is_empty())
                .unwrap(),
        );
    }
}

/// Reads one request with a Content-Length or without a body.
fn read_request(stream: &TcpStream) -> io::Result<String> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        request.push_str(&line);
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    request.push_str(&String::from_utf8(body).unwrap());
    Ok(request)
}

/// Sends bytes and reads what comes back until the other end closes.
pub(crate) fn raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    // A server that does not keep its time-outs fails the test, and does not hang it.
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status in an answer.
pub(crate) fn status(answer: &str) -> u16 {
    let status = answer
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    status
        .unwrap_or_else(|| panic!("{answer:?}"))
        .parse()
        .unwrap()
}

/// The value of a header in an answer.
pub(crate) fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The body of an answer.
pub(crate) fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

/// Time that passes only in waits, and remembers them.
#[derive(Default)]
pub(crate) struct Steps {
    waits: Mutex<Vec<u64>>,
}

impl Steps {
    pub(crate) fn waits(&self) -> Vec<u64> {
        self.waits.lock().unwrap().clone()
    }
}

impl Clock for Steps {
    fn now(&self) -> Duration {
        Duration::from_secs(self.waits.lock().unwrap().iter().sum())
    }

    fn wait(&self, duration: Duration, _: &Cancel) {
        self.waits.lock().unwrap().push(duration.as_secs());
    }
}
