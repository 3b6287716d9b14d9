//! The server: our engine behind a listener of the tests', with a script that never ends.

use std::{
    fmt,
    io::Write,
    net::TcpStream,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use virmo::{
    Procedure,
    dm::{
        core::{GenericAlert, Now},
        server::{Config, EventKind, Everyone, Request, Server},
        session::{Answer, Correlators, Round, Step, Tag, request},
        syncml::{Command, Limits, decode},
    },
};

use crate::{
    http::{self, Message},
    script,
    seen::{Seen, Tree, content},
    world::World,
};

/// What the device should be; also the lock of whoever looks at it.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

pub const DEVICE: &str = "urn:virmo:device:1";

/// Serves images below `/image/NUMBER/LENGTH`, slowly; the address.
pub fn images() -> String {
    http::serve(|request, stream| {
        let path = request.head.split(' ').nth(1).unwrap_or_default();
        let parts: Vec<_> = path.split('/').collect();
        let number = |at: usize| parts.get(at).and_then(|it| it.parse().ok());
        match (parts.get(1), number(2), number(3)) {
            (Some(&"image"), Some(number), Some(length)) => {
                let image = content::of(number, usize::try_from(length).unwrap_or_default());
                drop(send(request, stream, &image));
            }
            _ => drop(stream.write_all(&http::answer("404 Not Found", &[], b""))),
        }
    })
}

fn send(request: &Message, stream: &mut TcpStream, image: &[u8]) -> std::io::Result<()> {
    let range = request.header("range").and_then(|range| {
        let range = range.strip_prefix("bytes=")?.strip_suffix('-')?;
        range
            .parse::<usize>()
            .ok()
            .filter(|first| *first < image.len())
    });
    let (first, total) = (range.unwrap_or(0), image.len());
    let status = match first {
        0 => "200 OK".to_owned(),
        _ => {
            let range = format!("Content-Range: bytes {first}-{}/{total}", total - 1);
            format!("206 Partial Content\r\n{range}")
        }
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nETag: \"{total}\"\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        total - first
    )?;
    for part in image[first..].chunks(total.div_ceil(32)) {
        stream.write_all(part)?;
        thread::sleep(Duration::from_micros(300));
    }
    Ok(())
}

/// Takes the device through the script; the address.
pub fn start(shared: &Shared) -> String {
    let mut engine = Server::new(Config::new("c"), Everyone);
    let endless = Endless {
        shared: shared.clone(),
        look: None,
        inner: None,
        downloads: Vec::new(),
    };
    engine.enqueue(DEVICE, Box::new(endless)).unwrap();
    let (engine, shared) = (Mutex::new(engine), shared.clone());
    let origin = Instant::now();
    http::serve(move |message, stream| {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = Now {
            wall: wall.unwrap_or_default(),
            mono: origin.elapsed(),
        };
        let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = exchange(&mut engine, &shared, message, now);
        drop(stream.write_all(&answer));
    }) + "/dm"
}

fn exchange(engine: &mut Server, shared: &Shared, message: &Message, now: Now) -> Vec<u8> {
    let content_type = message
        .header("content-type")
        .unwrap_or_default()
        .to_owned();
    let limits = Limits::lenient();
    let Some(encoding) = limits.encoding_of(&content_type) else {
        return http::answer("415 Unsupported Media Type", &[], b"");
    };
    let decoded = decode(&message.body, encoding, &limits).expect("a message of a device");
    for command in &decoded.commands {
        if let Command::Alert(alert) = command {
            for alert in alert.generic_alerts().unwrap_or_default() {
                shared.lock().delivered(&alert);
            }
        }
    }
    let request = Request::new(&message.body, encoding, now);
    let mut receipt = engine.receive(request).expect("a message that is taken");
    let events = receipt.take_events();
    let response = engine.respond(receipt).expect("an answer");
    for event in events.into_iter().chain(response.events) {
        match event.kind {
            EventKind::Alert { alert, .. } => shared.lock().reported(&alert),
            EventKind::Violation(violation) => {
                shared
                    .lock()
                    .violation(format_args!("the device sent {violation}"));
            }
            _ => {}
        }
    }
    http::answer("200 OK", &[("Content-Type", &content_type)], &response.body)
}

/// One operation after another, each process of the device being looked at before it goes on.
#[derive(Debug)]
struct Endless {
    shared: Shared,
    /// A look that is to be taken or under way.
    look: Option<Look>,
    inner: Option<Box<dyn Procedure>>,
    /// The Downloads that were sent last.
    downloads: Vec<(Tag, String)>,
}

#[derive(Debug, Default)]
struct Look {
    round: Round,
    sent: bool,
    since: Option<Instant>,
}

/// How long what goes on by itself may take.
const PATIENCE: Duration = Duration::from_secs(120);

impl Look {
    fn send(&mut self) -> Step {
        self.sent = true;
        let roots = ["./VirMO", "./VMImgMO"].map(|root| format!("{root}?list=StructData"));
        self.round.send(roots.iter().map(|uri| request::get(uri)))
    }

    /// What the device says of itself; none if the answer was lost.
    fn tree(&self) -> Option<Tree> {
        let replies = self.round.replies();
        if !replies.iter().all(|reply| reply.is_success()) {
            return None;
        }
        let items = replies.iter().flat_map(|reply| reply.items());
        let pairs = items.filter_map(|item| {
            let uri = item.source.as_ref()?.uri.clone().into_owned();
            let text = item.data.as_ref().and_then(|data| data.to_text());
            Some((uri, text.unwrap_or_default().into_owned()))
        });
        Some(pairs.collect())
    }
}

impl Endless {
    /// What follows from the look that was taken; none when everything is in order.
    fn compare(&mut self) -> Option<Step> {
        let look = self.look.as_mut()?;
        if !look.sent {
            return Some(look.send());
        }
        let Some(tree) = look.tree() else {
            if look.round.is_lost() {
                return Some(look.send());
            }
            let replies = look.round.replies().iter();
            let complaints: Vec<_> = replies.map(|reply| reply.complaint()).collect();
            self.shared.lock().violation(format_args!("{complaints:?}"));
            self.look = None;
            return None;
        };
        let mut world = self.shared.lock();
        let seen = Seen::of(&tree, &world.state, world.draft);
        let faults = world.verify(&seen, &tree);
        if !faults.is_empty() && !world.hangs {
            let since = *look.since.get_or_insert_with(Instant::now);
            if world.patient && since.elapsed() < PATIENCE {
                drop(world);
                thread::sleep(Duration::from_millis(20));
                return Some(look.send());
            }
            for fault in faults {
                world.violation(fault);
            }
        }
        self.look = None;
        None
    }

    fn sends(&mut self, step: &Step) {
        let Step::Send(commands) = step else { return };
        self.downloads.clear();
        for (tag, command) in commands.iter().flat_map(|tagged| tagged.flatten()) {
            let Command::Exec(exec) = command else {
                continue;
            };
            self.shared.lock().executed += 1;
            let target = exec
                .items
                .first()
                .and_then(|item| item.target.as_ref())
                .map(|target| &*target.uri);
            let image = target
                .and_then(|uri| uri.strip_prefix("./VMImgMO/"))
                .and_then(|uri| uri.strip_suffix("/Operations/Download"));
            if let (Some(image), Some(correlator)) = (image, &exec.correlator) {
                self.shared.lock().downloads(image, correlator);
                self.downloads.push((tag, correlator.to_string()));
            }
        }
    }
}

impl Procedure for Endless {
    fn poll(&mut self, correlators: &mut Correlators) -> Step {
        loop {
            if let Some(step) = self.compare() {
                return step;
            }
            let Some(inner) = &mut self.inner else {
                let mut world = self.shared.lock();
                if world.paused || world.random.chance(10) {
                    return Step::Wait;
                }
                let Some((procedure, flight)) = script::next(&mut world) else {
                    world.cleared = world.vms.is_empty() && world.images.is_empty();
                    return Step::Wait;
                };
                world.begin(flight);
                self.inner = Some(procedure);
                continue;
            };
            let step = inner.poll(correlators);
            let Step::Done(report) = step else {
                self.sends(&step);
                return step;
            };
            self.inner = None;
            let mut world = self.shared.lock();
            world.conclude(&report);
            if !report.ok || world.clearing || world.random.chance(30) {
                self.look = Some(Look::default());
            }
        }
    }

    fn answer(&mut self, answer: Answer) {
        if let Some(look) = &mut self.look {
            look.round.answer(answer);
            return;
        }
        if let Answer::Status { tag, code, .. } = &answer
            && code.get() == 202
            && let Some((_, correlator)) = self.downloads.iter().find(|(it, _)| it == tag)
        {
            self.shared.lock().accepted(correlator);
        }
        if let Some(inner) = &mut self.inner {
            inner.answer(answer);
        }
    }

    fn alert(&mut self, alert: &GenericAlert) -> bool {
        let inner = self.inner.as_mut();
        inner.is_some_and(|inner| inner.alert(alert))
    }

    fn begin_session(&mut self) {
        if let Some(inner) = &mut self.inner {
            inner.begin_session();
        }
        let mut world = self.shared.lock();
        if world.verified == 0 || world.random.chance(10) {
            self.look.get_or_insert_default();
        }
    }
}
