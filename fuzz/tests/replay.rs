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

/// The octets of a hex file.
fn octets(text: &str) -> Vec<u8> {
    let lines = text.lines().flat_map(|line| line.split('#').next());
    let octets = lines.flat_map(str::split_whitespace);
    octets
        .map(|octet| u8::from_str_radix(octet, 16).expect("it is hex"))
        .collect()
}

fn replay(target: &str, run: fn(&[u8])) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut golden = Vec::new();
    for name in ["omadm-markup", "omadm-syncml"] {
        let before = golden.len();
        files(
            &here.join(format!("../crates/{name}/tests/golden")),
            &mut golden,
        );
        assert!(golden.len() > before);
    }
    for path in golden {
        let mut whole = fs::read(&path).expect("the file can be read");
        if path.extension().is_some_and(|extension| extension == "hex") {
            whole = octets(str::from_utf8(&whole).expect("hex is text"));
        }
        for len in 0..=whole.len() {
            run(&whole[..len]);
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            for byte in [b"<>&\"'/ x"[at % 8], whole[at] ^ 1 << (at % 8)] {
                damaged[at] = byte;
                run(&damaged);
            }
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

#[test]
fn wbxml() {
    replay("wbxml", virmo_fuzz::wbxml);
}

#[test]
fn agreement() {
    replay("agreement", virmo_fuzz::agreement);
}
