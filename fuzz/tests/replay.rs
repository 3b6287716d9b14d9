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

/// The crates with messages and other markup.
const MESSAGES: [&str; 2] = ["omadm-markup", "omadm-syncml"];

/// Each file of these crates as it is; cut and damaged at each `step`th byte.
fn replay(target: &str, crates: &[&str], step: usize, run: fn(&[u8])) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut golden = Vec::new();
    for name in crates {
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
        run(&whole);
        for len in (0..whole.len()).step_by(step) {
            run(&whole[..len]);
        }
        for at in (0..whole.len()).step_by(step) {
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

/// A notification, bare, in a WAP push, and in one with a port header; cut and damaged at every byte.
#[test]
fn notification() {
    let bare = octets(
        "cf 2f 6a d2 34 93 ac c1 bf 14 f1 84 ff ec e0 14 02 d0 00 00 00 12 34 12
         63 6f 6d 2e 6d 67 6d 74 73 72 76 2e 6d 61 6e 61 67 65",
    );
    let push = [b"\x01\x06\x03\xC4\xAF\x87", bare.as_slice()].concat();
    let sms = [b"\x06\x05\x04\x0B\x84\xC0\x02", push.as_slice()].concat();
    for whole in [bare, push, sms] {
        for len in 0..=whole.len() {
            virmo_fuzz::notification(&whole[..len]);
        }
        for bit in 0..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 0x80 >> (bit % 8);
            virmo_fuzz::notification(&damaged);
        }
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut findings = Vec::new();
    files(&here.join("regressions/notification"), &mut findings);
    for path in findings {
        virmo_fuzz::notification(&fs::read(&path).expect("the file can be read"));
    }
}

#[test]
fn xml() {
    replay("xml", &MESSAGES, 1, virmo_fuzz::xml);
}

#[test]
fn message() {
    replay("message", &MESSAGES, 1, virmo_fuzz::message);
}

#[test]
fn wbxml() {
    replay("wbxml", &MESSAGES, 1, virmo_fuzz::wbxml);
}

#[test]
fn agreement() {
    replay("agreement", &MESSAGES, 1, virmo_fuzz::agreement);
}

#[test]
fn document() {
    replay("document", &["omadm-mo"], 1, virmo_fuzz::document);
}

#[test]
fn bootstrap() {
    replay("bootstrap", &["omadm-mo"], 1, virmo_fuzz::bootstrap);
}

#[test]
fn descriptor() {
    replay("descriptor", &["omadm-download"], 1, virmo_fuzz::descriptor);
}

/// What host and guest say, cut and damaged at every third byte.
#[test]
fn guest() {
    for whole in virmo_fuzz::guest_talk() {
        assert!(!whole.is_empty());
        virmo_fuzz::guest(&whole);
        for at in (0..whole.len()).step_by(3) {
            virmo_fuzz::guest(&whole[..at]);
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            virmo_fuzz::guest(&damaged);
        }
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut findings = Vec::new();
    files(&here.join("regressions/guest"), &mut findings);
    for path in findings {
        virmo_fuzz::guest(&fs::read(&path).expect("the file can be read"));
    }
}

#[test]
fn device_session() {
    let run = virmo_fuzz::device_session;
    replay("device_session", &["omadm-syncml"], 29, run);
}

#[test]
fn server_session() {
    let run = virmo_fuzz::server_session;
    replay("server_session", &["omadm-syncml"], 29, run);
}
