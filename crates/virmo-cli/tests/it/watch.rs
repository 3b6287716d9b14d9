//! A device whose machines end without its doing.

use std::{fs, path::Path, process::Command};

use serde_json::json;
use tempfile::TempDir;

use crate::program::{Background, complaint, leaf, pick, virmo};

const PLAN: &str = r#"
[[step]]
deliver_image = { node = "i", name = "i", uri = "images/i.img", media_type = "application/x-disk" }
[[step]]
create_vm = { node = "v", image = "i", resources = "RAM=16777216&Storage=4194304&CPU=25&Network=25" }
"#;

/// A device with one running VM ends its guest by `end`; what it tells of that, and what the
/// server hears.
fn ended(hypervisor: &str, image: &[u8], end: impl FnOnce(&Path)) -> (Vec<String>, String) {
    let place = tempfile::Builder::new().prefix("vw").tempdir_in("/tmp");
    let place: TempDir = place.unwrap();
    let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("plan.toml"), PLAN).unwrap();
    fs::create_dir(path("images")).unwrap();
    fs::write(path("images/i.img"), image).unwrap();
    let (plan, images, state) = (path("plan.toml"), path("images"), path("s"));
    let (mut server, url) = Background::serve(&["--plan", &plan, "--images", &images]);
    let mut device = Background::start(&[
        "device",
        "--server",
        &url,
        "--state",
        &state,
        "--hypervisor",
        hypervisor,
        "--watch",
        "0.05",
        "--json",
    ]);
    device.wait_for(&[
        ("event", json!("state")),
        ("vm", json!("v")),
        ("to", json!(2)),
    ]);
    device.wait_for(&[("event", json!("session"))]);
    end(place.path());
    let mut told = vec![device.wait_for(&[("event", json!("state"))])];
    for delivered in [false, true] {
        told.push(device.wait_for(&[("event", json!("alert")), ("delivered", json!(delivered))]));
    }
    device.wait_for(&[("event", json!("session"))]);
    let heard = server.wait_for(&[
        ("event", json!("alert")),
        ("source", json!("./VirMO/v/State")),
    ]);
    drop(device);
    assert_eq!(leaf(&state, "./VirMO/v/State").as_deref(), Some("1"));
    let other = if hypervisor == "sim" { "qemu" } else { "sim" };
    let elsewhere = virmo(&[
        "device",
        "--server",
        &url,
        "--state",
        &state,
        "--hypervisor",
        other,
        "--once",
    ]);
    assert_eq!(elsewhere.status.code(), Some(1), "{elsewhere:?}");
    let due = format!(
        "virmo: the machines in --state are on {hypervisor}: start with --hypervisor {hypervisor}, or with another folder\n"
    );
    assert_eq!(complaint(&elsewhere), due);
    let delete = "[[step]]\ndelete_vm = { vm = \"v\" }\n";
    fs::write(&plan, delete).unwrap();
    let (_server, url) = Background::serve(&["--plan", &plan, "--images", &images]);
    let cleared = virmo(&[
        "device",
        "--server",
        &url,
        "--state",
        &state,
        "--hypervisor",
        hypervisor,
        "--until-idle",
    ]);
    assert_eq!(cleared.status.code(), Some(0), "{cleared:?}");
    let mut lines = pick(&told, "state", &["vm", "from", "to"]);
    lines.extend(pick(&told, "alert", &["type", "source"]));
    (lines, heard["type"].as_str().unwrap().to_owned())
}

const ALERT: &str = "Reversed-Domain-Name: io.github.virmo.state";

fn expected() -> (Vec<String>, String) {
    let alert = format!("{ALERT} ./VirMO/v/State");
    let told = vec!["v 2 1".to_owned(), alert.clone(), alert];
    (told, ALERT.to_owned())
}

/// VR-271: the guest of a simulated machine crashes; the device opens a session to tell it.
#[test]
fn a_guest_that_crashes_is_told_to_the_server() {
    let crash = |place: &Path| {
        fs::write(place.join("s/machines/machines/vm-1/end-guest"), "crash").unwrap();
    };
    assert_eq!(ended("sim", &[7; 4096], crash), expected());
}

/// VR-271: a QEMU is killed.
#[test]
fn a_qemu_that_is_killed_is_told_to_the_server() {
    let version = Command::new("qemu-system-x86_64").arg("--version").output();
    if !version.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "CI has to have QEMU");
        eprintln!("SKIPPED: qemu-system-x86_64 is not installed");
        return;
    }
    let kill = |place: &Path| {
        let folder = place.join("s").display().to_string();
        let mut killed = 0;
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line);
            if line.starts_with("qemu-system") && line.contains(&folder) {
                let pid = entry.file_name();
                let status = Command::new("kill").arg("-9").arg(pid).status();
                killed += i32::from(status.unwrap().success());
            }
        }
        assert_eq!(killed, 1);
    };
    let mut image = virmo_qemu::guest::boot_sector().to_vec();
    image.resize(1 << 20, 0);
    assert_eq!(ended("qemu", &image, kill), expected());
}
