//! A device on libvirt.

use std::fs;

use serde_json::json;
use tempfile::TempDir;

use crate::program::{Background, complaint, virmo};

const LIFE: &str = r#"
[[step]]
deliver_image = { node = "i", name = "i", uri = "images/i.img", media_type = "application/x-disk" }
[[step]]
create_vm = { node = "v", image = "i" }
[[step]]
suspend = { vm = "v" }
[[step]]
resume = { vm = "v" }
[[step]]
delete_vm = { vm = "v" }
"#;

/// The test driver keeps its machines as long as the process that made them.
#[test]
fn a_machine_goes_through_its_life_on_the_test_driver() {
    let place = TempDir::new().unwrap();
    let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("plan.toml"), LIFE).unwrap();
    fs::create_dir(path("images")).unwrap();
    fs::write(path("images/i.img"), vec![7; 4096]).unwrap();
    let (plan, images, state) = (path("plan.toml"), path("images"), path("s"));
    let (server, url) = Background::serve(&["--plan", &plan, "--images", &images, "--once"]);
    let run = |uri: &str, state: &str, more: &[&str]| {
        let uri = format!("libvirt:{uri}");
        let words = [
            "device",
            "--server",
            &url,
            "--state",
            state,
            "--hypervisor",
            &uri,
        ];
        virmo(&[&words, more].concat())
    };
    let device = run("test:///default", &state, &["--until-idle"]);
    assert_eq!(device.status.code(), Some(0), "{device:?}");
    let (_, events) = server.end();
    let steps = events.iter().filter(|it| it["event"] == "step");
    assert!(
        steps.clone().all(|step| step["ok"] == json!(true)),
        "{events:?}"
    );
    assert_eq!(steps.count(), 5);

    // Its machines are where they were made.
    let elsewhere = "qemu+unix:///system?socket=/nonexistent";
    let other = run(elsewhere, &state, &["--once"]);
    assert_eq!(other.status.code(), Some(1));
    let said = complaint(&other);
    assert!(
        said.contains("start with --hypervisor libvirt:test:///default,"),
        "{said}"
    );
    let missing = run(elsewhere, &path("t"), &["--once"]);
    assert_eq!(missing.status.code(), Some(1));
    let said = complaint(&missing);
    assert!(
        said.contains("is libvirtd installed and running?"),
        "{said}"
    );
}
