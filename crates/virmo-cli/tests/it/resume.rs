//! `serve --state` started again: what its folder is for, and what it tells. Servers killed amid a plan are in `crash/both.rs`.

use std::{fs, path::Path};

use serde_json::json;

use crate::{
    life::Place,
    peer,
    program::{Background, complaint, pick, virmo},
};

/// The server of a place, which keeps what it knows.
fn serve(place: &Place, listen: &str, words: &[&str]) -> Background {
    let (state, plan) = (place.path("server"), place.path("plan.toml"));
    let images = place.path("images");
    let fixed = [
        "serve", "--listen", listen, "--state", &state, "--plan", &plan, "--images", &images,
        "--once", "--json",
    ];
    Background::start(&[&fixed, words].concat())
}

/// A damaged journal is kept under another name, and every device begins the plan anew.
#[test]
fn a_damaged_journal_is_set_aside() {
    let folder = Place::new("[[step]]\nget = './DevInfo/DevId'\n");
    fs::create_dir(folder.path("server")).unwrap();
    fs::write(folder.path("server/server.redb"), "a diary").unwrap();
    let mut server = serve(&folder, "127.0.0.1:0", &[]);
    assert_eq!(server.event().unwrap()["event"], "listening");
    let error = server.event().unwrap();
    assert_eq!(error["event"], "error");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("server.redb.damaged-1") && message.contains("anew"),
        "{message}"
    );
    let aside = fs::read(folder.path("server/server.redb.damaged-1"));
    assert_eq!(aside.unwrap(), b"a diary");
    server.kill();
}

#[test]
fn a_folder_stays_with_its_plan_and_its_server() {
    let plan = "[[step]]\nget = './DevInfo/DevId'\n";
    let folder = Place::new(plan);
    let mut server = serve(&folder, "127.0.0.1:0", &[]);
    assert_eq!(server.event().unwrap()["event"], "listening");
    let words = |folder: &Place| {
        [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--once",
            "--json",
            "--state",
        ]
        .map(str::to_owned)
        .into_iter()
        .chain([
            folder.path("server"),
            "--plan".into(),
            folder.path("plan.toml"),
        ])
        .collect::<Vec<_>>()
    };
    let refused = |folder: &Place, more: &[&str]| {
        let words = words(folder);
        let words: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
            .collect();
        let output = virmo(&words);
        assert_eq!(output.status.code(), Some(1));
        complaint(&output)
    };
    let why = refused(&folder, &[]);
    assert!(why.contains("a server runs on it"), "{why}");
    drop(server.kill());

    let file = folder.path("plan.toml");
    let why = complaint(&virmo(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--state",
        &file,
    ]));
    assert!(
        why.contains(&format!("--state {file}: not a folder")),
        "{why}"
    );

    // A comment is no other plan, a step is.
    let other = |plan: &str| fs::write(Path::new(&folder.path("plan.toml")), plan).unwrap();
    other(&format!("# the same\n{plan}"));
    let mut again = serve(&folder, "127.0.0.1:0", &[]);
    assert_eq!(again.event().unwrap()["event"], "listening");
    drop(again.kill());
    other(&plan.replace("DevId", "Mod"));
    let why = refused(&folder, &[]);
    assert!(why.contains("another plan"), "{why}");
    other(plan);
    let why = refused(&folder, &["--profile", "draft"]);
    assert!(why.contains("another plan or profile"), "{why}");

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;

        let mode = |name: &str| {
            fs::metadata(folder.path(name))
                .unwrap()
                .permissions()
                .mode()
        };
        assert_eq!(mode("server") & 0o777, 0o700);
        assert_eq!(mode("server/server.redb") & 0o777, 0o600);
    }
}

/// The end of a plan is remembered: a server that is started again ends as the first one did.
#[test]
fn a_plan_that_is_over_is_not_begun_again() {
    let folder = Place::new("[[step]]\nget = './DevInfo/DevId'\n[[step]]\nget = './No'\n");
    let mut server = serve(&folder, "127.0.0.1:0", &[]);
    let listening = server.event().unwrap();
    let url = listening["url"].as_str().unwrap();
    let device = virmo(&["device", "--server", url, "--once", "--json"]);
    assert_eq!(device.status.code(), Some(0));
    let (code, _) = server.end();
    assert_eq!(code, Some(1));

    let (code, told) = serve(&folder, "127.0.0.1:0", &[]).end();
    assert_eq!(code, Some(1));
    assert_eq!(pick(&told, "step", &["index"]), Vec::<String>::new());
    let resumed = told
        .iter()
        .find(|event| event["event"] == "resumed")
        .unwrap();
    assert_eq!(resumed["next"], json!(2));
    assert_eq!(resumed["steps"][0]["ok"], json!(true));
    assert_eq!(resumed["steps"][1]["status"], json!(404));
}

/// A device that goes on with the session it had with the server before: told in its own words, and
/// no error.
#[test]
fn a_session_from_before_the_restart_is_told() {
    let folder = Place::new("[[step]]\nget = './DevInfo/DevId'\n");
    let mut server = serve(&folder, "127.0.0.1:0", &[]);
    let listening = server.event().unwrap();
    let url = listening["url"].as_str().unwrap();
    let address = url.trim_start_matches("http://").trim_end_matches("/dm");
    let info = ["DevId", "Man", "Mod", "DmV", "Lang"].map(|leaf| {
        let uri = format!("<LocURI>./DevInfo/{leaf}</LocURI>");
        format!("<Item><Source>{uri}</Source><Data>d</Data></Item>")
    });
    let package = [
        "<Alert>{id}<Data>1201</Data></Alert>".to_owned(),
        format!("<Replace>{{id}}{}</Replace>", info.concat()),
    ];
    let send = |id, body: &[String]| {
        let message = peer::message("7", id, [url, "d"], body, true);
        peer::post(url, &message, false).1
    };
    assert!(send(1, &package).contains("<Get>"));
    server.kill();
    let mut server = serve(&folder, address, &[]);
    server.wait_for(&[("event", json!("listening"))]);
    let answer = send(2, &[peer::status(1, "0", "SyncHdr", 200)]);
    assert!(answer.contains("<Data>404</Data>"), "{answer}");
    let device = virmo(&["device", "--server", url, "--device-id", "d", "--once"]);
    assert_eq!(device.status.code(), Some(0), "{device:?}");
    let (code, told) = server.end();
    assert_eq!(code, Some(0), "{told:?}");
    assert_eq!(pick(&told, "unknown_session", &["device", "id"]), ["d 7"]);
    assert_eq!(pick(&told, "error", &["message"]), [""; 0]);
}

/// How each step gets on is told between its commands and its end.
#[test]
fn how_steps_get_on_is_told() {
    let plan = "[[step]]\ndeliver_image = { node = 'i', name = 'i', uri = '/images/i.img', \
                media_type = 'application/octet-stream' }\n[[step]]\nget = './DevInfo/DevId'\n";
    let folder = Place::new(plan);
    let mut server = serve(&folder, "127.0.0.1:0", &[]);
    let listening = server.event().unwrap();
    let url = listening["url"].as_str().unwrap();
    let device = virmo(&["device", "--server", url, "--until-idle", "--json"]);
    assert_eq!(device.status.code(), Some(0));
    let (code, told) = server.end();
    assert_eq!(code, Some(0));
    let told = pick(&told, "progress", &["index", "what", "commands", "uri"]);
    let begin = [
        "0 begun null null",
        "0 sent 1 null",
        "0 sent 1 null",
        "0 sent 3 null",
        "0 sent 1 null",
        "0 accepted null ./VMImgMO/i/Operations/Download",
    ];
    assert_eq!(told[..begin.len()], begin);
    let end = ["0 sent 3 null", "1 begun null null", "1 sent 1 null"];
    assert!(told.ends_with(&end.map(str::to_owned)), "{told:?}");
    assert!(!told.iter().any(|it| it.contains("retried")), "{told:?}");
}
