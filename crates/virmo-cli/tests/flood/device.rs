//! `virmo device` against a server that answers with anything but messages.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, mpsc},
    thread,
};

use serde_json::Value;
use tempfile::TempDir;
use virmo::dm::syncml::{Encoding, Limits, decode, media_type};

use crate::{
    golden::{Golden, answering, readdressed, shuffled},
    http::ask,
    messages,
    mutate::{Rng, headers, mutate},
    process::Process,
    seed,
    serve::{GOOD, serve, steps_are_good},
};

/// What `device` may take in KiB, whatever it is sent.
const MOST: usize = 64 << 10;

/// A server that answers each message with a damaged one, and when it has had its fill lets a good
/// one answer.
struct Hostile {
    golden: Golden,
    rng: Rng,
    left: usize,
    /// Where the good server is.
    good: String,
    /// How many messages a device sent for the how manieth time in a session.
    depths: BTreeMap<u32, usize>,
    over: mpsc::Sender<()>,
}

impl Hostile {
    fn answer(&mut self, own: &str, request: &[u8]) -> Vec<u8> {
        let media = media_type(self.golden.encoding);
        if self.left == 0 {
            let answer = ask("POST", &self.good, &[("Content-Type", media)], request);
            return http_answer(
                "200 OK",
                &format!("Content-Type: {media}\r\n"),
                &answer.body,
            );
        }
        self.left -= 1;
        if self.left == 0 {
            _ = self.over.send(());
        }
        let heard = decode(request, self.golden.encoding, &Limits::default()).unwrap();
        let header = &heard.header;
        *self.depths.entry(header.msg_id).or_default() += 1;
        let rng = &mut self.rng;
        // Longer sessions would be about few things.
        if header.msg_id > 4 {
            return http_answer("500 Enough", "", b"");
        }
        let message = match rng.below(5) {
            0 => rng.pick(&self.golden.octets).clone(),
            _ => {
                let ends = [GOOD, own];
                let golden = rng.pick(&self.golden.messages);
                let mut message = readdressed(golden, &header.session_id, header.msg_id, ends);
                shuffled(rng, &mut message, &self.golden.messages);
                self.golden.encode(&answering(message, header))
            }
        };
        let message = match rng.below(3) {
            0 => message,
            _ => mutate(rng, &message, &self.golden.octets),
        };
        let good = format!("Content-Type: {media}\r\n");
        match rng.below(20) {
            0 => http_answer("200 OK", &headers(rng, media), &message),
            1 => {
                let statuses = [
                    "404 No",
                    "500 No",
                    "302 Away",
                    "204 Nothing",
                    "401 Who",
                    "099 ?",
                    "",
                ];
                http_answer(statuses[rng.below(statuses.len())], &good, &message)
            }
            _ => http_answer("200 OK", &good, &message),
        }
    }
}

fn http_answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// The body of the next request on a connection.
fn request(stream: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let (mut line, mut length) = (String::new(), 0);
    loop {
        line.clear();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            let mut body = vec![0; length];
            stream.read_exact(&mut body).ok()?;
            return Some(body);
        }
    }
}

/// Serves on a listener, connection by connection.
fn run(listener: &TcpListener, own: &str, hostile: &Mutex<Hostile>) {
    thread::scope(|scope| {
        for stream in listener.incoming().flatten() {
            scope.spawn(move || {
                stream.set_nodelay(true).unwrap();
                let mut stream = BufReader::new(stream);
                while let Some(body) = request(&mut stream) {
                    let answer = hostile.lock().unwrap().answer(own, &body);
                    if stream.get_mut().write_all(&answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
}

fn survives(encoding: Encoding, word: &str) {
    let folder = TempDir::new().unwrap();
    let (mut server, good) = serve(&folder);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/dm", listener.local_addr().unwrap());
    let (over, is_over) = mpsc::channel();
    let hostile = Arc::new(Mutex::new(Hostile {
        golden: Golden::read(encoding),
        rng: Rng(seed()),
        left: messages(),
        good,
        depths: BTreeMap::new(),
        over,
    }));
    let (shared, own) = (Arc::clone(&hostile), url.clone());
    thread::spawn(move || run(&listener, &own, &shared));

    let words = [
        "device",
        "--server",
        &url,
        "--json",
        "--device-id",
        GOOD,
        "--interval",
        "0.001",
        "--encoding",
        word,
        "--ui",
        "reject",
        // Nothing of what a message says is fetched from elsewhere.
        "--download-host",
        "127.0.0.1",
    ];
    let mut device = Process::start(&words, |_: &Value| false);
    is_over.recv().unwrap();
    let memory = device.memory();
    steps_are_good(&server);
    let depths = hostile.lock().unwrap().depths.clone();
    eprintln!(
        "device {encoding:?}: {depths:?}, {:?}, {memory:?} KiB",
        device.counts()
    );
    assert_eq!(depths.values().sum::<usize>(), messages());
    // Some answers were good enough to go on, most ended the session.
    assert!(depths[&2] > messages() / 50, "{depths:?}");
    assert!(device.count("command") > messages() / 50);
    device.is_well(MOST);
    server.is_well(usize::MAX);
}

#[test]
fn device_survives_malformed_xml() {
    survives(Encoding::Xml, "xml");
}

#[test]
fn device_survives_malformed_wbxml() {
    survives(Encoding::Wbxml, "wbxml");
}
