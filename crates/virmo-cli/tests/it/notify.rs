//! The program as a device that listens, and as the server that sends it notifications.

use std::{
    process::Output,
    sync::{Mutex, mpsc},
};

use serde_json::{Value, json};

use crate::{
    http,
    program::{Background, NOBODY, complaint, events, virmo_with},
};

const SECRETS: [(&str, &str); 3] = [
    ("CLIENT", "client's password"),
    ("SERVER", "srvpwd"),
    ("GUESS", "guess"),
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

/// A device that listens, and where.
fn device(server: &str, options: &[&str]) -> (Background, String) {
    let words = [
        "device",
        "--server",
        server,
        "--listen",
        "127.0.0.1:0",
        "--json",
    ];
    let words = [&words, AUTH.as_slice(), options].concat();
    let mut device = Background::start_with(&words, &SECRETS);
    let listening = device.wait_for(&[("event", json!("listening"))]);
    (device, listening["url"].as_str().unwrap().to_owned())
}

fn notify(url: &str, options: &[&str]) -> Output {
    let words = ["notify", "--to", url, "--json"];
    virmo_with(&[&words, options].concat(), &SECRETS, b"")
}

fn notified(url: &str, options: &[&str]) {
    let output = notify(url, options);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

/// A device whose ends prove themselves by nonces takes a notification that is signed with what the
/// server told of its last session, and no other.
#[test]
fn what_a_server_tells_of_a_session_signs_the_next_notification() {
    for scheme in ["md5", "mac"] {
        let mut auth = AUTH;
        auth[1] = scheme;
        let (mut server, url) = Background::serve_with(&auth, &SECRETS);
        let words = [
            &[
                "device",
                "--server",
                &url,
                "--listen",
                "127.0.0.1:0",
                "--json",
            ],
            auth.as_slice(),
        ];
        let mut device = Background::start_with(&words.concat(), &SECRETS);
        let listening = device.wait_for(&[("event", json!("listening"))]);
        let listener = listening["url"].as_str().unwrap();
        assert_eq!(next(&mut device)["result"], "completed", "{scheme}");
        for id in ["1", "2"] {
            let session = server.wait_for(&[("event", json!("session"))]);
            let nonce = session["nonce"].as_str().unwrap().to_owned();
            notified(listener, &["--password-env", "SERVER"]);
            assert_eq!(next(&mut device)["reason"], "its digest is wrong");
            let nonce = ["--nonce", &nonce, "--session-id", id];
            notified(
                listener,
                &[&["--password-env", "SERVER"], &nonce[..]].concat(),
            );
            assert_eq!(next(&mut device)["accepted"], true, "{scheme}");
            assert_eq!(next(&mut device)["id"], id, "{scheme}");
        }
    }
}

/// The next word about sessions or notifications.
fn next(device: &mut Background) -> Value {
    loop {
        let event = device.event().expect("the device ended");
        if event["event"] == "session" || event["event"] == "notification" {
            return event;
        }
    }
}

#[test]
fn a_notification_wakes_a_device_and_what_is_forged_or_repeated_does_nothing() {
    let (mut server, url) = Background::serve_with(&AUTH, &SECRETS);
    let (mut device, listener) = device(&url, &[]);
    assert_eq!(next(&mut device)["result"], "completed");

    let right = ["--password-env", "SERVER"];
    let wake = ["--session-id", "0xAB", "--ui-mode", "background"];
    let output = notify(&listener, &[right.as_slice(), &wake].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        events(&output),
        [json!({"event": "notification", "session": "AB", "to": listener})]
    );
    assert_eq!(
        next(&mut device),
        json!({
            "event": "notification",
            "session": "AB",
            "ui_mode": "background",
            "initiator": "server",
            "accepted": true,
        })
    );
    let session = json!({"event": "session", "id": "AB", "result": "completed"});
    assert_eq!(next(&mut device), session);
    server.wait_for(&[("event", json!("session")), ("id", json!("AB"))]);

    let dropped =
        |reason: &str| json!({"event": "notification", "accepted": false, "reason": reason});
    for (options, reason) in [
        (
            &["--password-env", "SERVER", "--session-id", "171"][..],
            "it came before",
        ),
        (&["--password-env", "GUESS"], "its digest is wrong"),
        (
            &["--password-env", "SERVER", "--nonce", "bm9uY2U="],
            "its digest is wrong",
        ),
        (
            &["--password-env", "SERVER", "--resync", "text"],
            "its digest is wrong",
        ),
        (
            &["--password-env", "SERVER", "--server-id", "other"],
            "there is no account with its server",
        ),
    ] {
        notified(&listener, options);
        assert_eq!(next(&mut device), dropped(reason), "{options:?}");
    }
    let garbage = [("content-type", "application/vnd.syncml.notification")];
    let answer = http::ask("POST", &listener, &garbage, b"garbage");
    assert_eq!(answer.status(), 202, "its sender learns nothing");
    let malformed = dropped("unexpected end at byte 7");
    assert_eq!(next(&mut device), malformed);

    // It lives on.
    notified(
        &listener,
        &[
            "--password-env",
            "SERVER",
            "--session-id",
            "7",
            "--initiator",
            "client",
        ],
    );
    let accepted = next(&mut device);
    assert_eq!(
        (&accepted["session"], &accepted["initiator"]),
        (&json!("7"), &json!("client"))
    );
    assert_eq!(next(&mut device)["id"], "7");
}

#[test]
fn the_session_begins_with_alert_1200_and_the_identifier() {
    let (heard, hears) = mpsc::channel();
    let heard = Mutex::new(heard);
    let url = http::serve(move |request, stream| {
        let body = String::from_utf8(request.body.clone()).unwrap();
        drop(heard.lock().unwrap().send(body));
        let answer = http::answer("500 Internal Server Error", &[], b"");
        drop(std::io::Write::write_all(stream, &answer));
    });
    let (_device, listener) = device(&url, &["--nonce-resync"]);
    assert!(hears.recv().unwrap().contains("<Data>1201</Data>"));
    for (id, text, resync) in [("0x1234", "1234", "text"), ("0x00fe", "FE", "octets")] {
        let right = ["--password-env", "SERVER", "--resync", resync];
        notified(
            &listener,
            &[right.as_slice(), &["--session-id", id]].concat(),
        );
        let package = hears.recv().unwrap();
        assert!(package.contains("<Data>1200</Data>"), "{package}");
        let session = format!("<SessionID>{text}</SessionID>");
        assert!(package.contains(&session), "{package}");
    }
}

#[test]
fn the_person_at_the_device_may_say_no_or_yes() {
    let (_server, url) = Background::serve_with(&AUTH, &SECRETS);
    for (ui, accepted) in [("accept", true), ("reject", false)] {
        let (mut device, listener) = device(&url, &["--ui", ui]);
        next(&mut device);
        notified(
            &listener,
            &["--password-env", "SERVER", "--ui-mode", "user-interaction"],
        );
        assert_eq!(next(&mut device)["accepted"], json!(accepted), "{ui}");
        if accepted {
            assert_eq!(next(&mut device)["event"], "session");
        }
        notified(
            &listener,
            &["--password-env", "SERVER", "--ui-mode", "informative"],
        );
        assert_eq!(next(&mut device)["ui_mode"], "informative");
    }
}

#[test]
fn what_is_no_notification_is_refused_and_said() {
    let (mut device, listener) = device("http://127.0.0.1:1/", &[]);
    let mime = [("content-type", "application/vnd.syncml.notification")];
    let elsewhere = listener.replace("/notify", "/dm");
    for (method, url, headers, code) in [
        ("POST", &elsewhere, &mime[..], 404),
        ("GET", &listener, &mime[..], 405),
        (
            "POST",
            &listener,
            &[("content-type", "text/plain")][..],
            415,
        ),
    ] {
        assert_eq!(http::ask(method, url, headers, b"").status(), code);
        let said = format!("answered with {code}");
        loop {
            let event = device.wait_for(&[("event", json!("error"))]);
            if event["message"].as_str().unwrap().contains(&said) {
                break;
            }
        }
    }
    assert_eq!(
        http::ask("POST", &listener, &mime, &[7; 4097]).status(),
        413
    );
}

#[test]
fn a_device_that_is_not_there_is_a_failure_and_wrong_words_are_wrong_usage() {
    let url = format!("http://{NOBODY}/notify");
    let output = notify(&url, &["--password-env", "SERVER"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(events(&output)[0]["event"], "error");
    assert!(complaint(&output).contains("the connection was refused"));

    for (options, said) in [
        (&["--password-env", "UNSET"][..], "UNSET"),
        (&[], "--password-env"),
        (
            &["--password-env", "SERVER", "--session-id", "0"],
            "--session-id",
        ),
        (
            &["--password-env", "SERVER", "--session-id", "65536"],
            "--session-id",
        ),
        (&["--password-env", "SERVER", "--nonce", "?"], "--nonce"),
        (
            &["--password-env", "SERVER", "--server-id", "a b"],
            "--server-id",
        ),
        (
            &[
                "--password-env",
                "SERVER",
                "--nonce",
                "",
                "--resync",
                "text",
            ],
            "--resync",
        ),
    ] {
        let output = notify(&url, options);
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        assert!(complaint(&output).contains(said), "{options:?}: {output:?}");
    }
    let long = "x".repeat(256);
    let output = notify(&url, &["--password-env", "SERVER", "--server-id", &long]);
    assert_eq!(output.status.code(), Some(2));
    let output = virmo_with(
        &["notify", "--to", "device:1", "--password-env", "SERVER"],
        &SECRETS,
        b"",
    );
    assert_eq!(output.status.code(), Some(2));
}
