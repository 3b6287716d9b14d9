//! `virmo serve` against devices that send anything but messages.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use virmo::dm::syncml::{Encoding, media_type};

use crate::{
    golden::{Golden, answering, readdressed, shuffled},
    messages,
    mutate::{Rng, headers, mutate},
    process::Process,
    program::{complaint, virmo},
    seed,
};

/// What `serve` may take in KiB for 100,000 messages of a flood.
const MOST: usize = 64 << 10;

/// How many connections a flood has.
const CONNECTIONS: usize = 4;

/// The device whose sessions are good.
pub const GOOD: &str = "urn:flood:good";

pub const PLAN: &str = r#"
[[step]]
deliver_image = { node = "good", name = "good", uri = "images/i", media_type = "a/b" }
[[step]]
create_vm = { node = "good", image = "good" }
[[step]]
suspend = { vm = "good" }
[[step]]
resume = { vm = "good" }
[[step]]
delete_vm = { vm = "good" }
[[step]]
delete_image = { node = "good" }
"#;

/// `serve` with the plan above for every device that comes, of which the good one is told.
pub fn serve(folder: &TempDir) -> (Process, String) {
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("plan.toml"), PLAN).unwrap();
    fs::create_dir_all(path("images")).unwrap();
    fs::write(path("images/i"), vec![7; 100_000]).unwrap();
    let (plan, images) = (path("plan.toml"), path("images"));
    let words = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--json",
        "--plan",
        &plan,
        "--images",
        &images,
    ];
    let keep = |event: &Value| {
        event["event"] == "listening" || event["event"] == "step" && event["device"] == GOOD
    };
    let server = Process::start(&words, keep);
    let url = server.event().unwrap()["url"].as_str().unwrap().to_owned();
    (server, url)
}

/// Fails unless every step of the plan succeeds on the good device.
pub fn steps_are_good(server: &Process) {
    for step in 0..6 {
        let event = server.event().expect("the server ended");
        assert_eq!(
            (&event["index"], &event["ok"]),
            (&json!(step), &json!(true)),
            "{event}"
        );
    }
}

/// One connection, opened anew when it was closed.
struct Connection {
    address: String,
    stream: Option<BufReader<TcpStream>>,
}

impl Connection {
    /// Sends octets; the status and the body of what comes back, if anything does.
    fn send(&mut self, octets: &[u8]) -> Option<(u16, Vec<u8>)> {
        let answer = self.exchange(octets);
        if answer.is_none() {
            self.stream = None;
        }
        answer
    }

    fn exchange(&mut self, octets: &[u8]) -> Option<(u16, Vec<u8>)> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(&self.address).unwrap();
            stream.set_nodelay(true).unwrap();
            // A server that hangs fails the test and does not hang it.
            stream
                .set_read_timeout(Some(Duration::from_secs(60)))
                .unwrap();
            self.stream = Some(BufReader::new(stream));
        }
        let stream = self.stream.as_mut().unwrap();
        // What is refused unread breaks the connection.
        drop(stream.get_mut().write_all(octets));
        let (mut head, mut length) = (Vec::new(), 0);
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_until(b'\n', &mut head) {
                Ok(1..) => {}
                Ok(0) => return None,
                Err(error) => {
                    let hung = matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    );
                    assert!(!hung, "the server does not answer");
                    return None;
                }
            }
        }
        let head = String::from_utf8(head).unwrap();
        let mut closes = false;
        for line in head.lines().map(str::to_ascii_lowercase) {
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            closes |= line
                .strip_prefix("connection:")
                .is_some_and(|it| it.trim() == "close");
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        if closes {
            self.stream = None;
        }
        Some((head[9..12].parse().unwrap(), body))
    }
}

/// A request with a message: mostly in good HTTP.
fn request(rng: &mut Rng, encoding: Encoding, body: &[u8]) -> Vec<u8> {
    let media_type = media_type(encoding);
    let mut line = "POST /dm HTTP/1.1\r\nHost: x\r\n".to_owned();
    let mut length = format!("Content-Length: {}\r\n", body.len());
    let headers = match rng.below(12) {
        0 => headers(rng, media_type),
        1 => {
            match rng.below(5) {
                0 => line = "GET /images/../plan.toml HTTP/1.1\r\nHost: x\r\n".to_owned(),
                1 => line = "POST /dm HTTP/9.9\r\n".to_owned(),
                2 => length = "Content-Length: -1\r\n".to_owned(),
                3 => length = "Transfer-Encoding: chunked\r\n".to_owned(),
                // The rest is no request.
                _ => length = format!("Content-Length: {}\r\n", body.len() / 2),
            }
            length += "Connection: close\r\n";
            format!("Content-Type: {media_type}\r\n")
        }
        _ => format!("Content-Type: {media_type}\r\n"),
    };
    let mut octets = [
        line.as_bytes(),
        headers.as_bytes(),
        length.as_bytes(),
        b"\r\n",
    ]
    .concat();
    if length.starts_with("Transfer") {
        octets.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
        octets.extend_from_slice(body);
        octets.extend_from_slice(rng.pick::<&[u8]>(&[
            b"\r\n0\r\n\r\n",
            b"\r\nffffffffffffffff1\r\n",
            b"xx",
        ]));
        return octets;
    }
    octets.extend_from_slice(body);
    octets
}

/// One of the connections of a flood; how often each status came, 0 for none.
fn flood(golden: &Golden, url: &str, worker: usize, left: &AtomicUsize) -> BTreeMap<u16, usize> {
    let mut rng = Rng(seed() ^ (worker as u64) << 32);
    let mut connection = Connection {
        address: url
            .trim_start_matches("http://")
            .split('/')
            .next()
            .unwrap()
            .to_owned(),
        stream: None,
    };
    let mut statuses = BTreeMap::new();
    let take = || {
        left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        })
    };
    let first = golden
        .messages
        .iter()
        .filter(|it| it.header.msg_id == 1 && it.commands.len() > 1);
    let first: Vec<_> = first.cloned().collect();
    let mut round = 0;
    while take().is_ok() {
        round += 1;
        let device = format!("urn:flood:{worker}:{}", round % 64);
        let session = (round % 60_000 + 1).to_string();
        // Golden messages as they are, or the later ones of a session that has begun.
        let message = match rng.below(3) {
            0 => rng.pick(&golden.octets).clone(),
            1 => {
                let mut begin = readdressed(rng.pick(&first), &session, 1, [url, &device]);
                shuffled(&mut rng, &mut begin, &golden.messages);
                golden.encode(&begin)
            }
            _ => {
                let begin = readdressed(rng.pick(&first), &session, 1, [url, &device]);
                let header = begin.header.clone();
                let begin = golden.encode(&begin);
                let head = format!(
                    "POST /dm HTTP/1.1\r\nHost: x\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
                    media_type(golden.encoding),
                    begin.len()
                );
                connection.send(&[head.as_bytes(), &begin].concat());
                let mut next = readdressed(rng.pick(&golden.messages), &session, 2, [url, &device]);
                shuffled(&mut rng, &mut next, &golden.messages);
                golden.encode(&answering(next, &header))
            }
        };
        let message = match rng.below(3) {
            0 => message,
            _ => mutate(&mut rng, &message, &golden.octets),
        };
        let request = request(&mut rng, golden.encoding, &message);
        let status = connection.send(&request).map_or(0, |(status, _)| status);
        *statuses.entry(status).or_insert(0) += 1;
    }
    statuses
}

fn survives(encoding: Encoding) {
    let folder = TempDir::new().unwrap();
    let (mut server, url) = serve(&folder);
    let golden = Arc::new(Golden::read(encoding));
    let left = Arc::new(AtomicUsize::new(messages()));
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|worker| {
            let (golden, url, left) = (Arc::clone(&golden), url.clone(), Arc::clone(&left));
            thread::spawn(move || flood(&golden, &url, worker, &left))
        })
        .collect();
    let mut statuses = BTreeMap::new();
    for worker in workers {
        for (status, count) in worker.join().unwrap() {
            *statuses.entry(status).or_insert(0) += count;
        }
    }
    let memory = server.memory();
    eprintln!("serve {encoding:?}: {statuses:?}, {memory:?} KiB");
    assert_eq!(statuses.values().sum::<usize>(), messages());
    // Some got as far as the engine, some did not, none broke it.
    assert!(statuses[&200] > messages() / 20, "{statuses:?}");
    assert!(statuses[&400] > messages() / 20, "{statuses:?}");
    assert_eq!(statuses.get(&500), None, "{statuses:?}");

    let words = [
        "device",
        "--server",
        &url,
        "--until-idle",
        "--json",
        "--device-id",
        GOOD,
    ];
    let device = virmo(&words);
    assert_eq!(device.status.code(), Some(0), "{}", complaint(&device));
    steps_are_good(&server);
    server.is_well(MOST);
}

#[test]
fn serve_survives_malformed_xml() {
    survives(Encoding::Xml);
}

#[test]
fn serve_survives_malformed_wbxml() {
    survives(Encoding::Wbxml);
}
