//! `device --state` killed, crashed, failing and hanging; and started again.

use std::{fs, sync::mpsc, thread};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    http::{self, Images},
    peer::{Answers, Server, command},
    program::{Background, events, leaf, pick, virmo},
};

const READY: &str = "urn:oma:at:oma-virmo:imageready:1.0";
const DOWNLOAD: &str = "./VMImgMO/i/Operations/Download";

/// The commands that deliver an image.
fn deliver(image: &str) -> Vec<String> {
    let replace = |leaf, data| command("Replace", &format!("./VMImgMO/i/{leaf}"), "chr", data);
    vec![
        command("Add", "./VMImgMO/i", "node", ""),
        replace("DownloadURI", image),
        replace("MediaType", "application/octet-stream"),
        exec(DOWNLOAD),
    ]
}

fn exec(uri: &str) -> String {
    command("Exec", uri, "", "")
}

fn operation(name: &str) -> String {
    exec(&format!("./VirMO/v/Operations/{name}"))
}

/// The commands that put a VM beside the image, and its primitives up to a state.
fn create(primitives: &[&str]) -> Vec<String> {
    let mut commands = vec![
        command("Add", "./VirMO/v", "node", ""),
        command("Replace", "./VirMO/v/CreateParams", "chr", "ImgID=img-1"),
    ];
    commands.extend(primitives.iter().map(|name| operation(name)));
    commands
}

/// A device on a folder of its own.
struct Device {
    folder: TempDir,
    url: String,
}

impl Device {
    fn new(url: String) -> Self {
        let folder = TempDir::new().unwrap();
        Self { folder, url }
    }

    fn state(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    fn words<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        let fixed = [
            "device",
            "--server",
            &self.url,
            "--state",
            self.state(),
            "--json",
        ];
        [&fixed, words].concat()
    }

    fn run(&self, words: &[&str]) -> (Option<i32>, Vec<Value>) {
        let output = virmo(&self.words(words));
        (output.status.code(), events(&output))
    }

    fn leaf(&self, uri: &str) -> Option<String> {
        leaf(self.state(), uri)
    }
}

/// Holds one session in which the device is sent these commands; what came back.
fn send(server: &Server, commands: Vec<String>) -> Answers {
    let (mut commands, mut answers) = (Some(commands), Answers::default());
    server.session(|answered| {
        answers.alerts.extend(answered.alerts.clone());
        match commands.take() {
            Some(commands) => commands,
            None => {
                answers.status = answered.status.clone();
                answers.results = answered.results.clone();
                Vec::new()
            }
        }
    });
    answers
}

/// Runs a device to the end of its work against a server that has nothing to say but these
/// packages, one a session.
fn serve(
    device: &Device,
    server: &Server,
    words: &[&str],
    packages: Vec<Vec<String>>,
) -> (Vec<Answers>, Vec<Value>) {
    thread::scope(|scope| {
        let running = scope.spawn(|| {
            let words = [&["--until-idle"], words].concat();
            device.run(&words)
        });
        let answers = packages.into_iter().map(|it| send(server, it)).collect();
        let (code, told) = running.join().unwrap();
        assert_eq!(code, Some(0), "{told:?}");
        (answers, told)
    })
}

/// A device that has the image, and a VM brought so far by these primitives.
fn with_vm(server: &Server, primitives: &[&str]) -> Device {
    let device = Device::new(server.url());
    let image = Images::of(200_000);
    let packages = vec![deliver(&image.url), create(primitives)];
    let (answers, _) = serve(&device, server, &[], packages);
    assert!(
        answers[1].status.values().all(|code| *code == 200),
        "{answers:?}"
    );
    device
}

/// What was delivered and made is there after a kill; so is the alert nobody took.
#[test]
fn image_vm_and_alert_outlive_a_kill() {
    let server = Server::bind();
    let device = with_vm(&server, &["Create", "Suspend"]);
    let location = device.leaf("./VMImgMO/i/DownloadedLocation").unwrap();
    assert!(location.starts_with(device.state()), "{location}");
    let image = Images::of(100_000);
    let mut background = Background::start(&device.words(&[]));
    let replace = command("Replace", "./VMImgMO/i/DownloadURI", "chr", &image.url);
    send(&server, vec![replace, exec(DOWNLOAD)]);
    // It answers nothing any more.
    let queued = [("event", json!("alert")), ("delivered", json!(false))];
    background.wait_for(&queued);
    background.kill();

    assert_eq!(device.leaf("./VMImgMO/i/State").as_deref(), Some("2"));
    assert_eq!(
        device.leaf("./VMImgMO/i/DownloadedLocation"),
        Some(location.clone())
    );
    assert_eq!(std::fs::metadata(location).unwrap().len(), 100_000);
    assert_eq!(device.leaf("./VirMO/v/State").as_deref(), Some("3"));

    // At another address, which the account follows.
    let other = Server::bind();
    let device = Device {
        url: other.url(),
        ..device
    };
    let (answers, told) = serve(&device, &other, &[], vec![vec![operation("Resume")]]);
    assert_eq!(answers[0].alerts, [(READY.to_owned(), DOWNLOAD.to_owned())]);
    assert_eq!(answers[0].status[&0], 200);
    let alerts = pick(&told, "alert", &["type", "delivered"]);
    assert_eq!(alerts, [format!("{READY} true")]);
    let address = device.leaf("./DMAcc/virmo-server/AppAddr/1/Addr");
    assert_eq!(address, Some(other.url()));
}

const MIB: usize = 1 << 20;

/// A download that is killed goes on where it was safe; at most what was not is fetched twice.
#[test]
fn a_download_that_was_killed_goes_on() {
    let server = Server::bind();
    let device = Device::new(server.url());
    let image = Images::of(24 * MIB);
    image.stop_at(20 * MIB);
    let mut background = Background::start(&device.words(&[]));
    send(&server, deliver(&image.url));
    loop {
        let event = background.wait_for(&[("event", json!("download"))]);
        if event["bytes"].as_u64().unwrap() > 17 * MIB as u64 {
            break;
        }
    }
    background.kill();
    assert_eq!(device.leaf("./VMImgMO/i/State").as_deref(), Some("1"));

    image.stop_at(usize::MAX);
    let (answers, told) = serve(&device, &server, &[], vec![vec![], vec![]]);
    let alerts: Vec<_> = answers.iter().flat_map(|it| &it.alerts).collect();
    assert_eq!(alerts, [&(READY.to_owned(), DOWNLOAD.to_owned())]);
    let asked = image.asked();
    assert_eq!((asked.len(), asked[0]), (2, 0));
    assert!(asked[1] >= 16 * MIB, "{asked:?}");
    let states = pick(&told, "state", &["image", "from", "to"]);
    assert_eq!(states, ["i 1 2"]);
    let location = device.leaf("./VMImgMO/i/DownloadedLocation").unwrap();
    let bytes = std::fs::read(location).unwrap();
    let whole = http::ask("GET", &image.url, &[], b"").body;
    assert!(bytes == whole, "another file came out of it");
}

/// A file of another media type than MediaType says is no image.
#[test]
fn another_media_type_is_a_failed_download() {
    let server = Server::bind();
    let device = Device::new(server.url());
    let image = Images::of(1000);
    let mut commands = deliver(&image.url);
    commands[2] = commands[2].replace("octet-stream", "x-disk");
    let (answers, told) = serve(&device, &server, &[], vec![commands, vec![]]);
    assert_eq!(answers[0].status[&3], 202);
    assert!(answers[1].alerts.iter().all(|alert| alert.0 != READY));
    assert_eq!(pick(&told, "state", &["from", "to"]), ["0 1", "1 3"]);
    assert_eq!(device.leaf("./VMImgMO/i/DownloadedLocation"), None);
}

/// A connection that breaks costs a pause, not what has come.
#[test]
fn a_download_that_is_cut_goes_on() {
    let server = Server::bind();
    let device = Device::new(server.url());
    let image = Images::of(3 * MIB);
    image.cut_at(2 * MIB);
    let (answers, told) = serve(&device, &server, &[], vec![deliver(&image.url), vec![]]);
    assert_eq!(answers[1].alerts, [(READY.to_owned(), DOWNLOAD.to_owned())]);
    assert_eq!(image.asked(), [0, 2 * MIB]);
    assert_eq!(pick(&told, "state", &["from", "to"]), ["0 1", "1 2"]);
    let location = device.leaf("./VMImgMO/i/DownloadedLocation").unwrap();
    let whole = http::ask("GET", &image.url, &[], b"").body;
    assert!(std::fs::read(location).unwrap() == whole);
}

/// A primitive in the state it applies to.
struct Case {
    /// What its fault is called.
    fault: &'static str,
    /// The nodes of the primitives that lead there.
    before: &'static [&'static str],
    /// Its node.
    name: &'static str,
    state: &'static str,
    /// The state it leads to; none for a VM that is gone.
    after: Option<&'static str>,
}

const CASES: [Case; 6] = [
    case("create", &[], "Create", "0", Some("2")),
    case("suspend", &["Create"], "Suspend", "2", Some("3")),
    case("resume", &["Create", "Suspend"], "Resume", "3", Some("2")),
    case(
        "power_on",
        &["Create", "PowerOff"],
        "PowerOn",
        "1",
        Some("2"),
    ),
    case("power_off", &["Create"], "PowerOff", "2", Some("1")),
    case("delete", &["Create"], "Delete", "2", None),
];

const fn case(
    fault: &'static str,
    before: &'static [&'static str],
    name: &'static str,
    state: &'static str,
    after: Option<&'static str>,
) -> Case {
    Case {
        fault,
        before,
        name,
        state,
        after,
    }
}

/// A process that is cut off after the first durable effect finishes at its next start what it had
/// promised, says so, and goes on.
#[test]
fn a_crash_amid_a_primitive_is_recovered_from() {
    for case in CASES {
        let Case {
            fault,
            before,
            name,
            after,
            ..
        } = case;
        let server = Server::bind();
        let device = with_vm(&server, before);
        let (cut, told) = thread::scope(|scope| {
            let fault = format!("{fault}:crash");
            let cut = scope.spawn(move || {
                let mut told = Vec::new();
                let words = device.words(&["--fault", &fault]);
                let mut background = Background::start(&words);
                while let Some(event) = background.event() {
                    told.push(event);
                }
                assert_eq!(background.end().0, None, "{fault} crashes");
                let next = scope.spawn(move || {
                    let (code, told) = device.run(&["--until-idle"]);
                    assert_eq!(code, Some(0), "{told:?}");
                    (device, told)
                });
                (told, next)
            });
            // The device vanishes with its answer; the session goes on with the next process.
            let mut packages = vec![vec![operation(name)]].into_iter();
            server.session(|_| packages.next().unwrap_or_default());
            let (told, next) = cut.join().unwrap();
            assert_eq!(pick(&told, "recovered", &["vm"]), [""; 0]);
            next.join().unwrap()
        });
        let recovered = pick(&told, "recovered", &["vm", "intent", "outcome"]);
        assert_eq!(recovered, [format!("v {name} finished")], "{fault}");
        assert_eq!(cut.leaf("./VirMO/v/State").as_deref(), after, "{fault}");
        let (next, code) = match after {
            Some("1") => ("PowerOn", 200),
            Some("3") => ("Resume", 200),
            Some(_) => ("Suspend", 200),
            None => ("Create", 404),
        };
        let (answers, _) = serve(&cut, &server, &[], vec![vec![operation(next)]]);
        assert_eq!(answers[0].status[&0], code, "{fault}");
    }
}

#[test]
fn a_crash_amid_a_download_is_recovered_from() {
    let server = Server::bind();
    let device = Device::new(server.url());
    let image = Images::of(200_000);
    thread::scope(|scope| {
        let words = device.words(&["--fault", "download:crash"]);
        let crashed = scope.spawn(move || Background::start(&words).end().0);
        send(&server, deliver(&image.url));
        assert_eq!(crashed.join().unwrap(), None);
    });
    assert_eq!(device.leaf("./VMImgMO/i/State").as_deref(), Some("1"));
    let (answers, _) = serve(&device, &server, &[], vec![vec![], vec![]]);
    let alerts: Vec<_> = answers.iter().flat_map(|it| &it.alerts).collect();
    assert_eq!(alerts, [&(READY.to_owned(), DOWNLOAD.to_owned())]);
    assert_eq!(device.leaf("./VMImgMO/i/State").as_deref(), Some("2"));
}

/// A primitive that fails leaves the state as it was, and the next attempt works: the fault shows
/// once a start.
#[test]
fn a_failure_keeps_the_state() {
    for case in CASES {
        let Case {
            fault,
            before,
            name,
            state,
            after,
        } = case;
        let server = Server::bind();
        let device = with_vm(&server, before);
        let get = || command("Get", "./VirMO/v/State", "", "");
        let commands = vec![operation(name), get(), operation(name), get()];
        let fault = format!("{fault}:fail");
        let (answers, told) = serve(&device, &server, &["--fault", &fault], vec![commands]);
        let codes: Vec<_> = answers[0].status.values().copied().collect();
        let last = if after.is_some() { 200 } else { 404 };
        assert_eq!(codes, [500, 200, 200, last], "{fault}");
        assert_eq!(answers[0].results[&1], state, "{fault}");
        assert_eq!(answers[0].results.get(&3).map(String::as_str), after);
        let [failed] = &pick(&told, "error", &["message"])[..] else {
            panic!("{told:?}")
        };
        assert!(
            failed.contains(&format!("{name} of VM v failed")),
            "{failed}"
        );
    }
}

/// A download that fails is State 3, has no Image Ready Alert, and can be tried again.
#[test]
fn a_download_that_fails_can_be_tried_again() {
    let server = Server::bind();
    let device = Device::new(server.url());
    let image = Images::of(200_000);
    let get = command("Get", "./VMImgMO/i/State", "", "");
    let packages = vec![deliver(&image.url), vec![get, exec(DOWNLOAD)], vec![]];
    let words = ["--fault", "download:fail"];
    let (answers, told) = serve(&device, &server, &words, packages);
    assert_eq!(answers[0].status[&3], 202);
    assert_eq!(answers[1].results[&0], "3");
    let source = |type_: &str| (type_.to_owned(), DOWNLOAD.to_owned());
    let failed = source("Reversed-Domain-Name: io.github.virmo.result");
    assert_eq!(answers[1].alerts, [failed]);
    assert_eq!(answers[2].alerts, [source(READY)]);
    let states = pick(&told, "state", &["from", "to"]);
    assert_eq!(states, ["0 1", "1 3", "3 1", "1 2"]);
}

/// What never answers is answered with 202, refuses others meanwhile, and has failed at its
/// deadline; the next start puts it right.
#[test]
fn a_primitive_that_hangs_is_answered_all_the_same() {
    thread::scope(|scope| {
        for case in CASES {
            scope.spawn(move || hang(&case));
        }
    });
}

fn hang(case: &Case) {
    let Case {
        fault,
        before,
        name,
        state,
        ..
    } = *case;
    let server = Server::bind();
    let device = with_vm(&server, before);
    let get = || command("Get", "./VirMO/v/State", "", "");
    let first = vec![operation(name), operation(name), get()];
    let fault = format!("{fault}:hang");
    let limits = ["--op-timeout", "0.2", "--op-deadline", "3"];
    let words = [&["--fault", &fault], &limits[..]].concat();
    let (answers, told) = serve(&device, &server, &words, vec![first, vec![get()]]);
    let codes: Vec<_> = answers[0].status.values().copied().collect();
    assert_eq!(codes, [202, 405, 200], "{fault}");
    assert_eq!(answers[0].results[&2], state, "{fault}");
    assert_eq!(answers[1].alerts.len(), 1, "{fault}");
    assert_eq!(answers[1].results[&0], state, "{fault}");
    let delivered = pick(&told, "alert", &["source", "delivered"]);
    let expected = format!("./VirMO/v/Operations/{name} true");
    assert_eq!(delivered.last(), Some(&expected));
    // It had begun, and was reported as failed: it is undone.
    let (_, told) = serve(&device, &server, &[], vec![vec![]]);
    let recovered = pick(&told, "recovered", &["intent"]);
    assert_eq!(recovered, [name], "{fault}");
    let left = device.leaf("./VirMO/v/State");
    assert_eq!(left.as_deref(), Some(state), "{fault}");
}

/// Resources are all changed or none, also when the process is cut off in between.
#[test]
fn a_change_of_resources_is_whole_whatever_happens() {
    let config = "RAM=536870912&amp;Storage=1073741824&amp;CPU=20&amp;Network=20";
    let want = config.replace("&amp;", "&");
    let apply = || {
        vec![
            command("Add", "./VirMO/v/Resources/NewConfig", "chr", &want),
            exec("./VirMO/Operations/ApplyChanges"),
        ]
    };
    let current = "./VirMO/v/Resources/CurrentConfig";
    let before = "RAM=268435456&Storage=1073741824&CPU=10&Network=10";
    let server = Server::bind();
    let device = with_vm(&server, &["Create"]);
    let words = ["--fault", "apply:fail"];
    let (answers, _) = serve(&device, &server, &words, vec![apply()]);
    assert_eq!(answers[0].status[&1], 500);
    assert_eq!(device.leaf(current).as_deref(), Some(before));
    let retry = vec![exec("./VirMO/Operations/ApplyChanges")];
    let (answers, _) = serve(&device, &server, &[], vec![retry]);
    assert_eq!(answers[0].status[&0], 200);
    assert_eq!(device.leaf(current).as_deref(), Some(want.as_str()));

    let device = with_vm(&server, &["Create"]);
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let device = &device;
        scope.spawn(move || {
            let words = device.words(&["--fault", "apply:crash"]);
            assert_eq!(Background::start(&words).end().0, None);
            tell.send(device.run(&["--until-idle"])).unwrap();
        });
        let mut packages = vec![apply()].into_iter();
        server.session(|_| packages.next().unwrap_or_default());
        let (code, told) = told.recv().unwrap();
        assert_eq!(code, Some(0));
        let recovered = pick(&told, "recovered", &["vm", "intent", "outcome"]);
        assert_eq!(recovered, ["null ApplyChanges finished"]);
    });
    assert_eq!(device.leaf(current).as_deref(), Some(want.as_str()));
}

/// The faults of a plan's steps, and the steps.
const LIFE: [(&str, &str); 9] = [
    (
        "download",
        "deliver_image = { node = 'i', name = 'i', uri = '/images/i', media_type = 'application/octet-stream' }",
    ),
    ("create", "create_vm = { node = 'v', image = 'i' }"),
    ("suspend", "suspend = { vm = 'v' }"),
    ("resume", "resume = { vm = 'v' }"),
    ("power_off", "power_off = { vm = 'v' }"),
    ("power_on", "power_on = { vm = 'v' }"),
    (
        "apply",
        "apply_resources = { v = 'RAM=536870912&Storage=1073741824&CPU=20&Network=20' }",
    ),
    ("delete", "delete_vm = { vm = 'v' }"),
    ("", "delete_image = { node = 'i' }"),
];

/// Every operation of a plan is cut off on the device: each step ends with the status of the
/// operation that the next start finished.
fn life(cut: impl Fn(&Device, &str)) {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let step = |(_, action)| format!("[[step]]\n{action}\nexpect = 200\nstop = true\n");
    std::fs::write(path("plan.toml"), LIFE.map(step).concat()).unwrap();
    std::fs::write(path("i"), vec![7; 200_000]).unwrap();
    let words = [
        "--plan",
        &path("plan.toml"),
        "--images",
        &path(""),
        "--once",
    ];
    let (server, url) = Background::serve(&words);
    let device = Device::new(url);
    for (fault, _) in LIFE.iter().filter(|(fault, _)| !fault.is_empty()) {
        cut(&device, fault);
    }
    let (code, told) = device.run(&["--until-idle"]);
    assert_eq!(code, Some(0), "{told:?}");
    let (code, told) = server.end();
    let steps = pick(&told, "step", &["index", "ok", "status"]);
    let expected: Vec<_> = (0..LIFE.len()).map(|it| format!("{it} true 200")).collect();
    assert_eq!((code, steps), (Some(0), expected));
}

#[test]
fn a_plan_survives_a_crash_amid_every_operation() {
    life(|device, fault| {
        let (code, told) = device.run(&["--until-idle", "--fault", &format!("{fault}:crash")]);
        assert_eq!(code, None, "{fault}: {told:?}");
    });
}

/// Killed when the operation was accepted and nothing came of it yet.
#[test]
fn a_plan_survives_a_kill_amid_every_operation() {
    life(|device, fault| {
        let fault = format!("{fault}:hang");
        let words = ["--until-idle", "--op-timeout", "0.05", "--fault", &fault];
        let mut background = Background::start(&device.words(&words));
        background.wait_for(&[("event", json!("session"))]);
        background.kill();
    });
}

/// A damaged journal is kept under another name, and its machine and the file of its image are not
/// lost: they are told to the server once and left alone, until the device may adopt them.
#[test]
fn a_damaged_journal_is_set_aside_and_its_machine_adopted() {
    const UNKNOWN: &str = "Reversed-Domain-Name: io.github.virmo.unknown";
    let server = Server::bind();
    let device = with_vm(&server, &["Create", "Suspend"]);
    let path = device.folder.path().join("device.redb");
    let damaged = vec![0x55; 5000];
    fs::write(&path, &damaged).unwrap();
    let complaints = |told: &[Value]| {
        let told = pick(told, "error", &["message"]).into_iter();
        told.filter(|it| it.contains("set aside")).count()
    };

    let (answers, told) = serve(&device, &server, &[], vec![Vec::new()]);
    assert_eq!(complaints(&told), 1, "{told:?}");
    let aside = device.folder.path().join("device.redb.damaged-1");
    assert_eq!(fs::read(aside).unwrap(), damaged);
    let alerts = ["./VMImgMO", "./VirMO"].map(|root| (UNKNOWN.to_owned(), root.to_owned()));
    assert_eq!(answers[0].alerts, alerts);
    assert_eq!(device.leaf("./VirMO/vm-1"), None);

    let adopt = ["--unknown-machines", "adopt"];
    let packages = vec![vec![exec("./VirMO/vm-1/Operations/Resume")]];
    let (answers, told) = serve(&device, &server, &adopt, packages);
    assert_eq!(complaints(&told), 0, "{told:?}");
    assert!(
        answers[0].status.values().all(|code| *code == 200),
        "{answers:?}"
    );
    assert_eq!(device.leaf("./VirMO/vm-1/State").as_deref(), Some("2"));
    assert_eq!(device.leaf("./VirMO/vm-1/VMID").as_deref(), Some("vm-1"));
}
