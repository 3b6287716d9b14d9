//! `virmo load`: many devices, few threads, one report.

use std::{fs, io::Write, process::Command, thread, time::Duration};

use serde_json::{Value, json};

use crate::{
    ends::endless,
    http,
    life::Place,
    program::{Background, NOBODY, complaint, events, lines, pick, virmo, virmo_with},
};

/// Puts devices on a server; the exit code and what was told.
fn load(url: &str, words: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, Vec<Value>) {
    let output = virmo_with(
        &[&["load", "--server", url, "--json"], words].concat(),
        variables,
        b"",
    );
    (output.status.code(), events(&output))
}

/// The report, the last that is told.
fn report(told: &[Value]) -> &Value {
    let report = told.last().unwrap();
    assert_eq!(report["event"], "load", "{told:?}");
    report
}

#[test]
fn every_device_holds_its_sessions() {
    let (_server, url) = Background::serve(&[]);
    let words = ["--devices", "20", "--sessions", "3", "--concurrency", "4"];
    for more in [&[][..], &["--encoding", "wbxml"], &["--without-virmo"]] {
        let (code, told) = load(&url, &[&words[..], more].concat(), &[]);
        let report = report(&told);
        assert_eq!(code, Some(0), "{report}");
        let sessions = json!({"completed": 60, "failed": 0, "failures": {}});
        assert_eq!(report["sessions"], sessions);
        assert_eq!(report["devices"], 20);
        let requests = &report["requests"];
        assert_eq!(requests["sent"], requests["answered"]);
        assert!(requests["sent"].as_u64() >= Some(60), "{report}");
        assert_eq!(
            (&requests["unsent"], &requests["errors"]),
            (&json!(0), &json!({}))
        );
        for direction in ["sent", "received"] {
            assert!(report["bytes"][direction].as_u64() > Some(60 * 100));
        }
        for rate in ["sessions_per_second", "requests_per_second", "seconds"] {
            assert!(report[rate].as_f64() > Some(0.0), "{report}");
        }
        for times in ["request_ms", "session_ms"] {
            let of = |name: &str| report[times][name].as_f64().unwrap();
            assert!(0.0 < of("p50") && of("p50") <= of("p90"), "{report}");
            assert!(of("p90") <= of("p99") && of("p99") <= of("max"), "{report}");
        }
    }
}

/// Images come, machines live and end: devices do the work a plan gives them.
#[test]
fn devices_go_through_a_plan() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.toml");
    fs::write(folder.path().join("vm.img"), vec![7; 100_000]).unwrap();
    let steps = r#"
        [[step]]
        deliver_image = { node = "a", name = "a", uri = "/images/vm.img", media_type = "application/octet-stream" }
        [[step]]
        create_vm = { node = "a", image = "a", running = true }
        [[step]]
        suspend = { vm = "a" }
        [[step]]
        resume = { vm = "a" }
        [[step]]
        apply_resources = { a = "RAM=536870912&Storage=1073741824&CPU=60&Network=50" }
        [[step]]
        power_off = { vm = "a" }
        [[step]]
        delete_vm = { vm = "a" }
        [[step]]
        get = "./DevInfo/DevId"
    "#;
    fs::write(&plan, steps).unwrap();
    let images = folder.path().to_str().unwrap();
    let words = ["--plan", plan.to_str().unwrap(), "--images", images];
    let (mut server, url) = Background::serve(&words);
    let words = ["--devices", "5", "--sessions", "2", "--concurrency", "2"];
    let (code, told) = load(&url, &words, &[]);
    let report = report(&told);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["sessions"]["completed"], 10);
    assert!(report["commands"].as_u64() >= Some(5 * 8), "{report}");
    let mut ends = Vec::new();
    while ends.len() < 5 {
        let step = server.wait_for(&[("event", "step".into())]);
        assert_eq!(step["ok"], true, "{step}");
        if step["index"] == 7 {
            ends.push(step["value"].as_str().unwrap().to_owned());
        }
    }
    ends.sort();
    let due: Vec<_> = (1..=5).map(|n| format!("urn:virmo:load:{n}")).collect();
    assert_eq!(ends, due);
}

#[test]
fn sessions_fail_by_their_reason() {
    let proofs = ["--auth", "md5", "--user", "load-2", "--password-env", "PW"];
    let variables = [("PW", "right")];
    let (_server, url) = Background::serve_with(&proofs, &variables);
    let patterned = [
        "--auth",
        "md5",
        "--user",
        "load-{n}",
        "--password-env",
        "PW",
    ];
    let words = [&patterned[..], &["--devices", "3"]].concat();

    let (code, told) = load(&url, &words, &variables);
    let sessions = &report(&told)["sessions"];
    assert_eq!(code, Some(1), "{sessions}");
    // The server knows one name only.
    let reason = "the server does not accept the credentials";
    let due = json!({"completed": 1, "failed": 2, "failures": {reason: 2}});
    assert_eq!(*sessions, due);

    let (code, told) = load(&url, &words, &[("PW", "wrong")]);
    assert_eq!(code, Some(1));
    let sessions = &report(&told)["sessions"];
    assert_eq!(sessions["failures"], json!({reason: 3}));
}

#[test]
fn a_server_that_is_not_there_fails_every_session() {
    let url = format!("http://{NOBODY}/dm");
    let (code, told) = load(&url, &["--devices", "7"], &[]);
    assert_eq!(code, Some(1));
    let report = report(&told);
    let failures = json!({"127.0.0.1:1: the connection was refused": 7});
    assert_eq!(report["sessions"]["failures"], failures);
    let requests = json!({"sent": 0, "unsent": 7, "answered": 0, "errors": failures});
    assert_eq!(report["requests"], requests);
    assert_eq!(report["bytes"], json!({"sent": 0, "received": 0}));

    let (_, told) = load("http://no.such.host.invalid/dm", &["--devices", "2"], &[]);
    let failures = json!({"no.such.host.invalid: no address was found for the host": 2});
    assert_eq!(self::report(&told)["requests"]["errors"], failures);

    let (_server, url) = Background::serve(&[]);
    let (code, told) = load(&format!("{url}x"), &["--devices", "2"], &[]);
    assert_eq!(code, Some(1));
    let failures = json!({"the server answered with status 404": 2});
    assert_eq!(told.last().unwrap()["sessions"]["failures"], failures);
}

#[test]
fn a_server_of_something_else_fails_every_session_by_its_reason() {
    const SILENT: &str = "the server did not answer in time";
    let of = |body: &[u8], kind| http::answer("200 OK", &[("Content-Type", kind)], body);
    let sends = |answer: Vec<u8>| http::serve(move |_, stream| drop(stream.write_all(&answer)));
    let syncml = "application/vnd.syncml.dm+xml";
    let long = "x".repeat((1 << 20) + 1);
    for (server, reason) in [
        (sends(Vec::new()), "the connection broke"),
        (
            sends(b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec()),
            "the answer breaks HTTP",
        ),
        (
            sends(of(b"<html/>", "text/html")),
            "the answer has no media type of a DM message",
        ),
        (
            sends(of(b"<html", syncml)),
            "the answer cannot be read: unexpected end of the document at byte 5",
        ),
        (
            sends(of(long.as_bytes(), syncml)),
            "the answer is longer than 1048576 bytes",
        ),
        (
            http::serve(|_, _| thread::sleep(Duration::from_secs(600))),
            SILENT,
        ),
    ] {
        // Of the others each says something in time, however slow the machine is.
        let timeout = match reason {
            SILENT => "0.5",
            _ => "60",
        };
        let words = ["--devices", "2", "--timeout", timeout];
        let (code, told) = load(&format!("{server}/dm"), &words, &[]);
        let sessions = json!({"completed": 0, "failed": 2, "failures": {reason: 2}});
        assert_eq!((code, &report(&told)["sessions"]), (Some(1), &sessions));
    }
}

/// However fast the sessions fail, each device has ten in a second at most.
#[test]
fn a_device_pauses_after_a_session_that_failed() {
    let url = format!("http://{NOBODY}/dm");
    let words = ["--devices", "3", "--concurrency", "2", "--seconds", "1"];
    let (code, told) = load(&url, &words, &[]);
    let report = report(&told);
    assert_eq!(code, Some(1), "{report}");
    let (failed, seconds) = (&report["sessions"]["failed"], &report["seconds"]);
    let most = 3.0 * (seconds.as_f64().unwrap() * 10.0 + 1.0);
    assert!(failed.as_f64() <= Some(most), "{report}");

    let words = ["--devices", "2", "--sessions", "3"];
    let (_, told) = load(&url, &words, &[]);
    let report = self::report(&told);
    assert_eq!(report["sessions"]["failed"], 6);
    assert!(report["seconds"].as_f64() >= Some(0.2), "{report}");
}

/// However many devices there are, and whether they held a session before.
#[test]
fn all_devices_together_pause_after_sessions_that_failed() {
    let url = format!("http://{NOBODY}/dm");
    let most = |report: &Value| 200.0 * report["seconds"].as_f64().unwrap() + 1.0 + 8.0;
    let failed = |report: &Value| report["sessions"]["failed"].as_f64().unwrap();
    let words = ["--concurrency", "8", "--devices"];
    for more in [&["3000", "--seconds", "1"][..], &["60", "--seconds", "1"]] {
        let (_, told) = load(&url, &[&words[..], more].concat(), &[]);
        let report = report(&told);
        assert!(failed(report) <= most(report), "{report}");
    }
    let (_, told) = load(&url, &[&words[..], &["300"]].concat(), &[]);
    let report = report(&told);
    assert_eq!(failed(report), 300.0);
    assert!(failed(report) <= most(report), "{report}");
}

#[test]
fn a_load_of_so_many_seconds_tells_how_far_it_is() {
    let (_server, url) = Background::serve(&[]);
    let words = ["--devices", "3", "--seconds", "4"];
    let (code, told) = load(&url, &words, &[]);
    assert_eq!(code, Some(0), "{told:?}");
    let fields = ["failed", "sessions", "requests", "seconds"];
    let progress = pick(&told, "progress", &fields);
    assert!(!progress.is_empty(), "{told:?}");
    for line in &progress {
        assert!(line.starts_with("0 ") && !line.contains("null"), "{line}");
    }
    assert_eq!(told.len(), progress.len() + 1);
    assert!(report(&told)["sessions"]["completed"].as_u64() > Some(0));
}

#[test]
fn people_get_a_table() {
    let (_server, url) = Background::serve(&[]);
    let output = virmo(&["load", "--server", &url, "--devices", "2"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let told = lines(&output);
    assert!(told[0].starts_with("2 devices, "), "{told:?}");
    assert!(told[1].starts_with("sessions  2 completed, 0 failed, "));
    let words = |line: &str| line.split_whitespace().count();
    assert_eq!(
        told[told.len() - 3..]
            .iter()
            .map(|it| words(it))
            .collect::<Vec<_>>(),
        [5; 3]
    );
}

#[test]
fn a_session_without_end_is_aborted_and_told_apart() {
    let words = ["--devices", "2", "--session-limit", "0.5"];
    let (code, told) = load(
        &endless(),
        &[&words[..], &["--timeout", "300"]].concat(),
        &[],
    );
    let report = report(&told);
    assert_eq!(code, Some(1), "{report}");
    let failures = json!({"took too long, aborted": 2});
    let sessions = json!({"completed": 0, "failed": 2, "failures": failures});
    assert_eq!(report["sessions"], sessions);
    assert_eq!(report["sessions_per_second"], 0.0, "{report}");
    assert_eq!(report["session_ms"]["max"], 0.0, "{report}");
    assert!(report["failed_session_ms"]["p50"].as_f64() >= Some(500.0));
    assert!(report["request_ms"]["p50"].as_f64() > Some(0.0), "{report}");
}

#[test]
fn a_load_of_so_many_seconds_ends_whatever_the_server_does() {
    // However long it takes until one has begun.
    for seconds in ["0.5", "2", "8", "32"] {
        let words = ["--devices", "2", "--timeout", "3", "--seconds", seconds];
        let (code, told) = load(&endless(), &words, &[]);
        let sessions = &report(&told)["sessions"];
        assert_eq!(sessions["completed"], 0, "{sessions}");
        if sessions["failed"] != 0 {
            assert_eq!(code, Some(1), "{sessions}");
            return;
        }
    }
    panic!("no session began");
}

/// A session has no more time while it waits for an image that comes and comes.
#[test]
fn a_download_without_end_is_cut_off_with_its_session() {
    let image = http::serve(|_, stream| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-disk\r\n\r\n";
        let mut is_there = stream.write_all(head).is_ok();
        while is_there {
            thread::sleep(Duration::from_millis(20));
            is_there = stream.write_all(b"x").is_ok();
        }
    });
    let place = Place::new(&format!(
        "[[step]]\ndeliver_image = {{ node = 'i', name = 'i', uri = '{image}/i.img', \
         media_type = 'application/x-disk' }}\n"
    ));
    let (_server, url) = place.serve(&[]);
    let words = ["--devices", "1", "--session-limit", "3", "--timeout", "60"];
    let (code, told) = load(&url, &words, &[]);
    let sessions = &report(&told)["sessions"];
    let failures = json!({"took too long, aborted": 1});
    let due = json!({"completed": 0, "failed": 1, "failures": failures});
    assert_eq!((code, sessions), (Some(1), &due));
}

/// A load that has sent something.
fn under_way(url: &str, words: &[&str]) -> Background {
    let start = ["load", "--server", url, "--json", "--timeout", "300"];
    let mut load = Background::start(&[&start[..], words].concat());
    while load.wait_for(&[("event", "progress".into())])["requests"] == 0 {}
    load
}

#[test]
fn a_signal_ends_it_with_the_report() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let load = under_way(&endless(), &["--devices", "1"]);
        load.signal(&[signal]);
        let (ended, told) = load.end();
        assert_eq!(ended, Some(code));
        let failures = json!({"not over in time, cut off": 1});
        let sessions = json!({"completed": 0, "failed": 1, "failures": failures});
        assert_eq!(report(&told)["sessions"], sessions);
    }
    let silent = http::serve(|_, _| thread::sleep(Duration::from_secs(600)));
    let load = under_way(&format!("{silent}/dm"), &["--devices", "1"]);
    load.signal(&["INT"]);
    let (ended, told) = load.end();
    assert_eq!(ended, Some(130));
    let errors = json!({"not over in time, cut off": 1});
    let requests = json!({"sent": 1, "unsent": 0, "answered": 0, "errors": errors});
    assert_eq!(report(&told)["requests"], requests);

    let (_server, url) = Background::serve(&[]);
    let load = under_way(&url, &["--devices", "2", "--sessions", "1000000"]);
    load.signal(&["INT"]);
    let (ended, told) = load.end();
    assert_eq!(ended, Some(130));
    let report = report(&told);
    assert!(report["requests"]["sent"].as_u64() > Some(0), "{report}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let load = under_way(&endless(), &["--devices", "2"]);
    // Stopped, it meets both together.
    load.signal(&["STOP", "INT", "TERM", "CONT"]);
    let (ended, told) = load.end();
    assert_eq!(ended, None);
    assert!(told.iter().all(|it| it["event"] == "progress"), "{told:?}");
}

/// As one is that a script starts in the background: the SIGINT of a terminal is not for it.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_that_is_ignored_from_the_start_stays_so() {
    let url = endless();
    let words = ["load", "--json", "--timeout", "1", "--server", &url];
    let mut load = Background::ignoring("INT", &words);
    while load.wait_for(&[("event", "progress".into())])["requests"] == 0 {}
    load.signal(&["INT", "TERM"]);
    let (ended, told) = load.end();
    assert_eq!(ended, Some(143));
    report(&told);
}

#[test]
fn files_that_may_not_be_opened_are_no_fault_of_the_server() {
    let load = |limit: &str| {
        let url = format!("http://{NOBODY}/");
        let words = "load --devices 100 --concurrency 100 --json --server";
        let line = format!("ulimit {limit}; exec \"$0\" {words} {url}");
        let virmo = env!("CARGO_BIN_EXE_virmo");
        let output = Command::new("sh").args(["-c", &line, virmo]).output();
        output.unwrap()
    };
    let refused = load("-n 100");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said = complaint(&refused);
    assert!(said.contains("need 264 open files"), "{said}");
    assert!(said.contains("--concurrency 18"), "{said}");
    let said = complaint(&load("-n 65"));
    assert!(said.ends_with("that is too few for any\n"), "{said}");
    // Up to the hard limit it sees to that itself.
    let done = load("-S -n 100");
    let failures = json!({"127.0.0.1:1: the connection was refused": 100});
    assert_eq!(report(&events(&done))["sessions"]["failures"], failures);
}

#[test]
fn the_number_of_a_device_stands_in_the_help() {
    let help = lines(&virmo(&["help", "load"])).join("\n");
    assert!(help.contains("{n} in it"), "{help}");
}
