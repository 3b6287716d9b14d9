//! The program as who bootstraps a device, and as the device.

use std::{fs, path::Path, process::Output};

use serde_json::json;
use tempfile::TempDir;

use crate::program::{self, complaint, events, leaf, lines, virmo_with};

const SECRETS: [(&str, &str); 6] = [
    ("CLIENT", "client's password"),
    ("SERVER", "srvpwd"),
    ("PIN", "1234"),
    ("OTHER", "1235"),
    ("IMSI", "262021234567890"),
    ("NET", "network's secret"),
];

const AUTH: [&str; 10] = [
    "--auth",
    "basic",
    "--user",
    "device",
    "--password-env",
    "CLIENT",
    "--server-user",
    "server",
    "--server-password-env",
    "SERVER",
];

const FORMS: [&str; 6] = [
    "dm-wbxml",
    "dm-xml",
    "tnds-wbxml",
    "tnds-xml",
    "cp-wbxml",
    "cp-xml",
];

/// Where a document and a device are.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn state(&self) -> String {
        self.path("state")
    }

    fn write(&self, server: &str, options: &[&str]) -> Output {
        let file = self.path("document");
        let words = ["bootstrap", "write", "--server", server, "--out", &file];
        virmo_with(&[&words, AUTH.as_slice(), options].concat(), &SECRETS, b"")
    }

    /// Writes a document; its Content-Type.
    fn written(&self, server: &str, options: &[&str]) -> String {
        let output = self.write(server, options);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let [content_type] = <[String; 1]>::try_from(lines(&output)).unwrap();
        content_type
    }

    fn apply(&self, content_type: &str, options: &[&str]) -> Output {
        let (state, file) = (self.state(), self.path("document"));
        let words = ["bootstrap", "apply", "--state", &state, "--file", &file];
        let words = [
            &words[..],
            &["--content-type", content_type, "--json"],
            options,
        ]
        .concat();
        virmo_with(&words, &SECRETS, b"")
    }

    /// Applies a document; the address of the account.
    fn applied(&self, content_type: &str, options: &[&str]) -> String {
        let output = self.apply(content_type, options);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let events = events(&output);
        assert_eq!(events[0]["event"], "bootstrap");
        assert_eq!(events[0]["ignored"], json!([]));
        events[0]["accounts"][0].as_str().unwrap().to_owned()
    }

    /// Applies a document in vain; why.
    fn refused(&self, content_type: &str, options: &[&str]) -> String {
        let output = self.apply(content_type, options);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(events(&output)[0]["event"], "error");
        complaint(&output)
    }
}

const URL: &str = "http://127.0.0.1:1/dm";

#[test]
fn every_form_brings_the_account() {
    for form in FORMS {
        let bench = Bench::new();
        let pin = ["--pin-env", "PIN"];
        let content_type = bench.written(
            URL,
            &[&["--form", form, "--sec", "userpin"], &pin[..]].concat(),
        );
        assert!(
            content_type.contains("; SEC=USERPIN; MAC="),
            "{content_type}"
        );
        let account = bench.applied(&content_type, &pin);
        let state = bench.state();
        let value = |below: &str| leaf(&state, &format!("{account}/{below}"));
        assert_eq!(value("ServerID").as_deref(), Some("virmo-server"), "{form}");
        let addresses = program::virmo(&["tree", "--state", &state, &account]);
        let addresses = lines(&addresses);
        assert!(
            addresses
                .iter()
                .any(|line| line.ends_with(&format!("/Addr = {URL}")))
        );
        assert_eq!(lines_of(&addresses, "AAuthName"), ["device", "server"]);
        assert_eq!(lines_of(&addresses, "AAuthSecret"), ["[redacted]"; 2]);
    }
}

/// The values of the leaves with a name.
fn lines_of(tree: &[String], name: &str) -> Vec<String> {
    let pattern = format!("/{name} = ");
    let values = tree.iter().filter_map(|line| line.split_once(&pattern));
    values.map(|(_, value)| value.to_owned()).collect()
}

#[test]
fn keys_are_those_of_their_profile() {
    let both = ["--sec", "userpin-networkid"];
    for (form, sec, secrets) in [
        (
            "cp-wbxml",
            "SEC=NETWPIN;",
            &["--imsi-env", "IMSI", "--sec", "networkid"][..],
        ),
        (
            "dm-wbxml",
            "SEC=NETWORKID;",
            &["--imsi-env", "IMSI", "--sec", "networkid"],
        ),
        (
            "dm-wbxml",
            "SEC=NETWORKID;",
            &["--network-env", "NET", "--sec", "networkid"],
        ),
        (
            "cp-wbxml",
            "SEC=USERNETWPIN;",
            &[&["--pin-env", "PIN", "--imsi-env", "IMSI"], &both[..]].concat(),
        ),
        (
            "dm-wbxml",
            "SEC=USERPIN_NETWORKID;",
            &[&["--pin-env", "PIN", "--network-env", "NET"], &both[..]].concat(),
        ),
    ] {
        let bench = Bench::new();
        let content_type = bench.written(URL, &[&["--form", form], secrets].concat());
        assert!(content_type.contains(sec), "{content_type}");
        let known: Vec<&str> = secrets[..secrets.len() - 2].to_vec();
        bench.applied(&content_type, &known);
        let refused = bench.refused(&content_type, &["--pin-env", "OTHER"]);
        assert!(
            refused.contains("is not known") || refused.contains("is wrong"),
            "{refused}"
        );
    }
}

#[test]
fn a_wrong_pin_leaves_nothing_and_three_are_too_many() {
    let bench = Bench::new();
    let content_type = bench.written(URL, &["--sec", "userpin", "--pin-env", "PIN"]);
    for left in ["2", "1", "0"] {
        let refused = bench.refused(&content_type, &["--pin-env", "OTHER"]);
        assert!(refused.contains(&format!("{left} tries left")), "{refused}");
    }
    let refused = bench.refused(&content_type, &["--pin-env", "PIN"]);
    assert!(refused.contains("too often"), "{refused}");
    assert_eq!(leaf(&bench.state(), "./DMAcc"), None);
}

#[test]
fn a_document_that_was_changed_is_refused() {
    let bench = Bench::new();
    let content_type = bench.written(URL, &["--sec", "userpin", "--pin-env", "PIN"]);
    let file = bench.path("document");
    let mut document = fs::read(&file).unwrap();
    let middle = document.len() / 2;
    document[middle] ^= 1;
    fs::write(&file, document).unwrap();
    let refused = bench.refused(&content_type, &["--pin-env", "PIN"]);
    assert!(refused.contains("is wrong"), "{refused}");
    assert_eq!(leaf(&bench.state(), "./DMAcc"), None);
}

#[test]
fn without_a_mac_only_what_is_trusted_is_taken() {
    let bench = Bench::new();
    let content_type = bench.written(URL, &[]);
    assert_eq!(content_type, "application/vnd.syncml.dm+wbxml");
    let refused = bench.refused(&content_type, &[]);
    assert!(refused.contains("not protected"), "{refused}");
    assert_eq!(
        bench.applied(&content_type, &["--trusted"]),
        "./DMAcc/virmo-server"
    );
}

#[test]
fn wrong_words_are_wrong_usage() {
    let bench = Bench::new();
    for (options, said) in [
        (&["--sec", "userpin"][..], "PIN"),
        (&["--sec", "networkid", "--pin-env", "PIN"], "network"),
        (&["--sec", "userpin", "--pin-env", "UNSET"], "UNSET"),
        (&["--sec", "networkid", "--imsi-env", "PIN"], "IMSI"),
        (
            &["--imsi-env", "IMSI", "--network-env", "NET"],
            "--network-env",
        ),
        (&["--server-id", "a b"], "--server-id"),
        (&["--form", "pdf"], "pdf"),
    ] {
        let output = bench.write(URL, options);
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        assert!(complaint(&output).contains(said), "{options:?}: {output:?}");
        assert!(!Path::new(&bench.path("document")).exists());
    }
    let output = bench.apply("application/vnd.syncml.dm+wbxml", &[]);
    assert_eq!(output.status.code(), Some(2), "there is no file");
    bench.written(URL, &[]);
    let output = bench.apply("text/plain", &[]);
    assert_eq!(output.status.code(), Some(2));
    let folder = bench.folder.path().to_str().unwrap();
    let output = bench.write(URL, &["--out", folder]);
    assert_eq!(output.status.code(), Some(2), "--out twice");
}
