//! The program against a foreign peer, which shares no crate with it.

use std::thread;

use crate::{
    http::Images,
    peer::{Answers, Device, Server, command},
    program::{Background, events, virmo},
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
    assert_eq!(device.session(&url), 5);
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
