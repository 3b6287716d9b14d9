//! `https` between `serve` and `device`, with certificates on either side.

use std::{
    fs,
    net::TcpListener,
    sync::{Arc, mpsc},
};

use serde_json::json;
use tempfile::TempDir;
use virmo::dm::http::{Notifications, Server, ServerConfig, ServerTls};

use crate::program::{Background, complaint, events, pick, virmo, virmo_with};

/// A file among the certificates of `omadm-http`.
fn certificate(name: &str) -> String {
    format!(
        "{}/../omadm-http/tests/certs/{name}",
        env!("CARGO_MANIFEST_DIR")
    )
}

const PLAN: &str = "[[step]]\n\
    deliver_image = { node = 'i', name = 'i', uri = 'images/i', media_type = 'a/b' }\n";

fn serve(folder: &TempDir) -> (Background, String) {
    serve_as(folder, "server", &[])
}

/// As the server of this certificate, with more words.
fn serve_as(folder: &TempDir, name: &str, more: &[&str]) -> (Background, String) {
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("plan.toml"), PLAN).unwrap();
    fs::write(path("i"), vec![7; 100_000]).unwrap();
    let (chain, key) = (
        certificate(&format!("{name}.pem")),
        certificate(&format!("{name}.key")),
    );
    let plan = ["--plan", &path("plan.toml"), "--images", &path("")].map(str::to_owned);
    let tls = ["--tls-cert", &chain, "--tls-key", &key, "--once"].map(str::to_owned);
    let words = plan.iter().chain(&tls).map(String::as_str);
    let words: Vec<&str> = words.chain(more.iter().copied()).collect();
    Background::serve(&words)
}

/// Messages and the image both.
#[test]
fn a_plan_goes_over_https() {
    let folder = TempDir::new().unwrap();
    let (server, url) = serve(&folder);
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let (ca, chain, key) = (
        certificate("authority.pem"),
        certificate("client.pem"),
        certificate("client.key"),
    );
    let tls = ["--ca", &ca, "--cert", &chain, "--key", &key];
    let words = [
        &["device", "--server", &url, "--until-idle", "--json"],
        &tls[..],
    ]
    .concat();
    let device = virmo(&words);
    assert_eq!(device.status.code(), Some(0), "{}", complaint(&device));
    let (code, told) = server.end();
    assert_eq!(
        (code, pick(&told, "step", &["ok", "status"])),
        (Some(0), vec!["true 200".to_owned()])
    );
}

/// A server nobody vouches for, and one that speaks no TLS.
#[test]
fn a_server_that_cannot_be_trusted_is_told_nothing() {
    let folder = TempDir::new().unwrap();
    let (_server, url) = serve(&folder);
    let stranger = certificate("stranger.pem");
    for words in [&["--ca", &stranger][..], &[]] {
        let device = virmo(&[&["device", "--server", &url, "--once", "--json"], words].concat());
        assert_eq!(device.status.code(), Some(1), "{device:?}");
        let errors = pick(&events(&device), "error", &["message"]);
        assert!(
            errors[0].contains("there is no trusted TLS connection"),
            "{errors:?}"
        );
    }
    let (_plain, url) = Background::serve(&[]);
    let url = url.replace("http:", "https:");
    let mut device = Background::start(&["device", "--server", &url, "--json"]);
    let told = device.wait_for(&[("event", json!("error"))]);
    assert!(
        told["message"].as_str().unwrap().starts_with(&url),
        "{told}"
    );
    device.kill();
}

/// What a session came to: the exit code, and what the device says of it.
fn try_session(url: &str, tls: &[&str]) -> (Option<i32>, String) {
    let words = ["device", "--server", url, "--once", "--json"];
    let device = virmo(&[&words, tls].concat());
    let errors = pick(&events(&device), "error", &["message"]);
    (
        device.status.code(),
        errors.into_iter().next().unwrap_or_default(),
    )
}

/// A certificate for somebody else, one that ended, and each in its own words.
#[test]
fn a_certificate_that_does_not_hold_is_refused() {
    let authority = certificate("faulty-authority.pem");
    for (name, why) in [
        ("elsewhere", "certificate not valid for name \"127.0.0.1\""),
        ("expired", "certificate expired"),
    ] {
        let folder = TempDir::new().unwrap();
        let (_server, url) = serve_as(&folder, name, &[]);
        let (code, error) = try_session(&url, &["--ca", &authority]);
        assert_eq!(code, Some(1), "{error}");
        assert!(
            error.contains("there is no trusted TLS connection"),
            "{error}"
        );
        assert!(error.contains(why), "{error}");
    }
}

/// Mutual authentication: who shows no certificate, or one of a stranger, gets no session and no
/// image.
#[test]
fn a_server_lets_in_only_whom_its_authority_vouches_for() {
    let folder = TempDir::new().unwrap();
    let authority = certificate("authority.pem");
    let (server, url) = serve_as(&folder, "server", &["--tls-client-ca", &authority]);
    let known = (certificate("client.pem"), certificate("client.key"));
    let strange = (
        certificate("stranger-client.pem"),
        certificate("stranger-client.key"),
    );
    let (code, error) = try_session(&url, &["--ca", &authority]);
    assert_eq!(code, Some(1), "{error}");
    // With TLS 1.3 a client learns of it after the handshake: by the alert, or only by the end of
    // the connection.
    let is_refusal = |error: &str| {
        let words = [
            "CertificateRequired",
            "trusted TLS connection",
            "connection broke",
        ];
        words.iter().any(|word| error.contains(word))
    };
    assert!(is_refusal(&error), "{error}");
    let (code, error) = try_session(
        &url,
        &[
            "--ca", &authority, "--cert", &strange.0, "--key", &strange.1,
        ],
    );
    assert_eq!(code, Some(1), "{error}");
    assert!(is_refusal(&error), "{error}");
    let tls = ["--ca", &authority, "--cert", &known.0, "--key", &known.1];
    let device = virmo(
        &[
            &["device", "--server", &url, "--until-idle", "--json"],
            &tls[..],
        ]
        .concat(),
    );
    assert_eq!(device.status.code(), Some(0), "{}", complaint(&device));
    let (code, told) = server.end();
    assert_eq!(code, Some(0), "{told:?}");
    // At least the first of those who were refused, in the server's own words.
    let errors = pick(&told, "error", &["message"]);
    assert!(
        errors[0].starts_with("no TLS with 127.0.0.1:"),
        "{errors:?}"
    );
    assert!(
        errors[0].ends_with(": peer sent no certificates"),
        "{errors:?}"
    );
    // Of nobody else.
    let mut sessions = pick(&told, "session", &["result"]);
    sessions.dedup();
    assert_eq!(sessions, ["completed"]);
}

/// A certificate is for one device: under another name it gets nothing, and nothing happens to the
/// device that has that name.
#[test]
fn a_device_acts_only_under_the_name_of_its_certificate() {
    let folder = TempDir::new().unwrap();
    let authority = certificate("authority.pem");
    let words = ["--tls-client-ca", &authority, "--tls-client-names"];
    let (server, url) = serve_as(&folder, "server", &words);
    let (chain, key) = (certificate("client.pem"), certificate("client.key"));
    let tls = ["--ca", &authority, "--cert", &chain, "--key", &key];
    let named = |id| [&tls[..], &["--device-id", id]].concat();
    let (code, error) = try_session(&url, &named("urn:x:dev2"));
    assert_eq!(code, Some(1), "{error}");
    let itself = ["device", "--server", &url, "--until-idle", "--json"];
    let device = virmo(&[&itself, &named("urn:x:dev1")[..]].concat());
    assert_eq!(device.status.code(), Some(0), "{}", complaint(&device));
    let (code, told) = server.end();
    assert_eq!(code, Some(0), "{told:?}");
    let errors = pick(&told, "error", &["message"]);
    assert!(errors.iter().any(|error| error.contains("403")), "{told:?}");
    let mut devices = pick(&told, "session", &["device"]);
    devices.dedup();
    assert_eq!(devices, ["urn:x:dev1"]);
}

#[test]
fn a_load_says_what_is_wrong_with_the_certificate() {
    let folder = TempDir::new().unwrap();
    let (_server, url) = serve(&folder);
    let stranger = certificate("stranger.pem");
    let load = ["load", "--devices", "2", "--json", "--server", &url];
    let output = virmo(&[&load[..], &["--ca", &stranger]].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = events(&output);
    let failures = told.last().unwrap()["sessions"]["failures"].to_string();
    assert!(failures.contains("there is no trusted TLS connection: "));
    assert!(
        failures.contains("invalid peer certificate: "),
        "{failures}"
    );
}

/// The key of another certificate is told at the start, before anything is connected to.
#[test]
fn a_certificate_with_the_key_of_another_is_refused_at_the_start() {
    let (chain, key) = (certificate("client.pem"), certificate("server.key"));
    let nobody = "https://127.0.0.1:9/dm";
    for words in [
        &["device", "--server", nobody, "--once"][..],
        &["load", "--server", nobody],
        &["notify", "--to", nobody, "--password-env", "SERVER"],
    ] {
        let words = [words, &["--cert", &chain, "--key", &key]].concat();
        let output = virmo_with(&words, &[("SERVER", "srvpwd")], b"");
        assert_eq!(output.status.code(), Some(2), "{words:?}: {output:?}");
        let said = complaint(&output);
        let why = format!("--cert {chain}: the certificate cannot be used with the key");
        assert!(said.contains(&why), "{words:?}: {said}");
    }
}

/// A gateway that takes notifications over https.
#[test]
fn a_notification_goes_to_whom_it_can_trust() {
    let read = |name| fs::read(certificate(name)).unwrap();
    let (tell, told) = mpsc::channel();
    let notifications = Notifications::new(move |octets| drop(tell.send(octets)));
    let mut config = ServerConfig::for_notifications();
    config.tls = Some(ServerTls::new(&read("server.pem"), &read("server.key")).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::start(listener, Arc::new(notifications), config).unwrap();
    let url = format!("https://{}/notify", server.address());
    let notify = |tls: &[&str]| {
        let words = ["notify", "--to", &url, "--password-env", "SERVER"];
        virmo_with(&[&words, tls].concat(), &[("SERVER", "srvpwd")], b"")
    };
    for (authority, code) in [("stranger.pem", 1), ("authority.pem", 0)] {
        let output = notify(&["--ca", &certificate(authority)]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
    let output = notify(&[]);
    assert!(complaint(&output).contains("there is no trusted TLS connection"));
    assert_eq!(told.try_iter().count(), 1);
    let output = notify(&["--ca", "/none"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
