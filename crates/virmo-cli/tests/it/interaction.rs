//! The program as a device whose server asks the person at it.

use std::thread;

use crate::{
    peer::Server,
    program::{complaint, virmo_with},
};

fn alert(code: u16, items: &[&str]) -> String {
    let items: String = items
        .iter()
        .map(|data| format!("<Item><Data>{data}</Data></Item>"))
        .collect();
    format!("<Alert>{{id}}<Data>{code}</Data>{items}</Alert>")
}

/// One question of each kind; those that may be cancelled last, each in a package of its own.
fn questions() -> [String; 5] {
    [
        alert(1100, &["MINDT=1", "Backing up"]),
        alert(1101, &["DR=0&amp;MAXDT=60", "Add the access point?"]),
        alert(1102, &["DR=J%C3%B6+B&amp;MAXLEN=9", "Your name?"]),
        alert(1103, &["DR=2", "Which colour?", "red", "green"]),
        alert(1104, &["DR=1-3", "Which of them?", "a", "b", "c"]),
    ]
}

/// What a device with these options answers, and what it shows.
fn answers(options: &[&str], typed: &str) -> (Vec<(u16, Vec<String>)>, String) {
    let server = Server::bind();
    let url = server.url();
    let options: Vec<_> = options.iter().map(|word| (*word).to_owned()).collect();
    let typed = typed.to_owned();
    let device = thread::spawn(move || {
        let mut words = vec!["device", "--server", &url, "--once", "--json"];
        words.extend(options.iter().map(String::as_str));
        virmo_with(&words, &[], typed.as_bytes())
    });
    let (mut asked, mut told) = (questions().into_iter(), Vec::new());
    server.session(|answers| {
        if let Some(code) = answers.status.get(&0) {
            told.push((*code, answers.said[&0].clone()));
        }
        asked.next().into_iter().collect()
    });
    let output = device.join().unwrap();
    assert!(output.status.success(), "{}", complaint(&output));
    (told, complaint(&output))
}

fn said(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_person_answers_by_the_line() {
    let (told, shown) = answers(&["--ui", "ask"], "huh\ny\n größer \n\n2,3\n");
    let expected = [
        (200, said(&[])),
        (200, said(&[])),
        (200, said(&["größer"])),
        (200, said(&["2"])),
        (200, said(&["2", "3"])),
    ];
    assert_eq!(told, expected);
    for text in [
        "The server says: Backing up\n",
        "The server says: Add the access point?\n(y/N; /cancel to cancel) > That is no answer",
        "(a text, at most 9 characters; /cancel to cancel) [Jö B] > ",
        "  1) red\n  2) green\n(a number; /cancel to cancel) [2] > ",
    ] {
        assert!(shown.contains(text), "{shown}");
    }
}

#[test]
fn a_person_may_cancel_or_go_away() {
    let (told, _) = answers(&["--ui", "ask"], "/cancel\n");
    let codes: Vec<_> = told.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, [200, 214, 214, 214, 214]);
}

#[test]
fn without_a_person_it_is_yes_or_no() {
    let yes = [
        (200, said(&[])),
        (200, said(&[])),
        (200, said(&["Jö B"])),
        (200, said(&["2"])),
        (200, said(&["1", "3"])),
    ];
    assert_eq!(answers(&["--ui", "accept"], "").0, yes);
    let no = [200, 304, 214, 214, 214].map(|code| (code, said(&[])));
    assert_eq!(answers(&["--ui", "reject"], "y\n").0, no);
    assert_eq!(answers(&[], "y\n").0, no, "a pipe is no terminal");
}
