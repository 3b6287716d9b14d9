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
use omadm_http::Files;
use omadm_mo::DevInfo;
use omadm_server::{Event, EventKind};
use omadm_store::{FileSink, RedbJournal};
use omadm_testkit::{
    DEVICE_ID, Points, SERVER_ID, Trouble, TroubledHypervisor, TroubledJournal, TroubledSink,
    encoding,
};
use virmo_hypervisor::Hypervisor;
use virmo_runtime::{Device, Server, Until};
use virmo_simulator::Simulator;

use crate::{
    planted::IMAGE_READY,
    scenarios::life,
    trial::{Tally, stride},
    world::{halving, image, scratch},
};

/// What a child is told: its folder, its server, and at which call it ends, and how.
const CHILD: &str = "CRASH_CHILD";

/// What a child says in the end, before how many calls it made.
const CALLS: &str = "calls: ";

/// Where [`CHILD`] is read.
const NAME: &str = "process::an_abort_at_any_call_loses_nothing";

/// A process is aborted before, amid or after each of its calls in the life of a VM, and started
/// again. The server does all it wants to, once, and nothing is left.
#[test]
fn an_abort_at_any_call_loses_nothing() {
    if let Ok(told) = env::var(CHILD) {
        return child(&told);
    }
    let (stride, mut at) = (stride(11), 0);
    let mut tally = Tally::default();
    let (calls, broken) = trial(None);
    assert!(broken.is_empty(), "{broken:?}");
    for call in 0..calls.expect("it ends by itself") {
        for (number, crash) in Trouble::CRASHES.into_iter().enumerate() {
            at += 1;
            if at % stride != 0 {
                continue;
            }
            match trial(Some((call, number))) {
                (None, broken) => tally.note(&format!("{crash:?} at {call}"), broken),
                // Where nothing changes there is no crash.
                (Some(_), broken) => assert!(broken.is_empty(), "{broken:?}"),
            }
        }
    }
    tally.judge("aborts", LEAST / stride);
}

/// How many there are at least.
const LEAST: usize = 60;

/// How many calls the process made, unless it was aborted, and what is wrong in the end.
fn trial(end: Option<(usize, usize)>) -> (Option<usize>, Vec<String>) {
    let folder = scratch();
    let images = folder.path().join("shelf");
    fs::create_dir(&images).unwrap();
    fs::write(images.join("i"), image()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let image = format!("http://{}/images/i", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    let server = Server::builder()
        .files(Files::new(&images))
        .programme(move |_, _| life(&image))
        .observer(move |event| drop(tell.send(event)))
        .start(listener)
        .unwrap();
    let url = server.url();
    let first = run(folder.path(), &url, end);
    let mut found = Vec::new();
    if let (None, Some(code)) = (first.0, first.1.code()) {
        found.push(format!("it ended with {code}"));
    }
    let (mut events, wanted) = (Vec::new(), life("").len());
    for _ in 0..5 {
        events.extend(told.try_iter());
        if finished(&events) < wanted
            && let (None, status) = run(folder.path(), &url, None)
        {
            found.push(format!("started again, it ended with {status}"));
        }
    }
    drop(server);
    events.extend(Receiver::try_iter(&told));
    found.extend(judge(&events, wanted, folder.path()));
    (first.0, found)
}

fn finished(events: &[Event]) -> usize {
    let is_over = |event: &&Event| matches!(event.kind, EventKind::ProcedureFinished { .. });
    events.iter().filter(is_over).count()
}

/// What is wrong when all is done and deleted.
fn judge(events: &[Event], wanted: usize, folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut ready = 0;
    for event in events {
        match &event.kind {
            EventKind::ProcedureFinished { report, .. } if !report.ok => {
                found.push(format!("told {report:?}"));
            }
            EventKind::Alert { alert, .. } => {
                ready += usize::from(alert.alert_type == IMAGE_READY);
            }
            _ => {}
        }
    }
    let done = finished(events);
    if done != wanted {
        found.push(format!("{done} of {wanted} procedures ended"));
    }
    if ready > 1 {
        found.push(format!("the image was told to be ready {ready} times"));
    }
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
