//! How sessions end: servers that are gone, broken or hostile, peers that prove nothing, and what
//! `serve` says to whoever does not speak its language.

use std::{
    io::Write,
    net::TcpListener,
    process::Output,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::json;

use crate::{
    http::{self, answer, ask},
    life::Place,
    peer::{self, Device, Element},
    program::{Background, NOBODY, complaint, events, lines, pick, virmo, virmo_with},
};

const XML: &str = "application/vnd.syncml.dm+xml";

/// A DM server that answers each message as `play` says, and what it got.
fn played(
    play: impl Fn(usize, &str) -> Vec<u8> + Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<Vec<u8>>>>) {
    let got = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&got);
    let url = http::serve(move |request, stream| {
        let number = {
            let mut log = log.lock().unwrap();
            log.push(request.body.clone());
            log.len()
        };
        let body = String::from_utf8(request.body.clone()).unwrap();
        drop(stream.write_all(&play(number, &body)));
    });
    (format!("{url}/dm"), got)
}

/// The answer that acknowledges everything and adds these elements; `number` is its MsgID.
fn acknowledge(number: u32, session: Option<&str>, message: &str, more: &[String]) -> Vec<u8> {
    let [header, body] = Element::message(message);
    let from = header.at("MsgID").parse().unwrap();
    let mut reply = vec![peer::status(from, "0", "SyncHdr", 200)];
    for element in &body.children {
        if matches!(element.name.as_str(), "Alert" | "Replace") {
            let id = element.at("CmdID");
            reply.push(peer::status(from, &id, &element.name, 200));
        }
    }
    reply.extend_from_slice(more);
    let ends = [header.at("Source/LocURI"), header.at("Target/LocURI")];
    let own = header.at("SessionID");
    let ends = [ends[0].as_str(), ends[1].as_str()];
    let xml = peer::message(session.unwrap_or(&own), number, ends, &reply, true);
    message_of(xml.as_bytes())
}

fn message_of(body: &[u8]) -> Vec<u8> {
    answer("200 OK", &[("Content-Type", XML)], body)
}

/// A DM server whose sessions have no end: whatever a device says, it asks for more.
pub fn endless() -> String {
    let (url, _) = played(|_, message| {
        // The messages a session may have are not used up before a test ends it.
        thread::sleep(Duration::from_millis(10));
        let [header, _] = Element::message(message);
        let number = header.at("MsgID").parse().unwrap();
        let get = peer::command("Get", "./DevInfo/DevId", "", "");
        acknowledge(number, None, message, &[get])
    });
    url
}

fn device(url: &str, words: &[&str]) -> Output {
    virmo(&[&["device", "--server", url, "--json"], words].concat())
}

/// How the only session ended.
fn end(output: &Output) -> String {
    let ends = pick(&events(output), "session", &["result"]);
    assert_eq!(ends.len(), 1, "{output:?}");
    ends[0].clone()
}

/// Without `--state` its folder is a temporary one.
#[test]
fn a_device_that_is_stopped_leaves_no_files() {
    let url = endless();
    let mut device = Background::start(&["device", "--server", &url, "--json"]);
    device.wait_for(&[("event", "command".into())]);
    device.signal(&["INT"]);
    assert_eq!(device.end_without_trace().0, Some(130));
}

#[test]
fn a_link_that_breaks_is_tried_again_with_the_same_message() {
    let (url, got) = played(|number, message| match number {
        1 | 2 => Vec::new(),
        _ => acknowledge(1, None, message, &[]),
    });
    let output = device(&url, &["--once"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(end(&output), "completed");
    let got = got.lock().unwrap();
    assert_eq!(got.len(), 3);
    assert!(got.iter().all(|message| *message == got[0]));
}

/// VR: an answer that comes twice is answered again, and executed once.
#[test]
fn an_answer_that_comes_twice_is_not_executed_twice() {
    let (url, got) = played(|number, message| match number {
        1 | 2 => {
            let add = peer::command("Add", "./VirMO/v", "node", "");
            // The second is what the first message got, again.
            let first = message.replace("<MsgID>2</MsgID>", "<MsgID>1</MsgID>");
            match number {
                1 => acknowledge(1, None, &first, &[add]),
                _ => acknowledge(1, None, message, &[add]),
            }
        }
        _ => acknowledge(2, None, message, &[]),
    });
    let output = device(&url, &["--once"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let commands = pick(&events(&output), "command", &["name", "status"]);
    assert_eq!(commands, ["Add 200"]);
    let got = got.lock().unwrap();
    assert_eq!(got.len(), 3);
    assert_eq!(got[1], got[2]);
}

/// What a server says in the place of an answer, and how the session ends; exit code 1 each.
#[test]
fn a_session_that_fails_says_how() {
    type Play = fn(&str) -> Vec<u8>;
    let cases: [(Play, &str, &str); 8] = [
        (
            |_| answer("500 Internal Server Error", &[], b""),
            "the transport refused the message",
            "the server answered with status 500",
        ),
        (
            |_| answer("404 Not Found", &[], b""),
            "the transport refused the message",
            "the server answered with status 404",
        ),
        (
            |_| answer("200 OK", &[("Content-Type", "text/html")], b"<html/>"),
            "the transport refused the message",
            "the answer has no media type of a DM message",
        ),
        (
            |_| message_of(b"<SyncML"),
            "the answer cannot be read",
            "byte",
        ),
        (|_| message_of(b""), "the answer cannot be read", ""),
        (
            |message| {
                let abort = "<Alert>{id}<Data>1223</Data></Alert>".to_owned();
                acknowledge(1, None, message, &[abort])
            },
            "aborted by the server",
            "",
        ),
        (
            |message| acknowledge(1, Some("FFFFFF"), message, &[]),
            "the answer belongs to another session",
            "",
        ),
        (
            |message| {
                let xml = String::from_utf8(acknowledge(1, None, message, &[])).unwrap();
                let (_, body) = xml.split_once("\r\n\r\n").unwrap();
                let refused = body.replacen("<Data>200<", "<Data>500<", 1);
                message_of(refused.as_bytes())
            },
            "the server refused the message",
            "500",
        ),
    ];
    for (play, result, more) in cases {
        let (url, got) = played(move |_, message| play(message));
        let output = device(&url, &["--once"]);
        let context = format!("{result}: {output:?}");
        assert_eq!(output.status.code(), Some(1), "{context}");
        let end = end(&output);
        let errors = pick(&events(&output), "error", &["message"]);
        let told = format!("{end}, {}", errors.concat());
        assert!(end.contains(result) && told.contains(more), "{context}");
        // Not a word of the answer was executed, and it was not asked for again.
        assert_eq!(pick(&events(&output), "command", &["name"]), [""; 0]);
        assert_eq!(got.lock().unwrap().len(), 1, "{context}");
        let failed = format!("the session failed: {end}");
        assert_eq!(errors.last(), Some(&failed), "{context}");
        let by_transport = end == "the transport refused the message";
        assert_eq!(errors.len(), 1 + usize::from(by_transport), "{context}");
        let complaint = complaint(&output);
        assert_eq!(complaint, format!("virmo: the session failed: {end}\n"));
    }
}

/// `--strict` takes no MsgID but the next one; without it any will do.
#[test]
fn strict_turns_tolerance_off() {
    for (words, code) in [(&["--once"][..], 0), (&["--once", "--strict"], 1)] {
        let (url, _) = played(|_, message| acknowledge(7, None, message, &[]));
        let output = device(&url, words);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
}

#[test]
fn people_read_on_standard_error_what_failed() {
    let (url, _) = played(|_, _| answer("500 Internal Server Error", &[], b""));
    let output = virmo(&["device", "--server", &url, "--until-idle"]);
    assert_eq!(output.status.code(), Some(1));
    let said = format!(
        "error: {url}: the server answered with status 500\n\
         virmo: the session failed: the transport refused the message\n"
    );
    assert_eq!(complaint(&output), said);
    assert_eq!(lines(&output).len(), 2, "{output:?}");
}

/// What would forge lines, steer the terminal or flood it.
fn nasty(start: &str) -> String {
    format!(
        "{start}\nerror: forged\u{9b}2J\u{202e}{}",
        "x".repeat(100_000)
    )
}

/// The lines that were forged, that steer or that flood.
fn odd<'a>(lines: impl IntoIterator<Item = &'a String>) -> Vec<&'a String> {
    let odd = |line: &&String| {
        line.starts_with("error: forged")
            || line.len() > 2000
            || line.contains(|c: char| c.is_control() || c == '\u{202e}')
    };
    lines.into_iter().filter(odd).collect()
}

#[test]
fn what_a_device_says_stays_in_its_line() {
    for json in [false, true] {
        let listen: &[&str] = &["serve", "--listen", "127.0.0.1:0", "--json"];
        let mut server = Background::start(&listen[..if json { 4 } else { 3 }]);
        let listening = server.line().unwrap();
        let at = listening.find("http://").unwrap();
        let url = listening[at..].trim_end_matches(['"', '}']).to_owned();
        // As long as the server takes it.
        let name: String = nasty("urn:x").chars().take(500).collect();
        let from = nasty("./x");
        let alert = format!(
            "<Alert>{{id}}<Data>1226</Data><Item><Source><LocURI>{from}</LocURI></Source><Meta>\
             <Type xmlns=\"syncml:metinf\">{from}</Type>\
             <Format xmlns=\"syncml:metinf\">chr</Format></Meta><Data>1</Data></Item></Alert>"
        );
        let start = "<Alert>{id}<Data>1201</Data></Alert>".to_owned();
        let info = "<Replace>{id}<Item><Source><LocURI>./DevInfo/DevId</LocURI></Source>\
                    <Data>x</Data></Item></Replace>";
        let body = [start, info.to_owned(), alert];
        let (head, _) = peer::post(
            &url,
            &peer::message("1", 1, [&url, &name], &body, true),
            false,
        );
        assert!(head.contains(" 200 "), "{head}");
        let mut told = vec![listening];
        while !told.last().unwrap().contains("alert") {
            told.push(server.line().unwrap());
        }
        if json {
            told.retain(|line| serde_json::from_str::<serde_json::Value>(line).is_err());
            assert_eq!(told, [""; 0]);
        } else {
            assert_eq!(odd(&told), [""; 0]);
            let alert = told.last().unwrap();
            assert!(
                alert.contains("./x\u{fffd}error: forged\u{fffd}2J\u{fffd}xxx"),
                "{alert}"
            );
            assert!(alert.contains("... (1000"), "{alert}");
        }
    }
}

#[test]
fn what_a_server_says_stays_in_its_line() {
    let (url, _) = played(|number, message| {
        let uri = nasty("./x");
        let more = [peer::command("Get", &uri, "", "")];
        let number = u32::try_from(number).unwrap();
        let more = if number == 1 { &more[..] } else { &[] };
        acknowledge(number, None, message, more)
    });
    let output = virmo(&["device", "--server", &url, "--once"]);
    let told = lines(&output);
    assert_eq!(odd(&told), [""; 0]);
    let get = told.iter().find(|line| line.contains("Get")).unwrap();
    assert!(
        get.contains("./x\u{fffd}error: forged\u{fffd}2J\u{fffd}xxx"),
        "{get}"
    );
    assert!(get.contains("... (1000"), "{get}");
}

/// Why the link breaks is told at once, and once; not only when everything was tried.
#[test]
fn a_link_that_breaks_says_why() {
    let refused = format!("http://{NOBODY}/");
    for (url, why) in [
        (refused.as_str(), "the connection was refused"),
        (
            "http://no.such.host.invalid/",
            "no address was found for the host",
        ),
    ] {
        let mut device = Background::start(&["device", "--server", url, "--json"]);
        let told = device.wait_for(&[("event", json!("error"))]);
        let message = told["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{url}: {why}: ")), "{message}");
        device.kill();
    }
}

/// Without --once a session that fails is not the end.
#[test]
fn a_device_that_goes_on_survives_its_server() {
    let (url, _) = played(|number, message| match number {
        1 | 2 => answer("500 Internal Server Error", &[], b""),
        _ => acknowledge(1, None, message, &[]),
    });
    let words = ["device", "--server", &url, "--interval", "0.02", "--json"];
    let mut device = Background::start(&words);
    let mut told = Vec::new();
    while told.last() != Some(&json!("completed")) {
        let event = device.event().unwrap();
        match event["event"].as_str() {
            Some("session") => told.push(event["result"].clone()),
            Some("retry") => told.push(event["seconds"].clone()),
            _ => {}
        }
    }
    let failed = json!("the transport refused the message");
    let pause = json!(0.02);
    assert_eq!(
        told,
        [&failed, &pause, &failed, &pause, &json!("completed")].map(Clone::clone)
    );
    device.kill();
}

const VARIABLES: [(&str, &str); 4] = [
    ("RIGHT", "OhBehave"),
    ("WRONG", "wrong"),
    ("SERVER", "s3cret"),
    ("OTHER", "other"),
];

/// A plan of one Get; both ends prove themselves as these words say.
fn authenticate(
    scheme: &str,
    server: &[&str],
    device: &[&str],
) -> (Output, Option<i32>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.toml");
    std::fs::write(&plan, "[[step]]\nget = './DevInfo/Man'\n").unwrap();
    let plan = plan.to_str().unwrap();
    let words = [&["--plan", plan, "--once", "--auth", scheme], server].concat();
    let (mut server, url) = Background::serve_with(&words, &VARIABLES);
    let mut words = [&["device", "--server", &url, "--once", "--json"], device].concat();
    for word in words.iter_mut().filter(|word| **word == "basic") {
        *word = scheme;
    }
    let output = virmo_with(&words, &VARIABLES, b"");
    if output.status.success() {
        let (code, told) = server.end();
        return (output, code, pick(&told, "step", &["ok", "value"]));
    }
    let mut said = Vec::new();
    while let Some(event) = server.event() {
        said.push(event.to_string());
        if ["error", "session", "challenge"].contains(&event["event"].as_str().unwrap()) {
            break;
        }
    }
    server.kill();
    (output, None, said)
}

const SCHEMES: [&str; 3] = ["basic", "md5", "mac"];

const CLIENT: [&str; 6] = [
    "--auth",
    "basic",
    "--user",
    "Bruce2",
    "--password-env",
    "RIGHT",
];

fn with(fixed: &[&'static str], more: &[&'static str]) -> Vec<&'static str> {
    [fixed, more].concat()
}

#[test]
fn both_ends_prove_who_they_are() {
    let server = ["--server-user", "srv", "--server-password-env", "SERVER"];
    let both = with(&CLIENT, &server);
    for scheme in SCHEMES {
        for words in [&CLIENT[..], &both] {
            let (output, code, steps) = authenticate(scheme, &words[2..], words);
            assert_eq!(output.status.code(), Some(0), "{scheme}: {output:?}");
            assert_eq!((code, steps), (Some(0), vec!["true virmo".to_owned()]));
            // To be asked for a proof is no error.
            assert_eq!(pick(&events(&output), "error", &["message"]), [""; 0]);
        }
    }
}

#[test]
fn who_proves_nothing_is_not_served() {
    let wrong = [
        "--auth",
        "basic",
        "--user",
        "Bruce2",
        "--password-env",
        "WRONG",
    ];
    let other = [
        "--auth",
        "basic",
        "--user",
        "Bruce3",
        "--password-env",
        "RIGHT",
    ];
    for scheme in SCHEMES {
        for words in [&wrong[..], &other, &[]] {
            let (output, _, said) = authenticate(scheme, &CLIENT[2..], words);
            assert_eq!(output.status.code(), Some(1), "{scheme}: {output:?}");
            assert_eq!(end(&output), "the server does not accept the credentials");
            let asked = said[0].contains("challenge");
            assert!(
                asked || said[0].contains("was not processed: 401"),
                "{said:?}"
            );
            assert_eq!(pick(&events(&output), "command", &["name"]), [""; 0]);
        }
    }
}

/// A device gives up on a server that takes its messages and says nothing; how long that may take
/// is a limit of the engine, and its tests have the clock.
#[test]
fn a_silent_server_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/dm", listener.local_addr().unwrap());
    let output = virmo(&["device", "--server", &url, "--once", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(end(&output), "the server did not answer");
}

/// A server that cannot prove itself gets nothing done.
#[test]
fn a_server_that_proves_nothing_is_not_obeyed() {
    let expects = ["--server-user", "srv", "--server-password-env", "SERVER"];
    let device = with(&CLIENT, &expects);
    let wrong = ["--server-user", "srv", "--server-password-env", "OTHER"];
    let wrong = with(&CLIENT[2..], &wrong);
    for scheme in SCHEMES {
        for server in [&CLIENT[2..], &wrong] {
            let (output, ..) = authenticate(scheme, server, &device);
            assert_eq!(output.status.code(), Some(1), "{scheme}: {output:?}");
            assert_eq!(end(&output), "the server could not prove who it is");
            assert_eq!(pick(&events(&output), "command", &["name"]), [""; 0]);
        }
    }
}

#[test]
fn serve_survives_whoever_does_not_speak_its_language() {
    let (mut server, url) = Background::serve(&["--encoding", "xml"]);
    let dm = [("Content-Type", XML)];
    let large = vec![b' '; (1 << 20) + 1];
    let odd = "application/vnd.syncml.dm+wbxml";
    for (method, headers, body, status) in [
        ("POST", &dm[..], &b"garbage"[..], 400),
        ("POST", &dm, b"", 400),
        (
            "POST",
            &dm,
            b"<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr/></SyncML>",
            400,
        ),
        ("POST", &[("Content-Type", "text/plain")], b"x", 415),
        ("POST", &[], b"x", 415),
        ("POST", &[("Content-Type", odd)], b"\x02", 415),
        ("POST", &dm, &large, 413),
        ("GET", &[], b"", 405),
        ("PUT", &dm, b"x", 405),
    ] {
        let told = ask(method, &url, headers, body);
        assert_eq!(told.status(), status, "{method} {headers:?}");
    }
    assert_eq!(Device::default().session(&url), 0, "and lives on");
    let charset = [("Content-Type", &*format!("{XML}; charset=UTF-8"))];
    assert_eq!(ask("POST", &url, &charset, b"x").status(), 400);
    let elsewhere = ask("POST", &url.replace("/dm", "/"), &dm, b"x");
    assert_eq!(
        (elsewhere.status(), &elsewhere.body[..]),
        (404, &b"404 Not Found\n"[..])
    );
    // Who runs it hears of each.
    let mut told = Vec::new();
    while told.len() < 11 {
        let event = server.wait_for(&[("event", json!("error"))]);
        told.push(event["message"].as_str().unwrap().to_owned());
    }
    assert!(
        told[0].starts_with("HTTP POST /dm from 127.0.0.1:"),
        "{told:?}"
    );
    assert!(told[0].ends_with("was answered with 400"), "{told:?}");
    assert!(told[10].starts_with("HTTP POST / from"), "{told:?}");
    server.kill();
}

/// A step whose time is over ends with 408, and the plan with it, though no device says anything.
#[test]
fn a_step_has_a_time_limit() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/i.img", silent.local_addr().unwrap());
    for (expect, code) in [("", Some(1)), ("expect = 408\n", Some(0))] {
        let place = Place::new(&format!(
            "[[step]]\ndeliver_image = {{ node = 'i', name = 'i', uri = '{uri}', \
             media_type = 'application/x-disk' }}\nwithin = 1\n{expect}"
        ));
        let (server, url) = place.serve(&["--once"]);
        let device = virmo(&["device", "--server", &url, "--once"]);
        assert_eq!(device.status.code(), Some(0), "{device:?}");
        let (ended, told) = server.end();
        assert_eq!(ended, code, "{told:?}");
        let steps = pick(&told, "step", &["ok", "status", "detail"]);
        let ok = code == Some(0);
        assert_eq!(steps, [format!("{ok} 408 not over within 1 s")]);
    }
}
