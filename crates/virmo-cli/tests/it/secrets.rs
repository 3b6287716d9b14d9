//! No password is in anything the program says, whatever goes wrong.

use std::fs;

use tempfile::TempDir;
use virmo::dm::core::base64;

use crate::program::{Background, virmo_with};

const CLIENT: &str = "0hBehave-client";
const SERVER: &str = "0hBehave-server";
/// What a plan writes into the account.
const WRITTEN: &str = "0hBehave-written";

const PLAN: &str = "[[step]]\n\
    get = './DMAcc?list=TNDS'\n\
    [[step]]\n\
    add = { uri = './DMAcc/virmo-server/AppAuth/1', format = 'node' }\n\
    [[step]]\n\
    replace = { uri = './DMAcc/virmo-server/AppAuth/1/AAuthSecret', value = '0hBehave-written' }\n\
    [[step]]\n\
    get = './DMAcc/virmo-server/AppAuth/1/AAuthSecret'\n\
    [[step]]\n\
    replace = { uri = './DMAcc/virmo-server/AppAuth/1/none', value = '0hBehave-written' }\n";

/// What both ends said in a session by this scheme, with these passwords on the device.
fn session(scheme: &str, json: &[&str], client: &str, server: &str) -> String {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("plan.toml"), PLAN).unwrap();
    let auth = [
        "--auth",
        scheme,
        "--user",
        "me",
        "--password-env",
        "CLIENT",
        "--server-user",
        "you",
        "--server-password-env",
        "SERVER",
    ];
    let variables = [("CLIENT", CLIENT), ("SERVER", SERVER)];
    let (plan, state) = (path("plan.toml"), path("state"));
    let words = [&auth[..], &["--plan", &plan]].concat();
    let (mut serve, url) = Background::serve_with(&words, &variables);
    let device = ["device", "--server", &url, "--state", &state, "--once"];
    let words = [&device[..], &auth, json].concat();
    let variables = [
        ("CLIENT", client),
        ("SERVER", server),
        ("RUST_LOG", "trace"),
        ("RUST_BACKTRACE", "1"),
    ];
    let output = virmo_with(&words, &variables, b"");
    let mut said = format!("{}", output.status);
    for octets in [&output.stdout, &output.stderr] {
        said += &String::from_utf8_lossy(octets);
    }
    // The end of the session, or of the attempt.
    let good = (client, server) == (CLIENT, SERVER);
    let over = ["\"result\"", "\"challenge\"", "\"error\""];
    let over = if good { &over[..1] } else { &over[..] };
    loop {
        let line = serve.line().unwrap();
        said += &line;
        if over.iter().any(|over| line.contains(over)) {
            break;
        }
    }
    assert_eq!(good, said.contains("\"step\""), "{said}");
    serve.kill();
    let tree = virmo_with(&["tree", "--state", &state], &[], b"");
    said += &String::from_utf8_lossy(&tree.stdout);
    said
}

#[test]
fn nothing_the_program_says_has_a_password() {
    let forms = |password: &str| {
        let octets = password.as_bytes();
        let numbers = format!("{octets:?}");
        let numbers = numbers.trim_matches(['[', ']']).to_owned();
        [password.to_owned(), base64::encode(octets), numbers]
    };
    let wrong = [("0hBehave-wrong", SERVER), (CLIENT, "x0hBehave")];
    for scheme in ["basic", "md5", "mac"] {
        let mut sessions = vec![session(scheme, &[], CLIENT, SERVER)];
        for (client, server) in wrong.into_iter().chain([(CLIENT, SERVER)]) {
            sessions.push(session(scheme, &["--json"], client, server));
        }
        for said in sessions {
            let [of_clients, of_servers] = [[CLIENT, wrong[0].0], [SERVER, wrong[1].1]];
            for password in of_clients.iter().chain(&of_servers).chain(&[WRITTEN]) {
                // Name and password as basic has them, too.
                for text in [
                    password,
                    &&*format!("me:{password}"),
                    &&*format!("you:{password}"),
                ] {
                    for form in forms(text) {
                        assert!(!said.contains(&form), "{scheme}: {said}");
                    }
                }
            }
            assert!(!said.contains("0hBehave"), "{scheme}: {said}");
        }
    }
}
