//! `virmo conformance`: of our ends, of a foreign server, of a foreign device.

use serde_json::Value;

use crate::program::{Background, complaint, events, lines, virmo};

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
    assert_eq!(text.last().unwrap(), "INFO        1 rows: 1 proven");
    let wrong = virmo(&["conformance", "--seed", "007"]);
    assert_eq!(wrong.status.code(), Some(2));
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
        ("VR-058", "not observable"),
        ("VR-180", "not observable"),
    ] {
        assert_eq!(result(&events, id), due, "{id}");
    }
}

/// What came of a row.
fn result<'e>(events: &'e [Value], id: &str) -> &'e str {
    let row = events.iter().find(|event| event["id"] == id).unwrap();
    row["result"].as_str().unwrap()
}
