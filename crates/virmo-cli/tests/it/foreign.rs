//! The program against a foreign peer, which shares no crate with it.

use std::thread;

use crate::{
    http::Images,
    peer::{Answers, Device, Reporting, Server, add_object, command, exec},
    program::{Background, events, pick, virmo},
};

#[test]
fn the_foreign_ends_understand_each_other() {
    let server = Server::bind();
    let url = server.url();
    let device = thread::spawn(move || {
        let mut device = Device::default();
        (device.session(&url), device.session(&url))
    });
    let mut packages = 0;
    server.session(|answers| {
        packages += 1;
        match packages {
            1 => vec![
                command("Add", "./VMImgMO/entvm", "node", ""),
                command("Get", "./VMImgMO/entvm/State", "", ""),
                command("Get", "./VMImgMO/no", "", ""),
                command("Exec", "./VMImgMO/entvm/Operations/Download", "", ""),
            ],
            _ => {
                assert_eq!(statuses(answers), [200, 200, 404, 202]);
                assert_eq!(answers.results[&1], "0");
                Vec::new()
            }
        }
    });
    server.session(|answers| {
        assert_eq!(answers.alerts[0].1, "./VMImgMO/entvm/Operations/Download");
        Vec::new()
    });
    assert_eq!(device.join().unwrap(), (4, 0));
}

fn statuses(answers: &Answers) -> Vec<u16> {
    answers.status.values().copied().collect()
}

/// The states of VMs, by their values.
const NOT_CREATED: u16 = 0;
const POWERED_OFF: u16 = 1;
const RUNNING: u16 = 2;
const SUSPENDED: u16 = 3;

/// How to bring a new VM into a state.
fn prelude(state: u16) -> &'static [&'static str] {
    match state {
        NOT_CREATED => &[],
        POWERED_OFF => &["CreateAndPoweroff"],
        RUNNING => &["Create"],
        _ => &["Create", "Suspend"],
    }
}

/// VR-095: the table of primitives, written down once more: the state after, or none for a
/// primitive that does not apply.
const TABLE: [(&str, [Option<u16>; 4]); 7] = [
    ("Create", [Some(RUNNING), None, None, None]),
    ("CreateAndPoweroff", [Some(POWERED_OFF), None, None, None]),
    ("Suspend", [None, None, Some(SUSPENDED), None]),
    ("Resume", [None, None, None, Some(RUNNING)]),
    ("PowerOn", [None, Some(RUNNING), None, None]),
    ("PowerOff", [None, None, Some(POWERED_OFF), None]),
    ("Delete", [None, Some(404), Some(404), Some(404)]),
];

/// The commands of one primitive on a VM.
fn primitive(vm: &str, name: &str, image: &str) -> Vec<String> {
    let node = name.strip_suffix("AndPoweroff").unwrap_or(name);
    let exec = command("Exec", &format!("{vm}/Operations/{node}"), "", "");
    if node != "Create" {
        return vec![exec];
    }
    let params = format!("ImgID={image}&Running={}", name == "Create");
    vec![
        command("Replace", &format!("{vm}/CreateParams"), "chr", &params),
        exec,
    ]
}

#[test]
fn every_primitive_in_every_state_answers_as_the_table_says() {
    let image_uri = Images::of(100_000).url;
    let server = Server::bind();
    let url = server.url();
    let device =
        thread::spawn(move || virmo(&["device", "--server", &url, "--until-idle", "--json"]));

    let mut packages = 0;
    server.session(|answers| {
        packages += 1;
        if packages > 1 {
            assert_eq!(statuses(answers), [200, 200, 200, 202]);
            return Vec::new();
        }
        vec![
            command("Add", "./VMImgMO/i", "node", ""),
            command("Replace", "./VMImgMO/i/DownloadURI", "chr", &image_uri),
            command(
                "Replace",
                "./VMImgMO/i/MediaType",
                "chr",
                "application/octet-stream",
            ),
            command("Exec", "./VMImgMO/i/Operations/Download", "", ""),
        ]
    });

    let cells: Vec<(&str, u16, Option<u16>)> = TABLE
        .iter()
        .flat_map(|(name, row)| {
            (0u16..)
                .zip(row)
                .map(|(state, after)| (*name, state, *after))
        })
        .collect();
    assert_eq!(cells.len(), 28);
    let (mut image, mut seen) = (String::new(), 0);
    let mut waiting: Option<(&str, u16, Option<u16>, usize)> = None;
    server.session(|answers| {
        if image.is_empty() {
            if answers.results.is_empty() {
                let alert = (
                    "urn:oma:at:oma-virmo:imageready:1.0",
                    "./VMImgMO/i/Operations/Download",
                );
                assert_eq!(answers.alerts, [(alert.0.to_owned(), alert.1.to_owned())]);
                return vec![command("Get", "./VMImgMO/i/ImgID", "", "")];
            }
            image = answers.results[&0].clone();
        }
        if let Some((name, state, after, at)) = waiting.take() {
            let what = format!("{name} in state {state}: {answers:?}");
            // State before, the primitive with what it needs, State after.
            assert_eq!(answers.results[&at], state.to_string(), "{what}");
            let last = statuses(answers).len() - 2;
            let exec = answers.status[&(last - 1)];
            assert_eq!(exec, if after.is_some() { 200 } else { 405 }, "{what}");
            match after {
                Some(404) => assert_eq!(answers.status[&last], 404, "{what}"),
                after => {
                    assert_eq!(
                        answers.results[&last],
                        after.unwrap_or(state).to_string(),
                        "{what}"
                    );
                }
            }
            seen += 1;
        }
        let Some((name, state, after)) = cells.get(seen).copied() else {
            return Vec::new();
        };
        let vm = format!("./VirMO/vm{seen}");
        let mut commands = vec![command("Add", &vm, "node", "")];
        for name in prelude(state) {
            commands.extend(primitive(&vm, name, &image));
        }
        waiting = Some((name, state, after, commands.len()));
        commands.push(command("Get", &format!("{vm}/State"), "", ""));
        commands.extend(primitive(&vm, name, &image));
        commands.push(command("Get", &format!("{vm}/State"), "", ""));
        // Frees the room for the next; refused for a VM that is not there any more.
        commands.push(command("Exec", &format!("{vm}/Operations/Delete"), "", ""));
        commands
    });
    assert_eq!(seen, 28);
    let output = device.join().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        events(&output)
            .iter()
            .any(|event| event["event"] == "state")
    );
}

#[test]
fn a_foreign_device_goes_through_a_plan() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.toml");
    std::fs::write(
        &plan,
        "[[step]]\ndeliver_image = { node = 'i', name = 'n', uri = 'http://127.0.0.1:1/i', media_type = 'application/octet-stream' }\n\
         [[step]]\ncreate_vm = { node = 'v', image = 'i' }\n\
         [[step]]\nsuspend = { vm = 'v' }\n[[step]]\nresume = { vm = 'v' }\n\
         [[step]]\npower_off = { vm = 'v' }\n[[step]]\npower_on = { vm = 'v' }\n\
         [[step]]\nget = './VirMO/v/State'\n[[step]]\ndelete_vm = { vm = 'v' }\n\
         [[step]]\nget = './VirMO/v/State'\nexpect = 404\n",
    )
    .unwrap();
    let plan = plan.to_str().unwrap();
    let (server, url) = Background::serve(&["--plan", plan, "--once"]);
    let mut device = Device::default();
    device
        .nodes
        .insert("./VMImgMO/i/DownloadedLocation".to_owned(), "/i".to_owned());
    assert_eq!(device.session(&url), 6);
    device.session(&url);
    let (code, events) = server.end();
    let steps: Vec<_> = events
        .iter()
        .filter(|event| event["event"] == "step")
        .collect();
    assert!(steps.iter().all(|step| step["ok"] == true), "{steps:?}");
    assert_eq!(steps.len(), 9);
    assert_eq!(steps[6]["value"], "2");
    assert_eq!(code, Some(0));
    assert!(!device.nodes.contains_key("./VirMO/v"));
}

/// Every procedure there is.
const PROCEDURES: &str = r#"
[[step]]
deliver_image = { node = "i", name = "n", uri = "http://127.0.0.1:1/i", media_type = "application/octet-stream", description = "An image" }
[[step]]
create_vm = { node = "v", image = "i", description = "A machine", resources = "RAM=1000&Storage=2000&CPU=10&Network=10" }
[[step]]
suspend = { vm = "v" }
[[step]]
resume = { vm = "v" }
[[step]]
power_off = { vm = "v" }
[[step]]
power_on = { vm = "v" }
[[step]]
apply_resources = { v = "RAM=3000&Storage=4000&CPU=20&Network=20" }
[[step]]
lock = { vm = "v" }
[[step]]
unlock = { vm = "v" }
[[step]]
disable_peripheral = { vm = "v", name = "usb" }
[[step]]
enable_peripheral = { vm = "v", name = "usb" }
[[step]]
ask_user = { vm = "v", kind = "confirm", text = "Add it?" }
[[step]]
delete_vm = { vm = "v" }
[[step]]
delete_image = { node = "i" }
"#;

/// What a device executes when a server goes through them.
const EXECUTED: [&str; 14] = [
    "./VMImgMO/i/Operations/Download",
    "./VirMO/v/Operations/Create",
    "./VirMO/v/Operations/Suspend",
    "./VirMO/v/Operations/Resume",
    "./VirMO/v/Operations/PowerOff",
    "./VirMO/v/Operations/PowerOn",
    "./VirMO/Operations/ApplyChanges",
    "./VirMO/v/DMTree/LAWMO/Operations/FullyLock",
    "./VirMO/v/DMTree/LAWMO/Operations/UnLock",
    "./VirMO/v/DMTree/DCMO/usb/Operations/Disable",
    "./VirMO/v/DMTree/DCMO/usb/Operations/Enable",
    "./VirMO/v/Operations/ExecUICmd",
    "./VirMO/v/Operations/Delete",
    "./VMImgMO/i/Operations/Delete",
];

/// Takes a foreign device through every procedure by `virmo serve`.
fn serves(device: &mut Device) {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.toml");
    std::fs::write(&plan, PROCEDURES).unwrap();
    let plan = plan.to_str().unwrap();
    let (server, url) = Background::serve(&["--plan", plan, "--once", "--strict"]);
    device.sessions(&url);
    let what = format!("{:?}, wbxml: {}", device.reporting, device.wbxml);
    let (code, events) = server.end();
    assert_eq!(code, Some(0), "{what}: {events:#?}");
    let steps = pick(&events, "step", &["ok", "status"]);
    assert_eq!(steps, ["true 200"; 14], "{what}");
    assert_eq!(device.executed, EXECUTED, "{what}");
    let left: Vec<_> = device.nodes.keys().collect();
    assert!(left.is_empty(), "{what}: {left:?}");
}

#[test]
fn foreign_devices_go_through_every_procedure_however_they_report() {
    for reporting in [
        Reporting::Usual,
        Reporting::Synchronous,
        Reporting::Alerting,
    ] {
        for wbxml in [false, true] {
            serves(&mut Device {
                reporting,
                wbxml,
                ..Device::default()
            });
        }
    }
}

/// An image without State, which the change request left optional, is there when the device says so.
#[test]
fn a_foreign_device_of_the_change_request_goes_through_every_procedure() {
    for reporting in [Reporting::Usual, Reporting::Synchronous] {
        serves(&mut Device {
            reporting,
            change_request: true,
            ..Device::default()
        });
    }
}

/// What a server does to have something done, and what tells that it is.
struct Procedure {
    before: Vec<String>,
    exec: &'static str,
    /// A leaf and its value; 404 for a leaf that is gone; after `*` a part of it.
    after: (&'static str, &'static str),
}

fn procedures(image_uri: &str) -> Vec<Procedure> {
    let new_config = |config: &str| command("Add", "./VirMO/v/Resources/NewConfig", "chr", config);
    let question = "<Alert><CmdID>1</CmdID><Data>1101</Data><Item><Data></Data></Item>\
                    <Item><Data>Add it?</Data></Item></Alert>";
    let leaf =
        |name: &str, value: &str| command("Replace", &format!("./VMImgMO/i/{name}"), "chr", value);
    let (state, lawmo, usb) = (
        "./VirMO/v/State",
        "./VirMO/v/DMTree/LAWMO/State",
        "./VirMO/v/DMTree/DCMO/usb/Enabled",
    );
    let first = [
        vec![
            command("Add", "./VMImgMO/i", "node", ""),
            leaf("Name", "n"),
            leaf("DownloadURI", image_uri),
            leaf("MediaType", "application/octet-stream"),
        ],
        vec![
            command("Add", "./VirMO/v", "node", ""),
            command(
                "Replace",
                "./VirMO/v/CreateParams",
                "chr",
                "ImgID=img-1&Running=true",
            ),
            new_config("RAM=1000000&Storage=2000000&CPU=10&Network=10"),
        ],
    ];
    let before = first.into_iter().chain([
        vec![],
        vec![],
        vec![],
        vec![],
        vec![new_config("RAM=3000000&Storage=4000000&CPU=20&Network=20")],
        vec![command("Add", "./VirMO/v/DMTree", "node", "")],
        vec![],
        vec![add_object(
            "./VirMO/v/DMTree/DCMO/usb",
            "urn:oma:mo:oma-dcmo:1.0",
        )],
        vec![],
        vec![command("Replace", "./VirMO/v/UI/Command", "xml", question)],
        vec![],
        vec![],
    ]);
    let after = [
        ("./VMImgMO/i/State", "2"),
        (state, "2"),
        (state, "3"),
        (state, "2"),
        (state, "1"),
        (state, "2"),
        (
            "./VirMO/v/Resources/CurrentConfig",
            "RAM=3000000&Storage=4000000&CPU=20&Network=20",
        ),
        (lawmo, "10"),
        (lawmo, "30"),
        (usb, "false"),
        (usb, "true"),
        ("./VirMO/v/UI/Result", "*<Data>200</Data>"),
        (state, "404"),
        ("./VMImgMO/i/State", "404"),
    ];
    before
        .zip(EXECUTED)
        .zip(after)
        .map(|((before, exec), after)| Procedure {
            before,
            exec,
            after,
        })
        .collect()
}

/// Where a server is in a procedure.
enum Phase {
    Begin,
    Executed,
    Accepted,
    Read,
}

/// Takes `virmo device` through procedures by a foreign server; how many Execs were answered 202.
fn is_served(procedures: &[Procedure], words: &[&str]) -> usize {
    let server = Server::bind();
    let url = server.url();
    let words = [
        &["device", "--server", &url, "--until-idle", "--json"],
        words,
    ]
    .concat();
    let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    let device = thread::spawn(move || {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        virmo(&words)
    });
    let (mut done, mut accepted, mut phase) = (0, 0, Phase::Begin);
    while done < procedures.len() {
        server.session(|answers| {
            let Some(Procedure {
                before,
                exec: node,
                after,
            }) = procedures.get(done)
            else {
                return Vec::new();
            };
            let what = format!("{node}: {answers:?}");
            let correlator = format!("c{done}");
            match phase {
                Phase::Begin => {}
                Phase::Executed => {
                    let statuses = statuses(answers);
                    let (last, others) = statuses.split_last().unwrap();
                    assert_eq!(others, vec![200; before.len()], "{what}");
                    if *last == 202 {
                        accepted += 1;
                        phase = Phase::Accepted;
                        return Vec::new();
                    }
                    assert_eq!(*last, 200, "{what}");
                    phase = Phase::Read;
                    return vec![command("Get", after.0, "", "")];
                }
                Phase::Accepted => {
                    assert_eq!(answers.alerts.len(), 1, "{what}");
                    assert_eq!(answers.alerts[0].1, *node, "{what}");
                    assert_eq!(answers.told[0].0, correlator, "{what}");
                    phase = Phase::Read;
                    return vec![command("Get", after.0, "", "")];
                }
                Phase::Read => {
                    let value = answers.results.get(&0).map(String::as_str);
                    match (after.1, after.1.strip_prefix('*')) {
                        ("404", _) => assert_eq!(answers.status[&0], 404, "{what}"),
                        (_, Some(part)) => assert!(value.unwrap().contains(part), "{what}"),
                        (expected, None) => assert_eq!(value, Some(expected), "{what}"),
                    }
                    done += 1;
                    phase = Phase::Begin;
                }
            }
            let Some(next) = procedures.get(done) else {
                return Vec::new();
            };
            phase = Phase::Executed;
            let mut commands = next.before.clone();
            commands.push(exec(next.exec, &format!("c{done}")));
            commands
        });
    }
    let output = device.join().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    accepted
}

#[test]
fn a_foreign_server_gets_everything_done_at_once_or_later() {
    let images = Images::of(100_000);
    for encoding in ["xml", "wbxml"] {
        let words = ["--encoding", encoding, "--ui", "accept", "--strict"];
        let mut procedures = procedures(&images.url);
        let accepted = is_served(&procedures, &words);
        assert_eq!(accepted, 1, "the download alone takes until later");
        // An Add below DMTree waits for the machine, and so short a limit ends it with 408.
        procedures.retain(|procedure| !procedure.exec.contains("/DMTree/"));
        let at_once = ["--op-timeout", "0.001"];
        let accepted = is_served(&procedures, &[&words[..], &at_once].concat());
        // What is done within the millisecond is answered with 200: on a quick disk that is most.
        assert!(accepted > 0, "{encoding}");
    }
}

/// A server of the change request that brought images knows no State of them, and looks where the
/// image is.
#[test]
fn a_foreign_server_of_the_change_request_delivers_an_image_and_deletes_it() {
    let images = Images::of(100_000);
    let location = "./VMImgMO/i/DownloadedLocation";
    let mut procedures = procedures(&images.url);
    procedures.truncate(1);
    procedures[0].after = (location, "*img-1");
    procedures.push(Procedure {
        before: Vec::new(),
        exec: "./VMImgMO/i/Operations/Delete",
        after: (location, "404"),
    });
    assert_eq!(is_served(&procedures, &[]), 1);
}
