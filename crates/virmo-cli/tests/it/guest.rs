//! A VM whose guest is managed through the device, by raw plans over HTTP.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{Background, virmo};

const PLAN: &str = r#"
[[step]]
deliver_image = { node = "i", name = "i", uri = "images/i.img", media_type = "application/x-disk" }
[[step]]
create_vm = { node = "v", image = "i", resources = "RAM=16777216&Storage=4194304&CPU=25&Network=25" }
[[step]]
add = { uri = "./VirMO/v/DMTree", format = "node" }
[[step]]
add = { uri = "./VirMO/v/DMTree/Settings", format = "node" }
[[step]]
add = { uri = "./VirMO/v/DMTree/Settings/volume", value = "7", format = "int" }
[[step]]
get = "./VirMO/v/DMTree/Settings/volume"
[[step]]
add = { uri = "./VirMO/v/DMTree/Settings/ring", format = "null" }
[[step]]
exec = "./VirMO/v/DMTree/Settings/ring"
[[step]]
suspend = { vm = "v" }
[[step]]
exec = "./VirMO/v/DMTree/Settings/ring"
expect = 405
[[step]]
get = "./VirMO/v/DMTree/Settings/volume"
"#;

/// Runs a plan on a device whose state is in `place`, until it has nothing left to do.
fn run(plan: &str, place: &TempDir, encoding: &str) -> Background {
    run_in("approved", plan, place, encoding)
}

fn run_in(profile: &str, plan: &str, place: &TempDir, encoding: &str) -> Background {
    let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("plan.toml"), plan).unwrap();
    fs::create_dir(path("images")).unwrap();
    fs::write(path("images/i.img"), [7; 4096]).unwrap();
    let (file, images, state) = (path("plan.toml"), path("images"), path("s"));
    let (server, url) =
        Background::serve(&["--plan", &file, "--images", &images, "--profile", profile]);
    let device = virmo(&[
        "device",
        "--server",
        &url,
        "--state",
        &state,
        "--encoding",
        encoding,
        "--profile",
        profile,
        "--until-idle",
    ]);
    assert_eq!(device.status.code(), Some(0), "{device:?}");
    server
}

/// VR-216, VR-225, VR-228, HLF-07: the server configures the guest, reads it, has it execute
/// something, and hears its alert from an address of the device.
#[test]
fn a_server_manages_the_guest_of_a_vm() {
    for encoding in ["xml", "wbxml"] {
        let place = tempfile::tempdir().unwrap();
        let mut server = run(PLAN, &place, encoding);
        let read = server.wait_for(&[("event", json!("step")), ("index", json!(5))]);
        assert_eq!((&read["ok"], &read["value"]), (&json!(true), &json!("7")));
        let ring = "./VirMO/v/DMTree/Settings/ring";
        server.wait_for(&[("event", json!("alert")), ("source", json!(ring))]);
        for (index, status) in [(8, 200), (9, 405), (10, 200)] {
            let step = server.wait_for(&[("event", json!("step")), ("index", json!(index))]);
            assert_eq!(
                (&step["ok"], &step["status"]),
                (&json!(true), &json!(status))
            );
        }
    }
}

const OBJECTS: &str = r#"
[[step]]
deliver_image = { node = "i", name = "i", uri = "images/i.img", media_type = "application/x-disk" }
[[step]]
create_vm = { node = "EnterpriseVM", image = "i", resources = "RAM=16777216&Storage=4194304&CPU=25&Network=25" }
[[step]]
add = { uri = "./VirMO/EnterpriseVM/DMTree", format = "node" }
[[step]]
add = { uri = "./VirMO/EnterpriseVM/DMTree/FUMO", format = "node", type = "urn:oma:mo:oma-fumo:1.0" }
[[step]]
replace = { uri = "./VirMO/EnterpriseVM/DMTree/FUMO/Update/PkgData", value = "firmware", format = "bin" }
[[step]]
exec = "./VirMO/EnterpriseVM/DMTree/FUMO/Update"
[[step]]
add = { uri = "./VirMO/EnterpriseVM/DMTree/SCOMO", format = "node", type = "urn:oma:mo:oma-scomo:1.0" }
[[step]]
add = { uri = "./VirMO/EnterpriseVM/DMTree/SCOMO/Inventory/Delivered/mail", format = "node" }
[[step]]
replace = { uri = "./VirMO/EnterpriseVM/DMTree/SCOMO/Inventory/Delivered/mail/PkgID", value = "com.example.mail" }
[[step]]
replace = { uri = "./VirMO/EnterpriseVM/DMTree/SCOMO/Inventory/Delivered/mail/Data", value = "software", format = "bin" }
[[step]]
exec = "./VirMO/EnterpriseVM/DMTree/SCOMO/Inventory/Delivered/mail/Operations/Install"
[[step]]
get = "./VirMO/EnterpriseVM/DMTree/SCOMO/Inventory/Deployed"
[[step]]
exec = "./VirMO/EnterpriseVM/DMTree/LAWMO/Operations/FullyLock"
[[step]]
get = "./VirMO/EnterpriseVM/DMTree/LAWMO/State"
"#;

/// VR-037, VR-202, VR-219, VR-221, VR-222, VR-223, VR-227, VR-228 (HLF-12, HLF-14): the examples of
/// the specification: firmware of a VM is updated, what is installed in it is read, and it is locked.
#[test]
fn a_server_updates_installs_and_locks() {
    for encoding in ["xml", "wbxml"] {
        let place = tempfile::tempdir().unwrap();
        let mut server = run(OBJECTS, &place, encoding);
        for (index, value) in [
            (10, json!(null)),
            (11, json!(["com.example.mail"])),
            (12, json!(null)),
            (13, json!("10")),
        ] {
            let step = server.wait_for(&[("event", json!("step")), ("index", json!(index))]);
            assert_eq!(step["ok"], json!(true), "{encoding}: {step}");
            let read = step.get("value").or(step.get("children")).cloned();
            assert_eq!(read.unwrap_or_default(), value, "{encoding}: {step}");
        }
        // The end of an update comes by an alert.
        let fumo = "./VirMO/EnterpriseVM/DMTree/FUMO/State";
        let state = place.path().join("s");
        let found = virmo(&["tree", "--state", state.to_str().unwrap(), fumo]);
        let found = String::from_utf8(found.stdout).unwrap();
        assert_eq!(found.trim(), format!("{fumo} = 100"));
    }
}

const STEPS: &str = r#"
[[step]]
deliver_image = { node = "i", name = "i", uri = "images/i.img", media_type = "application/x-disk" }
[[step]]
create_vm = { node = "v", image = "i", resources = "RAM=16777216&Storage=4194304&CPU=25&Network=25" }
[[step]]
update_firmware = { vm = "v", uri = "images/i.img" }
[[step]]
update_firmware = { vm = "v", uri = "images/i.img" }
[[step]]
deliver_software = { vm = "v", package = "mail", id = "com.example.mail", uri = "images/i.img" }
[[step]]
install_software = { vm = "v", package = "mail", active = false }
[[step]]
activate_software = { vm = "v", component = "com.example.mail" }
[[step]]
install_software = { vm = "v", package = "chat", id = "com.example.chat", file = "images/i.img" }
[[step]]
install_software = { vm = "v", package = "chat", id = "com.example.chat-2", uri = "images/i.img", params = "quiet" }
[[step]]
deactivate_software = { vm = "v", component = "com.example.mail" }
[[step]]
remove_software = { vm = "v", component = "com.example.mail" }
[[step]]
remove_software = { vm = "v", component = "com.example.mail" }
[[step]]
remove_package = { vm = "v", package = "mail" }
[[step]]
suspend = { vm = "v" }
[[step]]
activate_software = { vm = "v", component = "com.example.chat" }
[[step]]
remove_software = { vm = "v", component = "com.example.chat" }
[[step]]
remove_software = { component = "com.example.chat" }
[[step]]
update_firmware = { uri = "images/i.img" }
"#;

/// VR-037, VR-202, VR-219, VR-228: firmware and software of a VM, each by its step, in both profiles.
#[test]
fn a_server_manages_firmware_and_software_by_steps() {
    for (encoding, profile) in [("xml", "approved"), ("wbxml", "approved"), ("xml", "draft")] {
        let place = tempfile::tempdir().unwrap();
        let mut server = run_in(profile, STEPS, &place, encoding);
        let names = |names: &[&str]| json!(names);
        let (mail, chat) = ("com.example.mail", "com.example.chat");
        for (index, ok, status, value, children) in [
            (2, true, 200, json!("100"), json!(null)),
            (3, true, 200, json!("100"), json!(null)),
            (4, true, 200, json!("10"), names(&[])),
            (5, true, 200, json!("20"), names(&[mail])),
            (6, true, 200, json!("20"), names(&[mail])),
            (7, true, 200, json!("20"), names(&[chat, mail])),
            (
                8,
                true,
                200,
                json!("20"),
                names(&[chat, "com.example.chat-2", mail]),
            ),
            (
                9,
                true,
                200,
                json!("10"),
                names(&[chat, "com.example.chat-2", mail]),
            ),
            (
                10,
                true,
                200,
                json!(null),
                names(&[chat, "com.example.chat-2"]),
            ),
            (11, true, 404, json!(null), json!(null)),
            (
                12,
                true,
                200,
                json!(null),
                names(&[chat, "com.example.chat-2"]),
            ),
            (13, true, 200, json!(null), json!(null)),
            // It is active; what the guest would have to do is refused.
            (
                14,
                true,
                200,
                json!("20"),
                names(&[chat, "com.example.chat-2"]),
            ),
            (15, false, 405, json!(null), json!(null)),
            (16, true, 404, json!(null), json!(null)),
            (17, false, 404, json!(null), json!(null)),
        ] {
            let step = server.wait_for(&[("event", json!("step")), ("index", json!(index))]);
            let told = |name: &str| step.get(name).cloned().unwrap_or_default();
            assert_eq!(
                (told("ok"), told("status"), told("value"), told("children")),
                (json!(ok), json!(status), value, children),
                "{encoding} {profile}: {step}"
            );
        }
    }
}

/// Whether a step succeeded, and its status.
fn outcome(server: &mut Background, index: u32) -> (Value, Value) {
    let step = server.wait_for(&[("event", json!("step")), ("index", json!(index))]);
    (step["ok"].clone(), step["status"].clone())
}

/// An update that is refused, as the VM is off, is none later either: the next one is executed.
#[test]
fn a_refused_update_is_made_later() {
    let start = STEPS
        .split_inclusive("[[step]]")
        .take(4)
        .collect::<String>();
    let plan = format!(
        "{start}\npower_off = {{ vm = 'v' }}\n\
         [[step]]\nupdate_firmware = {{ vm = 'v', uri = 'images/2.img' }}\n\
         [[step]]\npower_on = {{ vm = 'v' }}\n\
         [[step]]\nupdate_firmware = {{ vm = 'v', uri = 'images/2.img' }}\n"
    );
    for profile in ["approved", "draft"] {
        let place = tempfile::tempdir().unwrap();
        let mut server = run_in(profile, &plan, &place, "xml");
        assert_eq!(
            outcome(&mut server, 2),
            (json!(true), json!(200)),
            "{profile}"
        );
        assert_eq!(
            outcome(&mut server, 4),
            (json!(false), json!(405)),
            "{profile}"
        );
        assert_eq!(
            outcome(&mut server, 5),
            (json!(true), json!(200)),
            "{profile}"
        );
        let begun = [
            ("event", json!("progress")),
            ("index", json!(6)),
            ("what", json!("accepted")),
        ];
        let begun = server.wait_for(&begun);
        assert!(
            begun["uri"]
                .as_str()
                .unwrap()
                .ends_with("DownloadAndUpdate"),
            "{begun}"
        );
        assert_eq!(
            outcome(&mut server, 6),
            (json!(true), json!(200)),
            "{profile}"
        );
    }
}
