//! `virmo uve demo`: a VMM, two VMs and a user whose work follows her, over UVE-2 and UVE-5.

use std::{
    fmt,
    net::TcpListener,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde::Serialize;
use tempfile::TempDir;
use uve::{Digest, MonitoringNotification, UaPackage, UserId, Uve2, Uve2Error, session::State};
use uve_engine::{
    Clock, EmbeddedDataCentre, Progress, Selection, Vm, VmConfig, VmError, VmEvent, Vmm, VmmConfig,
    VmmEvent,
};
use uve_http::{
    FileBlobs, Server, SystemClock, Token, Uve2Client, Uve2Service, Uve5Client, Uve5Service,
};
use virmo::dm::{
    core::upgrade,
    store::{RedbJournal, create_private_directory},
};

use crate::{
    args,
    failure::Failure,
    interrupt::{self, Ends},
    output::Output,
};

/// The application Ann works with: what it does is of no matter here.
const PACKAGE: &[u8] = b"an editor of texts";
/// How long a silent VM holds an image: longer than the demo takes on any machine.
const LEASE: Duration = Duration::from_secs(600);
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// The time of day, and as many seconds more as nobody is to wait for.
#[derive(Default)]
struct DemoClock(AtomicU64);

impl DemoClock {
    fn skip(&self, time: Duration) {
        self.0.fetch_add(time.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for DemoClock {
    fn now(&self) -> Duration {
        let ahead = Duration::from_secs(self.0.load(Ordering::SeqCst));
        SystemClock.now().saturating_add(ahead)
    }
}

/// What happened, in a word for scripts and a sentence for people.
#[derive(Serialize)]
struct Told<'t> {
    event: &'static str,
    what: &'t str,
    #[serde(skip_serializing_if = "Option::is_none")]
    vm: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    text: &'t str,
}

struct Teller {
    json: bool,
    output: Output,
    /// Nothing more is to be told, and done.
    is_over: Arc<AtomicBool>,
}

impl Teller {
    fn tell(
        &self,
        what: &str,
        vm: Option<&Vm>,
        version: Option<u64>,
        text: impl fmt::Display,
    ) -> Result<(), Failure> {
        if self.is_over.load(Ordering::Relaxed) {
            return Err(Failure::Told);
        }
        let text = text.to_string();
        if !self.json {
            self.output.say(text);
            return Ok(());
        }
        let vm = vm.map(|vm| vm.id().as_str());
        let told = Told {
            event: "uve",
            what,
            vm,
            version,
            text: text.trim_start(),
        };
        let mut line = serde_json::to_vec(&told).map_err(Failure::work)?;
        line.push(b'\n');
        crate::output::print(&line)
    }
}

/// A VM and the VMM's way to it.
struct Machine {
    vm: Arc<Vm>,
    manage: Uve2Client,
    /// Answers as long as it is there.
    _server: Server,
}

pub(crate) fn run(args: &args::UveDemo) -> Result<(), Failure> {
    let teller = Teller {
        json: args.json,
        output: Output::new(args.json),
        is_over: Arc::default(),
    };
    let ends = Ends::watch()?;
    let folder = TempDir::new().map_err(Failure::work)?;
    let path = folder.path().to_owned();
    let is_over = Arc::clone(&teller.is_over);
    let stop = || is_over.store(true, Ordering::Relaxed);
    let result = ends.work("demo", move || demo(&teller, &path), stop);
    interrupt::remove(folder);
    result
}

fn demo(teller: &Teller, folder: &Path) -> Result<(), Failure> {
    let started = Instant::now();
    let site = Site::start(folder)?;
    let told = |what, machine: Option<&Machine>, version, text: &str| {
        teller.tell(what, machine.map(|machine| &*machine.vm), version, text)
    };

    let a = site.machine("vm-a")?;
    let b = site.machine("vm-b")?;
    told(
        "ready",
        None,
        None,
        &format!("VMM at {}, with vm-a and vm-b", site.url),
    )?;
    let editor = UaPackage {
        ua: "editor".parse().map_err(Failure::work)?,
        version: "1".to_owned(),
        digest: Digest::of(PACKAGE),
    };
    for machine in [&a, &b] {
        machine
            .manage
            .deploy_ua(&editor, PACKAGE)
            .map_err(Failure::work)?;
        told(
            "deployed",
            Some(machine),
            None,
            "  the VMM deploys the editor (UVE-2)",
        )?;
    }

    let ann: UserId = "ann".parse().map_err(Failure::work)?;
    site.vmm.add_user(&ann).map_err(Failure::work)?;
    let first = site.log_in(&ann, &editor, &a)?;
    told(
        "serving",
        Some(&a),
        Some(0),
        "Ann logs in; vm-a serves her, she has no image yet",
    )?;
    a.append(&first, "Chapter one. ")?;

    let teacher: UserId = "teacher".parse().map_err(Failure::work)?;
    must_refuse(
        a.vm.monitor(&first.session, &teacher),
        "an unannounced monitor",
    )?;
    told(
        "refused",
        Some(&a),
        None,
        "  somebody wants to watch: not announced, refused",
    )?;
    let notification = MonitoringNotification {
        monitor: teacher.clone(),
        session: first.session.clone(),
        seconds: None,
    };
    a.manage
        .notify_monitoring(&notification)
        .map_err(Failure::work)?;
    a.vm.monitor(&first.session, &teacher)
        .map_err(Failure::work)?;
    told(
        "monitored",
        Some(&a),
        None,
        "  announced by the VMM (UVE-2), her teacher watches",
    )?;
    a.manage
        .suspend_session(&first.session)
        .map_err(Failure::work)?;
    told(
        "suspended",
        Some(&a),
        None,
        "  the VMM suspends the session (UVE-2)",
    )?;
    a.vm.resume(&first.session).map_err(Failure::work)?;
    a.vm.unmonitor(&first.session, &teacher)
        .map_err(Failure::work)?;
    if a.manage.suspend_session(&first.session) != Err(Uve2Error::NotMonitored) {
        return Err(Failure::work("a session nobody watches was suspended"));
    }
    told(
        "resumed",
        Some(&a),
        None,
        "  she goes on; unwatched, the session cannot be suspended",
    )?;

    let second = site.select(&ann, &editor, &b)?;
    b.vm.serve(&second).map_err(Failure::work)?;
    if !matches!(
        b.vm.drive().map_err(Failure::work)?,
        Progress::Waiting { .. }
    ) {
        return Err(Failure::work("vm-b did not wait for the update of vm-a"));
    }
    told(
        "waiting",
        Some(&b),
        None,
        "Ann moves to vm-b, which waits until vm-a has updated",
    )?;
    a.vm.finish(&first.session).map_err(Failure::work)?;
    let version = a.settle(State::Idle)?;
    told(
        "saved",
        Some(&a),
        version,
        "  vm-a updates her image and erases its copy (UVE-5)",
    )?;
    b.settle(State::Serving)?;
    b.expect(&second, "Chapter one. ")?;
    told(
        "serving",
        Some(&b),
        version,
        "  vm-b has her work: \"Chapter one.\"",
    )?;

    b.append(&second, "Chapter two. ")?;
    b.vm.disconnect(&second.session).map_err(Failure::work)?;
    let version = b.settle(State::Idle)?;
    let disconnected = |event: &VmmEvent| matches!(event, VmmEvent::Disconnected { .. });
    if !site.vmm.take_events().iter().any(disconnected) {
        return Err(Failure::work("the VMM was not told of the disconnect"));
    }
    told(
        "disconnected",
        Some(&b),
        version,
        "Her connection breaks; vm-b tells the VMM, and saves what she wrote (UVE-5)",
    )?;

    let third = site.log_in(&ann, &editor, &a)?;
    a.expect(&third, "Chapter one. Chapter two. ")?;
    a.append(&third, "Chapter three, never saved. ")?;
    drop(a);
    told(
        "crashed",
        None,
        version,
        "She works on vm-a, and vm-a crashes",
    )?;
    site.clock.skip(LEASE);
    let fourth = site.log_in(&ann, &editor, &b)?;
    b.expect(&fourth, "Chapter one. Chapter two. ")?;
    told(
        "serving",
        Some(&b),
        version,
        "  its lease runs out; vm-b serves the last acknowledged version",
    )?;
    let a = site.machine("vm-a")?;
    a.settle(State::Idle)?;
    let aside = a.vm.aside().map_err(Failure::work)?;
    if aside.len() != 1 {
        return Err(Failure::work("vm-a lost what it could not save"));
    }
    told(
        "set_aside",
        Some(&a),
        None,
        "  vm-a starts again: its copy is out of date, so it is kept apart and overwrites nothing",
    )?;
    b.vm.finish(&fourth.session).map_err(Failure::work)?;
    let version = b.settle(State::Idle)?;
    let seconds = started.elapsed().as_secs_f64();
    told("done", None, version, &format!("done in {seconds:.1} s"))
}

/// The VMM, and where everything is kept.
struct Site<'f> {
    vmm: Arc<Vmm>,
    clock: Arc<DemoClock>,
    url: String,
    folder: &'f Path,
    _server: Server,
}

const VMS: [&str; 2] = ["vm-a", "vm-b"];

impl<'f> Site<'f> {
    fn start(folder: &'f Path) -> Result<Self, Failure> {
        let journal = Arc::new(journal(&folder.join("vmm"))?);
        let blobs = FileBlobs::open(folder.join("vmm/images")).map_err(Failure::work)?;
        let limit = EmbeddedDataCentre::MAX_IMAGE;
        let centre = EmbeddedDataCentre::open(journal.clone(), Arc::new(blobs), limit);
        let centre = Arc::new(centre.map_err(Failure::work)?);
        let mut config = VmmConfig::default();
        config.lease = LEASE;
        let clock = Arc::new(DemoClock::default());
        let vmm = Vmm::open(journal, centre, clock.clone(), config);
        let vmm = Arc::new(vmm.map_err(Failure::work)?);
        let mut service = Uve5Service::new(vmm.clone());
        for vm in VMS {
            let id = vm.parse().map_err(Failure::work)?;
            service = service.with_vm(id, token(folder, vm)?);
        }
        let server = service.serve(listen()?).map_err(Failure::work)?;
        Ok(Self {
            vmm,
            clock,
            url: format!("http://{}", server.address()),
            folder,
            _server: server,
        })
    }

    /// Starts a VM, with what it kept when it stopped.
    fn machine(&self, name: &str) -> Result<Machine, Failure> {
        let own = self.folder.join(name);
        let blobs = FileBlobs::open(own.join("blobs")).map_err(Failure::work)?;
        let mut config = VmConfig::default();
        config.retry = Duration::from_millis(50);
        let vm = Vm::open(
            name.parse().map_err(Failure::work)?,
            Arc::new(Uve5Client::new(&self.url, token(self.folder, name)?)),
            Arc::new(journal(&own)?),
            Arc::new(blobs),
            self.clock.clone(),
            config,
        );
        let vm = Arc::new(vm.map_err(Failure::work)?);
        let vmms = token(self.folder, &format!("the VMM at {name}"))?;
        let service = Uve2Service::new(vm.clone(), vmms.clone());
        let server = service.serve(listen()?).map_err(Failure::work)?;
        Ok(Machine {
            vm,
            manage: Uve2Client::new(&format!("http://{}", server.address()), vmms),
            _server: server,
        })
    }

    fn select(
        &self,
        user: &UserId,
        ua: &UaPackage,
        machine: &Machine,
    ) -> Result<Selection, Failure> {
        let selection = self.vmm.select(user, &ua.ua, machine.vm.id());
        selection.map_err(Failure::work)
    }

    /// Serves a user on a machine.
    fn log_in(
        &self,
        user: &UserId,
        ua: &UaPackage,
        machine: &Machine,
    ) -> Result<Selection, Failure> {
        let selection = self.select(user, ua, machine)?;
        machine.vm.serve(&selection).map_err(Failure::work)?;
        machine.settle(State::Serving)?;
        Ok(selection)
    }
}

impl Machine {
    /// Drives the VM until it is in a state; the answer is the version it saved meanwhile, if any.
    fn settle(&self, state: State) -> Result<Option<u64>, Failure> {
        let begun = Instant::now();
        let mut saved = None;
        loop {
            let progress = self.vm.drive().map_err(Failure::work)?;
            for event in self.vm.take_events() {
                if let VmEvent::Saved { version, .. } = event {
                    saved = Some(version.0);
                }
            }
            if self.vm.state() == state {
                return Ok(saved);
            }
            let Progress::Waiting { pause, error } = progress else {
                let now = self.vm.state();
                return Err(Failure::work(format!("{} is {now:?}", self.vm.id())));
            };
            if begun.elapsed() > PATIENCE {
                return Err(Failure::work(error));
            }
            thread::sleep(pause);
        }
    }

    fn append(&self, selection: &Selection, text: &str) -> Result<(), Failure> {
        let end = self
            .vm
            .image_len(&selection.session)
            .map_err(Failure::work)?;
        let written = self
            .vm
            .write_image(&selection.session, end, text.as_bytes());
        written.map_err(Failure::work)
    }

    fn expect(&self, selection: &Selection, text: &str) -> Result<(), Failure> {
        let mut octets = vec![0; text.len() + 1];
        let read = self.vm.read_image(&selection.session, 0, &mut octets);
        octets.truncate(read.map_err(Failure::work)?);
        match octets == text.as_bytes() {
            true => Ok(()),
            false => Err(Failure::work(format!(
                "{} has {:?} instead of {text:?}",
                self.vm.id(),
                String::from_utf8_lossy(&octets)
            ))),
        }
    }
}

fn listen() -> Result<TcpListener, Failure> {
    TcpListener::bind("127.0.0.1:0").map_err(Failure::work)
}

fn journal(folder: &Path) -> Result<RedbJournal, Failure> {
    create_private_directory(folder).map_err(Failure::work)?;
    let journal = RedbJournal::open(folder.join("journal.redb")).map_err(Failure::work)?;
    upgrade(&journal, uve_engine::RECORDS).map_err(Failure::work)?;
    Ok(journal)
}

/// Both sides are in this process; the name of the folder was drawn at random.
fn token(folder: &Path, name: &str) -> Result<Token, Failure> {
    let text = format!("{} {name}", folder.display());
    Token::new(&Digest::of(text.as_bytes()).to_string()).map_err(Failure::work)
}

fn must_refuse(done: Result<(), VmError>, what: &str) -> Result<(), Failure> {
    match done {
        Err(VmError::NotAuthorized(_)) => Ok(()),
        Err(error) => Err(Failure::work(error)),
        Ok(()) => Err(Failure::work(format!("{what} was let in"))),
    }
}
