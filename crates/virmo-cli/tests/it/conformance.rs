//! `virmo conformance`: of our ends, of a foreign server, of a foreign device.

use serde_json::Value;

use crate::{
    http::ask,
    life::Place,
    program::{Background, NOBODY, complaint, events, lines, virmo},
};

#[test]
fn every_row_of_a_document_is_judged() {
    let output = virmo(&["conformance", "--seed", "003", "--json"]);
    assert_eq!(
        (output.status.code(), complaint(&output)),
        (Some(0), String::new())
    );
    let events = events(&output);
    let rows: Vec<_> = events
        .iter()
        .filter(|event| event["event"] == "row")
        .collect();
    assert_eq!(rows.len(), 18);
    assert!(
        rows.iter()
            .all(|row| row["result"] == "proven" && row["scenario"].is_string())
    );
    let sums = events.iter().filter(|event| event["event"] == "sum");
    assert_eq!(sums.count(), 2);
    let text = lines(&virmo(&["conformance", "--seed", "003"]));
    assert_eq!(text[text.len() - 2], "INFO        1 rows: 1 proven");
    assert_eq!(
        text.last().unwrap(),
        "18 rows in all, 18 proven, none failed, none unproven"
    );
    let wrong = virmo(&["conformance", "--seed", "007"]);
    assert_eq!(wrong.status.code(), Some(2));
}

/// A foreign end shows nothing of UVE: that is said at once, not after waiting for one.
#[test]
fn no_foreign_end_is_judged_by_uve() {
    for (flag, end) in [
        ("--server", "http://127.0.0.1:9/"),
        ("--listen", "127.0.0.1:0"),
    ] {
        let output = virmo(&["conformance", "--seed", "003", flag, end]);
        assert_eq!(output.status.code(), Some(2));
        let complaint = complaint(&output);
        assert!(complaint.contains("--seed 003"), "{complaint}");
    }
}

/// A server of ours that is judged as if it were a foreign one: what a plan does is proven, what
/// it does not do cannot be seen.
#[test]
fn a_server_is_judged_by_what_it_does() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("images")).unwrap();
    std::fs::write(folder.path().join("images/i"), "an image").unwrap();
    let plan = folder.path().join("plan.toml");
    std::fs::write(
        &plan,
        "[[step]]\ndeliver_image = { node = 'i', name = 'n', uri = 'images/i', media_type = 'application/octet-stream' }\n\
         [[step]]\ncreate_vm = { node = 'v', image = 'i' }\n\
         [[step]]\nsuspend = { vm = 'v' }\n",
    )
    .unwrap();
    let images = folder.path().join("images");
    let words = [
        "--plan",
        plan.to_str().unwrap(),
        "--images",
        images.to_str().unwrap(),
    ];
    let (server, url) = Background::serve(&words);
    let output = virmo(&["conformance", "--server", &url, "--seed", "002", "--json"]);
    drop(server);
    let events = events(&output);
    for (id, due) in [
        ("VR-180", "proven"),
        ("VR-193", "proven"),
        ("VR-033", "proven"),
        ("VR-198", "not observable"),
        ("VR-190", "not observable"),
    ] {
        assert_eq!(result(&events, id), due, "{id}");
    }
}

const DELIVERY: &str = "[[step]]\ndeliver_image = { node = 'i', name = 'n', uri = 'images/i.img', \
                        media_type = 'application/octet-stream' }\n";

/// The rows of 004 are judged by what a server does that follows the draft.
#[test]
fn a_server_is_judged_in_the_draft() {
    let place = Place::new(DELIVERY);
    let (plan, images) = (&place.path("plan.toml"), &place.path("images"));
    let words = ["--profile", "draft", "--plan", plan, "--images", images];
    let (server, url) = Background::serve(&words);
    let output = virmo(&["conformance", "--server", &url, "--seed", "004", "--json"]);
    drop(server);
    // Name as in VR-154.
    assert_eq!(result(&events(&output), "DR-092"), "proven");
}

/// A device of ours that is judged as if it were a foreign one.
#[test]
fn a_device_is_judged_by_what_it_says() {
    let address = ["conformance", "--listen", "127.0.0.1:0"];
    let mut judge = Background::start(&[&address[..], &["--seed", "002", "--json"]].concat());
    let listening = judge.event().unwrap();
    let url = listening["url"].as_str().unwrap();
    let device = Background::start(&["device", "--server", url, "--interval", "1", "--json"]);
    let (_, events) = judge.end();
    drop(device);
    for (id, due) in [
        ("VR-190", "proven"),
        ("VR-079", "proven"),
        // Our device has an alert of its own for a download that failed.
        ("VR-247", "proven"),
        ("VR-058", "not observable"),
        ("VR-180", "not observable"),
    ] {
        assert_eq!(result(&events, id), due, "{id}");
    }
}

/// [DM-Security]: a foreign end that wants proof gets it and gives it, by every scheme; one with
/// another password is refused, and is told so once.
#[test]
fn foreign_ends_prove_who_they_are() {
    let place = Place::new(DELIVERY);
    let (plan, images) = (&place.path("plan.toml"), &place.path("images"));
    for scheme in ["basic", "md5", "mac"] {
        let [right, wrong] = ["PATH", "HOME"].map(|password| credentials(scheme, password));
        let right: Vec<_> = right.iter().map(String::as_str).collect();
        let wrong: Vec<_> = wrong.iter().map(String::as_str).collect();

        let words = [&right[..], &["--plan", plan, "--images", images]].concat();
        let (server, url) = Background::serve(&words);
        let judge = ["conformance", "--server", &url, "--seed", "002"];
        let refused = virmo(&[&judge[..], &wrong].concat());
        assert_eq!(refused.status.code(), Some(1), "{scheme}");
        assert!(
            complaint(&refused).contains("refuses the device"),
            "{scheme}"
        );
        let judged = virmo(&[&judge[..], &right, &["--json"]].concat());
        drop(server);
        assert_eq!(result(&events(&judged), "VR-180"), "proven", "{scheme}");

        let judge = [
            "conformance",
            "--listen",
            "127.0.0.1:0",
            "--seed",
            "000",
            "--json",
        ];
        let mut judge = Background::start(&[&judge[..], &right].concat());
        let listening = judge.event().unwrap();
        let url = listening["url"].as_str().unwrap();
        let device = ["device", "--server", url, "--interval", "1", "--json"];
        let device = Background::start(&[&device[..], &right].concat());
        let (_, events) = judge.end();
        drop(device);
        let row = |event: &&Value| event["event"] == "row" && event["result"] == "proven";
        assert!(
            events.iter().any(|event| row(&event)),
            "{scheme}: {events:?}"
        );
    }
    let ours = virmo(&["conformance", "--auth", "none"]);
    assert_eq!(ours.status.code(), Some(2));
}

/// Names of both ends with the passwords in a variable that every program has.
fn credentials(scheme: &str, variable: &str) -> Vec<String> {
    let words = [
        ["--auth", scheme],
        ["--user", "client"],
        ["--password-env", variable],
        ["--server-user", "server"],
        ["--server-password-env", variable],
    ];
    words.concat().into_iter().map(str::to_owned).collect()
}

/// A machine that boots what it gets: the image of --image, under its media type.
#[test]
fn a_device_gets_the_image_it_is_to_boot() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.img");
    std::fs::write(&image, "a disk that boots").unwrap();
    let mut judge = Background::start(&[
        "conformance",
        "--listen",
        "127.0.0.1:0",
        "--seed",
        "001",
        "--image",
        image.to_str().unwrap(),
        "--media-type",
        "application/x-raw-disk",
        "--json",
    ]);
    let listening = judge.event().unwrap();
    let url = listening["url"].as_str().unwrap();
    let device = Background::start(&["device", "--server", url, "--interval", "1", "--json"]);
    // The program serves it as the device wants it.
    let base = url.strip_suffix("/dm").unwrap();
    let got = ask("GET", &format!("{base}/images/whole"), &[], b"");
    assert_eq!(got.header("content-type"), Some("application/x-raw-disk"));
    assert_eq!(got.body, b"a disk that boots");
    drop((judge, device));
}

/// Nobody is let in without credentials: one error says so, and no row is told.
#[test]
fn an_end_that_refuses_the_other_is_one_error() {
    let variables = [("CONFORMANCE_C", "secret"), ("CONFORMANCE_S", "word")];
    let words = [
        "--auth",
        "md5",
        "--user",
        "u",
        "--password-env",
        "CONFORMANCE_C",
    ];
    let (server, url) = Background::serve_with(&words, &variables);
    let output = virmo(&["conformance", "--server", &url]);
    drop(server);
    assert_eq!(
        (output.status.code(), lines(&output)),
        (Some(1), Vec::<String>::new())
    );
    let why = format!("virmo: --server {url}: the server refuses the device: ");
    assert!(
        complaint(&output).starts_with(&why),
        "{}",
        complaint(&output)
    );

    let mut judge = Background::start(&["conformance", "--listen", "127.0.0.1:0", "--json"]);
    let listening = judge.event().unwrap();
    let url = listening["url"].as_str().unwrap();
    let server = [
        "--server-user",
        "s",
        "--server-password-env",
        "CONFORMANCE_S",
    ];
    let device = ["device", "--server", url, "--interval", "1", "--json"];
    let device = Background::start_with(&[&device[..], &words, &server].concat(), &variables);
    let (code, events) = judge.end();
    drop(device);
    assert_eq!(code, Some(1));
    assert!(
        events.iter().all(|event| event["event"] != "row"),
        "{events:?}"
    );
}

/// A server that nothing is to be seen of, and one that is not there.
#[test]
fn success_needs_a_proven_row() {
    let (server, url) = Background::serve(&[]);
    let output = virmo(&["conformance", "--server", &url, "--seed", "001"]);
    drop(server);
    assert_eq!(output.status.code(), Some(1));
    let text = lines(&output);
    assert!(text.last().unwrap().contains(" 0 proven, none failed"));
    assert_eq!(complaint(&output), "virmo: no row was proven\n");
    let url = format!("http://{NOBODY}/dm");
    let output = virmo(&["conformance", "--server", &url]);
    assert_eq!(
        (output.status.code(), lines(&output)),
        (Some(1), Vec::<String>::new())
    );
    let why = format!("virmo: --server {url}: the connection was refused: ");
    assert!(complaint(&output).starts_with(&why), "{output:?}");
}

/// In the middle of a scenario, and while nobody comes.
#[test]
fn a_judge_that_is_stopped_leaves_no_files() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut judge = Background::start(&["conformance", "--seed", "002", "--json"]);
        judge.wait_for(&[("event", "row".into()), ("result", "proven".into())]);
        judge.signal(&[signal]);
        let (ended, told) = judge.end_without_trace();
        assert_eq!(ended, Some(code));
        assert!(told.iter().all(|it| it["event"] == "row"), "{told:?}");
    }
    let mut judge = Background::start(&["conformance", "--listen", "127.0.0.1:0", "--json"]);
    judge.wait_for(&[("event", "listening".into())]);
    judge.signal(&["TERM"]);
    assert_eq!(judge.end_without_trace().0, Some(143));
}

/// What came of a row.
fn result<'e>(events: &'e [Value], id: &str) -> &'e str {
    let row = events.iter().find(|event| event["id"] == id).unwrap();
    row["result"].as_str().unwrap()
}
