//! Servers that do as they are told: one request a connection.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// A request, or an answer.
#[derive(Clone, Debug)]
pub struct Message {
    /// The first line and the header lines.
    pub head: String,
    pub body: Vec<u8>,
}

impl Message {
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let mut message = Self {
            head,
            body: Vec::new(),
        };
        let length = message.header("content-length").map(str::parse);
        message.body = vec![0; length.unwrap_or(Ok(0)).unwrap()];
        reader.read_exact(&mut message.body).ok()?;
        Some(message)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The status of an answer.
    pub fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

/// Answers each request by `answer`, which may also say nothing; the address.
pub fn serve(answer: impl Fn(&Message, &mut TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                if let Some(request) = Message::read(&stream) {
                    answer(&request, &mut stream);
                }
            });
        }
    });
    address
}

/// An answer with a status line, header lines and a body.
pub fn answer(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Sends a request and reads the answer.
pub fn ask(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Message {
    let (host, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let mut head = format!("{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    // A body that is refused unread breaks the connection.
    drop(stream.write_all(body));
    Message::read(&stream).expect("an answer")
}

/// Serves one image to everybody who asks, under any path, in parts too; up to a byte that may be
/// moved.
pub struct Images {
    pub url: String,
    limit: Arc<AtomicUsize>,
    cut: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<usize>>>,
}

impl Images {
    /// An image of this length, all of it.
    pub fn of(length: usize) -> Self {
        let limit = Arc::new(AtomicUsize::new(usize::MAX));
        let cut = Arc::new(AtomicUsize::new(usize::MAX));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (until, firsts, cuts) = (Arc::clone(&limit), Arc::clone(&asked), Arc::clone(&cut));
        let image: Vec<u8> = (0..length).map(|n| (n * 7 / 5 % 253) as u8).collect();
        let url = serve(move |request, stream| {
            let first = request.header("range").and_then(|range| {
                range
                    .strip_prefix("bytes=")?
                    .strip_suffix('-')?
                    .parse()
                    .ok()
            });
            firsts.lock().unwrap().push(first.unwrap_or(0));
            let end = cuts.swap(usize::MAX, Ordering::SeqCst);
            drop(send(stream, &image, [first.unwrap_or(0), end], &until));
        });
        let url = format!("{url}/entvm.img");
        Self {
            url,
            limit,
            cut,
            asked,
        }
    }

    /// Breaks the next connection at this byte.
    pub fn cut_at(&self, byte: usize) {
        self.cut.store(byte, Ordering::SeqCst);
    }

    /// Serves no byte from this one on; connections wait.
    pub fn stop_at(&self, byte: usize) {
        self.limit.store(byte, Ordering::SeqCst);
    }

    /// At which byte each request began.
    pub fn asked(&self) -> Vec<usize> {
        self.asked.lock().unwrap().clone()
    }
}

fn send(
    stream: &mut TcpStream,
    image: &[u8],
    [first, end]: [usize; 2],
    limit: &AtomicUsize,
) -> std::io::Result<()> {
    let (total, mut sent) = (image.len(), first);
    let status = match first {
        0 => "200 OK".to_owned(),
        _ => format!(
            "206 Partial Content\r\nContent-Range: bytes {first}-{}/{total}",
            total - 1
        ),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nETag: \"1\"\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        total - sent
    )?;
    let end = end.min(total);
    while sent < end {
        let until = limit.load(Ordering::SeqCst).min(end).min(sent + 65_536);
        if until > sent {
            stream.write_all(&image[sent..until])?;
            sent = until;
        } else {
            thread::sleep(Duration::from_millis(2));
        }
    }
    Ok(())
}
