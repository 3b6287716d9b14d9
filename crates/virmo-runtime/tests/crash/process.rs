//! The device as it is run, on a disk, in a process of its own that really ends.

use std::{
    env, fs,
    net::TcpListener,
    path::Path,
    process::{Command, ExitStatus},
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    time::Duration,
};

use omadm_client::Config;
use omadm_core::GenericAlert;
use omadm_download::Sink;
use omadm_http::Files;
use omadm_mo::DevInfo;
use omadm_server::{Event, EventKind};
use omadm_store::{FileSink, RedbJournal};
use omadm_testkit::{
    DEVICE_ID, Facts, Invariants, Points, SERVER_ID, Trouble, TroubledHypervisor, TroubledJournal,
    TroubledSink, encoding,
};
use omadm_tree::{Acl, Tree, TreeLimits};
use virmo_hypervisor::Hypervisor;
use virmo_runtime::{Device, Server, Until};
use virmo_simulator::Simulator;

use crate::{
    planted::IMAGE_READY,
    scenarios::{applied, death, life},
    trial::{Tally, stride},
    world::{halving, image, scratch},
};

/// What a child is told: its folder, its server, and at which call it ends, and how.
const CHILD: &str = "CRASH_CHILD";

/// What a child says in the end, before how many calls it made.
const CALLS: &str = "calls: ";

/// Where [`CHILD`] is read.
const NAME: &str = "process::an_abort_at_any_call_loses_nothing";

/// A process is aborted before, amid or after each of its calls in the life and the death of VMs,
/// and started again. The server does all it wants to, once; what is there in between is what it was
/// told, and nothing is left.
#[test]
fn an_abort_at_any_call_loses_nothing() {
    if let Ok(told) = env::var(CHILD) {
        return child(&told);
    }
    let (stride, mut at) = (stride(11), 0);
    let mut tally = Tally::default();
    let (calls, broken) = trial(None);
    assert!(broken.is_empty(), "{broken:?}");
    for (part, calls) in calls.into_iter().enumerate() {
        for call in 0..calls.expect("it ends by itself") {
            for (number, crash) in Trouble::CRASHES.into_iter().enumerate() {
                at += 1;
                if at % stride != 0 {
                    continue;
                }
                let (calls, broken) = trial(Some((part, call, number)));
                match calls.contains(&None) {
                    true => tally.note(&format!("{crash:?} at {call} of part {part}"), broken),
                    // Where nothing changes there is no crash.
                    false => assert!(broken.is_empty(), "{broken:?}"),
                }
            }
        }
    }
    tally.judge("aborts", LEAST / stride);
}

/// How many there are at least.
const LEAST: usize = 150;

/// How many calls the process made in each part, unless it was aborted, and what was wrong.
fn trial(end: Option<(usize, usize, usize)>) -> ([Option<usize>; 2], Vec<String>) {
    let folder = scratch();
    let images = folder.path().join("shelf");
    fs::create_dir(&images).unwrap();
    fs::write(images.join("i"), image()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let image = format!("http://{}/images/i", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    let server = Server::builder()
        .files(Files::new(&images))
        .observer(move |event| drop(tell.send(event)))
        .start(listener)
        .unwrap();
    let url = server.url();
    let (mut calls, mut found) = ([None; 2], Vec::new());
    let (mut events, mut wanted) = (Vec::new(), 0);
    for (part, programme) in [life(&image), death()].into_iter().enumerate() {
        wanted += programme.len();
        for procedure in programme {
            server.enqueue(DEVICE_ID, procedure).unwrap();
        }
        let here = end.filter(|end| end.0 == part);
        let here = here.map(|(_, call, crash)| (call, crash));
        let (mut last, status) = run(folder.path(), &url, here);
        if let (None, Some(code)) = (last, status.code()) {
            found.push(format!("it ended with {code}"));
        }
        if let Some(calls) = calls.get_mut(part) {
            *calls = last;
        }
        for _ in 0..5 {
            events.extend(told.try_iter());
            if last.is_some() && finished(&events) >= wanted {
                break;
            }
            let status;
            (last, status) = run(folder.path(), &url, None);
            if last.is_none() {
                found.push(format!("started again, it ended with {status}"));
            }
        }
        events.extend(Receiver::try_iter(&told));
        found.extend(judge(&events, wanted));
        found.extend(match part {
            0 => standing(&events, folder.path(), &image),
            _ => left(folder.path()),
        });
    }
    (calls, found)
}

fn finished(events: &[Event]) -> usize {
    let is_over = |event: &&Event| matches!(event.kind, EventKind::ProcedureFinished { .. });
    events.iter().filter(is_over).count()
}

fn alerts(events: &[Event]) -> impl Iterator<Item = &GenericAlert> {
    events.iter().filter_map(|event| match &event.kind {
        EventKind::Alert { alert, .. } => Some(alert),
        _ => None,
    })
}

/// What is wrong with what the server was told.
fn judge(events: &[Event], wanted: usize) -> Vec<String> {
    let mut found = Vec::new();
    for event in events {
        if let EventKind::ProcedureFinished { report, .. } = &event.kind
            && !report.ok
        {
            found.push(format!("told {report:?}"));
        }
    }
    let done = finished(events);
    if done != wanted {
        found.push(format!("{done} of {wanted} procedures ended"));
    }
    let ready = alerts(events).filter(|alert| alert.alert_type == IMAGE_READY);
    let ready = ready.count();
    if ready != 1 {
        found.push(format!("the image was told to be ready {ready} times"));
    }
    found
}

/// What is wrong with what is in the folder at the end of a [`life`].
fn standing(events: &[Event], folder: &Path, uri: &str) -> Vec<String> {
    let simulator = Simulator::open(folder.join("machines")).unwrap();
    let journal = RedbJournal::open(folder.join("device.redb")).unwrap();
    let sink = FileSink::open(folder.join("images")).unwrap();
    let tree = Tree::load(&journal, TreeLimits::default(), Acl::root_default()).unwrap();
    let facts = Facts {
        tree: &tree,
        journal: &journal,
        hypervisor: &simulator,
        sink: &sink,
    };
    let mut invariants = Invariants::new([(uri, image())]);
    for alert in alerts(events) {
        invariants.delivered(alert);
        invariants.told(alert);
    }
    let [_, after] = applied();
    let mut found = invariants.check(facts);
    found.extend(Invariants::check_whole(facts, &after, &after));
    let machines = simulator.list().unwrap();
    let mut found: Vec<_> = found.iter().map(|it| format!("{it:?}")).collect();
    if (machines.len(), sink.keys().unwrap().len()) != (after.len(), 1) {
        found.push(format!("there: {machines:?}, {:?}", sink.keys()));
    }
    found
}

/// What is left when all is deleted.
fn left(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let simulator = Simulator::open(folder.join("machines")).unwrap();
    let machines = simulator.list().unwrap();
    if !machines.is_empty() {
        found.push(format!("left: {machines:?}"));
    }
    let files = fs::read_dir(folder.join("images")).unwrap();
    let files: Vec<_> = files.map(|entry| entry.unwrap().file_name()).collect();
    let files: Vec<_> = files.iter().filter(|name| *name != "lock").collect();
    if !files.is_empty() {
        found.push(format!("left: {files:?}"));
    }
    found
}

/// Runs a device in this folder until it is idle, or aborts; how many calls it made if it did not.
fn run(folder: &Path, url: &str, end: Option<(usize, usize)>) -> (Option<usize>, ExitStatus) {
    let (call, crash) = end.unwrap_or((usize::MAX, 0));
    let told = format!("{}\n{url}\n{call}\n{crash}", folder.display());
    let output = Command::new(env::current_exe().unwrap())
        .args([NAME, "--exact", "--nocapture"])
        .env(CHILD, told)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let calls = text.lines().find_map(|line| line.strip_prefix(CALLS));
    (calls.map(|calls| calls.parse().unwrap()), output.status)
}

/// The device of a child process.
fn child(told: &str) {
    let mut told = told.lines();
    let mut next = || told.next().unwrap();
    let (folder, url) = (Path::new(next()), next());
    let (call, crash) = (next().parse::<usize>(), next().parse::<usize>());
    let points = Points::default();
    points.abort_on_crash();
    let crash = Trouble::CRASHES.get(crash.unwrap()).unwrap();
    points.plan(call.unwrap(), *crash);

    let simulator = Arc::new(Simulator::open(folder.join("machines")).unwrap());
    let hypervisor = TroubledHypervisor::new(simulator.clone(), &points, halving(simulator));
    let journal = RedbJournal::open(folder.join("device.redb")).unwrap();
    let sink = FileSink::open(folder.join("images")).unwrap();
    let info = DevInfo {
        dev_id: DEVICE_ID.into(),
        man: "Example".into(),
        model: "One".into(),
        dmv: "1.0".into(),
        lang: "en".into(),
    };
    let mut config = Config::new(SERVER_ID.parse().unwrap(), url);
    config.encoding = encoding();
    config.transport_retry.first = Duration::from_millis(5);
    config.alert_retry.first = Duration::from_millis(5);
    let mut device = Device::builder(Arc::new(hypervisor), config, info)
        .journal(Arc::new(TroubledJournal::new(Arc::new(journal), &points)))
        .sink(Arc::new(TroubledSink::new(Arc::new(sink), &points)))
        .build()
        .unwrap();
    device.run(Until::Idle).unwrap();
    println!("\n{CALLS}{}", points.calls());
}
