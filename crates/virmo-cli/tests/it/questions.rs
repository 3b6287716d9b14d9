//! The server asks the user of a VM. [VirMO §11.2.2]

use std::fs;

use tempfile::TempDir;

use crate::program::{Background, complaint, events, pick, virmo_with};

const QUESTIONS: &str = r#"
[[step]]
deliver_image = { node = "i", name = "a", uri = "images/i.img", media_type = "application/x-disk" }
[[step]]
create_vm = { node = "v", image = "i" }
[[step]]
ask_user = { vm = "v", kind = "confirm", text = "Do you want to add the CNN <access> point?" }
[[step]]
ask_user = { vm = "v", kind = "display", text = "Backing up", min_seconds = 2 }
[[step]]
ask_user = { vm = "v", kind = "input", text = "Name?", default = "größer" }
[[step]]
ask_user = { vm = "v", kind = "choices", text = "Which?", choices = ["a", "b", "c"], default = "1,3" }
[[step]]
get = "./VirMO/v/UI/Result"
[[step]]
ask_user = { vm = "none", kind = "confirm", text = "?" }
expect = 404
[[step]]
replace = { uri = "./VirMO/v/UI/Command", value = "Hello?", format = "xml" }
expect = 400
[[step]]
replace = { uri = "./VirMO/v/UI/Command", value = "<Alert><CmdID>3</CmdID><Data>1226</Data></Alert>", format = "xml" }
[[step]]
exec = "./VirMO/v/Operations/ExecUICmd"
[[step]]
get = "./VirMO/v/UI/Result"
[[step]]
power_off = { vm = "v" }
[[step]]
ask_user = { vm = "v", kind = "confirm", text = "?" }
expect = 405
"#;

/// What a device with these options answers: the steps, its events, and what it shows.
fn run(options: &[&str], typed: &str) -> (Vec<String>, Vec<String>, String) {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("plan.toml"), QUESTIONS).unwrap();
    fs::create_dir(path("images")).unwrap();
    fs::write(path("images/i.img"), [7; 1000]).unwrap();
    let (plan, images) = (path("plan.toml"), path("images"));
    let (server, url) = Background::serve(&["--plan", &plan, "--images", &images, "--once"]);
    let words = ["device", "--server", &url, "--until-idle", "--json"];
    let device = virmo_with(&[&words, options].concat(), &[], typed.as_bytes());
    assert_eq!(device.status.code(), Some(0), "{}", complaint(&device));
    let (_, told) = server.end();
    let steps = pick(&told, "step", &["ok", "status", "value", "result"]);
    let questions = pick(&events(&device), "question", &["vm", "status"]);
    (steps, questions, complaint(&device))
}

fn result(id: u8, code: u16, items: &str) -> String {
    format!(
        "<Status><CmdID>{id}</CmdID><MsgRef>1</MsgRef><CmdRef>{id}</CmdRef><Cmd>Alert</Cmd>\
         <Data>{code}</Data>{items}</Status>"
    )
}

/// VR-239 to VR-246, in both encodings; the text is shown for two seconds, so that with an
/// operation limit of one its Exec is accepted first and ends with an alert.
#[test]
fn a_user_who_says_yes() {
    for options in [
        &["--encoding", "xml"][..],
        &["--encoding", "wbxml"],
        &["--encoding", "wbxml", "--op-timeout", "1"],
    ] {
        let (steps, questions, _) = run(&[options, &["--ui", "accept"]].concat(), "");
        let chosen = "<Item><Data>1</Data></Item><Item><Data>3</Data></Item>";
        let expected = [
            "true 200 null null".to_owned(),
            "true 200 null null".to_owned(),
            "true 200 null yes".to_owned(),
            "true 200 null yes".to_owned(),
            "true 200 null größer".to_owned(),
            "true 200 null 1-3".to_owned(),
            format!("true 200 {} null", result(1, 200, chosen)),
            "true 404 null null".to_owned(),
            "true 400 null null".to_owned(),
            "true 200 null null".to_owned(),
            "true 200 null null".to_owned(),
            format!("true 200 {} null", result(3, 406, "")),
            "true 200 null null".to_owned(),
            "true 405 null null".to_owned(),
        ];
        assert_eq!(steps, expected, "{options:?}");
        let codes = [200, 200, 200, 200, 406].map(|code| format!("v {code}"));
        assert_eq!(questions, codes);
    }
}

#[test]
fn a_user_who_says_no() {
    let (steps, questions, _) = run(&["--ui", "reject"], "");
    let asked = [
        "false 304 null no",
        "true 200 null yes",
        "false 214 null cancelled",
        "false 214 null cancelled",
    ];
    assert_eq!(steps[2..6], asked);
    assert_eq!(steps[6], format!("true 200 {} null", result(1, 214, "")));
    let codes = [304, 200, 214, 214, 406].map(|code| format!("v {code}"));
    assert_eq!(questions, codes);
}

/// The person at the terminal sees for which VM the question is.
#[test]
fn a_person_answers_for_the_vm() {
    let (steps, _, shown) = run(&["--ui", "ask"], "n\ngr\n2\n");
    let asked = [
        "false 304 null no",
        "true 200 null yes",
        "true 200 null gr",
        "true 200 null 2",
    ];
    assert_eq!(steps[2..6], asked);
    let text = "v: Do you want to add the CNN <access> point?";
    assert!(shown.contains(text), "{shown}");
}

/// The guest asks its user itself; that of a simulated machine has none.
#[test]
fn a_guest_asks_by_itself() {
    let (steps, questions, shown) = run(&["--ui", "guest"], "");
    assert!(steps[2].starts_with("false 500"), "{}", steps[2]);
    assert_eq!(steps[6], format!("true 200 {} null", result(1, 215, "")));
    assert_eq!(questions[0], "v 215");
    assert!(!shown.contains("CNN"), "{shown}");
}
