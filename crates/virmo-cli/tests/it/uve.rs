//! `virmo uve demo`: a user whose work follows her.

use crate::program::{Background, complaint, events, lines, virmo};

#[test]
fn the_demo_goes_through_a_switch_a_broken_connection_and_a_crash() {
    let output = virmo(&["uve", "demo", "--json"]);
    assert_eq!(
        (output.status.code(), complaint(&output)),
        (Some(0), String::new())
    );
    let events = events(&output);
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            let word = |key: &str| event[key].as_str().unwrap_or("-").to_owned();
            assert_eq!(word("event"), "uve");
            let version = event["version"].as_u64();
            format!("{} {} {version:?}", word("what"), word("vm"))
        })
        .collect();
    let expected = [
        "ready - None",
        "deployed vm-a None",
        "deployed vm-b None",
        "serving vm-a Some(0)",
        "refused vm-a None",
        "monitored vm-a None",
        "suspended vm-a None",
        "resumed vm-a None",
        "waiting vm-b None",
        "saved vm-a Some(1)",
        "serving vm-b Some(1)",
        "disconnected vm-b Some(2)",
        "crashed - Some(2)",
        "serving vm-b Some(2)",
        "set_aside vm-a None",
        "done - Some(3)",
    ];
    assert_eq!(told, expected);
}

#[test]
fn people_get_sentences() {
    let output = virmo(&["uve", "demo"]);
    assert_eq!(
        (output.status.code(), complaint(&output)),
        (Some(0), String::new())
    );
    let text = lines(&output);
    assert!(
        text.iter()
            .all(|line| line.len() <= 100 && !line.starts_with('{')),
        "{text:?}"
    );
    assert!(text.last().unwrap().starts_with("done in "), "{text:?}");
}

#[test]
fn a_demo_that_is_stopped_leaves_no_files() {
    let stopped = |signal| {
        let demo = Background::start(&["uve", "demo", "--json"]);
        demo.wait_for_file("/journal.redb");
        demo.signal(&[signal]);
        demo.end_without_trace().0
    };
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        // One that is done before is none.
        let ended = (0..20).map(|_| stopped(signal)).find(|it| *it != Some(0));
        assert_eq!(ended, Some(Some(code)));
    }
}
