//! A device whose disk takes no more: the error names the folder.

use std::{fmt::Write, fs, process::Command};

use tempfile::TempDir;

use crate::program::{Background, complaint, pick};

/// Runs a device on a folder, in which no file becomes longer than so many blocks of 512 bytes.
fn device(blocks: u32, url: &str, state: &str) -> std::process::Output {
    let start = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let words = ["device", "--server", url, "--state", state, "--once"];
    Command::new("sh")
        .args(["-c", &start, env!("CARGO_BIN_EXE_virmo")])
        .args(words)
        .output()
        .unwrap()
}

#[test]
fn a_folder_without_room_is_named_at_the_start() {
    let folder = TempDir::new().unwrap();
    for blocks in [0, 64] {
        let state = folder.path().join(blocks.to_string());
        let state = state.to_str().unwrap();
        let output = device(blocks, "http://127.0.0.1:9/dm", state);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = complaint(&output);
        let due = format!("virmo: --state {state}: ");
        assert!(said.starts_with(&due), "{said}");
    }
}

#[test]
fn a_folder_without_room_is_named_while_a_device_runs() {
    let folder = TempDir::new().unwrap();
    let mut plan = "[[step]]\nadd = { uri = './VirMO/v', format = 'node' }\n".to_owned();
    let value = "x".repeat(60_000);
    for index in 0..30 {
        let uri = format!("./VirMO/v/Ext/{index}");
        writeln!(
            plan,
            "[[step]]\nadd = {{ uri = '{uri}', value = '{value}' }}"
        )
        .unwrap();
    }
    let path = folder.path().join("plan.toml");
    fs::write(&path, plan).unwrap();
    let (server, url) = Background::serve(&["--plan", path.to_str().unwrap(), "--once"]);
    let state = folder.path().join("state");
    let state = state.to_str().unwrap();
    let output = device(3000, &url, state);
    let due = format!("error: --state {state}: the journal's medium is full");
    let said = complaint(&output);
    assert!(said.lines().any(|line| line == due), "{said}");
    let (_, told) = server.end();
    let statuses = pick(&told, "step", &["status"]);
    assert_eq!(statuses.first().map(String::as_str), Some("200"));
    assert_eq!(statuses.last().map(String::as_str), Some("420"));
}
