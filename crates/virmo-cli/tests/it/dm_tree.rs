//! Device management of a VM below its DMTree, between two processes over HTTP.

use std::fs;

use tempfile::TempDir;

use crate::program::{Background, complaint, events, leaf, pick, virmo};

const PLAN: &str = r#"
[[step]]
deliver_image = { node = "i", name = "i", uri = "images/i.img", media_type = "application/octet-stream" }
[[step]]
create_vm = { node = "v", image = "i" }
[[step]]
exec = "./VirMO/v/DMTree/LAWMO/Operations/FullyLock"
expect = 404
[[step]]
add = { uri = "./VirMO/v/DMTree", format = "node" }
[[step]]
get = "./VirMO/v/DMTree/LAWMO/State"
[[step]]
add = { uri = "./VirMO/v/DMTree/DCMO/camera", format = "node", type = "urn:oma:mo:oma-dcmo:1.0" }
[[step]]
exec = "./VirMO/v/DMTree/LAWMO/Operations/FullyLock"
[[step]]
get = "./VirMO/v/DMTree/LAWMO/State"
[[step]]
exec = "./VirMO/v/DMTree/DCMO/camera/Operations/Disable"
[[step]]
get = "./VirMO/v/DMTree/DCMO/camera/Enabled"
[[step]]
add = { uri = "./VirMO/v/DMTree/DCMO/robot", format = "node", type = "urn:oma:mo:oma-dcmo:1.0" }
expect = 406
[[step]]
suspend = { vm = "v" }
[[step]]
resume = { vm = "v" }
[[step]]
delete = "./VirMO/v/DMTree"
expect = 405
"#;

/// The device of the plan, after a restart.
const LATER: &str = r#"
[[step]]
get = "./VirMO/v/DMTree/LAWMO/State"
[[step]]
exec = "./VirMO/v/DMTree/DCMO/camera/Operations/Enable"
[[step]]
exec = "./VirMO/v/DMTree/LAWMO/Operations/UnLock"
[[step]]
get = "./VirMO/v/DMTree/DCMO/camera/Enabled"
[[step]]
get = "./VirMO/v/DMTree/LAWMO/State"
[[step]]
delete_vm = { vm = "v" }
[[step]]
get = "./VirMO/v/DMTree"
expect = 404
"#;

/// The same in the words of a plan: the procedures of `virmo-server`.
const STEPS: &str = r#"
[[step]]
deliver_image = { node = "i", name = "i", uri = "images/i.img", media_type = "application/octet-stream" }
[[step]]
lock = { vm = "v" }
expect = 404
[[step]]
create_vm = { node = "v", image = "i" }
[[step]]
lock = { vm = "v" }
[[step]]
get = "./VirMO/v/DMTree/LAWMO/State"
[[step]]
lock = { vm = "v" }
[[step]]
disable_peripheral = { vm = "v", name = "camera" }
[[step]]
get = "./VirMO/v/DMTree/DCMO/camera/Enabled"
[[step]]
suspend = { vm = "v" }
[[step]]
unlock = { vm = "v" }
[[step]]
enable_peripheral = { vm = "v", name = "camera" }
[[step]]
enable_peripheral = { vm = "v", name = "robot" }
expect = 406
[[step]]
get = "./VirMO/v/DMTree?list=StructData"
"#;

fn run(folder: &TempDir, plan: &str, encoding: &str) -> Vec<String> {
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("plan.toml"), plan).unwrap();
    let (server, url) = Background::serve(&[
        "--plan",
        &path("plan.toml"),
        "--images",
        &path("images"),
        "--once",
    ]);
    let device = virmo(&[
        "device",
        "--server",
        &url,
        "--state",
        &path("state"),
        "--encoding",
        encoding,
        "--until-idle",
        "--json",
    ]);
    assert_eq!(device.status.code(), Some(0), "{device:?}");
    assert_eq!(complaint(&device), "");
    let sessions = pick(&events(&device), "session", &["result"]);
    assert!(sessions.iter().all(|result| result == "completed"));
    let (code, told) = server.end();
    assert_eq!(code, Some(0), "{told:?}");
    pick(&told, "step", &["index", "ok", "status", "value"])
}

/// What the record of the one machine says of it.
fn machine(folder: &TempDir) -> serde_json::Value {
    let machines = folder.path().join("state");
    let mut open = vec![machines];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(at).unwrap().map(Result::unwrap) {
            if entry.file_name() == "machine.json" {
                return serde_json::from_slice(&fs::read(entry.path()).unwrap()).unwrap();
            }
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
        }
    }
    panic!("no machine");
}

fn goes_through(encoding: &str) {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("images")).unwrap();
    fs::write(folder.path().join("images/i.img"), vec![7; 1000]).unwrap();
    assert_eq!(
        run(&folder, PLAN, encoding),
        [
            "0 true 200 null",
            "1 true 200 null",
            "2 true 404 null",
            "3 true 200 null",
            "4 true 200 30",
            "5 true 200 null",
            "6 true 200 null",
            "7 true 200 10",
            "8 true 200 null",
            "9 true 200 false",
            "10 true 406 null",
            "11 true 200 null",
            "12 true 200 null",
            "13 true 405 null",
        ]
    );
    let record = machine(&folder).to_string();
    assert!(record.contains(r#""locked":true"#), "{record}");
    assert!(record.contains(r#""disabled":["camera"]"#), "{record}");

    let state = folder.path().join("state").to_str().unwrap().to_owned();
    let lock = leaf(&state, "./VirMO/v/DMTree/LAWMO/State");
    assert_eq!(lock.as_deref(), Some("10"));
    let shown = virmo(&["tree", "--state", &state, "./VirMO/v/DMTree"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    for line in [
        "./VirMO/v/DMTree/DCMO/camera/Enabled = false",
        "./VirMO/v/DMTree/LAWMO/Operations/UnLock",
    ] {
        assert!(
            shown.lines().any(|shown| shown.starts_with(line)),
            "{shown}"
        );
    }

    assert_eq!(
        run(&folder, LATER, encoding),
        [
            "0 true 200 10",
            "1 true 200 null",
            "2 true 200 null",
            "3 true 200 true",
            "4 true 200 30",
            "5 true 200 null",
            "6 true 404 null",
        ]
    );
}

/// VR-029, VR-035, VR-036, VR-107, VR-221, VR-223, VR-227 (HLF-06, HLF-12, HLF-13): a server adds the
/// DM tree of a VM, locks the VM and takes its camera away; the device restarts, and all of it is
/// still so.
#[test]
fn a_vm_is_locked_and_its_camera_taken_away() {
    goes_through("xml");
}

#[test]
fn a_vm_is_locked_and_its_camera_taken_away_over_wbxml() {
    goes_through("wbxml");
}

/// VR-221 to VR-227: a plan locks and switches without a word about the objects that do it, what is
/// so already stays, and what a VM cannot have is refused with the reason.
#[test]
fn a_plan_locks_a_vm_and_switches_its_peripherals() {
    for encoding in ["xml", "wbxml"] {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("images")).unwrap();
        fs::write(folder.path().join("images/i.img"), vec![7; 1000]).unwrap();
        let mut steps = run(&folder, STEPS, encoding);
        let last = steps.pop();
        assert_eq!(last.as_deref(), Some("12 true 200 null"));
        assert_eq!(
            steps,
            [
                "0 true 200 null",
                "1 true 404 null",
                "2 true 200 null",
                "3 true 200 10",
                "4 true 200 10",
                "5 true 200 10",
                "6 true 200 false",
                "7 true 200 false",
                "8 true 200 null",
                "9 true 200 30",
                "10 true 200 true",
                "11 true 406 null",
            ]
        );
    }
}
