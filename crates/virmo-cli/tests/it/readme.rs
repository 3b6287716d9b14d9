//! What README.md says to type works as it stands there.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

const README: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md"));

/// The program in a folder, with the words of the line of README.md that begins like this.
fn command(folder: &Path, start: &str, replace: [&str; 2]) -> Command {
    let line = README.lines().find(|line| line.starts_with(start)).unwrap();
    assert!(line.contains(replace[0]), "{line}");
    let line = line.replace(replace[0], replace[1]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_virmo"));
    command.args(line.split(' ').skip(1)).current_dir(folder);
    command
}

#[test]
fn the_two_terminals_go_through_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("images")).unwrap();
    fs::write(folder.join("images/work.img"), vec![7; 100_000]).unwrap();
    let plan = README
        .split("```")
        .find(|block| block.starts_with("toml\n[[step]]"));
    fs::write(folder.join("plan.toml"), &plan.unwrap()["toml".len()..]).unwrap();

    let mut serve = command(folder, "virmo serve", ["127.0.0.1:8080", "127.0.0.1:0"])
        .arg("--once")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(serve.stdout.take().unwrap()).lines();
    let listening = lines.next().unwrap().unwrap();
    let url = listening.strip_prefix("listening at ").unwrap();
    let device = command(folder, "virmo device", ["http://127.0.0.1:8080/dm", url])
        .output()
        .unwrap();
    let told: Vec<String> = lines.map(Result::unwrap).collect();

    assert_eq!(device.status.code(), Some(0), "{device:?}");
    assert_eq!(serve.wait().unwrap().code(), Some(0), "{told:#?}");
    let ends =
        |line: &&String| line.starts_with("step ") && !line.ends_with("waiting for the device");
    let steps = told.iter().filter(ends);
    assert_eq!(steps.clone().count(), 8, "{told:#?}");
    assert!(steps.clone().all(|line| line.contains(" ok ")), "{told:#?}");
}
