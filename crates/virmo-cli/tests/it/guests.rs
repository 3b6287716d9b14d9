//! A DM client of its own in a VM, bootstrapped by what the server placed there. [VirMO §11.1]

use std::fs;

use tempfile::TempDir;

use crate::program::{Background, complaint, events, leaf, lines, pick, virmo, virmo_with};

const SECRETS: [(&str, &str); 2] = [("CLIENT", "guest's password"), ("SERVER", "srvpwd")];
const DM_WBXML: &str = "application/vnd.syncml.dm+wbxml";

const AUTH: [&str; 10] = [
    "--auth",
    "md5",
    "--user",
    "guest",
    "--password-env",
    "CLIENT",
    "--server-user",
    "virmo-server",
    "--server-password-env",
    "SERVER",
];

/// VR-204 to VR-206, VR-213, VR-214: the server of the device places the document with Create; what
/// runs in the VM takes it and is one more device, which proves who it is by what it was given.
#[test]
fn a_guest_is_a_device_of_its_own() {
    for (form, encoding) in [("dm-wbxml", "wbxml"), ("dm-xml", "xml")] {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::create_dir(path("images")).unwrap();
        fs::write(path("images/i.img"), [7; 1000]).unwrap();
        fs::write(path("guest.toml"), "[[step]]\nget = './DevInfo/DevId'\n").unwrap();
        let plan = path("guest.toml");
        let words = [&["--plan", &plan, "--once"], &AUTH[..]].concat();
        let (guests, url) = Background::serve_with(&words, &SECRETS);

        // Whoever manages the device writes what the guest is to know.
        let document = path("document");
        let words = ["bootstrap", "write", "--server", &url, "--out", &document];
        let words = [&words, &AUTH[..], &["--form", form]].concat();
        let written = virmo_with(&words, &SECRETS, b"");
        assert_eq!(written.status.code(), Some(0), "{}", complaint(&written));
        let media_type = lines(&written)[0].clone();
        let plan = format!(
            r#"
[[step]]
deliver_image = {{ node = "i", name = "a", uri = "images/i.img", media_type = "application/x-disk" }}
[[step]]
add = {{ uri = "./VirMO/v", format = "node" }}
[[step]]
add = {{ uri = "./VirMO/v/Ext/Bootstrap", value_file = "document", format = "bin", type = "{media_type}" }}
[[step]]
get = "./VirMO/v/Ext/Bootstrap"
[[step]]
create_vm = {{ node = "v", image = "i" }}
"#
        );
        fs::write(path("plan.toml"), plan).unwrap();
        let (plan, images, host) = (path("plan.toml"), path("images"), path("host"));
        let (server, at) = Background::serve(&["--plan", &plan, "--images", &images, "--once"]);
        let words = ["--state", &host, "--until-idle", "--encoding", encoding];
        let device = virmo(&[&["device", "--server", &at, "--json"], &words[..]].concat());
        assert_eq!(device.status.code(), Some(0), "{}", complaint(&device));
        let (code, told) = server.end();
        assert_eq!(code, Some(0), "{told:?}");
        let steps = pick(&told, "step", &["status", "value"]);
        assert_eq!(
            steps,
            ["200 null", "200 null", "200 null", "200 ", "200 null"]
        );
        assert_eq!(leaf(&host, "./VirMO/v/Ext/Bootstrap").as_deref(), Some(""));
        assert_eq!(leaf(&host, "./VirMO/v/State").as_deref(), Some("2"));

        // The guest finds it where its hypervisor puts it, and trusts what comes from there.
        let (found, guest) = (path("host/machines/machines/vm-1/bootstrap"), path("guest"));
        let words = ["bootstrap", "apply", "--state", &guest, "--file", &found];
        let words = [&words[..], &["--content-type", DM_WBXML, "--trusted"]].concat();
        let applied = virmo(&words);
        assert_eq!(applied.status.code(), Some(0), "{}", complaint(&applied));
        let words = ["device", "--state", &guest, "--device-id", "urn:x:guest:1"];
        let words = [&words[..], &["--once", "--json", "--encoding", encoding]].concat();
        let session = virmo(&words);
        assert_eq!(session.status.code(), Some(0), "{}", complaint(&session));
        let ends = pick(&events(&session), "session", &["result"]);
        assert_eq!(ends, ["completed"]);
        let (code, told) = guests.end();
        assert_eq!(code, Some(0), "{told:?}");
        let steps = pick(&told, "step", &["ok", "value"]);
        assert_eq!(steps, ["true urn:x:guest:1"]);
    }
}
