//! The program as who bootstraps a device, and as the device.

use std::{fs, path::Path, process::Output};

use serde_json::json;
use tempfile::TempDir;

use crate::program::{self, Background, complaint, events, leaf, lines, pick, virmo_with};

const SECRETS: [(&str, &str); 7] = [
    ("EMPTY", ""),
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

    fn device(&self, options: &[&str]) -> Output {
        let state = self.state();
        let words = ["device", "--state", &state, "--json"];
        virmo_with(&[&words, options].concat(), &SECRETS, b"")
    }

    fn write(&self, server: &str, options: &[&str]) -> Output {
        self.write_with(server, &AUTH, options)
    }

    fn write_with(&self, server: &str, auth: &[&str], options: &[&str]) -> Output {
        let file = self.path("document");
        let words = ["bootstrap", "write", "--server", server, "--out", &file];
        virmo_with(&[&words, auth, options].concat(), &SECRETS, b"")
    }

    /// Writes a document; its Content-Type.
    fn written(&self, server: &str, options: &[&str]) -> String {
        self.written_with(server, &AUTH, options)
    }

    fn written_with(&self, server: &str, auth: &[&str], options: &[&str]) -> String {
        let output = self.write_with(server, auth, options);
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
        assert!(
            refused.contains(&format!("tries left: {left}")),
            "{refused}"
        );
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
        (&["--pin-env", "PIN"], "--pin-env needs --sec"),
        (&["--network-env", "NET"], "--network-env needs --sec"),
        (&["--imsi-env", "IMSI"], "--imsi-env needs --sec"),
        (
            &[
                "--sec",
                "networkid",
                "--network-env",
                "NET",
                "--pin-env",
                "PIN",
            ],
            "--pin-env: --sec networkid does not use it",
        ),
        (
            &[
                "--sec",
                "userpin",
                "--pin-env",
                "PIN",
                "--network-env",
                "NET",
            ],
            "--network-env: --sec userpin does not use it",
        ),
        (
            &["--sec", "userpin", "--pin-env", "PIN", "--imsi-env", "IMSI"],
            "--imsi-env: --sec userpin does not use it",
        ),
        (
            &["--sec", "userpin", "--pin-env", "NET"],
            "a PIN has digits only",
        ),
        (&["--sec", "userpin", "--pin-env", "EMPTY"], "it is empty"),
    ] {
        let output = bench.write(URL, options);
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        assert!(complaint(&output).contains(said), "{options:?}: {output:?}");
        assert!(!Path::new(&bench.path("document")).exists());
    }
    for url in ["foo", "127.0.0.1:80", "ftp://127.0.0.1/", "http://"] {
        let output = bench.write(url, &[]);
        assert_eq!(output.status.code(), Some(2), "{url}");
        assert!(complaint(&output).contains(&format!("'{url}' for '--server")));
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

/// The account says where the server is, also where nobody proves anything.
#[test]
fn a_device_bootstrapped_without_credentials_connects() {
    let (_server, url) = Background::serve(&[]);
    for form in FORMS {
        for auth in [&[][..], &["--auth", "none"]] {
            let bench = Bench::new();
            let content_type = bench.written_with(&url, auth, &["--form", form]);
            bench.applied(&content_type, &["--trusted"]);
            for _ in 0..2 {
                let output = bench.device(&["--once"]);
                assert_eq!(output.status.code(), Some(0), "{form} {auth:?}: {output:?}");
            }
        }
    }
}

#[test]
fn a_bootstrapped_device_connects_and_both_ends_prove_themselves() {
    for (scheme, form) in [
        ("basic", "cp-xml"),
        ("md5", "dm-wbxml"),
        ("mac", "cp-wbxml"),
        ("md5", "tnds-xml"),
    ] {
        let mut auth = AUTH;
        auth[1] = scheme;
        let (_server, url) = Background::serve_with(&auth, &SECRETS);
        let bench = Bench::new();
        let pin = ["--pin-env", "PIN"];
        let options = ["--form", form, "--sec", "userpin"];
        let content_type = bench.written_with(&url, &auth, &[&options, &pin[..]].concat());
        bench.applied(&content_type, &pin);
        // Once as it was bootstrapped, and once with what the first session left.
        for _ in 0..2 {
            let output = bench.device(&["--once"]);
            assert_eq!(output.status.code(), Some(0), "{scheme} {form}: {output:?}");
            let ends = pick(&events(&output), "session", &["result"]);
            assert_eq!(ends, ["completed"], "{scheme} {form}");
        }
        let tree = program::virmo(&["tree", "--state", &bench.state(), "./DMAcc"]);
        assert_eq!(
            lines_of(&lines(&tree), "ServerID"),
            ["virmo-server"],
            "one account"
        );

        // The PIN was right, but the password in the document is not the server's.
        let mut wrong = auth;
        wrong[5] = "OTHER";
        let content_type = bench.written_with(&url, &wrong, &[&options, &pin[..]].concat());
        bench.applied(&content_type, &pin);
        let output = bench.device(&["--once"]);
        assert_eq!(output.status.code(), Some(1), "{scheme} {form}");
    }
}

/// It holds the passwords.
#[cfg(unix)]
#[test]
fn a_document_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    bench.written(URL, &[]);
    let mode = fs::metadata(bench.path("document"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// It is at `./DMAcc/1`, and a server that was moved is the same server.
#[test]
fn a_server_named_by_the_flags_is_that_of_the_account() {
    let (_server, url) = Background::serve_with(&AUTH, &SECRETS);
    for auth in [&[][..], &AUTH] {
        let bench = Bench::new();
        let content_type = bench.written(URL, &["--form", "cp-xml"]);
        bench.applied(&content_type, &["--trusted"]);
        for _ in 0..2 {
            let flags = ["--once", "--server", &url, "--server-id", "virmo-server"];
            let output = bench.device(&[&flags, auth].concat());
            assert_eq!(output.status.code(), Some(0), "{output:?}");
        }
        let tree = program::virmo(&["tree", "--state", &bench.state(), "./DMAcc"]);
        let ids = lines_of(&lines(&tree), "ServerID");
        assert_eq!(ids, ["virmo-server"], "one account");
        assert_eq!(leaf(&bench.state(), "./DMAcc/virmo-server"), None);
    }
}

#[test]
fn the_account_is_the_only_one_or_the_one_named() {
    let bench = Bench::new();
    let output = bench.device(&["--once"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint(&output).contains("there is no account"),
        "{output:?}"
    );
    for id in ["one", "two"] {
        let content_type = bench.written(URL, &["--server-id", id]);
        bench.applied(&content_type, &["--trusted"]);
    }
    let output = bench.device(&["--once"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint(&output).contains("accounts with one, two"),
        "{output:?}"
    );
    let output = bench.device(&["--once", "--server-id", "three"]);
    assert!(
        complaint(&output).contains("no account with three"),
        "{output:?}"
    );
    let output = bench.device(&["--once", "--server-id", "two"]);
    assert!(
        complaint(&output).contains("session failed"),
        "nobody is there: {output:?}"
    );
    let output = bench.device(&[&["--once"][..], &AUTH].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(complaint(&output).contains("--server"), "{output:?}");
}
