//! Replays golden files, damaged ones too, and every past finding.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn replay(target: &str, run: fn(&[u8])) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut golden = Vec::new();
    files(
        &here.join("../crates/omadm-syncml/tests/golden"),
        &mut golden,
    );
    assert!(!golden.is_empty());
    for path in golden {
        let whole = fs::read(&path).expect("the file can be read");
        for len in 0..=whole.len() {
            run(&whole[..len]);
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] = b"<>&\"'/ x"[at % 8];
            run(&damaged);
        }
    }
    let mut findings = Vec::new();
    files(&here.join("regressions").join(target), &mut findings);
    for path in findings {
        run(&fs::read(&path).expect("the file can be read"));
    }
}

#[test]
fn xml() {
    replay("xml", virmo_fuzz::xml);
}

#[test]
fn message() {
    replay("message", virmo_fuzz::message);
}
